"""Checks of lab 13: densities through functions, couplings, bits of an image, autoregressive flows.

A layer returns (z, log_det), with one log|det dz/dx| for each row of x. Only the last exercise loads Keras.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _normal(*shape, seed=13):
    return np.random.default_rng(seed).normal(size=shape)


def _case(exercise, what, outcome):
    outcome.__doc__ = what
    exercise.case(outcome)


def _bell(z):
    return np.exp(-((z - 0.5) ** 2) / 2) / np.sqrt(2 * np.pi)


def _decay(z):
    return np.where(z > 0, np.exp(-z), 0)


_SQUARE = [(lambda y: -np.sqrt(y), lambda y: -0.5 / np.sqrt(y)), (np.sqrt, lambda y: 0.5 / np.sqrt(y))]
_FALLING = [(lambda y: -np.log(y) / 2, lambda y: -0.5 / y)]
_TURNS = [(lambda y, k=k: y + k, np.ones_like) for k in range(6)]
_TENT = [(lambda y: y / 3, lambda y: 0 * y + 1 / 3), (lambda y: 2 - y, lambda y: 0 * y - 1)]


@exercise(
    mistakes={
        "which sign has the slope of a falling branch, and which a density?": "np.abs(s) -> s",
        "is the area below it still 1? The slopes are missing.": " * np.abs(s) -> ",
        "which slope is given, that of the branch or that of the function?": "* np.abs(s) -> / np.abs(s)",
        "the slope of a branch is a function of y.": "slope(y) -> slope(z)",
        "the base is a density of z: where does z lie?": "base(z) -> base(y)",
        "each z that leads to y adds its part: does the loop end early?": "in branches -> in branches[:1]",
        "the probabilities of two ways to one y are added, not averaged.": "np.sum -> np.mean",
        "the larger part is not all.": "np.sum -> np.max",
    },
)
def density(y, base, branches):
    """Return the density at each y, from pairs (inverse, slope) of functions of y."""
    parts = []
    for g, slope in branches:
        z = g(y)
        s = slope(y)
        parts.append(base(z) * np.abs(s))
    return np.sum(parts, axis=0)


for _what, *_given in (
    ("the density of y = z² at y = 1, 4", np.array([1.0, 4.0]), _bell, _SQUARE),
    ("the density of y = exp(-2z), which falls", np.array([0.5, 1, 3]), _bell, _FALLING),
    ("the density of a tent with two slopes", np.array([[0.25, 0.5], [0.75, 1.25]]), _decay, _TENT),
    ("the density of y = z mod 1, six branches", np.array([0.0625, 0.25, 0.75]), _decay, _TURNS),
    ("the density of y = z² at whole y", np.array([1, 4, 9]), _decay, _SQUARE),
):
    _case(density, _what, lambda density, given=_given: density(*given))


def _net(kept, changed, seed=13):
    """Return a network (n, kept) -> (n, 2 changed), the same at each call."""
    weights = _normal(kept, 2 * changed, seed=seed)

    def net(h):
        return np.tanh(h @ weights + 0.25)

    return net


def _joined(z):
    return np.hstack([z[:, ::2], z[:, 1::2]])


@exercise(
    cases=[
        (np.array([[1.0, 2.0], [-1.0, 0.5]]), _net(1, 1), False),
        (np.array([[1.0, 2.0], [-1.0, 0.5]]), _net(1, 1), True),
        (np.array([[1.0, 2.0], [-1.0, 0.5]]), _net(1, 1), False, True),
        (_normal(4, 5), _net(3, 2), False),
        (_normal(1, 3), _net(1, 2), True),
        (_normal(3, 6), _net(3, 3), True, True),
        (_normal(3, 5).astype("float32"), _net(2, 3), True, True),
        (np.array([[1, 2, 3, 4]]), _net(2, 2), False),
    ],
    mistakes={
        "one fault is left: where does each number belong?": "return z -> return _joined(z)",
        "two faults are left: follow the row (1, 2, 3, 4).": "z, sign * s.sum -> _joined(z), sign * s.mean",
        "one fault is left: what is the log-determinant if each s is 1?": "s.sum(axis=1) -> s.mean(axis=1)",
        "each row has its own log-determinant: over which axis runs the sum?": "s.sum(axis=1) -> s.sum()",
        "a determinant is a product, and its logarithm?": "s.sum(axis=1) -> s.prod(axis=1)",
        "the way back shrinks what the other stretches: see its log-determinant.": "-1 if -> 1 if",
        "which sign has the log-determinant on the way there?": "sign * s.sum -> -sign * s.sum",
        "on the way back the last step is undone first.": "- t) * np.exp(-s) -> * np.exp(-s) - t)",
        "on the way back, what undoes the exponential?": "np.exp(-s) -> np.exp(s)",
        "the network may only see what both ways know.": "net(kept) -> net(changed)",
        "swap has no effect on what is kept.": "(1, 0) if swap -> (0, 1) if swap",
        "which half of the network's answer is s?": "s, t = -> t, s =",
        "where is the shift t?": "np.exp(s) + t -> np.exp(s)",
    },
)
def coupling(x, net, swap, inverse=False):
    """Return (z, log_det): the odd places of x changed, given the even ones, or with swap the reverse."""
    sign = -1 if inverse else 1
    a, b = (1, 0) if swap else (0, 1)
    kept, changed = x[:, a::2], x[:, b::2]
    s, t = np.split(net(kept), 2, axis=1)
    z = np.array(x, dtype=float)
    z[:, b::2] = (changed - t) * np.exp(-s) if inverse else changed * np.exp(s) + t
    return z, sign * s.sum(axis=1)


@exercise(
    cases=[
        (np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([0.0, 0.0]), 1.0, 2.0),
        (_normal(4, 3), _normal(3), 0.5, 3.0),
        (_normal(2, 5), _normal(5), 1.5, -1.25),
        (_normal(3, 1), _normal(1), 2.0, 0.75),
        (_normal(1, 4).astype("float32"), _normal(4).astype("float32"), 1, -0.5),
        (np.array([[1, 2, 2], [3, 0, 4]]), np.array([0, 0, 0]), 2, 3),
    ],
    mistakes={
        "right in 2-D only: how many directions are at right angles to v?": "(d - 1) * across -> across",
        "one of the d directions is along v: does it count twice?": "(d - 1) * across -> d * across",
        "h is not constant: it changes along v.": " - beta * r * h**2 -> ",
        "h falls when r grows: which sign has its slope?": "- beta * r * h**2 -> + beta * r * h**2",
        "the slope of h is multiplied by the length of v.": "beta * r * h**2 -> beta * h**2",
        "the slope of 1 / (alpha + r): is the denominator squared?": "r * h**2 -> r * h",
        "the slope of h is multiplied by beta too.": "beta * r * h**2 -> r * h**2",
        "where are the directions across v?": "(d - 1) * across + -> ",
        "the determinant is that of dz/dx, not that of the way back.": "log_det = -> log_det = -1 *",
        "a determinant is a product of factors: these are not logarithms.": "np.log(1 -> (1",
        "each row has its own distance.": "np.sum(v**2, axis=1) -> 0 * v[:, 0] + np.sum(v**2)",
        "distances are measured from the centre.": "r = np.sqrt(np.sum(v**2 -> r = np.sqrt(np.sum(x**2",
        "the layer moves x; this is only the way.": "x + beta * h -> beta * h",
        "is x moved along x - c, or along x?": "h[:, None] * v -> h[:, None] * x",
    },
)
def radial(x, centre, alpha, beta):
    """Return (z, log_det) of z = x + beta (x - c) / (alpha + |x - c|)."""
    d, v = x.shape[1], x - centre
    r = np.sqrt(np.sum(v**2, axis=1))
    h = 1 / (alpha + r)
    across = np.log(1 + beta * h)
    along = np.log(1 + beta * h - beta * r * h**2)
    log_det = (d - 1) * across + along
    return x + beta * h[:, None] * v, log_det


def _uniform(y):
    return np.where(np.all((y >= 0) & (y < 1), axis=1), 0.0, -np.inf)


def _rising(y):
    return np.log(2 * y).sum(axis=1)


def _steep(y):
    return -400 * y.sum(axis=1) - 900


def _images(n, d, levels, draws):
    rng = np.random.default_rng(d)
    return rng.integers(levels, size=(n, d)), levels, rng.uniform(size=(draws, n, d))


@exercise(
    cases=[
        (_rising, np.array([[0, 3]]), 4, np.array([[[0.25, 0.0]], [[0.5, 0.5]]])),
        (_uniform, *_images(3, 5, 256, 2)),
        (_rising, *_images(4, 3, 8, 5)),
        (_rising, *_images(3, 2, 2, 1)),
        (_steep, *_images(2, 6, 16, 3)),
    ],
    mistakes={
        "a box has d sides of the length 1 / levels: what is its volume?": " - d * np.log(levels) -> ",
        "a box is small: does its logarithm raise or lower log P?": "- d * -> + d *",
        "the volume of a box has one factor for each pixel.": "- d * np.log(levels) -> - np.log(levels)",
        "these are nats: how many of them is a bit?": "(d * np.log(2)) -> d",
        "are these the bits of an image?": "(d * np.log(2)) -> np.log(2)",
        "the less probable, the more bits: the sign?": "return -nats -> return nats",
        "right, but loose: of what is it the mean?": "np.log(p) -> (logs - top).mean(axis=0)",
        "k draws give a mean, not a sum.": "np.exp(logs - top).mean( -> np.exp(logs - top).sum(",
        "the best draw alone promises too much.": "np.log(p) -> 0",
        "each image has its own mean over the draws.": "top).mean(axis=0) -> top).mean()",
        "such densities underflow: factor out the largest first.": "logs.max(axis=0) -> 0",
        "every draw counts: is only the first one used?": "in noise -> in noise[:1]",
        "values fill 0 to 1 and never reach it: how many boxes are there?": "/ levels) -> / (levels - 1))",
        "the noise fills the box of a whole number: when is it added?": "+ u) / levels -> / levels + u)",
        "a whole number stands for the box above it.": "images + u -> images + u - 0.5",
    },
)
def bits_per_pixel(log_p, images, levels, noise):
    """Return the mean bits per pixel of images (n, d) of whole numbers, from noise (k, n, d)."""
    d = images.shape[1]
    logs = np.array([log_p((images + u) / levels) for u in noise])
    top = logs.max(axis=0)
    p = np.exp(logs - top).mean(axis=0)
    nats = top + np.log(p) - d * np.log(levels)
    return -nats.mean() / (d * np.log(2))


@exercise(
    mistakes={
        "may output i see the input with its own number?": "[:, None] < first -> [:, None] <= first",
        "a hidden neuron with number m may see the input m.": "a[:, None] <= b -> a[:, None] < b",
        "nothing is forbidden on the way to the hidden neurons.": "a[:, None] <= b -> a[:, None] < b + d",
        "earlier inputs are wanted; does 1 let a weight pass?": "np.arange(1, d + 1) -> np.arange(d, 0, -1)",
        "a hidden neuron that sees all inputs can serve no output.": "% (d - 1) -> % d",
        "are all hidden neurons alike? The last output has too little to see.": "% (d - 1) -> * 0",
        "a row for each input, a column for each neuron.": "*hidden, last -> m.T for m in [*hidden, last]",
        "how many matrices has such a network?": "*hidden, last -> *hidden",
        "the last matrix lets everything pass.": "*hidden, last -> *hidden, last**0",
        "does a hidden neuron see nothing?": "1 + np.arange(width) -> np.arange(width)",
    },
)
def masks(d, widths):
    """Return the masks of an autoregressive network: d inputs, hidden layers of these widths, d outputs."""
    numbers = [first := np.arange(1, d + 1)]
    for width in widths:
        numbers.append(1 + np.arange(width) % (d - 1))
    hidden = [1.0 * (a[:, None] <= b) for a, b in pairwise(numbers)]
    last = 1.0 * (numbers[-1][:, None] < first)
    return [*hidden, last]


def _paths(found):
    """Return where paths lead through the masks, and how many hidden neurons are on none."""
    ahead, behind = [np.eye(len(found[0]))], [np.eye(found[-1].shape[1])]
    for mask, last in zip(found, found[::-1], strict=True):
        ahead.append(np.minimum(ahead[-1] @ mask, 1))
        behind.append(np.minimum(last @ behind[-1], 1))
    pairs = zip(ahead[1:-1], behind[-2:0:-1], strict=True)
    return ahead[-1], sum(int(np.sum(~(a.any(axis=0) & b.any(axis=1)))) for a, b in pairs)


def _add_masks(d, *widths):
    shapes = list(zip((d, *widths), (*widths, d), strict=True))

    def outcome(attempt):
        found = attempt(d, list(widths))
        expect.true(isinstance(found, (list, tuple)), f"{call} should return a list of masks.")
        found = [1.0 * expect.as_array(mask) for mask in found]
        fit = [mask.shape for mask in found] == shapes
        paths, idle = _paths(found) if fit else (None, None)
        return {
            "shapes": ", ".join(str(mask.shape) for mask in found),
            "zeros and ones only": all(bool(np.isin(mask, (0, 1)).all()) for mask in found),
            "path from input (row) to output (column)": paths,
            "hidden neurons without an input or an output": idle,
        }

    call = f"masks({d}, {list(widths)})"
    _case(masks, call, outcome)


_add_masks(3, 4)
_add_masks(2, 3)
_add_masks(5, 6, 4, 9)
_add_masks(4, 3, 8)


def _autoregressive(d, seed=13):
    """Return a network x (n, d) -> (s, t), of which column i depends on the columns before it."""
    upper = np.triu(np.ones((d, d)), 1)
    first, second = (upper * _normal(d, d, seed=seed + k) for k in (0, 1))
    start = _normal(2, d, seed=seed + 2)

    def net(x):
        return np.tanh(x @ first + start[0]), x @ second + start[1]

    return net


@exercise(
    cases=[
        (np.array([[1.0, 2.0], [3.0, -1.0]]), _autoregressive(2)),
        (_normal(4, 3), _autoregressive(3)),
        (_normal(1, 5), _autoregressive(5)),
        (_normal(3, 4).astype("float32"), _autoregressive(4)),
        (_normal(2, 1), _autoregressive(1)),
    ],
    rtol=1e-5,
    mistakes={
        "the network wants x, and z is not x.": "net(x) -> net(z)",
        "are the columns before i in x when the network is asked for column i?": "net(x) -> net(0 * x)",
        "is the last column found?": "range(d) -> range(d - 1)",
        "does the first column need nothing done?": "range(d) -> range(1, d)",
        "what undoes the exponential?": "np.exp(-s[:, i]) -> np.exp(s[:, i])",
        "which step came last? It is undone first.": "(z - t)[:, i] -> (z - t * np.exp(s))[:, i]",
        "the network returns s first.": "s, t = -> t, s =",
        "where is the shift?": "(z - t) -> z",
        "the log-determinant is that of the way back.": "-s.sum(axis=1) -> s.sum(axis=1)",
        "each row has its own log-determinant.": "-s.sum(axis=1) -> -s.sum()",
        "all columns have a part in the determinant.": "-s.sum(axis=1) -> -s[:, -1]",
        "the determinant of a triangular matrix: is it a mean?": "-s.sum(axis=1) -> -s.mean(axis=1)",
    },
)
def invert(z, net):
    """Return (x, log_det) of the way back through z = x exp(s) + t, (s, t) = net(x)."""
    x, d = np.zeros(z.shape), z.shape[1]
    for i in range(d):
        s, t = net(x)
        x[:, i] = (z - t)[:, i] * np.exp(-s[:, i])
    return x, -s.sum(axis=1)


def _layers():
    """Return two layers; the log-determinant of the first differs from row to row."""
    from keras import ops

    def bend(x):
        s = ops.tanh(x[:, 0])
        return ops.stack([x[:, 0], x[:, 1] * ops.exp(s) + 1.0], axis=1), s

    def stretch(x):
        return 1.5 * x[:, ::-1], 0 * x[:, 0] + np.float32(2 * np.log(1.5))

    return [bend, stretch]


def _naive(ops, exponents, axis):
    return ops.log(ops.sum(ops.exp(exponents), axis=axis))


def _far(*rows):
    return np.array(rows, "float32")


@exercise(
    **KERAS,
    mistakes={
        "a change of volume has which sign in the formula?": "total + log_det -> total - log_det",
        "each layer has its own log-determinant: are they summed?": "total + log_det -> log_det",
        "standardising is a layer too: what is its log-determinant?": " - ops.sum(ops.log(scale)) -> ",
        "dividing by a large scale shrinks: which sign follows?": "- ops.sum(ops.log -> + ops.sum(ops.log",
        "each column has its own scale.": "ops.sum(ops.log -> ops.mean(ops.log",
        "subtract first, then divide.": "(x - shift) / scale -> x / scale - shift",
        "where is the normal density's constant?": " - d / 2 * np.log(2 * np.pi) -> ",
        "a constant for each dimension: how many are there?": "d / 2 * -> 1 / 2 *",
        "each of the K Gaussians has the weight 1 / K.": " - np.log(len(means)) -> ",
        "the exponent of a normal density has a half.": "-squared / 2 -> -squared",
        "a mixture adds densities, not logarithms.": "ops.logsumexp -> np.log(len(means)) + ops.mean",
        "the nearest Gaussian is not alone.": "ops.logsumexp -> ops.max",
        "one number for each row of x.": "return total + base -> return ops.mean(total + base)",
        "far from all means the exponentials underflow.": "ops.logsumexp( -> _naive(ops, ",
    },
)
def log_density(x, layers, means, shift, scale):
    """Return log p(x) (n,) of a flow whose base is an equal mixture of normal densities at the means."""
    from keras import ops

    z, d = (x - shift) / scale, x.shape[1]
    total = 0 * z[:, 0] - ops.sum(ops.log(scale))
    for layer in layers:
        z, log_det = layer(z)
        total = total + log_det
    squared = ops.sum((z[:, None] - means) ** 2, axis=2)
    base = ops.logsumexp(-squared / 2, axis=1) - np.log(len(means)) - d / 2 * np.log(2 * np.pi)
    return total + base


def _add_flow(what, x, layers, means, compiled=False):
    shift, scale = _far(0.5, -1.0), _far(2.0, 3.0)

    def outcome(attempt):
        def answer(x):
            return attempt(x, _layers()[:layers], means, shift, scale)

        return expect.in_training(answer, x) if compiled else answer(x)

    _case(log_density, what, outcome)


_ROWS, _PAIR = _far([1, 2], [0, -1], [-2, 0.5]), _far([-2, 2], [2, -2])
_add_flow("the log density of three points, no layer, one Gaussian", _ROWS, 0, _far([0, 0]))
_add_flow("the log density of three points, no layer, two Gaussians", _ROWS, 0, _PAIR)
_add_flow("the log density of three points, two layers, two Gaussians", _ROWS, 2, _PAIR)
_add_flow("the log density of two points far away", _far([90, 50], [-99, 7]), 1, _PAIR)
_add_flow("compiled, as in training,", _ROWS, 2, _far([0, 0], [1, 3], [-4, 1]), compiled=True)
