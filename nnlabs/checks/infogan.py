"""Checks of lab 12: mutual information and its lower bound, InfoGAN's losses, what a code is good for.

A joint table has X in its rows and Y in its columns. Keras is loaded only by the exercise that uses it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

CATEGORIES = 10


def _entropy(p):
    some = p[p > 0]
    return -np.sum(some * np.log(some))


# ---------------------------------------------------------------- 1. mutual information


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
    h_x, h_y, h_xy = map(_entropy, (joint.sum(axis=1), joint.sum(axis=0), joint))
    known = h_x + h_y - h_xy
    return known


# ---------------------------------------------------------------- 2. a channel with erasures


def _of_a_bit(p):
    return -p * np.log(np.maximum(p, 1e-300)) - (1 - p) * np.log(np.maximum(1 - p, 1e-300))


@exercise(
    cases=[
        (np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.25])),
        (np.array([0.6, 0.0, 0.1, 0.3]), np.array([[0.0, 0.1, 0.7], [0.2, 1.0, 0.9]])),
        (np.array([0.1, 0.9]), 0.3),
        (np.array([0.0, 1.0, 0.0]), np.array([0.4])),
    ],
    mistakes={
        "this is H(X|Y), what remains unknown.": "return (1 - lost) -> return lost",
        "this is H(Y): that Y tells whether a symbol is lost says nothing about X.": (
            "return (1 - lost) * known -> return (1 - lost) * known + _of_a_bit(lost)"
        ),
        "this subtracts the entropy of being lost; but does being lost depend on the symbol?": (
            "return (1 - lost) * known -> return (1 - lost) * known - _of_a_bit(lost)"
        ),
        "log K is the entropy of a uniform prior only.": "_entropy(prior) -> np.log(len(prior))",
        "this is in bits; use the natural logarithm.": "* known -> * known / np.log(2)",
        "a symbol that never comes adds nothing, but log(0) is infinite.": (
            "_entropy(prior) -> -np.sum(prior * np.log(prior))"
        ),
        "the symbol passes once, not twice: look at the share that arrives.": "(1 - lost) -> (1 - lost)**2",
        "a share is no information: lost symbols take their share of H(X) away.": (
            "return (1 - lost) * known -> return known - lost"
        ),
        "where does the share of lost symbols come in?": "(1 - lost) * known -> known + 0 * lost",
        "look at the sign: an information is not negative.": "return ( -> return -(",
        "each share of lost symbols has its own information.": "(1 - lost) -> (1 - np.mean(lost))",
    },
)
def erasure_information(prior, lost):
    """Return I(X, Y) in nats of a channel that loses symbols, and says so: prior (K,), lost of any shape."""
    known = _entropy(prior)
    return (1 - lost) * known


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
        "H(c) is missing: it is the entropy of the prior.": " + _entropy(prior) -> ",
        "H(c) is added, not subtracted.": "+ _entropy -> - _entropy",
        "log Q makes the bound smaller: look at its sign.": "return np.mean -> return -np.mean",
        "this is the sum over the images; take their mean.": "np.mean -> np.sum",
        "log K is the entropy of a uniform prior.": "_entropy(prior) -> np.log(len(prior))",
        "this takes Q's favourite; take the category that made the image.": "[i, categories] -> .max(axis=1)",
        "this is the mean of log Q over Q's own guesses; take the category that made the image.": (
            "log_q[i, categories] -> np.sum(np.exp(log_q) * log_q, axis=1)"
        ),
        "this is the mean over all categories; only that of the image counts.": "[i, categories] -> ",
        "each image has one category: log_q[:, categories] takes all of them.": "[i, -> [:,",
        "log_q holds logarithms already.": "np.mean(score) -> np.mean(np.log(score))",
        "this is Q itself; take its logarithm.": "np.mean(score) -> np.mean(np.exp(score))",
        "the mean of the logarithms is asked for, not the logarithm of the mean.": (
            "np.mean(score) -> np.log(np.mean(np.exp(score)))"
        ),
        "return one number: the mean over the images.": "np.mean(score) -> score",
    },
)
def lower_bound(log_q, categories, prior):
    """Return mean log Q(c|x) + H(c): log_q (n, K), the categories (n,) that made the images, prior (K,)."""
    i = np.arange(len(log_q))
    score = log_q[i, categories]
    return np.mean(score) + _entropy(prior)


# ---------------------------------------------------------------- 4. the slope of the bound


def _logits(n, k, beta, seed):
    rng = np.random.default_rng(seed)
    return 2 * rng.normal(size=(n, k)), rng.integers(k, size=n), beta


@exercise(
    cases=[
        (np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]]), np.array([0, 1]), 0.5),
        _logits(7, 4, 1.5, seed=21),
        _logits(1, 3, 1.0, seed=22),
        (1000 * np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]]), np.array([1, 1]), 2.0),
    ],
    mistakes={
        "this is minus the derivative: the bound has +log Q.": "own - mean -> mean - own",
        "Q is the softmax of beta times the logits; where is beta in Q?": "= beta * logits -> = logits",
        "what is the derivative of beta * a by beta?": "own - mean -> beta * (own - mean)",
        "beta * a, by beta, is a: the first part has no beta.": "own = logits[ -> own = scaled[",
        "what is the derivative of log(sum exp(beta * a)) by beta?": "own - mean -> own",
        "this is the derivative of the second part only, the logarithm of the sum.": "own - mean -> -mean",
        "the mean over the images is asked for, not their sum.": "np.mean(own -> np.sum(own",
        "the second part is a mean over Q's categories, not its favourite's logit.": (
            "np.sum(q * logits, axis=1) -> logits.max(axis=1)"
        ),
        "weight the logits with Q; this is their plain mean.": (
            "np.sum(q * logits, axis=1) -> logits.mean(axis=1)"
        ),
        "for which axis do Q's probabilities sum to 1?": ["axis=1, keepdims -> axis=0, keepdims"],
        "exp of a large number is infinite: subtract something that the softmax does not feel.": (
            "scaled - scaled.max(axis=1, keepdims=True) -> scaled"
        ),
        "this is the bound itself, without H(c); its derivative by beta is asked for.": (
            "np.mean(own - mean) -> np.mean(np.log(q[np.arange(len(logits)), categories]))"
        ),
        "this is 1 - Q(c|x), the derivative by one logit; beta acts on all of them.": (
            "np.mean(own - mean) -> np.mean(1 - q[np.arange(len(logits)), categories])"
        ),
        "return one number: the mean over the images.": "np.mean(own - mean) -> own - mean",
    },
)
def bound_slope(logits, categories, beta):
    """Return the derivative by beta of the mean of log softmax(beta * logits)[category]: logits (n, K)."""
    scaled = beta * logits
    q = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    q = q / q.sum(axis=1, keepdims=True)
    own = logits[np.arange(len(logits)), categories]
    mean = np.sum(q * logits, axis=1)
    return np.mean(own - mean)


# ---------------------------------------------------------------- 5. InfoGAN's losses, with faults


def _game(n, k, weight, seed):
    """Return D's logits of real and of fake images (n, 1), Q's logits (n, k), c1 (n, k) and the weight."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(n, 1)), rng.normal(size=(n, 1)), 2 * rng.normal(size=(n, k))
    return (*(part.astype("float32") for part in (*parts, np.eye(k)[rng.integers(k, size=n)])), weight)


_SIGN, _AXIS, _MEAN = (
    "return d_loss + -> return d_loss -",
    "logits, axis=-1 -> logits, axis=0",
    "ops.sum -> ops.mean",
)


@exercise(
    cases=[_game(2, 3, 0.4, seed=9), _game(6, 8, 2.0, seed=10)],
    mistakes={
        "this is the faulty version still: three faults are in it.": [_SIGN, _AXIS, _MEAN],
        "one fault is left: whose side is Q on? It learns in the same step as D, not the same thing.": _SIGN,
        "one fault is left: over which axis do the probabilities of one image sum to 1?": _AXIS,
        "one fault is left: the cross-entropy of an image is a sum over its categories.": _MEAN,
        "two faults are left: the softmax, and how the cross-entropy is summed.": [_AXIS, _MEAN],
        "two faults are left: one in the softmax, one in what D and Q together make small.": [_SIGN, _AXIS],
        "two faults are left: how the cross-entropy is summed, and D's and Q's loss.": [_SIGN, _MEAN],
        "a mean over the images is asked for, not their sum.": "ops.mean(ops.sum(c1 -> ops.sum(ops.sum(c1",
        "Q gives logits, no probabilities: from_logits.": (
            "-ops.mean(ops.sum(c1 * ops.log_softmax(logits, axis=-1), axis=-1)) -> "
            "ops.mean(ops.categorical_crossentropy(c1, logits))"
        ),
        "G minimises, and it wants Q to be right.": "g_loss + -> g_loss -",
        "G wants Q to be right, too: its loss lacks the second part.": "g_loss + weight * surprise -> g_loss",
        "Q learns in the first of both losses: where is its part?": "d_loss + weight * surprise, -> d_loss,",
        "where is the weight?": "weight * surprise -> surprise",
        "the weight belongs to the information, not to the game.": (
            "d_loss + weight * surprise, g_loss -> weight * (d_loss + surprise), g_loss"
        ),
        "is each of D's two parts with its own images?": (
            "softplus(-of_real)) + ops.mean(ops.softplus(of_fake)) -> "
            "softplus(of_real)) + ops.mean(ops.softplus(-of_fake))"
        ),
        "this is the minimax loss of G; the lesson takes the one that does not saturate.": (
            "g_loss = ops.mean(ops.softplus(-of_fake)) -> g_loss = -ops.mean(ops.softplus(of_fake))"
        ),
        "return the loss of D and Q first, then that of G.": (
            "return d_loss + weight * surprise, g_loss + weight * surprise -> "
            "return g_loss + weight * surprise, d_loss + weight * surprise"
        ),
    },
    **KERAS,
)
def infogan_losses(of_real, of_fake, logits, c1, weight):
    """Return (loss of D and Q, loss of G): D's logits (n, 1), Q's logits (n, K), c1 one-hot (n, K)."""
    from keras import ops

    surprise = -ops.mean(ops.sum(c1 * ops.log_softmax(logits, axis=-1), axis=-1))
    d_loss = ops.mean(ops.softplus(-of_real)) + ops.mean(ops.softplus(of_fake))
    g_loss = ops.mean(ops.softplus(-of_fake))
    return d_loss + weight * surprise, g_loss + weight * surprise


@infogan_losses.property
def _large_logits_do_no_harm(attempt):
    of_real, of_fake, _, c1, _ = _game(2, 3, 0.0, seed=11)
    found = attempt(of_real, 300 * np.ones_like(of_fake), 300 * (1 - 2 * c1), c1, 1.0)
    hint = "a probability that was rounded to 0 has no logarithm: keep log_softmax and softplus."
    expect.close(found[1], 600 + np.log(2), "G's loss for large logits", hint, rtol=1e-4)


@infogan_losses.property
def _works_in_a_model(attempt):
    import keras

    tensors = [keras.KerasTensor((4, size)) for size in (1, 1, CATEGORIES, CATEGORIES)]
    expect.symbolic(lambda *parts: attempt(*parts)[0], [*tensors, 0.1], (), "infogan_losses in a model")


# ---------------------------------------------------------------- 6. conditional information


def _table(shape, seed, zeros=0):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(np.prod(shape), 0.7))
    table[:zeros] = 0
    return (table / table.sum()).reshape(shape)


@exercise(
    cases=[
        (np.array([[[0.3, 0.0], [0.0, 0.25]], [[0.0, 0.125], [0.2, 0.125]]]),),
        (_table((2, 3, 4), seed=31),),
        (_table((4, 2, 3), seed=32, zeros=7),),
        (np.moveaxis(np.array([[[0.2, 0.1], [0.3, 0.4]], [[0.0, 0.0], [0.0, 0.0]]]), 0, -1),),
    ],
    mistakes={
        "this is I(X, Y): Z is summed away before anything is asked of it.": (
            "return total -> return mutual_information.reference(table.sum(axis=2))"
        ),
        "each value of Z counts with its probability.": "p * mutual -> mutual",
        "each value of Z counts with its probability; this is a plain mean.": (
            "p * mutual -> 1 / table.shape[2] * mutual"
        ),
        "given z the probabilities of (x, y) sum to 1; a slice does not yet.": "slice_z / p -> slice_z",
        "make a distribution of each slice, then weight it with the probability of its z.": (
            "p * mutual_information.reference(slice_z / p) -> mutual_information.reference(slice_z)"
        ),
        "this conditions on X; Z is the last axis.": "= 0.0 -> , table = 0.0, np.moveaxis(table, 0, 2)",
        "this conditions on Y; Z is the last axis.": "= 0.0 -> , table = 0.0, np.moveaxis(table, 1, 2)",
        "this is what X says about Y and Z together.": (
            "return total -> return mutual_information.reference(table.reshape(len(table), -1))"
        ),
        "this is the difference to I(X, Y); the conditional information alone is asked for.": (
            "return total -> return total - mutual_information.reference(table.sum(axis=2))"
        ),
        "this is in bits.": "return total -> return total / np.log(2)",
        "this is H(X|Z) + H(Y|Z): what X and Y share is still to be taken off.": (
            "p * mutual_information.reference(slice_z / p) -> "
            "p * (_entropy((slice_z / p).sum(axis=0)) + _entropy((slice_z / p).sum(axis=1)))"
        ),
    },
)
def conditional_information(table):
    """Return I(X, Y | Z) in nats of a table of probabilities: axis 0 is X, axis 1 is Y, axis 2 is Z."""
    total = 0.0
    for z in range(table.shape[2]):
        slice_z = table[:, :, z]
        p = slice_z.sum()
        if p > 0:
            total += p * mutual_information.reference(slice_z / p)
    return total


# ---------------------------------------------------------------- 7. classes from a few labels


def _read(n, k, new, seed, empty=()):
    """Return Q (n, k), labels (n,) and Q of new images (new, k); no labelled image is in the empty ones."""
    rng = np.random.default_rng(seed)
    q, q_new = (rng.dirichlet(np.full(k, 0.5), size=m) for m in (n, new))
    q[:, list(empty)] = 0
    return q / q.sum(axis=1, keepdims=True), rng.integers(10, size=n), q_new


@exercise(
    cases=[
        (np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]]), np.array([3, 0, 3]), np.array([[0.5, 0.5]])),
        _read(40, 10, 6, seed=17),
        _read(5, 20, 3, seed=19, empty=(0, 7)),
    ],
    mistakes={
        "the sum over the classes should be 1 for each category: divide each row.": (
            "total, 1e-300 -> counts.sum(axis=0), 1e-300"
        ),
        "the sum over the classes should be 1 for each category: divide.": " / np.maximum(total, 1e-300) -> ",
        "an image counts for each category with its probability, not for the likeliest alone.": (
            "counts = q.T -> counts = np.eye(q.shape[1])[q.argmax(axis=1)].T"
        ),
        "a new image may belong to several categories: use all its probabilities.": (
            "return q_new -> return np.eye(q.shape[1])[q_new.argmax(axis=1)]"
        ),
        "here each category gets one class; it may hold several.": (
            "return q_new @ classes -> return q_new @ np.eye(10)[classes.argmax(axis=1)]"
        ),
        "a category without any labelled image says nothing: each class gets 1/10 there.": "0.1) -> 0)",
        "0 / 0 is not a number: a category without any labelled image needs a rule of its own.": (
            "np.where(total > 0, shares, 0.1) -> counts / total"
        ),
        "this is the likeliest class; its ten probabilities are asked for.": (
            "q_new @ classes -> (q_new @ classes).argmax(axis=1)"
        ),
        "these are the classes of the categories; new images are asked for.": "q_new @ classes -> classes",
        "these are the classes of the labelled images, not of new ones.": "q_new @ classes -> q @ classes",
    },
)
def class_probabilities(q, labels, q_new):
    """Return P(class | x) of new images (n_new, 10), from q (n, K), labels (n,) and q_new (n_new, K)."""
    counts = q.T @ np.eye(10)[labels]
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(total, 1e-300)
    classes = np.where(total > 0, shares, 0.1)
    return q_new @ classes


# ---------------------------------------------------------------- 8. an image written anew


_LOGITS = np.random.default_rng(41).normal(size=(4000, CATEGORIES))
_GUESSES = np.random.default_rng(42).normal(size=(4000, 2))


@exercise(
    mistakes={
        "in training c2 and c3 were from -1 to 1: cut what is outside.": "np.clip(guesses, -1, 1) -> guesses",
        "cut at the ends; the other guesses stay as they are.": "np.clip(guesses, -1, 1) -> np.tanh(guesses)",
        "the ends are -1 and 1.": "np.clip(guesses, -1, 1) -> np.clip(guesses, 0, 1)",
        "c1 is one-hot: a 1 at the most probable category.": "np.eye(10)[logits.argmax(axis=1)] -> logits",
        "these are Q's probabilities; in training a row of c1 had a single 1.": (
            "= np.eye(10)[logits.argmax(axis=1)] -> = (p := np.exp(logits)) / p.sum(axis=1, keepdims=True)"
        ),
        "this is the least probable category.": "argmax -> argmin",
        "take the largest logit of each image, not of each category.": (
            "[logits.argmax(axis=1)] -> [np.resize(logits.argmax(axis=0) % 10, len(logits))]"
        ),
        "the order is z, c1, then c2 and c3.": "[z, c1, c23] -> [c1, c23, z]",
        "c1 stands before c2 and c3.": "[z, c1, c23] -> [z, c23, c1]",
        "where are c2 and c3?": "[z, c1, c23] -> [z, c1]",
    }
)
def code_inputs(logits, guesses, noise, rng):
    """Return the generator's inputs (n, noise + 12) for the code that Q reads; z is drawn from rng."""
    z = rng.normal(size=(len(logits), noise))
    c1 = np.eye(10)[logits.argmax(axis=1)]
    c23 = np.clip(guesses, -1, 1)
    return np.concatenate([z, c1, c23], axis=1).astype("float32")


def _inputs(attempt, n, noise, seed):
    return expect.as_array(attempt(_LOGITS[:n], _GUESSES[:n], noise, np.random.default_rng(seed)))


@code_inputs.case
def the_code(attempt):
    """the last 12 columns of code_inputs for 4 images, noise 3"""
    return _inputs(attempt, 4, 3, seed=4)[:, -CATEGORIES - 2 :]


@code_inputs.case
def shape_and_type(attempt):
    """shape and type of code_inputs for 5 images, noise 2"""
    found = _inputs(attempt, 5, 2, seed=5)
    return str(found.shape), str(found.dtype)


@code_inputs.property
def _noise_is_normal(attempt):
    from scipy.special import ndtr

    z = _inputs(attempt, 4000, 8, seed=6)[:, :8]
    hint = "each image needs its own noise: draw it in the shape (n, noise)."
    expect.true(np.ptp(z, axis=0).min() > 0.1, "All rows have the same z.", hint)
    right = np.abs(np.sort(ndtr(z), axis=0) - np.linspace(0, 1, 4000)[:, None]).max() < 0.05
    problem = f"z should be normal with mean 0 and deviation 1; found {z.mean():.2f} and {z.std():.2f}."
    expect.true(bool(right), problem, "z is standard normal: rng.normal.")
    both = np.corrcoef(z[:-1].T, z[1:].T) - np.eye(16)
    expect.true(np.abs(both).max() < 0.1, "The numbers of z depend on one another.", "draw each for itself.")


@code_inputs.property
def _uses_the_generator(attempt):
    logits, guesses = _LOGITS[:5], _GUESSES[:5]
    expect.uses_generator(lambda rng: expect.as_array(attempt(logits, guesses, 4, rng)), "inputs")
