"""Checks of lab 01, one neuron and three. NumPy only."""

from itertools import product

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

SQUARE, CUBE = (np.array(list(product((0.0, 1.0), repeat=d))) for d in (2, 3))
TABLES = {
    "NAND": np.array([1, 1, 1, 0]),
    "IMPLIES": np.array([1, 1, 0, 1]),
    "MAJORITY": np.array([0, 0, 0, 1, 0, 1, 1, 1]),
    "PARITY": np.array([0, 1, 1, 0, 1, 0, 0, 1]),
    "AND": np.array([0, 0, 0, 1]),
    "OR": np.array([0, 1, 1, 1]),
    "NOR": np.array([1, 0, 0, 0]),
    "x2 IMPLIES x1": np.array([1, 0, 1, 1]),
    "AND of three": np.array([0, 0, 0, 0, 0, 0, 0, 1]),
    "OR of three": np.array([0, 1, 1, 1, 1, 1, 1, 1]),
}


# 1. The sigmoid -----------------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([-1.0, 0.0, 2.0]),),
        (np.array([[-12.0, 0.5], [3.0, 12.0]]),),
        (np.array([-2, 0, 1]),),
    ],
    mistakes={
        "look at the sign of x in the exponent.": "x >= 0 -> x <= 0",
        "this is tanh, which goes from -1 to 1; the sigmoid goes from 0 to 1.": np.tanh,
        "what is added to the exponential in the denominator?": np.exp,
        "this is the derivative of the sigmoid.": (
            "1 / (1 + e), e / (1 + e) -> e / (1 + e) ** 2, e / (1 + e) ** 2"
        ),
        "is the power of e in the right part of the fraction?": lambda x: 1 + np.exp(-x),
        "only values above 0 are right: for which sign of x do you use which form?": (
            "e / (1 + e) -> 1 / (1 + e)"
        ),
    },
)
def sigmoid(x):
    """Return the logistic function of ``x``, without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _far_from_zero(attempt, expected, name):
    hint = "e^800 is too large for a float; make sure that np.exp only sees numbers that are not positive."
    try:
        with np.errstate(over="raise", invalid="raise"):
            found = attempt(np.array([-800.0, 800.0]))
    except FloatingPointError as error:
        raise expect.WrongError(f"{name}([-800, 800]) meets an {str(error).split(' ')[0]}.", hint) from None
    expect.close(found, expected, f"{name}([-800, 800])", hint)


ZERO_ONE = np.array([0.0, 1.0])
sigmoid.property(lambda attempt: _far_from_zero(attempt, ZERO_ONE, "sigmoid"))

# 2. Softplus --------------------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([-1.0, 0.0, 2.0]),),
        (np.array([[-12.0, 0.5], [3.0, 12.0]]),),
        (np.array([-2, 0, 1]),),
    ],
    mistakes={
        "the values are those of ReLU: what is log(1 + e^0)?": "np.log1p(np.exp(-np.abs(x))) -> 0 * x",
        "the natural logarithm is meant.": "return value -> return np.log2(1 + np.exp(x))",
        "the logarithm is missing.": "return value -> return 1 + np.exp(x)",
        "a sign: the values should grow with x.": "np.maximum(x, 0) -> np.maximum(-x, 0)",
        "for one sign of x a part of the value is missing.": "np.maximum(x, 0) + -> ",
        "one of the two forms is used for both signs of x.": "np.maximum(x, 0) -> x",
        "softplus comes close to x on the right, but it is not x.": (
            "np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))) -> np.where(x > 0, x, np.log1p(np.exp(x)))"
        ),
        "in the slope the derivative of the logarithm is missing.": "= sigmoid.reference(x) -> = np.exp(x)",
        "this slope falls, but softplus bends upwards.": "= sigmoid.reference(x) -> = 1 / (1 + np.exp(x))",
        "this slope is the derivative of the slope.": "= sigmoid -> = sigmoid.reference(-x) * sigmoid",
        "this slope is that of ReLU; softplus has no corner.": "= sigmoid.reference(x) -> = (x > 0) * 1.0",
        "tanh goes down to -1, but softplus never falls.": "= sigmoid.reference(x) -> = np.tanh(x)",
        "values and slopes have changed places.": "return value, slope -> return slope, value",
    },
)
def softplus(x):
    """Return log(1 + e^x) and its derivative for each element of ``x``, without overflow."""
    value = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    slope = sigmoid.reference(x)
    return value, slope


softplus.property(lambda attempt: _far_from_zero(attempt, (800 * ZERO_ONE, ZERO_ONE), "softplus"))

# 3. Several neurons at once -----------------------------------------------------------------------


@exercise(
    cases=[
        (
            np.array([[1.0, -2.0], [3.0, 2.0], [0.0, -1.0]]),  # all tables are square here
            np.array([[1.0, 2.0, -1.0], [-4.0, 0.0, 3.0], [2.0, 1.0, 1.0]]),
            [np.abs, np.positive, np.square],
        ),
        (np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.5, 0.1, -0.2, 0.3, 0.1]]), [np.tanh]),
        (np.array([[1, 2, 0], [0, -1, 3]]), np.array([[0.5, -1.0, 0.25, 0.5]] * 2), [np.abs, np.positive]),
        (np.array([[0.5], [1.5], [-0.25]]), np.array([[0, -1], [1, 2]]), [np.cos, np.tanh]),
    ],
    mistakes={
        "the bias is the first number of each row, not the last.": "[ones, X] -> [X, ones]",
        "where is the bias? The first component of each input is 1.": "np.ones -> np.zeros",
        "look at the sign of the bias.": "np.ones( -> -np.ones(",
        "the neurons are the rows of W: multiply each by the inputs.": "W.T -> W",
        "every neuron has its own activation: here all have the first.": "phi(column) -> phis[0](column)",
        "where are the activations?": "phi(column) -> column",
        "the activations are in the wrong order.": "zip(phis, -> zip(phis[::-1],",
        "an activation belongs to a neuron, a column of the sums; here each example has one.": (
            "np.stack([phi(column) for phi, column in zip(phis, sums.T)], axis=1) -> "
            "np.stack([phi(row) for phi, row in zip(phis, sums)])"
        ),
        "one row for each example, one column for each neuron.": "axis=1 -> axis=0",
        "the activations come after the sum, bias and all.": [
            "sums = np.hstack([ones, X]) @ W.T -> sums = X @ W[:, 1:].T",
            "phi(column) for phi, column in zip(phis, sums.T) -> "
            "phi(column) + bias for phi, column, bias in zip(phis, sums.T, W[:, 0])",
        ],
        "the activations are applied to the inputs, before the sum.": (
            "np.stack([phi(column) for phi, column in zip(phis, sums.T)], axis=1) -> "
            "np.stack([np.hstack([ones, phi(X)]) @ w for phi, w in zip(phis, W)], axis=1)"
        ),
    },
)
def neurons(X, W, phis):
    """Return the outputs (n, J) of J neurons whose biases are the first column of ``W``."""
    ones = np.ones((len(X), 1))
    sums = np.hstack([ones, X]) @ W.T
    return np.stack([phi(column) for phi, column in zip(phis, sums.T)], axis=1)  # noqa: B905


# 4. Logic gates -----------------------------------------------------------------------------------


@exercise()
def gates():
    """Return the weights and the bias of a threshold neuron for NAND, IMPLIES and MAJORITY."""
    two, three = np.array([-1.0, 1.0]), np.ones(3)
    return {"NAND": (-np.abs(two), 1.5), "IMPLIES": (two, 0.5), "MAJORITY": (three, -1.5)}


@gates.property
def three_gates(attempt):
    found, names = attempt(), {"NAND", "IMPLIES", "MAJORITY"}
    expect.true(found is not None, "gates() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, dict),
        f"gates(): expected a dictionary, found {expect.brief(found)}.",
        "between curly braces: the name of a gate, a colon, its pair (w, b), and so on.",
    )
    expect.true(
        set(found) == names,
        f"gates(): expected the keys 'NAND', 'IMPLIES' and 'MAJORITY', found {', '.join(map(repr, found))}.",
        "keep the names of the gates in capital letters."
        if any(str(name) != str(name).upper() for name in found)
        else "one entry for each of the three gates, and no other.",
    )


@gates.property
def truth_tables(attempt):
    for name, pair in attempt().items():
        what = f"gates()[{name!r}]"
        corners = CUBE if name == "MAJORITY" else SQUARE
        w, b = _weights_and_bias(pair, what, corners.shape[1])
        hint = "write down the sum for each input and mark where it should be negative."
        _expect_table(corners @ w + b, name, what, otherwise=hint)


def _weights_and_bias(pair, what, inputs):
    hint = "give a pair: an array of weights, one for each input, then the bias."
    expect.true(isinstance(pair, (tuple, list)) and len(pair) == 2, f"{what} is not a pair (w, b).", hint)
    for part, name, shape in zip(
        pair, (f"weights of shape ({inputs},)", "one number as bias"), ((inputs,), ()), strict=True
    ):
        value = expect.as_array(part)
        expect.true(
            value.shape == shape and value.dtype.kind in "if",
            f"{what}: expected {name}, found {expect.brief(part)}.",
            hint,
        )
    return pair


def _expect_table(sums, name, what, hint="", *, otherwise):
    """Raise unless a neuron with these sums at the corners computes ``name``."""
    found, table = (sums >= 0).astype(int), TABLES[name]
    if not np.array_equal(found, table):
        wrong = int(np.argmax(found != table))
        inputs = tuple((CUBE if len(table) == 8 else SQUARE)[wrong].astype(int).tolist())
        problem = f"{what}: for the inputs {inputs} expected {table[wrong]}, found {found[wrong]}."
        raise expect.WrongError(problem, hint or _table_hint(sums, found, name) or otherwise)


def _table_hint(sums, found, name):
    if np.any(sums[found != TABLES[name]] == 0):
        return "the sum of this neuron is exactly 0 there, which counts as 1; move its bias a little."
    if found.min() == found.max():
        return f"the answer is {found[0]} for all inputs: compare the bias with the sums of the weights."
    if np.array_equal(1 - found, TABLES[name]):
        return f"this is NOT {name}, all answers are the wrong way round: what if all signs change?"
    other = [gate for gate, table in TABLES.items() if np.array_equal(found, table)]
    return f"this is the table of {other[0]}." if other else ""


# 5. Parity ----------------------------------------------------------------------------------------


@exercise()
def parity_weights():
    """Return ``W1`` (J, 3), ``b1``, ``w2`` and ``b2`` of two layers of thresholds: parity of three."""
    return np.ones((3, 3)), np.array([-0.5, -1.5, -2.5]), np.array([1.0, -1.0, 1.0]), -0.5


@parity_weights.property
def four_parts(attempt):
    parts = attempt()
    expect.true(parts is not None, "parity_weights() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(parts, (tuple, list)) and len(parts) == 4,
        f"parity_weights(): expected the four things W1, b1, w2, b2, found {expect.brief(parts)}.",
        "keep the docstring in mind: four things, in this order.",
    )
    for name, part in zip(("W1", "b1", "w2", "b2"), parts, strict=True):
        if name != "b2":
            expect.array(part, name)
    W1, b1, w2, b2 = map(np.shape, parts)
    expect.true(
        len(W1) == 2 and W1[1] == 3,
        f"W1: expected shape (J, 3), found {W1}.",
        "one row for each hidden neuron, one column for each input.",
    )
    expect.true(
        b1 == w2 == W1[:1] and b2 == (),
        f"W1 has {W1[0]} rows; expected b1 and w2 of shape {W1[:1]} and one number b2, "
        f"found {b1}, {w2} and {b2}.",
        "each hidden neuron has one bias in b1 and one weight in w2.",
    )


@parity_weights.property
def computes_parity(attempt):
    W1, b1, w2, b2 = attempt()
    h = (CUBE @ W1.T + b1 >= 0).astype(int)
    sums = h @ w2 + b2
    hint = ""
    if len(np.unique(h, axis=1).T) < 3:
        hint = "some hidden neurons say the same, or there are too few of them."
    elif W1.shape == (3, 3) and np.array_equal((CUBE @ W1 + b1 >= 0) @ w2 + b2 >= 0, TABLES["PARITY"]):
        hint = "W1 looks transposed: its rows are the hidden neurons."
    what = f"Two layers whose hidden neurons say {h.tolist()} at the eight corners"
    otherwise = "write down the table of each hidden neuron, then that of the last neuron."
    _expect_table(sums, "PARITY", what, hint, otherwise=otherwise)


# 6. The perceptron with a pocket ------------------------------------------------------------------


def _mistakes(w, b, X, y):
    return int(np.sum((X @ w + b >= 0) != y))


@exercise(
    cases=[
        (
            np.array([[1.0, 0.0], [-2.0, 2.0], [-1.0, 2.0], [-1.0, -2.0], [-2.0, 2.0]]),
            np.array([0, 0, 1, 1, 0]),
            4,
        ),
        (
            np.array([[3, -2, 3], [1, 1, -3], [-2, 3, -2], [-2, -3, -2], [2, 1, 2], [-3, 2, 2]]) / 2,
            np.array([1, 0, 1, 0, 0, 0]),
            5,
        ),
        *((np.array([[1.0], [3.0], [2.0]]), np.array([0, 1, 1]), n) for n in (2, 6)),  # best: zero, last
    ],
    mistakes={
        "the count is right, the weights are not those that were counted: do they change in the pocket?": (
            "w = w + error * x_i -> w += error * x_i"
        ),
        "the weights come from the pocket, the bias does not.": "return best -> return best[0], b, best[2]",
        "these are the weights of the last epoch, not the best ones.": "if count < best[2] -> if True",
        "exchange only if there are fewer mistakes, not also for as many.": "count < best -> count <= best",
        "the worst weights are kept.": "count < best -> count > best",
        "it learns away from the right answers: a sign.": "error = y_i - -> error = -y_i +",
        "the bias does not learn.": "b = b + error -> pass",
        "count after each epoch, not after each example.": (
            "b = b + error -> b = b + error; "
            "count = _mistakes(w, b, X, y); best = (w, b, count) if count < best[2] else best"
        ),
        "these are the mistakes met while the weights changed; count with the weights of the epoch's end.": [
            "for x_i -> count = 0\n        for x_i",
            "w = w + -> count += error != 0; w = w +",
            "        count = _mistakes(w, b, X, y)\n -> ",
        ],
        "start at zero.": "np.zeros -> np.ones",
        "the pocket is not empty at the start: could the zero weights be the best?": (
            "_mistakes(w, b, X, y)\n    for -> np.inf\n    for"
        ),
    },
)
def pocket(X, y, epochs):
    """Return the weights, the bias and the number of mistakes of the best epoch of a perceptron."""
    w, b = np.zeros(X.shape[1]), 0.0
    best = w, b, _mistakes(w, b, X, y)
    for _ in range(epochs):
        for x_i, y_i in zip(X, y, strict=True):
            error = y_i - float(w @ x_i + b >= 0)
            w = w + error * x_i
            b = b + error
        count = _mistakes(w, b, X, y)
        if count < best[2]:
            best = w, b, count
    return best


# 7. The gradient for labels -1 and 1 --------------------------------------------------------------

_SUMS = [" / len(t) -> ", "by_sum.mean() -> by_sum.sum()"]


@exercise(
    cases=[
        (
            np.array([1.0, -1.0]),
            1.0,
            np.array([[1.0, 2.0], [0.0, -1.0], [-2.0, 1.0], [2.0, 0.0]]),
            np.array([1, -1, -1, 1]),
        ),
        (np.array([0.0, 1.0, -0.5]), -0.5, np.arange(15.0).reshape(5, 3) / 7, np.array([1, 1, -1, -1, 1])),
        (np.array([0.5]), 0.25, np.array([[2.0]]), np.array([-1])),
    ],
    mistakes={
        "the sign is reversed: the gradient points to where the loss grows.": "by_sum = -t -> by_sum = t",
        "these are sums over the examples; the loss is their mean.": _SUMS,
        "the inner derivative of -t Σ is missing.": "by_sum = -t * p -> by_sum = p",
        "only the sign of the inner derivative is there; it contains t.": "by_sum = -t * p -> by_sum = -p",
        "the slope is taken at the wrong place: the loss is softplus of -t Σ.": "(-t * (X -> (t * (X",
        "the slope is taken at Σ itself: the loss is softplus of -t Σ.": "(-t * (X @ w + b)) -> (X @ w + b)",
        "where is the bias in the sum?": " + b) -> )",
        "this is softplus itself; its derivative is needed.": (
            "sigmoid.reference(-t * (X @ w + b)) -> softplus.reference(-t * (X @ w + b))[0]"
        ),
        "p (1 - p) is one derivative too many.": "-t * p -> -t * p * (1 - p)",
        "this is the formula for labels 0 and 1; what is the probability of class 1 compared with now?": (
            "by_sum = -t * p -> by_sum = sigmoid.reference(X @ w + b) - t"
        ),
        "the bias has its own derivative, a mean as well.": "by_sum.mean() -> by_sum.sum()",
        "grad_b should be one number: a mean is missing.": "by_sum.mean() -> by_sum",
        "in grad_w each derivative is multiplied by its input x.": "X.T @ by_sum / len(t) -> by_sum.mean()",
        "the two results have changed places.": "return grad_w, grad_b -> return grad_b, grad_w",
    },
)
def gradient(w, b, X, t):
    """Return the gradient of the mean of softplus(-t (⟨w, x⟩ + b)) with respect to ``w`` and ``b``."""
    p = sigmoid.reference(-t * (X @ w + b))
    by_sum = -t * p
    grad_w, grad_b = X.T @ by_sum / len(t), by_sum.mean()
    return grad_w, grad_b


# 8. Training --------------------------------------------------------------------------------------


def _loss(w, b, X, t):
    return np.mean(np.logaddexp(0, -t * (X @ w + b)))


@exercise(
    cases=[
        (np.array([[3.0, 4.0], [1.0, -1.0], [3.0, -1.0], [-2.0, -1.0]]), -np.ones(4), 3),
        (np.array([[0.5, 1.0], [0.25, -0.5], [-1.0, 0.25]]), np.array([1, -1, 1]), 5),
        (np.arange(15.0).reshape(5, 3) ** 2 / 9 - 1, np.array([1, -1, -1, 1, 1]), 12),
    ],
    mistakes={
        "the inequality is the wrong way round: halve while the loss falls too little.": "X, t) > -> X, t) <",
        "the rate never grows: double it in each step.": "rate = 2 * rate -> rate = rate",
        "each step begins with twice the last rate, not with 2 again.": "rate = 2 * rate -> rate = 2.0",
        "halve as long as it is necessary, not once.": "while -> if",
        "the loss must fall by at least half of what the gradient promises.": "- rate / 2 * square -> ",
        "half of what the gradient promises: one half is missing.": "rate / 2 * square -> rate * square",
        "the bias belongs to the gradient's length.": " + grad_b**2 -> ",
        "square the gradient's length.": "rate = 2 * rate -> rate = 2 * rate; square = square**0.5",
        "the bias does not learn.": "w, b = w - rate * grad_w, b - rate * grad_b -> w = w - rate * grad_w",
        "the weights do not learn.": "w, b = w - rate * grad_w, b - rate * grad_b -> b = b - rate * grad_b",
        "keep the rate with which the step was made.": [
            "        rates.append(rate)\n -> ",
            "rate = 2 * rate -> rate = 2 * rate; rates.append(rate)",
        ],
        "keep the loss before each step, not after it.": (
            "rates.append(rate) -> rates.append(rate); losses[-1] = _loss(w, b, X, t)"
        ),
        "start with all weights and the bias at 0.": "np.zeros -> np.ones",
        "start with the rate 1, which the first step doubles.": "0.0, 1.0 -> 0.0, 0.5",
        "X has as many columns as there are weights: two is only an example.": "X.shape[1] -> 2",
        "it stops after one step: does return stand inside the loop?": "range(steps) -> range(1)",
    },
)
def train(X, t, steps):
    """Descend from zero with backtracking; return ``w``, ``b``, the losses and the rates of all steps."""
    w, b, rate, losses, rates = np.zeros(X.shape[1]), 0.0, 1.0, [], []
    for _ in range(steps):
        losses.append(_loss(w, b, X, t))
        grad_w, grad_b = gradient.reference(w, b, X, t)
        square = grad_w @ grad_w + grad_b**2
        rate = 2 * rate
        while _loss(w - rate * grad_w, b - rate * grad_b, X, t) > losses[-1] - rate / 2 * square:
            rate = rate / 2
        w, b = w - rate * grad_w, b - rate * grad_b
        rates.append(rate)
    return w, b, losses, rates
