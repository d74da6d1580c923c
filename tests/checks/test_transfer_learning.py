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


def prepared(images):
    return (images.astype("float32") - 127) / 128


def features_called(model, images):
    maps = model(prepared(images))
    return keras.ops.convert_to_numpy(keras.ops.mean(maps, axis=(1, 2)))


def features_by_layer(model, images):
    pooled = keras.Sequential([model, layers.GlobalAveragePooling2D()])
    return pooled.predict(prepared(images), verbose=0)


def features_in_place(model, images):
    images = np.asarray(images, dtype="float32")
    images -= 127
    return np.asarray(model(images / 128)).mean(axis=(1, 2))


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


def wilson_by_roots(correct, n, z=1.96):
    """Solve (p - q)² = z² q (1 - q) / n for q."""
    p = correct / n
    roots = np.roots([1 + z**2 / n, -(2 * p + z**2 / n), p**2])
    return float(roots.real.min()), float(roots.real.max())


def wilson_by_counts(correct, n, z=1.96):
    middle = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * (correct * (n - correct) / n + z**2 / 4) ** 0.5
    return [middle - half, middle + half]


def few_by_permutation(y, k, rng):
    order = rng.permutation(len(y))
    return np.concatenate([order[y[order] == label][:k] for label in np.unique(y)])


def few_by_loop(y, k, rng):
    taken, counts = [], dict.fromkeys(y.tolist(), 0)
    for i in rng.permutation(len(y)):
        if counts[int(y[i])] < k:
            taken.append(i)
            counts[int(y[i])] += 1
    return taken


def few_of(choose, labels=np.unique):
    return lambda y, k, rng: np.concatenate([choose(np.flatnonzero(y == c), k, rng) for c in labels(y)])


FLIP = layers.RandomFlip("horizontal")


def augmenting(*parts):
    return lambda: keras.Sequential(list(parts))


def turn(factor=0.05, mode="nearest", **options):
    return layers.RandomRotation(factor, fill_mode=mode, **options)


def zoom(*factors, mode="nearest", **options):
    return layers.RandomZoom(*(factors or (0.15,)), fill_mode=mode, **options)


def augmentation_functional():
    x = inputs = keras.Input((None, None, 3))
    return keras.Model(inputs, FLIP(zoom()(turn(0.04)(x))))


def tune(choose, prepare=lambda model: setattr(model, "trainable", True)):
    """Return an answer that sets layer.trainable = choose(layer, prefixes)."""

    def fine_tunable(model, prefixes):
        prepare(model)
        for layer in model.layers:
            layer.trainable = choose(layer, prefixes)
        return model

    return fine_tunable


def is_right(layer, prefixes):
    return layer.name.startswith(prefixes) and not isinstance(layer, layers.BatchNormalization)


def tune_step_by_step(model, prefixes):
    model.trainable = True
    for layer in model.layers:
        layer.trainable = False
        for prefix in prefixes:
            if layer.name.startswith(prefix) and "BatchNorm" not in type(layer).__name__:
                layer.trainable = True
    return model


def tune_only_freezing(model, prefixes):
    model.trainable = True
    for layer in model.layers:
        if not is_right(layer, prefixes):
            layer.trainable = False
    return model


def tune_a_view(model, prefixes):
    tuned = tune(is_right)(model, prefixes)
    return keras.Model(tuned.inputs, tuned.outputs)


def cam(finish=lambda heat: np.maximum(0, heat) / max(np.maximum(0, heat).max(), 1e-9)):
    """Return an answer that scales the heat map by ``finish``."""

    def grad_cam(model, image, c):
        with tf.GradientTape() as tape:
            maps, scores = model(image[None])
            target = scores[0, c]
        alpha = tape.gradient(target, maps)[0].numpy().mean(axis=(0, 1))
        return finish(maps[0].numpy() @ alpha)

    return grad_cam


def cam_after_the_block(model, image, c):
    with tf.GradientTape() as tape:
        maps, scores = model(image[None])
    return tape.gradient(scores[0, c], maps).numpy()


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


ANSWERS = {
    "top_k": Answers(
        wrong=[
            (lambda p, k: [1.0 * part for part in top_by_end(p, k)], "cannot index a list"),
            (top_by_index, "only the first of equal numbers"),
            (top_by_zeros, "of equal numbers"),
            (lambda p, k: top_by_end(p, k - 1), "what should axis 1 count?"),
            (lambda p, k: (top_by_end(p, k)[0], top_by_end(p, k)[1].round(2)), "found 0.5."),
            (lambda p, k: top_by_end(p, k)[0], "this is one array"),
        ],
        right=[top_by_loop, top_by_end],
    ),
    "features": Answers(
        wrong=[
            (features_in_place, "changes its argument"),
            (lambda m, x: features_called(m, x)[1:], "what should axis 0 count?"),
            (lambda m, x: m(prepared(x)), "expected a NumPy array"),
            (lambda m, x: features_called(m, x).tolist(), "np.array one of a list"),
        ],
        right=[features_called, features_by_layer],
    ),
    "standardise": Answers(
        wrong=[
            (lambda a, b: scale(a, b, a.mean(axis=0), np.where(a.any(axis=0), a.std(axis=0), 1)), "is 3 in"),
            (
                lambda a, b: map(np.nan_to_num, scale(a, b, a.mean(axis=0), a.std(axis=0))),
                "expected 2 values",
            ),
            (lambda a, b: [np.nan_to_num(x) for x in scale(a, b, a.mean(axis=0), a.std(axis=0))], "1.8e+308"),
            (lambda a, b: sklearn_scaled(a, b)[0], "a tuple is wanted"),
        ],
        right=[sklearn_scaled, scaled_with_epsilon, scaled_by_keras],
    ),
    "wilson": Answers(
        wrong=[
            (lambda k, n, z=1.96: k / n, "expected 2 values"),
            (lambda k, n, z=1.96: tuple(round(end, 2) for end in wilson_by_counts(k, n, z)), "0.29."),
            (lambda k, n, z=1.96: tuple(100 * end for end in wilson_by_counts(k, n, z)), "100 times"),
        ],
        right=[wilson_by_counts, wilson_by_roots, lambda *case: np.array(wilson_by_counts(*case))],
    ),
    "few_per_class": Answers(
        wrong=[
            (lambda y, k, rng: rng.permutation(len(y))[:k], "k examples in all"),
            (lambda y, k, rng: rng.permutation(len(y))[: 4 * k], "each class by itself"),
            (few_of(lambda members, k, rng: members[:k]), "random members of each class"),
            (few_of(lambda members, k, rng: members[: k + 1][-k:]), "use the rng that is given"),
            (few_of(lambda members, k, rng: rng.choice(members, k)), "without replacement"),
            (few_of(lambda members, k, rng: np.random.permutation(members)[:k]), "draw everything from rng"),
            (lambda y, k, rng: few_by_permutation(y, k, np.random.default_rng(1)), "the rng that is given"),
            (few_of(lambda members, k, rng: rng.choice(members, k, replace=False)), "ValueError"),
            (few_of(lambda members, k, rng: rng.permutation(len(members))[:k]), "example twice"),
            (
                few_of(lambda members, k, rng: rng.permutation(members)[: min(k, 4)]),
                "comes 4 times, expected 6",
            ),
            (few_of(lambda members, k, rng: rng.permutation(members)[:k], lambda y: range(5)), "which ones"),
            (few_of(lambda m, k, rng: rng.permutation(m)[:k], lambda y: range(max(y) + 1)), "which ones"),
            (lambda y, k, rng: y[few_by_permutation(y, k, rng)], "are these labels?"),
            (lambda y, k, rng: [few_by_permutation(y, k, rng)], "one list of integers"),
            (lambda y, k, rng: rng.shuffle(y) or few_by_permutation(y, k, rng), "changes its argument"),
            (lambda y, k, rng: None, "return statement"),
        ],
        right=[few_by_permutation, few_by_loop],
    ),
    "augmentation": Answers(
        wrong=[
            (augmenting(layers.RandomFlip(), turn(), zoom()), "upside down"),
            (augmenting(FLIP, turn(0.5), zoom()), "upside down"),
            (lambda: augmenting(FLIP, turn(18), zoom())(), "ValueError"),
            (augmenting(FLIP, turn(mode="constant"), zoom()), "fill_mode"),
            (augmenting(FLIP, turn(), zoom(mode="constant", fill_value=0.0)), "fill_mode"),
            (augmenting(FLIP, turn(mode="wrap"), zoom(mode="wrap")), "lower edge also comes in"),
            (augmenting(FLIP, turn(), zoom(), layers.RandomBrightness(0.2)), "change brightness"),
            (augmenting(turn(), zoom()), "exchanged left to right"),
            (augmenting(FLIP, turn()), "nothing zooms"),
            (augmenting(FLIP, zoom()), "for turning"),
            (augmenting(FLIP, turn(0.018), zoom()), "is its factor large enough"),
            (augmenting(FLIP, turn((0, 0.05)), zoom()), "to either side"),
            (augmenting(FLIP, turn(), zoom((-0.15, 0.0))), "zoom in and out"),
            (augmenting(FLIP, turn(), zoom((0.0, 0.15))), "zoom in and out"),
            (augmenting(FLIP, turn(), zoom(0.6)), "15 % is enough"),
            (augmenting(FLIP, turn(), zoom(0.15, 0.0)), "by the same factor"),
            (augmenting(FLIP, turn(), zoom((-0.15, 0.15), (-0.3, 0.3))), "by the same factor"),
            (augmenting(FLIP, layers.Rescaling(1 / 255)), "outside of training"),
            (augmenting(FLIP, layers.RandomCrop(30, 30)), "has the size of the image"),
            (augmenting(layers.Identity()), "nothing changes"),
            (augmenting(), "ValueError"),
            (lambda: [FLIP], "one layer of a list"),
            (lambda: None, "return statement"),
        ],
        right=[
            augmenting(FLIP, turn(), zoom()),
            augmenting(zoom(mode="constant", fill_value=255.0), FLIP, turn(mode="reflect")),
            augmentation_functional,
        ],
    ),
    "fine_tunable": Answers(
        wrong=[
            (lambda model, prefixes: model, "all layers still train"),
            (
                tune(lambda layer, prefixes: is_right(layer, (*prefixes, "stem"))),
                "found 'stem_conv, block_15",
            ),
            (tune(is_right, lambda model: setattr(model, "trainable", False)), "whatever its layers say"),
            (tune(is_right, lambda model: None), "frozen as a whole"),
            (tune_only_freezing, "set every layer yourself"),
            (
                lambda m, prefixes: tune(is_right)(keras.models.clone_model(m), prefixes),
                "a clone starts at random",
            ),
            (lambda model, prefixes: tune_step_by_step(model, prefixes) and None, "return statement"),
            (lambda model, prefixes: model.layers, "should return the model"),
        ],
        right=[tune(is_right), tune_step_by_step, tune_a_view],
    ),
    "grad_cam": Answers(
        wrong=[
            (cam_after_the_block, "is all computed inside the tape"),
            (cam(finish=stretched), "need not become 0"),
            (
                cam(finish=lambda heat: np.maximum(0, heat) / np.maximum(0, heat).max()),
                "nothing to divide by",
            ),
            (cam(finish=lambda heat: tf.constant(np.maximum(0, heat))), "expected a NumPy array"),
        ],
        right=[cam(), cam(finish=over_maximum_and_epsilon), cam_by_ops],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(transfer_learning, ANSWERS)


def test_the_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    for correct, n in [(63, 65), (44, 65), (0, 5), (5, 5)]:
        theirs = binomtest(correct, n).proportion_ci(0.95, method="wilson")
        ours = transfer_learning.wilson.reference(correct, n, 1.959963984540054)
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_grad_cam_of_a_linear_head_is_its_weights_times_the_maps():
    model = transfer_learning._classifier(linear=True)
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
