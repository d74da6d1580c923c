"""Checks of lab 11: the optimal discriminator, losses, a training step, and measures of samples.

Points, features and logits are rows of a batch. Keras is loaded only by the exercises that use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise
from nnlabs.checks.expect import FLOAT32


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -a))


def _softplus(a: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, a)


# ---------------------------------------------------------------- 1. the optimal discriminator


def _densities(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.05, 2, size=shape), rng.uniform(0.05, 2, size=shape)


@exercise(
    cases=[_densities((5,), seed=1), _densities((3, 2), seed=2)],
    mistakes={
        "this is the probability of a fake.": lambda p_star, p_g: p_g / (p_star + p_g),
        "a ratio of densities can exceed 1; D is a probability.": lambda p_star, p_g: p_star / p_g,
        "this ratio can exceed 1; D is a probability.": lambda p_star, p_g: p_g / p_star,
        "look at the sign in the denominator.": lambda p_star, p_g: p_star / (p_star - p_g),
        "there is a factor 2 too many in the denominator.": (
            lambda p_star, p_g: p_star / (2 * (p_star + p_g))
        ),
        "this answers yes or no; a probability is wanted.": (
            lambda p_star, p_g: (p_star > p_g).astype("float64")
        ),
        "each x has its own value: nothing is summed over the grid.": (
            lambda p_star, p_g: p_star / np.sum(p_star + p_g)
        ),
    },
)
def optimal_discriminator(p_star: np.ndarray, p_g: np.ndarray) -> np.ndarray:
    """Return D*(x) from the two densities at x; 1/2 where both are 0."""
    total = np.asarray(p_star + p_g, dtype=float)
    return np.where(total > 0, p_star / np.where(total > 0, total, 1), 0.5)


@optimal_discriminator.property
def _optimal_discriminator_where_nothing_is(attempt: Callable) -> None:
    expect.close(
        attempt(np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.5, 0.0])),
        np.array([0.5, 0.0, 1.0]),
        "optimal_discriminator([0, 0, 0.5], [0, 0.5, 0])",
        "where both densities are 0 the formula gives 0 / 0; the exercise asks for 1/2 there.",
    )


@optimal_discriminator.property
def _optimal_discriminator_at_the_end(attempt: Callable) -> None:
    p = np.array([0.1, 0.7, 1.3])
    expect.close(attempt(p, p), np.full(3, 0.5), "optimal_discriminator(p, p)")


# ---------------------------------------------------------------- 2. the Jensen-Shannon divergence


def _distributions(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    positive = p > 0
    return float(np.sum(p[positive] * np.log(p[positive] / q[positive])))


def _jsd(p: np.ndarray, q: np.ndarray) -> float:
    m = (p + q) / 2
    return (_kl(p, m) + _kl(q, m)) / 2


@exercise(
    cases=[_distributions(4, seed=3), _distributions(7, seed=4)],
    mistakes={
        "the factor 1/2 in front of the two divergences is missing.": lambda p, q: 2 * _jsd(p, q),
        "the two factors 1/2 are there twice.": lambda p, q: _jsd(p, q) / 2,
        "this is KL(p, q); where is the mean m?": _kl,
        "this is KL(q, p); where is the mean m?": lambda p, q: _kl(q, p),
        "this is the mean of KL(p, q) and KL(q, p); both are compared with m instead.": (
            lambda p, q: (_kl(p, q) + _kl(q, p)) / 2
        ),
        "m = (p + q) / 2: is the factor 1/2 missing in m?": (
            lambda p, q: (_kl(p, p + q) + _kl(q, p + q)) / 2
        ),
        "the sign is reversed: a divergence is never negative.": lambda p, q: -_jsd(p, q),
        "the divergences run from m to p and q; turn them round.": (
            lambda p, q: (_kl((p + q) / 2, p) + _kl((p + q) / 2, q)) / 2
        ),
        "this is in bits; use the natural logarithm.": lambda p, q: _jsd(p, q) / np.log(2),
        "only the first half is there; q counts too.": lambda p, q: _kl(p, (p + q) / 2) / 2,
        "this is the distance, the square root of the divergence.": lambda p, q: np.sqrt(_jsd(p, q)),
        "the terms are not summed yet.": lambda p, q: (
            (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))) / 2
        ),
        "a divergence is a sum over x, not a mean.": lambda p, q: _jsd(p, q) / len(p),
    },
)
def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Return JSD(p, q) in nats of two distributions over n values, zeros allowed."""
    return _jsd(p, q)


@jensen_shannon.property
def _jensen_shannon_with_zeros(attempt: Callable) -> None:
    for p, q, expected in (
        ([1.0, 0.0], [0.0, 1.0], np.log(2)),
        ([0.5, 0.5, 0.0], [0.5, 0.5, 0.0], 0.0),
        ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5], np.log(2) / 2),
    ):
        expect.close(
            attempt(np.array(p), np.array(q)),
            expected,
            f"jensen_shannon({p}, {q})",
            "a value with probability 0 adds nothing: 0 log 0 counts as 0.",
        )


# ---------------------------------------------------------------- 3. the loss of the discriminator


def _logits(*shapes: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return tuple((2 * rng.normal(size=shape)).astype("float32") for shape in shapes)


def _d_terms(combine: Callable) -> Callable:
    """Return a loss that combines log D(x) and log(1 - D(G(z))); ``combine`` may be wrong."""
    return lambda real, fake: combine(-_softplus(-real), -_softplus(fake))


@exercise(
    cases=[_logits((4, 1), (4, 1), seed=5), _logits((6, 1), (3, 1), seed=6)],
    mistakes={
        "this is V itself; a loss is minimised, and D wants V to be large.": _d_terms(
            lambda real, fake: real.mean() + fake.mean()
        ),
        "the labels are the wrong way round: D should be near 1 for data.": lambda real, fake: (
            _softplus(real).mean() + _softplus(-fake).mean()
        ),
        "where are the fakes?": _d_terms(lambda real, fake: -real.mean()),
        "where is the data?": _d_terms(lambda real, fake: -fake.mean()),
        "for a fake it is log(1 - D), not log D.": lambda real, fake: (
            _softplus(-real).mean() + _softplus(-fake).mean()
        ),
        "look at the sign of the second term.": _d_terms(lambda real, fake: -real.mean() + fake.mean()),
        "look at the sign of the first term.": _d_terms(lambda real, fake: real.mean() - fake.mean()),
        "this sums over the batch; the value has the mean of each part.": _d_terms(
            lambda real, fake: -real.sum() - fake.sum()
        ),
        "V is the sum of two means; is there a factor 1/2 too many?": _d_terms(
            lambda real, fake: -(real.mean() + fake.mean()) / 2
        ),
        "return one number: the mean over the batch is missing.": _d_terms(lambda real, fake: -real - fake),
        "the logits are not probabilities yet: which function makes them so?": lambda real, fake: (
            -np.log(real).mean() - np.log(1 - fake).mean()
        ),
        "this is the squared error.": lambda real, fake: (
            np.square(1 - _sigmoid(real)).mean() + np.square(_sigmoid(fake)).mean()
        ),
    },
    seconds=KERAS_SECONDS,
    **FLOAT32,
)
def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """Return minus V(D, G) over a minibatch, from the logits of data and fakes: one number."""
    from keras import ops

    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


@discriminator_loss.property
def _discriminator_loss_is_stable(attempt: Callable) -> None:
    real, fake = np.array([[-150.0], [90.0]], "float32"), np.array([[200.0], [-120.0]], "float32")
    expect.close(
        attempt(real, fake),
        175.0,
        "discriminator_loss for large logits",
        "a sigmoid of a large number is exactly 0 or 1, and log(0) is infinite: use softplus, or a loss "
        "from logits.",
        **FLOAT32,
    )


@discriminator_loss.property
def _discriminator_loss_in_a_model(attempt: Callable) -> None:
    import keras

    tensors = [keras.KerasTensor((4, 1)) for _ in range(2)]
    expect.symbolic(attempt, tensors, (), "discriminator_loss(real_logits, fake_logits)")


# ---------------------------------------------------------------- 4. the gradients of the generator


def _slopes(minimax: Callable, non_saturating: Callable) -> Callable:
    """Return the two derivatives as functions of D(G(z)); either may be wrong."""
    return lambda a: (minimax(_sigmoid(a)), non_saturating(_sigmoid(a)))


@exercise(
    cases=[(np.array([-3.0, -0.5, 0.0, 2.0]),), (np.linspace(-5, 5, 6).reshape(2, 3),)],
    mistakes={
        "the two derivatives are in the wrong order.": _slopes(lambda d: -(1 - d), lambda d: -d),
        "the signs are reversed: both losses fall when the logit grows.": _slopes(
            lambda d: d, lambda d: 1 - d
        ),
        "the sign of the first is reversed: log(1 - D) falls when D grows.": _slopes(
            lambda d: d, lambda d: -(1 - d)
        ),
        "the sign of the second is reversed: -log D falls when D grows.": _slopes(
            lambda d: -d, lambda d: 1 - d
        ),
        "these are derivatives with respect to D; the logit comes before it: use the chain rule.": _slopes(
            lambda d: -1 / (1 - d), lambda d: -1 / d
        ),
        "these are the losses; their derivatives are wanted.": lambda a: (-_softplus(a), _softplus(-a)),
        "this is the derivative of D; that of the logarithm has another factor.": _slopes(
            lambda d: -d * (1 - d), lambda d: -d * (1 - d)
        ),
        "the two losses have different derivatives.": _slopes(lambda d: -d, lambda d: -d),
    },
)
def generator_gradients(fake_logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivatives of log(1 - D) and of -log D with respect to each logit."""
    d = _sigmoid(fake_logits)
    return -d, -_sigmoid(-fake_logits)


@generator_gradients.property
def _generator_gradients_are_derivatives(attempt: Callable) -> None:
    at = np.array([-1.5, 0.3, 2.5])
    minimax, non_saturating = attempt(at)
    for found, loss, name in (
        (minimax, lambda a: -_softplus(a).sum(), "log(1 - D)"),
        (non_saturating, lambda a: _softplus(-a).sum(), "-log D"),
    ):
        expect.gradient(found, loss, at, f"the derivative of {name}")


@generator_gradients.property
def _generator_gradients_are_stable(attempt: Callable) -> None:
    expect.close(
        attempt(np.array([-800.0, 800.0])),
        (np.array([0.0, -1.0]), np.array([-1.0, 0.0])),
        "generator_gradients([-800, 800])",
        "exp(800) is infinite, and infinity / infinity is not a number: scipy.special.expit avoids it.",
    )


# ---------------------------------------------------------------- 5. modes hit


def _ring(seed: int, centres: int, points: int, bad: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return points around some of the centres, some far from all of them, the centres and a radius."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(centres) / centres
    places = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    near = places[rng.integers(centres // 2 - 1, size=points)] + rng.uniform(-0.3, 0.3, size=(points, 2))
    return np.concatenate([near, rng.uniform(-0.9, 0.9, size=(bad, 2))]), places, 0.3


def _count(
    points: np.ndarray, centres: np.ndarray, radius: float, square: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many good points each centre has, and which points are good."""
    distances = np.sqrt(np.square(points[:, None] - centres).sum(axis=-1))
    good = (distances**2 if square else distances).min(axis=1) < radius
    return np.bincount(distances.argmin(axis=1)[good], minlength=len(centres)), good


def _modes(
    share: Callable, hit: Callable | None = None, square: bool = False
) -> Callable[[np.ndarray, np.ndarray, float], tuple]:
    """Return a measure from the counts of good points, which points are good, and the number of all."""
    hit = hit or (lambda counts, good: np.sum(counts >= 0.01 * len(good)))

    def measure(points: np.ndarray, centres: np.ndarray, radius: float) -> tuple:
        counts, good = _count(points, centres, radius, square)
        return int(hit(counts, good)), share(good)

    return measure


def _nearest_of_all(points: np.ndarray, centres: np.ndarray, radius: float) -> tuple:
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    counts = np.bincount(distances.argmin(axis=1), minlength=len(centres))
    return int(np.sum(counts >= 0.01 * len(points))), float(np.mean(distances.min(axis=1) < radius))


def _strays(counts: list[int], points: int, bad: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return points of which so many lie at the last centres, where no others are."""
    others, centres, radius = _ring(seed=9, centres=8, points=points, bad=bad)
    return np.concatenate([others, np.repeat(centres[-len(counts) :], counts, axis=0)]), centres, radius


@exercise(
    cases=[
        _ring(seed=7, centres=8, points=200, bad=50),
        _ring(seed=8, centres=6, points=100, bad=40),
        _strays([1], points=300, bad=0),  # less than 1 %
        _strays([1, 2], points=150, bad=300),  # less than 1 % of all, more of the good ones
        _strays([1], points=99, bad=0),  # exactly 1 %
    ],
    mistakes={
        "bad points are counted for the nearest centre: only good ones hit a mode.": _nearest_of_all,
        "one good point is enough here; at least 1 % of all points are asked for.": _modes(
            lambda good: good.mean(), lambda counts, good: np.sum(counts > 0)
        ),
        "this is the number of good points; their share is wanted.": _modes(lambda good: good.sum()),
        "this is the share of bad points.": _modes(lambda good: 1 - good.mean()),
        "the 1 % is of all points, not of the good ones.": _modes(
            lambda good: good.mean(), lambda counts, good: np.sum(counts >= 0.01 * good.sum())
        ),
        "exactly 1 % counts as hit: at least 1 % is asked for.": _modes(
            lambda good: good.mean(), lambda counts, good: np.sum(counts > 0.01 * len(good))
        ),
        "this is the share of the modes; their number is wanted.": lambda points, centres, radius: (
            np.mean(_count(points, centres, radius)[0] >= 0.01 * len(points)),
            _count(points, centres, radius)[1].mean(),
        ),
        "these are the modes that are missed.": _modes(
            lambda good: good.mean(), lambda counts, good: np.sum(counts < 0.01 * len(good))
        ),
        "the squared distance is compared with the radius; take the root.": _modes(
            lambda good: good.mean(), square=True
        ),
        "the two results are in the wrong order.": lambda points, centres, radius: (
            float(_count(points, centres, radius)[1].mean()),
            int(np.sum(_count(points, centres, radius)[0] >= 0.01 * len(points))),
        ),
    },
)
def modes_hit(points: np.ndarray, centres: np.ndarray, radius: float) -> tuple[int, float]:
    """Return the number of centres that are hit, and the share of good points."""
    counts, good = _count(points, centres, radius)
    return int(np.sum(counts >= 0.01 * len(points))), float(good.mean())


# ---------------------------------------------------------------- 6. one training step


def _players() -> tuple[Any, Any, Any, Any]:
    """Return a small generator, a discriminator and their optimisers, always in the same state."""
    import keras
    from keras import layers

    rng = np.random.default_rng(10)
    networks = []
    for inputs, outputs in ((3, 2), (2, 1)):
        network = keras.Sequential(
            [keras.Input((inputs,)), layers.Dense(5, activation="tanh"), layers.Dense(outputs)]
        )
        network.set_weights([0.7 * rng.normal(size=weight.shape) for weight in network.weights])
        networks.append(network)
    optimizers = [keras.optimizers.SGD(learning_rate=rate) for rate in (0.2, 0.5)]
    for optimizer, network in zip(optimizers, networks, strict=True):
        optimizer.build(network.trainable_variables)
    return (*networks, *optimizers)


def _minibatch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return tuple(rng.normal(size=(6, size)).astype("float32") for size in (2, 3, 3))


def _outcome(step: Callable) -> dict[str, Any]:
    """Run ``step`` on the small players; return its losses and all weights afterwards."""
    generator, discriminator, g_optimizer, d_optimizer = _players()
    losses = step(generator, discriminator, g_optimizer, d_optimizer, *_minibatch())
    return {
        "losses": losses,
        "weights of D": discriminator.get_weights(),
        "weights of G": generator.get_weights(),
    }


def _step(
    fakes_of: str = "zd",
    noise_of_g: str = "zg",
    d_sign: float = 1.0,
    g_loss: str = "non-saturating",
    *,
    update_d: bool = True,
    update_g: bool = True,
    d_moves_too: bool = False,
    g_moves_too: bool = False,
    first: str = "d",
    old: bool = False,
    swap: bool = False,
) -> Callable:
    """Return a training step with the mistakes that the arguments ask for."""

    def step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g):  # noqa: ANN001, ANN202
        import tensorflow as tf
        from keras import ops

        theta_g, theta_d = generator.trainable_variables, discriminator.trainable_variables
        noise = {"zd": z_d, "zg": z_g}

        def loss_of_d() -> Any:
            fake = generator(noise[fakes_of])
            return discriminator_loss.reference(discriminator(x), discriminator(fake))

        def loss_of_g() -> Any:
            logits = discriminator(generator(noise[noise_of_g]))
            signed = {"non-saturating": -logits, "minimax": logits, "fooled": logits}[g_loss]
            value = ops.mean(ops.softplus(signed))
            return -value if g_loss == "minimax" else value

        def part(loss: Callable, own: list, other: list, optimizer: Any, sign: float, both: bool) -> Any:
            with tf.GradientTape() as tape:
                value = loss()
            gradients = tape.gradient(value, [*own, *other])
            optimizer.apply([sign * gradient for gradient in gradients[: len(own)]], own)
            if both:
                for variable, gradient in zip(other, gradients[len(own) :], strict=True):
                    variable.assign_sub(optimizer.learning_rate * gradient)
            return value

        if old:  # value and gradient come from the discriminator before its update
            with tf.GradientTape() as early_tape:
                early = loss_of_g()
            early_gradients = early_tape.gradient(early, theta_g)
        losses = {}
        for player in (first, "g" if first == "d" else "d"):
            if player == "d" and update_d:
                losses["d"] = part(loss_of_d, theta_d, theta_g, d_optimizer, d_sign, g_moves_too)
            elif player == "d":
                losses["d"] = loss_of_d()
            elif old:
                losses["g"] = early
                g_optimizer.apply(early_gradients, theta_g)
            elif update_g:
                losses["g"] = part(loss_of_g, theta_g, theta_d, g_optimizer, 1.0, d_moves_too)
            else:
                losses["g"] = loss_of_g()
        return (losses["g"], losses["d"]) if swap else (losses["d"], losses["g"])

    return step


_WRONG_STEPS = {
    "return the loss of D first, then that of G.": {"swap": True},
    "the discriminator does not learn: are its gradients applied?": {"update_d": False},
    "the generator does not learn: are its gradients applied?": {"update_g": False},
    "neither of the players learns: are the gradients applied?": {"update_d": False, "update_g": False},
    "in D's step the generator moves too; only theta_d should change.": {"g_moves_too": True},
    "in G's step the discriminator moves too; only theta_g should change.": {"d_moves_too": True},
    "G moves first here; in the algorithm D does.": {"first": "g"},
    "G is judged by D before D's update; compute fakes, loss and gradient after it.": {"old": True},
    "G uses the noise of D's step; it has its own, z_g.": {"noise_of_g": "zd"},
    "D uses z_g; its noise is z_d.": {"fakes_of": "zg"},
    "D goes the wrong way: an optimizer minimises, and discriminator_loss is already minus V.": {
        "d_sign": -1.0
    },
    "this is the loss of the minimax game, log(1 - D); the non-saturating one is asked for.": {
        "g_loss": "minimax"
    },
    "G learns to be recognised: it wants D to take its fakes for data.": {"g_loss": "fooled"},
}


@exercise(seconds=KERAS_SECONDS, **FLOAT32)
def train_step(
    generator: Any, discriminator: Any, g_optimizer: Any, d_optimizer: Any, x: Any, z_d: Any, z_g: Any
) -> tuple[Any, Any]:
    """Update D once, then G once; return the two losses (d_loss, g_loss)."""
    import tensorflow as tf
    from keras import ops

    fake = generator(z_d, training=True)
    with tf.GradientTape() as tape:
        d_loss = discriminator_loss.reference(
            discriminator(x, training=True), discriminator(fake, training=True)
        )
    theta_d = discriminator.trainable_variables
    d_optimizer.apply(tape.gradient(d_loss, theta_d), theta_d)
    with tf.GradientTape() as tape:
        logits = discriminator(generator(z_g, training=True), training=True)
        g_loss = ops.mean(ops.softplus(-logits))
    theta_g = generator.trainable_variables
    g_optimizer.apply(tape.gradient(g_loss, theta_g), theta_g)
    return d_loss, g_loss


@train_step.property
def _train_step_updates(attempt: Callable) -> None:
    found, expected = _outcome(attempt), _outcome(train_step.reference)
    if expect.same(found, expected, **FLOAT32):
        return
    hints = (
        hint
        for hint, mistake in _WRONG_STEPS.items()
        if expect.same(found, _outcome(_step(**mistake)), **FLOAT32)
    )
    expect.close(found, expected, "after one step, the result", next(hints, ""), **FLOAT32)


def _compiled(function: Callable, works: str, hint: str) -> Callable:
    """Return ``function`` compiled by tf.function, which tells a failure as a wrong answer."""
    import tensorflow as tf

    compiled = tf.function(function, autograph=False)

    def call(*arguments: Any) -> Any:
        try:
            return compiled(*arguments)
        except Exception as error:
            message = " ".join(str(error).split())[:80]
            raise expect.WrongError(
                f"{works}, but not compiled by tf.function: {type(error).__name__}: {message}.", hint
            ) from None

    return call


@train_step.property
def _train_step_compiles(attempt: Callable) -> None:
    players = _players()
    losses = _compiled(
        lambda *batch: attempt(*players, *batch),
        "train_step works once",
        "inside a compiled step use keras.ops, not NumPy and not float().",
    )(*_minibatch())
    expect.close(losses, _outcome(train_step.reference)["losses"], "the losses of a compiled step", **FLOAT32)


# ---------------------------------------------------------------- 7. the average of the weights


def _averages() -> tuple[Any, Any]:
    """Return two networks of the same form with different weights."""
    average, network = _players()[0], _players()[0]
    network.set_weights([1.0 - 2.0 * weight for weight in network.get_weights()])
    return average, network


_WRONG_AVERAGES: dict[str, Callable] = {
    "the two shares are the wrong way round: with beta near 1 the average moves slowly.": (
        lambda old, new, beta: (1 - beta) * old + beta * new
    ),
    "the shares must sum to 1.": lambda old, new, beta: beta * old + new,
    "the shares must sum to 1; what is the share of the new weights?": lambda old, new, beta: (
        old + (1 - beta) * new
    ),
    "this only copies the network; where is the old average?": lambda old, new, beta: new,
    "this is the plain mean of both; where is beta?": lambda old, new, beta: (old + new) / 2,
    "the average does not change: assign the new values to its weights.": lambda old, new, beta: old,
    "look at the sign of the difference.": lambda old, new, beta: old - (1 - beta) * (new - old),
    "the old average is not multiplied by beta twice.": lambda old, new, beta: (
        beta * beta * old + (1 - beta) * new
    ),
}


@exercise(seconds=KERAS_SECONDS, **FLOAT32)
def update_average(average: Any, network: Any, beta: float) -> None:
    """Move each weight of ``average`` to beta * average + (1 - beta) * network, in place."""
    for old, new in zip(average.weights, network.weights, strict=True):
        old.assign(beta * old + (1 - beta) * new)


@update_average.property
def _update_average_assigns(attempt: Callable) -> None:
    for beta in (0.9, 0.25):
        average, network = _averages()
        before = average.get_weights(), network.get_weights()
        attempt(average, network, beta)
        expect.close(
            network.get_weights(),
            before[1],
            "the weights of the network afterwards",
            "only the average should change, the network goes on learning.",
            **FLOAT32,
        )
        expected = [beta * old + (1 - beta) * new for old, new in zip(*before, strict=True)]
        found = average.get_weights()
        hints = (
            hint
            for hint, mistake in _WRONG_AVERAGES.items()
            if expect.same(
                found, [mistake(old, new, beta) for old, new in zip(*before, strict=True)], **FLOAT32
            )
        )
        last_only = all(expect.same(a, b) for a, b in zip(found[1:], before[0][1:], strict=True))
        hint = "only the first weight changes: loop over all of them." if last_only else ""
        expect.close(
            found,
            expected,
            f"the weights of the average, beta = {beta}",
            next(hints, hint),
            **FLOAT32,
        )


@update_average.property
def _update_average_compiles(attempt: Callable) -> None:
    average, network = _averages()
    before = average.get_weights()
    compiled = _compiled(
        lambda: attempt(average, network, 0.5),
        "update_average works",
        "assign to each weight: weight.assign(value).",
    )
    compiled()
    network.set_weights([weight + 1 for weight in network.get_weights()])
    compiled()
    moved = [
        0.25 * old + 0.25 * (new - 1) + 0.5 * new
        for old, new in zip(before, network.get_weights(), strict=True)
    ]
    expect.close(
        average.get_weights(),
        moved,
        "the average after two compiled updates",
        "set_weights with NumPy arrays happens only once in a compiled step: assign to each weight.",
        **FLOAT32,
    )


# ---------------------------------------------------------------- 8. the Fréchet distance


def _features(n: int, m: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return a, rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def _root_trace(a: np.ndarray, b: np.ndarray) -> float:
    """Return the trace of the square root of the product of two covariances."""
    return float(np.sqrt(np.maximum(np.linalg.eigvals(a @ b).real, 0)).sum())


def _frechet(
    a: np.ndarray,
    b: np.ndarray,
    root: Callable[[np.ndarray, np.ndarray], float] = _root_trace,
    *,
    means: float = 1.0,
    cross: float = 2.0,
    ddof: int = 1,
) -> float:
    """Return the distance, or what it becomes with another root, factor or divisor."""
    difference = a.mean(axis=0) - b.mean(axis=0)
    A, B = (np.cov(features.T, ddof=ddof) for features in (a, b))
    return float(means * difference @ difference + np.trace(A) + np.trace(B) - cross * root(A, B))


@exercise(
    cases=[_features(40, 30, 4, seed=12), _features(25, 60, 3, seed=13)],
    mistakes={
        "where are the means?": lambda a, b: _frechet(a, b, means=0),
        "where is the term with the square root?": lambda a, b: _frechet(a, b, cross=0),
        "the factor 2 before the square root is missing.": lambda a, b: _frechet(a, b, cross=1),
        "look at the sign of the square root.": lambda a, b: _frechet(a, b, cross=-2),
        "the distance of the means is squared.": lambda a, b: (
            _frechet(a, b, means=0) + float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))
        ),
        "this is the squared distance of the means only; where are the covariances?": lambda a, b: float(
            np.sum(np.square(a.mean(axis=0) - b.mean(axis=0)))
        ),
        "np.sqrt takes the root of each number; a root of the matrix is wanted.": lambda a, b: _frechet(
            a, b, lambda A, B: np.trace(np.sqrt(A @ B))
        ),
        "A * B multiplies number by number; the matrix product is A @ B.": lambda a, b: _frechet(
            a, b, lambda A, B: np.sqrt(np.maximum(np.linalg.eigvals(A * B).real, 0)).sum()
        ),
        "the root is missing.": lambda a, b: _frechet(a, b, lambda A, B: np.trace(A @ B)),
        "this is the square root of the distance; the square is usual, as in the formula.": lambda a, b: (
            np.sqrt(_frechet(a, b))
        ),
        "np.cov divides by n - 1; so does the check.": lambda a, b: _frechet(a, b, ddof=0),
        "np.cov takes variables as rows; the features are columns.": lambda a, b: _frechet(a.T, b.T),
        "the means are over the whole array: each feature has its own.": lambda a, b: (
            _frechet(a, b, means=0) + float((a.mean() - b.mean()) ** 2)
        ),
    },
    rtol=1e-4,
    atol=1e-6,
)
def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the squared Fréchet distance of the Gaussians fitted to features a (n, d) and b (m, d)."""
    return _frechet(a, b)


@frechet_distance.property
def _frechet_distance_of_equals(attempt: Callable) -> None:
    a, b = _features(30, 30, 3, seed=14)
    found = attempt(a, a)
    expect.true(
        not np.iscomplexobj(found),
        "frechet_distance(a, a) is a complex number.",
        "rounding leaves a tiny imaginary part in the root: take the real part.",
    )
    expect.close(found, 0.0, "frechet_distance(a, a)", atol=1e-4)
    expect.close(attempt(a, b), attempt(b, a), "frechet_distance(a, b)", "it is symmetric.", rtol=1e-4)


@frechet_distance.property
def _frechet_distance_of_flat_features(attempt: Callable) -> None:
    a, b = _features(30, 30, 3, seed=15)
    a, b = (np.column_stack([features, np.zeros(30)]) for features in (a, b))  # a unit that is always 0
    found = expect.as_array(attempt(a, b))
    expect.true(
        bool(np.isfinite(found).all()) and not np.iscomplexobj(found),
        f"With a feature that is always 0 the distance is {expect.brief(found)}.",
        "take the real part of the root; eigenvalues that rounding makes negative count as 0.",
    )
    expect.close(found, _frechet(a, b), "the distance with a feature that is always 0", rtol=1e-3)
