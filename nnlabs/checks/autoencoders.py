"""Checks of lab 09: whitened PCA, tied weights, sparse codes, noise and its brightness, honest scores.

Images are rows: an array of n images has the shape (n, d). Keras is loaded only by the exercises
that use it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _numbers(*shapes, seed, dtype="float64"):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


# 1. PCA with equal spread -------------------------------------------------------------------------


@exercise(
    mistakes={
        "subtract the mean before the SVD.": ["x - m -> x", "m + -> "],
        "the mean is subtracted for the SVD; the encoder must subtract it too.": "(x - m) @ -> x @",
        "the SVD sees data that are not centred: subtract the mean first.": "svd(x - m -> svd(x",
        "the decoder must add the mean again.": "m + -> ",
        "the decoder must undo the division.": "(h * spread) -> h",
        "these are the codes of ordinary PCA: the spread is missing.": [" / spread -> ", " * spread -> "],
        "variance 1 belongs to standard deviations, not to variances.": "s[:k] / np.sqrt(n) -> s[:k]**2 / n",
        "how does the number of data enter a standard deviation?": " / np.sqrt(n) -> ",
        "the mean of the squares divides by n, not by n - 1.": "sqrt(n) -> sqrt(n - 1)",
        "the singular values belong to the first k directions.": "s[:k] -> s[-k:]",
        "these are the directions of the smallest variance.": ["s[:k] -> s[-k:]", "u[:k] -> u[-k:]"],
        "the largest variance is left out.": ["s[:k] -> s[1 : k + 1]", "u[:k] -> u[1 : k + 1]"],
        "use the mean of the data that PCA was fitted to, not that of the new data.": (
            "(x - m) @ -> (x - x.mean(axis=0)) @"
        ),
        "use the spread of the data that PCA was fitted to, not that of the new data.": (
            "(x - m) @ u.T / spread -> ((x - m) @ u.T) / ((x - m) @ u.T).std(axis=0)"
        ),
        "m is the mean image, with one number for each pixel: which axis?": "mean(axis=0) -> mean()",
        "the directions are the rows of the third factor of the SVD.": "u[:k] -> u[:, :k].T",
        "PCA does not divide the pixels by their standard deviations.": [
            "n = -> scale = x.std(axis=0)\n    n =",
            "x - m -> (x - m) / scale",
            "return m + (h * spread) @ u -> return m + (h * spread) @ u * scale",
        ],
        "a second call changes the functions of the first: use no global variables.": (
            "n = -> global m, u, spread\n    n ="
        ),
    },
    rtol=1e-4,  # the factors of an SVD in float32
    atol=1e-4,
)
def whitening(x, k):
    """Return the encoder f and the decoder g of PCA, codes of size ``k`` and variance 1 over ``x``."""
    n = len(x)
    m = x.mean(axis=0)
    _, s, u = np.linalg.svd(x - m, full_matrices=False)
    u = u[:k]
    spread = s[:k] / np.sqrt(n)

    def f(x):
        return (x - m) @ u.T / spread

    def g(h):
        return m + (h * spread) @ u

    return f, g


def _points():
    """Return 60 points to fit and 5 new ones, with six clearly different variances and a mean."""
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    scale = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.2])
    points = rng.normal(size=(65, 6)) * scale @ turn + np.array([4.0, -3.0, 2.0, 5.0, -1.0, 3.0])
    return points[:60], points[60:]


@whitening.property
def _whitening_gives_two_functions(attempt):
    x, new = _points()
    found = attempt(x, 3)
    hint = "define f and g inside and return both, without calling them."
    expect.true(
        isinstance(found, (tuple, list)) and len(found) == 2 and all(map(callable, found)),
        f"whitening(x, 3) should return two functions, it returns {expect.brief(found)}.",
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


@whitening.case
def _whitening_projects(attempt):
    """g(f(x)) of new data, and the squares of f(x)"""
    x, new = _points()
    pairs = {f"k = {k}": attempt(x, k) for k in (1, 3)}
    return {k: {"g(f(x))": g(f(new)), "f(x)²": f(new) ** 2} for k, (f, g) in pairs.items()}  # signs are free


# 2. A decoder that owns no weights ----------------------------------------------------------------


@exercise(
    mistakes={
        "where is the bias c?": "self.c + -> ",
        "where is the activation?": "self.activation( -> (",
        "the bias belongs into the activation.": "self.activation(self.c + -> self.c + self.activation(",
        "the kernel leads from x to h; the way back needs it transposed.": (
            "ops.transpose(self.dense.kernel) -> self.dense.kernel"
        ),
        "c is added to r: it has a number for each input of `dense`.": "kernel.shape[:1] -> kernel.shape[1:]",
        "one number for all is no bias of r.": "self.dense.kernel.shape[:1] -> ()",
        "the kernel is shared: the layer adds no kernel of its own.": [
            "self.c = -> self.kernel = self.add_weight(shape=self.dense.kernel.shape)\n            self.c =",
            "transpose(self.dense.kernel -> transpose(self.kernel",
        ],
        "this is a copy of the kernel, which does not change with it.": [
            "self.c = -> self.copy = ops.convert_to_numpy(self.dense.kernel)\n            self.c =",
            "transpose(self.dense.kernel -> transpose(self.copy",
        ],
        "both ways train the kernel: its gradient has two parts.": (
            "transpose(self.dense.kernel -> transpose(ops.stop_gradient(self.dense.kernel + 0)"
        ),
        "the bias is trained, too.": 'zeros -> zeros", trainable=False, name="c',
        "the encoder's bias has no place on the way back.": ("matmul(h, -> matmul(h - self.dense.bias, "),
    },
    **KERAS,
)
def Tied(dense, activation):  # noqa: N802 - it stands in for the student's class
    """Return the layer that leads back through ``dense``, with its kernel and a bias of its own."""
    import keras
    from keras import ops

    class Tied(keras.layers.Layer):
        def __init__(self, dense, activation):
            super().__init__()
            self.dense = dense
            self.activation = keras.activations.get(activation)

        def build(self, input_shape):
            self.c = self.add_weight(shape=self.dense.kernel.shape[:1], initializer="zeros")

        def call(self, h):
            return self.activation(self.c + ops.matmul(h, ops.transpose(self.dense.kernel)))

    return Tied(dense, activation)


def _built(attempt, activation):
    """Return a Dense layer from 3 to 2, the layer back, and the weights that only this one has."""
    import keras

    dense = keras.layers.Dense(2, kernel_initializer="ones")
    layer = attempt(dense, activation)
    is_layer = isinstance(layer, keras.layers.Layer)
    expect.true(is_layer, "Tied(...) should be a Keras layer.", "keep the lines that were given.")
    dense.build((None, 3))
    layer.build((None, 2))
    return dense, layer, [weight for weight in layer.weights if all(weight is not w for w in dense.weights)]


@Tied.property
def _tied_begins_at_zero(attempt):
    for weight in _built(attempt, "linear")[2]:
        zero = not expect.as_array(weight).any() or len(weight.shape) == 2
        expect.true(zero, "The bias c does not start at zero.", "add_weight takes an initializer.")


@Tied.case
def _tied_leads_back(attempt):
    """Tied(dense, activation), for a Dense layer from 3 numbers to 2"""
    import tensorflow as tf

    outcome = {}
    for activation in ("linear", "relu", "sigmoid"):
        dense, layer, own = _built(attempt, activation)
        outcome["shapes of its own weights"] = str([tuple(weight.shape) for weight in own])
        for weight in own:
            weight.assign(np.arange(1, 1 + np.prod(weight.shape)).reshape(weight.shape))
        dense.set_weights([np.array([[1, 2], [3, -4], [0, -1]]), np.array([7, -9])])
        x, h = np.array([[1, 0, -1], [2, 1, 0]], "float32"), tf.constant([[1.0, 0.0], [1.0, 2.0]])
        found = layer.call(h)  # by call itself: Keras words the errors of its layers anew
        expect.true(found is not None, "call(h) returns None.", "is the return statement missing?")
        outcome[f"{activation}: call([[1, 0], [1, 2]])"] = found
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer.call(dense(x)) ** 2)
        variables = [weight.value for weight in (dense.kernel, *own)]
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        outcome[f"{activation}: gradients of kernel and c"] = gradients
        outcome["weights that are trained"] = len(layer.trainable_weights)
    return outcome


# 3. A code with k numbers -------------------------------------------------------------------------

_CODES = np.array([[1, -2, 0, 3, -7], [-8, 6, -1, -3, 5], [-5, -4, -1, -3, -9]], "float32")


@exercise(
    cases=[(_CODES, 2), (_CODES, 1), (_CODES, 5), (*_numbers((4, 6), seed=6, dtype="float32"), 2)],
    mistakes={
        "the largest, not those farthest from 0.": ["top_k(h -> top_k(ops.abs(h)", "h >= -> ops.abs(h) >="],
        "these are the smallest.": ["top_k(h -> top_k(-h", "h >= -> -h >="],
        "the k-th largest passes, too.": ">= -> >",
        "k is how many pass, not how many become 0.": "top_k(h, k) -> top_k(h, h.shape[-1] - k)",
        "k numbers of each image, not of the whole batch.": "top_k(h -> top_k(ops.reshape(h, (1, -1))",
        "a mask has ones; the numbers that pass keep their values.": "smallest, h -> smallest, 1.0",
        "nothing is subtracted from what passes.": "smallest, h -> smallest, h - smallest",
        "what passes and what becomes 0 have changed places.": ", h, 0.0) -> , 0.0, h)",
        "each number stays in its place; top_k alone has lost them.": (
            "ops.where(h >= smallest, h, 0.0) -> values"
        ),
        "negative numbers may be among the largest.": "smallest, h -> smallest, ops.relu(h)",
        "the others become 0, not the smallest that passes.": ", h, 0.0) -> , h, smallest)",
        "the gradient passes where the number passes.": "smallest, h -> smallest, ops.stop_gradient(h)",
    },
    **KERAS,
)
def keep_largest(h, k):
    """Return ``h`` (n, size) with all but the ``k`` largest numbers of each row set to 0."""
    from keras import ops

    values, _ = ops.top_k(h, k)
    smallest = values[:, -1:]
    return ops.where(h >= smallest, h, 0.0)


@keep_largest.case
def _keep_largest_in_training(attempt):
    """keep_largest(h, 2) in a compiled model, with its gradient"""
    return expect.in_training(lambda h: attempt(h, 2), _CODES)


# 4. The gradient of the contractive penalty -------------------------------------------------------


@exercise(
    cases=[
        (np.array([[1, 2]]), np.array([[1, 0], [0, 2], [1, -1]]), np.array([0, 1, -1])),
        _numbers((4, 2), (3, 2), (3,), seed=10),
        _numbers((3, 5), (3, 5), (3,), seed=11),
    ],
    mistakes={
        "W acts on two paths; that through the sum of squares is missing.": " + by_squares -> ",
        "W acts on two paths; that through h is missing.": "by_a.T @ x + -> ",
        "Omega is the mean over the images, not the sum.": [" / len(x) -> ", "np.mean -> np.sum"],
        "only one of the two paths is averaged over the images.": " / len(x) -> ",
        "the part with W is not averaged over the images.": "np.mean -> np.sum",
        "the gradient by b is divided by n twice.": "np.sum(by_a, axis=0) -> np.mean(by_a, axis=0)",
        "b moves a, and a moves p: the gradient by b is not 0.": "np.sum(by_a, axis=0) -> 0 * b",
        "p = h (1 - h) changes with a, too: its derivative is missing.": " * (1 - 2 * h) -> ",
        "a moves h, and h moves p²: one factor is missing.": "np.square(p) * (1 -> p * (1",
        "look at the sign of the derivative of p.": "(1 - 2 * h) -> (2 * h - 1)",
        "the derivative of h - h² has a factor 2.": "(1 - 2 * h) -> (1 - h)",
        "a factor 2 is missing in the part with W.": "by_squares = 2 * -> by_squares = ",
        "a factor 2 is missing in the part through h.": "by_a = 2 * -> by_a = ",
        "the weights of h_j are squared, then summed.": "np.sum(np.square(W), axis=1) -> W.sum(axis=1) ** 2",
        "each h_j has its own sum of squares.": "np.square(W), axis=1) -> np.square(W))",
        "the sum of squares belongs to the path through h.": " * lengths -> ",
        "in the part with W, p is squared.": "np.mean(np.square(p) -> np.mean(p",
        "the bias is missing in h.": "W.T + b -> W.T",
        "the mean of products is no product of means.": (
            "by_a.T @ x -> by_a.sum(axis=0)[:, None] * x.mean(axis=0)"
        ),
        "W and b have changed places.": (
            "return by_a.T @ x + by_squares, np.sum(by_a, axis=0) -> "
            "return np.sum(by_a, axis=0), by_a.T @ x + by_squares"
        ),
    },
)
def contractive_gradient(x, W, b):
    """Return the gradients by ``W`` (k, d) and ``b`` (k,) of the mean of |dh/dx|² over the rows of ``x``."""
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    p = h * (1 - h)
    lengths = np.sum(np.square(W), axis=1)
    by_a = 2 * np.square(p) * (1 - 2 * h) * lengths / len(x)
    by_squares = 2 * np.mean(np.square(p), axis=0)[:, None] * W
    return by_a.T @ x + by_squares, np.sum(by_a, axis=0)


@contractive_gradient.property
def _contractive_gradient_is_numpy(attempt):
    for part in attempt(*contractive_gradient.cases[1]):
        expect.numpy_array(part, "each gradient")


# 5. A training with noise -------------------------------------------------------------------------


@exercise(
    mistakes={
        "the noise is drawn once; each epoch should see new noise.": [
            "for _ -> noise = level * rng.normal(size=x.shape)\n    for _",
            "\n        noise = level * rng.normal(size=x.shape) -> ",
        ],
        "the noise adds up from epoch to epoch; each one begins with the clean images.": [
            "for _ -> noisy = x.copy()\n    for _",
            "fit_epoch(np.clip(x + noise -> noisy = noisy + noise\n        fit_epoch(np.clip(noisy",
        ],
        "the targets are the clean images.": "0, 1), x) -> 0, 1), np.clip(x + noise, 0, 1))",
        "inputs and targets have changed places.": (
            "fit_epoch(np.clip(x + noise, 0, 1), x) -> fit_epoch(x, np.clip(x + noise, 0, 1))"
        ),
        "all images get the same noise: every pixel of every image has its own.": "x.shape) -> x.shape[1])",
        "the pixels of an image get the same noise.": "size=x.shape) -> size=(len(x), 1))",
        "pixels stay in [0, 1].": "np.clip(x + noise, 0, 1) -> x + noise",
        "what passes 1 is clipped, too.": "np.clip(x + noise, 0, 1) -> np.maximum(x + noise, 0)",
        "the noisy image is clipped, not the noise.": "np.clip(x + noise, 0, 1) -> x + np.clip(noise, 0, 1)",
        "level is the standard deviation, not the variance.": "level * rng -> level**0.5 * rng",
        "uniform is not normal.": "rng.normal(size=x.shape) -> 3**0.5 * rng.uniform(-1, 1, x.shape)",
        "the noise makes pixels darker as often as brighter.": "x + noise -> x + abs(noise)",
        "fit_epoch is called once for each epoch.": "range(epochs) -> range(1)",
        "there is no noise.": "x + noise -> x",
    },
    atol=0.05,  # of means over 40,000 pixels
)
def train_denoiser(fit_epoch, x, level, epochs, rng):
    """Call ``fit_epoch(inputs, targets)`` for each epoch: ``x`` (n, d) with new clipped noise, and ``x``."""
    for _ in range(epochs):
        noise = level * rng.normal(size=x.shape)
        fit_epoch(np.clip(x + noise, 0, 1), x)


def _epochs(attempt, level, rng):
    """Return inputs and targets of three epochs with 200 images of 200 grey pixels (0.5)."""
    seen = []

    def fit_epoch(inputs, targets):
        seen.append(np.array([inputs, targets], dtype="float64"))

    attempt(fit_epoch, np.full((200, 200), 0.5), level, 3, rng)
    return seen


@train_denoiser.case
def _train_denoiser_with_weak_noise(attempt):
    """train_denoiser with level 0.04, 3 epochs, and pixels of 0.5"""
    seen = _epochs(attempt, 0.04, np.random.default_rng(7))
    noise = [(inputs - 0.5) / 0.04 for inputs, _ in seen]
    return {
        "calls of fit_epoch": len(seen),
        "targets in [0.49, 0.51]": [np.mean(np.abs(targets - 0.5) < 0.01) for _, targets in seen],
        "mean of inputs - 0.5, as a share of level": [part.mean() for part in noise],
        "standard deviation of the inputs, as a share of level": [part.std() for part in noise],
        "correlation of the noise of two epochs": float(np.mean(noise[0] * noise[-1])),
        "images differ in their noise": bool(noise[0].mean(axis=0).std() < 0.2),
        "pixels differ in their noise": bool(noise[0].mean(axis=1).std() < 0.2),
        "share beyond two standard deviations": np.mean(np.abs(noise[0]) > 2),
    }


@train_denoiser.case
def _train_denoiser_clips(attempt):
    """train_denoiser with level 1, and pixels of 0.5: shares of black, of white, of pixels outside [0, 1]"""
    inputs = _epochs(attempt, 1.0, np.random.default_rng(7))[0][0]
    return [np.mean(inputs == 0), np.mean(inputs == 1), np.mean((inputs < 0) | (inputs > 1))]


@train_denoiser.property
def _train_denoiser_uses_rng(attempt):
    expect.uses_generator(lambda rng: np.array(_epochs(attempt, 0.3, rng)), "inputs")


# 6. The brightness of a noisy pixel ---------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([0, 1]), 1),
        (np.array([[0.2, 0.5, 1.0]]), 0.5),
        (np.array([0.03, 0.9]), 0.05),
        (np.array(0.3), 2.0),
    ],
    mistakes={
        "what is above 1 becomes 1: with which probability?": " + above -> ",
        "what is below 0 becomes 0, it gives nothing.": " + above -> + above + norm.cdf(low)",
        "what is the integral of z times its density? Look at the sign.": (
            "pdf(low) - norm.pdf(high) -> pdf(high) - norm.pdf(low)"
        ),
        "in the middle part z is multiplied by s.": "s * (norm -> (norm",
        "the middle part has a second term, with z.": " + s * (norm.pdf(low) - norm.pdf(high)) -> ",
        "the first term of the middle part has only the probability of the middle.": "x * inside -> x",
        "the middle part is x + s z: where is x?": "x * inside -> inside",
        "this is the mean of those that are not clipped.": (
            "x * inside + s * (norm.pdf(low) - norm.pdf(high)) + above -> "
            "x + s * (norm.pdf(low) - norm.pdf(high)) / inside"
        ),
        "the noise is clipped; without that the mean would be x.": "inside = -> return x\n    inside =",
        "at which z is x + s z = 0?": "-x / s -> x / s",
        "at which z is x + s z = 1?": "(1 - x) / s -> 1 / s",
        "s is the standard deviation, not the variance.": "low = -> s = np.sqrt(s)\n    low =",
        "this is the probability to be below 1.": "1 - norm.cdf(high) -> norm.cdf(high)",
        "the density and the distribution function have changed places.": "norm.pdf -> norm.cdf",
        "clip has two ends; black is cut off, too.": "-x / s -> np.full(np.shape(x), -np.inf)",
        "clip has two ends; white is cut off, too.": "(1 - x) / s -> np.full(np.shape(x), np.inf)",
    },
)
def brightness(x, s):
    """Return the mean of clip(x + s z, 0, 1) over a normal z, for each element of ``x``."""
    from scipy.stats import norm

    low = -x / s
    high = (1 - x) / s
    inside = norm.cdf(high) - norm.cdf(low)
    above = 1 - norm.cdf(high)
    return x * inside + s * (norm.pdf(low) - norm.pdf(high)) + above


# 7. An honest score -------------------------------------------------------------------------------


def _luck(setting):
    """Return a classifier whose accuracy depends on its setting and its data as if by chance."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Luck(ClassifierMixin, BaseEstimator):  # so that no two ways to choose agree
        def __init__(self, setting):
            self.setting = setting

        def fit(self, x, y):
            self.seen = x
            return self

        def score(self, x, y):
            return np.random.default_rng([self.setting, *self.seen[[0, -1]].flat, *x[[0, -1]].flat]).random()

    return Luck(setting)


def _labelled(seed):
    """Return 30 labelled images of two pixels and 20 of a test set, of two classes."""
    x, y = np.random.default_rng(seed).integers(0, 1000, size=(50, 2)), np.arange(50) % 2
    return x[:30], y[:30], x[30:], y[30:]


@exercise(
    cases=[
        (_luck, tuple(range(16)), *_labelled(399)),  # here other ways to choose end elsewhere
        (_luck, [5, 3, 1], *_labelled(1)),
    ],
    mistakes={
        "the test set is opened for each setting; it may not choose.": (
            "cross_val_score(model, x, y, cv=5) -> np.array(model.fit(x, y).score(x_test, y_test))"
        ),
        "on images that it was trained on, every classifier looks good.": (
            "cross_val_score(model, x, y, cv=5) -> np.array(model.fit(x, y).score(x, y))"
        ),
        "the test set is wanted, this is the accuracy in the cross-validation.": (
            "return final.score(x_test, y_test) -> return max(means)"
        ),
        "the cross-validation sees labelled images only.": "model, x, y, cv -> model, x_test, y_test, cv",
        "the highest accuracy is wanted, not the lowest.": "argmax -> argmin",
        "five folds, cv=5.": "cv=5 -> cv=10",
        "the best of five folds is luck; take their mean.": ".mean() -> .max()",
        "train on the labelled images, not on the test set.": "n).fit(x, y) -> n).fit(x_test, y_test)",
        "the labelled images are known; score the test set.": "score(x_test, y_test) -> score(x, y)",
        "this is the first setting; compare them all.": "int(np.argmax(means)) -> 0",
        "this is the setting; its accuracy is wanted.": "return final.score(x_test, y_test) -> return chosen",
        "train on all labelled images, not on a part.": "(chosen).fit(x, y) -> (chosen).fit(x[:24], y[:24])",
    },
    prepare=lambda: _luck(1),
)
def honest_score(make, settings, x, y, x_test, y_test):
    """Return the test accuracy of make(setting), the setting chosen by 5-fold cross-validation on x, y."""
    from sklearn.model_selection import cross_val_score

    means = [cross_val_score(model, x, y, cv=5).mean() for model in map(make, settings)]
    chosen = settings[int(np.argmax(means))]
    final = make(chosen).fit(x, y)
    return final.score(x_test, y_test)


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
