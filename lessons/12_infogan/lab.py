# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 1.5}
# ---

# %% [markdown]
# # Lab 12: InfoGAN
#
# You go a step further than the lecture: what a channel with losses lets through, a bound from samples alone,
# a $Q$ that is too sure and how to mend it, an InfoGAN with faults to find, and what a code says once another
# one is known. At the end a network that was never told a label reads real digits with a handful of them, and
# writes your digits anew in another hand.
#
# **You need:** lesson 12, NumPy, and paper and pencil. About two and a half hours.

# %%
from nnlabs import data, networks, plots, runtime, training, yardstick
from nnlabs.checks import infogan as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# ## 1. Mutual information (a warm-up)
#
# `joint[i, j]` is $P(X = x_i, Y = y_j)$. Return the mutual information in nats:
#
# $$I(X, Y) = H(X) - H(X|Y) = H(Y) - H(Y|X)$$
#
# Cells may be 0. The entropy of a table of any shape is given.
#
# <details><summary>Hint</summary>
#
# The entropy of the whole table is $H(X, Y) = H(Y) + H(X|Y)$. The distribution of $X$ alone is the sum of the
# table over the columns, `joint.sum(axis=1)`.
#
# </details>


# %%
def entropy(p):
    """Return the entropy in nats of the probabilities p (any shape); 0 log 0 counts as 0."""
    positive = p[p > 0]
    return -np.sum(positive * np.log(positive))


# %% exercise="mutual-information"
def mutual_information(joint):
    """Return I(X, Y) in nats of a table of probabilities, X in the rows, Y in the columns."""
    ### BEGIN SOLUTION
    return entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)
    ### END SOLUTION


# %% check="mutual-information" points=1
mutual_information = check.mutual_information(mutual_information)

# %% [markdown]
# ## 2. Derive it: a channel that loses symbols, and says so
#
# $X$ is one of $K$ symbols with the probabilities $p_1, \ldots, p_K$ (`prior`). With probability $e$ the
# channel **loses** it, whichever it is; then $Y$ is a symbol of its own, "lost". Otherwise $Y = X$. (So $Y$
# has $K + 1$ values.)
#
# Find $I(X, Y)$ on paper, as short as it gets, and write it: `prior` has the shape `(K,)`, and some of its
# probabilities may be 0. `lost` is a number or an array of any shape with values of $e$ from 0 to 1; return
# the information in nats for each of them, in the same shape.
#
# <details><summary>Hint 1</summary>
#
# Which of the two formulas is easier, $H(X) - H(X|Y)$ or $H(Y) - H(Y|X)$? $H(X|Y)$ is a mean over the values
# of $Y$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# What is uncertain about $X$ once $Y$ is a symbol? And what once $Y$ is "lost": is $X$ then distributed in
# another way than before?
#
# </details>


# %% exercise="erasure-information"
def erasure_information(prior, lost):
    """Return I(X, Y) in nats of a channel that loses symbols, and says so: prior (K,), lost of any shape."""
    ### BEGIN SOLUTION
    return (1 - lost) * entropy(prior)
    ### END SOLUTION


# %% check="erasure-information" points=3
erasure_information = check.erasure_information(erasure_information)

# %% [markdown]
# Another channel also loses a share $e$ of its symbols, but hides it: it puts one of the ten in the place of
# a lost one, at random. **Before you run the next cell, what do you expect**: which channel lets more
# through, and are they equal at the ends?

# %%
lost = np.linspace(0, 1, 41)
hidden = [mutual_information(((1 - e) * np.eye(10) + e / 10) / 10) for e in lost]
told = erasure_information(np.full(10, 0.1), lost)
plt.plot(lost, told, label="losses are told")
plt.plot(lost, hidden, "--", label="losses are hidden")
plt.gca().set(xlabel="share of symbols that are lost", ylabel="$I(X, Y)$ (nats)")
plt.legend()
plots.show(
    "Two curves that fall from log 10, about 2.3 nats, to 0. With losses that are told it is a straight "
    "line, with hidden losses a curve that hangs below it."
)
assert np.all(hidden <= told + 1e-9)
assert np.allclose(np.array(hidden)[[0, -1]], told[[0, -1]])

# %% [markdown]
# Hidden losses cost more: with them one also has to doubt what did arrive. For InfoGAN this means: an image
# that cannot be read costs its share of the bound, and one that is read as a wrong category costs more.
#
# ## 3. The lower bound, from samples
#
# In InfoGAN the code $c$ makes an image $x$, and $Q$ guesses the code from the image. There is no table of
# the joint distribution. The bound is a mean over pairs $(c_i, x_i)$, where $c_i$ is drawn from the prior and
# $x_i$ is made from it:
#
# $$I(c; x) \;\geq\; \frac1n \sum_{i=1}^n \log Q(c_i | x_i) + H(c)$$
#
# `log_q[i, k]` is $\log Q(k|x_i)$, shape `(n, K)`. `categories[i]` is the $c_i$ that made image $i$, an
# integer. `prior` are the $K$ probabilities of the categories; they need not be equal. You may use `entropy`.
#
# <details><summary>Hint</summary>
#
# `a[rows, columns]` with two integer arrays of length $n$ takes $n$ elements, one for each pair.
#
# </details>


# %% exercise="lower-bound"
def lower_bound(log_q, categories, prior):
    """Return the bound in nats: log_q (n, K), categories (n,) from 0 to K - 1, prior (K,)."""
    ### BEGIN SOLUTION
    score = log_q[np.arange(len(categories)), categories]
    return np.mean(score) + entropy(prior)
    ### END SOLUTION


# %% check="lower-bound" points=2
lower_bound = check.lower_bound(lower_bound)

# %% [markdown]
# Test it on the channel with hidden losses: 100,000 symbols, 30 % of them lost. Three different $Q$: the true
# posterior, one that is too sure of itself, and one that always says "all ten are equally likely". **Before
# you run the next cell, what do you expect** of the third?

# %%
rng = np.random.default_rng(1)
joint = (0.7 * np.eye(10) + 0.03) / 10
c = rng.integers(10, size=100_000)
x = np.where(rng.random(len(c)) < 0.3, rng.integers(10, size=len(c)), c)
guesses = {
    "posterior": joint / joint.sum(axis=0),
    "too sure": 0.99 * np.eye(10) + 0.001,
    "uniform": np.full((10, 10), 0.1),
}
uniform = np.full(10, 0.1)
bounds = {name: lower_bound(np.log(Q).T[x], c, uniform) for name, Q in guesses.items()}
print(f"I(c; x) = {mutual_information(joint):.3f};", {name: round(float(b), 3) for name, b in bounds.items()})
assert abs(bounds["posterior"] - mutual_information(joint)) < 0.02
assert max(bounds["too sure"], bounds["uniform"]) < bounds["posterior"]

# %% [markdown]
# The third knows nothing and gives exactly 0. The second guesses the same symbols as the posterior, and its
# bound is less than half as large: who is sure and wrong pays dearly.
#
# ## 4. Derive it: how sure should $Q$ be?
#
# A number $\beta$ makes $Q$ more sure or less, without changing what it finds most likely: it multiplies the
# logits $a_i$ of every image,
#
# $$L(\beta) = \frac1n \sum_{i=1}^n \log Q_\beta(c_i|x_i) + H(c), \qquad
# Q_\beta(k|x_i) = \frac{e^{\beta a_{ik}}}{\sum_l e^{\beta a_{il}}}.$$
#
# Find $dL/d\beta$ on paper, and write it: `logits` `(n, K)` are the $a_{ik}$, `categories` `(n,)` the
# integers $c_i$. Logits of some 1,000 must do no harm. Use NumPy. (A loop over the images is right, too, but
# the climb below then takes a minute.)
#
# <details><summary>Hint 1</summary>
#
# Write $\log Q_\beta(c_i|x_i)$ as a difference of two terms, and take their derivatives one by one.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The derivative of $\log \sum_l e^{\beta a_{il}}$ is a fraction. Which mean of the logits is it? For large
# logits: a softmax does not change if the same number is subtracted from all that it is given.
#
# </details>


# %% exercise="bound-slope"
def bound_slope(logits, categories, beta):
    """Return dL/dbeta, one number: logits (n, K), categories (n,) from 0 to K - 1."""
    ### BEGIN SOLUTION
    scaled = beta * logits
    q = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    q = q / q.sum(axis=1, keepdims=True)
    own = logits[np.arange(len(logits)), categories]
    return np.mean(own - np.sum(q * logits, axis=1))
    ### END SOLUTION


# %% check="bound-slope" points=3
bound_slope = check.bound_slope(bound_slope)

# %% [markdown]
# Where it is 0, the logit of the true category is what $Q_\beta$ expects on average. Climb it for the $Q$
# that was too sure. **Before you run the next cell, what do you expect**: how near to $I(c; x)$ can one
# number bring the bound?

# %%
logits = np.log(guesses["too sure"]).T[x]
beta, path = 1.0, []
for _ in range(60):
    log_q = beta * logits - np.log(np.exp(beta * logits).sum(axis=1, keepdims=True))
    path.append((beta, lower_bound(log_q, c, uniform)))
    beta += 0.1 * bound_slope(logits, c, beta)
print(f"beta = {beta:.3f}, bound {path[-1][1]:.4f}; I(c; x) = {mutual_information(joint):.4f}")
assert abs(path[-1][1] - bounds["posterior"]) < 1e-3

# %% [markdown]
# It comes as near as the posterior itself (up to the chance in 100,000 symbols): here all mistakes are of one
# kind, and one number is enough to state how frequent they are. A network that is too sure, such as one that
# has seen its training images too often, is mended in the same way, on images that were kept apart
# (*temperature scaling*, Guo et al., 2017).
#
# ## 5. Find the fault: an InfoGAN that fools itself
#
# The ring of eight clouds of lesson 11. An InfoGAN with a code of eight categories should give each cloud a
# category of its own. A friend has written its two losses. `of_real`, `of_fake` are $D$'s logits `(n, 1)`,
# `logits` are $Q$'s, `c1` the one-hot code, both `(n, K)`.


# %%
def faulty_losses(of_real, of_fake, logits, c1, weight):
    surprise = -ops.mean(c1 * ops.log_softmax(logits, axis=0))  # minus the bound, up to a constant
    d_loss = ops.mean(ops.softplus(-of_real)) + ops.mean(ops.softplus(of_fake))
    g_loss = ops.mean(ops.softplus(-of_fake))
    return d_loss - weight * surprise, g_loss + weight * surprise


# %% [markdown]
# "$D$ and $Q$ share a network and learn in one step, from the first loss. $D$ makes $V - \lambda L_I$ large,
# and that is what I wrote." Three faults are in these lines. What the mended function should return: first
# the loss with which $D$ **and** $Q$ learn, then $G$'s, the non-saturating one; in both the cross-entropy of
# the code, a mean over the images, as $Q$'s part with the weight $\lambda$ and the sign that belongs there.
# It becomes part of a Keras model: keep `ops`.
#
# <details><summary>Hint 1</summary>
#
# Read the objective with all three players in the lecture, section 3. Who moves which part of it, and in
# which direction? $D$'s own logit does not occur in $L_I$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Try `logits` of one image, `[[2.0, 0.0, 0.0]]`, and `c1 = [[1.0, 0.0, 0.0]]`. What should the cross-entropy
# be? What is it?
#
# </details>


# %% exercise="infogan-losses"
def infogan_losses(of_real, of_fake, logits, c1, weight):
    """Return (loss of D and Q, loss of G): D's logits (n, 1), Q's logits (n, K), c1 one-hot (n, K)."""
    ### BEGIN SOLUTION
    surprise = -ops.mean(ops.sum(c1 * ops.log_softmax(logits, axis=-1), axis=-1))
    d_loss = ops.mean(ops.softplus(-of_real)) + ops.mean(ops.softplus(of_fake))
    g_loss = ops.mean(ops.softplus(-of_fake))
    return d_loss + weight * surprise, g_loss + weight * surprise
    ### END SOLUTION


# %% check="infogan-losses" points=4
infogan_losses = check.infogan_losses(infogan_losses)

# %% [markdown]
# Train it on the ring, with the faulty losses and with yours. $D$ and $Q$ are one network with $1 + 8$
# outputs. A `persistent` tape can be asked for two gradients: $D$ and $Q$ follow the first loss, $G$ the
# second, both from the same images.

# %%
CLOUDS = 8


def mlp(inputs, outputs):
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


# %%
class RingInfoGAN(keras.Model):
    def __init__(self, losses, weight, seed):
        super().__init__()
        self.two_losses, self.weight, self.seed = losses, weight, keras.random.SeedGenerator(seed)
        self.G, self.DQ = mlp(2 + CLOUDS, 2), mlp(2, 1 + CLOUDS)
        self.adams = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
        self.built = True

    def draw(self, n):
        c1 = ops.one_hot(keras.random.randint((n,), 0, CLOUDS, seed=self.seed), CLOUDS)
        z = keras.random.normal((n, 2), seed=self.seed)
        return self.G(ops.concatenate([z, c1], axis=1)), c1

    def train_step(self, real):
        with tf.GradientTape(persistent=True) as tape:
            fake, c1 = self.draw(real.shape[0])
            on_real, on_fake = self.DQ(real), self.DQ(fake)
            losses = self.two_losses(on_real[:, :1], on_fake[:, :1], on_fake[:, 1:], c1, self.weight)
        for loss, network, adam in zip(losses, (self.DQ, self.G), self.adams):
            adam.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return dict(zip(("d_loss", "g_loss"), losses))


# %%
def train_on_ring(losses, weight):
    """Train for 2,000 steps; return 4,000 generated points, their categories and the nearest clouds."""
    keras.utils.set_random_seed(1)
    gan = RingInfoGAN(losses, weight, seed=1)
    gan.compile(jit_compile=budget.name != "smoke")
    steps = budget.pick(smoke=20, cpu=2000)
    gan.fit(training.minibatches(ring, 256, seed=1), steps_per_epoch=steps, shuffle=False, verbose=0)
    points, c1 = map(ops.convert_to_numpy, gan.draw(4000))
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    return points, c1.argmax(axis=1), distances.argmin(axis=1), distances.min(axis=1) < 0.3


ring = data.eight_gaussians(25_600, spread=0.1, seed=1)[0].astype("float32")
centres = 2 * np.stack([[np.cos(a), np.sin(a)] for a in np.pi / 4 * np.arange(CLOUDS)])

# %% [markdown]
# Three runs: with the friend's losses, with yours, and with yours and $\lambda = 0$, a regular GAN that has
# the same inputs. **Before you run the next cell, what do you expect** of the friend's: the ring, but colours
# without order, or no ring at all?

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.7))
runs = {"faulty": (faulty_losses, 1), "mended": (infogan_losses, 1), "mended, λ = 0": (infogan_losses, 0)}
said = {}
for ax, (name, (losses, weight)) in zip(axes, runs.items()):
    points, c1, cloud, good = train_on_ring(losses, weight)
    counts = np.histogram2d(c1, cloud, bins=2 * [np.arange(CLOUDS + 1)])[0]
    said[name] = mutual_information(counts / counts.sum())
    print(f"{name:13} I(c1; nearest cloud) = {said[name]:.2f} nats, {good.mean():.1%} good points")
    ax.plot(*ring[:800].T, ".", color="0.8", markersize=2)
    for k, marker in enumerate("os^vDP*X"):
        ax.plot(*points[c1 == k][:40].T, marker, markersize=4, color=plots.COLORS[k])
    ax.set(title=name, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
plots.show(
    "Three panels with the ring of eight grey clouds and generated points, a marker and a colour for each "
    "category. Faulty: all points lie together at one place between two clouds. Mended: each cloud is "
    "covered by one category. With lambda 0: points of several categories lie in the same clouds."
)
print(f"the most that is possible: log 8 = {np.log(8):.2f} nats")
assert budget.name == "smoke" or said["mended"] > 2.0 > said["mended, λ = 0"] > said["faulty"]

# %% [markdown]
# **Look at** the middle panel: one category for each cloud, and no label was needed. The friend's $Q$ is paid
# for *wrong* guesses, and there is no limit to how wrong one can be: its loss has no lowest value, the
# network that it shares with $D$ follows it, and $G$ learns nothing of the ring. In the right panel all
# clouds are found, too, but a category says only a part of where the point will be: the generator uses the
# code as it likes.
#
# ## 6. What a third one knows
#
# How much does $X$ say about $Y$ for somebody who knows $Z$ already? The **conditional mutual information**
# is the mean, over the values of $Z$, of the information that $X$ and $Y$ have in common when $Z = z$ is
# given:
#
# $$I(X, Y \,|\, Z) = \sum_z p_Z(z)\; I(X, Y \text{ given } Z = z)$$
#
# `table[i, j, k]` is $P(X = x_i, Y = y_j, Z = z_k)$. Some cells may be 0, and a value of $Z$ may never occur.
# You may use your `mutual_information`.
#
# <details><summary>Hint</summary>
#
# `table[:, :, k]` belongs to one value of $Z$, but its sum is not 1. What is its sum, and which table is the
# distribution of $X$ and $Y$ given $z_k$?
#
# </details>


# %% exercise="conditional-information"
def conditional_information(table):
    """Return I(X, Y | Z) in nats of a table of probabilities: axis 0 is X, axis 1 is Y, axis 2 is Z."""
    ### BEGIN SOLUTION
    p_z = table.sum(axis=(0, 1))
    given = [mutual_information(table[:, :, k] / p) for k, p in enumerate(p_z) if p > 0]
    return np.sum(p_z[p_z > 0] * given)
    ### END SOLUTION


# %% check="conditional-information" points=3
conditional_information = check.conditional_information(conditional_information)

# %% [markdown]
# Two fair coins $X$, $Y$, and a bell $Z$ that rings if they show the same. **Before you run the next cell,
# what do you expect** of $I(X, Y)$ and of $I(X, Y | Z)$?

# %%
# NBVAL_CHECK_OUTPUT
bell = np.zeros((2, 2, 2))
for first in (0, 1):
    for second in (0, 1):
        bell[first, second, int(first == second)] = 1 / 4
print(
    f"I(X, Y) = {mutual_information(bell.sum(axis=2)):.3f}, I(X, Y | Z) = {conditional_information(bell):.3f}"
)

# %% [markdown]
# The coins say nothing about each other, and everything as soon as one hears the bell. So conditioning can
# make an information larger as well as smaller. We need this for the code of a generator.
#
# ### A finished generator, and a new $Q$
#
# The generator of the lecture (InfoGAN + pairs), with the weights that ship with the course. They are of the
# very run that the lecture shows as it is stored, so its categories stand in the same order. (A lecture that
# you execute on another processor trains other weights.) A row of its input is $z$, the one-hot $c_1$, and
# $c_2, c_3$. Each column below has one category.

# %%
NOISE = 16
generator = keras.Sequential(
    [
        keras.Input((NOISE + 12,)),
        layers.Rescaling([1.0] * (NOISE + 10) + [3.0] * 2),
        layers.Dense(7 * 7 * 32, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((7, 7, 32)),
        layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
    ]
)
networks.load_weights(generator, "networks/infogan.npz")


def generate(inputs):
    """Images (n, 28, 28, 1) from rows of inputs."""
    return generator.predict(inputs, batch_size=500, verbose=0)


def draw_inputs(n, rng):
    """Return n rows of z, one-hot c1 and c2, c3 as in training: float32, shape (n, 28)."""
    c1 = np.eye(10)[rng.integers(10, size=n)]
    return np.hstack([rng.normal(size=(n, NOISE)), c1, rng.uniform(-1, 1, (n, 2))]).astype("float32")


# %%
inputs = np.repeat(draw_inputs(4, np.random.default_rng(3)), 10, axis=0)  # each row ten times
inputs[:, NOISE : NOISE + 10] = np.tile(np.eye(10), (4, 1))
plots.image_grid(generate(inputs), columns=10, scale=0.6).set_title("from left to right: category 0 to 9")
plots.show(
    "Four rows of ten generated digits. In most columns, where the category is the same, the digits are of "
    "one class."
)

# %% [markdown]
# In InfoGAN $Q$ and the generator learn together. Now the generator is fixed, and a new $Q$ learns to read
# it: an ordinary classifier, but its labels are codes that we drew ourselves. No person has labelled
# anything, and this $Q$ sees no real digit.


# %%
class Q(keras.Model):
    def __init__(self):
        super().__init__()
        self.trunk = keras.Sequential(
            [
                layers.Conv2D(16, 4, strides=2, padding="same", activation="relu"),
                layers.Conv2D(32, 4, strides=2, padding="same", activation="relu"),
                layers.Flatten(),
                layers.Dense(64, activation="relu"),
            ]
        )
        self.logits, self.guesses = layers.Dense(10), layers.Dense(2)

    def call(self, x):
        features = self.trunk(x)
        return self.logits(features), self.guesses(features)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        surprise = ops.categorical_crossentropy(y[:, :10], y_pred[0], from_logits=True)
        return ops.mean(surprise) + ops.mean(ops.square(y[:, 10:] - y_pred[1]))


# %%
rng = np.random.default_rng(1)
n_train, n_new = budget.pick(smoke=2000, cpu=30_000), budget.pick(smoke=1000, cpu=20_000)
inputs, new_inputs = (draw_inputs(n, rng) for n in (n_train, n_new))
images, new_images = generate(inputs), generate(new_inputs)
keras.utils.set_random_seed(1)
q = Q()
q.compile(optimizer="adam", jit_compile=False)
for epoch in range(1, budget.pick(smoke=1, cpu=4) + 1):
    loss = q.fit(images, inputs[:, NOISE:], batch_size=64, verbose=0).history["loss"][0]
    print(f"epoch {epoch}: loss {loss:.3f}")

# %% [markdown]
# What does $Q$ know of *new* images? **Before you run the next cell:** what is the largest value that the
# bound can have? And is this $Q$ too sure, $\beta < 1$?

# %%
logits, guesses = q.predict(new_images, batch_size=500, verbose=0)
categories, c23 = new_inputs[:, NOISE : NOISE + 10].argmax(axis=1), new_inputs[:, -2:]
bound = lower_bound(ops.convert_to_numpy(ops.log_softmax(logits)), categories, uniform)
runtime.result("lab_bound_c1", bound, at_least=2.0)
print(f"at most log 10 = {np.log(10):.3f}; slope of the bound at beta = 1: ", end="")
print(f"{bound_slope(logits, categories, 1.0):+.4f}")
print("correlation of c2 and c3 with the guesses: ", end="")
print([round(float(np.corrcoef(c23[:, j], guesses[:, j])[0, 1]), 2) for j in (0, 1)])
assert bound < np.log(10)

# %% [markdown]
# The slope is close to 0: this $Q$ is about as sure as it should be.
#
# ### Does $c_2$ change the digit?
#
# $c_2$ should change the form of a digit, not its class. A judge, the LeNet of lesson 06, says which class it
# sees. $c_2$ is cut into four pieces. **Before you run the next cell, what do you expect** of $I(c_2;
# \text{class})$, and of $I(c_2; \text{class} \,|\, c_1)$? (An information from a finite sample comes out a
# little too large. How much is said by the last column: the pieces of $c_2$ in random order.)

# %%
seen = yardstick.look(new_images)[1].argmax(axis=1)


def table_of(*columns):
    """The table of probabilities of columns of integers from 0 to 9."""
    counts = np.zeros((10,) * len(columns))
    np.add.at(counts, columns, 1)
    return counts / len(columns[0])


print(f"I(c1; class) = {mutual_information(table_of(categories, seen)):.3f} nats")
for j, name in enumerate(("c2", "c3")):
    piece = ((c23[:, j] + 1) * 2).astype(int).clip(0, 3)
    alone = mutual_information(table_of(piece, seen))
    known, chance = (
        conditional_information(table_of(p, seen, categories)) for p in (piece, rng.permutation(piece))
    )
    print(f"I({name}; class) = {alone:.3f}, I({name}; class | c1) = {known:.3f}, by chance {chance:.3f}")

# %% [markdown]
# **Look at** the two lines. The categories say most of what there is to say about the class, 2.1 of 2.3 nats.
# $c_2$ and $c_3$ say very little, alone and to somebody who knows $c_1$; but it is above chance, and of $c_2$
# it is more: our guess is that now and then they turn one digit of a mixed category into the other. Mostly
# they change the form, as they should.
#
# ## 7. A few labels
#
# $Q$ sorts images into categories, also real ones. Which digit is category 3? The lecture asked a person for
# one label of each category. But a category may hold two digits, and an image may lie between two categories.
# With $n$ labelled images, do it with probabilities:
#
# - A labelled image $i$ counts for category $k$ with the weight $Q(k|x_i)$. $P(j|k)$ is the share of class
#   $j$ in the weights of category $k$. If all the weights of a category are 0, each class gets $1/10$.
# - A new image $x$ has the class $j$ with the probability $P(j|x) = \sum_k Q(k|x)\, P(j|k)$.
#
# `q[i, k]` is $Q(k|x_i)$ of the labelled images `(n, K)`, `labels` `(n,)` are their classes from 0 to 9,
# `q_new` is $Q$ of other images `(n_new, K)`. $K$ need not be 10. Return all $P(j|x)$, `(n_new, 10)`.
#
# <details><summary>Hint 1</summary>
#
# With one-hot labels `(n, 10)`, the sums of weights for all $k$ and $j$ are one matrix product. Which shape
# should it have?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# $\sum_j P(j|k) = 1$ for each $k$: along which axis do you sum before you divide? `np.where` computes both of
# its sides; `np.maximum(total, ...)` avoids a division by 0.
#
# </details>


# %% exercise="class-probabilities"
def class_probabilities(q, labels, q_new):
    """Return P(class | x) of new images (n_new, 10), from q (n, K), labels (n,) and q_new (n_new, K)."""
    ### BEGIN SOLUTION
    weights = q.T @ np.eye(10)[labels]
    total = weights.sum(axis=1, keepdims=True)
    classes = np.where(total > 0, weights / np.where(total > 0, total, 1), 0.1)
    return q_new @ classes
    ### END SOLUTION


# %% check="class-probabilities" points=3
class_probabilities = check.class_probabilities(class_probabilities)

# %% [markdown]
# Real digits now, with $m = 10$ to 1,000 labels, drawn at random five times. The same function, with
# categories from k-means (50 principal components, 10 groups, an image counts for the nearest centre), shows
# what can be had without any generator; the nearest neighbour among the labelled images uses no other image
# at all. **Before you run the next cell, what do you expect**: who wins with 10 labels, and who with 1,000?

# %%
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

mnist = data.mnist()
n_pool, n_test = budget.pick(smoke=1000, cpu=20_000), budget.pick(smoke=500, cpu=10_000)
x_pool, x_test = (
    x[..., None].astype("float32") / 255 for x in (mnist.x_train[:n_pool], mnist.x_test[:n_test])
)
y_pool, y_test = mnist.y_train[:n_pool], mnist.y_test[:n_test]
softmax = keras.layers.Softmax()
q_pool, q_test = (
    ops.convert_to_numpy(softmax(q.predict(x, batch_size=500, verbose=0)[0])) for x in (x_pool, x_test)
)

# %%
flat_pool, flat_test = (x.reshape(len(x), -1) for x in (x_pool, x_test))
pca = PCA(50, random_state=1).fit(flat_pool)
groups = KMeans(10, n_init=4, random_state=1).fit(pca.transform(flat_pool))
k_pool, k_test = (np.eye(10)[groups.predict(pca.transform(x))] for x in (flat_pool, flat_test))
sizes = [10, 30, 100, 300, 1000]
curves = {"Q": [], "k-means": [], "nearest neighbour": []}
for size in sizes:
    for seed in range(5):
        some = np.random.default_rng(seed).choice(n_pool, size, replace=False)
        for name, (pool, test) in {"Q": (q_pool, q_test), "k-means": (k_pool, k_test)}.items():
            found = class_probabilities(pool[some], y_pool[some], test).argmax(axis=1)
            curves[name].append(np.mean(found == y_test))
        nearest = KNeighborsClassifier(1).fit(flat_pool[some], y_pool[some])
        curves["nearest neighbour"].append(nearest.score(flat_test[::5], y_test[::5]))

# %%
for (name, values), line, marker in zip(curves.items(), plots.LINES, "os^"):
    values = np.reshape(values, (len(sizes), 5))
    low, middle, high = values.min(axis=1), np.median(values, axis=1), values.max(axis=1)
    plt.errorbar(
        sizes, middle, [middle - low, high - middle], fmt=marker, linestyle=line, capsize=3, label=name
    )
    curves[name] = values
    print(
        f"{name:18} " + "  ".join(f"{size}: {value:.3f}" for size, value in zip(sizes, values.mean(axis=1)))
    )
plt.gca().set(xscale="log", xlabel="labelled images", ylabel="share of the test digits that is read right")
plt.legend(loc="lower right")
plots.show(
    "The share that is read right against the number of labels, 10 to 1,000, with bars from the worst to the "
    "best of five draws. Q is highest with few labels and becomes flat. The nearest neighbour starts low and "
    "rises steadily. k-means is below Q everywhere."
)
runtime.result("lab_accuracy_100_labels", np.mean(curves["Q"][2]))
runtime.result("lab_accuracy_100_labels_kmeans", np.mean(curves["k-means"][2]))
assert budget.name == "smoke" or curves["Q"][2].mean() > max(
    curves[name][2].mean() for name in list(curves)[1:]
)

# %% [markdown]
# **Look at** the left end, then at the right one. Ten labels at random often leave a category without any,
# and with bad luck name it wrongly: the bars are long. From 100 labels on $Q$ stands still: all its ten
# groups have their names, and what is mixed in a group stays mixed. The nearest neighbour goes on learning
# and overtakes it. k-means stands still as well, at a lower level: its groups fit the digits less well. Few
# labels, many images: that is what groups found without labels are good for.
#
# ## 8. Your digit in another hand
#
# The code that $Q$ reads from a *real* digit can be given back to the generator, with noise of its own: a
# digit written anew. (So $Q$ is an encoder of the image, and the generator a decoder.) Write the rows of
# inputs for $n$ images, `float32`, shape `(n, noise + 12)`, in the order of training:
#
# - $z$: `noise` independent normal numbers, for each image its own, drawn from `rng`;
# - $c_1$: a one-hot row, the 1 at the category that is most probable by `logits` `(n, 10)`;
# - $c_2, c_3$: what $Q$ `guesses` `(n, 2)`. In training they never left $[-1, 1]$, but a guess may: put what
#   lies outside onto the nearer end.
#
# <details><summary>Hint</summary>
#
# Row $k$ of `np.eye(10)` is the one-hot form of $k$, and an array of integers picks many rows at once.
# `np.clip`.
#
# </details>


# %% exercise="code-inputs"
def code_inputs(logits, guesses, noise, rng):
    """Return the generator's inputs (n, noise + 12), float32, for the code that Q reads; z is from rng."""
    ### BEGIN SOLUTION
    z = rng.normal(size=(len(logits), noise))
    c1 = np.eye(10)[np.argmax(logits, axis=1)]
    return np.concatenate([z, c1, np.clip(guesses, -1, 1)], axis=1).astype("float32")
    ### END SOLUTION


# %% check="code-inputs" points=3
code_inputs = check.code_inputs(code_inputs)

# %% [markdown]
# Six test digits, drawn at random, each in its own row. First the real one; then four times anew, with four
# $z$; then one $z$, while $c_2$ goes from $-1$ to $1$.

# %%
rng = np.random.default_rng(5)
chosen = rng.choice(n_test, 6, replace=False)
logits, guesses = q.predict(x_test[chosen], verbose=0)
rows = []
for _ in range(4):
    rows.append(generate(code_inputs(logits, guesses, NOISE, rng)))
inputs = code_inputs(logits, guesses, NOISE, rng)
for value in np.linspace(-1, 1, 5):
    inputs[:, -2] = value
    rows.append(generate(inputs))
grid = np.stack([x_test[chosen], *rows], axis=1).reshape(-1, 28, 28, 1)
plots.image_grid(grid, columns=10, scale=0.5).set_title("real | anew, four times | $c_2$ from −1 to 1")
plots.show(
    "Six rows: a real test digit, four digits that are written anew with its code, and five with one z "
    "while c2 goes from -1 to 1. In most rows the digit stays the same, in some it becomes another one; the "
    "hands differ, and along the last five the form changes step by step."
)

# %%
logits, guesses = q.predict(x_test[:2000], batch_size=500, verbose=0)
anew = generate(code_inputs(logits, guesses, NOISE, rng))
kept = np.mean(yardstick.look(anew)[1].argmax(axis=1) == y_test[:2000])
runtime.result("lab_same_digit_written_anew", kept)

# %% [markdown]
# **Look at** one row after the other. The digit is mostly kept, and so is its slant, which is in the code;
# with some $z$ an 8 becomes a 5, and in one row a 5 becomes an 8 with $c_2$ alone: one category holds both.
# The hand is another one each time, since it is in $z$. In the last five columns the writer leans.

# %% [markdown] question="information" points=4
# **Question 9.**
#
# 1. The bound for $c_1$ is close to $\log 10$, but the categories are not the ten classes. How can both be
#    true? What would $G$ and $Q$ have to do for the bound to be $\log 10$ and the agreement with the classes
#    0.1?
# 2. A friend gives each category the class that is most frequent in it, and reports that share in place of
#    the best matching. Why is her number never smaller? Describe a generator for which it is 1 and the
#    matching gives 0.2.
# 3. Nobody told the generator that there are ten digits. Where does that knowledge come from? What do you
#    expect with 5 or with 20 categories?
# 4. In exercise 8 some digits that are written anew lose their class. Name two places where it can get lost
#    on the way. What else would you need to keep the *hand* of the writer, too?
#
# <!-- BEGIN SOLUTION -->
# 1. The bound says how well the *category* can be read off the image. It does not say that categories are
#    digit classes. If $Q$ reads every category without error, the bound is $\log 10$, whatever the categories
#    mean. For example, $G$ could use $c_1$ for ten stroke widths, and draw each digit in all of them: then
#    any matching gives 0.1. Here some categories mix two classes, or two categories show the same digit in
#    two forms; $Q$ can tell these groups apart all the same.
# 2. The best matching chooses one class for each category too, with the further condition that no class is
#    taken twice. Without that condition the largest sum cannot be smaller. Let five of the categories always
#    give a 1 and the other five always give a 7. Each category has one class, so her number is 1; but in a
#    one-to-one matching only two categories can keep their class, so it is 0.2.
# 3. We told it: we chose ten categories, equally likely, knowing the data. That they fall on the classes
#    comes from the data, where digits form groups; from the networks, which change smoothly with their input;
#    and from the pairs of the lecture, which told $Q$ that a turned, sheared or zoomed digit stays the same
#    digit. With 5 categories several classes share one; with 20 some classes are split, such as a 7 with and
#    without a bar.
# 4. $Q$ may read a wrong category; and the generator may draw, for the right category, a digit of another
#    class (a category that holds two digits, or an unreadable image). The hand is mostly in $z$, 16 numbers
#    that $Q$ does not read: one needs an encoder for $z$ as well.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **20 categories.** Change the lecture's model to 20 categories and train it. Which classes are split? Your
#   `class_probabilities` works for them as it is.
# - **Width.** Correlate $c_2$ and $c_3$ with the width of digit and stroke, as in the lecture, for the
#   images of your new $Q$: are its guesses good where the correlation is high?
# - **A regular GAN.** Load the weights `"gan_with_code"` into the generator and train a new $Q$ for it. How
#   much does its image say about the code that nobody asked it to use?
# - **A learnt variance.** Let $Q$ also return $\log \sigma^2$ for $c_2$ and $c_3$, and write the Gaussian
#   log-likelihood as the loss. What is the bound in nats?
# - **The encoder of the rest.** Train a network that reads $z$ from generated images, and put it into
#   exercise 8. Does the hand of the writer come back?
#
# **References:** X. Chen, Y. Duan, R. Houthooft, J. Schulman, I. Sutskever, P. Abbeel (2016), *InfoGAN:
# interpretable representation learning by information maximizing generative adversarial nets*,
# [arXiv:1606.03657](https://arxiv.org/abs/1606.03657). C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017),
# *On calibration of modern neural networks*, [arXiv:1706.04599](https://arxiv.org/abs/1706.04599).
#
# Back to the lecture: [`../notebooks/12_infogan.ipynb`](../notebooks/12_infogan.ipynb).
