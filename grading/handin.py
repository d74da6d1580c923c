"""Check a filled-in lab before it is handed in: the verdict in words, exercise by exercise.

    python -m grading.handin 03                           the lab of that number, in labs/
    python -m grading.handin my/03_backpropagation.ipynb  any notebook
    python check.py                                       in a released folder: the notebook beside it

The notebook is executed from top to bottom in a fresh kernel, as it will be when it is graded. The
file itself is not changed. The exit status is 0 when everything is done and right, else 1.
A released zip has this file as ``check.py``, so it uses nothing of the course but the notebook. What reads
the file (:func:`parse`) is also what the grader reads it with.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
LATER = "is judged when it is handed in"  # what a check says in a release without checks
SECONDS = 3600.0  # the whole notebook may take this, and one cell a tenth of it
START, ANSWER = 300, 30  # seconds: a busy computer is slow
INSTALL = "Install what the labs need: python -m pip install -r requirements.txt"
LATE = "CellTimeoutError"
FRESH = "Take a fresh copy of the lab and put your answers into it."
MOST_CELLS, MOST_CHARACTERS = 2000, 2_000_000
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")


class HandInError(Exception):
    """The notebook cannot be used. The message says why."""


def find(name: str | None) -> Path:
    """Return the path of the notebook: a path, a lesson's number or name, or the one beside this file."""
    if name and name.endswith(".ipynb"):
        return Path(name).absolute()
    every = sorted((HERE.parent / "labs" if name else HERE).glob("*.ipynb"))
    found = [path for path in every if not name or path.stem.startswith(name.zfill(2))]
    if len(found) != 1:
        names = ", ".join(path.name for path in every)
        raise HandInError(f"Which notebook? Give its name; here are: {names or 'none'}.")
    return found[0]


def parse(content: bytes) -> dict:
    """Return the notebook in a file of any format: of its cells the texts, marks and pasted pictures.

    Raises
    ------
    HandInError
        The content is no notebook; the message says what it is.
    """
    import nbformat

    raw = _decode(content)
    try:
        raw = nbformat.convert(nbformat.from_dict(raw), 4) if raw.get("nbformat") in (1, 2, 3) else raw
    except Exception:  # a damaged notebook raises whatever the converter stumbles over
        raise HandInError("the notebook is of an old format and damaged") from None
    if not isinstance(raw.get("cells"), list):
        raise HandInError("the file is no notebook (JSON, but without cells)")
    cells = [cell for cell in map(_cell, raw["cells"][:MOST_CELLS]) if cell]
    if sum(len(cell["source"]) for cell in cells) > MOST_CHARACTERS:
        raise HandInError(f"the notebook has more than {MOST_CHARACTERS:,} characters of text and code")
    return nbformat.from_dict({"metadata": {}, "nbformat": 4, "nbformat_minor": 4, "cells": cells})


def _decode(content: bytes) -> dict:
    """Return the JSON object in a file, or say what the file is."""
    if not content.strip():
        raise HandInError("the file is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        other = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise HandInError(f"the file is no notebook: its text is in {other}, not in UTF-8") from None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        marks = "<<<<<<<" in text and ">>>>>>>" in text
        reason = "git's conflict marks are in it" if marks else "not valid JSON: was it cut off?"
        raise HandInError(f"the file is no notebook ({reason})") from None
    return _dict(notebook)


def _cell(raw: object) -> dict | None:
    """Return what is used of a cell, whatever else stands in it."""
    kind = _dict(raw).get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        return None
    source = _text(raw.get("source")).encode("utf-8", "replace").decode()  # a lone surrogate: in no file
    marks = _dict(_dict(raw.get("metadata")).get("nbgrader"))
    marks = marks if isinstance(marks.get("grade_id"), str) else {}
    cell = {"cell_type": kind, "id": _text(raw.get("id")), "source": source}
    cell["metadata"] = {"nbgrader": marks} if marks else {}
    if kind == "code":
        return cell | {"outputs": [], "execution_count": None}
    attachments = {}
    for name, forms in _dict(raw.get("attachments")).items():
        kept = {form: _text(data) for form, data in _dict(forms).items() if form in PICTURES}
        kept = {form: data for form, data in kept.items() if data and BASE64.fullmatch(data)}
        attachments |= dict.fromkeys((name, quote(name)), kept) if kept else {}  # as links name it
    return cell | ({"attachments": attachments} if attachments else {})


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    return "".join(part for part in parts if isinstance(part, str))


def grade_id(cell: dict) -> str:
    """Return the cell's mark for grading, or an empty text."""
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def load(path: Path) -> dict:
    """Return the notebook at ``path``, or say what is wrong with the file."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise HandInError(f"{path} cannot be read: {error.strerror}.") from None
    except HandInError as reason:
        raise HandInError(f"{path.name} cannot be used: {reason}. {FRESH}") from None


def expected_points(path: Path, notebook: dict) -> dict[str, float]:
    """Return the points of each graded cell of the lab as it was given out, in order.

    They come from the list in a released folder, or from the solution in a checkout; without either,
    from the notebook itself.
    """
    if (HERE / "lab.json").is_file():
        return json.loads((HERE / "lab.json").read_text(encoding="utf-8"))
    solutions = sorted((HERE.parent / "solutions").glob("*.ipynb"))
    given = next((load(solution) for solution in solutions if solution.stem in path.stem), notebook)
    marks = [cell.metadata.nbgrader for cell in given.cells if grade_id(cell)]
    return {m["grade_id"]: m["points"] for m in marks if isinstance(m.get("points"), (int, float))}


def complaints(notebook: dict, expected: dict[str, float]) -> list[str]:
    """Return what is wrong with the cells that belong to the grading, a sentence each.

    Raises
    ------
    HandInError
        It is another lab, or none.
    """
    ids = [grade_id(cell) for cell in notebook.cells]
    there = [name for name in ids if name in expected]
    if 2 * len(set(there)) < max(1, len(expected)):
        raise HandInError(f"This is another lab or none, or its marks for grading are lost. {FRESH}")
    found = [f"The cell {name!r} is missing." for name in expected if name not in there]
    times = {name: n for name, n in Counter(filter(None, ids)).items() if n > 1}
    found += [f"The cell {name!r} is there {n} times. Keep only one of them." for name, n in times.items()]
    if not found and there != list(expected):
        found.append("The cells with the checks are not in their order.")
    return found


def execute(notebook: dict, place: Path, seconds: float, cell_seconds: float) -> None:
    """Execute the notebook in place, in a folder, within limits of time for all of it and for one cell.

    A cell that is stopped has the error :data:`LATE` before what it says itself.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_output
    from tqdm import tqdm

    late = {"ename": LATE, "evalue": "it took too long", "traceback": []}

    def end(cell: dict, execute_reply: dict, **_: object) -> None:
        if execute_reply["content"].get("ename") == LATE:
            cell.outputs.insert(0, new_output("error", **late))
        bar.update()

    limit = time.monotonic() + seconds
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        timeout_func=lambda _: max(1, min(cell_seconds, limit - time.monotonic())),
        startup_timeout=START,
        iopub_timeout=ANSWER,
        raise_on_iopub_timeout=True,
        interrupt_on_timeout=True,
        error_on_timeout=late,
        allow_errors=True,
        log=logging.Logger("hand-in", logging.CRITICAL),
        on_cell_executed=end,
    )
    mode = {"NBGRADER_EXECUTION": "validate", "NBGRADER_VALIDATING": "1"}
    try:
        with tqdm(total=len(notebook.cells), unit="cell", leave=False) as bar:
            client.execute(cwd=str(place), env=os.environ | mode)
    except CellTimeoutError:  # the cell could not be interrupted: those behind it did not run
        last = [cell for cell in notebook.cells if cell.get("execution_count")][-1]
        last.outputs.insert(0, new_output("error", **late))
    except DeadKernelError:
        why = "Does a cell call exit(), or need too much memory?"
        raise HandInError(f"Python itself stopped while the notebook ran. {why}") from None
    except (RuntimeError, OSError, NoSuchKernel) as error:
        raise HandInError(f"Python did not start or did not answer ({error}). {INSTALL}") from None


def verdict(name: str, cells: dict[str, dict], points: float, cell_seconds: float) -> tuple[str, float, bool]:
    """Return what to say about a graded cell, the points that it has, and whether it is done.

    ``cells`` are the executed notebook's, by grade id.
    """
    from nbgrader.utils import compute_checksum

    if name not in cells:
        return "its check is missing.", 0, False
    cell = cells[name]
    mark = cell.metadata.nbgrader
    mark.update(points=points, grade=True)  # whatever the file says
    changed = compute_checksum(cell) != mark.get("checksum")
    if not name.endswith("-check"):
        words = "answered, a person grades it." if changed else "still empty. Write into this very cell."
        return f"open question: {words}", 0, changed
    if changed and "checksum" in mark:
        return "its check was changed. Undo the change.", 0, False
    words = _words(cell, cells.get(name.removesuffix("-check")), cell_seconds)
    return words, points * (words == "passed."), words in ("passed.", f"{LATER}.")


def _words(cell: dict, answer: dict | None, cell_seconds: float) -> str:
    """Return what there is to say about an executed check."""
    if cell.execution_count is None:
        return "its check did not run, because a cell before it could not be stopped."
    error, where = _error(cell), "its check"
    if error is None:
        said = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        return f"{LATER}." if LATER in said and "passed" not in said else "passed."
    if answer is not None and _error(answer):
        error, where = _error(answer), "your cell"
    if error.ename == LATE:
        return f"{where} was stopped after {cell_seconds:.0f} s. Hint: is there a loop that never ends?"
    message = " ".join(f"{error.evalue}".split())
    if error.ename == "CheckFailedError":
        return message.partition(": ")[2]
    return f"{where} stops with {error.ename}: {message[:200]}"


def _error(cell: dict) -> dict | None:
    """Return the first error in a cell's outputs."""
    return next((output for output in cell.get("outputs", []) if output.output_type == "error"), None)


def of_other_cells(notebook: dict) -> list[str]:
    """Tell the cells outside the exercises that were stopped, or whose imports failed."""
    failed = [(_error(cell), cell.source) for cell in notebook.cells if not grade_id(cell)]
    return [
        f"A cell stops with {error.ename} {error.evalue[:200]!r}. It begins: {source.strip()[:60]!r}"
        for error, source in failed
        if error and error.ename in (LATE, "ModuleNotFoundError", "ImportError")
    ]


def check(path: Path, seconds: float) -> int:
    """Check the notebook at ``path``, print the verdict; return 0 if it is complete, else 1."""
    notebook = load(path)
    expected = expected_points(path, notebook)
    wrong = complaints(notebook, expected)
    limit = max(1.0, seconds / 10)
    execute(notebook, path.parent, seconds, limit)
    cells = {grade_id(cell): cell for cell in notebook.cells}
    found = {name: verdict(name, cells, points, limit) for name, points in expected.items()}
    width = max(map(len, found))
    for name, (words, reached, _) in found.items():
        print(f"  {name.removesuffix('-check'):{width}}  {f'{reached:g} of {expected[name]:g}':>8}  {words}")
    for line in [*(f"{line} {FRESH}" for line in wrong), *of_other_cells(notebook)]:
        print(f"  {line}")
    later = sum(expected[name] for name, (_, reached, done) in found.items() if done and not reached)
    more = f"; up to {later:g} more come when it is graded" if later else ""
    reached = sum(reached for _, reached, _ in found.values())
    print(f"Points so far: {reached:g} of {sum(expected.values()):g}{more}.")
    complete = not wrong and all(done for *_, done in found.values())
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
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit for the whole notebook")
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a hint's φ, on a console that has none
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return check(find(options.lab), options.seconds)
    except HandInError as error:
        print(error, file=sys.stderr)
    except ModuleNotFoundError as error:
        print(f"{error}. {INSTALL}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
