"""Checks of lab 01, one neuron. NumPy only."""

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
    "NOT XOR": np.array([1, 0, 0, 1]),
}


def identity(x):
    return x


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


@sigmoid.property
def far_from_zero(attempt):
    hint = "e^800 is too large for a float; make sure that np.exp only sees numbers that are not positive."
    try:
        with np.errstate(over="raise", invalid="raise"):
            found = attempt(np.array([-800.0, 800.0]))
    except FloatingPointError as error:
        raise expect.WrongError(f"sigmoid([-800, 800]) meets an {str(error).split(' ')[0]}.", hint) from None
    expect.close(found, np.array([0.0, 1.0]), "sigmoid([-800, 800])", hint)


# 2. The hard threshold ----------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([-1.0, 0.0, 1.0, 3.0]), 1.0),
        (np.array([-3.0, -2.0, -1.0, 4.0]), -2.0),
        (np.array([0.3, 2.4, 2.5, 2.6, 7.0]), 2.5),
        (np.array([[0, 1, 2], [3, 1, -1]]), 1),
    ],
    mistakes={
        "beta is not used: where does the jump lie?": ">= beta -> >= 0",
        "0 and 1 have changed places.": ">= -> <",
        "the output below the jump is 0, not -1.": "0.0 -> -1.0",
        "the output above the jump is always 1, it does not grow with x.": "1.0 -> x - beta",
        "the output above the jump is 1, not x itself.": "1.0 -> x",
        "what is the output when x is exactly beta?": ">= -> >",
        "everything is 0: was the 1 that you wrote compared with beta, too?": "1.0 -> float(1.0 >= beta)",
        "x and beta need not be integers: is one of them rounded?": "x >= beta -> x >= int(beta)",
    },
)
def threshold(x, beta):
    """Return 1 where ``x`` is at least ``beta``, 0 elsewhere."""
    return np.where(x >= beta, 1.0, 0.0)


@threshold.property
def gives_numbers(attempt):
    found = expect.as_array(attempt(np.array([0.0, 2.0]), 1.0))
    expect.true(
        found.dtype != bool,
        "threshold([0, 2], 1): expected the numbers 0 and 1, found False and True.",
        "convert the comparison to numbers, for example with astype.",
    )


# 3. The derivative of tanh ------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([-1.0, 0.0, 2.0]),),
        (np.array([[0.2, 1.5], [-3.0, 0.5]]),),
        (np.array([-1, 0, 2]),),
    ],
    mistakes={
        "this is tanh itself, not its derivative.": np.tanh,
        "is tanh squared in your formula?": " ** 2 -> ",
        "this is the rule of the sigmoid, with tanh put in.": (
            "1 - np.tanh(x) ** 2 -> np.tanh(x) * (1 - np.tanh(x))"
        ),
        "a sign: does tanh rise faster or slower when it is far from 0?": "1 - -> 1 +",
        "the argument x is squared where tanh(x) should be.": "np.tanh(x) ** 2 -> np.tanh(x**2)",
        "this is 1 / cosh; a square is missing.": "1 - np.tanh(x) ** 2 -> 1 / np.cosh(x)",
        "this is the derivative of the sigmoid.": "1 - np.tanh(x) ** 2 -> np.exp(-x) / (1 + np.exp(-x)) ** 2",
    },
)
def tanh_slope(x):
    """Return the derivative of tanh at each element of ``x``."""
    return 1 - np.tanh(x) ** 2


@tanh_slope.property
def far_from_zero_too(attempt):
    hint = "e^800 is too large for a float; np.tanh knows how to avoid it."
    expect.close(attempt(np.array([-800.0, 800.0])), np.zeros(2), "tanh_slope([-800, 800])", hint)


# 4. A neuron on a batch ---------------------------------------------------------------------------

SQUARE = np.array([[1.0, -2.0], [3.0, 2.0]])  # here w @ X works too, and is wrong


@exercise(
    cases=[
        (SQUARE, np.array([2.0, -1.0]), 1.0, identity),
        (np.array([[1.0, 2.0], [0.0, -1.0], [-2.0, 0.5]]), np.array([0.5, -1.0]), 0.25, np.tanh),
        (SQUARE, np.array([1.0, 2.0]), -0.5, np.abs),
        (np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0.1, -0.2, 0.3, 0.1]), 1.0, np.tanh),
        (np.array([[1, 2, 0], [0, -1, 3]]), np.array([0.5, -1.0, 0.2]), 0.25, identity),
    ],
    mistakes={
        "where is the bias?": " + b -> ",
        "the bias goes into the sum, before phi.": "phi(X @ w + b) -> phi(X @ w) + b",
        "look at the sign of the bias.": "+ b -> - b",
        "where is the activation phi?": "phi(X @ w + b) -> X @ w + b",
        "phi is applied to the inputs, before the sum.": "phi(X @ w + b) -> phi(X) @ w + b",
        "in w @ X the weights multiply the rows of X; they belong to its columns.": "X @ w -> w @ X",
        "the products are not summed over the inputs.": "X @ w -> X * w",
        "the sum runs over the examples; it should run over the inputs of each.": (
            "X @ w -> np.sum(X * w, axis=0)"
        ),
        "everything is summed to one number; there is one output for each row of X.": (
            "X @ w -> np.sum(X * w)"
        ),
        "the bias is added once for each input; there is one bias.": "X @ w + b -> np.sum(X * w + b, axis=1)",
        "the outputs should be a vector of shape (n,), not a matrix.": "X @ w + b -> (X @ w + b)[:, None]",
    },
)
def neuron(X, w, b, phi):
    """Return phi(⟨w, x⟩ + b) for each row x of ``X``: (n, d) → (n,)."""
    return phi(X @ w + b)


# 5. Logic gates -----------------------------------------------------------------------------------


@exercise()
def gates():
    """Return the weights and the bias of a threshold neuron for AND, OR and NAND."""
    w = np.array([1.0, 1.0])
    return {"AND": (w, -1.5), "OR": (w, -0.5), "NAND": (-w, 1.5)}


@gates.property
def three_gates(attempt):
    found, names = attempt(), {"AND", "OR", "NAND"}
    expect.true(found is not None, "gates() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, dict),
        f"gates(): expected a dictionary, found {expect.brief(found)}.",
        "between curly braces: the name of a gate, a colon, its pair (w, b), and so on.",
    )
    expect.true(
        set(found) == names,
        f"gates(): expected the keys 'AND', 'OR' and 'NAND', found {', '.join(map(repr, found))}.",
        "keep the names of the gates in capital letters."
        if any(str(name) != str(name).upper() for name in found)
        else "one entry for each of the three gates, and no other.",
    )


@gates.property
def truth_tables(attempt):
    for name, pair in attempt().items():
        what = f"gates()[{name!r}]"
        w, b = _weights_and_bias(pair, what)
        hint = "write down the four sums and mark where they should be negative."
        _expect_table(CORNERS @ w + b, name, what, otherwise=hint)


def _weights_and_bias(pair, what):
    hint = "give a pair: an array of two weights, then the bias."
    expect.true(isinstance(pair, (tuple, list)) and len(pair) == 2, f"{what} is not a pair (w, b).", hint)
    for part, name, shape in zip(
        pair, ("weights of shape (2,)", "one number as bias"), ((2,), ()), strict=True
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
        inputs = tuple(CORNERS[wrong].astype(int).tolist())
        problem = f"{what}: for the inputs {inputs} expected {table[wrong]}, found {found[wrong]}."
        raise expect.WrongError(problem, hint or _table_hint(sums, found, name) or otherwise)


def _table_hint(sums, found, name):
    if np.any(sums[found != TABLES[name]] == 0):
        return "the sum of this neuron is exactly 0 there, which counts as 1; move its bias a little."
    if found.min() == found.max():
        return f"the answer is {found[0]} for all four inputs: compare the bias with the sums of the weights."
    if np.array_equal(1 - found, TABLES[name]):
        return f"this is NOT {name}, all four answers are the wrong way round: what if all signs change?"
    other = [gate for gate, table in TABLES.items() if np.array_equal(found, table)]
    return f"this is the table of {other[0]}." if other else ""


# 6. The gradient of the cross-entropy -------------------------------------------------------------

_SUMS = [" / len(y) -> ", "error.mean() -> error.sum()"]


@exercise(
    cases=[
        (
            np.array([1.0, -1.0]),
            1.0,
            np.array([[1.0, 2.0], [0.0, -1.0], [-2.0, 1.0], [2.0, 0.0]]),
            np.array([1, 0, 0, 1]),
        ),
        (np.array([0.0, 1.0, -0.5]), -0.5, np.arange(15.0).reshape(5, 3) / 7, np.array([1, 1, 0, 0, 1])),
    ],
    mistakes={
        "the sign is reversed: the gradient points to where the loss grows.": "p - y -> y - p",
        "these are sums over the examples; the loss is their mean.": _SUMS,
        "the sign is reversed, and these are sums over the examples; the loss is their mean.": [
            "p - y -> y - p",
            *_SUMS,
        ],
        "the factor p (1 - p) cancels with the derivative of the logarithm.": (
            "p - y -> (p - y) * p * (1 - p)"
        ),
        "this is the gradient of the squared error; here the loss is the cross-entropy.": (
            "p - y -> 2 * (p - y) * p * (1 - p)"
        ),
        "the derivative of the logarithm is there, the one of the sigmoid is not.": (
            "p - y -> (p - y) / (p * (1 - p))"
        ),
        "p is the output of the neuron, after the sigmoid.": "sigmoid.reference(X @ w + b) -> X @ w + b",
        "the bias has its own derivative: it is not a sum over the examples, nor does it contain x.": (
            "error.mean() -> error.sum()"
        ),
        "grad_b should be one number: the mean of the errors is missing.": "error.mean() -> error",
        "grad_w has one number for each weight: each error is multiplied by its input x.": (
            "X.T @ error / len(y) -> error.mean()"
        ),
        "the two results have changed places.": "return grad_w, grad_b -> return grad_b, grad_w",
    },
)
def gradient(w, b, X, y):
    """Return the gradient of the mean cross-entropy with respect to ``w`` and ``b``."""
    p = sigmoid.reference(X @ w + b)
    error = p - y
    grad_w, grad_b = X.T @ error / len(y), error.mean()
    return grad_w, grad_b


# 7. Training --------------------------------------------------------------------------------------


def _loss(w, b, X, y):
    sums = X @ w + b
    return np.mean(np.logaddexp(0, sums) - y * sums)


@exercise(
    cases=[
        (np.array([[1.0, 2.0], [0.0, -1.0], [-2.0, 1.0]]), np.array([1, 0, 1]), 2.0, 2),
        (np.array([[1.0, 2.0], [0.5, -1.0], [-2.0, 0.5], [1.5, 0.5]]), np.array([1, 0, 0, 1]), 0.5, 20),
        (np.arange(15.0).reshape(5, 3) ** 2 / 99 - 1, np.array([1, 0, 0, 1, 1]), 0.3, 1200),
    ],
    mistakes={
        "the loss grows: which way does the gradient point?": "- rate * -> + rate *",
        "the learning rate is not used.": "rate * -> 1.0 *",
        "the bias does not learn.": "b - rate * grad_b -> b",
        "the weights do not learn.": "w - rate * grad_w -> w",
        "keep the loss before each step, not after it.": [
            "losses.append(_loss(w, b, X, y)) -> pass",
            "rate * grad_b -> rate * grad_b; losses.append(_loss(w, b, X, y))",
        ],
        "the loss is also kept once more after the last step; give one value for each epoch.": (
            "return w, b, losses -> return w, b, [*losses, _loss(w, b, X, y)]"
        ),
        "only the last loss comes back; a list with one value for each epoch is wanted.": (
            "return w, b, losses -> return w, b, losses[-1]"
        ),
        "it stops after one step: does return stand inside the loop?": "range(epochs) -> range(1)",
        "w and b change at the same time: compute both gradients before the first of them moves.": (
            "w, b = w - rate * grad_w, b - rate * grad_b -> "
            "w = w - rate * grad_w; b = b - rate * gradient.reference(w, b, X, y)[1]"
        ),
        "the weights are replaced by the step, not changed by it.": [
            "w - rate -> -rate",
            "b - rate -> -rate",
        ],
        "start with all weights and the bias at 0.": "np.zeros -> np.ones",
        "X has as many columns as there are weights: two is only an example.": "X.shape[1] -> 2",
    },
)
def train(X, y, rate, epochs):
    """Train a sigmoid neuron by gradient descent; return ``w``, ``b`` and the loss of each epoch."""
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(_loss(w, b, X, y))
        grad_w, grad_b = gradient.reference(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
    return w, b, losses


# 8. XOR -------------------------------------------------------------------------------------------


@exercise()
def xor_weights():
    """Return ``W1`` (m, 2), ``b1`` (m,), ``w2`` (m,), ``b2`` of two layers of thresholds that compute XOR."""
    return np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([-0.5, 1.5]), np.array([1.0, 1.0]), -1.5


@xor_weights.property
def four_parts(attempt):
    parts = attempt()
    expect.true(parts is not None, "xor_weights() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(parts, (tuple, list)) and len(parts) == 4,
        f"xor_weights(): expected the four things W1, b1, w2, b2, found {expect.brief(parts)}.",
        "keep the last line of the docstring in mind: four things, in this order.",
    )
    for name, part in zip(("W1", "b1", "w2", "b2"), parts, strict=True):
        if name != "b2":
            expect.array(part, name)
        expect.true(
            expect.as_array(part).dtype.kind in "if", f"{name}: expected numbers, found {expect.brief(part)}."
        )
    W1, b1, w2, b2 = map(np.shape, parts)
    expect.true(
        len(W1) == 2 and W1[1] == 2,
        f"W1: expected shape (m, 2), found {W1}.",
        "one row for each hidden neuron, one column for each input.",
    )
    expect.true(
        b1 == w2 == W1[:1] and b2 == (),
        f"W1 has {W1[0]} rows; expected b1 and w2 of shape {W1[:1]} and one number b2, "
        f"found {b1}, {w2} and {b2}.",
        "each hidden neuron has one bias in b1 and one weight in w2.",
    )


@xor_weights.property
def computes_xor(attempt):
    W1, b1, w2, b2 = attempt()
    h, sums = _two_layers(W1, b1, w2, b2)
    hint = ""
    if len(b1) == 1:
        hint = "one hidden neuron is not enough: it cuts the square only once."
    elif W1.shape == (2, 2) and np.array_equal(_two_layers(W1.T, b1, w2, b2)[1] >= 0, TABLES["XOR"]):
        hint = "W1 looks transposed: its rows are the hidden neurons."
    elif np.all(h == h[:, :1]):
        hint = "all hidden neurons give the same answers, so they are worth only one."
    what = f"Two layers whose hidden neurons say {h.tolist()} at the four corners"
    otherwise = "write down the table of each hidden neuron, then that of the last neuron."
    _expect_table(sums, "XOR", what, hint, otherwise=otherwise)


def _two_layers(W1, b1, w2, b2):
    """Return the outputs of the hidden neurons (4, m) and the last neuron's sums (4,) at the corners."""
    h = (CORNERS @ W1.T + b1 >= 0).astype(int)
    return h, h @ w2 + b2
