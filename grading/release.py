"""Write the student's version of a lab, and a zip of it with what a student needs beside it.

    python -m grading.release 03                     with the checks, which hold the reference solutions
    python -m grading.release 03 --without-checks    the checks are replaced: judged when it is handed in

The notebook is the one of ``labs/``. Beside it comes the part of ``nnlabs`` that the lab imports, as a
folder: Python finds it there, so nothing but the usual packages has to be installed, and the lab runs
without a network in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from nbformat import NotebookNode

from tools import build, course, inputs
from tools.course import CourseError, Lesson, find_lesson

HERE = Path(__file__).parent
README = HERE / "readme.txt"  # for the students
WITH_CHECKS = """\
  The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on with
  the course's own version."""
WITHOUT_CHECKS = """\
  In this form the check only says that the exercise is judged when it is handed in. The notebook goes on
  with your own version: after an exercise that is not done, later cells may stop with an error."""


def release(lesson: Lesson, place: Path, *, checks: bool = True) -> Path:
    """Write the folder of the lab into ``place``, and a zip of it beside it; return the zip."""
    (place / f"{lesson.name}.zip").unlink(missing_ok=True)  # an older release does not outlive a failed one
    lab, source = build.build(lesson, "labs"), build.build(lesson, "solutions")
    folder = place / lesson.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build.write(lab, folder / f"{lesson.name}.ipynb")
    add_helper(source, folder, checks=checks)
    _copy(course.ROOT / "requirements" / "lock.txt", folder / "constraints.txt")
    _copy(HERE / "handin.py", folder / "check.py")
    marks = [cell.metadata.nbgrader for cell in lab.cells if "nbgrader" in cell.metadata]
    points = {mark.grade_id: mark.points for mark in marks if mark.grade}
    _write(folder / "lab.json", json.dumps(points))
    _write(folder / "requirements.txt", requirements())
    readme = README.read_text(encoding="utf-8").format(
        title=lab.cells[0].source.partition("\n")[0].removeprefix("# "),
        notebook=f"{lesson.name}.ipynb",
        checks=WITH_CHECKS if checks else WITHOUT_CHECKS,
    )
    _write(folder / "README.txt", readme)
    return Path(shutil.make_archive(str(folder), "zip", place, lesson.name))


def add_helper(source: NotebookNode, folder: Path, *, checks: bool) -> None:
    """Copy the modules of ``nnlabs`` that the lab imports, and the data that it may read."""
    root = course.ROOT
    code = "\n".join(cell.source for cell in source.cells if cell.cell_type == "code")
    modules = {root / "nnlabs" / "__init__.py", *inputs.helper_files(code)}
    if any(path.parent.name == "checks" for path in modules):
        modules.add(root / "nnlabs" / "checks" / "__init__.py")
    for path in modules:
        if checks or path.parent.name != "checks":
            _copy(path, folder / path.relative_to(root))
    if not checks:
        _copy(HERE / "unchecked.py", folder / "nnlabs" / "checks" / "__init__.py")
    names = [line.split(maxsplit=1)[1] for line in inputs.data_files(code)]
    for name in ["README.md", "SHA256SUMS", *names] if names else []:
        _copy(root / "data" / name, folder / "nnlabs" / "_data" / name)
    for path in [root / "LICENSE", *sorted((root / "LICENSES").glob("*.txt"))]:
        _copy(path, folder / path.relative_to(root))


def requirements() -> str:
    """Return what a student installs, without ``nnlabs`` itself, as a requirements file."""
    project = course.pyproject()["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["tensorflow"], *extras["lab"]]
    wanted = sorted(line for line in lines if not line.startswith("nnlabs"))
    return "\n".join(["--constraint constraints.txt", *wanted]) + "\n"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    """Release the lab that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grading.release", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", help="number or name of the lesson, such as 03")
    told = "leave out the checks, which hold the solutions"
    parser.add_argument("--without-checks", action="store_true", help=told)
    place = course.ROOT / "build" / "release"
    parser.add_argument("--output", type=Path, default=place, help="where folder and zip go")
    options = parser.parse_args(arguments)
    try:
        course.check_installation()
        archive = release(find_lesson(options.lesson), options.output, checks=not options.without_checks)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        why = error.strerror or error
        print(f"The release cannot be written to {options.output}: {why}.", file=sys.stderr)
        return 1
    size = archive.stat().st_size / 1e6
    form = "no checks, no solutions" if options.without_checks else "with checks, which hold the solutions"
    print(f"{archive} ({size:.1f} MB, {form}); give this file to your students.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
