"""Lab 01: what students answer."""

import math

import numpy as np

from nnlabs.checks import neurons
from tests.checks.harness import Answers, make_tests


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_without_warning(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def neurons_by_loop(X, W, phis):
    result = np.zeros((len(X), len(W)))
    for i, x in enumerate(X):
        for j, w in enumerate(W):
            result[i, j] = phis[j](w[0] + w[1:] @ x)
    return result


def gates_like(**changed):
    right = {"NAND": ([-2, -2], 3), "IMPLIES": ([-2, 2], 1), "MAJORITY": ([2, 2, 2], -3)}
    return lambda: {name: (np.array(w), b) for name, (w, b) in right.items()} | changed


COUNT, BIASES, SIGNS = np.ones((3, 3)), np.array([-0.5, -1.5, -2.5]), np.array([1, -1, 1])
ODD = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]])  # one neuron for each odd corner


def parity_like(W1=COUNT, b1=BIASES, w2=SIGNS, b2=-0.5):
    return lambda: (W1, b1, w2, b2)


def count(w, b, X, y):
    return np.sum((X @ w + b >= 0) != (y == 1))


def epoch(w, b, X, y):
    w = w.copy()
    for i in range(len(X)):
        error = y[i] - (1 if X[i] @ w + b >= 0 else 0)
        w += error * X[i]
        b += error
    return w, b


def pocket_by_history(X, y, epochs):
    history = [(np.zeros(X.shape[1]), 0.0)]
    for _ in range(epochs):
        history.append(epoch(*history[-1], X, y))
    counts = [count(w, b, X, y) for w, b in history]
    best = int(np.argmin(counts))
    return *history[best], counts[best]


def pocket_in_place(X, y, epochs):
    w, b = np.zeros(X.shape[1]), 0.0
    best = w, b, count(w, b, X, y)
    for _ in range(epochs):
        change, b = epoch(w, b, X, y)
        w[:] = change
        if count(w, b, X, y) < best[2]:
            best = w, b, count(w, b, X, y)
    return best


def gradient(w, b, X, t):
    by_sum = -t * sigmoid(-t * (X @ w + b))
    return X.T @ by_sum / len(t), by_sum.mean()


def gradient_as_before(w, b, X, t):
    errors = sigmoid(X @ w + b) - (t + 1) / 2
    return np.mean(errors[:, None] * X, axis=0), np.mean(errors)


def loss(w, b, X, t):
    return np.logaddexp(0, -t * (X @ w + b)).mean()


def train_right(X, t, steps, share=0.5):
    w, b, rate, losses, rates = np.zeros(X.shape[1]), 0.0, 1.0, np.zeros(steps), []
    for step in range(steps):
        losses[step] = loss(w, b, X, t)
        grad_w, grad_b = gradient(w, b, X, t)
        rate *= 2
        while True:
            new = w - rate * grad_w, b - rate * grad_b
            if losses[step] - loss(*new, X, t) >= share * rate * (np.sum(grad_w**2) + grad_b**2):
                break
            rate /= 2
        (w, b), rates = new, [*rates, rate]
    return [w, b, losses, rates]


ANSWERS = {
    "sigmoid": Answers(
        wrong=[
            (lambda x: 1 / (1 + np.exp(-x)), "meets an overflow. Hint: e^800"),
            (lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))), "e^800"),
            (lambda x: 1 / (1 + math.exp(-x)), "It stops at line"),
            (lambda x: np.where(abs(x) > 10, x > 10, sigmoid(x)), "Is something rounded"),
            (lambda x: sigmoid(x).astype(x.dtype), "made of integers"),
        ],
        right=[
            sigmoid,
            sigmoid_without_warning,
            lambda x: 0.5 * (1 + np.tanh(x / 2)),
            lambda x: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
        ],
    ),
    "softplus": Answers(
        wrong=[
            (lambda x: (np.log(1 + np.exp(x)), sigmoid(x)), "softplus([-800, 800]) meets an overflow"),
            (lambda x: np.log(1 + np.exp(x)), "a tuple is wanted"),
        ],
        right=[
            lambda x: (np.logaddexp(0, x), 0.5 + 0.5 * np.tanh(x / 2)),
            lambda x: (np.maximum(0, x) + np.log1p(np.exp(-abs(x))), np.exp(-np.logaddexp(0, -x))),
            lambda x: [x + np.logaddexp(0, -x), 1 - sigmoid(-x)],
        ],
    ),
    "neurons": Answers(
        wrong=[
            (lambda X, W, phis: X @ W.T, "write down the shapes"),
            (lambda X, W, phis: neurons_by_loop(X, W, phis).tolist(), "makes an array of a list"),
            (lambda X, W, phis: neurons_by_loop(X, W, phis)[:, 0], "sum or a mean over one axis too many"),
            (lambda X, W, phis: neurons_by_loop(X, W, phis).astype(W.dtype).astype(X.dtype), "of integers"),
        ],
        right=[
            neurons_by_loop,
            lambda X, W, phis: (
                np.stack([p(W[j] @ np.vstack([X[:, 0] * 0 + 1, X.T])) for j, p in enumerate(phis)]).T
            ),
        ],
    ),
    "gates": Answers(
        wrong=[
            (gates_like(IMPLIES=(np.array([-1, 0]), 0)), "the sum for each input"),
            (gates_like(NAND=(np.array([-1, -1]), 2)), "exactly 0"),
            (gates_like(NAND=(np.array([1, 1]), -0.5)), "table of OR"),
            (gates_like(NAND=(np.array([1, 1]), -1.5)), "wrong way round"),
            (gates_like(IMPLIES=(np.array([1, -1]), 0.5)), "the table of x2 IMPLIES x1"),
            (gates_like(IMPLIES=(np.array([1, 1]), 0.5)), "for all inputs"),
            (gates_like(MAJORITY=(np.ones(3), -2.5)), "table of AND of three"),
            (gates_like(MAJORITY=(np.ones(2), -1.5)), "weights of shape (3,)"),
            (gates_like(NAND=(1, 1, -1.5)), "give a pair"),
            (gates_like(NAND=(np.array([1, 1]), np.array([-1.5]))), "one number as bias"),
            (gates_like(NOR=(np.array([-1, -1]), 0.5)), "and no other"),
            (lambda: {"nand": (np.array([1, 1]), -1.5)}, "capital letters"),
            (lambda: [(np.array([1, 1]), -1.5)] * 3, "between curly braces"),
            (lambda: None, "return statement"),
        ],
        right=[
            gates_like(),
            lambda: {"NAND": ([-1, -1], 1), "IMPLIES": ([-1, 1], 0), "MAJORITY": ([1, 1, 1], -2)},
            gates_like(NAND=(np.array([-0.1, -0.2]), 0.25), MAJORITY=(np.array([3, 2, 2.5]), -4)),
        ],
    ),
    "parity_weights": Answers(
        wrong=[
            (parity_like(COUNT[:2], BIASES[:2], SIGNS[:2]), "too few of them"),
            (parity_like(COUNT, BIASES * 0 - 0.5), "some hidden neurons say the same"),
            (parity_like(np.array([[1, 1, 1], [2, 2, 2], [4, 4, 4.0]]).T, BIASES * [1, 2, 4]), "transposed"),
            (parity_like(w2=np.array([1, -1, 0])), "table of each hidden"),
            (parity_like(w2=SIGNS[None]), "one weight in w2"),
            (parity_like(np.ones(3)), "one row for each"),
            (lambda: (COUNT, BIASES, -1.5), "four things"),
            (parity_like(COUNT.tolist()), "makes an array of a list"),
            (lambda: None, "return statement"),
        ],
        right=[
            parity_like(),
            parity_like(ODD, -np.array([0.5, 0.5, 0.5, 2.5]), np.ones(4), np.float32(-0.5)),
            parity_like(-COUNT, -BIASES, -SIGNS, 0.5),
        ],
    ),
    "pocket": Answers(
        wrong=[
            (pocket_in_place, "do they change in the pocket"),
            (lambda X, y, epochs: pocket_by_history(X, y, epochs)[:2], "how many things"),
            (lambda X, y, epochs: (*pocket_by_history(X, y, epochs)[:2], 3), "[2]: expected"),
        ],
        right=[pocket_by_history, lambda *given: list(pocket_by_history(*given))],
    ),
    "gradient": Answers(
        wrong=[
            (lambda w, b, X, t: gradient(w, b, X, t)[0], "a tuple is wanted"),
            (lambda w, b, X, t: gradient_as_before(w, b, X, 2 * t - 1), "labels 0 and 1"),
        ],
        right=[gradient, gradient_as_before],
    ),
    "train": Answers(
        wrong=[
            (lambda X, t, steps: train_right(X, t, steps, share=1), "one half is missing"),
            (lambda X, t, steps: train_right(X, t, steps)[:3], "how many things"),
            (lambda *a: (train_right(*a)[0].tolist(), *train_right(*a)[1:]), "makes an array of a list"),
        ],
        right=[train_right, lambda *given: tuple(train_right(*given))],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(neurons, ANSWERS)
