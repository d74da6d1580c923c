"""Collect the headline figures of the executed notebooks into RESULTS.md.

    python -m tools.results

The lines come from ``runtime.result``, what they ran on from ``runtime.setup``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tools import course
from tools.course import CourseError, lessons, read_notebook

RESULT = re.compile(
    r"^RESULT (?P<name>\w+) = (?P<value>\S+)(?: \(target: (?P<target>[^;]+); (?P<verdict>[^)]+)\))?$"
)
SETUP = re.compile(r"^nnlabs \S+, (?P<versions>.*), (?P<device>[CG]PU.*), budget: (?P<budget>\w+)$")
HEAD = """\
# Results

Measured in the executed notebooks, and collected by `make results`. Do not edit by hand.

| notebook | figure | value | target | verdict | budget | device | notebook took | versions |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def rows(path: Path) -> list[str]:
    """Return one table row for each headline figure of the notebook at ``path``."""
    notebook = read_notebook(path)
    texts = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    lines = "".join(text if text.endswith("\n") else f"{text}\n" for text in texts).split("\n")
    setup = next(filter(None, map(SETUP.match, lines)), None)
    results = [found for found in map(RESULT.match, lines) if found]
    if not setup or not results:
        return []
    seconds = notebook.metadata.nnlabs.execution.seconds
    ran = [setup["budget"], setup["device"], f"{seconds} s", setup["versions"]]
    name = f"{path.parent.name}/{path.stem}"
    return [
        "| " + " | ".join([name, r["name"], r["value"], r["target"] or "", r["verdict"] or "", *ran]) + " |\n"
        for r in results
    ]


def report() -> str:
    """Return the text of RESULTS.md."""
    paths = [lesson.notebook(folder) for lesson in lessons() for folder in ("notebooks", "solutions")]
    return HEAD + "".join(row for path in paths for row in rows(path))


def main() -> int:
    """Write RESULTS.md; return the exit status."""
    try:
        text = report()
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    (course.ROOT / "RESULTS.md").write_text(text, encoding="utf-8")
    print(f"RESULTS.md: {text.count(chr(10)) - HEAD.count(chr(10))} figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
