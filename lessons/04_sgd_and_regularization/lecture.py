# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.9, cpu: 4.5}
# ---

# %% [markdown]
# # Stochastic gradient descent and regularisation
#
# Backpropagation gives the gradient. This lesson is about the two questions that follow. How do you walk down
# with it, fast and without falling? And what do you do when the network learns its training images by heart?
# You write the algorithms yourself, compare them with Keras to six digits, and then make a network overfit
# and cure it.
#
# **After this lesson you can**
#
# - write stochastic gradient descent with batches, and count epochs and iterations;
# - choose a learning-rate schedule, and say what the Robbins-Monro conditions promise and what they do not;
# - write momentum and Adam;
# - initialise a deep network so that its signals neither die nor explode;
# - recognise overfitting, and use $\mathbb{L}^1$ and $\mathbb{L}^2$ penalties, dropout and early stopping;
# - choose between models on a validation set, and open the test set once;
# - share a batch between two devices and get the gradient of one.

# %%
from nnlabs import animation, data, plots, runtime

budget = runtime.setup(seed=1)
# %%
from itertools import cycle

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# Section 10 needs two devices. Most computers have fewer than two GPUs, so we split the processor into two
# *logical* devices. TensorFlow must know this before it computes anything, so the cell stands here. (The last
# line keeps TensorFlow from reporting on each exchange between the two.)

# %%
if len(tf.config.list_physical_devices("GPU")) < 2:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## 1. Stochastic gradient descent
#
# We minimise the penalised empirical risk of lesson 03, over all weights and biases $\theta$:
#
# $$L_n(\theta) = \frac1n \sum_{i=1}^n \ell(f(X_i, \theta), Y_i) + \lambda\, \Omega(\theta)$$
#
# Its gradient is a mean over all $n$ samples, and MNIST has $n = 60\,000$ of them: one step would need a pass
# through the whole set. **Stochastic gradient descent** (SGD) takes the mean over a small **batch** $B$ of
# $m$ samples. With the **learning rate** $\varepsilon_r > 0$, step $r + 1$ is
#
# $$\tilde\nabla_\theta = \frac1m \sum_{i \in B} \nabla_\theta\, \ell(f(X_i, \theta), Y_i)
# + \lambda \nabla_\theta\, \Omega(\theta), \qquad
# \theta^{(r+1)} = \theta^{(r)} - \varepsilon_r \tilde\nabla_\theta$$
#
# ### Batches
#
# The batches are drawn at random **without replacement**: shuffle the indices, then cut the list into pieces
# of length $m$. When every sample has been used once, an **epoch** is over; shuffle again. If $m$ does not
# divide $n$, the last batch is shorter.


# %%
def batches(n, m, rng):
    order = rng.permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]


# %%
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(4)
for epoch in (1, 2):
    print(f"epoch {epoch}:", *batches(n=10, m=4, rng=rng))

# %% [markdown]
# Look at one epoch: each index from 0 to 9 is there exactly once, and the last batch has 2 of them. The
# second epoch has another order.

# %%
epoch = batches(n=1000, m=64, rng=rng)
assert sorted(np.concatenate(epoch)) == list(range(1000))  # without replacement, and no sample is left out
assert [len(B) for B in epoch] == [64] * 15 + [40]

# %% [markdown]
# ### The digits
#
# A sample is an image of 28×28 pixels in one row of 784 numbers between 0 and 1; a target is one of ten
# classes. In this section we use 5,000 images, with targets as one-hot rows.

# %%
mnist = data.mnist()
x_all = mnist.x_train.reshape(-1, 784).astype("float32") / 255
x, y = x_all[:5000], np.eye(10, dtype="float32")[mnist.y_train[:5000]]
print(f"x: {x.shape} {x.dtype}, y: {y.shape} {y.dtype}")

# %% [markdown]
# The model is one layer with softmax output, $f(x, \theta) = \text{softmax}(b + W x)$. For its cross-entropy
# you know the gradient from lesson 03: $\delta = f(x, \theta) - y$, then $\delta^T x$ for $W$ and $\delta$
# for $b$, and the mean over the batch.


# %%
def predict(W, b, x):
    a = x @ W.T + b
    f = np.exp(a - a.max(axis=1, keepdims=True))
    return f / f.sum(axis=1, keepdims=True)


def risk(W, b, x, y):
    return -np.mean(np.log(np.sum(predict(W, b, x) * y, axis=1) + 1e-30))  # 1e-30: no log(0)


def gradient(W, b, x, y):
    delta = predict(W, b, x) - y
    return delta.T @ x / len(x), delta.mean(axis=0)


# %% [markdown]
# Why may a batch stand for the whole set? Because its gradient is right **on average**. At a fixed $\theta$,
# the batch gradients of one epoch, weighted by the sizes of the batches, have as mean the full gradient:

# %%
W, b = np.zeros((10, 784)), np.zeros(10)
full, _ = gradient(W, b, x, y)
epoch = batches(len(x), 64, rng)
single = [gradient(W, b, x[B], y[B])[0] for B in epoch]
mean = sum(len(B) / len(x) * slope for B, slope in zip(epoch, single, strict=True))
assert np.allclose(mean, full, atol=1e-6)
spread = [np.linalg.norm(slope - full) / np.linalg.norm(full) for slope in single]
print(f"a batch gradient is away from the full one by {np.mean(spread):.0%} of the full one's length")

# %% [markdown]
# Right on average, but not exact: the noise is as large as the gradient itself.
#
# ### The algorithm


# %%
def sgd(x, y, m, epochs, rate, rng):
    """Return the risk after each epoch and the number of iterations; rate(r) is the learning rate."""
    W, b = np.zeros((y.shape[1], x.shape[1]), x.dtype), np.zeros(y.shape[1], x.dtype)
    r, risks = 0, [risk(W, b, x, y)]
    for _ in range(epochs):
        for B in batches(len(x), m, rng):
            r += 1
            slope_W, slope_b = gradient(W, b, x[B], y[B])
            W -= rate(r) * slope_W
            b -= rate(r) * slope_b
        risks.append(risk(W, b, x, y))
    return risks, r


# %% [markdown]
# How many iterations does it take? The number of epochs times $n / m$; if $m$ does not divide $n$, $n / m$ is
# rounded up for the short batch. Keras counts its own iterations, and counts the same.

# %%
few = slice(0, 1000)
for m in (50, 64):
    _, iterations = sgd(x[few], y[few], m, epochs=2, rate=lambda r: 0.05, rng=rng)
    model = keras.Sequential([keras.Input((784,)), layers.Dense(10, activation="softmax")])
    model.compile(optimizer="sgd", loss="categorical_crossentropy")
    model.fit(x[few], y[few], batch_size=m, epochs=2, verbose=0)
    print(f"n = 1000, m = {m}, 2 epochs: {iterations} iterations, 2 n / m = {2 * 1000 / m}")
    assert iterations == 2 * np.ceil(1000 / m) == int(model.optimizer.iterations)

# %% [markdown]
# ### How large a batch?
#
# **Before you run the next cell, what do you expect?** Four runs read the same images equally often, with the
# same learning rate. One takes batches of 5,000 (the full gradient), one of a single image. Which one is
# lower after 5 epochs? Which one is smoother?

# %%
for m, line, marker in zip((5000, 100, 10, 1), plots.LINES, plots.MARKERS[:4], strict=True):
    risks, iterations = sgd(x, y, m, epochs=5, rate=lambda r: 0.1, rng=np.random.default_rng(0))
    plt.plot(risks, line, marker=marker, label=f"m = {m}: {iterations:,} iterations")
plt.xlabel("epochs")
plt.ylabel(r"risk $\tilde{L}_n$")
plt.legend()
plots.show(
    "The risk against the epochs for batches of 5000, 100, 10 and 1. With 5000 it falls slowly, with 100 "
    "faster, with 10 fastest and lowest; with 1 it jumps up and down above the curve of 10."
)

# %% [markdown]
# With $m = n$ an epoch is one step, and five steps do not lead far. With $m = 1$ there are 25,000 steps, each
# in a noisy direction: the risk goes up and down and ends above that of $m = 10$. Batches of 10 to 500 are
# the usual compromise, also because a computer multiplies a matrix of 100 rows much faster than 100 times one
# row.
#
# ## 2. The learning rate
#
# If $\varepsilon_r$ stays constant, the noise of the batches never ends. Robbins and Monro (1951) asked when
# such an algorithm converges, and found conditions that are **sufficient**:
#
# $$\varepsilon_r \to 0, \qquad \sum_r \varepsilon_r = \infty, \qquad \sum_r \varepsilon_r^2 < \infty$$
#
# The rates have to be large enough in total to reach every place, and small enough for the noise to average
# out. The usual example is $\varepsilon_r = 1/r$. (The first condition follows from the third. They are
# sufficient *together with* assumptions on the risk and the noise: a bounded variance, and a gradient that
# points away from one single minimum, as in the example below. The risk of a network is not like that. There
# one can hope for a point where the gradient vanishes, not for the best one.)
#
# ### A problem where theory gives the answer
#
# We test this on the simplest noisy problem. The loss is $\ell(\theta, X) = \frac12 (\theta - X)^2$ with
# random $X$ of mean $\theta^*$ and variance $\sigma^2$; "a batch" is one value of $X$, and the gradient is
# $\theta - X$. With the noise $\xi_r = X_r - \theta^*$ a step reads
#
# $$\theta^{(r)} - \theta^* = (1 - \varepsilon_r)(\theta^{(r-1)} - \theta^*) + \varepsilon_r \xi_r$$
#
# The noise is independent of the past, so the mean squared error $e_r = E(\theta^{(r)} - \theta^*)^2$ follows
# exactly
#
# $$e_r = (1 - \varepsilon_r)^2 e_{r-1} + \varepsilon_r^2 \sigma^2$$


# %%
def theory(rates, e, sigma=1.0):
    errors = []
    for eps in rates:
        e = (1 - eps) ** 2 * e + eps**2 * sigma**2
        errors.append(e)
    return np.array(errors)


def simulate(rates, theta, rng, target=0.0, sigma=1.0):
    path = []
    for eps in rates:
        X = rng.normal(target, sigma, size=theta.shape)
        theta = theta - eps * (theta - X)
        path.append(theta)
    return np.array(path)


# %% [markdown]
# Five schedules for 1,000 steps. The **cosine** (Loshchilov & Hutter, 2017) goes from $\varepsilon_0$ to zero
# along half a wave, and must know the number of steps $R$ in advance:
#
# $$\varepsilon_r = \frac{\varepsilon_0}{2} \Big(1 + \cos \frac{\pi r}{R}\Big)$$

# %%
R = 1000
r = np.arange(1, R + 1)
schedules = {
    "constant 0.1": np.full(R, 0.1),
    "1/r": 1 / r,
    "1/√r": 1 / np.sqrt(r),
    "1/(2r²)": 1 / (2 * r**2),
    "cosine from 0.1": 0.1 / 2 * (1 + np.cos(np.pi * r / R)),
}

# %% [markdown]
# | schedule | $\varepsilon_r \to 0$ | $\sum \varepsilon_r = \infty$ | $\sum \varepsilon_r^2 < \infty$ |
# | --- | --- | --- | --- |
# | constant | no | yes | no |
# | $1/r$ | yes | yes | yes |
# | $1/\sqrt r$ | yes | yes | **no** |
# | $1/(2r^2)$ | yes | **no** | yes |
# | cosine | it ends at $R$: the conditions do not apply | | |
#
# **Before you run the next cell, what do you expect?** All runs start 5 away from the minimum. Which
# schedules end close to it, and what happens to the others?

# %%
START = 5.0
paths = {name: simulate(rates, np.full(10_000, START), rng) for name, rates in schedules.items()}
at = np.array([1, 3, 10, 30, 100, 300, 1000]) - 1  # the steps that are marked
worst = 0.0
for (name, rates), marker, color in zip(schedules.items(), cycle(plots.MARKERS), cycle(plots.COLORS)):
    measured, exact = np.mean(paths[name] ** 2, axis=1), theory(rates, START**2)
    plt.loglog(r, exact, "-", color=color)
    plt.loglog(r[at], measured[at], marker, color=color, label=name)
    worst = max(worst, np.abs(measured[at] / exact[at] - 1).max())
plt.xlabel("step $r$")
plt.ylabel("mean squared error $e_r$")
plt.legend(loc="lower left")
plots.show(
    "Mean squared error against the step, both logarithmic. 1/r falls as a straight line; 1/sqrt(r) falls "
    "more slowly; the constant rate stops at 0.05; 1/(2r^2) stops near 3; the cosine falls at its end."
)
runtime.result("noisy_quadratic_relative_error", worst, at_most=0.1)

# %% [markdown]
# The lines are the theory, the marks are the mean of 10,000 runs. Go through the schedules:
#
# - **Constant**: the error stops at the fixed point of the recursion, $\sigma^2 \varepsilon / (2 -
#   \varepsilon)$. The run arrives quickly and then trembles for ever.
# - **$1/r$**: the error is $\sigma^2 / r$. There is a reason: $\theta^{(r)}$ is then exactly the mean of
#   $X_1, \dots, X_r$.
# - **$1/(2r^2)$**: the sum of the rates is finite, and the run gets stuck on its way. What is left of the
#   distance is $\prod_r (1 - \frac{1}{2r^2}) = \frac{\sin(\pi/\sqrt2)}{\pi/\sqrt2} \approx 0.36$.
# - **$1/\sqrt r$** breaks the third condition, and converges all the same, as $\sigma^2 / (2\sqrt r)$: the
#   conditions are sufficient, not necessary.
# - **Cosine**: first as quick as the constant rate, and at the end the noise is averaged out.

# %%
exact = {name: theory(rates, START**2) for name, rates in schedules.items()}
assert np.isclose(exact["constant 0.1"][-1], 0.1 / (2 - 0.1))
assert np.allclose(exact["1/r"], 1 / r)
assert np.isclose(exact["1/√r"][-1], 1 / (2 * np.sqrt(R)), rtol=0.05)
stuck = np.sin(np.pi / np.sqrt(2)) / (np.pi / np.sqrt(2))
assert np.isclose(paths["1/(2r²)"][-1].mean(), START * stuck, rtol=0.03)
values = rng.normal(size=50)
theta = START
for step, value in enumerate(values, start=1):
    theta -= 1 / step * (theta - value)
assert np.isclose(theta, values.mean())  # with 1/r, SGD computes a mean

# %% [markdown]
# ### Why deep learning does not use 1/r
#
# The example above has curvature 1, and for it $1/r$ is perfect. Now take $\ell = \frac{h}{2} (\theta - X)^2$
# with the curvature $h = 0.1$. Without any noise, what is left of the distance after $r$ steps is $\prod_{s
# \le r} (1 - h / s)$, which falls only as $r^{-h}$:

# %%
h = 0.1
left = {steps: np.prod(1 - h / np.arange(1, steps + 1)) for steps in (100, 1000, 10_000)}
print({steps: f"{share:.0%}" for steps, share in left.items()}, "of the distance is left with 1/r")
print(f"{(1 - h * 0.5) ** 100:.1%} after 100 steps with the constant rate 0.5")
assert left[10_000] > 0.3

# %% [markdown]
# The loss of a network has directions of very different curvature, and training ends after a known number of
# steps. So the choice in practice is a constant rate, lowered at the end: by hand, in stages, or by a cosine.
# (The slides give $1/r$ as the example. It is one in theory.) The same on the digits:

# %%
EPOCHS, M = 5, 10
STEPS = EPOCHS * len(x) // M
rates = {
    "constant 0.5": lambda r: 0.5,
    "1/r": lambda r: 1 / r,
    "cosine from 0.5": lambda r: 0.25 * (1 + np.cos(np.pi * r / STEPS)),
}
final = {name: sgd(x, y, M, EPOCHS, rate, np.random.default_rng(0))[0][-1] for name, rate in rates.items()}
print({name: round(float(value), 3) for name, value in final.items()})
assert final["cosine from 0.5"] < 0.9 * final["constant 0.5"] < final["constant 0.5"] < final["1/r"]

# %% [markdown]
# With batches of 10 the noise is strong. At a constant rate the risk trembles, the cosine lets it settle, and
# $1/r$ is still on its way.
#
# Keras has these schedules; it counts its steps from 0. One passes them as the `learning_rate` of an
# optimiser.

# %%
cosine = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=R)
inverse = keras.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=1, decay_rate=1.0)
for step in (1, 10, 500, 1000):
    assert np.isclose(float(cosine(step)), schedules["cosine from 0.1"][step - 1], atol=1e-7)
    assert np.isclose(float(inverse(step - 1)), 1 / step)

# %% [markdown]
# ## 3. Momentum and Adam
#
# SGD looks only at the present gradient. In a narrow valley this is a bad guide: it points from wall to wall
# and hardly along the valley. A famous valley in two dimensions is Rosenbrock's (1960), here with 10 in place
# of his 100, so that it is less steep. Its minimum is 0, at $(1, 1)$:
#
# $$L(\theta) = (1 - \theta_1)^2 + 10\, (\theta_2 - \theta_1^2)^2$$


# %%
def valley(theta):
    return (1 - theta[0]) ** 2 + 10 * (theta[1] - theta[0] ** 2) ** 2


def valley_gradient(theta):
    across = theta[1] - theta[0] ** 2
    return np.array([-2 * (1 - theta[0]) - 40 * theta[0] * across, 20 * across])


# %% [markdown]
# **Momentum** (Polyak, 1964) gives the point a velocity $v$. What the gradients have in common adds up; what
# changes its sign cancels. The usual $\mu = 0.9$ keeps 90 % of the velocity at each step:
#
# $$v \leftarrow \mu v - \varepsilon \tilde\nabla_\theta, \qquad \theta \leftarrow \theta + v$$


# %%
class Momentum:
    def __init__(self, rate, mu=0.9):
        self.rate, self.mu, self.v = rate, mu, 0.0

    def step(self, theta, slope):
        self.v = self.mu * self.v - self.rate * slope
        return theta + self.v


# %% [markdown]
# With a constant gradient the velocity goes to $-\varepsilon \tilde\nabla / (1 - \mu)$: with $\mu = 0.9$ ten
# times the step of SGD. **SGD itself is $\mu = 0$.**

# %%
ball = Momentum(rate=0.01)
for _ in range(200):
    ball.step(0.0, slope=1.0)
assert np.isclose(ball.v, -0.01 / (1 - 0.9))

# %% [markdown]
# **Adam** (Kingma & Ba, 2015) gives each parameter its own step size. It keeps running means of the gradient,
# $m$, and of its square, $s$. Both start at zero and are too small at first; $\hat m$ and $\hat s$ correct
# this bias. All operations are elementwise ($\beta_1 = 0.9$, $\beta_2 = 0.999$):
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1) \tilde\nabla_\theta, \qquad
# s \leftarrow \beta_2 s + (1 - \beta_2) \tilde\nabla_\theta^2$$
#
# $$\hat m = \frac{m}{1 - \beta_1^r}, \qquad \hat s = \frac{s}{1 - \beta_2^r}, \qquad
# \theta \leftarrow \theta - \varepsilon \frac{\hat m}{\sqrt{\hat s} + \epsilon}$$
#
# The small $\epsilon$ keeps the division safe. The paper adds that the two corrections can be put into one
# number, which saves work. Keras does so, and we follow it:
#
# $$\theta \leftarrow \theta - \varepsilon\, \frac{\sqrt{1 - \beta_2^r}}{1 - \beta_1^r}\,
# \frac{m}{\sqrt s + \epsilon}, \qquad \epsilon = 10^{-7}$$


# %%
class Adam:
    def __init__(self, rate, beta1=0.9, beta2=0.999, epsilon=1e-7):
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.m, self.s, self.r = 0.0, 0.0, 0

    def step(self, theta, slope):
        self.r += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * slope
        self.s = self.beta2 * self.s + (1 - self.beta2) * slope**2
        correction = np.sqrt(1 - self.beta2**self.r) / (1 - self.beta1**self.r)
        return theta - self.rate * correction * self.m / (np.sqrt(self.s) + self.epsilon)


# %% [markdown]
# At the first step $\hat m$ is the gradient and $\hat s$ its square, so each coordinate moves by (nearly)
# $\varepsilon$, whether its slope is large or small:

# %%
# NBVAL_CHECK_OUTPUT
print("step:", Adam(rate=0.1).step(np.zeros(2), slope=np.array([1000.0, -0.01])).round(4))

# %% [markdown]
# ### The same as Keras?
#
# We walk 50 steps from $(-1.2, 1)$ with our classes and with Keras's optimisers. A Keras optimiser changes a
# `keras.Variable`; we take `float64`, so that only the algorithm can make a difference. One source of
# rounding remains: Keras computes $1 - \beta_2^r$ from a `float32`, and $1 - 0.999$ then has only five right
# digits. So Adam is compared twice: with all defaults, and over a long way with $\beta$s that `float32` holds
# exactly.


# %%
def walk(optimizer, steps=50):
    path = [np.array([-1.2, 1.0])]
    for _ in range(steps):
        path.append(optimizer.step(path[-1], valley_gradient(path[-1])))
    return np.array(path)


def walk_keras(optimizer, steps=50):
    theta = keras.Variable(np.array([-1.2, 1.0]), dtype="float64")
    for _ in range(steps):
        slope = valley_gradient(ops.convert_to_numpy(theta))
        optimizer.apply([ops.convert_to_tensor(slope, dtype="float64")], [theta])
    return ops.convert_to_numpy(theta)


# %%
EXACT = (1 - 2**-3, 1 - 2**-10)  # 0.875 and 0.9990234375, close to the defaults
pairs = {
    "sgd": (Momentum(0.02, mu=0.0), keras.optimizers.SGD(0.02)),
    "momentum": (Momentum(0.005), keras.optimizers.SGD(0.005, momentum=0.9)),
    "adam": (Adam(0.2, *EXACT), keras.optimizers.Adam(0.2, *EXACT)),
    "adam_defaults": (Adam(0.001), keras.optimizers.Adam()),
}
for name, (ours, theirs) in pairs.items():
    difference = np.abs(walk(ours)[-1] - walk_keras(theirs)).max()
    runtime.result(f"{name}_difference_to_keras", difference, at_most=1e-6)

# %% [markdown]
# ### Watch them walk
#
# A comparison is fair only if each method has its own best rate. We try a grid and keep the rate with the
# lowest end after 50 steps.

# %%
GRID = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
methods = {"SGD": lambda rate: Momentum(rate, mu=0.0), "momentum": Momentum, "Adam": Adam}
walks = {}
for name, method in methods.items():
    with np.errstate(all="ignore"):  # a rate that is too large diverges to infinity
        tried = {rate: walk(method(rate)) for rate in GRID}
        ends = {rate: np.nan_to_num(valley(path[-1]), nan=np.inf) for rate, path in tried.items()}
    best = min(ends, key=ends.get)
    walks[name] = tried[best]
    diverged = sum(end > 1e3 for end in ends.values())
    assert name != "Adam" or diverged == 0
    print(f"{name:8} best rate {best}: L = {ends[best]:.3f}; {diverged} of {len(GRID)} rates diverge")
assert valley(walks["SGD"][-1]) > 5 * max(valley(walks["momentum"][-1]), valley(walks["Adam"][-1]))

# %%
PLANE = np.meshgrid(np.linspace(-1.6, 1.8, 120), np.linspace(-0.7, 2.5, 120))


def draw(figure, step):
    ax = figure.subplots()
    ax.contourf(*PLANE, valley(PLANE), levels=np.geomspace(0.1, 60, 8), cmap="Greys", alpha=0.5, extend="min")
    for (name, path), color, marker in zip(walks.items(), cycle(plots.COLORS), cycle(plots.MARKERS)):
        ax.plot(*path[: step + 1].T, color=color, linewidth=1.2)
        ax.plot(*path[step], marker, color=color, label=name)
    ax.plot(1, 1, "k*", markersize=11)
    ax.set(xlim=(-1.6, 1.8), ylim=(-0.7, 2.5), title=f"step {step}")
    ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    ax.grid(visible=False)
    ax.legend(loc="upper center", ncols=3, fontsize=7, handletextpad=0, columnspacing=0.4)


# %%
animation.play(
    draw,
    range(0, 51, 2),
    "From the left end of a curved valley, SGD, momentum and Adam move to the star at its right end. SGD "
    "zigzags and stays behind; momentum swings to both sides; Adam follows the valley more closely.",
)

# %% [markdown]
# The animation plays three times; run the cell again to see it again. Here are six of its frames:

# %%
animation.strip(
    draw,
    [0, 3, 10, 20, 35, 50],
    "Six frames of the animation, at steps 0, 3, 10, 20, 35 and 50. At step 50 momentum and Adam are close "
    "to the minimum, SGD is half-way.",
)

# %% [markdown]
# Look at steps 3 and 10: all three first jump between the walls. Then SGD creeps, because its rate is limited
# by the steep walls: a larger one diverges. Momentum collects speed along the valley and overshoots in the
# bend, like a ball. Adam divides by the size of the gradients, so no rate of the grid diverges. This makes
# Adam easy to start with; it does not make it best everywhere, and with a good schedule momentum is often as
# good.
#
# ## 4. Initialisation
#
# Where does the walk begin? Biases start at zero. Weights must not: in a network of zeros all units of a
# layer compute the same and get the same gradient, so they stay the same for ever. They have to be random,
# and of the right size. For a unit with $n_{in}$ inputs $h_j$ and independent weights of mean 0,
#
# $$\text{Var}\Big(\sum_j W_{ij} h_j\Big) = n_{in}\, \text{Var}(W)\, E(h_j^2)$$
#
# With $n_{in} \text{Var}(W)$ below 1 the signal shrinks from layer to layer, above 1 it grows. Backwards the
# same holds for the gradient, with the number of outputs $n_{out}$. **Glorot** and Bengio (2010) take the
# compromise between the two; **He** et al. (2015) add a factor 2 for ReLU, which sets half of its inputs to
# zero:
#
# $$\text{Glorot: } \text{Var}(W) = \frac{2}{n_{in} + n_{out}}, \qquad
# \text{He: } \text{Var}(W) = \frac{2}{n_{in}}$$


# %%
def relu(a):
    return np.maximum(0, a)


INITIALISATIONS = {  # name: activation, standard deviation of the weights
    "zeros, tanh": (np.tanh, lambda n_in, n_out: 0.0),
    "s.d. 1, tanh": (np.tanh, lambda n_in, n_out: 1.0),
    "Glorot, tanh": (np.tanh, lambda n_in, n_out: np.sqrt(2 / (n_in + n_out))),
    "Glorot, ReLU": (relu, lambda n_in, n_out: np.sqrt(2 / (n_in + n_out))),
    "He, ReLU": (relu, lambda n_in, n_out: np.sqrt(2 / n_in)),
}

# %% [markdown]
# Eight layers of 256 units, 500 digits, no training: we only look at the activations of each layer. The
# pixels are scaled to mean 0 and variance 1.


# %%
def hidden_layers(x, phi, deviation, rng, depth=8, width=256):
    h, outputs = x, []
    for _ in range(depth):
        n_in = h.shape[1]
        W = deviation(n_in, width) * rng.standard_normal((width, n_in))
        h = phi(h @ W.T)
        outputs.append(h)
    return outputs


# %%
pixels = (x[:500] - x[:500].mean()) / x[:500].std()
activations = {
    name: hidden_layers(pixels, phi, deviation, np.random.default_rng(0))
    for name, (phi, deviation) in INITIALISATIONS.items()
}

# %% [markdown]
# **Before you run the next cell, what do you expect?** Sketch the histograms of the first and of the eighth
# layer for standard deviation 1 with tanh.

# %%
SHOWN = [1, 2, 4, 8]
figure, axes = plt.subplots(len(activations), len(SHOWN), figsize=(7, 6.4), sharex="row")
for row, (name, outputs) in zip(axes, activations.items(), strict=True):
    for ax, k in zip(row, SHOWN, strict=True):
        h = outputs[k - 1]
        span = (-1, 1) if "tanh" in name else (0, 4)
        ax.hist(h.ravel(), bins=40, range=span, weights=np.full(h.size, 1 / h.size))
        ax.set(ylim=(0, 0.08), yticks=[], title=f"layer {k}" if name.startswith("zeros") else "")
        ax.text(0.9, 0.93, f"s.d. {h.std():.2g}", transform=ax.transAxes, ha="right", va="top", fontsize=8)
    row[0].set_ylabel(name)
plots.show(
    "Histograms of the activations of layers 1, 2, 4 and 8, a row for each initialisation. Zeros: all values "
    "0. Standard deviation 1: all values at -1 and 1. Glorot with tanh and He with ReLU: similar histograms "
    "in all layers. Glorot with ReLU: they shrink towards 0."
)

# %% [markdown]
# The bars are cut at 8 %. Row by row:
#
# - **Zeros**: nothing but zeros.
# - **Too large**: every tanh is saturated at −1 or 1, where its derivative vanishes (lesson 01).
# - **Glorot with tanh**: spread out in all layers, a little narrower with depth.
# - **Glorot with ReLU**: the mean square halves at each layer of equal width.
# - **He with ReLU**: it stays.

# %%
square = {name: [np.mean(h**2) for h in outputs] for name, outputs in activations.items()}
assert np.mean(np.abs(activations["s.d. 1, tanh"][-1]) > 0.99) > 0.75  # saturated
assert 0.5 < square["He, ReLU"][7] / square["He, ReLU"][0] < 2
assert 2**-9 < square["Glorot, ReLU"][7] / square["Glorot, ReLU"][0] < 2**-5  # seven halvings: about 2**-7

# %% [markdown]
# Keras's names are `"glorot_uniform"`, the default of `Dense`, `"he_normal"` and so on. Uniform or normal
# matters little; the variance matters.

# %%
for name, variance in {"glorot_uniform": 2 / (784 + 256), "he_normal": 2 / 784}.items():
    kernel = ops.convert_to_numpy(keras.initializers.get(name)((784, 256)))
    assert np.isclose(kernel.var(), variance, rtol=0.02)

# %% [markdown]
# ### Does it matter for training?
#
# From here on we train on **1,000 digits** only, and keep 2,000 others for validation. The test set stays
# closed until the end. First, a network with five hidden layers and four initialisations:

# %%
x_train, y_train = x_all[:1000], mnist.y_train[:1000]
x_val, y_val = x_all[50_000:52_000], mnist.y_train[50_000:52_000]
x_test, y_test = mnist.x_test.reshape(-1, 784).astype("float32") / 255, mnist.y_test
print(f"training {x_train.shape}, validation {x_val.shape}, test {x_test.shape}")

# %%
for name in ("zeros", keras.initializers.RandomNormal(stddev=1.0), "glorot_uniform", "he_normal"):
    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(128, activation="relu", kernel_initializer=name) for _ in range(5)]
    model = keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=budget.pick(smoke=1, cpu=10), verbose=0).history
    label = name if isinstance(name, str) else "s.d. 1"
    first, last = history["loss"][0], history["loss"][-1]
    print(f"{label:15} loss {first:.3g} -> {last:.3g}, training accuracy {history['accuracy'][-1]:.1%}")
    if label == "zeros":
        assert not np.any(hidden[0].get_weights()[0])  # not one weight has moved

# %% [markdown]
# From zeros nothing moves but the biases of the output: the network can only learn how frequent each class
# is. With standard deviation 1 the first losses are astronomic, and the training is busy with repairs. Glorot
# and He are close here; the difference grows with depth.
#
# ## 5. Overfitting
#
# Now a network that is much too large for 1,000 images: two hidden layers of 512 units, 670,000 parameters.
# The function below has all the options of the coming sections; without options it is the plain network.


# %%
def build(l1=0.0, l2=0.0, p_input=0.0, p_hidden=0.0):
    penalty = keras.regularizers.L1L2(l1=l1, l2=l2)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dropout(p_input),
            layers.Dense(512, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(512, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )


print(f"{build().count_params():,} parameters, {len(x_train):,} images")

# %% [markdown]
# We train with what the lesson has brought so far: batches of 50, momentum, a cosine from 0.05 to zero. The
# metric `cross_entropy` is the loss *without* penalty, so that all curves can be compared.

# %%
EPOCHS = budget.pick(smoke=2, cpu=40)
BATCH, RATE = 50, 0.05


def train(seed, labels=y_train, callbacks=(), **options):
    """Return a trained model and its history."""
    keras.utils.set_random_seed(seed)
    model = build(**options)
    rate = keras.optimizers.schedules.CosineDecay(RATE, decay_steps=EPOCHS * len(x_train) // BATCH)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")],
    )
    fit = {"epochs": EPOCHS, "batch_size": BATCH, "validation_batch_size": 500, "callbacks": list(callbacks)}
    history = model.fit(x_train, labels, validation_data=(x_val, y_val), verbose=0, **fit)
    return model, history.history


def score(model, x, y):
    return model.evaluate(x, y, batch_size=500, verbose=0)  # loss with penalty, accuracy, cross-entropy


# %%
plain, history = train(seed=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2))
plots.history(history, "cross_entropy", ax=left)
plots.history(history, "accuracy", ax=right)
plots.show(
    "Left: the cross-entropy of the training images falls to zero; that of the validation images falls first "
    "and then rises. Right: the accuracy reaches 100 % on the training images and about 90 % on the others."
)

# %% [markdown]
# This is **overfitting**. Look at the left panel: the training loss goes to zero, the validation loss turns
# and rises. (The bumps on the way come from the high learning rate at the start.) The network is more and
# more sure, also where it is wrong. On the right, all training images are right, one in ten of the others is
# wrong. The gap between the two curves is what regularisation is about.

# %%
gap = history["accuracy"][-1] - history["val_accuracy"][-1]
runtime.result("overfitting_gap", gap, at_least=0.08)

# %% [markdown]
# How far can this go? Zhang et al. (2017) gave networks images with **random** labels. There is nothing to
# learn, only something to memorise.
#
# **Before you run the next cell, what do you expect?** What accuracy on the training images, what on the
# others?

# %%
shuffled = np.random.default_rng(0).permutation(y_train)
_, history = train(seed=0, labels=shuffled)
print(f"training {history['accuracy'][-1]:.1%}, validation {history['val_accuracy'][-1]:.1%}")

# %% [markdown]
# It learns even these by heart. So a low training loss proves nothing about new images.
#
# ## 6. L1 and L2 penalties
#
# From lesson 03: $\Omega(\theta) = \sum_k \|W^{(k)}\|_F^2$ or $\sum_k \sum_{i,j} |W^{(k)}_{i,j}|$, over the
# **weights** and not the biases. In Keras this is the `kernel_regularizer`. `model.losses` has one penalty a
# layer. We check its value, its gradients $2 \lambda W$ and $\lambda\, \text{sign}(W)$, and that the biases
# have none:


# %%
def penalty_gradient(model):
    with tf.GradientTape() as tape:
        penalty = sum(model.losses)
    return penalty, tape.gradient(penalty, model.trainable_weights)  # for each layer: kernel, bias


LAMBDA = 1e-3
for options, omega, slope in [
    ({"l2": LAMBDA}, np.square, lambda W: 2 * W),
    ({"l1": LAMBDA}, np.abs, np.sign),
]:
    model = build(**options)
    value, slopes = penalty_gradient(model)
    kernels = model.get_weights()[0::2]
    assert np.isclose(float(value), LAMBDA * sum(omega(W).sum() for W in kernels), rtol=1e-5)
    for W, given in zip(kernels, slopes[0::2], strict=True):
        assert np.allclose(given, LAMBDA * slope(W), atol=1e-7)
    assert slopes[1::2] == [None, None, None]  # no penalty depends on a bias

# %% [markdown]
# How large should $\lambda$ be? Try powers of ten and look at the **validation** loss.

# %%
tried = {}
for l2 in budget.pick(smoke=(1e-3, 1e-2), cpu=(1e-4, 1e-3, 1e-2)):
    _, history = train(seed=0, l2=l2)
    tried[l2] = history["val_cross_entropy"][-1]
    print(f"lambda = {l2:g}: training {history['cross_entropy'][-1]:.3f}, validation {tried[l2]:.3f}")
L2 = min(tried, key=tried.get)

# %% [markdown]
# Too small changes nothing, too large holds back the training itself: the network **underfits**.
#
# ### What the two penalties do to the weights
#
# The gradient of $\mathbb{L}^2$ is proportional to the weight: large weights shrink fast, small ones hardly.
# The gradient of $\mathbb{L}^1$ is $\pm\lambda$ however small the weight is: it pushes all the way to zero.
#
# **Before you run the next cell, what do you expect?** Which histogram has a spike at zero?

# %%
L1 = 3e-4
trained = {
    "no penalty": plain,
    f"L2, λ = {L2:g}": train(seed=0, l2=L2)[0],
    f"L1, λ = {L1:g}": train(seed=0, l1=L1)[0],
}
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.8), sharex=True, sharey=True)
sparsity = {}
for ax, (name, model) in zip(axes, trained.items(), strict=True):
    W = model.get_weights()[0]
    sparsity[name] = np.mean(np.abs(W) < 1e-3)
    ax.hist(W.ravel(), bins=81, range=(-0.12, 0.12))
    ax.set(yscale="log", title=name, xlabel="weight of layer 1")
    ax.text(0.03, 0.9, f"{sparsity[name]:.0%} below 0.001", transform=ax.transAxes, fontsize=8)
axes[0].set_ylabel("number of weights")
plots.show(
    "Histograms of the weights of the first layer, counts logarithmic. Without penalty: nearly uniform. L2: "
    "narrower. L1: a high spike at zero and few other weights."
)

# %% [markdown]
# Without penalty the histogram is still the uniform distribution of the start: most weights have hardly
# moved. (Those of pixels that are black in all images cannot move at all.) $\mathbb{L}^2$ makes weights
# small, $\mathbb{L}^1$ makes them **zero**, which is called **sparsity**. In SGD they tremble around zero by
# about $\varepsilon \lambda$, so we count what is below 0.001 in absolute value. Look at the accuracy, too:
# at this $\lambda$ sparsity has a price.

# %%
for name, model in trained.items():
    accuracy = score(model, x_val, y_val)[1]
    print(f"{name:16} {sparsity[name]:4.0%} of the weights below 0.001, validation accuracy {accuracy:.1%}")
*_, with_l1 = sparsity.values()
runtime.result("l1_sparsity", with_l1, at_least=0.5)

# %% [markdown]
# ## 7. Dropout
#
# **Dropout** (Hinton et al., 2012; Srivastava et al., 2014) sets each *unit* to zero with probability $p$,
# independently, anew for every sample at every step. No unit can rely on a certain other one being there.
# The usual values are $p = 0.5$ for hidden units and $p = 0.2$ for the input. (Where the slides say that
# *weights* are set to 0, read units: all the weights that leave a unit go at once, and what is left is
# rescaled.)

# %%
SIZES, P = [4, 6, 6, 2], [0.2, 0.5, 0.5, 0.0]
rng = np.random.default_rng(30)
layer_of = np.repeat(np.arange(4), SIZES)
height = np.concatenate([np.arange(n) - (n - 1) / 2 for n in SIZES])
whole = np.ones(len(layer_of), dtype=bool)
thinned = rng.random(len(layer_of)) >= np.repeat(P, SIZES)

figure, axes = plt.subplots(1, 2, figsize=(6.6, 2.9))
for ax, kept in zip(axes, (whole, thinned), strict=True):
    for k in range(3):
        start, end = height[kept & (layer_of == k)], height[kept & (layer_of == k + 1)]
        for left in start:
            ax.plot([k, k + 1], [np.full_like(end, left), end], "-", color="0.7", linewidth=0.8)
    ax.plot(layer_of[kept], height[kept], "o", markersize=11, color=plots.COLORS[0])
    ax.plot(layer_of[~kept], height[~kept], "x", markersize=9, color="0.4")
    for k, name in enumerate(["input", "hidden", "hidden", "output"]):
        ax.text(k, -3.3, f"{name}\np = {P[k]:g}", ha="center", va="center", fontsize=8)
    ax.axis("off")
axes[0].set_title("inference: all units")
axes[1].set_title("training: one random mask")
plots.show(
    "A network with four inputs, two hidden layers of six units and two outputs, twice. Left, in inference: "
    "all units and connections. Right, in training: some units crossed out, with all their connections."
)

# %% [markdown]
# In training the units that are left are multiplied by $1 / (1 - p)$, so that the next layer receives the
# same **on average**. In inference nothing is dropped and nothing is scaled:
#
# $$\tilde h_i = \frac{\mu_i}{1 - p}\, h_i, \qquad P(\mu_i = 1) = 1 - p, \qquad P(\mu_i = 0) = p$$


# %%
def dropout(h, p, rng, training):
    if not training:
        return h
    kept = rng.random(h.shape) >= p
    return kept * h / (1 - p)


# %%
h = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]] * 3)
print(dropout(h, 0.5, np.random.default_rng(0), training=True))
assert np.array_equal(dropout(h, 0.5, rng, training=False), h)

# %% [markdown]
# Look at the rows: each sample has its own mask, and what is kept is doubled. Keras's `Dropout` does the
# same. We take the first hidden layer of the trained network for 5 images, 2,000 masks, ours and Keras's.

# %%
first = keras.Sequential(plain.layers[:2])  # dropout of the input (with p = 0) and the first Dense layer
h = ops.convert_to_numpy(first(x_val[:5]))
many = np.repeat(h[None], 2000, axis=0)  # (masks, images, units)
for p in (0.5, 0.2):
    ours = dropout(many, p, rng, training=True)
    layer = layers.Dropout(p, seed=1)
    theirs = ops.convert_to_numpy(layer(many, training=True))
    for values in (ours, theirs):
        assert np.all(np.isclose(values, 0) | np.isclose(values, many / (1 - p), rtol=1e-5))
        error = h * np.sqrt(p / (1 - p) / len(many))  # standard error of the mean over the masks
        assert np.all(np.abs(values.mean(axis=0) - h) <= 6 * error + 1e-6)
    assert np.array_equal(ops.convert_to_numpy(layer(h, training=False)), h)
    print(f"p = {p}: mean of h {h.mean():.4f}, ours {ours.mean():.4f}, Keras's {theirs.mean():.4f}")

# %% [markdown]
# ### What inference means
#
# For a network that is not linear, inference with all units is only close to the mean over all masks. How
# close? We train a network with dropout, and compare on the validation images: one mask, the mean of 30
# masks, and inference.

# %%
DROPOUT = {"p_input": 0.2, "p_hidden": 0.5}
model, _ = train(seed=0, **DROPOUT)
masked = np.array([ops.convert_to_numpy(model(x_val, training=True)) for _ in range(30)])
whole = ops.convert_to_numpy(model(x_val, training=False))
outputs = {"one mask": masked[0], "mean of 30 masks": masked.mean(axis=0), "inference": whole}
accuracy = {name: np.mean(f.argmax(axis=1) == y_val) for name, f in outputs.items()}
print("validation accuracy:", *(f"{name} {value:.1%}" for name, value in accuracy.items()), sep="\n")
if budget.name != "smoke":
    assert accuracy["one mask"] < accuracy["inference"]
    assert abs(accuracy["inference"] - accuracy["mean of 30 masks"]) < 0.02

# %% [markdown]
# A network with a random half of its units missing is worse. Inference does as well as the mean of thirty of
# them, at the cost of one: dropout trains many networks that share their weights, and inference approximately
# averages them.
#
# One caution: forget `training=True` in your own training loop, and there is no dropout. Forget
# `training=False` in use, and the answers are noise. `fit`, `evaluate` and `predict` get it right.
#
# ## 8. Early stopping
#
# The validation loss of section 5 had its minimum early. **Early stopping** watches it during the training.
# If it has not improved for a number of epochs, the **patience**, training stops, and the weights of the best
# epoch come back.


# %%
def early_stopping():
    return keras.callbacks.EarlyStopping(
        monitor="val_cross_entropy", mode="min", patience=10, restore_best_weights=True
    )


# %% [markdown]
# The patience is there because the curve is noisy: with `patience=1` the first small bump would end the
# training.
#
# ## 9. Which one is best?
#
# Five candidates, each with three seeds (other initial weights, batches and masks): one run alone could be
# luck. All get the same optimiser, schedule and number of epochs.

# %%
CANDIDATES = {
    "none": {},
    "L2": {"l2": L2},
    "dropout": DROPOUT,
    "early stopping": {},
    "dropout + L2": {**DROPOUT, "l2": L2},
}
SEEDS = range(budget.pick(smoke=2, cpu=3))
runs = {
    name: [train(seed, callbacks=[early_stopping()] if "early" in name else [], **options) for seed in SEEDS]
    for name, options in CANDIDATES.items()
}

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True)
lines = ["-", "--", "-.", (0, (1, 0.6)), (0, (5, 1, 1, 1, 1, 1))]
for (name, trained), color, line in zip(runs.items(), cycle(plots.COLORS), lines, strict=False):
    history = trained[0][1]  # of the first seed
    epochs = np.arange(1, len(history["loss"]) + 1)
    width = 3 if name == "early stopping" else 1.5
    left.plot(epochs, history["cross_entropy"], linestyle=line, color=color, linewidth=width)
    right.plot(epochs, history["val_cross_entropy"], linestyle=line, color=color, linewidth=width, label=name)
left.set(yscale="log", xlabel="epoch", ylabel="cross-entropy", title="training")
right.set(xlabel="epoch", title="validation", ylim=(0.2, 0.8))
figure.legend(loc="outside lower center", ncols=5, fontsize=8)
plots.show(
    "Cross-entropy against the epochs, training on the left, validation on the right, for five candidates. "
    "Without regularisation the training curve is lowest and the validation curve highest; with dropout and "
    "L2 the training curve is highest and the validation curve lowest. Early stopping follows the plain "
    "network and ends after about half of the epochs."
)

# %% [markdown]
# The order is reversed from left to right: what is best on the training images is worst on the others. (With
# dropout the training curve is measured *with* units missing, so it can lie above the validation curve.) The
# runs with dropout also come down more slowly: this is the price that the slides mention.
#
# ### Choose on the validation set
#
# We choose by the mean validation cross-entropy. It uses more of each prediction than the accuracy, whose
# standard error with 2,000 images is already $\sqrt{0.9 \cdot 0.1 / 2000} \approx 0.7\,\%$.


# %%
def mean_and_sd(values):
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


validation = {}
print(f"{'validation':26} cross-entropy     accuracy")
for name, trained in runs.items():
    _, accuracy, entropy = np.array([score(model, x_val, y_val) for model, _ in trained]).T
    validation[name] = entropy.mean()
    epochs = np.mean([len(history["loss"]) for _, history in trained])
    print(f"{name:15}{epochs:3.0f} epochs  {mean_and_sd(entropy)}   {mean_and_sd(accuracy)}")
chosen = min(validation, key=validation.get)
print("chosen:", chosen)

# %% [markdown]
# ### Open the test set, once
#
# Why a third set? We have chosen $\lambda$ and the candidate *because* they were good on the validation
# images. The winner's validation result is therefore a little too good: among many candidates, some are
# lucky. Only images that took part in no decision give an honest figure. If you look at the test set, change
# something and look again, it has become a validation set.

# %%
test = {name: [score(model, x_test, y_test)[1] for model, _ in runs[name]] for name in runs}
print(f"{'':15} test accuracy, {len(SEEDS)} seeds: mean ± s.d.")
for name, values in test.items():
    print(f"{name:15} {mean_and_sd(values)}{'  <- chosen' if name == chosen else ''}")
runtime.result("chosen_test_accuracy", np.mean(test[chosen]))
gain = np.mean(test[chosen]) - np.mean(test["none"])
runtime.result("chosen_minus_none_test_accuracy", gain, at_least=0.01)

# %%
if budget.name != "smoke":  # two epochs decide nothing
    assert np.mean(test["dropout"]) > np.mean(test["none"]) + 0.01
    assert validation["dropout + L2"] < validation["L2"] < validation["none"]
    assert abs(np.mean(test["L2"]) - np.mean(test["none"])) < 0.01

# %% [markdown]
# Read it with care. Dropout gains more than one point of accuracy, many times the spread between seeds.
# $\mathbb{L}^2$ alone lowers the cross-entropy, which means that the network is less sure of its mistakes,
# but hardly changes which class wins. Early stopping saves half of the time and gains no accuracy here: that
# of the plain network does not fall after the minimum of its loss. Which method is best depends on
# network and data. *How* to find out does not: candidates, several seeds, a validation set, and one look at
# the test set.
#
# ## 10. Data-parallel SGD
#
# A mean over a batch can be shared: with two devices, each computes the gradient of its half, and the two are
# averaged. If the halves have $m/2$ samples each,
#
# $$\frac1m \sum_{i \in B} \nabla \ell_i = \frac12 \Big(
# \frac{1}{m/2} \sum_{i \in B_1} \nabla \ell_i + \frac{1}{m/2} \sum_{i \in B_2} \nabla \ell_i \Big)$$

# %%
W, b = np.zeros((10, 784)), np.zeros(10)
whole, _ = gradient(W, b, x[:64], y[:64])
halves = [gradient(W, b, x[part], y[part])[0] for part in (slice(0, 32), slice(32, 64))]
assert np.allclose(whole, (halves[0] + halves[1]) / 2, atol=1e-7)

# %% [markdown]
# In TensorFlow, `MirroredStrategy` keeps a copy of the weights on each device. Here we use two GPUs, if there
# are two, or the two logical processors made at the top.

# %%
gpus = tf.config.list_logical_devices("GPU")
devices = [device.name for device in (gpus if len(gpus) >= 2 else tf.config.list_logical_devices("CPU"))[:2]]
strategy = tf.distribute.MirroredStrategy(devices)
with strategy.scope():  # variables made here are mirrored
    keras.utils.set_random_seed(1)
    model = build()
print(strategy.num_replicas_in_sync, "replicas on", *devices)


# %% [markdown]
# The gradient of one device, of a batch of 64:


# %%
def batch_gradient(x, y):
    with tf.GradientTape() as tape:
        loss = ops.mean(keras.losses.sparse_categorical_crossentropy(y, model(x)))
    return tape.gradient(loss, model.trainable_variables)


with tf.device(devices[0]):
    one_device = batch_gradient(x_train[:64], y_train[:64])

# %% [markdown]
# The gradient of two devices: the strategy splits the batch, `run` computes on both, `reduce` averages.


# %%
@tf.function
def parallel_gradient(x, y):
    return [strategy.reduce("MEAN", slope, axis=None) for slope in strategy.run(batch_gradient, args=(x, y))]


batch = tf.data.Dataset.from_tensor_slices((x_train[:64], y_train[:64])).batch(64)
x_parts, y_parts = next(iter(strategy.experimental_distribute_dataset(batch)))
for part in strategy.experimental_local_results(x_parts):
    print(part.shape, part.device)
two_devices = parallel_gradient(x_parts, y_parts)
difference = max(float(ops.max(ops.abs(a - b))) for a, b in zip(one_device, two_devices, strict=True))
runtime.result("data_parallel_gradient_difference", difference, at_most=1e-6)

# %% [markdown]
# The same up to rounding. For training you need only the `scope`: `compile` and `fit` do the rest. After one
# epoch with the same seed, a model on two devices has the weights of a model on one:


# %%
def one_epoch():
    keras.utils.set_random_seed(1)
    model = build()
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy")
    model.fit(x_train, y_train, batch_size=50, verbose=0)
    return model.get_weights()


with tf.device(devices[0]):
    single = one_epoch()
with strategy.scope():
    double = one_epoch()
assert max(np.abs(a - b).max() for a, b in zip(single, double, strict=True)) < 1e-5

# %% [markdown]
# On one processor this saves no time: the two devices share the same cores. With several GPUs it does. Then
# the batch is usually made larger by their number, and the learning rate has to be looked at again.
#
# ## Summary
#
# - SGD: shuffle, cut into batches of $m$, step; an epoch uses every sample once and has $\lceil n / m \rceil$
#   iterations.
# - Robbins-Monro: conditions that suffice for convergence under noise, if the risk has a single minimum to
#   walk to. In practice: a constant rate, lowered at the end.
# - Momentum adds up what gradients have in common; Adam scales each coordinate and corrects the bias of its
#   running means.
# - Initialise biases with zero, weights at random with variance $2 / (n_{in} + n_{out})$ or, for ReLU, $2 /
#   n_{in}$.
# - A large network can memorise its training set. $\mathbb{L}^2$ shrinks weights, $\mathbb{L}^1$ makes them
#   sparse, neither touches biases.
# - Dropout sets units to zero and rescales by $1 / (1 - p)$, in training only. Early stopping goes back to
#   the best epoch on the validation set.
# - Choose with the validation set and several seeds; open the test set once.
# - The averaged gradient of two half-batches is the gradient of the batch.
#
# **Now do it yourself:** [the lab](../labs/04_sgd_and_regularization.ipynb).
#
# ## References
#
# - H. Robbins, S. Monro (1951). A stochastic approximation method. *Annals of Mathematical Statistics* 22(3),
#   400-407. [doi:10.1214/aoms/1177729586](https://doi.org/10.1214/aoms/1177729586)
# - H. H. Rosenbrock (1960). An automatic method for finding the greatest or least value of a function. *The
#   Computer Journal* 3(3), 175-184. [doi:10.1093/comjnl/3.3.175](https://doi.org/10.1093/comjnl/3.3.175)
# - B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods. *USSR Computational
#   Mathematics and Mathematical Physics* 4(5), 1-17.
#   [doi:10.1016/0041-5553(64)90137-5](https://doi.org/10.1016/0041-5553(64)90137-5)
# - X. Glorot, Y. Bengio (2010). Understanding the difficulty of training deep feedforward neural networks.
#   *AISTATS*, PMLR 9, 249-256. [proceedings.mlr.press/v9/glorot10a](https://proceedings.mlr.press/v9/glorot10a.html)
# - G. E. Hinton, N. Srivastava, A. Krizhevsky, I. Sutskever, R. Salakhutdinov (2012). Improving neural
#   networks by preventing co-adaptation of feature detectors.
#   [arXiv:1207.0580](https://arxiv.org/abs/1207.0580)
# - N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov (2014). Dropout: a simple way to
#   prevent neural networks from overfitting. *Journal of Machine Learning Research* 15, 1929-1958.
#   [jmlr.org/papers/v15/srivastava14a](https://jmlr.org/papers/v15/srivastava14a.html)
# - D. P. Kingma, J. Ba (2015). Adam: a method for stochastic optimization. *ICLR*.
#   [arXiv:1412.6980](https://arxiv.org/abs/1412.6980)
# - K. He, X. Zhang, S. Ren, J. Sun (2015). Delving deep into rectifiers. *ICCV*, 1026-1034.
#   [doi:10.1109/ICCV.2015.123](https://doi.org/10.1109/ICCV.2015.123),
#   [arXiv:1502.01852](https://arxiv.org/abs/1502.01852)
# - I. Loshchilov, F. Hutter (2017). SGDR: stochastic gradient descent with warm restarts. *ICLR*.
#   [arXiv:1608.03983](https://arxiv.org/abs/1608.03983)
# - C. Zhang, S. Bengio, M. Hardt, B. Recht, O. Vinyals (2017). Understanding deep learning requires
#   rethinking generalization. *ICLR*. [arXiv:1611.03530](https://arxiv.org/abs/1611.03530)
