"""Checks of lab 06: the cost of a network, a folded normalisation, blocks of deep networks.

A block is compared with the reference as a *function*: both get weights that depend on nothing but their
shapes, and must then give the same output, in training too. How it was written does not matter.
Where the description says how a block starts, the weights of a new one are looked at as well.
"""

from __future__ import annotations

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# ---------------------------------------------------------------- 1 and 2: counting


@exercise(
    cases=[
        ((5, 7, 2), 4, 3, 1, 0, 1),
        ((12, 16, 3), 8, 3, 1, 1, 1),
        ((12, 11, 4), 6, 5, 2, 1, 1),
        ((7, 9, 8), 6, 3, 1, 0, 2),
        ((11, 10, 12), 8, 4, 3, 2, 4),
    ],
    mistakes={
        "zeros come on both sides.": "2 * p -> p",
        "is the padding p used?": " + 2 * p -> ",
        "is the stride s used?": " // s -> ",
        "the 1 is added after the division, outside of the bracket.": "- f) // s + 1 -> - f + 1) // s",
        "a filter as large as the image has one place, not none: what does the formula add?": "s + 1 -> s",
        "the output has a whole number of rows and columns.": "// s -> / s",
        "a filter must fit whole: in which direction is the division rounded?": (
            "(side + 2 * p - f) // s -> -((f - side - 2 * p) // s)"
        ),
        "a filter must fit whole: round down, not to the nearest number.": (
            "(side + 2 * p - f) // s -> round((side + 2 * p - f) / s)"
        ),
        "each filter has a bias.": "weights + n -> weights",
        "each filter has its own bias; there is not one for the layer.": "weights + n -> weights + 1",
        "a filter is as deep as what it sees: where are the channels?": "f * f * (c // groups) -> f * f",
        "a filter is f x f, not as large as the image.": "f * f * (c // groups) -> h * w * c",
        "with groups a filter sees only the channels of its own group.": "c // groups -> c",
        "the groups divide what a filter sees, not the number of biases.": "+ n, -> + n // groups,",
        "how often is each weight used for one image?": "weights * rows * columns -> weights",
        "in the multiply-adds the bias does not count.": "weights * rows -> (weights + n) * rows",
        "the multiply-adds happen at the places of the output, not of the input.": (
            "weights * rows * columns -> weights * h * w"
        ),
        "how many channels has the output?": "(rows, columns, n) -> (rows, columns, c)",
    },
)
def conv_cost(shape, n, f, s, p, groups):
    """Return the output's shape (h', w', n), the parameters and the multiply-adds."""
    h, w, c = shape
    rows, columns = ((side + 2 * p - f) // s + 1 for side in (h, w))
    weights = f * f * (c // groups) * n
    return (rows, columns, n), weights + n, weights * rows * columns


_DENSE = [("dense", 3), ("dense", 2)]
_SMALL = [("conv", 4, 3, 1, 0, 1), ("pool", 3, 2), ("flatten",), ("dense", 7), ("dense", 5)]
_GROUPED = [("conv", 8, 5, 2, 2, 1), ("conv", 6, 3, 1, 1, 2), ("pool", 2, 2), ("flatten",), ("dense", 3)]
_MOBILE = [("separable", 6, 3, 2, 1), ("separable", 5, 3, 1, 0), ("mean",), ("dense", 3)]


@exercise(
    cases=[((4,), _DENSE), ((11, 14, 2), _SMALL), ((20, 18, 3), _GROUPED), ((9, 12, 4), _MOBILE)],
    mistakes={
        "one pair for each layer, not their sum.": (
            "return costs -> return tuple(int(total) for total in np.sum(costs, axis=0))"
        ),
        "a list with one pair for each layer, not an array.": "return costs -> return np.array(costs)",
        "layers without parameters have a pair too.": "append(tuple(cost)) -> extend([cost] * any(cost))",
        "first the parameters, then the multiply-adds.": "tuple(cost) -> tuple(cost)[::-1]",
        "pooling makes the image smaller for the layers after it.": "(rows, columns, shape[2]) -> shape",
        "pooling follows the formula of a convolution: the size is not always h / s.": (
            "(side - f) // s + 1 -> side // s"
        ),
        "is the stride of the pooling used?": "(side - f) // s + 1 -> side - f + 1",
        "each neuron of a dense layer has a bias.": "(shape[-1] + 1) * n -> shape[-1] * n",
        "a dense layer has one bias for each neuron, not one in all.": (
            "(shape[-1] + 1) * n -> shape[-1] * n + 1"
        ),
        "in the multiply-adds of a dense layer the bias does not count.": ", shape[-1] -> , (shape[-1] + 1)",
        "flatten keeps every value: how many are there?": "shape[0] * shape[1] * shape[2] -> shape[-1]",
        "the output of a convolution has another height and width than its input.": (
            "shape, *cost = conv_cost.reference(shape, *numbers) -> "
            "(*_, n), *cost = conv_cost.reference(shape, *numbers); shape = (*shape[:2], n)"
        ),
        "where is the pointwise half of the separable convolution?": (
            "np.add(depthwise, pointwise).tolist() -> depthwise"
        ),
        "a depthwise filter sees only one channel: how many groups are there?": "s, p, c) -> s, p, 1)",
        "the pointwise convolution is 1x1.": "(between, n, 1, 1, 0, 1) -> (between, n, f, 1, f // 2, 1)",
        "only the depthwise convolution has the stride.": "(between, n, 1, 1, -> (between, n, 1, s,",
        "the mean over all places leaves one number for each channel.": (
            "shape = (shape[2],) -> shape = (shape[0] * shape[1] * shape[2],)"
        ),
    },
)
def network_cost(shape, network):
    """Return a list of (parameters, multiply-adds), one pair for each layer."""
    costs = []
    for kind, *numbers in network:
        cost = (0, 0)
        if kind == "conv":
            shape, *cost = conv_cost.reference(shape, *numbers)
        elif kind == "pool":
            f, s = numbers
            rows, columns = ((side - f) // s + 1 for side in shape[:2])
            shape = (rows, columns, shape[2])
        elif kind == "separable":
            n, f, s, p = numbers
            c = shape[2]
            between, *depthwise = conv_cost.reference(shape, c, f, s, p, c)
            shape, *pointwise = conv_cost.reference(between, n, 1, 1, 0, 1)
            cost = np.add(depthwise, pointwise).tolist()
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
        elif kind == "mean":
            shape = (shape[2],)
        else:
            (n,) = numbers
            cost = ((shape[-1] + 1) * n, shape[-1] * n)
            shape = (n,)
        costs.append(tuple(cost))
    return costs


# ---------------------------------------------------------------- comparing models as functions


def _outcome(model, *, normalises=False):
    """Return what ``model`` is and computes with random weights, in training too."""
    frozen = [weight for weight in model.non_trainable_weights if "moving" not in weight.path]
    expect.true(
        not frozen,
        f"{len(frozen)} of {len(model.weights)} arrays of weights are not trainable.",
        "every layer of the description is trained.",
    )
    x = np.random.default_rng(2).uniform(-1, 1, size=(2, *model.input_shape[1:])).astype("float32")
    found, training = (expect.outputs(model, x, training=training) for training in (False, True))
    if normalises:
        return {**found, "in training": training["output"]}
    expect.close(
        training["output"],
        found["output"],
        "The output in training",
        "nothing in the description works differently in training: no dropout, no noise, no normalisation.",
    )
    return found


def _model(attempt, name, shape, *numbers):
    """Return the model for inputs of ``shape`` that consists of a student's block."""
    import keras

    x = keras.Input(shape)
    y = attempt(x, *numbers)
    expect.true(
        isinstance(y, keras.KerasTensor),
        f"{name} should return the block's output tensor, it returns {expect.brief(y)}.",
        "is the return statement missing?"
        if y is None
        else "call the layers on a, and return what the last one returns.",
    )
    expect.true(y is not x, f"{name} returns its input.", "which of your tensors is the output?")
    return keras.Model(x, y)


def _add_block_cases(block, cases, change=lambda outcome: outcome, **options):
    """Compare a block with the reference for each ``(shape, *numbers)``; ``change`` is made to both."""
    for shape, *numbers in cases:

        def outcome(attempt, shape=shape, numbers=numbers):
            return change(_outcome(_model(attempt, block.name, shape, *numbers), **options))

        arguments = ", ".join(["a", *map(str, numbers)])
        outcome.__doc__ = f"{block.name}({arguments}), a of the shape {shape}, with random weights"
        block.case(outcome)


# ---------------------------------------------------------------- how a new model starts


def _expect_gradient_at_zero(model, what):
    """Raise unless each kernel that starts at zero gets a gradient, so that training can change it."""
    import tensorflow as tf

    rng = np.random.default_rng(1)
    x = rng.uniform(size=(2, *model.input_shape[1:])).astype("float32")
    zeros = [kernel.value for kernel in _kernels(model) if not np.any(expect.as_array(kernel))]
    with tf.GradientTape() as tape:
        output = model(x)
        loss = tf.reduce_sum(output * rng.normal(size=output.shape).astype("float32"))
    expect.true(
        all(np.any(expect.as_array(gradient)) for gradient in tape.gradient(loss, zeros)),
        f"In a new {what} a convolution gets no gradient, so it never learns.",
        "which one starts at zero? After a first one at zero, ReLU gives zeros and has the slope 0.",
    )


def _expect_starts_as_identity(model, name):
    x = np.random.default_rng(1).uniform(size=(1, *model.input_shape[1:])).astype("float32")
    hint = "it should pass its input on: how does the second convolution start?"
    expect.close(model(x), x, f"a new {name} of an input that is not negative", hint)
    _expect_gradient_at_zero(model, name)


def _kernels(model):
    return [weight for weight in model.weights if len(weight.shape) == 4]


# ---------------------------------------------------------------- 3: folding


def _layer(f, c, n, seed):
    """Return random arguments of fold: a kernel, its bias and a normalisation of n channels."""
    rng = np.random.default_rng(seed)
    bias, gamma, beta, mean = rng.normal(size=(4, n))
    return rng.normal(size=(f, f, c, n)), bias, gamma, beta, mean, rng.uniform(0.01, 2, size=n), 1e-3


@exercise(
    cases=[
        (np.array([[[[6.0, 8.0]]]]), *np.array([[3.0, 1], [6, 6], [1, -1], [1, 5], [3, 8]]), 1.0),
        (np.array([[[[4]]]]), *np.array([[1], [2], [0], [3], [3]]), 1),
        _layer(3, 4, 4, 1),
        _layer(5, 3, 2, 2),
    ],
    mistakes={
        "the variance is not the standard deviation.": "np.sqrt(variance + eta) -> (variance + eta)",
        "eta is a part of the formula.": " + eta -> ",
        "eta stands below the root.": "np.sqrt(variance + eta) -> (np.sqrt(variance) + eta)",
        "where is gamma?": "gamma / -> 1 / ",
        "the new kernel multiplies, it is not divided: what stands in the denominator?": (
            "gamma / np.sqrt(variance + eta) -> np.sqrt(variance + eta) / gamma"
        ),
        "the kernel changes too.": "kernel * scale -> kernel",
        "each filter has its own factor: along which axis of the kernel do the filters lie?": (
            "kernel * scale -> kernel * scale.reshape(1, 1, -1, 1)"
        ),
        "the convolution's own bias goes through the normalisation like all the rest.": (
            "(bias - mean) * scale -> bias - mean * scale"
        ),
        "what becomes of the convolution's own bias?": "(bias - mean) -> (-mean)",
        "the mean is subtracted.": "bias - mean -> bias + mean",
        "where is the mean?": "(bias - mean) -> bias",
        "the mean is divided by the standard deviation too.": "(bias - mean) * scale -> bias * scale - mean",
        "beta is added at the end, and nothing is done to it any more.": (
            "(bias - mean) * scale + beta -> (bias - mean + beta) * scale"
        ),
        "where is beta?": " + beta -> ",
        "first the kernel, then the bias.": "kernel * scale, (bias - mean) * scale + beta -> "
        "(bias - mean) * scale + beta, kernel * scale",
    },
)
def fold(kernel, bias, gamma, beta, mean, variance, eta):
    """Return kernel and bias of the one convolution that does what convolution and normalisation do."""
    scale = gamma / np.sqrt(variance + eta)
    return kernel * scale, (bias - mean) * scale + beta


# ---------------------------------------------------------------- 4 and 5: residual blocks


@exercise(
    **KERAS,
    mistakes={
        "where the shapes agree the shortcut is the input itself.": "a.shape != z.shape -> True",
        "the number of channels can differ too: where is the projection?": "a.shape != z.shape -> s != 1",
        "the number of channels can become smaller too: where is the projection?": (
            "a.shape != z.shape -> s != 1 or a.shape[-1] < n"
        ),
        "with a stride height and width differ: where is the projection?": (
            "a.shape != z.shape -> a.shape[-1] != n"
        ),
        "the projection has no bias.": "use_bias=False -> use_bias=True",
        "the projection has no activation.": 'use_bias=False -> use_bias=False, activation="relu"',
        "the first convolution has the stride, not the second.": [
            "strides=s, padding -> padding",
            '"zeros" -> "zeros", strides=s',
        ],
        "the last ReLU comes after the sum.": "layers.ReLU()(z + a) -> layers.ReLU()(z) + a",
        "the second convolution has no activation before the sum.": "z + a -> layers.ReLU()(z) + a",
        "there is a ReLU after the sum.": "layers.ReLU()(z + a) -> z + a",
        "there is a ReLU between the two convolutions.": ', activation="relu" -> ',
        "where is the shortcut?": "z + a -> z",
        "the projection is 1x1.": '(n, 1, -> (n, 3, padding="same",',
        "there is no pooling in this block: the projection has the stride.": (
            "strides=s, use_bias=False)(a) -> use_bias=False)(layers.MaxPooling2D(s)(a))"
        ),
    },
)
def residual_block(a, n, s):
    """Return the block of He et al.: stride s in the first convolution, a projection where shapes differ."""
    from keras import layers

    z = layers.Conv2D(n, 3, strides=s, padding="same", activation="relu")(a)
    z = layers.Conv2D(n, 3, padding="same", kernel_initializer="zeros")(z)
    if a.shape != z.shape:
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)


_add_block_cases(
    residual_block,
    [
        ((8, 8, 4), 4, 1),
        ((8, 8, 4), 6, 1),
        ((8, 8, 6), 4, 1),
        ((8, 8, 4), 4, 2),
        ((7, 9, 3), 5, 2),
        ((7, 9, 4), 4, 3),
    ],
)


@residual_block.property
def _residual_block_starts_as_the_identity(attempt):
    model = _model(attempt, "residual_block", (6, 6, 4), 4, 1)
    _expect_starts_as_identity(model, "residual_block with n = c and s = 1")


@exercise(
    **KERAS,
    mistakes={
        "there is no ReLU after the sum.": "return z + a -> return layers.ReLU()(z + a)",
        "the shortcut leads from the input itself, before anything is done to it.": "z + a -> z + first",
        "where is the shortcut?": "return z + a -> return z",
        "here normalisation and ReLU come before the convolution.": [
            "first = layers.ReLU()(layers.BatchNormalization()(a)) -> first = a",
            "return z + a -> return layers.ReLU()(layers.BatchNormalization()(z)) + a",
        ],
        "first the normalisation, then the ReLU.": (
            "layers.ReLU()(layers.BatchNormalization()( -> layers.BatchNormalization()(layers.ReLU()("
        ),
        "where are the normalisations?": "BatchNormalization -> Identity",
        "where are the ReLUs?": "layers.ReLU() -> layers.Identity()",
        "there are two normalisations, each before its own convolution.": (
            "BatchNormalization()(z) -> Identity()(z)"
        ),
        "the convolutions have no bias.": "use_bias=False -> use_bias=True",
        "there are two convolutions.": "z = layers.ReLU() -> return z + a; z = layers.ReLU()",
        "the filters are 3x3.": "c, 3, -> c, 1, ",
        "the normalisation is over the channels, the last axis.": "Normalization() -> Normalization(axis=1)",
        "one mean for each channel of all images: this is another normalisation.": (
            "BatchNormalization -> LayerNormalization"
        ),
    },
)
def preactivation_block(a):
    """Return a + the result of twice BatchNormalization, ReLU, 3x3 convolution."""
    from keras import layers

    c = a.shape[-1]
    first = layers.ReLU()(layers.BatchNormalization()(a))
    z = layers.Conv2D(c, 3, padding="same", use_bias=False)(first)
    z = layers.ReLU()(layers.BatchNormalization()(z))
    z = layers.Conv2D(c, 3, padding="same", use_bias=False)(z)
    return z + a


_add_block_cases(preactivation_block, [((6, 6, 4),), ((5, 7, 3),)], normalises=True)


# ---------------------------------------------------------------- 6: Inception


@exercise(
    **KERAS,
    mistakes={
        "a 1x1 convolution comes before the 3x3 and before the 5x5.": [
            "conv(r3, 1, a) -> a",
            "conv(r5, 1, a) -> a",
        ],
        "the 1x1 reductions have a ReLU too.": [
            "(r3, 1, a) -> (r3, 1, a, None)",
            "(r5, 1, a) -> (r5, 1, a, None)",
        ],
        "every convolution has a ReLU.": 'activation="relu" -> activation=None',
        "only the reductions have a ReLU.": [
            'activation="relu" -> activation=None',
            '(r3, 1, a) -> (r3, 1, a, "relu")',
            '(r5, 1, a) -> (r5, 1, a, "relu")',
        ],
        "max pooling, not the mean.": "MaxPooling2D -> AveragePooling2D",
        "in the fourth branch the pooling comes first.": [
            'same")(a) -> same")(conv(n_pool, 1, a))',
            "conv(n_pool, 1, pooled) -> pooled",
        ],
        "after the pooling a 1x1 convolution makes n_pool channels.": "conv(n_pool, 1, pooled) -> pooled",
        "which branch is 3x3, and which is 5x5?": [
            "(n3, 3 -> (n3, 7",
            "(n5, 5 -> (n5, 3",
            "(n3, 7 -> (n3, 5",
        ],
        "where is the branch with the pooling?": "conv(n_pool, 1, pooled) -> ",
        "r3 and r5 belong to the 1x1 convolutions, n3 and n5 to those after them.": [
            "(n3, 3, conv(r3 -> (r3, 3, conv(n3",
            "(n5, 5, conv(r5 -> (r5, 5, conv(n5",
        ],
    },
)
def inception_block(a, n1, r3, n3, r5, n5, n_pool):
    """Return the concatenation of the four branches of an Inception block."""
    from keras import layers

    def conv(n, f, x, activation="relu"):
        return layers.Conv2D(n, f, padding="same", activation=activation)(x)

    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(a)
    branches = [conv(n1, 1, a), conv(n3, 3, conv(r3, 1, a)), conv(n5, 5, conv(r5, 1, a))]
    branches += [conv(n_pool, 1, pooled)]
    return layers.Concatenate()(branches)


def _in_any_order(outcome):
    """Sort the channels: the branches may come in any order."""
    output = outcome["output"]
    return {**outcome, "output": output[..., np.argsort(output.mean(axis=(0, 1, 2)))]}


_add_block_cases(inception_block, [((7, 6, 5), 2, 3, 4, 7, 6, 8)], _in_any_order)


# ---------------------------------------------------------------- 7: squeeze and excitation


@exercise(
    **KERAS,
    mistakes={
        "the factors lie between 0 and 1, each for itself: they need not sum to 1.": "sigmoid -> softmax",
        "which activation gives factors between 0 and 1?": ', activation="sigmoid" -> ',
        "the first dense layer has a ReLU.": ', activation="relu" -> ',
        "the mean over the places, not the largest.": "GlobalAverage -> GlobalMax",
        "the maps are multiplied by the factors.": "a * layers -> a + layers",
        "the product is the output; nothing is added.": "return a * -> return a + a *",
        "the first dense layer is r times smaller than the number of channels.": "c // r -> c",
        "r divides the number of channels; it is not the number of neurons.": "c // r -> r",
        "where is the small dense layer?": 's = layers.Dense(c // r, activation="relu")(s) -> ',
        "each map has its own factor.": "(1, 1, c))(s) -> (1, 1, c))(s)[:, :, :, :1]",
        "the dense layers have biases.": "activation= -> use_bias=False, activation=",
    },
)
def squeeze_excite(a, r):
    """Return the maps a, each times a factor that two dense layers make of the means of all maps."""
    from keras import layers

    c = a.shape[-1]
    s = layers.GlobalAveragePooling2D()(a)
    s = layers.Dense(c // r, activation="relu")(s)
    s = layers.Dense(c, activation="sigmoid")(s)
    return a * layers.Reshape((1, 1, c))(s)


def _by_output(outcome):
    """Leave out the shapes of the weights: a 1x1 convolution is as good as a dense layer."""
    return {key: value for key, value in outcome.items() if key != "weights"}


_add_block_cases(squeeze_excite, [((6, 5, 8), 4), ((5, 7, 6), 2), ((3, 4, 7), 3)], _by_output)
