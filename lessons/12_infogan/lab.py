# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 1.5}
# ---

# %% [markdown]
# # Lab 12: InfoGAN
#
# You write what the lecture rests on: entropy and mutual information of a table, the lower bound, the code
# that goes into the generator, the loss of $Q$, and the measures. A trained generator ships with the course.
# You find out what its code does, and in the end you read real digits with ten labels.

# %%
from nnlabs import data, networks, plots, runtime
from nnlabs.checks import infogan as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy.optimize import linear_sum_assignment

# %% [markdown]
# ## 1. Entropy
#
# Write the entropy in nats (natural logarithm) of probabilities $p_i$. The array `p` may have any shape, and
# sums to 1. A value with $p_i = 0$ adds nothing.
#
# $$H = -\sum_i p_i \log p_i$$
#
# <details><summary>Hint</summary>
#
# `p[p > 0]` has only the positive values, in one row.
#
# </details>


# %% exercise="entropy"
def entropy(p):
    """Return the entropy in nats of the probabilities p (any shape)."""
    ### BEGIN SOLUTION
    positive = p[p > 0]
    return -np.sum(positive * np.log(positive))
    ### END SOLUTION


# %% check="entropy" points=1
entropy = check.entropy(entropy)

# %% [markdown]
# ## 2. Mutual information
#
# `joint[i, j]` is $P(X = x_i, Y = y_j)$. Return the mutual information in nats:
#
# $$I(X, Y) = H(X) - H(X|Y) = H(Y) - H(Y|X)$$
#
# You may use your `entropy`. Cells may be 0.
#
# <details><summary>Hint</summary>
#
# The entropy of the whole table is $H(X, Y) = H(Y) + H(X|Y)$. The distribution of $X$ alone is the sum of the
# table over the columns, `joint.sum(axis=1)`.
#
# </details>


# %% exercise="mutual-information"
def mutual_information(joint):
    """Return I(X, Y) in nats of a table of probabilities, X in the rows, Y in the columns."""
    ### BEGIN SOLUTION
    return entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)
    ### END SOLUTION


# %% check="mutual-information" points=2
mutual_information = check.mutual_information(mutual_information)

# %% [markdown]
# A channel: $X$ is one of ten symbols, all equally likely. With probability $e$ it is lost, and $Y$ is then
# any of the ten. **Before you run the next cell, what do you expect** of $I(X, Y)$ at $e = 0$, at $e = 1$,
# and half way? Is half of the information left when half of the symbols are lost?

# %%
lost = np.linspace(0, 1, 41)
channels = [((1 - e) * np.eye(10) + e / 10) / 10 for e in lost]
values = [mutual_information(joint) for joint in channels]
plt.plot(lost, values, label="$I(X, Y)$")
plt.plot([0, 1], [np.log(10), 0], "--", color="0.5", label="straight line")
plt.gca().set(xlabel="share of symbols that are lost", ylabel="nats")
plt.legend()
plots.show(
    "The mutual information falls from log 10, about 2.3 nats, to 0 as more symbols are lost. The curve lies "
    "below the straight line between its ends."
)
assert np.isclose(values[0], np.log(10))
assert np.isclose(values[-1], 0)

# %% [markdown]
# ## 3. The lower bound, from samples
#
# In InfoGAN the code $c$ makes an image $x$, and $Q$ guesses the code from the image. The bound is a mean
# over pairs $(c_i, x_i)$, where $c_i$ is drawn from the prior and $x_i$ is made from it:
#
# $$I(c; x) \;\geq\; \frac1n \sum_{i=1}^n \log Q(c_i | x_i) + H(c)$$
#
# `log_q[i, k]` is $\log Q(k|x_i)$, shape `(n, K)`. `categories[i]` is the $c_i$ that made image $i$, an
# integer. `prior` are the $K$ probabilities of the categories; they need not be equal. You may use your
# `entropy`.
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
# Test it on a channel whose information is known: 100,000 symbols, 30 % of them lost. Three different $Q$:
# the true posterior, one that is too sure of itself, and one that always says "all ten are equally likely".
# **Before you run the next cell, what do you expect** of the third?

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
bounds = {name: lower_bound(np.log(Q).T[x], c, np.full(10, 0.1)) for name, Q in guesses.items()}
print(f"I(c; x) = {mutual_information(joint):.3f};", {name: round(float(b), 3) for name, b in bounds.items()})
assert abs(bounds["posterior"] - mutual_information(joint)) < 0.02
assert max(bounds["too sure"], bounds["uniform"]) < bounds["posterior"]

# %% [markdown]
# ## 4. What goes into the generator
#
# A row of the generator's input has `noise + 12` numbers, in this order:
#
# - $z$: `noise` independent numbers from $\mathcal N(0, 1)$;
# - $c_1$: one of ten categories, all equally likely, as a **one-hot** row of ten numbers, such as
#   `0 0 1 0 0 0 0 0 0 0`;
# - $c_2, c_3$: two independent numbers, uniform on $[-1, 1]$.
#
# The parts are independent of one another, and so are the rows. Return `n` such rows as one array of the type
# `float32`. Draw everything from `rng`, a NumPy generator.
#
# <details><summary>Hint</summary>
#
# `rng.normal`, `rng.integers` and `rng.uniform` take a `size`. Row $k$ of `np.eye(10)` is the one-hot form of
# $k$, and an array of integers picks many rows at once. `np.concatenate(..., axis=1)` puts arrays side by
# side.
#
# </details>


# %% exercise="draw-inputs"
def draw_inputs(n, noise, rng):
    """Return n rows of z, one-hot c1 and c2, c3: float32, shape (n, noise + 12)."""
    ### BEGIN SOLUTION
    z = rng.normal(size=(n, noise))
    c1 = np.eye(10)[rng.integers(10, size=n)]
    c23 = rng.uniform(-1, 1, size=(n, 2))
    return np.concatenate([z, c1, c23], axis=1).astype("float32")
    ### END SOLUTION


# %% check="draw-inputs" points=3
draw_inputs = check.draw_inputs(draw_inputs)

# %% [markdown]
# The generator of the lecture, with the weights that ship with the course; it was trained with the pairs of
# real digits and moved copies. Its first layer makes $c_2$, $c_3$ three times as large. It takes your rows.
# Each column below has one category and each row one $z$, $c_2$ and $c_3$.

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
networks.load_weights(generator, "infogan")


def generate(inputs):
    """Images (n, 28, 28, 1) from rows of inputs."""
    pieces = np.array_split(inputs, max(1, len(inputs) // 2000))
    return np.concatenate([ops.convert_to_numpy(generator(piece)) for piece in pieces])


# %%
inputs = np.repeat(draw_inputs(4, NOISE, np.random.default_rng(3)), 10, axis=0)  # each row ten times
inputs[:, NOISE : NOISE + 10] = np.tile(np.eye(10), (4, 1))
plots.image_grid(generate(inputs), columns=10, scale=0.6).set_title("from left to right: category 0 to 9")
plots.show(
    "Four rows of ten generated digits. In most columns, where the category is the same, the digits are of "
    "one class."
)

# %% [markdown]
# ## 5. The loss of $Q$
#
# $Q$ sees an image and answers with ten `logits` for $c_1$, shape `(n, 10)`, and two guesses `means` for
# $c_2$ and $c_3$, shape `(n, 2)`. Its loss is minus the bound, up to constants:
#
# $$\underbrace{-\frac1n \sum_{i=1}^n \log Q(c_{1,i}|x_i)}_{\text{cross-entropy}} \;+\; \text{weight} \cdot
# \underbrace{\frac{1}{2n} \sum_{i=1}^n \sum_{j=2}^3 (c_{j,i} - \text{means}_{j,i})^2}_{\text{mean squared
# error}}$$
#
# where $Q(\cdot|x)$ is the softmax of the logits. `c1` has one-hot rows `(n, 10)`, `c23` the shape `(n, 2)`.
# It becomes part of a Keras model: use `ops` in place of NumPy. For large logits the result must stay right.
#
# <details><summary>Hint</summary>
#
# `ops.categorical_crossentropy` can take logits: look at its arguments. It returns one number for each row.
#
# </details>


# %% exercise="information-loss"
def information_loss(c1, c23, logits, means, weight):
    """Return one number: c1, logits (n, 10), c23, means (n, 2), weight a number."""
    ### BEGIN SOLUTION
    cross_entropy = ops.mean(ops.categorical_crossentropy(c1, logits, from_logits=True))
    return cross_entropy + weight * ops.mean(ops.square(c23 - means))
    ### END SOLUTION


# %% check="information-loss" points=3
information_loss = check.information_loss(information_loss)

# %% [markdown]
# ### A new $Q$ for the finished generator
#
# In InfoGAN $Q$ and the generator learn together. Now the generator is fixed, and a new $Q$ learns to read
# it: an ordinary classifier, but its labels are codes that we drew ourselves. No person has labelled
# anything.


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
        self.logits, self.means = layers.Dense(10), layers.Dense(2)

    def call(self, x):
        features = self.trunk(x)
        return self.logits(features), self.means(features)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return information_loss(y[:, :10], y[:, 10:], *y_pred, weight=1.0)


# %%
n_train, n_new = budget.pick(smoke=2000, cpu=30_000), budget.pick(smoke=1000, cpu=5000)
inputs, new_inputs = (draw_inputs(n, NOISE, rng) for n in (n_train, n_new))
images, new_images = generate(inputs), generate(new_inputs)
keras.utils.set_random_seed(1)
q = Q()
q.compile(optimizer="adam", jit_compile=False)
for epoch in range(1, budget.pick(smoke=1, cpu=4) + 1):
    loss = q.fit(images, inputs[:, NOISE:], batch_size=64, verbose=0).history["loss"][0]
    print(f"epoch {epoch}: loss {loss:.3f}")

# %% [markdown]
# What does $Q$ know of *new* images? **Before you run the next cell:** what is the largest value that the
# bound can have?

# %%
logits, means = (ops.convert_to_numpy(part) for part in q(new_images))
log_q = ops.convert_to_numpy(ops.log_softmax(logits))
categories, c23 = new_inputs[:, NOISE : NOISE + 10].argmax(axis=1), new_inputs[:, -2:]
bound = lower_bound(log_q, categories, np.full(10, 0.1))
runtime.result("lab_bound_c1", bound, at_least=2.0)
print(f"at most log 10 = {np.log(10):.3f}; correlation of c2 and c3 with their guesses: ", end="")
print([round(float(np.corrcoef(c23[:, j], means[:, j])[0, 1]), 2) for j in (0, 1)])
assert bound < np.log(10)

# %% [markdown]
# ## 6. Do categories agree with digits?
#
# A judge, the LeNet of lesson 06, says which digit it sees in each image. Category 3 need not be the digit 3:
# names do not matter. Match the ten categories with the ten classes, **one to one**, so that as many images
# as possible agree, and return the share of images that agree then.
#
# `categories` and `classes` are integers from 0 to 9, shape `(n,)`.
#
# <details><summary>Hint</summary>
#
# Count how often each category goes with each class: a table of 10 × 10. SciPy's `linear_sum_assignment`
# finds a best one-to-one choice in a table; read in its help what "best" is unless you say otherwise.
#
# </details>


# %% exercise="matched-agreement"
def matched_agreement(categories, classes):
    """Return the share of images that agree under the best one-to-one matching."""
    ### BEGIN SOLUTION
    counts = np.zeros((10, 10))
    np.add.at(counts, (categories, classes), 1)
    return counts[linear_sum_assignment(counts, maximize=True)].sum() / len(classes)
    ### END SOLUTION


# %% check="matched-agreement" points=3
matched_agreement = check.matched_agreement(matched_agreement)

# %%
judge = networks.lenet()
seen = ops.convert_to_numpy(judge(new_images)).argmax(axis=1)
agreement = matched_agreement(categories, seen)
runtime.result("lab_agreement", agreement, at_least=0.8)
print(f"by chance: {matched_agreement(rng.permutation(categories), seen):.3f}")
counts = np.histogram2d(categories, seen, bins=[np.arange(11), np.arange(11)])[0]
print(f"I(c1; class) = {mutual_information(counts / counts.sum()):.3f} nats")

# %% [markdown]
# ## 7. What do $c_2$ and $c_3$ do?
#
# Measure the **slant** of each image from the moments of its ink. With the ink $w(x, y)$ at column $x$ and
# row $y$, and the centre of the ink $(\bar x, \bar y)$:
#
# $$\bar x = \frac{\sum w\, x}{\sum w}, \qquad
# \mu_{11} = \frac{\sum w\, (x - \bar x)(y - \bar y)}{\sum w}, \qquad
# \mu_{02} = \frac{\sum w\, (y - \bar y)^2}{\sum w}, \qquad
# \text{slant} = -\frac{\mu_{11}}{\mu_{02}}$$
#
# Rows are counted downwards. With the minus the slant is positive if the top of the digit leans to the right.
# `images` has the shape `(n, 28, 28)`, the result `(n,)`.
#
# <details><summary>Hint</summary>
#
# `y, x = np.mgrid[:28, :28]` gives the row and the column of each pixel. `images * x` broadcasts over the
# images; sum over the axes 1 and 2. A mean of shape `(n,)` becomes `(n, 1, 1)` by `mean[:, None, None]`.
#
# </details>


# %% exercise="slant"
def slant(images):
    """Return the slant of each image: (n, 28, 28) in, (n,) out."""
    ### BEGIN SOLUTION
    y, x = np.mgrid[:28, :28]
    w = images / images.sum(axis=(1, 2), keepdims=True)
    dx = x - np.sum(w * x, axis=(1, 2), keepdims=True)
    dy = y - np.sum(w * y, axis=(1, 2), keepdims=True)
    return -np.sum(w * dx * dy, axis=(1, 2)) / np.sum(w * dy**2, axis=(1, 2))
    ### END SOLUTION


# %% check="slant" points=3
slant = check.slant(slant)

# %% [markdown]
# Now move one code from $-2$ to $2$ and keep the rest, for 200 images. **Before you run the next cell, what
# do you expect**: will one code move the slant, or both? What will happen beyond $-1$ and $1$?

# %%
line = np.linspace(-2, 2, 9)
for j, (name, marker) in enumerate([("$c_2$", "o-"), ("$c_3$", "s--")]):
    slants = []
    for value in line:
        moved = new_inputs[:200].copy()
        moved[:, NOISE + 10 + j] = value
        slants.append(slant(generate(moved)[..., 0]).mean())
    plt.plot(line, slants, marker, label=f"{name} moves")
plt.axvspan(-1, 1, color="0.92", zorder=0, label="range of training")
plt.gca().set(xlabel="value of the code", ylabel="mean slant")
plt.legend()
plots.show("The mean slant of 200 digits, as c2 or c3 goes from -2 to 2. The range of training is shaded.")

# %%
for j, name in enumerate(("c2", "c3")):
    print(
        f"{name}: correlation with the slant {np.corrcoef(c23[:, j], slant(new_images[..., 0]))[0, 1]:+.2f}"
    )
examples = np.repeat(new_inputs[:2], 9, axis=0)
rows = []
for j in (0, 1):
    moved = examples.copy()
    moved[:, NOISE + 10 + j] = np.tile(line, 2)
    rows.append(generate(moved))
plots.image_grid(np.concatenate(rows), columns=9, scale=0.6)
plots.show(
    "Four rows of nine digits. In the first two rows c2 goes from -2 to 2, in the last two c3: the digit "
    "mostly stays, its form changes step by step."
)

# %% [markdown]
# ## 8. Ten labels
#
# $Q$ sorts images into ten categories, also real ones. Which digit is category 3? Ask a person, but only ten
# questions: for each category show the **one image that $Q$ finds most typical of it**, and take its label as
# the name of the category.
#
# `probabilities[i, k]` is $Q(k|x_i)$ for image $i$, shape `(n, 10)`. `labels` has the shape `(n,)`; use only
# the ten that you ask for. Return the ten names, shape `(10,)`.
#
# <details><summary>Hint</summary>
#
# In which row is the largest number of column $k$?
#
# </details>


# %% exercise="name-categories"
def name_categories(probabilities, labels):
    """Return for each category the label of its most typical image: (n, 10) and (n,) in, (10,) out."""
    ### BEGIN SOLUTION
    return labels[np.argmax(probabilities, axis=0)]
    ### END SOLUTION


# %% check="name-categories" points=2
name_categories = check.name_categories(name_categories)

# %% [markdown]
# The pool: 5,000 training images whose labels we pretend not to know. As a yardstick: the nearest neighbour
# among ten labelled images, one of each class, drawn at random, 20 times.

# %%
from sklearn.neighbors import KNeighborsClassifier

mnist = data.mnist()
x_pool, x_test = (x[..., None].astype("float32") / 255 for x in (mnist.x_train[:5000], mnist.x_test))
y_pool, y_test = mnist.y_train[:5000], mnist.y_test


def probabilities(images):
    pieces = np.array_split(images, max(1, len(images) // 2000))
    return np.concatenate([ops.convert_to_numpy(ops.softmax(q(piece)[0])) for piece in pieces])


pool = probabilities(x_pool)
names = name_categories(pool, y_pool)
plots.image_grid(x_pool[pool.argmax(axis=0)], [f"{k}: {name}" for k, name in enumerate(names)])
plots.show("The ten real digits that Q finds most typical of its categories, with their labels.")

# %%
accuracy = np.mean(names[probabilities(x_test).argmax(axis=1)] == y_test)
yardstick = []
for seed in range(20):
    draw = np.random.default_rng(seed)
    ten = [draw.choice(np.flatnonzero(y_pool == digit)) for digit in range(10)]
    nearest = KNeighborsClassifier(n_neighbors=1).fit(x_pool[ten].reshape(10, -1), y_pool[ten])
    yardstick.append(nearest.score(x_test[:2000].reshape(2000, -1), y_test[:2000]))
runtime.result("lab_accuracy_10_labels", accuracy)
runtime.result("lab_accuracy_10_labels_nearest_neighbour", np.mean(yardstick))
print(f"names {names}, {len(set(names.tolist()))} different classes")

# %% [markdown] question="information" points=4
# **Question 9.**
#
# 1. The bound for $c_1$ is close to $\log 10$, but the agreement with the classes is clearly below 1. How can
#    both be true? What would $G$ and $Q$ have to do for the bound to be $\log 10$ and the agreement 0.1?
# 2. A friend gives each category the class that is most frequent in it, and reports that share in place of
#    the best matching. Why is her number never smaller? Describe a generator for which it is 1 and the
#    matching gives 0.2.
# 3. Nobody told the generator that there are ten digits. Where does that knowledge come from? What do you
#    expect with 5 or with 20 categories?
# 4. In exercise 8, what happens to the accuracy if two categories get the same name?
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
# 4. Then one class has no category, and all its images are read wrongly: at most about 90 % can be right.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **More labels.** Let a person label ten images of each category, and take the majority. How much does it
#   help? Then train the last layer of $Q$ on them.
# - **20 categories.** Change the lecture's model to 20 categories and train it. Which classes are split?
# - **Width.** Write the width of the digit and of the stroke from moments, as in the lecture, and correlate
#   them with $c_2$ and $c_3$ within each class.
# - **A regular GAN.** Load the weights `"gan_with_code"` into the generator and train a new $Q$ for it. How
#   much does its image say about the code that nobody asked it to use?
# - **A learnt variance.** Let $Q$ also return $\log s^2$ for $c_2$ and $c_3$, and write the Gaussian
#   log-likelihood as the loss. What is the bound in nats?
#
# **References:** X. Chen, Y. Duan, R. Houthooft, J. Schulman, I. Sutskever, P. Abbeel (2016), *InfoGAN:
# interpretable representation learning by information maximizing generative adversarial nets*,
# [arXiv:1606.03657](https://arxiv.org/abs/1606.03657). H. W. Kuhn (1955), *The Hungarian method for the
# assignment problem*, [doi:10.1002/nav.3800020109](https://doi.org/10.1002/nav.3800020109).
#
# Back to the lecture: [`../notebooks/12_infogan.ipynb`](../notebooks/12_infogan.ipynb).
