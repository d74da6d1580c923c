"""The checks of lab 02: networks in NumPy and in Keras, one that sorts, sequences, training.

A network is a list of pairs ``(W, b)``, one a layer: ``W`` (neurons, inputs), ``b`` (neurons,).
Keras is loaded only by the exercises that need it.
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


def _softmax(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- 1 to 4: NumPy


@exercise(
    cases=[(76, 2, 1, 3), (75, 2, 1, 3), (130, 4, 2, 3), (99, 3, 3, 1), (17, 5, 4, 2), (50_000, 784, 3, 10)],
    mistakes={
        "The biases are missing.": "before + 1 -> before",
        "The limit itself is allowed.": "> limit -> >= limit",
        "This network has more parameters than the limit.": "return neurons -> return neurons + 1",
        "This is the number of all hidden neurons.": "return neurons -> return hidden_layers * neurons",
        "This is the number of parameters.": "return neurons -> return parameters(neurons)",
        "The output layer is missing.": ", outputs] -> ]",
        "A hidden layer is missing.": "* hidden_layers -> * (hidden_layers - 1)",
        "There is a hidden layer too many.": "* hidden_layers -> * (hidden_layers + 1)",
        "The weights between two hidden layers are missing.": "pairwise(sizes) -> (sizes[:2], sizes[-2:])",
        "Each neuron has a bias; here each layer has one.": "after * (before + 1) -> after * before + 1",
        "A bias belongs to each neuron, not to each input.": "after * (before + 1) -> (after + 1) * before",
    },
)
def widest(limit, inputs, hidden_layers, outputs):
    """Return the largest number of neurons in each hidden layer with at most limit parameters."""

    def parameters(n):
        sizes = [inputs, *[n] * hidden_layers, outputs]
        return sum(after * (before + 1) for before, after in pairwise(sizes))

    neurons = limit  # from above: no mistake makes an endless loop
    while neurons > 1 and parameters(neurons) > limit:
        neurons -= 1
    return neurons


@exercise(
    mistakes={
        "The first entry of the list is h^(0), that is X itself.": "return h -> return h[1:]",
        "Give the outputs of all layers, in a list, not only the last.": "return h -> return h[-1]",
        "The output layer is missing.": "return h -> return h[:-1]",
        "Every layer has the first activation; each has its own.": "phi(h[-1] -> activations[0](h[-1]",
        "The order of the activations is reversed.": ", activations, strict -> , activations[::-1], strict",
        "There is no activation.": "phi( -> (",
        "The output layer has an activation too.": ", activations, s -> , [*activations[:-1], np.array], s",
        "The activation belongs around the whole sum.": "h[-1] @ W.T + b) -> h[-1] @ W.T) + b",
        "The biases are missing.": " + b -> ",
        "A row of W belongs to a neuron: is a factor to be transposed?": "W.T -> W",
        "The list should hold the h^(k), after the activation, not the a^(k).": (
            "return h -> return [X, *(before @ W.T + b for before, (W, b) in zip(h, parameters))]"
        ),
        "Every layer looks at X; it should look at the layer before.": "h[-1] @ W.T -> X @ W.T",
    },
)
def forward(X, parameters, activations):
    """Return [h⁽⁰⁾, h⁽¹⁾, ..., f(x)] for a batch X (samples, inputs)."""
    h = [X]
    for (W, b), phi in zip(parameters, activations, strict=True):
        h.append(phi(h[-1] @ W.T + b))
    return h


@forward.case
def _one_sample(forward):
    """forward([[1, 2]], [([[1, -2], [0, 1]], [0, 1]), ([[1, -1], [-1, 2]], [1, 0])], [relu, negative])"""
    first = (np.array([[1, -2], [0, 1]]), np.array([0, 1]))  # square: a transposed factor is no error
    second = (np.array([[1, -1], [-1, 2]]), np.array([1, 0]))
    return forward(np.array([[1, 2]]), [first, second], [_relu, np.negative])


@forward.case
def _many_samples(forward):
    """forward of 5 samples: sizes 4-6-5-3 and 4-2, activations tanh, relu, softmax and tanh"""
    (X,) = _arrays((5, 4))
    three_layers = forward(X, _network(4, 6, 5, 3), [np.tanh, _relu, _softmax])
    return three_layers, forward(X, _network(4, 2), [np.tanh])  # no hidden layer


@exercise(
    cases=[
        (np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 3.0, 0.0]]),),
        (np.array([[4.0, 4.0, 4.0, 4.0]]),),  # one sample
        (np.array([[1000.0, 1001.0, 999.0], [3.0, 1.0, 2.0]]),),
        (np.array([[-1000.0, -1001.0, -999.0], [1000.0, -1000.0, 0.0]]),),
        (np.array([[30.0, -30.0], [0.0, 40.0]]),),
    ],
    mistakes={
        "This is the softmax; its logarithm is asked for.": "Z - M - np.log(total) -> np.exp(Z - M) / total",
        "The sum runs over a row, that is over the classes.": "axis=1 -> axis=0",
        "Each row has its own sum.": "sum(axis=1, keepdims=True) -> sum()",
        "What is subtracted inside must be subtracted outside as well.": "Z - M - np.log -> Z - np.log",
        "The logarithm of the sum is missing.": " - np.log(total) -> ",
        "The sum itself is subtracted; what is the logarithm of a fraction?": "np.log(total) -> total",
        "Look at the sign of the second logarithm.": "M - np.log -> M + np.log",
        "Has the logarithm base e, like the exponential?": "np.log(total) -> np.log2(total)",
        "exp(1000) is infinite. What can be subtracted from all logits of a sample?": "M = Z -> M = 0 * Z",
        "A probability has become 0: is the fraction computed before the logarithm?": (
            "Z - M - np.log(total) -> np.log(np.exp(Z - M) / total)"
        ),
        "A tiny number inside the logarithm changes the small values.": (
            "Z - M - np.log(total) -> np.log(np.exp(Z - M) / total + 1e-7)"
        ),
        "The largest number of all is too large for the other rows: go row by row.": (
            "Z.max(axis=1, keepdims=True) -> Z.max()"
        ),
        "After the minimum is subtracted, the exponents are large: exp overflows.": "Z.max -> Z.min",
    },
)
def log_softmax(Z):
    """Return the logarithm of the softmax of each row of Z (samples, classes)."""
    M = Z.max(axis=1, keepdims=True)
    total = np.exp(Z - M).sum(axis=1, keepdims=True)
    return Z - M - np.log(total)


@exercise(
    cases=[
        (np.array([[3, 1], [0, -2], [1, 4]]), np.array([1, 2, 3])),
        (*_arrays((2, 4), (2,)),),
        (*_arrays((5, 5), (5,)),),
    ],
    mistakes={
        "The last row is zero, but the other logits have not moved along.": (
            "W - W[-1], b - b[-1] -> np.where(W == W[-1], 0, W), np.where(b == b[-1], 0, b)"
        ),
        "The biases are as before; the last one should be zero as well.": "b - b[-1] -> b",
        "The last bias is zero, the others have not moved along.": "b - b[-1] -> np.where(b == b[-1], 0, b)",
        "The weights are as before; the last row should be zero as well.": "W - W[-1] -> W",
        "This makes the first class zero.": ["W[-1] -> W[0]", "b[-1] -> b[0]"],
        "A column of W belongs to a neuron; a class is a row.": "W[-1] -> W[:, -1:]",
        "The mean is subtracted; which row should become zero?": ["W[-1] -> W.mean(0)", "b[-1] -> b.mean()"],
        "Look at the sign: the last row should become zero.": ["W - -> W +", "b - -> b +"],
        "The last class should stay, with zeros.": "W - W[-1], b -> W[:-1] - W[-1], b[:-1]",
        "The order of the classes is reversed.": "W - W[-1], b - b[-1] -> W[-1] - W, b[-1] - b",
    },
)
def last_class_zero(W, b):
    """Return (W', b') with the same probabilities, and zeros for the last class."""
    return W - W[-1], b - b[-1]


# ---------------------------------------------------------------- 5: a network that sorts

PAIRS = np.array([[3.0, 1.0], [1.0, 3.0], [-1.0, -3.0], [-2.5, -0.5], [2.0, -4.0], [-4.0, 2.0], [2.0, 2.0]])


@exercise(
    lists=True,
    mistakes={
        "the larger number should come first.": "[a, b] -> [b, a]",
        "both outputs are the larger number.": "[a, b] -> [a, a]",
        "the outputs are twice what they should be.": "0.5 -> 1.0",
        "these are |s| and |d|; what is needed of them?": "[a, b] -> np.eye(2).repeat(2, axis=1)",
        "it fails where the sum is negative: what does the ReLU make of it?": "[0.5, -0.5,  -> [0.5, 0.0, ",
        "it fails where x_2 is the larger number: which sign has d there?": (
            "[a, b] -> [a, b]) * np.array([1, 1, 1, 0]"
        ),
        "the outputs are shifted: is a bias needed?": "np.zeros(2) -> np.ones(2)",
        "it puts out the numbers as they came.": ["0.5, 0.5] -> 0.5, -0.5]", "-0.5, -0.5] -> -0.5, 0.5]"],
    },
)
def sorting_parameters():
    """Return [(W1, b1), (W2, b2)] of a 2-4-2 network, ReLU and identity, with outputs (max, min)."""
    W1 = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])  # s, -s, d, -d
    a, b = [0.5, -0.5, 0.5, 0.5], [0.5, -0.5, -0.5, -0.5]
    return [(W1, np.zeros(4)), (np.array([a, b]), np.zeros(2))]


@sorting_parameters.property
def _is_a_network_with_hidden_neurons(sorting_parameters):
    found = sorting_parameters()
    expect.true(found is not None, "sorting_parameters() returns None.", "is the return statement missing?")
    try:
        (W1, b1), (W2, b2) = found
    except (TypeError, ValueError):
        problem = "Expected a list of two pairs, [(W1, b1), (W2, b2)]."
        raise expect.WrongError(problem, "one pair for the hidden layer, one for the output layer.") from None
    n = len(b1) if np.ndim(b1) else 0
    for name, array, shape in ("W1", W1, (n, 2)), ("b1", b1, (n,)), ("W2", W2, (2, n)), ("b2", b2, (2,)):
        expect.array(array, name)
        expect.true(
            tuple(array.shape) == shape,
            f"{name} should have the shape {shape}, it has {tuple(array.shape)}.",
            "each hidden neuron and each of the 2 output neurons has a row in W and a number in b.",
        )
    expect.true(n <= 4, f"There are {n} hidden neurons; at most 4 are allowed.", "which of them do the same?")


@sorting_parameters.case
def _sorted(sorting_parameters):
    """the outputs for (3, 1), (1, 3), (-1, -3), (-2.5, -0.5), (2, -4), (-4, 2) and (2, 2)"""
    return _outputs_for(PAIRS, sorting_parameters)


@sorting_parameters.property
def _sorts_large_numbers(sorting_parameters):
    found, largest_first = _outputs_for(1e12 * PAIRS, sorting_parameters), -np.sort(-1e12 * PAIRS, axis=1)
    hint = "a bias keeps a sum positive only while the numbers are small. It should work for all."
    expect.close(found, largest_first, "the outputs for numbers 10^12 times as large", hint)


def _outputs_for(pairs, parameters):
    (W1, b1), (W2, b2) = parameters()
    return _relu(pairs @ W1.T + b1) @ W2.T + b2


# ---------------------------------------------------------------- 6: a Keras model

# the matrices of the second are square: there a transposed kernel gives no error
NETWORKS = {"5-8-3": _network(5, 8, 3, scale=2.0), "4-4-4-4": _network(4, 4, 4, 4, scale=2.0)}


@exercise(
    **KERAS,
    atol=5e-3,  # on some GPUs products have 10 bits
    mistakes={
        "is there a Dense layer for each pair (W, b)?": "model.add(last) -> parameters = parameters[:-1]",
        "the outputs of a row do not sum to 1: where is the softmax?": '"softmax" -> None',
        "the output layer has the ReLU; which activation gives probabilities?": '"softmax" -> "relu"',
        "a sigmoid treats each class by itself; the classes exclude each other.": '"softmax" -> "sigmoid"',
        "the columns sum to 1; the rows should.": '"softmax" -> lambda a: keras.ops.softmax(a, axis=0)',
        "the softmax is applied twice.": "(last) -> (last)\n    model.add(keras.layers.Softmax())",
        "there is a ReLU before the softmax.": (
            '"softmax" -> lambda a: keras.ops.softmax(keras.ops.relu(a))'
        ),
        "the hidden layers have no activation.": '"relu" -> None',
        "the hidden layers should have the ReLU; this is tanh.": '"relu" -> "tanh"',
        "this ReLU lets negative sums through, a little.": '"relu" -> "leaky_relu"',
        "the hidden layers have the softmax; it belongs to the output layer.": '"relu" -> "softmax"',
        "the biases are missing, or still zero.": "(W.T, b) -> (W.T, 0 * b)",
        "a Keras kernel has a row for each input. Is that W?": "(W.T, -> (W if len(W) == len(W.T) else W.T,",
        "reshape does not exchange rows and columns.": "W.T -> W.reshape(W.T.shape)",
    },
)
def to_keras(parameters):
    """Return the Keras model that computes the last output of forward."""
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
    models = {sizes: _model(to_keras, parameters) for sizes, parameters in NETWORKS.items()}
    batches = {sizes: _arrays((20, model.input_shape[1]))[0] for sizes, model in models.items()}
    return {f"outputs for {sizes}": expect.as_array(models[sizes](X)) for sizes, X in batches.items()}


@to_keras.property
def _sets_all_weights(to_keras):
    expect.true(
        expect.same(_outputs(to_keras), _outputs(to_keras)),
        "Two models made of the same parameters give different outputs.",
        "are all the weights set? Keras begins with random ones.",
    )


@to_keras.case
def _agrees_with_numpy(to_keras):
    """to_keras(parameters)"""
    return _outputs(to_keras)


# ---------------------------------------------------------------- 7: sequences of different lengths

STEPS, RECURRENT = (
    [[[1, 2], [0, -1], [2, 1]], [[2, 0], [1, 1], [0, 1]]],
    ([[1, -2], [2, 0]], [[0, 2], [-1, 1]], [1, -2]),
)


@exercise(
    cases=[  # all square first: then a transposed factor gives a wrong answer, not an error
        (np.array(STEPS), np.array([2, 1]), *(np.array(part) / 2 for part in RECURRENT)),
        (_arrays((4, 5, 1))[0], np.array([3, 5, 1, 4]), *_arrays((3, 1), (3, 3), (3,))),
        (_arrays((1, 4, 3))[0], np.array([4]), *_arrays((2, 3), (2, 2), (2,))),
    ],
    mistakes={
        "What follows the end of a sequence means nothing, and is read.": "t < lengths -> t < 99 * lengths",
        "One step too many is read: the first step has the number 0.": "t < lengths -> t <= lengths",
        "One step is missing: the first step has the number 0.": "t < lengths -> t < lengths - 1",
        "All are read as far as the shortest one.": "t < lengths -> t < 0 * lengths + lengths.min()",
        "When a sequence is over, its state should stay; here it becomes zero.": "new, h) -> new, 0)",
        "The end of the array is read, and not the beginning.": "sequences[:, t] -> sequences[:, -1 - t]",
        "The state of the step before has no influence: a term is missing.": " + h @ W_h.T -> ",
        "The input of each step has no influence: a term is missing.": "sequences[:, t] @ W_x.T +  -> ",
        "The bias is missing.": " + b) -> )",
        "The activation tanh is missing.": "np.tanh( -> (",
        "The activation should be tanh; this is the ReLU.": "np.tanh( -> _relu(",
        "The old states are rows: is W_h to be transposed?": "W_h.T -> W_h",
        "The inputs are rows: is W_x to be transposed?": "W_x.T -> W_x",
        "The samples are rows here: are both matrices to be transposed?": ".T -> ",
        "The state before the first step is zero.": "np.zeros( -> np.ones(",
        "The last state is asked for, not the sum of all states.": "new, h) -> new + h, h)",
    },
)
def last_states(sequences, lengths, W_x, W_h, b):
    """Return the state of each sequence after its own last step: shape (samples, n_h)."""
    h = np.zeros((len(sequences), len(b)))
    for t in range(sequences.shape[1]):
        new = np.tanh(sequences[:, t] @ W_x.T + h @ W_h.T + b)
        h = np.where((t < lengths)[:, None], new, h)
    return h


# ---------------------------------------------------------------- 8: training

EPOCHS = 10
FALL = 0.998  # of the loss: Adam(1e-4) in 30 steps reaches 0.996, SGD(1e-5) in 400 steps only 0.9998


@exercise(**KERAS)
def train(model, x, y, epochs):
    """Compile the model, train it on images x and integer labels y, which may be sorted; return it."""
    order = np.random.default_rng(0).permutation(len(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[order], y[order], epochs=epochs, batch_size=128, validation_split=0.1, verbose=2)
    return model


def _digits(number=None):
    """Return a network for small digits, whose outputs are equal at the start, and as many sorted digits."""
    digits = data.digits()
    order = np.argsort(digits.y_train[:number], kind="stable")
    images = digits.x_train[order].reshape(-1, 64).astype("float32") / 16
    (W1, b1), (W2, b2) = _network(64, 32, 10, scale=np.sqrt(2))
    return to_keras.reference([(W1, 0 * b1), (0 * W2, 0 * b2)]), images, digits.y_train[order]


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
    model, x, y = _digits(300)
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
        trained, validated = map(len, _digits_of(call))
        same_x, same_y = np.array_equal(call["x"], x), np.array_equal(call["y"], y)
        expect.true(
            trained == 10 and validated > 3,  # a small random part may miss some
            f"{trained} of the ten digits are in the training images, {validated} in the validation.",
            "the labels are still sorted: mix x and y alike."
            if same_y and not same_x
            else "which rows are kept apart if all rows stay as they are, sorted?",
        )
        expect.true(
            not same_x or same_y or np.shape(call["y"]) != y.shape,
            "The labels are in another order, the images are not.",
            "do x and y still belong together?",
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


def _digits_of(call):
    """Return the digits that a call of fit trains and validates on; of what is no array we cannot tell."""
    y, validation = call["y"], call["validation_data"]
    if y is None or not isinstance(validation, (tuple, list, type(None))):
        return range(10), range(10)
    n = int(len(y) * (1 - (call["validation_split"] if validation is None else 0)))
    labels = map(expect.as_array, (y[:n], y[n:] if validation is None else validation[1]))
    return [np.unique(y.argmax(-1) if y.shape[1:] > (1,) else y) for y in labels]


def _share_images(x, validation):
    """Tell if an image of x is in the arrays for validation."""
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
    hint = "this is the squared error, for regression." if squared else "which loss belongs to probabilities?"
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
        "do x and y still belong together? Are the steps of the optimiser too small or too large?",
    )
