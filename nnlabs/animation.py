"""Animations that stay in the notebook, and the same frames side by side for print.

A lesson writes one function, ``draw(figure, step)``, that draws the picture at a step on an
empty figure, and passes it to :func:`play` and to :func:`strip`::

    def draw(figure, step):
        ax = figure.subplots()
        ax.plot(x[: step + 1], y[: step + 1])
        ax.set(xlim=(0, 1), ylim=(0, 1))  # fixed limits: the frames must not jump


    animation.play(draw, range(50), "A point moves to the right.")
    animation.strip(draw, [0, 10, 49], "The point at steps 0, 10 and 49.")

The animation is one animated PNG (https://www.w3.org/TR/png-3/, section 11.3.6): it needs no
JavaScript, plays wherever the notebook is shown in a browser, and where it cannot play, as on
paper, its last frame is shown.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure, SubFigure

from nnlabs import plots

if TYPE_CHECKING:
    from PIL import Image

Draw: TypeAlias = Callable[["Figure | SubFigure", int], None]

COLORS = 40  # of the palette that all frames share; more makes the file larger
MAX_BYTES = 100_000


def play(
    draw: Draw,
    steps: Sequence[int],
    alt: str,
    *,
    size: tuple[float, float] = (5.2, 3.6),
    seconds: float = 0.1,
    hold: float = 2.0,
    loops: int = 3,
) -> None:
    """Display an animation of ``steps`` that plays ``loops`` times and then rests on its last frame.

    ``draw(figure, step)`` draws one frame on an empty figure of ``size`` inches; a frame stays ``seconds``,
    the last one ``hold``. ``alt`` says in one or two sentences what the animation shows, for a reader who
    does not see it. With 0 ``loops`` it plays without end, which a reader cannot stop.
    """
    if len(steps) == 0:
        raise ValueError("An animation needs at least one step.")
    png = encode(frames(draw, steps, size), seconds=seconds, hold=hold, loops=loops)
    if len(png) > MAX_BYTES:
        raise ValueError(
            f"The animation has {len(png) / 1000:.0f} kB, over {MAX_BYTES / 1000:.0f} kB: "
            "take fewer steps, a smaller size or fewer colours."
        )
    plots.display_png(png, alt, kind="Animation")


def strip(
    draw: Draw,
    steps: Sequence[int],
    alt: str,
    *,
    columns: int = 3,
    size: tuple[float, float] = (2.6, 2.3),
) -> None:
    """Display frames of an animation side by side, in rows of ``columns``; ``size`` is that of one frame."""
    columns = min(columns, len(steps))
    rows = -(-len(steps) // columns)
    figure = plt.figure(figsize=(columns * size[0], rows * size[1]))
    parts = figure.subfigures(rows, columns, squeeze=False).flat
    for step, part in zip(steps, parts, strict=False):  # the last row may have places left
        draw(part, step)
    plots.show(alt)


def frames(draw: Draw, steps: Sequence[int], size: tuple[float, float]) -> list[np.ndarray]:
    """Return one image a step, each ``uint8`` of shape (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = Figure(figsize=size)
    canvas = FigureCanvasAgg(figure)
    images = []
    for step in steps:
        figure.clear()
        draw(figure, step)
        canvas.draw()
        images.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return images


def encode(images: Sequence[np.ndarray], *, seconds: float, hold: float, loops: int) -> bytes:
    """Return the images, ``uint8`` (height, width, 3), as an animated PNG whose still image is the last."""
    pictures = _with_shared_palette(images)
    durations = [round(1000 * seconds)] * (len(pictures) - 1) + [round(1000 * hold)]  # milliseconds
    file = io.BytesIO()
    pictures[-1].save(
        file,
        format="PNG",
        save_all=True,
        append_images=pictures,
        default_image=True,  # the first image is no frame: viewers that do not animate show it
        duration=durations,
        loop=loops,
    )
    return file.getvalue()


def _with_shared_palette(images: Sequence[np.ndarray]) -> list[Image.Image]:
    """Return the images in one palette, made from the first, the middle and the last of them."""
    from PIL import Image

    palette = _palette(np.stack([images[0], images[len(images) // 2], images[-1]]))
    pictures = []
    for image in images:
        colors, where = np.unique(_packed(image), return_inverse=True)
        distances = np.square(_rgb(colors)[:, None] - palette).sum(axis=-1)
        nearest = distances.argmin(axis=1).astype(np.uint8)[where.reshape(image.shape[:2])]
        picture = Image.fromarray(nearest).convert("P")
        picture.putpalette(palette.astype(np.uint8).tobytes())
        pictures.append(picture)
    return pictures


def _palette(images: np.ndarray) -> np.ndarray:
    """Return up to ``COLORS`` colours of the images, shape (n, 3): frequent ones, far from each other.

    A method that looks at frequency alone, such as Pillow's, drops the colour of a thin line.
    """
    packed, counts = np.unique(_packed(images), return_counts=True)
    colors = _rgb(packed)
    chosen = [counts.argmax()]
    distance = np.full(len(colors), np.inf)
    while len(chosen) < min(COLORS, len(colors)):
        distance = np.minimum(distance, np.square(colors - colors[chosen[-1]]).sum(axis=1))
        chosen.append((distance * np.sqrt(counts)).argmax())
    return colors[chosen]


def _packed(image: np.ndarray) -> np.ndarray:
    """Return each colour of ``image`` (..., 3) as one integer."""
    return image.astype(int) @ [1 << 16, 1 << 8, 1]


def _rgb(packed: np.ndarray) -> np.ndarray:
    """Undo :func:`_packed` for an array of shape (n,): return shape (n, 3)."""
    return packed[:, None] >> [16, 8, 0] & 255
