"""Checks of lab 07: features of a pretrained network, a fair scaling, augmentation, fine-tuning, Grad-CAM.

A network of the size of EfficientNet would make a check slow. The checks use small stand-ins with fixed
random weights and layers that are named in the same manner. Keras is loaded by those exercises only.
"""

from __future__ import annotations

import functools

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _expect_numpy(found, what):
    """Raise unless the lab's next cells can compute with ``found``."""
    expect.true(
        found is None or isinstance(found, np.ndarray),
        f"{what}: expected a NumPy array, found {expect.brief(found)}.",
        "keras.ops.convert_to_numpy makes an array of a tensor, np.array one of a list.",
    )


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
        "are these counted from the last class?": "indices, values -> 3 - indices, values",
        "this is one image only; each of them has its row.": "indices, values -> indices[0], values[0]",
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


# ---------------------------------------------------------------- 2. features


@functools.cache
def _trunk():
    """Return a small network from images of any size to 5 feature maps."""
    import keras

    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(6),
        ]
    )


@exercise(
    **KERAS,
    mistakes={
        "the images go into the network as they are: how was it trained?": "(images - 127) / 128 -> images",
        "this divides by 255; this network was trained on (x - 127) / 128.": " - 127) / 128 -> / 255)",
        "this is x / 127.5 - 1; this network was trained on (x - 127) / 128.": "- 127) / 128 -> / 127.5 - 1)",
        "the images are prepared twice.": "(images - 127) / 128 -> ((images - 127) / 128 - 127) / 128",
        "uint8 cannot hold negative numbers: make floats first.": "images = np.asarray -> _ = np.asarray",
        "this is the maximum of each map; the exercise wants its mean.": "mean -> max",
        "this is the sum over each map; the exercise wants its mean.": "mean -> sum",
        "these are all numbers of the maps; each gives one, its mean.": "mean(axis=(1, 2)) -> reshape(3, -1)",
        "these are the feature maps; each of them gives one number, its mean.": ".mean(axis=(1, 2)) -> ",
        "the mean runs over the channels; it should run over the places, rows and columns.": "(1, 2) -> -1",
        "the mean runs over the rows only.": "(1, 2) -> 1",
        "the mean runs over the images too; each image has its own features.": "(1, 2) -> (0, 1, 2)",
        "in training mode BatchNorm uses this batch's mean and variance.": "False -> True",
    },
)
def features(model, images):
    """Return the mean of each feature map, shape (n, channels), for images of 0 to 255."""
    images = np.asarray(images, dtype=np.float32)
    x = (images - 127) / 128
    maps = expect.as_array(model(x, training=False))
    return maps.mean(axis=(1, 2))


@features.case
def _of_integers_and_floats(attempt):
    """features(model, images) of images of two types"""
    images = np.random.default_rng(2).integers(0, 256, size=(3, 10, 14, 3))
    found = {}
    for dtype in ("uint8", "float32"):
        expect.set_weights(_trunk())
        found[dtype] = attempt(_trunk(), images.astype(dtype))
        _expect_numpy(found[dtype], "features(model, images)")
    return found


# ---------------------------------------------------------------- 3. standardise


_RNG = np.random.default_rng(3)
_TRAIN = np.round(_RNG.normal([5, -2, 0.5], [2, 0.5, 1], size=(6, 3)), 2)
_TEST = np.round(_RNG.normal([6, -1, 0], [3, 0.2, 2], size=(4, 3)), 2)


@exercise(
    cases=[(np.array([[1.0, 2], [3, 6]]), np.array([[2.0, 0], [5, 8]])), (_TRAIN, _TEST), (_TEST, _TRAIN)],
    rtol=1e-4,
    atol=1e-5,
    mistakes={
        "the test data are scaled by their own mean; a single test photo would always become 0.": (
            "(x - mean) / std -> (x - x.mean(axis=0)) / x.std(axis=0)"
        ),
        "test data must not be used for the scaling.": "known = train -> known = np.append(train, test, 0)",
        "mean and deviation are those of the test data.": "known = train -> known = test",
        "this is one mean and one deviation for all features: each column has its own.": "axis=0 -> ",
        "a feature is a column: its mean runs over the photos.": "axis=0 -> axis=1, keepdims=True",
        "the mean is subtracted, but where is the division?": " / std -> ",
        "the mean is not subtracted.": "x - mean -> x",
        "this divides by the variance, not by its square root.": "known.std -> known.var",
        "the formula divides by n, not by n - 1.": "std(axis=0) -> std(axis=0, ddof=1)",
        "the test features are as they were: the head has to see both on one scale.": "z[1] -> test",
        "first the training, then the test features.": "z[0], z[1] -> z[1], z[0]",
        "the deviation is 0: what else can you divide by?": "np.where(std > 0, std, 1) -> std",
        "only deviations that are 0 are replaced.": "np.where(std > 0, std, 1) -> std if std.all() else 1",
        "a feature that does not vary stays, as a column.": (
            "std = np.where(std > 0, std, 1) -> "
            "train, test, mean, std = train[:, std > 0], test[:, std > 0], mean[std > 0], std[std > 0]"
        ),
    },
)
def standardise(train, test):
    """Return both, each column minus the training mean, divided by the training standard deviation."""
    known = train
    mean, std = known.mean(axis=0), known.std(axis=0)
    std = np.where(std > 0, std, 1)
    z = [(x - mean) / std for x in (train, test)]
    return z[0], z[1]


@standardise.case
def _a_constant_feature(attempt):
    """standardise(train, test) where the second feature is 3 in all training photos"""
    train, test = _TRAIN.copy(), _TEST.copy()
    train[:, 1], test[:, 1] = 3, 3.01
    train, test = map(expect.as_array, attempt(train, test))
    expect.true(
        bool(np.all(np.abs(test[:, 1]) < 1e12)),
        f"Where a feature is 3 in all training photos, 3.01 becomes {test[0, 1]:.3g} in the test features.",
        "the deviation is 0: what else can you divide by?",
    )
    return train, np.delete(test, 1, axis=1)


# ---------------------------------------------------------------- 4. an interval for an accuracy


@exercise(
    cases=[(3, 4, 2), (63, 65), (30, 40, 1.645), (10, 10, 1.96), (0, 12, 1.96), (9.5, 10, 1.96)],
    mistakes={
        "this is the simple interval p ± z √(p(1 − p)/n); for 10 of 10 it has no width at all.": [
            "1 + z**2 / n -> 1",
            " + z**2 / (2 * n) -> ",
            " + z**2 / (4 * n**2) -> ",
        ],
        "where is the division by 1 + z²/n?": "1 + z**2 / n -> 1",
        "the half width is divided by 1 + z²/n too.": "z / scale -> z",
        "these are the centre and the half width; return the two ends.": "n low, high -> n centre, half",
        "the interval is not centred at p: see the first fraction.": "centre - half, centre -> p - half, p",
        "the square root is missing.": "np.sqrt -> ",
        "z is squared in three places.": "z**2 -> z",
        "n is squared in the last term under the root.": "4 * n**2 -> 4 * n",
        "is z used? It is not always 1.96.": "p = correct / n -> p, z = correct / n, 1.96",
        "first the lower end, then the upper one.": "return low, high -> return high, low",
        "the formula wants p as a share, not as a number of photos.": "correct / n -> correct",
        "`//` rounds down: the share of 3 of 4 becomes 0.": "correct / n -> correct // n",
        "this is the interval of the error; correct counts right answers.": "correct / n -> 1 - correct / n",
        "`correct` may be 9.5 photos: why make an integer of it?": "correct / n -> int(correct) / n",
    },
)
def wilson(correct, n, z=1.96):
    """Return Wilson's interval (1927) of the probability of a right answer."""
    p = correct / n
    scale = 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / scale
    half = z / scale * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = centre - half, centre + half
    return low, high


# ---------------------------------------------------------------- 5. k photos of each class


@exercise()
def few_per_class(y, k, rng):
    """Return the indices of k random examples of each class (all of a class that has fewer)."""
    classes = [np.flatnonzero(y == label) for label in np.unique(y)]
    return np.concatenate([rng.choice(members, min(k, len(members)), replace=False) for members in classes])


_LABELS = np.random.default_rng(4).permutation(np.repeat([-1, 0, 2, 5], [9, 4, 12, 7]))


def _few(attempt, k, rng):
    found = attempt(_LABELS.copy(), k, rng)
    expect.true(found is not None, "few_per_class returns None.", "is the return statement missing?")
    return expect.as_array(found)


@few_per_class.property
def _counts(attempt):
    for k in (1, 3, 6):
        what, found = f"few_per_class(y, {k}, rng)", _few(attempt, k, np.random.default_rng(0))
        expect.true(
            found.ndim == 1 and found.dtype.kind in "iu",
            f"{what}: expected one list of integers, found {expect.brief(found)}.",
            "np.concatenate puts the indices of all classes into one array.",
        )
        chosen = set(found.tolist())
        expect.true(
            chosen <= set(range(len(_LABELS))),
            f"{what} returns {expect.brief(found)}: not all are positions of an example.",
            "are these labels? Return positions in y, from 0 to len(y) - 1.",
        )
        hint = "draw without replacement."
        expect.true(len(chosen) == len(found), f"{what} takes an example twice.", hint)
        for label, size in zip(*np.unique(_LABELS, return_counts=True), strict=True):
            count, expected = int(np.sum(_LABELS[found] == label)), min(k, int(size))
            problem = f"{what}: class {label} comes {count} times, expected {expected} of its {size}."
            expect.true(count == expected, problem, _hint_on_counts(found, k, size))


def _hint_on_counts(found, k, size):
    if len(found) == k:
        return "these are k examples in all; take k of each class."
    if -1 not in _LABELS[found]:
        return "the labels can be any integers: which ones are there?"
    if size < k:
        return "a class with fewer than k examples gives all that it has."
    return "draw from each class by itself: np.flatnonzero(y == label) are its positions in y."


@few_per_class.property
def _draws_are_random(attempt):
    draws = [set(_few(attempt, 3, np.random.default_rng(seed)).tolist()) for seed in range(12)]
    first = {int(i) for label in np.unique(_LABELS) for i in np.flatnonzero(label == _LABELS)[:3]}
    hint = "take random members of each class."
    expect.true(draws[0] != first, "The first examples of each class are taken.", hint)
    expect.uses_generator(lambda rng: _few(attempt, 3, rng), "examples")
    missing = set(range(len(_LABELS))) - set.union(*draws)
    expect.true(
        len(missing) < 4,
        f"In 12 draws {len(missing)} of {len(_LABELS)} examples never come.",
        "every member of a class has the same chance.",
    )


# ---------------------------------------------------------------- 6. augmentation


_SIDE = 41  # odd: the test pictures have a middle
_HALF = _SIDE // 2
_Y, _X = np.mgrid[:_SIDE, :_SIDE] - _HALF  # rows and columns, counted from the middle


def _versions(layer, dark, n=96):
    """Return ``n`` versions (one channel) of a white picture that is black where ``dark`` is true."""
    picture = np.where(dark, 0.0, 255.0).astype(np.float32)
    return expect.as_array(layer(np.tile(picture[..., None], (n, 1, 1, 3)), training=True))[..., 0]


@exercise(**KERAS)
def augmentation():
    """Return random flips (left to right), turns (up to 18 degrees) and zooms (up to 15 %)."""
    from keras import Sequential, layers

    return Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.05, fill_mode="nearest"),
            layers.RandomZoom(0.15, fill_mode="nearest"),
        ]
    )


@augmentation.property
def _augments_in_training_only(attempt):
    layer = attempt()
    expect.true(layer is not None, "augmentation() returns None.", "is the return statement missing?")
    expect.true(
        callable(layer) and hasattr(layer, "get_config"),
        f"augmentation() should return a Keras model or layer, it returns {expect.brief(layer)}.",
        "keras.Sequential makes one layer of a list of layers.",
    )
    images = np.random.default_rng(5).uniform(0, 255, size=(6, _SIDE, _SIDE, 3)).astype(np.float32)
    hint = "outside of training the images stay as they are."
    expect.close(layer(images, training=False), images, "augmentation()(images, training=False)", hint)
    first, second = (expect.as_array(layer(images, training=True)) for _ in range(2))
    hint = "an augmented image has the size of the image."
    expect.true(first.shape == images.shape, f"Images of shape {images.shape} become {first.shape}.", hint)
    changed = not np.allclose(first, images, atol=1e-3)
    expect.true(changed, "In training nothing changes.", "is the list empty?")
    hint = "each epoch should see new ones: make the random layers once, without a fixed result."
    expect.true(not np.allclose(first, second, atol=1e-3), "Two calls give the same images.", hint)
    expect.true(
        first.min() > -1 and first.max() < 256,
        f"Values from 0 to 255 become values from {first.min():.4g} to {first.max():.4g}.",
        "no layer here should rescale the images.",
    )


@augmentation.property
def _mirrors_left_to_right_only(attempt):
    layer = attempt()
    found = _versions(layer, _Y < 0)
    above, below = found[:, :_HALF].mean(axis=(1, 2)), found[:, _HALF:].mean(axis=(1, 2))
    expect.true(
        bool(np.all(above + 20 < below)),
        "Some images come out upside down or lying on their side.",
        "no vertical flips; and RandomRotation counts in full turns: 0.05 is 18 degrees, 0.5 is half a turn.",
    )
    found = _versions(layer, _X < 0)
    share = float(np.mean(found[:, :, :_HALF].mean(axis=(1, 2)) > found[:, :, _HALF:].mean(axis=(1, 2))))
    problem = f"{share:.0%} of the images are exchanged left to right, expected about half."
    expect.true(0.25 < share < 0.75, problem, 'RandomFlip("horizontal") does that.')


@augmentation.property
def _white_stays_white(attempt):
    layer = attempt()
    white, edge = _versions(layer, _X > _SIDE), _versions(layer, _Y > _HALF - 4)[:, :3]
    middle = white[:, _HALF, _HALF].min()
    hint = "no layer here should change brightness or colours."
    expect.true(middle > 250, f"The middle of a white image becomes {middle:.3g}.", hint)
    hint = "what comes from outside of the image? See fill_mode of the layers that turn and zoom."
    expect.true(white.min() > 250, f"A white image gets pixels of {white.min():.3g} at its edges.", hint)
    expect.true(edge.min() > 250, "What is dark at the lower edge also comes in at the upper one.", hint)


@augmentation.property
def _zooms(attempt):
    disc = _Y**2 + _X**2 <= 10**2
    heights, widths, _ = _shape_of(_versions(attempt(), disc))
    height, width, _ = _shape_of(_versions(lambda images, training: images, disc, 1))
    heights, widths = heights / height, widths / width
    found = f"A disc has between {heights.min():.2f} and {heights.max():.2f} times its height"
    hint = "which layer makes the things in the image larger or smaller?"
    expect.true(max(np.ptp(heights), np.ptp(widths)) > 0.08, f"{found}: nothing zooms.", hint)
    expect.true(
        bool(np.all(np.abs(heights / widths - 1) < 0.06)),
        f"{found}, and between {widths.min():.2f} and {widths.max():.2f} times its width: it is distorted.",
        "height and width by the same factor: when does RandomZoom keep it the same?",
    )
    hint = "zoom in and out: what do negative and positive factors mean?"
    expect.true(heights.min() < 0.95 and heights.max() > 1.05, f"{found}.", hint)
    expect.true(heights.min() > 0.8 and heights.max() < 1.25, f"{found}.", "up to 15 % is enough.")


@augmentation.property
def _turns(attempt):
    _, _, angles = _shape_of(_versions(attempt(), (np.abs(_X) <= 2) & (np.abs(_Y) <= 12)))
    left, right = angles.min(), angles.max()
    found = f"A vertical bar is turned by {left:.0f} to {right:.0f} degrees."
    hint = "is a layer for turning there, and is its factor large enough?"
    expect.true(max(right, -left) > 10, found, hint)
    expect.true(max(right, -left) < 25, found, "the factor of RandomRotation is a part of a full turn.")
    expect.true(min(right, -left) > 10, found, "to either side: what do negative and positive factors mean?")


def _shape_of(pictures):
    """Return height, width and angle from the vertical (degrees) of the dark thing in each picture."""
    weights = 255 - pictures
    weights = weights / weights.sum(axis=(1, 2), keepdims=True)

    def mean(values):
        return (weights * values).sum(axis=(1, 2), keepdims=True)

    y, x = _Y - mean(_Y), _X - mean(_X)
    yy, xx, xy = (np.ravel(mean(product)) for product in (y * y, x * x, x * y))
    return np.sqrt(yy), np.sqrt(xx), np.degrees(0.5 * np.arctan2(2 * xy, yy - xx))


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


# ---------------------------------------------------------------- 8. Grad-CAM


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
        "the largest value should be 1, or all are 0: divide by the maximum.": " / largest -> ",
        "neither ReLU nor the division by the maximum is there.": "np.maximum(0, heat) -> heat; return heat",
        "this takes the absolute value; the ReLU sets negative values to 0.": "np.maximum(0, -> np.abs(",
        "the gradient is multiplied place by place; first take its mean over the places, one number a map.": (
            "maps @ alpha -> (maps * gradient).sum(axis=-1)"
        ),
        "the ReLU comes after the sum over the maps, not on the weights.": "@ alpha -> @ alpha.clip(0)",
        "this is the sum of the maps: where are the weights?": "maps @ alpha -> maps.sum(axis=-1)",
        "this is made of the gradient alone: where are the maps?": "maps @ alpha -> gradient.sum(axis=-1)",
        "take the gradient of the score, before the softmax.": "scores[0, c] -> tf.nn.softmax(scores)[0, c]",
        "this is the map of the class with the largest score.": "scores[0, c] -> tf.reduce_max(scores)",
        "this is the map of class 0: is c used?": "scores[0, c] -> scores[0, 0]",
        "this is the gradient of all scores together; take that of class c.": "scores[0, c] -> scores",
        "the gradient is None: is the score computed inside the with block?": "    score = -> score =",
        "rows and columns have changed places.": "return heat -> return heat.T",
        "an axis of length 1 is left: the batch.": "return heat -> return heat[None]",
        "there the maximum is 0: there is nothing to divide by.": " if largest > 0 else heat -> ",
        "divide by the largest value; the smallest one need not become 0.": (
            "heat / largest -> (heat - heat.min()) / (largest - heat.min())"
        ),
    },
)
def grad_cam(model, image, c):
    """Return the Grad-CAM map (h, w) of class ``c``, from 0 to 1 (Selvaraju et al., 2017)."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        maps, scores = model(image[None])
        score = scores[0, c]
    gradient = tape.gradient(score, maps)[0].numpy()
    maps, alpha = maps[0].numpy(), gradient.mean(axis=(0, 1))
    heat = maps @ alpha
    heat = np.maximum(0, heat)
    largest = heat.max()
    return heat / largest if largest > 0 else heat


_IMAGE = np.random.default_rng(8).normal(size=(12, 10, 3)).astype(np.float32)

for _what, _c, _image, _linear in [
    ("grad_cam(model, image, 1)", 1, _IMAGE, False),
    ("grad_cam(model, image, 2)", 2, _IMAGE, False),
    ("grad_cam where no place speaks for the class", 0, _IMAGE, True),
    ("grad_cam where all places speak for the class", 1, 0.1 * _IMAGE, True),
]:

    def _outcome(attempt, what=_what, c=_c, image=_image, linear=_linear):
        found = attempt(_classifier(linear), image.copy(), c)
        _expect_numpy(found, what)
        return found

    _outcome.__doc__ = _what
    grad_cam.case(_outcome)
