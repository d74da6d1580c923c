# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 1}
# ---

# %% [markdown]
# # Lab 07: transfer learning
#
# You take a network that has learned from ImageNet and make it sort photos into four classes. You write the
# simplest head there is, test it without leaking what it must not know, put a trained head and its scaling
# into one layer, mix photos, choose which layers train, and draw a map of what an answer comes from.
#
# The lecture is [`../notebooks/07_transfer_learning.ipynb`](../notebooks/07_transfer_learning.ipynb). The lab
# takes about two hours. Exercises 3 and 5 need pen and paper.

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
# A network gives one row of probabilities for each photo, an array of shape $(n, classes)$. Return the
# indices of the `k` largest numbers of each row, the largest first, and these numbers: two arrays of shape
# $(n, k)$. Where numbers are equal any order will do.
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
# What does ImageNet's network see here? Height and width are `None`, so that it takes images of any size.
# **Before you run the next cell, what do you expect?**

# %%
network = pretrained.efficientnet_lite0(input_shape=(None, None, 3))
demo = pretrained.demo_photos()
probabilities = ops.convert_to_numpy(network(pretrained.preprocess(np.stack(list(demo.values())))))
names = pretrained.class_names()
for photo, indices, values in zip(demo, *top_k(probabilities, 3), strict=True):
    print(
        f"{photo:8}", ", ".join(f"{names[i]} {value:.2f}" for i, value in zip(indices, values, strict=True))
    )

# %% [markdown]
# ## 2. The nearest class mean
#
# The features of our photos, computed once, and the output of `block_14` for section 7:

# %%
x_train, y_train, x_test, y_test, class_names = data.photos()
middle, pool = network.get_layer("block_14_add"), network.get_layer("pool")
trunk = keras.Model(network.input, [middle.output, pool.output])
m_train, f_train = trunk.predict(pretrained.preprocess(x_train), batch_size=14, verbose=0)
print("photos", x_train.shape, class_names)
print("features", f_train.shape, "  block_14", m_train.shape)

# %% [markdown]
# A head without any training: each class is stood for by the **mean** of its photos, its *prototype*
#
# $$\mu_c = \frac{1}{n_c} \sum_{i:\, y_i = c} f_i,$$
#
# and a photo gets the class whose mean is nearest (Euclidean distance). Return the classes of the rows of
# `test`, an array. Classes can be any integers, and not every integer between them need be one.
#
# <details><summary>Hint</summary>
#
# Which classes are there? `np.unique(y)`. Then one mean for each, and the distances of all rows of `test` to
# all means: what shape has this table?
#
# </details>
# <details><summary>A further hint</summary>
#
# `test[:, None] - means` has the shape (photos, classes, features). The column of the smallest distance is a
# position in the list of classes.
#
# </details>


# %% exercise="nearest-mean"
def nearest_mean(train, y, test):
    """Return for each row of test the class whose mean over the rows of train is nearest."""
    ### BEGIN SOLUTION
    classes = np.unique(y)
    means = np.array([train[y == c].mean(axis=0) for c in classes])
    distances = ((test[:, None] - means) ** 2).sum(axis=-1)
    return classes[distances.argmin(axis=1)]
    ### END SOLUTION


# %% check="nearest-mean" points=2
nearest_mean = check.nearest_mean(nearest_mean)

# %%
print(f"on the photos that made the means: {np.mean(nearest_mean(f_train, y_train, f_train) == y_train):.3f}")

# %% [markdown]
# ## 3. Leave one out: derive it
#
# That number is too good: each photo has pulled the mean of its class towards itself. **Leave-one-out**
# answers each photo with means that do not contain it. This looks like 98 trainings. It is none: let
#
# $$d_{ic} = \lVert f_i - \mu_c \rVert^2$$
#
# be the squared distances to the means of *all* photos, and $n_c$ the number of photos of class $c$. Derive
# on paper what becomes of row $i$ when photo $i$ is taken out of the mean of its own class $y_i$. The
# features are not needed any more: the function gets `d`, an array of shape $(n, K)$, and `y`, integers
# from 0 to $K - 1$, and returns the new array. If a photo is the only one of its class, nothing is left:
# its distance becomes infinite, `np.inf`.
#
# <details><summary>Hint</summary>
#
# Which entries of row $i$ change at all? For that one, write the mean without photo $i$ by means of
# $\mu_c$, $n_c$ and $f_i$.
#
# </details>
# <details><summary>A further hint</summary>
#
# How long is the step from the new mean to $f_i$, measured in $f_i - \mu_c$? And the distance is squared.
# `np.bincount(y, minlength=K)` counts the photos of each class; `d[np.arange(n), y]` are the entries
# of the own class.
#
# </details>


# %% exercise="left-out"
def left_out(d, y):
    """Return d (n, K) with each photo's squared distance to the mean of its class without that photo."""
    ### BEGIN SOLUTION
    n = np.bincount(y, minlength=d.shape[1])[y]
    own = np.arange(len(y)), y
    result = np.array(d, dtype=float)
    result[own] = np.where(n > 1, d[own] * (n / np.maximum(n - 1, 1)) ** 2, np.inf)
    return result
    ### END SOLUTION


# %% check="left-out" points=3
left_out = check.left_out(left_out)

# %% [markdown]
# A choice to make: features as they are, standardised, or divided by their length (then only the direction
# counts)? **Before you run the next cell, what do you expect?** The last line compares your formula with 98
# trainings.

# %%
versions = {
    "as they are": f_train,
    "standardised": (f_train - f_train.mean(axis=0)) / (f_train.std(axis=0) + 1e-9),
    "of length 1": f_train / np.linalg.norm(f_train, axis=1, keepdims=True),
}
for name, f in versions.items():
    means = np.array([f[y_train == c].mean(axis=0) for c in range(4)])
    d = ((f[:, None] - means) ** 2).sum(axis=-1)
    within, without = (np.mean(table.argmin(axis=1) == y_train) for table in (d, left_out(d, y_train)))
    print(f"{name:12} with the photo itself {within:.3f}, without it {without:.3f}")

others = ~np.eye(len(f), dtype=bool)
by_training = [nearest_mean(f[rest], y_train[rest], f[[i]])[0] for i, rest in enumerate(others)]
assert np.array_equal(left_out(d, y_train).argmin(axis=1), by_training)

# %% [markdown]
# **Look at** the two columns: a few of the photos were right only because they had helped. Without that the
# three versions differ by one photo of 98, which is no difference.
#
# ## 4. Find the fault
#
# A friend wants a head that needs few features, and chooses the 40 whose class means lie farthest apart. Here
# is the code, with cross-validation:


# %%
def spread(f, y):
    """How far apart the class means of each feature lie, in units of its deviation."""
    means = np.array([f[y == c].mean(axis=0) for c in np.unique(y)])
    return means.std(axis=0) / (f.std(axis=0) + 1e-9)


def faulty(f, y, fold, k):
    """The answers to all photos; those of one fold are tested with a head that the others trained."""
    z = (f - f.mean(axis=0)) / (f.std(axis=0) + 1e-9)
    chosen = np.argsort(-spread(f, y))[:k]  # the k features with the largest spread
    answers = np.zeros_like(y)
    for i in np.unique(fold):
        train, test = fold != i, fold == i
        answers[test] = nearest_mean(z[train][:, chosen], y[train], z[test][:, chosen])
    return answers


# %%
rng = np.random.default_rng(1)
fold = rng.permutation(np.arange(len(y_train)) % 7)  # seven folds of 14 photos
print(f"cross-validated: {np.mean(faulty(f_train, y_train, fold, 40) == y_train):.3f}")

# %% [markdown]
# A good number. Then the friend shuffles the labels, so that there is nothing to learn. Guessing has one in
# three at most. **What do you expect?**

# %%
shuffled = [rng.permutation(y_train) for _ in range(5)]
leaking = [np.mean(faulty(f_train, y, fold, 40) == y) for y in shuffled]
print(np.round(leaking, 2))

# %% [markdown]
# About half right, where nothing can be right but by chance. (Hastie, Tibshirani & Friedman, 2009, section
# 7.10.2, call this the wrong way to do cross-validation; it has been published more than once.) Find where
# the tested photos take part in their own training: at *two* places, and one of them makes nearly all of
# the number above. Write `cross_validated`, without both faults. Each fold is tested by what all other
# photos alone have given. Return an array with the answer to photo $i$ at place $i$.
#
# <details><summary>Hint</summary>
#
# Go through the lines and ask of each: could it be computed if the tested photos came tomorrow?
#
# </details>
# <details><summary>A further hint</summary>
#
# The mending is to move lines into the loop. What do they take there in place of `f` and `y`?
#
# </details>


# %% exercise="cross-validated"
def cross_validated(f, y, fold, k):
    """Return an array of the answers to all photos, each by means that its fold has taken no part in."""
    ### BEGIN SOLUTION
    answers = np.zeros_like(y)
    for i in np.unique(fold):
        train, test = fold != i, fold == i
        z = (f - f[train].mean(axis=0)) / (f[train].std(axis=0) + 1e-9)
        chosen = np.argsort(-spread(f[train], y[train]))[:k]
        answers[test] = nearest_mean(z[train][:, chosen], y[train], z[test][:, chosen])
    return answers
    ### END SOLUTION


# %% check="cross-validated" points=4
cross_validated = check.cross_validated(cross_validated)

# %%
honest = [np.mean(cross_validated(f_train, y, fold, 40) == y) for y in shuffled]
print("shuffled:", np.round(honest, 2))
assert np.mean(honest) < 0.35 < 0.4 < np.mean(leaking)
print(f"true labels: {np.mean(cross_validated(f_train, y_train, fold, 40) == y_train):.3f}")

# %% [markdown]
# **Look at** both lines. With nothing to learn the answers are no better than guessing now. With the true
# labels the mended number is some percentage points below the friend's: nobody would have noticed the leak
# without the shuffled labels. They are worth a try whenever a result is surprisingly good.
#
# ## 5. One layer less: derive it
#
# The lecture's head standardises the features, then computes scores:
#
# $$z_j = \frac{f_j - \mu_j}{\sigma_j}, \qquad \text{scores} = W^\top z + b.$$
#
# Both steps are linear, so one dense layer can do both. Derive its weights $V$ and its bias $c$ such that
# $V^\top f + c$ are the same scores for *every* $f$. `W` has the shape (features, classes), as Keras has
# it; `mean` and `deviation` are $\mu$ and $\sigma$, shape (features,). A feature with $\sigma_j = 0$ was
# divided by 1 instead.
#
# <details><summary>Hint</summary>
#
# Put the first formula into the second. What stands in front of $f_j$, and what remains that has no $f$ in
# it?
#
# </details>
# <details><summary>A further hint</summary>
#
# Test by two features: for $f = \mu$ the scores are $b$; and if $f_j$ grows by $\sigma_j$, the scores grow by
# row $j$ of $W$.
#
# </details>


# %% exercise="plain-head"
def plain_head(W, b, mean, deviation):
    """Return (V, c) such that f @ V + c is ((f - mean) / deviation) @ W + b for all features f."""
    ### BEGIN SOLUTION
    scale = np.where(deviation > 0, deviation, 1)
    V = W / scale[:, None]
    return V, b - mean @ V
    ### END SOLUTION


# %% check="plain-head" points=3
plain_head = check.plain_head(plain_head)

# %% [markdown]
# A head by scikit-learn, cross-validated on the 98 photos. The pipeline does what exercise 4 was about.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
accuracies = cross_val_score(head, f_train, y_train, cv=7)
runtime.result("lab_features_cross_validated_accuracy", accuracies.mean(), at_least=0.94)

# %% [markdown]
# Now everything becomes one Keras model, from pixels to probabilities: whoever uses it need know nothing of
# `preprocess` or of scaling. This is how a model is handed on. The 65 test photos are opened for it, once:

# %%
scaler, regression = head.fit(f_train, y_train)
V, c = plain_head(regression.coef_.T, regression.intercept_, scaler.mean_, scaler.scale_)
classify = keras.Sequential(
    [
        keras.Input((160, 160, 3)),
        layers.Rescaling(1 / 128, offset=-127 / 128),  # the formula of preprocess, as a layer
        keras.Model(network.input, pool.output),
        layers.Dense(4, activation="softmax"),
    ]
)
classify.layers[-1].set_weights([V, c])
p_test = classify.predict(x_test, batch_size=13, verbose=0)
right = int(np.sum(p_test.argmax(axis=1) == y_test))
print(f"{right} of {len(y_test)} test photos right")
p = classify.predict(x_train[:5], verbose=0)
assert np.allclose(p, head.predict_proba(f_train[:5]), atol=1e-3)

# %% [markdown]
# ## 6. Mixup
#
# An augmentation that the lecture does not have, and that no eye would think of: **mixup** (Zhang et al.,
# 2018) lays two photos over each other,
#
# $$\tilde x_i = \tau_i x_i + (1 - \tau_i)\, x_{j(i)},$$
#
# with a partner $j(i)$ and a weight $\tau_i$ between 0 and 1 for each photo. What should the network answer
# to the mixture of a bird and a flower? The paper mixes the labels in the same manner, as vectors with a 1 at
# the class. Return the mixed photos, $(n, h, w, 3)$, and the mixed labels, $(n, classes)$. The pixels may be
# `uint8`; the mixed ones are floats.
#
# <details><summary>Hint</summary>
#
# `np.eye(classes)[y]` are the labels as vectors, `x[partner]` the partners. The weights have the shape
# $(n,)$: what shape must they have to go with $(n, h, w, 3)$?
#
# </details>


# %% exercise="mixup"
def mixup(x, y, partner, weight, classes):
    """Return (photos, labels): the share weight[i] of photo i and of its label, the rest of partner[i]'s."""
    ### BEGIN SOLUTION
    labels, w = np.eye(classes)[y], weight[:, None]
    w4 = weight[:, None, None, None]
    return w4 * x + (1 - w4) * x[partner], w * labels + (1 - w) * labels[partner]
    ### END SOLUTION


# %% check="mixup" points=3
mixup = check.mixup(mixup)

# %%
rng = np.random.default_rng(3)
few = np.array([rng.choice(np.flatnonzero(y_train == c)) for c in (0, 1, 2, 3, 1)])
weight = np.array([0.9, 0.7, 0.5, 0.6, 0.8])
mixed, labels = mixup(x_train[few], y_train[few], np.roll(np.arange(5), 1), weight, 4)
answers = classify.predict(mixed, verbose=0)
shares = ["\n+ ".join(f"{p:.1f} {class_names[c]}" for c, p in enumerate(row) if p > 0) for row in labels]
titles = [
    f"{share}\n→ {class_names[p.argmax()]} {p.max():.2f}" for share, p in zip(shares, answers, strict=True)
]
plots.image_grid(mixed[:, ::2, ::2] / 255, titles, columns=5, scale=1.25)
plots.show(
    "Five mixtures of two photos each, with the mixed label and, below it, what the network answers, "
    "which was never trained with mixtures."
)

# %% [markdown]
# **Look at** the answers: with more of one photo in the mixture that photo usually wins, but not by its
# share. Training with mixtures asks for the shares, and so for less certainty between the classes.
#
# ## 7. Which layers train?
#
# For fine-tuning, set `layer.trainable` for every layer of the model: `True` if its name begins with one of
# the `prefixes`, `False` if not. BatchNormalization layers are frozen in any case: a frozen one uses and
# keeps its mean and variance of ImageNet, which a few photos cannot replace. Return the model. It must come
# out right whatever was trainable before.
#
# <details><summary>Hint</summary>
#
# What tells you that a layer is a BatchNormalization layer, whatever its name? And what does `startswith` do
# with a tuple?
#
# </details>
# <details><summary>A further hint</summary>
#
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
# Everything up to block 14 is frozen, so training runs from its output, `m_train`, through the rest. On top
# stands the layer of exercise 5. **Before you run the next cell, what do you expect** of the loss, and which
# arrays will have moved?

# %%
second_part = keras.Model(middle.output, pool.output)
dense = layers.Dense(4)
model = keras.Sequential([keras.Input(m_train.shape[1:]), second_part, dense, layers.Softmax()])
dense.set_weights([V, c])
before = {weight.path: ops.convert_to_numpy(weight).copy() for weight in second_part.weights}

keras.utils.set_random_seed(1)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=3e-5),
    loss="sparse_categorical_crossentropy",
    jit_compile=False,
)
history = model.fit(m_train, y_train, batch_size=14, epochs=budget.pick(smoke=1, cpu=8), verbose=0)
print(f"training loss {history.history['loss'][0]:.1e} → {history.history['loss'][-1]:.1e}")

# %%
for weight in second_part.weights:
    old, new = before[weight.path], ops.convert_to_numpy(weight)
    change = np.linalg.norm(new - old) / np.linalg.norm(old)
    if change > 0 or "moving" in weight.path:
        print(f"{weight.path:45} has changed by {change:.2%}")
    assert (0 < change < 0.02) if weight.path.endswith("conv/kernel") else change == 0

# %% [markdown]
# **Look at** how little is changed: the four kernels by less than two percent. The statistics of BatchNorm
# are still those of ImageNet. Whether the network is better now, the 65 test photos cannot say: they have
# been opened. (In the lecture it made no difference for the photos that could be told from chance, and one
# for digits that could.)
#
# ## 8. HiResCAM
#
# Grad-CAM takes the *mean* of the gradient over the places of a map. So it cannot know at which place a map
# helps. **HiResCAM** (Draelos & Carin, 2020) leaves the mean out and multiplies place by place. For image $i$
# with the class $c_i$, feature maps $A$ of shape $(h, w, maps)$ and its score $a_{c_i}$ before the softmax:
#
# $$L_{rs} = \operatorname{ReLU}\Big(\sum_j \frac{\partial a_{c_i}}{\partial A_{rs}^j}\, A_{rs}^j\Big),$$
#
# divided by the largest value of this image's map, so that it goes from 0 to 1. If $L$ is 0 everywhere, it
# stays 0. `model(images)` returns `[maps, scores]`, of shapes $(n, h, w, maps)$ and $(n, K)$; `images` are
# prepared already, and `classes` is a list with a class for each image. Return a NumPy array $(n, h, w)$.
#
# <details><summary>Hint</summary>
#
# The lecture's `grad_cam` has one image; here are several. One call of `tape.gradient` is enough: of which
# one number is the gradient with respect to the maps what we want, for each image? Does the score of one
# image depend on the maps of another?
#
# </details>
# <details><summary>A further hint</summary>
#
# The sum of the $n$ scores, $a_{c_1}$ of the first image plus $a_{c_2}$ of the second and so on, computed
# within the `with` block. For the division, `max(axis=(1, 2), keepdims=True)` has the right shape.
#
# </details>

# %%
import tensorflow as tf


# %% exercise="hires-cam"
def hires_cam(model, images, classes):
    """Return the HiResCAM maps (n, h, w) of prepared images, each for its class, from 0 to 1."""
    ### BEGIN SOLUTION
    with tf.GradientTape() as tape:
        maps, scores = model(images)
        total = sum(scores[i, c] for i, c in enumerate(classes))
    gradient = tape.gradient(total, maps)
    heat = np.maximum(0, ops.convert_to_numpy(maps * gradient).sum(axis=-1))
    largest = heat.max(axis=(1, 2), keepdims=True)
    return heat / np.where(largest > 0, largest, 1)
    ### END SOLUTION


# %% check="hires-cam" points=5
hires_cam = check.hires_cam(hires_cam)

# %% [markdown]
# With your fine-tuned network, at two layers: the last maps, $5 \times 5$ places, and those of block 10,
# $10 \times 10$. Four test photos, each for the class that the network answers. **Before you run the next
# cells,** decide for each photo where you would look.

# %%
shown = [18, 60, 45, 39]
x = pretrained.preprocess(x_test[shown])
layer_maps = {}
for name in ("head_relu", "block_10_add"):
    explained = keras.Model(network.input, [network.get_layer(name).output, dense(pool.output)])
    found = ops.convert_to_numpy(explained(x)[1]).argmax(axis=1)
    layer_maps[name] = hires_cam(explained, x, found.tolist())
    print(name, layer_maps[name].shape, [class_names[c] for c in found])

# %%
colors = plt.get_cmap("cividis", 12)
figure, axes = plt.subplots(3, 4, figsize=(6.6, 5.2))
for column, i in enumerate(shown):
    axes[0, column].imshow(x_test[i, ::2, ::2], interpolation="nearest")
    axes[0, column].set_title(f"{class_names[y_test[i]]}:\nwhy {class_names[found[column]]}?", fontsize=9)
    for row, maps in enumerate(layer_maps.values(), start=1):
        heat = ops.convert_to_numpy(ops.image.resize(maps[column][..., None], (80, 80)))[..., 0]
        image = axes[row, column].imshow(heat, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
        axes[row, column].contour(x_test[i, ::2, ::2].min(axis=-1), [235], colors="white", linewidths=0.6)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
axes[1, 0].set_ylabel("last maps")
axes[2, 0].set_ylabel("block 10")
bar = figure.colorbar(image, ax=axes[1:], shrink=0.7, ticks=[0, 1])
bar.ax.set_yticklabels(["0", "max"])
plots.show(
    "A parrot, broccoli, a giraffe and a flower; below each its HiResCAM map at the last layer and at "
    "block 10, with the outline of the thing in white. The maps of the last layer are coarse and reach into "
    "the white background; those of block 10 are finer, and lie on parts of the things and their edges."
)

# %% [markdown]
# **Look at** the difference of the rows. For the last maps the rest of the network is a mean and one dense
# layer, so the gradient is the same at each place, and HiResCAM is Grad-CAM. At block 10 it is not.
#
# ## Open questions

# %% [markdown] question="two-maps" points=3
# **Question.** Two maps of one photo and one class, and they differ. Which of them says better where the
# evidence is that the network uses? Design an experiment that decides it for the 98 training photos: what
# do you change in the photos, what do you measure, with what do you compare, and which result would speak
# against each map? What can mislead you? (Everything you need is in this notebook.)
#
# <!-- BEGIN SOLUTION -->
# Cover the brightest fifth of the places of a map, for example with the mean colour of all photos, and
# measure how far the score of the class falls, in each photo. Do the same with the other map, and with a
# fifth of the places drawn at random. A map is right if its places matter more: its fall must be larger
# than that of the other map in most photos (a paired test as in the lecture), and clearly larger than the
# random one; if it is not larger than the random one, the map says nothing. The same number of pixels must
# be covered for each. Misleading: a covered photo is unlike all photos that the network knows, so part of
# the fall is due to the cover and its edges (vary the colour, or blur); the finer map can choose its places
# more freely; and evidence that is there twice is not missed when it is covered once. The reverse
# experiment, to show only the brightest fifth, is right too.
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
#   `data.image_folder(path)`, and do exercises 2 to 5 with them. Test with photos of another day or place:
#   does the accuracy hold?
# - **Train with mixtures.** Mix the maps `m_train` with partners at random and weights from a beta
#   distribution, `rng.beta(0.2, 0.2, n)`, and fine-tune with `loss="categorical_crossentropy"`. Zhang et al.
#   find better accuracy with large data. What do you find in cross-validation, and is it more than chance?
# - **Deeper.** Cut the network at block 10 in place of block 14. More layers train, a step takes longer. Is
#   there any gain?
# - **Giraffe on grey.** Paint the white background of the *training* photos in many colours, train again, and
#   compare the maps: are they still bright on the background?
# - **Sanity.** Adebayo et al. (2018) draw such maps for networks with random weights. Do yours differ?
# - **Another backbone.** With a network connection: `pretrained.backbone("MobileNetV2", (160, 160, 3))`.
#
# **References:** R. L. Draelos, L. Carin (2020), *Use HiResCAM instead of Grad-CAM for faithful
# explanations of convolutional neural networks*, [arXiv:2011.08891](https://arxiv.org/abs/2011.08891). H.
# Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz (2018), *mixup: beyond empirical risk minimization*, ICLR,
# [arXiv:1710.09412](https://arxiv.org/abs/1710.09412). T. Hastie, R. Tibshirani, J. Friedman (2009), *The
# elements of statistical learning*, second edition, Springer,
# [doi:10.1007/978-0-387-84858-7](https://doi.org/10.1007/978-0-387-84858-7). J. Adebayo et al. (2018),
# *Sanity checks for saliency maps*, NeurIPS, [arXiv:1810.03292](https://arxiv.org/abs/1810.03292). M. Tan,
# Q. V. Le (2019), *EfficientNet: rethinking model scaling for convolutional neural networks*, ICML,
# [arXiv:1905.11946](https://arxiv.org/abs/1905.11946).
#
# Back to the lecture: [`../notebooks/07_transfer_learning.ipynb`](../notebooks/07_transfer_learning.ipynb).
