# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 2}
# ---

# %% [markdown]
# # Lab 06: CNN architectures
#
# You count the parameters and the work of AlexNet, VGG16 and MobileNet by your own formulas, fold a batch
# normalisation into the convolution before it, find what is wrong with a residual block that does not learn,
# and write three more blocks with Keras's functional interface. At the end you build a network of your own
# blocks, train it, and see which places of a digit vote for which class.
#
# The lecture is [`../notebooks/06_cnn_architectures.ipynb`](../notebooks/06_cnn_architectures.ipynb). The lab
# takes about 120 minutes.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import cnn_architectures as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. What a convolution costs
#
# A convolution layer has `n` filters of size `f` × `f`, stride `s` and `p` zeros on each side. Its input has
# the shape `(h, w, c)`. Return three things:
#
# 1. the shape of the output, $(h', w', n)$ with $h' = \lfloor (h + 2p - f) / s \rfloor + 1$, and $w'$ alike;
# 2. the number of parameters, with a bias for each filter;
# 3. the number of multiply-adds for one image: every weight is multiplied once at each of the $h' \cdot w'$
#    places. Adding the bias does not count.
#
# With `groups` > 1 the channels and the filters are split into as many groups. A filter sees only the `c /
# groups` channels of its own group.
#
# <details><summary>Hint</summary>
#
# First count the weights of one filter. It is as deep as what it sees. Write them into a variable: you need
# them twice.
#
# </details>


# %% exercise="conv-cost"
def conv_cost(shape, n, f, s, p, groups):
    """Return the output's shape (h', w', n), the parameters and the multiply-adds; shape is (h, w, c)."""
    ### BEGIN SOLUTION
    h, w, c = shape
    rows, columns = (h + 2 * p - f) // s + 1, (w + 2 * p - f) // s + 1
    weights = f * f * (c // groups) * n
    return (rows, columns, n), weights + n, weights * rows * columns
    ### END SOLUTION


# %% check="conv-cost" points=2
conv_cost = check.conv_cost(conv_cost)

# %% [markdown]
# ## 2. What a network costs
#
# A network is now a list of layers, each a tuple:
#
# | layer | meaning |
# | --- | --- |
# | `("conv", n, f, s, p, groups)` | as in exercise 1 |
# | `("separable", n, f, s, p)` | depthwise, `f` × `f`, stride `s`, padding `p`; then `n` filters of 1×1 |
# | `("pool", f, s)` | pooling of `f` × `f` with stride `s`, no padding, no parameters |
# | `("flatten",)` | `(h, w, c)` becomes `(h · w · c,)` |
# | `("mean",)` | global average pooling: `(h, w, c)` becomes `(c,)` |
# | `("dense", n)` | `n` neurons with a bias each, on an input of the shape `(d,)` |
#
# Both halves of a separable convolution have biases. `shape` is the shape of the image. Return a list with
# one pair (parameters, multiply-adds) for **each** layer, in order. Pooling, flatten and mean have the pair
# `(0, 0)`.
#
# <details><summary>Hint</summary>
#
# A loop that carries `shape` along: each layer changes it for the next one. `kind, *numbers = layer` takes a
# tuple apart. Which of your functions can count the two halves of a separable convolution?
#
# </details>
#
# <details><summary>Second hint</summary>
#
# In a depthwise convolution every channel is a group of its own. The size after pooling follows the same
# formula as that of a convolution.
#
# </details>


# %% exercise="network-cost"
def network_cost(shape, network):
    """Return a list of (parameters, multiply-adds), one pair for each layer of the network."""
    ### BEGIN SOLUTION
    costs = []
    for kind, *numbers in network:
        cost = (0, 0)
        if kind == "conv":
            shape, *cost = conv_cost(shape, *numbers)
        elif kind == "separable":
            n, f, s, p = numbers
            between, *depthwise = conv_cost(shape, shape[2], f, s, p, shape[2])
            shape, *pointwise = conv_cost(between, n, 1, 1, 0, 1)
            cost = (depthwise[0] + pointwise[0], depthwise[1] + pointwise[1])
        elif kind == "pool":
            f, s = numbers
            shape = ((shape[0] - f) // s + 1, (shape[1] - f) // s + 1, shape[2])
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
        elif kind == "mean":
            shape = (shape[2],)
        else:
            cost, shape = ((shape[0] + 1) * numbers[0], shape[0] * numbers[0]), (numbers[0],)
        costs.append(tuple(cost))
    return costs
    ### END SOLUTION


# %% check="network-cost" points=3
network_cost = check.network_cost(network_cost)


# %% [markdown]
# AlexNet, VGG and MobileNet as lists:


# %%
def alexnet(groups):
    return [
        ("conv", 96, 11, 4, 0, 1),
        ("pool", 3, 2),
        ("conv", 256, 5, 1, 2, groups),
        ("pool", 3, 2),
        ("conv", 384, 3, 1, 1, 1),
        ("conv", 384, 3, 1, 1, groups),
        ("conv", 256, 3, 1, 1, groups),
        ("pool", 3, 2),
        ("flatten",),
        *[("dense", 4096), ("dense", 4096), ("dense", 1000)],
    ]


def vgg(repeats):
    network = []
    for repeat, n in zip(repeats, [64, 128, 256, 512, 512], strict=True):
        network += [("conv", n, 3, 1, 1, 1)] * repeat + [("pool", 2, 2)]
    return [*network, ("flatten",), ("dense", 4096), ("dense", 4096), ("dense", 1000)]


# %%
def mobilenet():
    stages = [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *[(512, 1)] * 5,
        (1024, 2),
        (1024, 1),
    ]
    network = [("conv", 32, 3, 2, 1, 1), *[("separable", n, 3, s, 1) for n, s in stages]]
    return [*network, ("mean",), ("dense", 1000)]


# %% [markdown]
# **Before you run the next cell, what do you expect?** Which network has most parameters, and how many times
# more work is VGG16 than MobileNet?

# %%
networks = {
    "AlexNet, two groups": ((227, 227, 3), alexnet(groups=2)),
    "AlexNet, one group": ((227, 227, 3), alexnet(groups=1)),
    "VGG16": ((224, 224, 3), vgg([2, 2, 3, 3, 3])),
    "MobileNet": ((224, 224, 3), mobilenet()),
    "VGG19": ((224, 224, 3), vgg([2, 2, 4, 4, 4])),
}
totals = {name: np.sum(network_cost(*network), axis=0) for name, network in networks.items()}
for name, (parameters, multiply_adds) in totals.items():
    print(f"{name:20} {parameters:12,} parameters {multiply_adds:15,} multiply-adds")
runtime.result("lab_alexnet_parameters_in_millions", totals["AlexNet, one group"][0] / 1e6)
runtime.result("lab_vgg16_parameters_in_millions", totals["VGG16"][0] / 1e6)

# %% [markdown]
# MobileNet's paper says 4.2 million parameters and 569 million multiply-adds. (It has batch normalisation in
# place of the biases: two trained numbers for each channel in place of our one.) Keras counts VGG16 as we do:

# %%
# with shapes, but without memory for the weights
with keras.StatelessScope(initialize_variables=False):
    model = keras.applications.VGG16(weights=None)
keras.utils.clear_session()
counted = [layer.count_params() for layer in model.layers if layer.count_params()]
assert counted == [parameters for parameters, _ in network_cost(*networks["VGG16"]) if parameters]
assert totals["AlexNet, two groups"][0] == 60_965_224
assert totals["AlexNet, one group"][0] == 62_378_344
assert totals["MobileNet"][1] == 568_740_352

# %% [markdown] question="where-are-the-parameters" points=3
# **Question.** In MobileNet's separable layers from 512 to 512 channels, with $f = 3$ and maps of 14×14:
#
# 1. Which share of the multiply-adds is in the 1×1 convolution?
# 2. Somebody wants to save work and replaces $f = 3$ by a smaller filter; somebody else wants to see more and
#    takes $f = 7$. What does each of them win or pay, in per cent of the layer?
# 3. How would the answer to 2 be for a full convolution?
#
# <!-- BEGIN SOLUTION -->
# 1. Per place $9 \cdot 512 = 4{,}608$ in the depthwise and $512 \cdot 512 = 262{,}144$ in the pointwise half:
#    98.3 %.
# 2. Without any depthwise filter only 1.7 % are saved. With $f = 7$ the depthwise half has $49 \cdot 512 =
#    25{,}088$: the layer costs $287{,}232 / 266{,}752 = 1.08$ times as much. Large filters are cheap there
#    (ConvNeXt uses them), the mixing of channels is what costs.
# 3. There the work is proportional to $f^2$: $f = 7$ costs $49 / 9 = 5.4$ times as much, $f = 1$ a ninth.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. Derive it: a normalisation that costs nothing
#
# After training, a batch normalisation multiplies and adds fixed numbers. A convolution does so too. So the
# two can be **folded** into one convolution with another kernel and another bias. For channel $c$ of the
# output, with $W_c$ its filter, $b_c$ its bias and the running mean $\bar\mu_c$ and variance
# $\bar\sigma_c^2$:
#
# $$\gamma_c \, \frac{(W_c \star x + b_c) - \bar\mu_c}{\sqrt{\bar\sigma_c^2 + \eta}} + \beta_c
# = W'_c \star x + b'_c$$
#
# Derive $W'_c$ and $b'_c$ on paper, then write them for all channels. `kernel` has Keras's shape `(f, f, c,
# n)`, `bias`, `gamma`, `beta`, `mean` and `variance` have the shape `(n,)`, `eta` is a number. All are NumPy
# arrays; return two new ones.
#
# <details><summary>Hint</summary>
#
# $\star$ is linear in the kernel: $s \, (W_c \star x) = (s \, W_c) \star x$. Collect what multiplies $W_c
# \star x$, and what does not depend on $x$.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# An array of the shape `(n,)` meets the *last* axis of an array of the shape `(f, f, c, n)`.
#
# </details>


# %% exercise="fold"
def fold(kernel, bias, gamma, beta, mean, variance, eta):
    """Return kernel (f, f, c, n) and bias (n,) of the one convolution that does what both layers do."""
    ### BEGIN SOLUTION
    scale = gamma / np.sqrt(variance + eta)
    return kernel * scale, (bias - mean) * scale + beta
    ### END SOLUTION


# %% check="fold" points=3
fold = check.fold(fold)

# %% [markdown]
# ## 4. Find the faults: a block that does not learn
#
# Here is a residual block as somebody wrote it. It shall be this:
#
# 1. convolution, `n` filters of 3×3, stride `s`, SAME, ReLU;
# 2. convolution, `n` filters of 3×3, SAME;
# 3. add the shortcut, then ReLU. The shortcut is the input itself where its shape agrees with that of step 2;
#    where it does not, a projection: 1×1, `n` filters, stride `s`, no bias, no activation.
#
# All convolutions but the projection have biases. A new block whose shortcut is the input itself passes its
# input on, as long as that is not negative; and all its kernels can learn.


# %%
def faulty_block(a, n, s):
    z = layers.Conv2D(n, 3, strides=s, padding="same", activation="relu", kernel_initializer="zeros")(a)
    z = layers.Conv2D(n, 3, padding="same", activation="relu", kernel_initializer="he_normal")(z)
    if s > 1:
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)


# %% [markdown]
# It runs, and a new one does pass its input on. But look at what happens to its four arrays of weights when
# it is trained for 50 steps to make a negative picture of its input, from $x$ to $1 - x$:


# %%
def changes(block):
    """Train a block of one channel for 50 steps; return its loss and the change of each array of weights."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).uniform(size=(256, 6, 6, 1)).astype("float32")
    image = keras.Input((6, 6, 1))
    model = keras.Model(image, block(image, 1, 1))
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse", jit_compile=False)
    model.fit(x, 1 - x, batch_size=256, epochs=50, verbose=0)
    change = [np.abs(new - old).max() for new, old in zip(model.get_weights(), before, strict=True)]
    return round(model.evaluate(x, 1 - x, verbose=0), 3), [round(float(value), 3) for value in change]


# %%
print("loss and changes of kernel 1, bias 1, kernel 2, bias 2:", *changes(faulty_block))

# %% [markdown]
# There are three faults. This experiment shows two of them; the third shows when the number of channels
# changes. Say for each what it does, before you mend it.
#
# <details><summary>Hint</summary>
#
# Nothing moves. Write down the gradient of the loss with respect to each of the four arrays at the start:
# which factors of it are zero, and why? And which values can the second convolution add to the shortcut?
#
# </details>
#
# <details><summary>Second hint</summary>
#
# ReLU has the slope 0 at 0. And try `faulty_block(keras.Input((6, 6, 4)), 8, 1)`.
#
# </details>


# %% exercise="residual-block"
def residual_block(a, n, s):
    """Return the block's output with n channels and stride s; a projection only where shapes differ."""
    ### BEGIN SOLUTION
    z = layers.Conv2D(n, 3, strides=s, padding="same", activation="relu", kernel_initializer="he_normal")(a)
    z = layers.Conv2D(n, 3, padding="same", kernel_initializer="zeros")(z)
    if a.shape != z.shape:
        a = layers.Conv2D(n, 1, strides=s, use_bias=False)(a)
    return layers.ReLU()(z + a)
    ### END SOLUTION


# %% check="residual-block" points=4
residual_block = check.residual_block(residual_block)

# %%
print("loss and changes of kernel 1, bias 1, kernel 2, bias 2:", *changes(residual_block))

# %% [markdown]
# With this block the body of **ResNet-34** is a few lines. (On photos the first layer is a 7×7 convolution
# with stride 2, followed by a 3×3 max pooling with stride 2.) 34 layers with weights: 1 + 2 · (3 + 4 + 6 + 3)
# + 1.


# %%
def resnet34():
    image = keras.Input((224, 224, 3))
    a = layers.Conv2D(64, 7, strides=2, padding="same", activation="relu")(image)
    a = layers.MaxPooling2D(3, strides=2, padding="same")(a)
    for stage, (n, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for i in range(blocks):
            a = residual_block(a, n, s=2 if stage > 0 and i == 0 else 1)
    a = layers.GlobalAveragePooling2D()(a)
    return keras.Model(image, layers.Dense(1000, activation="softmax")(a))


with keras.StatelessScope(initialize_variables=False):
    model = resnet34()
keras.utils.clear_session()
print(f"{model.count_params():,} parameters, VGG16 has {totals['VGG16'][0]:,}")

# %% [markdown]
# ## 5. Normalise first
#
# In the block of exercise 4 the ReLU after the sum changes what the shortcut carries. He, Zhang, Ren & Sun
# (2016, *Identity mappings in deep residual networks*) move everything to the front of the convolutions, so
# that nothing is on the shortcut, from the first block to the last:
#
# $$h^{(k+2)} = h^{(k)} + \text{Conv}(\text{ReLU}(\text{BN}(\text{Conv}(\text{ReLU}(\text{BN}(h^{(k)}))))))$$
#
# Both convolutions have as many filters as the input has channels, 3×3, SAME, **without bias**. BN is
# `layers.BatchNormalization()` as it comes, a new one each time.
#
# <details><summary>Hint</summary>
#
# Read the formula from the inside to the outside: it is written in the order in which a layer calls the next.
#
# </details>


# %% exercise="preactivation-block"
def preactivation_block(a):
    """Return the block's output for the tensor a of shape (batch, h, w, c); it has the same shape."""
    ### BEGIN SOLUTION
    z = a
    for _ in range(2):
        z = layers.ReLU()(layers.BatchNormalization()(z))
        z = layers.Conv2D(a.shape[-1], 3, padding="same", use_bias=False)(z)
    return z + a
    ### END SOLUTION


# %% check="preactivation-block" points=3
preactivation_block = check.preactivation_block(preactivation_block)

# %% [markdown]
# ## 6. The Inception block
#
# Four branches read the input; their outputs are concatenated along the channels:
#
# | branch | layers |
# | --- | --- |
# | 1 | 1×1, `n1` filters |
# | 2 | 1×1, `r3` filters, then 3×3, `n3` filters |
# | 3 | 1×1, `r5` filters, then 5×5, `n5` filters |
# | 4 | max pooling 3×3, then 1×1, `n_pool` filters |
#
# Every convolution has a ReLU and a bias. Everything has stride 1 and SAME padding, **the pooling too**. The
# order of the branches in the output does not matter.
#
# <details><summary>Hint</summary>
#
# `layers.MaxPooling2D` has the stride of its size if you do not say otherwise. `layers.Concatenate()` joins
# along the last axis.
#
# </details>


# %% exercise="inception-block"
def inception_block(a, n1, r3, n3, r5, n5, n_pool):
    """Return a tensor with n1 + n3 + n5 + n_pool channels, of the height and width of a."""

    ### BEGIN SOLUTION
    def conv(n, f, x):
        return layers.Conv2D(n, f, padding="same", activation="relu")(x)

    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(a)
    branches = [
        conv(n1, 1, a),
        conv(n3, 3, conv(r3, 1, a)),
        conv(n5, 5, conv(r5, 1, a)),
        conv(n_pool, 1, pooled),
    ]
    return layers.Concatenate()(branches)
    ### END SOLUTION


# %% check="inception-block" points=4
inception_block = check.inception_block(inception_block)

# %% [markdown]
# The first block of GoogLeNet with the paper's numbers. **Before you run the next cell:** compute the number
# of its channels, and guess what the reductions `r3` and `r5` save.

# %%
image = keras.Input((28, 28, 192))
block = keras.Model(image, inception_block(image, 64, 96, 128, 16, 32, 32))
print("output", block.output_shape, f"  {block.count_params():,} parameters")
naive = [192 * 64 + 64, (9 * 192 + 1) * 128, (25 * 192 + 1) * 32]
print(f"three branches without reductions and projection: {sum(naive):,} parameters")

# %% [markdown]
# ## 7. Squeeze and excitation
#
# Some maps matter for one image and not for another. Hu, Shen & Sun (2018) let the network weigh them: from
# the mean $\bar h_c$ of each map two dense layers make a factor for each map, which multiplies it everywhere.
#
# $$s = \sigma\big(W^{(2)} \, \text{ReLU}(W^{(1)} \bar h + b^{(1)}) + b^{(2)}\big), \qquad
# h'_{i j c} = s_c \, h_{i j c}$$
#
# $\sigma$ is the sigmoid, so that each factor lies between 0 and 1. The first dense layer has $c / r$ neurons
# (`c // r`), the second $c$; both have biases.
#
# <details><summary>Hint</summary>
#
# The factors have the shape `(batch, c)`, the maps `(batch, h, w, c)`. Which shape must the factors get, so
# that they multiply whole maps? `layers.Reshape` makes it (or `keepdims=True` before).
#
# </details>


# %% exercise="squeeze-excite"
def squeeze_excite(a, r):
    """Return the maps a (batch, h, w, c), each times its factor; the small dense layer has c // r neurons."""
    ### BEGIN SOLUTION
    c = a.shape[-1]
    s = layers.GlobalAveragePooling2D()(a)
    s = layers.Dense(c // r, activation="relu")(s)
    s = layers.Dense(c, activation="sigmoid")(s)
    return a * layers.Reshape((1, 1, c))(s)
    ### END SOLUTION


# %% check="squeeze-excite" points=3
squeeze_excite = check.squeeze_excite(squeeze_excite)

# %% [markdown]
# ## Your own network
#
# Now all of it together, on MNIST: a convolution with batch normalisation, your inception block, your
# residual block with stride 2, your preactivation block, your factors, and global average pooling in place of
# dense layers. **Before you run the next cells, what do you expect:** has it more parameters than LeNet with
# its 61,706, or fewer? And which share of 10,000 digits does it read after four passes over 20,000?


# %%
def own_network():
    image = keras.Input((28, 28, 1))
    h = layers.Conv2D(16, 3, strides=2, padding="same", name="first")(image)
    h = layers.ReLU()(layers.BatchNormalization(name="norm")(h))
    h = inception_block(h, 8, 8, 16, 4, 4, 4)
    h = residual_block(h, 32, 2)
    h = squeeze_excite(preactivation_block(h), 4)
    h = layers.ReLU(name="maps")(layers.BatchNormalization()(h))
    h = layers.GlobalAveragePooling2D()(h)
    return keras.Model(image, layers.Dense(10, name="classes")(h))


# %%
mnist = data.mnist()
count, epochs = budget.pick(smoke=(500, 1), cpu=(20_000, 4))
x_train, y_train = mnist.x_train[:count, ..., None].astype("float32") / 255, mnist.y_train[:count]
x_test, y_test = mnist.x_test[..., None].astype("float32") / 255, mnist.y_test
keras.utils.set_random_seed(1)
model = own_network()
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
steps = epochs * (count // 64)
rate = keras.optimizers.schedules.CosineDecay(0.005, decay_steps=steps)
model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy"], jit_compile=False)
model.fit(x_train, y_train, batch_size=64, epochs=epochs, verbose=0)
accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)[1]
print(f"{model.count_params():,} parameters")
runtime.result("lab_own_network_test_accuracy", accuracy, at_least=0.965)

# %% [markdown]
# **Your folded convolution** in the place of the first two layers: the answers are the same, one layer is
# gone.

# %%
first, norm = model.get_layer("first"), model.get_layer("norm")
gamma, beta, mean, variance = norm.get_weights()
folded = layers.Conv2D(16, 3, strides=2, padding="same")
folded.build((None, 28, 28, 1))
folded.set_weights(fold(*first.get_weights(), gamma, beta, mean, variance, norm.epsilon))
difference = np.abs(folded(x_test[:500]) - norm(first(x_test[:500]), training=False)).max()
print(f"largest difference {difference:.1e}")
assert difference < 1e-4

# %% [markdown]
# **Which place votes for which class?** The mean of the maps, then a dense layer: both are linear, so they
# can change places. The dense layer applied at every place gives ten maps whose *means* are the ten scores
# (Zhou et al., 2016, call them class activation maps; lesson 07 has a form of it for every network). Green
# votes for the class, brown against it.

# %%
digits = [int(np.flatnonzero(y_test == c)[0]) for c in (4, 7, 9)]
part = keras.Model(model.input, [model.get_layer("maps").output, model.output])
h, scores = part(x_test[digits])
votes = ops.convert_to_numpy(model.get_layer("classes")(h))  # (3, 7, 7, 10)
assert np.allclose(votes.mean(axis=(1, 2)), scores, atol=1e-3)
figure, axes = plt.subplots(3, 11, figsize=(10, 3.4))
for row, i in zip(range(3), digits, strict=True):
    axes[row, 0].imshow(x_test[i, ..., 0])
    for c in range(10):
        limit = np.abs(votes[row]).max()
        axes[row, c + 1].imshow(votes[row, ..., c], cmap="BrBG", vmin=-limit, vmax=limit)
        axes[row, c + 1].set_title(f"{c}: {votes[row, ..., c].mean():.1f}", fontsize=8)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
plots.show(
    "Three digits, a 4, a 7 and a 9, each with ten maps of 7 by 7 places: what each place votes for the "
    "classes 0 to 9, titled with the score. The map of the right class is the one with the highest score."
)

# %% [markdown] question="which-block-helps" points=3
# **Question.** Which of the four blocks does your network need? Design an experiment that could answer this.
#
# 1. What do you change between two runs, and what do you keep? One of the blocks also halves the image: what
#    do you put in its place?
# 2. On which images do you compare, with how many seeds, and what will you say if two accuracies differ by
#    0.2 %? (The standard deviation of an accuracy $p$ on $n$ images is $\sqrt{p (1 - p) / n}$.)
#
# <!-- BEGIN SOLUTION -->
# 1. One block at a time is taken out (or replaced by the identity); data, epochs, rate and start rule stay.
#    Fewer blocks also means fewer parameters, so a second comparison gives the plain network as many, by more
#    channels. For the residual block with stride 2 a plain convolution with stride 2, or the same block
#    without its shortcut, must stand there: else the next block sees other sizes and two things change.
# 2. On validation images taken from the training set; the test set once, for the final choice. With $n =
#    10{,}000$ and $p = 0.98$ the standard deviation is 0.14 %, and two seeds of the same network differ by
#    about as much. So 0.2 % from one run each says nothing: at least three seeds, better five, and their
#    spread beside the means.
# <!-- END SOLUTION -->

# %% [markdown] question="why-dead" points=2
# **Question.** In exercise 4 both kernels of the faulty block stayed as they were, though one of them did not
# start at zero. Why does a zero *second* kernel learn, and a zero *first* one never?
#
# <!-- BEGIN SOLUTION -->
# The gradient of a kernel is made of its input and of what comes back from its output. With the first kernel
# and bias at zero its ReLU gives 0 everywhere: the second kernel's input is 0, so its gradient is 0. And what
# comes back to the first kernel is multiplied by the slope of ReLU at 0, which is 0. So neither ever moves.
# (In the faulty block even the last bias did not: it stood before another ReLU of 0.) With the second kernel
# at zero its input is not zero, so it gets a gradient and leaves zero; then the first one gets one as well.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Fold them all.** A convolution can swallow the normalisation *after* it. Why can the preactivation block
#   not be folded so simply, and which of its two normalisations can be?
# - **Bottleneck.** ResNet-50 replaces the two 3×3 convolutions by 1×1 (fewer channels), 3×3, 1×1 (many
#   channels again). Write the block and compare its multiply-adds with those of the block of exercise 4.
# - **DenseNet.** A block that concatenates its input to its output (Huang et al., 2017). How fast do the
#   channels grow, and where do you put a 1×1 convolution?
# - **Your experiment.** Run what you designed in the question above.
#
# **References:** A. Krizhevsky, I. Sutskever, G. Hinton (2012), *ImageNet classification with deep
# convolutional neural networks*, [doi:10.1145/3065386](https://doi.org/10.1145/3065386). K. Simonyan, A.
# Zisserman (2014), [arXiv:1409.1556](https://arxiv.org/abs/1409.1556). A. G. Howard et al. (2017),
# *MobileNets*, [arXiv:1704.04861](https://arxiv.org/abs/1704.04861). K. He, X. Zhang, S. Ren, J. Sun (2016),
# *Identity mappings in deep residual networks*, [arXiv:1603.05027](https://arxiv.org/abs/1603.05027). C.
# Szegedy et al. (2015), *Going deeper with convolutions*, [arXiv:1409.4842](https://arxiv.org/abs/1409.4842).
# J. Hu, L. Shen, G. Sun (2018), *Squeeze-and-excitation networks*,
# [arXiv:1709.01507](https://arxiv.org/abs/1709.01507). G. Huang et al. (2017), *Densely connected
# convolutional networks*, [arXiv:1608.06993](https://arxiv.org/abs/1608.06993). B. Zhou et al. (2016),
# *Learning deep features for discriminative localization*,
# [arXiv:1512.04150](https://arxiv.org/abs/1512.04150).
#
# Back to the lecture: [`../notebooks/06_cnn_architectures.ipynb`](../notebooks/06_cnn_architectures.ipynb).
