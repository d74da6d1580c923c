"""Lab 04: what students answer."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
from keras import layers, regularizers

from nnlabs.checks import sgd_and_regularization
from tests.checks.harness import Answers, make_tests


def schedule_by_table(r, rate, steps, warmup):
    up = [rate * (i + 1) / warmup for i in range(warmup)]
    down = [rate * np.cos(np.pi / 2 * i / (steps - warmup)) ** 2 for i in range(1, steps - warmup + 1)]
    return (up + down)[r - 1]


def nesterov_in_two_moves(theta, v, gradient, rate, mu):
    ahead = theta + mu * v
    moved = ahead - rate * gradient(ahead)
    return moved, moved - theta


def nesterov_in_place(theta, v, gradient, rate, mu):
    v *= mu
    v -= rate * gradient(theta + v)
    return theta + v, v


def faulty_adam(theta, v, q, r, slope, rate, beta1, beta2, epsilon):
    v = beta1 * v + (1 - beta1) * slope
    q = beta2 * q + (1 - beta2) * slope**2
    v_hat = v / (1 - beta1 * r)
    q_hat = q / (1 - beta2 * r)
    return theta - rate * v_hat / np.sqrt(q_hat + epsilon), v_hat, q_hat


def adam_by_names(theta, v, q, r, slope, rate, beta1, beta2, epsilon):
    new_v, new_q = beta1 * v + slope - beta1 * slope, beta2 * q + np.square(slope) * (1 - beta2)
    corrected = {"v": new_v / (1 - beta1**r), "q": new_q / (1 - beta2**r)}
    return [theta - rate * corrected["v"] / (corrected["q"] ** 0.5 + epsilon), new_v, new_q]


def adamw(theta, v, q, r, slope, rate, beta1, beta2, epsilon, decay):
    return adam_by_names(theta * (1 - rate * decay), v, q, r, slope, rate, beta1, beta2, epsilon)


def weights_by_rows(n_in, n_out, alpha, rng):
    c = (6 / (n_in + alpha * alpha * n_in)) ** 0.5
    return np.array([rng.uniform(-c, c, n_in) for _ in range(n_out)])


def relu_dropout(size=np.shape):
    def layer(a, p, rng):
        kept = rng.uniform(size=size(a)) > p

        def back(s):
            return np.where((a > 0) & kept, s / (1 - p), 0.0)

        return np.where(kept, np.maximum(a, 0) / (1 - p), 0.0), back

    return layer


def relu_dropout_from_h(a, p, rng):
    h = np.clip(a, 0, None) * rng.binomial(1, 1 - p, a.shape) / (1 - p)
    return h, lambda s: s * (h > 0) / (1 - p)


def back_in_place(a, p, rng):
    h, back = relu_dropout()(a, p, rng)
    return h, lambda g: np.multiply(back(g), 1, out=g)


def called_at_once(a, p, rng):
    h, back = relu_dropout()(a, p, rng)
    return h, back(np.ones_like(a))


def stopping_by_search(curve, patience):
    for last in range(1, len(curve) + 1):
        best = int(np.argmin(curve[:last])) + 1
        if last - best >= patience:
            return best, last
    return best, len(curve)


def network(
    drop=lambda p: [0, p, p],
    penalty=lambda l1, l2: [regularizers.L1(l1), regularizers.L2(l2), regularizers.L2(l2)],
    activations=("relu", "relu", "softmax"),
    widths=(128, 128, 10),
    **dense,
):
    def build(l1, l2, p):
        model = keras.Sequential([keras.Input((784,))])
        for k in range(3):
            if drop(p)[k]:
                model.add(layers.Dropout(drop(p)[k]))
            options = {"activation": activations[k], "kernel_regularizer": penalty(l1, l2)[k], **dense}
            model.add(layers.Dense(widths[k], **options))
        return model

    return build


def one_dropout_used_twice(l1, l2, p):
    drop, penalty = layers.Dropout(p), regularizers.L2(l2)
    image = keras.Input((784,))
    h = drop(layers.Dense(128, "relu", kernel_regularizer=regularizers.L1L2(l1=l1, l2=0.0))(image))
    h = drop(layers.ReLU()(layers.Dense(128, kernel_regularizer=penalty)(h)))
    return keras.Model(image, layers.Dense(10, "softmax", kernel_regularizer=penalty)(h))


def nested(*given):
    parts = network()(*given).layers
    return keras.Sequential([keras.Input((784,)), keras.Sequential(parts[:2]), keras.Sequential(parts[2:])])


def frozen(*given):
    model = network()(*given)
    model.trainable = False
    return model


def mask_for_the_batch(l1, l2, p):
    model = keras.Sequential([keras.Input((784,))])
    for layer in network()(l1, l2, p).layers:
        drops = isinstance(layer, layers.Dropout)
        model.add(layers.Dropout(layer.rate, noise_shape=(1, None)) if drops else layer)
    return model


ANSWERS = {
    "schedule": Answers(
        wrong=[
            (lambda r, rate, steps, warmup: min(rate * r / max(warmup, 1), rate), "expected 7.696, found 8"),
            (lambda *given: schedule_by_table(*given[:3], max(given[3], 1)), "expected 0.4268"),
        ],
        right=[schedule_by_table, lambda *given: np.array(schedule_by_table(*given))],
    ),
    "nesterov_step": Answers(
        wrong=[
            (nesterov_in_place, "changes its argument"),
            (lambda *given: nesterov_in_two_moves(*given[:4], 0.9), "expected"),
        ],
        right=[nesterov_in_two_moves, lambda *given: list(nesterov_in_two_moves(*given))],
    ),
    "adam_step": Answers(
        wrong=[
            (faulty_adam, "expected"),
            (lambda *given: tuple(np.ravel(part) for part in adam_by_names(*given)), "shape (2, 3)"),
        ],
        right=[adam_by_names, lambda *given: tuple(adam_by_names(*given))],
    ),
    "adamw_step": Answers(
        wrong=[
            (lambda *given: faulty_adam(*given[:-1]), "expected"),
            (lambda *given: adamw(*given)[0], "expected 3 values"),
        ],
        right=[adamw, lambda *given: tuple(adamw(*given))],
    ),
    "initialise": Answers(
        wrong=[
            (lambda n_in, n_out, alpha, rng: np.zeros((n_out, n_in)), "gives the same weights"),
            (
                lambda *given: weights_by_rows(*given[:3], np.random.default_rng(0)),
                "use the rng that is given",
            ),
        ],
        right=[weights_by_rows, lambda *given: weights_by_rows(*given).astype("float32")],
    ),
    "relu_dropout": Answers(
        wrong=[
            (called_at_once, "the function back itself"),
            (back_in_place, "back(g) changes its argument"),
            (relu_dropout(size=lambda a: (len(a), 1)), "a unit is dropped, not a sample"),
            (lambda a, p, rng: relu_dropout()(a, p, np.random.default_rng(0)), "use the rng that is given"),
            (lambda a, p, rng: relu_dropout()(a, p, rng)[0], "expected an array and a function"),
        ],
        right=[relu_dropout(), relu_dropout_from_h],
    ),
    "early_stopping": Answers(
        wrong=[
            (lambda curve, patience: stopping_by_search(curve, patience)[0], "how many things"),
            (lambda curve, patience: (2, 4), "expected 6, found 2"),
        ],
        right=[stopping_by_search, lambda *given: list(stopping_by_search(*given))],
    ),
    "build_model": Answers(
        wrong=[
            (network(penalty=lambda l1, l2: [regularizers.L1(l1)] + [None] * 2), "['Dense 2']: expected"),
            (network(activations=("tanh", "relu", "softmax")), "with ReLU, ReLU, softmax['output']"),
            (network(widths=(128, 64, 10)), "two hidden layers of 128 units"),
            (network(drop=lambda p: [0, p, 0]), "['second hidden layer']: expected 0.4, found 0."),
            (network(kernel_initializer="zeros"), "keep Keras's initialiser"),
            (mask_for_the_batch, "the share of units that are dropped"),
            (frozen, "leave `trainable` as it is"),
            (lambda *given: keras.Sequential(network()(*given).layers[-1:]), "begin with keras.Input"),
            (lambda *given: network()(*given).layers, "put the layers into keras.Sequential"),
        ],
        right=[network(), nested, one_dropout_used_twice],
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
