# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 4.5}
# ---

# %% [markdown]
# # Normalizing flows
#
# A VAE knows its likelihood only up to a bound, a GAN not at all. A **flow** computes it exactly: it is one
# invertible function between the data and a Gaussian, and the rule for a change of variables does the rest.
# You build one from layers that are inverted in one line, compare it with a density that is known, find out
# what it cannot do, take it to pixels, and put it beside the VAE, the GAN and InfoGAN: with this lesson the
# generative part of the course ends.
#
# **You need** likelihoods as losses (lesson 03), Keras models with their own `compute_loss` (lesson
# [10](10_vae.ipynb)), autoencoders ([09](09_autoencoders.ipynb)), and the determinant of a matrix.
#
# **After this lesson you can**
#
# - compute the density of what an invertible function makes of a Gaussian, and say why it has a factor;
# - show that the linear flow is the Gaussian with the sample's mean and covariance;
# - write a coupling layer, its inverse and its log-determinant, and check all three;
# - train a flow by maximum likelihood, and measure how many nats are missing to the truth;
# - say why a flow draws a bridge between two clouds;
# - give pixels a density, and turn nats into bits per pixel;
# - compare GAN, VAE and flow: what each maximises, and what each can tell.
#
# **Time to study:** about four hours, with a pause after section 4. The letters are those of the
# [notation](01_neurons.ipynb#Notation), but for two: $s$ and $t$ are here the *scale* and the *translation*
# of a layer, and $z$ is, as in the last lessons, what is drawn from a Gaussian.

# %%
from nnlabs import animation, data, networks, plots, runtime, training, yardstick

budget = runtime.setup(seed=1)
# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

# %% [markdown]
# ## 1. A density through a function
#
# We begin with one number. Let $z = f(x)$ with a function $f$ that rises everywhere, so that it has an
# inverse; this one is $f(x) = c \sinh(2x)$. Draw $z$ from the standard Gaussian $p_Z$ and compute
# $x = f^{-1}(z)$. How are these $x$ distributed?

# %%
C = 0.3


def f(x):
    return C * np.sinh(2 * x)


def f_inverse(z):
    return np.arcsinh(z / C) / 2


rng = np.random.default_rng(1)
draws = f_inverse(rng.normal(size=100_000))
x = np.linspace(-3, 3, 6001)
assert np.allclose(f_inverse(f(x)), x)

# %% [markdown]
# A first guess: the density at $x$ is that of its $z$, $p_Z(f(x))$. **Before you run the next cell, what do
# you expect** of the area under it?

# %%
# NBVAL_CHECK_OUTPUT
dx = x[1] - x[0]
guess = norm.pdf(f(x))
print(f"area {guess.sum() * dx:.3f}")

# %% [markdown]
# It is not 1, so it is no density. What is kept by $f$ is not the density but the *probability*: of all
# draws, as many lie between $x$ and $x + dx$ as lie between $f(x)$ and $f(x + dx)$. This second interval has
# another length, $|f'(x)|\, dx$. Equal probabilities, $p_X(x)\, dx = p_Z(f(x))\, |f'(x)|\, dx$, give the
# **change of variables**:
#
# $$p_X(x) = p_Z(f(x)) \, \left|\frac{df}{dx}(x)\right|$$


# %%
def slope(x):
    return 2 * C * np.cosh(2 * x)


density = norm.pdf(f(x)) * np.abs(slope(x))
print(f"area {density.sum() * dx:.6f}")
assert abs(density.sum() * dx - 1) < 1e-6 < abs(guess.sum() * dx - 1)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
left.plot(x, f(x))
for z in norm.ppf(np.arange(1, 10) / 10):  # ten strips of equal probability
    left.plot([-1.6, f_inverse(z), f_inverse(z)], [z, z, -2.5], color="0.6", linewidth=0.8)
left.set(xlim=(-1.6, 1.6), ylim=(-2.5, 2.5), xlabel="$x$", ylabel="$z = f(x)$")
right.hist(draws, bins=120, range=(-1.6, 1.6), density=True, color="0.8", label="100,000 draws")
right.plot(x, guess, "--", color=plots.COLORS[1], label="$p_Z(f(x))$")
right.plot(x, density, color=plots.COLORS[0], label="$p_Z(f(x))\\,|f'(x)|$")
right.set(xlim=(-1.6, 1.6), ylim=(0, 0.78), xlabel="$x$", ylabel="density")
right.legend(fontsize=8)
plots.show(
    "Left: a rising curve, flat in the middle; grey lines lead from ten equally probable strips of z to "
    "strips of x, wide in the middle and narrow where the curve is steep. "
    "Right: a histogram with two humps; the "
    "formula with the factor follows it, the one without has a single hump."
)

# %% [markdown]
# **Look at** the grey lines. Each strip holds a tenth of the draws. Where $f$ is steep a strip is squeezed
# into a short piece of $x$, and the histogram is high. A Gaussian has become two humps.
#
# The bars: $|f'|$. Also $-f$, which falls, turns these $x$ into a standard Gaussian, and its derivative is
# negative. A density is not.

# %%
falling = norm.pdf(-f(x)) * np.abs(-slope(x))
assert np.allclose(falling, density)
in_bins = np.histogram(draws, bins=120, range=(-1.6, 1.6), density=True)[0]
middles = np.linspace(-1.6, 1.6, 241)[1::2]
print(
    f"histogram to formula: largest difference {np.abs(in_bins - np.interp(middles, x, density)).max():.3f}"
)
assert np.allclose(in_bins, np.interp(middles, x, density), atol=0.05)

# %% [markdown]
# ### Several numbers
#
# For $x \in \mathbb R^d$ a small cube becomes a small, sheared box. Its volume is multiplied by the absolute
# value of the determinant of the **Jacobian** $J = \partial f / \partial x$, the $d \times d$ matrix of
# all derivatives. In logarithms, as we need them for a likelihood:
#
# $$\log p_X(x) = \log p_Z(f(x)) + \log \left|\det \frac{\partial f}{\partial x}(x)\right|$$
#
# If $f$ is made of layers, the Jacobians are multiplied (chain rule), so the determinants are, too, and their
# logarithms are *added*. So each layer has to answer two questions: where does $x$ go, and by which factor
# does it change the volume there? In code a layer's `call` returns two things, `z` and `log_det`, one number
# for each row; and its `inverse` takes the way back. A flow adds up:


# %%
def log_normal(z):
    """log N(z; 0, I) of each row."""
    return -0.5 * ops.sum(ops.square(z) + np.log(2 * np.pi), axis=-1)


# %%
class Flow(keras.Model):
    """Layers from the data x to z ~ N(0, I), each with call(x) -> (z, log_det) and inverse(z) -> x."""

    def __init__(self, steps, d):
        super().__init__()
        self.steps, self.d = steps, d

    def call(self, x):
        total = 0.0
        for step in self.steps:
            x, log_det = step(x)
            total = total + log_det
        return x, total

    def inverse(self, z):
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z

    def log_prob(self, x):
        z, log_det = self(x)
        return log_normal(z) + log_det

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        z, log_det = y_pred
        return -ops.mean(log_normal(z) + log_det)

    def sample(self, n, rng):
        return ops.convert_to_numpy(self.inverse(rng.normal(size=(n, self.d)).astype("float32")))


# %% [markdown]
# The loss that `fit` minimises is minus the log-likelihood, nothing else: no bound as in lesson 10, no
# opponent as in lesson 11. Its two terms pull against each other. $\log p_Z(f(x))$ would be largest if every
# $x$ were sent to 0. But such an $f$ squeezes the volume, and $\log|\det|$ goes to $-\infty$.
#
# The direction is fixed: from the data to $z$ for training and for the likelihood, back for sampling. Hence
# the name (Tabak & Vanden-Eijnden, 2010; for deep networks Rezende & Mohamed, 2015): $f$ turns data into
# something **normal**.
#
# ## 2. The linear flow is the Gaussian
#
# The simplest flow has one layer, $z = W(x - b)$, with a triangular $W$ whose diagonal is positive. The
# determinant of a triangular matrix is the product of its diagonal:
#
# $$\log|\det W| = \sum_{j=1}^d \log W_{jj}$$


# %%
class Linear(layers.Layer):
    def __init__(self, d):
        super().__init__()
        self.b = self.add_weight(shape=(d,), initializer="zeros", name="b")
        self.log_diagonal = self.add_weight(shape=(d,), initializer="zeros", name="log_diagonal")
        self.below = self.add_weight(shape=(d, d), initializer="zeros", name="below")
        self.built = True  # all weights are made

    def W(self):
        return ops.tril(self.below, -1) + ops.diag(ops.exp(self.log_diagonal))

    def call(self, x):
        z = ops.matmul(x - self.b, ops.transpose(self.W()))
        return z, ops.sum(self.log_diagonal) + 0 * z[:, 0]  # the same for each row

    def inverse(self, z):
        back = ops.solve_triangular(self.W(), ops.transpose(z), lower=True)
        return ops.transpose(back) + self.b


# %% [markdown]
# Which $W$ and $b$ have the largest likelihood for $n$ points? The loss is
#
# $$\frac1n \sum_{i=1}^n \frac12 \|W(x_i - b)\|^2 - \log \det W + \frac d2 \log 2\pi.$$
#
# Its derivative with respect to $b$ is $-W^\top W \frac1n \sum_i (x_i - b)$, zero if $b$ is the sample's
# **mean**. The derivative with respect to $W$ is then $W \hat\Sigma - W^{-\top}$ with the sample's
# **covariance** $\hat\Sigma$, and is zero if $W^\top W = \hat\Sigma^{-1}$; one such $W$ is triangular with a
# positive diagonal (Cholesky). So the best linear flow is the Gaussian that everyone fits, found by a longer
# way. Let us see whether Adam finds it.
#
# The data are two moons, as in lesson 09: a point on one of two half circles, chosen at random, with Gaussian
# noise of standard deviation $\sigma = 0.1$ in both directions.

# %%
NOISE = 0.1


def half_circles(angle):
    """The points at these angles on the upper and on the lower moon, two arrays (..., 2)."""
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return upper, [1, 0.5] - upper


def moons(n, seed):
    rng = np.random.default_rng(seed)
    upper, lower = half_circles(rng.uniform(0, np.pi, n))
    on = np.where(rng.random((n, 1)) < 0.5, upper, lower)
    return (on + rng.normal(scale=NOISE, size=(n, 2))).astype("float32")


x_train, x_valid, x_test = (moons(n, seed) for seed, n in ((1, 20_000), (2, 5000), (3, 5000)))
print("training", x_train.shape, x_train.dtype, x_train[:2].tolist())


# %%
def train(flow, x, steps, size, rate, seed=1):
    """Adam along a cosine to zero; a weight's gradient is cut to the length 1. Return the seconds."""
    started = time.perf_counter()
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    flow.compile(
        optimizer=keras.optimizers.Adam(learning_rate=schedule, clipnorm=1.0),
        steps_per_execution=budget.pick(smoke=1, cpu=50),  # the steps are short: 50 in one call
        jit_compile=False,  # compiling would take longer than it saves
    )
    flow.fit(training.minibatches(x, size, seed=seed), steps_per_epoch=steps, shuffle=False, verbose=0)
    return time.perf_counter() - started


linear = Flow([Linear(2)], d=2)
train(linear, x_train, budget.pick(smoke=20, cpu=1000), size=2000, rate=0.03)
gaussian = multivariate_normal(x_train.mean(axis=0), np.cov(x_train.T))
W = ops.convert_to_numpy(linear.steps[0].W())
print("b", ops.convert_to_numpy(linear.steps[0].b).round(3), " mean", x_train.mean(axis=0).round(3))
print("(WᵀW)⁻¹", np.linalg.inv(W.T @ W).round(3).tolist(), " covariance", np.cov(x_train.T).round(3).tolist())

# %%
difference = ops.convert_to_numpy(linear.log_prob(x_test)) - gaussian.logpdf(x_test)
print(f"largest difference of log p on the test points: {np.abs(difference).max():.4f} nats")
assert budget.name == "smoke" or np.abs(difference).max() < 0.01

# %% [markdown]
# They agree as far as minibatches allow. So a Gaussian is a flow, and a flow is a Gaussian with curved
# layers. On two moons it is of little use: section 4 has its row.
#
# ## 3. Coupling
#
# A curved layer must be invertible, its inverse must be cheap, and so must its determinant; that of a full $d
# \times d$ matrix takes of the order of $d^3$ operations *for each point*. The idea of **RealNVP** (Dinh,
# Sohl-Dickstein & Bengio, 2017; without a scale: Dinh, Krueger & Bengio, 2015) answers all three. A mask $M$
# of zeros and ones splits the numbers: where it is 1 they are kept; where it is 0 they are multiplied and
# shifted by amounts that depend on the *kept* ones alone:
#
# $$z = M \odot x + (1 - M) \odot \big(x \odot e^{s(M \odot x)} + t(M \odot x)\big)$$
#
# $s$ and $t$ may be any networks. They are never inverted: on the way back the kept numbers are still there,
# so $s$ and $t$ can be computed again, and
#
# $$x = M \odot z + (1 - M) \odot (z - t(M \odot z)) \odot e^{-s(M \odot z)}.$$
#
# With the kept numbers first, the Jacobian is **triangular**:
#
# $$\frac{\partial z}{\partial x} = \begin{pmatrix} I & 0 \\ \ast & \text{diag}(e^{s}) \end{pmatrix},
# \qquad \log\left|\det \frac{\partial z}{\partial x}\right| = \sum_{j:\, M_j = 0} s_j(M \odot x)$$
#
# Whatever stands at $\ast$, the derivatives of $s$ and $t$, does not enter the determinant.


# %%
class Coupling(layers.Layer):
    def __init__(self, mask, widths, activation="relu"):
        super().__init__()
        self.mask, d = np.asarray(mask, "float32"), len(mask)
        hidden = [layers.Dense(width, activation=activation) for width in widths]
        last = layers.Dense(2 * d, kernel_initializer="zeros")
        self.network = keras.Sequential([keras.Input((d,)), *hidden, last])
        self.bound = self.add_weight(shape=(d,), initializer="ones", name="bound")
        self.built = True

    def s_and_t(self, x):
        s, t = ops.split(self.network(x * self.mask), 2, axis=-1)
        changed = 1 - self.mask
        return self.bound * ops.tanh(s) * changed, t * changed

    def call(self, x):
        s, t = self.s_and_t(x)
        return x * ops.exp(s) + t, ops.sum(s, axis=-1)

    def inverse(self, z):
        s, t = self.s_and_t(z)
        return (z - t) * ops.exp(-s)


# %% [markdown]
# Four details. Both networks are one, with $2d$ outputs, which `ops.split` takes apart. Where $M = 1$, $s$
# and $t$ are set to 0, so that $x e^s + t = x$: one line serves both parts of the formula. An exponential of
# an unbounded $s$ can explode; $\tanh$ bounds it, by a factor that is learned. And the last layer starts with
# zeros, so that the whole flow starts as the identity.
#
# Is the formula right? We compare it with the Jacobian by automatic differentiation, for a layer with random
# weights. (TensorFlow's tape gives the gradient of one output after the other; rows do not mix, so this is
# one row of each Jacobian. Here only a test needs it.) **Before you run the next cells:** where do you expect
# zeros, where ones?


# %%
def jacobians(step, x):
    """d step(x) / dx of each row: (n, d) -> (n, d, d), output before input."""
    x = ops.convert_to_tensor(x)
    with tf.GradientTape(persistent=True) as tape:  # it is asked several times
        tape.watch(x)
        outputs = ops.unstack(step(x)[0], axis=1)
    return np.stack([tape.gradient(output, x) for output in outputs], axis=1)


def random_coupling(mask, seed):
    keras.utils.set_random_seed(seed)
    step = Coupling(mask, [16], activation="tanh")
    for weight in step.network.weights:
        weight.assign(keras.random.normal(weight.shape, stddev=0.5))
    return step


step = random_coupling([1, 1, 0, 0, 0], seed=1)
point = np.random.default_rng(2).normal(size=(1, 5)).astype("float32")
J = jacobians(step, point)[0]
print(J.round(2))


# %%
def draw_matrix(ax, J, title):
    ax.imshow(np.abs(J) > 1e-7, cmap="Blues", vmin=0, vmax=1.6)
    for row, column in np.argwhere(np.abs(J) > 1e-7):
        ax.text(column, row, f"{J[row, column]:.2f}", ha="center", va="center", fontsize=7)
    names = range(1, len(J) + 1)
    ax.set(xticks=range(len(J)), yticks=range(len(J)), xticklabels=names, yticklabels=names, title=title)
    ax.set(xlabel="input $x_l$", ylabel="output $z_j$")
    ax.grid(visible=False)


_, axes = plt.subplots(1, 2, figsize=(7.4, 3.4))
draw_matrix(axes[0], J, "mask 1 1 0 0 0")
other = random_coupling([0, 1, 0, 1, 0], seed=1)
draw_matrix(axes[1], jacobians(other, point)[0], "mask 0 1 0 1 0")
plots.show(
    "Two 5 by 5 matrices; cells that are not zero are blue with their number. Left: ones on the first two "
    "places of the diagonal, numbers on the rest of it, and a full block below left; zero above. Right: the "
    "same with rows and columns in another order."
)

# %% [markdown]
# **Look at** the left one: the identity above left, zeros above right, and below right a diagonal. On the
# right the kept numbers are the second and the fourth, and the same pattern is mixed up; a determinant does
# not mind if rows and columns are put into another order together. In two, three and five dimensions:

# %%
for mask in ([1, 0], [0, 1, 1], [1, 0, 1, 0, 0]):
    step = random_coupling(mask, seed=3)
    x = np.random.default_rng(3).normal(size=(100, len(mask))).astype("float32")
    z, log_det = step(x)
    sign, by_matrix = np.linalg.slogdet(jacobians(step, x))
    back = ops.convert_to_numpy(step.inverse(z))
    wrong = np.abs(by_matrix - log_det).max(), np.abs(back - x).max()
    print("d = {}: log_det off by {:.0e}, inverse by {:.0e}".format(len(mask), *wrong))
    assert max(wrong) < 1e-5

# %% [markdown]
# Why in more than two? In one much-read implementation of this layer there was a mistake that shows only
# beyond two dimensions. Its pictures of two moons were all right. A test in a special case tests the special
# case. (The lab has such a layer.)
#
# ### Masks alternate
#
# One coupling leaves half of the numbers as they are. The next one keeps the other half, $1 - M$. **Before
# you run the next cell, what do you expect:** after how many couplings does every output depend on every
# input?

# %%
mask = np.array([1, 1, 0, 0])
ways = {"$M$, $1 - M$, $M$, …": [mask, 1 - mask, mask], "always $M$": [mask, mask, mask]}
point = np.random.default_rng(4).normal(size=(1, 4)).astype("float32")
_, axes = plt.subplots(2, 3, figsize=(8.4, 5.4))
filled = {}
for row, (name, masks) in zip(axes, ways.items(), strict=True):
    stack = Flow([random_coupling(m, seed=k) for k, m in enumerate(masks)], d=4)
    for k, ax in enumerate(row, start=1):
        J = jacobians(Flow(stack.steps[:k], d=4), point)[0]
        filled[name, k] = np.sum(np.abs(J) > 1e-7)
        draw_matrix(ax, J, f"{name}: after {k}")
plots.show(
    "Jacobians after one, two and three couplings of four numbers. Above, with masks that alternate, more "
    "cells are filled each time, after three all sixteen. Below, with the same mask, always the same eight."
)
print("cells that are not zero:", *filled.values())
assert list(filled.values()) == [8, 14, 16, 8, 8, 8]

# %% [markdown]
# After three. After two, the outputs that were changed first do not know of each other yet. With the same
# mask three couplings can do what one can: $x_1$ and $x_2$ come out as they went in.
#
# ## 4. Two moons, whose density is known
#
# How good is a model of a density? Usually one can only compare models with each other. Here the truth can be
# computed: a moon is a half circle, blurred by a Gaussian,
#
# $$p(x) = \frac12 \sum_{\text{two moons}} \frac1\pi \int_0^\pi
# \mathcal N\big(x;\; \text{point at angle } a,\; \sigma^2 I\big)\, da,$$
#
# and the integral is a mean over many angles.

# %%
ARCS = np.concatenate(half_circles((np.arange(400) + 0.5) * np.pi / 400))  # (800, 2)


def in_parts(function, x, size=2000):
    """Apply a function to parts of x, one after the other: it needs less memory."""
    return np.concatenate([np.asarray(function(x[i : i + size])) for i in range(0, len(x), size)])


def squares(x):
    """Squared distances to all points of the half circles: (n, 2) -> (n, 800)."""
    return np.square(x[:, None] - ARCS).sum(axis=-1)


def true_log_density(x):
    constant = np.log(len(ARCS) * 2 * np.pi * NOISE**2)
    return in_parts(lambda part: logsumexp(-squares(part) / (2 * NOISE**2), axis=1), x) - constant


truth = true_log_density(x_test)
print(f"mean true log density of the test points: {truth.mean():.3f} nats")

# %% [markdown]
# No model can beat this in expectation: $\mathbb E[\log p(x) - \log q(x)] = KL(p, q) \geq 0$ for every
# density $q$ (lesson 10). This divergence is the **gap** to the truth, estimated by the mean over the test
# points.
#
# Now the flow. First a layer that brings the data to mean 0 and standard deviation 1. It is a part of the
# flow, and its log-determinant counts: without it the likelihood would be that of other data. Then 12
# couplings, whose masks alternate.


# %%
class Standardise(layers.Layer):
    def __init__(self, x):
        super().__init__()
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0)
        self.log_det = float(-np.log(self.scale).sum())
        self.built = True

    def call(self, x):
        z = (x - self.mean) / self.scale
        return z, self.log_det + 0 * z[:, 0]

    def inverse(self, z):
        return z * self.scale + self.mean


def moon_flow(couplings, x):
    masks = [[k % 2, 1 - k % 2] for k in range(couplings)]
    return Flow([Standardise(x), *[Coupling(mask, [64, 64], "tanh") for mask in masks]], d=2)


keras.utils.set_random_seed(1)
flow = moon_flow(12, x_train)
train(flow, x_train, budget.pick(smoke=50, cpu=3000), size=256, rate=5e-3)
print(f"{flow.count_params():,} parameters; a mixture of twenty Gaussians has {20 * (2 + 3) + 19}")

# %% [markdown]
# What else could one do? Ten or twenty Gaussians (a mixture, fitted by expectation–maximisation,
# scikit-learn's `GaussianMixture`), and a **kernel density**: a small Gaussian on each training point. Its
# width is chosen on the validation points; the test points choose nothing. **Before you run the next cells,
# what do you expect:** who wins?

# %%
mixtures = {k: GaussianMixture(k, random_state=1).fit(x_train) for k in (10, 20)}
n_kernels = budget.pick(smoke=1000, cpu=20_000)
widths = (0.02, 0.03, 0.04, 0.06, 0.1)
kernels = [KernelDensity(bandwidth=width).fit(x_train[:n_kernels]) for width in widths]
on_valid = [kernel.score(x_valid[:1000]) for kernel in kernels]
kernel = kernels[int(np.argmax(on_valid))]
print("kernel widths", widths, "->", kernel.bandwidth)


# %%
def log_prob_of(flow):
    return lambda x: in_parts(lambda part: flow.log_prob(part.astype("float32")), x, 10_000)


models = {
    "Gaussian": gaussian.logpdf,
    "ten Gaussians": mixtures[10].score_samples,
    "twenty Gaussians": mixtures[20].score_samples,
    "kernel density": kernel.score_samples,
    "flow": log_prob_of(flow),
}
gaps = {}
print("                  log p   gap to the truth (nats)")
for name, log_p in models.items():
    difference = truth - log_p(x_test)
    gaps[name] = difference.mean()
    error = difference.std() / np.sqrt(len(difference))
    print(f"{name:16} {truth.mean() - gaps[name]:6.3f}   {gaps[name]:.3f} ± {error:.3f}")
runtime.result("flow_moons_gap", gaps["flow"], at_most=0.05)
runtime.result("flow_moons_gap_of_ten_gaussians", gaps["ten Gaussians"])

# %%
if budget.name != "smoke":
    assert gaps["twenty Gaussians"] < gaps["kernel density"] < gaps["flow"] < gaps["Gaussian"] / 10

# %% [markdown]
# **Simple models win.** Twenty Gaussians are the nearest to the truth, with a fraction of a percent of the
# flow's parameters; the kernel density is second; ten Gaussians and the flow follow. (One training of each;
# section 5 trains smaller flows from three seeds.) Mixtures are at home here: small clouds lie along two half
# circles as beads on a string, and the true density *is* a mixture of Gaussians, of infinitely many. These
# data in the plane do not need a flow. Its advantage shows in more dimensions (section 6). Here we learn what
# a flow does, because here the truth is known.
#
# ### Three tests
#
# A density has the total mass 1. This can be tested on a grid. A GAN has no $p(x)$ to sum, and a VAE's is
# itself an integral over all codes. Then, the inverse must lead back. And the $z$ of the data should look
# like draws of $\mathcal N(0, I)$; here we look at their mean and standard deviation.

# %%
step = budget.pick(smoke=0.04, cpu=0.02)
horizontal, vertical = np.arange(-4, 5, step), np.arange(-4, 4.5, step)
grid = np.stack(np.meshgrid(horizontal, vertical), axis=-1).reshape(-1, 2)
for name in ("Gaussian", "flow"):
    mass = np.exp(models[name](grid).astype(float)).sum() * step**2
    print(f"{name}: mass on the grid {mass:.5f}")
runtime.result("flow_moons_mass_error", abs(mass - 1), at_most=0.002)

z, _ = flow(x_test)
back = ops.convert_to_numpy(flow.inverse(z))
runtime.result("flow_moons_inverse_error", np.abs(back - x_test).max(), at_most=1e-5)
z = ops.convert_to_numpy(z)
print("mean of z", z.mean(axis=0).round(2), " standard deviations", z.std(axis=0).round(2))

# %%
window = np.linspace(-1.5, 2.5, 161), np.linspace(-1, 1.5, 101)
places = np.stack(np.meshgrid(*window), axis=-1).reshape(-1, 2)
panels = {"truth": true_log_density} | {name: models[name] for name in ("ten Gaussians", "flow")}
figure, axes = plt.subplots(2, 2, figsize=(8.6, 5.6))
for ax, (name, log_p) in zip(axes.flat, panels.items(), strict=False):
    values = np.exp(log_p(places)).reshape(101, 161)
    ax.contourf(
        *window, np.sqrt(values), levels=np.sqrt(np.array([0, 0.01, 0.05, 0.15, 0.3, 0.5, 0.8])), cmap="Blues"
    )
    ax.set(title=f"density: {name}", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
upper = squares(x_test).argmin(axis=1) < 400  # nearest to the first half circle
for k, (part, name) in enumerate(((upper, "one moon"), (~upper, "the other"))):
    style = {"color": plots.COLORS[k], "markersize": 3, "linestyle": "", "label": name}
    axes[1, 1].plot(*z[part][:400].T, marker=plots.MARKERS[k], **style)
axes[1, 1].set(title="test points as the flow sees them", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
axes[1, 1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
plots.show(
    "Three maps of a density, all two moons: the true one even and smooth, that of ten Gaussians with a few "
    "beads, that of the flow with a pale patch between the moons. Last, the test points in z: a round cloud, "
    "cut by a straight line; each moon is one half of it."
)

# %% [markdown]
# **Look at** the last panel: the moons fill one round cloud, one half each, cut by a straight line without
# any room between them. And at the flow's density: between the moons, where the truth has next to nothing,
# lies a pale patch. (The shades change at 0.01, 0.05, 0.15, 0.3 and 0.5.) Section 5 is about it.
#
# ### The sheet
#
# Read backwards, from $z$ to $x$, the flow deforms a sheet of rubber. On it a grid is drawn, and the points
# are draws of $\mathcal N(0, I)$. One coupling after the other moves them, in turn up and down and to the
# left and right; the last step gives the data their scale back.

# %%
lines = np.linspace(-2.4, 2.4, 9)
along = np.linspace(-2.4, 2.4, 121)
threads = [np.stack([np.full_like(along, level), along], axis=1) for level in lines]
threads = np.concatenate([threads, [thread[:, ::-1] for thread in threads]]).astype("float32")
stations = [(threads, np.random.default_rng(5).normal(size=(100, 2)).astype("float32"))]
for step in reversed(flow.steps):
    moved = (step.inverse(part.reshape(-1, 2)) for part in stations[-1])
    stations.append(tuple(ops.convert_to_numpy(part) for part in moved))
stations = [(sheet.reshape(18, 121, 2), points) for sheet, points in stations]


def draw_sheet(figure, k):
    ax = figure.subplots()
    sheet, points = stations[k]
    ax.plot(*sheet.transpose(2, 1, 0), color=plots.COLORS[5], linewidth=0.6)
    ax.plot(*points.T, ".", color=plots.COLORS[1], markersize=2.5)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=f"after {k} of {len(stations) - 1} steps")
    ax.set(xticks=[-2, 0, 2], yticks=[-2, 0, 2])


# %%
animation.play(
    draw_sheet,
    range(len(stations)),
    "A square grid with a round cloud of points on it is bent, step by step, in the vertical and in the "
    "horizontal direction in turn, until the points lie on two moons; the threads between the moons are "
    "pulled far apart.",
    size=(2.8, 2.8),
    seconds=0.7,
)

# %%
animation.strip(
    draw_sheet,
    [0, 4, 8, 13],
    "Four stations of the same movement: the square sheet, bent more and more; at the end the points lie on "
    "two moons, and a few threads cross the gap between them.",
    columns=4,
    size=(2.3, 2.4),
)

# %% [markdown]
# **Look at** the threads: they are bent and pulled, but nowhere torn, and no two of them cross that did not
# cross before. Where a mesh gets narrower, its probability is on less room, and the density rises; where it
# gets wider, it falls: this is the log-determinant.
#
# ## 5. What a flow cannot do
#
# $f^{-1}$ is continuous, and it turns a Gaussian, which is one connected piece, into the data. A continuous
# function does not tear. So the flow cannot cut the cloud in two: between the moons some of the sheet must
# remain, and what lies on it is a **bridge** of points that belong to no moon (Cornish et al., 2020). It can
# be made thin, if the sheet is pulled far apart there, which takes steep functions. More couplings can be
# steeper.
#
# We count samples that are **off the moons**: farther than $3\sigma$ from both half circles; and, of these,
# the ones **between** the moons: inside both circles, of which the moons are halves. **Before you run the
# next cells, what do you expect** for 2, 4 and 8 couplings? Each is trained with three seeds and the same
# number of steps, a minute in all.


# %%
BOTH, UPPER = slice(800), slice(400)  # which points of ARCS count


def off_the_moons(x, of=BOTH):
    """Shares of x farther than three standard deviations from the half circles: all, those between."""
    off = in_parts(lambda part: squares(part)[:, of].min(axis=1), x) > (3 * NOISE) ** 2
    inside = (np.linalg.norm(x, axis=1) < 1) & (np.linalg.norm(x - [1, 0.5], axis=1) < 1)
    return np.mean(off), np.mean(off & inside)


def trials(couplings, x, steps, of=BOTH):
    """For each seed: a trained flow, and the two shares of its samples off the moons."""
    found = []
    for seed in budget.pick(smoke=[1], cpu=[1, 2, 3]):
        keras.utils.set_random_seed(seed)
        trial = moon_flow(couplings, x)
        train(trial, x, steps, size=256, rate=2e-3, seed=seed)
        found.append((trial, off_the_moons(trial.sample(10_000, np.random.default_rng(seed)), of)))
    return found


# %%
steps = budget.pick(smoke=20, cpu=1300)
print("data: {:.2%} off the moons, {:.2%} between them".format(*off_the_moons(x_test)))
bridges = {couplings: trials(couplings, x_train, steps) for couplings in (2, 4, 8)}
for couplings, found in bridges.items():
    shares = ", ".join(f"{off:.1%} ({between:.1%})" for _, (off, between) in found)
    missing = ", ".join(f"{np.mean(truth - log_prob_of(trial)(x_test)):.3f}" for trial, _ in found)
    print(f"{couplings} couplings: off the moons (between) {shares}; gap {missing} nats")

# %% [markdown]
# More couplings, less of a bridge; all have more than the data. But is it the *tearing* that is hard, or only
# the shape? Test: one moon alone is as curved, but in one piece. If the explanation is right, the same flow
# has far less off *one* moon, above all in the place that was "between". (One moon is also half as much to
# learn, so this test is not perfect.)

# %%
one_moon = x_train[in_parts(lambda part: squares(part).argmin(axis=1), x_train) < 400]
alone = trials(4, one_moon, steps, UPPER)
print("4 couplings, one moon:", ", ".join("{:.1%} ({:.1%})".format(*pair) for _, pair in alone))
likelihoods = ", ".join(f"{np.mean(log_prob_of(trial)(x_test[upper])):.3f}" for trial, _ in alone)
print(f"log p of its test points: {likelihoods}; true about {truth[upper].mean() + np.log(2):.3f} nats")
shares = {k: np.array([pair for _, pair in found]) for k, found in (bridges | {"one": alone}).items()}
runtime.result("flow_off_moons_4_couplings", shares[4][:, 0].mean())
runtime.result("flow_off_one_moon_4_couplings", shares["one"][:, 0].mean())
if budget.name != "smoke":
    off, between = np.transpose([share.mean(axis=0) for share in shares.values()])
    assert off[0] > off[1] > off[2]
    assert shares[8][:, 0].min() > off_the_moons(x_test)[0]
    assert off[3] < off[1] / 2
    assert between[3] < between[1]

# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 2.5), sharey=True)
shown = {f"{couplings} couplings": found for couplings, found in bridges.items()} | {"one moon, 4": alone}
for ax, (name, found) in zip(axes, shown.items(), strict=True):
    some = found[0][0].sample(1500, np.random.default_rng(1))
    ax.plot(*some.T, ".", color=plots.COLORS[0], markersize=1.5)
    ax.set(title=f"{name}: {found[0][1][0]:.1%} off", xlabel="$x_1$", aspect="equal")
    ax.set(xlim=(-1.6, 2.6), ylim=(-1.2, 1.7))
axes[0].set_ylabel("$x_2$")
plots.show(
    "Samples of four flows. With two couplings many points lie between the moons, with four and with eight "
    "fewer. Trained on one moon: an arc alone."
)

# %% [markdown]
# **Look at** where the wrong points lie. With two couplings they are everywhere: the shape itself is not
# learned. With four and eight about half of them are between the moons (the numbers in brackets). The others
# lie beyond the ends and around. A part of them remains when one moon is learned alone, and that part has
# nothing to do with tearing. But then nearly nothing is left in the place between: this speaks for the
# explanation. It is about *continuous* functions of *one* Gaussian, and the lab does something about it.
#
# (The rate is lower here than in section 4. When this lesson was written, one of the three trainings on one
# moon got stuck in a bad fit with the higher one; its likelihood told.)
#
# ## 6. Pixels
#
# ### A density for counts
#
# We take MNIST in a coarse form: the sum over each block of $4 \times 4$ pixels, so $7 \times 7$ numbers from
# 0 to 4080. That is 49 numbers in place of 2, and still digits.

# %%
LEVELS = 16 * 255 + 1
mnist = data.mnist()


def coarse(images):
    """(n, 28, 28) uint8 to (n, 49): sums over blocks of 4×4 pixels, integers from 0 to 4080."""
    return images.reshape(-1, 7, 4, 7, 4).sum(axis=(2, 4), dtype=int).reshape(-1, 49)


counts = coarse(mnist.x_train)
x_counts, test_counts = counts[:-5000], coarse(mnist.x_test)
print(x_counts.shape, "from", x_counts.min(), "to", x_counts.max(), f"{np.mean(x_counts == 0):.0%} are 0")

# %% [markdown]
# A pixel is an integer, and a density is for real numbers. Take one pixel, the middle one, and a comb for a
# density: a narrow Gaussian on each integer, as high as this integer is frequent. **Before you run the next
# cell, what do you expect** of its likelihood, if the teeth get narrower?

# %%
middle = x_counts[:2000, 24]
levels, times = np.unique(middle, return_counts=True)
noisy = middle + np.random.default_rng(1).uniform(size=len(middle))
combs = {}
for name, values in {"integers": middle, "with noise": noisy}.items():
    for width in (1, 0.1, 0.01, 0.001):
        teeth = norm.logpdf(values[:, None], levels, width)  # (2000, levels)
        combs[name, width] = logsumexp(teeth, b=times / len(middle), axis=1).mean()
        print(f"{name:10} teeth of {width:5}: {combs[name, width]:10.2f} nats")
assert combs["integers", 0.001] > combs["integers", 0.01] + 2
assert combs["with noise", 0.1] < combs["with noise", 1]

# %% [markdown]
# On the integers the likelihood has no limit: once the teeth no longer overlap, a tenth of the width gives
# $\log 10$ nats more, and says nothing more about digits. Every density that can get narrow around integers
# can do the same. With a little uniform noise, $u \in [0, 1)$ added to each integer, narrow teeth are of no
# use. This is **dequantisation**, and it is more than a trick: the noise spreads each integer over an
# interval of length 1, and nothing is lost, since $\lfloor c + u \rfloor = c$. For the probability $P(c)$
# that a density $p$ gives to the cube of the image $c$,
#
# $$\log P(c) = \log \int_{[0, 1)^{49}} p(c + u)\, du \;\geq\; \mathbb E_u \log p(c + u)$$
#
# (Theis, van den Oord & Bethge, 2016): the mean of a logarithm is at most the logarithm of the mean. So what
# we measure is a lower bound of the logarithm of a true probability of images, and can be compared with that
# of any other model of the same integers. In **bits per pixel**:
#
# $$\text{bits} = -\frac{\mathbb E \log p(c + u)}{49 \log 2}$$


# %%
def bits(nats):
    """Bits per pixel of images of 49 pixels, from the mean log p in nats."""
    return -nats / (49 * np.log(2))


uniform = -49 * np.log(LEVELS)  # all levels equally probable
print(f"all levels alike: {uniform:.1f} nats, {bits(uniform):.2f} bits a pixel")

# %% [markdown]
# ### Logit
#
# One more layer. The numbers lie between 0 and 4081, a Gaussian is everywhere. So divide by 4081, which gives
# $q \in [0, 1)$, and take the logit, the inverse of the sigmoid; a little away from 0 and 1, where it is
# infinite:
#
# $$y = \log \frac{r}{1 - r}, \quad r = \alpha + (1 - 2\alpha)\, q, \qquad
# \log \frac{dy}{dq} = \log(1 - 2\alpha) - \log r - \log(1 - r)$$
#
# The slope by $x = 4081\, q$ is smaller by the factor 4081, so its logarithm is $\log 4081$ less.


# %%
ALPHA = 0.01


class Logit(layers.Layer):
    """From [0, LEVELS)^d to R^d."""

    def call(self, x):
        r = ALPHA + (1 - 2 * ALPHA) * x / LEVELS
        log_slopes = np.log((1 - 2 * ALPHA) / LEVELS) - ops.log(r) - ops.log(1 - r)
        return ops.log(r) - ops.log(1 - r), ops.sum(log_slopes, axis=-1)

    def inverse(self, z):
        return (ops.sigmoid(z) - ALPHA) / (1 - 2 * ALPHA) * LEVELS


def dequantise(counts, seed):
    noise = (np.random.default_rng(seed).integers(1024, size=counts.shape) + 0.5) / 1024
    return (counts + noise).astype("float32")  # multiples of 1/2048 below 4096: nothing is rounded


# %%
x_pixels, test_pixels = dequantise(x_counts, seed=1), dequantise(test_counts, seed=3)
y, log_det = Logit()(test_pixels[:100])
by_matrix = np.linalg.slogdet(jacobians(Logit(), test_pixels[:100]))[1]
print("y", y.shape, f" log_det off by {np.abs(by_matrix - log_det).max():.0e} of {by_matrix.mean():.0f}")
assert np.allclose(by_matrix, log_det, atol=1e-2)
assert np.array_equal(np.floor(test_pixels), test_counts)

# %% [markdown]
# The masks. A chequerboard keeps every second pixel, and its complement the others; then random halves, each
# with its complement. Eight couplings of two hidden layers of 256.

# %%
CHEQUERS = np.add.outer(np.arange(7), np.arange(7)).ravel() % 2


def halves(mask, pairs, seed=3):
    """The mask and its complement, then random orders of it, each with its complement: 2 * pairs masks."""
    rng = np.random.default_rng(seed)
    firsts = [mask, *[rng.permutation(mask) for _ in range(pairs - 1)]]
    return [half for first in firsts for half in (first, 1 - first)]


to_logits = Logit()
logits = in_parts(lambda part: to_logits(part)[0], x_pixels)
standardise = Standardise(logits)
keras.utils.set_random_seed(1)
couplings = [Coupling(mask, [256, 256]) for mask in halves(CHEQUERS, 4)]
pixel_flow = Flow([to_logits, standardise, *couplings], d=49)
steps = budget.pick(smoke=10, cpu=1500)
train(pixel_flow, x_pixels, steps, size=256, rate=2e-3)
print(f"{pixel_flow.count_params():,} parameters")

# %% [markdown]
# Beside it, in the same logits: one Gaussian, which is fitted at once, and ten of them.

# %%
first_two = Flow([to_logits, standardise], d=49)


def mixture_log_prob(mixture):
    """log p of the counts, for a mixture fitted to the standardised logits."""

    def log_prob(x):
        z, log_det = first_two(x)
        return mixture.score_samples(np.asarray(z)) + np.asarray(log_det)

    return log_prob


z_train = in_parts(lambda part: first_two(part)[0], x_pixels).astype(float)
z_train = z_train[: budget.pick(smoke=2000, cpu=None)]
ten = GaussianMixture(10, random_state=1, reg_covar=1e-3, tol=0.01, max_iter=300).fit(z_train)
pixel_models = {
    "Gaussian": mixture_log_prob(GaussianMixture(1).fit(z_train)),
    "ten Gaussians": mixture_log_prob(ten),
    "flow": lambda x: in_parts(pixel_flow.log_prob, x),
}

# %%
nats = {}
for name, log_p in pixel_models.items():
    nats[name] = [np.mean(log_p(part)) for part in (x_pixels[:5000], test_pixels)]
    here, there = nats[name]
    print(f"{name:14} training {here:7.1f}, test {there:7.1f} nats, {bits(there):.2f} bits a pixel")

# %%
above = nats["flow"][1] - nats["ten Gaussians"][1]
runtime.result("flow_pixels_nats_above_ten_gaussians", above, at_least=30)
runtime.result("flow_pixels_bits", bits(nats["flow"][1]))
z, _ = pixel_flow(test_pixels[:2000])
back = ops.convert_to_numpy(pixel_flow.inverse(z))
one_way = in_parts(lambda part: first_two(part)[0], test_pixels[:2000])
inner = z
for coupling in reversed(couplings):
    inner = coupling.inverse(inner)
runtime.result("flow_pixels_inverse_error", np.abs(ops.convert_to_numpy(inner) - one_way).max(), at_most=1e-4)
print(f"back in counts: off by at most {np.abs(back - test_pixels[:2000]).max():.2f} of {LEVELS}")

# %% [markdown]
# **Look at** the test column. In two dimensions Gaussians won, in 49 the flow wins, and not by hundredths of
# a nat. One nat is a factor $e$ for the probability of *each* image. All have the same data and the layers
# `Logit` and `Standardise`. The flow has by far the most parameters, and ten Gaussians are few for so many
# dimensions; section 7 has a hundred, in 16. The flow's likelihood is higher on training digits than on test
# digits: it begins to learn by heart, which one Gaussian cannot.
#
# (The inverse error is that of the eight couplings, in standardised logits. A float32 has about seven digits,
# and errors of rounding add up over couplings that each stretch and squeeze; so the target here is $10^{-4}$,
# and not $10^{-5}$ as on the moons.)

# %%
drawn = {
    "real": test_counts[:12],
    "flow": pixel_flow.sample(12, np.random.default_rng(1)),
    "ten Gaussians": ops.convert_to_numpy(first_two.inverse(ten.sample(12)[0].astype("float32"))),
}


def show_rows(rows):
    """Draw rows of images, each with its name."""
    _, axes = plt.subplots(len(rows), 1, figsize=(7.4, 0.5 * len(rows)))
    for ax, (name, images) in zip(axes, rows.items(), strict=True):
        few_greys = np.round(10 * np.clip(images / images.max(), 0, 1))  # a small file
        plots.image_grid(few_greys, columns=len(images), ax=ax).set_anchor("E")
        ax.text(-0.2, 0.5, name, ha="right", va="center")


show_rows({name: rows.reshape(-1, 7, 7) for name, rows in drawn.items()})
plots.show(
    "Three rows of twelve coarse digits of 7 by 7 pixels: real ones, those of the flow, and those of ten "
    "Gaussians."
)

# %% [markdown]
# **Look at** the second and the third row: which one has more digits that you can name? So many nats, and the
# eye sees little of them. A likelihood is not the quality of samples, as you will see once more.
#
# ## 7. Digits of 28×28: a flow on the code
#
# A flow keeps the number of dimensions: 784 pixels are 784 numbers in every layer. Flows for images are made
# of convolutions and are *multi-scale*: after some layers half of the numbers are declared finished, and only
# the others go on (RealNVP; Glow of Kingma & Dhariwal, 2018). They are trained on GPUs for a long time. On a
# laptop we go another way, which lesson 10 began: an ordinary autoencoder makes a short code, and a *density
# is fitted to the codes*. There it was a Gaussian, and what came of it was poor. Now we can do better.
#
# The autoencoder is the deep one of lesson 09, with a code of 16 numbers. Nothing is trained on the last
# 5,000 training images: they are the "new" ones here. The test images are for the yardstick.

# %%
CODE = 16
images = mnist.x_train.reshape(-1, 784) / np.float32(255)
images, valid_images = images[:-5000], images[-5000:]


def make_autoencoder(k):
    relu = {"activation": "relu"}
    down = [layers.Dense(256, **relu), layers.Dense(128, **relu), layers.Dense(k)]
    up = [layers.Dense(128, **relu), layers.Dense(256, **relu), layers.Dense(784, activation="sigmoid")]
    return keras.Sequential([keras.Input((784,)), *down]), keras.Sequential([keras.Input((k,)), *up])


def squared_error(x, r):
    return ops.sum(ops.square(x - r), axis=-1)


# %%
keras.utils.set_random_seed(1)
encoder, decoder = make_autoencoder(CODE)
autoencoder = keras.Sequential([encoder, decoder])
steps = budget.pick(smoke=20, cpu=5000)
schedule = keras.optimizers.schedules.CosineDecay(2e-3, steps)
adam = keras.optimizers.Adam(learning_rate=schedule)
autoencoder.compile(
    optimizer=adam, loss=squared_error, steps_per_execution=budget.pick(smoke=1, cpu=10), jit_compile=False
)
started = time.perf_counter()
batches = training.minibatches((images, images), 128, seed=1)
autoencoder.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
autoencoder_seconds = time.perf_counter() - started
codes, valid_codes = (encoder.predict(part, batch_size=500, verbose=0) for part in (images, valid_images))
error = ops.mean(squared_error(valid_images, decoder(valid_codes)))
print("codes", codes.shape, f" squared error of a new digit {float(error):.1f}")

# %% [markdown]
# Densities for the same codes: one Gaussian, ten, a hundred, and a flow of eight couplings. Ten Gaussians and
# the flow are fitted from three seeds, all in one to two minutes. **Before you run the next cells, what do
# you expect:** who has the highest likelihood on codes of images that nobody has seen, and whose digits are
# best?

# %%
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])
halved = halves(np.arange(CODE) % 2, 4)


def fit_flow(seed):
    keras.utils.set_random_seed(seed)
    flow = Flow([Standardise(codes), *[Coupling(mask, [128, 128]) for mask in halved]], d=CODE)
    flow.seconds = train(flow, codes, budget.pick(smoke=10, cpu=3000), size=256, rate=3e-3, seed=seed)
    return flow


def fit_mixture(k, seed=1):
    started = time.perf_counter()
    some = codes[: budget.pick(smoke=2000, cpu=len(codes))].astype(float)
    mixture = GaussianMixture(k, random_state=seed, tol=0.01, max_iter=300).fit(some)
    mixture.seconds = time.perf_counter() - started
    return mixture


# %%
code_flows, tens = [fit_flow(seed) for seed in seeds], [fit_mixture(10, seed) for seed in seeds]
one, hundred = fit_mixture(1), fit_mixture(budget.pick(smoke=20, cpu=100))
code_nats = {
    "one Gaussian": [one.score(valid_codes)],
    "ten Gaussians": [mixture.score(valid_codes) for mixture in tens],
    "100 Gaussians": [hundred.score(valid_codes)],
    "flow": [log_prob_of(flow)(valid_codes).mean() for flow in code_flows],
}
for name, values in code_nats.items():
    print(f"{name:13}", ", ".join(f"{value:.2f}" for value in values), "nats a code")
print(f"100 Gaussians have {100 * (CODE + CODE * (CODE + 1) // 2) + 99:,} parameters", end=", ")
print(f"the flow {code_flows[0].count_params():,}")

# %% [markdown]
# Now the yardstick of lesson 10: the judge is lesson 06's LeNet, five draws of 2,000 digits. The first row is
# real test digits, the second what the code allows: the same, sent through encoder and decoder. (These are
# test images that are not the yardstick's reference.) Beside them stand the generators of the last lessons,
# as they ship with the course; for InfoGAN's we build the network again. How long these were trained is told
# in their lessons; they had other networks and other budgets, so their rows are no contest on equal terms.


# %%
def infogan():
    """Return lesson 12's generator, with pairs: draw(n, rng)."""
    enlarge = {"kernel_size": 4, "strides": 2, "padding": "same"}
    model = keras.Sequential(
        [
            keras.Input((28,)),
            layers.Dense(7 * 7 * 32, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(16, use_bias=False, **enlarge),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, activation="sigmoid", **enlarge),
        ]
    )
    networks.load_weights(model, "networks/infogan.npz")

    def draw(n, rng):
        z, c23 = rng.normal(size=(n, 16)), 3 * rng.uniform(-1, 1, (n, 2))  # 3: the loudness of lesson 12
        inputs = np.concatenate([z, np.eye(10)[rng.integers(10, size=n)], c23], axis=1)
        return model.predict(inputs.astype("float32"), batch_size=500, verbose=0)

    return draw


# %%
def decoded(draw_codes):
    """Return the generator that decodes draw_codes(n, rng)."""

    def draw(n, rng):
        decoded = decoder.predict(draw_codes(n, rng).astype("float32"), batch_size=500, verbose=0)
        return decoded.reshape(-1, 28, 28, 1)

    return draw


def codes_of_real(n, rng):
    return encoder.predict(yardstick.real_digits(n, rng).reshape(n, 784), batch_size=500, verbose=0)


def sample_of(mixture):
    def draw(n, rng):
        mixture.random_state = int(rng.integers(2**31))
        return rng.permutation(mixture.sample(n)[0])  # they come in the order of the Gaussians

    return draw


# %%
generators = {
    "real digits": yardstick.real_digits,
    "the same, through the code": decoded(codes_of_real),
    "autoencoder + Gaussian": decoded(sample_of(one)),
    "autoencoder + ten Gaussians": decoded(sample_of(tens[0])),
    "autoencoder + 100 Gaussians": decoded(sample_of(hundred)),
    "autoencoder + flow": decoded(code_flows[0].sample),
    "VAE of lesson 10": networks.vae(),
    "GAN of lesson 11": networks.gan(),
    "InfoGAN + pairs of lesson 12": infogan(),
}

# %%
effort = budget.pick(smoke={"samples": 500, "draws": 2}, cpu={})  # in cpu the yardstick's own
densities = {"Gaussian": one, "ten Gaussians": tens[0], "100 Gaussians": hundred, "flow": code_flows[0]}
spent = {f"autoencoder + {k}": autoencoder_seconds + density.seconds for k, density in densities.items()}
rows = {k: yardstick.measure(draw, seconds=spent.get(k), **effort) for k, draw in generators.items()}
yardstick.table(rows)

# %%
flow_row, ten_row = (rows[f"autoencoder + {name}"] for name in ("flow", "ten Gaussians"))
runtime.result("flow_confident", flow_row.confident)
runtime.result("flow_smallest_class", flow_row.smallest_class)
runtime.result("flow_frechet", flow_row.frechet)
runtime.result("ten_gaussians_frechet", ten_row.frechet)
one_draw = effort | {"draws": 1}
distances = {
    "ten Gaussians": [yardstick.measure(decoded(sample_of(m)), **one_draw).frechet for m in tens],
    "flow": [yardstick.measure(decoded(flow.sample), **one_draw).frechet for flow in code_flows],
}
if budget.name != "smoke":
    assert flow_row.frechet < rows["autoencoder + Gaussian"].frechet
    assert min(code_nats["flow"]) > max(code_nats["ten Gaussians"]) > code_nats["one Gaussian"][0]
    assert min(code_nats["flow"]) > code_nats["100 Gaussians"][0]
    assert rows["autoencoder + 100 Gaussians"].frechet < flow_row.frechet < ten_row.frechet
    assert rows["autoencoder + 100 Gaussians"].confident > flow_row.confident
    assert rows["GAN of lesson 11"].frechet < rows["autoencoder + 100 Gaussians"].frechet
    assert max(distances["flow"]) < min(distances["ten Gaussians"])
for name, values in distances.items():
    print(f"{name:13} Fréchet distance of each seed:", ", ".join(f"{value:.1f}" for value in values))

# %%
show_rows({name: draw(500, np.random.default_rng(1))[:8, ..., 0] for name, draw in generators.items()})
plots.show(
    "Nine rows of eight digits: real ones, the same through the code, then those of each density on the "
    "code, of the VAE, the GAN and InfoGAN. Those of one Gaussian and of the VAE are often no digit."
)

# %% [markdown]
# **Look at** the five rows with "autoencoder" and "code". The code itself costs little confidence (98.5 % to
# 96.6 %), and more distance (0.9 to 4.2): no density on it can be expected to do better. With one Gaussian on
# the codes we are where lesson 10 was. Ten Gaussians and the flow come much nearer to real digits, and of the
# two the flow, with all three seeds. The flow also has the highest likelihood of all on new codes.
#
# And yet a **hundred Gaussians**, with fewer parameters and a lower likelihood, draw better digits than the
# flow, by confidence and by distance (fitted from one seed). How can this be? Section 5 suggests a guess,
# which is not tested here, and the lab asks you. The better density by one measure is not the better
# generator by another. And the GAN of lesson 11 is nearer to real digits, by the Fréchet distance, than all
# that draw a code: about as near as real digits that went through it (3.9 and 4.2).
#
# One more word about likelihoods. The flow's is exact, but of the *code*. It says nothing about the pixels,
# which come out of a decoder; nothing here is comparable with the nats of lesson 10. On the 7×7 digits
# it was a likelihood of the pixels (of the noisy ones, hence the bound for integers).
#
# ## 8. Three ways to generate
#
# The course's three families in one figure, with what each has to learn. (Coloured boxes are networks. In
# the flow both boxes are one network, so they have one colour.)

# %%
BLUE, ORANGE = plots.COLORS[5], plots.COLORS[4]
FAMILIES = {
    "GAN: min max of\na classification objective": [
        (0, "noise $z$", None),
        (1, "generator\n$G(z)$", BLUE),
        (2, "$G(z)$, or\ndata $x$", None),
        (3, "discriminator\n$D$", ORANGE),
        (4, "real: 1\nor fake: 0?", None),
    ],
    "VAE: maximise\nthe ELBO": [
        (0, "data $x$", None),
        (1, "encoder\n$q(z|x)$", ORANGE),
        (2, "code $z$, a draw;\nnear $\\mathcal{N}(0, I)$", None),
        (3, "decoder\n$p(x|z)$", BLUE),
        (4, "copy of $x$", None),
    ],
    "Flow: minimise\n$-\\log p(x)$": [
        (0, "data $x$", None),
        (1, "flow\n$f$", ORANGE),
        (2, "$z = f(x)$\nlike $\\mathcal{N}(0, I)$", None),
        (3, "the same, back\n$f^{-1}$", ORANGE),
        (4, "exactly $x$", None),
    ],
}

# %%
_, ax = plt.subplots(figsize=(9, 3.2))
for row, (name, parts) in enumerate(FAMILIES.items()):
    ax.text(-0.65, -row, name, ha="right", va="center", weight="bold", fontsize=9)
    for column, text, color in parts:
        style = {"boxstyle": "round,pad=0.35", "facecolor": color or "white", "edgecolor": "black"}
        style |= {"alpha": 0.75, "linewidth": 1.4 if color else 0.6}
        ax.text(column, -row, text, ha="center", va="center", fontsize=9, bbox=style)
        if column:
            ax.annotate("", (column - 0.4, -row), (column - 0.6, -row), arrowprops={"arrowstyle": "-|>"})
ax.set(xlim=(-2.3, 4.5), ylim=(-2.5, 0.5))
ax.axis("off")
plots.show(
    "Three rows of five boxes. GAN: noise, generator, generated or real data, discriminator, real or fake. "
    "VAE: data, encoder, code near a Gaussian, decoder, copy. Flow: data, f, z like a Gaussian, the inverse "
    "of f, exactly the data. Trained networks are coloured; in the flow both are the same one."
)

# %% [markdown]
# | | GAN (11, 12) | VAE (10) | flow |
# | --- | --- | --- | --- |
# | trained by | $\min_G \max_D$ of $-$(classification loss) | maximising the ELBO | minimising $-\log p(x)$ |
# | networks | generator, discriminator | encoder, decoder | one, invertible |
# | size of $z$ | free | free | that of $x$ |
# | a new $x$ | one pass | one pass | one pass, backwards |
# | $\log p(x)$ | none | a lower bound | exact |
# | the code of an $x$ | none (InfoGAN's $Q$: a part) | a distribution $q(z\|x)$ | exact, $f(x)$ |
# | does the loss say which of two is better? | no | yes, in nats (bounds) | yes, in nats |
# | what went wrong here | circles, collapse | codes unlike the prior | a bridge; every dimension is kept |
#
# Two of these claims can be tested in a few lines. The code of an $x$ is exact for a flow: there and back is
# $x$, but for rounding. And a new $x$ takes one pass:

# %%
z, _ = code_flows[0](valid_codes[:1000])
there_and_back = np.abs(ops.convert_to_numpy(code_flows[0].inverse(z)) - valid_codes[:1000]).max()
print(f"flow, there and back: {there_and_back:.0e}; the codes have the size {np.abs(valid_codes).max():.0f}")
for name, draw in generators.items():
    started = time.perf_counter()
    draw(1000, np.random.default_rng(1))
    print(f"{name:28} 1,000 digits in {time.perf_counter() - started:.2f} s")

# %% [markdown]
# All are quick. Not every flow is: in an *autoregressive* flow each number is changed by an amount that
# depends on all numbers before it. Such a layer is more flexible than a coupling, and its way back takes $d$
# passes, one number after the other (Papamakarios et al., 2021, is a review; the lab builds one). Most models
# of pictures that made headlines after 2021 are of a fourth family, **diffusion**: they learn to remove
# noise, as lesson 09's denoiser did, in many small steps (Ho, Jain & Abbeel, 2020). They are trained without
# an opponent, and pay with many passes for a sample.
#
# ## 9. Conclusion of the generative part
#
# Lessons 09 to 13 had one question: what is a digit? An autoencoder answers with a code, a VAE with a code
# and a prior, a GAN with samples, InfoGAN with a code that has parts, a flow with a density. What is to be
# kept beyond the digits, in part of the whole course:
#
# - **Choose by validation.** The architecture, the size of the code, the width of a kernel, the number of
#   steps: all are choices, and the best of many on *the same data* looks better than it is. Choose on
#   validation data, open the test set once. (The slides compare models "on a test sample"; where a choice is
#   made, that sample is a validation set.)
# - **Match the model to the data.** A perceptron takes a vector and loses which pixel is whose neighbour;
#   convolutions keep it. Twenty Gaussians beat a flow in the plane, ten lose in 49 dimensions, and a hundred
#   draw the better digits from the code. Put a simple model beside every network: it is the only way to know
#   what the network is for.
# - **No single number is quality.** Likelihood, confidence, the smallest class and the Fréchet distance put
#   the same generators into different orders. Say what you need, then measure that.
# - **Parts can be combined.** A code from one network is the input of another: here a flow on an
#   autoencoder's codes; the slides name codes as inputs for GANs; many of today's generators of images are
#   diffusion models on such codes (Rombach et al., 2022).
# - **There is little theory.** That a network *can* represent a function is known (Cybenko, Hornik; lesson
#   02). Why gradient descent finds a good one, and why it is good on new data, is known in parts. Hence this
#   course measures, with several seeds, and calls a guess a guess.
# - **The field changes quickly.** Between the slides (2021) and this lesson a fourth family has taken the
#   lead. What does not age: a loss that says what you want, a gradient that is checked, a baseline, honest
#   data. The rest has to be learned again and again, from papers and their code.
#
# The machines and libraries change too: large networks are trained on GPUs, in Keras, PyTorch or JAX. What
# you trained in this course, a processor without a GPU could train.
#
# Uses and misuse were discussed in lesson 11, and hold for every generator that is good enough.
#
# ## Summary
#
# - $\log p_X(x) = \log p_Z(f(x)) + \log|\det \partial f / \partial x|$. Without the determinant the total
#   mass is not 1.
# - The linear flow, trained by maximum likelihood, is the Gaussian with the sample's mean and covariance.
# - A coupling keeps a part and changes the rest by amounts that depend on the kept part: a triangular
#   Jacobian, a sum as log-determinant, an inverse in one line. Masks alternate; three fill the Jacobian.
# - Where the truth is known the gap can be measured in nats. On two moons twenty Gaussians win; on digits of
#   7×7 the flow wins by tens of nats over ten Gaussians (one training).
# - A flow is continuous and keeps what is connected: between two clouds there is a bridge, thinner with more
#   couplings.
# - Integers need dequantisation, or a density grows without limit. Bits per pixel compare all models of the
#   same integers.
# - On the codes of an autoencoder a flow generates digits; GAN, VAE and flow differ in what they can tell.
#
# **Now you:** the lab is [`../labs/13_flows.ipynb`](../labs/13_flows.ipynb).
#
# ## References
#
# - E. G. Tabak, E. Vanden-Eijnden (2010). *Density estimation by dual ascent of the log-likelihood.*
#   Communications in Mathematical Sciences 8(1), 217–233.
#   [doi:10.4310/CMS.2010.v8.n1.a11](https://doi.org/10.4310/CMS.2010.v8.n1.a11)
# - L. Dinh, D. Krueger, Y. Bengio (2015). *NICE: non-linear independent components estimation.* ICLR
#   workshop. [arXiv:1410.8516](https://arxiv.org/abs/1410.8516)
# - D. Rezende, S. Mohamed (2015). *Variational inference with normalizing flows.* ICML.
#   [arXiv:1505.05770](https://arxiv.org/abs/1505.05770)
# - L. Theis, A. van den Oord, M. Bethge (2016). *A note on the evaluation of generative models.* ICLR.
#   [arXiv:1511.01844](https://arxiv.org/abs/1511.01844)
# - L. Dinh, J. Sohl-Dickstein, S. Bengio (2017). *Density estimation using Real NVP.* ICLR.
#   [arXiv:1605.08803](https://arxiv.org/abs/1605.08803)
# - D. P. Kingma, P. Dhariwal (2018). *Glow: generative flow with invertible 1×1 convolutions.* NeurIPS.
#   [arXiv:1807.03039](https://arxiv.org/abs/1807.03039)
# - R. Cornish, A. Caterini, G. Deligiannidis, A. Doucet (2020). *Relaxing bijectivity constraints with
#   continuously indexed normalising flows.* ICML. [arXiv:1909.13833](https://arxiv.org/abs/1909.13833)
# - J. Ho, A. Jain, P. Abbeel (2020). *Denoising diffusion probabilistic models.* NeurIPS.
#   [arXiv:2006.11239](https://arxiv.org/abs/2006.11239)
# - G. Papamakarios, E. Nalisnick, D. J. Rezende, S. Mohamed, B. Lakshminarayanan (2021). *Normalizing flows
#   for probabilistic modeling and inference.* Journal of Machine Learning Research 22(57), 1–64.
#   [arXiv:1912.02762](https://arxiv.org/abs/1912.02762)
# - R. Rombach, A. Blattmann, D. Lorenz, P. Esser, B. Ommer (2022). *High-resolution image synthesis with
#   latent diffusion models.* CVPR. [arXiv:2112.10752](https://arxiv.org/abs/2112.10752)
