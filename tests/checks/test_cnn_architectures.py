"""Wrong and right answers to the exercises of lab 06."""

import keras
import numpy as np
from keras import layers, ops

from nnlabs.checks import cnn_architectures
from tests.checks.harness import Answers, make_tests


def conv(n, f=3, **options):
    return layers.Conv2D(n, f, padding="same", **options)


def cost(shape, n, f, s, p, groups):
    h, w, c = shape
    out = ((h + 2 * p - f) // s + 1, (w + 2 * p - f) // s + 1, n)
    return out, (f * f * c // groups + 1) * n, f * f * c // groups * out[0] * out[1] * n


def cost_by_keras(shape, n, f, s, p, groups):
    x = keras.Input(shape)
    layer = layers.Conv2D(n, f, strides=s, groups=groups)
    out = layer(layers.ZeroPadding2D(p)(x)).shape[1:]
    return list(out), layer.count_params(), np.prod(out) * np.prod(layer.kernel.shape[:3])


def walk(shape, network):
    costs = []
    for layer in network:
        if layer[0] == "conv":
            shape, parameters, madds = cost(shape, *layer[1:])
            costs.append((parameters, madds))
        elif layer[0] == "separable":
            _, n, f, s, p = layer
            between, *depthwise = cost(shape, shape[2], f, s, p, shape[2])
            shape, *pointwise = cost(between, n, 1, 1, 0, 1)
            costs.append((depthwise[0] + pointwise[0], depthwise[1] + pointwise[1]))
        elif layer[0] == "dense":
            costs.append(((shape[0] + 1) * layer[1], shape[0] * layer[1]))
            shape = (layer[1],)
        else:
            if layer[0] == "pool":
                shape = (*[(side - layer[1]) // layer[2] + 1 for side in shape[:2]], shape[2])
            else:
                shape = (int(np.prod(shape)),) if layer[0] == "flatten" else shape[2:]
            costs.append((0, 0))
    return costs


def fold_float32(*arguments):
    kernel, bias, gamma, beta, mean, variance, eta = (np.asarray(x, "float32") for x in arguments)
    scale = ops.convert_to_tensor(gamma) * ops.rsqrt(variance + eta)
    return kernel * scale, beta + (bias - mean) * scale


def fold_in_place(kernel, bias, gamma, beta, mean, variance, eta):
    kernel *= gamma / np.sqrt(variance + eta)
    return kernel, beta + (bias - mean) * gamma / np.sqrt(variance + eta)


def preactivation(a, *, inside=lambda z: z, normalise=layers.BatchNormalization, **options):
    z = a
    for _ in range(2):
        z = inside(layers.Activation("relu")(normalise()(z)))
        z = conv(a.shape[-1], use_bias=False, **options)(z)
    return layers.Add()([a, z])


def preactivation_nested(a):
    branch = [layers.BatchNormalization(), layers.ReLU(), conv(a.shape[-1], use_bias=False)]
    branch += [layers.BatchNormalization(momentum=0.9), layers.ReLU(), conv(a.shape[-1], use_bias=False)]
    return a + keras.Sequential(branch)(a)


class Preactivation(layers.Layer):
    """Its second half is made first."""

    def build(self, shape):
        self.convs = [conv(shape[-1], use_bias=False) for _ in "21"]
        self.norms = [layers.BatchNormalization() for _ in "21"]
        for layer in (*self.convs, *self.norms):
            layer.build(shape)

    def call(self, a, training=False):
        z = self.convs[1](ops.relu(self.norms[1](a, training=training)))
        return a + self.convs[0](ops.relu(self.norms[0](z, training=training)))


def preactivation_shared(a):
    normalise = layers.BatchNormalization()
    return preactivation(a, normalise=lambda: normalise)


def squeeze_by_convolutions(a, r):
    c = a.shape[-1]
    s = layers.GlobalAveragePooling2D(keepdims=True)(a)
    return layers.Multiply()(
        [layers.Conv2D(c, 1, activation="sigmoid")(conv(c // r, 1, activation="relu")(s)), a]
    )


def squeeze(a, r, *, reshape=True):
    c = a.shape[-1]
    s = ops.mean(a, axis=(1, 2))
    s = ops.sigmoid(layers.Dense(c)(ops.relu(layers.Dense(int(c / r))(s))))
    return a * (s[:, None, None] if reshape else s)


def residual(a, n, s, *, start=("glorot_uniform", "zeros")):
    z = conv(n, strides=s, activation="relu", kernel_initializer=start[0])(a)
    z = conv(n, kernel_initializer=start[1])(z)
    if tuple(a.shape) != tuple(z.shape):
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)


def faulty_block(a, n, s):
    """As the lab gives it."""
    z = conv(n, strides=s, activation="relu", kernel_initializer="zeros")(a)
    z = conv(n, activation="relu", kernel_initializer="he_normal")(z)
    if s > 1:
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)


def residual_by_cases(a, n, s):
    shortcut = a if s == 1 and a.shape[-1] == n else layers.Conv2D(n, 1, s, "same", use_bias=False)(a)
    z = layers.Activation("relu")(layers.Conv2D(n, 3, s, "same", kernel_initializer="he_normal")(a))
    z = layers.Conv2D(n, 3, padding="same", kernel_initializer=keras.initializers.Zeros())(z)
    return ops.relu(layers.add([shortcut, z]))


def inception(a, n1, r3, n3, r5, n5, n_pool, *, order=(0, 1, 2, 3), inside=lambda x: x, **options):
    def relu_conv(x, n, f):
        return ops.relu(conv(n, f, **options)(x))

    branches = [
        relu_conv(inside(a), n1, 1),
        relu_conv(relu_conv(a, r3, 1), n3, 3),
        relu_conv(relu_conv(a, r5, 1), n5, 5),
        relu_conv(ops.max_pool(a, 3, strides=1, padding="same"), n_pool, 1),
    ]
    return ops.concatenate([branches[i] for i in order], axis=-1)


DROPOUT = "no dropout, no noise"

ANSWERS = {
    "conv_cost": Answers(
        wrong=[
            (lambda *case: np.array(cost(*case)[1:]), "a tuple is wanted"),
            (lambda shape, n, f, s, p: None, "keep the first line"),
        ],
        right=[cost, cost_by_keras],
    ),
    "network_cost": Answers(
        wrong=[
            (lambda shape, network: walk(shape, network)[-1], "expected 2 values"),
            (lambda shape, given: walk(shape, [x for x in given if x[0] != "flatten"]), "5 values, found 4"),
        ],
        right=[walk, lambda *given: list(map(list, walk(*given)))],
    ),
    "fold": Answers(
        wrong=[
            (fold_in_place, "changes its argument"),
            (lambda kernel, *others: fold_float32(kernel[0], *others), "expected shape"),
        ],
        right=[fold_float32, lambda *given: list(fold_float32(*given))],
    ),
    "preactivation_block": Answers(
        wrong=[
            (lambda a: preactivation(a, inside=layers.Dropout(0.5)), "in training"),
            (lambda a: preactivation(a, trainable=False), "2 of 10 arrays of weights are not trainable"),
            (lambda a: preactivation(a, dilation_rate=2), "output"),
            (preactivation_shared, "expected '(3, 3, 4, 4)"),
            (lambda a: None, "return statement"),
            (lambda a: a, "returns its input"),
            (lambda a: keras.Model(a, preactivation(a)), "call the layers on a"),
        ],
        right=[preactivation, preactivation_nested, lambda a: Preactivation()(a)],
    ),
    "residual_block": Answers(
        wrong=[
            (lambda *case: residual(*case, start=("zeros", "he_normal")), "which one starts at zero"),
            (lambda *case: residual(*case, start=("he_normal", "he_normal")), "does the second convolution"),
            (faulty_block, "no activation before the sum"),
        ],
        right=[residual, residual_by_cases],
    ),
    "inception_block": Answers(
        wrong=[
            (lambda *case: inception(*case, inside=layers.Dropout(0.2)), DROPOUT),
            (lambda *case: inception(*case, trainable=False), "12 of 12 arrays of weights are not trainable"),
        ],
        right=[inception, lambda *case: inception(*case, order=(3, 1, 0, 2))],
    ),
    "squeeze_excite": Answers(
        wrong=[
            (lambda a, r: squeeze(a, r, reshape=False), "stops"),
            (lambda a, r: layers.Dropout(0.3)(squeeze(a, r)), DROPOUT),
            (lambda a, r: squeeze(a, r + 1), "output"),
        ],
        right=[squeeze, squeeze_by_convolutions],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(cnn_architectures, ANSWERS)


def test_the_reference_counts_mobilenet():
    widths, strides = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024], [1, 2, 1, 2, 1, 2, *[1] * 5, 2, 1]
    network = [
        ("conv", 32, 3, 2, 1, 1),
        *[("separable", n, 3, s, 1) for n, s in zip(widths, strides, strict=True)],
    ]
    costs = cnn_architectures.network_cost.reference((224, 224, 3), [*network, ("mean",), ("dense", 1000)])
    assert sum(cost[1] for cost in costs) == 568_740_352
