"""Wrong and right answers to the exercises of lab 07."""

import numpy as np
import pytest

from nnlabs.checks import transfer_learning
from tests.checks.harness import Answers, make_tests

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers


def top_by_loop(probabilities, k):
    indices = [sorted(range(len(row)), key=lambda i: -row[i])[:k] for row in probabilities]
    return np.array(indices), np.array([row[i] for row, i in zip(probabilities, indices, strict=True)])


def top_by_end(probabilities, k):
    best = probabilities.argsort(axis=1)[:, -k:][:, ::-1]
    return best, np.array([row[i] for row, i in zip(probabilities, best, strict=True)])


def top_by_index(probabilities, k):
    values = np.sort(probabilities, axis=1)[:, ::-1][:, :k]
    rows = zip(probabilities.tolist(), values, strict=True)
    return np.array([[row.index(value) for value in best] for row, best in rows]), values


def top_by_zeros(probabilities, k):
    """Set each maximum to 0, which is too large for negative numbers."""
    rest, indices = probabilities.copy(), []
    for _ in range(k):
        indices.append(rest.argmax(axis=1))
        rest[np.arange(len(rest)), indices[-1]] = 0
    indices = np.transpose(indices)
    return indices, np.take_along_axis(probabilities, indices, axis=1)


def means_by_loop(train, y, test):
    means = {c: train[y == c].mean(axis=0) for c in set(y.tolist())}
    return np.array([min(means, key=lambda c: np.linalg.norm(row - means[c])) for row in test])


def without(factor, single=np.inf):
    """Return an answer that multiplies by factor(n), and puts single where a class has one photo."""

    def left_out(d, y):
        result = d.astype(float)
        for i, c in enumerate(y):
            n = int((y == c).sum())
            result[i, c] = d[i, c] * factor(n) if n > 1 else single
        return result

    return left_out


def left_out_in_place(d, y):
    d[np.arange(len(y)), y] *= 4
    return d


def folds(choose, gather=np.array):
    """Return an answer, where choose(f, y, train, k) → features."""

    def cross_validated(f, y, fold, k):
        answers = np.empty(len(y), dtype=int)
        for i in sorted(set(fold.tolist())):
            train, test = np.flatnonzero(fold != i), np.flatnonzero(fold == i)
            best = choose(f, y, train, k)
            z = ((f - f[train].mean(axis=0)) / (f[train].std(axis=0) + 1e-9))[:, best]
            answers[test] = means_by_loop(z[train], y[train], z[test])
        return gather(answers)

    return cross_validated


def best_of_training(f, y, train, k):
    return transfer_learning.spread(f[train], y[train]).argsort()[::-1][:k]


def solved_head(W, b, mean, deviation):
    """Find V and c from the scores of the unit vectors and of 0."""
    scale = np.where(deviation == 0, 1, deviation)

    def scores(f):
        return (f - mean) / scale @ W + b

    c = scores(np.zeros(len(mean)))
    return scores(np.eye(len(mean))) - c, c


def head_of_epsilon(W, b, mean, deviation):
    V = W / (deviation[:, None] + 1e-3)
    return V, b - mean @ V


def mixup_by_loop(x, y, partner, weight, classes):
    photos, labels = np.zeros(x.shape), np.zeros((len(y), classes))
    for i, (j, w) in enumerate(zip(partner, weight, strict=True)):
        photos[i] = w * x[i] + (1 - w) * x[j]
        labels[i, y[i]] += w
        labels[i, y[j]] += 1 - w
    return photos, labels


def mixup_of_integers(x, y, partner, weight, classes):
    photos, labels = mixup_by_loop(x, y, partner, weight, classes)
    return photos.astype(x.dtype), labels


def mixup_assigned(x, y, partner, weight, classes):
    """Lose a share where a photo has a partner of its own class."""
    photos, labels = mixup_by_loop(x, y, partner, weight, classes)
    labels = np.zeros_like(labels)
    labels[np.arange(len(y)), y] = weight
    labels[np.arange(len(y)), y[partner]] = 1 - weight
    return photos, labels


def is_right(layer, prefixes):
    return layer.name.startswith(prefixes) and not isinstance(layer, layers.BatchNormalization)


def tune(model, prefixes):
    model.trainable = True
    for layer in model.layers:
        layer.trainable = is_right(layer, prefixes)
    return model


def tune_only_freezing(model, prefixes):
    model.trainable = True
    for layer in model.layers:
        if not is_right(layer, prefixes):
            layer.trainable = False
    return model


def tune_at_last(model, prefixes):
    for layer in model.layers:
        layer.trainable = is_right(layer, prefixes)
    model.trainable = True
    return model


def tune_a_view(model, prefixes):
    tune(model, prefixes)
    return keras.Model(model.inputs, model.outputs)


def over_maximum(heat):
    heat = np.maximum(0, heat)
    return np.array([one / (one.max() or 1) for one in heat])


def over_maximum_and_epsilon(heat):
    heat = np.maximum(0, heat)
    return heat / (heat.max(axis=(1, 2), keepdims=True) + keras.backend.epsilon())


def hires(finish=over_maximum, combine=tf.multiply):
    """Return an answer that combines maps and gradient, and scales the sums by ``finish``."""

    def hires_cam(model, images, classes):
        with tf.GradientTape() as tape:
            maps, scores = model(images)
            total = tf.reduce_sum(tf.gather(scores, classes, batch_dims=1))
        return finish(combine(maps, tape.gradient(total, maps)).numpy().sum(axis=-1))

    return hires_cam


def hires_after_the_block(model, images, classes):
    with tf.GradientTape() as tape:
        maps, scores = model(images)
    return tape.gradient(scores[0, classes[0]], maps).numpy()


ANSWERS = {
    "top_k": Answers(
        wrong=[
            (lambda p, k: [1.0 * part for part in top_by_end(p, k)], "cannot index a list"),
            (top_by_index, "only the first of equal numbers"),
            (top_by_zeros, "of equal numbers"),
            (lambda p, k: top_by_end(p, k - 1), "what should axis 1 count?"),
            (lambda p, k: (top_by_end(p, k)[0], top_by_end(p, k)[1].round(2)), "found 0.5."),
        ],
        right=[top_by_loop, top_by_end],
    ),
    "nearest_mean": Answers(
        wrong=[
            (lambda train, y, test: means_by_loop(train, y, test).tolist(), "expected an array"),
            (lambda train, y, test: means_by_loop(test, y, test), "IndexError"),
        ],
        right=[means_by_loop, lambda *case: means_by_loop(*case).astype("float32")],
    ),
    "left_out": Answers(
        wrong=[
            (left_out_in_place, "changes its argument"),
            (without(lambda n: (n / (n - 1)) ** 2, single=np.nan), "not finite"),
            (without(lambda n: (1 + 1 / n) ** 2), "expected 9"),
        ],
        right=[
            without(lambda n: (n / (n - 1)) ** 2),
            lambda d, y: without(lambda n: (1 + 1 / (n - 1)) ** 2)(d, y).astype("float32"),
        ],
    ),
    "cross_validated": Answers(
        wrong=[
            (folds(lambda f, y, train, k: np.arange(k)), "at index"),
            (folds(best_of_training, gather=list), "expected an array"),
        ],
        right=[folds(best_of_training), folds(best_of_training, gather=np.float32)],
    ),
    "plain_head": Answers(
        wrong=[
            (head_of_epsilon, "found [[0.9995"),
            (lambda W, b, mean, deviation: solved_head(W, b, mean, deviation)[0], "a tuple is wanted"),
            (lambda W, b, mean, deviation: solved_head(W, b, mean, np.sqrt(deviation)), "expected"),
        ],
        right=[solved_head, lambda *case: [part.astype("float32") for part in solved_head(*case)]],
    ),
    "mixup": Answers(
        wrong=[
            (mixup_of_integers, "made of integers"),
            (mixup_assigned, "found"),
        ],
        right=[mixup_by_loop, lambda *case: [part.astype("float32") for part in mixup_by_loop(*case)]],
    ),
    "fine_tunable": Answers(
        wrong=[
            (tune_at_last, "here it comes last"),
            (tune_only_freezing, "set every layer yourself"),
            (lambda model, p: tune(keras.models.clone_model(model), p), "a clone starts at random"),
            (lambda model, prefixes: None, "return statement"),
        ],
        right=[tune, tune_a_view],
    ),
    "hires_cam": Answers(
        wrong=[
            (hires_after_the_block, "is all computed inside the tape"),
            (hires(lambda heat: tf.constant(over_maximum(heat))), "expected a NumPy array"),
            (hires(combine=lambda maps, gradient: maps * tf.nn.relu(gradient)), "at index"),
            (hires(lambda heat: over_maximum(heat) * 255), "255 times"),
        ],
        right=[hires(), hires(over_maximum_and_epsilon)],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(transfer_learning, ANSWERS)


def test_left_out_distances_are_those_to_the_means_without_the_photo():
    rng = np.random.default_rng(1)
    f, y = rng.normal(size=(12, 5)), np.array([0, 1, 2] * 4)
    means = np.array([f[y == c].mean(axis=0) for c in range(3)])
    found = transfer_learning.left_out.reference(((f[:, None] - means) ** 2).sum(axis=-1), y)
    for i in range(12):
        others = np.arange(12) != i
        own = f[others][y[others] == y[i]].mean(axis=0)
        np.testing.assert_allclose(found[i, y[i]], ((f[i] - own) ** 2).sum())


def test_hires_cam_of_a_linear_head_is_grad_cam():
    model, images = transfer_learning._classifier(linear=True), transfer_learning._IMAGES
    maps, weights = np.asarray(model(images)[0]), np.asarray(model.layers[-1].kernel)
    for c in (1, 2):
        heat = over_maximum(maps @ weights[:, c])
        np.testing.assert_allclose(
            transfer_learning.hires_cam.reference(model, images, [c] * 3), heat, atol=1e-5
        )
