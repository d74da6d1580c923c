"""What the outputs of an executed notebook are worth, and which of them may be shown."""

from __future__ import annotations

import re

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader import utils

SAFE_TEXT = {"text/plain"}
SAFE_IMAGES = {"image/png", "image/jpeg"}  # base64, checked; no HTML, SVG or JavaScript of a stranger
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
NOT_RUN, TAMPERED, NO_NUMBER = "NotRunError", "TamperedError", "PointsError"  # the grader's own errors
GRADERS = {NOT_RUN, TAMPERED, NO_NUMBER}


def harmless(output: NotebookNode) -> NotebookNode | None:
    """Return the output without what a browser would execute, or None if nothing is left.

    A kernel may send what it likes, so nothing is taken for what its name says.
    """
    kind = output.get("output_type")
    if kind == "stream":
        return new_output("stream", name=str(output.get("name")), text=_text(output.get("text")))
    if kind == "error":
        lines = output.get("traceback")
        lines = [_text(line) for line in lines] if isinstance(lines, list) else []
        texts = {key: _text(output.get(key)) for key in ("ename", "evalue")}
        return new_output("error", **texts, traceback=lines)
    data = output.get("data")
    if kind not in ("display_data", "execute_result") or not isinstance(data, dict):
        return None
    shown = {}
    for form, value in data.items():
        value = _text(value)
        if form in SAFE_TEXT or (form in SAFE_IMAGES and BASE64.fullmatch(value)):
            shown[form] = value
    metadata = output.get("metadata")
    metadata = metadata.get("image/png") if isinstance(metadata, dict) else None
    alternative = metadata.get("alt") if isinstance(metadata, dict) else None
    alternative = re.sub(r"[<>\"'&`]", " ", alternative) if isinstance(alternative, str) else None
    metadata = {"image/png": {"alt": alternative}} if alternative is not None else {}
    return new_output(kind, data=shown, metadata=metadata) if shown else None


def _text(value: object) -> str:
    value = "".join(map(str, value)) if isinstance(value, list) else str(value)
    return value.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to any file


def results_last(cell: NotebookNode) -> None:
    """Move the cell's value behind everything else, as nbgrader takes the first output that tells points.

    A student's function can make a kernel send values (``sys.displayhook``) before the check's error.
    """
    results = [output for output in cell.outputs if output.output_type == "execute_result"]
    others = [output for output in cell.outputs if output.output_type != "execute_result"]
    cell.outputs = others + results[-1:]


def fail(cell: NotebookNode, name: str, text: str) -> None:
    """Give the test cell an error of the grader's, before all other outputs."""
    cell.outputs.insert(0, new_output("error", ename=name, evalue=text, traceback=[text]))


def bound_partial_points(cell: NotebookNode) -> None:
    """Fail a test cell whose value nbgrader would refuse as points: more than there are, or none."""
    for output in cell.outputs:
        if output.output_type == "execute_result":
            try:
                utils.get_partial_grade(output, float(cell.metadata.nbgrader.points))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                fail(cell, NO_NUMBER, "The value of this test is no number of points.")
                return
