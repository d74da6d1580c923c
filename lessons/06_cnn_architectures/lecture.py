# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 7}
#     networks: {lenet: lenet}
# ---

# %% [markdown]
# # CNN architectures
#
# Convolution and pooling are the bricks. This lesson is about the houses: LeNet-5, AlexNet, VGG16, ResNet,
# Inception and MobileNet. You train the first one until it reads 99 % of the MNIST test digits, count the
# large ones layer by layer, and see in an experiment why very deep networks need shortcuts.
#
# **You need** lessons [04](04_sgd_and_regularization.ipynb) (initialisation, Adam, schedules, validation) and
# [05](05_convolution.ipynb) (convolution, padding, pooling). **Reading and running it** takes about
# three hours.
#
# **After this lesson you can**
#
# - build LeNet-5 as one would write it today, and as it was in 1998;
# - count the parameters and the multiply-adds of a network, and say where they sit;
# - say what a $1 \times 1$ convolution, global average pooling and a depthwise convolution do, and what they
#   cost;
# - write batch normalisation as a formula, in training and in inference;
# - draw and write a residual block, with and without a projection, and an Inception block;
# - show that a deep plain network fails where a residual one learns, and say what was tested and what not;
# - read a figure of accuracy against operations and parameters.
#
# The letters are those of the [notation](01_neurons.ipynb#Notation): $a$ before, $h$ after the activation.

# %%
from nnlabs import data, plots, pretrained, runtime, widgets

budget = runtime.setup(seed=1)
# %%
import functools
import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# ## 1. LeNet
#
# There is no formula for a good architecture. One starts from networks that have proved to work. The first of
# them that did so on a large scale is **LeNet-5** (LeCun, Bottou, Bengio & Haffner, 1998), which read digits
# on bank cheques. It repeats *convolution, then pooling*, and ends with dense layers. Here it is as one would
# write it today; section 5 shows what was different in 1998.
#
# Let us send one digit through its layers, one after the other, and look at the shapes. The input has 32×32
# pixels: MNIST's 28×28 with a margin of 2 zeros on each side. (The paper's reason for the margin: a stroke
# near the edge shall still lie in the centre of what a neuron of the last convolution sees.)

# %%
# NBVAL_CHECK_OUTPUT
mnist = data.mnist()
h = ops.pad(mnist.x_train[:1, ..., None] / 255, [[0, 0], [2, 2], [2, 2], [0, 0]])
steps = [layers.Conv2D(6, 5), layers.MaxPooling2D(2), layers.Conv2D(16, 5), layers.MaxPooling2D(2)]
steps += [layers.Conv2D(120, 5), layers.Flatten(), layers.Dense(84), layers.Dense(10)]
print("input        ", h.shape)
for step in steps:
    h = step(h)
    print(f"{type(step).__name__:13}", h.shape)

# %% [markdown]
# Height and width decrease, the number of channels increases. As a model, with an activation after each layer
# that has weights, and with the names of the paper (C convolution, S subsampling, F fully connected):

# %%
lenet = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.ZeroPadding2D(2, name="input"),
        layers.Rescaling(1 / 255, name="scale"),
        layers.Conv2D(6, 5, name="C1", activation="relu"),
        layers.MaxPooling2D(2, name="S2"),
        layers.Conv2D(16, 5, name="C3", activation="relu"),
        layers.MaxPooling2D(2, name="S4"),
        layers.Conv2D(120, 5, name="C5", activation="relu"),
        layers.Flatten(name="flatten"),
        layers.Dense(84, name="F6", activation="relu"),
        layers.Dense(10, activation="softmax", name="output"),
    ]
)
start_of_c1 = lenet.get_layer("C1").get_weights()[0]  # kept for section 3

# %% [markdown]
# Besides the parameters we count the **multiply-adds**: how often a weight is multiplied with a value and
# added up, for one image. In a convolution each weight is used once at every place of the output,
#
# $$\underbrace{(f \cdot f \cdot c + 1) \cdot n}_{\text{parameters}} \qquad
# \underbrace{f \cdot f \cdot c \cdot n \cdot h' \cdot w'}_{\text{multiply-adds}}$$
#
# for $n$ filters of size $f \times f$ on $c$ channels and an output of $h' \times w'$ places. In a dense
# layer from $d$ values to $n$ neurons each weight is used once: $(d + 1) \cdot n$ parameters, $d \cdot n$
# multiply-adds. Pooling and activations are not counted. (In this lesson $n$ is a number of filters, as on
# the slides.)


# %%
def cost(layer):
    """Return the parameters and the multiply-adds of a layer, by the formulas."""
    c = layer.input.shape[-1]
    if isinstance(layer, layers.Conv2D):
        f, (_, h, w, n) = layer.kernel_size[0], layer.output.shape
        weights = f * f * (c // layer.groups) * n  # groups: see AlexNet; without them it is 1
        return weights + n * layer.use_bias, weights * h * w
    if isinstance(layer, layers.Dense):
        return (c + 1) * layer.units, c * layer.units
    return 0, 0


# %% [markdown]
# **Before you run the next cell, what do you expect:** which layer has the most parameters, and which one the
# most multiply-adds?

# %%
# NBVAL_CHECK_OUTPUT
print("layer    output     parameters  multiply-adds")
for layer in lenet.layers:
    parameters, multiply_adds = cost(layer)
    print(
        f"{layer.name:8} {'×'.join(map(str, layer.output.shape[1:])):10} {parameters:10,} {multiply_adds:14,}"
    )
    assert parameters == layer.count_params()
print(f"all {lenet.count_params():26,} {sum(cost(layer)[1] for layer in lenet.layers):14,}")

# %% [markdown]
# C5 has the most parameters: its filters are as large as its input, so it is in fact a dense layer. C3 has
# the most work, with 20 times fewer parameters, because it uses each of them at 100 places.


# %%
def draw_network(ax, model, names, title):
    """Draw n feature maps as about sqrt(n) squares, and dense layers as bars, from left to right."""
    x = 0
    for layer in model.layers:
        if layer.name not in names:
            continue
        shape = layer.output.shape[1:]
        side = shape[0] / 16 if len(shape) == 3 else 0.12
        sheets = math.ceil(math.sqrt(shape[-1])) if len(shape) == 3 else 1
        height = side if len(shape) == 3 else shape[0] / 60
        for i in reversed(range(sheets)):
            corner = (x + 0.08 * i, -height / 2 + 0.08 * i)
            ax.add_patch(plt.Rectangle(corner, side, height, facecolor="#D9ECF7", edgecolor=plots.COLORS[0]))
        middle = x + (side + 0.08 * sheets) / 2
        label = f"{layer.name}\n{'×'.join(map(str, shape))}\n{names[layer.name]}"
        ax.text(middle, -1.15, label, ha="center", va="top", fontsize=8)
        x += max(side + 0.08 * sheets, 0.75) + 0.45
    ax.set(xlim=(-0.3, x), ylim=(-2.5, 1.5), aspect="equal")
    ax.set_title(title, loc="left")
    ax.axis("off")


# %%
stages = ["input", "C1", "S2", "C3", "S4", "C5", "F6", "output"]
today = ["image", "5×5, ReLU", "max", "5×5, ReLU", "max", "5×5, ReLU", "ReLU", "softmax"]
_, ax = plt.subplots(figsize=(9, 2.8))
draw_network(ax, lenet, dict(zip(stages, today, strict=True)), "LeNet today: 61,706 parameters")
plots.show(
    "Eight stages from left to right: a 32 by 32 image, stacks of ever smaller and more numerous maps "
    "(a few stand for all), then 120, 84 and 10 values. Convolutions with ReLU and max poolings in turn."
)

# %% [markdown]
# ## 2. Training
#
# The learning rate rises during the first fifth of the steps, then falls to zero along a **cosine** (lesson
# 04): long steps at first, and small ones at the end, when the noise of the batches should die away.

# %%
images = budget.pick(smoke=2000, cpu=60_000)
x_train, y_train = mnist.x_train[:images, ..., None], mnist.y_train[:images]
x_test, y_test = mnist.x_test[..., None], mnist.y_test
print("x_train", x_train.shape, x_train.dtype, "  x_test", x_test.shape)


# %%
def adam(rate, steps):
    """Return Adam with a learning rate that rises to rate, then falls to 0, within so many steps."""
    rise = steps // 5
    return keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            0.0, decay_steps=steps - rise, warmup_target=rate, warmup_steps=rise
        )
    )


def train(model, x, y, epochs, rate=0.003, batch_size=128, **options):
    steps = epochs * math.ceil(len(x) / batch_size)
    model.compile(
        optimizer=adam(rate, steps), loss="sparse_categorical_crossentropy", metrics=["accuracy"], **options
    )
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)


# %% [markdown]
# This takes one to two minutes. **Before you run the next cell, what do you expect?** How many of the 10,000
# test digits does LeNet read wrong? The multilayer perceptron of lesson 02 misses about 200.

# %%
history = train(lenet, x_train, y_train, epochs=budget.pick(smoke=1, cpu=8))
p_test = lenet.predict(x_test, batch_size=500, verbose=0)
predicted = p_test.argmax(axis=1)
print(f"{np.sum(predicted != y_test)} of {len(y_test):,} test digits are read wrong")
runtime.result("lenet_test_accuracy", np.mean(predicted == y_test), at_least=0.99)

# %%
plots.history(history)
plots.show("LeNet's training loss falls with every epoch, quickly at first, then slowly.")

# %% [markdown]
# ## 3. What has it learned?
#
# A trained filter is its random start plus what training added. So we draw both, with one scale, and the
# correlation of their 25 numbers. **Before you run the next cell, what do you expect:** how much of the start
# is left in the six filters of C1?


# %%
def bare(ax, title=""):
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.grid(visible=False)
    ax.spines[:].set_visible(True)


def maps(image, name):
    """Return the output of a layer of lenet for one image, channels first."""
    part = keras.Model(lenet.layers[0].input, lenet.get_layer(name).output)
    return ops.convert_to_numpy(part(image[None]))[0].transpose(2, 0, 1)


# %%
digit = x_test[4]
kernels = np.stack([start_of_c1, lenet.get_layer("C1").get_weights()[0]])[:, :, :, 0]
correlations = [np.corrcoef(kernels[0, :, :, k].ravel(), kernels[1, :, :, k].ravel())[0, 1] for k in range(6)]
limit = np.abs(kernels).max()
figure, axes = plt.subplots(3, 7, figsize=(9.5, 4.4))
axes[0, 0].text(0.5, 0.5, "random start", ha="center", va="center")
axes[1, 0].text(0.5, 0.5, "after training", ha="center", va="center")
for ax in axes[:2, 0]:
    ax.axis("off")
axes[2, 0].imshow(digit[..., 0])
bare(axes[2, 0], "input")
for k, output in enumerate(maps(digit, "C1")):
    for row in (0, 1):
        shown = axes[row, k + 1].imshow(kernels[row, :, :, k], cmap="PuOr", vmin=-limit, vmax=limit)
    axes[2, k + 1].imshow(output)
    for row, title in enumerate((f"filter {k}", f"correlation {correlations[k]:.2f}", f"map {k}")):
        bare(axes[row, k + 1], title)
figure.colorbar(shown, ax=axes[:2, 1:], label="weight", shrink=0.9)
plots.show(
    "Three rows of six: the 5 by 5 filters before training; the same after training, with their correlation; "
    "and the maps that the trained ones make of a handwritten 4, most of which light up on strokes of one "
    "direction or on one side. Brown weights are negative, violet ones positive."
)

# %%
runtime.result("lenet_c1_mean_correlation_with_start", np.mean(correlations), at_least=0.5)

# %% [markdown]
# All are far above 0. A correlation of 1 would mean: the same
# pattern, scaled and shifted by a constant. What you see in a small
# filter was partly there before training; look at both rows before you call a filter "an edge detector that
# nobody asked for".
#
# Further in:

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 1.6))
for ax, name in zip(axes, ("C3", "S4"), strict=True):
    plots.image_grid(maps(digit, name), columns=8, ax=ax)
    ax.set_title(f"the 16 maps of {name}")
plots.show(
    "Sixteen small maps of 10 by 10 pixels after C3 and of 5 by 5 after S4: a few bright spots each, at "
    "different places of the 4, which can hardly be recognised."
)

# %% [markdown]
# **Look at** the way from C1 to S4. The maps of C1 still show a 4. In those of C3 and S4 it can hardly be
# recognised: a bright spot says "there is something of my kind about here", and the dense layers read what is
# there, and where.
#
# ## 4. Its errors
#
# Always look at the errors. Here are those in which the network was most certain: true digit → its answer.

# %%
wrong = np.flatnonzero(predicted != y_test)
wrong = wrong[np.argsort(-p_test[wrong].max(axis=1))][:20]
titles = [f"{y_test[i]} → {predicted[i]}" for i in wrong]
plots.image_grid(x_test[wrong], titles, columns=10, scale=0.85)
plots.show(
    "Twenty misread test digits, each titled with the true digit and the network's answer. Many are badly "
    "written: open or closed loops, slanted or broken strokes."
)

# %%
plt.figure(figsize=(5.2, 4.6))
plots.confusion_matrix(y_test, predicted)
plots.show("The confusion matrix: nearly all counts are on the diagonal; beside it are small numbers.")

# %%
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, predicted), 1)
np.fill_diagonal(confusion, 0)
for index in np.argsort(-confusion, axis=None)[:5]:
    true, answer = divmod(int(index), 10)
    print(f"a {true} is read as {answer}: {confusion[true, answer]} times")

# %% [markdown]
# Some of these digits you would misread too.
#
# ### Draw a digit
#
# The figure below is an example. While the kernel runs there is a pad under it: draw with the mouse, and
# LeNet answers. Try a 7 with a bar and a 1 with a foot, a 4 that is closed at the top, a digit in a corner,
# two digits side by side, and something that is no digit at all. How certain is it then?


# %%
def predict(images):
    return ops.convert_to_numpy(lenet(images[..., None]))


widgets.digit_pad(predict, mnist.x_test[4])

# %% [markdown]
# It must choose one of ten classes. A softmax has no way to say "none of them", and a probability near 1 does
# not mean that the input looked like anything in the training set.
#
# ## 5. LeNet-5 in 1998, and what was changed
#
# The original (it has 32×32 inputs and the same sizes of maps) had three parts that are unusual today. We
# build them as they were.
#
# **The activation** is a scaled tanh. With these two constants $\phi(1) = 1$ and $\phi(-1) = -1$, where
# the curve is not yet flat:
#
# $$\phi(a) = 1.7159 \, \tanh\big(\tfrac23 a\big)$$


# %%
def scaled_tanh(a):
    return 1.7159 * ops.tanh(2 / 3 * a)


# %%
assert np.allclose(scaled_tanh(np.array([-1.0, 1.0])), [-1, 1], atol=1e-3)

# %% [markdown]
# **Subsampling** is mean pooling with two trainable numbers for each channel, a factor and a bias, and then
# the activation. (The paper takes the sum of the four pixels, not their mean; the factor makes up for it.)
# Keras has no such layer, so we write one, a *subclass* of `layers.Layer`. It needs two methods. `build` is
# called once, when the layer sees its first input: only then does it know how many channels there are. It
# makes the weights; `add_weight` also tells Keras that they are to be trained. `call` is what the layer
# computes, each time.


# %%
class Subsampling(layers.Layer):
    def build(self, input_shape):
        channels = (input_shape[-1],)
        self.factor = self.add_weight(shape=channels, initializer="ones")
        self.bias = self.add_weight(shape=channels, initializer="zeros")

    def call(self, x):
        return scaled_tanh(self.factor * ops.average_pool(x, 2, strides=2) + self.bias)


# %%
subsampling = Subsampling()
print("weights before the first call:", len(subsampling.weights))
print("output", subsampling(ops.ones((1, 28, 28, 6))).shape)
print("weights after it: ", [tuple(weight.shape) for weight in subsampling.weights])

# %% [markdown]
# **C3 is not fully connected.** Each of its 16 filters sees only some of the 6 maps of S2. That saved
# weights, and it forced the filters to look for different things. This is Table I of the paper:

# %%
three = [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]]
four = [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5]]
four += [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]]
connected = np.zeros((6, 16), "float32")
for k, seen in enumerate([*three, *four, [0, 1, 2, 3, 4, 5]]):
    connected[seen, k] = 1
plt.figure(figsize=(5.5, 2.4))
plt.imshow(connected, cmap="Blues", vmax=1.5)
for c, k in np.argwhere(connected):
    plt.text(k, c, "X", ha="center", va="center")
plt.gca().set(xlabel="filter of C3", ylabel="map of S2", xticks=range(16), yticks=range(6))
plt.grid(visible=False)
plots.show(
    "A table of 6 maps by 16 filters; crosses mark connections. The first six filters see three neighbouring "
    "maps each, the next nine see four, the last one sees all six."
)

# %% [markdown]
# In Keras: a convolution whose kernel is multiplied by this table of zeros and ones. Here we subclass
# `layers.Conv2D`: its `build` makes kernel and bias, only `call` is new. The weights without a connection get
# no gradient and do nothing, so we do not count them.


# %%
class C3(layers.Conv2D):
    def call(self, x):
        return scaled_tanh(ops.conv(x, self.kernel * connected) + self.bias)


# %%
def lenet_of(activation, pooling, c3):
    """Return LeNet with this activation, pooling layer and third layer C3."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.ZeroPadding2D(2, name="input"),
            layers.Rescaling(1.275 / 255, offset=-0.1, name="scale"),  # the paper's: -0.1, ink 1.175
            layers.Conv2D(6, 5, activation=activation, name="C1"),
            pooling(name="S2"),
            c3(16, 5, activation=activation, name="C3"),
            pooling(name="S4"),
            layers.Conv2D(120, 5, activation=activation, name="C5"),
            layers.Flatten(name="flatten"),
            layers.Dense(84, activation=activation, name="F6"),
            layers.Dense(10, activation="softmax", name="output"),
        ]
    )


lenet_1998 = lenet_of(scaled_tanh, Subsampling, C3)

# %% [markdown]
# **Before you run the next cell**, compute the number of parameters of C3: 60 connections, each with a kernel
# of 5×5, and 16 biases.

# %%
# NBVAL_CHECK_OUTPUT
unused = round(25 * (1 - connected).sum())
counts = {layer.name: layer.count_params() for layer in lenet_1998.layers}
counts["C3"] -= unused
for name in ("C1", "S2", "C3", "S4", "C5", "F6"):
    print(f"{name} {counts[name]:7,}")
print(f"C1 to F6: {sum(counts.values()) - counts['output']:,}")

# %% [markdown]
# Exactly 60,000. Our copy differs from the original in two places. The original has no softmax output but ten
# **radial basis functions**: output $c$ is the squared distance $\sum_j (h_j - w_{cj})^2$ of the 84 values of
# F6 from a fixed code, a picture of the digit in $7 \times 12$ pixels of $\pm 1$. And it was trained by a
# second-order variant of stochastic gradient descent; we take Adam. (The paper reports an error of 0.95 %,
# and 0.8 % with distorted copies of the training digits.)
#
# ### Choosing an architecture is an experiment
#
# Which of the changes since 1998 made the network better? No theorem answers this. One changes *one thing at
# a time*, keeps the rest as it is (data, epochs, learning rate), repeats it with another seed, and compares
# on images that are not the test set (lesson 04). **Before you run the next cell, what do you expect:** which
# form reads most of 5,000 new digits, after a short training on few images?

# %%
mean_pooling = functools.partial(layers.AveragePooling2D, 2)
forms = {
    "today": ("relu", layers.MaxPooling2D, layers.Conv2D),
    "with tanh": (scaled_tanh, layers.MaxPooling2D, layers.Conv2D),
    "with the mean": ("relu", mean_pooling, layers.Conv2D),
    "of 1998": (scaled_tanh, Subsampling, C3),
}
part, epochs, seeds = budget.pick(smoke=(256, 1, [1]), cpu=(5000, 3, [1, 2]))
x_validation, y_validation = mnist.x_train[-5000:, ..., None], mnist.y_train[-5000:]
accuracies = {name: [] for name in forms}
for name, form in forms.items():
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = lenet_of(*form)
        train(model, x_train[:part], y_train[:part], epochs, jit_compile=False)
        answers = ops.convert_to_numpy(model(x_validation)).argmax(axis=1)
        accuracies[name].append(float(np.mean(answers == y_validation)))
    print(f"{name:14}", np.round(accuracies[name], 3))

# %%
gain = np.mean(accuracies["today"]) - np.mean(accuracies["with the mean"])
runtime.result("lenet_gain_of_max_over_mean_pooling", gain, at_least=0.003)

# %% [markdown]
# In our runs the mean reads about a point less than the maximum, no more than its own two seeds differ, and
# tanh is no worse than ReLU in so small a network. Always compare the difference between two rows with the
# difference between two seeds in one row. **Be careful:** this is one size of data,
# one number of epochs and one learning rate for all, tuned for none of them, and two seeds. A form that loses
# here may win with another rate. To say "ReLU is better" one would have to search a rate for each, on the
# validation images, and repeat the winner with more seeds. That is why one usually starts from an
# architecture that others have tried, and changes little.
#
# %% [markdown]
# ## 6. ImageNet, AlexNet and VGG16
#
# **ImageNet** (Deng et al., 2009; Russakovsky et al., 2015) is the data set that the large networks were made
# for. Its yearly competition had 1.28 million training photographs, 50,000 for validation and 100,000 for the
# test, each of one of 1000 classes. Their names ship with this course, the photographs do not; below are
# three others, of things that have a class. Under each are the three most probable answers of a network that
# was trained on ImageNet (lesson 07 uses it).

# %%
names = pretrained.class_names()
print(len(names), "classes, for example", ", ".join(names[40::120]))
print("151 to 268 are breeds of dogs:", ", ".join(names[151:156]), "...")

# %%
photos = pretrained.demo_photos()
network = pretrained.efficientnet_lite0()
answers = pretrained.decode(
    network.predict(pretrained.preprocess(np.stack([*photos.values()])), verbose=0), 3
)
figure, axes = plt.subplots(1, 3, figsize=(8.5, 3.6))
for ax, photo, three in zip(axes, photos.values(), answers, strict=True):
    ax.imshow(photo[::2, ::2] // 8 * 8, interpolation="nearest")  # fewer pixels and shades: a small file
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel("\n".join(f"{name} {p:.0%}" for _, name, p in three), fontsize=9)
plots.show(
    "Three photographs: a cat, a cup of coffee, a rocket; below each three class names with percentages."
)

# %% [markdown]
# Some classes are hard to tell apart for us too: over a hundred are breeds of dogs, with about 1,200
# photographs for each. (Two different classes are called missile.)
#
# In 2012 **AlexNet** (Krizhevsky, Sutskever & Hinton) won the competition by a wide
# margin. It looks like a large LeNet: 5 convolutions, 3 max poolings, 3 dense layers. New on this scale were
# ReLU, dropout and the training on two graphics cards. As one card was too small, three of the convolutions
# are split into two **groups**: each half of the filters sees only the half of the channels that lies on its
# own card. (We leave out dropout and a local normalisation of its responses: neither has parameters.)
#
# The paper writes an input of 224×224, but its own sizes need **227×227**: $(227 - 11) / 4 + 1 = 55$.


# %%
def alexnet(groups):
    conv, pool = layers.Conv2D, layers.MaxPooling2D
    return [
        keras.Input((227, 227, 3)),
        conv(96, 11, strides=4, activation="relu"),
        pool(3, strides=2),
        conv(256, 5, padding="same", groups=groups, activation="relu"),
        pool(3, strides=2),
        conv(384, 3, padding="same", activation="relu"),
        conv(384, 3, padding="same", groups=groups, activation="relu"),
        conv(256, 3, padding="same", groups=groups, activation="relu"),
        pool(3, strides=2),
        layers.Flatten(),
        layers.Dense(4096, activation="relu"),
        layers.Dense(4096, activation="relu"),
        layers.Dense(1000, activation="softmax"),
    ]


# %% [markdown]
# **VGG16** (Simonyan & Zisserman, 2014) is a simpler rule carried further: every convolution is 3×3 with
# stride 1 and SAME padding, every pooling 2×2 with stride 2, and after a pooling the number of channels
# doubles (up to 512).


# %%
def vgg16():
    network = [keras.Input((224, 224, 3))]
    for convolutions, channels in [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]:
        for _ in range(convolutions):
            network.append(layers.Conv2D(channels, 3, padding="same", activation="relu"))
        network.append(layers.MaxPooling2D(2))
    network += [
        layers.Flatten(),
        layers.Dense(4096, activation="relu"),
        layers.Dense(4096, activation="relu"),
    ]
    return [*network, layers.Dense(1000, activation="softmax")]


# %% [markdown]
# We want to count these networks, not to train them: their weights would take over a gigabyte. The next
# function builds a model whose weights have shapes, but no values and no memory. (How it does so is a trick
# of Keras that you will hardly need.)


# %%
def without_memory(build):
    """Return the model that build() makes, with shapes but without values: to count, not to run."""
    with keras.StatelessScope(initialize_variables=False):
        model = build()
    keras.utils.clear_session()
    return model


# %%
# NBVAL_CHECK_OUTPUT
networks = {
    "AlexNet, two groups": without_memory(lambda: keras.Sequential(alexnet(groups=2))),
    "AlexNet, one group": without_memory(lambda: keras.Sequential(alexnet(groups=1))),
    "VGG16": without_memory(lambda: keras.Sequential(vgg16())),
}
for name, model in networks.items():
    parameters, multiply_adds = np.sum([cost(layer) for layer in model.layers], axis=0)
    assert parameters == model.count_params()
    gigabytes = 4 * parameters / 1e9  # four bytes for each number
    print(f"{name:20} {parameters:12,} parameters, {gigabytes:.2f} GB, {multiply_adds:15,} multiply-adds")

# %% [markdown]
# **Before you run the next cell, what do you expect:** in which layers are VGG16's parameters, and where is
# its work?

# %%
vgg = networks["VGG16"]
counted = [layer for layer in vgg.layers if cost(layer)[0]]
costs = np.array([cost(layer) for layer in counted])
dense = np.array([isinstance(layer, layers.Dense) for layer in counted])
names = [f"dense {layer.units}" if d else f"conv {layer.filters}" for layer, d in zip(counted, dense)]
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True)
units, corners = ["million parameters", "billion multiply-adds"], ["upper right", "lower right"]
for ax, values, unit, corner in zip(axes, (costs / [1e6, 1e9]).T, units, corners, strict=True):
    for kind, color, hatch in [(~dense, plots.COLORS[0], ""), (dense, plots.COLORS[1], "//")]:
        label = f"dense: {values[dense].sum() / values.sum():.1%}" if kind[-1] else "convolutions"
        ax.barh(np.flatnonzero(kind), values[kind], color=color, hatch=hatch, edgecolor="white", label=label)
    ax.set(xlabel=unit, yticks=range(len(names)), yticklabels=names)
    ax.legend(loc=corner)
axes[0].invert_yaxis()
plots.show(
    "Two bar charts with a bar for each of the 16 layers of VGG16. Left: the first dense layer has by far "
    "the most parameters. Right: the multiply-adds are in the convolutions; those of the dense "
    "layers are tiny."
)

# %%
parameters_in_dense, work_in_dense = costs[dense].sum(axis=0) / costs.sum(axis=0)
runtime.result("vgg16_share_of_parameters_in_dense_layers", parameters_in_dense)
runtime.result("vgg16_share_of_multiply_adds_in_dense_layers", work_in_dense)
assert 0.89 < parameters_in_dense < 0.9
assert work_in_dense < 0.01

# %% [markdown]
# **Look at** the two panels: 89 % of the parameters are in the dense layers, and 99 % of the work is in the
# convolutions. One single matrix, from $7 \cdot 7 \cdot 512$ values to 4096, has 103 million weights.
#
# ## 7. Why 3×3, why 1×1, and a mean at the end
#
# **Two 3×3 convolutions see as far as one of 5×5** (their receptive field, lesson 05). For $c$ channels in
# and out they have $2 \cdot 9 c^2 = 18 c^2$ weights, one of 5×5 has $25 c^2$. They cost 28 % less, and there
# is a ReLU more between them. Three of them replace a 7×7: $27 c^2$ against $49 c^2$.
#
# **A 1×1 convolution** (Lin, Chen & Yan, 2013) does not look at neighbours at all. It is a dense layer over
# the channels, applied at every pixel with the same weights:

# %%
x = keras.random.normal((2, 7, 7, 192), seed=1)
one_by_one, dense_layer = layers.Conv2D(16, 1), layers.Dense(16)
y = one_by_one(x)
dense_layer.build(x.shape)
dense_layer.set_weights([one_by_one.get_weights()[0][0, 0], one_by_one.get_weights()[1]])
assert np.allclose(y, dense_layer(x), atol=1e-4)
print(x.shape, "→", y.shape)

# %% [markdown]
# It changes the number of channels and leaves height and width alone. That is useful in two ways: to make a
# thick stack of maps thin before an expensive convolution, and to bring two stacks to the same number of
# channels before they are added. Sections 9 and 11 do just this.
#
# **Global average pooling**, from the same paper, takes the place of `Flatten` and the large dense layers: of
# each map only the mean over its places $(i, j)$ is kept,
#
# $$\bar h_q = \frac{1}{N} \sum_{i, j} h_{i j q},$$
#
# with $N$ places in the map of channel $q$. One dense layer leads from the means to the classes:

# %%
maps_of_vgg = keras.random.normal((2, 7, 7, 512), seed=1)
means = layers.GlobalAveragePooling2D()(maps_of_vgg)
assert np.allclose(means, ops.mean(maps_of_vgg, axis=(1, 2)), atol=1e-6)
print(maps_of_vgg.shape, "→", means.shape)

# %%
# NBVAL_CHECK_OUTPUT
convolutions = sum(layer.count_params() for layer in vgg.layers if isinstance(layer, layers.Conv2D))
with_mean = convolutions + (512 + 1) * 1000
print(f"VGG16 {vgg.count_params():,} parameters, with global average pooling {with_mean:,}")

# %% [markdown]
# A ninth of the parameters, and the network takes images of any size. What is lost is the place: the mean
# does not say where in the image something was found. ResNet, Inception and nearly all later networks end
# like this.
#
# ## 8. Batch normalisation
#
# The numbers that reach a layer have a mean and a spread that depend on all layers before it, and that change
# whenever those are trained. **Batch normalisation** (Ioffe & Szegedy, 2015) sets both anew, for each channel
# $c$, between a convolution and its activation. Let $\mu_c$ and $\sigma_c^2$ be mean and variance of $a$ over
# the $m$ images of the batch and all places. Then
#
# $$\hat a_c = \gamma_c \, \frac{a_c - \mu_c}{\sqrt{\sigma_c^2 + \eta}} + \beta_c .$$
#
# $\gamma_c$ and $\beta_c$ are trained; they start at 1 and 0, and let the layer choose another spread and
# mean if that is better. $\eta$ is a tiny constant against a division by 0. ($\mu$ is not the momentum here.)


# %%
def batch_normalise(a, gamma, beta, eta=1e-3):
    mean, variance = ops.mean(a, axis=(0, 1, 2)), ops.var(a, axis=(0, 1, 2))
    return gamma * (a - mean) / ops.sqrt(variance + eta) + beta


# %%
a = 5 + 3 * keras.random.normal((64, 7, 7, 8), seed=1)
normalise = layers.BatchNormalization(epsilon=1e-3)
in_training = normalise(a, training=True)
assert np.allclose(in_training, batch_normalise(a, gamma=np.ones(8), beta=np.zeros(8)), atol=1e-5)
for name, values in {"before": a, "after": in_training}.items():
    mean, deviation = (round(float(f(values)), 2) + 0.0 for f in (ops.mean, ops.std))  # + 0.0: no minus zero
    print(f"{name:6} mean {mean}, standard deviation {deviation}")

# %% [markdown]
# **In inference** there may be no batch: one image must get its answer whoever else is asked about. So the
# layer keeps running averages of the means and variances that it sees in training,
#
# $$\bar\mu \leftarrow \rho \, \bar\mu + (1 - \rho) \, \mu, \qquad \rho = 0.99,$$
#
# and uses them when it is called without `training=True`. They are weights that are not trained by the
# gradient. **Before you run the next cell, what do you expect** of the answer in inference, after this one
# batch?

# %%
running_mean = normalise.moving_mean
assert np.allclose(running_mean, 0.99 * 0 + 0.01 * ops.mean(a, axis=(0, 1, 2)), atol=1e-5)
in_inference = normalise(a, training=False)
for name, values in {"training": in_training, "inference": in_inference}.items():
    print(f"mean in {name} {round(float(ops.mean(values)), 2) + 0.0}")
print("trained:", [w.name for w in normalise.trainable_weights], end=", ")
print("not trained:", [w.name for w in normalise.non_trainable_weights])

# %% [markdown]
# It is far from 0: after one batch the running averages still are nearly where they started, at 0 and 1. They
# need some hundred batches. Two consequences: a network with batch normalisation must be told whether it is
# trained or used (`fit` and `predict` do that by themselves), and a small batch gives noisy means. In a block
# the convolution before it needs no bias: the mean, and the bias with it, is subtracted.

# %%
convolution = layers.Conv2D(4, 3, use_bias=True)
without_bias = normalise_4 = layers.BatchNormalization()
plain_sum = convolution(a)
assert np.allclose(
    normalise_4(plain_sum, training=True), normalise_4(plain_sum + 7.0, training=True), atol=1e-4
)

# %% [markdown]
# Why it helps is debated. The paper's own reason was that the distribution of each layer's input changes
# less; Santurkar et al. (2018) measured that it need not, and found a smoother loss instead. It allows larger
# learning rates and needs less care for the start. In section 10 you will see it help some networks, and not
# others.
#
# ## 9. The residual block
#
# Take a network that works and put more layers on top. It should not become worse: the new layers could do
# nothing and pass their input on. But in practice it does become worse, already on the *training* data. He,
# Zhang, Ren & Sun (2016) call this **degradation**. It is not overfitting; the optimiser does not find the
# solution that we know is there.
#
# Their answer is a **shortcut**. Below are the slides' blocks: without a shortcut, with it, and with pooling.
# All convolutions have SAME padding. In the slides' notation $z$ is before and $a[l]$ after the activation;
# we write $a^{(k)}$ and $h^{(k)}$ for these, as in lessons 02 and 03. The input of a block is $h^{(k)}$, then
# come $a^{(k+1)} = \text{Conv}(h^{(k)})$, $h^{(k+1)} = \text{ReLU}(a^{(k+1)})$, and $a^{(k+2)} =
# \text{Conv}(h^{(k+1)})$, or $\text{MaxPool}(h^{(k+1)})$ in the third block. Their ends differ:
#
# $$h^{(k+2)} = \text{ReLU}(a^{(k+2)}), \qquad h^{(k+2)} = \text{ReLU}(a^{(k+2)} + h^{(k)}), \qquad
# h^{(k+2)} = \text{ReLU}(a^{(k+2)} + W h^{(k)})$$
#
# After a pooling $a^{(k+2)}$ has another size than $h^{(k)}$, and the sum is not defined. The **projection**
# $W$ brings $h^{(k)}$ to the size of $a^{(k+2)}$: a 1×1 convolution with stride 2. It has weights, but no
# activation. On the right is the form that He et al. use in their networks: no pooling in the block, the
# first convolution has stride 2 ("/2"). They have batch normalisation after every convolution; the figure
# leaves it out.


# %%
def diagram(ax, boxes, arrows, title):
    """Draw boxes {name: (x, y, text, colour)} and arrows (from, to, bend); bend 0 is straight."""
    drawn = {}
    for name, (x, y, text, color) in boxes.items():
        style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": color, "linewidth": 1.5}
        drawn[name] = ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=style, zorder=3)
    for start, end, bend in arrows:
        patches = {"patchA": drawn[start].get_bbox_patch(), "patchB": drawn[end].get_bbox_patch()}
        style = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 1}
        ax.annotate("", boxes[end][:2], boxes[start][:2], arrowprops={**style, **patches, "color": "black"})
    ax.set_title(title)
    ax.axis("off")


# %%
blue, orange, green, violet = plots.COLORS[:4]


def residual_diagram(ax, title, steps, shortcut):
    """steps are texts of boxes from the input upwards; shortcut is None, "" or the text of its box."""
    boxes = {i: (0, i, text, blue if "Conv" in text else green) for i, text in enumerate(steps)}
    arrows = [(i, i + 1, 0) for i in range(len(steps) - 1)]
    plus = len(steps) - 3
    if shortcut == "":
        arrows.append((0, plus, 0.75))
    elif shortcut:
        boxes["W"] = (1.15, plus / 2, shortcut, orange)
        arrows += [(0, "W", 0.2), ("W", plus, 0.2)]
    diagram(ax, boxes, arrows, title)
    ax.set(xlim=(-0.9, 1.9), ylim=(-0.5, 6.6))


# %%
figure, axes = plt.subplots(1, 4, figsize=(10, 4.6))
convolution = ["$h^{(k)}$", "Conv 3×3", "ReLU", "Conv 3×3"]
residual_diagram(axes[0], "plain", [*convolution, "$a^{(k+2)}$", "ReLU", "$h^{(k+2)}$"], None)
residual_diagram(axes[1], "identity", [*convolution, "+", "ReLU", "$h^{(k+2)}$"], "")
pooled = ["$h^{(k)}$", "Conv 3×3", "ReLU", "MaxPool 2×2", "+", "ReLU", "$h^{(k+2)}$"]
residual_diagram(axes[2], "pooled (slides)", pooled, "$W$:\nConv 1×1,\nstride 2")
strided = ["$h^{(k)}$", "Conv 3×3, /2", "ReLU", "Conv 3×3", "+", "ReLU", "$h^{(k+2)}$"]
residual_diagram(axes[3], "stride 2 (He et al.)", strided, "$W$:\nConv 1×1,\nstride 2")
plots.show(
    "Four columns of boxes from the input h(k) at the bottom to the output h(k+2) at the top. Plain: "
    "convolution, ReLU, convolution, ReLU. Identity: a curved arrow leads from the input to a plus before "
    "the last ReLU. Pooled and stride 2: the shortcut goes through a box W, a 1×1 convolution with stride 2."
)

# %% [markdown]
# Look at where things stand: the sum comes *before* the last ReLU, and the second convolution has no
# activation of its own. If it had one, the block could only add, never subtract.
#
# Why might it help? Set all weights of the block to zero, and it passes its input on, as the input is a
# ReLU's output and not negative. So "do nothing" is where a residual block can *start*; a plain block would
# have to learn it. The layers then learn the *difference* from the identity. And the sum passes the gradient
# on as well: without the ReLU, $\partial h^{(k+2)} / \partial h^{(k)} = I + \partial a^{(k+2)} / \partial
# h^{(k)}$.
#
# *A note on the slides.* One of them goes on with $\text{ReLU}(w[l+1] \cdot a[l+1] + b[l+1]) + a[l]$. There
# the bracket closes too early: $a[l]$ belongs inside the ReLU, as in the line above it.
#
# ### A whole ResNet
#
# He et al. draw three networks side by side: VGG-19; a plain network of 34 layers with weights; and the same
# one with shortcuts, ResNet-34. Here are their convolutions, each as (size of the filter, channels in,
# channels out, side of the output):


# %%
def vgg19():
    convolutions, c = [], 3
    for side, n, count in [(224, 64, 2), (112, 128, 2), (56, 256, 4), (28, 512, 4), (14, 512, 4)]:
        for _ in range(count):
            convolutions.append((3, c, n, side))
            c = n
    return convolutions


def plain34():
    convolutions, c = [(7, 3, 64, 112)], 64  # the first one has stride 2, then a pooling halves again
    for side, n, count in [(56, 64, 6), (28, 128, 8), (14, 256, 12), (7, 512, 6)]:
        for _ in range(count):
            convolutions.append((3, c, n, side))
            c = n
    return convolutions


# %%
# NBVAL_CHECK_OUTPUT
def billions(convolutions, dense):
    """Return the multiply-adds of convolutions and of dense layers, given as (inputs, neurons)."""
    work = sum(f * f * c * n * side * side for f, c, n, side in convolutions)
    return (work + sum(d * n for d, n in dense)) / 1e9


projections = [(1, 64, 128, 28), (1, 128, 256, 14), (1, 256, 512, 7)]
work = {
    "VGG-19": billions(vgg19(), [(7 * 7 * 512, 4096), (4096, 4096), (4096, 1000)]),
    "plain, 34 layers": billions(plain34(), [(512, 1000)]),
    "ResNet-34": billions(plain34() + projections, [(512, 1000)]),
}
for name, value in work.items():
    print(f"{name:16} {value:5.2f} billion multiply-adds")


# %%
def draw_convolutions(ax, convolutions, dense, title, shortcuts=False):
    """Draw each convolution as a bar, as high as its maps; write height × width × channels of each stage."""
    sides = [side for *_, side in convolutions]
    for x, (_, c, n, side) in enumerate(convolutions):
        height = 0.35 * math.log2(side / 3.5)
        color = plots.COLORS[int(math.log2(n / 64))]
        ax.add_patch(plt.Rectangle((x, -height / 2), 0.7, height, facecolor=color, edgecolor="black", lw=0.5))
        if x == 0 or sides[x - 1] != side:
            stage = sides.count(side)
            label = f"{side}×{side}\n×{n}"
            ax.text(x + stage / 2 - 0.15, -1.35, label, ha="center", va="top", fontsize=8)
        if shortcuts and x % 2 == 1:
            arrow = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.6", "shrinkA": 0, "shrinkB": 0}
            arrow["linestyle"] = "-" if c == n else ":"
            ax.annotate("", (x + 1.85, 1.0), (x - 0.15, 1.0), arrowprops=arrow)
    for i in range(dense):
        ax.add_patch(plt.Rectangle((len(sides) + i, -0.7), 0.3, 1.4, facecolor="black"))
    ax.set(xlim=(-0.5, 38), ylim=(-2.4, 2))
    ax.set_title(title, loc="left")
    ax.axis("off")


# %%
figure, axes = plt.subplots(3, 1, figsize=(10, 5.6))
titles = [f"{name}: {value:.2f} billion multiply-adds" for name, value in work.items()]
draw_convolutions(axes[0], vgg19(), 3, titles[0])
draw_convolutions(axes[1], plain34(), 1, titles[1])
draw_convolutions(axes[2], plain34(), 1, titles[2], shortcuts=True)
plots.show(
    "Three rows of bars, one for each convolution, as high as its maps, then black bars for dense layers. "
    "VGG-19 has 16 convolutions and 3 dense layers. The networks of 34 layers have 33 and 1, most of them on "
    "small maps. In ResNet-34 an arrow leads over every two convolutions; three of the arrows are dotted."
)

# %% [markdown]
# **Look at** the sizes: the two deep networks halve the image twice before their first block, and so cost a
# fifth of VGG-19, although they have nearly twice as many layers. The dotted shortcuts lead to smaller maps
# with more channels and need a projection; it costs almost nothing. (The paper says 19.6 and 3.6 billion.)
#
# ## 10. Plain against residual
#
# Now the experiment. Small images (MNIST at 14×14), 8 channels, and networks of 20 and 44 layers with
# weights: the first convolution has stride 2, then come blocks of two convolutions, then global average
# pooling and a dense layer. Each with shortcuts and without, with batch normalisation and without.

# %%
CHANNELS = 8


def conv(h, normalise, start="he_normal", strides=1):
    """A convolution, then batch normalisation in place of the bias, or none."""
    options = {"strides": strides, "padding": "same", "kernel_initializer": start, "use_bias": not normalise}
    a = layers.Conv2D(CHANNELS, 3, **options)(h)
    return layers.BatchNormalization()(a) if normalise else a


def block(h, shortcut, normalise, start):
    second = "zeros" if shortcut and not normalise else start
    a = conv(layers.ReLU()(conv(h, normalise, start)), normalise, second)
    return layers.ReLU()(a + h if shortcut else a)


# %%
def network(depth, shortcut, normalise, start="he_normal"):
    """Return a network with 1 convolution, (depth - 2) / 2 blocks of two, and 1 dense layer."""
    image = keras.Input((14, 14, 1))
    h = layers.ReLU()(conv(image, normalise, strides=2))
    for _ in range((depth - 2) // 2):
        h = block(h, shortcut, normalise, start)
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(image, layers.Dense(10, activation="softmax")(h))


# %% [markdown]
# **Is it fair?** With batch normalisation *one* thing differs: the shortcut. This is the comparison of He et
# al. Without it *two* things differ. The plain network has He's initialisation throughout (lesson 04): it
# keeps the size of the signal. With a shortcut that would double the variance in every block, so there the
# second convolution starts at zero (Goyal et al., 2017; Zhang, Dauphin & Ma, 2019): a new block is the
# identity. To separate the two we also start a *plain* network as the identity, with kernels that pass on
# their input:


# %%
def passing_on(shape, dtype=None):
    """An initialiser: 1 in the middle of the kernel from channel c to channel c, 0 elsewhere."""
    kernel = np.zeros(shape)
    kernel[1, 1] = np.eye(shape[2])
    return ops.convert_to_tensor(kernel, dtype)


# %%
h = ops.relu(keras.random.normal((2, 7, 7, CHANNELS), seed=1))
assert np.allclose(layers.Conv2D(CHANNELS, 3, padding="same", kernel_initializer=passing_on)(h), h)

# %% [markdown]
# The number of parameters is the same with and without shortcuts:

# %%
for normalise in (False, True):
    for depth in (20, 44):
        plain, residual = (network(depth, shortcut, normalise) for shortcut in (False, True))
        assert plain.count_params() == residual.count_params()
        print(
            f"{depth} layers, batch normalisation {normalise}: {plain.count_params():,} parameters for both"
        )

# %% [markdown]
# ### Before training: what arrives?
#
# First the networks of 44 layers before any training, with three random starts each. Forwards: how large is
# the part of the features that depends on the image? It is the deviation from the mean over the images,
# $\lVert h - \bar h \rVert$. Backwards: how large is the gradient of the loss with respect to $h$?

# %%
small = mnist.x_train.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4), dtype="float32") / 255
print("small images", small.shape)


# %%
def forwards_and_backwards(model, x, y):
    """Return ||h - mean|| and the norm of the gradient with respect to h, after each block."""
    relus = [layer.output for layer in model.layers if isinstance(layer, layers.ReLU)][::2]
    with tf.GradientTape() as tape:
        *h, p = keras.Model(model.input, [*relus, model.output])(x, training=True)
        loss = ops.mean(keras.losses.sparse_categorical_crossentropy(y, p))
    gradients = [np.linalg.norm(g) for g in tape.gradient(loss, h)]
    deviations = [np.linalg.norm(h_k - ops.mean(h_k, axis=0)) for h_k in h]
    return np.array(deviations), np.array(gradients)


# %%
starts, at_start = budget.pick(smoke=[1], cpu=[1, 2, 3]), {}
for normalise in (False, True):
    for name, shortcut in {"plain": False, "residual": True}.items():
        values = []
        for seed in starts:
            keras.utils.set_random_seed(seed)
            model = network(44, shortcut, normalise)
            values.append(forwards_and_backwards(model, small[:256], mnist.y_train[:256]))
        at_start[name + " + BN" * normalise] = np.array(values)  # (start, 2, block)

# %%
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6))
for i, (name, values) in enumerate(at_start.items()):
    style = {"marker": plots.MARKERS[i], "color": plots.COLORS[i], "label": name, "markersize": 4}
    for ax, norms, reference in zip(axes, values.transpose(1, 0, 2), (0, -1), strict=True):
        means = np.exp(np.log(norms / norms[:, [reference]]).mean(axis=0))
        ax.semilogy(range(len(means)), means, **style)
axes[0].set(
    title="forwards", xlabel="block", ylabel="part that depends on the image\n(1 before the first block)"
)
axes[1].set(title="backwards", xlabel="block", ylabel="norm of the gradient\n(1 after the last block)")
axes[0].legend()
plots.show(
    "Untrained networks of 44 layers, on logarithmic axes. Left: in the plain network the part that depends "
    "on the image falls to less than a hundredth; in the three others it stays or grows. Right: towards the "
    "first blocks the gradient of the plain network falls to less than a tenth, that of the plain one with "
    "BN rises to several hundred, of the residual one with BN to ten or twenty; without BN it is "
    "constant there."
)

# %%
for name, values in at_start.items():
    forwards, backwards = values[:, 0, -1] / values[:, 0, 0], values[:, 1, 0] / values[:, 1, -1]
    print(f"{name:13} signal, last to first block", np.array2string(forwards, precision=4), end="; ")
    print("gradient, first to last", np.array2string(backwards, precision=2))

# %%
plain, residual, plain_bn, residual_bn = (values.transpose(1, 2, 0) for values in at_start.values())
assert (plain[0, -1] < 0.05 * plain[0, 0]).all()
assert (plain[1, 0] < 0.3 * plain[1, -1]).all()
assert np.allclose(residual[:, :-1], residual[:, :1], rtol=1e-3)
assert (plain_bn[0, -1] > 0.8 * plain_bn[0, 0]).all()
assert (plain_bn[1, 0] > 100 * plain_bn[1, -1]).all()
assert (residual_bn[1, 0] < 50 * residual_bn[1, -1]).all()

# %% [markdown]
# **Look at** the left panel first. He's initialisation keeps the *expected* size of the signal. But these
# layers have few channels; at the edges of a 7×7 map a third of the filter looks at zeros; and layers of ReLU
# make different images more alike. Probably all three have their part. The loss adds up: after 21 blocks
# there is next to nothing that depends on the image, and the last layer has nothing to read. Normalisation
# repairs that, in every layer. But see the right panel: in the *plain* network with normalisation the
# gradient grows from block to block on its way back, several hundredfold. (Yang et al., 2019, show that this
# is so in general.) In the residual networks signal and gradient arrive.
#
# ### Training
#
# The learning rate rises and falls as LeNet's, up to 0.003 or, in a second try, up to 0.001. We compile each
# network once, and give it new weights for every run. **Before you run the next cell, what do you expect?**
# Guessing gives a loss of $\log 10 \approx 2.30$. (It takes about four minutes.)

# %%
IMAGES, EPOCHS = budget.pick(smoke=(128, 1), cpu=(3200, 7))
SEEDS, SHALLOW, DEEP = budget.pick(smoke=([1], 4, 6), cpu=([1, 2, 3], 20, 44))
BATCH = 64
STEPS = EPOCHS * IMAGES // BATCH
x_small, y_small = small[:IMAGES], mnist.y_train[:IMAGES]
x_new, y_new = small[-2000:], mnist.y_train[-2000:]  # not used in training
print(STEPS, "steps")


# %%
def experiment(seeds_of_rate, *form):
    """Train network(*form); return for each rate the losses (a row for each seed) and the accuracies."""
    model, peak = network(*form), keras.Variable(0.0)
    # without jit_compile: XLA would take longer to compile these networks than they take to train
    model.compile(optimizer=adam(peak, STEPS), loss="sparse_categorical_crossentropy", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    fresh = [ops.convert_to_numpy(v) for v in model.optimizer.variables]
    results = {rate: [] for rate in seeds_of_rate}
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        start = network(*form).get_weights()
        for rate in [rate for rate, seeds in seeds_of_rate.items() if seed in seeds]:
            keras.utils.set_random_seed(seed)
            peak.assign(rate)
            model.set_weights(start)
            for variable, value in zip(model.optimizer.variables, fresh, strict=True):
                variable.assign(value)
            history = model.fit(x_small, y_small, batch_size=BATCH, epochs=EPOCHS, verbose=0)
            answers = ops.convert_to_numpy(model(x_new)).argmax(axis=1)
            results[rate].append((history.history["loss"], np.mean(answers == y_new)))
    return {rate: tuple(map(np.array, zip(*found, strict=True))) for rate, found in results.items()}


# %% [markdown]
# All runs: seeds 1, 2 and 3 at the rate 0.003; seeds 1 and 2 at 0.001, which only answers whether 0.003 was
# too fast for the plain networks.

# %%
both = {0.003: SEEDS, 0.001: SEEDS[:2]}
table = [  # name, rates, depth, shortcut, batch normalisation, start
    ("plain, BN, 20 layers", {0.003: SEEDS}, SHALLOW, False, True),
    ("residual, BN, 20 layers", {0.003: SEEDS}, SHALLOW, True, True),
    ("plain, BN", both, DEEP, False, True),
    ("residual, BN", both, DEEP, True, True),
    ("plain", both, DEEP, False, False),
    ("residual", both, DEEP, True, False),
    ("plain, starts as identity", {0.003: SEEDS}, DEEP, False, False, passing_on),
]
runs = {}
for name, rates, *form in table:
    for rate, (losses, accuracies) in experiment(rates, *form).items():
        runs[name, rate] = losses, accuracies
        print(f"{name:26} {rate:5}  loss {losses[:, -1].round(2)}, accuracy {accuracies.round(2)}")


# %%
def draw_curves(ax):
    names = ("plain, BN, 20 layers", "plain, BN", "residual, BN, 20 layers", "residual, BN")
    for i, name in enumerate(names):
        style = {"color": plots.COLORS[i // 2], "marker": plots.MARKERS[3 - i], "linewidth": 1}
        for seed, loss in enumerate(runs[name, 0.003][0]):
            label = None if seed else name if "20" in name else f"{name}, {DEEP} layers"
            ax.plot(range(1, EPOCHS + 1), loss, plots.LINES[i % 2], **style, markersize=4, label=label)
    ax.set(title="with BN, rate 0.003", xlabel="epoch", ylabel="training loss", ylim=(0, 2.6))
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)


def draw_last(ax):
    settings = [setting for setting in runs if "20" not in setting[0]]
    for y, setting in enumerate(settings):
        i, last = int("residual" in setting[0]), runs[setting][0][:, -1]
        ax.plot(last, np.full(len(last), y), plots.MARKERS[3 - 2 * i], color=plots.COLORS[i], alpha=0.8)
    ax.set(title=f"{DEEP} layers", xlabel="training loss in the last epoch, each seed", xlim=(0, 2.6))
    ax.set(yticks=range(len(settings)), yticklabels=[f"{name}, {rate}" for name, rate in settings])
    ax.invert_yaxis()


# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=[1, 1.2])
draw_curves(left)
draw_last(right)
for draw in (left.axhline, right.axvline):
    draw(np.log(10), color="black", linestyle=":", linewidth=1)  # guessing
plots.show(
    "Left: training loss by epoch with batch normalisation, three seeds each. The plain networks of 20 "
    "layers fall slowly, those of 44 hardly leave the loss of guessing, 2.3; the residual ones of both "
    "depths fall far below. Right: the last loss of each network of 44 layers, by setting; the squares of "
    "residual networks lie to the left of the diamonds of plain ones in the same setting."
)

# %%
final = {key: losses[:, -1] for key, (losses, _) in runs.items()}
added = final["plain, BN", 0.003].mean() - final["plain, BN, 20 layers", 0.003].mean()
runtime.result("plain_with_bn_loss_added_from_20_to_44_layers", added, at_least=0.3)
identity = final["plain, starts as identity", 0.003].mean()
runtime.result(
    "plain_44_loss_falls_by_a_start_as_identity", final["plain", 0.003].mean() - identity, at_least=0.5
)
deepest = {name: runs[f"{name}, BN", 0.003][1] for name in ("plain", "residual")}
runtime.result("plain_44_with_bn_best_accuracy_of_3_seeds", deepest["plain"].max(), at_most=0.65)
runtime.result("residual_44_with_bn_worst_accuracy_of_3_seeds", deepest["residual"].min(), at_least=0.75)

# %% [markdown]
# **Look at** the left panel: it is the *training* loss. (This text is about the `cpu` budget.) The deeper the
# plain networks are, the less well they fit even the images that they were trained on; those of 44 layers
# stay close to the dotted line. They do not overfit: they learn badly, with batch normalisation in every
# layer. The residual networks have the same layers and the same number of parameters, and they learn. Nothing
# else differs, so it is the shortcut that does it. Was 0.003 too fast for the plain ones? At 0.001 they are
# no better.
#
# Now the lines *without* batch normalisation in the right panel. There two things differed, and the last line
# separates them: a plain network that starts as the identity learns far better than one with a random start,
# and comes near the residual ones. So most of that difference came from the start. The fading of the signal
# at a random start is probably **one reason** why deep plain networks fail, and this one can be mended
# without a shortcut. It cannot be the only one: with normalisation the signal does not fade, and the plain
# networks fail all the same. Whether it is the growing gradient that stops them there, we have not tested.
#
# **Be careful with what this shows.** "Do not learn" means: within 350 steps on 3,200 images, with 8 channels
# and one form of schedule. Three seeds show the large differences, not the small ones, and two at the lower
# rate even less. He et al. trained for 64,000 steps on CIFAR-10, with batch normalisation in *all* their
# networks, and saw the same: a plain network of 56 layers had a higher training error than one of 20; on
# ImageNet 34 layers were worse than 18. With shortcuts the order turned round, up to 152 layers on ImageNet.
#
# ## 11. The Inception block
#
# 1×1, 3×3 or 5×5, or pooling: which one is best here? Szegedy et al. (2015) answer: take all of them and
# **concatenate** the channels. All branches have SAME padding and stride 1, so height and width agree.

# %%
figure, ax = plt.subplots(figsize=(8.5, 4))
boxes = {
    "x": (0, 0, "input 28×28×192", green),
    "a2": (-1.65, 1.8, "Conv 1×1, 64", blue),
    "b1": (-0.55, 1.2, "Conv 1×1, 96", orange),
    "b2": (-0.55, 2.4, "Conv 3×3, 128", blue),
    "c1": (0.55, 1.2, "Conv 1×1, 16", orange),
    "c2": (0.55, 2.4, "Conv 5×5, 32", blue),
    "d1": (1.65, 1.2, "MaxPool 3×3", violet),
    "d2": (1.65, 2.4, "Conv 1×1, 32", orange),
    "y": (0, 3.6, "concatenate: 28×28×256", green),
}
arrows = [("x", first, 0) for first in ("a2", "b1", "c1", "d1")]
arrows += [("b1", "b2", 0), ("c1", "c2", 0), ("d1", "d2", 0)]
arrows += [(last, "y", 0) for last in ("a2", "b2", "c2", "d2")]
diagram(ax, boxes, arrows, "Inception block (3a) of GoogLeNet")
ax.set(xlim=(-2.2, 2.2), ylim=(-0.4, 4))
plots.show(
    "Four branches lead from the input to a concatenation: a 1 by 1 convolution; 1 by 1 then 3 by 3; 1 by 1 "
    "then 5 by 5; max pooling 3 by 3 with stride 1, then 1 by 1."
)

# %% [markdown]
# The orange 1×1 convolutions are there to save work. A 5×5 convolution on 192 channels is expensive; on 16 it
# is not. **Before you run the next cell, what do you expect:** how much do they save?

# %%
# NBVAL_CHECK_OUTPUT
places = 28 * 28
reduced = {"1×1": 192 * 64, "3×3": 192 * 96 + 9 * 96 * 128, "5×5": 192 * 16 + 25 * 16 * 32, "pool": 192 * 32}
naive = {"1×1": 192 * 64, "3×3": 9 * 192 * 128, "5×5": 25 * 192 * 32, "pool": 0}
for name, weights in {"with 1×1 reductions": reduced, "without": naive}.items():
    total = sum(weights.values())
    print(f"{name:20} {total:8,} weights, {total * places / 1e6:4.0f} million multiply-adds")
print("channels of the output:", 64 + 128 + 32 + 32, "and without:", 64 + 128 + 32 + 192)

# %% [markdown]
# Less than half of the work, and the pooling branch no longer hands on all its 192 channels: without the
# reductions the output would grow from block to block. (The paper's table says 128 million operations for
# this block.) **GoogLeNet** has nine such blocks, 22 layers and under 7 million parameters, nine times fewer
# than AlexNet. (The paper says 12 times.)
#
# ## 12. Depthwise-separable convolution
#
# A convolution does two things at once: it looks at neighbours, and it mixes channels. **MobileNet** (Howard
# et al., 2017) does one after the other. A **depthwise** convolution has one filter of $f \times f$ for each
# channel, which sees this channel only; a 1×1 convolution, called pointwise, then mixes the channels. The
# number of weights falls
#
# $$\text{from} \quad f^2 \cdot c \cdot n \qquad \text{to} \qquad f^2 \cdot c + c \cdot n,$$
#
# and the multiply-adds, which are the weights times $h' \cdot w'$, fall with them. **Before you run the next
# cell:** by which factor, for $f = 3$ and $c = n = 512$?

# %%
# NBVAL_CHECK_OUTPUT
f, c, n = 3, 512, 512
x = keras.Input((14, 14, c))
full = layers.Conv2D(n, f, padding="same", use_bias=False)
depthwise = layers.DepthwiseConv2D(f, padding="same", use_bias=False)
pointwise = layers.Conv2D(n, 1, use_bias=False)
print("shapes", full(x).shape, depthwise(x).shape, pointwise(depthwise.output).shape)
assert full.count_params() == f**2 * c * n
assert depthwise.count_params() + pointwise.count_params() == f**2 * c + c * n
print(f"{full.count_params():,} weights against {f**2 * c:,} + {c * n:,} = {f**2 * c + c * n:,}")
print(f"{full.count_params() / (f**2 * c + c * n):.1f} times fewer")

# %% [markdown]
# Nearly $f^2 = 9$ times fewer: the new number is $1 / n + 1 / f^2$ times the old one. It can also do less:
# for each channel all $n$ filters share one pattern of $f \times f$, and differ only in how they mix the
# channels. A depthwise convolution is one with as many groups as channels:


# %%
x = keras.random.normal((2, 7, 7, 6), seed=1)
depthwise, grouped = layers.DepthwiseConv2D(3), layers.Conv2D(6, 3, groups=6)
depthwise(x), grouped(x)
grouped.set_weights([depthwise.kernel.numpy().reshape(3, 3, 1, 6), depthwise.bias.numpy()])
assert np.allclose(depthwise(x), grouped(x), atol=1e-5)

# %% [markdown]
# MobileNetV2 and EfficientNet put a residual block around it: 1×1 to more channels, depthwise, 1×1 back to
# fewer (Sandler et al., 2018). The network that lesson 07 starts from is made of such blocks.
#
# ## 13. The famous networks
#
# Canziani, Paszke & Culurciello (2016) drew accuracy against operations, with the number of parameters as the
# area. Here is that figure, with some newer networks. Top-1 accuracy is the share of ImageNet's 50,000
# validation images for which the most probable class is right.

# %%
PLAIN, INCEPTION, SHORTCUTS, MOBILE = "plain", "Inception blocks", "shortcuts", "for small devices"
NEWER = "since 2020"
TORCHVISION, LITE, PAPER = "torchvision", "EfficientNet-Lite's README", "paper, Table 4"
famous = [  # name, kind, arXiv id, parameters, multiply-adds, top-1 (%), source
    ("AlexNet", PLAIN, "1404.5997", 61.1e6, 0.714e9, 56.5, TORCHVISION),
    ("VGG16", PLAIN, "1409.1556", 138.4e6, 15.47e9, 71.6, TORCHVISION),
    ("VGG19", PLAIN, "1409.1556", 143.7e6, 19.63e9, 72.4, TORCHVISION),
    ("GoogLeNet", INCEPTION, "1409.4842", 6.6e6, 1.498e9, 69.8, TORCHVISION),
    ("InceptionV3", INCEPTION, "1512.00567", 27.2e6, 5.713e9, 77.3, TORCHVISION),
    ("ResNet18", SHORTCUTS, "1512.03385", 11.7e6, 1.814e9, 69.8, TORCHVISION),
    ("ResNet34", SHORTCUTS, "1512.03385", 21.8e6, 3.664e9, 73.3, TORCHVISION),
    ("ResNet50", SHORTCUTS, "1512.03385", 25.6e6, 4.089e9, 76.1, TORCHVISION),
    ("ResNet101", SHORTCUTS, "1512.03385", 44.5e6, 7.801e9, 77.4, TORCHVISION),
    ("ResNet152", SHORTCUTS, "1512.03385", 60.2e6, 11.51e9, 78.3, TORCHVISION),
    ("DenseNet121", SHORTCUTS, "1608.06993", 8.0e6, 2.834e9, 74.4, TORCHVISION),
    ("MobileNet", MOBILE, "1704.04861", 4.2e6, 0.569e9, 70.6, PAPER),
    ("MobileNetV2", MOBILE, "1801.04381", 3.5e6, 0.301e9, 71.9, TORCHVISION),
    ("EfficientNetB0", MOBILE, "1905.11946", 5.3e6, 0.386e9, 77.7, TORCHVISION),
    ("EfficientNet-Lite0", MOBILE, "1905.11946", 4.7e6, 0.407e9, 75.1, LITE),
    ("ViT-B/16", NEWER, "2010.11929", 86.6e6, 17.56e9, 81.1, TORCHVISION),
    ("ConvNeXtTiny", NEWER, "2201.03545", 28.6e6, 4.456e9, 82.5, TORCHVISION),
]

# %% [markdown]
# *torchvision* are the figures that its documentation gives for the weights `IMAGENET1K_V1`
# (<https://docs.pytorch.org/vision/stable/models.html>; what it calls GFLOPS are billions of multiply-adds).
# *EfficientNet-Lite's README* is that of its authors, in
# <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>. torchvision's AlexNet is
# the slightly smaller form of Krizhevsky (2014), its Inception v3 includes the auxiliary classifier, and
# Inception v3 looks at 299×299 pixels, all others at 224×224.
#
# Many of these networks are in `keras.applications`. We can build them without memory and compare the column
# of the parameters:

# %%
for name, _, _, parameters, *_ in famous:
    build = getattr(keras.applications, name, None)
    if build is None or name == "InceptionV3":  # Keras's has no auxiliary classifier
        continue
    model = without_memory(lambda build=build: build(weights=None))
    counted = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert abs(counted / parameters - 1) < 0.02, name
    print(f"{name:14} {counted:11,}")
assert abs(sum(cost(layer)[1] for layer in vgg.layers) / famous[1][4] - 1) < 0.01

# %%
offsets = {"VGG16": (0, 29), "VGG19": (0, -30), "ResNet101": (0, 16), "GoogLeNet": (-6, -10)}
offsets |= {"ResNet18": (8, -11), "DenseNet121": (-9, 0), "ResNet50": (-12, 5), "ResNet34": (11, -7)}
offsets |= {"EfficientNet-Lite0": (8, -9), "EfficientNetB0": (8, 6), "InceptionV3": (-9, 7)}

# %%
figure, ax = plt.subplots(figsize=(9, 5))
kinds = [PLAIN, INCEPTION, SHORTCUTS, MOBILE, NEWER]
styles = {kind: {"color": plots.COLORS[i], "marker": plots.MARKERS[i]} for i, kind in enumerate(kinds)}
area = dict(zip(kinds, np.pi / np.array([np.pi, 4, 2, 4, 2]), strict=True))  # circle, square, triangle, ...
for name, kind, _, parameters, operations, accuracy, _ in famous:
    size = area[kind] * parameters / 1e5
    ax.scatter(operations / 1e9, accuracy, size, **styles[kind], alpha=0.6, edgecolor="black")
    offset = offsets.get(name, (0, -math.sqrt(parameters / 1e5 / math.pi) - 8))
    place = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
    ax.annotate(name, (operations / 1e9, accuracy), offset, textcoords="offset points", ha=place, va="center")
for kind in kinds:
    ax.scatter([], [], 60, **styles[kind], alpha=0.6, edgecolor="black", label=kind)
ax.legend(loc="lower left", bbox_to_anchor=(0, 0.2))
for parameters, x in ((5e6, 5), (50e6, 8), (150e6, 14)):
    ax.scatter(x, 57, s=parameters / 1e5, color="white", edgecolor="black")
    ax.annotate(f"{parameters / 1e6:.0f} million\nparameters", (x, 59.5), ha="center", fontsize=8)
ax.set(xscale="log", xlabel="billion multiply-adds for one image", ylabel="top-1 accuracy (%)", ylim=(53, 85))
ax.set(xlim=(0.22, 32), xticks=[0.3, 1, 3, 10, 30], xticklabels=["0.3", "1", "3", "10", "30"])
plots.show(
    "Top-1 accuracy against multiply-adds of seventeen networks, the area of a mark for its parameters, its "
    "form for the kind of network. AlexNet is lowest; VGG16 and VGG19 are the largest and cost most, with "
    "about 72 per cent; ResNets rise from 70 to 78 per cent; MobileNets and EfficientNets reach 71 to 78 "
    "with less work than AlexNet; ConvNeXt and the Vision Transformer are highest, with 81 to 83 per cent."
)

# %% [markdown]
# **Look at** the way through the years. VGG bought accuracy with size. GoogLeNet comes within two points of
# VGG16 with a tenth of the work; the deeper ResNets got more for less. **DenseNet** (Huang et al., 2017) goes
# a step further than ResNet: a block does not add its input to its output but *concatenates* the two, so that
# each layer reads the maps of all layers before it. The networks for small devices, on the left, do better
# still: EfficientNet-B0 beats VGG16 with a fortieth of its work.
#
# **Since 2019.** The *Vision Transformer* (Dosovitskiy et al., 2020) cuts the image into patches of 16×16
# pixels and treats them as a sequence, with attention between all patches in place of convolutions; on very
# much data it overtook the CNNs. *ConvNeXt* (Liu et al., 2022) answered with a pure CNN that took over from
# it what is not attention: depthwise convolutions of 7×7, fewer activations and normalisations, its training
# recipe. Both are used today, and which of them is better depends on data and budget more than on the name.
#
# Do not read small differences: these accuracies come from different training recipes (number of epochs, data
# augmentation, size of the images), and a better recipe alone moves a network by several points; the two
# newest had newer ones. torchvision's own second set of weights for ResNet50 reaches 80.9 % instead of 76.1
# %, with the same layers.
#
# ## Summary
#
# - LeNet-5: convolution and pooling in turn, then dense layers. The image becomes smaller, the channels
#   become more. With ReLU, max pooling, softmax and Adam it reads over 99 % of MNIST's test digits.
# - A new layer is a subclass: `build` makes its weights with `add_weight`, `call` computes.
# - Choosing an architecture is an experiment: one change at a time, several seeds, validation images.
# - Parameters and multiply-adds sit in different places: in VGG16 89 % of the parameters are in the dense
#   layers, 99 % of the work is in the convolutions. Global average pooling does without those layers.
# - Two 3×3 convolutions see as far as a 5×5 and cost less. A 1×1 convolution is a dense layer over channels.
#   A depthwise-separable convolution costs $f^2 c + c n$ weights in place of $f^2 c n$.
# - Batch normalisation gives each channel mean $\beta$ and spread $\gamma$: of the batch in training, by
#   running averages in inference.
# - A residual block adds its input to its output before the last ReLU, through a projection where the sizes
#   differ. Signal and gradient pass through.
# - A deep plain network can fail to learn even the training data, with batch normalisation too; with
#   shortcuts the same layers learn.
# - An Inception block puts several filter sizes side by side; 1×1 convolutions keep it cheap.
#
# **Now you:** the lab is [`../labs/06_cnn_architectures.ipynb`](../labs/06_cnn_architectures.ipynb).
#
# ## References
#
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). *Gradient-based learning applied to document
#   recognition.* Proceedings of the IEEE 86(11), 2278–2324.
#   [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791)
# - J. Deng, W. Dong, R. Socher, L.-J. Li, K. Li, L. Fei-Fei (2009). *ImageNet: a large-scale hierarchical
#   image database.* CVPR. [doi:10.1109/CVPR.2009.5206848](https://doi.org/10.1109/CVPR.2009.5206848)
# - O. Russakovsky et al. (2015). *ImageNet large scale visual recognition challenge.* International Journal
#   of Computer Vision 115, 211–252. [arXiv:1409.0575](https://arxiv.org/abs/1409.0575)
# - A. Krizhevsky, I. Sutskever, G. Hinton (2012). *ImageNet classification with deep convolutional neural
#   networks.* NIPS; reprinted in Communications of the ACM 60(6), 2017.
#   [doi:10.1145/3065386](https://doi.org/10.1145/3065386)
# - M. Lin, Q. Chen, S. Yan (2013). *Network in network.* [arXiv:1312.4400](https://arxiv.org/abs/1312.4400)
# - K. Simonyan, A. Zisserman (2014). *Very deep convolutional networks for large-scale image recognition.*
#   [arXiv:1409.1556](https://arxiv.org/abs/1409.1556)
# - C. Szegedy et al. (2015). *Going deeper with convolutions.* CVPR.
#   [arXiv:1409.4842](https://arxiv.org/abs/1409.4842)
# - K. He, X. Zhang, S. Ren, J. Sun (2016). *Deep residual learning for image recognition.* CVPR.
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385)
# - S. Ioffe, C. Szegedy (2015). *Batch normalization: accelerating deep network training by reducing internal
#   covariate shift.* ICML. [arXiv:1502.03167](https://arxiv.org/abs/1502.03167)
# - S. Santurkar, D. Tsipras, A. Ilyas, A. Madry (2018). *How does batch normalization help optimization?*
#   NeurIPS. [arXiv:1805.11604](https://arxiv.org/abs/1805.11604)
# - G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. Schoenholz (2019). *A mean field theory of batch
#   normalization.* ICLR. [arXiv:1902.08129](https://arxiv.org/abs/1902.08129)
# - P. Goyal et al. (2017). *Accurate, large minibatch SGD: training ImageNet in 1 hour.*
#   [arXiv:1706.02677](https://arxiv.org/abs/1706.02677)
# - H. Zhang, Y. Dauphin, T. Ma (2019). *Fixup initialization: residual learning without normalization.* ICLR.
#   [arXiv:1901.09321](https://arxiv.org/abs/1901.09321)
# - A. Canziani, A. Paszke, E. Culurciello (2016). *An analysis of deep neural network models for practical
#   applications.* [arXiv:1605.07678](https://arxiv.org/abs/1605.07678)
# - A. G. Howard et al. (2017). *MobileNets: efficient convolutional neural networks for mobile vision
#   applications.* [arXiv:1704.04861](https://arxiv.org/abs/1704.04861)
# - M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen (2018). *MobileNetV2: inverted residuals and
#   linear bottlenecks.* CVPR. [arXiv:1801.04381](https://arxiv.org/abs/1801.04381)
# - G. Huang, Z. Liu, L. van der Maaten, K. Weinberger (2017). *Densely connected convolutional networks.*
#   CVPR. [arXiv:1608.06993](https://arxiv.org/abs/1608.06993)
# - A. Dosovitskiy et al. (2020). *An image is worth 16×16 words: transformers for image recognition at
#   scale.* [arXiv:2010.11929](https://arxiv.org/abs/2010.11929)
# - Z. Liu et al. (2022). *A ConvNet for the 2020s.* CVPR.
#   [arXiv:2201.03545](https://arxiv.org/abs/2201.03545)
# - The papers of the other networks in section 13 are on arXiv under the numbers of the table.
