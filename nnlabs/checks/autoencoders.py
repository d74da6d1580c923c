"""Checks of lab 09: PCA and neural networks as autoencoders, their penalties, noise, and anomalies.

Images are rows: an array of n images has the shape (n, d). Keras is loaded only by the exercises
that use it.
"""

from __future__ import annotations

import tracemalloc
from collections import Counter
from functools import lru_cache

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _numbers(*shapes, seed, dtype="float32"):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


# 1. The quadratic loss ----------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([[3, 1, 0], [2, 5, 1]], "float32"), np.array([[1, 1, 1], [2, 2, 5]], "float32")),
        _numbers((5, 2), (5, 2), seed=2),
    ],
    mistakes={
        "this is the mean over the pixels; the squared norm is their sum.": "ops.sum -> ops.mean",
        "this is the norm; L is its square.": "return losses -> return ops.sqrt(losses)",
        "each image has its own loss: sum over the pixels only.": ", axis=-1 -> ",
        "each image has its own loss; do not average over the images.": "n losses -> n ops.mean(losses)",
        "the sum runs over the images; it should run over the pixels, the last axis.": "axis=-1 -> axis=0",
        "these are absolute values; the norm has squares.": "ops.square -> ops.abs",
        "the squares are not summed yet.": "return losses -> return ops.square(x - r)",
        "there is no factor 1/2 in this course's L.": "return losses -> return 0.5 * losses",
        "square the differences first, then sum: otherwise they cancel.": (
            "ops.sum(ops.square(x - r), axis=-1) -> ops.square(ops.sum(x - r, axis=-1))"
        ),
    },
    **KERAS,
)
def squared_error(x, r):
    """Return the squared distance of each row of ``x`` from that row of ``r``: shape (n,)."""
    from keras import ops

    losses = ops.sum(ops.square(x - r), axis=-1)
    return losses


@squared_error.case
def _squared_error_in_training(attempt):
    """squared_error(x, r) in a compiled model, with its gradients"""
    return expect.in_training(attempt, *_numbers((3, 4), (3, 4), seed=1))


# 2. PCA -------------------------------------------------------------------------------------------


@exercise(
    mistakes={
        "subtract the mean before the SVD.": ["x - m -> x", "m + h -> h"],
        "the mean is subtracted for the SVD; the encoder must subtract it too.": "(x - m) @ -> x @",
        "the SVD sees data that are not centred: subtract the mean first.": "svd(x - m -> svd(x",
        "the decoder must add the mean again.": "m + h -> h",
        "neither f nor g uses the mean.": ["(x - m) @ -> x @", "m + h -> h"],
        "these are the directions of the smallest variance.": "[:k] -> [-k:]",
        "the first direction, that of the largest variance, is left out.": "[:k] -> [1 : k + 1]",
        "use the mean of the data that PCA was fitted to, not that of the new data.": (
            "return (x - m) -> nonlocal m\n        m = x.mean(axis=0)\n        return (x - m)"
        ),
        "f uses the mean of the new data, g that of the old.": "(x - m) @ -> (x - x.mean(axis=0)) @",
        "m is the mean image, with one number for each pixel: which axis?": "mean(axis=0) -> mean()",
        "the directions are the rows of the third factor of the SVD.": "[2][:k] -> [2][:, :k].T",
        "PCA does not divide by the standard deviations here.": [
            "u = -> s = x.std(axis=0)\n    u =",
            "x - m -> (x - m) / s",
            "h @ u -> h @ u * s",
        ],
        "a second call of pca changes the functions of the first: use no global variables.": (
            "m = x.mean -> global m, u\n    m = x.mean"
        ),
    }
)
def pca(x, k):
    """Return the encoder f and the decoder g of PCA with codes of size ``k``, fitted to ``x`` (n, d)."""
    m = x.mean(axis=0)
    u = np.linalg.svd(x - m, full_matrices=False)[2][:k]

    def f(x):
        return (x - m) @ u.T

    def g(h):
        return m + h @ u

    return f, g


def _points():
    """Return 60 points to fit and 5 new ones, with six clearly different variances and a mean."""
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    scale = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.2])
    points = rng.normal(size=(65, 6)) * scale @ turn + np.array([4.0, -3.0, 2.0, 5.0, -1.0, 3.0])
    return points[:60], points[60:]


@pca.property
def _pca_gives_two_functions(attempt):
    x, new = _points()
    found = attempt(x, 3)
    hint = "define f and g inside pca and return both, without calling them."
    expect.true(
        isinstance(found, (tuple, list)) and len(found) == 2 and all(map(callable, found)),
        f"pca(x, 3) should return two functions, it returns {expect.brief(found)}.",
        hint if found is not None else "is the return statement missing?",
    )
    given = new.copy()
    code = found[0](given)
    expect.true(np.array_equal(given, new), "f changes its argument.", "x - m makes a new array.")
    expect.numpy_array(code, "f(x)")
    expect.true(
        code.shape == (5, 3),
        f"x has 5 rows and k = 3: f(x) should have the shape (5, 3), it has {code.shape}.",
        "a code has one number for each of the k directions; look at the shapes of both factors.",
    )
    expect.numpy_array(found[1](code), "g(f(x))")


@pca.case
def _pca_of_four_points(attempt):
    """g(f([[12, 0, -20]])) with f, g = pca([[7, 10, 4], [-5, -6, 4], [5, -1, 5], [-3, 5, 3]], 1)"""
    f, g = attempt(np.array([[7, 10, 4], [-5, -6, 4], [5, -1, 5], [-3, 5, 3]]), 1)
    return g(f(np.array([[12, 0, -20]])))


@pca.case
def _pca_projects(attempt):
    """g(f(x)) of new data"""
    x, new = _points()
    pairs = {f"k = {k}": attempt(x, k) for k in (1, 3)}
    return {k: g(f(new)) for k, (f, g) in pairs.items()}


@pca.property
def _pca_codes_are_coordinates(attempt):
    x, new = _points()
    code, expected = (np.abs(fitted(x, 3)[0](new)) for fitted in (attempt, pca.reference))
    sizes, wanted = (np.sort(np.linalg.norm(codes, axis=0)) for codes in (code, expected))
    hint = "the code is the coordinate along each direction, and the directions have length 1."
    if np.allclose(sizes, wanted, rtol=1e-4):
        hint = "the directions are not sorted: the first number belongs to the largest variance."
    what = "g(f(x)) is right, but f(x) is not (up to the sign of each direction)"
    expect.close(code, expected, what, hint, rtol=1e-4, atol=1e-6)


# 3. The autoencoder -------------------------------------------------------------------------------


@exercise(
    mistakes={
        "one dense layer for each number in hidden: none is left out.": "in hidden: -> in hidden[1:]:",
        "every dense layer keeps its bias here.": [
            "activation= -> use_bias=False, activation=",
            "Dense(k) -> Dense(k, use_bias=False)",
        ],
        "the decoder goes through the hidden sizes in reverse.": "reversed(hidden) -> hidden",
    }
    | {
        f"the hidden layers of the {part} have {name}: use ReLU.": f'"relu")({x}) -> "{other}")({x})'
        for part, x in (("encoder", "h"), ("decoder", "r"))
        for name, other in (("no activation", "linear"), ("a sigmoid", "sigmoid"), ("tanh", "tanh"))
    },
    **KERAS,
)
def autoencoder(d, hidden, k, output):
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


@lru_cache(maxsize=2)  # building them is what costs time; an answer's tests share them
def _models(attempt, output, hidden=(5, 8, 4)):
    """Return the three models for d = 12 and k = 3, or say that they are no built Keras models."""
    import keras

    found = attempt(12, hidden, 3, output)
    what = f"autoencoder(12, {hidden}, 3, {output!r})"
    hint = "encoder, decoder, and the model that applies one after the other."
    expect.true(
        isinstance(found, (tuple, list)) and [isinstance(m, keras.Model) for m in found] == 3 * [True],
        f"{what} should return three Keras models, it returns {expect.brief(found)}.",
        hint if found is not None else "is the return statement missing?",
    )
    built = all(model.built for model in found)
    expect.true(built, f"A model of {what} does not know its input's shape.", "begin with keras.Input.")
    return found


@autoencoder.case
def _autoencoder_sizes(attempt):
    """layers of autoencoder(12, (5, 8, 4), 3, 'linear')"""
    return dict(zip(("encoder", "decoder"), map(_sizes, _models(attempt, "linear")), strict=False))


def _sizes(model):
    kernels = [weight.shape for weight in model.weights if weight.name == "kernel"]
    kinds = Counter(weight.name for weight in model.weights)
    sizes = [model.input_shape[1], *(shape[-1] for shape in kernels)]
    return " ".join(map(str, sizes)) + " with " + ", ".join(f"{kinds[name]} {name}" for name in sorted(kinds))


_X, _H = (3 * numbers for numbers in _numbers((6, 12), (6, 3), seed=4))
_OUTPUT = "the last activation of the decoder is the argument output."


@autoencoder.property
def _autoencoder_ends_with_these_activations(attempt):
    encoder, decoder, _ = _models(attempt, "linear")
    for what, model, x, hint in (
        (
            "encoder(x)",
            encoder,
            _X,
            "the code is a linear layer: with an activation it cannot take every value.",
        ),
        ("decoder(h), output='linear',", decoder, _H, _OUTPUT),
        ("decoder(h), output='sigmoid',", _models(attempt, "sigmoid", ())[1], _H, _OUTPUT),
    ):
        expect.set_weights(model)
        for weight in model.weights:
            weight.assign(30 * weight)  # so that every activation shows how far it goes
        found = expect.as_array(model(x))
        low, high = found.min(), found.max()
        right = 0 <= low < 0.1 and 0.9 < high <= 1 if "sigmoid" in what else low < -2 and high > 2
        expect.true(right, f"{what} lies between {low:.3g} and {high:.3g}.", hint)


@autoencoder.case
def _autoencoder_encodes(attempt):
    """encoder(x)"""
    return expect.outputs(_models(attempt, "linear")[0], _X)["output"]


@autoencoder.case
def _autoencoder_decodes(attempt):
    """decoder(h)"""
    return expect.outputs(_models(attempt, "linear")[1], _H)["output"]


@autoencoder.property
def _autoencoder_shares_its_layers(attempt):
    encoder, decoder, both = _models(attempt, "linear")
    parts = {id(weight) for weight in [*encoder.weights, *decoder.weights]}
    expect.true(
        {id(weight) for weight in both.weights} == parts,
        "The autoencoder does not have the weights of the encoder and the decoder.",
        "call the two models inside the third; new layers would have weights of their own.",
    )
    expect.close(
        both(_X, training=True),
        decoder(encoder(_X)),
        "autoencoder(x) in training, against decoder(encoder(x))",
        "the decoder follows the encoder, and nothing else is in between or works in training only.",
    )
    expect.true(
        parts.isdisjoint(id(weight) for weight in attempt(12, (5, 8, 4), 3, "linear")[2].weights),
        "A second call with the same arguments returns the same layers.",
        "build new layers in each call: the lab trains several networks of one size.",
    )


# 4. The penalty of a sparse code ------------------------------------------------------------------

_CODES = np.array([[1, -2, 0], [3, 0, -4]], "float32")


@exercise(
    cases=[(_CODES, 2), (*_numbers((2, 6), seed=6), 0.5)],
    mistakes={
        "the penalty of a batch is the mean of its images, not their sum.": "ops.mean -> ops.sum",
        "the sum runs over the numbers of a code; only the images are averaged.": "ops.sum -> ops.mean",
        "where is the absolute value? Positive and negative numbers cancel.": "ops.abs(h) -> h",
        "these are squares, the L2 penalty; they make numbers small, but not zero.": "ops.abs -> ops.square",
        "where is lam?": "lam * -> ",
        "return one number for the batch: the mean over its images.": "ops.mean(norms) -> norms",
        "first the absolute value of each number, then the sum.": (
            "ops.sum(ops.abs(h), axis=-1) -> ops.abs(ops.sum(h, axis=-1))"
        ),
        "the sum and the mean have changed their axes: axis 0 counts the images.": "axis=-1 -> axis=0",
        "the root has no derivative at 0, where many codes are.": "ops.abs(h) -> ops.sqrt(ops.square(h))",
    },
    **KERAS,
)
def sparse_penalty(h, lam):
    """Return λ Σ|h_i|, the mean over the rows of ``h`` (n, k): one number."""
    from keras import ops

    norms = ops.sum(ops.abs(h), axis=-1)
    return lam * ops.mean(norms)


@sparse_penalty.case
def _sparse_penalty_in_training(attempt):
    """sparse_penalty(h, lam) in a compiled model, with its gradient"""
    found = expect.in_training(lambda h: attempt(h, 0.5), _CODES)
    slope = expect.as_array(found["gradients"][0])
    free = (_CODES == 0) & (np.abs(slope) <= 1)  # where |h| has a corner
    return {"result": found["result"], "gradient": np.where(free, 0, slope)}


# 5. Corruption ------------------------------------------------------------------------------------


@exercise(
    mistakes={
        "level is the standard deviation, not the variance.": "level * rng -> level**0.5 * rng",
        "the noise is uniform: rng.normal.": "rng.normal(size=x.shape) -> rng.uniform(-0.5, 0.5, x.shape)",
        "the noise is uniform, and only makes brighter: rng.normal.": "rng.normal -> rng.uniform",
        "the noise makes pixels darker as often as brighter: its mean is 0.": "x + noise -> x + abs(noise)",
        "pixels stay in [0, 1]: np.clip.": "np.clip(x + noise, 0, 1) -> x + noise",
        "what leaves [0, 1] stays at the end that it passed.": "np.clip(x + noise, 0, 1) -> (x + noise) % 1",
        "salt is white, pepper is black; both should come.": "rng.integers(2, size=x.shape) -> 1",
        "level is the share of salt and pepper together.": "< level -> < 2 * level",
        "two independent draws hit some pixels twice and too many in all.": (
            "np.where(hit, coin, x) -> np.where(rng.random(x.shape) < level, 0, np.where(hit, 1, x))"
        ),
        "a hit pixel becomes exactly 0 or exactly 1.": "rng.integers(2, size=x.shape) -> rng.random(x.shape)",
        "salt and pepper are equally likely.": "rng.integers(2, size=x.shape) -> rng.random(x.shape) < level",
        "level is the share of the pixels that are hit.": "< level -> < level / 2",
        "the comparison with level is the wrong way round.": "< level -> > level",
        "for 'missing' the comparison with level is the wrong way round.": "(hit, 0, x) -> (hit, x, 0)",
        "a missing pixel becomes 0.": "(hit, 0, x) -> (hit, 1, x)",
    },
    atol=0.03,  # of shares of 10,000 pixels
)
def corrupt(x, kind, level, rng):
    """Return a corrupted copy of images ``x`` with values in [0, 1]."""
    if kind == "gaussian":
        noise = level * rng.normal(size=x.shape)
        return np.clip(x + noise, 0, 1)
    hit = rng.uniform(size=x.shape) < level
    if kind == "salt_and_pepper":
        coin = rng.integers(2, size=x.shape)
        return np.where(hit, coin, x)
    return np.where(hit, 0, x)


def _corrupted(attempt, kind, level=0.3, seed=7):
    """Return 100 corrupted images of 100 grey pixels (0.5)."""
    found = attempt(np.full((100, 100), 0.5), kind, level, np.random.default_rng(seed))
    what = f"corrupt(x, {kind!r}, {level:g}, rng)"
    expect.numpy_array(found, what)
    expect.true(
        found.shape == (100, 100),
        f"{what}: expected the shape (100, 100), found {found.shape}.",
        "every pixel gets its own random number: size=x.shape.",
    )
    expect.true(found.dtype.kind == "f", f"{what} is made of {found.dtype}.", "grey values need dtype float.")
    return found


@corrupt.property
def _corrupt_depends_on_level_and_rng(attempt):
    for kind in ("gaussian", "salt_and_pepper", "missing"):
        expect.true(
            not np.array_equal(_corrupted(attempt, kind, 0.3), _corrupted(attempt, kind, 0.6)),
            f"{kind!r}: level 0.3 and level 0.6 give the same.",
            "is there noise, and what does level change?",
        )
        x = np.full((9, 9), 0.5)
        expect.uses_generator(lambda rng, x=x, kind=kind: attempt(x, kind, 0.3, rng), f"noise of {kind!r}")


@corrupt.property
def _corrupt_treats_each_pixel_by_itself(attempt):
    """Rows, columns and whole sets differ as much as throws of a coin for each pixel do."""
    for kind in ("gaussian", "salt_and_pepper", "missing"):
        found = _corrupted(attempt, kind)
        number = {np.sum(_corrupted(attempt, kind, seed=seed) == 0.5) for seed in (1, 2, 3)}
        spreads = [1.0]
        for hits in (found < 0.5, found > 0.5):
            chance = hits.mean() * (1 - hits.mean()) / 100
            spreads += [hits.mean(axis=axis).var() / chance for axis in (0, 1) if chance]
        expect.true(
            min(spreads) > 0.3 and max(spreads) < 3 and (kind == "gaussian" or len(number) > 1),
            f"With {kind!r} noise rows, columns or sets of images are too much alike, or too different.",
            "each pixel of every image is treated by itself, with its own random number: size=x.shape.",
        )


def _shares(found):
    return {f"share of {value}": np.mean(found == value) for value in (0, 0.5, 1)}


@corrupt.case
def _corrupt_gaussian(attempt):
    """pixels of 0.5 with 'gaussian' noise"""
    weak = (_corrupted(attempt, "gaussian", 0.04) - 0.5) / 0.04
    strong = _corrupted(attempt, "gaussian", 1.0)
    return {
        "level 0.04, mean of the noise / 0.04": weak.mean(),
        "level 0.04, standard deviation of the noise / 0.04": weak.std(),
        "level 0.04, share beyond two standard deviations": np.mean(np.abs(weak) > 2),
        "level 1, share outside [0, 1]": np.mean((strong < 0) | (strong > 1)),
        "level 1": _shares(strong),
    }


@corrupt.case
def _corrupt_salt_and_pepper(attempt):
    """pixels of 0.5 with 'salt_and_pepper' noise of level 0.3"""
    return _shares(_corrupted(attempt, "salt_and_pepper"))


@corrupt.case
def _corrupt_missing(attempt):
    """pixels of 0.5 with 'missing' pixels of level 0.3"""
    return _shares(_corrupted(attempt, "missing"))


# 6. PSNR ------------------------------------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (
            np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]]),
            np.array([[0.1, 0.1, 0.9, 0.9], [1.0, 0.0, 1.0, 0.02]]),
        ),
        tuple(np.random.default_rng(9).uniform(size=(2, 4, 5))),
    ],
    mistakes={
        "a decibel has the logarithm to the base 10.": "log10 -> log",
        "the sign: a smaller error is a larger PSNR.": "1 / mse -> mse",
        "the factor is 10, because the error is squared already.": "10 * -> 20 *",
        "the mean squared error is missing its mean.": "np.mean -> np.sum",
        "d is the number of pixels of these images, not always 784.": "1 / mse -> 784 / x.shape[1] / mse",
        "each image has its own PSNR: average over its pixels only.": ", axis=1 -> ",
        "return one number for each image; the lab averages them later.": "10 * bels -> 10 * bels.mean()",
        "the mean runs over the images; it should run over the pixels.": "axis=1 -> axis=0",
        "these pixels lie between 0 and 1: their peak is not 255.": "1 / mse -> 255**2 / mse",
        "the errors are not squared.": "np.square -> np.abs",
        "the factor 10 is missing: this is in bel, not in decibel.": "10 * -> ",
        "square the differences before the mean: otherwise they cancel.": (
            "np.mean(np.square(x - r), axis=1) -> np.square(np.mean(x - r, axis=1))"
        ),
    },
)
def psnr(x, r):
    """Return the peak signal-to-noise ratio of each row of ``r`` in decibels, shape (n,)."""
    mse = np.mean(np.square(x - r), axis=1)
    bels = np.log10(1 / mse)
    return 10 * bels


# 7. The contractive penalty -----------------------------------------------------------------------


@exercise(
    cases=[  # in the first one W is square: taking its columns for its rows stops nothing
        (np.array([[1, 1], [1, 0], [0, 0]]), np.array([[4, 0], [2, -2]]), np.array([-4, 0])),
        _numbers((3, 5), (4, 5), (4,), seed=10, dtype="float64"),
    ],
    mistakes={
        "h(1 - h) is squared in the formula.": "np.square(slope) -> slope",
        "this is the norm; the penalty is its square.": "return norms -> return np.sqrt(norms)",
        "the derivative of the sigmoid is missing its second factor.": "h * (1 - h) -> h",
        "the derivative of the sigmoid is missing.": "h * (1 - h) -> np.ones_like(h)",
        "the power is that of 1 - h only: where do brackets belong?": "np.square(slope) -> (h * (1 - h)**2)",
        "h is the code, after the sigmoid.": "1 / (1 + np.exp(-a)) -> a",
        "square the weights first, then sum them.": "np.sum(np.square(W), axis=1) -> W.sum(axis=1) ** 2",
        "these are absolute weights; they are squared in the formula.": "np.square(W) -> np.abs(W)",
        "the weights are not squared.": "np.square(W) -> W",
        "the weights are missing: the chain rule goes through W.": "@ rows -> @ np.ones(len(W))",
        "for each number of the code, sum over its weights: row j of W belongs to h_j.": "axis=1 -> axis=0",
        "in h the rows of x meet the columns of W; row j of W belongs to h_j.": "W.T -> W",
        "the weights of one h_j are summed, not averaged.": "np.sum -> np.mean",
        "the bias is missing in h.": " + b -> ",
        "look at the sign of the bias in h.": " + b -> - b",
        "each row of x has its own value; do not add them up.": "return norms -> return norms.sum()",
        "each row of x has its own value; do not average them.": "return norms -> return norms.mean()",
        "the sum over the numbers of the code is missing.": "@ rows -> * rows",
        "this is the derivative of tanh; the encoder has a sigmoid.": "h * (1 - h) -> 1 - np.tanh(a) ** 2",
    },
)
def contractive_penalty(x, W, b):
    """Return the squared Frobenius norm of dh/dx for each row of ``x``, h = sigmoid(b + W x): shape (n,)."""
    a = x @ W.T + b
    h = 1 / (1 + np.exp(-a))
    slope = h * (1 - h)
    rows = np.sum(np.square(W), axis=1)
    norms = np.square(slope) @ rows
    return norms


@contractive_penalty.property
def _contractive_penalty_needs_no_jacobian(attempt):
    n, k, d = 20, 30, 400
    arrays = _numbers((n, d), (k, d), (k,), seed=11, dtype="float64")
    tracemalloc.start()
    try:
        expect.numpy_array(attempt(*arrays), "contractive_penalty(x, W, b)")
        peak = tracemalloc.get_traced_memory()[1] // 8
    finally:
        tracemalloc.stop()
    expect.true(
        peak < n * k * d / 4,
        f"With n = {n}, k = {k}, d = {d} it needs room for {peak:,} numbers at once.",
        f"the Jacobian has n k d = {n * k * d:,}; the inner sum is the same for all images.",
    )


# 8. ROC-AUC ---------------------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([4, 0, 1, 0]), np.array([5, 1, 2])),
        (np.array([1.0, 2.0, 2.0, 3.0, 0.0]), np.array([2.0, 3.0])),
        (np.array([5.0, 6.0]), np.array([1.0, 2.0, 3.0])),
        (np.array([0.0, 0.1, 0.2]), np.array([9.0, 8.0])),
        tuple(np.random.default_rng(11).integers((0, 10), (30, 40), size=(60, 2)).T / 10),
    ],
    mistakes={
        "the two have changed places: which one has the larger scores?": "difference > 0 -> difference < 0",
        "equal scores count one half.": " + 0.5 * np.mean(difference == 0) -> ",
        "equal scores count one half, not one.": "0.5 * -> ",
        "this is the number of pairs; divide it by the number of all pairs.": "np.mean -> np.sum",
        "compare with each normal score, not with their mean.": "[:, None] - normal -> - normal.mean()",
        "compare with each normal score, not with the largest.": "[:, None] - normal -> - normal.max()",
        "this is a difference of means; only the order matters.": "return auc -> return np.mean(difference)",
        "average over all pairs, not over one axis.": "return auc -> return np.mean(difference > 0, axis=0)",
        "zip pairs the first with the first; compare each score with each.": (
            "anomalous[:, None] - normal -> np.array([a - b for a, b in zip(anomalous, normal)])"
        ),
        "each score is compared with each: make one of the two a column.": "[:, None] - normal -> > normal",
    },
)
def roc_auc(normal, anomalous):
    """Return the probability that an anomalous score is larger than a normal one; a tie counts one half."""
    difference = anomalous[:, None] - normal
    auc = np.mean(difference > 0) + 0.5 * np.mean(difference == 0)
    return auc
