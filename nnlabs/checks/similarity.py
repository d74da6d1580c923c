"""Checks of lab 14: pairs, a loss with two margins, semi-hard triplets, the sphere, episodes, a gate.

A label 1 says *same*. What is drawn at random is judged by facts, in words, that all right answers share.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

_RNG = np.random.default_rng(14)


def _ever(condition):
    return "sometimes" if np.any(condition) else "never"


def _evenly(shares, limit):
    return "evenly" if np.ptp(np.array(shares, float)) < limit else "unevenly"


_LETTER = np.array([9, 4, 9, 7, 9, 4, 7, 9])  # the first and the third are two images in one style
_STYLE = np.array([0, 1, 0, 2, 1, 0, 0, 2])


@exercise(
    mistakes={
        "exactly half of the pairs show one letter: is it left to chance?": "k % 2 -> rng.integers(2)",
        "how many pairs are asked for?": "range(n) -> range(2 * n)",
        "the label 1 means the same letter.": "(i, j, same) -> (i, j, 1 - same)",
        "is an image compared with itself?": "(style != style[i]) -> (style == style)",
        "two images of one letter may have one style.": "(style != style[i]) -> (places != i)",
        "the rule of the styles holds for pairs of two letters too.": (
            "(style != style[i]) -> ((same == 0) | (style != style[i]))"
        ),
        "a letter with many images should not come more often: draw the letter first.": (
            "i = rng.choice(places[letter == rng.choice(np.unique(letter))]) -> i = rng.choice(places)"
        ),
        "is there a letter that never comes first?": "np.unique(letter) -> np.unique(letter)[:-1]",
        "the second image is drawn from all that fit.": "rng.choice(places[fits]) -> places[fits][0]",
        "indices of images are wanted, not their letters.": "append((i, j, -> append((letter[i], letter[j],",
    },
)
def pairs(letter, style, n, rng):
    """Return (i, j, same) of n pairs, half of them of one letter, each in two styles."""
    places, found = np.arange(len(letter)), []
    for k in range(n):
        same = k % 2
        i = rng.choice(places[letter == rng.choice(np.unique(letter))])
        fits = (style != style[i]) & ((letter == letter[i]) == same)
        j = rng.choice(places[fits])
        found.append((i, j, same))
    return tuple(np.array(found).T)


@pairs.case
def facts_of_pairs(attempt):
    """1500 pairs of 8 images of 3 letters"""
    i, j, same = found = attempt(_LETTER.copy(), _STYLE.copy(), 1500, np.random.default_rng(1))
    for part in found:
        expect.array(part, "i, j and same of pairs")
    shapes = i.shape, j.shape, same.shape
    expect.true(set(shapes) == {(1500,)}, f"1500 pairs: expected three arrays (1500,), found {shapes}.")
    known = {i.dtype.kind, j.dtype.kind} <= set("iu") and set(i) | set(j) <= set(range(8))
    expect.true(known, "i and j of pairs should be indices of images.")
    one, style = _LETTER[i] == _LETTER[j], _STYLE[i] == _STYLE[j]
    shares = [[np.mean(_LETTER[i[kind]] == c) for c in (4, 7, 9)] for kind in (one, ~one) if kind.any()]
    return {
        "label 1": "one letter" if np.array_equal(same, one) else "wrong in some pairs",
        "pairs of one letter": "half" if one.sum() == 750 else "not half",
        "an image with itself": _ever(i == j),
        "one letter in one style": _ever(one & style),
        "two letters in one style": _ever(~one & style),
        "letters of i": [_evenly(share, 0.15) for share in shares],
        "pairs that fit": "some never occur" if len(set(zip(i, j, strict=True))) < 38 else "all occur",
    }


@pairs.property
def draws_pairs_from_rng(attempt):
    expect.uses_generator(lambda rng: attempt(_LETTER, _STYLE, 20, rng), "pairs")


def _points(m, d, equal=0):
    """Return a, b (m, d), of which the first rows are equal, and same (m,)."""
    a, b = _RNG.integers(-9, 10, size=(2, m, d)) / 4
    b[:equal] = a[:equal]
    return a, b, np.arange(m) % 2


@exercise(
    cases=[
        (np.zeros((2, 3)), np.array([[3.0, 4, 0], [0, 2, 0]]), np.array([1, 0]), 1.0, 4.0),
        (*_points(9, 3, equal=2), 0.5, 3.0),
        (*_points(8, 2), 0.0, 2.0),
        (np.array([[1, 2], [3, 5]]), np.array([[1, 4], [0, 1]]), np.array([False, True]), 1, 3),
        (np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]), np.array([0]), 0.25, 2.0),
        (*(part.astype("float32") for part in _points(5, 4)), 0.5, 3.0),
    ],
    mistakes={
        "the label 1 means same: who is pulled?": "np.asarray(same, bool) -> ~np.asarray(same, bool)",
        "a pair of one letter that is near enough has no loss.": "np.maximum(D - near, 0) -> D - near",
        "a pair of two letters that is far enough has no loss.": "np.maximum(far - D, 0) -> far - D",
        "the distance is the root of the sum of squares.": "np.sqrt(square) -> square",
        "both parts are squared.": "pull**2, push**2 -> pull, push",
        "the loss is a mean over the pairs, not a sum.": ["push**2).mean() -> push**2).sum()", " / m -> "],
        "the loss is a mean over the pairs: what follows for its slope?": " / m -> ",
        "what is the derivative of a square?": "2 * np.where -> np.where",
        "pulling and pushing have opposite directions: look at the signs.": "-push) -> push)",
        "the slope of a distance is a direction: how long is it?": "np.where(D > 0, D, 1) -> 1",
        "two equal points have no direction: the slope there is 0.": "np.where(D > 0, D, 1) -> D",
        "is it the slope at a, or at b?": "a - b, np -> b - a, np",
        "is the first margin used?": "D - near -> D",
        "first the loss, then its slope.": "return loss, slope -> return slope, loss",
    },
)
def two_margins(a, b, same, near, far):
    """Return (loss, slope at a) of the contrastive loss with two margins."""
    m, gap, same = len(a), a - b, np.asarray(same, bool)
    square = (gap**2).sum(axis=1)
    D = np.sqrt(square)
    pull, push = np.maximum(D - near, 0), np.maximum(far - D, 0)
    loss = np.where(same, pull**2, push**2).mean()
    force = 2 * np.where(same, pull, -push) / m
    slope = (force / np.where(D > 0, D, 1))[:, None] * gap
    return loss, slope


def _table(y, d, seed):
    """Return squared distances of unit vectors (float32), and the labels."""
    e = np.random.default_rng(seed).normal(size=(len(y), d))
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    return (2 - 2 * e @ e.T).astype("float32"), np.array(y)


_LINE = np.array([0.0, 1.0, 2.0, 10.0], "float32")


@exercise(
    **KERAS,
    cases=[
        (np.abs(_LINE[:, None] - _LINE), np.array([0, 0, 1, 1]), 3.0),
        (*_table([3, 1, 3, 1, 3, 2, 2], 3, 1), 0.5),
        (*_table([0, 1, 1, 0, 2, 1], 2, 2), 0.2),
        (*_table([5, 5, 5, 0], 3, 3), 0.0),
        (*_table([0, 1] * 6, 2, 4), 1.0),
    ],
    mistakes={
        "an image is not its own partner.": " - ops.eye(ops.shape(D)[0]) -> ",
        "a negative that is as near as the partner is not farther.": "(an > ap) -> (an >= ap)",
        "this is the hardest negative of all: is it farther than the partner?": "other & (an > ap) -> other",
        "a semi-hard negative is farther than the partner.": "(an > ap) -> (an < ap)",
        "which of the negatives that are farther is the hardest?": [
            "ops.min(ops.where(semi, an, 9e9) -> ops.max(ops.where(semi, an, -9e9)",
            "nearest < 1e9 -> nearest > -1e9",
        ],
        "if no negative is farther than the partner, which one is taken?": (
            "ops.where(nearest < 1e9, nearest, farthest) -> nearest"
        ),
        "if none is farther, this one is too hard.": (
            "ops.max(ops.where(same, -1.0, D) -> ops.min(ops.where(same, 9e9, D)"
        ),
        "the negative is an image of another letter.": "other & (an > ap) -> (an > ap)",
        "a triplet that is right by the margin has no loss.": "ops.relu(ap[..., 0] -> (ap[..., 0]",
        "is the margin added?": " + alpha -> ",
        "the margin makes it harder, not easier.": "+ alpha -> - alpha",
        "a far negative is good, a far partner is bad.": "- negative + alpha -> * -1 + negative + alpha",
        "a triplet without loss counts in the mean too.": "ops.sum(pair) -> ops.sum(ops.sign(loss))",
        "the mean is over the pairs of one letter.": "ops.sum(pair) -> ops.sum(0 * pair + 1)",
        "a mean is wanted, not a sum.": " / ops.sum(pair) -> ",
        "every partner has its own triplet.": "/ ops.sum(pair) -> * 0 + ops.mean(ops.max(loss, axis=1))",
    },
)
def semi_hard(D, y, alpha):
    """Return the mean triplet loss of all pairs of one letter, with their semi-hard negatives."""
    from keras import ops

    same = ops.equal(y[:, None], y[None])
    pair = ops.cast(same, "float32") - ops.eye(ops.shape(D)[0])
    ap, an, other = D[:, :, None], D[:, None], ops.logical_not(same)[:, None]
    semi = other & (an > ap)
    nearest = ops.min(ops.where(semi, an, 9e9), axis=2)
    farthest = ops.max(ops.where(same, -1.0, D), axis=1)[:, None]
    negative = ops.where(nearest < 1e9, nearest, farthest)
    loss = pair * ops.relu(ap[..., 0] - negative + alpha)
    return ops.sum(loss) / ops.sum(pair)


@semi_hard.case
def semi_hard_in_training(attempt):
    """semi_hard in training, for any number of images, with its gradient"""
    from keras import ops

    def loss(e, y):
        square = ops.sum(e**2, axis=1)
        table = square[:, None] + square - 2 * ops.matmul(e, ops.transpose(e))
        return attempt(table, ops.cast(y, "int32"), 0.5)

    e = np.random.default_rng(5).normal(size=(8, 3)).astype("float32")
    return expect.in_training(loss, e, np.array([0, 1, 2, 0, 1, 2, 0, 1], "float32"))


_V, _G = _RNG.integers(-9, 10, size=(2, 4, 3)) / 2


@exercise(
    cases=[
        (np.array([[3.0, 4.0]]), np.array([[5.0, 10.0]])),
        (_V, _G),
        (_V[:, :2].astype("float32"), _G[:, :2].astype("float32")),
        (np.array([[0, 2], [1, 0], [3, 4]]), np.array([[1, 0], [2, 0], [-4, 3]])),
        (_RNG.normal(size=(2, 64)), _RNG.normal(size=(2, 64))),
    ],
    mistakes={
        "twice as far out, how far does u move?": ") / length -> )",
        "how often is the length of v in it?": ") / length -> ) / length**2",
        "what happens to u if v moves along itself?": "(g - along * u) -> g",
        "this is one part of g: is it the part that moves u?": "(g - along * u) -> (along * u)",
        "the part along u is taken away, not added.": "g - along -> g + along",
        "is the direction that is taken away a unit vector?": "along * u -> along * v",
        "each row has its own length.": "(v**2).sum(axis=1, keepdims=True) -> (v**2).sum()",
        "each row has its own inner product, one number.": "(g * u).sum(axis=1, keepdims=True) -> g * u",
        "the length is the root of the sum of squares.": "length = np.sqrt -> length =",
    },
)
def through_sphere(v, g):
    """Return the slope at v, if u = v / |v| and g is the slope at u, row by row."""
    length = np.sqrt((v**2).sum(axis=1, keepdims=True))
    u = v / length
    along = (g * u).sum(axis=1, keepdims=True)
    return (g - along * u) / length


_MANY = np.random.default_rng(1).permutation(np.repeat([2, 3, 5, 8, 9], [5, 5, 5, 5, 25]))


@exercise(
    mistakes={
        "the letters of an episode are all different.": "ways, replace=False) -> ways)",
        "many images of a letter should not make it frequent.": "np.unique(letter), ways -> letter, ways",
        "a shot is another image of the letter, not one image again.": "= own[:shots] -> = own[0]",
        "an image of the support is asked again: how hard is that?": "own[shots:][ -> own[",
        "is the answer always at one place?": "rng.integers(ways, size=queries) -> 0 * np.arange(queries)",
        "the places come in turn: each is drawn for itself.": (
            "rng.integers(ways, size=queries) -> np.arange(queries) % ways"
        ),
        "one query should not tell what the next one is not.": (
            "rng.integers(ways, size=queries) -> rng.permutation(np.arange(queries) % ways)"
        ),
        "an image is used once in an episode: is one asked twice?": "own[shots:][:count] -> own[shots]",
        "the images of the support are drawn.": "rng.permutation(places[letter == c]) -> places[letter == c]",
        "the answer is a place in the support, not a letter.": "query, answer -> query, chosen[answer]",
        "does each answer belong to its query?": "query, answer -> query, answer[::-1]",
        "a row for each letter, a column for each shot.": "return support, -> return support.T,",
        "is there a place whose letter is never asked?": "rng.integers(ways, -> rng.integers(ways - 1,",
    },
)
def episode(letter, ways, shots, queries, rng):
    """Return the indices support (ways, shots) and query (queries,), and the places answer (queries,)."""
    places, chosen = np.arange(len(letter)), rng.choice(np.unique(letter), ways, replace=False)
    answer = rng.integers(ways, size=queries)
    support, query = np.zeros((ways, shots), int), np.zeros(queries, int)
    for way, c in enumerate(chosen):
        own, count = rng.permutation(places[letter == c]), np.sum(answer == way)
        support[way] = own[:shots]
        query[answer == way] = own[shots:][:count]
    return support, query, answer


@episode.case
def facts_of_episodes(attempt):
    """500 episodes of 3 ways, 2 shots, 3 queries"""
    rng = np.random.default_rng(2)
    found = [attempt(_MANY.copy(), 3, 2, 3, rng) for _ in range(500)]
    support, query, answer = (np.array(part) for part in zip(*found, strict=True))
    shapes = support.shape[1:], query.shape[1:], answer.shape[1:]
    expect.true(shapes == ((3, 2), (3,), (3,)), f"Expected the shapes (3, 2), (3,), (3,), found {shapes}.")
    expect.true(set(answer.ravel()) <= {0, 1, 2}, "An answer for 3 ways should be 0, 1 or 2.")
    letters = _MANY[support]
    rows, shots = np.sort(letters[..., 0], axis=1), np.sort(support.reshape(500, 6), axis=1)
    equal = np.mean(answer[:, 0] == answer[:, 1])
    shares = [[np.mean(a == k) for k in range(3)] for a in answer.T]
    right = np.take_along_axis(letters[..., 0], answer.astype(int), axis=1)
    return {
        "two letters in one row": _ever(letters != letters[..., :1]),
        "one letter in two rows": _ever(np.diff(rows) == 0),
        "a query that is not the letter of its answer": _ever(_MANY[query] != right),
        "an image twice in the support": _ever(np.diff(shots) == 0),
        "a query from the support": _ever(query[:, :, None] == shots[:, None]),
        "an image asked twice": _ever(np.diff(np.sort(query)) == 0),
        "places of the answers": [f"{np.count_nonzero(s)} occur, {_evenly(s, 0.2)}" for s in shares],
        "equal answers": "always" if equal > 0.9 else _evenly([equal, 1 / 3], 0.12),
        "letters": _evenly([np.mean((rows == c).any(axis=1)) for c in np.unique(_MANY)], 0.2),
        "images in the support": "all occur" if len(np.unique(support)) == 45 else "some never occur",
    }


@episode.property
def draws_episodes_from_rng(attempt):
    expect.uses_generator(lambda rng: attempt(_MANY, 4, 2, 3, rng), "episodes")


_TWO = np.array([[[0.0], [2.0]], [[4.0], [6.0]], [[-1.0], [3.0]]])
_ASKED = np.array([[1.0], [2.0], [3.0], [2.0], [0.5], [-1.0], [0.0]])


@exercise(
    cases=[
        (np.array([[[0.0]], [[4.0]]]), _ASKED, np.array([0, 0, 0, 1, 0, 0, 0])),
        (np.ones((5, 1, 3)), np.ones((4, 3)), np.array([0, 3, 2, 4])),
        (np.array([[[0.1]], [[0.2]]]), np.array([[0.15]]), np.array([0])),
        (_TWO, np.array([[1.0], [6.5], [2.9]]), np.array([2, 1, 2])),
        (_RNG.integers(-9, 10, size=(4, 3, 2)) / 4, _RNG.normal(size=(40, 2)), np.arange(40) % 4),
        (_RNG.normal(size=(5, 2, 3)), _RNG.normal(size=(9, 3)).astype("float32"), np.arange(9) % 5),
        (np.array([[[1], [2]], [[4], [8]]]), np.array([[3], [4], [9]]), np.array([0, 1, 1])),
    ],
    mistakes={
        "a fault shows in ties: what does a constant embedding score?": " / nearest.sum(axis=1) -> ",
        "one fault is left: whose shots are averaged? Look at an episode with two shots.": (
            "support.mean(axis=1) -> support.reshape(-1, *support.shape[::2]).mean(axis=0)"
        ),
        "nothing for a tie is no fair share either.": "/ nearest.sum(axis=1) -> // nearest.sum(axis=1)",
        "is the first of the nearest right because it is the first?": (
            "hit / nearest.sum(axis=1) -> dist.argmin(axis=1) == answer"
        ),
        "the share is that of the ways that are equally near.": "/ nearest.sum(axis=1) -> / len(support)",
        "one shot is not all: where is the mean?": "support.mean(axis=1) -> support[:, 0]",
        "the sum of the shots lies farther out.": "support.mean(axis=1) -> support.sum(axis=1)",
        "distances that differ by rounding alone are equal.": "np.isclose( -> np.equal(",
        "a mean is wanted, not a sum.": "np.mean(credit) -> np.sum(credit)",
    },
)
def score(support, query, answer):
    """Return the accuracy of the nearest prototype, in which ties are shared."""
    prototype = support.mean(axis=1)
    dist = np.linalg.norm(query[:, None] - prototype, axis=2)
    nearest = np.isclose(dist, dist.min(axis=1, keepdims=True))
    hit = nearest[np.arange(len(query)), answer]
    credit = hit / nearest.sum(axis=1)
    return np.mean(credit)


_SAME = np.array([1, 1, 0, 1, 1, 0, 0, 1, 0, 0])
_ANY = _RNG.permutation(40)


@exercise(
    cases=[
        (np.arange(1.0, 11.0), _SAME, 0.3),
        (np.arange(10.0, 0.0, -1.0), _SAME[::-1] > 0, 0.4),
        (np.array([1, 1, 2, 2, 2, 3, 3, 4]), np.array([1, 1, 1, 0, 1, 1, 0, 0]), 0.3),
        (np.array([0.5, 1.0, 1.5, 2.0]), np.array([0, 1, 0, 1]), 0.25),
        (np.array([1, 1, 1, 1, 2, 2, 2, 3, 3]), np.array([1, 1, 0, 0, 1, 1, 1, 0, 0]), 0.5),
        (np.sqrt(_ANY / 3).astype("float32"), (_ANY + _RNG.integers(0, 20, 40)) < 30, 0.1),
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0]), 1.0),
    ],
    mistakes={
        "a pair is accepted if it is near.": "t >= D -> t <= D",
        "the label 1 means same.": "np.asarray(same, bool) -> ~np.asarray(same, bool)",
        "are the labels numbers? ~1 is -2.": "np.asarray(same, bool) -> np.asarray(same)",
        "a distance equal to the threshold is accepted.": "t >= D -> t > D",
        "the rate itself is still allowed.": "far <= rate -> far < rate",
        "which of the thresholds that are allowed is wanted?": "[0][-1] -> [0][0]",
        "false accepts are a share of the pairs of two letters, not of all pairs.": (
            "accept[:, ~same].mean(axis=1) -> accept[:, ~same].sum(axis=1) / len(same)"
        ),
        "false accepts are a share of the pairs of two letters, not of those accepted.": (
            "[:, ~same].mean(axis=1) -> [:, ~same].sum(axis=1) / accept.sum(axis=1).clip(1)"
        ),
        "false rejects are a share of the pairs of one letter.": (
            "(~accept[:, same]).mean(axis=1) -> (~accept[:, same]).sum(axis=1) / len(same)"
        ),
        "these are accepted: who is rejected?": "(~accept[:, same]) -> accept[:, same]",
        "the equal error rate does not depend on the rate.": "worse.min() -> worse[k]",
        "are they smallest where they are closest?": "worse.min() -> worse[abs(far - frr).argmin()]",
        "both errors should be small at once.": "np.maximum( -> np.minimum(",
        "the larger of the two errors counts, not their mean.": "np.maximum(far, frr) -> (far + frr) / 2",
        "does the gate have a threshold that rejects everybody?": "np.append(-1, D) -> D",
    },
)
def gate(D, same, rate):
    """Return (threshold, false reject rate at it, equal error rate)."""
    same, t = np.asarray(same, bool), np.unique(np.append(-1, D))[:, None]
    accept = t >= D
    far, frr = accept[:, ~same].mean(axis=1), (~accept[:, same]).mean(axis=1)
    k = np.nonzero(far <= rate)[0][-1]
    worse = np.maximum(far, frr)
    return t[k, 0], frr[k], worse.min()
