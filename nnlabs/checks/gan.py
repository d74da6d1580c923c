"""Checks of lab 11: modes, other losses, the Wasserstein distance, the game, R1, a training step, noise.

Points and features are rows of a batch. Keras is loaded only by the exercise that uses it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# ---------------------------------------------------------------- 1. modes hit


def _clouds(counts, bad=0, radius=0.3):
    """Return ``counts`` good points at the centres of a ring, bad ones in its middle; centres; radius."""
    rng = np.random.default_rng(7)
    angle = 2 * np.pi * np.arange(len(counts)) / len(counts)
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    good = np.repeat(centres, counts, axis=0)
    good += rng.uniform(-0.7 * radius, 0.7 * radius, size=good.shape)
    return np.concatenate([good, rng.uniform(-0.9, 0.9, size=(bad, 2))]), centres, radius


def _count(nearest, centres):
    return np.bincount(nearest, minlength=len(centres))


def _plane(*rows):
    return np.array(rows, dtype=float)


@exercise(
    cases=[
        (
            _plane([1, 2], [0, 2], [7, 2], [5, 1], [9, 9], [5, -1]),
            _plane([0, 0], [5, 0], [9, 5], [30, 0], [0, 30], [30, 30]),
            2.5,
        ),
        (_plane([0, 0], [1, 0]), _plane([0, 0], [9, 0]), 1.0),  # a point at exactly the radius
        _clouds([20] * 11, bad=20, radius=0.7),  # discs that overlap
        (_plane([0, 0], [-1, 0]), _plane([0, 0], [1, 0]), 3.0),  # a centre that is nearest to no point
        _clouds([1, 100, 200]),  # less than 1 %
        _clouds([1, 2, 75, 75], bad=300),  # less than 1 % of all, more of the good ones
        _clouds([1, 49, 50]),  # exactly 1 %
        _clouds([2, 100, 148]),  # less than 1 %, the same in whole numbers
    ],
    mistakes={
        "bad points are counted too: only good ones hit a mode.": "nearest[good] -> nearest",
        "this is the number of good points; their share is wanted.": "np.mean(good) -> np.sum(good)",
        "this is the share of bad points.": "np.mean(good) -> np.mean(~good)",
        "this is the share of the modes; their number is wanted.": "np.sum(counts -> np.mean(counts",
        "these are the modes that are missed.": "counts >= -> counts <",
        "the two results are in the wrong order.": "return hit, share -> return share, hit",
        "the squared distance is compared with the radius; take the root.": "distances < -> distances**2 <",
        "this is the larger difference of coordinates, not the distance.": "axis=-1) -> axis=-1, ord=np.inf)",
        "this is the sum of the coordinates' differences, not the distance.": "axis=-1) -> axis=-1, ord=1)",
        "a good point is nearer than the radius; one at exactly the radius is bad.": "< radius -> <= radius",
        "a point near two centres is one good point, not two.": "np.mean(good) -> np.sum(near) / len(points)",
        "a good point hits its nearest centre only.": "_count(nearest[good], centres) -> near.sum(axis=0)",
        "one good point is enough here; 1 % of all points are asked for.": ">= 0.01 * len(points) -> > 0",
        "the 1 % is of all points, not of the good ones.": "0.01 * len(points) -> 0.01 * np.sum(good)",
        "exactly 1 % counts as hit: at least 1 % is asked for.": ">= 0.01 -> > 0.01",
        "1 % of 250 points are 2.5: compare with it unrounded.": "0.01 * len(points) -> len(points) // 100",
    },
)
def modes_hit(points, centres, radius):
    """Return the number of centres that are hit, and the share of good points."""
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    near, nearest = distances < radius, distances.argmin(axis=1)
    good = near.any(axis=1)
    counts = _count(nearest[good], centres)
    hit = np.sum(counts >= 0.01 * len(points))
    share = np.mean(good)
    return hit, share


# ---------------------------------------------------------------- 2. what other losses want


@exercise(
    cases=[
        (np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 6.0])),
        tuple(np.random.default_rng(2).uniform(0.05, 2, size=(2, 3, 2))),
        (np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.5, 0.0])),
        (np.array([2, 0, 5]), np.array([1, 0, 7])),
    ],
    mistakes={
        "the two results are in the wrong order.": "return square, hinge -> return hinge, square",
        "the signs are reversed: data is wanted at 1.": "return square, hinge -> return -square, -hinge",
        "this is the lecture's D*; its aims are 0 and 1, here they are -1 and 1.": "gap / -> p_star /",
        "at the minimum the derivative is 0: is a factor wrong?": "gap / -> gap / 2 /",
        "each square has its own density as a factor; what is below?": "some, total, 1) -> some, p_g, 1)",
        "each x has its own best value: nothing is summed over the places.": "total, 1) -> total.sum(), 1)",
        "at the minimum d is a ratio: divide by what d is multiplied with.": (
            "gap / np.where(some, total, 1) -> gap"
        ),
        "where both densities are 0 the formula gives 0 / 0: return 0.": "total > 0 -> total >= 0",
        "0 is for the places where both densities are 0, not only one.": "total > 0 -> p_star * p_g > 0",
        "a broken line is lowest at a kink: where are they?": "np.sign(gap) -> 1.0 * (gap > 0)",
        "equal densities: take the d nearest to 0.": "np.sign(gap) -> np.where(gap >= 0, 1, -1)",
        "equal densities: 0 is nearer to 0 than -1.": "np.sign(gap) -> np.where(gap > 0, 1, -1)",
        "the hinge's terms are straight lines, not squares.": "np.sign(gap) -> square",
        "the hinge's slopes are p* and p_g; the best d is at a kink.": "np.sign(gap) -> gap",
    },
)
def optimal_outputs(p_star, p_g):
    """Return the best D(x) for least squares and for the hinge, from the two densities at x."""
    total, gap = p_star + p_g, p_star - p_g
    some = total > 0
    square = np.where(some, gap / np.where(some, total, 1), 0)
    hinge = np.sign(gap)
    return square, hinge


@optimal_outputs.property
def _small_densities_count(attempt):
    small = np.array([1e-9, 1e-20, 1e-200])
    expect.close(
        attempt(small, np.array([3, 1, 3]) * small),
        (np.array([-0.5, 0, -0.5]), np.array([-1, 0, -1])),
        "optimal_outputs([1e-9, 1e-20, 1e-200], [3e-9, 1e-20, 3e-200])",
        "these densities are small, not 0: no threshold, and nothing added in the denominator.",
    )


# ---------------------------------------------------------------- 3. the Wasserstein distance


def _numbers(seed, n):
    return tuple(np.random.default_rng(seed).normal(size=(2, n)) + np.array([[0.0], [0.4]]))


@exercise(
    cases=[
        (np.array([0.0, 4.0, 1.0]), np.array([3.0, -7.0, 2.0])),
        _numbers(4, 9),
        (np.array([1.0, 2.0]), np.array([2.0, 0.0])),  # a pair of equal numbers
        (np.array([2.0]), np.array([-1.0])),
        (np.array([3, 0, 8, 5]), np.array([1, 7, 2, 0])),
    ],
    mistakes={
        "the largest belongs to the largest: the data is not sorted.": "np.sort(x) -> x",
        "the largest belongs to the largest: the fakes are not sorted.": "np.argsort(fake) -> np.arange(n)",
        "pair them in order: nothing is sorted.": ["np.sort(x) -> x", "np.argsort(fake) -> np.arange(n)"],
        "several fakes share one nearest number of the data here; each has its own.": (
            "np.sort(x) -> x[np.abs(fake[order][:, None] - x).argmin(axis=1)]"
        ),
        "the distance is a mean over the pairs, not a sum.": "np.mean(np.abs(gap)) -> np.sum(np.abs(gap))",
        "the distances themselves are averaged, not their squares.": "np.abs(gap) -> gap**2",
        "differences of both signs cancel here: a distance is not negative.": "np.abs(gap) -> gap",
        "this is the distance of the two means; pairs add.": "np.mean(np.abs(gap)) -> abs(np.mean(gap))",
        "the slopes stand in the sorted order; entry i belongs to fake[i].": "slopes[order] -> slopes[:]",
        "the way back from the sorted order is another one.": "slopes[order] = s -> slopes[:] = s[order]",
        "right of its partner, a fake that moves right makes it larger.": "np.sign(gap) -> np.sign(-gap)",
        "each fake has only one share of the mean: what is the factor?": "np.sign(gap) / n -> np.sign(gap)",
        "these are slopes of the squares; how fast does |u| grow?": "np.sign(gap) / n -> 2 * gap / n",
        "the slope says how fast, not how far.": "np.sign(gap) / n -> gap / n",
        "where a pair is equal, let the slope be 0.": "np.sign(gap) / n -> np.where(gap < 0, -1, 1) / n",
        "the result is the pair (distance, slopes).": "np.mean(np.abs(gap)), slopes -> slopes, 0",
    },
)
def wasserstein(x, fake):
    """Return the Wasserstein distance of two samples (n,), and its derivative by each fake (n,)."""
    n = len(fake)
    order = np.argsort(fake)
    gap = fake[order] - np.sort(x)
    slopes, s = np.zeros(n), np.sign(gap) / n
    slopes[order] = s
    return np.mean(np.abs(gap)), slopes


# ---------------------------------------------------------------- 4. the game


@exercise(
    cases=[
        (3.0, 2.0, 0.5, 0.0, False),
        (3.0, 2.0, 0.5, 0.0, True),
        (3.0, 2.0, 0.5, 0.25, False),
        (-1.0, 2.0, 0.1, 0.75, True),
        (np.array([1.0, -2.0]), np.array([0.0, 3.0]), 0.2, 0.5, True),
        (2, -1, 1, 3, False),
    ],
    mistakes={
        "the generator makes V small: it steps against its slope.": "theta - rate -> theta + rate",
        "the discriminator makes V large: it steps along its slope.": "phi + rate -> phi - rate",
        "the slope of V = theta phi by theta is not theta.": "rate * seen -> rate * theta",
        "the slope of V = theta phi by phi is not phi.": "(theta - gamma -> (phi - gamma",
        "without `alternate` each sees the other's old value.": "moved if alternate else phi -> moved",
        "with `alternate` G answers the phi that D has just moved.": "moved if alternate else phi -> phi",
        "with `alternate` D moves first, as in Goodfellow's algorithm.": [
            "* (theta -> * (theta - rate * phi * alternate",
            "moved if alternate else phi -> phi",
        ],
        "where is the penalty?": " - gamma * phi -> ",
        "D maximises V minus the penalty.": "- gamma * phi -> + gamma * phi",
        "the penalty is gamma / 2 phi^2: its slope has no 1/2.": "gamma * phi -> gamma * phi / 2",
        "gamma / 2 phi^2 is the penalty itself; its slope is wanted.": "gamma * phi -> gamma / 2 * phi**2",
        "the penalty's slope is multiplied by the rate, too.": "(theta - gamma * phi) -> theta - gamma * phi",
        "the penalty is on phi, D's number.": "gamma * phi -> gamma * theta",
        "return theta first, then phi.": "theta - rate * seen, moved -> moved, theta - rate * seen",
    },
)
def game_step(theta, phi, rate, gamma, alternate):
    """Return (theta, phi) after one step of V = theta phi with the penalty gamma / 2 phi^2 for D."""
    moved = phi + rate * (theta - gamma * phi)
    seen = moved if alternate else phi
    return theta - rate * seen, moved


# ---------------------------------------------------------------- 5. the gradient penalty


def _quadratic(seed, m, d, gamma):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)), rng.normal(size=(d, d)), rng.normal(size=d), gamma


@exercise(
    cases=[
        (_plane([1, 2], [0, 1], [2, 0]), _plane([1, 3], [0, 2]), np.array([1.0, 0.0]), 6.0),
        _quadratic(6, 5, 3, 0.7),
        _quadratic(7, 1, 2, 10),
        (np.array([[1, 2], [3, 1], [0, 1]]), np.array([[1, 0], [2, 1]]), np.array([1, -1]), 1),
    ],
    mistakes={
        "A need not be symmetric: x_j x_l has the factor A_jl and the factor A_lj.": "A + A.T -> 2 * A",
        "A need not be symmetric: its transpose counts as well.": "A + A.T -> 2 * A.T",
        "this is right for a symmetric A only, and A need not be symmetric.": [
            "A + A.T -> 2 * A",
            "g.T @ x + x.T @ g -> 2 * x.T @ g",
        ],
        "x'Ax has x twice: its slope has two terms.": ["A + A.T -> A", "g.T @ x + x.T @ g -> x.T @ g"],
        "x'Ax has x twice: which slope is missing?": ["A + A.T -> A.T", "g.T @ x + x.T @ g -> g.T @ x"],
        "the slope of b'x is missing.": "(A + A.T) + b -> (A + A.T)",
        "this penalises the logits; R1 penalises their slopes by x.": (
            "np.sum(g**2, axis=1) -> (np.sum(x @ A * x, axis=1) + x @ b) ** 2"
        ),
        "where is gamma / 2 of the penalty?": "gamma / 2 * np.mean( -> np.mean(",
        "the penalty has gamma / 2, not gamma.": "gamma / 2 -> gamma",
        "the penalty is a mean over the samples, not a sum.": "np.mean(np.sum( -> np.sum(np.sum(",
        "the squares of one sample are added; the mean is over the samples.": "np.sum(g**2, axis=1) -> g**2",
        "the length is squared.": "np.sum(g**2, axis=1) -> np.sqrt(np.sum(g**2, axis=1))",
        "the mean of the squared lengths is not the squared length of the mean.": (
            "np.sum(g**2, axis=1) -> np.sum(g.mean(axis=0) ** 2)"
        ),
        "an entry of A changes two entries of the slope by x; one is missing.": " + x.T @ g -> ",
        "an entry of A changes two entries of the slope; they add.": "g.T @ x + x.T @ g -> g.T @ x - x.T @ g",
        "an entry of A changes two entries of the slope, not one twice.": "g.T @ x + x.T @ g -> 2 * g.T @ x",
        "the derivative by A is a mean over the samples, as the penalty.": "gamma / m * ( -> gamma * (",
        "the derivative by b is a mean over the samples, as the penalty.": "g.mean(axis=0) -> g.sum(axis=0)",
        "the derivative of g^2 / 2 is g: is a factor 1/2 or gamma wrong?": [
            "gamma / m -> gamma / 2 / m",
            "gamma * g -> gamma / 2 * g",
        ],
        "where is gamma in the derivatives?": ["gamma / m -> 1 / m", "gamma * g -> g"],
    },
)
def r1_penalty(x, A, b, gamma):
    """Return R1 of the logits x'Ax + b'x over a batch x (m, d), and its derivatives by A and b."""
    m = len(x)
    g = x @ (A + A.T) + b
    penalty = gamma / 2 * np.mean(np.sum(g**2, axis=1))
    return penalty, gamma / m * (g.T @ x + x.T @ g), gamma * g.mean(axis=0)


# ---------------------------------------------------------------- 6. one training step


def _players(modes):
    """Return a small generator, a discriminator and their optimisers, always in the same state.

    Each call of a network adds its ``training`` to the list ``modes``.
    """
    import keras
    from keras import layers

    class Entrance(layers.Layer):
        def call(self, x, training=None):
            modes.append(training)
            return x

    rng = np.random.default_rng(10)
    networks = []
    for inputs, outputs in ((3, 2), (2, 1)):
        hidden = layers.Dense(5, activation="tanh")
        network = keras.Sequential([keras.Input((inputs,)), Entrance(), hidden, layers.Dense(outputs)])
        network.set_weights([0.7 * rng.normal(size=weight.shape) for weight in network.weights])
        networks.append(network)
    optimizers = [keras.optimizers.SGD(learning_rate=rate) for rate in (0.2, 0.5)]
    for optimizer, network in zip(optimizers, networks, strict=True):
        optimizer.build(network.trainable_variables)
    modes.clear()  # of the calls that built the networks
    return (*networks, *optimizers)


def _logarithms():
    from keras.ops import mean, softplus

    return (
        lambda real, fake: mean(softplus(-real)) + mean(softplus(fake)),
        lambda fake: mean(softplus(-fake)),
    )


def _squares():
    from keras.ops import mean

    return (lambda real, fake: mean((real - 1) ** 2) + mean(fake**2), lambda fake: mean((fake - 2) ** 2))


def _minibatch():
    rng = np.random.default_rng(11)
    return tuple(rng.normal(size=(6, size)).astype("float32") for size in (2, 3, 3))


def _compiled(function, *arguments):
    """Call ``function`` as tf.function compiles it; tell a failure as a wrong answer."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it would warn that each answer is compiled
    try:
        return tf.function(function, autograph=False)(*arguments)
    except Exception as error:
        message = " ".join(str(error).split())[:80]
        raise expect.WrongError(
            f"It works, but not compiled by tf.function: {type(error).__name__}: {message}.",
            "a compiled step has tensors without values: no NumPy and no float().",
        ) from None


_D_TURN = "d_loss, d_slope = descent(loss_of_d, theta_d)\n    d_optimizer.apply(d_slope, theta_d)\n    "
_G_LOSS = "g_loss, g_slope = descent(loss_of_g, theta_g)\n    "
_BEFORE = [f"{_G_LOSS} -> ", f"{_D_TURN} -> {_G_LOSS}{_D_TURN}"]


@exercise(
    mistakes={
        "return the loss of D first, then that of G.": "return d_loss, g_loss -> return g_loss, d_loss",
        "the discriminator does not learn: are its gradients applied?": "d_optimizer.apply -> ",
        "the generator does not learn: are its gradients applied?": "g_optimizer.apply -> ",
        "in D's step the generator moves too; only theta_d should change.": (
            "    d_opt ->     g_optimizer.apply(descent(loss_of_d, theta_g)[1], theta_g)\n    d_opt"
        ),
        "in G's step the discriminator moves too; only theta_g should change.": (
            "    g_opt ->     d_optimizer.apply(descent(loss_of_g, theta_d)[1], theta_d)\n    g_opt"
        ),
        "G moves first here; in the algorithm D does.": [
            f"{_D_TURN} -> ",
            f"return d_loss, -> {_D_TURN}return d_loss,",
        ],
        "G is judged by D before D's update; compute fakes, loss and gradient after it.": _BEFORE,
        "this is still the faulty step; begin with D: whose logits come first?": [
            "(real, fake) -> (fake, real)",
            "generator(z_g -> generator(z_d",
            *_BEFORE,
        ],
        "G's turn is after D's update, with its own noise.": ["generator(z_g -> generator(z_d", *_BEFORE],
        "G uses the noise of D's step; it has its own, z_g.": "generator(z_g -> generator(z_d",
        "D uses z_g; its noise is z_d.": "generator(z_d -> generator(z_g",
        "the two noises are exchanged: D's is z_d, G's is z_g.": "x, z_d, z_g -> x, z_g, z_d",
        "D's loss grows: apply its gradients as they are.": "(d_slope, -> ([-slope for slope in d_slope],",
        "D is told that the fakes are data: whose logits come first?": "(real, fake) -> (fake, real)",
        "G has a loss of its own, g_loss_of.": "g_loss_of(a) -> d_loss_of(a, a)",
        "the losses are those that are given, not always the logarithms.": (
            "losses): -> losses):\n    losses = _logarithms()\n"
        ),
    },
    **KERAS,
)
def train_step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g, losses):
    """Update D once, then G once; return the two losses (d_loss, g_loss)."""
    import tensorflow as tf

    d_loss_of, g_loss_of = losses

    def loss_of_d():
        real, fake = (discriminator(batch, training=True) for batch in (x, generator(z_d, training=True)))
        return d_loss_of(real, fake)

    def loss_of_g():
        a = discriminator(generator(z_g, training=True), training=True)
        return g_loss_of(a)

    def descent(loss, theta):
        with tf.GradientTape() as tape:
            value = loss()
        return value, tape.gradient(value, theta)

    theta_d, theta_g = discriminator.trainable_variables, generator.trainable_variables
    d_loss, d_slope = descent(loss_of_d, theta_d)
    d_optimizer.apply(d_slope, theta_d)
    g_loss, g_slope = descent(loss_of_g, theta_g)
    g_optimizer.apply(g_slope, theta_g)
    return d_loss, g_loss


@train_step.property
def _players_are_asked_in_training_mode(attempt):
    modes = []
    generator, discriminator, *optimizers = _players(modes)
    attempt(generator, discriminator, *optimizers, *_minibatch(), _logarithms())
    expect.true(
        all(mode is True for mode in modes),
        "A network is called without training=True.",
        "each call of generator and discriminator takes it, in both steps.",
    )
    expect.true(
        len(discriminator.trainable_variables) == len(generator.trainable_variables) == 4,
        "After the step a network is no longer trainable, so the next step cannot update it.",
        "leave `trainable` as it is: each optimizer changes only the variables that it is given.",
    )


def _outcome(players, losses):
    outcome = {"(d_loss, g_loss)": losses}
    for name, network in zip("GD", players[:2], strict=True):
        for k, layer in enumerate(network.layers[-2:], start=1):
            outcome[f"weights of {name}'s layer {k}"] = layer.get_weights()
    return outcome


@train_step.case
def _one_step(attempt):
    """what one step gives"""
    players = _players([])
    return _outcome(players, attempt(*players, *_minibatch(), _logarithms()))


@train_step.case
def _one_compiled_step(attempt):
    """what a compiled step gives, with squares as losses"""
    players = _players([])
    return _outcome(players, _compiled(lambda *batch: attempt(*players, *batch, _squares()), *_minibatch()))


# ---------------------------------------------------------------- 7. truncated noise


@exercise(
    mistakes={
        "cut numbers pile up at the limit; draw them again.": (
            "rng.normal(size=far.sum()) -> z[far].clip(-limit, limit)"
        ),
        "numbers that are set to 0 pile up there; draw them again.": "rng.normal(size=far.sum()) -> 0",
        "a number that is drawn again can be too large again.": "while -> if",
        "each gets a number of its own: how many are needed?": "rng.normal(size=far.sum()) -> rng.normal()",
        "large negative numbers are drawn again, too.": "np.abs(z) > limit -> z > limit",
        "these are uniform numbers; normal ones lie more often near 0.": (
            "= rng.normal(size=(n, d)) -> = rng.uniform(-limit, limit, size=(n, d))"
        ),
        "the numbers keep their size: the limit does not scale them.": "rng.normal( -> limit * rng.normal(",
        "squeezing changes all numbers; those within the limit stay as they are.": (
            "return z -> return np.tanh(z / limit) * limit"
        ),
        "each number has the limit, not the length of a row.": [
            "np.abs(z) > -> np.linalg.norm(z, axis=1) >",
            "size=far.sum() -> size=(far.sum(), d)",
        ],
        "n rows with d numbers each.": "size=(n, d) -> size=(d, n)",
        "rows with a large number are left out here, so fewer than n remain.": (
            "return z -> return rng.normal(size=(n, d))[: n // 2]"
        ),
        "the limit has no effect.": "while (far := np.abs(z) > limit).any() -> if (far := z > 99).any()",
    },
    rtol=0,
    atol=0.03,
)
def truncated_normal(n, d, limit, rng):
    """Return normal numbers (n, d); those beyond the limit are drawn again, until none is."""
    z = rng.normal(size=(n, d))
    while (far := np.abs(z) > limit).any():
        z[far] = rng.normal(size=far.sum())
    return z


@truncated_normal.case
def _spread(attempt):
    """truncated_normal(9000, 2, 1.5, rng), summed up"""
    z = expect.as_array(attempt(9000, 2, 1.5, np.random.default_rng(13)))
    return {
        "shape": str(z.shape),
        "share beyond the limit": float(np.mean(np.abs(z) > 1.5)),
        "mean": float(z.mean()),
        "standard deviation": float(z.std()),
        "share from -0.5 to 0.5": float(np.mean(np.abs(z) < 0.5)),
    }


@truncated_normal.property
def _keeps_to_the_limit(attempt):
    z = expect.as_array(attempt(400, 3, 0.2, np.random.default_rng(14)))
    expect.true(z.shape == (400, 3), f"truncated_normal(400, 3, 0.2, rng) has the shape {z.shape}.")
    hint = "a number that is drawn again can be too large again."
    expect.true(np.abs(z).max() <= 0.2, "With a limit of 0.2 there is a number beyond it.", hint)


@truncated_normal.property
def _draws_from_rng(attempt):
    expect.uses_generator(lambda rng: attempt(5, 3, 1.0, rng), "numbers")
