"""Checks of lab 07: class means, honest cross-validation, a head without scaling, fine-tuning, a map.

A network of the size of EfficientNet would make a check slow. The checks use small stand-ins with fixed
random weights and layers that are named in the same manner. Keras is loaded by those exercises only.
"""

from __future__ import annotations

import functools

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# ---------------------------------------------------------------- 1. the k most probable classes


_SCORES = np.array([[3, 1, 7, 5], [0, 4, -2, 8]])
_ROWS = np.array([[0.1012, 0.5034, 0.0456, 0.3498], [0.4, 0.25, 0.3, 0.05], [0.02, 0.08, 0.2, 0.7]])


@exercise(
    cases=[(_SCORES, 2), (_ROWS, 2), (_ROWS[:2], 1), (_ROWS, 4), (_ROWS[::-1, ::-1].copy(), 3)],
    mistakes={
        "these are the least probable classes: argsort starts with the smallest.": "-prob -> prob",
        "the right classes, but the most probable one should come first.": "[:, :k] -> [:, :k][:, ::-1]",
        "each image has its own order, along axis 1.": ["axis=1 -> axis=0", "[:, :k] -> [:k]"],
        "first the indices, then the probabilities.": "indices, values -> values, indices",
        "the probabilities are those of the first k classes, not of your indices.": (
            "np.take_along_axis(probabilities, indices, axis=1) -> probabilities[:, :k]"
        ),
        "this is the whole order: where is k?": "[:, :k] -> ",
        "this is one image only; each of them has its row.": "indices, values -> indices[0], values[0]",
        "[::-1] alone reverses the order of the images.": "(-probabilities, axis=1) -> (probabilities)[::-1]",
    },
)
def top_k(probabilities, k):
    """Return for each row the indices of the k largest numbers, largest first, and these numbers."""
    indices = np.argsort(-probabilities, axis=1)[:, :k]
    values = np.take_along_axis(probabilities, indices, axis=1)
    return indices, values


@top_k.property
def _indices_belong_to_the_numbers(attempt):
    rows = np.array([[0.2, 0.4, 0.2, 0.2], [0.0, 0.0, 1.0, 0.0]])
    indices, values = map(expect.as_array, attempt(rows.copy(), 3))
    expect.true(
        indices.dtype.kind in "iu",
        f"The indices are of the type {indices.dtype}, so they cannot index a list of names.",
        "keep indices and probabilities in two arrays.",
    )
    expect.close(values, np.sort(rows)[:, :0:-1], "The probabilities where some are equal")
    expect.true(
        all(len(set(row)) == 3 for row in indices.tolist())
        and np.array_equal(np.take_along_axis(rows, indices, axis=1), values),
        f"Where some probabilities are equal, the indices of {expect.brief(rows[0])} are {indices[0]}.",
        "each class comes once; list.index finds only the first of equal numbers.",
    )


# ---------------------------------------------------------------- 2. the nearest class mean


_FEW = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 6.0], [7.0, 1.0], [5.0, 3.0]])
_WHERE = np.array([[0.9, 0.2], [1.2, 5.0], [4.5, 1.5], [2.6, -3.0], [9.0, 9.0], [-5.0, 4.0]])
_RNG = np.random.default_rng(3)
_CLOUDS = _RNG.normal(size=(30, 6)) + np.repeat(np.eye(6)[:3], 10, axis=0)


@exercise(
    cases=[
        (_FEW, np.array([0, 0, 0, 1, 1]), _WHERE),
        (_FEW, np.array([2, 2, 5, -1, 5]), _WHERE),
        (_FEW.astype(int), np.array([1, 3, 1, 3, 4]), np.array([[2, 2]])),
        (_CLOUDS[::2], np.repeat([4, 1, 9], 5), _CLOUDS[1::2]),
    ],
    mistakes={
        "this is the number of the mean; which class is it?": "classes[nearest] -> nearest",
        "this is the class whose mean is farthest.": "argmin -> argmax",
        "this is the class of the nearest photo; each class has one mean.": (
            "classes[nearest] -> y[((test[:, None] - train) ** 2).sum(axis=-1).argmin(axis=1)]"
        ),
        "a sum grows with the number of photos of the class; take the mean.": "mean(axis=0) -> sum(axis=0)",
        "a class has a mean for each feature.": "mean(axis=0) -> mean()",
        "all differences count for the distance, not only the largest.": ".sum(axis=-1) -> .max(axis=-1)",
        "a difference can be negative: what makes a distance of it?": " ** 2 -> ",
        "these distances add absolute values; Euclid's adds squares.": (
            "(test[:, None] - means) ** 2 -> np.abs(test[:, None] - means)"
        ),
        "a large dot product is not a small distance: long means win.": (
            "((test[:, None] - means) ** 2).sum(axis=-1) -> -test @ np.transpose(means)"
        ),
        "the classes can be any integers: which ones are there?": "np.unique(y) -> np.arange(len(set(y)))",
    },
)
def nearest_mean(train, y, test):
    """Return for each row of test the class whose mean over the rows of train is nearest."""
    classes = np.unique(y)
    means = [train[y == c].mean(axis=0) for c in classes]
    distances = ((test[:, None] - means) ** 2).sum(axis=-1)
    nearest = distances.argmin(axis=1)
    return classes[nearest]


# ---------------------------------------------------------------- 3. leave one out


@exercise(
    cases=[
        (np.array([[4.0, 9.0], [1.0, 5.0], [8.0, 2.0], [7.0, 2.0], [3.0, 6.0]]), np.array([0, 0, 1, 1, 0])),
        (np.arange(1, 25).reshape(6, 4), np.array([3, 0, 0, 3, 0, 0])),
        (np.array([[0.0, 3.5, 2.0], [1.5, 0.5, 2.5], [2.5, 0.5, 1.0]]), np.array([0, 1, 1])),
        (np.array([[0.25, 3.5], [0.25, 2.5]]), np.array([0, 0])),
    ],
    mistakes={
        "the distances are squared; is your factor?": "(n / others) ** 2 -> n / others",
        "the results are squared distances, as d is.": "return result -> return np.sqrt(result)",
        "without the photo, does its mean lie nearer or farther?": "n / others -> others / n",
        "how many photos remain in the class?": "others = np.maximum(n - 1, 1) -> others = n + 1",
        "only the mean of the photo's own class changes.": "result[own] = -> result[:] = 0; result[own] =",
        "a photo is in one class: the means of the others stay as they are.": (
            "result[own] = np.where(n > 1, d[own] * (n / others) ** 2, np.inf) -> "
            "result *= (sizes / np.maximum(sizes - 1, 1)) ** 2"
        ),
        "n counts the photos of the class, not all of them.": "n = sizes[y] -> n = np.full(len(y), len(y))",
        "each photo has the size of its own class: y tells which.": "n = sizes[y] -> n = sizes[y[0]]",
        "a class of one photo has no mean without it, so nothing is near.": "np.inf -> d[own]",
        "the results are fractions: is the array made for integers?": ", dtype=float -> ",
    },
)
def left_out(d, y):
    """Return d (n, K) with each photo's distance to the mean of its class without that photo."""
    sizes = np.bincount(y, minlength=d.shape[1])
    n = sizes[y]
    others = np.maximum(n - 1, 1)
    own = np.arange(len(y)), y
    result = np.array(d, dtype=float)
    result[own] = np.where(n > 1, d[own] * (n / others) ** 2, np.inf)
    return result


# ---------------------------------------------------------------- 4. find the fault


def spread(f, y):
    """How far apart the class means of each feature lie, in units of its deviation; as in the lab."""
    means = np.array([f[y == c].mean(axis=0) for c in np.unique(y)])
    return means.std(axis=0) / (f.std(axis=0) + 1e-9)


def _folded(n, features, folds, seed):
    """Return features of very different scales, labels, and folds of different sizes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    scales = np.geomspace(1, 100, features)
    f = scales * (rng.standard_t(2, size=(n, features)) + 0.4 * y[:, None])
    return f, y, rng.permutation(np.minimum(np.arange(n) // 4, folds - 1))


@exercise(
    cases=[(*_folded(24, 9, 4, 3), 3), (*_folded(31, 12, 3, 2), 4), (*_folded(31, 12, 3, 1), 12)],
    mistakes={
        "both faults are still there: which lines see photos of the fold that is tested?": [
            "scale = f[train] -> scale = f",
            "spread(f[train], y[train]) -> spread(f, y)",
        ],
        "features are still chosen with the labels of the tested fold.": "(f[train], y[train]) -> (f, y)",
        "mean and deviation still contain the tested fold.": "scale = f[train] -> scale = f",
        "the tested fold is scaled by itself; scale it as the training photos are.": (
            "chosen = -> z[test] = (f[test] - f[test].mean(axis=0)) / (f[test].std(axis=0) + 1e-9); chosen ="
        ),
        "the features are not scaled: where is z?": "z[t -> f[t",
        "photo i has its answer at place i: these stand in the order of the folds.": (
            "return answers -> return np.concatenate([answers[fold == i] for i in np.unique(fold)])"
        ),
        "the fold is tested; all others train.": "fold != i, fold == i -> fold == i, fold != i",
        "a photo must not train what answers for it.": "fold != i, fold -> fold == fold, fold",
        "take the features with the largest spread.": "-spread -> spread",
        "k features are wanted.": "[:k] -> ",
        "the fold's own labels choose its features.": "(f[train], y[train]) -> (f[test], y[test])",
    },
)
def cross_validated(f, y, fold, k):
    """Return for each photo the answer of the nearest mean, trained without its fold."""
    answers = np.zeros_like(y)
    for i in np.unique(fold):
        train, test = fold != i, fold == i
        scale = f[train]
        z = (f - scale.mean(axis=0)) / (scale.std(axis=0) + 1e-9)
        chosen = np.argsort(-spread(f[train], y[train]))[:k]
        answers[test] = nearest_mean.reference(z[train][:, chosen], y[train], z[test][:, chosen])
    return answers


# ---------------------------------------------------------------- 5. a head without scaling


_W, _B = np.array([[2.0, -1.0], [0.5, 4.0]]), np.array([1.0, -3.0])
_WIDE = np.round(_RNG.normal(size=(5, 3)), 2)


@exercise(
    cases=[
        (_W, _B, np.array([10.0, -4.0]), np.array([2.0, 0.5])),
        (_WIDE, np.array([1, 0, -2]), np.array([3, 0, 1, -2, 5]), np.array([1, 2, 4, 5, 10])),
        (_WIDE[:, :1], _B[:1], np.linspace(-1, 1, 5), np.array([0.5, 0.0, 2.0, 0.0, 0.1])),
    ],
    mistakes={
        "the weights are right; does the mean change the bias?": "b - (mean / scale) @ W -> b",
        "the bias of a scaled feature: is the mean divided by the deviation too?": "mean / scale -> mean",
        "for f equal to the mean, what are z and the scores?": "b - -> b +",
        "z is f divided by the deviation: what is then multiplied with f?": ("/ scale -> * scale"),
        "the deviation belongs to a feature: is that a row or a column of W?": "scale[:, None] -> scale",
        "the weights do not change, but f is not divided any more.": "W / scale[:, None] -> W",
        "this is the variance; the deviation is given.": "W / scale[:, None] -> W / scale[:, None] ** 2",
        "first the weights, then the bias.": "return V, c -> return c, V",
        "a deviation of 0 was replaced by 1.": "np.where(deviation > 0, deviation, 1) -> deviation",
        "a feature that has deviation 0 keeps its weights.": "deviation, 1) -> deviation, np.inf)",
        "is it a bias for each class, or one number?": "(mean / scale) @ W -> ((mean / scale) @ W).sum()",
    },
)
def plain_head(W, b, mean, deviation):
    """Return (V, c) such that f @ V + c is ((f - mean) / deviation) @ W + b for all features f."""
    scale = np.where(deviation > 0, deviation, 1)
    V, c = W / scale[:, None], b - (mean / scale) @ W
    return V, c


# ---------------------------------------------------------------- 6. mixup


_PHOTOS = np.random.default_rng(6).integers(0, 256, size=(3, 2, 4, 3))
_PARTNER, _WEIGHT = np.array([1, 2, 0]), np.array([0.75, 0.5, 0.875])


@exercise(
    cases=[
        (_PHOTOS[:, :1, :1], np.array([0, 2, 1]), _PARTNER, _WEIGHT, 3),
        (_PHOTOS.astype("uint8"), np.array([0, 2, 1]), _PARTNER, _WEIGHT, 4),
        (_PHOTOS[:2] / 255, np.array([1, 1]), np.array([0, 1]), np.array([0.25, 1.0]), 2),
        (_PHOTOS[:1], np.array([1]), np.array([0]), np.array([0.5]), 2),
    ],
    mistakes={
        "the weight belongs to the photo, the rest to its partner.": "weight.resh -> (1 - weight).resh",
        "each photo has its own weight, for all its pixels.": "weight.reshape(column) -> weight",
        "the photos are mixed; what should a network answer for them?": "mix(one_hot) -> one_hot",
        "one label for a mixed photo is not the truth about it.": (
            "mix(one_hot) -> one_hot[np.where(weight > 0.6, np.arange(len(y)), partner)]"
        ),
        "a label is a name: half of class 0 and half of class 2 is not class 1.": "mix(one_hot) -> mix(y)",
        "the labels are mixed, but where are the mixed photos?": "mix(x), -> 1.0 * x,",
        "the partner of photo i has the number partner[i].": "a[partner] -> a[::-1]",
        "all photos have the first one's weight.": "weight.reshape(column) -> weight[0]",
        "the shares of both photos should add up to 1.": "(1 - w) -> w",
        "how much of the photo itself remains?": "w * a + (1 - w) * -> ",
        "uint8 has no negative numbers: a difference of pixels needs floats.": (
            "w * a + (1 - w) * a[partner] -> a[partner] + w * (a - a[partner])"
        ),
        "first the photos, then the labels.": "mix(x), mix(one_hot) -> mix(one_hot), mix(x)",
        "a class that no photo here has needs its column too.": "eye(classes) -> eye(max(y) + 1)",
    },
)
def mixup(x, y, partner, weight, classes):
    """Return (photos, labels (n, classes)): the share `weight` of each, the rest of its partner."""
    one_hot = np.eye(classes)[y]

    def mix(a):
        column = (-1,) + (1,) * (a.ndim - 1)
        w = weight.reshape(column)
        return w * a + (1 - w) * a[partner]

    return mix(x), mix(one_hot)


# ---------------------------------------------------------------- 7. fine-tuning


@exercise(
    **KERAS,
    mistakes={
        "all layers still train: set layer.trainable, layer by layer.": "wanted and not frozen -> True",
        "no layer trains: which ones should?": "wanted and not frozen -> False",
        "the layers that should train are frozen, the others train.": "wanted and not frozen -> not wanted",
        "BatchNormalization trains too; a few photos cannot replace its statistics.": " and not frozen -> ",
        "a BatchNormalization layer may have any name: isinstance tells what it is.": (
            'isinstance(layer, layers.BatchNormalization) -> layer.name.endswith("bn")'
        ),
        "there are several prefixes; str.startswith takes a tuple.": "(prefixes) -> (prefixes[0])",
        "the last prefix has the last word: decide once for each layer.": "(prefixes) -> (prefixes[-1])",
        "both must hold, the name and that it is no BatchNormalization.": "wanted and not -> wanted or not",
        "a name must begin with a prefix, not only contain it.": (
            "layer.name.startswith(prefixes) -> any(prefix in layer.name for prefix in prefixes)"
        ),
        "only the BatchNormalization layers are frozen.": "wanted and not -> not",
        "a model with trainable = False trains nothing, whatever its layers say.": "= True -> = False",
        "the prefixes are an argument: they are not always the same.": '(prefixes) -> (("block_15", "head"))',
        "a layer may have been frozen before: set every layer yourself, to True or False.": [
            "= wanted -> = layer.trainable and wanted",
            "model.trainable = True -> ",
        ],
        "a model frozen as a whole trains nothing: set model.trainable.": "model.trainable = True -> ",
        "model.trainable sets all layers, and here it comes last.": (
            ["model.trainable = True -> ", "return model -> model.trainable = True; return model"]
        ),
    },
)
def fine_tunable(model, prefixes):
    """Let only the layers with these beginnings of their names train, and no BatchNormalization."""
    from keras import layers

    model.trainable = True
    for layer in model.layers:
        frozen = isinstance(layer, layers.BatchNormalization)
        wanted = layer.name.startswith(prefixes)
        layer.trainable = wanted and not frozen
    return model


def _network():
    """Return a small network whose layers have names as those of EfficientNet-Lite0, and a few others."""
    import keras

    inputs = x = keras.Input((6, 6, 3), name="image")
    for block in ("stem", "block_01", "overhead", "block_14", "block_15", "head"):
        x = keras.layers.Conv2D(4, 1, use_bias=False, name=f"{block}_conv")(x)
        name = f"{block}_norm" if block == "head" else f"{block}_bn"
        x = keras.layers.BatchNormalization(name=name)(x)
        x = keras.layers.ReLU(name=f"{block}_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))


def _add_case(what, prefixes, before=None, frozen=False):
    """Compare what trains; ``before`` are the prefixes of an earlier call, or the model was ``frozen``."""

    def outcome(attempt):
        model = _network()
        model.trainable = not frozen
        if before:
            attempt(model, before)
        weights = model.get_weights()
        return _trained(attempt(model, prefixes), weights)

    outcome.__doc__ = f"what trains {what}"
    fine_tunable.case(outcome)


def _trained(found, weights):
    """Return what trains in the student's model; ``weights`` are those of the given one."""
    import keras

    expect.true(
        isinstance(found, keras.Model),
        f"fine_tunable(model, prefixes) should return the model, it returns {expect.brief(found)}.",
        "is the return statement missing?" if found is None else "",
    )
    expect.true(
        expect.same(found.get_weights(), weights),
        "The model that fine_tunable returns has other weights than the one it was given.",
        "return the model itself: a clone starts at random, without what was learned from ImageNet.",
    )
    names = [layer.name for layer in found.layers if layer.weights and layer.trainable]
    return {"layers": ", ".join(names), "arrays": len(found.trainable_weights)}


_add_case('with the prefixes ("block_15", "head")', ("block_15", "head"))
_add_case('with the prefixes ("stem", "block_1")', ("stem", "block_1"))
_add_case('with the prefixes ("block_14",), after a call with others', ("block_14",), before=("head",))
_add_case("if the whole model was frozen before", ("block_15", "head"), frozen=True)


# ---------------------------------------------------------------- 8. HiResCAM


@functools.cache
def _classifier(linear=False):
    """Return a small network from an image to [feature maps, scores].

    Its head is not linear, so the gradient differs from place to place. With ``linear`` it is, and the maps
    are positive; all weights of class 0 are negative, those of class 1 positive.
    """
    import keras

    inputs = keras.Input((12, 10, 3))
    maps = keras.layers.Conv2D(6, 3, 2, "same", activation="relu" if linear else None)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(maps)
    if not linear:
        x = keras.layers.Dense(5, activation="tanh")(keras.layers.Flatten()(maps))
    model = keras.Model(inputs, [maps, keras.layers.Dense(4)(x)])
    expect.set_weights(model)
    if linear:
        kernel, bias = model.layers[-1].get_weights()
        kernel[:, :2] = np.abs(kernel[:, :2]) * [-1, 1]
        model.layers[-1].set_weights([kernel, bias])
    return model


@exercise(
    **KERAS,
    rtol=1e-3,
    atol=1e-3,  # of 1: a small number may be added to the maximum
    mistakes={
        "the map has negative values: where is the ReLU?": "np.maximum(0, heat) -> heat",
        "the largest value of each map should be 1, or all are 0: divide by its maximum.": " / largest -> ",
        "this takes the absolute value; the ReLU sets negative values to 0.": "np.maximum(0, -> np.abs(",
        "this is Grad-CAM: here the gradient is not averaged over the places.": (
            "(maps * gradient) -> (maps * gradient.mean(axis=(1, 2), keepdims=True))"
        ),
        "the ReLU comes after the sum over the maps.": "(maps * gradient) -> (maps * gradient).clip(0)",
        "this is the sum of the maps: where is the gradient?": "(maps * gradient) -> maps",
        "this is made of the gradient alone: where are the maps?": "(maps * gradient) -> gradient",
        "take the gradient of the score, before the softmax.": "scores[i, c] -> tf.nn.softmax(scores)[i, c]",
        "these are the maps of the largest scores; which classes were asked for?": (
            "scores[i, c] -> tf.reduce_max(scores[i])"
        ),
        "each image has its own class; this is the first one's.": "scores[i, c] -> scores[i, classes[0]]",
        "an image counts for its own class only: here it does for all.": "scores[i, c] -> scores[:, c]",
        "this is the gradient of all scores; take those of the classes.": "scores[i, c] -> scores",
        "rows and columns have changed places.": "return heat -> return heat.transpose(0, 2, 1)",
        "where a maximum is 0 there is nothing to divide by.": "np.where(largest > 0, largest, 1) -> largest",
        "each map is divided by its own maximum.": "axis=(1, 2), keepdims=True -> ",
        "divide by the largest value; the smallest one need not become 0.": (
            "heat = heat / largest -> low = heat.min((1, 2), keepdims=True); "
            "heat = (heat - low) / np.maximum(largest - low, 1e-9)"
        ),
    },
)
def hires_cam(model, images, classes):
    """Return the HiResCAM maps (n, h, w) of images, each for its class, from 0 to 1 (Draelos, 2020)."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        maps, scores = model(images)
        total = sum(tf.reduce_sum(scores[i, c]) for i, c in enumerate(classes))
    gradient = tape.gradient(total, maps).numpy()
    maps = maps.numpy()
    heat = (maps * gradient).sum(axis=-1)
    heat = np.maximum(0, heat)
    largest = heat.max(axis=(1, 2), keepdims=True)
    largest = np.where(largest > 0, largest, 1)
    heat = heat / largest
    return heat


_IMAGES = np.random.default_rng(8).normal(size=(3, 12, 10, 3)).astype(np.float32)

for _what, _classes, _images, _linear in [
    ("hires_cam(model, images, [1, 2, 1])", [1, 2, 1], _IMAGES, False),
    ("hires_cam of one image", [3], _IMAGES[2:], False),
    ("hires_cam where no place speaks for the first class", [0, 1, 0], _IMAGES, True),
    ("hires_cam where all places speak for the class", [1], 0.1 * _IMAGES[:1], True),
]:

    def _outcome(attempt, what=_what, classes=_classes, images=_images, linear=_linear):
        found = attempt(_classifier(linear), images.copy(), list(classes))
        problem = f"{what}: expected a NumPy array, found {expect.brief(found)}."
        hint = "keras.ops.convert_to_numpy makes an array of a tensor, np.array one of a list."
        expect.true(found is None or isinstance(found, np.ndarray), problem, hint)
        return found

    _outcome.__doc__ = _what
    hires_cam.case(_outcome)
