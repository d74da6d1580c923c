"""Checks of lab 10: divergences, the evidence lower bound and where its best codes are, the loss of a VAE.

Images and codes are rows: a batch of n codes has the shape (n, k). Keras is loaded only by the loss.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _numbers(*shapes, seed, dtype="float64"):
    """Return random arrays, each of one of the shapes."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


# 1. The divergence of two Gaussians ---------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([[1, 2], [3, 0]]), np.array([[0, 1], [2, 0]]), np.array([1, 0]), np.array([1, -1])),
        _numbers((1, 3), (1, 3), (3,), (3,), seed=2),
        _numbers((5, 2), (5, 2), (2,), (2,), seed=3),
    ],
    mistakes={
        "the sign is reversed: a divergence is never negative.": "0.5 * -> -0.5 * ",
        "this is KL(p, q); KL(q, p) is wanted, and the two are not equal.": [
            "variance + distance -> np.exp(prior_log_var) + distance",
            "/ np.exp(prior_log_var) + prior_log_var - log_var -> / variance + log_var - prior_log_var",
        ],
        "a factor is missing: where is the 1/2 of the exponent of a Gaussian?": "0.5 * -> ",
        "each code has its own divergence; components add up.": "return total -> return 0.5 * terms",
        "this is the mean over the components; logarithms of a product add up.": "np.sum -> np.mean",
        "each code has its own divergence: sum over the last axis only.": ", axis=-1 -> ",
        "the sum runs over the codes; it should run over the components of each, the last axis.": "-1) -> 0)",
        "what is the divergence of two equal Gaussians? A constant is missing.": " - 1\n -> \n",
        "where is the logarithm of the prior's variance?": "+ prior_log_var - log_var -> - log_var",
        "where is the logarithm of q's own variance?": "- log_var - 1 -> - 1",
        "look at the signs of the two logarithms.": "prior_log_var - log_var -> log_var - prior_log_var",
        "this is the lecture's divergence, from N(0, I): where are nu and tau?": [
            "mu - prior_mu -> mu",
            " / np.exp(prior_log_var) + prior_log_var -> ",
        ],
        "this is the divergence from N(0, I): where is the prior's variance?": (
            " / np.exp(prior_log_var) + prior_log_var -> "
        ),
        "where is the prior's mean?": "mu - prior_mu -> mu",
        "the distance of the means is squared.": "np.square(mu -> np.abs(mu",
        "the distance of the means is measured in the prior's width, too.": (
            "(variance + distance) / np.exp(prior_log_var) -> variance / np.exp(prior_log_var) + distance"
        ),
        "this divides by the prior's standard deviation; its variance stands in the density.": (
            "np.exp(prior_log_var) -> np.exp(0.5 * prior_log_var)"
        ),
        "this divides by the wrong variance: z is a draw of q, but whose density is p?": (
            "/ np.exp(prior_log_var) -> / variance"
        ),
        "exp(log_var) is the variance of q: it is neither squared nor a standard deviation.": (
            "variance + distance -> variance**2 + distance"
        ),
        "the arguments are logarithms of variances: what are the variances?": [
            "np.exp(log_var) -> log_var",
            "/ np.exp(prior_log_var) -> / prior_log_var",
        ],
    },
    rtol=1e-5,
    atol=1e-5,
)
def kl_diagonal(mu, log_var, prior_mu, prior_log_var):
    """Return KL(N(mu, diag(exp(log_var))), N(prior_mu, diag(exp(prior_log_var)))) for each row."""
    variance = np.exp(log_var)
    distance = np.square(mu - prior_mu)
    terms = (variance + distance) / np.exp(prior_log_var) + prior_log_var - log_var - 1
    total = 0.5 * np.sum(terms, axis=-1)
    return total


# 2. A Laplace decoder -----------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([[1, 0, 4], [2, 5, 2]]), np.array([[0, 0, 1], [4, 5, 8]])),
        _numbers((5, 2), (5, 2), seed=4),
        _numbers((1, 4), (1, 4), seed=5),
    ],
    mistakes={
        "this b is best for a Gaussian: which derivative is 0 here?": "(error) -> (error**2) ** 0.5",
        "this b is the mean square: which derivative is 0 here?": "np.mean(error) -> np.mean(error**2)",
        "this is the sum of all distances: the term with log b is there once for each number.": (
            "np.mean(error) -> np.sum(error)"
        ),
        "the median is the best place of a Laplace density, not its width.": "mean(error) -> median(error)",
        "the 2 of 2b is a constant: it changes the value, not the place of the maximum.": "b = -> b = 2 *",
        "one b for all numbers is wanted, this is one for each pixel.": "(error) -> (error, axis=0)",
        "distances have no sign: where is the absolute value?": "np.abs(x - mean) -> (x - mean)",
        "this is the loss, minus the log-likelihood.": "-np.sum -> np.sum",
        "the factor 1/(2b) is missing: what is its logarithm?": " + np.log(2 * b), axis -> , axis",
        "the factor is 1/(2b): where is the 2?": "2 * b -> b",
        "the factor 1/(2b) belongs to every pixel.": (
            "np.sum(error / b + np.log(2 * b), axis=1) -> (np.sum(error / b, axis=1) + np.log(2 * b))"
        ),
        "look at the sign of the logarithm: a wide density is a low one.": "+ np.log -> - np.log",
        "this is the density; its logarithm is wanted.": "return b, log_p -> return b, np.exp(log_p)",
        "the squared distance belongs to a Gaussian.": "error / b -> error**2 / b",
        "each image has its own likelihood: sum over its pixels only.": ", axis=1 -> ",
        "the sum runs over the images; it should run over the pixels.": "axis=1 -> axis=0",
        "this is the mean over the pixels; the logarithm of a product is a sum.": "-np.sum -> -np.mean",
        "b comes first.": "return b, log_p -> return log_p, b",
    },
)
def laplace_fit(x, mean):
    """Return the best b, one number, and log p of each row of x (n, d) with it, for the given means."""
    error = np.abs(x - mean)
    b = np.mean(error)
    log_p = -np.sum(error / b + np.log(2 * b), axis=1)
    return b, log_p


@laplace_fit.property
def _laplace_fit_is_numpy(attempt):
    for part, what in zip(attempt(*_numbers((3, 2), (3, 2), seed=6)), ("b", "log p"), strict=True):
        expect.numpy_array(np.float64(part) if isinstance(part, float) else part, what)


# 3. The slopes of the ELBO ------------------------------------------------------------------------


def _linear_gaussian(seed, d=5, k=2):
    """Return arguments x, W, b, s, mu, log_var of the exercise."""
    x, W, b, mu, log_var = _numbers((d,), (d, k), (d,), (k,), (k,), seed=seed)
    return x, W, b, 0.7, mu, log_var


_MODEL = np.array([4, 2, 0]), np.array([[1, 0], [2, 3], [1, 1]]), np.array([1, 3, 1]), 2


@exercise(
    cases=[
        (*_MODEL, np.array([1, -1]), np.array([1, -1])),
        _linear_gaussian(seed=6),
        _linear_gaussian(seed=8, d=4, k=1),
        _linear_gaussian(seed=9, d=3, k=3),
    ],
    mistakes={
        "both signs are reversed: these are slopes of the loss.": "by_mu, by_log_var -> -by_mu, -by_log_var",
        "the divergence depends on mu and on log_var: it is missing in both.": [
            " / s**2 - mu -> / s**2",
            "0.5 - 0.5 * variance * (1 + spread) -> -0.5 * variance * spread",
        ],
        "the slope by mu comes first.": "return by_mu, by_log_var -> return by_log_var, by_mu",
        "by mu: the divergence depends on mu, too.": " / s**2 - mu -> / s**2",
        "by mu: look at the sign of the divergence's part.": " / s**2 - mu -> / s**2 + mu",
        "by mu: the square brings a factor 2, which the 1/2 takes away.": "W.T @ rest / -> 2 * W.T @ rest / ",
        "by mu: look at the sign; x - W mu - b has a minus before mu.": "W.T @ rest -> -W.T @ rest",
        "by mu: x - W mu - b is not divided by s^2.": "W.T @ rest / s**2 -> W.T @ rest",
        "where is b? The mean of x is W z + b.": " - b\n -> \n",
        "look at the sign of b: the mean of x is W z + b.": " - b\n -> + b\n",
        "s is the standard deviation of x; the formula has its square.": "s**2 -> s",
        "by log_var: the term with W is missing, which the spread of z adds to the error.": " + spread -> ",
        "by log_var: the divergence is missing.": (
            "0.5 - 0.5 * variance * (1 + spread) -> -0.5 * variance * spread"
        ),
        "by log_var: the divergence also has the term -log_var.": "0.5 - 0.5 * -> -0.5 * ",
        "by log_var: the divergence also has the term exp(log_var).": "(1 + spread) -> spread",
        "this is the slope by the variance: the chain rule adds a factor.": (
            "0.5 - 0.5 * variance * (1 -> 0.5 / variance - 0.5 * (1"
        ),
        "this is the slope by sigma: the chain rule adds a factor.": (
            "0.5 - 0.5 * variance * (1 + spread) -> (1 - variance * (1 + spread)) / np.sqrt(variance)"
        ),
        "by log_var: every term has the factor 1/2.": "0.5 - 0.5 * variance -> 1 - variance",
        "exp(log_var) is the variance, not its root.": "np.exp(log_var) -> np.exp(0.5 * log_var)",
        "the weights in the spread are squared.": "np.square(W) -> W",
        "each component has its own column of W: the sum runs over the rows.": (
            "np.sum(np.square(W), axis=0) -> np.sum(np.square(W))"
        ),
        "take the columns of W: sum over its rows, the D numbers of x.": "axis=0) -> axis=1)",
    },
    rtol=1e-5,
)
def elbo_slopes(x, W, b, s, mu, log_var):
    """Return the derivatives of the ELBO at x (D,) by mu (k,) and by log_var (k,), as a pair."""
    rest = x - W @ mu - b
    variance = np.exp(log_var)
    spread = np.sum(np.square(W), axis=0) / s**2
    by_mu = W.T @ rest / s**2 - mu
    by_log_var = 0.5 - 0.5 * variance * (1 + spread)
    return by_mu, by_log_var


# 4. Where a code is switched off ------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([8.0, 2.0, 1.0]), 1.0, 4.0),
        (np.array([5.0, 0.3, 0.02, 1.5]), 0.7, 0.25),
        (np.array([3, 7]), 2, 1),
        (np.array([0.5]), 0.1, 1.0),
    ],
    mistakes={
        "beta does not appear, but it decides which codes pay.": "noise = beta * -> noise = ",
        "s is a standard deviation; J has its square.": "s**2 -> s",
        "a variance below the limit gives a root of a negative number: what is the best w there?": (
            "np.maximum(v - noise, 0) -> (v - noise)"
        ),
        "below the limit there is no such w: what is the best w there, and what is the divergence then?": [
            "np.maximum(v - noise, 0) -> (v - noise)",
            "np.maximum(v / noise, 1) -> (v / noise)",
        ],
        "this is w squared.": "np.sqrt(np.maximum(v - noise, 0)) -> np.maximum(v - noise, 0)",
        "w is not switched off: insert your a and sigma^2 into dJ/dw = 0 once more.": (
            "np.sqrt(np.maximum(v - noise, 0)) -> np.sqrt(v)"
        ),
        "on and off are told apart rightly; how large is w where it is on?": (
            "np.sqrt(np.maximum(v - noise, 0)) -> np.sqrt(v) * (v > noise)"
        ),
        "below the limit w = 0, and then q is the prior: what is the divergence?": (
            "np.log(np.maximum(v / noise, 1)) -> np.log(v / noise)"
        ),
        "the divergence has the factor 1/2.": "kl = 0.5 * -> kl = ",
        "a larger beta switches more codes off, not fewer.": "beta * s**2 -> s**2 / beta",
        "the divergence itself is wanted, not beta times it.": "return w, kl -> return w, beta * kl",
        "the divergence is the logarithm of a ratio of variances: which of the two is the larger?": (
            "return w, kl -> return w, -kl"
        ),
        "this is the divergence of the code of one y = 0: v a^2, the mean of its squared mean, is missing.": (
            "return w, kl -> return w, kl + 0.5 * (np.minimum(noise / v, 1) - 1)"
        ),
        "the divergence depends on beta as well: sigma^2 does.": (
            "np.maximum(v / noise, 1) -> np.maximum(v / s**2, 1)"
        ),
        "w comes first.": "return w, kl -> return kl, w",
    },
)
def beta_optimum(v, s, beta):
    """Return w >= 0 of the best linear beta-VAE and the divergence of its code, for each variance v (k,)."""
    noise = beta * s**2
    w = np.sqrt(np.maximum(v - noise, 0))
    kl = 0.5 * np.log(np.maximum(v / noise, 1))
    return w, kl


def _is_a_pair(exercise, arguments):
    """Let the check demand a pair of NumPy arrays."""

    @exercise.property
    def _pair_of_arrays(attempt):
        for i, part in enumerate(attempt(*arguments)):
            expect.numpy_array(part, f"{exercise.name}(...)[{i}]")


_is_a_pair(elbo_slopes, _linear_gaussian(seed=6))
_is_a_pair(beta_optimum, beta_optimum.cases[1])


# 5. The loss --------------------------------------------------------------------------------------


def _batch(n, d, k, seed):
    rng = np.random.default_rng(seed)
    pixels, logits = rng.integers(2, size=(n, d)), 3 * rng.normal(size=(n, d))
    return tuple(part.astype("float32") for part in (pixels, logits, *rng.normal(size=(2, n, k))))


def _float32(*arrays):
    return tuple(np.array(values, "float32") for values in arrays)


_PIXELS = "ops.sum(ops.softplus -> ops.mean(ops.softplus"  # the three planted faults
_WIDTH = "ops.exp(log_var) -> ops.exp(0.5 * log_var)"
_LATE = "ops.maximum(ops.mean(kl, axis=0), free) -> ops.mean(ops.maximum(kl, free), axis=0)"


@exercise(
    cases=[
        (*_float32([[1, 0, 1], [0, 0, 1]], [[0, 1, 2], [-1, 0, 3]], [[1, 2], [3, 0]], [[0, 0], [1, -1]]), 2),
        (*_batch(5, 4, 3, seed=14), 0.0),
        (*_batch(5, 4, 3, seed=15), 0.9),
        (*_batch(1, 6, 2, seed=16), 0.3),
    ],
    mistakes={
        "all three faults are still there.": [_PIXELS, _WIDTH, _LATE],
        "tests 1 and 2 still fail.": [_PIXELS, _WIDTH],
        "tests 1 and 3 still fail.": [_PIXELS, _LATE],
        "tests 2 and 3 still fail.": [_WIDTH, _LATE],
        "the pixels of an image are independent: their logarithms add up (test 1).": _PIXELS,
        "test 2: a divergence is 0 only from the prior itself. Which of its terms is a variance?": _WIDTH,
        "test 3: the maximum comes after the mean over the images.": _LATE,
        "each component has its own maximum of its divergence and free.": (
            "ops.sum(paid) -> ops.maximum(ops.sum(ops.mean(kl, axis=0)), free)"
        ),
        "the components add up, as the pixels do.": "ops.sum(paid) -> ops.mean(paid)",
        "this is the sum over the images; take their mean.": "ops.mean(pixels) -> ops.sum(pixels)",
        "the minimum would limit what the code may say.": "ops.maximum -> ops.minimum",
        "the divergence has the factor 1/2.": "0.5 * (ops -> (ops",
        "look at the first sign: a likely x makes the loss small.": "return ops -> return -ops",
        "look at the sign of the divergence: a loss grows with it.": "+ ops.sum(paid) -> - ops.sum(paid)",
        "the black pixels have a likelihood, too.": (
            "ops.softplus(logits) - x * logits -> x * ops.softplus(-logits)"
        ),
        "where is the divergence?": " + ops.sum(paid) -> ",
        "training needs derivatives by mu and log_var.": "ops.sum(paid) -> ops.stop_gradient(ops.sum(paid))",
    },
    **KERAS,
)
def vae_loss(x, logits, mu, log_var, free):
    """Return the mean of -log p(x|z) over the batch plus the sum of max(free, KL_j): one number."""
    from keras import ops

    kl = 0.5 * (ops.square(mu) + ops.exp(log_var) - log_var - 1)
    pixels = ops.sum(ops.softplus(logits) - x * logits, axis=-1)
    paid = ops.maximum(ops.mean(kl, axis=0), free)
    return ops.mean(pixels) + ops.sum(paid)


@vae_loss.case
def _loss_of_sure_pixels(attempt):
    """vae_loss with logits of -200 and 200"""
    return attempt(*_float32([[1, 0]], [[-200, 200]], [[0]], [[0]]), 0.0)


@vae_loss.case
def _vae_loss_in_training(attempt):
    """vae_loss(x, logits, mu, log_var, 0.4) in a compiled model, with its derivatives but that by x"""
    found = expect.in_training(lambda *tensors: attempt(*tensors, 0.4), *_batch(4, 6, 3, seed=14))
    return found["result"], *found["gradients"][1:]


# 6. How many draws count --------------------------------------------------------------------------


def _log_of_sum(a, axis):
    return np.log(np.exp(a).sum(axis=axis))


@expect.numpy_only
@exercise(
    cases=[
        (np.array([[-1, 0, 2], [-3, 0, 1]]), np.array([[0, -1, 1], [-2, 1, 1]])),
        _numbers((1, 2), (1, 2), seed=18),
        (_numbers((6, 3), seed=19)[0] + [-1500, 0, 1500], _numbers((6, 3), seed=20)[0]),
    ],
    mistakes={
        "w is p(x, z) / q(z|x): its logarithm is a difference.": "log_joint - log_q -> log_joint",
        "look at the sign: q stands in the denominator.": "log_joint - log_q -> log_q - log_joint",
        "this is its logarithm.": "return np.exp(top - bottom) -> return top - bottom",
        "this is the inverse: with K equal weights the answer is K.": "top - bottom -> bottom - top",
        "the sum on top is squared: what does that do to its logarithm?": "2 * np.logaddexp -> np.logaddexp",
        "the weights below are squared: what does that do to their logarithms?": (
            "np.logaddexp.reduce(2 * log_w -> np.logaddexp.reduce(log_w"
        ),
        "the square of a logarithm is not the logarithm of a square.": "(2 * log_w -> (log_w**2",
        "this is the number divided by K.": "np.exp(top - bottom) -> np.exp(top - bottom) / len(log_w)",
        "the draws are the rows: sum over the first axis.": "axis=0 -> axis=1",
        "each image has its own number.": "return np.exp(top - bottom) -> return np.exp(top - bottom).mean()",
        "exp of these logarithms is 0 or infinite: stay with logarithms until the end.": (
            "np.logaddexp.reduce -> _log_of_sum"
        ),
        "take out the largest logarithm of each image: the largest of all is too large for the others.": [
            "log_joint - log_q -> log_joint - log_q - (log_joint - log_q).max()",
            "np.logaddexp.reduce -> _log_of_sum",
        ],
    },
    rtol=1e-5,
)
def effective_draws(log_joint, log_q):
    """Return (sum of w)^2 / (sum of w^2) for each image, w = p(x, z) / q(z|x), from logarithms (K, n)."""
    log_w = log_joint - log_q
    top = 2 * np.logaddexp.reduce(log_w, axis=0)
    bottom = np.logaddexp.reduce(2 * log_w, axis=0)
    return np.exp(top - bottom)


# 7. The best prior --------------------------------------------------------------------------------


@exercise(
    cases=[
        (np.array([[1, 2], [3, 0], [2, 1]]), np.array([[0, 1], [2, -1], [0, 0]])),
        _numbers((6, 3), (6, 3), seed=21),
        _numbers((1, 2), (1, 2), seed=22),
    ],
    mistakes={
        "the second result is the logarithm of the variance.": "np.log(spread + moved) -> spread + moved",
        "the second result is the logarithm of the variance, not of its root.": (
            "np.log(spread + moved) -> 0.5 * np.log(spread + moved)"
        ),
        "this is the spread of the means alone; each q has a width, too.": "spread + moved -> moved",
        "this is the mean width of the q alone; their means differ, too.": "spread + moved -> spread",
        "the distances are those from the prior's mean, not from 0.": "np.var(mu -> np.mean(mu**2",
        "the distances of the means are squared.": "np.var -> np.std",
        "average the variances, not their logarithms.": (
            "np.mean(np.exp(log_var), axis=0) -> np.exp(np.mean(log_var, axis=0))"
        ),
        "exp(log_var) is the variance, not its root.": "np.exp(log_var) -> np.exp(0.5 * log_var)",
        "a mean is wanted, not a sum.": "np.mean(mu -> np.sum(mu",
        "divide by n, not by n - 1: a mean is minimised.": "np.var(mu, axis=0 -> np.var(mu, axis=0, ddof=1",
        "each component has its own mean and variance: which axis holds the images?": "axis=0 -> axis=1",
        "the prior is one for all components here; each component has its own.": ", axis=0 -> ",
        "this adds the logarithms; the variances add up.": (
            "np.log(spread + moved) -> np.log(spread) + np.log(moved)"
        ),
        "this prior is the mean of the q's parameters: minimise over tau^2 once more.": (
            "np.log(spread + moved) -> np.mean(log_var, axis=0)"
        ),
        "the mean comes first.": (
            "return center, np.log(spread + moved) -> return np.log(spread + moved), center"
        ),
    },
    rtol=1e-5,
)
def best_prior(mu, log_var):
    """Return the prior's best mean and log variance, (k,) each, for the codes mu, log_var (n, k)."""
    center = np.mean(mu, axis=0)
    spread = np.mean(np.exp(log_var), axis=0)
    moved = np.var(mu, axis=0)
    return center, np.log(spread + moved)


_is_a_pair(best_prior, best_prior.cases[1])


# 8. Around the origin -----------------------------------------------------------------------------


@expect.numpy_only
@exercise(
    cases=[
        (np.array([0, 2]), np.array([3, 4]), 3),
        (*_numbers((3,), (3,), seed=23), 5),
        (np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]), 4),  # rounding: the cosine is 1, or more
        (np.array([0.1, 0.7, 0.3]), np.array([0.1, 0.7, 0.3]), 3),
        (*_numbers((16,), (16,), seed=24), 8),
    ],
    mistakes={
        "this is the straight line; look at its length in the middle.": "if angle == 0 -> if True",
        "the angle is 0, and 0 / 0 is no number; or rounding makes the cosine larger than 1.": (
            "if angle == 0 -> if False"
        ),
        "where is the arccos? The scalar product gives the cosine of the angle.": "np.arccos -> ",
        "the cosine is the scalar product of the two directions: divide by both lengths.": [
            " / (np.linalg.norm(z_a) * np.linalg.norm(z_b)) -> ",
            "np.minimum(1, cosine) -> cosine",
        ],
        "the path runs backwards: it begins at z_a.": "(0, 1, n) -> (1, 0, n)",
        "both ends belong to the path, and nothing more.": "(0, 1, n) -> (0, 1, n + 1)",
        "the last code should be z_b: the end belongs to it.": "(0, 1, n) -> (0, 1, n, endpoint=False)",
        "the shares are divided by the sine of the angle.": ") / np.sin(angle) -> )",
        "the share of z_a is the sine of what is left of the angle.": (
            "np.sin((1 - t) * angle) -> (1 - np.sin(t * angle))"
        ),
        "look at the share of z_a.": "np.sin((1 - t) * angle) -> np.cos(t * angle)",
        "the lengths serve the cosine only: the path begins at z_a itself.": (
            "t = -> z_a, z_b = (z / np.linalg.norm(z) for z in (z_a, z_b))\n    t ="
        ),
        "the codes have lengths of their own: the path need not have length 1.": (
            "return path -> return path / np.linalg.norm(path, axis=1, keepdims=True)"
        ),
        "it looks transposed: the codes are the rows.": "return path -> return path.T",
    },
    rtol=1e-5,
    atol=1e-7,
)
def slerp(z_a, z_b, n):
    """Return n codes (n, k) from z_a to z_b at equal angles, both included."""
    t = np.linspace(0, 1, n)[:, None]
    cosine = z_a @ z_b / (np.linalg.norm(z_a) * np.linalg.norm(z_b))
    angle = np.arccos(np.minimum(1, cosine))
    if angle == 0:
        path = (1 - t) * z_a + t * z_b
    else:
        path = (np.sin((1 - t) * angle) * z_a + np.sin(t * angle) * z_b) / np.sin(angle)
    return path
