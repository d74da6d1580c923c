# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.8, cpu: 1}
# ---

# %% [markdown]
# # Lab 07: transfer learning
#
# You take a network that has learned from ImageNet and make it sort 163 photos into four classes: first by
# its features, then by fine-tuning its last blocks. You measure how sure the results are, and look with
# Grad-CAM at what an answer is based on.
#
# **How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
# below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
# with the course's own version, so every later cell still runs. The lecture is
# [`../notebooks/07_transfer_learning.ipynb`](../notebooks/07_transfer_learning.ipynb). Close it while you
# write, and compare afterwards.

# %%
from nnlabs import data, plots, pretrained, runtime
from nnlabs.checks import transfer_learning as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. The most probable classes
#
# A network gives one row of probabilities for each photo. Return the indices of the `k` largest numbers of
# each row, the largest first, and these numbers: two arrays of shape $(n, k)$.
#
# <details><summary>Hint</summary>
#
# `np.argsort(a, axis=1)` gives the indices in ascending order. `np.take_along_axis(a, indices, axis=1)` takes
# from each row its own columns.
#
# </details>


# %% exercise="top-k"
def top_k(probabilities, k):
    """Return (indices, values), both of shape (n, k), of the k largest numbers of each row."""
    ### BEGIN SOLUTION
    indices = np.argsort(-probabilities, axis=1)[:, :k]
    return indices, np.take_along_axis(probabilities, indices, axis=1)
    ### END SOLUTION


# %% check="top-k" points=2
top_k = check.top_k(top_k)

# %% [markdown]
# What does ImageNet's network see here? **Before you run the next cell, what do you expect?**

# %%
network = pretrained.efficientnet_lite0()
demo = pretrained.demo_photos()
probabilities = ops.convert_to_numpy(network(pretrained.preprocess(np.stack(list(demo.values())))))
names = pretrained.class_names()
for photo, indices, values in zip(demo, *top_k(probabilities, 3), strict=True):
    print(
        f"{photo:8}", ", ".join(f"{names[i]} {value:.2f}" for i, value in zip(indices, values, strict=True))
    )

# %% [markdown]
# ## 2. Features
#
# `network` without its classifier gives *feature maps*, shape $(n, h, w, 1280)$. The **features** of a photo
# are the mean of each map over its $h \times w$ places.
#
# Write the function that takes photos with values from 0 to 255, as integers or floats, prepares them as the
# network was trained, $x = (\text{pixel} - 127) / 128$, and returns their features as a NumPy array of shape
# $(n, channels)$.
#
# <details><summary>Hint</summary>
#
# `pretrained.preprocess` is this formula. `model.predict(x, verbose=0)` goes through the photos in batches,
# in inference mode, and returns a NumPy array. Which axes are the places?
#
# </details>


# %% exercise="features"
def features(model, images):
    """Return the features (n, channels) of images (n, height, width, 3) from 0 to 255."""
    ### BEGIN SOLUTION
    maps = model.predict(pretrained.preprocess(images), verbose=0)
    return maps.mean(axis=(1, 2))
    ### END SOLUTION


# %% check="features" points=3
features = check.features(features)

# %%
photos = data.photos()
x_train, y_train, x_test, y_test, class_names = photos
network = pretrained.efficientnet_lite0(include_top=False, input_shape=(160, 160, 3))
f_train, f_test = features(network, x_train), features(network, x_test)
print("photos", x_train.shape, x_test.shape, class_names)
print("features", f_train.shape, f_test.shape)

# %% [markdown]
# ## 3. Standardise
#
# Some features vary ten times more than others. Subtract from each feature (column) its mean and divide
# by its standard deviation,
#
# $$z_{ji} = \frac{f_{ji} - \mu_i}{\sigma_i}, \qquad \mu_i = \frac{1}{n} \sum_j f_{ji}, \qquad
# \sigma_i = \sqrt{\frac{1}{n} \sum_j (f_{ji} - \mu_i)^2},$$
#
# where $j$ runs over the $n$ **training** photos. Both sets are scaled by the same $\mu$ and $\sigma$. A
# feature that is the same for all training photos has $\sigma_i = 0$: the result must be finite all the same.
#
# <details><summary>Hint</summary>
#
# `train.mean(axis=0)` and `train.std(axis=0)`. For the last point, `np.where` can put another number in the
# place of each zero.
#
# </details>


# %% exercise="standardise"
def standardise(train, test):
    """Return (train, test), scaled by the mean and the standard deviation of train."""
    ### BEGIN SOLUTION
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1)
    return (train - mean) / deviation, (test - mean) / deviation
    ### END SOLUTION


# %% check="standardise" points=2
standardise = check.standardise(standardise)

# %% [markdown]
# Now a head: one dense layer with softmax, which starts at zero. (The lecture says why.) **What accuracy do
# you expect** on the test photos? From scratch, a small CNN gets about two of three right.


# %%
def fit_head(z, y, seed):
    keras.utils.set_random_seed(seed)
    head = keras.Sequential(
        [
            keras.Input(z.shape[1:]),
            layers.Dense(len(class_names), kernel_initializer="zeros"),
            layers.Softmax(),
        ]
    )
    head.compile(optimizer=keras.optimizers.Adam(learning_rate=3e-4), loss="sparse_categorical_crossentropy")
    head.fit(z, y, batch_size=16, epochs=budget.pick(smoke=5, cpu=30), verbose=0)
    return head


def answer(model, x):
    return ops.convert_to_numpy(model(x)).argmax(axis=1)


# %%
z_train, z_test = standardise(f_train, f_test)
heads = [fit_head(z_train, y_train, seed) for seed in (1, 2, 3)]
accuracies = [np.mean(answer(head, z_test) == y_test) for head in heads]
print(np.round(accuracies, 3))
runtime.result("lab_features_test_accuracy", np.mean(accuracies), at_least=0.95)

# %% [markdown]
# ## 4. How sure is this?
#
# With `correct` right answers of `n`, and $\hat p = correct / n$, Wilson's interval for the probability of a
# right answer is
#
# $$\frac{\hat p + \frac{z^2}{2n}}{1 + \frac{z^2}{n}} \;\pm\; \frac{z}{1 + \frac{z^2}{n}}
# \sqrt{\frac{\hat p\,(1 - \hat p)}{n} + \frac{z^2}{4 n^2}}$$
#
# with $z = 1.96$ for 95 %. Return its two ends. (`correct` need not be a whole number.)
#
# <details><summary>Hint</summary>
#
# Compute the centre (first fraction) and the half width (all after the ±) on lines of their own.
#
# </details>


# %% exercise="wilson"
def wilson(correct, n, z=1.96):
    """Return (low, high), Wilson's interval for correct right answers of n."""
    ### BEGIN SOLUTION
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half
    ### END SOLUTION


# %% check="wilson" points=2
wilson = check.wilson(wilson)

# %%
right = int(np.sum(answer(heads[0], z_test) == y_test))
low, high = wilson(right, len(y_test))
print(f"{right} of {len(y_test)} right: {right / len(y_test):.3f}, interval {low:.3f} to {high:.3f}")
for n in (65, 650, 6500, 65000):
    low, high = wilson(0.95 * n, n)
    print(f"an accuracy of 0.95 on {n:5} photos: {low:.3f} to {high:.3f}")

# %% [markdown]
# **Look at** how slowly the interval gets narrower: for half the width you need four times as many photos.
#
# ## 5. With fewer photos
#
# For a learning curve we need small training sets that have *the same number of photos of each class*. Return
# the indices of `k` random examples of each class, without repetition. A class with fewer than `k` gives all
# it has. `rng` is a NumPy generator; use no other source of chance. The labels can be any integers.
#
# <details><summary>Hint</summary>
#
# For one class: `members = np.flatnonzero(y == label)`, then `rng.choice(members, size, replace=False)`. The
# classes are `np.unique(y)`.
#
# </details>


# %% exercise="few-per-class"
def few_per_class(y, k, rng):
    """Return the indices of k random examples of each class of y."""
    ### BEGIN SOLUTION
    chosen = []
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        chosen.append(rng.choice(members, min(k, len(members)), replace=False))
    return np.concatenate(chosen)
    ### END SOLUTION


# %% check="few-per-class" points=2
few_per_class = check.few_per_class(few_per_class)

# %% [markdown]
# For small sets we take scikit-learn's logistic regression as the head: it is quick, so we can draw many
# times. **Before you run the next cell:** how many photos of each class does it take to reach 0.8?

# %%
from sklearn.linear_model import LogisticRegression


def accuracy_of(chosen):
    head = LogisticRegression(C=10, max_iter=1000).fit(f_train[chosen], y_train[chosen])
    return head.score(f_test, y_test)


sizes = [1, 2, 3, 5, 8, 12]
draws = budget.pick(smoke=3, cpu=20)
rng = np.random.default_rng(1)
curve = np.array([[accuracy_of(few_per_class(y_train, k, rng)) for _ in range(draws)] for k in sizes])

# %%
figure, ax = plt.subplots(figsize=(6, 3.4))
ax.plot(np.repeat(sizes, draws), curve.ravel(), "o", color=plots.COLORS[5], markersize=4, label="one draw")
ax.plot(sizes, curve.mean(axis=1), "s-", color=plots.COLORS[0], label="mean")
ax.set(xlabel="training photos of each class", ylabel="test accuracy", ylim=(0.2, 1.02))
ax.legend(loc="lower right")
plots.show(
    "Test accuracy against 1 to 12 training photos of each class. The mean rises steeply at first; single "
    "draws lie far apart with 1 photo of each class, and close together with 12."
)

# %% [markdown]
# ## 6. Augmentation
#
# Return a `keras.Sequential` of layers that change photos at random, in training only:
#
# - half of the photos are mirrored, left to right. Never upside down;
# - turned by up to 18 degrees to either side, a twentieth of a full turn;
# - zoomed by up to 15 %, in or out, height and width by the same factor.
#
# The photos have a white background, and it must stay white up to the corners.
#
# <details><summary>Hint</summary>
#
# `layers.RandomFlip`, `layers.RandomRotation`, `layers.RandomZoom`. Read in their help what the factors mean
# and what `fill_mode` does.
#
# </details>


# %% exercise="augmentation"
def augmentation():
    """Return a Keras model that mirrors, turns and zooms images at random in training."""
    ### BEGIN SOLUTION
    return keras.Sequential(
        [
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.05, fill_mode="nearest"),
            layers.RandomZoom(0.15, fill_mode="nearest"),
        ]
    )
    ### END SOLUTION


# %% check="augmentation" points=3
augmentation = check.augmentation(augmentation)

# %%
keras.utils.set_random_seed(1)
augment = augmentation()
fox = x_test[38:39].astype("float32")
versions = [ops.convert_to_numpy(augment(fox, training=True))[0] for _ in range(7)]
plots.image_grid(np.array([fox[0], *versions])[:, ::2, ::2] / 255, columns=8, scale=1.1)
plots.show("A photo of a fox and seven versions of it: mirrored or not, turned a little, smaller or larger.")

# %% [markdown]
# ## 7. Which layers train?
#
# For fine-tuning, set `layer.trainable` for every layer of the model: `True` if its name begins with one of
# the `prefixes`, `False` if not. BatchNormalization layers are frozen in any case: a frozen one uses and
# keeps its mean and variance of ImageNet, which a few photos cannot replace. Return the model. It must come
# out right whatever was trainable before.
#
# <details><summary>Hint</summary>
#
# `"block_15_add".startswith(("block_15", "head"))` is true: `startswith` takes a tuple.
# `isinstance(layer, layers.BatchNormalization)`. A model that is itself frozen trains nothing, so set
# `model.trainable` first; then set every layer yourself, to `True` or to `False`.
#
# </details>


# %% exercise="fine-tunable"
def fine_tunable(model, prefixes):
    """Let the layers train whose names begin with one of the prefixes (a tuple), but no BatchNorm."""
    ### BEGIN SOLUTION
    model.trainable = True
    for layer in model.layers:
        frozen = isinstance(layer, layers.BatchNormalization)
        layer.trainable = layer.name.startswith(prefixes) and not frozen
    return model
    ### END SOLUTION


# %% check="fine-tunable" points=4
fine_tunable = check.fine_tunable(fine_tunable)

# %%
network = fine_tunable(network, ("block_15", "head"))
print("trainable:", [layer.name for layer in network.layers if layer.trainable and layer.weights])
count = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
print(f"{count:,} of {network.count_params():,} parameters")

# %% [markdown]
# Everything up to `block_14` is frozen, so its output for our photos can be computed once. Training then runs
# through the rest only. The head that was trained in section 3 is put on top; its scaling becomes a layer.

# %%
middle = network.get_layer("block_14_add").output
first_part, second_part = keras.Model(network.input, middle), keras.Model(middle, network.output)


def up_to_the_middle(images):
    parts = np.array_split(pretrained.preprocess(images), 8)  # few photos at a time: it saves memory
    return np.concatenate([ops.convert_to_numpy(first_part(part)) for part in parts])


m_train, m_test = up_to_the_middle(x_train), up_to_the_middle(x_test)
print("in the middle", m_train.shape)


# %%
def with_head(maps, head):
    """Put pooling, the scaling of section 3 and a head's layers on feature maps; return probabilities."""
    mean, variance = f_train.mean(axis=0), f_train.var(axis=0)
    z = layers.Normalization(mean=mean, variance=variance)(layers.GlobalAveragePooling2D()(maps))
    return head(z)


inputs = keras.Input(m_train.shape[1:])
model = keras.Model(inputs, with_head(second_part(inputs), heads[0]))
before = answer(model, m_test)  # run once: for a second try run from section 2
normalising = [layer for layer in second_part.layers if isinstance(layer, layers.BatchNormalization)]
statistics = {layer: ops.convert_to_numpy(layer.moving_mean).copy() for layer in normalising}

# %% [markdown]
# **Before you run the next cell, what do you expect**: better, worse, or the same? And is it more than
# chance?

# %%
keras.utils.set_random_seed(1)
model.compile(optimizer=keras.optimizers.Adam(learning_rate=3e-5), loss="sparse_categorical_crossentropy")
history = model.fit(m_train, y_train, batch_size=16, epochs=budget.pick(smoke=2, cpu=10), verbose=0)
losses = history.history["loss"]
print(f"training loss {losses[0]:.4f} → {losses[-1]:.4f}")
for name, found in (("features", before), ("fine-tuned", answer(model, m_test))):
    right = int(np.sum(found == y_test))
    print(f"{name:10} {right} of {len(y_test)} right, interval", np.round(wilson(right, len(y_test)), 3))
assert all(
    np.array_equal(ops.convert_to_numpy(layer.moving_mean), mean) for layer, mean in statistics.items()
)

# %% [markdown]
# The last line has tested that the statistics of BatchNorm are still those of ImageNet. Whatever you found,
# the two differ on a few photos at most, too few to call one better. (That their intervals overlap would
# prove nothing by itself, as both answer the same photos: section 8 of the lecture.)
#
# ## 8. Grad-CAM
#
# `model(x)` returns `[maps, scores]`: feature maps $A$ of shape $(1, h, w, K)$ and the scores $y$ of shape
# $(1, classes)$, before the softmax. For *one* image of shape $(height, width, 3)$, prepared already, compute
#
# $$\alpha_k = \frac{1}{h\,w} \sum_{i, j} \frac{\partial y_c}{\partial A_{ij}^k}, \qquad
# L_{ij} = \operatorname{ReLU}\Big(\sum_k \alpha_k A_{ij}^k\Big),$$
#
# divide $L$ by its largest value, so that it goes from 0 to 1, and return it as a NumPy array of shape
# $(h, w)$. If $L$ is 0 everywhere, return the zeros.
#
# <details><summary>Hint</summary>
#
# ```
# with tf.GradientTape() as tape:
#     maps, scores = model(image[None])
#     ...                                # one number: the score of class c
# gradient = tape.gradient(..., maps)    # the shape of maps
# ```
#
# After that the formula can be written with NumPy: `maps[0].numpy()` is an array $(h, w, K)$.
#
# </details>

# %%
import tensorflow as tf


# %% exercise="grad-cam"
def grad_cam(model, image, c):
    """Return the Grad-CAM map (h, w) of class c for one image, from 0 to 1."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        maps, scores = model(image[None])
        score = scores[0, c]
    gradient = tape.gradient(score, maps)[0].numpy()
    alpha = gradient.mean(axis=(0, 1))
    heat = np.maximum(0, maps[0].numpy() @ alpha)
    return heat / heat.max() if heat.max() > 0 else heat
    ### END SOLUTION


# %% check="grad-cam" points=5
grad_cam = check.grad_cam(grad_cam)

# %% [markdown]
# With the fine-tuned network: its scores are what goes into the softmax, so we leave out the last layer of
# the head. Four test photos, each for the class that the network answers. **Before you run the next cell,**
# decide for each photo where you would look.

# %%
scores = keras.Sequential(heads[0].layers[:-1])
explained = keras.Model(network.input, [network.output, with_head(network.output, scores)])
shown = [18, 60, 45, 39]
figure, axes = plt.subplots(1, 4, figsize=(9, 2.5))
for ax, i in zip(axes, shown, strict=True):
    x = pretrained.preprocess(x_test[i : i + 1])[0]
    c = int(ops.convert_to_numpy(explained(x[None])[1]).argmax())
    heat = grad_cam(explained, x, c)
    heat = ops.convert_to_numpy(ops.image.resize(heat[..., None], (80, 80)))[..., 0]
    grey = x_test[i, ::2, ::2].mean(axis=-1, keepdims=True) / 255
    ax.imshow(0.4 * grey + 0.6 * plt.get_cmap("cividis")(heat)[..., :3], interpolation="nearest")
    ax.set_title(f"{class_names[y_test[i]]}: why {class_names[c]}?", fontsize=9)
    ax.axis("off")
plots.show(
    "Grad-CAM over four photos in grey. For a parrot and a flower the animal or the middle of the flower is "
    "bright, for a giraffe its body and the white around it, for broccoli a white corner of the photo."
)

# %% [markdown] question="broccoli" points=2
# **Question.** The answer for the broccoli is right, but look at its map. (Is it the only one that is bright
# on white?) What guess about the network does
# it suggest, and where in the training photos may this come from? Describe an experiment that would tell
# whether the guess is right. (You can run it: everything you need is in this notebook.)
#
# <!-- BEGIN SOLUTION -->
# The guess: the network takes a white corner for a sign of food. In the training photos food is often a small
# thing with much white around it, and other classes fill more of the photo. The test photos come from the
# same collection, so a shortcut like this would not show in the accuracy. Experiments: ask for the
# probabilities of an empty white photo; paint the white pixels of all test photos in another colour and
# measure the accuracy again; or enlarge the broccoli until it fills the photo. In the lecture,
# without fine-tuning, the empty photo was most likely "food", but with painted backgrounds the accuracy fell
# by a few photos at most: white speaks for food, and the network does not depend on it. Other experiments are
# right if they change the background only, or the broccoli only, and compare.
# <!-- END SOLUTION -->

# %% [markdown] question="why-low-rate" points=3
# **Question.** A friend fine-tunes a network on 98 photos and tells you:
#
# 1. "I unfroze everything and took the learning rate 0.01, as for my networks from scratch. It got worse than
#    the features alone."
# 2. "I trained with ten learning rates and took the one with the best accuracy on the 65 test photos. It has
#    98.5 %, so my network is right for 98.5 % of all such photos."
# 3. "Method A has 62 of 65 right and method B 63, so B is better."
#
# What do you answer to each, and what should your friend do instead?
#
# <!-- BEGIN SOLUTION -->
# 1. The weights are good at the start, the result of a million photos. Large steps carry them away from there
#    within a few batches, and 98 photos are not enough to find the way back. While the head is untrained its
#    gradients are large and say little, which makes it worse. Train the head first with the rest frozen, then
#    the last blocks only, with a rate some hundred times lower, and keep BatchNorm in inference mode.
# 2. The test photos were used to choose. The best of ten results is partly the luckiest of ten, so it is too
#    high an estimate for new photos. Choose the rate by a validation set or by cross-validation within the
#    training photos, and use the test photos once, at the end. Also, Wilson's interval for 64 of 65 goes from
#    about 0.92 to 0.997.
# 3. One photo of 65 is no evidence. Compare the photos on which A and B
#    disagree (McNemar's test), use more test photos, or several splits of the data, and say how large the
#    difference could be.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Your own classes.** Put photos into a folder with one sub-folder a class, read them with
#   `data.image_folder(path)`, and do exercises 2 to 4 with them. Test with photos of another day or place:
#   does the accuracy hold?
# - **Choose honestly.** Choose the strength of the penalty `C` of `LogisticRegression` by 5-fold
#   cross-validation on the training photos (`sklearn.model_selection.cross_val_score` with a pipeline that
#   contains the scaling). Does the choice agree with the test photos?
# - **Deeper.** Cut the network at `block_10` in place of `block_14`. More layers train, a step takes longer.
#   Is there any gain?
# - **Which layer's features?** Train a head on the mean of the output of each block, and draw the accuracy
#   against the depth (Yosinski et al., 2014, [arXiv:1411.1792](https://arxiv.org/abs/1411.1792)).
# - **Other explanations.** Cover a patch of the photo with white, move it over the photo, and draw the score
#   against the place. Does it agree with Grad-CAM? Adebayo et al. (2018,
#   [arXiv:1810.03292](https://arxiv.org/abs/1810.03292)) test such maps with networks that have random
#   weights.
# - **Another backbone.** With a network connection: `pretrained.backbone("MobileNetV2", (160, 160, 3))`.
#
# **References:** R. R. Selvaraju et al. (2017), *Grad-CAM: visual explanations from deep networks via
# gradient-based localization*, ICCV, [arXiv:1610.02391](https://arxiv.org/abs/1610.02391). E. B. Wilson
# (1927), *Probable inference, the law of succession, and statistical inference*, Journal of the American
# Statistical Association 22, 209–212,
# [doi:10.1080/01621459.1927.10502953](https://doi.org/10.1080/01621459.1927.10502953). M. Tan, Q. V. Le
# (2019), *EfficientNet: rethinking model scaling for convolutional neural networks*, ICML,
# [arXiv:1905.11946](https://arxiv.org/abs/1905.11946).
#
# Back to the lecture: [`../notebooks/07_transfer_learning.ipynb`](../notebooks/07_transfer_learning.ipynb).
