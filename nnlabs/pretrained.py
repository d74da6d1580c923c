"""Networks that were trained on ImageNet, for transfer learning.

:func:`efficientnet_lite0` needs no network: its weights ship with the course. :func:`backbone`
returns it or any model of ``keras.applications`` without the classifier; Keras downloads the
weights of the latter once, into its own cache (``~/.keras``).
"""

from __future__ import annotations

import difflib
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from nnlabs import data

if TYPE_CHECKING:
    import keras

MIN_SIZE = 32  # the network halves height and width five times
DEMO_PHOTOS = ("chelsea", "coffee", "rocket")  # scikit-image's names: a cat, an espresso, a rocket

_WEIGHTS = "efficientnet_lite0_imagenet_f16.npz"
_STAGES = (  # expansion, channels, blocks, kernel, stride of the first block
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


# ---------------------------------------------------------------- EfficientNet-Lite0


def efficientnet_lite0(
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    weights: Literal["imagenet"] | None = "imagenet",
) -> keras.Model:
    """Build EfficientNet-Lite0 (Tan & Le, 2019, arXiv:1905.11946), trained on ImageNet at 224×224.

    *Lite* means without squeeze-and-excitation and with ReLU6, for small devices. Its layers are
    named ``stem_*``, ``block_00_*`` to ``block_15_*``, ``head_*`` and, at the top, ``pool``,
    ``logits`` and ``probabilities``. The last convolution's feature maps are the output of
    ``head_relu``.

    It maps images, as :func:`preprocess` returns them, to the probabilities of 1000 classes or, without the
    top, to feature maps of shape ``(n, height / 32, width / 32, 1280)``, rounded up. Height and width are 32
    or more, or None for one that varies; ``weights`` None are random ones.

    To fine-tune its last blocks, keep the BatchNormalization layers as they are: their means and variances
    are those of a million photographs, which a few cannot replace.
    """
    import keras

    shape = _checked(input_shape)
    if weights not in ("imagenet", None):
        raise ValueError(f'weights must be "imagenet" or None, not {weights!r}.')
    inputs = keras.Input(shape, name="image")
    x = _convolution(inputs, "stem", channels=32, kernel=3, stride=2)
    number = 0
    for expansion, channels, blocks, kernel, stride in _STAGES:
        for repeat in range(blocks):
            name = f"block_{number:02}"
            x = _block(x, name, expansion, channels, kernel, stride if repeat == 0 else 1)
            number += 1
    x = _convolution(x, "head", channels=1280, kernel=1)
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dense(1000, name="logits")(x)
        x = keras.layers.Softmax(name="probabilities")(x)
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    if weights == "imagenet":
        _load(model)
    return model


def _checked(input_shape: tuple[int | None, int | None, int]) -> tuple[int | None, int | None, int]:
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"input_shape must be (height, width, 3), for colour images; found {shape}.")
    if any(size is not None and size < MIN_SIZE for size in shape[:2]):
        raise ValueError(
            f"Images must be at least {MIN_SIZE}×{MIN_SIZE} pixels; found input_shape={shape}. "
            "Enlarge them first, for example with keras.layers.Resizing."
        )
    return shape


def _convolution(
    x: keras.KerasTensor, name: str, channels: int, kernel: int, stride: int = 1, *, relu: bool = True
) -> keras.KerasTensor:
    """Append a convolution with batch normalisation and, unless it is a projection, ReLU6."""
    from keras import layers

    x = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _normalise(x, name, relu=relu)


def _normalise(x: keras.KerasTensor, name: str, *, relu: bool = True) -> keras.KerasTensor:
    from keras import layers

    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(max_value=6, name=f"{name}_relu")(x) if relu else x


def _block(
    x: keras.KerasTensor, name: str, expansion: int, channels: int, kernel: int, stride: int
) -> keras.KerasTensor:
    """Append an inverted residual block (Sandler et al., 2018, arXiv:1801.04381)."""
    from keras import layers

    start = x
    if expansion > 1:
        x = _convolution(x, f"{name}_expand", expansion * x.shape[-1], kernel=1)
    depthwise = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )
    x = _normalise(depthwise(x), f"{name}_depthwise")
    x = _convolution(x, f"{name}_project", channels, kernel=1, relu=False)
    if stride == 1 and start.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([start, x])
    return x


def _load(model: keras.Model) -> None:
    """Put the weights that ship, in the model's order but in PyTorch's layouts, into the Keras model."""
    values = []
    for weight, array in zip(model.weights, data.arrays(_WEIGHTS).values(), strict=False):  # or without a top
        if array.ndim == 4:  # (out, in, height, width); depthwise: (channels, 1, ...)
            array = array.transpose((2, 3, 0, 1) if "depthwise" in weight.path else (2, 3, 1, 0))
        values.append(array.T if array.ndim == 2 else array)
    model.set_weights([value.astype(np.float32) for value in values])


# ---------------------------------------------------------------- what goes in and comes out


def preprocess(images: np.ndarray) -> np.ndarray:
    """Scale images as EfficientNet-Lite0 was trained: ``(x - 127) / 128``, ``float32`` between -1 and 1.

    ``images`` are RGB values from 0 to 255, integer or float, of shape ``(n, height, width, 3)``. As a layer
    of a model, this is ``keras.layers.Rescaling(1 / 128, offset=-127 / 128)``.
    """
    return (_colour_images(images) - 127) / 128


def _colour_images(images: np.ndarray) -> np.ndarray:
    """Return a fresh ``float32`` array, so that the caller's own images are never written to."""
    images = np.array(images, dtype=np.float32)
    if images.ndim != 4 or images.shape[-1] != 3:
        hint = " A single image is a batch of one: image[np.newaxis]." if images.ndim == 3 else ""
        raise ValueError(f"Images must have the shape (n, height, width, 3); found {images.shape}.{hint}")
    return images


def class_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes; number ``i`` is that of output ``i``."""
    return tuple(data.read("imagenet_classes.txt").decode().splitlines())


def decode(probabilities: np.ndarray, top: int = 5) -> list[list[tuple[int, str, float]]]:
    """Name the ``top`` most probable of ImageNet's classes: ``(index, name, probability)``, the best first.

    ``probabilities`` is the output of a network with its top, shape ``(n, 1000)``; each image has its list.
    """
    rows = np.asarray(probabilities)
    names = class_names()
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise ValueError(f"Probabilities must have the shape (n, {len(names)}); found {rows.shape}.")
    best = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    return [
        [(int(i), names[i], float(row[i])) for i in indices] for row, indices in zip(rows, best, strict=True)
    ]


def demo_photos(size: int = 224) -> dict[str, np.ndarray]:
    """Three photographs that ship, of things that ImageNet has a class for, ``uint8`` RGB of ``size``².

    They have scikit-image's names: ``"chelsea"`` (a cat), ``"coffee"`` and ``"rocket"``.
    """
    from PIL import Image

    photos = {}
    for name in DEMO_PHOTOS:
        photo = Image.open(io.BytesIO(data.read(f"demo/{name}.jpeg")))
        photos[name] = np.array(photo.resize((size, size), Image.Resampling.BILINEAR))
    return photos


# ---------------------------------------------------------------- any backbone by name


def backbone(
    name: str, input_shape: tuple[int | None, int | None, int] = (224, 224, 3)
) -> tuple[keras.Model, Callable[[np.ndarray], np.ndarray]]:
    """Return a network without its classifier, and the function that prepares images for it.

    ``name`` is ``"efficientnet_lite0"``, which ships with the course, or a model of ``keras.applications``
    such as ``"MobileNetV2"``, which is downloaded once. The function takes ``uint8`` or float RGB of 0 to
    255, shape ``(n, height, width, 3)``, to the ``float32`` that the model takes.
    """
    if name == "efficientnet_lite0":
        return efficientnet_lite0(include_top=False, input_shape=input_shape), preprocess
    build, prepare = _application(name)
    shape = _checked(input_shape)
    refused = None
    with data._downloading(name, instead='pretrained.backbone("efficientnet_lite0")'):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MobileNet warns of every size but five
                model = build(weights="imagenet", include_top=False, input_shape=shape)
        except ValueError as error:
            if "input_shape" not in str(error):  # a damaged download
                raise
            refused = str(error)
    if refused:
        raise ValueError(f"{name}: {refused}")
    return model, lambda images: prepare(_colour_images(images))


def _application(name: str) -> tuple[Callable[..., keras.Model], Callable[[np.ndarray], np.ndarray]]:
    """Return what builds a model of ``keras.applications``, and its own ``preprocess_input``."""
    from keras import applications

    builders = {key: value for key, value in vars(applications).items() if key[0].isupper()}
    if name not in builders:
        names = {known.lower(): known for known in ("efficientnet_lite0", *builders)}
        near = [names[match] for match in difflib.get_close_matches(str(name).lower(), names, n=4)]
        hint = "The nearest names" if near else "The names"
        raise ValueError(f"There is no backbone named {name!r}. {hint}: {', '.join(near or names.values())}.")
    family = builders[name].__module__.rpartition(".")[2]
    return builders[name], getattr(applications, family).preprocess_input
