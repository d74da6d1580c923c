"""Lab 12: what students answer, and what the check must say to it."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax, ndtr, rel_entr, softmax
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from nnlabs.checks import infogan

from .harness import Answers, make_tests


def entropy_in_a_loop(p):
    return sum(-value * np.log(value) for value in np.ravel(p) if value)


def independent(joint):
    return np.outer(joint.sum(1), joint.sum(0))


def conditional_by_columns(joint):
    """H(X|Y) as the mean over the columns of the entropy of each."""
    return sum(p * scipy_entropy(column) for p, column in zip(joint.sum(0), joint.T, strict=True))


def information_by_conditional(joint):
    return scipy_entropy(joint.sum(1)) - conditional_by_columns(joint)


def bound_of(score):
    """Return a student's bound with another score."""
    return lambda log_q, categories, prior: score(log_q, categories).mean() + scipy_entropy(prior)


def bound_by_one_hot(log_q, categories, prior):
    return np.sum(np.eye(len(prior))[categories] * log_q) / len(log_q) - np.sum(prior * np.log(prior))


def inputs(
    z=lambda n, noise, rng: rng.normal(size=(n, noise)),
    c1=lambda n, rng: np.eye(10)[rng.integers(0, 10, n)],
    c23=lambda n, rng: rng.uniform(-1, 1, (n, 2)),
    join=lambda z, c1, c23: np.hstack([z, c1, c23]),
    dtype="float32",
):
    """Return a student's draw_inputs with some parts of their own."""
    return lambda n, noise, rng: join(z(n, noise, rng), c1(n, rng), c23(n, rng)).astype(dtype)


def inputs_in_place(n, noise, rng):
    x = np.zeros((n, noise + 12), np.float32)
    x[:, :noise] = rng.standard_normal((n, noise))
    x[np.arange(n), noise + rng.choice(10, n)] = 1
    x[:, -2:] = 2 * rng.random((n, 2)) - 1
    return x


def category_of_the_noise(z, c1, c23):
    return np.hstack([z, np.eye(10)[(10 * ndtr(z[:, 0])).astype(int)], c23])


def code_of_the_category(z, c1, c23):
    first = (c1.argmax(axis=1) + (c23[:, 0] + 1) / 2) / 5 - 1
    return np.hstack([z, c1, first[:, None], c23[:, 1:]])


def two_categories(n, rng):
    return np.maximum(*(np.eye(10)[rng.integers(0, 10, n)] for _ in range(2)))


def ops():
    from keras import ops

    return ops


def loss_of(surprise):
    """Return a student's loss with the cross-entropies ``surprise(c1, logits)``."""
    return lambda c1, c23, logits, means, weight: (
        ops().mean(surprise(c1, logits)) + weight * ops().mean((c23 - means) ** 2)
    )


loss = loss_of(lambda c1, logits: -ops().sum(c1 * ops().log_softmax(logits), axis=-1))


def loss_by_keras(c1, c23, logits, means, weight):
    import keras

    surprise = keras.losses.CategoricalCrossentropy(from_logits=True)(c1, logits)
    return surprise + weight * ops().mean(keras.losses.mean_squared_error(c23, means))


def loss_in_numpy(c1, c23, logits, means, weight):
    surprise = -np.sum(c1 * log_softmax(logits, axis=-1), axis=-1)
    return surprise.mean() + weight * np.square(c23 - means).mean()


def counts(k, y, size=10):
    table = np.zeros((size, size))
    for i, j in zip(k, y, strict=True):
        table[i, j] += 1
    return table


def agreement(k, y, chosen_on=lambda table: table):
    rows, columns = linear_sum_assignment(-chosen_on(counts(k, y)))
    return counts(k, y)[rows, columns].sum() / len(k)


def agreement_by_names(k, y):
    table = np.array([[np.mean((k == i) & (y == j)) for j in range(10)] for i in range(10)])
    names = linear_sum_assignment(table, maximize=True)[1]
    return np.mean(names[k] == y)


def agreement_of_those_that_occur(k, y):
    table = counts(k, y, k.max() + 1)
    return table[linear_sum_assignment(table, maximize=True)].sum() / len(k)


def slants(images):
    answers = []
    for image in images:
        w = image / image.sum()
        y, x = np.indices((28, 28))
        x, y = x - np.sum(w * x), y - np.sum(w * y)
        answers.append(-np.sum(w * x * y) / np.sum(w * y**2))
    return np.array(answers)


def slants_by_regression(images):
    rows, columns = np.indices((28, 28)).reshape(2, -1)
    return np.array([-np.polyfit(rows, columns, 1, w=np.sqrt(image.ravel()))[0] for image in images])


ANSWERS = {
    "entropy": Answers(
        wrong=[
            (lambda p: -np.sum(p * np.log(p)), "leave it out"),
            (lambda p: np.sum(p * (1 - p)), "expected 1.03, found 0.62."),
            (lambda p: print(end=""), "return statement"),
        ],
        right=[entropy_in_a_loop, lambda p: scipy_entropy(p.ravel())],
    ),
    "mutual_information": Answers(
        wrong=[
            (conditional_by_columns, "this is H(X|Y)"),
            (lambda joint: information_by_conditional(joint) / scipy_entropy(joint.sum(1)), "found 0.1924."),
            (lambda joint: rel_entr(joint, independent(joint)), "is there a sum or a mean missing"),
        ],
        right=[information_by_conditional, lambda joint: rel_entr(joint, independent(joint)).sum()],
    ),
    "lower_bound": Answers(
        wrong=[
            (bound_of(lambda log_q, c: log_q[:, c]), "takes all of them"),
            (lambda log_q, c, prior: bound_by_one_hot(log_q[:, ::-1], c, prior), "found -0.743."),
        ],
        right=[bound_by_one_hot, bound_of(lambda log_q, c: log_q[range(len(c)), c])],
    ),
    "draw_inputs": Answers(
        wrong=[
            (inputs(c1=lambda n, rng: rng.integers(0, 10, (n, 1))), "a row of ten numbers"),
            (inputs(c23=lambda n, rng: rng.uniform(-1, 1, (n, 1))), "are two numbers"),
            (inputs(c23=lambda n, rng: np.zeros((n, 0))), "where are c2 and c3"),
            (inputs(join=lambda *parts: np.hstack(parts).T), "one row for each image"),
            (inputs(join=lambda z, c1, c23: z), "side by side"),
            (inputs(dtype="float64"), "float32"),
            (inputs(join=lambda z, c1, c23: np.hstack([c1, c23, z])), "z comes first"),
            (inputs(c1=lambda n, rng: softmax(rng.normal(size=(n, 10)), axis=1)), "only 0 and 1"),
            (inputs(c1=two_categories), "draw one category"),
            (inputs(c1=lambda n, rng: np.eye(10)[np.arange(n) % 10]), "no counting through"),
            (inputs(c1=lambda n, rng: np.eye(10)[np.sort(rng.integers(10, size=n))]), "no sorting"),
            (inputs(c1=lambda n, rng: np.eye(10)[np.full(n, rng.integers(10))]), "its own category"),
            (inputs(c1=lambda n, rng: np.eye(10)[rng.integers(0, 9, n)]), "include k"),
            (inputs(c1=lambda n, rng: np.eye(10)[rng.binomial(9, 0.5, n)]), "equally likely"),
            (inputs(c23=lambda n, rng: rng.normal(size=(n, 2))), "not normal"),
            (inputs(c23=lambda n, rng: rng.random((n, 2))), "two ends of the interval"),
            (inputs(c23=lambda n, rng: rng.choice([-1, 1], (n, 2))), "all values between"),
            (inputs(c23=lambda n, rng: np.repeat(rng.uniform(-1, 1, (n, 1)), 2, 1)), "for itself"),
            (inputs(join=category_of_the_noise), "z and c1 of a row"),
            (inputs(join=code_of_the_category), "c1 and c2 or c3 of a row"),
            (inputs(z=lambda n, noise, rng: np.tile(rng.normal(size=noise), (n, 1))), "its own noise"),
            (inputs(z=lambda n, noise, rng: 3**0.5 * rng.uniform(-1, 1, (n, noise))), "standard normal"),
            (inputs(z=lambda n, noise, rng: rng.normal(size=(n, 1)).repeat(noise, 1)), "for itself"),
            (inputs(z=lambda n, noise, rng: np.random.normal(size=(n, noise))), "draw everything from rng"),
            (lambda n, noise, rng: inputs()(n, noise, np.random.default_rng(1)), "a new generator"),
            (lambda n, noise, rng: None, "return statement"),
        ],
        right=[
            inputs(),
            inputs_in_place,
            inputs(c1=lambda n, rng: rng.permuted(np.eye(10)[[0] * n], axis=1)),
        ],
    ),
    "information_loss": Answers(
        wrong=[
            (loss_of(lambda c1, a: -ops().sum(c1 * ops().log(ops().softmax(a)), axis=-1)), "rounded to 0"),
            (loss_of(lambda c1, logits: ops().categorical_crossentropy(c1, logits)), "from_logits=True"),
            (loss_in_numpy, "use keras.ops"),
        ],
        right=[loss, loss_by_keras],
    ),
    "matched_agreement": Answers(
        wrong=[
            (lambda k, y: agreement(k, y, lambda t: t / t.sum(1, keepdims=True)), "shares of a category"),
            (lambda k, y: agreement(k, y, lambda t: t / np.maximum(t.sum(0), 1)), "found 0.5254"),
            (agreement_of_those_that_occur, "if some do not occur"),
        ],
        right=[agreement, agreement_by_names],
    ),
    "slant": Answers(
        wrong=[
            (lambda images: np.degrees(np.arctan(slants(images))), "found [4.591, "),
            (lambda images: slants(images[:1]), "expected shape (3,)"),
        ],
        right=[slants, slants_by_regression],
    ),
    "name_categories": Answers(
        wrong=[
            (lambda p, labels: labels[np.argmax(p[:5], axis=0)], "at index 0"),
            (lambda p, labels: list(labels[np.argmax(p, axis=0)]), "found a list"),
        ],
        right=[
            lambda p, labels: np.array([labels[np.argmax(p[:, k])] for k in range(10)]),
            lambda p, labels: labels[np.argsort(p, axis=0)[-1]],
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(infogan, ANSWERS)


def test_the_information_is_scikit_learns():
    counts = np.random.default_rng(1).integers(1, 9, (3, 4))
    x, y = np.repeat(np.indices((3, 4)).reshape(2, -1), counts.ravel(), axis=1)
    found = infogan.mutual_information.reference(counts / counts.sum())
    assert found == pytest.approx(mutual_info_score(x, y))


def test_the_bound_is_below_the_information_and_tight_at_the_posterior():
    rng = np.random.default_rng(2)
    joint = rng.dirichlet(np.ones(12)).reshape(3, 4)
    c, x = np.divmod(rng.choice(12, size=200_000, p=joint.ravel()), 4)
    prior = joint.sum(axis=1)
    information = infogan.mutual_information.reference(joint)
    posterior = np.log(joint / joint.sum(axis=0))
    assert infogan.lower_bound.reference(posterior.T[x], c, prior) == pytest.approx(information, abs=0.01)
    other = np.log(rng.dirichlet(np.ones(3), size=4))
    assert infogan.lower_bound.reference(other[x], c, prior) < information


def test_the_matching_is_the_best_of_all():
    k, y = np.random.default_rng(3).integers(5, size=(2, 60))  # five of the ten names occur: 5! matchings
    best = max(np.mean(np.array(names)[k] == y) for names in permutations(range(5)))
    assert infogan.matched_agreement.reference(k, y) == pytest.approx(best)


def test_the_slant_of_a_sheared_bar_is_its_shear():
    y, x = np.mgrid[:28, :28] - 13.5
    bars = np.stack([np.exp(-((x + a * y) ** 2)) * (abs(y) < 8) for a in (-0.4, 0.0, 0.4)])
    assert infogan.slant.reference(bars) == pytest.approx([-0.4, 0.0, 0.4], abs=0.02)
