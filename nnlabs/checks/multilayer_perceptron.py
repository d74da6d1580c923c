"""The checks of lab 02: a network in NumPy, the same in Keras, XOR, a recurrent step, training.

A network is a list of pairs ``(W, b)``, one a layer: ``W`` (neurons, inputs), ``b`` (neurons,).
The hidden layers have the ReLU, the output layer the softmax. Keras is loaded only by the
exercises that need it.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from itertools import pairwise

import numpy as np

from nnlabs import data
from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise


def _network(*sizes, scale=1.0):
    """Return a network with standard normal weights times ``scale`` / sqrt(inputs), and biases."""
    rng = np.random.default_rng(5)
    return [
        (rng.normal(scale=scale / np.sqrt(m), size=(n, m)), rng.normal(size=n)) for m, n in pairwise(sizes)
    ]


def _arrays(*shapes):
    rng = np.random.default_rng(2)
    return tuple(rng.normal(size=shape) for shape in shapes)


def _relu(a):
    return np.maximum(0.0, a)


def _sigmoid(a):
    return 1 / (1 + np.exp(-a))


# ---------------------------------------------------------------- 1 to 4: NumPy


@exercise(
    cases=[  # square matrices first: then a transposed factor gives a wrong answer, not an error
        (np.array([[1, 2], [3, -1]]), np.array([[2, 0], [1, -3]]), np.array([0.5, -2])),
        _arrays((4, 2), (3, 2), (3,)),
        _arrays((1, 5), (2, 5), (2,)),
    ],
    mistakes={
        "The bias is missing.": " + b -> ",
        "A row of W must meet a row of H: is a factor to be transposed?": "W.T -> W",
        "This is the formula for a column; the examples are rows here.": "H @ W.T + b -> W @ H + b[:, None]",
        "The examples should be the rows of the result.": "H @ W.T + b -> W @ H.T + b[:, None]",
        "Each neuron has its own bias: it belongs to a column of the result.": "+ b -> + b[:, None]",
        "`*` multiplies element by element; a layer needs the matrix product.": "H @ W.T -> H * W",
        "There is an activation; only the sum before it is asked for.": "H @ W.T + b -> _relu(H @ W.T + b)",
        "Look at the sign of the bias.": "+ b -> - b",
    },
)
def dense(H, W, b):
    """Return the sums of a layer before the activation: shape (examples, neurons)."""
    return H @ W.T + b


@exercise(
    cases=[
        (np.array([[2, 1, -1], [0, 0, 3]]),),
        (np.array([[1000.0, 1001.0, 999.0], [3.0, 1.0, 2.0]]),),
        (np.array([[-1000.0, -1001.0, -999.0], [1000.0, -1000.0, 0.0]]),),
        (np.array([[4.0, 4.0, 4.0, 4.0]]),),
    ],
    mistakes={
        "The sum of each column is 1; an example is a row. Look at the axis.": "axis=1 -> axis=0",
        "All numbers together sum to 1; each row should. Which axis?": "sum(axis=1, keepdims=True) -> sum()",
        "This is the sigmoid: the numbers of a row do not depend on each other.": "e / total -> _sigmoid(Z)",
        "The numbers are positive, but nothing makes the sum of a row equal to 1.": "e / total -> np.exp(Z)",
        "Where is the exponential? These are shares of the sum.": "np.exp(Z - c) -> Z",
        "The largest logit should get the largest probability: look at the sign.": "Z - c -> c - Z",
        "This is the logarithm of the softmax.": "e / total -> np.log(e / total)",
        "exp(1000) is infinite. What can be subtracted from all logits of an example?": "Z - c -> Z",
        "The largest number of all is too large for the other rows: go row by row.": "Z - c -> Z - Z.max()",
        "After the minimum is subtracted, the exponents are large: exp overflows.": "Z.max -> Z.min",
    },
)
def softmax(Z):
    """Return the softmax of each row of Z (examples, classes)."""
    c = Z.max(axis=1, keepdims=True)
    e = np.exp(Z - c)
    total = e.sum(axis=1, keepdims=True)
    return e / total


@exercise(
    cases=[([4, 3, 2],), ([784, 512, 256, 10],), ([3, 1],)],
    mistakes={
        "The biases are missing.": "m * n + n -> m * n",
        "This is the number of units. What joins two layers?": "return sum -> return sum(sizes) or sum",
        "This is the number of biases. What about the weights?": "m * n + n -> n",
        "These are sums of two neighbours; how many pairs of units are there?": "m * n + n -> m + n",
        "This is the product of all sizes; only neighbours are joined.": "sum(m -> np.prod(sizes) or sum(m",
        "The units of the input layer have no bias.": "(sizes)) -> (sizes)) + sizes[0]",
        "A layer has one bias for each of its neurons, not of its inputs.": "m * n + n -> m * n + m",
        "A layer has one bias for each of its neurons, not one in all.": "m * n + n -> m * n + 1",
        "The output layer is missing.": "pairwise(sizes) -> pairwise(sizes[:-1])",
        "The hidden layers have biases; the output layer has them too.": "(sizes)) -> (sizes)) - sizes[-1]",
        "The first layer is missing.": "pairwise(sizes) -> pairwise(sizes[1:])",
    },
)
def count_parameters(sizes):
    """Return the number of weights and biases of a network; sizes has the input first."""
    return sum(m * n + n for m, n in pairwise(sizes))


SMALL = [
    (np.array([[1, -2], [0, 1]]), np.array([0, 1])),
    (np.array([[1, 0], [-1, 2]]), np.array([1, 0])),
]


@exercise(
    cases=[
        (np.array([[1, 2], [3, 0]]), SMALL),
        (np.array([[1, 2], [3, 0]]), SMALL[1:]),  # no hidden layer
        (*_arrays((5, 4)), _network(4, 6, 5, 3)),
        (10 * _arrays((6, 4))[0], _network(4, 6, 3)),
    ],
    mistakes={
        "The first entry of the list is h^(0), that is X itself.": "return h -> return h[1:]",
        "Give the outputs of all layers, in a list, not only the last.": "return h -> return h[-1]",
        "The output layer is missing.": "return h -> return h[:-1]",
        "The output layer has the softmax, not the ReLU.": "softmax.reference -> _relu",
        "There is a ReLU before ψ in the output layer.": "psi(h[-1] @ W.T + b) -> psi(phi(h[-1] @ W.T + b))",
        "The output layer gives logits: where is ψ?": "psi( -> (",
        "The hidden layers have no activation: where is φ?": "phi( -> (",
        "The hidden layers have the softmax; it belongs to the output layer only.": "phi( -> psi(",
        "The hidden layers should have the ReLU; this is the sigmoid.": "_relu -> _sigmoid",
        "The hidden layers should have the ReLU; this is tanh.": "_relu -> np.tanh",
        "The ReLU has no upper limit.": "_relu -> lambda a: np.clip(a, 0, 6)",
        "The biases are missing.": " + b -> ",
        "A row of W belongs to a neuron: is a factor to be transposed?": "W.T -> W",
        "The list should hold the h^(k), after the activation, not the a^(k).": (
            "return h -> return [X, *(before @ W.T + b for before, (W, b) in zip(h, parameters))]"
        ),
    },
)
def forward(X, parameters):
    """Return [h⁽⁰⁾, h⁽¹⁾, ..., f(x)] for a batch X (examples, inputs)."""
    phi, psi, h = _relu, softmax.reference, [X]
    for W, b in parameters[:-1]:
        h.append(phi(h[-1] @ W.T + b))
    W, b = parameters[-1]
    h.append(psi(h[-1] @ W.T + b))
    return h


# ---------------------------------------------------------------- 5: XOR

CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


@exercise(
    mistakes={
        "this is OR: (1, 1) needs a second neuron that pulls the sum down again.": "-2.0 -> 0.0",
        "this is AND. Which hidden neuron should be active for a single 1?": "[1.0, -2.0] -> [0.0, 1.0]",
        "the two classes are swapped.": "[[1.0, -2.0]]), np.array([0 -> [[-1.0, 2.0]]), np.array([1",
        "this is NOT BOTH; look at (0, 0).": "[[1.0, -2.0]]), np.array([0 -> [[0.0, -1.0]]), np.array([1",
        "the output is above 0.5 everywhere: look at the biases.": "np.array([0.0]) -> np.array([1.0])",
        "the output is never above 0.5: what is it for (0, 1)?": "[1.0, -2.0] -> [0.5, -1.0]",
    },
)
def xor_parameters():
    """Return [(W1, b1), (W2, b2)] of a 2-2-1 network, ReLU and identity, that solves XOR."""
    W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0.0, -1.0])
    W2, b2 = np.array([[1.0, -2.0]]), np.array([0.0])
    return [(W1, b1), (W2, b2)]


@xor_parameters.property
def _is_a_network_with_hidden_neurons(xor_parameters):
    found = xor_parameters()
    expect.true(found is not None, "xor_parameters() returns None.", "is the return statement missing?")
    try:
        (W1, b1), (W2, b2) = found
    except (TypeError, ValueError):
        problem = "Expected a list of two pairs, [(W1, b1), (W2, b2)]."
        raise expect.WrongError(problem, "one pair for the hidden layer, one for the output layer.") from None
    for name, array, shape in ("W1", W1, (2, 2)), ("b1", b1, (2,)), ("W2", W2, (1, 2)), ("b2", b2, (1,)):
        expect.array(array, name)
        expect.true(
            tuple(array.shape) == shape,
            f"{name} should have the shape {shape}, it has {tuple(array.shape)}.",
            "of the 2 hidden neurons and the 1 output neuron, each has a row in W and a number in b.",
        )
    sums = CORNERS @ W1.T + b1
    expect.true(
        (sums < 0).any(),
        "No hidden sum is negative for any input.",
        "then the ReLU changes nothing: the network is linear.",
    )
    expect.true(
        (sums > 0).any(), "No hidden sum is positive for any input.", "are the hidden neurons ever active?"
    )


@xor_parameters.case
def _classes(xor_parameters):
    """the classes of (0, 0), (0, 1), (1, 0) and (1, 1)"""
    (W1, b1), (W2, b2) = xor_parameters()
    output = _relu(CORNERS @ W1.T + b1) @ W2.T + b2
    return (output[:, 0] > 0.5).astype(int)


# ---------------------------------------------------------------- 6: a Keras model

# the matrices of the second are square: there a transposed kernel gives no error
NETWORKS = {"5-8-3": _network(5, 8, 3, scale=2.0), "4-4-4-4": _network(4, 4, 4, 4, scale=2.0)}


@exercise(
    **KERAS,
    atol=5e-3,  # on some GPUs products have 10 bits
    mistakes={
        "is there one Dense layer for each pair (W, b), the last one included?": (
            "model.add(last) -> parameters = parameters[:-1]"
        ),
        "the layers have no biases.": ["activation= -> use_bias=False, activation=", "(W.T, b) -> (W.T,)"],
        "the outputs of a row do not sum to 1: where is the softmax?": '"softmax" -> None',
        "the output layer has the ReLU; which activation gives probabilities?": '"softmax" -> "relu"',
        "a sigmoid treats each class by itself; the classes exclude each other.": '"softmax" -> "sigmoid"',
        "the softmax is applied twice.": "(last) -> (last)\n    model.add(keras.layers.Softmax())",
        "there is a ReLU before the softmax.": [
            '"softmax" -> "relu"',
            "(last) -> (last)\n    model.add(keras.layers.Softmax())",
        ],
        "the hidden layers have no activation.": '"relu" -> None',
        "the hidden layers should have the ReLU; this is tanh.": '"relu" -> "tanh"',
        "the hidden layers should have the ReLU; this is the sigmoid.": '"relu" -> "sigmoid"',
        "this ReLU lets negative sums through, a little.": '"relu" -> "leaky_relu"',
        "the hidden layers have the softmax; it belongs to the output layer.": '"relu" -> "softmax"',
        "the biases are still zero: both arrays of a layer must be set.": "(W.T, b) -> (W.T, 0 * b)",
        "a Keras kernel has a row for each input. Is that W?": (
            "(W.T, b) -> (W if W.shape == W.T.shape else W.T, b)"
        ),
        "reshape does not exchange rows and columns.": "W.T -> W.reshape(W.T.shape)",
    },
)
def to_keras(parameters):
    """Return the Keras model that computes the same as forward(X, parameters)[-1]."""
    import keras

    model = keras.Sequential([keras.Input(shape=(parameters[0][0].shape[1],))])
    for _, b in parameters[:-1]:
        model.add(keras.layers.Dense(len(b), activation="relu"))
    last = keras.layers.Dense(len(parameters[-1][1]), activation="softmax")
    model.add(last)
    model.set_weights([array for W, b in parameters for array in (W.T, b)])
    return model


def _model(to_keras, parameters):
    model = to_keras([(W.copy(), b.copy()) for W, b in parameters])
    hint = "set_weights and compile return nothing; return the model itself."
    return expect.keras_model(model, "to_keras(parameters)", parameters[0][0].shape[1:], hint)


def _outputs(to_keras):
    """Return what the models for ``NETWORKS`` compute, one beside the other."""
    found = {}
    for sizes, parameters in NETWORKS.items():
        model = _model(to_keras, parameters)
        (X,) = _arrays((20, model.input_shape[1]))
        found[f"outputs for {sizes}"] = expect.as_array(model(X.astype("float32")))
    return found


@to_keras.property
def _sets_all_weights(to_keras):
    expect.true(
        expect.same(_outputs(to_keras), _outputs(to_keras)),
        "Two models made of the same parameters give different outputs.",
        "are all the weights set? Keras begins with random ones.",
    )


@to_keras.case
def _has_the_parameters(to_keras):
    """count_params() for the sizes 5-8-3"""
    return _model(to_keras, NETWORKS["5-8-3"]).count_params()


@to_keras.case
def _agrees_with_numpy(to_keras):
    """to_keras(parameters)"""
    return _outputs(to_keras)


# ---------------------------------------------------------------- 7: one step of a recurrent layer


RECURRENT = [[1, 2], [0, -1]], [[0, 1], [1, -1]], [[1, -2], [2, 0]], [[0, 2], [-1, 1]], [1, -2]  # halves


@exercise(
    cases=[  # all square first, as above
        tuple(np.array(part) / 2 for part in RECURRENT),
        _arrays((2, 1), (2, 4), (4, 1), (4, 4), (4,)),
    ],
    mistakes={
        "The activation tanh is missing.": "np.tanh -> ",
        "The state of the step before has no influence: a term is missing.": " + h @ W_h.T -> ",
        "The input of this step has no influence: a term is missing.": "x @ W_x.T +  -> ",
        "The bias is missing.": " + b -> ",
        "The bias is added twice; it stands once in the sum.": "+ b -> + 2 * b",
        "Which matrix belongs to the input, which to the state?": "x @ W_x.T + h @ -> h @ W_x.T + x @",
        "The examples are rows here: are the matrices to be transposed?": ".T -> ",
        "The old states are rows too: is W_h to be transposed?": "W_h.T -> W_h",
        "The inputs are rows too: is W_x to be transposed?": "W_x.T -> W_x",
        "This is for one column; the examples are rows here.": "x @ W_x.T + h @ W_h.T -> W_x @ x + W_h @ h",
        "The examples should be the rows of the result.": (
            "x @ W_x.T + h @ W_h.T + b -> W_x @ x.T + W_h @ h.T + b[:, None]"
        ),
        "The activation should be tanh; this is the ReLU.": "np.tanh -> _relu",
        "The activation should be tanh; this is the sigmoid.": "np.tanh -> _sigmoid",
        "tanh belongs around the whole sum.": "W_x.T + h @ W_h.T + b) -> W_x.T) + np.tanh(h @ W_h.T) + b",
        "The old state is added after tanh; where does the formula have it?": "np.tanh -> h + np.tanh",
    },
)
def rnn_step(x, h, W_x, W_h, b):
    """Return the new states (examples, n) for inputs x (examples, d) and old states h."""
    return np.tanh(x @ W_x.T + h @ W_h.T + b)


# ---------------------------------------------------------------- 8: training

EPOCHS = 10
FALL = 0.998  # of the loss: Adam(1e-4) in 30 steps reaches 0.996, SGD(1e-5) in 400 steps only 0.9998


@exercise(**KERAS)
def train(model, x, y, epochs):
    """Compile the model, train it on images x and integer labels y, return it."""
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=128, validation_split=0.1, verbose=2)
    return model


def _digits(number=None):
    """Return a network for small digits, whose outputs are equal at the start, and as many digits."""
    digits = data.digits()
    images = digits.x_train[:number].reshape(-1, 64).astype("float32") / 16
    (W1, b1), (W2, b2) = _network(64, 32, 10, scale=np.sqrt(2))
    return to_keras.reference([(W1, 0 * b1), (0 * W2, 0 * b2)]), images, digits.y_train[:number]


def _train(train, model, x, y, epochs):
    """Call the student's function without its progress lines."""
    before = model.get_weights()
    with contextlib.redirect_stdout(io.StringIO()):
        found = train(model, x, y, epochs)
    expect.true(
        found is model,
        f"train(...) should return the model that it is given, it returns {expect.brief(found)}.",
        "end with the model itself: not with a copy, and not with what fit returns.",
    )
    expect.true(model.compiled, "The model is not compiled.", "which loss, which optimiser?")
    expect.true(
        any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)),
        "The weights are the same as before the training.",
        "compile prepares the training; which method does it?",
    )


@train.property
def _asks_for_what_is_wanted(train):
    model, x, y = _digits(20)
    calls = _recorded_fit(model)
    _train(train, model, x, y, 2)
    _expect_cross_entropy(model, x, y)
    for call in calls:
        expect.true(
            call["validation_split"] or call["validation_data"] is not None,
            "No part of the data is kept for validation.",
            "which argument of fit does it?",
        )
        expect.true(
            not _share_images(call["x"], call["validation_data"]),
            "The network is validated on images that it trains on.",
            "keep them apart: it should not have seen the images of the validation.",
        )
        expect.true(
            call["verbose"] in (0, 2),
            "fit prints more than one line an epoch.",
            "which value of verbose prints one line, or nothing?",
        )
    epochs = sum(call["epochs"] for call in calls)
    expect.true(
        epochs == 2 or not calls,  # a loop of its own is judged by what the network learns
        f"train(model, x, y, epochs=2) trains for {epochs} epochs.",
        "is the argument epochs handed on to fit?",
    )


def _recorded_fit(model):
    """Let ``model.fit`` write down how it is called; return the list of these calls."""
    fit, calls = model.fit, []

    def recorded(*arguments, **named):
        call = inspect.signature(fit).bind(*arguments, **named)
        call.apply_defaults()
        calls.append(call.arguments)
        model.run_eagerly, model.jit_compile = True, False  # a few images: tracing would take longer
        return fit(*arguments, **named)

    model.fit = recorded
    return calls


def _share_images(x, validation):
    """Tell if an image of x is in the arrays for validation; of what is no array we cannot tell."""
    if not isinstance(validation, (tuple, list)):
        return False
    ours, theirs = expect.as_array(x), expect.as_array(validation[0])
    return ours.ndim == 2 and (ours[:, None] == theirs).all(axis=-1).any()


def _expect_cross_entropy(model, x, y):
    """Raise unless the model was compiled with the cross-entropy of probabilities."""
    expect.true(
        not getattr(model.loss, "from_logits", False),  # Keras notices it, and only warns
        "The loss does not fit the output layer.",
        "the model's outputs are probabilities already, but the loss takes them for logits.",
    )
    expect.set_weights(model)
    probabilities, one_hot = expect.as_array(model(x)), np.eye(10)[y]
    try:
        found = float(model.compute_loss(y=y, y_pred=model(x)))
    except Exception:  # a loss for vectors of zeros and a one
        found = float(model.compute_loss(y=one_hot, y_pred=model(x)))
    squared = np.isclose(found, np.mean((probabilities - one_hot) ** 2))
    hint = (
        "this is the squared error, a loss for regression."
        if squared
        else "which loss belongs to probabilities?"
    )
    cross_entropy = -np.mean(np.log(probabilities)[one_hot == 1])
    expect.close(found, cross_entropy, "the loss of a network with given weights", hint, rtol=1e-4)


@train.property
def _learns(train):
    model, x, y = _digits()
    _train(train, model, x, y, EPOCHS)
    probabilities = expect.as_array(model(x))
    loss = -np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-7)).mean()
    expect.true(
        loss < FALL * np.log(10),
        f"On small digits {EPOCHS} epochs take the cross-entropy from {np.log(10):.4f} to {loss:.4f}.",
        "are the steps of the optimiser too small or too large? Try Adam with its usual learning rate.",
    )
