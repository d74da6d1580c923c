"""Checks of lab 11: the optimal discriminator, losses, a training step, and measures of samples.

Points, features and logits are rows of a batch. Keras is loaded only by the exercises that use it.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# ---------------------------------------------------------------- 1. the optimal discriminator


@exercise(
    cases=[
        (np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 6.0])),
        tuple(np.random.default_rng(2).uniform(0.05, 2, size=(2, 3, 2))),
        (np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.5, 0.0])),
    ],
    mistakes={
        "this is the probability of a fake.": "p_star / -> p_g /",
        "a ratio of densities can exceed 1; D is a probability.": "np.where(some, total, 1) -> p_g",
        "this ratio can exceed 1; D is a probability.": "p_star / np.where(some, total, 1) -> p_g / p_star",
        "look at the sign in the denominator.": "np.where(some, total, 1) -> (p_star - p_g)",
        "there is a factor 2 too many in the denominator.": "total, 1) -> 2 * total, 1)",
        "this answers yes or no; a probability is wanted.": "/ np.where(some, total, 1) -> > p_g",
        "each x has its own value: nothing is summed over the grid.": "total, 1) -> total.sum(), 1)",
        "where both densities are 0 the formula gives 0 / 0: return 1/2.": "total > 0 -> total >= 0",
        "1/2 is for the places where both densities are 0, not only one.": "total > 0 -> p_star * p_g > 0",
        "a small number in the denominator makes 0 / 0 to 0: return 1/2.": "total, 1), 0.5) -> total, 1), 0)",
    },
)
def optimal_discriminator(p_star, p_g):
    """Return D*(x) from the two densities at x; 1/2 where both are 0."""
    total = p_star + p_g
    some = total > 0
    return np.where(some, p_star / np.where(some, total, 1), 0.5)


@optimal_discriminator.property
def _small_densities_count(attempt):
    p_star, p_g = np.array([1e-9, 1e-20, 1e-200]), np.array([3e-9, 1e-20, 3e-200])
    expect.close(
        attempt(p_star, p_g),
        np.array([0.25, 0.5, 0.25]),
        "optimal_discriminator([1e-9, 1e-20, 1e-200], [3e-9, 1e-20, 3e-200])",
        "these densities are small, not 0: no threshold, and nothing added to the denominator.",
    )


# ---------------------------------------------------------------- 2. the Jensen-Shannon divergence


@exercise(
    cases=[
        (np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])),
        tuple(np.random.default_rng(4).dirichlet(np.ones(7), size=2)),
        (np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])),
        (np.array([1.0, 0.0]), np.array([0.0, 1.0])),
    ],
    mistakes={
        "the factor 1/2 in front of the two divergences is missing.": "kl(q, m)) / 2 -> kl(q, m))",
        "the two factors 1/2 are there twice.": "kl(q, m)) / 2 -> kl(q, m)) / 4",
        "this is KL(p, q); where is the mean m?": "(kl(p, m) + kl(q, m)) / 2 -> kl(p, q)",
        "this is KL(q, p); where is the mean m?": "(kl(p, m) + kl(q, m)) / 2 -> kl(q, p)",
        "this is the mean of KL(p, q) and KL(q, p); where is m?": ["(p, m) -> (p, q)", "(q, m) -> (q, p)"],
        "m = (p + q) / 2: is the factor 1/2 missing in m?": "m = (p + q) / 2 -> m = p + q",
        "the sign is reversed: a divergence is never negative.": "return (kl -> return -(kl",
        "the divergences run from m to p and q; turn them round.": ["(p, m) -> (m, p)", "(q, m) -> (m, q)"],
        "this is in bits; use the natural logarithm.": "np.log -> np.log2",
        "only the first half is there; q counts too.": " + kl(q, m) -> ",
        "only the second half is there; p counts too.": "kl(p, m) + -> 0 +",
        "this is the root of the divergence.": ["return ( -> return ((", "m)) / 2 -> m)) / 2) ** 0.5"],
        "the terms are not summed yet.": "np.sum( -> (",
        "a divergence is a sum over x, not a mean.": "np.sum -> np.mean",
        "a value with probability 0 adds nothing: 0 log 0 counts as 0.": "[some] -> ",
        "each divergence has its own zeros: where p is 0, q counts.": "some = r > 0 -> some = p * q > 0",
    },
)
def jensen_shannon(p, q):
    """Return JSD(p, q) in nats of two distributions over n values, zeros allowed."""

    def kl(r, m):
        some = r > 0
        return np.sum(r[some] * np.log(r[some] / m[some]))

    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


# ---------------------------------------------------------------- 3. the loss of the discriminator


@exercise(
    cases=[
        (np.array([[1.0], [-2.0]], "float32"), np.array([[0.0], [3.0]], "float32")),
        tuple(np.split(2 * np.random.default_rng(6).normal(size=(9, 1)).astype("float32"), [6])),
    ],
    mistakes={
        "this is V itself; a loss is minimised, and D wants V to be large.": "ops.mean( -> -ops.mean(",
        "the labels are the wrong way round: D should be near 1 for data.": [
            "-real_logits -> real_logits",
            "(fake_logits) -> (-fake_logits)",
        ],
        "where are the fakes?": "ops.mean(ops.softplus(fake_logits)) -> 0",
        "where is the data?": "ops.mean(ops.softplus(-real_logits)) -> 0",
        "for a fake it is log(1 - D), not log D.": "(fake_logits) -> (-fake_logits)",
        "look at the sign of the second term.": "+ ops -> - ops",
        "look at the sign of the first term.": "return ops -> return -ops",
        "this sums over the batch; the value has the mean of each part.": "ops.mean -> ops.sum",
        "V is the sum of two means; is there a factor 1/2 too many?": "ops.mean -> 0.5 * ops.mean",
        "return one number: the mean over the batch is missing.": "ops.mean( -> (",
        "the logits are not probabilities yet: which function makes them so?": [
            "ops.softplus(-real_logits) -> -ops.log(real_logits)",
            "ops.softplus(fake_logits) -> -ops.log(1 - fake_logits)",
        ],
        "this is the squared error.": [
            "ops.softplus(-real_logits) -> ops.square(1 - ops.sigmoid(real_logits))",
            "ops.softplus(fake_logits) -> ops.square(ops.sigmoid(fake_logits))",
        ],
    },
    **KERAS,
)
def discriminator_loss(real_logits, fake_logits):
    """Return minus V(D, G) over a minibatch, from the logits of data and fakes: one number."""
    from keras import ops

    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


@discriminator_loss.property
def _large_logits_do_no_harm(attempt):
    real, fake = np.array([[-150.0], [90.0]], "float32"), np.array([[200.0], [-120.0]], "float32")
    expect.close(
        attempt(real, fake),
        175.0,
        "discriminator_loss for large logits",
        "a sigmoid of a large number is exactly 0 or 1, and log(0) is infinite: use softplus, or a loss "
        "from logits.",
    )


@discriminator_loss.property
def _takes_tensors_without_values(attempt):
    import keras

    tensors = [keras.KerasTensor((4, 1)) for _ in range(2)]
    hint = "use keras.ops, not NumPy, float() or len(): these tensors have no values yet."
    expect.symbolic(attempt, tensors, (), "discriminator_loss(real_logits, fake_logits)", hint)


# ---------------------------------------------------------------- 4. the gradients of the generator


@exercise(
    cases=[(np.array([-1.0, 0.0, 2.0]),), (np.linspace(-5, 5, 6).reshape(2, 3),)],
    mistakes={
        "the two derivatives are in the wrong order.": "-d, -s -> -s, -d",
        "the signs are reversed: both losses fall when the logit grows.": "-d, -s -> d, s",
        "the sign of the first is reversed: log(1 - D) falls when D grows.": "-d, -s -> d, -s",
        "the sign of the second is reversed: -log D falls when D grows.": "-d, -s -> -d, s",
        "these are derivatives by D; the chain rule leads on to the logit.": "-d, -s -> -1 / s, -1 / d",
        "these are the losses; their derivatives are wanted.": "-d, -s -> np.log(s), -np.log(d)",
        "this is the derivative of D; the logarithm adds a factor.": "-d, -s -> -d * s, -d * s",
        "the two losses have different derivatives.": "-d, -s -> -d, -d",
    },
)
def generator_gradients(fake_logits):
    """Return the derivatives of log(1 - D) and of -log D with respect to each logit."""
    d = np.exp(-np.logaddexp(0, -fake_logits))
    s = 1 - d  # the derivative of D is d * s
    return -d, -s


@generator_gradients.property
def _large_logits_have_gradients(attempt):
    found = attempt(np.array([-800.0, 800.0]))
    hint = "exp(800) is infinite, and 1 - expit(800) is 0: cancel on paper what you can, use expit for D."
    if np.isfinite(found).all():
        hint = "the formulas hold for large logits as they are, without clipping."
    right = np.array([0.0, -1.0]), np.array([-1.0, 0.0])
    expect.close(found, right, "generator_gradients([-800, 800])", hint)


# ---------------------------------------------------------------- 5. modes hit


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


def _minibatch():
    rng = np.random.default_rng(11)
    return tuple(rng.normal(size=(6, size)).astype("float32") for size in (2, 3, 3))


def _compiled(function, *arguments):
    """Call ``function`` as tf.function compiles it; tell a failure as a wrong answer."""
    import tensorflow as tf

    try:
        return tf.function(function, autograph=False)(*arguments)
    except Exception as error:
        message = " ".join(str(error).split())[:80]
        raise expect.WrongError(
            f"It works, but not compiled by tf.function: {type(error).__name__}: {message}.",
            "in a compiled step use keras.ops and weight.assign, not NumPy and not float().",
        ) from None


_D_TURN = "d_loss, d_slope = descent(loss_of_d, theta_d)\n    d_optimizer.apply(d_slope, theta_d)\n    "
_G_LOSS = "g_loss, g_slope = descent(loss_of_g, theta_g)\n    "


@exercise(
    mistakes={
        "return the loss of D first, then that of G.": "return d_loss, g_loss -> return g_loss, d_loss",
        "the discriminator does not learn: are its gradients applied?": "d_optimizer.apply -> ",
        "the generator does not learn: are its gradients applied?": "g_optimizer.apply -> ",
        "neither of the players learns.": ["d_optimizer.apply -> ", "g_optimizer.apply -> "],
        "in D's step the generator moves too; only theta_d should change.": (
            "    d_opt ->     g_optimizer.apply(descent(loss_of_d, theta_g)[1], theta_g)\n    d_opt"
        ),
        "in G's step the discriminator moves too; only theta_g should change.": (
            "    g_opt ->     d_optimizer.apply(descent(loss_of_g, theta_d)[1], theta_d)\n    g_opt"
        ),
        "G moves first here; in the algorithm D does.": [
            f"{_D_TURN} -> ",
            f"return d_ -> {_D_TURN}return d_",
        ],
        "G is judged by D before D's update; compute fakes, loss and gradient after it.": [
            f"{_G_LOSS} -> ",
            f"{_D_TURN} -> {_G_LOSS}{_D_TURN}",
        ],
        "G uses the noise of D's step; it has its own, z_g.": "generator(z_g -> generator(z_d",
        "D uses z_g; its noise is z_d.": "generator(z_d -> generator(z_g",
        "the two noises are exchanged: D's is z_d, G's is z_g.": "x, z_d, z_g -> x, z_g, z_d",
        "D's loss grows: apply its gradients as they are.": "(d_slope, -> ([-slope for slope in d_slope],",
        "D's loss grows: discriminator_loss is already minus V.": "return sum -> return -sum",
        "discriminator_loss takes the data's logits first.": "(-real, fake) -> (real, -fake)",
        "this is the minimax game's loss; -log D is asked for.": "mean(softplus(-a)) -> -mean(softplus(a))",
        "G learns to be recognised: it wants D to take its fakes for data.": "softplus(-a) -> softplus(a)",
    },
    **KERAS,
)
def train_step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g):
    """Update D once, then G once; return the two losses (d_loss, g_loss)."""
    import tensorflow as tf
    from keras.ops import mean, softplus

    def loss_of_d():
        real, fake = (discriminator(batch, training=True) for batch in (x, generator(z_d, training=True)))
        return sum(mean(softplus(a)) for a in (-real, fake))

    def loss_of_g():
        a = discriminator(generator(z_g, training=True), training=True)
        return mean(softplus(-a))

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
    attempt(generator, discriminator, *optimizers, *_minibatch())
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
    return _outcome(players, attempt(*players, *_minibatch()))


@train_step.case
def _one_compiled_step(attempt):
    """what a compiled step gives"""
    players = _players([])
    return _outcome(players, _compiled(lambda *batch: attempt(*players, *batch), *_minibatch()))


# ---------------------------------------------------------------- 7. the average of the weights


def _averages():
    """Return two networks of the same form with different weights, some of which are not trained."""
    import keras
    from keras import layers

    networks = []
    for values in (np.arange(1.0, 7.0), 4 * np.arange(1.0, 7.0) ** 2):
        network = keras.Sequential([keras.Input((2,)), layers.Dense(1), layers.BatchNormalization()])
        for weight, value in zip(network.weights, values, strict=True):
            weight.assign(np.full(weight.shape, value))
        networks.append(network)
    return networks


@exercise(
    mistakes={
        "the two shares are the wrong way round.": "beta * old + rest * new -> beta * new + rest * old",
        "the shares must sum to 1.": "rest * new -> new",
        "the shares must sum to 1; what is the share of the new weights?": "beta * old -> old",
        "this only copies the network; where is the old average?": "beta * old + rest * new -> new",
        "this is the plain mean of both; where is beta?": "beta * old + rest * new -> (old + new) / 2",
        "the average does not change: assign the new values to its weights.": "old.assign( -> (",
        "look at the sign of the difference.": "beta * old + rest * new -> old - rest * (new - old)",
        "the old average is not multiplied by beta twice.": "beta * old -> beta * beta * old",
        "only the first weight changes: loop over all of them.": "* new) -> * new)\n        return",
        "only the average should change, the network goes on learning.": "old.assign -> new.assign",
        "every weight moves, also those that are not trained.": ".weights -> .trainable_weights",
    },
    **KERAS,
)
def update_average(average, network, beta):
    """Move each weight of ``average`` to beta * average + (1 - beta) * network, in place."""
    for old, new in zip(average.weights, network.weights, strict=True):
        rest = 1 - beta
        old.assign(beta * old + rest * new)


@update_average.case
def _weights_afterwards(attempt):
    """the weights after update_average(average, network, 0.75)"""
    average, network = _averages()
    expect.true(
        attempt(average, network, 0.75) is None,
        "update_average returns something.",
        "it changes `average` in place, so there is nothing to return.",
    )
    return {"network": network.get_weights(), "average": average.get_weights()}


@update_average.case
def _two_compiled_updates(attempt):
    """the weights of the average after two compiled updates"""
    average, network = _averages()

    def train():
        attempt(average, network, 0.5)
        for weight in network.weights:
            weight.assign_add(weight)
        attempt(average, network, 0.5)

    _compiled(train)
    return average.get_weights()


# ---------------------------------------------------------------- 8. the Fréchet distance


def _features(n, m, d, seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return a, rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


@exercise(
    cases=[
        (_plane([0, 0], [2, 1], [1, 3], [5, 4]), _plane([1, 0], [0, 2], [4, 1], [3, 6])),
        _features(40, 30, 4, seed=12),
    ],
    mistakes={
        "where are the means?": "difference @ difference + -> ",
        "where is the term with the square root?": " - 2 * sum(roots) -> ",
        "the factor 2 before the square root is missing.": "2 * sum -> sum",
        "look at the sign of the square root.": "- 2 * sum -> + 2 * sum",
        "the distance of the means is squared.": "difference @ difference -> np.linalg.norm(difference)",
        "where are the covariances?": " + np.trace(A) + np.trace(B) - 2 * sum(roots) -> ",
        "np.sqrt takes the root of each number, not of the matrix.": "sum(roots) -> np.trace(np.sqrt(A @ B))",
        "A * B multiplies number by number; the matrix product is A @ B.": "A @ B -> A * B",
        "the root is missing.": "np.sqrt( -> (",
        "this is the square root of what is asked for.": ["return -> return (", "(roots) -> (roots)) ** 0.5"],
        "np.cov divides by n - 1; so does the check.": "rowvar=False -> rowvar=False, ddof=0",
        "np.cov takes variables as rows; the features are columns.": ", rowvar=False -> ",
        "this is the mean of all numbers; each feature has one.": "mean(axis=0) -> mean(keepdims=True)[0]",
        "these are the means of the rows; the features are columns.": "mean(axis=0) -> mean(axis=1)",
    },
    rtol=1e-4,
    atol=1e-6,
)
def frechet_distance(a, b):
    """Return the squared Fréchet distance of the Gaussians fitted to features a (n, d) and b (m, d)."""
    difference = a.mean(axis=0) - b.mean(axis=0)
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(A @ B).real, 0))
    return difference @ difference + np.trace(A) + np.trace(B) - 2 * sum(roots)


@frechet_distance.property
def _fewer_images_than_features(attempt):
    a, b = _features(5, 6, 12, seed=14)  # rounding makes some eigenvalues of A @ B negative or complex
    found = expect.as_array(attempt(a, b))
    expect.true(
        bool(np.isfinite(found).all()) and not np.iscomplexobj(found),
        f"With fewer images than features the distance is {expect.brief(found)}, not one real number.",
        "take the real part of the root; eigenvalues that rounding makes negative count as 0.",
    )
    right = frechet_distance.reference(a, b)
    expect.close(found, right, "the distance with fewer images than features", rtol=1e-4)
