"""Checks of lab 15: windows, a leaky cell, clipping, a GRU, bits, nucleus sampling, heads, rotary positions.

Samples come first, then time. Keras is loaded by the last two exercises only.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

_RNG = np.random.default_rng(15)
_FIXED = np.random.default_rng(16).normal(size=(2, 3, 8))


def _halves(*shape):
    return _RNG.integers(-4, 5, size=shape) / 2


@exercise(
    cases=[
        (np.array([0.0, 2, 0, 2, 5, 7, 9, 8, 4, 6]), 4, 2, 0, 1),
        (_halves(15), 9, 3, 2, 2),
        (_RNG.integers(0, 90, size=14), 8, 1, 0, 3),
        (_halves(16) + 30, 8, 4, 1, 3),
        (_halves(12).astype("float32"), 5, 1, 3, 1),
    ],
    mistakes={
        "is something of the future in the mean?": "past = series[:cut] -> past = series",
        "is the mean taken away?": "(series - past.mean()) -> series",
        "the standard deviation is not used.": " / past.std() -> ",
        "a standard deviation is the root of the variance.": "past.std() -> past.var()",
        "how many values are left out between inputs and targets?": " + gap -> ",
        "the first target comes after the last input.": "+ gap -> + gap - 1",
        "with a gap of 0 the targets follow at once.": "+ gap -> + gap + 1",
        "is the last training window lost?": "end <= cut -> end < cut",
        "does a training window look beyond the cut?": "end <= cut -> first <= cut",
        "all targets of a training window lie in the past.": "end <= cut -> first < cut",
        "all targets of a test window lie after the cut.": "first >= cut -> end > cut",
        "the inputs of a test window may lie before the cut: they are known.": "first >= cut -> t >= cut",
        "is the first test window lost?": "first >= cut -> first > cut",
        "is the last window of the series lost?": "len(series) - width + 1 -> len(series) - width",
        "inputs and targets of one part come one after the other.": "return *part(train), *part(test) -> "
        "return sum(zip(part(train), part(test)), ())",
        "first the training part, then the test part.": "train), *part(test -> test), *part(train",
    },
)
def windows(series, cut, length, gap, horizon):
    """Return x_train, t_train, x_test, t_test: windows (n, length) and their targets (n, horizon)."""
    past = series[:cut]
    series = (series - past.mean()) / past.std()
    train, test, width = [], [], length + gap + horizon
    for t in range(len(series) - width + 1):
        first, end = t + length + gap, t + width
        pair = series[t : t + length], series[first:end]
        if end <= cut:
            train.append(pair)
        if first >= cut:
            test.append(pair)

    def part(pairs):
        return [np.array(side) for side in zip(*pairs, strict=True)]

    return *part(train), *part(test)


def leaky_states(x, W_x, W_h, b, alpha):
    """Return the states (m, T + 1, n_h), h_0 = 0 first, for inputs x (m, T, n_x); as in the lab."""
    h = np.zeros((len(x), x.shape[1] + 1, len(b)))
    for t in range(x.shape[1]):
        h[:, t + 1] = (1 - alpha) * h[:, t] + alpha * np.tanh(x[:, t] @ W_x.T + h[:, t] @ W_h.T + b)
    return h


def _leaky(m, T, d, n, alpha):
    return _halves(m, T, d), _halves(m, T, n), _halves(n, d) / 2, _halves(n, n) / 2, _halves(n) / 2, alpha


_ONE_STEP = *(np.array(value) for value in ([[[1.0]]], [[[2.0]]], [[1.0]], [[3.0]], [-0.5])), 0.5


@exercise(
    cases=[_ONE_STEP, _leaky(1, 2, 1, 1, 0.5), _leaky(3, 4, 2, 3, 0.25), _leaky(2, 3, 4, 2, 1.0)],
    mistakes={
        "steps are added up: does one overwrite the others?": ["dW_x += -> dW_x =", "dW_h += -> dW_h ="],
        "which state does W_h meet at time t?": "s.T @ h[:, t] -> s.T @ h[:, t + 1]",
        "what is the derivative of tanh?": "(1 - z**2) -> 1",
        "tanh' belongs to a_t; is h_t = tanh(a_t) here?": "(1 - z**2) -> (1 - h[:, t + 1] ** 2)",
        "a state also acts through the next sum.": "+ s @ W_h -> ",
        "which path from a state to the next one has no weight?": "(1 - alpha) * g + s -> s",
        "how much of a state is kept directly?": "(1 - alpha) * g -> g",
        "a sum reaches the state with a factor.": "s = alpha * g -> s = g",
        "compare the way back with the way forward: is W_h transposed?": "s @ W_h -> s @ W_h.T",
        "every state has its slope u_t, not only the last one.": "+ u[:, t] -> + u[:, t] * (t == T - 1)",
        "the slope u_t belongs to the time t.": "+ u[:, t] -> + u[:, T - 1 - t]",
        "backwards means: the last step first.": "reversed(range(T)) -> range(T)",
        "R is one number for the batch: is a mean wanted?": "return dW_x, dW_h -> return dW_x / m, dW_h / m",
        "the last result is dR/dh_t, not dR/da_t.": "totals[:, t] = g -> totals[:, t] = s",
        "the last result holds all paths, not one.": "totals[:, t] = g -> totals[:, t] = u[:, t]",
    },
)
def leaky_bptt(x, u, W_x, W_h, b, alpha):
    """Return dR/dW_x, dR/dW_h, dR/db and dR/dh_t (m, T, n_h) for the direct slopes u (m, T, n_h)."""
    h = leaky_states(x, W_x, W_h, b, alpha)
    m, T = x.shape[:2]
    dW_x, dW_h, db, totals = np.zeros(W_x.shape), np.zeros(W_h.shape), np.zeros(len(b)), np.zeros(u.shape)
    g = np.zeros((m, len(b)))
    for t in reversed(range(T)):
        g = g + u[:, t]
        z = np.tanh(x[:, t] @ W_x.T + h[:, t] @ W_h.T + b)
        s = alpha * g * (1 - z**2)
        dW_x += s.T @ x[:, t]
        dW_h += s.T @ h[:, t]
        db += s.sum(axis=0)
        totals[:, t] = g
        g = (1 - alpha) * g + s @ W_h
    return dW_x, dW_h, db, totals


@exercise(
    cases=[
        ([np.array([4.0, 2.0]), np.array([[4.0], [0.0]])], 3.0),
        ([np.array([0.5, -0.5]), np.array([[0.5]])], 2.0),
        ([np.array([2, -1]), np.array([[4, 0], [2, 0]])], 2),
        ([_halves(2, 3), _halves(4), _halves(1, 2, 2), np.array(-3.0)], 0.5),
        ([np.array([3.0, 4.0])], 5.0),
        ([np.zeros(3), np.zeros((2, 2))], 1.0),
        ([np.array([1e-3, -2e-3]), np.array([2e-3])], 1e-3),
    ],
    mistakes={
        "one norm for all arrays together.": "g * scale -> g * min(1, most / max(np.sum(g**2) ** 0.5, 1e-9))",
        "clipping each entry turns the direction.": "g * scale -> np.clip(g, -most, most)",
        "a short gradient stays as it is.": "min(1.0, most / norm) -> most / norm",
        "a short gradient stays as it is; which is the one to shorten?": "min(1.0 -> max(1.0",
        "the norm has a root.": " ** 0.5 -> ",
        "squares are added up, not absolute values.": "np.sum(g**2) -> np.sum(np.abs(g))",
        "norms do not add up like that.": "2) for g in gradients) ** 0.5 -> 2) ** 0.5 for g in gradients)",
        "is every array in the norm?": "g in gradients) -> g in gradients[:1])",
        "a sum over all entries, not their mean.": "np.sum(g**2) -> np.mean(g**2)",
        "how long should the result be?": "most / norm -> 1 / norm",
        "the norm is the one before clipping.": "], norm -> ], min(norm, most)",
    },
)
def clip(gradients, most):
    """Return the arrays, all shortened by one factor to a common norm of at most `most`; the norm before."""
    norm = sum(np.sum(g**2) for g in gradients) ** 0.5
    scale = min(1.0, most / norm) if norm else 1.0
    return [g * scale for g in gradients], norm


def _gates(m, T, d, n, lengths):
    weights = (_halves(*shape) / 2 for shape in ((d, 3 * n), (n, 3 * n), (3 * n,)))
    return _halves(m, T, d), np.array(lengths), *weights


_TWO_STEPS = (*map(np.array, ([[[1.0], [2.0]]], [2], [[1.0, 0, 2]], [[0.0, 1, 3]], [0, -1.0, 0])),)


@exercise(
    cases=[
        _TWO_STEPS,
        _gates(3, 4, 2, 3, [4, 4, 4]),
        _gates(4, 5, 3, 2, [2, 5, 1, 3]),
        _gates(1, 3, 1, 4, [2]),
        _gates(2, 2, 2, 2, [0, 2]),
    ],
    mistakes={
        "the reset gate comes before the product here.": "(r * h) @ U[:, last] -> r * (h @ U[:, last])",
        "what does the reset gate do?": "(r * h) -> h",
        "is it the old state or the candidate that z keeps?": "z * h + (1 - z) * c -> (1 - z) * h + z * c",
        "the candidate comes in with a factor.": "(1 - z) * c -> c",
        "the order of the columns is z, r, candidate.": "z, r = -> r, z =",
        "the candidate lies between -1 and 1.": "c = np.tanh( -> c = (",
        "a gate lies between 0 and 1.": "gates = 1 / (1 + np.exp(-a)) -> gates = np.tanh(a)",
        "has the candidate a bias?": " + b[last] -> ",
        "the gates look at the state, too.": " + h @ U[:, : 2 * n] -> ",
        "after the end of a sequence its state stays.": "(t < lengths)[:, None] -> True",
        "after the end of a sequence its state stays; it is not set to 0.": "new, h) -> new, 0 * h)",
        "a sequence of length 2 has the steps 0 and 1.": "t < lengths -> t <= lengths",
        "is the last step of a sequence lost?": "t < lengths -> t + 1 < lengths",
        "what has a sequence without a step read?": "t < lengths -> (t < lengths) | (lengths == 0)",
    },
)
def gru(x, lengths, W, U, b):
    """Return the last true states (m, n_h) of a GRU whose reset gate comes before the product."""
    n = len(b) // 3
    h, last = np.zeros((len(x), n)), slice(2 * n, None)
    for t in range(x.shape[1]):
        a = x[:, t] @ W[:, : 2 * n] + h @ U[:, : 2 * n] + b[: 2 * n]
        gates = 1 / (1 + np.exp(-a))
        z, r = np.split(gates, 2, axis=1)
        c = np.tanh(x[:, t] @ W[:, last] + (r * h) @ U[:, last] + b[last])
        new = z * h + (1 - z) * c
        h = np.where((t < lengths)[:, None], new, h)
    return h


@exercise(
    cases=[
        (np.log([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]] * 2]), np.array([[0, 2, 1, -1]]), 2),
        (_halves(2, 6, 4), np.array([[1, 0, 3, 2, 0, -1], [2, 0, -1, -1, -1, -1]]), 0),
        (_halves(3, 4, 3), np.array([[1, 0, 2, 0], [2, -1, -1, -1], [1, 1, 2, -1]]), 2),
        (np.array([[[900.0, 0], [0, 1000]]]), np.array([[0, 1]]), 1),
        (np.array([[[1000.0, 0]] + [[0.0, 0]] * 15]), np.ones((1, 16), int), 1),
        (_halves(1, 5, 3).astype("float32"), np.array([[0, 1, 0, 1, 1]]), 1),
    ],
    mistakes={
        "bits are logarithms to the base 2.": " / np.log(2) -> ",
        "information is not negative.": "cost = -logp -> cost = logp",
        "padding is no text.": "there = targets >= 0 -> there = targets >= -1",
        "a mean of means?": "= cost.sum() / n -> = np.mean(cost.sum(1) / there.sum(1))",
        "a mean over the characters, not their sum.": "= cost.sum() / n -> = cost.sum()",
        "are places without text counted?": "n, words = there.sum() -> n, words = there.size",
        "a space is a character, too.": "n, words = there.sum() -> n, words = there[targets != space].sum()",
        "where does the power come in?": "2 ** (cost.sum() / words) -> cost.sum() / words",
        "the perplexity of a word, not that of a character.": "(cost.sum() / words) -> (cost.sum() / n)",
        "bits and the base e do not go together.": "2 ** ( -> np.exp(",
        "how many words are there? Each ends in a space.": "words = there.sum(), -> words = there.sum(), 1 +",
        "a space is to be guessed, too.": "= targets >= 0 -> = (targets >= 0) & (targets != space)",
        "logits may be large: what can be taken away first?": " - logits.max(axis=-1, keepdims=True) -> ",
        "logits are no probabilities.": "a - norm -> logits",
        "the softmax runs over the characters.": "np.exp(a).sum(axis=-1 -> np.exp(a).sum(axis=1",
        "first the bits, then the perplexity.": "return mean, perplexity -> return perplexity, mean",
    },
)
def bits(logits, targets, space):
    """Return the bits per character and the perplexity per word of targets (n, T), -1 is padding."""
    there = targets >= 0
    a = logits - logits.max(axis=-1, keepdims=True)
    norm = np.log(np.exp(a).sum(axis=-1, keepdims=True))
    logp = np.take_along_axis(a - norm, targets[..., None], axis=-1)[..., 0]
    cost = -logp * there / np.log(2)
    n, words = there.sum(), np.sum(targets == space)
    mean, perplexity = cost.sum() / n, 2 ** (cost.sum() / words)
    return mean, perplexity


_STEEP = np.log(np.array([[0.05, 0.5, 0.15, 0.3], [0.4, 0.1, 0.3, 0.2]]))


@exercise(
    cases=[
        (np.log(np.array([[0.5, 0.125, 0.375], [0.3, 0.5, 0.2]])), 1.0, 0.6),
        (_STEEP, 1.0, 0.75),
        (_STEEP, 0.5, 0.75),
        (_STEEP + 2000, 2.0, 0.75),
        (_STEEP, 1, 1.0),
        (_STEEP, 1.0, 1e-6),
        (_RNG.permutation(30).reshape(2, 15) / 4, 1.5, 0.9),
        (_RNG.permutation(20).reshape(5, 4), 3, 0.6),
    ],
    mistakes={
        "the symbol that reaches the share belongs to the set.": "sums - ranked < mass -> sums < mass",
        "what is left has to add up to 1 again.": "/ kept.sum(axis=1, keepdims=True) -> ",
        "the most probable symbols are kept, not the least.": "np.argsort(-p -> np.argsort(p",
        "in which order do the symbols come?": "kept[rows, order] = -> kept =",
        "the temperature has no effect.": "logits / temperature -> 1.0 * logits",
        "the logits are divided by the temperature.": "logits / temperature -> logits * temperature",
        "large logits overflow: what can be taken away first?": " - a.max(axis=1, keepdims=True) -> ",
        "is it a share of the symbols?": "sums - ranked -> np.arange(p.shape[1]) / p.shape[1] + 0 * p",
        "a sum of probabilities is asked for.": "sums - ranked < mass -> ranked >= mass * ranked[:, :1]",
        "each row has its own set.": "np.argsort(-p, axis=1) -> np.argsort(-p, axis=1)[[0] * len(p)]",
        "the softmax runs over the symbols of a row.": "/ e.sum(axis=1, keepdims=True) -> / e.sum(axis=0)",
        "symbols of the set keep their proportions.": "ranked * inside -> 1.0 * inside",
        "first the temperature, then the cut.": [
            "logits / temperature -> 1.0 * logits",
            "ranked * inside -> inside * ranked ** (1 / temperature)",
        ],
    },
)
def nucleus(logits, temperature, mass):
    """Return probabilities (n, K): after the temperature, the smallest set of a share `mass`, scaled to 1."""
    a = logits / temperature
    e = np.exp(a - a.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    rows, order = np.arange(len(p))[:, None], np.argsort(-p, axis=1)
    ranked, sums = p[rows, order], p[rows, order].cumsum(axis=1)
    inside, kept = sums - ranked < mass, np.zeros_like(p)
    kept[rows, order] = ranked * inside
    return kept / kept.sum(axis=1, keepdims=True)


@exercise(
    **KERAS,
    mistakes={
        "what does a reshape do to the order of the numbers?": [
            "ops.transpose(ops.reshape(x, (-1, T, heads, D)), swap) -> ops.reshape(x, (-1, heads, T, D))",
            "ops.transpose(out, swap) -> out",
        ],
        "the heads' results of one place are put side by side.": "ops.transpose(out, swap) -> out",
        "which numbers has the first head?": "(-1, T, heads, D)), swap -> (-1, T, D, heads)), (0, 3, 1, 2)",
        "do the weights of a query add up to 1 in the end?": (
            "ops.softmax(ops.where(seen, scores, -1e9)) -> ops.where(seen, ops.softmax(scores), 0)"
        ),
        "a score of 0 is not a weight of 0.": "-1e9 -> 0.0",
        "is the future hidden, or the past?": "t <= t[:, None] -> t >= t[:, None]",
        "a place may look at itself.": "t <= t[:, None] -> t < t[:, None]",
        "can a place see the future?": "t <= t[:, None] -> t >= 0",
        "what lies before the beginning of a sequence is hidden.": "begin <= t -> 0 * begin <= t",
        "the place begin[i] is the first of the sequence.": "begin <= t -> begin < t",
        "the scores are divided by a root.": "** 0.5 -> ** 1.0",
        "are the scores divided?": " / q.shape[-1] ** 0.5 -> ",
        "the width of all heads or that of one?": "q.shape[-1] ** -> (heads * q.shape[-1]) **",
        "the weights of a query add up to 1 over the keys.": "-1e9)) -> -1e9), axis=2)",
    },
)
def attend(q, k, v, begin, heads):
    """Return the attention (n, T, E) of several heads; the future and what comes before begin are hidden."""
    from keras import ops

    T, E, swap = q.shape[1], v.shape[2], (0, 2, 1, 3)

    def split(x):
        D = x.shape[2] // heads
        return ops.transpose(ops.reshape(x, (-1, T, heads, D)), swap)

    q, k, v = split(q), split(k), split(v)
    t, begin = np.arange(T), ops.reshape(begin, (-1, 1, 1, 1))
    seen = ops.logical_and(t <= t[:, None], begin <= t)
    scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) / q.shape[-1] ** 0.5
    out = ops.matmul(ops.softmax(ops.where(seen, scores, -1e9)), v)
    return ops.reshape(ops.transpose(out, swap), (-1, T, E))


def _attention_case(name, T, width, E, begin, heads):
    q, k, v = (_halves(len(begin), T, w).astype("float32") for w in (width, width, E))

    def outcome(attend):
        found = expect.as_array(attend(q, k, v, np.array(begin), heads))
        if found.shape != v.shape:
            return found
        hint = "what is the softmax of a row of -inf?" if any(begin) else "what is 0 times infinity?"
        expect.true(np.isfinite(found).all(), f"attend, {name}: some values are not finite.", hint)
        return np.where(np.arange(T)[:, None] >= np.reshape(begin, (-1, 1, 1)), found, 0)

    outcome.__doc__ = f"attend, {name}"
    attend.case(outcome)


_attention_case("one head, three places", 3, 1, 1, [0], 1)
_attention_case("one head of width 4", 3, 4, 2, [0, 0], 1)
_attention_case("two heads", 3, 4, 2, [0], 2)
_attention_case("three heads, a wide v", 4, 6, 12, [0, 0], 3)
_attention_case("two heads, sequences that begin later", 5, 4, 6, [0, 2, 4], 2)


@attend.case
def in_training_with_heads(attend):
    """attend in a network that is trained, two heads"""
    q, k, v = (np.float32(_FIXED[:, :, first : first + 4]) for first in (0, 2, 4))
    return expect.in_training(lambda *given: attend(*given, np.array([0, 0]), 2), q, k, v)


@exercise(
    **KERAS,
    cases=[(np.tile([1.0, 0.0], (1, 4, 1)).astype("float32"), 100.0), (np.float32(_halves(2, 5, 6)), 10)],
    mistakes={
        "one of the two lines of a turn has a minus.": "even * cos - odd -> even * cos + odd",
        "this turns the other way.": "angle = -> angle = -1.0 * ",
        "cosine and sine are exchanged.": "cos, sin = -> sin, cos =",
        "the first place has the number 0: what is its angle?": "np.arange(T) -> np.arange(1, T + 1)",
        "each pair has its own speed.": "0, D, 2) / D -> 0, D, 2) * 0.0",
        "how fast does the last pair turn? Look at the exponent.": "0, D, 2) / D -> 0, D // 2) / D",
        "later pairs turn more slowly.": "(-np.arange(0, D -> (np.arange(0, D",
        "the exponent is a share of the whole width.": "0, D, 2) / D -> 0, D, 2) / 1",
        "neighbours are a pair: 0 and 1, 2 and 3.": [
            "x[..., 0::2], x[..., 1::2] -> x[..., : D // 2], x[..., D // 2 :]",
            "ops.stack( -> ops.concatenate(",
        ],
        "each number goes back to its place.": "ops.stack( -> ops.concatenate(",
        "positions are counted along axis 1.": "np.arange(T) -> 0 * np.arange(T)",
    },
)
def rotate(x, base):
    """Return x (n, T, D), each pair of neighbours turned by the angle of its position and its speed."""
    from keras import ops

    T, D = x.shape[1:]
    angle = np.arange(T)[:, None] * base ** (-np.arange(0, D, 2) / D)
    cos, sin = np.cos(angle).astype("float32"), np.sin(angle).astype("float32")
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = ops.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1)
    return ops.reshape(turned, (-1, T, D))


@rotate.case
def in_training_with_turns(rotate):
    """rotate in a network that is trained"""
    return expect.in_training(lambda x: rotate(x, 10.0), np.float32(_FIXED))
