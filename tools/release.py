"""Write the student's version of a lab, and a zip of it with what a student needs beside it.

    python -m tools.release 03            self-study: after a wrong answer the notebook goes on
    python -m tools.release 03 --graded   no solution anywhere: the checks only judge

nbgrader's own ``generate_assignment`` makes the notebook, from the lab with its solutions. Beside it
comes the part of ``nnlabs`` that the lab imports, as a folder: Python finds it there, so nothing but
the usual packages has to be installed, and the lab runs without a network in a folder of its own.
The same course gives the same zip, byte for byte. Before it is done, the zip is searched for solutions.
"""

from __future__ import annotations

import argparse
import ast
import json
import logging
import re
import shutil
import sys
import zipfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from tools import build, execute, grading, release_audit, release_graded
from tools.course import ROOT, CourseError, Lesson, Publication, find_lesson, pyproject

COURSE = "build"  # nbgrader's course folder: source/ and release/ are in it
TEMPLATE = """\
{title}

START
  1. Unpack the zip. Keep its files together in one folder, and work in that folder.
  2. Once on each computer, install what the labs need (Python 3.10 to 3.13; this step needs a network):
         python -m pip install -r requirements.txt
     Have you done it for another lab of this course? Then it is done.
  3. Open the lab:
         python -m jupyter lab {notebook}
     From here on no network is needed.

WORK
  Write your code in place of "raise NotImplementedError", run the cell, then run the check below it.
  The check says in one line what is right or wrong. Write your answers to the open questions into
  their text cells. Do not change, delete, copy or move the cells with the checks.
{wrong}
CHECK
  Save the notebook, then run:
      python check.py
  It says, exercise by exercise, what you have so far. You can do it as often as you like. (The button
  "Validate" in JupyterLab does the same, in other words.)

HAND IN
  Hand in exactly one file, with its name as it is:
      {notebook}
{hidden}"""
WRONG = {
    False: """\
  If you skip an exercise, the notebook goes on with the course's own version.
""",
    True: """\
  This is the graded form: the checks only judge. They do not go on with the course's own version, so
  after an exercise that is not right or not done yet, later cells may stop with an error. That is no
  fault of those cells. You can go on with other exercises, and later cells do not change your points
  for earlier ones. Some answers are judged only when you hand in; the check tells which.
""",
}
HIDDEN = """\
  When it is graded, more may be tested than the checks in the notebook test.
"""


# ---------------------------------------------------------------- the notebook


def source_notebook(lesson: Lesson) -> NotebookNode:
    """Return the lab with its solutions and hidden tests, and the links of the student's version."""
    return build.prepare(lesson.lab, f"labs/{lesson.name}.ipynb")


def generate(lesson: Lesson) -> Path:
    """Let nbgrader write the student's version; return its folder, ``build/release/LESSON``."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    source = ROOT / COURSE / "source" / lesson.name
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    nbformat.write(source_notebook(lesson), source / f"{lesson.name}.ipynb")
    config = grading.stubs()
    config.CourseDirectory.root = str(ROOT / COURSE)
    config.CourseDirectory.assignment_id = lesson.name
    config.GenerateAssignment.no_database = True  # the gradebook belongs to where a class is graded
    config.SaveCells.enabled = False
    config.BaseConverter.force = True
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    try:
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()
    except NbGraderException:
        raise CourseError(
            f"nbgrader refuses {lesson.lab.relative_to(ROOT)}; its reason is above. "
            "Are all BEGIN and END markers in pairs, and hidden tests only in check cells?"
        ) from None
    folder = ROOT / COURSE / "release" / lesson.name
    path = folder / f"{lesson.name}.ipynb"
    build.write(nbformat.read(path, as_version=4), path)  # with the line end that the build writes
    return folder


# ---------------------------------------------------------------- what a student needs beside it


def add_helper(notebook: NotebookNode, folder: Path) -> list[Path]:
    """Copy the modules of ``nnlabs`` that the lab imports, and their data; return the check modules."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    modules = {ROOT / "nnlabs" / "__init__.py", *execute.helper_modules(code)}
    if any(path.parent.name == "checks" for path in modules):
        modules.add(ROOT / "nnlabs" / "checks" / "__init__.py")
    for path in modules:
        _copy(path, folder / path.relative_to(ROOT))
    for name in data_files(code, modules):
        _copy(ROOT / "data" / name, folder / "nnlabs" / "_data" / name)
    for path in [ROOT / "LICENSE", *sorted((ROOT / "LICENSES").glob("*.txt"))]:
        _copy(path, folder / path.relative_to(ROOT))
    mechanism = {"__init__", "exercise", "expect", "timing"}
    return sorted(path for path in modules if path.parent.name == "checks" and path.stem not in mechanism)


def data_files(code: str, modules: set[Path]) -> list[str]:
    """Return the files of ``data/`` that the code may read, by what it takes from ``nnlabs.data``."""
    if not modules & {ROOT / "nnlabs" / "data.py"}:
        return []
    module = ROOT / "nnlabs" / "data.py"
    source = release_graded.Source(module.read_text(encoding="utf-8"))
    texts = [code, *(path.read_text(encoding="utf-8") for path in modules - {module})]
    used = set(re.findall(r"\bdata\.(\w+)", "\n".join(texts)))
    nodes = [source.defined[name] for name in source.closure(used)]
    strings = {
        part.value
        for tree in (*nodes, *(ast.parse(text) for text in texts[1:]))
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
    first = {text.split("/")[0] for text in strings}
    sums = (ROOT / "data" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    names = [line.split(maxsplit=1)[1] for line in sums]
    chosen = [name for name in names if name.split("/")[0] in first]
    return ["README.md", "SHA256SUMS", *chosen] if chosen else []


def requirements() -> str:
    """Return what a student installs, without ``nnlabs`` itself, as a requirements file."""
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["tensorflow"], *extras["lab"]]
    wanted = sorted(line for line in lines if not line.startswith("nnlabs"))
    return "\n".join(["--constraint constraints.txt", *wanted]) + "\n"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


# ---------------------------------------------------------------- the release


def release(lesson: Lesson, *, graded: bool) -> tuple[Path, list[str]]:
    """Write ``build/release/LESSON`` and the zip beside it; return the zip and remarks for the instructor."""
    archive = ROOT / COURSE / "release" / f"{lesson.name}.zip"
    archive.unlink(missing_ok=True)  # an older release does not outlive a failed one
    folder = generate(lesson)
    notebook = source_notebook(lesson)
    remarks = []
    modules = add_helper(notebook, folder)
    if graded:
        checks = folder / "nnlabs" / "checks"
        _copy(Path(release_graded.release_judge.__file__), checks / "judge.py")
        forbidden = release_audit.telling_functions(checks / "expect.py")
        for path in modules:
            remarks += _judge(path, checks, forbidden)
        _reduce_expectations(checks, forbidden)
    _copy(ROOT / "requirements" / "lock.txt", folder / "constraints.txt")
    _copy(Path(__file__).parent / "handin.py", folder / "check.py")
    points = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    (folder / "lab.json").write_text(
        json.dumps({"lab": lesson.name, "points": points}), encoding="utf-8", newline="\n"
    )
    hidden = any("BEGIN HIDDEN TESTS" in cell.source for cell in notebook.cells)
    (folder / "requirements.txt").write_text(requirements(), encoding="utf-8", newline="\n")
    readme = TEMPLATE.format(
        title=notebook.cells[0].source.partition("\n")[0].removeprefix("# "),
        notebook=f"{lesson.name}.ipynb",
        wrong=WRONG[graded],
        hidden=HIDDEN if hidden else "",
    )
    (folder / "README.txt").write_text(readme, encoding="utf-8", newline="\n")
    if found := release_audit.leaks(folder, lesson, graded=graded):
        raise CourseError("No zip was written, because a student would get\n  " + "\n  ".join(found))
    pack(folder, archive)
    return archive, remarks


def _judge(path: Path, folder: Path, forbidden: set[str]) -> list[str]:
    """Replace a check module by its graded form; return what that keeps and leaves out."""
    form = release_graded.Graded(path, forbidden)
    with tqdm(total=len(form.reports), unit="exercise", file=sys.stdout, leave=False) as bar:

        def each(name: str) -> None:
            bar.set_description(name)
            bar.update()

        return [report.line() for report in form.write(folder, each)]


def _reduce_expectations(folder: Path, forbidden: set[str]) -> None:
    """Take the functions out of ``expect.py`` that hold a piece of a solution."""
    path = folder / "expect.py"
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    source = release_graded.Source(text)
    for node in sorted((source.defined[name] for name in forbidden), key=lambda node: -node.lineno):
        del lines[node.lineno - 1 : node.end_lineno]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def pack(folder: Path, archive: Path) -> None:
    """Write a zip of ``folder`` that depends on nothing but the files' names and contents."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            if path.is_file() and "__pycache__" not in path.parts:
                name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, 0o644 << 16  # on Windows too
                target.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def main(arguments: list[str] | None = None) -> int:
    """Release the lab that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", help="number or name of the lesson, such as 03")
    parser.add_argument("--graded", action="store_true", help="without any solution: the checks only judge")
    options = parser.parse_args(arguments)
    try:
        archive, remarks = release(find_lesson(options.lesson), graded=options.graded)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    for line in remarks:
        print(f"  {line}")
    form = "graded form: no solutions, the checks only judge" if options.graded else "self-study form"
    size = archive.stat().st_size / 1e6
    name = archive.relative_to(ROOT) if archive.is_relative_to(ROOT) else archive
    print(f"{name} ({size:.1f} MB, {form}); give this file to your students.")
    if options.graded:
        print(f"It hides the solutions from those who cannot read {Publication.read().repository}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
