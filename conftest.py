"""How the tests run the notebooks: budget, no network, and the minutes each notebook may take."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
OVERTIME = 1.5  # a notebook may take this many times the minutes it states

os.environ["NNLABS_BUDGET"] = os.environ.get("NNLABS_BUDGET") or "smoke"
if os.environ["NNLABS_BUDGET"] != "smoke":
    os.environ["NNLABS_TARGETS"] = "strict"
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT / "tests" / "offline"), os.environ.get("PYTHONPATH")])
)

seconds: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what each notebook's cells took, its kernel's start included."""
    path = report.nodeid.split("::")[0]
    if path.endswith(".ipynb"):
        seconds[path] += report.duration


def allowed_seconds(path: str) -> float:
    """Return what the notebook states for the present budget."""
    minutes = json.loads((ROOT / path).read_text(encoding="utf-8"))["metadata"]["nnlabs"]["minutes"]
    return 60 * minutes["smoke" if os.environ["NNLABS_BUDGET"] == "smoke" else "cpu"]


def late_notebooks() -> list[str]:
    """Return the notebooks that took over OVERTIME times their stated minutes."""
    return [path for path in seconds if seconds[path] > OVERTIME * allowed_seconds(path)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a full run in which a notebook was late; in CI's smoke budget the times are only shown."""
    if os.environ["NNLABS_BUDGET"] != "smoke" and session.exitstatus == 0 and late_notebooks():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what each notebook took beside what it states."""
    if not seconds:
        return
    terminalreporter.section(f"notebooks, budget {os.environ['NNLABS_BUDGET']}")
    late = late_notebooks()
    for path, taken in sorted(seconds.items()):
        verdict = "  TOO LONG" if path in late else ""
        terminalreporter.line(f"{path:50} {taken:6.0f} s of {allowed_seconds(path):.0f} s{verdict}")
