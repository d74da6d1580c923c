"""Checks of lab 06: the cost of a network, LeNet, residual and Inception blocks.

A block or network is compared with the reference as a *function*: both get weights that depend on nothing
but their shapes, and must then give the same output, in training too. How it was written does not matter.
Where the description says how a network starts, the weights of a new one are looked at as well.
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


@exercise(
    cases=[((4,), _DENSE), ((11, 14, 2), _SMALL), ((20, 18, 3), _GROUPED)],
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
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
        else:
            (n,) = numbers
            cost = ((shape[-1] + 1) * n, shape[-1] * n)
            shape = (n,)
        costs.append(tuple(cost))
    return costs


# ---------------------------------------------------------------- comparing models as functions


def _outcome(model):
    """Return what ``model`` is and computes with random weights; in training it must be the same."""
    expect.true(
        len(model.trainable_weights) == len(model.weights),
        f"{len(model.weights) - len(model.trainable_weights)} of {len(model.weights)} arrays of weights are "
        "not trainable.",
        "every layer of the description is trained.",
    )
    x = np.random.default_rng(2).uniform(-1, 1, size=(2, *model.input_shape[1:])).astype("float32")
    found, training = (expect.outputs(model, x, training=training) for training in (False, True))
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


def _add_block_cases(block, cases, change=lambda outcome: outcome):
    """Compare a block with the reference for each ``(shape, *numbers)``; ``change`` is made to both."""
    for shape, *numbers in cases:

        def outcome(attempt, shape=shape, numbers=numbers):
            return change(_outcome(_model(attempt, block.name, shape, *numbers)))

        arguments = ", ".join(["a", *map(str, numbers)])
        outcome.__doc__ = f"{block.name}({arguments}), a of the shape {shape}, with random weights"
        block.case(outcome)


def _network_outcome(found, what, shape):
    """Return the outcome of a classifier with ten classes."""
    model = expect.keras_model(found, what, shape, "keras.Sequential or keras.Model make one.")
    expect.true(
        tuple(model.output_shape) == (None, 10),
        f"Expected the output shape {(None, 10)}, found {model.output_shape}.",
        "there are ten classes, with one number each: which layer makes a vector of maps?"
        if len(model.output_shape) > 2
        else "there are ten classes.",
    )
    x = np.random.default_rng(1).uniform(size=(4, *shape)).astype("float32")
    output = expect.as_array(model(x))
    expect.true(
        bool(np.allclose(output.sum(axis=1), 1, atol=1e-4) and output.min() >= 0),
        "The ten outputs should be probabilities, but they are not: their sum is not 1.",
        "which activation makes probabilities?",
    )
    return {**_outcome(model), "weights": f"{model.count_params():,} parameters"}


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


def _expect_he_normal(kernels, what):
    """Raise unless the values of ``kernels`` are spread as those of he_normal."""
    scaled = [expect.as_array(w) * np.sqrt(np.prod(w.shape[:-1]) / 2) for w in kernels]
    values = np.concatenate([values.ravel() for values in scaled])
    spread = values.std()
    expect.true(
        bool(0.8 < spread < 1.25 and np.abs(values).max() > 1.9 * spread),  # 1.73 is that of he_uniform
        f"The weights of {what} do not start as he_normal does it: their spread is {spread:.2f} times that.",
        "which kernel_initializer does the description name?",
    )


def _expect_starts_as_identity(model, name):
    x = np.random.default_rng(1).uniform(size=(1, *model.input_shape[1:])).astype("float32")
    hint = "it should pass its input on: how does the second convolution start?"
    expect.close(model(x), x, f"a new {name} of an input that is not negative", hint)
    _expect_gradient_at_zero(model, name)


def _kernels(model, c=None):
    """Return the kernels of the convolutions, or those that see ``c`` channels."""
    return [w for w in model.weights if len(w.shape) == 4 and c in (None, w.shape[2])]


# ---------------------------------------------------------------- 3: LeNet


@exercise(
    **KERAS,
    mistakes={
        "where is the margin of 2 zeros on each side?": "layers.ZeroPadding2D(2), -> ",
        "the margin is 2 on each side: 28 becomes 32.": "ZeroPadding2D(2) -> ZeroPadding2D(1)",
        "the numbers lie between 0 and 1 already.": "Zero -> Rescaling(1 / 255), layers.Zero",
        "max pooling, not the mean.": "MaxPooling2D -> AveragePooling2D",
        "the pooling is 2x2.": "MaxPooling2D(2) -> MaxPooling2D(3)",
        "ReLU in place of tanh.": "relu -> tanh",
        "the convolutions have no ReLU.": '5, activation="relu" -> 5',
        "the first convolution has no ReLU.": '(6, 5, activation="relu" -> (6, 5',
        "the second convolution has no ReLU.": '(16, 5, activation="relu" -> (16, 5',
        "the dense layers of 120 and 84 have no ReLU.": [
            '(120, activation="relu" -> (120',
            '(84, activation="relu" -> (84',
        ],
        "the layer of 120 has no ReLU.": '120, activation="relu" -> 120',
        "the layer of 84 has no ReLU.": '84, activation="relu" -> 84',
        "one softmax is enough.": '"softmax") -> "softmax"), layers.Softmax()',
        "how large are the filters?": "6, 5 -> 6, 3",
        "the convolutions have no padding of their own.": '5, activation -> 5, padding="same", activation',
        "every layer has biases.": "activation= -> use_bias=False, activation=",
        "there is a layer of 84 neurons before the classes.": 'layers.Dense(84, activation="relu"), -> ',
        "where are the layers of 120 and of 84?": [
            'layers.Dense(84, activation="relu"), -> ',
            'layers.Dense(120, activation="relu"), -> ',
        ],
        "first 120 neurons, then 84.": [
            "Dense(84 -> Dense(0",
            "Dense(120 -> Dense(84",
            "Dense(0 -> Dense(120",
        ],
        "first 6 filters, then 16.": [
            "Conv2D(6 -> Conv2D(0",
            "Conv2D(16 -> Conv2D(6",
            "Conv2D(0 -> Conv2D(16",
        ],
    },
)
def lenet():
    """Return LeNet in its form of today: 61,706 parameters."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.ZeroPadding2D(2),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


@lenet.case
def _lenet_as_a_function(attempt):
    """lenet() with random weights"""
    return _network_outcome(attempt(), "lenet()", (28, 28, 1))


# ---------------------------------------------------------------- 4 to 6: residual blocks


@exercise(
    **KERAS,
    mistakes={
        "where is the shortcut?": "z + a -> z",
        "the shortcut leads from a[l], not from a[l+1].": "z + a -> z + first",
        "the last ReLU comes after the sum.": "layers.ReLU()(z + a) -> layers.ReLU()(z) + a",
        "the second convolution has no activation before the sum.": "z + a -> layers.ReLU()(z) + a",
        "there is a ReLU after the sum.": "layers.ReLU()(z + a) -> z + a",
        "there is a ReLU between the two convolutions.": 'activation="relu", -> ',
        "there are two convolutions, each with its own weights.": [
            'activation="relu", -> ',
            "z + a -> first + a",
        ],
        "the shapes agree, so the shortcut needs no weights.": (
            "z + a -> z + layers.Conv2D(c, 1, use_bias=False)(a)"
        ),
        "the convolutions have biases.": "padding -> use_bias=False, padding",
        "the filters are 3x3.": "(c, 3 -> (c, 5",
        "the filters are 3x3, not 1x1.": "(c, 3 -> (c, 1",
        "the shortcut is added, not appended.": "(z + a) -> (layers.Concatenate()([z, a]))",
        "the shortcut is added once.": "z + a -> z + a + a",
    },
)
def identity_block(a):
    """Return a[l+2] = ReLU(Conv(ReLU(Conv(a))) + a); the second convolution starts at zero."""
    from keras import layers

    c = a.shape[-1]
    first = layers.Conv2D(c, 3, padding="same", activation="relu", kernel_initializer="he_normal")(a)
    z = layers.Conv2D(c, 3, padding="same", kernel_initializer="zeros")(first)
    return layers.ReLU()(z + a)


_add_block_cases(identity_block, [((6, 6, 4),), ((5, 7, 3),)])


@identity_block.property
def _identity_block_starts_as_the_identity(attempt):
    model = _model(attempt, "identity_block", (6, 6, 16))
    _expect_starts_as_identity(model, "identity_block")
    first = [kernel for kernel in _kernels(model) if np.any(expect.as_array(kernel))]
    _expect_he_normal(first, "the first convolution")


@exercise(
    **KERAS,
    mistakes={
        "where is the shortcut W a[l]?": "z + projected -> z",
        "the projection has no bias.": "use_bias=False -> use_bias=True",
        "the projection has no activation.": 'use_bias=False -> use_bias=False, activation="relu"',
        "the projection reads a[l], not a[l+1].": "use_bias=False)(a) -> use_bias=False)(first)",
        "there is a ReLU after the sum.": "layers.ReLU()(z + projected) -> z + projected",
        "a[l+1] is a ReLU of the convolution.": ', activation="relu" -> ',
        "max pooling, not the mean.": "MaxPooling2D -> AveragePooling2D",
        "the projection is 1x1.": '(n, 1, -> (n, 3, padding="same",',
        "W has stride 2; there is no pooling in the shortcut.": (
            "strides=2, use_bias=False)(a) -> use_bias=False)(layers.MaxPooling2D(2)(a))"
        ),
        "the pooling comes before the sum.": [
            "layers.MaxPooling2D(2)(first) -> first",
            "strides=2, -> ",
            "layers.ReLU()(z + projected) -> layers.MaxPooling2D(2)(layers.ReLU()(z + projected))",
        ],
        "there is a max pooling; the convolution of 3x3 has stride 1.": [
            "padding -> strides=2, padding",
            "layers.MaxPooling2D(2)(first) -> first",
        ],
        "this block has one convolution of 3x3, then the pooling.": (
            '(first) -> (layers.Conv2D(n, 3, padding="same")(first))'
        ),
    },
)
def pooled_block(a, n):
    """Return ReLU(MaxPool(ReLU(Conv(a))) + W a), W a 1x1 convolution with stride 2."""
    from keras import layers

    first = layers.Conv2D(n, 3, padding="same", activation="relu")(a)
    z = layers.MaxPooling2D(2)(first)
    projected = layers.Conv2D(n, 1, strides=2, use_bias=False)(a)
    return layers.ReLU()(z + projected)


_add_block_cases(pooled_block, [((8, 8, 3), 5), ((6, 10, 4), 4)])


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


# ---------------------------------------------------------------- 7: Inception


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


# ---------------------------------------------------------------- 8: the residual network


@exercise(
    **KERAS,
    mistakes={
        "each block has two layers with weights.": "(depth - 2) // 2 -> depth - 2",
        "the first and the last layer have weights too.": "(depth - 2) // 2 -> depth // 2",
        "is there one block too few?": "(depth - 2) // 2 -> (depth - 4) // 2",
        "depth is the number of layers, not of blocks.": "(depth - 2) // 2 -> depth",
        "the first convolution has stride 2.": '"strides": 2, -> ',
        "the first convolution has SAME padding.": ', padding="same" -> ',
        "the first convolution has a ReLU.": '"activation": "relu", -> ',
        "global average pooling, not Flatten.": "GlobalAveragePooling2D -> Flatten",
        "global *average* pooling.": "GlobalAveragePooling2D -> GlobalMaxPooling2D",
        "where are the shortcuts?": 'block.reference -> block.mistaken("where is the shortcut?")',
        "how many filters has the first convolution?": "(8, 3 -> (16, 3",
    },
)
def residual_network(depth):
    """Return the network of identity blocks with ``depth`` layers that have weights."""
    import keras
    from keras import layers

    image = keras.Input((14, 14, 1))
    stem = {"strides": 2, "activation": "relu", "kernel_initializer": "he_normal"}
    a = layers.Conv2D(8, 3, padding="same", **stem)(image)
    for _ in range((depth - 2) // 2):
        a = identity_block.reference(a)
    a = layers.GlobalAveragePooling2D()(a)
    return keras.Model(image, layers.Dense(10, activation="softmax")(a))


@residual_network.case
def _residual_network_as_a_function(attempt):
    """residual_network by its depth, with random weights"""
    return {n: _network_outcome(attempt(n), f"residual_network({n})", (14, 14, 1)) for n in (6, 10)}


@residual_network.property
def _residual_network_starts_as_described(attempt):
    model = attempt(10)
    zeros = [kernel for kernel in _kernels(model, 8) if not np.any(expect.as_array(kernel))]
    expect.true(
        len(zeros) == 4,
        f"In a new residual_network(10) {len(zeros)} of its 8 convolutions in blocks start at zero.",
        "how do the two convolutions of an identity block start?",
    )
    _expect_gradient_at_zero(model, "residual_network(10)")
    stems = [kernel for _ in range(6) for kernel in _kernels(attempt(4), 1)]
    _expect_he_normal(stems, "the convolution of the image")
