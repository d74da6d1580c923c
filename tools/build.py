"""Build the notebooks from the lessons, and execute those whose code, helper or data changed.

    python -m tools.build              all lessons
    python -m tools.build 01 02        some lessons
    python -m tools.build --force 01   execute even if nothing changed
    python -m tools.build --draft 01   write without executing: outputs stay only where they still belong

A lesson (``lessons/NN_topic/``) gives three notebooks: ``lecture.py`` the one in ``notebooks/``,
``lab.py`` those in ``solutions/`` (whole) and ``labs/`` (solutions cleared). The same lesson gives
the same bytes, outputs aside: cell ids come from the cells, and metadata hold no versions but
those of the execution, which belong to the outputs.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from tqdm import tqdm

from tools import cells, course, execute, inputs
from tools.course import BUILT, CourseError, Lesson, find_lesson, lessons, read_notebook

SETUP = f"""\
{inputs.SETUP} In a checkout of the course this does nothing; elsewhere, as in Colab, it installs the helper.
import importlib.util

if importlib.util.find_spec("nnlabs") is None:
    %pip install --quiet "nnlabs @ {{archive}}"
"""

PROGRESS = """\
# How far you are. A check that passes is noted in progress.txt beside this notebook, and nowhere else.
from nnlabs import progress

progress.show(check)"""

HOW = """\
**How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
with the course's own version, so every later cell still runs. Hints are folded. Close the
[lecture](../notebooks/{name}) while you write. When you have tried, compare with the
[solutions](../solutions/{name}); they answer the open questions, too."""


def build(lesson: Lesson, folder: str) -> NotebookNode:
    """Return the notebook of ``lesson`` that belongs in ``folder``, without outputs."""
    source = lesson.lecture if folder == "notebooks" else lesson.lab
    notebook = prepare(source, f"{folder}/{lesson.name}.ipynb")
    return cells.student_version(notebook) if folder == "labs" else notebook


def prepare(source: Path, path: str) -> NotebookNode:
    """Return the notebook that ``source`` describes, solutions included, with the links of ``path``."""
    notebook = read(source)
    add_header(notebook, path)
    cells.expand(notebook, source)
    set_ids(notebook)
    return notebook


def read(source: Path) -> NotebookNode:
    """Read a lesson; keep of its metadata what every machine shares."""
    if not source.is_file():
        raise CourseError(f"{source.relative_to(course.ROOT)} is missing. See CONTRIBUTING.md.")
    notebook = jupytext.read(source, fmt="py:percent")
    minutes = dict(notebook.metadata.get("nnlabs", {}).get("minutes", {}))
    titles = [cell for cell in notebook.cells[:1] if cell.cell_type == "markdown"]
    if set(minutes) != {"smoke", "cpu"} or not (titles and titles[0].source.startswith("# ")):
        raise CourseError(
            f"{source.relative_to(course.ROOT)} must begin with a header that gives the minutes for smoke "
            "and cpu, then a Markdown cell that begins with '# Title'. See CONTRIBUTING.md."
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    kept = {"kernelspec": kernel, "language_info": {"name": "python"}, "nnlabs": {"minutes": minutes}}
    notebook.metadata = nbformat.from_dict(kept)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def add_header(notebook: NotebookNode, path: str) -> None:
    """Put links, minutes and a lab's rules below the title, set-up behind it, a lab's progress at the end."""
    repository, branch, _ = course.published()
    archive = f"{repository}/archive/refs/heads/{branch}.zip"  # no git is needed for it
    title, _, text = notebook.cells[0].source.partition("\n")
    minutes = notebook.metadata.nnlabs.minutes
    time = (
        f"*Time to run on two cores without a GPU: about {minutes['cpu']:g} min "
        f"(`smoke` budget: {minutes['smoke']:g} min).*"
    )
    folder, name = path.split("/")
    rules = [] if folder == "notebooks" else [HOW.format(name=name)]
    notebook.cells[0].source = "\n\n".join([title, course.links(path), time, text.strip(), *rules])
    notebook.cells.insert(1, new_code_cell(SETUP.format(archive=archive).strip()))
    if rules:
        notebook.cells.append(new_code_cell(PROGRESS))


def set_ids(notebook: NotebookNode) -> None:
    """Name each cell by its grade id, or by a hash of its type and source, numbered when repeated."""
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        name = cell.metadata.get("nbgrader", {}).get("grade_id", digest)
        seen[name] += 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"


def write(notebook: NotebookNode, path: Path) -> bool:
    """Write ``notebook`` unless the file holds just that; tell whether it was written."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def update(lesson: Lesson, folder: str, *, force: bool, draft: bool) -> str:
    """Bring one notebook up to date; return what was done, in a few words."""
    path = lesson.notebook(folder)
    notebook = build(lesson, folder)
    done = ""
    if folder != "labs":
        # Without a notebook to carry outputs from, or with a damaged one, it is built anew.
        with suppress(CourseError):
            execute.carry_outputs(read_notebook(path), notebook)
        digest = inputs.digest(notebook)
        current = notebook.metadata.nnlabs.get("execution", {}).get("inputs") == digest
        if not draft and (force or not current):
            seconds = execute.execute(notebook, path, budget="cpu")
            notebook.metadata.nnlabs.execution = {"inputs": digest, "seconds": seconds}
            done = f"executed in {seconds} s"
    written = write(notebook, path)
    return done or ("written" if written else "unchanged")


def main(arguments: list[str] | None = None) -> int:
    """Build what the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.build", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", nargs="*", help="number or name, such as 02; all if none is given")
    parser.add_argument("--force", action="store_true", help="execute even if nothing changed")
    parser.add_argument("--draft", action="store_true", help="do not execute")
    options = parser.parse_args(arguments)
    try:
        chosen = [find_lesson(name) for name in options.lesson] or lessons()
        if not options.draft:
            course.check_installation()
        jobs = [(lesson, folder) for lesson in chosen for folder in BUILT]
        with tqdm(jobs, unit="notebook", file=sys.stdout) as bar:
            for lesson, folder in bar:
                bar.set_description(f"{folder}/{lesson.name}")
                done = update(lesson, folder, force=options.force, draft=options.draft)
                bar.write(f"{folder}/{lesson.name}.ipynb: {done}", file=sys.stdout)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
