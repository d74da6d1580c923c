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


def cost_dividing(divide):
    """Return ``cost`` with another division by the stride."""

    def attempt(shape, n, f, s, p, groups):
        rows, columns = (int(divide(side + 2 * p - f, s)) + 1 for side in shape[:2])
        weights = f * f * shape[2] // groups * n
        return (rows, columns, n), weights + n, weights * rows * columns

    return attempt


def changed(position, change):
    """Return ``cost`` with one of its three results changed."""

    def attempt(*case):
        result = list(cost(*case))
        result[position] = change(result, *case)
        return tuple(result)

    return attempt


def walk(shape, network, *, conv=cost, size=lambda h, f, s: (h - f) // s + 1, bias=1, madds_bias=0):
    costs = []
    for layer in network:
        if layer[0] == "conv":
            shape, parameters, madds = conv(shape, *layer[1:])
            costs.append((parameters, madds))
        elif layer[0] == "dense":
            costs.append(((shape[0] + bias) * layer[1], (shape[0] + madds_bias) * layer[1]))
            shape = (layer[1],)
        else:
            if layer[0] == "pool":
                shape = (size(shape[0], *layer[1:]), size(shape[1], *layer[1:]), shape[2])
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


def lenet(
    *,
    margin=2,
    relu="relu",
    dense="relu",
    pool=layers.MaxPooling2D,
    softmax="softmax",
    size=5,
    units=(120, 84),
    last=10,
    shape=(28, 28, 1),
):
    def attempt():
        return keras.Sequential(
            [
                keras.Input(shape),
                layers.ZeroPadding2D(margin),
                layers.Conv2D(6, size, activation=relu),
                pool(2),
                layers.Conv2D(16, size, activation=relu),
                pool(2),
                layers.Flatten(),
                *[layers.Dense(n, activation=dense) for n in units],
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


def lenet_without_input():
    return keras.Sequential([layers.Flatten(), layers.Dense(10, activation="softmax")])


def lenet_relu_after_pooling():
    x = keras.Input((28, 28, 1))
    h = layers.ZeroPadding2D(2)(x)
    for n in (6, 16):
        h = layers.ReLU()(layers.MaxPooling2D(2)(layers.Conv2D(n, 5)(h)))
    h = layers.Flatten()(h)
    for n in (120, 84):
        h = layers.Dense(n, activation="relu")(h)
    return keras.Model(x, layers.Dense(10, activation="softmax")(h))


# ---------------------------------------------------------------- blocks


def identity(a, *, between=True, second=False, last=True, start="zeros", f=3, n=None, add=True):
    n = n or a.shape[-1]
    z = conv(n, f)(a)
    z = layers.ReLU()(z) if between else z
    z = conv(n, f, kernel_initializer=start)(z)
    z = layers.ReLU()(z) if second else z
    z = layers.Add()([a, z]) if add else z
    return layers.ReLU()(z) if last else z


def identity_by_ops(a):
    z = conv(a.shape[-1], kernel_initializer="he_normal")(a)
    return ops.relu(a + conv(a.shape[-1], kernel_initializer="zeros")(ops.relu(z)))


def identity_valid(a):
    z = layers.Conv2D(a.shape[-1], 3, activation="relu")(a)
    return layers.ReLU()(layers.Conv2D(a.shape[-1], 3)(z) + a)


def identity_from_inside(a):
    h = conv(a.shape[-1], activation="relu")(a)
    return layers.ReLU()(conv(a.shape[-1], kernel_initializer="zeros")(h) + h)


def identity_all_zero(a):
    z = conv(a.shape[-1], activation="relu", kernel_initializer="zeros")(a)
    return layers.ReLU()(conv(a.shape[-1], kernel_initializer="zeros")(z) + a)


def identity_shared(a):
    layer = conv(a.shape[-1])
    return layers.ReLU()(layer(layers.ReLU()(layer(a))) + a)


def identity_concatenated(a):
    z = conv(a.shape[-1])(conv(a.shape[-1], activation="relu")(a))
    return layers.ReLU()(layers.Concatenate()([z, a]))


def no_return(a, *numbers):
    identity(a)


def pooled(a, n, *, bias=False, act=None, last=True, first="relu", pool=layers.MaxPooling2D, source="a"):
    h = conv(n, activation=first)(a)
    z = pool(2)(h)
    w = layers.Conv2D(n, 1, strides=2, use_bias=bias, activation=act)({"a": a, "h": h}[source])
    z = layers.Add()([z, w])
    return layers.ReLU()(z) if last else z


def pooled_without_shortcut(a, n):
    return layers.ReLU()(layers.MaxPooling2D(2)(conv(n, activation="relu")(a)))


def pooled_identity(a, n):
    return layers.ReLU()(layers.MaxPooling2D(2)(conv(n, activation="relu")(a)) + a)


def pooled_shortcut_pooled(a, n):
    z = layers.MaxPooling2D(2)(conv(n, activation="relu")(a))
    return layers.ReLU()(z + layers.Conv2D(n, 1, use_bias=False)(layers.MaxPooling2D(2)(a)))


def pooled_relu_late(a, n):
    """ReLU and max pooling may change places: the largest value stays the largest."""
    z = layers.ReLU()(layers.MaxPooling2D(2)(conv(n)(a)))
    return layers.Activation("relu")(conv(n, 1, strides=(2, 2), use_bias=False)(a) + z)


def residual(a, n, s, *, when=None, bias=False, last=True, second=None, late=False, start="zeros", act=None):
    z = conv(n, strides=1 if late else s, activation="relu")(a)
    z = conv(n, strides=s if late else 1, activation=second, kernel_initializer=start)(z)
    different = tuple(a.shape) != tuple(z.shape) if when is None else when(a, n, s)
    if different:
        a = layers.Conv2D(n, 1, strides=s, use_bias=bias, activation=act)(a)
    return layers.ReLU()(z + a) if last else z + a


def residual_by_cases(a, n, s):
    shortcut = a if s == 1 and a.shape[-1] == n else layers.Conv2D(n, 1, s, "same", use_bias=False)(a)
    z = layers.Activation("relu")(layers.Conv2D(n, 3, s, "same")(a))
    z = layers.Conv2D(n, 3, padding="same", kernel_initializer=keras.initializers.Zeros())(z)
    return ops.relu(layers.add([shortcut, z]))


def residual_without_shortcut(a, n, s):
    z = conv(n, strides=s, activation="relu")(a)
    return layers.ReLU()(conv(n)(z))


def inception(
    a, n1, r3, n3, r5, n5, np_, *, act="relu", red="relu", order=(0, 1, 2, 3), swap=False, pool="max"
):
    kind = layers.MaxPooling2D if pool == "max" else layers.AveragePooling2D
    f3, f5 = (5, 3) if swap else (3, 5)
    branches = [
        conv(n1, 1, activation=act)(a),
        conv(n3, f3, activation=act)(conv(r3, 1, activation=red)(a)),
        conv(n5, f5, activation=act)(conv(r5, 1, activation=red)(a)),
        conv(np_, 1, activation=act)(kind(3, strides=1, padding="same")(a)),
    ]
    return layers.Concatenate()([branches[i] for i in order])


def inception_naive(a, n1, r3, n3, r5, n5, np_):
    pool = conv(np_, 1, activation="relu")(layers.MaxPooling2D(3, 1, "same")(a))
    parts = [conv(n, f, activation="relu")(a) for n, f in ((n1, 1), (n3, 3), (n5, 5))]
    return layers.Concatenate()([*parts, pool])


def inception_pool_stride(a, n1, r3, n3, r5, n5, np_):
    pool = conv(np_, 1, activation="relu")(layers.MaxPooling2D(3, padding="same")(a))
    return layers.Concatenate()([conv(n1, 1)(a), pool])


def inception_pool_last(a, n1, r3, n3, r5, n5, np_):
    parts = [
        conv(n1, 1, activation="relu")(a),
        conv(n3, 3, activation="relu")(conv(r3, 1, activation="relu")(a)),
        conv(n5, 5, activation="relu")(conv(r5, 1, activation="relu")(a)),
        layers.MaxPooling2D(3, 1, "same")(conv(np_, 1, activation="relu")(a)),
    ]
    return layers.Concatenate()(parts)


def inception_by_ops(a, n1, r3, n3, r5, n5, np_):
    def relu_conv(x, n, f):
        return ops.relu(conv(n, f)(x))

    pooled = ops.max_pool(a, 3, strides=1, padding="same")
    one, three = relu_conv(a, n1, 1), relu_conv(relu_conv(a, r3, 1), n3, 3)
    five = relu_conv(relu_conv(a, r5, 1), n5, 5)
    return ops.concatenate([relu_conv(pooled, np_, 1), five, three, one], axis=-1)


def deep(
    depth,
    *,
    blocks=None,
    strides=2,
    first="relu",
    block=identity,
    pool=layers.GlobalAveragePooling2D,
    out=None,
):
    x = keras.Input((14, 14, 1))
    a = conv(8, strides=strides, activation=first)(x)
    for _ in range(depth // 2 - 1 if blocks is None else blocks(depth)):
        a = block(a)
    return keras.Model(x, layers.Dense(10, activation=out or "softmax")(pool()(a)))


def deep_counting_weights(depth):
    x = keras.Input((14, 14, 1))
    a = layers.ReLU()(conv(8, strides=2)(x))
    for _ in range(1, depth - 1, 2):
        a = identity_by_ops(a)
    a = layers.AveragePooling2D(7)(a)
    return keras.Model(x, layers.Softmax()(layers.Dense(10)(layers.Flatten()(a))))


ANSWERS = {
    "conv_cost": Answers(
        wrong=[
            (lambda shape, n, f, s, p, groups: cost(shape, n, f, s, p / 2, groups), "both sides"),
            (lambda shape, n, f, s, p, groups: cost(shape, n, f, 1, p, groups), "stride s used"),
            (lambda shape, n, f, s, p, groups: cost(shape, n, f, s, 0, groups), "padding p used"),
            (lambda shape, n, f, s, p, groups: cost(shape, n, f, s, p, 1), "channels of its own group"),
            (cost_dividing(lambda a, s: np.ceil(a / s)), "in which direction"),
            (cost_dividing(lambda a, s: np.rint(a / s)), "not to the nearest"),
            (
                lambda shape, n, f, s, p, groups: (
                    ((shape[0] + 2 * p - f) / s + 1, (shape[1] + 2 * p - f) / s + 1, n),
                    *cost(shape, n, f, s, p, groups)[1:],
                ),
                "",
            ),
            (changed(1, lambda r, shape, n, *_: r[1] - n), "each filter has a bias"),
            (changed(1, lambda r, shape, n, *_: r[1] - n + 1), "its own bias"),
            (changed(2, lambda r, shape, n, *_: r[1] - n), "how often is each weight used"),
            (changed(2, lambda r, *_: r[1] * r[0][0] * r[0][1]), "the bias does not count"),
            (changed(2, lambda r, shape, n, *_: (r[1] - n) * shape[0] * shape[1]), "not of the input"),
            (changed(0, lambda r, shape, *_: (*r[0][:2], shape[2])), "channels has the output"),
            (changed(1, lambda r, shape, n, f, *_: (f * f + 1) * n), ""),
            (lambda shape, n, f, s, p, groups: None, "return statement"),
            (lambda shape, n, f, s, p: None, "keep the first line"),
        ],
        right=[cost, cost_by_keras],
    ),
    "network_cost": Answers(
        wrong=[
            (lambda *case: tuple(np.sum(walk(*case), axis=0)), "not their sum"),
            (lambda *case: [pair for pair in walk(*case) if pair[0]], "have a pair too"),
            (lambda *case: walk(*case, size=lambda h, f, s: h), "smaller for the layers after"),
            (lambda *case: walk(*case, size=lambda h, f, s: h // s), "not always h / s"),
            (lambda *case: walk(*case, size=lambda h, f, s: h - f + 1), "stride of the pooling"),
            (lambda *case: walk(*case, bias=0), "of a dense layer has a bias"),
            (lambda *case: walk(*case, madds_bias=1), "dense layer the bias does not count"),
            (lambda shape, network: walk(shape, network)[-1], ""),
            (walk_without_flatten, ""),
            (
                lambda *case: walk(*case, conv=lambda shape, *n: ((*shape[:2], n[0]), *cost(shape, *n)[1:])),
                "another height and width",
            ),
        ],
        right=[walk, walk_recursively],
    ),
    "lenet": Answers(
        wrong=[
            (lenet(margin=0), "where is the margin"),
            (lenet(margin=1), "28 becomes 32"),
            (lenet(pool=layers.AveragePooling2D), "not the mean"),
            (lenet(relu="tanh", dense="tanh"), "in place of tanh"),
            (lenet(relu=None), "the convolutions have no ReLU"),
            (lenet(dense=None), "120 and 84 have no ReLU"),
            (lenet(size=3), "how large are the filters"),
            (lenet(units=(120,)), "84 neurons before the classes"),
            (lenet(units=()), "of 120 and of 84"),
            (lenet(softmax=None), "makes probabilities"),
            (lenet(softmax="sigmoid"), "makes probabilities"),
            (lenet(last=9), "ten numbers"),
            (lenet(shape=(28, 28, 3)), "shape of one image"),
            (lenet(units=(84, 120)), "line by line"),
            (lenet_without_input, "begin with keras.Input"),
            (lambda: lenet()() and None, "return statement"),
        ],
        right=[lenet(), lenet_functional, lenet_relu_after_pooling],
    ),
    "identity_block": Answers(
        wrong=[
            (lambda a: identity(a, add=False), "where is the shortcut"),
            (identity_from_inside, "not from a[l+1]"),
            (lambda a: identity(a, second=True, last=False), "comes after the sum"),
            (lambda a: identity(a, second=True), "no activation before the sum"),
            (lambda a: identity(a, last=False), "a ReLU after the sum"),
            (lambda a: identity(a, between=False), "between the two convolutions"),
            (lambda a: identity(a, start="he_normal"), "how does the second convolution start"),
            (identity_all_zero, "Which one starts at zero"),
            (lambda a: identity(a, f=5), "3x3"),
            (identity_concatenated, "not appended"),
            (identity_shared, ""),
            (identity_valid, "stops at line"),
            (no_return, "return statement"),
            (lambda a: a, "returns its input"),
            (lambda a: keras.Model(a, identity(a)), "call the layers on a"),
        ],
        right=[identity, identity_by_ops],
    ),
    "pooled_block": Answers(
        wrong=[
            (pooled_without_shortcut, "where is the shortcut"),
            (lambda a, n: pooled(a, n, bias=True), "projection has no bias"),
            (lambda a, n: pooled(a, n, act="relu"), "projection has no activation"),
            (lambda a, n: pooled(a, n, source="h"), "not a[l+1]"),
            (lambda a, n: pooled(a, n, last=False), "a ReLU after the sum"),
            (lambda a, n: pooled(a, n, first=None), "is a ReLU of the convolution"),
            (lambda a, n: pooled(a, n, pool=layers.AveragePooling2D), "not the mean"),
            (pooled_shortcut_pooled, "no pooling in the shortcut"),
            (pooled_identity, "stops at line"),
            (no_return, "return statement"),
        ],
        right=[pooled, pooled_relu_late],
    ),
    "residual_block": Answers(
        wrong=[
            (lambda *c: residual(*c, when=lambda a, n, s: True), "shortcut is the input itself"),
            (lambda *c: residual(*c, when=lambda a, n, s: s > 1), "stops at line"),
            (lambda *c: residual(*c, bias=True), "projection has no bias"),
            (lambda *c: residual(*c, act="relu"), "projection has no activation"),
            (lambda *c: residual(*c, late=True), "not the second"),
            (lambda *c: residual(*c, second="relu", last=False), "comes after the sum"),
            (lambda *c: residual(*c, second="relu"), "no activation before the sum"),
            (lambda *c: residual(*c, last=False), "a ReLU after the sum"),
            (lambda *c: residual(*c, start="he_normal"), "how does the second convolution start"),
            (residual_without_shortcut, "where is the shortcut"),
            (no_return, "return statement"),
        ],
        right=[residual, residual_by_cases],
    ),
    "inception_block": Answers(
        wrong=[
            (inception_naive, "comes before the 3x3"),
            (lambda *c: inception(*c, red=None), "reductions have a ReLU too"),
            (lambda *c: inception(*c, red=None, act=None), "every convolution has a ReLU"),
            (lambda *c: inception(*c, act=None), "only the reductions"),
            (lambda *c: inception(*c, pool="mean"), "not the mean"),
            (lambda *c: inception(*c, swap=True), "which branch is 3x3"),
            (lambda *c: inception(*c, order=(0, 1, 2)), "branch with the pooling"),
            (lambda a, n1, r3, n3, r5, n5, p: inception(a, n1, n3, r3, n5, r5, p), "belong to the 1x1"),
            (inception_pool_last, "the pooling comes first"),
            (inception_pool_stride, "stops at line"),
            (no_return, "return statement"),
        ],
        right=[inception, lambda *c: inception(*c, order=(3, 1, 0, 2)), inception_by_ops],
    ),
    "residual_network": Answers(
        wrong=[
            (lambda depth: deep(depth, blocks=lambda depth: depth - 2), "two layers with weights"),
            (lambda depth: deep(depth, blocks=lambda depth: depth // 2), "first and the last layer"),
            (lambda depth: deep(depth, blocks=lambda depth: depth // 2 - 2), "one block too few"),
            (lambda depth: deep(depth, blocks=lambda depth: depth), "not of blocks"),
            (lambda depth: deep(depth, strides=1), "has stride 2"),
            (lambda depth: deep(depth, first=None), "first convolution has a ReLU"),
            (lambda depth: deep(depth, pool=layers.Flatten), "not Flatten"),
            (lambda depth: deep(depth, pool=layers.GlobalMaxPooling2D), "*average*"),
            (lambda depth: deep(depth, block=lambda a: identity(a, add=False)), "where are the shortcuts"),
            (lambda depth: deep(depth, out="linear"), "makes probabilities"),
            (lambda depth: deep(depth) and None, "return statement"),
        ],
        right=[deep, deep_counting_weights],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(cnn_architectures, ANSWERS)


@pytest.mark.parametrize(
    ("groups", "parameters"), [(2, 60_965_224), (1, 62_378_344)], ids=["two groups", "one group"]
)
def test_the_reference_counts_alexnet(groups, parameters):
    network = [("conv", 96, 11, 4, 0, 1), ("pool", 3, 2), ("conv", 256, 5, 1, 2, groups), ("pool", 3, 2)]
    network += [("conv", 384, 3, 1, 1, g) for g in (1, groups)] + [("conv", 256, 3, 1, 1, groups)]
    network += [("pool", 3, 2), ("flatten",), ("dense", 4096), ("dense", 4096), ("dense", 1000)]
    costs = cnn_architectures.network_cost.reference((227, 227, 3), network)
    assert sum(cost[0] for cost in costs) == parameters
