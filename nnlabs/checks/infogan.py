"""Checks of lab 12: mutual information and its lower bound, InfoGAN's code, matching, moments.

A joint table has X in its rows and Y in its columns. Keras is loaded only by the exercise that uses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise
from nnlabs.checks.expect import FLOAT32

CATEGORIES = 10


# ---------------------------------------------------------------- 1. entropy


def _surprise(p: np.ndarray) -> np.ndarray:
    """Return -p log p of each value; 0 where p is 0."""
    return -p * np.log(np.where(p > 0, p, 1.0))


@exercise(
    cases=[
        (np.array([0.2, 0.3, 0.5]),),
        (np.array([0.25, 0.75]),),
        (np.array([[0.1, 0.4, 0.1], [0.2, 0.15, 0.05]]),),
        (np.array([0.0, 0.3, 0.7]),),
    ],
    mistakes={
        "look at the sign: the logarithm of a probability is not positive, an entropy is not negative.": (
            lambda p: -_surprise(p).sum()
        ),
        "this is in bits; a nat belongs to the natural logarithm.": lambda p: _surprise(p).sum() / np.log(2),
        "this is in units of log10; a nat belongs to the natural logarithm.": (
            lambda p: _surprise(p).sum() / np.log(10)
        ),
        "this is the mean over the values of p; the weight of each value is p itself, so sum.": (
            lambda p: _surprise(p).mean()
        ),
        "each surprise -log p is weighted with its probability: where is the factor p?": (
            lambda p: -np.log(p).sum()
        ),
        "the terms are not summed yet.": _surprise,
        "also a table has one entropy: sum over all its cells.": lambda p: _surprise(p).sum(axis=-1),
        "a value with probability 0 adds nothing, but log(0) is infinite: leave it out.": (
            lambda p: -np.sum(p * np.log(p))
        ),
    },
)
def entropy(p: np.ndarray) -> float:
    """Return the entropy in nats of probabilities in an array of any shape; 0 log 0 counts as 0."""
    return float(_surprise(p).sum())


# ---------------------------------------------------------------- 2. mutual information


def _entropies(joint: np.ndarray) -> tuple[float, float, float]:
    """Return H(X), H(Y) and H(X, Y)."""
    tables = joint.sum(axis=1), joint.sum(axis=0), joint
    return tuple(float(_surprise(table).sum()) for table in tables)


def _of_entropies(combine: Callable) -> Callable:
    """Return a function of a joint table that combines its three entropies; ``combine`` may be wrong."""
    return lambda joint: combine(*_entropies(joint))


@exercise(
    cases=[
        (np.array([[0.30, 0.05, 0.15], [0.05, 0.35, 0.10]]),),
        (np.outer([0.5, 0.3, 0.2], [0.6, 0.4]),),
        (np.array([[0.4, 0.0], [0.1, 0.2], [0.0, 0.3]]),),
    ],
    mistakes={
        "the sign is reversed: X and Y never say less than nothing about each other.": _of_entropies(
            lambda h_x, h_y, h_xy: h_xy - h_x - h_y
        ),
        "this is H(X|Y), what remains unknown; it is subtracted from H(X).": _of_entropies(
            lambda h_x, h_y, h_xy: h_xy - h_y
        ),
        "this is H(Y) - H(X, Y), which is -H(X|Y): H(X) is not in it yet.": _of_entropies(
            lambda h_x, h_y, h_xy: h_y - h_xy
        ),
        "this is H(X) - H(X, Y), which is -H(Y|X): H(Y) is not in it yet.": _of_entropies(
            lambda h_x, h_y, h_xy: h_x - h_xy
        ),
        "this is H(Y|X), what remains unknown; it is subtracted from H(Y).": _of_entropies(
            lambda h_x, h_y, h_xy: h_xy - h_x
        ),
        "this is the entropy of the table, H(X, Y).": _of_entropies(lambda h_x, h_y, h_xy: h_xy),
        "H(X|Y) belongs to H(X), and H(Y|X) to H(Y): are rows and columns mixed up?": _of_entropies(
            lambda h_x, h_y, h_xy: 2 * h_x - h_xy
        ),
        "H(X|Y) belongs to H(X), and H(Y|X) to H(Y): look again at rows and columns.": _of_entropies(
            lambda h_x, h_y, h_xy: 2 * h_y - h_xy
        ),
        "this is the sum of both entropies: what they share is counted twice.": _of_entropies(
            lambda h_x, h_y, h_xy: h_x + h_y
        ),
        "this is in bits; a nat belongs to the natural logarithm.": _of_entropies(
            lambda h_x, h_y, h_xy: (h_x + h_y - h_xy) / np.log(2)
        ),
        "this is the divergence the other way round: the joint table is what the mean is taken over.": (
            lambda joint: _reversed_divergence(joint)
        ),
        "a cell with probability 0 adds nothing, but log(0) is infinite: leave it out.": (
            lambda joint: np.sum(joint * np.log(joint / _independent(joint)))
        ),
    },
)
def mutual_information(joint: np.ndarray) -> float:
    """Return I(X, Y) in nats of a table of probabilities, X in the rows, Y in the columns."""
    h_x, h_y, h_xy = _entropies(joint)
    return h_x + h_y - h_xy


def _independent(joint: np.ndarray) -> np.ndarray:
    return np.outer(joint.sum(axis=1), joint.sum(axis=0))


def _reversed_divergence(joint: np.ndarray) -> float:
    independent = _independent(joint)
    return np.sum(independent * np.log(independent / joint))


# ---------------------------------------------------------------- 3. the lower bound


def _guesses(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log Q(k|x_i) (n, k), drawn categories (n,) and a prior (k,) that is not uniform."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(k, 5.0))
    return np.log(rng.dirichlet(np.ones(k), size=n)), rng.integers(k, size=n), prior


def _score(log_q: np.ndarray, categories: np.ndarray) -> np.ndarray:
    return log_q[np.arange(len(categories)), categories]


@exercise(
    cases=[_guesses(7, 4, seed=1), _guesses(5, 3, seed=2), _guesses(4, 4, seed=3)],
    mistakes={
        "H(c) is missing: it is the entropy of the prior.": lambda log_q, c, prior: _score(log_q, c).mean(),
        "H(c) is added, not subtracted.": lambda log_q, c, prior: (
            _score(log_q, c).mean() - _surprise(prior).sum()
        ),
        "log Q is negative and makes the bound smaller: look at its sign.": lambda log_q, c, prior: (
            _surprise(prior).sum() - _score(log_q, c).mean()
        ),
        "this is the sum over the images; take their mean.": lambda log_q, c, prior: (
            _score(log_q, c).sum() + _surprise(prior).sum()
        ),
        "the prior need not be uniform: log K is the entropy only if all categories are equally likely.": (
            lambda log_q, c, prior: _score(log_q, c).mean() + np.log(len(prior))
        ),
        "this takes Q's favourite; the category that made the image counts, however unlikely Q finds it.": (
            lambda log_q, c, prior: log_q.max(axis=1).mean() + _surprise(prior).sum()
        ),
        "this is the mean of log Q over Q's own guesses; the category that made the image counts.": (
            lambda log_q, c, prior: (np.exp(log_q) * log_q).sum(axis=1).mean() + _surprise(prior).sum()
        ),
        "this is the mean over all categories; only the one that made the image counts.": (
            lambda log_q, c, prior: log_q.mean() + _surprise(prior).sum()
        ),
        "each image has one category: log_q[:, categories] takes all of them for each image.": (
            lambda log_q, c, prior: log_q[:, c].mean() + _surprise(prior).sum()
        ),
        "log_q holds logarithms already.": lambda log_q, c, prior: (
            np.log(_score(log_q, c)).mean() + _surprise(prior).sum()
        ),
        "this is the mean of Q itself; the mean of its logarithm is wanted.": lambda log_q, c, prior: (
            np.exp(_score(log_q, c)).mean() + _surprise(prior).sum()
        ),
        "return one number: the mean over the images.": lambda log_q, c, prior: (
            _score(log_q, c) + _surprise(prior).sum()
        ),
    },
)
def lower_bound(log_q: np.ndarray, categories: np.ndarray, prior: np.ndarray) -> float:
    """Return mean log Q(c|x) + H(c): log_q (n, K), the categories (n,) that made the images, prior (K,)."""
    return float(_score(log_q, categories).mean() + _surprise(prior).sum())


# ---------------------------------------------------------------- 4. the generator's input


@exercise()
def draw_inputs(n: int, noise: int, rng: np.random.Generator) -> np.ndarray:
    """Return n rows of z (standard normal), c1 (one of ten, as a one-hot row) and c2, c3 (in [-1, 1])."""
    z = rng.normal(size=(n, noise))
    c1 = np.eye(CATEGORIES)[rng.integers(CATEGORIES, size=n)]
    c23 = rng.uniform(-1, 1, size=(n, 2))
    return np.concatenate([z, c1, c23], axis=1).astype("float32")


def _parts(attempt: Callable, n: int, noise: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z, c1 and c2, c3 of one call, once the shape and the kind of numbers are right."""
    found = attempt(n, noise, np.random.default_rng(seed))
    expect.true(found is not None, "draw_inputs returns None.", "is the return statement missing?")
    array, shape = expect.as_array(found), (n, noise + CATEGORIES + 2)
    hints = {
        (n, noise + 3): "the category is a row of ten numbers, not one number.",
        (n, noise + CATEGORIES + 1): "c2 and c3 are two numbers.",
        (n, noise + CATEGORIES): "where are c2 and c3?",
        shape[::-1]: "it looks transposed: one row for each image.",
    }
    expect.true(
        array.shape == shape,
        f"draw_inputs({n}, {noise}, rng): expected shape {shape}, found {array.shape}.",
        hints.get(array.shape, "put z, the ten columns of c1, and c2, c3 side by side."),
    )
    expect.true(
        array.dtype == np.float32,
        f"Expected numbers of the type float32, found {array.dtype}.",
        "a network computes in float32: .astype changes the type.",
    )
    return np.split(array.astype("float64"), [noise, noise + CATEGORIES], axis=1)


@draw_inputs.property
def _categories_are_one_hot(attempt: Callable) -> None:
    for noise in (16, 3):
        _, c1, _ = _parts(attempt, 2000, noise, seed=4)
        expect.true(
            bool(np.isin(c1, (0, 1)).all()),
            "The columns of c1 should hold only 0 and 1.",
            "z comes first, then the ten columns of c1, then c2 and c3.",
        )
        expect.true(
            bool((c1.sum(axis=1) == 1).all()),
            f"A row of c1 should have a single 1; one has {c1.sum(axis=1).max():g}.",
            "draw one category for each row: a row of np.eye(10) is its one-hot form.",
        )
        shares = c1.mean(axis=0)
        expect.true(
            bool(shares.max() < 0.5),
            f"Category {shares.argmax()} is drawn in {shares.max():.0%} of the rows.",
            "each row needs its own category.",
        )
        expect.true(
            bool(shares.min() > 0),
            f"Category {shares.argmin()} is never drawn.",
            "does rng.integers(k) include k?",
        )
        expect.true(
            bool(shares.max() < 0.14) and bool(shares.min() > 0.06),
            f"In 2,000 rows the shares of the categories go from {shares.min():.2f} to {shares.max():.2f}.",
            "all ten are equally likely.",
        )


@draw_inputs.property
def _continuous_codes_are_uniform(attempt: Callable) -> None:
    _, _, c23 = _parts(attempt, 4000, 16, seed=5)
    low, high = c23.min(), c23.max()
    expect.true(
        bool(low >= -1) and bool(high <= 1),
        f"c2 and c3 should lie in [-1, 1]; they go from {low:.2f} to {high:.2f}.",
        "they are uniform, not normal.",
    )
    expect.true(
        bool(low < -0.95) and bool(high > 0.95),
        f"c2 and c3 should fill [-1, 1]; they go from {low:.2f} to {high:.2f}.",
        "rng.uniform takes the two ends of the interval.",
    )
    expect.true(
        bool(abs(c23.var() - 1 / 3) < 0.03),
        f"The variance of c2 and c3 is {c23.var():.2f}; uniform on [-1, 1] it is 1/3.",
        "they take all values between the ends, equally often.",
    )
    expect.true(
        bool(abs(np.corrcoef(c23.T)[0, 1]) < 0.1),
        "c2 and c3 are not independent.",
        "draw two numbers for each row.",
    )


@draw_inputs.property
def _noise_is_normal(attempt: Callable) -> None:
    z, _, c23 = _parts(attempt, 4000, 8, seed=6)
    expect.true(
        bool(np.ptp(z, axis=0).min() > 0.1),
        "All rows have the same z.",
        "each row needs its own noise: draw it in the shape (n, noise).",
    )
    expect.true(
        bool(np.abs(z.mean(axis=0)).max() < 0.1) and bool(np.abs(z.std(axis=0) - 1).max() < 0.1),
        f"z should have mean 0 and deviation 1; found {z.mean():.2f} and {z.std():.2f}.",
        "z is standard normal.",
    )
    expect.true(
        bool(np.abs(np.corrcoef(np.concatenate([z, c23], axis=1).T) - np.eye(10)).max() < 0.1),
        "The columns of z are not independent.",
        "each row has its own z with `noise` different numbers.",
    )


@draw_inputs.property
def _uses_the_generator(attempt: Callable) -> None:
    first, second = (np.concatenate(_parts(attempt, 5, 4, seed=7), axis=1) for _ in range(2))
    expect.true(
        np.array_equal(first, second),
        "Two generators with the same seed give different inputs.",
        "draw everything from rng, the third argument.",
    )
    rng = np.random.default_rng(8)
    expect.true(
        not np.array_equal(attempt(5, 4, rng), attempt(5, 4, rng)),
        "A second call gives the same inputs.",
        "use the rng that is given; a new generator begins again.",
    )
    orders = [_parts(attempt, 50, 4, seed=seed)[1] for seed in (7, 8)]
    expect.true(
        not np.array_equal(*orders),
        "Another rng gives the same categories in the same order.",
        "draw the category of each row from rng.",
    )


# ---------------------------------------------------------------- 5. the information loss


def _answers(n: int, seed: int, weight: float) -> tuple:
    """Return c1 (n, 10), c23 (n, 2), logits (n, 10), means (n, 2) and the weight."""
    rng = np.random.default_rng(seed)
    c1 = np.eye(CATEGORIES)[rng.integers(CATEGORIES, size=n)]
    parts = c1, rng.uniform(-1, 1, (n, 2)), 2 * rng.normal(size=(n, CATEGORIES)), rng.normal(size=(n, 2))
    return (*(part.astype("float32") for part in parts), weight)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def _losses(combine: Callable) -> Callable:
    """Return a loss that combines surprises (n,), squares (n, 2) and the weight; ``combine`` may be wrong."""

    def loss(
        c1: np.ndarray, c23: np.ndarray, logits: np.ndarray, means: np.ndarray, weight: float
    ) -> np.ndarray:
        surprise = -np.sum(c1 * _log_softmax(logits), axis=-1)
        return combine(surprise, np.square(c23 - means), weight)

    return loss


@exercise(
    cases=[_answers(6, seed=9, weight=0.3), _answers(4, seed=10, weight=2.0)],
    mistakes={
        "the sign is that of the bound; a loss is small where Q is right.": _losses(
            lambda s, e, weight: -s.mean() - weight * e.mean()
        ),
        "look at the sign of the cross-entropy.": _losses(lambda s, e, weight: -s.mean() + weight * e.mean()),
        "look at the sign of the squared error.": _losses(lambda s, e, weight: s.mean() - weight * e.mean()),
        "where is the weight of the squared error?": _losses(lambda s, e, weight: s.mean() + e.mean()),
        "the weight belongs to the squared error, not to the cross-entropy.": _losses(
            lambda s, e, weight: weight * s.mean() + e.mean()
        ),
        "the weight belongs to the squared error only.": _losses(
            lambda s, e, weight: weight * (s.mean() + e.mean())
        ),
        "where are c2 and c3?": _losses(lambda s, e, weight: s.mean()),
        "where is c1?": _losses(lambda s, e, weight: weight * e.mean()),
        "these are sums over the images; take means.": _losses(
            lambda s, e, weight: s.sum() + weight * e.sum()
        ),
        "the squared error is a mean over the images and over both codes.": _losses(
            lambda s, e, weight: s.mean() + weight * e.sum(axis=-1).mean()
        ),
        "the cross-entropy sums over the ten categories; only one of them is not 0.": _losses(
            lambda s, e, weight: s.mean() / CATEGORIES + weight * e.mean()
        ),
        "return one number for the batch: the mean over its images.": _losses(
            lambda s, e, weight: s + weight * e.mean(axis=-1)
        ),
        "this is the absolute error; a Gaussian Q gives the squared one.": _losses(
            lambda s, e, weight: s.mean() + weight * np.sqrt(e).mean()
        ),
        "the logits are no probabilities yet: which function makes them so?": (
            lambda c1, c23, logits, means, weight: (
                -np.sum(c1 * np.log(logits), axis=-1).mean() + weight * np.square(c23 - means).mean()
            )
        ),
        "the logits are no probabilities yet: is from_logits=True missing?": (
            lambda c1, c23, logits, means, weight: (
                _clipped(c1, logits) + weight * np.square(c23 - means).mean()
            )
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def information_loss(c1: Any, c23: Any, logits: Any, means: Any, weight: float) -> Any:
    """Return the mean cross-entropy of c1 (one-hot) plus weight times the mean squared error of c2, c3."""
    from keras import ops

    surprise = ops.categorical_crossentropy(c1, logits, from_logits=True)
    return ops.mean(surprise) + weight * ops.mean(ops.square(c23 - means))


def _clipped(c1: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Keras's cross-entropy of values that are taken for probabilities: scaled and clipped."""
    p = np.clip(values / values.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)
    return -np.sum(c1 * np.log(p), axis=-1).mean()


@information_loss.property
def _information_loss_is_stable(attempt: Callable) -> None:
    c1, c23, _, means, weight = _answers(2, seed=11, weight=0.0)
    logits = 300 * (1 - 2 * c1)
    expect.close(
        attempt(c1, c23, logits, means, weight),
        600 + np.log(9),
        "information_loss for large logits",
        "a probability that was rounded to 0 has no logarithm: use a cross-entropy from logits.",
        **FLOAT32,
    )


@information_loss.property
def _information_loss_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((4, size)) for size in (CATEGORIES, 2, CATEGORIES, 2)]
    expect.symbolic(attempt, [*tensors, 0.1], (), "information_loss(c1, c23, logits, means, weight)")


# ---------------------------------------------------------------- 6. the best matching


def _renamed(n: int, seed: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    """Return categories and classes that agree, under other names, with probability ``right``."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(CATEGORIES, size=n)
    kept = rng.random(n) < right
    return np.where(kept, rng.permutation(CATEGORIES)[classes], rng.integers(CATEGORIES, size=n)), classes


def _shared_class(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return categories of which two prefer class 1, and classes of which one is in no category."""
    rng = np.random.default_rng(seed)
    categories = rng.integers(CATEGORIES, size=n)
    favourites = np.array([3, 1, 1, 0, 7, 2, 4, 8, 6, 9])
    second = np.array([0, 5, 8, 3, 2, 7, 4, 1, 6, 9])
    return categories, np.where(rng.random(n) < 0.6, favourites[categories], second[categories])


def _table(categories: np.ndarray, classes: np.ndarray) -> np.ndarray:
    counts = np.zeros((CATEGORIES, CATEGORIES))
    np.add.at(counts, (categories, classes), 1)
    return counts


def _matched(counts: np.ndarray, *, maximize: bool = True) -> float:
    from scipy.optimize import linear_sum_assignment

    return counts[linear_sum_assignment(counts, maximize=maximize)].sum() / counts.sum()


def _greedy(counts: np.ndarray) -> float:
    """Take the largest count, strike out its row and column, and so on."""
    left, total = counts.copy(), 0.0
    for _ in range(CATEGORIES):
        row, column = np.unravel_index(left.argmax(), left.shape)
        total += counts[row, column]
        left[row], left[:, column] = -1, -1
    return total / counts.sum()


@exercise(
    cases=[_shared_class(400, seed=12), _renamed(300, seed=13, right=0.7), _renamed(200, seed=14, right=0.1)],
    mistakes={
        "this compares names: category 3 need not be the digit 3.": lambda k, y: np.mean(k == y),
        "this gives each category its most frequent class: two categories may share a class.": lambda k, y: (
            _table(k, y).max(axis=1).sum() / len(y)
        ),
        "this gives each class its most frequent category: two classes may share a category.": lambda k, y: (
            _table(k, y).max(axis=0).sum() / len(y)
        ),
        "this takes the largest count first and so on; what is left over may be worse than another choice.": (
            lambda k, y: _greedy(_table(k, y))
        ),
        "linear_sum_assignment looks for the smallest sum unless it is told otherwise.": lambda k, y: (
            _matched(_table(k, y), maximize=False)
        ),
        "this is a number of images; their share is wanted.": lambda k, y: _matched(_table(k, y)) * len(y),
        "this is the share that does not agree.": lambda k, y: 1 - _matched(_table(k, y)),
        "two categories may share a class here; and a small category counts as much as a large one.": (
            lambda k, y: np.mean(_table(k, y).max(axis=1) / _table(k, y).sum(axis=1))
        ),
        "the counts are divided by the sizes of the categories; divide the sum by the number of images.": (
            lambda k, y: np.mean(_per_category(_table(k, y)))
        ),
    },
)
def matched_agreement(categories: np.ndarray, classes: np.ndarray) -> float:
    """Return the share of images that agree under the best one-to-one matching of categories and classes."""
    return _matched(_table(categories, classes))


def _per_category(counts: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    shares = counts / counts.sum(axis=1, keepdims=True)
    return shares[linear_sum_assignment(shares, maximize=True)]


# ---------------------------------------------------------------- 7. the slant


def _ink(n: int, seed: int) -> np.ndarray:
    """Return images (n, 28, 28) of slanted smears, off the centre."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28] - 13.5
    low, high = [-0.6, -3, -3, 1.5, 3], [0.6, 3, 3, 3, 6]
    a, dx, dy, width, height = rng.uniform(low, high, (n, 5)).T[..., None, None]
    return np.exp(-(((x - dx + a * (y - dy)) / width) ** 2) - ((y - dy) / height) ** 2)


def _moments(images: np.ndarray, origin: float | None) -> tuple[np.ndarray, ...]:
    """Return the moments xy, yy, xx divided by the ink, about the centre of the ink or another origin."""
    y, x = np.mgrid[:28, :28].astype("float64")
    ink = images.sum(axis=(1, 2))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.sum(images * values, axis=(1, 2)) / ink

    dx, dy = (axis - (mean(axis)[:, None, None] if origin is None else origin) for axis in (x, y))
    return mean(dx * dy), mean(dy**2), mean(dx**2)


def _slants(formula: Callable, origin: float | None = None) -> Callable:
    """Return a function of images that combines the moments xy, yy, xx; ``formula`` may be wrong."""
    return lambda images: formula(*_moments(images, origin))


@exercise(
    cases=[(_ink(5, seed=15),), (_ink(3, seed=16),)],
    mistakes={
        "rows are counted downwards: what does that do to the sign?": _slants(lambda xy, yy, xx: xy / yy),
        "this divides by the spread from left to right; the height is what the ink leans over.": _slants(
            lambda xy, yy, xx: -xy / xx
        ),
        "this divides by the spread from left to right, and the sign is reversed.": _slants(
            lambda xy, yy, xx: xy / xx
        ),
        "take the distances from the centre of the ink, not from a corner of the image.": _slants(
            lambda xy, yy, xx: -xy / yy, origin=0.0
        ),
        "take the distances from the centre of the ink, not from the centre of the image.": _slants(
            lambda xy, yy, xx: -xy / yy, origin=13.5
        ),
        "this is the correlation of x and y; the slant is a change of x for each step of y.": _slants(
            lambda xy, yy, xx: -xy / np.sqrt(xx * yy)
        ),
        "this is an angle; its tangent is wanted.": _slants(lambda xy, yy, xx: np.arctan(-xy / yy)),
        "this is the moment alone; where is the division by the spread in height?": _slants(
            lambda xy, yy, xx: -xy
        ),
        "this is one number; each image has its own slant.": _slants(lambda xy, yy, xx: np.mean(-xy / yy)),
    },
)
def slant(images: np.ndarray) -> np.ndarray:
    """Return -mu_11 / mu_02 of each image (n, 28, 28): positive if its top leans to the right."""
    xy, yy, _ = _moments(images, origin=None)
    return -xy / yy


@slant.property
def _slant_of_a_sheared_bar(attempt: Callable) -> None:
    y, x = np.mgrid[:28, :28] - 13.5
    bars = np.stack([np.exp(-((x + a * y) ** 2)) * (abs(y) < 8) for a in (-0.4, 0.0, 0.4)])
    expect.close(attempt(bars), np.array([-0.4, 0.0, 0.4]), "slant of three sheared bars", atol=0.02)


# ---------------------------------------------------------------- 8. names for the categories


def _labelled(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (n, 10) and labels (n,)."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(CATEGORIES, 0.5), size=n), rng.integers(CATEGORIES, size=n)


@exercise(
    cases=[_labelled(40, seed=17), _labelled(25, seed=18), _labelled(10, seed=19)],
    mistakes={
        "these are numbers of images; their labels are wanted.": lambda p, labels: p.argmax(axis=0),
        "look for the image that each category is surest of, not for the category of each image.": (
            lambda p, labels: labels[p.argmax(axis=1)]
        ),
        "this is the category of each image; a label for each category is wanted.": lambda p, labels: (
            p.argmax(axis=1)
        ),
        "this takes the image that the category fits least.": lambda p, labels: labels[p.argmin(axis=0)],
        "these are probabilities; the labels of the surest images are wanted.": lambda p, labels: p.max(
            axis=0
        ),
        "this is the category of each class; turn it round.": lambda p, labels: _category_of_each_class(
            p, labels
        ),
        "this sums the probabilities over each class, so it uses all labels; only ten may be asked for.": (
            lambda p, labels: (np.eye(CATEGORIES)[labels].T @ p).argmax(axis=0)
        ),
        "this gives each category the most frequent label of all.": lambda p, labels: np.full(
            CATEGORIES, np.bincount(labels).argmax()
        ),
    },
)
def name_categories(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each category the label of the image that it fits best: (n, 10) and (n,) in, (10,) out."""
    return labels[probabilities.argmax(axis=0)]


def _category_of_each_class(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.array([p[labels == label].max(axis=0).argmax() for label in range(CATEGORIES)])
