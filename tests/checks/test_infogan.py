"""Lab 12: what students answer, and what the check must say to it."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax, rel_entr, softmax
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from nnlabs.checks import infogan

from .harness import Answers, make_tests


def entropy_of_positive(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def entropy_in_a_loop(p):
    return sum(-value * np.log(value) for value in np.ravel(p) if value)


def information_by_conditional(joint):
    p_y = joint.sum(axis=0)
    seen = joint > 0
    conditional = -np.sum(joint[seen] * np.log((joint / p_y)[seen]))
    return entropy_of_positive(joint.sum(axis=1)) - conditional


def independent(joint):
    return np.outer(joint.sum(1), joint.sum(0))


def conditional_by_columns(joint):
    """H(X|Y) as the mean over the columns of the entropy of each."""
    return sum(p * scipy_entropy(column) for p, column in zip(joint.sum(0), joint.T, strict=True))


def bound_of(score):
    """Return a student's bound with another score."""
    return lambda log_q, categories, prior: score(log_q, categories).mean() + scipy_entropy(prior)


def drawn(log_q, categories):
    return np.take_along_axis(log_q, categories[:, None], axis=1)[:, 0]


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


def two_categories(n, rng):
    return np.maximum(*(np.eye(10)[rng.integers(0, 10, n)] for _ in range(2)))


def equal_codes(n, rng):
    return np.repeat(rng.uniform(-1, 1, (n, 1)), 2, axis=1)


def ops():
    from keras import ops

    return ops


def loss(c1, c23, logits, means, weight):
    surprise = -ops().sum(c1 * ops().log_softmax(logits), axis=-1)
    return ops().mean(surprise) + weight * ops().mean((c23 - means) ** 2)


def loss_by_keras(c1, c23, logits, means, weight):
    import keras

    surprise = keras.losses.CategoricalCrossentropy(from_logits=True)(c1, logits)
    return surprise + weight * ops().mean(keras.losses.mean_squared_error(c23, means))


def loss_in_numpy(c1, c23, logits, means, weight):
    surprise = -np.sum(c1 * log_softmax(logits, axis=-1), axis=-1)
    return surprise.mean() + weight * np.square(c23 - means).mean()


def loss_of(combine):
    """Return a student's loss that combines surprises (n,), squares (n, 2) and the weight."""
    return lambda c1, c23, logits, means, weight: combine(
        -ops().sum(c1 * ops().log_softmax(logits), axis=-1), (c23 - means) ** 2, weight
    )


def loss_of_probabilities(c1, c23, logits, means, weight):
    p = ops().softmax(logits)
    return -ops().mean(ops().sum(c1 * ops().log(p), axis=-1)) + weight * ops().mean((c23 - means) ** 2)


def loss_without_from_logits(c1, c23, logits, means, weight):
    return ops().mean(ops().categorical_crossentropy(c1, logits)) + weight * ops().mean((c23 - means) ** 2)


def loss_of_logarithms(c1, c23, logits, means, weight):
    return np.mean(-np.sum(c1 * np.log(logits), axis=-1)) + weight * np.mean((c23 - means) ** 2)


def counts(k, y):
    return np.histogram2d(k, y, bins=[np.arange(11)] * 2)[0]


def agreement(k, y):
    rows, columns = linear_sum_assignment(-counts(k, y))
    return counts(k, y)[rows, columns].sum() / len(k)


def agreement_by_names(k, y):
    table = np.array([[np.mean((k == i) & (y == j)) for j in range(10)] for i in range(10)])
    names = linear_sum_assignment(table, maximize=True)[1]
    return np.mean(names[k] == y)


def greedy_agreement(k, y):
    table, total = counts(k, y), 0
    for _ in range(10):
        i, j = np.unravel_index(np.argmax(table), table.shape)
        total += table[i, j]
        table[i, :], table[:, j] = -1, -1
    return total / len(k)


def agreement_of_shares(k, y):
    table = counts(k, y)
    shares = table / table.sum(axis=1, keepdims=True)
    return shares[linear_sum_assignment(shares, maximize=True)].mean()


def slants(images, x0=None, y0=None, form=lambda xy, yy, xx: -xy / yy):
    rows, columns = np.indices((28, 28))
    answers = []
    for image in images:
        w = image / image.sum()
        dx = columns - (np.sum(w * columns) if x0 is None else x0)
        dy = rows - (np.sum(w * rows) if y0 is None else y0)
        answers.append(form(np.sum(w * dx * dy), np.sum(w * dy**2), np.sum(w * dx**2)))
    return np.array(answers)


def slants_by_einsum(images):
    place = np.arange(28) - 13.5
    ink = images.sum((1, 2))
    x = np.einsum("nyx,x->n", images, place) / ink
    y = np.einsum("nyx,y->n", images, place) / ink
    xy = np.einsum("nyx,y,x->n", images, place, place) / ink - x * y
    yy = np.einsum("nyx,y->n", images, place**2) / ink - y**2
    return -xy / yy


def slants_by_regression(images):
    rows, columns = np.indices((28, 28)).reshape(2, -1)
    return np.array(
        [-np.polyfit(rows, columns, 1, w=np.sqrt(image.ravel()))[0] for image in np.asarray(images)]
    )


ANSWERS = {
    "entropy": Answers(
        wrong=[
            (lambda p: np.sum(p * np.log(np.where(p > 0, p, 1))), "look at the sign"),
            (lambda p: scipy_entropy(p.ravel(), base=2), "this is in bits"),
            (lambda p: scipy_entropy(p.ravel(), base=10), "units of log10"),
            (lambda p: -np.mean(p * np.log(np.where(p > 0, p, 1))), "mean over the values"),
            (lambda p: -np.sum(np.log(p)), "where is the factor p"),
            (lambda p: -p * np.log(p), "not summed yet"),
            (lambda p: -np.sum(p * np.log(p), axis=-1), "also a table has one entropy"),
            (lambda p: -np.sum(p * np.log(p)), "leave it out"),
            (lambda p: print(end=""), "return statement"),
        ],
        right=[entropy_of_positive, entropy_in_a_loop, lambda p: scipy_entropy(p.ravel())],
    ),
    "mutual_information": Answers(
        wrong=[
            (lambda joint: -information_by_conditional(joint), "the sign is reversed"),
            (conditional_by_columns, "this is H(X|Y)"),
            (lambda joint: conditional_by_columns(joint.T), "this is H(Y|X)"),
            (lambda joint: scipy_entropy(joint.ravel()), "entropy of the table"),
            (
                lambda joint: scipy_entropy(joint.sum(0)) - scipy_entropy(joint.ravel()),
                "H(X) is not in it yet",
            ),
            (
                lambda joint: scipy_entropy(joint.sum(1)) - scipy_entropy(joint.ravel()),
                "H(Y) is not in it yet",
            ),
            (
                lambda joint: scipy_entropy(joint.sum(1)) - conditional_by_columns(joint.T),
                "are rows and columns mixed up",
            ),
            (
                lambda joint: scipy_entropy(joint.sum(0)) - conditional_by_columns(joint),
                "look again at rows and columns",
            ),
            (lambda joint: scipy_entropy(joint.sum(0)) + scipy_entropy(joint.sum(1)), "counted twice"),
            (lambda joint: information_by_conditional(joint) / np.log(2), "this is in bits"),
            (
                lambda joint: np.sum(independent(joint) * np.log(independent(joint) / joint)),
                "the other way round",
            ),
            (lambda joint: np.sum(joint * np.log(joint / independent(joint))), "leave it out"),
        ],
        right=[
            information_by_conditional,
            lambda joint: rel_entr(joint, independent(joint)).sum(),
            lambda joint: scipy_entropy(joint.sum(0)) - conditional_by_columns(joint.T),
        ],
    ),
    "lower_bound": Answers(
        wrong=[
            (lambda log_q, c, prior: drawn(log_q, c).mean(), "H(c) is missing"),
            (lambda log_q, c, prior: drawn(log_q, c).mean() - scipy_entropy(prior), "added, not subtracted"),
            (lambda log_q, c, prior: scipy_entropy(prior) - drawn(log_q, c).mean(), "look at its sign"),
            (lambda log_q, c, prior: drawn(log_q, c).sum() + scipy_entropy(prior), "take their mean"),
            (lambda log_q, c, prior: drawn(log_q, c).mean() + np.log(len(prior)), "need not be uniform"),
            (bound_of(lambda log_q, c: log_q.max(axis=1)), "Q's favourite"),
            (bound_of(lambda log_q, c: np.sum(np.exp(log_q) * log_q, axis=1)), "Q's own guesses"),
            (bound_of(lambda log_q, c: log_q), "mean over all categories"),
            (bound_of(lambda log_q, c: log_q[:, c]), "takes all of them"),
            (bound_of(lambda log_q, c: np.log(drawn(log_q, c))), "logarithms already"),
            (bound_of(lambda log_q, c: np.exp(drawn(log_q, c))), "mean of Q itself"),
            (lambda log_q, c, prior: drawn(log_q, c) + scipy_entropy(prior), "one number"),
        ],
        right=[
            bound_of(drawn),
            bound_by_one_hot,
            bound_of(lambda log_q, c: log_q[range(len(c)), c]),
        ],
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
            (inputs(c1=lambda n, rng: np.eye(10)[np.arange(n) % 10]), "category of each row from rng"),
            (inputs(c1=lambda n, rng: np.eye(10)[np.full(n, rng.integers(10))]), "its own category"),
            (inputs(c1=lambda n, rng: np.eye(10)[rng.integers(0, 9, n)]), "include k"),
            (inputs(c1=lambda n, rng: np.eye(10)[rng.binomial(9, 0.5, n)]), "equally likely"),
            (inputs(c23=lambda n, rng: rng.normal(size=(n, 2))), "not normal"),
            (inputs(c23=lambda n, rng: rng.random((n, 2))), "two ends of the interval"),
            (inputs(c23=lambda n, rng: rng.choice([-1, 1], (n, 2))), "all values between"),
            (inputs(c23=equal_codes), "two numbers for each row"),
            (inputs(z=lambda n, noise, rng: np.tile(rng.normal(size=noise), (n, 1))), "its own noise"),
            (inputs(z=lambda n, noise, rng: rng.uniform(-1, 1, (n, noise))), "standard normal"),
            (
                inputs(z=lambda n, noise, rng: np.repeat(rng.normal(size=(n, 1)), noise, 1)),
                "different numbers",
            ),
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
            (loss_of(lambda s, e, w: -ops().mean(s) - w * ops().mean(e)), "that of the bound"),
            (loss_of(lambda s, e, w: -ops().mean(s) + w * ops().mean(e)), "sign of the cross-entropy"),
            (loss_of(lambda s, e, w: ops().mean(s) - w * ops().mean(e)), "sign of the squared error"),
            (loss_of(lambda s, e, w: ops().mean(s) + ops().mean(e)), "where is the weight"),
            (loss_of(lambda s, e, w: w * ops().mean(s) + ops().mean(e)), "not to the cross-entropy"),
            (loss_of(lambda s, e, w: w * (ops().mean(s) + ops().mean(e))), "squared error only"),
            (loss_of(lambda s, e, w: ops().mean(s)), "where are c2 and c3"),
            (loss_of(lambda s, e, w: w * ops().mean(e)), "where is c1"),
            (loss_of(lambda s, e, w: ops().sum(s) + w * ops().sum(e)), "take means"),
            (loss_of(lambda s, e, w: ops().mean(s + w * ops().sum(e, axis=-1))), "over both codes"),
            (loss_of(lambda s, e, w: ops().mean(s) / 10 + w * ops().mean(e)), "sums over the ten"),
            (loss_of(lambda s, e, w: s + w * ops().mean(e, axis=-1)), "one number for the batch"),
            (loss_of(lambda s, e, w: ops().mean(s) + w * ops().mean(ops().sqrt(e))), "absolute error"),
            (loss_of_logarithms, "which function makes them so"),
            (loss_without_from_logits, "from_logits=True"),
            (loss_of_probabilities, "rounded to 0"),
            (loss_in_numpy, "use keras.ops"),
        ],
        right=[loss, loss_by_keras],
    ),
    "matched_agreement": Answers(
        wrong=[
            (lambda k, y: np.mean(k == y), "compares names"),
            (lambda k, y: counts(k, y).max(axis=1).sum() / len(k), "two categories may share"),
            (lambda k, y: counts(k, y).max(axis=0).sum() / len(k), "two classes may share"),
            (greedy_agreement, "takes the largest count first"),
            (
                lambda k, y: np.mean([np.bincount(y[k == j]).max() / np.sum(k == j) for j in range(10)]),
                "a small category counts",
            ),
            (
                lambda k, y: counts(k, y)[linear_sum_assignment(counts(k, y))].sum() / len(k),
                "smallest sum",
            ),
            (lambda k, y: agreement(k, y) * len(k), "their share is wanted"),
            (lambda k, y: 1 - agreement(k, y), "does not agree"),
            (agreement_of_shares, "divide the sum"),
        ],
        right=[agreement, agreement_by_names],
    ),
    "slant": Answers(
        wrong=[
            (lambda images: -slants(images), "counted downwards"),
            (lambda images: slants(images, form=lambda xy, yy, xx: -xy / xx), "the height is what"),
            (lambda images: slants(images, form=lambda xy, yy, xx: xy / xx), "and the sign is reversed"),
            (lambda images: slants(images, x0=0, y0=0), "from a corner"),
            (lambda images: slants(images, x0=13.5, y0=13.5), "from the centre of the image"),
            (lambda images: slants(images, form=lambda xy, yy, xx: -xy / np.sqrt(xx * yy)), "correlation"),
            (lambda images: np.arctan(slants(images)), "this is an angle"),
            (lambda images: slants(images, form=lambda xy, yy, xx: -xy), "where is the division"),
            (lambda images: slants(images).mean(), "each image has its own slant"),
        ],
        right=[slants, slants_by_einsum, slants_by_regression],
    ),
    "name_categories": Answers(
        wrong=[
            (lambda p, labels: np.argmax(p, axis=0), "numbers of images"),
            (lambda p, labels: labels[np.argmax(p, axis=1)], "surest of"),
            (lambda p, labels: np.argmax(p, axis=1), "a label for each category"),
            (lambda p, labels: labels[np.argmin(p, axis=0)], "fits least"),
            (lambda p, labels: np.max(p, axis=0), "these are probabilities"),
            (
                lambda p, labels: np.array([np.max(p[labels == d], axis=0).argmax() for d in range(10)]),
                "turn it round",
            ),
            (
                lambda p, labels: np.array([p[labels == d].sum(axis=0) for d in range(10)]).argmax(axis=0),
                "only ten may be asked for",
            ),
            (lambda p, labels: np.repeat(np.bincount(labels).argmax(), 10), "most frequent label of all"),
        ],
        right=[
            lambda p, labels: np.array([labels[np.argmax(p[:, k])] for k in range(10)]),
            lambda p, labels: labels[np.argsort(p, axis=0)[-1]],
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(infogan, ANSWERS)


def test_the_information_is_scikit_learns():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, (3, 4))
    x, y = np.repeat(np.indices((3, 4)).reshape(2, -1), counts.ravel(), axis=1)
    found = infogan.mutual_information.reference(counts / counts.sum())
    assert found == pytest.approx(mutual_info_score(x, y))


def test_the_bound_is_below_the_information_and_tight_at_the_posterior():
    rng = np.random.default_rng(2)
    joint = rng.dirichlet(np.ones(12)).reshape(3, 4)
    cells = rng.choice(12, size=200_000, p=joint.ravel())
    c, x = np.divmod(cells, 4)
    prior = joint.sum(axis=1)
    information = infogan.mutual_information.reference(joint)
    posterior = np.log(joint / joint.sum(axis=0))
    assert infogan.lower_bound.reference(posterior.T[x], c, prior) == pytest.approx(information, abs=0.01)
    other = np.log(rng.dirichlet(np.ones(3), size=4))
    assert infogan.lower_bound.reference(other[x], c, prior) < information


def test_the_matching_is_the_best_of_all():
    rng = np.random.default_rng(3)
    k, y = rng.integers(5, size=(2, 60))  # five of the ten names occur: 5! matchings
    best = max(np.mean(np.array(names)[k] == y) for names in permutations(range(5)))
    assert infogan.matched_agreement.reference(k, y) == pytest.approx(best)
