"""What students answer in lab 03, wrong and right."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from nnlabs.checks import backpropagation
from nnlabs.checks.backpropagation import leaky_prime
from nnlabs.checks.exercise import edited
from tests.checks.harness import Answers, make_tests


def smooth_by_loop(labels, classes, alpha):
    result = np.full((len(labels), classes), alpha / classes)
    for i, label in enumerate(labels):
        result[i, label] += 1 - alpha
    return result


def weighted_risk_by_average(a, y, v):
    risk = np.average(-(y * log_softmax(a, axis=1)).sum(axis=1), weights=v)
    slopes = softmax(a, axis=1) * y.sum(axis=1)[:, None] - y
    return [risk, (slopes.T * v).T / np.sum(v)]


def naive_softmax(a):
    return np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


def weighted_risk_in_place(a, y, v):
    v /= v.sum()
    return weighted_risk_by_average(a, y, v)


def check_by_loop(function, at, gradient, direction, step=1e-5):
    exact, ahead, behind = 0.0, {}, {}
    for k, array in at.items():
        exact += float(np.vdot(gradient[k], direction[k]))
        ahead[k], behind[k] = array + step * direction[k], array - step * direction[k]
    return exact, 0.5 * (function(ahead) - function(behind)) / step


def check_entry_by_entry(function, at, gradient, direction, step=1e-5):
    """Take the difference for each array by itself."""
    exact, numeric = 0.0, 0.0
    for k in at:
        one = {j: direction[j] * (j == k) for j in at}
        parts = check_by_loop(function, at, gradient, one, step)
        exact, numeric = exact + parts[0], numeric + parts[1]
    return exact, numeric


def residual_by_einsum(g, a, h, W, phi_prime):
    s = g * phi_prime(a)
    return np.einsum("ij,il->jl", s, h), np.sum(s, 0), np.einsum("ij,jl->il", s, W) + g


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


def accumulated_by_split(gradient, x, y, v, rows):
    cuts = range(rows, len(x), rows)
    parts = [np.split(array, cuts) for array in (x, y, v)]
    results = [(w.sum(), gradient(*part, w)) for *part, w in zip(*parts, strict=True)]
    return {k: sum(weight * slopes[k] for weight, slopes in results) / v.sum() for k in results[0][1]}


def worst_by_division(g, eta, norm):
    size = np.abs(g) if norm == "max" else np.sqrt((g**2).sum(axis=1, keepdims=True))
    return eta * np.nan_to_num(g / size)


ANSWERS = {
    "smooth_targets": Answers(
        wrong=[
            (lambda *given: smooth_by_loop(*given).tolist(), "makes an array of a list"),
            (lambda *given: smooth_by_loop(*given).squeeze(), "an axis of length 1 is missing"),
            (lambda labels, classes, alpha: np.eye(classes)[labels], "expected 0.1, found 0"),
        ],
        right=[smooth_by_loop, lambda *given: smooth_by_loop(*given).astype("float32")],
    ),
    "weighted_risk": Answers(
        wrong=[
            (weighted_risk_in_place, "copy the argument"),
            (lambda a, y, v: weighted_risk_by_average(a, y, v)[0], "how many things"),
            (lambda a, y, v: weighted_risk_by_average(a, (y.T / y.sum(axis=1)).T, v), "not finite"),
            (edited(weighted_risk_by_average, "= softmax(a, axis=1) -> = naive_softmax(a)"), "not finite"),
        ],
        right=[weighted_risk_by_average, lambda *given: tuple(weighted_risk_by_average(*given))],
    ),
    "directional_check": Answers(
        wrong=[
            (check_entry_by_entry, "two values are enough"),
            (lambda *given, step=1e-5: check_by_loop(*given[:4]), "numeric: expected"),
        ],
        right=[check_by_loop, lambda *given, **step: list(check_by_loop(*given, **step))],
    ),
    "residual_backward": Answers(
        wrong=[
            (lambda *given: residual_by_einsum(*given)[:2], "how many things"),
            (lambda g, a, h, W, phi_prime: residual_by_einsum(g, a, h, W, leaky_prime), "at index"),
        ],
        right=[residual_by_einsum, lambda *given: list(residual_by_einsum(*given))],
    ),
    "tied_gradient": Answers(
        wrong=[
            (faulty_gradient, "more than one fault"),
            (edited(faulty_gradient, [AT_A, ONCE]), "overwritten"),
            (lambda *given: (tied_by_sample(*given)[0], {"W": given[1]["W"]}), "there is no slopes[b2]"),
        ],
        right=[edited(faulty_gradient, [AT_A, ONCE, ADDED]), tied_by_sample],
    ),
    "network_gradient": Answers(
        wrong=[
            (network_of_one_block, "one entry for each array"),
            (network_that_shrinks_its_weights, "copy the argument"),
            (network_by_sample, "no loop over the samples"),
        ],
        right=[network_by_recursion, lambda *given: list(network_by_recursion(*given))],
    ),
    "accumulated": Answers(
        wrong=[
            (lambda gradient, x, y, v, rows: gradient(x, y, v), "no part has more"),
            (lambda *given: accumulated_by_split(*given[:4], 1), "not finite"),
            (lambda *given: {1: accumulated_by_split(*given)[1]}, "expected a dictionary with the keys"),
        ],
        right=[
            accumulated_by_split,
            lambda *given: {k: np.float32(g) for k, g in accumulated_by_split(*given).items()},
        ],
    ),
    "worst_change": Answers(
        wrong=[
            (lambda g, *others: g + worst_by_division(g, *others), "expected"),
            (lambda *given: worst_by_division(*given).tolist(), "makes an array of a list"),
        ],
        right=[worst_by_division, lambda *given: worst_by_division(*given).astype("float32")],
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
