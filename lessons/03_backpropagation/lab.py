# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.2, cpu: 0.2}
# ---

# %% [markdown]
# # Lab: backpropagation
#
# You write a neural network library in NumPy: one-hot targets, softmax, the risk, one layer forward and
# backward, a gradient check, the whole network, and stochastic gradient descent. At the end your own
# functions read digits.
#
# Read [the lecture](../notebooks/03_backpropagation.ipynb) first; the formulas are explained there. After
# each exercise a check answers in one line. If your function is not right yet, the notebook goes on with the
# course's own version, so you can continue and come back later.
#
# **You need:** NumPy arrays, `@`, `axis=` and `keepdims=`, loops over dictionaries. Lessons 01 and 02.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import backpropagation as check

budget = runtime.setup(seed=1, keras=False)
# %%
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## Conventions
#
# - A batch has one sample in each **row**: `x` has shape $(m, d)$.
# - Weights and biases are dictionaries with the number of the layer as key: `W[k]` has shape (neurons of
#   layer $k$, neurons of layer $k - 1$), `b[k]` has shape (neurons of layer $k$,). The layers are $1, \dots,
#   L + 1$; the last one is the output.
# - In `layer_forward` and `backpropagation` there is **no loop over samples**; elsewhere, try to do without.
#   A loop over layers, or over batches, is all right.
#
# These functions are given.


# %%
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def sigmoid_prime(a):
    return sigmoid(a) * (1 - sigmoid(a))


def tanh_prime(a):
    return 1 - np.tanh(a) ** 2


def initialise(sizes, seed):
    """Return random W and zero b for layers of these sizes, the input first."""
    rng = np.random.default_rng(seed)
    W = {
        k: rng.standard_normal((sizes[k], sizes[k - 1])) / np.sqrt(sizes[k - 1]) for k in range(1, len(sizes))
    }
    return W, {k: np.zeros(sizes[k]) for k in W}


# %% [markdown]
# ## 1. One-hot
#
# Turn labels $0, \dots, K - 1$, an integer array of shape $(m,)$, into an array of shape $(m, K)$: row $i$
# has a 1 in column `labels[i]` and 0 elsewhere. The result holds numbers, not True and False.
#
# <details><summary>Hint</summary>
#
# Two ways. Compare a column of labels with a row of the class numbers; or index the rows of an identity
# matrix (`np.eye`) with the labels.
#
# </details>


# %% exercise="one_hot"
def one_hot(labels, classes):
    """Return a row for each label, with a 1 in the column of that class.

    labels: integers of shape (m,).   classes: the number of classes K.   Returns shape (m, K).
    """
    ### BEGIN SOLUTION
    return np.eye(classes)[labels]
    ### END SOLUTION


# %% check="one_hot" points=1
one_hot = check.one_hot(one_hot)

# %% [markdown]
# ## 2. Softmax
#
# For each row of `a`, shape $(m, K)$:
#
# $$\text{softmax}(a)_i = \frac{\exp(a_i)}{\sum_j \exp(a_j)}$$
#
# It must also be right where an entry of `a` is 1000 or -1000. `np.exp(1000)` is `inf`.
#
# <details><summary>Hint</summary>
#
# Show on paper that the softmax of $a - c$ is the softmax of $a$, for any number $c$. Which $c$ makes every
# exponent $\le 0$, and one of them 0? Each row needs its own. `keepdims=True` keeps a column a column.
#
# </details>


# %% exercise="softmax"
def softmax(a):
    """Return the softmax of each row of a, shape (m, K), without overflow."""
    ### BEGIN SOLUTION
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% check="softmax" points=1
softmax = check.softmax(softmax)

# %% [markdown]
# ## 3. The penalised risk
#
# $$L_n = \frac1m \sum_{i=1}^m \ell(f_i, y_i) + \lambda_2 \sum_k \|W^{(k)}\|_F^2 + \lambda_1 \sum_k \sum_{i,j}
# |W^{(k)}_{i,j}|$$
#
# with one of two losses:
#
# - `"quadratic"`: $\ell(f, y) = \sum_j (y_j - f_j)^2$
# - `"cross-entropy"`: $\ell(f, y) = -\sum_j y_j \log f_j$
#
# `f` and `y` have shape $(m, K)$; the targets need not be 0 and 1. `l2` is $\lambda_2$ and `l1` is
# $\lambda_1$. The result is one number.
#
# <details><summary>Hint</summary>
#
# First one loss for each sample, a sum along `axis=1`; then their mean; then the penalties, summed over all
# matrices of `W`.
#
# </details>


# %% exercise="penalised_risk"
def penalised_risk(f, y, W, loss, l2=0.0, l1=0.0):
    """Return the mean loss of a batch plus the penalties of the weights.

    f, y: outputs and targets, shape (m, K).   W: dictionary of matrices.
    loss: "quadratic" or "cross-entropy".      Returns one number.
    """
    ### BEGIN SOLUTION
    losses = ((y - f) ** 2).sum(axis=1) if loss == "quadratic" else -(y * np.log(f)).sum(axis=1)
    penalty = sum(l2 * np.sum(W[k] ** 2) + l1 * np.sum(np.abs(W[k])) for k in W)
    return losses.mean() + penalty
    ### END SOLUTION


# %% check="penalised_risk" points=2
penalised_risk = check.penalised_risk(penalised_risk)

# %% [markdown] question="which-loss" points=2
# **Question.** A classifier is to make few errors. (a) Why does nobody minimise the share of errors by
# gradient descent? (b) One output neuron with a sigmoid is sure and wrong: $a = -8$, $f \approx 0.0003$, $y =
# 1$. Compute $\delta$ for the quadratic loss and for the cross-entropy. What follows for learning?
#
# <!-- BEGIN SOLUTION -->
# (a) As a function of the parameters the share of errors is a staircase: its derivative is zero wherever it
# exists, so the gradient says nothing about the direction to take. (b) Quadratic loss: $\delta = -2(y -
# f)\psi'(a) \approx -2 \cdot 1 \cdot 0.000335 \approx -0.00067$. Cross-entropy: $\delta = f - y \approx
# -0.9997$. With the quadratic loss the saturated sigmoid lets almost nothing through, and the network stays
# wrong; with the cross-entropy $\psi'$ cancels and the correction is as strong as it can be.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 4. One layer, forward
#
# In the lecture's notation, for one sample: $a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)}$ and $h^{(k)} =
# \phi(a^{(k)})$. Write this for a batch, where each sample is a row. Return $a$ **and** $h$, in this order:
# the way back needs both.
#
# <details><summary>Hint</summary>
#
# Write down the shapes: `h_previous` $(m, n_{k-1})$, `W` $(n_k, n_{k-1})$, result $(m, n_k)$. There is only
# one product that fits.
#
# </details>


# %% exercise="layer_forward"
def layer_forward(h_previous, W, b, phi):
    """Return a and h = phi(a) of one layer, both of shape (m, neurons).

    h_previous: shape (m, neurons before).   W: (neurons, neurons before).   b: (neurons,).
    phi: a function of an array.
    """
    ### BEGIN SOLUTION
    a = h_previous @ W.T + b
    return a, phi(a)
    ### END SOLUTION


# %% check="layer_forward" points=1
layer_forward = check.layer_forward(layer_forward)

# %% [markdown]
# ## 5. One layer, backward
#
# Suppose that $s_{i,m} = \partial R_i / \partial a^{(k)}_m$ is known for each sample $i$ and each neuron $m$
# of layer $k$. Three things follow:
#
# $$\nabla_{W^{(k)}} = \frac1m \sum_i s_i\, {h^{(k-1)}_i}^T \qquad
# \nabla_{b^{(k)}} = \frac1m \sum_i s_i \qquad
# g_{i,l} = \frac{\partial R_i}{\partial h^{(k-1)}_l} = \sum_m W^{(k)}_{m,l}\, s_{i,m}$$
#
# The first two are means over the batch, because the risk is a mean. The third still belongs to single
# samples.
#
# <details><summary>Hint</summary>
#
# The gradient by an array has the shape of that array. Write down the shapes of `s` and `h_previous`, and
# find the product that gives the shape of `W`. Then the same for the shape of `h_previous`.
#
# </details>


# %% exercise="layer_backward"
def layer_backward(s, h_previous, W):
    """Return (grad_w, grad_b, g): the mean gradients by W and b, and dR_i / dh_previous.

    s: dR_i / da of this layer, shape (m, neurons).
    Returns shapes (neurons, neurons before), (neurons,) and (m, neurons before).
    """
    ### BEGIN SOLUTION
    grad_w = s.T @ h_previous / len(s)
    grad_b = s.mean(axis=0)
    return grad_w, grad_b, s @ W
    ### END SOLUTION


# %% check="layer_backward" points=2
layer_backward = check.layer_backward(layer_backward)

# %% [markdown]
# ## 6. The gradient check
#
# Before you build a network from your layers, build the tool that tells whether a gradient is right. For each
# entry of an array $w$ in turn,
#
# $$n_j = \frac{F(w + \varepsilon e_j) - F(w - \varepsilon e_j)}{2 \varepsilon} \qquad
# \text{error} = \frac{\|g - n\|}{\|g\| + \|n\|}$$
#
# where $e_j$ is 1 at entry $j$ and 0 elsewhere, and $g$ is the gradient to be checked.
#
# <details><summary>Hint</summary>
#
# `np.ndindex(at.shape)` runs over the indices of an array of any shape. Copy `at` before you change it.
# `np.linalg.norm` is the norm of a vector or a matrix.
#
# </details>


# %% exercise="gradient_check"
def gradient_check(function, at, gradient, step=1e-5):
    """Return (numeric, error): the central differences of function at `at`, and the error of gradient.

    function: maps an array of the shape of `at` to one number.   gradient: shape of `at`.
    """
    ### BEGIN SOLUTION
    numeric = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        shift = np.zeros(at.shape)
        shift[index] = step
        numeric[index] = (function(at + shift) - function(at - shift)) / (2 * step)
    error = np.linalg.norm(gradient - numeric) / (np.linalg.norm(gradient) + np.linalg.norm(numeric))
    return numeric, error
    ### END SOLUTION


# %% check="gradient_check" points=2
gradient_check = check.gradient_check(gradient_check)

# %% [markdown]
# Use it at once, on the layer of exercise 5: a layer without activation and the quadratic loss, so $s = 2(a -
# y)$.

# %%
rng = np.random.default_rng(0)
h, W1, y = rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal((6, 3))
grad_w, _, _ = layer_backward(2 * (h @ W1.T - y), h, W1)
_, error = gradient_check(lambda w: penalised_risk(h @ w.T, y, {1: w}, "quadratic"), W1, grad_w)
print(f"relative error of the layer's gradient: {error:.1e}")

# %% [markdown]
# ## 7. The whole network
#
# Now both passes, for any number of layers. `output` names the last activation $\psi$ and, with it, the loss:
#
# | `output` | $\psi$ | loss | $\delta$ |
# | --- | --- | --- | --- |
# | `"identity"` | $a$ | quadratic | $-2(y - f)$ |
# | `"sigmoid"` | sigmoid | quadratic | $-2(y - f)\,\psi'(a)$ |
# | `"softmax"` | softmax | cross-entropy | $f - y$ |
#
# 1. **Forward.** Start with $h^{(0)} = x$; store $a^{(k)}$ and $h^{(k)}$ of each layer. The last layer has
#    $\psi$.
# 2. **Backward.** Start with $s = \delta$ at the last layer. At each layer take the gradients; then
#    $s^{(k-1)} = \phi'(a^{(k-1)}) \odot g$, with $g$ from `layer_backward`, leads to the layer before.
# 3. **Penalty.** Add $2 \lambda_2 W^{(k)} + \lambda_1\, \text{sign}(W^{(k)})$ to the gradient of the weights.
#    The biases are not penalised.
#
# <details><summary>Hint: how to store</summary>
#
# Use dictionaries as in the lecture: `h = {0: x}`, and then `a[k]` and `h[k]` for each `k` in `W`.
# `reversed(W)` runs over the layers from the last to the first.
#
# </details>
#
# <details><summary>Hint: it is wrong, and where?</summary>
#
# Try a network with a single layer first: then there is only $\delta$. If that is right and two layers are
# not, look at the step from $g$ to $s$. If two layers are right and four are not, look at which `k` you use
# there.
#
# </details>

# %%
PSI = {"identity": lambda a: a, "sigmoid": sigmoid, "softmax": softmax}
PSI_PRIME = {"identity": np.ones_like, "sigmoid": sigmoid_prime}


# %% exercise="backpropagation"
def backpropagation(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    """Return (f, grad_w, grad_b): the outputs f(x), and the gradients of the penalised risk.

    x: shape (m, d).   y: shape (m, K).   phi, phi_prime: activation of the hidden layers.
    Returns f of shape (m, K), and two dictionaries: grad_w[k] has the shape of W[k], grad_b[k] that of b[k].
    """
    ### BEGIN SOLUTION
    last = len(W)
    a, h = {}, {0: x}
    for k in W:
        a[k], h[k] = layer_forward(h[k - 1], W[k], b[k], PSI[output] if k == last else phi)
    s = h[last] - y if output == "softmax" else -2 * (y - h[last]) * PSI_PRIME[output](a[last])
    grad_w, grad_b = {}, {}
    for k in reversed(W):
        grad_w[k], grad_b[k], g = layer_backward(s, h[k - 1], W[k])
        grad_w[k] = grad_w[k] + 2 * l2 * W[k] + l1 * np.sign(W[k])
        if k > 1:
            s = phi_prime(a[k - 1]) * g
    return h[last], grad_w, grad_b
    ### END SOLUTION


# %% check="backpropagation" points=4
backpropagation = check.backpropagation(backpropagation)

# %% [markdown]
# All your functions together: the gradient of the first layer, which comes at the end of the backward pass,
# of a network with three hidden layers, against your central differences of your risk.

# %%
W, b = initialise([4, 6, 5, 5, 3], seed=2)
x, y = rng.standard_normal((8, 4)), one_hot(np.arange(8) % 3, 3)
LOSS = {"identity": "quadratic", "sigmoid": "quadratic", "softmax": "cross-entropy"}


def risk(w, output):
    """Return the penalised risk with w in place of W[1]."""
    f, _, _ = backpropagation(x, y, {**W, 1: w}, b, np.tanh, tanh_prime, output)
    return penalised_risk(f, y, {**W, 1: w}, LOSS[output], l2=0.01, l1=0.01)


errors = []
for output in LOSS:
    _, grad_w, _ = backpropagation(x, y, W, b, np.tanh, tanh_prime, output, l2=0.01, l1=0.01)
    errors.append(gradient_check(lambda w, output=output: risk(w, output), W[1], grad_w[1])[1])
    print(f"{output:8} relative error {errors[-1]:.1e}")
runtime.result("lab_gradient_relative_error", max(errors), at_most=1e-6)

# %% [markdown] question="cost-of-a-gradient" points=2
# **Question.** A network has $N$ weights and biases. (a) How many forward passes do central differences need
# for one gradient, and how much work is backpropagation, counted in forward passes? (b) Backpropagation
# stores all $a^{(k)}$ and $h^{(k)}$: why, and how does this memory grow with the size of the batch and the
# number of layers? (c) Why does anyone still use finite differences?
#
# <!-- BEGIN SOLUTION -->
# (a) Two for each parameter, $2N$; backpropagation costs about two to three forward passes in all: one
# forward pass, and a backward pass with up to two products for each layer in place of one. (b) The gradient
# of $W^{(k)}$ contains $h^{(k-1)}$, and $s^{(k-1)}$ contains $\phi'(a^{(k-1)})$. The memory is proportional
# to the size of the batch and to the total number of neurons, hence to the number of layers of equal width.
# (c) To test: they use nothing but the risk, so a mistake in the derivation or the code of the gradient
# shows. A small network and a few entries are enough.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 8. Stochastic gradient descent
#
# Repeat for each **epoch**: shuffle the samples, cut them into batches of `batch_size` (the last one may be
# smaller), and for each batch $B$ make one step
#
# $$W^{(k)} \leftarrow W^{(k)} - \varepsilon\, \nabla_{W^{(k)}} \qquad
# b^{(k)} \leftarrow b^{(k)} - \varepsilon\,
# \nabla_{b^{(k)}} \qquad\text{for all } k$$
#
# with gradients from `gradient(x_batch, y_batch, W, b)`, which returns the two dictionaries. Return **new**
# dictionaries; the `W` and `b` that were given stay as they are. All random numbers come from `rng`.
#
# <details><summary>Hint</summary>
#
# `rng.permutation(n)` gives the indices $0, \dots, n - 1$ in random order; a slice of it is a batch. Beware
# of `-=`: it changes an array in place, also when another dictionary holds the same array.
#
# </details>


# %% exercise="sgd"
def sgd(gradient, x, y, W, b, rate, epochs, batch_size, seed=0):
    """Return new (W, b) after some epochs of stochastic gradient descent.

    gradient: function (x_batch, y_batch, W, b) -> (grad_w, grad_b).   rate: the learning rate.
    """
    rng = np.random.default_rng(seed)
    ### BEGIN SOLUTION
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start : start + batch_size]
            grad_w, grad_b = gradient(x[batch], y[batch], W, b)
            W = {k: W[k] - rate * grad_w[k] for k in W}
            b = {k: b[k] - rate * grad_b[k] for k in b}
    return W, b
    ### END SOLUTION


# %% check="sgd" points=3
sgd = check.sgd(sgd)

# %% [markdown]
# ## Your network reads digits
#
# Everything below is done by your functions: a network 64-64-32-10 with tanh, softmax and cross-entropy, on
# scikit-learn's digits.

# %%
digits = data.digits()
x_train, x_test = (images.reshape(len(images), 64) / 16 for images in (digits.x_train, digits.x_test))
y_train, y_test = one_hot(digits.y_train, 10), one_hot(digits.y_test, 10)
print("x_train", x_train.shape, "y_train", y_train.shape)


# %%
def digits_gradient(x, y, W, b):
    _, grad_w, grad_b = backpropagation(x, y, W, b, np.tanh, tanh_prime, "softmax", l2=3e-4)
    return grad_w, grad_b


def accuracy(x, labels, W, b):
    f, _, _ = backpropagation(x, one_hot(labels, 10), W, b, np.tanh, tanh_prime, "softmax")
    return np.mean(f.argmax(axis=1) == labels)


# %%
W, b = initialise([64, 64, 32, 10], seed=0)
epochs = np.arange(1, budget.pick(smoke=21, cpu=61))
train_accuracy, test_accuracy = [], []
for epoch in epochs:
    W, b = sgd(digits_gradient, x_train, y_train, W, b, rate=0.2, epochs=1, batch_size=32, seed=epoch)
    train_accuracy.append(accuracy(x_train, digits.y_train, W, b))
    test_accuracy.append(accuracy(x_test, digits.y_test, W, b))
runtime.result("lab_digits_test_accuracy", test_accuracy[-1], at_least=0.97)

# %%
plt.plot(epochs, train_accuracy, "-", label="training")
plt.plot(epochs, test_accuracy, "--", label="test")
plt.xlabel("epoch")
plt.ylabel("accuracy")
plt.ylim(0.8, 1.005)
plt.legend(loc="lower right")
plots.show(
    "Accuracy over the epochs: the training curve comes close to 1, the test curve stays a little below."
)

# %% [markdown]
# The training accuracy comes close to 1, the test accuracy does not. Lesson 04 is about this gap.
#
# Which test images does it get wrong? Look at them: would you have known?

# %%
f, _, _ = backpropagation(x_test, y_test, W, b, np.tanh, tanh_prime, "softmax")
wrong = np.flatnonzero(f.argmax(axis=1) != digits.y_test)[:8]
titles = [f"{digits.y_test[i]}, not {f[i].argmax()}" for i in wrong]
plots.image_grid(digits.x_test[wrong], titles, columns=8, scale=1.1)
plots.show("Some misread digits; each title gives the true class and the class that the network answered.")

# %% [markdown]
# ## Going further
#
# No checks here; `gradient_check` is your judge.
#
# 1. **Vanishing gradients.** Build networks with 10 hidden layers of 64 neurons with `initialise` and draw
#    the norm of `grad_w[k]` against $k$, for sigmoid, tanh and ReLU ($\phi'(a) = 1$ if $a > 0$, else 0).
#    Where is tanh, and why? Then multiply all weights by 0.5, and by 2.
# 2. **Momentum.** Keep a velocity for each parameter, $v \leftarrow 0.9\, v - \varepsilon \nabla$, and add
#    $v$ to the parameter. How many epochs does the digits network need for 97 % now?
# 3. **Sparse weights.** Train with `l1=1e-3` in place of `l2`. How many weights of `W[1]` are smaller than
#    0.001 in absolute value? Draw the rows of `W[1]` as images of 8×8.
# 4. **Batch normalisation by hand.** $\hat a = (a - \mu) / \sqrt{\sigma^2 + 10^{-5}}$ with mean and variance
#    of each column over the batch. Derive $\partial R / \partial a$ from $\partial R / \partial \hat a$ (mind
#    that $\mu$ and $\sigma$ depend on $a$ too: a sample now acts on all others) and let `gradient_check`
#    judge it. (Ioffe & Szegedy, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167))
#
# ## Summary
#
# You wrote a layer that goes forward and backward, and chained it. Automatic differentiation, as in Keras,
# does exactly this: for each operation it knows the way forward and the way back. Back to [the
# lecture](../notebooks/03_backpropagation.ipynb).
#
# Reference: D. Rumelhart, G. Hinton, R. Williams (1986). Learning representations by back-propagating errors.
# *Nature* 323, 533-536. [doi:10.1038/323533a0](https://doi.org/10.1038/323533a0)
