"""Figures to play with. Each shows a still figure first, for where there is no kernel and for print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets

from nnlabs import plots

Predict: TypeAlias = Callable[[np.ndarray], np.ndarray]

SIDE = 28  # pixels of an MNIST picture
BOX = 20  # pixels of the box that its digit is scaled to


def digit_pad(predict: Predict, example: np.ndarray) -> None:
    """Show a network's ten probabilities for an example, and a pad on which to draw other digits.

    The pad works in JupyterLab, Jupyter Notebook and Colab while the notebook's kernel runs.

    Parameters
    ----------
    predict
        Maps pictures, ``uint8`` of shape (n, 28, 28), 0 background to 255 ink, to the
        probabilities of the ten digits, shape (n, 10).
    example
        One such picture, shape (28, 28).

    Raises
    ------
    ValueError
        ``example`` is no such picture, or ``predict`` returns no probabilities for it.
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

    Attributes
    ----------
    drawing
        What is drawn: the grey values of a square, row by row, 0 paper to 255 ink.
    probabilities
        The network's answer, one number a digit; empty while there is none.
    answer
        The answer in words.
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
    """Bring a drawing into the form of MNIST's pictures, on which the network was trained.

    As LeCun et al. (1998, doi:10.1109/5.726791, section III.A) did: the digit is scaled to fit a
    box of 20×20 pixels, and its centre of mass is put at the centre of 28×28.

    Parameters
    ----------
    drawing
        ``uint8``, shape (height, width), 0 paper to 255 ink.

    Returns
    -------
    np.ndarray
        ``uint8``, shape (28, 28); all zero if nothing is drawn.
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
