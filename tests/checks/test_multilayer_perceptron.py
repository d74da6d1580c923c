"""Students' answers to lab 02, wrong and right."""

import keras
import numpy as np

from nnlabs.checks import multilayer_perceptron
from tests.checks.harness import Answers, make_tests


def softmax(Z):
    e = np.exp(Z - Z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def widest_from_above(limit, d, L, K):
    return max(n for n in range(1, 500) if n * (d + 1) + (L - 1) * n * (n + 1) + K * (n + 1) <= limit)


def forward_recursive(X, parameters, activations):
    if not parameters:
        return [X]
    (W, b), *after = parameters
    return [X, *forward_recursive(activations[0](np.einsum("mi,ni->mn", X, W) + b), after, activations[1:])]


def sorting(W1, W2):
    return lambda: [(np.array(W, dtype=float), np.zeros(len(W))) for W in (W1, W2)]


def sorting_with_bias(b):
    W1, W2 = np.array([[1, 1], [1, -1], [-1, 1]]), np.array([[0.5, 0.5, 0.5], [0.5, -0.5, -0.5]])
    return lambda: [(W1, np.array([b, 0, 0])), (W2, np.array([-b / 2, -b / 2]))]


SIGNS = [[1, 1], [-1, -1], [1, -1], [-1, 1]]  # s, -s, d, -d
FIVE = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, -1]]  # max = x_2 + relu(d), min = x_1 - relu(d)


def states_one_by_one(sequences, lengths, W_x, W_h, b):
    states = []
    for sequence, length in zip(sequences, lengths, strict=True):
        h = np.zeros(len(b))
        for x in sequence[:length]:
            h = np.tanh(W_x @ x + W_h @ h + b)
        states.append(h)
    return np.array(states)


def all_states(sequences, lengths, W_x, W_h, b):
    h, states = np.zeros((len(sequences), len(b))), []
    for t in range(sequences.shape[1]):
        h = np.tanh(np.hstack([sequences[:, t], h]) @ np.hstack([W_x, W_h]).T + b)
        states.append(h)
    return np.stack(states, axis=1)


def keras_with(hidden="relu", weights=lambda W, b: [W.T, b], with_input=True, unset=0):
    """Return an answer that is right, or differs in an argument."""

    def to_keras(parameters):
        model = keras.Sequential([keras.Input((parameters[0][0].shape[1],))] if with_input else [])
        for k, (W, b) in enumerate(parameters):
            activation = "softmax" if k == len(parameters) - 1 else hidden
            model.add(keras.layers.Dense(len(W), activation=activation))
            if k < len(parameters) - unset:
                model.layers[-1].set_weights(weights(W, b))
        return model

    return to_keras


def keras_functional(parameters):
    inputs = h = keras.Input(shape=(parameters[0][0].shape[1],))
    for _, b in parameters[:-1]:
        h = keras.layers.Dense(len(b))(h)
        h = keras.layers.ReLU()(h)
    h = keras.layers.Dense(len(parameters[-1][1]))(h)
    model = keras.Model(inputs, keras.layers.Softmax()(h))
    model.set_weights([array for W, b in parameters for array in (W.T, b)])
    return model


def mixed(x, y):
    order = np.random.default_rng(3).permutation(len(x))
    return x[order], y[order]


def fit_with(
    loss="sparse_categorical_crossentropy", optimizer="adam", labels=lambda y: y, mix=mixed, **options
):
    def train(model, x, y, epochs):
        x, y = mix(x, y)
        model.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss)
        options.setdefault("validation_split", 0.2)
        model.fit(x, labels(y), **{"epochs": epochs, "verbose": 0, **options})
        return model

    return train


def one_hot(y):
    return np.eye(10)[y]


def fit_without_fit(model, x, y, epochs):
    model.compile(loss="sparse_categorical_crossentropy")
    return model


def fit_and_validate_on_a_part(model, x, y, epochs):
    x, y = mixed(x, y)
    return fit_with(validation_data=(x[:60], y[:60]))(model, x, y, epochs)


def fit_with_every_fifth_apart(model, x, y, epochs):
    apart = np.arange(len(x)) % 5 == 0
    options = {"validation_data": (x[apart], y[apart]), "validation_split": 0.0}
    return fit_with(**options)(model, x[~apart], y[~apart], epochs)


def fit_epoch_by_epoch(model, x, y, epochs):
    x, y = mixed(x, y)
    model.compile("rmsprop", loss=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    for _ in range(epochs):
        history = model.fit(x, y, batch_size=64, validation_split=0.1, verbose=0)
        print(history.history["val_accuracy"][-1])
    return model


def train_batch_by_batch(model, x, y, epochs):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    (x, y), n = mixed(x, y), 9 * len(x) // 10
    for _ in range(epochs):
        for i in range(0, n, 64):
            model.train_on_batch(x[i : min(i + 64, n)], y[i : min(i + 64, n)])
        print("validation:", model.evaluate(x[n:], y[n:], verbose=0))
    return model


ANSWERS = {
    "widest": Answers(
        wrong=[
            (lambda limit, d, L, K: (limit - K) // (d + K + 1), "weights between two hidden layers"),
            (lambda *given: widest_from_above(*given) + 0.5, "expected 12, found 12.5"),
        ],
        right=[widest_from_above, lambda *given: np.array(widest_from_above(*given))],
    ),
    "forward": Answers(
        wrong=[
            (lambda *a: [a[0].tolist(), *forward_recursive(*a)[1:]], "found a list"),
            (lambda *a: forward_recursive(*a)[::-1], "[0]: expected [[1, 2]], found [[2, -6]]"),
        ],
        right=[forward_recursive, lambda *a: tuple(forward_recursive(*a))],
    ),
    "log_softmax": Answers(
        wrong=[
            (lambda Z: np.log(np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)), "not finite"),
            (lambda Z: np.log(np.clip(softmax(Z), 1e-15, 1)), "expected"),
        ],
        right=[
            lambda Z: np.array([z - max(z) - np.log(sum(np.exp(z - max(z)))) for z in Z]),
            lambda Z: keras.ops.convert_to_numpy(keras.ops.log_softmax(Z)),
            lambda Z: Z.astype("float32") - np.logaddexp.reduce(Z.astype("float32"), axis=1)[:, None],
        ],
    ),
    "last_class_zero": Answers(
        wrong=[
            (lambda W, b: (W - W[-1], b - W[-1].sum()), "[1]"),
            (lambda W, b: (W - W.max(axis=0), b - b.max()), "[0]: at index"),
        ],
        right=[
            lambda W, b: [W - W[-1:], b - b[-1:]],
            lambda W, b: (W - np.outer(np.ones(len(b)), W[-1]), np.append(b[:-1] - b[-1], 0.0)),
        ],
    ),
    "sorting_parameters": Answers(
        wrong=[
            (sorting(FIVE, [[0, 0, 1, -1, 1], [1, -1, 0, 0, -1]]), "at most 4 are allowed"),
            (sorting(SIGNS[:3], [[1, 0, 1], [1, 0, -1]]), "at index"),
            (sorting(SIGNS, np.transpose([[1, -1, 1, 1], [1, -1, -1, -1]])), "has a row in W"),
            (lambda: (([[1, 1], [1, 1]], [0, -1]), ([[1, -2]], [0])), "np.array makes an array of a list"),
            (sorting_with_bias(20.0), "only while the numbers are small"),
            (lambda: [np.eye(2), np.zeros(2), np.ones((1, 2)), np.zeros(1)], "one pair for the hidden layer"),
            (lambda: None, "return statement"),
        ],
        right=[
            sorting(SIGNS[::-1], [[0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, -0.5, 0.5]]),
            sorting([[0, 1], [0, -1], [1, -1], [-1, 1]], [[1, -1, 1, 0], [1, -1, 0, -1]]),
            sorting([[0, 2], [0, -2], [3, -3], [-1, 1]], [[0.5, -0.5, 1 / 3, 0], [0.5, -0.5, 0, -1]]),
        ],
    ),
    "to_keras": Answers(
        wrong=[
            (keras_with(unset=1), "are all the weights set"),
            (keras_with(hidden="gelu"), "['outputs for 5-8-3']: at index"),
            (keras_with(weights=lambda W, b: [W, b]), "a Keras kernel has a row for each input, a column"),
            (keras_with(with_input=False), "what tells it?"),
            (keras_with(with_input=False, unset=9), "begin with keras.Input"),
            (lambda parameters: keras_with()(parameters[:-1]), "expected shape (20, 3), found shape (20, 8)"),
            (lambda parameters: None, "return statement"),
            (lambda parameters: keras_with()(parameters).get_weights(), "return the model itself"),
        ],
        right=[keras_with(), keras_functional],
    ),
    "last_states": Answers(
        wrong=[
            (lambda *a: all_states(*a)[:, -1], "What follows the end of a sequence"),
            (all_states, "shape"),
        ],
        right=[states_one_by_one, lambda x, n, *a: all_states(x, n, *a)[np.arange(len(n)), n - 1]],
    ),
    "train": Answers(
        wrong=[
            (lambda model, x, y, epochs: model.fit(x, y, epochs=epochs), "which loss, which optimiser?"),
            (fit_with(loss="categorical_crossentropy"), "do the labels fit the loss?"),
            (fit_with(loss="mse", labels=one_hot), "for regression"),
            (fit_with(loss="mae", labels=one_hot), "which loss belongs"),
            (fit_with(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)), "for logits"),
            (fit_without_fit, "which method does it"),
            (fit_with(epochs=10), "handed on to fit"),
            (fit_with(validation_split=0.0), "which argument of fit"),
            (fit_with(optimizer=lambda: keras.optimizers.SGD(1e-5)), "too small or too large"),
            (fit_with(optimizer=lambda: keras.optimizers.Adam(10.0)), "too small or too large"),
            (fit_with(mix=lambda x, y: (mixed(x, y)[0], y)), "mix x and y alike"),
            (fit_with(mix=lambda x, y: (x, mixed(x, y)[1])), "still belong together"),
            (fit_with(mix=lambda x, y: (x, y)), "which rows are kept apart"),
            (fit_with(mix=lambda x, y: (x, y), validation_split=0.01), "which rows are kept apart"),
            (fit_and_validate_on_a_part, "should not have seen the images"),
            (fit_with(verbose="auto"), "which value of verbose"),
            (lambda model, *given: fit_with()(keras.models.clone_model(model), *given), "not with a copy"),
            (lambda model, x, y, epochs: None, "it returns None. Hint: end with the model"),
        ],
        right=[
            fit_epoch_by_epoch,
            train_batch_by_batch,
            fit_with_every_fifth_apart,
            fit_with(loss="categorical_crossentropy", labels=one_hot),
            fit_with(batch_size=512),
            fit_with(batch_size=512, optimizer=lambda: keras.optimizers.Adam(1e-4)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(
    multilayer_perceptron, ANSWERS
)
