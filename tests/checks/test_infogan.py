"""Lab 12: what students answer, and what the check must say to it."""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, rel_entr, softmax
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import mutual_info_score

from nnlabs.checks import expect, infogan

from .harness import Answers, make_tests


def independent(joint):
    return np.outer(joint.sum(1), joint.sum(0))


def conditional_by_columns(joint):
    """H(X|Y) as the mean over the columns of the entropy of each."""
    return sum(p * scipy_entropy(column) for p, column in zip(joint.sum(0), joint.T, strict=True) if p)


def information_by_conditional(joint):
    return scipy_entropy(joint.sum(1)) - conditional_by_columns(joint)


def erasures_by_tables(prior, lost):
    def information(e):
        return information_by_conditional(np.column_stack([(1 - e) * np.diag(prior), e * prior]))

    return np.array([information(e) for e in np.ravel(lost)]).reshape(np.shape(lost))


def erasures_by_symbol(prior, lost):
    arrives = 1 - np.asarray(lost)
    return sum(-p * np.log(p) * arrives for p in prior if p > 0)


def replaced(prior, lost):
    """The channel that puts any symbol, drawn from the prior, in place of a lost one."""
    e = np.ravel(lost)[0]
    return information_by_conditional((1 - e) * np.diag(prior) + e * np.outer(prior, prior)) + 0 * lost


def bound_of(score):
    """Return a student's bound with another score."""
    return lambda log_q, categories, prior: score(log_q, categories).mean() + scipy_entropy(prior)


def bound_by_one_hot(log_q, categories, prior):
    return np.sum(np.eye(len(prior))[categories] * log_q) / len(log_q) - np.sum(prior * np.log(prior))


def slope(logits, c, beta, prior=0.0, chosen=lambda q, logits: np.einsum("ik,ik->i", q, logits)):
    q = softmax(beta * logits, axis=1)
    return float(np.mean(logits[np.arange(len(c)), c] - chosen(q, logits))) + prior


def slope_by_residuals(logits, c, beta):
    return np.sum((np.eye(logits.shape[1])[c] - softmax(beta * logits, axis=1)) * logits) / len(c)


def slope_by_difference(logits, c, beta, h=1e-2):
    def bound(beta):
        return np.mean(log_softmax(beta * logits, axis=1)[np.arange(len(c)), c])

    return (bound(beta + h) - bound(beta - h)) / (2 * h)


def ops():
    from keras import ops

    return ops


def losses(sign=1, surprise=None, g=lambda a: ops().mean(ops().softplus(-a)), real=1.0):
    """Return a student's losses with some parts of their own."""

    def of(of_real, of_fake, logits, c1, weight):
        o = ops()
        a = (surprise or (lambda c1, logits: o.categorical_crossentropy(c1, logits, from_logits=True)))(
            c1, logits
        )
        a = weight * o.mean(a)
        d = o.mean(o.softplus(of_real) - real * of_real) + o.mean(o.softplus(of_fake))
        return d + sign * a, g(of_fake) + a

    return of


def losses_by_keras(of_real, of_fake, logits, c1, weight):
    import keras

    binary = keras.losses.BinaryCrossentropy(from_logits=True)
    q = weight * keras.losses.CategoricalCrossentropy(from_logits=True)(c1, logits)
    one, zero = ops().ones_like(of_real), ops().zeros_like(of_fake)
    return binary(one, of_real) + binary(zero, of_fake) + q, binary(one, of_fake) + q


def losses_in_numpy(of_real, of_fake, logits, c1, weight):
    q = -weight * np.mean(np.sum(c1 * log_softmax(logits, axis=-1), axis=-1))
    d = np.mean(np.logaddexp(0, -of_real)) + np.mean(np.logaddexp(0, of_fake))
    return d + q, np.mean(np.logaddexp(0, -of_fake)) + q


def conditional(table, weight=lambda p: p):
    return sum(
        weight(s.sum()) * information_by_conditional(s / s.sum()) for s in np.moveaxis(table, 2, 0) if s.any()
    )


def conditional_by_entropies(table):
    def h(*axes):
        return scipy_entropy(table.sum(axis=axes).ravel())

    return h(1) + h(0) - h() - h(0, 1)


def classes(q, labels, q_new, smooth=0.0, one_hot=lambda q: q):
    answers = np.zeros((len(q_new), 10))
    for k in range(q.shape[1]):
        votes = np.bincount(labels, weights=one_hot(q)[:, k], minlength=10) + smooth
        answers += np.outer(q_new[:, k], votes / votes.sum() if votes.any() else np.full(10, 0.1))
    return answers


def classes_by_matrix(q, labels, q_new):
    table = (labels[:, None] == np.arange(10)).T.astype(float) @ q  # class, category
    table[:, table.sum(axis=0) == 0] = 1
    return np.einsum("ik,jk->ij", q_new, table / table.sum(axis=0))


def codes(
    z=lambda n, noise, rng: rng.normal(size=(n, noise)),
    c1=lambda a: np.eye(10)[np.argmax(a, axis=1)],
    c23=lambda g: np.clip(g, -1, 1),
    join=lambda *parts: np.hstack(parts),
    dtype="float32",
):
    """Return a student's code_inputs with some parts of their own."""
    return lambda a, g, noise, rng: join(z(len(a), noise, rng), c1(a), c23(g)).astype(dtype)


def codes_in_place(logits, guesses, noise, rng):
    x = np.zeros((len(logits), noise + 12), np.float32)
    x[:, :noise] = rng.standard_normal((len(logits), noise))
    x[np.arange(len(x)), noise + np.argmax(logits, axis=1)] = 1
    x[:, -2:] = np.minimum(np.maximum(guesses, -1), 1)
    return x


ANSWERS = {
    "mutual_information": Answers(
        wrong=[
            (conditional_by_columns, "this is H(X|Y)"),
            (lambda joint: information_by_conditional(joint) / scipy_entropy(joint.sum(1)), "found 0.1924."),
            (lambda joint: rel_entr(joint, independent(joint)), "is there a sum or a mean missing"),
        ],
        right=[information_by_conditional, lambda joint: rel_entr(joint, independent(joint)).sum()],
    ),
    "erasure_information": Answers(
        wrong=[
            (replaced, "expected [0.5148, 0.7722]"),
            (lambda prior, lost: (1 - lost) * np.log(np.sum(prior > 0)), "uniform prior"),
            (lambda prior, lost: [(1 - e) * scipy_entropy(prior) for e in np.ravel(lost)], "found a list"),
        ],
        right=[erasures_by_tables, erasures_by_symbol],
    ),
    "lower_bound": Answers(
        wrong=[
            (bound_of(lambda log_q, c: log_q[:, c]), "takes all of them"),
            (lambda log_q, c, prior: bound_by_one_hot(log_q[:, ::-1], c, prior), "found -0.743."),
        ],
        right=[bound_by_one_hot, bound_of(lambda log_q, c: log_q[range(len(c)), c])],
    ),
    "bound_slope": Answers(
        wrong=[
            (lambda a, c, beta: slope(a, c, beta, chosen=lambda q, a: logsumexp(a, axis=1)), "found "),
            (lambda a, c, beta: slope(a, c, beta, prior=np.log(3)), "found "),
            (slope_by_difference, "found "),
        ],
        right=[slope, slope_by_residuals],
    ),
    "infogan_losses": Answers(
        wrong=[
            (losses(sign=-1), "whose side"),
            (losses(real=0.9), "[0]"),
            (losses(g=lambda a: -ops().mean(a)), "[1]"),
            (
                losses(
                    surprise=lambda c1, a: (
                        -ops().sum(
                            c1 * ops().log(ops().exp(a) / ops().sum(ops().exp(a), 1, keepdims=True)), 1
                        )
                    )
                ),
                "rounded to 0",
            ),
            (losses_in_numpy, "use keras.ops"),
        ],
        right=[losses(), losses_by_keras],
    ),
    "conditional_information": Answers(
        wrong=[
            (lambda table: conditional(table, weight=lambda p: 1), "with its probability"),
            (lambda table: conditional(table, weight=lambda p: p**2), "found "),
            (lambda table: information_by_conditional(table.sum(2)) + 0 * table, "shape"),
        ],
        right=[conditional, conditional_by_entropies],
    ),
    "class_probabilities": Answers(
        wrong=[
            (lambda *given: classes(*given, smooth=1.0), "expected 0.3394"),
            (
                lambda *given: classes(*given, one_hot=lambda q: np.eye(q.shape[1])[q.argmax(1)]),
                "likeliest alone",
            ),
            (lambda q, labels, q_new: q_new @ (q.T @ np.eye(10)[labels][:, ::-1]), "found "),
        ],
        right=[classes, classes_by_matrix],
    ),
    "code_inputs": Answers(
        wrong=[
            (codes(dtype="float64"), "float32"),
            (codes(join=lambda *parts: np.hstack(parts).T), "expected"),
            (codes(c1=lambda a: np.argmax(a, axis=1)[:, None]), "expected"),
            (codes(c23=lambda g: np.where(abs(g) > 1, 0, g)), "expected"),
            (codes(z=lambda n, noise, rng: np.tile(rng.normal(size=noise), (n, 1))), "its own noise"),
            (codes(z=lambda n, noise, rng: 3**0.5 * rng.uniform(-1, 1, (n, noise))), "standard normal"),
            (codes(z=lambda n, noise, rng: rng.normal(size=(n, 1)).repeat(noise, 1)), "for itself"),
            (codes(z=lambda n, noise, rng: np.random.normal(size=(n, noise))), "draw everything from rng"),
            (lambda a, g, noise, rng: codes()(a, g, noise, np.random.default_rng(1)), "a new generator"),
            (lambda a, g, noise, rng: None, "return statement"),
        ],
        right=[codes(), codes_in_place],
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


def test_the_slope_is_that_of_the_bound():
    logits, c, beta = infogan._logits(9, 4, 0.7, seed=5)
    found = infogan.bound_slope.reference(logits, c, beta)
    assert found == pytest.approx(slope_by_difference(logits, c, beta, h=1e-5), rel=1e-6)
    assert expect.same(found, slope_by_residuals(logits, c, beta))
