# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.8, cpu: 4.5}
# ---

# %% [markdown]
# # Similarity: is it the same one?
#
# A telephone sees its owner's face once, and knows it from then on. Nobody trained a network on that face:
# one picture is not enough for it. What was trained, on the faces of others, is a **distance**: two pictures
# of one person are near each other, pictures of two persons are far apart. In this lesson you train such a
# distance on printed Latin, Greek and Cyrillic letters. Then you use it, with one example of each, on letters
# of alphabets that it has never seen, and on digits written by hand.
#
# **You need** lessons [06](06_cnn_architectures.ipynb) (batch normalisation, LeNet) and
# [07](07_transfer_learning.ipynb) (features, nearest neighbour); for one map also principal components
# ([09](09_autoencoders.ipynb)).
#
# **After this lesson you can**
#
# - say why a classifier cannot learn a class from one example, and what a Siamese network does instead;
# - split data by classes, and measure one-shot recognition in episodes, so that a network that has learned
#   nothing gets 1/ways;
# - write the contrastive loss, the triplet loss with the hardest of the batch, and the supervised contrastive
#   loss, and say what the unit sphere is good for;
# - compare losses fairly, and beside methods without training;
# - choose a threshold for "the same", and read a curve of false accepts and false rejects;
# - say where such a distance fails, and what it is misused for.
#
# **Time to study:** about three hours and a half, with a pause after section 4. The letters are those of the
# [notation](01_neurons.ipynb#Notation). New are the embedding $e$, the distance $D$ and a threshold $t$ for
# it, the margin $\alpha$ and the temperature $\tau$.

# %%
import json

from nnlabs import data, networks, plots, pretrained, runtime, widgets

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from PIL import Image, ImageDraw
from scipy import ndimage

# %% [markdown]
# ## 1. One example of each class
#
# The classifiers of lessons 02 to 07 have an output for each class, with weights of its own. A new class
# needs a new output. Its weights start at random, and one example says little about hundreds of them: it
# would be learned by heart. And a lock that has to be trained anew for each new key is no good lock.
#
# A **distance** $D(x, x')$ between two pictures needs none of this. One keeps the example. A new picture is
# *the same* if its distance from the example is small (**verification**: is it you?), or it gets the class of
# the nearest of several examples (**one-shot recognition**: which one is it?). Both work for classes that did
# not exist when the distance was made.
#
# The distance of two pictures, pixel by pixel, was used in lesson 07. Here it is *learned*: a network
# turns each picture into a vector, its **embedding**, and the distance of the vectors counts:
#
# $$e = f(x, \theta), \qquad D(x, x') = \lVert f(x, \theta) - f(x', \theta) \rVert$$
#
# The same network with the same $\theta$ reads both pictures. Drawn as two networks that share their weights
# it is a **Siamese network** (Bromley et al., 1993, who compared signatures; Chopra, Hadsell & LeCun, 2005,
# faces). In a program there are no twins: one model is called with both pictures.
#
# ### The letters
#
# Which pictures? Many classes are needed, more than the ten of MNIST, with some pictures of each. Printed
# letters are easy to get: `data.letters` has those of five alphabets and the phonetic signs of dictionaries,
# in twelve styles of type, each in the form of MNIST's digits.

# %%
# NBVAL_CHECK_OUTPUT
letters = data.letters()
for name, array in letters._asdict().items():
    print(f"{name:10} {array.shape!s:18} {array.dtype}")
for alphabet in dict.fromkeys(letters.alphabets):
    some = letters.names[letters.alphabets == alphabet]
    print(f"{alphabet:9} {len(some):2} letters: {''.join(some[::4])}")

# %%
shown = np.flatnonzero(np.isin(letters.names, list("Rgж")))
plots.image_grid(letters.images[shown].reshape(-1, 28, 28), columns=12, scale=0.7)
plots.show(
    "Three rows of twelve pictures: the letters R, g and the Cyrillic zhe in DejaVu Sans, Serif and Sans "
    "Mono, each upright, bold, oblique, bold and oblique. The italic zhe of Serif has another form."
)

# %% [markdown]
# What of letters that look alike? The Latin A, the Greek Alpha and the Cyrillic A are one picture with three
# names. As three classes they would punish a network for being right. So of letters whose pictures are nearly
# equal, in the mean over the styles, only the first is kept; that is why Greek has no A here. (I and l are
# alike in some styles only: both stay.) It is a general trap: the same thing under several labels.
#
# Now the split. In other lessons the *pictures* were split, and each class was in both parts. Here the
# **classes** are split: what the test asks must not occur in training at all, in no style.

# %%
# NBVAL_CHECK_OUTPUT
train = data.letters("Latin", "Greek", "Cyrillic")
validation = data.letters("Phonetic")
test = data.letters("Armenian", "Georgian")
parts = {"train": train, "validation": validation, "test": test}
assert sum(len(part.names) for part in parts.values()) == len(set(letters.names))
for name, part in parts.items():
    print(f"{name:10} {len(part.names):3} letters, {part.images[:, :, 0, 0].size} pictures")

# %% [markdown]
# We choose with the phonetic letters, and open the test at the end. Nothing keeps a letter of the test from
# *resembling* one of the training, as Armenian Տ resembles S: that is so with faces, too. How much of the
# result rests on it is measured in section 5.
#
# ### More pictures
#
# Twelve pictures of a letter are few. We know more: a letter that is turned a little, slanted, stretched or
# shifted is the same letter. Each time a picture is used we change it by a random **affine map**. The new
# picture at the place $u = (u_1, u_2)$, counted from the middle, has the value of the old one at
#
# $$A u + \Delta, \qquad A =
# \begin{pmatrix} \cos\omega & -\sin\omega \\ \sin\omega & \cos\omega \end{pmatrix}
# \begin{pmatrix} s_1 & \kappa \\ 0 & s_2 \end{pmatrix}$$
#
# with a small angle $\omega$, scales $s_1, s_2$ near 1, a shear $\kappa$ and a shift $\Delta$. Keras has
# `ops.image.affine_transform`: it wants the six numbers of $A$ and $\Delta$ row by row for each picture, and
# two zeros for a perspective that we do not use; it counts pixels from the corner.


# %%
def affine(images, A, shift):
    """Return pictures (n, 28, 28); A (n, 2, 2) and shift (n, 2) say where each pixel is taken from."""
    middle = np.full(2, 13.5)
    corner = middle - A @ middle + shift
    rows = np.concatenate([A, corner[..., None]], axis=2).reshape(-1, 6)
    maps = np.pad(rows, [(0, 0), (0, 2)]).astype("float32")
    return ops.convert_to_numpy(ops.image.affine_transform(images[..., None], maps))[..., 0]


def rotation(omega):
    return np.array([[np.cos(omega), -np.sin(omega)], [np.sin(omega), np.cos(omega)]])


def warp(images, rng, turn=12):
    """Change each picture (n, 28, 28) by a random affine map that turns it by up to so many degrees."""
    n = len(images)
    omega, kappa = np.deg2rad(rng.uniform(-turn, turn, n)), rng.uniform(-0.25, 0.25, n)
    s = np.exp(rng.uniform(-0.15, 0.15, (2, n)))
    stretch = np.array([[s[0], kappa], [0 * kappa, s[1]]])
    A = np.einsum("ijn,jkn->nik", rotation(omega), stretch)
    return affine(images, A, shift=rng.uniform(-2, 2, (n, 2)))


# %%
grey = {name: part.images.astype("float32") / 255 for name, part in parts.items()}
one = grey["train"][np.flatnonzero(train.names == "R")[0], 4]
plots.image_grid(warp(np.tile(one, (12, 1, 1)), np.random.default_rng(1)), columns=12, scale=0.7)
plots.show("The same R of DejaVu Serif twelve times: turned, slanted, stretched and shifted a little.")

# %% [markdown]
# And the handwritten digits: they are for the test only, 100 of each, drawn at random from MNIST's test
# images. Validation and test letters are warped once: some styles of a letter are nearly equal, as the R of
# Sans and of Sans Mono above, and a question must not be a copy of its example.

# %%
rng = np.random.default_rng(1)
mnist = data.mnist()
digits = [rng.permutation(np.flatnonzero(mnist.y_test == digit))[:100] for digit in range(10)]
pictures = {name: np.stack([warp(letter, rng) for letter in grey[name]]) for name in ("validation", "test")}
pictures["digits"] = mnist.x_test[np.array(digits)].astype("float32") / 255
for name, x in pictures.items():
    print(f"{name:10} (classes, pictures of each, height, width) = {x.shape}")


# %% [markdown]
# ### A Siamese network, drawn
#
# Two pictures, one network, two embeddings, one number:


# %%
def draw_siamese(ax, pair, answer):
    for y, x, name in zip((1.6, 0), pair, ("e", "e'"), strict=True):
        ax.imshow(x, extent=(0, 1.2, y, y + 1.2), cmap="gray_r", vmin=0, vmax=1)
        box = {"boxstyle": "round,pad=0.7", "facecolor": plots.COLORS[5], "alpha": 0.6}
        ax.text(2.9, y + 0.6, r"$f(\cdot, \theta)$", ha="center", va="center", bbox=box)
        ax.text(4.4, y + 0.6, f"${name}$", ha="center", va="center")
        for start, end in ((1.3, 2.3), (3.5, 4.2)):
            ax.annotate("", (end, y + 0.6), (start, y + 0.6), arrowprops={"arrowstyle": "-|>"})
        ax.annotate("", (5.1, 1.5 if y else 1.3), (4.6, y + 0.6), arrowprops={"arrowstyle": "-|>"})
    ax.plot([2.9, 2.9], [1.02, 1.78], linestyle=":", color="black")
    ax.text(2.98, 1.4, "the same weights", ha="left", va="center", fontsize=8)
    box = {"boxstyle": "round,pad=0.5", "facecolor": plots.COLORS[4], "alpha": 0.6}
    ax.text(6, 1.4, r"$D = \Vert e - e' \Vert$", ha="center", va="center", bbox=box)
    ax.text(6, 0.4, answer, ha="center", va="center", fontsize=9)
    ax.set(xlim=(0, 7), ylim=(0, 2.8))
    ax.axis("off")


# %%
_, axes = plt.subplots(1, 2, figsize=(9.6, 2.2))
ani, ban, gan = (pictures["test"][np.flatnonzero(test.names == name)[0]] for name in "აბგ")
draw_siamese(axes[0], (ani[0], ani[7]), "small: label 1, the same")
draw_siamese(axes[1], (ban[0], gan[4]), "large: label 0, different")
plots.show(
    "Two diagrams. In each two pictures of Georgian letters go through boxes f, joined by a dotted line: "
    "the same weights. Their embeddings e and e' go into a box D, the distance. On the left both pictures "
    "are of one letter: D is small, label 1. On the right of two letters: D is large, label 0."
)

# %% [markdown]
# **Label 1 means *the same*, in this lesson, its lab, and all of its code.** The papers do not agree: in
# Hadsell, Chopra & LeCun (2006) $Y = 0$ is the similar pair. With the wrong label a loss still falls, and the
# network learns to put different things together. Look it up before you use the code of others.
#
# ## 2. The measure first
#
# How good is a distance? An **episode** is a small one-shot examination. It draws some classes (their number
# is the **ways**), from each one example or several (the **shots**), and one more picture of each class, the
# question. Each question gets the class of the nearest example. The accuracy is the share of right answers in
# many episodes. (Episodes are from Vinyals et al., 2016. The classic collection for them is Omniglot, by
# Lake, Salakhutdinov & Tenenbaum, 2015: 1623 characters of 50 alphabets, each drawn by 20 people.)


# %%
def episodes(n, ways, shots, classes, pictures, rng):
    """Draw n episodes: classes (n, ways), and shots + 1 different pictures of each (n, ways, shots + 1)."""
    who = np.stack([rng.permutation(classes)[:ways] for _ in range(n)])
    every = np.tile(np.arange(pictures), (n, ways, 1))
    return who, rng.permuted(every, axis=2)[..., : shots + 1]


def squared_distances(a, b):
    """Of n pairs of sets (n, k, size) and (n, l, size): (n, k, l), by |a - b|² = |a|² + |b|² - 2ab."""
    return (a**2).sum(-1)[..., None] + (b**2).sum(-1)[:, None] - 2 * a @ b.swapaxes(1, 2)


# %%
_, axes = plt.subplots(2, 1, figsize=(4.2, 2.4))
who, how = episodes(1, 5, 1, *pictures["test"].shape[:2], np.random.default_rng(5))
drawn = pictures["test"][who[0][:, None], how[0]]
order = np.random.default_rng(2).permutation(5)
for ax, x, title in ((axes[0], drawn[:, 0], "examples"), (axes[1], drawn[order, 1], "questions")):
    plots.image_grid(x, columns=5, ax=ax)
    ax.set_title(title)
plots.show(
    "An episode of five ways and one shot: above five Georgian and Armenian letters, the examples; below the "
    "same letters in other styles and another order, the questions."
)

# %% [markdown]
# Which question belongs to which example? You can do it, most likely without ever having learned these
# letters. For 1000 episodes, with the embeddings of all pictures computed beforehand:


# %%
def one_shot(e, ways, shots=1, n=1000, asked=None):
    """Accuracy and its standard error in n episodes; e are embeddings (classes, pictures, size).

    The questions are from `asked`, of the same shape, if it is given: the same pictures, changed.
    """
    who, how = episodes(n, ways, shots, *e.shape[:2], np.random.default_rng(7))
    examples = e[who[..., None], how[..., :-1]].mean(axis=2)  # (n, ways, shots, size), then (n, ways, size)
    questions = (e if asked is None else asked)[who, how[..., -1]]
    nearest = squared_distances(questions, examples).argmin(axis=2)
    right = np.mean(nearest == np.arange(ways), axis=1)  # of each episode
    return right.mean(), right.std() / np.sqrt(n)


# %% [markdown]
# With several shots the question is compared with the mean of a class's examples; with one shot that is the
# example itself. All methods get the same episodes. The **standard error** tells how much the figure would
# change with other episodes from the same letters; not, how much with other letters, or with a network
# trained from another seed.
#
# **Before you run the next cell, what do you expect** of a network that has learned nothing and gives every
# picture the same embedding? All distances are 0, and `argmin` takes the first of equals.

# %%
# NBVAL_CHECK_OUTPUT
constant = np.ones((*pictures["test"].shape[:2], 8))
for ways in (2, 5, 20):
    accuracy, _ = one_shot(constant, ways)
    print(f"{ways:2} ways: constant embedding {accuracy:.3f}")
    assert np.isclose(accuracy, 1 / ways)

# %% [markdown]
# It always answers "the first one". Each class is asked once, so it is right once in an episode: 1/ways, as
# it should be. It is worth a test, since there is a tempting shortcut. Let the right example always be the
# first, and ask only for that one:

# %%
who, how = episodes(1000, 5, 1, *constant.shape[:2], np.random.default_rng(7))
drawn = constant[who[..., None], how]
nearest = squared_distances(drawn[:, :1, 1], drawn[:, :, 0]).argmin(axis=2)
print(f"constant embedding, the right answer always first: {np.mean(nearest == 0):.3f}")
assert np.all(nearest == 0)

# %% [markdown]
# 100 %, for nothing. A user of a public implementation of a well-known paper [got exactly
# that](https://github.com/tensorfreitas/Siamese-Networks-for-One-Shot-Learning/issues/1), and its author knew
# the cause: the network gives the same output for all pictures. The same happens wherever equal distances are
# counted as a hit. **A measure must be tested on something that is worthless.**
#
# ### What costs nothing
#
# Now methods that were not trained on letters. First the pixels. Two pictures of one letter that are shifted
# by two pixels share little ink, so we also try **blurred** pixels, which forgive small shifts (SciPy's
# `gaussian_filter`). How much blur is chosen on the validation letters.


# %%
def blurred(x, width):
    return ndimage.gaussian_filter(x, (*[0] * (x.ndim - 2), width, width)).reshape(*x.shape[:2], -1)


by_width = {}
for width in (0, 0.5, 1, 1.5, 2, 3):
    by_width[width], error = one_shot(blurred(pictures["validation"], width), ways=5)
    print(f"blurred by {width:3} pixels: {by_width[width]:.3f} ± {error:.3f}")
best_width = max(by_width, key=by_width.get)
assert by_width[0] + 0.01 < by_width[best_width] < by_width[0] + 0.05

# %% [markdown]
# A little blur helps a little. Then two networks from other lessons, as extractors of features. LeNet
# (lesson 06) **has been trained on handwritten digits**: its figure for digits is not one of "never seen",
# and stands in the table as such. EfficientNet (lesson 07) has been trained on photographs. It wants three
# colours and larger pictures. `layers.Resizing` enlarges ours; its 1280 maps are averaged. (`training=False`:
# batch normalisation keeps its means and variances.)


# %%
def run_model(model, x):
    """Embeddings (classes, pictures, size) of pictures (classes, pictures, 28, 28)."""
    flat = x.reshape(-1, 28, 28, 1)
    e = ops.concatenate([model(flat[i : i + 250], training=False) for i in range(0, len(flat), 250)])
    return ops.convert_to_numpy(e).reshape(*x.shape[:2], -1)


lenet = networks.lenet()
lenet = keras.Model(lenet.inputs[0], lenet.get_layer("F6").output)
backbone, _ = pretrained.backbone("efficientnet_lite0", input_shape=(64, 64, 3))
image = keras.Input((28, 28, 1))
colour = layers.Concatenate()([layers.Resizing(64, 64)(image)] * 3)
maps = backbone(layers.Rescaling(255 / 128, offset=-127 / 128)(colour))  # as pretrained.preprocess does
efficientnet = keras.Model(image, layers.GlobalAveragePooling2D()(maps))

# %%
methods = {
    "constant": lambda x: np.ones((*x.shape[:2], 8)),
    "pixels": lambda x: blurred(x, 0),
    "blurred pixels": lambda x: blurred(x, best_width),
    "EfficientNet's features": lambda x: run_model(efficientnet, x),
    "LeNet's features": lambda x: run_model(lenet, x),
}
untrained = {}
print("on validation letters     5 ways   20 ways")
for name, embed in methods.items():
    e = embed(pictures["validation"])
    untrained[name] = one_shot(e, 5)[0], one_shot(e, 20)[0]
    print("{:24} {:7.3f} {:9.3f}".format(name, *untrained[name]))
assert untrained == dict(sorted(untrained.items(), key=lambda row: row[1]))  # from the worst to the best

# %% [markdown]
# **Look at** the order. Pixels know least. Features that were learned on photographs help on letters, too,
# and LeNet's, learned on ten digits, help a little more. Neither network has been told what a letter is, and
# neither is good: with 20 ways about half of the answers are wrong. The next sections make a distance for
# this task.
#
# ## 3. Pairs: the contrastive loss
#
# What should the network learn? Pictures of one letter together, pictures of different letters apart. For a
# pair with the label $y$ (1: the same) and the distance $D$, the **contrastive loss** (Hadsell, Chopra &
# LeCun, 2006, where both terms have a factor $\tfrac12$) is
#
# $$\ell(y, D) = y\, D^2 + (1 - y)\, \max(\alpha - D, 0)^2.$$
#
# **Before you run the next cells, what do you expect:** what would happen with the first term alone? And why
# is there a margin $\alpha$, and not simply $-D^2$ in the second term?


# %%
def pair_loss(y, D, alpha):
    return y * D**2 + (1 - y) * np.maximum(alpha - D, 0) ** 2


D = np.linspace(0, 2, 101)
plt.figure(figsize=(5.6, 3))
plt.plot(D, pair_loss(1, D, 1), label="y = 1: the same")
plt.plot(D, pair_loss(0, D, 1), "--", label="y = 0: different")
plt.axvline(1, color="black", linewidth=1, linestyle=":")
plt.text(1.02, 2.4, r"margin $\alpha$")
plt.gca().set(xlabel="distance D", ylabel="loss of a pair", ylim=(0, 3))
plt.legend(loc="upper left")
plots.show(
    "Loss against distance with the margin 1. For a pair of the same it grows as the square of the "
    "distance. For a different pair it falls from 1 to 0 at the margin and stays there."
)

# %% [markdown]
# With the first term alone the constant embedding of section 2 has the loss 0: it is perfect, and worthless.
# The second term pushes different letters apart, but only as far as the margin. A pair that is farther than
# that is good enough: its loss is 0 and flat, and nothing moves it. With $-D^2$ there would be no end: one
# pair flying apart could outweigh all others.
#
# ### Batches
#
# A batch of $m$ pictures holds $m (m - 1) / 2$ pairs, and their distances cost a single product of matrices.
# So we do not draw pairs, but $P$ letters and $Q$ pictures of each, in different styles, so that there are
# enough same pairs (of pictures drawn at random fewer than one pair in a hundred would be of one letter).


# %%
def batch(images, P, Q, rng, turn=12):
    """Q styles of each of P letters, warped: pictures (P * Q, 28, 28, 1) and which letters (P * Q,)."""
    who = rng.permutation(len(images))[:P]
    styles = rng.permuted(np.tile(np.arange(images.shape[1]), (P, 1)), axis=1)[:, :Q]
    x = images[who[:, None], styles].reshape(-1, 28, 28)
    return warp(x, rng, turn)[..., None], np.repeat(who, Q)


x, y = batch(grey["train"], P=25, Q=4, rng=np.random.default_rng(1))
same = y[:, None] == y
print(x.shape, y.shape)
print(f"{same.size - len(y)} ordered pairs, {same.sum() - len(y)} of them the same")
print(f"of pictures at random the share of the same would be {11 / (12 * len(train.names) - 1):.4f}")

# %% [markdown]
# Still only 3 of 99 pairs are the same. So that the many different ones do not outweigh them, we take the
# mean over the same and the mean over the different ones, and add the two.
#
# A Keras loss is a function of labels and outputs, and gets the whole batch: so it may compare its rows with
# one another. `ops.eye`, the matrix with ones on its diagonal, takes each picture's pair with itself away.


# %%
def distances(e):
    """Embeddings (m, size) to their distances (m, m)."""
    squares = ops.sum(e * e, axis=1)
    D2 = squares[:, None] + squares - 2 * ops.matmul(e, ops.transpose(e))
    return ops.sqrt(ops.maximum(D2, 1e-8))  # the slope of the root is infinite at 0


def same_and_different(y):
    """Labels (m,) to two matrices of 0 and 1: which pairs are the same, which are different?"""
    y = ops.reshape(y, (-1,))  # Keras may hand over a column
    same = ops.cast(y[:, None] == y, "float32")
    return same - ops.eye(ops.shape(y)[0]), 1 - same


def contrastive(alpha):
    def loss(y, e):
        (same, different), D = same_and_different(y), distances(e)
        near = ops.sum(same * D**2) / ops.sum(same)
        far = ops.sum(different * ops.maximum(alpha - D, 0) ** 2) / ops.sum(different)
        return near + far

    return loss


# %% [markdown]
# ### The network
#
# Three blocks as in lesson 06, and a `Dense` layer with 64 outputs: the embedding. There is no activation at
# its end, and no softmax: it names nothing. (`momentum=0.9`: the running means of batch normalisation follow
# within some ten steps, since we make only a few hundred.)


# %%
def network(last=None):
    """A picture to its embedding of 64 numbers; the layer `last`, if any, comes after it."""
    image = keras.Input((28, 28, 1))
    h = image
    for filters in (32, 64, 64):
        h = layers.Conv2D(filters, 3, padding="same", use_bias=False)(h)
        h = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(h))
        h = layers.MaxPooling2D()(h)
    e = layers.Dense(64)(layers.Flatten()(h))
    return keras.Model(image, last(e) if last else e)


model = network()
print(f"{model.count_params():,} parameters, output {model.output.shape}")

# %% [markdown]
# `train_on_batch` does one step of the optimiser with a batch of our own, and returns the loss of that batch.
# (`jit_compile=False`, as in lesson 06: compiling would take longer than it saves.) The batches depend on the
# seed only: with one seed all losses of this lesson see the same pictures in the same order.


# %%
def learn(model, loss, steps, seed, turn=12):
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=rate), loss=loss, jit_compile=False)
    rng = np.random.default_rng(seed)
    return [model.train_on_batch(*batch(grey["train"], 25, 4, rng, turn)) for _ in range(steps)]


def judge(model):
    """On validation letters: accuracy of 5 and of 20 ways, mean distance of same and of different letters.

    The distances are those between the first style and the second.
    """
    e = run_model(model, pictures["validation"])
    D = np.sqrt(np.maximum(squared_distances(e[None, :, 0], e[None, :, 1])[0], 0))
    same = np.eye(len(D), dtype=bool)
    return one_shot(e, 5)[0], one_shot(e, 20)[0], D[same].mean(), D[~same].mean()


# %%
STEPS = budget.pick(smoke=2, cpu=200)
first = {}
for alpha in (1, 10):
    keras.utils.set_random_seed(1)
    model = network()
    start = ops.convert_to_numpy(distances(model(x, training=True)))
    learn(model, contrastive(alpha), STEPS, seed=1)
    first[alpha] = judge(model)
    print(f"margin {alpha:2}: 5 ways {first[alpha][0]:.3f}, 20 ways {first[alpha][1]:.3f}", end=", ")
    print("distances, same {:.2f}, different {:.2f}".format(*first[alpha][2:]))
print(f"before training: median distance of different letters {np.median(start[~same]):.1f}", end=", ")
print(f"nearer than 1: {np.mean(start[~same] < 1):.1%}")

# %% [markdown]
# With the margin 1 it does not reach LeNet's features; with the margin 10 it is far better than they are. The
# last line suggests why. It is measured on a batch before the first step (in the network's training mode):
# different letters are far beyond the margin 1 already, so their pairs have no loss, and the first term
# pulls everything together until some are nearer than the margin. The margin has to fit the scale of the
# distances, and a free embedding can have any scale. If that is the cause, a margin of 1 must do as well as
# 10 where the scale is fixed. The next section tries it.

# %%
if budget.name != "smoke":
    assert np.mean(start[~same] < 1) < 0.01
    assert first[1][0] < untrained["LeNet's features"][0] < first[10][0] - 0.1

# %% [markdown]
# ## 4. The unit sphere, triplets, and a softmax over the batch
#
# ### The unit sphere
#
# The scale can be taken away. `layers.UnitNormalization` divides each embedding by its length, so that all
# lie on a sphere of radius 1. Then
#
# $$D^2 = \lVert e - e' \rVert^2 = 2 - 2\, e \cdot e' = 2 - 2 \cos(e, e'),$$
#
# distances go from 0 to 2, and a margin of 1 means the same in every network: an angle of 60°.

# %%
unit = ops.convert_to_numpy(layers.UnitNormalization()(np.random.default_rng(1).normal(size=(5, 64))))
D2 = squared_distances(unit[None], unit[None])[0]
assert np.allclose(D2, 2 - 2 * unit @ unit.T, atol=1e-6)
print(f"the angle at D = 1: {np.rad2deg(np.arccos(1 - 1 / 2)):.0f}°")

# %% [markdown]
# ### Triplets
#
# For one-shot recognition a distance need not be small or large. It is enough that the right example is
# *nearer* than the others. That is said of three pictures: an **anchor** $a$, a **positive** $p$ of the same
# letter, a **negative** $q$ of another one. The **triplet loss** of FaceNet (Schroff, Kalenichenko & Philbin,
# 2015; with $D^2$ in place of $D$) is
#
# $$\ell = \max\big( D(a, p) - D(a, q) + \alpha,\; 0 \big):$$
#
# the negative shall be farther than the positive by the margin. A batch of $m$ pictures holds very many
# triplets: 100 · 3 · 96 in ours. In the course of training most of them become easy, and an easy one has the
# loss 0. Hermans, Beyer & Leibe (2017) take for each anchor only the **hardest**: its farthest positive and
# its nearest negative.


# %%
def hardest_triplets(alpha):
    def loss(y, e):
        (_, different), D = same_and_different(y), distances(e)
        farthest_positive = ops.max(D * (1 - different), axis=1)
        nearest_negative = ops.min(D + 10 * (1 - different), axis=1)  # 10: farther than any negative
        return ops.mean(ops.maximum(farthest_positive - nearest_negative + alpha, 0))

    return loss


def all_triplets(alpha):
    """The mean over the triplets of the batch that have a loss at all."""

    def loss(y, e):
        (same, different), D = same_and_different(y), distances(e)
        hinge = ops.maximum(D[:, :, None] - D[:, None, :] + alpha, 0)  # anchor, positive, negative
        hinge = hinge * same[:, :, None] * different[:, None, :]
        return ops.sum(hinge) / ops.maximum(ops.sum(ops.cast(hinge > 0, "float32")), 1)

    return loss


# %% [markdown]
# Check them on four points on a line, two of each letter, where you can count the distances:

# %%
# NBVAL_CHECK_OUTPUT
line, two = ops.convert_to_tensor([[0.0], [1.0], [1.5], [3.0]]), ops.convert_to_tensor([0, 0, 1, 1])
print(ops.convert_to_numpy(distances(line)).round(2))
print("hardest:", round(float(hardest_triplets(0.5)(two, line)), 3))  # (0 + 1 + 1.5 + 0) / 4
print(
    "all:    ", round(float(all_triplets(0.5)(two, line)), 3)
)  # (1 + 1.5 + 0.5) / 3: three of eight have a loss

# %% [markdown]
# ### A softmax over the batch
#
# Another way to say it: *which of the other pictures of this batch is of the same letter?* That is a
# classification, whose classes are the pictures of the batch. The logits are the cosines, divided by a
# **temperature** $\tau$: with $\tau = 0.1$ they go from $-10$ to 10. Let $S_i$ be the other pictures of the
# letter of picture $i$. The **supervised contrastive loss** (Khosla et al., 2020) is the cross-entropy of
# that classification, averaged over the right answers:
#
# $$R = -\frac1m \sum_{i=1}^m \frac{1}{|S_i|} \sum_{j \in S_i}
# \log \frac{\exp(e_i \cdot e_j / \tau)}{\sum_{l \ne i} \exp(e_i \cdot e_l / \tau)}$$


# %%
def supervised_contrastive(tau):
    def loss(y, e):
        same, _ = same_and_different(y)
        logits = ops.matmul(e, ops.transpose(e)) / tau - 1e9 * ops.eye(ops.shape(e)[0])  # not itself
        log_p = ops.log_softmax(logits, axis=1)
        return -ops.mean(ops.sum(same * log_p, axis=1) / ops.sum(same, axis=1))

    return loss


# %% [markdown]
# **Before you run the next cell, what do you expect** as the loss of the constant embedding, in a batch of
# 100? And of a perfect one, in which the four pictures of a letter are one point, at right angles to all
# others?

# %%
# NBVAL_CHECK_OUTPUT
loss = supervised_contrastive(0.1)
constant_batch = np.tile(np.eye(25, dtype="float32")[0], (100, 1))
perfect = np.repeat(np.eye(25, dtype="float32"), 4, axis=0)
print(f"constant {float(loss(y, constant_batch)):.3f}, perfect {float(loss(y, perfect)):.3f}")
print(f"log 99 = {np.log(99):.3f}, log 3 = {np.log(3):.3f}")

# %% [markdown]
# A constant embedding guesses among 99 pictures: $\log 99$. A perfect one still has to choose among three
# right ones: $\log 3$, not 0. Know the value of knowing nothing and that of perfection before you read a
# curve.
#
# No picture is paired with one chosen negative here: each is compared with all at once, and those that are
# too near have the largest probabilities, and so the largest part in the gradient. Hard ones are found
# without being looked for.
#
# ### Which one?
#
# All with the same network, the same batches, the same number of steps, and three seeds. Margins, $\tau$ and
# the factor below were tried before at two or three values each, with one seed, on the validation letters;
# learning rate and form of the batch are the same for all, and tuned for none. One row more,
# which is often left out: **a classifier**. The same network with a softmax over the 138 training letters is
# trained in the same way, then its last layer is thrown away and its features are the embedding, as in lesson
# 07. (Chen et al., 2019, found such baselines close to far more complicated methods, best with features on
# the sphere. The factor 10 after it is a $1/\tau$: without it the softmax could not be sure of anything.) The
# 18 trainings take about three minutes.


# %%
def features_of_classifier(seed):
    model = network(layers.UnitNormalization())
    logits = layers.Dense(len(train.names))(layers.Rescaling(10)(model.output))
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return model, learn(keras.Model(model.input, logits), cross_entropy, STEPS, seed)


def embedding(loss, sphere=True):
    def make(seed):
        model = network(layers.UnitNormalization() if sphere else None)
        return model, learn(model, loss, STEPS, seed)

    return make


ways_to_learn = {
    "contrastive, free, α = 10": embedding(contrastive(10), sphere=False),
    "contrastive, sphere, α = 1": embedding(contrastive(1)),
    "hardest triplets, α = 0.2": embedding(hardest_triplets(0.2)),
    "all triplets, α = 0.2": embedding(all_triplets(0.2)),
    "supervised contrastive, τ = 0.1": embedding(supervised_contrastive(0.1)),
    "classifier of 138 letters": features_of_classifier,
}

# %%
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])
rows, last_loss, models = {}, {}, {}
print("validation letters                  5 ways  20 ways   distance: same  different")
for name, make in ways_to_learn.items():
    rows[name] = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model, losses = make(seed)
        rows[name].append(judge(model))
        models[name, seed] = model
        last_loss[name] = np.mean(losses[-5:])
    print("{:35} {:6.3f} {:7.3f} {:16.3f} {:9.3f}".format(name, *np.mean(rows[name], axis=0)))

# %%
means = {name: np.mean(found, axis=0) for name, found in rows.items()}
_, axes = plt.subplots(1, 2, figsize=(9, 2.9), sharey=True)
for ax, column, ways in zip(axes, (0, 1), (5, 20), strict=True):
    for k, found in enumerate(rows.values()):
        ax.plot(np.array(found)[:, column], [k] * len(seeds), plots.MARKERS[k], color=plots.COLORS[k])
    ax.set(xlabel=f"accuracy, {ways} ways", yticks=range(len(rows)), yticklabels=rows)
axes[0].invert_yaxis()
plots.show(
    "One row for each way to learn, a mark for each seed: accuracy on validation letters with 5 and with 20 "
    "ways. Means over the seeds: "
    + "; ".join(f"{name} {a:.2f} and {b:.2f}" for name, (a, b, *_) in means.items())
)

# %%
best = max(rows, key=lambda name: np.mean(rows[name], axis=0)[1])
hardest, every = "hardest triplets, α = 0.2", "all triplets, α = 0.2"
print(f"loss of the last steps: {last_loss[hardest]:.3f} ({hardest}), {last_loss[every]:.3f} ({every})")
D = ops.convert_to_numpy(distances(network(layers.UnitNormalization())(x, training=True)))
harder = np.where(same, D, 0).max(axis=1) > np.where(same, 2, D).min(axis=1)
print(f"before training: farthest positive beyond nearest negative for {harder.mean():.0%} of the anchors")
for name in (every, best):
    print(
        "{:31} 20 ways, three seeds: {:.3f} {:.3f} {:.3f}".format(name, *np.resize(rows[name], (3, 4))[:, 1])
    )
if budget.name != "smoke":
    assert abs(last_loss[hardest] - 0.2) < 0.02
    assert harder.mean() > 0.9
    assert means[hardest][3] < 0.2 < 1 < means[every][3]
    assert np.all(np.min(rows[every], axis=0)[:2] > np.max(rows[hardest], axis=0)[:2])
    assert np.ptp([means[name][1] for name in list(rows)[:3]]) < 0.03  # the first three are alike
    assert abs(means[best][1] - means[every][1]) < 0.03
    assert untrained["LeNet's features"][1] + 0.1 < means["classifier of 138 letters"][1] < means[hardest][1]

# %% [markdown]
# **Look at** five things.
#
# *The triplets.* With the hardest alone the loss ends near 0.2, which is the margin: as if nothing was
# learned. The last two columns of the table show what happened. All embeddings have moved close together. At
# the start the farthest positive of nearly every anchor is farther than its nearest negative. Then *all*
# distances made small are a smaller loss: a point would have the loss $\alpha$. Is it the choice of the
# hardest that does it? With all triplets, and all else equal, the distances stay large, and the accuracy is
# better for every seed. Hermans, Beyer & Leibe (2017) report such a collapse, too. FaceNet took triplets that
# are hard, but not the hardest: you write that in the lab.
#
# *The measure.* One-shot accuracy hardly notices the collapse. It asks which distance is the smallest, and
# not how small it is: a map that has shrunk is still a map.
#
# *The sphere.* It did not make the contrastive loss better than the free one with its margin 10. But here the
# margin 1 does, with which the free one failed: the explanation of section 3 has passed its test.
#
# *The classifier.* It is far above LeNet's features, and behind the others after these steps. A guess: it has
# to find 138 directions, one for each letter, which are thrown away afterwards; and its batches, made for
# pairs, hold only 25 of the 138 classes.
#
# *The differences.* The two best differ by no more than the seeds of one of them do. Musgrave,
# Belongie & Lim (2020) compared a dozen losses at equal conditions, and found far smaller differences than
# the papers had claimed. And all this holds for 200 steps, one network, and 138 letters.
#
# ## 5. The chosen one, and the test
#
# The best of the table on validation letters is trained longer. (On another processor all triplets may be
# ahead: we take the supervised contrastive loss in any case.) One thing has to be said: while this
# lesson was written, the test was computed for other settings, too. The losses and their numbers were chosen
# on the validation letters.

# %%
print("best with 20 ways:", best)
if budget.name != "smoke":
    assert best in ("supervised contrastive, τ = 0.1", every)


# %%
def train_longer(seed):
    keras.utils.set_random_seed(seed)
    model = network(layers.UnitNormalization())
    return model, learn(model, supervised_contrastive(0.1), budget.pick(smoke=4, cpu=900), seed)


model, losses = train_longer(seed=1)
print(f"loss at the start {losses[0]:.2f}, at the end {np.mean(losses[-50:]):.2f}", end="; ")
print("validation letters, 5 and 20 ways: {:.3f}, {:.3f}".format(*judge(model)))

# %% [markdown]
# **Before you run the next cell, what do you expect?** Now the test, for this network and all methods without
# training: Armenian and Georgian letters, and handwritten digits, from one example each. (The network was
# trained from two more seeds by `lessons/14_similarity/seeds.py`, which takes three minutes; its test ships
# with the course.)

# %%
methods["trained here"] = lambda x: run_model(model, x)
tests = [("test", 5), ("test", 20), ("digits", 5)]
e = {name: {part: embed(pictures[part]) for part in ("test", "digits")} for name, embed in methods.items()}
table = {name: [one_shot(e[name][part], ways) for part, ways in tests] for name in methods}
print("from one example          letters, 5 ways  letters, 20 ways  digits, 5 ways")
for name, row in table.items():
    note = "*" if name == "LeNet's features" else ""
    print(f"{name:24}", *(f"{accuracy:9.3f} ± {error:.3f}" for accuracy, error in row), note)
print("* has been trained on handwritten digits, with their labels")
for run in json.loads(data.read("similarity_seeds.json")):
    print("{:24} {:9.3f} {:17.3f} {:17.3f}".format(f"trained, seed {run['seed']}", *list(run.values())[1:]))

# %%
trained = [accuracy for accuracy, _ in table["trained here"]]
runtime.result("one_shot_letters_5way", trained[0], at_least=0.94)
runtime.result("one_shot_letters_20way", trained[1], at_least=0.83)
runtime.result("one_shot_digits_5way", trained[2], at_least=0.82)
if budget.name != "smoke":
    rest = [row for name, row in table.items() if name != "trained here"]
    assert all(trained[k] > row[k][0] for row in rest for k in (0, 1))
    assert table["pixels"][2][0] + 0.2 < trained[2] < table["LeNet's features"][2][0]

# %% [markdown]
# **Look at** the last column. A network that has seen nothing but *printed letters* tells *handwritten
# digits* apart, far better than pixels do. LeNet is better there, as it should be: it has been told what the
# ten digits are, with about 6000 examples of each. On letters, which are new to both, the order is reversed.
# Our network has seen more classes, and classes more like these: the table does not tell which of the two
# helps. The two further seeds give nearly the same on letters. On digits the seeds differ by more than the
# standard error, which knows of episodes only.
#
# Are the letters of the test really new, if some resemble letters of the training? For each we look for the
# most alike training letter (blurred pixels, mean distance over the styles), and examine the half with the
# closest ones and the other half apart:

# %%
plain = {part: blurred(grey[part], 1).swapaxes(0, 1) for part in ("train", "test")}  # styles first
apart = np.sqrt(np.maximum(squared_distances(plain["test"], plain["train"]), 0)).mean(axis=0)
closest = apart.min(axis=1)
alike = closest < np.median(closest)
some = np.argsort(closest)[:8]
print("most alike:", ", ".join(f"{test.names[k]} {train.names[apart[k].argmin()]}" for k in some))
for name in ("trained here", "LeNet's features", "blurred pixels"):
    halves = [one_shot(e[name]["test"][half], ways=5)[0] for half in (alike, ~alike)]
    print("{:17} 5 ways: with a like training letter {:.3f}, without {:.3f}".format(name, *halves))
    assert budget.name == "smoke" or name != "trained here" or halves[1] > 0.9

# %% [markdown]
# The half without a like training letter is recognised no worse. (For pixels it is a little easier, too.) So
# the result does not rest on letters that are known under another name.
#
# ### More ways, more shots
#
# An accuracy says nothing without its number of ways. With several shots the mean of the examples is called
# the *prototype* of the class (Snell, Swersky & Zemel, 2017).

# %%
many_ways, many_shots = (2, 5, 10, 20, 50, 100), (1, 2, 3, 5, 8)
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
compared, by_shots = ("trained here", "LeNet's features", "blurred pixels"), {}
for name, line, marker in zip(compared, plots.LINES, plots.MARKERS, strict=False):
    embedded = e[name]["test"]
    curve = [one_shot(embedded, ways, n=300)[0] for ways in many_ways]
    left.plot(many_ways, curve, line + marker, label=name)
    by_shots[name] = [one_shot(embedded, 20, shots, n=300)[0] for shots in many_shots]
    right.plot(many_shots, by_shots[name], line + marker, label=name)
left.plot(many_ways, 1 / np.array(many_ways), ":", color="black", label="constant: 1/ways")
left.set(xlabel="ways, with one shot", ylabel="accuracy, test letters", xscale="log", ylim=(0, 1.03))
left.set_xticks(many_ways, many_ways)
right.set(xlabel="shots, with 20 ways")
right.legend(loc="lower right")
left.legend(fontsize=8)
plots.show(
    "On the left accuracy falls with the number of ways, from 2 to 100: least for the network trained "
    "here, far more for LeNet's features and blurred pixels. On the right accuracy at 20 ways rises with "
    "the number of shots for all three."
)
if budget.name != "smoke":
    assert min(by_shots["trained here"]) > max(by_shots["LeNet's features"])

# %% [markdown]
# **Look at** the right-hand figure. More shots help each method. But LeNet's features with eight examples do
# not reach the trained distance with one.
#
# ## 6. What it has learned, and where it fails
#
# ### A map of letters never seen
#
# The two directions in which the embeddings vary most (principal components, lesson 09) give a map. For ten
# Georgian letters in twelve styles each, in pixels and in embeddings:

# %%
some = [int(np.flatnonzero(test.names == name)[0]) for name in "აგდვთლრსფჯ"]
_, axes = plt.subplots(1, 2, figsize=(9.6, 4))
for ax, name in zip(axes, ("pixels", "trained here"), strict=True):
    points = e[name]["test"][some].reshape(120, -1)
    points = points - points.mean(axis=0)
    _, strength, directions = np.linalg.svd(points, full_matrices=False)
    plots.latent_scatter(points @ directions[:2].T, np.repeat(range(10), 12), test.names[some], ax=ax)
    share = np.sum(strength[:2] ** 2) / np.sum(strength**2)
    ax.set(title=f"{name}: {share:.0%} of the variance", xlabel="first component", ylabel="second component")
plots.show(
    "Two maps of ten Georgian letters in twelve styles. In pixels the styles of a letter are scattered "
    "and letters overlap; in the embedding the twelve styles of most letters lie together."
)

# %% [markdown]
# **Look at** one letter on both maps. The embedding has 64 numbers, and a map of two shows a part of their
# variance only: letters that overlap here may be far apart in another direction.
#
# ### The same, as it was told
#
# What is *the same* for this network? What we told it: other styles, small turns, shears and shifts. Is a
# letter that is turned further still the same? **Before you run the next cells, what do you expect** if the
# questions are turned by up to 90°? (In training it was 12° at most.) And for a second network, trained with
# turns by any angle? It makes 200 steps only; so beside it stands the network of section 4 with the same loss
# and seed, after as many steps.

# %%
keras.utils.set_random_seed(1)
any_turn = network(layers.UnitNormalization())
learn(any_turn, supervised_contrastive(0.1), STEPS, seed=1, turn=180)
short = models["supervised contrastive, τ = 0.1", 1]
methods[f"{STEPS} steps, any turn"] = lambda x: run_model(any_turn, x)
methods[f"{STEPS} steps, 12° at most"] = lambda x: run_model(short, x)

angles = np.arange(0, 91, 15)
turned = {name: [] for name in ("trained here", *list(methods)[-2:], "blurred pixels")}
upright = {name: methods[name](pictures["test"]) for name in turned}
flat = pictures["test"].reshape(-1, 28, 28)
for angle in np.deg2rad(angles):
    asked = affine(flat, np.tile(rotation(angle), (len(flat), 1, 1)), shift=np.zeros((len(flat), 2)))
    asked = asked.reshape(pictures["test"].shape)
    for name, curve in turned.items():
        curve.append(one_shot(upright[name], 5, asked=methods[name](asked))[0])

# %%
plt.figure(figsize=(6, 3))
for (name, curve), line, marker in zip(turned.items(), plots.LINES, plots.MARKERS, strict=False):
    plt.plot(angles, curve, line + marker, label=name)
plt.axhline(1 / 5, color="black", linestyle=":", linewidth=1)
plt.axvspan(0, 12, alpha=0.15, label="turns in training")
plt.gca().set(xlabel="questions turned by (degrees)", ylabel="accuracy, 5 ways", ylim=(0, 1.03))
plt.xticks(angles)
plt.legend(loc="lower left", bbox_to_anchor=(1, 0.3), fontsize=8)
plots.show(
    "Accuracy against the angle by which the questions are turned. The network of this lesson hardly falls "
    "at 15 degrees and then steeply to near chance at 90 degrees; after 200 steps the same from a little "
    "lower. The one trained with any turn starts far lower and stays nearly level. Blurred pixels fall to "
    "chance at 60 degrees."
)
if budget.name != "smoke":
    here, any_angle, small_turns, _ = turned.values()
    assert here[1] > 0.9 > 0.35 > here[-1]
    assert small_turns[0] > any_angle[0] + 0.1
    assert any_angle[-1] > small_turns[-1] + 0.2

# %% [markdown]
# The two that saw small turns keep what they were shown, and a little more, and lose the rest. The other one
# was told that a turned letter is the same, and does as it was told. That has a price: upright letters are
# recognised less well than after as many steps with small turns. A p and a d are one shape to it now. **A
# network does not find out what is similar; whoever makes the pairs decides it.** Two photographs can be of
# one person, of one place, or by one photographer: three different distances.
#
# ### Its mistakes
#
# The hardest examination: the examples are all test letters in DejaVu Sans, the questions all their other
# styles. Which letters are taken for which?

# %%
examples, questions = e["trained here"]["test"][:, 0], e["trained here"]["test"][:, 1:]
nearest = squared_distances(questions, np.tile(examples, (len(examples), 1, 1))).argmin(axis=2)
wrong = nearest != np.arange(len(examples))[:, None]
print(f"{len(examples)} ways, {wrong.size} questions: {1 - wrong.mean():.3f} right")
small = np.array([name.lower() for name in test.names])
cases = np.mean(small[np.nonzero(wrong)[0]] == small[nearest[wrong]])
print(f"of the wrong answers {cases:.2f} are the same letter, small for capital or capital for small")
assert budget.name == "smoke" or 0.15 < cases < 0.27
confused = np.zeros((len(examples), len(examples)), int)
np.add.at(confused, (np.nonzero(wrong)[0], nearest[wrong]), 1)
worst = [divmod(int(k), len(examples)) for k in np.argsort(-confused, axis=None, kind="stable")[:8]]

# %% [markdown]
# The eight pairs that are confused most often, and (how often) of the eleven questions:

# %%
trio = []
for true, said in worst:
    style = np.flatnonzero(nearest[true] == said)[0]
    trio += [pictures["test"][true, 1 + style], pictures["test"][true, 0], pictures["test"][said, 0]]
_, ax = plt.subplots(figsize=(8.4, 3.7))
order = [3 * k + row for row in range(3) for k in range(8)]
titles = [f"{test.names[a]} → {test.names[b]} ({confused[a, b]})" for a, b in worst] + [""] * 16
plots.image_grid(np.array(trio)[order], titles, columns=8, ax=ax)
for row, text in enumerate(("question", "its letter", "answer")):
    ax.text(-0.1, 0.5 - 1.35 * row, text, ha="right", va="center")
ax.set_xlim(-1, None)
plots.show(
    "The eight most frequent mistakes, in columns. Above a question, below it the example of the same "
    "letter, below that the example that was nearer: it differs by a stroke, or by its size only."
)

# %% [markdown]
# **Look at** the columns. Some of these pairs differ by one short stroke. Others are the capital and the
# small form of one letter, about a fifth of all mistakes: the pictures were scaled to one size, so that what
# helps us to tell them apart was taken away before the network saw it.
#
# ## 7. At the gate: the same, or not?
#
# At a border, a door or a telephone nobody asks "which of these five?", but "is it the one in the passport?".
# One compares the distance with a **threshold** and accepts if $D \le t$. There are two kinds of mistakes:
#
# $$\text{FAR}(t) = \frac{\text{different pairs with } D \le t}{\text{different pairs}}, \qquad
# \text{FRR}(t) = \frac{\text{same pairs with } D > t}{\text{same pairs}},$$
#
# the rate of **false accepts** and that of **false rejects**.


# %%
def all_pairs(e):
    """Distances of all pairs of pictures in e (classes, pictures, size), and which pairs are the same."""
    flat, label = e.reshape(1, -1, e.shape[-1]), np.repeat(np.arange(len(e)), e.shape[1])
    D = np.sqrt(np.maximum(squared_distances(flat, flat)[0], 0))
    once = np.triu_indices(len(label), k=1)
    return D[once], (label[:, None] == label)[once]


def rates(D, same, thresholds):
    of_different, of_same = D[~same], D[same]
    far = np.array([np.mean(of_different <= t) for t in thresholds])
    frr = np.array([np.mean(of_same > t) for t in thresholds])
    return far, frr


# %% [markdown]
# Which threshold? It depends on what the mistakes cost, and how often each can occur. Say that a false accept
# at our gate costs as much as twenty false rejects, and that as many come with a wrong passport as with their
# own. Then the mean cost of a visitor grows with $20\,\text{FAR} + \text{FRR}$, and the threshold with the
# least cost **on validation letters** is

# %%
thresholds = np.linspace(0, 2, 201)
groups = {
    "validation": run_model(model, pictures["validation"]),
    "Armenian": e["trained here"]["test"][test.alphabets == "Armenian"],
    "Georgian": e["trained here"]["test"][test.alphabets == "Georgian"],
    "digits": e["trained here"]["digits"],
}
curves = {name: rates(*all_pairs(embedded), thresholds) for name, embedded in groups.items()}
far, frr = curves["validation"]
chosen = int(np.argmin(20 * far + frr))
threshold = thresholds[chosen]
print(f"threshold {threshold:.2f}: false accepts {far[chosen]:.4f}, false rejects {frr[chosen]:.3f}")

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4))
left.plot(thresholds, far, label="false accepts (FAR)")
left.plot(thresholds, frr, "--", label="false rejects (FRR)")
left.axvline(threshold, color="black", linestyle=":", label="chosen")
left.set(xlabel="threshold t", ylabel="rate, validation letters", xlim=(0, 1.6))
left.legend(loc="upper right", fontsize=8)
for k, (name, (a, r)) in enumerate(curves.items()):
    right.plot(a, 1 - r, plots.LINES[k], label=name)
    right.plot(a[chosen], 1 - r[chosen], plots.MARKERS[k], color=plots.COLORS[k])
a, r = rates(*all_pairs(e["pixels"]["test"]), np.linspace(0, 20, 201))
right.plot(a, 1 - r, color="0.6", label="test letters, pixels")
right.set(xscale="log", xlim=(1e-4, 1), ylim=(0, 1.03), xlabel="false accepts, FAR")
right.set_ylabel("accepted of the same, 1 − FRR")
right.legend(loc="upper left", fontsize=8)
plots.show(
    "On the left, on validation letters, false accepts rise and false rejects fall with the threshold; the "
    "chosen one is marked. On the right the share of the same that is accepted against the false accepts, "
    "on a logarithmic axis: validation and Armenian letters nearly equal, Georgian below, then digits, and "
    "pixels lowest. A mark on each curve shows where the chosen threshold lies: at different heights."
)

# %% [markdown]
# Where the two curves on the left cross, both rates are equal: this **equal error rate** is often given as
# the only figure. The right-hand figure is the **ROC** curve (*receiver operating characteristic*, a word of
# the radar of the 1940s): each threshold is a point on it, from "accept nobody" to "accept all", and each
# curve is one group of pictures.
#
# **Before you run the next cell, what do you expect:** the threshold was chosen on phonetic signs. Does it
# keep its rates for the others?

# %%
print(f"threshold {threshold:.2f}    false accepts  false rejects")
for name, (a, r) in curves.items():
    print(f"{name:16} {a[chosen]:11.4f} {r[chosen]:13.3f}")
if budget.name != "smoke":
    rejected = {name: r[chosen] for name, (_, r) in curves.items()}
    assert rejected["Georgian"] > 1.3 * rejected["Armenian"]
    assert rejected["digits"] > max(0.5, 2 * rejected["validation"])

# %% [markdown]
# It does not. Armenian keeps the rates of the phonetic signs nearly, but of the same pairs of Georgian
# letters far more are rejected, and of handwritten digits most. (A guess: people write a 4 in more ways than
# the styles of print, with our small turns, show.) Somebody who tried the gate with Armenian letters only
# would not have noticed. **A threshold belongs to the data on which it was chosen.**
#
# With faces the groups are people. Grother, Ngan & Hanaoka (2019) tested nearly 200 programs for face
# recognition: in many of them false accepts were 10 to 100 times more frequent in some groups, by origin, sex
# or age, than in others, at one threshold. A mean over all hides it. The cure begins with measuring each
# group.
#
# ### One against many
#
# At the gate one picture is compared with one. A search compares it with all $N$ in a file. If false accepts
# were independent, the probability of at least one would be
#
# $$1 - (1 - \text{FAR})^N.$$

# %%
# NBVAL_CHECK_OUTPUT
for N in (1, 1000, 100_000):
    print(f"FAR 1 in 10,000, {N:7,} in the file: wrong hit with probability {1 - (1 - 1e-4) ** N:.4f}")

# %% [markdown]
# What is safe at the gate hits a wrong person in nearly every search of a large file. A hit in a search is
# no proof.
#
# ### Uses and misuse
#
# The same few lines find double entries in a catalogue, the photograph that was altered a little, a whale by
# its fluke, the person who sings, a spare part. Where they compare persons:
#
# - **A face cannot be changed.** A stolen password is replaced; a stolen embedding of a face is not. It
#   should not leave the device.
# - **Nobody has to be asked.** A face is recognised from afar. A file of faces, collected for one purpose,
#   serves any other. The European Union's AI Act (2024, Article 5) forbids systems that build such files
#   from faces of the web or of surveillance cameras, collected without a target.
# - **Unknown is not "none of them".** The nearest of the examples is always somebody. Without a threshold
#   there is no stranger.
# - **A photograph of you is not you.** A distance of pictures does not notice who holds them into the camera.
#
# ## 8. Signs of your own
#
# Now classes that nobody has ever trained. Five signs are drawn below, one line each, with a wobble in place
# of a hand. One drawing of each is kept as the example.

# %%
angle = np.linspace(0, 5 * np.pi, 40)
star = np.pi / 5 * (np.array([0, 4, 8, 2, 6, 0]) + 2.5)
SIGNS = {
    "house": [(30, 130), (130, 130), (130, 70), (80, 25), (30, 70), (30, 130)],
    "flash": [(100, 20), (55, 90), (105, 80), (60, 150)],
    "star": np.column_stack([80 + 65 * np.cos(star), 80 - 65 * np.sin(star)]),
    "fish": [(140, 50), (60, 115), (25, 80), (60, 45), (140, 110)],
    "spiral": np.column_stack([80 + 4.2 * angle * np.cos(angle), 80 + 4.2 * angle * np.sin(angle)]),
}


def draw_sign(name, rng):
    """One line with a wobble, in the form of MNIST's digits: (28, 28), uint8."""
    points = np.array(SIGNS[name])
    points = points + rng.normal(scale=9 if len(points) < 10 else 3, size=points.shape)
    picture = Image.new("L", (160, 160))
    ImageDraw.Draw(picture).line([tuple(point) for point in points], fill=255, width=12, joint="curve")
    return widgets.mnist_form(np.asarray(picture))


# %%
def embed_signs(images):
    return run_model(model, np.array(images)[None] / np.float32(255))[0]


rng = np.random.default_rng(3)
known = [draw_sign(name, rng) for name in SIGNS]
again = np.array([[draw_sign(name, rng) for _ in range(20)] for name in SIGNS])


def recognise(embed):
    """Which sign is each of the drawings (5, 20)?"""
    D2 = squared_distances(embed(again.reshape(-1, 28, 28))[None], embed(np.array(known))[None])[0]
    return D2.argmin(axis=1).reshape(5, 20)


answers = recognise(embed_signs)
in_pixels = recognise(lambda x: blurred(x[None] / np.float32(255), best_width)[0])
for who, said in {"network": answers, "blurred pixels": in_pixels}.items():
    print(f"{who:14} {np.sum(said == np.arange(5)[:, None])} of {said.size} right")

# %%
_, axes = plt.subplots(5, 1, figsize=(5, 4.2))
for k, (ax, name) in enumerate(zip(axes, SIGNS, strict=True)):
    titles = ["example", *(list(SIGNS)[answer] for answer in answers[k, :5])]
    plots.image_grid(np.stack([known[k], *again[k, :5]]), titles, columns=6, ax=ax)
    ax.text(-0.1, 0.5, name, ha="right", va="center", weight="bold")
    ax.set_xlim(-0.9, None)
plots.show(
    "Five rows: a house, a flash, a star, a fish and a spiral. In each the example comes first, then "
    "five more drawings of the sign with the name that the network gives them."
)

# %% [markdown]
# Blurred pixels do as well here. Five signs as different as these, drawn by a program that wobbles but does
# not slant, are an easy examination. A trained distance is needed where there are many classes, or like ones.
#
# **Your turn.** While the kernel runs there is a pad below the next figure. The bars are the numbers of the
# signs: 0 is the house, 4 the spiral. Their lengths are a softmax of the cosines, divided by $\tau$, as in
# the loss. (The words *digit* and *probability* are those of the pad in other lessons.) Draw a house.
#
# Then take signs of your own: draw one, run the cell below the pad (`own.append`), press *Clear*, draw the
# next. When there are three, draw them again, a little differently. Which one is it? What does it say of
# something that is none of them, and of a sign that you turn?

# %%
own, drawn = [], [known[0]]


def predict(images):
    drawn[0] = images[0]
    examples = own or known
    logits = embed_signs(images) @ embed_signs(examples).T / 0.1
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.pad(p / p.sum(axis=1, keepdims=True), [(0, 0), (0, 10 - len(examples))])


widgets.digit_pad(predict, again[3, 0])

# %%
remember = False  # True: the drawing on the pad is the example of your next sign, the first is number 0
if remember:
    own.append(drawn[0])
print(len(own), "signs of your own")

# %% [markdown]
# ## Summary
#
# - A classifier needs examples of each class. A distance needs them for *some* classes, and then serves
#   others.
# - Split by classes. Merge what looks the same.
# - Measure in episodes; name ways and shots; test the measure on a constant embedding: 1/ways.
# - The contrastive loss pulls the same together, and pushes different ones apart as far as a margin. The
#   margin must fit the scale of the distances; the unit sphere fixes the scale.
# - Triplets compare two distances. With the hardest alone the embedding can shrink to a point.
# - The supervised contrastive loss is a softmax over the batch; it and the mean over all triplets were the
#   best here. A plain classifier's features belong into the table.
# - What is similar is decided by who makes the pairs.
# - A threshold has two rates of mistakes, and belongs to the data, and the group, on which it was chosen.
#
# **Now you:** the lab is [`../labs/14_similarity.ipynb`](../labs/14_similarity.ipynb).
#
# ## References
#
# - J. Bromley et al. (1993). *Signature verification using a "Siamese"
#   time delay neural network.* International Journal of Pattern Recognition and Artificial Intelligence 7(4),
#   669–688. [doi:10.1142/S0218001493000339](https://doi.org/10.1142/S0218001493000339)
# - S. Chopra, R. Hadsell, Y. LeCun (2005). *Learning a similarity metric discriminatively, with application
#   to face verification.* CVPR. [doi:10.1109/CVPR.2005.202](https://doi.org/10.1109/CVPR.2005.202)
# - R. Hadsell, S. Chopra, Y. LeCun (2006). *Dimensionality reduction by learning an invariant mapping.* CVPR.
#   [doi:10.1109/CVPR.2006.100](https://doi.org/10.1109/CVPR.2006.100)
# - F. Schroff, D. Kalenichenko, J. Philbin (2015). *FaceNet: a unified embedding for face recognition and
#   clustering.* CVPR. [arXiv:1503.03832](https://arxiv.org/abs/1503.03832)
# - B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum (2015). *Human-level concept learning through probabilistic
#   program induction.* Science 350, 1332–1338.
#   [doi:10.1126/science.aab3050](https://doi.org/10.1126/science.aab3050)
# - O. Vinyals, C. Blundell, T. Lillicrap, K. Kavukcuoglu, D. Wierstra (2016). *Matching networks for one shot
#   learning.* NIPS. [arXiv:1606.04080](https://arxiv.org/abs/1606.04080)
# - A. Hermans, L. Beyer, B. Leibe (2017). *In defense of the triplet loss for person re-identification.*
#   [arXiv:1703.07737](https://arxiv.org/abs/1703.07737)
# - J. Snell, K. Swersky, R. S. Zemel (2017). *Prototypical networks for few-shot learning.* NIPS.
#   [arXiv:1703.05175](https://arxiv.org/abs/1703.05175)
# - W.-Y. Chen, Y.-C. Liu, Z. Kira, Y.-C. F. Wang, J.-B. Huang (2019). *A closer look at few-shot
#   classification.* ICLR. [arXiv:1904.04232](https://arxiv.org/abs/1904.04232)
# - P. Grother, M. Ngan, K. Hanaoka (2019). *Face recognition vendor test part 3: demographic effects.* NIST
#   Interagency Report 8280. [doi:10.6028/NIST.IR.8280](https://doi.org/10.6028/NIST.IR.8280)
# - P. Khosla et al. (2020). *Supervised contrastive learning.* NeurIPS.
#   [arXiv:2004.11362](https://arxiv.org/abs/2004.11362)
# - K. Musgrave, S. Belongie, S.-N. Lim (2020). *A metric learning reality check.* ECCV.
#   [arXiv:2003.08505](https://arxiv.org/abs/2003.08505)
# - European Union (2024). *Regulation 2024/1689 (Artificial Intelligence Act).*
#   [eur-lex.europa.eu/eli/reg/2024/1689/oj](https://eur-lex.europa.eu/eli/reg/2024/1689/oj)
