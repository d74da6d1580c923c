"""The labs under nbgrader itself: it takes their metadata, and the checks decide the points."""

import nbformat
import pytest
from traitlets.config import Config

validator = pytest.importorskip("nbgrader.validator", reason="nbgrader is not in this environment")

from tools import course


def test_a_right_answer_earns_its_points_and_a_wrong_one_or_none_does_not(tmp_path):
    """Lab 01 with the exercise "sigmoid" right, "gates" wrong and the others not done."""
    answers = {
        "sigmoid": "def sigmoid(x):\n    e = np.exp(-np.abs(x))\n    return np.where(x >= 0, 1, e) / (1 + e)",
        "gates": "def gates():\n    return {}",
    }
    notebook = nbformat.read(course.ROOT / "labs" / "01_neurons.ipynb", as_version=4)
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    for cell, mark in zip(notebook.cells, marks, strict=True):
        cell.source = answers.get(mark.get("grade_id"), cell.source)
    nbformat.write(notebook, tmp_path / "lab.ipynb")
    config = Config({"Execute": {"timeout": 1800}})
    verdict = validator.Validator(config=config).validate(str(tmp_path / "lab.ipynb"))  # its Validate button
    failed = [failure["error"] for failure in verdict["failed"]]
    graded = sum(mark.get("grade", False) for mark in marks)  # the open questions, too
    tests = sum(mark.get("grade", False) and mark["locked"] for mark in marks)
    assert len(failed) == graded - 1
    assert sum("not done yet" in error for error in failed) == tests - 2
    assert sum("gates: not right yet" in error for error in failed) == 1
    assert "sigmoid" not in " ".join(failed)
