"""Checks of lab 05: convolution and pooling in NumPy, a kernel chosen by hand, a small CNN.

Images have Keras's order of axes, (batch, height, width, channels), and the kernels of a layer have
the shape (f, f, channels, filters). Keras is loaded only by the last exercise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise

SLOW = 20  # times the reference's time: a loop over pixels takes 50 times or more
SLACK = 0.03  # seconds that are never too many


def _numbers(*shapes: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    """Return random arrays with a few digits, none of them 0."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(1, 30, size=shape) * rng.choice([-0.1, 0.1], size=shape) for shape in shapes)


def _expect_array(found: Any, what: str) -> None:
    """Raise unless ``found`` can be computed with as the later cells do."""
    expect.true(
        isinstance(found, (np.ndarray, np.generic)),
        f"{what}: expected a NumPy array, found a {type(found).__name__}.",
        "np.array makes an array of a list.",
    )


def _expect_fast(attempt: Callable, reference: Callable, arguments: tuple, what: str) -> None:
    """Raise if ``attempt`` takes as long as a Python loop over the pixels would."""
    limit = SLOW * min(_seconds(reference, arguments) for _ in range(3)) + SLACK
    seconds = min(_until_fast(attempt, arguments, limit))
    expect.true(
        seconds < limit,
        f"The numbers are right, but {what} takes {1000 * seconds:.0f} ms; "
        f"without a loop it takes {1000 * (limit - SLACK) / SLOW:.0f} ms.",
        "does a Python loop run over the pixels?",
    )


def _until_fast(attempt: Callable, arguments: tuple, limit: float) -> list[float]:
    """Return the seconds of up to three calls: a busy machine may disturb one of them."""
    times = []
    for _ in range(3):
        times.append(_seconds(attempt, arguments))
        if times[-1] < limit:
            break
    return times


def _seconds(function: Callable, arguments: tuple) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


# ---------------------------------------------------------------- 1. the size of the output


@exercise(
    cases=[
        (12, 3, 4, 2),
        (6, 3, 0, 1),
        (28, 5, 2, 1),
        (227, 11, 0, 4),
        (10, 4, 1, 3),
        (5, 5, 0, 1),
        (9, 2, 0, 3),
    ],
    mistakes={
        "the padding is on both sides.": lambda h, f, p, s: (h + p - f) // s + 1,
        "the padding is on both sides, and the brackets round down.": lambda h, f, p, s: (h + p - f) / s + 1,
        "the padding p is not used.": lambda h, f, p, s: (h - f) // s + 1,
        "the padding makes the image larger, not smaller.": lambda h, f, p, s: (h - 2 * p - f) // s + 1,
        "this counts the steps between the windows; how many windows are there?": (
            lambda h, f, p, s: (h + 2 * p - f) // s
        ),
        "the brackets round down: a window that does not fit is dropped.": (
            lambda h, f, p, s: -(-(h + 2 * p - f) // s) + 1
        ),
        "the brackets are missing: half a window is no window.": lambda h, f, p, s: (h + 2 * p - f) / s + 1,
        "the stride s is not used.": lambda h, f, p, s: h + 2 * p - f + 1,
        "a larger kernel fits into fewer places: look at the sign of f.": (
            lambda h, f, p, s: (h + 2 * p + f) // s + 1
        ),
        "this is the size for SAME; here the padding is given.": lambda h, f, p, s: -(-h // s),
        "the whole difference is divided by s: are there brackets around it?": (
            lambda h, f, p, s: h + 2 * p - f // s + 1
        ),
    },
)
def output_size(h: int, f: int, p: int, s: int) -> int:
    """Return how many windows of size ``f`` fit, with padding ``p`` and stride ``s``."""
    return (h + 2 * p - f) // s + 1


@output_size.property
def _output_size_is_an_integer(attempt: Callable) -> None:
    found = attempt(6, 3, 0, 1)
    expect.true(
        isinstance(found, (int, np.integer)),
        f"output_size(6, 3, 0, 1): expected an integer, found {found} of the type {type(found).__name__}.",
        "a shape is made of integers; // divides integers and rounds down.",
    )


# ---------------------------------------------------------------- 2. the number of parameters


@exercise(
    cases=[(28, 20, 3, 5, 7), (28, 28, 1, 3, 8), (14, 14, 8, 3, 16), (160, 160, 3, 1, 10)],
    mistakes={
        "these are the parameters of a dense layer on the whole image: what does one filter look at?": (
            lambda h, w, c, f, n: (h * w * c + 1) * n
        ),
        "the biases are missing.": lambda h, w, c, f, n: f * f * c * n,
        "a filter has one bias, not one for each channel.": lambda h, w, c, f, n: (f * f + 1) * c * n,
        "there is one bias for each filter, not one for the layer.": lambda h, w, c, f, n: f * f * c * n + 1,
        "a filter has f rows and f columns.": lambda h, w, c, f, n: (f * c + 1) * n,
        "a filter is as deep as its input: where are the channels?": lambda h, w, c, f, n: (f * f + 1) * n,
        "this is one filter; the layer has n.": lambda h, w, c, f, n: f * f * c + 1,
        "this is the number of output values; the weights are shared by all places.": (
            lambda h, w, c, f, n: (h - f + 1) * (w - f + 1) * n
        ),
        "the filters are shared by all places: their number does not depend on h and w.": (
            lambda h, w, c, f, n: (f * f * c + 1) * n * (h - f + 1) * (w - f + 1)
        ),
    },
)
def parameter_count(h: int, w: int, c: int, f: int, n: int) -> int:
    """Return the parameters of ``n`` filters of size (f, f) on an input of shape (h, w, c)."""
    return (f * f * c + 1) * n


# ---------------------------------------------------------------- 3. SAME padding


def _amounts(size: int, f: int, s: int) -> tuple[int, int]:
    """Return the zeros before and after an axis, as Keras puts them for ``padding="same"``."""
    total = max(0, (-(-size // s) - 1) * s + f - size)
    return total // 2, total - total // 2


def _padded(amounts: Callable, **options: Any) -> Callable:
    """Return a padding function with the (before, after) of ``amounts(size, f, s)`` on both axes."""

    def pad(x: np.ndarray, f: int, s: int) -> np.ndarray:
        return np.pad(x, [(0, 0), amounts(x.shape[1], f, s), amounts(x.shape[2], f, s), (0, 0)], **options)

    return pad


def _swapped(x: np.ndarray, f: int, s: int) -> np.ndarray:
    return np.pad(x, [(0, 0), _amounts(x.shape[2], f, s), _amounts(x.shape[1], f, s), (0, 0)])


def _of_rows_only(x: np.ndarray, f: int, s: int) -> np.ndarray:
    return np.pad(x, [(0, 0), _amounts(x.shape[1], f, s), _amounts(x.shape[1], f, s), (0, 0)])


def _every_axis(x: np.ndarray, f: int, s: int) -> np.ndarray:
    return np.pad(x, _amounts(x.shape[1], f, s))


def _rounded_down(size: int, f: int, s: int) -> tuple[int, int]:
    total = max(0, (size // s - 1) * s + f - size)
    return total // 2, total - total // 2


@exercise(
    cases=[
        (*_numbers((1, 3, 4, 1), seed=1), 3, 1),
        (*_numbers((1, 4, 5, 2), seed=2), 4, 1),
        (*_numbers((2, 6, 7, 1), seed=3), 3, 2),
        (*_numbers((1, 7, 5, 3), seed=4), 2, 3),
        (*_numbers((1, 5, 6, 1), seed=5), 1, 1),
    ],
    mistakes={
        "all zeros are on one side; the total P is split into two parts.": _padded(
            lambda size, f, s: (0, sum(_amounts(size, f, s)))
        ),
        "all zeros are on the upper and the left side; the total P is split into two parts.": _padded(
            lambda size, f, s: (sum(_amounts(size, f, s)), 0)
        ),
        "the stride is not used in P.": _padded(lambda size, f, s: _amounts(size, f, 1)),
        "P is odd here: which side gets the larger part?": _padded(
            lambda size, f, s: _amounts(size, f, s)[::-1]
        ),
        "P is the total of both sides, but each side got all of it.": _padded(
            lambda size, f, s: (sum(_amounts(size, f, s)),) * 2
        ),
        "P is odd here: both sides got the larger part.": _padded(
            lambda size, f, s: (_amounts(size, f, s)[1],) * 2
        ),
        "P is odd here: both sides got the smaller part.": _padded(
            lambda size, f, s: (_amounts(size, f, s)[0],) * 2
        ),
        "the margin holds copies of the image's edge; it should hold zeros.": _padded(_amounts, mode="edge"),
        "the margin is a mirror image; it should hold zeros.": _padded(_amounts, mode="reflect"),
        "the batch and the channels are padded too: np.pad takes one pair for each axis.": _every_axis,
        "h / s is rounded up in P, not down.": _padded(_rounded_down),
        "rows and columns have changed places: which axis is the height?": _swapped,
        "the columns need their own P, from the width.": _of_rows_only,
    },
)
def pad_same(x: np.ndarray, f: int, s: int) -> np.ndarray:
    """Pad a batch (batch, h, w, c) with zeros as ``padding="same"`` does for kernel ``f``, stride ``s``."""
    return _padded(_amounts)(x, f, s)


@pad_same.property
def _pad_same_without_zeros(attempt: Callable) -> None:
    (x,) = _numbers((1, 5, 4, 1), seed=6)
    hint = "P is never negative: with a kernel smaller than the stride no zeros are needed."
    try:
        found = attempt(x, 1, 3)
    except ValueError as error:
        raise expect.WrongError(f"pad_same(x, 1, 3) stops with ValueError: {error}.", hint) from None
    expect.close(found, x, "pad_same(x, 1, 3)", hint)


# ---------------------------------------------------------------- 4. one channel


def _correlate(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.tensordot(sliding_window_view(image, kernel.shape), kernel, axes=2)


def _correlate_same(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return _correlate(np.pad(image, [_amounts(size, len(kernel), 1) for size in image.shape]), kernel)


def _correlate_full(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return _correlate(np.pad(image, len(kernel) - 1), kernel)


@exercise(
    cases=[
        _numbers((5, 6), (3, 3), seed=1),
        _numbers((4, 4), (2, 2), seed=2),
        _numbers((3, 7), (1, 1), seed=3),
        _numbers((5, 5), (5, 5), seed=4),
    ],
    mistakes={
        "this is true convolution: the kernel is turned by 180 degrees. Keras does not turn it.": (
            lambda image, kernel: _correlate(image, kernel[::-1, ::-1])
        ),
        "the kernel is transposed: m goes with the rows of the patch, n with its columns.": (
            lambda image, kernel: _correlate(image, kernel.T)
        ),
        "the rows of the kernel are in reverse order.": lambda image, kernel: _correlate(image, kernel[::-1]),
        "the columns of the kernel are in reverse order.": (
            lambda image, kernel: _correlate(image, kernel[:, ::-1])
        ),
        "this is the mean of the products; the formula has their sum.": (
            lambda image, kernel: _correlate(image, kernel) / kernel.size
        ),
        "where is the kernel? This adds up the pixels of each patch.": (
            lambda image, kernel: _correlate(image, np.ones_like(kernel))
        ),
        "the products are not summed yet.": (
            lambda image, kernel: sliding_window_view(image, kernel.shape) * kernel
        ),
        "the sum runs over one axis of the patch; it has two.": lambda image, kernel: (
            sliding_window_view(image, kernel.shape) * kernel
        ).sum(axis=-1),
        "everything was added up; each place has its own sum, over the last two axes.": (
            lambda image, kernel: np.sum(sliding_window_view(image, kernel.shape) * kernel)
        ),
        "there is no padding here, so there are h - f + 1 rows; this has as many as the image.": (
            _correlate_same
        ),
        "there is no padding here, but this output is larger than the image.": _correlate_full,
        "the last row and the last column are missing: at how many places does the kernel fit?": (
            lambda image, kernel: _correlate(image, kernel)[:-1, :-1]
        ),
    },
)
def cross_correlate(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the cross-correlation of ``image`` (h, w) with ``kernel`` (f, f), without padding."""
    return _correlate(image, kernel)


@cross_correlate.property
def _cross_correlate_without_loop(attempt: Callable) -> None:
    image, kernel = np.random.default_rng(5).normal(size=(600, 600)), np.ones((3, 3))
    _expect_array(attempt(image[:4, :4], kernel), "cross_correlate(image, kernel)")
    _expect_fast(attempt, _correlate, (image, kernel), "an image of 600 by 600 pixels")


# ---------------------------------------------------------------- 5. the convolution layer


def _layer(
    x: np.ndarray,
    kernels: np.ndarray,
    bias: np.ndarray,
    stride: int,
    padding: str,
    *,
    pad: Callable | None = None,
    steps: tuple[int, int] | None = None,
) -> np.ndarray:
    """Compute the layer as the reference does, or with another padding or other steps."""
    f = kernels.shape[0]
    if padding == "same":
        x = (pad or _padded(_amounts))(x, f, stride)
    rows, columns = steps or (stride, stride)
    windows = sliding_window_view(x, (f, f), axis=(1, 2))[:, ::rows, ::columns]
    return np.tensordot(np.moveaxis(windows, 3, 5), kernels, axes=3) + bias


def _layer_per_channel(
    x: np.ndarray, kernels: np.ndarray, bias: np.ndarray, stride: int, padding: str
) -> np.ndarray:
    """Compute the results of the channels without their sum: (batch, h', w', channels, filters)."""
    parts = [
        _layer(x[..., c : c + 1], kernels[:, :, c : c + 1], 0 * bias, stride, padding)
        for c in range(x.shape[-1])
    ]
    return np.stack(parts, axis=3)


def _layer_with_axes_mixed(
    x: np.ndarray, kernels: np.ndarray, bias: np.ndarray, stride: int, padding: str
) -> np.ndarray:
    """Compute the layer with the windows' channel on the kernels' rows; possible if there are f channels."""
    windows = sliding_window_view(x, kernels.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, kernels, axes=3) + bias


_X, _KERNELS, _BIAS = _numbers((2, 5, 6, 3), (3, 3, 3, 2), (2,), seed=1)


def _layer_case(
    height: int, width: int, channels: int, f: int, filters: int, stride: int, padding: str
) -> tuple:
    shapes = (1, height, width, channels), (f, f, channels, filters), (filters,)
    return (*_numbers(*shapes, seed=height + 10 * f + 100 * stride), stride, padding)


@exercise(
    cases=[
        (_X, _KERNELS, _BIAS, 1, "valid"),
        _layer_case(7, 8, 2, 3, 2, 2, "valid"),
        _layer_case(4, 5, 2, 3, 2, 1, "same"),
        _layer_case(5, 6, 1, 4, 2, 1, "same"),
        _layer_case(6, 7, 3, 3, 2, 2, "same"),
        _layer_case(7, 8, 2, 2, 4, 3, "same"),
        _layer_case(6, 5, 4, 1, 1, 1, "valid"),
    ],
    mistakes={
        "the bias is missing.": lambda x, K, b, s, padding: _layer(x, K, 0 * b, s, padding),
        "the bias is added once for each channel; a filter has one bias, after the sum.": (
            lambda x, K, b, s, padding: _layer(x, K, b * x.shape[-1], s, padding)
        ),
        "the bias is added to each product; a filter has one bias, after the sum.": (
            lambda x, K, b, s, padding: _layer(x, K, b * K[..., 0].size, s, padding)
        ),
        "this is true convolution: the kernels are turned by 180 degrees. Keras does not turn them.": (
            lambda x, K, b, s, padding: _layer(x, K[::-1, ::-1], b, s, padding)
        ),
        "rows and columns of the kernels are exchanged.": (
            lambda x, K, b, s, padding: _layer(x, K.transpose(1, 0, 2, 3), b, s, padding)
        ),
        "rows and columns of the images are exchanged in the output.": (
            lambda x, K, b, s, padding: _layer(x, K, b, s, padding).transpose(0, 2, 1, 3)
        ),
        "the axes do not match: the windows have the channel before the patch, the kernels after it.": (
            _layer_with_axes_mixed
        ),
        "the results of the channels are not summed.": _layer_per_channel,
        "the results of the channels are not summed, or not before the bias is added.": (
            lambda x, K, b, s, padding: _layer_per_channel(x, K, b, s, padding) + b
        ),
        "this is the mean over the channels; the formula has their sum.": (
            lambda x, K, b, s, padding: _layer_per_channel(x, K, b, s, padding).mean(axis=3) + b
        ),
        "only the first channel is used.": (
            lambda x, K, b, s, padding: _layer(x[..., :1], K[:, :, :1], b, s, padding)
        ),
        "the axis of the filters comes first; Keras has it last.": (
            lambda x, K, b, s, padding: np.moveaxis(_layer(x, K, b, s, padding), -1, 0)
        ),
        "the filters stand before height and width, as in PyTorch; Keras has them last.": (
            lambda x, K, b, s, padding: np.moveaxis(_layer(x, K, b, s, padding), -1, 1)
        ),
        "an activation function is applied; this exercise stops at the sum plus bias.": (
            lambda x, K, b, s, padding: np.maximum(0, _layer(x, K, b, s, padding))
        ),
        "the stride is not used.": lambda x, K, b, s, padding: _layer(x, K, b, s, padding, steps=(1, 1)),
        "the stride is used for the rows only.": (
            lambda x, K, b, s, padding: _layer(x, K, b, s, padding, steps=(s, 1))
        ),
        "the stride is used for the columns only.": (
            lambda x, K, b, s, padding: _layer(x, K, b, s, padding, steps=(1, s))
        ),
        "the padding is not used: what should happen when it is 'same'?": (
            lambda x, K, b, s, padding: _layer(x, K, b, s, "valid")
        ),
        "the zeros are those for stride 1; pass the stride on.": (
            lambda x, K, b, s, padding: _layer(
                x, K, b, s, padding, pad=_padded(lambda size, f, s: _amounts(size, f, 1))
            )
        ),
        "an odd zero is on the wrong side: SAME puts it at the bottom and at the right.": (
            lambda x, K, b, s, padding: _layer(
                x, K, b, s, padding, pad=_padded(lambda size, f, s: _amounts(size, f, s)[::-1])
            )
        ),
        "all zeros are on one side: the total is split into two parts.": (
            lambda x, K, b, s, padding: _layer(
                x, K, b, s, padding, pad=_padded(lambda size, f, s: (0, sum(_amounts(size, f, s))))
            )
        ),
        "both sides got the same number of zeros, f // 2, but here they should differ.": (
            lambda x, K, b, s, padding: _layer(
                x, K, b, s, padding, pad=_padded(lambda size, f, s: (f // 2, f // 2))
            )
        ),
        "the image is padded although the padding is 'valid'.": (
            lambda x, K, b, s, padding: _layer(x, K, b, s, "same")
        ),
    },
)
def conv2d(x: np.ndarray, kernels: np.ndarray, bias: np.ndarray, stride: int, padding: str) -> np.ndarray:
    """Return what Keras's ``Conv2D`` does to ``x`` (batch, h, w, c), without activation."""
    return _layer(x, kernels, bias, stride, padding)


@conv2d.property
def _conv2d_moves_with_the_image(attempt: Callable) -> None:
    """Shift, then convolve = convolve, then shift, where the border plays no part."""
    x, kernels, bias = _numbers((1, 9, 9, 2), (3, 3, 2, 2), (2,), seed=7)
    shifted = np.roll(x, (2, 1), axis=(1, 2))
    expect.close(
        attempt(shifted, kernels, bias, 1, "valid")[:, 2:, 1:],
        attempt(x, kernels, bias, 1, "valid")[:, :-2, :-1],
        "conv2d of an image shifted by (2, 1)",
        "the output should move with the image: does a weight depend on the place?",
    )


@conv2d.property
def _conv2d_without_loop(attempt: Callable) -> None:
    rng = np.random.default_rng(8)
    x, kernels, bias = rng.normal(size=(8, 64, 64, 3)), rng.normal(size=(3, 3, 3, 8)), rng.normal(size=8)
    _expect_array(attempt(x[:1, :4, :4], kernels, bias, 1, "valid"), "conv2d(x, kernels, bias, 1, 'valid')")
    _expect_fast(attempt, _layer, (x, kernels, bias, 1, "valid"), "a batch of shape (8, 64, 64, 3)")


# ---------------------------------------------------------------- 6. pooling


def _pool(
    x: np.ndarray,
    size: int,
    stride: int,
    mode: str,
    *,
    steps: tuple[int, int] | None = None,
    statistics: dict[str, Callable] | None = None,
) -> np.ndarray:
    rows, columns = steps or (stride, stride)
    windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::rows, ::columns]
    return (statistics or {"max": np.max, "mean": np.mean})[mode](windows, axis=(4, 5))


def _pool_padded(fill: float) -> Callable:
    """Return a pooling that adds a margin of ``fill`` below and right until the last pixels fit in."""

    def pool(x: np.ndarray, size: int, stride: int, mode: str) -> np.ndarray:
        extra = [(size - length) % stride for length in x.shape[1:3]]
        x = np.pad(x, [(0, 0), (0, extra[0]), (0, extra[1]), (0, 0)], constant_values=fill)
        return _pool(x, size, stride, mode)

    return pool


@exercise(
    cases=[
        (*_numbers((1, 4, 6, 2), seed=1), 2, 2, "max"),
        (*_numbers((1, 4, 6, 2), seed=1), 2, 2, "mean"),
        (-np.abs(_numbers((1, 5, 7, 1), seed=2)[0]), 2, 2, "max"),
        (*_numbers((2, 5, 8, 1), seed=3), 3, 2, "max"),
        (*_numbers((1, 4, 5, 2), seed=4), 2, 1, "mean"),
        (*_numbers((1, 7, 8, 3), seed=5), 2, 3, "mean"),
    ],
    mistakes={
        "this is the mean, and mode is 'max'.": lambda x, size, s, mode: _pool(x, size, s, "mean"),
        "this is the maximum, and mode is 'mean'.": lambda x, size, s, mode: _pool(x, size, s, "max"),
        "this is the sum; the mean divides by the number of values in the patch.": (
            lambda x, size, s, mode: _pool(x, size, s, mode, statistics={"max": np.max, "mean": np.sum})
        ),
        "this is the minimum.": lambda x, size, s, mode: _pool(x, size, s, mode, statistics={"max": np.min}),
        "the windows overlap too much: the stride is not used.": (
            lambda x, size, s, mode: _pool(x, size, s, mode, steps=(1, 1))
        ),
        "the windows stand side by side; the stride can differ from the size of the patch.": (
            lambda x, size, s, mode: _pool(x, size, size, mode)
        ),
        "the stride is used for the rows only.": (
            lambda x, size, s, mode: _pool(x, size, s, mode, steps=(s, 1))
        ),
        "the stride is used for the columns only.": (
            lambda x, size, s, mode: _pool(x, size, s, mode, steps=(1, s))
        ),
        "the channels are pooled together; each channel stays by itself.": (
            lambda x, size, s, mode: {"max": np.max, "mean": np.mean}[mode](_pool(x, size, s, mode), axis=-1)
        ),
        "zeros were added at the border, and here they take part. A window that does not fit is dropped.": (
            _pool_padded(0.0)
        ),
        "windows that stick out at the border count here; a window that does not fit is dropped.": (
            _pool_padded(-np.inf)
        ),
        "only one axis of the patch is reduced; it has two.": lambda x, size, s, mode: {
            "max": np.max,
            "mean": np.mean,
        }[mode](sliding_window_view(x, (size, size), axis=(1, 2))[:, ::s, ::s], axis=-1),
    },
)
def pool(x: np.ndarray, size: int, stride: int, mode: str) -> np.ndarray:
    """Pool a batch (batch, h, w, c) over patches of ``size`` x ``size``; ``mode`` is "max" or "mean"."""
    return _pool(x, size, stride, mode)


def _fast_max_pool(x: np.ndarray, *_: Any) -> np.ndarray:
    """Take the maximum over patches of 2 x 2, side by side, as fast as NumPy can."""
    upper = np.maximum(x[:, ::2, ::2], x[:, ::2, 1::2])
    return np.maximum(upper, np.maximum(x[:, 1::2, ::2], x[:, 1::2, 1::2]))


@pool.property
def _pool_without_loop(attempt: Callable) -> None:
    x = np.random.default_rng(6).normal(size=(32, 100, 100, 3))
    _expect_array(attempt(x[:1, :4, :4], 2, 2, "max"), "pool(x, 2, 2, 'max')")
    _expect_fast(attempt, _fast_max_pool, (x, 2, 2, "max"), "a batch of shape (32, 100, 100, 3)")


# ---------------------------------------------------------------- 7. a kernel chosen by hand

_STEP = np.repeat([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], 6, axis=0)  # dark on the left, bright on the right


@exercise()
def edge_kernel() -> np.ndarray:
    """Return a kernel (3, 3) that is positive at vertical edges from dark to bright."""
    return np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@edge_kernel.property
def _edge_kernel_finds_vertical_edges(attempt: Callable) -> None:
    kernel = attempt()
    if kernel is None:
        raise expect.WrongError("edge_kernel() returns None.", "is the return statement missing?")
    _expect_array(kernel, "edge_kernel()")
    expect.true(
        kernel.shape == (3, 3) and kernel.dtype.kind in "if",
        f"edge_kernel(): expected numbers in the shape (3, 3), found {expect.brief(kernel)}.",
        "three rows of three numbers.",
    )
    expect.true(bool(kernel.any()), "edge_kernel() is all zeros.", "then every output is 0.")
    vertical, horizontal = _correlate(_STEP, kernel), _correlate(_STEP.T, kernel)
    _expect_zero(
        kernel.sum(),
        "On an image of ones the output is",
        "where nothing changes the output is 0: what is the sum of the nine numbers?",
    )
    found = np.array2string(np.unique(vertical[0]), precision=3, separator=", ")
    no_vertical, no_horizontal = (bool(np.allclose(output, 0)) for output in (vertical, horizontal))
    expect.true(
        not no_vertical or no_horizontal,
        "At a vertical edge the output is 0, at a horizontal one it is not.",
        "rows and columns have changed places.",
    )
    expect.true(
        not no_vertical,
        "At a vertical edge from dark (left) to bright (right) the output is 0.",
        "compare the right column of a patch with its left column.",
    )
    expect.true(
        vertical.max() > 1e-9,
        f"At a vertical edge from dark (left) to bright (right) the outputs are {found}, not positive.",
        "the sign is reversed: which column counts as positive?",
    )
    expect.true(
        vertical.min() > -1e-9,
        f"At one vertical edge the outputs have both signs: {found}.",
        "this kernel finds thin lines, or edges of any direction; take a difference of two columns.",
    )
    _expect_zero(
        np.abs(horizontal).max(),
        "At a horizontal edge there is an output of",
        "it also answers to horizontal edges: look at the sum of each row of the kernel.",
    )


def _expect_zero(value: float, what: str, hint: str) -> None:
    expect.true(bool(abs(value) < 1e-9), f"{what} {value:.4g}; expected 0.", hint)


# ---------------------------------------------------------------- 8. a network with Keras

PARAMETERS = 7018


@exercise(seconds=KERAS_SECONDS)
def small_cnn() -> Any:
    """Return the network of the lab: two convolutions, two poolings, a dense layer; 7,018 parameters."""
    import keras

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


@small_cnn.property
def _small_cnn_is_as_described(attempt: Callable) -> None:
    model = attempt()
    expect.keras_model(model, "small_cnn()", (28, 28, 1), "put the layers into keras.Sequential.")
    _expect_layers(model)
    _expect_activations(model)
    found = model.count_params()
    expect.true(
        found == PARAMETERS,
        f"Expected {PARAMETERS:,} parameters, found {found:,}.",
        _parameters_hint(model),
    )


def _of_kind(model: Any, name: str) -> list:
    return [layer for layer in model.layers if type(layer).__name__ == name]


def _expect_layers(model: Any) -> None:
    expect.true(
        len(_of_kind(model, "Conv2D")) == 2,
        f"Expected two Conv2D layers, found {len(_of_kind(model, 'Conv2D'))}.",
        "one before each pooling.",
    )
    expect.true(
        len(_of_kind(model, "MaxPooling2D")) == 2,
        f"Expected two MaxPooling2D layers, found {len(_of_kind(model, 'MaxPooling2D'))}.",
        "one after each convolution.",
    )
    _expect_poolings(model)
    expect.true(
        tuple(model.output_shape) == (None, 10),
        f"Expected the output shape (None, 10), found {model.output_shape}.",
        "one vector for each image: which layer makes a vector, and how many classes are there?",
    )
    first, second = _of_kind(model, "Conv2D")
    for name, layer in (("first", first), ("second", second)):
        expect.true(
            tuple(layer.kernel_size) == (3, 3) and tuple(layer.strides) == (1, 1),
            f"The {name} convolution has kernels of size {tuple(layer.kernel_size)} "
            f"and the strides {tuple(layer.strides)}; expected (3, 3) and (1, 1).",
            "Conv2D takes the number of filters first, then the size.",
        )
    sizes = [tuple(layer.output.shape[1:3]) for layer in model.layers if len(layer.output.shape) == 4]
    expect.true(
        (first.padding, second.padding) == ("same", "valid"),
        f"The convolutions have the paddings {first.padding!r} and {second.padding!r}; "
        "expected 'same' and 'valid'.",
        f"your images go through the sizes {', '.join(f'{h} x {w}' for h, w in sizes)}.",
    )
    expect.true(
        first.filters == 8,
        f"The first convolution has {first.filters} filters, expected 8.",
        "only the number of the second one is unknown.",
    )


def _expect_poolings(model: Any) -> None:
    kinds = [type(layer).__name__ for layer in model.layers]
    order = [kind for kind in kinds if kind in ("Conv2D", "MaxPooling2D")]
    expect.true(
        order == ["Conv2D", "MaxPooling2D"] * 2,
        f"The layers come in the order {', '.join(order)}.",
        "each convolution is followed by its own pooling.",
    )
    for layer in _of_kind(model, "MaxPooling2D"):
        expect.true(
            tuple(layer.pool_size) == tuple(layer.strides) == (2, 2) and layer.padding == "valid",
            f"A pooling has the size {tuple(layer.pool_size)}, the strides {tuple(layer.strides)} "
            f"and the padding {layer.padding!r}.",
            "2 x 2 patches, side by side.",
        )


def _expect_activations(model: Any) -> None:
    """Look at what the layers do, however the activations were written."""
    rng = np.random.default_rng(1)
    output = expect.as_array(model(rng.uniform(size=(4, 28, 28, 1)).astype("float32")))
    expect.true(
        bool(np.allclose(output.sum(axis=1), 1, atol=1e-4) and output.min() >= 0),
        "The ten outputs should be probabilities, but their sum is not 1.",
        "which activation makes probabilities of numbers?",
    )
    for i, layer in enumerate(model.layers[:-1]):
        if type(layer).__name__ != "Conv2D":
            continue
        following = model.layers[i + 1]
        names = {
            getattr(layer.activation, "__name__", ""),
            getattr(getattr(following, "activation", None), "__name__", ""),
            type(following).__name__.lower(),
        }
        expect.true(
            "relu" in names,
            "A convolution has no ReLU.",
            "without an activation two convolutions in a row are one linear map.",
        )


def _parameters_hint(model: Any) -> str:
    first, second = _of_kind(model, "Conv2D")
    if not (first.use_bias and second.use_bias):
        return "a convolution has no biases here."
    dense = _of_kind(model, "Dense")
    if len(dense) != 1:
        return "there should be one dense layer, the one for the ten classes."
    parts = ", ".join(
        f"{layer.name} {layer.count_params():,}" for layer in model.layers if layer.count_params()
    )
    return f"yours are {parts}. What are the second and the third with n filters in the second layer?"
