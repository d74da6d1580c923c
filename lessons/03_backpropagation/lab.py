# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.2, cpu: 0.2}
# ---

# %% [markdown]
# # Lab: backpropagation
#
# The lecture sent the gradient back through plain layers. Here you go one step further: targets that are not
# quite sure, samples with weights, layers with a **shortcut**, a matrix that is used twice, and back to the
# pixels themselves. At the end your network reads digits, and you find out how little has to change in a
# digit until it reads another one.
#
# Read [the lecture](../notebooks/03_backpropagation.ipynb) first; the symbols are those of the table of
# [notation](../notebooks/01_neurons.ipynb#Notation).
#
# **You need:** NumPy arrays, `@`, `axis=` and `keepdims=`, loops over dictionaries, paper and pencil. Lessons
# 01 and 02. About two and a half hours; exercises 2, 5 and 6 are the longest.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import backpropagation as check

budget = runtime.setup(seed=1, keras=False)
# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import log_softmax, softmax

# %% [markdown]
# ## Conventions
#
# - A batch has one sample in each **row**: `x` has shape $(m, d)$.
# - Weights and biases are dictionaries with the number of the layer as key: `W[k]` has shape (neurons of
#   layer $k$, neurons of layer $k - 1$), `b[k]` has shape (neurons of layer $k$,).
# - One thing is **other than in the lecture**. There, $\delta$ and $s$ were derivatives of the loss $R_i$ of
#   one sample, and the mean came later. Here $R$ is the risk of the whole batch, and everything that goes
#   back is a derivative of $R$. The mean is in it from the first step, so the layers only *add up*.
#
# SciPy's `softmax(a, axis=1)` and `log_softmax(a, axis=1)` give the softmax of each row and its logarithm,
# without overflow. These activations are given; a **leaky ReLU** lets a tenth of the negative half through.


# %%
def leaky(a):
    return np.where(a > 0, a, 0.1 * a)


def leaky_prime(a):
    return np.where(a > 0, 1.0, 0.1)


def tanh_prime(a):
    return 1 - np.tanh(a) ** 2


# %% [markdown]
# ## 1. Targets that are not quite sure
#
# A one-hot target asks for the probability 1. No finite $a$ reaches it, so the weights grow and grow. **Label
# smoothing** (Szegedy et al., 2016) takes the share $\alpha$ of the probability away from the true class and
# divides it among **all** $K$ classes, the true one included:
#
# $$y_{i,c} = (1 - \alpha)\, \mathbb{1}_{c = \text{label}_i} + \frac{\alpha}{K}$$
#
# Labels are integers $0, \dots, K - 1$, in an array of shape $(m,)$. Not every class need occur.
#
# <details><summary>Hint</summary>
#
# The lecture has two of the three things that you need: one-hot rows, and that a number is added to every
# entry of an array. What is the sum of a row?
#
# </details>


# %% exercise="smooth_targets"
def smooth_targets(labels, classes, alpha):
    """Return the smoothed targets: one row for each label.

    labels: integers of shape (m,).   classes: the number of classes K.   Returns shape (m, K).
    """
    ### BEGIN SOLUTION
    return (1 - alpha) * np.eye(classes)[labels] + alpha / classes
    ### END SOLUTION


# %% check="smooth_targets" points=1
smooth_targets = check.smooth_targets(smooth_targets)

# %% [markdown]
# ## 2. Derive it: the slope of a weighted cross-entropy
#
# Some samples are worth more than others: a rare class, or a doctor's label beside a guess. Sample $i$ gets
# the weight $v_i \ge 0$. And a row of targets need not sum to 1: two true classes may both have a 1, an
# unlabelled sample has a row of zeros. The risk of a batch with last sums $a_{i,c}$ is
#
# $$R = \frac{\sum_i v_i\, \ell_i}{\sum_i v_i} \qquad \ell_i = -\sum_c y_{i,c} \log p_{i,c} \qquad
# p_i = \text{softmax}(a_i)$$
#
# The lecture found $\partial \ell_i / \partial a_{i,c} = p_{i,c} - y_{i,c}$, and at one place its derivation
# used that $y$ is one-hot. On paper: go through it again without that, and then find
# $\partial R / \partial a_{i,c}$. Return $R$ and the array of these slopes. Both must be right and finite,
# also where $a$ is 1000 or −1000.
#
# <details><summary>Hint: the derivation</summary>
#
# $\partial \log p_j / \partial a_c = \mathbb{1}_{j=c} - p_c$ holds for every softmax. Multiply by $-y_j$ and
# add up over $j$, as in section 6 of the lecture. Which sum is left?
#
# </details>
#
# <details><summary>Hint: the shapes</summary>
#
# `v` has one number for each row. To multiply the rows of an array it must be a column: `v[:, None]`.
#
# </details>


# %% exercise="weighted_risk"
def weighted_risk(a, y, v):
    """Return (R, slopes): the weighted risk, one number, and dR / da of shape (m, K).

    a, y: shape (m, K).   v: the weights of the samples, shape (m,), not all 0.
    """
    ### BEGIN SOLUTION
    share = v[:, None] / v.sum()
    risk = -np.sum(share * y * log_softmax(a, axis=1))
    return risk, share * (y.sum(axis=1, keepdims=True) * softmax(a, axis=1) - y)
    ### END SOLUTION


# %% check="weighted_risk" points=3
weighted_risk = check.weighted_risk(weighted_risk)

# %% [markdown]
# ## 3. A check for any number of parameters
#
# The lecture's check moves one entry at a time: two risks for each of them. A network with 100,000 weights
# needs something quicker. Move **all** parameters at once, along one direction $u$:
#
# $$\frac{R(\theta + t u) - R(\theta - t u)}{2 t} \approx \langle \nabla R, u \rangle$$
#
# The right side is the sum of (slope times direction) over all entries of all arrays. `at`, `gradient` and
# `direction` are dictionaries with the same keys and shapes; `function` takes a dictionary like `at` and
# returns one number. Return the right side and the left side, in this order, and call `function` twice.
#
# <details><summary>Hint</summary>
#
# Make two new dictionaries, each in one line: `{k: ... for k in at}`. The arrays in `at` stay as they are.
#
# </details>


# %% exercise="directional_check"
def directional_check(function, at, gradient, direction, step=1e-5):
    """Return (exact, numeric): two slopes of function along direction, by gradient and by differences."""
    ### BEGIN SOLUTION
    exact = sum(np.sum(gradient[k] * direction[k]) for k in at)
    ahead = {k: at[k] + step * direction[k] for k in at}
    behind = {k: at[k] - step * direction[k] for k in at}
    return exact, (function(ahead) - function(behind)) / (2 * step)
    ### END SOLUTION


# %% check="directional_check" points=2
directional_check = check.directional_check(directional_check)

# %% [markdown]
# `error_along` takes a random direction. With `only` it moves one of the arrays alone, which tells in *which*
# one a mistake is. We use it at once, on exercise 2.


# %%
def error_along(function, at, gradient, only=None, seed=0):
    """Return the relative error of the gradient along a random direction."""
    rng = np.random.default_rng(seed)
    u = {k: rng.standard_normal(at[k].shape) * (only in (None, k)) for k in at}
    exact, numeric = directional_check(function, at, gradient, u)
    return abs(exact - numeric) / (abs(exact) + abs(numeric))


# %%
rng = np.random.default_rng(0)
a, v = rng.standard_normal((6, 3)), np.array([1.0, 2.0, 1.0, 0.0, 0.5, 3.0])
y = smooth_targets(np.array([2, 0, 1, 1, 2, 0]), 3, 0.1)
_, slopes = weighted_risk(a, y, v)
error = error_along(lambda at: weighted_risk(at["a"], y, v)[0], {"a": a}, {"a": slopes})
print(f"relative error of the slopes of exercise 2: {error:.1e}")

# %% [markdown]
# ## 4. Derive it: a layer with a shortcut
#
# A **residual block** (He et al., 2016) adds its input to its output. For a batch:
#
# $$A = H W^T + b \qquad H' = H + \phi(A)$$
#
# $W$ is square, so that the sum fits. Given is $G' = \partial R / \partial H'$, of the shape of $H'$. From an
# entry of $H$ **two paths** lead to $R$. On paper: follow both, as in section 4 of the lecture. Return
# $\partial R / \partial W$, $\partial R / \partial b$ and $\partial R / \partial H$.
#
# <details><summary>Hint</summary>
#
# First $\partial R / \partial A$: only one of the two paths passes through $A$. From there to $W$ and $b$ it
# is as in the lecture, but for the mean (see *Conventions*).
#
# </details>


# %% exercise="residual_backward"
def residual_backward(g, a, h, W, phi_prime):
    """Return (dR/dW, dR/db, dR/dH) of the layer H' = H + phi(A), A = H W^T + b.

    g: dR/dH' (m, q).   a, h: the stored A and H (m, q).   W: (q, q).   phi_prime: a function of an array.
    """
    ### BEGIN SOLUTION
    s = phi_prime(a) * g
    return s.T @ h, s.sum(axis=0), g + s @ W
    ### END SOLUTION


# %% check="residual_backward" points=3
residual_backward = check.residual_backward(residual_backward)

# %% [markdown]
# What is the shortcut good for? Here is a gradient of length 1 on its way back through 30 layers of 32 tanh
# neurons with small random weights. **Before you run the next cell, what do you expect?** Without the
# shortcuts, and with them?

# %%
lengths = {"without shortcuts": [], "with shortcuts": []}
for name, shortcut in (("without shortcuts", 0), ("with shortcuts", 1)):
    rng = np.random.default_rng(1)
    h, stored = rng.standard_normal((50, 32)), []
    for _ in range(30):
        W = 0.5 * rng.standard_normal((32, 32)) / np.sqrt(32)
        stored.append((h @ W.T, h, W))
        h = shortcut * h + np.tanh(h @ W.T)
    g = np.ones_like(h) / np.sqrt(h.size)
    for a, before, W in reversed(stored):
        lengths[name].append(np.linalg.norm(g))
        g = residual_backward(g, a, before, W, tanh_prime)[2] if shortcut else (tanh_prime(a) * g) @ W

# %%
assert lengths["with shortcuts"][-1] > 1
for (name, values), line in zip(lengths.items(), ("--o", "-s"), strict=True):
    plt.semilogy(range(30, 0, -1), values, line, markersize=4, label=name)
plt.xlabel("layer")
plt.ylabel(r"length of $\partial R / \partial H'$")
plt.legend()
plots.show(
    "The length of the gradient in each of 30 layers, logarithmic. Without shortcuts it falls from 1 at "
    "layer 30 by many powers of ten towards layer 1; with shortcuts it does not fall."
)

# %% [markdown]
# Without shortcuts the length falls from layer to layer, on a straight line. With them it does not vanish, it
# even grows: one path, the shortcut, multiplies by exactly 1, and what comes on the other path is added.

# %% [markdown]
# ## 5. Find the fault: one matrix, used twice
#
# This network draws its own input. Its target is $x$, and both layers share **one** matrix:
#
# $$h = \tanh(x W^T + b_1) \qquad f = h W + b_2 \qquad R = \frac1m \sum_i \|f_i - x_i\|^2$$
#
# With 64 pixels and 16 neurons it has to find a short description of a digit. (Lesson 09 is about such
# networks.) Somebody wrote its gradient. The risk is right, and training makes it smaller; and yet there are
# **three** faults.


# %%
def faulty_gradient(x, theta):
    W, b1, b2 = theta["W"], theta["b1"], theta["b2"]
    h = np.tanh(x @ W.T + b1)
    f = h @ W + b2
    risk = np.sum((f - x) ** 2) / len(x)

    slopes = {}
    s2 = 2 * (f - x) / len(x)
    slopes["b2"] = s2.sum(axis=0)
    slopes["W"] = h.T @ s2
    s1 = (1 - np.tanh(h) ** 2) * (s2 @ W.T)
    slopes["b1"] = s1.mean(axis=0)
    slopes["W"] = s1.T @ x
    return risk, slopes


# %% [markdown]
# `error_along` with `only` looks at one array after the other:


# %%
def random_theta(seed):
    W = 0.1 * np.random.default_rng(seed).standard_normal((16, 64))
    return {"W": W, "b1": np.zeros(16), "b2": np.zeros(64)}


def errors_of(gradient):
    """Return the relative error of the slopes of each array."""
    digits, theta = data.digits().x_train[:20].reshape(20, 64) / 16, random_theta(0)
    theta["b1"] = theta["b1"] + 0.5  # not 0, so that a mistake shows
    _, slopes = gradient(digits, theta)
    return {k: error_along(lambda at: gradient(digits, at)[0], theta, slopes, only=k) for k in theta}


for array, error in errors_of(faulty_gradient).items():
    print(f"{array:3} relative error {error:.1e}")

# %% [markdown]
# Write the gradient as it should be. (Mend one fault, run `errors_of(tied_gradient)` in a cell of your own:
# what changed?)
#
# <details><summary>Hint: where?</summary>
#
# `b2` is right, so `s2` is. Everything that is wrong comes after it. Take the lines of `b1` first: there are
# two faults on the way to it.
#
# </details>
#
# <details><summary>Hint: W</summary>
#
# Two paths lead from $W$ to $R$. If you change one entry of $W$, it changes in both layers.
#
# </details>


# %% exercise="tied_gradient"
def tied_gradient(x, theta):
    """Return (R, slopes): the risk, and a dictionary of its slopes by theta["W"], ["b1"] and ["b2"].

    x: shape (m, d).   W: shape (neurons, d).
    """
    ### BEGIN SOLUTION
    W, b1, b2 = theta["W"], theta["b1"], theta["b2"]
    h = np.tanh(x @ W.T + b1)
    f = h @ W + b2
    risk = np.sum((f - x) ** 2) / len(x)

    s2 = 2 * (f - x) / len(x)
    s1 = (1 - h**2) * (s2 @ W.T)
    return risk, {"W": h.T @ s2 + s1.T @ x, "b1": s1.sum(axis=0), "b2": s2.sum(axis=0)}
    ### END SOLUTION


# %% check="tied_gradient" points=3
tied_gradient = check.tied_gradient(tied_gradient)

# %%
for array, error in errors_of(tied_gradient).items():
    print(f"{array:3} relative error {error:.1e}")

# %% [markdown]
# Does it matter? Both gradients train the network, with the same data, start, rate and number of epochs.
# **Before you run the next cell, what do you expect?** Does the faulty one learn at all?

# %%
digits = data.digits()
x_train, x_test = (images.reshape(len(images), 64) / 16 for images in (digits.x_train, digits.x_test))


def draw_itself(gradient, epochs):
    """Return the risk after each epoch and the drawings of the test images."""
    theta, rng, risks = random_theta(0), np.random.default_rng(0), []
    for _ in range(epochs):
        for B in np.array_split(rng.permutation(len(x_train)), len(x_train) // 32):
            _, slopes = gradient(x_train[B], theta)
            theta = {k: theta[k] - 0.02 * slopes[k] for k in theta}
        risks.append(gradient(x_train, theta)[0])
    return risks, np.tanh(x_test @ theta["W"].T + theta["b1"]) @ theta["W"] + theta["b2"]


# %%
EPOCHS = budget.pick(smoke=5, cpu=30)
drawn = {"faulty": draw_itself(faulty_gradient, EPOCHS), "mended": draw_itself(tied_gradient, EPOCHS)}
for name, (risks, _) in drawn.items():
    print(f"{name}: risk {risks[0]:.2f} after one epoch, {risks[-1]:.2f} at the end")
rows = np.concatenate([x_test[:8], drawn["faulty"][1][:8], drawn["mended"][1][:8]])
titles = ["image"] * 8 + ["faulty"] * 8 + ["mended"] * 8
plots.image_grid(np.clip(rows, 0, 1).reshape(-1, 8, 8), titles, columns=8)
plots.show(
    "Three rows of eight digits: the test images, what the network with the faulty gradient draws of them, "
    "and what the network with the mended one draws."
)

# %% [markdown]
# It does learn, and nothing in its falling risk tells that something is wrong. That is why one checks
# gradients.

# %% [markdown] question="what-a-check-finds" points=2
# **Question.** (a) A gradient has 10,000 entries of about the same size, and a single one of them has the
# wrong sign. About how large is the relative error along *one random* direction? And if the check is made
# entry by entry? (b) A friend's gradient passes every check with 1e-9, and the network still does not learn.
# Name two faults that no gradient check can find.
#
# <!-- BEGIN SOLUTION -->
# (a) Along a random $u$ the slope $\langle \nabla R, u \rangle$ is a sum of 10,000 terms of random sign, so
# about 100 times as large as one term. The wrong entry changes it by two such terms: about 2 %, divided by
# the sum of both slopes about 1 %. That is far above $10^{-9}$, so it is found, but it does not tell where.
# Entry by entry, this one has the error 1 (opposite slopes) and all others 0. (b) The check compares the
# gradient with *the risk that is programmed*. It cannot see that this risk is the wrong one (labels that do
# not belong to the images, a softmax twice in both, a penalty that is much too large), nor what is done with
# the gradient afterwards: a step in the wrong direction, a rate that is too large or too small, all weights 0
# at the start.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 6. The whole network, back to the pixels
#
# Now both passes of a residual network, for any number of blocks. With $L + 1$ = `len(W)` layers:
#
# $$h^{(1)} = \phi(a^{(1)}) \qquad h^{(k)} = h^{(k-1)} + \phi(a^{(k)}), \quad k = 2, \dots, L$$
#
# and the last layer $a^{(L+1)}$ goes into `weighted_risk` as it is. The penalty is
# $\lambda \sum_k \|W^{(k)}\|_F^2$ over **all** weights, $\lambda$ = `l2`; biases are not penalised. $L$ may
# be 1: then there is no block.
#
# Return $a^{(L+1)}$, the penalised risk, its slopes by all $W^{(k)}$ and $b^{(k)}$, and one thing more: its
# slopes by the **input**, $\partial R / \partial x$. Do it without a loop over samples.
#
# <details><summary>Hint: the plan</summary>
#
# Forward, store `a[k]` and `h[k]` of each layer. Then `weighted_risk` gives the slopes by the last $a$. The
# last layer and layer 1 are plain layers, all between them are your blocks.
#
# </details>
#
# <details><summary>Hint: it is wrong, and where?</summary>
#
# Try a network without a block first. If that is right and one block is not, look at what you hand to
# `residual_backward`: which `a`, which `h`? If one block is right and three are not, look at the order.
#
# </details>


# %% exercise="network_gradient"
def network_gradient(x, y, v, W, b, phi, phi_prime, l2=0.0):
    """Return (a, R, grad_w, grad_b, grad_x): the last a (m, K), the penalised risk, and its slopes.

    x: (m, d).   y: (m, K).   v: weights of the samples (m,).   phi, phi_prime: the hidden activation.
    grad_w[k] and grad_b[k] have the shapes of W[k] and b[k], grad_x that of x.
    """
    ### BEGIN SOLUTION
    last, a, h = len(W), {}, {0: x}
    for k in W:
        a[k] = h[k - 1] @ W[k].T + b[k]
        if k < last:
            h[k] = phi(a[k]) if k == 1 else h[k - 1] + phi(a[k])
    risk, s = weighted_risk(a[last], y, v)

    grad_w, grad_b, g = {last: s.T @ h[last - 1]}, {last: s.sum(axis=0)}, s @ W[last]
    for k in range(last - 1, 1, -1):
        grad_w[k], grad_b[k], g = residual_backward(g, a[k], h[k - 1], W[k], phi_prime)
    s = phi_prime(a[1]) * g
    grad_w[1], grad_b[1] = s.T @ x, s.sum(axis=0)

    risk = risk + l2 * sum(np.sum(W[k] ** 2) for k in W)
    return a[last], risk, {k: grad_w[k] + 2 * l2 * W[k] for k in W}, grad_b, s @ W[1]
    ### END SOLUTION


# %% check="network_gradient" points=4
network_gradient = check.network_gradient(network_gradient)

# %% [markdown]
# All your functions together: a network with three blocks, checked along random directions in which weights,
# biases **and** pixels move at the same time.


# %%
def initialise(sizes, seed):
    """Return random W and zero b for layers of these sizes, the input first."""
    rng = np.random.default_rng(seed)
    W = {}
    for k in range(1, len(sizes)):
        W[k] = rng.standard_normal((sizes[k], sizes[k - 1])) / np.sqrt(sizes[k - 1])
    return W, {k: np.zeros(sizes[k]) for k in W}


def join(W, b):
    """Return one dictionary of all weights and biases, with keys such as "W1" and "b1"."""
    return {f"W{k}": W[k] for k in W} | {f"b{k}": b[k] for k in b}


def split(theta):
    """Return W and b from such a dictionary."""
    layers = sorted(int(key[1:]) for key in theta if key[0] == "W")
    return {k: theta[f"W{k}"] for k in layers}, {k: theta[f"b{k}"] for k in layers}


# %%
def risk_at(at):
    W, b = split(at)
    return network_gradient(at["x"], y, v, W, b, np.tanh, tanh_prime, l2=0.01)[1]


W, b = initialise([4, 5, 5, 5, 5, 3], seed=2)
x = np.random.default_rng(3).standard_normal((6, 4))
_, _, grad_w, grad_b, grad_x = network_gradient(x, y, v, W, b, np.tanh, tanh_prime, l2=0.01)
at, slopes = join(W, b) | {"x": x}, join(grad_w, grad_b) | {"x": grad_x}
errors = [error_along(risk_at, at, slopes, seed=seed) for seed in range(10)]
runtime.result("lab_gradient_relative_error", max(errors), at_most=1e-6)

# %% [markdown]
# ## 7. A batch that does not fit into the memory
#
# The forward pass stores all $a^{(k)}$ and $h^{(k)}$ of a batch. If the memory is too small for that, one
# computes the gradient of a part of the batch, forgets what was stored, takes the next part, and puts the
# gradients together (**gradient accumulation**). The result must be the gradient of the whole batch, not
# *about* the same.
#
# `gradient(x, y, v)` returns a dictionary of slopes of a weighted mean, as in exercise 2. Call it on parts of
# `rows` rows (the last one may be smaller), and return the dictionary for the whole batch. In no part are all
# weights 0.
#
# <details><summary>Hint: on paper</summary>
#
# Let $V_1$ and $V_2$ be the sums of the weights of two parts. Write $R$, $R_1$, $R_2$ with the formula of
# exercise 2. Which multiples of $R_1$ and $R_2$ give $R$?
#
# </details>
#
# <details><summary>Hint: in code</summary>
#
# `range(0, len(x), rows)` runs over the starts of the parts. A slice may end behind the end of an array.
#
# </details>


# %% exercise="accumulated"
def accumulated(gradient, x, y, v, rows):
    """Return the gradient of the batch (a dictionary), from calls of gradient on parts of `rows` rows."""
    ### BEGIN SOLUTION
    total = {}
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        slopes = gradient(x[part], y[part], v[part])
        for k in slopes:
            total[k] = total.get(k, 0) + v[part].sum() / v.sum() * slopes[k]
    return total
    ### END SOLUTION


# %% check="accumulated" points=2
accumulated = check.accumulated(accumulated)

# %% [markdown] question="cost-of-memory" points=2
# **Question.** (a) Which of the stored arrays does the backward pass of a block need, and what for? With your
# function of exercise 7, what does the memory for them depend on: `rows`, `len(x)`, the number of blocks? And
# the time? (b) For $\partial R / \partial x$ one backward pass is enough. How many passes does the matrix
# $\partial f_c / \partial x_l$ of *all* $K$ outputs by all $d$ pixels of one image need? How many pairs of
# forward passes do central differences need for it?
#
# <!-- BEGIN SOLUTION -->
# (a) `a[k]` for $\phi'$, and `h[k - 1]` for the slopes of $W^{(k)}$. Memory grows with `rows` and with the
# number of blocks, not with `len(x)`. The time hardly changes: the same products, only in smaller pieces
# (each piece costs a little more because short matrices are multiplied less efficiently). (b) A backward pass
# starts at one number. So it takes $K$ of them, one for each output, after one forward pass. Central
# differences move one pixel at a time and see all outputs change at once: $d$ pairs of forward passes. With
# few outputs and many inputs, as for a risk with $K = 1$, going backwards is far cheaper.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Your network reads digits
#
# A network with four blocks, leaky ReLU, smoothed targets and a small penalty, trained in batches of 64 that
# are computed in parts of 32. (The weights of the blocks start half as large, so that the sum of blocks does
# not grow.)

# %%
y_train = smooth_targets(digits.y_train, 10, alpha=0.1)


def digits_gradient(theta):
    """Return the function gradient(x, y, v) at these parameters."""

    def gradient(x, y, v):
        _, _, grad_w, grad_b, _ = network_gradient(x, y, v, *split(theta), leaky, leaky_prime, l2=1e-4)
        return join(grad_w, grad_b)

    return gradient


def look_at(x, labels, theta):
    """Return the classes that the network reads, and the slopes of the risk by the pixels."""
    y = smooth_targets(labels, 10, alpha=0)
    a, _, _, _, slopes = network_gradient(x, y, np.ones(len(x)), *split(theta), leaky, leaky_prime)
    return a.argmax(axis=1), slopes


def accuracy(x, labels, theta):
    return np.mean(look_at(x, labels, theta)[0] == labels)


# %%
W, b = initialise([64, 32, 32, 32, 32, 32, 10], seed=0)
theta = join({k: W[k] / 2 if 1 < k < len(W) else W[k] for k in W}, b)
rng = np.random.default_rng(0)
for _ in range(budget.pick(smoke=20, cpu=60)):
    for B in np.array_split(rng.permutation(len(x_train)), len(x_train) // 64):
        slopes = accumulated(digits_gradient(theta), x_train[B], y_train[B], np.ones(len(B)), rows=32)
        theta = {k: theta[k] - 0.2 * slopes[k] for k in theta}
print(f"training accuracy {accuracy(x_train, digits.y_train, theta):.4f}")
runtime.result("lab_digits_test_accuracy", accuracy(x_test, digits.y_test, theta), at_least=0.97)

# %% [markdown]
# ## 8. Derive it: the worst small change
#
# $G = \partial R / \partial x$ tells how the risk changes with each pixel. In first order,
#
# $$R(x + u) \approx R(x) + \sum_{i,l} G_{i,l}\, u_{i,l}$$
#
# Which *small* change $u_i$ of a picture raises the risk **most**? It depends on what small means:
#
# - `"max"`: each pixel may change by at most $\eta$, $|u_{i,l}| \le \eta$;
# - `"euclid"`: the whole row may have at most the length $\eta$, $\|u_i\| \le \eta$.
#
# On paper: for each of the two find the $u_i$ that makes $\langle G_i, u_i \rangle$ as large as possible.
# Return it for each row (one row, one picture). Where $G_{i,l} = 0$ the change is 0.
#
# <details><summary>Hint: "max"</summary>
#
# The sum has one term for each pixel, and each pixel is free to choose. What does a pixel with the slope 3
# choose? One with the slope −0.001?
#
# </details>
#
# <details><summary>Hint: "euclid"</summary>
#
# $\langle G_i, u_i \rangle = \|G_i\| \|u_i\| \cos(\text{angle})$. And what if $G_i$ is a row of zeros?
#
# </details>


# %% exercise="worst_change"
def worst_change(g, eta, norm):
    """Return the change (m, d) of each row, within the limit eta, that raises the risk most.

    g: the slopes dR/dx, shape (m, d).   norm: "max" or "euclid".
    """
    ### BEGIN SOLUTION
    if norm == "max":
        return eta * np.sign(g)
    length = np.linalg.norm(g, axis=1, keepdims=True)
    return eta * g / np.where(length == 0, 1, length)
    ### END SOLUTION


# %% check="worst_change" points=2
worst_change = check.worst_change(worst_change)

# %% [markdown]
# ## How little is enough
#
# `"max"` is the *fast gradient sign method* (Goodfellow et al., 2015). We change all test images by it, and
# for comparison by random signs of the same size. Pixels stay between 0 and 1. **Before you run the next
# cell, what do you expect?** Every pixel may change by $\eta = 0.1$, a tenth of the way from black to white.
# How many digits will still be read rightly, after a random change and after the worst one?


# %%
def changed(x, labels, eta, rng=None):
    """Return x after the worst change, or after random signs from rng."""
    slopes = look_at(x, labels, theta)[1]
    change = worst_change(slopes, eta, "max") if rng is None else eta * rng.choice([-1, 1], x.shape)
    return np.clip(x + change, 0, 1)


# %%
sizes = np.linspace(0, 0.3, 7)
worst, chance = [], []
for eta in sizes:
    for values, rng in ((worst, None), (chance, np.random.default_rng(0))):
        values.append(accuracy(changed(x_test, digits.y_test, eta, rng), digits.y_test, theta))
plt.plot(sizes, chance, "-o", label="random signs")
plt.plot(sizes, worst, "--s", label="the worst change")
plt.xlabel(r"change of each pixel, $\eta$")
plt.ylabel("test accuracy")
plt.ylim(0, 1.02)
plt.legend()
plots.show(
    "Test accuracy against the size of the change. With random signs it falls slowly; with the worst change "
    "it falls steeply and is close to 0 at the right end."
)
print(f"at 0.1: {chance[2]:.0%} are read rightly after random signs, {worst[2]:.0%} after the worst change")
runtime.result("lab_worst_over_random_at_0.1", worst[2] / chance[2], at_most=0.9)

# %%
few, labels = x_test[:8], digits.y_test[:8]
slopes = look_at(few, labels, theta)[1]
attacked = changed(few, labels, 0.15)
read, _ = look_at(attacked, labels, theta)
figure, axes = plt.subplots(3, 8, figsize=(8, 3.6))
for i, (image, slope, other) in enumerate(zip(few, slopes, attacked, strict=True)):
    largest = np.abs(slope).max()
    axes[0, i].imshow(image.reshape(8, 8), vmin=0, vmax=1)
    axes[1, i].imshow(slope.reshape(8, 8), cmap="PuOr", vmin=-largest, vmax=largest)
    axes[2, i].imshow(other.reshape(8, 8), vmin=0, vmax=1)
    axes[0, i].set_title(f"true: {labels[i]}", fontsize=9)
    axes[2, i].set_title(f"read: {read[i]}", fontsize=9)
for ax in axes.flat:
    ax.axis("off")
plots.show(
    "Eight digits in three rows: the image with its true class; the slope of the risk by each pixel, purple "
    "where more ink raises the risk and orange where less ink does; the changed image and what is read."
)

# %% [markdown]
# First row: the images. Second row: your $\partial R / \partial x$. Purple pixels raise the risk if they get
# brighter, orange ones if they get darker. Third row: the images after the worst change of 0.15, and what the
# network reads now. Would you read them like that? The change is small in each pixel. But all 64 of them push
# the risk the same way, so in first order their effects add up to $\eta \sum_l |G_{i,l}|$. Of random signs
# most of the effect cancels, as the blue curve shows.

# %% [markdown]
# ## Going further
#
# No checks here; `directional_check` is your judge.
#
# 1. **Harden it.** Train on `changed(x_train[B], ...)` in place of `x_train[B]` and draw the two curves
#    again. What does the network pay for it on the clean images?
# 2. **Weights.** Give all images of the digit 8 the weight $v = 20$. Which errors become rare, and which more
#    frequent?
# 3. **A tape with more operations.** Give the lecture's `Value` a power and a leaky ReLU, and compute the
#    slopes of a residual block of two neurons with it.
# 4. **Batch normalisation by hand.** $\hat a = (a - \bar a) / \sqrt{\sigma^2 + 10^{-5}}$ with mean $\bar a$
#    and variance $\sigma^2$ of each column over the batch. Derive $\partial R / \partial a$ from
#    $\partial R / \partial \hat a$: a sample now acts on all others, so there are more paths. (Ioffe &
#    Szegedy, 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167))
#
# ## Summary
#
# You sent the gradient through a weighted loss, a shortcut, a matrix that stands in two places, and on to the
# pixels, always by the same rule: multiply along a path, add where paths meet. Back to [the
# lecture](../notebooks/03_backpropagation.ipynb).
#
# ## References
#
# - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna (2016). Rethinking the Inception architecture for
#   computer vision. *CVPR*. [arXiv:1512.00567](https://arxiv.org/abs/1512.00567)
# - K. He, X. Zhang, S. Ren, J. Sun (2016). Deep residual learning for image recognition. *CVPR*.
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385)
# - I. Goodfellow, J. Shlens, C. Szegedy (2015). Explaining and harnessing adversarial examples. *ICLR*.
#   [arXiv:1412.6572](https://arxiv.org/abs/1412.6572)
