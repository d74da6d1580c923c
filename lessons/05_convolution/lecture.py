# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 5}
# ---

# %% [markdown]
# # Convolution
#
# Networks that look at images are built from two small operations: convolution and pooling. Here you write
# both with NumPy, without a loop over the pixels, and compare the result with Keras: the same numbers, at
# a speed of the same order.
#
# **You need** lessons 01 to 04: neurons and dense layers, the backward pass, Keras's `compile` and `fit`. The
# symbols are those of the table of [notation](01_neurons.ipynb#Notation), but some letters mean something
# else here: $h$ and $w$ are the height and the width of an image, $c$ counts its channels, $i$ and $j$ are
# the row and the column of a place, $m$ and $n$ those of a weight in the kernel $K$; $f$ is the size of the
# kernel, $s$ the stride, $p$ the padding, $r$ the size of a receptive field. Since $h$ is the height, $z$ is
# what a layer puts out after its activation. Filters are neurons, so $l$ counts them as it counted neurons.
#
# **After this lesson you can**
#
# - say what convolution and cross-correlation are, and which of them Keras computes;
# - write a convolution layer with stride, zero padding and channels;
# - predict the size of its output, its number of parameters, and which pixels a neuron sees;
# - choose a kernel that blurs, sharpens, or finds edges;
# - write a convolution as a dense layer with a sparse matrix, and its gradient;
# - write max and mean pooling, and say how much they help when an image is shifted;
# - tell what training added to a filter from what its random start had.
#
# **Time to study:** about three hours, with a pause after section 7.

# %%
from nnlabs import animation, data, plots, pretrained, runtime

budget = runtime.setup(seed=1)
# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from numpy.lib.stride_tricks import sliding_window_view

# %% [markdown]
# ## 1. Networks for images
#
# ### What they are used for
#
# A photo goes in. What shall come out? It depends on the task:
#
# - **classification**: one class for the whole image;
# - **annotation**: several words for one image;
# - **object recognition**: which objects are there, and where? A box around each;
# - **segmentation**: a class for each pixel;
# - **face recognition**: do two photos show the same face?
#
# We make an example of each. For the first we ask a network: EfficientNet-Lite0, trained on 1.28 million
# photos of 1000 kinds of things, which ships with the course (lesson 07 says more about it).

# %%
demo = pretrained.demo_photos()  # three photos of 224 x 224 pixels
efficientnet = pretrained.efficientnet_lite0()
coffee = pretrained.preprocess(demo["coffee"][None])  # a batch of one
answers = pretrained.decode(keras.ops.convert_to_numpy(efficientnet(coffee)), top=3)[0]
for _, name, probability in answers:
    print(f"{name:12} {probability:.2f}")

# %% [markdown]
# For the next three we put three photos into one scene. As we made it, we know the right answers: no network
# has found them.

# %%
photos = data.photos().x_train
TOUCAN, TIGER, GUINEA_FOWL = 48, 69, 59
scene, objects = np.full((160, 160, 3), 255, np.uint8), {}
for name, number, top, left in [
    ("toucan", TOUCAN, 5, 0),
    ("tiger", TIGER, 72, 5),
    ("guinea fowl", GUINEA_FOWL, 60, 78),
]:
    half = photos[number, ::2, ::2]  # every second pixel: 80 x 80
    inside = np.zeros(scene.shape[:2], bool)
    inside[top : top + 80, left : left + 80] = (half < 240).any(axis=-1)  # the background is white
    scene[inside] = half[inside[top : top + 80, left : left + 80]]
    objects[name] = inside


# %%
def draw_boxes(ax, objects):
    for color, (name, inside) in zip(plots.COLORS, objects.items(), strict=False):
        rows, columns = np.nonzero(inside)
        corner, size = (columns.min(), rows.min()), (np.ptp(columns), np.ptp(rows))
        ax.add_patch(plt.Rectangle(corner, *size, fill=False, edgecolor=color, linewidth=2))
        ax.text(corner[0], corner[1] - 2, name, color=color, fontsize=8)


def draw_segments(ax, objects):
    segments = np.ones((160, 160, 3))
    for color, (name, inside) in zip(plots.COLORS, objects.items(), strict=False):
        segments[inside] = plt.matplotlib.colors.to_rgb(color)
        row, column = np.argwhere(inside).mean(axis=0)
        ax.text(column, row, name, ha="center", fontsize=8, bbox={"facecolor": "white", "pad": 1})
    ax.imshow(segments)


# %%
figure, axes = plt.subplots(1, 5, figsize=(9.6, 2.7))
cup, cat = (demo[name][::2, ::2] // 16 * 16 for name in ("coffee", "chelsea"))  # coarse: small figure
cat[:, 56:] = cat[:, 56:0:-1] // 2  # the right half: the left one mirrored and darker
for ax, picture in zip(axes, [cup, scene, scene, np.ones((160, 160, 3)), cat], strict=True):
    ax.imshow(picture, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
draw_boxes(axes[2], objects)
draw_segments(axes[3], objects)
titles = ["classification", "annotation", "object recognition", "segmentation", "face recognition"]
words = [answers[0][1], ", ".join(objects), "a box for each", "a class for each pixel", "the same cat?"]
for ax, title, text in zip(axes, titles, words, strict=True):
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(text, fontsize=8.5)
plots.show(
    "Five tasks: a cup of coffee with one class; a scene of a toucan, a tiger and a guinea fowl with "
    "three words; the same scene with a box around each; the same scene with a colour for each; a cat's face "
    "whose right half is the left half, mirrored and darker."
)

# %% [markdown]
# **Look at** what must come out: a class, words, boxes, a class for each pixel, a yes or no. What goes in is
# the same, and most of these networks begin with the layers of this lesson.
#
# ### Why not a multilayer perceptron?
#
# A multilayer perceptron takes vectors. We can turn an image into a vector, row after row, and lesson 02 did
# so with digits. For photographs it is a bad idea, for two reasons.
#
# **The number of weights.** In a dense layer each neuron has one weight for every pixel and colour.
# **Before you run the next cell, what do you expect** for a layer of 100 neurons on these photos?

# %%
# NBVAL_CHECK_OUTPUT
height, width, channels = photos.shape[1:]
neurons = 100
print("photos", photos.shape, photos.dtype)
print(f"dense layer: {(height * width * channels + 1) * neurons:,} parameters")

# %% [markdown]
# More than seven million numbers, in one layer, to be found from 98 photos. The convolution layer of this
# lesson has 2,800 (section 7), whatever the size of the image.
#
# **The order of the pixels.** A dense layer does not know which pixels are neighbours. Shuffle the pixels of
# all images in the same way:

# %%
small = photos[:, ::4, ::4]  # every fourth pixel: 40 x 40
rng = np.random.default_rng(1)
order = rng.permutation(small[0].size // channels)
shuffled = small.reshape(len(small), -1, channels)[:, order].reshape(small.shape)
chosen = [TOUCAN, TIGER, GUINEA_FOWL]
plots.image_grid(np.concatenate([small[chosen], shuffled[chosen]]), columns=6, scale=1.0)
plots.show("Three photos, a toucan, a tiger and a guinea fowl, and the same three with shuffled pixels.")

# %% [markdown]
# **Look at** the three on the right. You cannot tell what they show. For a dense layer they are as good as
# the three on the left: if its weights are shuffled in the same way, every output is the same.

# %%
X, X_shuffled = (images.reshape(len(images), -1) / 255 for images in (small, shuffled))
W = rng.normal(size=(neurons, X.shape[1]))
W_shuffled = W.reshape(neurons, -1, channels)[:, order].reshape(W.shape)
assert np.allclose(X @ W.T, X_shuffled @ W_shuffled.T)

# %% [markdown]
# So a dense layer uses nothing of what makes it an image: edges, corners, forms. It also has to learn
# everything anew at each place. A toucan in the left corner has no weight in common with the same toucan in
# the right corner.
#
# A **convolutional neural network** (CNN) keeps the image as a table. Its neurons look at a small patch, and
# all patches are seen by the same weights. Fukushima (1980) built such layers, with pooling between them;
# LeCun, Bottou, Bengio & Haffner (1998) trained them with backpropagation to read digits.

# %% [markdown]
# ## 2. A kernel is dragged over an image
#
# Take an image $I$ of one colour and a small table of weights $K$, the **kernel**. Put the kernel on a patch
# of the image, multiply number by number, add up, and write the sum down. Then move on:
#
# $$(K \star I)(i, j) = \sum_{m, n} K(m, n)\, I(i + m, j + n)$$
#
# Here $i$ and $m$ count rows, $j$ and $n$ columns, all from 0. The star $\star$ is the sign of this
# operation, the **cross-correlation**. (The sign $*$ means something else, see below.)

# %%
image = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
)
kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
print("image", image.shape, "kernel", kernel.shape)

# %% [markdown]
# **Before you run the next cell:** compute $(K \star I)(0, 0)$ by hand. Its patch is the upper left corner of
# the image.

# %%
# NBVAL_CHECK_OUTPUT
patch = image[0:3, 0:3]
print(patch)
print("sum:", np.sum(kernel * patch))

# %% [markdown]
# The formula as it stands, with one loop for the rows and one for the columns:


# %%
def cross_correlate_loop(image, kernel):
    f = len(kernel)  # the kernel is a square, f x f
    rows, columns = image.shape[0] - f + 1, image.shape[1] - f + 1
    output = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            output[i, j] = np.sum(kernel * image[i : i + f, j : j + f])
    return output


# %%
# NBVAL_CHECK_OUTPUT
output = cross_correlate_loop(image, kernel)
print(output)

# %% [markdown]
# The output is smaller than the image: a kernel of 3 rows fits into 6 rows at 4 places. For a kernel of size
# $f$ and an image of $h$ rows there are $h - f + 1$ places.
#
# Now watch it move. (The animation plays three times.)


# %%
def show_numbers(ax, table, title, limit):
    """Draw a table as coloured cells with its numbers; white is 0, NaN stays empty."""
    ax.imshow(table, cmap="PuOr", vmin=-2 * limit, vmax=2 * limit)  # twice: pale enough to read
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            ax.text(column, row, f"{value:g}".replace("-", "−"), ha="center", va="center")
    bare(ax, title)


def bare(ax, title=""):
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)


def frame(ax, i, j, size):
    ax.add_patch(plt.Rectangle((j - 0.5, i - 0.5), size, size, fill=False, edgecolor="black", linewidth=3))


# %%
def draw(figure, step):
    i, j = divmod(step, output.shape[1])
    done = np.arange(output.size).reshape(output.shape) <= step
    left, middle, right = figure.subplots(1, 3, width_ratios=[6, 3, 4])
    show_numbers(left, image, "image $I$", limit=1)
    show_numbers(middle, kernel, "kernel $K$", limit=2)
    show_numbers(right, np.where(done, output, np.nan), "$K \\star I$", limit=4)
    frame(left, i, j, size=3)
    frame(right, i, j, size=1)
    right.set_xlabel(f"({i}, {j})")


animation.play(
    draw,
    range(output.size),
    "A frame of 3 by 3 moves over an image of 6 by 6, row by row. At each of the 16 places one number of the "
    "4 by 4 output is filled in.",
    size=(6.2, 2.6),
    seconds=0.6,
)

# %%
animation.strip(
    draw,
    [0, 1, 4, 15],
    "Four frames of the animation: the kernel at places (0, 0), (0, 1), (1, 0) and (3, 3), with the output "
    "filled in so far.",
    columns=2,
    size=(4.4, 1.9),
)

# %% [markdown]
# **Look at** the signs. Where the image goes from 0 to 1 on the way to the right, the output is positive;
# where it goes from 1 to 0, negative. This kernel finds vertical edges.
#
# ### Convolution or cross-correlation?
#
# **Convolution** has the sign $*$, and a minus sign in the sum:
#
# $$(K \star I)(i, j) = \sum_{m, n} K(m, n)\, I(i + m, j + n) \qquad\qquad
# (K * I)(i, j) = \sum_{m, n} K(m, n)\, I(i - m, j - n)$$
#
# With the minus sign the kernel is read from its end: convolution is cross-correlation with the kernel turned
# by 180°, that is, flipped along both axes.


# %%
def convolve_loop(image, kernel):
    return cross_correlate_loop(image, kernel[::-1, ::-1])


# %% [markdown]
# One thing in the formula is unusual. At $(i, j) = (0, 0)$ it asks for $I(-m, -n)$, which is outside of the
# image. The first place where all pixels exist is $i = j = f - 1$. Programs begin to count there:
# `convolve_loop(...)[i, j]` is $(K * I)(i + f - 1,\; j + f - 1)$. We test it, with the formula as it stands:

# %%
f = len(kernel)
for i, j in np.ndindex(4, 4):
    p, q = i + f - 1, j + f - 1
    value = sum(kernel[m, n] * image[p - m, q - n] for m, n in np.ndindex(f, f))
    assert value == convolve_loop(image, kernel)[i, j]

# %% [markdown]
# *A note on the slides.* They have two formulas, $\sum K(m, n)\, I(i + n, j + m)$ for one colour and
# $\sum F^c(n, m)\, Img^c(x + m, y + n)$ for channels (section 6). Both count the pixels of the image by
# (column, row) and the numbers of the kernel by (row, column). Read in this way they are our formula: both
# are cross-correlations, whichever sign stands on the left. To see it we give them an image that is indexed
# by (column, row), which is the transposed table:

# %%
by_column = image.T  # by_column[column, row]
for i, j in np.ndindex(4, 4):  # i and x count columns, j and y rows
    one_colour = sum(kernel[m, n] * by_column[i + n, j + m] for m, n in np.ndindex(3, 3))
    with_channels = sum(kernel[n, m] * by_column[i + m, j + n] for m, n in np.ndindex(3, 3))
    assert one_colour == with_channels == output[j, i]

# %% [markdown]
# SciPy has both. And which of them is Keras's `conv`? **Before you run the next cell, what do you expect?**
# (Keras wants a batch of images with channels, so we add axes of length 1.)

# %%
# NBVAL_CHECK_OUTPUT
from scipy.signal import convolve2d, correlate2d

assert np.array_equal(cross_correlate_loop(image, kernel), correlate2d(image, kernel, mode="valid"))
assert np.array_equal(convolve_loop(image, kernel), convolve2d(image, kernel, mode="valid"))
x = image[None, :, :, None].astype("float32")  # (batch, height, width, channel)
K = kernel[:, :, None, None].astype("float32")  # (height, width, channel, filter)
keras_output = keras.ops.convert_to_numpy(keras.ops.conv(x, K))[0, :, :, 0]
print("Keras computes the cross-correlation:", np.allclose(keras_output, cross_correlate_loop(image, kernel)))
print("Keras computes the convolution:      ", np.allclose(keras_output, convolve_loop(image, kernel)))

# %% [markdown]
# Keras computes the cross-correlation and calls it convolution. So do TensorFlow and PyTorch. This course
# says "convolution layer" as everybody does, and keeps the two signs apart.
#
# Why does mathematics flip? An image of zeros with a single one, an *impulse*, shows the difference (ones are
# black here).

# %%
impulse = np.zeros((9, 9))
impulse[4, 4] = 1
letter = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
results = {
    "impulse $I$": impulse,
    "kernel $K$": letter,
    "$K \\star I$, cross-correlation": correlate2d(impulse, letter, mode="same"),
    "$K * I$, convolution": convolve2d(impulse, letter, mode="same"),
}
figure, axes = plt.subplots(1, 4, figsize=(8.6, 2.5))
for ax, (title, table) in zip(axes, results.items(), strict=True):
    ax.imshow(table, cmap="gray_r")
    bare(ax, title)
    ax.set(xlim=(-0.5, 8.5), ylim=(8.5, -0.5))  # equal cells in all four
    ax.plot(4, 4, "x", color=plots.COLORS[1], markersize=8, markeredgewidth=2)
axes[1].lines[0].remove()  # the kernel has no impulse
plots.show(
    "An image with one black pixel, marked by a cross; a kernel in the form of the letter F; their "
    "cross-correlation, an F upside down and mirrored; their convolution, an upright F. Both lie around the "
    "cross."
)

# %% [markdown]
# **Look at** the two on the right. The cross is where the impulse was: convolution copies the kernel to this
# place, cross-correlation a turned one. (For this figure the image has a margin of zeros, `mode="same"`;
# section 5 explains it.) Thanks to the flip convolution obeys the rules of a product: image and kernel may
# change places, and $(I * K_1) * K_2 = I * (K_1 * K_2)$, so two kernels can be merged into one. With
# cross-correlation both rules fail. (Two filters may still be applied in either order, but the kernel that
# replaces them is their *convolution*.)

# %%
first, second = rng.normal(size=(2, 3, 3))
assert np.allclose(convolve2d(convolve2d(image, first), second), convolve2d(image, convolve2d(first, second)))
assert np.allclose(convolve2d(first, second), convolve2d(second, first))
assert not np.allclose(correlate2d(first, second), correlate2d(second, first))
twice = correlate2d(correlate2d(image, first), second)
assert not np.allclose(twice, correlate2d(image, correlate2d(first, second)))
assert np.allclose(twice, correlate2d(image, convolve2d(first, second)))

# %% [markdown]
# For a network the flip makes no difference. Its kernels are learned: if training finds $K$ with one
# definition, it finds the flipped $K$ with the other, and the outputs are the same.

# %% [markdown]
# ## 3. No loop over the pixels
#
# A Python loop over the pixels is slow. NumPy can give us all patches at once:

# %%
# NBVAL_CHECK_OUTPUT
windows = sliding_window_view(image, (3, 3))
print("image  ", image.shape)
print("windows", windows.shape, "  windows[i, j] is the patch at (i, j)")
assert np.array_equal(windows[1, 2], image[1:4, 2:5])

# %% [markdown]
# This array has 16 patches of 9 numbers, but it holds no copies. It is a *view*: the same memory, read in
# another order.

# %%
assert np.shares_memory(windows, image)

# %% [markdown]
# Now the sum over $m$ and $n$. With the windows $V(i, j, m, n) = I(i + m, j + n)$ the formula is
#
# $$(K \star I)(i, j) = \sum_{m, n} V(i, j, m, n)\, K(m, n).$$
#
# This is a **contraction**: multiply, and sum over axes that two arrays share. `np.tensordot` with
# `axes=2` sums over the last 2 axes of the first array and the first 2 of the second.


# %%
def cross_correlate(image, kernel):
    windows = sliding_window_view(image, kernel.shape)  # (h - f + 1, w - f + 1, f, f)
    return np.tensordot(windows, kernel, axes=2)  # (h - f + 1, w - f + 1)


# %%
assert np.array_equal(cross_correlate(image, kernel), cross_correlate_loop(image, kernel))

# %% [markdown]
# ## 4. Kernels as filters
#
# Long before networks learned kernels, people chose them by hand. Take a real photo, in grey.

# %%
from sklearn.datasets import load_sample_image

photo = load_sample_image("china.jpg")[60:330, 150:510] / 255  # a part of it, 0 to 1
photo = photo.reshape(90, 3, 120, 3, 3).mean(axis=(1, 3, 4))  # means of 3 x 3 pixels and 3 colours: grey
print("photo", photo.shape, photo.dtype)

# %% [markdown]
# The **box blur** replaces a pixel by the mean of its neighbourhood. The **Gaussian blur** gives the centre
# more weight. **Sharpen** adds to each pixel its difference from its four neighbours. **Emboss** is lit from
# one corner. The **Sobel** kernels are differences in one direction and a little blur in the other.

# %%
binomial = np.array([1, 4, 6, 4, 1]) / 16  # close to a Gaussian
sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
kernels = {
    "box blur": np.ones((5, 5)) / 25,
    "Gaussian blur": np.outer(binomial, binomial),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "Sobel, vertical edges": sobel,
    "Sobel, horizontal edges": sobel.T,
}

# %% [markdown]
# The **sum of a kernel's numbers** tells what happens in a region of constant brightness $v$: the output is
# $v$ times the sum. **Before you run the next cell:** which kernels keep the brightness, which give 0?

# %%
# NBVAL_CHECK_OUTPUT
flat = np.full((9, 9), 0.5)
for name, K in kernels.items():
    print(f"{name:24} sum {K.sum():.0f}")
    assert np.allclose(cross_correlate(flat, K), 0.5 * K.sum())

# %%
grey_levels = plt.get_cmap("gray", 24)  # few levels: the figure stays small
figure, axes = plt.subplots(2, 4, figsize=(8, 3.5))
filtered = {name: cross_correlate(photo, K) for name, K in kernels.items()}
vertical, horizontal = filtered["Sobel, vertical edges"], filtered["Sobel, horizontal edges"]
results = {"photo": photo, **filtered, "strength of the edges": np.hypot(vertical, horizontal)}
for ax, (name, result) in zip(axes.flat, results.items(), strict=True):
    low, high = (-2, 2) if name.startswith("Sobel") else (0, 2) if name.startswith("strength") else (0, 1)
    ax.imshow(result, cmap=grey_levels, vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(name, fontsize=9)
    ax.axis("off")
plots.show(
    "A photo of a pagoda and seven filtered versions: box blur, Gaussian blur, sharpened, embossed, vertical "
    "edges, horizontal edges, and the strength of all edges, which are bright lines on black."
)

# %% [markdown]
# **Look at** the columns and the roofs in the two Sobel images. Grey is 0. The columns show up in the first,
# the edges of the roofs in the second. The last image is the length of the vector of both,
# $\sqrt{v^2 + h^2}$: the edges of any direction.
#
# A colour photo has three such tables, red, green and blue. Filter each by itself:

# %%
toucan = photos[48] / 255
colour_kernels = {
    "photo": np.ones((1, 1)),
    **{name: kernels[name] for name in ("box blur", "sharpen", "emboss")},
}
results = {
    name: np.stack([cross_correlate(toucan[:, :, c], K) for c in range(3)], axis=-1)
    for name, K in colour_kernels.items()
}
figure, axes = plt.subplots(1, 4, figsize=(6.4, 1.85))
for ax, (name, result) in zip(axes, results.items(), strict=True):
    ax.imshow(np.clip(result, 0, 1))
    ax.set_title(name)
    ax.axis("off")
plots.show("A colour photo of a toucan, then blurred, sharpened and embossed, in colour.")

# %% [markdown]
# ## 5. Stride and zero padding
#
# ### Stride
#
# The kernel need not stop at every pixel. If it moves on by $s$ pixels, $s$ is the **stride**. In NumPy: take
# every $s$-th window.


# %%
def cross_correlate_strided(image, kernel, stride):
    windows = sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.tensordot(windows, kernel, axes=2)


# %% [markdown]
# With a small stride neighbouring windows share most of their pixels, and their outputs are much alike: the
# information is redundant. How alike? Windows of size 5 share $5 - s$ of their 5 columns with the next one.
# We take an image of pure noise, where nothing else can make two outputs alike, and blur it.

# %%
noise, blur = np.random.default_rng(0).normal(size=(600, 600)), np.full((5, 5), 1 / 25)
for stride in range(1, 6):
    blurred = cross_correlate_strided(noise, blur, stride)
    correlation = np.corrcoef(blurred[:, :-1].ravel(), blurred[:, 1:].ravel())[0, 1]
    print(f"stride {stride}: output {blurred.shape}, correlation of neighbours {correlation:.2f}")
    assert abs(correlation - (5 - stride) / 5) < 0.05  # the share of columns in common

# %% [markdown]
# ### Zero padding
#
# Each convolution eats a border of the image. To prevent this, put a margin of $p$ zeros around it: **zero
# padding**.

# %%
# NBVAL_CHECK_OUTPUT
print(np.pad([[1, 2], [3, 4]], 1))

# %% [markdown]
# ### The size of the output
#
# An image of $h$ rows with the padding $p$ has $h + 2p$ rows. The first window starts at row 0, the next at
# $s$, at $2s$, and so on. The last possible start is $h + 2p - f$. Counting them gives
#
# $$\left\lfloor \frac{h + 2p - f}{s} \right\rfloor + 1,$$
#
# and the same with $w$ for the columns. The brackets $\lfloor \cdot \rfloor$ round down: rows that are left
# over at the end are dropped.


# %%
def output_size(h, f, p=0, s=1):
    return (h + 2 * p - f) // s + 1


# %% [markdown]
# **Before you run the next cell, fill in the last column yourself.** Then Keras answers.
#
# | $h$ | $f$ | $p$ | $s$ | output |
# | --- | --- | --- | --- | --- |
# | 6 | 3 | 0 | 1 | ? |
# | 28 | 5 | 2 | 1 | ? |
# | 28 | 3 | 0 | 2 | ? |
# | 227 | 11 | 0 | 4 | ? |
# | 224 | 7 | 3 | 2 | ? |

# %%
# NBVAL_CHECK_OUTPUT
for h, f, p, s in [(6, 3, 0, 1), (28, 5, 2, 1), (28, 3, 0, 2), (227, 11, 0, 4), (224, 7, 3, 2)]:
    layers = [keras.Input((h, h, 1)), keras.layers.ZeroPadding2D(p), keras.layers.Conv2D(1, f, strides=s)]
    keras_size = keras.Sequential(layers).output_shape[1]
    print(
        f"h = {h:3}, f = {f:2}, p = {p}, s = {s}: Keras {keras_size:3}, formula {output_size(h, f, p, s):3}"
    )
    assert keras_size == output_size(h, f, p, s)

# %% [markdown]
# (The last two are the first layers of famous networks, AlexNet and ResNet.)
#
# ### VALID and SAME
#
# In Keras you give no $p$. You choose one of two words. `padding="valid"` is no padding. `padding="same"`
# pads with as many zeros as it takes for an output of size
#
# $$\left\lceil \frac{h}{s} \right\rceil,$$
#
# where $\lceil \cdot \rceil$ rounds up. With stride 1 this is the size of the input, hence the name. How many
# zeros? The last window starts at $(\lceil h/s \rceil - 1)\,s$ and needs $f$ rows, so the total is
#
# $$P = \max\left(0,\; \left(\left\lceil \tfrac{h}{s} \right\rceil - 1\right) s + f - h\right), \qquad
# \text{with } \lfloor P/2 \rfloor \text{ rows above and the other } \lceil P/2 \rceil \text{ below.}$$
#
# If $P$ is odd, the bottom and the right get one row or column more than the top and the left.


# %%
def same_padding(h, f, s):
    """Zeros before and after an axis of length h, as Keras puts them for padding="same"."""
    total = max(0, (-(-h // s) - 1) * s + f - h)  # -(-h // s) rounds up
    return total // 2, total - total // 2


# %% [markdown]
# **Before you run the next cell, what do you expect** for $h = 28$, $f = 3$ and the strides 1 and 2?

# %%
# NBVAL_CHECK_OUTPUT
for h, f, s in [(28, 3, 1), (28, 3, 2), (27, 3, 2), (28, 2, 1), (28, 5, 1), (28, 1, 2)]:
    before, after = same_padding(h, f, s)
    print(f"h = {h}, f = {f}, s = {s}: {before} above, {after} below, output {-(-h // s)}")
    assert (before + h + after - f) // s + 1 == -(-h // s)


# %%
def draw_windows(ax, h, f, s, padding, title):
    """Draw an axis of h pixels with its zeros, and below it the windows that the kernel visits."""
    before, after = padding
    for pixel in range(-before, h + after):
        inside = 0 <= pixel < h
        ax.add_patch(
            plt.Rectangle((pixel, 0), 1, 1, facecolor="0.85" if inside else "white", edgecolor="black")
        )
        ax.text(pixel + 0.5, 0.5, "x" if inside else "0", ha="center", va="center")
    count = (before + h + after - f) // s + 1
    for k in range(count):
        start = k * s - before
        ax.plot([start + 0.1, start + f - 0.1], [-0.6 - 0.5 * k] * 2, color=plots.COLORS[0], linewidth=4)
    ax.set(xlim=(-1.2, 10.2), ylim=(-4.6, 1.2), title=f"{title}: output {count}")
    ax.axis("off")


# %%
figure, axes = plt.subplots(2, 3, figsize=(9, 3.6))
draw_windows(axes[0, 0], 8, 3, 1, (0, 0), "VALID, f = 3, s = 1")
draw_windows(axes[0, 1], 8, 3, 2, (0, 0), "VALID, f = 3, s = 2")
draw_windows(axes[0, 2], 8, 3, 3, (0, 0), "VALID, f = 3, s = 3")
draw_windows(axes[1, 0], 8, 3, 1, same_padding(8, 3, 1), "SAME, f = 3, s = 1")
draw_windows(axes[1, 1], 8, 3, 2, same_padding(8, 3, 2), "SAME, f = 3, s = 2")
draw_windows(axes[1, 2], 8, 4, 1, same_padding(8, 4, 1), "SAME, f = 4, s = 1")
plots.show(
    "One axis of 8 pixels and the windows over it, for strides 1, 2 and 3 without padding, then three cases "
    "of SAME. With stride 2, and with the kernel of size 4, there is one zero more at the end than at the "
    "start."
)

# %% [markdown]
# **Look at** the grey pixels that no bar covers: with VALID and stride 2 the last pixel is never seen. Then
# look at the zeros of SAME: on both sides in the first case, at the end only in the second. Does Keras really
# do this? An image of ones and a kernel of ones count the pixels in each window:

# %%
# NBVAL_CHECK_OUTPUT
ones = np.ones((1, 8, 8, 1), "float32")
for f, s in [(3, 2), (4, 1)]:
    counts = keras.ops.conv(ones, np.ones((f, f, 1, 1), "float32"), strides=s, padding="same")
    print(f"f = {f}, s = {s}:", keras.ops.convert_to_numpy(counts)[0, 1, :, 0])

# %% [markdown]
# In the first line the last window has fewer pixels (3 rows of 2), and the first is full. In the second line
# one column of zeros is at the start and two are at the end. (PyTorch's `padding=1` puts a zero on both
# sides. This is why weights moved from one library to the other can give other results at stride 2.)

# %% [markdown]
# ## 6. Channels
#
# A colour image has the shape (height, width, channels). The filter then has as many channels as the image:
# one kernel $F^c$ for each channel $c$. The results are **summed over the channels**:
#
# $$(F \star img)(i, j) = \sum_c \sum_m \sum_n F^c(m, n) \cdot img^c(i + m, j + n)$$
#
# An image of $6 \times 6 \times 3$ and a filter of $3 \times 3 \times 3$ give $4 \times 4 \times 1$: three
# tables go in, one comes out.

# %%
rgb = rng.integers(0, 10, size=(6, 6, 3))
F = np.zeros((3, 3, 3), int)  # a kernel for each channel:
F[:, :, 0] = [-1, 0, 1]  # red: vertical edges
F[:, :, 1] = np.array([[-1], [0], [1]])  # green: horizontal edges
F[1, 1, 2] = 1  # blue: the pixel itself
partial = np.stack([cross_correlate(rgb[:, :, c], F[:, :, c]) for c in range(3)], axis=-1)
total = partial.sum(axis=-1)
print("img", rgb.shape, "F", F.shape, "-> F ⋆ img", total.shape)

# %%
figure = plt.figure(figsize=(9, 6.2))
axes = figure.subplots(3, 4, width_ratios=[6, 3, 4, 4])
i, j = 1, 2  # the place to look at
for c, name in enumerate(["red", "green", "blue"]):
    show_numbers(axes[c, 0], rgb[:, :, c], f"$img^{c}$ ({name})", limit=9)
    show_numbers(axes[c, 1], F[:, :, c], f"$F^{c}$", limit=1)
    show_numbers(axes[c, 2], partial[:, :, c], f"$F^{c} \\star img^{c}$", limit=20)
    frame(axes[c, 0], i, j, size=3)
    frame(axes[c, 2], i, j, size=1)
    if c != 1:
        axes[c, 3].axis("off")
show_numbers(axes[1, 3], total, "sum: $F \\star img$", limit=20)
frame(axes[1, 3], i, j, size=1)
terms = " + ".join(f"({value})" if value < 0 else f"{value}" for value in partial[i, j])
axes[1, 3].set_xlabel(f"{terms} = {total[i, j]}".replace("-", "−"))
plots.show(
    "Three rows, one for each colour: the 6 by 6 channel, its 3 by 3 kernel, and the 4 by 4 result. On the "
    "right the three results are added to one 4 by 4 table. A frame marks one place in all of them."
)

# %% [markdown]
# **Look at** the framed cells: one patch in each channel, one number from each, and their sum on the right.
# It is the formula with $i = 1$, $j = 2$.
#
# In NumPy it is again one contraction, over three axes now. The windows come with the channel in front of
# the two axes of the patch; we move it to the end, where the filter has it.

# %%
# NBVAL_CHECK_OUTPUT
windows = sliding_window_view(rgb, (3, 3), axis=(0, 1))
print("windows", windows.shape, "with the channel last", np.moveaxis(windows, 2, 4).shape)
assert np.array_equal(np.tensordot(np.moveaxis(windows, 2, 4), F, axes=3), total)

# %% [markdown]
# ## 7. The convolution layer
#
# One filter finds one kind of pattern. A layer has $N$ filters, each with its bias $b$, and puts their $N$
# results side by side as channels. With the filter size $f \times f$, without padding and with stride 1:
#
# $$(h, w, c_i) \;\longrightarrow\; (h - f + 1,\; w - f + 1,\; N)$$


# %%
def block(ax, left, bottom, size, depth, text, color):
    """Draw a box: a square of the given size, with some depth to the right and upwards."""
    d = 0.5 * depth
    corners = [(0, 0), (size, 0), (size + d, d), (size + d, size + d), (d, size + d), (0, size)]
    ax.add_patch(plt.Polygon(np.add(corners, (left, bottom)), facecolor=color, alpha=0.3))
    ax.add_patch(plt.Polygon(np.add(corners, (left, bottom)), facecolor="none", edgecolor="black"))
    for end in [(0, size), (size, 0), (size + d, size + d)]:
        start = np.add((size, size), (left, bottom))
        ax.plot(*np.stack([start, np.add(end, (left, bottom))], axis=1), color="black", linewidth=1)
    ax.text(left + size / 2, bottom - 0.25, text, ha="center", va="top")


# %%
figure, ax = plt.subplots(figsize=(8.5, 3.3))
block(ax, 0, 0, 3, 0.8, "input\n$(h, w, c_i)$", plots.COLORS[0])
for k in range(4):
    block(
        ax,
        5,
        0.1 + 1.15 * k,
        0.65,
        0.8,
        "$N$ filters, each\n$(f, f, c_i)$" if k == 0 else "",
        plots.COLORS[1],
    )
block(ax, 8, 0.2, 2.5, 1.4, "output\n$(h - f + 1, w - f + 1, N)$", plots.COLORS[2])
for x in (4.0, 6.6):
    ax.annotate("", (x + 0.7, 1.7), (x, 1.7), arrowprops={"arrowstyle": "-|>"})
ax.set(xlim=(-0.3, 12), ylim=(-1.4, 5), aspect="equal")
ax.axis("off")
plots.show(
    "A box, the input of height h, width w and c channels; four small boxes, the filters, each as deep as "
    "the input; a box, the output, whose depth is the number of filters."
)

# %% [markdown]
# **Look at** the depths: each filter is as deep as the input; the output is as deep as there are filters. The
# output of a layer is the input of the next, whose filters are then $N$ deep.
#
# On top comes the activation function $\phi$, mostly ReLU. For a patch $x$ of the image
#
# $$z(x) = \phi(K \star x + b).$$
#
# This is a neuron of lesson 01 with the patch as its input, $\phi(\langle w, x \rangle + b)$, and one and the
# same neuron looks at every patch.
#
# Here is the whole layer, for a batch of images. We keep Keras's order of the axes.


# %%
def pad_same(x, f, s):
    """Zeros around the images of a batch (batch, h, w, c), for padding="same"."""
    return np.pad(x, [(0, 0), same_padding(x.shape[1], f, s), same_padding(x.shape[2], f, s), (0, 0)])


def conv2d(x, kernels, bias, stride=1, padding="valid"):
    """x (batch, h, w, c), kernels (f, f, c, N), bias (N,) -> (batch, h', w', N)."""
    f = kernels.shape[0]
    if padding == "same":
        x = pad_same(x, f, stride)
    windows = sliding_window_view(x, (f, f), axis=(1, 2))[:, ::stride, ::stride]  # (batch, h', w', c, f, f)
    return np.tensordot(np.moveaxis(windows, 3, 5), kernels, axes=3) + bias


def relu(x):
    return np.maximum(0, x)


# %%
# NBVAL_CHECK_OUTPUT
x = photos[:2].astype("float32") / 255
random_filters = rng.normal(size=(3, 3, 3, 16)).astype("float32")
for stride, padding in [(1, "valid"), (1, "same"), (2, "same")]:
    z = relu(conv2d(x, random_filters, np.zeros(16, "float32"), stride, padding))
    print(f"{x.shape} -> {z.shape} {z.dtype}, stride {stride}, {padding}")

# %% [markdown]
# ### The number of parameters
#
# A filter has one weight for each number of a patch, $f \cdot f \cdot c$, and one bias. There are $N$ filters
# (the slides also call this number $n$):
#
# $$N_p = ((f \cdot f \cdot c) + 1) \cdot N$$
#
# *A note on the slides.* They have $((h \cdot w \cdot c) + 1) \cdot n$ here. This is the number for a *dense*
# layer on the whole image. In a convolution layer the size $h \times w$ of the image does not matter at all.


# %%
def parameter_count(f, c, N):
    return (f * f * c + 1) * N


# %% [markdown]
# **Before you run the next cell, predict** the number of parameters of four layers:
#
# | image | filters | parameters |
# | --- | --- | --- |
# | $28 \times 28 \times 1$ | 8 of $3 \times 3$ | ? |
# | $28 \times 28 \times 8$ | 16 of $5 \times 5$ | ? |
# | $160 \times 160 \times 3$ | 100 of $3 \times 3$ | ? |
# | $640 \times 640 \times 3$ | 100 of $3 \times 3$ | ? |

# %%
# NBVAL_CHECK_OUTPUT
for h, c, N, f in [(28, 1, 8, 3), (28, 8, 16, 5), (160, 3, 100, 3), (640, 3, 100, 3)]:
    model = keras.Sequential([keras.Input((h, h, c)), keras.layers.Conv2D(N, f)])
    print(
        f"{h} x {h} x {c}, {N} filters: Keras {model.count_params():,}, formula {parameter_count(f, c, N):,}"
    )
    assert model.count_params() == parameter_count(f, c, N)

# %% [markdown]
# The third line is the layer promised in section 1: 2,800 parameters in place of 7,680,100.
#
# ### The receptive field
#
# A neuron of the first layer sees $f \times f$ pixels. A neuron of the second sees $f \times f$ neurons of
# the first, and through them more pixels. All the pixels that it sees are its **receptive field**. How many
# are they, along one axis? Two neighbours in layer $k - 1$ look at places that are $s_1 s_2 \cdots s_{k-1}$
# pixels apart. A kernel of size $f_k$ reaches over $f_k - 1$ such steps, so each layer adds
#
# $$r_k = r_{k-1} + (f_k - 1)\, s_1 s_2 \cdots s_{k-1}, \qquad r_0 = 1.$$
#
# Pooling counts as a layer, with its patch as $f$. (The padding does not matter here.)


# %%
def receptive_field(layers):
    """Return how many pixels along an axis one neuron sees; layers has (f, s), the first layer first."""
    field, step = 1, 1
    for f, s in layers:
        field, step = field + (f - 1) * step, step * s
    return field


# %% [markdown]
# **Before you run the next cells, what do you expect** for two layers of $3 \times 3$? And for a convolution,
# a pooling $2 \times 2$ with stride 2, and a second convolution?


# %%
def draw_field(ax, layers, title, h=13):
    """Draw h pixels in a row, the layers above them, and filled what the top's middle neuron sees."""
    centers, sizes = [np.arange(h)], [h]
    for f, s in layers:
        sizes.append(output_size(sizes[-1], f, s=s))
        centers.append(centers[-1][: s * sizes[-1] : s] + (centers[-1][f - 1] - centers[-1][0]) / 2)
    seen = {sizes[-1] // 2}
    for k in range(len(layers), -1, -1):
        for j, center in enumerate(centers[k]):
            color = plots.COLORS[5] if j in seen else "white"
            ax.add_patch(
                plt.Rectangle((center - 0.35, k - 0.2), 0.7, 0.4, facecolor=color, edgecolor="black")
            )
        f, s = layers[k - 1] if k else (0, 1)
        below = [(j, s * j + m) for j in seen for m in range(f)]
        for j, pixel in below:
            ax.plot([centers[k][j], centers[k - 1][pixel]], [k - 0.2, k - 0.8], color="0.4", linewidth=0.8)
        seen = {pixel for _, pixel in below} or seen
    ax.set(xlim=(-1, h), ylim=(-0.5, len(layers) + 0.4), title=f"{title}: {len(seen)} pixels")
    ax.set(
        yticks=range(len(layers) + 1), yticklabels=["image", *(f"layer {k + 1}" for k in range(len(layers)))]
    )
    ax.tick_params(length=0, bottom=False, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)


# %%
figure, axes = plt.subplots(1, 2, figsize=(9.4, 2.9))
draw_field(axes[0], [(3, 1), (3, 1)], "3, then 3")
draw_field(axes[1], [(3, 1), (2, 2), (3, 1)], "3, pooling 2, then 3")
plots.show(
    "Left: one neuron of the second layer is joined to three of the first, and they to five pixels of the "
    "image. Right, with a pooling between: three neurons of layer 2, six of layer 1, eight pixels."
)
assert receptive_field([(3, 1), (3, 1)]) == 5
assert receptive_field([(3, 1), (2, 2), (3, 1)]) == 8

# %% [markdown]
# **Look at** the right drawing: after the pooling the steps are two pixels wide, so the field grows faster.
# (You also see that a pixel in the middle is joined by more lines than one at the edge: it has more
# influence.)
#
# We test the formula by an experiment. Images with one bright pixel each go through the layers, with kernels
# of ones. Which of them does the neuron in the middle notice?

# %%
side = 21
spots = np.eye(side * side).reshape(-1, side, side, 1)  # image q is 0 but for pixel q
for layers in [[(3, 1), (3, 1)], [(3, 1), (2, 2), (3, 1)], [(5, 2), (3, 2)]]:
    z = spots
    for f, s in layers:
        z = conv2d(z, np.ones((f, f, 1, 1)), 0, stride=s)
    middle = z[:, z.shape[1] // 2, z.shape[2] // 2, 0].reshape(side, side)
    noticed = np.count_nonzero(middle.any(axis=0))
    print(layers, "sees", noticed, "columns, formula", receptive_field(layers))
    assert noticed == receptive_field(layers)

# %% [markdown]
# ## 8. The same as Keras, and how fast?
#
# Is our layer right in *every* case? We take all kernels of size 1 to 5 (odd and even), strides 1 to 3, both
# paddings, 1 to 8 channels: 240 cases. The images are not square, so that rows and columns cannot be mixed up
# unnoticed. Keras chooses the kernels at random; the biases are random too.

# %%
from itertools import product

differences = {}
depths = budget.pick(smoke=[3], cpu=range(1, 9))
for f, s, padding, c in product(range(1, 6), range(1, 4), ["valid", "same"], depths):
    layer = keras.layers.Conv2D(4, f, strides=s, padding=padding, bias_initializer="random_normal")
    x = rng.normal(size=(2, 11, 14, c)).astype("float32")
    with keras.device("cpu:0"):  # graphics cards round more coarsely
        theirs = keras.ops.convert_to_numpy(layer(x))
        K, b = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
        lower_level = keras.ops.convert_to_numpy(keras.ops.conv(x, K, strides=s, padding=padding)) + b
    ours = conv2d(x, K, b, s, padding)
    assert ours.shape == theirs.shape
    differences[f, s, padding, c] = max(np.abs(ours - theirs).max(), np.abs(ours - lower_level).max())
print(len(differences), "cases")

# %%
for f in range(1, 6):
    row = [
        max(differences[f, s, padding, c] for c in depths) for padding in ("valid", "same") for s in (1, 2, 3)
    ]
    print(f"f = {f}   VALID, s = 1, 2, 3: {row[0]:.0e} {row[1]:.0e} {row[2]:.0e}", end="   ")
    print(f"SAME, s = 1, 2, 3: {row[3]:.0e} {row[4]:.0e} {row[5]:.0e}")
runtime.result("conv2d_largest_difference_to_keras", max(differences.values()), at_most=1e-5)

# %% [markdown]
# The numbers are of order 1 and have about 7 digits (`float32`). A difference of $10^{-6}$ is rounding: the
# two add up in another order.
#
# ### Speed
#
# We compare four ways to compute one layer with 16 filters of $3 \times 3$ on a batch of 32 images of
# $28 \times 28 \times 8$:
#
# - the **naive loop** over images, rows, columns and filters, as one would write it first;
# - our **sliding windows** and contraction;
# - Keras's layer **called directly**, `layer(x)`;
# - Keras's layer in a **compiled** model, `model.predict_on_batch(x)`, as it is used in practice.
#
# All start from a NumPy array and end with one. **Before you run the next cell:** guess the factor between
# the first and the second.


# %%
def conv2d_loop(x, kernels, bias):
    f = kernels.shape[0]
    shape = (x.shape[0], x.shape[1] - f + 1, x.shape[2] - f + 1, kernels.shape[3])
    output = np.zeros(shape, x.dtype)
    for b, i, j, k in np.ndindex(shape):
        output[b, i, j, k] = np.sum(x[b, i : i + f, j : j + f] * kernels[..., k]) + bias[k]
    return output


# %% [markdown]
# A fair clock: the fast functions take turns. The first rounds do not count (Keras compiles then), and of the
# others the shortest time of each counts, since another busy program can only make a time longer.


# %%
def shortest_seconds(functions, rounds, warm_up=5):
    times = {name: [] for name in functions}
    for _ in range(warm_up + rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: min(values[warm_up:]) for name, values in times.items()}


# %%
x = rng.normal(size=(32, 28, 28, 8)).astype("float32")
with keras.device("cpu:0"):
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Conv2D(16, 3)])
    layer = model.layers[0]
    K, b = (keras.ops.convert_to_numpy(weight) for weight in layer.weights)
    seconds = shortest_seconds(
        {
            "sliding windows": lambda: conv2d(x, K, b),
            "Keras, called directly": lambda: keras.ops.convert_to_numpy(layer(x)),
            "Keras, compiled": lambda: model.predict_on_batch(x),
        },
        rounds=budget.pick(smoke=10, cpu=100),
    )
few = x[:4]  # the loop is slow: 4 of the 32 images, once
start = time.perf_counter()
naive = conv2d_loop(few, K, b)
seconds = {"naive loop": (time.perf_counter() - start) * len(x) / len(few), **seconds}
for name, value in seconds.items():
    print(f"{name:23} {1000 * value:8.2f} ms")
assert np.allclose(naive, conv2d(few, K, b), atol=1e-5)

# %%
fastest_keras = min(seconds["Keras, called directly"], seconds["Keras, compiled"])
print(f"naive loop / sliding windows: {seconds['naive loop'] / seconds['sliding windows']:.0f}")
runtime.result("conv2d_time_ratio_to_keras", seconds["sliding windows"] / fastest_keras)
assert seconds["naive loop"] > 50 * seconds["sliding windows"]

# %% [markdown]
# The comparison in `RESULT` is with the faster of the two Keras calls.
#
# Why are sliding windows fast? `np.tensordot` copies the windows into one matrix, with a patch in each row,
# and multiplies it by the matrix of the kernels. Matrix products are what computers do best. The price is
# memory: a pixel is copied into each of the $f \cdot f$ windows that contain it. The trick is known as
# *im2col* (Chellapilla, Puri & Simard, 2006), and many libraries use it.

# %%
# NBVAL_CHECK_OUTPUT
windows = np.moveaxis(sliding_window_view(x, (3, 3), axis=(1, 2)), 3, 5)
matrix = windows.reshape(-1, 3 * 3 * 8)  # makes the copy
print("matrix of patches", matrix.shape, "times matrix of kernels", K.reshape(-1, 16).shape)
print(f"images {x.nbytes / 1e6:.1f} MB, patches {matrix.nbytes / 1e6:.1f} MB")
assert np.allclose((matrix @ K.reshape(-1, 16) + b).reshape(32, 26, 26, 16), conv2d(x, K, b), atol=1e-5)

# %% [markdown]
# ## 9. A dense layer in disguise, and its gradient
#
# ### A sparse matrix
#
# A convolution is linear in the image, so it is a matrix. Write the image $I$ of section 2 as a vector $x$ of
# 36 numbers, row after row, and the output as a vector $a$ of 16:
#
# $$a = M x.$$
#
# Column $q$ of $M$ is what the kernel makes of an image whose only bright pixel is pixel $q$. **Before you
# run the next cell:** how many of the 576 numbers of $M$ are, with this kernel, different from 0? And how
# many different values do these have?

# %%
pixels = np.eye(36).reshape(36, 6, 6)  # 36 images, each with one bright pixel
M = np.stack([cross_correlate(pixel, kernel).ravel() for pixel in pixels], axis=1)
assert np.array_equal(M @ image.ravel(), output.ravel())  # the result of section 2

figure, ax = plt.subplots(figsize=(7.4, 3.4))
ax.imshow(M, cmap="PuOr", vmin=-4, vmax=4)  # pale enough to read
for (row, column), weight in np.ndenumerate(M):
    if weight:
        ax.text(column, row, f"{weight:g}".replace("-", "−"), ha="center", va="center", fontsize=6)
ax.set(xlabel="pixel of the image (row after row)", ylabel="place of the output")
ax.set(xticks=range(0, 36, 6), yticks=range(0, 16, 4))
ax.grid(visible=False)
plots.show(
    "A matrix of 16 rows and 36 columns, mostly empty. Each row holds the same six numbers in three "
    "groups of two; they stand one column further to the right from row to row, and two more after every "
    "four rows."
)

# %%
# NBVAL_CHECK_OUTPUT
print("matrix", M.shape, "not zero:", np.count_nonzero(M), "of", M.size)
print("different values:", np.unique(M[M != 0]))

# %% [markdown]
# Each row holds the nine weights of $K$ (three of Sobel's are 0). So a convolution layer **is** a dense
# layer, but for two rules: most weights are zero, because a neuron sees only its patch, and the weights that
# are left are **shared** by all neurons. A dense layer from 36 pixels to 16 neurons would have 576 free
# weights; this one has 9.
#
# ### The gradient
#
# What backpropagation (lesson 03) needs now follows. Let $G(i, j)$ be the derivative of the loss $\ell$ by
# the output at $(i, j)$. For a dense layer $a = M x$ the signal goes back through the transposed matrix:
#
# $$\frac{\partial \ell}{\partial x} = M^\top G.$$
#
# In $M^\top$ each pixel collects from the places that it took part in, and it met them with the kernel in
# reverse order. This is a convolution, now truly with $*$, over all places where $G$ and $K$ overlap (SciPy
# calls it `"full"`):
#
# $$\frac{\partial \ell}{\partial I} = G * K.$$
#
# A weight $K(m, n)$ is used at every place $(i, j)$, where it meets the pixel $I(i + m, j + n)$. By the rule
# for paths that branch, we sum over the places. The sum is a cross-correlation again, with $G$ as the kernel:
#
# $$\frac{\partial \ell}{\partial K(m, n)} = \sum_{i, j} G(i, j)\, I(i + m, j + n) = (G \star I)(m, n).$$

# %%
G = rng.normal(size=output.shape)
gradient_image = convolve2d(G, kernel, mode="full")  # G * K
gradient_kernel = cross_correlate(image, G)  # G ⋆ I
print("G", G.shape, "-> by the image", gradient_image.shape, "by the kernel", gradient_kernel.shape)
assert np.allclose(gradient_image.ravel(), M.T @ G.ravel())

# %% [markdown]
# TensorFlow's tape (lesson 03) must find the same. The loss $\sum G \cdot (K \star I)$ has the derivative $G$
# by the output.


# %%
def tape_gradients(loss, *arrays):
    """Return the derivatives of loss(...) by each of the arrays."""
    variables = [tf.Variable(array, dtype="float32") for array in arrays]
    with tf.GradientTape() as tape:
        value = loss(*variables)
    return [keras.ops.convert_to_numpy(slopes) for slopes in tape.gradient(value, variables)]


def loss(x, K):
    return keras.ops.sum(G * keras.ops.conv(x[None, :, :, None], K[:, :, None, None])[0, :, :, 0])


for ours, theirs in zip((gradient_image, gradient_kernel), tape_gradients(loss, image, kernel), strict=True):
    assert np.allclose(ours, theirs, atol=1e-4)

# %% [markdown]
# With channels and a batch nothing new happens. The contraction of section 6 runs over other axes: for the
# kernels over the batch and the places, for the images over the filters.

# %% [markdown]
# ## 10. Shift, then convolve
#
# Section 1 asked for a layer that treats a toucan alike wherever it sits. Convolution does. Shifting the
# image and then convolving gives the same as convolving and then shifting:
#
# $$K \star (T I) = T (K \star I) \qquad \text{for a shift } T.$$
#
# The word for it is **equivariance** to translations. We test it on handwritten digits. Around each we put a
# margin of 4 zeros, so that a shifted digit is not cut off.

# %%
mnist = data.mnist()
MARGIN = 4


def with_margin(images):
    images = images[..., None].astype("float32") / 255  # ink from 0 to 1, one channel
    return np.pad(images, [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)])


def shift(x, down, right):
    return np.roll(x, (down, right), axis=(1, 2))  # only zeros go around the edge


some = np.random.default_rng(1).choice(len(mnist.x_test), 2000, replace=False)  # at random
x_test, y_test = with_margin(mnist.x_test[some]), mnist.y_test[some]
print("x_test", x_test.shape, x_test.dtype)

# %%
directions = np.stack([sobel, -sobel, sobel.T, -sobel.T], axis=-1)[:, :, None]  # edges of four directions
directions = directions.astype("float32")
no_bias = np.zeros(4, "float32")
x = x_test[:100]
convolved_after = conv2d(shift(x, 2, -3), directions, no_bias, padding="same")
convolved_before = shift(conv2d(x, directions, no_bias, padding="same"), 2, -3)
print("kernels", directions.shape)
assert np.allclose(convolved_after, convolved_before, atol=1e-6)

# %% [markdown]
# It holds for any kernel, as long as the margin of the image is empty (at the border, zeros come in and
# pixels fall out). A dense layer has no such property. With stride 2 it holds for shifts by an even number of
# pixels only.

# %%
strided = conv2d(x, directions, no_bias, stride=2, padding="same")
even = conv2d(shift(x, 2, 0), directions, no_bias, stride=2, padding="same")
odd = conv2d(shift(x, 1, 0), directions, no_bias, stride=2, padding="same")
assert np.allclose(even, shift(strided, 1, 0), atol=1e-6)
assert not any(np.allclose(odd, shift(strided, step, 0)) for step in (0, 1))

# %% [markdown]
# Note the difference: *equivariant* means that the output moves with the input. *Invariant* means that it
# stays the same. "It is a 7" should be invariant: a shifted 7 is a 7. This is where pooling comes in.

# %% [markdown]
# ## 11. Pooling
#
# A pooling layer also looks at small patches, each channel by itself, and takes their **maximum** or their
# **mean**. It reduces the size (*subsampling*), and it has no parameters. The usual patch is $2 \times 2$
# with stride 2: it divides the number of values by 4.


# %%
def pool(x, size, stride, statistic):
    """x (batch, h, w, c) -> (batch, h', w', c); the statistic is np.max or np.mean."""
    windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return statistic(windows, axis=(4, 5))  # (batch, h', w', c, size, size) -> (batch, h', w', c)


# %% [markdown]
# **Before you run the next cell:** what are the maximum and the mean in the lower right patch of the table on
# the left?

# %%
table = np.array([[1, 3, 2, 0], [5, 7, 4, 2], [0, 1, 8, 3], [2, 1, 3, 6]], dtype=float)
pooled = {
    name: pool(table[None, :, :, None], 2, 2, f)[0, :, :, 0]
    for name, f in [("max", np.max), ("mean", np.mean)]
}
figure, axes = plt.subplots(1, 3, figsize=(6.6, 2.8), width_ratios=[4, 2, 2])
show_numbers(axes[0], table, "input, 4 × 4", limit=8)
show_numbers(axes[1], pooled["max"], "max pooling", limit=8)
show_numbers(axes[2], pooled["mean"], "mean pooling", limit=8)
for i, j in np.ndindex(2, 2):
    frame(axes[0], 2 * i, 2 * j, size=2)
plots.show(
    "A table of 4 by 4 numbers in four framed patches; the maximum of each patch, a table of 2 by 2; the "
    "mean of each patch, a table of 2 by 2."
)

# %% [markdown]
# The size of the output follows the formula of section 5, with the patch in place of the kernel. Keras has
# both as layers, and they agree:

# %%
x = rng.normal(size=(2, 11, 14, 3)).astype("float32")
for size, stride in [(2, 2), (3, 2), (2, 1), (3, 3)]:
    for layer, statistic in [(keras.layers.MaxPooling2D, np.max), (keras.layers.AveragePooling2D, np.mean)]:
        theirs = keras.ops.convert_to_numpy(layer(size, strides=stride)(x))
        assert theirs.shape[1:3] == (output_size(11, size, s=stride), output_size(14, size, s=stride))
        assert np.allclose(pool(x, size, stride, statistic), theirs, atol=1e-6)

# %% [markdown]
# **The gradient** of pooling needs no weights. Let $G$ be the derivative of the loss by the pooled values. In
# a mean over 4 pixels each pixel gets a quarter of its patch's $G$. In a maximum only the pixel that won
# matters: it gets all of $G$, the other three get 0, because a small change of them changes nothing.
#
# $$\frac{\partial \ell}{\partial x(i, j)} = \begin{cases}
# G(\text{its patch}) & \text{if } x(i, j) \text{ is the maximum of its patch,} \\
# 0 & \text{otherwise.} \end{cases}$$

# %%
# NBVAL_CHECK_OUTPUT
G_pooled = np.array([[1.0, 2.0], [3.0, 4.0]])


def enlarge(values):
    return np.kron(values, np.ones((2, 2)))  # each value becomes a patch of 2 x 2


by_max = np.where(table == enlarge(pooled["max"]), enlarge(G_pooled), 0)
by_mean = enlarge(G_pooled) / 4
print(by_max)

# %%
x = table[None, :, :, None]
for ours, keras_pool in [(by_max, keras.ops.max_pool), (by_mean, keras.ops.average_pool)]:
    (theirs,) = tape_gradients(lambda x, f=keras_pool: keras.ops.sum(G_pooled * f(x, 2)[0, :, :, 0]), x)
    assert np.allclose(ours, theirs[0, :, :, 0])

# %% [markdown]
# Here no patch has two equal maxima, and no pixel is in two patches. The lab looks at what happens otherwise.

# %%
digit = x_test[:1]
edges = relu(conv2d(digit, directions, no_bias, padding="same"))
figure, axes = plt.subplots(2, 5, figsize=(8.5, 3.5))
for row, (ink, maps) in enumerate([(digit, edges), (pool(digit, 2, 2, np.max), pool(edges, 2, 2, np.max))]):
    axes[row, 0].imshow(ink[0, :, :, 0])
    for k in range(4):
        axes[row, k + 1].imshow(maps[0, :, :, k], vmin=0, vmax=edges.max())
for ax, title in zip(axes.flat, ["digit", *(f"edges, filter {k}" for k in range(4)), *[""] * 5], strict=True):
    bare(ax, title)
axes[0, 0].set_ylabel("36 × 36")
axes[1, 0].set_ylabel("max pooled,\n18 × 18")
plots.show(
    "A handwritten digit and its edges of four directions; in the second row the same after max pooling, "
    "with half as many pixels in each direction: coarser, but the same forms."
)

# %% [markdown]
# **Look at** the second row: a quarter of the values, and each edge is still where it was.
#
# ## 12. Fully connected layers
#
# After several convolution and pooling layers the tensor is small, and its values say *what* was found rather
# than how bright a pixel is. It is now turned into a vector (`Flatten`), and dense layers, as in lesson 02,
# do the rest. Here is such a network for the digits with their margin.


# %%
def build(subsampling):
    """A small CNN; subsampling() makes the layer that comes after each convolution."""
    return keras.Sequential(
        [
            keras.Input((36, 36, 1)),
            keras.layers.Conv2D(8, 3, padding="same", activation="relu"),
            subsampling(),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            subsampling(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


# %% [markdown]
# **Before you run the next cell, write down** for each layer the shape of its output and its number of
# parameters. In which layer are most of the parameters?

# %%
# NBVAL_CHECK_OUTPUT
model = build(lambda: keras.layers.MaxPooling2D(2))
for layer in model.layers:
    shape = str(layer.output.shape[1:])
    print(f"{type(layer).__name__:13} output {shape:13} {layer.count_params():6,} parameters")
print(f"{model.count_params():,} in all")

# %% [markdown]
# Our prediction, from the formulas:

# %%
first, second = parameter_count(3, 1, 8), parameter_count(3, 8, 16)
side = output_size(output_size(36, 2, s=2), 2, s=2)  # SAME keeps the size, each pooling halves it
values = side * side * 16  # after Flatten
dense = (values + 1) * 10  # one weight for each value, and one bias
assert [layer.count_params() for layer in model.layers] == [first, 0, second, 0, 0, dense]
assert model.count_params() == first + second + dense

# %% [markdown]
# `Flatten` puts the values in the order of memory: row by row, in a row pixel by pixel, and for each pixel
# its channels. In NumPy this is `reshape`.

# %%
x = rng.normal(size=(2, 9, 9, 16)).astype("float32")
assert np.array_equal(keras.ops.convert_to_numpy(keras.layers.Flatten()(x)), x.reshape(2, -1))

# %% [markdown]
# ## 13. How sensitive is it to a shift?
#
# The slides say that pooling makes a network less sensitive to small translations. Let us measure that, for 0
# to 4 pixels, twice.
#
# ### First: how much do the features change?
#
# Take the edge maps of section 11 as features $u(x)$. Shift the digit $x$ by $d$ pixels, in each of the four
# directions, and compute the relative change
#
# $$\frac{\lVert u(T_d\, x) - u(x) \rVert}{\lVert u(x) \rVert},$$
#
# as a mean over the digits and the directions. To be fair we compare at equal size. "Every second pixel"
# keeps $18 \times 18$ values as pooling does, but takes one of four in place of their maximum or mean; "every
# fourth pixel" keeps $9 \times 9$.

# %%
features = {
    "no subsampling": lambda z: z,
    "every second pixel": lambda z: z[:, ::2, ::2],
    "mean pooling 2 × 2": lambda z: pool(z, 2, 2, np.mean),
    "max pooling 2 × 2": lambda z: pool(z, 2, 2, np.max),
    "every fourth pixel": lambda z: z[:, ::4, ::4],
    "mean pooling 4 × 4": lambda z: pool(z, 4, 4, np.mean),
    "max pooling 4 × 4": lambda z: pool(z, 4, 4, np.max),
}
shifts = range(MARGIN + 1)
four_ways = [(1, 0), (-1, 0), (0, 1), (0, -1)]


def relative_change(feature, x, d):
    def u(x):
        return feature(relu(conv2d(x, directions, no_bias, padding="same"))).reshape(len(x), -1)

    moved = [u(shift(x, d * down, d * right)) for down, right in four_ways]
    return np.mean(np.linalg.norm(moved - u(x), axis=2) / np.linalg.norm(u(x), axis=1))


# %% [markdown]
# **Before you run the next cell, what do you expect** for a shift by 1 pixel? And by 4?

# %%
digits = x_test[: budget.pick(smoke=20, cpu=500)]
changes = {name: [relative_change(feature, digits, d) for d in shifts] for name, feature in features.items()}
for name, values in changes.items():
    print(f"{name:20}", "  ".join(f"{value:.2f}" for value in values))
runtime.result("feature_change_1_pixel_without_pooling", changes["every second pixel"][1])
runtime.result("feature_change_1_pixel_max_pooling", changes["max pooling 2 × 2"][1], at_most=0.6)
for size, stride in [("2 × 2", "second"), ("4 × 4", "fourth")]:
    mean, largest = changes[f"mean pooling {size}"], changes[f"max pooling {size}"]
    assert largest[1] < 0.8 * changes[f"every {stride} pixel"][1]
    assert all(mean[d] > largest[d] + 0.02 for d in (2, 3, 4))
assert abs(changes["mean pooling 4 × 4"][1] - changes["max pooling 4 × 4"][1]) < 0.03

# %% [markdown]
# Mean pooling helps as well. With patches of $4 \times 4$ it is as good as the maximum for a shift by one
# pixel; from two pixels on the maximum is ahead. Two rounds of $2 \times 2$ act like one of $4 \times 4$:

# %%
z = relu(conv2d(x_test[:50], directions, no_bias, padding="same"))
assert np.array_equal(pool(pool(z, 2, 2, np.max), 2, 2, np.max), pool(z, 4, 4, np.max))

# %% [markdown]
# ### Second: how many shifted digits does a trained network read?
#
# Train the network of section 12 on digits in the middle, and test it on shifted ones. Again with every
# second pixel (a "pooling" of patches of one pixel, with stride 2), and with the two poolings. These three
# networks have the same layers and the same number of parameters. The fourth does not subsample at all. Data,
# epochs and rates are the same for all, with three random starts each. (The twelve trainings take three to
# six minutes; a line comes after each three.)

# %%
subsamplings = {
    "no subsampling": lambda: keras.layers.MaxPooling2D(1),
    "every second pixel": lambda: keras.layers.MaxPooling2D(1, strides=2),
    "mean pooling 2 × 2": lambda: keras.layers.AveragePooling2D(2),
    "max pooling 2 × 2": lambda: keras.layers.MaxPooling2D(2),
}
images, tested = budget.pick(smoke=(200, 50), cpu=(12_000, 2000))
epochs = budget.pick(smoke=1, cpu=4)
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])
x_train, y_train = with_margin(mnist.x_train[:images]), mnist.y_train[:images]


def train(subsampling, seed, frozen=False):
    """Return the trained model, and the kernels of its first layer before the training."""
    keras.utils.set_random_seed(seed)
    model = build(subsampling)
    start = keras.ops.convert_to_numpy(model.layers[0].kernel).copy()
    model.layers[0].trainable = not frozen
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=0)
    return model, start


def accuracy(model, d):
    """Share of the test digits that are read right after a shift by d pixels."""
    shifted = [shift(x_test[:tested], d * down, d * right) for down, right in four_ways[: 4 if d else 1]]
    digits = [np.argmax(keras.ops.convert_to_numpy(model(x)), axis=-1) for x in shifted]
    return np.mean(np.array(digits) == y_test[:tested])


# %%
networks, accuracies = {}, {}
for name, subsampling in subsamplings.items():
    networks[name] = [train(subsampling, seed) for seed in seeds]
    accuracies[name] = np.array([[accuracy(model, d) for d in shifts] for model, _ in networks[name]])
    parameters = networks[name][0][0].count_params()
    row = "  ".join(f"{value:.3f}" for value in np.mean(accuracies[name], axis=0))
    print(f"{name:19} {parameters:7,} parameters   {row}")

# %% [markdown]
# **Look at** the first column: the four do not read equally well before anything is shifted. To see what the
# shift does, we divide by this start, for each network by its own.

# %%
kept = {name: values / values[:, :1] for name, values in accuracies.items()}
for name, values in kept.items():
    print(f"{name:19} of 2 pixels:", "  ".join(f"{value:.3f}" for value in values[:, 2]))

# %%
figure, axes = plt.subplots(1, 3, figsize=(10.4, 3.6))
for i, (name, values) in enumerate(changes.items()):
    for ax in axes[:2] if i == 0 else axes[:1] if i < 4 else axes[1:2]:
        style = i if i < 4 else i - 3
        ax.plot(shifts, values, plots.MARKERS[style] + "-", color=plots.COLORS[style], label=name)
for i, (name, values) in enumerate(kept.items()):
    axes[2].plot(shifts, values.mean(axis=0), "-", color=plots.COLORS[i])
    axes[2].plot([], [], plots.MARKERS[i] + "-", color=plots.COLORS[i], label=name)  # for the legend
    for row in values:  # a row for each seed
        places = np.array(shifts) + 0.08 * (i - 1.5)  # side by side: dots of equal height stay visible
        axes[2].plot(places, row, plots.MARKERS[i], color=plots.COLORS[i], markersize=4)
axes[0].set(title="Edge filters, 18 × 18 values", ylabel="change of the features", ylim=(0, 1.5))
axes[1].set(title="Edge filters, 9 × 9 values", ylabel="change of the features", ylim=(0, 1.5))
axes[2].set(title="Trained networks", ylabel="accuracy / accuracy without shift", ylim=(0, 1.05))
for ax, place in zip(axes, ["lower right", "lower right", "lower left"], strict=True):
    ax.legend(loc=place, fontsize=8)
    ax.set(xlabel="shift (pixels)", xticks=shifts)
plots.show(
    "Left and middle: the change of the features grows with the shift; with mean and max pooling it is "
    "smaller than with every second or every fourth pixel. Right: the share of its accuracy that a network "
    "keeps falls with the shift for all four; the dots of the random starts lie close together."
)

# %%
mean = {name: values.mean(axis=0) for name, values in accuracies.items()}
runtime.result("accuracy_2_pixels_every_second_pixel", mean["every second pixel"][2])
runtime.result("accuracy_2_pixels_no_subsampling", mean["no subsampling"][2])
runtime.result("accuracy_2_pixels_max_pooling", mean["max pooling 2 × 2"][2])
gain = kept["max pooling 2 × 2"][:, 2].mean() - kept["every second pixel"][:, 2].mean()
runtime.result("share_kept_2_pixels_gain_by_max_pooling", gain, at_least=0.03)

# %% [markdown]
# **Look at** the right panel. (The numbers in this text are for the `cpu` budget.)
#
# - Pooling helps. Among the three networks of equal size the one with max pooling keeps the largest share of
#   its accuracy at two pixels.
# - It does *not* make the network invariant. Every pixel of the shift costs accuracy, and at four pixels all
#   of them fail on most digits. "Less sensitive to small translations" is true, and no more than that.
# - Against the network without any subsampling max pooling gains nothing that the random starts would not
#   hide. But it needs 15 times fewer parameters.
#
# To show the network shifted digits in training helps too (data augmentation, lesson 07).

# %% [markdown]
# ## 14. CNNs learn the filters
#
# In section 4 we chose kernels by hand. In a CNN the kernels are weights like all others, found by gradient
# descent. Can training find a kernel that we know? Show a `Conv2D` with one filter pairs of images: the input
# and what the Sobel kernel makes of it. It does not see the kernel.


# %%
def imitate(images, kernel, epochs=40):
    """Train one 3 x 3 filter to do to the images (batch, h, w, 1) what the kernel does."""
    targets = conv2d(images, kernel[:, :, None, None], 0)
    model = keras.Sequential([keras.Input(images.shape[1:]), keras.layers.Conv2D(1, 3)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.05), loss="mse")
    model.fit(images, targets, batch_size=4, epochs=epochs, verbose=0)
    left_over = np.mean((targets - keras.ops.convert_to_numpy(model(images))) ** 2) / targets.var()
    return keras.ops.convert_to_numpy(model.layers[0].kernel)[:, :, 0, 0], left_over


# %% [markdown]
# First with images of random noise, then with photos. **Before you run the next cell:** which will work
# better?

# %%
keras.utils.set_random_seed(1)
noise_images = rng.normal(size=(24, 80, 80, 1)).astype("float32")
grey = (photos[:24, ::2, ::2].mean(axis=-1, keepdims=True) / 255).astype("float32")
target = sobel.astype("float32")
learned = {"noise": imitate(noise_images, target), "photos": imitate(grey, target)}
figure, axes = plt.subplots(1, 3, figsize=(8, 3.5))
show_numbers(axes[0], target, "Sobel", limit=2)
for ax, (name, (K, left_over)) in zip(axes[1:], learned.items(), strict=True):
    show_numbers(ax, K.round(2) + 0.0, f"learned from {name}", limit=2)
    ax.set_xlabel(f"error: {left_over:.1e} of the variance")
plots.show(
    "Three kernels as tables: Sobel's; the one learned from noise, which is the same; the one learned from "
    "photos, which is similar but has other numbers."
)

# %%
runtime.result(
    "sobel_recovered_from_noise_largest_error", np.abs(learned["noise"][0] - target).max(), at_most=1e-3
)
assert learned["photos"][1] < 0.1

# %% [markdown]
# From noise the kernel is found, to the last digit shown. From photos it is not, or not yet, although the
# *output* is already imitated well: see the errors below the tables. In a photo neighbouring pixels are
# nearly equal, and many kernels give nearly the same output. We guess that the loss is nearly flat between
# these kernels, so that gradient descent walks slowly.
#
# That it is the walk and not the data that fails is easy to see. Without $\phi$ the layer is linear, so the
# best kernel is a least-squares problem on the patches. NumPy solves it directly:

# %%
patches = sliding_window_view(grey[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9).astype(float)
targets = conv2d(grey, target[:, :, None, None], 0).ravel()
solution = np.linalg.lstsq(patches, targets, rcond=None)[0]
assert np.allclose(solution.reshape(3, 3), sobel, atol=1e-4)

# %% [markdown]
# ### What training added
#
# The digit network of section 13 was never told to find edges, only to tell digits apart. Did it *learn* its
# filters? We kept the random start of each kernel of the first layer. **Before you run the next cell, what do
# you expect:** how similar are the trained kernels to it?

# %%
network, start = networks["max pooling 2 × 2"][0]
layer = network.layers[0]
start, trained = (K.reshape(9, 8).T for K in (start, keras.ops.convert_to_numpy(layer.kernel)))
correlation = np.array(
    [np.corrcoef(before, after)[0, 1] for before, after in zip(start, trained, strict=True)]
)
print("correlation with the own start: ", correlation.round(2))
strangers = np.abs(np.corrcoef(start, trained)[:8, 8:][~np.eye(8, dtype=bool)])
print(f"with the starts of the others:   {strangers.mean():.2f} (mean of the absolute values)")
contrast = trained.std(axis=1) / start.std(axis=1)
print("contrast, trained / start:      ", contrast.round(2))
assert correlation.mean() > 0.6 > 0.45 > strangers.mean()

# %%
maps = keras.ops.convert_to_numpy(layer(x_test[:1]))[0]
figure, axes = plt.subplots(3, 8, figsize=(9.5, 3.9))
largest = np.abs([start, trained]).max()
for k in range(8):
    for ax, weights in zip(axes[:2, k], (start[k], trained[k]), strict=True):
        ax.imshow(weights.reshape(3, 3), cmap="PuOr", vmin=-largest, vmax=largest)
        for (m, n), weight in np.ndenumerate(weights.reshape(3, 3)):
            ink = "white" if abs(weight) > 0.6 * largest else "black"
            ax.text(n, m, "+" if weight > 0 else "−", ha="center", va="center", color=ink)
        bare(ax)
    axes[2, k].imshow(maps[:, :, k], vmin=0, vmax=maps.max())
    bare(axes[2, k])
    axes[0, k].set_title(f"filter {k}")
    axes[1, k].set_xlabel(f"{correlation[k]:.2f}")
for ax, name in zip(axes[:, 0], ["random start", "trained", "output"], strict=True):
    ax.set_ylabel(name)
plots.show(
    "Eight kernels of 3 by 3 with plus and minus signs. First row: their random start; second row: after "
    "the training, with the correlation of both below, mostly high; third row: their outputs for a digit."
)

# %% [markdown]
# **Look at** a kernel that is positive on one side and negative on the other, and then at its start above it:
# the pattern was mostly there before. So "this network has learned edge filters" would be too much. Does it
# need to? We train again from the same starts, and keep the first layer *frozen* at its random kernels
# (`trainable = False`: the optimiser leaves the layer alone). **Before you run the next cell, what do you
# expect?**

# %%
frozen = [accuracy(train(subsamplings["max pooling 2 × 2"], seed, frozen=True)[0], 0) for seed in seeds]
free = accuracies["max pooling 2 × 2"][:, 0]
print("first layer trained:", free.round(3), " frozen:", np.round(frozen, 3))
runtime.result("accuracy_lost_with_a_frozen_first_layer", np.mean(free - frozen), at_most=0.03)

# %% [markdown]
# Training the first layer gains a point or two, no more. The random kernels would nearly do, probably
# because the later layers can use what they get.
#
# ### Filters that did learn
#
# A network that was trained for long, on many images, may be different. EfficientNet-Lite0 of section 1
# was trained on 1.28 million photos. Its first layer has 32 filters of $3 \times 3$ for three colours. We do
# not have their random start, but we know what one looks like: 27 numbers without any order.

# %%
stem = keras.ops.convert_to_numpy(efficientnet.get_layer("stem_conv").kernel)
print("first layer", stem.shape)
norms = np.linalg.norm(stem.reshape(27, 32), axis=0)
alive = np.argsort(-norms)[: np.count_nonzero(norms > 0.01 * norms.max())]  # the strongest first
print(len(alive), "filters are alive, the others have become zero")
random_stem = rng.normal(size=stem.shape)


def as_colours(K):
    return 0.5 + 0.5 * K / np.abs(K).max()  # 0 becomes grey; a channel's weights become its brightness


figure, axes = plt.subplots(1, 2, figsize=(8, 2.6))
for ax, filters, order, title in [
    (axes[0], random_stem, range(len(alive)), "random numbers"),
    (axes[1], stem, alive, "EfficientNet-Lite0, first layer"),
]:
    plots.image_grid(np.stack([as_colours(filters[..., k]) for k in order]), columns=7, ax=ax)
    ax.set_title(title)
plots.show(
    "Small colour pictures of 3 by 3 filters. Left, random ones: nine unrelated colours each. Right, those "
    "of EfficientNet-Lite0: most are patterns in two opposite colours, such as green above violet, or a "
    "spot of one colour."
)

# %% [markdown]
# **Look at** the right: edges in one direction, thin lines, spots of one colour. Each filter has few colours:
# it is nearly *one* pattern in space times *one* mixture of the three colours. A number for this: write a
# filter as a table of 9 places and 3 colours. The share of its largest singular value (squared) is 1 if the
# table is such a product.


# %%
def share_of_one_pattern(K):
    squares = np.linalg.svd(K.reshape(9, 3), compute_uv=False) ** 2
    return squares[0] / squares.sum()


learned_shares = np.array([share_of_one_pattern(stem[..., k]) for k in alive])
random_shares = np.array([share_of_one_pattern(rng.normal(size=(3, 3, 3))) for _ in range(1000)])
print(f"learned: median {np.median(learned_shares):.2f}, random: median {np.median(random_shares):.2f}")
runtime.result("stem_filters_one_pattern_share", np.median(learned_shares), at_least=0.9)
assert np.median(learned_shares) > np.quantile(random_shares, 0.99)

# %% [markdown]
# Half of the learned filters are above 0.9; not one random filter in a hundred comes as far. These filters
# did learn something from the photos.

# %% [markdown]
# ## Summary
#
# - A convolution layer drags $N$ small filters over the image: $z(x) = \phi(K \star x + b)$. What Keras
#   computes is the cross-correlation; true convolution flips the kernel. For learned kernels it does not
#   matter.
# - The output has $\lfloor (h + 2p - f)/s \rfloor + 1$ rows; with SAME $\lceil h/s \rceil$, and an odd zero
#   goes to the bottom and to the right.
# - Channels are summed; each filter is as deep as its input. A layer has $((f \cdot f \cdot c) + 1) \cdot N$
#   parameters, whatever the size of the image.
# - Sliding windows and a contraction replace the loop over the pixels: far faster (section 8), and equal to
#   Keras up to rounding.
# - A neuron of layer $k$ sees $r_k = r_{k-1} + (f_k - 1)\, s_1 \cdots s_{k-1}$ pixels along an axis.
# - A convolution is a dense layer whose matrix is sparse and shares its weights. Its gradients are $G * K$ by
#   the image and $G \star I$ by the kernel; max pooling passes $G$ to the pixel that won.
# - Convolution is equivariant to shifts. Pooling makes the network somewhat less sensitive to small shifts;
#   it does not make it invariant.
# - The kernels are learned. Trained on pairs of images, a layer finds a kernel that it was never shown. But
#   compare with the random start before you say what a network has learned.
#
# **Now you:** the lab is [`../labs/05_convolution.ipynb`](../labs/05_convolution.ipynb).
#
# ## References
#
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). *Gradient-based learning applied to document
#   recognition.* Proceedings of the IEEE 86(11), 2278–2324.
#   [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791)
# - K. Fukushima (1980). *Neocognitron: a self-organizing neural network model for a mechanism of pattern
#   recognition unaffected by shift in position.* Biological Cybernetics 36, 193–202.
#   [doi:10.1007/BF00344251](https://doi.org/10.1007/BF00344251)
# - K. Chellapilla, S. Puri, P. Simard (2006). *High performance convolutional neural networks for document
#   processing.* Tenth International Workshop on Frontiers in Handwriting Recognition.
#   <https://inria.hal.science/inria-00112631>
# - V. Dumoulin, F. Visin (2016). *A guide to convolution arithmetic for deep learning.*
#   [arXiv:1603.07285](https://arxiv.org/abs/1603.07285)
# - R. Zhang (2019). *Making convolutional networks shift-invariant again.* ICML.
#   [arXiv:1904.11486](https://arxiv.org/abs/1904.11486)
# - I. Goodfellow, Y. Bengio, A. Courville (2016). *Deep Learning*, chapter 9. MIT Press.
#   <https://www.deeplearningbook.org>
# - The photo of the pagoda is `china.jpg` of scikit-learn, by Daniel Buechele,
#   [CC BY 2.0](https://creativecommons.org/licenses/by/2.0/), cropped, made grey and filtered. The photos of
#   animals ship with the course (`data/README.md`).
