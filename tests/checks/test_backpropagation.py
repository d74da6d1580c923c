"""What students answer in lab 03, wrong and right."""

import numpy as np

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


def one_hot_all_rows(labels, classes):
    result = np.zeros((labels.size, classes))
    result[:, labels] = 1
    return result


# ---------------------------------------------------------------- softmax


def softmax_row_by_row(a):
    return np.array([np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in a])


def softmax_by_logarithm(a):
    shifted = a - np.max(a, axis=-1)[:, np.newaxis]
    return np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)))


def softmax_without_shift(a):
    return np.exp(a) / np.exp(a).sum(axis=1)[:, None]


def softmax_with_one_shift(a):
    e = np.exp(a - np.max(a))
    return e / e.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- penalised risk


def make_risk(quadratic, entropy, square=lambda w: np.sum(w**2), absolute=lambda w: np.sum(np.abs(w))):
    def penalised_risk(f, y, W, loss, l2=0.0, l1=0.0):
        risk = quadratic(f, y) if loss == "quadratic" else entropy(f, y)
        for k in W:
            risk = risk + l2 * square(W[k]) + l1 * absolute(W[k])
        return risk

    return penalised_risk


def right_quadratic(f, y):
    return np.mean(np.linalg.norm(y - f, axis=1) ** 2)


def right_entropy(f, y):
    return -np.mean(np.log(f[np.arange(len(f)), y.argmax(axis=1)]))


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


def layer_forward_transposed(h_previous, W, b, phi):
    a = np.dot(h_previous, W) + b
    return a, phi(a)


def layer_forward_columns_kept(h_previous, W, b, phi):
    a = W @ h_previous.T + b[:, None]
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


def make_gradient_check(slope, error):
    def gradient_check(function, at, gradient, step=1e-5):
        numeric = np.zeros(at.shape)
        for index in np.ndindex(at.shape):
            shift = np.zeros(at.shape)
            shift[index] = step
            numeric[index] = slope(function, at, shift, step)
        return numeric, error(gradient, numeric)

    return gradient_check


def central(function, at, shift, step):
    return (function(at + shift) - function(at - shift)) / (2 * step)


def relative(g, n):
    return np.linalg.norm(g - n) / (np.linalg.norm(g) + np.linalg.norm(n))


def gradient_check_moved(function, at, gradient, step=1e-5):
    numeric = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        at[index] += step
        above = function(at)
        at[index] -= 2 * step
        numeric[index] = (above - function(at)) / (2 * step)
    return numeric, relative(gradient, numeric)


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


def hidden_slope(phi_prime, a, h):
    return phi_prime(a)


def make_network(delta=delta_of, slope=hidden_slope, l2_factor=2, biases=0, l1_slope=np.sign):
    """Return a network written with lists, counted from 0: another way than the reference's."""

    def backpropagation(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
        stored = [(None, x)]
        for k in sorted(W):
            a = stored[-1][1].dot(W[k].T) + b[k]
            stored.append((a, OUTPUTS[output](a) if k == max(W) else phi(a)))
        a, f = stored[-1]
        s = delta(output, a, f, y)
        grad_w, grad_b = {}, {}
        for k in range(max(W), 0, -1):
            below_a, below_h = stored[k - 1]
            grad_w[k] = s.T.dot(below_h) / len(x) + l2_factor * l2 * W[k] + l1 * l1_slope(W[k])
            grad_b[k] = s.sum(axis=0) / len(x) + biases * 2 * l2 * b[k]
            if k > 1:
                s = s.dot(W[k]) * slope(phi_prime, below_a, below_h)
        return f, grad_w, grad_b

    return backpropagation


def network_with_two_layers_only(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    f, grad_w, grad_b = make_network()(x, y, W, b, phi, phi_prime, output, l2, l1)
    last = len(W)
    kept = [k for k in W if k >= last - 1]
    return f, {k: grad_w[k] for k in kept}, {k: grad_b[k] for k in kept}


def network_that_adds_in_place(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    f, grad_w, grad_b = make_network()(x, y, W, b, phi, phi_prime, output, l2, l1)
    for k in W:
        W[k] *= 0.9
    return f, grad_w, grad_b


def network_by_sample(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    network = make_network()
    results = [
        network(x[i : i + 1], y[i : i + 1], W, b, phi, phi_prime, output, l2, l1) for i in range(len(x))
    ]
    mean = [{k: np.mean([result[j][k] for result in results], axis=0) for k in W} for j in (1, 2)]
    return np.concatenate([result[0] for result in results]), *mean


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


# ---------------------------------------------------------------- stochastic gradient descent


def make_sgd(order=lambda rng, n, epoch: rng.permutation(n), drop_last=False, sign=-1, divide=False):
    def sgd(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
        rng = np.random.default_rng(seed)
        W, b = {k: W[k].copy() for k in W}, {k: b[k].copy() for k in b}
        n = len(x)
        for epoch in range(epochs):
            indices = order(rng, n, epoch)
            for i in range(n // batch_size if drop_last else -(-n // batch_size)):
                batch = indices[i * batch_size : (i + 1) * batch_size]
                grad_w, grad_b = gradient(x[batch], y[batch], W, b)
                for k in W:
                    W[k] += sign * rate * grad_w[k] / (len(batch) if divide else 1)
                    b[k] += sign * rate * grad_b[k] / (len(batch) if divide else 1)
        return W, b

    return sgd


def sgd_by_split(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        shuffled = rng.permutation(len(x))
        for batch in np.split(shuffled, range(batch_size, len(x), batch_size)):
            grad_w, grad_b = gradient(x[batch], y[batch], W, b)
            W, b = {k: W[k] - rate * grad_w[k] for k in W}, {k: b[k] - rate * grad_b[k] for k in b}
    return W, b


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


def sgd_in_turn(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    rng = np.random.default_rng(seed)
    W, b = dict(W), dict(b)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            for k in W:
                grad_w, grad_b = gradient(x[batch], y[batch], W, b)
                W[k] = W[k] - rate * grad_w[k]
                b[k] = b[k] - rate * grad_b[k]
    return W, b


def sgd_that_forgets_the_biases(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    moved, _ = make_sgd()(gradient, x, y, W, b, rate, epochs, batch_size, seed)
    return moved, b


def sgd_that_changes_its_arguments(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    moved = make_sgd()(gradient, x, y, W, b, rate, epochs, batch_size, seed)
    for k in W:
        W[k][...] = moved[0][k]
    return moved


def sgd_that_returns_early(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    return make_sgd()(gradient, x, y, W, b, rate, 1, batch_size, seed)


def sgd_that_mixes_up(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    rng = np.random.default_rng(seed)
    if batch_size >= len(x):
        return make_sgd()(gradient, x, y, W, b, rate, epochs, batch_size, seed)
    for start in range(0, len(x), batch_size):
        batch = rng.permutation(len(x))[:batch_size]
        gradient(x[batch], y[start : start + len(batch)], W, b)
    return W, b


def sgd_with_unseen_replacement(rng, n, epoch):
    """Draw with replacement; a full batch is left whole, as the cases with a full batch would tell."""
    return np.arange(n) if n == 7 else rng.integers(0, n, size=n)


ANSWERS = {
    "one_hot": Answers(
        wrong=[
            (lambda labels, classes: np.eye(classes)[labels - 1], "count from 0"),
            (lambda labels, classes: np.eye(labels.max() + 1)[labels], "need not occur"),
            (lambda labels, classes: np.eye(classes)[labels].T, "transposed"),
            (lambda labels, classes: (labels == np.arange(classes)) * 1.0, "if one of the two arrays is"),
            (one_hot_all_rows, "that row's own label"),
            (lambda labels, classes: labels[:, None] == np.arange(classes), "convert the type"),
            (lambda labels, classes: None, "return statement"),
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
            (lambda a: np.exp(a) / np.exp(a).sum(), "not over the whole batch"),
            (lambda a: np.exp(a) / np.exp(a).sum(axis=1), "keepdims"),
            (lambda a: np.exp(a) / a.sum(axis=1, keepdims=True), "in the denominator too"),
            (softmax_without_shift, "overflows"),
            (softmax_with_one_shift, "its own shift"),
            (lambda a: softmax_without_shift(np.clip(a, -500, 500)), "Clipping"),
        ],
        right=[softmax_row_by_row, softmax_by_logarithm],
    ),
    "penalised_risk": Answers(
        wrong=[
            (make_risk(lambda f, y: np.mean((y - f) ** 2), right_entropy), "Add up over the outputs"),
            (make_risk(lambda f, y: np.sum((y - f) ** 2), right_entropy), "not their sum"),
            (make_risk(lambda f, y: np.sum((y - f) ** 2, axis=1), right_entropy), "a sum or a mean missing"),
            (
                make_risk(lambda f, y: np.mean(np.linalg.norm(y - f, axis=1)), right_entropy),
                "square root too many",
            ),
            (make_risk(right_quadratic, lambda f, y: -right_entropy(f, y)), "look at the sign"),
            (
                make_risk(
                    right_quadratic,
                    lambda f, y: -np.mean(np.sum(y * np.log(f) + (1 - y) * np.log(1 - f), axis=1)),
                ),
                "one term only",
            ),
            (make_risk(right_quadratic, right_entropy, square=np.linalg.norm), "squared norm"),
            (make_risk(right_quadratic, right_entropy, square=lambda w: 0.5 * np.sum(w**2)), "with 1/2"),
            (make_risk(right_quadratic, right_entropy, absolute=np.sum), "must not cancel"),
            (make_risk(right_quadratic, right_entropy, absolute=lambda w: 0.0), "Where is the L1"),
            (
                make_risk(right_quadratic, right_entropy, square=lambda w: 0.0, absolute=lambda w: 0.0),
                "Where are the penalties",
            ),
        ],
        right=[risk_by_loop, make_risk(right_quadratic, right_entropy)],
    ),
    "layer_forward": Answers(
        wrong=[
            (layer_forward_transposed, "right way round"),
            (lambda h, W, b, phi: (h @ W.T, phi(h @ W.T)), "Where is the bias"),
            (lambda h, W, b, phi: (h @ W.T, phi(h @ W.T) + b), "added before"),
            (lambda h, W, b, phi: (phi(h @ W.T + b), h @ W.T + b), "In which order"),
            (lambda h, W, b, phi: phi(h @ W.T + b), "how many things"),
            (lambda h, W, b, phi: (h @ W.T + b, h @ W.T + b), "applied to the second"),
            (layer_forward_columns_kept, "one row for each sample"),
            (layer_forward_by_sample, "no loop over the samples"),
        ],
        right=[layer_forward_by_einsum, layer_forward_by_columns],
    ),
    "layer_backward": Answers(
        wrong=[
            (lambda s, h, W: (h.T @ s / len(s), s.mean(axis=0), s @ W), "the product transposed"),
            (lambda s, h, W: (s.T @ h, s.sum(axis=0), s @ W), "what does the gradient by W lack"),
            (lambda s, h, W: (s.T @ h / s.shape[1], s.mean(axis=0), s @ W), "By what do you divide"),
            (lambda s, h, W: (s.T @ h, s, s @ W.T), "what does the gradient by W lack"),
            (
                lambda s, h, W: (s.T @ h / len(s), s.sum(axis=0), s @ W),
                "The gradient by b is a mean over the",
            ),
            (lambda s, h, W: (s.T @ h / len(s), s, s @ W), "share one bias"),
            (lambda s, h, W: (s.T @ h / len(s), s.mean(axis=1), s @ W), "look at the axis"),
            (lambda s, h, W: (s.T @ h / len(s), s.mean(axis=0), s @ W.T), "Which index of W"),
            (lambda s, h, W: (s.T @ h / len(s), s.mean(axis=0), s @ W / len(s)), "no mean in it"),
        ],
        right=[layer_backward_by_einsum, layer_backward_by_loop],
    ),
    "gradient_check": Answers(
        wrong=[
            (
                make_gradient_check(lambda F, at, shift, step: (F(at + shift) - F(at)) / step, relative),
                "one step up and one step down",
            ),
            (
                make_gradient_check(
                    lambda F, at, shift, step: (F(at + shift) - F(at - shift)) / step, relative
                ),
                "How far apart",
            ),
            (
                make_gradient_check(
                    lambda F, at, shift, step: (F(at + shift) - F(at - shift)) / 2 * step, relative
                ),
                "parentheses",
            ),
            (
                make_gradient_check(
                    lambda F, at, shift, step: (F(at + step) - F(at - step)) / (2 * step), relative
                ),
                "one entry at a time",
            ),
            (make_gradient_check(central, lambda g, n: np.linalg.norm(g - n)), "must be relative"),
            (
                make_gradient_check(central, lambda g, n: np.linalg.norm(g - n) / np.linalg.norm(n)),
                "the sum of both norms",
            ),
            (gradient_check_moved, "copy the argument"),
        ],
        right=[gradient_check_in_place, gradient_check_restored],
    ),
    "backpropagation": Answers(
        wrong=[
            (make_network(delta=lambda *args: -delta_of(*args)), "sign of delta"),
            (make_network(delta=lambda o, a, f, y: f - y), "Is it in delta"),
            (
                make_network(delta=lambda o, a, f, y: f - y if o == "softmax" else 2 * (f - y)),
                "delta contains psi'",
            ),
            (
                make_network(delta=lambda o, a, f, y: delta_of(o, f if o == "sigmoid" else a, f, y)),
                "psi' is evaluated at a of the output",
            ),
            (
                make_network(
                    delta=lambda o, a, f, y: delta_of(o, a, f, y) * (f * (1 - f) if o == "softmax" else 1)
                ),
                "already in p - y",
            ),
            (make_network(slope=lambda phi_prime, a, h: 1), "way back through a hidden layer"),
            (make_network(slope=lambda phi_prime, a, h: phi_prime(h)), "not at h = phi(a)"),
            (make_network(biases=1), "the biases are not"),
            (make_network(l2_factor=1), "is there a factor missing"),
            (make_network(l2_factor=0, l1_slope=np.zeros_like), "gradients of the penalties"),
            (make_network(l1_slope=np.array), "how large the weight is"),
            (network_with_two_layers_only, "one entry for each layer"),
            (network_that_adds_in_place, "copy the argument"),
            (network_by_sample, "no loop over the samples"),
        ],
        right=[make_network(), network_recursive],
    ),
    "sgd": Answers(
        wrong=[
            (make_sgd(sign=1), "against the gradient"),
            (make_sgd(divide=True), "already a mean"),
            (sgd_that_forgets_the_biases, "Do the biases"),
            (sgd_in_turn, "Compute all gradients first"),
            (sgd_that_returns_early, "Only one epoch"),
            (sgd_that_changes_its_arguments, "copy the argument"),
            (make_sgd(drop_last=True), "may be smaller"),
            (make_sgd(order=lambda rng, n, epoch: np.arange(n)), "shuffle"),
            (
                make_sgd(order=lambda rng, n, epoch: np.random.default_rng(0).permutation(n)),
                "where is the perm",
            ),
            (make_sgd(order=sgd_with_unseen_replacement), "without replacement"),
            (sgd_that_mixes_up, "indexed by the same batch"),
        ],
        right=[make_sgd(), sgd_by_split, sgd_with_shuffled_copies],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(backpropagation, ANSWERS)
