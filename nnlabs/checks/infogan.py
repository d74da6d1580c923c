"""Checks of lab 12: mutual information and its lower bound, InfoGAN's code, matching, moments.

A joint table has X in its rows and Y in its columns. Keras is loaded only by the exercise that uses it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

CATEGORIES = 10


# ---------------------------------------------------------------- 1. entropy


@exercise(
    cases=[
        (np.array([0.2, 0.3, 0.5]),),
        (np.array([[0.1, 0.4, 0.1], [0.2, 0.15, 0.05]]),),
        (np.array([0.0, 0.3, 0.7]),),
    ],
    mistakes={
        "look at the sign: log p is not positive, an entropy is not negative.": "-np.sum -> np.sum",
        "this is in bits; a nat belongs to the natural logarithm.": "np.log -> np.log2",
        "this is in units of log10; a nat belongs to the natural logarithm.": "np.log -> np.log10",
        "this is the mean over the values of p; the weight of each value is p itself, so sum.": "sum -> mean",
        "each surprise -log p is weighted with its probability: where is the factor p?": "some * -> ",
        "the terms are not summed yet.": "np.sum( -> (",
        "also a table has one entropy: sum over all its cells.": ["p[p > 0] -> p", "me)) -> me), axis=-1)"],
        "a value with probability 0 adds nothing, but log(0) is infinite: leave it out.": "p[p > 0] -> p",
    },
)
def entropy(p):
    """Return the entropy in nats of probabilities in an array of any shape; 0 log 0 counts as 0."""
    some = p[p > 0]
    return -np.sum(some * np.log(some))


# ---------------------------------------------------------------- 2. mutual information


_TABLE = "known = h_x + h_y - h_xy -> q = np.outer(joint.sum(axis=1), joint.sum(axis=0))\n    known = "


@exercise(
    cases=[
        (np.array([[0.2, 0.1, 0.1], [0.05, 0.15, 0.4]]),),
        (np.outer([0.5, 0.3, 0.2], [0.6, 0.4]),),
        (np.array([[0.4, 0.0], [0.1, 0.2], [0.0, 0.3]]),),
    ],
    mistakes={
        "the sign is reversed: X and Y never say less than nothing.": "return known -> return -known",
        "this is H(X|Y), what remains unknown; it is subtracted from H(X).": "h_x + h_y - h_xy -> h_xy - h_y",
        "this is H(Y) - H(X, Y), which is -H(X|Y): H(X) is not in it yet.": "h_x + h_y -> h_y",
        "this is H(X) - H(X, Y), which is -H(Y|X): H(Y) is not in it yet.": "h_x + h_y -> h_x",
        "this is H(Y|X), what remains unknown; it is subtracted from H(Y).": "h_x + h_y - h_xy -> h_xy - h_x",
        "this is the entropy of the table, H(X, Y).": "h_x + h_y - h_xy -> h_xy",
        "H(X|Y) belongs to H(X), and H(Y|X) to H(Y): are rows and columns mixed up?": "h_x + h_y -> 2 * h_x",
        "H(X|Y) belongs to H(X), and H(Y|X) to H(Y): look again at rows and columns.": "h_x + h_y -> 2 * h_y",
        "this is the sum of both entropies: what they share is counted twice.": " - h_xy -> ",
        "this is in bits; use the natural logarithm.": "return known -> return known / np.log(2)",
        "this is the divergence the other way round: take the mean over the joint table.": (
            f"{_TABLE}np.sum(q * np.log(q / joint))"
        ),
        "a cell with probability 0 adds nothing, but log(0) is infinite: leave it out.": (
            f"{_TABLE}np.sum(joint * np.log(joint / q))"
        ),
    },
)
def mutual_information(joint):
    """Return I(X, Y) in nats of a table of probabilities, X in the rows, Y in the columns."""
    h_x, h_y, h_xy = map(entropy.reference, (joint.sum(axis=1), joint.sum(axis=0), joint))
    known = h_x + h_y - h_xy
    return known


# ---------------------------------------------------------------- 3. the lower bound


def _guesses(n, k, seed):
    """Return log Q(k|x_i) (n, k), drawn categories (n,) and a prior (k,) that is not uniform."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.full(k, 5.0))
    return np.log(rng.dirichlet(np.ones(k), size=n)), rng.integers(k, size=n), prior


@exercise(
    cases=[
        (
            np.log([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.7, 0.2, 0.1]]),
            np.array([0, 2, 2, 1]),
            np.array([0.5, 0.25, 0.25]),
        ),
        _guesses(7, 4, seed=1),
        _guesses(4, 4, seed=3),
    ],
    mistakes={
        "H(c) is missing: it is the entropy of the prior.": " + entropy.reference(prior) -> ",
        "H(c) is added, not subtracted.": "+ entropy -> - entropy",
        "log Q makes the bound smaller: look at its sign.": "return np.mean -> return -np.mean",
        "this is the sum over the images; take their mean.": "np.mean -> np.sum",
        "log K is the entropy of a uniform prior.": "entropy.reference(prior) -> np.log(len(prior))",
        "this takes Q's favourite; take the category that made the image.": "[i, categories] -> .max(axis=1)",
        "this is the mean of log Q over Q's own guesses; take the category that made the image.": (
            "log_q[i, categories] -> np.sum(np.exp(log_q) * log_q, axis=1)"
        ),
        "this is the mean over all categories; only that of the image counts.": "[i, categories] -> ",
        "each image has one category: log_q[:, categories] takes all of them.": "[i, -> [:,",
        "log_q holds logarithms already.": "np.mean(score) -> np.mean(np.log(score))",
        "this is Q itself; take its logarithm.": "np.mean(score) -> np.mean(np.exp(score))",
        "return one number: the mean over the images.": "np.mean(score) -> score",
    },
)
def lower_bound(log_q, categories, prior):
    """Return mean log Q(c|x) + H(c): log_q (n, K), the categories (n,) that made the images, prior (K,)."""
    i = np.arange(len(log_q))
    score = log_q[i, categories]
    return np.mean(score) + entropy.reference(prior)


# ---------------------------------------------------------------- 4. the generator's input


@exercise()
def draw_inputs(n, noise, rng):
    """Return n rows of z (standard normal), c1 (one of ten, as a one-hot row) and c2, c3 (in [-1, 1])."""
    z = rng.normal(size=(n, noise))
    c1 = np.eye(CATEGORIES)[rng.integers(CATEGORIES, size=n)]
    c23 = rng.uniform(-1, 1, size=(n, 2))
    return np.concatenate([z, c1, c23], axis=1).astype("float32")


def _parts(attempt, n, noise, seed):
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


def _share_apart(columns, share_below):
    """Return the largest difference, over all values, of the shares below it that are found and expected."""
    ranks = np.linspace(0, 1, len(columns))[:, None]
    return np.abs(share_below(np.sort(columns, axis=0)) - ranks).max()


@draw_inputs.property
def _categories_are_one_hot(attempt):
    _, c1, _ = _parts(attempt, 2000, 3, seed=4)
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
    low, high = c1.mean(axis=0).min(), c1.mean(axis=0).max()
    problem = f"The shares of the ten categories go from {low:.2f} to {high:.2f}."
    expect.true(high < 0.5, problem, "each row needs its own category.")
    expect.true(low > 0, problem, "one is never drawn: does rng.integers(k) include k?")
    expect.true(high < 0.14 and low > 0.06, problem, "all are equally likely.")


@draw_inputs.property
def _continuous_codes_are_uniform(attempt):
    _, _, c23 = _parts(attempt, 4000, 16, seed=5)
    problem = f"c2 and c3 should be uniform on [-1, 1]; they go from {c23.min():.2f} to {c23.max():.2f}."
    expect.true(c23.min() >= -1 and c23.max() <= 1, problem, "they are uniform, not normal.")
    wide = c23.min(axis=0).max() < -0.95 and c23.max(axis=0).min() > 0.95
    expect.true(wide, problem, "rng.uniform takes the two ends of the interval.")
    apart = _share_apart(c23, lambda x: (x + 1) / 2)
    expect.true(apart < 0.05, problem, "they take all values between the ends, equally often.")


@draw_inputs.property
def _noise_is_normal(attempt):
    from scipy.special import ndtr

    z, _, _ = _parts(attempt, 4000, 8, seed=6)
    expect.true(
        np.ptp(z, axis=0).min() > 0.1,
        "All rows have the same z.",
        "each row needs its own noise: draw it in the shape (n, noise).",
    )
    right = np.abs(z.mean(axis=0)).max() < 0.1 and np.abs(z.std(axis=0) - 1).max() < 0.1
    expect.true(
        bool(right) and _share_apart(z, ndtr) < 0.05,
        f"z should be normal with mean 0 and deviation 1; found {z.mean():.2f} and {z.std():.2f}.",
        "z is standard normal: rng.normal.",
    )


@draw_inputs.property
def _all_is_independent(attempt):
    columns = np.concatenate(_parts(attempt, 4000, 4, seed=9), axis=1)
    names = ["z"] * 4 + ["c1"] * CATEGORIES + ["c2 or c3"] * 2
    correlations = np.corrcoef(columns[:-1].T, columns[1:].T)  # of one row, and of it with the next
    right = np.eye(16)
    right[4:14, 4:14] -= (1 - right[4:14, 4:14]) / 9  # where one category is 1, the others are 0
    apart = np.abs(correlations[:16] - np.concatenate([right, np.zeros((16, 16))], axis=1))
    i, j = np.unravel_index(apart.argmax(), apart.shape)
    rows, hint = ("a row", "draw each number of a row for itself, none from another one.")
    if j >= 16:
        rows, hint = ("a row and of the next", "draw each row anew: no sorting, no counting through.")
    problem = f"{names[i]} and {names[j % 16]} of {rows} are not independent."
    expect.true(apart.max() < 0.1, problem, hint)


@draw_inputs.property
def _uses_the_generator(attempt):
    expect.uses_generator(lambda rng: expect.as_array(attempt(5, 4, rng)), "inputs")


# ---------------------------------------------------------------- 5. the information loss


def _answers(n, seed, weight):
    """Return c1 (n, 10), c23 (n, 2), logits (n, 10), means (n, 2) and the weight."""
    rng = np.random.default_rng(seed)
    c1 = np.eye(CATEGORIES)[rng.integers(CATEGORIES, size=n)]
    parts = c1, rng.uniform(-1, 1, (n, 2)), 2 * rng.normal(size=(n, CATEGORIES)), rng.normal(size=(n, 2))
    return (*(part.astype("float32") for part in parts), weight)


@exercise(
    cases=[_answers(2, seed=9, weight=0.3), _answers(6, seed=10, weight=2.0)],
    mistakes={
        "the sign is that of the bound; a loss is small where Q is right.": "ops.mean( -> -ops.mean(",
        "look at the sign of the cross-entropy.": "return ops -> return -ops",
        "look at the sign of the squared error.": "+ weight -> - weight",
        "where is the weight of the squared error?": "weight * ops -> ops",
        "the weight belongs to the squared error.": "(surprise) + weight * -> (surprise) * weight +",
        "the weight belongs to the squared error only.": "return ops -> return weight * ops",
        "where are c2 and c3?": " + weight * ops.mean(squares) -> ",
        "where is c1?": "ops.mean(surprise) + -> 0 +",
        "these are sums over the images; take means.": "ops.mean -> ops.sum",
        "the squared error is a mean over the images and over both codes.": "weight * -> weight * 2 *",
        "the cross-entropy sums over the ten categories; only one is not 0.": "(surprise) -> (surprise) / 10",
        "return one number for the batch: the mean over its images.": [
            "ops.mean(surprise) -> surprise",
            "ops.mean(squares) -> ops.mean(squares, axis=-1)",
        ],
        "this is the absolute error; a Gaussian Q gives the squared one.": "ops.square -> ops.abs",
        "the logits are no probabilities yet: which function makes them so?": (
            "ops.categorical_crossentropy(c1, logits, from_logits=True) -> -ops.sum(c1 * ops.log(logits), 1)"
        ),
        "the logits are no probabilities yet: is from_logits=True missing?": ", from_logits=True -> ",
    },
    **KERAS,
)
def information_loss(c1, c23, logits, means, weight):
    """Return the mean cross-entropy of c1 (one-hot) plus weight times the mean squared error of c2, c3."""
    from keras import ops

    surprise = ops.categorical_crossentropy(c1, logits, from_logits=True)
    squares = ops.square(c23 - means)
    return ops.mean(surprise) + weight * ops.mean(squares)


@information_loss.property
def _large_logits_do_no_harm(attempt):
    c1, c23, _, means, weight = _answers(2, seed=11, weight=0.0)
    expect.close(
        attempt(c1, c23, 300 * (1 - 2 * c1), means, weight),
        600 + np.log(9),
        "information_loss for large logits",
        "a probability that was rounded to 0 has no logarithm: use a cross-entropy from logits.",
        rtol=1e-4,
    )


@information_loss.property
def _works_in_a_model(attempt):
    import keras

    tensors = [keras.KerasTensor((4, size)) for size in (CATEGORIES, 2, CATEGORIES, 2)]
    expect.symbolic(attempt, [*tensors, 0.1], (), "information_loss(c1, c23, logits, means, weight)")


# ---------------------------------------------------------------- 6. the best matching


def _greedy(counts):
    """Take the largest count, strike out its row and column, and so on."""
    left, pairs = counts.copy(), []
    for _ in counts:
        row, column = np.unravel_index(left.argmax(), left.shape)
        left[row], left[:, column] = -1, -1
        pairs.append((row, column))
    return tuple(np.transpose(pairs))


_UNEQUAL = (
    np.repeat(np.arange(10), [100, 10, 1, 1, 1, 1, 1, 1, 1, 1]),
    np.array([0] * 55 + [1] * 45 + [0] * 9 + [1] + [2, 3, 4, 5, 6, 7, 8, 9]),
)


@exercise(
    cases=[
        (np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), np.array([1, 1, 0, 1, 0, 3, 2, 5, 4, 6, 7, 7])),
        tuple(np.random.default_rng(12).integers(10, size=(2, 300))),
        (np.array([0] * 5 + [1, *range(1, 10)]), np.array([1, 1, 1, 0, 0, 1, *range(1, 10)])),
        _UNEQUAL,
        (_UNEQUAL[0][:-2], _UNEQUAL[1][2:]),  # categories 8 and 9 do not occur
    ],
    mistakes={
        "this compares names: category 3 need not be the digit 3.": "matched. -> (categories == classes).",
        "each category gets its favourite: two may share a class.": "counts[pairs] -> counts.max(1)",
        "each class gets its favourite: two may share a category.": "counts[pairs] -> counts.max(0)",
        "this takes the largest count first and so on; another choice may have a larger sum.": (
            "linear_sum_assignment(counts, maximize=True) -> _greedy(counts)"
        ),
        "linear_sum_assignment takes the smallest sum unless it is told otherwise.": ", maximize=True -> ",
        "this is a number of images; their share is wanted.": " / len(classes) -> ",
        "this is the share that does not agree.": "return matched -> return 1 - matched",
        "two categories may share a class here; and a small category counts as much as a large one.": (
            "matched.sum() / len(classes) -> np.mean(counts.max(axis=1) / counts.sum(axis=1))"
        ),
        "these are shares of each category; divide the sum by the number of images.": [
            "pairs = -> counts = counts / counts.sum(axis=1, keepdims=True)\n    pairs =",
            "len(classes) -> 10",
        ],
        "match by counts, not by shares of a category.": (
            "(counts, max -> (counts / counts.sum(axis=1, keepdims=True), max"
        ),
        "match by counts, not by shares of a class.": "(counts, max -> (counts / counts.sum(axis=0), max",
        "there are ten of each, also if some do not occur.": "(10, 10) -> 2 * (categories.max() + 1,)",
    },
)
def matched_agreement(categories, classes):
    """Return the share of images that agree under the best one-to-one matching of categories and classes."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((10, 10))
    np.add.at(counts, (categories, classes), 1)
    pairs = linear_sum_assignment(counts, maximize=True)
    matched = counts[pairs]
    return matched.sum() / len(classes)


# ---------------------------------------------------------------- 7. the slant


def _ink(n, seed):
    """Return images (n, 28, 28) of slanted smears, off the centre."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28] - 13.5
    low, high = [-0.6, -3, -3, 1.5, 3], [0.6, 3, 3, 3, 6]
    a, dx, dy, width, height = rng.uniform(low, high, (n, 5)).T[..., None, None]
    return np.exp(-(((x - dx + a * (y - dy)) / width) ** 2) - ((y - dy) / height) ** 2)


@exercise(
    cases=[(_ink(3, seed=16),), (_ink(5, seed=15),)],
    mistakes={
        "rows are counted downwards: what does that do to the sign?": "return tangent -> return -tangent",
        "this divides by the spread from left to right; divide by that of the height.": "dy**2 -> dx**2",
        "this divides by the wrong spread, and the sign is reversed.": "w * dy**2 -> -w * dx**2",
        "measure from the centre of the ink, not from a corner.": "x - x_bar, y - y_bar -> x, y",
        "measure from the centre of the ink, not of the image.": ["- x_bar -> - 13.5", "- y_bar -> - 13.5"],
        "each image has its own centre; this takes one for all.": (
            "dx, dy = -> m = images.sum(axis=0) / images.sum()\n"
            "    x_bar, y_bar = np.sum(m * x), np.sum(m * y)\n    dx, dy ="
        ),
        "divide a mean over the ink by the sum of the ink, not by 784.": "_bar = -> _bar = ink / 784 *",
        "this is the correlation; the slant is a change of x for each step of y.": (
            "return tangent -> return tangent * np.sqrt((w * dy**2).sum((1, 2)) / (w * dx**2).sum((1, 2)))"
        ),
        "this is an angle; its tangent is wanted.": "return tangent -> return np.arctan(tangent)",
        "this is the moment alone; where is the division?": " / np.sum(w * dy**2, axis=(1, 2)) -> ",
        "the slant has a sign: to the left it is negative.": "return tangent -> return abs(tangent)",
        "this is one number; each image has its own slant.": "return tangent -> return tangent.mean()",
    },
)
def slant(images):
    """Return -mu_11 / mu_02 of each image (n, 28, 28): positive if its top leans to the right."""
    y, x = np.mgrid[:28, :28]
    ink = np.sum(images, axis=(1, 2), keepdims=True)
    w = images / ink
    x_bar = np.sum(w * x, axis=(1, 2), keepdims=True)
    y_bar = np.sum(w * y, axis=(1, 2), keepdims=True)
    dx, dy = x - x_bar, y - y_bar
    tangent = -np.sum(w * dx * dy, axis=(1, 2)) / np.sum(w * dy**2, axis=(1, 2))
    return tangent


# ---------------------------------------------------------------- 8. names for the categories


def _labelled(n, seed):
    """Return probabilities (n, 10) and labels (n,)."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(CATEGORIES, 0.5), size=n), rng.integers(CATEGORIES, size=n)


@exercise(
    cases=[_labelled(40, seed=17), _labelled(10, seed=19)],
    mistakes={
        "these are numbers of images; their labels are wanted.": "labels[best] -> best",
        "look for the surest image of a category, not for the category of an image.": "axis=0 -> axis=1",
        "this is the category of each image.": ["labels[best] -> best", "axis=0 -> axis=1"],
        "this takes the image that the category fits least.": "np.argmax -> np.argmin",
        "these are probabilities; labels are wanted.": "labels[best] -> p.max(axis=0)",
        "this is the category of each class; turn it round.": (
            "labels[best] -> np.array([p[labels == k].max(axis=0).argmax() for k in range(10)])"
        ),
        "this sums over the images of each class, so it uses all labels; ask for ten.": (
            "labels[best] -> (np.eye(10)[labels].T @ p).argmax(axis=0)"
        ),
        "this is the commonest label of all.": "labels[best] -> np.full(10, np.bincount(labels).argmax())",
        "this is the most frequent label of each category, so it uses all labels; ask for ten.": (
            "labels[best] -> np.array([np.bincount(labels[p.argmax(1) == k]).argmax() for k in range(10)])"
        ),
        "this takes the first image of each category; take the one that it is surest of.": (
            "labels[best] -> labels[np.argmax(p.argmax(axis=1)[:, None] == np.arange(10), axis=0)]"
        ),
        "these are the labels of the first ten images; the categories are columns.": "[best] -> [:10]",
    },
)
def name_categories(probabilities, labels):
    """Return for each category the label of the image that it fits best: (n, 10) and (n,) in, (10,) out."""
    p = probabilities
    best = np.argmax(p, axis=0)
    return labels[best]
