"""Checks of lab 06: the cost of a network, LeNet, residual and Inception blocks.

A block or network is compared with a reference as a *function*: both get the same random weights, and
must then give the same output. How it was written does not matter. Keras is loaded when it is needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise

Cost = tuple[int, int]


# ---------------------------------------------------------------- 1 and 2: counting


def _conv(
    shape: tuple,
    n: int,
    f: int,
    s: int,
    p: int,
    groups: int,
    *,
    sides: int = 2,
    sees: Callable | None = None,
    biases: int | None = None,
    divide: Callable = lambda a, s: a // s,
) -> tuple[tuple, int, int]:
    """Return the output's shape, the parameters and the multiply-adds; the options make mistakes.

    ``sides`` is how often the padding is added, ``sees(h, w, c, f)`` the weights of one filter,
    ``biases`` their number, and ``divide`` by the stride.
    """
    h, w, c = shape
    rows, columns = divide(h + sides * p - f, s) + 1, divide(w + sides * p - f, s) + 1
    weights = (sees(h, w, c, f) if sees else f * f * (c // groups)) * n
    return (rows, columns, n), weights + (n if biases is None else biases), weights * rows * columns


@exercise(
    cases=[
        ((12, 16, 3), 8, 3, 1, 1, 1),
        ((12, 11, 4), 6, 5, 2, 1, 1),
        ((7, 9, 8), 6, 3, 1, 0, 2),
        ((11, 10, 12), 8, 4, 3, 2, 4),
    ],
    mistakes={
        "zeros come on both sides.": lambda *case: _conv(*case, sides=1),
        "is the padding p used?": lambda *case: _conv(*case, sides=0),
        "is the stride s used?": lambda shape, n, f, s, p, groups: _conv(shape, n, f, 1, p, groups),
        "the output has a whole number of rows and columns.": (
            lambda *case: _conv(*case, divide=lambda a, s: a / s)
        ),
        "a filter must fit whole: in which direction is the division rounded?": (
            lambda *case: _conv(*case, divide=lambda a, s: -(-a // s))
        ),
        "a filter must fit whole: round down, not to the nearest number.": (
            lambda *case: _conv(*case, divide=lambda a, s: round(a / s))
        ),
        "each filter has a bias.": lambda *case: _conv(*case, biases=0),
        "each filter has its own bias; there is not one for the layer.": lambda *case: _conv(*case, biases=1),
        "a filter is as deep as what it sees: where are the channels?": (
            lambda *case: _conv(*case, sees=lambda h, w, c, f: f * f)
        ),
        "a filter is f x f, not as large as the image.": (
            lambda *case: _conv(*case, sees=lambda h, w, c, f: h * w * c)
        ),
        "with groups a filter sees only the channels of its own group.": (
            lambda *case: _conv(*case, sees=lambda h, w, c, f: f * f * c)
        ),
        "the groups divide what a filter sees, not the number of biases.": (
            lambda *case: _conv(*case, biases=case[1] // case[5])
        ),
        "how often is each weight used for one image?": (
            lambda *case: (*_conv(*case)[:2], _conv(*case)[1] - case[1])
        ),
        "in the multiply-adds the bias does not count.": lambda *case: (
            *_conv(*case)[:2],
            _conv(*case)[1] * _conv(*case)[0][0] * _conv(*case)[0][1],
        ),
        "the multiply-adds happen at the places of the output, not of the input.": lambda *case: (
            *_conv(*case)[:2],
            (_conv(*case)[1] - case[1]) * case[0][0] * case[0][1],
        ),
        "how many channels has the output?": lambda *case: (
            (*_conv(*case)[0][:2], case[0][2]),
            *_conv(*case)[1:],
        ),
    },
)
def conv_cost(shape: tuple, n: int, f: int, s: int, p: int, groups: int) -> tuple[tuple, int, int]:
    """Return the output's shape (h', w', n), the parameters and the multiply-adds."""
    return _conv(shape, n, f, s, p, groups)


def _network(
    shape: tuple,
    network: Iterable[tuple],
    *,
    pool_shrinks: bool = True,
    pool_stride: bool = True,
    pool_size: Callable[[int, int, int], int] = lambda h, f, s: (h - f) // s + 1,
    dense: Callable[[int, int], Cost] = lambda d, n: ((d + 1) * n, d * n),
    flatten: Callable[[tuple], int] = lambda shape: shape[0] * shape[1] * shape[2],
    conv_shape: bool = True,
) -> list[Cost]:
    """Return the cost of each layer; the options make the mistakes."""
    costs = []
    for kind, *numbers in network:
        cost: Cost = (0, 0)
        if kind == "conv":
            after, *cost = _conv(shape, *numbers)
            shape = after if conv_shape else (*shape[:2], numbers[0])
        elif kind == "pool" and pool_shrinks:
            f, s = numbers if pool_stride else (numbers[0], 1)
            shape = (pool_size(shape[0], f, s), pool_size(shape[1], f, s), shape[2])
        elif kind == "flatten":
            shape = (flatten(shape),)
        elif kind == "dense":
            (n,) = numbers
            cost, shape = dense(shape[-1], n), (n,)
        costs.append(tuple(cost))
    return costs


_SMALL = [("conv", 4, 3, 1, 0, 1), ("pool", 3, 2), ("flatten",), ("dense", 7), ("dense", 5)]
_SMALL_GROUPED = [
    ("conv", 8, 5, 2, 2, 1),
    ("conv", 6, 3, 1, 1, 2),
    ("pool", 2, 2),
    ("flatten",),
    ("dense", 3),
]


@exercise(
    cases=[
        ((11, 14, 2), _SMALL),
        ((20, 18, 3), _SMALL_GROUPED),
        ((10,), [("dense", 4), ("dense", 2)]),
    ],
    mistakes={
        "one pair for each layer, not their sum.": (
            lambda *case: tuple(int(total) for total in np.sum(_network(*case), axis=0))
        ),
        "layers without parameters have a pair too.": (
            lambda *case: [cost for cost in _network(*case) if cost != (0, 0)]
        ),
        "pooling makes the image smaller for the layers after it.": (
            lambda *case: _network(*case, pool_shrinks=False)
        ),
        "pooling follows the formula of a convolution: the size is not always h / s.": (
            lambda *case: _network(*case, pool_size=lambda h, f, s: h // s)
        ),
        "is the stride of the pooling used?": lambda *case: _network(*case, pool_stride=False),
        "each neuron of a dense layer has a bias.": (
            lambda *case: _network(*case, dense=lambda d, n: (d * n, d * n))
        ),
        "a dense layer has one bias for each neuron, not one in all.": (
            lambda *case: _network(*case, dense=lambda d, n: (d * n + 1, d * n))
        ),
        "in the multiply-adds of a dense layer the bias does not count.": (
            lambda *case: _network(*case, dense=lambda d, n: ((d + 1) * n, (d + 1) * n))
        ),
        "flatten keeps every value: how many are there?": (
            lambda *case: _network(*case, flatten=lambda shape: shape[-1])
        ),
        "the output of a convolution has another height and width than its input.": (
            lambda *case: _network(*case, conv_shape=False)
        ),
    },
)
def network_cost(shape: tuple, network: list[tuple]) -> list[Cost]:
    """Return a list of (parameters, multiply-adds), one pair for each layer."""
    return _network(shape, network)


# ---------------------------------------------------------------- comparing models as functions


def _key(weight: Any) -> tuple[int, ...]:
    """Return a weight's shape as a matrix: a 5x5 convolution that leaves one place is a dense layer."""
    *rows, columns = weight.shape
    return (int(np.prod(rows)), columns) if rows else (columns,)


def _by_key(model: Any) -> dict[tuple, list]:
    weights = defaultdict(list)
    for weight in model.weights:
        weights[_key(weight)].append(weight)
    return dict(weights)


def _same_weights(model: Any, reference: Any) -> bool:
    return sorted(map(_key, model.weights)) == sorted(map(_key, reference.weights))


def _share_random_weights(model: Any, reference: Any) -> None:
    """Give both models the same random weights; they must have weights of the same shapes."""
    rng = np.random.default_rng(1)
    others = _by_key(reference)
    for key, weights in _by_key(model).items():
        for weight, other in zip(weights, others[key], strict=True):
            values = rng.normal(scale=1.2 / np.sqrt(key[0]) if len(key) == 2 else 0.3, size=key)
            weight.assign(values.reshape(weight.shape))
            other.assign(values.reshape(other.shape))


def _same_function(model: Any, reference: Any, branches: tuple[int, ...]) -> bool:
    """Tell whether the models agree, up to the order of ``branches`` (channels of each) in the output."""
    if not _same_weights(model, reference) or tuple(model.output_shape) != tuple(reference.output_shape):
        return False
    _share_random_weights(model, reference)
    x = np.random.default_rng(2).uniform(-1, 1, size=(2, *model.input_shape[1:])).astype("float32")
    found, expected = expect.as_array(model(x)), expect.as_array(reference(x))
    parts = np.split(expected, np.cumsum(branches)[:-1], axis=-1) if branches else [expected]
    return any(
        np.allclose(found, np.concatenate(order, axis=-1), rtol=1e-3, atol=1e-4)
        for order in permutations(parts)
    )


def _expect_same_function(
    build: Callable[[Callable], Any],
    model: Any,
    reference: Callable,
    mistakes: Mapping[str, Callable],
    what: str,
    branches: tuple[int, ...] = (),
) -> None:
    """Raise unless ``model`` computes what ``build(reference)`` does; a known mistake gives its hint."""
    right = build(reference)
    if _same_function(model, right, branches):
        return
    problem = f"{what} gives other values than expected with the same weights."
    if tuple(model.output_shape) != tuple(right.output_shape):
        problem = f"{what}: expected the output shape {right.output_shape}, found {model.output_shape}."
    elif not _same_weights(model, right):
        problem = f"{what}: expected weights of the shapes {_shapes(right)}, found {_shapes(model)}."
    for hint, mistaken in mistakes.items():
        try:
            wrong = build(mistaken)
        except Exception:  # the mistake does not apply to this case
            continue
        if _same_function(model, wrong, branches):
            raise expect.WrongError(problem, hint)
    raise expect.WrongError(problem, "go through the description line by line: sizes, order, activations.")


def _shapes(model: Any) -> str:
    """Return the shapes of the kernels, each once with its number, and the number of biases."""
    kernels: dict[tuple, int] = defaultdict(int)
    for weight in model.weights:
        if len(weight.shape) > 1:
            kernels[tuple(weight.shape)] += 1
    biases = sum(len(weight.shape) == 1 for weight in model.weights)
    listed = [f"{count} x {shape}" if count > 1 else f"{shape}" for shape, count in sorted(kernels.items())]
    vectors = "bias vector" if biases == 1 else "bias vectors"
    return f"{', '.join(listed) or 'no kernels'} and {biases} {vectors}"


def _as_model(name: str, shape: tuple, *arguments: int) -> Callable[[Callable], Any]:
    """Return a function that turns a block into a model for inputs of ``shape``."""

    def build(block: Callable) -> Any:
        import keras

        x = keras.Input(shape)
        y = block(x, *arguments)
        expect.true(
            isinstance(y, keras.KerasTensor),
            f"{name} should return the block's output tensor, it returns {expect.brief(y)}.",
            "is the return statement missing?"
            if y is None
            else "call the layers on a, and return what the last one returns.",
        )
        expect.true(y is not x, f"{name} returns its input.", "which of your tensors is the output?")
        return keras.Model(x, y)

    return build


def _expect_keras_model(model: Any, name: str, shape: tuple, classes: int) -> None:
    expect.keras_model(model, name, shape, "keras.Sequential or keras.Model make one.")
    expect.true(
        tuple(model.output_shape) == (None, classes),
        f"Expected the output shape {(None, classes)}, found {model.output_shape}.",
        "one vector of ten numbers for each image: which layer makes a vector of maps?",
    )
    x = np.random.default_rng(1).uniform(size=(4, *shape)).astype("float32")
    output = expect.as_array(model(x))
    expect.true(
        bool(np.allclose(output.sum(axis=1), 1, atol=1e-4) and output.min() >= 0),
        "The ten outputs should be probabilities, but they are not: their sum is not 1.",
        "which activation makes probabilities?",
    )


# ---------------------------------------------------------------- 3: LeNet


def _lenet(
    activation: str = "relu",
    pooling: str = "MaxPooling2D",
    *,
    dense: str = "relu",
    last: str = "relu",
    margin: int = 2,
    scale: bool = False,
    filters: tuple[int, int] = (6, 16),
    size: int = 5,
    hidden: tuple[int, ...] = (120, 84),
    bias: bool = True,
) -> Any:
    import keras
    from keras import layers

    pool = getattr(layers, pooling)
    units = [layers.Dense(n, activation=dense, use_bias=bias) for n in hidden]
    if units:
        units[-1].activation = keras.activations.get(last)
    convolutions = [layers.Conv2D(n, size, activation=activation, use_bias=bias) for n in filters]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *([layers.Rescaling(1 / 255)] if scale else []),
            layers.ZeroPadding2D(margin),
            *[convolutions[0], pool(2), convolutions[1], pool(2)],
            layers.Flatten(),
            *units,
            layers.Dense(10, activation="softmax", use_bias=bias),
        ]
    )


@exercise(seconds=KERAS_SECONDS)
def lenet() -> Any:
    """Return LeNet in its form of today: 61,706 parameters."""
    return _lenet()


_LENET_MISTAKES = {
    "where is the margin of 2 zeros on each side?": lambda: _lenet(margin=0),
    "the margin is 2 on each side: 28 becomes 32.": lambda: _lenet(margin=1),
    "the numbers lie between 0 and 1 already.": lambda: _lenet(scale=True),
    "max pooling, not the mean.": lambda: _lenet(pooling="AveragePooling2D"),
    "ReLU in place of tanh.": lambda: _lenet("tanh", dense="tanh", last="tanh"),
    "the convolutions have no ReLU.": lambda: _lenet("linear"),
    "the dense layers of 120 and 84 have no ReLU.": lambda: _lenet(dense="linear", last="linear"),
    "the layer of 84 has no ReLU.": lambda: _lenet(last="linear"),
    "how large are the filters?": lambda: _lenet(size=3),
    "every layer has biases.": lambda: _lenet(bias=False),
    "there is a layer of 84 neurons before the classes.": lambda: _lenet(hidden=(120,)),
    "where are the layers of 120 and of 84?": lambda: _lenet(hidden=()),
    "first 6 filters, then 16.": lambda: _lenet(filters=(16, 6)),
}


@lenet.property
def _lenet_is_right(attempt: Callable) -> None:
    model = attempt()
    _expect_keras_model(model, "lenet()", (28, 28, 1), 10)
    _expect_same_function(lambda build: build(), model, _lenet, _LENET_MISTAKES, "lenet()")


# ---------------------------------------------------------------- 4 to 6: residual blocks


def _conv_layer(n: int, f: int = 3, **options: Any) -> Any:
    from keras import layers

    return layers.Conv2D(n, f, padding="same", **options)


def _relu(x: Any) -> Any:
    from keras import layers

    return layers.ReLU()(x)


def _identity(
    a: Any, *, between: str = "relu", second: str = "linear", last: bool = True, shortcut: str = "a"
) -> Any:
    c = a.shape[-1]
    first = _conv_layer(c, activation=between, kernel_initializer="he_normal")(a)
    z = _conv_layer(c, activation=second, kernel_initializer="zeros")(first)
    z = z + {"a": a, "first": first, "none": 0, "twice": 2 * a}[shortcut] if shortcut != "none" else z
    return _relu(z) if last else z


def _identity_one_convolution(a: Any) -> Any:
    return _relu(_conv_layer(a.shape[-1])(a) + a)


def _identity_with_projection(a: Any) -> Any:
    c = a.shape[-1]
    z = _conv_layer(c)(_conv_layer(c, activation="relu")(a))
    return _relu(z + _conv_layer(c, 1, use_bias=False)(a))


def _identity_no_bias(a: Any) -> Any:
    c = a.shape[-1]
    z = _conv_layer(c, use_bias=False)(_conv_layer(c, activation="relu", use_bias=False)(a))
    return _relu(z + a)


def _identity_size(f: int) -> Callable:
    return lambda a: _relu(_conv_layer(a.shape[-1], f)(_conv_layer(a.shape[-1], f, activation="relu")(a)) + a)


def _identity_concatenated(a: Any) -> Any:
    from keras import layers

    c = a.shape[-1]
    z = _conv_layer(c)(_conv_layer(c, activation="relu")(a))
    return _relu(layers.Concatenate()([z, a]))


@exercise(seconds=KERAS_SECONDS)
def identity_block(a: Any) -> Any:
    """Return a[l+2] = ReLU(Conv(ReLU(Conv(a))) + a); the second convolution starts at zero."""
    return _identity(a)


_IDENTITY_MISTAKES = {
    "where is the shortcut?": lambda a: _identity(a, shortcut="none"),
    "the shortcut leads from a[l], not from a[l+1].": lambda a: _identity(a, shortcut="first"),
    "the last ReLU comes after the sum.": lambda a: _identity(a, second="relu", last=False),
    "the second convolution has no activation before the sum.": lambda a: _identity(a, second="relu"),
    "there is a ReLU after the sum.": lambda a: _identity(a, last=False),
    "there is a ReLU between the two convolutions.": lambda a: _identity(a, between="linear"),
    "there are two convolutions, each with its own weights.": _identity_one_convolution,
    "the shapes agree, so the shortcut needs no weights.": _identity_with_projection,
    "the convolutions have biases.": _identity_no_bias,
    "the filters are 3x3.": _identity_size(5),
    "the filters are 3x3, not 1x1.": _identity_size(1),
    "the shortcut is added, not appended.": _identity_concatenated,
    "the shortcut is added once.": lambda a: _identity(a, shortcut="twice"),
}


@identity_block.property
def _identity_block_is_right(attempt: Callable) -> None:
    for shape in [(6, 6, 4), (5, 7, 3)]:
        build = _as_model("identity_block", shape)
        what = f"identity_block of an input {shape}"
        _expect_same_function(build, build(attempt), _identity, _IDENTITY_MISTAKES, what)


@identity_block.property
def _identity_block_starts_as_the_identity(attempt: Callable) -> None:
    model = _as_model("identity_block", (6, 6, 4))(attempt)
    _expect_starts_as_identity(model, "identity_block")


def _expect_starts_as_identity(model: Any, name: str) -> None:
    x = np.random.default_rng(1).uniform(size=(1, *model.input_shape[1:])).astype("float32")
    expect.close(
        expect.as_array(model(x)),
        x,
        f"a new {name} of an input that is not negative",
        "it should pass its input on: how does the second convolution start?",
        atol=1e-5,
    )
    expect.true(
        any(np.any(expect.as_array(w)) for w in model.weights),
        f"A new {name} has only zeros as weights.",
        "then both convolutions get no gradient. Which one starts at zero?",
    )


def _pooled(
    a: Any,
    n: int,
    *,
    project: str = "a",
    bias: bool = False,
    activation: str = "linear",
    last: bool = True,
    first: str = "relu",
    pooling: str = "MaxPooling2D",
    f: int = 1,
) -> Any:
    from keras import layers

    inner = _conv_layer(n, activation=first)(a)
    z = getattr(layers, pooling)(2)(inner)
    options = {"strides": 2, "use_bias": bias, "activation": activation, "padding": "same"}
    if project == "none":
        return _relu(z) if last else z
    if project == "pooled":
        projected = layers.Conv2D(n, 1, use_bias=bias)(layers.MaxPooling2D(2)(a))
    else:
        projected = layers.Conv2D(n, f, **options)({"a": a, "inner": inner}[project])
    return _relu(z + projected) if last else z + projected


def _pooled_sum_first(a: Any, n: int) -> Any:
    from keras import layers

    z = _conv_layer(n, activation="relu")(a)
    return layers.MaxPooling2D(2)(_relu(z + _conv_layer(n, 1, use_bias=False)(a)))


def _pooled_by_stride(a: Any, n: int) -> Any:
    z = _conv_layer(n, strides=2, activation="relu")(a)
    return _relu(z + _conv_layer(n, 1, strides=2, use_bias=False)(a))


def _pooled_two_convolutions(a: Any, n: int) -> Any:
    from keras import layers

    z = layers.MaxPooling2D(2)(_conv_layer(n)(_conv_layer(n, activation="relu")(a)))
    return _relu(z + _conv_layer(n, 1, strides=2, use_bias=False)(a))


@exercise(seconds=KERAS_SECONDS)
def pooled_block(a: Any, n: int) -> Any:
    """Return ReLU(MaxPool(ReLU(Conv(a))) + W a), W a 1x1 convolution with stride 2."""
    return _pooled(a, n)


_POOLED_MISTAKES = {
    "where is the shortcut W a[l]?": lambda a, n: _pooled(a, n, project="none"),
    "the projection has no bias.": lambda a, n: _pooled(a, n, bias=True),
    "the projection has no activation.": lambda a, n: _pooled(a, n, activation="relu"),
    "the projection reads a[l], not a[l+1].": lambda a, n: _pooled(a, n, project="inner"),
    "there is a ReLU after the sum.": lambda a, n: _pooled(a, n, last=False),
    "a[l+1] is a ReLU of the convolution.": lambda a, n: _pooled(a, n, first="linear"),
    "max pooling, not the mean.": lambda a, n: _pooled(a, n, pooling="AveragePooling2D"),
    "the projection is 1x1.": lambda a, n: _pooled(a, n, f=3),
    "W has stride 2; there is no pooling in the shortcut.": lambda a, n: _pooled(a, n, project="pooled"),
    "the pooling comes before the sum.": _pooled_sum_first,
    "there is a max pooling; the convolution of 3x3 has stride 1.": _pooled_by_stride,
    "this block has one convolution of 3x3, then the pooling.": _pooled_two_convolutions,
}


@pooled_block.property
def _pooled_block_is_right(attempt: Callable) -> None:
    for shape, n in [((8, 8, 3), 5), ((6, 10, 4), 4)]:
        build = _as_model("pooled_block", shape, n)
        what = f"pooled_block of an input {shape} with n = {n}"
        _expect_same_function(build, build(attempt), _pooled, _POOLED_MISTAKES, what)


def _residual(
    a: Any,
    n: int,
    s: int,
    *,
    when: Callable[[Any, int, int], bool] = lambda a, n, s: s != 1 or a.shape[-1] != n,
    bias: bool = False,
    strides: tuple[int, int] = (0, 1),
    activation: str = "linear",
    second: str = "linear",
    last: bool = True,
    between: str = "relu",
    shortcut: bool = True,
    f: int = 1,
) -> Any:
    """Return the block; a stride of 0 stands for ``s``, ``when`` says where there is a projection."""
    first_stride, second_stride = (s if stride == 0 else stride for stride in strides)
    z = _conv_layer(n, strides=first_stride, activation=between, kernel_initializer="he_normal")(a)
    z = _conv_layer(n, strides=second_stride, activation=second, kernel_initializer="zeros")(z)
    if not shortcut:
        return _relu(z)
    if when(a, n, s):
        a = _conv_layer(n, f, strides=s, use_bias=bias, activation=activation)(a)
    return _relu(z + a) if last else z + a


def _residual_pooled_shortcut(a: Any, n: int, s: int) -> Any:
    from keras import layers

    z = _conv_layer(n)(_conv_layer(n, strides=s, activation="relu")(a))
    pooled = layers.MaxPooling2D(s)(a) if s > 1 else a
    return _relu(z + (pooled if a.shape[-1] == n else _conv_layer(n, 1, use_bias=False)(pooled)))


@exercise(seconds=KERAS_SECONDS)
def residual_block(a: Any, n: int, s: int) -> Any:
    """Return the block of He et al.: stride s in the first convolution, a projection where shapes differ."""
    return _residual(a, n, s)


_RESIDUAL_MISTAKES = {
    "where the shapes agree the shortcut is the input itself.": (
        lambda *case: _residual(*case, when=lambda a, n, s: True)
    ),
    "height and width agree and the channels too: is a projection needed?": (
        lambda *case: _residual(*case, when=lambda a, n, s: s == 1)
    ),
    "the projection has no bias.": lambda *case: _residual(*case, bias=True),
    "the projection has no activation.": lambda *case: _residual(*case, activation="relu"),
    "the first convolution has the stride, not the second.": lambda *case: _residual(*case, strides=(1, 0)),
    "the last ReLU comes after the sum.": lambda *case: _residual(*case, second="relu", last=False),
    "the second convolution has no activation before the sum.": lambda *case: _residual(*case, second="relu"),
    "there is a ReLU after the sum.": lambda *case: _residual(*case, last=False),
    "there is a ReLU between the two convolutions.": lambda *case: _residual(*case, between="linear"),
    "where is the shortcut?": lambda *case: _residual(*case, shortcut=False),
    "the projection is 1x1.": lambda *case: _residual(*case, f=3),
    "there is no pooling in this block: the projection has the stride.": _residual_pooled_shortcut,
}


@residual_block.property
def _residual_block_is_right(attempt: Callable) -> None:
    for shape, n, s in [((8, 8, 4), 4, 1), ((8, 8, 4), 6, 1), ((8, 8, 4), 4, 2), ((7, 9, 3), 5, 2)]:
        build = _as_model("residual_block", shape, n, s)
        what = f"residual_block of an input {shape} with n = {n}, s = {s}"
        _expect_same_function(build, build(attempt), _residual, _RESIDUAL_MISTAKES, what)


@residual_block.property
def _residual_block_starts_as_the_identity(attempt: Callable) -> None:
    model = _as_model("residual_block", (6, 6, 4), 4, 1)(attempt)
    _expect_starts_as_identity(model, "residual_block with n = c and s = 1")


# ---------------------------------------------------------------- 7: Inception


def _inception(
    a: Any,
    *numbers: int,
    reduce: str | None = "relu",
    activation: str = "relu",
    pooling: str = "MaxPooling2D",
    project: str = "after",
    swap: bool = False,
) -> Any:
    from keras import layers

    n1, r3, n3, r5, n5, n_pool = numbers
    first, second = (5, 3) if swap else (3, 5)

    def branch(r: int, n: int, f: int) -> Any:
        reduced = _conv_layer(r, 1, activation=reduce)(a) if reduce else a
        return _conv_layer(n, f, activation=activation)(reduced)

    def pool(x: Any) -> Any:
        return getattr(layers, pooling)(3, strides=1, padding="same")(x)

    pooled = {
        "after": lambda: _conv_layer(n_pool, 1, activation=activation)(pool(a)),
        "before": lambda: pool(_conv_layer(n_pool, 1, activation=activation)(a)),
        "never": lambda: pool(a),
    }[project]()
    one = _conv_layer(n1, 1, activation=activation)(a)
    return layers.Concatenate()([one, branch(r3, n3, first), branch(r5, n5, second), pooled])


def _inception_three_branches(a: Any, n1: int, r3: int, n3: int, r5: int, n5: int, n_pool: int) -> Any:
    from keras import layers

    def conv(n: int, f: int, x: Any) -> Any:
        return _conv_layer(n, f, activation="relu")(x)

    return layers.Concatenate()([conv(n1, 1, a), conv(n3, 3, conv(r3, 1, a)), conv(n5, 5, conv(r5, 1, a))])


def _inception_exchanged(a: Any, n1: int, r3: int, n3: int, r5: int, n5: int, n_pool: int) -> Any:
    return _inception(a, n1, n3, r3, n5, r5, n_pool)


@exercise(seconds=KERAS_SECONDS)
def inception_block(a: Any, n1: int, r3: int, n3: int, r5: int, n5: int, n_pool: int) -> Any:
    """Return the concatenation of the four branches of an Inception block."""
    return _inception(a, n1, r3, n3, r5, n5, n_pool)


_INCEPTION_MISTAKES = {
    "a 1x1 convolution comes before the 3x3 and before the 5x5.": lambda *case: _inception(
        *case, reduce=None
    ),
    "the 1x1 reductions have a ReLU too.": lambda *case: _inception(*case, reduce="linear"),
    "every convolution has a ReLU.": (lambda *case: _inception(*case, reduce="linear", activation="linear")),
    "only the reductions have a ReLU.": lambda *case: _inception(*case, activation="linear"),
    "max pooling, not the mean.": lambda *case: _inception(*case, pooling="AveragePooling2D"),
    "in the fourth branch the pooling comes first.": lambda *case: _inception(*case, project="before"),
    "after the pooling a 1x1 convolution brings it to n_pool channels.": (
        lambda *case: _inception(*case, project="never")
    ),
    "which branch is 3x3, and which is 5x5?": lambda *case: _inception(*case, swap=True),
    "where is the branch with the pooling?": _inception_three_branches,
    "r3 and r5 belong to the 1x1 convolutions, n3 and n5 to those after them.": _inception_exchanged,
}


@inception_block.property
def _inception_block_is_right(attempt: Callable) -> None:
    shape, numbers = (7, 6, 5), (2, 3, 4, 7, 6, 8)
    build = _as_model("inception_block", shape, *numbers)
    n1, _, n3, _, n5, n_pool = numbers
    _expect_same_function(
        build,
        build(attempt),
        _inception,
        _INCEPTION_MISTAKES,
        f"inception_block of an input {shape}",
        branches=(n1, n3, n5, n_pool),
    )


# ---------------------------------------------------------------- 8: the residual network


def _deep(
    depth: int,
    *,
    blocks: Callable[[int], int] = lambda depth: (depth - 2) // 2,
    block: Callable = _identity,
    strides: int = 2,
    first: str = "relu",
    pool: str = "GlobalAveragePooling2D",
    filters: int = 8,
) -> Any:
    import keras
    from keras import layers

    image = keras.Input((14, 14, 1))
    a = _conv_layer(filters, strides=strides, activation=first, kernel_initializer="he_normal")(image)
    for _ in range(blocks(depth)):
        a = block(a)
    a = getattr(layers, pool)()(a)
    return keras.Model(image, layers.Dense(10, activation="softmax")(a))


@exercise(seconds=KERAS_SECONDS)
def residual_network(depth: int) -> Any:
    """Return the network of identity blocks with ``depth`` layers that have weights."""
    return _deep(depth)


_DEEP_MISTAKES = {
    "each block has two layers with weights.": lambda depth: _deep(depth, blocks=lambda depth: depth - 2),
    "the first and the last layer have weights too.": (
        lambda depth: _deep(depth, blocks=lambda depth: depth // 2)
    ),
    "is there one block too few?": lambda depth: _deep(depth, blocks=lambda depth: (depth - 2) // 2 - 1),
    "depth is the number of layers, not of blocks.": lambda depth: _deep(depth, blocks=lambda depth: depth),
    "the first convolution has stride 2.": lambda depth: _deep(depth, strides=1),
    "the first convolution has a ReLU.": lambda depth: _deep(depth, first="linear"),
    "global average pooling, not Flatten.": lambda depth: _deep(depth, pool="Flatten"),
    "global *average* pooling.": lambda depth: _deep(depth, pool="GlobalMaxPooling2D"),
    "where are the shortcuts?": (lambda depth: _deep(depth, block=lambda a: _identity(a, shortcut="none"))),
    "how many filters has the first convolution?": lambda depth: _deep(depth, filters=16),
}


@residual_network.property
def _residual_network_is_right(attempt: Callable) -> None:
    for depth in (6, 10):
        model = attempt(depth)
        _expect_keras_model(model, f"residual_network({depth})", (14, 14, 1), 10)
        _expect_same_function(
            lambda build, depth=depth: build(depth),
            model,
            _deep,
            _DEEP_MISTAKES,
            f"residual_network({depth})",
        )
