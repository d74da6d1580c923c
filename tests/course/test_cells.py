"""The labs under nbgrader itself: it takes their metadata, and the checks decide the points."""

import nbformat
import pytest
from traitlets.config import Config

validator = pytest.importorskip("nbgrader.validator", reason="nbgrader is not in this environment")

from tools import course

ROOT = course.ROOT


def validate(path):
    """Return nbgrader's verdict on the notebook at ``path``, as its Validate button finds it."""
    config = Config()
    config.Execute.timeout = 1800
    return validator.Validator(config=config).validate(str(path))


@pytest.fixture
def lab(tmp_path):
    """Lab 01 as a student has it, and a way to hand in answers to some of its exercises."""
    path = tmp_path / "01_neurons.ipynb"

    def fill(**answers):
        notebook = nbformat.read(ROOT / "labs" / path.name, as_version=4)
        for cell in notebook.cells:
            answer = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id", "").replace("-", "_"))
            if answer:
                cell.source = answer
        nbformat.write(notebook, path)
        return path

    return fill


def test_the_solution_gets_all_the_points(tmp_path):
    path = tmp_path / "01_neurons.ipynb"
    path.write_bytes((ROOT / "solutions" / path.name).read_bytes())
    assert validate(path) == {}


def test_a_right_answer_earns_its_points_and_a_wrong_one_or_none_does_not(lab):
    path = lab(
        threshold="def threshold(x, beta):\n    return np.where(x < beta, 0.0, 1.0)",
        tanh_slope="def tanh_slope(x):\n    return 1 - np.tanh(x)",
    )
    failed = [failure["error"] for failure in validate(path)["failed"]]
    assert len(failed) == 8  # of 9: eight exercises and an open question
    assert sum("not done yet" in error for error in failed) == 6
    assert sum("tanh_slope: not right yet" in error for error in failed) == 1
    assert "threshold" not in " ".join(failed)
