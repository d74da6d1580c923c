"""Checks of lab 10: densities, the evidence lower bound, reparametrisation, and the loss of a VAE.

Images and codes are rows: a batch of n codes has the shape (n, k). Keras is loaded only by the
exercises that use it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

LOG_2PI = np.log(2 * np.pi)


def _numbers(*shapes, seed, dtype="float64"):
    """Return random arrays, each of one of the shapes."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


def _float32(*arrays):
    return tuple(np.array(values, "float32") for values in arrays)


# 1. The Gaussian density --------------------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([[1, 2], [3, 0]]), np.array([[0, 2], [1, 1]]), np.array([[0, 1], [2, -1]])),
        _numbers((3,), (3,), (3,), seed=2),
        _numbers((5, 4, 2), (4, 2), (4, 2), seed=3),
    ],
    mistakes={
        "the constant with 2 pi is missing.": "LOG_2PI + log_var -> log_var",
        "the constant with 2 pi is there once; each of the k numbers of z has its own.": [
            "LOG_2PI + log_var -> log_var",
            "return total -> return total - 0.5 * LOG_2PI",
        ],
        "the k terms are not summed yet.": "return total -> return -0.5 * terms",
        "this is the mean over the last axis; the logarithm of a product is a sum.": "np.sum -> np.mean",
        "each code has its own density: sum over the last axis only.": ", axis=-1 -> ",
        "the sum runs over the codes; it should run over the numbers of each, the last axis.": "-1) -> 0)",
        "this is the density; its logarithm is wanted.": "return total -> return np.exp(total)",
        "this divides by the standard deviation; the density has the variance there.": (
            "np.exp(log_var) -> np.exp(0.5 * log_var)"
        ),
        "log_var is the logarithm of the variance: it is not squared again.": [
            "LOG_2PI + log_var -> LOG_2PI + 2 * log_var",
            "np.exp(log_var) -> np.exp(2 * log_var)",
        ],
        "this takes log_var for the variance itself; it is its logarithm.": [
            "LOG_2PI + log_var -> LOG_2PI + np.log(log_var)",
            "np.exp(log_var) -> log_var",
        ],
        "this divides by log_var, which is a logarithm: what is the variance?": "np.exp(log_var) -> log_var",
        "the term log_var is missing: a wide density is also a low one.": "LOG_2PI + log_var -> LOG_2PI",
        "look at the sign of log_var: a wide density is a low one.": "LOG_2PI + log_var -> LOG_2PI - log_var",
        "the square of the distance has a factor 1/2 too.": "np.square(z - mu) -> 2 * np.square(z - mu)",
        "the distance from mu is squared.": "np.square(z - mu) -> (z - mu)",
        "where is mu?": "z - mu -> z",
    },
    rtol=1e-5,  # in float32
    atol=1e-5,
)
def log_normal(z, mu, log_var):
    """Return log N(z; mu, diag(exp(log_var))) for each code: the last axis is summed."""
    terms = LOG_2PI + log_var + np.square(z - mu) / np.exp(log_var)
    total = -0.5 * np.sum(terms, axis=-1)
    return total


# 2. The divergence from the prior -----------------------------------------------------------------

_CODES = _float32([[1, 2], [3, 0]], [[0, 0], [1, -1]])  # mu and log_var


@exercise(
    cases=[_CODES, _numbers((3,), (3,), seed=5, dtype="float32")],
    mistakes={
        "the sign is reversed: a divergence is never negative.": "0.5 -> -0.5",
        "the factor 1/2 is missing.": "0.5 * -> ",
        "the factor 1/2 belongs to every term.": ["0.5 * -> ", "ops.square(mu) -> 0.5 * ops.square(mu)"],
        "the k terms are not summed yet.": "return total -> return 0.5 * terms",
        "this is the mean over the k numbers of a code; the divergence is their sum.": "ops.sum -> ops.mean",
        "each image has its own divergence: sum over the last axis only.": ", axis=-1 -> ",
        "each image has its own divergence; the mean comes later.": "return total -> return ops.mean(total)",
        "the sum runs over the images; it should run over the numbers of a code, the last axis.": "-1) -> 0)",
        "what is the divergence of N(0, I) from itself? A constant is missing.": "- log_var - 1 -> - log_var",
        "exp(log_var) is the variance: it is not squared again.": "ops.exp(log_var) -> ops.exp(2 * log_var)",
        "this uses the standard deviation exp(log_var / 2); the formula has the variance.": (
            "ops.exp(log_var) -> ops.exp(0.5 * log_var)"
        ),
        "the mean has to be squared.": "ops.square(mu) -> mu",
        "where is mu?": "ops.square(mu) + -> ",
        "this takes log_var for the variance itself; it is its logarithm.": (
            "ops.exp(log_var) - log_var -> log_var - ops.log(log_var)"
        ),
        "the term - log_var is missing: it keeps the variance from going to 0.": " - log_var - 1 -> - 1",
        "look at the sign of log_var.": "- log_var -> + log_var",
        "this is KL(p, q); KL(q, p) is wanted, and the two are not equal.": (
            "ops.square(mu) + ops.exp(log_var) - log_var -> (ops.square(mu) + 1) / ops.exp(log_var) + log_var"
        ),
    },
    **KERAS,
)
def kl_to_prior(mu, log_var):
    """Return KL(N(mu, diag(exp(log_var))), N(0, I)) for each row: the last axis is summed."""
    from keras import ops

    terms = ops.square(mu) + ops.exp(log_var) - log_var - 1
    total = 0.5 * ops.sum(terms, axis=-1)
    return total


@kl_to_prior.case
def _kl_in_training(attempt):
    """kl_to_prior(mu, log_var) in a compiled model, with its gradients"""
    return expect.in_training(attempt, *_numbers((4, 3), (4, 3), seed=4, dtype="float32"))


# 3. The ELBO of a linear Gaussian model -----------------------------------------------------------


def _linear_gaussian(seed, d=5, k=2):
    """Return arguments x, W, b, s, mu, log_var of the exercise."""
    x, W, b, mu, log_var = _numbers((d,), (d, k), (d,), (k,), (k,), seed=seed)
    return x, W, b, 0.7, mu, log_var


_MODEL = np.array([4, 2]), np.array([[1, 0], [2, 3]]), np.array([1, 3]), 2.0


@exercise(
    cases=[
        (*_MODEL, np.array([0, 0]), np.array([0, 0])),  # the divergence is 0
        (*_MODEL, np.array([1, -1]), np.array([1, -1])),
        _linear_gaussian(seed=6),
        _linear_gaussian(seed=8, d=4, k=1),
    ],
    mistakes={
        "the divergence is subtracted, not added.": "first - divergence -> first + divergence",
        "this is the first term; the divergence from the prior is missing.": "first - divergence -> first",
        "the divergence has the factor 1/2.": "divergence = 0.5 * -> divergence = ",
        "this puts z = mu into log p(x|z); z also varies around mu.": "error + spread -> error",
        "the noise of z is not squared again: the formula has the variances exp(log_var).": (
            "np.exp(log_var) @ -> np.exp(2 * log_var) @"
        ),
        "the formula has the variances exp(log_var), not the standard deviations.": (
            "np.exp(log_var) @ -> np.exp(0.5 * log_var) @"
        ),
        "the weights in the spread are squared.": "np.square(W) -> W",
        "sum W over its rows, the D numbers of x: each column has one variance.": "axis=0 -> axis=1",
        "take the columns of W one by one: which variance belongs to which column?": (
            "np.exp(log_var) @ np.sum(np.square(W), axis=0) -> np.sum(np.exp(log_var)) * np.sum(np.square(W))"
        ),
        "the constant with 2 pi is missing.": "2 * np.pi * s**2 -> s**2",
        "the constant is there once for each of the D numbers of x.": "len(x) * -> ",
        "the logarithm has a factor 1/2 as well: -D/2.": "-0.5 * (len(x) -> -0.5 * (2 * len(x)",
        "the squared error has a factor 1/2 as well.": "+ (error -> + 2 * (error",
        "the squared error is divided by s^2.": "(error + spread) / s**2 -> (error + spread)",
        "where is b? The mean of x is W z + b.": " - b -> ",
        "look at the sign of b: the mean of x is W z + b.": " - b -> + b",
        "W has the shape (D, k): it multiplies mu from the left.": "W @ mu -> mu @ W",
        "the distance of x from its mean is squared.": "np.square(x -> np.abs(x",
        "s is the standard deviation of x; the formula has its square.": "s**2 -> s",
        "this is the negative: a loss. The bound is wanted.": "first - divergence -> divergence - first",
    },
    rtol=1e-5,  # the divergence may have been computed in float32
)
def elbo_linear_gaussian(x, W, b, s, mu, log_var):
    """Return the ELBO at x (D,) of z ~ N(0, I), x|z ~ N(Wz + b, s² I) for q = N(mu, diag(exp(log_var)))."""
    error = np.sum(np.square(x - W @ mu - b))
    spread = np.exp(log_var) @ np.sum(np.square(W), axis=0)
    first = -0.5 * (len(x) * np.log(2 * np.pi * s**2) + (error + spread) / s**2)
    divergence = 0.5 * np.sum(np.square(mu) + np.exp(log_var) - log_var - 1)
    return first - divergence


# 4. Sampling --------------------------------------------------------------------------------------


@exercise(
    mistakes={
        "this multiplies by the variance: what is the standard deviation?": "0.5 * log_var -> log_var",
        "this multiplies by log_var, which is a logarithm.": "ops.exp(0.5 * log_var) -> log_var",
        "log_var / 2 is a logarithm: what is missing?": "ops.exp(0.5 * log_var) -> 0.5 * log_var",
        "the factor 1/2 belongs into the exponent.": "ops.exp(0.5 * log_var) -> 0.5 * ops.exp(log_var)",
        "exp(2 log_var) is the fourth power of the standard deviation.": "0.5 * log_var -> 2 * log_var",
        "look at the sign in the exponent.": "0.5 * log_var -> -0.5 * log_var",
        "look at the sign before the noise.": "mu + ops -> mu - ops",
        "where is mu?": "mu + ops -> ops",
        "where is eps? Without it nothing is random.": ") * eps -> )",
        "only eps is stretched.": "mu + ops.exp(0.5 * log_var) * eps -> ops.exp(0.5 * log_var) * (mu + eps)",
        "in training the number of images is unknown: ops.shape(mu).": "ops.shape(mu) -> mu.shape",
        "each row needs its own eps: draw it in the shape of mu.": "ops.shape(mu) -> ops.shape(mu)[-1:]",
        "draw eps in the shape of mu, not one number for each row.": "ops.shape(mu) -> (ops.shape(mu)[0], 1)",
        "eps is normal, not uniform.": "keras.random.normal -> keras.random.uniform",
        "a plain number repeats the draw: the layer has a seed_generator.": "self.seed_generator) -> 1)",
        "give the layer's seed_generator to keras.random.normal.": ", seed=self.seed_generator) -> )",
        "the generator begins with the constructor's seed.": "SeedGenerator(seed) -> SeedGenerator(1)",
        "call gives mu, log_var and eps to reparametrise, in this order.": (
            "return self.reparametrise(mu, log_var -> return self.reparametrise(log_var, mu"
        ),
        "training needs the derivative by log_var.": "0.5 * log_var -> ops.stop_gradient(0.5 * log_var)",
    },
    **KERAS,
)
def Sampling(seed=1, **kwargs):  # noqa: N802 - it stands in for the student's class
    """Return the layer that draws z = mu + exp(log_var / 2) * eps with its own random generator."""
    import keras
    from keras import ops

    class Sampling(keras.layers.Layer):
        def __init__(self, seed, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(seed)

        def reparametrise(self, mu, log_var, eps):
            return mu + ops.exp(0.5 * log_var) * eps

        def call(self, mu, log_var):
            eps = keras.random.normal(ops.shape(mu), seed=self.seed_generator)
            return self.reparametrise(mu, log_var, eps)

    return Sampling(seed, **kwargs)


@Sampling.property
def _sampling_is_a_layer(attempt):
    import keras

    layer = attempt()
    expect.true(
        isinstance(layer, keras.layers.Layer) and callable(getattr(layer, "reparametrise", None)),
        "Sampling() should be a Keras layer with the method reparametrise.",
        "keep the lines that were given.",
    )


@Sampling.case
def _sampling_reparametrises(attempt):
    """reparametrise(mu, log_var, eps) for mu = [[1, 2]], log_var = [[0, 2]], eps = [[3, -1]]"""
    return attempt().reparametrise(*_float32([[1, 2]], [[0, 2]], [[3, -1]]))


def _draw(layer, mu, log_var):
    """Return 20,000 draws, by ``call`` itself: Keras words the errors of its layers anew."""
    return expect.as_array(layer.call(*(np.tile(row, (20_000, 1)) for row in _float32(mu, log_var))))


@Sampling.case
def _sampling_draws(attempt):
    """20,000 draws with mu = [0, 0, 0], log_var = [0, 0, 0]"""
    layer, zeros = attempt(), np.zeros(3)
    eps = _draw(layer, zeros, zeros)
    mu, log_var = [1, -2, 0.5], np.log(np.square([0.5, 3, 1]))
    return {
        "shape": str(eps.shape),
        "mean of each component": eps.mean(axis=0).round(1) + 0,
        "standard deviation of each component": eps.std(axis=0).round(1),
        "correlations": np.corrcoef(eps.T).round(1) + 0,
        "the same in a second call": np.allclose(eps, _draw(layer, zeros, zeros)),
        "the same from a new layer": np.allclose(eps, _draw(attempt(), zeros, zeros)),
        "the same from a layer with seed 2": np.allclose(eps, _draw(attempt(2), zeros, zeros)),
        "mu + sigma * eps with other mu and log_var": np.allclose(
            _draw(attempt(), mu, log_var), mu + np.exp(0.5 * log_var) * eps, atol=1e-3
        ),
    }


@Sampling.case
def _sampling_in_training(attempt):
    """Sampling()(mu, log_var) in a compiled model, with the derivatives of z"""
    mu, log_var = _numbers((4, 3), (4, 3), seed=11, dtype="float32")
    found = expect.in_training(attempt(), mu, log_var)
    by_mu, by_log_var = found["gradients"]
    eps = (found["result"] - mu) / np.exp(0.5 * log_var)
    return {"by mu": by_mu, "by log_var": by_log_var, "eps": eps}


# 5. The Bernoulli likelihood ----------------------------------------------------------------------


def _binary(shape, seed):
    rng = np.random.default_rng(seed)
    return _float32(rng.integers(2, size=shape), 3 * rng.normal(size=shape))


_PIXELS = _float32([[1, 0, 1], [0, 0, 1]], [[0, 1, 2], [-1, 0, 3]])  # x and logits


@exercise(
    cases=[_PIXELS, _binary((2, 5), seed=13)],
    mistakes={
        "this is the cross-entropy, which is minus the log-likelihood.": "return total -> return -total",
        "this is the mean over the pixels; the logarithm of a product is a sum.": "ops.sum -> ops.mean",
        "this is the mean over the pixels, and the sign is that of a loss.": "ops.sum -> -ops.mean",
        "the pixels are not summed yet.": "return total -> return terms",
        "the pixels are not summed yet, and the sign is that of a loss.": "return total -> return -terms",
        "each image has its own likelihood: sum over the pixels only.": ", axis=-1 -> ",
        "each image has its own likelihood; the mean comes later.": "return total -> return ops.mean(total)",
        "the sum runs over the images; it should run over the pixels, the last axis.": "axis=-1 -> axis=0",
        "the black pixels, x = 0, are missing: they have a likelihood too.": (
            "x * logits - ops.softplus(logits) -> x * ops.log_sigmoid(logits)"
        ),
        "the logits are not probabilities yet: which function makes them so?": (
            "x * logits - ops.softplus(logits) -> x * ops.log(logits) + (1 - x) * ops.log(1 - logits)"
        ),
        "the probability is 1 / (1 + exp(-logits)); look at the sign.": (
            "x * logits - ops.softplus(logits) -> -x * logits - ops.softplus(-logits)"
        ),
        "this is the squared error: the likelihood of a Gaussian pixel.": (
            "x * logits - ops.softplus(logits) -> -ops.square(x - ops.sigmoid(logits))"
        ),
    },
    **KERAS,
)
def log_bernoulli(x, logits):
    """Return log p(x|z) of each image: the sum over its pixels, from the decoder's logits."""
    from keras import ops

    terms = x * logits - ops.softplus(logits)
    total = ops.sum(terms, axis=-1)
    return total


@log_bernoulli.property
def _log_bernoulli_is_stable(attempt):
    expect.close(
        attempt(*_float32([[1, 0, 1]], [[-200, 150, 90]])),
        np.array([-350.0]),
        "log_bernoulli([[1, 0, 1]], [[-200, 150, 90]])",
        "exp of a large number overflows, and log(0) is infinite: use softplus, or a loss from logits.",
        rtol=1e-4,
    )


@log_bernoulli.case
def _log_bernoulli_in_training(attempt):
    """log_bernoulli(x, logits) in a compiled model, with its derivative by the logits"""
    found = expect.in_training(attempt, *_binary((4, 6), seed=12))
    return found["result"], found["gradients"][1]


# 6. The loss --------------------------------------------------------------------------------------


@exercise(
    cases=[
        (*_PIXELS, *_CODES, 3),
        (*_binary((4, 6), seed=14), *_numbers((4, 3), (4, 3), seed=14, dtype="float32"), 1.0),
        (*_binary((4, 6), seed=15), *_numbers((4, 3), (4, 3), seed=15, dtype="float32"), 0.5),
    ],
    mistakes={
        "this is the bound, to be maximised; fit minimises.": "return ops.mean -> return -ops.mean",
        "look at the sign of the divergence: a loss grows with it.": "+ beta * -> - beta * ",
        "look at the sign of the reconstruction: a likely x makes the loss small.": "= -log -> = log",
        "return one number for the batch: the mean over its images.": "ops.mean(losses) -> losses",
        "this is the sum over the images; take their mean.": "ops.mean -> ops.sum",
        "where is the divergence? This is an autoencoder with noise in its code.": " + beta * divergence -> ",
        "where is the reconstruction?": "reconstruction + beta -> beta",
        "where is beta?": "beta * -> ",
        "beta weighs the divergence, not the reconstruction.": (
            "reconstruction + beta * divergence -> beta * reconstruction + divergence"
        ),
        "beta weighs the divergence only.": "reconstruction + beta * -> beta * reconstruction + beta *",
        "the reconstruction is a sum over the pixels.": "reconstruction + -> reconstruction / x.shape[1] +",
        "the reconstruction is summed over the pixels, so the divergence is summed over the code.": (
            "beta * divergence -> beta * divergence / mu.shape[1]"
        ),
    },
    **KERAS,
)
def vae_loss(x, logits, mu, log_var, beta):
    """Return the mean over the batch of -log p(x|z) + beta KL(q(z|x), p(z)): one number."""
    from keras import ops

    reconstruction = -log_bernoulli.reference(x, logits)
    divergence = kl_to_prior.reference(mu, log_var)
    losses = reconstruction + beta * divergence
    return ops.mean(losses)


@vae_loss.case
def _vae_loss_in_training(attempt):
    """vae_loss(x, logits, mu, log_var, 2) in a compiled model, with its derivatives but that by x"""
    batch = *_binary((4, 6), seed=14), *_numbers((4, 3), (4, 3), seed=14, dtype="float32")
    found = expect.in_training(lambda *tensors: attempt(*tensors, 2.0), *batch)
    return found["result"], *found["gradients"][1:]


# 7. The importance-weighted bound -----------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([[-1, 0, 2], [-3, 0, 1]]), np.array([[0, -1, 1], [-2, 1, 1]])),
        _numbers((1, 2), (1, 2), seed=18),
        (_numbers((6, 3), seed=19)[0] + [-1500, 0, 1500], _numbers((6, 3), seed=20)[0]),
    ],
    mistakes={
        "this is the mean of the logarithms, the ELBO: the mean comes before the logarithm.": (
            "total - np.log(len(weights)) -> np.mean(weights, axis=0)"
        ),
        "this is the sum of the weights; their mean has a factor 1/K.": " - np.log(len(weights)) -> ",
        "log K has the wrong sign.": "total - -> total + ",
        "the mean runs over the images; it should run over the K draws, axis 0.": [
            "axis=0 -> axis=1",
            "len(weights) -> weights.shape[1]",
        ],
        "this weight is q / p; turn it round.": "log_joint - log_q -> log_q - log_joint",
        "where is q? A draw from q is divided by its density.": "log_joint - log_q -> log_joint",
        "they are logarithms: the ratio is a difference.": "log_joint - log_q -> log_joint + log_q",
        "the two means are taken one by one; the ratio belongs inside the mean.": (
            "total - np.log(len(weights)) -> np.logaddexp.reduce(log_joint) - np.logaddexp.reduce(log_q)"
        ),
        "this is the mean of the weights; its logarithm is wanted.": (
            "total - np.log(len(weights)) -> np.exp(total) / len(weights)"
        ),
        "each image has its own bound: the mean is over the K draws only.": [
            "axis=0 -> axis=None",
            "len(weights) -> weights.size",
        ],
        "the mean over the images comes later.": "total - -> np.mean(total) -",
        "exp gives 0 or infinity there: take out the largest logarithm first, as logsumexp does.": (
            "np.logaddexp.reduce(weights, axis=0) -> np.log(np.exp(weights).sum(axis=0))"
        ),
        "take out the largest logarithm of each image: the largest of all is too large for the others.": [
            "total = -> top = weights.max()\n    total = top +",
            "np.logaddexp.reduce(weights, axis=0) -> np.log(np.sum(np.exp(weights - top), axis=0))",
        ],
    },
    rtol=1e-5,  # float32, as the log densities of a network are
    atol=1e-5,
)
def importance_weighted_bound(log_joint, log_q):
    """Return log (1/K Σ p(x, z_k) / q(z_k|x)) for each image, from logarithms of shape (K, n)."""
    weights = log_joint - log_q
    total = np.logaddexp.reduce(weights, axis=0)
    return total - np.log(len(weights))


# 8. Interpolation ---------------------------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([0, 2]), np.array([2, 1]), 3),
        (*_numbers((3,), (3,), seed=20), 5),
        (*_numbers((16,), (16,), seed=22), 8),
    ],
    mistakes={
        "the path runs backwards: it begins at z_a.": "return path -> return path[::-1]",
        "the last code should be z_b: the end belongs to it.": "t = t -> t = (t * (n - 1) / n)",
        "the first code should be z_a: the start belongs to it.": "t = t -> t = ((t * (n - 1) + 1) / n)",
        "both ends belong to the path.": "t = t -> t = ((t * (n - 1) + 1) / (n + 1))",
        "there is one code too many.": "(0, 1, n) -> (0, 1, n + 1)",
        "// cuts off what makes the steps between the ends.": "t = t -> t = (t // 1)",
        "it looks transposed: the codes are the rows.": "return path -> return path.T",
        "the two shares must sum to 1.": "(1 - t) * z_a -> z_a",
        "this goes from z_a beyond z_b: what has to be added to z_a to reach z_b?": (
            "(1 - t) * z_a + t * z_b -> z_a + t * (z_a - z_b)"
        ),
    },
)
def interpolate(z_a, z_b, n):
    """Return n codes (n, k) on the straight line from z_a to z_b, both included, at equal distances."""
    t = np.linspace(0, 1, n)
    t = t[:, None]
    path = (1 - t) * z_a + t * z_b
    return path
