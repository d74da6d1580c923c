"""Checks of lab 10: densities, the evidence lower bound, reparametrisation, and the loss of a VAE.

Images and codes are rows: a batch of n codes has the shape (n, k). Keras is loaded only by the
exercises that use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise
from nnlabs.checks.expect import FLOAT32

LOG_2PI = np.log(2 * np.pi)


def _numbers(*shapes: tuple[int, ...], seed: int, dtype: str = "float64") -> tuple[np.ndarray, ...]:
    """Return random arrays, each of one of the shapes."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


# ---------------------------------------------------------------- 1. the Gaussian density


def _quadratic(z: np.ndarray, mu: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.square(z - mu) / scale


@exercise(
    cases=[
        _numbers((4, 3), (4, 3), (4, 3), seed=1),
        _numbers((2,), (2,), (2,), seed=2),
        _numbers((5, 4, 2), (4, 2), (4, 2), seed=3),
    ],
    mistakes={
        "the constant with 2 pi is missing.": lambda z, mu, log_var: (
            -0.5 * (log_var + _quadratic(z, mu, np.exp(log_var))).sum(axis=-1)
        ),
        "the constant with 2 pi is there once; each of the k numbers of z has its own.": (
            lambda z, mu, log_var: (
                -0.5 * (LOG_2PI + (log_var + _quadratic(z, mu, np.exp(log_var))).sum(axis=-1))
            )
        ),
        "the k terms are not summed yet.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + log_var + _quadratic(z, mu, np.exp(log_var)))
        ),
        "this is the mean over the last axis; the logarithm of a product is a sum.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + log_var + _quadratic(z, mu, np.exp(log_var))).mean(axis=-1)
        ),
        "each code has its own density: sum over the last axis only.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + log_var + _quadratic(z, mu, np.exp(log_var))).sum()
        ),
        "this is the density; its logarithm is wanted.": lambda z, mu, log_var: np.exp(
            -0.5 * (LOG_2PI + log_var + _quadratic(z, mu, np.exp(log_var))).sum(axis=-1)
        ),
        "this divides by the standard deviation; the density has the variance there.": (
            lambda z, mu, log_var: (
                -0.5 * (LOG_2PI + log_var + _quadratic(z, mu, np.exp(0.5 * log_var))).sum(axis=-1)
            )
        ),
        "log_var is the logarithm of the variance: it is not squared again.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + 2 * log_var + _quadratic(z, mu, np.exp(2 * log_var))).sum(axis=-1)
        ),
        "this takes log_var for the variance itself; it is its logarithm.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + np.log(log_var) + _quadratic(z, mu, log_var)).sum(axis=-1)
        ),
        "the term log_var is missing: a wide density is also a low one.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + _quadratic(z, mu, np.exp(log_var))).sum(axis=-1)
        ),
        "look at the sign of log_var: a wide density is a low one.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI - log_var + _quadratic(z, mu, np.exp(log_var))).sum(axis=-1)
        ),
        "the square of the distance has a factor 1/2 too.": lambda z, mu, log_var: (
            -0.5 * (LOG_2PI + log_var) - _quadratic(z, mu, np.exp(log_var))
        ).sum(axis=-1),
    },
)
def log_normal(z: np.ndarray, mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """Return log N(z; mu, diag(exp(log_var))) for each code: the last axis is summed."""
    return -0.5 * np.sum(LOG_2PI + log_var + _quadratic(z, mu, np.exp(log_var)), axis=-1)


# ---------------------------------------------------------------- 2. the divergence from the prior


def _kl_terms(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    return 0.5 * (np.square(mu) + np.exp(log_var) - log_var - 1)


def _reversed_kl_terms(mu: np.ndarray, log_var: np.ndarray) -> np.ndarray:
    """Return the terms of KL(N(0, 1), q)."""
    return 0.5 * ((np.square(mu) + 1) / np.exp(log_var) + log_var - 1)


@exercise(
    cases=[
        _numbers((4, 3), (4, 3), seed=4, dtype="float32"),
        _numbers((2,), (2,), seed=5, dtype="float32"),
    ],
    mistakes={
        "the sign is reversed: a divergence is never negative.": (
            lambda mu, log_var: -_kl_terms(mu, log_var).sum(axis=-1)
        ),
        "the factor 1/2 is missing.": lambda mu, log_var: 2 * _kl_terms(mu, log_var).sum(axis=-1),
        "the k terms are not summed yet.": _kl_terms,
        "this is the mean over the k numbers of a code; the divergence is their sum.": (
            lambda mu, log_var: _kl_terms(mu, log_var).mean(axis=-1)
        ),
        "each image has its own divergence: sum over the last axis only.": (
            lambda mu, log_var: _kl_terms(mu, log_var).sum()
        ),
        "each image has its own divergence; the mean over the batch comes later.": (
            lambda mu, log_var: _kl_terms(mu, log_var).sum(axis=-1).mean()
        ),
        "the sum runs over the images; it should run over the numbers of a code, the last axis.": (
            lambda mu, log_var: _kl_terms(mu, log_var).sum(axis=0)
        ),
        "what is the divergence of N(0, I) from itself? A constant is missing.": (
            lambda mu, log_var: (_kl_terms(mu, log_var) + 0.5).sum(axis=-1)
        ),
        "exp(log_var) is already the variance: it is not squared again.": (
            lambda mu, log_var: 0.5 * (np.square(mu) + np.exp(2 * log_var) - log_var - 1).sum(axis=-1)
        ),
        "this uses the standard deviation exp(log_var / 2); the formula has the variance.": (
            lambda mu, log_var: 0.5 * (np.square(mu) + np.exp(0.5 * log_var) - log_var - 1).sum(axis=-1)
        ),
        "the mean has to be squared.": lambda mu, log_var: (
            0.5 * (mu + np.exp(log_var) - log_var - 1).sum(axis=-1)
        ),
        "this takes log_var for the variance itself; it is its logarithm.": lambda mu, log_var: (
            0.5 * (np.square(mu) + log_var - np.log(log_var) - 1).sum(axis=-1)
        ),
        "the term - log_var is missing: it keeps the variance from going to 0.": lambda mu, log_var: (
            0.5 * (np.square(mu) + np.exp(log_var) - 1).sum(axis=-1)
        ),
        "look at the sign of log_var.": lambda mu, log_var: (
            0.5 * (np.square(mu) + np.exp(log_var) + log_var - 1).sum(axis=-1)
        ),
        "this is KL(p, q); KL(q, p) is wanted, and the two are not equal.": (
            lambda mu, log_var: _reversed_kl_terms(mu, log_var).sum(axis=-1)
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def kl_to_prior(mu: Any, log_var: Any) -> Any:
    """Return KL(N(mu, diag(exp(log_var))), N(0, I)) for each row: the last axis is summed."""
    from keras import ops

    return 0.5 * ops.sum(ops.square(mu) + ops.exp(log_var) - log_var - 1, axis=-1)


@kl_to_prior.property
def _kl_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((None, 3)) for _ in range(2)]
    expect.symbolic(attempt, tensors, (None,), "kl_to_prior(mu, log_var)")


# ---------------------------------------------------------------- 3. the ELBO of a linear Gaussian model


def _linear_gaussian(seed: int, d: int = 5, k: int = 2) -> tuple:
    """Return arguments x, W, b, s, mu, log_var of the exercise."""
    x, W, b, mu, log_var = _numbers((d,), (d, k), (d,), (k,), (k,), seed=seed)
    return x, W, b, 0.7, mu, log_var


def _reconstruction(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, s: float, mu: np.ndarray, noise: float
) -> float:
    """Return E log p(x|z), where ``noise`` is what the variance of z adds to the squared error."""
    return -0.5 * (len(x) * np.log(2 * np.pi * s**2) + (np.sum((x - W @ mu - b) ** 2) + noise) / s**2)


def _noise(W: np.ndarray, log_var: np.ndarray) -> float:
    return float(np.sum(np.exp(log_var) * np.square(W).sum(axis=0)))


@exercise(
    cases=[_linear_gaussian(seed=6), _linear_gaussian(seed=7, d=3, k=3), _linear_gaussian(seed=8, d=4, k=1)],
    mistakes={
        "the divergence is subtracted, not added.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, b, s, mu, _noise(W, log_var)) + _kl_terms(mu, log_var).sum()
        ),
        "this is the first term; the divergence from the prior is missing.": (
            lambda x, W, b, s, mu, log_var: _reconstruction(x, W, b, s, mu, _noise(W, log_var))
        ),
        "this puts z = mu into log p(x|z); z also varies around mu.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, b, s, mu, 0.0) - _kl_terms(mu, log_var).sum()
        ),
        "the noise of z is not squared again: the formula has the variances exp(log_var).": (
            lambda x, W, b, s, mu, log_var: (
                _reconstruction(x, W, b, s, mu, _noise(W, 2 * log_var)) - _kl_terms(mu, log_var).sum()
            )
        ),
        "the formula has the variances exp(log_var), not the standard deviations.": (
            lambda x, W, b, s, mu, log_var: (
                _reconstruction(x, W, b, s, mu, _noise(W, 0.5 * log_var)) - _kl_terms(mu, log_var).sum()
            )
        ),
        "the constant with 2 pi is missing.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, b, s, mu, _noise(W, log_var))
            + 0.5 * len(x) * LOG_2PI
            - _kl_terms(mu, log_var).sum()
        ),
        "the constant is there once for each of the D numbers of x.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, b, s, mu, _noise(W, log_var))
            + 0.5 * (len(x) - 1) * np.log(2 * np.pi * s**2)
            - _kl_terms(mu, log_var).sum()
        ),
        "where is b? The mean of x is W z + b.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, 0 * b, s, mu, _noise(W, log_var)) - _kl_terms(mu, log_var).sum()
        ),
        "s is the standard deviation of x; the formula has its square.": lambda x, W, b, s, mu, log_var: (
            _reconstruction(x, W, b, np.sqrt(s), mu, _noise(W, log_var)) - _kl_terms(mu, log_var).sum()
        ),
        "this is the negative: a loss. The bound is wanted.": lambda x, W, b, s, mu, log_var: (
            _kl_terms(mu, log_var).sum() - _reconstruction(x, W, b, s, mu, _noise(W, log_var))
        ),
        "take the columns of W one by one: which variance belongs to which column?": (
            lambda x, W, b, s, mu, log_var: (
                _reconstruction(x, W, b, s, mu, np.exp(log_var).sum() * np.square(W).sum())
                - _kl_terms(mu, log_var).sum()
            )
        ),
    },
    rtol=1e-5,  # the divergence may have been computed in float32
)
def elbo_linear_gaussian(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, s: float, mu: np.ndarray, log_var: np.ndarray
) -> float:
    """Return the ELBO at x (D,) of z ~ N(0, I), x|z ~ N(Wz + b, s² I) for q = N(mu, diag(exp(log_var)))."""
    return _reconstruction(x, W, b, s, mu, _noise(W, log_var)) - _kl_terms(mu, log_var).sum()


@elbo_linear_gaussian.property
def _elbo_touches_the_likelihood(attempt: Callable) -> None:
    """At the true posterior, which is diagonal if W has orthogonal columns, the bound is log p(x)."""
    x, b = _numbers((4,), (4,), seed=9)
    W, s = np.linalg.qr(_numbers((4, 2), seed=10)[0])[0] * [2.0, 0.5], 0.8
    variance = 1 / (np.square(W).sum(axis=0) / s**2 + 1)
    posterior = variance * (W.T @ (x - b)) / s**2, np.log(variance)
    C = W @ W.T + s**2 * np.eye(4)
    log_p = -0.5 * (4 * LOG_2PI + np.linalg.slogdet(C)[1] + (x - b) @ np.linalg.solve(C, x - b))
    found = attempt(x, W, b, s, *posterior)
    expect.close(found, log_p, "the bound at the true posterior, where it is log p(x)", rtol=1e-5)


# ---------------------------------------------------------------- 4. sampling


def Sampling(seed: int = 1, **kwargs: Any) -> Any:  # noqa: N802 - it stands in for the student's class
    """Return the layer that draws z = mu + exp(log_var / 2) * eps with its own random generator."""
    import keras
    from keras import ops

    class Sampling(keras.layers.Layer):
        def __init__(self, seed: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.seed_generator = keras.random.SeedGenerator(seed)

        def reparametrise(self, mu: Any, log_var: Any, eps: Any) -> Any:
            return mu + ops.exp(0.5 * log_var) * eps

        def call(self, mu: Any, log_var: Any) -> Any:
            eps = keras.random.normal(ops.shape(mu), seed=self.seed_generator)
            return self.reparametrise(mu, log_var, eps)

    return Sampling(seed, **kwargs)


Sampling = exercise(seconds=KERAS_SECONDS)(Sampling)

_WRONG_SAMPLES = {
    "this multiplies by the variance exp(log_var): what is the standard deviation?": (
        lambda mu, log_var, eps: mu + np.exp(log_var) * eps
    ),
    "this multiplies by log_var, which is a logarithm.": lambda mu, log_var, eps: mu + log_var * eps,
    "log_var / 2 is the logarithm of the standard deviation: what is missing?": (
        lambda mu, log_var, eps: mu + 0.5 * log_var * eps
    ),
    "the factor 1/2 belongs into the exponent.": lambda mu, log_var, eps: mu + 0.5 * np.exp(log_var) * eps,
    "exp(2 log_var) is the fourth power of the standard deviation.": (
        lambda mu, log_var, eps: mu + np.exp(2 * log_var) * eps
    ),
    "look at the sign in the exponent.": lambda mu, log_var, eps: mu + np.exp(-0.5 * log_var) * eps,
    "where is mu?": lambda mu, log_var, eps: np.exp(0.5 * log_var) * eps,
    "where is eps? Without it nothing is random.": lambda mu, log_var, eps: mu + np.exp(0.5 * log_var),
    "mu is added to eps first; only eps is stretched.": lambda mu, log_var, eps: (
        np.exp(0.5 * log_var) * (mu + eps)
    ),
}


@Sampling.property
def _sampling_reparametrises(attempt: Callable) -> None:
    import keras

    layer = attempt()
    expect.true(
        isinstance(layer, keras.layers.Layer) and callable(getattr(layer, "reparametrise", None)),
        "Sampling() should be a Keras layer with the method reparametrise.",
        "keep the lines that were given.",
    )
    case = _numbers((4, 3), (4, 3), (4, 3), seed=11, dtype="float32")
    found = layer.reparametrise(*case)
    wrong = (
        hint for hint, mistake in _WRONG_SAMPLES.items() if expect.same(found, mistake(*case), **FLOAT32)
    )
    mu, log_var, eps = case
    expected = mu + np.exp(log_var / 2) * eps
    expect.close(found, expected, "reparametrise(mu, log_var, eps)", next(wrong, ""), **FLOAT32)


@Sampling.property
def _sampling_draws(attempt: Callable) -> None:
    layer, draws = attempt(), 20_000
    mu, log_var = np.array([1.0, -2.0, 0.5]), np.log(np.square([0.5, 3.0, 1.0]))
    batch = [np.tile(row, (draws, 1)).astype("float32") for row in (mu, log_var)]
    z = expect.as_array(layer(*batch))
    expect.true(
        z.shape == (draws, 3),
        f"The layer maps shape {(draws, 3)} to {z.shape}.",
        "eps has the shape of mu, and so has z.",
    )
    noise = (z - mu) / np.exp(0.5 * log_var)
    mean, deviation = noise.mean(axis=0), noise.std(axis=0)
    expect.true(
        bool(deviation.min() > 0.1),
        "The same mu gives the same z in the whole batch.",
        "each row needs its own eps: draw it in the shape of mu.",
    )
    expect.true(
        bool(np.abs(mean).max() < 0.05),
        f"The mean of eps should be near 0; in {draws:,} draws it is {mean[0]:.2f}.",
        "eps is standard normal: is it drawn by keras.random.normal?",
    )
    expect.true(
        bool(np.abs(deviation - 1).max() < 0.05),
        f"The standard deviation of eps should be near 1; in {draws:,} draws it is {deviation[0]:.2f}.",
        "eps is standard normal: is it drawn by keras.random.normal?",
    )
    off_diagonal = np.corrcoef(noise.T)[np.triu_indices(3, 1)]
    expect.true(
        bool(np.abs(off_diagonal).max() < 0.05),
        "The numbers of a code get the same eps.",
        "draw eps in the shape of mu, not one number for each row.",
    )
    expect.true(
        not np.allclose(z, expect.as_array(layer(*batch))),
        "A second call of the layer gives the same z.",
        "the seed of keras.random.normal is the layer's seed_generator: a plain number repeats the draw.",
    )
    again = expect.as_array(attempt()(*batch))
    expect.true(
        bool(np.allclose(z, again)),
        "Two layers with the same seed draw different numbers.",
        "give the layer's seed_generator to keras.random.normal, as seed.",
    )


@Sampling.property
def _sampling_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((None, 3)) for _ in range(2)]
    hint = (
        "in training the number of images is unknown: draw eps in the shape ops.shape(mu), not mu.shape, "
        "and use keras.ops, not NumPy."
    )
    expect.symbolic(attempt(), tensors, (None, 3), "Sampling()(mu, log_var)", hint)


# ---------------------------------------------------------------- 5. the Bernoulli likelihood


def _softplus(a: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, a)


def _pixels(x: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return x * logits - _softplus(logits)


def _binary(shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(2, size=shape).astype("float32"), (3 * rng.normal(size=shape)).astype("float32")


@exercise(
    cases=[_binary((4, 6), seed=12), _binary((2, 5), seed=13)],
    mistakes={
        "this is the cross-entropy, which is minus the log-likelihood.": (
            lambda x, logits: -_pixels(x, logits).sum(axis=-1)
        ),
        "this is the mean over the pixels; the logarithm of a product is a sum.": (
            lambda x, logits: _pixels(x, logits).mean(axis=-1)
        ),
        "this is the mean over the pixels, and the sign is that of a loss.": (
            lambda x, logits: -_pixels(x, logits).mean(axis=-1)
        ),
        "the pixels are not summed yet.": _pixels,
        "the pixels are not summed yet, and the sign is that of a loss.": lambda x, logits: (
            -_pixels(x, logits)
        ),
        "each image has its own likelihood: sum over the pixels only.": (
            lambda x, logits: _pixels(x, logits).sum()
        ),
        "each image has its own likelihood; the mean over the batch comes later.": (
            lambda x, logits: _pixels(x, logits).sum(axis=-1).mean()
        ),
        "the sum runs over the images; it should run over the pixels, the last axis.": (
            lambda x, logits: _pixels(x, logits).sum(axis=0)
        ),
        "the black pixels, x = 0, are missing: they have a likelihood too.": (
            lambda x, logits: (x * -_softplus(-logits)).sum(axis=-1)
        ),
        "the logits are not probabilities yet: which function makes them so?": lambda x, logits: (
            x * np.log(logits) + (1 - x) * np.log(1 - logits)
        ).sum(axis=-1),
        "the probability is 1 / (1 + exp(-logits)); look at the sign.": (
            lambda x, logits: _pixels(x, -logits).sum(axis=-1)
        ),
        "this is the squared error: the likelihood of a Gaussian pixel.": lambda x, logits: (
            -np.square(x - 1 / (1 + np.exp(-logits))).sum(axis=-1)
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def log_bernoulli(x: Any, logits: Any) -> Any:
    """Return log p(x|z) of each image: the sum over its pixels, from the decoder's logits."""
    from keras import ops

    return ops.sum(x * logits - ops.softplus(logits), axis=-1)


@log_bernoulli.property
def _log_bernoulli_is_stable(attempt: Callable) -> None:
    x, logits = np.array([[1, 0, 1]], "float32"), np.array([[-200, 150, 90]], "float32")
    expect.close(
        attempt(x, logits),
        np.array([-350.0]),
        "log_bernoulli for large logits",
        "exp of a large number overflows, and log(0) is infinite: use softplus, or a loss from logits.",
        **FLOAT32,
    )


@log_bernoulli.property
def _log_bernoulli_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((None, 6)) for _ in range(2)]
    expect.symbolic(attempt, tensors, (None,), "log_bernoulli(x, logits)")


# ---------------------------------------------------------------- 6. the loss


def _loss_case(seed: int, beta: float) -> tuple:
    mu, log_var = _numbers((4, 3), (4, 3), seed=seed, dtype="float32")
    return (*_binary((4, 6), seed=seed), mu, log_var, beta)


def _rates(
    x: np.ndarray, logits: np.ndarray, mu: np.ndarray, log_var: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two terms for each image: -log p(x|z) and the divergence."""
    return -_pixels(x, logits).sum(axis=-1), _kl_terms(mu, log_var).sum(axis=-1)


def _loss(combine: Callable) -> Callable:
    """Return a loss that combines the two terms (n,) and beta; ``combine`` may be wrong."""
    return lambda x, logits, mu, log_var, beta: combine(*_rates(x, logits, mu, log_var), beta)


@exercise(
    cases=[_loss_case(seed=14, beta=1.0), _loss_case(seed=15, beta=4.0)],
    mistakes={
        "this is the bound, to be maximised; fit minimises.": _loss(
            lambda r, d, beta: -(r + beta * d).mean()
        ),
        "look at the sign of the divergence: a loss grows with it.": _loss(
            lambda r, d, beta: (r - beta * d).mean()
        ),
        "look at the sign of the reconstruction: the loss is smaller where x is more likely.": _loss(
            lambda r, d, beta: (-r + beta * d).mean()
        ),
        "return one number for the batch: the mean over its images.": _loss(lambda r, d, beta: r + beta * d),
        "this is the sum over the images; take their mean.": _loss(lambda r, d, beta: (r + beta * d).sum()),
        "where is the divergence? This is an autoencoder with noise in its code.": _loss(
            lambda r, d, beta: r.mean()
        ),
        "where is the reconstruction?": _loss(lambda r, d, beta: (beta * d).mean()),
        "where is beta?": _loss(lambda r, d, beta: (r + d).mean()),
        "beta weighs the divergence, not the reconstruction.": _loss(
            lambda r, d, beta: (beta * r + d).mean()
        ),
        "beta weighs the divergence only.": _loss(lambda r, d, beta: beta * (r + d).mean()),
        "the reconstruction is a sum over the pixels, not their mean.": lambda x, logits, mu, log_var, beta: (
            -_pixels(x, logits).mean() + beta * _kl_terms(mu, log_var).sum(axis=-1).mean()
        ),
        "the reconstruction is summed over the pixels, so the divergence is summed over the code.": (
            lambda x, logits, mu, log_var, beta: (
                -_pixels(x, logits).sum(axis=-1).mean() + beta * _kl_terms(mu, log_var).mean()
            )
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def vae_loss(x: Any, logits: Any, mu: Any, log_var: Any, beta: float) -> Any:
    """Return the mean over the batch of -log p(x|z) + beta KL(q(z|x), p(z)): one number."""
    from keras import ops

    reconstruction = log_bernoulli.reference(x, logits)
    return ops.mean(beta * kl_to_prior.reference(mu, log_var) - reconstruction)


@vae_loss.property
def _vae_loss_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((4, size)) for size in (6, 6, 3, 3)]
    expect.symbolic(attempt, [*tensors, 1.0], (), "vae_loss(x, logits, mu, log_var, beta)")


# ---------------------------------------------------------------- 7. the importance-weighted bound


def _log_mean_exp(a: np.ndarray, axis: int = 0) -> np.ndarray:
    return np.logaddexp.reduce(a, axis=axis) - np.log(a.shape[axis])


@exercise(
    cases=[
        _numbers((5, 3), (5, 3), seed=16),
        _numbers((2, 4), (2, 4), seed=17),
        _numbers((1, 2), (1, 2), seed=18),
    ],
    mistakes={
        "this is the mean of the logarithms, the ELBO: the mean comes before the logarithm.": (
            lambda log_joint, log_q: (log_joint - log_q).mean(axis=0)
        ),
        "this is the sum of the weights; their mean has a factor 1/K.": (
            lambda log_joint, log_q: np.logaddexp.reduce(log_joint - log_q, axis=0)
        ),
        "log K has the wrong sign.": lambda log_joint, log_q: (
            np.logaddexp.reduce(log_joint - log_q, axis=0) + np.log(len(log_q))
        ),
        "the mean runs over the images; it should run over the K draws, axis 0.": (
            lambda log_joint, log_q: _log_mean_exp(log_joint - log_q, axis=1)
        ),
        "this weight is q / p; turn it round.": lambda log_joint, log_q: _log_mean_exp(log_q - log_joint),
        "where is q? A draw from q is divided by its density.": lambda log_joint, log_q: _log_mean_exp(
            log_joint
        ),
        "the densities are logarithms: their ratio is a difference.": (
            lambda log_joint, log_q: _log_mean_exp(log_joint + log_q)
        ),
        "the two means are taken one by one; the ratio belongs inside the mean.": (
            lambda log_joint, log_q: _log_mean_exp(log_joint) - _log_mean_exp(log_q)
        ),
        "this is the mean of the weights; its logarithm is wanted.": (
            lambda log_joint, log_q: np.exp(_log_mean_exp(log_joint - log_q))
        ),
        "each image has its own bound: the mean is over the K draws only.": (
            lambda log_joint, log_q: _log_mean_exp((log_joint - log_q).ravel())
        ),
        "the mean over the images comes later.": lambda log_joint, log_q: _log_mean_exp(
            log_joint - log_q
        ).mean(),
    },
)
def importance_weighted_bound(log_joint: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Return log (1/K Σ p(x, z_k) / q(z_k|x)) for each image, from logarithms of shape (K, n)."""
    return _log_mean_exp(log_joint - log_q)


@importance_weighted_bound.property
def _importance_weighted_bound_is_stable(attempt: Callable) -> None:
    log_joint, log_q = _numbers((6, 2), (6, 2), seed=19)
    for offset in (-1500.0, 1500.0):
        expect.close(
            attempt(log_joint + offset, log_q),
            _log_mean_exp(log_joint - log_q) + offset,
            f"the bound where log p(x, z) is near {offset:g}",
            "exp gives 0 or infinity there: take out the largest logarithm first, as logsumexp does.",
        )


# ---------------------------------------------------------------- 8. interpolation


def _line(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    return (1 - t)[:, None] * start + t[:, None] * end


@exercise(
    cases=[
        (*_numbers((3,), (3,), seed=20), 5),
        (*_numbers((2,), (2,), seed=21), 3),
        (*_numbers((16,), (16,), seed=22), 8),
    ],
    mistakes={
        "the path runs backwards: it begins at z_a.": lambda z_a, z_b, n: _line(
            z_b, z_a, np.linspace(0, 1, n)
        ),
        "the last code should be z_b: the end belongs to the path.": (
            lambda z_a, z_b, n: _line(z_a, z_b, np.arange(n) / n)
        ),
        "the first code should be z_a: the start belongs to the path.": (
            lambda z_a, z_b, n: _line(z_a, z_b, np.arange(1, n + 1) / n)
        ),
        "both ends belong to the path.": (lambda z_a, z_b, n: _line(z_a, z_b, np.arange(1, n + 1) / (n + 1))),
        "there is one code too many.": lambda z_a, z_b, n: _line(z_a, z_b, np.linspace(0, 1, n + 1)),
        "it looks transposed: the codes are the rows.": (
            lambda z_a, z_b, n: _line(z_a, z_b, np.linspace(0, 1, n)).T
        ),
        "the two shares must sum to 1.": (lambda z_a, z_b, n: z_a + np.linspace(0, 1, n)[:, None] * z_b),
        "this goes from z_a beyond z_b: what has to be added to z_a to reach z_b?": (
            lambda z_a, z_b, n: z_a + np.linspace(0, 1, n)[:, None] * (z_a - z_b)
        ),
    },
)
def interpolate(z_a: np.ndarray, z_b: np.ndarray, n: int) -> np.ndarray:
    """Return n codes (n, k) on the straight line from z_a to z_b, both included, at equal distances."""
    return _line(z_a, z_b, np.linspace(0, 1, n))
