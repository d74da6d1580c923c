"""The schematics show what they promise: the notation, the circles, the lines."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Circle

from nnlabs import diagrams


def texts(ax):
    return [text.get_text() for text in ax.texts]


def overlaps(ax):
    """Return pairs of texts whose boxes overlap when the figure is drawn."""
    ax.figure.canvas.draw()
    labels = [text for text in ax.texts if text.get_text()]
    boxes = [text.get_window_extent().shrunk(0.9, 0.9) for text in labels]
    return [
        (labels[i].get_text(), labels[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].overlaps(boxes[j])
    ]


DRAWINGS = {
    "neuron": lambda ax=None: diagrams.neuron(ax=ax),
    "neuron of 1": lambda ax=None: diagrams.neuron(1, ax=ax),
    "neuron of 5": lambda ax=None: diagrams.neuron(5, ax=ax),
    "neuron of 784": lambda ax=None: diagrams.neuron(784, ax=ax),
    "network": lambda ax=None: diagrams.network([3, 4, 4, 2], ax=ax),
    "deep network": lambda ax=None: diagrams.network([784, 256, 128, 64, 10], ax=ax),
    "recurrent": lambda ax=None: diagrams.recurrent(ax=ax),
    "recurrent of 5": lambda ax=None: diagrams.recurrent(5, ax=ax),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_is_legible(name):
    ax = DRAWINGS[name]()
    assert not ax.axison, "a schematic has no frame"
    assert overlaps(ax) == []
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    for text in ax.texts:
        box = text.get_window_extent()
        corners = np.array([box.min, box.max])
        assert np.all((frame.min <= corners) & (corners <= frame.max)), f"{text.get_text()} leaves the figure"


@pytest.mark.parametrize("name", ["neuron", "network", "recurrent"])
def test_drawing_goes_on_the_axes_given(name):
    _, (left, right) = plt.subplots(1, 2)
    assert DRAWINGS[name](ax=left) is left
    assert not right.patches
    assert not right.texts


def test_neuron_has_the_notation_of_the_lecture():
    heights = {text.get_text(): text.get_position()[1] for text in diagrams.neuron(3).texts}
    assert {"$w_{j,1}$", "$w_{j,3}$", "$b_j$", r"$\phi$", "$y_j$"} <= heights.keys()
    assert heights["$x_{1}$"] > heights["$x_{2}$"] > heights["$x_{3}$"]


def test_a_long_input_is_abbreviated():
    shown = texts(diagrams.neuron(784))
    assert {"$x_{784}$", "$w_{j,784}$"} <= set(shown)
    assert "$x_{3}$" not in shown


def test_network_draws_a_line_for_each_weight_and_a_circle_for_each_unit():
    ax = diagrams.network([3, 4, 2])
    assert len(ax.lines) == 3 * 4 + 4 * 2
    assert len({patch.center for patch in ax.patches if isinstance(patch, Circle)}) == 3 + 4 + 2


def test_network_names_its_layers_and_their_sizes():
    shown = texts(diagrams.network([784, 128, 1]))
    assert {"$x$", "$h^{(1)}$", "$f(x)$", "784 units", "128 units", "1 unit"} <= set(shown)
    assert {"in", "out"} <= set(texts(diagrams.network([2, 1], ["in", "out"])))


def test_recurrent_shares_its_weights_between_the_steps():
    shown = texts(diagrams.recurrent(4))
    assert np.all([shown.count(weights) == 5 for weights in ("$W_x$", "$W_h$", "$W_y$")])
    assert {"$x_t$", "$h_t$", "$y_t$", "$x_1$", "$h_4$", "$y_4$", "$h_0$"} <= set(shown)


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: diagrams.neuron(0), "at least one input"),
        (lambda: diagrams.network([3]), "two layers or more"),
        (lambda: diagrams.network([3, 0, 1]), "a unit or more"),
        (lambda: diagrams.network([3, 2], ["x"]), "1 labels"),
        (lambda: diagrams.recurrent(1), "2 to 5 steps"),
        (lambda: diagrams.recurrent(9), "2 to 5 steps"),
    ],
)
def test_impossible_drawings_are_refused(draw, told):
    with pytest.raises(ValueError, match=told):
        draw()
