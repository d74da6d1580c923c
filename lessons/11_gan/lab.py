# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.4, cpu: 1}
# ---

# %% [markdown]
# # Lab 11: generative adversarial networks
#
# You go a step further than the lecture: what two other losses want, what the Wasserstein distance tells a
# single sample, two players that circle, the gradient penalty on paper, and a training step with faults to
# find. Then a ring of eight clouds is learned from three seeds, and at the end you turn a knob of the trained
# generator of digits: fewer surprises, clearer digits.
#
# **You need:** lesson 11, NumPy, and paper and pencil. About two and a half hours.

# %%
from nnlabs import data, networks, plots, runtime, yardstick
from nnlabs.checks import gan as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.stats import entropy, norm

# %% [markdown]
# ## 1. Modes hit (a warm-up)
#
# The data is the lecture's ring of eight Gaussian clouds. A point is **good** if its distance to the nearest
# centre is smaller than `radius`. A centre is **hit** if it is the nearest one for good points, and these are
# at least 1 % of *all* points.
#
# `points` has the shape `(n, 2)`, `centres` `(c, 2)`. Return the number of centres that are hit, and the
# share of good points. Use NumPy.
#
# <details><summary>Hint</summary>
#
# `points[:, None] - centres` has the shape `(n, c, 2)`. `np.bincount(indices, minlength=c)` counts.
#
# </details>


# %% exercise="modes-hit"
def modes_hit(points, centres, radius):
    """Return (number of centres hit, share of good points) for points (n, 2) and centres (c, 2)."""
    ### BEGIN SOLUTION
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    nearest, good = distances.argmin(axis=1), distances.min(axis=1) < radius
    counts = np.bincount(nearest[good], minlength=len(centres))
    return int(np.sum(counts >= 0.01 * len(points))), float(np.mean(good))
    ### END SOLUTION


# %% check="modes-hit" points=2
modes_hit = check.modes_hit(modes_hit)

# %% [markdown]
# Three sets. **Before you run the next cell, what do you expect** of the two numbers for each?

# %%
SPREAD = 0.1
angles = np.pi / 4 * np.arange(8)
centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
ring = data.eight_gaussians(20_000, spread=SPREAD, seed=1)[0].astype("float32")
rng = np.random.default_rng(1)
turn, radius = rng.uniform(0, 2 * np.pi, 2000), rng.normal(2, 0.3, 2000)
closed = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
sets = {
    "data": ring[:2000],
    "one cloud": centres[0] + SPREAD * rng.normal(size=(2000, 2)),
    "closed ring": closed,
}
for name, points in sets.items():
    hit, good = modes_hit(points, centres, 3 * SPREAD)
    print(f"{name:11}: {hit} modes hit, {good:.1%} good")

# %% [markdown]
# Two numbers for two failures: *one cloud* is a perfect collapse, good and without variety. The *closed ring*
# hits every mode, and most of its points lie between the clouds.
#
# ## 2. Derive it: what other losses want
#
# Two losses without a logarithm are in wide use. In both $D(x)$ is any real number, wanted at 1 for data and
# at $-1$ for fakes. $D$ minimises
#
# $$\text{least squares:}\quad \mathbb E_{x \sim p^*} (D(x) - 1)^2 + \mathbb E_{x \sim p_g} (D(x) + 1)^2,$$
#
# $$\text{hinge:}\quad \mathbb E_{x \sim p^*} \max(0, 1 - D(x)) + \mathbb E_{x \sim p_g} \max(0, 1 + D(x))$$
#
# (Mao et al., 2017; Lim & Ye, 2017). As in section 2 of the lecture, $D$ may be any function, so the best
# $d = D(x)$ can be found for each $x$ on its own. Find both on paper. Then write them: the arguments are the
# two densities at the same places, arrays of one shape, whose values may be 0; return the tuple (least
# squares, hinge) of two arrays of this shape. Where several $d$ are equally good, as where both densities
# are 0, take the one that is nearest to 0. Use NumPy.
#
# <details><summary>Hint 1</summary>
#
# Write what is minimised at one $x$, as a function of $d$, and draw it for $p^* = 3$, $p_g = 1$ and for
# $p^* = 1$, $p_g = 3$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A sum of squares has its minimum where the derivative is 0. The hinge's drawing is a line with two
# kinks: where can its lowest point be? Which of the two densities decides? And when are all points equal, for
# each loss?
#
# </details>


# %% exercise="optimal-outputs"
def optimal_outputs(p_star, p_g):
    """Return the best D for least squares and for the hinge, from the densities p_star and p_g."""
    ### BEGIN SOLUTION
    total = p_star + p_g
    empty = total == 0
    least_squares = np.where(empty, 0, (p_star - p_g) / np.where(empty, 1, total))
    return least_squares, np.sign(p_star - p_g)
    ### END SOLUTION


# %% check="optimal-outputs" points=3
optimal_outputs = check.optimal_outputs(optimal_outputs)

# %% [markdown]
# The two densities of the lecture. Its $D^*$ runs from 0 to 1; drawn is $2 D^* - 1$. **Before you run the
# next cell, what do you expect**: where do the three curves cross 0?

# %%
x = np.linspace(-6, 6, 601)
p_star, p_g = norm.pdf(x, 1, 0.8), norm.pdf(x, -1, 1.2)
least_squares, hinge = optimal_outputs(p_star, p_g)
plt.plot(x, p_star, "k:", label="data $p^*$")
plt.plot(x, p_g, "-.", color="0.5", label="generator $p_g$")
plt.plot(x, least_squares, color=plots.COLORS[0], linewidth=4, alpha=0.4, label="least squares")
plt.plot(x, 2 * p_star / (p_star + p_g) - 1, "--", color=plots.COLORS[1], label="$2 D^* - 1$")
plt.plot(x, hinge, color=plots.COLORS[2], label="hinge")
plt.gca().set(xlabel="$x$", ylabel="$D(x)$", ylim=(-1.2, 1.7))
plt.legend(ncols=2, fontsize=9, loc="upper left")
plots.show(
    "The optimal outputs of three losses, with both densities. The curve of least squares and twice D* minus "
    "one lie on each other and rise smoothly; the hinge jumps from -1 to 1 where the densities cross, and "
    "back far to the right."
)
dx = x[1] - x[0]
lowest = np.sum(p_star * np.maximum(0, 1 - hinge) + p_g * np.maximum(0, 1 + hinge)) * dx
print(
    f"the hinge's lowest loss {lowest:.4f}, 2 x the common area {2 * np.minimum(p_star, p_g).sum() * dx:.4f}"
)
assert np.isclose(lowest, 2 * np.minimum(p_star, p_g).sum() * dx)

# %% [markdown]
# All three cross 0 where $p^* = p_g$: at the end of the game no $D$ can do better than 0. But the best $D$ of
# the hinge says only on which side more data lies, not how much more; and its lowest loss is twice the area
# that both densities have in common. For two densities without overlap this is 0 at any distance. Changing
# the loss did not mend what the lecture found.
#
# ## 3. Derive it: what the Wasserstein distance tells each sample
#
# In one dimension the best way to move one sample onto another of the same size $n$ is to pair them in order,
# the smallest with the smallest, and so on. The **Wasserstein distance** is the mean of the distances in
# these pairs.
#
# Let the fakes be the parameters: find the derivative of the distance by each fake on paper. Return the tuple
# (distance, slopes); `slopes[i]` is the derivative by `fake[i]`, in the order in which the fakes are given.
# Where the two of a pair are equal the distance has a kink: let the slope be 0 there. No two fakes
# are equal.
#
# <details><summary>Hint 1</summary>
#
# When one fake moves a little, the order stays as it is, and so do the pairs. In which term of the mean does
# this fake stand?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `order = np.argsort(fake)` are the positions of the smallest, the next, ... so `fake[order]` is sorted. With
# slopes `s` for the sorted fakes, at which positions do they belong? An array can be filled at chosen
# positions.
#
# </details>


# %% exercise="wasserstein"
def wasserstein(x, fake):
    """Return the distance of the samples x (n,) and fake (n,), and its derivative by each fake (n,)."""
    ### BEGIN SOLUTION
    order = np.argsort(fake)
    gap = fake[order] - np.sort(x)
    slopes = np.empty(len(fake))
    slopes[order] = np.sign(gap) / len(fake)
    return np.mean(np.abs(gap)), slopes
    ### END SOLUTION


# %% check="wasserstein" points=3
wasserstein = check.wasserstein(wasserstein)

# %% [markdown]
# The data is two clouds, the fakes begin far to the left of both. Each fake walks down its slope. **Before
# you run the next cell, what do you expect**: do all fakes end in the nearer cloud?

# %%
rng = np.random.default_rng(2)
n = 200
x = np.concatenate([rng.normal(-1, 0.3, n // 2), rng.normal(3, 0.3, n // 2)])
way = [rng.normal(-6, 0.5, n)]
for _ in range(240):
    _, slopes = wasserstein(x, way[-1])
    way.append(way[-1] - 0.05 * n * slopes)  # each step is 0.05 long, however far it is
edges, shifts = np.linspace(-14, 8, 111), np.arange(0, 8.5, 0.5)
in_boxes = [np.histogram(x - shift, edges)[0] / n for shift in shifts]


def jsd(p, q):
    return (entropy(p, (p + q) / 2) + entropy(q, (p + q) / 2)) / 2


# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
left.plot(shifts, [wasserstein(x, x - shift)[0] for shift in shifts], "o-", markersize=4, label="Wasserstein")
left.plot(
    shifts, [jsd(p, in_boxes[0]) for p in in_boxes], "s--", markersize=4, label="Jensen-Shannon, in boxes"
)
left.set(xlabel="shift of the fakes from the data", ylabel="distance")
left.legend(fontsize=9)
right.plot(np.array(way)[:, ::10], color=plots.COLORS[2], linewidth=0.7)
right.plot(np.full(n, 245), x, "k_", markersize=6)
right.set(xlabel="step", ylabel="$x$", title="the way of 20 fakes; data at the right")
plots.show(
    "Left: against the shift the Wasserstein distance is a straight line, the Jensen-Shannon divergence "
    "rises, dips and stays at log 2. Right: twenty fakes rise side by side from minus 6; half of them stop "
    "at the cloud around minus 1, the others go on to the cloud around 3."
)
print(f"distance at the start {wasserstein(x, way[0])[0]:.2f}, at the end {wasserstein(x, way[-1])[0]:.3f}")
assert wasserstein(x, way[-1])[0] < 0.05

# %% [markdown]
# **Look at** the right panel: half of the fakes go through the first cloud to the second. Each has a partner
# of its own, so no cloud is left out. A Wasserstein GAN has to *learn* this direction with a critic, from
# minibatches: what it reaches is not as clean.
#
# ## 4. Two players: one step of the game
#
# The smallest game of the lecture, with a penalty on $D$ as in exercise 5: the generator moves $\theta$ to
# make $V = \theta \varphi$ small, the discriminator moves $\varphi$ to make
# $V - \frac\gamma2 \varphi^2$ large. Each makes a gradient step with the rate $\varepsilon$ (`rate`).
#
# - `alternate=False`: both move at the same time, each from the old values of both.
# - `alternate=True`: $D$ moves first, and $G$ answers the new $\varphi$, as in Goodfellow's algorithm.
#
# Return the new `(theta, phi)`. They may be numbers or arrays of one shape (many games at once).
#
# <details><summary>Hint</summary>
#
# The new $\varphi$ is the same in both cases. Write $V - \frac\gamma2 \varphi^2$ and take its derivative by
# $\varphi$. Which $\varphi$ stands in the derivative for $\theta$?
#
# </details>


# %% exercise="game-step"
def game_step(theta, phi, rate, gamma, alternate):
    """Return (theta, phi) after one step: D ascends V - gamma/2 phi^2, G descends V = theta phi."""
    ### BEGIN SOLUTION
    new_phi = phi + rate * (theta - gamma * phi)
    seen = new_phi if alternate else phi
    return theta - rate * seen, new_phi
    ### END SOLUTION


# %% check="game-step" points=2
game_step = check.game_step(game_step)

# %% [markdown]
# Three games of 200 steps from $(1, 0)$, with $\varepsilon = 0.1$. **Before you run the next cell, what do
# you expect** of each: outwards, round, or inwards (the third one has $\gamma = 0.3$)? And where is the mean
# of all its points?

# %%
games = {
    "at the same time": {"gamma": 0.0, "alternate": False},
    "alternating": {"gamma": 0.0, "alternate": True},
    "alternating, with penalty": {"gamma": 0.3, "alternate": True},
}
figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.1))
for ax, (name, options), color in zip(axes, games.items(), plots.COLORS):
    path = [(1.0, 0.0)]
    for _ in range(200):
        path.append(game_step(*path[-1], 0.1, **options))
    path = np.array(path)
    mean = path.mean(axis=0)
    ax.plot(*path.T, "-", color=color, linewidth=1)
    ax.plot(*path[0], "o", color=color, label="start")
    ax.plot(*mean, "kx", label="mean of the way")
    ax.set(title=name, xlabel="$\\theta$", xlim=(-2.9, 2.9), ylim=(-2.9, 2.9), aspect="equal")
    print(f"{name:25} distance from 0: end {np.hypot(*path[-1]):.2f}, mean {np.hypot(*mean):.2f}")
axes[0].set_ylabel("$\\varphi$")
axes[2].legend(fontsize=8, loc="upper right")
plots.show(
    "Three ways in the plane of theta and phi, all starting at (1, 0). Left: a spiral outwards. Middle: a "
    "closed, almost round way. Right: a spiral inwards to the centre. A cross, the mean of the way, lies "
    "near the centre in all three."
)

# %% [markdown]
# The mean of the way is nearer to the solution than the end, where the players circle. With the penalty they
# come to rest by themselves. In the middle something never changes at all: question 8 asks you to prove it.
#
# ## 5. Derive it: the gradient penalty of a quadratic discriminator
#
# $R_1$ is $\frac\gamma2$ times the mean of $\lVert \nabla_x a(x) \rVert^2$ over the data (lecture, section
# 6). Let the logit be quadratic,
#
# $$a(x) = x^\top A x + b^\top x = \sum_{j, l} A_{jl}\, x_j x_l + \sum_j b_j x_j.$$
#
# On paper: write the vector $\nabla_x a(x)$, then the penalty, and its derivatives by the matrix $A$ and by
# the vector $b$. $A$ need **not** be symmetric, and its entries are parameters of their own.
#
# Return three things: the penalty of the batch `x` `(m, d)`, the derivative by `A` `(d, d)` and by `b`
# `(d,)`. NumPy is enough.
#
# <details><summary>Hint 1</summary>
#
# One $x_j$ stands in a row of $A$ and in a column. Check your $\nabla_x a$ with $d = 2$, written out.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Call the slope $g = \nabla_x a$, one row for each sample. The penalty is a sum of squares $g_p^2$, so you
# need the derivative of each $g_p$ by $A_{jl}$. It is not 0 for two values of $p$.
#
# </details>


# %% exercise="r1-penalty"
def r1_penalty(x, A, b, gamma):
    """Return R1 of a(x) = x'Ax + b'x over the rows of x (m, d), and its derivatives by A and by b."""
    ### BEGIN SOLUTION
    g = x @ (A + A.T) + b
    penalty = gamma / 2 * np.mean(np.sum(g**2, axis=1))
    return penalty, gamma / len(x) * (g.T @ x + x.T @ g), gamma * g.mean(axis=0)
    ### END SOLUTION


# %% check="r1-penalty" points=4
r1_penalty = check.r1_penalty(r1_penalty)

# %% [markdown]
# What does the penalty do by itself? A discriminator with a saddle at the wrong place, and 200 steps down
# your derivatives on a cloud of data. **Before you run the next cell, what do you expect** of $A$ and $b$?

# %%
rng = np.random.default_rng(3)
x = np.array([1.0, -0.5]) + 0.3 * rng.normal(size=(100, 2))
A, b, slopes = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([1.0, 1.0]), []
for _ in range(201):
    _, of_matrix, of_vector = r1_penalty(x, A, b, 0.2)
    slopes.append(np.linalg.norm(x @ (A + A.T) + b, axis=1).mean())
    A, b = A - of_matrix, b - of_vector
print(f"mean slope at the data: start {slopes[0]:.2f}, end {slopes[-1]:.3f}")
print("A", A.round(2).tolist(), "b", b.round(2))
assert slopes[-1] < 0.05 * slopes[0]

# %% [markdown]
# The discriminator became flat where the data is; the part of $A$ that cancels in $A + A^\top$ has no effect
# on $a(x)$, so the penalty leaves it alone. The loss of the game pulls the other way. Where fakes and data
# are equal nothing is left to gain, and a flat $D$ gives the generator no push: the players can rest.
#
# ## 6. Find the fault: a training step
#
# Somebody has written one iteration of Goodfellow's algorithm with $k = 1$. It should be:
#
# 1. $D$: make fakes of the noise `z_d`, compute its loss from the logits of `x` and of the fakes, and update
#    $\theta_d$ with `d_optimizer`.
# 2. $G$: make new fakes, of the noise `z_g`, ask the discriminator *that has just been updated*, compute its
#    loss, and update $\theta_g$ with `g_optimizer`.
# 3. Return both losses, `(d_loss, g_loss)`.
#
# `losses` is a pair of functions: `d_loss_of(real_logits, fake_logits)` and `g_loss_of(fake_logits)`. So the
# step can be used with any loss; here are the lecture's, the hinge, and the faulty step.


# %%
def mean_softplus(logits):
    return ops.mean(ops.softplus(logits))


def mean_relu(values):
    return ops.mean(ops.relu(values))


LOSSES = {
    "logarithm": (
        lambda real, fake: mean_softplus(-real) + mean_softplus(fake),
        lambda fake: mean_softplus(-fake),
    ),
    "hinge": (
        lambda real, fake: mean_relu(1 - real) + mean_relu(1 + fake),
        lambda fake: -ops.mean(fake),
    ),
}


# %%
def faulty_step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g, losses):
    d_loss_of, g_loss_of = losses
    with tf.GradientTape(persistent=True) as tape:  # persistent: tape.gradient may be called twice
        real_logits = discriminator(x, training=True)
        fake_logits = discriminator(generator(z_d, training=True), training=True)
        d_loss = d_loss_of(fake_logits, real_logits)
        g_loss = g_loss_of(fake_logits)
    d_slopes = tape.gradient(d_loss, discriminator.trainable_variables)
    g_slopes = tape.gradient(g_loss, generator.trainable_variables)
    d_optimizer.apply(d_slopes, discriminator.trainable_variables)
    g_optimizer.apply(g_slopes, generator.trainable_variables)
    return d_loss, g_loss


# %% [markdown]
# It runs without an error. A good test has an answer that you know. Here are
# three: after $D$'s update, with $G$ held still (rate 0), $D$ should tell data and fakes apart better than
# before; how far $D$ moved should change what $G$ learns; and so should other noise `z_g`.


# %%
def perceptron(outputs):
    hidden = [layers.Dense(128, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(outputs)])


def one_step(step, d_rate=0.1, g_rate=0.1, seed=1):
    """Return D's gain, mean logit of data minus that of fakes, and all weights of G after one step."""
    keras.utils.set_random_seed(1)
    generator, discriminator = perceptron(2), perceptron(1)
    g_optimizer, d_optimizer = (keras.optimizers.SGD(learning_rate=rate) for rate in (g_rate, d_rate))
    x, z_d = ring[:256], np.random.default_rng(5).normal(size=(256, 2)).astype("float32")
    z_g = np.random.default_rng(seed).normal(size=(256, 2)).astype("float32")

    def margin():
        return float(ops.mean(discriminator(x)) - ops.mean(discriminator(generator(z_d))))

    before = margin()
    step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g, LOSSES["logarithm"])
    return margin() - before, np.concatenate([w.ravel() for w in generator.get_weights()])


def three_tests(step):
    print(f"D's margin grows by {one_step(step, g_rate=0.0)[0]:.3f}; should be more than 0")
    for name, other in {"another rate of D": {"d_rate": 0.5}, "other noise z_g": {"seed": 2}}.items():
        change = np.abs(one_step(step)[1] - one_step(step, **other)[1]).max()
        print(f"{name} changes G's step: {change > 0}; should be True")


three_tests(faulty_step)

# %% [markdown]
# There are **three** faults, one for each test. Write the step as it should be. Call the networks with
# `training=True`, as above (here no layer needs it; batch normalisation would). The step will be compiled: no
# NumPy, no `float()`. (Mend one fault, and run `three_tests` with your version in a cell of your own: what
# changed?)
#
# <details><summary>Hint 1</summary>
#
# Compare the code with the three points above, word by word: the order of arguments, *new fakes*, *just been
# updated*.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A tape differentiates what was computed inside it, with the weights as they were then. So one tape is not
# enough. And what must be inside the second one, so that the gradient reaches the generator?
#
# </details>


# %% exercise="train-step"
def train_step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g, losses):
    """Update D with x (m, d) and z_d (m, k), then G with z_g (m, k); return (d_loss, g_loss)."""
    ### BEGIN SOLUTION
    d_loss_of, g_loss_of = losses
    fake = generator(z_d, training=True)
    with tf.GradientTape() as tape:
        real_logits = discriminator(x, training=True)
        d_loss = d_loss_of(real_logits, discriminator(fake, training=True))
    theta_d = discriminator.trainable_variables
    d_optimizer.apply(tape.gradient(d_loss, theta_d), theta_d)
    with tf.GradientTape() as tape:
        g_loss = g_loss_of(discriminator(generator(z_g, training=True), training=True))
    theta_g = generator.trainable_variables
    g_optimizer.apply(tape.gradient(g_loss, theta_g), theta_g)
    return d_loss, g_loss
    ### END SOLUTION


# %% check="train-step" points=5
train_step = check.train_step(train_step)

# %% [markdown]
# ### The ring, from three seeds
#
# A loop with your step; `tf.function` compiles it. Adam without momentum ($\beta_1 = 0$), the recipe that
# found all eight clouds in the lecture, with both losses, three seeds each.


# %%
def train(losses, seed, steps, m=256, rate=2e-3):
    """Train on the ring; return 2000 samples, and the means of the two losses in the last 200 steps."""
    keras.utils.set_random_seed(seed)
    players = [perceptron(2), perceptron(1)]
    optimizers = [keras.optimizers.Adam(learning_rate=rate, beta_1=0.0) for _ in players]
    for optimizer, network in zip(optimizers, players):
        optimizer.build(network.trainable_variables)

    @tf.function(autograph=False)  # compiled as it stands
    def step():
        x = tf.gather(ring, tf.random.uniform((m,), 0, len(ring), "int32"))
        z_d, z_g = tf.random.normal((m, 2)), tf.random.normal((m, 2))
        return train_step(*players, *optimizers, x, z_d, z_g, losses)

    history = [step() for _ in range(steps)]
    return ops.convert_to_numpy(players[0](z_test)), np.mean(np.array(history[-200:]), axis=0)


z_test = np.random.default_rng(2).normal(size=(2000, 2)).astype("float32")

# %% [markdown]
# **Before you run the next cell, what do you expect** of the two losses of the logarithm, when all goes well?
# (At the end of the game $D = \frac12$: what are they then?)

# %%
steps = budget.pick(smoke=30, cpu=2000)
clouds, scores = {}, {}
for name, losses in LOSSES.items():
    for seed in budget.pick(smoke=[1], cpu=[1, 2, 3]):
        clouds[name, seed], (d_loss, g_loss) = train(losses, seed, steps)
        scores[name, seed] = modes_hit(clouds[name, seed], centres, 3 * SPREAD)
        hit, good = scores[name, seed]
        print(
            f"{name:9} seed {seed}: d_loss {d_loss:5.2f}, g_loss {g_loss:5.2f}, {hit} modes, {good:.0%} good"
        )
print(f"logarithm, at the end of the game: d_loss {np.log(4):.2f}, g_loss {np.log(2):.2f}")
for k in (1, 2):
    missing = jsd(np.full(8, 1 / 8), np.append(np.full(8 - k, 1 / (8 - k)), np.zeros(k)))
    print(f"the best D against a generator that only lacks {k} of 8 clouds: {np.log(4) - 2 * missing:.2f}")

# %%
figure, axes = plt.subplots(2, 3, figsize=(7.2, 5.0), sharex=True, sharey=True)
for ax, (key, points) in zip(axes.flat, clouds.items()):
    ax.plot(*ring[:400].T, ".", color="0.75", markersize=2)
    ax.plot(*points[:600].T, ".", color=plots.COLORS[2], markersize=2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    ax.set_title("{}, seed {}\n{} modes, {:.0%} good".format(*key, *scores[key]), fontsize=9)
plots.show(
    "Samples of six generators over the grey ring of data, above with the logarithm, below with the hinge, "
    "three seeds each; above each its number of modes and its share of good samples."
)
for name in LOSSES:
    ends = np.array([score for (loss, _), score in scores.items() if loss == name])
    runtime.result(f"lab_ring_good_{name}", ends[:, 1].mean(), at_least=0.8)
    runtime.result(f"lab_ring_modes_{name}_worst_seed", ends[:, 0].min(), at_least=5)

# %% [markdown]
# **Look at** the titles. Almost all samples are good everywhere, and still one seed may lack some clouds
# (when this lab was written, two of them in the first run of the logarithm). This is mode collapse: judged by
# its good share alone, it would be as good as the others. By the losses? The generator's says little. That of
# a discriminator near its best is $\log 4 - 2\, JSD$, by the lecture's formula: it stays below $\log 4$ as
# long as $D$ sees a difference, and the last lines say what two lonely clouds are worth. But it does not say
# *which* difference; and a weak $D$ has $\log 4$, whatever the samples are.
#
# Does this show that the hinge is the better loss? Three seeds are few: if one run in three loses clouds
# whatever the loss, three complete runs still happen with the chance $(2/3)^3$, about 0.3.
#
# ## 7. A knob: truncated noise
#
# A trained generator still has an input that you choose. Noise far from 0 is rare in training, and its
# samples are often the strange ones. So one draws normal numbers, and draws each number whose absolute value
# exceeds a `limit` **again**, until none does: fewer surprises, clearer samples (the *truncation trick* of
# Brock, Donahue & Simonyan, 2019).
#
# Return such numbers, shape `(n, d)`, all drawn from `rng`.
#
# <details><summary>Hint</summary>
#
# `z[far] = ...` with a mask `far` changes only the numbers that are too large. How many new ones does it
# need? And what if one of the new ones is too large again?
#
# </details>


# %% exercise="truncated-normal"
def truncated_normal(n, d, limit, rng):
    """Return normal numbers (n, d) from rng; each is drawn again until it lies within the limit."""
    ### BEGIN SOLUTION
    z = rng.normal(size=(n, d))
    while np.any(np.abs(z) > limit):
        far = np.abs(z) > limit
        z[far] = rng.normal(size=np.sum(far))
    return z
    ### END SOLUTION


# %% check="truncated-normal" points=2
truncated_normal = check.truncated_normal(truncated_normal)

# %% [markdown]
# ### Judge a generator of digits
#
# The generator of the lecture, with the weights that ship with the course, and your noise for its 16 normal
# numbers; the category of each digit is drawn as in training. The yardstick is the same in lessons 10 to 13:
# the judge is lesson 06's LeNet, the reference a random half of the test digits, and each line is the mean
# over several draws; the distance has its standard deviation beside it. *Real digits* are from the
# other half. **Before you run the next cell, what do you expect**: which limit is the best?


# %%
def truncated(limit):
    """Return a function draw(n, rng) that gives n digits from truncated noise."""
    return networks.gan(lambda n, rng: truncated_normal(n, 16, limit, rng))


# %%
effort = budget.pick(smoke={"samples": 500, "draws": 2}, cpu={})  # in cpu the yardstick's own
rows = {"real digits": yardstick.measure(yardstick.real_digits, **effort)}
rows["GAN of lesson 11"] = yardstick.measure(networks.gan(), **effort)
for limit in (2.0, 1.0, 0.5, 0.1):
    rows[f"  limit {limit:g}"] = yardstick.measure(truncated(limit), **effort)
yardstick.table(rows)

# %%
real, whole, narrow = (rows[name] for name in ("real digits", "GAN of lesson 11", "  limit 0.1"))
runtime.result("lab_frechet_real", real.frechet)
runtime.result("lab_frechet_generated", whole.frechet)
runtime.result("lab_confident_generated", whole.confident, at_least=0.85)
runtime.result("lab_frechet_truncated", narrow.frechet)
runtime.result("lab_confident_truncated", narrow.confident)
assert real.frechet < whole.frechet < narrow.frechet
assert whole.confident < narrow.confident

# %%
images = [truncated(limit)(16, np.random.default_rng(6)) for limit in (9.0, 1.0, 0.1)]  # 9: the whole noise
plots.image_grid(np.concatenate(images), columns=16, scale=0.5)
plots.show(
    "Three rows of sixteen digits, the same categories in each. Above, from the whole noise: different "
    "hands, some digits hard to read. In the middle with limit 1, clearer. Below with limit 0.1: digits of "
    "one category are nearly the same image."
)

# %% [markdown]
# **Look at** the first and the third column of the table. The smaller the limit, the surer the judge; and the
# larger the distance to real digits, since the digits of one category become alike (last row of the figure).
# So no limit is the best one: it depends on what the digits are for. And whoever compares two generators by
# the share of confident samples alone may only have found out whose noise is truncated.

# %% [markdown] question="judging" points=3
# **Question 8.** Look back at the whole lab.
#
# 1. In exercise 4, alternating and without a penalty, show that
#    $\theta^2 + \varphi^2 + \varepsilon \theta \varphi$ is the same after every step. What does it mean for
#    the way, and for a friend who waits until her players come to rest?
# 2. Another friend shows you the losses of her GAN: both flat, near $\log 4$ and $\log 2$. "It has
#    converged." What do you ask to see, and what could be wrong?
# 3. The judge is sure of a generator's samples in 99 of 100 cases. Give two bad generators for which this is
#    true, and say which column of the yardstick finds each of them out. Which bad one does no column find?
#
# <!-- BEGIN SOLUTION -->
# 1. Let $\varphi' = \varphi + \varepsilon \theta$ and $\theta' = \theta - \varepsilon \varphi'$. Then
#    $\theta'^2 + \varepsilon \theta' \varphi' = \theta' (\theta' + \varepsilon \varphi') = \theta' \theta$,
#    and this is $\theta^2 - \varepsilon \theta \varphi'$. Add $\varphi'^2$ on both sides; on the right stands
#    $\theta^2 + \varphi' (\varphi' - \varepsilon \theta) = \theta^2 + \varphi' \varphi$, which is
#    $\theta^2 + \varphi^2 + \varepsilon \theta \varphi$. For $\varepsilon < 2$ the places where this sum has
#    one value are an ellipse: the players stay on it for ever, neither outwards nor inwards. She waits in
#    vain; a penalty, a falling rate, or the average of the way helps.
# 2. The samples, and measures of them beside those of real data: share of good samples, modes or classes hit,
#    Fréchet distance, for several seeds. Losses compare the two players with each other only. A discriminator
#    that is too weak to tell anything apart gives the same two numbers, whatever the generator makes. One can
#    also train a fresh discriminator on her samples: what does it reach?
# 3. A generator that repeats one good digit: the smallest class has the share 0, and the Fréchet distance is
#    large. A generator that makes one form of each of the ten digits: the shares are right, but the Fréchet
#    distance (its covariances) is large. One that copies training images is found out by none of the
#    three; compare its samples with their nearest training images.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Momentum in the game.** Add a momentum of 0.5 to both players of exercise 4, alternating. What becomes
#   of the closed way? And with $-0.3$?
# - **More seeds.** Train on the ring with ten seeds and several values of $\beta_1$. How often are clouds
#   missing? How much of this is chance?
# - **The gradient penalty** on the ring: a tape inside the tape, as in the lecture. Which $\gamma$ helps?
# - **A critic.** Replace both losses by those of a Wasserstein GAN, and keep the critic's slope small by a
#   penalty on its gradient. Is its loss a better sign of the samples than those of the table?
# - **Least squares** as a third loss of the ring, and $k = 5$ steps of $D$ for one of $G$. Compare after
#   equal time.
# - **Another data set.** Train the lecture's generator on the clothes of
#   `keras.datasets.fashion_mnist.load_data()`. Who could be the judge?
#
# **References:** I. Goodfellow et al. (2014), *Generative adversarial nets*,
# [arXiv:1406.2661](https://arxiv.org/abs/1406.2661). X. Mao et al. (2017), *Least squares generative
# adversarial networks*, [arXiv:1611.04076](https://arxiv.org/abs/1611.04076). J. H. Lim, J. C. Ye (2017),
# *Geometric GAN*, [arXiv:1705.02894](https://arxiv.org/abs/1705.02894). M. Arjovsky, S. Chintala, L. Bottou
# (2017), *Wasserstein generative adversarial networks*,
# [arXiv:1701.07875](https://arxiv.org/abs/1701.07875). L. Mescheder, A. Geiger, S. Nowozin (2018), *Which
# training methods for GANs do actually converge?*, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406).
# A. Brock, J. Donahue, K. Simonyan (2019), *Large scale GAN training for high fidelity natural image
# synthesis*, [arXiv:1809.11096](https://arxiv.org/abs/1809.11096).
#
# Back to the lecture: [`../notebooks/11_gan.ipynb`](../notebooks/11_gan.ipynb).
