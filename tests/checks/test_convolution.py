"""Lab 05: what students answer."""

import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import convolve2d, correlate2d

from nnlabs.checks import convolution
from tests.checks.harness import Answers, make_tests

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


# -- output_size


def output_size_by_counting(h, f, p, s):
    start, places = -p, 0
    while start + f <= h + p:
        start, places = start + s, places + 1
    return places


# -- parameter_count


def parameter_count_by_adding(h, w, c, f, n):
    weights = sum(f * f for _ in range(c))
    return n * weights + n


# -- pad_same


def amounts(size, f, s):
    total = max((math.ceil(size / s) - 1) * s + f - size, 0)
    return total // 2, total - total // 2


def pad_with(pair, **options):
    def attempt(x, f, s):
        return np.pad(x, ((0, 0), pair(x.shape[1], f, s), pair(x.shape[2], f, s), (0, 0)), **options)

    return attempt


def pad_by_copying(x, f, s):
    top, bottom = amounts(x.shape[1], f, s)
    left, right = amounts(x.shape[2], f, s)
    batch, h, w, c = x.shape
    result = np.zeros((batch, top + h + bottom, left + w + right, c))
    result[:, top : top + h, left : left + w] = x
    return result


def pad_by_remainder(x, f, s):
    pairs = []
    for size in x.shape[1:3]:
        rest = size % s
        total = max(f - (rest if rest else s), 0)
        pairs.append((total // 2, total - total // 2))
    return np.pad(x, [(0, 0), *pairs, (0, 0)])


def pad_swapped(x, f, s):
    return np.pad(x, [(0, 0), amounts(x.shape[2], f, s), amounts(x.shape[1], f, s), (0, 0)])


def pad_by_height(x, f, s):
    return np.pad(x, [(0, 0), amounts(x.shape[1], f, s), amounts(x.shape[1], f, s), (0, 0)])


def never_clipped(size, f, s):
    total = (-(-size // s) - 1) * s + f - size
    return total // 2, total - total // 2


def rounded_down(size, f, s):
    total = max((size // s - 1) * s + f - size, 0)
    return total // 2, total - total // 2


# -- cross_correlate


def windows(image, kernel):
    return sliding_window_view(image, kernel.shape)


def correlate_by_einsum(image, kernel):
    return np.einsum("ijmn,mn->ij", windows(image, kernel), kernel)


def correlate_over_the_kernel(image, kernel):
    f = len(kernel)
    rows, columns = image.shape[0] - f + 1, image.shape[1] - f + 1
    output = np.zeros((rows, columns))
    for m in range(f):
        for n in range(f):
            output += kernel[m, n] * image[m : m + rows, n : n + columns]
    return output


def correlate_by_matrix(image, kernel):
    f = len(kernel)
    shape = image.shape[0] - f + 1, image.shape[1] - f + 1
    return (windows(image, kernel).reshape(-1, f * f) @ kernel.ravel()).reshape(shape)


def correlate_by_loop(image, kernel):
    f = len(kernel)
    output = np.zeros((image.shape[0] - f + 1, image.shape[1] - f + 1))
    for i in range(output.shape[0]):
        for j in range(output.shape[1]):
            output[i, j] = np.sum(image[i : i + f, j : j + f] * kernel)
    return output


def correlate_short_loop(image, kernel):
    f = len(kernel)
    output = np.zeros((image.shape[0] - f, image.shape[1] - f))
    for i in range(output.shape[0]):
        for j in range(output.shape[1]):
            output[i, j] = np.sum(image[i : i + f, j : j + f] * kernel)
    return output


# -- conv2d


def layer(x, K, b, s, padding, pair=amounts, steps=None):
    f = len(K)
    if padding == "same":
        x = pad_with(pair)(x, f, s)
    rows, columns = steps or (s, s)
    patches = sliding_window_view(x, (f, f), axis=(1, 2))[:, ::rows, ::columns]
    return np.einsum("bijcmn,mnck->bijk", patches, K, optimize=True) + b


def layer_with(**changes):
    return lambda x, K, b, s, padding: layer(x, K, b, s, padding, **changes)


def layer_over_the_kernel(x, kernels, bias, stride, padding):
    f = kernels.shape[0]
    if padding == "same":
        x = pad_by_copying(x, f, stride)
    rows = (x.shape[1] - f) // stride + 1
    columns = (x.shape[2] - f) // stride + 1
    output = np.tile(bias, (len(x), rows, columns, 1))
    for m in range(f):
        for n in range(f):
            part = x[:, m : m + stride * (rows - 1) + 1 : stride, n : n + stride * (columns - 1) + 1 : stride]
            output = output + part @ kernels[m, n]
    return output


def layer_by_matrix(x, kernels, bias, stride, padding):
    f, _, c, filters = kernels.shape
    x = pad_by_remainder(x, f, stride) if padding == "same" else x
    patches = np.moveaxis(sliding_window_view(x, (f, f), (1, 2))[:, ::stride, ::stride], 3, -1)
    return patches.reshape(*patches.shape[:3], f * f * c) @ kernels.reshape(-1, filters) + bias


def layer_channels_apart(x, K, b, s, padding):
    x = pad_with(amounts)(x, len(K), s) if padding == "same" else x
    patches = sliding_window_view(x, K.shape[:2], axis=(1, 2))[:, ::s, ::s]
    return np.einsum("bijcmn,mnck->bijck", patches, K)


def layer_bias_in_the_sum(x, K, b, s, padding):
    return (layer_channels_apart(x, K, b, s, padding) + b).sum(axis=3)


def layer_by_loop(x, K, b, s, padding):
    f = len(K)
    x = pad_with(amounts)(x, f, s) if padding == "same" else x
    rows, columns = (x.shape[1] - f) // s + 1, (x.shape[2] - f) // s + 1
    output = np.zeros((len(x), rows, columns, K.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            for image in range(len(x)):
                patch = x[image, i * s : i * s + f, j * s : j * s + f]
                for k in range(K.shape[-1]):  # clearly too slow, on a busy machine too
                    output[image, i, j, k] = np.sum(patch * K[..., k]) + b[k]
    return output


def layer_without_moving_the_channel(x, K, b, s, padding):
    x = pad_with(amounts)(x, len(K), s) if padding == "same" else x
    return np.tensordot(sliding_window_view(x, K.shape[:2], axis=(1, 2))[:, ::s, ::s], K, axes=3) + b


# -- pool


def patches(x, size, stride):
    return sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def pool(x, size, stride, mode):
    return (np.max if mode == "max" else np.mean)(patches(x, size, stride), axis=(-2, -1))


def pool_over_the_patch(x, size, stride, mode):
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    values = [
        x[:, m : m + stride * (rows - 1) + 1 : stride, n : n + stride * (columns - 1) + 1 : stride]
        for m in range(size)
        for n in range(size)
    ]
    return np.max(values, axis=0) if mode == "max" else np.mean(values, axis=0)


def pool_twice(x, size, stride, mode):
    windows = patches(x, size, stride)
    if mode == "max":
        return windows.max(axis=-1).max(axis=-1)
    return windows.mean(axis=-1).mean(axis=-1)


def pool_with_margin(fill):
    def attempt(x, size, stride, mode):
        extra = [(size - length) % stride for length in x.shape[1:3]]
        pairs = [(0, 0), (0, extra[0]), (0, extra[1]), (0, 0)]
        return pool(np.pad(x, pairs, constant_values=fill), size, stride, mode)

    return attempt


def pool_by_reshape(x, size, stride, mode):
    batch, h, w, c = x.shape
    blocks = x.reshape(batch, h // size, size, w // size, size, c)
    return blocks.max(axis=(2, 4)) if mode == "max" else blocks.mean(axis=(2, 4))


def pool_by_loop(x, size, stride, mode):
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    output = np.zeros((len(x), rows, columns, x.shape[3]))
    for b, i, j, c in np.ndindex(output.shape):
        patch = x[b, i * stride : i * stride + size, j * stride : j * stride + size, c]
        output[b, i, j, c] = patch.max() if mode == "max" else patch.mean()
    return output


# -- small_cnn


def network(
    *,
    shape=(28, 28, 1),
    first=8,
    second=16,
    size=3,
    paddings=("same", "valid"),
    hidden="relu",
    output="softmax",
    classes=10,
    poolings=2,
    flatten=True,
    bias=True,
    extra=(),
    start=True,
):
    def attempt():
        import keras

        layers = [keras.Input(shape)] if start else []
        layers.append(keras.layers.Conv2D(first, size, padding=paddings[0], activation=hidden, use_bias=bias))
        layers.append(keras.layers.MaxPooling2D(2))
        layers.append(
            keras.layers.Conv2D(second, size, padding=paddings[1], activation=hidden, use_bias=bias)
        )
        layers += [keras.layers.MaxPooling2D(2)] * 0 if poolings == 1 else [keras.layers.MaxPooling2D(2)]
        layers += [keras.layers.Flatten()] if flatten else []
        layers += [keras.layers.Dense(units, activation="relu") for units in extra]
        layers.append(keras.layers.Dense(classes, activation=output))
        return keras.Sequential(layers)

    return attempt


def network_functional():
    import keras

    inputs = keras.Input((28, 28, 1))
    h = keras.layers.Conv2D(8, (3, 3), padding="same", activation=keras.activations.relu)(inputs)
    h = keras.layers.MaxPooling2D()(h)
    h = keras.layers.Conv2D(16, (3, 3), activation=keras.activations.relu)(h)
    h = keras.layers.MaxPool2D((2, 2), strides=2)(h)
    outputs = keras.layers.Dense(10, activation=keras.activations.softmax)(keras.layers.Flatten()(h))
    return keras.Model(inputs, outputs)


def network_step_by_step():
    import keras

    model = keras.Sequential()
    model.add(keras.Input(shape=(28, 28, 1)))
    model.add(keras.layers.Conv2D(filters=8, kernel_size=3, padding="same"))
    model.add(keras.layers.ReLU())
    model.add(keras.layers.MaxPooling2D(pool_size=2))
    model.add(keras.layers.Conv2D(filters=16, kernel_size=3))
    model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.MaxPooling2D(pool_size=2))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10))
    model.add(keras.layers.Softmax())
    return model


def network_poolings_last():
    import keras

    convolution, pooling = keras.layers.Conv2D, keras.layers.MaxPooling2D
    layers = [convolution(8, 3, padding="same", activation="relu"), convolution(16, 3, activation="relu")]
    layers += [pooling(2), pooling(2), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers])


def network_overlapping():
    import keras

    convolution, pooling = keras.layers.Conv2D, keras.layers.MaxPooling2D
    layers = [convolution(8, 3, padding="same", activation="relu"), pooling(3, strides=2, padding="same")]
    layers += [convolution(16, 3, activation="relu"), pooling(2)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers])


def network_without_return():
    network()()


ANSWERS = {
    "output_size": Answers(
        wrong=[
            (lambda h, f, p, s: (h + p - f) // s + 1, "on both sides"),
            (lambda h, f, p, s: (h + p - f) / s + 1, "and the brackets round down"),
            (lambda h, f, p, s: (h - f) // s + 1, "padding p is not used"),
            (lambda h, f, p, s: (h - 2 * p - f) // s + 1, "larger, not smaller"),
            (lambda h, f, p, s: (h + 2 * p - f) // s, "counts the steps"),
            (lambda h, f, p, s: math.ceil((h + 2 * p - f) / s) + 1, "brackets round down"),
            (lambda h, f, p, s: (h + 2 * p - f) / s + 1, "brackets are missing"),
            (lambda h, f, p, s: h + 2 * p - f + 1, "stride s is not used"),
            (lambda h, f, p, s: (h + 2 * p + f) // s + 1, "sign of f"),
            (lambda h, f, p, s: math.ceil(h / s), "size for SAME"),
            (lambda h, f, p, s: h + 2 * p - f // s + 1, "whole difference"),
            (lambda h, f, p, s: np.floor((h + 2 * p - f) / s) + 1, "expected an integer"),
            (lambda h, f, p, s: None, "return statement"),
            (lambda h, f, p: h, "keep the first line"),
        ],
        right=[
            lambda h, f, p, s: 1 + (h + 2 * p - f) // s,
            lambda h, f, p, s: int(np.floor((h + 2 * p - f) / s + 1)),
            lambda h, f, p, s: len(range(-p, h + p - f + 1, s)),
            output_size_by_counting,
        ],
    ),
    "parameter_count": Answers(
        wrong=[
            (lambda h, w, c, f, n: ((h * w * c) + 1) * n, "dense layer on the whole image"),
            (lambda h, w, c, f, n: f * f * c * n, "biases are missing"),
            (lambda h, w, c, f, n: (f * f + 1) * c * n, "not one for each channel"),
            (lambda h, w, c, f, n: f * f * c * n + 1, "not one for the layer"),
            (lambda h, w, c, f, n: (f * c + 1) * n, "f rows and f columns"),
            (lambda h, w, c, f, n: (f * f + 1) * n, "where are the channels"),
            (lambda h, w, c, f, n: f * f * c + 1, "this is one filter"),
            (lambda h, w, c, f, n: (h - f + 1) * (w - f + 1) * n, "number of output values"),
            (lambda h, w, c, f, n: (f * f * c + 1) * n * (h - f + 1) * (w - f + 1), "does not depend on h"),
        ],
        right=[
            lambda h, w, c, f, n: n * (1 + c * f**2),
            parameter_count_by_adding,
            lambda h, w, c, f, n: np.prod([f, f, c, n]) + n,
        ],
    ),
    "pad_same": Answers(
        wrong=[
            (pad_with(lambda size, f, s: (0, sum(amounts(size, f, s)))), "all zeros are on one side"),
            (pad_with(lambda size, f, s: (sum(amounts(size, f, s)), 0)), "upper and the left side"),
            (pad_with(lambda size, f, s: amounts(size, f, s)[::-1]), "gets the larger part"),
            (pad_with(lambda size, f, s: (sum(amounts(size, f, s)),) * 2), "each side got all"),
            (pad_with(lambda size, f, s: (f // 2, f // 2)), "both sides got the larger part"),
            (pad_with(lambda size, f, s: ((f - 1) // 2,) * 2), "both sides got the smaller part"),
            (pad_with(lambda size, f, s: ((f - 1) // 2, f - 1 - (f - 1) // 2)), "the stride is not used"),
            (pad_with(rounded_down), "rounded up in P"),
            (pad_with(amounts, mode="edge"), "copies of the image's edge"),
            (pad_with(amounts, mode="reflect"), "mirror image"),
            (lambda x, f, s: np.pad(x, amounts(x.shape[1], f, s)), "one pair for each axis"),
            (pad_swapped, "which axis is the height"),
            (pad_by_height, "from the width"),
            (pad_with(never_clipped), "never negative"),
            (lambda x, f, s: np.pad(x, [amounts(x.shape[1], f, s), amounts(x.shape[2], f, s)]), "ValueError"),
        ],
        right=[pad_with(amounts), pad_by_copying, pad_by_remainder],
    ),
    "cross_correlate": Answers(
        wrong=[
            (lambda image, kernel: convolve2d(image, kernel, mode="valid"), "this is true convolution"),
            (lambda image, kernel: correlate_by_einsum(image, kernel.T), "kernel is transposed"),
            (
                lambda image, kernel: correlate_by_einsum(image, kernel[::-1]),
                "rows of the kernel are in reverse",
            ),
            (
                lambda image, kernel: correlate_by_einsum(image, kernel[:, ::-1]),
                "columns of the kernel are in",
            ),
            (lambda image, kernel: (windows(image, kernel) * kernel).mean(axis=(2, 3)), "this is the mean"),
            (lambda image, kernel: windows(image, kernel).sum(axis=(2, 3)), "where is the kernel"),
            (lambda image, kernel: windows(image, kernel) * kernel, "not summed yet"),
            (lambda image, kernel: (windows(image, kernel) * kernel).sum(axis=-1), "one axis of the patch"),
            (lambda image, kernel: np.sum(windows(image, kernel) * kernel), "its own sum"),
            (lambda image, kernel: correlate2d(image, kernel, mode="same"), "as many as the image"),
            (correlate2d, "larger than the image"),
            (correlate_short_loop, "last row and the last column"),
            (correlate_by_loop, "does a Python loop run over the pixels"),
            (lambda image, kernel: correlate_by_einsum(image, kernel).tolist(), "makes an array of a list"),
            (lambda image, kernel: image * kernel, "ValueError: operands"),
        ],
        right=[
            correlate_by_einsum,
            correlate_over_the_kernel,
            correlate_by_matrix,
            lambda image, kernel: np.sum(windows(image, kernel) * kernel, axis=(-2, -1)),
            lambda image, kernel: correlate2d(image, kernel, mode="valid"),
        ],
    ),
    "conv2d": Answers(
        wrong=[
            (lambda x, K, b, s, padding: layer(x, K, 0, s, padding), "the bias is missing"),
            (layer_bias_in_the_sum, "once for each channel"),
            (lambda x, K, b, s, padding: layer(x, K, b * K[..., 0].size, s, padding), "to each product"),
            (lambda x, K, b, s, padding: layer(x, K[::-1, ::-1], b, s, padding), "true convolution"),
            (lambda x, K, b, s, padding: layer(x, K.swapaxes(0, 1), b, s, padding), "columns of the kernels"),
            (
                lambda x, K, b, s, padding: layer(x, K, b, s, padding).swapaxes(1, 2),
                "exchanged in the output",
            ),
            (layer_channels_apart, "channels are not summed."),
            (lambda *case: layer_channels_apart(*case) + case[2], "not before the bias"),
            (lambda *case: layer_channels_apart(*case).mean(axis=3) + case[2], "mean over the channels"),
            (
                lambda x, K, b, s, padding: layer(x[..., :1], K[:, :, :1], b, s, padding),
                "only the first channel",
            ),
            (lambda *case: np.moveaxis(layer(*case), -1, 0), "axis of the filters comes first"),
            (lambda *case: np.moveaxis(layer(*case), -1, 1), "as in PyTorch"),
            (lambda *case: np.maximum(0, layer(*case)), "activation function"),
            (layer_with(steps=(1, 1)), "stride is not used"),
            (lambda x, K, b, s, padding: layer(x, K, b, s, padding, steps=(s, 1)), "rows only"),
            (lambda x, K, b, s, padding: layer(x, K, b, s, padding, steps=(1, s)), "columns only"),
            (lambda x, K, b, s, padding: layer(x, K, b, s, "valid"), "the padding is not used"),
            (layer_with(pair=lambda size, f, s: amounts(size, f, s)[::-1]), "wrong side"),
            (layer_with(pair=lambda size, f, s: (0, sum(amounts(size, f, s)))), "on one side"),
            (layer_with(pair=lambda size, f, s: (f // 2, f // 2)), "f // 2"),
            (layer_with(pair=lambda size, f, s: amounts(size, f, 1)), "those for stride 1"),
            (lambda x, K, b, s, padding: layer(x, K, b, s, "same"), "although the padding is 'valid'"),
            (layer_by_loop, "does a Python loop run over the pixels"),
            (layer_without_moving_the_channel, "the axes do not match"),
        ],
        right=[layer, layer_over_the_kernel, layer_by_matrix],
    ),
    "pool": Answers(
        wrong=[
            (lambda x, size, s, mode: pool(x, size, s, "mean"), "this is the mean"),
            (lambda x, size, s, mode: pool(x, size, s, "max"), "this is the maximum"),
            (
                lambda x, size, s, mode: pool(x, size, s, mode) * (1 if mode == "max" else size * size),
                "this is the sum",
            ),
            (lambda x, size, s, mode: -pool(-x, size, s, mode), "this is the minimum"),
            (lambda x, size, s, mode: pool(x, size, 1, mode), "overlap too much"),
            (lambda x, size, s, mode: pool(x, size, size, mode), "side by side"),
            (lambda x, size, s, mode: pool(x, size, 1, mode)[:, ::s], "rows only"),
            (lambda x, size, s, mode: pool(x, size, 1, mode)[:, :, ::s], "columns only"),
            (
                lambda x, size, s, mode: getattr(np, mode)(patches(x, size, s), axis=(3, 4, 5)),
                "each channel stays by itself",
            ),
            (pool_with_margin(0.0), "zeros were added"),
            (pool_with_margin(-np.inf), "stick out"),
            (lambda x, size, s, mode: getattr(np, mode)(patches(x, size, s), axis=-1), "it has two"),
            (pool_by_reshape, "cannot reshape"),
            (pool_by_loop, "does a Python loop run over the pixels"),
        ],
        right=[pool, pool_over_the_patch, pool_twice],
    ),
    "edge_kernel": Answers(
        wrong=[
            (lambda: SOBEL.T, "changed places"),
            (lambda: -SOBEL, "sign is reversed"),
            (lambda: np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]), "both signs"),
            (lambda: np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]]), "sum of each row"),
            (lambda: np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]), "sum of the nine numbers"),
            (lambda: np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]), "with its left column"),
            (lambda: np.zeros((3, 3)), "all zeros"),
            (lambda: SOBEL.tolist(), "makes an array of a list"),
            (lambda: SOBEL[0], "three rows"),
            (lambda: SOBEL[:, :, None, None], "three rows"),
            (lambda: None, "return statement"),
        ],
        right=[
            lambda: SOBEL,
            lambda: np.outer([3, 10, 3], [-1, 0, 1]),
            lambda: np.array([[-1.0, 0.0, 1.0]] * 3) / 6,
            lambda: np.array([[0, 0, 0], [-1, 1, 0], [0, 0, 0]]),
        ],
    ),
    "small_cnn": Answers(
        wrong=[
            (network(second=32), "with n filters"),
            (network(second=8), "conv2d"),
            (network(bias=False), "has no biases"),
            (network(extra=[10]), "one dense layer"),
            (network(paddings=("same", "same")), "28 x 28, 14 x 14, 14 x 14, 7 x 7"),
            (network(paddings=("valid", "valid")), "'valid' and 'valid'"),
            (network(first=16), "first convolution has 16"),
            (network(size=5), "filters first, then the size"),
            (network(poolings=1), "one after each convolution"),
            (network(flatten=False), "which layer makes a vector"),
            (network(classes=9), "how many classes"),
            (network(hidden=None), "no ReLU"),
            (network(output=None), "makes probabilities"),
            (network(output="sigmoid"), "makes probabilities"),
            (network(shape=(28, 28, 3)), "with its channel"),
            (network(start=False), "begin with keras.Input"),
            (network_poolings_last, "its own pooling"),
            (network_overlapping, "side by side"),
            (network_without_return, "return statement"),
            (lambda: [1, 2], "keras.Sequential"),
        ],
        right=[network(), network_functional, network_step_by_step],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(convolution, ANSWERS)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("f", [1, 2, 3, 4, 5])
def test_the_reference_is_keras(f, stride, padding):
    import keras

    rng = np.random.default_rng(f)
    for channels in (1, 3, 8):
        layer = keras.layers.Conv2D(2, f, strides=stride, padding=padding, bias_initializer="random_normal")
        x = rng.normal(size=(2, 9, 12, channels)).astype("float32")
        theirs = keras.ops.convert_to_numpy(layer(x))
        kernels, bias = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
        ours = convolution.conv2d.reference(x, kernels, bias, stride, padding)
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() < 1e-5
        count = convolution.parameter_count.reference(9, 12, channels, f, 2)
        assert count == layer.count_params()


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (2, 1), (2, 3)])
def test_the_reference_pools_as_keras(size, stride):
    import keras

    x = np.random.default_rng(1).normal(size=(2, 9, 12, 3)).astype("float32")
    for mode, layer in [("max", keras.layers.MaxPooling2D), ("mean", keras.layers.AveragePooling2D)]:
        theirs = keras.ops.convert_to_numpy(layer(size, strides=stride)(x))
        assert np.allclose(convolution.pool.reference(x, size, stride, mode), theirs, atol=1e-6)
        assert theirs.shape[1] == convolution.output_size.reference(9, size, 0, stride)


def test_an_endless_loop_is_stopped(monkeypatch):
    def attempt(image, kernel):
        while True:
            pass

    monkeypatch.setattr(convolution.cross_correlate, "seconds", 0.3)
    assert "never becomes false" in convolution.cross_correlate.diagnose(attempt)
