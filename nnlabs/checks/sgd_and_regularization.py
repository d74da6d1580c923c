"""Checks of the lab "SGD and regularisation"."""

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# ---------------------------------------------------------------- batches


@exercise()
def batches(n, m, rng):
    """Return the indices 0 to n − 1 in random order, in arrays of length m; the last may be shorter."""
    order = rng.permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]


@batches.property
def lists_of_indices(batches):
    what = "batches(10, 4, rng)"
    found = batches(10, 4, np.random.default_rng(0))
    expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, (list, tuple)),
        f"{what} should return a list, it returns {type(found).__name__}.",
        "collect the batches in a list.",
    )
    parts = [expect.as_array(batch) for batch in found]
    expect.true(
        all(part.ndim == 1 for part in parts),
        f"{what} should give one-dimensional arrays of indices.",
        "one array of indices a batch, all in a list.",
    )
    expect.true(
        all(part.dtype.kind in "iu" for part in parts if part.size),
        f"{what} should give integers: positions of the samples.",
        "an index says where a sample is; it is a whole number.",
    )


@batches.property
def sizes(batches):
    for n, m, expected in ((10, 5, [5, 5]), (10, 4, [4, 4, 2]), (3, 8, [3])):
        found = [len(batch) for batch in batches(n, m, np.random.default_rng(0))]
        hint = "all batches but the last have exactly m samples."
        if 0 in found:
            hint = "what happens at the end when m divides n?"
        elif found == expected[:-1]:
            hint = "the last batch is shorter when m does not divide n; it still counts."
        elif len(found) == m:
            hint = "m is the number of samples in a batch, not the number of batches."
        problem = f"batches({n}, {m}, rng) has batches of {found} samples, expected {expected}."
        expect.true(found == expected, problem, hint)


@batches.property
def every_index_once(batches):
    for n, m in ((10, 4), (1000, 64)):
        indices = np.concatenate(batches(n, m, np.random.default_rng(0)))
        expect.true(
            indices.min() >= 0 and indices.max() < n,
            f"batches({n}, {m}, rng) holds the indices {indices.min()} to {indices.max()}, not 0 to {n - 1}.",
            "indices start at 0.",
        )
        expect.true(
            len(indices) == len(np.unique(indices)),
            f"In one epoch of batches({n}, {m}, rng) an index comes {np.bincount(indices).max()} times.",
            "draw without replacement: shuffle all indices once, then cut the list into pieces.",
        )


@batches.property
def mixed(batches):
    found = np.stack(batches(100, 10, np.random.default_rng(1)))
    expect.true(
        found.ravel().tolist() not in (list(range(100)), list(range(99, -1, -1))),
        "The indices are not in random order.",
        "shuffle before you cut.",
    )
    neighbours = np.all(np.diff(np.sort(found)) == 1, axis=1)
    expect.true(
        neighbours.mean() < 0.5,
        "Each batch holds neighbours of the original order, so the same samples meet in each epoch.",
        "shuffle the samples, not the finished batches, nor inside them.",
    )
    expect.uses_generator(lambda rng: np.stack(batches(100, 10, rng)), "batches")


# ---------------------------------------------------------------- schedules


@exercise(
    cases=[
        ("constant", 3, 2, 10),
        ("inverse", 2, 6, 10),
        ("inverse", 20, 0.5, 100),
        ("cosine", 2, 6, 12),
        ("cosine", 25, 0.1, 100),
        ("cosine", 100, 0.1, 100),
    ],
    mistakes={
        "Steps count from 1: the first rate is the full one.": "rate / r -> rate / (r + 1)",
        "Where is the starting rate in the 1/r schedule?": "rate / r -> 1 / r",
        "The rate of the 1/r schedule falls with the step r, not with the number of all steps.": (
            "rate / r -> rate / steps"
        ),
        "The conditions of Robbins and Monro need a slower decrease than 1/r².": "rate / r -> rate / r**2",
        "Half a wave goes from 1 to -1; shift and halve it, so that it goes from 1 to 0.": (
            "rate / 2 * (1 + np.cos(np.pi * r / steps)) -> rate * np.cos(np.pi * r / steps)"
        ),
        "The cosine goes from rate to 0: at the start it would be twice the rate.": "rate / 2 -> rate",
        "Where is the starting rate in the cosine?": "rate / 2 -> 1 / 2",
        "The angle is in radians: half a wave is π.": "np.pi * r -> r",
        "np.cos takes radians, not degrees.": "np.pi * r -> 180 * r",
        "A whole wave comes up again at the end; you need half of one.": "np.pi * r -> 2 * np.pi * r",
        "This one rises: look at the sign before the cosine.": "1 + np.cos -> 1 - np.cos",
        "This is a straight line, not a cosine.": (
            "rate / 2 * (1 + np.cos(np.pi * r / steps)) -> rate * (1 - r / steps)"
        ),
        "In the cosine r is the number of this step, from 1 to steps: the last rate is 0.": (
            "pi * r -> pi * (r - 1)"
        ),
    },
)
def schedule(name, r, rate, steps):
    """Return the learning rate of step r = 1, 2, ..., steps."""
    if name == "constant":
        return rate
    if name == "inverse":
        return rate / r
    return rate / 2 * (1 + np.cos(np.pi * r / steps))


# ---------------------------------------------------------------- momentum

THETA, V, SLOPE = np.array([1.0, -2.0]), np.array([4.0, -2.0]), np.array([2.0, -4.0])
MATRIX = np.array([[1.0, -2.0, 0.5], [0.3, 0.0, -1.0]])


@exercise(
    cases=[
        (THETA, np.zeros(2), SLOPE, 3.0, 0.0, 0.0),
        (THETA, V, SLOPE, 3.0, 0.25, 0.0),
        (THETA, np.zeros(2), SLOPE, 3.0, 0.0, 3.0),
        (MATRIX, MATRIX**2, MATRIX - 1, 0.05, 0.8, 0.01),
    ],
    mistakes={
        "This walks uphill: against the gradient is down.": "- rate -> + rate",
        "The sign of the momentum: the old velocity goes on in its direction.": "mu * v -> -mu * v",
        "The learning rate is missing in the velocity.": "rate * total -> total",
        "This is PyTorch's form; here the rate is in the velocity, which points downhill.": [
            "mu * v - rate * total -> mu * v + total",
            "theta + new -> theta - rate * new",
        ],
        "In this course's form the gradient is not multiplied by 1 - mu.": (
            "rate * total -> (1 - mu) * rate * total"
        ),
        "mu and 1 - mu are exchanged.": "mu * v -> (1 - mu) * v",
        "The old velocity has no effect: where is mu?": "mu * v - -> -",
        "mu is an argument: is there a number in its place?": "mu * v -> 0.9 * v",
        "The parameters move with the new velocity, not with the old one.": "theta + new -> theta + v",
        "The velocity is already directed downhill: add it.": "theta + new -> theta - new",
        "That is Nesterov's step; here the parameters move by the new velocity.": (
            "theta + new -> theta + mu * new - rate * total"
        ),
        "In which order are the two results returned?": "theta + new, new -> new, theta + new",
        "The penalty has no effect: its gradient comes on top of the slope.": " + 2 * l2 * theta -> ",
        "The derivative of a square has a factor 2.": "2 * l2 -> l2",
        "The sign of the penalty: it pulls the parameters towards zero.": "+ 2 * l2 -> - 2 * l2",
        "That is the gradient of the L1 penalty; L2 is proportional to the parameter.": (
            "2 * l2 * theta -> l2 * np.sign(theta)"
        ),
        "That is the penalty; its gradient, for each parameter, is wanted.": (
            "2 * l2 * theta -> l2 * np.sum(theta**2)"
        ),
        "That is the penalty of each parameter; its derivative is wanted.": "2 * l2 * theta -> l2 * theta**2",
        "The penalty is part of the gradient: the learning rate multiplies it too.": [
            "slope + 2 * l2 * theta -> slope",
            "rate * total -> rate * total - 2 * l2 * theta",
        ],
    },
)
def sgd_step(theta, v, slope, rate, mu, l2):
    """Return the parameters and the velocity after one step with momentum and L2 penalty."""
    total = slope + 2 * l2 * theta
    new = mu * v - rate * total
    return theta + new, new


# ---------------------------------------------------------------- Adam


@exercise(
    cases=[
        (THETA, np.zeros(2), np.zeros(2), 1, SLOPE, 2.0, 0.8, 0.75, 1.0),
        (THETA, np.zeros(2), np.zeros(2), 1, SLOPE, 0.1, 0.9, 0.999, 1e-7),
        (MATRIX, MATRIX + 1, MATRIX**2 + 9, 4, MATRIX - 1, 0.1, 0.9, 0.999, 1e-7),
        (THETA, np.zeros(2), np.zeros(2), 2, SLOPE / 1e6, 0.1, 0.8, 0.99, 1e-6),
    ],
    mistakes={
        "The bias correction is missing: at step 1 both means are still close to zero.": [
            " / (1 - beta1**r) -> ",
            " / (1 - beta2**r) -> ",
        ],
        "Both means are corrected; the one of the squares is not.": " / (1 - beta2**r) -> ",
        "Both means are corrected; the one of the gradients is not.": " / (1 - beta1**r) -> ",
        "Steps count from 1, and r is already the number of this one.": "**r -> ** (r + 1)",
        "The corrections have a power: what does r do?": "**r -> ",
        "The two betas are exchanged: beta1 belongs to the gradient, beta2 to its square.": (
            "beta1, beta2, -> beta2, beta1,"
        ),
        "beta weighs the old mean, 1 - beta the new gradient.": [
            "beta1 * m + (1 - beta1) * -> (1 - beta1) * m + beta1 *",
            "beta2 * s + (1 - beta2) * -> (1 - beta2) * s + beta2 *",
        ],
        "s is the mean of the squares of the gradient.": "slope**2 -> slope",
        "s is a running mean: it also falls.": [
            "s = beta2 * s -> old, s = s, beta2 * s",
            "s_hat = s -> s = np.maximum(s, old)\n    s_hat = s",
        ],
        "The root of s is missing.": "np.sqrt(s_hat) -> s_hat",
        "epsilon stands outside the root.": "np.sqrt(s_hat) + epsilon -> np.sqrt(s_hat + epsilon)",
        "Keras adds epsilon before the correction; here it comes after it.": (
            "np.sqrt(s_hat) + epsilon -> (np.sqrt(s) + epsilon) / np.sqrt(1 - beta2**r)"
        ),
        "epsilon is missing: what if a gradient is always zero?": " + epsilon -> ",
        "epsilon is an argument: is there a number in its place?": " + epsilon -> + 1e-7",
        "beta1 and beta2 are arguments: are there numbers in their place?": (
            "m = beta1 -> beta1, beta2 = 0.9, 0.999; m = beta1"
        ),
        "The step divides the mean m, not the gradient of this step.": "rate * m_hat -> rate * slope",
        "Return m and s as they are; the corrected values are for this step only.": (
            "step, m, s -> step, m_hat, s_hat"
        ),
        "This walks uphill: look at the sign of the step.": "theta - step -> theta + step",
    },
)
def adam_step(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    """Return parameters, mean of the gradients and mean of their squares after step r (Kingma & Ba, 2015)."""
    m = beta1 * m + (1 - beta1) * slope
    s = beta2 * s + (1 - beta2) * slope**2
    m_hat = m / (1 - beta1**r)
    s_hat = s / (1 - beta2**r)
    step = rate * m_hat / (np.sqrt(s_hat) + epsilon)
    return theta - step, m, s


# ---------------------------------------------------------------- initialisation


@exercise(
    rtol=0.03,  # of variances of 100 000 random numbers, whose error is 0.5 %
    mistakes={
        "a normal number times c has variance c²: is there a square root missing?": (
            "np.sqrt(variance) -> variance"
        ),
        "this is the variance of the other kind: are he and glorot exchanged?": '== "he" -> != "he"',
        "half of what it should be: the factor 2 is missing.": "2 / -> 1 /",
        "the weights still have variance 1: scale them.": "np.sqrt(variance) * -> ",
        "n_in is the number of inputs, the columns of W.": "2 / n_in -> 2 / n_out",
        "a uniform distribution between -c and c has variance c²/3.": (
            "rng.standard_normal(( -> rng.uniform(-1, 1, size=("
        ),
        "the square root is taken twice.": "np.sqrt(variance) -> variance**0.25",
    },
)
def initialise(n_in, n_out, kind, rng):
    """Return weights of shape (n_out, n_in): Glorot & Bengio (2010) or He et al. (2015)."""
    variance = 2 / n_in if kind == "he" else 2 / (n_in + n_out)
    return np.sqrt(variance) * rng.standard_normal((n_out, n_in))


@initialise.property
def shape(initialise):
    what = "initialise(5, 3, 'he', rng)"
    found = initialise(5, 3, "he", np.random.default_rng(0))
    expect.array(found, what)
    expect.close(np.zeros(np.shape(found)), np.zeros((3, 5)), what)


@initialise.property
def random_and_symmetric(initialise):
    W = expect.as_array(initialise(500, 200, "he", np.random.default_rng(0)))
    different = np.unique(W).size
    expect.true(
        different > W.size / 2,
        f"initialise(500, 200, 'he', rng): only {different} of the 100000 weights are different.",
        "each weight is a random number of its own, normal or uniform.",
    )
    expect.true(
        max(abs(W.mean()), abs(np.median(W))) < 0.02 * W.std(),
        f"initialise(500, 200, 'he', rng): mean {W.mean():.3g} and median {np.median(W):.3g} should be 0.",
        "rng.random gives numbers from 0 to 1; which one is symmetric around 0?" if W.min() >= 0 else "",
    )
    expect.uses_generator(lambda rng: initialise(6, 4, "glorot", rng), "weights")


@initialise.case
def variance_he(initialise):
    """the variance of initialise(500, 200, 'he', rng)"""
    return np.var(initialise(500, 200, "he", np.random.default_rng(0)))


@initialise.case
def variance_glorot(initialise):
    """the variance of initialise(500, 200, 'glorot', rng)"""
    return np.var(initialise(500, 200, "glorot", np.random.default_rng(0)))


# ---------------------------------------------------------------- dropout


@exercise(
    mistakes={
        "this course rescales in training, so inference changes nothing.": "return h -> return (1 - p) * h",
        "the units that are left are not rescaled, so the mean changes.": " / (1 - p) -> ",
        "the factor makes up for what was dropped: which share is left?": " / (1 - p) -> / p",
        "is the factor turned upside down?": " / (1 - p) -> * (1 - p)",
        "which share of the units is left?": " / (1 - p) -> * p",
        "in training each unit is dropped with probability p.": "if not training -> if True",
    },
)
def dropout(h, p, rng, training):
    """Set each entry of h (samples, units) to zero with probability p and rescale; only in training."""
    if not training:
        return h
    kept = rng.random(h.shape) >= p
    return kept * h / (1 - p)


@dropout.property
def inference(dropout):
    h = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
    found = dropout(h, 0.25, np.random.default_rng(0), False)
    if found is not None:
        dropped = np.any(expect.as_array(found) == 0)
        expect.true(not dropped, "With training=False there are zeros.", "in inference all units are there.")
    expect.close(found, h, "dropout(h, 0.25, rng, training=False)")


@dropout.property
def in_training(dropout):
    rng = np.random.default_rng(0)
    h = rng.uniform(1, 2, size=(200, 50))
    for p in (0.2, 0.5):
        what = f"dropout(h, {p}, rng, training=True)"
        found = dropout(h, p, rng, True)
        expect.array(found, what)
        found = expect.as_array(found)
        expect.true(found.shape == h.shape, f"{what}: expected shape {h.shape}, found {found.shape}.")
        _expect_mask(found != 0, p, what)
        factors = found[found != 0] / h[found != 0]
        expect.true(
            np.allclose(factors, 1 / (1 - p), rtol=1e-4),
            f"{what} multiplies what it keeps by {factors[0]:.4g}, expected {1 / (1 - p):.4g}.",
        )


def _expect_mask(kept, p, what):
    """Raise unless units are dropped with probability p, each by its own random number."""
    expect.true(not kept.all(), f"{what} drops nothing.")
    expect.true(
        not np.all(kept == kept[0]),
        f"{what} drops the same units in every row.",
        "each sample of the batch has its own mask: how many random numbers do you draw?",
    )
    expect.true(
        not np.all(kept == kept[:, :1]),
        f"{what} drops whole rows.",
        "units are dropped independently, not whole samples.",
    )
    share = 1 - kept.mean()
    expect.true(
        abs(share - p) < 0.03,
        f"{what} drops {share:.0%} of the units, expected about {p:.0%}.",
        "p is the probability of dropping, not of keeping."
        if abs(share - (1 - p)) < 0.03
        else "compare a random number between 0 and 1 with p, one for each entry.",
    )


@dropout.property
def independent(dropout):
    h, rng = np.ones((10, 10)), np.random.default_rng(3)
    expect.close(dropout(h, 0.0, rng, True), h, "dropout(h, 0.0, rng, training=True)")
    expect.uses_generator(lambda rng: dropout(h, 0.5, rng, True), "masks")
    masks = np.stack([expect.as_array(dropout(h, 0.5, rng, True)) != 0 for _ in range(20)])
    expect.true(
        np.ptp(masks.sum(axis=(1, 2))) > 0 and np.ptp(masks.sum(axis=2)) > 0,
        "Each call of dropout drops the same number of units, in every row or in all.",
        "each unit is dropped by its own random number.",
    )


# ---------------------------------------------------------------- early stopping


@exercise(
    cases=[
        ([3, 1, 2, 4, 5, 0], 2),
        ([300, 200, 400, 500, 100], 2),
        ([2.3, 1.9, 1.5, 1.2, 1.1, 0.9], 3),
        ([0.9, 0.7, 0.8, 0.75, 0.6, 0.65, 0.7, 0.66, 0.5], 3),
        ([0.9, 0.5, 0.5, 0.5, 0.5, 0.4], 3),
        ([0.9, 0.8, 0.85, 0.7, 0.75, 0.6, 0.65, 0.64, 0.3], 2),
        ([0.9, 0.8, 0.7], 5),
        ([0.9, 0.5, 0.8, 0.7, 0.6, 0.55, 0.4], 4),
        ([0.503, 0.502, 0.501, 0.5], 2),
    ],
    mistakes={
        "Epochs count from 1.": "return best, epoch -> return best - 1, epoch - 1",
        "The order of the two results: first the best epoch, then the last one.": (
            "best, epoch -> epoch, best"
        ),
        "The best epoch is not the last one: the weights of the minimum come back.": (
            "return best, epoch -> return epoch, epoch"
        ),
        "The first result is an epoch, not a loss.": "return best, epoch -> return lowest, epoch",
        "When the curve ends before the patience does, training ends there.": (
            "return best, epoch -> return best, best + patience"
        ),
        "An epoch after the stop never happens, so it cannot be the best.": (
            "return best, -> return int(np.argmin(curve)) + 1,"
        ),
        "Compare with the lowest loss so far, not with the epoch before.": (
            "loss < lowest -> loss < (curve[epoch - 2] if epoch > 1 else lowest)"
        ),
        "An equal loss is no improvement.": "loss < lowest -> loss <= lowest",
        "Each improvement counts, however small.": "loss < lowest -> loss < lowest - 0.01",
        "A first loss may be larger than 1: with what does every loss compare as lower?": "np.inf -> 1",
        "A first loss may be larger than any number that you choose: look for infinity.": "np.inf -> 100",
        "A new minimum starts the waiting again.": "epoch, loss, 0 -> epoch, loss, wait",
        "It never stops early: when has the loss waited long enough?": [
            "wait >= patience -> False",
            "return best, -> return int(np.argmin(curve)) + 1,",
        ],
        "You wait one epoch too long: with patience 1, the first worse epoch is the last.": (
            "wait >= patience -> wait >= patience + 1"
        ),
        "You stop one epoch too early: count the epochs since the minimum.": (
            "wait >= patience -> wait >= patience - 1"
        ),
    },
)
def early_stopping(curve, patience):
    """Return the best epoch and the last one that is trained, both counted from 1."""
    best, lowest, wait = 0, np.inf, 0
    for epoch, loss in enumerate(curve, start=1):
        if loss < lowest:
            best, lowest, wait = epoch, loss, 0
        else:
            wait += 1
        if wait >= patience:
            break
    return best, epoch


# ---------------------------------------------------------------- a regularised model


@exercise(
    **KERAS,
    mistakes={
        "which output activation?": ', activation="softmax" -> ',
        "the outputs are probabilities that sum to 1.": '"softmax" -> "sigmoid"',
        "is there a ReLU in the hidden layers?": ', activation="relu" -> ',
        "use kernel_regularizer in each Dense layer.": ", kernel_regularizer=penalty -> ",
        "the biases are penalised too; only weights should be.": (
            "=penalty -> =penalty, bias_regularizer=penalty"
        ),
        "the biases are penalised instead of the weights.": "kernel_regularizer -> bias_regularizer",
        "this is the L1 penalty.": "L2(l2) -> L1(l2)",
        "there is a factor 1/2 too many.": "L2(l2) -> L2(l2 / 2)",
        "use the argument l2: 0.01 is only Keras's default.": "L2(l2) -> L2()",
        "the input is not dropped: is there a Dropout before the first Dense?": (
            "Dropout(p_input)(image) -> image"
        ),
        "dropout is missing after the hidden layers.": "Dropout(p_hidden)(x) -> x",
        "the two probabilities are exchanged.": "p_input, p_hidden -> p_hidden, p_input",
        "Keras's Dropout takes the probability of dropping.": "Dropout(p -> Dropout(1 - p",
    },
)
def build_model(l2, p_input, p_hidden):
    """Return a network 784-128-128-10 with L2 penalty on the weights and dropout."""
    import keras
    from keras.layers import Dense, Dropout

    penalty = keras.regularizers.L2(l2)
    image = keras.Input((784,))
    x = Dropout(p_input)(image)
    x = Dense(128, activation="relu", kernel_regularizer=penalty)(x)
    x = Dropout(p_hidden)(x)
    x = Dense(128, activation="relu", kernel_regularizer=penalty)(x)
    x = Dropout(p_hidden)(x)
    x = Dense(10, activation="softmax", kernel_regularizer=penalty)(x)
    return keras.Model(image, x)


def _model(build_model):
    found = build_model(0.03, 0.2, 0.4)
    return expect.keras_model(found, "build_model", (784,), "put the layers into keras.Sequential.")


@build_model.property
def weights(build_model):
    model = _model(build_model)
    shapes = ", ".join(sorted(str(tuple(weight.shape)) for weight in model.weights))
    expected = "(10,), (128, 10), (128, 128), (128,), (128,), (784, 128)"
    expect.true(
        shapes == expected,
        f"The weights have the shapes {shapes}; expected {expected}.",
        "784 inputs, two hidden layers of 128 units, 10 outputs, all with bias.",
    )
    frozen = len(model.weights) - len(model.trainable_weights)
    expect.true(not frozen, f"{frozen} of the weights are not trainable.", "leave `trainable` as it is.")
    expect.true(
        all(np.ptp(expect.as_array(weight)) > 0 for weight in model.weights if len(weight.shape) == 2),
        "All weights of a layer are equal at the start.",
        "equal units learn the same: keep Keras's initialiser.",
    )


@build_model.case
def in_inference(build_model):
    """the network in inference, with ReLU, ReLU, softmax"""
    return expect.outputs(_model(build_model), np.random.default_rng(0).random((4, 784), dtype="float32"))


@build_model.case
def losses(build_model):
    """the sum of model.losses if all is 0 but the weights of"""
    model, layers = _model(build_model), {"Dense 1": (784, 128), "Dense 2": (128, 128), "Dense 3": (128, 10)}
    expect.set_weights(model)
    values, found = model.get_weights(), {}
    for layer, shape in (layers | {"the hidden biases": (128,), "the last bias": (10,)}).items():
        model.set_weights([value if value.shape == shape else 0 * value for value in values])
        found[layer] = np.float32(sum(float(expect.as_array(loss)) for loss in model.losses))
    return found


@build_model.case
def dropped(build_model):
    """the share of units that are dropped in training"""
    model, found = _model(build_model), {}
    images = np.ones((4000, 784), "float32")
    places = {"input": (784, 128), "first hidden layer": (128, 128), "second hidden layer": (128, 10)}
    for place, kernel in places.items():
        _let_one_unit_through(model, kernel)
        outputs = expect.as_array(model(images, training=True))
        hint = "dropped outputs would be missing answers: no dropout after the last layer."
        expect.true(np.allclose(outputs.sum(axis=1), 1), "In training the outputs do not sum to 1.", hint)
        found[place] = round(float(np.mean(outputs[:, 0] < 0.3)), 1)  # its error is 0.008
    return found


def _let_one_unit_through(model, kernel):
    """Set all weights so that output 0 is large where unit 0 before the kernel of this shape is kept.

    The other kernels pass the mean of all units, which dropout hardly changes.
    """
    for weight in model.weights:
        shape = tuple(weight.shape)
        values = np.zeros(shape)
        if shape == kernel:
            values[0] = 1
        elif len(shape) == 2:
            values[:] = 1 / shape[0]
        if shape == (128, 10):
            values[:, 0] *= 5
            values[:, 1:] = 0
        weight.assign(values)
