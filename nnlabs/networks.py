"""Networks that lessons of this course have trained, for other lessons and for a reader in a hurry.

Their weights ship in ``data/networks/``. ``python -m data.rebuild NAME`` trains them again, by
executing the lesson that says in its header which of its networks it gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nnlabs import data

if TYPE_CHECKING:
    import keras


def lenet() -> keras.Model:
    """Return lesson 06's LeNet, trained on the 60,000 training images of MNIST.

    It is the judge of generated digits: trained on real ones, it says which digit it sees. It maps images of
    shape ``(n, 28, 28, 1)``, ``float32`` from 0 (background) to 1 (ink), to probabilities of shape
    ``(n, 10)``. Its layers are named as in the lesson; ``F6`` gives 84 features.
    """
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.ZeroPadding2D(2, name="input"),
            layers.Conv2D(6, 5, name="C1", activation="relu"),
            layers.MaxPooling2D(2, name="S2"),
            layers.Conv2D(16, 5, name="C3", activation="relu"),
            layers.MaxPooling2D(2, name="S4"),
            layers.Conv2D(120, 5, name="C5", activation="relu"),
            layers.Flatten(name="flatten"),
            layers.Dense(84, name="F6", activation="relu"),
            layers.Dense(10, activation="softmax", name="output"),
        ],
        name="lenet",
    )
    load_weights(model, "networks/lenet.npz")
    return model


def _normals(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(n, 16))


def gan(
    normals: Callable[[int, np.random.Generator], np.ndarray] = _normals,
) -> Callable[[int, np.random.Generator], np.ndarray]:
    """Return lesson 11's generator, trained: ``draw(n, rng)`` gives n digits, shape ``(n, 28, 28, 1)``.

    Its input is 16 numbers, ``normals(n, rng)`` of shape ``(n, 16)``, and one of ten categories, as a vector
    with one 4.
    """
    import keras
    from keras import layers

    kernel = {"kernel_size": 4, "strides": 2, "padding": "same"}
    model = keras.Sequential(
        [
            keras.Input((26,)),
            layers.Dense(7 * 7 * 32, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(16, use_bias=False, **kernel),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, activation="sigmoid", **kernel),
        ]
    )

    def codes(n: int, rng: np.random.Generator) -> np.ndarray:
        kinds = 4.0 * np.eye(10)[rng.integers(10, size=n)]
        return np.concatenate([normals(n, rng), kinds], axis=1)

    return _generator(model, "networks/gan.npz", codes)


def vae() -> Callable[[int, np.random.Generator], np.ndarray]:
    """Return lesson 10's decoder, trained: ``draw(n, rng)`` gives n digits, shape ``(n, 28, 28, 1)``.

    They are decoded from draws of the prior and are means of p(x|z), probabilities of white.
    """
    from keras import Input, Sequential, layers

    hidden, pixels = layers.Dense(400, activation="relu"), layers.Dense(784, activation="sigmoid")
    model = Sequential([Input((16,)), hidden, pixels, layers.Reshape((28, 28, 1))])
    return _generator(model, "networks/vae.npz", _normals)


def _generator(model: keras.Model, file: str, codes: Callable) -> Callable:
    load_weights(model, file)
    return lambda n, rng: model.predict(codes(n, rng).astype("float32"), batch_size=500, verbose=0)


def detector() -> keras.Model:
    """Return lesson 08's detector, trained on cluttered scenes: (n, 64, 64, 1) to (n, 8, 8, 15), as there."""
    from keras import Input, Sequential, layers

    model = Sequential([Input((64, 64, 1))])
    for filters, size, strides in ((16, 5, 2), (32, 3, 2), (64, 3, 1), (64, 3, 2), (96, 3, 1), (96, 3, 1)):
        model.add(layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
    model.add(layers.Conv2D(15, 1))
    load_weights(model, "networks/detector.npz")
    return model


def load_weights(model: keras.Model, file: str) -> None:
    """Put weights that ship, such as ``"networks/gan.npz"``, into a model of the same form.

    The model's weights have the shapes of the file's arrays, in the order of ``model.weights``; a model of
    another form is refused, and left unchanged.
    """
    if file not in data.checksums():
        known = ", ".join(name for name in data.checksums() if name.startswith("networks"))
        raise ValueError(f"There is no trained network {file!r}. There are: {known}.")
    arrays = list(data.arrays(file).values())
    for i, (weight, array) in enumerate(zip(model.weights, arrays, strict=False)):
        if tuple(weight.shape) != array.shape:
            raise ValueError(
                f"The weights of {file!r} do not fit this model: number {i}, {weight.path}, has the shape "
                f"{tuple(weight.shape)}, in the file {array.shape}. Build the model as the lesson does."
            )
    if len(model.weights) != len(arrays):
        raise ValueError(
            f"The weights of {file!r} do not fit this model: it has {len(model.weights)} arrays, the file "
            f"{len(arrays)}. Build the model as the lesson does."
        )
    model.set_weights(arrays)
