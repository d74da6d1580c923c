"""Lab 01: what students answer."""

import math

import numpy as np

from nnlabs.checks import neurons
from tests.checks.harness import Answers, make_tests


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def loss(w, b, X, y):
    p = sigmoid(X @ w + b)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def gradient(w, b, X, y):
    errors = sigmoid(X @ w + b) - y
    return X.T @ errors / len(y), errors.mean()


# -- sigmoid


def sigmoid_by_mask(x):
    x = np.asarray(x, dtype=float)
    result = np.empty_like(x)
    positive = x >= 0
    result[positive] = 1 / (1 + np.exp(-x[positive]))
    result[~positive] = np.exp(x[~positive]) / (1 + np.exp(x[~positive]))
    return result


def sigmoid_without_return(x):
    1 / (1 + np.exp(-x))


# -- threshold


def threshold_by_loop(x, beta):
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        if x[index] >= beta:
            result[index] = 1
    return result


def threshold_in_place(x, beta):
    low = x < beta
    x[low], x[~low] = 0, 1
    return x


# -- neuron


def neuron_by_loop(X, w, b, phi):
    outputs = []
    for row in X:
        total = b
        for i in range(len(w)):
            total += w[i] * row[i]
        outputs.append(phi(total))
    return np.array(outputs)


# -- gates


def gates_like(**changed):
    right = {
        "AND": (np.array([2, 2]), -3),
        "OR": (np.array([2, 2]), -1),
        "NAND": (np.array([-2, -2]), 3),
    }
    return lambda: {**right, **changed}


# -- gradient


def gradient_by_loop(w, b, X, y):
    grad_w, grad_b = np.zeros(len(w)), 0.0
    for x_i, y_i in zip(X, y, strict=True):
        p = 1 / (1 + math.exp(-(w @ x_i + b)))
        grad_w += (p - y_i) * x_i
        grad_b += p - y_i
    return grad_w / len(X), grad_b / len(X)


def gradient_by_mean(w, b, X, y):
    errors = (sigmoid(X @ w + b) - y)[:, None]
    return [np.mean(errors * X, axis=0), float(np.mean(errors))]


def gradient_with(error, mean=True):
    def attempt(w, b, X, y):
        errors = error(sigmoid(X @ w + b), y)
        n = len(y) if mean else 1
        return X.T @ errors / n, errors.sum() / n

    return attempt


# -- train


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


def train_upwards(X, y, rate, epochs):
    return train_right(X, y, -rate, epochs)


def train_without_rate(X, y, rate, epochs):
    return train_right(X, y, 1.0, epochs)


def train_weights_only(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        w = w - rate * gradient(w, b, X, y)[0]
    return w, b, losses


def train_loss_after(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
        losses.append(loss(w, b, X, y))
    return w, b, losses


def train_return_in_loop(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
        return w, b, losses


def train_gradient_twice(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        w = w - rate * gradient(w, b, X, y)[0]
        b = b - rate * gradient(w, b, X, y)[1]
    return w, b, losses


def train_last_loss(X, y, rate, epochs):
    w, b, losses = train_right(X, y, rate, epochs)
    return w, b, losses[-1]


def train_one_loss_more(X, y, rate, epochs):
    w, b, losses = train_right(X, y, rate, epochs)
    return w, b, [*losses, loss(w, b, X, y)]


def train_from_ones(X, y, rate, epochs):
    w, b, losses = np.ones(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
    return w, b, losses


def train_replaces(X, y, rate, epochs):
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = -rate * grad_w, -rate * grad_b
    return w, b, losses


def train_without_losses(X, y, rate, epochs):
    return train_right(X, y, rate, epochs)[:2]


def train_forever(X, y, rate, epochs):
    epoch = 0
    while epoch < epochs:
        pass


# -- xor

OR_NAND = np.array([[1, 1], [-1, -1]])


ANSWERS = {
    "sigmoid": Answers(
        wrong=[
            (lambda x: 1 / (1 + np.exp(x)), "sign of x"),
            (np.tanh, "this is tanh"),
            (lambda x: 1 / np.exp(-x), "what is added"),
            (lambda x: sigmoid(x) * (1 - sigmoid(x)), "derivative"),
            (lambda x: 1 + np.exp(-x), "right part of the fraction"),
            (lambda x: 1 / (1 + np.exp(-np.abs(x))), "which sign of x"),
            (lambda x: 1 / (1 + np.exp(-x)), "meets an overflow. Hint: e^800"),
            (lambda x: np.exp(x) / (1 + np.exp(x)), "only sees numbers"),
            (lambda x: 1 / (1 + math.exp(-x)), "It stops at line"),
            (sigmoid_without_return, "return statement"),
            (lambda x: sigmoid(x).tolist(), "makes an array of a list"),
        ],
        right=[
            sigmoid,
            sigmoid_by_mask,
            lambda x: 0.5 * (1 + np.tanh(x / 2)),
            lambda x: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
        ],
    ),
    "threshold": Answers(
        wrong=[
            (lambda x, beta: (x > beta).astype(float), "exactly beta"),
            (lambda x, beta: (x >= 0).astype(float), "beta is not used"),
            (lambda x, beta: (x <= beta - 1e-9).astype(float), "changed places"),
            (lambda x, beta: np.where(x >= beta, 1, -1), "not -1"),
            (lambda x, beta: np.maximum(0, x - beta), "does not grow"),
            (lambda x, beta: np.where(x >= beta, x, 0), "not x itself"),
            (lambda x, beta: x >= beta, "astype"),
            (lambda x, beta: 1.0 if x >= beta else 0.0, "truth value"),
            (threshold_in_place, "changes its argument"),
            (lambda x: (x >= 0).astype(float), "keep the first line"),
        ],
        right=[
            lambda x, beta: np.where(x >= beta, 1.0, 0.0),
            lambda x, beta: np.heaviside(x - beta, 1.0),
            lambda x, beta=0: (x >= beta) * 1,
            threshold_by_loop,
        ],
    ),
    "tanh_slope": Answers(
        wrong=[
            (np.tanh, "tanh itself"),
            (lambda x: 1 - np.tanh(x), "squared in your formula"),
            (lambda x: np.tanh(x) * (1 - np.tanh(x)), "rule of the sigmoid"),
            (lambda x: 1 + np.tanh(x) ** 2, "a sign"),
            (lambda x: 1 - np.tanh(x**2), "argument x is squared"),
            (lambda x: 1 / np.cosh(x), "square is missing"),
            (lambda x: sigmoid(x) * (1 - sigmoid(x)), "derivative of the sigmoid"),
            (
                lambda x: 1 - ((np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))) ** 2,
                "too large for a float",
            ),
            (lambda x: np.tanh(x) ** 2 - 1, "sign is reversed"),
        ],
        right=[
            lambda x: 1 - np.tanh(x) ** 2,
            lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x)),
            lambda x: 4 * sigmoid(2 * x) * (1 - sigmoid(2 * x)),
        ],
    ),
    "neuron": Answers(
        wrong=[
            (lambda X, w, b, phi: phi(X @ w), "where is the bias"),
            (lambda X, w, b, phi: phi(X @ w) + b, "before phi"),
            (lambda X, w, b, phi: phi(X @ w - b), "sign of the bias"),
            (lambda X, w, b, phi: X @ w + b, "where is the activation"),
            (lambda X, w, b, phi: phi(X) @ w + b, "applied to the inputs"),
            (lambda X, w, b, phi: phi(X * w + b), "not summed over the inputs"),
            (lambda X, w, b, phi: phi(np.sum(X * w, axis=0) + b), "runs over the examples"),
            (lambda X, w, b, phi: phi(np.sum(X * w) + b), "summed to one number"),
            (lambda X, w, b, phi: phi(np.sum(X * w + b, axis=1)), "once for each input"),
            (lambda X, w, b, phi: phi(X @ w.reshape(-1, 1) + b), "not a matrix"),
            (lambda X, w, b, phi: phi(w @ X + b), "multiply the rows"),
            (lambda X, w, b, phi: phi(X.T @ w + b), "multiply the rows"),
            (lambda X, w, b, phi: phi(X @ w + b).tolist(), "makes an array of a list"),
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
            (lambda: {"and": (np.array([1, 1]), -1.5)}, "capital letters"),
            (lambda: None, "return statement"),
        ],
        right=[
            gates_like(),
            lambda: {"AND": ([1, 1], -2), "OR": ([1.0, 1.0], -1.0), "NAND": ([-1, -1], 1)},
            lambda: {
                "AND": (np.array([3.0, 2.0]), -4.5),
                "OR": (np.array([10.0, 7.0]), -3.0),
                "NAND": (np.array([-0.1, -0.2]), 0.25),
            },
        ],
    ),
    "gradient": Answers(
        wrong=[
            (gradient_with(lambda p, y: y - p), "sign is reversed"),
            (gradient_with(lambda p, y: y - p, mean=False), "reversed, and these are sums"),
            (gradient_with(lambda p, y: p - y, mean=False), "the loss is their mean"),
            (gradient_with(lambda p, y: (p - y) * p * (1 - p)), "cancels"),
            (gradient_with(lambda p, y: 2 * (p - y) * p * (1 - p)), "squared error"),
            (gradient_with(lambda p, y: (p - y) / (p * (1 - p))), "the one of the sigmoid is not"),
            (
                lambda w, b, X, y: (X.T @ (X @ w + b - y) / len(y), np.mean(X @ w + b - y)),
                "after the sigmoid",
            ),
            (lambda w, b, X, y: (gradient(w, b, X, y)[0], sigmoid(X @ w + b) - y), "one number"),
            (lambda w, b, X, y: (gradient(w, b, X, y)[1],) * 2, "multiplied by its input"),
            (lambda w, b, X, y: (gradient(w, b, X, y)[0], np.sum(sigmoid(X @ w + b) - y)), "own derivative"),
            (lambda w, b, X, y: gradient(w, b, X, y)[::-1], "changed places"),
            (lambda w, b, X, y: gradient(w, b, X, y)[0], "how many things"),
        ],
        right=[gradient, gradient_by_loop, gradient_by_mean],
    ),
    "train": Answers(
        wrong=[
            (train_upwards, "the loss grows"),
            (train_without_rate, "rate is not used"),
            (train_weights_only, "bias does not learn"),
            (train_loss_after, "before each step"),
            (train_return_in_loop, "inside the loop"),
            (train_gradient_twice, "at the same time"),
            (train_last_loss, "only the last loss"),
            (train_one_loss_more, "one value for each epoch"),
            (train_from_ones, "weights and the bias at 0"),
            (train_replaces, "replaced by the step"),
            (train_without_losses, "how many things"),
            (lambda X, y, rate, epochs: None, "return statement"),
        ],
        right=[train_right, train_in_place],
    ),
    "xor_weights": Answers(
        wrong=[
            (
                lambda: (np.array([[1, 1]]), np.array([-0.5]), np.array([1]), -0.5),
                "cuts the square only once",
            ),
            (
                lambda: (np.array([[1, 1], [1, 1]]), np.array([-0.5, -0.5]), np.array([1, 1]), -1.5),
                "worth only one",
            ),
            (lambda: (OR_NAND.T, np.array([-0.5, 1.5]), np.array([1, 1]), -1.5), "transposed"),
            (lambda: (OR_NAND, np.array([-0.5, 1.5]), np.array([-1, -1]), 1.5), "NOT XOR"),
            (lambda: (OR_NAND, np.array([-0.5, 1.5]), np.array([1, 1]), -0.5), "for all inputs"),
            (lambda: (OR_NAND, np.array([-0.5, 1.5]), np.array([1, 1]), -1), "move b2 a little"),
            (
                lambda: (np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), np.array([1, -1]), 0),
                "exactly 0",
            ),
            (
                lambda: (np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), np.array([1, 1]), -0.5),
                "these answers are OR",
            ),
            (
                lambda: (np.array([[1, 0], [0, 1]]), np.array([-0.5, -0.5]), np.array([1, -1]), -0.5),
                "table of each hidden neuron",
            ),
            (lambda: (OR_NAND, np.array([-0.5, 1.5]), np.array([[1, 1]]), -1.5), "one weight in w2"),
            (lambda: (np.array([1, 1]), np.array([-0.5]), np.array([1]), -1.5), "one row for each"),
            (lambda: (OR_NAND, np.array([-0.5, 1.5]), -1.5), "four things"),
            (lambda: ([[1, 1], [-1, -1]], [-0.5, 1.5], [1, 1], -1.5), "makes an array of a list"),
            (lambda: None, "return statement"),
        ],
        right=[
            lambda: (OR_NAND, np.array([-0.5, 1.5]), np.array([1, 1]), -1.5),
            lambda: (np.array([[1, -1], [-1, 1]]), -np.ones(2) / 2, np.ones(2), -0.5),
            lambda: (np.array([[1, 1], [1, 1]]), np.array([-0.5, -1.5]), np.array([1, -2]), np.float32(-0.5)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(neurons, ANSWERS)


def test_an_endless_training_is_stopped(monkeypatch):
    monkeypatch.setattr(neurons.train, "seconds", 0.3)
    assert "never becomes false" in neurons.train.diagnose(train_forever)
