"""What the tests of figures share: no window, none left open, and a record of what is displayed."""

import matplotlib as mpl
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch):
    """Collect what is displayed, and how, instead of displaying it."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda thing, **options: calls.append((thing, options)))
    return calls
