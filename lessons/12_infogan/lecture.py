# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1.5, cpu: 8}
#     networks: {infogan: generator, gan_with_code: regular_generator}
# ---

# %% [markdown]
# # InfoGAN
#
# A GAN turns noise into digits, but nobody knows which number of the noise does what. InfoGAN adds a few
# inputs, the **code**, and asks the generator to use them so that they can be read off the image. Without a
# single label one of them comes close to the digit, and others take up its form, such as the slant. You see
# why, train it beside a regular GAN, and measure what the code says.
#
# **After this lesson you can**
#
# - compute entropy, conditional entropy and mutual information from a table, by three formulas;
# - derive the variational lower bound of the mutual information, and say when it is tight;
# - write InfoGAN in plain Keras: discriminator and $Q$ on one trunk, two optimisers, one `train_step`;
# - remake the four panels of Chen et al. (2016), Figure 2;
# - measure the agreement of a code with classes by the best matching, and the effect of a continuous code by
#   a correlation;
# - read real digits with $Q$, without having trained on a label.

# %%
from nnlabs import data, networks, plots, runtime, training, widgets

budget = runtime.setup(seed=1)
# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.ndimage import affine_transform
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from scipy.stats import norm

# %% [markdown]
# ## 1. How much one variable says about another
#
# The **entropy** (Shannon, 1948) of a discrete variable $X$ is the mean surprise about its value:
#
# $$H(X) = -\sum_x p_X(x) \log p_X(x)$$
#
# With the natural logarithm its unit is the nat. A term with $p_X(x) = 0$ counts as 0.


# %%
def entropy(p):
    p = p[p > 0]
    return -np.sum(p * np.log(p))


for name, p in {
    "fair coin": np.array([0.5, 0.5]),
    "bent coin": np.array([0.9, 0.1]),
    "ten equal categories": np.full(10, 0.1),
}.items():
    print(f"{name:20} {entropy(p):.3f} nats")
assert np.isclose(entropy(np.full(10, 0.1)), np.log(10))

# %% [markdown]
# Keep the last line in mind: $\log 10 \approx 2.303$ nats is all that one of ten categories can say.
#
# *A note on the slides.* They write $H(X) = \int p_X \log p_X$ and $H(X|Y) = \int p_{X,Y} \log(p_{X,Y}/p_Y)$.
# Both need a minus sign. For a continuous $X$ the sum becomes an integral; that entropy can be negative. The
# mutual information below cannot.
#
# Two variables have a **joint table**: `joint[i, j]` is $P(X = x_i, Y = y_j)$. The **conditional entropy**
# is what remains uncertain about $X$ once $Y$ is known:
#
# $$H(X|Y) = -\sum_{x, y} p_{X,Y}(x, y) \log \frac{p_{X,Y}(x, y)}{p_Y(y)}$$


# %%
def conditional_entropy(joint):
    """H(X|Y) of a table with X in the rows and Y in the columns."""
    rows, columns = np.nonzero(joint)
    p = joint[rows, columns]
    return -np.sum(p * np.log(p / joint.sum(axis=0)[columns]))


table = np.array([[0.30, 0.05, 0.15], [0.05, 0.35, 0.10]])  # 2 values of X, 3 of Y
print(f"H(X) = {entropy(table.sum(axis=1)):.4f}, H(X|Y) = {conditional_entropy(table):.4f} nats")

# %% [markdown]
# The **mutual information** is the uncertainty about one variable that the other removes:
#
# $$I(X, Y) = H(X) - H(X|Y) = H(Y) - H(Y|X)$$
#
# The second formula is the first on the transposed table. And there is a third form: the Kullback-Leibler
# divergence of the joint distribution from what it would be if $X$ and $Y$ were independent,
#
# $$I(X, Y) = \sum_{x, y} p_{X,Y}(x, y) \log \frac{p_{X,Y}(x, y)}{p_X(x)\, p_Y(y)}.$$


# %%
def mutual_information(joint):
    return entropy(joint.sum(axis=1)) - conditional_entropy(joint)


def divergence_from_independence(joint):
    rows, columns = np.nonzero(joint)
    p = joint[rows, columns]
    return np.sum(p * np.log(p / (joint.sum(axis=1)[rows] * joint.sum(axis=0)[columns])))


# %% [markdown]
# Four examples. **Before you run the next cell, what do you expect** for each?
#
# 1. $X$ and $Y$ are independent.
# 2. A noisy channel: $X$ is one of four symbols, $Y$ is the same symbol with probability 0.8, and each of the
#    other three with probability 0.2 / 3.
# 3. The table above.
# 4. $X$ is $-1$, $0$ or $1$, and $Y = X^2$. Their correlation is 0.

# %%
examples = {
    "independent": np.outer([0.5, 0.3, 0.2], [0.6, 0.4]),
    "noisy channel": 0.25 * (0.8 * np.eye(4) + 0.2 / 3 * (1 - np.eye(4))),
    "table": table,
    "$Y = X^2$": np.array([[0, 1], [1, 0], [0, 1]]) / 3,  # rows X = -1, 0, 1; columns Y = 0, 1
}
for name, joint in examples.items():
    first, second = mutual_information(joint), mutual_information(joint.T)
    third = divergence_from_independence(joint)
    print(f"{name:14} H(X) - H(X|Y) = {first:.4f}, H(Y) - H(Y|X) = {second:.4f}, KL = {third:.4f}")
    assert np.allclose([second, third], first)
    assert first >= -1e-12
assert np.isclose(mutual_information(examples["independent"]), 0)

# %%
parts = {
    "$H(X|Y)$": [conditional_entropy(joint) for joint in examples.values()],
    "$I(X, Y)$": [mutual_information(joint) for joint in examples.values()],
    "$H(Y|X)$": [conditional_entropy(joint.T) for joint in examples.values()],
}
errors = np.linspace(0, 1, 101)
channels = [0.5 * np.array([[1 - e, e], [e, 1 - e]]) for e in errors]

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3), width_ratios=(1.3, 1))
start = np.zeros(len(examples))
for (name, values), color, hatch in zip(parts.items(), plots.COLORS, ["", "//", ".."]):
    left.barh(list(examples), values, left=start, color=color, hatch=hatch, edgecolor="white", label=name)
    start += values
left.invert_yaxis()
left.set(xlabel="nats", title="what X and Y have in common")
left.legend(loc="lower right", fontsize=9)
right.plot(errors, [mutual_information(joint) for joint in channels])
right.axhline(np.log(2), color="0.5", linestyle="--")
right.set(xlabel="probability of an error", ylabel="$I(X, Y)$ (nats)", title="a bit over a noisy channel")
plots.show(
    "Left: for each example a bar made of H(X|Y), I(X, Y) and H(Y|X). Independent variables have no middle "
    "part; for Y = X squared the right part is missing. Right: the mutual information of a bit and its noisy "
    "copy is log 2 without errors, 0 at one half, and log 2 again if every bit is flipped."
)

# %% [markdown]
# **Look at** the bars. The two uncertain parts differ, the part in the middle is the same from both sides.
# $Y = X^2$ says much about $X$ although the correlation is 0. And at the right end of the curve every bit is
# wrong, yet $Y$ says everything about $X$: mutual information does not care what the symbols are called. This
# will return in section 5.

# %% [markdown]
# ## 2. A lower bound that can be trained
#
# In a GAN the code $c$ goes into the generator together with the noise $z$, and an image $x = G(z, c)$ comes
# out. How much does $x$ say about $c$?
#
# $$I(c; G(z, c)) = H(c) - H(c \,|\, G(z, c))$$
#
# $H(c)$ is known: we choose how $c$ is drawn. The other term needs $P(c|x)$, for every image $x$ the
# probability of each code that may have made it. As in lesson 10, this posterior is out of reach. And as
# there, an approximation $Q(c|x)$ gives a bound (Barber & Agakov, 2003).
#
# Our test bench is a small "generator" whose posterior we know: a channel from four categories $c$ to six
# "images" $x$, with the noise inside.

# %%
rng = np.random.default_rng(4)
prior = np.full(4, 1 / 4)
channel = rng.dirichlet(np.full(6, 0.6), size=4)  # row c: P(x|c)
joint = prior[:, None] * channel  # (c, x)
p_x = joint.sum(axis=0)
posterior = joint / p_x  # column x: P(c|x)
information = mutual_information(joint)
print("P(c|x):\n", posterior.round(2))
print(f"H(c) = {entropy(prior):.4f}, I(c; x) = {information:.4f} nats")

# %% [markdown]
# **Step 1.** Write the conditional entropy as a mean. The code $c'$ is drawn from the posterior of the image:
#
# $$I(c; x) = H(c) + \mathbb E_x \, \mathbb E_{c' \sim P(c|x)} \log P(c'|x)$$

# %%
assert np.isclose(information, entropy(prior) + np.sum(p_x * np.sum(posterior * np.log(posterior), axis=0)))

# %% [markdown]
# **Step 2.** Put $Q$ in: $\log P = \log \frac{P}{Q} + \log Q$. The mean of the first part is a
# Kullback-Leibler divergence. Any $Q$ will do; here is one with little sense.
#
# $$I(c; x) = H(c) + \mathbb E_x \Big[ KL\big(P(\cdot|x),\, Q(\cdot|x)\big) +
# \mathbb E_{c' \sim P(c|x)} \log Q(c'|x) \Big]$$

# %%
Q = rng.dirichlet(np.ones(4), size=6).T  # column x: Q(c|x)
divergence = np.sum(p_x * np.sum(posterior * np.log(posterior / Q), axis=0))
score = np.sum(p_x * np.sum(posterior * np.log(Q), axis=0))
assert np.isclose(information, entropy(prior) + divergence + score)

# %% [markdown]
# **Step 3.** A divergence is never negative. Leave it out:
#
# $$I(c; x) \geq H(c) + \mathbb E_x \, \mathbb E_{c' \sim P(c|x)} \log Q(c'|x)$$
#
# The bound is tight when $Q$ is the posterior. Otherwise it is too low by just the mean divergence.
#
# **Step 4.** One trouble is left: the formula draws $c'$ from the posterior. It need not. Draw $c$ from the
# prior and $x = G(z, c)$ from it: then the pair $(c, x)$ has the joint distribution, whichever of the two was
# drawn first. So the code that *made* the image can stand for the one drawn from the posterior:
#
# $$L_I(G, Q) = \mathbb E_{c \sim P(c),\; x \sim G(z, c)} \big[ \log Q(c|x) \big] + H(c) \;\leq\;
# I(c; G(z, c))$$


# %%
def lower_bound(joint, Q):
    return np.sum(joint * np.log(Q)) + entropy(joint.sum(axis=1))


assert np.isclose(lower_bound(joint, Q), entropy(prior) + score)
assert np.isclose(lower_bound(joint, posterior), information)
assert np.isclose(information - lower_bound(joint, Q), divergence)
print(f"I = {information:.4f}; bound with the posterior {lower_bound(joint, posterior):.4f}, ", end="")
print(f"with the other Q {lower_bound(joint, Q):.4f} = I - {divergence:.4f}")

# %% [markdown]
# Chen et al. (2016) state step 4 as Lemma 5.1: for random variables $X$, $Y$ and a function $f(x, y)$, under
# suitable regularity conditions,
#
# $$\mathbb E_{x \sim X,\; y \sim Y|x} [f(x, y)] =
# \mathbb E_{x \sim X,\; y \sim Y|x,\; x' \sim X|y} [f(x', y)].$$
#
# With the code as $X$ and the image as $Y$: replace the code by a new draw from the posterior of its image,
# and no mean changes. On the test bench both sides are sums:

# %%
f = rng.normal(size=(4, 6))  # any function of a code and an image
left_side = np.einsum("cx,cx->", joint, f)
right_side = np.einsum("cx,dx,dx->", joint, posterior, f)  # d is the new draw, x'
assert np.isclose(left_side, right_side)

# %% [markdown]
# ### The bound is a classifier's loss
#
# Look at $L_I$ once more. We know $c$, we see $x$, and $Q$ is rewarded for $\log Q(c|x)$. This is the
# negative **cross-entropy** of lesson 03, with the code as the label. To maximise the bound over $Q$, train a
# classifier that guesses the code from the image.
#
# Let $Q$ be a softmax of a table of logits. Lesson 03 gives the gradient, which here is $p(x) \big( P(c|x) -
# Q(c|x) \big)$. The channel too may be a softmax and follow its own gradient: this is the generator's part.
# **Before you run the next cells, what do you expect** of the bound if only $Q$ learns, and if both learn?
# The most that is possible is $H(c) = \log 4$.


# %%
def climb(steps, learn_channel, rate=4.0):
    """Gradient ascent of the bound; return the bound and the true information after each step."""
    W, logits, record = np.log(channel), np.zeros((4, 6)), []
    for _ in range(steps):
        joint = prior[:, None] * softmax(W, axis=1)
        Q = softmax(logits, axis=0)
        record.append([lower_bound(joint, Q), mutual_information(joint)])
        logits = logits + rate * (joint - joint.sum(axis=0) * Q)
        if learn_channel:
            mean_score = np.sum(softmax(W, axis=1) * np.log(Q), axis=1, keepdims=True)
            W = W + rate * joint * (np.log(Q) - mean_score)
    return np.array(record)


only_q, both = climb(300, learn_channel=False), climb(300, learn_channel=True)

# %%
for i, (name, record) in enumerate({"only $Q$ learns": only_q, "$Q$ and the channel learn": both}.items()):
    steps = np.arange(1, len(record) + 1)
    plt.plot(steps, record[:, 0], color=plots.COLORS[i], linestyle=plots.LINES[i], label=f"bound, {name}")
plt.plot(steps, both[:, 1], ":", color="black", label="information, $Q$ and the channel learn")
plt.axhline(information, color="0.5", linewidth=1)
plt.axhline(np.log(4), color="0.5", linewidth=1)
plt.text(40, information + 0.02, "$I$ of the given channel")
plt.text(1.05, np.log(4) + 0.02, r"$\log 4$")
plt.gca().set(xscale="log", xlabel="step", ylabel="nats", ylim=(0, 1.55))
plt.legend(fontsize=9, loc="lower right")
plots.show(
    "The bound over the steps. If only Q learns it rises from 0 to the information of the given channel and "
    "stays there. If the channel learns too, the information itself rises, and both come near log 4."
)
assert np.all(only_q[:, 0] <= information + 1e-9)
assert np.all(both[:, 0] <= both[:, 1] + 1e-9)
assert information - only_q[-1, 0] < 0.01
assert np.log(4) - both[-1, 0] < 0.05

# %% [markdown]
# **Look at** the two curves. $Q$ can only come up to what the channel says. The generator can make more of
# it, and then each "image" belongs to one code. In InfoGAN the term for the real digits, $V(D, G)$, keeps the
# generator from doing this by tricks that no handwriting shows.
#
# ### Continuous codes
#
# For a number $c$ take a Gaussian, $Q(c|x) = \mathcal N(m(x), s^2)$. With $s$ fixed, the cross-entropy is a
# **squared error**, up to a factor and a constant:
#
# $$-\log Q(c|x) = \frac{(c - m(x))^2}{2 s^2} + \frac12 \log(2 \pi s^2)$$
#
# For a given mean squared error the bound is largest with $s^2$ equal to that error. With $c$ uniform on
# $[-1, 1]$, whose (differential) entropy is $\log 2$, it is then
#
# $$L_I = \log 2 - \tfrac12 \log(2 \pi e \cdot \text{mean squared error}).$$


# %%
def gaussian_bound(mean_squared_error):
    return np.log(2) - 0.5 * np.log(2 * np.pi * np.e * mean_squared_error)


# %% [markdown]
# Again a test where the information is known: $x = c + t \varepsilon$ with a standard normal $\varepsilon$.
# The density of $x$ has a closed form, so $I = H(x) - H(x|c)$ is one sum on a grid. The best linear
# guess is $m(x) = a x$ with $a = \frac13 / (\frac13 + t^2)$.

# %%
x = np.linspace(-8, 8, 4001)
for t in (0.05, 0.3, 1.0):
    density = 0.5 * (norm.cdf((x + 1) / t) - norm.cdf((x - 1) / t))
    seen = density > 0
    entropy_x = -np.sum(density[seen] * np.log(density[seen])) * (x[1] - x[0])
    exact = entropy_x - 0.5 * np.log(2 * np.pi * np.e * t**2)
    bound = gaussian_bound(1 / 3 * t**2 / (1 / 3 + t**2))
    print(f"t = {t:4}: information {exact:.3f}, bound {bound:.3f} nats")
    assert bound <= exact
print(f"a guess that never looks at x (error 1/3): bound {gaussian_bound(1 / 3):.3f} nats")

# %% [markdown]
# **Look at** the last line. The bound is negative, although information never is: the best Gaussian is not
# the uniform distribution. Where $x$ says little this $Q$ is poor; where $x$ says much the bound is close.

# %% [markdown]
# ## 3. InfoGAN on MNIST
#
# Recall lesson 11: the discriminator $D$ tells real digits from generated ones, and the generator plays
# against it, $\min_G \max_D V(D, G)$ with
#
# $$V(D, G) = \mathbb E_{x \sim p^*} \log D(x) + \mathbb E_{z \sim p_z} \log(1 - D(G(z))).$$
#
# InfoGAN adds the information about the code, with a weight $\lambda$:
#
# $$\min_G \max_D V_I(D, G), \qquad V_I(D, G) = V(D, G) - \lambda\, I(c; G(z, c)).$$
#
# The sign is right: $G$ minimises, so it makes the information large. Nobody can compute $I$. What is trained
# has the bound in its place, and a third player, $Q$, who is on $G$'s side:
#
# $$\min_{G, Q} \max_D \; V(D, G) - \lambda\, L_I(G, Q)$$
#
# As in the paper, the code has three parts: $c_1$ is one of 10 categories, all equally likely; $c_2$ and
# $c_3$ are uniform on $[-1, 1]$. The rest of the input is noise $z$. The generator gets all in one row.

# %%
NOISE, CATEGORIES = 16, 10


def draw_inputs(n, seed):
    """Draw the noise z (n, 16), c1 as one-hot rows (n, 10), and c2, c3 (n, 2)."""
    z = keras.random.normal((n, NOISE), seed=seed)
    c1 = ops.one_hot(keras.random.randint((n,), 0, CATEGORIES, seed=seed), CATEGORIES)
    c23 = keras.random.uniform((n, 2), -1.0, 1.0, seed=seed)
    return z, c1, c23


seed = keras.random.SeedGenerator(1)  # moves on with each draw
z, c1, c23 = draw_inputs(3, seed)
print("z", z.shape, " c1", c1.shape, " c2, c3", c23.shape)
print("categories", ops.convert_to_numpy(ops.argmax(c1, axis=-1)), "\n", ops.convert_to_numpy(c23).round(2))

# %% [markdown]
# The **generator** is a small convolutional one as in lesson 11: a dense layer, then two transposed
# convolutions that double height and width. One layer stands before them: it makes $c_2$ and $c_3$ three
# times as loud. Beside 16 numbers of noise, two below 1 are easily drowned out. The layer has no weights, and
# $3 c_2$ says as much as $c_2$; but it helps the generator to listen.

# %%
LOUDNESS = [1.0] * (NOISE + CATEGORIES) + [3.0] * 2


def make_generator():
    return keras.Sequential(
        [
            keras.Input((NOISE + CATEGORIES + 2,)),
            layers.Rescaling(LOUDNESS),
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


def join(z, c1, c23):
    return ops.concatenate([z, c1, c23], axis=-1)


# %% [markdown]
# **$D$ and $Q$ share a trunk.** Whoever tells real strokes from wrong ones has found the features that $Q$
# needs; so $Q$ costs hardly anything. $D$ gives a logit, with $D(x)$ as its sigmoid; $Q$ gives ten logits for
# $c_1$, and a guess $m(x)$ for $c_2$ and $c_3$.


# %%
def leaky():
    return layers.LeakyReLU(negative_slope=0.2)


def make_trunk():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 4, strides=2, padding="same"),
            leaky(),
            layers.Conv2D(32, 4, strides=2, padding="same"),
            leaky(),
            layers.Flatten(),
            layers.Dense(128),
            leaky(),
        ]
    )


def make_heads():
    """D's logit, and Q's ten logits and two means, from the 128 features of the trunk."""
    features = keras.Input((128,))
    hidden = leaky()(layers.Dense(64)(features))
    D = keras.Model(features, layers.Dense(1)(features))
    Q = keras.Model(features, [layers.Dense(CATEGORIES)(hidden), layers.Dense(2)(hidden)])
    return D, Q


# %%
generator, trunk, heads = make_generator(), make_trunk(), make_heads()
images = generator(join(z, c1, c23))
features = trunk(images)
print("images", images.shape, " features", features.shape)
print("D", heads[0](features).shape, " Q", [tuple(part.shape) for part in heads[1](features)])
for name, part in {
    "generator": generator,
    "trunk": trunk,
    "D's head": heads[0],
    "Q's heads": heads[1],
}.items():
    print(f"{name:10} {part.count_params():7,} parameters")

# %% [markdown]
# ### The losses
#
# Both losses of the game are binary cross-entropies computed from the logit $a$, where $D = 1 / (1 +
# e^{-a})$: then $-\log D = \log(1 + e^a) - a$, without overflow. $G$ takes the non-saturating loss of lesson
# 11, $-\log D(G(z, c))$. New here: the real digits get the label 0.9 in place of 1 (Salimans et al., 2016),
# so that $D$ is never too sure. Lesson 11 used a gradient penalty for this.


# %%
def cross_entropy_of_logit(label, logit):
    return ops.mean(ops.softplus(logit) - label * logit)


# %% [markdown]
# The loss of $Q$ is $-L_I$ up to constants: a cross-entropy and a squared error. For the mean over two codes
# the weight of the second is $1 / s^2$; our 0.1 means $s \approx 3.2$, much more than the errors. It is
# chosen so that $c_2$ and $c_3$ count less than $c_1$. The bound in nats, below, takes the best $s$ instead.

# %%
CONTINUOUS = 0.1


def information_losses(c1, c23, logits, means):
    """The cross-entropy of c1 and the squared error of c2, c3: means over the batch."""
    surprise = ops.categorical_crossentropy(c1, logits, from_logits=True)
    return ops.mean(surprise), ops.mean(ops.square(c23 - means))


# %% [markdown]
# ### Which ten groups?
#
# The bound is content with any ten groups of images that $Q$ can tell apart. They need not be the ten digits:
# a group may be half a class, such as upright sevens, or two classes at once. Once $Q$ tells the groups apart
# there is little left that would move them. The paper's networks are several times as large; ours must learn
# in minutes on two cores.
#
# There is a quicker way, also without labels: let $Q$ look at **real** digits too. A digit $x$ and a copy
# $x'$ that is turned, sheared, zoomed and shifted are the same digit. So their categories should
# share much information (Ji, Henriques & Vedaldi, 2019):
#
# $$I(k, l) \;\text{ of the table }\; P(k, l) = \mathbb E_x \big[ Q(k|x)\, Q(l|x') \big]$$
#
# It is large if $Q$ is sure, gives both images the same category, and uses all categories equally often. We
# use it twice: $Q$ first learns from pairs alone, before the game, and then the term stays in its loss. This
# is **not in the slides and not in Chen et al.** It uses no label, but it brings in knowledge of ours: to
# turn, shear or zoom an image does not change its digit. So slant and width are kept out of $c_1$, and are
# left for $c_2$ and $c_3$. We train InfoGAN twice, with the paper's objective and with the pairs, and a
# regular GAN beside them; section 5 compares all three.


# %%
def moved(image, rng):
    """A copy of an image (28, 28): turned, sheared, zoomed and shifted at random."""
    angle, shear = rng.uniform(-0.4, 0.4), rng.uniform(-0.5, 0.5)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    A = turn @ np.array([[1, 0], [shear, 1]]) * rng.uniform(0.75, 1.3, size=2)
    centre = np.full(2, 13.5)
    return affine_transform(image, A, offset=centre - A @ centre + rng.uniform(-2, 2, size=2), order=1)


mnist = data.mnist()
digits = mnist.x_train[: budget.pick(smoke=1000, cpu=60_000)]
warp_rng = np.random.default_rng(1)
copies = np.stack([moved(digit, warp_rng) for digit in digits])
print("real digits", digits.shape, digits.dtype, " copies", copies.shape, copies.dtype)
plots.image_grid(np.concatenate([digits[:10], copies[:10]]), columns=10, scale=0.6)
plots.show("Ten handwritten digits, and below each a copy that is turned, sheared, zoomed and shifted.")

# %% [markdown]
# The information of a table is the third formula of section 1. $Q$ has ten logits; the table is the mean over
# the batch, made symmetric, because a digit and its copy could change places.


# %%
def shared_information(logits, other_logits):
    """I(k, l) in nats of the categories of n digits and their copies, from logits (n, 10)."""
    p, q = ops.softmax(logits), ops.softmax(other_logits)
    joint = ops.matmul(ops.transpose(p), q) / p.shape[0]
    joint = (joint + ops.transpose(joint)) / 2 + 1e-8
    alone = ops.sum(joint, axis=0, keepdims=True)
    return ops.sum(joint * (ops.log(joint) - ops.log(alone) - ops.log(ops.transpose(alone))))


sure = 20 * np.eye(10, dtype="float32")  # each of ten digits in its own category, and its copy in the same
print(f"sure and equal: {float(shared_information(sure, sure)):.3f} nats, log 10 = {np.log(10):.3f}")
assert np.isclose(shared_information(sure, sure), np.log(10), atol=1e-3)
assert np.isclose(shared_information(0 * sure, sure), 0, atol=1e-3)

# %% [markdown]
# A model that is trained with it: `call` gives the logits of a digit and of its copy, `compute_loss` minus
# what they share.


# %%
def scaled(images):
    return ops.cast(images, "float32")[..., None] / 255


class Pairs(keras.Model):
    def __init__(self, trunk, Q):
        super().__init__()
        self.trunk, self.categories = trunk, keras.Model(Q.input, Q.outputs[0])

    def call(self, pair):
        return [self.categories(self.trunk(scaled(images))) for images in pair]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return -shared_information(*y_pred)


# %% [markdown]
# The pairs come in endless batches. For $Q$ alone we take 256 of them: the table has 100 cells, and 64 pairs
# are few to fill it.


# %%
def batches(size):
    return training.minibatches((digits, copies), size, seed=1)


SEED, PAIR_STEPS = 1, budget.pick(smoke=2, cpu=1500)


def learn_from_pairs(trunk, Q):
    model = Pairs(trunk, Q)
    optimizer = keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.5)
    model.compile(optimizer=optimizer, jit_compile=budget.name != "smoke")  # compiling takes a while
    as_inputs = batches(256).map(lambda digit, copy: ((digit, copy),))
    history = model.fit(as_inputs, steps_per_epoch=PAIR_STEPS // 2, epochs=2, verbose=0, shuffle=False)
    print(f"{PAIR_STEPS:,} steps on pairs: they share {-history.history['loss'][-1]:.3f} nats")


# %% [markdown]
# ### One training step
#
# First Goodfellow's algorithm for $D$, one step for each step of $G$. The heads of $Q$ learn in the same
# step: they guess the code of the generated images that are there anyway, and the trunk learns from both.


# %%
COPIES = 1.0  # weight of the information shared by a digit and its copy


def step_of_d_and_q(model, real, copy):
    z, c1, c23 = draw_inputs(real.shape[0], model.seed)
    fake = model.generator(join(z, c1, c23), training=True)
    with tf.GradientTape() as tape:
        of_real, of_fake = model.trunk(real), model.trunk(fake)
        d_loss = cross_entropy_of_logit(0.9, model.D(of_real)) + cross_entropy_of_logit(0.0, model.D(of_fake))
        loss, variables = d_loss, model.trunk.trainable_variables + model.D.trainable_variables
        if model.weight > 0:
            surprise, error = information_losses(c1, c23, *model.Q(of_fake))
            loss += model.weight * (surprise + CONTINUOUS * error)
            variables = variables + model.Q.trainable_variables
        if model.copies:
            loss -= COPIES * shared_information(model.Q(of_real)[0], model.Q(model.trunk(copy))[0])
    model.d_optimizer.apply(tape.gradient(loss, variables), variables)
    return d_loss


# %% [markdown]
# Then $G$. It wants $D$ to be wrong, and $Q$ to be right: the second part of its loss is $-\lambda L_I$
# again. With $\lambda = 0$ this is a regular GAN with the same inputs.


# %%
def step_of_g(model, n):
    z, c1, c23 = draw_inputs(n, model.seed)
    with tf.GradientTape() as tape:
        fake = model.generator(join(z, c1, c23), training=True)
        features = model.trunk(fake)
        g_loss = cross_entropy_of_logit(1.0, model.D(features))
        surprise, error = information_losses(c1, c23, *model.Q(features))
        loss = g_loss + model.weight * (surprise + CONTINUOUS * error)
    variables = model.generator.trainable_variables
    model.g_optimizer.apply(tape.gradient(loss, variables), variables)
    return g_loss, surprise, error


# %% [markdown]
# The model puts the two steps together. `fit` calls `train_step` for every batch, collects what it returns,
# and can compile it with XLA, which makes the steps faster.


# %%
class InfoGAN(keras.Model):
    def __init__(self, weight, copies):
        super().__init__()
        self.weight, self.copies = weight, copies  # lambda; with the term on real digits and their copies?
        self.generator, self.trunk = make_generator(), make_trunk()
        self.D, self.Q = make_heads()
        self.seed = keras.random.SeedGenerator(SEED)
        self.means = [keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss", "bound", "error")]
        self.built = True

    def compile(self, d_optimizer, g_optimizer, **options):
        super().compile(**options)
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    def train_step(self, pair):
        real, copy = (scaled(images) for images in pair)
        d_loss = step_of_d_and_q(self, real, copy)
        g_loss, surprise, error = step_of_g(self, real.shape[0])
        for mean, value in zip(self.means, (d_loss, g_loss, np.log(CATEGORIES) - surprise, error)):
            mean.update_state(value)
        return {mean.name: mean.result() for mean in self.means}


# %%
CHUNK = budget.pick(smoke=5, cpu=250)  # the curves have one point for each chunk of steps


class Progress(keras.callbacks.Callback):
    """Print a line now and then."""

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        done = (epoch + 1) * CHUNK
        if done % budget.pick(smoke=10, cpu=2000) == 0:
            values = ", ".join(f"{name} {value:.3f}" for name, value in logs.items())
            print(f"{done:6,} steps: {values}; {time.perf_counter() - self.start:.0f} s")


# %% [markdown]
# Both rates are 0.001, and $\beta_1 = 0.5$, as is usual for GANs. As in lesson 11 we keep a running **average
# of the generator's weights** over about the last 1,000 steps: the optimiser does it (`use_ema`), and puts
# the average in place at the end. (Lesson 11 then counted the statistics of batch normalisation anew. Here we
# keep those of the last steps, for short.)

# %%
STEPS = budget.pick(smoke=10, cpu=4000)


def train(weight, copies):
    keras.utils.set_random_seed(SEED)
    model = InfoGAN(weight, copies)
    if copies:
        learn_from_pairs(model.trunk, model.Q)
    model.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.5),
        g_optimizer=keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.5, use_ema=True, ema_momentum=0.999),
        jit_compile=budget.pick(smoke=False, cpu=True),  # to compile takes longer than a few steps
    )
    chunks = {"steps_per_epoch": CHUNK, "epochs": STEPS // CHUNK}
    history = model.fit(batches(64), verbose=0, shuffle=False, callbacks=[Progress()], **chunks)
    model.g_optimizer.finalize_variable_values(model.generator.trainable_variables)
    return model, history.history


# %% [markdown]
# Three networks with the same form, rates and seed, and the same number of steps of the game. The third one
# learns from pairs before that, so it gets more training too. First the regular GAN, which gets the code as
# further inputs and has no use for its $Q$:

# %%
regular, regular_history = train(weight=0.0, copies=False)

# %% [markdown]
# InfoGAN with the paper's objective. (Its networks were larger, and its $z$ had 62 numbers. We go on calling
# this one "as in the paper".)

# %%
plain, plain_history = train(weight=1.0, copies=False)

# %% [markdown]
# InfoGAN with the real digits and their copies:

# %%
infogan, history = train(weight=1.0, copies=True)

# %% [markdown]
# **The bound along training.** A $Q$ that knows nothing and says so gives 0; one that is sure and wrong gives
# less than 0. It cannot pass $\log 10$. (Each point is a mean over some steps, so the very start is not
# seen.)

# %%
at = CHUNK * np.arange(1, len(history["bound"]) + 1)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
left.plot(at, history["bound"], label="bound for $c_1$, with copies")
left.plot(at, plain_history["bound"], "--", color=plots.COLORS[3], label="bound for $c_1$, as in the paper")
left.axhline(np.log(10), color="0.5", linewidth=1)
left.text(at[-1], np.log(10) + 0.03, r"$\log 10$", ha="right")
left.plot(at, history["error"], "-.", color=plots.COLORS[2], label="squared error of $c_2, c_3$, with copies")
left.axhline(1 / 3, color="0.5", linestyle=":", label="error of a guess without looking")
left.set(xlabel="step", ylabel="nats; squared error", ylim=(0, 2.6), title="what Q reads off the images")
left.legend(fontsize=9, loc="center right")
for i, (name, record) in enumerate({"InfoGAN": history, "regular GAN": regular_history}.items()):
    for key, line in (("d_loss", "-"), ("g_loss", "--")):
        right.plot(at, record[key], line, color=plots.COLORS[i], label=f"{name}, {key[0].upper()}")
right.set(xlabel="step", ylabel="loss", title="the game", ylim=(0, None))
right.legend(fontsize=9)
plots.show(
    "Left: the bound for c1 rises steeply and then stays close under the line log 10, while the squared "
    "error of c2 and c3 falls from one third. Right: the losses of D and G for both networks run side by "
    "side and do not fall."
)

# %%
bound, error = history["bound"][-1], history["error"][-1]
runtime.result("infogan_bound_c1", bound, at_least=2.0)
print(
    f"c1: at least {bound:.3f} of {np.log(10):.3f} nats; "
    f"c2, c3: at least {gaussian_bound(error):.2f} nats each, on average"
)

# %% [markdown]
# **Look at** the two panels. The bound is close to its maximum after a small part of the steps, long before
# the digits are good: $Q$ can soon tell ten groups of images apart, whatever they show. The bound does not
# say *which* ten. With copies the pairs have formed the groups before the game; without them the game alone
# forms them. We measure below how well they fit the digits. The losses of the game tell little, as in lesson
# 11: neither player wins.

# %% [markdown]
# ## 4. Which weights are shown
#
# %%
generator, plain_generator, regular_generator = infogan.generator, plain.generator, regular.generator
weights = f"trained here, {STEPS:,} steps"
if budget.name == "smoke":  # ten steps give no digits
    networks.load_weights(generator, "infogan")
    networks.load_weights(regular_generator, "gan_with_code")
    weights = "shipped with the course (the training above was only a trial)"
print("weights of InfoGAN with copies and of the regular GAN:", weights)
print(f"weights of InfoGAN as in the paper: trained here, {STEPS:,} steps")

# %% [markdown]
# ### The four panels of Chen et al. (2016), Figure 2
#
# From here on *InfoGAN* without more words is that with the copies. In each panel a row has one draw of all
# inputs; along the row one code changes and everything else stays. The panels (c) and (d) go from $-2$ to
# $2$, although in training $c_2$ and $c_3$ never left $[-1, 1]$.


# %%
def generate(model, z, c1, c23):
    """Images (n, 28, 28, 1) for noise z (n, 16), categories c1 (n,) and c2, c3 (n, 2)."""
    return ops.convert_to_numpy(model(join(z, np.eye(CATEGORIES)[c1], c23)))


rng = np.random.default_rng(1)
ROWS = 5
row_z, row_c1 = rng.normal(size=(ROWS, NOISE)), np.arange(0, CATEGORIES, 2)
row_c23 = rng.uniform(-1, 1, (ROWS, 2))


def panel(model, code, values):
    """Rows of images in one picture: code 0, 1 or 2 (c1, c2, c3) takes the values, all else stays."""
    columns = []
    for value in values:
        c1, c23 = row_c1.copy(), row_c23.copy()
        if code == 0:
            c1[:] = value
        else:
            c23[:, code - 1] = value
        columns.append(generate(model, row_z, c1, c23))
    return np.concatenate(np.concatenate(columns, axis=2), axis=0)[..., 0]


# %%
line = np.linspace(-2, 2, 10)
figure, axes = plt.subplots(2, 2, figsize=(9.4, 5.9))
for ax, (title, model, code, values) in zip(
    axes.flat,
    [
        ("(a) varying $c_1$, InfoGAN", generator, 0, range(10)),
        ("(b) varying $c_1$, regular GAN", regular_generator, 0, range(10)),
        ("(c) varying $c_2$ from −2 to 2, InfoGAN", generator, 1, line),
        ("(d) varying $c_3$ from −2 to 2, InfoGAN", generator, 2, line),
    ],
):
    ax.imshow(panel(model, code, values), cmap=plt.get_cmap("gray", 12), interpolation="nearest")
    ax.set(title=title, xticks=14 + 28 * np.arange(10), yticks=[])
    ax.set_xticklabels([f"{value:.2g}" for value in values], fontsize=8)
    ax.grid(visible=False)
plots.show(
    "Four panels of five rows of ten digits. (a) along a row the digit changes, and each column mostly shows "
    "one digit. (b) the digits of a row are similar, and no column has a digit of its own. (c) and (d) the "
    "form of a digit changes step by step; some digits become others at the ends."
)

# %% [markdown]
# **Look at** the columns of (a) and (b). In (a) a column shows one digit in nearly all rows: $c_1$ has a
# meaning. Do two columns show the same digit? Then another digit has no column. In (b) no column has one: the
# regular GAN may do with $c_1$ what it likes, and it uses it as a little more noise, or hardly at all. In (c)
# and (d) compare the middle, $-1$ to $1$, with the ends. Often the change simply goes on beyond the range of
# training; in some rows the digit breaks, or becomes another one.

# %% [markdown]
# ## 5. Measured
#
# Our eyes are quickly convinced. So we ask a judge who has never seen a generated digit: a LeNet trained as
# in lesson 06, whose accuracy on real test digits is in lessons 06 and 11. 5,000 images of each generator,
# 500 for each category:

# %%
judge = networks.lenet()
n = 5000
z, c23 = rng.normal(size=(n, NOISE)), rng.uniform(-1, 1, (n, 2))
c1 = np.arange(n) % CATEGORIES
networks_by_name = {
    "regular GAN": regular_generator,
    "InfoGAN, as in the paper": plain_generator,
    "InfoGAN, with copies": generator,
}
samples = {name: generate(network, z, c1, c23) for name, network in networks_by_name.items()}

# %%
classes = {}
for name, images in samples.items():
    probabilities = ops.convert_to_numpy(judge(images))
    classes[name] = probabilities.argmax(axis=1)
    print(f"{name:25} the judge is sure (> 0.9) of {np.mean(probabilities.max(axis=1) > 0.9):.1%}")

# %% [markdown]
# How well do categories and classes agree? Category 3 need not be the digit 3: names do not matter. So we
# count how often category $k$ is seen as class $j$, and look for the **one-to-one matching** with the most
# agreement. There are $10!$ of them; the Hungarian method (Kuhn, 1955) finds the best one without trying all.


# %%
def match(categories, classes):
    """The count table, the class of each category in the best matching, and the share that agrees."""
    counts = np.zeros((CATEGORIES, 10), int)
    np.add.at(counts, (categories, classes), 1)
    _, class_of = linear_sum_assignment(counts, maximize=True)
    return counts, class_of, counts[np.arange(CATEGORIES), class_of].sum() / counts.sum()


# %%
matches = {name: match(c1, seen) for name, seen in classes.items()}
for name, (counts, _, agreement) in matches.items():
    information = mutual_information(counts / n)
    print(f"{name:25} agreement {agreement:.3f}, I(c1; class) = {information:.3f} nats")
regular_agreement, plain_agreement, agreement = (share for _, _, share in matches.values())
counts, class_of, _ = matches["InfoGAN, with copies"]
print(f"{'by chance':25} agreement {match(c1, rng.permutation(classes['InfoGAN, with copies']))[2]:.3f}")
runtime.result("regular_gan_agreement", regular_agreement)
runtime.result("infogan_agreement_without_copies", plain_agreement)
runtime.result("infogan_agreement", agreement, at_least=0.80)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 4.4))
for ax, (name, (table, matched, _)) in zip(axes, matches.items()):
    order = np.argsort(matched)
    ax.imshow(table[order], cmap="Blues", vmin=0, vmax=n / CATEGORIES)
    for (row, column), count in np.ndenumerate(table[order]):
        color = "white" if count > 300 else "black"
        ax.text(column, row, count or "", ha="center", va="center", fontsize=7, color=color)
    ax.set(
        title=name, xlabel="class seen by the judge", xticks=range(10), yticks=range(10), yticklabels=order
    )
    ax.grid(visible=False)
axes[0].set_ylabel("$c_1$, in the order of the matching")
plots.show(
    "Three tables of categories against classes, rows sorted by the best matching. For the regular GAN every "
    "row is spread over all classes. For InfoGAN as in the paper some rows lie on the diagonal, others are "
    "shared by two classes. With copies most counts lie on the diagonal; a class that two categories share "
    "has two large counts in its column."
)

# %% [markdown]
# **Look at** the three tables from left to right, and then at what lies off the diagonal of the last one.
# There are two kinds of fault. A category may mix two classes: its row has two large cells. Or two categories
# show the same class: its column has two large cells, and another class is left without a category. The
# matching then gives that class to one of the two, and this row has little on the diagonal. The largest:

# %%
mixed = counts.copy()
mixed[np.arange(CATEGORIES), class_of] = 0
for index in np.argsort(mixed, axis=None)[::-1][:3]:
    category, other = divmod(int(index), 10)
    share = mixed[category, other] / (n / CATEGORIES)
    print(f"c1 = {category}, matched with {class_of[category]}: {share:.0%} are seen as {other}")

# %% [markdown]
# A remark on the information in the list above. The class that the judge sees is computed from the image. So
# it cannot say more about $c_1$ than the image does, $I(c_1; \text{class}) \leq I(c_1; G(z, c))$: for all
# three networks this is another lower bound, with the judge in place of $Q$. (In numbers: estimated from a
# finite table, information comes out a little too large, here by less than 0.01 nats.)

# %% [markdown]
# ### What $c_2$ and $c_3$ do
#
# The slant and the width of a digit can be measured from the **moments** of its ink (Hu, 1962). With the ink
# $w(x, y)$ as a weight, and $\bar x$, $\bar y$ the centre:
#
# $$\mu_{pq} = \frac{\sum w(x, y)\, (x - \bar x)^p (y - \bar y)^q}{\sum w(x, y)}$$
#
# - **slant** $-\mu_{11} / \mu_{02}$: by how much the ink moves to the right when one goes up by one (rows are
#   counted downwards, hence the minus);
# - **width** $\sqrt{\mu_{20} - \mu_{11}^2 / \mu_{02}}$: the spread of the digit from left to right, after the
#   slant is taken out;
# - **stroke width**: the ink $\sum w$ (the moment of order 0, before the division), divided by half the
#   length of its edge. A line of length $\ell$ and width $b$ has the ink $\ell b$ and an edge of about $2
#   \ell$.


# %%
def shape(images):
    """Slant, width and stroke width of each image (n, 28, 28, 1)."""
    w = images[..., 0]
    y, x = np.mgrid[:28, :28]
    ink = w.sum(axis=(1, 2))

    def mean(values):
        return np.sum(w * values, axis=(1, 2)) / ink

    dx, dy = x - mean(x)[:, None, None], y - mean(y)[:, None, None]
    m20, m11, m02 = mean(dx**2), mean(dx * dy), mean(dy**2)
    steps = np.hypot(np.diff(w, axis=1)[:, :, 1:], np.diff(w, axis=2)[:, 1:])
    stroke = ink / (0.5 * steps.sum(axis=(1, 2)))
    return {"slant": -m11 / m02, "width": np.sqrt(m20 - m11**2 / m02), "stroke width": stroke}


# %% [markdown]
# A test of the measures before we use them: a vertical bar, the same bar sheared by 0.5, and a bar twice as
# wide.

# %%
y, x = np.mgrid[:28, :28] - 13.5
thin, sheared, wide = (abs(x) < 1), (abs(x + 0.5 * y) < 1), (abs(x) < 2)
bars = (np.stack([thin, sheared, wide]) * (abs(y) < 9))[..., None].astype("float32")
measured = shape(bars)
print({name: values.round(2) for name, values in measured.items()})
assert np.allclose(measured["slant"], [0, 0.5, 0], atol=0.03)
assert np.isclose(measured["stroke width"][2] / measured["stroke width"][0], 2, atol=0.25)

# %% [markdown]
# Now the correlation of $c_2$ and $c_3$ with these. *Pooled* is over all images. But a 1 is always narrower
# than a 0, whatever the code; so we also measure *within the classes*, as the deviation of an image from the
# mean of its class.

# %%
features = shape(samples["InfoGAN, with copies"])
seen = classes["InfoGAN, with copies"]


def within_classes(values):
    means = np.array([values[seen == k].mean() if np.any(seen == k) else 0 for k in range(10)])
    return values - means[seen]


correlations = {}
for i, code in enumerate(("c2", "c3")):
    for name, values in features.items():
        pooled = np.corrcoef(c23[:, i], values)[0, 1]
        within = np.corrcoef(c23[:, i], within_classes(values))[0, 1]
        correlations[code, name] = pooled, within
        print(f"{code} and {name:12} pooled {pooled:+.2f}, within classes {within:+.2f}")

# %%
code, name = max(correlations, key=lambda pair: abs(correlations[pair][1]))
print(f"the strongest: {code} and {name}")
runtime.result("best_correlation_pooled", max(abs(pooled) for pooled, _ in correlations.values()))
runtime.result("best_correlation_within_classes", abs(correlations[code, name][1]), at_least=0.5)

# %% [markdown]
# A correlation is one number. Better to move the code and look: 300 images, everything fixed but $c_2$ or
# $c_3$, which goes from $-2$ to $2$.

# %%
line, few = np.linspace(-2, 2, 17), slice(0, 300)
figure, axes = plt.subplots(2, 3, figsize=(9, 4.6), sharex=True, sharey="col")
for i, row in enumerate(axes):
    moved = []
    for value in line:
        codes = c23[few].copy()
        codes[:, i] = value
        moved.append(shape(generate(generator, z[few], c1[few], codes)))
    for ax, name, color in zip(row, features, plots.COLORS):
        low, middle, high = np.percentile([step[name] for step in moved], [25, 50, 75], axis=1)
        ax.axvspan(-1, 1, color="0.9", zorder=0)
        ax.fill_between(line, low, high, color=color, alpha=0.25)
        ax.plot(line, middle, color=color)
        ax.set(ylabel=name, xlabel=f"$c_{i + 2}$")
plots.show(
    "Six panels: slant, width and stroke width of 300 digits, median and middle half, as c2 or c3 goes from "
    "-2 to 2; the training range is shaded."
)

# %% [markdown]
# **Look at** the shaded range first: which curve rises or falls clearly, against the width of its band? This
# is what the code does. Outside the range it can level off or turn round: nothing has told the generator what
# to do there. Chen et al. found rotation in $c_2$ and width in $c_3$. Which code gets which meaning is
# chance, and one code may move two measures at once. We helped twice: the moved copies keep slant and width
# out of $c_1$, and $c_2$, $c_3$ enter three times as loud.
#
# ## 6. Reading real digits without labels
#
# No label has been used so far. But this $Q$ has seen real digits: the training images and their moved
# copies. And the generator imitates real digits, so $Q$'s groups should fit both. What does $Q$ say to the
# *test* digits, which it has never seen? Take the most probable category of each. To call the categories by
# names we need labels, and only for this: the best matching, on the training images. If two categories show
# the same digit, one of them gets the wrong name, and some digit is never read.


# %%
def categories_of(images):
    """The most probable category of each image (n, 28, 28)."""
    pieces = np.array_split(images[..., None].astype("float32") / 255, max(1, len(images) // 5000))
    logits = [ops.convert_to_numpy(infogan.Q(infogan.trunk(piece))[0]) for piece in pieces]
    return np.concatenate(logits).argmax(axis=1)


part = slice(0, budget.pick(smoke=2000, cpu=60_000))
_, names, on_training = match(categories_of(mnist.x_train[part]), mnist.y_train[part])
read = names[categories_of(mnist.x_test)]
accuracy = np.mean(read == mnist.y_test)
print(f"agreement on the training images {on_training:.3f}")
runtime.result("q_test_accuracy_without_labels", accuracy)
if budget.name == "smoke":
    print("(this Q has had a few steps only; its weights do not ship)")

# %%
figure, ax = plt.subplots(figsize=(5, 4.2))
plots.confusion_matrix(mnist.y_test, read, ax=ax)
plots.show("A table of the ten test classes against what Q reads.")

# %% [markdown]
# ## 7. Play with the code
#
# Three sliders and a button for a new $z$. (They appear below the still pictures while the notebook's kernel
# runs.) Choose a category, then move $c_2$ and $c_3$. Beyond $-1$ and $1$ the generator has never been.

# %%
play_rng = np.random.default_rng(7)
play = {"z": play_rng.normal(size=(1, NOISE))}


def new_noise():
    play["z"] = play_rng.normal(size=(1, NOISE))


def draw(c1, c2, c3):
    return generate(generator, play["z"], np.array([c1]), np.array([[c2, c3]]))[0, ..., 0]


widgets.sliders(
    draw,
    button=("new z", new_noise),
    c1=(0, 9, "category"),
    c2=(-2.0, 2.0, "first continuous code"),
    c3=(-2.0, 2.0, "second continuous code"),
)

# %% [markdown]
# ## 8. What InfoGAN does not do
#
# - **The bound knows nothing of digits.** It is $\log 10$ for any ten groups of images that $Q$ can tell
#   apart: ten stroke widths would do. That the groups fall on the classes is measured, not promised. Another
#   seed gives another agreement and another matching, and $c_2$ and $c_3$ may change roles or share them.
# - **The bound alone did less.** Chen et al. report that their $c_1$ reads MNIST with 5 % error, with much
#   larger networks. Ours came nearer to it only with the pairs of real digits and moved copies, and did not
#   reach it. The pairs say that a turned digit is the same digit. For data where turning matters, other
#   movements must be chosen.
# - **Labels were used after all**, not for training, but to choose: the rates, the sizes and the terms of
#   this lesson were compared by the agreement that the judge reports. Without any label there is no such
#   comparison.
# - **Ten equal categories** are knowledge too. Nobody told the network what they are, but we told it how many
#   there are and that all are equally frequent, which is nearly true of MNIST.
# - **"Disentangled" is not a property of the data.** Without assumptions on model and data, no method can
#   find "the" factors behind images (Locatello et al., 2019). Here the assumptions are the shape of the code
#   and the networks.
# - Everything that is said of GANs in lesson 11 stays true: no likelihood, a training that has to be watched,
#   and samples that a judge rejects.

# %% [markdown]
# ## Summary
#
# - $H(X) = -\sum p \log p$; $I(X, Y) = H(X) - H(X|Y) = H(Y) - H(Y|X)$ is the divergence of the joint
#   distribution from independence. It is 0 if and only if $X$ and $Y$ are independent.
# - $L_I(G, Q) = \mathbb E_{c,\; x \sim G(z, c)} \log Q(c|x) + H(c)$ is a lower bound of $I(c; G(z, c))$. The
#   gap is the mean divergence of $Q$ from the posterior. The code comes from the prior; no posterior is
#   needed.
# - For a category $-\log Q$ is the cross-entropy of a classifier, for a Gaussian $Q$ it is a squared error.
# - InfoGAN: $\min_{G, Q} \max_D V(D, G) - \lambda L_I(G, Q)$, with $Q$ on $D$'s trunk. The bound fixes how
#   much the code says, not what it says.
# - The agreement with classes needs the best matching; what a continuous code does is a correlation, or
#   better a curve.
#
# **Now you:** the lab is [`../labs/12_infogan.ipynb`](../labs/12_infogan.ipynb).
#
# ## References
#
# - X. Chen, Y. Duan, R. Houthooft, J. Schulman, I. Sutskever, P. Abbeel (2016). *InfoGAN: interpretable
#   representation learning by information maximizing generative adversarial nets.* NeurIPS.
#   [arXiv:1606.03657](https://arxiv.org/abs/1606.03657)
# - D. Barber, F. Agakov (2003). *The IM algorithm: a variational approach to information maximization.*
#   NeurIPS 16.
#   <https://papers.neurips.cc/paper_files/paper/2003/hash/a6ea8471c120fe8cc35a2954c9b9c595-Abstract.html>
# - I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair, A. Courville, Y. Bengio
#   (2014). *Generative adversarial nets.* NeurIPS. [arXiv:1406.2661](https://arxiv.org/abs/1406.2661)
# - T. Salimans, I. Goodfellow, W. Zaremba, V. Cheung, A. Radford, X. Chen (2016). *Improved techniques for
#   training GANs.* NeurIPS. [arXiv:1606.03498](https://arxiv.org/abs/1606.03498) (labels of 0.9)
# - X. Ji, J. F. Henriques, A. Vedaldi (2019). *Invariant information clustering for unsupervised image
#   classification and segmentation.* ICCV. [arXiv:1807.06653](https://arxiv.org/abs/1807.06653)
# - C. E. Shannon (1948). *A mathematical theory of communication.* Bell System Technical Journal 27, 379–423.
#   [doi:10.1002/j.1538-7305.1948.tb01338.x](https://doi.org/10.1002/j.1538-7305.1948.tb01338.x)
# - H. W. Kuhn (1955). *The Hungarian method for the assignment problem.* Naval Research Logistics Quarterly
#   2, 83–97. [doi:10.1002/nav.3800020109](https://doi.org/10.1002/nav.3800020109)
# - M.-K. Hu (1962). *Visual pattern recognition by moment invariants.* IRE Transactions on Information Theory
#   8(2), 179–187. [doi:10.1109/TIT.1962.1057692](https://doi.org/10.1109/TIT.1962.1057692)
# - F. Locatello, S. Bauer, M. Lucic, G. Rätsch, S. Gelly, B. Schölkopf, O. Bachem (2019). *Challenging common
#   assumptions in the unsupervised learning of disentangled representations.* ICML.
#   [arXiv:1811.12359](https://arxiv.org/abs/1811.12359)
