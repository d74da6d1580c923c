"""Students' answers to lab 02, wrong and right."""

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


def softmax_loop(Z):
    return np.array([np.exp(z - max(z)) / sum(np.exp(z - max(z))) for z in Z])


def count_loop(sizes):
    return sum(sizes[k] * sizes[k - 1] + sizes[k] for k in range(1, len(sizes)))


def forward_recursive(X, parameters):
    (W, b), *after = parameters
    if not after:
        return [X, softmax(np.einsum("mi,ni->mn", X, W) + b)]
    return [X, *forward_recursive(np.clip(X @ W.T + b, 0, None), after)]


def forward_without_first_output(X, parameters):
    for W, b in parameters[:-1]:
        h = relu(X @ W.T + b)
    W, b = parameters[-1]
    return [X, h, softmax(h @ W.T + b)]


def xor_with(W1, b1, W2, b2):
    return lambda: [(np.array(W1), np.array(b1)), (np.array(W2), np.array(b2))]


def rnn_loop(x, h, W_x, W_h, b):
    return np.array([np.tanh(W_x @ x_i + W_h @ h_i + b) for x_i, h_i in zip(x, h, strict=True)])


def rnn_joined(x, h, W_x, W_h, b):
    return np.tanh(np.hstack([x, h]) @ np.hstack([W_x, W_h]).T + b)


# ---------------------------------------------------------------- Keras


def keras_with(hidden="relu", weights=lambda W, b: [W.T, b], with_input=True, unset=0, fixed=None):
    """Return an answer that is right, or differs in an argument."""

    def to_keras(parameters):
        import keras

        model = keras.Sequential([keras.Input((parameters[0][0].shape[1],))] if with_input else [])
        for k, (W, b) in enumerate(parameters):
            activation = "softmax" if k == len(parameters) - 1 else hidden
            model.add(keras.layers.Dense(fixed or len(W), activation=activation))
            if k < len(parameters) - unset:
                model.layers[-1].set_weights(weights(W, b))
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


def keras_nested(parameters):
    import keras

    return keras.Sequential([keras.Input(parameters[0][0].shape[1:]), keras_functional(parameters)])


def keras_by_subclassing(parameters):
    import keras

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = keras_functional(parameters)

        def call(self, x):
            return self.network(x)

    model = Network()
    model(np.zeros((1, parameters[0][0].shape[1])))
    return model


def fit_with(loss="sparse_categorical_crossentropy", optimizer="adam", labels=lambda y: y, **options):
    def train(model, x, y, epochs):
        model.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss)
        options.setdefault("validation_split", 0.2)
        model.fit(x, labels(y), **{"epochs": epochs, "verbose": 0, **options})
        return model

    return train


def optimizer(name, rate):
    def make():
        import keras

        return getattr(keras.optimizers, name)(rate)

    return make


def one_hot(y):
    return np.eye(10)[y]


def fit_on_logits(model, x, y, epochs):
    import keras

    return fit_with(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))(model, x, y, epochs)


def fit_without_fit(model, x, y, epochs):
    model.compile(loss="sparse_categorical_crossentropy")
    return model


def fit_without_compile(model, x, y, epochs):
    model.fit(x, y, epochs=epochs)
    return model


def fit_returns_history(model, x, y, epochs):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model.fit(x, y, epochs=epochs, validation_split=0.1, verbose=0)


def fit_a_clone(model, x, y, epochs):
    import keras

    return fit_with()(keras.models.clone_model(model), x, y, epochs)


def fit_on_shuffled_labels(model, x, y, epochs):
    return fit_with()(model, x, np.random.default_rng(0).permutation(y), epochs)


def fit_and_validate_on_a_part(model, x, y, epochs):
    return fit_with(validation_data=(x[:5], y[:5]))(model, x, y, epochs)


def fit_with_split_by_hand(model, x, y, epochs):
    n = len(x) // 5
    return fit_with(validation_data=(x[:n], y[:n]), validation_split=0.0)(model, x[n:], y[n:], epochs)


def fit_epoch_by_epoch(model, x, y, epochs):
    import keras

    model.compile("rmsprop", loss=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    for _ in range(epochs):
        history = model.fit(x, y, batch_size=64, validation_split=0.1, verbose=0)
        print(history.history["val_accuracy"][-1])
    return model


def train_batch_by_batch(model, x, y, epochs):
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    n = 9 * len(x) // 10
    for _ in range(epochs):
        for i in range(0, n, 64):
            model.train_on_batch(x[i : min(i + 64, n)], y[i : min(i + 64, n)])
        print("validation:", model.evaluate(x[n:], y[n:], verbose=0))
    return model


ANSWERS = {
    "dense": Answers(
        wrong=[
            (lambda H, W, b: (H @ W.T + b).astype(H.dtype), "is the array created with dtype float?"),
            (lambda H, W, b: dense_loop(H, W, b).tolist(), "np.array makes an array of a list"),
        ],
        right=[
            dense_loop,
            lambda H, W, b: np.einsum("mi,ni->mn", H, W) + b,
            lambda H, W, b: (W @ H.T).T + b,
            lambda H, W, b: H.astype("float32") @ W.T.astype("float32") + b.astype("float32"),
        ],
    ),
    "softmax": Answers(
        wrong=[
            (lambda Z: np.exp(Z - Z.max(axis=0)) / np.exp(Z - Z.max(axis=0)).sum(axis=0), "Look at the axis"),
            (lambda Z: np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True), "exp(1000) is infinite"),
            (lambda Z: softmax(Z).astype(Z.dtype), "is the array created with dtype float?"),
            (lambda Z: softmax(Z).tolist(), "np.array makes an array of a list"),
        ],
        right=[softmax_loop, lambda Z: 1 / np.exp(Z[:, None, :] - Z[:, :, None]).sum(axis=2)],
    ),
    "count_parameters": Answers(
        wrong=[
            (lambda sizes: count_loop(sizes[:-1]), "output layer is missing"),
            (lambda sizes: sizes[0] * sizes[1] + sizes[1], "output layer is missing"),
        ],
        right=[count_loop, lambda sizes: int(np.dot(np.array(sizes[:-1]) + 1, sizes[1:]))],
    ),
    "forward": Answers(
        wrong=[
            (forward_without_first_output, "'h'"),
            (lambda X, parameters: None, "return statement"),
            (lambda X, parameters: [X.tolist(), *forward_recursive(X, parameters)[1:]], "found a list"),
        ],
        right=[forward_recursive, lambda X, parameters: tuple(forward_recursive(X, parameters))],
    ),
    "xor_parameters": Answers(
        wrong=[
            (xor_with([[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.5], [[1.0, 0.0]], [0.0]), "this is OR"),
            (xor_with([[1, 1], [1, 1]], [0, 0], [[1, -2]], [0]), "the network is linear"),
            (xor_with([[-1, -1], [-1, -1]], [-1, -1], [[1, 1]], [0]), "ever active"),
            (xor_with([[1, 1], [1, 1]], [-0.5, -1.5], [[1, -1]], [-0.5]), "never above 0.5"),
            (xor_with([[1, 1], [1, 1]], [0, -1], [[0.5, -1]], [0]), "never above 0.5"),
            (xor_with([[1, 1], [1, 1]], [0, -1], [[1], [-2]], [0]), "each has a row in W"),
            (lambda: (([[1, 1], [1, 1]], [0, -1]), ([[1, -2]], [0])), "np.array makes an array of a list"),
            (lambda: [np.eye(2), np.zeros(2), np.ones((1, 2)), np.zeros(1)], "one pair for the hidden layer"),
            (lambda: None, "return statement"),
        ],
        right=[
            xor_with([[2.0, -2.0], [-2.0, 2.0]], [-1.0, -1.0], [[1.0, 1.0]], [0.0]),
            xor_with([[-1, -1], [1, 1]], [1, -1], [[-1, -1]], [1]),
        ],
    ),
    "to_keras": Answers(
        wrong=[
            (keras_with(unset=2), "are all the weights set"),
            (keras_with(unset=1), "are all the weights set"),
            (keras_with(hidden="gelu"), "['outputs for 5-8-3']: at index"),
            (keras_with(weights=lambda W, b: [W, b]), "a Keras kernel has a row for each input, a column"),
            (keras_with(fixed=8), "a Keras kernel has a row for each input, a column"),
            (keras_with(with_input=False), "what tells it?"),
            (keras_with(with_input=False, unset=9), "begin with keras.Input"),
            (lambda parameters: keras_with()(parameters[:-1]), "the last one included"),
            (lambda parameters: None, "return statement"),
            (lambda parameters: keras_with()(parameters).get_weights(), "return the model itself"),
        ],
        right=[keras_with(), keras_functional, keras_nested, keras_by_subclassing],
    ),
    "rnn_step": Answers(
        wrong=[
            (lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + b + h @ W_h.T + b), "bias is added twice"),
            (lambda x, h, W_x, W_h, b: np.tanh(x @ W_x.T + h @ W_h + b), "is W_h to be transposed?"),
            (lambda x, h, W_x, W_h, b: rnn_loop(x, h, W_x, W_h, b).tolist(), "makes an array of a list"),
        ],
        right=[rnn_loop, rnn_joined],
    ),
    "train": Answers(
        wrong=[
            (fit_without_compile, "which loss, which optimiser?"),
            (fit_with(loss="categorical_crossentropy"), "do the labels fit the loss?"),
            (fit_with(loss="mse", labels=one_hot), "a loss for regression"),
            (fit_with(loss="mae", labels=one_hot), "which loss belongs"),
            (fit_on_logits, "takes them for logits"),
            (fit_without_fit, "which method does it"),
            (fit_with(epochs=10), "handed on to fit"),
            (fit_with(validation_split=0.0), "which argument of fit"),
            (fit_with(optimizer=optimizer("SGD", 1e-5)), "too small or too large"),
            (fit_with(optimizer=optimizer("Adam", 10.0)), "too small or too large"),
            (fit_on_shuffled_labels, "too small or too large"),
            (fit_and_validate_on_a_part, "should not have seen the images"),
            (fit_with(verbose="auto"), "which value of verbose"),
            (fit_returns_history, "what fit returns"),
            (fit_a_clone, "not with a copy"),
            (lambda model, x, y, epochs: None, "it returns None. Hint: end with the model"),
        ],
        right=[
            fit_epoch_by_epoch,
            train_batch_by_batch,
            fit_with_split_by_hand,
            fit_with(loss="categorical_crossentropy", labels=one_hot),
            fit_with(batch_size=512),
            fit_with(batch_size=512, optimizer=optimizer("Adam", 1e-4)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(
    multilayer_perceptron, ANSWERS
)
