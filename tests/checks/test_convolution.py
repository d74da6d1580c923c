"""Lab 05: what students answer."""

import keras
import numpy as np
import pytest
from keras import layers

from nnlabs.checks import convolution
from tests.checks.harness import Answers, make_tests


def seen_by_walking(layers, j):
    """Follow all pixels, layer by layer, down to the image."""
    pixels = [j]
    for f, s, p in layers[::-1]:
        pixels = [k * s - p + m for k in pixels for m in range(f)]
    return min(pixels), max(pixels)


def met(x, kernels, stride, dilation=(1, 1)):
    """Return, for each place of the kernels, the pixels that it meets."""
    (s, t), (d, e), (f, g) = stride, dilation, kernels.shape[:2]
    rows, columns = (x.shape[1] - d * (f - 1) - 1) // s + 1, (x.shape[2] - e * (g - 1) - 1) // t + 1
    ends = s * (rows - 1) + 1, t * (columns - 1) + 1
    starts = [(d * m, e * n) for m in range(f) for n in range(g)]
    return [x[:, m : m + ends[0] : s, n : n + ends[1] : t] for m, n in starts]


def padded(x, padding):
    (top, bottom), (left, right) = padding
    batch, h, w, c = x.shape
    result = np.zeros((batch, top + h + bottom, left + w + right, c), x.dtype)
    result[:, top : top + h, left : left + w] = x
    return result


def layer(x, kernels, bias, stride, padding, dilation):
    pixels = met(padded(x, padding), kernels, stride, dilation)
    return sum(map(np.matmul, pixels, kernels.reshape(-1, *kernels.shape[2:]))) + bias


def layer_of_keras(x, kernels, bias, stride, padding, dilation):
    """Keras combines no stride with a dilation: put the gaps into the kernels."""
    (d, e), (f, g) = dilation, kernels.shape[:2]
    wide = np.zeros((d * (f - 1) + 1, e * (g - 1) + 1, *kernels.shape[2:]))
    wide[::d, ::e] = kernels
    return keras.ops.conv(padded(x, padding), wide, strides=stride) + bias


def layer_in_single_precision(x, kernels, bias, *rest):
    return layer(x.astype("float32"), kernels.astype("float32"), bias.astype("float32"), *rest)


def layer_by_loop(x, kernels, bias, stride, padding, dilation):
    """Work on the whole batch and all filters at each place: only 15 times slower than without a loop."""
    x, (f, g), (s, t), (d, e) = padded(x, padding), kernels.shape[:2], stride, dilation
    down, right = d * (f - 1) + 1, e * (g - 1) + 1
    rows, columns = range(0, x.shape[1] - down + 1, s), range(0, x.shape[2] - right + 1, t)
    patches = [[x[:, i : i + down : d, j : j + right : e] for j in columns] for i in rows]
    return np.moveaxis([[np.tensordot(p, kernels, 3) for p in row] for row in patches], 2, 0) + bias


def pool(x, size, stride):
    values = np.array(met(x, np.empty(size), stride), float)
    total = values.sum(axis=0)
    return np.divide((values**2).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)


def pool_without_out(x, size, stride):
    values = np.array(met(x, np.empty(size), stride), float)
    total = values.sum(axis=0)
    return np.divide((values**2).sum(axis=0), total, where=total > 0)


def pool_by_loop(x, size, stride):
    rows, columns = (range(0, n - k + 1, s) for n, k, s in zip(x.shape[1:3], size, stride, strict=True))
    places = [
        [pool(x[:, i : i + size[0], j : j + size[1]], size, (1, 1))[:, 0, 0] for j in columns] for i in rows
    ]
    return np.moveaxis(places, 2, 0)


def back_by_windows(G, kernels, stride, size):
    """Write into the windows of the gradient itself: a sum over the places that share a pixel."""
    gradient = np.zeros((len(G), *size, kernels.shape[2]))
    pixels = met(gradient, kernels, stride)
    for place, weights in zip(pixels, kernels.reshape(-1, *kernels.shape[2:]), strict=True):
        place += np.einsum("bijl,cl->bijc", G, weights)
    return gradient


def back_by_loop(G, kernels, stride, size):
    gradient = np.zeros((len(G), *size, kernels.shape[2]))
    (s, t), (f, g) = stride, kernels.shape[:2]
    for i, j in np.ndindex(G.shape[1:3]):
        gradient[:, s * i : s * i + f, t * j : t * j + g] += np.einsum("bl,mncl->bmnc", G[:, i, j], kernels)
    return gradient


def pool_back_by_tape(x, G, size, stride):
    import tensorflow as tf

    x = tf.Variable(x, dtype=tf.float64)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(G * tf.nn.max_pool2d(x, size, stride, "VALID"))
    return tape.gradient(loss, x)


def pool_back_by_loops(x, G, size, stride, *, keep=0.0):
    gradient = np.zeros(x.shape)
    for b, i, j, c in np.ndindex(G.shape):
        patch = x[b, i * stride : i * stride + size, j * stride : j * stride + size, c]
        m, n = divmod(int(np.argmax(patch)), size)
        place = b, i * stride + m, j * stride + n, c
        gradient[place] = keep * gradient[place] + G[b, i, j, c]
    return gradient


def pool_back_faulty(x, G, size, stride):
    """The function of the statement."""
    gradient = np.zeros(x.shape)
    for i, j in np.ndindex(G.shape[1:3]):
        here = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
        patch = x[:, here[0], here[1]]
        winner = patch == patch.max(axis=(1, 2), keepdims=True)
        gradient[:, here[0], here[1]] = winner * G[:, i : i + 1, j : j + 1]
    return gradient


def network(*, start=(28, 28, 1), n=16, before_output=(), **first):
    """Return an answer: the network, or one that differs in an argument."""

    def attempt():
        return keras.Sequential(
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

    return attempt


def network_functional():
    inputs = keras.Input((28, 28, 1))
    h = layers.Conv2D(8, (3, 3), padding="same", activation=keras.activations.relu)(inputs)
    h = layers.MaxPooling2D()(h)
    h = layers.ReLU()(layers.MaxPool2D((2, 2), strides=2)(layers.Conv2D(16, (3, 3))(h)))
    outputs = layers.Softmax()(layers.Dense(10)(layers.Reshape((-1,))(h)))
    return keras.Model(inputs, outputs)


def network_nested():
    def block(*arguments, **options):
        convolution = layers.Conv2D(*arguments, activation="relu", **options)
        return keras.Sequential([convolution, layers.MaxPooling2D(2)])

    head = [layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), block(8, 3, padding="same"), block(16, 3), *head])


def network_by_subclassing():
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
            (lambda h, f, a, b, s, d: np.floor((h + a + b - d * (f - 1) - 1) / s) + 1, "expected an integer"),
            (lambda h, f, p: h, "keep the first line"),
        ],
        right=[
            lambda h, f, a, b, s, d: len(range(-a, h + b - d * (f - 1), s)),
            lambda h, f, a, b, s, d: int((h + a + b - d * (f - 1) - 1) / s) + 1,
        ],
    ),
    "seen": Answers(
        wrong=[
            (lambda layers, j: seen_by_walking(layers[::-1], j), "from which end of the list"),
            (lambda layers, j: seen_by_walking(layers, j)[0], "expected 2 values"),
        ],
        right=[seen_by_walking, lambda *case: list(seen_by_walking(*case))],
    ),
    "conv2d": Answers(
        wrong=[
            (lambda x, *rest: layer(x[:1], *rest), "what should axis 0 count?"),
            (lambda *case: layer(*case).tolist(), "makes an array of a list"),
            (layer_by_loop, "does a Python loop run over the pixels"),
        ],
        right=[layer, layer_of_keras, layer_in_single_precision],
    ),
    "weighted_pool": Answers(
        wrong=[(pool_without_out, "at index"), (pool_by_loop, "does a Python loop run over the pixels")],
        right=[pool, lambda *case: pool(*case).astype("float32")],
    ),
    "image_gradient": Answers(
        wrong=[
            (lambda G, K, s, size: layer(G, K, 0, s, ((1, 1), (1, 1)), (1, 1)), "the kernel is turned"),
            (lambda G, K, s, size: back_by_windows(G, K[:, :, :1], s, size), "axis"),
            (back_by_loop, "does a Python loop run over the pixels"),
        ],
        right=[back_by_windows, lambda *case: back_by_windows(*case).astype("float32")],
    ),
    "max_pool_gradient": Answers(
        wrong=[
            (pool_back_faulty, "both faults are there"),
            (pool_back_by_loops, "only the last one counts"),
            (lambda x, *rest: pool_back_by_loops(x[:1], *rest, keep=1.0), "IndexError"),
        ],
        right=[lambda *case: pool_back_by_loops(*case, keep=1.0), pool_back_by_tape],
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
        right=[network_functional, network_nested, network_by_subclassing],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(convolution, ANSWERS)


@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("f", [1, 2, 3, 4])
def test_the_references_are_those_of_keras(f, stride, dilation):
    rng = np.random.default_rng(f)
    x, kernels = rng.normal(size=(2, 12, 15, 3)), rng.normal(size=(f, 2, 3, 4))
    case = x, kernels, rng.normal(size=4), stride, ((2, 0), (1, 3)), dilation
    ours, theirs = convolution.conv2d.reference(*case), layer_of_keras(*case)
    assert np.abs(ours - theirs).max() < 1e-5
    assert len(ours[0]) == convolution.output_size.reference(12, f, 2, 0, stride[0], dilation[0])
