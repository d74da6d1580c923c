"""Wrong and right answers to the exercises of lab 06."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from nnlabs.checks import cnn_architectures
from tests.checks.harness import Answers, make_tests


def conv(n, f=3, **options):
    return layers.Conv2D(n, f, padding="same", **options)


# ---------------------------------------------------------------- counting


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
        elif layer[0] == "dense":
            costs.append(((shape[0] + 1) * layer[1], shape[0] * layer[1]))
            shape = (layer[1],)
        else:
            if layer[0] == "pool":
                shape = (*[(side - layer[1]) // layer[2] + 1 for side in shape[:2]], shape[2])
            else:
                shape = (int(np.prod(shape)),)
            costs.append((0, 0))
    return costs


def walk_recursively(shape, network):
    if not network:
        return []
    (kind, *numbers), *others = network
    if kind == "conv":
        after, parameters, madds = cost(shape, *numbers)
    elif kind == "dense":
        after, parameters, madds = numbers, (shape[0] + 1) * numbers[0], shape[0] * numbers[0]
    else:
        f, s = numbers or (1, 1)
        after = [1 + (side - f) // s for side in shape[:2]] + [shape[-1]]
        after, parameters, madds = after if numbers else [np.prod(shape)], 0, 0
    return [[parameters, madds], *walk_recursively(after, others)]


def walk_without_flatten(shape, network):
    return walk(shape, [layer for layer in network if layer[0] != "flatten"])


# ---------------------------------------------------------------- LeNet


def lenet(*, softmax="softmax", last=10, shape=(28, 28, 1), extra=()):
    def attempt():
        return keras.Sequential(
            [
                keras.Input(shape),
                layers.ZeroPadding2D(2),
                layers.Conv2D(6, 5, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(16, 5, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                *extra,
                *[layers.Dense(n, activation="relu") for n in (120, 84)],
                layers.Dense(last, activation=softmax),
            ]
        )

    return attempt


def lenet_functional():
    x = keras.Input((28, 28, 1))
    h = layers.MaxPooling2D(2)(layers.ReLU()(layers.Conv2D(6, 5, padding="same")(x)))
    h = layers.MaxPooling2D(2)(layers.ReLU()(layers.Conv2D(16, 5)(h)))
    h = layers.ReLU()(layers.Conv2D(120, 5)(h))
    h = layers.Dense(84)(layers.Flatten()(h))
    return keras.Model(x, layers.Softmax()(layers.Dense(10)(layers.Activation("relu")(h))))


class LeNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = layers.Dense(10, activation="softmax")
        self.body = keras.Sequential(lenet()().layers[:-1])

    def call(self, x):
        return self.last(self.body(x))


def lenet_called():
    model = LeNet()
    model(np.zeros((1, 28, 28, 1)))
    return model


# ---------------------------------------------------------------- blocks


def identity(a, *, start=("he_normal", "zeros"), inside=None, trainable=True):
    c = a.shape[-1]
    z = layers.ReLU()(conv(c, kernel_initializer=start[0])(a))
    z = inside(z) if inside else z
    z = conv(c, kernel_initializer=start[1], trainable=trainable)(z)
    return layers.ReLU()(layers.Add()([a, z]))


def starting(*start):
    return lambda a: identity(a, start=start)


def identity_by_ops(a):
    z = conv(a.shape[-1], kernel_initializer="he_normal")(a)
    return ops.relu(a + conv(a.shape[-1], kernel_initializer="zeros")(ops.relu(z)))


class Block(layers.Layer):
    """Its second convolution is made first."""

    def build(self, shape):
        self.second = conv(shape[-1], kernel_initializer="zeros")
        self.first = conv(shape[-1], kernel_initializer="he_normal", activation="relu")
        self.first.build(shape)
        self.second.build(shape)

    def call(self, a):
        return ops.relu(a + self.second(self.first(a)))


def identity_valid(a):
    z = layers.Conv2D(a.shape[-1], 3, activation="relu")(a)
    return layers.ReLU()(layers.Conv2D(a.shape[-1], 3)(z) + a)


def identity_shared(a):
    layer = conv(a.shape[-1])
    return layers.ReLU()(layer(layers.ReLU()(layer(a))) + a)


def no_return(a, *numbers):
    identity(a)


def pooled(a, n):
    h = layers.MaxPooling2D(2)(conv(n, activation="relu")(a))
    return layers.ReLU()(layers.Add()([h, layers.Conv2D(n, 1, strides=2, use_bias=False)(a)]))


def pooled_relu_late(a, n):
    """ReLU and max pooling may change places: the largest value stays the largest."""
    z = layers.ReLU()(layers.MaxPooling2D(2)(conv(n)(a)))
    return layers.Activation("relu")(conv(n, 1, strides=(2, 2), use_bias=False)(a) + z)


def residual(a, n, s, *, start=("glorot_uniform", "zeros"), project=None):
    z = conv(n, strides=s, activation="relu", kernel_initializer=start[0])(a)
    z = conv(n, kernel_initializer=start[1])(z)
    if project(a, n, s) if project else tuple(a.shape) != tuple(z.shape):
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)


def residual_by_cases(a, n, s):
    shortcut = a if s == 1 and a.shape[-1] == n else layers.Conv2D(n, 1, s, "same", use_bias=False)(a)
    z = layers.Activation("relu")(layers.Conv2D(n, 3, s, "same", kernel_initializer="he_normal")(a))
    z = layers.Conv2D(n, 3, padding="same", kernel_initializer=keras.initializers.Zeros())(z)
    return ops.relu(layers.add([shortcut, z]))


def inception(a, n1, r3, n3, r5, n5, n_pool, *, order=(0, 1, 2, 3), inside=lambda x: x):
    def relu_conv(x, n, f):
        return ops.relu(conv(n, f)(x))

    branches = [
        relu_conv(inside(a), n1, 1),
        relu_conv(relu_conv(a, r3, 1), n3, 3),
        relu_conv(relu_conv(a, r5, 1), n5, 5),
        relu_conv(ops.max_pool(a, 3, strides=1, padding="same"), n_pool, 1),
    ]
    return ops.concatenate([branches[i] for i in order], axis=-1)


def deep(depth, *, start="he_normal", block=identity, last=10, activation="softmax", pool=True):
    x = keras.Input((14, 14, 1))
    a = conv(8, strides=2, activation="relu", kernel_initializer=start)(x)
    for _ in range(depth // 2 - 1):
        a = block(a)
    a = layers.GlobalAveragePooling2D()(a) if pool else a
    return keras.Model(x, layers.Dense(last, activation=activation)(a))


def deep_counting_weights(depth):
    x = keras.Input((14, 14, 1))
    a = layers.ReLU()(conv(8, strides=2, kernel_initializer="he_normal")(x))
    for _ in range(1, depth - 1, 2):
        a = identity_by_ops(a)
    a = layers.AveragePooling2D(7)(a)
    return keras.Model(x, layers.Softmax()(layers.Dense(10)(layers.Flatten()(a))))


DROPOUT = "no dropout, no noise"

ANSWERS = {
    "conv_cost": Answers(
        wrong=[
            (lambda *case: np.array(cost(*case)[1:]), "a tuple is wanted"),
            (lambda shape, n, f, s, p, groups: cost(shape, n, f, s, p / 2, groups), "both sides"),
            (lambda shape, n, f, s, p, groups: None, "return statement"),
            (lambda shape, n, f, s, p: None, "keep the first line"),
        ],
        right=[cost, cost_by_keras, lambda *case: [np.array(part) for part in cost(*case)]],
    ),
    "network_cost": Answers(
        wrong=[
            (lambda shape, network: walk(shape, network)[-1], "expected 2 values"),
            (walk_without_flatten, "expected 5 values, found 4"),
        ],
        right=[walk, walk_recursively],
    ),
    "lenet": Answers(
        wrong=[
            (lenet(softmax=None), "makes probabilities"),
            (lenet(softmax="sigmoid"), "makes probabilities"),
            (lenet(last=9), "there are ten classes."),
            (lenet(shape=(28, 28, 3)), "shape of one image"),
            (lenet(extra=[layers.Dropout(0.5)]), DROPOUT),
            (lenet(extra=[layers.GaussianNoise(0.5)]), DROPOUT),
            (LeNet, "begin with keras.Input, or call the model once"),
            (lambda: lenet()() and None, "return statement"),
        ],
        right=[lenet(), lenet_functional, lenet_called],
    ),
    "identity_block": Answers(
        wrong=[
            (starting("he_normal", "he_normal"), "how does the second convolution start"),
            (starting("zeros", "zeros"), "which one starts at zero"),
            (starting("zeros", "he_normal"), "which one starts at zero"),
            (starting("glorot_uniform", "zeros"), "which kernel_initializer"),
            (starting("he_uniform", "zeros"), "which kernel_initializer"),
            (starting(keras.initializers.RandomNormal(stddev=5), "zeros"), "which kernel_initializer"),
            (lambda a: identity(a, inside=layers.Dropout(0.5)), DROPOUT),
            (lambda a: identity(a, trainable=False), "2 of 4 arrays of weights are not trainable"),
            (identity_shared, "found '(3, 3, 4, 4), (4,)'"),
            (identity_valid, "stops at line"),
            (no_return, "return statement"),
            (lambda a: a, "returns its input"),
            (lambda a: keras.Model(a, identity(a)), "call the layers on a"),
        ],
        right=[identity, identity_by_ops, lambda a: Block()(a)],
    ),
    "pooled_block": Answers(
        wrong=[
            (lambda a, n: identity(a) + pooled(a, n), "stops at line"),
            (no_return, "return statement"),
        ],
        right=[pooled, pooled_relu_late],
    ),
    "residual_block": Answers(
        wrong=[
            (lambda *case: residual(*case, start=("zeros", "he_normal")), "which one starts at zero"),
            (lambda *case: residual(*case, start=("he_normal", "he_normal")), "does the second convolution"),
            (lambda *case: residual(*case, project=lambda a, n, s: s == 2 or a.shape[-1] < n), "smaller too"),
            (lambda *case: residual(*case, project=lambda a, n, s: s > 1), "can differ too"),
            (no_return, "return statement"),
        ],
        right=[residual, residual_by_cases],
    ),
    "inception_block": Answers(
        wrong=[
            (lambda *case: inception(*case, inside=layers.Dropout(0.2)), DROPOUT),
            (lambda *case: inception(*case, order=(0, 1, 2)), "branch with the pooling"),
            (lambda *case: ops.concatenate([inception(*case), pooled(case[0], 3)]), "stops at line"),
            (no_return, "return statement"),
        ],
        right=[inception, lambda *case: inception(*case, order=(3, 1, 0, 2))],
    ),
    "residual_network": Answers(
        wrong=[
            (lambda depth: deep(depth, activation="linear"), "makes probabilities"),
            (lambda depth: deep(depth, last=9), "there are ten classes."),
            (lambda depth: deep(depth, pool=False), "a vector of maps"),
            (lambda depth: deep(depth, start="zeros"), "which one starts at zero"),
            (lambda depth: deep(depth, start="glorot_uniform"), "which kernel_initializer"),
            (lambda depth: deep(depth, block=starting("he_normal", "he_normal")), "0 of its 8 convolutions"),
            (lambda depth: deep(depth, block=starting("zeros", "he_normal")), "which one starts at zero"),
            (lambda depth: deep(depth, block=lambda a: identity(a, inside=layers.Dropout(0.1))), DROPOUT),
            (lambda depth: deep(depth) and None, "return statement"),
        ],
        right=[deep, deep_counting_weights],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(cnn_architectures, ANSWERS)


@pytest.mark.parametrize(("groups", "parameters"), [(2, 60_965_224), (1, 62_378_344)])
def test_the_reference_counts_alexnet(groups, parameters):
    network = [("conv", 96, 11, 4, 0, 1), ("pool", 3, 2), ("conv", 256, 5, 1, 2, groups), ("pool", 3, 2)]
    network += [("conv", 384, 3, 1, 1, g) for g in (1, groups)] + [("conv", 256, 3, 1, 1, groups)]
    network += [("pool", 3, 2), ("flatten",), ("dense", 4096), ("dense", 4096), ("dense", 1000)]
    costs = cnn_architectures.network_cost.reference((227, 227, 3), network)
    assert sum(cost[0] for cost in costs) == parameters
