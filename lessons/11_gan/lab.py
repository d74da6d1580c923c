# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 1}
# ---

# %% [markdown]
# # Lab 11: generative adversarial networks
#
# You write the parts of a GAN: the optimal discriminator, the losses, one step of the training, the average
# of the weights, and the two measures that tell a good generator from a bad one. Your parts then learn a ring
# of eight Gaussian clouds, and at the end you judge the digits of a trained generator.

# %%
from nnlabs import data, networks, plots, runtime
from nnlabs.checks import gan as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.special import expit
from scipy.stats import norm

# %% [markdown]
# ## 1. The optimal discriminator
#
# The data has the density $p^*$, the generator's samples $p_g$. For a given generator the discriminator that
# maximises the value $V(D, G)$ is
#
# $$D^*(x) = \frac{p^*(x)}{p^*(x) + p_g(x)}.$$
#
# The arguments are arrays of one shape, the two densities at the same places; the result has this shape too.
# Where *both* densities are 0 nothing is ever seen, and any value is right: return $\frac12$ there. Use
# NumPy.
#
# <details><summary>Hint</summary>
#
# `np.where(condition, a, b)` chooses element by element. It computes both `a` and `b` everywhere, so take
# care that the division is never by 0.
#
# </details>


# %% exercise="optimal-discriminator"
def optimal_discriminator(p_star, p_g):
    """Return D* from the densities p_star and p_g at the same places (any shape)."""
    ### BEGIN SOLUTION
    total = p_star + p_g
    empty = total == 0
    return np.where(empty, 0.5, p_star / np.where(empty, 1, total))
    ### END SOLUTION


# %% check="optimal-discriminator" points=1
optimal_discriminator = check.optimal_discriminator(optimal_discriminator)

# %% [markdown]
# Three generators, one farther from the data than the other. **Before you run the next cell, what do you
# expect** of the third curve?

# %%
x = np.linspace(-4, 6, 201)
p_star = norm.pdf(x, 1, 0.8)
for i, mean in enumerate((-1.5, 0.0, 1.0)):
    D = optimal_discriminator(p_star, norm.pdf(x, mean, 0.8))
    plt.plot(x, D, plots.LINES[i], color=plots.COLORS[i], label=f"$D^*$ for $p_g$ around {mean:g}")
plt.plot(x, p_star, "k:", label="data $p^*$")
plt.gca().set(xlabel="$x$", ylim=(-0.05, 1.4))
plt.legend(ncols=2, fontsize=9)
plots.show(
    "The density of the data and three optimal discriminators. The farther the generator, the steeper D* "
    "rises from 0 to 1; for a generator that equals the data it is one half everywhere."
)

# %% [markdown]
# ## 2. How far from the end?
#
# At $D^*$ the value is $V(D^*, G) = -\log 4 + 2\, JSD(p^*, p_g)$, with the Jensen-Shannon divergence
#
# $$JSD(p, q) = \tfrac12 KL(p, m) + \tfrac12 KL(q, m), \qquad m = \tfrac12 (p + q), \qquad
# KL(p, m) = \sum_x p(x) \log \frac{p(x)}{m(x)}.$$
#
# Write it for two discrete distributions, arrays of shape `(n,)` that sum to 1. A value with $p(x) = 0$ adds
# nothing to $KL(p, m)$: $0 \log 0$ counts as 0.
#
# <details><summary>Hint</summary>
#
# Write $KL$ as a function of its own. `positive = p > 0` selects the values that count: `p[positive]`.
#
# </details>


# %% exercise="jensen-shannon"
def jensen_shannon(p, q):
    """Return JSD(p, q), in nats, of two distributions p and q (n,), which may hold zeros."""
    ### BEGIN SOLUTION

    def kl(p, m):
        positive = p > 0
        return np.sum(p[positive] * np.log(p[positive] / m[positive]))

    middle = (p + q) / 2
    return 0.5 * kl(p, middle) + 0.5 * kl(q, middle)
    ### END SOLUTION


# %% check="jensen-shannon" points=2
jensen_shannon = check.jensen_shannon(jensen_shannon)

# %%
p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.3, 0.2, 0.4])
D = optimal_discriminator(p, q)
value = np.sum(p[p > 0] * np.log(D[p > 0])) + np.sum(q[q > 0] * np.log(1 - D[q > 0]))
print(f"V(D*, G) = {value:.4f}, -log 4 + 2 JSD = {-np.log(4) + 2 * jensen_shannon(p, q):.4f}")
assert np.isclose(value, -np.log(4) + 2 * jensen_shannon(p, q))

# %% [markdown]
# ## 3. The loss of the discriminator
#
# The discriminator returns logits $a$, and $D = 1/(1 + e^{-a})$. It maximises the value of its minibatch, so
# it *minimises*
#
# $$-\frac1m \sum_{i=1}^m \log D(x^{(i)}) - \frac1m \sum_{i=1}^m \log\big(1 - D(G(z^{(i)}))\big).$$
#
# The arguments are the logits of the data and of the fakes, each of shape `(m, 1)` (the two `m` may differ),
# the result is one number. Use `ops` (`keras.ops`), and write it so that logits of 200 do no harm. It will be
# compiled, for tensors that have no values yet: no NumPy, no `float()`, no `len()`.
#
# <details><summary>Hint</summary>
#
# `ops.softplus(a)` is $\log(1 + e^a)$. Which of $\log D$ and $\log(1 - D)$ is $-\log(1 + e^{a})$?
#
# </details>


# %% exercise="discriminator-loss"
def discriminator_loss(real_logits, fake_logits):
    """Return minus V(D, G) over a minibatch: logits (m, 1) of data and of fakes in, one number out."""
    ### BEGIN SOLUTION
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))
    ### END SOLUTION


# %% check="discriminator-loss" points=2
discriminator_loss = check.discriminator_loss(discriminator_loss)

# %% [markdown]
# ## 4. What the generator feels
#
# For the generator there are two losses. For one fake with the logit $a$ they are $\log(1 - D)$, that of the
# minimax game, and $-\log D$, the non-saturating one. Write their derivatives with respect to $a$ in closed
# form.
#
# The argument is an array of logits (any shape), the result a tuple of two arrays of this shape: first for
# $\log(1 - D)$, then for $-\log D$. Use NumPy and SciPy.
#
# <details><summary>Hint</summary>
#
# $D' = D (1 - D)$ (lesson 01). The chain rule does the rest; the results are short. `expit` is the sigmoid,
# without overflow.
#
# </details>


# %% exercise="generator-gradients"
def generator_gradients(fake_logits):
    """Return d log(1 - D) / da and d (-log D) / da for each logit a."""
    ### BEGIN SOLUTION
    return -expit(fake_logits), -expit(-fake_logits)
    ### END SOLUTION


# %% check="generator-gradients" points=2
generator_gradients = check.generator_gradients(generator_gradients)

# %%
for D in (0.5, 0.1, 0.001):
    minimax, non_saturating = generator_gradients(np.array([np.log(D / (1 - D))]))
    print(f"D(G(z)) = {D:5}: minimax {minimax[0]:.3f}, non-saturating {non_saturating[0]:.3f}")

# %% [markdown]
# **Look at** the last line: a fake that is recognised for sure. The lab goes on with the non-saturating loss:


# %%
def generator_loss(fake_logits):
    """Mean of -log D(G(z)), from logits."""
    return ops.mean(ops.softplus(-fake_logits))


# %% [markdown]
# ## 5. Modes hit
#
# The data is a ring of eight Gaussian clouds. Does a generator produce all of them? A point is **good** if
# its distance to the nearest centre is smaller than `radius`. A centre is **hit** if it is the nearest one
# for good points, and these are at least 1 % of *all* points.
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


# %% check="modes-hit" points=3
modes_hit = check.modes_hit(modes_hit)

# %%
SPREAD = 0.1
angles = np.pi / 4 * np.arange(8)
centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
ring = data.eight_gaussians(20_000, spread=SPREAD, seed=1)[0].astype("float32")
one_cloud = centres[0] + SPREAD * np.random.default_rng(1).normal(size=(2000, 2))
for name, points in {"data": ring[:2000], "one cloud": one_cloud}.items():
    hit, good = modes_hit(points, centres, 3 * SPREAD)
    print(f"{name:9}: {hit} modes hit, {good:.1%} good")

# %% [markdown]
# ## 6. One step of the training
#
# Write one iteration of Goodfellow's algorithm with $k = 1$:
#
# 1. $D$: make fakes of the noise `z_d`, compute `discriminator_loss` of the logits of `x` and of the fakes,
#    and update $\theta_d$ with `d_optimizer`.
# 2. $G$: make new fakes, of the noise `z_g`, ask the discriminator *that has just been updated*, compute
#    `generator_loss`, and update $\theta_g$ with `g_optimizer`.
#
# Return both losses, `(d_loss, g_loss)`. Gradients come from `tf.GradientTape`; an optimizer is used with
# `optimizer.apply(gradients, variables)`, and a network's $\theta$ is its `trainable_variables`. Call the
# networks with `training=True` (here no layer needs it; batch normalisation would). The step will be
# compiled: no NumPy, no `float()`.
#
# <details><summary>Hint</summary>
#
# `with tf.GradientTape() as tape:` records what is computed inside; `tape.gradient(loss, variables)` comes
# after it. What must be inside the second tape, so that the gradient reaches the generator?
#
# </details>


# %% exercise="train-step"
def train_step(generator, discriminator, g_optimizer, d_optimizer, x, z_d, z_g):
    """Update D with x (m, d) and z_d (m, k), then G with z_g (m, k); return (d_loss, g_loss)."""
    ### BEGIN SOLUTION
    fake = generator(z_d, training=True)
    with tf.GradientTape() as tape:
        real_logits = discriminator(x, training=True)
        d_loss = discriminator_loss(real_logits, discriminator(fake, training=True))
    theta_d = discriminator.trainable_variables
    d_optimizer.apply(tape.gradient(d_loss, theta_d), theta_d)
    with tf.GradientTape() as tape:
        g_loss = generator_loss(discriminator(generator(z_g, training=True), training=True))
    theta_g = generator.trainable_variables
    g_optimizer.apply(tape.gradient(g_loss, theta_g), theta_g)
    return d_loss, g_loss
    ### END SOLUTION


# %% check="train-step" points=5
train_step = check.train_step(train_step)

# %% [markdown]
# ## 7. The average of the weights
#
# The two players circle around each other, and so do the weights of the generator. Their average over the
# last steps is often better than the weights of any single step. It costs one line in each step:
#
# $$\bar\theta \leftarrow \beta\, \bar\theta + (1 - \beta)\, \theta$$
#
# `average` and `network` are two Keras models of the same form. Change every weight of `average` in place
# (`weight.assign(value)`), leave `network` as it is, and return nothing. A model's `weights` is the list of
# all its weights. This is compiled too: no NumPy. (In the lecture only those that are trained are averaged,
# and the statistics of batch normalisation are counted anew; the networks here have none.)
#
# <details><summary>Hint</summary>
#
# `zip` walks along both lists at once.
#
# </details>


# %% exercise="update-average"
def update_average(average, network, beta):
    """Move the weights of `average` towards those of `network`: the old ones count beta."""
    ### BEGIN SOLUTION
    for mean, weight in zip(average.weights, network.weights):
        mean.assign(beta * mean + (1 - beta) * weight)
    ### END SOLUTION


# %% check="update-average" points=2
update_average = check.update_average(update_average)

# %% [markdown]
# ### Your pieces together
#
# A generator and a discriminator for points in the plane, and a loop with your functions. `tf.function`
# compiles a step.


# %%
def perceptron(outputs):
    hidden = [layers.Dense(128, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(outputs)])


def new_players(beta_1, rate=2e-3, seed=1):
    """Return generator, discriminator, their optimisers, and a copy of the generator for the average."""
    keras.utils.set_random_seed(seed)
    generator, discriminator = perceptron(2), perceptron(1)
    optimizers = [keras.optimizers.Adam(learning_rate=rate, beta_1=beta_1) for _ in range(2)]
    for optimizer, network in zip(optimizers, (generator, discriminator)):
        optimizer.build(network.trainable_variables)
    average = keras.models.clone_model(generator)
    average.set_weights(generator.get_weights())
    return generator, discriminator, *optimizers, average


# %%
def train(beta_1, steps, m=256, report=5):
    """Train on the ring; return the generator, its average, and the measures along the way."""
    *players, average = new_players(beta_1)

    @tf.function(autograph=False)  # compiled as it stands
    def step():
        x = tf.gather(ring, tf.random.uniform((m,), 0, len(ring), "int32"))
        z_d, z_g = tf.random.normal((m, 2)), tf.random.normal((m, 2))
        losses = train_step(*players, x, z_d, z_g)
        update_average(average, players[0], 0.995)
        return losses

    log = []
    for i in range(1, steps + 1):
        losses = step()
        if i % (steps // report) == 0:
            points = ops.convert_to_numpy(players[0](z_test))
            log.append((i, *(float(loss) for loss in losses), *modes_hit(points, centres, 3 * SPREAD)))
    return players[0], average, log


z_test = np.random.default_rng(2).normal(size=(2000, 2)).astype("float32")

# %% [markdown]
# **Before you run the next cell, what do you expect** of the two losses, when all goes well? (At the end of
# the game $D = \frac12$: what are the losses then?)

# %%
steps = budget.pick(smoke=50, cpu=2000)
generators = {}
for beta_1 in (0.9, 0.0):
    generator, average, log = train(beta_1, steps)
    generators[f"beta_1 = {beta_1:g}"] = generator
    print(f"Adam with beta_1 = {beta_1:g}\n step  d_loss  g_loss  modes  good")
    for row in log:
        print("{:5} {:7.2f} {:7.2f} {:6} {:5.0%}".format(*row))
generators["beta_1 = 0, averaged"] = average
print(f"at the end of the game: d_loss {np.log(4):.2f}, g_loss {np.log(2):.2f}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.5), sharey=True)
scores = {}
for ax, (name, network) in zip(axes, generators.items()):
    points = ops.convert_to_numpy(network(z_test))
    hit, scores[name] = modes_hit(points, centres, 3 * SPREAD)
    ax.plot(*ring[:800].T, ".", color="0.75", markersize=2)
    ax.plot(*points[:800].T, ".", color=plots.COLORS[2], markersize=2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    ax.set_title(f"{name}\n{hit} modes, {scores[name]:.0%} good", fontsize=9)
plots.show(
    "Samples of three generators over the grey ring of data: trained with beta_1 = 0.9, with beta_1 = 0, "
    "and the average of the second one's weights. The first lies together in one place, the others lie on "
    "most of the clouds."
)
runtime.result("lab_ring_good_averaged", scores["beta_1 = 0, averaged"], at_least=0.8)

# %% [markdown]
# **Look at** the losses of both runs. They do not tell which generator is better. Your measure does. And
# compare its two numbers: almost all samples can be good while some clouds are never hit.
#
# ## 8. The Fréchet distance
#
# For images there are no centres. One compares *features* of real and generated images, that is outputs of a
# trained classifier's inner layer. Fit a Gaussian to each set, with means $\mu$ and covariances $\Sigma$
# (divided by $n - 1$, as `np.cov` does). The squared Fréchet distance of the two is
#
# $$\lVert \mu_a - \mu_b \rVert^2 + \operatorname{tr}\left(\Sigma_a + \Sigma_b - 2\, (\Sigma_a
# \Sigma_b)^{1/2}\right).$$
#
# The arguments have the shapes `(n, d)` and `(m, d)`, one row an image; return one real number. The root is
# that of a matrix, $R R = \Sigma_a \Sigma_b$.
#
# <details><summary>Hint</summary>
#
# `np.cov(a, rowvar=False)` takes columns as variables. `scipy.linalg.sqrtm` is the root of a matrix;
# rounding may give it a tiny imaginary part, so keep `.real`. Another way: the trace of the root is the sum
# of the roots of the eigenvalues of $\Sigma_a \Sigma_b$ (`np.linalg.eigvals`). Those are real and not
# negative, but for rounding.
#
# </details>


# %% exercise="frechet-distance"
def frechet_distance(a, b):
    """Return the squared Fréchet distance of Gaussians fitted to a (n, d) and b (m, d)."""
    ### BEGIN SOLUTION
    difference = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real
    trace_of_root = np.sum(np.sqrt(np.maximum(eigenvalues, 0)))
    return float(difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * trace_of_root)
    ### END SOLUTION


# %% check="frechet-distance" points=3
frechet_distance = check.frechet_distance(frechet_distance)

# %% [markdown]
# ### Judge a generator of digits
#
# The generator of the lecture, with the weights that ship with the course. Its noise has two parts: 16 normal
# numbers, and one of ten categories. The judge is lesson 06's LeNet; the features are the 84 outputs of its
# layer F6.


# %%
def conv_generator(latent=26, channels=32):
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


digits_generator = conv_generator()
networks.load_weights(digits_generator, "gan")
z_normal = np.random.default_rng(3).normal(size=(2000, 16))
z_kind = 4.0 * np.eye(10)[np.arange(2000) % 10]
z = np.concatenate([z_normal, z_kind], axis=1).astype("float32")
fakes = np.concatenate([ops.convert_to_numpy(digits_generator(z[i : i + 500])) for i in range(0, 2000, 500)])
print("weights: shipped with the course; samples", fakes.shape)

# %%
judge = networks.lenet()
looks = keras.Model(judge.layers[0].input, [judge.get_layer(name).output for name in ("F6", "output")])


def look(images):
    """Return features (n, 84) and class probabilities (n, 10) of images (n, 28, 28, 1)."""
    parts = [looks(images[i : i + 500]) for i in range(0, len(images), 500)]
    return [np.concatenate([ops.convert_to_numpy(part) for part in column]) for column in zip(*parts)]


test = data.mnist().x_test[:4000, :, :, None].astype("float32") / 255
test = test[np.random.default_rng(4).permutation(4000)]
reference, _ = look(test[:2000])

# %% [markdown]
# Now your measure on several sets. **Before you run the next cell, what do you expect**: which of them is
# nearest to the reference, which farthest?

# %%
sets = {
    "other real digits": test[2000:],
    "generated digits": fakes,
    "half of the classes": test[2000:][look(test[2000:])[1].argmax(axis=1) < 5],
    "one digit, 2000 times": np.repeat(test[2000:2001], 2000, axis=0),
    "noise": np.random.default_rng(5).uniform(size=(2000, 28, 28, 1)).astype("float32"),
}
distances = {}
for name, images in sets.items():
    features, probabilities = look(images)
    distances[name] = frechet_distance(features, reference)
    sure = np.mean(probabilities.max(axis=1) > 0.9)
    print(f"{name:22} Fréchet distance {distances[name]:8.1f}, judge is sure of {sure:.0%}")
runtime.result("lab_frechet_real", distances["other real digits"])
runtime.result("lab_frechet_generated", distances["generated digits"])
assert min(distances, key=distances.get) == "other real digits"
assert distances["generated digits"] < distances["half of the classes"] < distances["one digit, 2000 times"]

# %%
plots.image_grid(fakes[:30], columns=10, scale=0.7)
plots.show("Thirty generated digits: most are readable, in many hands, a few are between two digits.")

# %% [markdown]
# **Look at** the last column for the set with one digit, and at its distance.

# %% [markdown] question="judging" points=3
# **Question 9.** Look back at the whole lab.
#
# 1. In exercise 4, write the ratio of the two derivatives as a function of $D$. What follows for a generator
#    whose fakes have $D(G(z)) = 0.001$? And why do both losses nevertheless have the same aim?
# 2. A friend shows you the losses of her GAN: both flat, near $\log 4$ and $\log 2$. "It has converged." What
#    do you ask to see, and what could be wrong?
# 3. The judge is sure of a generator's samples in 99 of 100 cases. Give two bad generators for which this is
#    true, and say which measure finds each of them out.
#
# <!-- BEGIN SOLUTION -->
# 1. The ratio is $D / (1 - D)$, minimax over non-saturating. At $D = 0.001$ the minimax loss gives a gradient
#    a thousand times smaller: with plain SGD the generator hardly moves just when it is worst. Both losses
#    fall when $D(G(z))$ grows, and both are at rest when $p_g = p^*$, $D = \frac12$. For one fake only the
#    size of the gradient differs; in a minibatch the two losses give different weights to the fakes, so the
#    direction for $\theta_g$ differs too.
# 2. The samples, and measures of them beside those of real data: share of good samples, modes or classes hit,
#    Fréchet distance, for several seeds. Losses compare the two players with each other only. A discriminator
#    that is too weak to tell anything apart gives the same two numbers, whatever the generator makes.
# 3. A generator that repeats one good digit: the entropy of the classes is 0, and the Fréchet distance is
#    large. A generator that makes one form of each of the ten digits: the entropy is $\log 10$, but the
#    Fréchet distance (the covariances) is large. One that copies training images is found out by none of the
#    three; compare its samples with their nearest training images.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **More seeds.** Train on the ring with five seeds and several values of $\beta_1$. How often does each
#   collapse? How much of this is chance?
# - **The minimax loss.** Replace `generator_loss` by $\log(1 - D)$ on the ring, with Adam and with plain SGD.
#   Adam divides the gradient by its size: how much of the saturation does it hide?
# - **$k$ steps.** Let the discriminator take five steps for one of the generator. Compare after equal time.
# - **A gradient penalty.** Add $\frac\gamma2\, \mathbb E_{x \sim p^*} \lVert \nabla_x a(x) \rVert^2$ to the
#   discriminator's loss (a tape inside the tape; Mescheder et al., 2018). Which $\gamma$ helps on the ring?
# - **Another data set.** Train the generator of exercise 8 on the clothes of
#   `keras.datasets.fashion_mnist.load_data()`. Who could be the judge?
#
# **References:** I. Goodfellow et al. (2014), *Generative adversarial nets*,
# [arXiv:1406.2661](https://arxiv.org/abs/1406.2661). M. Heusel et al. (2017), *GANs trained by a two
# time-scale update rule converge to a local Nash equilibrium*,
# [arXiv:1706.08500](https://arxiv.org/abs/1706.08500). L. Mescheder, A. Geiger, S. Nowozin (2018), *Which
# training methods for GANs do actually converge?*, [arXiv:1801.04406](https://arxiv.org/abs/1801.04406).
#
# Back to the lecture: [`../notebooks/11_gan.ipynb`](../notebooks/11_gan.ipynb).
