"""Checks of lab 03, backpropagation.

A batch has one sample a row. Weights and biases are dictionaries with the layer's number as
key: ``W[k]`` has shape (neurons of layer k, neurons of layer k − 1), ``b[k]`` (neurons of layer k,).
All slopes are those of the batch's risk: the mean over the samples is in them. The method is Rumelhart,
Hinton & Williams (1986), doi:10.1038/323533a0; shortcuts are He et al. (2016), arXiv:1512.03385.
"""

import copy

import numpy as np
from scipy.special import log_softmax, softmax

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

rng = np.random.default_rng(3)


def leaky(a):
    return np.where(a > 0, a, 0.1 * a)


def leaky_prime(a):
    return np.where(a > 0, 1.0, 0.1)


def tanh_prime(a):
    return 1 - np.tanh(a) ** 2


def compare_parts(of, names, case, call=""):
    """Add a case to exercise ``of`` for each part of its result, in dictionaries from the last layer on.

    So a hint is found although other parts have other mistakes. ``call`` tells the ``case`` in short.
    """
    call = call or f"{of.name}({', '.join(map(expect.brief, case))})"
    for name in _parts(of.reference(*case), names):

        def outcome(attempt, name=name):
            found = _parts(attempt(*copy.deepcopy(case)), names)
            hint = "is there one entry for each array, with the key that it has in the arguments?"
            expect.true(name in found, f"{call}: there is no {name}.", hint)
            return found[name]

        outcome.__doc__ = f"{call}: {name}"
        of.case(outcome)


def _parts(result, names):
    """Return the parts by name, dictionaries taken apart: ``{"risk": ..., "grad_w[2]": ..., ...}``."""
    expect.true(result is not None, "It returns None.", "is the return statement missing?")
    expect.true(
        isinstance(result, (tuple, list)) and len(result) == len(names),
        f"Expected {len(names)} results ({', '.join(names)}), found {expect.brief(result)}.",
        "how many things does the docstring say it returns?",
    )
    parts = {}
    for name, value in zip(names, result, strict=True):
        if isinstance(value, dict):
            parts |= {f"{name}[{k}]": value[k] for k in sorted(value, key=str, reverse=True)}
        else:
            parts[name] = value
    return parts


# ---------------------------------------------------------------- 1. smoothed targets


@exercise(
    cases=[
        (np.array([1, 2, 0]), 3, 0.3),
        (np.array([2, 0, 1, 2]), 3, 0.1),
        (np.array([1, 0]), 4, 0.2),
        (np.array([2, 3]), 5, 0.5),
        (np.array([1]), 3, 0.0),
        (np.array([0, 1]), 2, 1),
    ],
    mistakes={
        "Classes count from 0: class 0 has its large number in the first column.": "[labels] -> [labels - 1]",
        "The number of columns is the argument `classes`: the last class need not occur in labels.": (
            "np.eye(classes) -> np.eye(labels.max() + 1)"
        ),
        "The number of columns is the argument `classes`; no class need occur in labels, not even 0.": (
            "[labels] -> [labels - labels.min()]"
        ),
        "It looks transposed: one row for each sample, one column for each class.": "[labels] -> [labels].T",
        "The true class gets its part of alpha, too: what is the sum of a row?": (
            "alpha / classes -> alpha / classes * (1 - np.eye(classes)[labels])"
        ),
        "Alpha is divided among all classes, not among the false ones alone.": (
            "alpha / classes -> alpha / (classes - 1) * (1 - np.eye(classes)[labels])"
        ),
        "A row sums to more than 1: what does the true class give away?": "(1 - alpha) * -> ",
        "A row sums to more than 1: among how many classes is alpha divided?": "alpha / classes -> alpha",
    },
)
def smooth_targets(labels, classes, alpha):
    """Return a row for each label: 1 − alpha for that class, and alpha divided among all classes."""
    return (1 - alpha) * np.eye(classes)[labels] + alpha / classes


# ---------------------------------------------------------------- 2. weighted cross-entropy


@exercise(
    mistakes={
        "The weights are divided by something: a weighted mean of equal losses is that loss.": (
            " / np.sum(v) -> "
        ),
        "A weighted mean divides by the sum of the weights, not by the number of samples.": (
            "np.sum(v) -> len(v)"
        ),
        "Are the weights used? Not every sample counts alike.": "v[:, None] / np.sum(v) -> 1 / len(v)",
        "A logarithm of a probability is negative, a loss is not: look at the sign.": "-np.sum -> np.sum",
        "Which logarithms belong to the loss? The targets tell.": "y * log_softmax -> log_softmax",
        "The loss of a sample is a sum over the classes, not a mean.": "-np.sum(share -> -np.mean(share",
        "The classes of one sample stand in a row: along which axis do their probabilities sum to 1?": (
            "axis=1) -> axis=0)"
        ),
        "A probability can underflow to 0, and then its logarithm is not finite.": (
            "log_softmax(a, axis=1) -> np.log(softmax(a, axis=1))"
        ),
        "In which order are the two results returned?": (
            "return risk, share * (total * p - y) -> return share * (total * p - y), risk"
        ),
        "The slopes are right where a row of y sums to 1. Where was this used in the derivation?": (
            "total * p -> p"
        ),
        "Each row of y has its own sum.": "total = np.sum(y, axis=1, keepdims=True) -> total = np.sum(y)",
        "The risk has the weights in it; the slopes have not.": "risk, share * -> risk, 1 / len(v) *",
        "These are slopes of single losses. What stands before each loss in the risk?": (
            "risk, share * -> risk, "
        ),
        "The sign of the slopes: where the probability is too large, a smaller a is better.": (
            "total * p - y -> y - total * p"
        ),
    },
)
def weighted_risk(a, y, v):
    """Return the weighted mean of the cross-entropies of softmax(a), and its slopes by a."""
    share = v[:, None] / np.sum(v)
    p = softmax(a, axis=1)
    total = np.sum(y, axis=1, keepdims=True)
    risk = -np.sum(share * y * log_softmax(a, axis=1))
    return risk, share * (total * p - y)


A2 = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
SMALL_Y = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 3.0, 1.0]])
for _case in (
    (A2, np.eye(3)[[0, 2]], np.array([1.0, 3.0])),
    (rng.standard_normal((4, 3)), np.eye(3)[[1, 2, 1, 2]], np.ones(4)),
    (rng.standard_normal((1, 2)), np.array([[0.2, 0.8]]), np.array([5.0])),
    (1.0 * rng.integers(-2, 3, (4, 3)), SMALL_Y, np.array([1.0, 2.0, 0.0, 1.0])),
    (np.array([[1000.0, 0.0, -1000.0], [-1000.0, -999.0, 0.0]]), np.eye(3)[[1, 0]], np.array([0.5, 0.25])),
):
    compare_parts(weighted_risk, ("risk", "slopes"), _case)


# ---------------------------------------------------------------- 3. a check along one direction


@exercise(
    mistakes={
        "Central differences go one step forward and one step back.": (
            "function(behind)) / (2 * step) -> function(at)) / step"
        ),
        "The divisor fits central differences, but one of the two points is not moved.": (
            "at[k] - step * direction[k] -> at[k]"
        ),
        "Both points are the same. Does `+=` change an array in `at`, in a copy of the dictionary too?": (
            "{k: at[k] - step * direction[k] for k in at} -> ahead"
        ),
        "How far apart are the two points, counted in directions? By that one divides.": "(2 * step) -> step",
        "Does the division by 2 * step lack its parentheses?": "(2 * step) -> 2 * step",
        "Take the direction as it is given, whatever its length.": (
            "step * direction[k] -> "
            "step * direction[k] / np.sqrt(sum(np.sum(u**2) for u in direction.values()))"
        ),
        "All arrays move at the same time, not only the first.": (
            "direction[k] for k in at} -> direction[k] * (k == min(at)) for k in at}"
        ),
        "The exact slope depends on the direction, too.": "gradient[k] * direction[k] -> gradient[k]",
        "The exact slope collects all arrays, not the first one alone.": (
            "for k in at) -> for k in list(at)[:1])"
        ),
        "Slopes have a sign, which tells up from down: keep it.": "gradient[k] * direction[k] -> "
        "abs(gradient[k] * direction[k])",
        "In which order are the two results returned?": "return exact, numeric -> return numeric, exact",
    },
)
def directional_check(function, at, gradient, direction, step=1e-5):
    """Return the slope of function at ``at`` along a direction: by the gradient, and by differences."""
    exact = sum(np.sum(gradient[k] * direction[k]) for k in at)
    ahead = {k: at[k] + step * direction[k] for k in at}
    behind = {k: at[k] - step * direction[k] for k in at}
    numeric = (function(ahead) - function(behind)) / (2 * step)
    return exact, numeric


def coupled(at):
    """Return a number in which all entries of all arrays act on each other."""
    total = sum(float(np.sum(array)) for array in at.values())
    return sum(float(np.sum(array**3)) for array in at.values()) + total**2


_AT = {1: np.array([[0.5, -1.0, 2.0], [1.5, 0.2, -0.7]]), 2: np.array([0.3, -0.4])}
_RANDOM = [{k: rng.standard_normal(_AT[k].shape) for k in _AT} for _ in range(2)]
for _case in (
    (
        coupled,
        {"b": np.array([1.0]), "w": np.array([1.0, -2.0])},
        {"b": np.array([3.0]), "w": np.array([3.0, 12.0])},
        {"b": np.array([2.0]), "w": np.array([1.0, -1.0])},
        1.0,
    ),
    (coupled, _AT, *_RANDOM, 1e-2),
    (coupled, {7: np.array(2.0)}, {7: np.array(-1.0)}, {7: np.array(3.0)}, 1e-3),
):
    _call = ", ".join(f"{k!r}: {expect.brief(array)}" for k, array in _case[1].items())
    _call = f"directional_check at {{{_call}}} with step={_case[4]:g}"
    compare_parts(directional_check, ("exact", "numeric"), _case, _call)


@directional_check.property
def two_values_are_enough(directional_check):
    calls = []
    directional_check(lambda at: calls.append(1) or coupled(at), _AT, *_RANDOM)
    expect.true(
        len(calls) <= 2,
        f"The function is called {len(calls)} times.",
        "along one direction two values are enough, however many entries there are.",
    )


# ---------------------------------------------------------------- 4. a layer with a shortcut


@exercise(
    mistakes={
        "From h there are two paths to the risk. Which one is missing?": "g + s @ W -> s @ W",
        "The shortcut passes by the activation: what comes back there?": "g + s @ W -> s + s @ W",
        "Where two paths meet, what becomes of the two numbers?": "g + s @ W -> g * (s @ W)",
        "What does the way back through the activation multiply by?": "phi_prime(a) * g -> g",
        "phi' is evaluated at a, not at the layer's input.": "phi_prime(a) -> phi_prime(h)",
        "The slopes of W must have a row for each neuron of this layer: is the product transposed?": (
            "s.T @ h -> h.T @ s"
        ),
        "Which index of W is summed over on the way back, the row's or the column's?": "s @ W -> s @ W.T",
        "The mean over the samples is in g from the beginning: W needs no second one.": (
            "s.T @ h -> s.T @ h / len(h)"
        ),
        "The mean over the samples is in g from the beginning: b needs no second one.": "s.sum -> s.mean",
        "All samples share one bias: one number for each neuron.": "s.sum(axis=0) -> s",
    },
)
def residual_backward(g, a, h, W, phi_prime):
    """Return the slopes by W, by b and by h of h + phi(h W^T + b), from g, those by its result."""
    s = phi_prime(a) * g
    return s.T @ h, s.sum(axis=0), g + s @ W


SQUARE = np.array([[1.0, 2.0], [0.0, -1.0]])
for _case in (
    (
        np.array([[1.0, 2.0], [0.0, -1.0], [2.0, 1.0]]),
        np.array([[1.0, -1.0], [2.0, 0.0], [-3.0, 1.0]]),
        np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 1.0]]),
        SQUARE,
        leaky_prime,
    ),
    (*rng.standard_normal((3, 5, 4)), rng.standard_normal((4, 4)), tanh_prime),
    (*rng.standard_normal((3, 1, 3)), rng.standard_normal((3, 3)), np.cos),
):
    compare_parts(residual_backward, ("grad_w", "grad_b", "grad_h"), _case)


# ---------------------------------------------------------------- 5. find the fault: one matrix, used twice

_AT_H, _TWICE = "(1 - h**2) -> (1 - np.tanh(h) ** 2)", "s1.sum -> s1.mean"


@exercise(
    mistakes={
        "W is right in one of its two places: is the other one overwritten?": (
            "h.T @ s2 + s1.T @ x -> s1.T @ x"
        ),
        "W is used in the first layer as well.": "h.T @ s2 + s1.T @ x -> h.T @ s2",
        "The slopes of b1 have more than one fault: follow s1, and then what is made of it.": [_AT_H, _TWICE],
        "tanh' is evaluated at a. Is h an a, or already a tanh?": _AT_H,
        "The mean over the samples is in s2, hence in s1. What has b1 twice?": _TWICE,
        "The slopes of b2 were right: the mean is in s2 already.": "s2.sum -> s2.mean",
        "The derivative of a square has a factor.": "2 * (f - x) -> (f - x)",
        "The slopes must have the shape of W in both places: is a product transposed?": (
            "h.T @ s2 + s1.T @ x -> s2.T @ h + x.T @ s1"
        ),
        "The two contributions of W are added with the same right.": (
            "h.T @ s2 + s1.T @ x -> (h.T @ s2 + s1.T @ x) / 2"
        ),
        "The sign of the slopes: which of f and x comes first?": "2 * (f - x) -> 2 * (x - f)",
    },
)
def tied_gradient(x, theta):
    """Return the risk of f = tanh(x W^T + b1) W + b2 with target x, and its slopes by W, b1 and b2."""
    W, b1, b2 = theta["W"], theta["b1"], theta["b2"]
    h = np.tanh(x @ W.T + b1)
    f = h @ W + b2
    risk = np.sum((f - x) ** 2) / len(x)
    s2 = 2 * (f - x) / len(x)
    s1 = (1 - h**2) * (s2 @ W.T)
    return risk, {"W": h.T @ s2 + s1.T @ x, "b1": s1.sum(axis=0), "b2": s2.sum(axis=0)}


for _x, _neurons in ((rng.standard_normal((5, 4)), 3), (rng.random((1, 3)), 2), (rng.random((4, 2)), 2)):
    _theta = {
        "W": rng.standard_normal((_neurons, _x.shape[1])),
        "b1": rng.random(_neurons),
        "b2": rng.random(_x.shape[1]),
    }
    _call = f"{_x.shape[1]} inputs, {_neurons} neurons, a batch of {len(_x)}"
    compare_parts(tied_gradient, ("risk", "slopes"), (_x, _theta), _call)


# ---------------------------------------------------------------- 6. the whole network


@exercise(
    mistakes={
        "Where are the shortcuts on the way forward?": "h[k] = h[k] + h[k - 1] -> pass",
        "A shortcut passes by the activation.": "h[k] = h[k] + h[k - 1] -> h[k] = phi(a[k] + h[k - 1])",
        "Layer 1 has no shortcut, also where it has as many neurons as there are inputs.": (
            "if k > 1 -> if h[k].shape == h[k - 1].shape"
        ),
        "The last layer has no activation of its own: the softmax is in the risk.": (
            "a_last = h[last - 1] @ W[last].T + b[last] -> a_last = phi(h[last - 1] @ W[last].T + b[last])"
        ),
        "Each sample has its weight v.": "(a_last, y, v) -> (a_last, y, np.ones(len(x)))",
        "The risk lacks its penalty.": "risk = risk + l2 * np.sum(W[k] ** 2) -> pass",
        "The slopes of the losses are right. Where are those of the penalty?": " + 2 * l2 * W[k] -> ",
        "The derivative of the penalty: is there a factor missing?": "2 * l2 -> l2",
        "Only the weights are penalised, the biases are not.": (
            "risk = risk -> grad_b[k] = grad_b[k] + 2 * l2 * b[k]\n        risk = risk"
        ),
        "The way back begins at the last block.": "range(last - 1, 1, -1) -> range(2, last)",
        "What goes into block k: the h of this layer, or that of the one before?": (
            "(g, a[k], h[k - 1] -> (g, a[k], h[k]"
        ),
        "A block needs its own a on the way back, not that of a neighbour.": "(g, a[k] -> (g, a[k - 1]",
        "Layer 1 has an activation: what does the way back multiply by?": "phi_prime(a[1]) * g -> g",
        "phi' is evaluated at a, not at h = phi(a).": "phi_prime(a[1]) -> phi_prime(h[1])",
        "phi' is an argument: not every phi is a leaky ReLU.": "phi_prime(a[1]) -> leaky_prime(a[1])",
        "From a of layer 1 to the pixels there is one more matrix.": "s @ W[1] -> s",
        "Layer 1 has no shortcut, so the pixels have one path only.": (
            "s @ W[1] -> s @ W[1] + (g if g.shape == x.shape else 0)"
        ),
    },
)
def network_gradient(x, y, v, W, b, phi, phi_prime, l2=0.0):
    """Return the last a of a residual network, its penalised risk, and the slopes by W[k], b[k] and x."""
    last, a, h = len(W), {}, {0: x}
    for k in range(1, last):
        a[k] = h[k - 1] @ W[k].T + b[k]
        h[k] = phi(a[k])
        if k > 1:
            h[k] = h[k] + h[k - 1]
    a_last = h[last - 1] @ W[last].T + b[last]
    risk, s = weighted_risk.reference(a_last, y, v)
    grad_w, grad_b, g = {last: s.T @ h[last - 1]}, {last: s.sum(axis=0)}, s @ W[last]
    for k in range(last - 1, 1, -1):
        grad_w[k], grad_b[k], g = residual_backward.reference(g, a[k], h[k - 1], W[k], phi_prime)
    s = phi_prime(a[1]) * g
    grad_w[1], grad_b[1] = s.T @ x, s.sum(axis=0)
    for k in W:
        risk = risk + l2 * np.sum(W[k] ** 2)
        grad_w[k] = grad_w[k] + 2 * l2 * W[k]
    return a_last, risk, grad_w, grad_b, s @ W[1]


def random_network(sizes):
    """Return random weights and biases; ``sizes`` begins with the input."""
    W = {k: rng.standard_normal((sizes[k], sizes[k - 1])) for k in range(1, len(sizes))}
    return W, {k: rng.standard_normal(sizes[k]) for k in W}


X, Y, V = rng.standard_normal((5, 3)), smooth_targets.reference(np.array([1, 1, 2, 1, 2]), 3, 0.1), np.ones(5)
FLAT, BLOCK, DEEP = ([3, 3, 3], [3, 4, 4, 3], [3, 4, 4, 4, 4, 3])
TANH, LEAKY = (np.tanh, tanh_prime), (leaky, leaky_prime)

for _sizes, _rows, _v, _phi, _l2 in (
    (FLAT, 5, V, TANH, 0.0),
    (BLOCK, 5, V, LEAKY, 0.0),
    ([3, 3, 3, 3, 3], 5, V, TANH, 0.0),
    (DEEP, 5, np.array([1.0, 2.0, 0.0, 0.5, 3.0]), (np.sin, np.cos), 0.0),
    (BLOCK, 1, V, TANH, 0.1),
    (DEEP, 5, V, LEAKY, 0.02),
):
    _call = f"a network {'-'.join(map(str, _sizes))} with {_phi[0].__name__}, l2={_l2:g}, a batch of {_rows}"
    _case = (X[:_rows], Y[:_rows], _v[:_rows], *random_network(_sizes), *_phi, _l2)
    compare_parts(network_gradient, ("a", "risk", "grad_w", "grad_b", "grad_x"), _case, _call)


@network_gradient.property
def no_loop_over_samples(network_gradient):
    shapes = []

    def phi(a):
        shapes.append(np.shape(a))
        return np.tanh(a)

    network_gradient(X, Y, V, *random_network(BLOCK), phi, tanh_prime)
    expect.true(
        all(len(shape) == 2 and shape[0] == 5 for shape in shapes),
        f"The activation should get a whole batch of 5 rows, it gets an array of shape {shapes[0]}.",
        "no loop over the samples is needed: one matrix product serves all rows.",
    )


# ---------------------------------------------------------------- 7. a batch in parts


@exercise(
    mistakes={
        "The gradient of a part is a mean: what is a sum of means?": "share * slopes -> slopes",
        "The last part may be smaller: does it count as much as the others?": (
            "share = np.sum(v[part]) / np.sum(v) -> share = 1 / len(range(0, len(x), rows))"
        ),
        "Samples have weights: is a part worth as much as it has rows?": (
            "share = np.sum(v[part]) / np.sum(v) -> share = len(x[part]) / len(x)"
        ),
        "The shares of all parts should sum to 1.": " / np.sum(v) -> ",
        "The last part is smaller, and it is left out.": "len(x), rows) -> len(x) - rows + 1, rows)",
        "Only the last part is there: add up.": "total.get(k, 0) + -> ",
        "Every part is the same one: look at the slice.": "slice(start, start + rows) -> slice(0, rows)",
        "Do the weights reach the function?": ", v[part]) -> , np.ones(len(x[part])))",
    },
)
def accumulated(gradient, x, y, v, rows):
    """Return the gradient of a batch, from calls of gradient on parts of at most ``rows`` rows."""
    total = {}
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        share = np.sum(v[part]) / np.sum(v)
        slopes = gradient(x[part], y[part], v[part])
        for k in slopes:
            total[k] = total.get(k, 0) + share * slopes[k]
    return total


def one_layer(x, y, v):
    """Return the slopes of one layer with fixed weights, and those of a penalty."""
    _, s = weighted_risk.reference(x @ np.arange(9.0).reshape(3, 3).T / 9, y, v)
    return {1: s.T @ x, 2: s.sum(axis=0), 3: np.array([1.0, -2.0])}


UNEQUAL = np.array([1.0, 2.0, 0.5, 0.0, 4.0])
for _v, _rows in ((V, 2), (UNEQUAL, 2), (UNEQUAL, 3), (V, 5), (UNEQUAL, 7)):

    def in_parts(accumulated, v=_v, rows=_rows):
        return accumulated(one_layer, X.copy(), Y.copy(), v.copy(), rows)

    in_parts.__doc__ = f"accumulated with 5 samples, v={_v.tolist()}, rows={_rows}: slopes"
    accumulated.case(in_parts)


@accumulated.property
def small_parts(accumulated):
    sizes = []
    accumulated(lambda x, y, v: sizes.append(len(x)) or one_layer(x, y, v), X, Y, V, 2)
    expect.true(
        max(sizes, default=0) <= 2 and sum(sizes) == 5,
        f"With 5 samples and rows=2 the calls get {sizes} samples.",
        "each sample is in one part, and no part has more than `rows` of them.",
    )


# ---------------------------------------------------------------- 8. the worst change


@exercise(
    cases=[
        (np.array([[3.0, -4.0], [0.0, 2.0]]), 0.5, "max"),
        (np.array([[3.0, -4.0], [0.0, 2.0]]), 0.5, "euclid"),
        (np.array([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0]]), 2.0, "euclid"),
        (np.array([[1e-6, -5.0, 0.0]]), 1.0, "max"),
        (np.array([[1e-9, 0.0], [-3.0, 4.0]]), 2.0, "euclid"),
        (rng.standard_normal((4, 3)), 0.1, "euclid"),
    ],
    mistakes={
        "The risk should rise: does the change go with the slope?": "return eta -> return -eta",
        "A pixel with a small slope may change as much as one with a large slope.": (
            "np.sign(g) -> g / np.abs(g).max(axis=1, keepdims=True)"
        ),
        "Where the slope is 0 the pixel should stay.": "np.sign(g) -> np.where(g >= 0, 1, -1)",
        "The sign is right; how far may a pixel change?": "return eta * np.sign -> return np.sign",
        "There are two kinds of limits: is the argument `norm` used?": 'norm == "max" -> True',
        "Each row is one picture, with its own length.": "(g, axis=1, keepdims=True) -> (g)",
        "The length of a row is a root of squares, not a sum of absolute values.": (
            "np.linalg.norm(g -> np.linalg.norm(g, 1"
        ),
        "A row of zeros has no direction: its change is 0, not 0 divided by 0.": (
            "np.where(length > 0, length, 1) -> length"
        ),
        "A small slope has a direction, too: which row alone needs care?": (
            "np.where(length > 0, length, 1) -> (length + 1e-8)"
        ),
        "How long is the change of one row? It should be eta.": " / np.where(length > 0, length, 1) -> ",
        "The axis: the pixels of one picture stand in one row.": "axis=1 -> axis=0",
    },
)
def worst_change(g, eta, norm):
    """Return the change of each row, within the limit eta, that raises a risk with slopes g the most."""
    if norm == "max":
        return eta * np.sign(g)
    length = np.linalg.norm(g, axis=1, keepdims=True)
    return eta * g / np.where(length > 0, length, 1)
