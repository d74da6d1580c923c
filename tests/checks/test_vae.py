"""Lab 10: what students answer, and what the check must say to it."""

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm

from nnlabs.checks import vae

from .harness import Answers, make_tests


def log_normal_by_scipy(z, mu, log_var):
    return norm.logpdf(z, mu, np.exp(log_var / 2)).sum(-1)


def log_normal_in_parts(z, mu, log_var):
    k = z.shape[-1]
    distance = ((z - mu) ** 2 * np.exp(-log_var)).sum(axis=-1)
    return -k / 2 * np.log(2 * np.pi) - log_var.sum(axis=-1) / 2 - distance / 2


def ops():
    from keras import ops

    return ops


def kl(mu, log_var, sign=1):
    return sign * ops().sum(mu**2 + ops().exp(log_var) - log_var - 1, axis=-1) / 2


def kl_in_numpy(mu, log_var):
    return 0.5 * np.sum(np.square(mu) + np.exp(log_var) - log_var - 1, axis=-1)


def kl_by_deviation(mu, log_var):
    sigma = ops().exp(log_var / 2)
    terms = -ops().log(sigma) + (ops().square(sigma) + ops().square(mu)) / 2 - 0.5
    return ops().sum(terms, axis=-1)


def elbo(x, W, b, s, mu, log_var, noise=1.0, divergence=1.0, constant=1.0):
    error = np.sum((x - W @ mu - b) ** 2) + noise * np.exp(log_var) @ np.square(W).sum(axis=0)
    first = -constant * len(x) / 2 * np.log(2 * np.pi) - len(x) * np.log(s) - error / (2 * s**2)
    return first - divergence * kl_in_numpy(mu, log_var)


def elbo_by_trace(x, W, b, s, mu, log_var):
    first = multivariate_normal(W @ mu + b, s**2 * np.eye(len(x))).logpdf(x)
    first -= np.trace(W @ np.diag(np.exp(log_var)) @ W.T) / (2 * s**2)
    return first - kl_in_numpy(mu, log_var)


def elbo_keeps_float32(x, W, b, s, mu, log_var):
    return elbo(x, W, b, s, mu, log_var, divergence=0) - kl(mu.astype("float32"), log_var.astype("float32"))


def sampling(formula=None, draw=None, method="reparametrise"):
    """Return a student's class, with another formula or another way to draw eps; Keras is loaded late."""

    def build(seed=1):
        return sampling_class(formula, draw, method)(seed)

    return build


def sampling_class(formula=None, draw=None, method="reparametrise"):
    import keras

    formula = formula or (lambda mu, log_var, eps: mu + keras.ops.exp(0.5 * log_var) * eps)
    draw = draw or drawn()

    class Sampling(keras.layers.Layer):
        def __init__(self, seed=1, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(seed)

        def call(self, mu, log_var):
            return formula(mu, log_var, draw(self, mu))

    setattr(Sampling, method, lambda self, mu, log_var, eps: formula(mu, log_var, eps))
    return Sampling


def drawn(shape=lambda mu: ops().shape(mu), **options):
    """Return a way to draw eps by Keras, with the given options."""

    def draw(layer, mu):
        import keras

        eps = keras.random.normal(shape(mu), **{"seed": layer.seed_generator, **options})
        return eps + 0 * mu  # a smaller eps is repeated, as by the student's formula

    return draw


def through_numpy(mu, log_var, eps):
    return np.asarray(mu) + np.exp(np.asarray(log_var) / 2) * np.asarray(eps)


def unfinished(mu, log_var, eps):
    raise NotImplementedError


def two_shares(z_a, z_b, n):
    codes = [z_a * (1 - i / (n - 1)) + z_b * (i / (n - 1)) for i in range(n)]
    return np.array(codes)


def likelihood(x, logits, axis=-1):
    return ops().sum(x * logits - ops().softplus(logits), axis=axis)


def likelihood_of_probabilities(x, logits):
    p = ops().sigmoid(logits)
    return ops().sum(x * ops().log(p) + (1 - x) * ops().log(1 - p), axis=-1)


def likelihood_by_cross_entropy(x, logits):
    return -ops().sum(ops().binary_crossentropy(x, logits, from_logits=True), axis=-1)


def likelihood_by_log_sigmoid(x, logits):
    yes, no = ops().log_sigmoid(logits), ops().log_sigmoid(-logits)
    return ops().sum(x * yes + (1 - x) * no, axis=-1)


def likelihood_in_numpy(x, logits):
    return np.sum(x * logits - np.logaddexp(0, logits), axis=-1)


def loss(x, logits, mu, log_var, beta):
    return ops().mean(beta * kl(mu, log_var) - likelihood(x, logits))


def loss_in_parts(x, logits, mu, log_var, beta):
    reconstruction = -ops().sum(likelihood(x, logits)) / ops().shape(x)[0]
    return reconstruction + beta * ops().mean(kl(mu, log_var))


ANSWERS = {
    "log_normal": Answers(
        wrong=[
            (
                lambda z, mu, log_var: (
                    log_normal_by_scipy(z, mu, log_var) + z.shape[-1] / 2 * np.log(2 * np.pi)
                ),
                "2 pi is missing",
            ),
            (
                lambda z, mu, log_var: (
                    log_normal_by_scipy(z, mu, log_var) + (z.shape[-1] - 1) / 2 * np.log(2 * np.pi)
                ),
                "has its own",
            ),
            (lambda z, mu, log_var: norm.logpdf(z, mu, np.exp(log_var / 2)), "not summed yet"),
            (lambda z, mu, log_var: norm.logpdf(z, mu, np.exp(log_var / 2)).mean(-1), "this is the mean"),
            (lambda z, mu, log_var: norm.logpdf(z, mu, np.exp(log_var / 2)).sum(), "its own density"),
            (lambda z, mu, log_var: norm.pdf(z, mu, np.exp(log_var / 2)).prod(-1), "its logarithm is wanted"),
            (lambda z, mu, log_var: norm.logpdf(z, mu, np.exp(log_var)).sum(-1), "not squared again"),
            (
                lambda z, mu, log_var: (
                    -0.5 * np.sum(np.log(2 * np.pi) + log_var + (z - mu) ** 2 / np.exp(log_var / 2), -1)
                ),
                "divides by the standard deviation",
            ),
            (lambda z, mu, log_var: norm.logpdf(z, mu, np.sqrt(log_var)).sum(-1), "for the variance itself"),
            (
                lambda z, mu, log_var: (norm.logpdf(z, mu, np.exp(log_var / 2)) + log_var / 2).sum(-1),
                "log_var is missing",
            ),
            (
                lambda z, mu, log_var: (norm.logpdf(z, mu, np.exp(log_var / 2)) + log_var).sum(-1),
                "sign of log_var",
            ),
            (
                lambda z, mu, log_var: (
                    -0.5 * (np.log(2 * np.pi) + log_var) - (z - mu) ** 2 / np.exp(log_var)
                ).sum(-1),
                "factor 1/2 too",
            ),
            (lambda z, mu, log_var: None, "return statement"),
        ],
        right=[log_normal_by_scipy, log_normal_in_parts],
    ),
    "kl_to_prior": Answers(
        wrong=[
            (lambda mu, log_var: kl(mu, log_var, sign=-1), "never negative"),
            (lambda mu, log_var: kl(mu, log_var, sign=2), "factor 1/2"),
            (lambda mu, log_var: 0.5 * (mu**2 + np.exp(log_var) - log_var - 1), "not summed yet"),
            (lambda mu, log_var: kl(mu, log_var) / mu.shape[-1], "this is the mean"),
            (lambda mu, log_var: ops().sum(kl(mu, log_var)), "last axis only"),
            (lambda mu, log_var: ops().mean(kl(mu, log_var)), "comes later"),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var) - log_var - 1, axis=0),
                "over the images",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var) - log_var, axis=-1),
                "A constant is missing",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var) ** 2 - log_var - 1, axis=-1),
                "not squared again",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var / 2) - log_var - 1, axis=-1),
                "formula has the variance",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu + ops().exp(log_var) - log_var - 1, axis=-1),
                "has to be squared",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + log_var - ops().log(log_var) - 1, axis=-1),
                "variance itself",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var) - 1, axis=-1),
                "- log_var is missing",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum(mu**2 + ops().exp(log_var) + log_var - 1, axis=-1),
                "sign of log_var",
            ),
            (
                lambda mu, log_var: 0.5 * ops().sum((mu**2 + 1) * ops().exp(-log_var) + log_var - 1, axis=-1),
                "this is KL(p, q)",
            ),
            (kl_in_numpy, "use keras.ops"),
        ],
        right=[kl, kl_by_deviation, lambda mu, log_var: -kl(mu, log_var, sign=-1)],
    ),
    "elbo_linear_gaussian": Answers(
        wrong=[
            (lambda *case: elbo(*case, divergence=-1), "subtracted, not added"),
            (lambda *case: elbo(*case, divergence=0), "divergence from the prior is missing"),
            (lambda *case: elbo(*case, noise=0), "also varies around mu"),
            (
                lambda x, W, b, s, mu, v: elbo(x, W, b, s, mu, 2 * v, divergence=0) - kl_in_numpy(mu, v),
                "not squared again",
            ),
            (
                lambda x, W, b, s, mu, v: elbo(x, W, b, s, mu, v / 2, divergence=0) - kl_in_numpy(mu, v),
                "not the standard deviations",
            ),
            (lambda *case: elbo(*case, constant=0), "2 pi is missing"),
            (
                lambda x, W, b, s, mu, v: (
                    elbo(x, W, b, s, mu, v) + (len(x) - 1) / 2 * np.log(2 * np.pi * s**2)
                ),
                "each of the D numbers",
            ),
            (lambda x, W, b, s, mu, v: elbo(x, W, 0 * b, s, mu, v), "where is b"),
            (lambda x, W, b, s, mu, v: elbo(x, W, b, np.sqrt(s), mu, v), "has its square"),
            (lambda *case: -elbo(*case), "The bound is wanted"),
            (
                lambda x, W, b, s, mu, v: (
                    elbo(x, W, b, s, mu, v, noise=0) - np.exp(v).sum() * np.sum(W**2) / (2 * s**2)
                ),
                "which column",
            ),
            (lambda x, W, b, s, mu, v: elbo(x, W.T, b, s, mu, v), "matmul"),
        ],
        right=[elbo, elbo_by_trace, elbo_keeps_float32],
    ),
    "Sampling": Answers(
        wrong=[
            (
                sampling(lambda mu, log_var, eps: mu + ops().exp(log_var) * eps),
                "what is the standard deviation",
            ),
            (sampling(lambda mu, log_var, eps: mu + log_var * eps), "which is a logarithm"),
            (sampling(lambda mu, log_var, eps: mu + 0.5 * log_var * eps), "what is missing"),
            (sampling(lambda mu, log_var, eps: mu + 0.5 * ops().exp(log_var) * eps), "into the exponent"),
            (sampling(lambda mu, log_var, eps: mu + ops().exp(log_var * 2) * eps), "fourth power"),
            (sampling(lambda mu, log_var, eps: mu + ops().exp(-log_var / 2) * eps), "sign in the exponent"),
            (sampling(lambda mu, log_var, eps: ops().exp(log_var / 2) * eps), "where is mu"),
            (sampling(lambda mu, log_var, eps: mu + ops().exp(log_var / 2)), "where is eps"),
            (sampling(lambda mu, log_var, eps: ops().exp(log_var / 2) * (mu + eps)), "only eps is stretched"),
            (sampling(draw=drawn(seed=1)), "a plain number repeats"),
            (sampling(draw=drawn(shape=lambda mu: mu.shape)), "ops.shape(mu)"),
            (sampling(draw=drawn(shape=lambda mu: ops().shape(mu)[-1:])), "each row needs its own"),
            (sampling(draw=drawn(shape=lambda mu: (ops().shape(mu)[0], 1))), "not one number for each row"),
            (sampling(draw=drawn(seed=None)), "give the layer's seed_generator"),
            (sampling(draw=drawn(mean=1.0)), "mean of eps"),
            (sampling(draw=drawn(stddev=2.0)), "standard deviation of eps"),
            (sampling(through_numpy), "use keras.ops"),
            (sampling(method="sample"), "keep the lines"),
            (sampling(unfinished), "not done yet"),
            (lambda mu, log_var: mu, "keep the first line"),
        ],
        right=[
            sampling(),
            sampling(lambda mu, log_var, eps: ops().sqrt(ops().exp(log_var)) * eps + mu),
            sampling(draw=drawn(shape=lambda mu: (ops().shape(mu)[0], mu.shape[-1]))),
        ],
    ),
    "log_bernoulli": Answers(
        wrong=[
            (lambda x, logits: -likelihood(x, logits), "minus the log-likelihood"),
            (lambda x, logits: likelihood(x, logits) / x.shape[-1], "mean over the pixels"),
            (
                lambda x, logits: ops().mean(ops().binary_crossentropy(x, logits, from_logits=True), -1),
                "sign is that of a loss",
            ),
            (lambda x, logits: x * logits - np.logaddexp(0, logits), "not summed yet."),
            (lambda x, logits: ops().binary_crossentropy(x, logits, from_logits=True), "not summed yet, and"),
            (lambda x, logits: ops().sum(likelihood(x, logits)), "over the pixels only"),
            (lambda x, logits: ops().mean(likelihood(x, logits)), "comes later"),
            (lambda x, logits: likelihood(x, logits, axis=0), "runs over the images"),
            (lambda x, logits: ops().sum(x * ops().log_sigmoid(logits), axis=-1), "black pixels"),
            (
                lambda x, logits: (x * np.log(logits) + (1 - x) * np.log(1 - logits)).sum(-1),
                "not probabilities yet",
            ),
            (lambda x, logits: likelihood(x, -logits), "look at the sign"),
            (lambda x, logits: -ops().sum((x - ops().sigmoid(logits)) ** 2, axis=-1), "squared error"),
            (likelihood_of_probabilities, "overflows"),
            (likelihood_in_numpy, "use keras.ops"),
        ],
        right=[likelihood, likelihood_by_cross_entropy, likelihood_by_log_sigmoid],
    ),
    "vae_loss": Answers(
        wrong=[
            (lambda *case: -loss(*case), "fit minimises"),
            (lambda x, a, mu, v, beta: loss(x, a, mu, v, -beta), "sign of the divergence"),
            (
                lambda x, a, mu, v, beta: ops().mean(likelihood(x, a) + beta * kl(mu, v)),
                "sign of the reconstruction",
            ),
            (lambda x, a, mu, v, beta: beta * kl(mu, v) - likelihood(x, a), "one number for the batch"),
            (lambda x, a, mu, v, beta: loss(x, a, mu, v, beta) * x.shape[0], "the sum over the images"),
            (lambda x, a, mu, v, beta: loss(x, a, mu, v, 0.0), "where is the divergence"),
            (lambda x, a, mu, v, beta: beta * ops().mean(kl(mu, v)), "where is the reconstruction"),
            (lambda x, a, mu, v, beta: loss(x, a, mu, v, 1.0), "where is beta"),
            (
                lambda x, a, mu, v, beta: ops().mean(kl(mu, v) - beta * likelihood(x, a)),
                "not the reconstruction",
            ),
            (lambda x, a, mu, v, beta: beta * loss(x, a, mu, v, 1.0), "divergence only"),
            (lambda x, a, mu, v, beta: ops().mean(beta * kl(mu, v) - likelihood(x, a) / 6), "not their mean"),
            (lambda x, a, mu, v, beta: loss(x, a, mu, v, beta / 3), "so the divergence is summed"),
            (
                lambda x, a, mu, v, beta: np.mean(beta * kl_in_numpy(mu, v) - likelihood_in_numpy(x, a)),
                "use keras.ops",
            ),
            (lambda *case: float(loss(*case)), "not float()"),
        ],
        right=[loss, loss_in_parts],
    ),
    "importance_weighted_bound": Answers(
        wrong=[
            (lambda log_joint, log_q: np.mean(log_joint - log_q, axis=0), "the ELBO"),
            (lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=0), "sum of the weights"),
            (
                lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=0) + np.log(len(log_q)),
                "wrong sign",
            ),
            (
                lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=1) - np.log(log_q.shape[1]),
                "axis 0",
            ),
            (
                lambda log_joint, log_q: logsumexp(log_q - log_joint, axis=0) - np.log(len(log_q)),
                "turn it round",
            ),
            (lambda log_joint, log_q: logsumexp(log_joint, axis=0) - np.log(len(log_q)), "where is q"),
            (
                lambda log_joint, log_q: np.log(np.mean(np.exp(log_joint + log_q), axis=0)),
                "ratio is a difference",
            ),
            (lambda log_joint, log_q: logsumexp(log_joint, axis=0) - logsumexp(log_q, axis=0), "one by one"),
            (lambda log_joint, log_q: np.mean(np.exp(log_joint - log_q), axis=0), "its logarithm is wanted"),
            (lambda log_joint, log_q: logsumexp(log_joint - log_q) - np.log(log_q.size), "its own bound"),
            (
                lambda log_joint, log_q: (logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q))).mean(),
                "comes later",
            ),
            (
                lambda log_joint, log_q: np.log(np.mean(np.exp(log_joint - log_q), axis=0)),
                "take out the largest",
            ),
        ],
        right=[
            lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q)),
            lambda log_joint, log_q: logsumexp(log_joint - log_q, axis=0, b=1 / len(log_q)),
            lambda log_joint, log_q: (
                (log_joint - log_q).max(0)
                + np.log(np.exp(log_joint - log_q - (log_joint - log_q).max(0)).mean(0))
            ),
        ],
    ),
    "interpolate": Answers(
        wrong=[
            (lambda z_a, z_b, n: np.linspace(z_b, z_a, n), "runs backwards"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n, endpoint=False), "last code should be z_b"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n + 1)[1:], "first code should be z_a"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n + 2)[1:-1], "both ends"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n + 1), "one code too many"),
            (lambda z_a, z_b, n: np.linspace(z_a, z_b, n).T, "transposed"),
            (lambda z_a, z_b, n: z_a + np.linspace(0, 1, n)[:, None] * z_b, "sum to 1"),
            (lambda z_a, z_b, n: z_a + np.linspace(0, 1, n)[:, None] * (z_a - z_b), "beyond z_b"),
            (lambda z_a, z_b, n: z_a + np.linspace(0, 1, n) * (z_b - z_a), "broadcast"),
        ],
        right=[
            np.linspace,
            two_shares,
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


def test_the_likelihood_is_a_probability():
    logits = np.array([[0.3, -2.0, 1.1]], "float32")
    images = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T.astype("float32")
    log_p = np.asarray(vae.log_bernoulli.reference(images, logits))
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(np.exp(log_p[images.sum(axis=1) == 3]), expit(logits).prod(), rtol=1e-5)


def test_a_class_passes():
    attempt = sampling_class()
    assert vae.Sampling(attempt) is attempt
    assert vae.Sampling.diagnose(sampling_class(through_numpy)) is not None
