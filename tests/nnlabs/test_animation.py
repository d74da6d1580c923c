"""The animations: that they move, stay small, speak, and show their last frame on paper."""

from unittest.mock import Mock

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nnlabs import animation, plots
from tests.nnlabs.conftest import seen_and_heard


def draw(figure, step):
    ax = figure.subplots()
    ax.plot([0, step], [0, 1], "o-")
    ax.set(xlim=(0, 10), ylim=(0, 1), title=f"step {step}")


def rgb(image):
    return np.asarray(image.convert("RGB"), dtype=int)


def test_animation_has_every_frame_and_its_time_and_rests_on_the_last(displayed):
    animation.play(draw, range(8), "A line turns.", seconds=0.1, hold=1.5)
    ((data, _),) = displayed
    image, alt = seen_and_heard(data["text/html"])
    assert alt == "A line turns."
    assert data["text/plain"] == "Animation: A line turns."
    assert image.info["loop"] == 3
    assert image.default_image
    still, shown = rgb(image), []
    for i in range(1, image.n_frames):  # frame 0 is the still image
        image.seek(i)
        shown.append((rgb(image), image.info["duration"]))
    assert np.array_equal(still, shown[-1][0])
    assert [duration for _, duration in shown] == [100] * 7 + [1500]
    for (seen, _), drawn in zip(shown, animation.frames(draw, range(8), (5.2, 3.6)), strict=True):
        assert np.abs(seen - drawn).mean() < 2  # of 255: only the palette differs


def test_thin_lines_keep_their_colors(displayed):
    def lines(figure, step):
        ax = figure.subplots()
        ax.imshow(np.linspace(0, 1, 256).reshape(16, 16), cmap="gray", extent=(0, 10, 0, 10))
        for i, color in enumerate(plots.COLORS[:4]):
            ax.plot([0, step], [i, i + 5], "o-", color=color)

    animation.play(lines, range(1, 8), "Four lines grow.")
    ((data, _),) = displayed
    still = rgb(seen_and_heard(data["text/html"])[0]).reshape(-1, 3)
    for color in plots.COLORS[:4]:
        wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(still - wanted).sum(axis=1).min() < 20


def test_what_is_too_large_or_lacks_a_part_is_refused():
    def noise(figure, step):
        figure.subplots().imshow(np.random.default_rng(step).random((200, 200)))

    with pytest.raises(ValueError, match="kB"):
        animation.play(noise, range(10), "Noise.")
    with pytest.raises(ValueError, match="alternative text"):
        animation.play(draw, [1], "  ")
    with pytest.raises(ValueError, match="one step"):
        animation.play(draw, [], "A.")


def test_strip_shows_the_chosen_steps_in_rows(displayed):
    recorded = Mock(wraps=draw)
    animation.strip(recorded, [0, 3, 5, 7], "Four frames.", columns=3)
    ((data, _),) = displayed
    assert [call.args[1] for call in recorded.call_args_list] == [0, 3, 5, 7]
    image, alt = seen_and_heard(data["text/html"])
    assert alt == "Four frames."
    width, height = image.size
    assert width / height == pytest.approx(3 * 2.6 / (2 * 2.3), rel=0.02)
    assert not plt.get_fignums()
