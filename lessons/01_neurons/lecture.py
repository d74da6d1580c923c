# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.4, cpu: 0.4}
# ---

# %% [markdown]
# # One neuron
#
# A neural network is made of many copies of one small function: the artificial neuron. This lesson says what
# a network is and how the course works. Then you build a neuron with NumPy, train it on data, and look at
# what it can and cannot do.
#
# The course follows the lecture *Neural networks, Introduction to deep learning* by B. Laurent (INSA Toulouse
# and CERFACS, 2021). Where a lesson says "the slides", it means the slides of that lecture.
#
# **You need** partial derivatives, the chain rule, and NumPy arrays with broadcasting.
#
# **Time to study:** about two hours.
#
# **After this lesson you can**
#
# - say what a network learns, and why its risk has more than one valley;
# - write a neuron, $y = \phi(\langle w, x \rangle + b)$, for one input and for a whole batch;
# - write the usual activation functions $\phi$ and their derivatives, and explain why the sigmoid
#   *saturates*;
# - read the weights $w$ and the bias $b$ as a line that cuts the plane in two;
# - train a neuron by gradient descent, with a gradient that you derived by hand;
# - explain why no single neuron computes XOR.

# %%
from nnlabs import diagrams, plots, runtime, widgets

budget = runtime.setup(seed=1, keras=False)

# %%
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## What a neural network is
#
# A neural network is a function $f(x, \theta)$. It maps an input $x$, such as the pixels of a picture, to an
# output, a number (*regression*) or a class (*classification*). $\theta$ stands for all its parameters. They
# are not programmed but *learned* from $n$ examples $(x_i, y_i)$: we look for the $\theta$ that makes the
# mean error of the answers small. This mean is the **empirical risk**, with a loss $\ell$ such as the squared
# difference:
#
# $$L_n(\theta) = \frac{1}{n} \sum_{i=1}^{n} \ell(f(x_i, \theta), y_i)$$
#
# So far this could be linear regression. Three things are different. Here is a network so small that it has a
# single parameter, which serves as the weight of both its neurons:
#
# $$f(x, \theta) = \theta \tanh(\theta x + 1)$$


# %%
def f(x, theta):
    return theta * np.tanh(theta * x + 1)


rng = np.random.default_rng(1)
x = np.linspace(-2, 2, 40)
y = f(x, 1.5) + rng.normal(scale=0.2, size=40)  # the examples: theta = 1.5, and noise

# %%
thetas = np.linspace(-2.5, 2.5, 501)
risk = np.array([np.mean((f(x, theta) - y) ** 2) for theta in thetas])
valley = (risk[1:-1] < risk[:-2]) & (risk[1:-1] < risk[2:])  # lower than both neighbours
minima = thetas[1:-1][valley]
assert len(minima) == 2
assert np.abs(minima[1] - 1.5) < 0.1  # the one on the right is what made the data

# %%
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.5, 3.2), width_ratios=(1, 1.35, 1))
left.plot(x, y, "o", color="0.5", markersize=4, label="examples")
right.plot(thetas, risk, color="black")
for i, theta in enumerate(minima):
    left.plot(x, f(x, theta), plots.LINES[1 - i], color=plots.COLORS[i], label=rf"$\theta = {theta:.2f}$")
    right.plot(theta, risk[1:-1][valley][i], plots.MARKERS[i], color=plots.COLORS[i], markersize=8)
left.set(xlabel="x", ylabel=r"y and $f(x, \theta)$", title="a function is fitted")
left.legend(loc="upper left", fontsize=9)
diagrams.network((3, 4, 4, 2), ax=middle)
middle.set_title("it is a cascade of layers")
right.set(xlabel=r"$\theta$", ylabel=r"$L_n(\theta)$", title="its risk has several valleys")
plots.show(
    "Left: examples in the plane, a solid curve that follows them and a dashed one that does not. Middle: a "
    "network, three inputs, two layers of four neurons, two outputs. Right: the risk over theta, with a deep "
    "valley on the right, that of the solid curve, and one less deep on the left."
)

# %% [markdown]
# **Look at** the three panels.
#
# - **Left.** $f$ is not linear in $x$, and, what matters more, **not linear in its parameters**: twice the
#   $\theta$ is not twice the output. No formula gives the best $\theta$ in one step.
# - **Middle.** Usual networks have thousands to billions of parameters. Their elementary bricks are neurons,
#   arranged in a **cascade of layers**, each of which works on what the layer before has found. *Deep
#   learning* means methods of this kind: many non-linear transformations, one after the other.
# - **Right.** Then the risk is in general **not convex**. It can have several local minima, and to walk
#   downhill from a start leads to one of them, not always to the best. Here the worse one fits the data
#   badly: look at its curve on the left.

# %%
worse, better = risk[1:-1][valley]
print(f"risk in the left valley {worse:.2f}, in the right one {better:.2f}")
assert worse > 10 * better
assert not np.allclose(f(x, 2 * 1.5), 2 * f(x, 1.5))

# %% [markdown]
# That is why learning needs good algorithms of (stochastic) optimisation, a good start, and a good choice of
# the network's structure. Lesson 04 is about the first two.
#
# ### Where networks are used, and which
#
# Networks have brought great progress with pictures and sound: computer vision, the recognition of faces and
# of speech. The same holds for language: translation, answers to questions, the classification of texts, such
# as spam or not (LeCun, Bengio & Hinton, 2015). There are three great families.
#
# | family | what is special | good for |
# | --- | --- | --- |
# | multilayer perceptron ([lesson 02](02_multilayer_perceptron.ipynb)) | the oldest and simplest | tables |
# | convolutional network, CNN ([lesson 05](05_convolution.ipynb)) | windows that share weights | pictures |
# | recurrent network (lesson 02, at its end) | a state goes from step to step | series, text |
#
# (For text a fourth family, the *transformer*, has mostly taken the place of recurrent networks; it is not
# in this course.)
#
# Why **deep**? Some functions need very many neurons in one layer, and few in several layers, since each
# layer can use again what the one before has computed; lesson 02 shows one.
#
# What does **theory** say? One hidden layer that is wide enough comes as close as you like to any continuous
# function on a closed and bounded set (Cybenko, 1989; Hornik, 1991). It does not say how many neurons that
# takes, nor that training finds them. And why a network with more parameters than examples can still be right
# on new data is not well understood: it can learn labels by heart that were drawn at random (Zhang et al.,
# 2017). The results are impressive, the theoretical foundations few. So this course *measures*.
#
# ### The libraries
#
# TensorFlow, PyTorch and JAX compute with arrays, on a GPU if there is one, and they derive gradients without
# your help. **Keras** is a layer above all three: a network written in Keras reads like its formula, and runs
# on each of them. We use it from lesson 02 on, on TensorFlow. This lesson needs NumPy only: you should know
# what Keras does before it does it for you.
#
# ### How this course works
#
# - **Predict first.** "Before you run the next cell, what do you expect?" is meant. Say it, then run the
#   cell. The answer comes after it.
# - **`assert`** stands where the text claims something. It says nothing if the claim holds, and stops the
#   notebook if not. So the text stays true when a library changes. You may read over it, and over the comment
#   `# NBVAL_CHECK_OUTPUT`: it tells the tests of the course that this output is the same on every machine.
# - **`RESULT`** begins a line with a headline figure of the lesson, and its target.
# - **Budgets.** The second code cell has printed `budget: cpu`: sizes for a laptop. `smoke` is for tests, it
#   takes seconds and its results mean nothing.
# - **The lab** of a lesson comes after its lecture. Its checks say in a line what is right or wrong.
#
# ## 1. What a neuron computes
#
# A neuron, number $j$ say, takes an input of $d$ numbers, $x = (x_1, \dots, x_d)$. It has one **weight** for
# each of them, $w_j = (w_{j,1}, \dots, w_{j,d})$, and one more number, its **bias** $b_j$. It multiplies,
# adds up, and passes the sum $\Sigma$ through an **activation function** $\phi$:
#
# $$y_j = f_j(x) = \phi(\langle w_j, x \rangle + b_j)$$
#
# The figure shows this for $d = 3$. Follow the arrows from left to right.

# %%
diagrams.neuron(inputs=3)
plots.show(
    "An artificial neuron: three inputs, each with its weight, and the bias go into a sum; the sum goes "
    "through the activation function and gives the output."
)

# %% [markdown]
# In this lesson there is only one neuron, so we drop the index $j$. Take three inputs, three weights and the
# simplest activation, the identity $\phi(x) = x$.

# %%
x = np.array([1.0, 2.0, -1.0])  # input, shape (3,)
w = np.array([0.5, -0.25, 1.0])  # one weight for each input, shape (3,)
b = 0.1  # bias, one number

# %% [markdown]
# **Before you run the next cell, what do you expect?** Compute
# $\Sigma = \langle w, x \rangle + b = w_1 x_1 + w_2 x_2 + w_3 x_3 + b$ by hand.

# %%
# NBVAL_CHECK_OUTPUT
total = w @ x + b
print(f"sum = {total:.2f}")

# %% [markdown]
# In `w @ x` the operator `@` is the inner product $\langle w, x \rangle$.
#
# ### A batch of inputs at once
#
# Data come as a table `X` with one input per row: shape $(n, d)$. The same operator computes all $n$ sums in
# one call. There is no loop, and that is what makes NumPy fast.

# %%
# NBVAL_CHECK_OUTPUT
X = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [2.0, 2.0, 2.0], [-1.0, 0.0, 1.0]])
totals = X @ w + b
print("X", X.shape, "w", w.shape, "-> X @ w + b", totals.shape)
print(totals)

# %% [markdown]
# **Look at** the second row of `X`: its inputs are all zero, so its sum is the bias alone.

# %%
assert totals[1] == b
assert np.allclose(totals, [w @ row + b for row in X])

# %% [markdown]
# ## 2. Activation functions
#
# With the identity, a neuron is an affine function (linear, plus a constant) and no more. The activation
# function bends it. Five of them are common. The first two need one line each: the **identity** and the
# **rectified linear unit** (ReLU),
#
# $$\phi(x) = x \qquad\qquad \phi(x) = \max(0, x)$$


# %%
def identity(x):
    return x


def relu(x):
    return np.maximum(0, x)


# %% [markdown]
# The **hard threshold** jumps from 0 to 1 at $\beta$. It is the oldest of all (McCulloch & Pitts, 1943).
#
# $$\phi_\beta(x) = \mathbb{1}_{x \geq \beta}$$


# %%
def threshold(x, beta=0.0):
    return (x >= beta).astype(float)


# %% [markdown]
# The **hyperbolic tangent** goes smoothly from $-1$ to $1$.
#
# $$\phi(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}$$

# %%
x = np.linspace(-3, 3, 7)
formula = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
assert np.allclose(formula, np.tanh(x))  # NumPy has it already
tanh = np.tanh

# %% [markdown]
# The **sigmoid**, or logistic function, goes smoothly from 0 to 1. Its output can be read as a probability.
#
# $$\phi(x) = \frac{1}{1 + e^{-x}}$$
#
# Typed as it stands, the formula has a problem. **Before you run the next cell, what do you expect** for
# $x = -800$?

# %%
# NBVAL_CHECK_OUTPUT
with np.errstate(over="raise"):  # make NumPy stop when a number is too large
    try:
        1 / (1 + np.exp(-np.float64(-800)))
    except FloatingPointError as error:
        print("FloatingPointError:", error)

# %% [markdown]
# $e^{800}$ is larger than any number a computer stores in 64 bits (about $10^{308}$): an *overflow*. The cure
# is to use only $e^{-|x|}$, which is never above 1. For $x \geq 0$ this is the formula above. For $x < 0$,
# multiply both parts of the fraction by $e^{x}$:
#
# $$\phi(x) = \frac{1}{1 + e^{-x}} = \frac{e^{x}}{1 + e^{x}}$$


# %%
def sigmoid(x):
    e = np.exp(-np.abs(x))  # between 0 and 1, cannot overflow
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


# %%
# NBVAL_CHECK_OUTPUT
with np.errstate(all="raise", under="ignore"):
    print(sigmoid(np.array([-800.0, 0.0, 800.0])))

# %% [markdown]
# Now draw the five functions. **Look at** the two ends of each curve: which ones become flat, and on which
# side?

# %%
activations = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    r"hard threshold $\phi_\beta$, $\beta=1$": lambda x: threshold(x, beta=1.0),
    "ReLU": relu,
}
x = np.linspace(-4, 4, 801)
figure, axes = plt.subplots(1, 5, figsize=(9.5, 2.4), sharex=True, sharey=True)
for i, (name, phi) in enumerate(activations.items()):
    axes[i].plot(x, phi(x))
    axes[i].set(title=name, xlabel="x", ylim=(-1.5, 3), xticks=[-4, 0, 4])
axes[0].set_ylabel(r"$\phi(x)$")
plots.show(
    "Five curves between -4 and 4. The identity is a straight line. The sigmoid rises from 0 to 1 and tanh "
    "from -1 to 1, both flat at the ends. The hard threshold jumps from 0 to 1 at 1. ReLU is 0 on the left, "
    "then rises."
)

# %% [markdown]
# The sigmoid and tanh are flat on both sides, so is the hard threshold; ReLU is flat on the left only, the
# identity nowhere.
#
# The sigmoid and tanh look alike because they are the same curve on two scales: $\tanh(x) = 2\,\phi(2x) - 1$,
# where $\phi$ is the sigmoid.

# %%
assert np.allclose(tanh(x), 2 * sigmoid(2 * x) - 1)

# %% [markdown]
# ## 3. Derivatives, and why the sigmoid saturates
#
# Training changes the weights by following derivatives, so we need $\phi'$ for each $\phi$. For the sigmoid,
# the chain rule gives
#
# $$\phi'(x) = \frac{e^{-x}}{(1 + e^{-x})^2} = \phi(x)\,(1 - \phi(x)), \qquad\text{and}\qquad
# \tanh'(x) = 1 - \tanh^2(x).$$


# %%
def sigmoid_slope(x):
    return sigmoid(x) * (1 - sigmoid(x))


def tanh_slope(x):
    return 1 - np.tanh(x) ** 2


# %% [markdown]
# ReLU has the slope 0 on the left and 1 on the right:
#
# $$\mathrm{ReLU}'(x) = \mathbb{1}_{x > 0}$$
#
# At $x = 0$ it has a corner and no derivative; by convention we take 0. The two others are constant: the
# identity has the slope 1. The hard threshold is flat on both sides of its jump, so its slope is 0 everywhere
# except at $\beta$, where it has none.


# %%
def relu_slope(x):
    return (x > 0).astype(float)


def identity_slope(x):
    return np.ones_like(x)


def threshold_slope(x):  # where it has one
    return np.zeros_like(x)


# %% [markdown]
# ### Never trust a derivative that you have not checked
#
# A derivative is the limit of a quotient, so we can compute it without any formula. The **central
# difference** with a small step $\Delta$ is
#
# $$\phi'(x) \approx \frac{\phi(x + \Delta) - \phi(x - \Delta)}{2\Delta}$$


# %%
def central_difference(phi, x, step=1e-5):
    return (phi(x + step) - phi(x - step)) / (2 * step)


# %%
inside = np.linspace(-4, 4, 100)  # 100 points: 0, the corner and the jump, is not one of them
pairs = {
    "identity": (identity, identity_slope),
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (tanh, tanh_slope),
    "hard threshold": (threshold, threshold_slope),
    "ReLU": (relu, relu_slope),
}
for name, (phi, slope) in pairs.items():
    error = np.abs(slope(inside) - central_difference(phi, inside)).max()
    print(f"{name:14} largest difference between formula and quotient: {error:.0e}")
    assert error < 1e-9

# %% [markdown]
# **Before you run the next cell:** four of these five slopes are 0, or almost 0, somewhere. Where?

# %%
figure, axes = plt.subplots(1, 5, figsize=(9.5, 2.2), sharex=True, sharey=True)
for i, (name, (_, slope)) in enumerate(pairs.items()):
    axes[i].plot(x, slope(x))
    axes[i].set(title=name, xlabel="x", ylim=(-0.2, 1.2), xticks=[-4, 0, 4])
axes[0].set_ylabel(r"$\phi'(x)$")
plots.show(
    "The five derivatives. Identity: always 1. Sigmoid: a low bump at 0. Tanh: a bump of height 1 at 0. Hard "
    "threshold: always 0. ReLU: 0 on the left, 1 on the right."
)

# %% [markdown]
# All but the identity: sigmoid and tanh far from 0 on both sides, ReLU on the left, the hard threshold
# everywhere. **Look at** the last: its slope says nothing about which way to go. A method that follows slopes
# cannot train it.

# %% [markdown]
# ### Saturation
#
# **Before you run the next cell, what do you expect?** How large is the largest slope of the sigmoid, and
# where is it?

# %%
x = np.linspace(-10, 10, 401)
figure, ax = plt.subplots()
ax.plot(x, sigmoid(x), plots.LINES[0], label=r"sigmoid $\phi(x)$")
ax.plot(x, sigmoid_slope(x), plots.LINES[1], label=r"its derivative $\phi'(x)$")
for left, right in [(-10, -5), (5, 10)]:
    ax.axvspan(left, right, color="0.9", zorder=0)
    ax.text((left + right) / 2, 0.5, "saturated:\nslope < 0.01", ha="center", va="center")
ax.axhline(0.25, color="0.4", linestyle=":", linewidth=1)
ax.text(5.2, 0.27, "1/4")
ax.set(xlabel="x", title="The sigmoid is flat away from 0")
ax.legend(loc="upper left")
plots.show(
    "The sigmoid from -10 to 10 and its derivative, a bump of height one quarter at 0. Beyond -5 and 5 the "
    "derivative is below 0.01; these two regions are marked as saturated."
)

# %% [markdown]
# **Look at** the dashed curve. It is at most $1/4$, at $x = 0$, and almost zero once $|x|$ is above 5. There
# the sigmoid is *saturated*: you may change $x$ by 1, the output hardly moves.

# %%
assert sigmoid_slope(0.0) == sigmoid_slope(x).max() == 0.25
assert sigmoid_slope(x[np.abs(x) >= 5]).max() < 0.01

# %% [markdown]
# ### The gradient vanishes with depth
#
# In a deep network neurons feed neurons. Take the simplest chain: $L$ neurons in a row, each with one input,
# the weight 1 and no bias, so $h_0 = x$ and $h_k = \phi(h_{k-1})$. By the chain rule the derivative of the
# last output with respect to the first input is a product, with one factor for each neuron:
#
# $$\frac{\partial h_L}{\partial x} = \prod_{k=1}^{L} \phi'(h_{k-1})$$


# %%
def chain_slopes(phi, slope, x, depth):
    """Derivatives of h_1, h_2, ..., h_depth with respect to x."""
    factors = []
    for _ in range(depth):
        factors.append(slope(x))
        x = phi(x)
    return np.cumprod(factors)


# %% [markdown]
# With the sigmoid each factor is at most $1/4$, so the product is at most $4^{-L}$. With ReLU each factor is
# 1, as long as the input is positive. **Before you run the next cell, what do you expect** after 20 neurons?

# %%
depth = np.arange(1, 21)
start = np.float64(0.5)
chains = {name: chain_slopes(*pairs[name], start, len(depth)) for name in ("sigmoid", "tanh", "ReLU")}
figure, ax = plt.subplots()
for i, (name, slopes) in enumerate(chains.items()):
    ax.semilogy(depth, slopes, plots.MARKERS[i] + "-", markersize=4, label=name)
ax.semilogy(depth, 0.25**depth, "k:", label=r"the bound $4^{-L}$")
ax.set(xlabel="number of neurons L", ylabel=r"$\partial h_L / \partial x$", ylim=(1e-14, 10))
ax.set_title("How much of the input's change reaches the end of the chain")
ax.xaxis.get_major_locator().set_params(integer=True)
ax.legend(loc="lower left")
plots.show(
    "Derivative of a chain of neurons against its length, on a logarithmic scale. With the sigmoid it falls "
    "by more than a factor of four at each neuron, to 1e-13 after 20. With tanh it falls slowly. With ReLU "
    "it stays 1."
)

# %%
assert np.all(chains["sigmoid"] <= 0.25**depth)
assert chains["sigmoid"][-1] < 1e-12
assert np.all(chains["ReLU"] == 1)

# %% [markdown]
# After 20 sigmoids a change of the input is divided by more than $10^{12}$. A neuron at the start of such a
# chain gets almost no signal about how to change its weights: this is the **vanishing gradient** (Hochreiter,
# 1998).
#
# For a long time the sigmoid was the usual activation: unlike the hard threshold it has a derivative, and its
# values stay between 0 and 1. The vanishing gradient is a main reason why ReLU has replaced it inside deep
# networks (Glorot, Bordes & Bengio, 2011). ReLU is **piecewise linear**. On each side of its corner a neuron
# is an affine function, so it keeps much of what makes linear models easy to train with gradients: a slope
# that does not fade, however large the sum. And a network of ReLUs is made of affine pieces:

# %%
x = np.linspace(-2, 2, 401)
bent = relu(1 + x) - 2 * relu(x) + 0.5 * relu(x - 1)  # three neurons, and a sum
slopes = np.diff(bent) / np.diff(x)
print("slopes of the pieces:", *(f"{slope:+.1f}" for slope in np.unique(slopes.round(6))))
assert len(np.unique(slopes.round(6))) == 4

# %% [markdown]
# Two remarks. With a weight $w_k$ other than 1 the factor is $w_k\,\phi'$, so large weights can
# make up for small slopes, or let the product explode. And ReLU has its own weak point: for a negative sum
# its slope is exactly 0, and a neuron whose sum is negative on all the data no longer learns (a *dead* ReLU).
#
# ### From the sigmoid to the hard threshold
#
# The weight also sets how steep the sigmoid is. Draw $\phi(w\,(x - \beta))$ for growing $w$:

# %%
x = np.linspace(-3, 5, 801)
beta = 1.0
figure, ax = plt.subplots()
for i, steepness in enumerate([1, 3, 10]):
    ax.plot(x, sigmoid(steepness * (x - beta)), plots.LINES[i + 1], label=f"sigmoid, w = {steepness}")
ax.plot(x, threshold(x, beta), "k-", linewidth=1, label=r"hard threshold $\phi_\beta$")
ax.set(xlabel="x", ylabel="output", title=r"$\phi(w\,(x - \beta))$ with $\beta = 1$")
ax.legend(loc="upper left")
plots.show(
    "Sigmoids of growing weight around 1: the larger the weight, the steeper the curve, the closer to the "
    "hard threshold, which jumps at 1."
)

# %% [markdown]
# As $w$ grows, the sigmoid tends to the hard threshold at every $x$ except $\beta$ itself, where it is always
# $1/2$. So the hard threshold is a limit of the sigmoid, without its useful derivative.

# %%
away = np.abs(x - beta) > 0.1
gaps = [np.abs(sigmoid(w * (x - beta)) - threshold(x, beta))[away].max() for w in (1, 10, 100, 1000)]
print("largest gap, away from the jump:", ", ".join(f"{gap:.0e}" for gap in gaps))
assert gaps == sorted(gaps, reverse=True)
assert gaps[-1] < 1e-9

# %% [markdown]
# ## 4. A neuron cuts the plane in two
#
# With two inputs a neuron can be drawn. It decides for class 1 when $\Sigma = \langle w, x \rangle + b$ is
# positive: that is $\phi(\Sigma) > 1/2$ for the sigmoid. The boundary is the set of points with
#
# $$\langle w, x \rangle + b = 0,$$
#
# a straight line (in $d$ dimensions, a hyperplane). Two facts tell how it lies:
#
# - $w$ is **normal** to the line: if $u$ and $v$ are on it, $\langle w, u - v \rangle = -b - (-b) = 0$. The
#   vector $w$ points to the side of class 1.
# - $b$ **shifts** the line along $w$. The signed distance of a point $x$ from the line is
#
# $$\frac{\langle w, x \rangle + b}{\lVert w \rVert}$$


# %%
def signed_distance(X, w, b):
    return (X @ w + b) / np.linalg.norm(w)


# %% [markdown]
# Check the two facts on a line with $w = (2, 1)$ and $b = -1$, through its points $(0, 1)$ and $(0.5, 0)$.
# The origin is at the distance $|b| / \lVert w \rVert$.

# %%
w, b = np.array([2.0, 1.0]), -1.0
u, v = np.array([0.0, 1.0]), np.array([0.5, 0.0])
assert w @ u + b == w @ v + b == 0  # both are on the line
assert w @ (u - v) == 0  # w is normal to it
assert np.isclose(signed_distance(np.zeros(2), w, b), b / np.linalg.norm(w))

# %% [markdown]
# **Before you run the next cell:** on the left $w$ stays the same and $b$ takes the values $-2, 0, 2$. Which
# way does the line move when $b$ grows? On the right $w$ is multiplied by 4, and so is $b$. What changes?

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8), sharey=True)
side = np.array([-3.0, 3.0])  # a line needs two points
for i, b in enumerate([-2.0, 0.0, 2.0]):
    left.plot(side, -(w[0] * side + b) / w[1], plots.LINES[i], label=f"b = {b:g}")
left.annotate("", w, (0, 0), arrowprops={"arrowstyle": "-|>", "color": "black"})
left.text(2.1, 1.05, "w")
left.set(title="$b$ shifts the line, $w$ is normal to it", ylabel="$x_2$")
left.legend(loc="lower left")
for color, p in zip(plots.COLORS[2:5], [0.1, 0.5, 0.9], strict=True):
    total = np.log(p / (1 - p))  # the sum at which the sigmoid is p
    right.plot(side, (total + 1 - w[0] * side) / w[1], color=color)
    right.plot(side, (total / 4 + 1 - w[0] * side) / w[1], "--", color=color)
    right.text((total + 2.5) / 2, -1.5, f"{p}", ha="center", va="center", color=color, backgroundcolor="w")
right.set(title="outputs 0.1, 0.5, 0.9; dashed: $w$, $b$ times 4")
for ax in (left, right):
    ax.set(xlabel="$x_1$", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
plots.show(
    "Left: three parallel lines for b = -2, 0, 2; the arrow w is perpendicular to them, and a larger b moves "
    "the line against the arrow. Right: contour lines of the output; with weights times 4 the line of 0.5 "
    "stays and the lines of 0.1 and 0.9 come closer to it."
)

# %% [markdown]
# When $b$ grows, the line moves against $w$: the side of class 1 grows. **Look at** the right panel.
# Multiplying $w$ and $b$ by the same number leaves the boundary where it is: only the *certainty* changes.
# The direction of $w$ and the ratio $b / \lVert w \rVert$ are the line; the length of $w$ says how sharp the
# transition is.
#
# Try it. The pictures show the output of the neuron over the square from $-3$ to $3$: black is 0, white is 1.
# Move the three sliders: which turn the edge, which shifts it? Without a running kernel you see still
# pictures: in each row one parameter changes, the others stay at $w_1 = 2$, $w_2 = 1$, $b = 0$.

# %%
side = np.linspace(-3, 3, 61)
plane = np.stack(np.meshgrid(side, side[::-1]), axis=-1)  # shape (61, 61, 2), x_2 grows upwards


def output_picture(w1, w2, b):
    return sigmoid(plane @ np.array([w1, w2]) + b)


widgets.sliders(output_picture, w1=(0.0, 4.0), w2=(-2.0, 4.0), b=(-4.0, 4.0))

# %% [markdown]
# $w_1$ and $w_2$ turn the edge (and make it sharper, where they grow in size), $b$ shifts it.
#
# ### Logic gates
#
# McCulloch and Pitts (1943) saw that neurons with a hard threshold compute logic. With inputs 0 or 1, "AND"
# asks for two ones and "OR" for one:
#
# $$\mathrm{AND}(x) = \phi_0(x_1 + x_2 - 1.5) \qquad\quad \mathrm{OR}(x) = \phi_0(x_1 + x_2 - 0.5)$$
#
# "NOT" has a single input and a negative weight: $\mathrm{NOT}(x) = \phi_0(-x + 0.5)$.

# %%
# NBVAL_CHECK_OUTPUT
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
AND = threshold(corners @ np.array([1, 1]) - 1.5)
OR = threshold(corners @ np.array([1, 1]) - 0.5)
NOT = threshold(-np.array([0, 1]) + 0.5)
print("inputs", corners.tolist())
print("AND   ", AND.tolist())
print("OR    ", OR.tolist())
print("NOT of 0 and 1", NOT.tolist())

# %% [markdown]
# ## 5. A neuron that learns
#
# Nobody wants to choose weights by hand. The **perceptron** (Rosenblatt, 1958) is a neuron with a hard
# threshold that finds them. It looks at one example after the other. If its answer $\hat{y}$ is right, it
# does nothing; if it is wrong, it moves:
#
# $$w \leftarrow w + (y - \hat{y})\,x, \qquad b \leftarrow b + (y - \hat{y})$$


# %%
def perceptron(X, y, epochs):
    """Return w, b and the number of mistakes in each epoch (one pass over the examples)."""
    w, b, mistakes = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        mistakes.append(0)
        for i in range(len(y)):
            error = y[i] - threshold(w @ X[i] + b)  # -1, 0 or 1
            w, b = w + error * X[i], b + error
            mistakes[-1] += int(error != 0)
    return w, b, mistakes


# %%
# NBVAL_CHECK_OUTPUT
for gate, y in {"AND": AND, "OR": OR}.items():
    w, b, mistakes = perceptron(corners, y, epochs=8)
    print(f"{gate:3} w = {w}, b = {b}, mistakes in each epoch: {mistakes}")
    assert np.all(threshold(corners @ w + b) == y)

# %% [markdown]
# **Look at** the mistakes: they end, and then nothing changes any more. If a line separates the classes, the
# perceptron finds one after finitely many mistakes (Block, 1962). If no line does, it never stops moving.
#
# Real data are seldom separated by a line. So we ask for less: a neuron with a *sigmoid*, whose output is the
# probability of class 1, and which may be wrong sometimes. Here are two clouds of 150 points that overlap.

# %%
rng = np.random.default_rng(1)
clouds = [rng.normal(loc=center, scale=0.9, size=(150, 2)) for center in ([-1.0, -0.5], [1.0, 1.0])]
X = np.concatenate(clouds)  # shape (300, 2)
y = np.repeat([0, 1], 150)  # shape (300,)
figure, ax = plt.subplots(figsize=(4.5, 3.6))
plots.points(X, y, ax=ax)
ax.set(xlabel="$x_1$", ylabel="$x_2$", title="Two clouds that overlap")
ax.legend()
plots.show("Two clouds of points in the plane, class 0 lower left and class 1 upper right, which overlap.")


# %% [markdown]
# ### The loss
#
# The neuron says $p = \phi(\langle w, x \rangle + b) = P(Y = 1 \mid X = x)$. The **cross-entropy** is minus
# the logarithm of the probability that it gave to what really happened:
#
# $$\ell(p, y) = -\left[\, y \log p + (1 - y) \log(1 - p) \,\right]$$
#
# For $y = 1$ only $\log p$ is left, for $y = 0$ only $\log(1 - p)$: in the code, `np.where` chooses. The loss
# is 0 for a certain and right answer, and grows without bound for a certain and wrong one. The loss of the
# data set is the mean over its $n$ examples.


# %%
def predict(X, w, b):
    return sigmoid(X @ w + b)


def loss(w, b, X, y):
    p = predict(X, w, b)
    return -np.mean(np.log(np.where(y == 1, p, 1 - p)))


# %% [markdown]
# If the neuron is certain and wrong, the computed $p$ or $1 - p$ may be exactly 0, and `np.log` gives
# $-\infty$. That does not happen here; the lab writes a loss that never breaks.
#
# A neuron with weights 0 says $p = 1/2$ for every input. Its loss is $\log 2 \approx 0.693$.

# %%
assert np.isclose(loss(np.zeros(2), 0.0, X, y), np.log(2))

# %% [markdown]
# ### The gradient, by hand
#
# Write $\Sigma = \langle w, x \rangle + b$ and $p = \phi(\Sigma)$. Three small steps and the chain rule:
#
# $$\frac{\partial \ell}{\partial p} = -\frac{y}{p} + \frac{1-y}{1-p} = \frac{p - y}{p\,(1-p)}, \qquad
# \frac{\partial p}{\partial \Sigma} = p\,(1 - p), \qquad
# \frac{\partial \Sigma}{\partial w} = x, \quad \frac{\partial \Sigma}{\partial b} = 1 .$$
#
# In the product $p\,(1 - p)$ cancels, and with it the saturation of the sigmoid. What remains is simple:
#
# $$\frac{\partial \ell}{\partial w} = (p - y)\,x, \qquad \frac{\partial \ell}{\partial b} = p - y .$$
#
# In words: the error times the input. For the mean over a batch, `X.T @ error` adds the $n$ products up.


# %%
def gradient(w, b, X, y):
    error = predict(X, w, b) - y  # shape (n,)
    return X.T @ error / len(y), error.mean()  # shapes (d,) and ()


# %% [markdown]
# Check it as before, by central differences, at an arbitrary point.

# %%
w, b = np.array([0.3, -0.8]), 0.2
grad_w, grad_b = gradient(w, b, X, y)
for i in range(2):
    step = 1e-5 * np.eye(2)[i]  # change one weight only
    quotient = (loss(w + step, b, X, y) - loss(w - step, b, X, y)) / 2e-5
    print(f"dl/dw{i + 1}: formula {grad_w[i]:.8f}, quotient {quotient:.8f}")
    assert np.isclose(grad_w[i], quotient, rtol=1e-7)
assert np.isclose(grad_b, central_difference(lambda t: loss(w, t, X, y), b), rtol=1e-7)

# %% [markdown]
# ### What the gradient is
#
# The loss is a landscape over the parameters: each $(w, b)$ has its height. The **gradient** is the vector of
# all partial derivatives. It points where the loss grows fastest, and its length says how fast. So *minus*
# the gradient is the steepest way down. Along a contour line the loss does not change: the gradient is
# perpendicular to it. To see it, take a single input, so that there are two parameters. (It is shifted by 1;
# without that the valley would be rounder.) First, in which of 360 directions does the loss grow fastest?

# %%
x1 = X[:, :1] + 1  # shape (300, 1)


def height(w, b):
    return loss(np.array([w]), b, x1, y)


grad = np.append(*gradient(np.array([1.0]), 0.5, x1, y))  # at w = 1, b = 0.5
angles = np.radians(np.arange(360))
steps = 1e-4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
gains = [height(1.0 + u, 0.5 + v) for u, v in steps]
steepest, of_gradient = np.degrees(angles[np.argmax(gains)]), np.degrees(np.arctan2(grad[1], grad[0]))
print(f"direction of the fastest growth: {steepest:.0f} degrees; of the gradient: {of_gradient:.1f}")
assert abs(steepest - of_gradient) <= 0.5

# %% [markdown]
# ### Gradient descent
#
# Start at zero and walk downhill. The **learning rate** $\varepsilon$ is the length of the step relative to
# the gradient:
#
# $$w \leftarrow w - \varepsilon\, \frac{\partial \ell}{\partial w}, \qquad
# b \leftarrow b - \varepsilon\, \frac{\partial \ell}{\partial b}$$
#
# **Compare** with the perceptron's rule: again the error times the input, with the soft $p$ in place of the
# hard $\hat{y}$, as a mean over all examples and with a rate.


# %%
def train(X, y, rate, epochs):
    """Gradient descent from zero; return w, b and the loss before each step."""
    w, b, losses = np.zeros(X.shape[1]), 0.0, []
    for _ in range(epochs):
        losses.append(loss(w, b, X, y))
        grad_w, grad_b = gradient(w, b, X, y)
        w, b = w - rate * grad_w, b - rate * grad_b
    return w, b, losses


# %% [markdown]
# Every step uses all the data, so one step is one epoch.
#
# **Before you run the next two cells, what do you expect?** Thirty steps on the landscape of above, from
# zero, with a rate that is too small, a good one, and one that is too large. How do the three paths look?

# %%
paths = {}
for rate in (0.05, 5.0, 16.0):
    path = [np.zeros(2)]
    for _ in range(30):
        w, b = path[-1][:1], path[-1][1]
        path.append(path[-1] - rate * np.append(*gradient(w, b, x1, y)))
    paths[rate] = np.array(path)
    print(f"rate {rate:5}:", *(f"{height(*path[step]):.3f}" for step in (0, 1, 2, 3, 29, 30)))
lowest = min(height(*point) for point in paths[5.0])

# %%
w_axis, b_axis = np.linspace(-1, 9, 101), np.linspace(-5.5, 1.5, 71)
heights = np.array([[height(w, b) for w in w_axis] for b in b_axis])
figure, ax = plt.subplots(figsize=(7.5, 4.6))
ax.contour(w_axis, b_axis, heights, levels=np.geomspace(0.27, 4, 12), colors="0.75", linewidths=0.8)
for w in w_axis[5::15]:
    for b in b_axis[5::15]:
        downhill = -np.append(*gradient(np.array([w]), b, x1, y))
        ax.quiver(w, b, *downhill / np.linalg.norm(downhill), color="0.55", scale=22, width=0.004)
for i, (rate, path) in enumerate(paths.items()):
    style = {"color": plots.COLORS[i], "markersize": 4, "linewidth": 1}
    ax.plot(*path.T, plots.MARKERS[i] + plots.LINES[i], **style, label=rf"$\varepsilon$ = {rate}")
ax.set(xlabel="w", ylabel="b", aspect="equal", xlim=(-1, 9), ylim=(-5.5, 1.5))
ax.set_title("Thirty steps from (0, 0); grey arrows: minus the gradient, its direction only")
ax.legend(loc="upper right", frameon=True)
plots.show(
    "Contour lines of the loss over w and b: a long narrow valley. With the small rate the path has hardly "
    "left its start; with the good one it turns into the valley and follows it to the minimum; with the "
    "large one it flies past, comes back, and leaps to and fro across the minimum. Grey arrows point "
    "downhill, perpendicular to the contour lines."
)

# %% [markdown]
# **Look at** the three paths. Too small: the direction is right, but after 30 steps the loss is still high.
# Good: a few large steps, then along the valley to the minimum. Too large: the first step flies far past the
# valley. The path comes back, but near the minimum each step lands on the opposite slope, and the leaps
# grow: it does not settle. The gradient is the steepest way for a *small* step only.

# %%
small, good, large = (np.array([height(*point) for point in path]) for path in paths.values())
assert np.all(np.diff(small) < 0)
assert small[-1] > 1.5 * lowest
assert good[-1] < 1.01 * lowest
assert large[1] > large[0]
assert large[-1] > 1.2 * large.min()

# %% [markdown]
# For the two clouds we take the rate 1, found by trial; how to choose one for a network is a topic of lesson
# 04.

# %%
w, b, losses = train(X, y, rate=1.0, epochs=1000)
accuracy = np.mean((predict(X, w, b) > 0.5) == y)
print(f"w = {w.round(4)}, b = {b:.4f}, loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {accuracy:.1%}")
assert np.all(np.diff(losses) <= 1e-12)  # the loss never grows

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
plots.history({"loss": losses[:50]}, ax=left)
left.set(title="The first 50 of 1000 epochs", ylabel="cross-entropy")
plots.decision_regions(lambda X: predict(X, w, b) > 0.5, X, y, ax=right)
middle = -b * w / (w @ w)  # the point of the line that is closest to the origin
tip = middle + 2 * w / np.linalg.norm(w)
arrow = {"arrowstyle": "<|-", "linewidth": 2}
right.annotate("w", middle, tip, arrowprops=arrow, fontsize=14, bbox={"facecolor": "white", "pad": 2})
right.set(title="The boundary, and the direction of w", aspect="equal")
right.legend(loc="lower right", frameon=True)
plots.show(
    "Left: the loss falls from 0.69, fast at first, then slowly. Right: the two clouds, cut by a straight "
    "line; the arrow w is perpendicular to the line and points to class 1."
)

# %% [markdown]
# **Look at** the right panel: the line, its normal $w$, and a few points on the wrong side. No line gets all
# of them right, because the clouds overlap. The perceptron agrees: in 50 epochs it finds none without a
# mistake.

# %%
*_, mistakes = perceptron(X, y, epochs=50)
print("perceptron, mistakes in the last ten of 50 epochs:", mistakes[-10:])
assert min(mistakes) > 0

# %% [markdown]
# ### Is it the best neuron?
#
# A neuron with a sigmoid, trained on the cross-entropy, has another name: **logistic regression**. Its loss
# is convex: it has no second valley, so luck plays no part. If the two clouds overlap, as here, there is one
# minimum. If a line separates them there is none: the loss then tends to 0 while the weights grow for ever.
# scikit-learn finds the minimum with another algorithm. It penalises large weights unless told not to: a huge
# `C` switches that off. Do the two agree?

# %%
from sklearn.linear_model import LogisticRegression

reference = LogisticRegression(C=1e9, tol=1e-8).fit(X, y)
print("scikit-learn", reference.coef_[0].round(4), reference.intercept_.round(4))
print("our neuron  ", w.round(4), np.round(b, 4))
difference = np.abs(np.append(w, b) - np.append(reference.coef_[0], reference.intercept_)).max()
assert np.all((reference.predict(X) == 1) == (predict(X, w, b) > 0.5))
runtime.result("neuron_vs_scikit_learn_largest_difference", difference, at_most=1e-3)

# %% [markdown]
# They agree. In the same way, a neuron with the *identity* and the squared error is linear regression. A
# neuron serves for both tasks; activation and loss make the difference.

# %% [markdown]
# ## 6. What one neuron cannot do
#
# "Exclusive or", XOR, is 1 if *exactly one* of its two inputs is 1. **Before you go on:** try to find the
# line that separates the circles from the squares.

# %%
XOR = np.array([0, 1, 1, 0])
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True)
for ax, name, gate in [(axes[0], "AND", AND), (axes[1], "OR", OR), (axes[2], "XOR", XOR)]:
    for value in (0, 1):
        ax.plot(*corners[gate == value].T, "os"[value], color=plots.COLORS[value], markersize=12, label=value)
    ax.set(title=name, xlabel="$x_1$", xticks=[0, 1], yticks=[0, 1], xlim=(-0.5, 1.5), ylim=(-0.5, 1.5))
line = np.array([-0.5, 1.5])
axes[0].plot(line, 1.5 - line, "k-")
axes[1].plot(line, 0.5 - line, "k-")
axes[0].set_ylabel("$x_2$")
axes[2].legend(title="output", loc="center")
plots.show(
    "Outputs of AND, OR and XOR at the four corners of a square. A line separates zeros and ones for AND and "
    "for OR. For XOR the ones are on one diagonal and the zeros on the other."
)

# %% [markdown]
# There is none, and the proof takes three lines. Suppose a neuron gives 1 on $(0,1)$ and $(1,0)$, and 0 on
# $(0,0)$ and $(1,1)$. With $\Sigma(x) = w_1 x_1 + w_2 x_2 + b$ and the threshold at 0,
#
# $$\Sigma(0,1) + \Sigma(1,0) = w_1 + w_2 + 2b \;\geq\; 0, \qquad
# \Sigma(0,0) + \Sigma(1,1) = w_1 + w_2 + 2b \;<\; 0 .$$
#
# The same number would be negative and not negative. For this proof $\phi$ need not be a hard threshold: any
# increasing $\phi$ cuts at some value of $\Sigma$, and that value can be moved into $b$.
#
# A search agrees: among 100,000 random neurons, none has more than three corners right.

# %%
# NBVAL_CHECK_OUTPUT
random_w = rng.normal(size=(2, 100_000))
random_b = rng.normal(size=100_000)
answers = threshold(corners @ random_w + random_b)  # shape (4, 100000), one column for each neuron
for name, gate in {"AND": AND, "OR": OR, "XOR": XOR}.items():
    right_corners = np.sum(answers == gate[:, None], axis=0)
    print(f"{name:3} most corners right: {right_corners.max()} of 4")

# %% [markdown]
# ### What happens in training?
#
# The perceptron goes round in circles. The sigmoid neuron does something else. **Before you run the next
# cell, what do you expect** for its weights and its four probabilities? Start it away from zero, to make it
# fair.

# %%
# NBVAL_CHECK_OUTPUT
*_, mistakes = perceptron(corners, XOR, epochs=8)
print("perceptron, mistakes in each epoch:", mistakes)
w, b = np.array([2.0, -1.0]), 0.5
for _ in range(2000):
    grad_w, grad_b = gradient(w, b, corners, XOR)
    w, b = w - grad_w, b - grad_b
print("sigmoid neuron, probabilities:", predict(corners, w, b).round(3))
assert np.allclose(w, 0, atol=1e-6)
assert np.isclose(loss(w, b, corners, XOR), np.log(2))

# %% [markdown]
# The weights went to zero and every probability to $1/2$. The neuron has not failed to learn: the loss is
# convex, and this *is* its minimum. The best one neuron can say about XOR is "I do not know".
#
# The same with 400 points that fill the square, where class 1 is $x_1 x_2 < 0$:

# %%
X_xor = rng.uniform(-1, 1, size=(400, 2))
y_xor = (X_xor[:, 0] * X_xor[:, 1] < 0).astype(int)
w, b, losses = train(X_xor, y_xor, rate=1.0, epochs=1000)
accuracy = np.mean((predict(X_xor, w, b) > 0.5) == y_xor)
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
plots.history({"loss": losses[:50]}, ax=left)
left.axhline(np.log(2), color="0.4", linestyle=":")
left.set(ylim=(0, 0.8), ylabel="cross-entropy", title="The loss does not move from log 2")
plots.decision_regions(lambda X: predict(X, w, b) > 0.5, X_xor, y_xor, ax=right)
right.set(title=f"accuracy {accuracy:.0%}", aspect="equal")
plots.show(
    "Left: the loss stays at 0.69 in all epochs. Right: points of XOR in four quadrants, with a straight "
    "boundary that leaves both classes on both sides."
)
assert losses[-1] > 0.98 * np.log(2)
assert accuracy < 2 / 3

# %% [markdown]
# **Look at** the boundary: it has no reason to lie where it does. Accidents of the sample may have placed
# it, and more than a third of the points are on the wrong side. Minsky and Papert (1969) studied such limits,
# and interest in neural networks fell for years.
#
# ### The way out: more than one neuron
#
# Two neurons in a first layer can move the corners to where a line separates them. This one uses ReLU
# (Goodfellow, Bengio & Courville, 2016, section 6.1):
#
# $$h_1 = \mathrm{ReLU}(x_1 + x_2), \qquad h_2 = \mathrm{ReLU}(x_1 + x_2 - 1), \qquad y = h_1 - 2 h_2$$

# %%
# NBVAL_CHECK_OUTPUT
sums = corners @ np.array([1, 1])
h = np.stack([relu(sums), relu(sums - 1)], axis=1)  # shape (4, 2): two neurons, four inputs
output = h @ np.array([1, -2])
print("h      ", h.tolist())
print("output ", output.tolist())
assert np.all(output == XOR)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for ax, where, name in [(left, corners, "x"), (right, h, "h")]:
    for value in (0, 1):
        ax.plot(*where[value == XOR].T, "os"[value], color=plots.COLORS[value], markersize=12, label=value)
    ax.set(xlabel=f"${name}_1$", ylabel=f"${name}_2$", xlim=(-0.5, 2.5), ylim=(-0.5, 1.5))
    ax.set(xticks=[0, 1, 2], yticks=[0, 1])
line = np.array([-0.5, 2.5])
right.plot(line, (line - 0.5) / 2, "k-")
left.set_title("the inputs: no line separates")
right.set_title("after two neurons: a line does")
left.legend(title="XOR", loc="center right")
plots.show(
    "Left: the four corners of XOR. Right: the same four points seen by two ReLU neurons; the points (0,1) "
    "and (1,0) fall on the same place, and a line separates them from the other two."
)

# %% [markdown]
# **Look at** the right panel: the two inputs whose XOR is 1 have moved to the same place, $h = (1, 0)$. In
# the lab you go one input further; in lesson 02 a network *learns* such a layer.
#
# ## 7. One neuron reads digits
#
# A single neuron is not weak when there are many inputs. scikit-learn has 1,797 handwritten digits of
# $8 \times 8$ pixels (Alpaydin & Kaynak, 1998). Each pixel is an input: $d = 64$. The task: is it a 3 or an
# 8?

# %%
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
chosen = np.isin(digits.target, [3, 8])
X = digits.data[chosen] / digits.data.max()  # pixels from 0 to 1
y = (digits.target[chosen] == 8).astype(int)  # class 1: an 8
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=1)
print("train", X_train.shape, "test", X_test.shape)

# %% [markdown]
# The test images are not used in training; only they say how good the neuron is on digits it has never seen.
# **Before you run the next cell:** where in the image will the weights be positive, that is, speak for an 8?

# %%
w, b, losses = train(X_train, y_train, rate=1.0, epochs=200)
test_accuracy = np.mean((predict(X_test, w, b) > 0.5) == y_test)
print(f"{np.sum((predict(X_test, w, b) > 0.5) != y_test)} of {len(y_test)} test images wrong")
runtime.result("one_neuron_3_or_8_test_accuracy", test_accuracy, at_least=0.97)

# %%
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8))
for ax, digit, label in [(axes[0], 3, 0), (axes[1], 8, 1)]:
    ax.imshow(X_train[y_train == label].mean(axis=0).reshape(8, 8), cmap="gray_r")
    ax.set_title(f"mean of all {digit}s")
limit = np.abs(w).max()
picture = axes[2].imshow(w.reshape(8, 8), cmap="PuOr", vmin=-limit, vmax=limit)
for (row, column), weight in np.ndenumerate(w.reshape(8, 8)):
    if abs(weight) > 0.3 * limit:
        ink = "white" if weight > 0.6 * limit else "black"
        axes[2].text(column, row, "+" if weight > 0 else "−", ha="center", va="center", color=ink)
figure.colorbar(picture, ax=axes[2])
axes[2].set_title("weights w (+ speaks for 8)")
for ax in axes:
    ax.axis("off")
assert np.argmax(w) % 8 < 4  # the largest weight is in the left half
plots.show(
    "Mean image of a 3, mean image of an 8, and the 64 weights as an image. The largest positive weights lie "
    "on the left side of the digit, where an 8 closes its loops and a 3 is open."
)

# %% [markdown]
# **Look at** the left side of the weights: positive ($+$) where the 8 closes its two loops and the 3 is open.
# The neuron is a *template*: it multiplies image and template pixel by pixel, adds up, and decides by the
# sum.
#
# One split of 108 test images is a small sample: one image more or less changes the accuracy by almost one
# percent. Repeat with 20 other splits to see how much it varies.

# %%
accuracies = []
for split in range(100, 120):
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=split)
    w, b, _ = train(X_train, y_train, rate=1.0, epochs=200)
    accuracies.append(np.mean((predict(X_test, w, b) > 0.5) == y_test))
print(f"20 splits: from {min(accuracies):.1%} to {max(accuracies):.1%}")
runtime.result("one_neuron_3_or_8_mean_test_accuracy", np.mean(accuracies), at_least=0.98)

# %% [markdown]
# ## Summary
#
# - A network is a function $f(x, \theta)$, non-linear in its parameters, built of layers of neurons. Its risk
#   is in general not convex.
# - A neuron computes $y = \phi(\langle w, x \rangle + b)$; for a batch of shape $(n, d)$ it is
#   `phi(X @ w + b)`.
# - Sigmoid and tanh saturate: their slope is almost 0 when $|x|$ is large, and the sigmoid's is never above
#   $1/4$. A product of many such slopes vanishes. ReLU keeps the slope 1 for positive sums.
# - The boundary $\langle w, x \rangle + b = 0$ is a line with the normal $w$; $b$ shifts it,
#   $\lVert w \rVert$ sets how sharp it is.
# - With the sigmoid and the cross-entropy the gradient is $(p - y)\,x$: error times input. Trained this way,
#   the neuron is logistic regression. Minus the gradient is the steepest way down; the rate decides
#   whether the walk creeps, arrives or jumps.
# - One neuron separates only what a hyperplane separates. XOR needs two layers.
#
# **Now you:** the lab is [`../labs/01_neurons.ipynb`](../labs/01_neurons.ipynb).
#
# ## Notation
#
# These letters mean the same in lessons 01 to 04, but where a lesson says otherwise.
#
# | letter | meaning |
# | --- | --- |
# | $n$, $d$ | number of samples; number of inputs of one sample |
# | $i$, $m$ | a sample; number of samples in one batch |
# | $k = 1, \dots, L$ | layer; in lesson 03 $L$ counts the hidden ones, the output is layer $L + 1$ |
# | $j$, $l$ | neurons |
# | $c = 1, \dots, K$ | class, or output |
# | $W^{(k)}$, $b^{(k)}$ | weights and biases of layer $k$; one neuron has $w$ and $b$ |
# | $a^{(k)}$, $h^{(k)}$ | the sums of layer $k$ before, its outputs after the activation |
# | $\Sigma$ | the sum of the only neuron (lesson 01) |
# | $\phi$, $\phi'$, $\psi$ | activation function, its derivative; the activation of the output layer |
# | $f(x, \theta)$ | the network's output for $x$ with all its parameters $\theta$ |
# | $\ell$, $L_n$, $\Omega$ | loss of one sample; empirical risk, from lesson 03 on with a penalty $\Omega$ |
# | $L(\theta)$ | expected loss (03); any function to walk down (04) |
# | $R_i$, $R$ | one sample's loss, that of a batch, where they are sent back (03) |
# | $\delta$, $s$ | what the backward pass carries: the derivatives of one sample's loss by the sums |
# | $p$ | predicted probability; in lesson 04 the probability that dropout sets a unit to zero |
# | $\varepsilon$, $\lambda$ | learning rate; weight of the penalty |
# | $r = 1, \dots, R$ | step of a descent, number of its steps (04) |
# | $\mu$, $v$, $\hat\epsilon$ | momentum, velocity, the small constant of Adam (04) |
# | $v_i$, $\eta$ | weight of a sample; allowed change of a pixel (lab 03) |
#
# ## References
#
# - Y. LeCun, Y. Bengio, G. Hinton (2015). *Deep learning.* Nature 521, 436–444.
#   [doi:10.1038/nature14539](https://doi.org/10.1038/nature14539)
# - G. Cybenko (1989). *Approximation by superpositions of a sigmoidal function.* Mathematics of Control,
#   Signals and Systems 2, 303–314. [doi:10.1007/BF02551274](https://doi.org/10.1007/BF02551274)
# - K. Hornik (1991). *Approximation capabilities of multilayer feedforward networks.* Neural Networks 4(2),
#   251–257. [doi:10.1016/0893-6080(91)90009-T](https://doi.org/10.1016/0893-6080(91)90009-T)
# - C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals (2017). *Understanding deep learning requires
#   rethinking generalization.* ICLR. [arXiv:1611.03530](https://arxiv.org/abs/1611.03530)
# - W. S. McCulloch, W. Pitts (1943). *A logical calculus of the ideas immanent in nervous activity.* Bulletin
#   of Mathematical Biophysics 5, 115–133. [doi:10.1007/BF02478259](https://doi.org/10.1007/BF02478259)
# - F. Rosenblatt (1958). *The perceptron: a probabilistic model for information storage and organization in
#   the brain.* Psychological Review 65(6), 386–408. [doi:10.1037/h0042519](https://doi.org/10.1037/h0042519)
# - H. D. Block (1962). *The perceptron: a model for brain functioning. I.* Reviews of Modern Physics 34(1),
#   123–135. [doi:10.1103/RevModPhys.34.123](https://doi.org/10.1103/RevModPhys.34.123)
# - M. Minsky, S. Papert (1969). *Perceptrons: an introduction to computational geometry.* MIT Press; reissued
#   2017, [doi:10.7551/mitpress/11301.001.0001](https://doi.org/10.7551/mitpress/11301.001.0001)
# - S. Hochreiter (1998). *The vanishing gradient problem during learning recurrent neural nets and problem
#   solutions.* International Journal of Uncertainty, Fuzziness and Knowledge-Based Systems 6(2), 107–116.
#   [doi:10.1142/S0218488598000094](https://doi.org/10.1142/S0218488598000094)
# - X. Glorot, A. Bordes, Y. Bengio (2011). *Deep sparse rectifier neural networks.* AISTATS, PMLR 15,
#   315–323. <https://proceedings.mlr.press/v15/glorot11a.html>
# - I. Goodfellow, Y. Bengio, A. Courville (2016). *Deep Learning.* MIT Press.
#   <https://www.deeplearningbook.org>
# - E. Alpaydin, C. Kaynak (1998). *Optical recognition of handwritten digits.* UCI Machine Learning
#   Repository. [doi:10.24432/C50P49](https://doi.org/10.24432/C50P49)
