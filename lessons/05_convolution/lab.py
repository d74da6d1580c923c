# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.3, cpu: 0.5}
# ---

# %% [markdown]
# # Lab 05: convolution
#
# The lecture gave you the convolution layer, pooling, and their gradients for one channel. Here you go one
# step further with each: kernels that are no squares and have gaps, a padding of your own on each side, a
# pooling between mean and maximum, the way back through a layer with stride, and a gradient with two faults.
# At the end your functions send a signal forward and backward through a trained network, and fool it.
#
# **You need:** [the lecture](../notebooks/05_convolution.ipynb), the backward pass of lesson 03, NumPy's
# slices, paper and pencil. About three hours.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import convolution as check

budget = runtime.setup(seed=1)
# %%
from itertools import product

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view

# %% [markdown]
# ## 1. Places for a kernel with gaps
#
# A **dilated** kernel (Yu & Koltun, 2016) has gaps: two neighbouring weights look at pixels that are
# `dilation` apart. Dilation 1 is the ordinary kernel.
#
# An axis of `h` pixels gets `before` zeros before it and `after` zeros after it. A kernel of `f` weights with
# this dilation moves over it with the given stride. It fits at least once. At how many
# places does it fit? Return an integer.
#
# <details><summary>Hint</summary>
#
# Draw a kernel of 3 weights with dilation 2. How many pixels lie between its first and its last weight, both
# included?
#
# </details>


# %% exercise="output-size"
def output_size(h, f, before, after, stride, dilation):
    """Return at how many places a dilated kernel of f weights fits on h pixels with zeros on both sides."""
    ### BEGIN SOLUTION
    reach = dilation * (f - 1) + 1  # pixels from the first weight to the last
    return (before + h + after - reach) // stride + 1
    ### END SOLUTION


# %% check="output-size" points=1
output_size = check.output_size(output_size)

# %% [markdown]
# ## 2. Which pixels does a neuron see?
#
# The lecture counted the pixels of a receptive field. Now say *which* they are. Take one axis and a stack of
# layers; each is a triple `(f, s, p)`: size of its kernel or patch, stride, and zeros *before* the axis. The
# first layer stands first in the list. All places count from 0.
#
# For the neuron at place `j` of the last layer return the first and the last pixel of the image that it sees,
# as a pair. A pixel may be negative: it is then one of the zeros of the padding. Do not cut it off.
#
# <details><summary>Hint</summary>
#
# 1. Do it by hand for one layer: with `f = 3`, `s = 2`, `p = 1`, where does the kernel of place 5 begin and
#    end?
# 2. Then put a second layer on top. From which end of the list do you have to start?
#
# </details>


# %% exercise="seen"
def seen(layers, j):
    """Return the first and the last pixel that place j of the last layer of the list sees, as a pair."""
    ### BEGIN SOLUTION
    first = last = j
    for f, s, p in reversed(layers):
        first, last = first * s - p, last * s - p + f - 1
    return first, last
    ### END SOLUTION


# %% check="seen" points=2
seen = check.seen(seen)

# %% [markdown]
# ## 3. The whole convolution layer
#
# This layer has all that the lecture left out. Height and width may differ in everything:
#
# | | |
# | --- | --- |
# | `x` | images, $(batch, h, w, c)$ |
# | `kernels` | $(f_h, f_w, c, N)$: `kernels[m, n, c, l]` is $F_l^c(m, n)$ |
# | `bias` | $(N,)$ |
# | `stride` | $(s_h, s_w)$ |
# | `padding` | `((top, bottom), (left, right))`: how many zeros are added on each side |
# | `dilation` | $(d_h, d_w)$ |
#
# With $x$ after the padding, the result, of the shape $(batch, h', w', N)$, is
#
# $$a(i, j, l) = \sum_c \sum_m \sum_n F_l^c(m, n)\; x^c(s_h\, i + d_h\, m,\;\; s_w\, j + d_w\, n) + b_l.$$
#
# There is no activation. Do not loop over the pixels in Python (a loop over the few places of the kernel is
# allowed).
#
# <details><summary>Hint</summary>
#
# 1. Begin with the lecture's layer and make it rectangular. Then the padding, the stride, and last the
#    dilation; the check tells which of them is wrong.
# 2. For the dilation: cut windows as long as the reach of exercise 1. Which pixels in such a window meet a
#    weight?
# 3. A window and the kernels can be contracted with `np.einsum` or `np.tensordot`: write down the axes of
#    both first.
#
# </details>


# %% exercise="conv2d"
def conv2d(x, kernels, bias, stride, padding, dilation):
    """Return the output (batch, h', w', N) of the layer described above."""
    ### BEGIN SOLUTION
    x = np.pad(x, [(0, 0), *padding, (0, 0)])
    reach = [d * (f - 1) + 1 for d, f in zip(dilation, kernels.shape, strict=False)]
    windows = sliding_window_view(x, reach, axis=(1, 2))  # (batch, ., ., c, reach, reach)
    windows = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return np.einsum("bijcmn,mncl->bijl", windows, kernels, optimize=True) + bias
    ### END SOLUTION


# %% check="conv2d" points=5
conv2d = check.conv2d(conv2d)

# %% [markdown]
# Against Keras, on layers with random kernels and biases. (Keras has `dilation_rate`, which it does not
# combine with strides, and a layer `ZeroPadding2D` that takes your `padding`.)

# %%
rng = np.random.default_rng(1)
settings = [((s, 1 + s % 2), (1, 1)) for s in (1, 2, 3)] + [((1, 1), (d, 1 + d % 2)) for d in (1, 2, 3)]
differences = []
for (stride, dilation), size, padding in product(
    settings, [(3, 2), (1, 4)], [((0, 0), (0, 0)), ((2, 0), (1, 3))]
):
    layer = keras.layers.Conv2D(
        4, size, strides=stride, dilation_rate=dilation, bias_initializer="random_normal"
    )
    x = rng.normal(size=(2, 11, 14, 3)).astype("float32")
    with keras.device("cpu:0"):  # graphics cards round more coarsely
        theirs = keras.ops.convert_to_numpy(layer(keras.layers.ZeroPadding2D(padding)(x)))
    K, b = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
    ours = conv2d(x, K, b, stride, padding, dilation)
    rows = output_size(11, size[0], *padding[0], stride[0], dilation[0])
    assert ours.shape[1] == rows, "your two functions disagree about the number of rows"
    differences.append(np.abs(ours - theirs).max())
print(len(differences), "layers")
runtime.result("lab_conv2d_largest_difference_to_keras", max(differences), at_most=1e-5)

# %% [markdown]
# (A difference of exactly 0 is no mistake: if both add the products in the same order, they also round alike.
# In another order the difference is near $10^{-6}$.)
#
# And your exercise 2, by an experiment: images of one row with one bright pixel each go through a stack of
# layers. **Before you run the next cell:** which pixels does place 1 of the top see, in a convolution of 3
# with padding 1, a pooling of 2 with stride 2, and a convolution of 3 with stride 2 and padding 1?

# %%
stack = [(3, 1, 1), (2, 2, 0), (3, 2, 1)]
signal = np.eye(16)[:, None, :, None]  # 16 images of 1 x 16 pixels
for f, s, p in stack:
    signal = conv2d(signal, np.ones((1, f, 1, 1)), np.zeros(1), (1, s), ((0, 0), (p, p)), (1, 1))
for j in range(signal.shape[2]):
    noticed = np.flatnonzero(signal[:, 0, j, 0])
    first, last = seen(stack, j)
    print(f"place {j} noticed the pixels {noticed[0]} to {noticed[-1]}, your answer: {first} to {last}")
    assert (noticed[0], noticed[-1]) == (max(first, 0), min(last, 15)), "the experiment says something else"

# %% [markdown]
# ## 4. A pooling between mean and maximum
#
# Mean pooling lets the weak values drown the strong one; max pooling forgets all but one. Zeiler & Fergus
# (2013) choose one value of the patch *at random*, the value $v_i$ with the probability
# $\pi_i = v_i / \sum_k v_k$, and use the expected value of this choice when the network is tested:
#
# $$\sum_i \pi_i\, v_i .$$
#
# Write this second form. The values are those after a ReLU, so none is negative. A patch of zeros gives 0.
# `size` and `stride` are pairs (for rows, for columns). Each channel is pooled by itself, and a patch that
# does not fit is dropped. No loop over the pixels.
#
# <details><summary>Hint</summary>
#
# 1. Put the formula for $\pi_i$ into the sum: one fraction. Which two sums does each patch need?
# 2. For the patch of zeros look at `np.where`, or at the arguments `where` and `out` of `np.divide`: the
#    places that `where` leaves out keep what `out` held before.
#
# </details>


# %% exercise="weighted-pool"
def weighted_pool(x, size, stride):
    """Return x (batch, h, w, c) pooled as described above over patches of size = (rows, columns)."""
    ### BEGIN SOLUTION
    windows = sliding_window_view(x, size, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    total = windows.sum(axis=(4, 5))
    return (windows**2).sum(axis=(4, 5)) / np.where(total > 0, total, 1)
    ### END SOLUTION


# %% check="weighted-pool" points=2
weighted_pool = check.weighted_pool(weighted_pool)

# %% [markdown]
# A patch as large as the image makes one number of each channel: **global** pooling, with which newer
# networks end. Here are the three poolings on the *darkness* of a photo, so that the bird is the signal.
# **Look at** the legs.

# %%
dark = 1 - data.photos().x_train[38:39] / 255  # a flamingo, a batch of one
assert weighted_pool(dark, dark.shape[1:3], (1, 1)).shape == (1, 1, 1, 3)
pooled = {
    "photo": dark,
    "mean": keras.ops.convert_to_numpy(keras.ops.average_pool(dark, 8)),
    "weighted": weighted_pool(dark, (8, 8), (8, 8)),
    "max": keras.ops.convert_to_numpy(keras.ops.max_pool(dark, 8)),
}
figure, axes = plt.subplots(1, 4, figsize=(8, 2.3))
for ax, (name, values) in zip(axes, pooled.items(), strict=True):
    ax.imshow(1 - values[0], interpolation="nearest")
    ax.set_title(name if name == "photo" else f"{name}, 8 × 8")
    ax.axis("off")
plots.show(
    "A photo of a flamingo, and three pooled versions of its darkness: with the mean the thin legs are pale, "
    "with the maximum they are wide and dark, with the weighted pooling they are between the two."
)

# %% [markdown]
# ## 5. Derive it: the way back through a layer with stride
#
# In lesson 03 the signal went back through a dense layer, $s = W^\top \delta$. Here is the layer of exercise
# 3, without padding and dilation:
#
# $$a(i, j, l) = \sum_c \sum_m \sum_n F_l^c(m, n)\; x^c(s_h\, i + m,\;\; s_w\, j + n) + b_l.$$
#
# Let $G(i, j, l) = \partial \ell / \partial a(i, j, l)$. **Derive** the formula of
# $\partial \ell / \partial x^c(p, q)$ with pencil and paper, and then write it: `G` has the shape
# $(batch, h', w', N)$, the kernels $(f_h, f_w, c, N)$, and the result $(batch, h, w, c)$, where `size` is the
# pair $(h, w)$ of the image. With a stride the last rows or columns may have been seen by no window. No loop
# over the pixels.
#
# <details><summary>Hint 1</summary>
#
# The rule for paths that branch: the pixel $(p, q)$ gets something from every output that has used it. Which
# pairs $(i, m)$ lead to row $p$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Instead of collecting for each pixel, hand out: let *one* weight $(m, n)$ of the kernel give its part to all
# pixels that it has met, for all places at once. Which rows of the image has it met? They are a slice with a
# step.
#
# </details>
# <details><summary>Hint 3</summary>
#
# What arrives at one place, for the weight $(m, n)$, is a sum over the filters: a matrix product of `G`,
# whose last axis is $N$, with a matrix made of `kernels[m, n]`, which has the shape $(c, N)$.
#
# </details>


# %% exercise="image-gradient"
def image_gradient(G, kernels, stride, size):
    """Return the derivative of the loss by the image (batch, h, w, c) from the one by the output, G."""
    ### BEGIN SOLUTION
    (s, t), (rows, columns) = stride, G.shape[1:3]
    gradient = np.zeros((len(G), *size, kernels.shape[2]))
    for m, n in np.ndindex(kernels.shape[:2]):
        down, right = slice(m, m + s * rows, s), slice(n, n + t * columns, t)  # the pixels it has met
        gradient[:, down, right] += G @ kernels[m, n].T
    return gradient
    ### END SOLUTION


# %% check="image-gradient" points=4
image_gradient = check.image_gradient(image_gradient)

# %% [markdown]
# This map from a small table to a large one is a layer of its own, the **transposed convolution**. Decoders
# and generators use it to make an image larger (lessons 09 to 12). Keras's `Conv2DTranspose` must agree:

# %%
small = rng.normal(size=(2, 5, 6, 4)).astype("float32")
layer = keras.layers.Conv2DTranspose(3, (3, 4), strides=(2, 3), use_bias=False)
theirs = keras.ops.convert_to_numpy(layer(small))
K = keras.ops.convert_to_numpy(layer.kernel)  # (f_h, f_w, channels out, channels in)
assert np.allclose(image_gradient(small, K, (2, 3), theirs.shape[1:3]), theirs, atol=1e-5)
print("small", small.shape, "-> large", theirs.shape)

# %% [markdown]
# **Before you run the next cell, what do you expect?** A small table of ones and a kernel of ones: every
# pixel of the large table counts the windows that contain it. The stride is 2, the kernel has size 3, or 4.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2))
for ax, f in zip(axes, (3, 4), strict=True):
    side = 2 * 5 + f
    counts = image_gradient(np.ones((1, 6, 6, 1)), np.ones((f, f, 1, 1)), (2, 2), (side, side))[0, :, :, 0]
    ax.imshow(counts, vmin=0, vmax=4)
    for (row, column), count in np.ndenumerate(counts):
        ink = "black" if count > 2 else "white"
        ax.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=8, color=ink)
    ax.set_title(f"kernel {f} × {f}, stride 2")
    ax.axis("off")
plots.show(
    "Two tables of counts. Kernel 3: inside, the counts 1, 2 and 4 alternate like a chessboard. Kernel 4: "
    "inside, all counts are 4."
)

# %% [markdown]
# The pattern on the left is known from generated images as the *checkerboard artefact* (Odena, Dumoulin &
# Olah, 2016). A kernel whose size is a multiple of the stride has no uneven overlap; its weights can still
# make such a pattern.
#
# ## 6. Find the fault: the way back through max pooling
#
# A colleague wrote the gradient of max pooling. `G` is the derivative of the loss by the pooled values. A
# patch gives its `G` to its maximum; of several equal ones the *first* gets all of it, row by row from the
# upper left, as in Keras on TensorFlow.


# %%
def faulty_max_pool_gradient(x, G, size, stride):
    gradient = np.zeros(x.shape)
    for i, j in np.ndindex(G.shape[1:3]):
        rows = slice(i * stride, i * stride + size)
        columns = slice(j * stride, j * stride + size)
        patch = x[:, rows, columns]  # (batch, size, size, c)
        winner = patch == patch.max(axis=(1, 2), keepdims=True)
        gradient[:, rows, columns] = winner * G[:, i : i + 1, j : j + 1]
    return gradient


# %% [markdown]
# The first test passed, so the function was used. But look at the two others:


# %%
def compare_with_tape(max_pool_gradient, x, size, stride):
    """Return the largest difference to TensorFlow's gradient of max pooling."""
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        pooled = tf.nn.max_pool2d(x, size, stride, "VALID")
        G = np.random.default_rng(1).normal(size=pooled.shape)
        loss = tf.reduce_sum(G * pooled)
    return np.abs(max_pool_gradient(x.numpy(), G, size, stride) - tape.gradient(loss, x).numpy()).max()


noise = rng.normal(size=(2, 9, 9, 3))
TESTS = {
    "noise, patches 2 × 2, stride 2:     ": (noise, 2, 2),
    "noise, patches 3 × 3, stride 2:     ": (noise, 3, 2),
    "after ReLU, patches 2 × 2, stride 2:": (np.maximum(0, noise), 2, 2),
}
for name, test in TESTS.items():
    print(name, f"largest difference {compare_with_tape(faulty_max_pool_gradient, *test):.2f}")

# %% [markdown]
# Two lines are wrong. Why does the first test not see it? Write the function as it should be.
#
# <details><summary>Hint 1</summary>
#
# What is different about the patches of the second test? And about the values of the third?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Print `gradient` after each round for one channel of 3 × 3 pixels, patches of 2 × 2 and stride 1. For the
# third test, take a patch of zeros: how many winners does it have?
#
# </details>


# %% exercise="max-pool-gradient"
def max_pool_gradient(x, G, size, stride):
    """Return the derivative of the loss by x (batch, h, w, c), from the one by the pooled values, G."""
    ### BEGIN SOLUTION
    gradient = np.zeros(x.shape)
    for i, j in np.ndindex(G.shape[1:3]):
        rows = slice(i * stride, i * stride + size)
        columns = slice(j * stride, j * stride + size)
        patch = x[:, rows, columns]
        first = patch.reshape(len(x), size * size, -1).argmax(
            axis=1
        )  # of equal values argmax takes the first
        winner = np.arange(size * size)[:, None] == first[:, None]  # (batch, size * size, c)
        gradient[:, rows, columns] += winner.reshape(patch.shape) * G[:, i : i + 1, j : j + 1]
    return gradient
    ### END SOLUTION


# %% check="max-pool-gradient" points=3
max_pool_gradient = check.max_pool_gradient(max_pool_gradient)

# %%
for name, test in TESTS.items():
    print(name, f"largest difference {compare_with_tape(max_pool_gradient, *test):.0e}")

# %% [markdown]
# ## 7. A network with exactly 7,018 parameters
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
images = budget.pick(smoke=1000, cpu=60_000)
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
# You have written what this network needs, forward and backward. Put it together with the trained weights.
# Forward:

# %%
K1, b1, K2, b2, W, b = (keras.ops.convert_to_numpy(weight) for weight in model.weights)
NONE, ONE, AROUND = (
    ((0, 0), (0, 0)),
    (1, 1),
    ((1, 1), (1, 1)),
)  # no padding; stride or dilation 1; SAME for 3 x 3


def halve(h):  # max pooling 2 x 2, for an even number of rows and columns
    return h.reshape(len(h), h.shape[1] // 2, 2, h.shape[2] // 2, 2, -1).max(axis=(2, 4))


def forward(x):
    """Return the probabilities, and what each layer gave."""
    h1 = np.maximum(0, conv2d(x, K1, b1, ONE, AROUND, ONE))
    h2 = halve(h1)
    h3 = np.maximum(0, conv2d(h2, K2, b2, ONE, NONE, ONE))
    h4 = halve(h3)
    a = h4.reshape(len(x), -1) @ W + b
    exponentials = np.exp(a - a.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True), (h1, h2, h3, h4)


# %%
some = np.random.default_rng(1).choice(len(x_test), budget.pick(smoke=20, cpu=200), replace=False)
x, y = x_test[some], mnist.y_test[some]
probabilities, outputs = forward(x)
difference = np.abs(probabilities - keras.ops.convert_to_numpy(model(x))).max()
print(f"largest difference of {probabilities.size} probabilities: {difference:.0e}")
assert difference < 1e-3, "the same weights should give the same probabilities"

# %% [markdown]
# And backward, from the cross-entropy to the pixels. The first line is lesson 03's $\delta = f(x) - e(y)$.


# %%
def backward(probabilities, outputs, y):
    """Return the derivative of each image's cross-entropy by its pixels."""
    h1, h2, h3, h4 = outputs
    s = (probabilities - np.eye(10)[y]) @ W.T
    s = max_pool_gradient(h3, s.reshape(h4.shape), 2, 2) * (h3 > 0)
    s = image_gradient(s, K2, ONE, h2.shape[1:3])
    s = max_pool_gradient(h1, s, 2, 2) * (h1 > 0)
    padded = image_gradient(s, K1, ONE, (30, 30))
    return padded[:, 1:-1, 1:-1]  # nobody asks for the slopes of the zeros around the image


# %%
slopes = backward(probabilities, outputs, y)
pixels = tf.Variable(x)
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(y, model(pixels)))
difference = np.abs(slopes - tape.gradient(loss, pixels).numpy()).max(axis=(1, 2, 3))  # one for each image
print(f"difference to the tape by images: median {np.median(difference):.0e}, largest {difference.max():.0e}")
assert np.median(difference) < 1e-4, "your way back should give the gradient"

# %% [markdown]
# (Why the median? Where two values of a patch are equal but for rounding, the two ways may choose different
# ones. The maximum has a kink there, and both answers are right.)
#
# ### Fool it
#
# The gradient tells for each pixel in which direction the loss rises. Change *every* pixel by the same small
# amount in this direction (Goodfellow, Shlens & Szegedy, 2015). **Before you run the next cell, what do you
# expect** for a change by 0.15, where ink is 1? And for the same change with random signs?

# %%
step = 0.15
changed = {
    "as they are": x,
    "random signs": np.clip(x + step * rng.choice([-1, 1], size=x.shape), 0, 1),
    "sign of the slope": np.clip(x + step * np.sign(slopes), 0, 1),
}
answers = {name: forward(images)[0].argmax(axis=1) for name, images in changed.items()}
for name, answer in answers.items():
    print(f"{name:18} {np.mean(answer == y):.1%} read right")
runtime.result("lab_accuracy_after_the_step", np.mean(answers["sign of the slope"] == y))

# %%
figure, axes = plt.subplots(3, 6, figsize=(6, 3.5))
grey = {"cmap": plt.get_cmap("gray", 9), "vmin": 0, "vmax": 1, "interpolation": "nearest"}
for k in range(6):
    limit = np.abs(slopes[k]).max()
    signs = {"cmap": plt.get_cmap("PuOr", 9), "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
    axes[0, k].imshow(x[k], **grey)
    axes[1, k].imshow(slopes[k], **signs)
    axes[2, k].imshow(changed["sign of the slope"][k], **grey)
    axes[0, k].set_title(f"read: {answers['as they are'][k]}", fontsize=9)
    axes[2, k].set_xlabel(f"read: {answers['sign of the slope'][k]}", fontsize=9)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
for ax, name in zip(axes[:, 0], ["digit", "slope", "changed"], strict=True):
    ax.set_ylabel(name)
plots.show(
    "Six digits; below each the slope of its loss by the pixels, in two colours for the signs, strongest "
    "near the strokes; below that the changed digit, grey noise around a form that a person still reads, "
    "with the network's answer."
)

# %% [markdown]
# **Look at** the last row: you still read the digits. Random signs of the same size do hardly any harm (see
# the lines above the figure). It is the direction that fools the network, and you have computed this
# direction.

# %% [markdown] question="three-claims" points=3
# **Question.** Three claims about convolution layers. For each, say whether it is right, and why.
#
# 1. "Two layers of one $3 \times 3$ kernel each, in a row and without activation, can compute whatever one
#    $5 \times 5$ kernel can, with fewer weights."
# 2. "A network of convolutions with SAME and stride 1, ReLU, and a global mean pooling before its dense layer
#    gives the same answer wherever the digit lies, as long as the margin around it is wide enough."
# 3. "A transposed convolution undoes the convolution with the same kernel."
#
# <!-- BEGIN SOLUTION -->
# 1. Wrong. They see the same $5 \times 5$ pixels, and together they are one linear map with one $5 \times 5$
#    kernel, the convolution of the two. But it is made of 18 numbers, and there are $5 \times 5$ kernels that
#    no choice of 18 numbers gives: a kernel has 25 free numbers. (With a ReLU between them they compute other
#    things, which no single layer can.)
# 2. Right. Each convolution and each ReLU moves with the digit, so the last maps are the same maps, shifted.
#    A mean over all places does not notice a shift, as long as nothing falls out or meets the zeros at the
#    border. With a stride of 2 somewhere it holds only for shifts by an even number of pixels.
# 3. Wrong. It is the transposed matrix, not the inverse one. It gives back the shape of the image, not its
#    values: in exercise 5 a table of ones became a table of 1, 2 and 4. A convolution may not even have an
#    inverse: a blur makes different images equal.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Separable kernels.** Show that the Sobel kernel is an outer product of two vectors, and replace it by a
#   $3 \times 1$ and a $1 \times 3$ kernel, with your `conv2d`. How many multiplications does a pixel need for
#   an $f \times f$ kernel, before and after? `np.linalg.svd` tells which kernels are separable.
# - **Groups.** Cut the channels into $g$ groups, and let each group of filters see its own channels only
#   (`keras.layers.Conv2D(..., groups=g)`; with $g = c$ it is the depthwise convolution of lesson 06). How
#   many parameters has it?
# - **The random choice.** Write Zeiler and Fergus's pooling as it is in training, and test that its mean over
#   many draws is your `weighted_pool`.
# - **Equivariance at the border.** For which shifts does SAME commute with `np.roll` on the photos, and where
#   exactly does it fail?
# - **Other ways to be less sensitive.** Blur before you subsample (Zhang, 2019) and repeat the measurement of
#   the lecture.
# - **A defence.** Train the network on changed digits too. What does it cost on the unchanged ones?
#
# **References.**
#
# - F. Yu, V. Koltun (2016). *Multi-scale context aggregation by dilated convolutions.* ICLR.
#   [arXiv:1511.07122](https://arxiv.org/abs/1511.07122)
# - M. D. Zeiler, R. Fergus (2013). *Stochastic pooling for regularization of deep convolutional neural
#   networks.* ICLR. [arXiv:1301.3557](https://arxiv.org/abs/1301.3557)
# - A. Odena, V. Dumoulin, C. Olah (2016). *Deconvolution and checkerboard artifacts.* Distill.
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003)
# - I. Goodfellow, J. Shlens, C. Szegedy (2015). *Explaining and harnessing adversarial examples.* ICLR.
#   [arXiv:1412.6572](https://arxiv.org/abs/1412.6572)
# - R. Zhang (2019). *Making convolutional networks shift-invariant again.* ICML.
#   [arXiv:1904.11486](https://arxiv.org/abs/1904.11486)
#
# Back to the lecture: [`../notebooks/05_convolution.ipynb`](../notebooks/05_convolution.ipynb).
