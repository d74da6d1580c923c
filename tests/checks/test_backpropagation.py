"""What students answer in lab 03, wrong and right."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from nnlabs.checks import backpropagation
from nnlabs.checks.backpropagation import leaky_prime
from nnlabs.checks.exercise import edited
from tests.checks.harness import Answers, make_tests

# ---------------------------------------------------------------- smoothed targets


def smooth_by_loop(labels, classes, alpha):
    result = np.full((len(labels), classes), alpha / classes)
    for i, label in enumerate(labels):
        result[i, label] += 1 - alpha
    return result


def smooth_by_where(labels, classes, alpha):
    true = labels[:, None] == np.arange(classes)
    return np.where(true, 1 - alpha + alpha / classes, alpha / classes)


# ---------------------------------------------------------------- weighted cross-entropy


def weighted_risk_by_sample(a, y, v):
    v = v / v.sum()
    risk, slopes = 0.0, np.zeros(a.shape)
    for i in range(len(a)):
        largest = a[i].max()
        log_p = a[i] - largest - np.log(np.sum(np.exp(a[i] - largest)))
        risk -= v[i] * (y[i] @ log_p)
        slopes[i] = v[i] * (y[i].sum() * np.exp(log_p) - y[i])
    return risk, slopes


def weighted_risk_by_average(a, y, v):
    risk = np.average(-(y * log_softmax(a, axis=1)).sum(axis=1), weights=v)
    slopes = softmax(a, axis=1) * y.sum(axis=1)[:, None] - y
    return [risk, (slopes.T * v).T / np.sum(v)]


def weighted_risk_in_place(a, y, v):
    v /= v.sum()
    return weighted_risk_by_average(a, y, v)


# ---------------------------------------------------------------- a check along one direction


def check_by_flat_vectors(function, at, gradient, direction, step=1e-5):
    def value(t):
        return function({k: at[k] + t * direction[k] for k in at})

    exact = np.concatenate([np.ravel(gradient[k]) for k in at]) @ np.concatenate(
        [np.ravel(direction[k]) for k in at]
    )
    return exact, (value(step) - value(-step)) / step / 2


def check_by_loop(function, at, gradient, direction, step=1e-5):
    exact, ahead, behind = 0.0, {}, {}
    for k, array in at.items():
        exact += float(np.vdot(gradient[k], direction[k]))
        ahead[k], behind[k] = array + step * direction[k], array - step * direction[k]
    return exact, 0.5 * (function(ahead) - function(behind)) / step


def check_in_place(function, at, gradient, direction, step=1e-5):
    for k in at:
        at[k] = at[k] + step * direction[k]
    return check_by_loop(function, at, gradient, direction, step)


def check_on_shared_arrays(function, at, gradient, direction, step=1e-5):
    """Copy the dictionary only: the arrays move forward, then back to where they were."""
    ahead, behind = dict(at), dict(at)
    for k in at:
        ahead[k] += step * direction[k]
        behind[k] -= step * direction[k]
    exact, _ = check_by_flat_vectors(function, at, gradient, direction, step)
    return exact, (function(ahead) - function(behind)) / (2 * step)


def check_entry_by_entry(function, at, gradient, direction, step=1e-5):
    """Take the difference for each array by itself."""
    exact, numeric = 0.0, 0.0
    for k in at:
        one = {j: direction[j] * (j == k) for j in at}
        parts = check_by_loop(function, at, gradient, one, step)
        exact, numeric = exact + parts[0], numeric + parts[1]
    return exact, numeric


# ---------------------------------------------------------------- a layer with a shortcut


def residual_by_einsum(g, a, h, W, phi_prime):
    s = g * phi_prime(a)
    return np.einsum("ij,il->jl", s, h), np.sum(s, 0), np.einsum("ij,jl->il", s, W) + g


def residual_by_matrix(g, a, h, W, phi_prime):
    rows = [(np.eye(len(W)) + phi_prime(a[i])[:, None] * W).T @ g[i] for i in range(len(g))]
    s = phi_prime(a) * g
    return sum(np.outer(s[i], h[i]) for i in range(len(g))), s.sum(axis=0), np.array(rows)


def residual_changing_g(g, a, h, W, phi_prime):
    result = residual_by_einsum(g, a, h, W, phi_prime)
    g[...] = result[2]
    return result[0], result[1], g


# ---------------------------------------------------------------- find the fault


def faulty_gradient(x, theta):
    """The code of the lab's statement, as it is given there."""
    W, b1, b2 = theta["W"], theta["b1"], theta["b2"]
    h = np.tanh(x @ W.T + b1)
    f = h @ W + b2
    risk = np.sum((f - x) ** 2) / len(x)
    slopes = {}
    s2 = 2 * (f - x) / len(x)
    slopes["b2"] = s2.sum(axis=0)
    slopes["W"] = h.T @ s2
    s1 = (1 - np.tanh(h) ** 2) * (s2 @ W.T)
    slopes["b1"] = s1.mean(axis=0)
    slopes["W"] = s1.T @ x
    return risk, slopes


AT_A = "(1 - np.tanh(h) ** 2) -> (1 - h**2)"
ONCE = "s1.mean -> s1.sum"
ADDED = 'slopes["W"] = s1.T @ x -> slopes["W"] += s1.T @ x'


def tied_by_sample(x, theta):
    total = {k: 0 * theta[k] for k in theta}
    risk = 0.0
    for row in x:
        a = theta["W"] @ row + theta["b1"]
        error = theta["W"].T @ np.tanh(a) + theta["b2"] - row
        risk += error @ error / len(x)
        s = (theta["W"] @ (2 * error)) / np.cosh(a) ** 2
        total["W"] = total["W"] + (np.outer(np.tanh(a), 2 * error) + np.outer(s, row)) / len(x)
        total["b1"], total["b2"] = total["b1"] + s / len(x), total["b2"] + 2 * error / len(x)
    return risk, total


# ---------------------------------------------------------------- the whole network


def network_by_recursion(x, y, v, W, b, phi, phi_prime, l2=0.0):
    last = len(W)
    grad_w, grad_b = {}, {}

    def walk(h, k):
        a = h @ W[k].T + b[k]
        if k == last:
            risk, s = weighted_risk_by_average(a, y, v)
            ends, skip = (a, risk), 0
        else:
            ends, g = walk(phi(a) + (h if k > 1 else 0), k + 1)
            s, skip = phi_prime(a) * g, g if k > 1 else 0
        grad_w[k], grad_b[k] = s.T @ h + 2 * l2 * W[k], s.sum(axis=0)
        return ends, s @ W[k] + skip

    (a, risk), grad_x = walk(x, 1)
    return a, risk + l2 * sum((w**2).sum() for w in W.values()), grad_w, grad_b, grad_x


def network_by_sample(x, y, v, *rest):
    rows = [network_by_recursion(x[i : i + 1], y[i : i + 1], np.ones(1), *rest) for i in range(len(x))]
    share = v / v.sum()
    mean = [{k: np.tensordot(share, [row[j][k] for row in rows], 1) for k in rest[0]} for j in (2, 3)]
    a, grad_x = (np.concatenate([row[j] for row in rows]) for j in (0, 4))
    return a, share @ [row[1] for row in rows], *mean, share[:, None] * grad_x


def network_of_one_block(x, y, v, W, b, *rest):
    a, risk, grad_w, *others = network_by_recursion(x, y, v, W, b, *rest)
    return a, risk, {k: grad_w[k] for k in (1, len(W))}, *others


def network_that_shrinks_its_weights(x, y, v, W, *rest):
    result = network_by_recursion(x, y, v, W, *rest)
    for k in W:
        W[k] *= 0.9
    return result


# ---------------------------------------------------------------- a batch in parts


def accumulated_by_split(gradient, x, y, v, rows):
    cuts = range(rows, len(x), rows)
    parts = [np.split(array, cuts) for array in (x, y, v)]
    results = [(w.sum(), gradient(*part, w)) for *part, w in zip(*parts, strict=True)]
    return {k: sum(weight * slopes[k] for weight, slopes in results) / v.sum() for k in results[0][1]}


def accumulated_by_while(gradient, x, y, v, rows):
    total, seen = None, 0.0
    while len(x):
        slopes, weight = gradient(x[:rows], y[:rows], v[:rows]), v[:rows].sum()
        total = total or {k: np.zeros_like(slopes[k]) for k in slopes}
        seen += weight
        total = {k: total[k] + weight / seen * (slopes[k] - total[k]) for k in slopes}
        x, y, v = x[rows:], y[rows:], v[rows:]
    return total


# ---------------------------------------------------------------- the worst change


def worst_by_row(g, eta, norm):
    change = np.zeros(g.shape)
    for i, row in enumerate(g):
        if norm == "max":
            change[i] = eta * ((row > 0).astype(float) - (row < 0))
        elif row.any():
            change[i] = eta * row / np.sqrt(row @ row)
    return change


def worst_by_division(g, eta, norm):
    size = np.abs(g) if norm == "max" else np.sqrt((g**2).sum(axis=1, keepdims=True))
    return eta * np.nan_to_num(g / size)


ANSWERS = {
    "smooth_targets": Answers(
        wrong=[
            (lambda labels, classes, alpha: None, "return statement"),
            (lambda *given: smooth_by_loop(*given).tolist(), "makes an array of a list"),
            (lambda *given: smooth_by_loop(*given).squeeze(), "an axis of length 1 is missing"),
            (
                lambda labels, classes, alpha: smooth_by_loop(
                    np.unique(labels, return_inverse=True)[1], classes, alpha
                ),
                "not even 0",
            ),
            (lambda labels, classes, alpha: np.eye(classes)[labels], "expected 0.1, found 0"),
        ],
        right=[
            smooth_by_loop,
            smooth_by_where,
            lambda labels, classes, alpha: smooth_by_where(labels, classes, alpha).astype("float32"),
        ],
    ),
    "weighted_risk": Answers(
        wrong=[
            (weighted_risk_in_place, "copy the argument"),
            (lambda a, y, v: weighted_risk_by_average(a, y, v)[0], "how many things"),
            (
                lambda a, y, v: (weighted_risk_by_average(a, y, v)[0], softmax(a, axis=1) - y),
                "What stands before each loss",
            ),
            (
                lambda a, y, v: weighted_risk_by_average(a, y / y.sum(axis=1, keepdims=True), v),
                "not finite",
            ),
            (
                lambda a, y, v: (
                    weighted_risk_by_average(a, y, v)[0],
                    (np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) * y.sum(axis=1, keepdims=True) - y)
                    * (v / v.sum())[:, None],
                ),
                "not finite",
            ),
        ],
        right=[weighted_risk_by_sample, weighted_risk_by_average],
    ),
    "directional_check": Answers(
        wrong=[
            (check_in_place, "copy the argument"),
            (check_on_shared_arrays, "in a copy of the dictionary too?"),
            (check_entry_by_entry, "two values are enough"),
            (
                lambda function, at, gradient, direction, step=1e-5: check_by_loop(
                    function, at, gradient, direction
                ),
                "numeric: expected",
            ),
            (lambda *given: check_by_loop(*given)[0], "how many things"),
        ],
        right=[check_by_flat_vectors, check_by_loop],
    ),
    "residual_backward": Answers(
        wrong=[
            (residual_changing_g, "copy the argument"),
            (
                lambda g, a, h, W, phi_prime: (g.T @ h, g.sum(axis=0), g + g @ W),
                "the way back through the activation",
            ),
            (
                lambda g, a, h, W, phi_prime: residual_by_einsum(g / len(g), a, h, W, phi_prime),
                "W needs no second one",
            ),
            (
                lambda g, a, h, W, phi_prime: residual_by_einsum(g, a, h, W, leaky_prime),
                "at index",
            ),
        ],
        right=[residual_by_einsum, residual_by_matrix],
    ),
    "tied_gradient": Answers(
        wrong=[
            (faulty_gradient, "more than one fault"),
            (edited(faulty_gradient, [AT_A]), "What has b1 twice?"),
            (edited(faulty_gradient, [AT_A, ONCE]), "overwritten"),
            (edited(faulty_gradient, [ONCE, ADDED]), "Is h an a"),
            (lambda *given: tied_by_sample(*given)[1], "how many things"),
            (
                lambda x, theta: (tied_by_sample(x, theta)[0], {"W": 0 * theta["W"]}),
                "there is no slopes[b2]",
            ),
        ],
        right=[edited(faulty_gradient, [AT_A, ONCE, ADDED]), tied_by_sample],
    ),
    "network_gradient": Answers(
        wrong=[
            (network_of_one_block, "one entry for each array"),
            (network_that_shrinks_its_weights, "copy the argument"),
            (network_by_sample, "no loop over the samples"),
            (lambda *given: network_by_recursion(*given)[:4], "how many things"),
        ],
        right=[network_by_recursion, lambda *given: list(network_by_recursion(*given))],
    ),
    "accumulated": Answers(
        wrong=[
            (lambda gradient, x, y, v, rows: gradient(x, y, v), "no part has more"),
            (
                lambda gradient, x, y, v, rows: accumulated_by_split(gradient, x, y, v, 1),
                "not finite",
            ),
            (
                lambda gradient, *rest: {k: accumulated_by_split(gradient, *rest)[k] for k in (1, 2)},
                "expected a dictionary with the keys",
            ),
        ],
        right=[accumulated_by_split, accumulated_by_while],
    ),
    "worst_change": Answers(
        wrong=[
            (lambda g, eta, norm: g + worst_by_row(g, eta, norm), "expected"),
            (lambda g, eta, norm: np.where(g < 0, -eta, eta), "the pixel should stay"),
            (lambda g, eta, norm: worst_by_row(g, eta, norm).tolist(), "makes an array of a list"),
            (lambda g, eta, norm: eta * np.sign(g), "is the argument `norm` used"),
        ],
        right=[worst_by_row, worst_by_division],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(backpropagation, ANSWERS)


def test_the_reference_agrees_with_central_differences():
    sizes, (x, y, v) = backpropagation.DEEP, (backpropagation.X, backpropagation.Y, backpropagation.UNEQUAL)
    W, b = backpropagation.random_network(sizes)
    network, check = (
        getattr(backpropagation, name).reference for name in ("network_gradient", "directional_check")
    )
    _, _, grad_w, grad_b, grad_x = network(x, y, v, W, b, *backpropagation.TANH, 0.05)
    for given, slopes, rebuild in (
        (W, grad_w, lambda at: (x, y, v, at, b)),
        (b, grad_b, lambda at: (x, y, v, W, at)),
        ({0: x}, {0: grad_x}, lambda at: (at[0], y, v, W, b)),
    ):
        direction = {k: np.random.default_rng(0).standard_normal(given[k].shape) for k in given}
        exact, numeric = check(
            lambda at, rebuild=rebuild: network(*rebuild(at), *backpropagation.TANH, 0.05)[1],
            given,
            slopes,
            direction,
        )
        assert numeric == pytest.approx(exact, rel=1e-7)
