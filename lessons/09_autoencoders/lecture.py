# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.9, cpu: 5}
# ---

# %% [markdown]
# # Autoencoders
#
# An autoencoder is a network that learns to copy its input, through a narrow place. Nobody has to label the
# data. What is in the narrow place, the *code*, is a short description of the data, found by the network
# itself. Here you train such networks on handwritten digits and measure what their codes are good for.
# (Goodfellow, Bengio & Courville, 2016, tell more of it in their chapter 14.)
#
# **You need** lessons 02 to 05: Keras models and `fit`, the chain rule, Adam and its schedules, convolutions.
# The symbols are those of the table of [notation](01_neurons.ipynb#Notation), but for a few. Here
# $\mathbf{h}$ is the code, $k$ its size (not a layer), $j$ one of its numbers, $l$ a pixel, $L$ the loss of
# one image. $\lambda$ is the weight of a penalty, $\lambda_1, \lambda_2, \dots$ with an index are
# eigenvalues. $\sigma(\cdot)$ is the sigmoid, $\sigma$ alone a standard deviation.
#
# **After this lesson you can**
#
# - write an encoder and a decoder, deep or convolutional, and train them together;
# - show that a linear autoencoder finds the same subspace as principal component analysis (PCA), and that
#   deeper ones do better at the same code size;
# - train sparse, denoising and contractive autoencoders, and say what each penalty does to the code;
# - measure a reconstruction: squared error, PSNR;
# - use codes as features for a classifier when labels are few, and judge whether they help.
#
# **Time to study:** about three and a half hours; sections 1 to 6 and 7 to 10 are two halves.

# %%
from nnlabs import data, plots, runtime

budget = runtime.setup(seed=1)
# %%
from functools import partial

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. An encoder and a decoder
#
# An autoencoder consists of two networks:
#
# - the **encoder** $f$ maps the data $\mathbf{x}$ to a **code** $\mathbf{h} = f(\mathbf{x})$;
# - the **decoder** $g$ maps the code to a **reconstruction** $\mathbf{r} = g(\mathbf{h})$.
#
# Codes are used to see structure in data (maps; clusters, when k-means runs on codes instead of pixels), to
# remove noise, as features for other methods, and to notice what is unusual. The data may be images, signals
# or texts.
#
# Both networks are trained together to minimise a loss $L(\mathbf{x}, g(f(\mathbf{x})))$. We take the
# quadratic loss
#
# $$L(\mathbf{x}, \mathbf{r}) = \|\mathbf{x} - \mathbf{r}\|^2 = \sum_l (x_l - r_l)^2 .$$


# %%
def squared_error(x, r):
    return ops.sum(ops.square(x - r), axis=-1)  # one number an image


def apply(model, x):
    """Return model(x) as a NumPy array, in one call."""
    return ops.convert_to_numpy(model(x))


# %%
def trapezium(ax, left, heights, text, color):
    """Draw a network as a trapezium, 2 wide, that goes from one height to another."""
    low, high = heights
    corners = [(left, -low), (left + 2, -high), (left + 2, high), (left, low)]
    ax.add_patch(plt.Polygon(corners, facecolor=color, alpha=0.3, edgecolor="black"))
    ax.text(left + 1, 0, text, ha="center", va="center")


def bar(ax, left, height, text):
    ax.add_patch(plt.Rectangle((left, -height), 0.25, 2 * height, facecolor="0.85", edgecolor="black"))
    ax.text(left + 0.125, -height - 0.15, text, ha="center", va="top")


figure, ax = plt.subplots(figsize=(6.4, 2.9))
trapezium(ax, 0.6, (1.2, 0.4), "encoder\n$f$", plots.COLORS[0])
trapezium(ax, 3.6, (0.4, 1.2), "decoder\n$g$", plots.COLORS[1])
bar(ax, 0, 1.2, "data $\\mathbf{x}$")
bar(ax, 2.975, 0.4, "code $\\mathbf{h} = f(\\mathbf{x})$")
bar(ax, 5.95, 1.2, "reconstruction $\\mathbf{r} = g(\\mathbf{h})$")
ax.set(xlim=(-0.8, 7.4), ylim=(-1.8, 1.3), aspect="equal")
ax.axis("off")
plots.show(
    "A tall bar, the data x; a trapezium that becomes narrow, the encoder f; a short bar, the code h; a "
    "trapezium that becomes wide, the decoder g; a tall bar, the reconstruction r."
)

# %% [markdown]
# A second tool for the figures: images in rows, each row with its name.


# %%
plt.rcParams["image.interpolation"] = "nearest"  # pixels stay squares, and the files of the figures small


def image_rows(rows):
    """Draw rows of images: a mapping of names to arrays (n, 784). Grey has 16 levels."""
    columns = len(next(iter(rows.values())))
    _, ax = plt.subplots(figsize=(7.4, 6.9 * len(rows) / columns))
    grey = np.round(15 * np.clip(np.concatenate(list(rows.values())), 0, 1))
    plots.image_grid(grey.reshape(-1, 28, 28), columns=columns, ax=ax)
    for row, name in enumerate(rows):
        ax.text(-0.15, 0.5 - 1.05 * row, name, ha="right", va="center")


# %% [markdown]
# A network that only copies would be useless: we have the data already. It becomes useful because something
# stops it from copying everything. In sections 2 to 6 this is mostly the size of the code, a *bottleneck*
# (one network of section 3 has noise instead): with a code shorter than the data an autoencoder is called
# **undercomplete**. An **overcomplete** one has a code as long as the data or longer; it needs a penalty, or
# noise. Sections 7 to 9 show both on codes of 128 and 256 numbers. These are shorter than the 784 pixels, but
# too long to be much of a bottleneck.
#
# Our data are MNIST's digits. Each image becomes a vector of $28 \cdot 28 = 784$ pixels between 0 and 1. The
# labels are not used before section 10, except in figures and to judge a map. MNIST's first 5,000 test images
# are easier than the last 5,000, so we mix them: any part of `x_test` is then a random sample.

# %%
mnist = data.mnist()
images = budget.pick(smoke=2000, cpu=30_000)  # of 60,000: half the wait
mixed = np.random.default_rng(0).permutation(len(mnist.x_test))
x_train = mnist.x_train[:images].reshape(-1, 784).astype("float32") / 255
x_test = mnist.x_test[mixed].reshape(-1, 784).astype("float32") / 255
y_train, y_test = mnist.y_train[:images], mnist.y_test[mixed]
print("x_train", x_train.shape, x_train.dtype, " x_test", x_test.shape)

# %% [markdown]
# **How large is a large error?** Suppose that the code is empty. Then $\mathbf{r}$ is the same for every
# image. The best constant is the mean image, and its error is the total variance of the pixels. Every
# autoencoder has to be better than this.

# %%
mean = x_train.mean(axis=0)


def error(r, x=x_test):
    """Return the mean of L(x, r) over images."""
    return float(np.square(x - r).sum(axis=1).mean())


no_code = error(mean)
print(f"error without a code: {no_code:.1f}")

# %% [markdown]
# ## 2. The linear autoencoder is PCA
#
# Take the simplest networks: one linear layer each, without biases, on centred data
# $\mathbf{x} - \mathbf{m}$, where $\mathbf{m}$ is the mean image:
#
# $$\mathbf{h} = W (\mathbf{x} - \mathbf{m}), \qquad \mathbf{r} = \mathbf{m} + V \mathbf{h},$$
#
# with $W$ of shape $(k, 784)$ and $V$ of shape $(784, k)$. The reconstructions then lie in a subspace of
# dimension $k$, spanned by the columns of $V$.
#
# **Principal component analysis** solves exactly this problem: it finds the subspace of dimension $k$ with
# the smallest squared error. With the unit vectors $u_1, u_2, \dots$ of the largest variances
# $\lambda_1 \geq \lambda_2 \geq \dots$ (the eigenvectors and eigenvalues of the covariance matrix) it is
#
# $$h_j = \langle u_j, \mathbf{x} - \mathbf{m} \rangle, \qquad
# \mathbf{r} = \mathbf{m} + \sum_{j=1}^k h_j\, u_j, \qquad
# \text{smallest mean error} = \sum_{j > k} \lambda_j .$$
#
# scikit-learn has the $u_j$ and the $\lambda_j$. The last formula holds on the data that PCA was fitted to:

# %%
from sklearn.decomposition import PCA

pca = PCA(svd_solver="covariance_eigh").fit(x_train)
eigenvalues = pca.explained_variance_ * (1 - 1 / len(x_train))  # scikit-learn divides by n - 1


def pca_reconstruct(x, k):
    u = pca.components_[:k]  # (k, 784)
    h = (x - mean) @ u.T  # (n, k)
    return mean + h @ u


for k in (2, 6, 8, 32):
    training_error = error(pca_reconstruct(x_train, k), x_train)
    assert np.isclose(training_error, eigenvalues[k:].sum(), rtol=1e-3)
    print(f"k = {k:2}: error on training images {training_error:.2f}")

# %% [markdown]
# On the *test* images, each direction lowers the error by the mean square of its coordinate (Pythagoras). So
# we get the errors for all $k$ at once:

# %%
coordinates = (x_test - mean) @ pca.components_.T  # (10000, 784)
pca_errors = no_code - np.concatenate([[0], np.cumsum(np.square(coordinates).mean(axis=0))])
for k in (0, 2, 6, 8, 32):
    assert np.isclose(pca_errors[k], error(pca_reconstruct(x_test, k)), rtol=1e-3)
    print(f"k = {k:2}: error on test images {pca_errors[k]:.2f}")

# %% [markdown]
# Now the same as a network. We call the two parts separately, so both are models of their own.


# %%
def linear_autoencoder(k):
    encoder = keras.Sequential([keras.Input((784,)), layers.Dense(k, use_bias=False)])
    decoder = keras.Sequential([keras.Input((k,)), layers.Dense(784, use_bias=False)])
    return encoder, decoder


def train(model, x, epochs, batch_size=128, rate=2e-3, corruption=None, callbacks=()):
    """Minimise L(x, model(x)) or, with a corruption, L(x, model(corruption(x)))."""
    steps = epochs * -(-len(x) // batch_size)  # -(-a // b) rounds up
    rates = keras.optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    model.compile(optimizer=keras.optimizers.Adam(rates), loss=squared_error)
    for _ in range(epochs):
        inputs = corruption(x) if corruption else x
        model.fit(inputs, x, batch_size=batch_size, verbose=0, callbacks=list(callbacks))


# %% [markdown]
# Bourlard & Kamp (1988) showed that the minimum of this loss is the subspace of PCA. Baldi & Hornik (1989)
# proved that there is no other local minimum (if the covariance matrix is invertible and its eigenvalues
# differ; ours is not invertible, because some pixels are black in every image). The loss is not convex, but
# all other points with gradient zero are saddles, which gradient descent leaves in practice.
#
# How do we compare two subspaces? By their **principal angles**. Two subspaces of dimension $k$ have $k$ of
# them. All are 0° if the subspaces are the same; the largest is 90° if one contains a direction that is
# orthogonal to the other.
#
# **Before you run the next cells, what do you expect?** We take $k = 6$ and note the six angles after each
# epoch. Where do they start?

# %%
from scipy.linalg import subspace_angles

k = 6
keras.utils.set_random_seed(1)
encoder, decoder = linear_autoencoder(k)
angles = []


def note_angles(epoch, logs=None):
    V = ops.convert_to_numpy(decoder.weights[0]).T  # (784, k); Keras stores the transposed matrix
    angles.append(np.degrees(subspace_angles(V, pca.components_[:k].T)))


note_angles(epoch=0)
centred = x_train - mean
autoencoder = keras.Sequential([encoder, decoder])
callback = keras.callbacks.LambdaCallback(on_epoch_end=note_angles)
train(autoencoder, centred, budget.pick(smoke=2, cpu=12), batch_size=250, rate=3e-3, callbacks=[callback])

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3))
first = np.arange(1, 13)
left.bar(first, eigenvalues[:12], color=[plots.COLORS[0]] * k + ["0.75"] * (12 - k))
left.set(xlabel="$j$", ylabel="eigenvalue $\\lambda_j$", title="variance along each direction", xticks=first)
for j in range(k):
    right.semilogy(np.array(angles)[:, j], color=plots.COLORS[j], marker=plots.MARKERS[j], markersize=4)
right.set(xlabel="epoch", ylabel="angle in degrees", title="principal angles to PCA", ylim=(1e-2, 200))
plots.show(
    "Left: the twelve largest eigenvalues, falling; the first six are blue, and after them there is a step. "
    "Right, on a logarithmic axis: the six principal angles between the autoencoder and PCA. They start near "
    "90 degrees, are below ten degrees after one epoch, and end far below one degree."
)

# %% [markdown]
# **Look at** the right figure. Random subspaces of a space with 784 dimensions are almost orthogonal; at the
# end all angles are nearly zero. The last part of the way is probably owed to the falling learning rate: a
# constant one leaves the noise of the batches in the weights (lesson 04). On the left is the reason why we
# took $k = 6$: $\lambda_6$ is clearly larger than $\lambda_7$. Where two eigenvalues are nearly equal,
# exchanging their directions costs almost nothing, and training needs long to decide. And the error?

# %%
x = x_test - mean
linear_error = error(mean + apply(autoencoder, x))
runtime.result("linear_to_pca_error_ratio", linear_error / pca_errors[k], at_most=1.02)
runtime.result("linear_largest_angle_to_pca_degrees", max(angles[-1]), at_most=1)

# %% [markdown]
# Same subspace, same error. Are the weights the same, too? **Before you run the next cell, what do you
# expect:** do the six columns of $V$ look like the six directions $u_j$?

# %%
V = ops.convert_to_numpy(decoder.weights[0]).T
reconstructions = apply(autoencoder, centred)
again = PCA(k, svd_solver="covariance_eigh").fit(reconstructions).components_
rows = {
    "PCA: $u_1$ to $u_6$": pca.components_[:k],
    "columns of $V$": (V / np.linalg.norm(V, axis=0)).T,
    "PCA of the reconstructions": again,
}
figure, axes = plt.subplots(3, 1, figsize=(6, 4.6))
for ax, (name, vectors) in zip(axes, rows.items(), strict=True):
    plots.image_grid(vectors.reshape(-1, 28, 28), columns=k, ax=ax)
    ax.set_title(name)
plots.show(
    "Three rows of six images: the principal directions; the columns of the decoder, which look like "
    "mixtures of them; the principal directions of the reconstructions, which are those of the first row."
)

# %% [markdown]
# They do not. The loss sees only the product $VW$. For any invertible matrix $A$ the pair $AW$, $VA^{-1}$
# gives the same reconstructions:

# %%
W = ops.convert_to_numpy(encoder.weights[0]).T
A = np.random.default_rng(1).normal(size=(k, k))
assert np.allclose((V @ np.linalg.inv(A)) @ (A @ W), V @ W, atol=1e-4)

# %% [markdown]
# So the network finds the subspace, but not the single directions, nor their order, nor that they are
# orthogonal. To name directions *inside* the subspace one needs something more. PCA takes those of largest
# variance: the third row does this with the reconstructions, and $u_1$ to $u_6$ are back.

# %%
if budget.name != "smoke":
    assert np.allclose(np.abs(again @ pca.components_[:k].T), np.eye(k), atol=0.05)

# %% [markdown]
# (We look at $V$ and not at $W$. Some pixels are black in every image. There $W$ gets no gradient and keeps
# its random initial values. On the data this changes nothing.)

# %% [markdown]
# ## 3. Deep autoencoders
#
# With linear layers nothing better than PCA is possible on the training images: the reconstructions lie in a
# flat subspace. But data are rarely flat. In the plane this can be seen. scikit-learn's `make_moons` draws
# points near two half circles:

# %%
from sklearn.datasets import make_moons

moons = make_moons(10_000, noise=0.06, random_state=0)[0].astype("float32")
moons -= moons.mean(axis=0)
print("moons", moons.shape)

# %% [markdown]
# Each point is two numbers, but along a moon one number would do. PCA with $k = 1$ gives a straight line. We
# put hidden layers with ReLU before and after a code of one number. The points $g(h)$, for all numbers $h$,
# are then a curve (of many short straight pieces, because of ReLU).


# %%
def moon_autoencoder(k):
    """Return an encoder from 2 numbers to k, and a decoder back, with two hidden layers each."""

    def network(d, out):
        hidden = [layers.Dense(64, activation="relu"), layers.Dense(64, activation="relu")]
        return keras.Sequential([keras.Input((d,)), *hidden, layers.Dense(out)])

    return network(2, k), network(k, 2)


# %%
u = PCA(1).fit(moons).components_  # (1, 2)
on_line = moons @ u.T @ u
keras.utils.set_random_seed(1)
encoder, decoder = moon_autoencoder(1)
train(keras.Sequential([encoder, decoder]), moons, budget.pick(smoke=1, cpu=20), rate=5e-3)
h = apply(encoder, moons)
on_curve = apply(decoder, h)
print(f"error: PCA {error(on_line, moons):.3f}, autoencoder {error(on_curve, moons):.3f}")
assert budget.name == "smoke" or error(on_curve, moons) < error(on_line, moons) / 10

# %% [markdown]
# The third panel of the figure shows an autoencoder with another task, a *denoising* one; section 8 tells
# more. Its code is long, 32 numbers. Its input is a point that noise has moved, and it shall give back the
# point as it was.

# %%
SPREAD = 0.15  # standard deviation of the noise
rng = np.random.default_rng(1)


def shake(x):
    return x + SPREAD * rng.standard_normal(x.shape, dtype="float32")


keras.utils.set_random_seed(1)
moon_denoiser = keras.Sequential(moon_autoencoder(32))
train(moon_denoiser, moons, budget.pick(smoke=1, cpu=20), rate=5e-3, corruption=shake)

# %% [markdown]
# **Before you run the next cells, what do you expect?** They draw arrows from inputs to reconstructions,
# $\mathbf{r} - \mathbf{x}$: left and in the middle from some of the data, right from the points of a grid.
# The thick orange line holds all points that a code of one number can give. Where do the arrows end?


# %%
def arrows(ax, x, r):
    style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.005, "color": plots.COLORS[0]}
    ax.quiver(*x.T, *(r - x).T, **style)


grid = np.stack(np.meshgrid(np.linspace(-1.8, 1.8, 19), np.linspace(-1.1, 1.1, 12)), axis=-1)
grid = grid.reshape(-1, 2).astype("float32")  # (228, 2)
far = np.linalg.norm(grid[:, None] - moons, axis=2).min(axis=1) > 0.5  # there it was not trained
grid = grid[~far]


# %%
along = np.linspace(h.min(), h.max(), 300)[:, None]  # codes
ends = on_line[[on_line[:, 0].argmin(), on_line[:, 0].argmax()]]

figure, axes = plt.subplots(1, 3, figsize=(9.4, 2.7), sharey=True)
for ax, name in zip(axes, ("PCA, $k = 1$", "autoencoder, $k = 1$", "denoising, $k = 32$"), strict=True):
    ax.plot(*moons[:700].T, ".", color="0.75", markersize=2)
    ax.set(title=name, xlabel="$x_1$", aspect="equal", xlim=(-1.9, 1.9), ylim=(-1.2, 1.2))
for ax, curve, r in ((axes[0], ends, on_line), (axes[1], apply(decoder, along), on_curve)):
    ax.plot(*curve.T, color=plots.COLORS[1], linewidth=2)
    arrows(ax, moons[:60], r[:60])
arrows(axes[2], grid, apply(moon_denoiser, grid))
axes[0].set_ylabel("$x_2$")
plots.show(
    "Three times the two moons, grey, with arrows from points to their reconstructions. Left: the arrows go "
    "to PCA's straight line, which crosses both moons. Middle: short arrows go to a curve that follows one "
    "moon, crosses the gap and follows the other. Right: from all sides the arrows point to the moons."
)

# %% [markdown]
# **Look at** the middle panel. The curve follows the data, and the arrows are short. It is in one piece,
# because $g$ is continuous, while the data are in two: so it has to cross the gap. A curve, or a curved
# surface of a few dimensions, near which data lie, is called a **manifold**. On the right nothing bounds the
# code. Still the arrows lead back to the manifold: to take noise away, one has to know where the data are.
#
# Images are like this, too. Let a digit slowly lean to the right: its image moves through the space of 784
# pixels along a curve, which no straight line follows for long. Slant, width, size and form together give a
# surface of more dimensions (this is a picture to think with, not a theorem). With activations between
# several layers, $f$ and $g$ can be curved: a nonlinear PCA.
#
# Now for the digits. Hidden layers have ReLU. The code is linear, so that it may take any value. The output
# has a sigmoid, because pixels lie between 0 and 1.


# %%
def deep_autoencoder(k):
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(k),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((k,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(784, activation="sigmoid"),
        ]
    )
    return encoder, decoder


# %%
# NBVAL_CHECK_OUTPUT
encoder, decoder = deep_autoencoder(8)
h = encoder(x_test[:5])
r = decoder(h)
print("x", x_test[:5].shape, "-> h", h.shape, "-> r", r.shape)
print(f"{encoder.count_params() + decoder.count_params():,} parameters")

# %% [markdown]
# (Hinton & Salakhutdinov (2006) had to train such networks layer by layer before they could train them as a
# whole. With ReLU, Glorot's initialisation and Adam (lessons 01 and 04) this is no longer needed.)
#
# ## 4. Convolutional autoencoders
#
# Encoder and decoder can have any architecture: recurrent for signals and texts (lesson 02),
# convolutional for images. Convolutions with stride 2 make an image smaller (lesson 05). The decoder needs
# the opposite. A **transposed convolution** with stride 2 puts a kernel, multiplied by the value of a pixel,
# on every second place of a larger image, and adds up where kernels overlap.

# %%
# NBVAL_CHECK_OUTPUT
upsample = layers.Conv2DTranspose(1, 3, strides=2, padding="same", kernel_initializer="ones")
small = np.zeros((1, 3, 3, 1), "float32")
small[0, 0, 0, 0], small[0, 1, 1, 0] = 1, 2
large = ops.convert_to_numpy(upsample(small))
print(small.shape, "->", large.shape)
print(large[0, :, :, 0].astype(int))


# %%
def convolutional_autoencoder(k):
    conv = {"kernel_size": 3, "strides": 2, "padding": "same"}
    encoder = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(8, activation="relu", **conv),  # 14 x 14 x 8
            layers.Conv2D(16, activation="relu", **conv),  # 7 x 7 x 16
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(k),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((k,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(7 * 7 * 16, activation="relu"),
            layers.Reshape((7, 7, 16)),
            layers.Conv2DTranspose(8, activation="relu", **conv),  # 14 x 14 x 8
            layers.Conv2DTranspose(1, activation="sigmoid", **conv),  # 28 x 28 x 1
            layers.Flatten(),
        ]
    )
    return encoder, decoder


# %%
# NBVAL_CHECK_OUTPUT
for build in (deep_autoencoder, convolutional_autoencoder):
    parts = build(8)
    print(f"{build.__name__:25} {sum(part.count_params() for part in parts):,} parameters")

# %% [markdown]
# ## 5. Error against code size
#
# Now the comparison. We train both networks with codes of 2, 8 and 32 numbers on the training images, and
# measure the error on the *test* images. PCA is fitted to the same training images. This takes about a
# minute.
#
# **Before you run it, what do you expect?** At which code size is the advantage over PCA largest?

# %%
sizes = [2, 8, 32]
builders = {"deep": deep_autoencoder, "convolutional": convolutional_autoencoder}
rates = {"deep": 2e-3, "convolutional": 4e-3}  # found by trying, on training images
epochs = budget.pick(smoke=1, cpu=5)
trained, errors = {}, {}
for name, build in builders.items():
    for k in sizes:
        keras.utils.set_random_seed(1)
        encoder, decoder = trained[name, k] = build(k)
        train(keras.Sequential([encoder, decoder]), x_train, epochs, rate=rates[name])
        errors[name, k] = error(apply(decoder, apply(encoder, x_test)))
        print(f"{name:13}  k = {k:2}  test error {errors[name, k]:5.2f}")

# %%
grid = np.arange(1, 65)
figure, ax = plt.subplots()
ax.plot(grid, pca_errors[grid], color="black", label="PCA")
for i, name in enumerate(builders):
    style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "linestyle": plots.LINES[i + 1]}
    ax.plot(sizes, [errors[name, k] for k in sizes], label=name, **style)
ax.axhline(no_code, color="0.5", linewidth=1)
ax.text(64, no_code - 0.5, "mean image", ha="right", va="top", color="0.4")
ax.set_xscale("log", base=2)
ax.set(
    xlabel="code size $k$",
    ylabel="test error $\\|x - r\\|^2$",
    ylim=(0, 55),
    xticks=[1, 2, 4, 8, 16, 32, 64],
)
ax.xaxis.set_major_formatter("{x:.0f}")
ax.legend()
plots.show(
    f"Test error against code size on a logarithmic axis. The curve of PCA falls from {pca_errors[1]:.0f} at "
    f"one number to {pca_errors[64]:.0f} at 64. The deep and the convolutional autoencoder lie below it at "
    "2, 8 and 32."
)

# %%
for (name, k), value in errors.items():
    runtime.result(f"{name}_{k}_to_pca_error_ratio", value / pca_errors[k], at_most=0.95)

# %% [markdown]
# **Look at** the ratios. The advantage over PCA is largest at 8: with two numbers even a curved map leaves
# out most of a digit, and with many PCA is good as well. The convolutional network has fewer than half the
# parameters of the deep one, and is behind it after these few epochs, most at two numbers. (PCA is exact; the
# networks are not trained to the end, and each only once.)
#
# And look at the curve of PCA: how many numbers does it need for the error that the deep autoencoder reaches
# with 8? The next cell counts them.

# %%
for k in sizes:
    needed = int(np.argmax(pca_errors <= errors["deep", k]))  # the first such number
    print(f"deep, {k:2} numbers: as good as PCA with {needed}")

# %% [markdown]
# What do the errors look like? One test image of each digit, with codes of 8 numbers:

# %%
chosen = [int(np.argmax(y_test == digit)) for digit in range(10)]
rows = {"data": x_test[chosen], "PCA": pca_reconstruct(x_test[chosen], 8)}
for name in builders:
    encoder, decoder = trained[name, 8]
    rows[name] = apply(decoder, apply(encoder, x_test[chosen]))
image_rows(rows)
plots.show(
    "Ten test digits in the first row and their reconstructions from 8 numbers: PCA's are grey and blurred, "
    "those of the two networks are sharper and mostly readable."
)

# %% [markdown]
# **Look at** the rows of the networks. They are sharper, but not always right: a wrong guess can give a clean
# stroke in the wrong place. And all of them are a little blurred. The quadratic loss asks for the *mean* of
# all images that would fit the code, and a mean of sharp images is not sharp.

# %% [markdown]
# ## 6. A map of the digits
#
# A code of two numbers can be drawn. Here are 620 test images in the plane: left by PCA, right by the deep
# autoencoder. Each point is drawn as its label, which neither of them has seen; a larger name stands where
# most of the points nearby are of that class. Nothing in the loss fixes the scale of a code, and some digits
# lie far outside. So we draw the *rank* of each number: 1 for the smallest, 620 for the largest.

# %%
from scipy.stats import rankdata

encoder, decoder = trained["deep", 2]
maps = {"PCA": coordinates[:, :2], "deep autoencoder": apply(encoder, x_test)}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 4))
for ax, (name, z) in zip(axes, maps.items(), strict=True):
    plots.latent_scatter(rankdata(z[:620], axis=0), y_test[:620], ax=ax)
    ax.set(title=name, xlabel="rank of $h_1$", ylabel="rank of $h_2$")
plots.show(
    "Two maps of 620 test digits, each drawn as its label. In PCA's map most digits overlap in the middle, "
    "only 0 and 1 lie apart. In the autoencoder's map many digits have a region of their own; similar ones, "
    "such as 4 and 9, share one."
)

# %% [markdown]
# The map of the autoencoder is better sorted. We measure this: predict the label of each of 5,000 test images
# from the 10 nearest of the other 5,000 *in the map* (near by the two numbers themselves, not by their
# ranks).

# %%
from sklearn.neighbors import KNeighborsClassifier

neighbours = {}
for name, z in maps.items():
    nearest = KNeighborsClassifier(10).fit(z[5000:], y_test[5000:])
    neighbours[name] = nearest.score(z[:5000], y_test[:5000])
    print(f"{name:17} {neighbours[name]:.1%} of the labels right")
runtime.result(
    "map_neighbour_accuracy_above_pca", neighbours["deep autoencoder"] - neighbours["PCA"], at_least=0.1
)

# %% [markdown]
# The decoder goes the other way: it makes an image from *any* point of the plane. Let us decode a grid. Its
# lines are quantiles: between two neighbouring lines of one direction lie equally many codes.

# %%
z = maps["deep autoencoder"]
h1, h2 = np.quantile(z[:, 0], np.linspace(0.02, 0.98, 12)), np.quantile(z[:, 1], np.linspace(0.98, 0.02, 8))
grid = np.stack(np.meshgrid(h1, h2), axis=-1).astype("float32")  # (8, 12, 2)
image_rows({f"{value:.2g}": apply(decoder, row) for value, row in zip(h2, grid, strict=True)})
for column, name in enumerate(["$h_2$ \\ $h_1$"] + [f"{value:.2g}" for value in h1]):
    plt.text(1.05 * column - 0.55, 1.1, name, ha="center", va="bottom")
plots.show(
    "A grid of 8 by 12 decoded images; at each row its value of h2, above each column its value of h1. "
    "Neighbours look alike; the digits change into one another over the plane, and between some of them "
    "there are images that are no digit."
)

# %% [markdown]
# **Look at** the borders between digits. Some images there are no digits. Nothing in the loss asks that a
# point *between* codes means something, and nothing tells which points of the plane are codes at all. An
# autoencoder is not yet a generator. Lesson 10 mends this: the variational autoencoder.

# %% [markdown]
# ## 7. Sparse autoencoders
#
# ### A long code copies
#
# If the code is as long as the data, the network can copy. For linear layers $W = V = I$ does it:

# %%
identity = np.eye(784, dtype="float32")
assert error((x_test @ identity) @ identity) == 0

# %% [markdown]
# The error is zero, and the "code" is the image itself: nothing was learned. Still we may want long codes,
# with many features, of which each image needs only a few. So we do not limit the *length* of the code, but
# how much of it is *used*: we minimise
#
# $$L(\mathbf{x}, g(f(\mathbf{x}))) + \Omega(\mathbf{h}), \qquad \Omega(\mathbf{h}) = \lambda \sum_j |h_j| .$$


# %%
def sparse_penalty(h, lam):
    return lam * ops.mean(ops.sum(ops.abs(h), axis=-1))  # the mean over the batch, as for the loss


# %% [markdown]
# The L1 penalty pushes each number towards zero, with the same force however small it is (lesson 04), here
# numbers of the code instead of weights. ReLU makes the zeros exact: what is pushed below zero becomes 0. In
# Keras a layer can pass its input on and add something to the loss with `add_loss`:


# %%
class SparsePenalty(layers.Layer):
    def __init__(self, lam):
        super().__init__()
        self.lam = lam

    def call(self, h):
        self.add_loss(sparse_penalty(h, self.lam))
        return h


# %% [markdown]
# *A first trap.* Keras has a shorter way, the argument `activity_regularizer=keras.regularizers.L1(lam)`. But
# L1 adds up over the whole batch, while the loss is a mean; some versions of Keras divide by the batch size
# and others do not. `add_loss` takes exactly what we give it.
#
# *A second trap.* Halve $\mathbf{h}$ and double the decoder's weights: the reconstruction is the same, the
# penalty is half. The network could make the penalty as small as it likes, and nothing would be sparse. So
# the decoder may not grow: `UnitNorm` keeps each row of its kernel, the image that belongs to one $h_j$, at
# length 1.


# %%
def sparse_autoencoder(lam, k=256):
    encoder = keras.Sequential([keras.Input((784,)), layers.Dense(k, activation="relu"), SparsePenalty(lam)])
    decoder = keras.Sequential(
        [keras.Input((k,)), layers.Dense(784, kernel_constraint=keras.constraints.UnitNorm(axis=1))]
    )
    return encoder, decoder


# %% [markdown]
# We train it for four values of $\lambda$, on the images that PCA has seen, and longer than the networks
# above. Then we count for each test image how many of its 256 numbers are not zero. **Before you run the next
# cell:** what happens to the error when $\lambda$ grows?

# %%
lambdas = [0.0, 0.1, 0.3, 1.0]
sparse, active = {}, {}
for lam in lambdas:
    keras.utils.set_random_seed(1)
    encoder, decoder = sparse[lam] = sparse_autoencoder(lam)
    train(keras.Sequential([encoder, decoder]), x_train, budget.pick(smoke=1, cpu=14))
    h = apply(encoder, x_test)
    active[lam] = (h > 0).sum(axis=1).mean()
    errors["sparse", lam] = error(apply(decoder, h))
    by_pca = pca_errors[round(active[lam])]
    print(f"lambda {lam}: {active[lam]:5.1f} numbers not zero, ", end="")
    print(f"test error {errors['sparse', lam]:5.2f}, PCA with as many {by_pca:5.2f}")

# %%
figure, ax = plt.subplots()
ax.plot(np.arange(2, 201), pca_errors[2:201], color="black", label="PCA, $k$ numbers")
place = [active[lam] for lam in lambdas], [errors["sparse", lam] for lam in lambdas]
ax.plot(*place, "o--", color=plots.COLORS[1], label="sparse autoencoder")
for lam, x, y in zip(lambdas, *place, strict=True):
    below = {"xytext": (-6, -4), "ha": "right", "va": "top"}  # the curve of PCA lies above
    ax.annotate(f"$\\lambda = {lam:g}$", (x, y), textcoords="offset points", **below)
ax.set(xlabel="numbers that are not zero, of 256 (mean)", ylabel="test error", ylim=(0, None), xscale="log")
ax.legend()
plots.show(
    "Test error against the mean number of code numbers that are not zero. The larger lambda, the fewer "
    "numbers and the larger the error. The points of the sparse autoencoder lie below the curve of PCA, but "
    "for lambda 0, which lies on it."
)

# %%
ratios = {lam: errors["sparse", lam] / pca_errors[round(active[lam])] for lam in lambdas}
runtime.result("sparse_to_pca_error_ratio_at_equal_use", ratios[1.0], at_most=1)
assert budget.name == "smoke" or (max(ratios[0.1], ratios[0.3]) < 1 and abs(ratios[0.0] - 1) < 0.05)

# %% [markdown]
# **Look at** the printed pairs. With a penalty the sparse code loses less than PCA with as many numbers. (The
# comparison is kind to the sparse code: one must also know *which* numbers are not zero.) Without a penalty
# the two are about level. That takes long training: PCA is exact, and a network that has seen the images only
# a few times is still behind it. (Try `cpu=4` where the sparse networks are trained, and compare the first
# row. The `assert` above may then fail.) The larger $\lambda$, the fewer numbers are used, and the larger is
# the error.
#
# PCA uses the *same* $k$ directions for every image. The sparse autoencoder chooses a few of 256 for each
# image anew. What are they? Each row of the decoder's kernel is an image: what one number of the code adds to
# the reconstruction.

# %%
rows = {}
for lam in lambdas:
    encoder, decoder = sparse[lam]
    kernel = ops.convert_to_numpy(decoder.weights[0])  # (256, 784)
    most_used = kernel[np.argsort(-apply(encoder, x_test).mean(axis=0))[:10]]
    rows[f"$\\lambda = {lam:g}$"] = 0.5 + 0.5 * most_used / np.abs(most_used).max(axis=1, keepdims=True)
image_rows(rows)
plots.show(
    "For each lambda, ten rows of the decoder's kernel as images, grey is 0. Without penalty they are grainy "
    "and hard to name. At 0.1 and 0.3 they are single strokes and curves, at 1 nearly whole digits."
)

# %% [markdown]
# **Look at** the rows from top to bottom. The fewer features an image may use, the larger the piece that one
# of them draws: single strokes and curves at 0.1 and 0.3, nearly whole digits at 1.
#
# ## 8. Denoising autoencoders
#
# A second way to stop the network from copying (Vincent et al., 2008; in depth, with several layers trained
# one after the other, Vincent et al., 2010): give it a **corrupted** image $\tilde{\mathbf{x}}$, and ask for
# the original one. Instead of $L(\mathbf{x}, g(f(\mathbf{x})))$ we minimise
#
# $$L(\mathbf{x}, g(f(\tilde{\mathbf{x}}))) .$$
#
# One step of training (Vincent, Larochelle, Bengio & Manzagol, 2008):
#
# 1. take an example $\mathbf{x}$ from the training data;
# 2. draw a corrupted version $\tilde{\mathbf{x}}$ from a process $C(\tilde{\mathbf{x}} \mid \mathbf{x})$;
# 3. take $(\tilde{\mathbf{x}}, \mathbf{x})$ as input and target, and minimise
#    $-\log p(\mathbf{x} \mid \mathbf{h} = f(\tilde{\mathbf{x}}))$.
#
# Step 3 is the quadratic loss again, if $p(\mathbf{x} \mid \mathbf{h})$ is normal with mean $g(\mathbf{h})$
# and a fixed variance $\sigma^2$ in every pixel. Then
# $-\log p = \|\mathbf{x} - g(\mathbf{h})\|^2 / (2 \sigma^2)$ plus a constant:

# %%
from scipy.stats import norm

sigma, r = 0.3, np.full(784, 0.5)
negative_log = -norm.logpdf(x_test[:100], loc=r, scale=sigma).sum(axis=1)
constant = 784 * np.log(sigma * np.sqrt(2 * np.pi))
assert np.allclose(negative_log, np.square(x_test[:100] - r).sum(axis=1) / (2 * sigma**2) + constant)

# %% [markdown]
# Three ways to corrupt an image: **Gaussian** noise of standard deviation `level`, clipped to $[0, 1]$;
# **salt and pepper**, where a share `level` of the pixels becomes black or white; **missing** pixels, where a
# share `level` becomes 0.


# %%
def corrupt(x, kind, level, rng):
    """Return a corrupted copy of x, values in [0, 1]."""
    if kind == "gaussian":
        return np.clip(x + level * rng.standard_normal(x.shape, dtype="float32"), 0, 1)
    hit = rng.random(x.shape, dtype="float32") < level
    value = rng.integers(0, 2, x.shape, dtype="uint8") if kind == "salt and pepper" else 0
    return np.where(hit, value, x).astype("float32")


# %%
noises = {"gaussian": 0.5, "salt and pepper": 0.3, "missing": 0.5}  # kind: level in training
rng = np.random.default_rng(1)
noisy = {kind: corrupt(x_test[chosen], kind, level, rng) for kind, level in noises.items()}
image_rows({"data": x_test[chosen]} | {kind.replace(" and ", "\nand "): z for kind, z in noisy.items()})
plots.show(
    "Ten test digits: as they are, with Gaussian noise, with salt and pepper, with half of the pixels "
    "missing."
)

# %% [markdown]
# The quality of an image is often told as **PSNR**, the peak signal-to-noise ratio in decibels (dB). With
# pixels between 0 and 1 it is
#
# $$\text{PSNR} = 10 \log_{10} \frac{1}{\text{MSE}}, \qquad
# \text{MSE} = \frac{1}{784} \|\mathbf{x} - \mathbf{r}\|^2 .$$
#
# Larger is better; 10 dB more is a tenth of the error.


# %%
def psnr(x, r):
    mse = np.square(x - r).mean(axis=1)
    return float(np.mean(10 * np.log10(1 / mse)))  # mean over the images


# %% [markdown]
# We train one network for each kind of noise, each at one level. The noise is drawn anew in every epoch: the
# network never sees the same corrupted image twice, so it cannot learn the noise by heart.


# %%
def denoising_autoencoder(k=256):
    encoder = keras.Sequential([keras.Input((784,)), layers.Dense(k, activation="relu")])
    decoder = keras.Sequential([keras.Input((k,)), layers.Dense(784, activation="sigmoid")])
    return encoder, decoder


# %%
denoisers = {}
for kind, level in noises.items():
    keras.utils.set_random_seed(1)
    encoder, decoder = denoisers[kind] = denoising_autoencoder()
    corruption = partial(corrupt, kind=kind, level=level, rng=np.random.default_rng(1))
    train(keras.Sequential([encoder, decoder]), x_train, budget.pick(smoke=1, cpu=4), corruption=corruption)


def denoise(kind, x):
    encoder, decoder = denoisers[kind]
    return apply(decoder, apply(encoder, x))


# %% [markdown]
# First the levels of the training, on test images. As a baseline we take PCA with 40 numbers, fitted to the
# clean images: it throws away what lies outside the subspace of the digits, and much of the noise is there.
# **Before you run the next cell, what do you expect** of its PSNR?

# %%
rng = np.random.default_rng(2)
x = x_test[:2000]
for kind, level in noises.items():
    noisy = corrupt(x, kind, level, rng)
    before, after = psnr(x, noisy), psnr(x, denoise(kind, noisy))
    by_pca = psnr(x, np.clip(pca_reconstruct(noisy, 40), 0, 1))
    print(f"{kind:15} {level}: noisy {before:4.1f} dB, PCA {by_pca:4.1f} dB, autoencoder {after:4.1f} dB")
    name = kind.replace(" ", "_")
    runtime.result(f"denoising_{name}_gain_db", after - before, at_least=3)
    runtime.result(f"denoising_{name}_gain_over_pca_db", after - by_pca, at_least=1)

# %%
rows = {}
for kind, level in noises.items():
    name = kind.replace(" and ", "\nand ")
    rows[name] = corrupt(x_test[chosen], kind, level, rng)
    rows[f"{name}\ndenoised"] = denoise(kind, rows[name])
image_rows({**rows, "data": x_test[chosen]})
plots.show(
    "Ten test digits under three kinds of noise, each followed by the denoised images, and the clean images "
    "in the last row. Most of the denoised digits can be read."
)

# %% [markdown]
# **Look at** the column of PCA. Where noise was added it gains six to seven decibels, but hardly more than
# one where pixels are missing. (A guess: a missing stroke is not noise outside the subspace of the digits.)
#
# ### Levels and kinds of noise never seen
#
# Each network was trained at *one* level. Here all three meet all kinds, from weak to strong. The vertical
# line is the level of the training.

# %%
levels = {"gaussian": [0.1, 0.25, 0.5, 0.75, 1.0], "salt and pepper": [0.05, 0.1, 0.3, 0.5, 0.7]}
levels["missing"] = [0.2, 0.35, 0.5, 0.75, 0.9]
figure, axes = plt.subplots(1, 3, figsize=(9, 3.5), sharey=True)
for ax, (kind, values) in zip(axes, levels.items(), strict=True):
    noisy = [corrupt(x, kind, level, rng) for level in values]
    ax.plot(values, [psnr(x, images) for images in noisy], color="black", marker="X", label="noisy")
    for i, trained_on in enumerate(denoisers):
        style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "linestyle": plots.LINES[i + 1]}
        after = [psnr(x, denoise(trained_on, images)) for images in noisy]
        ax.plot(values, after, label=f"trained on {trained_on}", **style)
    ax.axvline(noises[kind], color="0.7", linewidth=1)
    ax.set(title=kind, xlabel="level")
axes[0].set_ylabel("PSNR in dB")
axes[0].legend(fontsize=8)
plots.show(
    "PSNR against the level of the noise in three panels: Gaussian, salt and pepper, missing pixels. Black: "
    "the noisy images. Coloured: the output of the three networks. On its own kind of noise each network is "
    "above black at the level of its training and beyond; at weak noise it is little above black or below "
    "it, for Gaussian noise far below."
)

# %% [markdown]
# **Look at** the left end of each panel. Weak noise: the network helps little, or does harm. For Gaussian
# noise its curve even *falls* towards weaker noise, for salt and pepper too, and a little for missing pixels.
# This cannot be only how
# well the network can copy: what it can at level 0.5, it could at 0.1. Take the Gaussian noise, and look at
# the noisy digits once more. Clipping keeps black from becoming darker, so noise makes the background grey.
# The network has learned to take a grey veil away, and at weak noise there is none: its inputs are not like
# those of its training.
#
# If this is the cause, a clean image needs only the veil, and no noise, to come out well. The mean of many
# noisy copies of an image is such an image. **Before you run the next cell:** which result would show that
# the cause is another one?

# %%
veiled = sum(corrupt(x, "gaussian", 0.5, rng) for _ in range(50)) / 50
copies = {"clean": denoise("gaussian", x), "under a veil": denoise("gaussian", veiled)}
for name, copy in copies.items():
    print(f"{name:12} -> {psnr(x, copy):.1f} dB, mean brightness {copy.mean():.3f} (true {x.mean():.3f})")
gain = psnr(x, copies["under a veil"]) - psnr(x, copies["clean"])
runtime.result("denoising_veil_gain_db", gain, at_least=3)

# %% [markdown]
# The same network, the same digits: under the veil they come out well, without it far too bright. (If the
# network just copied badly, the veil would not help.) So to this network weak noise does harm because the
# inputs are shifted, away from those of its training. The lab derives the veil exactly, and asks the same of
# another network.
#
# Then look at how each network does on a kind of noise that it was not trained on. At the levels of the
# training all three help with Gaussian noise and with salt and pepper. These two both make black pixels
# brighter, and their networks help with each other's noise more than the third one does. (At weak noise it is
# the other way round: the third does least harm.) Where pixels are missing, which makes the image darker, the
# first two help little or do harm. A denoiser is made for a range of noise around that of its training; one
# that must do more has to see more.
#
# What can the network know? With the quadratic loss the best $g(f(\tilde{\mathbf{x}}))$ is the mean of all
# images that could lie behind $\tilde{\mathbf{x}}$,
# $\mathbb{E}[\mathbf{x} \mid \tilde{\mathbf{x}}]$. To compute it one has to know what digits look like.
# This is why denoising teaches a network something about the data.
#
# ### Where the arrows point
#
# For the moons of section 3 the best answer can be computed. Let the 10,000 points $\mathbf{x}^{(i)}$ stand
# for the data. The noise is normal with standard deviation $\sigma$, so the mean of what could lie behind
# $\tilde{\mathbf{x}}$ is
#
# $$\mathbb{E}[\mathbf{x} \mid \tilde{\mathbf{x}}] = \sum_i w_i\, \mathbf{x}^{(i)}, \qquad
# \mathbf{w} = \text{softmax}(\mathbf{z}), \qquad
# z_i = -\frac{\|\tilde{\mathbf{x}} - \mathbf{x}^{(i)}\|^2}{2 \sigma^2} .$$

# %%
from scipy.special import logsumexp, softmax


def exponents(x):
    return -np.square(x[:, None] - moons).sum(axis=2) / (2 * SPREAD**2)  # (n, 10000)


noisy = shake(moons[:1000])
exact = softmax(exponents(noisy), axis=1) @ moons
by_network = apply(moon_denoiser, noisy)
distances = {"noisy points": noisy, "network": by_network}
for name, points in distances.items():
    print(f"{name:12} to the best answer: {np.sqrt(error(points, exact)):.3f} (root of the mean square)")
assert budget.name == "smoke" or error(by_network, exact) < error(noisy, exact) / 25

# %% [markdown]
# The network comes close to it, and it has seen nothing but pairs of points. Its arrows mean something, too.
# The noisy points have the density $p(\tilde{\mathbf{x}})$, the mean of the normal densities around all
# $\mathbf{x}^{(i)}$. Its logarithm is $\log \sum_i e^{z_i}$ plus a constant; take the gradient, and the
# weights $w_i$ appear:
#
# $$\nabla \log p(\tilde{\mathbf{x}}) = \sum_i w_i\, \frac{\mathbf{x}^{(i)} - \tilde{\mathbf{x}}}{\sigma^2}
# = \frac{\mathbb{E}[\mathbf{x} \mid \tilde{\mathbf{x}}] - \tilde{\mathbf{x}}}{\sigma^2} .$$

# %%
point = noisy[:20].astype("float64")
step = np.array([1e-4, 0])  # a difference quotient, for the first of the two derivatives
slope = (logsumexp(exponents(point + step), axis=1) - logsumexp(exponents(point - step), axis=1)) / 2e-4
assert np.allclose(slope, (exact[:20, 0] - point[:, 0]) / SPREAD**2, atol=1e-2)

# %% [markdown]
# So the arrows, divided by $\sigma^2$, are about the gradient of the log-density. It is called the **score**,
# and it points to where data are more probable; a denoising autoencoder learns it (Vincent, 2011).
# *Diffusion models* generate images by following such arrows in many small steps, from much noise to little.

# %% [markdown]
# ## 9. Contractive autoencoders
#
# The third way: penalise the derivatives of the code. A small change of $\mathbf{x}$ shall change
# $\mathbf{h}$ little (Rifai, Vincent, Muller, Glorot & Bengio, 2011). We minimise
#
# $$L(\mathbf{x}, g(f(\mathbf{x}))) + \Omega(\mathbf{h}, \mathbf{x}), \qquad
# \Omega(\mathbf{h}, \mathbf{x}) = \lambda \sum_j \|\nabla_{\mathbf{x}} h_j\|^2 .$$
#
# The sum is the squared Frobenius norm of the Jacobian matrix
# $J = \partial \mathbf{h} / \partial \mathbf{x}$, whose row $j$ is $\nabla_{\mathbf{x}} h_j$. For one
# hidden layer of sigmoids, $\mathbf{h} = \sigma(\mathbf{b} + W \mathbf{x})$, it has a closed form. With
# $\sigma' = \sigma (1 - \sigma)$ (lesson 01) and the chain rule
#
# $$\frac{\partial h_j}{\partial x_l} = h_j (1 - h_j)\, W_{jl}, \qquad
# \|J\|_F^2 = \sum_j \bigl(h_j (1 - h_j)\bigr)^2 \sum_l W_{jl}^2 .$$


# %%
def squared_jacobian_norm(h, W):
    """Return the squared norm of dh/dx for codes h (n, k) of a sigmoid layer with weights W (k, d)."""
    return ops.sum(ops.square(h * (1 - h)) * ops.sum(ops.square(W), axis=1), axis=1)


# %% [markdown]
# No Jacobian was ever built. Is it right? Automatic differentiation builds it, for ten images:

# %%
import tensorflow as tf

rng = np.random.default_rng(1)
W, b = rng.normal(size=(64, 784)) / 28, rng.normal(size=64)
x = tf.constant(x_test[:10].astype("float64"))
with tf.GradientTape() as tape:
    tape.watch(x)
    h = tf.sigmoid(b + x @ W.T)
J = tape.batch_jacobian(h, x).numpy()
print("J", J.shape)
assert np.allclose(np.square(J).sum(axis=(1, 2)), squared_jacobian_norm(h, W), rtol=1e-10)

# %% [markdown]
# The trap of section 7 is here too. Make $W$ small and the decoder's weights large: $J$ becomes small and
# the copy stays as good. So encoder and decoder share *one* matrix, as in the paper. These are **tied
# weights**:
#
# $$\mathbf{h} = \sigma(\mathbf{b} + W \mathbf{x}), \qquad
# \mathbf{r} = \sigma(\mathbf{c} + W^\top \mathbf{h}) .$$


# %%
class ContractiveAutoencoder(keras.Model):
    def __init__(self, k, lam):
        super().__init__()
        self.lam = lam
        self.W = self.add_weight(shape=(k, 784), initializer="glorot_uniform", name="W")
        self.b = self.add_weight(shape=(k,), initializer="zeros", name="b")
        self.c = self.add_weight(shape=(784,), initializer="zeros", name="c")

    def encode(self, x):
        return ops.sigmoid(self.b + ops.matmul(x, ops.transpose(self.W)))

    def decode(self, h):
        return ops.sigmoid(self.c + ops.matmul(h, self.W))

    def call(self, x):
        h = self.encode(x)
        self.add_loss(self.lam * ops.mean(squared_jacobian_norm(h, self.W)))  # Omega
        return self.decode(h)


# %%
contractive = {}
for lam in (0.0, 1.0):
    keras.utils.set_random_seed(1)
    model = contractive[lam] = ContractiveAutoencoder(128, lam)
    train(model, x_train, budget.pick(smoke=1, cpu=4))
    h = apply(model.encode, x_test)
    norm_of_j = float(ops.mean(squared_jacobian_norm(h, model.W)))
    print(f"lambda {lam}: test error {error(apply(model.decode, h)):.1f}, squared norm of J {norm_of_j:.2f}")

# %% [markdown]
# Is the code more robust? We add Gaussian noise to the test images and measure how far the code moves. How
# far is far? We divide by the mean distance of the codes of two *different* test images.
# **Before you run the next cell:** why would the distance alone not be a fair measure?


# %%
def movement(model, level):
    """Return how far noise moves the code, as a share of the distance between images."""
    x = x_test[:2000]
    noise = level * np.random.default_rng(1).standard_normal(x.shape, dtype="float32")
    h, moved = apply(model.encode, x), apply(model.encode, x + noise)
    return np.linalg.norm(moved - h, axis=1).mean() / np.linalg.norm(h[:1000] - h[1000:], axis=1).mean()


def singular_values(model):
    """Return the singular values of J, sorted, their mean over 100 test images."""
    h, W = apply(model.encode, x_test[:100]), ops.convert_to_numpy(model.W)
    slope = h * (1 - h)
    JJ = slope[:, :, None] * (W @ W.T) * slope[:, None, :]  # J times its transpose: eigenvalues are squares
    return np.sqrt(np.maximum(np.linalg.eigvalsh(JJ), 0)).mean(axis=0)[::-1]


# %%
noise_levels = [0.05, 0.1, 0.2, 0.3, 0.5]
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3))
for i, (lam, model) in enumerate(contractive.items()):
    style = {"color": plots.COLORS[i], "linestyle": plots.LINES[i], "label": f"$\\lambda = {lam:g}$"}
    moved = [movement(model, level) for level in noise_levels]
    left.plot(noise_levels, moved, marker=plots.MARKERS[i], **style)
    right.semilogy(np.arange(1, 129), singular_values(model), **style)
left.set(xlabel="standard deviation of the noise", ylabel="relative movement of the code", ylim=(0, None))
right.set(xlabel="number", ylabel="singular value of $J$", title="mean of 100 test images", ylim=(1e-3, None))
left.legend()
plots.show(
    "Left: the movement of the code grows with the noise, and is smaller with the penalty. Right: the "
    "singular values of the Jacobian, sorted; with the penalty they are smaller and fall faster."
)
gain = movement(contractive[0.0], 0.3) / movement(contractive[1.0], 0.3)
runtime.result("contractive_robustness_gain", gain, at_least=1.2)

# %% [markdown]
# **Look at** the right figure. The singular values of $J$ tell how much the code changes for a step in the
# image, direction by direction. The penalty wants all of them small; the reconstruction needs some of them:
# without them, different digits would have the same code. What remains large should be the directions in
# which digits really differ, those along the manifold (a guess: we have not looked at them). (The distance
# alone would not be a fair measure on the left: an encoder with all codes close together moves them little,
# and also tells images apart badly.)

# %% [markdown]
# ## 10. Codes as features, when labels are few
#
# Labels cost work, images often do not. So train an autoencoder on all images, without labels, and then a
# simple classifier on the codes of the few images with labels. Does it help? We compare logistic regression
# on five kinds of features, with 10, 50 and 100 labelled images of each class.
#
# Two things make the comparison fair. The classifier has a penalty of strength $1/C$, and one $C$ is not the
# same strength for 784, 256 and 32 numbers. So `GridSearchCV` chooses $C$ for each kind of features by 5-fold
# cross-validation on the *labelled* images, and then fits to all of them. And which images have labels is a
# matter of chance: we draw them several times, the *same* ones for all features. Each draw then gives a
# **difference** to the pixels, in which part of the luck of the draw cancels. In the `cpu` budget this makes
# 2,520 fits of a classifier: the cell with the loops takes about a minute. (`threadpool_limits(1)`: on so
# small matrices two threads mostly wait for each other, and a fit takes much longer.)

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

features = {
    "pixels": lambda x: x,
    "PCA, 32": lambda x: (x - mean) @ pca.components_[:32].T,
    "deep, 32": lambda x: apply(trained["deep", 32][0], x),
    "sparse, 256": lambda x: apply(sparse[0.3][0], x),
    "denoising, 256": lambda x: apply(denoisers["gaussian"][0], x),
}


def draw(per_class, rng):
    """Return the indices of randomly chosen training images, per_class of each digit."""
    return np.concatenate(
        [rng.choice(np.flatnonzero(y_train == digit), per_class, replace=False) for digit in range(10)]
    )


# %%
counts = budget.pick(smoke=[10], cpu=[10, 50, 100])  # labelled images of each class
draws = budget.pick(smoke=2, cpu=8)
choices = {"C": [1, 0.1, 0.01, 0.001]}
accuracy = {}
for name, feature in features.items():
    test_features = feature(x_test)
    scale = feature(x_train).std()  # one number for all, found without labels
    for per_class in counts:
        for number in range(draws):
            labelled = draw(per_class, np.random.default_rng(number))  # the same images for all features
            search = GridSearchCV(LogisticRegression(max_iter=2000, tol=1e-3), choices, cv=5)
            with threadpool_limits(1):
                search.fit(feature(x_train[labelled]) / scale, y_train[labelled])
            score = search.score(test_features / scale, y_test)
            accuracy.setdefault((name, per_class), []).append(score)

# %%
scores = {name: np.array([accuracy[name, n] for n in counts]) for name in features}  # (counts, draws)
gains = {name: scores[name] - scores["pixels"] for name in features if name != "pixels"}
for title, table in (("accuracy", scores), ("difference to pixels", gains)):
    print(title, "(mean ± s.d. over draws), labelled images a class:", counts)
    for name, values in table.items():
        print(f"  {name:15}", "  ".join(f"{row.mean():6.1%} ± {row.std(ddof=1):.1%}" for row in values))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8))
for ax, table in zip(axes, (scores, gains), strict=True):
    for name, values in table.items():
        i = list(features).index(name)
        style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "linestyle": plots.LINES[i % 4]}
        place = np.array(counts) * 1.05 ** (i - 2)  # side by side
        deviations = values.std(axis=1, ddof=1)
        ax.errorbar(place, 100 * values.mean(axis=1), 100 * deviations, capsize=3, label=name, **style)
    ax.set(xscale="log", xticks=counts, xlabel="labelled images of each class")
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.minorticks_off()
axes[0].set(ylabel="test accuracy in %")
axes[0].legend()
axes[1].axhline(0, color=plots.COLORS[0])
axes[1].set(ylabel="ahead of the pixels, in points")
ahead = ", ".join(f"{name.split(',')[0]} {100 * values[-1].mean():+.1f}" for name, values in gains.items())
plots.show(
    "Two panels against the number of labelled images of each class, with error bars. Left, test accuracy on "
    "five kinds of features: five rising curves, close together. Right, the differences to the pixels; at "
    f"the right end, in points: {ahead}."
)

# %%
for i, n in enumerate(counts):
    for name in ("deep, 32", "sparse, 256", "denoising, 256"):
        kind = name.split(",")[0]
        runtime.result(f"{kind}_code_gain_over_pixels_{n}_labels", gains[name][i].mean())
if budget.name != "smoke":
    points = {name: 100 * values[-1] for name, values in gains.items()}  # with 100 labels of each class
    assert points["sparse, 256"].min() > 0
    assert 1 < points["sparse, 256"].mean() < 2.2
    assert 0.2 < points["denoising, 256"].mean() < 1.5
    assert max(points["PCA, 32"].mean(), points["deep, 32"].mean()) < -0.2

# %% [markdown]
# **Look at** the right panel; the line at zero is the pixels. With ten labels of each class the differences
# are smaller than their spread, or about as large: it matters more *which* images were drawn than which
# features are used. With a hundred, the two long codes are ahead, the sparse one by between one and two
# points, and in every draw, the denoising one by about one. The two short ones are about one point behind;
# what they gain is size, 32 numbers instead of 784. (For a mean of eight draws, the standard error is the
# standard deviation divided by $\sqrt{8}$.) With ten labels the left panel's error bars are larger than most
# differences. With 50 and 100 the differences vary from draw to draw about as much as the accuracies: there
# the pairing gains little.
#
# That is less than one might hope. Pixels are a strong baseline here: MNIST's digits are centred and have one
# size, so that the same pixel means much the same thing in every image. And a code keeps what the
# reconstruction needs, such as the slant and the width of the strokes; nobody told it that only the class
# counts.
#
# A caution: each network was trained once, and the sparse one longest. The spread over draws knows nothing of
# that. So this does not show that sparse codes are better than denoising ones.
#
# A third way, besides labels alone and two stages, is to learn both **at once**: minimise the loss of the
# reconstruction over all images plus the cross-entropy of a classifier on the code over those with labels.
# Then labels take part in forming the code. This is semi-supervised learning in the narrow sense; lesson 10
# comes back to it.
#
# On data where single pixels mean little, features that were learned without labels can help much more.
# Something like it was seen in lesson 07: there a network trained on a large collection of images gave the
# features for a new task. (Its training had labels, but those of other classes.)
#
# Anomalies are another use that needs no labels: an image unlike the training data has a large reconstruction
# error. The lab leaves one digit out of the training and tries to recognise it that way.

# %% [markdown]
# ## Summary
#
# - An autoencoder is an encoder $\mathbf{h} = f(\mathbf{x})$ and a decoder $\mathbf{r} = g(\mathbf{h})$,
#   trained together on $L(\mathbf{x}, g(f(\mathbf{x})))$, without labels. Something must stop it from
#   copying: a short code, a penalty, or noise.
# - Linear layers and the quadratic loss give the subspace and the error of PCA, but not its single
#   directions. Deep and convolutional networks have a smaller error at the same code size.
# - **Sparse**: $\lambda \sum_j |h_j|$; each image uses a few of many features. **Denoising**: from
#   $\tilde{\mathbf{x}}$ to $\mathbf{x}$; reconstruction minus input points to the data. **Contractive**:
#   $\lambda \sum_j \|\nabla_{\mathbf{x}} h_j\|^2$; small changes of the image change the code little. A
#   penalty on the code or on the encoder needs a bound on the decoder, or the network avoids it.
# - Codes can serve as features when labels are few. How much they help has to be measured.
# - Autoencoders have limits. The quadratic loss makes reconstructions blurred. For complex images a short
#   code loses much. And between the codes there may be nothing: to *generate* images one needs more, as in
#   lessons 10 to 12.
#
# ## References
#
# - P. Baldi, K. Hornik (1989), *Neural networks and principal component analysis: learning from examples
#   without local minima*, Neural Networks 2(1), 53–58,
#   [doi:10.1016/0893-6080(89)90014-2](https://doi.org/10.1016/0893-6080(89)90014-2).
# - H. Bourlard, Y. Kamp (1988), *Auto-association by multilayer perceptrons and singular value
#   decomposition*, Biological Cybernetics 59, 291–294,
#   [doi:10.1007/BF00332918](https://doi.org/10.1007/BF00332918).
# - G. E. Hinton, R. R. Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*,
#   Science 313, 504–507, [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647).
# - P. Vincent, H. Larochelle, Y. Bengio, P.-A. Manzagol (2008), *Extracting and composing robust features
#   with denoising autoencoders*, ICML,
#   [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol (2010), *Stacked denoising autoencoders*,
#   [Journal of Machine Learning Research 11, 3371–3408](https://jmlr.org/papers/v11/vincent10a.html).
# - P. Vincent (2011), *A connection between score matching and denoising autoencoders*, Neural Computation
#   23(7), 1661–1674, [doi:10.1162/NECO_a_00142](https://doi.org/10.1162/NECO_a_00142).
# - S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio (2011), *Contractive auto-encoders: explicit
#   invariance during feature extraction*, ICML, 833–840.
# - I. Goodfellow, Y. Bengio, A. Courville (2016), *Deep Learning*, MIT Press, chapter 14,
#   [deeplearningbook.org](https://www.deeplearningbook.org).
#
# ## Now you
#
# In the lab you go one step further with each idea: PCA with equal spread, tied weights for any layer, a code
# of which only $k$ numbers pass, the gradient of the contractive penalty, the exact brightness of a noisy
# pixel. You mend two pieces of code, and recognise a digit that the network has never seen:
# [`../labs/09_autoencoders.ipynb`](../labs/09_autoencoders.ipynb).
