"""What the tests of figures share: no window, none left open, and a record of what is displayed."""

import base64
import io
import re

import matplotlib as mpl
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt
from PIL import Image


def seen_and_heard(element):
    """Return the picture in an HTML element, and its alternative text."""
    form = r'<img alt="([^"]+)" style="[^"]+" src="data:image/png;base64,(\S+)">'
    alt, data = re.fullmatch(form, element).groups()
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True))), alt


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
