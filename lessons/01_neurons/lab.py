# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.2, cpu: 0.2}
# ---

# %% [markdown]
# # Lab 01: one neuron, and three
#
# You write neurons from nothing, with NumPy only: activation functions, several neurons at once, gates and a
# small network whose weights you choose. Then a neuron learns to tell two species of iris apart, first by the
# perceptron's rule, then by a gradient that you derive and a learning rate that chooses itself.
#
# **You need** [the lecture](../notebooks/01_neurons.ipynb), and Python functions that are passed to
# functions. Allow about 100 minutes.

# %%
from nnlabs import plots, runtime
from nnlabs.checks import neurons as check

budget = runtime.setup(seed=1, keras=False)

# %%
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## 1. The sigmoid
#
# To warm up, write
#
# $$\phi(x) = \frac{1}{1 + e^{-x}}$$
#
# for an array `x` of any shape. The result has the shape of `x`. It must also work for $x = \pm 800$, where
# $e^{800}$ is too large for a computer. No overflow warning may appear, also not from numbers that are
# thrown away afterwards.
#
# <details><summary>Hint 1</summary>
#
# Multiply both parts of the fraction by $e^x$: there is a second form of $\phi$. Which of the two meets a
# large power for which $x$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.exp(-np.abs(x))` never overflows. `np.where(condition, a, b)` takes `a` where the condition holds and
# `b` elsewhere; it computes both.
#
# </details>


# %% exercise="sigmoid"
def sigmoid(x):
    """Return 1 / (1 + e^-x) for each element of x (any shape, also of integers), without overflow."""
    ### BEGIN SOLUTION
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    ### END SOLUTION


# %% check="sigmoid" points=2
sigmoid = check.sigmoid(sigmoid)

# %% [markdown]
# ## 2. Derive it: softplus
#
# ReLU has a corner. *Softplus* is a smooth function that looks like it from far away:
#
# $$\zeta(x) = \log(1 + e^x)$$
#
# Derive $\zeta'(x)$ on paper. Then write a function that returns two arrays of the shape of `x`: the values
# $\zeta(x)$ and the slopes $\zeta'(x)$. Both must be right for $x = \pm 800$ too, again without an overflow
# warning.
#
# <details><summary>Hint 1</summary>
#
# For the slope: the chain rule, and then compare with exercise 1. For the value: what is $\zeta(800)$, to 16
# digits? Which part of $\log(1 + e^x)$ can you take out of the logarithm when $x > 0$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# $1 + e^x = e^x (1 + e^{-x})$. One of the two forms uses only small powers; which one depends on the sign of
# $x$.
#
# </details>


# %% exercise="softplus"
def softplus(x):
    """Return log(1 + e^x) and its derivative for each element of x (also of integers), without overflow."""
    ### BEGIN SOLUTION
    value = np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))
    return value, sigmoid(x)
    ### END SOLUTION


# %% check="softplus" points=3
softplus = check.softplus(softplus)

# %% [markdown]
# Never trust a derivative that you have not checked: the quotient should agree to about $10^{-10}$.

# %%
x = np.linspace(-3, 3, 50)
quotient = (softplus(x + 1e-5)[0] - softplus(x - 1e-5)[0]) / 2e-5
print(f"largest difference: {np.abs(softplus(x)[1] - quotient).max():.0e}")
assert np.allclose(softplus(x)[1], quotient, atol=1e-9)

# %%
x = np.linspace(-6, 6, 301)
figure, ax = plt.subplots()
for i, (name, y) in enumerate(zip(["softplus", "its slope"], softplus(x), strict=True)):
    ax.plot(x, y, plots.LINES[i], label=name)
ax.plot(x, np.maximum(0, x), plots.LINES[3], color="black", label="ReLU")
ax.set(xlabel="x", title="A ReLU without a corner", ylim=(-0.3, 4))
ax.legend(loc="upper left")
plots.show(
    "Softplus, a smooth curve that is close to ReLU at both ends and log 2 at 0; its slope rises from 0 to 1."
)

# %% [markdown]
# **Look at** the slope: on the left it fades, as that of a saturated neuron; on the right it tends to 1.
#
# ## 3. Several neurons at once
#
# Write the outputs of $J$ neurons for a batch `X` of shape $(n, d)$. Two things are new:
#
# - The bias is **folded into the weights**. Give each input a first component that is always 1; then
#   $\langle w, x \rangle + b$ is the inner product of $(b, w_1, \dots, w_d)$ and $(1, x_1, \dots, x_d)$. So
#   row $j$ of `W`, shape $(J, d + 1)$, holds the bias of neuron $j$ first, then its $d$ weights.
# - Each neuron has its **own activation**: `phis` is a list of $J$ functions, each of which takes an array.
#
# The result has the shape $(n, J)$: in column $j$ the outputs of neuron $j$. `X` and `W` may hold integers.
#
# <details><summary>Hint 1</summary>
#
# Write down the shapes: $(n, d + 1)$ and $(J, d + 1)$ must give $(n, J)$. Only then think about the
# activations: which part of the sums belongs to neuron $j$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.ones((n, 1))` is a column of ones, `np.hstack([A, B])` puts two tables side by side.
# `np.stack(columns, axis=1)` makes a table of columns.
#
# </details>


# %% exercise="neurons"
def neurons(X, W, phis):
    """Return the outputs (n, J) for X (n, d): W (J, d + 1) has the biases first, phis are J functions."""
    ### BEGIN SOLUTION
    sums = np.hstack([np.ones((len(X), 1)), X]) @ W.T
    return np.stack([phi(column) for phi, column in zip(phis, sums.T, strict=True)], axis=1)
    ### END SOLUTION


# %% check="neurons" points=2
neurons = check.neurons(neurons)

# %%
X = np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, 3.0]])
W = np.array([[0.5, 1.0, -1.0], [0.0, 2.0, 1.0]])
print("X", X.shape, "W", W.shape, "->", neurons(X, W, [sigmoid, np.tanh]).shape)

# %% [markdown]
# ## 4. Logic gates
#
# A neuron with the hard threshold $\phi_0$ (it gives 1 when its sum is $\geq 0$) can be a logic gate. Choose
# weights and a bias for three gates:
#
# - **NAND**, two inputs: 1 unless both are 1;
# - **IMPLIES**, two inputs: "if $x_1$, then $x_2$". It is 0 for $x_1 = 1$, $x_2 = 0$, and 1 else;
# - **MAJORITY**, three inputs: 1 if at least two of them are 1.
#
# There are many right answers. Return a dictionary of pairs, `w` an array with one weight for each input:
# `{"NAND": (w, b), "IMPLIES": (w, b), "MAJORITY": (w, b)}`.
#
# <details><summary>Hint 1</summary>
#
# Draw the four inputs as corners of a square and a line that separates the ones from the zeros. $w$ is
# perpendicular to the line and points to the ones. Then choose $b$ such that the sum is 0 on the line.
#
# </details>
# <details><summary>Hint 2</summary>
#
# What do you get if you change all signs, weights and bias, of a gate of the lecture? For MAJORITY all inputs
# are worth the same: what is the sum of the inputs for one, two, three ones?
#
# </details>


# %% exercise="gates"
def gates():
    """Return {"NAND": (w, b), "IMPLIES": (w, b), "MAJORITY": (w, b)} for the hard threshold at 0."""
    ### BEGIN SOLUTION
    return {
        "NAND": (np.array([-1.0, -1.0]), 1.5),
        "IMPLIES": (np.array([-1.0, 1.0]), 0.5),
        "MAJORITY": (np.array([1.0, 1.0, 1.0]), -1.5),
    }
    ### END SOLUTION


# %% check="gates" points=2
gates = check.gates(gates)


# %% [markdown]
# Your gates, as pictures: coloured is where the neuron gives 1. MAJORITY has a cube of inputs; it is cut into
# two squares, $x_3 = 0$ and $x_3 = 1$. **Look at** these two: which gates of two inputs are they?


# %%
def threshold(x):
    return (x >= 0).astype(float)


side = np.linspace(-0.5, 1.5, 100)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # shape (100 * 100, 2)
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def draw_square(compute, title, ax):
    """Colour where compute(points) is 1; write its value at each corner of the square."""
    ax.contourf(side, side, compute(grid).reshape(100, 100), [-0.5, 0.5, 1.5], colors=["white", "#b3d5e7"])
    for corner, output in zip(corners, compute(corners), strict=True):
        ax.text(*corner, f"{output:.0f}", ha="center", va="center", fontsize=14)
    ax.set(title=title, xlabel="$x_1$", xticks=[0, 1], yticks=[0, 1], aspect="equal")


def with_third(X, x3):
    return np.hstack([X, np.full((len(X), 1), x3)])


# %%
figure, axes = plt.subplots(1, 4, figsize=(9.5, 2.9), sharey=True)
for ax, name in [(axes[0], "NAND"), (axes[1], "IMPLIES")]:
    w, b = gates()[name]
    draw_square(lambda X, w=w, b=b: threshold(X @ w + b), name, ax)
w, b = gates()["MAJORITY"]
for ax, x3 in [(axes[2], 0), (axes[3], 1)]:
    draw_square(lambda X, x3=x3: threshold(with_third(X, x3) @ w + b), f"MAJORITY, $x_3 = {x3}$", ax)
axes[0].set_ylabel("$x_2$")
plots.show(
    "Four squares with the outputs at their corners: NAND, IMPLIES, and MAJORITY for a third input of 0, "
    "where only the corner (1, 1) is coloured, and of 1, where only the corner (0, 0) is not."
)

# %% [markdown]
# With $x_3 = 0$ MAJORITY is AND, with $x_3 = 1$ it is OR: the third input shifts the line, as a bias does.
#
# ## 5. Parity of three inputs
#
# The parity of $(x_1, x_2, x_3)$ is 1 if an *odd* number of them is 1. For two inputs that is XOR. No single
# neuron computes it, but two layers of neurons with the hard threshold do:
#
# $$h = \phi_0(W^{(1)} x + b^{(1)}), \qquad y = \phi_0(\langle w^{(2)}, h \rangle + b^{(2)})$$
#
# The hidden layer has $J$ neurons. Row $j$ of $W^{(1)}$, shape $(J, 3)$, holds the weights of the hidden
# neuron $j$. Choose $J$ and all weights by hand; the check asks for a right network, not for a small one.
# (How few hidden neurons are enough?) Here is the network:


# %%
def two_layers(X, W1, b1, w2, b2):
    h = threshold(X @ W1.T + b1)  # (n, 3) @ (3, J) + (J,) -> (n, J)
    return threshold(h @ w2 + b2)  # (n, J) @ (J,) + () -> (n,)


# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Only the number of ones matters. Write the parity as a table over $x_1 + x_2 + x_3 = 0, 1, 2, 3$. Which
# questions about this sum can a threshold neuron answer?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Let hidden neuron $j$ say whether at least $j$ inputs are 1. Write down $h$ for each sum, and look for
# weights of either sign that give the row of the parity.
#
# </details>


# %% exercise="parity-weights"
def parity_weights():
    """Return W1 (J, 3), b1 (J,), w2 (J,) and the number b2 with which two_layers computes the parity."""
    ### BEGIN SOLUTION
    W1 = np.ones((3, 3))  # each hidden neuron adds the inputs up
    b1 = np.array([-0.5, -1.5, -2.5])  # at least one, two, three
    w2, b2 = np.array([1.0, -1.0, 1.0]), -0.5
    return W1, b1, w2, b2
    ### END SOLUTION


# %% check="parity-weights" points=3
parity_weights = check.parity_weights(parity_weights)

# %%
figure, axes = plt.subplots(1, 2, figsize=(5.6, 3.3), sharey=True)
for ax, x3 in zip(axes, (0, 1), strict=True):
    draw_square(lambda X, x3=x3: two_layers(with_third(X, x3), *parity_weights()), f"$x_3 = {x3}$", ax)
axes[0].set_ylabel("$x_2$")
plots.show(
    "Parity of three inputs on two squares. For a third input of 0 the corners (0, 1) and (1, 0) are 1, "
    "which is XOR; for a third input of 1 the other two are."
)

# %% [markdown]
# **Look at** the two squares: on the left you see XOR, on the right its opposite. A few edges, one for each
# hidden neuron, cut the cube into pieces; the last neuron chooses among these.
#
# ## 6. Find the fault: a perceptron with a pocket
#
# From here on the neuron learns. The data: length and width of the petals of 50 *Iris versicolor* (class 0)
# and 50 *Iris virginica* (class 1), in cm (Fisher, 1936). We bring both to mean 0 and standard deviation 1.

# %%
from sklearn.datasets import load_iris

iris = load_iris()
chosen = iris.target > 0  # versicolor 1, virginica 2
petals = iris.data[chosen][:, 2:]  # length and width, shape (100, 2)
X = (petals - petals.mean(axis=0)) / petals.std(axis=0)
y = iris.target[chosen] - 1  # versicolor 0, virginica 1
print("X", X.shape, "y", y.shape)

# %% [markdown]
# The two species overlap, so the perceptron never comes to rest, and its last weights may be bad ones.
# Gallant (1990) puts the best weights so far *into the pocket*: after each epoch count the mistakes on all
# examples; if there are fewer than with the weights in the pocket, exchange them. At the end return what is
# in the pocket.
#
# Here is an attempt that has **a fault**.


# %%
def mistakes(w, b, X, y):
    return int(np.sum(threshold(X @ w + b) != y))


def pocket_with_a_fault(X, y, epochs):
    w, b = np.zeros(X.shape[1]), 0.0
    best = w, b, mistakes(w, b, X, y)
    for _ in range(epochs):
        for x_i, y_i in zip(X, y, strict=True):
            error = y_i - threshold(w @ x_i + b)
            w += error * x_i
            b += error
        if mistakes(w, b, X, y) < best[2]:
            best = w, b, mistakes(w, b, X, y)
    return best


# %%
w, b, count = pocket_with_a_fault(X, y, epochs=30)  # on the petals
print(f"it says {count} mistakes; the weights that it returns make {mistakes(w, b, X, y)}")

# %% [markdown]
# What it says and what it returns do not fit. Find out why, and write it without the fault: start at zero,
# with these weights in the pocket, take the examples in their order, count after each epoch, keep the weights
# only if there are *fewer* mistakes.
#
# <details><summary>Hint 1</summary>
#
# Print `best` at the end of each epoch. Does it change also when the `if` says no?
#
# </details>
# <details><summary>Hint 2</summary>
#
# After `u = w`, are there two arrays or one array with two names? What is the difference between `w += 1` and
# `w = w + 1` for `u`? And why does the bias, a number, not suffer from it?
#
# </details>


# %% exercise="pocket"
def pocket(X, y, epochs):
    """Perceptron on X (n, d), y (n,): return w (d,) and b with the fewest mistakes, and that number."""
    ### BEGIN SOLUTION
    w, b = np.zeros(X.shape[1]), 0.0
    best = w, b, mistakes(w, b, X, y)
    for _ in range(epochs):
        for x_i, y_i in zip(X, y, strict=True):
            error = y_i - threshold(w @ x_i + b)
            w = w + error * x_i  # a new array: the one in the pocket stays as it is
            b += error
        if mistakes(w, b, X, y) < best[2]:
            best = w, b, mistakes(w, b, X, y)
    return best
    ### END SOLUTION


# %% check="pocket" points=2
pocket = check.pocket(pocket)

# %%
w, b, count = pocket(X, y, epochs=30)  # on the petals
print(f"it says {count} mistakes; the weights that it returns make {mistakes(w, b, X, y)}")
assert count == mistakes(w, b, X, y)

# %% [markdown]
# ## 7. Derive it: the gradient for labels ±1
#
# Many books write the classes as $t_i \in \{-1, 1\}$ instead of $y_i \in \{0, 1\}$. With the sum
# $\Sigma_i = \langle w, x_i \rangle + b$ the sigmoid neuron gives the class $t_i$ the probability
# $\phi(t_i \Sigma_i)$, for both classes, since $\phi(-\Sigma) = 1 - \phi(\Sigma)$. So the mean cross-entropy
# is
#
# $$L_n = -\frac{1}{n} \sum_{i=1}^{n} \log \phi(t_i \Sigma_i)
# = \frac{1}{n} \sum_{i=1}^{n} \zeta(-t_i \Sigma_i)$$
#
# with your softplus $\zeta$. In this form it never breaks, however certain the neuron is:


# %%
def loss(w, b, X, t):
    return softplus(-t * (X @ w + b))[0].mean()


# %%
print("certain and right:", loss(np.array([1.0]), 0.0, np.array([[800.0]]), np.array([1])))
print("certain and wrong:", loss(np.array([1.0]), 0.0, np.array([[800.0]]), np.array([-1])))

# %% [markdown]
# Derive $\partial L_n / \partial w$ and $\partial L_n / \partial b$ on paper, then write them. Shapes: `w`
# $(d,)$, `b` a number, `X` $(n, d)$, `t` $(n,)$ of numbers $-1$ and $1$. The results: `grad_w` $(d,)$ and
# `grad_b`, a number.
#
# <details><summary>Hint 1</summary>
#
# One example first: the derivative of $\zeta(-t \Sigma)$ with respect to $\Sigma$. You know $\zeta'$, and
# there is an inner derivative. Then $\partial \Sigma / \partial w$ and $\partial \Sigma / \partial b$ as in
# the lecture.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Put the derivatives with respect to $\Sigma_i$ into an array of shape $(n,)$. `X.T` has the shape $(d, n)$:
# what does `X.T @ array` add up? Do not forget that the loss is a mean.
#
# </details>


# %% exercise="gradient"
def gradient(w, b, X, t):
    """Return (grad_w, grad_b), the gradient of loss(w, b, X, t) for labels t = -1 or 1: shapes (d,), ()."""
    ### BEGIN SOLUTION
    by_sum = -t * sigmoid(-t * (X @ w + b))  # derivative of each example's loss with respect to its sum
    return X.T @ by_sum / len(t), by_sum.mean()
    ### END SOLUTION


# %% check="gradient" points=3
gradient = check.gradient(gradient)

# %% [markdown]
# It is the same as in the lecture, "error times input": with $y = (t + 1) / 2$ the two formulas agree.

# %%
t = 2 * y - 1  # -1 versicolor, 1 virginica: the petals
w, b = np.array([0.5, -1.0]), 0.3
grad_w, grad_b = gradient(w, b, X, t)
error = sigmoid(X @ w + b) - y
print("labels -1, 1:", grad_w, grad_b)
print("labels  0, 1:", (error[:, None] * X).mean(axis=0), error.mean())

# %% [markdown]
# ## 8. A learning rate that chooses itself
#
# The lecture found its rate by trial. This rule finds one in each step (*backtracking*; Armijo, 1966). Let
# $g$ be the gradient at $(w, b)$, for weights *and* bias, and $\lVert g \rVert^2$ the sum of the squares of
# all its components. To first order a step with the rate $\varepsilon$ lowers the loss by
# $\varepsilon \lVert g \rVert^2$. We ask for at least half of that:
#
# $$L_n(w - \varepsilon\, g_w,\; b - \varepsilon\, g_b) \;\leq\;
# L_n(w, b) - \frac{\varepsilon}{2} \lVert g \rVert^2$$
#
# Start with $w = 0$, $b = 0$ and $\varepsilon = 1$. In each step:
#
# 1. keep the loss, and compute the gradient once;
# 2. double $\varepsilon$ (perhaps more is possible than in the last step);
# 3. halve $\varepsilon$ as long as the inequality does *not* hold;
# 4. move $w$ and $b$ with this $\varepsilon$, and keep $\varepsilon$.
#
# Return `w`, `b`, the list of the losses and the list of the rates, one of each for each step.
#
# <details><summary>Hint 1</summary>
#
# "As long as" is a `while` loop. Its condition is the opposite of the inequality. What changes inside the
# loop, and what does not?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Before the `while` you need the loss at the start of the step, the gradient, $\lVert g \rVert^2$
# (`grad_w @ grad_w` is one part of it) and the doubled rate. In its condition call `loss` at the place where
# the step would end.
#
# </details>


# %% exercise="train"
def train(X, t, steps):
    """Gradient descent from zero with backtracking on X (n, d), t (n,); return w, b, losses, rates."""
    ### BEGIN SOLUTION
    w, b, rate, losses, rates = np.zeros(X.shape[1]), 0.0, 1.0, [], []
    for _ in range(steps):
        here = loss(w, b, X, t)
        grad_w, grad_b = gradient(w, b, X, t)
        asked = (grad_w @ grad_w + grad_b**2) / 2  # of the fall of the loss, for each unit of the rate
        rate = 2 * rate
        while loss(w - rate * grad_w, b - rate * grad_b, X, t) > here - rate * asked:
            rate = rate / 2
        w = w - rate * grad_w
        b = b - rate * grad_b
        losses.append(here)
        rates.append(rate)
    return w, b, losses, rates
    ### END SOLUTION


# %% check="train" points=3
train = check.train(train)

# %% [markdown]
# ### Two species of iris
#
# **Before you run the next cell, what do you expect?** Where does the loss start? Can it reach 0?

# %%
w, b, losses, rates = train(X, t, steps=40)  # on the petals
accuracy = np.mean((X @ w + b > 0) == (t > 0))
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, rates from {min(rates):g} to {max(rates):g}")
runtime.result("iris_training_accuracy", accuracy, at_least=0.93)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
left.semilogy(np.arange(1, 41), rates, "o-", markersize=4)
left.set(title="The rates that were chosen", xlabel="step", ylabel=r"rate $\varepsilon$")
plots.decision_regions(lambda X: X @ w + b > 0, X, y, ["versicolor", "virginica"], ax=right)
right.set(title="One neuron, two species", xlabel="petal length (scaled)", ylabel="petal width (scaled)")
right.legend(loc="upper left", frameon=True)
plots.show(
    "Left: the rate of each step, powers of two that go up and down. Right: the flowers of two species in "
    "the plane of petal length and width, and the straight line that separates most of them."
)

# %% [markdown]
# The loss starts at $\log 2$, where every answer is $1/2$. It cannot reach 0: the species overlap, so no line
# has all flowers right, and a wrong flower costs at least $\log 2$. **Look at** the rates: they double for
# some steps, then they are halved again, and they do not come to rest. (The accuracy is that on the flowers
# used in training. Lesson 04 tells why that is not enough.)
#
# ### Two species that do not overlap
#
# *Iris setosa* has much smaller petals than the other two: a line separates it from *versicolor*. **Before
# you run the next cell, what do you expect** for the loss and for the length of $w$ after 5, 10, 20, 40
# steps?

# %%
pair = iris.target < 2  # setosa 0, versicolor 1
petals = iris.data[pair][:, 2:]
X_apart = (petals - petals.mean(axis=0)) / petals.std(axis=0)
t_apart = 2 * iris.target[pair] - 1
for steps in (5, 10, 20, 40):
    w_apart, _, losses, rates = train(X_apart, t_apart, steps)
    print(f"{steps:2} steps: loss {losses[-1]:.0e}, length of w {np.linalg.norm(w_apart):.0f}, ", end="")
    print(f"last rate {rates[-1]:.0e}")

# %% [markdown]
# The loss tends to 0, and the weights grow for ever, with ever larger rates: if all answers are right, $c\,w$
# and $c\,b$ with $c > 1$ make each of them more certain, so each $\zeta(-t_i \Sigma_i)$ falls. A convex loss
# has no second valley; it need not have a minimum.

# %% [markdown] question="xor-friends" points=3
# **Question.** Three friends want to teach XOR to a *single* neuron. For each, say whether it works, and why.
#
# 1. Ann replaces the sigmoid by tanh.
# 2. Ben trains longer, with a smaller learning rate.
# 3. Cleo adds a third input, the product $x_3 = x_1 x_2$. If it works, give weights and bias.
#
# <!-- BEGIN SOLUTION -->
# 1. It does not work. tanh is increasing like the sigmoid, so the boundary is still a line,
#    $\langle w, x \rangle + b = \text{constant}$. No line has $(0,1)$ and $(1,0)$ on one side and $(0,0)$,
#    $(1,1)$ on the other, because $\Sigma(0,1) + \Sigma(1,0) = \Sigma(0,0) + \Sigma(1,1)$.
# 2. It does not work. The loss is convex; its minimum is at $w = 0$, $b = 0$, where every answer is $1/2$.
#    More training comes closer to that.
# 3. It works. With three inputs a plane separates the four points, for example $w = (1, 1, -2)$, $b = -0.5$:
#    the sums are $-0.5, 0.5, 0.5, -0.5$. The new input does the work of a hidden layer.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **How few are enough?** Show that two hidden neurons cannot compute the parity of three inputs. How many
#   do you need for $d$ inputs?
# - **A fixed rate.** The chosen rates never come to rest. Would 0.1, 1, 10 or 100 in every step do as well?
#   Draw the loss over 40 steps for each, beside that of your `train`.
# - **Rare classes.** Keep 5 virginica and 50 versicolor. Give each example a weight in the loss, larger for
#   the rare class. How does the gradient change, and where does the line go?
# - **Ten neurons.** Train one neuron for each digit of `sklearn.datasets.load_digits()`, "this digit against
#   the others", and let the largest sum win. Which two digits are confused most? (`plots.confusion_matrix`)
# - **Parity, learned.** Start your two-layer network from random weights and try to train it. Why can
#   gradient descent not work with hard thresholds? Lesson 02 and lesson 03 give the way out.
#
# **References:** R. A. Fisher (1936), *The use of multiple measurements in taxonomic problems*, Annals of
# Eugenics 7(2), 179–188,
# [doi:10.1111/j.1469-1809.1936.tb02137.x](https://doi.org/10.1111/j.1469-1809.1936.tb02137.x). S. I. Gallant
# (1990), *Perceptron-based learning algorithms*, IEEE Transactions on Neural Networks 1(2), 179–191,
# [doi:10.1109/72.80230](https://doi.org/10.1109/72.80230). L. Armijo (1966), *Minimization of functions
# having Lipschitz continuous first partial derivatives*, Pacific Journal of Mathematics 16(1), 1–3,
# [doi:10.2140/pjm.1966.16.1](https://doi.org/10.2140/pjm.1966.16.1).
#
# Back to the lecture: [`../notebooks/01_neurons.ipynb`](../notebooks/01_neurons.ipynb).
