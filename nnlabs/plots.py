"""The figures that lessons share. Each returns its Axes and takes an optional ``ax``.

Importing this module sets the course's Matplotlib style: the colour-blind-safe palette of
Okabe & Ito (2008, https://jfly.uni-koeln.de/color/), readable sizes, small files.
A lesson ends each figure with :func:`show`, which gives it its alternative text.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]
LINES = ["-", "--", "-.", ":"]

plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.prop_cycle": plt.cycler(color=COLORS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.constrained_layout.use": True,
        "figure.dpi": 90,
        "figure.figsize": (6.4, 3.6),
        "font.size": 10,
        "grid.alpha": 0.25,
        "image.cmap": "gray",
        "legend.frameon": False,
    }
)


def show(alt: str) -> None:
    """Display the current figure with an alternative text, and close it.

    ``alt`` says in one or two sentences what the figure shows, for a reader who does not see it: screen
    readers read it out, in notebooks and in HTML exports.
    """
    if not plt.get_fignums():
        raise ValueError("There is no figure to show: draw one in the same cell first.")
    figure = plt.gcf()
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    plt.close(figure)
    display_png(png.getvalue(), alt)


def display_png(png: bytes, alt: str, kind: str = "Figure") -> None:
    """Display a picture, still or animated, with an alternative text; its output reads ``kind: alt``.

    It is an HTML element, since JupyterLab and nbconvert show an ``image/png`` without its alternative text.
    """
    from IPython.display import display

    if not alt.strip():
        raise ValueError("A figure needs an alternative text that says what it shows.")
    display({"text/html": image_element(png, alt), "text/plain": f"{kind}: {alt}"}, raw=True)


def image_element(png: bytes, alt: str, style: str = "max-width: 100%") -> str:
    """Return a picture as an HTML element that holds it."""
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{data}">'


def history(history: Any, metric: str = "loss", ax: Axes | None = None) -> Axes:
    """Draw a metric over the epochs, training and (if recorded) validation.

    ``history`` is what ``Model.fit`` returns, or a mapping of names to one value an epoch.
    """
    ax = ax or plt.gca()
    values: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    if metric not in values:
        raise KeyError(f"The history has no {metric!r}; it has {', '.join(map(repr, values))}.")
    epochs = np.arange(1, len(values[metric]) + 1)
    ax.plot(epochs, values[metric], "o-", label="training", markersize=4)
    if f"val_{metric}" in values:
        ax.plot(epochs, values[f"val_{metric}"], "s--", label="validation", markersize=4)
        ax.legend()
    ax.set(xlabel="epoch", ylabel=metric)
    ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def image_grid(
    images: np.ndarray,
    titles: Sequence[Any] | None = None,
    columns: int = 10,
    scale: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Draw images side by side in rows, each with a short title above it if there are ``titles``.

    Images have the shape (n, height, width) or (n, height, width, 1) for grey, (n, height, width, 3) for
    colour, and any range: grey ones share one scale from their minimum to their maximum. ``scale`` is the
    size of an image in inches, used when the figure is made here (``ax`` is None).
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4):
        raise ValueError(f"image_grid wants shape (n, height, width[, channels]), not {images.shape}.")
    count, height, width = images.shape[:3]
    columns = min(columns, count)
    rows = -(-count // columns)
    top = 0.35 if titles is not None else 0.05  # room for the titles, as a share of an image
    if ax is None:
        size = (columns * scale, rows * scale * (1 + top) * height / width)
        _, ax = plt.subplots(figsize=size)
    limits = (images.min(), images.max()) if images.ndim == 3 else (None, None)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        left, bottom = column * 1.05, -row * (1 + top)
        ax.imshow(image, extent=(left, left + 1, bottom, bottom + 1), vmin=limits[0], vmax=limits[1])
        if titles is not None:
            ax.text(left + 0.5, bottom + 1.04, titles[i], ha="center", va="bottom", fontsize=9)
    ax.set(xlim=(0, columns * 1.05 - 0.05), ylim=(-(rows - 1) * (1 + top), 1 + top), aspect=height / width)
    ax.axis("off")
    return ax


def points(
    x: np.ndarray, y: np.ndarray, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Scatter points ``x``, shape (n, 2), one colour and one marker for each of the classes ``y``."""
    ax = ax or plt.gca()
    for label, color, marker in zip(np.unique(y), cycle(COLORS), cycle(MARKERS)):
        name = class_names[int(label)] if class_names is not None else f"class {label}"
        members = x[y == label]
        ax.scatter(*members.T, s=18, color=color, marker=marker, alpha=0.8, label=name, linewidths=0)
    return ax


def decision_regions(
    predict: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    class_names: Sequence[str] | None = None,
    resolution: int = 200,
    ax: Axes | None = None,
) -> Axes:
    """Colour the plane by the predicted class and draw the points ``x`` of classes ``y`` over it.

    ``predict`` maps points of shape (n, 2) to classes 0, 1, ... of shape (n,); it is asked at ``resolution``
    points along each axis.
    """
    ax = ax or plt.gca()
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.1 * (high - low)
    axes = [np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1)
    regions = np.asarray(predict(grid.reshape(-1, 2))).reshape(resolution, resolution)
    classes = max(int(np.max(y)), int(regions.max())) + 1
    ax.pcolormesh(
        *axes,
        regions,
        cmap=ListedColormap(COLORS[:classes]),
        vmin=-0.5,
        vmax=classes - 0.5,
        alpha=0.2,
        shading="nearest",
        linewidth=0,
        rasterized=True,
    )
    if len(np.unique(regions)) > 1:
        ax.contour(*axes, regions, levels=np.arange(classes - 1) + 0.5, colors="black", linewidths=1)
    points(x, y, class_names, ax)
    ax.grid(visible=False)
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    return ax


def latent_scatter(
    z: np.ndarray, y: np.ndarray, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Scatter codes ``z``, shape (n, 2), each drawn as the (short) name of its class.

    A larger name stands where the class is purest: where most of the codes nearby are of this class.
    """
    from sklearn.neighbors import KNeighborsClassifier

    ax = ax or plt.gca()
    purity = KNeighborsClassifier(1 + len(z) // 40).fit(z, y).predict_proba(z)
    for i, (label, color) in enumerate(zip(np.unique(y), cycle(COLORS[:7]))):
        members, pure = z[y == label], purity[y == label, i]
        name = class_names[int(label)] if class_names is not None else str(label)
        ax.scatter(*members.T, s=22, color=color, marker=f"${name}$", linewidths=0)
        ax.text(
            *np.median(members[pure >= np.quantile(pure, 0.9)], axis=0),
            name,
            ha="center",
            va="center",
            weight="bold",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": color},
        )
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


def confusion_matrix(
    y_true: np.ndarray, y_pred: np.ndarray, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many of each true class (rows) are predicted as each class (columns)."""
    from sklearn.metrics import ConfusionMatrixDisplay

    ax = ax or plt.gca()
    ConfusionMatrixDisplay.from_predictions(
        y_true,
        y_pred,
        display_labels=class_names,
        cmap="Blues",
        colorbar=False,
        ax=ax,
        text_kw={"fontsize": 8},
    )
    ax.grid(visible=False)
    ax.set(xlabel="predicted", ylabel="true")
    return ax
