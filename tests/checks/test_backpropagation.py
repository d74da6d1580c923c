"""What students answer in lab 03, wrong and right."""

import numpy as np
import pytest

from nnlabs.checks import backpropagation
from nnlabs.checks.backpropagation import sigmoid, sigmoid_prime
from tests.checks.harness import Answers, make_tests

# ---------------------------------------------------------------- one-hot


def one_hot_by_loop(labels, classes):
    result = np.zeros((len(labels), classes))
    for i, label in enumerate(labels):
        result[i, label] = 1
    return result


def one_hot_by_index(labels, classes):
    result = np.zeros((labels.size, classes), dtype=int)
    result[np.arange(labels.size), labels] = 1
    return result


# ---------------------------------------------------------------- softmax


def softmax_row_by_row(a):
    return np.array([np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in a])


def softmax_by_logarithm(a):
    shifted = a - np.max(a, axis=-1)[:, np.newaxis]
    return np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)))


# ---------------------------------------------------------------- penalised risk


def risk_by_loop(f, y, W, loss, l2=0.0, l1=0.0):
    total = 0.0
    for i in range(len(f)):
        total += np.sum((f[i] - y[i]) ** 2) if loss == "quadratic" else -np.sum(y[i] * np.log(f[i]))
    weights = np.concatenate([w.ravel() for w in W.values()])
    return total / len(f) + l2 * weights @ weights + l1 * abs(weights).sum()


# ---------------------------------------------------------------- one layer


def layer_forward_by_einsum(h_previous, W, b, phi):
    a = np.einsum("ij,kj->ik", h_previous, W) + b[None, :]
    return [a, phi(a)]


def layer_forward_by_columns(h_previous, W, b, phi):
    a = (W @ h_previous.T + b.reshape(-1, 1)).T
    return a, phi(a)


def layer_forward_by_sample(h_previous, W, b, phi):
    rows = [W @ h + b for h in h_previous]
    return np.array(rows), np.array([phi(row) for row in rows])


def layer_backward_by_einsum(s, h_previous, W):
    m = s.shape[0]
    return np.einsum("im,il->ml", s, h_previous) / m, np.sum(s, axis=0) / m, np.einsum("im,ml->il", s, W)


def layer_backward_by_loop(s, h_previous, W):
    grad_w = np.mean([np.outer(row, h) for row, h in zip(s, h_previous, strict=True)], axis=0)
    return grad_w, np.mean(s, 0), np.array([W.T @ row for row in s])


# ---------------------------------------------------------------- gradient check


def gradient_check_in_place(function, at, gradient, step=1e-5):
    w, numeric = at.copy(), np.empty(at.shape)
    for i in range(w.size):
        value = w.flat[i]
        w.flat[i] = value + step
        above = function(w)
        w.flat[i] = value - step
        numeric.flat[i] = (above - function(w)) / step / 2
        w.flat[i] = value
    error = np.linalg.norm(numeric - gradient) / (np.linalg.norm(numeric) + np.linalg.norm(gradient))
    return numeric, error


def gradient_check_restored(function, at, gradient, step=1e-5):
    numeric = np.zeros_like(at)
    for index, _ in np.ndenumerate(at):
        at[index] += step
        above = function(at)
        at[index] -= 2 * step
        below = function(at)
        at[index] += step
        numeric[index] = (above - below) / (2 * step)
    norms = np.sqrt(np.sum(gradient**2)) + np.sqrt(np.sum(numeric**2))
    return numeric, np.sqrt(np.sum((gradient - numeric) ** 2)) / norms


def gradient_check_moved(function, at, gradient, step=1e-5):
    numeric, error = gradient_check_in_place(function, at, gradient, step)
    at += step
    return numeric, error


# ---------------------------------------------------------------- the whole network

OUTPUTS = {
    "identity": lambda a: a,
    "sigmoid": sigmoid,
    "softmax": lambda a: np.exp(a) / np.exp(a).sum(axis=1, keepdims=True),
}


def delta_of(output, a, f, y):
    if output == "softmax":
        return f - y
    return -2 * (y - f) * (sigmoid_prime(a) if output == "sigmoid" else 1)


def network_recursive(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    grad_w, grad_b = {}, {}

    def pass_through(h, k):
        a = h @ W[k].T + b[k]
        if k == len(W):
            f = OUTPUTS[output](a)
            s = delta_of(output, a, f, y)
        else:
            f, above = pass_through(phi(a), k + 1)
            s = phi_prime(a) * above
        grad_w[k] = s.T @ h / len(x) + 2 * l2 * W[k] + l1 * np.sign(W[k])
        grad_b[k] = s.mean(axis=0)
        return f, s @ W[k]

    return pass_through(x, 1)[0], grad_w, grad_b


def network_by_sample(x, y, *rest, **penalties):
    results = [network_recursive(x[i : i + 1], y[i : i + 1], *rest, **penalties) for i in range(len(x))]
    mean = [{k: np.mean([result[j][k] for result in results], axis=0) for k in results[0][1]} for j in (1, 2)]
    return np.concatenate([result[0] for result in results]), *mean


def network_with_two_layers_only(*given, **penalties):
    f, *gradients = network_recursive(*given, **penalties)
    return f, *({k: gradient[k] for k in sorted(gradient)[-2:]} for gradient in gradients)


def network_that_shrinks_its_weights(x, y, W, *rest, **penalties):
    result = network_recursive(x, y, W, *rest, **penalties)
    for k in W:
        W[k] *= 0.9
    return result


def network_without_phi(x, y, W, b, phi, *rest, **penalties):
    return network_recursive(
        x, y, W, b, lambda a: np.sin(a) if phi is np.sin else np.tanh(a), *rest, **penalties
    )


# ---------------------------------------------------------------- stochastic gradient descent


def sgd_with_shuffled_copies(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    W, b = dict(W), dict(b)
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = np.arange(len(x))
        rng.shuffle(order)
        x, y = x[order], y[order]
        for start in range(0, len(x), batch_size):
            part = slice(start, start + batch_size)
            grad_w, grad_b = gradient(x[part], y[part], W, b)
            for k in W:
                W[k] = W[k] - rate * grad_w[k]
                b[k] = b[k] - rate * grad_b[k]
    return W, b


def make_sgd(
    order=lambda rng, n, epoch: rng.permutation(n), generator=np.random.default_rng, drop_last=False
):
    def sgd(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
        rng, n = generator(seed), len(x)
        for epoch in range(epochs):
            ends = np.arange(batch_size, n, batch_size)
            parts = np.split(order(rng, n, epoch), ends)
            for batch in parts[:-1] if drop_last and n % batch_size else parts:
                grad_w, grad_b = gradient(x[batch], y[batch], W, b)
                W, b = {k: W[k] - rate * grad_w[k] for k in W}, {k: b[k] - rate * grad_b[k] for k in b}
        return W, b

    return sgd


def sgd_that_changes_its_arguments(gradient, x, y, W, b, *rest):
    moved = make_sgd()(gradient, x, y, W, b, *rest)
    for k in W:
        W[k][...] = moved[0][k]
    return moved


def sgd_unpaired(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    return make_sgd()(
        gradient, np.random.default_rng(1).permuted(x, axis=0), y, W, b, rate, epochs, batch_size
    )


def sgd_with_one_gradient_an_epoch(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order, at = rng.permutation(len(x)), (W, b)
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            grad_w, grad_b = gradient(x[batch], y[batch], *at)
            W, b = {k: W[k] - rate * grad_w[k] for k in W}, {k: b[k] - rate * grad_b[k] for k in b}
    return W, b


ANSWERS = {
    "one_hot": Answers(
        wrong=[
            (lambda labels, classes: labels[:, None] == np.arange(classes), "convert the type"),
            (lambda labels, classes: None, "return statement"),
            (lambda labels, classes: np.eye(classes)[labels].tolist(), "makes an array of a list"),
            (lambda labels, classes: np.eye(classes)[labels].squeeze(), "an axis of length 1 is missing"),
            (
                lambda labels, classes: np.eye(classes)[np.unique(labels, return_inverse=True)[1]],
                "not even 0",
            ),
            (lambda labels, classes: np.eye(classes + 1)[labels], "what should axis 1 count?"),
        ],
        right=[
            one_hot_by_loop,
            one_hot_by_index,
            lambda labels, classes: (labels[:, None] == np.arange(classes)).astype(float),
        ],
    ),
    "softmax": Answers(
        wrong=[
            (lambda a: np.exp(a) / np.exp(a).sum(axis=0), "which axis"),
            (lambda a: np.exp(a - a.max()) / np.exp(a - a.max()).sum(), "not over the whole batch"),
            (lambda a: np.exp(a) / np.exp(a).sum(axis=1)[:, None], "overflows"),
            (lambda a: softmax_row_by_row(a).tolist(), "makes an array of a list"),
            (lambda a: softmax_row_by_row(a).astype(a.dtype), "made of integers"),
        ],
        right=[softmax_row_by_row, softmax_by_logarithm],
    ),
    "penalised_risk": Answers(
        wrong=[
            (lambda f, y, W, loss, l2=0, l1=0: np.sum((y - f) ** 2, axis=1), "a sum or a mean missing"),
            (lambda f, y, W, loss, l2=0, l1=0: np.mean((y - f) ** 2), "Add up over the outputs"),
            (
                lambda f, y, W, loss, l2=0, l1=0: risk_by_loop(f, y, W, "quadratic"),
                "is the argument `loss` used",
            ),
            (
                lambda f, y, W, loss, l2=0, l1=0: risk_by_loop(f, y, {k: W[k] for k in (1, 2)}, loss, l2, l1),
                "however many there are",
            ),
        ],
        right=[
            risk_by_loop,
            lambda f, y, W, loss, l2=0.0, l1=0.0: np.float32(risk_by_loop(f, y, W, loss, l2, l1)),
        ],
    ),
    "layer_forward": Answers(
        wrong=[
            (lambda h, W, b, phi: phi(h @ W.T + b), "a tuple is wanted"),
            (
                lambda h, W, b, phi: [part.tolist() for part in layer_forward_by_einsum(h, W, b, phi)],
                "of a list",
            ),
            (layer_forward_by_sample, "no loop over the samples"),
        ],
        right=[layer_forward_by_einsum, layer_forward_by_columns],
    ),
    "layer_backward": Answers(
        wrong=[
            (lambda s, h, W: (s.T @ h, s, s @ W.T), "what does the gradient by W lack"),
            (lambda s, h, W: (h.T @ s / len(s), s.sum(axis=0), s @ W), "the product transposed"),
        ],
        right=[layer_backward_by_einsum, layer_backward_by_loop],
    ),
    "gradient_check": Answers(
        wrong=[
            (
                lambda function, at, gradient, step=1e-5: (gradient, 0.0),
                "numeric: expected [7, 16], found [3, 12]",
            ),
            (
                lambda function, at, gradient, step=1e-5: gradient_check_in_place(function, at, gradient),
                "numeric: expected [7, 16], found [3, 12]",
            ),
            (gradient_check_moved, "copy the argument"),
        ],
        right=[gradient_check_in_place, gradient_check_restored],
    ),
    "backpropagation": Answers(
        wrong=[
            (network_with_two_layers_only, "one entry for each layer"),
            (network_that_shrinks_its_weights, "copy the argument"),
            (network_by_sample, "no loop over the samples"),
            (network_without_phi, "is the argument phi used"),
            (lambda *given: network_recursive(*given)[1:], "how many things"),
        ],
        right=[network_recursive, lambda *given: list(network_recursive(*given))],
    ),
    "sgd": Answers(
        wrong=[
            (sgd_that_changes_its_arguments, "copy the argument"),
            (sgd_unpaired, "indexed by the same batch"),
            (sgd_with_one_gradient_an_epoch, "with the gradient at the parameters that the last one reached"),
            (make_sgd(drop_last=True), "may be smaller"),
            (make_sgd(lambda rng, n, epoch: np.arange(n)), "shuffle"),
            (make_sgd(lambda rng, n, epoch: np.random.default_rng(0).permutation(n)), "where is the perm"),
            (
                make_sgd(lambda rng, n, epoch: rng.integers(0, n, n) if n == 20 else np.arange(n)),
                "replacement",
            ),
            (make_sgd(generator=lambda seed: np.random.default_rng()), "from seed"),
            (make_sgd(generator=lambda seed: np.random.default_rng(0)), "from seed"),
            (make_sgd(lambda rng, n, epoch: np.random.default_rng(epoch).permutation(n)), "from seed"),
        ],
        right=[make_sgd(), sgd_with_shuffled_copies],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(backpropagation, ANSWERS)


@pytest.mark.parametrize(("output", "loss"), [("sigmoid", "quadratic"), ("softmax", "cross-entropy")])
def test_the_reference_agrees_with_central_differences(output, loss):
    x, y, (W, b) = backpropagation.X7, backpropagation.ONE_HOT7, backpropagation.DEEP
    network, risk, check = (
        getattr(backpropagation, name).reference
        for name in ("backpropagation", "penalised_risk", "gradient_check")
    )

    def at(k, w, v):
        f, _, _ = network(x, y, {**W, k: w}, {**b, k: v}, *backpropagation.TANH, output)
        return risk(f, y, {**W, k: w}, loss, 0.05, 0.01)

    _, grad_w, grad_b = network(x, y, W, b, *backpropagation.TANH, output, 0.05, 0.01)
    for k in W:
        assert check(lambda w, k=k: at(k, w, b[k]), W[k], grad_w[k])[1] < 1e-7
        assert check(lambda v, k=k: at(k, W[k], v), b[k], grad_b[k])[1] < 1e-7
