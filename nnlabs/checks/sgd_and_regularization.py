"""Checks of the lab "SGD and regularisation"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

if TYPE_CHECKING:
    import keras

Pair = tuple[np.ndarray, np.ndarray]
Triple = tuple[np.ndarray, np.ndarray, np.ndarray]

# ---------------------------------------------------------------- batches


@exercise()
def batches(n: int, m: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the indices 0 to n − 1 in random order, in arrays of length m; the last may be shorter."""
    order = rng.permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]


@batches.property
def every_index_once(batches: Callable) -> None:
    """Require each index exactly once."""
    for n, m in ((10, 4), (1000, 64)):
        what = f"batches({n}, {m}, rng)"
        found = _batches(batches, n, m, what)
        indices = np.concatenate(found)
        expect.true(
            indices.size == 0 or (indices.min() >= 0 and indices.max() < n),
            f"{what} holds the indices {indices.min()} to {indices.max()}, not 0 to {n - 1}.",
            "indices start at 0.",
        )
        missing = n - len(np.unique(indices))
        expect.true(
            len(indices) == len(np.unique(indices)),
            f"In one epoch of {what} an index comes {np.bincount(indices).max()} times.",
            "draw without replacement: shuffle all indices once, then cut the list into pieces.",
        )
        expect.true(
            missing != n % m,
            f"{what} leaves out {missing} of {n} samples.",
            "the last batch is shorter when m does not divide n; it still counts.",
        )
        expect.true(
            missing == 0,
            f"{what} leaves out {missing} of {n} samples.",
            "where does the last slice end?",
        )


@batches.property
def sizes(batches: Callable) -> None:
    """Require m samples in all batches but the last."""
    for n, m, expected in ((10, 4, [4, 4, 2]), (10, 5, [5, 5]), (3, 8, [3])):
        what = f"batches({n}, {m}, rng)"
        found = [len(batch) for batch in _batches(batches, n, m, what)]
        expect.true(
            0 not in found,
            f"{what} has an empty batch.",
            "what happens at the end when m divides n?",
        )
        expect.true(
            len(found) == len(expected) or len(found) != m,
            f"{what} has {len(found)} batches, expected {len(expected)}.",
            "m is the number of samples in a batch, not the number of batches.",
        )
        expect.true(
            found == expected,
            f"{what} has batches of {found} samples, expected {expected}.",
            "all batches but the last have exactly m samples.",
        )


@batches.property
def shuffled(batches: Callable) -> None:
    """Require a random order, new in each epoch, that comes from the generator."""
    rng = np.random.default_rng(1)
    first, second = (np.concatenate(batches(100, 10, rng)) for _ in range(2))
    expect.true(
        not np.array_equal(first, np.arange(100)) and not np.array_equal(first, np.arange(100)[::-1]),
        "The indices are not in random order.",
        "shuffle before you cut.",
    )
    in_order = [np.all(np.diff(first[start : start + 10]) == 1) for start in range(0, 100, 10)]
    expect.true(
        not all(in_order),
        "Each batch holds neighbours of the original order.",
        "shuffle the samples, not the finished batches.",
    )
    expect.true(
        not np.array_equal(first, second),
        "Two epochs have the same batches.",
        "shuffle anew for each epoch: use the generator rng that is given, make no new one.",
    )
    again = np.concatenate(batches(100, 10, np.random.default_rng(1)))
    expect.true(
        np.array_equal(first, again),
        "With the same seed the batches differ.",
        "take the random numbers from rng, not from np.random.",
    )


def _batches(batches: Callable, n: int, m: int, what: str) -> list[np.ndarray]:
    found = batches(n, m, np.random.default_rng(0))
    expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, (list, tuple)),
        f"{what} should return a list, it returns {type(found).__name__}.",
        "collect the batches in a list.",
    )
    parts = [expect.as_array(batch) for batch in found]
    expect.true(
        all(part.ndim == 1 for part in parts),
        f"{what} should give one-dimensional arrays of indices.",
        "one array of indices a batch, all in a list.",
    )
    expect.true(
        all(part.dtype.kind in "iu" for part in parts if part.size),
        f"{what} should give integers: positions of the samples.",
        "an index says where a sample is; it is a whole number.",
    )
    return parts


# ---------------------------------------------------------------- schedules


def _schedule(
    name: str,
    r: int,
    rate: float,
    steps: int,
    *,
    inverse: Callable | None = None,
    cosine: Callable | None = None,
) -> float:
    if name == "constant":
        return rate
    if name == "inverse":
        return inverse(r, rate) if inverse else rate / r
    return cosine(r, rate, steps) if cosine else rate / 2 * (1 + np.cos(np.pi * r / steps))


@exercise(
    cases=[
        ("constant", 7, 0.1, 100),
        ("inverse", 1, 0.5, 100),
        ("inverse", 20, 0.5, 100),
        ("cosine", 25, 0.1, 100),
        ("cosine", 100, 0.1, 100),
    ],
    mistakes={
        "Steps count from 1: the first rate is the full one.": partial(
            _schedule, inverse=lambda r, rate: rate / (r + 1)
        ),
        "Where is the starting rate in the 1/r schedule?": partial(_schedule, inverse=lambda r, rate: 1 / r),
        "The conditions of Robbins and Monro need a slower decrease than 1/r².": partial(
            _schedule, inverse=lambda r, rate: rate / r**2
        ),
        "Half a wave goes from 1 to -1; shift and halve it, so that it goes from 1 to 0.": partial(
            _schedule, cosine=lambda r, rate, steps: rate * np.cos(np.pi * r / steps)
        ),
        "The cosine goes from rate to 0: at the start it would be twice the rate.": partial(
            _schedule, cosine=lambda r, rate, steps: rate * (1 + np.cos(np.pi * r / steps))
        ),
        "The angle is in radians: half a wave is π.": partial(
            _schedule, cosine=lambda r, rate, steps: rate / 2 * (1 + np.cos(r / steps))
        ),
        "np.cos takes radians, not degrees.": partial(
            _schedule, cosine=lambda r, rate, steps: rate / 2 * (1 + np.cos(180 * r / steps))
        ),
        "A whole wave comes up again at the end; you need half of one.": partial(
            _schedule, cosine=lambda r, rate, steps: rate / 2 * (1 + np.cos(2 * np.pi * r / steps))
        ),
        "This one rises: look at the sign before the cosine.": partial(
            _schedule, cosine=lambda r, rate, steps: rate / 2 * (1 - np.cos(np.pi * r / steps))
        ),
        "This is a straight line, not a cosine.": partial(
            _schedule, cosine=lambda r, rate, steps: rate * (1 - r / steps)
        ),
    },
)
def schedule(name: str, r: int, rate: float, steps: int) -> float:
    """Return the learning rate of step r = 1, 2, ..., steps."""
    return _schedule(name, r, rate, steps)


# ---------------------------------------------------------------- momentum


def _momentum(
    theta: np.ndarray,
    v: np.ndarray,
    slope: np.ndarray,
    rate: float,
    mu: float,
    l2: float,
    *,
    velocity: Callable | None = None,
    penalty: float = 2.0,
    end: Callable | None = None,
) -> Pair:
    total = slope + penalty * l2 * theta
    new = velocity(v, total, rate, mu) if velocity else mu * v - rate * total
    return (end(theta, v, new) if end else theta + new), new


def _momentum_l1(
    theta: np.ndarray, v: np.ndarray, slope: np.ndarray, rate: float, mu: float, l2: float
) -> Pair:
    return _momentum(theta, v, slope + l2 * np.sign(theta), rate, mu, 0.0)


def _momentum_decay(
    theta: np.ndarray, v: np.ndarray, slope: np.ndarray, rate: float, mu: float, l2: float
) -> Pair:
    v = mu * v - rate * slope - 2 * l2 * theta
    return theta + v, v


_THETA = np.array([1.0, -2.0])
_V = np.array([0.3, -0.2])
_SLOPE = np.array([2.0, -4.0])


@exercise(
    cases=[
        (_THETA, np.zeros_like(_THETA), _SLOPE, 0.1, 0.0, 0.0),
        (_THETA, _V, _SLOPE, 0.1, 0.9, 0.0),
        (_THETA, np.zeros_like(_THETA), _SLOPE, 0.1, 0.0, 0.05),
        (_THETA, _V, _SLOPE, 0.05, 0.8, 0.01),
    ],
    mistakes={
        "This walks uphill: against the gradient is down.": partial(
            _momentum, velocity=lambda v, g, rate, mu: mu * v + rate * g
        ),
        "The sign of the momentum: the old velocity goes on in its direction.": partial(
            _momentum, velocity=lambda v, g, rate, mu: -mu * v - rate * g
        ),
        "The learning rate is missing in the velocity.": partial(
            _momentum, velocity=lambda v, g, rate, mu: mu * v - g
        ),
        "In this course's form the gradient is not multiplied by 1 - mu.": partial(
            _momentum, velocity=lambda v, g, rate, mu: mu * v - (1 - mu) * rate * g
        ),
        "mu and 1 - mu are exchanged.": partial(
            _momentum, velocity=lambda v, g, rate, mu: (1 - mu) * v - rate * g
        ),
        "The old velocity has no effect: where is mu?": partial(
            _momentum, velocity=lambda v, g, rate, mu: -rate * g
        ),
        "The parameters move with the new velocity, not with the old one.": partial(
            _momentum, end=lambda theta, old, new: theta + old
        ),
        "The velocity is already directed downhill: add it.": partial(
            _momentum, end=lambda theta, old, new: theta - new
        ),
        "The penalty has no effect: its gradient comes on top of the slope.": partial(_momentum, penalty=0.0),
        "The derivative of a square has a factor 2.": partial(_momentum, penalty=1.0),
        "The sign of the penalty: it pulls the parameters towards zero.": partial(_momentum, penalty=-2.0),
        "That is the gradient of the L1 penalty; L2 is proportional to the parameter.": _momentum_l1,
        "The penalty is part of the gradient: the learning rate multiplies it too.": _momentum_decay,
    },
)
def sgd_step(theta: np.ndarray, v: np.ndarray, slope: np.ndarray, rate: float, mu: float, l2: float) -> Pair:
    """Return the parameters and the velocity after one step with momentum and L2 penalty."""
    return _momentum(theta, v, slope, rate, mu, l2)


@sgd_step.property
def converges(sgd_step: Callable) -> None:
    """Require the minimum of a quadratic."""
    theta, v = np.array([5.0, -3.0]), np.zeros(2)
    for _ in range(300):
        theta, v = sgd_step(theta, v, theta, 0.1, 0.9, 0.0)
    expect.close(theta, np.zeros(2), "300 steps on ½|θ|² with momentum", atol=1e-4)


# ---------------------------------------------------------------- Adam


def _adam(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    *,
    square: bool = True,
    correct: tuple[bool, bool] = (True, True),
    end: Callable | None = None,
) -> Triple:
    m = beta1 * m + (1 - beta1) * slope
    s = beta2 * s + (1 - beta2) * (slope**2 if square else slope)
    m_hat = m / (1 - beta1**r) if correct[0] else m
    s_hat = s / (1 - beta2**r) if correct[1] else s
    step = end(m_hat, s_hat, epsilon) if end else m_hat / (np.sqrt(s_hat) + epsilon)
    return theta - rate * step, m, s


def _adam_shifted(shift: int, theta: np.ndarray, m: np.ndarray, s: np.ndarray, r: int, *rest: Any) -> Triple:
    return _adam(theta, m, s, r + shift, *rest)


def _adam_swapped(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Triple:
    return _adam(theta, m, s, r, slope, rate, beta2, beta1, epsilon)


def _adam_weights_exchanged(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Triple:
    m = (1 - beta1) * m + beta1 * slope
    s = (1 - beta2) * s + beta2 * slope**2
    return theta - rate * (m / (1 - beta1**r)) / (np.sqrt(s / (1 - beta2**r)) + epsilon), m, s


def _adam_keeps_corrected(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Triple:
    theta, m, s = _adam(theta, m, s, r, slope, rate, beta1, beta2, epsilon)
    return theta, m / (1 - beta1**r), s / (1 - beta2**r)


def _adam_epsilon_first(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Triple:
    _, m, s = _adam(theta, m, s, r, slope, rate, beta1, beta2, epsilon)
    return theta - rate * np.sqrt(1 - beta2**r) / (1 - beta1**r) * m / (np.sqrt(s) + epsilon), m, s


def _adam_without_mean(
    theta: np.ndarray, m: np.ndarray, s: np.ndarray, r: int, slope: np.ndarray, rate: float, *rest: Any
) -> Triple:
    _, m, s = _adam(theta, m, s, r, slope, rate, *rest)
    beta2, epsilon = rest[1:]
    return theta - rate * slope / (np.sqrt(s / (1 - beta2**r)) + epsilon), m, s


def _adam_uphill(
    theta: np.ndarray, m: np.ndarray, s: np.ndarray, r: int, slope: np.ndarray, rate: float, *rest: Any
) -> Triple:
    return _adam(theta, m, s, r, slope, -rate, *rest)


_SMALL = np.array([2e-6, -4e-6])


@exercise(
    cases=[
        (_THETA, np.zeros_like(_THETA), np.zeros_like(_THETA), 1, _SLOPE, 0.1, 0.9, 0.999, 1e-7),
        (_THETA, _V, np.abs(_V) + 1, 4, _SLOPE, 0.1, 0.9, 0.999, 1e-7),
        (_THETA, np.zeros_like(_THETA), np.zeros_like(_THETA), 2, _SMALL, 0.1, 0.8, 0.99, 1e-6),
    ],
    mistakes={
        "The bias correction is missing: at step 1 both means are still close to zero.": partial(
            _adam, correct=(False, False)
        ),
        "Both means are corrected; the one of the squares is not.": partial(_adam, correct=(True, False)),
        "Both means are corrected; the one of the gradients is not.": partial(_adam, correct=(False, True)),
        "Steps count from 1, and r is already the number of this one.": partial(_adam_shifted, 1),
        "The two betas are exchanged: beta1 belongs to the gradient, beta2 to its square.": _adam_swapped,
        "beta weighs the old mean, 1 - beta the new gradient.": _adam_weights_exchanged,
        "s is the mean of the squares of the gradient.": partial(_adam, square=False),
        "The root of s is missing.": partial(_adam, end=lambda m, s, eps: m / (s + eps)),
        "epsilon stands outside the root.": partial(_adam, end=lambda m, s, eps: m / np.sqrt(s + eps)),
        "Keras adds epsilon before the correction; here it comes after it.": _adam_epsilon_first,
        "epsilon is missing: what if a gradient is always zero?": partial(
            _adam, end=lambda m, s, eps: m / np.sqrt(s)
        ),
        "The step divides the mean m, not the gradient of this step.": _adam_without_mean,
        "Return m and s as they are; the corrected values are for this step only.": _adam_keeps_corrected,
        "This walks uphill: look at the sign of the step.": _adam_uphill,
    },
)
def adam_step(
    theta: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    r: int,
    slope: np.ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> Triple:
    """Return parameters, mean of the gradients and mean of their squares after step r (Kingma & Ba, 2015)."""
    return _adam(theta, m, s, r, slope, rate, beta1, beta2, epsilon)


@adam_step.property
def zero_gradient_does_not_divide_by_zero(adam_step: Callable) -> None:
    """Require that a gradient of zero moves nothing."""
    zero = np.zeros(2)
    theta, _, _ = adam_step(np.ones(2), zero, zero, 1, zero, 0.1, 0.9, 0.999, 1e-7)
    expect.close(theta, np.ones(2), "adam_step with a gradient of zero", "epsilon keeps the division safe.")


# ---------------------------------------------------------------- initialisation


@exercise()
def initialise(n_in: int, n_out: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return weights of shape (n_out, n_in): Glorot & Bengio (2010) or He et al. (2015)."""
    variance = 2 / n_in if kind == "he" else 2 / (n_in + n_out)
    return np.sqrt(variance) * rng.standard_normal((n_out, n_in))


@initialise.property
def shape(initialise: Callable) -> None:
    """Require a row for each unit, a column for each input."""
    found = initialise(5, 3, "he", np.random.default_rng(0))
    expect.close(
        np.zeros_like(expect.as_array(found), dtype=float), np.zeros((3, 5)), "initialise(5, 3, 'he', rng)"
    )


@initialise.property
def moments(initialise: Callable) -> None:
    """Require mean 0 and the right variance."""
    n_in, n_out = 500, 200
    right = {"he": 2 / n_in, "glorot": 2 / (n_in + n_out)}
    for kind, variance in right.items():
        what = f"initialise({n_in}, {n_out}, {kind!r}, rng)"
        W = expect.as_array(initialise(n_in, n_out, kind, np.random.default_rng(0)))
        expect.true(
            np.std(W) > 0, f"{what}: all weights are {expect.brief(W.flat[0])}.", "weights have to differ."
        )
        expect.true(
            abs(W.mean()) < 5 * W.std() / np.sqrt(W.size),
            f"{what}: the mean of the weights is {W.mean():.3g}, expected 0.",
            "rng.random gives numbers from 0 to 1; which one is symmetric around 0?",
        )
        expect.true(
            np.isclose(W.var(), variance, rtol=0.03),
            f"{what}: the variance of the weights is {W.var():.3g}, expected {variance:.3g}.",
            _variance_hint(W.var(), n_in, n_out, right, kind),
        )


def _variance_hint(found: float, n_in: int, n_out: int, right: dict[str, float], kind: str) -> str:
    """Name the mistake that gives this variance."""
    variance = right[kind]
    other = next(value for name, value in right.items() if name != kind)
    mistakes = {
        variance**2: "a normal number times c has variance c²: is there a square root missing?",
        other: "this is the variance of the other kind: are he and glorot exchanged?",
        variance / 2: "half of what it should be: the factor 2 is missing.",
        1.0: "the weights still have variance 1: scale them.",
        2 / n_out: "n_in is the number of inputs, the columns of W.",
        variance / 3: "a uniform distribution between -c and c has variance c²/3.",
        np.sqrt(variance): "the square root is taken twice.",
    }
    return next((hint for value, hint in mistakes.items() if np.isclose(found, value, rtol=0.03)), "")


@initialise.property
def randomness(initialise: Callable) -> None:
    """Require weights that come from the generator."""
    rng = np.random.default_rng(1)
    first, second = (expect.as_array(initialise(6, 4, "glorot", rng)) for _ in range(2))
    expect.true(
        not np.array_equal(first, second),
        "Two calls with the same generator give the same weights.",
        "use the generator rng that is given, make no new one.",
    )
    expect.close(
        initialise(6, 4, "glorot", np.random.default_rng(1)),
        first,
        "initialise(6, 4, 'glorot', rng) with the same seed",
        "take the random numbers from rng, not from np.random.",
    )


# ---------------------------------------------------------------- dropout


@exercise()
def dropout(h: np.ndarray, p: float, rng: np.random.Generator, training: bool) -> np.ndarray:
    """Set each entry of h (samples, units) to zero with probability p and rescale; only in training."""
    if not training:
        return h
    kept = rng.random(h.shape) >= p
    return kept * h / (1 - p)


@dropout.property
def inference(dropout: Callable) -> None:
    """Require that inference changes nothing."""
    h = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
    found = dropout(h.copy(), 0.25, np.random.default_rng(0), False)
    hint = ""
    if expect.same(found, 0.75 * h):
        hint = "this course rescales in training, so inference changes nothing."
    elif np.any(expect.as_array(found) == 0):
        hint = "in inference all units are there."
    expect.close(found, h, "dropout(h, 0.25, rng, training=False)", hint)


@dropout.property
def values(dropout: Callable) -> None:
    """Require the right share of zeros, independent of each other, and the rest rescaled."""
    rng = np.random.default_rng(0)
    h = rng.uniform(1, 2, size=(200, 50))
    for p in (0.2, 0.5):
        what = f"dropout(h, {p}, rng, training=True)"
        before = h.copy()
        found = expect.as_array(dropout(before, p, rng, True))
        expect.true(np.array_equal(before, h), f"{what} changes its argument.", "make a new array.")
        expect.true(found.shape == h.shape, f"{what}: expected shape {h.shape}, found {found.shape}.")
        kept = found != 0
        expect.true(
            not kept.all(), f"{what} drops nothing.", "in training each unit is dropped with probability p."
        )
        _mask(kept, what)
        share = 1 - kept.mean()
        expect.true(
            abs(share - p) < 0.03,
            f"{what} drops {share:.0%} of the units, expected about {p:.0%}.",
            "p is the probability of dropping, not of keeping."
            if abs(share - (1 - p)) < 0.03
            else "compare a random number between 0 and 1 with p, one for each entry.",
        )
        expect.true(
            np.std(kept.sum(axis=1)) > 0,
            f"{what} drops the same number of units in every row.",
            "each unit is dropped by its own random number.",
        )
        factors = found[kept] / h[kept]
        hints = {
            1.0: "the units that are left are not rescaled, so the mean changes.",
            1 / p: "the factor makes up for what was dropped: which share is left?",
            1 - p: "is the factor turned upside down?",
            p: "which share of the units is left?",
        }
        expect.true(
            np.allclose(factors, 1 / (1 - p)),
            f"{what} multiplies what it keeps by {factors[0]:.4g}, expected {1 / (1 - p):.4g}.",
            next((hint for factor, hint in hints.items() if np.allclose(factors, factor)), ""),
        )


def _mask(kept: np.ndarray, what: str) -> None:
    """Raise if samples, or units, share a mask."""
    expect.true(
        not np.all(kept == kept[0]),
        f"{what} drops the same units in every row.",
        "each sample of the batch has its own mask: how many random numbers do you draw?",
    )
    expect.true(
        not np.all(kept == kept[:, :1]),
        f"{what} drops whole rows.",
        "units are dropped independently, not whole samples.",
    )


@dropout.property
def fresh_masks(dropout: Callable) -> None:
    """Require new masks at each call, and none for p = 0."""
    h = np.ones((10, 10))
    rng = np.random.default_rng(3)
    first, second = (expect.as_array(dropout(h.copy(), 0.5, rng, True)) for _ in range(2))
    expect.true(
        not np.array_equal(first, second),
        "Two calls drop the same units.",
        "use the generator rng that is given: a new one with a fixed seed repeats itself.",
    )
    again = expect.as_array(dropout(h.copy(), 0.5, np.random.default_rng(3), True))
    expect.true(
        np.array_equal(first, again),
        "With the same seed the masks differ.",
        "take the random numbers from rng, not from np.random.",
    )
    expect.close(dropout(h.copy(), 0.0, rng, True), h, "dropout(h, 0.0, rng, training=True)")


# ---------------------------------------------------------------- early stopping


def _stop(
    curve: Sequence[float],
    patience: int,
    *,
    wait_more: int = 0,
    better: Callable | None = None,
    against_previous: bool = False,
    reset: bool = True,
    from_zero: bool = False,
) -> tuple[int, int]:
    better = better or (lambda new, old: new < old)
    best, lowest, wait, epoch = 1, np.inf, 0, 0
    for epoch, loss in enumerate(curve, start=1):
        reference = curve[epoch - 2] if against_previous and epoch > 1 else lowest
        if better(loss, reference):
            wait = 0 if reset else wait
            best, lowest = epoch, loss
        else:
            wait += 1
        if wait >= patience + wait_more:
            break
    return (best - 1, epoch - 1) if from_zero else (best, epoch)


def _stop_at_global_minimum(curve: Sequence[float], patience: int) -> tuple[int, int]:
    return int(np.argmin(curve)) + 1, _stop(curve, patience)[1]


def _stop_never(curve: Sequence[float], patience: int) -> tuple[int, int]:
    return int(np.argmin(curve)) + 1, len(curve)


def _stop_exchanged(curve: Sequence[float], patience: int) -> tuple[int, int]:
    return _stop(curve, patience)[::-1]


def _stop_last(curve: Sequence[float], patience: int) -> tuple[int, int]:
    last = _stop(curve, patience)[1]
    return last, last


def _stop_loss(curve: Sequence[float], patience: int) -> tuple[float, int]:
    best, last = _stop(curve, patience)
    return curve[best - 1], last


def _stop_wrong_end(curve: Sequence[float], patience: int) -> tuple[int, int]:
    best, _ = _stop(curve, patience)
    return best, best + patience


@exercise(
    cases=[
        ([0.9, 0.7, 0.5, 0.6, 0.7, 0.8, 0.9], 2),
        ([0.9, 0.7, 0.8, 0.75, 0.6, 0.65, 0.7, 0.66, 0.5], 3),
        ([0.9, 0.5, 0.5, 0.5, 0.5, 0.4], 3),
        ([0.9, 0.8, 0.85, 0.7, 0.75, 0.6, 0.65, 0.64, 0.3], 2),
        ([0.9, 0.8, 0.7], 5),
        ([0.9, 0.5, 0.8, 0.7, 0.6, 0.55, 0.4], 4),
    ],
    mistakes={
        "Epochs count from 1.": partial(_stop, from_zero=True),
        "The order of the two results: first the best epoch, then the last one.": _stop_exchanged,
        "The best epoch is not the last one: the weights of the minimum come back.": _stop_last,
        "The first result is an epoch, not a loss.": _stop_loss,
        "When the curve ends before the patience does, training ends there.": _stop_wrong_end,
        "An epoch after the stop never happens, so it cannot be the best.": _stop_at_global_minimum,
        "Compare with the lowest loss so far, not with the epoch before.": partial(
            _stop, against_previous=True
        ),
        "An equal loss is no improvement.": partial(_stop, better=lambda new, old: new <= old),
        "A new minimum starts the waiting again.": partial(_stop, reset=False),
        "It never stops early: when has the loss waited long enough?": _stop_never,
        "You wait one epoch too long: with patience 1, the first worse epoch is the last.": partial(
            _stop, wait_more=1
        ),
        "You stop one epoch too early: count the epochs since the minimum.": partial(_stop, wait_more=-1),
    },
)
def early_stopping(curve: Sequence[float], patience: int) -> tuple[int, int]:
    """Return the best epoch and the last one that is trained, both counted from 1."""
    return _stop(curve, patience)


# ---------------------------------------------------------------- a regularised model


@exercise(seconds=30)
def build_model(l2: float, p_input: float, p_hidden: float) -> keras.Model:
    """Return a network 784-128-128-10 with L2 penalty on the weights and dropout."""
    import keras
    from keras import layers

    penalty = keras.regularizers.L2(l2)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dropout(p_input),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )


_L2, _P_INPUT, _P_HIDDEN = 0.03, 0.2, 0.4


@build_model.property
def the_network(build_model: Callable) -> None:
    """Require weights of the right shapes."""
    import keras

    model = build_model(_L2, _P_INPUT, _P_HIDDEN)
    expect.true(
        isinstance(model, keras.Model),
        f"build_model should return a Keras model, it returns {expect.brief(model)}.",
        "is the return statement missing?",
    )
    expect.true(model.built, "The model does not know its input yet.", "start with keras.Input((784,)).")
    shapes = [tuple(weight.shape) for weight in model.weights]
    expected = [(784, 128), (128,), (128, 128), (128,), (128, 10), (10,)]
    expect.true(
        shapes == expected,
        f"The weights have the shapes {shapes}, expected {expected}.",
        "784 inputs, two hidden layers of 128 units, 10 outputs, all with bias.",
    )


@build_model.property
def the_function(build_model: Callable) -> None:
    """Require ReLU, ReLU, softmax in inference."""
    from keras import ops

    model = build_model(_L2, _P_INPUT, _P_HIDDEN)
    x = np.random.default_rng(0).random((4, 784), dtype=np.float32)
    found = ops.convert_to_numpy(model(x, training=False))
    expect.close(
        found.sum(axis=1), np.ones(4), "the sum of the outputs", "which output activation?", rtol=1e-4
    )
    a = x
    for W, b in zip(model.get_weights()[0:4:2], model.get_weights()[1:4:2], strict=True):
        a = np.maximum(0, a @ W + b)
    a = np.exp(a @ model.get_weights()[4] + model.get_weights()[5])
    expect.close(
        found,
        a / a.sum(axis=1, keepdims=True),
        "the output for some x",
        "ReLU in the hidden layers, softmax at the end, and dropout only in training?",
        rtol=1e-3,
        atol=1e-5,
    )


@build_model.property
def the_penalty(build_model: Callable) -> None:
    """Require the penalty of the weights alone."""
    model = build_model(_L2, _P_INPUT, _P_HIDDEN)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    weights = model.get_weights()
    squares = [float(np.sum(np.square(weight, dtype=float))) for weight in weights]
    kernels, biases = squares[0::2], squares[1::2]
    absolute = sum(float(np.abs(weight).sum(dtype=float)) for weight in weights[0::2])
    found = sum(float(loss) for loss in model.losses)
    hints = {
        0.0: "use kernel_regularizer in each Dense layer.",
        _L2 * sum(squares): "the biases are penalised too; only weights should be.",
        _L2 * sum(biases): "the biases are penalised instead of the weights.",
        _L2 * absolute: "this is the L1 penalty.",
        _L2 * sum(kernels) / 2: "there is a factor 1/2 too many.",
        0.01 * sum(kernels): "use the argument l2: 0.01 is only Keras's default.",
        **{
            _L2 * (sum(kernels) - kernel): f"the penalty of Dense layer {k} is missing."
            for k, kernel in enumerate(kernels, 1)
        },
        **{_L2 * kernel: f"only Dense layer {k} has a penalty." for k, kernel in enumerate(kernels, 1)},
    }
    expected = _L2 * sum(kernels)
    expect.close(
        found,
        expected,
        "the sum of model.losses",
        next((hint for value, hint in hints.items() if np.isclose(found, value, rtol=1e-4)), ""),
        rtol=1e-4,
    )
    other = sum(float(loss) for loss in build_model(0.0, _P_INPUT, _P_HIDDEN).losses)
    expect.close(other, 0.0, "the sum of model.losses with l2 = 0", "use the argument l2.")


@build_model.property
def the_dropout(build_model: Callable) -> None:
    """Require dropout before each Dense layer, with the right probability."""
    import keras

    model = build_model(_L2, _P_INPUT, _P_HIDDEN)
    before: list[list[float]] = [[]]  # the dropout rates before each Dense layer, and after the last
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            before.append([])
        elif isinstance(layer, keras.layers.Dropout):
            before[-1].append(float(layer.rate))
    rates = [sum(rates) for rates in before]
    expected = [_P_INPUT, _P_HIDDEN, _P_HIDDEN, 0]
    hints = [
        (rates[3] > 0, "dropped outputs would be missing answers: no dropout after the last layer."),
        (rates[0] == 0, "the input is not dropped: is there a Dropout before the first Dense?"),
        (rates[2] == 0 or rates[1] == 0, "dropout is missing after one of the hidden layers."),
        (rates[:3] == [_P_HIDDEN, _P_INPUT, _P_INPUT], "the two probabilities are exchanged."),
        (
            np.allclose(rates[:3], [1 - _P_INPUT, 1 - _P_HIDDEN, 1 - _P_HIDDEN]),
            "Keras's Dropout takes the probability of dropping.",
        ),
        (True, "p_input for the input, p_hidden for each hidden layer."),
    ]
    expect.true(
        np.allclose(rates, expected),
        f"The dropout before the three Dense layers and after them is {rates}, expected {expected}.",
        next(hint for holds, hint in hints if holds),
    )
