"""The animations: that they move, stay small, speak, and show their last frame on paper."""

import io
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from nnlabs import animation, plots


def draw(figure, step):
    ax = figure.subplots()
    ax.plot([0, step], [0, 1], "o-")
    ax.set(xlim=(0, 10), ylim=(0, 1), title=f"step {step}")


def displayed(call):
    """Return the data and the metadata that ``call`` displays."""
    with patch("IPython.display.display") as display:
        call()
    (data,), options = display.call_args
    return data, options["metadata"]


def rgb(image):
    return np.asarray(image.convert("RGB"), dtype=int)


def test_animation_has_every_frame_and_its_time():
    data, metadata = displayed(lambda: animation.play(draw, range(8), "A line turns.", seconds=0.1, hold=1.5))
    assert metadata["image/png"]["alt"] == "A line turns."
    assert data["text/plain"] == "Animation: A line turns."
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.info["loop"] == 3
    shown = []
    for i in range(1, image.n_frames):  # frame 0 is the still image
        image.seek(i)
        shown.append((rgb(image), image.info["duration"]))
    assert [duration for _, duration in shown] == [100] * 7 + [1500]
    for (seen, _), drawn in zip(shown, animation.frames(draw, range(8), (5.2, 3.6)), strict=True):
        assert np.abs(seen - drawn).mean() < 2  # of 255: only the palette differs


def test_still_image_is_the_last_frame():
    data, _ = displayed(lambda: animation.play(draw, range(8), "A line turns."))
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.default_image
    still = rgb(image)
    image.seek(8)
    assert np.array_equal(still, rgb(image))


def test_thin_lines_keep_their_colors():
    def lines(figure, step):
        ax = figure.subplots()
        ax.imshow(np.linspace(0, 1, 256).reshape(16, 16), cmap="gray", extent=(0, 10, 0, 10))
        for i, color in enumerate(plots.COLORS[:4]):
            ax.plot([0, step], [i, i + 5], color=color)
            ax.plot(step, i + 5, "o", color=color)

    data, _ = displayed(lambda: animation.play(lines, range(1, 8), "Four lines grow."))
    still = rgb(Image.open(io.BytesIO(data["image/png"]))).reshape(-1, 3)
    for color in plots.COLORS[:4]:
        wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(still - wanted).sum(axis=1).min() < 20


def test_large_animation_is_refused():
    def noise(figure, step):
        figure.subplots().imshow(np.random.default_rng(step).random((200, 200)))

    with pytest.raises(ValueError, match="kB"):
        animation.play(noise, range(10), "Noise.")


@pytest.mark.parametrize(
    ("steps", "alt", "message"), [([1], "  ", "alternative text"), ([], "A.", "one step")]
)
def test_missing_parts_are_named(steps, alt, message):
    with pytest.raises(ValueError, match=message):
        animation.play(draw, steps, alt)


def test_strip_shows_the_chosen_steps_in_rows():
    seen = []

    def recorded(figure, step):
        seen.append(step)
        draw(figure, step)

    data, metadata = displayed(lambda: animation.strip(recorded, [0, 3, 5, 7], "Four frames.", columns=3))
    assert seen == [0, 3, 5, 7]
    assert metadata["image/png"]["alt"] == "Four frames."
    width, height = Image.open(io.BytesIO(data["image/png"])).size
    assert width / height == pytest.approx(3 * 2.6 / (2 * 2.3), rel=0.02)
    assert not plt.get_fignums()
