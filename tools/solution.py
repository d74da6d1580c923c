"""Execute one solution notebook in this machine's own budget; the stored one stays as it is.

python -m tools.solution 02
"""

from __future__ import annotations

import argparse
import sys

import nbformat

from tools import execute
from tools.course import ROOT, CourseError, find_lesson, read_notebook


def main(arguments: list[str] | None = None) -> int:
    """Execute the solution that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.solution", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", help="number or name of the lesson, such as 02")
    options = parser.parse_args(arguments)
    try:
        path = find_lesson(options.lesson).notebook("solutions")
        notebook = read_notebook(path)
        seconds = execute.execute_with_bar(notebook, path)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    written = ROOT / "build" / path.name
    written.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, written)
    print(f"Executed in {seconds} s, written to {written.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
