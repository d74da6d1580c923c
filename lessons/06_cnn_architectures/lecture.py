# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 6}
#     networks: {lenet: lenet}
# ---

# %% [markdown]
# # CNN architectures
#
# Convolution and pooling are the bricks. This lesson is about the houses: LeNet-5, AlexNet, VGG16, ResNet and
# Inception. You train the first one until it reads 99 % of the MNIST test digits, count the large ones layer
# by layer, and see in an experiment why very deep networks need shortcuts.
#
# **After this lesson you can**
#
# - build LeNet-5 as it was in 1998, and as one would write it today;
# - count the parameters and the multiply-adds of a network, and say where they sit;
# - explain why small filters are stacked, and what a $1 \times 1$ convolution is good for;
# - draw and write a residual block, with and without a projection, and an Inception block;
# - show that a deep plain network fails where a residual one learns, and say why;
# - read a figure of accuracy against operations and parameters.

# %%
from nnlabs import data, plots, runtime, widgets

budget = runtime.setup(seed=1)
# %%
import math

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# ## 1. LeNet-5, 1998
#
# There is no formula for a good architecture. One starts from networks that have proved to work. The first of
# them that did so on a large scale is **LeNet-5** (LeCun, Bottou, Bengio & Haffner, 1998), which read digits
# on bank cheques. It repeats *convolution, then pooling*, and ends with dense layers:
#
# | layer | what it does | output | parameters |
# | --- | --- | --- | --- |
# | input | a digit of 28×28, with a margin of 2 zeros on each side | 32×32×1 | |
# | C1 | convolution, 6 filters of 5×5 | 28×28×6 | 156 |
# | S2 | subsampling by 2 | 14×14×6 | 12 |
# | C3 | convolution, 16 filters of 5×5, not all connected | 10×10×16 | 1,516 |
# | S4 | subsampling by 2 | 5×5×16 | 32 |
# | C5 | convolution, 120 filters of 5×5 | 1×1×120 | 48,120 |
# | F6 | dense, 84 neurons | 84 | 10,164 |
# | output | 10 classes | 10 | |
#
# Height and width decrease, the number of channels increases. MNIST's images are 28×28; the input of 32×32 is
# reached by padding, so that a stroke near the edge still lies in the middle of some 5×5 patches.
#
# Three parts of it are unusual today. We build them as they were.
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


# %%
class Subsampling(layers.Layer):
    def build(self, input_shape):
        channels = (input_shape[-1],)
        self.factor = self.add_weight(shape=channels, initializer="ones")
        self.bias = self.add_weight(shape=channels, initializer="zeros")

    def call(self, x):
        return scaled_tanh(self.factor * ops.average_pool(x, 2, strides=2) + self.bias)


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
# In Keras: a convolution whose kernel is multiplied by this table of zeros and ones. The weights without a
# connection get no gradient and do nothing, so we do not count them.


# %%
class C3(layers.Conv2D):
    def call(self, x):
        return scaled_tanh(ops.conv(x, self.kernel * connected) + self.bias)


# %%
lenet_1998 = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.ZeroPadding2D(2, name="input"),
        layers.Rescaling(1.275 / 255, offset=-0.1, name="scale"),  # background -0.1, ink 1.175
        layers.Conv2D(6, 5, activation=scaled_tanh, name="C1"),
        Subsampling(name="S2"),
        C3(16, 5, name="C3"),
        Subsampling(name="S4"),
        layers.Conv2D(120, 5, activation=scaled_tanh, name="C5"),
        layers.Flatten(name="flatten"),
        layers.Dense(84, activation=scaled_tanh, name="F6"),
        layers.Dense(10, activation="softmax", name="output"),
    ]
)

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
# **radial basis functions**: output $i$ is the squared distance $\sum_j (x_j - w_{ij})^2$ of the 84 values of
# F6 from a fixed code, a picture of the digit in $7 \times 12$ pixels of $\pm 1$. And it was trained by a
# second-order variant of stochastic gradient descent; we take Adam.
#
# ## 2. LeNet today
#
# What would one change? **ReLU** instead of tanh, **max pooling** without weights, every filter sees every
# map, a **softmax** with cross-entropy, and **Adam**.

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

# %% [markdown]
# Besides the parameters we count the **multiply-adds**: how often a weight is multiplied with a value and
# added up, for one image. In a convolution each weight is used once at every place of the output,
#
# $$\underbrace{(f \cdot f \cdot c + 1) \cdot n}_{\text{parameters}} \qquad
# \underbrace{f \cdot f \cdot c \cdot n \cdot h' \cdot w'}_{\text{multiply-adds}}$$
#
# for $n$ filters of size $f \times f$ on $c$ channels and an output of $h' \times w'$ places. In a dense
# layer from $d$ values to $n$ neurons each weight is used once: $(d + 1) \cdot n$ parameters, $d \cdot n$
# multiply-adds. Pooling and activations are not counted.


# %%
def cost(layer):
    """Return the parameters and the multiply-adds of a layer, by the formulas."""
    c = layer.input.shape[-1]
    if isinstance(layer, layers.Conv2D):
        f, (_, h, w, n) = layer.kernel_size[0], layer.output.shape
        weights = f * f * (c // layer.groups) * n  # groups: see AlexNet; without them it is 1
        return weights + n, weights * h * w
    if isinstance(layer, layers.Dense):
        return (c + 1) * layer.units, c * layer.units
    return 0, 0


# %% [markdown]
# **Before you run the next cell, what do you expect:** which layer has the most parameters, and which one the
# most multiply-adds?

# %%
# NBVAL_CHECK_OUTPUT
print("layer    output         1998    today  multiply-adds today")
for old, new in zip(lenet_1998.layers, lenet.layers, strict=True):
    parameters, multiply_adds = cost(new)
    shape = "×".join(map(str, new.output.shape[1:]))
    print(f"{new.name:8} {shape:10} {counts[old.name]:8,} {parameters:8,} {multiply_adds:10,}")
    assert parameters == new.count_params()
print(f"all {sum(counts.values()):23,} {lenet.count_params():8,} {sum(cost(x)[1] for x in lenet.layers):10,}")


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
old = ["image", "5×5, tanh", "mean\n+ weights", "5×5, table", "mean\n+ weights", "5×5, tanh", "tanh", "RBF"]
new = ["image", "5×5, ReLU", "max", "5×5, ReLU", "max", "5×5, ReLU", "ReLU", "softmax"]
stages = ["input", "C1", "S2", "C3", "S4", "C5", "F6", "output"]
figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 5.4))
draw_network(upper, lenet_1998, dict(zip(stages, old, strict=True)), "LeNet-5: 60,000 parameters up to F6")
draw_network(lower, lenet, dict(zip(stages, new, strict=True)), "LeNet today: 61,706 parameters")
plots.show(
    "Two rows of the same eight stages, from a 32 by 32 image over stacks of ever smaller and more numerous "
    "maps (a few stand for all) to 120, 84 and 10 values. Above tanh and mean pooling with weights, below "
    "ReLU and max pooling."
)

# %% [markdown]
# ## 3. Training
#
# Both networks get the same loss, optimiser and form of schedule. The learning rate rises during the first
# fifth of the steps, then falls to zero along a **cosine** (lesson 04): long steps at first, and small ones
# at the end, when the noise of the batches should die away.

# %%
mnist = data.mnist()
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


def train(model, epochs, rate=0.003, batch_size=128):
    steps = epochs * math.ceil(len(x_train) / batch_size)
    model.compile(optimizer=adam(rate, steps), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, verbose=0)


# %% [markdown]
# This takes one to two minutes. **Before you run the next cell, what do you expect?** How many of the 10,000
# test digits does LeNet read wrong? A multilayer perceptron (lesson 02) misses about 170.

# %%
history = train(lenet, epochs=budget.pick(smoke=1, cpu=8))
p_test = lenet.predict(x_test, batch_size=500, verbose=0)
predicted = p_test.argmax(axis=1)
print(f"{np.sum(predicted != y_test)} of {len(y_test):,} test digits are read wrong")
runtime.result("lenet_test_accuracy", np.mean(predicted == y_test), at_least=0.99)

# %%
history_1998 = train(lenet_1998, epochs=budget.pick(smoke=1, cpu=3))
accuracy_1998 = lenet_1998.evaluate(x_test, y_test, batch_size=500, verbose=0)[1]
runtime.result("lenet_1998_test_accuracy", accuracy_1998, at_least=0.97)

# %%
figure, ax = plt.subplots()
for i, (name, h) in enumerate({"today": history, "1998": history_1998}.items()):
    loss = h.history["loss"]
    epochs = range(1, len(loss) + 1)
    ax.semilogy(epochs, loss, plots.MARKERS[i] + plots.LINES[i], color=plots.COLORS[i], label=name)
ax.set(xlabel="epoch", ylabel="training loss")
ax.xaxis.get_major_locator().set_params(integer=True)
ax.legend()
plots.show("The training loss of the two networks falls with every epoch, on a logarithmic scale.")

# %% [markdown]
# In its few epochs the loss of the form of 1998 falls about as far as that of today's form. (It got fewer, as
# one of them takes longer, and its learning rate goes to zero within them: the curves cannot be compared
# exactly. The paper reports an error of 0.95 % after more passes and with its own optimiser, and 0.8 % with
# distorted copies of the training digits.) The idea, shared filters and a smaller image after each step, has
# not changed.
#
# ## 4. What has it learned?
#
# The six filters of C1, and what they make of a digit:


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
kernels = ops.convert_to_numpy(lenet.get_layer("C1").kernel)[:, :, 0]
limit = np.abs(kernels).max()
figure, axes = plt.subplots(2, 7, figsize=(9.5, 3))
bare(axes[0, 0], "filters of C1")
axes[0, 0].axis("off")
axes[1, 0].imshow(digit[..., 0])
bare(axes[1, 0], "input")
for k, output in enumerate(maps(digit, "C1")):
    axes[0, k + 1].imshow(kernels[:, :, k], cmap="PuOr", vmin=-limit, vmax=limit)
    axes[1, k + 1].imshow(output)
    bare(axes[0, k + 1], f"filter {k}")
    bare(axes[1, k + 1], f"map {k}")
plots.show(
    "Six learned 5 by 5 filters, orange for negative and violet for positive weights, and below them the six "
    "maps they make of a handwritten 4: most of them light up on strokes of one direction or on one side."
)

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
# ## 5. Its errors
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
# ## 6. AlexNet and VGG16
#
# **ImageNet** (Deng et al., 2009; Russakovsky et al., 2015) has 1.2 million training photographs of 1000
# classes in its yearly competition. In 2012 **AlexNet** (Krizhevsky, Sutskever & Hinton) won it by a wide
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
# We want to count these networks, not to train them. Their weights would take over a gigabyte. Inside a
# `StatelessScope` Keras writes down the shape of every weight and gives it no memory; `clear_session` then
# makes it forget that the memory is still owed.


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
# **Look at** the two panels: 90 % of the parameters are in the dense layers, and 99 % of the work is in the
# convolutions. One single matrix, from $7 \cdot 7 \cdot 512$ values to 4096, has 103 million weights. Later
# networks leave it out: they take the mean of each map (**global average pooling**) and need only one dense
# layer, from the channels to the classes.
#
# ## 7. Why 3×3, and why 1×1?
#
# **Two 3×3 convolutions see as far as one of 5×5.** Send a single bright pixel through two of them:

# %%
pixel = np.zeros((1, 9, 9, 1), "float32")
pixel[0, 4, 4, 0] = 1
ones = np.ones((3, 3, 1, 1), "float32")
twice = ops.convert_to_numpy(ops.conv(ops.conv(pixel, ones, padding="same"), ones, padding="same"))
assert np.count_nonzero(twice) == 5 * 5

# %% [markdown]
# For $c$ channels in and out they have $2 \cdot 9 c^2 = 18 c^2$ weights, one of 5×5 has $25 c^2$. They cost
# 28 % less, and there is a ReLU more between them. Three of them replace a 7×7: $27 c^2$ against $49 c^2$.
#
# **A 1×1 convolution** does not look at neighbours at all. It is a dense layer over the channels, applied at
# every pixel with the same weights:

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
# channels before they are added. The two blocks that follow do just this.
#
# ## 8. The residual block
#
# Take a network that works and put more layers on top. It should not become worse: the new layers could do
# nothing and pass their input on. But in practice it does become worse, already on the *training* data. He,
# Zhang, Ren & Sun (2016) call this **degradation**. It is not overfitting; the optimiser does not find the
# solution that we know is there.
#
# Their answer is a **shortcut**. Below are the slides' blocks: without a shortcut, with it, and with pooling.
# All convolutions have SAME padding. The input of a block is $a[l]$, then come $z[l+1] = \text{Conv}(a[l])$,
# $a[l+1] = \text{ReLU}(z[l+1])$, and $z[l+2] = \text{Conv}(a[l+1])$, or $\text{MaxPool}(a[l+1])$ in the third
# block. Their ends differ:
#
# $$a[l+2] = \text{ReLU}(z[l+2]), \qquad a[l+2] = \text{ReLU}(z[l+2] + a[l]), \qquad
# a[l+2] = \text{ReLU}(z[l+2] + W \cdot a[l])$$
#
# After a pooling $z[l+2]$ has another size than $a[l]$, and the sum is not defined. The **projection** $W$
# brings $a[l]$ to the size of $z[l+2]$: a 1×1 convolution with stride 2. It has weights, but no activation.
# On the right is the form that He et al. use in their networks: no pooling in the block, the first
# convolution has stride 2 ("/2").


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
    """steps are the texts of the boxes from a[l] upwards; shortcut is None, "" or the text of its box."""
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
convolution = ["$a[l]$", "Conv 3×3", "ReLU", "Conv 3×3"]
residual_diagram(axes[0], "plain", [*convolution, "$z[l+2]$", "ReLU", "$a[l+2]$"], None)
residual_diagram(axes[1], "identity", [*convolution, "+", "ReLU", "$a[l+2]$"], "")
pooled = ["$a[l]$", "Conv 3×3", "ReLU", "MaxPool 2×2", "+", "ReLU", "$a[l+2]$"]
residual_diagram(axes[2], "pooled (slides)", pooled, "$W$:\nConv 1×1,\nstride 2")
strided = ["$a[l]$", "Conv 3×3, /2", "ReLU", "Conv 3×3", "+", "ReLU", "$a[l+2]$"]
residual_diagram(axes[3], "stride 2 (He et al.)", strided, "$W$:\nConv 1×1,\nstride 2")
plots.show(
    "Four columns of boxes from a[l] at the bottom to a[l+2] at the top. Plain: convolution, ReLU, "
    "convolution, ReLU. Identity: a curved arrow leads from a[l] to a plus before the last ReLU. Pooled and "
    "stride 2: the shortcut goes through a box W, a 1 by 1 convolution with stride 2."
)

# %% [markdown]
# Look at where things stand: the sum comes *before* the last ReLU, and the second convolution has no
# activation of its own. If it had one, the block could only add, never subtract.
#
# Why does it help? Set all weights of the block to zero, and it passes its input on, as the input is a ReLU's
# output and not negative. So "do nothing" is where a residual block can *start*; a plain block would have to
# learn it. The layers then learn the *difference* from the identity. And the sum passes the gradient on as
# well: without the ReLU, $\partial a[l+2] / \partial a[l] = I + \partial z[l+2] / \partial a[l]$.
#
# *A note on the slides.* One of them goes on with $\text{ReLU}(w[l+1] \cdot a[l+1] + b[l+1]) + a[l]$. There
# the bracket closes too early: $a[l]$ belongs inside the ReLU, as in the line above it.
#
# ## 9. Plain against residual
#
# Now the experiment. Small images (MNIST at 14×14), few channels, and networks of 8, 20 and 44 layers, with
# shortcuts and without. The first convolution has stride 2, then come blocks of two convolutions, then
# global average pooling and a dense layer.

# %%
CHANNELS = 8


def conv(**options):
    return layers.Conv2D(CHANNELS, 3, padding="same", **options)


def block(a, shortcut):
    z = conv(activation="relu", kernel_initializer="he_normal")(a)
    if shortcut:
        z = layers.Add()([conv(kernel_initializer="zeros")(z), a])  # at the start the block is the identity
    else:
        z = conv(kernel_initializer="he_normal")(z)
    return layers.ReLU()(z)


# %%
def network(depth, shortcut):
    """A network of depth layers with weights: one convolution, (depth - 2) / 2 blocks, one dense layer."""
    image = keras.Input((14, 14, 1))
    a = conv(strides=2, activation="relu", kernel_initializer="he_normal")(image)
    for _ in range((depth - 2) // 2):
        a = block(a, shortcut)
    a = layers.GlobalAveragePooling2D()(a)
    return keras.Model(image, layers.Dense(10, activation="softmax")(a))


# %% [markdown]
# Each gets a usual start. The plain network has He's initialisation throughout (lesson 04):
# it keeps the size of the signal through the layers. With a shortcut that would double the variance in every
# block, so there the second convolution starts at zero (Goyal et al., 2017; Zhang, Dauphin & Ma, 2019). There
# is **no batch normalisation** (a layer that brings each channel to mean 0 and variance 1 over the batch);
# more on that below.
#
# The shortcut costs nothing:

# %%
for depth in (8, 20, 44):
    plain, residual = network(depth, shortcut=False), network(depth, shortcut=True)
    assert plain.count_params() == residual.count_params()
    print(f"{depth} layers: {plain.count_params():,} parameters with or without shortcuts")

# %% [markdown]
# ### Before training: what arrives?
#
# Let us first look at the networks of 44 layers before any training. Forwards: how large is the part of the
# features that depends on the image? It is the deviation from the mean over the images, $\lVert a[l] - \bar
# a[l] \rVert$. Backwards: how large is the gradient of the loss with respect to $a[l]$?

# %%
small = mnist.x_train.reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4), dtype="float32") / 255
print("small images", small.shape)


# %%
def forwards_and_backwards(model, x, y):
    """Return ||a[l] - mean|| and the norm of the gradient with respect to a[l], for each block."""
    relus = [layer.output for layer in model.layers if isinstance(layer, layers.ReLU)]
    with tf.GradientTape() as tape:
        *a, p = keras.Model(model.input, [*relus, model.output])(x)
        loss = ops.mean(keras.losses.sparse_categorical_crossentropy(y, p))
    gradients = [np.linalg.norm(g) for g in tape.gradient(loss, a)]
    deviations = [np.linalg.norm(a_l - ops.mean(a_l, axis=0)) for a_l in a]
    return np.array(deviations), np.array(gradients)


# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
keras.utils.set_random_seed(1)
at_start = {}
for i, (name, shortcut) in enumerate({"plain": False, "residual": True}.items()):
    model = network(44, shortcut)
    at_start[name] = forwards_and_backwards(model, small[:256], mnist.y_train[:256])
    style = {"marker": plots.MARKERS[i], "color": plots.COLORS[i], "label": name, "markersize": 4}
    for ax, values in zip((left, right), at_start[name], strict=True):
        ax.semilogy(range(1, len(values) + 1), values, **style)
left.set(title="forwards", xlabel="block", ylabel="part that depends on the image")
right.set(title="backwards", xlabel="block", ylabel="norm of the gradient")
left.legend()
right.legend()
plots.show(
    "Untrained networks of 44 layers, on logarithmic axes. Left: in the plain network the part of the "
    "features that depends on the image falls block by block; in the residual one it is constant. Right: "
    "the gradient of the plain network falls towards the first blocks; that of the residual one "
    "is constant up to the last block."
)

# %%
deviations, gradients = at_start["plain"]
print(f"plain: {deviations[-1] / deviations[0]:.4f} of the signal is left after the last block,")
print(f"       {gradients[0] / gradients[-1]:.3f} of the gradient at the first")
assert deviations[-1] < 0.1 * deviations[0]
assert gradients[0] < 0.3 * gradients[-1]
for values in at_start["residual"]:
    assert np.allclose(values[:-1], values[0], rtol=1e-3)

# %% [markdown]
# **Look at** the left panel first. He's initialisation keeps the *expected* size of the signal, but these
# layers have few channels, and at the edges of a 7×7 map a third of the filter looks at zeros. The loss adds
# up: after 21 blocks there is next to nothing that depends on the image, and the last layer has nothing to
# read. Of the gradient that comes back, only a part reaches the first layers. In the residual network
# everything arrives, in both directions. (The ReLU of the last block removes some of its gradient; those
# before it find nothing left to remove.)
#
# ### Training
#
# Now train them all under the same budget: 3 depths, with and without shortcuts, 3 seeds. We compile each
# network once and give it new weights for every seed. **Before you run the next cell, what do you expect?**
# (It takes two to three minutes.)

# %%
DEPTHS = budget.pick(smoke=[8, 20], cpu=[8, 20, 44])
SEEDS = budget.pick(smoke=[1], cpu=[1, 2, 3])
IMAGES, EPOCHS = budget.pick(smoke=(256, 1), cpu=(3200, 7))
BATCH = 64
x_small, y_small = small[:IMAGES], mnist.y_train[:IMAGES]
x_new, y_new = small[-2000:], mnist.y_train[-2000:]  # not used in training


# %%
def experiment(depth, shortcut):
    """Return the training losses (one row a seed) and the accuracies on new images."""
    model = network(depth, shortcut)
    model.compile(
        optimizer=adam(rate=0.003, steps=EPOCHS * IMAGES // BATCH),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA would take longer to compile these networks than they take to train
    )
    model.optimizer.build(model.trainable_variables)
    fresh = [ops.convert_to_numpy(v) for v in model.optimizer.variables]
    losses, accuracies = [], []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        model.set_weights(network(depth, shortcut).get_weights())
        for variable, value in zip(model.optimizer.variables, fresh, strict=True):
            variable.assign(value)
        history = model.fit(x_small, y_small, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        losses.append(history.history["loss"])
        accuracies.append(model.evaluate(x_new, y_new, batch_size=500, verbose=0)[1])
    return np.array(losses), np.array(accuracies)


# %%
runs = {}
for depth in DEPTHS:
    for name, shortcut in {"plain": False, "residual": True}.items():
        losses, accuracies = runs[name, depth] = experiment(depth, shortcut)
        print(f"{depth:2} layers, {name:8} loss {losses[:, -1].round(2)}, accuracy {accuracies.round(3)}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4))
for i, name in enumerate(("plain", "residual")):
    style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "markersize": 4}
    for losses in runs[name, DEPTHS[-1]][0]:
        axes[0].plot(range(1, EPOCHS + 1), losses, **style)
    last_losses = [runs[name, depth][0][:, -1] for depth in DEPTHS]
    accuracies = [runs[name, depth][1] for depth in DEPTHS]
    for ax, values in zip(axes[1:], (last_losses, accuracies), strict=True):
        ax.plot(DEPTHS, values, linestyle="", **style)
        ax.plot(DEPTHS, np.mean(values, axis=1), plots.LINES[i], color=plots.COLORS[i], label=name)
        ax.set(xlabel="layers", xticks=DEPTHS)
for ax in axes[:2]:
    ax.set_ylim(0, 2.5)
    ax.axhline(np.log(10), color="black", linestyle=":", linewidth=1, label="guessing")
axes[0].set(title=f"training, {DEPTHS[-1]} layers", xlabel="epoch", ylabel="training loss")
axes[1].set(title="after training", ylabel="training loss")
axes[2].set(title="new images", ylabel="accuracy", ylim=(0, 1))
axes[1].legend(loc="center left")
plots.show(
    "Three panels. With 44 layers the training loss of the plain networks falls slowly or not at all, that "
    "of the residual ones falls far below. Against depth, the plain networks' training loss rises and their "
    "accuracy falls; for the residual ones it is the other way round. Dots are seeds, the dotted "
    "line is guessing."
)

# %%
deepest = DEPTHS[-1]
plain, residual = runs["plain", deepest][1], runs["residual", deepest][1]
runtime.result("plain_deepest_best_accuracy_of_3_seeds", plain.max(), at_most=0.65)
runtime.result("residual_deepest_worst_accuracy_of_3_seeds", residual.min(), at_least=0.75)
loss = {key: losses[:, -1].mean() for key, (losses, _) in runs.items()}
for name in ("plain", "residual"):
    gain = loss[name, DEPTHS[0]] - loss[name, deepest]
    print(f"{name}: from {DEPTHS[0]} to {deepest} layers the training loss changes by {-gain:+.2f}")

# %% [markdown]
# **Look at** the middle panel: it is the *training* loss. (The numbers in this text are for the `cpu`
# budget.) The deeper the plain networks are, the less well they fit even the images that they were trained
# on; one of 44 layers may not leave the dotted line at all. They do not overfit: they learn badly. The
# residual networks have the same layers and the same number of parameters, and with depth they become better.
#
# At 8 layers the shortcut is no help: there the plain network has no problem that would have to be solved,
# and the residual one, half of whose convolutions start at zero, is slower. The slow learning rate at the
# start is kind to the plain networks. Try `rate=0.006`: in our trial those of 20 and of 44 layers then stayed
# at the dotted line.
#
# **Be careful with what this shows.** Our plain networks fail because the signal fades, and they have no
# batch normalisation. He et al. used batch normalisation in *all* their networks, so that signal and gradient
# had a healthy size. With it one expects a plain network of our depth to learn. And still they saw the
# degradation: on CIFAR-10 a plain network of 56 layers had a higher training error than one of 20, on
# ImageNet 34 layers were worse than 18. With shortcuts the order turned round, up to 152 layers on ImageNet.
# So the vanishing signal is one reason, which we can see in two minutes, and not the only one.
#
# ## 10. The Inception block
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
# ## 11. The famous networks
#
# Canziani, Paszke & Culurciello (2016) drew accuracy against operations, with the number of parameters as the
# area. Here is that figure, with some newer networks. Top-1 accuracy is the share of ImageNet's 50,000
# validation images for which the most probable class is right.

# %%
PLAIN, INCEPTION, SHORTCUTS, MOBILE = "plain", "Inception blocks", "shortcuts", "for small devices"
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
figure, ax = plt.subplots(figsize=(9, 5))
offsets = {"VGG16": (0, 29), "VGG19": (0, -30), "ResNet101": (0, 16), "GoogLeNet": (-6, -10)}
offsets |= {"ResNet18": (8, -11), "DenseNet121": (-9, 0), "ResNet50": (-12, 5), "ResNet34": (11, -7)}
offsets |= {"EfficientNet-Lite0": (8, -9), "EfficientNetB0": (8, 6), "InceptionV3": (-9, 7)}
kinds = [PLAIN, INCEPTION, SHORTCUTS, MOBILE]
styles = {kind: {"color": plots.COLORS[i], "marker": plots.MARKERS[i]} for i, kind in enumerate(kinds)}
for name, kind, _, parameters, operations, accuracy, _ in famous:
    ax.scatter(operations / 1e9, accuracy, parameters / 1e5, **styles[kind], alpha=0.6, edgecolor="black")
    offset = offsets.get(name, (0, -math.sqrt(parameters / 1e5 / math.pi) - 8))
    place = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
    ax.annotate(name, (operations / 1e9, accuracy), offset, textcoords="offset points", ha=place, va="center")
for kind in kinds:
    ax.scatter([], [], 60, **styles[kind], alpha=0.6, edgecolor="black", label=kind)
ax.legend(loc="lower left", bbox_to_anchor=(0, 0.2))
for parameters, x in ((5e6, 5), (50e6, 8), (150e6, 14)):
    ax.scatter(x, 57, s=parameters / 1e5, color="white", edgecolor="black")
    ax.annotate(f"{parameters / 1e6:.0f} million\nparameters", (x, 59.5), ha="center", fontsize=8)
ax.set(xscale="log", xlabel="billion multiply-adds for one image", ylabel="top-1 accuracy (%)", ylim=(54, 81))
ax.set(xlim=(0.22, 32), xticks=[0.3, 1, 3, 10, 30], xticklabels=["0.3", "1", "3", "10", "30"])
plots.show(
    "Top-1 accuracy against multiply-adds of fifteen networks, the area of a mark for its parameters, its "
    "form for the kind of network. AlexNet is lowest; "
    "VGG16 and VGG19 are the largest and cost most, with about 72 per cent; ResNets rise from 70 to 78 "
    "per cent; MobileNets and EfficientNets reach 71 to 78 per cent with less work than AlexNet."
)

# %% [markdown]
# **Look at** the way through the years. VGG bought accuracy with size. GoogLeNet and ResNet got more for
# less. The networks for small devices, on the left, do better still: EfficientNet-B0 beats VGG16 with a
# fortieth of its work.
#
# Do not read small differences: these accuracies come from different training recipes (number of epochs, data
# augmentation, size of the images), and a better recipe alone moves a network by several points.
# torchvision's own second set of weights for ResNet50 reaches 80.9 % instead of 76.1 %, with the same layers.
#
# ## Summary
#
# - LeNet-5: convolution and pooling in turn, then dense layers. The image becomes smaller, the channels
#   become more. With ReLU, max pooling, softmax and Adam it reads over 99 % of MNIST's test digits.
# - Parameters and multiply-adds sit in different places: in VGG16 90 % of the parameters are in the dense
#   layers, 99 % of the work is in the convolutions.
# - Two 3×3 convolutions see as far as a 5×5 and cost less. A 1×1 convolution is a dense layer over channels.
# - A residual block adds its input to its output before the last ReLU, through a projection where the sizes
#   differ. It can start as the identity, and signal and gradient pass through.
# - A deep plain network can fail to learn even the training data; with shortcuts the same layers learn.
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
# - K. Simonyan, A. Zisserman (2014). *Very deep convolutional networks for large-scale image recognition.*
#   [arXiv:1409.1556](https://arxiv.org/abs/1409.1556)
# - C. Szegedy et al. (2015). *Going deeper with convolutions.* CVPR.
#   [arXiv:1409.4842](https://arxiv.org/abs/1409.4842)
# - K. He, X. Zhang, S. Ren, J. Sun (2016). *Deep residual learning for image recognition.* CVPR.
#   [arXiv:1512.03385](https://arxiv.org/abs/1512.03385)
# - P. Goyal et al. (2017). *Accurate, large minibatch SGD: training ImageNet in 1 hour.*
#   [arXiv:1706.02677](https://arxiv.org/abs/1706.02677)
# - H. Zhang, Y. Dauphin, T. Ma (2019). *Fixup initialization: residual learning without normalization.* ICLR.
#   [arXiv:1901.09321](https://arxiv.org/abs/1901.09321)
# - A. Canziani, A. Paszke, E. Culurciello (2016). *An analysis of deep neural network models for practical
#   applications.* [arXiv:1605.07678](https://arxiv.org/abs/1605.07678)
# - The papers of the networks in section 11 are on arXiv under the numbers of the table.
