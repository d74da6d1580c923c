# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1.5}
# ---

# %% [markdown]
# # Backpropagation
#
# A network learns by gradient descent, and for that it needs the gradient of the loss by each of its weights.
# Backpropagation computes all of them in two passes through the network. Here you write both passes in NumPy,
# for any number of layers and a whole batch at once, test that the result is right, and train with it.
#
# **You need** lessons 01 and 02: the chain rule, a neuron and its gradient, layers and the shapes of their
# matrices. The symbols are those of the table of [notation](01_neurons.ipynb#Notation).
#
# **After this lesson you can**
#
# - choose a loss, and say which likelihood it comes from and why it is not the classification error;
# - write the penalised empirical risk, with $\mathbb{L}^2$ or $\mathbb{L}^1$ penalty, and its gradient;
# - derive and write the backpropagation equations, from the output back to the first layer;
# - check a gradient against finite differences and against automatic differentiation;
# - train a network in NumPy, say what a gradient of zero means, and where the gradient vanishes and why.
#
# **Time to study:** about three hours; sections 10 and 13 are optional.

# %%
from nnlabs import data, diagrams, plots, runtime

budget = runtime.setup(seed=1)
# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.neural_network import MLPClassifier

# %% [markdown]
# ## 1. Losses
#
# A network gives $f(x, \theta)$ for an input $x$; $\theta$ stands for all its weights and biases. The
# **loss** $\ell(f(x, \theta), y)$ says how far this is from the target $y$. In **regression** one takes the
# squared distance, the $\mathbb{L}_2$ loss:
#
# $$\ell(f(x, \theta), y) = \|y - f(x, \theta)\|^2$$
#
# It is minus a log-likelihood, too: if the target is $f(x, \theta)$ plus Gaussian noise of variance
# $\sigma^2$, then $-\log p_\theta(y \mid x) = \|y - f(x, \theta)\|^2 / (2 \sigma^2)$ plus a constant. To
# maximise the likelihood is to minimise the squared distance.
#
# All functions of this lesson take a whole **batch**: row $i$ of `f` and of `y` belongs to sample $i$, and
# `axis=1` runs over the outputs of one sample. The result has one loss for each sample.


# %%
def quadratic(f, y):
    return np.sum((y - f) ** 2, axis=1)


# %% [markdown]
# In **binary classification** the output is a probability, $f(x, \theta) = P_\theta(Y = 1 \mid X = x)$. The
# probability that the model gives to what really happened, $y \in \{0, 1\}$, is $f$ if $y = 1$ and $1 - f$ if
# $y = 0$. The loss is minus its logarithm. It is called the **cross-entropy**:
#
# $$\ell(f(x, \theta), y) = -[y \log f(x, \theta) + (1 - y) \log(1 - f(x, \theta))]
# = -\log P_\theta(Y = y \mid X = x)$$


# %%
def binary_cross_entropy(f, y):
    return -np.sum(y * np.log(f) + (1 - y) * np.log(1 - f), axis=1)


# %%
f = np.array([[0.9], [0.9], [0.2]])  # P(Y = 1) for three samples
y = np.array([[1.0], [0.0], [0.0]])
likelihood = np.where(y == 1, f, 1 - f)[:, 0]  # P(Y = y)
assert np.allclose(binary_cross_entropy(f, y), -np.log(likelihood))
print("P(Y = y):", likelihood, " loss:", binary_cross_entropy(f, y).round(2))

# %% [markdown]
# Look at the second sample: the model was sure (0.9) and wrong, and the loss is large. Samples are
# independent, so their likelihoods multiply and their losses add up: the smallest sum of cross-entropies is
# the largest likelihood.
#
# With $K$ classes the network has one output for each class, and $f_c(x, \theta) = P_\theta(Y = c \mid X =
# x)$:
#
# $$\ell(f(x, \theta), y) = -\sum_{c=1}^K \mathbb{1}_{y=c} \log P_\theta(Y = c \mid X = x)$$
#
# The indicators $\mathbb{1}_{y=1}, \dots, \mathbb{1}_{y=K}$ are a row of zeros with a single one: the
# **one-hot** code of the class. Targets come in this form from now on.


# %%
def cross_entropy(f, y):
    return -np.sum(y * np.log(np.maximum(f, 1e-30)), axis=1)  # 1e-30: log(0) would be minus infinity


def one_hot(labels, classes):
    return (labels[:, None] == np.arange(classes)).astype(float)


# %%
# NBVAL_CHECK_OUTPUT
print(one_hot(np.array([2, 0, 1]), classes=3))

# %% [markdown]
# ### Why not simply count the errors?
#
# What we want in the end is few wrong classes: the **0-1 loss**, which is 1 for a wrong class and 0 for a
# right one. Take one neuron, $f(x) = \text{sigmoid}(x + b)$, thirty points on a line, and move the bias $b$.
#
# **Before you run the next cells, what do you expect?** Draw the percentage of errors as a function of $b$.
# What is its derivative?
#
# (The sigmoid is lesson 01's $1 / (1 + e^{-a})$. `np.logaddexp(0, -a)` is $\log(e^0 + e^{-a})$ without
# overflow, so this line is safe also at $a = -800$.)


# %%
def sigmoid(a):
    return np.exp(-np.logaddexp(0, -a))


# %%
rng = np.random.default_rng(3)
labels = np.repeat([0.0, 1.0], 15)[:, None]
points = rng.normal(2 * labels - 1, 1.2)  # class 0 around -1, class 1 around +1
biases = np.linspace(-4, 4, 801)
errors = np.array([np.mean((points + b > 0) != labels) for b in biases])
entropies = np.array([np.mean(binary_cross_entropy(sigmoid(points + b), labels)) for b in biases])
assert np.mean(np.diff(errors) == 0) > 0.9  # the derivative of the 0-1 loss is 0 almost everywhere

# %%
plt.plot(biases, errors, "-", label="0-1 loss: share of errors")
plt.plot(biases, entropies, "--", label="cross-entropy")
plt.xlabel("bias $b$")
plt.ylabel("mean loss of the 30 points")
plt.legend(loc="upper center")
plots.show(
    "The share of errors is a staircase, flat between its jumps; the cross-entropy is a smooth valley."
)

# %% [markdown]
# The 0-1 loss is a staircase. Its derivative is zero everywhere but at the jumps, where it has none: gradient
# descent would not move. The cross-entropy is smooth, and its slope shows at every $b$ which way is better.

# %% [markdown]
# ## 2. The risk, empirical and penalised
#
# We would like a small **expected loss** $L(\theta) = \mathbb{E}[\ell(f(X, \theta), Y)]$, but the
# distribution of $(X, Y)$ is not known. What can be computed is its mean over the training sample, the
# **empirical risk**. A penalty $\Omega$ on the parameters is often added, which gives the **penalised
# empirical risk**:
#
# $$L_n(\theta) = \frac{1}{n} \sum_{i=1}^n \ell(f(X_i, \theta), Y_i) + \lambda\, \Omega(\theta)$$
#
# The $\mathbb{L}^2$ penalty is the sum of the squared weights, the $\mathbb{L}^1$ penalty (LASSO) the sum of
# their absolute values. A minimum of the second one has many weights that are exactly zero. (Gradient descent
# comes close to such a minimum, but trembles around the zeros; see lesson 04.)
#
# $$\Omega_2(\theta) = \sum_k \sum_j \sum_l (W^{(k)}_{j,l})^2 = \sum_k \|W^{(k)}\|_F^2 \qquad
# \Omega_1(\theta) = \sum_k \sum_j \sum_l |W^{(k)}_{j,l}|$$
#
# Here $j$ is a neuron of layer $k$ and $l$ one of the layer before. Both sums run over the **weights alone.
# Biases are not penalised** in this course: a bias only shifts a neuron's threshold, and a model must stay
# free to shift.
#
# `W` is a dictionary of matrices, so that `W[k]` is $W^{(k)}$.


# %%
def penalty(W, l2=0.0, l1=0.0):
    return sum(l2 * np.sum(W[k] ** 2) + l1 * np.sum(np.abs(W[k])) for k in W)


# %% [markdown]
# The gradients are short. The derivative of $w^2$ is $2w$, so $\nabla_{W^{(k)}} \Omega_2 = 2 W^{(k)}$: mind
# the factor 2. The derivative of $|w|$ is the sign of $w$, so $\nabla_{W^{(k)}} \Omega_1 =
# \text{sign}(W^{(k)})$. It has the same size for a small weight as for a large one. (At $w = 0$ there is no
# derivative; by convention $\text{sign}(0) = 0$.)


# %%
def penalty_gradient(w, l2=0.0, l1=0.0):
    return 2 * l2 * w + l1 * np.sign(w)


# %%
w = np.array([[3.0, -0.5]])
print("L2:", penalty_gradient(w, l2=1.0), " L1:", penalty_gradient(w, l1=1.0))

# %% [markdown]
# ## 3. Forward pass
#
# A network with $L$ hidden layers, in the notation of the slides: $h^{(0)}(x) = x$, and
#
# $$a^{(k)}(x) = b^{(k)} + W^{(k)} h^{(k-1)}(x) \qquad h^{(k)}(x) = \phi(a^{(k)}(x)) \qquad k = 1, \dots, L$$
#
# The output layer $k = L + 1$ has its own activation: $f(x, \theta) = \psi(a^{(L+1)}(x))$.

# %%
diagrams.network([3, 4, 4, 2], ["$h^{(0)} = x$", "$h^{(1)}$", "$h^{(2)}$", "$f = h^{(3)}$"])
plots.show("A network with an input of three units, two hidden layers of four units, and two outputs.")

# %% [markdown]
# Here $L = 2$. The matrix $W^{(k)}$ has **as many rows as layer $k$ has neurons** and as many columns as
# layer $k - 1$: $W^{(1)}$ is $4 \times 3$.


# %%
def initialise(sizes, rng, dtype="float64"):
    """Return W and b for layers of these sizes, the input first: random weights, biases 0."""
    W, b = {}, {}
    for k in range(1, len(sizes)):
        scale = np.sqrt(2 / sizes[k - 1])  # He et al. (2015); lesson 04 says why
        W[k] = (scale * rng.standard_normal((sizes[k], sizes[k - 1]))).astype(dtype)
        b[k] = np.zeros(sizes[k], dtype)
    return W, b


# %%
# NBVAL_CHECK_OUTPUT
W, b = initialise([3, 4, 4, 2], np.random.default_rng(0))
for k in W:
    print(f"layer {k}: W {W[k].shape}, b {b[k].shape}")

# %% [markdown]
# ### Rows are samples
#
# The slides write $x$ and $h^{(k)}$ as **columns**. NumPy, scikit-learn and Keras store a batch with one
# sample in each **row**: `x` has shape $(m, d)$, `h[k]` has shape ($m$, neurons of layer $k$). A column $a =
# b + W h$ becomes a row $a^T = b^T + h^T W^T$, so for the whole batch
#
# $$A^{(k)} = H^{(k-1)} {W^{(k)}}^T + b^{(k)}$$
#
# and NumPy adds $b^{(k)}$ to each row. That is one line of code, and there is no loop over samples. All
# $a^{(k)}$ and $h^{(k)}$ are **stored**: the way back needs them.


# %%
def forward(x, W, b, phi, psi):
    """Return the dictionaries a and h: a[k] and h[k] of each layer; h[0] = x, the last h is f."""
    a, h = {}, {0: x}
    for k in W:
        a[k] = h[k - 1] @ W[k].T + b[k]
        h[k] = psi(a[k]) if k == len(W) else phi(a[k])
    return a, h


# %%
# NBVAL_CHECK_OUTPUT
x = np.ones((5, 3))  # a batch of 5 samples
a, h = forward(x, W, b, phi=sigmoid, psi=sigmoid)
print({f"h[{k}]": h[k].shape for k in h})

# %% [markdown]
# The activations of this lesson and their derivatives. For the sigmoid $\phi' = \phi (1 - \phi)$, and for
# ReLU $\phi'$ is 1 where the unit is active and 0 where it is not. Note that both derivatives take $a$, not
# $h$.


# %%
def identity(a):
    return a


def sigmoid_prime(a):
    return sigmoid(a) * (1 - sigmoid(a))


def relu(a):
    return np.maximum(a, 0)


def relu_prime(a):
    return (a > 0).astype(a.dtype)


# %% [markdown]
# `softmax` turns the $K$ outputs of a row into probabilities. `exp` overflows above 709, so the row's maximum
# is subtracted first. This changes nothing in the result: numerator and denominator shrink by the same
# factor.
#
# $$\text{softmax}(a)_c = \frac{\exp(a_c)}{\sum_j \exp(a_j)}
# = \frac{\exp(a_c - M)}{\sum_j \exp(a_j - M)} \quad\text{for any number } M$$


# %%
def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %%
# NBVAL_CHECK_OUTPUT
print(softmax(np.array([[1000.0, 0.0, -1000.0], [1.0, 1.0, 1.0]])).round(3))

# %% [markdown]
# ## 4. Follow one number
#
# ### One path to the loss
#
# Before the general formulas, one weight. The network has two inputs, two hidden neurons with
# $\phi = \text{sigmoid}$ and one output with $\psi = \text{sigmoid}$; the loss is $R = (y - f)^2$. We follow
# $W^{(1)}_{1,1}$, which leads from $x_1$ to the first hidden neuron.

# %%
x, y = np.array([[2.0, -1.0]]), np.array([[1.0]])  # one sample
W = {1: np.array([[0.5, -0.3], [0.8, 0.2]]), 2: np.array([[-1.5, 1.0]])}
b = {1: np.zeros(2), 2: np.zeros(1)}
a, h = forward(x, W, b, sigmoid, sigmoid)
R = quadratic(h[2], y)[0]
print(f"a1 = {a[1][0, 0]:.2f}, h1 = {h[1][0, 0]:.2f}, f = {h[2][0, 0]:.2f}, R = {R:.2f}")

# %% [markdown]
# The weight acts on $R$ through a chain: $W^{(1)}_{1,1} \to a^{(1)}_1 \to h^{(1)}_1 \to a^{(2)}_1 \to f \to
# R$. Each step of the chain has a simple derivative. The **chain rule** multiplies them, from the right to
# the left:

# %%
steps = [  # what a step leads to, by what it comes from
    ("$x_1$", x[0, 0]),  # a_1 by W_11
    (r"$\phi'(a^{(1)}_1)$", sigmoid_prime(a[1])[0, 0]),  # h_1 by a_1
    ("$W^{(2)}_{1,1}$", W[2][0, 0]),  # a of the output by h_1
    (r"$\psi'(a^{(2)}_1)$", sigmoid_prime(a[2])[0, 0]),  # f by a
    ("$-2(y - f)$", -2 * (y - h[2])[0, 0]),  # R by f
]
derivatives = [1.0]  # of R by R itself
for _, factor in reversed(steps):
    derivatives.insert(0, derivatives[0] * factor)
print("dR/dW =", derivatives[0].round(4))

# %%
values = [W[1][0, 0], a[1][0, 0], h[1][0, 0], a[2][0, 0], h[2][0, 0], R]
names = ["W^{(1)}_{1,1}", "a^{(1)}_1", "h^{(1)}_1", "a^{(2)}_1", "f", "R"]
blue, orange = ({"boxstyle": "round", "fc": color, "ec": "0.3"} for color in ("#cfe3f2", "#f9dcc4"))
centre = {"ha": "center", "va": "center"}
_, ax = plt.subplots(figsize=(9.5, 2.9))
for i, (name, value, slope) in enumerate(zip(names, values, derivatives, strict=True)):
    ax.text(i, 1, f"${name}$\n{value:.3f}", bbox=blue, fontsize=12, **centre)
    ax.text(i, 0, rf"$\partial R/\partial {name}$" + f"\n{slope:.3f}", bbox=orange, fontsize=12, **centre)
for i, (name, factor) in enumerate(steps):
    ax.annotate("", (i + 0.72, 1), (i + 0.28, 1), arrowprops={"arrowstyle": "-|>", "color": "black"})
    ax.annotate("", (i + 0.36, 0), (i + 0.64, 0), arrowprops={"arrowstyle": "-|>", "color": "black"})
    ax.text(i + 0.5, 0.5, f"× {name}\n= {factor:.3f}", fontsize=9, **centre)
ax.text(-0.45, 1.42, "forward pass: values, left to right", fontsize=10)
ax.text(-0.45, -0.48, "backward pass: derivatives of R, right to left", fontsize=10)
ax.set(xlim=(-0.5, 5.5), ylim=(-0.55, 1.55))
ax.axis("off")
plots.show(
    "Upper row, left to right: the weight, a, h, the output's a, f and the loss R with their values. "
    "Lower row, right to left: the derivative of R by each of them; each arrow multiplies by one local "
    "derivative."
)

# %% [markdown]
# Read the upper row from left to right: each value comes from the one before. Read the lower row from right
# to left: it starts with $\partial R / \partial R = 1$, and each arrow multiplies by the factor written above
# it. Every factor uses a value of the **forward** pass ($x_1$, $a^{(1)}_1$, $a^{(2)}_1$, $f$). That is why
# these are stored.
#
# Is it true? Add 0.001 to the weight. The loss should change by about 0.001 times the derivative.

# %%
W[1][0, 0] += 0.001
change = quadratic(forward(x, W, b, sigmoid, sigmoid)[1][2], y)[0] - R
W[1][0, 0] -= 0.001
print(f"predicted {0.001 * derivatives[0]:.7f}, measured {change:.7f}")
assert np.isclose(0.001 * derivatives[0], change, rtol=1e-2)

# %% [markdown]
# ### Two paths to the loss
#
# Now the network gets a second output. The loss is $R = (y_1 - f_1)^2 + (y_2 - f_2)^2$, and from
# $W^{(1)}_{1,1}$ there are **two** paths to it: the hidden neuron acts on $f_1$ and on $f_2$.

# %%
y = np.array([[1.0, 0.0]])
W[2], b[2] = np.array([[-1.5, 1.0], [-0.8, 0.4]]), np.zeros(2)
a, h = forward(x, W, b, sigmoid, sigmoid)
print("f =", h[2].round(3), " R =", quadratic(h[2], y).round(3))

# %% [markdown]
# The path from the weight to $h^{(1)}_1$ is the same for both. Behind it each path has its own factors: the
# weight $W^{(2)}_{c,1}$ and the derivative of $R$ by $a^{(2)}_c$, for output $c = 1$ or $2$. Along each
# path one multiplies, as before.

# %%
common = x[0, 0] * sigmoid_prime(a[1])[0, 0]  # h_1 by W_11
delta = (-2 * (y - h[2]) * sigmoid_prime(a[2]))[0]  # R by a_1, and R by a_2
path_1 = common * W[2][0, 0] * delta[0]
path_2 = common * W[2][1, 0] * delta[1]
print(f"path 1: {path_1:.4f}   path 2: {path_2:.4f}")

# %% [markdown]
# One path says that a larger weight makes the loss larger, the other one that it makes it smaller. **Before
# you run the next cell, what do you expect?** We measure the derivative. Will it be one of the two, their
# mean, their sum?


# %%
def risk_with(shift):
    moved = {**W, 1: W[1] + np.array([[shift, 0.0], [0.0, 0.0]])}
    return quadratic(forward(x, moved, b, sigmoid, sigmoid)[1][2], y)[0]


measured = (risk_with(0.001) - risk_with(-0.001)) / 0.002
print(f"measured: {measured:.4f}   sum of both paths: {path_1 + path_2:.4f}")
assert np.isclose(measured, path_1 + path_2, rtol=1e-5)
assert path_2 < 0 < path_1

# %% [markdown]
# It is the sum: a small push of $h^{(1)}_1$ moves $f_1$ *and* $f_2$, and both change the loss. **Along a path
# one multiplies; the results of the paths are added.** Whoever forgets a path gets not only the size wrong,
# but perhaps the sign.

# %%
PLACES = {"x_1": (0, 2), "x_2": (0, 0), "h_1": (2.6, 2), "h_2": (2.6, 0), "f_1": (5.2, 2), "f_2": (5.2, 0)}
PLACES["R"] = (7.2, 1)


def draw_path(ax, *names, **style):
    """Draw a line through the named neurons."""
    ax.plot(*zip(*(PLACES[name] for name in names), strict=True), zorder=1, **style)


# %%
LABELS = {
    (1.3, 2.3): r"$W^{(1)}_{1,1}$: both paths use it",
    (3.9, 2.3): f"$W^{{(2)}}_{{1,1}} = {W[2][0, 0]}$",
    (3.15, 1.05): f"$W^{{(2)}}_{{2,1}} = {W[2][1, 0]}$",
    (6.6, 1.95): rf"$\delta_1 = {delta[0]:.3f}$",
    (6.6, 0.05): rf"$\delta_2 = {delta[1]:.3f}$",
    (3.6, -0.6): f"path 1  {path_1:+.4f}   +   path 2  {path_2:+.4f}   =   {path_1 + path_2:+.4f}",
}

# %%
_, ax = plt.subplots(figsize=(8.5, 3.4))
for ends in ("x_1 h_2", "x_2 h_1", "x_2 h_2", "h_2 f_1", "h_2 f_2"):
    draw_path(ax, *ends.split(), color="0.75", linewidth=1)
draw_path(ax, "x_1", "h_1", color="black", linewidth=4)
draw_path(ax, "h_1", "f_1", "R", color=plots.COLORS[0], linewidth=3)
draw_path(ax, "h_1", "f_2", "R", color=plots.COLORS[1], linewidth=3, linestyle=(0, (3, 1.5)))
for name, place in PLACES.items():
    circle = {"boxstyle": "circle", "fc": "white", "ec": "0.2"}
    ax.text(*place, f"${name}$", fontsize=14, bbox=circle, **centre)
for place, text in LABELS.items():
    ax.text(*place, text, fontsize=11, **centre)
ax.set(xlim=(-0.5, 7.6), ylim=(-0.8, 2.5))
ax.axis("off")
plots.show(
    "A network with two inputs, two hidden neurons and two outputs. From the weight between x1 and h1 a "
    "thick black line leads to h1; from there a solid blue path goes through f1 to R, and a dashed orange "
    "one through f2 to R. Below, the contributions of both paths and their sum."
)

# %% [markdown]
# Look at $h_1$: there the paths branch. On the way **back** they meet there. Two numbers arrive,
# $W^{(2)}_{1,1} \delta_1$ and $W^{(2)}_{2,1} \delta_2$; they are added, and from there on one number is
# carried further. (There is no path through $h_2$: it does not depend on this weight.)

# %% [markdown]
# ## 5. The backpropagation equations
#
# Two kinds of numbers on the way back have names. For sample $i$ and output $c$, $\delta_{i,c}$ is
# $\partial R_i / \partial a^{(L+1)}_c$. For neuron $j$ of the last hidden layer, $s_{i,j}$ is
# $\partial R_i / \partial a^{(L)}_j$.
#
# Take $R_i(\theta) = \|Y_i - f(X_i, \theta)\|^2 = \sum_c (Y_{i,c} - f_c(X_i, \theta))^2$ and a $\psi$ that
# acts on each output alone. Only one term of the sum contains $a^{(L+1)}_c$, so
#
# $$\delta_{i,c} = -2\,(Y_{i,c} - f_c(X_i, \theta))\; \psi'(a^{(L+1)}_c(X_i))$$
#
# A hidden neuron $j$ acts on $R_i$ through *every* output $c$, with weight $W^{(L+1)}_{c,j}$. As in the
# picture, the paths are added up, and then comes $\phi$:
#
# $$s_{i,j} = \phi'(a^{(L)}_j(X_i)) \sum_{c=1}^K W^{(L+1)}_{c,j}\, \delta_{i,c}$$
#
# Last, $a^{(L+1)}_c = b_c + \sum_j W_{c,j} h_j$ contains the weight $W_{c,j}$ once, with the factor $h_j$.
# Hence the **backpropagation equations**, where $l$ is a neuron of layer $L - 1$:
#
# $$\frac{\partial R_i}{\partial W^{(L+1)}_{c,j}} = \delta_{i,c}\, h^{(L)}_j(X_i) \quad (1) \qquad\qquad
# \frac{\partial R_i}{\partial W^{(L)}_{j,l}} = s_{i,j}\, h^{(L-1)}_l(X_i) \quad (2)$$
#
# The bias has the factor 1 in place of $h$: $\partial R_i / \partial b^{(L+1)}_c = \delta_{i,c}$ and
# $\partial R_i / \partial b^{(L)}_j = s_{i,j}$.
#
# (The slides write $\delta_{k,i}$ and $s_{m,i}$. Here $k$ is always a layer, $m$ the size of the batch, and
# the sample $i$ comes first because a sample is a row.)
#
# First we write this index by index, for one sample and a network with 3 inputs, 4 hidden neurons and $K = 2$
# outputs. It is slow, but nothing is hidden in it. (The index $l$ is `before` in the code.)

# %%
rng = np.random.default_rng(5)
W, b = initialise([3, 4, 2], rng)
x, y = rng.standard_normal((6, 3)), rng.random((6, 2))  # 6 samples
a, h = forward(x, W, b, sigmoid, sigmoid)
i = 0  # the sample

# %%
delta = [-2 * (y[i, c] - h[2][i, c]) * sigmoid_prime(a[2][i, c]) for c in range(2)]
s = [sigmoid_prime(a[1][i, j]) * sum(W[2][c, j] * delta[c] for c in range(2)) for j in range(4)]
grad_2 = np.array([[delta[c] * h[1][i, j] for j in range(4)] for c in range(2)])  # (1)
grad_1 = np.array([[s[j] * h[0][i, before] for before in range(3)] for j in range(4)])  # (2)

# %% [markdown]
# ### The whole batch, and on to the first layer
#
# Now all $m$ samples at once. `delta` has one row for each sample: shape $(m, K)$. Three sums become three
# short expressions.
#
# | index by index | whole batch | shape |
# | --- | --- | --- |
# | $\sum_c \delta_{i,c} W_{c,j}$ | `delta @ W` | ($m$, neurons of the layer before) |
# | $\frac1m \sum_i \delta_{i,c} h_j(X_i)$ | `delta.T @ h / m` | the shape of `W` |
# | $\frac1m \sum_i \delta_{i,c}$ | `delta.mean(axis=0)` | the shape of `b` |
#
# The mean over the $m$ samples of the batch stands in the gradient because it stands in the risk.
#
# The step from $\delta$ to $s$ did not use that $\delta$ belongs to the *last* layer. The same step leads
# from layer $L$ to layer $L - 1$, and so on. With $S^{(L+1)} = \delta$, for $k = L+1, L, \dots, 1$:
#
# $$\nabla_{W^{(k)}} = \frac1m {S^{(k)}}^T H^{(k-1)} \qquad
# \nabla_{b^{(k)}} = \frac1m \sum_i s^{(k)}_i \qquad
# S^{(k-1)} = \phi'(A^{(k-1)}) \odot (S^{(k)} W^{(k)})$$
#
# where $\odot$ multiplies entry by entry. This is the complete backward pass:


# %%
def backward(delta, a, h, W, phi_prime):
    """Return the gradients of the mean of R_i by W[k] and b[k]; delta is dR_i / da of the output."""
    grad_w, grad_b, s = {}, {}, delta
    for k in reversed(W):
        grad_w[k] = s.T @ h[k - 1] / len(s)  # equations (1), (2) and on to the first layer
        grad_b[k] = s.mean(axis=0)
        if k > 1:
            s = phi_prime(a[k - 1]) * (s @ W[k])
    return grad_w, grad_b


# %% [markdown]
# No loop over samples, and it does not matter how many layers there are. Nor does it matter how many paths
# there are: from a weight of the first layer to one output of a network with 10 hidden layers of 64 neurons
# lead $64^9$ paths. Each neuron adds up what arrives and hands on one number, and so nobody ever has to walk
# the paths one by one.
#
# On the batch of the single sample above, it must give the numbers that the loops over indices gave:

# %%
delta = -2 * (y - h[2]) * sigmoid_prime(a[2])
first = {k: h[k][:1] for k in h}  # the batch that has sample 0 alone
grad_w, grad_b = backward(delta[:1], a={k: a[k][:1] for k in a}, h=first, W=W, phi_prime=sigmoid_prime)
assert np.allclose(grad_w[2], grad_2, rtol=1e-12)
assert np.allclose(grad_w[1], grad_1, rtol=1e-12)
print("largest difference:", max(np.abs(grad_w[2] - grad_2).max(), np.abs(grad_w[1] - grad_1).max()))

# %% [markdown]
# ## 6. Three outputs, three deltas
#
# Everything that depends on the loss and on $\psi$ is in $\delta$. For the quadratic loss it is the formula
# above, with $\psi' = 1$ for the identity.
#
# For **softmax with cross-entropy** the formula does not hold, since each output depends on *all* $a_c$: the
# paths branch again. For one sample write $a = a^{(L+1)}$ and $p = \text{softmax}(a)$. Then
# $\log p_j = a_j - \log \sum_l e^{a_l}$ and $\partial \log p_j / \partial a_c = \mathbb{1}_{j=c} - p_c$.
# The sum over all outputs $j$ is
#
# $$\delta_c = -\sum_j y_j (\mathbb{1}_{j=c} - p_c) = -y_c + p_c \sum_j y_j = p_c - y_c$$
#
# because a one-hot $y$ sums to 1. The gradient is the predicted probability minus the true one, and nothing
# else.


# %%
def output_delta(output, a, f, y):
    """Return delta = dR_i / da of the output layer, shape (m, K)."""
    if output == "softmax":  # with cross-entropy
        return f - y
    psi_prime = {"identity": np.ones_like, "sigmoid": sigmoid_prime}[output]  # with the quadratic loss
    return -2 * (y - f) * psi_prime(a)


PSI = {"identity": identity, "sigmoid": sigmoid, "softmax": softmax}
LOSS = {"identity": quadratic, "sigmoid": quadratic, "softmax": cross_entropy}

# %% [markdown]
# The pieces together: the penalised risk of a batch, and its gradient. The penalty touches `grad_w` and not
# `grad_b`.


# %%
def risk(x, y, W, b, phi, output, l2=0.0, l1=0.0):
    _, h = forward(x, W, b, phi, PSI[output])
    return np.mean(LOSS[output](h[len(W)], y)) + penalty(W, l2, l1)


def gradient(x, y, W, b, phi, phi_prime, output, l2=0.0, l1=0.0):
    a, h = forward(x, W, b, phi, PSI[output])
    delta = output_delta(output, a[len(W)], h[len(W)], y)
    grad_w, grad_b = backward(delta, a, h, W, phi_prime)
    for k in W:
        grad_w[k] += penalty_gradient(W[k], l2, l1)
    return grad_w, grad_b


# %% [markdown]
# ### Why cross-entropy and not the quadratic loss?
#
# One output with $\psi = \text{sigmoid}$, and the truth is $y = 1$. With the quadratic loss,
# $\delta = -2(1 - f)\,\psi'(a)$. With the binary cross-entropy the same calculation as above gives
# $\delta = f - y$.
#
# **Before you run the next cell, what do you expect?** At $a = -8$ the network is sure and wrong. How large
# is $\delta$, which is what the whole network learns from?

# %%
a_out = np.linspace(-10, 10, 201)
f_out = sigmoid(a_out)
delta_quadratic = output_delta("sigmoid", a_out, f_out, 1.0)
delta_entropy = f_out - 1.0
plt.plot(a_out, delta_quadratic, "-", label=r"quadratic loss: $-2(y - f)\,\psi'(a)$")
plt.plot(a_out, delta_entropy, "--", label="cross-entropy: $f - y$")
plt.xlabel("$a^{(L+1)}$ of the output")
plt.ylabel(r"$\delta$ when $y = 1$")
plt.legend()
plots.show(
    "With the quadratic loss delta is close to zero at both ends; with the cross-entropy it is close to -1 "
    "where the output is far on the wrong side, and goes to zero only on the right side."
)
assert np.isclose(a_out[20], -8)
assert np.isclose(delta_quadratic[20], -0.0007, atol=5e-5)
assert np.isclose(delta_entropy[20], -1, atol=1e-3)

# %% [markdown]
# About $-0.0007$ with the quadratic loss, and about $-1$ with the cross-entropy. On the left the output is
# wrong. With the quadratic loss $\psi'$ makes $\delta$ vanish exactly there, and
# the network stays wrong. With the cross-entropy, $\psi'$ has cancelled: the more wrong, the stronger the
# correction.

# %% [markdown]
# ## 7. Is the gradient right? Finite differences
#
# A network with a wrong gradient often still learns, only worse, so a mistake can stay unseen for weeks.
# There is a test that finds it. The **central difference** uses nothing but the risk itself. For each weight
# $w$ in turn, and with a small step $t$,
#
# $$\frac{\partial L_n}{\partial w} \approx \frac{L_n(w + t) - L_n(w - t)}{2 t}$$


# %%
def central_differences(function, array, step=1e-5):
    """Differentiate function() by each entry of the array, which is changed in place and restored."""
    slopes = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        below = function()
        array[index] = value
        slopes[index] = (above - below) / (2 * step)
    return slopes


# %% [markdown]
# To compare two gradients $g$ and $g'$ we take the **relative** error $\|g - g'\| / (\|g\| + \|g'\|)$: it is
# 0 if they agree, 1 if they are opposite, and does not depend on their size.


# %%
def relative_error(g, other):
    return np.linalg.norm(g - other) / (np.linalg.norm(g) + np.linalg.norm(other))


# %% [markdown]
# We check a network with two hidden layers of sigmoids, 4-6-5-3, on 8 samples, in double precision: the three
# outputs, without penalty, with $\mathbb{L}^2$ and with $\mathbb{L}^1$. Of all $W^{(k)}$ and $b^{(k)}$, the
# largest error is kept.

# %%
rng = np.random.default_rng(7)
W, b = initialise([4, 6, 5, 3], rng)
b = {k: 0.1 * rng.standard_normal(b[k].shape) for k in b}  # not 0, so that a mistake shows
x = rng.standard_normal((8, 4))
y = one_hot(rng.integers(0, 3, size=8), classes=3)
PENALTIES = {"none": {}, "L2": {"l2": 0.01}, "L1": {"l1": 0.01}}


# %%
def check_gradient(output, phi=sigmoid, phi_prime=sigmoid_prime, **weight):
    grad_w, grad_b = gradient(x, y, W, b, phi, phi_prime, output, **weight)
    errors = []
    for array, slopes in [(W[k], grad_w[k]) for k in W] + [(b[k], grad_b[k]) for k in b]:
        numeric = central_differences(lambda: risk(x, y, W, b, phi, output, **weight), array)
        errors.append(relative_error(slopes, numeric))
    return max(errors)


# %%
largest = 0.0
for output in PSI:
    errors = {name: check_gradient(output, **weight) for name, weight in PENALTIES.items()}
    print(f"{output:10}", "  ".join(f"{name}: {error:.1e}" for name, error in errors.items()))
    largest = max(largest, *errors.values())
runtime.result("gradient_relative_error", largest, at_most=1e-6)
assert check_gradient("softmax", relu, relu_prime) < 1e-6

# %% [markdown]
# All nine cases, and ReLU as well, agree to better than one part in a million. (With ReLU a step across the
# kink at 0 gives a false alarm. It is rare; repeat the check with other data before you search for a
# mistake.)
#
# And would the check find a mistake? Let us forget $\phi'$ in the backward pass, or evaluate it at $h$ in
# place of $a$.

# %%
print("phi' forgotten:", round(check_gradient("softmax", phi_prime=np.ones_like), 3))
print("phi' at h:     ", round(check_gradient("softmax", phi_prime=lambda a: sigmoid_prime(sigmoid(a))), 3))
assert check_gradient("softmax", phi_prime=np.ones_like) > 0.1

# %% [markdown]
# ### Which step?
#
# **Before you run the next cell, what do you expect?** A derivative is a limit for $t \to 0$. Is a smaller
# $t$ always better?

# %%
exact = gradient(x, y, W, b, sigmoid, sigmoid_prime, "softmax")[0][1][0, 0]
sizes = 10.0 ** np.arange(-12, 0)


def risk_at(shift):
    moved = {k: W[k].copy() for k in W}
    moved[1][0, 0] += shift
    return risk(x, y, moved, b, sigmoid, "softmax")


central = [abs((risk_at(t) - risk_at(-t)) / (2 * t) / exact - 1) for t in sizes]
one_sided = [abs((risk_at(t) - risk_at(0)) / t / exact - 1) for t in sizes]
best = np.finfo(float).eps ** (1 / 3)
print(f"rounding error u = {np.finfo(float).eps:.1e}, its cube root {best:.1e}")
assert 1e-7 < sizes[np.argmin(central)] < 1e-3
assert min(central) < min(one_sided)

# %%
plt.loglog(sizes, one_sided, "s--", label="one-sided: $(L_n(w + t) - L_n(w)) / t$")
plt.loglog(sizes, central, "o-", label="central")
plt.axvline(best, color="black", linestyle=":", linewidth=1)
plt.text(1.5 * best, 3e-3, "$u^{1/3}$")
plt.xlabel("step $t$")
plt.ylabel("relative error")
plt.legend()
plots.show(
    "Relative error of the finite differences against the step, both axes logarithmic: two V shapes. "
    "The central differences reach a lower error, at a step near 1e-5, where a dotted line is drawn."
)

# %% [markdown]
# No: both curves are a V. On the right the step is too long: the error falls with $t$ (one-sided) or with
# $t^2$ (central). On the left it is too short: two almost equal numbers are subtracted, and their rounding
# errors, about $u = 2 \cdot 10^{-16}$, are divided by $2t$. The sum $t^2 + u / t$ (up to constants) is
# smallest near $t = u^{1/3} \approx 6 \cdot 10^{-6}$, the dotted line. That is why our step is $10^{-5}$. In
# `float32` $u$ is $10^{-7}$ and the check does not work well: convert to `float64` first.

# %% [markdown]
# ## 8. ... and automatic differentiation
#
# `tf.GradientTape` does backpropagation for any TensorFlow code: it records the forward pass on a "tape" and
# plays it backwards. We build the same network in Keras, copy our weights into it and compare. Keras stores
# the **transposed** matrix, shape (inputs, neurons), and calls it `kernel`. A `kernel_regularizer` penalises
# the weights alone.


# %%
def keras_twin(output, l2=0.0, l1=0.0):
    """Return a Keras model with our weights (sigmoid in the hidden layers)."""
    model = keras.Sequential([keras.Input((W[1].shape[1],))])
    for k in W:
        activation = {"identity": "linear"}.get(output, output) if k == len(W) else "sigmoid"
        regularizer = keras.regularizers.L1L2(l1=l1, l2=l2)
        model.add(keras.layers.Dense(len(b[k]), activation=activation, kernel_regularizer=regularizer))
    model.set_weights([array for k in W for array in (W[k].T, b[k])])
    return model


# %%
def tape_gradient(output, **weight):
    model = keras_twin(output, **weight)
    with tf.GradientTape() as tape:
        f = model(x)
        loss = -y * tf.math.log(f) if output == "softmax" else (y - f) ** 2
        total = tf.reduce_mean(tf.reduce_sum(loss, axis=1)) + sum(model.losses)  # model.losses: the penalties
    return [slopes.numpy() for slopes in tape.gradient(total, model.trainable_weights)]


# %%
largest = 0.0
for output in PSI:
    for weight in PENALTIES.values():
        grad_w, grad_b = gradient(x, y, W, b, sigmoid, sigmoid_prime, output, **weight)
        ours = [array for k in W for array in (grad_w[k].T, grad_b[k])]
        theirs = tape_gradient(output, **weight)
        largest = max(largest, *map(relative_error, ours, theirs))
runtime.result("tape_relative_difference", largest, at_most=1e-5)

# %% [markdown]
# What is left has the size of the rounding of `float32`, in which Keras computes: about $10^{-7}$.

# %% [markdown]
# ## 9. Train: digits
#
# Gradient descent moves each parameter against its gradient. In the **stochastic** version the gradient comes
# from a batch $B$ of $m$ samples, drawn at random without replacement:
#
# $$\theta \leftarrow \theta - \varepsilon \Big[
# \frac1m \sum_{i \in B} \nabla_\theta\, \ell(f(X_i, \theta), Y_i)
# + \lambda \nabla_\theta \Omega(\theta) \Big]$$
#
# After $n / m$ batches all samples have been used once: one **epoch**. Lesson 04 is about this algorithm;
# here it is only the customer of our gradient.


# %%
def sgd_epoch(x, y, W, b, rate, batch_size, rng, l2=0.0):
    """Run one epoch on a ReLU network with a softmax output; W and b are changed. Return the mean loss."""
    order = rng.permutation(len(x))
    losses = []
    for start in range(0, len(x), batch_size):
        batch = order[start : start + batch_size]
        a, h = forward(x[batch], W, b, relu, softmax)
        losses.append(np.mean(cross_entropy(h[len(W)], y[batch])))
        grad_w, grad_b = backward(h[len(W)] - y[batch], a, h, W, relu_prime)
        for k in W:
            W[k] -= rate * (grad_w[k] + 2 * l2 * W[k])
            b[k] -= rate * grad_b[k]
    return np.mean(losses)


# %% [markdown]
# Note the order: *all* gradients are computed first, then all parameters move. If `W[2]` moved before it
# carries $s$ back to layer 1, the gradient of layer 1 would be wrong.
#
# The data: scikit-learn's digits, images of 8×8 pixels with values 0 to 16.

# %%
# NBVAL_CHECK_OUTPUT
digits = data.digits()
x_train, x_test = (images.reshape(len(images), 64) / 16 for images in (digits.x_train, digits.x_test))
y_train = one_hot(digits.y_train, classes=10)
print("x_train", x_train.shape, "y_train", y_train.shape, "x_test", x_test.shape)


# %%
def accuracy(x, labels, W, b):
    _, h = forward(x, W, b, relu, softmax)
    return np.mean(h[len(W)].argmax(axis=1) == labels)


# %% [markdown]
# Two hidden layers of 64 and 32 neurons. The 364 test images are few, and the result depends a little on the
# random start. So we train five networks from five seeds and report the mean.

# %%
networks = budget.pick(smoke=2, cpu=5)
epochs = budget.pick(smoke=20, cpu=60)
losses, accuracies = np.zeros((networks, epochs)), np.zeros((networks, epochs))
for seed in range(networks):
    rng = np.random.default_rng(seed)
    W, b = initialise([64, 64, 32, 10], rng)
    for epoch in range(epochs):
        losses[seed, epoch] = sgd_epoch(x_train, y_train, W, b, rate=0.2, batch_size=32, rng=rng, l2=1e-4)
        accuracies[seed, epoch] = accuracy(x_test, digits.y_test, W, b)
print("test accuracies:", accuracies[:, -1].round(4))
runtime.result("digits_test_accuracy", accuracies[:, -1].mean(), at_least=0.97)

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.semilogy(np.arange(1, epochs + 1), losses.T, color=plots.COLORS[0], alpha=0.6)
left.set(xlabel="epoch", ylabel="training loss (cross-entropy)")
right.plot(np.arange(1, epochs + 1), accuracies.T, color=plots.COLORS[1], alpha=0.6)
right.axhline(0.97, color="black", linestyle="--", linewidth=1)
right.text(epochs, 0.968, "97 %", ha="right", va="top")
right.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.85, 1))
plots.show(
    "Left: the training loss of each network falls over the epochs. Right: its test accuracy rises "
    "above 97 %."
)

# %% [markdown]
# One line is one network. The training loss goes on falling for a long time after the test accuracy has
# settled.
#
# ### What does a gradient of zero say?
#
# Gradient descent stands still where $\nabla_\theta L_n = 0$. Is the minimum reached then? Nearly the
# smallest task of all: XOR, two hidden ReLU neurons, one output, quadratic loss, all four points in each
# step.
#
# **Before you run the next cell, what do you expect?** Twelve seeds. Will they all end at the same risk?

# %%
x_xor = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y_xor = np.array([[0.0], [1.0], [1.0], [0.0]])


def end_of_descent(seed):
    """Return the risk, the length of the gradient and the four answers after 2000 steps."""
    W, b = initialise([2, 2, 1], np.random.default_rng(seed))
    for _ in range(2000):
        grad_w, grad_b = gradient(x_xor, y_xor, W, b, relu, relu_prime, "identity")
        for k in W:
            W[k] -= 0.1 * grad_w[k]
            b[k] -= 0.1 * grad_b[k]
    length = np.sqrt(sum(np.sum(g**2) for g in [*grad_w.values(), *grad_b.values()]))
    f = forward(x_xor, W, b, relu, identity)[1][2]
    return risk(x_xor, y_xor, W, b, relu, "identity"), length, *f[:, 0]


# %%
ends, lengths, *answers = np.array([end_of_descent(seed) for seed in range(12)]).T
kinds = np.unique(ends.round(4), return_index=True, return_counts=True)
for value, first, count in zip(*kinds, strict=True):
    print(f"risk {value:.4f}: {count} of 12 seeds, for example", np.round(answers, 2)[:, first])
print(f"longest gradient: {lengths.max():.0e}")
print("the five networks of digits:", losses[:, -1].round(4))
assert lengths.max() < 1e-8
assert len(kinds[0]) == 3
misses = np.sort(np.abs(answers - y_xor), axis=0)[:, np.isclose(ends, 1 / 6)]
assert np.allclose(misses.T, [0, 1 / 3, 1 / 3, 2 / 3])

# %% [markdown]
# They do not. All twelve gradients are zero up to rounding, and yet there are three kinds of ends. Only the
# risk 0 is the minimum; $1/4$ is what the constant answer ½ gives. At $1/6$ the network has one point right
# and gives the other three the same answer, the mean of their targets:
# $\frac14 (\frac19 + \frac19 + \frac49) = \frac16$. A zero gradient is a **local** statement: no *small* step
# makes the risk smaller in first order. A convex function has the same value at all its points of gradient
# zero, so the risk of this network is **not convex**, and the seed decides where one ends.
# [Lesson 04](04_sgd_and_regularization.ipynb) draws such a risk. (The larger networks of the digits end at
# almost equal losses, see the last line. Their minima are not alone either: exchange two hidden neurons with
# all their weights, and you are at another point with the same risk.)

# %% [markdown]
# ## 10. Optional: MNIST, beside scikit-learn
#
# The same functions on 60,000 images of 28×28 pixels: one hidden layer of 100 ReLU neurons, softmax,
# cross-entropy, no penalty, images in `float32`. Scikit-learn's `MLPClassifier` gets the same task, the same
# learning rate, batch size and number of epochs.

# %%
mnist = data.mnist()
size = budget.pick(smoke=6000, cpu=60000)
x_train = (mnist.x_train[:size].reshape(size, 784) / 255).astype("float32")
x_test = (mnist.x_test.reshape(-1, 784) / 255).astype("float32")
y_train = one_hot(mnist.y_train[:size], classes=10).astype("float32")
SIZES, RATE, BATCH, EPOCHS = [784, 100, 10], 0.5, 128, budget.pick(smoke=2, cpu=10)
print("x_train", x_train.shape, x_train.dtype, " y_train", y_train.shape)

# %%
rng = np.random.default_rng(0)
W, b = initialise(SIZES, rng, dtype="float32")
for _ in range(EPOCHS):
    sgd_epoch(x_train, y_train, W, b, RATE, BATCH, rng)
ours = accuracy(x_test, mnist.y_test, W, b)
runtime.result("mnist_test_accuracy", ours, at_least=0.97)

# %% [markdown]
# `alpha=0` turns the penalty off; with `partial_fit` one epoch is run for each call, and nothing is stopped
# early.

# %%
model = MLPClassifier(
    SIZES[1:-1], solver="sgd", momentum=0, alpha=0, batch_size=BATCH, learning_rate_init=RATE, random_state=0
)
for _ in range(EPOCHS):
    model.partial_fit(x_train, mnist.y_train[:size], classes=np.arange(10))
theirs = model.score(x_test, mnist.y_test)
print(f"test accuracy: ours {ours:.4f}, scikit-learn {theirs:.4f}")
assert abs(ours - theirs) < budget.pick(smoke=0.1, cpu=0.01)

# %% [markdown]
# The two agree to within a percent: it is the same algorithm. What differs is the order of the batches and
# the start: scikit-learn draws weights and biases from a uniform distribution (Glorot's, see lesson 04).

# %% [markdown]
# ## 11. Vanishing gradients
#
# In the backward pass, each layer multiplies $s$ by $\phi'$ once more. The derivative of the sigmoid is never
# larger than $1/4$; that of ReLU is 1 for the active units.
#
# **Before you run the next cells, what do you expect?** With 10 hidden layers, how does the gradient of the
# first layer compare with that of the last?

# %%
DEPTH = 10
x_deep, y_deep = digits.x_train.reshape(-1, 64) / 16, one_hot(digits.y_train, classes=10)
PHI = {"sigmoid": (sigmoid, sigmoid_prime), "ReLU": (relu, relu_prime)}


def gradient_norms(seed, phi, phi_prime):
    """Return the norm of dR/dW of each layer, for a new network with 10 hidden layers of 64 neurons."""
    W, b = initialise([64] * (DEPTH + 1) + [10], np.random.default_rng(seed))
    grad_w, _ = gradient(x_deep, y_deep, W, b, phi, phi_prime, "softmax")
    return [np.linalg.norm(grad_w[k]) for k in W]


norms = {name: np.array([gradient_norms(seed, *pair) for seed in range(10)]) for name, pair in PHI.items()}

# %% [markdown]
# Both kinds of network have the *same* random weights and the same data; only $\phi$ differs. A thin line is
# one of ten random networks, the thick one their geometric mean.

# %%
for (name, values), color, style in zip(norms.items(), plots.COLORS, ("o-", "s--"), strict=False):
    layers = np.arange(1, DEPTH + 2)
    plt.semilogy(layers, values.T, style[1:], color=color, alpha=0.25, linewidth=1)
    plt.semilogy(layers, np.exp(np.log(values).mean(axis=0)), style, color=color, linewidth=2, label=name)
plt.xlabel("layer $k$ (1 is next to the input, 11 is the output)")
plt.ylabel(r"norm of $\partial R / \partial W^{(k)}$")
plt.xticks(layers)
plt.legend()
plots.show(
    "Norm of the gradient of each layer, logarithmic. With ReLU all layers have gradients of similar size. "
    "With the sigmoid the norm falls by a constant factor from each layer to the one before."
)

# %%
fall = {name: np.exp(np.log(values[:, 0] / values[:, -2]).mean()) for name, values in norms.items()}
for name, ratio in fall.items():
    print(f"{name}: layer 1 / layer 10 = {ratio:.1e}, a factor {ratio ** (1 / 9):.2f} for each layer")
assert fall["sigmoid"] < 1e-3 < 0.1 < fall["ReLU"]

# %% [markdown]
# With the sigmoid the points lie on a straight line in the logarithmic scale: from each layer to the one
# before, the gradient shrinks by the same factor. Besides $\phi' \le 1/4$ the weights have their part in
# this factor (Glorot & Bengio, 2010, measured gradients in deep sigmoid and tanh networks). The first layers
# hear almost nothing of the error. With ReLU, and weights of the right size (He et al., 2015), all layers get
# a gradient of about the same size.
#
# What does that mean for training? We train both kinds. If the sigmoid network fails, perhaps it only needs a
# larger rate. Or it is the vanishing gradient: then initial weights that are 4 times as large, which make up
# for $\phi' \le 1/4$, must help. **Before you run the next cells, what do you expect?**


# %%
def deep_risk(seed, name, factor, rate):
    """Return the risk on the training data after a training from initial weights times factor."""
    phi, phi_prime = PHI[name]
    rng = np.random.default_rng(seed)
    W, b = initialise([64] * (DEPTH + 1) + [10], rng)
    W = {k: factor * W[k] for k in W}
    for _ in range(budget.pick(smoke=3, cpu=20)):
        order = rng.permutation(len(x_deep))
        for batch in np.array_split(order, len(order) // 32):
            grad_w, grad_b = gradient(x_deep[batch], y_deep[batch], W, b, phi, phi_prime, "softmax")
            for k in W:
                W[k] -= rate * grad_w[k]
                b[k] -= rate * grad_b[k]
    return risk(x_deep, y_deep, W, b, phi, "softmax")


# %%
runs = [("ReLU", 1, 0.05), ("sigmoid", 1, 0.05), ("sigmoid", 1, 0.5), ("sigmoid", 4, 0.05)]
final = np.array([[deep_risk(seed, *run) for seed in (0, 1)] for run in runs])
for (name, factor, rate), risks in zip(runs, final, strict=True):
    print(f"{name:7}, weights times {factor}, rate {rate:4}: risk on the training data {risks.round(3)}")
print(f"guessing, all ten classes alike: {np.log(10):.3f}")
assert final[0].max() < np.log(10) / 2
assert final[1:3].min() > 0.95 * np.log(10)
assert final[3].max() < budget.pick(smoke=0.99, cpu=0.5) * np.log(10)

# %% [markdown]
# The deep sigmoid network stays at the risk of pure guessing, $\log 10$, with either rate; the ReLU network
# learns. With larger weights the sigmoid network learns, too, if not as well. That fits the explanation. (But
# larger weights also let more of the input through on the way forward; these runs do not tell the two apart.)
# The vanishing gradient is a main reason why ReLU replaced the sigmoid in hidden layers. Lesson 04
# (initialisation) and lesson 06 (residual networks) come back to it.

# %% [markdown]
# ## 12. What does it cost?
#
# Finite differences need two forward passes for *each* parameter. Backpropagation needs one forward and one
# backward pass for *all* of them.

# %%
W, b = initialise(SIZES, np.random.default_rng(0), dtype="float32")
parameters = sum(W[k].size + b[k].size for k in W)
batch, target = x_train[:BATCH], y_train[:BATCH]
repeats = 200
start = time.perf_counter()
for _ in range(repeats):
    a, h = forward(batch, W, b, relu, softmax)
middle = time.perf_counter()
for _ in range(repeats):
    backward(h[2] - target, a, h, W, relu_prime)
end = time.perf_counter()
print(f"{parameters:,} parameters: {2 * parameters:,} forward passes by finite differences")
print(f"backward pass / forward pass = {(end - middle) / (middle - start):.1f}")
assert parameters == 784 * 100 + 100 + 100 * 10 + 10 == 79_510

# %% [markdown]
# The two passes cost about the same here, within a factor of about two. (An inner layer needs two products in
# the backward pass, `s.T @ h` and `s @ W`, against one in the forward pass. The first layer, the largest
# here, needs no `s @ W`.) In both passes a layer exchanges numbers only with its two neighbours, and the
# samples are independent: this is why the algorithm suits parallel computers so well.
#
# ### Who found it?
#
# Werbos (1974) described the method in his thesis, Le Cun (1985) found it independently, and Rumelhart,
# Hinton and Williams (1986) made it known: they showed that hidden layers trained in this way find useful
# representations. (The slides name Le Cun, 1986, his text on it in English.) The principle behind it, a
# derivative that is passed backwards through any computation, is older: Linnainmaa (1970).

# %% [markdown]
# ## 13. Optional: automatic differentiation in forty lines
#
# The formulas of section 5 are for layers. A tape needs no formula for a network at all. It knows the
# derivative of each small operation, $+$, $\times$, sigmoid, and the rule of section 4: multiply along a
# path, add where paths meet. Here is such a tape, for single numbers. (A well-known small program of this
# kind is A. Karpathy's *micrograd*, 2020.)
#
# A `Value` is a number that remembers its **parents**: the values that it was computed from, each with the
# derivative by it. For a product $u \cdot v$ the derivative by $u$ is $v$.


# %%
class Value:
    def __init__(self, number, parents=()):
        self.number, self.parents, self.grad = number, parents, 0.0

    def __add__(self, other):
        return Value(self.number + other.number, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Value(self.number * other.number, [(self, other.number), (other, self.number)])

    def sigmoid(self):
        f = sigmoid(self.number)
        return Value(f, [(self, f * (1 - f))])


# %%
# NBVAL_CHECK_OUTPUT
u = Value(3.0)
v = u * u + u
print("v =", v.number, " derivatives of v by its two parents:", [slope for _, slope in v.parents])

# %% [markdown]
# From $u$ there are three paths to $v$: two through the product, one direct. By calculus the derivative is
# $2u + 1 = 7$.
#
# The backward pass goes from the end to the beginning. A value may hand on what it has collected only when
# *everything* has arrived that comes from behind it. So the values are put in an order in which parents
# always come first, and this order is walked backwards.


# %%
def ordered(end):
    """Return all values that end was computed from, parents first; end is the last."""
    order, seen = [], set()

    def visit(value):
        if value not in seen:
            seen.add(value)
            for parent, _ in value.parents:
                visit(parent)
            order.append(value)

    visit(end)
    return order


# %%
def backpropagate(end):
    """Add to .grad of each value without parents the derivative of end by it."""
    order = ordered(end)
    for value in order:
        if value.parents:
            value.grad = 0.0  # what an earlier call has left here is not handed on again
    end.grad = 1.0
    for value in reversed(order):
        for parent, slope in value.parents:
            parent.grad += slope * value.grad  # multiply along the path, add where paths meet


# %%
# NBVAL_CHECK_OUTPUT
backpropagate(v)
print("derivative of v by u:", u.grad)
assert u.grad == 2 * 3 + 1

# %% [markdown]
# Now the network with two outputs of section 4, written with numbers only: nobody tells the program what a
# layer is.

# %%
w1 = [[Value(0.5), Value(-0.3)], [Value(0.8), Value(0.2)]]
w2 = [[Value(-1.5), Value(1.0)], [Value(-0.8), Value(0.4)]]


def neurons(weights, h):
    return [sum((w * v for w, v in zip(row, h, strict=True)), Value(0.0)).sigmoid() for row in weights]


f_1, f_2 = neurons(w2, neurons(w1, [Value(2.0), Value(-1.0)]))
minus = Value(-1.0)
error_1, error_2 = Value(1.0) + minus * f_1, Value(0.0) + minus * f_2
R = error_1 * error_1 + error_2 * error_2

# %% [markdown]
# **Before you run the next cell, what do you expect?** How many values are there, and what is the derivative
# by $W^{(1)}_{1,1}$?

# %%
backpropagate(R)
assert len(ordered(R)) == 44
print(f"{len(ordered(R))} values; derivative by W_11: {w1[0][0].grad:.4f}; section 4: {path_1 + path_2:.4f}")

# %%
W = {k: np.array([[w.number for w in row] for row in weights]) for k, weights in ((1, w1), (2, w2))}
b = {1: np.zeros(2), 2: np.zeros(2)}
layers, _ = gradient(np.array([[2.0, -1.0]]), np.array([[1.0, 0.0]]), W, b, sigmoid, sigmoid_prime, "sigmoid")
tape = {k: np.array([[w.grad for w in row] for row in weights]) for k, weights in ((1, w1), (2, w2))}
assert all(np.allclose(tape[k], layers[k], rtol=1e-12) for k in W)

# %% [markdown]
# 44 values, the same derivative as in section 4, and all eight weights agree with the layers' formulas to
# rounding errors. `tf.GradientTape` works in this way, with whole arrays in place of numbers.
#
# What happens if you call `backpropagate(v)` a second time?

# %%
# NBVAL_CHECK_OUTPUT
backpropagate(v)
print("u.grad after two calls:", u.grad)

# %% [markdown]
# The values without parents, here $u$, *add* the new derivative, 7, to what is there. In PyTorch it is the
# same: one sets the gradients to zero before each step.

# %% [markdown]
# ## Summary
#
# - Cross-entropy is minus the log-likelihood of classes, the squared distance that of Gaussian targets.
#   The 0-1 loss is flat and cannot be minimised by gradient descent.
# - The penalised risk adds $\lambda \Omega$, on weights and not on biases; $\nabla \Omega_2 = 2W$.
# - Along a path to the loss derivatives are multiplied; where paths meet, they are added.
# - Forward: $A^{(k)} = H^{(k-1)} {W^{(k)}}^T + b^{(k)}$; store $a^{(k)}$ and $h^{(k)}$.
# - Backward: start with $\delta$, multiply by $W^{(k)}$ and by $\phi'(a^{(k-1)})$ at each layer; the gradient
#   of $W^{(k)}$ is `s.T @ h[k-1] / m`.
# - Softmax with cross-entropy: $\delta = p - y$.
# - Central differences with a step of $10^{-5}$ in `float64` find mistakes in a gradient.
# - A gradient of zero is a local statement: the risk of a network is not convex.
# - Each sigmoid layer shrinks the gradient by a factor; ReLU with weights of the right size does not.
#
# **Now do it yourself:** [the lab](../labs/03_backpropagation.ipynb).
#
# ## References
#
# - S. Linnainmaa (1970). *The representation of the cumulative rounding error of an algorithm as a Taylor
#   expansion of the local rounding errors* (in Finnish). Master's thesis, University of Helsinki.
# - P. Werbos (1974). *Beyond regression: new tools for prediction and analysis in the behavioral sciences.*
#   PhD thesis, Harvard University.
# - Y. Le Cun (1985). Une procédure d'apprentissage pour réseau à seuil asymétrique. *Cognitiva 85*, Paris,
#   599-604. In English (1986): Learning process in an asymmetric threshold network. *Disordered Systems and
#   Biological Organization*, Springer, 233-240.
#   [doi:10.1007/978-3-642-82657-3_24](https://doi.org/10.1007/978-3-642-82657-3_24)
# - D. Rumelhart, G. Hinton, R. Williams (1986). Learning representations by back-propagating errors. *Nature*
#   323, 533-536. [doi:10.1038/323533a0](https://doi.org/10.1038/323533a0)
# - X. Glorot, Y. Bengio (2010). Understanding the difficulty of training deep feedforward neural networks.
#   *AISTATS*, PMLR 9, 249-256.
#   [proceedings.mlr.press/v9/glorot10a](https://proceedings.mlr.press/v9/glorot10a.html)
# - K. He, X. Zhang, S. Ren, J. Sun (2015). Delving deep into rectifiers. *ICCV*, 1026-1034.
#   [doi:10.1109/ICCV.2015.123](https://doi.org/10.1109/ICCV.2015.123),
#   [arXiv:1502.01852](https://arxiv.org/abs/1502.01852)
# - A. Karpathy (2020). *micrograd*. [github.com/karpathy/micrograd](https://github.com/karpathy/micrograd)
