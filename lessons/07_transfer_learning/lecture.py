# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.8, cpu: 7}
# ---

# %% [markdown]
# # Transfer learning
#
# You have 98 photos, and want a network that sorts such photos into four classes. A small network trained on
# them alone gets about six of ten right. With a network that has learned from more than a million other
# photos nearly all are right, after a few seconds of training on a laptop. Many image classifiers are made in
# this way.
#
# **You need** lessons 04 to 06: validation, convolution, batch normalisation and depthwise-separable
# convolution. Symbols are those of the table of [notation](01_neurons.ipynb#Notation).
#
# **After this lesson you can**
#
# - use a network that was trained on ImageNet, and prepare images as it expects them;
# - take its features, computed once: compare photos by them, and train a small head on them;
# - choose by cross-validation, and open the test set once;
# - say how much an accuracy on a few photos is worth, and which differences are more than chance;
# - fine-tune a network where the features are not enough, and say what BatchNorm has to do with it;
# - augment images with Keras layers;
# - show with Grad-CAM where in the photo an answer comes from;
# - do all of this with your own photos.
#
# **Time to study:** about three hours, with a pause after section 6.

# %%
from nnlabs import data, plots, pretrained, runtime

budget = runtime.setup(seed=1)
# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. A network that knows a thousand things
#
# **ImageNet** (Deng et al., 2009) is a collection of millions of photos from the web, sorted by what they
# show. Its competition used 1000 classes and about 1.2 million training photos. Training a network on them
# takes days on one graphics card. Luckily others have done it, and published the weights.
# `keras.applications` offers many such networks. The one that ships with this course is small:
# **EfficientNet-Lite0** (after Tan & Le, 2019). Its numbers are stored in half precision, 2 bytes each, so it
# takes about 9 MB.

# %%
# NBVAL_CHECK_OUTPUT
whole = pretrained.efficientnet_lite0()
print("input ", whole.input.shape)
print("output", whole.output.shape, "one probability for each class")
print(f"{whole.count_params():,} parameters")

# %% [markdown]
# It is made of the bricks of lesson 06: convolutions with batch normalisation, in 16 blocks. A block is a
# depthwise-separable convolution with a shortcut, and with a $1 \times 1$ convolution before it that makes
# more channels (Sandler et al., 2018, call it an *inverted residual block*). This is block 14, then what
# follows the last block: the mean over all places (`pool`), and a dense layer with softmax.

# %%
# NBVAL_CHECK_OUTPUT
for layer in whole.layers:
    if layer.name.startswith(("block_14", "head", "pool", "logits", "prob")) and "bn" not in layer.name:
        shape = str(layer.output.shape[1:])
        print(f"{layer.name:24} {type(layer).__name__:23} {shape:14} {layer.count_params():9,} parameters")

# %% [markdown]
# ### Images as the network was trained
#
# A network knows only the numbers that it has seen in training. This one was trained on
#
# $$x = \frac{\text{pixel} - 127}{128},$$
#
# so that 0 to 255 becomes about $-1$ to $1$. Other networks want other numbers, and no error message tells
# you if they are wrong.

# %%
demo = pretrained.demo_photos()
pixels = np.stack(list(demo.values()))
x = pretrained.preprocess(pixels)
assert np.allclose(x, (pixels.astype("float32") - 127) / 128)
print("pixels", pixels.shape, pixels.dtype, pixels.min(), pixels.max())
print("x     ", x.shape, x.dtype, x.min(), x.max())

# %% [markdown]
# Three photos: a cat, a cup of espresso, a rocket before its start. **Before you run the next cell, what do
# you expect** as the network's five most probable classes?

# %%
probabilities = ops.convert_to_numpy(whole(x))
short = {282: "tiger cat"}  # the file of names describes it: "a cat having a striped coat"
figure, axes = plt.subplots(2, 3, figsize=(8, 3.2))
for (above, below), photo, best in zip(axes.T, pixels, pretrained.decode(probabilities), strict=True):
    above.imshow(photo[::3, ::3], interpolation="nearest")
    above.axis("off")
    names = [f"{short.get(index, name)[:22]} ({index})" for index, name, _ in best]
    below.barh(range(5), [probability for *_, probability in best])
    below.set(yticks=range(5), yticklabels=names, xlim=(0, 1), xlabel="probability")
    below.tick_params(labelsize=8)
    below.invert_yaxis()
plots.show(
    "A cat, a cup of espresso and a rocket, each above its five most probable classes: kinds of cats; "
    "espresso with 0.94; missile, drilling rig and space shuttle."
)

# %% [markdown]
# **Look at** what it is unsure about. The cat is shared by three classes of cats: ImageNet has about 400
# classes of animals, and a photo has only one label. No class fits the rocket exactly; "missile" is the name
# of two classes, 657 and 744.
#
# What if we forget to prepare the images? There is no error, only other answers:

# %%
assert probabilities.argmax(axis=1).tolist() == [285, 967, 657]
assert round(float(probabilities[1, 967]), 2) == 0.94
unprepared = ops.convert_to_numpy(whole(pixels.astype("float32")))
for name, best in zip(demo, pretrained.decode(unprepared, top=1), strict=True):
    print(f"{name:8} {best[0][1]} ({best[0][2]:.2f})")
assert unprepared.argmax(axis=1).tolist() != probabilities.argmax(axis=1).tolist()

# %% [markdown]
# ## 2. What does it see in our photos?
#
# Our task has four classes, and few photos: lesson 05 has shown some of them.

# %%
# NBVAL_CHECK_OUTPUT
photos = data.photos()
x_train, y_train, x_test, y_test, class_names = photos
print("training", x_train.shape, "test", x_test.shape)
for label, name in enumerate(class_names):
    print(f"{name:7} {np.sum(y_train == label):3} training, {np.sum(y_test == label):3} test photos")

# %% [markdown]
# They have $160 \times 160$ pixels. A convolution takes an image of any size, and the mean over all places
# makes 1280 numbers of it in any case. So the same weights serve for another size:

# %%
network = pretrained.efficientnet_lite0(input_shape=(160, 160, 3))
shown = [7, 62, 64, 2, 32, 23, 50, 38]  # of the test photos, chosen by hand; no method is chosen by them
probabilities = ops.convert_to_numpy(network(pretrained.preprocess(x_test[shown])))
titles = [
    f"{name.split('(')[0].strip()[:18]}\n{probability:.2f}"
    for ((_, name, probability),) in pretrained.decode(probabilities, top=1)
]
plots.image_grid(x_test[shown][:, ::2, ::2], titles, columns=4, scale=1.3)
plots.show("Eight photos, each with ImageNet's most probable class and its probability above it.")

# %% [markdown]
# **Look at** which answers are useful to us. An exact kind of duck is more than we need: "bird" would do. For
# other things, such as most flowers and an onion, ImageNet has no class, and the answer is something that
# looks a little like it. We cannot take these answers as they are. But a network that tells some sixty kinds
# of birds apart must have computed, in the layers before the answer, much of what makes a bird.

# %% [markdown]
# ## 3. From scratch, and how we measure
#
# First the simple way: a small CNN as in lesson 05, trained on our photos only. It sees them at
# $80 \times 80$ pixels, means of $2 \times 2$. This is a handicap: the pretrained network gets
# $160 \times 160$. We accept it, since there is only a quarter of the work to do.
# Nor shall we tune anything of it: rate and number of epochs are a first guess.


# %%
def smaller(images):
    return ops.convert_to_numpy(ops.average_pool(images.astype("float32") / 255, 2))


small_train = smaller(x_train)
print("small photos", small_train.shape, small_train.dtype)


# %%
def small_cnn(classes, *first, shape=(80, 80, 3)):
    """A CNN; the layers in first come before the convolutions."""
    model = keras.Sequential([keras.Input(shape), *first])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(classes, activation="softmax"))
    return model


default_batch = budget.pick(smoke=100, cpu=16)


def train(model, x, y, *, epochs, rate=1e-3, batch_size=default_batch, **more):
    """Compile and fit. XLA would take longer to compile than our short trainings take without it."""
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
        run_eagerly=budget.name == "smoke",  # a few steps for a test are not compiled at all
    )
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, **more).history


# %% [markdown]
# We shall compare several methods, and choose one. If we chose by the 65 test photos, the best number would
# be partly luck, and nothing would be left to say how good the chosen one is. Lesson 04 kept a validation set
# apart for this. With 98 photos it would be tiny. **Cross-validation** uses each photo for both: split the 98
# into five *folds* that have the classes in equal shares (*stratified*), train on four folds, let the network
# answer the fifth, and do so for each of the five. In the end each photo has been answered once, by a network
# that had not seen it. Another random split gives other answers: cheap methods are *repeated* with three
# splits. The 65 test photos are opened once, at the end, for the chosen method. (The next cell takes less
# than a minute.)

# %%
from sklearn.model_selection import RepeatedStratifiedKFold

folds, repeats = budget.pick(smoke=(2, 1), cpu=(5, 3))
splitter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=1)
splits = list(splitter.split(x_train, y_train))
rest, fold = splits[0]
print(f"{len(splits)} trainings: the first with {len(rest)} photos, to answer {len(fold)} others")
print("classes in the fold", np.bincount(y_train[fold]), "of", np.bincount(y_train))

# %%
answers = {}  # method -> its answers to the training photos, shape (repeats, 98)


def cross_validate(method, fit, x, repeats=1):
    """fit(x, y, seed) trains and returns a function from x to classes."""
    found = np.zeros((repeats, len(y_train)), dtype=int)
    for seed, (rest, fold) in enumerate(splits[: folds * repeats]):
        found[seed // folds, fold] = fit(x[rest], y_train[rest], seed)(x[fold])
    answers[method] = found
    accuracies = (found == y_train).mean(axis=1)
    print(f"{method}: {accuracies.mean():.3f}   ", accuracies.round(3))


def answer(model, x):
    return ops.convert_to_numpy(model(x)).argmax(axis=1)


# %%
scratch_epochs = budget.pick(smoke=1, cpu=30)
known = []  # the share of its own training photos that each network answers right


def from_scratch(x, y, seed, epochs=scratch_epochs):
    keras.utils.set_random_seed(seed)
    model = small_cnn(len(class_names))
    train(model, x, y, epochs=epochs)
    known.append(np.mean(answer(model, x) == y))
    return lambda images: answer(model, images)


cross_validate("from scratch", from_scratch, small_train)
print(f"on the photos that they were trained on: {np.mean(known):.3f}")

# %% [markdown]
# (Nearly) all photos of the training are right, of new ones about four in ten are wrong. The networks have
# learned these photos, not what a bird is. Guessing "mammal" each time would give:

# %%
# NBVAL_CHECK_OUTPUT
print(f"{np.mean(y_train == class_names.index('mammal')):.3f}")
if budget.name != "smoke":
    assert np.mean(known) > 0.98
    assert 0.5 < np.mean(answers["from scratch"] == y_train) < 0.7

# %% [markdown]
# ## 4. What is an accuracy on 65 photos worth?
#
# There is a source of chance that no seed shows: *which photos* happen to be there. Let $p$ be the
# probability that a network answers right for a new photo of this kind. The number of right answers among
# $n$ is binomial, so the measured share $\hat p$ has the standard deviation
#
# $$\sqrt{\frac{p\,(1 - p)}{n}}.$$

# %%
# NBVAL_CHECK_OUTPUT
n = len(y_test)
for p in (0.5, 0.7, 0.95):
    deviation = np.sqrt(p * (1 - p) / n)
    print(f"p = {p:.2f}: standard deviation {deviation:.3f}, 1.96 of them {1.96 * deviation:.3f}")

# %% [markdown]
# For which $p$ would our $\hat p$ be no surprise? Those with $|\hat p - p| \le z \sqrt{p (1 - p) / n}$, where
# $z = 1.96$ for 95 %. Squared, this is a quadratic inequality in $p$. Its solution is **Wilson's interval**
# (1927):
#
# $$\frac{1}{1 + z^2/n} \left( \hat p + \frac{z^2}{2n} \;\pm\; z \sqrt{\frac{\hat p\,(1 - \hat p)}{n} +
# \frac{z^2}{4 n^2}} \right)$$


# %%
def wilson(p, n, z=1.96):
    """The 95 % interval of Wilson for a measured share p of n."""
    middle = p + z**2 / (2 * n)
    root = np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - z * root) / (1 + z**2 / n), (middle + z * root) / (1 + z**2 / n)


# %% [markdown]
# SciPy agrees. **Before you run the next cell, guess:** how wide is the interval for 45 right answers of 65?
# And for 63?

# %%
# NBVAL_CHECK_OUTPUT
from scipy.stats import binomtest

for right in (45, 63, 65):
    low, high = wilson(right / n, n)
    print(f"{right} of {n}: {right / n:.3f}, interval {low:.3f} to {high:.3f}")
    assert np.allclose((low, high), binomtest(right, n).proportion_ci(method="wilson"), atol=1e-5)

# %% [markdown]
# More than twenty percentage points for 45, ten for 63! Even 65 of 65 only says that $p$ is above 0.94. So
# few photos show the large differences of this lesson, and cannot show the small ones. Cross-validation has
# 98 answers, and they do not come from one network: there are five networks, each trained with four fifths of
# the photos, and any two of them share three quarters of their training. The interval is then a rule of thumb
# (Bengio & Grandvalet, 2004, prove that no exact one can be had from one cross-validation).

# %% [markdown]
# ## 5. Features, computed once
#
# Cut the last layer off. What remains maps a photo to the 1280 means of its last feature maps, its
# **features**. (Donahue et al., 2014, showed how well other tasks can be done with them.) The features of a
# photo never change, so we compute them once. For section 6 we also keep the features of some earlier
# blocks, the means of *their* maps, and the maps of block 14: one pass through the network gives all of them.

# %%
stations = [f"block_{name}" for name in ("00_project_bn", "02_add", "04_add", "07_add", "10_add", "12_add")]
stations += ["block_14_add", "block_15_project_bn", "head_relu"]


def trunk_of(network, cut="block_14_add"):
    """The maps where we shall cut the network, and the features at each station."""
    outputs = [network.get_layer(name).output for name in stations[:-1]]
    means = [layers.GlobalAveragePooling2D()(output) for output in outputs]
    maps, pool = (network.get_layer(name).output for name in (cut, "pool"))
    return keras.Model(network.input, [maps, *means, pool])


def compute(trunk, images):
    """The trunk's maps and the list of features, some 32 images at a time: it saves memory."""
    parts = np.array_split(images, np.ceil(len(images) / 32))
    outputs = zip(*(trunk(pretrained.preprocess(part)) for part in parts), strict=True)
    middle, *features = (np.concatenate(list(map(ops.convert_to_numpy, output))) for output in outputs)
    return middle, features


# %%
trunk = trunk_of(network)
start = time.perf_counter()
middle_train, stations_train = compute(trunk, x_train)
features_train = stations_train[-1]
print(f"{time.perf_counter() - start:.1f} s for {len(x_train)} photos")
print("features", features_train.shape, "  maps of block 14", middle_train.shape)

# %% [markdown]
# ### A look at the features
#
# Are birds near birds in this space of 1280 dimensions? Project it to two. **PCA** takes the two directions
# of largest variance. **t-SNE** (van der Maaten & Hinton, 2008) places the points in the plane so that
# neighbours stay neighbours; distances between far groups mean nothing. Both are shown no labels. **Before
# you run the next cell, what do you expect** for the features, and for the raw pixels?

# %%
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

spaces = {"raw pixels": small_train.reshape(len(y_train), -1), "features": features_train}
figure, axes = plt.subplots(2, 2, figsize=(8, 6.4))
for row, (name, points) in zip(axes, spaces.items(), strict=True):
    tsne = TSNE(perplexity=20, init="pca", random_state=0, method="exact")
    for ax, method in zip(row, (PCA(2), tsne), strict=True):
        plots.points(method.fit_transform(points), y_train, class_names, ax)
        ax.set(title=f"{name}, {type(method).__name__.replace('TSNE', 't-SNE')}", xticks=[], yticks=[])
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plots.show(
    "Four scatter plots of 98 photos. With raw pixels the four classes are mixed, by PCA and by t-SNE. "
    "With the features they form groups: flowers, food, birds and mammals, with few exceptions."
)

# %% [markdown]
# **Look at** the lower row: nobody told the network about our four classes, and they are nearly apart. So the
# simplest method is one that trains nothing at all: give each photo the class of the most similar training
# photo, its **nearest neighbour**.

# %%
from sklearn.neighbors import KNeighborsClassifier


def nearest(x, y, seed):
    return KNeighborsClassifier(n_neighbors=1).fit(x, y).predict


cross_validate("nearest neighbour, pixels", nearest, spaces["raw pixels"], repeats)
cross_validate("nearest neighbour, features", nearest, features_train, repeats)

# %% [markdown]
# It beats the CNN from scratch by far. Is it ImageNet that did the work, or would any such network make good
# features? The same network with random weights tells:

# %%
random_network = pretrained.efficientnet_lite0(input_shape=(160, 160, 3), weights=None)
random_features = compute(trunk_of(random_network), x_train)[1][-1]
cross_validate("nearest neighbour, random network", nearest, random_features, repeats)
if budget.name != "smoke":
    right = {method: np.mean(found == y_train) for method, found in answers.items()}
    assert right["nearest neighbour, random network"] < right["nearest neighbour, features"] - 0.1

# %% [markdown]
# With random weights the features are no better than the pixels. So most of the work was done when the
# network learned ImageNet. What remains for us is small: a head that weighs the features.
#
# ### The head
#
# The head is one neuron a class with softmax, on features that are **standardised**: each minus its mean,
# divided by its standard deviation,
#
# $$z_j = \frac{f_j - \bar f_j}{\sigma_j}, \qquad \hat y = \operatorname{softmax}(W z + b).$$
#
# Mean and deviation come from the photos of the *training* only. A photo of the fold that is tested stands
# for one that arrives tomorrow: whatever we compute before must not use it. Keras's `Normalization` layer
# does this when it is adapted to the training features.


# %%
def new_head(features, classes=4, initial="zeros"):
    normalise = layers.Normalization()
    normalise.adapt(features)
    scores = layers.Dense(classes, kernel_initializer=initial)
    return keras.Sequential([keras.Input(features.shape[1:]), normalise, scores, layers.Softmax()])


head = new_head(features_train)
z = ops.convert_to_numpy(head.layers[0](features_train))
assert np.allclose(z.mean(axis=0), 0, atol=1e-3)
assert np.allclose(z.std(axis=0), 1, atol=1e-3)
print(f"{head.layers[1].count_params():,} weights and biases, {len(x_train)} photos")

# %% [markdown]
# ### Why it starts at zero
#
# There are 50 times more weights than photos, so very many heads are perfect on the training photos. Which
# of them do we get? Look at the smallest such case: one neuron with two weights, and one photo, with the
# features $z = (2, 1)$ and the answer "yes". The gradient of the loss is a multiple of $z$. So gradient
# descent can move the weights along $z$ only, wherever it starts:

# %%
z_one, starts = np.array([2.0, 1.0]), {"random": np.array([-1.0, 1.6]), "zero": np.zeros(2)}
figure, ax = plt.subplots(figsize=(5.2, 4))
grid = np.stack(np.meshgrid(np.linspace(-2, 2.4, 80), np.linspace(-1.2, 2.6, 80)), axis=-1)
loss = np.log(1 + np.exp(-grid @ z_one))
ax.contourf(grid[..., 0], grid[..., 1], loss, levels=12, cmap="Blues", alpha=0.6)
for (name, w), color, marker in zip(starts.items(), plots.COLORS[1:], "so", strict=False):
    path = [w]
    for _ in range(60):
        path.append(path[-1] + 0.1 * z_one / (1 + np.exp(path[-1] @ z_one)))
    ax.plot(*np.transpose(path), marker + "-", color=color, markevery=12, label=f"{name} start")
ax.plot([-1, 0.5], [2, -1], "k:", linewidth=1, label="directions that are never changed")
ax.set(xlabel="first weight", ylabel="second weight", aspect="equal", title="the darker, the larger the loss")
ax.legend(loc="lower left", fontsize=8)
plots.show(
    "The plane of two weights, shaded by the loss of one photo. Two paths of gradient descent run in "
    "parallel, along the photo's features: one begins at zero, one at a random point beside it, and the "
    "distance between them stays."
)

# %% [markdown]
# **Look at** the two paths: both reach a small loss. What the random start has put *across* the path is
# still there at the end. No photo has asked for it, and for a new photo it is noise. With a zero start
# nothing is there. With 1280 weights and 98 photos the photos fix 98 directions at most, and all others
# keep their random start. (Adam scales each weight on its own, so for Adam this is only nearly true; the
# experiment decides.) In a network with hidden layers zeros would be a mistake (lesson 04); for a single
# layer the loss is convex, and they are a good start. **What do you expect** of the difference?

# %%
head_epochs = budget.pick(smoke=2, cpu=30)


def fit_head(features, y, seed, classes=4, initial="zeros", epochs=head_epochs):
    keras.utils.set_random_seed(seed)
    head = new_head(features, classes, initial)
    train(head, features, y, rate=3e-4, epochs=epochs)
    return head


heads = {}  # the weights of each fold's head, for section 7


def head_of(**options):
    """For cross_validate: heads with these options."""

    def fit(features, y, seed):
        head = fit_head(features, y, seed, **options)
        heads[seed] = head.get_weights()
        return lambda features: answer(head, features)

    return fit


cross_validate("head, random start", head_of(initial="glorot_uniform"), features_train)
cross_validate("head", head_of(), features_train)

# %% [markdown]
# The zero start is better by about ten percentage points. Section 10 asks whether this is more than chance.
#
# The head is what statistics calls **multinomial logistic regression**, and scikit-learn has it. Its
# algorithm runs to the minimum of a penalised loss and has no seed; `C` is one over the strength of the
# penalty. `make_pipeline` keeps scaling and head together, so that the scaling cannot see photos of the
# tested fold by mistake. Which `C`? This is a choice for cross-validation, in seconds on stored features:

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def regression(C=1.0):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
    return lambda x, y, seed: model.fit(x, y).predict


for C in (0.001, 0.01, 1.0):
    cross_validate(f"logistic regression, C = {C:g}", regression(C), features_train, repeats)

# %% [markdown]
# The penalty matters little here. From six of ten to nearly all, in seconds of training.

# %% [markdown]
# ## 6. Which layer's features?
#
# Must it be the last layer? Early layers find edges and colours, which serve for all images; late ones are
# special to their task (Yosinski et al., 2014). To see it we need a second task that is far from ImageNet:
# the handwritten digits of lesson 06, but only ten of each class, enlarged to $64 \times 64$ pixels and
# repeated for the three colours. Other digits of MNIST's training set are for validation, and a random
# sample of its test set is for the end.

# %%
mnist = data.mnist()
rng = np.random.default_rng(1)
order = rng.permutation(len(mnist.y_train))
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])
each, many = budget.pick(smoke=(2, 20), cpu=(10, 1000))


def as_photos(digits):
    """(n, 28, 28) → (n, 64, 64, 3), values from 0 to 255."""
    framed = np.pad(digits, [(0, 0), (2, 2), (2, 2)])[..., None].astype("float32")
    return np.repeat(ops.convert_to_numpy(ops.image.resize(framed, (64, 64))), 3, axis=-1)


def few_digits(seed):
    """Positions of other training digits for each seed, ten of each class."""
    rows = order[(seed - 1) * 10_000 : seed * 10_000]
    return np.concatenate([rows[mnist.y_train[rows] == c][:each] for c in range(10)])


few, valid = few_digits(1), order[-many:]
digit_network = pretrained.efficientnet_lite0(input_shape=(64, 64, 3))
digit_trunk = trunk_of(digit_network)
_, stations_few = compute(digit_trunk, as_photos(mnist.x_train[few]))
_, stations_valid = compute(digit_trunk, as_photos(mnist.x_train[valid]))
print("digits", as_photos(mnist.x_train[few[:2]]).shape, "features", stations_few[-1].shape)

# %% [markdown]
# A logistic regression on the features of each station, with `C = 0.1` everywhere. **Before you run the next
# cell, draw** the two curves that you expect, for photos and for digits, from the first block to the last.

# %%
depth = {"photos, cross-validated": [], "digits, on validation digits": []}
for f, g, v in zip(stations_train, stations_few, stations_valid, strict=True):
    fit = regression(0.1)
    right = [np.mean(fit(f[a], y_train[a], 0)(f[b]) == y_train[b]) for a, b in splits[:folds]]
    depth["photos, cross-validated"].append(np.mean(right))
    found = fit(g, mnist.y_train[few], 0)(v)
    depth["digits, on validation digits"].append(np.mean(found == mnist.y_train[valid]))

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.4))
for i, (name, values) in enumerate(depth.items()):
    ax.plot(values, plots.MARKERS[i] + plots.LINES[i], label=name)
    print(f"{name:29}", np.round(values, 2))
print("number of features           ", [f.shape[1] for f in stations_train])
ticks = [name.split("_")[1] for name in stations[:-1]] + ["last"]
ax.set(xticks=range(len(stations)), xticklabels=ticks, ylabel="accuracy", ylim=(0.3, 1))
ax.set_xlabel("features of block number")
ax.legend(loc="lower right")
plots.show(
    "Accuracy of a logistic regression against the block whose features it gets. For photos it rises, with a "
    "small dip, up to block 12 and stays high; for digits it is highest in the middle, near block 10, and "
    "falls after it."
)

# %%
best = int(np.argmax(depth["digits, on validation digits"]))
if budget.name != "smoke":
    assert depth["digits, on validation digits"][best] > depth["digits, on validation digits"][-1] + 0.1
    assert max(depth["photos, cross-validated"]) - depth["photos, cross-validated"][-1] < 0.05

# %% [markdown]
# **Look at** the right half. (In the left half a later block also has more features, so its rise says
# little.) For photos the late layers are as good as any: what tells ImageNet's classes apart tells ours apart
# too. For digits the middle of the network is better than its end, by more than ten percentage points,
# although the end has ten times as many features. A guess: the last blocks keep what tells animals and things
# apart, and lose what tells a 3 from an 8. For digits we shall cut them off.
#
# ## 7. Fine-tuning
#
# **Fine-tuning** trains the last blocks further, for our classes. First we try it where it is hardly
# needed, on the photos, and see what can go wrong; then on the digits.
#
# ### Cut the network in two
#
# The early blocks stay as they are, and their output can be computed once: for block 14 it is `middle_train`.
# So training runs through the rest only. `keras.Model` makes a model of the layers between two outputs:


# %%
# NBVAL_CHECK_OUTPUT
def tail_of(network, cut, end="head_relu"):
    """From the maps of the layer cut to the features of the layer end, the means of its maps."""
    means = layers.GlobalAveragePooling2D()(network.get_layer(end).output)
    return keras.Model(network.get_layer(cut).output, means, name="tail")


tail = tail_of(network, "block_14_add")
print("tail", tail.input.shape, "→", tail.output.shape)
print(f"{tail.count_params():,} parameters")

# %%
assert np.allclose(tail(middle_train), features_train, atol=1e-4)
tail_weights = tail.get_weights()  # the tail shares its layers with the network: keep a copy of ImageNet's

# %% [markdown]
# ### BatchNorm has two modes
#
# Remember from lesson 06 that a BatchNorm layer (Ioffe & Szegedy, 2015) subtracts a mean and divides by a
# deviation, and that it has two modes:
#
# - in *training*, mean and variance are those of the current batch; and it moves its memory a little towards
#   them, memory ← 0.99 · memory + 0.01 · batch;
# - in *inference*, they are its memory: mean and variance of ImageNet, over a million photos.
#
# So in training mode the answer for a photo depends on the other photos of its batch. **Before you run the
# next cell, what do you expect** for a bird, alone and together with five birds, or five flowers?

# %%
head = fit_head(features_train, y_train, seed=1)
birds, flowers = (np.flatnonzero(y_train == class_names.index(name)) for name in ("bird", "flower"))
p_bird = {}
for training in (False, True):
    for name, others in {"alone": [], "five birds": birds[1:6], "five flowers": flowers[:5]}.items():
        features = tail(middle_train[[birds[0], *others]], training=training)
        p_bird[training, name] = float(head(features)[0, class_names.index("bird")])
        print(f"training={training!s:5} {name:12} probability of bird: {p_bird[training, name]:.3f}")
tail.set_weights(tail_weights)  # in training mode each pass has moved the memory
assert np.array_equal(answer(head, features_train), y_train) or budget.name == "smoke"
assert np.ptp([p for (training, _), p in p_bird.items() if not training]) < 1e-4
assert np.ptp([p for (training, _), p in p_bird.items() if training]) > 1e-2

# %% [markdown]
# The same photo should not get another answer in other company. The usual rule for few photos: BatchNorm
# stays in inference mode while we train too, `tail(x, training=False)`, and its $\gamma$ and $\beta$ are
# frozen with `trainable = False`.
#
# ### First the head, then the tail
#
# A new head sends large, meaningless gradients into the tail. So first train the head, put it on the tail,
# and then train both with a **low learning rate**: the weights are good already, and should move a little,
# not run away.


# %%
def fine_tune(tail, weights, head, x, y, seed, *, batchnorm=False, **options):
    """Train the tail, which starts with these weights, and a head that was trained before."""
    tail.set_weights(weights)
    for layer in tail.layers:
        layer.trainable = batchnorm or not isinstance(layer, layers.BatchNormalization)
    inputs = keras.Input(x.shape[1:])
    features = tail(inputs) if batchnorm else tail(inputs, training=False)
    model = keras.Model(inputs, head(features))
    keras.utils.set_random_seed(seed)
    return model, train(model, x, y, **options)


# %% [markdown]
# Three ways. Two of them go against the advice: a rate that is 100 times higher, and BatchNorm in training
# mode. **Before you run the next cell, what do you expect** of each? (Each is a cross-validation. The losses
# of the training cannot be compared, as two ways compute them in one mode and one in the other. So the curves
# show loss and accuracy on the fold that is tested, always in inference mode.) (The next cell takes about a
# minute.)

# %%
tuning_epochs = budget.pick(smoke=1, cpu=8)
variants = {
    "fine-tuned": {"rate": 3e-5},
    "fine-tuned, rate × 100": {"rate": 3e-3},
    "fine-tuned, BatchNorm trains": {"rate": 3e-5, "batchnorm": True},
}
curves = {method: [] for method in variants}


# %%
def tuned(method):
    def fit(rows, y, seed):
        fold = np.setdiff1d(np.arange(len(y_train)), rows)
        options = {"epochs": tuning_epochs, "validation_data": (middle_train[fold], y_train[fold])}
        head = new_head(features_train[rows])
        head.set_weights(heads[seed])  # it was trained in section 5
        model, history = fine_tune(
            tail, tail_weights, head, middle_train[rows], y, seed, **variants[method], **options
        )
        curves[method].append(history)
        return lambda rows: answer(model, middle_train[rows])

    return fit


for method in variants:
    cross_validate(method, tuned(method), np.arange(len(y_train)))
tail.set_weights(tail_weights)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
told = []  # for readers who do not see the figure
for i, (method, histories) in enumerate(curves.items()):
    style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "linestyle": plots.LINES[i]}
    for ax, key in ((left, "val_loss"), (right, "val_accuracy")):
        values = np.array([history[key] for history in histories])
        epochs = np.arange(1, values.shape[1] + 1)
        ax.plot(epochs, values.mean(axis=0), label=method, markersize=4, **style)
        ax.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=plots.COLORS[i], alpha=0.15)
    losses = np.mean([history["val_loss"] for history in histories], axis=0)
    told.append(f"{method} {losses[0]:.2f} to {losses[-1]:.2f}")
left.set(title="Loss on the tested fold", xlabel="epoch", ylabel="cross-entropy", yscale="log")
right.set(title="Accuracy on the tested fold", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
right.legend(loc="lower right", fontsize=9)
plots.show(
    f"Left: the mean loss on the tested fold, from the first epoch to the last: {', '.join(told)}. "
    "Right: the accuracy with the high rate breaks down and comes back; the two others are flat."
)

# %%
first = {}  # method -> losses of the first epoch: on the photos of the training, on the tested fold
for method, runs in curves.items():
    first[method] = [np.mean([history[key][0] for history in runs]) for key in ("loss", "val_loss")]
    print(f"{method:28} training {first[method][0]:7.3f}   tested fold {first[method][1]:7.3f}")
lowest = np.mean([min(history["val_accuracy"]) for history in curves["fine-tuned, rate × 100"]])
runtime.result("rate_x100_lowest_accuracy", lowest, at_most=0.8)
if budget.name != "smoke":
    assert first["fine-tuned, BatchNorm trains"][0] > 3 * first["fine-tuned"][0]
    assert first["fine-tuned"][1] < first["fine-tuned, BatchNorm trains"][1] < 2 * first["fine-tuned"][1]
    factors = np.divide(first["fine-tuned, rate × 100"], first["fine-tuned"])
    assert factors[0] > 100
    assert factors[1] > 10

# %% [markdown]
# **Look at** the curves and the losses of the first epoch. (Texts are for the `cpu` budget.)
#
# - *Low rate.* The loss on the tested fold falls a little, the accuracy stays where the features had it. The
#   head was right on all photos of the training before, so there was little left to learn from them.
# - *High rate.* The first steps carry the weights far away from where a million photos had put them: the
#   loss is more than ten times higher on the tested fold, and hundreds of times on the photos of the
#   training. Then the tail learns anew, from 80 photos. It comes back most of the way; where it ends differs
#   from fold to fold.
# - *BatchNorm in training mode.* The loss of the training begins many times higher, although the weights are
#   the same: with the statistics of 16 photos the tail computes other features than those that the head
#   knows. But we use a network in inference mode, and there the tested fold shows little of it: the loss is
#   somewhat higher than with BatchNorm frozen, and the accuracy the same, or a photo apart. So here the rule
#   costs nothing, and gains little.

# %% [markdown]
# ## 8. Data augmentation
#
# A mirrored bird is a bird, and so is one that is a little turned or nearer. **Data augmentation** makes such
# changes at random, so that in each epoch the network sees other versions of the images. Keras has layers for
# it. They work in training only; in inference they hand the image on as it is.

# %%
keras.utils.set_random_seed(1)
augment = keras.Sequential(
    [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.05, fill_mode="nearest"),  # up to 0.05 turns, 18 degrees
        layers.RandomZoom(0.15, fill_mode="nearest"),  # up to 15 % smaller or larger
        layers.RandomContrast(0.2, value_range=(0, 255)),
    ]
)
parrot = x_test[18:19].astype("float32")
versions = np.concatenate([ops.convert_to_numpy(augment(parrot, training=True)) for _ in range(9)])
assert np.array_equal(ops.convert_to_numpy(augment(parrot, training=False)), parrot)
assert versions.shape == (9, 160, 160, 3)
print("values from", versions.min(), "to", versions.max())
plots.image_grid(np.concatenate([parrot, versions])[:, ::2, ::2] / 255, columns=5, scale=1.4)
plots.show(
    "A parrot and nine versions of it: mirrored or not, turned a little, smaller or larger, paler or not."
)

# %% [markdown]
# **Look at** what stays the same: it is always the same bird, on white. `fill_mode="nearest"` continues the
# edge of the photo where something from outside comes in. (The default, `"reflect"`, mirrors what is there:
# white stays white too, but a tail that touches the edge gets a second one.) Which changes are allowed
# depends on the task. Most mirrored digits are no digits; and where the colour tells a lemon from a lime,
# colours must stay. For digits:


# %%
def digit_changes():
    """Turned by up to 14 degrees, up to 10 % smaller or larger, shifted by up to 8 % of the side."""
    return [
        layers.RandomRotation(0.04, fill_mode="nearest"),
        layers.RandomZoom(0.1, fill_mode="nearest"),
        layers.RandomTranslation(0.08, 0.08, fill_mode="nearest"),
    ]


keras.utils.set_random_seed(1)
some = mnist.x_train[few[::each][:10], :, :, None].astype("float32")
changed = ops.convert_to_numpy(keras.Sequential(digit_changes())(some, training=True))
plots.image_grid(np.concatenate([some, changed]), columns=10, scale=0.8)
plots.show("The digits 0 to 9, and below each a version that is turned, zoomed and shifted a little.")

# %% [markdown]
# ## 9. Where it pays: digits
#
# Now the digits, ten of each class. The features were best at block 10, so there the network ends for them:
# what comes after it is cut off. We keep blocks 0 to 4, and train blocks 5 to 10, which start as ImageNet has
# left them, and the head. In which mode shall BatchNorm be, and with which rate? Here ImageNet's statistics
# may fit badly: the digits are white strokes on black. Let the validation digits decide. (This takes less
# than a minute.) **What do you expect?**

# %%
digit_trunk = trunk_of(digit_network, "block_04_add")
digit_tail = tail_of(digit_network, "block_04_add", "block_10_add")
digit_weights = digit_tail.get_weights()
for layer in digit_tail.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.momentum = 0.9  # 0.99 would not forget ImageNet within our hundred steps
steps = budget.pick(smoke=2, cpu=100)


def tune_digits(middle, features, y, seed, images, *, steps=steps, **options):
    """The answers to images, all as maps of block 4, after so many steps of fine-tuning."""
    head = fit_head(features, y, seed, classes=10, epochs=1 + head_epochs * 10 * each // len(y))
    options = {"batch_size": 20, "epochs": max(1, steps * 20 // len(y)), **options}
    model, _ = fine_tune(digit_tail, digit_weights, head, middle, y, seed, **options)
    found = answer(model, images)
    digit_tail.set_weights(digit_weights)  # the next features are ImageNet's again
    return found


# %%
middle_few, features_few = compute(digit_trunk, as_photos(mnist.x_train[few]))
middle_valid, _ = compute(digit_trunk, as_photos(mnist.x_train[valid]))
choices = [
    {"batchnorm": trains, "rate": rate} for trains, rate in [(False, 1e-3), (False, 1e-4), (True, 1e-3)]
]
accuracies = []
for options in choices[: budget.pick(smoke=1, cpu=3)]:
    found = tune_digits(middle_few, features_few[4], mnist.y_train[few], 1, middle_valid, **options)
    accuracies.append(np.mean(found == mnist.y_train[valid]))
    print(options, f"{accuracies[-1]:.3f}")
chosen = choices[int(np.argmax(accuracies))]
print("chosen:", chosen)

# %% [markdown]
# The frozen features shall have a choice, too, of their penalty:

# %%
frozen = {}  # C -> accuracy on the validation digits
for C in (0.01, 0.1, 1.0):
    found = regression(C)(features_few[4], mnist.y_train[few], 1)(stations_valid[4])
    frozen[C] = np.mean(found == mnist.y_train[valid])
    print(f"C = {C:g}: {frozen[C]:.3f}")
penalty = max(frozen, key=frozen.get)  # the chosen C

# %% [markdown]
# BatchNorm in inference mode does best here too, by about two percentage points, although digits are nothing
# like photos. (One seed and a thousand digits are enough to choose by, not to prove a rule.) The rate is
# higher than for the photos. A guess: the tail has farther to go.
#
# Now three seeds, each with a hundred digits of its own, and 1000 digits of the test set, drawn at random.
# Nothing is chosen by these.
# What needs no pretrained network comes first: the nearest neighbour, and the small CNN from scratch. For
# augmentation we make nine changed copies of each digit: ten times as many, and a tenth of the epochs. So
# a network takes as many steps with copies as without. (This takes about a minute.)

# %%
rows = rng.choice(len(mnist.y_test), many, replace=False)
digits_test, y_digits = mnist.x_test[rows], mnist.y_test[rows]
results = {}  # method -> for each seed which of the test digits are right


def record(method, found):
    results.setdefault(method, []).append(found == y_digits)


def scaled(digits):
    return digits[..., None].astype("float32") / 255


def with_copies(images, y, seed):
    """The images and their changed copies, with their classes."""
    keras.utils.set_random_seed(seed)
    change = keras.Sequential(digit_changes())
    new = [ops.convert_to_numpy(change(images, training=True)) for _ in range(copies)]
    return np.concatenate([images, *new]), np.tile(y, 1 + copies)


# %%
copies, scratch_steps = budget.pick(smoke=(1, 2), cpu=(9, 600))
for seed in seeds:
    few = few_digits(seed)
    raw, y = scaled(mnist.x_train[few]), mnist.y_train[few]
    found = nearest(raw.reshape(len(y), -1), y, 0)(scaled(digits_test).reshape(many, -1))
    record("nearest neighbour, pixels", found)
    more = {"from scratch": (raw, y), "from scratch, augmented": with_copies(raw, y, seed)}
    for method, (images, labels) in more.items():
        keras.utils.set_random_seed(seed)
        model = small_cnn(10, shape=(28, 28, 1))
        train(model, images, labels, epochs=max(1, scratch_steps * 20 // len(labels)), batch_size=20)
        record(method, answer(model, scaled(digits_test)))

# %% [markdown]
# Then the pretrained network: a logistic regression on its last features and on those of block 10; blocks 5
# to 10 and the head fine-tuned; and the same with augmentation, where every copy must go through the early
# blocks. (This takes one to two minutes.)

# %%
middle_test_digits, test_stations = compute(digit_trunk, as_photos(digits_test))
for seed in seeds:
    few = few_digits(seed)
    images, y = as_photos(mnist.x_train[few]), mnist.y_train[few]
    middle, features = compute(digit_trunk, images)
    for method, station in {"features, last": -1, "features, block 10": 4}.items():
        record(method, regression(penalty)(features[station], y, 0)(test_stations[station]))
    record("fine-tuned", tune_digits(middle, features[4], y, seed, middle_test_digits, **chosen))
    images, y = with_copies(images, y, seed)
    middle, features = compute(digit_trunk, images)
    record("features, block 10, augmented", regression(penalty)(features[4], y, 0)(test_stations[4]))
    record("fine-tuned, augmented", tune_digits(middle, features[4], y, seed, middle_test_digits, **chosen))

# %%
for method, right in results.items():
    accuracies = np.mean(right, axis=1)
    print(f"{method:30} {accuracies.mean():.3f}   ", accuracies.round(3))

# %% [markdown]
# What is beyond chance? All methods answer the same digits, so we compare in pairs: of the digits that
# exactly one of two methods gets right, how many go to the first? If both were equally good, it would be as
# in throws of a coin, and $p$ is the probability of a result as uneven as ours, or more so. (Section 10 has
# more on this test.) We make 18 of them, six pairs of methods and three seeds, so take only a $p$ below
# $0.05 / 18 \approx 0.003$ for more than chance.


# %%
def pairs(first, second):
    """The counts of one seed after the other, and p."""
    values = []
    for a, b in zip(results[first], results[second], strict=True):
        one, other = int(np.sum(a & ~b)), int(np.sum(~a & b))
        values.append(binomtest(one, one + other).pvalue if one + other else 1.0)
        print(f"{one:3} only {first}; {other} only {second}; p = {values[-1]:.2g}")
    print(f"    beyond chance: {sum(value < 0.05 / 18 for value in values)} of {len(values)}")
    return values


p_last = pairs("fine-tuned", "features, last")
p_scratch = pairs("fine-tuned", "from scratch")
pairs("fine-tuned", "features, block 10")
for method in ("features, block 10", "from scratch", "fine-tuned"):
    pairs(f"{method}, augmented", method)

# %%
runtime.result("digits_features_accuracy", np.mean(results["features, last"]))
runtime.result("digits_scratch_accuracy", np.mean(results["from scratch"]))
runtime.result("digits_fine_tuned_accuracy", np.mean(results["fine-tuned"]), at_least=0.92)
if budget.name != "smoke":
    means = {method: np.mean(right) for method, right in results.items()}
    assert max(p_last + p_scratch) < 0.05 / 18
    assert means["fine-tuned"] > max(means["features, block 10"], means["from scratch"])

# %% [markdown]
# **Look at** the table and the pairs. (Texts are for the `cpu` budget.)
#
# - On ImageNet's *last features* the regression is no better for digits than the nearest neighbour in pixels.
#   On those of *block 10* it is about as good as a CNN from scratch.
# - *Fine-tuned*, the same blocks are better than frozen: by some four percentage points for the mean of three
#   seeds, beyond chance for two of them. They are better than the CNN from scratch too, for each seed. Here
#   fine-tuning pays, although ImageNet has no digits. (How much of it is due to the start, this comparison
#   does not show. The two differ in more: in architecture and in size of the images; and for the CNN only one
#   rate was tried.)
# - *Augmentation* pays from scratch, for each seed. Within equally many steps it brings nothing beyond
#   chance to the fine-tuned network, nor, but for one seed, to the frozen features.
#
# All this is for a hundred digits. With many thousands a CNN from scratch needs no help from photos (lesson
# 06).

# %% [markdown]
# ## 10. All methods, and what is beyond chance
#
# Back to the photos. The accuracy in cross-validation of each method, and Wilson's interval as a rule of
# thumb:

# %%
figure, ax = plt.subplots(figsize=(8, 4.2))
for i, (method, found) in enumerate(answers.items()):
    accuracies = (found == y_train).mean(axis=1)
    low, high = wilson(accuracies.mean(), len(y_train))
    print(f"{method:32} {accuracies.mean():.3f}   {low:.3f} to {high:.3f}")
    alone = any(word in method for word in ("scratch", "pixels", "random network"))  # without ImageNet
    ax.plot([low, high], [i, i], color=plots.COLORS[alone], linewidth=2)
    ax.plot(accuracies.mean(), i, "s" if alone else "o", color=plots.COLORS[alone], markersize=8)
    shift = 0.3 + 0.1 * np.arange(len(accuracies))
    ax.plot(accuracies, i + shift, "x", color="black", markersize=4)
ax.set(yticks=range(len(answers)), yticklabels=answers, xlabel="accuracy in cross-validation, 98 photos")
ax.set_title(
    "circles: with ImageNet, squares: without\nline: 95 % interval, crosses: the repeats", fontsize=10
)
ax.invert_yaxis()
plots.show(
    "Methods with their accuracies in cross-validation and intervals. What has nothing of ImageNet lies far "
    "to the left: the network from scratch, and the nearest neighbour in pixels and in a random network. The "
    "nearest neighbour in features, the head with a random start and the fine-tuning with the high rate lie "
    "near 0.9; head, logistic regression and the other fine-tuning near 0.96, with intervals that overlap."
)

# %% [markdown]
# Do intervals that lie apart show a difference? Nearly always. Do overlapping ones show that there is none?
# No: both methods answer *the same* photos, and what is hard for one is often hard for the other. So count in
# pairs. A table of two rows and two columns holds all:


# %%
def compare(first, second, y=y_train):
    """Print the table of counts for two sets of answers to the same photos; return p."""
    a, b = first == y, second == y
    table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
    print(f"                second right  second wrong\nfirst right  {table[0][0]:12} {table[0][1]:13}")
    print(f"first wrong  {table[1][0]:12} {table[1][1]:13}")
    only_first, only_one = int(table[0][1]), int(table[0][1] + table[1][0])
    return binomtest(only_first, only_one).pvalue if only_one else 1.0


p_first = compare(answers["head"][0], answers["nearest neighbour, features"][0])

# %% [markdown]
# The photos that both get right, and those that both get wrong, say nothing about which is better. Only the
# other two counts do. If both methods were equally good, each of these photos would be like the throw of a
# coin: the first or the second. How probable is a result as uneven as ours, or more so, with that many
# throws? This is $p$ of the exact **test of McNemar** (1947), and SciPy's `binomtest` computes it.

# %%
print(f"head against nearest neighbour: p = {p_first:.3f}\n")
tests = {
    "head, from scratch": ("head", "from scratch"),
    "head, random start": ("head", "head, random start"),
    "fine-tuned, head": ("fine-tuned", "head"),
}
p = {}
for name, pair in tests.items():
    p[name] = compare(*(answers[method][0] for method in pair))
    print(f"{name}: p = {p[name]:.2g}, times four {min(1, 4 * p[name]):.2g}\n")

# %% [markdown]
# **What is beyond chance?** These are four comparisons, each of which could be small by chance. To be safe
# multiply $p$ by four (Bonferroni's correction) before you call it small.
#
# - The features against training from scratch: without any doubt.
# - The start at zero: it gets most of the photos on which the two heads disagree, and with the factor 4 its
#   $p$ is near 0.05, the usual limit. It fits the picture of section 5, and is no proof.
# - The head against the nearest neighbour, fine-tuned or not: too few photos on which they disagree.
#
# How many photos would it take to tell 0.95 from 0.97? For a chance of 80 % to see it, where 0.84 is to 80 %
# (one side) what 1.96 is to 95 % (two sides), at most

# %%
if budget.name != "smoke":
    assert 4 * p["head, from scratch"] < 0.001
    assert min(p_first, p["fine-tuned, head"]) > 0.05
print(f"{(1.96 + 0.84) ** 2 * (0.95 * 0.05 + 0.97 * 0.03) / (0.97 - 0.95) ** 2:,.0f} photos for each method")

# %% [markdown]
# It takes fewer if both answer the same photos and disagree on few.

# %% [markdown]
# ### The test photos, once
#
# The choice is made: the logistic regression with `C = 1` is among the best, and the simplest of them. It is
# trained with all 98 photos, and answers the 65 test photos. **What do you expect?**

# %%
_, stations_test = compute(trunk, x_test)
features_test = stations_test[-1]
accuracy = np.mean(regression(1.0)(features_train, y_train, 0)(features_test) == y_test)
low, high = wilson(accuracy, len(y_test))
print(f"test photos: {accuracy:.3f}, interval {low:.3f} to {high:.3f}")
cross_validated = np.mean(answers["logistic regression, C = 1"] == y_train)
runtime.result("scratch_cross_validated_accuracy", np.mean(answers["from scratch"] == y_train))
runtime.result("features_cross_validated_accuracy", cross_validated, at_least=0.95)
runtime.result("features_test_accuracy", accuracy)

# %% [markdown]
# Nothing depends on it any more, so let us look what would have come of choosing by the test photos:

# %%
lucky = np.mean(nearest(features_train, y_train, 0)(features_test) == y_test)
honest = np.mean(answers["nearest neighbour, features"] == y_train)
print(f"nearest neighbour in feature space: test photos {lucky:.3f}, cross-validation {honest:.3f}")
assert (lucky > accuracy and honest < cross_validated - 0.03) or budget.name == "smoke"

# %% [markdown]
# By the test photos we would have preferred the nearest neighbour, for one photo more. In three
# cross-validations it is well below the regression. Whoever tries ten methods on 65 photos and reports the
# best one reports luck, in part.
#
# Which test photos are hardest? From here on we take the head in Keras, the same model by another algorithm,
# as section 12 needs its gradients. Take the probability of the right class minus the largest of the
# others, the **margin**. It is negative for a wrong answer.

# %%
head = fit_head(features_train, y_train, seed=1)
p_test = ops.convert_to_numpy(head(features_test))
is_right_class = np.eye(len(class_names), dtype=bool)[y_test]
margin = p_test[is_right_class] - np.where(is_right_class, 0, p_test).max(axis=1)
assert np.array_equal(margin > 0, p_test.argmax(axis=1) == y_test)
hardest = np.argsort(margin)[:5]
titles = [
    f"{class_names[y_test[i]]}\n→ {class_names[p_test[i].argmax()]} {p_test[i].max():.2f}" for i in hardest
]
plots.image_grid(x_test[hardest][:, ::2, ::2], titles, columns=5, scale=1.3)
plots.show(
    "The five test photos that are hardest for the head, each with its class, the head's answer and its "
    "probability."
)

# %% [markdown]
# ## 11. How many photos does one need?
#
# Train with 1, 2, 5 and 10 photos of each class, and answer the rest of the 98. Which photos are drawn
# matters much, so we draw several times. One method for the whole curve: a logistic regression, with
# features as they are, as the standard deviation of four photos is a bad estimate. `C` counts for unscaled
# features in another way, so it is chosen anew:


# %%
def unscaled(C):
    model = LogisticRegression(C=C, max_iter=1000)
    return lambda x, y, seed: model.fit(x, y).predict


def right_unscaled(C):
    return np.mean(answers[f"unscaled, C = {C:g}"] == y_train)


penalties = (0.01, 0.1, 1.0, 10.0)
for C in penalties:
    cross_validate(f"unscaled, C = {C:g}", unscaled(C), features_train, repeats)
penalty_unscaled = max(penalties, key=right_unscaled)
print("chosen:", penalty_unscaled)

# %% [markdown]
# **Before you run the next cells, draw** the two curves that you expect. (The training from scratch takes
# about a minute.)


# %%
def few_per_class(y, k, rng):
    """Indices of k photos of each class."""
    return np.concatenate([rng.choice(np.flatnonzero(y == c), k, replace=False) for c in np.unique(y)])


def features_with(chosen, others, seed):
    predict = unscaled(penalty_unscaled)(features_train[chosen], y_train[chosen], seed)
    return np.mean(predict(features_train[others]) == y_train[others])


def scratch_with(chosen, others, seed):
    again = np.resize(chosen, 80)  # each photo several times; half the epochs are enough for so few
    predict = from_scratch(small_train[again], y_train[again], seed, epochs=max(1, scratch_epochs // 2))
    return np.mean(predict(small_train[others]) == y_train[others])


# %%
sizes = budget.pick(smoke=[1, 10], cpu=[1, 2, 5, 10])
draws = {features_with: budget.pick(smoke=2, cpu=20), scratch_with: budget.pick(smoke=1, cpu=3)}
rng = np.random.default_rng(1)
curve = {method: [] for method in draws}
for k in sizes:
    chosen = [few_per_class(y_train, k, rng) for _ in range(max(draws.values()))]
    others = [np.setdiff1d(np.arange(len(y_train)), indices) for indices in chosen]
    for method, number in draws.items():
        curve[method].append([method(chosen[i], others[i], i) for i in range(number)])

# %%
figure, ax = plt.subplots(figsize=(6.4, 3.8))
for i, (name, values) in enumerate(zip(("features", "from scratch"), curve.values(), strict=True)):
    mean = [np.mean(v) for v in values]
    spread = [np.std(v, ddof=1) if len(v) > 1 else 0.0 for v in values]
    ax.errorbar(sizes, mean, spread, fmt=plots.MARKERS[i] + plots.LINES[i], capsize=4, label=name)
    print(f"{name:13}", "  ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, spread, strict=True)))
ax.axhline(0.25, color="black", linewidth=1, linestyle=":")
ax.text(1, 0.26, "guessing one of four", fontsize=9)
ax.set(xscale="log", xticks=sizes, xticklabels=sizes, ylim=(0.1, 1.02))
ax.minorticks_off()
ax.set(xlabel="training photos of each class", ylabel="accuracy on the other photos")
ax.set_title("bars: one standard deviation over the draws")
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
plots.show(
    "Accuracy against the number of training photos of each class, from 1 to 10. The curve of the features "
    "rises all the way, and everywhere lies far above that of training from scratch."
)

# %%
features_curve, scratch_curve = curve.values()
runtime.result("features_1_photo_per_class_accuracy", np.mean(features_curve[0]), at_least=0.58)
runtime.result("features_10_photos_per_class_accuracy", np.mean(features_curve[-1]), at_least=0.88)
if budget.name != "smoke":
    assert np.mean(features_curve[0]) > np.mean(scratch_curve[-1]) - 0.05
    recently = known[-len(sizes) * draws[scratch_with] :]
    print(f"from scratch, on the photos that they were trained on: {np.mean(recently):.3f}")

# %% [markdown]
# **Compare** the beginning of one curve with the end of the other: four photos with features are worth
# about as much as forty from scratch. And look at the spread for one photo of each class: there it matters
# which.
#
# ## 12. Grad-CAM: where does it look?
#
# A score is one number. Which part of the photo does it come from? **Grad-CAM** (Selvaraju et al., 2017)
# asks the last feature maps, here the output of `head_relu`: they still have rows and columns. Let $A^j$ be
# map number $j$, with $Z$ places $(r, s)$, and $a_c$ the score of class $c$, *before* the softmax. How much
# does the score depend on the map? Take the mean of its gradient over the places:
#
# $$\alpha_j^c = \frac{1}{Z} \sum_{r, s} \frac{\partial a_c}{\partial A_{rs}^j}$$
#
# Then weigh the maps, add them up, and keep what speaks *for* the class:
#
# $$L^c = \operatorname{ReLU}\Big(\sum_j \alpha_j^c A^j\Big)$$
#
# Keras leaves gradients of this kind to its backend. In TensorFlow a tape records the forward pass (lesson
# 03).

# %%
import tensorflow as tf


def grad_cam(model, x, c):
    """Grad-CAM of class c for one image x; the model returns [feature maps, scores]."""
    with tf.GradientTape() as tape:
        A, scores = model(x[None])
        a_c = scores[0, c]
    gradient = tape.gradient(a_c, A)  # (1, rows, columns, maps)
    alpha = ops.mean(gradient, axis=(1, 2))  # (1, maps)
    L = ops.relu(ops.sum(alpha[:, None, None] * A, axis=-1))[0]  # (rows, columns)
    return ops.convert_to_numpy(L)


# %% [markdown]
# First the demonstration photos, with ImageNet's classes, at $224 \times 224$:

# %%
explained = keras.Model(whole.input, [whole.get_layer("head_relu").output, whole.get_layer("logits").output])
cat = grad_cam(explained, x[0], 285)
print("a map of", cat.shape, "places, from", cat.min().round(3), "to", cat.max().round(3))
assert cat.min() >= 0

# %% [markdown]
# The map has a place for each of the $7 \times 7$ patches of the photo. We draw the photo, and below it the
# map, enlarged smoothly. The colours are Matplotlib's `cividis`, which people with and without colour
# blindness see alike. Each map is scaled to its own largest value.


# %%
def draw_maps(images, maps, titles, outline=False):
    """The photos in one row, their maps below, and a bar; outline what stands on white."""
    figure, axes = plt.subplots(2, len(images), figsize=(1.8 * len(images) + 0.6, 3.9), squeeze=False)
    for (above, below), image, heat, title in zip(axes.T, images, maps, titles, strict=True):
        small = image[:: len(image) // 55, :: len(image) // 55]  # fewer pixels keep the figure small
        heat = ops.convert_to_numpy(ops.image.resize(heat[..., None], small.shape[:2]))[..., 0]
        above.imshow(small, interpolation="nearest")
        above.set_title(title, fontsize=9)
        colors = plt.get_cmap("cividis", 12)  # steps of colour keep the figure small, too
        heat = heat / max(heat.max(), 1e-6)
        shown = below.imshow(heat, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
        if outline:
            below.contour(small.min(axis=-1), levels=[235], colors="white", linewidths=0.6)
    for ax in axes.flat:
        ax.axis("off")
    bar = figure.colorbar(shown, ax=axes[1], shrink=0.8, ticks=[0, 1])
    bar.ax.set_yticklabels(["0", "max"])


# %%
names = pretrained.class_names()
pairs = [(0, 285), (1, 967), (1, 504), (2, 657)]
maps = [grad_cam(explained, x[i], c) for i, c in pairs]
draw_maps([pixels[i] for i, _ in pairs], maps, [f"{names[c]} ({c})" for _, c in pairs])
plots.show(
    "Four photos, below each its Grad-CAM map: for the cat the face around eye and nose is bright, for "
    "espresso the coffee in the cup, for coffee mug the upper part of the cup, for missile the rocket and "
    "the sky on both sides of it."
)

# %% [markdown]
# **Look at** the cup: the two classes look at nearly the same place, "espresso" more at the liquid. The map
# is coarse, one number for each $32 \times 32$ pixels, and each number has seen a larger part of the photo
# than that.
#
# ### Our own head
#
# Now our four classes. The score before the softmax is the output of the head's dense layer:

# %%
normalise, scores, _ = head.layers
pool = network.get_layer("pool").output
explained = keras.Model(network.input, [network.get_layer("head_relu").output, scores(normalise(pool))])

# %% [markdown]
# Between $A$ and $a_c$ there is only a mean, a scaling and a weighted sum. So the gradient can be written
# down: $\partial a_c / \partial A_{rs}^j = W_{jc} / (\sigma_j Z)$, the same at each place. (For such a head
# Grad-CAM is the older CAM of Zhou et al., 2016. Grad-CAM works for heads with more layers too.) A test for
# our code:

# %%
A, _ = explained(pretrained.preprocess(x_test[:1]))
Z = A.shape[1] * A.shape[2]
W, sigma = ops.convert_to_numpy(scores.kernel), np.sqrt(ops.convert_to_numpy(normalise.variance).ravel())
for c in range(len(class_names)):
    by_hand = np.maximum(0, ops.convert_to_numpy(A)[0] @ (W[:, c] / (sigma * Z)))
    assert np.allclose(grad_cam(explained, pretrained.preprocess(x_test[:1])[0], c), by_hand, atol=1e-5)


# %%
def explain(pairs):
    """Draw the maps of test photos i for classes c."""
    maps = [grad_cam(explained, pretrained.preprocess(x_test[i : i + 1])[0], c) for i, c in pairs]
    titles = [f"{class_names[y_test[i]]}:\nwhy {class_names[c]}? ({p_test[i, c]:.2f})" for i, c in pairs]
    draw_maps([x_test[i] for i, _ in pairs], maps, titles, outline=True)


explain([(i, p_test[i].argmax()) for i in (18, 60, 58, 57)])  # chosen by hand
plots.show(
    "Four photos, below each its map with the outline of the thing in white. The maps of a parrot, a "
    "squirrel and a flower are bright at the animal and at the middle of the flower. That of the broccoli is "
    "bright on the white background at the edge of the photo."
)

# %% [markdown]
# And the two hardest photos, each for the class that was answered and for the class that is right (or for the
# next one, where the answer is right):

# %%
explain([(i, c) for i in hardest[:2] for c in np.argsort(-p_test[i])[:2]])
plots.show("The two hardest test photos, each with the maps of the two most probable classes.")

# %% [markdown]
# **Look at** the mouse, if it is among the two: what speaks for "mammal" lies at its head, what speaks for
# "bird" at the other end.
#
# And look at the broccoli. The answer is right, but the bright places are white background. How much of our
# photos is white?

# %%
white = x_train.min(axis=-1) >= 235
for label, name in enumerate(class_names):
    print(f"{name:7} {white[y_train == label].mean():.2f} of the training photos")

# %% [markdown]
# Food is often small, with much white around it. Does the network take "much white" for food? Such a
# **shortcut** would raise the accuracy on the test photos too, as they come from the same collection, and no
# interval would warn of it.
#
# A map is a hint, not a proof. So test the guess by experiments. First: what does the network answer for an
# empty white photo? Second: paint all white backgrounds in another colour. **Before you run the next cells,
# what do you expect?**


# %%
def probabilities_of(images):
    return ops.convert_to_numpy(head(compute(trunk, images)[1][-1]))


empty = np.full((1, 160, 160, 3), 255, dtype="uint8")
p_empty = probabilities_of(empty)[0]
print({name: round(float(p), 2) for name, p in zip(class_names, p_empty, strict=True)})
assert class_names[p_empty.argmax()] == "food" or budget.name == "smoke"


# %%
def repaint(images, color):
    """Give white pixels another colour (those in a white flower too; a thin light edge remains)."""
    white = images.min(axis=-1, keepdims=True) >= 235
    return np.where(white, np.array(color, dtype="uint8"), images)


colors = {"white": (255, 255, 255), "grey": (128, 128, 128), "brown": (150, 110, 70), "green": (90, 140, 70)}
rows = budget.pick(smoke=[58, 60], cpu=list(range(len(y_test))))
repainted = {name: repaint(x_test[rows], color) for name, color in colors.items()}
p_repainted = {name: probabilities_of(images) for name, images in repainted.items()}
painted = {name: np.mean(p.argmax(axis=1) == y_test[rows]) for name, p in p_repainted.items()}
for name, value in painted.items():
    print(f"{name:6} accuracy {value:.3f}")

# %%
food, broccoli = class_names.index("food"), rows.index(60)
titles = [f"{name}: {p_repainted[name][broccoli, food]:.2f}" for name in colors]
images = np.array([images[broccoli, ::2, ::2] for images in repainted.values()])
plots.image_grid(images, titles, columns=4, scale=1.5)
plots.show("Broccoli on white, grey, brown and green, each with the probability of food.")

# %%
runtime.result("accuracy_on_painted_backgrounds", min(painted.values()), at_least=0.85)

# %% [markdown]
# White does speak for food: the empty photo is most likely "food". But the network does not depend on it.
# With other backgrounds it is wrong for a few more photos at most, and the probability of food for the
# broccoli changes somewhat, up or down. So the bright place is not bright because it is white, and our first
# idea of the map was too simple. A guess at a better one: each number of the last maps has seen much of the
# photo around its place, the broccoli too. Grad-CAM shows only what speaks *for* a class, in a map scaled
# to its own largest value, even if all of it is weak. Adebayo et al. (2018) give more reasons to be careful.

# %% [markdown]
# ## 13. Hug it or not: your own photos
#
# The slides show a classifier that says whether one should hug a thing. Yours can have any classes. Make a
# folder with one sub-folder a class, at least two, each with at least five photos; 20 are better:
#
# ```
# my_photos/
#     hug/      anna.jpg  dog.jpg  ...
#     not/      cactus.jpg  ...
# ```
#
# `data.image_folder` reads it: it crops each photo to its middle square, scales it, skips what is no readable
# image, and puts every fourth photo of a class into the test split. Without such a folder, the next cells
# make one for demonstration, with birds and mammals to hug, food not to hug, and a file that is broken.

# %%
my_folder = "my_photos"  # put the path of your folder here

# %%
import tempfile
from pathlib import Path

from PIL import Image


def demonstration(folder):
    """Fill the folder with photos of the course, and one broken file."""
    for i, (photo, label) in enumerate(zip(x_train, y_train, strict=True)):
        kind = {"bird": "hug", "mammal": "hug", "food": "not"}.get(class_names[label])
        if kind:
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(photo).save(folder / kind / f"{i:03}.jpg", quality=90)
    (folder / "not" / "broken.jpg").write_bytes(b"this is no photo")
    return folder


# %%
temporary = tempfile.TemporaryDirectory()  # deleted when the notebook ends
own = Path(my_folder).expanduser().is_dir()
folder = my_folder if own else demonstration(Path(temporary.name))
mine = data.image_folder(folder)
print("your photos" if own else f"there is no folder {my_folder!r}: photos of the course")
print(mine.class_names, "training", mine.x_train.shape, "test", mine.x_test.shape)

# %% [markdown]
# A folder that cannot be used gets a message that says what is missing:

# %%
with tempfile.TemporaryDirectory() as bad:
    for kind in ("hug", "not"):
        (Path(bad) / kind).mkdir()
        Image.fromarray(x_train[0]).save(Path(bad) / kind / "one.jpg")
        try:
            data.image_folder(bad)
        except data.DataError as error:
            print(str(error).replace(bad, "my_photos"))


# %% [markdown]
# Now everything of this lesson in one function. The backbone can be another network: section 14.


# %%
def transfer(dataset, backbone, prepare):
    """Train a head on the backbone's features; print the test accuracy, return a classifier."""

    def features(images):
        return backbone.predict(prepare(images), batch_size=32, verbose=0).mean(axis=(1, 2))

    head = fit_head(features(dataset.x_train), dataset.y_train, seed=1, classes=len(dataset.class_names))
    p = ops.convert_to_numpy(head(features(dataset.x_test)))
    accuracy = np.mean(p.argmax(axis=1) == dataset.y_test)
    low, high = wilson(accuracy, len(p))
    print(f"{len(p)} test photos: accuracy {accuracy:.3f}, interval {low:.2f} to {high:.2f}")
    return lambda images: ops.convert_to_numpy(head(features(images)))


# %%
backbone, prepare = pretrained.backbone("efficientnet_lite0", input_shape=(160, 160, 3))
classify = transfer(mine, backbone, prepare)

# %%
guests = np.stack([*mine.x_test[:5], *pretrained.demo_photos(size=160).values()])
titles = [f"{mine.class_names[p.argmax()]}\n{p.max():.3f}" for p in classify(guests)]
plots.image_grid(guests[:, ::2, ::2], titles, columns=8, scale=1.0)
plots.show("Five test photos, the cat, the espresso and the rocket, each with the answer and its score.")

# %% [markdown]
# **Look at** the last three, which come from another source: photos with a background. The network answers
# all the same, and not always well. An espresso is food (perhaps it is missed because all food that the
# network has seen lies on white), and a rocket is neither. Softmax shares a probability of 1 among the
# classes that it knows. A score of 0.99 does not mean that 99 of 100 such answers are right, least of all for
# a photo unlike the training photos. Train with photos like those that will come.
#
# ## 14. Larger data, other networks
#
# The classical data set for this lesson is **cats and dogs** (Elson et al., 2007): 25,000 photos, a download
# of 825 MB. If you have the network and the time, set `download` to `True`.

# %%
download = False  # True: download what follows, once

# %%
if download:
    try:
        transfer(data.cats_and_dogs(per_class=500), backbone, prepare)
    except data.DownloadError as error:
        print(error)
else:
    print("Cats and dogs were not downloaded: download = False.")

# %% [markdown]
# And another network: any of `keras.applications` by its name. `pretrained.backbone` returns the network
# without its classifier, and the function that prepares the images *for this network*: each has its own.

# %%
if download:
    try:
        transfer(photos, *pretrained.backbone("MobileNetV2", input_shape=(160, 160, 3)))
    except data.DownloadError as error:
        print(error)
else:
    print("MobileNetV2 was not downloaded: download = False.")

# %% [markdown]
# ## Summary
#
# - A network that was trained on ImageNet can be used for other photos, if they are prepared as in its
#   training.
# - *Features*: cut off its last layer, compute the rest once, and compare photos by them, or train a small
#   head. This takes seconds and is the first thing to try with few photos.
# - *Choose* by cross-validation on the training photos; scaling and choosing belong into the folds. The test
#   photos are opened once.
# - *Fine-tuning*: train the last blocks further, after the head. It brought nothing beyond chance for the
#   photos, where the features are good already, and it paid for digits, which are far from ImageNet. Few
#   photos of ImageNet's kind: a low rate, and BatchNorm in inference mode. A task of another kind: let
#   validation decide about both.
# - *Augmentation* shows other versions of the same images, in training only. Choose changes that keep the
#   class.
# - An accuracy on 65 photos is known to about ±5 percentage points near 0.95, and to ±11 near 0.7. Two
#   methods are compared on the photos on which they disagree.
# - Grad-CAM weighs the last feature maps by the mean of the score's gradient, and shows where an answer comes
#   from. Test by an experiment what you read into the map.
#
# **Now you:** the lab is [`../labs/07_transfer_learning.ipynb`](../labs/07_transfer_learning.ipynb).
#
# ## References
#
# - J. Deng, W. Dong, R. Socher, L.-J. Li, K. Li, L. Fei-Fei (2009). *ImageNet: a large-scale hierarchical
#   image database.* CVPR. [doi:10.1109/CVPR.2009.5206848](https://doi.org/10.1109/CVPR.2009.5206848)
# - M. Tan, Q. V. Le (2019). *EfficientNet: rethinking model scaling for convolutional neural networks.* ICML.
#   [arXiv:1905.11946](https://arxiv.org/abs/1905.11946)
# - M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen (2018). *MobileNetV2: inverted residuals and
#   linear bottlenecks.* CVPR. [arXiv:1801.04381](https://arxiv.org/abs/1801.04381)
# - Y. Bengio, Y. Grandvalet (2004). *No unbiased estimator of the variance of k-fold cross-validation.*
#   Journal of Machine Learning Research 5, 1089–1105.
#   <https://www.jmlr.org/papers/v5/grandvalet04a.html>
# - J. Donahue et al. (2014). *DeCAF: a deep convolutional activation feature for generic visual recognition.*
#   ICML. [arXiv:1310.1531](https://arxiv.org/abs/1310.1531)
# - J. Yosinski, J. Clune, Y. Bengio, H. Lipson (2014). *How transferable are features in deep neural
#   networks?* NIPS. [arXiv:1411.1792](https://arxiv.org/abs/1411.1792)
# - S. Ioffe, C. Szegedy (2015). *Batch normalization: accelerating deep network training by reducing internal
#   covariate shift.* ICML. [arXiv:1502.03167](https://arxiv.org/abs/1502.03167)
# - R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra (2017). *Grad-CAM: visual
#   explanations from deep networks via gradient-based localization.* ICCV.
#   [arXiv:1610.02391](https://arxiv.org/abs/1610.02391)
# - J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim (2018). *Sanity checks for saliency
#   maps.* NeurIPS. [arXiv:1810.03292](https://arxiv.org/abs/1810.03292)
# - B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba (2016). *Learning deep features for discriminative
#   localization.* CVPR. [arXiv:1512.04150](https://arxiv.org/abs/1512.04150)
# - L. van der Maaten, G. Hinton (2008). *Visualizing data using t-SNE.* Journal of Machine Learning Research
#   9, 2579–2605. <https://www.jmlr.org/papers/v9/vandermaaten08a.html>
# - E. B. Wilson (1927). *Probable inference, the law of succession, and statistical inference.* Journal of
#   the American Statistical Association 22, 209–212.
#   [doi:10.1080/01621459.1927.10502953](https://doi.org/10.1080/01621459.1927.10502953)
# - Q. McNemar (1947). *Note on the sampling error of the difference between correlated proportions or
#   percentages.* Psychometrika 12, 153–157. [doi:10.1007/BF02295996](https://doi.org/10.1007/BF02295996)
# - J. Elson, J. R. Douceur, J. Howell, J. Saul (2007). *Asirra: a CAPTCHA that exploits interest-aligned
#   manual image categorization.* CCS. [doi:10.1145/1315245.1315291](https://doi.org/10.1145/1315245.1315291)
# - The photos of the four classes come from Tux Paint's stamps (GPL 2 or later), the cat, the espresso and
#   the rocket from scikit-image (CC0 and public domain): see `data/README.md`.
