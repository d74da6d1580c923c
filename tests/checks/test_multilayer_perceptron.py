"""Students' answers to lab 02, wrong and right."""

from itertools import pairwise

import numpy as np

from nnlabs.checks import multilayer_perceptron
from tests.checks.harness import Answers, make_tests


def relu(a):
    return np.maximum(0, a)


def softmax(Z):
    e = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---------------------------------------------------------------- NumPy


def dense_loop(H, W, b):
    return np.array([[w @ h + bias for w, bias in zip(W, b, strict=True)] for h in H])


def dense_in_place(H, W, b):
    H -= 1
    return (H + 1) @ W.T + b


def softmax_loop(Z):
    rows = []
    for z in Z:
        e = np.exp(z - np.max(z))
        rows.append(e / np.sum(e))
    return np.array(rows)


def count_loop(sizes):
    total = 0
    for k in range(1, len(sizes)):
        total += sizes[k] * sizes[k - 1] + sizes[k]
    return total


def forward_with(phi=relu, psi=softmax, transpose=True, bias=True):
    def forward(X, parameters):
        outputs = [X]
        for k, (W, b) in enumerate(parameters):
            A = outputs[-1] @ (W.T if transpose else W) + (b if bias else 0)
            outputs.append(psi(A) if k == len(parameters) - 1 else phi(A))
        return outputs

    return forward


def forward_recursive(X, parameters):
    *before, (W, b) = parameters
    if not before:
        return [X, softmax(np.einsum("mi,ni->mn", X, W) + b)]
    (W1, b1), *after = parameters
    return [X, *forward_recursive(np.clip(X @ W1.T + b1, 0, None), after)]


def xor_with(W1, b1, W2, b2):
    return lambda: [(np.array(W1), np.array(b1)), (np.array(W2), np.array(b2))]


def rnn_loop(x, h, W_x, W_h, b):
    return np.array([np.tanh(W_x @ x_i + W_h @ h_i + b) for x_i, h_i in zip(x, h, strict=True)])


def rnn_joined(x, h, W_x, W_h, b):
    return np.tanh(np.hstack([x, h]) @ np.hstack([W_x, W_h]).T + b)


# ---------------------------------------------------------------- Keras


def keras_with(
    hidden="relu", output="softmax", weights=lambda W, b: [W.T, b], use_bias=True, with_input=True
):
    def to_keras(parameters):
        import keras

        model = keras.Sequential()
        if with_input:
            model.add(keras.Input(shape=(parameters[0][0].shape[1],)))
        for k, (W, b) in enumerate(parameters):
            activation = output if k == len(parameters) - 1 else hidden
            layer = keras.layers.Dense(len(W), activation=activation, use_bias=use_bias)
            model.add(layer)
            if with_input == "never set":
                continue
            arrays = weights(W, b)
            layer.set_weights(arrays if use_bias else arrays[:1])
        return model

    return to_keras


def keras_functional(parameters):
    import keras

    inputs = h = keras.Input(shape=(parameters[0][0].shape[1],))
    for _, b in parameters[:-1]:
        h = keras.layers.Dense(len(b))(h)
        h = keras.layers.ReLU()(h)
    h = keras.layers.Dense(len(parameters[-1][1]))(h)
    model = keras.Model(inputs, keras.layers.Softmax()(h))
    model.set_weights([array for W, b in parameters for array in (W.T, b)])
    return model


def keras_no_output_layer(parameters):
    return keras_with(output="relu")(parameters[:-1])


def keras_returns_nothing(parameters):
    keras_with()(parameters)


def keras_returns_set_weights(parameters):
    return keras_with()(parameters).get_weights()


def keras_not_built(parameters):
    import keras

    return keras.Sequential([keras.layers.Dense(len(b), activation="relu") for _, b in parameters])


def fit_with(loss="sparse_categorical_crossentropy", optimizer="adam", labels=None, epochs=None, fit=True):
    def train(model, x, y, given_epochs):
        import keras

        if optimizer == "slow":
            step = keras.optimizers.SGD(1e-5)
        elif optimizer == "fast":
            step = keras.optimizers.Adam(10.0)
        else:
            step = optimizer
        model.compile(optimizer=step, loss=loss() if callable(loss) else loss, metrics=["accuracy"])
        if fit:
            model.fit(x, labels(y) if labels else y, epochs=epochs or given_epochs, verbose=2)
        return model

    return lambda model, x, y, epochs: train(model, x, y, epochs)


def loss_on_logits():
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def one_hot(y):
    return np.eye(10)[y]


def fit_without_compile(model, x, y, epochs):
    model.fit(x, y, epochs=epochs)
    return model


def fit_returns_history(model, x, y, epochs):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model.fit(x, y, epochs=epochs, verbose=0)


def fit_returns_nothing(model, x, y, epochs):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=epochs, verbose=0)


def fit_with_rmsprop(model, x, y, epochs):
    import keras

    model.compile(
        optimizer=keras.optimizers.RMSprop(0.003),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    for _ in range(epochs):
        model.fit(x, y, batch_size=64, validation_split=0.1, verbose=0)
    return model


ANSWERS = {
    "dense": Answers(
        wrong=[
            (lambda H, W, b: H @ W.T, "bias is missing"),
            (lambda H, W, b: H @ W + b, "is a factor to be transposed"),
            (lambda H, W, b: W @ H.T + b[:, None], "should be the rows of the result"),
            (lambda H, W, b: W @ H + b[:, None], "formula for one column"),
            (lambda H, W, b: H @ W.T + b[:, None], "belongs to a column of the result"),
            (lambda H, W, b: H * W + b, "element by element"),
            (lambda H, W, b: relu(H @ W.T + b), "before the activation"),
            (lambda H, W, b: H @ W.T - b, "sign of the bias"),
            (dense_in_place, "copy the argument"),
        ],
        right=[dense_loop, lambda H, W, b: np.einsum("mi,ni->mn", H, W) + b, lambda H, W, b: (W @ H.T).T + b],
    ),
    "softmax": Answers(
        wrong=[
            (lambda Z: np.exp(Z - Z.max(axis=0)) / np.exp(Z - Z.max(axis=0)).sum(axis=0), "Look at the axis"),
            (lambda Z: np.exp(Z) / np.exp(Z).sum(), "Which axis has the sum"),
            (lambda Z: 1 / (1 + np.exp(-Z)), "sigmoid of each number"),
            (lambda Z: np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True), "exp(1000) is infinite"),
            (
                lambda Z: np.exp(Z - Z.max()) / np.exp(Z - Z.max()).sum(axis=1, keepdims=True),
                "go row by row",
            ),
            (lambda Z: Z / Z.sum(axis=1, keepdims=True), "Where is the exponential"),
            (np.exp, "sum of a row equal to 1"),
            (lambda Z: softmax(-Z), "sign in the exponent"),
            (lambda Z: np.log(softmax(Z)), "logarithm of the softmax"),
        ],
        right=[
            softmax_loop,
            lambda Z: 1 / np.exp(Z[:, None, :] - Z[:, :, None]).sum(axis=2),
            lambda Z: softmax(Z.T.copy().T).tolist(),
        ],
    ),
    "count_parameters": Answers(
        wrong=[
            (lambda sizes: sum(m * n for m, n in pairwise(sizes)), "biases are missing"),
            (sum, "number of units"),
            (lambda sizes: sum(m + n for m, n in pairwise(sizes)), "how many pairs of units"),
            (lambda sizes: np.prod(sizes), "product of all sizes"),
            (lambda sizes: sum(m * n for m, n in pairwise(sizes)) + sum(sizes), "input layer have no bias"),
            (lambda sizes: sum(m * n + m for m, n in pairwise(sizes)), "not of its inputs"),
            (lambda sizes: sum(m * n + 1 for m, n in pairwise(sizes)), "not one in all"),
            (lambda sizes: count_loop(sizes[:-1]), "output layer is missing"),
            (
                lambda sizes: sum(m * n for m, n in pairwise(sizes)) + sum(sizes[1:-1]),
                "the output layer has them too",
            ),
            (lambda sizes: count_loop(sizes[1:]), "first layer is missing"),
        ],
        right=[
            count_loop,
            lambda sizes: int(np.dot(np.array(sizes[:-1]) + 1, sizes[1:])),
        ],
    ),
    "forward": Answers(
        wrong=[
            (forward_with(phi=lambda a: a), "where is φ"),
            (forward_with(psi=lambda a: a), "where is ψ"),
            (forward_with(psi=relu), "softmax, not the ReLU"),
            (forward_with(psi=lambda a: softmax(relu(a))), "ReLU before the softmax"),
            (forward_with(phi=softmax), "output layer only"),
            (forward_with(phi=np.tanh), "this is tanh"),
            (forward_with(bias=False), "biases are missing"),
            (forward_with(transpose=False), "matmul"),
            (lambda X, parameters: forward_with()(X, parameters)[-1], "outputs of all layers"),
            (lambda X, parameters: forward_with()(X, parameters)[1:], "X itself"),
            (lambda X, parameters: forward_with()(X, parameters)[:-1], "output layer is missing"),
            (lambda X, parameters: None, "return statement"),
        ],
        right=[forward_with(), forward_recursive, lambda X, parameters: tuple(forward_with()(X, parameters))],
    ),
    "xor_parameters": Answers(
        wrong=[
            (xor_with([[1.0, 1.0], [0.0, 0.0]], [0.0, -1.0], [[1.0, 0.0]], [0.0]), "this is OR"),
            (xor_with([[1.0, 1.0], [0.0, 0.0]], [-1.0, -1.0], [[1.0, 0.0]], [0.0]), "this is AND"),
            (xor_with([[1, 1], [1, 1]], [0, -1], [[-1, 2]], [1]), "the two classes are swapped"),
            (xor_with([[1, 1], [1, 1]], [0, 0], [[1, -2]], [0]), "the network is linear"),
            (xor_with([[-1, -1], [-1, -1]], [-1, -1], [[1, 1]], [0]), "ever active"),
            (xor_with([[1, 1], [1, 1]], [0, -1], [[1], [-2]], [0]), "each has a row in W"),
            (
                lambda: [np.ones((2, 2)), np.zeros(2), np.ones((1, 2)), np.zeros(1)],
                "one pair for the hidden layer",
            ),
            (lambda: None, "return statement"),
        ],
        right=[
            xor_with([[1, 1], [1, 1]], [0, -1], [[1, -2]], [0]),
            xor_with([[2.0, -2.0], [-2.0, 2.0]], [-1.0, -1.0], [[1.0, 1.0]], [0.0]),
            lambda: (([[-1, -1], [1, 1]], [1, -1]), ([[-1, -1]], [1])),
        ],
    ),
    "to_keras": Answers(
        wrong=[
            (keras_with(output=None), "does the output layer have its softmax"),
            (keras_with(output="relu"), "which activation gives probabilities"),
            (keras_with(output="sigmoid"), "the classes exclude each other"),
            (keras_with(hidden=None), "hidden layers have no activation"),
            (keras_with(hidden="tanh"), "this is tanh"),
            (keras_with(hidden="softmax"), "output layer only"),
            (keras_with(weights=lambda W, b: [W.T, 0 * b]), "biases are still zero"),
            (keras_with(weights=lambda W, b: [W if W.shape == W.T.shape else W.T, b]), "Is that W"),
            (keras_with(weights=lambda W, b: [W.reshape(W.T.shape), b]), "exchange rows and columns"),
            (keras_with(weights=lambda W, b: [W, b]), "what has a row for each neuron"),
            (keras_with(use_bias=False), "no biases"),
            (keras_with(with_input="never set"), "are all the weights set"),
            (keras_with(with_input=False), "what tells the model"),
            (keras_not_built, "begin with keras.Input"),
            (keras_no_output_layer, "the last one included"),
            (keras_returns_nothing, "return statement"),
            (keras_returns_set_weights, "return the model itself"),
        ],
        right=[keras_with(), keras_functional],
    ),
    "rnn_step": Answers(
        wrong=[
            (lambda x, h, W_x, W_h, b: x @ W_x.T + h @ W_h.T + b, "tanh is missing"),
            (lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + b), "state of the step before"),
            (lambda x, h, W_x, W_h, b: np.tanh(h @ W_h.T + b), "input of this step"),
            (lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + h @ W_h.T), "bias is missing"),
            (lambda x, h, W_x, W_h, b: np.tanh(h @ W_x.T + x @ W_h.T + b), "Which matrix"),
            (lambda x, h, W_x, W_h, b: np.tanh(x @ W_x + h @ W_h + b), "transposed"),
            (lambda x, h, W_x, W_h, b: np.tanh(W_x @ x + W_h @ h + b), "formula for one column"),
            (lambda x, h, W_x, W_h, b: np.tanh(W_x @ x.T + W_h @ h.T + b[:, None]), "rows of the result"),
            (lambda x, h, W_x, W_h, b: relu(x @ W_x.T + h @ W_h.T + b), "this is the ReLU"),
            (lambda x, h, W_x, W_h, b: h + np.tanh(x @ W_x.T + h @ W_h.T + b), "after the activation"),
        ],
        right=[rnn_loop, rnn_joined],
    ),
    "train": Answers(
        wrong=[
            (fit_with(fit=False), "which method does it"),
            (fit_with(loss=loss_on_logits), "takes them for logits"),
            (fit_with(loss="mse", labels=one_hot), "a loss for regression"),
            (fit_with(loss="categorical_crossentropy"), "which cross-entropy takes them"),
            (fit_with(optimizer="slow"), "too small or too large"),
            (fit_with(epochs=1, optimizer="sgd"), "handed on to fit"),
            (fit_without_compile, "not compiled"),
            (fit_returns_history, "return the model itself"),
            (fit_returns_nothing, "return statement"),
        ],
        right=[
            fit_with_rmsprop,
            fit_with(loss="categorical_crossentropy", labels=one_hot),
            fit_with(optimizer="nadam"),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(
    multilayer_perceptron, ANSWERS
)
