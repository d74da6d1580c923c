"""Lab 01: what students answer."""

import math

import numpy as np

from nnlabs.checks import neurons
from tests.checks.harness import Answers, make_tests

# -- sigmoid, threshold


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_by_mask(x):
    x = np.asarray(x, dtype=float)
    result = np.empty_like(x)
    positive = x >= 0
    result[positive] = 1 / (1 + np.exp(-x[positive]))
    result[~positive] = np.exp(x[~positive]) / (1 + np.exp(x[~positive]))
    return result


def sigmoid_without_warning(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def threshold_by_loop(x, beta):
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        result[index] = 1 if x[index] >= beta else 0
    return result


def threshold_twice(x, beta):
    y = x.copy()
    y[y >= beta] = 1
    y[y < beta] = 0
    return y


# -- neuron, gates


def neuron_by_loop(X, w, b, phi):
    return np.array([phi(b + sum(w[i] * row[i] for i in range(len(w)))) for row in X])


def gates_like(**changed):
    two = np.array([2, 2])
    return lambda: {"AND": (two, -3), "OR": (two, -1), "NAND": (-two, 3), **changed}


# -- gradient


def gradient(w, b, X, y):
    errors = sigmoid(X @ w + b) - y
    return X.T @ errors / len(y), errors.mean()


def gradient_by_loop(w, b, X, y):
    grad_w, grad_b = np.zeros(len(w)), 0.0
    for x_i, y_i in zip(X, y, strict=True):
        p = 1 / (1 + math.exp(-(w @ x_i + b)))
        grad_w += (p - y_i) * x_i
        grad_b += p - y_i
    return [grad_w / len(X), grad_b / len(X)]


# -- train


def loss(w, b, X, y):
    p = sigmoid(X @ w + b)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def train_right(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
    return w, b, losses


def train_in_place(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), np.zeros(()), np.zeros(epochs)
    epoch = 0
    while epoch < epochs:
        losses[epoch] = loss(w, b, X, y)
        change = gradient(w, b, X, y)
        w -= rate * change[0]
        b -= rate * change[1]
        epoch += 1
    return [w, b, losses]


def train_by_recursion(X, y, rate, epochs):
    if epochs == 0:
        return np.zeros(X.shape[1]), 0.0, []
    w, b, losses = train_by_recursion(X, y, rate, epochs - 1)
    grad_w, grad_b = gradient(w, b, X, y)
    return w - rate * grad_w, b - rate * grad_b, [*losses, loss(w, b, X, y)]


def train_forever(X, y, rate, epochs):
    epoch = 0
    while epoch < epochs:
        pass


# -- xor

OR_NAND, OR_NAND_BIASES = np.array([[1, 1], [-1, -1]]), np.array([-0.5, 1.5])


def xor_like(W1=OR_NAND, b1=OR_NAND_BIASES, w2=OR_NAND[0], b2=-1.5):
    return lambda: (W1, b1, w2, b2)


ANSWERS = {
    "sigmoid": Answers(
        wrong=[
            (lambda x: 1 / (1 + np.exp(-x)), "meets an overflow. Hint: e^800"),
            (lambda x: np.exp(x) / (1 + np.exp(x)), "only sees numbers"),
            (
                lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
                "only sees numbers",
            ),
            (lambda x: 1 / (1 + math.exp(-x)), "It stops at line"),
            (lambda x: np.where(abs(x) > 10, x > 10, sigmoid(x)), "Is something rounded"),
            (lambda x: sigmoid(x).astype(x.dtype), "made of integers"),
        ],
        right=[
            sigmoid,
            sigmoid_by_mask,
            sigmoid_without_warning,
            lambda x: 0.5 * (1 + np.tanh(x / 2)),
            lambda x: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
        ],
    ),
    "threshold": Answers(
        wrong=[
            (lambda x, beta: (x <= beta - 1e-9).astype(float), "changed places"),
            (lambda x, beta: x >= beta, "astype"),
            (lambda x, beta: 1.0 if x >= beta else 0.0, "truth value"),
            (lambda x, beta: (np.floor(x) >= beta) * 1.0, "at index 2 expected 1, found 0"),
            (lambda x, beta: (x > beta - 0.5) * 1.0, "at index 1 expected 0, found 1"),
            (threshold_twice, "compared with beta, too"),
            (lambda x: (x >= 0).astype(float), "keep the first line"),
        ],
        right=[
            lambda x, beta: (x >= beta).astype(float),
            lambda x, beta: np.heaviside(x - beta, 1.0),
            lambda x, beta=0: (x >= beta) * 1,
            threshold_by_loop,
        ],
    ),
    "tanh_slope": Answers(
        wrong=[
            (lambda x: 2 / (np.exp(x) + np.exp(-x)), "square is missing"),
            (lambda x: np.tanh(x) ** 2 - 1, "sign is reversed"),
            (lambda x: np.exp(2 * x) * 4 / (np.exp(2 * x) + 1) ** 2, "too large for a float"),
        ],
        right=[
            lambda x: 1 - np.tanh(np.float32(x)) ** 2,
            lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x)),
            lambda x: 4 * sigmoid(2 * x) * (1 - sigmoid(2 * x)),
            lambda x: 1 / np.cosh(x) ** 2,
        ],
    ),
    "neuron": Answers(
        wrong=[
            (lambda X, w, b, phi: phi(X.T @ w + b), "multiply the rows"),
            (lambda X, w, b, phi: phi(X @ w.reshape(-1, 1) + b), "not a matrix"),
            (lambda X, w, b, phi: phi(X @ w + b).tolist(), "makes an array of a list"),
            (lambda X, w, b, phi: phi(X @ w + b).astype(X.dtype), "made of integers"),
        ],
        right=[
            lambda X, w, b, phi: phi(np.dot(X, w) + b),
            lambda X, w, b, phi: phi(w @ X.T + b),
            lambda X, w, b, phi: phi(np.sum(X * w, axis=1) + b),
            neuron_by_loop,
        ],
    ),
    "gates": Answers(
        wrong=[
            (gates_like(AND=(np.array([1, 1]), -1)), "exactly 0"),
            (gates_like(AND=(np.array([1, 1]), -0.5)), "table of OR"),
            (gates_like(NAND=(np.array([1, 1]), -1.5)), "wrong way round"),
            (gates_like(OR=(np.array([1, 1]), 0.5)), "for all four inputs"),
            (gates_like(OR=(np.array([1, 0]), -0.5)), "four sums"),
            (gates_like(AND=(1, 1, -1.5)), "give a pair"),
            (gates_like(AND=(np.array([1, 1, -1.5]), 0)), "shape (2,)"),
            (gates_like(AND=(np.array([1, 1]), np.array([-1.5]))), "one number as bias"),
            (gates_like(NOR=(np.array([-1, -1]), 0.5)), "and no other"),
            (lambda: {"AND": (np.array([1, 1]), -1.5), "OR": (np.array([1, 1]), -0.5)}, "one entry for each"),
            (lambda: {"and": (np.array([1, 1]), -1.5)}, "capital letters"),
            (lambda: [(np.array([1, 1]), -1.5)] * 3, "between curly braces"),
            (lambda: None, "return statement"),
        ],
        right=[
            gates_like(),
            lambda: {"AND": ([1, 1], -2), "OR": ([1.0, 1.0], -1.0), "NAND": ([-1, -1], 1)},
            gates_like(AND=(np.array([3.0, 2.0]), -4.5), NAND=(np.array([-0.1, -0.2]), 0.25)),
        ],
    ),
    "gradient": Answers(
        wrong=[
            (
                lambda w, b, X, y: (X.T @ (X @ w + b - y) / len(y), np.mean(X @ w + b - y)),
                "after the sigmoid",
            ),
            (lambda w, b, X, y: (gradient(w, b, X, y)[0], np.sum(sigmoid(X @ w + b) - y)), "own derivative"),
            (lambda w, b, X, y: gradient(w, b, X, y)[0], "a tuple is wanted"),
        ],
        right=[gradient, gradient_by_loop],
    ),
    "train": Answers(
        wrong=[
            (lambda X, y, rate, epochs: train_right(X, y, -rate, epochs), "the loss grows"),
            (lambda X, y, rate, epochs: train_right(X, y, rate, epochs)[:2], "how many things"),
            (lambda X, y, rate, epochs: None, "return statement"),
            (
                lambda *given: (train_right(*given)[0].tolist(), *train_right(*given)[1:]),
                "makes an array of a list",
            ),
            (train_by_recursion, "RecursionError"),
        ],
        right=[train_right, train_in_place],
    ),
    "xor_weights": Answers(
        wrong=[
            (
                xor_like(np.array([[1, 1]]), np.array([-0.5]), np.array([1]), -0.5),
                "cuts the square only once",
            ),
            (xor_like(np.array([[1, 1], [1, 1]]), np.array([-0.5, -0.5])), "worth only one"),
            (xor_like(OR_NAND.T), "transposed"),
            (xor_like(w2=np.array([-1, -1]), b2=1.5), "NOT XOR"),
            (xor_like(b2=-0.5), "for all four inputs"),
            (xor_like(b2=-1), "move its bias a little"),
            (xor_like(np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), np.array([1, -1]), 0), "exactly 0"),
            (xor_like(np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), b2=-0.5), "the table of OR"),
            (xor_like(np.eye(2), np.array([-0.5, -0.5]), np.array([1, -1]), -0.5), "of each hidden neuron"),
            (xor_like(w2=np.array([[1, 1]])), "one weight in w2"),
            (xor_like(np.array([1, 1]), np.array([-0.5]), np.array([1])), "one row for each"),
            (lambda: (OR_NAND, OR_NAND_BIASES, -1.5), "four things"),
            (xor_like([[1, 1], [-1, -1]], [-0.5, 1.5], [1, 1]), "makes an array of a list"),
            (lambda: None, "return statement"),
        ],
        right=[
            xor_like(),
            xor_like(np.array([[1, -1], [-1, 1]]), -np.ones(2) / 2, np.ones(2), -0.5),
            xor_like(np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), np.array([1, -2]), np.float32(-0.5)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(neurons, ANSWERS)


def test_an_endless_training_is_stopped(monkeypatch):
    monkeypatch.setattr(neurons.train, "seconds", 0.3)
    assert "never becomes false" in neurons.train.diagnose(train_forever)
