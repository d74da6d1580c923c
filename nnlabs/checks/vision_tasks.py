"""Checks of lab 08: boxes, a grid with anchors, soft suppression, average precision, Dice, a U-Net."""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

_RNG = np.random.default_rng(8)


def iou(a, b):
    """Return the IoU (n, m) of the boxes a (n, 4) with the boxes b (m, 4); as in the lab."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=-1) for box in (a, b)]
    return both / (areas[0][:, None] + areas[1] - both)


def _boxes(n, smallest=8):
    """Return n boxes of pixels, with halves."""
    corner = _RNG.integers(0, 60, size=(n, 2)) / 2
    return np.concatenate([corner, corner + _RNG.integers(smallest, 60, size=(n, 2)) / 2], axis=1)


# ---------------------------------------------------------------- 1. generalised IoU

_ONE = np.array([[0.0, 0.0, 4.0, 2.0]])
_NEAR = np.array([[2.0, 1.0, 6.0, 3.0], [6.0, 4.0, 8.0, 5.0], [1.0, 0.0, 2.0, 2.0]])


@exercise(
    cases=[
        (_ONE, _NEAR),
        (np.array([[0, 0, 4, 2], [3, 1, 4, 7]]), np.array([[0, 0, 4, 2], [4, 0, 6, 2], [9, 9, 11, 12]])),
        (_boxes(4), _boxes(2)),
        (_boxes(3).astype("float32") + 40, _boxes(3).astype("float32") + 40),
    ],
    mistakes={
        "two negative sides have a positive product: what do boxes share that lie apart?": (
            "np.clip(high - low, 0, None) -> (high - low)"
        ),
        "what both boxes share is counted twice in the union.": " - both -> ",
        "a side is right minus left: is a pixel added?": "high - low, 0 -> high - low + 1, 0",
        "the last two numbers of a box are a corner, not its sides.": "[..., 2:] - box[..., :2] -> [..., 2:]",
        "a row for each box of a, a column for each of b.": "a[:, None], b[None] -> a[None], b[:, None]",
        "every box of a meets every box of b: which shapes make a table?": "a[:, None], b[None] -> a, b",
        "R: from the smaller left side to the larger right one.": "= area(box) -> = (high - low).prod(-1)",
        "this is the IoU; what is taken away from it?": " - (around - union) / around -> ",
        "the empty part is a share of R.": "(around - union) / around -> (around - union) / union",
        "empty space makes the number smaller.": "union - (around -> union + (around",
        "is what both share taken away from R twice?": "around - union -> around - area(a) - area(b)",
        "the empty part is R without the union, not the union itself.": "(around - union) / -> union /",
        "does R contain both boxes, and little else?": "around = area(box) -> around = area(a) + area(b)",
        "only the empty part is here: where is the IoU?": "both / union - (around -> (around",
        "the intersection is a share of the union, not of the smaller box.": (
            "both / union -> both / np.minimum(area(a), area(b))"
        ),
    },
)
def giou(a, b):
    """Return the generalised IoU (n, m) of the boxes a (n, 4) with the boxes b (m, 4)."""

    def area(box):
        return (box[..., 2:] - box[..., :2]).prod(axis=-1)

    a, b = a[:, None], b[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    union = area(a) + area(b) - both
    box = np.concatenate([np.minimum(a, b)[..., :2], np.maximum(a, b)[..., 2:]], axis=-1)
    around = area(box)
    return both / union - (around - union) / around


# ---------------------------------------------------------------- 2. the target, with anchors

_ANCHORS = np.array([[8.0, 26.0], [20.0, 26.0], [24.0, 12.0]])
_SQUARES = np.array([[8.0, 26.0], [26.0, 26.0], [30.0, 30.0]])
_SCENE = np.array([[13.0, 5.0, 23.0, 34.0], [3.0, 4.0, 25.0, 24.0], [30.0, 30.5, 48.0, 63.5], [0.0, 0, 0, 0]])
_WHOLE = np.array([[1, 20, 29, 31], [20, 2, 27, 23], [4, 6, 14, 16]])


@exercise(
    cases=[
        (np.array([[8.0, 2.0, 16.0, 28.0]]), np.array([7]), _SQUARES, (4, 3), 8),
        (_SCENE, np.array([1, 0, 4, -1]), _ANCHORS, (4, 3), 16),
        (_SCENE.astype("float32"), np.array([1, -1, 0, -1]), _ANCHORS[1:2], (8, 8), 8),
        (_WHOLE, np.array([2, 9, 5]), np.array([[6, 6], [10, 20], [24, 12]]), (4, 4), 8),
        (_SCENE[3:], np.array([-1]), _ANCHORS, (2, 2), 32),
    ],
    mistakes={
        "rows and columns are exchanged: which of x and y counts the rows?": "row, column = -> column, row =",
        "x comes before y in the offsets too.": "x % 1, y % 1 -> y % 1, x % 1",
        "the centre of the box chooses the cell, not its corner.": "(box[:2] + box[2:]) / 2 -> box[:2]",
        "round down: half a cell further is still the same cell.": "int(y), int(x) -> round(y), round(x)",
        "the offset is measured in cells, from 0 to 1.": "x % 1, y % 1 -> x % 1 * cell, y % 1 * cell",
        "the whole number is the cell; what is left is the offset.": "x % 1, y % 1 -> x, y",
        "the offset begins at the corner of the cell.": "x % 1, y % 1 -> x % 1 - 0.5, y % 1 - 0.5",
        "where is the logarithm?": "np.log(side / anchors[k]) -> side / anchors[k]",
        "a side is compared with the anchor's.": "np.log(side / anchors[k]) -> np.log(side)",
        "a side is compared with the anchor's, not with the cell's.": "side / anchors[k]) -> side / cell)",
        "larger than the anchor is positive: see the fraction.": "side / anchors[k] -> anchors[k] / side",
        "width comes before height.": "*np.log(side / anchors[k]) -> *np.log(side / anchors[k])[::-1]",
        "the anchor that fits best gets the digit, not always the first.": "k = fit.argmax() -> k = 0",
        "this anchor fits worst.": "fit.argmax() -> fit.argmin()",
        "one anchor gets the digit, not all of its cell.": "[row, column, k] -> [row, column, :]",
        "two areas may be alike, and the forms are not: compare them by their IoU.": (
            "fit = both / union -> fit = -np.abs(side.prod() - anchors.prod(axis=1))"
        ),
        "the largest IoU decides which anchor fits.": "/ union -> / union - ((side - anchors) ** 2).sum(1)",
        "an anchor's width comes first.": "np.minimum(side, -> np.minimum(side[::-1],",
        "a large anchor shares much with any box: where is the union?": "both / union -> both",
        "a label of -1 says that there is no digit.": "if label < 0 -> if label < -1",
        "class 0 is a digit as well.": "if label < 0 -> if label < 1",
        "where is the 1 that says: here is a digit?": "= [1, -> = [0,",
    },
)
def encode(boxes, labels, anchors, shape, cell):
    """Return the target (rows, columns, anchors, 6) of a scene: 1, offset x, y, log width, height, class."""
    target = np.zeros((*shape, len(anchors), 6))
    for box, label in zip(boxes, labels, strict=True):
        if label < 0:
            continue
        side, (x, y) = box[2:] - box[:2], (box[:2] + box[2:]) / 2 / cell
        row, column = int(y), int(x)
        both = np.minimum(side, anchors).prod(axis=1)
        union = side.prod() + anchors.prod(axis=1) - both
        fit = both / union
        k = fit.argmax()
        target[row, column, k] = [1, x % 1, y % 1, *np.log(side / anchors[k]), label]
    return target


# ---------------------------------------------------------------- 3. back to boxes


def _raw(*shape):
    return _RNG.integers(-20, 21, size=shape) / 10


@exercise(
    cases=[
        (np.array([[[[[0.0, 0, 0, 0, 0, 1, 0]], [[0.0] * 7]]]]), np.array([[4.0, 6.0]]), 8),
        (_raw(2, 2, 3, 2, 8), _ANCHORS[:2], 16),
        (_raw(1, 3, 2, 1, 6).astype("float32"), _ANCHORS[:1], 8),
        (_raw(3, 2, 2, 3, 9), _ANCHORS, 10),
    ],
    mistakes={
        "the number of the cell is not added.": "corner + sigmoid -> sigmoid",
        "x grows with the column, y with the row.": ".T[:, :, None] -> .T[:, :, None, ::-1]",
        "the offset is a logit: what puts it between 0 and 1?": "sigmoid(raw[..., 1:3]) -> raw[..., 1:3]",
        "the centre is in cells; the boxes are in pixels.": "cell * (corner -> (corner",
        "the anchors are in pixels: is the cell in the sides too?": "anchors * -> cell * anchors *",
        "half a side goes to the left and half to the right.": "side / 2 -> side",
        "the box begins left of its centre.": "centre - side / 2, centre + side / 2 -> centre, centre + side",
        "corners are wanted, not centre and sides.": "centre - side / 2, centre + side / 2 -> centre, side",
        "width and height may be larger than the anchor: a sigmoid?": "np.exp(raw[ -> sigmoid(raw[",
        "what is the inverse of the logarithm?": "np.exp(raw[..., 3:5]) -> (1 + raw[..., 3:5])",
        "the anchors are not used.": "anchors * np.exp -> np.exp",
        "each anchor has its own form.": "anchors * np.exp -> anchors[0] * np.exp",
        "a class is certain in an empty cell too: where is the confidence?": "sigmoid(raw[..., :1]) * -> 1 *",
        "the confidence is a logit.": "sigmoid(raw[..., :1]) * -> raw[..., :1] *",
        "the classes exclude each other: softmax.": "softmax(raw[..., 5:]) -> sigmoid(raw[..., 5:])",
        "the classes are logits.": "softmax(raw[..., 5:]) -> raw[..., 5:]",
        "the softmax runs over the classes of one box.": "axis=-1, keepdims=True -> keepdims=True",
        "in softmax the sum runs over the last axis.": "axis=-1, keepdims -> axis=-2, keepdims",
        "each class has a score, not only the best.": "return boxes, scores -> return boxes, scores.max(-1)",
        "the order is that of raw: row by row, then the anchors.": "return boxes, -> return boxes[:, ::-1],",
        "each scene has its own list of boxes.": "reshape(n, -> reshape(",
        "first the boxes, then the scores.": "return boxes, scores -> return scores, boxes",
    },
)
def decode(raw, anchors, cell):
    """Return boxes (n, N, 4) and scores (n, N, classes) of raw (n, rows, columns, anchors, 5 + classes)."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    def softmax(a):
        e = np.exp(a - a.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    n, rows, columns = raw.shape[:3]
    corner = np.indices((columns, rows)).T[:, :, None]  # x, y of each cell's corner, in cells
    centre = cell * (corner + sigmoid(raw[..., 1:3]))
    side = anchors * np.exp(raw[..., 3:5])
    boxes = np.concatenate([centre - side / 2, centre + side / 2], axis=-1).reshape(n, -1, 4)
    scores = sigmoid(raw[..., :1]) * softmax(raw[..., 5:])
    scores = scores.reshape(n, -1, scores.shape[-1])
    return boxes, scores


# ---------------------------------------------------------------- 4. soft suppression

_CHAIN = np.array([[0.0, 0, 10, 4], [1, 0, 11, 4], [5, 0, 15, 4], [30, 30, 40, 44], [31, 30, 40, 44]])
_SCORES = np.array([0.9, 0.8, 0.75, 0.5, 0.45])


@exercise(
    cases=[
        (_CHAIN[:2], _SCORES[:2], np.array([3, 3]), 0.4),
        (_CHAIN, _SCORES, np.array([1, 1, 1, 1, 1]), 0.5),
        (_CHAIN[[2, 4, 0, 3, 1]], _SCORES[[2, 4, 0, 3, 1]], np.array([0, 2, 0, 1, 0]), 0.3),
        (_boxes(9, 20), np.linspace(0.1, 0.9, 9)[[3, 1, 8, 0, 6, 2, 7, 5, 4]], np.arange(9) % 2, 0.4),
        (_CHAIN[:1], np.array([1]), np.array([0]), 1.0),
    ],
    mistakes={
        "who is next is decided anew in each round, by the scores as they are now.": [
            "while waiting.any(): -> for best in np.argsort(-scores):",
            "best = np.where -> np.where",
        ],
        "a box that was chosen before keeps its score.": "rivals = waiting & -> rivals = (table[best] < 1) &",
        "a box of another class is no rival.": " & (labels == labels[best]) -> ",
        "the chosen box is no rival of itself.": [
            "waiting[best] = False -> pass",
            "share = -> waiting[best] = False; share =",
        ],
        "the IoU in the exponent is squared.": "share**2 -> share",
        "the formula has sigma, not its square.": "/ sigma -> / sigma**2",
        "the formula is not that of a normal density: is there a 2 too many?": "/ sigma -> / (2 * sigma)",
        "is sigma used?": " / sigma -> ",
        "the more two boxes share, the less is left of the score.": "np.exp(- -> np.exp(",
        "a score becomes lower, not 0.": "*= np.exp(-(share**2) / sigma) -> *= share < 0.3",
        "this is the linear form; the other one is asked for.": "np.exp(-(share**2) / sigma) -> 1 - share",
        "the worst box is chosen first.": "scores, -1).argmax() -> scores, 9).argmin()",
        "each chosen box lowers the others, not only the first.": "\n    return -> ; break\n    return",
        "what an earlier round has taken away is given back.": [
            "scores, waiting -> start = np.array(scores, float); scores, waiting",
            "scores[rivals] *= -> scores[rivals] = start[rivals] *",
        ],
        "the scores come back in the order of the boxes.": "return scores -> return np.sort(scores)[::-1]",
        "this is the share that is taken away.": "*= np.exp -> *= 1 - np.exp",
    },
)
def soft_nms(boxes, scores, labels, sigma):
    """Return the scores (n,), in the order of the boxes, after soft suppression within each class."""
    table = iou(boxes, boxes)
    scores, waiting = np.array(scores, float), np.array([True] * len(scores))
    while waiting.any():
        best = np.where(waiting, scores, -1).argmax()
        waiting[best] = False
        rivals = waiting & (labels == labels[best])
        share = table[best, rivals]
        scores[rivals] *= np.exp(-(share**2) / sigma)
    return scores


# ---------------------------------------------------------------- 5. average precision

_QUARTERS, _HUNDRED = np.linspace(0, 1, 5), np.linspace(0, 1, 101)
_HITS = np.array([True, False, True, True, False, False, True, False])


@exercise(
    cases=[
        (np.arange(0.9, 0.2, -0.1), _HITS[[0, 1, 2, 4, 5, 6, 7]], 4, _QUARTERS),
        (np.array([0.2, 0.9, 0.6, 0.5, 0.8, 0.3, 0.7, 0.1]), _HITS, 4, _HUNDRED),
        (np.linspace(1, 0.1, 8), ~_HITS, 7, _HUNDRED),
        (np.array([0.3, 0.1, 0.2]), np.array([1, 0, 1]), 2, np.array([0.5])),
        (np.array([0.5, 0.6]), np.array([False, False]), 3, _QUARTERS),
        (np.array([]), np.array([], bool), 2, _HUNDRED),
    ],
    mistakes={
        "are the detections in the order of their scores?": "np.argsort(-scores) -> np.arange(len(scores))",
        "the most confident detection comes first.": "-scores -> scores",
        "recall: of all digits, not of the detections.": "/ n_truth -> / max(len(hits), 1)",
        "recall: of all digits, also of those not found.": "/ n_truth -> / max(hits.sum(), 1)",
        "is this the precision at the end? Each rank has its own.": "/ rank -> / max(len(hits), 1)",
        "the precision is a share of the detections, not of the digits.": "found / rank -> found / n_truth",
        "the first detection has the rank 1.": "arange(len(hits)) + 1 -> arange(len(hits)) + 2",
        "a later precision may be better than the first that reaches the level.": (
            ".max(initial=0) -> [:1].max(initial=0)"
        ),
        "a recall equal to the level has reached it.": "recall >= level -> recall > level",
        "the recall must be at least the level.": "recall >= level -> recall <= level",
        "a level that is never reached counts as 0.": "(best) -> ([b for b in best if b] or [0])",
        "take the mean over the levels, not the sum.": "np.mean(best) -> np.sum(best)",
        "take the mean over the levels, not one of them.": "np.mean(best) -> np.max(best)",
        "where are the levels of recall?": "np.mean(best) -> np.sum(precision * hits[order]) / n_truth",
        "the best precision from a level on.": "np.mean(best) -> np.interp(levels, recall, precision).mean()",
    },
)
def average_precision(scores, hits, n_truth, levels):
    """Return the mean, over the levels of recall, of the best precision at this recall or a higher one."""
    order = np.argsort(-scores)
    found, rank = np.cumsum(hits[order]), np.arange(len(hits)) + 1
    precision, recall = found / rank, found / n_truth
    best = [precision[recall >= level].max(initial=0) for level in levels]
    return np.mean(best)


# ---------------------------------------------------------------- 6. find the fault

_LEFT, _NEAR_LEFT, _HALF, _FAR = [0.0, 0, 10, 10], [2.0, 0, 12, 10], [0.0, 0, 10, 5], [40.0, 0, 50, 10]
_LOW, _OFF = [7.0, 0, 17, 10], [3.0, 0, 13, 10]


def _judged(detections, truth):
    """Return the arguments: detections are (box, score, label), truth is (box, digit)."""
    arrays = [np.array(part) for given in (detections, truth) for part in zip(*given, strict=True)]
    return tuple(arrays)


@exercise(
    cases=[
        _judged([(_LEFT, 0.9, 3), (_NEAR_LEFT, 0.8, 3)], [(_LEFT, 3)]),
        _judged([(_NEAR_LEFT, 0.4, 3), (_LEFT, 0.8, 3), (_FAR, 0.9, 3)], [(_LEFT, 3)]),
        _judged([(_LEFT, 0.9, 5), (_OFF, 0.8, 3), (_FAR, 0.7, 3), (_LOW, 0.6, 3)], [(_LEFT, 3), (_FAR, 8)]),
        _judged([(_HALF, 0.3, 0), (_LOW, 0.6, 4), (_FAR, 0.7, 0)], [(_LEFT, 0), (_FAR, 0)]),
        _judged([(_LOW, 0.9, 1), (_LEFT, 0.4, 1), (_LEFT, 0.5, 1), (_LEFT, 0.7, 2)], [(_LEFT, 1)]),
        _judged([(_LOW, 0.2, 6), ([20, 20, 30, 30], 0.1, 6)], [([8, 0, 17, 10], 5), (_LEFT, 6)]),
        _judged([(_NEAR_LEFT, 0.9, 3), (_NEAR_LEFT, 0.8, 3)], [(_LEFT, 3), ([5.0, 0, 15, 10], 3)]),
        _judged([(_NEAR_LEFT, 0.9, 3), (_LOW, 0.8, 3)], [([5.0, 0, 15, 10], 3), (_LEFT, 3)]),
    ],
    mistakes={
        "one fault is left: can a digit be hit twice?": "free[left.argmax()] = False -> pass",
        "one fault is left: who may take a digit first?": "np.argsort(-scores) -> range(len(scores))",
        "the least confident detection should not take first.": "np.argsort(-scores) -> np.argsort(scores)",
        "in which order do the boxes come?": "return kinds -> return kinds[np.argsort(-scores)]",
        "rule 0 asks for a digit that nobody has taken: is there another one?": (
            "left = np.where(free, own, 0) -> left = free * own * (own == own.max())"
        ),
        "of several free digits, the largest IoU decides.": "[left.argmax()] -> [(left >= 0.5).argmax()]",
        "a hit has the right digit.": "np.where(digits == labels[i], share, 0) -> share",
        "a digit is taken by a hit only.": "rules = -> free[own.argmax()] &= own.max() < 0.1; rules =",
        "a wrong digit takes nothing.": "rules = -> free[share.argmax()] &= share.max() < 0.5; rules =",
        "the rules' limit is 0.5.": ">= 0.5 -> >= 0.55",
        "an IoU of exactly 0.5 is enough.": "left.max() >= 0.5 -> left.max() > 0.5",
        "badly placed means near a digit of its own class.": "own.max() >= 0.1 -> share.max() >= 0.1",
        "a second detection has the right digit.": "rules = own.max() >= 0.5 -> rules = False",
    },
)
def verdicts(boxes, scores, labels, truth, digits):
    """Return for each detection, in the order of boxes, the number of its kind, 0 to 4."""
    kinds, free = np.zeros(len(boxes), int), np.full(len(truth), True)
    for i in np.argsort(-scores):
        share = iou(boxes[i : i + 1], truth)[0]
        own = np.where(digits == labels[i], share, 0)
        left = np.where(free, own, 0)
        if left.max() >= 0.5:
            free[left.argmax()] = False
        else:
            rules = own.max() >= 0.5, share.max() >= 0.5, own.max() >= 0.1, True
            kinds[i] = 1 + rules.index(True)
    return kinds


# ---------------------------------------------------------------- 7. Dice, derived


def _maps(*shape):
    """Return a one-hot t in which the last class is absent, and probabilities p."""
    classes = shape[-1]
    a = np.exp(_RNG.normal(size=shape))
    return np.eye(classes)[_RNG.integers(classes - 1, size=shape[:-1])], a / a.sum(axis=-1, keepdims=True)


_T = np.array([[[[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]]])
_P = np.array([[[[0.5, 0.5, 0], [0.25, 0.75, 0], [0.25, 0.25, 0.5], [0.5, 0, 0.5]]]])


def _dice_of_each(t, p):
    losses, slopes = zip(*(dice.reference(t[[i]], p[[i]]) for i in range(len(t))), strict=True)
    return np.mean(losses), np.concatenate(slopes) / len(t)


@exercise(
    cases=[(_T, _P), _maps(2, 3, 4, 3), _maps(3, 2, 2, 5), (_T.astype("float32"), _T.astype("float32"))],
    mistakes={
        "the background is not one of the classes.": "there[0] = False -> there[0] = True",
        "a class that is nowhere in t does not count.": "t.sum(axis=axes) > 0 -> t.sum(axis=axes) > -1",
        "the sums run over all images of the batch together, not over each image first.": _dice_of_each,
        "the lecture's 1 above and below is not in this formula.": "safe = -> both += 0.5; size += 1; safe =",
        "two equal sets have a Dice of 1: where is the 2?": "2 * -> 1 * ",
        "1 - IoU: what does Dice divide by?": "p.sum(axis=axes) -> p.sum(axis=axes) - (t * p).sum(axes)",
        "the loss is small if both agree.": "loss = 1 - -> loss =",
        "this is the slope of Dice: which sign has the loss?": "(both - t * size) -> (t * size - both)",
        "the loss is a mean: what follows for its slope?": "/ count, 0 -> , 0",
        "the denominator depends on p as well.": "(both - t * size) -> (-t * size)",
        "both terms of the quotient rule: only a pixel of the class has the first one.": "t * size) -> size)",
        "the quotient rule divides by the square.": "/ safe**2 -> / safe",
        "the loss is a mean over the classes that count, not a sum.": "score.sum() / count -> score.sum()",
        "a mean over the classes, in the slope as well: is this a sum?": "count = there.sum() -> count = 1",
        "how many classes count? The mean is over these.": "count = there.sum() -> count = len(there)",
        "the denominator has p, not its square.": "p.sum(axis=axes) -> (p**2).sum(axis=axes)",
        "the slope of a class that does not count is 0.": "np.where(there, 2 -> np.where(True, 2",
        "p is not rounded: it would have no slope.": "both, size = -> p = p.round(); both, size =",
        "first the loss, then its slope.": "return loss, slope -> return slope, loss",
    },
)
def dice(t, p):
    """Return (loss, slope): 1 - mean Dice of the digits that occur in t, and its derivative by p."""
    axes = 0, 1, 2
    there = t.sum(axis=axes) > 0
    there[0] = False
    count = there.sum()
    both, size = (t * p).sum(axis=axes), t.sum(axis=axes) + p.sum(axis=axes)
    safe = np.where(there, size, 1)
    score = 2 * both / safe * there
    loss = 1 - score.sum() / count
    slope = np.where(there, 2 * (both - t * size) / safe**2 / count, 0)
    return loss, slope


# ---------------------------------------------------------------- 8. a U-Net


@exercise(
    **KERAS,
    mistakes={
        "the skips are missing.": "h = layers.Concatenate()([skip, h]) -> ",
        "in which order are skip and lower maps joined?": "[skip, h] -> [h, skip]",
        "logits are wanted: is there a softmax?": "(channels, 1) -> (channels, 1, activation='softmax')",
        "logits may be negative: is there a ReLU?": "(channels, 1) -> (channels, 1, activation='relu')",
        "the last convolution looks at one pixel.": "(channels, 1) -> (channels, 3, padding='same')",
        "the convolutions have biases.": 'activation="relu" -> activation="relu", use_bias=False',
        "pooling, not a stride.": "MaxPooling2D(2)(h) -> ReLU()(layers.Conv2D(width, 3, 2, 'same')(h))",
        "which activation follows the convolutions?": ', activation="relu" -> ',
        "one convolution a level on the way down.": "(h)\n        skips -> (conv(width)(h))\n        skips",
        "one convolution a level on the way up.": "[skip, h])\n -> [skip, h])\n        h = conv(width)(h)\n",
        "the way up has the widths in the opposite order.": "widths[-2::-1] -> widths[:-1]",
        "the last width belongs to the bottom, after the last pooling.": "h = conv(widths[-1])(h) -> ",
        "take the maximum of a patch.": "MaxPooling2D -> AveragePooling2D",
        "up-sampling repeats each value.": "UpSampling2D(2) -> UpSampling2D(2, interpolation='bilinear')",
        "up-sampling has no weights.": "layers.UpSampling2D(2) -> layers.Conv2DTranspose(width, 2, 2)",
    },
)
def unet(widths, channels):
    """Return a U-Net for images (height, width, 1) of any size, with logits (height, width, channels)."""
    import keras
    from keras import layers

    def conv(width):
        return layers.Conv2D(width, 3, padding="same", activation="relu")

    h = inputs = keras.Input((None, None, 1))
    skips = []
    for width in widths[:-1]:
        h = conv(width)(h)
        skips.append(h)
        h = layers.MaxPooling2D(2)(h)
    h = conv(widths[-1])(h)
    for width, skip in zip(widths[-2::-1], skips[::-1], strict=True):
        h = layers.UpSampling2D(2)(h)
        h = layers.Concatenate()([skip, h])
        h = conv(width)(h)
    return keras.Model(inputs, layers.Conv2D(channels, 1)(h))


def _add_network(widths, channels, height, width):
    images = np.random.default_rng(1).normal(size=(2, height, width, 1)).astype("float32")

    def outcome(attempt):
        call = f"unet({widths}, {channels})"
        model = expect.keras_model(
            attempt(list(widths), channels), call, (None, None, 1), "keras.Model makes one."
        )
        try:
            return expect.outputs(model, images)
        except Exception as error:
            raise expect.WrongError(
                f"{call} does not compute an image of {height} x {width}: {type(error).__name__}.",
                "do the convolutions keep the size, and does each skip leave before the pooling?",
            ) from None

    outcome.__doc__ = f"unet({widths}, {channels}) on an image of {height} x {width}"
    unet.case(outcome)


_add_network((2, 3), 2, 4, 6)
_add_network((3, 4, 2, 5), 3, 16, 24)
_add_network((4,), 1, 3, 5)
