import numpy as np
import pytest

from nnlabs.checks import transfer_learning
from tests.checks.harness import Answers, make_tests

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers


# ---------------------------------------------------------------- what students answer


def top_by_loop(probabilities, k):
    indices = [sorted(range(len(row)), key=lambda i: -row[i])[:k] for row in probabilities]
    return np.array(indices), np.array([row[i] for row, i in zip(probabilities, indices, strict=True)])


def top_by_end(probabilities, k):
    best = probabilities.argsort(axis=1)[:, -k:][:, ::-1]
    return best, np.array([row[i] for row, i in zip(probabilities, best, strict=True)])


def top_unsorted(probabilities, k):
    best = probabilities.argsort(axis=1)[:, -k:]
    return best, np.take_along_axis(probabilities, best, axis=1)


def top_least(probabilities, k):
    best = probabilities.argsort(axis=1)[:, :k]
    return best, np.take_along_axis(probabilities, best, axis=1)


def top_wrong_axis(probabilities, k):
    best = np.argsort(-probabilities, axis=0)[:k]
    return best, np.take_along_axis(probabilities, best, axis=0)


def top_of_the_reversed(probabilities, k):
    best = np.argsort(probabilities[:, ::-1], axis=1)[:, ::-1][:, :k]
    return best, np.take_along_axis(probabilities[:, ::-1], best, axis=1)


def top_as_floats(probabilities, k):
    best, values = top_by_end(probabilities, k)
    both = np.stack([best, values])
    return both[0], both[1]


def prepared(images):
    return (images.astype("float32") - 127) / 128


def features_called(model, images):
    maps = model(prepared(images))
    return keras.ops.convert_to_numpy(keras.ops.mean(maps, axis=(1, 2)))


def features_by_layer(model, images):
    pooled = keras.Sequential([model, layers.GlobalAveragePooling2D()])
    return pooled.predict(prepared(images), verbose=0)


def features_one_by_one(model, images):
    return np.array([np.asarray(model(prepared(image[None])))[0].mean(axis=(0, 1)) for image in images])


def features_in_place(model, images):
    images -= 0
    images[:] = 127
    return features_called(model, images)


def maps_of(model, images):
    return np.asarray(model(prepared(images)))


def features_in_training(model, images):
    return np.asarray(model(prepared(images), training=True)).mean(axis=(1, 2))


def features_of_uint8(model, images):
    return np.asarray(model(((images - np.uint8(127)) / 128).astype("float32"))).mean(axis=(1, 2))


def sklearn_scaled(train, test):
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def scaled_with_epsilon(train, test):
    mean, std = train.mean(axis=0), train.std(axis=0) + 1e-7
    return (train - mean) / std, (test - mean) / std


def scaled_by_keras(train, test):
    normalise = layers.Normalization()
    normalise.adapt(train)
    return np.asarray(normalise(train)), np.asarray(normalise(test))


def scale(train, test, mean, std):
    return (train - mean) / std, (test - mean) / std


def scaled_together(train, test):
    both = np.concatenate([train, test])
    return scale(train, test, both.mean(axis=0), both.std(axis=0))


def scaled_each(train, test):
    return tuple((x - x.mean(axis=0)) / x.std(axis=0) for x in (train, test))


def wilson_by_roots(correct, n, z=1.96):
    """Solve (p - q)² = z² q (1 - q) / n for q."""
    p = correct / n
    roots = np.roots([1 + z**2 / n, -(2 * p + z**2 / n), p**2])
    return float(roots.real.min()), float(roots.real.max())


def wilson_by_counts(correct, n, z=1.96):
    middle = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * (correct * (n - correct) / n + z**2 / 4) ** 0.5
    return [middle - half, middle + half]


def wald(correct, n, z=1.96):
    p = correct / n
    half = z * np.sqrt(p * (1 - p) / n)
    return p - half, p + half


def wilson_around_p(correct, n, z=1.96):
    low, high = wilson_by_counts(correct, n, z)
    return correct / n - (high - low) / 2, correct / n + (high - low) / 2


def wilson_unsquared(correct, n, z=1.96):
    p = correct / n
    centre, half = p + z / (2 * n), z * np.sqrt(p * (1 - p) / n + z / (4 * n**2))
    return (centre - half) / (1 + z / n), (centre + half) / (1 + z / n)


def few_by_permutation(y, k, rng):
    order = rng.permutation(len(y))
    return np.concatenate([order[y[order] == label][:k] for label in np.unique(y)])


def few_by_loop(y, k, rng):
    taken, counts = [], dict.fromkeys(y.tolist(), 0)
    for i in rng.permutation(len(y)):
        if counts[int(y[i])] < k:
            taken.append(i)
            counts[int(y[i])] += 1
    return np.array(taken)


def few_of(choose):
    return lambda y, k, rng: np.concatenate([choose(np.flatnonzero(y == c), k, rng) for c in np.unique(y)])


def few_of_labels_below_5(y, k, rng):
    return np.concatenate([rng.permutation(np.flatnonzero(y == label))[:k] for label in range(5)])


def augmenting(*parts):
    return lambda: keras.Sequential(list(parts))


def flip_turn_zoom(flip="horizontal", turn=0.05, zoom=0.15, **options):
    def build():
        return keras.Sequential(
            [
                layers.RandomFlip(flip),
                layers.RandomRotation(turn, **{"fill_mode": "nearest", **options}),
                layers.RandomZoom(zoom, **{"fill_mode": "nearest", **options}),
            ]
        )

    return build


def augmentation_white():
    options = {"fill_mode": "constant", "fill_value": 255.0}
    return keras.Sequential(
        [
            layers.RandomZoom((-0.15, 0.15), **options),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation((-0.05, 0.05), **options),
        ]
    )


def augmentation_functional():
    x = inputs = keras.Input((None, None, 3))
    x = layers.RandomRotation(0.04, fill_mode="nearest")(x)
    x = layers.RandomZoom(0.15, fill_mode="nearest")(x)
    return keras.Model(inputs, layers.RandomFlip("horizontal")(x))


def tune(choose):
    """Return an answer that sets layer.trainable = choose(layer, prefixes)."""

    def fine_tunable(model, prefixes):
        model.trainable = True
        for layer in model.layers:
            layer.trainable = choose(layer, prefixes)
        return model

    return fine_tunable


def is_bn(layer):
    return isinstance(layer, layers.BatchNormalization)


def tune_step_by_step(model, prefixes):
    model.trainable = True
    for layer in model.layers:
        layer.trainable = False
        for prefix in prefixes:
            if layer.name.startswith(prefix) and "BatchNorm" not in type(layer).__name__:
                layer.trainable = True
    return model


def tune_without_return(model, prefixes):
    tune_step_by_step(model, prefixes)


def tune_frozen_model(model, prefixes):
    model.trainable = False
    for layer in model.layers:
        if layer.name.startswith(prefixes) and not is_bn(layer):
            layer.trainable = True
    return model


def tune_if_it_was_trainable(model, prefixes):
    for layer in model.layers:
        if is_bn(layer) or not layer.name.startswith(prefixes):
            layer.trainable = False
    return model


def cam(combine=None, score=None, finish=None):
    """Return an answer: combine(maps, gradient) makes the heat map, finish scales it."""
    combine = combine or (lambda maps, gradient: maps @ gradient.mean(axis=(0, 1)))
    score = score or (lambda scores, c: scores[0, c])
    finish = finish or (lambda heat: np.maximum(0, heat) / max(np.maximum(0, heat).max(), 1e-9))

    def grad_cam(model, image, c):
        with tf.GradientTape() as tape:
            maps, scores = model(image[None])
            target = score(scores, c)
        gradient = tape.gradient(target, maps)
        return finish(combine(maps[0].numpy(), gradient[0].numpy()))

    return grad_cam


def cam_by_loop(model, image, c):
    x = tf.Variable(image[None])
    with tf.GradientTape() as tape:
        maps, scores = model(x)
        target = scores[:, c]
    gradient = tape.gradient(target, maps)[0]
    heat = np.zeros(maps.shape[1:3], "float32")
    for k in range(maps.shape[-1]):
        heat += float(tf.reduce_mean(gradient[..., k])) * maps[0, ..., k].numpy()
    heat[heat < 0] = 0
    return heat / heat.max() if heat.any() else heat


def cam_by_ops(model, image, c):
    ops = keras.ops
    x = ops.convert_to_tensor(image[None])
    with tf.GradientTape() as tape:
        tape.watch(x)
        maps, scores = model(x, training=False)
        target = ops.sum(scores[:, c])
    alpha = ops.mean(tape.gradient(target, maps), axis=(1, 2))
    heat = ops.relu(ops.einsum("nhwk,nk->hw", maps, alpha))
    return ops.convert_to_numpy(heat / ops.maximum(ops.max(heat), 1e-12))


def stretched(heat):
    heat = np.maximum(0, heat)
    return (heat - heat.min()) / max(np.ptp(heat), 1e-9)


def over_maximum_and_epsilon(heat):
    heat = np.maximum(0, heat)
    return heat / (heat.max() + keras.backend.epsilon())


def divided(heat):
    heat = np.maximum(0, heat)
    return heat / heat.max()


# ---------------------------------------------------------------- the table


ANSWERS = {
    "top_k": Answers(
        wrong=[
            (top_least, "least probable"),
            (top_unsorted, "should come first"),
            (top_wrong_axis, "along axis 1"),
            (lambda p, k: top_by_end(p, k)[::-1], "first the indices"),
            (lambda p, k: (top_by_end(p, k)[0], p[:, :k]), "first k classes"),
            (lambda p, k: top_by_end(p, p.shape[1]), "where is k"),
            (top_of_the_reversed, "counted from the last class"),
            (top_as_floats, "cannot index a list"),
            (lambda p, k: top_by_end(p, k)[0], "how many things"),
            (lambda p, k: None, "return statement"),
        ],
        right=[top_by_loop, top_by_end],
    ),
    "features": Answers(
        wrong=[
            (lambda m, x: np.asarray(m(x.astype("float32"))).mean(axis=(1, 2)), "as they are"),
            (lambda m, x: np.asarray(m(x.astype("float32") / 255)).mean(axis=(1, 2)), "divides by 255"),
            (lambda m, x: np.asarray(m(prepared(prepared(x)))).mean(axis=(1, 2)), "prepared twice"),
            (features_of_uint8, "negative numbers"),
            (lambda m, x: maps_of(m, x).max(axis=(1, 2)), "this is the maximum"),
            (lambda m, x: maps_of(m, x).sum(axis=(1, 2)), "this is the sum"),
            (lambda m, x: maps_of(m, x).reshape(len(x), -1), "all numbers of the maps"),
            (maps_of, "these are the feature maps"),
            (lambda m, x: maps_of(m, x).mean(axis=-1), "over the channels"),
            (lambda m, x: maps_of(m, x).mean(axis=1), "over the rows only"),
            (lambda m, x: maps_of(m, x).mean(axis=(0, 1, 2)), "each image has its own"),
            (features_in_training, "training mode"),
            (lambda m, x: m(prepared(x)), "expected a NumPy array"),
            (lambda m, x: None, "return statement"),
        ],
        right=[features_called, features_by_layer, features_one_by_one],
    ),
    "standardise": Answers(
        wrong=[
            (scaled_each, "by their own mean"),
            (scaled_together, "training and test data together"),
            (lambda a, b: scale(a, b, b.mean(axis=0), b.std(axis=0)), "those of the test data"),
            (lambda a, b: scale(a, b, a.mean(), a.std()), "each column has its own"),
            (lambda a, b: scale(a, b, a.mean(axis=0), 1), "where is the division"),
            (lambda a, b: scale(a, b, 0, a.std(axis=0)), "mean is not subtracted"),
            (lambda a, b: scale(a, b, a.mean(axis=0), a.var(axis=0)), "by the variance"),
            (lambda a, b: scale(a, b, a.mean(axis=0), a.std(axis=0, ddof=1)), "not by n - 1"),
            (lambda a, b: (scaled_each(a, b)[0], b), "returned as they were"),
            (lambda a, b: sklearn_scaled(a, b)[::-1], "first the training"),
            (lambda a, b: scale(a, b, a.mean(axis=0), a.std(axis=0)), "deviation is 0"),
            (lambda a, b: scale(a, b, a.mean(axis=0), np.where(a.any(axis=0), a.std(axis=0), 1)), "is 3 for"),
            (lambda a, b: sklearn_scaled(a, b)[0], "how many things"),
        ],
        right=[sklearn_scaled, scaled_with_epsilon, scaled_by_keras],
    ),
    "wilson": Answers(
        wrong=[
            (wald, "no width at all"),
            (
                lambda k, n, z=1.96: tuple((1 + z**2 / n) * end for end in wilson_by_counts(k, n, z)),
                "division by 1 + z²/n",
            ),
            (
                lambda k, n, z=1.96: (
                    np.mean(wilson_by_counts(k, n, z)),
                    np.ptp(wilson_by_counts(k, n, z)) / 2,
                ),
                "return the two ends",
            ),
            (wilson_around_p, "not centred at p"),
            (lambda k, n, z=1.96: wilson_by_counts(k, n, z)[::-1], "first the lower end"),
            (wilson_unsquared, "squared in three places"),
            (lambda k, n, z=1.96: wilson_by_counts(n - k, n, z), "correct counts right answers"),
            (lambda k, n, z=1.96: wilson_by_counts(k, n, 1.96), "not always 1.96"),
            (lambda k, n, z=1.96: k / n, "how many things"),
        ],
        right=[wilson_by_counts, wilson_by_roots],
    ),
    "few_per_class": Answers(
        wrong=[
            (lambda y, k, rng: rng.permutation(len(y))[:k], "k examples in all"),
            (lambda y, k, rng: rng.permutation(len(y))[: 4 * k], "each class by itself"),
            (few_of(lambda members, k, rng: members[:k]), "not the first ones"),
            (few_of(lambda members, k, rng: rng.choice(members, k)), "without replacement"),
            (few_of(lambda members, k, rng: np.random.permutation(members)[:k]), "not from np.random"),
            (few_of(lambda members, k, rng: rng.choice(members, k, replace=False)), "ValueError"),
            (lambda y, k, rng: y[few_by_permutation(y, k, rng)], "these are labels"),
            (lambda y, k, rng: [few_by_permutation(y, k, rng)], "one list of integers"),
            (few_of(lambda members, k, rng: members[: k + 1][-k:]), "not the first ones"),
            (few_of_labels_below_5, "which ones are there"),
            (lambda y, k, rng: np.array([], int), "some indices are not"),
            (lambda y, k, rng: None, "return statement"),
        ],
        right=[few_by_permutation, few_by_loop],
    ),
    "augmentation": Answers(
        wrong=[
            (flip_turn_zoom(flip="horizontal_and_vertical"), "upside down"),
            (flip_turn_zoom(turn=0.5), "upside down"),
            (flip_turn_zoom(turn=18), "ValueError"),
            (flip_turn_zoom(fill_mode="constant"), "fill_mode"),
            (flip_turn_zoom(fill_mode="constant", fill_value=0.0), "fill_mode"),
            (
                augmenting(
                    layers.RandomFlip("horizontal"),
                    layers.RandomRotation(0.05, fill_mode="wrap"),
                    layers.RandomZoom(0.15, fill_mode="constant"),
                ),
                "fill_mode",
            ),
            (
                augmenting(
                    layers.RandomRotation(0.05, fill_mode="nearest"),
                    layers.RandomZoom(0.15, fill_mode="nearest"),
                ),
                "exchanged left to right",
            ),
            (
                augmenting(layers.RandomFlip("horizontal"), layers.RandomRotation(0.05, fill_mode="nearest")),
                "nothing zooms",
            ),
            (
                augmenting(layers.RandomFlip("horizontal"), layers.RandomZoom(0.15, fill_mode="nearest")),
                "for turning",
            ),
            (flip_turn_zoom(turn=0.018), "is its factor large enough"),
            (flip_turn_zoom(zoom=(-0.15, 0.0)), "zoom in and out"),
            (flip_turn_zoom(zoom=(0.0, 0.15)), "zoom in and out"),
            (flip_turn_zoom(zoom=0.6), "15 % is enough"),
            (
                augmenting(layers.RandomFlip("horizontal"), layers.Rescaling(1 / 255)),
                "outside of training",
            ),
            (
                augmenting(layers.RandomFlip("horizontal"), layers.RandomCrop(30, 30)),
                "has the size of the image",
            ),
            (augmenting(layers.Identity()), "nothing changes"),
            (augmenting(), "ValueError"),
            (lambda: [layers.RandomFlip("horizontal")], "one layer of a list"),
            (lambda: None, "return statement"),
        ],
        right=[flip_turn_zoom(), augmentation_white, augmentation_functional],
    ),
    "fine_tunable": Answers(
        wrong=[
            (lambda model, prefixes: model, "all layers still train"),
            (tune(lambda layer, prefixes: False), "no layer trains"),
            (
                tune(lambda layer, prefixes: not layer.name.startswith(prefixes)),
                "are frozen, and the others train",
            ),
            (
                tune(lambda layer, prefixes: layer.name.startswith(prefixes)),
                "cannot replace their statistics",
            ),
            (
                tune(lambda layer, prefixes: layer.name.startswith(prefixes[0]) and not is_bn(layer)),
                "str.startswith takes a tuple",
            ),
            (tune(lambda layer, prefixes: not is_bn(layer)), "only the BatchNormalization layers"),
            (
                tune(lambda layer, prefixes: layer.name.startswith((*prefixes, "stem")) and not is_bn(layer)),
                "whose name begins differently",
            ),
            (tune_frozen_model, "whatever its layers say"),
            (tune_if_it_was_trainable, "set model.trainable = True first"),
            (tune_without_return, "return statement"),
            (lambda model, prefixes: model.layers, "should return the model"),
        ],
        right=[
            tune(lambda layer, prefixes: layer.name.startswith(prefixes) and not is_bn(layer)),
            tune(lambda layer, prefixes: layer.name.startswith(prefixes) and not layer.name.endswith("_bn")),
            tune_step_by_step,
        ],
    ),
    "grad_cam": Answers(
        wrong=[
            (cam(finish=lambda heat: heat / heat.max()), "where is the ReLU"),
            (cam(finish=lambda heat: np.maximum(0, heat)), "divide by the maximum"),
            (cam(finish=lambda heat: heat), "neither ReLU nor"),
            (cam(finish=lambda heat: np.abs(heat) / np.abs(heat).max()), "absolute value"),
            (cam(combine=lambda maps, gradient: (maps * gradient).sum(axis=-1)), "place by place"),
            (
                cam(combine=lambda maps, gradient: maps @ np.maximum(0, gradient.mean(axis=(0, 1)))),
                "not on the weights",
            ),
            (cam(combine=lambda maps, gradient: maps.mean(axis=-1)), "where are the weights"),
            (cam(combine=lambda maps, gradient: gradient.mean(axis=-1)), "where are the maps"),
            (cam(score=lambda scores, c: tf.nn.softmax(scores)[0, c]), "before the softmax"),
            (cam(score=lambda scores, c: tf.reduce_max(scores)), "the largest score"),
            (cam(score=lambda scores, c: scores), "all scores together"),
            (cam(finish=divided), "nothing to divide by"),
            (cam(finish=stretched), "need not become 0"),
            (cam(finish=lambda heat: divided(heat).T), "changed places"),
            (cam(finish=lambda heat: divided(heat)[None]), "the batch"),
            (cam(finish=lambda heat: tf.constant(divided(heat))), "expected a NumPy array"),
        ],
        right=[cam(), cam(finish=over_maximum_and_epsilon), cam_by_loop, cam_by_ops],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(transfer_learning, ANSWERS)


def test_the_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    for correct, n in [(63, 65), (44, 65), (0, 5), (5, 5)]:
        theirs = binomtest(correct, n).proportion_ci(0.95, method="wilson")
        ours = transfer_learning.wilson.reference(correct, n, 1.959963984540054)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_scaling_is_that_of_scikit_learn():
    train, test = np.random.default_rng(1).normal(size=(2, 7, 5))
    np.testing.assert_allclose(
        transfer_learning.standardise.reference(train, test), sklearn_scaled(train, test), atol=1e-12
    )


def test_grad_cam_of_a_linear_head_is_its_weights_times_the_maps():
    model = transfer_learning._classifier(rectified=True)
    image = transfer_learning._IMAGE
    maps = np.asarray(model(image[None])[0])[0]
    weights = np.asarray(model.layers[-1].kernel)
    for c in (1, 2):
        heat = np.maximum(0, maps @ weights[:, c])
        np.testing.assert_allclose(
            transfer_learning.grad_cam.reference(model, image, c), heat / heat.max(), atol=1e-5
        )


def test_features_of_the_network_that_ships_are_those_of_its_pool():
    from nnlabs import pretrained

    photos = np.random.default_rng(1).integers(0, 256, size=(2, 64, 64, 3), dtype=np.uint8)
    whole = pretrained.efficientnet_lite0(input_shape=(64, 64, 3))
    trunk = pretrained.efficientnet_lite0(include_top=False, input_shape=(64, 64, 3))
    pool = keras.Model(whole.input, whole.get_layer("pool").output)
    theirs = pool.predict(pretrained.preprocess(photos), verbose=0)
    np.testing.assert_allclose(transfer_learning.features.reference(trunk, photos), theirs, atol=1e-4)
