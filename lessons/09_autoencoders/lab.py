# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.9, cpu: 1.5}
# ---

# %% [markdown]
# # Lab 09: autoencoders
#
# You take each idea of the lecture one step further: a PCA whose codes all have the same spread, a decoder
# that owns no weights, a code that *is* sparse instead of being punished for not being so. You derive the
# gradient of the contractive penalty and the brightness of a noisy image, and mend two pieces of code that
# run and give wrong results. At the end a network meets a digit that it has never seen.
#
# **You need:** the lecture, NumPy, Keras layers of your own (`add_weight`, lecture, section 9), the chain
# rule, the normal distribution. About three hours. (In the `smoke` budget the networks hardly learn: their
# figures then say nothing.)

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import autoencoders as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

# %%
mnist = data.mnist()
images = budget.pick(smoke=2000, cpu=30_000)
x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (mnist.x_train[:images], mnist.x_test))
y_train, y_test = mnist.y_train[:images], mnist.y_test
sample = np.random.default_rng(0).permutation(10_000)[:2000]  # test images drawn at random
print("x_train", x_train.shape, "x_test", x_test.shape)

# %% [markdown]
# The tools of the lecture, given: the loss, its mean over images, the PSNR, a training with a rate that falls
# to zero, and rows of images.

# %%
plt.rcParams["image.interpolation"] = "nearest"  # pixels stay squares


def squared_error(x, r):
    return ops.sum(ops.square(x - r), axis=-1)  # one number an image


def error(x, r):
    return float(ops.mean(squared_error(x, r)))


def psnr(x, r):
    return float(np.mean(10 * np.log10(1 / np.square(x - r).mean(axis=1))))  # mean over the images


def fit(model, x, epochs):
    rates = keras.optimizers.schedules.CosineDecay(2e-3, decay_steps=epochs * -(-len(x) // 128))
    model.compile(optimizer=keras.optimizers.Adam(rates), loss=squared_error)
    model.fit(x, x, batch_size=128, epochs=epochs, verbose=0)


# %%
def apply(model, x):
    return ops.convert_to_numpy(model(x))


def image_rows(rows):
    """Draw rows of images: a mapping of names to arrays (n, 784). Grey has 16 levels."""
    columns = len(next(iter(rows.values())))
    _, ax = plt.subplots(figsize=(7, 7.4 * len(rows) / columns))
    grey = np.round(15 * np.clip(np.concatenate(list(rows.values())), 0, 1))
    plots.image_grid(grey.reshape(-1, 28, 28), columns=columns, ax=ax)
    for row, name in enumerate(rows):
        ax.text(-0.15, 0.5 - 1.05 * row, name, ha="right", va="center")


# %% [markdown]
# ## 1. PCA with equal spread
#
# The codes of PCA have a large first number and small last ones: their variances are
# $\lambda_1 \ge \lambda_2 \ge \dots$ A **whitened** code has the same directions, but over the data that it
# was fitted to *each* of its numbers has mean 0 and variance 1 (the mean of the squares; divide by $n$).
#
# Write a function that takes data `x` of shape $(n, d)$ and returns **two functions**: the encoder $f$, from
# shape $(\cdot, d)$ to $(\cdot, k)$, and the decoder $g$, from $(\cdot, k)$ to $(\cdot, d)$. The
# reconstruction $g(f(\mathbf{x}))$ is that of PCA. Both will be used on new data, too, and return NumPy
# arrays. The singular value decomposition `np.linalg.svd(x - m, full_matrices=False)` of the centred data
# gives three factors: the second one holds the singular values, largest first, and the *rows* of the third
# one are the directions $u_1, u_2, \dots$ (of length 1).
#
# <details><summary>Hint</summary>
#
# Functions can be defined inside a function, and remember its variables. First write $f$ of ordinary PCA and
# measure the standard deviation of each number of the code. What has $g$ to undo before it mixes the
# directions?
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Nothing has to be known about singular values: the standard deviations may be measured from the codes of
# `x`. They belong to the data that $f$ was fitted to and stay as they are when new data come.
#
# </details>


# %% exercise="whitening"
def whitening(x, k):
    """Return (f, g), PCA with k directions fitted to x (n, d), each number of the code with variance 1."""
    ### BEGIN SOLUTION
    m = x.mean(axis=0)
    _, s, u = np.linalg.svd(x - m, full_matrices=False)
    u, spread = u[:k], s[:k] / np.sqrt(len(x))

    def f(x):
        return (x - m) @ u.T / spread

    def g(h):
        return m + (h * spread) @ u

    return f, g
    ### END SOLUTION


# %% check="whitening" points=3
whitening = check.whitening(whitening)

# %% [markdown]
# Is a whitened code a better code? A test: predict the label of 2,000 test images from the 3 nearest of 5,000
# training images, nearest *in the code*. **Before you run the next cells, what do you expect** for codes of 8
# numbers, and for codes of 256?

# %%
sizes = [4, 8, 16, 32, 64, 128, 256]
near_x, near_y = x_train[:5000], y_train[:5000]
accuracy = {"PCA": [], "whitened": []}
for k in sizes:
    encoders = {"PCA": PCA(k).fit(near_x).transform, "whitened": whitening(near_x, k)[0]}
    for name, encode in encoders.items():
        nearest = KNeighborsClassifier(3).fit(encode(near_x), near_y)
        accuracy[name].append(nearest.score(encode(x_test[sample]), y_test[sample]))

# %%
for i, (name, values) in enumerate(accuracy.items()):
    style = {"color": plots.COLORS[i], "marker": plots.MARKERS[i], "linestyle": plots.LINES[i]}
    plt.plot(sizes, values, label=name, **style)
plt.xscale("log", base=2)
plt.gca().xaxis.set_major_formatter("{x:.0f}")
plt.xlabel("size $k$ of the code")
plt.ylabel("labels right")
plt.legend()
plots.show(
    "The share of right labels against the size of the code. Both curves rise together to 16 numbers. Then "
    "that of PCA stays where it is, and that of the whitened codes falls far below it."
)
assert abs(accuracy["PCA"][1] - accuracy["whitened"][1]) < 0.05
assert accuracy["whitened"][-1] < accuracy["PCA"][-1] - 0.2

# %% [markdown]
# With few numbers it hardly matters. With 256 the whitened code is spoilt. In PCA's code the last directions
# are there, too, but quiet; whitening makes them as loud as the first ones. A likely reason is that they hold
# little but the chance of single images. Equal spread is not equal worth.
#
# ## 2. A decoder that owns no weights
#
# The lecture's contractive autoencoder has **tied weights**: one matrix for the way in and the way out. Do
# the same for *any* dense layer of Keras. Write a layer `Tied(dense, activation)` that leads back through
# `dense`. If this computes $\mathbf{h}$ from $\mathbf{x}$ with its kernel, `Tied` computes
#
# $$\mathbf{r} = \phi(\mathbf{c} + \text{the same weights, backwards}),$$
#
# from `h` of shape $(n, k)$ an array of the shape $(n, d)$. Its only own weight is the bias $\mathbf{c}$,
# which starts at zero. What the kernel learns, both learn: it is shared, not copied. `activation` is a name
# such as `"relu"` or `"linear"`. The constructor is given; write `build`, which Keras calls before the first
# `call`, and `call`, with `keras.ops`. By then `dense` has been called, so that `dense.kernel` exists.
#
# <details><summary>Hint</summary>
#
# `self.dense.kernel` tells you both sizes.
# `self.add_weight(shape=..., initializer=...)` makes a weight that is trained.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# A Keras kernel has a row for each input of its layer: `dense.kernel` has the shape $(d, k)$. How many
# numbers has $\mathbf{c}$? In which order does the product take its factors, and which of them is transposed
# (`ops.transpose`)?
#
# </details>


# %% exercise="tied"
class Tied(layers.Layer):
    def __init__(self, dense, activation):
        super().__init__()
        self.dense = dense
        self.activation = keras.activations.get(activation)  # a function

    def build(self, input_shape):
        """Add the bias c (d,), which starts at zero."""
        ### BEGIN SOLUTION
        d = self.dense.kernel.shape[0]
        self.c = self.add_weight(shape=(d,), initializer="zeros", name="c")
        ### END SOLUTION

    def call(self, h):
        """Return r (n, d) for codes h (n, k)."""
        ### BEGIN SOLUTION
        return self.activation(self.c + ops.dot(h, ops.transpose(self.dense.kernel)))
        ### END SOLUTION


# %% check="tied" points=3
Tied = check.Tied(Tied)

# %% [markdown]
# A deep autoencoder, 784-256-32-256-784, with and without its own decoder. **Before you run the next cell:**
# the tied one has half of the parameters. What does that cost?


# %%
def autoencoder(k, tied, hidden=256):
    first, second = layers.Dense(hidden, activation="relu"), layers.Dense(k)
    encoder = keras.Sequential([keras.Input((784,)), first, second])
    if tied:
        back = [Tied(second, "relu"), Tied(first, "sigmoid")]
    else:
        back = [layers.Dense(hidden, activation="relu"), layers.Dense(784, activation="sigmoid")]
    return keras.Sequential([encoder, *back])


for tied in (False, True):
    keras.utils.set_random_seed(1)
    model = autoencoder(32, tied)
    fit(model, x_train, epochs=budget.pick(smoke=1, cpu=4))
    test_error = error(x_test, model(x_test))
    print(f"tied {tied!s:5}: {model.count_params():,} parameters, test error {test_error:.1f}")
    runtime.result(f"lab_{'tied' if tied else 'untied'}_test_error", test_error, at_most=16)

# %% [markdown]
# It costs nothing here: after these few epochs the tied network is even a little ahead. (One run each;
# another seed or more epochs may turn this around.)
#
# ## 3. A code with k numbers
#
# The L1 penalty makes a code sparse on average. A **k-sparse** autoencoder (Makhzani & Frey, 2014) does it
# by force: for each image only the $k$ *largest* numbers of the code pass, all others become 0. Nothing has
# to be tuned, and nothing shrinks.
#
# Write this for a batch `h` of codes, shape $(n, \text{size})$; `k` is at least 1 and at most the size. The
# numbers may be negative; the largest are the largest, not those farthest from 0. (Where equal numbers
# compete for the last place, do as you like.) Use `keras.ops`: inside a model the number of images is
# unknown. For the gradient the choice is fixed: it passes where the number passes.
#
# <details><summary>Hint</summary>
#
# `ops.top_k(h, k)` returns two tensors of shape $(n, k)$: the $k$ largest numbers of each row, largest
# first, and where they stood. How large must a number be to be among them?
#
# </details>


# %% exercise="keep_largest"
def keep_largest(h, k):
    """Return the codes h (n, size) with all but the k largest numbers of each row set to 0."""
    ### BEGIN SOLUTION
    smallest_kept = ops.min(ops.top_k(h, k)[0], axis=1, keepdims=True)
    return h * ops.cast(h >= smallest_kept, h.dtype)
    ### END SOLUTION


# %% check="keep_largest" points=2
keep_largest = check.keep_largest(keep_largest)

# %% [markdown]
# A code of 256 numbers, of which 5, 20 or 80 pass, with your tied decoder. **Before you run the next cells:**
# what will the features look like when only five may be used for an image?


# %%
class KeepLargest(layers.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def call(self, h):
        return keep_largest(h, self.k)


rows = {}
for k in (5, 20, 80):
    keras.utils.set_random_seed(1)
    dense = layers.Dense(256)
    encoder = keras.Sequential([keras.Input((784,)), dense, KeepLargest(k)])
    model = keras.Sequential([encoder, Tied(dense, "linear")])
    fit(model, x_train[:20_000], epochs=budget.pick(smoke=1, cpu=3))
    f, g = whitening(x_train[:5000], k)
    used = np.abs(apply(encoder, x_test)).mean(axis=0)
    pca_error = error(x_test, g(f(x_test)))
    print(f"k = {k:2}: PCA {pca_error:4.1f}, k-sparse {error(x_test, model(x_test)):4.1f}", end=", ")
    print(f"{(used > 0).sum()} of 256 numbers are used by some image")
    kernel = ops.convert_to_numpy(dense.kernel).T[np.argsort(-used)[:10]]  # (10, 784)
    rows[f"k = {k}"] = 0.5 + 0.5 * kernel / np.abs(kernel).max(axis=1, keepdims=True)

# %%
image_rows(rows)
plots.show(
    "Three rows of ten features, grey is 0: the weights of the numbers of the code that are used most, for "
    "codes with 5, 20 and 80 numbers that pass."
)

# %% [markdown]
# **Look at** the rows. With five numbers an image has to be put together from large pieces: rings, halves of
# digits. With 20 and 80 the features are smaller and harder to name, and some are still grainy; three epochs
# may be too few for them. And look at the errors: where few numbers pass, the code that chooses *which* is
# far ahead of PCA. (This is kind to it: one must also know which numbers are not zero.)
#
# ## 4. Derive it: the gradient of the contractive penalty
#
# An encoder with one layer of sigmoids, $\mathbf{h} = \sigma(\mathbf{b} + W \mathbf{x})$ with $W$ of shape
# $(k, d)$. The lecture has for one image
#
# $$\|J\|_F^2 = \sum_j \bigl(h_j (1 - h_j)\bigr)^2 \sum_l W_{jl}^2 .$$
#
# Let $\Omega$ be its **mean** over a batch of $n$ images. On paper, derive $\partial \Omega / \partial
# W_{jl}$ and $\partial \Omega / \partial b_j$. Then return both, as NumPy arrays of the shapes of $W$ and
# $\mathbf{b}$. (What Keras does with a tape, you do by hand. The check compares numbers only; the derivation
# is the exercise. With a loop over the images the descent below takes half a minute.)
#
# <details><summary>Hint</summary>
#
# $W_{jl}$ acts on two paths: it stands in the sum of squares, and it moves $a_j = b_j + \sum_l W_{jl} x_l$
# and with it $h_j$. The derivatives of the paths add up (lesson 03). Begin with $b_j$: it acts on one.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# Write $p = h (1 - h)$ for one number of the code. What is $dp / da$, and then $d(p^2) / da$? Test a result
# with $d = k = n = 1$ before you write matrices.
#
# </details>


# %% exercise="contractive_gradient"
def contractive_gradient(x, W, b):
    """Return the gradients of Omega by W (k, d) and by b (k,), for the batch x (n, d)."""
    ### BEGIN SOLUTION
    n = len(x)
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    p = h * (1 - h)
    lengths = np.sum(W**2, axis=1)
    by_a = 2 * p**2 * (1 - 2 * h) * lengths / n  # (n, k)
    squares = (p**2).mean(axis=0)  # (k,)
    return by_a.T @ x + 2 * squares[:, None] * W, by_a.sum(axis=0)
    ### END SOLUTION


# %% check="contractive_gradient" points=3
contractive_gradient = check.contractive_gradient(contractive_gradient)

# %% [markdown]
# With it we walk down on $\Omega$ **alone**, without a decoder that needs the code. We note how far noise of
# standard deviation 0.3 moves the codes of test images, and the same as a share of the distance between the
# codes of two *different* images. **Before you run the next cells:** the first one goes to zero. Does the
# second?

# %%
rng = np.random.default_rng(0)
W, b = rng.normal(size=(64, 784)) / 28, rng.normal(size=64)
x, noisy = (x_test[sample[:200]] + level * rng.normal(size=(200, 784)) for level in (0, 0.3))
batch = x_train[:200].astype("float64")
movement, share = [], []
for _ in range(300):
    h, moved = (1 / (1 + np.exp(-(z @ W.T + b))) for z in (x, noisy))
    movement.append(np.linalg.norm(moved - h, axis=1).mean())
    share.append(movement[-1] / np.linalg.norm(h[:100] - h[100:], axis=1).mean())
    gradient = contractive_gradient(batch, W, b)
    W, b = W - gradient[0], b - gradient[1]

# %%
plt.semilogy(movement, label="movement of the code under noise")
plt.semilogy(share, "--", label="the same, as a share of the distance between images")
plt.xlabel("step")
plt.legend()
plots.show(
    "On a logarithmic axis, against the steps of the descent: the movement of the code falls and goes on "
    "falling. Its share of the distance between images falls in the first steps and then stays level."
)
assert movement[-1] < 0.6 * movement[50]
assert abs(share[-1] / share[50] - 1) < 0.1

# %% [markdown]
# After the first steps the descent only makes *all* codes smaller: noise moves them less, and different
# images are closer to each other just as much. So a small penalty alone does not say that a code is robust.
# The lecture ties the weights to prevent this.
#
# ## 5. Find the faults: a training with noise
#
# Somebody has written the training of a denoising autoencoder. `fit_epoch(inputs, targets)` trains for one
# epoch. Each epoch should see the clean images `x`, values in $[0, 1]$, with *new* Gaussian noise of standard
# deviation `level` in each pixel, clipped to $[0, 1]$, as inputs, and the clean ones as targets.


# %%
def faulty_training(fit_epoch, x, level, epochs, rng):
    noisy = x
    for _ in range(epochs):
        noisy += level * rng.normal(size=x.shape[1])
        inputs = np.clip(noisy, 0, 1)
        fit_epoch(inputs, x)


# %% [markdown]
# It runs, and the loss falls nicely. A test with an answer that you know: three "images" of four grey pixels,
# 0.5 each, and weak noise. The stand-in for `fit_epoch` only prints:


# %%
def print_epoch(inputs, targets):
    print("inputs\n", inputs.round(2), "\ntargets\n", targets.round(2))


faulty_training(print_epoch, np.full((3, 4), 0.5), 0.1, 2, np.random.default_rng(0))

# %% [markdown]
# There are **three** faults. Find them in what is printed, then in the code, and write the training as it
# should be. All random numbers come from `rng`; `x` stays as it is. (More images and more epochs show more.)
#
# <details><summary>Hint</summary>
#
# Look at the targets: what should they be? Then at the rows of the inputs. Then take 50 epochs: how far from
# 0.5 are the inputs in the first epoch, how far in the last?
#
# </details>
#
# <details><summary>Second hint</summary>
#
# After `noisy = x`, how many arrays are there? `noisy += ...` changes the array itself, `noisy = noisy + ...`
# makes a new one.
#
# </details>


# %% exercise="train_denoiser"
def train_denoiser(fit_epoch, x, level, epochs, rng):
    """Call fit_epoch(inputs, targets) for each epoch: x (n, d) with new clipped noise, and x."""
    ### BEGIN SOLUTION
    for _ in range(epochs):
        noise = rng.normal(scale=level, size=x.shape)
        fit_epoch(np.clip(x + noise, 0, 1), x)
    ### END SOLUTION


# %% check="train_denoiser" points=3
train_denoiser = check.train_denoiser(train_denoiser)

# %% [markdown]
# Now with a network, at level 0.5. How many decibels does it gain?

# %%
LEVEL = 0.5
epochs = budget.pick(smoke=1, cpu=4)
keras.utils.set_random_seed(1)
encoder = keras.Sequential([keras.Input((784,)), layers.Dense(256, activation="relu")])
denoiser = keras.Sequential([encoder, layers.Dense(784, activation="sigmoid")])
rates = keras.optimizers.schedules.CosineDecay(2e-3, decay_steps=epochs * -(-len(x_train) // 128))
denoiser.compile(optimizer=keras.optimizers.Adam(rates), loss=squared_error)


def fit_epoch(inputs, targets):
    denoiser.fit(inputs.astype("float32"), targets, batch_size=128, verbose=0)


train_denoiser(fit_epoch, x_train, LEVEL, epochs, np.random.default_rng(1))

# %%
clean = x_test[sample]
noise = np.random.default_rng(2).normal(size=clean.shape).astype("float32")
quality = {}
for level in (0.05, 0.1, 0.25, 0.5, 0.75):
    noisy = np.clip(clean + level * noise, 0, 1)
    quality[level] = psnr(clean, noisy), psnr(clean, apply(denoiser, noisy))
    print(f"level {level:4}: before {quality[level][0]:4.1f} dB, after {quality[level][1]:4.1f} dB")
print(f"clean images, after the network: {psnr(clean, apply(denoiser, clean)):.1f} dB")
runtime.result("lab_denoising_gain_db", quality[0.5][1] - quality[0.5][0], at_least=5)

# %% [markdown]
# **Look at** the last column, from level 0.5 upwards in the list. Less noise, and the result is *worse*;
# clean images come out worst of all. Is this just how well the network can copy? Or does it expect something
# that weak noise does not have?
#
# ## 6. Derive it: the brightness of a noisy pixel
#
# Clipped noise does not leave the mean alone. A black pixel becomes brighter or stays black, never darker.
# Let a pixel have the value $x$ in $[0, 1]$, and let $z$ be normal with mean 0 and variance 1. Derive
#
# $$\mathbb{E}\,\text{clip}(x + s z) \qquad \text{with} \qquad
# \text{clip}(y) = \min(1, \max(0, y)), \quad s > 0,$$
#
# and return it for an array `x` of any shape, exactly (six digits), as an array of that shape. SciPy's
# `norm.pdf` is the density $\varphi$ of $z$ and `norm.cdf` its distribution function $\Phi$; both are
# imported above and work on arrays.
#
# <details><summary>Hint</summary>
#
# Cut the line into three parts: where the noisy value is below 0, between 0 and 1, above 1. What does each
# part give to the mean? The last one gives a probability.
#
# </details>
#
# <details><summary>Second hint</summary>
#
# The middle part is the integral of $(x + s z)\, \varphi(z)$ from $z_0$ to $z_1$: which are they? It has two
# terms. For the second: what is $\varphi'(z)$? Test: $x = \frac12$ must give $\frac12$ for every $s$.
#
# </details>


# %% exercise="brightness"
def brightness(x, s):
    """Return the mean of clip(x + s z, 0, 1) over a normal z, for each element of x (any shape)."""
    ### BEGIN SOLUTION
    z0, z1 = -x / s, (1 - x) / s
    inside = norm.cdf(z1) - norm.cdf(z0)
    return x * inside + s * (norm.pdf(z0) - norm.pdf(z1)) + norm.sf(z1)
    ### END SOLUTION


# %% check="brightness" points=3
brightness = check.brightness(brightness)

# %% [markdown]
# At level 0.5 a black pixel has the mean brightness that is printed first, a white one that printed second:
# noise lays a grey veil over the image. Has the network learned to take off a veil that a clean image does
# not have? This can be tested. The lecture approximated the veil by a mean over noisy copies; your formula
# gives it exactly, here for another network. We give each clean image the veil, **without any noise**, and
# nothing else. **Before you run the next cell:** if the network simply copies badly, what should come out?
# And if it misses the veil?

# %%
print("black and white become", brightness(np.array([0.0, 1.0]), LEVEL).round(3))
veiled = brightness(clean, LEVEL).astype("float32")
results = {"clean": apply(denoiser, clean), "with veil": apply(denoiser, veiled)}
for name, result in results.items():
    decibels = f"{psnr(clean, result):.1f} dB"
    print(f"{name:9} -> {decibels}, mean brightness {result.mean():.3f} (true {clean.mean():.3f})")
rows = {"data": clean, "copy": results["clean"], "with veil": veiled, "its copy": results["with veil"]}
image_rows({name: x[:8] for name, x in rows.items()})
plots.show(
    "Eight test digits in four rows: as they are; what the network makes of them, thick and grey around; "
    "under a grey veil; what the network makes of these, clean and sharp."
)
gain = psnr(clean, results["with veil"]) - psnr(clean, results["clean"])
runtime.result("lab_veil_gain_db", gain, at_least=3)

# %% [markdown]
# The same network on the same images: the veil alone makes the difference. What hurts at weak noise is a
# shift of the inputs, away from those of the training, and not how well this network can copy.
#
# ## 7. Find the fault: the best of several scores
#
# How good are the denoiser's codes as features, with 20 labelled images of each digit? The strength $C$ of
# logistic regression has to be chosen (its penalty is $1 / C$), and each kind of features may need another
# one. Somebody wrote this; `make(C)` returns a new classifier with the methods `fit(x, y)` and `score(x, y)`:


# %%
def best_score(make, settings, x, y, x_test, y_test):
    return max(make(setting).fit(x, y).score(x_test, y_test) for setting in settings)


# %% [markdown]
# It opens the test set once for each setting and reports the luckiest. Write an honest version: choose the
# setting with the highest mean accuracy in a **5-fold cross-validation** on the labelled images `x`, `y`
# alone, train this one on **all** of them, and return its accuracy on the
# test set, as a number. scikit-learn's `cross_val_score(classifier, x, y, cv=5)`, imported above, returns the
# five accuracies.
#
# <details><summary>Hint</summary>
#
# Two stages. The first looks at `x` and `y` only and ends with one setting. In the second the test set occurs
# once.
#
# </details>


# %% exercise="honest_score"
def honest_score(make, settings, x, y, x_test, y_test):
    """Return the test accuracy with the setting that 5-fold cross-validation on x, y chooses."""
    ### BEGIN SOLUTION
    accuracies = [cross_val_score(make(setting), x, y, cv=5).mean() for setting in settings]
    chosen = settings[int(np.argmax(accuracies))]
    return make(chosen).fit(x, y).score(x_test, y_test)
    ### END SOLUTION


# %% check="honest_score" points=2
honest_score = check.honest_score(honest_score)

# %% [markdown]
# Ten draws of 200 labelled images, the same for both kinds of features. So each draw gives a **difference**,
# in which the luck of the draw cancels. Its standard error is the standard deviation of the differences
# divided by $\sqrt{10}$. (It does not know that the network was trained only once. `threadpool_limits(1)`: on
# so small matrices two threads mostly wait for each other, and a fit takes much longer.)


# %%
def make(C):
    return LogisticRegression(C=C, max_iter=1000, tol=1e-3)


features = {"pixels": (x_train, x_test), "code": (apply(encoder, x_train), apply(encoder, x_test))}
scores = {}
for number in range(budget.pick(smoke=3, cpu=10)):
    rng = np.random.default_rng(number)
    few = np.concatenate([rng.choice(np.flatnonzero(y_train == c), 20, replace=False) for c in range(10)])
    for name, (train, test) in features.items():
        scale = train.std()  # one number for all, found without labels
        arguments = make, (1, 0.1, 0.01, 0.001), train[few] / scale, y_train[few], test / scale, y_test
        with threadpool_limits(1):
            scores.setdefault((name, "best"), []).append(best_score(*arguments))
            scores.setdefault((name, "honest"), []).append(honest_score(*arguments))

# %%
scores = {key: np.array(values) for key, values in scores.items()}
for (name, kind), values in scores.items():
    print(f"{name:6} {kind:6} {values.mean():.1%} ± {values.std(ddof=1):.1%} (s.d. over draws)")
for kind in ("best", "honest"):
    gains = scores["code", kind] - scores["pixels", kind]
    standard_error = gains.std(ddof=1) / np.sqrt(len(gains))
    print(f"{kind:6}: code - pixels = {gains.mean():+.2%} ± {standard_error:.2%} (standard error)")
    runtime.result(f"lab_code_gain_over_pixels_{kind}", gains.mean())
assert all((scores[name, "best"] >= scores[name, "honest"]).all() for name in features)

# %% [markdown]
# **Look at** three things: by how much "best" is above "honest" (it can never be below), and that this is not
# the same for both features, so that it falsifies the comparison, too; how much smaller the standard error of
# the differences is than the spread over draws; and whether the honest gain of the code is beyond two or
# three of its standard errors.
#
# ## 8. Which digit has the network never seen?
#
# An autoencoder learns to copy what it was trained on. Something else it copies badly. So the reconstruction
# error is a score for **anomalies**: the larger, the stranger.
#
# How good is a score? Each threshold gives a share of anomalies found (true positives) and a share of false
# alarms (false positives). The **ROC curve** draws one against the other for all thresholds (Fawcett, 2006).
# The area under it is the **ROC-AUC**, and it has a simple meaning:
#
# $$\text{AUC} = P(\text{score of an anomaly} > \text{score of a normal image})
# + \tfrac{1}{2}\, P(\text{both are equal}),$$
#
# for one of each, drawn at random. 1 is perfect, 0.5 is guessing. Compute it from all pairs.
#
# <details><summary>Hint</summary>
#
# How many pairs are there for `normal` of shape $(m,)$ and `anomalous` of shape $(n,)$? An array of one
# column and an array of one row make a table of all pairs (broadcasting).
#
# </details>


# %% exercise="roc_auc"
def roc_auc(normal, anomalous):
    """Return the area under the ROC curve for scores of normal (m,) and anomalous (n,) images: one number."""
    ### BEGIN SOLUTION
    larger = np.mean(anomalous[:, None] > normal[None, :])
    equal = np.mean(anomalous[:, None] == normal[None, :])
    return larger + equal / 2
    ### END SOLUTION


# %% check="roc_auc" points=2
roc_auc = check.roc_auc(roc_auc)

# %% [markdown]
# We leave one digit out of the training, and then show all test images. Three networks, without 0, without 1
# and without 4. **Before you run the next cell:** for which of the three do you expect the best result?

# %%
scores, copies = {}, {}
targets = {0: 0.88, 1: None, 4: 0.7}  # none for the 1: see below
for digit in targets:
    keras.utils.set_random_seed(1)
    model = autoencoder(16, tied=False)
    fit(model, x_train[y_train != digit], epochs=budget.pick(smoke=1, cpu=3))
    copy = apply(model, x_test)
    scores[digit] = np.square(x_test - copy).sum(axis=1)
    unseen = sample[y_test[sample] == digit][:8]
    copies |= {f"{digit}, never seen": x_test[unseen], f"copies of {digit}": copy[unseen]}

# %%
image_rows(copies)
plots.show(
    "Six rows of eight test digits: zeros and what a network makes of them that has never seen a zero, then "
    "the same for ones and for fours. Zeros become sixes or blots, ones stay ones but are blurred, most "
    "fours become nines."
)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.8))
for i, (digit, score) in enumerate(scores.items()):
    unseen = y_test == digit
    auc = roc_auc(score[~unseen], score[unseen])
    runtime.result(f"lab_anomaly_auc_without_{digit}", auc, at_least=targets[digit])
    steps = np.quantile(score, np.linspace(1, 0, 300))  # thresholds
    alarms, found = ((part >= steps[:, None]).mean(axis=1) for part in (score[~unseen], score[unseen]))
    style = {"color": plots.COLORS[i], "linestyle": plots.LINES[i]}
    left.plot(alarms, found, label=f"without {digit}: AUC {auc:.2f}", **style)
left.plot([0, 1], [0, 1], color="0.7", linewidth=1)
left.set(xlabel="false alarms", ylabel="anomalies found", aspect="equal")
left.legend(loc="lower right", fontsize=8)
parts = [scores[1][y_test == digit] for digit in range(10)]
boxes = right.boxplot(parts, showfliers=False, tick_labels=range(10), patch_artist=True)
for digit, box in enumerate(boxes["boxes"]):
    box.set(facecolor=plots.COLORS[1] if digit == 1 else "0.85", hatch="//" if digit == 1 else "")
plt.setp(boxes["medians"], color="black")
right.set(xlabel="digit", ylabel="reconstruction error", title="network that has never seen a 1")
plots.show(
    "Left: three ROC curves. The one for 0 rises steeply, the one for 4 less, the one for 1 runs mostly "
    "below the diagonal. Right: boxes of the reconstruction errors of each digit for the network trained "
    "without 1; the errors of 1 are among the smaller ones."
)

# %% [markdown]
# **Look at** the copies. A zero without zeros in the training becomes a 6, a 4 becomes a 9, but a 1 stays a
# 1, if a blurred one. The AUC of the network that has never seen a 1 is below 0.5: by this score a 1 looks
# *more* normal than the digits that it was trained on. A 0 is found easily.
#
# A 1 has little ink, so there is little to get wrong. What if we measure the error relative to the ink,
# $\|\mathbf{x} - \mathbf{r}\|^2 / \|\mathbf{x}\|^2$? **Before you run the next cell:** will all three
# improve?

# %%
ink = np.square(x_test).sum(axis=1)
for digit, score in scores.items():
    unseen, relative = y_test == digit, score / ink
    auc = roc_auc(relative[~unseen], relative[unseen])
    runtime.result(f"lab_anomaly_relative_auc_without_{digit}", auc, at_least=0.65)

# %% [markdown] question="copying" points=3
# **Question.**
#
# 1. An autoencoder for images of 784 pixels has a code of 1,000 numbers, and no penalty. After training its
#    error is nearly zero. Why can it be useless all the same? Which changes of this lesson, *without making
#    the code shorter*, can make it useful?
# 2. The denoiser of section 5 is to be good at every level of noise between 0 and 0.5, clean images included.
#    What do you change in its training? Design an experiment that shows whether it worked, and what it cost:
#    what is compared, on which images, how often?
#
# <!-- BEGIN SOLUTION -->
# 1. With 1,000 numbers it can pass every pixel through, for example with $W$ and $V$ close to an identity.
#    The code is then the image in another form: not shorter, not better sorted, without features. Nothing in
#    the loss prefers a useful code to this one. Useful are: an L1 penalty on the code or only $k$ numbers
#    that pass (few of the 1,000 for each image), corrupted inputs (copying would copy the noise), a penalty
#    on the Jacobian (the code may not follow each small change of the image); the last two with tied weights
#    or a bound on the decoder.
# 2. Draw a level for each image, uniform in $[0, 0.5]$, anew in each epoch; the network has to find out from
#    the image how much noise there is. Compare it with the network of section 5, with the same size, number
#    of epochs and images: PSNR on the same noisy test images at levels 0, 0.1, ..., 0.5. It has worked if
#    the curve no longer falls towards weak noise; the cost is what it loses at 0.5. Both trainings from at
#    least three seeds, and the spread of the differences beside them. A choice, such as the range of levels,
#    is made on a part of the training images, not on the test set.
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
# - **Your experiment** of the first question: run it.
# - **Larger holes.** Set a square of $10 \times 10$ pixels at a random place to zero instead of adding noise.
#   Train the denoiser for that.
# - **The denoising vector field.** Draw the lecture's arrows on the moons for noise of 0.05, 0.15 and 0.5.
#   Where do they point when the noise is larger than the gap between the moons? (Alain & Bengio, 2014,
#   [arXiv:1211.4246](https://arxiv.org/abs/1211.4246).)
# - **Time to converge.** The lecture trains its sparse autoencoder without a penalty for 16 epochs, and it is
#   still a little behind PCA. Train it for 60. How much of the gap is left?
# - **Photographs.** Try a convolutional autoencoder on `data.photos()`, 98 images. What goes wrong?
#
# **References:** A. Makhzani, B. Frey (2014), *k-sparse autoencoders*, ICLR,
# [arXiv:1312.5663](https://arxiv.org/abs/1312.5663). T. Fawcett (2006), *An introduction to ROC analysis*,
# Pattern Recognition Letters 27(8), 861–874,
# [doi:10.1016/j.patrec.2005.10.010](https://doi.org/10.1016/j.patrec.2005.10.010).
#
# Back to the lecture: [`../notebooks/09_autoencoders.ipynb`](../notebooks/09_autoencoders.ipynb).
