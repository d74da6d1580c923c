"""Lab 10: what students answer, and what the check must say to it."""

import numpy as np
import pytest
from keras import ops  # loaded here, so that its import is not part of a check's time limit
from scipy.optimize import minimize
from scipy.stats import laplace, multivariate_normal, norm

from nnlabs.checks import vae

from .harness import Answers, make_tests


def kl(mu, v, nu, t):
    return (np.exp(v - t) + (mu - nu) ** 2 * np.exp(-t) + t - v - 1).sum(-1) / 2


def kl_by_draws(mu, v, nu, t):
    z = mu + np.exp(v / 2) * np.random.default_rng(1).normal(size=(10_000, *mu.shape))
    return (norm.logpdf(z, mu, np.exp(v / 2)) - norm.logpdf(z, nu, np.exp(t / 2))).sum(-1).mean(0)


def fit(x, mean):
    b = np.abs(x - mean).mean()
    return b, laplace.logpdf(x, mean, b).sum(axis=1)


def fit_by_search(x, mean):
    grid = np.linspace(0.1, 4, 100)
    b = grid[np.argmin([np.abs(x - mean).mean() / b + np.log(b) for b in grid])]
    return b, laplace.logpdf(x, mean, b).sum(axis=1)


def slopes(x, W, b, s, mu, v):
    precision = np.eye(len(mu)) + W.T @ W / s**2
    return W.T @ (x - b) / s**2 - precision @ mu, (1 - np.exp(v) * np.diag(precision)) / 2


def slopes_by_quotients(x, W, b, s, mu, v, h=1e-5):
    k, at = len(mu), np.concatenate([mu, v]).astype(float)

    def value(at):
        mean, log_var = at[:k], at[k:]
        error = np.sum((x - W @ mean - b) ** 2) + np.sum(np.exp(log_var) * np.sum(W**2, axis=0))
        return -error / (2 * s**2) - kl(mean, log_var, 0, 0)

    found = np.array([(value(at + h * e) - value(at - h * e)) / (2 * h) for e in np.eye(2 * k)])
    return found[:k], found[k:]


def optimum(v, s, beta):
    kept = np.clip(1 - beta * s**2 / v, 0, None)
    return np.sqrt(v * kept), -np.log(1 - kept) / 2


def loss(x, logits, mu, v, free):
    pixels = -ops.sum(x * ops.log_sigmoid(logits) + (1 - x) * ops.log_sigmoid(-logits), axis=1)
    divergences = ops.mean(ops.square(mu) + ops.exp(v) - v - 1, axis=0) / 2
    return ops.mean(pixels) + ops.sum(ops.where(divergences > free, divergences, free))


def loss_over(count):
    """Return the loss as a sum over the images divided by ``count(x)``."""

    def result(x, logits, mu, v, free):
        pixels = ops.sum(ops.softplus(logits) - x * logits) / count(x)
        paid = ops.maximum(ops.sum(0.5 * (mu**2 + ops.exp(v) - v - 1), axis=0) / count(x), free)
        return pixels + ops.sum(paid)

    return result


def loss_of_probabilities(x, logits, mu, v, free):
    p = ops.sigmoid(logits)
    pixels = -ops.sum(x * ops.log(p) + (1 - x) * ops.log(1 - p), axis=-1)
    return ops.mean(pixels) + loss(x, 0 * logits, mu, v, free) - x.shape[1] * np.log(2)


def draws(log_joint, log_q):
    w = log_joint - log_q
    w = np.exp(w - w.max(axis=0))
    return 1 / np.sum((w / w.sum(axis=0)) ** 2, axis=0)


def prior(mu, v):
    return mu.mean(0), np.log(np.mean(np.exp(v) + mu**2, axis=0) - mu.mean(0) ** 2)


def arc(z_a, z_b, n):
    lengths = np.linalg.norm(z_a) * np.linalg.norm(z_b)
    angle = np.arccos(np.clip(np.dot(z_a, z_b) / lengths, -1, 1))
    if angle < 1e-6:
        return np.linspace(z_a, z_b, n)
    steps = np.arange(n) / (n - 1) * angle
    return np.array([np.sin(angle - step) * z_a + np.sin(step) * z_b for step in steps]) / np.sin(angle)


def in_float32(function):
    return lambda *arguments: function(*(np.float32(part) for part in arguments))


ANSWERS = {
    "kl_diagonal": Answers(
        wrong=[
            (kl_by_draws, "expected"),
            (lambda *case: ops.convert_to_tensor(kl(*case)), "use NumPy"),
            (lambda *case: list(kl(*case)), "expected an array, found a list"),
            (lambda *case: None, "return statement"),
        ],
        right=[kl, in_float32(kl)],
    ),
    "laplace_fit": Answers(
        wrong=[
            (lambda x, mean: fit(x, mean)[1], "expected 2 values"),
            (fit_by_search, "expected"),
        ],
        right=[fit, in_float32(fit)],
    ),
    "elbo_slopes": Answers(
        wrong=[
            (lambda x, W, b, s, mu, v: slopes(x, W.T, b, s, mu, v), "shapes"),
            (lambda *case: np.concatenate(slopes(*case)), "expected 2 values"),
        ],
        right=[slopes, slopes_by_quotients],
    ),
    "beta_optimum": Answers(
        wrong=[
            (lambda v, s, beta: optimum(v, s, beta)[0], "expected 2 values"),
            (lambda v, s, beta: tuple(map(list, optimum(v, s, beta))), "found a list"),
        ],
        right=[optimum, in_float32(optimum)],
    ),
    "vae_loss": Answers(
        wrong=[
            (loss_over(lambda x: x.shape[0]), "the number of images is unknown"),
            (loss_over(lambda x: ops.shape(x)[0]), "ops.cast makes them float32"),
            (loss_of_probabilities, "not finite"),
            (
                lambda x, a, mu, v, free: loss(x, a, *map(ops.stop_gradient, (mu, v)), free),
                "needs derivatives",
            ),
            (lambda *case: loss(*case[:4], int(case[4])), "expected"),
            (lambda *case: float(loss(*case)), "not NumPy, float()"),
        ],
        right=[loss, loss_over(lambda x: ops.cast(ops.shape(x)[0], "float32"))],
    ),
    "effective_draws": Answers(
        wrong=[
            (lambda *case: list(draws(*case)), "expected an array, found a list"),
            (lambda *case: ops.convert_to_tensor(draws(*case)), "use NumPy"),
        ],
        right=[draws, in_float32(draws)],
    ),
    "best_prior": Answers(
        wrong=[
            (lambda mu, v: np.array(prior(mu, v)).T, "expected"),
            (lambda mu, v: (np.zeros(mu.shape[1]), prior(mu, v)[1]), "best_prior("),
        ],
        right=[prior, in_float32(prior)],
    ),
    "slerp": Answers(
        wrong=[
            (lambda z_a, z_b, n: arc(z_a, z_b, n).tolist(), "found a list"),
            (lambda z_a, z_b, n: arc(z_a, z_b, n).astype(int), "slerp("),
        ],
        right=[arc, lambda *case: np.float32(arc(*case))],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(vae, ANSWERS)


def test_the_divergence_is_the_mean_of_its_definition():
    mu, v, nu, t = np.random.default_rng(1).normal(size=(4, 3))
    z = mu + np.exp(v / 2) * np.random.default_rng(2).normal(size=(400_000, 3))
    q, p = (multivariate_normal(mean, np.diag(np.exp(log_var))) for mean, log_var in ((mu, v), (nu, t)))
    found = vae.kl_diagonal.reference(mu, v, nu, t)
    assert found == pytest.approx(np.mean(q.logpdf(z) - p.logpdf(z)), abs=0.02)


def test_no_search_finds_a_better_linear_model():
    s, beta = 0.8, 2.0
    for v in (0.5, 1.2, 3.0, 9.0):

        def minus_j(parameters, v=v):
            w, a, log_var = parameters
            error = (1 - w * a) ** 2 * v + w**2 * np.exp(log_var)
            return error / (2 * s**2) + beta / 2 * (a**2 * v + np.exp(log_var) - log_var - 1)

        w, divergence = (part[0] for part in vae.beta_optimum.reference(np.array([v]), s, beta))
        found = minimize(minus_j, [1, 0.1, 0], tol=1e-12).x
        assert abs(found[0]) == pytest.approx(w, abs=1e-3)
        assert (found[1] ** 2 * v + np.exp(found[2]) - found[2] - 1) / 2 == pytest.approx(
            divergence, abs=1e-4
        )


def test_no_search_finds_a_better_prior_or_width():
    mu, v = np.random.default_rng(3).normal(size=(2, 7, 2))
    found = minimize(lambda p: kl(mu, v, p[:2], p[2:]).mean(), np.zeros(4)).x
    np.testing.assert_allclose(found, np.concatenate(vae.best_prior.reference(mu, v)), atol=1e-4)
    b, _ = vae.laplace_fit.reference(mu, v)
    search = minimize(lambda p: -laplace.logpdf(mu, v, np.exp(p[0])).sum(), [0.0])
    assert b == pytest.approx(np.exp(search.x[0]), rel=1e-4)
