"""The checks of lab 02: a network in NumPy, the same in Keras, XOR, a recurrent step, training.

A network is a list of pairs ``(W, b)``, one a layer: ``W`` (neurons, inputs), ``b`` (neurons,).
The hidden layers have the ReLU, the output layer the softmax. Keras is loaded only by the
exercises that need it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from nnlabs import data
from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS_SECONDS, exercise

Parameters = list[tuple[np.ndarray, np.ndarray]]
Activation = Callable[[np.ndarray], np.ndarray]


def _random_parameters(sizes: list[int], seed: int, scale: float = 1.0) -> Parameters:
    """Return a network with standard normal weights times ``scale`` / sqrt(inputs), and biases."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(scale=scale / np.sqrt(m), size=(n, m)), rng.normal(size=n)) for m, n in pairwise(sizes)
    ]


def _arrays(*shapes: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape) for shape in shapes)


def _relu(a: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, a)


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def _identity(a: np.ndarray) -> np.ndarray:
    return a


def _softmax(z: np.ndarray, axis: int = -1) -> np.ndarray:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _layer_outputs(
    X: np.ndarray, parameters: Parameters, phi: Activation = _relu, psi: Activation = _softmax
) -> list[np.ndarray]:
    """Return the outputs of every layer of a network, ``X`` itself first."""
    outputs = [X]
    for k, (W, b) in enumerate(parameters, start=1):
        activation = psi if k == len(parameters) else phi
        outputs.append(activation(outputs[-1] @ W.T + b))
    return outputs


# ---------------------------------------------------------------- 1 to 4: NumPy


@exercise(
    cases=[  # square matrices first: then a transposed factor gives a wrong answer, not an error
        _arrays((3, 3), (3, 3), (3,), seed=1),
        _arrays((4, 2), (3, 2), (3,), seed=2),
        _arrays((1, 5), (2, 5), (2,), seed=3),
    ],
    mistakes={
        "The bias is missing.": lambda H, W, b: H @ W.T,
        "A row of W belongs to a neuron, and must meet a row of H: is a factor to be transposed?": (
            lambda H, W, b: H @ W + b
        ),
        "This is the formula for one column; here the examples are the rows of H.": (
            lambda H, W, b: W @ H + b[:, None]
        ),
        "The examples should be the rows of the result, not its columns.": (
            lambda H, W, b: W @ H.T + b[:, None]
        ),
        "Each neuron has its own bias: it belongs to a column of the result, not to a row.": (
            lambda H, W, b: H @ W.T + b[:, None]
        ),
        "`*` multiplies element by element; a layer needs the matrix product.": lambda H, W, b: H * W + b,
        "This is the layer's output; only the sum before the activation is asked for.": (
            lambda H, W, b: _relu(H @ W.T + b)
        ),
        "Look at the sign of the bias.": lambda H, W, b: H @ W.T - b,
    },
)
def dense(H: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return H Wᵀ + b: shape (examples, neurons)."""
    return H @ W.T + b


@exercise(
    cases=[
        (np.array([[2.0, 1.0, -1.0], [0.5, 0.5, 3.0]]),),
        (np.array([[1000.0, 1001.0, 999.0], [3.0, 1.0, 2.0]]),),
        (np.array([[-1000.0, -1001.0, -999.0], [1000.0, -1000.0, 0.0]]),),
        (np.array([[4.0, 4.0, 4.0, 4.0]]),),
    ],
    mistakes={
        "The sum of each column is 1; an example is a row. Look at the axis.": lambda Z: _softmax(Z, axis=0),
        "All numbers together sum to 1; each row should. Which axis has the sum to run over?": (
            lambda Z: np.exp(Z) / np.exp(Z).sum()
        ),
        "This is the sigmoid of each number: the numbers of a row do not depend on each other.": _sigmoid,
        "The numbers are positive, but nothing makes the sum of a row equal to 1.": np.exp,
        "Where is the exponential? These are shares of the sum.": lambda Z: Z / Z.sum(axis=1, keepdims=True),
        "The largest logit should get the largest probability: look at the sign in the exponent.": (
            lambda Z: _softmax(-Z)
        ),
        "This is the logarithm of the softmax.": lambda Z: np.log(_softmax(Z)),
        "exp(1000) is infinite. What may be subtracted from all logits of an example without any effect?": (
            lambda Z: np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
        ),
        "The largest number of the whole array is too large for the other rows: go row by row.": (
            lambda Z: np.exp(Z - Z.max()) / np.exp(Z - Z.max()).sum(axis=1, keepdims=True)
        ),
        "After the minimum is subtracted, the exponents are large and positive: exp overflows.": (
            lambda Z: (
                np.exp(Z - Z.min(axis=1, keepdims=True))
                / np.exp(Z - Z.min(axis=1, keepdims=True)).sum(axis=1, keepdims=True)
            )
        ),
    },
)
def softmax(Z: np.ndarray) -> np.ndarray:
    """Return the softmax of each row of Z (examples, classes)."""
    return _softmax(Z)


@exercise(
    cases=[([784, 512, 256, 10],), ([3, 1],), ([2, 2, 1],)],
    mistakes={
        "The biases are missing.": lambda sizes: sum(m * n for m, n in pairwise(sizes)),
        "This is the number of units. Two layers are joined by one weight for each pair of units.": sum,
        "This is the number of neurons, that is of biases. What about the weights?": lambda sizes: sum(
            sizes[1:]
        ),
        "These are the sums of the sizes of two neighbours; how many pairs of units are there?": (
            lambda sizes: sum(m + n for m, n in pairwise(sizes))
        ),
        "This is the product of all sizes, as if every layer were joined to every other one.": (
            lambda sizes: int(np.prod(sizes))
        ),
        "The units of the input layer have no bias.": (
            lambda sizes: sum(m * n for m, n in pairwise(sizes)) + sum(sizes)
        ),
        "The number of biases of a layer is its number of neurons, not of its inputs.": (
            lambda sizes: sum(m * n + m for m, n in pairwise(sizes))
        ),
        "A layer has one bias for each of its neurons, not one in all.": (
            lambda sizes: sum(m * n + 1 for m, n in pairwise(sizes))
        ),
        "The output layer is missing.": lambda sizes: sum(n * (m + 1) for m, n in pairwise(sizes[:-1])),
        "The hidden layers have biases; the output layer has them too.": (
            lambda sizes: sum(m * n for m, n in pairwise(sizes)) + sum(sizes[1:-1])
        ),
        "The first layer is missing.": lambda sizes: sum(n * (m + 1) for m, n in pairwise(sizes[1:])),
    },
)
def count_parameters(sizes: list[int]) -> int:
    """Return the number of weights and biases of a network; sizes has the input first."""
    return sum(n * (m + 1) for m, n in pairwise(sizes))


def _wrong_forward(phi: Activation = _relu, psi: Activation = _softmax) -> Callable:
    return lambda X, parameters: _layer_outputs(X, parameters, phi, psi)


@exercise(
    cases=[
        (*_arrays((5, 4), seed=4), _random_parameters([4, 6, 5, 3], seed=5)),
        (*_arrays((2, 3), seed=6), _random_parameters([3, 2], seed=7)),
    ],
    mistakes={
        "The first entry of the list is h^(0), that is X itself.": (
            lambda X, parameters: _layer_outputs(X, parameters)[1:]
        ),
        "Give the outputs of all layers, in a list, not only those of the last one.": (
            lambda X, parameters: _layer_outputs(X, parameters)[-1]
        ),
        "The output layer is missing.": lambda X, parameters: _layer_outputs(X, parameters)[:-1],
        "The output layer has the softmax, not the ReLU.": _wrong_forward(psi=_relu),
        "There is a ReLU before the softmax: the output layer has only ψ.": (
            _wrong_forward(psi=lambda a: _softmax(_relu(a)))
        ),
        "The output layer gives logits: where is ψ?": _wrong_forward(psi=_identity),
        "The hidden layers have no activation: where is φ?": _wrong_forward(phi=_identity),
        "The hidden layers have the softmax; it belongs to the output layer only.": _wrong_forward(
            phi=_softmax
        ),
        "The hidden layers should have the ReLU; this is the sigmoid.": _wrong_forward(phi=_sigmoid),
        "The hidden layers should have the ReLU; this is tanh.": _wrong_forward(phi=np.tanh),
        "The biases are missing.": (
            lambda X, parameters: _layer_outputs(X, [(W, np.zeros_like(b)) for W, b in parameters])
        ),
        "The list should hold the h^(k), after the activation, not the a^(k).": (
            lambda X, parameters: [
                X,
                *(h @ W.T + b for h, (W, b) in zip(_layer_outputs(X, parameters), parameters, strict=False)),
            ]
        ),
    },
)
def forward(X: np.ndarray, parameters: Parameters) -> list[np.ndarray]:
    """Return [h⁽⁰⁾, h⁽¹⁾, ..., f(x)] for a batch X (examples, inputs)."""
    return _layer_outputs(X, parameters)


# ---------------------------------------------------------------- 5: XOR

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([0, 1, 1, 0])
XOR_SHAPES = [((2, 2), (2,)), ((1, 2), (1,))]

_LOGIC = {
    (0, 1, 1, 1): "this is OR: (1, 1) needs a second hidden neuron that pulls the sum down again.",
    (0, 0, 0, 1): "this is AND. Which hidden neuron should be active for a single 1?",
    (1, 0, 0, 1): "the two classes are swapped.",
    (1, 1, 1, 0): "this is NOT BOTH; look at (0, 0).",
    (1, 1, 1, 1): "the output is above 0.5 everywhere: look at the biases.",
    (0, 0, 0, 0): "the output is below 0.5 everywhere: are the hidden neurons ever active?",
}


@exercise()
def xor_parameters() -> Parameters:
    """Return [(W1, b1), (W2, b2)] of a 2-2-1 network, ReLU and identity, that solves XOR."""
    W1, b1 = np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2)
    W2, b2 = np.array([[1.0, 1.0]]), np.zeros(1)
    return [(W1, b1), (W2, b2)]


@xor_parameters.property
def _solves_xor(xor_parameters: Callable[[], Parameters]) -> None:
    parameters = xor_parameters()
    expect.true(parameters is not None, "xor_parameters() returns None.", "is the return statement missing?")
    parameters = _pairs(parameters)
    for k, ((W, b), (W_shape, b_shape)) in enumerate(zip(parameters, XOR_SHAPES, strict=True), start=1):
        for name, array, shape in ((f"W{k}", W, W_shape), (f"b{k}", b, b_shape)):
            expect.true(
                array.shape == shape,
                f"{name} should have the shape {shape}, it has {array.shape}.",
                "of the 2 hidden neurons and the 1 output neuron, each has a row in W and a number in b.",
            )
    output = _layer_outputs(CORNERS, parameters, _relu, _identity)[-1][:, 0]
    answer = (output > 0.5).astype(int)
    if (answer == XOR).all():
        return
    i = int(np.flatnonzero(answer != XOR)[0])
    x1, x2 = CORNERS[i].astype(int)
    side = "above" if XOR[i] else "at most"
    hint = _LOGIC.get(tuple(answer.tolist()), "compute by hand both hidden neurons for this input.")
    W1, b1 = parameters[0]
    if (CORNERS @ W1.T + b1 >= 0).all():
        hint = "no hidden sum is negative for any input, so the ReLU changes nothing: the network is linear."
    raise expect.WrongError(
        f"For the input ({x1}, {x2}) the output should be {side} 0.5, it is {output[i]:.4g}.", hint
    )


def _pairs(parameters: Any) -> Parameters:
    """Return the student's list as pairs of float arrays, or say that it is not one."""
    try:
        pairs = [(np.asarray(W, dtype=float), np.asarray(b, dtype=float)) for W, b in parameters]
    except (TypeError, ValueError):
        pairs = []
    expect.true(
        len(pairs) == len(XOR_SHAPES),
        "Expected a list of two pairs, [(W1, b1), (W2, b2)].",
        "one pair for the hidden layer, one for the output layer.",
    )
    return pairs


# ---------------------------------------------------------------- 6: a Keras model

# float32, and on some GPUs 10-bit products: a probability may differ in the third digit
PROBABILITY_ATOL = 5e-3

_NETWORKS = [
    _random_parameters([5, 8, 3], seed=9, scale=2.0),
    _random_parameters([4, 4, 4, 4], seed=8, scale=2.0),  # square: here a transposed kernel gives no error
]

_WRONG_NETWORKS: dict[str, Callable[[np.ndarray, Parameters], list[np.ndarray]]] = {
    "the outputs of a row do not sum to 1: does the output layer have its softmax?": _wrong_forward(
        psi=_identity
    ),
    "the output layer has the ReLU; which activation gives probabilities?": _wrong_forward(psi=_relu),
    "a sigmoid treats each class by itself; the classes exclude each other.": _wrong_forward(psi=_sigmoid),
    "the hidden layers have no activation.": _wrong_forward(phi=_identity),
    "the hidden layers should have the ReLU; this is tanh.": _wrong_forward(phi=np.tanh),
    "the hidden layers should have the ReLU; this is the sigmoid.": _wrong_forward(phi=_sigmoid),
    "the hidden layers have the softmax; it belongs to the output layer only.": _wrong_forward(phi=_softmax),
    "the biases are still zero: both arrays of a layer must be set.": (
        lambda X, parameters: _layer_outputs(X, [(W, np.zeros_like(b)) for W, b in parameters])
    ),
    "a Keras kernel has a row for each input. Is that W?": (
        lambda X, parameters: _layer_outputs(X, [(W.T, b) for W, b in parameters])
    ),
    "reshape keeps the order of the numbers; it does not exchange rows and columns.": (
        lambda X, parameters: _layer_outputs(X, [(W.reshape(W.shape[::-1]).T, b) for W, b in parameters])
    ),
}


@exercise(seconds=KERAS_SECONDS)
def to_keras(parameters: Parameters) -> Any:
    """Return the Keras model that computes the same as forward(X, parameters)[-1]."""
    import keras

    *hidden, (W_out, _) = parameters
    model = keras.Sequential(
        [
            keras.Input(shape=(parameters[0][0].shape[1],)),
            *(keras.layers.Dense(len(b), activation="relu") for _, b in hidden),
            keras.layers.Dense(len(W_out), activation="softmax"),
        ]
    )
    model.set_weights([array for W, b in parameters for array in (W.T, b)])
    return model


@to_keras.property
def _agrees_with_numpy(to_keras: Callable[[Parameters], Any]) -> None:
    for seed, parameters in enumerate(_NETWORKS):
        model = _build(to_keras, parameters)
        inputs, classes = parameters[0][0].shape[1], len(parameters[-1][1])
        (X,) = _arrays((20, inputs), seed=seed)
        found = expect.as_array(model(X.astype("float32")))
        expected = _layer_outputs(X, parameters)[-1]
        expect.true(
            found.shape == expected.shape,
            f"For {len(X)} examples the model's output should have the shape (20, {classes}), "
            f"it has {found.shape}.",
            "one neuron for each class in the last layer: how many layers does it take?",
        )
        _check_probabilities(found, expected, X, parameters)


def _build(to_keras: Callable[[Parameters], Any], parameters: Parameters) -> Any:
    """Call the student's function; tell Keras's usual complaints in the course's words."""
    import keras

    try:
        model = to_keras([(W.copy(), b.copy()) for W, b in parameters])
    except ValueError as error:
        message = str(error)
        if "expecting 0 weights" in message:
            raise expect.WrongError(
                "Keras refuses to set weights: the layers have none yet.",
                "a layer makes its weights once the number of inputs is known; what tells the model?",
            ) from None
        if "not compatible with provided weight shape" in message:
            raise expect.WrongError(
                f"Keras refuses an array: {' '.join(message.split())[:110]}",
                "a Keras kernel has a row for each input; what has a row for each neuron?",
            ) from None
        raise
    expect.true(model is not None, "to_keras(parameters) returns None.", "is the return statement missing?")
    expect.true(
        isinstance(model, keras.Model),
        f"to_keras(parameters) should return a Keras model, it returns {expect.brief(model)}.",
        "set_weights and compile return nothing; return the model itself.",
    )
    expect.true(
        bool(model.weights),
        "The model has no weights yet.",
        "it does not know its number of inputs: begin with keras.Input.",
    )
    sizes = [parameters[0][0].shape[1], *(len(b) for _, b in parameters)]
    expected, found = count_parameters.reference(sizes), model.count_params()
    hint = "is there one Dense layer for each pair (W, b), the last one included?"
    if found == sum(W.size for W, _ in parameters):
        hint = "the layers have no biases."
    expect.true(
        found == expected,
        f"For the sizes {sizes} expected {expected} parameters, the model has {found}.",
        hint,
    )
    return model


def _check_probabilities(
    found: np.ndarray, expected: np.ndarray, X: np.ndarray, parameters: Parameters
) -> None:
    if np.allclose(found, expected, rtol=0, atol=PROBABILITY_ATOL):
        return
    hint = "are all the weights set? The numbers fit none of the usual mistakes."
    for likely, network in _WRONG_NETWORKS.items():
        try:
            wrong = network(X, parameters)[-1]
        except ValueError:  # the transposed matrices do not fit
            continue
        if np.allclose(found, wrong, rtol=1e-2, atol=PROBABILITY_ATOL):
            hint = likely
            break
    raise expect.WrongError(
        "The model's output differs from forward(X, parameters)[-1], "
        f"by up to {np.abs(found - expected).max():.2g}.",
        hint,
    )


# ---------------------------------------------------------------- 7: one step of a recurrent layer


@exercise(
    cases=[  # all square first, as above
        _arrays((3, 3), (3, 3), (3, 3), (3, 3), (3,), seed=10),
        _arrays((2, 1), (2, 4), (4, 1), (4, 4), (4,), seed=11),
    ],
    mistakes={
        "The activation tanh is missing.": lambda x, h, W_x, W_h, b: x @ W_x.T + h @ W_h.T + b,
        "The state of the step before has no influence: a term is missing.": (
            lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + b)
        ),
        "The input of this step has no influence: a term is missing.": (
            lambda x, h, W_x, W_h, b: np.tanh(h @ W_h.T + b)
        ),
        "The bias is missing.": lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + h @ W_h.T),
        "Which matrix belongs to the input, which to the state?": (
            lambda x, h, W_x, W_h, b: np.tanh(h @ W_x.T + x @ W_h.T + b)
        ),
        "The examples are rows here: are the matrices to be transposed?": (
            lambda x, h, W_x, W_h, b: np.tanh(x @ W_x + h @ W_h + b)
        ),
        "This is the formula for one column; here the examples are the rows of x and h.": (
            lambda x, h, W_x, W_h, b: np.tanh(W_x @ x + W_h @ h + b)
        ),
        "The examples should be the rows of the result.": (
            lambda x, h, W_x, W_h, b: np.tanh(W_x @ x.T + W_h @ h.T + b[:, None])
        ),
        "The activation should be tanh; this is the ReLU.": (
            lambda x, h, W_x, W_h, b: _relu(x @ W_x.T + h @ W_h.T + b)
        ),
        "The activation should be tanh; this is the sigmoid.": (
            lambda x, h, W_x, W_h, b: _sigmoid(x @ W_x.T + h @ W_h.T + b)
        ),
        "tanh belongs around the whole sum, not around its parts.": (
            lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T) + np.tanh(h @ W_h.T) + b
        ),
        "The old state is added after the activation; where does the recurrence have it?": (
            lambda x, h, W_x, W_h, b: h + np.tanh(x @ W_x.T + h @ W_h.T + b)
        ),
    },
)
def rnn_step(x: np.ndarray, h: np.ndarray, W_x: np.ndarray, W_h: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the new states (examples, n) for inputs x (examples, d) and old states h."""
    return np.tanh(x @ W_x.T + h @ W_h.T + b)


# ---------------------------------------------------------------- 8: training

DIGITS_SIZES = [64, 32, 10]
DIGITS_EPOCHS = 20
DIGITS_ACCURACY = 0.88  # 20 epochs of Adam or RMSprop reach 0.95 and more


@exercise(seconds=KERAS_SECONDS)
def train(model: Any, x: np.ndarray, y: np.ndarray, epochs: int) -> Any:
    """Compile the model, train it on images x and integer labels y, return it."""
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=128, validation_split=0.1, verbose=2)
    return model


@train.property
def _learns(train: Callable[[Any, np.ndarray, np.ndarray, int], Any]) -> None:
    digits = data.digits()
    x, x_test = (
        part.reshape(len(part), -1).astype("float32") / 16 for part in (digits.x_train, digits.x_test)
    )
    model = to_keras.reference(_random_parameters(DIGITS_SIZES, seed=12, scale=np.sqrt(2)))
    before = [weights.copy() for weights in model.get_weights()]
    trained = _fit(train, model, x, digits.y_train)
    after = trained.get_weights()
    expect.true(
        any(not np.array_equal(old, new) for old, new in zip(before, after, strict=True)),
        "The weights are the same as before the training.",
        "compile prepares the training; which method does it?",
    )
    probabilities = expect.as_array(trained(x))
    expect.true(
        bool(np.isfinite(probabilities).all()),
        "The outputs are not finite.",
        "is the learning rate too large?",
    )
    _check_loss(trained, x, digits.y_train, probabilities)
    accuracy = float(np.mean(expect.as_array(trained(x_test)).argmax(axis=1) == digits.y_test))
    hint = "are the steps of the optimiser too small or too large? Try Adam with its usual learning rate."
    steps = int(trained.optimizer.iterations)
    if steps % DIGITS_EPOCHS:
        hint = "is the argument epochs handed on to fit?"
    expect.true(
        accuracy >= DIGITS_ACCURACY,
        f"On small digits, {DIGITS_EPOCHS} epochs should reach a test accuracy of {DIGITS_ACCURACY}, "
        f"it is {accuracy:.2f} after {steps} steps.",
        hint,
    )


def _fit(train: Callable, model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Call the student's function, without its progress lines; tell the usual complaints."""
    import contextlib
    import io

    import keras

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            trained = train(model, x, y, DIGITS_EPOCHS)
    except ValueError as error:
        message = " ".join(str(error).split())
        if "must call `compile()`" in message or "must be compiled" in message:
            raise expect.WrongError(
                "Keras refuses to train: the model is not compiled.", "which loss, which optimiser?"
            ) from None
        if "shape" in message or "rank" in message:
            raise expect.WrongError(
                f"Keras refuses the labels: {message[:110]}",
                "the labels are integers, not vectors of zeros and a one: which cross-entropy takes them?",
            ) from None
        raise
    expect.true(trained is not None, "train(...) returns None.", "is the return statement missing?")
    expect.true(
        isinstance(trained, keras.Model),
        f"train(...) should return the model, it returns {type(trained).__name__}.",
        "fit returns the history of the training; return the model itself.",
    )
    return trained


def _check_loss(model: Any, x: np.ndarray, y: np.ndarray, probabilities: np.ndarray) -> None:
    """Compare the model's loss with what the usual losses would be, given its outputs."""
    one_hot = np.eye(probabilities.shape[1])[y]
    try:
        found = model.evaluate(x, y, batch_size=len(x), verbose=0)
    except ValueError:  # a loss for vectors of zeros and a one
        found = model.evaluate(x, one_hot, batch_size=len(x), verbose=0)
    found = float(found[0] if isinstance(found, list) else found)
    right = np.arange(len(y)), y
    expected = float(-np.log(np.maximum(probabilities[right], 1e-7)).mean())
    twice = float(-np.log(_softmax(probabilities)[right]).mean())
    mse = float(((probabilities - one_hot) ** 2).mean())
    mse_of_integers = float(((probabilities - y[:, None]) ** 2).mean())
    logits = "the model's outputs are probabilities already, but the loss takes them for logits."
    if getattr(model.loss, "from_logits", False):  # newer versions of Keras notice, and only warn
        raise expect.WrongError("The loss does not fit the output layer.", logits)
    hint = "which loss belongs to probabilities and integer labels?"
    if np.isclose(found, twice, rtol=1e-2):
        hint = logits
    elif np.isclose(found, mse, rtol=1e-2) or np.isclose(found, mse_of_integers, rtol=1e-2):
        hint = "this is the squared error, a loss for regression."
    expect.true(
        abs(found - expected) <= 2e-2 * max(expected, 1e-2),
        f"The loss should be the cross-entropy, here {expected:.4f}; model.evaluate gives {found:.4f}.",
        hint,
    )
