"""Figures to play with. Each shows a still figure first, for where there is no kernel and for print."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets

from nnlabs import plots

if TYPE_CHECKING:
    from ipywidgets import DOMWidget

Predict: TypeAlias = Callable[[np.ndarray], np.ndarray]

SIDE = 28  # pixels of an MNIST picture
BOX = 20  # pixels of the box that its digit is scaled to


def digit_pad(predict: Predict, example: np.ndarray) -> None:
    """Show a network's ten probabilities for an example, and a pad on which to draw other digits.

    ``predict`` maps pictures, ``uint8`` of shape (n, 28, 28), 0 background to 255 ink, to the probabilities
    of the ten digits, shape (n, 10); ``example`` is one such picture. The pad works in JupyterLab, Jupyter
    Notebook and Colab while the notebook's kernel runs.
    """
    from IPython.display import display

    example = _picture(example)
    probabilities = answer(predict, example)
    digit = int(probabilities.argmax())
    _, (left, right) = plt.subplots(1, 2, figsize=(5.6, 2.6), width_ratios=(1, 1.6))
    left.imshow(example)
    left.axis("off")
    bars = right.barh(np.arange(10), probabilities)
    right.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    right.set(xlabel="probability", ylabel="digit", yticks=range(10), xlim=(0, 1.15))
    right.invert_yaxis()
    plots.show(
        f"A handwritten digit and the probabilities that the network gives to the ten digits. "
        f"The largest is that of {digit}, {probabilities[digit]:.2f}."
    )
    display(DigitPad(predict, example))


class DigitPad(anywidget.AnyWidget):
    """A pad to draw a digit on; the network answers while the pen moves.

    ``drawing`` holds the grey values of a square, row by row, 0 paper to 255 ink; ``probabilities`` the
    network's answer, one number a digit, empty while there is none; ``answer`` says it in words.
    """

    _esm = Path(__file__).with_name("digit_pad.js")
    example = traitlets.List().tag(sync=True)
    drawing = traitlets.List().tag(sync=True)
    probabilities = traitlets.List().tag(sync=True)
    answer = traitlets.Unicode("Draw a digit with the mouse.").tag(sync=True)

    def __init__(self, predict: Predict, example: np.ndarray) -> None:
        super().__init__(example=example.tolist())
        self._predict = predict

    @traitlets.observe("drawing")
    def _ask(self, change: dict) -> None:
        side = int(np.sqrt(len(change["new"])))
        picture = mnist_form(np.array(change["new"], dtype=np.uint8).reshape(side, side))
        if not picture.any():
            self.probabilities, self.answer = [], "Draw a digit with the mouse."
            return
        try:
            probabilities = answer(self._predict, picture)
        except Exception as error:  # the student's function may raise anything; the pad stays alive
            self.probabilities, self.answer = [], f"No answer: {error}"
            return
        digit = int(probabilities.argmax())
        self.probabilities = probabilities.tolist()
        self.answer = f"The network answers {digit}, with probability {probabilities[digit]:.2f}."


def answer(predict: Predict, picture: np.ndarray) -> np.ndarray:
    """Return the ten probabilities, shape (10,), that ``predict`` gives to one picture of shape (28, 28)."""
    probabilities = np.asarray(predict(picture[None]))
    if probabilities.shape != (1, 10):
        raise ValueError(f"predict must map shape (1, 28, 28) to (1, 10); it returned {probabilities.shape}.")
    if not np.isclose(probabilities.sum(), 1, atol=1e-3) or probabilities.min() < 0:
        raise ValueError("predict must return probabilities that sum to 1: is a softmax missing?")
    return probabilities[0].astype(float)


def mnist_form(drawing: np.ndarray) -> np.ndarray:
    """Bring a drawing, ``uint8``, 0 paper to 255 ink, into the form of MNIST's pictures, shape (28, 28).

    As LeCun et al. (1998, doi:10.1109/5.726791, section III.A) did: the digit is scaled to fit a
    box of 20×20 pixels, and its centre of mass is put at the centre of 28×28.
    """
    from PIL import Image

    picture = np.zeros((SIDE, SIDE), dtype=np.uint8)
    rows, columns = np.nonzero(drawing)
    if len(rows) == 0:
        return picture
    digit = drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = np.maximum(1, np.round(np.multiply(digit.shape, BOX / max(digit.shape)))).astype(int)
    digit = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BOX))
    weights = digit / max(digit.sum(), 1)
    centre = np.arange(height) @ weights.sum(axis=1), np.arange(width) @ weights.sum(axis=0)
    top, left = (
        int(np.clip(round(SIDE / 2 - middle), 0, SIDE - size))
        for middle, size in zip(centre, digit.shape, strict=True)
    )
    picture[top : top + height, left : left + width] = digit
    return picture


def _picture(example: np.ndarray) -> np.ndarray:
    example = np.asarray(example)
    if example.shape != (SIDE, SIDE) or example.dtype != np.uint8:
        raise ValueError(f"The example must be uint8 of shape (28, 28), not {example.dtype} {example.shape}.")
    return example


Range: TypeAlias = "tuple[float, float] | tuple[float, float, str]"

STILLS = 7  # pictures along one slider in the still figure, and whole numbers up to ten
WIDTH = 224  # pixels of the picture beside the sliders


def sliders(
    draw: Callable[..., np.ndarray],
    *,
    button: tuple[str, Callable[[], object]] | None = None,
    **ranges: Range,
) -> None:
    """Show the pictures that ``draw`` makes along each range, and sliders to choose others.

    A range is ``name=(lowest, highest)`` or ``name=(lowest, highest, "what it is")``; its slider starts in
    the middle, and two whole numbers make a slider of whole numbers. ``draw`` is called with one value for
    each range, by name, and returns a grey picture, shape (height, width), 0 black to 1 white. ``button`` is
    the text of a button and what it does; then the picture is drawn anew. Mouse and arrow keys work in
    JupyterLab, Jupyter Notebook and Colab while the notebook's kernel runs.
    """
    from IPython.display import display

    if not ranges:
        raise ValueError("sliders needs at least one range, such as z1=(-2.0, 2.0).")
    labels = {name: f"{rest[0]} ({name})" if rest else name for name, (_, _, *rest) in ranges.items()}
    stops = {name: _stops(low, high) for name, (low, high, *_) in ranges.items()}
    start = {name: values[len(values) // 2] for name, values in stops.items()}
    columns = max(map(len, stops.values()))
    _, axes = plt.subplots(len(stops), 1, figsize=(0.9 * columns, 1.35 * len(stops)), squeeze=False)
    for ax, (name, values) in zip(axes.flat, stops.items(), strict=True):
        pictures = np.stack([_grey(draw(**start | {name: value})) for value in values])
        plots.image_grid(pictures, [f"{value:.3g}" for value in values], columns=columns, ax=ax)
        ax.set_title(labels[name], fontsize=10)
    plots.show(
        "Pictures for sliders. In each row one value goes from its lowest to its highest, the others stay in "
        f"the middle: {', '.join(labels.values())}."
    )
    display(_slider_box(draw, ranges, labels, start, button))


def _slider_box(
    draw: Callable[..., np.ndarray],
    ranges: Mapping[str, Range],
    labels: Mapping[str, str],
    start: Mapping[str, float],
    button: tuple[str, Callable[[], object]] | None,
) -> DOMWidget:
    import ipywidgets

    picture = ipywidgets.HTML()
    controls = {}
    for name, (low, high, *_) in ranges.items():
        whole = isinstance(start[name], int)
        controls[name] = (ipywidgets.IntSlider if whole else ipywidgets.FloatSlider)(
            value=start[name],
            min=low,
            max=high,
            step=1 if whole else (high - low) / 50,
            description=labels[name],
            style={"description_width": "initial"},
            layout={"width": "28em"},
        )

    def redraw(_: object = None) -> None:
        values = {name: control.value for name, control in controls.items()}
        try:
            picture.value = _image_element(_grey(draw(**values)), values)
        except Exception as error:  # the student's function may raise anything; the sliders stay alive
            picture.value = f"<p>No picture: {html.escape(str(error))}</p>"

    for control in controls.values():
        control.observe(redraw, names="value")
    column = list(controls.values())
    if button is not None:
        text, action = button
        column.append(ipywidgets.Button(description=text, layout={"width": "auto"}))
        column[-1].on_click(lambda _: (action(), redraw()))
    redraw()
    return ipywidgets.HBox([ipywidgets.VBox(column), picture])


def _stops(low: float, high: float) -> list[float]:
    """Return the values along a slider that the still figure shows; whole numbers stay whole."""
    if isinstance(low, int) and isinstance(high, int) and high - low < 10:
        return list(range(low, high + 1))
    values = np.linspace(low, high, STILLS)
    return [round(v) for v in values] if isinstance(low, int) and isinstance(high, int) else values.tolist()


def _grey(picture: np.ndarray) -> np.ndarray:
    picture = np.asarray(picture)
    if picture.ndim != 2:
        raise ValueError(f"draw must return a grey picture of shape (height, width), not {picture.shape}.")
    return picture


def _image_element(picture: np.ndarray, values: Mapping[str, float]) -> str:
    """Return the picture as an HTML element, with its values as the alternative text."""
    from PIL import Image

    file = io.BytesIO()
    grey = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    Image.fromarray(grey).save(file, format="PNG")
    where = ", ".join(f"{name} = {value:.3g}" for name, value in values.items())
    style = f"width: {WIDTH}px; image-rendering: pixelated"
    return plots.image_element(file.getvalue(), f"Picture for {where}", style)
