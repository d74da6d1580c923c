# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1.5, cpu: 4}
#     networks: {gan: generator}
# ---

# %% [markdown]
# # Generative adversarial networks
#
# The variational autoencoder of lesson 10 learns to generate by maximising a bound of a likelihood. A
# generative adversarial network (GAN) has no likelihood. It has an opponent: a second network that tries to
# tell its samples from the data. You find out what this game converges to, check it on densities that are
# known, train it in one dimension, in two and on MNIST, see how it fails, and measure how good its digits
# are.
#
# **You need** lessons 03 to 06 (cross-entropy, Adam, batch normalisation, convolution) and from lesson 10 the
# Kullback-Leibler divergence $KL$. Symbols are those of the table of [notation](01_neurons.ipynb#Notation),
# but for three of the field's own: $k$ counts the steps of the discriminator, $z$ is noise, and in section 2
# $m$ is a density, elsewhere the size of a batch.
#
# **After this lesson you can**
#
# - write the value $V(D, G)$ of the game and derive the optimal discriminator;
# - say why $V = -\log 4$ at the end, and what this has to do with the Jensen-Shannon divergence;
# - write Goodfellow's algorithm as a `keras.Model` with its own `train_step`;
# - explain why the generator is not trained with the loss of the minimax game;
# - tell two failures apart, players that never come to rest and mode collapse, measure both, and try what
#   may help;
# - judge generated images by numbers: confidence, classes, Fréchet distance.
#
# **Time to study:** about four hours, with a pause after section 5.

# %%
from nnlabs import animation, data, networks, plots, runtime, training, yardstick

budget = runtime.setup(seed=1)
# %%
import contextlib
import io
import json
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.ndimage import gaussian_filter
from scipy.stats import gaussian_kde, norm, wasserstein_distance

# %% [markdown]
# ## 1. Two players
#
# We have observations $x$ of an unknown distribution $p^*$, images for example, and want more of them. Why
# not estimate $p^*$ first, as in statistics? A *parametric* family that one can write down, such as a
# Gaussian, is too simple for images: most of what it draws looks like none. A *nonparametric* estimate, such
# as a histogram, needs data in every box: with ten boxes for each of the 784 pixels of a digit there are
# $10^{784}$ boxes. A GAN estimates no density. It learns to draw. Two networks are trained together.
#
# - The **generator** $G$ takes noise $z \sim p_z$, often Gaussian or uniform, and makes $G(z)$ of it. The
#   distribution of $G(z)$ is called $p_g$. It should become $p^*$.
# - The **discriminator** $D$ takes an $x$ and returns $D(x) \in [0, 1]$, the probability that $x$ comes from
#   the data rather than from the generator.

# %%
BLUE, ORANGE, GREEN = plots.COLORS[:3]


def box(ax, place, text, color):
    style = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": color, "linewidth": 1.5}
    return ax.text(*place, text, ha="center", va="center", fontsize=10, bbox=style, zorder=3)


def arrow(start, end, **style):
    """Draw an arrow between two boxes of one figure."""
    ends = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 2, "shrinkB": 2}
    properties = {"arrowstyle": "-|>", "color": "black"} | ends | style
    start.axes.annotate("", end.get_position(), start.get_position(), arrowprops=properties)


# %%
figure, ax = plt.subplots(figsize=(8.4, 2.7))
noise = box(ax, (0, 0.5), "noise $z \\sim p_z$", "0.5")
G_box = box(ax, (2.3, 0.5), "generator $G$", GREEN)
fake = box(ax, (4.5, 0.5), "$G(z) \\sim p_g$", GREEN)
real = box(ax, (4.5, 2.1), "data $x \\sim p^*$", "black")
D_box = box(ax, (6.8, 1.3), "discriminator $D$", BLUE)
answer = box(ax, (9.1, 1.3), "real: 1\nor fake: 0?", BLUE)
for start, end in [(noise, G_box), (G_box, fake), (fake, D_box), (real, D_box), (D_box, answer)]:
    arrow(start, end)
back = {"color": ORANGE, "linestyle": "--", "connectionstyle": "arc3,rad=-0.4"}
arrow(D_box, G_box, **back)
ax.text(4.6, -0.4, "gradient for $\\theta_g$", color=ORANGE, ha="center", va="center")
ax.set(xlim=(-0.9, 9.9), ylim=(-0.6, 2.6))
ax.axis("off")
plots.show(
    "The scheme of a GAN. Noise z goes through the generator G and becomes G(z). Data x and fakes G(z) go to "
    "the discriminator D, which answers real or fake. A dashed arrow leads the gradient from D back to G."
)

# %% [markdown]
# **Look at** the dashed arrow: it is all that the generator learns from. The generator never sees the data.
#
# The parameters are $\theta_g$ and $\theta_d$. The two networks have conflicting goals. $D$ wants to give the
# right answer: $D(x)$ near 1, $D(G(z))$ near 0. $G$ wants it to be wrong. It is a game of two players,
#
# $$\min_G \max_D V(D, G), \qquad
# V(D, G) = \mathbb E_{x \sim p^*} \log D(x) + \mathbb E_{z \sim p_z} \log(1 - D(G(z))).$$
#
# $-V$ is a cross-entropy: that of a classifier with the labels 1 for data and 0 for
# fakes, summed over the two classes.

# %% [markdown]
# ## 2. The best discriminator
#
# Hold $G$ fixed. As an integral over $x$ the value is
#
# $$V(D, G) = \int p^*(x) \log D(x) + p_g(x) \log(1 - D(x))\, dx.$$
#
# $D$ may be any function, so we can choose its value at each $x$ on its own. The derivative of the integrand
# with respect to $d = D(x)$ is $p^*/d - p_g/(1 - d)$. It falls as $d$ grows, so the
# maximum is where it is 0:
#
# $$D^*(x) = \frac{p^*(x)}{p^*(x) + p_g(x)}.$$
#
# Two densities, on a grid:

# %%
x = np.linspace(-9, 9, 1801)
dx = x[1] - x[0]
p_star, p_g = norm.pdf(x, 1, 0.8), norm.pdf(x, -1, 1.2)
D_star = p_star / (p_star + p_g)
print("x", x.shape, " p*", p_star.shape, f" integrals {p_star.sum() * dx:.4f} and {p_g.sum() * dx:.4f}")

# %% [markdown]
# **First check, without any calculus.** At each $x$ try 999 values of $d$ and keep the best one.

# %%
candidates = np.linspace(0.001, 0.999, 999)
integrand = np.outer(np.log(candidates), p_star) + np.outer(np.log(1 - candidates), p_g)
D_best = candidates[integrand.argmax(axis=0)]
print("integrand", integrand.shape, f" largest |D_best - D*| = {np.abs(D_best - D_star).max():.4f}")
assert np.abs(D_best - D_star).max() <= 0.0011  # the candidates lie 0.001 apart

# %% [markdown]
# **Second check, with a network.** It does not know the densities, it sees only samples, as the discriminator
# of a GAN does. It returns a **logit** $a$, a real number, and $D(x) = 1 / (1 + e^{-a})$. Then
#
# $$\log D(x) = -\log(1 + e^{-a}), \qquad \log(1 - D(x)) = -\log(1 + e^{a}).$$
#
# The function $\log(1 + e^a)$ is called softplus. This form stays right for large $|a|$, where a computed
# $D(x)$ is exactly 0 or 1 and its logarithm infinite. So every discriminator in this lesson returns logits.


# %%
def discriminator_loss(real_logits, fake_logits):
    """Minus V(D, G) over a minibatch: D maximises V, so it minimises this."""
    log_d = -ops.softplus(-real_logits)
    log_1_minus_d = -ops.softplus(fake_logits)
    return -(ops.mean(log_d) + ops.mean(log_1_minus_d))


# %% [markdown]
# Twenty thousand samples of each kind, `fit` as always, with a loss that takes the logits apart by label:


# %%
def value_loss(labels, logits):
    """The same loss for a batch that mixes data (label 1) and fakes (label 0)."""
    return 2 * ops.mean(ops.softplus(ops.where(labels == 1, -logits, logits)))


rng = np.random.default_rng(1)
n = budget.pick(smoke=2000, cpu=20_000)
samples = np.concatenate([rng.normal(1, 0.8, n), rng.normal(-1, 1.2, n)]).astype("float32")[:, None]
labels = np.repeat([1.0, 0.0], n).astype("float32")[:, None]
network = keras.Sequential([keras.Input((1,)), layers.Dense(32, activation="tanh"), layers.Dense(1)])
network.compile(optimizer=keras.optimizers.Adam(learning_rate=0.01), loss=value_loss, jit_compile=False)
fitted = network.fit(samples, labels, batch_size=200, epochs=5, verbose=0)
D_network = ops.convert_to_numpy(ops.sigmoid(network(x[:, None].astype("float32"))))[:, 0]
print("V of each epoch:", " ".join(f"{-loss:.3f}" for loss in fitted.history["loss"]))
off = np.sum(np.abs(D_network - D_star) * (p_star + p_g) / 2) * dx  # the mean over data and fakes
print(f"mean of |D - D*|: {off:.4f}")
assert budget.name == "smoke" or off < 0.05

# %% [markdown]
# ### The value of the game
#
# Put $D^*$ into $V$. With the mean density $m = \frac12 (p^* + p_g)$, $D^* = p^* / (2m)$ and
#
# $$V(D^*, G) = \int p^* \log\frac{p^*}{2m} + p_g \log\frac{p_g}{2m}\, dx
# = -\log 4 + \underbrace{KL(p^*, m) + KL(p_g, m)}_{2\, JSD(p^*, p_g)}.$$
#
# $JSD$ is the **Jensen-Shannon divergence**. It lies between 0, for equal distributions, and $\log 2$, for
# distributions that share no $x$.


# %%
def V(D, p_star, p_g):
    return np.sum(p_star * np.log(D) + p_g * np.log(1 - D)) * dx


def kl(p, q):
    return np.sum(p * np.log(p / q)) * dx


def jsd(p, q):
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


value = V(D_star, p_star, p_g)
print(f"V(D*, G) = {value:.4f}, -log 4 + 2 JSD = {-np.log(4) + 2 * jsd(p_star, p_g):.4f}")
assert np.isclose(value, -np.log(4) + 2 * jsd(p_star, p_g))

# %% [markdown]
# The network found nearly this value. No discriminator can exceed it in expectation; the mean over a finite
# sample may lie a little above. **Before you run the next cell, what do
# you expect** of $V(D^*, G)$ when $p_g = p^*$, and of $D^*$?

# %%
half = p_star / (p_star + p_star)
at_the_end = V(half, p_star, p_star)
assert np.all(half == 0.5)
assert np.isclose(at_the_end, -np.log(4))
runtime.result("value_at_the_optimum_plus_log_4", abs(at_the_end + np.log(4)), at_most=1e-4)

# %% [markdown]
# $D^*$ is $\frac12$ everywhere, and $V(D^*, G) = 2 \log \frac12 = -\log 4 \approx -1.386$. The generator that
# minimises $\max_D V(D, G)$ makes the divergence 0. So, with arbitrary functions $G$ and $D$, the solution of
# the game is $p_g = p^*$ and $D = \frac12$. Networks are not arbitrary functions, and gradient steps are no
# $\max$: whether training gets there is another question, and most of this lesson.
#
# How does the value change when $p_g$ approaches? Take $p_g$ with the shape of $p^*$, shifted by $s$. Beside
# $V(D^*, G)$ we compute another distance. The **Wasserstein distance** $W$ is the smallest mean distance by
# which probability must be moved to turn one density into the other. For two densities that differ by a shift
# it is
#
# $$W(p^*, p_g) = |s|.$$
#
# To move each point by $s$ does it. Nothing shorter does: the two means differ by $s$, and no plan moves a
# mean further than it moves the points on average. SciPy's `wasserstein_distance` takes two lists of places
# and the weights at these places. **Before you run the next cells, what do you expect** of the two curves far
# from the middle?

# %%
shifts = np.linspace(-6, 6, 121)
wide = np.linspace(-12, 12, 2401)
values, moved = [], []
for shift in shifts:
    p, q = (norm.pdf(wide, mean, 0.8) + 1e-300 for mean in (0, shift))  # no logarithm of 0
    values.append(-np.log(4) + 2 * jsd(p, q))
    moved.append(wasserstein_distance(wide, wide, p, q))
assert np.isclose(min(values), -np.log(4), atol=1e-6)
assert max(values) < 1e-6
assert np.allclose(moved, np.abs(shifts), atol=1e-6)
print(f"from a shift of 5 to 6: V grows by {values[-1] - values[-11]:.4f}, W by {moved[-1] - moved[-11]:.4f}")
assert values[-1] - values[-11] < 0.01

# %%
figure, axes = plt.subplot_mosaic("LLLVV;LLLWW", figsize=(8.4, 4.0))
left, top, bottom = (axes[name] for name in "LVW")
left.plot(x, p_star, "k:", linewidth=2, label="data $p^*$")
left.plot(x, p_g, color=GREEN, label="generator $p_g$")
left.plot(x, D_star, "--", color=BLUE, label="$D^*$")
left.plot(x[::50], D_best[::50], "o", color=BLUE, markersize=4, label="best of 999 values")
left.plot(x, D_network, "-.", color=ORANGE, label="network, from samples")
left.set(xlabel="$x$", xlim=(-6, 6), ylim=(0, 1.6), title="the best discriminator")
left.legend(fontsize=8, loc="upper left", ncols=2)
top.plot(shifts, values, color=BLUE)
for bound, name in ((-np.log(4), "−log 4: $p_g = p^*$"), (0, "0: nothing in common")):
    top.axhline(bound, color="0.5", linestyle="--")
    top.text(-6, bound + 0.05, name, fontsize=8, va="bottom")
top.set(ylabel="$V(D^*, G)$", ylim=(-1.5, 0.4), title=r"value: $-\log 4 + 2\,JSD$")
bottom.plot(shifts, moved, color=ORANGE)
bottom.set(xlabel="shift of $p_g$ from $p^*$", ylabel="$W(p^*, p_g)$", title="Wasserstein distance")
plots.show(
    "Left: two bell curves, and the optimal discriminator, which rises from 0 at the left to nearly 1 where "
    "the data is and falls again far right; the points of the search lie on it, and so does the curve of the "
    "network where there are samples. Right, against the shift: above the value of the game, a valley with "
    "its floor at minus log 4, flat near 0 on both sides; below the Wasserstein distance, a V whose straight "
    "sides go on rising."
)

# %% [markdown]
# **Look at** the left panel, far right: no sample lies there, and the network does not know that $D^*$ falls
# again. Now look at the right panels, far from the middle. Where the two densities hardly overlap, the value
# is flat: $JSD$ is $\log 2$ at any distance. A perfect discriminator gives the generator no direction there.
# Section 5 comes back to this (Arjovsky & Bottou, 2017). The Wasserstein distance has the slope 1 or $-1$,
# however far apart the two are.
#
# The *Wasserstein GAN* (Arjovsky, Chintala & Bottou, 2017) has a **critic** $f$ in place of $D$, a network
# with any real output. It maximises $\mathbb E_{x \sim p^*} f(x) - \mathbb E_{z \sim p_z} f(G(z))$, but must
# not be steeper than 1 anywhere; the best such critic attains the distance. In the lab you find the direction
# that the distance gives to each sample.

# %% [markdown]
# ## 3. Goodfellow's algorithm
#
# Of $p^*$ we have only data, and of $p_g$ only samples. So the expectations in $V$ become means over samples
# (the slides write sums, which have the same optimum). Goodfellow et al. (2014) alternate: $k$ gradient
# steps of $D$, one of $G$, each on minibatches of size $m$. On the left their algorithm, on the right the
# code of the next cells.
#
# | algorithm | code |
# | --- | --- |
# | **for** training iterations **do** | `fit` calls `train_step` |
# | &nbsp; **for** $k$ steps **do** | `for step in range(self.k):` |
# | &nbsp; &nbsp; sample $m$ noise vectors $z^{(i)}$ from $p_z$ | `z = self.noise(m)` |
# | &nbsp; &nbsp; sample $m$ examples $x^{(i)}$ from the data | `x = batch[step * m : (step + 1) * m]` |
# | &nbsp; &nbsp; update $D$ by *ascending* its gradient (1) | `self.update(self.d_optimizer, ...)` |
# | &nbsp; **end for**; sample $m$ noise vectors $z^{(i)}$ from $p_z$ | `z = self.noise(m)` |
# | &nbsp; update $G$ by *descending* its gradient (2) | `self.update(self.g_optimizer, ...)` |
#
# $$\nabla_{\theta_d} \frac1m \sum_{i=1}^m \left[\log D(x^{(i)}) + \log(1 - D(G(z^{(i)})))\right] \tag{1}$$
#
# $$\nabla_{\theta_g} \frac1m \sum_{i=1}^m \log(1 - D(G(z^{(i)}))) \tag{2}$$
#
# *A note on the slides.* In the gradient of $D$ they have a second sum inside the first one. This is a slip:
# each example and each fake counts once, with the factor $1/m$. They also call it equivalent
# to maximise $D(G(z))$ and to minimise $\log(1 - D(G(z)))$. Both want the same, but their gradients are not
# equal, and both nearly vanish when the fakes are easy to recognise. Minimising $-\log D(G(z))$ has the same
# aim again, and a gradient that does not vanish there. For the training this matters much (section 5). Here
# are the three losses for $G$, each from logits:


# %%
def minimax(fake_logits):
    """Mean of log(1 - D(G(z))): the loss of the algorithm above."""
    return -ops.mean(ops.softplus(fake_logits))


def non_saturating(fake_logits):
    """Mean of -log D(G(z)): what is used in practice."""
    return ops.mean(ops.softplus(-fake_logits))


def direct(fake_logits):
    """Mean of -D(G(z))."""
    return -ops.mean(ops.sigmoid(fake_logits))


# %% [markdown]
# First what both players need: networks, noise, optimisers, and the means of their losses, which `fit` shows.
# Two networks are trained against each other, each with its own optimiser. This is why `fit` needs a
# `train_step` of our own here.


# %%
class Players(keras.Model):
    """A generator and a discriminator; `rates` are their learning rates."""

    def __init__(self, generator, discriminator, k=1, generator_loss=non_saturating):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.k, self.generator_loss = k, generator_loss
        self.seed_generator = keras.random.SeedGenerator(1)
        self.means = [keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss")]

    def compile(self, d_optimizer, g_optimizer, **options):
        super().compile(**options)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        d_optimizer.build(self.discriminator.trainable_variables)
        g_optimizer.build(self.generator.trainable_variables)

    def noise(self, m):
        """Return m draws from p_z, here a standard normal distribution."""
        return keras.random.normal((m, self.generator.input_shape[-1]), seed=self.seed_generator)

    def update(self, optimizer, network, tape, loss):
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)


# %% [markdown]
# And the algorithm. `fit` hands over a batch of $k \cdot m$ examples, enough for the $k$ steps of $D$.


# %%
class GAN(Players):
    def d_loss(self, x, fake):
        logits = [self.discriminator(points, training=True) for points in (x, fake)]
        return discriminator_loss(*logits)

    def train_step(self, batch):
        m = ops.shape(batch)[0] // self.k
        for step in range(self.k):
            z = self.noise(m)
            x = batch[step * m : (step + 1) * m]
            fake = self.generator(z, training=True)
            with tf.GradientTape() as tape:
                d_loss = self.d_loss(x, fake)
            self.update(self.d_optimizer, self.discriminator, tape, d_loss)
        z = self.noise(m)
        with tf.GradientTape() as tape:
            fake = self.generator(z, training=True)
            g_loss = self.generator_loss(self.discriminator(fake, training=True))
        self.update(self.g_optimizer, self.generator, tape, g_loss)
        for mean, loss in zip(self.means, (d_loss, g_loss)):
            mean.update_state(loss)
        return {mean.name: mean.result() for mean in self.means}


# %% [markdown]
# **Look at** the two tapes. The first one sees only $D$: `fake` was made before it, for $D$ it is data. The
# second one sees both networks, the gradient flows through $D$ into $G$, but only $\theta_g$ is changed.
#
# Apart from this it is a Keras model like any other: `fit`, callbacks and the progress bar work.

# %% [markdown]
# ## 4. The game in one dimension
#
# The data is $\mathcal N(1, 0.6^2)$, the noise $z$ uniform on $[-1, 1]$, and both players are small networks.


# %%
class UniformGAN(GAN):
    def noise(self, m):
        return keras.random.uniform((m, 1), -1, 1, seed=self.seed_generator)


def perceptron(inputs, outputs, width, activation="leaky_relu"):
    hidden = [layers.Dense(width, activation=activation) for _ in range(2)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


MEAN, DEVIATION, K, M = 1.0, 0.6, 2, 256
observations = rng.normal(MEAN, DEVIATION, (K * M * 100, 1)).astype("float32")
game = UniformGAN(perceptron(1, 1, 64), perceptron(1, 1, 64), k=K)
game.compile(
    d_optimizer=keras.optimizers.Adam(learning_rate=2e-3, beta_1=0.5),
    g_optimizer=keras.optimizers.Adam(learning_rate=2e-3, beta_1=0.5),
    jit_compile=False,
    steps_per_execution=10,
)

# %% [markdown]
# For a clear picture we choose the start: $G$ is first fitted, as in a regression, so that $p_g$ is close to
# $\mathcal N(-0.8, 0.5^2)$. (In one dimension it is known which function does this: the quantile function of
# the target, applied to a uniform number.)

# %%
z_start = rng.uniform(-1, 1, (20_000, 1)).astype("float32")
x_start = norm.ppf(0.001 + 0.998 * (z_start + 1) / 2, -0.8, 0.5)
game.generator.compile(optimizer=keras.optimizers.Adam(learning_rate=5e-3), loss="mse", jit_compile=False)
_ = game.generator.fit(z_start, x_start, batch_size=200, epochs=3, verbose=0)

# %% [markdown]
# A callback takes notes: where $G$ sends 1001 equally spaced $z$, and what $D$ says along the axis. From this
# we compute how far the players are from the solution. In one dimension the Wasserstein distance of section 2
# is the mean distance between the sorted samples and the quantiles of the data.

# %%
z_line = np.linspace(-1, 1, 1001, dtype="float32")[:, None]
x_line = np.linspace(-3, 4, 141, dtype="float32")[:, None]
quantiles = norm.ppf((np.arange(1001) + 0.5) / 1001, MEAN, DEVIATION)
data_density = norm.pdf(x_line[:, 0], MEAN, DEVIATION)
frames = []


def note(*_):
    places = ops.convert_to_numpy(game.generator(z_line))[:, 0]
    d = ops.convert_to_numpy(ops.sigmoid(game.discriminator(x_line)))[:, 0]
    distance = np.abs(np.sort(places) - quantiles).mean()
    D_off = np.sum(np.abs(d - 0.5) * data_density) / np.sum(data_density)  # mean over the data
    frames.append({"G": places, "D": d, "distance": distance, "D_off": D_off})


def play_on(steps, d_rate, g_rate):
    """Train and take notes every `every` steps; a rate of 0 holds a player still."""
    every = min(steps, 40)
    game.d_optimizer.learning_rate, game.g_optimizer.learning_rate = d_rate, g_rate
    notes = keras.callbacks.LambdaCallback(on_epoch_end=note)
    batches = observations[: K * M * every]
    game.fit(batches, batch_size=K * M, epochs=steps // every, verbose=0, callbacks=[notes])


# %% [markdown]
# Now the four moments of the slides' figure: the start; $D$ trained alone, until it is near $D^*$; some steps
# of $G$ alone; and the whole game. In the last part the learning rates fall, so that the players come to
# rest. **Before you run the next cells, what do you expect** of $D$ at the end?

# %%
note()
play_on(budget.pick(smoke=40, cpu=600), d_rate=2e-3, g_rate=0.0)
D_trained = len(frames) - 1
play_on(budget.pick(smoke=10, cpu=15), d_rate=0.0, g_rate=2e-3)
G_moved = len(frames) - 1
for rate in (2e-3, 6e-4, 2e-4):
    play_on(budget.pick(smoke=40, cpu=600), rate, rate)
for moment, i in [("start", 0), ("D trained", D_trained), ("G moved", G_moved), ("end", -1)]:
    print(f"{moment:10} distance {frames[i]['distance']:.3f}, mean |D - 1/2| {frames[i]['D_off']:.3f}")


# %%
def density(places):
    return gaussian_kde(places, bw_method=0.25)(x_line[:, 0])  # a smoothed histogram


def draw(figure, i):
    top, bottom = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    p_g = density(frames[i]["G"])
    top.plot(x_line, data_density, "k:", linewidth=2, label="$p^*$")
    top.plot(x_line, p_g, color=GREEN, label="$p_g$")
    top.plot(x_line, frames[i]["D"], "--", color=BLUE, label="$D$")
    if i == D_trained:
        seen = data_density + p_g > 0.01  # elsewhere D* is 0 / 0
        best = data_density[seen] / (data_density + p_g)[seen]
        top.plot(x_line[seen][::3], best[::3], ".", color=BLUE, markersize=5)
    top.set(ylim=(0, 1.8), xlim=(-3, 4), yticks=[0, 0.5, 1])
    top.legend(fontsize=7, loc="upper left", ncols=3, handlelength=1.7, columnspacing=0.7, borderaxespad=0)
    titles = {0: "start", D_trained: "D trained", G_moved: "G moved", len(frames) - 1: "end"}
    top.set_title(titles.get(i, f"{i}"), fontsize=9)
    chosen = slice(25, None, 50)
    bottom.plot([z_line[chosen, 0], frames[i]["G"][chosen]], [0, 1], color=GREEN, linewidth=0.7)
    bottom.set(yticks=[0, 1], yticklabels=["$z$", "$x$"], ylim=(0, 1))
    bottom.grid(visible=False)


# %%
moments = [0, D_trained, G_moved, len(frames) - 1]
animation.strip(
    draw,
    moments,
    "Four pictures. Start: the data dotted, the generator's bell left of it, the discriminator anything. D "
    "trained: the discriminator rises from 0 to 1 along D*. G moved: the bell has moved right. End: the two "
    "bells coincide and the discriminator is near one half.",
    columns=4,
    size=(2.1, 2.7),
)

# %% [markdown]
# Black and dotted: the data. Green: the generator. Blue and dashed: the discriminator. Below, lines from
# equally spaced $z$ to $x = G(z)$: where they lie close together, $p_g$ is large. In the second picture the
# dots are $D^*$, computed from the two densities.

# %%
later = np.linspace(G_moved, len(frames) - 1, 14).astype(int)
steps = [*range(0, D_trained + 1, 5), *later]
animation.play(
    draw,
    steps,
    "The whole game: first the discriminator rises to D*, then the generator's bell moves to the right onto "
    "the data, swings a little, and the discriminator sinks to one half.",
    size=(3.6, 3.2),
    seconds=0.3,
)

# %%
end = frames[-1]
runtime.result("game_1d_wasserstein_start", frames[0]["distance"])
runtime.result("game_1d_wasserstein_end", end["distance"], at_most=0.15)
runtime.result("game_1d_discriminator_off_one_half", end["D_off"], at_most=0.08)

# %% [markdown]
# **Look at** the end. The generator is almost where it should be, and for the discriminator every $x$ is as
# likely real as fake: $D$ is near $\frac12$, where most of the data is. In the tails it is not. There is
# hardly any data to learn from, and no fakes: $z$ is bounded, so $G(z)$ is too. The swings on the way are
# normal. Each player chases a goal that the other one moves.
#
# ### The players circle
#
# The smallest game has two numbers in place of two networks: $V(\theta, \varphi) = \theta \varphi$. The
# generator moves $\theta$ to make $V$ small, the discriminator moves $\varphi$ to make it large. The only
# point of rest is $(0, 0)$. The derivatives of $V$ are $\varphi$ and $\theta$, so when both move at the same
# time, with the rate $\varepsilon$,
#
# $$\theta \leftarrow \theta - \varepsilon \varphi, \qquad \varphi \leftarrow \varphi + \varepsilon \theta.$$
#
# The step $(-\varepsilon \varphi, \varepsilon \theta)$ is perpendicular to $(\theta, \varphi)$ and
# $\varepsilon$ times as long. By Pythagoras every step multiplies the distance from the point of rest by
# $\sqrt{1 + \varepsilon^2}$: the players spiral outwards, however small $\varepsilon$ is. With one loss a
# small enough rate leads downhill; with two players it does not.
#
# Three more ways to play, for the comparison:
#
# - **alternating**, as in Goodfellow's algorithm: $\varphi$ first, and $\theta$ answers the new $\varphi$:
#   $\theta - \varepsilon(\varphi + \varepsilon \theta)$;
# - **momentum**: each player has a velocity, $v \leftarrow \mu v + \text{slope}$, and moves by
#   $\varepsilon (1 - \mu) v$. With a constant slope the factor $1 - \mu$ makes the way as long as without
#   momentum;
# - **averaged**: the players move at the same time, and we look at the mean of all their places so far.
#
# One step of each is a matrix that acts on $(\theta, \varphi)$, with momentum also on the two velocities.
# **Before you run the next cells, what do you expect**: who comes nearer to $(0, 0)$, who goes away from it?

# %%
RATE, MU, STEPS, one = 0.1, 0.5, 126, np.eye(2)
slopes = np.array([[0, -1], [1, 0]])  # the directions of the two players: -phi and theta
together = one + RATE * slopes
alternating = np.array([[1 - RATE**2, -RATE], [RATE, 1]])
step = RATE * (1 - MU)
momentum = np.block([[one + step * slopes, step * MU * one], [slopes, MU * one]])
ways = {}
for name, one_step in (("together", together), ("momentum", momentum), ("alternating", alternating)):
    start = np.eye(len(one_step))[0]  # theta = 1, all else 0
    ways[name] = np.array([(np.linalg.matrix_power(one_step, i) @ start)[:2] for i in range(STEPS + 1)])
ways["averaged"] = np.cumsum(ways["together"], axis=0) / np.arange(1, STEPS + 2)[:, None]
far = {name: np.linalg.norm(way, axis=1) for name, way in ways.items()}
for name, distance in far.items():
    later = distance[STEPS // 2 :]
    print(f"{name:12} distance from (0, 0) in the second half: {later.min():.2f} to {later.max():.2f}")

# %%
assert np.allclose(far["together"], (1 + RATE**2) ** (np.arange(STEPS + 1) / 2))  # as computed above
assert far["momentum"][-1] > 2 * far["together"][-1]
assert 0.9 < far["alternating"].min() < far["alternating"].max() < 1.2
assert far["averaged"][STEPS // 2 :].max() < 0.3

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.5))
for (name, way), color, line in zip(ways.items(), plots.COLORS, ("-", ":", "--", "-.")):
    left.plot(*way.T, line, color=color, linewidth=1.8)
    right.semilogy(far[name], line, color=color, linewidth=1.8, label=name)
left.plot(0, 0, "k+", markersize=10)
left.plot(1, 0, "ko", markersize=5)
left.set(xlabel="$\\theta$", ylabel="$\\varphi$", aspect="equal", title="the ways; all start at the dot")
right.set(xlabel="step", ylabel="distance from (0, 0)")
right.legend(fontsize=9)
plots.show(
    "Left: four ways in the plane of theta and phi from the point (1, 0). Together: a spiral outwards; with "
    "momentum a wider one; alternating: a nearly round closed way; the average winds into the centre. Right, "
    "on a logarithmic axis: the distance from the centre grows steadily with momentum and, slower, together, "
    "stays at 1 alternating, and falls below 0.3 for the average."
)

# %% [markdown]
# **Look at** the three ways of the players. At the same time they spiral outwards. With momentum it is worse,
# although the factor $1 - \mu$ makes each push smaller. Alternating, they go round on a closed way. The
# average of the first way comes near the centre in these two rounds, while the players themselves go away
# from it. (Not for ever: the spiral grows faster than a mean can smooth it. Try 2,000 steps; the average of
# the alternating way keeps coming nearer.)
#
# A GAN near its solution can behave like this game: Mescheder et al. (2018) study it as the *Dirac-GAN*, one
# fake at $\theta$, all data at 0, and a discriminator with the logit $\varphi x$. The game suggests three
# things to try in the next sections: less momentum, the average over the way, and a penalty on $D$, which you
# add to this game in the lab.

# %% [markdown]
# `fit` also draws its progress bar, with both losses. It redraws itself; this is its last state after 20 more
# steps:

# %%
with contextlib.redirect_stdout(io.StringIO()) as screen:
    game.fit(observations[: 20 * K * M], batch_size=K * M, verbose=1)
print(screen.getvalue().strip().splitlines()[-1].strip("\b\r"))

# %% [markdown]
# ## 5. Which loss for the generator?
#
# The generator feels $D$ only through the logit $a$ of its fakes. Compare the derivatives of the three losses
# of section 3 with respect to $a$, with $D = 1/(1 + e^{-a})$:
#
# $$\frac{d}{da} \log(1 - D) = -D, \qquad \frac{d}{da} (-\log D) = -(1 - D), \qquad
# \frac{d}{da} (-D) = -D (1 - D)$$
#
# Automatic differentiation agrees:

# %%
logits = tf.linspace(-8.0, 8.0, 161)
d_values = ops.convert_to_numpy(ops.sigmoid(logits))
forms = {minimax: d_values, non_saturating: 1 - d_values, direct: d_values * (1 - d_values)}
for loss, size in forms.items():
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = len(logits) * loss(logits)  # the mean becomes a sum: one derivative for each logit
    assert np.allclose(tape.gradient(total, logits), -size, atol=1e-6)

# %% [markdown]
# All three are negative: a larger logit is always better for $G$. But look at their *size* early in training,
# when fakes are easy to recognise and $D(G(z))$ is near 0. The loss of the minimax game has almost no
# gradient there, exactly when the generator has most to learn: it **saturates**. So does $-D$. The
# **non-saturating** loss $-\log D(G(z))$ has its largest gradient there. It is a heuristic (Goodfellow,
# 2016): with it the two players no longer have one common value $V$, but the rest point $p_g = p^*$, $D =
# \frac12$ stays.
#
# Now measure it, on MNIST, with two perceptrons, the form that the slides describe.

# %%
mnist = data.mnist()
BATCH, LATENT = 64, 16
usable = len(mnist.x_train) // BATCH * BATCH  # full batches only: the compiled step has one shape
x_train = mnist.x_train[:usable, :, :, None].astype("float32") / 255
print("x_train", x_train.shape, x_train.dtype, f"from {x_train.min():.0f} to {x_train.max():.0f}")


# %%
def dense_block(width):
    return [layers.Dense(width, use_bias=False), layers.BatchNormalization(), layers.ReLU()]


def mlp_generator(latent=LATENT, width=256):
    image = [layers.Dense(784, activation="sigmoid"), layers.Reshape((28, 28, 1))]
    return keras.Sequential([keras.Input((latent,)), *dense_block(width), *dense_block(width), *image])


def mlp_discriminator(width=256):
    hidden = [layers.Dense(width, activation="leaky_relu") for _ in range(2)]
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), *hidden, layers.Dense(1)])


# %% [markdown]
# (Batch normalisation in the generator and LeakyReLU in the discriminator follow Radford et al., 2016.) The
# generator's weights stay as they were initialised, its learning rate is 0 (only the running statistics of
# its batch normalisation settle); of the weights only $D$'s learn. After each of its steps we ask how large
# the generator's gradient would be, $\lVert \nabla_{\theta_g} \rVert$, under each loss.

# %%
keras.utils.set_random_seed(1)
start = GAN(mlp_generator(), mlp_discriminator())
start.compile(
    d_optimizer=keras.optimizers.Adam(learning_rate=2e-4, beta_1=0.5),
    g_optimizer=keras.optimizers.SGD(learning_rate=0.0),
    jit_compile=False,
)
z_fixed = np.random.default_rng(2).normal(size=(256, LATENT)).astype("float32")


def gradient_norm(gan, loss):
    with tf.GradientTape() as tape:
        value = loss(gan.discriminator(gan.generator(z_fixed)))
    gradients = tape.gradient(value, gan.generator.trainable_variables)
    return float(ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients)))


# %%
norms = {loss: [] for loss in forms}
fooled = []


def measure_gradients(step, logs):
    if step % 10 == 0:
        for loss, values in norms.items():
            values.append(gradient_norm(start, loss))
        fooled.append(float(ops.mean(ops.sigmoid(start.discriminator(start.generator(z_fixed))))))


d_steps = budget.pick(smoke=20, cpu=200)
watch = keras.callbacks.LambdaCallback(on_train_batch_end=measure_gradients)
start.fit(x_train[: d_steps * BATCH], batch_size=BATCH, epochs=1, verbose=0, callbacks=[watch])
print(f"mean D(G(z)): {fooled[0]:.2f} after one step, {fooled[-1]:.4f} after {10 * len(fooled) - 9} steps")
ratio = norms[non_saturating][-1] / norms[minimax][-1]
runtime.result("gradient_norm_ratio_non_saturating_to_minimax", ratio, at_least=20)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
names = {minimax: "$\\log(1 - D)$: minimax", non_saturating: "$-\\log D$: non-saturating", direct: "$-D$"}
styles = dict(zip(names, zip(plots.COLORS[1:], ["-", "--", ":"])))
for loss, name in names.items():
    color, line = styles[loss]
    left.plot(d_values, forms[loss], line, color=color, linewidth=2, label=name)
    right.semilogy(1 + 10 * np.arange(len(fooled)), norms[loss], line, color=color, linewidth=2, label=name)
left.set(xlabel="$D(G(z))$", ylabel="size of the derivative", title="with respect to the logit")
left.legend(fontsize=9)
right.set(xlabel="steps of $D$", ylabel="norm of the gradient", title=r"measured: $\theta_g$, untrained $G$")
plots.show(
    "Left: the derivative of the minimax loss rises from 0 to 1 with D(G(z)), that of the non-saturating "
    "loss falls from 1 to 0, that of -D is a small arch. Right, on a logarithmic axis: while D learns, the "
    "gradients of the minimax loss and of -D fall together by orders of magnitude, the other one does not."
)

# %% [markdown]
# **Look at** the right panel. With the minimax loss, the better $D$ is, the smaller the gradient from which
# $G$ learns. (Adam divides a gradient by its recent size, so it hides a part of this.) This was the flat part
# of the value in section 2. The other extreme is no paradise either: the gradients of the non-saturating loss
# stay large but become noisy when $D$ is far ahead (Arjovsky & Bottou, 2017). In practice one uses it and
# keeps the two players about equally strong. From here on so do we.

# %% [markdown]
# ## 6. Two failures
#
# The data is now a ring of eight Gaussian clouds in the plane. A GAN can fail on it in two ways.
#
# - **No convergence**: the players go round, and the samples with them. Few of them look like data.
# - **Mode collapse**: the samples look right one by one, but a part of the data is never produced. A
#   generator can fool a discriminator with some of the clouds, as long as this costs it little. (Maximum
#   likelihood minimises $KL(p^*, p_g)$, which is infinite if a part of the data is never produced. $JSD$ is
#   at most $\log 2$.)
#
# One number cannot tell them apart. A sample is *good* if it lies within three standard deviations of the
# nearest centre (in two dimensions 98.9 % of the data does). A mode is *hit* if at least 1 % of the samples
# are good ones of it. Less than half of the samples good: we call it no convergence. More, and not all modes
# hit: collapse. For images there are no centres; look for the same digit again and again, and count classes
# (section 7).

# %%
SPREAD = 0.1
centres = 2 * np.stack([[np.cos(a), np.sin(a)] for a in np.pi / 4 * np.arange(8)])


def quality(points):
    """Return the modes hit and the share of good samples of points (n, 2)."""
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    good, nearest = distances.min(axis=1) < 3 * SPREAD, distances.argmin(axis=1)
    shares = np.bincount(nearest[good], minlength=8) / len(points)
    return int(np.sum(shares >= 0.01)), float(good.mean())


ring = data.eight_gaussians(256 * 100, spread=SPREAD, seed=1)[0].astype("float32")
modes, good = quality(ring[:2000])
print(f"real data: {modes} modes hit, {good:.1%} good")
assert modes == 8

# %% [markdown]
# Five recipes, on the same data with the same networks:
#
# - **plain**: Adam with Keras's default $\beta_1 = 0.9$ and the rate 0.002 (the default is 0.001) for both.
# - **slower G**: a quarter of the learning rate for $G$ (two time scales; Heusel et al., 2017).
# - **gradient penalty**: $D$'s loss gets $\frac\gamma2\, \mathbb E_{x \sim p^*} \lVert \nabla_x a(x)
#   \rVert^2$, which makes $D$ flat at the data (called $R_1$; Mescheder et al., 2018).
# - **no momentum**: $\beta_1 = 0$ (Radford et al., 2016, lower it to 0.5). In the game of section 4 momentum
#   drove the players further away from the point of rest.
# - **no momentum, fast G**: in addition, sixteen times the rate for $G$, so that $D$ can hardly follow it.
#
# The penalty needs a few lines, a tape inside the tape:


# %%
class PenalisedGAN(GAN):
    gamma = 0.1

    def d_loss(self, x, fake):
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = self.discriminator(x, training=True)
        slopes = tape.gradient(logits, x)
        squares = ops.sum(ops.square(slopes), axis=list(range(1, len(x.shape))))  # one for each x
        penalty = self.gamma / 2 * ops.mean(squares)
        return discriminator_loss(logits, self.discriminator(fake, training=True)) + penalty


# %%
RECIPES = {
    "plain": {},
    "slower G": {"g_rate": 5e-4},
    "gradient penalty": {"kind": PenalisedGAN},
    "no momentum": {"beta_1": 0.0},
    "no momentum, fast G": {"beta_1": 0.0, "g_rate": 3.2e-2},
}


def ring_gan(seed, kind=GAN, beta_1=0.9, d_rate=2e-3, g_rate=2e-3):
    keras.utils.set_random_seed(seed)
    gan = kind(perceptron(2, 2, 128, "relu"), perceptron(2, 1, 128, "relu"))
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=d_rate, beta_1=beta_1),
        g_optimizer=keras.optimizers.Adam(learning_rate=g_rate, beta_1=beta_1),
        jit_compile=False,
        steps_per_execution=50,
    )
    return gan


# %% [markdown]
# Three seeds each, fifteen rounds of 100 steps. Near the end a run still goes up and down, so we judge the
# last five rounds together: the mean share of good samples, the most modes hit, and how far the centre of all
# samples moves from one round to the next. (This takes a minute.) **Before you run the next cell, what do you
# expect**: which recipes fail, and in which of the two ways?

# %%
tf.get_logger().setLevel("ERROR")  # it would warn that a step is compiled for each new network
z_ring = np.random.default_rng(3).normal(size=(2000, 2)).astype("float32")
rounds, seeds = budget.pick(smoke=2, cpu=15), budget.pick(smoke=[1], cpu=[1, 2, 3])
clouds, ends = {}, {}
for name, recipe in RECIPES.items():
    for seed in seeds:
        gan = ring_gan(seed, **recipe)
        clouds[name, seed] = []
        for _ in range(rounds):
            gan.fit(ring, batch_size=256, epochs=1, verbose=0)
            clouds[name, seed].append(ops.convert_to_numpy(gan.generator(z_ring)))
        late = np.array(clouds[name, seed][-5:])
        modes, good = np.array([quality(points) for points in late]).T
        way = np.linalg.norm(np.diff(late.mean(axis=1), axis=0), axis=1).mean()
        ends[name, seed] = int(modes.max()), good.mean(), way

# %%
for name in RECIPES:
    print(name)
    for modes, good, way in (ends[name, seed] for seed in seeds):
        failure = "no convergence" if good < 0.5 else "mode collapse" if modes < 8 else "-"
        print(f"    {modes} modes, {good:3.0%} good, the centre moves {way:.2f} a round: {failure}")

# %%
figure, axes = plt.subplots(3, 5, figsize=(8.4, 5.6), sharex=True, sharey=True)
shown = {"plain": "plain:\nno convergence", "no momentum, fast G": "fast G:\nmode collapse"}
shown["no momentum"] = "no momentum"
for row, (name, label) in zip(axes, shown.items()):
    row[0].set_ylabel(label)
    worst = min(seeds, key=lambda seed: ends[name, seed][1])
    for ax, points in zip(row, clouds[name, worst][-5:]):
        ax.plot(*ring[:400].T, ".", color="0.75", markersize=2)
        ax.plot(*points[:400].T, ".", color=GREEN, markersize=3)
        ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        modes, good = quality(points)
        ax.set_title(f"{modes} modes, {good:.0%} good", fontsize=8)
plots.show(
    "Three rows of five pictures: samples in green over the ring of eight grey clouds, in the last five "
    "rounds. Above, plain: a group of samples that lies elsewhere in each picture, mostly off the clouds. In "
    "the middle, fast G: most samples lie in a part of the clouds, the others have none. Below, no momentum: "
    "samples in all eight clouds, and a few on the ring between them."
)

# %%
by_recipe = {name: np.array([ends[name, seed] for seed in seeds]) for name in RECIPES}
figure, ax = plt.subplots(figsize=(6.8, 3.2))
for (name, scores), marker, color in zip(by_recipe.items(), plots.MARKERS, plots.COLORS):
    ax.plot(scores[:, 1], scores[:, 0], marker, color=color, markersize=7, alpha=0.8, label=name)
ax.plot([0.5, 0.5, 0.5, 1], [-0.3, 8.5, 7.5, 7.5], "--", color="0.5")
ax.text(0.25, 8.6, "no convergence", ha="center")
ax.text(0.8, 2, "mode collapse", ha="center")
ax.set(xlim=(-0.02, 1.02), ylim=(-0.3, 9.3), xlabel="share of good samples", ylabel="modes hit, of 8")
figure.legend(loc="outside right center", fontsize=9)
plots.show(
    "Modes hit against the share of good samples, one point a seed. No momentum: three points at eight modes "
    "and most samples good. The same with a fast G: three points in the corner marked mode collapse. Of the "
    "nine points of the three other recipes most lie in the half marked no convergence, two of them at eight "
    "modes; the others lie at eight modes, too."
)

# %%
runtime.result("ring_good_plain", by_recipe["plain"][:, 1].mean())
runtime.result("ring_good_no_momentum", by_recipe["no momentum"][:, 1].mean(), at_least=0.6)
runtime.result("ring_modes_no_momentum_worst_seed", by_recipe["no momentum"][:, 0].min(), at_least=8)
fast = by_recipe["no momentum, fast G"]
runtime.result("ring_good_fast_g", fast[:, 1].mean(), at_least=0.5)
runtime.result("ring_modes_fast_g_best_seed", fast[:, 0].max(), at_most=7)
if budget.name != "smoke":
    assert min(by_recipe["plain"][:, 1]) < 0.5  # no convergence, in one seed at least
    assert min(fast[:, 1]) > 0.5  # collapse in each seed
    assert max(fast[:, 0]) < 8
    assert max(by_recipe[name][:, 1].mean() for name in RECIPES) == by_recipe["no momentum"][:, 1].mean()

# %% [markdown]
# **Look at** the first row. Hardly a sample is good, and the group of samples is in another place in each
# picture (the list says how far its centre moves): no convergence. In the second row most samples are good,
# and clouds are missing: mode collapse, in each of the three seeds. Its players differ from those of the
# third row in one number, the rate of $G$; so here the rate is the cause. Why, is a guess: against a $D$ that
# hardly moves, the best answer of $G$ is to send all samples to the few places where $D(x)$ is largest.
#
# And look at the list above. Two recipes end differently from seed to seed, the plain one and the slower $G$:
# the same players may come to rest, or not. And the border at one half is only a rule. One run of the slower
# $G$ lies a little below it, although its centre moves less than those of the best recipe. The penalty and
# the slower $G$ were published with good reason, for other networks and data. Here, in this many steps, the
# slower $G$ does well in two of three seeds, the penalty in none. (Another mend, *packing*, shows $D$ several
# samples at once, so that equal fakes in one pack are suspicious: Lin et al., 2018.) Nor does collapse need
# such a rate: in the lab the recipe without momentum runs with equal rates on other batches, and one of three
# seeds may lose clouds. One lucky run proves nothing. Measure, with several seeds.

# %% [markdown]
# ## 7. Digits
#
# Now MNIST. Before the training comes the question that is often left out: how good are the samples? There is
# no likelihood to report. We ask a judge, the LeNet of lesson 06, which was trained on MNIST's training
# images alone and never learns from a fake. `nnlabs.yardstick` asks it, in the same way in
# lessons 10 to 13, so that their numbers can be compared.

# %%
x_test = mnist.x_test[:, :, :, None].astype("float32") / 255
features, probabilities = yardstick.look(x_test)
accuracy = np.mean(probabilities.argmax(axis=1) == mnist.y_test)
print(f"features {features.shape}, accuracy of the judge on test digits {accuracy:.4f}")
assert accuracy > 0.985

# %% [markdown]
# Three measures.
#
# - **Confident**: the share of samples for which the judge gives one class more than 90 %. Is each sample
#   like some digit?
# - **Smallest class**: how often does the judge see the digit that it sees least? Is one missing?
# - **Fréchet distance**: fit a Gaussian to the judge's 84 features of real digits (layer F6), and one to
#   those of the samples. With means $\mu$ and covariances $\Sigma$, the squared distance is
#
# $$\lVert \mu_r - \mu_g \rVert^2 + \operatorname{tr}\left(\Sigma_r + \Sigma_g
# - 2 (\Sigma_r \Sigma_g)^{1/2}\right).$$
#
# (The trace of a matrix root is the sum of the roots of the eigenvalues.) The distance compares the whole
# sample, so it also notices what is missing *within* a class. (Heusel et al., 2017, use the features of a
# network trained on ImageNet; with those it is called FID. Our numbers cannot be compared with published
# ones.) The formula and the yardstick's own function, for real digits and blurred ones:


# %%
def blurred(n, rng):
    return gaussian_filter(yardstick.real_digits(n, rng), sigma=(0, 1.2, 1.2, 0))


f_r, f_g = (
    yardstick.look(draw(500, np.random.default_rng(1)))[0] for draw in (yardstick.real_digits, blurred)
)
S_r, S_g = np.cov(f_r, rowvar=False), np.cov(f_g, rowvar=False)
gap = f_r.mean(axis=0) - f_g.mean(axis=0)
roots = np.sqrt(np.maximum(np.linalg.eigvals(S_r @ S_g).real, 0))  # rounding may leave -1e-12
by_formula = gap @ gap + np.trace(S_r + S_g) - 2 * np.sum(roots)
print(f"by the formula {by_formula:.3f}, the yardstick {yardstick.frechet_distance(f_r, f_g):.3f}")
assert np.isclose(by_formula, yardstick.frechet_distance(f_r, f_g))

# %% [markdown]
# A generator is a function `draw(n, rng)` that returns `n` images. The yardstick calls it for five draws of
# 2,000 images, and prints the mean, for the distance also the standard deviation. The reference is a random
# half of the test digits (random, since MNIST's first 5,000 test images are easier to read than the rest). A
# measure must itself be tested: real digits from the other half, only ones, blurred digits, and noise.
# **Before you run the next cell, what do you expect**: which measure notices what?

# %%
ones = x_test[mnist.y_test == 1]
cases = {
    "real digits": yardstick.real_digits,
    "only ones": lambda n, rng: ones[rng.choice(len(ones), n)],
    "blurred": blurred,
    "noise": lambda n, rng: rng.uniform(size=(n, 28, 28, 1)),
}
effort = budget.pick(smoke={"samples": 500, "draws": 2}, cpu={})  # in cpu the yardstick's own
rows = {name: yardstick.measure(draw, **effort) for name, draw in cases.items()}
yardstick.table(rows)

# %%
real = rows["real digits"]
assert real.confident > 0.97
assert rows["only ones"].confident > 0.97
assert rows["only ones"].smallest_class == 0
assert min(rows["blurred"].confident, 10 * rows["blurred"].smallest_class) > 0.5
assert all(20 * real.frechet < rows[name].frechet for name in list(cases)[1:])

# %% [markdown]
# The first row is what a perfect generator would reach. Of the ones the judge is sure, and nine classes are
# missing. Of the blurred digits it is almost as sure, and no class is missing: only the distance notices. And
# how many images does the distance need? Real digits again, fewer of them:

# %%
for n in (250, 500, 1000):
    some = yardstick.measure(yardstick.real_digits, samples=n)
    print(f"{n:5} real digits: Fréchet distance {some.frechet:.1f} ± {some.frechet_sd:.1f}")
    assert some.frechet > real.frechet or budget.name == "smoke"

# %% [markdown]
# Few images make the distance larger, whatever they show: compare generators at equal numbers of images only.
#
# ### Two forms
#
# The perceptrons of section 5 are the first form. The second is convolutional (after Radford et al., 2016):
# the generator turns the noise into a small picture with many channels, and transposed convolutions (lesson
# 09) enlarge it, each by a factor 2. The discriminator goes the other way, with stride 2 instead of pooling.


# %%
def conv_generator(latent, channels=32):
    kernel = {"kernel_size": 4, "strides": 2, "padding": "same"}
    return keras.Sequential(
        [
            keras.Input((latent,)),
            layers.Dense(7 * 7 * channels, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Reshape((7, 7, channels)),
            layers.Conv2DTranspose(channels // 2, use_bias=False, **kernel),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, activation="sigmoid", **kernel),
        ]
    )


# %%
def conv_discriminator(channels=16, width=128):
    kernel = {"kernel_size": 4, "strides": 2, "padding": "same", "activation": "leaky_relu"}
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(channels, **kernel),
            layers.Conv2D(2 * channels, **kernel),
            layers.Flatten(),
            layers.Dense(width, activation="leaky_relu"),
            layers.Dense(1),
        ]
    )


NORMALS, KINDS, SCALE = 16, 10, 4.0  # the noise: see below
ALL = NORMALS + KINDS
pairs = {"perceptrons": [mlp_generator(ALL), mlp_discriminator()]}
pairs["convolutions"] = [conv_generator(ALL), conv_discriminator()]
for name, pair in pairs.items():
    sizes = [f"{network.count_params():,}" for network in pair]
    print(f"{name:12} generator {sizes[0]}, discriminator {sizes[1]} parameters")

# %% [markdown]
# ### Training
#
# Both learning rates are 0.001 and $\beta_1 = 0.5$. To the algorithm of section 3 we add three things.
#
# 1. **The gradient penalty** of section 6, with the same $\gamma = 0.1$. We keep it from the ring; whether
#    these digits need it is not tested here.
# 2. **Noise with a discrete part.** $G$ is continuous and a Gaussian $z$ has no gaps, so between two digits
#    $G$ must make something that is neither (Khayatkhoei et al., 2018). But $p_z$ is ours to choose. We take
#    16 standard normal numbers and one of 10 categories, as a vector with one 4 and nine zeros, so that it is
#    about as long as the other part (Gurumurthy et al., 2017, learn a mixture of Gaussians for this). Nothing
#    tells $G$ what a category should mean.
# 3. **The average of the generator's weights**, $\bar\theta_g \leftarrow \beta \bar\theta_g + (1 - \beta)
#    \theta_g$ with $\beta = 0.999$ (Yazıcı et al., 2019). If the players circle, as in section 4, the average
#    lies nearer to the centre. It is not used in the training, only for samples. This one is tested below.


# %%
class DigitGAN(PenalisedGAN):
    def __init__(self, generator, discriminator, beta=0.999):
        super().__init__(generator, discriminator)
        self.beta = beta
        self.average = keras.models.clone_model(generator)
        self.average.set_weights(generator.get_weights())

    def noise(self, m):
        z = keras.random.normal((m, NORMALS), seed=self.seed_generator)
        kind = keras.random.randint((m,), 0, KINDS, seed=self.seed_generator)
        return ops.concatenate([z, SCALE * ops.one_hot(kind, KINDS)], axis=-1)

    def train_step(self, batch):
        logs = super().train_step(batch)
        pairs = zip(self.average.trainable_variables, self.generator.trainable_variables)
        for mean, weight in pairs:
            mean.assign(self.beta * mean + (1 - self.beta) * weight)
        return logs


# %% [markdown]
# One more detail. Batch normalisation keeps the mean and variance of each unit, and those belong to the
# weights with which they were counted. The averaged network needs its own: one pass over a large batch. To
# be fair, the last step is judged with statistics that are counted in the same way.


# %%
n_eval = budget.pick(smoke=500, cpu=2000)
z_normal = np.random.default_rng(6).normal(size=(n_eval, NORMALS))
z_kind = SCALE * np.eye(KINDS)[np.arange(n_eval) % KINDS]
z_eval = np.concatenate([z_normal, z_kind], axis=1).astype("float32")


def settle(network):
    """Give batch normalisation the statistics of the batch z_eval under the present weights."""
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0  # the new statistics replace the old ones
    network(z_eval, training=True)


def digits_of(network):
    """Return a function draw(n, rng) for the yardstick: noise as in training, but from rng."""

    def draw(n, rng):
        kinds = SCALE * np.eye(KINDS)[rng.integers(KINDS, size=n)]
        z = np.concatenate([rng.normal(size=(n, NORMALS)), kinds], axis=1)
        return network.predict(z.astype("float32"), batch_size=500, verbose=0)

    return draw


# %% [markdown]
# The callback judges both generators after each epoch, by one draw, and keeps some pictures from the same
# $z$.


# %%
class Watch(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seconds, self.rows, self.pictures = 0.0, [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += time.perf_counter() - self.started  # of the training alone
        gan, one_draw = self.model, effort | {"draws": 1}
        players = gan.generator, gan.average
        for network in players:
            settle(network)  # the training itself uses the statistics of each batch: nothing changes in it
        last, average = (yardstick.measure(digits_of(network), **one_draw) for network in players)
        self.rows.append({**logs, "last step": last, "average": average})
        self.pictures.append(gan.average.predict(z_eval[:60], verbose=0))


# %%
def train(generator, discriminator, epochs, seed):
    """Train on MNIST; return the model and what the callback has seen."""
    keras.utils.set_random_seed(seed)
    gan, watch = DigitGAN(generator(), discriminator()), Watch()
    gan.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.5),
        jit_compile=budget.name != "smoke",  # XLA: quicker steps, but some seconds to compile
    )
    batches = training.minibatches(x_train, BATCH)
    steps = budget.pick(smoke=10, cpu=usable // BATCH)
    chunks = {"steps_per_epoch": steps, "epochs": epochs, "shuffle": False}  # the batches are shuffled
    gan.fit(batches, verbose=0, callbacks=[watch], **chunks)
    end = watch.rows[-1]["average"]
    print(f"seed {seed}: {steps * epochs:,} steps, confident {end.confident:.0%}, Fréchet {end.frechet:.1f}")
    return gan, watch


def verdict(gan, watch):
    """Return what the yardstick says of both generators, name → measures."""
    players = {"last step": gan.generator, "average": gan.average}
    measure, spent = yardstick.measure, watch.seconds
    return {name: measure(digits_of(network), seconds=spent, **effort) for name, network in players.items()}


# %% [markdown]
# Both pairs are trained for five epochs (937 steps an epoch; in each step $D$ is updated once and $G$ once).
# In the `gpu` budget the networks are larger, and the epochs more. (This takes two to three minutes.)
# **Before you run the next cell, what do you expect** of the convolutional pair, and of its average?

# %%
channels, epochs = budget.pick(smoke=32, cpu=32, gpu=128), budget.pick(smoke=2, cpu=5, gpu=40)
gan, watch = train(
    lambda: conv_generator(ALL, channels), lambda: conv_discriminator(channels // 2), epochs, seed=1
)
perceptrons = train(lambda: mlp_generator(ALL), mlp_discriminator, epochs, seed=1)
generator = gan.average

# %%
if budget.name == "smoke":
    networks.load_weights(generator, "networks/gan.npz")
    print("weights: shipped with the course (trained by this notebook in the cpu budget)")
else:
    print(f"weights: trained here, seed 1, {epochs * usable // BATCH:,} steps")

# %% [markdown]
# One training is no evidence for a difference. The convolutional pair (in the size of the `cpu` budget) was
# trained from two further seeds by `lessons/11_gan/seeds.py`, which takes four minutes; what the yardstick
# said of them, after each epoch and at the end, ships with the course:


# %%
def measures(row):
    return {name: yardstick.Measures(**values) for name, values in row.items()}


stored = json.loads(data.read("gan_seeds.json"))
ends_of = [verdict(gan, watch), *[measures(run["end"]) for run in stored]]  # seeds 1, 2, 3
epochs_of = [watch.rows, *[[measures(row) for row in run["epochs"]] for run in stored]]
print([len(rows) for rows in epochs_of], "epochs of seeds 1, 2, 3")

# %% [markdown]
# ### The verdict
#
# (In the `smoke` budget the average of seed 1 has the weights that ship; the other rows come from a few
# steps.)

# %%
table = {"real digits": real}
table["VAE of lesson 10"] = yardstick.measure(networks.vae(), **effort)
seconds = perceptrons[1].seconds
table["perceptrons"] = yardstick.measure(digits_of(perceptrons[0].average), seconds=seconds, **effort)
for seed, end in enumerate(ends_of, start=1):
    table |= {f"convolutions, seed {seed}, {name}": row for name, row in end.items()}
table["convolutions, as they ship"] = yardstick.measure(networks.gan(), **effort)
yardstick.table(table)

# %%
final = table["convolutions, seed 1, average"]
runtime.result("mnist_gan_confident", final.confident, at_least=0.90)
runtime.result("mnist_gan_smallest_class_share", final.smallest_class, at_least=0.03)
runtime.result("mnist_gan_frechet", final.frechet)
runtime.result("mnist_gan_frechet_of_real_digits", real.frechet)
runtime.result("mnist_mlp_gan_confident", table["perceptrons"].confident)
runtime.result("mnist_mlp_gan_frechet", table["perceptrons"].frechet)
runtime.result("mnist_gan_confident_without_average", table["convolutions, seed 1, last step"].confident)
gains = [end["last step"].frechet - end["average"].frechet for end in ends_of]
print("the average is nearer to real digits by", ", ".join(f"{gain:.1f}" for gain in gains))
runtime.result("mnist_gan_frechet_gain_of_average_mean", np.mean(gains))

# %% [markdown]
# **Look at** the distances. What stands behind $\pm$ is the chance of the drawn $z$; the rows of the three
# seeds show the chance of the training. For each seed the average is nearer to real digits than the last
# step, by more than the draws explain. That is what the small game of section 4 made us hope for; whether
# circling is the reason is not shown. (The statistics of batch normalisation are not the reason: both have
# fresh ones, from the same batch.) The convolutional pairs end nearer than the perceptrons after equal
# *steps*; the perceptrons took less *time* (last column). The VAE of lesson 10 is far behind all of them, and
# the judge is sure of little more than half of its samples. And no row reaches the first one.
#
# (The last row has the weights with which the lab and other lessons work. They were trained as seed 1 here,
# in another run.)

# %%
draws = {
    "convolutions": digits_of(generator),
    "perceptrons, as many steps": digits_of(perceptrons[0].average),
    "VAE of lesson 10": networks.vae(),
}
figure, axes = plt.subplots(3, 1, figsize=(6.4, 4.3), height_ratios=[2, 1, 1])
for ax, (name, draw) in zip(axes, draws.items()):
    plots.image_grid(draw(24 if ax is axes[0] else 12, np.random.default_rng(1)), columns=12, ax=ax)
    ax.set_title(f"{name}: not selected", fontsize=10)
plots.show(
    "Twenty-four digits of the convolutional generator, most of them readable, with strokes as sharp as in "
    "MNIST; below twelve of the perceptrons, rougher and with broken strokes; below these twelve of the "
    "variational autoencoder, softer, some of them no digit."
)

# %% [markdown]
# Are the strokes sharp? Lesson 10 measured the share of grey among the pixels with ink, for its VAE and for
# real digits. Here it is for our two generators, too:


# %%
def grey_share(images):
    return np.sum((images > 0.1) & (images < 0.9)) / np.sum(images > 0.1)


sources = {"real digits": yardstick.real_digits} | draws
grey = {name: grey_share(draw(1000, np.random.default_rng(2))) for name, draw in sources.items()}
for name, share in grey.items():
    print(f"{name:26} share of grey {share:.0%}")
assert grey["convolutions"] < 1.1 * grey["real digits"]
assert grey["VAE of lesson 10"] > 1.3 * grey["real digits"]

# %% [markdown]
# Yes: the images of both generators have about as much grey as real digits, those of the VAE much more. A
# guess at the reason: a blurred edge would be easy to recognise as a fake. (The VAE has no such opponent.
# Where its decoder is not sure of the place of a stroke, it gives the mean of what is possible: lesson 10,
# section 14.)
#
# ### Along the training


# %%
def draw_losses(ax):
    for name, line, color, level in (("d_loss", "-", BLUE, np.log(4)), ("g_loss", "--", GREEN, np.log(2))):
        values = [row[name] for row in watch.rows]
        ax.plot(np.arange(1, len(values) + 1), values, line, color=color, label=name)
        ax.axhline(level, color=color, linestyle=":")
    ax.set(title="losses, seed 1 (dotted: at $D = 1/2$)")
    ax.legend(fontsize=8)


TITLES = {"confident": "confident", "smallest_class": "smallest class", "frechet": "Fréchet distance"}
curves = {
    "average": (epochs_of, "average", GREEN, "o-"),
    "last step": (epochs_of, "last step", ORANGE, "s--"),
    "perceptrons, average": ([perceptrons[1].rows], "average", "0.4", "^-."),
}


def draw_measure(ax, key):
    for label, (runs, kind, color, style) in curves.items():
        for seed, rows in enumerate(runs, start=1):
            values = [getattr(row[kind], key) for row in rows]
            (line,) = ax.plot(range(1, len(rows) + 1), values, style, color=color, markersize=4, linewidth=1)
            line.set_label(label if seed == 1 else None)
    ax.axhline(getattr(real, key), color="black", linestyle=":", label="real digits")
    ax.set(title=TITLES[key], yscale="log" if key == "frechet" else "linear")


# %%
figure, axes = plt.subplots(2, 2, figsize=(8.4, 5.0), sharex=True)
draw_losses(axes[0, 0])
for ax, key in zip(axes.flat[1:], TITLES):
    draw_measure(ax, key)
axes[0, 1].legend(fontsize=8, loc="lower right")
for ax in axes[1]:
    ax.set_xlabel("epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
plots.show(
    "Four panels over the epochs, three runs of the convolutional pair and one of the perceptrons. The "
    "losses of seed 1 soon stay level. The share of confident samples and the smallest class rise towards "
    "those of real digits, the Fréchet distance falls, on a logarithmic axis; the perceptrons end behind in "
    "confidence and distance. "
    "The average begins behind the last step."
)

# %% [markdown]
# **Look at** the losses, and then at the other panels. The loss of a GAN is no measure of its samples: each
# player is measured against an opponent that changes. This is why we need a judge. And compare the average
# with the last step: at first it is behind, because it still remembers the beginning; at the end it is ahead
# in the distance and, by a point or less, in confidence; in the smallest class the lines cross. For equal
# time instead of equal steps, take the seconds of the table: the perceptrons' five epochs took about as long
# as the first one or two of a convolutional pair, and by then the perceptrons were ahead in confidence and
# distance.

# %%
kept = sorted({int(i) for i in np.linspace(0, len(watch.pictures) - 1, 5)})
plots.image_grid(np.concatenate([watch.pictures[i][:10] for i in kept]), columns=10, scale=0.5)
plots.show(
    "Ten digits, each column from the same z, one row an epoch, from the first to the last. Blots become "
    "strokes and strokes digits; some columns change their class on the way."
)
print("epochs", ", ".join(str(i + 1) for i in kept))

# %% [markdown]
# One column is the work of one $z$, and each of the ten columns has another category. From row to row a
# column may change from one digit to another, also late; in the other columns only the form of the strokes
# changes.
#
# ### Has it collapsed?
#
# The class shares say that no class is missing. Do the samples differ enough from each other? Take each
# sample's distance to its nearest neighbour among the other samples, and the same for real digits. A
# generator that repeats itself has small ones. And the distance to the nearest *training* image: a generator
# that copies most of its samples has a median of zero there.


# %%
def nearest(a, b, same=False):
    """Median over the rows of a of the distance to the nearest row of b (another one if `same`)."""
    a, b = (images.reshape(len(images), -1) for images in (a, b))
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    if same:
        np.fill_diagonal(squares, np.inf)
    return np.median(np.sqrt(np.maximum(squares.min(axis=1), 0)))


few, train_few = budget.pick(smoke=200, cpu=1000), budget.pick(smoke=2000, cpu=usable)
kinds = {name: sources[name](few, np.random.default_rng(3)) for name in ("real digits", "convolutions")}
kinds["only ones"] = ones[:few]
distances = []
for name, images in kinds.items():
    distances.append((nearest(images, images, same=True), nearest(images, x_train[:train_few])))
    print(f"{name:12} nearest among themselves {distances[-1][0]:.2f}, training image {distances[-1][1]:.2f}")
(real_among, real_copy), (among, copy), (ones_among, _) = distances
assert budget.name == "smoke" or (among > 0.9 * real_among > ones_among and copy > 0.9 * real_copy)

# %% [markdown]
# By these two numbers it has not collapsed, nor does it copy. The samples are almost as far from each other
# as real digits are; the ones show how much smaller the distance is where the images are alike. And the
# samples are no nearer to the training images than real test digits. A median says nothing of the rare: a few
# copies, or a missing rare form, would not show.

# %% [markdown]
# ## 8. What it is used for
#
# Whoever can draw from a distribution can make things that look real. GANs have been used to fill in missing
# parts of pictures (inpainting), to enlarge pictures, to turn sketches into photographs, to make
# three-dimensional objects, speech and music, to add training data where examples are few, in teaching and in
# art. The same skill makes faces of people who do not exist for false accounts, and pictures, voices, videos
# and news of things that never happened. Two facts are worth keeping in mind. A discriminator that recognises
# fakes is also what the next generator is trained against, so detection alone does not settle the matter. And
# a generator reproduces its data, with its gaps and prejudices: it may drop whole parts of it (section 6, and
# the lab), even parts that are not rare, and so make the gaps larger. The field moves fast: for many of these
# uses diffusion models have since taken the place of GANs; the questions have stayed.
#
# Our generator makes digits, but we cannot ask it for a seven. With labels we could. A **conditional GAN**
# (Mirza & Osindero, 2014) gives the class $c$ to both players: $G(z, c)$ and $D(x, c)$, in code one more
# input, for example the one-hot vector of $c$ beside $z$, and beside the features of $x$. $D$ sees the data
# with their labels and the fakes with the $c$ that $G$ was given. A sharp seven with the label 2 is then a
# fake like any other, so $G$ must obey its $c$; and the game is that of section 1 for each class. Lesson 12
# gives the generator inputs with a meaning without any labels.

# %% [markdown]
# ## Summary
#
# - A GAN is a game, $\min_G \max_D V(D, G)$, with $V = \mathbb E \log D(x) + \mathbb E \log(1 - D(G(z)))$.
# - For a fixed generator $D^* = p^* / (p^* + p_g)$ and $V(D^*, G) = -\log 4 + 2\, JSD(p^*, p_g)$. At the end
#   $p_g = p^*$, $D = \frac12$, $V = -\log 4$.
# - Goodfellow's algorithm takes $k$ steps of $D$ and one of $G$. The generator learns only from the gradient
#   that comes through the discriminator.
# - $\log(1 - D)$ saturates when fakes are recognised; $-\log D$ does not. They have the same aim and
#   different gradients.
# - Two players need not come to rest: $V = \theta \varphi$ spirals outwards. Two failures: no convergence
#   (few good samples), and mode collapse (good samples of a part of the data). Which of them happens depends
#   on optimiser, rates and chance, and has to be measured over several seeds.
# - $JSD$ is flat where two densities hardly overlap; the Wasserstein distance is not.
# - By the Fréchet distance the average of the generator's weights was better than its last step, from each of
#   three seeds.
# - The losses do not measure the samples. Ask a judge: confidence, class shares, Fréchet distance, always
#   beside the values of real data.
#
# **Now you:** the lab is [`../labs/11_gan.ipynb`](../labs/11_gan.ipynb).
#
# ## References
#
# - I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair, A. Courville, Y. Bengio
#   (2014). *Generative adversarial nets.* NeurIPS. [arXiv:1406.2661](https://arxiv.org/abs/1406.2661)
# - I. Goodfellow (2016). *NIPS 2016 tutorial: generative adversarial networks.*
#   [arXiv:1701.00160](https://arxiv.org/abs/1701.00160)
# - A. Radford, L. Metz, S. Chintala (2016). *Unsupervised representation learning with deep convolutional
#   generative adversarial networks.* ICLR. [arXiv:1511.06434](https://arxiv.org/abs/1511.06434)
# - M. Arjovsky, L. Bottou (2017). *Towards principled methods for training generative adversarial networks.*
#   ICLR. [arXiv:1701.04862](https://arxiv.org/abs/1701.04862)
# - M. Arjovsky, S. Chintala, L. Bottou (2017). *Wasserstein generative adversarial networks.* ICML.
#   [arXiv:1701.07875](https://arxiv.org/abs/1701.07875)
# - M. Mirza, S. Osindero (2014). *Conditional generative adversarial nets.*
#   [arXiv:1411.1784](https://arxiv.org/abs/1411.1784)
# - M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler, S. Hochreiter (2017). *GANs trained by a two
#   time-scale update rule converge to a local Nash equilibrium.* NeurIPS.
#   [arXiv:1706.08500](https://arxiv.org/abs/1706.08500)
# - Z. Lin, A. Khetan, G. Fanti, S. Oh (2018). *PacGAN: the power of two samples in generative adversarial
#   networks.* NeurIPS. [arXiv:1712.04086](https://arxiv.org/abs/1712.04086)
# - S. Gurumurthy, R. K. Sarvadevabhatla, R. V. Babu (2017). *DeLiGAN: generative adversarial networks for
#   diverse and limited data.* CVPR. [arXiv:1706.02071](https://arxiv.org/abs/1706.02071)
# - M. Khayatkhoei, A. Elgammal, M. Singh (2018). *Disconnected manifold learning for generative adversarial
#   networks.* NeurIPS. [arXiv:1806.00880](https://arxiv.org/abs/1806.00880)
# - L. Mescheder, A. Geiger, S. Nowozin (2018). *Which training methods for GANs do actually converge?* ICML.
#   [arXiv:1801.04406](https://arxiv.org/abs/1801.04406)
# - Y. Yazıcı, C.-S. Foo, S. Winkler, K.-H. Yap, G. Piliouras, V. Chandrasekhar (2019). *The unusual
#   effectiveness of averaging in GAN training.* ICLR.
#   [arXiv:1806.04498](https://arxiv.org/abs/1806.04498)
