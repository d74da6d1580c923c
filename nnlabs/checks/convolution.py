"""Checks of lab 05: convolution and pooling in NumPy, a kernel chosen by hand, a small CNN.

Images have Keras's order of axes, (batch, height, width, channels), and the kernels of a layer have
the shape (f, f, channels, filters). Keras is loaded only by the last exercise.
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
    cases=[(12, 3, 4, 2), (28, 5, 2, 1), (227, 11, 0, 4), (10, 4, 1, 3), (5, 5, 0, 1), (9, 2, 0, 3)],
    mistakes={
        "the padding is on both sides.": "2 * p -> p",
        "the padding is on both sides, and the brackets round down.": ["2 * p -> p", "// s -> / s"],
        "the padding p is not used.": " + 2 * p -> ",
        "the padding makes the image larger, not smaller.": "+ 2 * p -> - 2 * p",
        "this counts the steps between the windows; how many windows are there?": " // s + 1 ->  // s",
        "the brackets round down: a window that does not fit is dropped.": "(h + 2 * p -> (s - 1 + h + 2 * p",
        "the brackets are missing: half a window is no window.": "// s -> / s",
        "the stride s is not used.": " // s -> ",
        "a larger kernel fits into fewer places: look at the sign of f.": "- f -> + f",
        "this is the size for SAME; here the padding is given.": "(h + 2 * p - f) // s + 1 -> -(-h // s)",
        "the whole difference is divided by s: are there brackets?": "(h + 2 * p - f) -> h + 2 * p - f",
    },
)
def output_size(h, f, p, s):
    """Return how many windows of size ``f`` fit, with padding ``p`` and stride ``s``."""
    return (h + 2 * p - f) // s + 1


@output_size.property
def _is_an_integer(output_size):
    found = output_size(6, 3, 0, 1)
    expect.true(
        expect.as_array(found).dtype.kind in "iu",
        f"output_size(6, 3, 0, 1): expected an integer, found {found} of the type {type(found).__name__}.",
        "a shape is made of integers; // divides integers and rounds down.",
    )


# ---------------------------------------------------------------- 2. the number of parameters


@exercise(
    cases=[(28, 20, 3, 5, 7), (28, 28, 1, 3, 8), (14, 14, 8, 3, 16), (160, 160, 3, 1, 10)],
    mistakes={
        "this is a dense layer on the image. What does one filter see?": "f * f * c -> h * w * c",
        "the biases are missing.": " + 1 -> ",
        "a filter has one bias, not one for each channel.": "(f * f * c + 1) -> (f * f + 1) * c",
        "there is one bias for each filter, not one for the layer.": "c + 1) * n -> c) * n + 1",
        "a filter has f rows and f columns.": "f * f -> f",
        "a filter is as deep as its input: where are the channels?": " * c -> ",
        "this is one filter; the layer has n.": " * n -> ",
        "this is the number of output values.": "(f * f * c + 1) -> (h - f + 1) * (w - f + 1)",
        "all places share the filters: h and w do not matter.": "* n -> * n * (h - f + 1) * (w - f + 1)",
    },
)
def parameter_count(h, w, c, f, n):
    """Return the parameters of ``n`` filters of size (f, f) on an input of shape (h, w, c)."""
    return (f * f * c + 1) * n


# ---------------------------------------------------------------- 3. SAME padding

ONE_SIDE = "all zeros are on one side; the total P is split into two parts."
WRONG_SIDE = "P is odd here: which side gets the larger part?"


@exercise(
    cases=[
        (_image(1, 3, 2, 1), 3, 1),
        (*_numbers((1, 4, 5, 2)), 4, 1),
        (*_numbers((2, 6, 7, 1)), 3, 2),
        (*_numbers((1, 7, 5, 3)), 2, 3),
        (*_numbers((1, 6, 4, 1)), 2, 3),  # P is negative for the rows, 1 for the columns
        (*_numbers((1, 5, 4, 1)), 1, 3),
    ],
    mistakes={
        "nothing is padded.": "np.pad(x, [(0, 0), rows, columns, (0, 0)]) -> x",
        ONE_SIDE: "P // 2, P - P // 2 -> 0, P",
        "all zeros are above and on the left; P is split into two parts.": "P // 2, P - P // 2 -> P, 0",
        "the stride is not used in P.": "(-(-size // s) - 1) * s + f - size -> f - 1",
        WRONG_SIDE: "P // 2, P - P // 2 -> P - P // 2, P // 2",
        "P is the total of both sides, but each side got all of it.": "P // 2, P - P // 2 -> P, P",
        "P is odd here: both sides got the larger part.": "return P // 2 -> return P - P // 2",
        "P is odd here: both sides got the smaller part.": "P - P // 2 -> P // 2",
        "the margin holds copies of the image's edge; it should hold zeros.": "0)]) -> 0)], mode='edge')",
        "the margin is a mirror image; it should hold zeros.": "0)]) -> 0)], mode='reflect')",
        "the batch and the channels are padded too: np.pad takes one pair for each axis.": (
            "[(0, 0), rows, columns, (0, 0)] -> rows"
        ),
        "the zeros are on the batch: which axes are the height and the width?": (
            "(0, 0), rows, columns, (0, 0) -> rows, columns, (0, 0), (0, 0)"
        ),
        "the zeros are on the channels, as if they came first; here they are the last axis.": (
            "rows, columns, (0, 0) -> (0, 0), rows, columns"
        ),
        "h / s is rounded up in P, not down.": "-(-size // s) -> size // s",
        "rows and columns have changed places: which axis is the height?": "rows, columns, -> columns, rows,",
        "the columns need their own P, from the width.": "x.shape[2] -> x.shape[1]",
        "P is never negative: a kernel smaller than the stride needs no zeros.": "max(0,  -> (",
        "each axis has its own P: one of them is 0 here, the other is not.": [
            "max(0,  -> (",
            "return np -> return x if min(rows + columns) < 0 else np",
        ],
    },
)
def pad_same(x, f, s):
    """Pad a batch (batch, h, w, c) with zeros as ``padding="same"`` does for kernel ``f``, stride ``s``."""

    def pair(size):
        P = max(0, (-(-size // s) - 1) * s + f - size)
        return P // 2, P - P // 2

    rows, columns = pair(x.shape[1]), pair(x.shape[2])
    return np.pad(x, [(0, 0), rows, columns, (0, 0)])


# ---------------------------------------------------------------- 4. one channel


@exercise(
    cases=[
        (_image(3, 4), np.array([[1.0, 0, 2], [3, -1, 1], [0, 1, 0]])),
        _numbers((5, 6), (3, 3)),
        _numbers((4, 4), (2, 2)),
        _numbers((3, 7), (1, 1)),
        _numbers((5, 5), (5, 5)),
    ],
    mistakes={
        "this is true convolution: the kernel is turned by 180 degrees. Keras does not turn it.": (
            "s, kernel) -> s, kernel[::-1, ::-1])"
        ),
        "the kernel is transposed: m goes with the rows of the patch, n with its columns.": ",mn-> -> ,nm->",
        "the rows of the kernel are in reverse order.": "s, kernel) -> s, kernel[::-1])",
        "the columns of the kernel are in reverse order.": "s, kernel) -> s, kernel[:, ::-1])",
        "this is the mean of the products; the formula has their sum.": "return z -> return z / kernel.size",
        "where is the kernel? This adds up the pixels of each patch.": "s, kernel) -> s, kernel**0)",
        "the products are not summed yet.": "mn->ij -> mn->ijmn",
        "the sum runs over one axis of the patch; it has two.": "mn->ij -> mn->ijm",
        "everything was added up; each place has its own sum, over the last two axes.": "mn->ij -> mn->",
        "there is no padding here, so there are h - f + 1 rows; this has as many as the image.": (
            "view(image -> view(np.pad(image, len(kernel) // 2)"
        ),
        "there is no padding here, but this output is larger than the image.": (
            "view(image -> view(np.pad(image, len(kernel) - 1)"
        ),
        "the last row and column are missing: where does the kernel fit?": "return z -> return z[:-1, :-1]",
    },
)
def cross_correlate(image, kernel):
    """Return the cross-correlation of ``image`` (h, w) with ``kernel`` (f, f), without padding."""
    windows = sliding_window_view(image, kernel.shape)
    z = np.einsum("ijmn,mn->ij", windows, kernel)
    return z


@cross_correlate.property
def _correlates_without_loop(cross_correlate):
    expect.no_loop(
        lambda n: cross_correlate(np.ones((n, n)), np.ones((3, 3))), "cross_correlate(image, kernel)", NO_LOOP
    )


# ---------------------------------------------------------------- 5. the convolution layer


def _layer_case(batch, height, width, channels, f, filters, stride, padding):
    shapes = (batch, height, width, channels), (f, f, channels, filters), (filters,)
    return (*_numbers(*shapes), stride, padding)


@exercise(
    cases=[
        (_image(1, 3, 4, 1), _image(2, 2, 1, 2), np.array([0.5, -9.0]), 1, "valid"),
        _layer_case(2, 5, 6, 3, 3, 2, 1, "valid"),
        _layer_case(3, 7, 8, 2, 3, 2, 2, "valid"),
        _layer_case(1, 4, 5, 2, 3, 2, 1, "same"),
        _layer_case(1, 5, 6, 1, 4, 2, 1, "same"),
        _layer_case(1, 6, 7, 3, 3, 2, 2, "same"),
        _layer_case(1, 7, 8, 2, 2, 4, 3, "same"),
        _layer_case(1, 6, 5, 4, 1, 1, 1, "valid"),
    ],
    mistakes={
        "the bias is missing.": " + bias -> ",
        "the bias is added once for each channel; it comes after the sum.": "+ bias -> + bias * x.shape[-1]",
        "the bias is in each product; it comes after the sum.": "+ bias -> + bias * kernels[..., 0].size",
        "this is true convolution: the kernels are turned by 180 degrees. Keras does not turn them.": (
            "kernels, opt -> kernels[::-1, ::-1], opt"
        ),
        "rows and columns of the kernels are exchanged.": ",mnck -> ,nmck",
        "rows and columns of the images are exchanged in the output.": "return z -> return z.swapaxes(1, 2)",
        "the axes do not match: the windows have the channel before the patch, the kernels after it.": (
            'np.einsum("bijcmn,mnck->bijk", windows, kernels, optimize=True) '
            "-> np.tensordot(windows, kernels, axes=3)"
        ),
        "the results of the channels are not summed.": ["->bijk -> ->bijck", " + bias -> "],
        "the results of the channels are not summed, or not before the bias is added.": "->bijk -> ->bijck",
        "this is the mean over the channels; the formula has their sum.": "+ bias -> / x.shape[-1] + bias",
        "only the first channel is used.": "windows, kernels -> windows[..., :1, :, :], kernels[:, :, :1]",
        "the axis of the filters comes first; Keras has it last.": "z + bias -> np.moveaxis(z + bias, -1, 0)",
        "here the filters precede height and width.": "z + bias -> np.moveaxis(z + bias, -1, 1)",
        "there is an activation; stop at the sum plus bias.": "z + bias -> np.maximum(0, z + bias)",
        "the stride is not used.": "[:, ::stride, ::stride] -> ",
        "the stride is used for the rows only.": "::stride, ::stride] -> ::stride]",
        "the stride is used for the columns only.": "[:, ::stride, ::stride] -> [:, :, ::stride]",
        "the first axis is the batch: the stride left out whole images.": "[:, ::stride -> [::stride",
        "the padding is not used: what should happen when it is 'same'?": 'if padding == "same" -> if False',
        "the zeros are those for stride 1; pass the stride on.": "(x, f, stride) -> (x, f, 1)",
        "an odd zero is on the wrong side: SAME puts it at the bottom and at the right.": (
            "pad_same.reference -> pad_same.mistaken(WRONG_SIDE)"
        ),
        "all zeros are on one side: the total is split into two parts.": (
            "pad_same.reference -> pad_same.mistaken(ONE_SIDE)"
        ),
        "both sides got the same number of zeros, f // 2, but here they should differ.": (
            "pad_same.reference(x, f, stride) -> np.pad(x, [(0, 0), 2 * (f // 2,), 2 * (f // 2,), (0, 0)])"
        ),
        "the image is padded although the padding is 'valid'.": 'if padding == "same" -> if True',
    },
)
def conv2d(x, kernels, bias, stride, padding):
    """Return what Keras's ``Conv2D`` does to ``x`` (batch, h, w, c), without activation."""
    f = kernels.shape[0]
    if padding == "same":
        x = pad_same.reference(x, f, stride)
    windows = sliding_window_view(x, (f, f), axis=(1, 2))[:, ::stride, ::stride]
    z = np.einsum("bijcmn,mnck->bijk", windows, kernels, optimize=True)
    return z + bias


@conv2d.property
def _convolves_without_loop(conv2d):
    def call(n):
        return conv2d(np.ones((2, n, n, 3)), np.ones((3, 3, 3, 2)), np.ones(2), 1, "valid")

    expect.no_loop(call, "conv2d(x, kernels, bias, 1, 'valid')", NO_LOOP)


# ---------------------------------------------------------------- 6. pooling

MARGIN = (  # add a margin below and right until the last pixels are in a patch
    "windows = -> rest = [-(n - size) % stride for n in x.shape]\n"
    "    x = np.pad(x, [(0, 0), (0, rest[1]), (0, rest[2]), (0, 0)], constant_values={fill})\n"
    "    windows ="
)


@exercise(
    cases=[
        (_image(1, 3, 4, 1), 2, 1, "max"),
        (_image(1, 3, 4, 1), 2, 1, "mean"),
        (*_numbers((3, 4, 6, 2)), 2, 2, "max"),
        (*_numbers((1, 4, 6, 2)), 2, 2, "mean"),
        (-np.abs(*_numbers((1, 5, 7, 1))), 2, 2, "max"),
        (*_numbers((2, 5, 8, 1)), 3, 2, "max"),
        (*_numbers((2, 7, 8, 3)), 2, 3, "mean"),
    ],
    mistakes={
        "this is the mean, and mode is 'max'.": ".max -> .mean",
        "this is the maximum, and mode is 'mean'.": ".mean -> .max",
        "this is the sum; the mean divides by the number of values in the patch.": ".mean -> .sum",
        "this is the minimum.": ".max -> .min",
        "the windows overlap too much: the stride is not used.": "[:, ::stride, ::stride] -> ",
        "the windows stand side by side; the stride can differ from their size.": "::stride -> ::size",
        "the stride is used for the rows only.": "::stride, ::stride] -> ::stride]",
        "the stride is used for the columns only.": "[:, ::stride, ::stride] -> [:, :, ::stride]",
        "the first axis is the batch: the stride left out whole images.": "[:, ::stride -> [::stride",
        "the channels are pooled together; each channel stays by itself.": "axis=(4, 5) -> axis=(3, 4, 5)",
        "zeros were added at the border, and here they take part. A window that does not fit is dropped.": (
            MARGIN.format(fill=0)
        ),
        "windows that stick out at the border count here; a window that does not fit is dropped.": (
            MARGIN.format(fill="-np.inf")
        ),
        "only one axis of the patch is reduced; it has two.": "axis=(4, 5) -> axis=5",
        "height and width are reduced; the patch is in the last two axes.": "axis=(4, 5) -> axis=(1, 2)",
    },
)
def pool(x, size, stride, mode):
    """Pool a batch (batch, h, w, c) over patches of ``size`` x ``size``; ``mode`` is "max" or "mean"."""
    windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.max(axis=(4, 5)) if mode == "max" else windows.mean(axis=(4, 5))


@pool.property
def _pools_without_loop(pool):
    expect.no_loop(lambda n: pool(np.ones((2, n, n, 3)), 2, 1, "max"), "pool(x, 2, 1, 'max')", NO_LOOP)


# ---------------------------------------------------------------- 7. a kernel chosen by hand

STEP = np.repeat([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]], 6, axis=0)  # dark on the left, bright on the right


@exercise()
def edge_kernel():
    """Return a kernel (3, 3) that is positive at vertical edges from dark to bright."""
    return np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


@edge_kernel.property
def _finds_vertical_edges(edge_kernel):
    kernel = edge_kernel()
    expect.true(kernel is not None, "edge_kernel() returns None.", "is the return statement missing?")
    expect.true(
        isinstance(kernel, np.ndarray),
        f"edge_kernel(): expected a NumPy array, found a {type(kernel).__name__}.",
        "np.array makes an array of a list.",
    )
    expect.true(
        kernel.shape == (3, 3) and kernel.dtype.kind in "if",
        f"edge_kernel(): expected numbers in the shape (3, 3), found {expect.brief(kernel)}.",
        "three rows of three numbers.",
    )
    expect.true(kernel.any(), "edge_kernel() is all zeros.", "then every output is 0.")
    zero = 1e-6 * np.abs(kernel).max()  # what is left of a float32 sum
    expect.true(
        abs(kernel.sum()) <= zero,
        f"On an image of ones the output is {kernel.sum():.4g}; expected 0.",
        "where nothing changes the output is 0: what is the sum of the nine numbers?",
    )
    vertical, horizontal = (cross_correlate.reference(image, kernel) for image in (STEP, STEP.T))
    across = np.abs(horizontal).max()
    expect.true(
        np.abs(vertical).max() > zero,
        "At a vertical edge from dark (left) to bright (right) the output is 0.",
        "rows and columns have changed places."
        if across > zero
        else "compare the right column of a patch with its left column.",
    )
    _positive(vertical, zero)
    expect.true(
        across <= zero,
        f"At a horizontal edge there is an output of {across:.4g}; expected 0.",
        "it also answers to horizontal edges: look at the sum of each row of the kernel.",
    )


def _positive(outputs, zero):
    found = np.array2string(np.unique(outputs[0]), precision=3, separator=", ")
    expect.true(
        outputs.max() > zero,
        f"At a vertical edge from dark (left) to bright (right) the outputs are {found}, not positive.",
        "the sign is reversed: which column counts as positive?",
    )
    expect.true(
        outputs.min() >= -zero,
        f"At one vertical edge the outputs have both signs: {found}.",
        "this kernel finds thin lines, or edges of any direction; take a difference of two columns.",
    )


# ---------------------------------------------------------------- 8. a network with Keras

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
