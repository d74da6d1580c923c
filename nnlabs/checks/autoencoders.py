"""Checks of lab 09: PCA and neural networks as autoencoders, their penalties, noise, and anomalies.

Images are rows: an array of n images has the shape (n, d). Keras is loaded only by the exercises
that use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise
from nnlabs.checks.expect import FLOAT32


def _numbers(*shapes: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    """Return random ``float32`` arrays, as Keras uses them."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype("float32") for shape in shapes)


# ---------------------------------------------------------------- 1. the quadratic loss


@exercise(
    cases=[_numbers((3, 4), (3, 4), seed=1), _numbers((5, 2), (5, 2), seed=2)],
    mistakes={
        "this is the mean over the pixels; the squared norm is their sum.": (
            lambda x, r: np.square(x - r).mean(axis=1)
        ),
        "this is the norm; L is its square.": lambda x, r: np.sqrt(np.square(x - r).sum(axis=1)),
        "each image has its own loss: sum over the pixels only.": lambda x, r: np.square(x - r).sum(),
        "each image has its own loss; do not average over the images.": (
            lambda x, r: np.square(x - r).sum(axis=1).mean()
        ),
        "the sum runs over the images; it should run over the pixels, the last axis.": (
            lambda x, r: np.square(x - r).sum(axis=0)
        ),
        "these are absolute values; the norm has squares.": lambda x, r: np.abs(x - r).sum(axis=1),
        "the squares are not summed yet.": lambda x, r: np.square(x - r),
        "there is no factor 1/2 in this course's L.": lambda x, r: 0.5 * np.square(x - r).sum(axis=1),
        "square the differences first, then sum: otherwise they cancel.": (
            lambda x, r: np.square((x - r).sum(axis=1))
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def squared_error(x: Any, r: Any) -> Any:
    """Return the squared distance of each row of ``x`` from that row of ``r``: shape (n,)."""
    from keras import ops

    return ops.sum(ops.square(x - r), axis=-1)


@squared_error.property
def _squared_error_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((None, 4)) for _ in range(2)]
    expect.symbolic(attempt, tensors, (None,), "squared_error(x, r)")


# ---------------------------------------------------------------- 2. PCA


@exercise()
def pca(x: np.ndarray, k: int) -> tuple[Callable, Callable]:
    """Return the encoder f and the decoder g of PCA with codes of size ``k``, fitted to ``x`` (n, d)."""
    mean = x.mean(axis=0)
    components = np.linalg.svd(x - mean, full_matrices=False)[2][:k]
    return lambda x: (x - mean) @ components.T, lambda h: h @ components + mean


def _pca_data() -> tuple[np.ndarray, np.ndarray]:
    """Return 60 points to fit and 5 new ones, with six clearly different variances and a mean."""
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    scale = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.2])
    points = rng.normal(size=(65, 6)) * scale @ turn + np.array([4.0, -3.0, 2.0, 5.0, -1.0, 3.0])
    return points[:60], points[60:]


def _pca_variants(x: np.ndarray, new: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Return hint → the reconstruction of ``new`` that this mistake gives."""
    mean = x.mean(axis=0)
    centred = np.linalg.svd(x - mean, full_matrices=False)[2]
    raw = np.linalg.svd(x, full_matrices=False)[2][:k]
    first, last = centred[:k], centred[-k:]
    ours = new.mean(axis=0)
    scaled = x.std(axis=0)
    standard = np.linalg.svd((x - mean) / scaled, full_matrices=False)[2][:k]
    return {
        "subtract the mean before the SVD.": new @ raw.T @ raw,
        "the mean is subtracted for the SVD; the encoder must subtract it too.": (
            new @ first.T @ first + mean
        ),
        "the SVD sees data that are not centred: subtract the mean first.": (
            (new - mean) @ raw.T @ raw + mean
        ),
        "the decoder must add the mean again.": (new - mean) @ first.T @ first,
        "neither f nor g uses the mean.": new @ first.T @ first,
        "these are the directions of the smallest variance.": (new - mean) @ last.T @ last + mean,
        "use the mean of the data that PCA was fitted to, not that of the new data.": (
            (new - ours) @ first.T @ first + ours
        ),
        "the directions are the rows of the third factor of the SVD, not its columns.": (
            (new - mean) @ centred[:, :k] @ centred[:, :k].T + mean
        ),
        "PCA does not divide by the standard deviations here.": (
            (new - mean) / scaled @ standard.T @ standard * scaled + mean
        ),
    }


@pca.property
def _pca_projects(attempt: Callable) -> None:
    x, new = _pca_data()
    before = x.copy()
    for k in (1, 3):
        found = attempt(x, k)
        expect.true(found is not None, f"pca(x, {k}) returns None.", "is the return statement missing?")
        expect.true(
            isinstance(found, (tuple, list)) and len(found) == 2 and all(map(callable, found)),
            f"pca(x, {k}) should return two functions, it returns {expect.brief(found)}.",
            "define f and g inside pca and return both, without calling them.",
        )
        expect.true(np.array_equal(x, before), "pca changes its argument.", "x - mean makes a new array.")
        f, g = found
        code = expect.as_array(f(new))
        expect.true(
            code.shape == (5, k),
            f"x has 5 rows and k = {k}: f(x) should have the shape (5, {k}), it has {code.shape}.",
            "a code has one number for each of the k directions; look at the shapes of both factors.",
        )
        _expect_projection(expect.as_array(g(f(new))), x, new, k)
        _expect_codes(code, x, new, k)


def _expect_projection(found: np.ndarray, x: np.ndarray, new: np.ndarray, k: int) -> None:
    f, g = pca.reference(x, k)
    hints = (hint for hint, wrong in _pca_variants(x, new, k).items() if expect.same(found, wrong))
    expect.close(found, g(f(new)), f"g(f(x)) with k = {k}", next(hints, ""), rtol=1e-5, atol=1e-6)


def _expect_codes(code: np.ndarray, x: np.ndarray, new: np.ndarray, k: int) -> None:
    """Require the coordinates themselves; the sign of each direction is free."""
    f, _ = pca.reference(x, k)
    expected = f(new)
    sizes, wanted = np.linalg.norm(code, axis=0), np.linalg.norm(expected, axis=0)
    expect.true(
        bool(np.allclose(np.sort(sizes), np.sort(wanted), rtol=1e-4)),
        "g(f(x)) is right, but the numbers of the code are scaled or mixed.",
        "the code is the coordinate along each direction, and the directions have length 1.",
    )
    expect.true(
        bool(np.allclose(np.abs(code), np.abs(expected), rtol=1e-4, atol=1e-6)),
        "g(f(x)) is right, but the directions are not sorted.",
        "the first number of the code belongs to the largest variance.",
    )


# ---------------------------------------------------------------- 3. the autoencoder


@exercise(seconds=KERAS_SECONDS)
def autoencoder(d: int, hidden: Sequence[int], k: int, output: str) -> tuple[Any, Any, Any]:
    """Return encoder, decoder and both in a row, as three Keras models that share their layers."""
    import keras

    x = keras.Input((d,))
    h = x
    for units in hidden:
        h = keras.layers.Dense(units, activation="relu")(h)
    encoder = keras.Model(x, keras.layers.Dense(k)(h))
    code = keras.Input((k,))
    r = code
    for units in reversed(hidden):
        r = keras.layers.Dense(units, activation="relu")(r)
    decoder = keras.Model(code, keras.layers.Dense(d, activation=output)(r))
    return encoder, decoder, keras.Model(x, decoder(encoder(x)))


def _forward(weights: Sequence[np.ndarray], x: np.ndarray, inner: Callable, last: Callable) -> np.ndarray:
    """Compute a chain of dense layers from its kernels and biases."""
    layers = list(zip(weights[::2], weights[1::2], strict=True))
    for kernel, bias in layers[:-1]:
        x = inner(x @ kernel + bias)
    kernel, bias = layers[-1]
    return last(x @ kernel + bias)


def _linear(a: np.ndarray) -> np.ndarray:
    return a


def _relu(a: np.ndarray) -> np.ndarray:
    return np.maximum(0, a)


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


@autoencoder.property
def _autoencoder_has_three_models(attempt: Callable) -> None:
    import keras

    for hidden, k, output in (((), 3, "linear"), ((8, 5), 3, "sigmoid")):
        what = f"autoencoder(12, {hidden}, {k}, {output!r})"
        found = attempt(12, hidden, k, output)
        expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
        expect.true(
            isinstance(found, (tuple, list))
            and len(found) == 3
            and all(isinstance(model, keras.Model) for model in found),
            f"{what} should return three Keras models, it returns {expect.brief(found)}.",
            "encoder, decoder, and the model that applies one after the other.",
        )
        for name, model, ends in zip(
            ("encoder", "decoder", "autoencoder"), found, ((12, k), (k, 12), (12, 12)), strict=True
        ):
            _expect_ends(name, model, ends)
        encoder, decoder, both = found
        _expect_sizes("encoder", encoder, [12, *hidden, k])
        _expect_sizes("decoder", decoder, [k, *reversed(hidden), 12])
        _expect_shared(encoder, decoder, both)
        _expect_values(encoder, decoder, both, output)


def _expect_ends(name: str, model: Any, ends: tuple[int, int]) -> None:
    expect.true(
        model.built,
        f"The {name} does not know the shape of its input.",
        "begin with keras.Input.",
    )
    found = tuple(model.input_shape), tuple(model.output_shape)
    expect.true(
        found == ((None, ends[0]), (None, ends[1])),
        f"With d = 12, k = 3 the {name} should map {ends[0]} numbers to {ends[1]}, "
        f"it maps {found[0]} to {found[1]}.",
        "the encoder ends with k numbers; the decoder begins with them and ends with d.",
    )


def _expect_sizes(name: str, model: Any, sizes: list[int]) -> None:
    shapes = [tuple(weight.shape) for weight in model.weights]
    kernels = [shape for shape in shapes if len(shape) == 2]
    expected = list(pairwise(sizes))
    found = [sizes[0], *(shape[1] for shape in kernels)]
    hint = "one dense layer for each number in hidden, then one for the code."
    if name == "decoder":
        hint = "the decoder goes through the hidden sizes in reverse."
    expect.true(
        kernels == expected,
        f"Sizes of the {name}'s layers: expected {sizes}, found {found}.",
        hint,
    )
    expect.true(
        len(shapes) == 2 * len(kernels),
        f"The {name} has {len(kernels)} kernels and {len(shapes) - len(kernels)} biases.",
        "every dense layer keeps its bias here.",
    )


def _expect_shared(encoder: Any, decoder: Any, both: Any) -> None:
    parts = {id(weight) for model in (encoder, decoder) for weight in model.weights}
    expect.true(
        {id(weight) for weight in both.weights} == parts,
        "The autoencoder does not have the weights of the encoder and the decoder.",
        "call the two models inside the third; new layers would have weights of their own.",
    )


def _expect_values(encoder: Any, decoder: Any, both: Any, output: str) -> None:
    """Compare the models with their own weights in NumPy: this shows the activations."""
    x, code = _numbers((6, 12), (6, 3), seed=4)
    x, code = 3 * x, 3 * code
    last = {"linear": _linear, "sigmoid": _sigmoid}[output]
    found = expect.as_array(encoder(x)), expect.as_array(decoder(code))
    weights = [[expect.as_array(weight) for weight in model.weights] for model in (encoder, decoder)]
    _expect_chain(
        found[0],
        partial(_forward, weights[0], x),
        (_relu, _linear),
        "encoder(x)",
        {
            "the code is a linear layer: with an activation it cannot take every value.": [
                (_relu, _relu),
                (_relu, _sigmoid),
                (_relu, np.tanh),
            ],
        },
    )
    _expect_chain(
        found[1],
        partial(_forward, weights[1], code),
        (_relu, last),
        "decoder(h)",
        {
            "the last activation of the decoder is the argument output.": [
                (_relu, activation) for activation in (_linear, _relu, _sigmoid)
            ],
        },
    )
    expect.close(
        both(x),
        decoder(encoder(x)),
        "autoencoder(x) against decoder(encoder(x))",
        "the decoder follows the encoder, and nothing else is in between.",
        **FLOAT32,
    )


def _expect_chain(found: np.ndarray, forward: Callable, right: tuple, what: str, hints: dict) -> None:
    hidden = {
        "the hidden layers have no activation: use ReLU.": _linear,
        "the hidden layers have a sigmoid: use ReLU.": _sigmoid,
        "the hidden layers have tanh: use ReLU.": np.tanh,
    }
    known = {hint: [(inner, right[1])] for hint, inner in hidden.items()} | hints
    matches = (
        hint
        for hint, pairs in known.items()
        for pair in pairs
        if np.allclose(found, forward(*pair), 1e-3, 1e-4)
    )
    expected = forward(*right)
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-4):
        expect.close(found, expected, what, next(matches, "look at the activations."), rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------- 4. the penalty of a sparse code


@exercise(
    cases=[(*_numbers((4, 3), seed=5), 0.5), (*_numbers((2, 6), seed=6), 2.0)],
    mistakes={
        "the penalty of a batch is the mean of its images, not their sum.": (
            lambda h, lam: lam * np.abs(h).sum()
        ),
        "the sum runs over the numbers of a code; only the images are averaged.": (
            lambda h, lam: lam * np.abs(h).mean()
        ),
        "where is the absolute value? Positive and negative numbers cancel.": (
            lambda h, lam: lam * h.sum(axis=1).mean()
        ),
        "these are squares, the L2 penalty; they make numbers small, but not zero.": (
            lambda h, lam: lam * np.square(h).sum(axis=1).mean()
        ),
        "where is lam?": lambda h, lam: np.abs(h).sum(axis=1).mean(),
        "return one number for the batch: the mean over its images.": (
            lambda h, lam: lam * np.abs(h).sum(axis=1)
        ),
        "first the absolute value of each number, then the sum.": (
            lambda h, lam: lam * np.abs(h.sum(axis=1)).mean()
        ),
        "the sum and the mean have changed their axes: axis 0 counts the images.": (
            lambda h, lam: lam * np.abs(h).sum(axis=0).mean()
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def sparse_penalty(h: Any, lam: float) -> Any:
    """Return λ Σ|h_i|, the mean over the rows of ``h`` (n, k): one number."""
    from keras import ops

    return lam * ops.mean(ops.sum(ops.abs(h), axis=-1))


@sparse_penalty.property
def _sparse_penalty_in_a_model(attempt: Callable) -> None:
    import keras

    class Inside(keras.layers.Layer):  # as the lab uses it
        def call(self, h: Any) -> Any:
            return attempt(h, 0.1)

    expect.symbolic(Inside(), [keras.KerasTensor((None, 4))], (), "sparse_penalty(h, lam)")


# ---------------------------------------------------------------- 5. corruption


@exercise()
def corrupt(x: np.ndarray, kind: str, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return a corrupted copy of images ``x`` with values in [0, 1]."""
    if kind == "gaussian":
        return np.clip(x + level * rng.normal(size=x.shape), 0, 1)
    hit = rng.uniform(size=x.shape) < level
    if kind == "salt_and_pepper":
        return np.where(hit, rng.integers(0, 2, size=x.shape), x)
    return np.where(hit, 0, x)


_GREY = np.full((50, 40), 0.5)


def _corrupted(attempt: Callable, x: np.ndarray, kind: str, level: float, seed: int = 7) -> np.ndarray:
    what = f"corrupt(x, {kind!r}, {level:g}, rng)"
    given = x.copy()
    found = attempt(given, kind, level, np.random.default_rng(seed))
    expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
    expect.true(np.array_equal(x, given), f"{what} changes its argument.", "work on a copy of x.")
    found = expect.as_array(found)
    expect.true(
        found.shape == x.shape,
        f"{what}: expected the shape {x.shape}, found {found.shape}.",
        "every pixel gets its own random number: size=x.shape.",
    )
    return found


@corrupt.property
def _corrupt_gaussian(attempt: Callable) -> None:
    kind = "gaussian"
    level = 0.04  # small: clipping must not change the standard deviation
    found = _corrupted(attempt, _GREY, kind, level)
    what = f"Grey images (0.5) with {kind!r} noise of level {level}"
    spread = found.std()
    expect.true(spread > 0, f"{what} have no noise.", "add random numbers from rng.")
    _expect_independent(found, what)
    hint = "level is the standard deviation of the noise."
    if abs(spread - level**0.5) < 0.01:
        hint = "level is the standard deviation, not the variance."
    elif abs(spread - level / 12**0.5) < 0.001:
        hint = "the noise is uniform; rng.normal gives normal numbers."
    elif abs(found.mean() - 0.5) > 0.01:
        hint = "the noise has the mean 0: it makes pixels darker as often as brighter."
    expect.true(
        abs(spread - level) < 0.004 and abs(found.mean() - 0.5) < 0.005,
        f"{what} have the mean {found.mean():.3f} and the standard deviation {spread:.3f}; "
        f"expected 0.500 and {level:.3f}.",
        hint,
    )
    strong = _corrupted(attempt, _GREY, kind, 1.0)
    expect.true(
        strong.min() >= 0 and strong.max() <= 1,
        f"With level 1 the pixels lie between {strong.min():.2f} and {strong.max():.2f}.",
        "pixels stay in [0, 1]: np.clip.",
    )
    ends = (strong == 0).mean(), (strong == 1).mean()
    expect.true(
        min(ends) > 0.2,
        f"With level 1 {ends[0]:.0%} of the pixels are 0 and {ends[1]:.0%} are 1; expected about 31 % each.",
        "what leaves [0, 1] stays at the end that it passed: np.clip.",
    )


def _expect_independent(found: np.ndarray, what: str) -> None:
    expect.true(
        not np.allclose(found, found[:1]) and not np.allclose(found, found[:, :1]),
        f"{what}: all rows or all columns are alike.",
        "every pixel of every image gets its own random number: size=x.shape.",
    )


@corrupt.property
def _corrupt_salt_and_pepper(attempt: Callable) -> None:
    kind = "salt_and_pepper"
    found = _corrupted(attempt, _GREY, kind, 0.3)
    white, black, kept = ((found == value).mean() for value in (1, 0, 0.5))
    what = f"Of grey pixels with {kind!r} noise of level 0.3"
    expect.true(
        white + black + kept > 0.999,
        f"{what} some become neither 0 nor 1.",
        "a hit pixel becomes exactly 0 or exactly 1; the others stay as they are.",
    )
    expect.true(
        white > 0.02 and black > 0.02,
        f"{what} {white:.0%} become 1 and {black:.0%} become 0.",
        "salt is white, pepper is black; both should come.",
    )
    hint = "level is the share of the pixels that are hit."
    if abs(white + black - 0.6) < 0.05:
        hint = "level is the share of salt and pepper together."
    elif abs(white + black - 0.51) < 0.04:
        hint = "two independent draws hit some pixels twice and too many in all."
    elif abs(white + black - 0.15) < 0.04:
        hint = "a hit pixel is always changed, never kept."
    elif abs(white + black - 0.7) < 0.05:
        hint = "the comparison with level is the wrong way round."
    expect.true(
        abs(white + black - 0.3) < 0.04,
        f"{what} {white + black:.0%} are changed; expected 30 %.",
        hint,
    )
    expect.true(
        abs(white - black) < 0.05,
        f"{what} {white:.0%} become 1 and {black:.0%} become 0.",
        "salt and pepper are equally likely.",
    )
    _expect_independent(found, f"corrupt with {kind!r}")


@corrupt.property
def _corrupt_missing(attempt: Callable) -> None:
    found = _corrupted(attempt, _GREY, "missing", 0.2)
    lost, kept = (found == 0).mean(), (found == 0.5).mean()
    what = "Of grey pixels with 'missing' pixels of level 0.2"
    expect.true(
        lost + kept > 0.999,
        f"{what} some become neither 0 nor stay.",
        "a missing pixel becomes 0; the others stay as they are.",
    )
    hint = "level is the share of the pixels that are lost."
    if abs(lost - 0.8) < 0.04:
        hint = "the comparison with level is the wrong way round."
    expect.true(abs(lost - 0.2) < 0.03, f"{what} {lost:.0%} are lost; expected 20 %.", hint)
    _expect_independent(found, "corrupt with 'missing'")


@corrupt.property
def _corrupt_uses_the_generator(attempt: Callable) -> None:
    for kind in ("gaussian", "salt_and_pepper", "missing"):
        first, again = (_corrupted(attempt, _GREY, kind, 0.3) for _ in range(2))
        expect.true(
            np.array_equal(first, again),
            f"{kind!r}: with the same seed the noise differs.",
            "take the random numbers from rng, not from np.random.",
        )
        rng = np.random.default_rng(8)
        first, second = (expect.as_array(attempt(_GREY.copy(), kind, 0.3, rng)) for _ in range(2))
        expect.true(
            not np.array_equal(first, second),
            f"{kind!r}: two calls with one generator give the same noise.",
            "use the generator that is given; make no new one.",
        )


# ---------------------------------------------------------------- 6. PSNR


def _mse(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.square(x - r).mean(axis=1)


@exercise(
    cases=[
        tuple(np.random.default_rng(9).uniform(size=(2, 4, 5))),
        (np.zeros((2, 3)), np.array([[0.1, 0.1, 0.1], [0.0, 0.5, 0.0]])),
    ],
    mistakes={
        "a decibel has the logarithm to the base 10.": lambda x, r: -10 * np.log(_mse(x, r)),
        "the sign: a smaller error is a larger PSNR.": lambda x, r: 10 * np.log10(_mse(x, r)),
        "the factor is 10, because the error is squared already.": lambda x, r: -20 * np.log10(_mse(x, r)),
        "the mean squared error is missing its mean.": (
            lambda x, r: -10 * np.log10(np.square(x - r).sum(axis=1))
        ),
        "each image has its own PSNR: average over its pixels only.": (
            lambda x, r: -10 * np.log10(np.square(x - r).mean())
        ),
        "return one number for each image; the lab averages them later.": (
            lambda x, r: -10 * np.log10(_mse(x, r)).mean()
        ),
        "the mean runs over the images; it should run over the pixels.": (
            lambda x, r: -10 * np.log10(np.square(x - r).mean(axis=0))
        ),
        "these pixels lie between 0 and 1: their peak is not 255.": (
            lambda x, r: 10 * np.log10(255**2 / _mse(x, r))
        ),
        "the errors are not squared.": lambda x, r: -10 * np.log10(np.abs(x - r).mean(axis=1)),
        "the factor 10 is missing: this is in bel, not in decibel.": lambda x, r: -np.log10(_mse(x, r)),
    },
)
def psnr(x: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio of each row of ``r`` in decibels, shape (n,)."""
    return -10 * np.log10(_mse(x, r))


# ---------------------------------------------------------------- 7. the contractive penalty


def _code(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _sigmoid(x @ W.T + b)


def _jacobian_norm(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    *,
    slope: Callable = lambda h: h * (1 - h),
    rows: Callable = lambda W: np.square(W).sum(axis=1),
) -> np.ndarray:
    """Return the penalty with another derivative or another sum over the weights."""
    return np.square(slope(_code(x, W, b))) @ rows(W)


@exercise(
    cases=[
        tuple(
            np.random.default_rng(10 + i).normal(size=shape) for i, shape in enumerate([(3, 5), (4, 5), (4,)])
        ),
        tuple(
            np.random.default_rng(20 + i).normal(size=shape) for i, shape in enumerate([(2, 3), (3, 3), (3,)])
        ),
    ],
    mistakes={
        "h(1 - h) is squared in the formula.": lambda x, W, b: (
            _code(x, W, b) * (1 - _code(x, W, b)) @ np.square(W).sum(axis=1)
        ),
        "this is the norm; the penalty is its square.": lambda x, W, b: np.sqrt(_jacobian_norm(x, W, b)),
        "the derivative of the sigmoid is missing its second factor.": partial(
            _jacobian_norm, slope=lambda h: h
        ),
        "the derivative of the sigmoid is missing.": partial(_jacobian_norm, slope=np.ones_like),
        "square the weights first, then sum them.": partial(
            _jacobian_norm, rows=lambda W: np.square(W.sum(axis=1))
        ),
        "the weights are not squared.": partial(_jacobian_norm, rows=lambda W: np.abs(W).sum(axis=1)),
        "the weights are missing: the chain rule goes through W.": partial(
            _jacobian_norm, rows=lambda W: np.ones(len(W))
        ),
        "for each number of the code, sum over its weights: row j of W belongs to h_j.": partial(
            _jacobian_norm, rows=lambda W: np.square(W).sum(axis=0)
        ),
        "the weights of one h_j are summed, not averaged.": partial(
            _jacobian_norm, rows=lambda W: np.square(W).mean(axis=1)
        ),
        "the bias is missing in h.": lambda x, W, b: _jacobian_norm(x, W, 0 * b),
        "each row of x has its own value; do not add the rows up.": lambda x, W, b: _jacobian_norm(
            x, W, b
        ).sum(),
        "each row of x has its own value; do not average over the rows.": lambda x, W, b: _jacobian_norm(
            x, W, b
        ).mean(),
        "the sum over the numbers of the code is missing.": lambda x, W, b: (
            np.square(_code(x, W, b) * (1 - _code(x, W, b))) * np.square(W).sum(axis=1)
        ),
        "this is the derivative of tanh; the encoder has a sigmoid.": lambda x, W, b: (
            np.square(1 - np.square(np.tanh(x @ W.T + b))) @ np.square(W).sum(axis=1)
        ),
    },
)
def contractive_penalty(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the squared Frobenius norm of dh/dx for each row of ``x``, h = sigmoid(b + W x): shape (n,)."""
    return _jacobian_norm(x, W, b)


# ---------------------------------------------------------------- 8. ROC-AUC


def _wins(normal: np.ndarray, anomalous: np.ndarray, tie: float = 0.5) -> float:
    difference = np.subtract.outer(anomalous, normal)
    return float(np.mean(difference > 0) + tie * np.mean(difference == 0))


_SCORES = [
    (np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.5, 5.0, 0.5])),
    (np.array([1.0, 2.0, 2.0, 3.0, 0.0]), np.array([2.0, 3.0])),
    (np.array([5.0, 6.0]), np.array([1.0, 2.0, 3.0])),
    (np.array([0.0, 0.1, 0.2]), np.array([9.0, 8.0])),
]


@exercise(
    cases=_SCORES,
    mistakes={
        "the two have changed places: which of the two should have the larger scores?": (
            lambda normal, anomalous: _wins(anomalous, normal)
        ),
        "equal scores count one half.": lambda normal, anomalous: _wins(normal, anomalous, tie=0.0),
        "equal scores count one half, not one.": lambda normal, anomalous: _wins(normal, anomalous, tie=1.0),
        "this is the number of pairs; divide it by the number of all pairs.": lambda normal, anomalous: (
            _wins(normal, anomalous) * normal.size * anomalous.size
        ),
        "this compares with the mean of the normal scores; compare with each of them.": (
            lambda normal, anomalous: float(np.mean(anomalous > normal.mean()))
        ),
        "this compares with the largest normal score; compare with each of them.": (
            lambda normal, anomalous: float(np.mean(anomalous > normal.max()))
        ),
        "this is a difference of means; only the order of the scores matters.": (
            lambda normal, anomalous: float(anomalous.mean() - normal.mean())
        ),
        "the mean runs over one axis; average over all pairs.": lambda normal, anomalous: (
            np.subtract.outer(anomalous, normal) > 0
        ).mean(axis=0),
    },
)
def roc_auc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Return the probability that an anomalous score is larger than a normal one; a tie counts one half."""
    return _wins(normal, anomalous)


@roc_auc.property
def _roc_auc_is_scikit_learns(attempt: Callable) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(11)
    normal, anomalous = rng.integers(0, 30, size=900) / 10, rng.integers(10, 40, size=300) / 10
    truth = np.repeat([0, 1], [len(normal), len(anomalous)])
    expected = roc_auc_score(truth, np.concatenate([normal, anomalous]))
    expect.close(attempt(normal, anomalous), expected, "roc_auc on 1,200 scores", "pairs with equal scores?")
