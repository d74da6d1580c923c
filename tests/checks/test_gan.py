"""Lab 11: what students answer, and what the check must say to it."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.special import expit
from scipy.stats import entropy

from nnlabs.checks import expect, gan

from .harness import Answers, make_tests


def ops():
    from keras import ops

    return ops


def logit(D):
    return ops().log(D) - ops().log(1 - D)


def tape():
    import tensorflow as tf

    return tf.GradientTape()


# ---------------------------------------------------------------- 1, 2: densities


def best_in_a_loop(p_star, p_g):
    pairs = zip(np.ravel(p_star), np.ravel(p_g), strict=True)
    values = [p / (p + q) if p + q > 0 else 0.5 for p, q in pairs]
    return np.reshape(values, np.shape(p_star))


def best_by_log_ratio(p_star, p_g):
    with np.errstate(all="ignore"):
        return np.where(p_star + p_g == 0, 0.5, expit(np.log(p_star) - np.log(p_g)))


def best_but_where(empty):
    return lambda p, q: np.where(empty(p + q), 0.5, p / np.maximum(p + q, 1e-300))


def best_in_place(p_star, p_g):
    zero = (p_star == 0) & (p_g == 0)
    p_star[zero] = p_g[zero] = 0.5
    return p_star / (p_star + p_g)


def jsd_by_entropies(p, q):
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def jsd_by_scipy(p, q):
    return (entropy(p, (p + q) / 2) + entropy(q, (p + q) / 2)) / 2


def jsd_in_place(p, q):
    p[p == 0] = q[q == 0] = 1e-9
    return jsd_by_scipy(p, q)


# ---------------------------------------------------------------- 3, 4: losses and gradients


def d_loss(real, fake):
    return -ops().mean(ops().log_sigmoid(real)) - ops().mean(ops().log_sigmoid(-fake))


def d_loss_by_cross_entropy(real, fake):
    def cross_entropy(label, logits):
        return ops().mean(ops().binary_crossentropy(label(logits), logits, from_logits=True))

    return cross_entropy(ops().ones_like, real) + cross_entropy(ops().zeros_like, fake)


def slopes_of(discriminator):
    return lambda a: (-discriminator(a), discriminator(a) - 1)


# ---------------------------------------------------------------- 5: modes


def modes(points, centres, radius):
    near = np.linalg.norm(points[:, None] - centres, axis=-1)
    good = near.min(axis=1) < radius
    number = np.bincount(near.argmin(axis=1)[good], minlength=len(centres))
    return np.sum(number >= 0.01 * len(points)), good.mean()


def modes_in_a_loop(points, centres, radius):
    hits = np.zeros(len(centres))
    for point in points:
        near = np.sqrt(((centres - point) ** 2).sum(axis=1))
        if near.min() < radius:
            hits[near.argmin()] += 1
    return [len(hits[hits >= 0.01 * len(points)]), hits.sum() / len(points)]


def modes_within(share):
    def answer(points, centres, radius):
        within = np.linalg.norm(points[:, None] - centres, axis=-1) < radius
        return np.sum(within.mean(axis=0) >= 0.01), share(within)

    return answer


# ---------------------------------------------------------------- 6, 7: training


def generator_loss(logits):
    return ops().mean(ops().softplus(-logits))


def step(train_d=True, train_g=True, change="", end=lambda loss, loss_g: (loss, loss_g)):
    """Return a student's step with a ``change`` in the half that trains G."""

    def answer(G, D, g_optimizer, d_optimizer, x, z_d, z_g):
        with tape() as first:
            loss = d_loss(D(x, training=True), D(G(z_d, training=True), training=True))
        gradients = first.gradient(loss, D.trainable_variables)
        d_optimizer.apply_gradients(zip(gradients, D.trainable_variables, strict=True))
        D.trainable = change != "frozen"
        fake = G(z_g, training=train_g)
        with tape() as second:
            loss_g = generator_loss(
                D(fake if change == "early" else G(z_g, training=train_g), training=train_d)
            )
        own = [*G.trainable_variables, *(D.trainable_variables if change == "both" else ())]
        optimizer = d_optimizer if change == "swapped" else g_optimizer
        optimizer.apply(second.gradient(loss_g, own), own)
        return end(loss, loss_g)

    return answer


def step_as_one_batch(G, D, g_optimizer, d_optimizer, x, z_d, z_g):
    fake = ops().stop_gradient(G(z_d, training=True))
    m = x.shape[0]
    with tape() as first:
        logits = D(ops().concatenate([x, fake]), training=True)
        loss = d_loss(logits[:m], logits[m:])
    d_optimizer.apply(first.gradient(loss, D.trainable_weights), D.trainable_weights)
    with tape() as second:
        loss_g = ops().mean(ops().log(1 + ops().exp(-D(G(z_g, training=True), training=True))))
    g_optimizer.apply(second.gradient(loss_g, G.trainable_weights), G.trainable_weights)
    return [loss, loss_g]


def averaged(rule, weights="weights", returned=lambda average: None):
    """Return a student's update by ``rule(old, new, beta)``, over one of the lists of weights."""

    def update(average, network, beta):
        for old, new in zip(getattr(average, weights), getattr(network, weights), strict=True):
            old.assign(rule(old, new, beta))
        return returned(average)

    return update


def mixed(old, new, beta):
    return new + beta * (old - new)


def average_by_difference(average, network, beta):
    for old, new in zip(average.variables, network.variables, strict=True):
        old.assign_add((1 - beta) * (new - old))


def average_in_numpy(average, network, beta):
    pairs = zip(average.get_weights(), network.get_weights(), strict=True)
    average.set_weights([beta * old + (1 - beta) * new for old, new in pairs])


# ---------------------------------------------------------------- 8: the Fréchet distance


def frechet(root):
    def distance(a, b):
        A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        difference = a.mean(axis=0) - b.mean(axis=0)
        return difference @ difference + np.trace(A) + np.trace(B) - 2 * root(A, B)

    return distance


def root_symmetric(A, B):
    values, vectors = np.linalg.eigh(A)
    half = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return np.sqrt(np.maximum(np.linalg.eigvalsh(half @ B @ half), 0)).sum()


def frechet_of_rows(a, b):
    A, B = np.cov(a), np.cov(b)
    return np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.trace(A + B - 2 * sqrtm(A @ B).real)


ANSWERS = {
    "optimal_discriminator": Answers(
        wrong=[
            (lambda p_star, p_g: p_star / (p_star + p_g + 1e-8), "makes 0 / 0 to 0"),
            (best_but_where(lambda total: np.isclose(total, 0)), "no threshold"),
            (best_but_where(lambda total: total < 1e-12), "no threshold"),
            (lambda p, q: np.where(p + q == 0, 0.5, p / np.maximum(p + q, 1e-6)), "no threshold"),
            (best_in_place, "changes its argument"),
        ],
        right=[best_in_a_loop, best_by_log_ratio],
    ),
    "jensen_shannon": Answers(
        wrong=[
            (lambda p, q: np.abs(p - q).sum() / 2, "found 0.4."),
            (jsd_in_place, "changes its argument"),
        ],
        right=[jsd_by_entropies, jsd_by_scipy],
    ),
    "discriminator_loss": Answers(
        wrong=[
            (lambda a, b: d_loss(logit(ops().sigmoid(a)), b), "use softplus"),
            (lambda a, b: d_loss(np.array(a), b), "use keras.ops"),
            (lambda a, b: d_loss(a, b) * len(a) / len(a), "or len()"),
        ],
        right=[d_loss, d_loss_by_cross_entropy],
    ),
    "generator_gradients": Answers(
        wrong=[
            (slopes_of(lambda a: np.exp(a) / (1 + np.exp(a))), "cancel on paper"),
            (lambda a: (-expit(a) * (1 - expit(a)) / (1 - expit(a)), expit(a) - 1), "cancel on paper"),
            (slopes_of(lambda a: expit(np.clip(a, -9, 9))), "without clipping"),
            (lambda a: -expit(a), "a tuple is wanted"),
        ],
        right=[
            slopes_of(lambda a: (1 + np.tanh(a / 2)) / 2),
            slopes_of(lambda a: expit(a.astype("float32"))),
            lambda a: [-expit(a), -expit(-a)],
        ],
    ),
    "modes_hit": Answers(
        wrong=[
            (lambda points, centres, radius: modes(points, centres, 0.3), "expected 2, found 0."),
            (lambda points, centres, radius: modes(points, centres[:8], radius), "expected 11, found 8"),
            (modes_within(lambda within: within.any(axis=1).mean()), "nearest centre only"),
            (modes_within(lambda within: within.sum() / len(within)), "not two"),
        ],
        right=[modes, modes_in_a_loop],
    ),
    "train_step": Answers(
        wrong=[
            (step(train_d=False), "without training=True"),
            (step(train_g=None), "without training=True"),
            (step(change="frozen"), "leave `trainable`"),
            (step(change="swapped"), "the variables of its own network"),
            (step(change="both"), "the variables of its own network"),
            (step(change="early"), "inside the tape"),
            (step(end=lambda *losses: [loss.numpy() for loss in losses]), "use keras.ops"),
            (step(end=lambda *losses: tuple(map(float, losses))), "use keras.ops"),
            (step(end=lambda *losses: None), "return statement"),
        ],
        right=[step(), step_as_one_batch],
    ),
    "update_average": Answers(
        wrong=[
            (average_in_numpy, "not NumPy"),
            (averaged(lambda old, new, beta: mixed(old.numpy(), new.numpy(), beta)), "not NumPy"),
            (averaged(mixed, returned=lambda average: average), "nothing to return"),
        ],
        right=[average_by_difference, averaged(mixed, "variables")],
    ),
    "frechet_distance": Answers(
        wrong=[
            (frechet_of_rows, "variables as rows"),
            (frechet(lambda A, B: np.sum(np.sqrt(np.linalg.eigvals(A @ B).real))), "count as 0"),
            (frechet(lambda A, B: np.trace(sqrtm(A @ B + 0j))), "real part"),
        ],
        right=[frechet(lambda A, B: np.trace(sqrtm(A @ B).real)), frechet(root_symmetric)],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(gan, ANSWERS)


@pytest.mark.parametrize("part", [0, 1])
def test_the_gradients_are_those_of_the_losses(part):
    losses = [lambda a: np.log(1 - expit(a)).sum(), lambda a: -np.log(expit(a)).sum()]
    at = np.array([-1.5, 0.3, 2.5])
    expect.gradient(gan.generator_gradients.reference(at)[part], losses[part], at, "the derivative")
