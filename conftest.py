"""How the tests run the notebooks: budget, no network, and the minutes each notebook took."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

os.environ["NNLABS_BUDGET"] = os.environ.get("NNLABS_BUDGET") or "smoke"
if os.environ["NNLABS_BUDGET"] != "smoke":
    os.environ["NNLABS_TARGETS"] = "strict"
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT / "tests" / "offline"), os.environ.get("PYTHONPATH")])
)

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # one thread a process, or the processes wait for each other's threads
    for library in ("TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OMP_NUM", "OPENBLAS_NUM"):
        os.environ.setdefault(f"{library}_THREADS", "1")

seconds: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what each notebook's cells took, its kernel's start included."""
    path = report.nodeid.split("::")[0]
    if path.endswith(".ipynb"):
        seconds[path] += report.duration


def stated_seconds(path: str) -> float:
    """Return what the notebook states for the present budget."""
    minutes = json.loads((ROOT / path).read_text(encoding="utf-8"))["metadata"]["nnlabs"]["minutes"]
    return 60 * minutes["smoke" if os.environ["NNLABS_BUDGET"] == "smoke" else "cpu"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what each notebook took beside what it states; nobody is judged by a clock."""
    if not seconds:
        return
    terminalreporter.section(f"notebooks, budget {os.environ['NNLABS_BUDGET']}")
    for path, taken in sorted(seconds.items()):
        stated = stated_seconds(path)
        remark = "  LONGER THAN STATED, if the machine was quiet" if taken > stated else ""
        terminalreporter.line(f"{path:50} {taken:6.0f} s of {stated:.0f} s{remark}")
