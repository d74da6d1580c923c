# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.2, cpu: 0.2}
# ---

# %% [markdown]
# # Lab 01: one neuron
#
# You write a neuron from nothing, with NumPy only: activation functions, the output for a batch, the
# gradient, the training. Then you separate two species of iris with it, and build XOR from neurons whose
# weights you choose.
#
# **How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
# below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
# with the course's own version, so every later cell still runs. The lecture is
# [`../notebooks/01_neurons.ipynb`](../notebooks/01_neurons.ipynb).

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
# Write
#
# $$\phi(x) = \frac{1}{1 + e^{-x}}$$
#
# for an array `x` of any shape. The result has the shape of `x`. It must also work for $x = \pm 800$, where
# $e^{800}$ is too large for a computer: use that $\phi(x) = e^{x} / (1 + e^{x})$ as well. No overflow may be
# met on the way, also not in numbers that are thrown away.
#
# <details><summary>Hint</summary>
#
# `np.exp(-np.abs(x))` never overflows. `np.where(condition, a, b)` takes `a` where the condition holds and
# `b` elsewhere.
#
# </details>


# %% exercise="sigmoid"
def sigmoid(x):
    """Return 1 / (1 + e^-x) for each element of the array x (any shape), without overflow."""
    ### BEGIN SOLUTION
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))
    ### END SOLUTION


# %% check="sigmoid" points=2
sigmoid = check.sigmoid(sigmoid)

# %% [markdown]
# ## 2. The hard threshold
#
# Write $\phi_\beta(x) = \mathbb{1}_{x \geq \beta}$: the number 1 where $x \geq \beta$, the number 0
# elsewhere.
#
# <details><summary>Hint</summary>
#
# A comparison of an array gives an array of `True` and `False`. `.astype(float)` turns these into 1.0 and
# 0.0.
#
# </details>


# %% exercise="threshold"
def threshold(x, beta):
    """Return 1.0 where x >= beta and 0.0 elsewhere; x is an array of any shape, beta a number."""
    ### BEGIN SOLUTION
    return (x >= beta).astype(float)
    ### END SOLUTION


# %% check="threshold" points=1
threshold = check.threshold(threshold)

# %% [markdown]
# ## 3. The derivative of tanh
#
# Derive $\phi'$ for
#
# $$\phi(x) = \tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}$$
#
# with the rule for a quotient, simplify, and write it. Use `np.tanh`, so that it works for $x = \pm 800$ too.
#
# <details><summary>Hint</summary>
#
# $(u/v)' = (u'v - uv')/v^2$. Here $u' = v$ and $v' = u$. Divide by $v^2$ term by term, and look for
# $u/v = \tanh(x)$.
#
# </details>


# %% exercise="tanh-slope"
def tanh_slope(x):
    """Return the derivative of tanh at each element of the array x (any shape)."""
    ### BEGIN SOLUTION
    return 1 - np.tanh(x) ** 2
    ### END SOLUTION


# %% check="tanh-slope" points=1
tanh_slope = check.tanh_slope(tanh_slope)

# %% [markdown]
# Check it a second time, by central differences: formula and quotient should differ by about $10^{-10}$ or
# less.

# %%
x = np.linspace(-3, 3, 50)
quotient = (np.tanh(x + 1e-5) - np.tanh(x - 1e-5)) / 2e-5
print(f"largest difference: {np.abs(tanh_slope(x) - quotient).max():.0e}")
assert np.allclose(tanh_slope(x), quotient, atol=1e-9)

# %% [markdown]
# Draw what you have. **Look at** where each of the two slopes is almost 0: there the neuron is saturated.
# Which of the two functions has the larger slope at 0?

# %%
x = np.linspace(-6, 6, 301)
figure, ax = plt.subplots()
ax.plot(x, tanh_slope(x), plots.LINES[0], label="slope of tanh")
ax.plot(x, sigmoid(x) * (1 - sigmoid(x)), plots.LINES[1], label="slope of the sigmoid")
ax.plot(x, threshold(x, 2.0), plots.LINES[3], color="black", label=r"hard threshold, $\beta = 2$")
ax.set(xlabel="x", title="Two slopes and a threshold")
ax.legend(loc="upper left")
plots.show(
    "Slopes of tanh and sigmoid, bumps of height 1 and 1/4 at 0, and a hard threshold that jumps at 2."
)

# %% [markdown]
# ## 4. A neuron on a batch
#
# Write the output of one neuron for a batch `X` of shape $(n, d)$, with one input $x$ per row:
#
# $$y = \phi(\langle w, x \rangle + b)$$
#
# The weights `w` have the shape $(d,)$, the bias `b` is a number, `phi` is a function. The result has the
# shape $(n,)$. Try it without a loop.
#
# <details><summary>Hint</summary>
#
# Write down the shapes: $(n, d)$ and $(d,)$ must give $(n,)$. The operator is `@`. Then add, then call `phi`.
#
# </details>


# %% exercise="neuron"
def neuron(X, w, b, phi):
    """Return phi(<w, x> + b) for each row x of X: X (n, d), w (d,), b a number -> shape (n,)."""
    ### BEGIN SOLUTION
    return phi(X @ w + b)
    ### END SOLUTION


# %% check="neuron" points=2
neuron = check.neuron(neuron)

# %%
X = np.array([[1.0, 2.0], [0.0, 0.0], [-1.0, 3.0]])
print("X", X.shape, "->", neuron(X, w=np.array([1.0, -1.0]), b=0.5, phi=sigmoid))

# %% [markdown]
# ## 5. Logic gates
#
# A neuron with the hard threshold $\phi_0$ (it gives 1 when its sum is $\geq 0$) can be a logic gate. Choose
# weights and a bias for three gates with two inputs, each 0 or 1:
#
# | $x_1$ | $x_2$ | AND | OR | NAND |
# | --- | --- | --- | --- | --- |
# | 0 | 0 | 0 | 0 | 1 |
# | 0 | 1 | 0 | 1 | 1 |
# | 1 | 0 | 0 | 1 | 1 |
# | 1 | 1 | 1 | 1 | 0 |
#
# There are many right answers. Return a dictionary: `{"AND": (w, b), "OR": (w, b), "NAND": (w, b)}`, each `w`
# an array of two numbers.
#
# <details><summary>Hint</summary>
#
# Draw the four inputs as corners of a square and a line that separates the ones from the zeros. $w$ is
# perpendicular to the line and points to the ones. Then choose $b$ such that the sum is 0 on the line. NAND
# is NOT AND.
#
# </details>


# %% exercise="gates"
def gates():
    """Return {"AND": (w, b), "OR": (w, b), "NAND": (w, b)} for neurons with the hard threshold at 0."""
    ### BEGIN SOLUTION
    w = np.array([1.0, 1.0])
    return {"AND": (w, -1.5), "OR": (w, -0.5), "NAND": (-w, 1.5)}
    ### END SOLUTION


# %% check="gates" points=2
gates = check.gates(gates)

# %% [markdown]
# Your three gates, each as a line through the square. **Look at** AND and NAND: where are their lines?

# %%
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
side = np.linspace(-0.5, 1.5, 201)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # shape (201 * 201, 2)
figure, axes = plt.subplots(1, 3, figsize=(8, 3.4), sharey=True)
for i, (name, (w, b)) in enumerate(gates().items()):
    region = threshold(grid @ w + b, 0.0).reshape(201, 201)
    axes[i].contourf(side, side, region, levels=[-0.5, 0.5, 1.5], colors=["white", "#b3d5e7"])
    for corner, output in zip(corners, threshold(corners @ w + b, 0.0), strict=True):
        axes[i].text(*corner, f"{output:.0f}", ha="center", va="center", fontsize=14)
    axes[i].set(title=name, xlabel="$x_1$", xticks=[0, 1], yticks=[0, 1], aspect="equal")
axes[0].set_ylabel("$x_2$")
plots.show(
    "The unit square for AND, OR and NAND: the half plane where the neuron gives 1 is coloured, and the "
    "output is written at each corner."
)

# %% [markdown]
# ## 6. The gradient of the cross-entropy
#
# From here on the neuron learns, so it has a sigmoid: $p = \phi(\langle w, x \rangle + b)$. Its loss is the
# mean cross-entropy over $n$ examples,
#
# $$\ell = -\frac{1}{n} \sum_{i=1}^{n} \left[\, y_i \log p_i + (1 - y_i) \log(1 - p_i) \,\right],$$
#
# and this is it:


# %%
def loss(w, b, X, y):
    p = neuron(X, w, b, sigmoid)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


# %% [markdown]
# Write its gradient. For one example it is $\partial \ell / \partial w = (p - y)\,x$ and
# $\partial \ell / \partial b = p - y$.
#
# Shapes: `w` $(d,)$, `b` a number, `X` $(n, d)$, `y` $(n,)$ of zeros and ones. The results: `grad_w` $(d,)$
# and `grad_b`, a number.
#
# <details><summary>Hint</summary>
#
# First the errors, $p - y$, shape $(n,)$. `X.T` has the shape $(d, n)$: what does `X.T @ errors` add up? Do
# not forget that the loss is a mean.
#
# </details>


# %% exercise="gradient"
def gradient(w, b, X, y):
    """Return (grad_w, grad_b), the gradient of loss(w, b, X, y): shapes (d,) and ()."""
    ### BEGIN SOLUTION
    errors = neuron(X, w, b, sigmoid) - y
    return X.T @ errors / len(y), errors.mean()
    ### END SOLUTION


# %% check="gradient" points=3
gradient = check.gradient(gradient)

# %% [markdown]
# ## 7. Training
#
# Write gradient descent. Start with all weights and the bias at 0. In each epoch, first keep the loss, then
# compute the gradient once, then make one step with the learning rate $\varepsilon$ (`rate`):
#
# $$w \leftarrow w - \varepsilon\, \frac{\partial \ell}{\partial w}, \qquad
# b \leftarrow b - \varepsilon\, \frac{\partial \ell}{\partial b}$$
#
# Return `w`, `b` and the list of the losses, one for each epoch.
#
# <details><summary>Hint</summary>
#
# Before the loop: `np.zeros(X.shape[1])`, a number, an empty list. In the loop you need `loss`, `gradient`
# and two updates. `return` stands after the loop.
#
# </details>


# %% exercise="train"
def train(X, y, rate, epochs):
    """Gradient descent from zero on all of X (n, d) and y (n,); return w, b, losses."""
    ### BEGIN SOLUTION
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
    return w, b, losses
    ### END SOLUTION


# %% check="train" points=3
train = check.train(train)

# %% [markdown]
# ### Two species of iris
#
# Fisher's data (1936): length and width of the petals of 50 *Iris versicolor* and 50 *Iris virginica*, in cm.
# We bring both to mean 0 and standard deviation 1, so that one learning rate suits both weights.

# %%
from sklearn.datasets import load_iris

iris = load_iris()
chosen = iris.target > 0  # versicolor 1, virginica 2
petals = iris.data[chosen][:, 2:]  # length and width, shape (100, 2)
X = (petals - petals.mean(axis=0)) / petals.std(axis=0)
y = iris.target[chosen] - 1  # versicolor 0, virginica 1
print("X", X.shape, "y", y.shape)

# %% [markdown]
# **Before you run the next cell, what do you expect?** Where does the loss start? Can it reach 0?

# %%
w, b, losses = train(X, y, rate=1.0, epochs=1000)
accuracy = np.mean((neuron(X, w, b, sigmoid) > 0.5) == y)
print(
    f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, {np.sum((neuron(X, w, b, sigmoid) > 0.5) != y)} flowers wrong"
)
runtime.result("iris_training_accuracy", accuracy, at_least=0.93)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
plots.history({"loss": losses[:50]}, ax=left)
left.set(title="The first 50 of 1000 epochs", ylabel="cross-entropy")
plots.decision_regions(lambda X: neuron(X, w, b, sigmoid) > 0.5, X, y, ["versicolor", "virginica"], ax=right)
right.set(title="One neuron, two species", xlabel="petal length (scaled)", ylabel="petal width (scaled)")
right.legend(loc="upper left", frameon=True)
plots.show(
    "Left: the loss falls from 0.69. Right: the flowers of two species in the plane of petal length and "
    "width, and the straight line that separates most of them."
)

# %% [markdown]
# **Look at** the flowers on the wrong side: could another straight line do much better? (The accuracy is that
# on the flowers used in training. Lesson 04 tells why that is not enough.)
#
# ## 8. XOR with three neurons
#
# No single neuron computes XOR, but two layers of neurons with the hard threshold $\phi_0$ do:
#
# $$h = \phi_0(W^{(1)} x + b^{(1)}), \qquad y = \phi_0(\langle w^{(2)}, h \rangle + b^{(2)})$$
#
# The first, hidden layer has $m$ neurons. Row $j$ of $W^{(1)}$ holds the weights of the hidden neuron $j$:
# the shape is $(m, 2)$. Choose $m$ and all weights by hand. (How small can $m$ be?) Here is the network:


# %%
def two_layers(X, W1, b1, w2, b2):
    h = threshold(X @ W1.T + b1, 0.0)  # (n, 2) @ (2, m) + (m,) -> (n, m)
    return threshold(h @ w2 + b2, 0.0)  # (n, m) @ (m,) + () -> (n,)


# %% [markdown]
# <details><summary>Hint</summary>
#
# Say XOR in words: "$x_1$ or $x_2$, **and** not both". Each part is a gate that you have built in exercise 5,
# and so is the word "and" between them.
#
# </details>


# %% exercise="xor-weights"
def xor_weights():
    """Return W1 (m, 2), b1 (m,), w2 (m,) and the number b2 with which two_layers computes XOR."""
    ### BEGIN SOLUTION
    W1 = np.array([[1.0, 1.0], [-1.0, -1.0]])  # OR, NAND
    b1 = np.array([-0.5, 1.5])
    w2, b2 = np.array([1.0, 1.0]), -1.5  # AND
    return W1, b1, w2, b2
    ### END SOLUTION


# %% check="xor-weights" points=2
xor_weights = check.xor_weights(xor_weights)

# %%
region = two_layers(grid, *xor_weights()).reshape(201, 201)
figure, ax = plt.subplots(figsize=(3.6, 3.6))
ax.contourf(side, side, region, levels=[-0.5, 0.5, 1.5], colors=["white", "#b3d5e7"])
for corner, output in zip(corners, two_layers(corners, *xor_weights()), strict=True):
    ax.text(*corner, f"{output:.0f}", ha="center", va="center", fontsize=14)
ax.set(
    title="XOR by two layers", xlabel="$x_1$", ylabel="$x_2$", xticks=[0, 1], yticks=[0, 1], aspect="equal"
)
plots.show(
    "The square for XOR: the region where the network gives 1 contains the corners (0, 1) and (1, 0) and "
    "leaves out (0, 0) and (1, 1)."
)

# %% [markdown]
# **Look at** the coloured region: it has two edges, one for each hidden neuron. One neuron gives one edge.

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
# - **A loss that never breaks.** If a neuron is certain, $p$ is exactly 0 or 1 in the computer and
#   `np.log(p)` is $-\infty$. With the sum $\Sigma$ the loss of one example is
#   $\log(1 + e^{\Sigma}) - y\,\Sigma$. Show it, and write it with `np.logaddexp(0, total)`. Compare both on
#   $\Sigma = 800$.
# - **A learning rate that is too large.** Train on the iris with `rate` 0.01, 1, 10 and 100 and draw the four
#   loss curves. What do you see?
# - **Ten neurons.** Train one neuron for each digit of `sklearn.datasets.load_digits()`, "this digit against
#   the others", and let the largest sum win. Which two digits are confused most? (`plots.confusion_matrix`)
# - **XOR, learned.** Start your two-layer network from random weights and try to train it. Why can gradient
#   descent not work with hard thresholds? Lesson 02 and lesson 03 give the way out.
#
# **References:** R. A. Fisher (1936), *The use of multiple measurements in taxonomic problems*, Annals of
# Eugenics 7(2), 179–188,
# [doi:10.1111/j.1469-1809.1936.tb02137.x](https://doi.org/10.1111/j.1469-1809.1936.tb02137.x). W. S.
# McCulloch, W. Pitts (1943), [doi:10.1007/BF02478259](https://doi.org/10.1007/BF02478259).
#
# Back to the lecture: [`../notebooks/01_neurons.ipynb`](../notebooks/01_neurons.ipynb).
