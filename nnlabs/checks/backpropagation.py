"""Checks of lab 03, backpropagation.

A batch has one sample a row. Weights and biases are dictionaries with the layer's number as
key: ``W[k]`` has shape (neurons of layer k, neurons of layer k − 1), ``b[k]`` (neurons of layer k,).
The notation is that of the lecture; the method is Rumelhart, Hinton & Williams (1986),
doi:10.1038/323533a0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

Layers = dict[int, np.ndarray]

rng = np.random.default_rng(3)


def tanh_prime(a: np.ndarray) -> np.ndarray:
    """Return the derivative of tanh."""
    return 1 - np.tanh(a) ** 2


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return 1 / (1 + np.exp(-a))


def sigmoid_prime(a: np.ndarray) -> np.ndarray:
    """Return the derivative of the logistic function."""
    return sigmoid(a) * (1 - sigmoid(a))


# ---------------------------------------------------------------- results of several parts


def compare_parts(
    attempt: Callable,
    case: tuple,
    reference: Callable,
    mistakes: Mapping[str, Callable],
    names: tuple[str, ...],
    call: str,
) -> None:
    """Compare a result of several parts one by one, and look for a known mistake in that part alone.

    So a hint is found although other parts have other mistakes.

    Parameters
    ----------
    names
        A name for each part. A part that is a dictionary is compared from the last layer to the first.
    call
        The call in short, for the message.
    """
    arguments = copy.deepcopy(case)
    found = attempt(*arguments)
    expected = _parts(reference(*copy.deepcopy(case)), names)
    expect.true(found is not None, f"{call} returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, (tuple, list)) and len(found) == len(names),
        f"{call}: expected {len(names)} results ({', '.join(names)}), found {expect.brief(found)}.",
        "how many things does the docstring say it returns?",
    )
    found = _parts(found, names)
    for name, value in expected.items():
        expect.true(
            name in found,
            f"{call}: there is no {name}.",
            "is there one entry for each layer, with the layer's number as key?",
        )
        try:
            expect.close(found[name], value, f"{call}: {name}")
        except expect.WrongError as wrong:
            hint = _known_mistake(found[name], value, name, names, case, mistakes)
            raise expect.WrongError(wrong.problem, hint or wrong.hint) from None
    for before, after in zip(case, arguments, strict=True):
        expect.true(
            expect.same(before, after),
            f"{call} changes its argument.",
            "make a new array, or copy the argument first.",
        )


def _parts(result: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the parts by name, dictionaries taken apart: ``{"f": ..., "grad_w[2]": ..., ...}``."""
    parts = {}
    for name, value in zip(names, result, strict=True):
        if isinstance(value, dict):
            parts |= {f"{name}[{k}]": value[k] for k in sorted(value, reverse=True)}
        else:
            parts[name] = value
    return parts


def _known_mistake(
    found: Any,
    expected: Any,
    name: str,
    names: tuple[str, ...],
    case: tuple,
    mistakes: Mapping[str, Callable],
) -> str:
    for hint, mistaken in mistakes.items():
        try:
            wrong = _parts(mistaken(*copy.deepcopy(case)), names)[name]
        except Exception:  # the mistake does not apply to this case
            continue
        if expect.same(found, wrong) and not expect.same(expected, wrong):
            return hint
    return ""


# ---------------------------------------------------------------- 1. one-hot


@exercise(
    cases=[
        (np.array([1, 2, 0]), 3),
        (np.array([2, 0, 1, 2]), 3),
        (np.array([1, 0]), 4),
    ],
    mistakes={
        "Classes count from 0: class 0 has its one in the first column.": lambda labels, classes: np.eye(
            classes
        )[labels - 1],
        "A row has a single one, in the column of that row's own label.": lambda labels, classes: (
            np.isin(np.arange(classes), labels) + np.zeros((len(labels), 1))
        ),
        "The number of columns is the argument `classes`: the last class need not occur in labels.": (
            lambda labels, classes: np.eye(labels.max() + 1)[labels]
        ),
        "Each label meets each class only if one of the two arrays is a column: look at the shapes.": (
            lambda labels, classes: (labels == np.arange(classes)).astype(float)
        ),
        "It looks transposed: one row for each sample, one column for each class.": lambda labels, classes: (
            np.eye(classes)[labels].T
        ),
    },
)
def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return a row for each label, with a one in the column of that class: (m, classes)."""
    return np.eye(classes)[labels]


@one_hot.property
def numbers(one_hot: Callable) -> None:
    """Expect numbers, which can be subtracted."""
    found = expect.as_array(one_hot(np.array([1, 0]), 2))
    expect.true(
        found.dtype.kind != "b",
        "The array holds True and False.",
        "the docstring asks for numbers, which can be subtracted: convert the type.",
    )


# ---------------------------------------------------------------- 2. softmax


def _naive_softmax(a: np.ndarray) -> np.ndarray:
    return np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


def _softmax_of_shifted(a: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return _naive_softmax(a - shift)


@exercise(
    cases=[
        (np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [-1.0, 0.5, 3.0]]),),
        (rng.standard_normal((2, 4)),),
        (np.array([[1000.0, 999.0], [-1000.0, -1001.0]]),),
        (np.array([[1000.0, 0.0, -1000.0]]),),
        (np.array([[900.0, 899.0], [-3.0, -4.0], [0.0, -1.0]]),),
    ],
    mistakes={
        "The sum runs over the outputs of one sample: which axis is that?": lambda a: (
            np.exp(a) / np.exp(a).sum(axis=0, keepdims=True)
        ),
        "The sum runs over the outputs of one sample, not over the whole batch.": lambda a: (
            np.exp(a) / np.exp(a).sum()
        ),
        "The sums of the rows must stay a column to divide row by row: look at keepdims.": lambda a: (
            np.exp(a) / np.exp(a).sum(axis=1)
        ),
        "Is the exponential of the numerator in the denominator too?": lambda a: (
            np.exp(a) / a.sum(axis=1, keepdims=True)
        ),
        "exp(1000) overflows. What can be subtracted from a row without changing its softmax?": (
            _naive_softmax
        ),
        "Clipping changes the result: 1000 and 999 become equal. Subtract something instead.": lambda a: (
            _naive_softmax(np.clip(a, -500, 500))
        ),
        "Each row needs its own shift; one for the whole batch makes other rows underflow.": lambda a: (
            _softmax_of_shifted(a, a.max())
        ),
    },
)
def softmax(a: np.ndarray) -> np.ndarray:
    """Return exp(a) / sum(exp(a)) for each row of a, shape (m, K), without overflow."""
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@softmax.property
def rows_are_probabilities(softmax: Callable) -> None:
    """Expect rows that sum to 1, for large numbers too."""
    found = expect.as_array(softmax(np.array([[1000.0, -1000.0], [-1000.0, -1000.0], [3.0, 1.0]])))
    expect.close(found.sum(axis=1), np.ones(3), "the sum of each row of softmax(a)")


# ---------------------------------------------------------------- 3. penalised risk


def _risk(
    f: np.ndarray, y: np.ndarray, W: Layers, loss: str, l2: float, l1: float, *, slip: str = ""
) -> float:
    """Return the penalised empirical risk, or with a ``slip`` what a student's mistake makes of it."""
    if loss == "quadratic":
        losses = np.sum(np.abs(y - f) if slip == "no square" else (y - f) ** 2, axis=1)
        losses = np.sqrt(losses) if slip == "root" else losses
    else:
        losses = -np.sum(y * np.log(f), axis=1)
        if slip == "binary":
            losses = losses - np.sum((1 - y) * np.log(1 - f), axis=1)
        if slip == "swapped":
            losses = -np.sum(f * np.log(np.maximum(y, 1e-12)), axis=1)
    mean = losses.sum() if slip == "sum" else losses.mean()
    if slip == "mean over all":
        mean = losses.mean() / f.shape[1]
    squares = sum(np.sum(w**2) for w in W.values())
    absolute = sum(np.sum(np.abs(w)) for w in W.values())
    if slip == "norm":
        squares = sum(np.linalg.norm(w) for w in W.values())
    if slip == "last layer":
        squares, absolute = np.sum(W[len(W)] ** 2), np.sum(np.abs(W[len(W)]))
    if slip == "first layer":
        squares, absolute = np.sum(W[1] ** 2), np.sum(np.abs(W[1]))
    if slip == "no abs":
        absolute = sum(np.sum(w) for w in W.values())
    if slip == "exchanged":
        squares, absolute = absolute, squares
    if slip == "penalty mean":
        squares, absolute = squares / len(f), absolute / len(f)
    if slip == "half":
        squares = squares / 2
    if slip == "no penalty":
        squares = absolute = 0.0
    if slip == "no l1":
        absolute = 0.0
    return float((-mean if slip == "sign" else mean) + l2 * squares + l1 * absolute)


RISK_W = {1: rng.standard_normal((4, 2)), 2: rng.standard_normal((3, 4))}
RISK_F = softmax.reference(rng.standard_normal((5, 3)))
RISK_Y = np.eye(3)[[0, 2, 1, 1, 0]]


@exercise(
    cases=[
        (RISK_F, RISK_Y, RISK_W, "quadratic", 0.0, 0.0),
        (RISK_F, RISK_Y, RISK_W, "cross-entropy", 0.0, 0.0),
        (RISK_F, RISK_Y, RISK_W, "quadratic", 0.1, 0.0),
        (RISK_F, RISK_Y, RISK_W, "cross-entropy", 0.02, 0.3),
        (RISK_F, RISK_Y, RISK_W, "cross-entropy", 0.0, 0.1),
    ],
    mistakes={
        hint: partial(_risk, slip=slip)
        for slip, hint in {
            "mean over all": "Add up over the outputs, then take the mean over the samples alone.",
            "sum": "The risk is the mean of the samples' losses, not their sum.",
            "sign": "A logarithm of a probability is negative, a loss is not: look at the sign.",
            "no square": "The quadratic loss is a sum of squares; is there a square for each output?",
            "root": "The quadratic loss is the squared distance: is there a square root too many?",
            "binary": "With K classes the loss has one term only, of the class that is true.",
            "swapped": "Whose logarithm is taken? Targets and outputs are exchanged.",
            "no penalty": "Where are the penalties? Both weights, l2 and l1, can be different from 0.",
            "norm": "The L2 penalty has the squared norm of each matrix.",
            "last layer": "The penalty runs over all layers: is the last one the only one counted?",
            "first layer": "The penalty runs over all layers: is the first one the only one counted?",
            "no abs": "The L1 penalty adds absolute values: positive and negative weights must not cancel.",
            "exchanged": "Which of the two penalties has squares, L1 or L2?",
            "penalty mean": "The mean over the samples belongs to the losses; the penalty is added after it.",
            "half": "Some books write the L2 penalty with 1/2; this course does not.",
            "no l1": "The L2 penalty is right. Where is the L1 penalty?",
        }.items()
    },
)
def penalised_risk(
    f: np.ndarray, y: np.ndarray, W: Layers, loss: str, l2: float = 0.0, l1: float = 0.0
) -> float:
    """Return the mean loss of a batch (loss: "quadratic" or "cross-entropy") plus the penalties of W."""
    return _risk(f, y, W, loss, l2, l1)


# ---------------------------------------------------------------- 4. a layer, forward

SQUARE = rng.standard_normal((3, 3))
THREE = rng.standard_normal(3)


@exercise(
    cases=[
        (rng.standard_normal((5, 3)), SQUARE, THREE, np.tanh),
        (rng.standard_normal((5, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2), sigmoid),
        (rng.standard_normal((1, 2)), rng.standard_normal((4, 2)), rng.standard_normal(4), np.tanh),
    ],
    mistakes={
        "Is W the right way round? Its columns belong to the neurons of the layer before.": (
            lambda h, W, b, phi: (h @ W + b, phi(h @ W + b))
        ),
        "Where is the bias?": lambda h, W, b, phi: (h @ W.T, phi(h @ W.T)),
        "The bias is added before the activation.": lambda h, W, b, phi: (h @ W.T, phi(h @ W.T) + b),
        "In which order are the two results returned?": lambda h, W, b, phi: (
            phi(h @ W.T + b),
            h @ W.T + b,
        ),
        "The activation acts on a, not on the layer's input.": lambda h, W, b, phi: (
            phi(h) @ W.T + b,
            phi(h) @ W.T + b,
        ),
        "Is the activation applied to the second result?": lambda h, W, b, phi: (
            h @ W.T + b,
            h @ W.T + b,
        ),
        "It looks transposed: one row for each sample.": lambda h, W, b, phi: (
            W @ h.T + b[:, None],
            phi(W @ h.T + b[:, None]),
        ),
    },
)
def layer_forward(
    h_previous: np.ndarray, W: np.ndarray, b: np.ndarray, phi: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """Return a and h of one layer, both (m, neurons), from the h of the layer before."""
    a = h_previous @ W.T + b
    return a, phi(a)


@layer_forward.property
def one_call_for_the_batch(layer_forward: Callable) -> None:
    """Expect that the activation gets all rows at once."""
    shapes = []

    def phi(a: np.ndarray) -> np.ndarray:
        shapes.append(np.shape(a))
        return np.tanh(a)

    layer_forward(rng.standard_normal((6, 3)), SQUARE, THREE, phi)
    _whole_batches(shapes, samples=6)


def _whole_batches(shapes: list[tuple[int, ...]], samples: int) -> None:
    expect.true(
        all(len(shape) == 2 and shape[0] == samples for shape in shapes),
        f"The activation should get a whole batch of {samples} rows, it gets an array of shape {shapes[0]}.",
        "no loop over the samples is needed: one matrix product serves all rows.",
    )


# ---------------------------------------------------------------- 5. a layer, backward


BACKWARD_CASES = [
    (rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), SQUARE),
    (rng.standard_normal((5, 2)), rng.standard_normal((5, 4)), rng.standard_normal((2, 4))),
    (rng.standard_normal((1, 2)), rng.standard_normal((1, 3)), rng.standard_normal((2, 3))),
]


def _layer_back(
    s: np.ndarray, h: np.ndarray, W: np.ndarray, *, w: str = "", b: str = "", g: str = ""
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m = len(s)
    grad_w = {"transposed": h.T @ s / m, "sum": s.T @ h, "neurons": s.T @ h / s.shape[1]}
    grad_b = {"sum": s.sum(axis=0), "each": s, "axis": s.mean(axis=1)}
    back = {"transposed": s @ W.T if W.shape[0] == W.shape[1] else s, "mean": s @ W / m}
    return grad_w.get(w, s.T @ h / m), grad_b.get(b, s.mean(axis=0)), back.get(g, s @ W)


BACKWARD_MISTAKES = {
    "The gradient by W must have the shape of W; is the product transposed?": partial(
        _layer_back, w="transposed"
    ),
    "The risk is a mean over the samples: what does the gradient by W lack?": partial(_layer_back, w="sum"),
    "The mean is over the m samples. By what do you divide?": partial(_layer_back, w="neurons"),
    "The gradient by W is right. The gradient by b is a mean over the samples too.": partial(
        _layer_back, b="sum"
    ),
    "All samples share one bias: the gradient by b has one number for each neuron.": partial(
        _layer_back, b="each"
    ),
    "The gradient by b is a mean over the samples, not over the neurons: look at the axis.": partial(
        _layer_back, b="axis"
    ),
    "Which index of W is summed over on the way back, the row's or the column's?": partial(
        _layer_back, g="transposed"
    ),
    "g belongs to single samples: it has no mean in it.": partial(_layer_back, g="mean"),
}


@exercise()
def layer_backward(
    s: np.ndarray, h_previous: np.ndarray, W: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean gradients by W and b, and dR_i / dh of the layer before, from s = dR_i / da."""
    return s.T @ h_previous / len(s), s.mean(axis=0), s @ W


@layer_backward.property
def every_part_of_a_layer(layer_backward: Callable) -> None:
    """Expect the three results on layers of several shapes."""
    for case in BACKWARD_CASES:
        s, h, _ = case
        call = f"layer_backward with s of shape {s.shape} and h_previous of shape {h.shape}"
        compare_parts(layer_backward, case, _layer_back, BACKWARD_MISTAKES, ("grad_w", "grad_b", "g"), call)


@layer_backward.property
def agrees_with_finite_differences(layer_backward: Callable) -> None:
    """Expect the central differences of a quadratic loss."""
    h, W, y = rng.standard_normal((4, 3)), rng.standard_normal((2, 3)), rng.standard_normal((4, 2))
    grad_w, grad_b, _ = layer_backward(2 * (h @ W.T - y), h, W)
    expect.gradient(grad_w, lambda w: np.mean(np.sum((h @ w.T - y) ** 2, axis=1)), W, "the gradient by W")
    expect.gradient(
        grad_b, lambda b: np.mean(np.sum((h @ W.T + b - y) ** 2, axis=1)), np.zeros(2), "the gradient by b"
    )


# ---------------------------------------------------------------- 6. gradient check


def cubes(w: np.ndarray) -> float:
    """Return the sum of the cubes."""
    return float(np.sum(w**3))


def mixture(w: np.ndarray) -> float:
    """Return a number in which the entries of w act on each other."""
    return float(np.sin(w.sum()) + np.sum(np.exp(w)))


def _differences(
    function: Callable, at: np.ndarray, gradient: np.ndarray, step: float = 1e-5, *, slip: str = ""
) -> tuple[np.ndarray, float]:
    numeric = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        shift = np.zeros(at.shape)
        shift[index] = step
        if slip == "all":
            shift[...] = step
        below = at if slip in ("one-sided", "one-sided/2") else at - shift
        numeric[index] = function(at + shift) - function(below)
        numeric[index] /= step if slip in ("one-sided", "no 2") else 2 * step
        if slip == "times":
            numeric[index] *= (2 * step) * (step / 2)
    error = np.linalg.norm(gradient - numeric)
    if slip == "one norm":
        return numeric, float(error / np.linalg.norm(numeric))
    if slip == "sum":
        total = np.linalg.norm(gradient + numeric)
    else:
        total = np.linalg.norm(gradient) + np.linalg.norm(numeric)
    return numeric, float(error if slip == "absolute" else error / total)


CHECKED = np.array([[0.5, -1.0, 2.0], [1.5, 0.2, -0.7]])


CHECK_CASES = [
    (cubes, np.array([1.0, -2.0]), np.array([3.0, 12.0]), 1e-3),
    (cubes, CHECKED, 2 * CHECKED**2, 1e-3),
    (mixture, CHECKED, np.cos(CHECKED.sum()) + np.exp(CHECKED), 1e-4),
    (mixture, np.array([0.3]), np.array([-1.0]), 1e-2),
]
CHECK_MISTAKES = {
    hint: partial(_differences, slip=slip)
    for slip, hint in {
        "one-sided": "Central differences go one step up and one step down.",
        "one-sided/2": "The divisor fits central differences, but one of the two points is not moved.",
        "no 2": "How far apart are the two points? By that distance one divides.",
        "times": "Does the division by 2 * step lack its parentheses?",
        "all": "Move one entry at a time and leave all others where they are.",
        "absolute": "The differences are right. The error must be relative to the size of the gradients.",
        "one norm": "The differences are right. In the error, divide by the sum of both norms.",
        "sum": "The differences are right. The norm of a sum is not the sum of the norms.",
    }.items()
}


@exercise()
def gradient_check(
    function: Callable, at: np.ndarray, gradient: np.ndarray, step: float = 1e-5
) -> tuple[np.ndarray, float]:
    """Return the central differences of function at ``at``, and the relative error of gradient."""
    return _differences(function, at, gradient, step)


@gradient_check.property
def differences_and_error(gradient_check: Callable) -> None:
    """Expect the differences, then the error, of functions of one and two axes."""
    for case in CHECK_CASES:
        function, at, _, step = case
        call = f"gradient_check({function.__name__}, at={expect.brief(at)}, step={step:g})"
        compare_parts(gradient_check, case, _differences, CHECK_MISTAKES, ("numeric", "error"), call)


# ---------------------------------------------------------------- 7. the whole network


def _passes(
    x: np.ndarray,
    y: np.ndarray,
    W: Layers,
    b: Layers,
    phi: Callable,
    phi_prime: Callable,
    output: str,
    l2: float = 0.0,
    l1: float = 0.0,
    *,
    slip: str = "",
) -> tuple[np.ndarray, Layers, Layers]:
    """Return f and the gradients by W and b, or with a ``slip`` what a mistake makes of them."""
    last = len(W)
    psi = {"identity": lambda a: a, "sigmoid": sigmoid, "softmax": softmax.reference}[output]
    a, h = {}, {0: x}
    for k in W:
        activation = psi if k == last and slip != "phi at the output" else phi
        a[k], h[k] = layer_forward.reference(h[k - 1], W[k], b[k], activation)
    if slip == "a for f":
        h[last] = a[last]
    s = _delta(output, a[last], h[last], y, slip)
    grad_w, grad_b = {}, {}
    for k in range(last, 0, -1):
        grad_w[k], grad_b[k], g = layer_backward.reference(s, h[k - 1], W[k])
        factor_w = 1 if slip == "factor of l2" else 2
        grad_w[k] = grad_w[k] + factor_w * l2 * W[k] + l1 * (W[k] if slip == "l1" else np.sign(W[k]))
        if slip == "penalised biases":
            grad_b[k] = grad_b[k] + 2 * l2 * b[k] + l1 * np.sign(b[k])
        if slip == "no penalty":
            grad_w[k] = grad_w[k] - 2 * l2 * W[k] - l1 * np.sign(W[k])
        if k > 1:
            s = g * _hidden_slope(phi_prime, a, h, k, slip)
    return h[last], grad_w, grad_b


def _delta(output: str, a: np.ndarray, f: np.ndarray, y: np.ndarray, slip: str) -> np.ndarray:
    if slip == "delta sign":
        return -_delta(output, a, f, y, "")
    if output == "softmax":
        return {"softmax slope": (f - y) * f * (1 - f), "softmax as quadratic": -2 * (y - f)}.get(slip, f - y)
    slope = np.ones_like(a) if output == "identity" or slip == "psi'" else sigmoid_prime(a)
    if slip == "psi' at f" and output == "sigmoid":
        slope = sigmoid_prime(f)
    return (1 if slip == "factor of the square" else 2) * (f - y) * slope


def _hidden_slope(phi_prime: Callable, a: Layers, h: Layers, k: int, slip: str) -> np.ndarray:
    if slip == "phi'":
        return np.ones_like(a[k - 1])
    if slip == "wrong layer" and a[k].shape == a[k - 1].shape:
        return phi_prime(a[k])
    return phi_prime(h[k - 1] if slip == "phi' at h" else a[k - 1])


def random_network(sizes: list[int]) -> tuple[Layers, Layers]:
    """Return random weights and biases; ``sizes`` begins with the input."""
    W = {k: rng.standard_normal((sizes[k], sizes[k - 1])) for k in range(1, len(sizes))}
    return W, {k: rng.standard_normal(sizes[k]) for k in W}


X7 = rng.standard_normal((5, 3))
Y7 = rng.random((5, 2))
ONE_HOT7 = np.eye(2)[[0, 1, 1, 0, 1]]
SMALL, DEEP = random_network([3, 4, 2]), random_network([3, 4, 4, 4, 2])
TANH = (np.tanh, tanh_prime)


NETWORK_CASES = [
    (X7, Y7, *random_network([3, 2]), *TANH, "identity", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "identity", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "sigmoid", 0.0, 0.0),
    (X7, ONE_HOT7, *SMALL, *TANH, "softmax", 0.0, 0.0),
    (X7, Y7, *SMALL, sigmoid, sigmoid_prime, "identity", 0.0, 0.0),
    (X7, ONE_HOT7, *DEEP, *TANH, "softmax", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "identity", 0.1, 0.0),
    (X7, Y7, *DEEP, *TANH, "sigmoid", 0.0, 0.1),
    (X7, ONE_HOT7, *SMALL, *TANH, "softmax", 0.02, 0.3),
]
NETWORK_MISTAKES = {
    hint: partial(_passes, slip=slip)
    for slip, hint in {
        "phi at the output": "The last layer has its own activation psi, the hidden layers have phi.",
        "a for f": "The network's output is psi of the last a.",
        "delta sign": "The sign of delta is reversed: compare with its formula.",
        "factor of the square": "The derivative of a square has a factor. Is it in delta?",
        "psi'": "With a sigmoid output, delta contains psi'.",
        "psi' at f": "psi' is evaluated at a of the output layer, not at f.",
        "softmax slope": "For softmax with cross-entropy the slope of psi is already in p - y.",
        "softmax as quadratic": "Softmax comes with the cross-entropy, not with the quadratic loss.",
        "phi'": "What does the way back through a hidden layer's activation multiply by?",
        "phi' at h": "phi' is evaluated at a, not at h = phi(a).",
        "wrong layer": "To reach layer k - 1, phi' takes the a of that layer, not of layer k.",
        "no penalty": "The losses' gradients are right. Where are the gradients of the penalties?",
        "penalised biases": "Only the weights are penalised, the biases are not.",
        "factor of l2": "The derivative of the L2 penalty: is there a factor missing?",
        "l1": "The derivative of an absolute value does not depend on how large the weight is.",
    }.items()
}


@exercise(seconds=20)
def backpropagation(
    x: np.ndarray,
    y: np.ndarray,
    W: Layers,
    b: Layers,
    phi: Callable,
    phi_prime: Callable,
    output: str,
    l2: float = 0.0,
    l1: float = 0.0,
) -> tuple[np.ndarray, Layers, Layers]:
    """Return f(x) and the gradients of the penalised risk by each W[k] and each b[k]."""
    return _passes(x, y, W, b, phi, phi_prime, output, l2, l1)


@backpropagation.property
def every_part_of_the_network(backpropagation: Callable) -> None:
    """Expect f and all gradients, of networks with one layer and more."""
    for case in NETWORK_CASES:
        x, _, W, _, phi, _, output, l2, l1 = case
        sizes = "-".join(str(size) for size in [x.shape[1], *(len(w) for w in W.values())])
        call = f"a network {sizes} with {phi.__name__}, output={output!r}, l2={l2:g}, l1={l1:g}"
        compare_parts(backpropagation, case, _passes, NETWORK_MISTAKES, ("f", "grad_w", "grad_b"), call)


@backpropagation.property
def agrees_with_central_differences(backpropagation: Callable) -> None:
    """Expect the central differences of a deep network's penalised risk."""
    W, b = random_network([2, 4, 3, 2])
    x, y = rng.standard_normal((6, 2)), np.eye(2)[[0, 1, 0, 0, 1, 1]]
    for output, loss in {"sigmoid": "quadratic", "softmax": "cross-entropy"}.items():
        _, grad_w, grad_b = backpropagation(x, y, W, b, *TANH, output, 0.05, 0.0)

        def risk(W: Layers, b: Layers, output: str = output, loss: str = loss) -> float:
            f, _, _ = _passes(x, y, W, b, *TANH, output)
            return _risk(f, y, W, loss, 0.05, 0.0)

        for k in W:
            what = f"with output {output!r} the gradient by"
            expect.gradient(grad_w[k], lambda w, k=k: risk({**W, k: w}, b), W[k], f"{what} W[{k}]")
            expect.gradient(grad_b[k], lambda v, k=k: risk(W, {**b, k: v}), b[k], f"{what} b[{k}]")


@backpropagation.property
def no_loop_over_samples(backpropagation: Callable) -> None:
    """Expect that the activation gets all rows at once, in every layer."""
    shapes = []

    def phi(a: np.ndarray) -> np.ndarray:
        shapes.append(np.shape(a))
        return np.tanh(a)

    backpropagation(X7, Y7, *SMALL, phi, tanh_prime, "identity", 0.0, 0.0)
    expect.true(bool(shapes), "The activation phi is never called.", "is the argument phi used?")
    _whole_batches(shapes, samples=len(X7))


# ---------------------------------------------------------------- 8. stochastic gradient descent


def slopes(x: np.ndarray, y: np.ndarray, W: Layers, b: Layers) -> tuple[Layers, Layers]:
    """Return the gradients by W and b of a tanh network with a softmax output."""
    _, grad_w, grad_b = _passes(x, y, W, b, *TANH, "softmax")
    return grad_w, grad_b


def _descend(
    gradient: Callable,
    x: np.ndarray,
    y: np.ndarray,
    W: Layers,
    b: Layers,
    rate: float,
    epochs: int,
    batch_size: int,
    seed: int = 0,
    *,
    slip: str = "",
) -> tuple[Layers, Layers]:
    generator = np.random.default_rng(seed)
    start_w, start_b = W, b
    W, b = dict(W), dict(b)
    rate = {"ascent": -rate, "mean twice": rate / min(batch_size, len(x))}.get(slip, rate)
    for _ in range(1 if slip == "one epoch" else epochs):
        order = generator.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            at = (start_w, start_b) if slip == "old gradient" else (W, b)
            grad_w, grad_b = gradient(x[batch], y[batch], *at)
            from_w, from_b = (start_w, start_b) if slip == "not kept" else (W, b)
            for k in start_w:
                if slip == "in turn":
                    grad_w, grad_b = gradient(x[batch], y[batch], W, b)
                W[k] = from_w[k] - rate * grad_w[k]
                b[k] = from_b[k] - (0 if slip == "no biases" else rate) * grad_b[k]
    return W, b


X8, Y8 = rng.standard_normal((7, 3)), np.eye(2)[[0, 1, 1, 0, 1, 0, 0]]


SGD_CASES = [
    (slopes, X8, Y8, *SMALL, 0.1, 1, 7, 0),
    (slopes, X8, Y8, *SMALL, 0.1, 3, 7, 1),
    (slopes, X8, Y8, *DEEP, 0.1, 2, 7, 0),
]
SGD_MISTAKES = {
    hint: partial(_descend, slip=slip)
    for slip, hint in {
        "ascent": "The risk goes up: the step must go against the gradient.",
        "mean twice": "The gradient is already a mean over the batch; no second division is needed.",
        "no biases": "The weights move. Do the biases?",
        "in turn": "Compute all gradients first, then move: one was taken with layers already updated.",
        "one epoch": "Only one epoch is run: where does the return stand?",
        "not kept": "Each step starts where the last one ended, not at the initial parameters.",
        "old gradient": "Each step needs a new gradient, at the parameters reached by then.",
    }.items()
}


@exercise(seconds=30)
def sgd(
    gradient: Callable,
    x: np.ndarray,
    y: np.ndarray,
    W: Layers,
    b: Layers,
    rate: float,
    epochs: int,
    batch_size: int,
    seed: int = 0,
) -> tuple[Layers, Layers]:
    """Return new W and b after some epochs of stochastic gradient descent."""
    return _descend(gradient, x, y, W, b, rate, epochs, batch_size, seed)


@sgd.property
def full_batches(sgd: Callable) -> None:
    """Expect plain gradient descent when the batch is the whole sample."""
    for case in SGD_CASES:
        call = f"sgd with rate={case[5]:g}, epochs={case[6]} and the whole sample as batch"
        compare_parts(sgd, case, _descend, SGD_MISTAKES, ("W", "b"), call)


@sgd.property
def batches(sgd: Callable) -> None:
    """Expect that an epoch visits each sample once, in random batches."""
    x = np.arange(20.0)[:, None] / 20
    y = np.eye(2)[np.arange(20) % 2]
    seen: list[np.ndarray] = []

    def gradient(x: np.ndarray, y: np.ndarray, W: Layers, b: Layers) -> tuple[Layers, Layers]:
        rows = np.rint(np.ravel(x) * 20).astype(int)
        expect.true(
            np.array_equal(y, np.eye(2)[rows % 2]),
            "Samples and targets no longer belong together.",
            "x and y must be indexed by the same batch.",
        )
        seen.append(rows)
        return slopes(x, y, W, b)

    W, b = random_network([1, 3, 2])
    sgd(gradient, x, y, W, b, 0.1, 4, 8, 0)
    sizes = [len(rows) for rows in seen]
    expect.true(
        max(sizes, default=0) <= 8,
        f"With batch_size=8 the gradient gets {max(sizes, default=0)} samples.",
        "cut the permutation into pieces of batch_size.",
    )
    expect.true(
        sizes != [8, 8] * 4,
        "20 samples in batches of 8 leave 4 samples; they are never used.",
        "the last batch of an epoch may be smaller.",
    )
    expect.true(
        len(sizes) == 12,
        f"20 samples in batches of 8 make 3 steps an epoch, 12 in 4 epochs; found {len(sizes)}.",
        "how many batches does one epoch have?",
    )
    _epochs_of(seen)


def _epochs_of(seen: list[np.ndarray]) -> None:
    """Check that each three batches are one pass over all 20 samples, in a new random order."""
    epochs = [np.concatenate(seen[i : i + 3]) for i in range(0, 12, 3)]
    expect.true(
        all(np.array_equal(np.sort(epoch), np.arange(20)) for epoch in epochs),
        "In one epoch some samples are used twice and others never.",
        "draw without replacement: one permutation of all samples, then cut it.",
    )
    expect.true(
        not np.array_equal(epochs[0], np.arange(20)),
        "The samples come in the order of the data.",
        "a batch is random: shuffle.",
    )
    expect.true(
        any(not np.array_equal(epoch, epochs[0]) for epoch in epochs[1:]),
        "Every epoch has the same batches.",
        "where is the permutation drawn, and where is the generator made?",
    )


@sgd.property
def learns_digits(sgd: Callable) -> None:
    """Expect that a small network learns the digits."""
    from nnlabs import data

    digits = data.digits()
    x_train, x_test = (x.reshape(len(x), -1) / 16 for x in (digits.x_train, digits.x_test))
    generator = np.random.default_rng(0)
    W = {1: generator.standard_normal((32, 64)) / 8, 2: generator.standard_normal((10, 32)) / 6}
    b = {1: np.zeros(32), 2: np.zeros(10)}
    W, b = sgd(slopes, x_train, np.eye(10)[digits.y_train], W, b, 0.3, 10, 32, 0)
    f, _, _ = _passes(x_test, np.eye(10)[digits.y_test], W, b, *TANH, "softmax")
    accuracy = np.mean(f.argmax(axis=1) == digits.y_test)
    expect.true(
        accuracy >= 0.9,
        f"After 10 epochs a network with 32 hidden neurons should be right on 90 % of the digits; "
        f"it is on {accuracy:.0%}.",
        "compare each line with the formula of the step.",
    )
