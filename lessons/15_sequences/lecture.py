# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 7}
# ---

# %% [markdown]
# # Sequences: recurrent networks, and what attention changed
#
# A series of measurements and a text have an order, and any length. A **recurrent** network reads them step
# by step and keeps a state; **attention** lets every step look at every other one. In this lesson you send
# the gradient back through time, build the LSTM and the GRU, let a network write in the manner of Jane
# Austen, and train a small Transformer which reads numbers that it has never seen.
#
# **You need** lessons [02](02_multilayer_perceptron.ipynb) (section 9: the recurrent layer),
# [03](03_backpropagation.ipynb) (backpropagation), [04](04_sgd_and_regularization.ipynb) (Adam, early
# stopping) and, for section 6, [06](06_cnn_architectures.ipynb) (residual blocks).
#
# **After this lesson you can**
#
# - judge a forecast by the simplest ones, with a split in time;
# - derive back-propagation through time, and say why its gradient vanishes or explodes;
# - write the LSTM and the GRU as Keras has them, and say what a gate is good for;
# - judge a model of text in bits per character, and let it write, at any temperature;
# - write attention, with a mask, and read its map;
# - build a Transformer, and say what it does in place of a recurrence, and at what cost.
#
# **Time to study:** about four hours, with a pause after section 4. Parts marked *second reading* can be left
# out at first. The letters are those of the [notation](01_neurons.ipynb#Notation). New here: $t = 1, \dots,
# T$ is a time, and $x_t$, $h_t$ are input and state at that time. An array has the samples first, then the
# times: shape $(m, T, \text{inputs})$.

# %%
from nnlabs import data, plots, runtime, training

budget = runtime.setup(seed=1)
# %%
import re
import time
from collections import Counter

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# ## 1. A series, and the forecast to beat
#
# How many spots has the sun? People have counted since 1700. The number rises and falls in cycles of about
# eleven years, but no two are alike.

# %%
# NBVAL_CHECK_OUTPUT
years, numbers = data.sunspots()
print(years.shape, years[:6], numbers[:6])

# %% [markdown]
# Our second series is the Hénon map of lesson 02, of the same length. It looks random and is not.


# %%
def henon(length, burn_in=100):
    x = [0.0, 0.0]
    while len(x) < length + burn_in:
        x.append(1 - 1.4 * x[-1] ** 2 + 0.3 * x[-2])
    return np.array(x[burn_in:])


all_series = {"sunspots": numbers / 100, "Hénon": henon(len(numbers))}

# %% [markdown]
# A sample is a **window** of 11 values, a cycle of the sun, and its target is the value after it. The split
# is one **in time**: we train on targets before 1920, choose with those before 1960, and test on the rest. A
# random split would put a target into the inputs of windows on the other side. (The first windows of a part
# look back into the part before it: that is past, and known. The series of Hénon gets the same "years".
# Scaling by a round number needs no data; a mean would have to come from the training part.)

# %%
# NBVAL_CHECK_OUTPUT
steps = 11
year = years[steps:]
parts = {"train": year < 1920, "choose": (year >= 1920) & (year < 1960), "test": year >= 1960}


def windows(series):
    """Return past values (n, steps) and the value after them (n,)."""
    both = np.lib.stride_tricks.sliding_window_view(series, steps + 1)
    return both[:, :-1], both[:, -1]


past, target = windows(all_series["sunspots"])
print("past", past.shape, "target", target.shape, {name: int(part.sum()) for name, part in parts.items()})

# %%
_, (above, below) = plt.subplots(2, 1, figsize=(7.2, 3.4))
above.plot(years, numbers, linewidth=1)
below.plot(years, all_series["Hénon"], linewidth=1)
for ax, name in ((above, "sunspots in a year"), (below, "Hénon map")):
    for start, part in ((1920, "choose"), (1960, "test")):
        ax.axvline(start, color="black", linestyle="--", linewidth=1)
        ax.text(start + 1, ax.get_ylim()[1], part, va="top", fontsize=9)
    ax.set(xlim=(1700, 2008), ylabel=name)
below.set_xlabel("year (for Hénon: step + 1700)")
plots.show(
    "Two series of 309 values. The sunspots rise and fall about every eleven years, to 50 in weak cycles and "
    "to 190 in strong ones. The Hénon map jumps up and down between -1.3 and 1.3. Lines at 1920 and 1960."
)

# %% [markdown]
# The simplest forecasts need no network: the mean of the past; **persistence**, "as it is now"; the value one
# cycle ago; a **linear** function of the 11 values, by least squares. Then a recurrent network, a `SimpleRNN`
# with 16 neurons, trained three times, each time from other first weights. Of its 40 epochs, of 20 steps
# each, the best on the middle part counts (`EarlyStopping`, lesson 04). The error is the root of the mean
# squared error, for the sunspots in hundreds of spots. **Before you run the next cells, what do you expect:**
# on which series does the network win, and against which forecast?


# %%
def linear_forecast(past, target):
    inputs = np.column_stack([past, np.ones(len(past))])
    weights, *_ = np.linalg.lstsq(inputs[parts["train"]], target[parts["train"]], rcond=None)
    return inputs @ weights


def recurrent_forecast(past, target, seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((None, 1)), layers.SimpleRNN(16), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(5e-3), loss="mse", jit_compile=False)
    train, choose = ((past[parts[name], :, None], target[parts[name]]) for name in ("train", "choose"))
    best = keras.callbacks.EarlyStopping(patience=40, restore_best_weights=True)
    epochs = {"epochs": budget.pick(smoke=1, cpu=40), "steps_per_epoch": 20, "shuffle": False}
    batches = training.minibatches(train, 32, seed=seed)
    model.fit(batches, validation_data=choose, callbacks=[best], verbose=0, **epochs)
    return ops.convert_to_numpy(model(past[..., None]))[:, 0]


# %%
def forecasts(series, seeds):
    past, target = windows(series)
    found = {
        "mean of the past": np.full(len(target), target[parts["train"]].mean()),
        "persistence": past[:, -1],
        "11 steps ago": past[:, 0],
        "linear": linear_forecast(past, target),
    }
    found |= {f"recurrent, seed {seed}": recurrent_forecast(past, target, seed) for seed in seeds}
    test = parts["test"]
    return {name: np.sqrt(np.mean((guess - target)[test] ** 2)) for name, guess in found.items()}


errors = {
    name: forecasts(series, budget.pick(smoke=[1], cpu=[1, 2, 3])) for name, series in all_series.items()
}
print("error on the test part   " + "   ".join(errors))
for name in errors["sunspots"]:
    print(f"{name:22} {errors['sunspots'][name]:10.3f} {errors['Hénon'][name]:7.3f}")


# %%
def recurrent_errors(name):
    return [value for key, value in errors[name].items() if key.startswith("recurrent")]


runtime.result(
    "sunspots_linear_over_persistence", errors["sunspots"]["linear"] / errors["sunspots"]["persistence"]
)
if budget.name != "smoke":
    assert 0.8 < np.mean(recurrent_errors("sunspots")) / errors["sunspots"]["linear"] < 1.2
    assert errors["Hénon"]["mean of the past"] < errors["Hénon"]["persistence"]
    assert max(recurrent_errors("Hénon")) < 0.8 * errors["Hénon"]["linear"]
    assert np.median(recurrent_errors("Hénon")) < 0.3 * errors["Hénon"]["linear"]

# %% [markdown]
# **On the sunspots** persistence has about three fifths of the error of the mean, and the linear forecast
# three fifths of that of persistence. The network does hardly better than the line, and 49 test years are few
# to decide between two errors so close. **On the series of Hénon**, of the same length, persistence is worse
# than the mean, and all three networks beat the line, two of them by far: there the next value depends on the
# *square* of the present one. How far a network gets is a matter of luck: of its first weights and of the
# order of its batches. Which forecast is good is a
# property of the series: try the simple ones first, and say what they score.
#
# ## 2. Back-propagation through time
#
# The recurrent layer of lesson 02, with an output at each step:
#
# $$a_t = W_x x_t + W_h h_{t-1} + b, \qquad h_t = \tanh(a_t), \quad h_0 = 0, \qquad o_t = W_y h_t + b_y.$$
#
# $W_x$ has a row for each of the $n_h$ neurons and a column for each input, $W_h$ is $n_h \times n_h$. In
# arrays the samples are rows, so the matrices are transposed, as in lesson 03. The state $h_0$ is kept too:
# `h[:, t]` is $h_t$; but Python counts the inputs from 0: `x[:, t - 1]` is $x_t$.


# %%
def forward(x, p):
    """Return states (m, T + 1, n_h) and outputs (m, T, K) for inputs (m, T, n_x)."""
    h = np.zeros((len(x), x.shape[1] + 1, len(p["b"])))
    for t in range(1, h.shape[1]):
        h[:, t] = np.tanh(x[:, t - 1] @ p["W_x"].T + h[:, t - 1] @ p["W_h"].T + p["b"])
    return h, h[:, 1:] @ p["W_y"].T + p["b_y"]


# %% [markdown]
# As the loss of a sample we take the squared errors of all steps, $R_i = \sum_t \|y_t - o_t\|^2$. Unrolled,
# this is the network of lesson 03 with $T$ layers, and its derivation carries over with the time $t$ in place
# of the layer $k$. Two things are new.
#
# **A state has two successors**, the output at its time and the next state: two paths, so two terms. With
# $\delta_t = \partial R_i / \partial o_t = 2 (o_t - y_t)$ and $s_t = \partial R_i / \partial a_t$,
#
# $$s_t = \underbrace{(1 - h_t^2)}_{\tanh'(a_t)} \odot \big( W_y^\top \delta_t + W_h^\top s_{t+1} \big),
# \qquad s_{T+1} = 0,$$
#
# from the last step to the first: *back through time* (Werbos, 1990). ($\odot$ multiplies element by
# element.)
#
# **The weights are the same at each step.** So each step contributes to their gradient, and it is a sum:
#
# $$\frac{\partial R}{\partial W_h} = \frac1m \sum_i \sum_t s_t \, h_{t-1}^\top, \quad
# \frac{\partial R}{\partial W_x} = \frac1m \sum_i \sum_t s_t \, x_t^\top, \quad
# \frac{\partial R}{\partial b} = \frac1m \sum_i \sum_t s_t, \quad
# \frac{\partial R}{\partial W_y} = \frac1m \sum_i \sum_t \delta_t \, h_t^\top,$$
#
# and for $b_y$ the sum of the $\delta_t$ alone. ($s_t$, $\delta_t$, $h_t$, $x_t$ are those of sample $i$. In
# the code the indices are `i`, `t`, and `j`, `l` for row and column of the matrix.)


# %%
def bptt(x, y, p):
    """Return the gradient of the mean of R_i by each array of p (back-propagation through time)."""
    h, output = forward(x, p)
    delta, s = 2 * (output - y), np.zeros_like(h)
    s_next = 0 * h[:, 0]
    for t in range(x.shape[1], 0, -1):
        s[:, t] = (1 - h[:, t] ** 2) * (delta[:, t - 1] @ p["W_y"] + s_next @ p["W_h"])
        s_next = s[:, t]

    def over_time(back, values):  # 1/m times the sum over samples and steps of back values^T
        return np.einsum("itj,itl->jl", back, values) / len(x)

    s, ones = s[:, 1:], np.ones((*x.shape[:2], 1))
    by = {"W_x": over_time(s, x), "W_h": over_time(s, h[:, :-1]), "b": over_time(s, ones)[:, 0]}
    return by | {"W_y": over_time(delta, h[:, 1:]), "b_y": over_time(delta, ones)[:, 0]}


# %% [markdown]
# Is it right? As in lesson 03, against central differences: each weight is moved a little up and down. The
# numbers are `float64`, four samples of seven steps.

# %%
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(1)
n_x, n_h, K = 3, 5, 2
shapes = {"W_x": (n_h, n_x), "W_h": (n_h, n_h), "b": (n_h,), "W_y": (K, n_h), "b_y": (K,)}
p = {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}
x, y = rng.normal(size=(4, 7, n_x)), rng.normal(size=(4, 7, K))
gradient = bptt(x, y, p)
print({name: by.shape for name, by in gradient.items()})


# %%
def loss(p):
    return np.sum((y - forward(x, p)[1]) ** 2) / len(x)


def differences(name, step=1e-6):
    slopes = np.zeros_like(p[name])
    for index in np.ndindex(slopes.shape):
        up, down = ({**p, name: p[name].copy()} for _ in range(2))
        up[name][index] += step
        down[name][index] -= step
        slopes[index] = (loss(up) - loss(down)) / (2 * step)
    return slopes


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


worst = max(relative(gradient[name], differences(name)) for name in p)
runtime.result("bptt_against_differences", worst, at_most=1e-6)

# %% [markdown]
# And against Keras with TensorFlow's tape (lesson 03), which does the same without being told how. Keras
# stores the transposed matrices. `return_sequences=True` gives the state at each step.

# %%
model = keras.Sequential(
    [
        keras.Input((None, n_x), dtype="float64"),
        layers.SimpleRNN(n_h, return_sequences=True, dtype="float64"),
        layers.Dense(K, dtype="float64"),
    ]
)
model.set_weights([p["W_x"].T, p["W_h"].T, p["b"], p["W_y"].T, p["b_y"]])
with tf.GradientTape() as tape:
    value = tf.reduce_sum((y - model(x)) ** 2) / len(x)
taped = dict(zip(p, tape.gradient(value, model.trainable_weights), strict=True))
worst = max(relative(gradient[name], taped[name].numpy().T) for name in p)
runtime.result("bptt_against_tape", worst, at_most=1e-6)

# %% [markdown]
# ### Vanishing and exploding
#
# How much does the last state still depend on an early one? By the chain rule
#
# $$\frac{\partial h_T}{\partial h_t} = D_T W_h \, D_{T-1} W_h \cdots D_{t+1} W_h, \qquad
# D_t = \text{diag}(1 - h_t^2),$$
#
# a product of $T - t$ matrices. If $\|W_h\|$ is the largest singular value of $W_h$, then $\|\partial h_T /
# \partial h_t\| \le \|W_h\|^{T-t}$, since $1 - h^2 \le 1$. If $\|W_h\| < 1$, the gradient *must* vanish,
# exponentially. Without tanh it is the **spectral radius** $\rho$ that counts in the long run, the largest
# $|\text{eigenvalue}|$: the norm of $W_h^{T-t}$ goes as $\rho^{T-t}$. Over 1, the gradient *can* explode.
# (Bengio et al., 1994; Pascanu et al., 2013.) In the code each `factor` is a $D_t W_h$.
#
# **Before you run the next cell, what do you expect** for $\rho = 0.5$, 1 and 2, after 60 steps? Without tanh
# it would be about $\rho^{60}$.


# %%
def sensitivity(rho, seed, T=60, n_h=64):
    """Return the norm of dh_T / dh_t for T - t = 1, 2, ..., T of a random network on a random series."""
    rng = np.random.default_rng(seed)
    W_h = rng.normal(size=(n_h, n_h))
    W_h *= rho / np.abs(np.linalg.eigvals(W_h)).max()
    h, factors = np.zeros(n_h), []
    for _ in range(T):
        h = np.tanh(0.1 * rng.normal(size=n_h) + W_h @ h)
        factors.append((1 - h**2)[:, None] * W_h)
    product, norms = np.eye(n_h), []
    for factor in reversed(factors):
        product = product @ factor
        norms.append(np.linalg.norm(product, 2))
    return np.array(norms)


# %%
distance = np.arange(1, 61)
norms = {rho: [sensitivity(rho, seed) for seed in (1, 2, 3)] for rho in (0.5, 1.0, 2.0)}
for (rho, curves), line, color in zip(norms.items(), plots.LINES, plots.COLORS, strict=False):
    for i, curve in enumerate(curves):
        label = rf"$\rho$ = {rho:g}" if i == 0 else None
        plt.semilogy(distance, curve, line, color=color, label=label)
    plt.semilogy(distance, rho**distance, color="0.5", linewidth=0.8)
plt.gca().set(xlabel="distance in time, $T - t$", ylabel=r"norm of $\partial h_T / \partial h_t$")
plt.legend()
ends = {rho: np.median(curves, axis=0)[-1] for rho, curves in norms.items()}
plots.show(
    "The norm against the distance in time, on a logarithmic axis, three random networks for each spectral "
    f"radius. It falls in a straight line for 0.5 (to {ends[0.5]:.0e} after 60 steps), slowly for 1 "
    f"({ends[1.0]:.1g}), and grows for 2 ({ends[2.0]:.0e}). Thin grey lines: the radius to the power T - t."
)

# %%
assert ends[0.5] < 1e-12
assert 1e-3 < ends[1.0] < 1
assert 1e2 < ends[2.0] < 1e-6 * 2.0**60

# %% [markdown]
# With $\rho = 0.5$ nothing is left: whatever the network should have remembered from 60 steps ago, its
# weights get no sign of it. With $\rho = 2$ the norm grows, but by many orders of magnitude less than
# $2^{60}$ (the upper grey line): large states sit where tanh is flat, and $1 - h^2$ holds the product down.
# In between there is a narrow way.
#
# ### Clipping
#
# An exploding gradient is no small nuisance: *one* step can destroy what was learned. A network of one neuron
# shows it: $h_t = \tanh(w h_{t-1} + b)$, 50 steps, and a loss that asks for $h_{50} = 0.5$. For $w > 1$ the
# state ends up well above 0 where $b$ is positive, and well below 0 where it is negative: the loss has a
# cliff along $b = 0$.
#
# **Clipping** (Pascanu et al., 2013) shortens the gradient $\nabla R$ by all weights together, where its norm
# is larger than a limit, and leaves its direction:
#
# $$\nabla R \leftarrow \nabla R \cdot \min\Big(1, \frac{\text{limit}}{\|\nabla R\|}\Big).$$
#
# In Keras it is an argument of each optimiser: `global_clipnorm=limit`. (`clipnorm` shortens each array for
# itself, which changes the direction.) `optimizer.apply` makes one step with gradients that we bring. Both
# descents have the same start and rate.


# %%
def one_neuron(w, b, T=50):
    """Return the loss (h_T - 0.5)^2 and its derivatives by w and b."""
    h, by_w, by_b = (0 * w + 0 * b for _ in range(3))
    for _ in range(T):
        new = np.tanh(w * h + b)
        slope = 1 - new**2
        h, by_w, by_b = new, slope * (h + w * by_w), slope * (1 + w * by_b)
    return (h - 0.5) ** 2, 2 * (h - 0.5) * by_w, 2 * (h - 0.5) * by_b


def descend(limit, steps=200):
    optimizer = keras.optimizers.SGD(0.02, global_clipnorm=limit)
    w, b = keras.Variable(1.3), keras.Variable(-0.1)
    path = []
    for _ in range(steps):
        value, by_w, by_b = one_neuron(float(w.numpy()), float(b.numpy()))
        path.append((float(w.numpy()), float(b.numpy()), value, np.hypot(by_w, by_b)))
        optimizer.apply(
            [ops.convert_to_tensor(by_w, "float32"), ops.convert_to_tensor(by_b, "float32")], [w, b]
        )
    return np.array(path)


# %%
paths = {"without clipping": descend(None), "clipped at 0.3": descend(0.3)}
for name, path in paths.items():
    print(
        f"{name:17} norm at the start {path[0, 3]:.1f}, largest {path[:, 3].max():.0f};"
        f" last loss {path[-1, 2]:.5f}, b {path[-1, 1]:.2f}"
    )
    assert path[:, 3].max() > 100 * path[0, 3]
assert paths["without clipping"][-1, 2] > 0.2
assert paths["clipped at 0.3"][-1, 2] < 1e-3

# %%
w, b = np.meshgrid(np.linspace(0.9, 1.5, 121), np.linspace(-0.2, 0.3, 121))
_, ax = plt.subplots(figsize=(6.4, 3.8))
surface = ax.contourf(w, b, one_neuron(w, b)[0], levels=20, cmap="Greys")
plt.colorbar(surface, label="loss")
for name, mark, color in (
    ("clipped at 0.3", "o-", plots.COLORS[1]),
    ("without clipping", "s--", plots.COLORS[0]),
):
    ax.plot(paths[name][:, 0], paths[name][:, 1], mark, color=color, markersize=3, linewidth=1, label=name)
ax.set(xlim=(0.9, 1.5), ylim=(-0.2, 0.3), xlabel="w", ylabel="b")
ax.legend()
plots.show(
    "The loss of one neuron over w and b, with a cliff along b = 0 for w over 1. Both descents start on the "
    "high side and come to the cliff. Without clipping a step soon leaves the picture upwards; with clipping "
    "the descent goes in small steps along the foot of the cliff to the valley at its end."
)

# %% [markdown]
# At the cliff the gradient is more than a hundred times longer than at the start. Without clipping one step
# carries $b$ far away, to where tanh is flat and no gradient leads back. Clipping does not help against
# *vanishing*: a gradient that is zero has no direction to keep.

# %% [markdown]
# ## 3. Gates: LSTM and GRU
#
# The state of a `SimpleRNN` is multiplied by $W_h$ at each step. The **LSTM** (Hochreiter & Schmidhuber,
# 1997; the forget gate: Gers et al., 2000) keeps a second state $c_t$, the **cell**, which is only multiplied
# by a number between 0 and 1, and added to:
#
# $$c_t = g^{\text{forget}} \odot c_{t-1} + g^{\text{in}} \odot \tilde c, \qquad
# h_t = g^{\text{out}} \odot \tanh(c_t).$$
#
# A **gate** $g$ is a layer with sigmoids on $x_t$ and $h_{t-1}$; it decides, neuron by neuron and step by
# step, what is forgotten, written and shown. The **candidate** $\tilde c$ is a layer with tanh on the same.
# Keras computes all four with one matrix, in the order in, forget, candidate, out:
#
# $$a = W_x x_t + W_h h_{t-1} + b, \quad W_x: (4 n_h, n_x), \; W_h: (4 n_h, n_h), \quad
# g^{\text{in}} = \sigma(a^{\text{in}}), \; g^{\text{forget}} = \sigma(a^{\text{forget}}), \;
# \tilde c = \tanh(a^{\text{cand}}), \; g^{\text{out}} = \sigma(a^{\text{out}}),$$
#
# where $a^{\text{in}}$ is the first quarter of $a$, and so on.


# %%
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def lstm_step(x, h, c, W_x, W_h, b):
    """Return the next h and c, each (m, n_h), for inputs x (m, n_x)."""
    a_in, a_forget, a_cand, a_out = np.split(x @ W_x.T + h @ W_h.T + b, 4, axis=1)
    c = sigmoid(a_forget) * c + sigmoid(a_in) * np.tanh(a_cand)
    return sigmoid(a_out) * np.tanh(c), c


# %% [markdown]
# The **GRU** (Cho et al., 2014) has one state and two gates: the **update** gate $z$ mixes the old state with
# the candidate, the **reset** gate $r$ decides how much of the old state the candidate sees. In the order of
# Keras:
#
# $$z = \sigma(a^z), \quad r = \sigma(a^r), \quad
# \tilde h = \tanh\big(W_x^h x_t + b_x^h + r \odot (W_h^h h_{t-1} + b_h^h)\big), \quad
# h_t = z \odot h_{t-1} + (1 - z) \odot \tilde h,$$
#
# with $a^z = W_x^z x_t + b_x^z + W_h^z h_{t-1} + b_h^z$, and $a^r$ likewise.
#
# Two conventions are in print for each of two things: who gets $z$ and who $1 - z$, and whether $r$ acts
# before or after the product with $W_h^h$. The latter is why there are two biases: `b` has shape $(2, 3
# n_h)$.


# %%
def gru_step(x, h, W_x, W_h, b):
    """Return the next h (m, n_h) for inputs x (m, n_x)."""
    of_x = np.split(x @ W_x.T + b[0], 3, axis=1)
    of_h = np.split(h @ W_h.T + b[1], 3, axis=1)
    z, r = (sigmoid(of_x[k] + of_h[k]) for k in (0, 1))
    candidate = np.tanh(of_x[2] + r * of_h[2])
    return z * h + (1 - z) * candidate


# %% [markdown]
# Are they Keras's? Five sequences of nine steps, random weights, random biases too.


# %%
def weights_of(layer):
    """Return W_x, W_h, b: Keras's kernels transposed."""
    kernel, recurrent_kernel, bias = layer.get_weights()
    return kernel.T, recurrent_kernel.T, bias


def run(step, states, x, weights):
    """Apply a step to the times of x (m, T, n_x), one after the other; return the last h."""
    for t in range(x.shape[1]):
        states = step(x[:, t], *states, *weights)
        states = states if isinstance(states, tuple) else (states,)
    return states[0]


# %%
x = rng.normal(size=(5, 9, 3)).astype("float32")
zeros = np.zeros((5, 4))
for name, layer, step, states in (
    ("lstm", layers.LSTM(4, bias_initializer="normal"), lstm_step, (zeros, zeros)),
    ("gru", layers.GRU(4, bias_initializer="normal"), gru_step, (zeros,)),
):
    of_keras = ops.convert_to_numpy(layer(x))
    apart = np.abs(of_keras - run(step, states, x, weights_of(layer))).max()
    runtime.result(f"{name}_against_keras", apart, at_most=1e-5)

# %% [markdown]
# ### Which one remembers?
#
# The task: one of eight symbols comes first, then $T - 1$ symbols of another kind, at random, which mean
# nothing. After them the network shall say what the first one was. Guessing is right in one of eight cases.


# %%
def recall(n, T, rng):
    """Return sequences (n, T, 12), one symbol of 12 a step, and the first symbols (n,), from 0 to 7."""
    symbols = rng.integers(8, 12, size=(n, T))
    symbols[:, 0] = rng.integers(8, size=n)
    return np.eye(12, dtype="float32")[symbols], symbols[:, 0]


cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(model, arrays, steps, size, rate, seed):
    """Minimise the cross-entropy with Adam, a rate that falls to 0, and clipping."""
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=cross_entropy, jit_compile=False)
    batches = training.minibatches(arrays, size, seed=seed)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


# %%
def recall_accuracy(make_layer, T, seed):
    """Train a layer of 32 neurons on the task with T steps; return the accuracy on new sequences."""
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((T, 12)), make_layer(), layers.Dense(8)])
    train(model, recall(20_000, T, rng), budget.pick(smoke=2, cpu=400), size=64, rate=5e-3, seed=seed)
    x, first = recall(1000, T, rng)
    return np.mean(ops.convert_to_numpy(model(x)).argmax(axis=1) == first)


lengths, longer = budget.pick(smoke=[10], cpu=[10, 20, 40]), budget.pick(smoke=[10], cpu=[40, 80])
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])


def remember(makers, lengths):
    """Return for each layer and T the accuracies of all seeds."""
    found = {}
    for name, make_layer in makers.items():
        print(name)
        found[name] = {}
        for T in lengths:
            row = np.array([recall_accuracy(make_layer, T, seed) for seed in seeds])
            print(f"   T = {T:3}: " + " ".join(f"{accuracy:.2f}" for accuracy in row))
            found[name][T] = row
    return found


# %% [markdown]
# All have 32 neurons (so the LSTM has four times the weights of the simple layer, the GRU three times), and
# get the same 400 steps of Adam with batches of 64, the same rate, and three seeds. (The 27 trainings take
# about a minute.) **Before you run the next cell, what do you expect** for $T = 10$, 20 and 40: up to which
# $T$ does each cell remember?

# %%
memory = remember(
    {
        "SimpleRNN": lambda: layers.SimpleRNN(32),
        "LSTM": lambda: layers.LSTM(32),
        "GRU": lambda: layers.GRU(32),
    },
    lengths,
)

# %% [markdown]
# The LSTM was invented for such tasks, and here it stops between 20 and 40 steps, where the simple layer
# succeeds once in three; the GRU does not even hold 20 from every seed. Why? Their memory is multiplied by a
# gate at each step. Before training the gates know nothing: Keras gives the forget gate a bias of 1, so it is
# about $\sigma(1)$; the update gate of the GRU has bias 0. What is left of a state after 40 steps?

# %%
# NBVAL_CHECK_OUTPUT
for name, bias in (("forget gate of the LSTM", 1), ("update gate of the GRU", 0), ("a gate with bias 4", 4)):
    print(f"{name:24} {sigmoid(bias):.3f}   to the power 40: {sigmoid(bias) ** 40:.0e}")

# %% [markdown]
# So along this path the gradient vanishes at the start, as it did for $\rho = 0.5$. And the simple layer?
# Keras starts its $W_h$ as an *orthogonal* matrix: all its eigenvalues have the absolute value 1, the narrow
# way of section 2.
#
# If that is the reason, then gates that **start open** must mend it (Tallec & Ollivier, 2018, choose the bias
# from the length of the memory that is wanted), and a simple layer with a smaller $W_h$ must be worse. That
# can be tried. We take the bias 4: about half is left after 40 steps. In the bias of the LSTM the forget gate
# is the second quarter (`unit_forget_bias=False` turns Keras's own 1 off); in that of the GRU the update gate
# is the first third of the first row. The open gates are tried where the others failed, with $T = 40$, and
# with 80.


# %%
def open_forget(shape, dtype=None):
    bias = np.zeros(shape)
    bias[32:64] = 4
    return bias


def open_update(shape, dtype=None):
    bias = np.zeros(shape)
    bias[0, :32] = 4
    return bias


def smaller(shape, dtype=None):  # an orthogonal matrix, halved: spectral radius 1/2
    return 0.5 * keras.initializers.Orthogonal(seed=1)(shape)


# %%
memory |= remember({"SimpleRNN, half": lambda: layers.SimpleRNN(32, recurrent_initializer=smaller)}, lengths)
memory |= remember(
    {
        "LSTM, open": lambda: layers.LSTM(32, unit_forget_bias=False, bias_initializer=open_forget),
        "GRU, open": lambda: layers.GRU(32, bias_initializer=open_update),
    },
    longer,
)

# %%
if budget.name != "smoke":
    assert memory["GRU"][20].mean() < memory["LSTM"][20].mean()
    assert memory["SimpleRNN, half"][20].max() < 0.3
    assert max(memory[name][40].max() for name in ("LSTM", "GRU", "SimpleRNN, half")) < 0.5
    assert min(row.min() for name in ("LSTM, open", "GRU, open") for row in memory[name].values()) > 0.8

# %%
_, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for k, (name, found) in enumerate(memory.items()):
    T, rows = list(found), np.array(list(found.values()))
    ax, color, mark = axes[k // 3], plots.COLORS[k % 3], plots.MARKERS[k % 3]
    ax.plot(T, rows.mean(axis=1), mark + plots.LINES[k % 3], color=color, label=name)
    ax.plot(np.repeat(T, len(seeds)), rows.ravel(), mark, color=color, alpha=0.4)
for ax in axes:
    ax.axhline(1 / 8, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel="steps T", xscale="log", xlim=(9, 90), ylim=(0, 1.05))
    ax.set_xticks([*lengths, longer[-1]], [*lengths, longer[-1]])
    ax.minorticks_off()
    ax.legend(fontsize=8)
axes[0].set(ylabel="share of first symbols right", title="as Keras starts them")
axes[1].set(title="other starts")
means = {
    name: ", ".join(f"{row.mean():.2f} at {T}" for T, row in found.items()) for name, found in memory.items()
}
plots.show(
    "Accuracy against the number of steps, a faint mark for each seed, a line through the means. Left the "
    "layers as Keras starts them, right with other starts. Means: "
    + "; ".join(f"{name} {values}" for name, values in means.items())
    + ". A dotted line at chance, 1/8."
)

# %% [markdown]
# It is the reason, or a large part of it: with open gates LSTM and GRU remember over 80 steps, where 40 were
# too many before, and with half the matrix (the same one for all three seeds) the simple layer does not get
# to 20. In this task it matters more where a gated cell *starts* than which of the two it is. Nothing is said
# of longer trainings: with more steps gates can learn to open (section 4 leaves them as Keras has them, and
# trains longer). What gates can do is to hold a value for long and still replace it at the right moment; a
# matrix treats each step alike.
#
# ## 4. Text
#
# ### Bits per character
#
# A **language model** gives a probability to what comes next. Ours reads characters: *Pride and Prejudice* by
# Jane Austen (1813), which ships with the course. 49 of its 61 chapters are for training, six to choose with,
# and the last six to test. (The alphabet is that of the whole novel: it is fixed beforehand.)

# %%
# NBVAL_CHECK_OUTPUT
chapters = data.novel("pride_and_prejudice")
alphabet = sorted(set("".join(chapters)))
number_of = {character: i for i, character in enumerate(alphabet)}


def encode(chapters):
    return np.array([number_of[character] for character in "\n".join(chapters)])


train_text, choose_text, test_text = map(encode, (chapters[:49], chapters[49:55], chapters[55:]))
print(chapters[0][:116], "\n", train_text[:12], len(alphabet), "characters")
print(len(train_text), len(choose_text), len(test_text))

# %% [markdown]
# A model is judged by how well it foretells a text that it has not seen, in **bits per character**:
#
# $$\text{bits} = -\frac1T \sum_{t=1}^T \log_2 p(x_t \mid x_1, \dots, x_{t-1}).$$
#
# It is the cross-entropy with the logarithm to the base 2, and the length, per character, to which the text
# could be compressed. ($2^{\text{bits}}$ is called the **perplexity**: the number of equally likely
# characters which would be as hard.) Whoever knows nothing needs $\log_2 K$ bits for $K$ characters.
#
# What must be beaten are tables of counts. An **$n$-gram** model foretells a character from the $n - 1$
# before it: $n = 1$ counts characters, $n = 2$ pairs, $n = 3$ triples. Most long contexts are rare, so each
# table leans on the next shorter one, with a weight of $\alpha$ characters (MacKay & Peto, 1995):
#
# $$p_n(x \mid \text{context}) = \frac{\text{count}(\text{context}, x) + \alpha \, p_{n-1}(x \mid
# \text{shorter context})}{\text{count}(\text{context}) + \alpha}, \qquad p_0 = \frac1K.$$


# %%
def grams(text, n):
    """Return one whole number for each n characters in a row."""
    parts = [text[k : len(text) - n + 1 + k] * len(alphabet) ** (n - 1 - k) for k in range(n)]
    return np.sum(parts, axis=0)


def counts(train, text, n):
    """Return how often each n-gram of the text stands in the training text."""
    known, number = np.unique(grams(train, n), return_counts=True)
    place = np.searchsorted(known, grams(text, n)).clip(max=len(known) - 1)
    return np.where(known[place] == grams(text, n), number[place], 0)


def ngram_bits(train, text, orders, alpha):
    """Return the bits per character of the models with n = 1, 2, ..., orders."""
    p, found = np.full(len(text), 1 / len(alphabet)), []
    for n in range(1, orders + 1):
        context = counts(train[:-1], text[:-1], n - 1) if n > 1 else len(train)
        p = (counts(train, text, n) + alpha * p[-len(text) + n - 1 :]) / (context + alpha)
        found.append(-np.mean(np.log2(p)))
    return np.array(found)


# %% [markdown]
# The weight $\alpha$, one for all levels of a table, is chosen for each $n$, with the chapters for it.

# %%
alphas = (1, 3, 10, 30)
tried = np.array([ngram_bits(train_text, choose_text, 6, alpha) for alpha in alphas])
best = tried.argmin(axis=0)
print("alpha for n = 1 to 6:", [alphas[k] for k in best])
tested = np.array([ngram_bits(train_text, test_text, 6, alpha) for alpha in alphas])
by_counts = tested[best, range(6)]
uniform = np.log2(len(alphabet))

# %% [markdown]
# Now the network: characters become vectors of 32 numbers (`Embedding`: a table with a row for each
# character, learned), a GRU reads them, and a `Dense` layer gives the logits of the next character *at each
# step*. The target is the text itself, shifted by one. A training window has 64 characters, and one starts at
# every 16th. In the test the network starts anew every 500 characters, without a past; the tables never do.

# %%
window = 64
both = np.lib.stride_tricks.sliding_window_view(train_text, window + 1)[::16].astype("int32")
inputs, targets = both[:, :-1], both[:, 1:]
assert np.array_equal(inputs[:, 1:], targets[:, :-1])
print(inputs.shape, repr("".join(alphabet[i] for i in inputs[0, :20])))


# %%
def character_model(units):
    text = keras.Input((None,), dtype="int32")
    h = layers.Embedding(len(alphabet), 32)(text)
    h = layers.GRU(units, return_sequences=True)(h)
    return keras.Model(text, layers.Dense(len(alphabet))(h))


keras.utils.set_random_seed(1)
writer = character_model(budget.pick(smoke=16, cpu=160))
train(writer, (inputs, targets), budget.pick(smoke=3, cpu=900), size=64, rate=4e-3, seed=1)


# %%
def bits_of(model, text, length=500):
    """Return the bits per character; the model starts anew, without a past, every so many characters."""
    rows = (len(text) - 1) // length
    x, y = (part[: rows * length].reshape(rows, length) for part in (text[:-1], text[1:]))
    log_p = ops.log_softmax(model.predict(x, batch_size=64, verbose=0))
    return -np.mean(np.take_along_axis(np.array(log_p), y[..., None], axis=2)) / np.log(2)


by_network = bits_of(writer, test_text)
names = ["uniform", "unigram", "bigram", "trigram", *(f"{n}-gram" for n in (4, 5, 6)), "GRU"]
for name, bits in zip(names, [uniform, *by_counts, by_network], strict=True):
    print(f"{name:8} {bits:.3f} bits per character")
runtime.result("bits_per_character_gru", by_network)
runtime.result("bits_below_trigram", by_counts[2] - by_network, at_least=0.0)
entries = len(np.unique(grams(train_text, 6)))
print(f"{writer.count_params():,} weights of the GRU, {entries:,} different 6-grams in the training text")
if budget.name != "smoke":
    assert by_counts[4] < by_network < by_counts[3] < by_counts[2] - 0.4

# %%
plt.plot(range(7), [uniform, *by_counts], "o-", label="tables of counts")
plt.axhline(by_network, color=plots.COLORS[1], linestyle="--", label="GRU")
plt.gca().set(xlabel="n (0: uniform)", ylabel="bits per character, test chapters", ylim=(0, 6.5))
plt.legend()
plots.show(
    f"Bits per character of tables of counts: {uniform:.1f} for n = 0, then "
    f"{', '.join(f'{bits:.2f}' for bits in by_counts)} for n = 1 to 6; "
    f"a dashed line for the GRU at {by_network:.2f}."
)

# %% [markdown]
# The network is far below the trigram, and a little below the table with $n = 4$: too little to conclude
# anything, since it is one training, from one seed. It is not below the longer tables: these know by heart
# what mostly follows four or five characters in *this* author. The network has about as many weights as the
# longest table has entries, and was trained for 900 steps only; a longer training would help it more than
# another cell (a guess: `cpu=900` is yours to change). How low can one get? Shannon (1951) let people guess
# the next letter, and estimated that between 0.6 and 1.3 bits a letter would do, with an alphabet of 27
# signs.
#
# ### Let it write
#
# To write, draw a character from $p$, give it to the network as the next input, and so on. A **temperature**
# $\tau$ sharpens or flattens the distribution, with the logits $a_c$:
#
# $$p_c = \frac{e^{a_c / \tau}}{\sum_l e^{a_l / \tau}}.$$
#
# At $\tau = 1$ it is the model's own, at $\tau \to 0$ the likeliest character is always taken. One character
# depends on the one before, so this is a loop; our `gru_step` of section 3 does it in NumPy.


# %%
def write(prompt, length, temperature, rng):
    """Let the network read the prompt and continue it."""
    table, *gru, W, bias = writer.get_weights()
    weights = gru[0].T, gru[1].T, gru[2]
    h, text = np.zeros((1, len(gru[1]))), prompt
    for k in range(len(prompt) + length - 1):
        h = gru_step(table[[number_of[text[k]]]], h, *weights)
        if k >= len(prompt) - 1:
            logits = (h @ W + bias)[0] / temperature
            p = np.exp(logits - logits.max())
            text += alphabet[rng.choice(len(p), p=p / p.sum())]
    return text


# %%
shares, known_words = [], set(re.findall(r"[a-z]+", "\n".join(chapters[:49]).lower()))
for temperature in (0.3, 0.7, 1.0, 1.5):
    length = budget.pick(smoke=40, cpu=1000)
    text = write("It is a truth ", length, temperature, np.random.default_rng(1))
    words = re.findall(r"[a-z]+", text.lower())[:-1]
    shares.append(np.mean([word in known_words for word in words]))
    print(
        f"--- temperature {temperature}: {shares[-1]:.0%} are words of the novel, {len(set(words))} different"
        f"\n{text[:330]}\n"
    )
if budget.name != "smoke":
    assert shares == sorted(shares, reverse=True)

# %% [markdown]
# Cold, it is certain and dull: common words, again and again. Hot, it is free and cannot spell. Between, most
# words are right, some phrases are, and no sentence means anything: the network has learned how many common
# words are spelt, and little more. At its own temperature, 1, one word in three is none.
#
# ### Which novel is this sentence from? (second reading)
#
# Text can also be *classified*. *Persuasion* (1817), by the same author, ships with the course, too. Is a
# sentence of 8 to 40 words from the one or from the other? The last fifth of the chapters of each novel is
# the test; both have equally many sentences, so guessing is right in half of the cases. The names of the
# persons give much away. We try it with them, and without: a word that begins with a capital letter in more
# than half of its places counts as a name. (So "I" is left out as well.)


# %%
def sentences_of(chapters):
    text = " ".join(chapters).replace("\n", " ")
    return [re.findall(r"[A-Za-z']+", sentence) for sentence in re.split(r"(?<=[.!?])[\s\"]+", text)]


split = []  # for each novel: sentences for training, sentences for the test
for novel in (chapters, data.novel("persuasion")):
    first = round(0.8 * len(novel))
    split.append([sentences_of(novel[:first]), sentences_of(novel[first:])])
total, capital = Counter(), Counter()
for word in (word for train_part, _ in split for sentence in train_part for word in sentence):
    total[word.lower()] += 1
    capital[word.lower()] += word[0].isupper()
persons = {word for word in total if capital[word] > 0.5 * total[word]}
print(len(persons), "words count as names, such as", [w for w, _ in total.most_common() if w in persons][:8])


# %%
def rows_of(sentences, index_of, hidden):
    """Return rows of 40 words' numbers: 0 after the end, 1 for a rare word; in random order."""
    kept = [[w.lower() for w in sentence if w.lower() not in hidden] for sentence in sentences]
    kept = [words for words in kept if 8 <= len(words) <= 40]
    rows = np.zeros((len(kept), 40), dtype="int32")
    for row, words in zip(rows, kept, strict=True):
        row[: len(words)] = [index_of.get(word, 1) for word in words]
    return np.random.default_rng(1).permutation(rows)


def prepare(hidden, most=3000):
    """Return ((rows, novel) of the training part, the same of the test)."""
    vocabulary = [word for word, _ in total.most_common() if word not in hidden][: most - 2]
    index_of = {word: k + 2 for k, word in enumerate(vocabulary)}
    found = []
    for part in (0, 1):
        rows = [rows_of(novel[part], index_of, hidden) for novel in split]
        n = min(map(len, rows))
        found.append((np.concatenate([each[:n] for each in rows]), np.repeat([0, 1], n)))
    return found


# %% [markdown]
# Two ways. **Naive Bayes** counts the words of each novel and takes all words of a sentence as independent:
# $\sum_t \log p(x_t \mid \text{novel})$, with one added to each count. The novel with the larger sum wins,
# since both have equally many sentences. It knows nothing of the order. And a GRU on words; `mask_zero=True`
# in its `Embedding` makes it skip the zeros after the end. **Before you run the next cells, what do you
# expect:** what are the names worth, and what is the order worth?


# %%
def naive_bayes(train_part, x, most=3000):
    rows, novel = train_part
    scores = []
    for k in (0, 1):
        count = np.bincount(rows[novel == k].ravel(), minlength=most) + 1
        log_p = np.log(count / count[1:].sum())
        scores.append(np.where(x > 0, log_p[x], 0).sum(axis=1))
    return np.argmax(scores, axis=0)


def word_gru(train_part, x, seed, most=3000):
    keras.utils.set_random_seed(seed)
    table = layers.Embedding(most, 32, mask_zero=True)
    model = keras.Sequential([keras.Input((40,), dtype="int32"), table, layers.GRU(32), layers.Dense(2)])
    train(model, train_part, budget.pick(smoke=2, cpu=200), size=64, rate=3e-3, seed=seed)
    return ops.convert_to_numpy(model(x)).argmax(axis=1)


# %%
novel_table = {}
for name, hidden in (("with the names", set()), ("without them", persons)):
    train_part, (x, novel) = prepare(hidden)
    bayes = np.mean(naive_bayes(train_part, x) == novel)
    grus = [np.mean(word_gru(train_part, x, seed) == novel) for seed in seeds]
    novel_table[name] = bayes, *grus
    error = 0.5 / np.sqrt(len(novel))
    print(f"{name:15} naive Bayes {bayes:.3f}   GRU", np.round(grus, 3), f"  standard error {error:.3f}")
if budget.name != "smoke":
    assert min(novel_table["with the names"]) > max(novel_table["without them"]) + 0.05
    for bayes, *grus in novel_table.values():
        assert max(grus) < bayes + 0.01

# %% [markdown]
# The names are worth much, and whoever left them in might think that the network has understood something of
# style. Without them both methods are only a little better than guessing: single sentences of one author
# hardly differ in what these two can use. And this GRU gains nothing from the order: counts that ignore it do
# as well, or better, for every seed. (A larger network or a longer training was not tried.) Try the bag of
# words first.

# %% [markdown]
# ## 5. Attention
#
# A recurrent network carries all that it has read in one state of fixed size. Translate a long sentence with
# it: the last state must hold the whole sentence before the first word is written. **Attention** (Bahdanau et
# al., 2015) keeps all states, and lets the writer look up what it needs, each time anew.
#
# ### A soft look-up
#
# A dictionary has pairs of key and value. One asks with a query $q$, it must equal a key, and gets that key's
# value. The soft look-up compares $q$ with *all* keys $k_1, \dots, k_n$ by a scalar product, makes weights of
# it with a softmax, and returns the weighted mean of the values $v_j$:
#
# $$A_j = \frac{e^{q \cdot k_j / \sqrt{d}}}{\sum_l e^{q \cdot k_l / \sqrt{d}}}, \qquad
# \text{result} = \sum_j A_j v_j,$$
#
# where $d$ is how many numbers $q$ has, and each key. It is differentiable, so queries, keys and values can
# be learned. (In print the matrix of keys is $K$; so it is here, and $n_k$ is their number.) By loops:


# %%
def look_up(q, keys, values):
    scores = [sum(q[j] * key[j] for j in range(len(q))) / np.sqrt(len(q)) for key in keys]
    weights = [np.exp(score - max(scores)) for score in scores]
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


# %%
# NBVAL_CHECK_OUTPUT
keys, values = 4 * np.eye(3), np.array([10.0, 20.0, 60.0])
for q in ([0, 8, 0], [0, 0.5, 0], [0, 0, 0], [4, 4, 0]):
    print(q, "->", look_up(np.array(q), keys, values).round(2))

# %% [markdown]
# A query of large norm finds its key, one of small norm is answered by a mean of all, and one between two
# keys by a value between. Now all queries at once. With the queries as rows of $Q$ $(n_q, d)$, keys $K$
# $(n_k, d)$, values $V$ $(n_k, d_v)$:
#
# $$A = \text{softmax}\Big(\frac{Q K^\top}{\sqrt d}\Big) \quad (n_q, n_k),
# \qquad \text{attention}(Q, K, V) = A V,$$
#
# the softmax along each row: over the keys. A **mask** says who may look at whom: where it is false, the
# score is replaced by $-\infty$ (here $-10^9$) *before* the softmax, so the weight is 0 and the others still
# add up to 1.


# %%
def attention(Q, K, V, mask=None):
    """Return A V (..., n_q, d_v) and the weights A (..., n_q, n_k)."""
    scores = Q @ ops.swapaxes(K, -1, -2) / K.shape[-1] ** 0.5
    if mask is not None:
        scores = ops.where(mask, scores, -1e9)
    A = ops.softmax(scores, axis=-1)
    return A @ V, A


# %%
rng = np.random.default_rng(1)
Q, K, V = (rng.normal(size=shape).astype("float32") for shape in ((4, 8), (6, 8), (6, 8)))
result, A = map(np.array, attention(Q, K, V))
print("result", result.shape, "A", A.shape, "rows add up to", A.sum(axis=1).round(3))
by_loops = [look_up(q, K, V) for q in Q]
one_head = (array[None, :, None] for array in (Q, K, V))  # Keras wants (batch, steps, heads, d)
of_keras = ops.convert_to_numpy(ops.dot_product_attention(*one_head))[0, :, 0]
runtime.result("attention_against_loops", np.abs(result - by_loops).max(), at_most=1e-6)
runtime.result("attention_against_keras", np.abs(result - of_keras).max(), at_most=1e-6)

# %% [markdown]
# Three properties to know.
#
# **Why $\sqrt d$?** The scalar product of two vectors of $d$ independent numbers with variance 1 has variance
# $d$. Without the root the softmax would see scores of many units and give nearly all weight to one key, by
# chance, and its gradient would vanish. **Before you run the next cell:** how large is the largest of 20
# weights?

# %%
for d in (4, 64, 1024):
    q, keys = rng.normal(size=(500, 1, d)), rng.normal(size=(500, 20, d))
    scaled = {"with": q, "without": np.sqrt(d) * q}  # the factor undoes the root
    A = {name: np.array(attention(queries, keys, keys)[1]) for name, queries in scaled.items()}
    largest = {name: each.max(axis=-1).mean() for name, each in A.items()}
    print(f"d = {d:4}", {name: f"{weight:.2f}" for name, weight in largest.items()})
    assert 0.15 < largest["with"] < 0.3
assert largest["without"] > 0.9

# %% [markdown]
# With the root it is about a fifth for each $d$ (equal weights would be 1/20); without it, the larger $d$,
# the more one key gets by chance, until it has nearly all.
#
# **Attention does not see the order.** Put keys and values into another order, both the same, and nothing
# changes. A text is then a bag of words, and its order must be told to it in some way: section 6.

# %%
shuffled = rng.permutation(len(K))
assert np.allclose(attention(Q, K[shuffled], V[shuffled])[0], result, atol=1e-6)

# %% [markdown]
# **A causal mask** lets each step look at itself and at what came before. In **self-attention** queries, keys
# and values are made from the same sequence, here simply the sequence itself. Is the future hidden? We change
# the last two of six steps: the first four results must not move. This test is worth writing for every new
# model: in 2026 a change of Keras's code dropped the mask in silence in some cases, before it was noticed
# ([issue 23038](https://github.com/keras-team/keras/issues/23038)).

# %%
causal = np.tril(np.ones((6, 6), dtype=bool))
print(causal.astype(int))
x = rng.normal(size=(6, 8)).astype("float32")
changed = x.copy()
changed[4:] += 10
before, after = (np.array(attention(sequence, sequence, sequence, causal)[0]) for sequence in (x, changed))
assert np.array_equal(before[:4], after[:4])
before, after = (np.array(attention(sequence, sequence, sequence)[0]) for sequence in (x, changed))
assert not np.allclose(before[:4], after[:4])  # without the mask the future is seen

# %% [markdown]
# ### Numbers in words
#
# Our task is one of *translation*, from words to digits: forty seven thousand two hundred five → 47205. A
# program makes as many examples as we like, each has one right answer, and it counts as right only if **all**
# digits are. Of the 100,000 numbers 1,000 are the test, 20,000 others the training.

# %%
ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"]
ONES += ["twelve", *(ten + "teen" for ten in ("thir", "four", "fif", "six", "seven", "eigh", "nine"))]
TENS = [ten + "ty" for ten in ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")]
WORDS = ["", *ONES, *TENS, "hundred", "thousand"]  # the first is no word: after the end


def in_words(n):
    """Return the words of a number below 100,000."""
    for unit, name in ((1000, "thousand"), (100, "hundred")):
        if n >= unit:
            return [*in_words(n // unit), name, *(in_words(n % unit) if n % unit else [])]
    if n < 20:
        return [ONES[n]]
    return [TENS[n // 10 - 2], *([ONES[n % 10]] if n % 10 else [])]


assert " ".join(in_words(47_205)) == "forty seven thousand two hundred five"

# %% [markdown]
# A number has at most 7 words and 5 digits. The network writes one digit after the other, then an **end**;
# what is behind the end is filled up with ends. It is given the words and what has been written so far,
# behind a sign for the **start**, in one row of 7 + 6 whole numbers. In training "so far" is the true digits,
# shifted by one (**teacher forcing**).

# %%
END, START = 10, 11


def as_input(digits):
    """Digits get numbers of their own, behind those of the words."""
    return len(WORDS) + digits


def to_arrays(numbers):
    """Return rows of words and given digits (n, 13), and the true digits (n, 6)."""
    words, digits = np.zeros((len(numbers), 7), dtype=int), np.full((len(numbers), 6), END)
    for i, n in enumerate(numbers):
        found, written = in_words(int(n)), str(n)
        words[i, : len(found)] = [WORDS.index(word) for word in found]
        digits[i, : len(written)] = [int(digit) for digit in written]
    given = np.column_stack([np.full(len(digits), START), digits[:, :-1]])
    return np.column_stack([words, as_input(given)]), digits


# %%
# NBVAL_CHECK_OUTPUT
order = np.random.default_rng(1).permutation(100_000)
test_numbers, train_numbers = order[:1000], order[1000 : budget.pick(smoke=1500, cpu=21_000)]
number_train, number_test = to_arrays(train_numbers), to_arrays(test_numbers)
row, digits = to_arrays([47_205])
print("words", row[0, :7], "given", row[0, 7:] - len(WORDS), "to be written", digits[0])

# %% [markdown]
# The **encoder** reads the words with two GRUs, one forwards and one backwards (`Bidirectional`): whether
# "seven" belongs to the thousands is said by the words *behind* it. The **decoder**, a third GRU, starts with
# their last states and writes. So far all must pass through this one state of 64 numbers. With attention the
# decoder also looks up: its states are the queries, the encoder's states the keys, and the values are the
# bare words (their `Embedding`), so that what is looked up is a word and nothing else. The empty places
# behind a shorter number count as a word like the others; what they mean is learned, too.
# (`return_state=True` returns the last states beside those of all steps; `initial_state` is the $h_0$ of a
# layer.)


# %%
class LookUp(layers.Layer):
    """Attention as a layer, so that its weights A can be asked for later."""

    def call(self, Q, K, V):
        return attention(Q, K, V)


def translator(look, n_h=64):
    """Return a model: rows (n, 13) -> logits (n, 6, 11)."""
    row = keras.Input((13,), dtype="int32")
    e = layers.Embedding(as_input(12), n_h)(row)
    words, given = e[:, :7], e[:, 7:]
    both_ways = layers.Bidirectional(layers.GRU(n_h // 2, return_sequences=True, return_state=True))
    states, *last = both_ways(words)
    h = layers.GRU(n_h, return_sequences=True)(given, initial_state=layers.Concatenate()(last))
    if look:
        looked_up, _ = LookUp(name="look")(layers.Dense(n_h)(h), states, words)
        h = layers.Concatenate()([h, looked_up])
    h = layers.Dense(64, activation="relu")(h)
    return keras.Model(row, layers.Dense(11)(h))


# %%
def exact_match(model):
    """Return the share of test numbers which the model, given only the words, writes without an error."""
    rows, digits = number_test
    rows = np.column_stack([rows[:, :8], np.zeros_like(digits)])  # a place for each digit to be written
    for k in range(6):
        logits = ops.convert_to_numpy(model(rows[:, :13]))
        rows[:, 8 + k] = as_input(logits[:, k].argmax(axis=1))
    return np.mean(np.all(rows[:, 8:] == as_input(digits), axis=1))


# %% [markdown]
# `exact_match` writes as in earnest: the network is given its *own* digits. Three seeds each, 400 steps of
# 64 numbers. A step of the GRU alone is the cheapest, so it gets a second chance with 800 steps, about the
# time that the 400 of the Transformer in section 6 will take. (The seconds printed are those of the
# processor, all cores added up, for one training.) **Before you run the next cell, what do you expect?**


# %%
def compare(name, make, steps=400):
    """Train a model for each seed; return training loss, exact match and seconds of each, and the models."""
    found, models = {"loss": [], "match": [], "seconds": []}, []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model, start = make(), time.process_time()
        train(model, number_train, budget.pick(smoke=2, cpu=steps), size=64, rate=4e-3, seed=seed)
        found["seconds"].append(time.process_time() - start)
        models.append(model)
        rows, digits = (array[:1000] for array in number_train)
        found["loss"].append(float(cross_entropy(digits, model(rows))))
        found["match"].append(exact_match(model))
    print(f"{name:26} {model.count_params():7,} parameters, {np.mean(found['seconds']):3.0f} s")
    print("   exact match", np.round(found["match"], 3))
    return {key: np.array(values) for key, values in found.items()}, models


# %%
table = {}
table["GRU"], _ = compare("GRU", lambda: translator(look=False))
table["GRU, 800 steps"], _ = compare("GRU, 800 steps", lambda: translator(look=False), steps=800)
table["GRU with attention"], lookers = compare("GRU with attention", lambda: translator(look=True))
runtime.result("exact_match_with_attention", table["GRU with attention"]["match"].min(), at_least=0.95)
if budget.name != "smoke":
    assert table["GRU"]["match"].max() + 0.02 < table["GRU with attention"]["match"].min()
    assert table["GRU, 800 steps"]["match"].min() > 0.96

# %% [markdown]
# ### The map
#
# The weights $A$ of one number are a picture: a row for each digit that is written, a column for each word.
# We look into the last of the three networks.

# %%
maps_of = [keras.Model(model.input, model.get_layer("look").output[1]) for model in lookers]
longest = [int(n) for n in test_numbers if len(in_words(n)) == 7]
shown = [*longest[:2], 90_013]
maps = ops.convert_to_numpy(maps_of[-1](to_arrays(shown)[0]))
_, axes = plt.subplots(1, 3, figsize=(9, 3.2), width_ratios=[7, 7, 3])
for ax, A, n in zip(axes, maps, shown, strict=True):
    names, digits = in_words(n), [*str(n), "end"]
    A = A[: len(digits), : len(names)]
    ax.imshow(A, cmap="Blues", vmin=0, vmax=1)
    for (row, column), weight in np.ndenumerate(A):
        if weight > 0.1:
            color = "white" if weight > 0.5 else "black"
            ax.text(column, row, f"{weight:.1f}", ha="center", va="center", color=color, fontsize=8)
    ax.set_xticks(range(len(names)), names, rotation=60, ha="right")
    ax.set_yticks(range(len(digits)), digits)
    ax.grid(visible=False)
    ax.set(xlabel="word")
axes[0].set(ylabel="digit to write")
plots.show(
    "Three maps of weights, words across, digits down. In the rows of the first two most of the weight is on "
    "one word, and these go from left to right, past hundred and thousand. In the third, of 90013, "
    "the zeros look mostly at thousand, and the row of the end is nearly empty."
)

# %% [markdown]
# Nearly every digit looks at the word that makes it; the 1 of 90013 divides itself between "thousand" and
# "thirteen". The zeros of 90013, which no word makes, look mostly at "thousand". (What a row lacks to 1 lies
# on the empty places behind the words: there the end of 90013 looks.) Is that a rule or a lucky choice? For
# each digit that a word makes we know which word it is, and can count how often it has the largest weight,
# for all test numbers and all three networks.


# %%
def makers(n):
    """Return for each digit of n > 0 the index of the word that makes it, or -1."""
    digits, made, at = str(n), {}, 0
    for unit, last in ((n // 1000, len(digits) - 4), (n % 1000, len(digits) - 1)):
        names = in_words(unit) if unit else []
        for k, word in enumerate(names):
            hundreds = names[k + 1 : k + 2] == ["hundred"]
            place = last - 2 if hundreds else last - 1 if word in TENS else last
            if word != "hundred":
                made[place] = at + k
                made |= {last - 1: at + k} if word in ONES[10:] else {}
        at += len(names) + 1 if names else 0  # one more for "thousand"
    return [made.get(place, -1) for place in range(len(digits))]


assert makers(47_205) == [0, 1, 3, -1, 5]
assert makers(90_013) == [0, -1, -1, 2, 2]
assert makers(205) == [0, -1, 2]

# %%
rights = []
for map_of in maps_of:
    largest = ops.convert_to_numpy(map_of(number_test[0])).argmax(axis=2)
    right = []
    for row, n in zip(largest, test_numbers, strict=True):
        right += [row[k] == word for k, word in enumerate(makers(n)) if word >= 0]
    rights.append(np.mean(right))
print("share of digits that look at their word:", np.round(rights, 3))
runtime.result("digits_that_look_at_their_word", min(rights))
if budget.name != "smoke":
    assert min(rights) > 0.9

# %% [markdown]
# After equal steps the network with attention makes far fewer errors. But seven words do fit into a state of
# 64 numbers: with 800 steps the GRU alone comes close. What attention saves here is training; on long
# sentences Bahdanau et al. (2015) saw the network without it fall behind. And it can be read: the map is an
# answer to "which word makes this digit", not drawn by us and not asked for in the loss, but found in
# training. (Take care with this elsewhere: here the values are bare words. A value that has already seen its
# neighbours may bring anything, and its weight says less.)
#
# ## 6. A small Transformer
#
# The recurrence is still there, twice. The **Transformer** (Vaswani et al., 2017: *Attention is all you
# need*) does without. What stands for what:
#
# | recurrent network | Transformer |
# | --- | --- |
# | the state carries the past | self-attention looks at the past |
# | the order is that of the steps | a vector for each **position** is added to the input |
# | one state for all purposes | several **heads**: attentions side by side, each on its piece of the width |
# | tanh, gates | a small network of two `Dense` layers, at each position for itself |
# | – | residual sums (lesson 06) and layer normalisation, so that many blocks can be stacked |
#
# The words and the digits are *one* sequence of 13, and one network reads and writes, with a causal mask: a
# **decoder**, as in GPT. `LayerNormalization` (Ba et al., 2016) gives each vector the mean 0 and the standard
# deviation 1, times and plus learned numbers. (The paper normalises behind each sum; before it, as here, is
# more usual today.) `MultiHeadAttention(heads, width)(x, x)` makes queries, keys and values of $x$ with three
# matrices, splits them into heads, each of the given width, applies our `attention` to each, and mixes the
# results with a fourth matrix.
#
# The positions are an `Embedding` of the places 0 to 12. The places are computed *from the input*, though
# they are the same for each row: a layer that is called with a constant, such as `ops.arange(13)`, gives a
# constant, and its table is no part of the model and is never trained, without a warning. Count the
# parameters.


# %%
def block(x, heads, mask):
    """One block: attention, then two Dense layers, each behind a normalisation and beside a residual sum."""
    d = x.shape[-1]
    h = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(heads, d // heads)(h, h, attention_mask=mask)
    h = layers.LayerNormalization()(x)
    return x + layers.Dense(d)(layers.Dense(4 * d, activation="relu")(h))


causal = np.tril(np.ones((1, 13, 13), dtype=bool))  # (1, queries, keys): the same for all samples


def transformer(mask=causal, positions=True, d=64, heads=4, blocks=2):
    """Return a model: rows (n, 13) -> logits (n, 6, 11)."""
    row = keras.Input((13,), dtype="int32")
    x = layers.Embedding(as_input(12), d)(row)
    if positions:
        places = ops.cumsum(ops.ones_like(row), axis=1) - 1  # 0, 1, ..., 12, from the input
        x = x + layers.Embedding(13, d)(places)
    for _ in range(blocks):
        x = block(x, heads, mask)
    return keras.Model(row, layers.Dense(11)(layers.LayerNormalization()(x[:, 7:])))


# %% [markdown]
# First the test of section 5, for the whole network: other digits in the last two places must not change what
# is written before them. And Keras's own causal mask, `use_causal_mask=True`, in the cases where it was once
# lost.

# %%
model = transformer()
assert model.count_params() - transformer(positions=False).count_params() == 13 * 64
rows = number_test[0][:50]
other = rows.copy()
other[:, -2:] = as_input(3)
before, after = (ops.convert_to_numpy(model(array))[:, :4] for array in (rows, other))
assert np.allclose(before, after, atol=1e-6)

x = rng.normal(size=(1, 6, 8)).astype("float32")
for dropout in (0.0, 0.5):
    _, A = layers.MultiHeadAttention(2, 4, dropout=dropout)(
        x, x, use_causal_mask=True, return_attention_scores=True
    )
    assert np.abs(np.triu(ops.convert_to_numpy(A), 1)).max() == 0

# %% [markdown]
# Five networks, from three seeds each, in two to three minutes: the whole one; one **without positions**; the
# same two with the **words open**, that is, all words see each other (the mask holds for the digits only);
# and one **without any mask**. **Before you run the next cell, what do you expect** of each? Of the last one,
# say two things: its training loss, and what it writes.

# %%
among_words = causal | (np.arange(13) < 7)
for name, options in {
    "Transformer": {},
    "no positions": {"positions": False},
    "words open": {"mask": among_words},
    "words open, no positions": {"positions": False, "mask": among_words},
    "no mask": {"mask": np.ones_like(causal)},
}.items():
    table[name], _ = compare(name, lambda options=options: transformer(**options))
runtime.result("exact_match_transformer", table["Transformer"]["match"].min(), at_least=0.95)

# %%
print("                          training loss   exact match             seconds")
for name, row in table.items():
    match = row["match"]
    print(
        f"{name:25} {row['loss'].mean():12.5f}   {match.mean():.3f} ({match.min():.3f} to {match.max():.3f})"
        f" {row['seconds'].mean():8.0f}"
    )
if budget.name != "smoke":
    assert table["no mask"]["loss"].max() < table["Transformer"]["loss"].min()
    assert table["no mask"]["match"].max() < 0.1
    assert table["words open, no positions"]["match"].max() < 0.7
    assert min(table[name]["match"].min() for name in ("no positions", "words open")) > 0.9

# %% [markdown]
# - **Attention and Transformer** (which has the most weights) write nearly every number without an error
#   after 400 steps. In about the time that the Transformer took, the GRU alone gets as far as the
#   Transformer (800 steps; see the seconds): on 13 short steps and without a graphics card nothing speaks
#   for the Transformer yet.
# - **Without the mask** the training loss is the lowest of all, and the network is worthless: the next digit
#   stands among the given ones, so it learned to copy. When it writes itself, there is nothing to copy. A
#   loss that is too good to be true mostly is.
# - **Without positions** the Transformer does just as well! Section 5 said that attention does not see the
#   order. But the *mask* does: the first word sees one word, the second two, and so a block can count (Haviv
#   et al., 2022). If that is the reason, positions must be missed as soon as all words see each other, and
#   they are: then "two hundred seven" and "seven hundred two" are the same bag of words. It is not the open
#   words that do the harm: with positions they are no hindrance.
#
# ### The cost
#
# A simple recurrent layer needs about $T \cdot 2 n_h^2$ multiplications (a GRU three times as many), in $T$
# steps *one after the other*. Attention needs about $4 T d^2$ for its matrices and $2 T^2 d$ for scores and
# means: a part that grows with the **square** of the length. But all times are computed at once, in training
# as well: no step waits for the one before. A graphics card, with its thousands of units, can use that; a
# processor with two cores has less of it. **What do you expect** of the times? (`tf.function` compiles the
# layer, as `fit` does. The shortest of five runs counts.)

# %%
print("    T   GRU (ms)   attention (ms)")
for T in budget.pick(smoke=[64], cpu=[64, 256, 1024]):
    x = rng.normal(size=(8, T, 64)).astype("float32")
    row = []
    for layer, inputs in (
        (layers.GRU(64, return_sequences=True), (x,)),
        (layers.MultiHeadAttention(4, 16), (x, x)),
    ):
        compiled = tf.function(layer)
        compiled(*inputs)
        runs = []
        for _ in range(5):
            start = time.perf_counter()
            compiled(*inputs)
            runs.append(1000 * (time.perf_counter() - start))
        row.append(min(runs))
    print(f"{T:5} {row[0]:10.0f} {row[1]:12.0f}")

# %% [markdown]
# The times are of one processor at one moment, so look at how they grow, not at their size: from the second
# length to the third, four times as long, the time of attention grows by a larger factor than that of the
# recurrent layer: by the formula, the part with the square is two thirds of its multiplications at 256 steps,
# and nine tenths at 1024. A text that is twice as long costs four times as much of
# that part, in time and in memory. And when it *writes*, a
# Transformer too goes step by step.
#
# ### Where this leads
#
# A **language model** such as GPT is the decoder of this section with the loss of section 4: text, shifted by
# one. What is different is the size. A block of width $d$ has about $12 d^2$ weights: four matrices of $d
# \times d$ in the attention, and two of $d \times 4d$.

# %%
# NBVAL_CHECK_OUTPUT
for name, blocks, d in (("ours", 2, 64), ("GPT-3 (Brown et al., 2020)", 96, 12_288)):
    print(f"{name:27} {blocks} blocks of width {d}: {12 * blocks * d**2:,} weights")

# %% [markdown]
# What such a model has, and what you have not seen here:
#
# - **Pieces of words.** It reads neither characters nor words but tens of thousands of frequent pieces,
#   found by counting (Sennrich et al., 2016). Common words are one piece; no word is unknown.
# - **Other uses of the blocks.** Without the mask each word sees both sides: a reader rather than a writer
#   (BERT; Devlin et al., 2019). Pieces of pictures in place of words give a vision Transformer (Dosovitskiy
#   et al., 2021).
# - **Two trainings.** First on very much text; then on answers that people wrote or preferred (Ouyang et al.,
#   2022). The second makes it follow what it is asked to do rather than go on with the text.
# - **What writing costs.** Keys and values of the past are kept, not computed anew for each word. And the
#   square of the length is fought: there are layers that are trained in parallel and write like a recurrent
#   network, with a state of fixed size (Gu & Dao, 2023).
#
# What you *have* seen holds for all of them. The loss asks for what is **likely**, not for what is true: our
# writer has never heard of a fact, and a larger one has no other loss in its first training. It learns
# whatever is in its texts, also the opinions and slurs (Bender et al., 2021), and sentences by heart, with
# names and telephone numbers (Carlini et al., 2021). A text that reads well is no sign that somebody stands
# behind it. And a good number on a test says little if the test was among the texts for training, which for
# texts from the web is hard to exclude; our numbers were never seen, since we made the split.
#
# ## Summary
#
# - First the naive forecast, then the linear one, then a network; the split is one in time.
# - Back-propagation through time is back-propagation through as many layers as there are steps. Two paths
#   meet in a state; the weights are shared, so their gradient is a sum over time.
# - The gradient over $T - t$ steps is a product of as many matrices: it vanishes or explodes but on a narrow
#   way. Clipping helps against the second.
# - A gate multiplies the memory by a number between 0 and 1. It helps over long times only if it starts near
#   1, or learns to be.
# - A language model is judged in bits per character on text that it has not seen, against tables of counts.
#   Temperature trades variety for sense.
# - Attention is a soft look-up: softmax of scaled scalar products, a weighted mean of values. The mask comes
#   before the softmax, and deserves a test.
# - A Transformer: attention, positions, residual sums, normalisation, two dense layers. All times at once, at
#   a cost that grows with the square of the length.
#
# **Now you:** the lab is [`../labs/15_sequences.ipynb`](../labs/15_sequences.ipynb).
#
# ## References
#
# - C. E. Shannon (1951). *Prediction and entropy of printed English.* Bell System Technical Journal 30(1),
#   50–64. [doi:10.1002/j.1538-7305.1951.tb01366.x](https://doi.org/10.1002/j.1538-7305.1951.tb01366.x)
# - P. J. Werbos (1990). *Backpropagation through time: what it does and how to do it.* Proceedings of the
#   IEEE 78(10), 1550–1560. [doi:10.1109/5.58337](https://doi.org/10.1109/5.58337)
# - Y. Bengio, P. Simard, P. Frasconi (1994). *Learning long-term dependencies with gradient descent is
#   difficult.* IEEE Transactions on Neural Networks 5(2), 157–166.
#   [doi:10.1109/72.279181](https://doi.org/10.1109/72.279181)
# - D. J. C. MacKay, L. C. Bauman Peto (1995). *A hierarchical Dirichlet language model.* Natural Language
#   Engineering 1(3), 289–308. [doi:10.1017/S1351324900000218](https://doi.org/10.1017/S1351324900000218)
# - S. Hochreiter, J. Schmidhuber (1997). *Long short-term memory.* Neural Computation 9(8), 1735–1780.
#   [doi:10.1162/neco.1997.9.8.1735](https://doi.org/10.1162/neco.1997.9.8.1735)
# - F. A. Gers, J. Schmidhuber, F. Cummins (2000). *Learning to forget: continual prediction with LSTM.*
#   Neural Computation 12(10), 2451–2471.
#   [doi:10.1162/089976600300015015](https://doi.org/10.1162/089976600300015015)
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). *On the difficulty of training recurrent neural networks.* ICML.
#   [arXiv:1211.5063](https://arxiv.org/abs/1211.5063)
# - K. Cho et al. (2014). *Learning phrase representations using RNN encoder–decoder for statistical machine
#   translation.* EMNLP. [arXiv:1406.1078](https://arxiv.org/abs/1406.1078)
# - D. Bahdanau, K. Cho, Y. Bengio (2015). *Neural machine translation by jointly learning to align and
#   translate.* ICLR. [arXiv:1409.0473](https://arxiv.org/abs/1409.0473)
# - R. Sennrich, B. Haddow, A. Birch (2016). *Neural machine translation of rare words with subword units.*
#   ACL. [arXiv:1508.07909](https://arxiv.org/abs/1508.07909)
# - J. L. Ba, J. R. Kiros, G. E. Hinton (2016). *Layer normalization.*
#   [arXiv:1607.06450](https://arxiv.org/abs/1607.06450)
# - A. Vaswani et al. (2017). *Attention is all you need.* NIPS.
#   [arXiv:1706.03762](https://arxiv.org/abs/1706.03762)
# - C. Tallec, Y. Ollivier (2018). *Can recurrent neural networks warp time?* ICLR.
#   [arXiv:1804.11188](https://arxiv.org/abs/1804.11188)
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). *BERT: pre-training of deep bidirectional
#   transformers for language understanding.* NAACL. [arXiv:1810.04805](https://arxiv.org/abs/1810.04805)
# - T. B. Brown et al. (2020). *Language models are few-shot learners.* NeurIPS.
#   [arXiv:2005.14165](https://arxiv.org/abs/2005.14165)
# - E. M. Bender, T. Gebru, A. McMillan-Major, S. Shmitchell (2021). *On the dangers of stochastic parrots:
#   can language models be too big?* FAccT.
#   [doi:10.1145/3442188.3445922](https://doi.org/10.1145/3442188.3445922)
# - N. Carlini et al. (2021). *Extracting training data from large language models.* USENIX Security.
#   [arXiv:2012.07805](https://arxiv.org/abs/2012.07805)
# - A. Dosovitskiy et al. (2021). *An image is worth 16x16 words: transformers for image recognition at
#   scale.* ICLR. [arXiv:2010.11929](https://arxiv.org/abs/2010.11929)
# - A. Haviv, O. Ram, O. Press, P. Izsak, O. Levy (2022). *Transformer language models without positional
#   encodings still learn positional information.* Findings of EMNLP.
#   [arXiv:2203.16634](https://arxiv.org/abs/2203.16634)
# - L. Ouyang et al. (2022). *Training language models to follow instructions with human feedback.* NeurIPS.
#   [arXiv:2203.02155](https://arxiv.org/abs/2203.02155)
# - A. Gu, T. Dao (2023). *Mamba: linear-time sequence modeling with selective state spaces.*
#   [arXiv:2312.00752](https://arxiv.org/abs/2312.00752)
