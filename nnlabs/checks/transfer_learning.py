"""Checks of lab 07: features of a pretrained network, a fair scaling, augmentation, fine-tuning, Grad-CAM.

A network of the size of EfficientNet would make a check slow. The checks use small stand-ins with fixed
random weights and layers that are named in the same manner. Keras is loaded by those exercises only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise


def _expect_array(found: Any, what: str) -> None:
    """Raise unless ``found`` can be computed with as the later cells do."""
    expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, np.ndarray),
        f"{what}: expected a NumPy array, found a {type(found).__name__}.",
        "keras.ops.convert_to_numpy makes an array of a tensor, np.array one of a list.",
    )


def _expect_close(
    found: Any, expected: np.ndarray, what: str, mistakes: Mapping[str, Callable[[], Any]], atol: float
) -> None:
    """Raise unless ``found`` is ``expected``; the hint is that of the first mistake that gives ``found``."""
    if expect.same(found, expected, rtol=1e-4, atol=atol):
        return
    matching = (
        hint for hint, mistake in mistakes.items() if expect.same(found, mistake(), rtol=1e-4, atol=atol)
    )
    expect.close(found, expected, what, next(matching, ""), rtol=1e-4, atol=atol)


# ---------------------------------------------------------------- 1. the k most probable classes


def _top(probabilities: np.ndarray, k: int, sign: int = -1, axis: int = 1) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(sign * probabilities, axis=axis, kind="stable")
    best = order[:, :k] if axis == 1 else order[:k]
    return best, np.take_along_axis(probabilities, best, axis)


def _top_reversed(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(part[:, ::-1] for part in _top(probabilities, k))


def _top_first_columns(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    return _top(probabilities, k)[0], probabilities[:, :k]


_ROWS = np.array([[0.1, 0.5, 0.05, 0.35], [0.4, 0.25, 0.3, 0.05], [0.02, 0.08, 0.2, 0.7]])


@exercise(
    cases=[(_ROWS, 2), (_ROWS[:2], 1), (_ROWS, 4), (_ROWS[::-1, ::-1].copy(), 3)],
    mistakes={
        "these are the least probable classes: argsort starts with the smallest.": partial(_top, sign=1),
        "the right classes, but the most probable one should come first.": _top_reversed,
        "this compares the images with each other; each image has its own order, along axis 1.": partial(
            _top, axis=0
        ),
        "the order of the two results: first the indices, then the probabilities.": (
            lambda probabilities, k: _top(probabilities, k)[::-1]
        ),
        "the probabilities are those of the first k classes, not of the indices that you return.": (
            _top_first_columns
        ),
        "this is the whole order: where is k?": lambda probabilities, k: _top(probabilities, 4),
        "these are the ranks from the end of the list: are they counted from the last class?": (
            lambda probabilities, k: (
                probabilities.shape[1] - 1 - _top(probabilities, k)[0],
                _top(probabilities, k)[1],
            )
        ),
    },
)
def top_k(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the indices of the k largest numbers, largest first, and these numbers."""
    return _top(probabilities, k)


@top_k.property
def _indices_are_integers(attempt: Callable) -> None:
    indices = expect.as_array(attempt(_ROWS.copy(), 2)[0])
    expect.true(
        indices.dtype.kind in "iu",
        f"The indices are of the type {indices.dtype}, so they cannot index a list of names.",
        "keep indices and probabilities in two arrays.",
    )


# ---------------------------------------------------------------- 2. features


def _preprocessed(images: np.ndarray) -> np.ndarray:
    return (np.asarray(images, dtype=np.float32) - 127) / 128


def _set_random(layer: Any, rng: np.random.Generator) -> None:
    """Give a layer fixed random weights; variances and scales stay positive."""
    weights = [rng.normal(scale=0.4, size=weight.shape) for weight in layer.weights]
    if type(layer).__name__ == "BatchNormalization":
        weights = [np.abs(weight) + 0.5 if i in (0, 3) else weight for i, weight in enumerate(weights)]
    layer.set_weights(weights)


def _trunk() -> Any:
    """Return a small network from images of any size to 5 feature maps."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(6),
        ]
    )
    rng = np.random.default_rng(1)
    for layer in model.layers:
        _set_random(layer, rng)
    return model


def _maps(model: Any, x: np.ndarray, training: bool = False) -> np.ndarray:
    return expect.as_array(model(x, training=training))


@exercise(seconds=KERAS_SECONDS)
def features(model: Any, images: np.ndarray) -> np.ndarray:
    """Return the mean of each feature map, shape (n, channels), for images of 0 to 255."""
    return model.predict(_preprocessed(images), verbose=0).mean(axis=(1, 2))


@features.property
def _features_of_a_small_network(attempt: Callable) -> None:
    model = _trunk()
    images = np.random.default_rng(2).integers(0, 256, size=(3, 10, 14, 3), dtype=np.uint8)
    raw, maps = images.astype(np.float32), _maps(model, _preprocessed(images))
    given, before = images.copy(), model.get_weights()
    found = attempt(model, given)
    what = "features(model, images)"
    _expect_array(found, what)
    mistakes = {
        "the images go into the network as they are: how was it trained?": lambda: _maps(model, raw).mean(
            axis=(1, 2)
        ),
        "this divides by 255; this network was trained on (x - 127) / 128.": lambda: _maps(
            model, raw / 255
        ).mean(axis=(1, 2)),
        "this is x / 127.5 - 1; this network was trained on (x - 127) / 128.": lambda: _maps(
            model, raw / 127.5 - 1
        ).mean(axis=(1, 2)),
        "the images are prepared twice.": lambda: _maps(model, _preprocessed(_preprocessed(images))).mean(
            axis=(1, 2)
        ),
        "uint8 cannot hold negative numbers: make floats first.": lambda: _maps(
            model, ((images - np.uint8(127)) / 128).astype(np.float32)
        ).mean(axis=(1, 2)),
        "this is the maximum of each map; the exercise wants its mean.": lambda: maps.max(axis=(1, 2)),
        "this is the sum over each map; the exercise wants its mean.": lambda: maps.sum(axis=(1, 2)),
        "these are all numbers of the maps; each map gives one, its mean.": lambda: maps.reshape(3, -1),
        "these are the feature maps; each of them gives one number, its mean.": lambda: maps,
        "the mean runs over the channels; it should run over the places, rows and columns.": lambda: (
            maps.mean(axis=-1)
        ),
        "the mean runs over the rows only.": lambda: maps.mean(axis=1),
        "the mean runs over the images too; each image has its own features.": lambda: maps.mean(
            axis=(0, 1, 2)
        ),
        "the network runs in training mode, so BatchNorm uses this batch's mean and variance.": lambda: _maps(
            _trunk(), _preprocessed(images), training=True
        ).mean(axis=(1, 2)),
    }
    _expect_close(found, maps.mean(axis=(1, 2)), what, mistakes, atol=1e-4)
    expect.true(
        np.array_equal(given, images), f"{what} changes its argument.", "make a new array, or copy it first."
    )
    expect.true(
        all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)),
        f"{what} changes the network's weights.",
        "extracting features trains nothing.",
    )


# ---------------------------------------------------------------- 3. standardise


def _scale(train: np.ndarray, test: np.ndarray, mean: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
    std = np.where(np.asarray(std) > 0, std, 1)
    return (train - mean) / std, (test - mean) / std


def _scale_each(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    parts = (_scale(x, x, x.mean(axis=0), x.std(axis=0))[0] for x in (train, test))
    return tuple(parts)


def _scale_by(train: np.ndarray, test: np.ndarray, source: Callable) -> tuple[np.ndarray, np.ndarray]:
    x = source(train, test)
    return _scale(train, test, x.mean(axis=0), x.std(axis=0))


_RNG = np.random.default_rng(3)
_TRAIN = np.round(_RNG.normal([5, -2, 0.5], [2, 0.5, 1], size=(6, 3)), 2)
_TEST = np.round(_RNG.normal([6, -1, 0], [3, 0.2, 2], size=(4, 3)), 2)


@exercise(
    cases=[(_TRAIN, _TEST), (_TEST, _TRAIN)],
    rtol=1e-4,
    atol=1e-5,
    mistakes={
        "the test data are scaled by their own mean; a single test photo would always become 0.": _scale_each,
        "mean and deviation come from training and test data together: test data must not be used.": partial(
            _scale_by, source=lambda train, test: np.concatenate([train, test])
        ),
        "mean and deviation are those of the test data.": partial(_scale_by, source=lambda train, test: test),
        "this is one mean and one deviation for all features: each column has its own.": lambda train, test: (
            _scale(train, test, train.mean(), train.std())
        ),
        "the mean is subtracted, but where is the division?": lambda train, test: _scale(
            train, test, train.mean(axis=0), 1
        ),
        "the mean is not subtracted.": lambda train, test: _scale(train, test, 0, train.std(axis=0)),
        "this divides by the variance, not by its square root.": lambda train, test: _scale(
            train, test, train.mean(axis=0), train.var(axis=0)
        ),
        "the formula divides by n, not by n - 1.": lambda train, test: _scale(
            train, test, train.mean(axis=0), train.std(axis=0, ddof=1)
        ),
        "the test features are returned as they were: the head has to see them on the same scale.": (
            lambda train, test: (_scale_each(train, test)[0], test)
        ),
        "the order of the two results: first the training, then the test features.": (
            lambda train, test: _scale(train, test, train.mean(axis=0), train.std(axis=0))[::-1]
        ),
    },
)
def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both, each column minus the training mean, divided by the training standard deviation."""
    return _scale(train, test, train.mean(axis=0), train.std(axis=0))


@standardise.property
def _a_constant_feature(attempt: Callable) -> None:
    for value in (0.0, 3.0):  # ReLU: some features are 0 for every photo
        train, test = _TRAIN.copy(), _TEST.copy()
        train[:, 1] = test[:, 1] = value
        for name, part in zip(("training", "test"), attempt(train, test), strict=True):
            part = expect.as_array(part)
            expect.true(
                bool(np.isfinite(part).all()),
                f"A feature that is {value:g} for every photo becomes {expect.brief(part[0, 1])} "
                f"in the {name} features.",
                "its standard deviation is 0: what could you divide by in its place?",
            )


# ---------------------------------------------------------------- 4. an interval for an accuracy


def _wilson(correct: int, n: int, z: float) -> tuple[float, float]:
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def _wald(correct: int, n: int, z: float) -> tuple[float, float]:
    p = correct / n
    half = z * np.sqrt(p * (1 - p) / n)
    return p - half, p + half


def _wilson_undivided(correct: int, n: int, z: float) -> tuple[float, float]:
    low, high = _wilson(correct, n, z)
    return low * (1 + z**2 / n), high * (1 + z**2 / n)


def _wilson_centre_and_half(correct: int, n: int, z: float) -> tuple[float, float]:
    low, high = _wilson(correct, n, z)
    return (low + high) / 2, (high - low) / 2


def _wilson_around_p(correct: int, n: int, z: float) -> tuple[float, float]:
    low, high = _wilson(correct, n, z)
    return correct / n - (high - low) / 2, correct / n + (high - low) / 2


def _wilson_without_root(correct: int, n: int, z: float) -> tuple[float, float]:
    low, high = _wilson(correct, n, z)
    scale = z / (1 + z**2 / n)
    centre, root = (low + high) / 2, (high - low) / 2 / scale
    return centre - scale * root**2, centre + scale * root**2


def _wilson_z_not_squared(correct: int, n: int, z: float) -> tuple[float, float]:
    p = correct / n
    centre = (p + z / (2 * n)) / (1 + z / n)
    half = z / (1 + z / n) * np.sqrt(p * (1 - p) / n + z / (4 * n**2))
    return centre - half, centre + half


@exercise(
    cases=[(63, 65, 1.96), (30, 40, 1.645), (10, 10, 1.96), (0, 12, 1.96)],
    rtol=1e-6,
    mistakes={
        "this is the simple interval p ± z √(p(1 − p)/n); for 10 of 10 it has no width at all.": _wald,
        "where is the division by 1 + z²/n?": _wilson_undivided,
        "these are the centre and the half width; return the two ends.": _wilson_centre_and_half,
        "the interval is not centred at p: look at the first fraction.": _wilson_around_p,
        "the square root is missing.": _wilson_without_root,
        "z is squared in three places.": _wilson_z_not_squared,
        "is z used? It is not always 1.96.": lambda correct, n, z: _wilson(correct, n, 1.96),
        "first the lower end, then the upper one.": lambda correct, n, z: _wilson(correct, n, z)[::-1],
        "the formula wants p as a share, not as a number of photos.": lambda correct, n, z: _wilson(
            correct, 1, z
        ),
        "this is the interval of the error; correct counts right answers.": lambda correct, n, z: _wilson(
            n - correct, n, z
        ),
    },
)
def wilson(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval (1927) of the probability of a right answer."""
    return _wilson(correct, n, z)


# ---------------------------------------------------------------- 5. k photos of each class


@exercise()
def few_per_class(y: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of k random examples of each class (all of a class that has fewer)."""
    classes = [np.flatnonzero(y == label) for label in np.unique(y)]
    return np.concatenate([rng.choice(members, min(k, len(members)), replace=False) for members in classes])


_LABELS = np.random.default_rng(4).permutation(np.repeat([0, 1, 2, 5], [9, 4, 12, 7]))


@few_per_class.property
def _counts(attempt: Callable) -> None:
    for k in (1, 3, 6):
        what = f"few_per_class(y, {k}, rng)"
        found = attempt(_LABELS.copy(), k, np.random.default_rng(0))
        expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
        found = expect.as_array(found)
        expect.true(
            found.ndim == 1 and found.dtype.kind in "iu",
            f"{what}: expected one list of integers, found {expect.brief(found)}.",
            "np.concatenate puts the indices of all classes into one array.",
        )
        expect.true(
            bool(found.size and found.min() >= 0 and found.max() < len(_LABELS)),
            f"{what}: some indices are not those of an example.",
            "indices go from 0 to len(y) - 1.",
        )
        expect.true(
            len(np.unique(found)) == len(found),
            f"{what} takes an example twice.",
            "draw without replacement.",
        )
        _expect_counts(found, k, what)


def _expect_counts(found: np.ndarray, k: int, what: str) -> None:
    labels, sizes = np.unique(_LABELS, return_counts=True)
    for label, size in zip(labels, sizes, strict=True):
        count = int(np.sum(_LABELS[found] == label))
        expected = min(k, int(size))
        if count == expected:
            continue
        if len(found) == k:
            hint = "these are k examples in all; take k of each class."
        elif set(found.tolist()) <= set(labels.tolist()):
            hint = "these are labels; return the positions of the examples in y."
        elif count == 0:
            hint = "the labels can be any integers: which ones are there?"
        elif size < k:
            hint = "a class with fewer than k examples gives all that it has."
        else:
            hint = "draw from each class by itself: np.flatnonzero(y == label) are its positions."
        raise expect.WrongError(
            f"{what}: class {label} comes {count} times, expected {expected} of its {size}.", hint
        )


@few_per_class.property
def _draws_are_random(attempt: Callable) -> None:
    draws = [
        set(np.asarray(attempt(_LABELS.copy(), 3, np.random.default_rng(seed))).tolist())
        for seed in range(12)
    ]
    expect.true(
        len({frozenset(draw) for draw in draws}) > 1,
        "With other seeds the same examples are drawn.",
        "take random members of each class, not the first ones.",
    )
    again = set(np.asarray(attempt(_LABELS.copy(), 3, np.random.default_rng(0))).tolist())
    expect.true(
        again == draws[0],
        "With the same seed other examples are drawn.",
        "take the random numbers from rng, not from np.random.",
    )
    missing = set(range(len(_LABELS))) - set.union(*draws)
    expect.true(
        len(missing) < 4,
        f"In 12 draws {len(missing)} of {len(_LABELS)} examples never come.",
        "every member of a class has the same chance.",
    )


# ---------------------------------------------------------------- 6. augmentation


_SIDE = 41  # odd: the test pictures have a middle


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns, counted from the middle."""
    return np.mgrid[:_SIDE, :_SIDE] - _SIDE // 2


def _picture(dark: np.ndarray) -> np.ndarray:
    """Return a white RGB picture that is black where ``dark`` is true."""
    return np.repeat(np.where(dark, 0.0, 255.0)[..., None], 3, axis=-1).astype(np.float32)


def _batch(picture: np.ndarray, n: int = 48) -> np.ndarray:
    return np.repeat(picture[None], n, axis=0)


@exercise(seconds=KERAS_SECONDS)
def augmentation() -> Any:
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
def _augments_in_training_only(attempt: Callable) -> None:
    layer = attempt()
    expect.true(layer is not None, "augmentation() returns None.", "is the return statement missing?")
    expect.true(
        callable(layer) and hasattr(layer, "get_config"),
        f"augmentation() should return a Keras model or layer, it returns {expect.brief(layer)}.",
        "keras.Sequential makes one layer of a list of layers.",
    )
    images = np.random.default_rng(5).uniform(0, 255, size=(6, _SIDE, _SIDE, 3)).astype(np.float32)
    expect.close(
        layer(images, training=False),
        images,
        "augmentation()(images, training=False)",
        "outside of training the images stay as they are.",
        atol=1e-3,
    )
    first, second = (expect.as_array(layer(images, training=True)) for _ in range(2))
    expect.true(
        first.shape == images.shape,
        f"Images of shape {images.shape} become {first.shape}.",
        "an augmented image has the size of the image.",
    )
    expect.true(
        not np.allclose(first, images, atol=1e-3), "In training nothing changes.", "is the list empty?"
    )
    expect.true(
        not np.allclose(first, second, atol=1e-3),
        "Two calls give the same images.",
        "each epoch should see new ones: make the random layers once, without a fixed result.",
    )
    expect.true(
        first.min() > -1 and first.max() < 256,
        f"Values from 0 to 255 become values from {first.min():.4g} to {first.max():.4g}.",
        "no layer here should rescale the images.",
    )


@augmentation.property
def _white_stays_white(attempt: Callable) -> None:
    found = expect.as_array(attempt()(_batch(_picture(np.zeros((_SIDE, _SIDE), bool))), training=True))
    expect.true(
        found.min() > 250,
        f"A white image gets pixels of {found.min():.3g} in its corners or at its edges.",
        "what comes from outside of the image? See fill_mode of the layers that turn and zoom.",
    )


@augmentation.property
def _up_stays_up(attempt: Callable) -> None:
    rows, _ = _grid()
    found = expect.as_array(attempt()(_batch(_picture(rows < 0), 96), training=True))[..., 0]
    above, below = found[:, : _SIDE // 2].mean(axis=(1, 2)), found[:, _SIDE // 2 :].mean(axis=(1, 2))
    expect.true(
        bool(np.all(above + 20 < below)),
        "Some images come out upside down or lying on their side.",
        "no vertical flips; and the factor of RandomRotation is a part of a full turn: "
        "0.05 is 18 degrees, 0.5 is half a turn.",
    )


@augmentation.property
def _flips(attempt: Callable) -> None:
    _, columns = _grid()
    found = expect.as_array(attempt()(_batch(_picture(columns < 0), 96), training=True))[..., 0]
    left, right = found[:, :, : _SIDE // 2].mean(axis=(1, 2)), found[:, :, _SIDE // 2 :].mean(axis=(1, 2))
    share = float(np.mean(left > right))
    expect.true(
        0.25 < share < 0.75,
        f"{share:.0%} of the images are exchanged left to right, expected about half.",
        'RandomFlip("horizontal") does that.',
    )


@augmentation.property
def _turns_and_zooms(attempt: Callable) -> None:
    layer = attempt()
    rows, columns = _grid()
    bar = (np.abs(columns) <= 2) & (np.abs(rows) <= 12)
    dark = 255 - expect.as_array(layer(_batch(_picture(bar)), training=True))[..., 0]
    angles = np.degrees([_tilt(image) for image in dark])
    expect.true(
        np.abs(angles).max() > 10,
        f"A vertical bar is turned by at most {np.abs(angles).max():.0f} degrees.",
        "is a layer for turning there, and is its factor large enough?",
    )
    expect.true(
        np.abs(angles).max() < 25,
        f"A vertical bar is turned by up to {np.abs(angles).max():.0f} degrees, expected up to 18.",
        "the factor of RandomRotation is a part of a full turn.",
    )
    disc = rows**2 + columns**2 <= 10**2
    dark = 255 - expect.as_array(layer(_batch(_picture(disc)), training=True))[..., 0]
    size = np.sqrt(dark.sum(axis=(1, 2)) / (255 * disc.sum()))
    expect.true(
        size.max() - size.min() > 0.08,
        f"A disc has between {size.min():.2f} and {size.max():.2f} times its diameter: nothing zooms.",
        "which layer makes the things in the image larger or smaller?",
    )
    expect.true(
        size.min() < 0.95 and size.max() > 1.05,
        f"A disc has between {size.min():.2f} and {size.max():.2f} times its diameter.",
        "zoom in and out: what do negative and positive factors mean?",
    )
    expect.true(
        size.min() > 0.75 and size.max() < 1.3,
        f"A disc has between {size.min():.2f} and {size.max():.2f} times its diameter.",
        "up to 15 % is enough.",
    )


def _tilt(dark: np.ndarray) -> float:
    """Return the angle between the vertical and the longest axis of a dark bar."""
    rows, columns = _grid()
    weight = dark / dark.sum()
    rows, columns = rows - (weight * rows).sum(), columns - (weight * columns).sum()
    return 0.5 * np.arctan2(
        2 * (weight * rows * columns).sum(), (weight * rows**2).sum() - (weight * columns**2).sum()
    )


# ---------------------------------------------------------------- 7. fine-tuning


@exercise(seconds=KERAS_SECONDS)
def fine_tunable(model: Any, prefixes: tuple[str, ...]) -> Any:
    """Let only the layers with these beginnings of their names train, and no BatchNormalization."""
    import keras

    model.trainable = True
    for layer in model.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer.name.startswith(tuple(prefixes)) and not normalises
    return model


_BLOCKS = ("stem", "block_01", "block_14", "block_15", "head")
_PREFIXES = ("block_15", "head")


def _network() -> Any:
    """Return a small network whose layers have names as those of EfficientNet-Lite0."""
    import keras

    inputs = x = keras.Input((6, 6, 3), name="image")
    for block in _BLOCKS:
        x = keras.layers.Conv2D(4, 1, use_bias=False, name=f"{block}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{block}_bn")(x)
        x = keras.layers.ReLU(name=f"{block}_relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(inputs, outputs)


def _tuned(attempt: Callable, model: Any) -> Any:
    """Call the student's function and return the model, after what concerns its return value."""
    import keras

    found = attempt(model, _PREFIXES)
    expect.true(
        found is not None, "fine_tunable(model, prefixes) returns None.", "is the return statement missing?"
    )
    expect.true(
        isinstance(found, keras.Model),
        f"fine_tunable(model, prefixes) should return the model, it returns {expect.brief(found)}.",
    )
    return found


def _names(layers: list) -> set[str]:
    return {layer.name for layer in layers if layer.weights and layer.trainable}


@fine_tunable.property
def _the_right_layers_train(attempt: Callable) -> None:
    model = _tuned(attempt, _network())
    found = _names(model.layers)
    expected = {"block_15_conv", "head_conv"}
    normalising = {layer.name for layer in model.layers if layer.name.endswith("_bn")}
    every = {layer.name for layer in model.layers if layer.weights}
    others = {name for name in every if not name.startswith(_PREFIXES)}
    matching = {
        "all layers still train: set layer.trainable, layer by layer.": found == every,
        "no layer trains: which ones should?": not found,
        "the layers that should train are frozen, and the others train.": bool(found) and found <= others,
        "the BatchNormalization layers train too; a few photos cannot replace their statistics.": found
        == {"block_15_conv", "block_15_bn", "head_conv", "head_bn"},
        "there are several prefixes; str.startswith takes a tuple.": len(found & expected) == 1,
        "only the BatchNormalization layers are frozen.": found == every - normalising,
        "a frozen layer has trainable = False: also those whose name begins differently.": found > expected,
    }
    expect.true(
        found == expected,
        f"Trainable are {', '.join(sorted(found)) or 'no layers'}; expected {', '.join(sorted(expected))}.",
        next((hint for hint, applies in matching.items() if applies), ""),
    )


@fine_tunable.property
def _the_model_gives_them_to_the_optimiser(attempt: Callable) -> None:
    model = _tuned(attempt, _network())
    expect.true(
        len(model.trainable_weights) == 2,
        f"The layers are right, but model.trainable_weights has {len(model.trainable_weights)} arrays, "
        "expected 2.",
        "a model with trainable = False trains nothing, whatever its layers say.",
    )


@fine_tunable.property
def _statistics_do_not_move(attempt: Callable) -> None:
    model = _tuned(attempt, _network())
    before = model.get_weights()
    model(np.random.default_rng(6).normal(size=(4, 6, 6, 3)).astype("float32"), training=True)
    same = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    expect.true(
        same, "A pass in training mode moves the statistics of BatchNorm.", "freeze those layers too."
    )


@fine_tunable.property
def _from_a_frozen_model(attempt: Callable) -> None:
    frozen = _network()
    frozen.trainable = False
    model = _tuned(attempt, frozen)
    expect.true(
        _names(model.layers) == {"block_15_conv", "head_conv"} and len(model.trainable_weights) == 2,
        "If the model was frozen as a whole before, it is not trainable afterwards.",
        "set model.trainable = True first: it goes down to every layer.",
    )


# ---------------------------------------------------------------- 8. Grad-CAM


def _classifier(*, rectified: bool = False) -> Any:
    """Return a small network from an image to [feature maps, scores].

    Its head is not linear, so the gradient differs from place to place. With ``rectified`` it is linear,
    the maps are positive and class 0 has negative weights only: the map of class 0 is all zero.
    """
    import keras

    inputs = keras.Input((12, 10, 3))
    activation = "relu" if rectified else None
    maps = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation=activation)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(maps)
    if not rectified:
        x = keras.layers.Dense(5, activation="tanh")(keras.layers.Flatten()(maps))
    scores = keras.layers.Dense(3)(x)
    model = keras.Model(inputs, [maps, scores])
    rng = np.random.default_rng(7)
    for layer in model.layers:
        _set_random(layer, rng)
    if rectified:
        head = model.layers[-1]
        kernel, bias = head.get_weights()
        kernel[:, 0] = -np.abs(kernel[:, 0])
        head.set_weights([kernel, bias])
    return model


def _maps_and_gradient(model: Any, image: np.ndarray, score: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Return the feature maps (h, w, K) and the gradient of ``score(scores)`` with respect to them."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        maps, scores = model(image[None])
        target = score(scores[0])
    return maps[0].numpy(), tape.gradient(target, maps)[0].numpy()


def _unit(heat: np.ndarray) -> np.ndarray:
    return heat / heat.max() if heat.max() > 0 else heat


@exercise(seconds=KERAS_SECONDS)
def grad_cam(model: Any, image: np.ndarray, c: int) -> np.ndarray:
    """Return the Grad-CAM map (h, w) of class ``c``, from 0 to 1 (Selvaraju et al., 2017)."""
    maps, gradient = _maps_and_gradient(model, image, lambda scores: scores[c])
    return _unit(np.maximum(0, maps @ gradient.mean(axis=(0, 1))))


_IMAGE = np.random.default_rng(8).normal(size=(12, 10, 3)).astype(np.float32)


def _cam_mistakes(model: Any, c: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return what students get with the likely mistakes, by hint."""
    import tensorflow as tf

    maps, gradient = _maps_and_gradient(model, _IMAGE, lambda scores: scores[c])
    softmax = _maps_and_gradient(model, _IMAGE, lambda scores: tf.nn.softmax(scores)[c])[1]
    largest = _maps_and_gradient(model, _IMAGE, tf.reduce_max)[1]
    summed = _maps_and_gradient(model, _IMAGE, tf.reduce_sum)[1]
    alpha = gradient.mean(axis=(0, 1))

    def cam(alpha: np.ndarray) -> np.ndarray:
        return _unit(np.maximum(0, maps @ alpha))

    return {
        "the map has negative values: where is the ReLU?": lambda: (maps @ alpha) / (maps @ alpha).max(),
        "the largest value should be 1, or all are 0: divide by the maximum.": lambda: np.maximum(
            0, maps @ alpha
        ),
        "neither ReLU nor the division by the maximum is there yet.": lambda: maps @ alpha,
        "this takes the absolute value; the ReLU sets negative values to 0.": lambda: _unit(
            np.abs(maps @ alpha)
        ),
        "the gradient is multiplied place by place; first take its mean over the places, one number a map.": (
            lambda: _unit(np.maximum(0, (maps * gradient).sum(axis=-1)))
        ),
        "the ReLU comes after the sum over the maps, not on the weights.": lambda: cam(np.maximum(0, alpha)),
        "this is the sum of the maps: where are the weights?": lambda: cam(np.ones_like(alpha)),
        "these are the weights of the gradient alone: where are the maps?": lambda: _unit(
            np.maximum(0, gradient.sum(axis=-1))
        ),
        "this is the gradient of the probability; take the score before the softmax.": lambda: cam(
            softmax.mean(axis=(0, 1))
        ),
        "this is the map of the class with the largest score, not of class c.": lambda: cam(
            largest.mean(axis=(0, 1))
        ),
        "this is the gradient of all scores together; take that of class c.": lambda: cam(
            summed.mean(axis=(0, 1))
        ),
        "rows and columns have changed places.": lambda: cam(alpha).T,
        "an axis of length 1 is left: the batch.": lambda: cam(alpha)[None],
    }


@grad_cam.property
def _agrees_with_the_gradient(attempt: Callable) -> None:
    model = _classifier()
    scores = expect.as_array(model(_IMAGE[None])[1])[0]
    for c in np.argsort(scores)[:2]:  # not the class that the network would answer
        c = int(c)
        found = attempt(model, _IMAGE.copy(), c)
        what = f"grad_cam(model, image, {c})"
        _expect_array(found, what)
        expected = grad_cam.reference(model, _IMAGE, c)
        if not expect.same(found, expected, rtol=1e-3, atol=1e-3):  # a small number added to the maximum
            _expect_close(found, expected, what, _cam_mistakes(model, c), atol=1e-4)


@grad_cam.property
def _of_a_class_that_nothing_speaks_for(attempt: Callable) -> None:
    found = expect.as_array(attempt(_classifier(rectified=True), _IMAGE.copy(), 0))
    expect.true(
        bool(np.isfinite(found).all()),
        "If no place speaks for the class the map is not a number.",
        "then the maximum is 0, and there is nothing to divide by.",
    )
    expect.close(found, np.zeros((6, 5)), "grad_cam where no place speaks for the class", atol=1e-6)


@grad_cam.property
def _the_smallest_value_stays(attempt: Callable) -> None:
    model = _classifier(rectified=True)
    for layer, part in ((model.layers[1], 1), (model.layers[-1], 0)):  # all biases and weights speak for it
        weights = layer.get_weights()
        weights[part] = np.abs(weights[part])
        layer.set_weights(weights)
    expect.close(
        expect.as_array(attempt(model, np.zeros_like(_IMAGE), 1)),
        np.ones((6, 5)),
        "grad_cam where all places speak alike for the class",
        "divide by the largest value; the smallest one need not become 0.",
        atol=1e-3,
    )
