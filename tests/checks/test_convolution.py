"""Lab 05: what students answer."""

import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import convolve2d, correlate2d

from nnlabs.checks import convolution
from tests.checks.harness import Answers, make_tests

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


# -- pad_same


def amounts(size, f, s):
    total = max((math.ceil(size / s) - 1) * s + f - size, 0)
    return total // 2, total - total // 2


def pad_with(pair):
    def attempt(x, f, s):
        return np.pad(x, ((0, 0), pair(x.shape[1], f, s), pair(x.shape[2], f, s), (0, 0)))

    return attempt


def pad_by_copying(x, f, s, amounts=amounts):
    top, bottom = amounts(x.shape[1], f, s)
    left, right = amounts(x.shape[2], f, s)
    batch, h, w, c = x.shape
    result = np.zeros((batch, top + h + bottom, left + w + right, c))
    result[:, top : top + h, left : left + w] = x
    return result


def never_clipped(size, f, s):
    total = (-(-size // s) - 1) * s + f - size
    return total // 2, total - total // 2


# -- cross_correlate


def windows(image, kernel):
    return sliding_window_view(image, kernel.shape)


def met(x, f, s=1):
    """Return, for each weight of a kernel, the pixels that it meets."""
    rows, columns = ((size - f) // s + 1 for size in x.shape[1:3])
    ends = s * (rows - 1) + 1, s * (columns - 1) + 1
    return [x[:, m : m + ends[0] : s, n : n + ends[1] : s] for m in range(f) for n in range(f)]


def correlate_over_the_kernel(image, kernel):
    return sum(w * pixels[0] for w, pixels in zip(kernel.flat, met(image[None], len(kernel)), strict=True))


def correlate_in_single_precision(image, kernel):
    return np.tensordot(windows(image.astype("float32"), kernel), kernel.astype("float32"), axes=2)


def correlate_by_fourier(image, kernel):
    f, spectrum = len(kernel), np.conj(np.fft.fft2(kernel, image.shape))
    places = np.fft.ifft2(np.fft.fft2(image) * spectrum).real
    return places[: image.shape[0] - f + 1, : image.shape[1] - f + 1]


def correlate_in_one_line(image, kernel):
    return np.array([[np.vdot(patch, kernel) for patch in row] for row in windows(image, kernel)])


# -- conv2d


def layer(x, K, b, s, padding, pair=amounts):
    f, _, c, filters = K.shape
    x = pad_with(pair)(x, f, s) if padding == "same" else x
    patches = np.moveaxis(sliding_window_view(x, (f, f), (1, 2))[:, ::s, ::s], 3, -1)
    return patches.reshape(*patches.shape[:3], f * f * c) @ K.reshape(-1, filters) + b


def layer_over_the_kernel(x, K, b, s, padding):
    x = pad_by_copying(x, len(K), s) if padding == "same" else x
    return sum(map(np.matmul, met(x, len(K), s), K.reshape(-1, *K.shape[2:]))) + b


def layer_of_keras(x, kernels, bias, stride, padding):
    import keras

    convolution = keras.layers.Conv2D(len(bias), len(kernels), strides=stride, padding=padding)
    convolution.build(x.shape)
    convolution.set_weights([kernels, bias])
    return convolution(x)  # a float32 tensor


def layer_bias_in_the_sum(x, K, b, s, padding):
    return sum(layer(x[..., c : c + 1], K[:, :, c : c + 1], b, s, padding) for c in range(x.shape[-1]))


def layer_by_loop(x, K, b, s, padding):
    """Work on the whole batch and all filters at each place: only 15 times slower than without a loop."""
    f = len(K)
    x = pad_with(amounts)(x, f, s) if padding == "same" else x
    rows, columns = range(0, x.shape[1] - f + 1, s), range(0, x.shape[2] - f + 1, s)
    places = [[np.tensordot(x[:, i : i + f, j : j + f], K, axes=3) for j in columns] for i in rows]
    return np.moveaxis(places, 2, 0) + b


# -- pool


def pool_over_the_patch(x, size, stride, mode):
    return getattr(np, mode)(met(x, size, stride), axis=0)


def pool_of_keras(x, size, stride, mode):
    import keras

    return keras.ops.average_pool(x, size, stride) if mode == "mean" else keras.ops.max_pool(x, size, stride)


def pool_by_reshape(x, size, stride, mode):
    batch, h, w, c = x.shape
    return getattr(x.reshape(batch, h // size, size, w // size, size, c), mode)(axis=(2, 4))


def pool_by_loop(x, size, stride, mode):
    rows, columns = (range(0, length - size + 1, stride) for length in x.shape[1:3])
    output = np.zeros((len(x), len(rows), len(columns), x.shape[3]))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            output[:, i, j] = getattr(x[:, row : row + size, column : column + size], mode)(axis=(1, 2))
    return output


# -- small_cnn


def network(*, start=(28, 28, 1), n=16, before_output=(), change=lambda model: None, **first):
    """Return an answer: the network, or one that differs in an argument."""

    def attempt():
        import keras
        from keras import layers

        model = keras.Sequential(
            [
                *([keras.Input(start)] if start else []),
                layers.Conv2D(8, 3, padding="same", activation="relu", **first),
                layers.MaxPooling2D(2),
                layers.Conv2D(n, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                *(getattr(layers, name)(*arguments) for name, *arguments in before_output),
                layers.Dense(10, activation="softmax"),
            ]
        )
        change(model)
        return model

    return attempt


def network_functional():
    import keras
    from keras import layers

    inputs = keras.Input((28, 28, 1))
    h = layers.Conv2D(8, (3, 3), padding="same", activation=keras.activations.relu)(inputs)
    h = layers.MaxPooling2D()(h)
    h = layers.ReLU()(layers.MaxPool2D((2, 2), strides=2)(layers.Conv2D(16, (3, 3))(h)))
    outputs = layers.Softmax()(layers.Dense(10)(layers.Reshape((-1,))(h)))
    return keras.Model(inputs, outputs)


def network_nested():
    import keras
    from keras import layers

    def block(*arguments, **options):
        convolution = layers.Conv2D(*arguments, activation="relu", **options)
        return keras.Sequential([convolution, layers.MaxPooling2D(2)])

    head = [layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), block(8, 3, padding="same"), block(16, 3), *head])


def network_by_subclassing():
    import keras

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.stack = keras.Sequential(network_functional().layers[1:])

        def call(self, x):
            return self.stack(x)

    model = Network()
    model(np.zeros((1, 28, 28, 1)))
    return model


ANSWERS = {
    "output_size": Answers(
        wrong=[
            (lambda h, f, p, s: math.ceil((h + 2 * p - f) / s) + 1, "brackets round down"),
            (lambda h, f, p, s: np.floor((h + 2 * p - f) / s) + 1, "expected an integer"),
            (lambda h, f, p, s: None, "return statement"),
            (lambda h, f, p: h, "keep the first line"),
        ],
        right=[
            lambda h, f, p, s: int(np.floor((h + 2 * p - f) / s + 1)),
            lambda h, f, p, s: len(range(-p, h + p - f + 1, s)),
            lambda h, f, p, s: np.array((h + 2 * p - f) // s + 1),
        ],
    ),
    "parameter_count": Answers(
        wrong=[
            (lambda h, w, c, f, n: f * f * c * n, "biases are missing"),
            (lambda h, w, c, f, n: [(f * f * c + 1) * n], "expected one number"),
        ],
        right=[
            lambda h, w, c, f, n: n * (1 + c * f**2),
            lambda h, w, c, f, n: np.prod([f, f, c, n]) + n,
        ],
    ),
    "pad_same": Answers(
        wrong=[
            (pad_with(lambda size, f, s: (f // 2, f // 2)), "both sides got the larger part"),
            (pad_with(lambda size, f, s: ((f - 1) // 2,) * 2), "both sides got the smaller part"),
            (pad_with(lambda size, f, s: ((f - 1) // 2, f - 1 - (f - 1) // 2)), "the stride is not used"),
            (pad_with(never_clipped), "never negative"),
            (lambda x, f, s: pad_by_copying(x, f, s, never_clipped), "could not broadcast"),
            (lambda x, f, s: pad_with(amounts)(x[:1], f, s), "what should axis 0 count?"),
            (lambda x, f, s: np.pad(x, [amounts(x.shape[1], f, s), amounts(x.shape[2], f, s)]), "ValueError"),
        ],
        right=[pad_with(amounts), pad_by_copying],
    ),
    "cross_correlate": Answers(
        wrong=[
            (lambda image, kernel: convolve2d(image, kernel, mode="valid"), "this is true convolution"),
            (lambda image, kernel: correlate2d(image, kernel, mode="same"), "as many as the image"),
            (correlate2d, "larger than the image"),
            (correlate_in_one_line, "does a Python loop run over the pixels"),
            (lambda image, kernel: correlate_by_fourier(image, kernel).tolist(), "makes an array of a list"),
            (lambda image, kernel: image * kernel, "ValueError: operands"),
        ],
        right=[
            correlate_over_the_kernel,
            correlate_in_single_precision,
            correlate_by_fourier,
            lambda image, kernel: np.sum(windows(image, kernel) * kernel, axis=(-2, -1)),
            lambda image, kernel: correlate2d(image, kernel, mode="valid"),
        ],
    ),
    "conv2d": Answers(
        wrong=[
            (layer_bias_in_the_sum, "once for each channel"),
            (lambda x, K, b, s, padding: layer(x, K, b, 1, padding)[::s, ::s], "left out whole images"),
            (lambda x, K, b, s, padding: layer(x[:1], K, b, s, padding), "what should axis 0 count?"),
            (lambda *case: layer(*case, pair=lambda size, f, s: (f // 2, f // 2)), "f // 2"),
            (lambda *case: layer(*case).tolist(), "makes an array of a list"),
            (layer_by_loop, "does a Python loop run over the pixels"),
        ],
        right=[layer_over_the_kernel, layer, layer_of_keras],
    ),
    "pool": Answers(
        wrong=[
            (lambda x, size, s, mode: pool_over_the_patch(x, size, 1, mode)[:, ::s], "rows only"),
            (pool_by_reshape, "cannot reshape"),
            (pool_by_loop, "does a Python loop run over the pixels"),
        ],
        right=[pool_over_the_patch, pool_of_keras],
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
            (lambda: SOBEL[:, :, None, None], "three rows"),
            (lambda: None, "return statement"),
        ],
        right=[
            lambda: SOBEL,
            lambda: np.outer([3, 10, 3], [-1, 0, 1]),
            lambda: np.array([[-1.0, 0.0, 1.0]] * 3) / 6,
            lambda: np.array([[0, 0, 0], [-1, 1, 0], [0, 0, 0]]),
            lambda: np.float32([[-0.3, 0.1, 0.2]] * 3),  # the sum is 2e-8 in float32
        ],
    ),
    "small_cnn": Answers(
        wrong=[
            (network(n=32), "depend on n"),
            (network(before_output=[("Dense", 16)]), "(576, 16), (16,), (16, 10)"),
            (network(before_output=[("Dropout", 0.5)]), "such as Dropout"),
            (network(before_output=[("Softmax",)]), "with given weights, on two images: at index"),
            (network(dilation_rate=2), "on two images: at index"),
            (network(kernel_initializer="zeros"), "draws them at random"),
            (network(trainable=False), "leave trainable as it is"),
            (network(start=(28, 28, 3)), "with its channel"),
            (network(start=(28, 28)), "expected min_ndim=4, found ndim=3"),
            (network(start=None), "begin with keras.Input"),
            (lambda: None, "return statement"),
            (lambda: [1, 2], "keras.Sequential"),
        ],
        right=[
            network_functional,
            network_nested,
            network_by_subclassing,
            network(change=lambda model: model.compile(loss="mse")),
        ],
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
