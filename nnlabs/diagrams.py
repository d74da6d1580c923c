"""Schematics of neurons and networks, drawn by code in the lecture's notation.

Each function draws on ``ax`` (by default the current Axes), hides its frame and returns it.
They are meant for a figure of 6.4 × 3.6 inches, the course's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from nnlabs.plots import COLORS

BLUE, ORANGE, GREEN = COLORS[:3]

Point = tuple[float, float]


def neuron(inputs: int = 3, ax: Axes | None = None) -> Axes:
    r"""Draw an artificial neuron, :math:`y_j = \phi(\langle w_j, x \rangle + b_j)`.

    There is room for five ``inputs``.
    """
    ax = _canvas(ax, width=6.4, height=3.6)
    heights = _spread(inputs, gap=min(0.95, 2.7 / max(inputs - 1, 1)), center=1.65)[::-1]
    total, activation, bias = (3.1, 1.65), (4.55, 1.65), (3.1, 3.15)
    for i, height in enumerate(heights, start=1):
        start = (0.75, height)
        _arrow(ax, start, total, 0.26, 0.42)
        _disc(ax, start, 0.26, f"$x_{{{i}}}$", BLUE)
        _on_line(ax, start, total, 0.42, rf"$w_{{j,{i}}}$")
    _arrow(ax, bias, total, 0.26, 0.42)
    _disc(ax, bias, 0.26, "$b_j$", GREEN)
    ax.text(bias[0] + 0.36, bias[1], "bias", va="center", fontsize=10)
    _arrow(ax, total, activation, 0.42, 0.38)
    _disc(ax, total, 0.42, r"$\Sigma$", ORANGE, fontsize=17)
    ax.text(total[0], 1.02, r"$\Sigma = \langle w_j, x \rangle + b_j$", ha="center", va="center", fontsize=11)
    _arrow(ax, activation, (5.9, 1.65), 0.38, 0.2)
    _box(ax, activation, 0.34, r"$\phi$", ORANGE)
    ax.text(activation[0], 2.2, "activation", ha="center", va="center", fontsize=10)
    ax.text(5.9, 1.65, "$y_j$", ha="center", va="center", fontsize=14)
    ax.text(activation[0], 1.02, r"$y_j = \phi(\Sigma)$", ha="center", va="center", fontsize=11)
    ax.text(0.75, heights[0] + 0.42, "input $x$", ha="center", va="center", fontsize=10)
    return ax


def network(sizes: Sequence[int], layer_labels: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """Draw a multilayer perceptron: a column of circles for each layer, a line for each weight.

    ``sizes`` are the units of each layer, the input first; there is room for six. Labels are by default the
    lecture's ``x``, ``h^(1)``, ..., ``f(x)``.
    """
    if layer_labels is None:
        layer_labels = ["$x$", *(f"$h^{{({k})}}$" for k in range(1, len(sizes) - 1)), "$f(x)$"]
    ax = _canvas(ax, width=6.4, height=3.6)
    columns = _spread(len(sizes), gap=min(2.1, 5.2 / (len(sizes) - 1)), center=3.2)
    radius = 0.17
    layers = []
    for column, size in zip(columns, sizes, strict=True):
        heights = _spread(size, gap=min(0.62, 2.45 / max(size - 1, 1)), center=2.15)
        layers.append([(column, height) for height in heights])
    for left, right in pairwise(layers):
        for start in left:
            for end in right:
                ax.plot(*zip(start, end, strict=True), color="0.6", linewidth=0.7, zorder=1)
    for k, layer in enumerate(layers):
        color = BLUE if k == 0 else GREEN if k == len(layers) - 1 else ORANGE
        for center in layer:
            _disc(ax, center, radius, "", color)
        ax.text(columns[k], 0.45, layer_labels[k], ha="center", va="center", fontsize=13)
        units = "1 unit" if sizes[k] == 1 else f"{sizes[k]:,} units"
        ax.text(columns[k], 0.12, units, ha="center", va="center", fontsize=9, color="0.25")
    return ax


def recurrent(steps: int = 4, ax: Axes | None = None) -> Axes:
    """Draw a recurrent layer: folded with its loop (left) and unrolled over 2 to 5 time steps (right).

    Every time step has the same weights ``W_x`` (input), ``W_h`` (state) and ``W_y`` (output).
    """
    ax = _canvas(ax, width=6.4, height=3.6)
    _time_step(ax, 0.5, "t")
    loop = FancyArrowPatch(
        (0.69, 2.01),
        (0.69, 1.59),
        connectionstyle="arc3,rad=-1.9",
        arrowstyle="-|>",
        mutation_scale=12,
        color="black",
        linewidth=1.1,
    )
    ax.add_patch(loop)
    ax.text(1.0, 2.1, "$W_h$", ha="center", va="center", fontsize=9)
    ax.text(0.5, 3.45, "folded", ha="center", va="center", fontsize=10)
    ax.text(1.75, 2.1, "unroll", ha="center", va="center", fontsize=10)
    ax.annotate("", (2.02, 1.8), (1.48, 1.8), arrowprops={"arrowstyle": "simple", "color": "0.45"})
    columns = _spread(steps, gap=3.1 / (steps - 1), center=4.5)
    state = (2.25, 1.8)
    ax.text(*state, "$h_0$", ha="center", va="center", fontsize=11)
    for t, column in enumerate(columns, start=1):
        _arrow(ax, state, (column, 1.8), 0.27 if t > 1 else 0.15, 0.27)
        ax.text(
            (state[0] + column) / 2 - (0.05 if t == 1 else 0),
            1.87,
            "$W_h$",
            ha="center",
            va="bottom",
            fontsize=9,
        )
        _time_step(ax, column, str(t))
        state = (column, 1.8)
    ax.text(4.4, 3.45, "unrolled over time: the same weights at every step", ha="center", va="center")
    return ax


def _time_step(ax: Axes, column: float, t: str) -> None:
    """Draw x_t → h_t → y_t upwards, with the names of the weights beside the arrows."""
    x, h, y = (column, 0.55), (column, 1.8), (column, 3.0)
    for start, end, name in ((x, h, "$W_x$"), (h, y, "$W_y$")):
        _arrow(ax, start, end, 0.27, 0.27)
        ax.text(column - 0.06, (start[1] + end[1]) / 2, name, ha="right", va="center", fontsize=9)
    _disc(ax, x, 0.25, f"$x_{t}$", BLUE)
    _disc(ax, h, 0.25, f"$h_{t}$", ORANGE)
    _disc(ax, y, 0.25, f"$y_{t}$", GREEN)


def _canvas(ax: Axes | None, width: float, height: float) -> Axes:
    """Return ``ax`` without frame and ticks, with coordinates in (rough) inches."""
    ax = ax or plt.gca()
    ax.set(xlim=(0, width), ylim=(-0.1, height + 0.1), aspect="equal")
    ax.axis("off")
    return ax


def _spread(count: int, gap: float, center: float) -> list[float]:
    """Return ``count`` positions, ``gap`` apart, around ``center``."""
    return [center + gap * (i - (count - 1) / 2) for i in range(count)]


def _disc(ax: Axes, center: Point, radius: float, label: str, color: str, fontsize: float = 12) -> None:
    ax.add_patch(Circle(center, radius, facecolor="white", edgecolor="none", zorder=2))
    ax.add_patch(Circle(center, radius, facecolor=color, alpha=0.25, zorder=2))
    ax.add_patch(Circle(center, radius, facecolor="none", edgecolor=color, linewidth=1.5, zorder=2))
    ax.text(*center, label, ha="center", va="center", fontsize=fontsize, zorder=3)


def _box(ax: Axes, center: Point, half: float, label: str, color: str) -> None:
    corner = (center[0] - half, center[1] - half)
    style = {"boxstyle": "round,pad=0,rounding_size=0.08", "zorder": 2}
    ax.add_patch(FancyBboxPatch(corner, 2 * half, 2 * half, facecolor=color, alpha=0.25, **style))
    ax.add_patch(
        FancyBboxPatch(corner, 2 * half, 2 * half, facecolor="none", edgecolor=color, linewidth=1.5, **style)
    )
    ax.text(*center, label, ha="center", va="center", fontsize=16, zorder=3)


def _arrow(ax: Axes, start: Point, end: Point, leave: float, arrive: float) -> None:
    """Draw an arrow that stops ``leave`` after ``start`` and ``arrive`` before ``end``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx**2 + dy**2) ** 0.5
    dx, dy = dx / length, dy / length
    tail = (start[0] + leave * dx, start[1] + leave * dy)
    head = (end[0] - arrive * dx, end[1] - arrive * dy)
    ax.annotate(
        "", head, tail, arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0}
    )


def _on_line(ax: Axes, start: Point, end: Point, share: float, label: str) -> None:
    """Write ``label`` over the line from ``start`` to ``end``, with a white ground."""
    place = [a + share * (b - a) for a, b in zip(start, end, strict=True)]
    ground = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}
    ax.text(*place, label, ha="center", va="center", fontsize=11, bbox=ground)
