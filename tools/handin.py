"""Check a filled-in lab before it is handed in: nbgrader's verdict in words, exercise by exercise.

    python -m tools.handin 03                           the lab of that number, in labs/
    python -m tools.handin my/03_backpropagation.ipynb  any notebook
    python check.py                                     in a released folder: the notebook beside it

The notebook is executed from top to bottom in a fresh kernel, as it will be when it is graded. The
file itself is not changed. The exit status is 0 when everything is done and right, else 1.
A released zip has this file as ``check.py``, so it uses nothing of the course but the notebook.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LATER = "is judged when it is handed in"  # what a check of the graded form may say
SECONDS, TIMES = 120.0, 3.0  # the whole notebook may take this, and so many times its stated minutes
CELL_SHARE = 1 / 3  # of that time, for one cell
FRESH = "Take a fresh copy of the lab and put your answers into it."


class HandInError(Exception):
    """The notebook cannot be checked. The message says why, and what to do."""


@dataclass(frozen=True)
class Verdict:
    """What is said about one exercise or open question."""

    name: str
    points: float
    reached: float
    words: str
    complete: bool


# ---------------------------------------------------------------- the notebook


def find(name: str | None) -> Path:
    """Return the path of the notebook: a path, a lesson's number or name, or the one beside this file."""
    if name is None:
        found = sorted(HERE.glob("*.ipynb"))
        if len(found) != 1:
            raise HandInError("Which notebook? Give its name: python check.py NAME.ipynb")
        return found[0]
    if name.endswith(".ipynb"):
        return Path(name).absolute()
    number = name.zfill(2) if name.isdigit() else name
    labs = sorted((HERE.parent / "labs").glob("*.ipynb"))
    for path in labs:
        if number in (path.stem, path.stem.split("_")[0]):
            return path
    known = ", ".join(path.stem for path in labs) or "none"
    raise HandInError(f"There is no lab {name!r} in labs/. The labs are: {known}.")


def read(path: Path) -> dict:
    """Return the notebook at ``path``, or say in words what is wrong with the file."""
    import nbformat

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HandInError(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError):
        raise HandInError(f"{path.name} cannot be read as text: it is no notebook. {FRESH}") from None
    if not text.strip():
        raise HandInError(f"{path.name} is empty. {FRESH}")
    try:
        content = json.loads(text)
        version = content["nbformat"]
    except ValueError:
        raise HandInError(f"{path.name} is damaged: it is not JSON. Was it cut off? {FRESH}") from None
    except (KeyError, TypeError):
        raise HandInError(f"{path.name} is no notebook. {FRESH}") from None
    if version != 4:
        raise HandInError(f"{path.name} has the notebook format {version}, not 4. Save it with JupyterLab.")
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except Exception:  # nbformat raises many kinds
        raise HandInError(f"{path.name} is damaged: it is no valid notebook. {FRESH}") from None
    return notebook


def expected_points(path: Path, notebook: dict) -> dict[str, float]:
    """Return the points of each graded cell of the lab as it was given out, in order.

    They come from the list in a released folder, or from the lesson in a checkout; without either,
    from the notebook itself, and then a missing cell is only noticed if its other half is there.
    """
    listed = HERE / "lab.json"
    if listed.is_file():
        told = json.loads(listed.read_text(encoding="utf-8"))
        if told["lab"] == path.stem:
            return told["points"]
    lesson = HERE.parent / "lessons" / path.stem / "lab.py"
    if lesson.is_file():
        marks = re.findall(
            r'^# %%.* (check|question)="([^"]+)".* points=([\d.]+)', lesson.read_text(encoding="utf-8"), re.M
        )
        return {f"{name}-check" if kind == "check" else name: float(points) for kind, name, points in marks}
    return {
        mark["grade_id"]: float(mark.get("points", 0))
        for mark in (cell.metadata.get("nbgrader", {}) for cell in notebook.cells)
        if mark.get("grade")
    }


def complaints(notebook: dict, expected: dict[str, float]) -> list[str]:
    """Return what is wrong with the cells that belong to nbgrader, a sentence each.

    Raises
    ------
    HandInError
        There is nothing that could be checked: it is another lab, or nbgrader would refuse it.
    """
    marks = [cell.metadata["nbgrader"] for cell in notebook.cells if "nbgrader" in cell.metadata]
    ids = [mark.get("grade_id") for mark in marks]
    graded = {mark.get("grade_id"): mark for mark in marks if mark.get("grade")}
    if 2 * len(set(graded) & set(expected)) < max(1, len(expected)):
        raise HandInError(f"This is another lab or none, or its marks for grading are lost. {FRESH}")
    for name, times in Counter(ids).items():
        if times > 1:
            raise HandInError(f"The cell {name!r} is there {times} times. Keep only one of them.")
    halves = (f"{mark['grade_id']}-check" for mark in marks if not mark.get("grade"))
    found = [
        f"The cell {name!r} is missing." for name in dict.fromkeys([*expected, *halves]) if name not in graded
    ]
    if not found and [name for name in ids if name in expected] != list(expected):
        found.append("The cells with the checks are not in their order.")
    for name, points in expected.items():
        if name in graded and graded[name].get("points") != points:
            found.append(f"The points of the cell {name!r} were changed; they are {points:g}.")
    return found


# ---------------------------------------------------------------- nbgrader's validator


def validate(
    path: Path, seconds: float, cell_seconds: float, each: Callable[[], object]
) -> tuple[dict, set[str]]:
    """Execute the notebook as nbgrader validates it; return it, and the names of changed cells.

    Parameters
    ----------
    seconds, cell_seconds
        Limits of time for the whole notebook and for one cell.
    each
        Called after each cell, for a progress bar.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from nbgrader import utils
    from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, Execute
    from nbgrader.validator import Validator
    from traitlets.config import Config

    end = time.monotonic() + seconds

    class TimedExecute(Execute):
        def __init__(self, **options: object) -> None:
            super().__init__(**options)
            self.timeout_func = lambda cell: max(1.0, min(cell_seconds, end - time.monotonic()))

        def on_cell_executed(self, **told: object) -> None:
            super().on_cell_executed(**told)
            each()

    class TimedValidator(Validator):
        preprocessors = [CheckCellMetadata, ClearOutput, TimedExecute]  # noqa: RUF012

        def verdict(self) -> tuple[dict, set[str]]:
            notebook = self._preprocess(read(path))
            changed = [*self._get_type_changed_cells(notebook), *self._get_changed_cells(notebook)]
            return notebook, {cell.metadata.nbgrader.grade_id for cell in changed}

    config = Config()
    config.TimedExecute.kernel_name = "python3"
    config.TimedExecute.extra_arguments = ["--IPKernelApp.log_level=ERROR", "--HistoryManager.enabled=False"]
    try:
        with utils.chdir(str(path.parent)):
            return TimedValidator(config=config).verdict()
    except DeadKernelError:
        raise HandInError(
            "Python itself stopped while the notebook ran. Does a cell call exit(), or need too much memory?"
        ) from None
    except NoSuchKernel:
        raise HandInError("Jupyter has no Python here. Install it: python -m pip install ipykernel") from None
    except (RuntimeError, OSError, asyncio.TimeoutError):
        raise HandInError(
            f"Python did not start or did not answer within {seconds:.0f} s. Try again."
        ) from None
    finally:  # nbgrader leaves them behind when a notebook does not end well
        for name in ("NBGRADER_VALIDATING", "NBGRADER_EXECUTION"):
            os.environ.pop(name, None)


# ---------------------------------------------------------------- the verdict in words


def verdicts(
    notebook: dict, expected: dict[str, float], changed: set[str], cell_seconds: float
) -> list[Verdict]:
    """Return what to say about each graded cell of the executed notebook."""
    from nbgrader.utils import determine_grade

    cells = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if "nbgrader" in cell.metadata}
    found = []
    for grade_id, points in expected.items():
        name = grade_id.removesuffix("-check")
        cell = cells.get(grade_id)
        if cell is None:
            found.append(Verdict(name, points, 0, "its check is missing.", False))
        elif grade_id in changed:
            found.append(Verdict(name, points, 0, "its check was changed. Undo the change.", False))
        elif cell.cell_type == "markdown":
            answered = determine_grade(cell)[0] is None
            words = (
                "open question: answered, a person grades it." if answered else "open question: still empty."
            )
            found.append(Verdict(name, points, 0, words, answered))
        else:
            words, share = _words(cell, cells.get(name), cell_seconds)
            reached = points * share
            found.append(Verdict(name, points, reached, words, share == 1 or LATER in words))
    return found


def _words(cell: dict, solution: dict | None, cell_seconds: float) -> tuple[str, int]:
    """Return the words for an executed check, and the share of its points that is reached."""
    said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    error = _error(cell)
    own = _error(solution) if solution else None
    if error is None:
        if LATER in said and "passed" not in said:
            return f"{LATER}.", 0
        return "passed.", 1
    if own and error.ename != "CheckFailedError":
        error, where = own, "your cell"
    else:
        where = "its check"
    if error.ename == "CellTimeoutError":
        return f"{where} was stopped after {cell_seconds:.0f} s. Hint: is there a loop that never ends?", 0
    message = " ".join(f"{error.evalue}".split())
    if error.ename == "CheckFailedError":
        return message.partition(": ")[2], 0
    return f"{where} stops with {error.ename}: {message[:200]}", 0


def _error(cell: dict) -> dict | None:
    """Return the error in a cell's outputs; that it was stopped comes before how it took that."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return min(errors, key=lambda error: error.ename != "CellTimeoutError", default=None)


def check(path: Path, seconds: float | None = None) -> int:
    """Check the notebook at ``path``, print the verdict; return 0 if it is complete, else 1."""
    from tqdm import tqdm

    notebook = read(path)
    expected = expected_points(path, notebook)
    wrong = complaints(notebook, expected)
    minutes = notebook.metadata.get("nnlabs", {}).get("minutes", {}).get("cpu", 0)
    seconds = seconds or SECONDS + TIMES * 60 * minutes
    cell_seconds = max(1.0, seconds * CELL_SHARE)
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=count, unit="cell", desc=path.stem, leave=False) as bar:
        executed, changed = validate(path, seconds, cell_seconds, bar.update)
    found = verdicts(executed, expected, changed, cell_seconds)
    width = max(len(verdict.name) for verdict in found)
    for verdict in found:
        amount = f"{verdict.reached:g} of {verdict.points:g}"
        print(f"  {verdict.name:{width}}  {amount:>8}  {verdict.words}")
    for line in wrong:
        print(f"  {line} {FRESH}")
    for line in _timed_out(executed, cell_seconds):
        print(f"  {line}")
    return _conclude(path, found, wrong)


def _timed_out(notebook: dict, cell_seconds: float) -> list[str]:
    """Tell the cells outside the exercises that did not end."""
    told = []
    for cell in notebook.cells:
        error = _error(cell) if cell.cell_type == "code" and "nbgrader" not in cell.metadata else None
        if error and error.ename == "CellTimeoutError":
            first = cell.source.strip().splitlines()[0]
            told.append(f"A cell was stopped after {cell_seconds:.0f} s. It begins: {first[:60]}")
    return told


def _conclude(path: Path, found: list[Verdict], wrong: list[str]) -> int:
    reached, total = sum(v.reached for v in found), sum(v.points for v in found)
    open_points = sum(v.points for v in found if v.complete and v.reached < v.points)
    later = f"; up to {open_points:g} more come when it is graded" if open_points else ""
    print(f"Points so far: {reached:g} of {total:g}{later}.")
    complete = not wrong and all(verdict.complete for verdict in found)
    print("Complete." if complete else "Not complete yet; you can hand it in all the same, for these points.")
    print(f"Hand in exactly this file: {path}")
    return 0 if complete else 1


def main(arguments: list[str] | None = None) -> int:
    """Check the notebook that the command line names; return the exit status."""
    in_course = __package__ == "tools"
    parser = argparse.ArgumentParser(
        prog="python -m tools.handin" if in_course else "python check.py", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "lab", nargs=None if in_course else "?", help="a notebook, or the number or name of a lab, such as 03"
    )
    parser.add_argument("--seconds", type=float, help="limit of time for the whole notebook")
    options = parser.parse_args(arguments)
    try:
        return check(find(options.lab), options.seconds)
    except HandInError as error:
        print(error, file=sys.stderr)
    except ModuleNotFoundError as error:
        print(
            f"{error}. Install what the labs need: python -m pip install -r requirements.txt", file=sys.stderr
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
