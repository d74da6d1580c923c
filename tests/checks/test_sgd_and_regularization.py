"""What students answer in the lab "SGD and regularisation", wrong and right."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
from keras import layers, regularizers

from nnlabs.checks import sgd_and_regularization
from tests.checks.harness import Answers, make_tests

# ---------------------------------------------------------------- batches


def with_replacement(n, m, rng):
    return [rng.integers(0, n, size=min(m, n - start)) for start in range(0, n, m)]


def last_dropped(n, m, rng):
    return list(rng.permutation(n)[: n // m * m].reshape(-1, m))


def not_shuffled(n, m, rng):
    return [np.arange(n)[start : start + m] for start in range(0, n, m)]


def same_every_epoch(n, m, rng):
    order = np.random.default_rng(0).permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]


def global_generator(n, m, rng):
    order = np.random.permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]


def batches_shuffled(n, m, rng):
    parts = [np.arange(start, min(start + m, n)) for start in range(0, n, m)]
    return [parts[i] for i in sorted(rng.permutation(len(parts)), key=lambda i: len(parts[i]) < m)]


def equal_pieces(n, m, rng):
    return np.array_split(rng.permutation(n), -(-n // m))


def m_batches(n, m, rng):
    return [part for part in np.array_split(rng.permutation(n), m) if len(part)]


def empty_batch(n, m, rng):
    order = rng.permutation(n)
    return [order[k * m : (k + 1) * m] for k in range(n // m + 1)]


def counted_from_one(n, m, rng):
    return [batch + 1 for batch in batches_by_loop(n, m, rng)]


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
    order = rng.permutation(n).tolist()
    for start in range(0, n, m):
        yield order[start : start + m]


# ---------------------------------------------------------------- schedules


def with_cosine(cosine):
    return lambda name, r, rate, steps: {"constant": rate, "inverse": rate / r}.get(
        name, cosine(r, rate, steps)
    )


def with_inverse(inverse):
    return lambda name, r, rate, steps: (
        inverse(r, rate) if name == "inverse" else SCHEDULE(name, r, rate, steps)
    )


SCHEDULE = with_cosine(lambda r, rate, steps: rate * (1 + np.cos(np.pi * r / steps)) / 2)


def schedule_by_sine(name, r, rate, steps):
    match name:
        case "constant":
            return float(rate)
        case "inverse":
            return rate * r**-1.0
        case "cosine":
            return rate * np.cos(np.pi * r / (2 * steps)) ** 2


# ---------------------------------------------------------------- momentum


def momentum(new_v, end=lambda theta, old, new: theta + new, penalty=2.0):
    def step(theta, v, slope, rate, mu, l2):
        new = new_v(v, slope + penalty * l2 * theta, rate, mu)
        return end(theta, v, new), new

    return step


def in_place(theta, v, slope, rate, mu, l2):
    v *= mu
    v -= rate * (slope + 2 * l2 * theta)
    theta += v
    return theta, v


def only_theta(theta, v, slope, rate, mu, l2):
    return theta + mu * v - rate * (slope + 2 * l2 * theta)


def l1_penalty(theta, v, slope, rate, mu, l2):
    v = mu * v - rate * (slope + l2 * np.sign(theta))
    return theta + v, v


def unscaled_penalty(theta, v, slope, rate, mu, l2):
    v = mu * v - rate * slope - l2 * 2 * theta
    return theta + v, v


def right_v(v, g, rate, mu):
    return mu * v - rate * g


def copied(theta, v, slope, rate, mu, l2):
    theta, v = theta.copy(), v.copy()
    v *= mu
    v -= rate * slope
    v -= rate * 2 * l2 * theta
    theta += v
    return theta, v


# ---------------------------------------------------------------- Adam


def adam(correct_m=True, correct_s=True, root=lambda s, eps: np.sqrt(s) + eps, shift=0, square=2):
    def step(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
        m = beta1 * m + (1 - beta1) * slope
        s = beta2 * s + (1 - beta2) * slope**square
        m_hat = m / (1 - beta1 ** (r + shift)) if correct_m else m
        s_hat = s / (1 - beta2 ** (r + shift)) if correct_s else s
        return theta - rate * m_hat / root(s_hat, epsilon), m, s

    return step


def betas_swapped(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    return adam()(theta, m, s, r, slope, rate, beta2, beta1, epsilon)


def means_reversed(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    m = (1 - beta1) * m + beta1 * slope
    s = (1 - beta2) * s + beta2 * slope**2
    return theta - rate * (m / (1 - beta1**r)) / (np.sqrt(s / (1 - beta2**r)) + epsilon), m, s


def corrected_returned(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    theta, m, s = adam()(theta, m, s, r, slope, rate, beta1, beta2, epsilon)
    return theta, m / (1 - beta1**r), s / (1 - beta2**r)


def uphill(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    return adam()(theta, m, s, r, slope, -rate, beta1, beta2, epsilon)


def raw_slope(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    _, m, s = adam()(theta, m, s, r, slope, rate, beta1, beta2, epsilon)
    return theta - rate * slope / (np.sqrt(s / (1 - beta2**r)) + epsilon), m, s


def keras_order(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    m = beta1 * m + (1 - beta1) * slope
    s = beta2 * s + (1 - beta2) * slope**2
    alpha = rate * np.sqrt(1 - beta2**r) / (1 - beta1**r)
    return theta - alpha * m / (np.sqrt(s) + epsilon), m, s


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


# ---------------------------------------------------------------- initialisation


def weights(scale):
    return lambda n_in, n_out, kind, rng: scale(n_in, n_out, kind) * rng.standard_normal((n_out, n_in))


def variance(n_in, n_out, kind):
    return {"he": 2 / n_in, "glorot": 2 / (n_in + n_out)}[kind]


def uniform_positive(n_in, n_out, kind, rng):
    return np.sqrt(3 * variance(n_in, n_out, kind)) * rng.random((n_out, n_in))


def fixed_seed(n_in, n_out, kind, rng):
    return weights(lambda *a: variance(*a) ** 0.5)(n_in, n_out, kind, np.random.default_rng(0))


def uniform_weights(n_in, n_out, kind, rng):
    c = np.sqrt(3 * variance(n_in, n_out, kind))
    return rng.uniform(-c, c, size=(n_out, n_in))


# ---------------------------------------------------------------- dropout


def dropping(mask, factor=lambda p: 1 / (1 - p), inference=lambda h, p: h):
    return lambda h, p, rng, training: mask(h, p, rng) * h * factor(p) if training else inference(h, p)


def each(h, p, rng):
    return rng.random(h.shape) >= p


def dropout_always(h, p, rng, training):
    return each(h, p, rng) * h / (1 - p)


def dropout_in_place(h, p, rng, training):
    if training:
        h[rng.random(h.shape) < p] = 0
        h /= 1 - p
    return h


def dropout_same_seed(h, p, rng, training):
    return dropout_by_binomial(h, p, np.random.default_rng(0), training)


def dropout_by_binomial(h, p, rng, training):
    if training:
        return h * rng.binomial(1, 1 - p, size=h.shape) / (1 - p)
    return h


def dropout_by_where(h, p, rng, training):
    return np.where(rng.uniform(size=h.shape) < p, 0.0, h / (1.0 - p)) if training else h.copy()


# ---------------------------------------------------------------- early stopping


def stopping(late=0, improved=lambda loss, lowest: loss < lowest, first=1):
    def stop(curve, patience):
        best, lowest, wait = first, np.inf, 0
        for epoch, loss in enumerate(curve, start=first):
            if improved(loss, lowest):
                best, lowest, wait = epoch, loss, 0
            else:
                wait += 1
                if wait >= patience + late:
                    break
        return best, epoch

    return stop


def previous_epoch(curve, patience):
    best, wait = 1, 0
    for i in range(1, len(curve)):
        wait = 0 if curve[i] < curve[i - 1] else wait + 1
        best = i + 1 if curve[i] < curve[i - 1] else best
        if wait >= patience:
            break
    return best, i + 1


def never_reset(curve, patience):
    best, wait = 1, 0
    for i, loss in enumerate(curve):
        if loss < min(curve[:i], default=np.inf):
            best = i + 1
        else:
            wait += 1
            if wait >= patience:
                break
    return best, i + 1


def whole_curve(curve, patience):
    return int(np.argmin(curve)) + 1, len(curve)


def best_after_the_stop(curve, patience):
    return int(np.argmin(curve)) + 1, stopping()(curve, patience)[1]


def last_twice(curve, patience):
    return (stopping()(curve, patience)[1],) * 2


def loss_returned(curve, patience):
    best, last = stopping()(curve, patience)
    return curve[best - 1], last


def beyond_the_end(curve, patience):
    best, _ = stopping()(curve, patience)
    return best, best + patience


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


# ---------------------------------------------------------------- the model


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
    penalty = regularizers.L2(l2)
    return keras.Sequential(
        [
            layers.Dropout(p_input),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )


def nothing_returned(l2, p_input, p_hidden):
    network()(l2, p_input, p_hidden)


def exact_share(h, p, rng):
    return rng.permuted(np.tile(np.arange(h.shape[1]) >= p * h.shape[1], (len(h), 1)), axis=1)


ANSWERS = {
    "batches": Answers(
        wrong=[
            (with_replacement, "draw without replacement"),
            (last_dropped, "the last batch is shorter when m does not divide n"),
            (not_shuffled, "shuffle before you cut"),
            (batches_generator, "collect the batches in a list"),
            (same_every_epoch, "shuffle anew for each epoch"),
            (global_generator, "take the random numbers from rng"),
            (batches_shuffled, "not the finished batches"),
            (equal_pieces, "all batches but the last have exactly m samples"),
            (m_batches, "not the number of batches"),
            (empty_batch, "what happens at the end when m divides n"),
            (counted_from_one, "indices start at 0"),
        ],
        right=[batches_by_loop, batches_by_choice],
    ),
    "schedule": Answers(
        wrong=[
            (with_inverse(lambda r, rate: rate / (r + 1)), "Steps count from 1"),
            (with_inverse(lambda r, rate: 1 / r), "Where is the starting rate"),
            (with_inverse(lambda r, rate: rate / r**2), "a slower decrease"),
            (with_cosine(lambda r, rate, steps: rate * np.cos(np.pi * r / steps)), "shift and halve it"),
            (with_cosine(lambda r, rate, steps: rate * (1 + np.cos(np.pi * r / steps))), "twice the rate"),
            (with_cosine(lambda r, rate, steps: rate / 2 * (1 + np.cos(r / steps))), "half a wave is π"),
            (with_cosine(lambda r, rate, steps: rate / 2 * (1 + np.cos(180 * r / steps))), "not degrees"),
            (
                with_cosine(lambda r, rate, steps: rate / 2 * (1 + np.cos(2 * np.pi * r / steps))),
                "A whole wave",
            ),
            (
                with_cosine(lambda r, rate, steps: rate / 2 * (1 - np.cos(np.pi * r / steps))),
                "This one rises",
            ),
            (with_cosine(lambda r, rate, steps: rate * (1 - r / steps)), "a straight line"),
        ],
        right=[SCHEDULE, schedule_by_sine],
    ),
    "sgd_step": Answers(
        wrong=[
            (momentum(lambda v, g, rate, mu: mu * v + rate * g), "This walks uphill"),
            (momentum(lambda v, g, rate, mu: -mu * v - rate * g), "The sign of the momentum"),
            (momentum(lambda v, g, rate, mu: mu * v - g), "The learning rate is missing"),
            (momentum(lambda v, g, rate, mu: mu * v - (1 - mu) * rate * g), "is not multiplied by 1 - mu"),
            (momentum(lambda v, g, rate, mu: (1 - mu) * v - rate * g), "mu and 1 - mu are exchanged"),
            (momentum(lambda v, g, rate, mu: -rate * g), "where is mu?"),
            (momentum(right_v, end=lambda theta, old, new: theta + old), "not with the old one"),
            (momentum(right_v, end=lambda theta, old, new: theta - new), "already directed downhill"),
            (momentum(right_v, penalty=0.0), "The penalty has no effect"),
            (momentum(right_v, penalty=1.0), "has a factor 2"),
            (momentum(right_v, penalty=-2.0), "The sign of the penalty"),
            (l1_penalty, "gradient of the L1 penalty"),
            (unscaled_penalty, "the learning rate multiplies it too"),
            (in_place, "copy the argument first"),
            (only_theta, "how many things does the docstring say"),
        ],
        right=[momentum(right_v), copied],
    ),
    "adam_step": Answers(
        wrong=[
            (adam(correct_m=False, correct_s=False), "The bias correction is missing"),
            (adam(correct_s=False), "the one of the squares is not"),
            (adam(correct_m=False), "the one of the gradients is not"),
            (adam(shift=1), "Steps count from 1"),
            (betas_swapped, "The two betas are exchanged"),
            (means_reversed, "beta weighs the old mean"),
            (adam(square=1), "s is the mean of the squares"),
            (adam(root=lambda s, eps: s + eps), "The root of s is missing"),
            (adam(root=lambda s, eps: np.sqrt(s + eps)), "epsilon stands outside the root"),
            (adam(root=lambda s, eps: np.sqrt(s)), "epsilon is missing"),
            (keras_order, "Keras adds epsilon before the correction"),
            (raw_slope, "The step divides the mean m"),
            (corrected_returned, "the corrected values are for this step only"),
            (uphill, "This walks uphill"),
        ],
        right=[adam(), adam_by_power, keras_order_scaled_epsilon],
    ),
    "initialise": Answers(
        wrong=[
            (weights(lambda *a: variance(*a)), "is there a square root missing?"),
            (weights(lambda *a: (variance(*a) / 2) ** 0.5), "the factor 2 is missing"),
            (weights(lambda *a: 1.0), "still have variance 1"),
            (weights(lambda *a: 0.0), "weights have to differ"),
            (
                weights(lambda i, o, kind: variance(i, o, "glorot" if kind == "he" else "he") ** 0.5),
                "are he and glorot exchanged?",
            ),
            (weights(lambda i, o, kind: variance(o, i, kind) ** 0.5), "n_in is the number of inputs"),
            (
                lambda i, o, kind, rng: weights(lambda *a: variance(*a) ** 0.5)(i, o, kind, rng).T,
                "transposed",
            ),
            (uniform_positive, "which one is symmetric around 0?"),
            (
                lambda i, o, kind, rng: rng.uniform(-1, 1, (o, i)) * variance(i, o, kind) ** 0.5,
                "has variance c²/3",
            ),
            (fixed_seed, "make no new one"),
        ],
        right=[
            lambda n_in, n_out, kind, rng: rng.normal(0, variance(n_in, n_out, kind) ** 0.5, (n_out, n_in)),
            uniform_weights,
        ],
    ),
    "dropout": Answers(
        wrong=[
            (dropping(each, factor=lambda p: 1.0), "are not rescaled"),
            (dropping(each, factor=lambda p: 1 / p), "the factor makes up for what was dropped"),
            (dropping(each, factor=lambda p: 1 - p), "turned upside down"),
            (
                dropping(each, factor=lambda p: 1.0, inference=lambda h, p: (1 - p) * h),
                "rescales in training",
            ),
            (dropout_always, "in inference all units are there"),
            (dropping(lambda h, p, rng: np.random.random(h.shape) >= p), "not from np.random"),
            (dropping(exact_share), "by its own random number"),
            (
                dropping(lambda h, p, rng: rng.random(h.shape[1]) >= p),
                "each sample of the batch has its own mask",
            ),
            (dropping(lambda h, p, rng: rng.random((len(h), 1)) >= p), "not whole samples"),
            (
                dropping(lambda h, p, rng: rng.random(h.shape) < p),
                "the probability of dropping, not of keeping",
            ),
            (lambda h, p, rng, training: h, "in training each unit is dropped"),
            (dropout_in_place, "make a new array"),
            (dropout_same_seed, "a new one with a fixed seed repeats itself"),
        ],
        right=[dropping(each), dropout_by_binomial, dropout_by_where],
    ),
    "early_stopping": Answers(
        wrong=[
            (stopping(late=1), "You wait one epoch too long"),
            (stopping(late=-1), "You stop one epoch too early"),
            (stopping(improved=lambda loss, lowest: loss <= lowest), "An equal loss is no improvement"),
            (stopping(first=0), "Epochs count from 1"),
            (previous_epoch, "not with the epoch before"),
            (never_reset, "starts the waiting again"),
            (whole_curve, "It never stops early"),
            (best_after_the_stop, "An epoch after the stop never happens"),
            (last_twice, "The best epoch is not the last one"),
            (loss_returned, "an epoch, not a loss"),
            (beyond_the_end, "training ends there"),
            (lambda curve, patience: stopping()(curve, patience)[::-1], "The order of the two results"),
        ],
        right=[stopping(), stopping_by_search, stopping_by_while],
    ),
    "build_model": Answers(
        wrong=[
            (network(bias_regularizer=regularizers.L2), "the biases are penalised too"),
            (
                network(penalty=lambda l2: [None] * 3, bias_regularizer=regularizers.L2),
                "the biases are penalised instead",
            ),
            (network(penalty=lambda l2: [None] * 3), "use kernel_regularizer"),
            (
                network(penalty=lambda l2: [None] * 3, activity_regularizer=regularizers.L2),
                "kernel_regularizer",
            ),
            (network(penalty=lambda l2: ["l2"] * 3), "use the argument l2"),
            (network(penalty=lambda l2: [regularizers.L1(l2)] * 3), "this is the L1 penalty"),
            (network(penalty=lambda l2: [regularizers.L2(l2)] * 2 + [None]), "the penalty of Dense layer 3"),
            (network(penalty=lambda l2: [regularizers.L2(l2)] + [None] * 2), "only Dense layer 1"),
            (network(activations=("relu", "relu", None)), "which output activation?"),
            (network(activations=(None, None, "softmax")), "ReLU in the hidden layers"),
            (network(widths=(128, 64, 10)), "two hidden layers of 128 units"),
            (network(drop=lambda a, b: [0, b, b, 0]), "the input is not dropped"),
            (network(drop=lambda a, b: [a, b, 0, 0]), "missing after one of the hidden layers"),
            (network(drop=lambda a, b: [a, b, b, b]), "no dropout after the last layer"),
            (network(drop=lambda a, b: [b, a, a, 0]), "the two probabilities are exchanged"),
            (network(drop=lambda a, b: [1 - a, 1 - b, 1 - b, 0]), "takes the probability of dropping"),
            (no_input, "start with keras.Input"),
            (nothing_returned, "is the return statement missing?"),
        ],
        right=[network(), functional],
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
