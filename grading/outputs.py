"""What the outputs of an executed notebook are worth, and which of them may be shown."""

from __future__ import annotations

import re

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

from grading.handin import BASE64, grade_id

FIGURE = r'<img alt="[^"<>]*" style="max-width: 100%" src="data:image/png;base64,[A-Za-z0-9+/=]*">'
SAFE = {
    "text/plain": re.compile(".*", re.DOTALL),
    "text/html": re.compile(FIGURE),  # what nnlabs.plots.show writes
    "image/png": BASE64,
    "image/jpeg": BASE64,
}
NOT_DONE, NOT_RUN = "not done yet", "did not run"
NO_HINTS = {NOT_DONE, NOT_RUN}  # said of a failed test that has none
GRADER = "NotRunError"  # the grader's own error


def clean(cell: NotebookNode) -> None:
    """Keep of a cell's outputs what does no harm, and of a test's what may decide its points: an error."""
    if cell.cell_type != "code":
        return
    cell.outputs = [output for output in map(_harmless, cell.outputs) if output]
    if utils.is_grade(cell):  # nbgrader would read a value as points, and a student's function can send any
        cell.outputs = [output for output in cell.outputs if output.output_type != "execute_result"]


def fail(cell: NotebookNode, text: str) -> None:
    """Give the test cell an error of the grader's, before all other outputs."""
    cell.outputs.insert(0, new_output("error", ename=GRADER, evalue=text, traceback=[text]))


def _harmless(output: NotebookNode) -> NotebookNode | None:
    """Return the output without what a browser would execute, or None if nothing is left.

    A kernel may send what it likes, so nothing is taken for what its name says.
    """
    kind = output.get("output_type")
    if kind == "stream":  # of either name: nbgrader would take 0 points for a line on stderr
        return new_output("stream", name="stdout", text=_text(output.get("text")))
    if kind == "error":
        lines = output.get("traceback")
        lines = [_text(line) for line in lines] if isinstance(lines, list) else []
        texts = {key: _text(output.get(key)) for key in ("ename", "evalue")}
        return new_output("error", **texts, traceback=lines)
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    shown = {form: _text(value) for form, value in data.items() if form in SAFE}
    shown = {form: text for form, text in shown.items() if SAFE[form].fullmatch(text)}
    return new_output(kind, data=shown) if shown else None


def _text(value: object) -> str:
    value = "".join(map(str, value)) if isinstance(value, list) else str(value)
    return value.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to any file


def failed(notebook: NotebookNode) -> dict[str, str]:
    """Return the hint of each test cell that has not all of its points, as nbgrader counts them."""
    tests = [cell for cell in notebook.cells if cell.cell_type == "code" and utils.is_grade(cell)]
    results = [(cell, *utils.determine_grade(cell)) for cell in tests]
    return {grade_id(cell): hint(cell) for cell, reached, most in results if reached < most}


def first_error(notebook: NotebookNode) -> str:
    """Return the first error of a notebook that should have none: those after it may follow from it."""
    every = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    first = next(output for output in every if output.output_type == "error")
    return " ".join(f"{first.ename}: {first.evalue}".split())[:300]


def hint(cell: NotebookNode) -> str:
    """Return in a few words what a failed test cell said: the part that many students share."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    last = next((error for error in errors if error.ename == GRADER), errors[-1])
    name, text = str(last.ename), " ".join(str(last.evalue).split())
    if name == GRADER:
        return NOT_RUN
    if name == "CheckFailedError":
        if ": not done yet." in text:
            return NOT_DONE
        if "Hint: " in text:
            return text.rsplit("Hint: ", 1)[1][:200]
        stopped = re.search(r"with (\w+(?:Error|Exception|Warning))\b", text)
        return f"stops with {stopped[1]}" if stopped else "a wrong value, without a hint"
    return f"{name}: {text}"[:80] if name == "NameError" else name[:80]
