"""What students answer in the lab "SGD and regularisation", wrong and right."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
from keras import layers, regularizers

from nnlabs.checks import sgd_and_regularization
from tests.checks.harness import Answers, make_tests

# -- batches


def in_order(n, m):
    return np.split(np.arange(n), range(m, n, m))


def batches_by_loop(n, m, rng):
    order = np.arange(n)
    rng.shuffle(order)
    found = []
    while len(order):
        found.append(order[:m])
        order = order[m:]
    return found


def batches_by_choice(n, m, rng):
    order = rng.choice(n, size=n, replace=False)
    return np.split(order, range(m, n, m))


def batches_generator(n, m, rng):
    yield from (batch.tolist() for batch in batches_by_loop(n, m, rng))


# -- schedules


def schedule_by_table(name, r, rate, steps):
    cosine = rate * (1 + np.cos(np.pi * r / steps)) / 2
    return {"constant": rate, "inverse": rate / r, "cosine": cosine}[name]


def schedule_by_square(name, r, rate, steps):
    match name:
        case "constant":
            return float(rate)
        case "inverse":
            return rate * r**-1.0
        case "cosine":
            return rate * np.cos(np.pi * r / (2 * steps)) ** 2


# -- momentum and Adam


def momentum(theta, v, slope, rate, mu, l2):
    v = mu * v - rate * (slope + 2 * l2 * theta)
    return theta + v, v


def copied(theta, v, slope, rate, mu, l2):
    theta, v = theta.copy(), v.copy()
    v *= mu
    v -= rate * slope
    v -= rate * 2 * l2 * theta
    theta += v
    return theta, v


def keras_order_scaled_epsilon(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    m = m + (slope - m) * (1 - beta1)
    s = s + (np.square(slope) - s) * (1 - beta2)
    root = np.sqrt(1 - beta2**r)
    return theta - rate * root / (1 - beta1**r) * m / (np.sqrt(s) + epsilon * root), m, s


def adam_by_power(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    new_m = np.multiply(beta1, m) + np.multiply(1 - beta1, slope)
    new_s = np.multiply(beta2, s) + np.multiply(1 - beta2, slope * slope)
    denominator = (new_s / (1 - np.power(beta2, r))) ** 0.5 + epsilon
    return theta - rate * new_m / (1 - np.power(beta1, r)) / denominator, new_m, new_s


# -- initialisation


def weights(scale):
    return lambda n_in, n_out, kind, rng: scale(n_in, n_out, kind) * rng.standard_normal((n_out, n_in))


right_weights = weights(lambda *given: variance(*given) ** 0.5)


def variance(n_in, n_out, kind):
    return {"he": 2 / n_in, "glorot": 2 / (n_in + n_out)}[kind]


def uniform_weights(n_in, n_out, kind, rng):
    c = np.sqrt(3 * variance(n_in, n_out, kind))
    return rng.uniform(-c, c, size=(n_out, n_in))


# -- dropout


def dropping(mask, factor=lambda p: 1 / (1 - p), inference=lambda h, p: h):
    return lambda h, p, rng, training: mask(h, p, rng) * h * factor(p) if training else inference(h, p)


def each(h, p, rng):
    return rng.random(h.shape) >= p


def exact_share(h, p):
    return np.tile(np.arange(h.shape[1]) >= p * h.shape[1], (len(h), 1))


def dropout_by_binomial(h, p, rng, training):
    if training:
        return h * rng.binomial(1, 1 - p, size=h.shape) / (1 - p)
    return h


def dropout_by_where(h, p, rng, training):
    return np.where(rng.uniform(size=h.shape) < p, 0.0, h / (1.0 - p)) if training else h.copy()


# -- early stopping


def stopping_by_search(curve, patience):
    for last in range(1, len(curve) + 1):
        best = int(np.argmin(curve[:last])) + 1
        if last - best >= patience:
            return best, last
    return best, len(curve)


def stopping_by_while(curve, patience):
    best = epoch = 1
    while epoch < len(curve) and epoch - best < patience:
        epoch += 1
        if curve[epoch - 1] < curve[best - 1]:
            best = epoch
    return [best, epoch]


# -- the model


def network(
    drop=lambda p_input, p_hidden: [p_input, p_hidden, p_hidden, 0],
    penalty=lambda l2: [regularizers.L2(l2)] * 3,
    activations=("relu", "relu", "softmax"),
    widths=(128, 128, 10),
    **dense,
):
    def build(l2, p_input, p_hidden):
        model = keras.Sequential([keras.Input((784,))])
        rates = drop(p_input, p_hidden)
        for k in range(3):
            if rates[k]:
                model.add(layers.Dropout(rates[k]))
            options = {name: option(l2) for name, option in dense.items()}
            model.add(
                layers.Dense(
                    widths[k], activation=activations[k], kernel_regularizer=penalty(l2)[k], **options
                )
            )
        if rates[3]:
            model.add(layers.Dropout(rates[3]))
        return model

    return build


def functional(l2, p_input, p_hidden):
    inputs = keras.Input((784,))
    h = layers.Dropout(p_input)(inputs)
    for _ in range(2):
        h = layers.Dense(128, kernel_regularizer=regularizers.L1L2(l1=0.0, l2=l2))(h)
        h = layers.Activation("relu")(h)
        h = layers.Dropout(p_hidden)(h)
    outputs = layers.Dense(10, activation="softmax", kernel_regularizer=regularizers.l2(l2))(h)
    return keras.Model(inputs, outputs)


def no_input(l2, p_input, p_hidden):
    return keras.Sequential(network()(l2, p_input, p_hidden).layers[-1:])


def nested(l2, p_input, p_hidden):
    parts = network()(l2, p_input, p_hidden).layers
    return keras.Sequential([keras.Input((784,)), keras.Sequential(parts[:3]), keras.Sequential(parts[3:])])


def one_dropout_used_twice(l2, p_input, p_hidden):
    drop, penalty = layers.Dropout(p_hidden), regularizers.L2(l2)
    image = keras.Input((784,))
    h = layers.Dropout(p_input)(image)
    for _ in range(2):
        h = drop(layers.Dense(128, "relu", kernel_regularizer=penalty)(h))
    return keras.Model(image, layers.Dense(10, "softmax", kernel_regularizer=penalty)(h))


def subclass(l2, p_input, p_hidden):
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.network = keras.Sequential(network()(l2, p_input, p_hidden).layers)

        def call(self, x, training=False):
            return self.network(x, training=training)

    model = Network()
    model(np.zeros((1, 784)))
    return model


def frozen(*given):
    model = network()(*given)
    model.trainable = False
    return model


def mask_for_the_batch(l2, p_input, p_hidden):
    model = keras.Sequential([keras.Input((784,))])
    for layer in network()(l2, p_input, p_hidden).layers:
        shape = (1, None) if isinstance(layer, layers.Dropout) else None
        model.add(layers.Dropout(layer.rate, noise_shape=shape) if shape else layer)
    return model


ANSWERS = {
    "batches": Answers(
        wrong=[
            (lambda n, m, rng: np.split(rng.integers(0, n, n), range(m, n, m)), "draw without replacement"),
            (lambda n, m, rng: list(rng.permutation(n)[: n // m * m].reshape(-1, m)), "it still counts"),
            (lambda n, m, rng: batches_by_choice(n, m - 1, rng), "all batches but the last have exactly m"),
            (lambda n, m, rng: in_order(n, m), "shuffle before you cut"),
            (batches_generator, "collect the batches in a list"),
            (lambda n, m, rng: batches_by_choice(n, m, np.random.default_rng(0)), "begins again"),
            (lambda n, m, rng: batches_by_choice(n, m, np.random), "draw everything from rng"),
            (
                lambda n, m, rng: sorted(in_order(n, m), key=lambda batch: (len(batch) < m, rng.random())),
                "not the finished batches",
            ),
            (lambda n, m, rng: [rng.permutation(batch) for batch in in_order(n, m)], "nor inside them"),
            (
                lambda n, m, rng: np.split(np.roll(np.arange(n), rng.integers(n)), range(m, n, m)),
                "meet in each epoch",
            ),
            (lambda n, m, rng: np.array_split(rng.permutation(n), -(-n // m)), "have exactly m"),
            (lambda n, m, rng: np.array_split(rng.permutation(n), m), "not the number of batches"),
            (lambda n, m, rng: np.split(rng.permutation(n), range(m, n + 1, m)), "when m divides n"),
            (lambda *given: [batch + 1 for batch in batches_by_loop(*given)], "indices start at 0"),
        ],
        right=[batches_by_loop, batches_by_choice, lambda *given: list(batches_generator(*given))],
    ),
    "schedule": Answers(
        wrong=[
            (lambda name, r, rate, steps: rate, "expected 3, found 6"),
            (lambda name, r, rate, steps: schedule_by_table(name, r, 0.5, steps), "expected 2, found 0.5"),
            (lambda name, r, rate, steps: None, "return statement"),
        ],
        right=[schedule_by_table, schedule_by_square],
    ),
    "sgd_step": Answers(
        wrong=[
            (lambda *given: (momentum(*given)[0].ravel(), momentum(*given)[1]), "their arrangement is not"),
            (lambda *given: momentum(*given)[0], "a tuple is wanted"),
        ],
        right=[momentum, copied],
    ),
    "adam_step": Answers(
        wrong=[
            (lambda *given: [part.ravel() for part in adam_by_power(*given)], "their arrangement is not"),
            (lambda *given: adam_by_power(*given)[:2], "how many things"),
            (lambda theta, m, s, r, *rest: adam_by_power(theta, m, s, 1, *rest), "at index (0, 0) expected"),
        ],
        right=[adam_by_power, keras_order_scaled_epsilon],
    ),
    "initialise": Answers(
        wrong=[
            (weights(lambda *a: 0.0), "only 1 of the 100000 weights are different"),
            (lambda i, o, kind, rng: np.tile(right_weights(i, 1, kind, rng), (o, 1)), "of its own"),
            (
                lambda i, o, kind, rng: rng.choice([-1, 1], (o, i)) * variance(i, o, kind) ** 0.5,
                "normal or uniform",
            ),
            (lambda i, o, kind, rng: right_weights(i, o, kind, rng).T, "transposed"),
            (lambda i, o, kind, rng: np.abs(right_weights(i, o, kind, rng)), "which one is symmetric"),
            (
                lambda i, o, kind, rng: (rng.exponential(size=(o, i)) - 1) * variance(i, o, kind) ** 0.5,
                "median",
            ),
            (lambda i, o, kind, rng: right_weights(i, o, kind, np.random.default_rng(0)), "begins again"),
            (weights(lambda i, o, kind: 1 / i**0.5), "the variance of initialise(500, 200, 'he', rng)"),
        ],
        right=[
            lambda n_in, n_out, kind, rng: rng.normal(0, variance(n_in, n_out, kind) ** 0.5, (n_out, n_in)),
            uniform_weights,
        ],
    ),
    "dropout": Answers(
        wrong=[
            (
                dropping(each, factor=lambda p: 1.0, inference=lambda h, p: (1 - p) * h),
                "rescales in training",
            ),
            (lambda h, p, rng, training: dropout_by_where(h, p, rng, True), "all units are there"),
            (dropping(lambda h, p, rng: np.random.random(h.shape) >= p), "draw everything from rng"),
            (dropping(lambda h, p, rng: each(h, p, np.random.default_rng(0))), "begins again"),
            (dropping(lambda h, p, rng: rng.permuted(exact_share(h, p), axis=1)), "by its own random number"),
            (dropping(lambda h, p, rng: rng.permuted(exact_share(h, p))), "by its own random number"),
            (dropping(lambda h, p, rng: rng.random(h.shape[1]) >= p), "its own mask"),
            (dropping(lambda h, p, rng: rng.random((len(h), 1)) >= p), "not whole samples"),
            (dropping(lambda h, p, rng: rng.random(h.shape) < p), "not of keeping"),
            (dropping(lambda h, p, rng: rng.random(h.shape) < 0.9), "one for each entry"),
            (lambda h, p, rng, training: h, "in training each unit is dropped"),
            (dropping(lambda h, p, rng: rng.binomial(1, 1 - p, h.shape), lambda p: 1 / p), "which share"),
        ],
        right=[dropping(each), dropout_by_binomial, dropout_by_where],
    ),
    "early_stopping": Answers(
        wrong=[
            (lambda curve, patience: stopping_by_search(curve, patience)[0], "how many things"),
            (lambda curve, patience: (2, 4), "expected 6, found 2"),
        ],
        right=[stopping_by_search, stopping_by_while],
    ),
    "build_model": Answers(
        wrong=[
            (
                network(penalty=lambda l2: [None] * 3, bias_initializer=lambda l2: "ones"),
                "kernel_regularizer",
            ),
            (network(penalty=lambda l2: ["l2"] * 3), "use the argument l2"),
            (
                network(penalty=lambda l2: [regularizers.L2(l2)] * 2 + [None]),
                "['Dense 3']: expected 0.5974, found 0.",
            ),
            (
                network(penalty=lambda l2: [regularizers.L2(l2)] + [None] * 2),
                "['Dense 2']: expected 7.599, found 0.",
            ),
            (network(activations=("relu", "relu", None)), "which output activation?"),
            (network(activations=(None, None, "softmax")), "a ReLU in the hidden layers"),
            (network(activations=("tanh", "relu", "softmax")), "with ReLU, ReLU, softmax['output']"),
            (network(widths=(128, 64, 10)), "two hidden layers of 128 units"),
            (network(drop=lambda a, b: [0, b, b, 0]), "the input is not dropped"),
            (network(drop=lambda a, b: [a, b, 0, 0]), "['second hidden layer']: expected 0.4, found 0."),
            (network(drop=lambda a, b: [a, b, b, b]), "no dropout after the last layer"),
            (network(drop=lambda a, b: [b, a, a, 0]), "the two probabilities are exchanged"),
            (network(drop=lambda a, b: [1 - a, 1 - b, 1 - b, 0]), "takes the probability of dropping"),
            (network(kernel_initializer=lambda l2: "zeros"), "keep Keras's initialiser"),
            (mask_for_the_batch, "the share of units that are dropped"),
            (frozen, "leave `trainable` as it is"),
            (no_input, "begin with keras.Input"),
            (lambda *given: network()(*given).layers, "put the layers into keras.Sequential"),
            (lambda l2, p_input, p_hidden: None, "is the return statement missing?"),
        ],
        right=[network(), functional, nested, one_dropout_used_twice, subclass],
    ),
}


test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(
    sgd_and_regularization, ANSWERS
)


def test_early_stopping_is_that_of_keras():
    """The exercise's definition of patience is the one that students meet in ``EarlyStopping``."""
    curve = [0.9, 0.7, 0.8, 0.75, 0.6, 0.65, 0.7, 0.66, 0.5]
    for patience in (1, 2, 3, 4):
        callback = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=patience)
        callback.set_model(keras.Sequential())
        callback.on_train_begin()
        for epoch, loss in enumerate(curve):
            callback.on_epoch_end(epoch, {"val_loss": loss})
            if callback.stopped_epoch:
                break
        best, last = sgd_and_regularization.early_stopping.reference(curve, patience)
        assert (callback.best_epoch + 1, epoch + 1) == (best, last)
