"""Execute a lecture in the ``cpu`` budget and keep the networks that its header names.

    python -m tools.train 11 FOLDER

A header with ``networks: {gan: generator}`` gives ``FOLDER/networks.zip`` with ``gan.npz``: the weights
of the model that is called ``generator`` when the lecture has come to its end, in the order of
``model.weights``. ``data.rebuild`` calls this to rebuild ``data/networks/``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jupytext
from nbformat.v4 import new_code_cell

from tools import build, course, execute
from tools.course import CourseError, Lesson, find_lesson

KEEP = """\
import io
import zipfile

import numpy as np

with zipfile.ZipFile({path!r}, "w") as archive:
    for name, model in {{{models}}}.items():
        file = io.BytesIO()
        np.savez_compressed(file, **{{f"{{i:02}}": array for i, array in enumerate(model.get_weights())}})
        archive.writestr(f"{{name}}.npz", file.getvalue())
"""


def networks(lesson: Lesson) -> dict[str, str]:
    """Return the networks that a lecture gives: from the name of the file to the name of the variable."""
    header = jupytext.read(lesson.lecture, fmt="py:percent").metadata.get("nnlabs", {})
    return dict(header.get("networks", {}))


def train(lesson: Lesson, folder: Path) -> Path:
    """Execute the lecture and return the archive of its networks."""
    given = networks(lesson)
    if not given:
        raise CourseError(f"The header of {lesson.name}/lecture.py names no networks. See CONTRIBUTING.md.")
    path = folder.resolve() / "networks.zip"
    models = ", ".join(f"{name!r}: {variable}" for name, variable in given.items())
    notebook = build.prepare(lesson.lecture, f"notebooks/{lesson.name}.ipynb")
    notebook.cells.append(new_code_cell(KEEP.format(path=str(path), models=models)))
    execute.execute(notebook, lesson.notebook("notebooks"), "cpu")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Train the networks of the lesson that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.train", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", help="number or name of the lesson, such as 11")
    parser.add_argument("folder", type=Path, help="where networks.zip is written")
    options = parser.parse_args(arguments)
    try:
        course.check_installation()
        train(find_lesson(options.lesson), options.folder)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
