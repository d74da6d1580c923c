# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 3}
# ---

# %% [markdown]
# # Lab 06: CNN architectures
#
# You count the parameters and the work of AlexNet and VGG16 by your own formulas, write LeNet, and then the
# blocks of the deep networks with Keras's functional interface: the residual block in three forms and the
# Inception block. At the end you stack your blocks and see what a shortcut is worth.
#
# **How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
# below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
# with the course's own version, so every later cell still runs. The lecture is
# [`../notebooks/06_cnn_architectures.ipynb`](../notebooks/06_cnn_architectures.ipynb). Close it while you
# write, and compare afterwards.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import cnn_architectures as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

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
# | `("pool", f, s)` | pooling of `f` × `f` with stride `s`, no padding, no parameters |
# | `("flatten",)` | `(h, w, c)` becomes `(h · w · c,)` |
# | `("dense", n)` | `n` neurons with a bias each, on an input of the shape `(d,)` |
#
# `shape` is the shape of the image. Return a list with one pair (parameters, multiply-adds) for **each**
# layer, in order. Pooling and flatten have the pair `(0, 0)`.
#
# <details><summary>Hint</summary>
#
# A loop that carries `shape` along: each layer changes it for the next one. `kind, *numbers = layer` takes a
# tuple apart. The size after pooling follows the same formula as that of a convolution.
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
        elif kind == "pool":
            f, s = numbers
            shape = ((shape[0] - f) // s + 1, (shape[1] - f) // s + 1, shape[2])
        elif kind == "flatten":
            shape = (shape[0] * shape[1] * shape[2],)
        else:
            (n,) = numbers
            cost = ((shape[0] + 1) * n, shape[0] * n)
            shape = (n,)
        costs.append(tuple(cost))
    return costs
    ### END SOLUTION


# %% check="network-cost" points=3
network_cost = check.network_cost(network_cost)


# %% [markdown]
# AlexNet and VGG16 as lists:


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


# %% [markdown]
# **Before you run the next cell, what do you expect?** Which of the two networks has more parameters, and how
# many times more work is VGG16?

# %%
networks = {
    "AlexNet, two groups": ((227, 227, 3), alexnet(groups=2)),
    "AlexNet, one group": ((227, 227, 3), alexnet(groups=1)),
    "VGG16": ((224, 224, 3), vgg([2, 2, 3, 3, 3])),
    "VGG19": ((224, 224, 3), vgg([2, 2, 4, 4, 4])),
}
totals = {name: np.sum(network_cost(*network), axis=0) for name, network in networks.items()}
for name, (parameters, multiply_adds) in totals.items():
    print(f"{name:20} {parameters:12,} parameters {multiply_adds:15,} multiply-adds")
runtime.result("lab_alexnet_parameters_in_millions", totals["AlexNet, one group"][0] / 1e6)
runtime.result("lab_vgg16_parameters_in_millions", totals["VGG16"][0] / 1e6)

# %% [markdown]
# Keras counts the same, layer by layer. Inside a `StatelessScope` it gives the weights no memory, and
# `clear_session` makes it forget them: VGG19 would take 575 MB.

# %%
for name, build in {"VGG16": keras.applications.VGG16, "VGG19": keras.applications.VGG19}.items():
    with keras.StatelessScope(initialize_variables=False):
        model = build(weights=None)
    keras.utils.clear_session()
    counted = [layer.count_params() for layer in model.layers if layer.count_params()]
    assert counted == [parameters for parameters, _ in network_cost(*networks[name]) if parameters]
assert totals["AlexNet, two groups"][0] == 60_965_224
assert totals["AlexNet, one group"][0] == 62_378_344

# %% [markdown] question="where-are-the-parameters" points=3
# **Question.** The last pooling of VGG16 leaves $7 \times 7 \times 512$ values.
#
# 1. How many parameters has the first dense layer, and which share of all is that?
# 2. Why has this layer so many parameters and so little work, and the convolutions the other way round?
# 3. Replace `Flatten` and the two dense layers of 4096 by global average pooling. How many parameters has the
#    network then? What information is lost?
#
# <!-- BEGIN SOLUTION -->
# 1. $(7 \cdot 7 \cdot 512 + 1) \cdot 4096 = 102{,}764{,}544$, which is 74 % of 138,357,544.
# 2. In a dense layer each weight is used once for an image. In a convolution the same weights are used at
#    every place: those of the second layer $224 \cdot 224 = 50{,}176$ times. Few weights, much work.
# 3. The convolutions have 14,714,688 parameters, the dense layer for the classes $(512 + 1) \cdot 1000 =
#    513{,}000$: together 15.2 million, nine times fewer. The mean over the 7×7 places forgets where in the
#    image something was found. For the name of the object this is no great loss; for a box around it, it is.
# <!-- END SOLUTION -->

# %% [markdown]
# ## 3. LeNet
#
# Build LeNet in its form of today for images of $28 \times 28 \times 1$, with numbers between 0 and 1:
#
# 1. a margin of 2 zeros on each side, to 32×32;
# 2. convolution, 6 filters of 5×5, ReLU; max pooling 2×2;
# 3. convolution, 16 filters of 5×5, ReLU; max pooling 2×2;
# 4. 120 neurons, ReLU, that see all of the 5×5×16 values;
# 5. 84 neurons, ReLU;
# 6. 10 classes, softmax.
#
# The convolutions have no padding of their own. The model has 61,706 parameters.
#
# <details><summary>Hint</summary>
#
# `keras.Sequential`, starting with `keras.Input`. `layers.ZeroPadding2D` makes the margin. For step 4 there
# are two ways: a convolution of 5×5 that leaves 1×1 places, or `Flatten` and a dense layer.
#
# </details>


# %% exercise="lenet"
def lenet():
    """Return LeNet as described above, a Keras model."""
    ### BEGIN SOLUTION
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.ZeroPadding2D(2),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    ### END SOLUTION


# %% check="lenet" points=3
lenet = check.lenet(lenet)

# %% [markdown]
# Two epochs, which is not yet what it can do:

# %%
mnist = data.mnist()
images = budget.pick(smoke=2000, cpu=60_000)
x_train = mnist.x_train[:images, ..., None].astype("float32") / 255
x_test = mnist.x_test[..., None].astype("float32") / 255
keras.utils.set_random_seed(1)
model = lenet()
model.compile(
    optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
model.fit(x_train, mnist.y_train[:images], batch_size=128, epochs=2, verbose=0)
accuracy = model.evaluate(x_test, mnist.y_test, batch_size=500, verbose=0)[1]
runtime.result("lab_lenet_test_accuracy_2_epochs", accuracy, at_least=0.975)

# %% [markdown]
# ## 4. The identity block
#
# From here on a block is a function from a tensor to a tensor, as in `y = layers.Dense(3)(x)`. The input
# $a[l]$ has the shape $(batch, h, w, c)$, and so has the output:
#
# $$\begin{aligned}
# a[l+1] &= \text{ReLU}(\text{Conv}(a[l])) \\
# z[l+2] &= \text{Conv}(a[l+1]) \\
# a[l+2] &= \text{ReLU}(z[l+2] + a[l])
# \end{aligned}$$
#
# Both convolutions have $c$ filters of 3×3, SAME padding and a bias. The first has
# `kernel_initializer="he_normal"`. The second has `kernel_initializer="zeros"`, so that a new block passes
# its input on.
#
# <details><summary>Hint</summary>
#
# `c = a.shape[-1]`. The activation of the second convolution comes after the sum, so it cannot be written
# into the layer. `layers.Add()([u, v])` or `u + v` adds, `layers.ReLU()` is a layer.
#
# </details>


# %% exercise="identity-block"
def identity_block(a):
    """Return a[l+2] for the tensor a = a[l] of shape (batch, h, w, c), with an identity shortcut."""
    ### BEGIN SOLUTION
    c = a.shape[-1]
    z = layers.Conv2D(c, 3, padding="same", activation="relu", kernel_initializer="he_normal")(a)
    z = layers.Conv2D(c, 3, padding="same", kernel_initializer="zeros")(z)
    return layers.ReLU()(z + a)
    ### END SOLUTION


# %% check="identity-block" points=3
identity_block = check.identity_block(identity_block)

# %% [markdown]
# ## 5. The block with pooling
#
# The slides' second block halves the image:
#
# $$\begin{aligned}
# a[l+1] &= \text{ReLU}(\text{Conv}(a[l])) \\
# z[l+2] &= \text{MaxPool}(a[l+1]) \\
# a[l+2] &= \text{ReLU}(z[l+2] + W \cdot a[l])
# \end{aligned}$$
#
# The convolution has `n` filters of 3×3, SAME, with a bias; the pooling is 2×2. $W$ must bring $a[l]$ from
# $(h, w, c)$ to $(h/2, w/2, n)$: a 1×1 convolution with stride 2, without bias and without activation. ($h$
# and $w$ are even.)
#
# <details><summary>Hint</summary>
#
# The projection reads `a`, not the output of the convolution. `use_bias=False`.
#
# </details>


# %% exercise="pooled-block"
def pooled_block(a, n):
    """Return a[l+2], shape (batch, h/2, w/2, n), for the tensor a = a[l] of shape (batch, h, w, c)."""
    ### BEGIN SOLUTION
    z = layers.Conv2D(n, 3, padding="same", activation="relu", kernel_initializer="he_normal")(a)
    z = layers.MaxPooling2D(2)(z)
    projected = layers.Conv2D(n, 1, strides=2, use_bias=False)(a)
    return layers.ReLU()(z + projected)
    ### END SOLUTION


# %% check="pooled-block" points=3
pooled_block = check.pooled_block(pooled_block)

# %% [markdown]
# ## 6. The block of He et al.
#
# The form that ResNet-18 and ResNet-34 use (here without batch normalisation). There is no pooling; the
# *first* convolution has stride `s`:
#
# 1. convolution, `n` filters of 3×3, stride `s`, SAME, ReLU;
# 2. convolution, `n` filters of 3×3, SAME, `kernel_initializer="zeros"`;
# 3. add the shortcut, then ReLU.
#
# The shortcut is the input itself **where its shape agrees** with that of step 2. Where it does not agree it
# is a projection, a 1×1 convolution with `n` filters and stride `s`, without a bias.
#
# <details><summary>Hint</summary>
#
# Two things can differ: the number of channels, and height and width. `a.shape` and `z.shape` are tuples that
# you can compare.
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
# ## 7. The Inception block
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
print(f"3×3 and 5×5 without reduction: {(9 * 192 + 1) * 128 + (25 * 192 + 1) * 32:,} parameters")

# %% [markdown]
# ## 8. A network as deep as you like
#
# Stack your identity blocks. `depth` counts the layers with weights and is even:
#
# 1. input of $14 \times 14 \times 1$;
# 2. convolution, 8 filters of 3×3, stride 2, SAME, ReLU, `kernel_initializer="he_normal"`;
# 3. as many identity blocks as are needed for `depth`;
# 4. `GlobalAveragePooling2D`;
# 5. dense, 10 classes, softmax.
#
# <details><summary>Hint</summary>
#
# Which layers have weights? The first convolution, two in each block, the dense layer. Call your
# `identity_block` in a loop.
#
# </details>


# %% exercise="residual-network"
def residual_network(depth):
    """Return the residual network with depth layers that have weights."""
    ### BEGIN SOLUTION
    image = keras.Input((14, 14, 1))
    a = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", kernel_initializer="he_normal")(
        image
    )
    for _ in range((depth - 2) // 2):
        a = identity_block(a)
    a = layers.GlobalAveragePooling2D()(a)
    return keras.Model(image, layers.Dense(10, activation="softmax")(a))
    ### END SOLUTION


# %% check="residual-network" points=3
residual_network = check.residual_network(residual_network)

# %% [markdown]
# Against it, the same network without shortcuts:


# %%
def plain_network(depth):
    conv = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    image = keras.Input((14, 14, 1))
    a = layers.Conv2D(8, 3, strides=2, **conv)(image)
    for _ in range(depth - 2):
        a = layers.Conv2D(8, 3, **conv)(a)
    a = layers.GlobalAveragePooling2D()(a)
    return keras.Model(image, layers.Dense(10, activation="softmax")(a))


# %% [markdown]
# Both get the learning rate of the lecture: it rises during the first fifth of the steps, then falls to zero
# along a cosine. **Before you run the next cell, what do you expect** of the training loss of the two
# networks of 44 layers? Guessing gives $\log 10 \approx 2.30$. (It takes about a minute.)

# %%
depth, count, epochs = budget.pick(smoke=(14, 256, 1), cpu=(44, 3200, 7))
small = mnist.x_train[:count].reshape(-1, 14, 2, 14, 2, 1).mean(axis=(2, 4), dtype="float32") / 255
batch, losses = 64, {}
steps = epochs * count // batch
rate = keras.optimizers.schedules.CosineDecay(
    0.0, decay_steps=steps - steps // 5, warmup_target=0.003, warmup_steps=steps // 5
)
for name, build in {"plain": plain_network, "residual": residual_network}.items():
    keras.utils.set_random_seed(1)
    model = build(depth)
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", jit_compile=False)
    history = model.fit(small, mnist.y_train[:count], batch_size=batch, epochs=epochs, verbose=0)
    losses[name] = history.history["loss"]
    print(f"{name:8} {model.count_params():,} parameters, training loss {losses[name][-1]:.2f}")

# %%
for i, (name, loss) in enumerate(losses.items()):
    plt.plot(range(1, epochs + 1), loss, plots.MARKERS[i] + plots.LINES[i], color=plots.COLORS[i], label=name)
plt.axhline(np.log(10), color="black", linestyle=":", linewidth=1, label="guessing")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend()
plots.show(
    "Training loss of two networks of 44 layers. That of the plain one falls slowly from the loss of "
    "guessing, 2.30, and stays high; that of the residual one falls far below."
)
runtime.result("lab_plain_44_layers_training_loss", losses["plain"][-1], at_least=1.2)
runtime.result("lab_residual_44_layers_training_loss", losses["residual"][-1], at_most=0.8)

# %% [markdown] question="why-plain-fails" points=3
# **Question.** A plain network of 44 layers can compute everything that one of 8 layers can: the other 36
# layers would only have to pass their input on.
#
# 1. Write down a 3×3 kernel with which a convolution and ReLU pass on one channel that is not negative. Why
#    does training not find it?
# 2. Why is "pass the input on" easy for the identity block?
# 3. Somebody says: "The deep plain network is bad because it overfits." Which curve above speaks against it?
#
# <!-- BEGIN SOLUTION -->
# 1. One in the middle, zeros around it (and zeros for all other channels); bias 0. With random weights the
#    network is far from this point, and between the two lies a region where the signal of the image and the
#    gradient fade from layer to layer. That a solution exists does not mean that gradient descent can reach
#    it from where it starts.
# 2. It only has to make its two convolutions zero, and in fact it starts there: then $a[l+2] = \text{ReLU}(0
#    + a[l]) = a[l]$, since $a[l] \geq 0$. The layers learn the *difference* from the identity. The sum also
#    brings the gradient to the first layers without a loss.
# 3. The training loss. An overfitting network has a small training loss and a large one on new images. Here
#    the training loss itself stays high.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Batch normalisation.** Put a `BatchNormalization` layer between each convolution and its ReLU, in the
#   plain and in the residual network, and repeat the comparison. Does the plain one learn now? Which one is
#   better at 44 layers, and at 80? (He et al. had it in both.)
# - **Other steps.** Repeat the comparison with half and with twice the learning rate, and with more epochs.
#   When does the plain network learn, and how long does it take?
# - **Bottleneck.** ResNet-50 replaces the two 3×3 convolutions by 1×1 (fewer channels), 3×3, 1×1 (many
#   channels again). Write the block and compare its multiply-adds with those of the block of exercise 6.
# - **Where to add.** Move the last ReLU to before the sum, or put ReLU before the convolutions and none after
#   the sum (He et al., 2016, *Identity mappings in deep residual networks*,
#   [arXiv:1603.05027](https://arxiv.org/abs/1603.05027)). What happens at 44 layers?
# - **A small GoogLeNet.** Two inception blocks and global average pooling on MNIST: with how few parameters
#   do you reach LeNet's accuracy?
#
# **References:** A. Krizhevsky, I. Sutskever, G. Hinton (2012), *ImageNet classification with deep
# convolutional neural networks*, [doi:10.1145/3065386](https://doi.org/10.1145/3065386). K. Simonyan, A.
# Zisserman (2014), [arXiv:1409.1556](https://arxiv.org/abs/1409.1556). K. He, X. Zhang, S. Ren, J. Sun
# (2016), *Deep residual learning for image recognition*,
# [arXiv:1512.03385](https://arxiv.org/abs/1512.03385). C. Szegedy et al. (2015), *Going deeper with
# convolutions*, [arXiv:1409.4842](https://arxiv.org/abs/1409.4842).
#
# Back to the lecture: [`../notebooks/06_cnn_architectures.ipynb`](../notebooks/06_cnn_architectures.ipynb).
