"""Checks of lab 03, backpropagation.

A batch has one sample a row. Weights and biases are dictionaries with the layer's number as
key: ``W[k]`` has shape (neurons of layer k, neurons of layer k − 1), ``b[k]`` (neurons of layer k,).
The notation is that of the lecture; the method is Rumelhart, Hinton & Williams (1986),
doi:10.1038/323533a0.
"""

import copy

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

rng = np.random.default_rng(3)


def tanh_prime(a):
    return 1 - np.tanh(a) ** 2


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def sigmoid_prime(a):
    return sigmoid(a) * (1 - sigmoid(a))


def compare_parts(of, names, case, call=""):
    """Add a case to exercise ``of`` for each part of its result, in dictionaries from the last layer on.

    So a hint is found although other parts have other mistakes. ``call`` tells the ``case`` in short.
    """
    call = call or f"{of.name}({', '.join(map(expect.brief, case))})"
    for name in _parts(of.reference(*case), names):

        def outcome(attempt, name=name):
            found = _parts(attempt(*copy.deepcopy(case)), names)
            hint = "is there one entry for each layer, with the layer's number as key?"
            expect.true(name in found, f"{call}: there is no {name}.", hint)
            return found[name]

        outcome.__doc__ = f"{call}: {name}"
        of.case(outcome)


def _parts(result, names):
    """Return the parts by name, dictionaries taken apart: ``{"f": ..., "grad_w[2]": ..., ...}``."""
    expect.true(result is not None, "It returns None.", "is the return statement missing?")
    expect.true(
        isinstance(result, (tuple, list)) and len(result) == len(names),
        f"Expected {len(names)} results ({', '.join(names)}), found {expect.brief(result)}.",
        "how many things does the docstring say it returns?",
    )
    parts = {}
    for name, value in zip(names, result, strict=True):
        if isinstance(value, dict):
            parts |= {f"{name}[{k}]": value[k] for k in sorted(value, reverse=True)}
        else:
            parts[name] = value
    return parts


# ---------------------------------------------------------------- 1. one-hot


@exercise(
    cases=[
        (np.array([1, 2, 0]), 3),
        (np.array([2, 0, 1, 2]), 3),
        (np.array([1, 0]), 4),
        (np.array([2, 3]), 5),
        (np.array([1]), 3),
    ],
    mistakes={
        "Classes count from 0: class 0 has its one in the first column.": "[labels] -> [labels - 1]",
        "A row has a single one, in the column of that row's own label.": (
            "np.eye(classes)[labels] -> np.isin(np.arange(classes), labels) + np.zeros((len(labels), 1))"
        ),
        "The number of columns is the argument `classes`: the last class need not occur in labels.": (
            "np.eye(classes) -> np.eye(labels.max() + 1)"
        ),
        "The number of columns is the argument `classes`; no class need occur in labels, not even 0.": (
            "[labels] -> [labels - labels.min()]"
        ),
        "Each label meets each class only if one of the two arrays is a column: look at the shapes.": (
            "np.eye(classes)[labels] -> (labels == np.arange(classes)).astype(float)"
        ),
        "It looks transposed: one row for each sample, one column for each class.": "[labels] -> [labels].T",
    },
)
def one_hot(labels, classes):
    """Return a row for each label, with a one in the column of that class: (m, classes)."""
    return np.eye(classes)[labels]


@one_hot.property
def numbers(one_hot):
    expect.true(
        expect.as_array(one_hot(np.array([1, 0]), 2)).dtype.kind != "b",
        "The array holds True and False.",
        "the docstring asks for numbers, which can be subtracted: convert the type.",
    )


# ---------------------------------------------------------------- 2. softmax

_SHIFT = "- a.max(axis=1, keepdims=True) -> "


@exercise(
    cases=[  # equal maxima in the first: there, what is subtracted makes no difference
        (np.array([[0.0, 1.0, 2.0], [2.0, 2.0, 1.0], [2.0, 0.0, -1.0]]),),
        (rng.standard_normal((2, 4)),),
        (np.array([[1, 2, 3]]),),
        (np.array([[1000.0, 999.0], [-1000.0, -1001.0]]),),
        (np.array([[1000.0, 0.0, -1000.0]]),),
        (np.array([[900.0, 899.0], [-3.0, -4.0], [0.0, -1.0]]),),
    ],
    mistakes={
        "The sum runs over the outputs of one sample: which axis is that?": "e.sum(axis=1 -> e.sum(axis=0",
        "The sum runs over the outputs of one sample, not over the whole batch.": (
            "e.sum(axis=1, keepdims=True) -> e.sum()"
        ),
        "The sums of the rows must stay a column to divide row by row: look at keepdims.": (
            "e.sum(axis=1, keepdims=True) -> e.sum(axis=1)"
        ),
        "Is the exponential of the numerator in the denominator too?": [_SHIFT, "e.sum -> a.sum"],
        "Where is the denominator?": "return e / e.sum(axis=1, keepdims=True) -> return np.exp(a)",
        "exp(1000) overflows. What can be subtracted from a row without changing its softmax?": _SHIFT,
        "Clipping changes the result: 1000 and 999 become equal. Subtract something instead.": (
            "a - a.max(axis=1, keepdims=True) -> np.clip(a, -500, 500)"
        ),
        "Each row needs its own shift; one for the whole batch makes other rows underflow.": (
            "a.max(axis=1, keepdims=True) -> a.max()"
        ),
    },
)
def softmax(a):
    """Return exp(a) / sum(exp(a)) for each row of a, shape (m, K), without overflow."""
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# ---------------------------------------------------------------- 3. penalised risk

TWO = {1: np.array([[1.0, -2.0], [0.0, 3.0]]), 2: np.array([[2.0, -1.0]])}
THREE = {k: rng.standard_normal((3, 3)) for k in (1, 2, 3)}
P = np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]])
F = softmax.reference(rng.standard_normal((5, 3)))
Y, SOFT_Y = np.eye(3)[[0, 2, 1, 1, 0]], softmax.reference(rng.standard_normal((5, 3)))
_LOGARITHMS = "-np.sum(y * np.log(f), axis=1)"


@exercise(
    cases=[
        (np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]]), TWO, "quadratic", 0, 0),
        (P, np.eye(3), TWO, "cross-entropy", 0, 0),
        (P, P, TWO, "quadratic", 2.0, 0.0),
        (F, Y, THREE, "cross-entropy", 0.02, 0.3),
        (F, SOFT_Y, THREE, "cross-entropy", 0.0, 0.1),
    ],
    mistakes={
        "Add up over the outputs, then take the mean over the samples alone.": (
            "(losses) -> (losses) / f.shape[1]"
        ),
        "The risk is the mean of the samples' losses, not their sum.": "np.mean -> np.sum",
        "The quadratic loss is a sum of squares: is each output squared?": "(y - f) ** 2 -> np.abs(y - f)",
        "The quadratic loss is the squared distance: is there a square root too many?": (
            "np.sum((y - f) ** 2, axis=1) -> np.linalg.norm(y - f, axis=1)"
        ),
        "There are two losses: is the argument `loss` used?": 'loss == "quadratic" -> True',
        "A logarithm of a probability is negative, a loss is not: look at the sign.": "-np.sum -> np.sum",
        "Add up the cross-entropy over the outputs, then take the mean over the samples alone.": (
            f"{_LOGARITHMS} -> -np.mean(y * np.log(f), axis=1)"
        ),
        "The cross-entropy is a mean over the samples too.": f"{_LOGARITHMS} -> -np.sum(y * np.log(f))",
        "With K classes the loss has one term only, of the class that is true.": (
            "y * np.log(f) -> y * np.log(f) + (1 - y) * np.log(1 - f)"
        ),
        "Whose logarithm is taken? Targets and outputs are exchanged.": "y * np.log(f) -> f * np.log(y)",
        "The targets of the cross-entropy need not be 0 and 1: each output counts by its own.": (
            f"{_LOGARITHMS} -> -np.log(f[np.arange(len(f)), y.argmax(axis=1)])"
        ),
        "Where are the penalties? Both weights, l2 and l1, can be different from 0.": " + penalty -> ",
        "The L2 penalty has the squared norm of each matrix.": "np.sum(w**2) -> np.linalg.norm(w)",
        "The penalty runs over all layers: is the last one the only one counted?": (
            "W.values() -> [W[len(W)]]"
        ),
        "The penalty runs over all layers: is the first one the only one counted?": "W.values() -> [W[1]]",
        "The penalty runs over all layers, however many there are.": "W.values() -> (W[1], W[2])",
        "The L1 penalty adds absolute values: positive and negative weights must not cancel.": (
            "np.abs(w) -> w"
        ),
        "Which of the two penalties has squares, L1 or L2?": (
            "l2 * squares + l1 * absolute -> l1 * squares + l2 * absolute"
        ),
        "The mean over the samples belongs to the losses; the penalty is added after it.": (
            "+ penalty -> + penalty / len(f)"
        ),
        "Some books write the L2 penalty with 1/2; this course does not.": "l2 * squares -> l2 / 2 * squares",
        "The L2 penalty is right. Where is the L1 penalty?": " + l1 * absolute -> ",
    },
)
def penalised_risk(f, y, W, loss, l2=0.0, l1=0.0):
    """Return the mean loss of a batch (loss: "quadratic" or "cross-entropy") plus the penalties of W."""
    losses = np.sum((y - f) ** 2, axis=1) if loss == "quadratic" else -np.sum(y * np.log(f), axis=1)
    squares = sum(np.sum(w**2) for w in W.values())
    absolute = sum(np.sum(np.abs(w)) for w in W.values())
    penalty = l2 * squares + l1 * absolute
    return np.mean(losses) + penalty


# ---------------------------------------------------------------- 4. a layer, forward

SQUARE = np.array([[1.0, 2.0], [0.0, -1.0]])  # here h @ W works too, and is wrong


@exercise(
    cases=[
        (np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 3.0]]), SQUARE, np.array([1.0, -1.0]), np.tanh),
        (rng.standard_normal((5, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2), sigmoid),
        (rng.standard_normal((1, 2)), rng.standard_normal((4, 2)), rng.standard_normal(4), np.tanh),
    ],
    mistakes={
        "Is W the right way round? Its columns belong to the neurons of the layer before.": "W.T -> W",
        "Where is the bias?": " + b -> ",
        "The bias is added before the activation.": [" + b -> ", "phi(a) -> phi(a) + b"],
        "In which order are the two results returned?": "return a, phi(a) -> return phi(a), a",
        "The activation acts on a, not on the layer's input.": [
            "h_previous @ -> phi(h_previous) @",
            "phi(a) -> a",
        ],
        "Is the activation applied to the second result?": "phi(a) -> a",
        "It looks transposed: one row for each sample.": (
            "h_previous @ W.T + b -> W @ h_previous.T + b[:, None]"
        ),
    },
)
def layer_forward(h_previous, W, b, phi):
    """Return a and h of one layer, both (m, neurons), from the h of the layer before."""
    a = h_previous @ W.T + b
    return a, phi(a)


@layer_forward.property
def one_call_for_the_batch(layer_forward):
    _expect_whole_batches(6, lambda phi: layer_forward(rng.standard_normal((6, 2)), SQUARE, np.ones(2), phi))


def _expect_whole_batches(samples, call):
    """Raise unless ``call(phi)`` gives the activation phi all samples at once, whenever it calls it."""
    shapes = []

    def phi(a):
        shapes.append(np.shape(a))
        return np.tanh(a)

    call(phi)
    expect.true(bool(shapes), "The activation phi is never called.", "is the argument phi used?")
    expect.true(
        all(len(shape) == 2 and shape[0] == samples for shape in shapes),
        f"The activation should get a whole batch of {samples} rows, it gets an array of shape {shapes[0]}.",
        "no loop over the samples is needed: one matrix product serves all rows.",
    )


# ---------------------------------------------------------------- 5. a layer, backward


@exercise(
    mistakes={
        "The gradient by W must have the shape of W; is the product transposed?": (
            "s.T @ h_previous -> h_previous.T @ s"
        ),
        "The risk is a mean over the samples: what does the gradient by W lack?": " / len(s) -> ",
        "The mean is over the m samples. By what do you divide?": "len(s) -> s.shape[1]",
        "The gradient by W is right. The gradient by b is a mean over the samples too.": "s.mean -> s.sum",
        "All samples share one bias: the gradient by b has one number for each neuron.": (
            "s.mean(axis=0) -> s"
        ),
        "The gradient by b is a mean over the samples, not over the neurons: look at the axis.": (
            "axis=0 -> axis=1"
        ),
        "Which index of W is summed over on the way back, the row's or the column's?": "s @ W -> s @ W.T",
        "g belongs to single samples: it has no mean in it.": "s @ W -> s @ W / len(s)",
    },
)
def layer_backward(s, h_previous, W):
    """Return the mean gradients by W and b, and dR_i / dh of the layer before, from s = dR_i / da."""
    return s.T @ h_previous / len(s), s.mean(axis=0), s @ W


for _case in (
    (
        np.array([[1.0, 2.0], [0.0, -1.0], [2.0, 1.0]]),
        np.array([[1.0, 0.0], [2.0, 1.0], [-1.0, 1.0]]),
        SQUARE,
    ),
    (rng.standard_normal((5, 2)), rng.standard_normal((5, 4)), rng.standard_normal((2, 4))),
    (rng.standard_normal((1, 2)), rng.standard_normal((1, 3)), rng.standard_normal((2, 3))),
):
    compare_parts(layer_backward, ("grad_w", "grad_b", "g"), _case)


# ---------------------------------------------------------------- 6. gradient check


def cubes(w):
    return float(np.sum(w**3))


def mixture(w):
    """Return a number in which the entries of w act on each other."""
    return float(np.sin(w.sum()) + np.sum(np.exp(w)))


@exercise(
    mistakes={
        "Central differences go one step up and one step down.": "at - shift)) / (2 * step) -> at)) / step",
        "The divisor fits central differences, but one of the two points is not moved.": "at - shift -> at",
        "How far apart are the two points? By that distance one divides.": "(2 * step) -> step",
        "Does the division by 2 * step lack its parentheses?": "(2 * step) -> 2 * step",
        "Move one entry at a time and leave all others where they are.": "[index] = step -> [...] = step",
        "The differences are right. The error must be relative to the size of the gradients.": (
            " / (norm(gradient) + norm(numeric)) -> "
        ),
        "The differences are right. In the error, divide by the sum of both norms.": "norm(gradient) + -> ",
        "The differences are right. The norm of a sum is not the sum of the norms.": (
            "norm(gradient) + norm(numeric) -> norm(gradient + numeric)"
        ),
        "The differences are right. The norm is a root of squares, not a sum of absolute values.": (
            "norm = np.linalg.norm -> norm = lambda a: np.abs(a).sum()"
        ),
        "The differences are right. The norm of a matrix, with a 2 behind it, is not that of its entries.": (
            "norm = np.linalg.norm -> norm = lambda a: np.linalg.norm(a, 2)"
        ),
    },
)
def gradient_check(function, at, gradient, step=1e-5):
    """Return the central differences of function at ``at``, and the relative error of gradient."""
    numeric = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        shift = np.zeros(at.shape)
        shift[index] = step
        numeric[index] = (function(at + shift) - function(at - shift)) / (2 * step)
    norm = np.linalg.norm
    return numeric, norm(gradient - numeric) / (norm(gradient) + norm(numeric))


_AT = np.array([[0.5, -1.0, 2.0], [1.5, 0.2, -0.7]])

for _case in (
    (cubes, np.array([1.0, -2.0]), np.array([3.0, 12.0]), 2.0),
    (cubes, _AT, 2 * _AT**2, 1e-3),
    (mixture, _AT, np.cos(_AT.sum()) + np.exp(_AT), 1e-4),
    (mixture, _AT, rng.standard_normal((2, 3)), 1e-4),
    (mixture, np.array([0.3]), np.array([-1.0]), 1e-2),
):
    compare_parts(gradient_check, ("numeric", "error"), _case)


# ---------------------------------------------------------------- 7. the whole network

PSI = {"identity": lambda a: a, "sigmoid": sigmoid, "softmax": softmax.reference}
PSI_PRIME = {"identity": np.ones_like, "sigmoid": sigmoid_prime}


@exercise(
    mistakes={
        "The last layer has its own activation psi, the hidden layers have phi.": (
            "(PSI[output] if k == last else phi)(a[k]) -> phi(a[k])"
        ),
        "The network's output is psi of the last a.": "f = h[last] -> f = a[last]",
        "The sign of delta is reversed: compare with its formula.": "s = f - y -> s = y - f",
        "The derivative of a square has a factor. Is it in delta?": "2 * s * PSI -> s * PSI",
        "With a sigmoid output, delta contains psi'.": "2 * s * PSI_PRIME[output](a[last]) -> 2 * s",
        "psi' is evaluated at a of the output layer, not at f.": (
            "PSI_PRIME[output](a[last]) -> PSI_PRIME[output](f)"
        ),
        "For softmax with cross-entropy the slope of psi is already in p - y.": (
            "s = f - y -> s = (f - y) * (f * (1 - f) if output == 'softmax' else 1)"
        ),
        "Softmax comes with the cross-entropy, not with the quadratic loss.": (
            "s = f - y -> s = (f - y) * (2 if output == 'softmax' else 1)"
        ),
        "The risk is a mean over the samples: what do the gradients lack?": [
            " / len(x) -> ",
            "s.mean -> s.sum",
        ],
        "What does the way back through a hidden layer's activation multiply by?": (
            "phi_prime(a[k - 1]) * -> "
        ),
        "phi' is evaluated at a, not at h = phi(a).": "phi_prime(a[k - 1]) -> phi_prime(h[k - 1])",
        "To reach layer k - 1, phi' takes the a of that layer, not of layer k.": "(a[k - 1]) -> (a[k])",
        "phi' is an argument: not every phi is tanh.": "phi_prime(a[k - 1]) -> tanh_prime(a[k - 1])",
        "The losses' gradients are right. Where are the gradients of the penalties?": (
            " + 2 * l2 * W[k] + l1 * np.sign(W[k]) -> "
        ),
        "Only the weights are penalised, the biases are not.": "s.mean(axis=0) -> s.mean(0) + 2 * l2 * b[k]",
        "The derivative of the L2 penalty: is there a factor missing?": "2 * l2 -> l2",
        "The derivative of an absolute value does not depend on how large the weight is.": (
            "np.sign(W[k]) -> W[k]"
        ),
    },
)
def backpropagation(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    """Return f(x) and the gradients of the penalised risk by each W[k] and each b[k]."""
    last, a, h = len(W), {}, {0: x}
    for k in W:
        a[k] = h[k - 1] @ W[k].T + b[k]
        h[k] = (PSI[output] if k == last else phi)(a[k])
    f = h[last]
    s = f - y
    if output != "softmax":
        s = 2 * s * PSI_PRIME[output](a[last])
    grad_w, grad_b = {}, {}
    for k in range(last, 0, -1):
        grad_w[k] = s.T @ h[k - 1] / len(x) + 2 * l2 * W[k] + l1 * np.sign(W[k])
        grad_b[k] = s.mean(axis=0)
        if k > 1:
            s = phi_prime(a[k - 1]) * (s @ W[k])
    return f, grad_w, grad_b


def random_network(sizes):
    """Return random weights and biases; ``sizes`` begins with the input."""
    W = {k: rng.standard_normal((sizes[k], sizes[k - 1])) for k in range(1, len(sizes))}
    return W, {k: rng.standard_normal(sizes[k]) for k in W}


X7, Y7, ONE_HOT7 = rng.standard_normal((5, 3)), rng.random((5, 2)), np.eye(2)[[0, 1, 1, 0, 1]]
SMALL, DEEP = random_network([3, 4, 2]), random_network([3, 4, 4, 4, 2])
TANH = (np.tanh, tanh_prime)
X1, Y1 = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0], [2.0]])
W1, B1 = {1: np.array([[1.0, -1.0]])}, {1: np.array([1.0])}
ONE_LAYER = f"x={expect.brief(X1)}, y={expect.brief(Y1)}, W={W1[1].tolist()}, b={B1[1].tolist()}"

for _case in (
    (X1, Y1, W1, B1, *TANH, "identity", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "identity", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "sigmoid", 0.0, 0.0),
    (X7, ONE_HOT7, *SMALL, *TANH, "softmax", 0.0, 0.0),
    (X7, Y7, *SMALL, np.sin, np.cos, "identity", 0.0, 0.0),
    (X7, ONE_HOT7, *DEEP, *TANH, "softmax", 0.0, 0.0),
    (X7, Y7, *SMALL, *TANH, "identity", 0.1, 0.0),
    (X7, Y7, *DEEP, *TANH, "sigmoid", 0.0, 0.1),
    (X7, ONE_HOT7, *SMALL, *TANH, "softmax", 0.02, 0.3),
):
    _x, _, _W, _, _phi, _, _output, _l2, _l1 = _case
    _sizes = "-".join(str(size) for size in [_x.shape[1], *(len(w) for w in _W.values())])
    _numbers = f", {ONE_LAYER}" if len(_W) == 1 else ""
    _call = f"a network {_sizes} with {_phi.__name__}, output={_output!r}, l2={_l2:g}, l1={_l1:g}{_numbers}"
    compare_parts(backpropagation, ("f", "grad_w", "grad_b"), _case, _call)


@backpropagation.property
def no_loop_over_samples(backpropagation):
    _expect_whole_batches(5, lambda phi: backpropagation(X7, Y7, *SMALL, phi, tanh_prime, "identity"))


# ---------------------------------------------------------------- 8. stochastic gradient descent


def slopes(x, y, W, b):
    """Return the gradients by W and b of a tanh network with a softmax output."""
    return backpropagation.reference(x, y, W, b, *TANH, "softmax")[1:]


def line_slopes(x, y, W, b):
    """Return those of one layer with the quadratic loss."""
    return backpropagation.reference(x, y, W, b, *TANH, "identity")[1:]


_START = "W, b = dict(W), dict(b) -> W0, b0, W, b = W, b, dict(W), dict(b)"


@exercise(
    mistakes={
        "The risk goes up: the step must go against the gradient.": "- rate -> + rate",
        "The gradient is already a mean over the batch: no second division.": "rate * -> rate / len(batch) *",
        "The weights move. Do the biases?": "b[k] - rate * grad_b[k] -> b[k]",
        "Compute all gradients first, then move: one was taken with layers already updated.": (
            "for k in W: -> for k in W:\n                grad_w, grad_b = gradient(x[batch], y[batch], W, b)"
        ),
        "Only one epoch is run: where does the return stand?": "range(epochs) -> range(1)",
        "Each step starts where the last one ended, not at the initial parameters.": [
            _START,
            "= W[k] - -> = W0[k] -",
            "= b[k] - -> = b0[k] -",
        ],
        "Each step needs a new gradient, at the parameters reached by then.": [
            _START,
            ", W, b) -> , W0, b0)",
        ],
    },
)
def sgd(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    """Return new W and b after some epochs of stochastic gradient descent."""
    rng = np.random.default_rng(seed)
    W, b = dict(W), dict(b)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            grad_w, grad_b = gradient(x[batch], y[batch], W, b)
            for k in W:
                W[k] = W[k] - rate * grad_w[k]
                b[k] = b[k] - rate * grad_b[k]
    return W, b


X8, Y8 = np.arange(20.0)[:, None] / 20, np.eye(2)[np.arange(20) % 2]
NETWORK8 = random_network([1, 3, 2])


def _batches(sgd, seed=0, epochs=4):
    """Return the samples that ``sgd`` takes, batch after batch, and the W and b that it returns."""
    seen = []

    def gradient(x, y, W, b):
        rows = np.rint(np.ravel(x) * 20).astype(int)
        expect.true(
            np.array_equal(y, Y8[rows]),
            "Samples and targets no longer belong together.",
            "x and y must be indexed by the same batch.",
        )
        seen.append(rows)
        return slopes(x, y, W, b)

    return seen, sgd(gradient, X8, Y8, *copy.deepcopy(NETWORK8), 0.1, epochs, 8, seed)


@sgd.property
def samples_keep_their_targets(sgd):
    _batches(sgd)


for _case in (  # the batch is the whole sample
    (line_slopes, X1, Y1, W1, B1, 2.0, 1, 2, 0),
    (slopes, X7, ONE_HOT7, *SMALL, 0.1, 1, 5, 0),
    (slopes, X7, ONE_HOT7, *SMALL, 0.1, 3, 5, 1),
    (slopes, X7, ONE_HOT7, *DEEP, 0.1, 2, 5, 0),
):
    _network = ONE_LAYER if _case[1] is X1 else f"{len(_case[3])} layers"
    _call = f"sgd on {_network}, rate={_case[5]:g}, epochs={_case[6]}, with the whole sample as batch"
    compare_parts(sgd, ("W", "b"), _case, _call)


@sgd.property
def sizes_of_batches(sgd):
    sizes = [len(rows) for rows in _batches(sgd)[0]]
    expect.true(
        max(sizes, default=0) <= 8,
        f"With batch_size=8 the gradient gets {max(sizes, default=0)} samples.",
        "cut the permutation into pieces of batch_size.",
    )
    expect.true(
        sizes != [8, 8] * 4,
        "20 samples in batches of 8 leave 4 samples; they are never used.",
        "the last batch of an epoch may be smaller.",
    )
    expect.true(
        len(sizes) == 12,
        f"20 samples in batches of 8 make 3 steps an epoch, 12 in 4 epochs; found {len(sizes)}.",
        "how many batches does one epoch have?",
    )


@sgd.property
def order_of_samples(sgd):
    seen, _ = _batches(sgd)
    epochs = [np.concatenate(seen[i : i + 3]).tolist() for i in range(0, 12, 3)]
    expect.true(
        all(sorted(epoch) == list(range(20)) for epoch in epochs),
        "In one epoch some samples are used twice and others never.",
        "draw without replacement: one permutation of all samples, then cut it.",
    )
    expect.true(
        epochs[0] != list(range(20)),
        "The samples come in the order of the data.",
        "a batch is random: shuffle.",
    )
    expect.true(
        any(epoch != epochs[0] for epoch in epochs[1:]),
        "Every epoch has the same batches.",
        "where is the permutation drawn, and where is the generator made?",
    )
    again, other = (np.concatenate(_batches(sgd, seed, 1)[0]).tolist() for seed in (0, 1))
    expect.true(
        again == epochs[0] and other != epochs[0],
        "The batches of the same seed differ, or those of two seeds are the same.",
        "the generator that is made in the first line, from seed, gives all random numbers.",
    )


@sgd.property
def a_step_for_each_batch(sgd):
    seen, found = _batches(sgd)
    right = NETWORK8
    for rows in seen:
        steps = slopes(X8[rows], Y8[rows], *right)
        right = [{k: at[k] - 0.1 * step[k] for k in at} for at, step in zip(right, steps, strict=True)]
    hint = "each batch makes its own step, with the gradient at the parameters that the last one reached."
    expect.close(found, right, "(W, b) after four epochs in batches", hint)
