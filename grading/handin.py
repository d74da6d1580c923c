"""Check a filled-in lab before it is handed in: nbgrader's verdict in words, exercise by exercise.

    python -m grading.handin 03                           the lab of that number, in labs/
    python -m grading.handin my/03_backpropagation.ipynb  any notebook
    python check.py                                       in a released folder: the notebook beside it

The notebook is executed from top to bottom in a fresh kernel, as it will be when it is graded. The
file itself is not changed. The exit status is 0 when everything is done and right, else 1.
A released zip has this file as ``check.py``, so it uses nothing of the course but the notebook. What reads
the file (:func:`read_cells`) is also what the grader reads it with.
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
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
LATER = "is judged when it is handed in"  # what a check says in a release without checks
SECONDS, TIMES = 600.0, 10.0  # the whole notebook may take this, and so many times its stated minutes
CELL_SHARE = 1 / 3  # of that time, for one cell
FRESH = "Take a fresh copy of the lab and put your answers into it."
MOST_CELLS, MOST_CHARACTERS = 2000, 2_000_000
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


class HandInError(Exception):
    """The notebook cannot be checked. The message says why, and what to do."""


class UnreadableError(Exception):
    """The file is no notebook of this lab; the message says what it is."""


@dataclass
class Cell:
    """What is taken from a cell of a handed-in notebook."""

    kind: str
    source: str
    id: str = ""
    grade_id: str = ""
    metadata: dict = field(default_factory=dict)  # nbgrader's, to tell what was changed
    pictures: dict = field(default_factory=dict)


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


def read_cells(content: bytes) -> list[Cell]:
    """Return the cells of a notebook file of any format version, outputs dropped.

    Raises
    ------
    UnreadableError
        The content is no notebook.
    """
    return cells_of(decode(content))


def decode(content: bytes) -> dict:
    """Return the notebook in a file as it is there, in format 4; only that it has cells is certain."""
    if not content.strip():
        raise UnreadableError("the file is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        other = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise UnreadableError(f"the file is no notebook: its text is in {other}, not in UTF-8") from None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        marks = "<<<<<<<" in text and ">>>>>>>" in text
        reason = "git's conflict marks are in it" if marks else "not valid JSON: was it cut off?"
        raise UnreadableError(f"the file is no notebook ({reason})") from None
    version = notebook.get("nbformat") if isinstance(notebook, dict) else None
    if isinstance(version, int) and 1 <= version < 4:
        notebook = _convert(notebook)
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise UnreadableError("the file is no notebook (JSON, but without cells)")
    return notebook


def _convert(notebook: dict) -> dict:
    """Bring a notebook of an old format to format 4; nbformat does it."""
    import nbformat

    for sheet in notebook.get("worksheets") or []:
        for cell in (sheet.get("cells") if isinstance(sheet, dict) else None) or []:
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
    try:
        return nbformat.convert(nbformat.from_dict(notebook), 4)
    except Exception:  # a damaged notebook raises whatever the converter stumbles over
        raise UnreadableError("the notebook is of an old format and damaged") from None


def cells_of(notebook: dict) -> list[Cell]:
    """Return what is used of the cells, whatever else stands in them."""
    found = [cell for cell in map(_cell, notebook["cells"][:MOST_CELLS]) if cell]
    if sum(len(cell.source) for cell in found) > MOST_CHARACTERS:
        raise UnreadableError(f"the notebook has more than {MOST_CHARACTERS:,} characters of text and code")
    return found


def _cell(raw: object) -> Cell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = raw.get("source", "")
    source = "".join(filter(_is_text, source)) if isinstance(source, list) else source
    metadata = raw.get("metadata")
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grading = dict(grading) if isinstance(grading, dict) else {}
    texts = {"id": raw.get("id"), "grade_id": grading.get("grade_id")}
    if not _is_text(source):
        return None
    return Cell(
        raw["cell_type"],
        source.encode("utf-8", "replace").decode("utf-8"),  # a lone surrogate cannot be written to any file
        metadata=grading,
        pictures=_pictures(raw.get("attachments")),
        **{key: value if _is_text(value) else "" for key, value in texts.items()},
    )


def _pictures(attachments: object) -> dict[str, dict[str, str]]:
    """Return the pictures that were pasted into a cell: name → kind → base64."""
    found = {}
    for name, forms in attachments.items() if isinstance(attachments, dict) else ():
        kept = {}
        for kind, data in forms.items() if isinstance(forms, dict) else ():
            data = "".join(filter(_is_text, data)) if isinstance(data, list) else data
            if kind in PICTURES and _is_text(data) and BASE64.fullmatch(data):
                kept[kind] = data
        if kept:
            found[name] = kept
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def read(path: Path) -> dict:
    """Return the notebook at ``path`` with what matters of it, or say what is wrong with the file."""
    from nbformat import from_dict, v4

    try:
        raw = decode(path.read_bytes())
        cells = cells_of(raw)
    except FileNotFoundError:
        raise HandInError(f"There is no file {path}.") from None
    except OSError as error:
        raise HandInError(f"{path.name} cannot be read ({error.strerror}).") from None
    except UnreadableError as reason:
        raise HandInError(f"{path.name} cannot be used: {reason}. {FRESH}") from None
    makers = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
    made = [
        makers[cell.kind](cell.source, metadata={"nbgrader": cell.metadata} if cell.metadata else {})
        for cell in cells
    ]
    return from_dict(v4.new_notebook(cells=made, metadata={"nnlabs": {"minutes": _minutes(raw)}}))


def _minutes(raw: dict) -> float:
    """Return how long the lesson says that the lab takes; 0 if the notebook does not tell."""
    try:
        return min(60.0, max(0.0, float(raw["metadata"]["nnlabs"]["minutes"]["cpu"])))
    except (KeyError, TypeError, ValueError):
        return 0.0


def expected_points(path: Path, notebook: dict) -> dict[str, float]:
    """Return the points of each graded cell of the lab as it was given out, in order.

    They come from the list in a released folder, or from the solution in a checkout; without either,
    from the notebook itself, and then a missing cell is only noticed if its other half is there.
    """
    listed, solution = HERE / "lab.json", HERE.parent / "solutions" / path.name
    if listed.is_file():
        told = json.loads(listed.read_text(encoding="utf-8"))
        if told["lab"] == path.stem:
            return told["points"]
    given = read(solution) if solution.is_file() else notebook
    marks = [cell.metadata.get("nbgrader", {}) for cell in given.cells]
    return {mark["grade_id"]: float(mark.get("points", 0)) for mark in marks if mark.get("grade")}


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
                "open question: answered, a person grades it."
                if answered
                else "open question: still empty. Write your answer into this very cell."
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
    if own:
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
    seconds = seconds or SECONDS + TIMES * 60 * notebook.metadata.nnlabs.minutes
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
    for line in _of_other_cells(executed, cell_seconds):
        print(f"  {line}")
    return _conclude(path, found, wrong)


def _of_other_cells(notebook: dict, cell_seconds: float) -> list[str]:
    """Tell the cells outside the exercises that did not end, or whose imports failed."""
    told = []
    for cell in notebook.cells:
        error = _error(cell) if cell.cell_type == "code" and "nbgrader" not in cell.metadata else None
        first = cell.source.strip().partition("\n")[0][:60]
        if error and error.ename == "CellTimeoutError":
            told.append(f"A cell was stopped after {cell_seconds:.0f} s. It begins: {first}")
        elif error and "import" in cell.source and error.ename != "NotImplementedError":
            words = " ".join(f"{error.ename}: {error.evalue}".split())[:200]
            told.append(f"A cell with imports stops with {words}. It begins: {first}")
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
    in_course = __package__ == "grading"
    program = "python -m grading.handin" if in_course else "python check.py"
    parser = argparse.ArgumentParser(prog=program, description=__doc__.split("\n")[0])
    parser.add_argument(
        "lab", nargs=None if in_course else "?", help="a notebook, or the number or name of a lab, such as 03"
    )
    parser.add_argument("--seconds", type=float, help="limit of time for the whole notebook")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a hint's φ, on a console that has none
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
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
