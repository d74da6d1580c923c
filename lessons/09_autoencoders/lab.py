# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.9, cpu: 2}
# ---

# %% [markdown]
# # Lab 09: autoencoders
#
# You write PCA as an encoder and a decoder, a network that does the same and one that does better, the
# penalties of the sparse and the contractive autoencoder, and the noise for a denoising one. At the end a
# network recognises a digit that it has never seen, by failing to copy it.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import autoencoders as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

plt.rcParams["image.interpolation"] = "nearest"  # pixels stay squares

# %%
mnist = data.mnist()
images = budget.pick(smoke=2000, cpu=30_000)
x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (mnist.x_train[:images], mnist.x_test))
y_train, y_test = mnist.y_train[:images], mnist.y_test
print("x_train", x_train.shape, "x_test", x_test.shape)

# %% [markdown]
# ## 1. The loss
#
# The quadratic loss of a reconstruction $\mathbf{r}$ is
#
# $$L(\mathbf{x}, \mathbf{r}) = \|\mathbf{x} - \mathbf{r}\|^2 = \sum_i (x_i - r_i)^2 .$$
#
# Write it for batches `x` and `r` of shape $(n, d)$. The result has the shape $(n,)$: one number an image.
# Keras will use your function inside a compiled model, so write it with `keras.ops`.
#
# <details><summary>Hint</summary>
#
# `ops.square` and `ops.sum`. Axis 0 counts the images. Which axis disappears?
#
# </details>


# %% exercise="squared-error"
def squared_error(x, r):
    """Return L(x, r) for each row of x and r (n, d): shape (n,)."""
    ### BEGIN SOLUTION
    return ops.sum(ops.square(x - r), axis=-1)
    ### END SOLUTION


# %% check="squared-error" points=1
squared_error = check.squared_error(squared_error)

# %% [markdown]
# A function for the figures below, and the error of an empty code, where every reconstruction is the mean
# image:


# %%
def error(x, r):
    """Return the mean loss over the images as a number."""
    return float(ops.mean(squared_error(x, ops.cast(r, "float32"))))


mean = x_train.mean(axis=0)
print(f"error without a code: {error(x_test, np.broadcast_to(mean, x_test.shape)):.1f}")

# %% [markdown]
# ## 2. PCA
#
# Let $\mathbf{m}$ be the mean of the rows of `x`. The singular value decomposition of the centred data,
# `np.linalg.svd(x - m, full_matrices=False)`, gives three factors. The *rows* of the third one are the
# principal directions $u_1, u_2, \dots$, sorted by variance. PCA with $k$ numbers is the autoencoder
#
# $$f(\mathbf{x}) = \bigl(\langle u_j, \mathbf{x} - \mathbf{m} \rangle\bigr)_{j = 1, \dots, k}, \qquad
# g(\mathbf{h}) = \mathbf{m} + \sum_{j = 1}^k h_j\, u_j .$$
#
# Write a function that takes data `x` of shape $(n, d)$ and returns **two functions**: the encoder, from
# shape $(\cdot, d)$ to $(\cdot, k)$, and the decoder, from $(\cdot, k)$ to $(\cdot, d)$. Both will be used on
# new data, too, and return NumPy arrays.
#
# <details><summary>Hint</summary>
#
# Functions can be defined inside a function, and remember its variables. With the $k$ directions as rows of a
# matrix $U$ of shape $(k, d)$, a batch of codes is one matrix product, and so is a batch of reconstructions.
#
# </details>


# %% exercise="pca"
def pca(x, k):
    """Return (f, g): encoder and decoder of PCA with k directions, fitted to x (n, d)."""
    ### BEGIN SOLUTION
    m = x.mean(axis=0)
    u = np.linalg.svd(x - m, full_matrices=False)[2][:k]

    def f(x):
        return (x - m) @ u.T

    def g(h):
        return m + h @ u

    return f, g
    ### END SOLUTION


# %% check="pca" points=3
pca = check.pca(pca)

# %%
f, g = pca(x_train[:5000], 8)
print("code of one image:", f(x_test[:1])[0].round(1))
pca_error = {k: error(x_test, g(f(x_test))) for k in (2, 8, 32) for f, g in [pca(x_train[:5000], k)]}
print({k: round(value, 1) for k, value in pca_error.items()})

# %% [markdown]
# ## 3. An autoencoder in Keras
#
# Write a function that builds three models with the functional interface (`keras.Input`, `keras.Model`):
#
# - `encoder`: $d$ inputs; for each number in `hidden` a dense layer with ReLU; a dense layer of $k$ numbers
#   with **no** activation;
# - `decoder`: $k$ inputs; the hidden layers in **reverse** order, with ReLU; a dense layer of $d$ numbers
#   with the activation `output`;
# - `autoencoder`: the decoder after the encoder. It shares their layers; another call builds new ones.
#
# With `hidden=(256, 128)` and `k=32` the numbers go 784, 256, 128, 32, 128, 256, 784. With `hidden=()` and
# `output="linear"` it is a linear autoencoder.
#
# <details><summary>Hint</summary>
#
# A model can be called like a layer: `decoder(encoder(x))`. `hidden[::-1]` is a reversed tuple.
#
# </details>


# %% exercise="autoencoder"
def autoencoder(d, hidden, k, output):
    """Return the Keras models (encoder, decoder, autoencoder) described above."""
    ### BEGIN SOLUTION
    x = keras.Input((d,))
    h = x
    for units in hidden:
        h = keras.layers.Dense(units, activation="relu")(h)
    encoder = keras.Model(x, keras.layers.Dense(k)(h))

    code = keras.Input((k,))
    r = code
    for units in hidden[::-1]:
        r = keras.layers.Dense(units, activation="relu")(r)
    decoder = keras.Model(code, keras.layers.Dense(d, activation=output)(r))

    return encoder, decoder, keras.Model(x, decoder(encoder(x)))
    ### END SOLUTION


# %% check="autoencoder" points=3
autoencoder = check.autoencoder(autoencoder)

# %% [markdown]
# ### Linear: the same as PCA
#
# **Before you run the next cells, what do you expect?** First a linear autoencoder with 6 numbers, on centred
# data. We compare its subspace with that of your PCA: principal angles of 0° mean the same subspace.


# %%
def train(model, x, epochs, batch_size=128, rate=2e-3):
    """Minimise L(x, model(x)) with Adam; the rate goes to zero as a cosine."""
    rates = keras.optimizers.schedules.CosineDecay(rate, decay_steps=epochs * -(-len(x) // batch_size))
    model.compile(optimizer=keras.optimizers.Adam(rates), loss=squared_error)
    model.fit(x, x, batch_size=batch_size, epochs=epochs, verbose=0)


# %%
from scipy.linalg import subspace_angles

keras.utils.set_random_seed(1)
few = x_train[:20_000]
encoder, decoder, linear = autoencoder(784, (), 6, "linear")
train(linear, few - few.mean(axis=0), epochs=budget.pick(smoke=1, cpu=10))
V = ops.convert_to_numpy(decoder.weights[0]).T
_, g = pca(few, 6)
U = g(np.eye(6)) - g(np.zeros((1, 6)))  # the six directions, found through your decoder
angles = np.degrees(subspace_angles(V, U.T))
print("principal angles in degrees:", angles.round(2))
runtime.result("lab_linear_largest_angle_to_pca_degrees", angles.max(), at_most=3)

# %% [markdown]
# ### Deep: better than PCA
#
# The same code sizes as above. (PCA was fitted to 5,000 images only. This costs it about 1 %.)

# %%
epochs = budget.pick(smoke=1, cpu=4)
deep = {}
for k in (2, 8, 32):
    keras.utils.set_random_seed(1)
    deep[k] = autoencoder(784, (256, 128), k, "sigmoid")
    train(deep[k][2], x_train, epochs)
    deep_error = error(x_test, deep[k][2](x_test))
    print(f"k = {k:2}: PCA {pca_error[k]:5.1f}, deep autoencoder {deep_error:5.1f}")
    runtime.result(f"lab_deep_{k}_to_pca_error_ratio", deep_error / pca_error[k], at_most=0.9)

# %% [markdown]
# ## 4. The penalty of a sparse code
#
# For a batch `h` of codes, shape $(n, k)$, write
#
# $$\Omega = \frac{1}{n} \sum_{\text{images}} \lambda \sum_i |h_i|,$$
#
# one number: the sum over the numbers of a code, the mean over the images. Use `keras.ops`. Inside a model
# the number of images is unknown, and many numbers of a code are 0.
#
# <details><summary>Hint</summary>
#
# `ops.abs`, then a sum over one axis, then a mean.
#
# </details>


# %% exercise="sparse-penalty"
def sparse_penalty(h, lam):
    """Return lam times the L1 norm of the codes h (n, k), the mean over the batch: one number."""
    ### BEGIN SOLUTION
    return lam * ops.mean(ops.sum(ops.abs(h), axis=-1))
    ### END SOLUTION


# %% check="sparse-penalty" points=2
sparse_penalty = check.sparse_penalty(sparse_penalty)

# %% [markdown]
# It goes into a model with `add_loss`. The decoder's images keep the length 1, so that the network cannot
# make $\mathbf{h}$ small and the decoder large.


# %%
class SparsePenalty(keras.layers.Layer):
    """Pass the code on, and add its penalty to the loss."""

    def __init__(self, lam):
        super().__init__()
        self.lam = lam

    def call(self, h):
        self.add_loss(sparse_penalty(h, self.lam))
        return h


# %%
for lam in (0.0, 0.3):
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(256, activation="relu"), SparsePenalty(lam)]
    )
    images_of_code = keras.layers.Dense(784, kernel_constraint=keras.constraints.UnitNorm(axis=1))
    model = keras.Sequential([encoder, images_of_code])
    train(model, few, epochs=budget.pick(smoke=1, cpu=4))
    used = (ops.convert_to_numpy(encoder(x_test)) > 0).sum(axis=1).mean()
    print(f"lambda {lam}: error {error(x_test, model(x_test)):.1f}, {used:.0f} of 256 numbers are not zero")

# %% [markdown]
# ## 5. Corruption
#
# Write a function that returns a corrupted copy of images with values in $[0, 1]$. `kind` is one of
#
# - `"gaussian"`: add normal noise with mean 0 and standard deviation `level`, then clip to $[0, 1]$;
# - `"salt_and_pepper"`: each pixel is hit with probability `level`; a hit pixel becomes 0 or 1, both equally
#   likely;
# - `"missing"`: each pixel becomes 0 with probability `level`.
#
# All random numbers come from the generator `rng`: with the same seed the result is the same. Each pixel is
# treated by itself. Use NumPy.
#
# <details><summary>Hint</summary>
#
# `rng.normal(size=x.shape)`, `rng.random(x.shape)` and `rng.integers(0, 2, size=x.shape)` draw one number for
# each pixel. `np.where(mask, a, b)` takes `a` where the mask is true.
#
# </details>


# %% exercise="corrupt"
def corrupt(x, kind, level, rng):
    """Return a corrupted copy of x (n, d); kind is "gaussian", "salt_and_pepper" or "missing"."""
    ### BEGIN SOLUTION
    if kind == "gaussian":
        return np.clip(x + level * rng.normal(size=x.shape), 0, 1)
    hit = rng.random(x.shape) < level
    if kind == "salt_and_pepper":
        return np.where(hit, rng.integers(0, 2, size=x.shape), x)
    return np.where(hit, 0, x)
    ### END SOLUTION


# %% check="corrupt" points=3
corrupt = check.corrupt(corrupt)

# %%
rng = np.random.default_rng(1)
kinds = ["gaussian", "salt_and_pepper", "missing"]
noisy = [corrupt(x_test[:8], kind, 0.4, rng) for kind in kinds]
grey = np.round(15 * np.concatenate([x_test[:8], *noisy]))  # 16 levels: the figure stays small
plots.image_grid(grey.reshape(-1, 28, 28), columns=8)
plots.show(
    "Eight test digits in four rows: clean, with Gaussian noise, with salt and pepper, with missing pixels."
)

# %% [markdown]
# ## 6. Peak signal-to-noise ratio
#
# For images with pixels between 0 and 1 write, for each row of `x` and `r`,
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{MSE}}, \qquad
# \text{MSE} = \frac{1}{d} \sum_{i = 1}^d (x_i - r_i)^2 .$$
#
# The result has the shape $(n,)$. Use NumPy.
#
# <details><summary>Hint</summary>
#
# `np.log10`, and a mean over the pixels only.
#
# </details>


# %% exercise="psnr"
def psnr(x, r):
    """Return the PSNR of each row of r against x (n, d), in decibels: shape (n,)."""
    ### BEGIN SOLUTION
    return 10 * np.log10(1 / np.mean((x - r) ** 2, axis=1))
    ### END SOLUTION


# %% check="psnr" points=1
psnr = check.psnr(psnr)

# %% [markdown]
# Now a denoising autoencoder with your noise: corrupted images go in, clean ones are the target. It is
# trained on salt and pepper at the level 0.3, with new noise in every epoch. Then it meets other levels, and
# pixels that are missing. **Before you run the next cells:** for which level do you expect the largest gain?

# %%
keras.utils.set_random_seed(1)
epochs = budget.pick(smoke=1, cpu=4)
_, _, denoiser = autoencoder(784, (), 256, "sigmoid")
rates = keras.optimizers.schedules.CosineDecay(2e-3, decay_steps=epochs * -(-len(x_train) // 128))
denoiser.compile(optimizer=keras.optimizers.Adam(rates), loss=squared_error)
for _ in range(epochs):
    corrupted = corrupt(x_train, "salt_and_pepper", 0.3, rng).astype("float32")
    denoiser.fit(corrupted, x_train, batch_size=128, verbose=0)

# %%
gains = {}
tests = [("salt_and_pepper", level) for level in (0.02, 0.1, 0.3, 0.5, 0.7)]
tests += [("missing", level) for level in (0.3, 0.5, 0.7)]
for kind, level in tests:
    corrupted = corrupt(x_test, kind, level, rng).astype("float32")
    denoised = ops.convert_to_numpy(denoiser(corrupted))
    before, after = psnr(x_test, corrupted).mean(), psnr(x_test, denoised).mean()
    gains[kind, level] = after - before
    print(f"{kind:16} {level:4}: before {before:4.1f} dB, after {after:4.1f} dB")
runtime.result("lab_denoising_gain_db", gains["salt_and_pepper", 0.3], at_least=5)

# %% [markdown]
# **Look at** three things. The gain is largest near the level of the training. At the weakest noise the
# network does harm: its copy has an error of its own. And it does harm where pixels are missing: it has
# learned to expect white dots and to correct for them, and here are none.

# %% [markdown]
# ## 7. The contractive penalty
#
# An encoder with one layer of sigmoids, $\mathbf{h} = \sigma(\mathbf{b} + W \mathbf{x})$ with $W$ of shape
# $(k, d)$, has the Jacobian $\partial h_j / \partial x_i = h_j (1 - h_j) W_{ji}$. Write, for each row of `x`,
#
# $$\|J\|_F^2 = \sum_j \|\nabla_{\mathbf{x}} h_j\|^2
# = \sum_j \bigl(h_j (1 - h_j)\bigr)^2 \sum_i W_{ji}^2 .$$
#
# The result has the shape $(n,)$. Use NumPy, and do not build the Jacobian: it would have $n \cdot k \cdot d$
# numbers.
#
# <details><summary>Hint</summary>
#
# The codes of a batch have the shape $(n, k)$: `x @ W.T + b` and the sigmoid. The inner sum has the shape
# $(k,)$ and is the same for all images. What remains is a product of a matrix and a vector.
#
# </details>


# %% exercise="contractive-penalty"
def contractive_penalty(x, W, b):
    """Return the squared Frobenius norm of dh/dx for each row of x (n, d); W (k, d), b (k,): shape (n,)."""
    ### BEGIN SOLUTION
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    return (h * (1 - h)) ** 2 @ (W**2).sum(axis=1)
    ### END SOLUTION


# %% check="contractive-penalty" points=3
contractive_penalty = check.contractive_penalty(contractive_penalty)

# %% [markdown]
# What does it measure? A small random step $\varepsilon$ in all $d$ pixels, with standard deviation $s$,
# changes the code by about $J \varepsilon$, and the mean of $\|J \varepsilon\|^2$ is $s^2 \|J\|_F^2$.
# Let us see:

# %%
rng = np.random.default_rng(2)
W, b = rng.normal(size=(64, 784)) / 28, rng.normal(size=64)
x, s = x_test[:500].astype("float64"), 1e-3


def code_of(x):
    return 1 / (1 + np.exp(-(x @ W.T + b)))


moved = np.square(code_of(x + s * rng.normal(size=x.shape)) - code_of(x)).sum(axis=1).mean()
predicted = s**2 * contractive_penalty(x, W, b).mean()
print(f"mean squared movement of the code: {moved:.3g}, predicted {predicted:.3g}")
assert abs(moved / predicted - 1) < 0.05

# %% [markdown]
# ## 8. Which digit has the network never seen?
#
# An autoencoder learns to copy what it was trained on. Something else it copies badly. So the reconstruction
# error is a score for **anomalies**: the larger, the stranger.
#
# How good is a score? Each threshold gives a share of anomalies found (true positives) and a share of false
# alarms (false positives). The **ROC curve** draws one against the other for all thresholds. The area under
# it is the **ROC-AUC**, and it has a simple meaning:
#
# $$\text{AUC} = P(\text{score of an anomaly} > \text{score of a normal image})
# + \tfrac{1}{2}\, P(\text{both are equal}),$$
#
# for one of each, drawn at random. 1 is perfect, 0.5 is guessing. All pairs give it.
#
# <details><summary>Hint</summary>
#
# `anomalous[:, None] > normal[None, :]` compares all pairs at once. The mean of a table of truth values is
# the share of those that are true.
#
# </details>


# %% exercise="roc-auc"
def roc_auc(normal, anomalous):
    """Return the area under the ROC curve for scores of normal (m,) and anomalous (n,) images: one number."""
    ### BEGIN SOLUTION
    larger = np.mean(anomalous[:, None] > normal[None, :])
    equal = np.mean(anomalous[:, None] == normal[None, :])
    return larger + equal / 2
    ### END SOLUTION


# %% check="roc-auc" points=2
roc_auc = check.roc_auc(roc_auc)

# %% [markdown]
# We leave one digit out of the training, and then show all test images. Three networks, without 0, without 1
# and without 4. **Before you run the next cell:** for which of the three do you expect the best result?

# %%
scores = {}
targets = {0: 0.9, 1: None, 4: 0.75}  # none for the 1: see below
for digit in targets:
    keras.utils.set_random_seed(1)
    _, _, model = autoencoder(784, (256, 128), 16, "sigmoid")
    train(model, x_train[y_train != digit], epochs=budget.pick(smoke=1, cpu=3))
    scores[digit] = ops.convert_to_numpy(squared_error(x_test, model(x_test)))

# %%
from sklearn.metrics import roc_curve

figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.8))
for i, (digit, score) in enumerate(scores.items()):
    unseen = y_test == digit
    auc = roc_auc(score[~unseen], score[unseen])
    runtime.result(f"lab_anomaly_auc_without_{digit}", auc, at_least=targets[digit])
    false_alarms, found, _ = roc_curve(unseen, score)
    style = {"color": plots.COLORS[i], "linestyle": plots.LINES[i]}
    left.plot(false_alarms, found, label=f"without {digit}: AUC {auc:.2f}", **style)
left.plot([0, 1], [0, 1], color="0.7", linewidth=1)
left.set(xlabel="false alarms", ylabel="anomalies found", aspect="equal")
left.legend(loc="lower right", fontsize=8)
parts = [scores[1][y_test == digit] for digit in range(10)]
boxes = right.boxplot(parts, showfliers=False, tick_labels=range(10), patch_artist=True)
for digit, box in enumerate(boxes["boxes"]):
    box.set_facecolor(plots.COLORS[1] if digit == 1 else "0.85")
for line in boxes["medians"]:
    line.set_color("black")
right.set(xlabel="digit", ylabel="reconstruction error", title="network that has never seen a 1")
plots.show(
    "Left: three ROC curves. The one for 0 rises steeply, the one for 4 less, the one for 1 runs mostly "
    "below the diagonal. Right: boxes of the reconstruction errors of each digit for the network trained "
    "without 1; the errors of 1 are among the smaller ones."
)

# %% [markdown]
# **Look at** the network that has never seen a 1. Its AUC is below 0.5: by this score a 1 looks *more* normal
# than most of the digits that it was trained on. A 0 without zeros in the training is found easily.
#
# A 1 has little ink, so there is little to get wrong. What if we measure the error relative to the ink,
# $\|\mathbf{x} - \mathbf{r}\|^2 / \|\mathbf{x}\|^2$? **Before you run the next cell:** will all three
# improve?

# %%
ink = np.square(x_test).sum(axis=1)
for digit, score in scores.items():
    unseen, relative = y_test == digit, score / ink
    auc = roc_auc(relative[~unseen], relative[unseen])
    runtime.result(f"lab_anomaly_relative_auc_without_{digit}", auc, at_least=0.7)

# %% [markdown] question="copying" points=3
# **Question.**
#
# 1. An autoencoder for images of 784 pixels has a code of 1,000 numbers, and no penalty. After training its
#    error is nearly zero. Why can it be useless all the same? Which three changes of this lesson make it
#    useful?
# 2. Somebody trains a contractive autoencoder with separate weights in encoder and decoder. The penalty falls
#    to nearly zero, the reconstructions stay good. Has the network become robust? What would you measure?
#
# <!-- BEGIN SOLUTION -->
# 1. With 1,000 numbers it can pass every pixel through, for example with $W$ and $V$ close to an identity.
#    The code is then the image in another form: not shorter, not better sorted, without features. Nothing in
#    the loss prefers a useful code to this one. Useful are: an L1 penalty on the code (only a few of the
#    1,000 numbers may be used for each image), corrupted inputs (copying would copy the noise), a penalty on
#    the Jacobian (the code may not follow each small change of the image).
# 2. Not necessarily. Dividing $W$ by 100 and multiplying the decoder's weights by 100 makes the Jacobian 100
#    times smaller, while the code says the same as before, in smaller numbers. Noise moves the code less, but
#    the codes of different images are closer to each other as well. One should measure the movement of the
#    code under noise relative to the distance between codes of different images, or what a classifier makes
#    of the codes of noisy images; and tie the weights or bound the decoder.
# <!-- END SOLUTION -->

# %% [markdown] question="anomalies" points=2
# **Question.** The network without 1 has never seen a 1, and by the first score it copies ones well.
#
# 1. Give two reasons. Why does the relative score find more ones, but fewer zeros?
# 2. What does this mean for a factory that looks for defects by the reconstruction error? Name one change
#    that could help.
#
# <!-- BEGIN SOLUTION -->
# 1. A 1 is a single stroke. The network has learned strokes from 4, 7 and 9, and can put one together from
#    what it knows. And a 1 has few bright pixels: even an empty image would have a small error. The relative
#    score takes this second reason away. A 0 has much ink; the absolute score is large for it also for this
#    reason, and dividing by the ink takes that advantage away.
# 2. The error measures how hard an image is to copy, not how rare it is. A defect that is simpler than the
#    normal parts, such as a missing piece, may not be found. What could help: a smaller code or a penalty, so
#    that the network copies only what it knows; an error relative to what is usual for such images; a score
#    that uses the code, such as its distance from the training codes; or a few labelled defects, at least to
#    choose between scores.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **More left-out digits.** Draw the AUC for all ten digits and for codes of 2, 8, 32 and 128 numbers. Does
#   a better autoencoder find more anomalies?
# - **Tied weights.** Write a layer whose kernel is the transposed kernel of another one. How many parameters
#   does the deep autoencoder save, and what does it cost in error?
# - **Larger holes.** Set a square of $10 \times 10$ pixels to zero instead of single pixels. Train the
#   denoiser for that.
# - **The denoising vector field.** Train a denoising autoencoder on `sklearn.datasets.make_moons` and draw
#   $g(f(\tilde{\mathbf{x}})) - \tilde{\mathbf{x}}$ as arrows on a grid. They point to the data: for small
#   noise they are about $\sigma^2$ times the gradient of the log-density (Alain & Bengio, 2014,
#   [arXiv:1211.4246](https://arxiv.org/abs/1211.4246)).
# - **Contractive training.** Add your penalty, in `keras.ops`, to a model with `add_loss`, and compare the
#   singular values of the Jacobian with those of an ordinary autoencoder.
# - **Photographs.** Try a convolutional autoencoder on `data.photos()`, 98 images. What goes wrong?
#
# **References:** P. Baldi, K. Hornik (1989), *Neural networks and principal component analysis*, Neural
# Networks 2(1), 53–58, [doi:10.1016/0893-6080(89)90014-2](https://doi.org/10.1016/0893-6080(89)90014-2).
# P. Vincent et al. (2010), *Stacked denoising autoencoders*,
# [JMLR 11, 3371–3408](https://jmlr.org/papers/v11/vincent10a.html). S. Rifai et al. (2011), *Contractive
# auto-encoders*, ICML, 833–840. T. Fawcett (2006), *An introduction to ROC analysis*, Pattern Recognition
# Letters 27(8), 861–874, [doi:10.1016/j.patrec.2005.10.010](https://doi.org/10.1016/j.patrec.2005.10.010).
#
# Back to the lecture: [`../notebooks/09_autoencoders.ipynb`](../notebooks/09_autoencoders.ipynb).
