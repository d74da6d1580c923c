# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.4, cpu: 0.6}
# ---

# %% [markdown]
# # Lab 05: convolution
#
# You write the layers of a convolutional network with NumPy: padding, convolution with stride and channels,
# pooling. Each must give what Keras gives. Then you choose a kernel by hand, and build a small network that
# reads digits.
#
# **How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
# below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
# with the course's own version, so every later cell still runs. The lecture is
# [`../notebooks/05_convolution.ipynb`](../notebooks/05_convolution.ipynb). Close it while you write, and
# compare afterwards.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import convolution as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# %% [markdown]
# ## 1. The size of the output
#
# An axis of `h` pixels gets `p` zeros on *both* sides. A kernel of size `f` moves over it with stride `s`. At
# how many places does it stop?
#
# $$\left\lfloor \frac{h + 2p - f}{s} \right\rfloor + 1$$
#
# Return an integer.
#
# <details><summary>Hint</summary>
#
# `7 / 2` is `3.5`, `7 // 2` is `3`.
#
# </details>


# %% exercise="output-size"
def output_size(h, f, p, s):
    """Return the number of places of a kernel of size f on h pixels with padding p and stride s."""
    ### BEGIN SOLUTION
    return (h + 2 * p - f) // s + 1
    ### END SOLUTION


# %% check="output-size" points=1
output_size = check.output_size(output_size)

# %% [markdown]
# ## 2. The number of parameters
#
# A convolution layer has `n` filters of size `f` × `f`, each with a bias. Its input has the shape
# `(h, w, c)`. How many parameters does the layer have? (You may not need every argument.)
#
# <details><summary>Hint</summary>
#
# First count the weights of *one* filter. It is as deep as the input. Then its bias. Then all filters.
#
# </details>


# %% exercise="parameter-count"
def parameter_count(h, w, c, f, n):
    """Return the number of parameters of n filters (f, f) with biases on an input (h, w, c)."""
    ### BEGIN SOLUTION
    return (f * f * c + 1) * n
    ### END SOLUTION


# %% check="parameter-count" points=1
parameter_count = check.parameter_count(parameter_count)

# %% [markdown]
# Keras agrees on a layer that is not in the check:

# %%
layer = keras.layers.Conv2D(20, 5, strides=2)
layer.build((None, 32, 48, 6))
print("output ", layer.compute_output_shape((1, 32, 48, 6)))
print("formula", (1, output_size(32, 5, 0, 2), output_size(48, 5, 0, 2), 20))
print("parameters", layer.count_params(), "formula", parameter_count(32, 48, 6, 5, 20))

# %% [markdown]
# ## 3. Padding for SAME
#
# With `padding="same"` Keras gives an output of $\lceil h/s \rceil$ rows. For this it needs
#
# $$P = \max\left(0,\; \left(\left\lceil \tfrac{h}{s} \right\rceil - 1\right) s + f - h\right)$$
#
# rows of zeros, $\lfloor P/2 \rfloor$ of them above and the others below. The same holds for the columns,
# with $w$ in place of $h$; the larger part is on the right.
#
# Pad the batch `x` of shape `(batch, h, w, c)` with zeros. The batch and the channels stay as they are.
#
# <details><summary>Hint</summary>
#
# `np.pad(x, pairs)` takes a list with one pair (before, after) for *each* of the four axes. A small function
# inside yours that returns the pair for one axis saves you from writing the formula twice. Rounding up
# without floats: `-(-h // s)`.
#
# </details>


# %% exercise="pad-same"
def pad_same(x, f, s):
    """Return x (batch, h, w, c) with the zeros of padding="same" for kernels (f, f) and stride s."""

    ### BEGIN SOLUTION
    def pair(size):
        total = max(0, (-(-size // s) - 1) * s + f - size)
        return total // 2, total - total // 2

    return np.pad(x, [(0, 0), pair(x.shape[1]), pair(x.shape[2]), (0, 0)])
    ### END SOLUTION


# %% check="pad-same" points=2
pad_same = check.pad_same(pad_same)

# %% [markdown]
# **Before you run the next cell, what do you expect?** A kernel of size 4, stride 1: how many zeros are on
# each side of this image of ones?

# %%
print(pad_same(np.ones((1, 3, 4, 1)), f=4, s=1)[0, :, :, 0].astype(int))

# %% [markdown]
# ## 4. One channel
#
# Write the cross-correlation of an image $I$ of shape $(h, w)$ with a kernel $K$ of shape $(f, f)$, without
# padding, and **without a Python loop over the pixels** (one over the few places of the kernel is allowed):
#
# $$(K * I)(i, j) = \sum_{m, n} K(m, n)\, I(i + m, j + n)$$
#
# The result has the shape $(h - f + 1, w - f + 1)$.
#
# <details><summary>Hint</summary>
#
# `sliding_window_view(image, kernel.shape)` has the shape $(h - f + 1, w - f + 1, f, f)$. Which axes does it
# share with the kernel? `np.tensordot(a, b, axes=k)` multiplies and sums over the last `k` axes of `a` and
# the first `k` of `b`.
#
# </details>


# %% exercise="cross-correlate"
def cross_correlate(image, kernel):
    """Return the cross-correlation of image (h, w) with kernel (f, f), shape (h - f + 1, w - f + 1)."""
    ### BEGIN SOLUTION
    return np.tensordot(sliding_window_view(image, kernel.shape), kernel, axes=2)
    ### END SOLUTION


# %% check="cross-correlate" points=3
cross_correlate = check.cross_correlate(cross_correlate)

# %% [markdown]
# ## 5. The convolution layer
#
# Now all of it, for a batch of images with channels:
#
# $$z(x, y, k) = \sum_c \sum_m \sum_n F_k^c(m, n) \cdot img^c(s\,x + m,\; s\,y + n) + b_k$$
#
# | | shape |
# | --- | --- |
# | `x` | $(batch, h, w, c)$ |
# | `kernels` | $(f, f, c, N)$: `kernels[m, n, c, k]` is $F_k^c(m, n)$ |
# | `bias` | $(N,)$ |
# | result | $(batch, h', w', N)$ |
#
# `stride` is a number, `padding` is `"valid"` or `"same"`. There is no activation. Again without a loop over
# the pixels.
#
# <details><summary>Hint</summary>
#
# 1. If the padding is `"same"`, use your `pad_same`.
# 2. `sliding_window_view(x, (f, f), axis=(1, 2))` has the shape $(batch, \cdot, \cdot, c, f, f)$.
# 3. Keep every `stride`-th window, along both axes.
# 4. The kernels have the channel *after* the two axes of the patch, the windows have it *before*.
#    `np.moveaxis` moves an axis. Then one tensor product over three axes.
#
# </details>


# %% exercise="conv2d"
def conv2d(x, kernels, bias, stride, padding):
    """Return the convolution layer's output: x (batch, h, w, c), kernels (f, f, c, N), bias (N,)."""
    ### BEGIN SOLUTION
    f = kernels.shape[0]
    if padding == "same":
        x = pad_same(x, f, stride)
    windows = sliding_window_view(x, (f, f), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(np.moveaxis(windows, 3, 5), kernels, axes=3) + bias
    ### END SOLUTION


# %% check="conv2d" points=5
conv2d = check.conv2d(conv2d)

# %% [markdown]
# Against Keras, on 90 layers with random kernels and biases:

# %%
from itertools import product

rng = np.random.default_rng(1)
differences = []
for f, s, padding, c in product(range(1, 6), range(1, 4), ["valid", "same"], [1, 3, 8]):
    layer = keras.layers.Conv2D(4, f, strides=s, padding=padding, bias_initializer="random_normal")
    x = rng.normal(size=(2, 11, 14, c)).astype("float32")
    with keras.device("cpu:0"):  # graphics cards round more coarsely
        theirs = keras.ops.convert_to_numpy(layer(x))
    K, b = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
    differences.append(np.abs(conv2d(x, K, b, s, padding) - theirs).max())
print(len(differences), "layers")
runtime.result("lab_conv2d_largest_difference_to_keras", max(differences), at_most=1e-5)

# %% [markdown]
# ### How fast is it?
#
# The same layer with loops over images, rows, columns and filters, as one would write it first:


# %%
def conv2d_loop(x, kernels, bias):
    f = kernels.shape[0]
    shape = (x.shape[0], x.shape[1] - f + 1, x.shape[2] - f + 1, kernels.shape[3])
    output = np.zeros(shape, x.dtype)
    for b, i, j, k in np.ndindex(shape):
        output[b, i, j, k] = np.sum(x[b, i : i + f, j : j + f] * kernels[..., k]) + bias[k]
    return output


# %% [markdown]
# **Before you run the next cell, what do you expect?** It times the loop, your version, and Keras's layer,
# called directly and in a compiled model. Yours and Keras's take turns; the first five rounds do not count,
# and of the others we take the shortest. Yours should take no more than 3 times as long as the faster of
# Keras's two.

# %%
import time

x = rng.normal(size=(32, 28, 28, 8)).astype("float32")
with keras.device("cpu:0"):
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(16, 3)])
    K, b = (keras.ops.convert_to_numpy(weight) for weight in model.weights)
    functions = {
        "yours": lambda: conv2d(x, K, b, 1, "valid"),
        "Keras, called directly": lambda: keras.ops.convert_to_numpy(model.layers[0](x)),
        "Keras, compiled": lambda: model.predict_on_batch(x),
    }
    rounds = {name: [] for name in functions}
    for _ in range(65):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            rounds[name].append(time.perf_counter() - start)
start = time.perf_counter()
conv2d_loop(x, K, b)
print(f"{'loop':22} {1000 * (time.perf_counter() - start):8.2f} ms")
shortest = {name: min(times[5:]) for name, times in rounds.items()}
for name, seconds in shortest.items():
    print(f"{name:22} {1000 * seconds:8.2f} ms")

# %%
fastest = min(shortest["Keras, called directly"], shortest["Keras, compiled"])
runtime.result("lab_conv2d_time_ratio_to_keras", shortest["yours"] / fastest, at_most=3)

# %% [markdown]
# ## 6. Max and mean pooling
#
# Write pooling for a batch `x` of shape `(batch, h, w, c)`. The patches have `size` × `size` pixels and move
# by `stride`; `mode` is `"max"` or `"mean"`. Each channel is pooled by itself. A patch that does not fit at
# the lower or right edge is dropped, as with `"valid"`. No loop over the pixels.
#
# <details><summary>Hint</summary>
#
# The windows are those of exercise 5. Over which axes do you take the maximum or the mean?
#
# </details>


# %% exercise="pool"
def pool(x, size, stride, mode):
    """Return x (batch, h, w, c) pooled over patches (size, size); mode is "max" or "mean"."""
    ### BEGIN SOLUTION
    windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return windows.max(axis=(4, 5)) if mode == "max" else windows.mean(axis=(4, 5))
    ### END SOLUTION


# %% check="pool" points=3
pool = check.pool(pool)

# %% [markdown]
# A photo, pooled more and more. **Look at** the dark legs and the light background: which of the two
# does max pooling keep? And mean pooling?

# %%
photo = data.photos().x_train[38:39] / 255  # a flamingo, a batch of one
figure, axes = plt.subplots(1, 5, figsize=(8, 2.1))
axes[0].imshow(photo[0])
axes[0].set_title("160 × 160")
for i, (mode, size) in enumerate([("max", 4), ("max", 8), ("mean", 4), ("mean", 8)], start=1):
    axes[i].imshow(pool(photo, size, size, mode)[0], interpolation="nearest")
    axes[i].set_title(f"{mode}, {size} × {size}")
for ax in axes:
    ax.axis("off")
plots.show(
    "A photo of a flamingo on white, and four pooled versions. With max pooling the thin legs fade away into "
    "the white background; with mean pooling they stay as a grey line."
)

# %% [markdown]
# Max pooling keeps what is *bright*. In a network the values are not brightness but answers of filters: what
# stays is the strongest answer in each patch.
#
# ## 7. A kernel by hand
#
# Choose a $3 \times 3$ kernel that finds **vertical edges from dark (left) to bright (right)**:
#
# - where nothing changes the output is 0;
# - at such an edge the output is positive, never negative;
# - at horizontal edges the output is 0.
#
# There are many right answers.
#
# <details><summary>Hint</summary>
#
# "Right minus left" in one row. Then think about the two other rows.
#
# </details>


# %% exercise="edge-kernel"
def edge_kernel():
    """Return a (3, 3) array that is positive at vertical edges from dark to bright."""
    ### BEGIN SOLUTION
    return np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    ### END SOLUTION


# %% check="edge-kernel" points=2
edge_kernel = check.edge_kernel(edge_kernel)

# %%
tiger = data.photos().x_train[74].mean(axis=-1) / 255  # a tiger, grey
kernel = edge_kernel()
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8))
axes[0].imshow(tiger)
axes[1].imshow(np.maximum(0, cross_correlate(tiger, kernel)))
axes[2].imshow(np.maximum(0, cross_correlate(tiger, kernel.T)))
for ax, title in zip(axes, ["photo", "your kernel and ReLU", "your kernel, transposed"], strict=True):
    ax.set_title(title)
    ax.axis("off")
plots.show(
    "A tiger in grey. With the kernel and ReLU, bright lines at vertical edges from dark to bright, as "
    "beside the stripes; with the transposed kernel, at horizontal edges from dark (above) to bright (below)."
)

# %% [markdown]
# **Look at** one stripe: only one of its two sides is bright, because ReLU removes the edges from bright to
# dark. How would you get the other side?
#
# ## 8. A network with exactly 7,018 parameters
#
# Build this network for images of $28 \times 28 \times 1$ with `keras.Sequential`:
#
# 1. `Conv2D`, 8 filters of $3 \times 3$, SAME, ReLU;
# 2. `MaxPooling2D`, $2 \times 2$;
# 3. `Conv2D`, $n$ filters of $3 \times 3$, VALID, ReLU;
# 4. `MaxPooling2D`, $2 \times 2$;
# 5. `Flatten`;
# 6. `Dense`, ten classes, softmax.
#
# The network must have **7,018** parameters. What is $n$? Compute it with pencil and paper before you type.
# Leave the weights at the start as Keras draws them.
#
# <details><summary>Hint</summary>
#
# Write down the size of the image after each layer. Layer 1 has 80 parameters. Layers 3 and 6 both depend on
# $n$: write their sum as a multiple of $n$ and a rest.
#
# </details>


# %% exercise="small-cnn"
def small_cnn():
    """Return the Keras model described above, not compiled."""
    ### BEGIN SOLUTION
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    ### END SOLUTION


# %% check="small-cnn" points=3
small_cnn = check.small_cnn(small_cnn)

# %% [markdown]
# Train it on MNIST. A linear classifier on the pixels has 7,850 parameters and reads about 92 % of the test
# digits. **Before you run the next cell, what do you expect** of yours, with fewer parameters?

# %%
mnist = data.mnist()
images = budget.pick(smoke=3000, cpu=60_000)
x_train, x_test = (x[..., None].astype("float32") / 255 for x in (mnist.x_train[:images], mnist.x_test))
keras.utils.set_random_seed(1)
model = small_cnn()
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, mnist.y_train[:images], batch_size=64, epochs=2, verbose=0)
test_loss, test_accuracy = model.evaluate(x_test, mnist.y_test, batch_size=500, verbose=0)
runtime.result("small_cnn_test_accuracy", test_accuracy, at_least=0.97)

# %% [markdown]
# ### Your layers, Keras's weights
#
# The network is made of operations that you have written. Put them together with the trained weights: the
# probabilities must be the same.

# %%
K1, b1, K2, b2, W, b = (keras.ops.convert_to_numpy(weight) for weight in model.weights)
x = x_test[:100]
h = pool(np.maximum(0, conv2d(x, K1, b1, 1, "same")), 2, 2, "max")
h = pool(np.maximum(0, conv2d(h, K2, b2, 1, "valid")), 2, 2, "max")
a = h.reshape(len(h), -1) @ W + b
probabilities = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
difference = np.abs(probabilities - keras.ops.convert_to_numpy(model(x))).max()
print(f"largest difference of {probabilities.size} probabilities: {difference:.0e}")
assert difference < 1e-3, "the same weights should give the same probabilities"

# %% [markdown] question="three-claims" points=3
# **Question.** Three claims about convolution layers. For each, say whether it is right, and why.
#
# 1. "Two layers of $3 \times 3$ filters in a row see as much of the image as one layer of $5 \times 5$, with
#    fewer parameters." Count them for $c$ channels in, between and out.
# 2. "Keras computes cross-correlation, not convolution. If it flipped the kernels, as it should, networks
#    would learn better."
# 3. "After max pooling the network does not notice when the digit moves by one pixel."
#
# <!-- BEGIN SOLUTION -->
# 1. Right. A pixel of the second layer sees $3 \times 3$ pixels of the first, each of which sees $3 \times 3$
#    pixels of the image: together $5 \times 5$. The parameters are $2\,(9c + 1)\,c = 18c^2 + 2c$ against
#    $(25c + 1)\,c = 25c^2 + c$, fewer for every $c \geq 1$. The two layers also have one more ReLU between
#    them. (They cannot compute everything that a $5 \times 5$ filter can.)
# 2. Wrong. The kernels are learned. A network that flips would learn the flipped kernels and give the same
#    outputs, with the same loss at every step if it starts from the flipped weights.
# 3. Wrong in general. The maximum of a $2 \times 2$ patch stays the same only if the largest value stays in
#    its patch and no larger one comes in. A shift by one pixel moves half of the values into another patch.
#    The features change less than without pooling, but they do change: section 12 of the lecture measures
#    both.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Separable kernels.** Show that the Sobel kernel is an outer product of two vectors, and replace it by a
#   $3 \times 1$ and a $1 \times 3$ kernel. How many multiplications does a pixel need for an $f \times f$
#   kernel, before and after? `np.linalg.svd` tells which kernels are separable.
# - **Dilated convolution.** With dilation $d$ the kernel has gaps: $I(i + d\,m, j + d\,n)$. Only the windows
#   change: take larger ones and every $d$-th pixel in them. Compare with
#   `keras.layers.Conv2D(..., dilation_rate=d)` (Yu & Koltun, 2016,
#   [arXiv:1511.07122](https://arxiv.org/abs/1511.07122)).
# - **The gradient.** For a loss $\ell$ with $G = \partial \ell / \partial z$ of shape $(batch, h', w', N)$,
#   show that $\partial \ell / \partial F_k^c(m, n)$ is the sum over all places of $G$ times the pixel that
#   met the weight: a tensor product of the windows and $G$. Check it by finite differences.
# - **Equivariance at the border.** For which shifts does `conv2d` with `"same"` commute with `np.roll` on the
#   photos, and where exactly does it fail?
# - **Other ways to be less sensitive.** Blur before you subsample (Zhang, 2019,
#   [arXiv:1904.11486](https://arxiv.org/abs/1904.11486)) and repeat the measurement of the lecture.
#
# **References:** V. Dumoulin, F. Visin (2016), *A guide to convolution arithmetic for deep learning*,
# [arXiv:1603.07285](https://arxiv.org/abs/1603.07285). Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998),
# *Gradient-based learning applied to document recognition*, Proceedings of the IEEE 86(11), 2278–2324,
# [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791).
#
# Back to the lecture: [`../notebooks/05_convolution.ipynb`](../notebooks/05_convolution.ipynb).
