"""Collect the headline figures of the executed notebooks into RESULTS.md.

    python -m tools.results

The lines come from ``runtime.result``, what they ran on from ``runtime.setup``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tools import course
from tools.course import CourseError, Lesson, lessons, read_notebook

RESULT = re.compile(
    r"^RESULT (?P<name>\w+) = (?P<value>\S+)(?: \(target: (?P<target>[^;]+); (?P<verdict>[^)]+)\))?$"
)
SETUP = re.compile(r"^nnlabs \S+, (?P<versions>.*), (?P<device>[CG]PU.*), budget: (?P<budget>\w+)$")
HEAD = """\
# Results

Measured in the executed notebooks, and collected by `make results`. Do not edit by hand.
"""
TABLE = """\
| figure | value | target | verdict |
| --- | --- | --- | --- |
"""


def section(path: Path) -> str:
    """Return what the notebook at ``path`` ran on, and a table of its headline figures; or nothing."""
    notebook = read_notebook(path)
    texts = [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]
    lines = "".join(text if text.endswith("\n") else f"{text}\n" for text in texts).split("\n")
    setup = next(filter(None, map(SETUP.match, lines)), None)
    results = [found for found in map(RESULT.match, lines) if found]
    if not setup or not results:
        return ""
    what = "Lecture" if path.parent.name == "notebooks" else "Solutions of the lab"
    ran = f"`{setup['budget']}` budget, {setup['device']}, {setup['versions']}"
    seconds = notebook.metadata.nnlabs.execution.seconds
    rows = [[r["name"], r["value"], r["target"] or "", r["verdict"] or ""] for r in results]
    table = TABLE + "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"\n{what}: {seconds} s, {ran}.\n\n{table}"


def heading(lesson: Lesson) -> str:
    """Return the heading of a lesson's results: its number and title."""
    title = re.search(r"^# # (.+)$", lesson.lecture.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return f"{lesson.name[:2]} {title[1]}"


def report() -> str:
    """Return the text of RESULTS.md."""
    parts = [HEAD]
    for lesson in lessons():
        parts.append(f"\n## {heading(lesson)}\n")
        parts += [section(lesson.notebook(folder)) for folder in ("notebooks", "solutions")]
    return "".join(parts)


def main() -> int:
    """Write RESULTS.md; return the exit status."""
    try:
        text = report()
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    (course.ROOT / "RESULTS.md").write_text(text, encoding="utf-8")
    print("RESULTS.md is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
