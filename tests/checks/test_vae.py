"""Lab 10: what students answer, and what the check must say to it."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
import pytest
from keras import ops
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm

from nnlabs.checks import vae

from .harness import Answers, make_tests


def log_normal_in_parts(z, mu, log_var):
    k = z.shape[-1]
    distance = ((z - mu) ** 2 * np.exp(-log_var)).sum(axis=-1)
    return -k / 2 * np.log(2 * np.pi) - log_var.sum(axis=-1) / 2 - distance / 2


def log_normal_in_keras(z, mu, log_var):
    z, mu, log_var = (ops.convert_to_tensor(part, "float64") for part in (z, mu, log_var))
    return ops.sum(-0.5 * (np.log(2 * np.pi) + log_var + ops.square(z - mu) / ops.exp(log_var)), axis=-1)


def kl(mu, log_var):
    return ops.sum(mu**2 + ops.exp(log_var) - log_var - 1, axis=-1) / 2


def kl_in_numpy(mu, log_var):
    return 0.5 * np.sum(np.square(mu) + np.exp(log_var) - log_var - 1, axis=-1)


def kl_by_deviation(mu, log_var):
    sigma = ops.exp(log_var / 2)
    terms = -ops.log(sigma) + (ops.square(sigma) + ops.square(mu)) / 2 - 0.5
    return ops.sum(terms, axis=-1)


def elbo(x, W, b, s, mu, log_var):
    error = np.sum((x - W @ mu - b) ** 2) + np.exp(log_var) @ np.square(W).sum(axis=0)
    first = -len(x) / 2 * np.log(2 * np.pi) - len(x) * np.log(s) - error / (2 * s**2)
    return first - kl_in_numpy(mu, log_var)


def elbo_by_trace(x, W, b, s, mu, log_var):
    first = multivariate_normal(W @ mu + b, s**2 * np.eye(len(x))).logpdf(x)
    return first - np.trace(W @ np.diag(np.exp(log_var)) @ W.T) / (2 * s**2) - kl_in_numpy(mu, log_var)


def elbo_keeps_float32(x, W, b, s, mu, log_var):
    mu32, log_var32 = mu.astype("float32"), log_var.astype("float32")
    return elbo(x, W, b, s, mu, log_var) + kl_in_numpy(mu, log_var) - kl(mu32, log_var32)


def elbo_by_draws(x, W, b, s, mu, log_var):
    z = mu + np.exp(log_var / 2) * np.random.default_rng(1).normal(size=(1000, len(mu)))
    return norm.logpdf(x, z @ W.T + b, s).sum(axis=1).mean() - kl_in_numpy(mu, log_var)


def reparametrised(mu, log_var, eps):
    return mu + ops.exp(0.5 * log_var) * eps


def drawn(shape=ops.shape, **options):
    """Return a way to draw eps by Keras, with the given options."""

    def draw(layer, mu):
        eps = keras.random.normal(shape(mu), **{"seed": layer.seed_generator, **options})
        return eps + 0 * mu  # a smaller eps is repeated, as by the student's formula

    return draw


def sampling(formula=reparametrised, draw=None, method="reparametrise", call=None, first=None):
    """Return a student's class, with another formula, another way to draw eps, or another method."""
    draw = draw or drawn()

    class Sampling(keras.layers.Layer):
        def __init__(self, seed=1, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(first or seed)

        def call(self, mu, log_var):
            return (call or formula)(mu, log_var, draw(self, mu))

    setattr(Sampling, method, lambda self, mu, log_var, eps: formula(mu, log_var, eps))
    return Sampling


def through_numpy(mu, log_var, eps):
    return np.asarray(mu) + np.exp(np.asarray(log_var) / 2) * np.asarray(eps)


def unfinished(mu, log_var, eps):
    raise NotImplementedError


def likelihood(x, logits):
    return ops.sum(x * logits - ops.softplus(logits), axis=-1)


def likelihood_of_probabilities(x, logits):
    p = ops.sigmoid(logits)
    return ops.sum(x * ops.log(p) + (1 - x) * ops.log(1 - p), axis=-1)


def likelihood_by_log_sigmoid(x, logits):
    return ops.sum(x * ops.log_sigmoid(logits) + (1 - x) * ops.log_sigmoid(-logits), axis=-1)


def likelihood_in_numpy(x, logits):
    return np.sum(x * logits - np.logaddexp(0, logits), axis=-1)


def loss(x, logits, mu, log_var, beta):
    return ops.mean(beta * kl(mu, log_var) - likelihood(x, logits))


def loss_over(count):
    """Return the loss as a sum divided by ``count(x)``."""
    return lambda x, a, mu, v, beta: ops.sum(beta * kl(mu, v) - likelihood(x, a)) / count(x)


def bound(log_joint, log_q):
    return logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q))


def bound_by_the_largest_of_all(log_joint, log_q):
    weights = log_joint - log_q
    return weights.max() + np.log(np.mean(np.exp(weights - weights.max()), axis=0))


def bound_by_the_largest(log_joint, log_q):
    weights = log_joint - log_q
    return weights.max(0) + np.log(np.exp(weights - weights.max(0)).mean(0))


def codes_of_the_same_type(z_a, z_b, n):
    codes = np.zeros((n, len(z_a)), dtype=z_a.dtype)
    for i in range(n):
        codes[i] = z_a + (z_b - z_a) * i / (n - 1)
    return codes


def interpolate_in_float32(z_a, z_b, n):
    t = np.arange(n, dtype="float32").reshape(-1, 1) / (n - 1)
    return np.float32(z_a) * (1 - t) + np.float32(z_b) * t


ANSWERS = {
    "log_normal": Answers(
        wrong=[
            (lambda z, mu, v: norm.pdf(z, mu, np.exp(v / 2)).prod(-1), "its logarithm is wanted"),
            (lambda z, mu, v: -log_normal_in_parts(z, mu, v), "the sign is reversed"),
            (log_normal_in_keras, "use NumPy for the whole computation"),
            (lambda z, mu, v: None, "return statement"),
        ],
        right=[
            lambda z, mu, v: norm.logpdf(z, mu, np.exp(v / 2)).sum(-1),
            log_normal_in_parts,
            lambda *case: log_normal_in_parts(*(np.float32(part) for part in case)),
        ],
    ),
    "kl_to_prior": Answers(
        wrong=[
            (kl_in_numpy, "use keras.ops"),
            (lambda mu, v: kl(ops.stop_gradient(mu), v), "['gradients'][0]"),
            (lambda mu, v: [float(part) for part in kl(mu, v)], "expected an array, found a list"),
        ],
        right=[kl, kl_by_deviation, lambda mu, v: -ops.sum(1 + v - mu**2 - ops.exp(v), axis=-1) / 2],
    ),
    "elbo_linear_gaussian": Answers(
        wrong=[
            (lambda x, W, b, s, mu, v: elbo(x, W.T, b, s, mu, v), "expected -"),
            (elbo_by_draws, "expected -"),
        ],
        right=[elbo, elbo_by_trace, elbo_keeps_float32],
    ),
    "Sampling": Answers(
        wrong=[
            (
                sampling(draw=drawn(mean=1.0)),
                "['mean of each component']: expected [0, 0, 0], found [1, 1, 1]",
            ),
            (sampling(draw=drawn(stddev=2.0)), "expected [1, 1, 1], found [2, 2, 2]"),
            (sampling(first=3), "the constructor's seed"),
            (sampling(call=lambda mu, v, eps: reparametrised(v, mu, eps)), "in this order"),
            (sampling(call=lambda mu, v, eps: mu + eps), "in this order"),
            (sampling(through_numpy), "use keras.ops"),
            (sampling(lambda mu, v, eps: ops.stop_gradient(reparametrised(mu, v, eps))), "['by mu']"),
            (sampling(method="sample"), "keep the lines"),
            (sampling(unfinished), "not done yet"),
            (sampling(call=unfinished), "not done yet"),
            (lambda mu, log_var: mu, "keep the first line"),
        ],
        right=[
            sampling(),
            sampling(lambda mu, v, eps: ops.sqrt(ops.exp(v)) * eps + mu),
            sampling(draw=drawn(shape=lambda mu: (ops.shape(mu)[0], mu.shape[-1]))),
            lambda seed=1: sampling()(seed),
        ],
    ),
    "log_bernoulli": Answers(
        wrong=[
            (
                lambda x, a: ops.mean(ops.binary_crossentropy(x, a, from_logits=True), -1),
                "mean over the pixels, and the sign is that of a loss",
            ),
            (likelihood_of_probabilities, "overflows"),
            (likelihood_in_numpy, "use keras.ops"),
            (lambda x, a: likelihood(x, ops.stop_gradient(a)), "derivative by the logits[1]"),
        ],
        right=[
            likelihood,
            likelihood_by_log_sigmoid,
            lambda x, a: -ops.sum(ops.binary_crossentropy(x, a, from_logits=True), axis=-1),
            lambda x, a: -ops.sum(ops.binary_crossentropy(x, ops.sigmoid(a)), axis=-1),
        ],
    ),
    "vae_loss": Answers(
        wrong=[
            (loss_over(lambda x: x.shape[0]), "the number of images is unknown"),
            (loss_over(lambda x: ops.shape(x)[0]), "ops.cast makes them float32"),
            (lambda *case: loss(*case[:4], int(case[4])), "expected"),
            (lambda x, a, mu, v, beta: loss(x, a, *map(ops.stop_gradient, (mu, v)), beta), "that by x[2]"),
            (
                lambda x, a, *case: np.mean(case[2] * kl_in_numpy(*case[:2]) - likelihood_in_numpy(x, a)),
                "ops",
            ),
            (lambda *case: float(loss(*case)), "not NumPy, float()"),
        ],
        right=[
            loss,
            loss_over(lambda x: ops.cast(ops.shape(x)[0], "float32")),
            lambda x, a, mu, v, beta: ops.abs(beta * ops.mean(kl(mu, v)) - ops.mean(likelihood(x, a))),
        ],
    ),
    "importance_weighted_bound": Answers(
        wrong=[
            (lambda log_joint, log_q: np.log(np.mean(np.exp(log_joint - log_q), axis=0)), "the largest"),
            (lambda log_joint, log_q: np.log(np.mean(np.exp(log_joint) / np.exp(log_q), axis=0)), "largest"),
            (bound_by_the_largest_of_all, "of each image"),
            (lambda *case: ops.convert_to_tensor(bound(*case)), "use NumPy"),
            (lambda *case: list(bound(*case)), "expected an array, found a list"),
        ],
        right=[
            bound,
            bound_by_the_largest,
            lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=0, b=1 / len(log_q)),
            lambda log_joint, log_q: bound(np.float32(log_joint), np.float32(log_q)),
        ],
    ),
    "interpolate": Answers(
        wrong=[
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n, endpoint=False), "last code should be z_b"),
            (lambda z_a, z_b, n: z_a + np.linspace(0, 1, n) * (z_b - z_a), "broadcast"),
            (codes_of_the_same_type, "created with dtype float"),
            (ops.linspace, "use NumPy"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n).tolist(), "found a list"),
        ],
        right=[
            np.linspace,
            interpolate_in_float32,
            lambda z_a, z_b, n: np.array([z_a * (1 - i / (n - 1)) + z_b * (i / (n - 1)) for i in range(n)]),
            lambda z_a, z_b, n: z_a + np.outer(np.arange(n) / (n - 1), z_b - z_a),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(vae, ANSWERS)


def test_the_references_are_the_textbooks():
    rng = np.random.default_rng(1)
    mu, log_var = rng.normal(size=(2, 3))
    z = mu + np.exp(log_var / 2) * rng.normal(size=(400_000, 3))
    log_q = vae.log_normal.reference(z, mu, log_var)
    expected = multivariate_normal(mu, np.diag(np.exp(log_var))).logpdf(z)
    np.testing.assert_allclose(log_q, expected)
    divergence = np.mean(log_q - vae.log_normal.reference(z, np.zeros(3), np.zeros(3)))
    assert float(vae.kl_to_prior.reference(mu, log_var)) == pytest.approx(divergence, abs=0.02)


def test_the_bound_of_the_linear_model_is_its_monte_carlo_estimate():
    rng = np.random.default_rng(1)
    case = vae._linear_gaussian(seed=3)
    x, W, b, s, mu, log_var = case
    z = mu + np.exp(log_var / 2) * rng.normal(size=(200_000, 2))
    log_joint = norm.logpdf(x, z @ W.T + b, s).sum(axis=1) + norm.logpdf(z).sum(axis=1)
    log_q = vae.log_normal.reference(z, mu, log_var)
    bound = vae.elbo_linear_gaussian.reference(*case)
    spread = 4 * np.std(log_joint - log_q) / np.sqrt(len(z))
    assert np.mean(log_joint - log_q) == pytest.approx(bound, abs=spread)
    log_p = multivariate_normal(b, W @ W.T + s**2 * np.eye(5)).logpdf(x)
    assert bound < log_p
    weighted = vae.importance_weighted_bound.reference(log_joint[:, None], log_q[:, None])
    assert bound < weighted[0] < log_p + 0.5


def test_the_bound_touches_the_likelihood_at_the_true_posterior():
    rng = np.random.default_rng(9)
    x, b, s = rng.normal(size=4), rng.normal(size=4), 0.8
    W = np.linalg.qr(rng.normal(size=(4, 2)))[0] * [2.0, 0.5]  # orthogonal columns: a diagonal posterior
    variance = 1 / (np.square(W).sum(axis=0) / s**2 + 1)
    found = vae.elbo_linear_gaussian.reference(
        x, W, b, s, variance * (W.T @ (x - b)) / s**2, np.log(variance)
    )
    assert found == pytest.approx(multivariate_normal(b, W @ W.T + s**2 * np.eye(4)).logpdf(x))


def test_the_likelihood_is_a_probability():
    logits = np.array([[0.3, -2.0, 1.1]], "float32")
    images = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T.astype("float32")
    log_p = np.asarray(vae.log_bernoulli.reference(images, logits))
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(np.exp(log_p[images.sum(axis=1) == 3]), expit(logits).prod(), rtol=1e-5)
