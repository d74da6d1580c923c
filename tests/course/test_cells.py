"""The labs under nbgrader itself: it takes their metadata, and the checks decide the points."""

import nbformat
import pytest
from traitlets.config import Config

validator = pytest.importorskip("nbgrader.validator", reason="nbgrader is not in this environment")

from tools import course


def validate(path):
    """Return nbgrader's verdict on the notebook at ``path``, as its Validate button finds it."""
    config = Config()
    config.Execute.timeout = 1800
    return validator.Validator(config=config).validate(str(path))


def lab(folder, **answers):
    """Return the path of a lab 01 in which some of the exercises have answers."""
    path = folder / "01_neurons.ipynb"
    notebook = nbformat.read(course.ROOT / "labs" / path.name, as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        cell.source = answers.get(grade_id.replace("-", "_"), cell.source)
    nbformat.write(notebook, path)
    return path


def test_a_right_answer_earns_its_points_and_a_wrong_one_or_none_does_not(tmp_path):
    path = lab(
        tmp_path,
        threshold="def threshold(x, beta):\n    return np.where(x < beta, 0.0, 1.0)",
        tanh_slope="def tanh_slope(x):\n    return 1 - np.tanh(x)",
    )
    failed = [failure["error"] for failure in validate(path)["failed"]]
    assert len(failed) == 8  # of 9: eight exercises and an open question
    assert sum("not done yet" in error for error in failed) == 6
    assert sum("tanh_slope: not right yet" in error for error in failed) == 1
    assert "threshold" not in " ".join(failed)
