"""Checks of lab 04, SGD and regularisation."""

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import KERAS, exercise

# 1. A schedule with a warm-up ---------------------------------------------------------------------


@exercise(
    cases=[
        (1, 8.0, 10, 4),
        (4, 8.0, 10, 4),
        (5, 8.0, 12, 4),
        (6, 8.0, 10, 4),
        (7, 8.0, 10, 4),
        (10, 8.0, 10, 4),
        (3, 0.5, 12, 0),
        (20, 0.1, 100, 10),
    ],
    mistakes={
        "There is no warm-up: what happens up to step `warmup`?": "if r <= warmup: -> if r < 0:",
        "The warm-up begins at rate / warmup, not at the full rate.": "rate * r / warmup -> rate",
        "The warm-up reaches the full rate at r = warmup.": "rate * r / warmup -> rate * r / steps",
        "At r = warmup the wave is at its top: from which step does it count?": "(r - warmup) -> r",
        "Where does the wave begin, and how long is it?": "(r - warmup) / (steps - warmup) -> r / steps",
        "At r = warmup + 1 one step of the wave has passed already.": "(r - warmup) -> (r - warmup - 1)",
        "In the warm-up there is no wave: the two parts do not act at the same time.": [
            "return rate * r / warmup -> rate = rate * r / warmup",
            "(r - warmup) / (steps - warmup) -> r / steps",
        ],
        "How many steps are left for the wave? At r = steps it should be at its bottom.": (
            "(steps - warmup) -> steps"
        ),
        "Half a wave of the cosine goes from 1 to -1; the rate goes from `rate` to 0.": (
            "rate / 2 * (1 + np.cos(np.pi * (r - warmup) / (steps - warmup))) "
            "-> rate * np.cos(np.pi * (r - warmup) / (steps - warmup))"
        ),
        "A whole wave comes up again at the end; you need half of one.": "np.pi -> 2 * np.pi",
        "np.cos takes radians, not degrees.": "np.pi -> 180",
        "This wave begins at 0 and rises: look at the sign before the cosine.": "1 + np.cos -> 1 - np.cos",
        "This is a straight line, not a cosine.": (
            "rate / 2 * (1 + np.cos(np.pi * (r - warmup) / (steps - warmup))) "
            "-> rate * (steps - r) / (steps - warmup)"
        ),
        "Step warmup + 1 is the first of the wave, not the last of the warm-up.": (
            "r <= warmup -> r <= warmup + 1"
        ),
    },
)
def schedule(r, rate, steps, warmup):
    """Return the learning rate of step r = 1, 2, ..., steps."""
    if r <= warmup:
        return rate * r / warmup
    return rate / 2 * (1 + np.cos(np.pi * (r - warmup) / (steps - warmup)))


# 2. Nesterov's momentum ---------------------------------------------------------------------------


def double(theta):
    return 2 * theta


def cubes(theta):
    return theta**3 - 1


MATRIX = np.array([[1.0, -2.0, 0.5], [0.3, 0.0, -1.0]])


@exercise(
    cases=[
        (np.array([3.0, 1.0]), np.array([2.0, -4.0]), double, 1.0, 0.5),
        (np.array([1.0, -2.0]), np.zeros(2), double, 0.25, 0.9),
        (MATRIX, MATRIX**2, cubes, 0.05, 0.8),
        (np.array(1.5), np.array(-0.5), cubes, 0.1, 0.9),
    ],
    mistakes={
        "This is plain momentum: at which point is the slope taken?": (
            "ahead = theta + mu * v -> ahead = theta"
        ),
        "The look-ahead goes along the part of the velocity that is kept.": "theta + mu * v -> theta + v",
        "The look-ahead goes forward, not back.": "theta + mu * v -> theta - mu * v",
        "This walks uphill: the velocity goes against the slope.": "- rate * -> + rate *",
        "The learning rate is missing in the velocity.": "rate * gradient -> gradient",
        "The old velocity has no effect: where is mu?": "mu * v - -> -",
        "The parameters move with the new velocity, not with the old one.": "theta + new -> theta + v",
        "The step starts at theta; the point ahead is only for the slope.": "theta + new -> ahead + new",
        "In which order are the two results returned?": "theta + new, new -> new, theta + new",
        "The velocity is already directed downhill: add it.": "theta + new, -> theta - new,",
    },
)
def nesterov_step(theta, v, gradient, rate, mu):
    """Return the parameters and the velocity after one step of Nesterov's momentum."""
    ahead = theta + mu * v
    new = mu * v - rate * gradient(ahead)
    return theta + new, new


# 3. Adam ------------------------------------------------------------------------------------------

THETA, SLOPE = np.array([1.0, -2.0]), np.array([2.0, -4.0])


@exercise(
    cases=[
        (THETA, np.zeros(2), np.zeros(2), 1, SLOPE, 2.0, 0.8, 0.75, 1.0),
        (THETA, THETA, SLOPE**2, 2, SLOPE, 0.1, 0.5, 0.5, 0.5),
        (MATRIX, MATRIX + 1, MATRIX**2 + 9, 4, MATRIX - 1, 0.1, 0.9, 0.999, 1e-7),
        (THETA, np.zeros(2), np.zeros(2), 2, SLOPE / 1e6, 0.1, 0.8, 0.99, 1e-6),
    ],
    mistakes={
        "One fault is left: with a slope of 1e-6, which of the two is larger, q_hat or epsilon?": (
            "np.sqrt(q_hat) + epsilon -> np.sqrt(q_hat + epsilon)"
        ),
        "One fault is left: what is 1 - beta1**r when r is large, and what is yours?": [
            "beta1**r -> beta1 * r",
            "beta2**r -> beta2 * r",
        ],
        "One fault is left in the correction of v.": "beta1**r -> beta1 * r",
        "One fault is left in the correction of q.": "beta2**r -> beta2 * r",
        "One fault is left: with which means does the next step go on?": "step, v, q -> step, v_hat, q_hat",
        "Nothing is corrected any more: at step 1 both means are close to zero.": [
            " / (1 - beta1**r) -> ",
            " / (1 - beta2**r) -> ",
        ],
        "Steps count from 1, and r is already the number of this one.": "**r -> ** (r + 1)",
        "The two betas are exchanged.": "beta1, beta2, -> beta2, beta1,",
        "q is the mean of the squares of the slope.": "slope**2 -> slope",
        "The root of q is missing.": "np.sqrt(q_hat) -> q_hat",
        "Keras adds epsilon before the correction; here it comes after it.": (
            "np.sqrt(q_hat) + epsilon -> (np.sqrt(q) + epsilon) / np.sqrt(1 - beta2**r)"
        ),
        "epsilon is missing: what if a slope is always zero?": " + epsilon -> ",
        "epsilon is an argument: is there a number in its place?": " + epsilon -> + 1e-7",
        "The step divides the mean, not the slope of this step.": "rate * v_hat -> rate * slope",
        "This walks uphill: look at the sign of the step.": "theta - step -> theta + step",
    },
)
def adam_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon):
    """Return parameters, mean of the slopes and mean of their squares after step r (Kingma & Ba, 2015)."""
    v = beta1 * v + (1 - beta1) * slope
    q = beta2 * q + (1 - beta2) * slope**2
    v_hat = v / (1 - beta1**r)
    q_hat = q / (1 - beta2**r)
    step = rate * v_hat / (np.sqrt(q_hat) + epsilon)
    return theta - step, v, q


# 4. AdamW -----------------------------------------------------------------------------------------


@exercise(
    cases=[
        (16 * THETA, np.zeros(2), np.zeros(2), 1, np.zeros(2), 0.25, 0.8, 0.75, 1.0, 0.25),
        (THETA, np.zeros(2), np.zeros(2), 1, SLOPE, 2.0, 0.8, 0.75, 1.0, 0.25),
        (MATRIX, MATRIX + 1, MATRIX**2 + 9, 4, MATRIX - 1, 0.1, 0.9, 0.999, 1e-7, 0.2),
        (THETA, THETA, SLOPE**2, 3, SLOPE, 0.1, 0.9, 0.99, 1e-7, np.array([0.5, 0.0])),
    ],
    mistakes={
        "decay has no effect.": "shrunk = theta * (1 - rate * decay) -> shrunk = theta",
        "This is the penalty in the slope, which Adam divides by its size: shrink theta itself.": [
            "shrunk = theta * (1 - rate * decay) -> shrunk = theta; slope = slope + decay * theta"
        ],
        "This is the penalty in the slope, with the factor 2: shrink theta itself.": [
            "shrunk = theta * (1 - rate * decay) -> shrunk = theta; slope = slope + 2 * decay * theta"
        ],
        "The decay is multiplied by the rate, too.": "rate * decay -> decay",
        "There is no factor 2: decay is no penalty that is differentiated.": (
            "1 - rate * decay -> 1 - 2 * rate * decay"
        ),
        "The weights grow: look at the sign of the decay.": "1 - rate * decay -> 1 + rate * decay",
        "The decay takes a share of the old theta, not of the new one.": [
            "shrunk = theta * (1 - rate * decay) -> shrunk = theta",
            "return shrunk - step -> return (shrunk - step) * (1 - rate * decay)",
        ],
        "The decay is proportional to theta; this is its sign.": (
            "theta * (1 - rate * decay) -> theta - rate * decay * np.sign(theta)"
        ),
        "The Adam inside has a fault: does it agree with your adam_step for decay = 0?": (
            "np.sqrt(q_hat) + epsilon -> np.sqrt(q_hat + epsilon)"
        ),
    },
)
def adamw_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon, decay):
    """Return parameters and both means after step r of AdamW (Loshchilov & Hutter, 2019)."""
    shrunk = theta * (1 - rate * decay)
    v = beta1 * v + (1 - beta1) * slope
    q = beta2 * q + (1 - beta2) * slope**2
    v_hat = v / (1 - beta1**r)
    q_hat = q / (1 - beta2**r)
    step = rate * v_hat / (np.sqrt(q_hat) + epsilon)
    return shrunk - step, v, q


# 5. Initial weights for a leaky ReLU --------------------------------------------------------------


@exercise(
    rtol=0.03,  # of 100 000 random numbers, whose standard deviation has an error of 0.2 %
    mistakes={
        "alpha has no effect.": "1 + alpha**2 -> 1",
        "On the negative half h is alpha times a: what is its square?": "alpha**2 -> alpha",
        "The two halves add up as squares, (1 + alpha)² is too much.": "1 + alpha**2 -> (1 + alpha) ** 2",
        "Each half of the values a comes with the probability 1/2: is there a factor 2 missing?": (
            "2 / -> 1 /"
        ),
        "n_in is the number of inputs of a unit, the columns of W.": "* n_in) -> * n_out)",
        "Numbers that are uniform between -c and c have the variance c²/3.": "3 * variance -> variance",
        "The square root is missing: what is the variance of c times Z?": (
            "np.sqrt(3 * variance) -> 3 * variance"
        ),
        "These are normal numbers; uniform ones are asked for.": (
            "rng.uniform(-c, c, (n_out, n_in)) -> c / np.sqrt(3) * rng.standard_normal((n_out, n_in))"
        ),
        "Half of the weights are missing: uniform between which two numbers?": "(-c, c -> (0, c",
    },
)
def initialise(n_in, n_out, alpha, rng):
    """Return weights of shape (n_out, n_in), uniform, that keep the mean square of a leaky ReLU's outputs."""
    variance = 2 / ((1 + alpha**2) * n_in)
    c = np.sqrt(3 * variance)
    return rng.uniform(-c, c, (n_out, n_in))


@initialise.property
def shape(initialise):
    what = "initialise(5, 3, 0.1, rng)"
    found = initialise(5, 3, 0.1, np.random.default_rng(0))
    expect.array(found, what)
    expect.close(np.zeros(np.shape(found)), np.zeros((3, 5)), what)
    expect.uses_generator(lambda rng: initialise(6, 4, 0.1, rng), "weights")


@initialise.case
def spread(initialise):
    """the standard deviation, the lowest and the highest weight of initialise(500, 200, 0.5, rng)"""
    W = expect.as_array(initialise(500, 200, 0.5, np.random.default_rng(0)))
    return W.std(), W.min(), W.max()


@initialise.case
def spread_of_relu(initialise):
    """the standard deviation of initialise(500, 200, 0, rng)"""
    return expect.as_array(initialise(500, 200, 0, np.random.default_rng(0))).std()


@initialise.property
def uniform(initialise):
    W = np.sort(np.ravel(initialise(500, 200, 0.5, np.random.default_rng(0))))
    away = np.abs(W - np.linspace(W[0], W[-1], W.size)).max() / np.ptp(W)
    expect.true(away < 0.02, "The weights are not uniform between their lowest and their highest value.")


# 6. Dropout and its way back ----------------------------------------------------------------------


@exercise(
    mistakes={
        "What is left is not rescaled in the forward pass.": (
            "factor * np.maximum(0, a) -> (factor > 0) * np.maximum(0, a)"
        ),
        "Is there a factor of the forward pass that is missing on the way back?": (
            "g * factor * (a > 0) -> g * (factor > 0) * (a > 0)"
        ),
        "The slope of ReLU is missing on the way back.": "g * factor * (a > 0) -> g * factor",
        "The mask is missing on the way back: what was dropped has no influence on the risk.": (
            "g * factor * (a > 0) -> g * (a > 0)"
        ),
        "The way back draws another mask: it must be the one of the forward pass.": (
            "return g * factor -> return g * (rng.random(a.shape) >= p) / (1 - p)"
        ),
        "p is the probability of dropping, not of keeping.": ">= p -> < p",
        "Is the factor turned upside down?": "/ (1 - p) -> * (1 - p)",
        "Which share of the units is left?": "/ (1 - p) -> / p",
        "All samples share one mask: how many random numbers do you draw?": (
            "rng.random(a.shape) -> rng.random(a.shape[1])"
        ),
        "Where is ReLU in the forward pass?": "np.maximum(0, a), back -> a, back",
    },
)
def relu_dropout(a, p, rng):
    """Return ReLU(a) after dropout, and the function that takes g = dL_n/dh back to dL_n/da."""
    factor = (rng.random(a.shape) >= p) / (1 - p)

    def back(g):
        return g * factor * (a > 0)

    return factor * np.maximum(0, a), back


A = np.random.default_rng(0).normal(size=(300, 40))


@relu_dropout.property
def two_results(relu_dropout):
    found = relu_dropout(A, 0.5, np.random.default_rng(1))
    what = "relu_dropout(a, 0.5, rng)"
    expect.true(found is not None, f"{what} returns None.", "is the return statement missing?")
    expect.true(
        isinstance(found, (tuple, list)) and len(found) == 2 and callable(found[1]),
        f"{what}: expected an array and a function, found {expect.brief(found)}.",
        "return h and the function back itself, without calling it.",
    )
    expect.array(found[0], "h")
    expect.true(np.shape(found[0]) == A.shape, f"h has the shape {np.shape(found[0])}, expected {A.shape}.")


@relu_dropout.property
def forward(relu_dropout):
    for p in (0.5, 0.2):
        h = expect.as_array(relu_dropout(A, p, np.random.default_rng(1))[0])
        expect.true(np.all(h[A < 0] == 0), "h is not 0 where a is negative.")
        kept = h[A > 0] != 0
        share = 1 - kept.mean()
        expect.true(
            abs(share - p) < 0.03, f"With p = {p} a share of {share:.2f} of the positive a is dropped."
        )
        factors = h[A > 0][kept] / A[A > 0][kept]
        right, found = 1 / (1 - p), factors[0]
        expect.true(
            np.allclose(factors, right),
            f"What is left of a is multiplied by {found:.4g}, expected {right:.4g}.",
        )


@relu_dropout.property
def masks(relu_dropout):
    ones = np.ones((40, 30))
    expect.uses_generator(lambda rng: relu_dropout(ones, 0.5, rng)[0], "masks")
    kept = np.stack(
        [expect.as_array(relu_dropout(ones, 0.5, np.random.default_rng(i))[0]) != 0 for i in range(9)]
    )
    expect.true(not np.all(kept == kept[:, :1]), "The same units are dropped in every row.")
    expect.true(
        not np.all(kept == kept[:, :, :1]), "Whole rows are dropped.", "a unit is dropped, not a sample."
    )
    counts = kept.sum(axis=2)
    problem = "The same number of units is dropped in every row, or in every call."
    hint = "each unit is dropped by its own random number."
    expect.true(np.ptp(counts) > 0 and np.ptp(counts.sum(axis=1)) > 0, problem, hint)


@relu_dropout.property
def way_back(relu_dropout):
    h, back = relu_dropout(A, 0.2, np.random.default_rng(1))
    g = np.random.default_rng(2).normal(size=A.shape)
    given = g.copy()
    found, again = back(given), back(g.copy())
    expect.true(np.array_equal(given, g), "back(g) changes its argument.", "make a new array.")
    expect.close(
        found,
        again,
        "back(g), called twice",
        "The way back draws another mask: it must be the one of the forward pass.",
    )
    expect.true(np.shape(found) == A.shape, f"back(g) has the shape {np.shape(found)}, expected {A.shape}.")
    h = expect.as_array(h)
    for place, where in {"dropped": (h == 0) & (A > 0), "kept": h != 0, "below 0": A < 0}.items():
        right = g / (1 - 0.2) if place == "kept" else 0 * g  # h is linear in a there
        wrong = where & ~np.isclose(found, right, rtol=1e-4, atol=1e-6)
        problem = (
            f"p = 0.2: back(g) is wrong for {wrong.sum()} of the {where.sum()} entries where a is {place}"
        )
        if wrong.any():
            example = [expect.brief(float(values[wrong][0])) for values in (A, g, right, np.asarray(found))]
            text = "; for example a = {}, g = {}: expected {}, found {}."
            raise expect.WrongError(problem + text.format(*example))


# 7. Early stopping ---------------------------------------------------------------------------------


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


# 8. A regularised network in Keras ----------------------------------------------------------------


@exercise(
    **KERAS,
    mistakes={
        "which output activation?": ', activation="softmax" -> ',
        "the outputs are probabilities that sum to 1.": '"softmax" -> "sigmoid"',
        "is there a ReLU in the hidden layers?": ', activation="relu" -> ',
        "use kernel_regularizer in each Dense layer.": [
            ", kernel_regularizer=sparse -> ",
            ", kernel_regularizer=small -> ",
        ],
        "the biases are penalised too; only weights should be.": (
            "kernel_regularizer=small -> kernel_regularizer=small, bias_regularizer=small"
        ),
        "the bias of the first layer is penalised, too.": "=sparse -> =sparse, bias_regularizer=sparse",
        "the biases are penalised instead of the weights.": "kernel_regularizer -> bias_regularizer",
        "which layer has which penalty?": "sparse, small = L1(l1), L2(l2) -> small, sparse = L1(l1), L2(l2)",
        "L1 belongs to the first Dense layer only, L2 to the others.": "L1(l1), L2(l2) -> L1(l1), L1(l1)",
        "the penalty of the first Dense layer is a sum of absolute values, not of squares.": (
            "L1(l1), L2(l2) -> L2(l1), L2(l2)"
        ),
        "the first Dense layer has no L2 penalty.": "sparse, small = L1(l1) -> sparse, small = L1L2(l1, l2)",
        "there is a factor 1/2 too many.": "L2(l2) -> L2(l2 / 2)",
        "use the arguments: 0.01 is only Keras's default.": "L1(l1), L2(l2) -> L1(), L2()",
        "there is no dropout on the input here.": "(image)\n -> (Dropout(p)(image))\n",
        "dropout is missing after the hidden layers.": "Dropout(p)(x) -> x",
        "there are two hidden layers: dropout is missing after one of them.": (
            "Dropout(p)(x)\n    x = Dense(10 -> x\n    x = Dense(10"
        ),
        "dropped outputs would be missing answers: no dropout after the last layer.": (
            "(image, x) -> (image, Dropout(p)(x))"
        ),
        "Keras's Dropout takes the probability of dropping.": "Dropout(p) -> Dropout(1 - p)",
    },
)
def build_model(l1, l2, p):
    """Return a network 784-128-128-10 with L1, then L2 penalties on the weights, and dropout."""
    import keras
    from keras.layers import Dense, Dropout
    from keras.regularizers import L1, L1L2, L2  # noqa: F401 (the mistakes use L1L2)

    sparse, small = L1(l1), L2(l2)
    image = keras.Input((784,))
    x = Dense(128, activation="relu", kernel_regularizer=sparse)(image)
    x = Dropout(p)(x)
    x = Dense(128, activation="relu", kernel_regularizer=small)(x)
    x = Dropout(p)(x)
    x = Dense(10, activation="softmax", kernel_regularizer=small)(x)
    return keras.Model(image, x)


def _model(build_model):
    found = build_model(0.02, 0.03, 0.4)
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
