"""Lab 11: what students answer, and what the check must say to it."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.stats import truncnorm, wasserstein_distance

from nnlabs.checks import expect, gan

from .harness import Answers, make_tests


def modes(points, centres, radius):
    near = np.linalg.norm(points[:, None] - centres, axis=-1)
    good = near.min(axis=1) < radius
    number = np.bincount(near.argmin(axis=1)[good], minlength=len(centres))
    return np.sum(number >= 0.01 * len(points)), good.mean()


def modes_within(share):
    def answer(points, centres, radius):
        within = np.linalg.norm(points[:, None] - centres, axis=-1) < radius
        return np.sum(within.mean(axis=0) >= 0.01), share(within)

    return answer


def squares_in_a_loop(p_star, p_g):
    pairs = zip(np.ravel(p_star), np.ravel(p_g), strict=True)
    return np.reshape([(p - q) / (p + q) if p + q else 0.0 for p, q in pairs], np.shape(p_star))


def best(square, hinge=lambda p, q: np.where(p > q, 1.0, np.where(p < q, -1.0, 0.0))):
    return lambda p_star, p_g: (square(p_star, p_g), hinge(p_star, p_g))


def moved(x, fake, slope):
    ranks = np.argsort(np.argsort(fake))
    return np.abs(np.sort(x) - np.sort(fake)).mean(), slope(fake - np.sort(x)[ranks]) / len(x)


def game(theta, phi, rate, gamma, alternate):
    new = (1 - rate * gamma) * phi + rate * theta
    return theta - rate * (new if alternate else phi), new


def r1(by_A):
    def answer(x, A, b, gamma):
        g = x @ (A + A.T) + b
        dA = sum(by_A(row, s) for row, s in zip(x, g, strict=True))
        return gamma / 2 * np.sum(g**2) / len(x), gamma / len(x) * dA, gamma * np.mean(g, axis=0)

    return answer


def both(row, s):
    return np.outer(row, s) + np.outer(s, row)


def r1_by_tape(x, A, b, gamma):
    x, A, b = (ops.convert_to_tensor(np.asarray(part, float)) for part in (x, A, b))
    with tf.GradientTape() as outer:
        outer.watch([A, b])
        with tf.GradientTape() as inner:
            inner.watch(x)
            logits = ops.sum((x @ A) * x, axis=1) + ops.sum(x * b, axis=1)
        penalty = gamma / 2 * ops.mean(ops.sum(inner.gradient(logits, x) ** 2, axis=1))
    return penalty, *outer.gradient(penalty, [A, b])


def step(train_d=True, train_g=True, change="", end=lambda loss, loss_g: (loss, loss_g)):
    """Return a student's step with a ``change`` in the half that trains G."""

    def answer(G, D, g_optimizer, d_optimizer, x, z_d, z_g, losses):
        with tf.GradientTape() as first:
            loss = losses[0](D(x, training=True), D(G(z_d, training=True), training=True))
        gradients = first.gradient(loss, D.trainable_variables)
        d_optimizer.apply_gradients(zip(gradients, D.trainable_variables, strict=True))
        D.trainable = change != "frozen"
        fake = G(z_g, training=train_g)
        with tf.GradientTape() as second:
            loss_g = losses[1](D(fake if change == "early" else G(z_g, training=train_g), training=train_d))
        own = [*G.trainable_variables, *(D.trainable_variables if change == "both" else ())]
        optimizer = d_optimizer if change == "swapped" else g_optimizer
        optimizer.apply(second.gradient(loss_g, own), own)
        return end(loss, loss_g)

    return answer


def step_as_one_batch(G, D, g_optimizer, d_optimizer, x, z_d, z_g, losses):
    fake = ops.stop_gradient(G(z_d, training=True))
    m = x.shape[0]
    with tf.GradientTape() as first:
        logits = D(ops.concatenate([x, fake]), training=True)
        loss = losses[0](logits[:m], logits[m:])
    d_optimizer.apply(first.gradient(loss, D.trainable_weights), D.trainable_weights)
    with tf.GradientTape(persistent=True) as second:
        loss_g = losses[1](D(G(z_g, training=True), training=True))
    g_optimizer.apply(second.gradient(loss_g, G.trainable_weights), G.trainable_weights)
    return [loss, loss_g]


def step_in_one_tape(G, D, g_optimizer, d_optimizer, x, z_d, z_g, losses):
    with tf.GradientTape(persistent=True) as tape:
        loss = losses[0](D(x, training=True), D(G(z_d, training=True), training=True))
        loss_g = losses[1](D(G(z_g, training=True), training=True))
    d_optimizer.apply(tape.gradient(loss, D.trainable_variables), D.trainable_variables)
    g_optimizer.apply(tape.gradient(loss_g, G.trainable_variables), G.trainable_variables)
    return loss, loss_g


def noise_from_a_heap(n, d, limit, rng):
    heap = np.zeros(0)
    while len(heap) < n * d:
        z = rng.standard_normal(10 * n * d)
        heap = np.append(heap, z[np.abs(z) <= limit])
    return heap[: n * d].reshape(n, d)


def noise_by_rows(n, d, limit, rng):
    rows = [z for z in rng.normal(size=(9 * n, d)) if np.abs(z).max() < limit]
    return np.array(rows[:n])


ANSWERS = {
    "modes_hit": Answers(
        wrong=[
            (lambda points, centres, radius: modes(points, centres, 0.3), "expected 2, found 0."),
            (lambda points, centres, radius: modes(points, centres[:8], radius), "expected 11, found 8"),
            (modes_within(lambda within: within.any(axis=1).mean()), "nearest centre only"),
            (modes_within(lambda within: within.sum() / len(within)), "not two"),
        ],
        right=[modes, lambda *case: list(modes(*case))],
    ),
    "optimal_outputs": Answers(
        wrong=[
            (best(lambda p, q: (p - q) / np.maximum(p + q, 1e-6)), "no threshold"),
            (best(squares_in_a_loop, lambda p, q: np.where(np.isclose(p, q), 0, np.sign(p - q))), "found"),
        ],
        right=[
            best(squares_in_a_loop),
            best(lambda p, q: np.divide(p - q, p + q, out=np.zeros(p.shape), where=p + q > 0)),
        ],
    ),
    "wasserstein": Answers(
        wrong=[
            (lambda x, fake: wasserstein_distance(x, fake), "expected 2 values"),
            (lambda x, fake: moved(x, fake, np.abs), "[1]"),
            (lambda x, fake: (fake.sort(), moved(x, fake, np.sign))[1], "changes its argument"),
        ],
        right=[
            lambda x, fake: moved(x, fake, np.sign),
            lambda x, fake: (wasserstein_distance(x, fake), moved(x, fake, np.sign)[1].astype("float32")),
        ],
    ),
    "game_step": Answers(
        wrong=[
            (
                lambda *case: np.mean([game(*case[:4], order) for order in (0, 1)], axis=0),
                "expected 2, found",
            ),
            (lambda theta, phi, *_: (theta, phi), "expected 2, found 3"),
        ],
        right=[game, lambda *case: list(game(*case))],
    ),
    "r1_penalty": Answers(
        wrong=[
            (r1(lambda row, s: np.outer(s, s)), "[1]"),
            (lambda x, A, b, gamma: r1_by_tape(x, A, b, 2 * gamma), "2 times"),
        ],
        right=[r1(both), r1_by_tape],
    ),
    "train_step": Answers(
        wrong=[
            (step_in_one_tape, "before D's update"),
            (step(train_d=False), "without training=True"),
            (step(train_g=None), "without training=True"),
            (step(change="frozen"), "leave `trainable`"),
            (step(change="swapped"), "the variables of its own network"),
            (step(change="both"), "the variables of its own network"),
            (step(change="early"), "inside the tape"),
            (step(end=lambda *losses: [loss.numpy() for loss in losses]), "no NumPy"),
            (step(end=lambda *losses: tuple(map(float, losses))), "no float()"),
        ],
        right=[step(), step_as_one_batch],
    ),
    "truncated_normal": Answers(
        wrong=[
            (lambda n, d, limit, rng: truncnorm.rvs(-limit, limit, size=(n, d)), "generator"),
            (
                lambda n, d, limit, rng: noise_from_a_heap(n, d, limit, np.random.default_rng(0)),
                "begins again",
            ),
            (lambda n, d, limit, rng: np.abs(noise_from_a_heap(n, d, limit, rng)), "mean"),
            (noise_by_rows, "shape"),
        ],
        right=[
            noise_from_a_heap,
            lambda n, d, limit, rng: truncnorm.rvs(-limit, limit, size=(n, d), random_state=rng),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(gan, ANSWERS)


@pytest.mark.parametrize("part", [1, 2])
def test_the_derivatives_are_those_of_the_penalty(part):
    arguments = list(gan._quadratic(8, 4, 3, 0.6))

    def penalty(value):
        return gan.r1_penalty.reference(*arguments[:part], value, *arguments[part + 1 :])[0]

    found = gan.r1_penalty.reference(*arguments)[part]
    expect.gradient(found, penalty, arguments[part], "the derivative")


def test_slopes_and_distance_of_samples_agree_with_scipy():
    x, fake = gan._numbers(9, 7)
    distance, slopes = gan.wasserstein.reference(x, fake)
    assert np.isclose(distance, wasserstein_distance(x, fake))
    expect.gradient(slopes, lambda at: wasserstein_distance(x, at), fake, "the slope")


@pytest.mark.parametrize("part", [0, 1])
def test_the_outputs_are_the_best(part):
    d = np.linspace(-2, 2, 401)
    real, fake = [((d - 1) ** 2, (d + 1) ** 2), (np.maximum(0, 1 - d), np.maximum(0, 1 + d))][part]
    for p_star, p_g in [(0.3, 0.1), (0.2, 0.7)]:
        found = gan.optimal_outputs.reference(np.array(p_star), np.array(p_g))[part]
        assert np.isclose(d[np.argmin(p_star * real + p_g * fake)], found, atol=0.01)
