# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 4}
# ---

# %% [markdown]
# # Transfer learning
#
# You have 98 photos, and want a network that sorts such photos into four classes. From scratch it gets about
# two of three right. With a network that has learned from more than a million other photos it gets nearly all
# of them right, after a few seconds of training on a laptop. This is how most image classifiers are made.
#
# **After this lesson you can**
#
# - use a network that was trained on ImageNet, and prepare images as it expects them;
# - take its features, computed once, and train a small head on them;
# - fine-tune its last blocks, and say what the learning rate and BatchNorm have to do with it;
# - augment photos with Keras layers;
# - say how much an accuracy on 65 photos is worth, and which differences are more than chance;
# - show with Grad-CAM where in the photo an answer comes from;
# - do all of this with your own photos.

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
# `keras.applications` offers many such networks. The one that ships with this course is small, about 9 MB:
# **EfficientNet-Lite0** (after Tan & Le, 2019).

# %%
# NBVAL_CHECK_OUTPUT
network = pretrained.efficientnet_lite0()
print("input ", network.input.shape)
print("output", network.output.shape, "one probability for each class")
print(f"{network.count_params():,} parameters")

# %% [markdown]
# It is a CNN as in lesson 06: convolutions with BatchNorm, in 16 blocks, then a mean over all places
# (`pool`), then a dense layer with softmax. These are its last layers:

# %%
# NBVAL_CHECK_OUTPUT
for layer in network.layers[-7:]:
    shape = str(layer.output.shape[1:])
    print(f"{layer.name:22} {type(layer).__name__:23} {shape:15} {layer.count_params():9,} parameters")

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
# Three photos: a cat, a cup of espresso, a rocket before its start. **Before you run the next cells, what do
# you expect** as the network's five most probable classes?

# %%
probabilities = ops.convert_to_numpy(network(x))
assert probabilities.argmax(axis=1).tolist() == [285, 967, 657]
assert round(float(probabilities[1, 967]), 2) == 0.94

# %%
figure, axes = plt.subplots(2, 3, figsize=(8, 3.2))
for (above, below), photo, best in zip(axes.T, pixels, pretrained.decode(probabilities), strict=True):
    above.imshow(photo[::2, ::2])
    above.axis("off")
    names = [f"{name[:22]} ({index})" for index, name, _ in best]
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
unprepared = ops.convert_to_numpy(network(pixels.astype("float32")))
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
shown = [7, 62, 64, 2, 32, 23, 50, 38]  # chosen by hand: clear, doubtful and wrong answers
probabilities = ops.convert_to_numpy(network(pretrained.preprocess(x_test[shown])))
titles = [
    f"{name.split('(')[0].strip()[:18]}\n{probability:.2f}"
    for ((_, name, probability),) in pretrained.decode(probabilities, top=1)
]
plots.image_grid(x_test[shown][:, ::2, ::2], titles, columns=4, scale=1.3)
plots.show("Eight test photos, each with ImageNet's most probable class and its probability above it.")

# %% [markdown]
# **Look at** which answers are useful to us. An exact kind of duck is more than we need: "bird" would do. For
# other things, such as most flowers and some fruits, ImageNet has no class, and the answer is something that
# looks a little like it. We cannot take these answers as they are. But a network that tells some sixty kinds
# of birds apart must have computed, in the layers before the answer, much of what makes a bird.

# %% [markdown]
# ## 3. From scratch
#
# First the simple way: a small CNN as in lesson 05, trained on our 98 photos only. It sees them at
# $80 \times 80$ pixels, means of $2 \times 2$.


# %%
def smaller(images):
    return ops.convert_to_numpy(ops.average_pool(images.astype("float32") / 255, 2))


small_train, small_test = smaller(x_train), smaller(x_test)
print("small photos", small_train.shape, small_train.dtype)


# %%
def small_cnn(*first):
    """A CNN for 80 x 80 photos; the layers in first come before the convolutions."""
    model = keras.Sequential([keras.Input((80, 80, 3)), *first])
    for filters in (16, 32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(len(class_names), activation="softmax"))
    return model


def from_scratch(x, y, seed, augmentation=(), *, epochs):
    keras.utils.set_random_seed(seed)
    model = small_cnn(*augmentation)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
    return model


# %% [markdown]
# One run says little: another seed gives other weights, another order of the photos, and another result. So
# we do everything with several seeds, and keep each network's *answers* to the 65 test photos.

# %%
scratch_epochs = budget.pick(smoke=1, cpu=30)
seeds = budget.pick(smoke=[1, 2], cpu=[1, 2, 3])
answers = {}  # method -> the answers of each seed, shape (seeds, test photos)


def answer(model, x):
    return ops.convert_to_numpy(model(x)).argmax(axis=1)


def report(method):
    accuracies = (answers[method] == y_test).mean(axis=1)
    print(f"{method}: {accuracies.mean():.3f} ± {accuracies.std(ddof=1):.3f}   ", accuracies.round(3))


# %%
models = [from_scratch(small_train, y_train, seed, epochs=scratch_epochs) for seed in seeds]
answers["from scratch"] = np.array([answer(model, small_test) for model in models])
report("from scratch")
print(f"on the training photos: {np.mean([answer(model, small_train) == y_train for model in models]):.3f}")

# %% [markdown]
# On the training photos the networks are nearly perfect, on new ones they fail at every third or fourth. They
# have learned these photos, not what a bird is. Guessing "mammal" each time would give:

# %%
# NBVAL_CHECK_OUTPUT
print(f"{np.mean(y_test == class_names.index('mammal')):.3f}")

# %% [markdown]
# ## 4. What is an accuracy on 65 photos worth?
#
# The ± above is how much the result changes with the seed. There is a second source of chance, and no seed
# shows it: *which 65 photos* happen to be the test photos. Let $p$ be the probability that the network
# answers right for a new photo of this kind. The number of right answers among $n$ is binomial, so the
# measured share $\hat p$ has the standard deviation
#
# $$\sqrt{\frac{p\,(1 - p)}{n}}.$$

# %%
# NBVAL_CHECK_OUTPUT
n = len(y_test)
for p in (0.5, 0.7, 0.95):
    print(f"p = {p:.2f}: standard deviation {np.sqrt(p * (1 - p) / n):.3f}")

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
# More than twenty percentage points for 45, ten for 63! Even 65 of 65 only says that $p$ is above 0.94. A
# test set of 65 photos shows the large differences of this lesson, and cannot show the small ones. We come
# back to this in section 8.

# %% [markdown]
# ## 5. Features, computed once
#
# Cut the last layer off. What remains maps a photo to the 1280 means of its last feature maps, its
# **features**. We use them as they are, and train only a new last layer, the **head**. (Donahue et al., 2014,
# showed how well this works.)
#
# The features of a photo never change, so we compute them once. For section 6 we also keep the output of a
# layer a little earlier, `block_14_add`: one pass through the network gives both.

# %%
cut = network.get_layer("block_14_add")
pool = network.get_layer("pool")
trunk = keras.Model(network.input, [cut.output, pool.output])


def compute(images):
    return trunk.predict(pretrained.preprocess(images), batch_size=32, verbose=0)


start = time.perf_counter()
(middle_train, features_train), (middle_test, features_test) = compute(x_train), compute(x_test)
print(f"{time.perf_counter() - start:.1f} s for {len(x_train) + len(x_test)} photos")
print("features", features_train.shape, "  block_14_add", middle_train.shape)

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

y_all = np.concatenate([y_train, y_test])
spaces = {
    "raw pixels": np.concatenate([small_train, small_test]).reshape(len(y_all), -1),
    "features": np.concatenate([features_train, features_test]),
}
figure, axes = plt.subplots(2, 2, figsize=(8, 6.4))
for row, (name, points) in zip(axes, spaces.items(), strict=True):
    tsne = TSNE(perplexity=20, init="pca", random_state=0)
    for ax, method in zip(row, (PCA(2), tsne), strict=True):
        plots.points(method.fit_transform(points), y_all, class_names, ax)
        ax.set(title=f"{name}, {type(method).__name__.replace('TSNE', 't-SNE')}", xticks=[], yticks=[])
axes[0, 0].legend()
plots.show(
    "Four scatter plots of 163 photos. With raw pixels the four classes are mixed, by PCA and by t-SNE. "
    "With the features they form groups: flowers, food, birds and mammals, with few exceptions."
)

# %% [markdown]
# **Look at** the lower row: nobody told the network about our four classes, and they are nearly apart. A
# number that goes with the figure: give each test photo the class of the most similar training photo.

# %%
from sklearn.neighbors import KNeighborsClassifier

near = KNeighborsClassifier(n_neighbors=1)
by_pixels = near.fit(spaces["raw pixels"][: len(y_train)], y_train).score(
    spaces["raw pixels"][len(y_train) :], y_test
)
by_features = near.fit(features_train, y_train).score(features_test, y_test)
print(f"nearest training photo: {by_pixels:.3f} by pixels, {by_features:.3f} by features")
assert by_features > by_pixels + 0.2

# %% [markdown]
# ### The head
#
# The head is one neuron a class with softmax, on features that are **standardised**: each minus its mean,
# divided by its standard deviation,
#
# $$z_i = \frac{f_i - \mu_i}{\sigma_i}, \qquad p = \operatorname{softmax}(W z + b).$$
#
# Mean and deviation come from the *training* photos only. A test photo stands for one that arrives tomorrow:
# whatever we compute before must not use it. Keras's `Normalization` layer does this when it is adapted to
# the training features.


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
# There are 50 times more weights than photos, so very many heads are perfect on the training photos. Which of
# them do we get? The gradient of the loss is $\sum_j (p_j - y_j)\, z_j^\top$, a sum of the 98 training
# features. Their mean is zero, so they span 97 directions. In the other 1183 the gradient is zero, and
# gradient descent never changes what a random start has put there: for a new photo it is noise. With a
# **zero** start nothing is there. (Adam scales each weight on its own, so for Adam this is only nearly true;
# the experiment decides.) In a network with hidden layers zeros would be a mistake (lesson 04); for a single
# layer the loss is convex, and they are a good start. **What do you expect** of the difference?


# %%
def fit_head(features, y, seed, classes=4, initial="zeros", epochs=30):
    keras.utils.set_random_seed(seed)
    head = new_head(features, classes, initial)
    head.compile(optimizer=keras.optimizers.Adam(learning_rate=3e-4), loss="sparse_categorical_crossentropy")
    head.fit(features, y, batch_size=16, epochs=epochs, verbose=0)
    return head


# %%
head_epochs = budget.pick(smoke=2, cpu=30)
for method, initial in [("features, random start", "glorot_uniform"), ("features", "zeros")]:
    heads = [fit_head(features_train, y_train, seed, initial=initial, epochs=head_epochs) for seed in seeds]
    answers[method] = np.array([answer(head, features_test) for head in heads])
    report(method)
assert all(np.array_equal(answer(h, features_train), y_train) for h in heads) or budget.name == "smoke"

# %%
accuracy = np.mean(answers["features"] == y_test)
runtime.result("scratch_test_accuracy", np.mean(answers["from scratch"] == y_test))
runtime.result("features_test_accuracy", accuracy, at_least=0.95)

# %% [markdown]
# From two of three to nearly all, in about two seconds of training. The head is what statistics calls
# **multinomial logistic regression**, and scikit-learn has it. Its algorithm runs to the minimum of a
# penalised loss and has no seed.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features_train, y_train)
answers["features, scikit-learn"] = regression.predict(features_test)[None]
print(f"scikit-learn: {np.mean(answers['features, scikit-learn'] == y_test):.3f}")

# %% [markdown]
# `make_pipeline` keeps scaling and head together, so that the scaling cannot see test data by mistake, not
# even in cross-validation.
#
# The spread over the seeds is small here, as the head has a zero start and only the order of the batches
# differs. This does not make the result certain to 0.01: the interval of section 4 is still as wide.
#
# Which test photos are hardest for the head? Take the probability of the right class minus the largest of the
# others, the **margin**. It is negative for a wrong answer.

# %%
head = heads[0]
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
# ## 6. Fine-tuning
#
# The features were made for ImageNet's classes. **Fine-tuning** trains the last blocks a little further, for
# our classes. Which layers? Early layers find edges and colours, which serve for all photos; late ones are
# special to their task (Yosinski et al., 2014). So we train `block_15` and the last convolution.
#
# ### Cut the network in two
#
# All blocks up to `block_14` stay as they are. Their output was computed in section 5: `middle_train`. So
# training runs through the second half only, and a step takes milliseconds. `keras.Model` makes a model of
# the layers between two outputs:

# %%
# NBVAL_CHECK_OUTPUT
tail = keras.Model(cut.output, pool.output, name="tail")
print("tail", tail.input.shape, "→", tail.output.shape)
print(f"{tail.count_params():,} of {network.count_params():,} parameters")

# %%
assert np.allclose(tail(middle_test), features_test, atol=1e-4)
tail_weights = tail.get_weights()  # the tail shares its layers with the network: keep a copy of ImageNet's

# %% [markdown]
# ### BatchNorm has two modes
#
# A BatchNorm layer (Ioffe & Szegedy, 2015) scales each channel,
# $\gamma\,(a - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta$, with a different $\mu$ and $\sigma^2$ in its two
# modes:
#
# - in *training*, mean and variance of the current batch; and it moves its memory a little towards them,
#   $\mu_{\text{memory}} \leftarrow 0.99\,\mu_{\text{memory}} + 0.01\,\mu_{\text{batch}}$;
# - in *inference*, its memory: mean and variance of ImageNet, over a million photos.
#
# So in training mode the answer for a photo depends on the other photos of its batch. **Before you run the
# next cell, what do you expect** for a duck, alone and together with five birds, or five flowers?

# %%
bn = [layer for layer in tail.layers if isinstance(layer, layers.BatchNormalization)]
companions = {"alone": [], "five birds": [3, 11, 13, 18, 24], "five flowers": [12, 16, 32, 35, 39]}
p_bird = {}
for training in (False, True):
    for name, others in companions.items():
        features = tail(middle_test[[7, *others]], training=training)
        p_bird[training, name] = float(heads[0](features)[0, class_names.index("bird")])
        print(f"training={training!s:5} {name:12} probability of bird: {p_bird[training, name]:.3f}")
tail.set_weights(tail_weights)  # in training mode each pass has moved the memory
assert np.ptp([p_bird[False, name] for name in companions]) < 1e-4
assert np.ptp([p_bird[True, name] for name in companions]) > 1e-2

# %% [markdown]
# Which way the answer moves is not the point: the same photo should not get another answer in other company.
# A few of our photos are no replacement for a million. So BatchNorm stays in inference mode while we train
# too: `tail(x, training=False)`, and its $\gamma$ and $\beta$ are frozen with `trainable = False`.
#
# ### First the head, then the tail
#
# A new head sends large, meaningless gradients into the tail. So first train the head, as in section 5, put
# it on the tail, and then train both with a **low learning rate**: the weights are good already, and should
# move a little, not run away.


# %%
def fine_tune(x, y, seed, trained=None, rate=3e-5, batchnorm_trains=False, epochs=1):
    """Train the tail and heads that were trained before; x is the output of block_14."""
    tail.set_weights(tail_weights)
    for layer in bn:
        layer.trainable = batchnorm_trains
    inputs = keras.Input(x.shape[1:])
    features = tail(inputs) if batchnorm_trains else tail(inputs, training=False)
    head = new_head(features_train)
    head.set_weights((trained or heads)[seeds.index(seed)].get_weights())
    model = keras.Model(inputs, head(features))
    keras.utils.set_random_seed(seed)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    history = model.fit(x, y, batch_size=16, epochs=epochs, validation_data=(middle_test, y_test), verbose=0)
    return answer(model, middle_test), history.history


# %% [markdown]
# Three ways. Two of them go against the advice: a rate that is 100 times higher, and BatchNorm in training
# mode. **Before you run the next cell, what do you expect** of each? (The accuracy on the test photos after
# each epoch is shown to understand what happens. Choosing the best epoch by it would be cheating.)

# %%
tuning_epochs = budget.pick(smoke=1, cpu=8)
variants = {
    "fine-tuned": {},
    "fine-tuned, rate × 100": {"rate": 3e-3},
    "fine-tuned, BatchNorm trains": {"batchnorm_trains": True},
}
curves = {}
for method, options in variants.items():
    runs = [fine_tune(middle_train, y_train, seed, epochs=tuning_epochs, **options) for seed in seeds]
    answers[method] = np.array([found for found, _ in runs])
    curves[method] = [history for _, history in runs]
    report(method)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
for i, (method, histories) in enumerate(curves.items()):
    style = {
        "color": plots.COLORS[i],
        "marker": plots.MARKERS[i],
        "linestyle": plots.LINES[i],
        "markersize": 4,
    }
    for ax, key in ((left, "loss"), (right, "val_accuracy")):
        values = np.array([history[key] for history in histories])
        epochs = np.arange(1, values.shape[1] + 1)
        ax.plot(epochs, values.mean(axis=0), label=method, **style)
        ax.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=plots.COLORS[i], alpha=0.15)
left.set(title="Loss on the training photos", xlabel="epoch", ylabel="cross-entropy", yscale="log")
right.set(title="Accuracy on the test photos", xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
right.legend(loc="lower left", fontsize=9)
plots.show(
    "Left: with the low rate the training loss is small and falls; with 100 times the rate it starts "
    "hundreds of times higher and falls in jumps; with BatchNorm in training mode it starts many times "
    "higher and falls slowly. Right: the accuracy with the high rate breaks down and comes back in part; "
    "the two others are flat."
)

# %%
runtime.result("fine_tuned_test_accuracy", np.mean(answers["fine-tuned"] == y_test), at_least=0.92)
lowest = np.mean([min(history["val_accuracy"]) for history in curves["fine-tuned, rate × 100"]])
runtime.result("rate_x100_lowest_accuracy", lowest, at_most=0.8)

# %% [markdown]
# **Look at** the three curves. (Texts are for the `cpu` budget.)
#
# - *Low rate.* The loss falls, the accuracy stays where the features had it. The head was right on all
#   training photos before, so there was little left to learn from them. Fine-tuning pays with more photos, or
#   when they differ more from ImageNet's.
# - *High rate.* The first steps throw away what a million photos had taught. Then the tail learns anew, from
#   98. It ends below the start, and where it ends depends on the seed.
# - *BatchNorm in training mode.* The first loss is many times higher, although the weights are the same: with
#   the statistics of 16 photos the tail computes other features than those that the head knows. In the end
#   the accuracy is within a photo or two of the low rate, so here the damage is small, if there is any. The
#   memory moves by 1 % a step, and a batch has $16 \times 5 \times 5$ values for each channel. The rule to
#   freeze it costs nothing.

# %%
tail.set_weights(tail_weights)  # back to ImageNet's weights

# %% [markdown]
# ## 7. Data augmentation
#
# A mirrored bird is a bird, and so is one that is a little turned or nearer. **Data augmentation** makes such
# changes at random, so that in each epoch the network sees other versions of the photos. Keras has layers for
# it. They work in training only; in inference they hand the photo on as it is.


# %%
def new_augmentation(largest):
    """Random changes of photos with values from 0 to largest."""
    return [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.05, fill_mode="nearest"),  # up to 0.05 turns, 18 degrees
        layers.RandomZoom(0.15, fill_mode="nearest"),  # up to 15 % smaller or larger
        layers.RandomContrast(0.2, value_range=(0, largest)),
    ]


# %%
keras.utils.set_random_seed(1)
augment = keras.Sequential(new_augmentation(255))
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
# edge of the photo where something from outside comes in; zeros would make black corners. Which changes are
# allowed depends on the task. Most mirrored digits are no digits; and where the colour tells a lemon from a
# lime, colours must stay.
#
# ### Does it help from scratch?
#
# The layers stand at the beginning of the model. **What do you expect?**

# %%
method = "from scratch, augmented"
models = [
    from_scratch(small_train, y_train, seed, new_augmentation(1), epochs=scratch_epochs) for seed in seeds
]
answers[method] = np.array([answer(model, small_test) for model in models])
report("from scratch")
report(method)
print(f"on the training photos: {np.mean([answer(model, small_train) == y_train for model in models]):.3f}")

# %% [markdown]
# ### Does it help with features?
#
# Then the features of every version must be computed. We make four augmented copies of the training photos,
# send them once through the network, and train head and tail on five times as many photos.

# %%
copies = budget.pick(smoke=1, cpu=4)
versions = np.concatenate(
    [ops.convert_to_numpy(augment(x_train.astype("float32"), training=True)) for _ in range(copies)]
)
middle_new, features_new = compute(versions)
middle_more = np.concatenate([middle_train, middle_new])
features_more = np.concatenate([features_train, features_new])
y_more = np.tile(y_train, 1 + copies)
print("features", features_more.shape)

# %%
head_epochs = budget.pick(smoke=1, cpu=10)
more_heads = [fit_head(features_more, y_more, seed, epochs=head_epochs) for seed in seeds]
answers["features, augmented"] = np.array([answer(head, features_test) for head in more_heads])
tuning_epochs = budget.pick(smoke=1, cpu=3)
runs = [fine_tune(middle_more, y_more, seed, more_heads, epochs=tuning_epochs) for seed in seeds]
answers["fine-tuned, augmented"] = np.array([found for found, _ in runs])
tail.set_weights(tail_weights)
for method in ("features", "features, augmented", "fine-tuned", "fine-tuned, augmented"):
    report(method)

# %% [markdown]
# From scratch, augmentation does what it should on the *training* photos: the networks do not know them by
# heart any more. On new photos it brings next to nothing in 30 epochs. (Each epoch is new now, so longer
# training may pay: try 90.) With features nothing is gained either: a network that has seen a million photos
# knows mirrored and turned ones already. Is any of these differences more than chance?
#
# ## 8. All methods, and what is beyond chance
#
# The mean over the seeds, the standard deviation over the seeds, and Wilson's interval for the mean number of
# right answers.

# %%
print(f"{'':30} mean    s.d.    95 % interval")
for method, given in answers.items():
    accuracies = (given == y_test).mean(axis=1)
    spread = f"{accuracies.std(ddof=1):.3f}" if len(given) > 1 else "  -  "
    low, high = wilson(accuracies.mean(), n)
    print(f"{method:30} {accuracies.mean():.3f}   {spread}   {low:.3f} to {high:.3f}")

# %%
figure, ax = plt.subplots(figsize=(8, 4.2))
for i, (method, given) in enumerate(answers.items()):
    accuracies = (given == y_test).mean(axis=1)
    low, high = wilson(accuracies.mean(), n)
    color = plots.COLORS[1 if "scratch" in method else 0]
    ax.plot([low, high], [i, i], color=color, linewidth=2)
    ax.plot(accuracies.mean(), i, "s" if "scratch" in method else "o", color=color, markersize=8)
    ax.plot(accuracies, np.full(len(accuracies), i + 0.25), "x", color="black", markersize=5)
ax.set(yticks=range(len(answers)), yticklabels=answers, xlabel="accuracy on 65 test photos")
ax.set_title("dot: mean, line: 95 % interval, crosses: the seeds")
ax.invert_yaxis()
plots.show(
    "Ten methods with their accuracies and 95 % intervals. The two from scratch lie near 0.67, most that "
    "use the pretrained features near 0.96 with intervals that overlap; the random start and the rate × 100 "
    "lie between."
)

# %% [markdown]
# Do intervals that lie apart prove a difference? Nearly always. Do overlapping ones prove that there is none?
# No: both methods answer *the same* photos, and what is hard for one is often hard for the other. The right
# question is about the photos on which they disagree. Of $m$ photos that exactly one of the two methods gets
# right, let $b$ go to the first. If both are equally good, $b$ is binomial with probability $\frac{1}{2}$,
# like heads in $m$ throws of a coin. This is the exact **test of McNemar** (1947).


# %%
def compare(first, second):
    """The p-value for the answers of the first seed of each method."""
    right, other = (answers[method][0] == y_test for method in (first, second))
    b, m = np.sum(right & ~other), np.sum(right != other)
    p = binomtest(int(b), int(m)).pvalue if m else 1.0
    print(f"{first} / {second}: only one is right on {m}, the first on {b} of them; p = {p:.2g}")
    return p


# %%
p_features = compare("features", "from scratch")
p_start = compare("features", "features, random start")
p_rate = compare("features", "fine-tuned, rate × 100")
p_augmentation = compare("from scratch, augmented", "from scratch")
p_tuning = compare("fine-tuned", "features")
p_more = compare("fine-tuned, augmented", "features, augmented")

# %% [markdown]
# **What is beyond chance?** Pretrained features against training from scratch, without any doubt. The random
# start of the head and the high rate have small values of $p$. But these are six comparisons, and each could
# be small by chance: to be safe multiply $p$ by six (Bonferroni's correction) before you call it small. Does
# the high rate still pass? And we compared the first seed only; with another seed $p$ can be quite different.
# The rest is undecided: with or without augmentation, fine-tuned or not, the methods disagree on too few
# photos. The order of the best six in the table is no result. To see a difference of 0.95 and 0.97 with a
# chance of 80 % one needs some 1,500 test photos for each method:
# $(1.96 + 0.84)^2\,(0.95 \cdot 0.05 + 0.97 \cdot 0.03) / 0.02^2$.
#
# One more warning. Whoever tries ten methods on the same test photos and reports the best reports luck as
# well. The rates and epochs of this lesson are common values; still, we have looked at these 65 photos more
# than once. In earnest choose with a validation set, as in lesson 04, and use the test photos at the end.

# %%
assert 6 * p_features < 0.01 or budget.name == "smoke"
assert p_tuning > 0.05

# %% [markdown]
# ## 9. How many photos does one need?
#
# Train with 1, 2, 5 and 10 photos of each class, and with all. Which photos are drawn matters much, so we
# draw several times. The features stay as they are here, without scaling: the standard deviation of four
# photos is a bad estimate. **Before you run the next cells, draw** the two curves that you expect.


# %%
def few_per_class(y, k, rng):
    """Indices of k photos of each class."""
    return np.concatenate([rng.choice(np.flatnonzero(y == c), k, replace=False) for c in np.unique(y)])


def features_with(chosen):
    model = LogisticRegression(C=10, max_iter=1000).fit(features_train[chosen], y_train[chosen])
    return model.score(features_test, y_test)


def scratch_with(chosen, seed):
    chosen = np.resize(chosen, len(y_train))  # each photo several times: as many steps as with all photos
    model = from_scratch(small_train[chosen], y_train[chosen], seed, epochs=curve_epochs)
    return np.mean(answer(model, small_test) == y_test)


# %%
sizes = budget.pick(smoke=[1, 10], cpu=[1, 2, 5, 10])
curve_epochs = budget.pick(smoke=2, cpu=30)
rng = np.random.default_rng(1)
draws = budget.pick(smoke=2, cpu=20)
scratch_draws = budget.pick(smoke=1, cpu=3)
curve = {"features": [], "from scratch": []}
for k in sizes:
    chosen = [few_per_class(y_train, k, rng) for _ in range(draws)]
    curve["features"].append([features_with(indices) for indices in chosen])
    curve["from scratch"].append(
        [scratch_with(indices, i) for i, indices in enumerate(chosen[:scratch_draws])]
    )
for name in ("features", "from scratch"):
    curve[name].append((answers[name] == y_test).mean(axis=1))

# %%
per_class = [*sizes, len(y_train) / 4]
figure, ax = plt.subplots(figsize=(6.4, 3.8))
for i, (name, values) in enumerate(curve.items()):
    mean = [np.mean(v) for v in values]
    spread = [np.std(v, ddof=1) if len(v) > 1 else 0.0 for v in values]
    ax.errorbar(per_class, mean, spread, fmt=plots.MARKERS[i] + plots.LINES[i], capsize=4, label=name)
    print(f"{name:13}", "  ".join(f"{m:.2f} ± {s:.2f}" for m, s in zip(mean, spread)))
ax.axhline(0.25, color="black", linewidth=1, linestyle=":")
ax.text(1, 0.26, "guessing one of four", fontsize=9)
ax.set(xscale="log", xticks=per_class, xticklabels=[*sizes, "all"], ylim=(0.1, 1.02))
ax.minorticks_off()
ax.set(xlabel="training photos of each class", ylabel="accuracy on the test photos")
ax.set_title("bars: one standard deviation over the draws, at “all” over the seeds")
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.2))
plots.show(
    "Test accuracy against the number of training photos of each class, from 1 to all. The curve of the "
    "features lies far above that of training from scratch everywhere; both rise on the whole."
)

# %%
runtime.result("features_1_photo_per_class_test_accuracy", np.mean(curve["features"][0]), at_least=0.6)
runtime.result("features_10_photos_per_class_test_accuracy", np.mean(curve["features"][-2]), at_least=0.9)

# %% [markdown]
# **Compare** the beginning of one curve with the end of the other: four photos with features are worth about
# as much as all 98 from scratch. And look at the spread for one photo of each class: there it matters which.
#
# ## 10. Grad-CAM: where does it look?
#
# A score is one number. Which part of the photo does it come from? **Grad-CAM** (Selvaraju et al., 2017) asks
# the last feature maps, here the output of `head_relu`: they still have rows and columns. Let $A^k$ be map
# number $k$, with $Z$ places, and $y^c$ the score of class $c$, *before* the softmax. How much does the score
# depend on the map? Take the mean of its gradient over the places:
#
# $$\alpha_k^c = \frac{1}{Z} \sum_{i, j} \frac{\partial y^c}{\partial A_{ij}^k}$$
#
# Then weigh the maps, add them up, and keep what speaks *for* the class:
#
# $$L^c = \operatorname{ReLU}\left(\sum_k \alpha_k^c A^k\right)$$
#
# Keras leaves gradients of this kind to its backend. In TensorFlow a tape records the forward pass (lesson
# 03).

# %%
import tensorflow as tf


def grad_cam(model, x, c):
    """Grad-CAM of class c for one image x; the model returns [feature maps, scores]."""
    with tf.GradientTape() as tape:
        A, scores = model(x[None])
        y_c = scores[0, c]
    gradient = tape.gradient(y_c, A)  # (1, rows, columns, K)
    alpha = ops.mean(gradient, axis=(1, 2))  # (1, K)
    L = ops.relu(ops.sum(alpha[:, None, None] * A, axis=-1))[0]  # (rows, columns)
    return ops.convert_to_numpy(L)


# %% [markdown]
# First the demonstration photos, with ImageNet's classes, at $224 \times 224$:

# %%
whole = pretrained.efficientnet_lite0()
explained = keras.Model(whole.input, [whole.get_layer("head_relu").output, whole.get_layer("logits").output])
cat = grad_cam(explained, x[0], 285)
print("a map of", cat.shape, "places, from", cat.min().round(3), "to", cat.max().round(3))
assert cat.min() >= 0

# %% [markdown]
# The map has a place for each of the $7 \times 7$ patches of the photo. To lay it over the photo we enlarge
# it smoothly. The colours are Matplotlib's `cividis`, which people with and without colour blindness see
# alike.


# %%
def overlay(ax, photo, heat, title):
    """Draw the photo in grey with the map over it: dark blue is 0, yellow the largest value."""
    step = len(photo) // 75  # fewer pixels keep the figure small
    grey = photo[::step, ::step].mean(axis=-1, keepdims=True) / 255
    heat = ops.convert_to_numpy(ops.image.resize(heat[..., None], grey.shape[:2]))[..., 0]
    colors = plt.get_cmap("cividis")(heat / max(heat.max(), 1e-6))[..., :3]
    ax.imshow(0.4 * grey + 0.6 * colors, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.axis("off")


# %%
names = pretrained.class_names()
figure, axes = plt.subplots(1, 4, figsize=(6.8, 2))
pairs = [(0, 285), (1, 967), (1, 504), (2, 657)]
for ax, (i, c) in zip(axes, pairs, strict=True):
    overlay(ax, pixels[i], grad_cam(explained, x[i], c), f"{names[c]} ({c})")
plots.show(
    "Grad-CAM over four photos in grey: for the cat the face around eye and nose is bright, for espresso "
    "the coffee in the cup, for coffee mug the upper part of the cup, for missile the rocket and the sky on "
    "both sides of it."
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
explained = keras.Model(
    network.input, [network.get_layer("head_relu").output, scores(normalise(pool.output))]
)

# %% [markdown]
# Between $A$ and $y^c$ there is only a mean, a scaling and a weighted sum. So the gradient can be written
# down: $\partial y^c / \partial A_{ij}^k = W_{kc} / (\sigma_k Z)$, the same at each place. (For such a head
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
def explain(ax, i, c):
    heat = grad_cam(explained, pretrained.preprocess(x_test[i : i + 1])[0], c)
    overlay(ax, x_test[i], heat, f"{class_names[y_test[i]]}: why {class_names[c]}? ({p_test[i, c]:.2f})")


shown = [18, 60, 58, 57]  # chosen by hand
figure, axes = plt.subplots(1, 4, figsize=(9, 2.5))
for ax, i in zip(axes, shown, strict=True):
    explain(ax, i, p_test[i].argmax())
plots.show(
    "Grad-CAM of four photos. A parrot, a squirrel and a flower are bright at the animal and at the middle "
    "of the flower. For the broccoli it is white background at the edge of the photo."
)

# %% [markdown]
# And the two hardest photos, each for the class that was answered and for the class that is right (or for the
# next one, where the answer is right):

# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.5))
for pair, i in zip(axes.reshape(2, 2), hardest[:2], strict=True):
    for ax, c in zip(pair, np.argsort(-p_test[i])[:2], strict=True):
        explain(ax, i, c)
plots.show("Grad-CAM of the two hardest test photos, each for the two most probable classes.")

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
    return ops.convert_to_numpy(head(compute(images)[1]))


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
repainted = {name: repaint(x_test, color) for name, color in colors.items()}
p_repainted = {name: probabilities_of(images) for name, images in repainted.items()}
painted = {name: np.mean(p.argmax(axis=1) == y_test) for name, p in p_repainted.items()}
for name, value in painted.items():
    print(f"{name:6} accuracy {value:.3f}")

# %%
food = class_names.index("food")
titles = [f"{name}: {p_repainted[name][60, food]:.2f}" for name in colors]
plots.image_grid(
    np.array([images[60, ::2, ::2] for images in repainted.values()]), titles, columns=4, scale=1.5
)
plots.show("Broccoli on white, grey, brown and green, each with the probability of food.")

# %%
runtime.result("accuracy_on_painted_backgrounds", min(painted.values()), at_least=0.85)

# %% [markdown]
# White does speak for food: the empty photo is most likely "food". But the network does not depend on it.
# With other backgrounds it is wrong for a few more photos at most, and the probability of food for the
# broccoli changes a little, up or down. So the map told the truth about *where* the evidence lies, and our
# first idea of what it means was too simple. Grad-CAM shows only what speaks *for* a class, in a map scaled
# to its own largest value, even if all of it is weak. Adebayo et al. (2018) give more reasons to be careful.

# %% [markdown]
# ## 11. Hug it or not: your own photos
#
# The lecture shows a classifier that says whether one should hug a thing. Yours can have any classes. Make a
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
# Now everything of this lesson in one function. The backbone can be another network: section 12.


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
# all the same, and not always well. An espresso is food, but all food that it knows lies on white, and a
# rocket is neither. Softmax shares a probability of 1 among the classes that it knows. A score of 0.99 does
# not mean that 99 of 100 such answers are right, least of all for a photo unlike the training photos. Train
# with photos like those that will come.
#
# ## 12. Larger data, other networks
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
# - *Features*: cut off its last layer, compute the rest once, and train a small head. This takes seconds and
#   is the first thing to try with few photos.
# - *Fine-tuning*: train the last blocks further, after the head, with a low rate, BatchNorm in inference
#   mode. Cut the model in two, and the frozen part runs only once.
# - *Augmentation* shows other versions of the same photos, in training only. Choose changes that keep the
#   class.
# - Scaling, choosing and training use the training photos only; the test photos are for the end.
# - An accuracy on 65 photos is known to about ±6 percentage points near 0.95, and to ±11 near 0.7. Two
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
