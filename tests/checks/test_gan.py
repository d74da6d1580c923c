"""Lab 11: what students answer, and what the check must say to it."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.special import expit
from scipy.stats import entropy

from nnlabs.checks import gan

from .harness import Answers, make_tests


def ops():
    from keras import ops

    return ops


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


def best_without_care(p_star, p_g):
    return p_star / (p_star + p_g)


def kl(p, q):
    positive = p > 0
    return np.sum(p[positive] * np.log(p[positive] / q[positive]))


def jsd(p, q):
    return 0.5 * kl(p, (p + q) / 2) + 0.5 * kl(q, (p + q) / 2)


def jsd_by_entropies(p, q):
    return entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2


def jsd_by_scipy(p, q):
    return (entropy(p, (p + q) / 2) + entropy(q, (p + q) / 2)) / 2


def jsd_with_small_number(p, q):
    m = (p + q) / 2
    return np.mean([np.sum(r * np.log((r + 1e-3) / (m + 1e-3))) for r in (p, q)])


def jsd_without_care(p, q):
    m = (p + q) / 2
    return 0.5 * np.sum(p * np.log(p / m)) + 0.5 * np.sum(q * np.log(q / m))


# ---------------------------------------------------------------- 3, 4: losses and gradients


def d_loss(real, fake, first=1, second=1):
    return first * ops().mean(ops().softplus(-real)) + second * ops().mean(ops().softplus(fake))


def d_loss_by_cross_entropy(real, fake):
    def cross_entropy(label, logits):
        return ops().mean(ops().binary_crossentropy(label(logits), logits, from_logits=True))

    return cross_entropy(ops().ones_like, real) + cross_entropy(ops().zeros_like, fake)


def d_loss_by_log_sigmoid(real, fake):
    return -ops().mean(ops().log_sigmoid(real)) - ops().mean(ops().log_sigmoid(-fake))


def d_loss_of_probabilities(real, fake):
    D, D_fake = ops().sigmoid(real), ops().sigmoid(fake)
    return -ops().mean(ops().log(D)) - ops().mean(ops().log(1 - D_fake))


def d_loss_in_numpy(real, fake):
    return np.mean(np.logaddexp(0, -real)) + np.mean(np.logaddexp(0, fake))


def slopes_by_exp(a):
    with np.errstate(all="ignore"):
        return -np.exp(a) / (1 + np.exp(a)), -1 / (1 + np.exp(a))


def slopes_by_tanh(a):
    D = (1 + np.tanh(a / 2)) / 2
    return -D, D - 1


# ---------------------------------------------------------------- 5: modes


def distances(points, centres):
    return np.linalg.norm(points[:, None] - centres, axis=-1)


def counts(points, centres, radius):
    near = distances(points, centres)
    good = near.min(axis=1) < radius
    return np.bincount(near.argmin(axis=1)[good], minlength=len(centres)), good


def modes(points, centres, radius):
    number, good = counts(points, centres, radius)
    return np.sum(number >= len(points) / 100), good.mean()


def modes_in_a_loop(points, centres, radius):
    hits = np.zeros(len(centres))
    for point in points:
        near = np.sqrt(((centres - point) ** 2).sum(axis=1))
        if near.min() < radius:
            hits[near.argmin()] += 1
    return len(hits[hits >= 0.01 * len(points)]), hits.sum() / len(points)


def modes_of_bad_points(points, centres, radius):
    near = distances(points, centres)
    number = np.bincount(near.argmin(axis=1), minlength=len(centres))
    return np.sum(number >= len(points) / 100), np.mean(near.min(axis=1) < radius)


# ---------------------------------------------------------------- 6, 7: training


def generator_loss(logits):
    return ops().mean(ops().softplus(-logits))


def step(G, D, g_optimizer, d_optimizer, x, z_d, z_g):
    with tape() as first:
        loss = d_loss(D(x, training=True), D(G(z_d, training=True), training=True))
    gradients = first.gradient(loss, D.trainable_variables)
    d_optimizer.apply_gradients(zip(gradients, D.trainable_variables, strict=True))
    with tape() as second:
        loss_g = generator_loss(D(G(z_g, training=True), training=True))
    gradients = second.gradient(loss_g, G.trainable_variables)
    g_optimizer.apply_gradients(zip(gradients, G.trainable_variables, strict=True))
    return loss, loss_g


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


def step_outside_the_tape(G, D, g_optimizer, d_optimizer, x, z_d, z_g):
    loss, _ = step(G, D, g_optimizer, d_optimizer, x, z_d, z_g)
    fake = G(z_g)
    with tape() as second:
        loss_g = generator_loss(D(fake))
    g_optimizer.apply(second.gradient(loss_g, G.trainable_variables), G.trainable_variables)
    return loss, loss_g


def step_to_floats(*arguments):
    loss, loss_g = step(*arguments)
    return float(loss), float(loss_g)


def step_to_numpy(*arguments):
    loss, loss_g = step(*arguments)
    return loss.numpy(), loss_g.numpy()


def step_without_return(*arguments):
    step(*arguments)


def averaged(rule, weights="weights"):
    """Return a student's update by ``rule(old, new, beta)``, over one of the lists of weights."""

    def update(average, network, beta):
        for old, new in zip(getattr(average, weights), getattr(network, weights), strict=True):
            old.assign(rule(old, new, beta))

    return update


def average_by_difference(average, network, beta):
    for old, new in zip(average.variables, network.variables, strict=True):
        old.assign_add((1 - beta) * (new - old))


def average_in_numpy(average, network, beta):
    pairs = zip(average.get_weights(), network.get_weights(), strict=True)
    average.set_weights([beta * old + (1 - beta) * new for old, new in pairs])


def average_of_one(average, network, beta):
    old, new = average.weights[0], network.weights[0]
    old.assign(beta * old + (1 - beta) * new)


def average_into_the_network(average, network, beta):
    for old, new in zip(average.weights, network.weights, strict=True):
        new.assign(beta * old + (1 - beta) * new)


# ---------------------------------------------------------------- 8: the Fréchet distance


def frechet(a, b, means=1, cross=2, root=None):
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    difference = a.mean(axis=0) - b.mean(axis=0)
    root = root or (lambda A, B: np.sum(np.sqrt(np.maximum(np.linalg.eigvals(A @ B).real, 0))))
    return means * difference @ difference + np.trace(A) + np.trace(B) - cross * root(A, B)


def frechet_by_sqrtm(a, b):
    return frechet(a, b, root=lambda A, B: np.trace(sqrtm(A @ B).real))


def frechet_symmetric(a, b):
    def root(A, B):
        values, vectors = np.linalg.eigh(A)
        half = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
        return np.sqrt(np.maximum(np.linalg.eigvalsh(half @ B @ half), 0)).sum()

    return frechet(a, b, root=root)


ANSWERS = {
    "optimal_discriminator": Answers(
        wrong=[
            (lambda p_star, p_g: p_g / (p_star + p_g), "probability of a fake"),
            (lambda p_star, p_g: p_star / p_g, "can exceed 1"),
            (lambda p_star, p_g: p_star / (p_star - p_g), "sign in the denominator"),
            (lambda p_star, p_g: 0.5 * p_star / (p_star + p_g), "factor 2"),
            (lambda p_star, p_g: 1.0 * (p_star > p_g), "yes or no"),
            (lambda p_star, p_g: p_star / (p_star + p_g).sum(), "nothing is summed"),
            (best_without_care, "0 / 0"),
            (lambda p_star, p_g: None, "return statement"),
        ],
        right=[best_in_a_loop, best_by_log_ratio],
    ),
    "jensen_shannon": Answers(
        wrong=[
            (lambda p, q: kl(p, (p + q) / 2) + kl(q, (p + q) / 2), "factor 1/2 in front"),
            (lambda p, q: jsd(p, q) / 2, "there twice"),
            (kl, "this is KL(p, q)"),
            (lambda p, q: kl(q, p), "this is KL(q, p)"),
            (lambda p, q: (kl(p, q) + kl(q, p)) / 2, "mean of KL(p, q)"),
            (lambda p, q: kl(p, p + q) / 2 + kl(q, p + q) / 2, "missing in m"),
            (lambda p, q: -jsd(p, q), "sign is reversed"),
            (lambda p, q: (kl((p + q) / 2, p) + kl((p + q) / 2, q)) / 2, "turn them round"),
            (lambda p, q: jsd(p, q) / np.log(2), "in bits"),
            (lambda p, q: kl(p, (p + q) / 2) / 2, "first half"),
            (lambda p, q: jsd(p, q) ** 0.5, "square root"),
            (jsd_without_care, "0 log 0"),
            (jsd_with_small_number, "expected"),
        ],
        right=[jsd, jsd_by_entropies, jsd_by_scipy],
    ),
    "discriminator_loss": Answers(
        wrong=[
            (lambda real, fake: -d_loss(real, fake), "this is V itself"),
            (lambda real, fake: d_loss(-real, -fake), "wrong way round"),
            (lambda real, fake: d_loss(real, fake, second=0), "where are the fakes"),
            (lambda real, fake: d_loss(real, fake, first=0), "where is the data"),
            (lambda real, fake: d_loss(real, -fake), "it is log(1 - D)"),
            (lambda real, fake: d_loss(real, fake, second=-1), "sign of the second"),
            (lambda real, fake: d_loss(real, fake, first=-1), "sign of the first"),
            (
                lambda real, fake: d_loss(real, fake, first=real.shape[0], second=fake.shape[0]),
                "this sums over the batch",
            ),
            (lambda real, fake: d_loss(real, fake) / 2, "factor 1/2 too many"),
            (lambda real, fake: np.logaddexp(0, -real[:3]) + np.logaddexp(0, fake[:3]), "sum or a mean"),
            (
                lambda real, fake: (
                    ops().mean((1 - ops().sigmoid(real)) ** 2) + ops().mean(ops().sigmoid(fake) ** 2)
                ),
                "squared error",
            ),
            (d_loss_of_probabilities, "use softplus"),
            (d_loss_in_numpy, "use keras.ops"),
        ],
        right=[d_loss, d_loss_by_cross_entropy, d_loss_by_log_sigmoid],
    ),
    "generator_gradients": Answers(
        wrong=[
            (lambda a: (expit(a) - 1, -expit(a)), "wrong order"),
            (lambda a: (expit(a), expit(-a)), "signs are reversed"),
            (lambda a: (expit(a), -expit(-a)), "sign of the first"),
            (lambda a: (-expit(a), expit(-a)), "sign of the second"),
            (lambda a: (-1 / (1 - expit(a)), -1 / expit(a)), "chain rule"),
            (lambda a: (np.log(1 - expit(a)), -np.log(expit(a))), "these are the losses"),
            (lambda a: (-expit(a) * expit(-a), -expit(a) * expit(-a)), "derivative of D"),
            (lambda a: (-expit(a), -expit(a)), "different derivatives"),
            (slopes_by_exp, "exp(800)"),
            (lambda a: -expit(a), "how many things"),
        ],
        right=[slopes_by_tanh, lambda a: (-expit(a), expit(a) - 1), lambda a: [-expit(a), -expit(-a)]],
    ),
    "modes_hit": Answers(
        wrong=[
            (modes_of_bad_points, "only good ones"),
            (
                lambda *case: (np.sum(counts(*case)[0] > 0), counts(*case)[1].mean()),
                "one good point is enough",
            ),
            (lambda *case: (modes(*case)[0], counts(*case)[1].sum()), "number of good points"),
            (
                lambda *case: (
                    np.sum(counts(*case)[0] >= counts(*case)[1].sum() / 100),
                    counts(*case)[1].mean(),
                ),
                "not of the good ones",
            ),
            (
                lambda *case: (np.sum(counts(*case)[0] > len(case[0]) / 100), counts(*case)[1].mean()),
                "exactly 1 %",
            ),
            (lambda *case: (modes(*case)[0], 1 - modes(*case)[1]), "share of bad points"),
            (
                lambda *case: (np.mean(counts(*case)[0] >= len(case[0]) / 100), modes(*case)[1]),
                "share of the modes",
            ),
            (
                lambda *case: (np.sum(counts(*case)[0] < len(case[0]) / 100), modes(*case)[1]),
                "modes that are missed",
            ),
            (lambda points, centres, radius: modes(points, centres, np.sqrt(radius)), "take the root"),
            (lambda *case: modes(*case)[::-1], "wrong order"),
            (lambda points, centres, radius: modes(points, centres, radius)[0], "how many things"),
        ],
        right=[modes, modes_in_a_loop],
    ),
    "train_step": Answers(
        wrong=[
            (gan._step(swap=True), "loss of D first"),
            (gan._step(update_d=False), "the discriminator does not learn"),
            (gan._step(update_g=False), "the generator does not learn"),
            (gan._step(update_d=False, update_g=False), "neither of the players"),
            (gan._step(g_moves_too=True), "in D's step the generator"),
            (gan._step(d_moves_too=True), "in G's step the discriminator"),
            (gan._step(first="g"), "G moves first"),
            (gan._step(old=True), "before D's update"),
            (gan._step(noise_of_g="zd"), "G uses the noise"),
            (gan._step(fakes_of="zg"), "D uses z_g"),
            (gan._step(d_sign=-1.0), "wrong way"),
            (gan._step(g_loss="minimax"), "minimax game"),
            (gan._step(g_loss="fooled"), "learns to be recognised"),
            (step_outside_the_tape, "It stops"),
            (step_to_numpy, "use keras.ops"),
            (step_to_floats, "use keras.ops"),
            (step_without_return, "return statement"),
        ],
        right=[step, step_as_one_batch],
    ),
    "update_average": Answers(
        wrong=[
            (averaged(lambda old, new, beta: (1 - beta) * old + beta * new), "wrong way round"),
            (averaged(lambda old, new, beta: beta * old + new), "must sum to 1."),
            (averaged(lambda old, new, beta: old + (1 - beta) * new), "share of the new weights"),
            (averaged(lambda old, new, beta: new), "only copies"),
            (averaged(lambda old, new, beta: (old + new) / 2), "where is beta"),
            (averaged(lambda old, new, beta: old), "does not change"),
            (averaged(lambda old, new, beta: old - (1 - beta) * (new - old)), "sign of the difference"),
            (average_of_one, "loop over all"),
            (average_into_the_network, "goes on learning"),
            (average_in_numpy, "assign to each weight"),
        ],
        right=[
            average_by_difference,
            averaged(lambda old, new, beta: new + beta * (old - new), "variables"),
        ],
    ),
    "frechet_distance": Answers(
        wrong=[
            (lambda a, b: frechet(a, b, means=0), "where are the means"),
            (lambda a, b: frechet(a, b, cross=0), "where is the term"),
            (lambda a, b: frechet(a, b, cross=1), "factor 2"),
            (lambda a, b: frechet(a, b, cross=-2), "sign of the square root"),
            (
                lambda a, b: frechet(a, b, means=0) + np.linalg.norm(a.mean(0) - b.mean(0)),
                "distance of the means is squared",
            ),
            (lambda a, b: np.sum((a.mean(0) - b.mean(0)) ** 2), "where are the covariances"),
            (lambda a, b: frechet(a, b, root=lambda A, B: np.trace(A @ B)), "the root is missing"),
            (lambda a, b: frechet(a, b) ** 0.5, "the square is usual"),
            (lambda a, b: frechet(a, b, means=0) + (a.mean() - b.mean()) ** 2, "each feature has its own"),
            (lambda a, b: frechet(a, b, root=lambda A, B: np.trace(sqrtm(A @ B + 0j))), "real part"),
        ],
        right=[frechet, frechet_by_sqrtm, frechet_symmetric],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(gan, ANSWERS)


@pytest.mark.parametrize("mistake", list(gan._WRONG_STEPS.values()), ids=list(gan._WRONG_STEPS))
def test_the_mistakes_of_a_step_differ_from_the_right_one(mistake):
    from nnlabs.checks import expect

    right = gan._outcome(gan.train_step.reference)
    assert not expect.same(gan._outcome(gan._step(**mistake)), right, **expect.FLOAT32)
    assert expect.same(gan._outcome(gan._step()), right, **expect.FLOAT32)
