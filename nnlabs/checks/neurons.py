"""Checks of lab 01, one neuron. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TABLES = {
    "AND": np.array([0, 0, 0, 1]),
    "OR": np.array([0, 1, 1, 1]),
    "NAND": np.array([1, 1, 1, 0]),
    "NOR": np.array([1, 0, 0, 0]),
    "XOR": np.array([0, 1, 1, 0]),
    "XNOR": np.array([1, 0, 0, 1]),
}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, x)


def identity(x: np.ndarray) -> np.ndarray:
    return x


def _expect_array(found: Any, what: str) -> None:
    """Raise unless ``found`` can be computed with as the later cells do."""
    expect.true(
        isinstance(found, (np.ndarray, np.generic)),
        f"{what}: expected a NumPy array, found a {type(found).__name__}.",
        "np.array makes an array of a list.",
    )


# 1. The sigmoid -----------------------------------------------------------------------------------


@exercise(
    cases=[(np.linspace(-4.0, 4.0, 6),), (np.array([[-2.0, 0.5], [3.0, 0.0]]),)],
    mistakes={
        "look at the sign of x in the exponent.": lambda x: _sigmoid(-x),
        "this is tanh, which goes from -1 to 1; the sigmoid goes from 0 to 1.": np.tanh,
        "what is added to the exponential in the denominator?": np.exp,
        "this is the derivative of the sigmoid.": lambda x: _sigmoid(x) * (1 - _sigmoid(x)),
        "is the power of e in the right part of the fraction?": lambda x: 1 + np.exp(-x),
        "only values above 0 are right: for which sign of x do you use which form?": lambda x: (
            1 / (1 + np.exp(-np.abs(x)))
        ),
    },
)
def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function of ``x``, without overflow."""
    return _sigmoid(x)


@sigmoid.property
def _sigmoid_far_from_zero(attempt: Callable) -> None:
    far = np.array([-800.0, 800.0])
    hint = "e^800 is too large for a float; make sure that np.exp only sees numbers that are not positive."
    try:
        with np.errstate(over="raise", invalid="raise"):
            found = attempt(far)
    except FloatingPointError as error:
        raise expect.WrongError(f"sigmoid([-800, 800]) meets an {str(error).split(' ')[0]}.", hint) from None
    expect.close(found, np.array([0.0, 1.0]), "sigmoid([-800, 800])", hint)


@sigmoid.property
def _sigmoid_is_an_array(attempt: Callable) -> None:
    _expect_array(attempt(np.array([0.0, 2.0])), "sigmoid([0, 2])")


# 2. The hard threshold ----------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([-1.0, -0.5, 0.5, 2.0]), 1.0),
        (np.array([-3.0, -1.0, 1.0, 4.0]), -2.0),
        (np.array([[0.0, 1.0, 2.0], [3.0, 1.0, -1.0]]), 1.0),
    ],
    mistakes={
        "beta is not used: where does the jump lie?": lambda x, beta: (x >= 0) * 1.0,
        "0 and 1 have changed places.": lambda x, beta: (x < beta) * 1.0,
        "the output below the jump is 0, not -1.": lambda x, beta: np.where(x >= beta, 1.0, -1.0),
        "the output above the jump is always 1, it does not grow with x.": lambda x, beta: np.maximum(
            0, x - beta
        ),
        "the output above the jump is 1, not x itself.": lambda x, beta: np.where(x >= beta, x, 0.0),
        "what is the output when x is exactly beta?": lambda x, beta: (x > beta) * 1.0,
    },
)
def threshold(x: np.ndarray, beta: float) -> np.ndarray:
    """Return 1 where ``x`` is at least ``beta``, 0 elsewhere."""
    return (x >= beta).astype(float)


@threshold.property
def _threshold_gives_numbers(attempt: Callable) -> None:
    found = attempt(np.array([0.0, 2.0]), 1.0)
    _expect_array(found, "threshold([0, 2], 1)")
    expect.true(
        found.dtype != bool,
        "threshold([0, 2], 1): expected the numbers 0 and 1, found False and True.",
        "convert the comparison to numbers, for example with astype.",
    )


# 3. The derivative of tanh ------------------------------------------------------------------------


@exercise(
    cases=[(np.linspace(-2.0, 2.0, 6),), (np.array([[0.0, 1.0], [-3.0, 0.5]]),)],
    mistakes={
        "this is tanh itself, not its derivative.": np.tanh,
        "is tanh squared in your formula?": lambda x: 1 - np.tanh(x),
        "this is the rule of the sigmoid, with tanh put in.": lambda x: np.tanh(x) * (1 - np.tanh(x)),
        "a sign: does tanh rise faster or slower when it is far from 0?": lambda x: 1 + np.tanh(x) ** 2,
        "the argument x is squared where tanh(x) should be.": lambda x: 1 - np.tanh(x**2),
        "this is 1 / cosh; a square is missing.": lambda x: 1 / np.cosh(x),
        "this is the derivative of the sigmoid.": lambda x: _sigmoid(x) * (1 - _sigmoid(x)),
    },
)
def tanh_slope(x: np.ndarray) -> np.ndarray:
    """Return the derivative of tanh at each element of ``x``."""
    return 1 - np.tanh(x) ** 2


@tanh_slope.property
def _tanh_slope_by_differences(attempt: Callable) -> None:
    at = np.array([-1.5, 0.2, 0.9])
    expect.gradient(attempt(at), lambda x: np.tanh(x).sum(), at, "tanh_slope, against central differences")


@tanh_slope.property
def _tanh_slope_far_from_zero(attempt: Callable) -> None:
    expect.close(
        attempt(np.array([-800.0, 800.0])),
        np.zeros(2),
        "tanh_slope([-800, 800])",
        "e^800 is too large for a float; np.tanh knows how to avoid it.",
    )


@tanh_slope.property
def _tanh_slope_is_an_array(attempt: Callable) -> None:
    _expect_array(attempt(np.array([0.0, 2.0])), "tanh_slope([0, 2])")


# 4. A neuron on a batch ---------------------------------------------------------------------------

_X = np.array([[1.0, 2.0], [0.0, -1.0], [-2.0, 0.5]])
_SQUARE = np.array([[1.0, -2.0], [3.0, 0.5]])  # here w @ X works too, and is wrong


@exercise(
    cases=[
        (_SQUARE, np.array([0.5, -1.0]), 0.25, identity),
        (_X, np.array([0.5, -1.0]), 0.25, identity),
        (_X, np.array([0.5, -1.0]), 0.25, np.tanh),
        (_SQUARE, np.array([1.0, 2.0]), -0.5, relu),
        (np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.1, -0.2, 0.3, 0.1]), 1.0, np.tanh),
    ],
    mistakes={
        "where is the bias?": lambda X, w, b, phi: phi(X @ w),
        "the bias goes into the sum, before phi.": lambda X, w, b, phi: phi(X @ w) + b,
        "look at the sign of the bias.": lambda X, w, b, phi: phi(X @ w - b),
        "where is the activation phi?": lambda X, w, b, phi: X @ w + b,
        "phi is applied to the inputs, before the sum.": lambda X, w, b, phi: phi(X) @ w + b,
        "in w @ X the weights multiply the rows of X; they belong to its columns.": lambda X, w, b, phi: phi(
            w @ X + b
        ),
        "the products are not summed over the inputs.": lambda X, w, b, phi: phi(X * w + b),
        "the sum runs over the examples; it should run over the inputs of each.": lambda X, w, b, phi: phi(
            np.sum(X * w, axis=0) + b
        ),
        "everything is summed to one number; there is one output for each row of X.": lambda X, w, b, phi: (
            phi(np.sum(X * w) + b)
        ),
        "the bias is added once for each input; there is one bias.": lambda X, w, b, phi: phi(
            np.sum(X * w + b, axis=1)
        ),
        "the outputs should be a vector of shape (n,), not a matrix.": lambda X, w, b, phi: phi(
            (X @ w + b)[:, None]
        ),
    },
)
def neuron(X: np.ndarray, w: np.ndarray, b: float, phi: Callable) -> np.ndarray:
    """Return phi(⟨w, x⟩ + b) for each row x of ``X``: (n, d) → (n,)."""
    return phi(X @ w + b)


@neuron.property
def _neuron_gives_an_array(attempt: Callable) -> None:
    _expect_array(attempt(_X, np.array([0.5, -1.0]), 0.25, np.tanh), "the result of neuron")


# 5. Logic gates -----------------------------------------------------------------------------------


@exercise()
def gates() -> dict[str, tuple[np.ndarray, float]]:
    """Return the weights and the bias of a threshold neuron for AND, OR and NAND."""
    w = np.array([1.0, 1.0])
    return {"AND": (w, -1.5), "OR": (w, -0.5), "NAND": (-w, 1.5)}


@gates.property
def _gates_compute_their_tables(attempt: Callable) -> None:
    found = attempt()
    names = ("AND", "OR", "NAND")
    if found is None:
        raise expect.WrongError("gates() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, dict) and set(found) == set(names),
        f"gates(): expected a dictionary with the keys {', '.join(names)}, found {expect.brief(found)}.",
        "keep the names of the gates in capital letters.",
    )
    for name in names:
        w, b = _weights_and_bias(found[name], name)
        sums = CORNERS @ w + b
        _expect_table((sums >= 0).astype(int), name, f"gates()[{name!r}]", sums)


def _weights_and_bias(pair: Any, name: str) -> tuple[np.ndarray, float]:
    hint = "give a pair: an array of two weights, then the bias."
    what = f"gates()[{name!r}]"
    expect.true(isinstance(pair, (tuple, list)) and len(pair) == 2, f"{what} is not a pair (w, b).", hint)
    w, b = expect.as_array(pair[0]), expect.as_array(pair[1])
    expect.true(
        w.shape == (2,) and w.dtype.kind in "if",
        f"{what}: expected weights of shape (2,), found {expect.brief(pair[0])}.",
        hint,
    )
    expect.true(
        b.shape == () and b.dtype.kind in "if",
        f"{what}: expected one number as bias, found {expect.brief(pair[1])}.",
        hint,
    )
    return w.astype(float), float(b)


def _expect_table(found: np.ndarray, name: str, what: str, sums: np.ndarray) -> None:
    """Raise unless ``found`` is the truth table ``name``; the hint says what table it is instead."""
    table = TABLES[name]
    if np.array_equal(found, table):
        return
    wrong = int(np.argwhere(found != table)[0, 0])
    inputs = tuple(int(value) for value in CORNERS[wrong])
    problem = f"{what}: for the inputs {inputs} expected {table[wrong]}, found {found[wrong]}."
    other = next((gate for gate, values in TABLES.items() if np.array_equal(found, values)), None)
    if np.any(sums[found != table] == 0):
        hint = "the sum is exactly 0 there, which counts as 1; put the boundary between two corners."
    elif found.min() == found.max():
        hint = f"the answer is {found[0]} for all four inputs: compare the bias with the sum of the weights."
    elif np.array_equal(1 - found, table):
        hint = "all four answers are the wrong way round: what happens if all signs change?"
    elif other is not None:
        hint = f"this is the table of {other}."
    else:
        hint = "write down the four sums and mark where they should be negative."
    raise expect.WrongError(problem, hint)


# 6. The gradient of the cross-entropy -------------------------------------------------------------


def _loss(w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray) -> float:
    sums = X @ w + b
    return float(np.mean(np.logaddexp(0, sums) - y * sums))


def _gradient(w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    error = _sigmoid(X @ w + b) - y
    return X.T @ error / len(y), error.mean()


def _gradient_from_errors(error: Callable) -> Callable:
    """Return a gradient function whose error (in place of p − y) is ``error(p, y)``."""

    def gradient(w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
        errors = error(_sigmoid(X @ w + b), y)
        return X.T @ errors / len(y), errors.mean()

    return gradient


def _gradient_summed(w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    error = _sigmoid(X @ w + b) - y
    return X.T @ error, error.sum()


def _gradient_without_sigmoid(
    w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, float]:
    error = X @ w + b - y
    return X.T @ error / len(y), error.mean()


_GRADIENT_X = np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.5], [1.5, 0.0]])
_GRADIENT_Y = np.array([1, 0, 0, 1])


@exercise(
    cases=[
        (np.array([0.3, -0.8]), 0.2, _GRADIENT_X, _GRADIENT_Y),
        (np.array([0.0, 1.0, -0.5]), -0.5, np.arange(15.0).reshape(5, 3) / 7, np.array([1, 1, 0, 0, 1])),
    ],
    mistakes={
        "the sign is reversed: the gradient points to where the loss grows.": _gradient_from_errors(
            lambda p, y: y - p
        ),
        "these are sums over the examples; the loss is their mean.": _gradient_summed,
        "the sign is reversed, and these are sums over the examples; the loss is their mean.": (
            lambda w, b, X, y: tuple(-part for part in _gradient_summed(w, b, X, y))
        ),
        "the factor p (1 - p) cancels with the derivative of the logarithm.": _gradient_from_errors(
            lambda p, y: (p - y) * p * (1 - p)
        ),
        "this is the gradient of the squared error; here the loss is the cross-entropy.": (
            _gradient_from_errors(lambda p, y: 2 * (p - y) * p * (1 - p))
        ),
        "the derivative of the logarithm is there, the one of the sigmoid is not.": _gradient_from_errors(
            lambda p, y: (p - y) / (p * (1 - p))
        ),
        "p is the output of the neuron, after the sigmoid.": _gradient_without_sigmoid,
        "the bias has its own derivative: it is not a sum over the examples, nor does it contain x.": (
            lambda w, b, X, y: (_gradient(w, b, X, y)[0], _gradient_summed(w, b, X, y)[1])
        ),
        "grad_b should be one number: the mean of the errors is missing.": (
            lambda w, b, X, y: (_gradient(w, b, X, y)[0], _sigmoid(X @ w + b) - y)
        ),
        "grad_w has one number for each weight: each error is multiplied by its input x.": (
            lambda w, b, X, y: (_gradient(w, b, X, y)[1], _gradient(w, b, X, y)[1])
        ),
        "the two results have changed places.": lambda w, b, X, y: _gradient(w, b, X, y)[::-1],
    },
)
def gradient(w: np.ndarray, b: float, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the gradient of the mean cross-entropy with respect to ``w`` and ``b``."""
    return _gradient(w, b, X, y)


@gradient.property
def _gradient_by_differences(attempt: Callable) -> None:
    w, b = np.array([-0.7, 0.4]), 0.1
    grad_w, grad_b = attempt(w, b, _GRADIENT_X, _GRADIENT_Y)
    _expect_array(grad_w, "grad_w")
    expect.gradient(
        np.append(grad_w, grad_b),
        lambda parameters: _loss(parameters[:2], parameters[2], _GRADIENT_X, _GRADIENT_Y),
        np.append(w, b),
        "(grad_w, grad_b), against central differences",
    )


# 7. Training --------------------------------------------------------------------------------------


def _train(
    X: np.ndarray,
    y: np.ndarray,
    rate: float,
    epochs: int,
    *,
    start: float = 0.0,
    step: Callable | None = None,
    late: bool = False,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Train as the reference does, or with one mistake: the start, the step, or a loss kept too late."""
    step = step or (lambda w, b, grad_w, grad_b: (w - rate * grad_w, b - rate * grad_b))
    w, b, losses = np.full(X.shape[1], start), 0.0, []
    for _ in range(epochs):
        before = _loss(w, b, X, y)
        w, b = step(w, b, *_gradient(w, b, X, y))
        losses.append(_loss(w, b, X, y) if late else before)
    return w, b, np.array(losses)


def _train_one_after_the_other(
    X: np.ndarray, y: np.ndarray, rate: float, epochs: int
) -> tuple[np.ndarray, float, np.ndarray]:
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(_loss(w, b, X, y))
        w = w - rate * _gradient(w, b, X, y)[0]
        b = b - rate * _gradient(w, b, X, y)[1]
    return w, b, np.array(losses)


_TRAIN_X = np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.5], [1.5, 0.5], [-0.5, -1.0]])
_TRAIN_Y = np.array([1, 0, 0, 1, 1])


@exercise(
    cases=[(_TRAIN_X, _TRAIN_Y, 0.5, 5), (_TRAIN_X[:, ::-1].copy(), _TRAIN_Y, 1.0, 20)],
    mistakes={
        "the loss grows: which way does the gradient point?": lambda X, y, rate, epochs: _train(
            X,
            y,
            rate,
            epochs,
            step=lambda w, b, grad_w, grad_b: (w + rate * grad_w, b + rate * grad_b),
        ),
        "the learning rate is not used.": lambda X, y, rate, epochs: _train(X, y, 1.0, epochs),
        "the bias does not learn.": lambda X, y, rate, epochs: _train(
            X, y, rate, epochs, step=lambda w, b, grad_w, grad_b: (w - rate * grad_w, b)
        ),
        "the weights do not learn.": lambda X, y, rate, epochs: _train(
            X, y, rate, epochs, step=lambda w, b, grad_w, grad_b: (w, b - rate * grad_b)
        ),
        "keep the loss before each step, not after it.": lambda X, y, rate, epochs: _train(
            X, y, rate, epochs, late=True
        ),
        "the loss is also kept once more after the last step; give one value for each epoch.": (
            lambda X, y, rate, epochs: (
                *_train(X, y, rate, epochs)[:2],
                np.append(_train(X, y, rate, epochs)[2], _loss(*_train(X, y, rate, epochs)[:2], X, y)),
            )
        ),
        "only the last loss comes back; a list with one value for each epoch is wanted.": (
            lambda X, y, rate, epochs: (
                *_train(X, y, rate, epochs)[:2],
                _train(X, y, rate, epochs)[2][-1],
            )
        ),
        "it stops after one step: does return stand inside the loop?": lambda X, y, rate, epochs: _train(
            X, y, rate, 1
        ),
        "w and b change at the same time: compute both gradients before the first of them moves.": (
            _train_one_after_the_other
        ),
        "the weights are replaced by the step, not changed by it.": lambda X, y, rate, epochs: _train(
            X,
            y,
            rate,
            epochs,
            step=lambda w, b, grad_w, grad_b: (-rate * grad_w, -rate * grad_b),
        ),
        "start with all weights and the bias at 0.": lambda X, y, rate, epochs: _train(
            X, y, rate, epochs, start=1.0
        ),
    },
)
def train(X: np.ndarray, y: np.ndarray, rate: float, epochs: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Train a sigmoid neuron by gradient descent; return ``w``, ``b`` and the loss of each epoch."""
    return _train(X, y, rate, epochs)


@train.property
def _train_starts_at_zero(attempt: Callable) -> None:
    _, _, losses = attempt(_TRAIN_X, _TRAIN_Y, 0.1, 1)
    expect.close(
        expect.as_array(losses)[0],
        np.log(2),
        "the first loss",
        "start with all weights and the bias at 0.",
    )


# 8. XOR -------------------------------------------------------------------------------------------


@exercise()
def xor_weights() -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return ``W1`` (m, 2), ``b1`` (m,), ``w2`` (m,), ``b2`` of two layers of thresholds that compute XOR."""
    return np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([-0.5, 1.5]), np.array([1.0, 1.0]), -1.5


@xor_weights.property
def _xor_weights_compute_xor(attempt: Callable) -> None:
    parts = attempt()
    if parts is None:
        raise expect.WrongError("xor_weights() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(parts, (tuple, list)) and len(parts) == 4,
        f"xor_weights(): expected the four things W1, b1, w2, b2, found {expect.brief(parts)}.",
        "keep the last line of the docstring in mind: four things, in this order.",
    )
    for name, part in zip(("W1", "b1", "w2"), parts, strict=False):
        _expect_array(part, name)
    W1, b1, w2, b2 = (expect.as_array(part) for part in parts)
    for name, array in {"W1": W1, "b1": b1, "w2": w2, "b2": b2}.items():
        expect.true(array.dtype.kind in "if", f"{name}: expected numbers, found {expect.brief(array)}.")
    expect.true(
        W1.ndim == 2 and W1.shape[1] == 2,
        f"W1: expected shape (m, 2), found {W1.shape}.",
        "one row for each hidden neuron, one column for each input.",
    )
    hidden = W1.shape[0]
    expect.true(
        b1.shape == (hidden,) and w2.shape == (hidden,) and b2.shape == (),
        f"W1 has {hidden} rows; expected b1 and w2 of shape ({hidden},) and one number b2, "
        f"found {b1.shape}, {w2.shape} and {b2.shape}.",
        "each hidden neuron has one bias in b1 and one weight in w2.",
    )
    h, sums, output = _two_layers(W1, b1, w2, b2)
    if np.array_equal(output, TABLES["XOR"]):
        return
    wrong = int(np.argwhere(output != TABLES["XOR"])[0, 0])
    inputs = tuple(int(value) for value in CORNERS[wrong])
    problem = (
        f"For the inputs {inputs} the hidden neurons say {h[wrong].tolist()} and the output is "
        f"{output[wrong]}; expected {TABLES['XOR'][wrong]}."
    )
    raise expect.WrongError(problem, _xor_hint(W1, b1, w2, b2, h, sums, output))


def _two_layers(
    W1: np.ndarray, b1: np.ndarray, w2: np.ndarray, b2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hidden outputs (4, m), the last neuron's sums (4,) and its outputs (4,) at the corners."""
    h = (CORNERS @ W1.T + b1 >= 0).astype(int)
    sums = h @ w2 + b2
    return h, sums, (sums >= 0).astype(int)


def _xor_hint(
    W1: np.ndarray,
    b1: np.ndarray,
    w2: np.ndarray,
    b2: np.ndarray,
    h: np.ndarray,
    sums: np.ndarray,
    output: np.ndarray,
) -> str:
    if h.shape[1] == 1:
        return "one hidden neuron is not enough: it cuts the square only once."
    if W1.shape == (2, 2) and np.array_equal(_two_layers(W1.T, b1, w2, b2)[2], TABLES["XOR"]):
        return "W1 looks transposed: its rows are the hidden neurons."
    if np.all(h == h[:, :1]):
        return "all hidden neurons give the same answers, so they are worth only one."
    if np.array_equal(output, TABLES["XNOR"]):
        return "these answers are NOT XOR: all four are the wrong way round."
    if np.any(sums[output != TABLES["XOR"]] == 0):
        return "the last sum is exactly 0 there, which counts as 1; move b2 a little."
    if output.min() == output.max():
        return f"the output is {output[0]} for all inputs: compare b2 with the sums of the weights w2."
    name = next((gate for gate, table in TABLES.items() if np.array_equal(output, table)), None)
    if name is not None:
        return f"these answers are {name}: what should the last neuron do with its inputs?"
    return "write down the table of each hidden neuron, then that of the last neuron."
