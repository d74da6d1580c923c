"""The schematics show what they promise: the notation, the circles, the lines."""

from itertools import combinations

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Circle

from nnlabs import diagrams

DRAWINGS = {
    "neuron": lambda **on: diagrams.neuron(**on),
    "neuron of 1": lambda **on: diagrams.neuron(1, **on),
    "deep network": lambda **on: diagrams.network([6, 5, 4, 3, 1], **on),
    "recurrent": lambda **on: diagrams.recurrent(**on),
    "recurrent of 5": lambda **on: diagrams.recurrent(5, **on),
}


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_is_legible_and_on_the_axes_given(name):
    ax = DRAWINGS[name]()
    assert not ax.axison, "a schematic has no frame"
    ax.figure.canvas.draw()
    boxes = {text: text.get_window_extent() for text in ax.texts if text.get_text()}
    for (one, first), (two, second) in combinations(boxes.items(), 2):
        assert not first.shrunk(0.9, 0.9).overlaps(second.shrunk(0.9, 0.9)), f"{one} lies on {two}"
    for text, box in boxes.items():
        assert ax.figure.bbox.x0 <= box.x0 < box.x1 <= ax.figure.bbox.x1, f"{text} leaves the figure"
        assert ax.figure.bbox.y0 <= box.y0 < box.y1 <= ax.figure.bbox.y1, f"{text} leaves the figure"
    _, (left, right) = plt.subplots(1, 2)
    assert DRAWINGS[name](ax=left) is left
    assert not right.patches


def test_neuron_has_the_notation_of_the_lecture():
    heights = {text.get_text(): text.get_position()[1] for text in diagrams.neuron(3).texts}
    assert {"$w_{j,1}$", "$w_{j,3}$", "$b_j$", r"$\phi$", "$y_j$"} <= heights.keys()
    assert heights["$x_{1}$"] > heights["$x_{2}$"] > heights["$x_{3}$"]


def test_network_draws_a_line_for_each_weight_and_a_circle_for_each_unit():
    ax = diagrams.network([3, 4, 1])
    assert len(ax.lines) == 3 * 4 + 4 * 1
    assert len({patch.center for patch in ax.patches if isinstance(patch, Circle)}) == 3 + 4 + 1
    assert {"$x$", "$h^{(1)}$", "$f(x)$", "3 units", "4 units", "1 unit"} <= set(texts(ax))
    assert {"in", "out"} <= set(texts(diagrams.network([2, 1], ["in", "out"])))


def test_recurrent_shares_its_weights_between_the_steps():
    shown = texts(diagrams.recurrent(4))
    assert [shown.count(weights) for weights in ("$W_x$", "$W_h$", "$W_y$")] == [5, 5, 5]
    assert {"$x_t$", "$h_t$", "$y_t$", "$x_1$", "$h_4$", "$y_4$", "$h_0$"} <= set(shown)
