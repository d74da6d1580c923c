# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1}
# ---

# %% [markdown]
# # Lab 13: normalizing flows
#
# The lecture's flows are one-to-one, change one half of the numbers at a time, and begin with one Gaussian.
# Here you go one step further with each: densities through functions that lead several points to one, a
# layer whose volume you derive yourself, a layer that changes all numbers and is slow to undo, a sharper
# count of an image's bits. You mend a coupling that is right in two dimensions and wrong in three. At the
# end your functions make a flow that has no bridge between the two moons.
#
# **You need:** [the lecture](../notebooks/13_flows.ipynb), determinants, paper and pencil. About four
# hours. The letters are those of the [notation](../notebooks/01_neurons.ipynb#Notation) and of the lecture:
# $z = f(x)$ leads from the data to the noise, and a layer returns the pair `(z, log_det)`, where `log_det`
# has one number for each row of `x`: $\log |\det \partial z / \partial x|$.

# %%
from nnlabs import data, plots, runtime, training
from nnlabs.checks import flows as check

budget = runtime.setup(seed=1)

# %%
from itertools import pairwise

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.datasets import make_moons

# %% [markdown]
# ## 1. Several ways to one value
#
# $z$ is random with the density $p_Z$, and $y = F(z)$. If $F$ rises or falls everywhere, there is one $z$
# for each $y$. The square is not like this: both 2 and −2 lead to 4. Then each way to $y$ is a *branch*
# with an inverse $g_b$ of its own, and all of them together give
#
# $$p_Y(y) = \sum_b p_Z(g_b(y)) \, |g_b'(y)|.$$
#
# `branches` is a list of pairs of functions $(g_b, g_b')$, `base` is the function $p_Z$; each takes an
# array and returns one of the same shape. Return $p_Y$ at each entry of `y`.
#
# <details><summary>Hint</summary>
#
# A loop over the pairs, and a sum. What does a falling branch do to the sign?
#
# </details>


# %% exercise="density"
def density(y, base, branches):
    """Return the density at each y; branches is a list of pairs (inverse, its derivative)."""
    ### BEGIN SOLUTION
    return sum(base(inverse(y)) * np.abs(derivative(y)) for inverse, derivative in branches)
    ### END SOLUTION


# %% check="density" points=2
density = check.density(density)

# %% [markdown]
# Two uses. The square of a normal number: a **chi-squared** density if the mean is 0, here it is 0.7. And a
# *direction*: an angle is a number of which full turns are dropped, $y = z \bmod 2\pi$, so $y$, $y + 2\pi$,
# $y - 2\pi, \dots$ all look the same. **Before you run the next cell:** what does the first density do near
# 0?

# %%
rng = np.random.default_rng(1)
square = [(np.sqrt, lambda y: 0.5 / np.sqrt(y)), (lambda y: -np.sqrt(y), lambda y: -0.5 / np.sqrt(y))]
turns = [(lambda y, k=k: y + 2 * np.pi * k, np.ones_like) for k in range(-3, 4)]
bases = norm(0.7, 1), norm(5, 1.3)
draws = [base.rvs(100_000, random_state=rng) for base in bases]
y_square, y_turn = (np.linspace(0, end, 401)[:-1] + end / 800 for end in (6, 2 * np.pi))
p_square, p_turn = density(y_square, bases[0].pdf, square), density(y_turn, bases[1].pdf, turns)
area = p_turn.sum() * (y_turn[1] - y_turn[0])
print(f"area below the density of the direction: {area:.6f}")
assert abs(area - 1) < 1e-6

# %%
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
pictures = (
    (y_square, p_square, draws[0] ** 2, "y = z²"),
    (y_turn, p_turn, draws[1] % (2 * np.pi), "y = z mod 2π"),
)
for ax, (y, p, drawn, name) in zip(axes, pictures, strict=True):
    bins = np.linspace(0, y[-1], 61)
    counts = np.histogram(drawn, bins)[0] / len(drawn) / bins[1]
    ax.stairs(counts, bins, fill=True, color=plots.COLORS[5], label="100,000 draws")
    ax.plot(y, p, color=plots.COLORS[1], label="your density")
    ax.set(title=name, xlabel="y", ylabel="density", ylim=(0, 1.2 * counts.max()))
    ax.legend()
plots.show("Two histograms with the density drawn over each: both fit. The left one rises steeply towards 0.")

# %% [markdown]
# It grows without bound, since the slope of the root does; the area is finite all the same. A density is no
# probability, and a flow's log-likelihood has no upper limit: where data lie exactly on a line or on a few
# values, a flow can raise it for ever. (This is why pixels get noise, in exercise 4.)
#
# ## 2. Find the fault: right in two dimensions
#
# A coupling without a mask: the places 0, 2, 4 … of `x` are kept and 1, 3, 5 … are changed; with `swap` it
# is the reverse. `net` takes the kept numbers $(n, d_1)$ and returns $(n, 2 d_2)$ for the $d_2$ numbers to
# be changed: first all the $s$, then all the $t$. A changed number becomes $x \exp(s) + t$. With `inverse`
# the same function goes the way back. A friend wrote it, for NumPy:


# %%
def faulty_coupling(x, net, swap, inverse=False):
    kept, changed = x[:, ::2], x[:, 1::2]
    if swap:
        kept, changed = changed, kept
    s, t = np.split(net(kept), 2, axis=1)
    if inverse:
        changed, log_det = (changed - t) * np.exp(-s), -s.mean(axis=1)
    else:
        changed, log_det = changed * np.exp(s) + t, s.mean(axis=1)
    if swap:
        kept, changed = changed, kept
    return np.concatenate([kept, changed], axis=1), log_det


# %% [markdown]
# The test needs no look at the code. There and back must be where it began, and the log-determinant must be
# that of the Jacobian, here from differences:


# %%
def log_det_by_differences(f, x, step=1e-5):
    """Return log|det df/dx| at one point x (d,), of a function f of rows."""
    nearby = step * np.eye(len(x))
    return np.linalg.slogdet((f(x + nearby) - f(x - nearby)) / (2 * step))[1]


def network(kept, changed, rng):
    """Return a random network (n, kept) -> (n, 2 changed)."""
    weights, biases = rng.normal(size=(kept, 2 * changed)), rng.normal(size=2 * changed)
    return lambda h: np.tanh(h @ weights + biases)


# %%
def test_it(coupling):
    print(" d   swap   there and back   error of log_det")
    for d in (2, 3, 5):
        for swap in (False, True):
            rng = np.random.default_rng(d)
            x, kept = rng.normal(size=(6, d)), len(range(int(swap), d, 2))
            net = network(kept, d - kept, rng)
            z, log_det = coupling(x, net, swap)
            back = coupling(z, net, swap, inverse=True)[0] - x

            def forward(x, net=net, swap=swap):
                return coupling(x, net, swap)[0]

            error = log_det - [log_det_by_differences(forward, row) for row in x]
            print(f"{d:2}   {swap!s:5} {np.abs(back).max():14.0e} {np.abs(error).max():18.0e}")


test_it(faulty_coupling)

# %% [markdown]
# Perfect for $d = 2$. Two faults show with the third dimension. Write `coupling` as it should be: it
# returns `(z, log_det)`, where `log_det` $(n,)$ belongs to the way that was gone. The numbers of `z` stand
# at the same places as those of `x`, and `x` itself stays as it was.
#
# <details><summary>Hint</summary>
#
# Follow the row (1, 2, 3, 4) through the function with a `net` that returns zeros. What comes out?
#
# </details>
# <details><summary>A further hint</summary>
#
# An array can be filled at every second place: `z[:, 1::2] = …`. For the second fault: which number of an
# array of length 1 is its sum, which its mean?
#
# </details>


# %% exercise="coupling"
def coupling(x, net, swap, inverse=False):
    """Return (z, log_det) of the coupling, or with inverse=True of the way back; x is (n, d), d > 1."""
    ### BEGIN SOLUTION
    keeps, changes = np.arange(x.shape[1])[int(swap) :: 2], np.arange(x.shape[1])[int(not swap) :: 2]
    s, t = np.split(net(x[:, keeps]), 2, axis=1)
    z = x.astype(float)
    z[:, changes] = (z[:, changes] - t) * np.exp(-s) if inverse else z[:, changes] * np.exp(s) + t
    return z, np.sum(-s if inverse else s, axis=1)
    ### END SOLUTION


# %% check="coupling" points=3
coupling = check.coupling(coupling)

# %%
test_it(coupling)

# %% [markdown]
# A flow with the first fault still trains: the scrambled numbers only go elsewhere. Its samples are wrong,
# and the loss does not tell. Pictures in the plane cannot show it; a test in 3 and 5 dimensions takes a
# second.
#
# ## 3. Derive it: the volume of a radial layer
#
# A coupling has a triangular Jacobian. Here is a layer whose Jacobian is full, and its determinant is
# simple all the same (Rezende & Mohamed, 2015). It pushes all points away from a centre $q$, or pulls them
# to it:
#
# $$z = x + \beta \, h(r) \, (x - q), \qquad r = |x - q|, \qquad h(r) = \frac{1}{\alpha + r}, \qquad
# \alpha > 0,\; \beta > -\alpha.$$
#
# With paper and pencil, derive $\log \det \partial z / \partial x$ for any dimension $d \ge 1$. Then return
# the pair `(z, log_det)` for $n$ points `x` $(n, d)$ and a centre $(d,)$. No loop over dimensions and no
# determinant by a library is needed; $r$ may be 0.
#
# <details><summary>Hint</summary>
#
# Let $v = x - q$. The slope of $r$ by $x$ is $v / r$. Write the Jacobian as a multiple of the identity plus
# a multiple of the matrix $v v^T$.
#
# </details>
# <details><summary>A further hint</summary>
#
# A determinant is the product of the eigenvalues. What does your matrix do to $v$? What does it do to a
# vector at right angles to $v$, and how many of these are there?
#
# </details>


# %% exercise="radial"
def radial(x, centre, alpha, beta):
    """Return (z, log_det) of the radial layer: z (n, d) and log_det (n,) for x (n, d)."""
    ### BEGIN SOLUTION
    r = np.linalg.norm(x - centre, axis=1)
    across = 1 + beta / (alpha + r)
    along = 1 + alpha * beta / (alpha + r) ** 2  # 1 + beta h + beta h' r
    z = x + (across - 1)[:, None] * (x - centre)
    return z, (x.shape[1] - 1) * np.log(across) + np.log(along)
    ### END SOLUTION


# %% check="radial" points=4
radial = check.radial(radial)

# %% [markdown]
# What is it good for? Let $z$ be normal: then $\log p(x) = \log N(z; 0, I) + \log \det$. **Before you run
# the next cell:** with $\beta = -0.95\,\alpha$, what is the density at the centre? And with $\beta =
# 4\,\alpha$?

# %%
axis = np.linspace(-6, 6, budget.pick(smoke=61, cpu=181))
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
centre = np.array([0.5, 0.3])
_, axes = plt.subplots(1, 3, figsize=(9, 3))
for ax, beta in zip(axes, (0, -0.95, 4), strict=True):
    z, log_det = radial(grid, centre, 1.0, beta)
    p = np.exp(norm.logpdf(z).sum(axis=1) + log_det).reshape(len(axis), -1)
    mass = p.sum() * (axis[1] - axis[0]) ** 2
    print(f"beta {beta:5}: mass on the grid {mass:.4f}, largest density {p.max():.3f}")
    ax.contourf(axis, axis, p**0.5, levels=12, cmap="viridis")
    ax.plot(*centre, "+", color="white", markersize=10)
    ax.set(title=f"β = {beta} α", xlabel="$x_1$", ylabel="$x_2$", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    ax.grid(visible=False)
plots.show(
    "Three densities in the plane, with the centre marked: a round hill; a crescent around a hole at the "
    "centre; a narrow peak at the centre."
)

# %% [markdown]
# (The colours show the root of the density, each panel on a scale of its own.) The volume at the centre is
# multiplied by $(1 + \beta/\alpha)^d$: by $0.05^2$, which leaves a hole, or by $5^2$, a peak. The total
# mass is still 1. One radial layer has $d + 2$ parameters and makes one hole or one peak; a flow needs many.
# The log-determinant in 1, 2, 3 and 7 dimensions:

# %%
for d in (1, 2, 3, 7):
    x, centre = np.random.default_rng(d).normal(size=(2, d))
    numeric = log_det_by_differences(lambda x, centre=centre: radial(x, centre, 1.0, -0.8)[0], x)
    print(f"d = {d}: yours {radial(x[None], centre, 1.0, -0.8)[1][0]:.6f}, by differences {numeric:.6f}")

# %% [markdown]
# ## 4. The bits of an image, more sharply
#
# A pixel is a whole number $0, 1, \dots, V - 1$, and a flow has a density of real numbers. The lecture adds
# one draw of noise to each image. The exact probability of an image $x$ of $d$ pixels is the integral of
# the density over its box of side $1/V$, in other words
#
# $$P(x) = V^{-d}\; \mathbb{E}_u \left[\, p\!\left(\frac{x + u}{V}\right) \right], \qquad u \sim U[0, 1)^d,$$
#
# where $p$ is a density on $[0, 1]^d$. One draw of $\log p$ is right only as a bound: the mean of a
# logarithm lies below the logarithm of the mean. With $k$ draws (lesson 10 did this with its codes) the
# bound is closer:
#
# $$\log P(x) \approx \log \left( \frac1k \sum_{l=1}^{k} p\!\left(\frac{x + u_l}{V}\right) \right) - d
# \log V.$$
#
# `log_p` takes $(n, d)$ values in $[0, 1)$ and returns $n$ numbers, in nats. `images` is $(n, d)$, of whole
# numbers; `levels` is $V$; `noise` is $(k, n, d)$. Return the **bits per pixel**, one number: the mean over
# the images of $-\log_2 P(x) / d$. Log densities of many pixels can be $-1000$ or $1000$.
#
# <details><summary>Hint</summary>
#
# First an array $(k, n)$ of log densities. Over which axis is the mean of the draws?
#
# </details>
# <details><summary>A further hint</summary>
#
# $\exp(-1000)$ is 0 for a computer. `scipy.special.logsumexp` (imported above) takes `axis=`; what is
# missing to make a mean of its sum? One bit is $\log 2$ nats.
#
# </details>


# %% exercise="bits-per-pixel"
def bits_per_pixel(log_p, images, levels, noise):
    """Return the mean bits per pixel (one number) of images (n, d), with k draws of noise (k, n, d)."""
    ### BEGIN SOLUTION
    d = images.shape[1]
    nats = logsumexp([log_p((images + u) / levels) for u in noise], axis=0) - np.log(len(noise))
    return np.mean(d * np.log(levels) - nats) / d / np.log(2)
    ### END SOLUTION


# %% check="bits-per-pixel" points=3
bits_per_pixel = check.bits_per_pixel(bits_per_pixel)

# %% [markdown]
# Three models of the small digits ($8 \times 8$ pixels, 17 levels). The first knows nothing. The second has
# a histogram for each pixel and no flow: its probabilities are exact. The third is the lecture's linear
# flow, a Gaussian with full covariance, of the logits. **Before you run the next cells:** what does the
# first one need, in bits per pixel? And does the third one need more or fewer bits when $k$ grows?

# %%
digits = data.digits()
train, test = (x.reshape(len(x), -1).astype(int) for x in (digits.x_train, digits.x_test))
print("images", train.shape, test.shape, "levels", np.unique(train).size)


def logits(y, alpha=0.01):
    """Return the logits of alpha + (1 - 2 alpha) y and the log-determinant of this map."""
    v = alpha + (1 - 2 * alpha) * y
    return np.log(v / (1 - v)), np.sum(np.log((1 - 2 * alpha) / (v * (1 - v))), axis=1)


# %%
rng = np.random.default_rng(1)
a, _ = logits((np.tile(train, (5, 1)) + rng.random((5 * len(train), 64))) / 17)
gaussian = multivariate_normal(a.mean(axis=0), np.cov(a.T) + 0.01 * np.eye(64))


def log_p(y):
    a, log_det = logits(y)
    return gaussian.logpdf(a) + log_det


# %%
noise = rng.random((budget.pick(smoke=16, cpu=256), *test.shape))
counts = 1 + np.array([np.bincount(pixel, minlength=17) for pixel in train.T])  # no level has 0
share = counts / counts.sum(axis=1, keepdims=True)
nothing = bits_per_pixel(lambda y: np.zeros(len(y)), test, 17, noise[:1])
print(f"nothing known        {nothing:.4f} bits per pixel; log2(17) = {np.log2(17):.4f}")
print(f"a histogram a pixel  {-np.mean(np.log2(share[np.arange(64), test])):.4f}")
bits = {k: bits_per_pixel(log_p, test, 17, noise[:k]) for k in (1, 4, 16, 64, 256)}
for k, value in bits.items():
    print(f"linear flow, k = {k:3} {value:.4f}")
assert np.isclose(nothing, np.log2(17))
assert bits[1] > bits[4] > bits[16]

# %% [markdown]
# $\log_2 17$ to the last digit: a test for any such function. And fewer with $k$, as a bound gets closer;
# the model is the same in each line. A paper that reports $k = 1$ and one that reports $k = 256$ cannot be
# compared.
#
# ## 5. Who may see whom
#
# A coupling changes half of the numbers. An **autoregressive** layer changes all of them (Papamakarios et
# al., 2017): $z_i = x_i \exp(s_i) + t_i$, where $s_i$ and $t_i$ depend on $x_1, \dots, x_{i-1}$, all of
# them and no others. The Jacobian is triangular again, and the log-determinant $\sum_i s_i$. One ordinary
# network can compute all $s_i$ at once if some of its weights are forbidden (MADE; Germain et al., 2015):
# each matrix $W^{(k)}$ is multiplied, entry by entry, by a *mask* of zeros and ones, and the next layer
# computes `h @ (W * mask)`.
#
# Return the list of the masks for $d \ge 2$ inputs, hidden layers of the given `widths` (each at least $d -
# 1$) and $d$ outputs: `len(widths) + 1` arrays, of the shapes (inputs of the layer, outputs of the layer),
# such that
#
# - a path of ones leads from input $j$ to output $i$ if and only if $j < i$;
# - no hidden neuron is idle: each is reached from some input and reaches some output.
#
# There are several right answers.
#
# <details><summary>Hint</summary>
#
# Give each hidden neuron a number $a$, and let it know of $x_1, \dots, x_a$ only. Which neurons of the next
# layer may listen to it? Which outputs may?
#
# </details>
# <details><summary>A further hint</summary>
#
# Which numbers $a$ are of use: is there an output for a neuron that knows all inputs? And each useful
# number must occur in each layer: `np.arange(width) % …`. A comparison `a[:, None] <= b` gives a matrix.
#
# </details>


# %% exercise="masks"
def masks(d, widths):
    """Return the masks, a list of len(widths) + 1 arrays of 0 and 1, of an autoregressive network."""
    ### BEGIN SOLUTION
    knows = [np.arange(d)]
    for width in widths:
        knows.append(np.arange(width) % (d - 1))
    passes = [b >= a[:, None] for a, b in pairwise(knows)]
    passes.append(np.arange(d) > knows[-1][:, None])
    return [mask.astype("float32") for mask in passes]
    ### END SOLUTION


# %% check="masks" points=4
masks = check.masks(masks)

# %% [markdown]
# With your masks, the layer in Keras. Its network returns the pair $(s, t)$, each $(n, d)$; $s$ is bounded
# by $\tanh$, and the last weights begin with zeros, as in the lecture: at the start the layer is the
# identity. `call` returns $z$ with its columns in *reverse* order, so that the next layer begins with the
# other end. (What does this do to the determinant? It changes its sign at most.)


# %%
class Autoregressive(layers.Layer):
    """z = x exp(s) + t, column by column, then the columns in reverse order."""

    def __init__(self, d, widths):
        super().__init__()
        *hidden, last = masks(d, widths)
        self.masks = [np.asarray(mask, "float32") for mask in (*hidden, np.hstack([last, last]))]
        self.kernels = [self.add_weight(shape=mask.shape) for mask in self.masks]
        self.biases = [self.add_weight(shape=mask.shape[1:], initializer="zeros") for mask in self.masks]
        self.kernels[-1].assign(np.zeros(self.masks[-1].shape))

    def network(self, h):
        for k, mask in enumerate(self.masks):
            h = ops.matmul(h if k == 0 else ops.relu(h), self.kernels[k] * mask) + self.biases[k]
        s, t = ops.split(h, 2, axis=1)
        return 2 * ops.tanh(s / 2), t

    def call(self, x):
        s, t = self.network(x)
        return (x * ops.exp(s) + t)[:, ::-1], ops.sum(s, axis=1)


# %% [markdown]
# **Before you run the next cells:** which entries of $\partial t / \partial x$ are zero, for $d = 6$? And
# which are zero in $\partial z / \partial x$ after *two* such layers?


# %%
def random_layer(d, widths, seed):
    layer, rng = Autoregressive(d, widths), np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) / np.sqrt(weight.shape[0]))
    return layer


def in_numpy(layer):
    """Return the layer's network as a function of NumPy arrays."""
    return lambda x: [ops.convert_to_numpy(part) for part in layer.network(ops.cast(x, "float32"))]


# %%
def jacobian(f, x, step=0.1):
    """Return the slopes at a point x (d,), outputs x inputs, of a function of rows."""
    nearby = step * np.eye(len(x))
    return ((f(x + nearby) - f(x - nearby)) / (2 * step)).T


def two_layers(x):
    for _ in range(2):
        x = ops.convert_to_numpy(layer(ops.cast(x, "float32"))[0])
    return x


layer, x = random_layer(6, [64, 64], seed=3), np.random.default_rng(3).normal(size=6)
tables = {
    "t by x": jacobian(lambda x: in_numpy(layer)(x)[1], x),
    "z by x, two layers": jacobian(two_layers, x),
}
print("zeros:", *[f"{name} {np.sum(np.abs(table) < 1e-6)}" for name, table in tables.items()])

# %%
_, axes = plt.subplots(1, 2, figsize=(6.6, 3))
for ax, (name, matrix) in zip(axes, tables.items(), strict=True):
    size = np.abs(matrix) > 1e-6
    ax.imshow(np.where(size, np.sqrt(np.abs(matrix)), np.nan), cmap="viridis")
    for row, column in np.argwhere(~size):
        ax.text(column, row, "0", ha="center", va="center")
    ax.set(title=name, xlabel="input", ylabel="output", xticks=range(6), yticks=range(6))
    ax.grid(visible=False)
plots.show("Two tables of six by six. Left, zeros on and above the diagonal. Right, no zero.")
assert not np.triu(tables["t by x"]).any()
assert np.all(tables["z by x, two layers"])

# %% [markdown]
# Left, a triangle: each output sees the inputs before it. Right, after two layers, one of which works in
# reverse order, each output depends on each input.
#
# ## 6. The slow way back
#
# From $x$ to $z$ takes one call of the network. Back, from $z$ to $x$, there is a difficulty: $s$ and $t$
# are functions of the $x$ that is wanted. But $s_1$ and $t_1$ are constants, $s_2$ and $t_2$ depend on
# $x_1$ alone, …
#
# `net` takes an array $(n, d)$ and returns the pair $(s, t)$ of arrays $(n, d)$; column $i$ of both depends
# on the columns of its argument before $i$ (and is a constant for the first one). `z` is $(n, d)$, without
# reversed columns. Return the pair of `x` $(n, d)$ and `log_det` $(n,)$, that of the way back.
#
# <details><summary>Hint</summary>
#
# Begin with an `x` of zeros, and fill it column by column. What is in the columns that are not known yet
# does no harm.
#
# </details>
# <details><summary>A further hint</summary>
#
# How often do you have to ask `net` anew? For the log-determinant: those of a map and of its inverse, at
# corresponding points, differ in their sign.
#
# </details>


# %% exercise="invert"
def invert(z, net):
    """Return (x, log_det): the x with x * exp(s) + t = z, (s, t) = net(x); log_det (n,) of z -> x."""
    ### BEGIN SOLUTION
    x = np.zeros(z.shape)
    for i in range(z.shape[1]):
        s, t = net(x)
        x[:, i] = (z[:, i] - t[:, i]) / np.exp(s[:, i])
    return x, -np.sum(s, axis=1)
    ### END SOLUTION


# %% check="invert" points=3
invert = check.invert(invert)

# %% [markdown]
# There and back through one layer, for more and more numbers. **Before you run the next cell:** how many
# calls of the network does an image of $28 \times 28$ pixels take, there and back?


# %%
def counting(net, calls):
    """Return net, which now adds to the list calls at each call."""
    return lambda x: calls.append(1) or net(x)


for d in (2, 8, 32):
    layer, calls = random_layer(d, [64], seed=d), []
    x = np.random.default_rng(1).normal(size=(100, d)).astype("float32")
    z, log_det = map(ops.convert_to_numpy, layer(x))
    back, log_det_back = invert(z[:, ::-1], counting(in_numpy(layer), calls))
    errors = np.abs(back - x).max(), np.abs(log_det + log_det_back).max()
    print(f"d = {d:2}: {len(calls):2} calls, largest error of x {errors[0]:.0e}, of log_det {errors[1]:.0e}")

# %% [markdown]
# One call there, 784 back, for each layer. So this flow gives likelihoods quickly and samples slowly; if
# the direction is exchanged, it is the reverse (*inverse autoregressive flow*). A coupling does both in one
# call and pays with layers that change half of the numbers. The errors are of the size that float32 can
# tell.
#
# ## 7. A base of several Gaussians
#
# The lecture's flow has a bridge between the moons: it bends one connected hill, and a function without
# jumps cannot tear it. What if the noise itself has several hills? Take as the base an equal mixture of $K$
# normal densities with the means $\mu_1, \dots, \mu_K$ and the identity as covariance (Izmailov et al.,
# 2020). The whole flow standardises the data, $(x - b) / \sigma$ in each column, then come the layers, and
# in the end
#
# $$\log p(x) = \log \left( \frac1K \sum_{c=1}^{K} N(z; \mu_c, I) \right)
# + \sum_{\text{all layers, the standardising too}} \log |\det|.$$
#
# Return $\log p(x)$, $n$ numbers, for the data `x` $(n, d)$ as they are. `layers` is a list of functions
# (Keras layers are such) that return `(z, log_det)`; it may be empty. `means` is $(K, d)$; `shift` and
# `scale` are $b$ and $\sigma$, both $(d,)$. Use `keras.ops`: Keras must find the slopes. In float32, a
# point at a distance of 20 from all the means must have its right density too, not $\log 0$.
#
# <details><summary>Hint</summary>
#
# Three parts, one after the other: the standardising and its log-determinant; a loop over the layers; the
# base. For the base you need an array $(n, K)$ of squared distances: `z[:, None] - means` has the shape
# $(n, K, d)$.
#
# </details>
# <details><summary>A further hint</summary>
#
# `ops.logsumexp(a, axis=1)` is $\log \sum \exp$ without underflow. What is the logarithm of $N(z; \mu, I)$
# in $d$ dimensions? And of what is $1 / \sigma_j$ the slope?
#
# </details>


# %% exercise="log-density"
def log_density(x, layers, means, shift, scale):
    """Return log p(x), a tensor (n,), of the flow with a base of K Gaussians, by keras.ops."""
    ### BEGIN SOLUTION
    z = (x - shift) / scale
    log_dets = -ops.sum(ops.log(scale))
    for layer in layers:
        z, log_det = layer(z)
        log_dets = log_dets + log_det
    distances = ops.sum((z[:, None] - means) ** 2, axis=-1)
    constant = np.log(len(means)) + len(scale) / 2 * np.log(2 * np.pi)
    return ops.logsumexp(-distances / 2, axis=1) - constant + log_dets
    ### END SOLUTION


# %% check="log-density" points=4
log_density = check.log_density(log_density)

# %% [markdown]
# ### Two moons, two hills
#
# The lecture's moons and their true density, but thinner: the noise is 0.05 in place of 0.1, so that there is
# next to nothing between them. This choice makes the effect easy to see. With 0.1 some of the data lie
# between the moons themselves, so a bridge is partly right, and the two bases below differ much less: when
# this lab was written, two Gaussians left fewer points there with two seeds of three, more with the third.
#
# The lecture counted what is off the moons. Here we count what is in the **valley** between them, where a
# bridge must be: points that are about as far from one half circle as from the other.

# %%
NOISE = 0.05
angle = np.linspace(0, np.pi, 401)
upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
arcs = np.concatenate([upper, [1, 0.5] - upper])


def squares(x):
    """Return the squared distances (n, 802) to points of the two half circles."""
    return np.sum((x[:, None] - arcs) ** 2, axis=2)


def true_log_density(x):
    return logsumexp(-squares(x) / (2 * NOISE**2), axis=1) - np.log(len(arcs) * 2 * np.pi * NOISE**2)


def in_the_valley(x):
    """Return the share of the points whose distances to the two half circles differ by less than 0.1."""
    distances = np.sqrt(squares(x).reshape(len(x), 2, -1).min(axis=2))
    return np.mean(np.abs(distances[:, 0] - distances[:, 1]) < 0.1)


# %%
moons, test_moons = (make_moons(n, noise=NOISE, random_state=n)[0].astype("float32") for n in (20_000, 4000))
shift, scale = moons.mean(axis=0), moons.std(axis=0)
truth = true_log_density(test_moons).mean()
print(f"true density: {truth:.3f} nats; test points in the valley: {in_the_valley(test_moons):.2%}")

# %% [markdown]
# Six of your autoregressive layers, and your log density as what is to be made large:


# %%
class Flow(keras.Model):
    def __init__(self, means):
        super().__init__()
        self.means = np.array(means, "float32")
        self.steps = [Autoregressive(2, [32, 32]) for _ in range(6)]

    def call(self, x):
        return log_density(x, self.steps, self.means, shift, scale)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return -ops.mean(y_pred)

    def sample(self, n, rng):
        """Return samples (n, 2), and from which Gaussian each of them came."""
        source = rng.integers(len(self.means), size=n)
        z = self.means[source] + rng.normal(size=(n, 2))
        for layer in reversed(self.steps):
            z, _ = invert(z[:, ::-1], in_numpy(layer))
        return z * scale + shift, source


# %% [markdown]
# Two bases: one Gaussian, and two that stand as the moons do, one at the upper left and one at the lower
# right. All else is the same: layers, steps, data, and the three seeds. (The places of the means were
# chosen by looking at the data; "going further" learns them.) **Before you run the next cells, what do you
# expect** of the gap to the truth, and of the share of samples in the valley?

# %%
BASES = {"one Gaussian": [[0, 0]], "two Gaussians": [[-2.5, 2.5], [2.5, -2.5]]}


def trained(means, seed):
    keras.utils.set_random_seed(seed)
    flow, steps = Flow(means), budget.pick(smoke=5, cpu=2500)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
    flow.compile(optimizer=keras.optimizers.Adam(learning_rate=rate, clipnorm=1.0))
    batches = training.minibatches(moons, 256, seed=seed)
    flow.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
    return flow


# %%
trained_flows, table = {}, {}
for name, means in BASES.items():
    for seed in range(1, 1 + budget.pick(smoke=1, cpu=3)):
        flow = trained_flows[name, seed] = trained(means, seed)
        gap = truth - ops.convert_to_numpy(flow(test_moons)).mean()
        samples, _ = flow.sample(4000, np.random.default_rng(seed))
        table.setdefault(name, []).append([gap, in_the_valley(samples)])
print("base           gap in nats, each seed    in the valley, each seed")
for name, rows in table.items():
    gaps, shares = np.transpose(rows)
    print(f"{name:14}", *[f"{gap:7.3f}" for gap in gaps], "  ", *[f"{share:7.2%}" for share in shares])

# %%
mean = {name: np.mean(rows, axis=0) for name, rows in table.items()}
runtime.result("lab_moons_gap_two_gaussians", mean["two Gaussians"][0], at_most=0.05)
runtime.result("lab_moons_valley_two_gaussians", mean["two Gaussians"][1], at_most=0.005)
if budget.name == "cpu":
    assert np.all(mean["one Gaussian"] > mean["two Gaussians"])

# %% [markdown]
# Look at the bridge itself. Above, the logarithm of the densities; below, data and samples, which are
# marked by the Gaussian that they came from.

# %%
axes_of_grid = np.linspace(-1.6, 2.6, 106), np.linspace(-1.1, 1.6, 68)
points = np.stack(np.meshgrid(*axes_of_grid), axis=-1).reshape(-1, 2).astype("float32")
shown = [trained_flows[name, 1] for name in BASES]
densities = [true_log_density(points), *[ops.convert_to_numpy(flow(points)) for flow in shown]]
drawn = [
    (test_moons, np.zeros(len(test_moons), int)),
    *[f.sample(800, np.random.default_rng(7)) for f in shown],
]
samples, source = drawn[-1]
on_upper = squares(samples).argmin(axis=1) < len(upper)
print(
    "nearest to the upper moon:", *[f"{np.mean(on_upper[source == c]):.1%} of Gaussian {c}" for c in (0, 1)]
)

# %%
_, axes = plt.subplots(2, 3, figsize=(8.4, 4.2), sharex=True, sharey=True)
titles = "truth", "one Gaussian", "two Gaussians"
for (above, below), title, log_p, (x, source) in zip(axes.T, titles, densities, drawn, strict=True):
    levels = np.arange(-8, 2, 2)
    above.contourf(*axes_of_grid, log_p.reshape(68, 106).clip(-8), levels, cmap="viridis", extend="max")
    for c, marker in enumerate("ox"[: 1 + source.max()]):
        style = {"s": 6, "linewidths": 0.5, "facecolors": "none" if marker == "o" else None}
        below.scatter(*x[:800][source[:800] == c].T, marker=marker, color=plots.COLORS[c], **style)
    above.set(title=title)
    below.set(xlabel="$x_1$")
    above.grid(visible=False)
for ax in axes[:, 0]:
    ax.set(ylabel="$x_2$", xlim=(-1.6, 2.6), ylim=(-1.1, 1.6))
plots.show(
    "Log densities and samples. One Gaussian: the two moons are joined by a thin bridge, with samples on it. "
    "Two Gaussians: two separate moons, each with the samples of one Gaussian."
)

# %% [markdown]
# **Look at** the middle column: where does the bridge leave one moon, and where does it meet the other? In
# the right column each Gaussian has taken one moon, and nobody told the flow which point belongs to which.
# Something is left in the valley. (A guess: six layers with a bounded $s$ can squeeze the space between the
# two hills only so far. How would you test it?) The number of pieces, and about where they are, is *knowledge
# about the data* that was put into the base. Layers without jumps cannot make it.
#
# ## Open questions

# %% [markdown] question="likelihood-and-samples" points=3
# **Question.** On the codes of section 7 of the lecture a flow has a higher likelihood than 100 Gaussians,
# and a worse Fréchet distance. A GAN has fine samples and no likelihood at all. How can a model have a
# likelihood close to the best, and 99 samples of 100 that are noise? (Mix two densities: $q(x) = 0.01\,
# p(x) + 0.99\, r(x)$, where $p$ is perfect and $r$ is noise, on images with 784 pixels.) How can samples be
# perfect and the likelihood $-\infty$? What would you measure, for which use of a model?
#
# <!-- BEGIN SOLUTION -->
# $\log q(x) \ge \log p(x) + \log 0.01$, so the mixture loses at most 4.6 nats an image, of hundreds or
# thousands: 0.008 bits per pixel. And 99 of its samples of 100 are noise. The likelihood asks whether the
# density is high where the *data* are; samples show where else it is high, which costs little likelihood in
# many dimensions. The reverse: a model that repeats its training images has perfect samples, and density 0
# at every other image. A GAN's samples lie on a surface of as many dimensions as its code has; test images
# lie beside it, where the density is 0. So neither stands for the other (Theis et al., 2016). For
# compression or for comparing hypotheses, take the likelihood in bits per pixel with the same levels and
# the same count of draws; for pictures, the yardstick with its share of confident samples, its classes and
# its distance, and the nearest training images beside the samples; for what comes after (features,
# detection), the error of that task.
# <!-- END SOLUTION -->

# %% [markdown] question="unusual" points=2
# **Question.** A hospital has a flow that was trained on X-ray images of the chest. Somebody proposes: "An
# image whose $\log p(x)$ is low is unusual; a person should look at it." Why can this fail, even if the
# flow is perfect? (Where is the density of $N(0, I)$ in 784 dimensions highest, and where are its samples?
# What is $\log p$ of a black image?) How would you test the proposal before it is used, and what could be
# better?
#
# <!-- BEGIN SOLUTION -->
# In many dimensions the place with the highest density is not typical: the density of $N(0, I)$ is highest
# at 0, and samples have a length near $\sqrt{784} = 28$. So an empty or very smooth image can have a
# *higher* density than any real one: real flows trained on photographs gave house numbers, which they had
# never seen, a higher likelihood than the photographs (Nalisnick et al., 2019). Also a density depends on
# the units: logits instead of pixels order the images in another way. The test: images that are known to be
# unusual in the ways that matter (other parts of the body, tumours, an empty plate, another scanner), none
# of which was used for a choice; report how many are found at a fixed number of false alarms, beside simple
# scores (mean grey, compressed size, distance to the nearest training image). Better: a test from both
# sides (unusually low *or* high), the ratio to a second model that knows images in general, or a classifier
# trained on what is to be found, if examples exist. And the danger remains that the detector is silent
# about a kind of error that nobody has tested.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Other places.** Put the two means side by side, at $(\pm 2.5, 0)$, or on the other diagonal. Is the
#   gap as small, and does each Gaussian still take one moon? Three seeds each.
# - **Learned means.** Make `means` a weight of `Flow`. Where do they go from $(\pm 0.5, 0)$? And with eight
#   Gaussians on `data.eight_gaussians`?
# - **With labels.** Give `log_density` the class of each point, and to each class one mean: $\log p(x \mid
#   c)$. Then Bayes' rule makes the flow a classifier. With ten labels and many points without one, this is
#   semi-supervised.
# - **Digits.** An autoregressive flow of the 64 logits of exercise 4 against the linear flow: how many bits
#   per pixel? Choose the number of layers on a part of the training digits; there are only 1,433.
# - **Many radial layers.** Write `radial` with `keras.ops`, with learned centres, $\alpha = e^a$ and $\beta
#   = -\alpha + e^b$, and fit the moons with 32 of them. How far do you get? And why can such a flow not be
#   sampled easily?
# - **Learned noise.** Flow++ (Ho et al., 2019) learns from which density $u$ is drawn, one for each image.
#   Which of the draws of exercise 4 count most? Give these more draws and correct for it.
# - **The other direction.** Train an inverse autoregressive flow on the moons. What is slow now?
#
# **References.**
#
# - D. J. Rezende, S. Mohamed (2015). *Variational inference with normalizing flows.* ICML.
#   [arXiv:1505.05770](https://arxiv.org/abs/1505.05770)
# - M. Germain, K. Gregor, I. Murray, H. Larochelle (2015). *MADE: masked autoencoder for distribution
#   estimation.* ICML. [arXiv:1502.03509](https://arxiv.org/abs/1502.03509)
# - G. Papamakarios, T. Pavlakou, I. Murray (2017). *Masked autoregressive flow for density estimation.*
#   NeurIPS. [arXiv:1705.07057](https://arxiv.org/abs/1705.07057)
# - P. Izmailov, P. Kirichenko, M. Finzi, A. G. Wilson (2020). *Semi-supervised learning with normalizing
#   flows.* ICML. [arXiv:1912.13025](https://arxiv.org/abs/1912.13025)
# - L. Theis, A. van den Oord, M. Bethge (2016). *A note on the evaluation of generative models.* ICLR.
#   [arXiv:1511.01844](https://arxiv.org/abs/1511.01844)
# - E. Nalisnick, A. Matsukawa, Y. W. Teh, D. Gorur, B. Lakshminarayanan (2019). *Do deep generative models
#   know what they don't know?* ICLR. [arXiv:1810.09136](https://arxiv.org/abs/1810.09136)
# - J. Ho, X. Chen, A. Srinivas, Y. Duan, P. Abbeel (2019). *Flow++: improving flow-based generative models
#   with variational dequantization and architecture design.* ICML.
#   [arXiv:1902.00275](https://arxiv.org/abs/1902.00275)
#
# Back to the lecture: [`../notebooks/13_flows.ipynb`](../notebooks/13_flows.ipynb).
