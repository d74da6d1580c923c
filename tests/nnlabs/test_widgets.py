"""The interactive figures: what they show without a front end, and what they answer to one."""

import numpy as np
import pytest

from nnlabs import data, widgets
from tests.nnlabs.conftest import seen_and_heard


def brightest_rows(pictures):
    """Stand in for a network: give each digit the ink in one tenth of the rows."""
    ink = pictures[:, :20].reshape(len(pictures), 10, -1).sum(axis=2, dtype=float) + 1e-6
    return ink / ink.sum(axis=1, keepdims=True)


@pytest.fixture
def example():
    return data.mnist().x_test[0]


def drawing(*strokes, side=56):
    """Return a black square with white rectangles, each (top, bottom, left, right)."""
    canvas = np.zeros((side, side), dtype=np.uint8)
    for top, bottom, left, right in strokes:
        canvas[top:bottom, left:right] = 255
    return canvas


def test_a_still_figure_in_words_comes_before_the_pad(displayed, example):
    widgets.digit_pad(brightest_rows, example)
    (figure, _), (pad, _) = displayed
    digit = brightest_rows(example[None]).argmax()
    assert f"The largest is that of {digit}" in seen_and_heard(figure["text/html"])[1]
    assert isinstance(pad, widgets.DigitPad)
    assert pad.example == example.tolist()


def test_the_pad_answers_what_the_network_answers_to_the_picture_in_mnists_form(example):
    pad = widgets.DigitPad(brightest_rows, example)
    picture = drawing((8, 40, 20, 26), (8, 14, 20, 40))
    pad.drawing = picture.ravel().tolist()
    expected = brightest_rows(widgets.mnist_form(picture)[None])[0]
    np.testing.assert_allclose(pad.probabilities, expected)
    assert f"answers {expected.argmax()}" in pad.answer
    pad._predict = lambda pictures: 1 / 0  # what fails is told, and the pad stays alive
    pad.drawing = example.ravel().tolist()
    assert pad.answer == "No answer: division by zero"
    pad.drawing = drawing().ravel().tolist()
    assert pad.probabilities == []
    assert "Draw a digit" in pad.answer


@pytest.mark.parametrize(
    ("predict", "form", "told"),
    [
        (lambda pictures: np.ones(10) / 10, np.uint8, r"\(1, 28, 28\) to \(1, 10\)"),
        (lambda pictures: np.array([[2.0, -1] + [0] * 8]), np.uint8, "softmax missing"),
        (brightest_rows, float, r"uint8 of shape \(28, 28\)"),
    ],
)
def test_what_is_no_probability_or_no_picture_is_refused(predict, form, told, example):
    with pytest.raises(ValueError, match=told):
        widgets.digit_pad(predict, example.astype(form))


@pytest.mark.parametrize("corner", [(0, 0), (30, 5)])
def test_place_and_size_of_a_drawing_do_not_matter(corner):
    top, left = corner
    shape = np.kron([[1, 1], [1, 0], [1, 0]], np.full((7, 7), 255)).astype(np.uint8)
    canvas = drawing()
    canvas[top : top + 21, left : left + 14] = shape
    large = np.kron(canvas, np.ones((2, 2))).astype(np.uint8)
    picture = widgets.mnist_form(canvas)
    np.testing.assert_array_equal(picture, widgets.mnist_form(drawing((0, 21, 0, 7), (0, 7, 0, 14))))
    assert np.abs(picture - widgets.mnist_form(large).astype(float)).mean() < 2
    rows, _ = np.nonzero(picture)
    assert np.ptp(rows) + 1 == 20
    weights = picture / picture.sum()
    assert weights.sum(axis=1) @ np.arange(28) == pytest.approx(14, abs=0.51)
    assert weights.sum(axis=0) @ np.arange(28) == pytest.approx(14, abs=0.51)


def test_mnists_own_digits_keep_their_form():
    pictures = data.mnist().x_test[:200]
    changed = [np.abs(widgets.mnist_form(p).astype(int) - p).max() for p in pictures]
    assert np.mean(np.equal(changed, 0)) > 0.9  # the others lie half a pixel off, or have faint edges


def bars(left, height, level=1.0):
    """Draw a bar at a place, as high and as bright as told."""
    picture = np.zeros((8, 8))
    picture[8 - height :, round(left)] = level
    return picture


def parts(box):
    """Return the sliders by description, the other controls, and the picture's HTML."""
    controls, picture = box.children
    named = {control.description: control for control in controls.children}
    return named, picture


def test_sliders_come_after_a_still_figure_in_words_and_draw_the_picture_of_their_values(displayed):
    widgets.sliders(bars, left=(0.0, 7.0, "place of the bar"), height=(1, 8))
    (figure, _), (box, _) = displayed
    assert "place of the bar (left), height" in seen_and_heard(figure["text/html"])[1]
    controls, picture = parts(box)
    assert list(controls) == ["place of the bar (left)", "height"]
    assert 'alt="Picture for left = 3.5, height = 5"' in picture.value
    controls["place of the bar (left)"].value, controls["height"].value = 6.0, 2
    assert "left = 6, height = 2" in picture.value
    np.testing.assert_array_equal(np.asarray(seen_and_heard(picture.value)[0]), 255 * bars(6, 2))


def test_a_button_acts_first_and_a_picture_that_cannot_be_drawn_leaves_the_sliders_alive(displayed):
    levels = [0.2, 1.0]
    widgets.sliders(lambda left: bars(left, 3, levels[0]), button=("Brighter", levels.reverse), left=(0, 7))
    controls, picture = parts(displayed[-1][0])
    controls["left"].max = 20
    controls["left"].value = 20
    assert "No picture: index 20 is out of bounds" in picture.value
    controls["left"].value = 1
    assert "left = 1" in (before := picture.value)
    controls["Brighter"].click()
    assert picture.value != before


def test_sliders_need_ranges_and_grey_pictures():
    with pytest.raises(ValueError, match="at least one range"):
        widgets.sliders(bars)
    with pytest.raises(ValueError, match=r"not \(8, 8, 3\)"):
        widgets.sliders(lambda left: np.zeros((8, 8, 3)), left=(0, 1))
