"""Checks of lab 05: a general convolution layer and its way back, pooling, a small CNN.

Images have Keras's order of axes, (batch, height, width, channels), and the kernels of a layer have
the shape (rows, columns, channels, filters). Keras is loaded only by the last exercise.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

NO_LOOP = "does a Python loop run over the pixels? One over the few places of the kernel is all right."


def _numbers(*shapes):
    """Return random arrays with a few digits, none of them 0."""
    rng = np.random.default_rng(1)
    return tuple(rng.integers(1, 30, size=shape) * rng.choice([-0.1, 0.1], size=shape) for shape in shapes)


def _image(*shape):
    """Return small whole numbers: the results can be computed by hand."""
    return np.resize([1.0, 2, 0, 4, 3, -1, 5, 2, 1, 0, 6, 3], shape)


# ---------------------------------------------------------------- 1. the size of the output


@exercise(
    cases=[
        (20, 4, 6, 4, 1, 3),
        (12, 3, 4, 1, 2, 2),
        (227, 11, 0, 3, 4, 1),
        (10, 4, 0, 1, 3, 3),
        (9, 1, 0, 0, 3, 5),
    ],
    mistakes={
        "the zeros after the image are not used.": " + after -> ",
        "the zeros before the image are not used.": "before + h -> h",
        "each side has its own number of zeros.": "after - (d -> before - (d",
        "the dilation is not used.": "dilation * (f - 1) + 1 -> f",
        "a dilated kernel has f - 1 gaps, not f: where does its last weight stand?": "* (f - 1) + 1 -> * f",
        "count the pixels from the first weight to the last, both included.": "(f - 1) + 1 -> (f - 1)",
        "a dilation of d puts d - 1 pixels between two weights, not d.": "(dilation * -> ((dilation + 1) *",
        "this counts the steps between the places; how many places are there?": (
            " // stride + 1 ->  // stride"
        ),
        "a place where the kernel does not fit is dropped: which way is it rounded?": (
            "(before -> (stride - 1 + before"
        ),
        "half a place is no place: return an integer.": "// stride -> / stride",
        "the stride is not used.": " // stride -> ",
        "the whole difference is divided by the stride: are there brackets?": (
            "(before + h + after - (dilation * (f - 1) + 1)) -> before + h + after - (dilation * (f - 1) + 1)"
        ),
    },
)
def output_size(h, f, before, after, stride, dilation):
    """Return at how many places the kernel fits."""
    return (before + h + after - (dilation * (f - 1) + 1)) // stride + 1


@output_size.property
def _is_an_integer(output_size):
    found = output_size(6, 3, 0, 0, 1, 1)
    expect.true(
        expect.as_array(found).dtype.kind in "iu",
        f"output_size(6, 3, 0, 0, 1, 1): expected an integer, found {expect.brief(found)}.",
        "a shape is made of integers; // divides integers and rounds down.",
    )


# ---------------------------------------------------------------- 2. which pixels a neuron sees


@exercise(
    cases=[
        ([(3, 2, 1)], 5),
        ([(3, 1, 0), (5, 1, 0)], 2),
        ([(3, 1, 1), (2, 2, 0), (3, 2, 1)], 4),
        ([(7, 2, 3), (3, 2, 1), (1, 1, 0)], 0),
        ([(4, 3, 2), (1, 2, 0), (5, 1, 2)], 7),
    ],
    mistakes={
        "from which end of the list do you start? Place j belongs to the last layer.": (
            "reversed(layers) -> layers"
        ),
        "the padding p is not used.": "s - p -> s",
        "zeros before the axis move the kernel to the left: look at the sign of p.": "s - p -> s + p",
        "the last pixel is counted too: a kernel of 1 sees one pixel.": "p + f - 1 -> p + f",
        "the kernel begins at its place; here its middle stands there.": "- p -> - p - f // 2",
        "the stride is not used.": " * s -> ",
        "the stride moves the last pixel as well.": "last * s -> last",
        "the stride moves the first pixel as well.": "first * s -> first",
        "do not cut off the zeros: a pixel may be negative.": (
            "return first, last -> return max(first, 0), last"
        ),
        "the second number is the last pixel, not how many there are.": (
            "return first, last -> return first, last - first + 1"
        ),
        "each layer widens what the layer above it saw.": "last * s - p + f -> first * s - p + f",
    },
)
def seen(layers, j):
    """Return the first and the last pixel that place ``j`` of the last layer sees."""
    first = last = j
    for f, s, p in reversed(layers):
        first, last = first * s - p, last * s - p + f - 1
    return first, last


# ---------------------------------------------------------------- 3. the convolution layer

NO_PADDING, ONE = ((0, 0), (0, 0)), (1, 1)


def _layer_case(images, kernels, stride, padding, dilation):
    return (*_numbers(images, kernels, kernels[-1:]), stride, padding, dilation)


@exercise(
    cases=[
        (_image(1, 3, 4, 1), _image(2, 2, 1, 2), np.array([0.5, -9.0]), ONE, NO_PADDING, ONE),
        _layer_case((2, 5, 6, 3), (2, 3, 3, 2), ONE, NO_PADDING, ONE),
        _layer_case((3, 7, 8, 2), (3, 2, 2, 2), (2, 3), NO_PADDING, ONE),
        _layer_case((1, 4, 5, 2), (3, 3, 2, 3), ONE, ((1, 0), (2, 3)), ONE),
        _layer_case((2, 7, 9, 1), (3, 2, 1, 2), ONE, NO_PADDING, (2, 4)),
        _layer_case((1, 9, 8, 2), (2, 3, 2, 1), (3, 2), ((0, 2), (1, 0)), (3, 2)),
        _layer_case((1, 6, 5, 4), (1, 1, 4, 1), ONE, NO_PADDING, (2, 2)),
    ],
    mistakes={
        "the bias is missing.": " + bias -> ",
        "the bias is added once for each channel; it comes after the sum.": "+ bias -> + bias * x.shape[-1]",
        "this is true convolution: the kernels are turned by 180 degrees. Keras does not turn them.": (
            "kernels, opt -> kernels[::-1, ::-1], opt"
        ),
        "rows and columns of the kernels are exchanged.": (
            "    a = ->     if f_h == f_w:\n        kernels = kernels.swapaxes(0, 1)\n    a ="
        ),
        "rows and columns of the images are exchanged in the output.": "return a -> return a.swapaxes(1, 2)",
        "the axes do not match: the windows have the channel before the patch, the kernels after it.": (
            'np.einsum("bijcmn,mncl->bijl", windows, kernels, optimize=True) '
            "-> np.tensordot(windows, kernels, axes=3)"
        ),
        "the results of the channels are not summed, or not before the bias is added.": "->bijl -> ->bijcl",
        "this is the mean over the channels; the formula has their sum.": "+ bias -> / x.shape[-1] + bias",
        "the axis of the filters comes first; Keras has it last.": "return a -> return np.moveaxis(a, -1, 0)",
        "there is an activation; stop at the sum plus bias.": "return a -> return np.maximum(0, a)",
        "the stride is not used.": "[:, :: stride[0], :: stride[1], -> [:, :, :,",
        "the first stride is used for both axes.": "stride[1] -> stride[0]",
        "the two strides have changed places.": ":: stride[0], :: stride[1] -> :: stride[1], :: stride[0]",
        "the padding is not used.": "np.pad(x, [(0, 0), *padding, (0, 0)]) -> x",
        "top and bottom were used for the columns, left and right for the rows.": (
            "*padding -> *padding[::-1]"
        ),
        "each side has its own number of zeros.": "*padding -> *[(a, a) for a, b in padding]",
        "the margin holds copies of the image's edge; it should hold zeros.": (
            "(0, 0)]) -> (0, 0)], mode='edge')"
        ),
        "the dilation is not used.": ["d * (f - 1) + 1 -> f", " :: dilation[0], :: dilation[1] ->  :, :"],
        "the first dilation is used for both axes.": (
            "    reach = ->     dilation = 2 * dilation[:1]\n    reach ="
        ),
        "the windows are cut too long: how many pixels lie between the first weight and the last?": (
            "(f - 1) + 1 -> f"
        ),
    },
)
def conv2d(x, kernels, bias, stride, padding, dilation):
    """Return the output of the layer, without activation."""
    x, (f_h, f_w) = np.pad(x, [(0, 0), *padding, (0, 0)]), kernels.shape[:2]
    reach = [d * (f - 1) + 1 for d, f in zip(dilation, (f_h, f_w), strict=True)]
    windows = sliding_window_view(x, reach, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    a = np.einsum("bijcmn,mncl->bijl", windows, kernels, optimize=True) + bias
    return a


@conv2d.property
def _convolves_without_loop(conv2d):
    def call(n):
        return conv2d(np.ones((2, n, n, 3)), np.ones((3, 2, 3, 2)), np.ones(2), ONE, NO_PADDING, ONE)

    expect.no_loop(call, "conv2d(x, kernels, bias, (1, 1), ...)", NO_LOOP)


# ---------------------------------------------------------------- 4. pooling between mean and maximum


def _after_relu(*shape):
    return np.maximum(0, *_numbers(shape))


@exercise(
    cases=[
        (np.maximum(0, _image(1, 3, 4, 1)), (2, 2), (1, 2)),
        (_after_relu(3, 4, 6, 2), (2, 3), (2, 3)),
        (_after_relu(2, 5, 8, 1), (3, 2), (1, 2)),
        (np.eye(6)[None, :, :, None] * 0.3, (2, 2), (2, 2)),  # most patches are zeros
        (np.arange(40.0).reshape(1, 5, 8, 1), (5, 8), (1, 1)),  # global
    ],
    mistakes={
        "this is the mean; strong values count more here.": (
            "return squares / safe -> return windows.mean((4, 5))"
        ),
        "this is the maximum.": "return squares / safe -> return windows.max((4, 5))",
        "this is the mean of the squares: by what are the probabilities divided?": (
            "/ safe -> / np.prod(size)"
        ),
        "this is the root of the mean of the squares.": "squares / safe -> (squares / np.prod(size)) ** 0.5",
        "the values are not squared: where is v in the sum of pi times v?": "squares / -> total /",
        "the square stands outside of the sum.": "squares / -> total**2 /",
        "a patch of zeros should give 0: is 0 divided by 0, or has np.divide no out?": "/ safe -> / total",
        "something is added to every sum: then a patch without zeros changes too.": (
            "/ safe -> / (total + 1e-3)"
        ),
        "the stride is not used.": "[:, :: stride[0], :: stride[1]] -> ",
        "the windows stand side by side; the stride can differ from their size.": ":: stride -> :: size",
        "the two strides have changed places.": ":: stride[0], :: stride[1] -> :: stride[1], :: stride[0]",
        "rows and columns of the patch have changed places.": "view(x, size -> view(x, size[::-1]",
        "the channels are pooled together; each channel stays by itself.": "axis=(4, 5) -> axis=(3, 4, 5)",
    },
)
def weighted_pool(x, size, stride):
    """Pool a batch (batch, h, w, c) over patches; each value weighs in proportion to itself."""
    windows = sliding_window_view(x, size, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    total, squares = windows.sum(axis=(4, 5)), (windows**2).sum(axis=(4, 5))
    safe = np.where(total > 0, total, 1)
    return squares / safe


@weighted_pool.property
def _pools_zeros_to_zero(weighted_pool):
    zeros = np.zeros((1, 8, 8, 1))
    for value in range(1, 9):  # np.divide leaves out[...] as the memory was: fill what will be used again
        used = [np.full((1, 4, 4, 1), float(value)) for _ in range(9)]
        del used
        found, hint = weighted_pool(zeros, (2, 2), (2, 2)), "with where, np.divide needs an out of zeros."
        expect.close(found, zeros[:, :4, :4], "the pooled values of an image of zeros", hint)


@weighted_pool.property
def _pools_without_loop(weighted_pool):
    def call(n):
        return weighted_pool(np.ones((2, n, n, 3)), (2, 2), ONE)

    expect.no_loop(call, "weighted_pool(x, (2, 2), (1, 1))", NO_LOOP)


# ---------------------------------------------------------------- 5. the way back through a layer


@exercise(
    cases=[
        (_image(1, 2, 3, 1), _image(2, 2, 1, 1), (1, 1), (3, 4)),
        (*_numbers((2, 3, 4, 2), (2, 3, 3, 2)), (1, 1), (4, 6)),
        (*_numbers((1, 3, 2, 3), (3, 2, 2, 3)), (2, 3), (7, 5)),
        (*_numbers((3, 2, 2, 1), (1, 2, 4, 1)), (3, 1), (6, 3)),  # two rows between, two at the end: unseen
        (*_numbers((1, 1, 1, 2), (3, 2, 1, 2)), (2, 2), (4, 3)),
    ],
    mistakes={
        "the kernel is turned: which weight has met the first pixel of a window?": (
            "[m, n].T -> [-1 - m, -1 - n].T"
        ),
        "a pixel is in several windows: the later one overwrites what the earlier ones gave.": "+= -> =",
        "the stride is not used.": ["m + s * rows, s -> m + rows", "n + t * columns, t -> n + columns"],
        "the first stride is used for both axes.": "= stride, -> = 2 * stride[:1],",
        "rows and columns of the kernel are exchanged.": (
            "    for m ->     if f_h == f_w:\n        kernels = kernels.swapaxes(0, 1)\n    for m"
        ),
        "this is the mean over the filters; a pixel collects from all of them.": (
            "return gradient -> return gradient / G.shape[-1]"
        ),
        "rows or columns that no window has seen are missing: what is the shape of the image?": (
            "return gradient -> return gradient[:, : s * (rows - 1) + f_h, : t * (columns - 1) + f_w]"
        ),
        "each image has its own gradient; here the batch is summed.": (
            "return gradient -> return gradient.sum(axis=0, keepdims=True)"
        ),
        "the channels are summed; each channel has its own weights.": (
            "return gradient -> return gradient.sum(axis=3, keepdims=True)"
        ),
        "only the first filter is used.": "G @ kernels[m, n].T -> G[..., :1] @ kernels[m, n, :, :1].T",
        "the first weight meets the first pixel of the window, not the one before it.": (
            "return gradient -> return np.roll(gradient, (-1, -1), axis=(1, 2))"
        ),
        "every window that sees a pixel gives it all of G: where are the weights?": (
            "[m, n].T -> [m, n].T ** 0"
        ),
    },
)
def image_gradient(G, kernels, stride, size):
    """Return the derivative of the loss by the image, from ``G``, the one by the layer's output."""
    (s, t), (rows, columns), (f_h, f_w) = stride, G.shape[1:3], kernels.shape[:2]
    gradient = np.zeros((len(G), *size, kernels.shape[2]))
    for m, n in np.ndindex(f_h, f_w):
        down, right = slice(m, m + s * rows, s), slice(n, n + t * columns, t)
        gradient[:, down, right] += G @ kernels[m, n].T
    return gradient


@image_gradient.property
def _goes_back_without_loop(image_gradient):
    def call(n):
        return image_gradient(np.ones((1, n, n, 2)), np.ones((3, 2, 2, 2)), ONE, (n + 2, n + 1))

    expect.no_loop(call, "image_gradient(G, kernels, (1, 1), size)", NO_LOOP)


# ---------------------------------------------------------------- 6. the fault in max pooling's way back


@exercise(
    cases=[
        (np.array([[0.0, 2, 2], [1, 2, 0], [0, 0, 0]])[None, :, :, None], _image(1, 2, 2, 1), 2, 1),
        (*_numbers((2, 5, 6, 3), (2, 4, 5, 3)), 2, 1),
        (*_numbers((1, 7, 7, 1), (1, 3, 3, 1)), 3, 2),
        (_after_relu(2, 4, 6, 2), *_numbers((2, 2, 3, 2)), 2, 2),
        (np.zeros((1, 3, 4, 1)), *_numbers((1, 2, 3, 1)), 2, 1),
        (*_numbers((1, 5, 5, 2), (1, 2, 2, 2)), 2, 3),
    ],
    mistakes={
        "a pixel is in two windows here, and only the last one counts. One line still overwrites.": "+= -> =",
        "several equal maxima all get G; only the first should.": (
            "* share -> * (patch == patch.max((1, 2), keepdims=True))"
        ),
        "both faults are there: overlapping windows, and equal maxima.": [
            "+= -> =",
            "* share -> * (patch == patch.max((1, 2), keepdims=True))",
        ],
        "equal maxima share G; the first one gets all of it.": (
            "share = -> e = patch == patch.max((1, 2), keepdims=True)\n"
            "        share = e / e.sum((1, 2), keepdims=True) #"
        ),
        "the last of several equal maxima gets G; it should be the first.": (
            ".argmax(axis=1) -> [:, ::-1].argmax(axis=1) * -1 + size**2 - 1"
        ),
        "among equal maxima the order is row by row, not column by column.": [
            "patch.reshape -> patch.swapaxes(1, 2).reshape",
            "    winner = ->     first = first % size * size + first // size\n        winner =",
        ],
        "this gives G to the minimum.": ".argmax -> .argmin",
        "each channel has its own winner.": ".argmax(axis=1) -> .sum(axis=2, keepdims=True).argmax(axis=1)",
        "this is the gradient of mean pooling.": "* share -> / size**2 * np.ones(patch.shape)",
        "the windows move by the stride, not by their size.": "* stride -> * size",
        "the pooled value is not part of its gradient.": "* share -> * share * patch",
    },
)
def max_pool_gradient(x, G, size, stride):
    """Return the derivative of the loss by ``x``, from ``G``, the one by the pooled values."""
    gradient = np.zeros(x.shape)
    for i, j in np.ndindex(G.shape[1:3]):
        rows, columns = (slice(k * stride, k * stride + size) for k in (i, j))
        patch = x[:, rows, columns]
        first = patch.reshape(len(x), size * size, -1).argmax(axis=1)
        winner = np.arange(size * size)[:, None] == first[:, None]
        share = winner.reshape(patch.shape)
        gradient[:, rows, columns] += G[:, i : i + 1, j : j + 1] * share
    return gradient


# ---------------------------------------------------------------- 7. a network with Keras

PARAMETERS = 7018
IMAGES = np.random.default_rng(1).uniform(size=(2, 28, 28, 1)).astype("float32")
POOLING = "keras.layers.MaxPooling2D(2),\n            "  # in the source of small_cnn
SECOND, FLATTEN = "keras.layers.Conv2D(16", "keras.layers.Flatten"


@exercise(
    **KERAS,
    mistakes={
        "a convolution has no biases here.": 'activation="relu" -> activation="relu", use_bias=False',
        "there should be one dense layer, the one for the ten classes.": (
            'keras.layers.Dense -> keras.layers.Dense(10, activation="relu"),\n            keras.layers.Dense'
        ),
        "the third layer is VALID: it makes the image smaller.": '(16, 3 -> (16, 3, padding="same"',
        "the first layer is SAME: it keeps the size of the image.": ', padding="same" -> ',
        "the first layer is SAME and the third is VALID; here it is the other way round.": [
            ', padding="same" -> ',
            '(16, 3 -> (16, 3, padding="same"',
        ],
        "the first layer has 8 filters; only the number of the third one is unknown.": "(8 -> (16",
        "Conv2D takes the number of filters first, then their size, 3.": [
            "(8, 3 -> (8, 5",
            "(16, 3 -> (16, 5",
        ],
        "a pooling is missing after the second convolution.": f"{POOLING}{FLATTEN} -> {FLATTEN}",
        "a pooling is missing after the first convolution.": f"{POOLING}{SECOND} -> {SECOND}",
        "which layer makes a vector of a whole image?": "keras.layers.Flatten(),\n            -> ",
        "how many classes are there?": "Dense(10 -> Dense(9",
        "each convolution is followed by its own pooling.": [
            f"{POOLING}{SECOND} -> {SECOND}",
            f"{POOLING}{FLATTEN} -> {POOLING}{POOLING}{FLATTEN}",
        ],
        "the patches of a pooling are 2 x 2 and lie side by side.": (
            f"(2),\n            {SECOND} -> (3, strides=2, padding='same'),\n            {SECOND}"
        ),
        "the pooling takes the maximum, not the mean.": "MaxPooling2D -> AveragePooling2D",
        "a convolution has no ReLU: then two in a row are one linear map.": ', activation="relu" -> ',
        "the first convolution has no ReLU.": 'padding="same", activation="relu" -> padding="same"',
        "the second convolution has no ReLU.": 'Conv2D(16, 3, activation="relu" -> Conv2D(16, 3',
        "which activation makes probabilities of ten numbers?": ', activation="softmax" -> ',
        "a sigmoid treats each class by itself; the ten probabilities have the sum 1.": "softmax -> sigmoid",
        "the softmax is applied twice.": (
            'activation="softmax") -> activation="softmax"),\n            keras.layers.Softmax()'
        ),
        "there is a ReLU before the softmax.": (
            'activation="softmax") -> activation="relu"),\n            keras.layers.Softmax()'
        ),
    },
)
def small_cnn():
    """Return the network of the lab: two convolutions, two poolings, a dense layer; 7,018 parameters."""
    import keras

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def _model(small_cnn):
    return expect.keras_model(
        small_cnn(), "small_cnn()", (28, 28, 1), "put the layers into keras.Sequential."
    )


@small_cnn.property
def _has_the_parameters(small_cnn):
    model = _model(small_cnn)
    if model.count_params() != PARAMETERS:
        shapes = ", ".join(str(tuple(weight.shape)) for weight in model.weights)
        raise expect.WrongError(
            f"Expected {PARAMETERS:,} parameters, found {model.count_params():,}.",
            f"your weights have the shapes {shapes}. Which of them depend on n, and how?",
            guessed=True,
        )
    expect.true(
        all(np.std(kernel) > 0 for kernel in model.get_weights() if kernel.ndim > 1),
        "All weights of a layer are the same number.",
        "then all its filters learn the same; leave the start to Keras, which draws them at random.",
    )
    expect.true(
        len(model.trainable_weights) == len(model.weights),
        "A layer of the network is not trainable.",
        "leave trainable as it is.",
    )


@small_cnn.case
def _computes(small_cnn):
    """small_cnn() with given weights, on two images"""
    return expect.outputs(_model(small_cnn), IMAGES)["output"]


@small_cnn.property
def _computes_the_same_in_training(small_cnn):
    model = _model(small_cnn)
    expect.close(
        expect.outputs(model, IMAGES, training=True)["output"],
        expect.outputs(model, IMAGES)["output"],
        "small_cnn() with given weights, on two images, in training",
        "a layer does something else in training, such as Dropout: it is not in the list.",
    )
