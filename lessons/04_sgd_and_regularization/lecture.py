# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 4}
# ---

# %% [markdown]
# # Stochastic gradient descent and regularisation
#
# Backpropagation gives the gradient. This lesson is about the two questions that follow. How do you walk down
# with it, fast and without falling? And what do you do when the network learns its training images by heart?
# You write the algorithms yourself, compare them with Keras to six digits, and then make a network overfit
# and cure it.
#
# **You need** lessons 01 to 03: the gradient, cross-entropy and softmax, Keras's `compile` and `fit`. The
# symbols are those of the table of [notation](01_neurons.ipynb#Notation); new here are the step $r$ of $R$,
# the momentum $\mu$, the velocity $v$, Adam's running means $\bar v$ and $q$, and the curvature $\kappa$.
# From section 8 on $p$ is the probability of dropout.
#
# **After this lesson you can**
#
# - write stochastic gradient descent with batches, and count epochs and iterations;
# - choose a learning rate for a network, and say what the Robbins-Monro conditions promise and what they do
#   not;
# - write momentum and Adam;
# - initialise a deep network so that its signals neither die nor explode;
# - recognise overfitting, and use $\mathbb{L}^1$ and $\mathbb{L}^2$ penalties, dropout and early stopping;
# - choose between models on a validation set, and open the test set once.
#
# **Time to study:** it is two lessons in one. Allow two hours for part one (sections 1 to 5, how to walk),
# make a pause, and allow two hours for part two (sections 6 to 10, how not to learn by heart). Section 11 is
# optional.

# %%
from nnlabs import animation, data, plots, runtime, training

budget = runtime.setup(seed=1)
# %%
import time
from itertools import cycle

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# (Skip this cell in a first reading. The optional last section needs two devices, and TensorFlow must know
# this before it computes anything: without two GPUs we split the processor into two *logical* devices. The
# last line keeps TensorFlow from reporting on each exchange between them.)

# %%
if len(tf.config.list_physical_devices("GPU")) < 2:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## Part one: how to walk
#
# ## 1. Stochastic gradient descent
#
# We minimise the penalised empirical risk of lesson 03, over all weights and biases $\theta$:
#
# $$L_n(\theta) = \frac1n \sum_{i=1}^n \ell(f(X_i, \theta), Y_i) + \lambda\, \Omega(\theta)$$
#
# Its gradient is a mean over all $n$ samples, and MNIST has $n = 60\,000$ of them: one step would need a pass
# through the whole set. **Stochastic gradient descent** (SGD) takes the mean over a small **batch** $B$ of
# $m$ samples. It begins at some $\theta^{(0)}$ (section 4 says which). With the **learning rate**
# $\varepsilon_r > 0$, step $r + 1$ is
#
# $$\tilde\nabla_\theta = \frac1m \sum_{i \in B} \nabla_\theta\, \ell(f(X_i, \theta), Y_i)
# + \lambda \nabla_\theta\, \Omega(\theta), \qquad
# \theta^{(r+1)} = \theta^{(r)} - \varepsilon_r \tilde\nabla_\theta$$
#
# It is made for large sets, and for data that arrive one after the other and are not kept (a stream): each
# batch is used and forgotten.
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
mean = sum(len(B) / len(x) * gradient(W, b, x[B], y[B])[0] for B in epoch)
assert np.allclose(mean, full, atol=1e-6)

# %% [markdown]
# Right on average, but each of them is off. **Before you run the next cell, what do you expect?** If you take
# batches that are 100 times as large, how much smaller is the error of the gradient?

# %%
size = np.linalg.norm(full)
for m in (1, 10, 100, 1000):
    drawn = [gradient(W, b, x[B], y[B])[0] for B in (rng.choice(len(x), m, replace=False) for _ in range(50))]
    away = np.sqrt(np.mean([np.linalg.norm(slope - full) ** 2 for slope in drawn])) / size
    print(f"m = {m:4}: error {away:4.0%} of the full gradient's length; times √m: {away * np.sqrt(m):.1f}")
    assert 6.5 < away * np.sqrt(m) < 9.5

# %% [markdown]
# Ten times smaller: the error falls as $1 / \sqrt m$, like that of every mean of $m$ random things, while the
# work grows as $m$. With 64 samples the error is about as long as the gradient. This is the heart of the
# method: a hundred rough steps cost as much as one step that is ten times as exact. (At $m = 1000$ the last
# number is a little lower: a fifth of all samples is in the batch.)
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
# rounded up for the short batch. Keras counts its own iterations, and counts the same. The number of epochs
# is for you to choose, like $m$ and $\varepsilon$; part two shows what too many of them do.

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
# **Before you run the next cell, what do you expect?** Four kinds of runs read the same images equally often,
# with the same learning rate. One takes batches of 5,000 (the full gradient), one of a single image. Which
# one is lower after 5 epochs? Which one is smoother? Each is run from three seeds.

# %%
ends = {}
for m, line, marker, color in zip((5000, 100, 10, 1), plots.LINES, plots.MARKERS, plots.COLORS, strict=False):
    start = time.perf_counter()
    runs = [sgd(x, y, m, 5, lambda r: 0.1, np.random.default_rng(seed))[0] for seed in range(3)]
    seconds = (time.perf_counter() - start) / 3
    print(f"m = {m:4}: {5 * len(x) // m:6,} iterations, {seconds:.1f} s, ends:", np.round(runs, 3)[:, -1])
    ends[m] = np.mean(runs, axis=0)[-1]
    plt.plot(np.transpose(runs), line, marker=marker, color=color, label=[f"m = {m}", None, None])
plt.xlabel("epochs")
plt.ylabel(r"risk $L_n$")
plt.legend()
plots.show(
    "The risk against the epochs for batches of 5000, 100, 10 and 1, three runs each. With 5000 it falls "
    "slowly, with 100 faster, with 10 fastest and lowest; with 1 the runs jump up and down above those of 10."
)
assert ends[10] < ends[1] < ends[100] < ends[5000]

# %% [markdown]
# With $m = n$ an epoch is one step, and five steps do not lead far. With $m = 1$ there are 25,000 steps, each
# in a noisy direction: the risk goes up and down, and the runs end above those of $m = 10$. They also take
# the most time, because each step has a cost of its own, however few rows it reads. Batches of 10 to 500 are
# the usual compromise. (All four have the same rate, 0.1. A large batch has less noise and can bear a larger
# one.)
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

# %% [markdown]
# With $1/r$, SGD computes a mean:

# %%
values = rng.normal(size=50)
theta = START
for step, value in enumerate(values, start=1):
    theta -= 1 / step * (theta - value)
assert np.isclose(theta, values.mean())

# %% [markdown]
# ### Why deep learning does not use 1/r
#
# The example above has curvature 1, and for it $1/r$ is perfect. Now take $\ell = \frac{\kappa}{2} (\theta -
# X)^2$ with the curvature $\kappa = 0.1$. Without any noise, what is left of the distance after $r$ steps is
# $\prod_{j \le r} (1 - \kappa / j)$, which falls only as $r^{-\kappa}$:

# %%
kappa = 0.1
left = {steps: np.prod(1 - kappa / np.arange(1, steps + 1)) for steps in (100, 1000, 10_000)}
print({steps: f"{share:.0%}" for steps, share in left.items()}, "of the distance is left with 1/r")
print(f"{(1 - kappa * 0.5) ** 100:.1%} after 100 steps with the constant rate 0.5")
assert left[10_000] > 0.3

# %% [markdown]
# One repairs this with two more numbers, $\varepsilon_r = \varepsilon_0 / (1 + r / r_0)$: it begins at
# $\varepsilon_0$ and falls as $1/r$ only later. But the loss of a network has directions of very different
# curvature, and training ends after a known number of steps. So the choice in practice is a constant rate
# that is lowered at the end: by hand, in stages, or by a cosine. (The slides give $1/r$ as the example. It is
# one in theory.) The same on the digits, from three seeds:

# %%
EPOCHS, M = 5, 10
STEPS = EPOCHS * len(x) // M
rates = {
    "constant 0.5": lambda r: 0.5,
    "1/r": lambda r: 1 / r,
    "0.5 / (1 + r/400)": lambda r: 0.5 / (1 + r / 400),
    "cosine from 0.5": lambda r: 0.25 * (1 + np.cos(np.pi * r / STEPS)),
}
final = {}
for name, rate in rates.items():
    final[name] = [sgd(x, y, M, EPOCHS, rate, np.random.default_rng(seed))[0][-1] for seed in range(3)]
    print(f"{name:18} risk at the end:", np.round(final[name], 3))
order = ["cosine from 0.5", "0.5 / (1 + r/400)", "constant 0.5", "1/r"]
assert max(final[order[0]]) < min(final[order[1]]) < max(final[order[2]]) < min(final[order[3]])

# %% [markdown]
# With batches of 10 the noise is strong. At the constant rate the three ends differ: each run trembles, and
# stops where it just is. The cosine lets all three settle, and lower. Plain $1/r$ is still on its way; with
# $r_0 = 400$ (the best of a few that we tried) it settles too, a little higher than the cosine.
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
# And which number to begin with? For a network there is no formula; section 5 shows how to find out.
#
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
# $\bar v$, and of its square, $q$. (The paper calls them $m$ and $v$; in this course $m$ is the size of a
# batch and $v$ a velocity.) All operations are elementwise, with $\beta_1 = 0.9$, $\beta_2 = 0.999$:
#
# $$\bar v \leftarrow \beta_1 \bar v + (1 - \beta_1) \tilde\nabla_\theta, \qquad
# q \leftarrow \beta_2 q + (1 - \beta_2) \tilde\nabla_\theta^2$$
#
# Both start at zero, so they are too small at first: after $r$ steps with a constant gradient $g$, $\bar v =
# (1 - \beta_1^r)\, g$. Division by $1 - \beta_1^r$, and by $1 - \beta_2^r$ for $q$, corrects this bias:
#
# $$\hat v = \frac{\bar v}{1 - \beta_1^r}, \qquad \hat q = \frac{q}{1 - \beta_2^r}, \qquad
# \theta \leftarrow \theta - \varepsilon \frac{\hat v}{\sqrt{\hat q} + \hat\epsilon}$$
#
# The small $\hat\epsilon = 10^{-7}$ keeps the division safe. The two corrections can be put into one number,
# which saves work. Multiply above and below by $\sqrt{1 - \beta_2^r}$:
#
# $$\theta \leftarrow \theta - \varepsilon\, \frac{\sqrt{1 - \beta_2^r}}{1 - \beta_1^r}\,
# \frac{\bar v}{\sqrt q + \sqrt{1 - \beta_2^r}\; \hat\epsilon}$$
#
# Keras computes this and leaves out the last root, in front of $\hat\epsilon$. At first this root is small,
# $\sqrt{0.001} \approx 0.03$ at $r = 1$: so in the first steps it matters for gradients up to about a hundred
# times as large as $\hat\epsilon$, later only for those as small as $\hat\epsilon$. We follow Keras:


# %%
class Adam:
    def __init__(self, rate, beta1=0.9, beta2=0.999, epsilon=1e-7):
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.v, self.q, self.r = 0.0, 0.0, 0

    def step(self, theta, slope):
        self.r += 1
        self.v = self.beta1 * self.v + (1 - self.beta1) * slope
        self.q = self.beta2 * self.q + (1 - self.beta2) * slope**2
        correction = np.sqrt(1 - self.beta2**self.r) / (1 - self.beta1**self.r)
        return theta - self.rate * correction * self.v / (np.sqrt(self.q) + self.epsilon)


# %% [markdown]
# At the first step $\hat v$ is the gradient and $\hat q$ its square, so each coordinate moves by (nearly)
# $\varepsilon$, whether its slope is large or small:

# %%
# NBVAL_CHECK_OUTPUT
print("step:", Adam(rate=0.1).step(np.zeros(2), slope=np.array([1000.0, -0.01])).round(4))

# %% [markdown]
# ### The same as Keras?
#
# We walk 50 steps from $(-1.2, 1)$ with our classes and with Keras's optimisers. A Keras optimiser changes a
# `keras.Variable`: `optimizer.apply(gradients, variables)` makes one step. We take `float64`, so that only
# the algorithm can make a difference. One source of rounding remains: Keras computes $1 - \beta_2^r$ from a
# `float32`, and $1 - 0.999$ then has only five right digits. So Adam is compared twice: with all defaults,
# and over a long way with $\beta$s that `float32` holds exactly.


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
    ax.contour(*PLANE, valley(PLANE), levels=np.geomspace(1e-2, 100, 5), colors="0.7", linewidths=0.5)
    for (name, path), color, marker in zip(walks.items(), cycle(plots.COLORS), cycle(plots.MARKERS)):
        ax.plot(*path[: step + 1].T, color=color, linewidth=1.2)
        ax.plot(*path[step], marker, color=color, label=name)
    ax.plot(1, 1, "k*", markersize=11)
    ax.set(xlim=(-1.6, 1.8), ylim=(-0.7, 2.5), title=f"step {step}")
    ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
    ax.grid(visible=False)
    ax.legend(loc="upper center", ncols=3, fontsize=8, handletextpad=0, columnspacing=0.4)


# %%
animation.play(
    draw,
    range(0, 51, 2),
    "From the left end of a curved valley, SGD, momentum and Adam move to the star at its right end. SGD "
    "zigzags and stays behind; momentum swings to both sides; Adam follows the valley more closely.",
)

# %% [markdown]
# The animation plays three times; run the cell again to see it again. The grey lines are heights of $L$, each
# ten times as high as the next one inside. Here are six of its frames:

# %%
animation.strip(
    draw,
    [0, 3, 10, 20, 35, 50],
    "Six frames of the animation, at steps 0, 3, 10, 20, 35 and 50. At step 50 momentum and Adam are close "
    "to the minimum, SGD is half-way.",
)

# %% [markdown]
# Look at steps 3 and 10: all three first jump between the walls. Then SGD creeps, because its rate is limited
# by the steep walls: a larger one jumps between them or diverges. Momentum collects speed along the valley
# and overshoots in the bend, like a ball. Adam divides by the size of the gradients, so here no rate of the
# grid diverges. Does this make Adam the better choice for a network, too? One valley cannot tell; section 5
# tries a network.
#
# ## 4. Initialisation
#
# Where does the walk begin? In a bowl with one minimum this changes only how long it takes. The risk of a
# network is no bowl.
#
# ### Two valleys
#
# Here is nearly the smallest network: one input, one hidden tanh neuron with the fixed bias ½, one linear
# output without bias. Two weights are left, $f(x, \theta) = \theta_2 \tanh(\theta_1 x + \frac12)$. It has to
# follow nine points on the line $y = 0.7 x + 0.3$, with squared error.

# %%
x_line = np.linspace(-2, 2, 9)
y_line = 0.7 * x_line + 0.3


def two_valleys(theta):
    """Return the risk for theta of shape (2, ...)."""
    h = np.tanh(theta[0][..., None] * x_line + 0.5)
    return np.mean((theta[1][..., None] * h - y_line) ** 2, axis=-1)


# %% [markdown]
# With $\delta = 2 (f - y)$ backpropagation gives both slopes, for all starts at once:


# %%
def two_valleys_gradient(theta):
    h = np.tanh(theta[0][..., None] * x_line + 0.5)
    delta = 2 * (theta[1][..., None] * h - y_line)
    back = delta * theta[1][..., None] * (1 - h**2)
    return np.array([np.mean(back * x_line, axis=-1), np.mean(delta * h, axis=-1)])


# %% [markdown]
# **Before you run the next cell, what do you expect?** Plain gradient descent, 400 random starts, the same
# rate. Will all of them end at the same point?

# %%
starts = np.random.default_rng(0).uniform([[-4], [-2.5]], [[3], [2.5]], size=(2, 400))
descent, theta, steps = Momentum(rate=0.1, mu=0.0), starts, [starts]
for _ in range(3000):
    theta = descent.step(theta, two_valleys_gradient(theta))
    steps.append(theta)
ends, deep = two_valleys(theta), two_valleys(theta) < 0.1
print("risk at the ends:", *np.unique(ends.round(3)))
print(f"the higher one is reached from {1 - deep.mean():.0%} of the starts")

# %%
PLANE = np.meshgrid(np.linspace(-4, 3, 120), np.linspace(-2.5, 2.5, 120))
plt.contour(*PLANE, two_valleys(PLANE), levels=np.geomspace(0.05, 6, 10), colors="0.7", linewidths=0.8)
for group, marker, color, end in [(deep, "o", 0, "the deep minimum"), (~deep, "x", 1, "the other one")]:
    plt.plot(*starts[:, group], marker, color=plots.COLORS[color], markersize=4, label=f"leads to {end}")
    for way in np.moveaxis(steps, 0, -1)[:, group][:, :6].swapaxes(0, 1):
        plt.plot(*way, color="black", linewidth=0.8)
    plt.plot(*theta[:, group][:, :1], "k*", markersize=13)
plt.xlabel(r"$\theta_1$")
plt.ylabel(r"$\theta_2$")
plt.legend(loc="lower right", framealpha=1, frameon=True, fontsize=8)
plots.show(
    "Contours of the risk over the two weights, with a deep minimum at the upper right and a less deep one "
    "at the lower left, both marked by a star. Starts in the right half lead to the one, starts in the left "
    "half to the other; twelve ways are drawn."
)

# %% [markdown]
# Two minima, and the start alone decides which of them is reached. The star at the lower left is a **local
# minimum**: every small step leads up, and yet there is a better place. Formally the risk is **not convex**.
# For a convex function the value half-way between two points is at most the mean of the two values; here it
# is far above:

# %%
minima = [theta[:, deep][:, 0], theta[:, ~deep][:, 0]]
half_way = two_valleys((minima[0] + minima[1]) / 2)
print(f"at the minima {two_valleys(minima[0]):.3f} and {two_valleys(minima[1]):.3f}, half-way {half_way:.3f}")
assert half_way > np.mean([two_valleys(minimum) for minimum in minima])

# %% [markdown]
# A network with many weights has very many minima. (Exchange two hidden neurons with all their weights: the
# function is the same, the point in the space of weights is another one.) No method finds the best one for
# certain. What one does: start at random, use several seeds, and look how far apart the results are.
#
# ### Random, and of the right size
#
# Biases start at zero. Weights must not: in a network of zeros all units of a layer compute the same and get
# the same gradient, so they stay the same for ever. They have to be random, and of the right size. For a unit
# with $n_{in}$ inputs $h_l$ and independent weights of mean 0,
#
# $$\text{Var}\Big(\sum_l W_{j,l} h_l\Big) = n_{in}\, \text{Var}(W)\, E(h_l^2)$$
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
    "0. Standard deviation 1: nearly nine in ten values beyond ±0.99. Glorot with tanh: first most values "
    "near -1 and 1, then a bell that becomes narrower. Glorot with ReLU: they shrink towards 0. He with "
    "ReLU: similar histograms in all layers."
)

# %% [markdown]
# The bars are cut at 8 %. Row by row:
#
# - **Zeros**: nothing but zeros.
# - **Too large**: nearly nine in ten tanhs are saturated, beyond ±0.99, in the first layer as in the eighth;
#   there their derivative vanishes (lesson 01).
# - **Glorot with tanh**: the values shrink by a factor of less than 3 in seven layers. The matrix alone would
#   keep their size; but $|\tanh a| < |a|$, most of all for large $a$. The smaller the values are, the less is
#   taken away, so the loss slows down.
# - **Glorot with ReLU**: the mean square halves at each layer of equal width, a factor of about $2^7$ in all.
# - **He with ReLU**: it stays.

# %%
square = {name: [np.mean(h**2) for h in outputs] for name, outputs in activations.items()}
assert np.mean(np.abs(activations["s.d. 1, tanh"][-1]) > 0.99) > 0.75  # saturated
assert 0.5 < square["He, ReLU"][7] / square["He, ReLU"][0] < 2
assert 2**-9 < square["Glorot, ReLU"][7] / square["Glorot, ReLU"][0] < 2**-5  # seven halvings: about 2**-7
tanh = np.array(square["Glorot, tanh"])
assert 1 < np.sqrt(tanh[0] / tanh[7]) < 3
assert tanh[1] / tanh[0] < tanh[7] / tanh[6]  # slower at the end

# %% [markdown]
# Is it the tanh that shrinks the values? Then the same matrices without it should keep their size:

# %%
linear = hidden_layers(pixels, lambda a: a, INITIALISATIONS["Glorot, tanh"][1], np.random.default_rng(0))
print("s.d. without tanh, layers 1 to 8:", *(f"{h.std():.2f}" for h in linear))
assert 0.7 < linear[7].std() / linear[0].std() < 1.4

# %% [markdown]
# They do. Keras's names are `"glorot_uniform"`, the default of `Dense`, `"he_normal"` and so on. Uniform or
# normal makes no difference to the formulas above: only the variance stands in them.

# %%
for name, variance in {"glorot_uniform": 2 / (784 + 256), "he_normal": 2 / 784}.items():
    kernel = ops.convert_to_numpy(keras.initializers.get(name)((784, 256)))
    assert np.isclose(kernel.var(), variance, rtol=0.02)

# %% [markdown]
# ### Does it matter for training?
#
# From here on we train on **1,000 digits** only, and keep 2,000 others for validation. The test set stays
# closed until the end of part two.

# %%
x_train, y_train = x_all[:1000], mnist.y_train[:1000]
x_val, y_val = x_all[50_000:52_000], mnist.y_train[50_000:52_000]
print(f"training {x_train.shape}, validation {x_val.shape}")

# %% [markdown]
# Networks with 5 and with 20 hidden layers of 64 ReLUs, trained for five epochs with Adam. (This takes about
# half a minute.) **Before you run the next cells, what do you expect?** Which start fails at once, and which
# one only in the deep network?


# %%
STARTS = {  # a Keras initialiser: its name, or its class and its arguments
    "zeros": "zeros",
    "s.d. 1": {"class_name": "RandomNormal", "config": {"stddev": 1.0}},
    "Glorot": "glorot_uniform",
    "He": "he_normal",
}


def train_deep(depth, start, seed=1):
    """Train a network with this many hidden layers, print how it went, and return it."""
    keras.utils.set_random_seed(seed)
    hidden = [layers.Dense(64, activation="relu", kernel_initializer=STARTS[start]) for _ in range(depth)]
    model = keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(10, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=budget.pick(smoke=1, cpu=5), verbose=0).history
    first, last, accuracy = history["loss"][0], history["loss"][-1], history["accuracy"][-1]
    print(f"{depth:2} layers, {start:6}: loss {first:8.3g} -> {last:8.3g}, accuracy {accuracy:.0%}")
    return model, accuracy


# %%
for start in STARTS:
    model, _ = train_deep(5, start)
    if start == "zeros":
        assert not np.any(model.layers[0].get_weights()[0])  # not one weight has moved

# %%
deep = {
    start: [train_deep(20, start, seed)[1] for seed in budget.pick(smoke=(1,), cpu=(1, 2, 3))]
    for start in ("Glorot", "He")
}
if budget.name != "smoke":
    assert min(deep["He"]) > max(deep["Glorot"])

# %% [markdown]
# From zeros nothing moves but the biases of the output: the network can only learn how frequent each class
# is. With standard deviation 1 the first losses are in the thousands, and the training is busy with repairs.
# Glorot and He are close in the network of 5 layers. With 20 layers they are far apart, from all three seeds:
# the factor $2^{-1/2}$ a layer, which Glorot's variance loses with ReLU, counts twenty times.
#
# ## 5. A learning rate for a network
#
# Section 2 left a question open: with which rate does one begin? For a network nobody can compute it. One
# tries powers of ten, each for a few epochs, and draws the loss that was reached against the rate.
#
# We do this for the network of part two: two hidden layers of 256 ReLUs. The function below has all the
# options of the coming sections; without options it is the plain network.


# %%
def build(l1=0.0, l2=0.0, p_input=0.0, p_hidden=0.0):
    penalty = keras.regularizers.L1L2(l1=l1, l2=l2)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dropout(p_input),
            layers.Dense(256, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(256, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )


# %% [markdown]
# All rates must have the same start. So the model is compiled once; then each run puts the initial weights
# back, sets the optimiser's memory (velocities, means, the number of steps) to zero and its rate to the new
# one.
#
# Given arrays, `fit` sets up its reading of them anew in each epoch. For 20 small steps this takes longer
# than the steps. `training.minibatches`, a helper, gives batches without end instead: shuffled, and in each
# pass over the data every image once. Without an end Keras must be told how many steps make an epoch.


# %%
BATCH = 50


def loss_after(model, start, rate, epochs):
    """Return the mean training loss during the last epoch, infinite if the run has diverged."""
    model.set_weights(start)
    for variable in model.optimizer.variables:
        variable.assign(ops.zeros_like(variable))
    model.optimizer.learning_rate = rate
    batches = training.minibatches((x_train, y_train), BATCH)
    fit = {"epochs": epochs, "steps_per_epoch": len(x_train) // BATCH, "shuffle": False, "verbose": 0}
    history = model.fit(batches, **fit).history
    return np.nan_to_num(history["loss"][-1], nan=np.inf)


# %% [markdown]
# **Before you run the next cell, what do you expect?** What does the loss look like at the left end, at
# $10^{-4}$, and at the right end, at 1? Does Adam have the same best rate as momentum?

# %%
RATES, EPOCHS = np.logspace(-4, 0, budget.pick(smoke=3, cpu=9)), budget.pick(smoke=1, cpu=3)
reached = {}
for name, optimizer in [("momentum", keras.optimizers.SGD(momentum=0.9)), ("Adam", keras.optimizers.Adam())]:
    model = build()
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    for seed in range(budget.pick(smoke=1, cpu=3)):
        keras.utils.set_random_seed(seed)
        start = build().get_weights()
        reached[name, seed] = [loss_after(model, start, rate, EPOCHS) for rate in RATES]

# %%
for (name, seed), losses in reached.items():
    style = {"momentum": ("-o", plots.COLORS[0]), "Adam": ("--s", plots.COLORS[1])}[name]
    plt.loglog(RATES, losses, style[0], color=style[1], markersize=4, label=None if seed else name)
plt.axhline(np.log(10), color="0.5", linewidth=1)
plt.text(0.01, np.log(10) * 1.05, "guessing: ln 10", ha="center", va="bottom")
plt.ylim(0.05, 10)
plt.xlabel(r"learning rate $\varepsilon$")
plt.ylabel(f"training loss in epoch {EPOCHS}")
plt.legend()
plots.show(
    "The loss after three epochs against the learning rate, both logarithmic, three runs each for momentum "
    "and Adam. For momentum it is near ln 10 at the left end, lowest at 0.1, and at ln 10 or above it at 1. "
    "Adam's curve has the same form, its lowest point near 0.01, and is at ln 10 or above it from 0.1 on."
)
found = {  # the best rate of each run
    name: [RATES[np.argmin(losses)] for (method, _), losses in reached.items() if method == name]
    for name in ("momentum", "Adam")
}
print({name: np.round(rates, 4) for name, rates in found.items()})
if budget.name != "smoke":
    assert min(found["momentum"]) > 5 * max(found["Adam"])

# %% [markdown]
# Look at momentum. At the left end its loss is still that of guessing: three epochs are over before the walk
# has begun. Then each larger rate is better, over three powers of ten. And then, within a single one, all is
# lost. The two errors are not alike: too small costs time, too large costs everything. Adam's curve has the
# same form at other rates, because its steps have another length. The seeds agree within half a
# power of ten.
#
# **A rule of thumb.** Go up by factors of three or ten, until the loss jumps or stays at the value of
# guessing; go back by a factor of three to ten; lower the rate at the end. Each optimiser has its own scale:
# usual first guesses are 0.01 to 0.1 for SGD with momentum, 0.001 for Adam. (Now for the question of section
# 3: on this network Adam does diverge with large rates. With its own best rate it is ahead after three
# epochs, and its default, 0.001, is a rate that works. This says nothing yet about the end of a long
# training, nor about new images.)
#
# ## A pause
#
# This is the end of part one, and a good place to stop for today. You have the walk: batches, a rate that is
# found by trying and lowered at the end, momentum or Adam, a random start of the right size. Before you go
# on, answer without looking back: why does $m = 10$ beat both $m = 1$ and $m = n$? What does $\hat q$ do? Why
# the 2 in He's formula?
#
# ## Part two: how not to learn by heart
#
# ## 6. Overfitting
#
# The network of section 5 is much too large for 1,000 images:

# %%
print(f"{build().count_params():,} parameters, {len(x_train):,} images")

# %% [markdown]
# We train it with batches of 50, momentum and the **constant** rate 0.01, for 50 epochs. Lowered rates are
# better practice (section 2). But then a curve has two causes, the network that learns and the rate that
# falls; with a constant rate the curves of this part can be compared at every epoch.
#
# Two losses are recorded besides the one that is minimised. The metric `cross_entropy` leaves out the
# penalty. And `in_use` is the cross-entropy of the training images in the network *as it will be used*,
# after the epoch, with nothing dropped (section 8); Keras computes its training metrics during the epoch. A
# **callback** is an object whose functions `fit` calls at certain moments, here after each epoch.

# %%
EPOCHS = budget.pick(smoke=2, cpu=50)
RATE = 0.01


def cross_entropy(model, x, y):
    f = ops.convert_to_numpy(model(x, training=False))
    return -np.mean(np.log(f[np.arange(len(y)), y] + 1e-30))


# %%
def train(seed, labels=y_train, callbacks=(), **options):
    """Return a trained model and its history."""
    keras.utils.set_random_seed(seed)
    model = build(**options)
    model.compile(
        optimizer=keras.optimizers.SGD(RATE, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")],
    )
    in_use = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: in_use.append(cross_entropy(model, x_train, labels))
    )
    batches = training.minibatches((x_train, labels), BATCH)
    fit = {"epochs": EPOCHS, "steps_per_epoch": len(x_train) // BATCH, "shuffle": False, "verbose": 0}
    validation = {"validation_data": training.minibatches((x_val, y_val), len(x_val)), "validation_steps": 1}
    start = time.perf_counter()
    history = model.fit(batches, **fit, **validation, callbacks=[record, *callbacks]).history
    return model, {**history, "in_use": in_use, "seconds": [time.perf_counter() - start]}


# %%
plain, plain_history = train(seed=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2))
plots.history(plain_history, "cross_entropy", ax=left).set(ylabel="cross-entropy", ylim=(0, 1.2))
plots.history(plain_history, "accuracy", ax=right).set(ylim=(0.6, 1.02))
plots.show(
    "Left: the cross-entropy of the training images falls to zero; that of the validation images falls for "
    "some 15 epochs and later rises slowly. Right: the accuracy reaches 100 % on the training images and "
    "about 88 % on the others."
)

# %%
curve = np.array(plain_history["val_cross_entropy"])
print(f"validation: lowest {curve.min():.3f} after epoch {curve.argmin() + 1}, at the end {curve[-1]:.3f}")
gap = plain_history["accuracy"][-1] - plain_history["val_accuracy"][-1]
runtime.result("overfitting_gap", gap, at_least=0.08)

# %% [markdown]
# This is **overfitting**. Look at the left panel: the training loss goes to zero, the validation loss turns
# and rises. On the right, all training images are right, one in eight of the others is wrong, and this share
# does not rise. So it is not that more and more images are wrong. The network becomes more and more sure,
# also where it is wrong (section 9 tests this). At the end:


# %%
def sureness(model):
    """Return the mean probability of the class that the network names, where it is right and where wrong."""
    f = ops.convert_to_numpy(model(x_val, training=False))
    right = f.argmax(axis=1) == y_val
    return f.max(axis=1)[right].mean(), f.max(axis=1)[~right].mean()


print("sure of its answer: {:.2f} where right, {:.2f} where wrong".format(*sureness(plain)))

# %% [markdown]
# How far can this go? Zhang et al. (2017) gave networks images with **random** labels. There is nothing to
# learn, only something to memorise.
#
# **Before you run the next cell, what do you expect?** What accuracy on the training images, what on the
# others?

# %%
shuffled = np.random.default_rng(0).permutation(y_train)
SEEDS = budget.pick(smoke=2, cpu=3)
for seed in range(SEEDS):
    _, history = train(seed, labels=shuffled)
    ends = f"training {history['accuracy'][-1]:.1%}, validation {history['val_accuracy'][-1]:.1%}"
    print(f"seed {seed}: accuracy {ends}")

# %% [markdown]
# It learns nearly all of these by heart, and on the others it guesses. So a low training loss proves nothing
# about new images.

# %% [markdown]
# ## 7. L1 and L2 penalties
#
# From lesson 03: $\Omega(\theta) = \sum_k \|W^{(k)}\|_F^2$ or $\sum_k \sum_{j,l} |W^{(k)}_{j,l}|$, over the
# **weights**; the biases are usually left out. In Keras this is the `kernel_regularizer`. `model.losses` has
# one penalty a layer. We check its value, its gradients $2 \lambda W$ and $\lambda\, \text{sign}(W)$, and
# that the biases have none:


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
# How large should $\lambda$ be? Try powers of ten, each from three seeds. (This takes about a minute.) Look
# at the **validation** loss.


# %%
def mean_and_sd(values):
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


tried, ends = {}, {}
for l2 in budget.pick(smoke=(1e-3,), cpu=(1e-3, 1e-2, 1e-1)):
    tried[l2] = [train(seed, l2=l2) for seed in range(SEEDS)]
    columns = ("in_use", "val_cross_entropy", "accuracy", "val_accuracy")
    ends[l2] = {name: [history[name][-1] for _, history in tried[l2]] for name in columns}
    print(f"λ = {l2:<5g}", *(f"{name} {mean_and_sd(values)}" for name, values in ends[l2].items()), sep="  ")
L2 = min(ends, key=lambda l2: np.mean(ends[l2]["val_cross_entropy"]))

# %% [markdown]
# Three sizes, three effects. With $10^{-3}$ the network still learns all training images, and does best on
# the others. With $10^{-2}$ accuracy is lost on both sides. With $10^{-1}$ the network cannot even learn the
# training images any more: it **underfits**.
#
# ### What the two penalties do to the weights
#
# The gradient of $\mathbb{L}^2$ is proportional to the weight: large weights shrink fast, small ones hardly.
# The gradient of $\mathbb{L}^1$ is $\pm\lambda$ however small the weight is: it pushes all the way to zero.
# See it in one dimension: where is the minimum of $\frac12 (w - a)^2 + \lambda\, \Omega(w)$?

# %%
# NBVAL_CHECK_OUTPUT
w = np.linspace(-1, 3, 4001)
for a in (0.2, 0.4, 0.6, 2.0):
    with_l2, with_l1 = (w[np.argmin((w - a) ** 2 / 2 + 0.5 * omega)] for omega in (w**2, np.abs(w)))
    print(f"a = {a}, λ = 0.5: the minimum is at {with_l2:.2f} with L2, at {abs(with_l1):.2f} with L1")

# %% [markdown]
# $\mathbb{L}^2$ divides $a$ by $1 + 2\lambda = 2$; it makes no weight zero. $\mathbb{L}^1$ takes $\lambda$
# away from $a$, and what is less than $\lambda$ becomes **exactly zero**. This is called **sparsity**.
#
# (The next cell takes about half a minute.) **Before you run it, what do you expect?** The weights of the
# first layer after the training: which histogram has a spike at zero?

# %%
L1 = 5e-4
trained = {
    "no penalty": [(plain, plain_history), *(train(seed) for seed in range(1, SEEDS))],
    f"L2, λ = {L2:g}": tried[L2],
    f"L1, λ = {L1:g}": [train(seed, l1=L1) for seed in range(SEEDS)],
}

# %%
figure, axes = plt.subplots(1, 3, figsize=(7.5, 2.8), sharex=True, sharey=True)
sparsity = {}
for ax, (name, models) in zip(axes, trained.items(), strict=True):
    weights = [model.get_weights()[0].ravel() for model, _ in models]
    sparsity[name] = [np.mean(np.abs(W) < 1e-3) for W in weights]
    ax.hist(weights[0], bins=81, range=(-0.12, 0.12))
    ax.set(yscale="log", title=name, xlabel="weight of layer 1")
    ax.text(0.03, 0.9, f"{sparsity[name][0]:.0%} below 0.001", transform=ax.transAxes, fontsize=8)
axes[0].set_ylabel("number of weights")
plots.show(
    "Histograms of the weights of the first layer, counts logarithmic. Without penalty: nearly uniform. L2: "
    "narrower, still with steep sides. L1: a high spike at zero and few other weights."
)

# %% [markdown]
# Without penalty the histogram is still the uniform distribution of the start, a box: most weights have
# hardly moved. (Those of pixels that are black in all images cannot move at all.) With $\mathbb{L}^2$ there
# is a narrower box. For a part of the weights, those of the black pixels, we can compute how narrow. They
# have no other gradient than $2 \lambda w$, so each step shrinks them all by the same factor. Momentum makes
# a step ten times as long: after $R$ steps about $e^{-10 \cdot 2 \varepsilon \lambda R}$ is left. Is it so?

# %%
black = ~x_train.any(axis=0)  # pixels that are 0 in all training images
start, end = (models[0][0].get_weights()[0][black].std() for models in list(trained.values())[:2])
steps = EPOCHS * len(x_train) // BATCH
expected = np.exp(-2 * RATE / (1 - 0.9) * L2 * steps)
print(f"{black.sum()} black pixels; of their weights {end / start:.3f} is left, expected {expected:.3f}")
if budget.name != "smoke":
    assert np.isclose(end / start, expected, rtol=0.05)

# %% [markdown]
# $\mathbb{L}^1$ makes most weights (nearly) zero. Only nearly: the minimum of the risk has exact zeros, but
# SGD steps over them, to and fro, and trembles around zero by about the length of its step,
# $10\, \varepsilon \lambda = 5 \cdot 10^{-5}$. So we count what is below 0.001. Look at the accuracy, too:

# %%
for name, models in trained.items():
    accuracy = [history["val_accuracy"][-1] for _, history in models]
    share = mean_and_sd(sparsity[name])
    print(f"{name:16} share below 0.001: {share}, validation accuracy: {mean_and_sd(accuracy)}")
*_, with_l1 = sparsity.values()
runtime.result("l1_sparsity", np.mean(with_l1), at_least=0.5)

# %% [markdown]
# What does it cost? About half a point of accuracy, for two thirds of the weights.
#
# ## 8. Dropout
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
# $$\tilde h_j = \frac{\text{mask}_j}{1 - p}\, h_j, \qquad
# P(\text{mask}_j = 1) = 1 - p, \qquad P(\text{mask}_j = 0) = p$$


# %%
def dropout(h, p, rng, training):
    if not training:
        return h
    mask = rng.random(h.shape) >= p
    return mask * h / (1 - p)


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
dropped, dropped_history = train(seed=0, **DROPOUT)
masked = np.array([ops.convert_to_numpy(dropped(x_val, training=True)) for _ in range(30)])
whole = ops.convert_to_numpy(dropped(x_val, training=False))
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
# `fit` switches dropout on, `evaluate` and `predict` switch it off. What if you call the model yourself and
# say nothing?

# %%
assert np.array_equal(ops.convert_to_numpy(dropped(x_val)), whole)  # Keras takes inference
assert not np.array_equal(masked[0], masked[1])  # with training=True each call answers something else

# %% [markdown]
# Without the argument Keras takes inference. So in a training loop of your own, forget `training=True` and
# there is no dropout; leave it in when the network is used, and the answers are noisy.
#
# ### What it costs
#
# A mask needs one random number and one product for each unit. The layers themselves need one product for
# each weight:

# %%
units = 784 + 256 + 256
print(f"{units:,} units and {build().count_params():,} weights: {units / build().count_params():.1%}")

# %% [markdown]
# By this count a step costs hardly more, as the slides say. Their other remark is that training is slower,
# because it needs more epochs. How many does it take until the cross-entropy of the training images, in use,
# is below 0.1? And how long did both trainings take: is the count right?

# %%
for name, history in [("without dropout", plain_history), ("with dropout", dropped_history)]:
    below = np.flatnonzero(np.array(history["in_use"]) < 0.1)
    first = f"after {below[0] + 1} epochs" if len(below) else "never"
    print(f"{name:15} below 0.1: {first}; {EPOCHS} epochs took {history['seconds'][0]:.1f} s")

# %% [markdown]
# It takes clearly more epochs. Look at the seconds, too: for the same number of epochs Keras needed longer
# with dropout, by much more than the count says. (They hold for this computer, and for what else it had to
# do.) We guess that a random number costs more time than a product inside a large matrix product. The slides
# call dropout the most popular method of regularisation. For dense layers it still is a usual one. In
# convolutional networks batch normalisation (lesson 06) and augmentation (lesson 07) have often taken its
# place.
#
# ## 9. Early stopping
#
# The validation loss of section 6 had its minimum early. **Early stopping** watches it during the training.
# If it has not improved for a number of epochs, the **patience**, training stops, and the weights of the best
# epoch come back. In Keras this is a callback; `mode="min"` says that lower is better.


# %%
def early_stopping():
    return keras.callbacks.EarlyStopping(
        monitor="val_cross_entropy", mode="min", patience=10, restore_best_weights=True
    )


# %% [markdown]
# The patience is there because the curve is noisy: with `patience=1` the first small bump would end the
# training. In section 6 we said that the network becomes more and more sure, also where it is wrong. If this
# is why the loss rises, the stopped network must be less sure of its mistakes:

# %%
stopped, stopped_history = train(seed=0, callbacks=[early_stopping()])
print(f"stopped after {len(stopped_history['loss'])} epochs")
for name, model in [("all epochs", plain), ("early stopping", stopped)]:
    right, wrong = sureness(model)
    print(f"{name:14}: sure of its answer {right:.2f} where right, {wrong:.2f} where wrong")
if budget.name != "smoke":
    assert sureness(stopped)[1] < sureness(plain)[1] - 0.05

# %% [markdown]
# It is: the stopped network is clearly less sure of its wrong answers than the other one of its own. This is
# one seed. It fits the explanation, and does not prove it.
#
# ## 10. Which one is best?
#
# Five candidates, each with three seeds (other initial weights, batches and masks): one run alone could be
# luck. All get the same images, optimiser, constant rate and number of epochs, but early stopping, which may
# end before. (The comparison is not quite fair in one point: $\lambda$ was chosen for the plain network, and
# is used for dropout + L2 as it is; the $p$ are the usual ones, not tuned. The trainings take less than a
# minute.)

# %%
CANDIDATES = {
    "none": {},
    "L2": {"l2": L2},
    "dropout": DROPOUT,
    "early stopping": {},
    "dropout + L2": {**DROPOUT, "l2": L2},
}
runs = {  # what was trained above is not trained again
    "none": trained["no penalty"],
    "L2": tried[L2],
    "dropout": [(dropped, dropped_history)],
    "early stopping": [(stopped, stopped_history)],
    "dropout + L2": [],
}
for name, options in CANDIDATES.items():
    for seed in range(len(runs[name]), SEEDS):
        callbacks = [early_stopping()] if name == "early stopping" else []
        runs[name].append(train(seed, callbacks=callbacks, **options))

# %% [markdown]
# The curves of the first seed. Both panels show the network in use, without masks and without penalty.
# **Before you look, what do you expect?** Will the candidates have the same order on the left and on the
# right, or the opposite one?

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8), sharex=True)
for (name, models), color, marker, line in zip(
    runs.items(), plots.COLORS, plots.MARKERS, ["-", "--", "-.", "-", ":"], strict=False
):
    history = models[0][1]
    epochs = np.arange(1, len(history["loss"]) + 1)
    style = {"color": color, "linestyle": line, "marker": marker, "markevery": 6, "markersize": 5}
    left.plot(epochs, history["in_use"], **style)
    right.plot(epochs, history["val_cross_entropy"], label=name, **style)
left.set(yscale="log", xlabel="epoch", ylabel="cross-entropy", title="training images")
right.set(xlabel="epoch", title="validation images", ylim=(0.25, 0.8))
figure.legend(loc="outside lower center", ncols=5)
plots.show(
    "Cross-entropy against the epochs for five candidates, of the training images on the left, of the "
    "validation images on the right, both without masks. On the left none is lowest at the end, then "
    "dropout, then L2 and dropout + L2. On the right none is highest, then L2; dropout and dropout + L2 are "
    "lowest. Early stopping follows none and ends after 30 of the 50 epochs."
)

# %% [markdown]
# ### The table
#
# We choose by the mean validation cross-entropy. It uses more of each prediction than the accuracy, whose
# standard error with 2,000 images is already $\sqrt{0.9 \cdot 0.1 / 2000} \approx 0.7\,\%$. Two trivial
# methods stand in the table, too: always the most frequent class, and the class of the **nearest** training
# image.


# %%
def evaluate(model, x, y):
    f = ops.convert_to_numpy(model(x, training=False))
    return cross_entropy(model, x, y), np.mean(f.argmax(axis=1) == y)


# %%
distances = np.square(x_val).sum(axis=1)[:, None] - 2 * x_val @ x_train.T + np.square(x_train).sum(axis=1)
trivial = {"most frequent": np.bincount(y_train).argmax(), "nearest image": y_train[distances.argmin(axis=1)]}
table = {}  # training cross-entropy, validation cross-entropy, validation accuracy
print(f"{'':15} epochs  training c.-e.   validation c.-e.  validation accuracy")
for name, answer in trivial.items():
    print(f"{name:15} {'':40} {np.mean(answer == y_val):.3f}")
for name, models in runs.items():
    entropy, accuracy = np.array([evaluate(model, x_val, y_val) for model, _ in models]).T
    learned = [cross_entropy(model, x_train, y_train) for model, _ in models]
    epochs = np.mean([len(history["loss"]) for _, history in models])
    table[name] = np.mean(learned), entropy.mean(), accuracy.mean()
    columns = [mean_and_sd(values) for values in (learned, entropy, accuracy)]
    print(f"{name:15} {epochs:5.0f}   {'    '.join(columns)}")
chosen = min(table, key=lambda name: table[name][1])
print("chosen:", chosen)
gain = table[chosen][2] - table["none"][2]
runtime.result("chosen_minus_none_validation_accuracy", gain, at_least=0.01)

# %%
if budget.name != "smoke":  # two epochs decide nothing
    assert min(table, key=lambda name: table[name][0]) == "none"
    assert max(table, key=lambda name: table[name][1]) == "none"
    assert table["dropout"][0] < 1.3 * table["L2"][0]
    assert table["dropout"][1] < table["L2"][1] - 0.02
    assert table["dropout"][2] > table["none"][2] + 0.01 > table["L2"][2]
    assert table["early stopping"][1] < table["none"][1]
    assert table["early stopping"][2] < table["none"][2] + 0.003

# %% [markdown]
# Read it with care. The plain network has the lowest training loss and the highest validation loss. But the
# order is not simply reversed: dropout and $\mathbb{L}^2$ end with about the same training loss, and dropout
# with a much lower validation loss. A training loss does not tell how a network does on new images. (Keras's
# training metric would say still less about dropout: it is measured with half of the units missing.)
#
# Dropout gains more than one point of accuracy, several times the spread between seeds. With and without
# $\mathbb{L}^2$ beside it is a tie: the two cross-entropies differ by no more than the seeds do, and the
# accuracies hardly at all. Our rule names one of them, and three seeds cannot say that it is better.
# $\mathbb{L}^2$ alone lowers the cross-entropy and hardly changes the accuracy. Early stopping saves half of
# the time. Its cross-entropy is lower than that of the plain network, its accuracy is not better: after the
# lowest loss the wrong answers become surer and cost more (section 9), but they do not become more.
#
# ### Open the test set, once
#
# Why a third set? We have chosen $\lambda$ and the candidate *because* they were good on the validation
# images. The winner's validation result is therefore on average a little too good: among many candidates,
# some are lucky. Only images that took part in no decision give an honest figure. So we look at the test
# images now, for the first time, and only with the chosen candidate. If you look at the test set, change
# something and look again, it has become a validation set.

# %%
x_test, y_test = mnist.x_test.reshape(-1, 784).astype("float32") / 255, mnist.y_test
test = [evaluate(model, x_test, y_test)[1] for model, _ in runs[chosen]]
print(f"{chosen}: test accuracy {mean_and_sd(test)} ({SEEDS} seeds)")
runtime.result("chosen_test_accuracy", np.mean(test), at_least=0.89)

# %% [markdown]
# Compare it with the table: here the test accuracy is about that on the validation images. Probably five
# candidates and so clear a gain left little to luck. One cannot know that before one has looked.
#
# Which method is best depends on network and data. *How* to find out does not: candidates, several seeds, a
# validation set, and one look at the test set.
#
# ## 11. Optional: data-parallel SGD
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
# This is the whole idea; the rest of the section only shows how TensorFlow does it. `MirroredStrategy` keeps
# a copy of the weights on each device. Here we use two GPUs, if there are two, or the two logical processors
# made at the top.

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
# (`tf.function` turns a Python function into a TensorFlow graph.)


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
# On one processor this can save no time: the two devices share the same cores. With several GPUs it can. Then
# the batch is usually made larger by their number, and the learning rate has to be looked at again.
#
# ## Summary
#
# - SGD: shuffle, cut into batches of $m$, step; an epoch uses every sample once and has $\lceil n / m \rceil$
#   iterations. The error of a batch's gradient falls as $1 / \sqrt m$.
# - Robbins-Monro: conditions that suffice for convergence under noise, if the risk has a single minimum to
#   walk to. In practice: a constant rate, found by trying powers of ten, lowered at the end.
# - Momentum adds up what gradients have in common; Adam scales each coordinate and corrects the bias of its
#   running means.
# - The risk of a network is not convex: the start decides which minimum is reached. Biases start at zero,
#   weights at random with variance $2 / (n_{in} + n_{out})$ or, for ReLU, $2 / n_{in}$.
# - A large network can memorise its training set. $\mathbb{L}^2$ shrinks weights, $\mathbb{L}^1$ makes them
#   sparse; biases are usually left out.
# - Dropout sets units to zero and rescales by $1 / (1 - p)$, in training only; it takes more steps, and a
#   step takes longer than the count of products says. Early stopping goes back to the best epoch on the
#   validation set.
# - Compare training losses in the same mode; choose with the validation set and several seeds; open the test
#   set once, for the chosen one.
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
#   *AISTATS*, PMLR 9, 249-256.
#   [proceedings.mlr.press/v9/glorot10a](https://proceedings.mlr.press/v9/glorot10a.html)
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
