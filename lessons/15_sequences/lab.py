# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.4, cpu: 2.7}
# ---

# %% [markdown]
# # Lab 15: sequences
#
# The lecture's cells forget at once or have gates. Here you meet a cell with one fixed leak, take the slope
# back through it and see it remember. You write the GRU of the other convention, count bits in a fair unit,
# cut the tail of a distribution, and mend an attention whose heads mix up time. At the end a small
# Transformer, made of your own functions, sorts letters and turns them round, and its map shows how.
#
# **You need:** [the lecture](../notebooks/15_sequences.ipynb), lesson 03's $\delta$ and $s$, paper and
# pencil. About four hours. The letters are those of the [notation](../notebooks/01_neurons.ipynb#Notation)
# and of the lecture: $t$ counts the steps $1 \dots T$, arrays have the samples first and then time.

# %%
from nnlabs import data, plots, runtime, training
from nnlabs.checks import sequences as check

budget = runtime.setup(seed=1)
# %%
import re

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. Windows with a gap
#
# The lecture's windows forecast the next value. Often the last values are not known yet, since the data
# arrive late, and several values are wanted at once. A window then consists of
#
# - `length` inputs;
# - a `gap` of values that are left out (0 or more);
# - the next `horizon` values, the targets.
#
# There is a window at each place of the `series` $(n,)$ where all of it fits, in the order of time. The first
# `cut` values are the past, on which one may train:
#
# - The *whole* series is standardised with the mean and the standard deviation (`np.std`) of the past.
# - A **training** window lies in the past with all its inputs and targets.
# - A **test** window has *no target* in the past. Its inputs may lie there: on the day of the forecast they
#   are known.
#
# Return four arrays: inputs (windows, length) and targets (windows, horizon) of the training part, then those
# of the test part. Both parts have at least one window.
#
# <details><summary>Hint</summary>
#
# Let a window begin at the place $t$. Write down the place of its first target, and the place after its last
# target. Which of the two decides for the training part, which for the test part?
#
# </details>
# <details><summary>A further hint</summary>
#
# Try it on paper: 10 values, `cut` 4, 2 inputs, no gap, 1 target. There are 2 training windows and 6 test
# windows.
#
# </details>


# %% exercise="windows"
def windows(series, cut, length, gap, horizon):
    """Return x_train, t_train, x_test, t_test: windows (n, length) and their targets (n, horizon)."""
    ### BEGIN SOLUTION
    past = series[:cut]
    series = (series - past.mean()) / past.std()
    first = length + gap
    view = np.lib.stride_tricks.sliding_window_view(series, first + horizon)
    x, t = view[:, :length], view[:, first:]
    start = np.arange(len(view))
    train, test = start + first + horizon <= cut, start + first >= cut
    return x[train], t[train], x[test], t[test]
    ### END SOLUTION


# %% check="windows" points=2
windows = check.windows(windows)

# %% [markdown]
# Sunspots again: 22 years are known, the next 22 are wanted, and the past ends with 1899. One least-squares
# fit gives a linear forecast for each of the 22 years. **Before you run the next cell, what do you expect:**
# the naive forecast says that all stays as it is. In which years ahead is it good, in which is it worst?

# %%
years, numbers = data.sunspots()
x_train, t_train, x_test, t_test = windows(numbers, cut=200, length=22, gap=0, horizon=22)
print("training", x_train.shape, t_train.shape, " test", x_test.shape, t_test.shape)
print(f"the targets of the test: mean {t_test.mean():.2f}, standard deviation {t_test.std():.2f}")


def with_one(x):
    return np.column_stack([x, np.ones(len(x))])


linear = np.linalg.lstsq(with_one(x_train), t_train, rcond=None)[0]
forecasts = {"last value": x_test[:, -1:], "mean of the past": 0, "linear": with_one(x_test) @ linear}
errors = {name: np.sqrt(np.mean((t_test - values) ** 2, axis=0)) for name, values in forecasts.items()}

# %%
for (name, error), line in zip(errors.items(), plots.LINES, strict=False):
    plt.plot(np.arange(1, 23), error, line, marker="o", markersize=3, label=name)
plt.gca().set(xlabel="years ahead", ylabel="RMSE on the test (sd of the past)", ylim=(0, None))
plt.legend()
plots.show(
    "Errors of three forecasts against the years ahead. The last value's goes up and down with a period of "
    "eleven years; the mean's is nearly flat; the linear one begins lowest and comes near the mean's."
)
assert min(t_test.mean(), t_test.std() - 1) > 0.2
assert errors["last value"][9] < 0.5 * errors["last value"][4]
assert np.all(errors["linear"] < errors["mean of the past"])

# %% [markdown]
# The Sun has a cycle of about eleven years: half a cycle ahead the last value is the worst guess, a whole
# cycle ahead it is a good one again. A single number, the error one year ahead, would have hidden this. The
# mean of the past is wrong by more than one standard deviation of the past, since the twentieth century was
# another one: the printed line says that its spots are more, and vary more. A split by time shows this; a
# random split would have hidden it.
#
# ## 2. Derive it: back through a leaky cell
#
# A **leaky** cell (Jaeger et al., 2007) mixes its old state with a new one, by one fixed number $0 < \alpha
# \le 1$:
#
# $$a_t = W_x x_t + W_h h_{t-1} + b, \qquad h_t = (1 - \alpha)\, h_{t-1} + \alpha \tanh(a_t), \quad h_0 = 0.$$
#
# With $\alpha = 1$ it is the lecture's cell.


# %%
def leaky_states(x, W_x, W_h, b, alpha):
    """Return the states (m, T + 1, n_h), h_0 = 0 first, for inputs x (m, T, n_x)."""
    h = np.zeros((len(x), x.shape[1] + 1, len(b)))
    for t in range(x.shape[1]):
        h[:, t + 1] = (1 - alpha) * h[:, t] + alpha * np.tanh(x[:, t] @ W_x.T + h[:, t] @ W_h.T + b)
    return h


# %% [markdown]
# $R$ is *one number* that depends on the states of a whole batch, at all steps. Somebody else has computed
# its *direct* slopes: $u_t$ is the derivative of $R$ by $h_t$ if the later states did not change. (With an
# output at each step, this is the lecture's $W_y^T \delta_t$, divided by $m$.) But they do change: $h_t$
# acts on $h_{t+1}$ along **two** paths. Derive, with paper and pencil,
#
# - $g_t = \partial R / \partial h_t$, over all paths, from $u_t$, $g_{t+1}$ and what belongs to the step
#   $t + 1$;
# - $s_t = \partial R / \partial a_t$ from $g_t$;
# - $\partial R / \partial W_x$, $\partial R / \partial W_h$, $\partial R / \partial b$ from all $s_t$.
#
# Then return the three, in the shapes of the weights, and the $g_t$, $(m, T, n_h)$. `x` is $(m, T, n_x)$, `u`
# is $(m, T, n_h)$: `u[:, 0]` belongs to $h_1$.
#
# <details><summary>Hint</summary>
#
# Draw $h_{t-1}$, $a_t$, $h_t$, $a_{t+1}$, $h_{t+1}$ as points, with an arrow for "acts on". Where two arrows
# leave a point, slopes are added on the way back. What is $g_T$?
#
# </details>
# <details><summary>A further hint</summary>
#
# The slope of tanh is $1 - \tanh^2(a_t)$, and $\tanh(a_t)$ is not $h_t$ here: compute it again, or get it
# from two states. `leaky_states` gives one state more than there are steps: `h[:, t]` is the one *before*
# the input `x[:, t]`.
#
# </details>


# %% exercise="leaky-bptt"
def leaky_bptt(x, u, W_x, W_h, b, alpha):
    """Return dR/dW_x, dR/dW_h, dR/db and dR/dh_t (m, T, n_h) for the direct slopes u (m, T, n_h)."""
    ### BEGIN SOLUTION
    h = leaky_states(x, W_x, W_h, b, alpha)
    z = np.tanh(x @ W_x.T + h[:, :-1] @ W_h.T + b)
    g, s = np.zeros(u.shape), np.zeros(u.shape)
    later = 0
    for t in reversed(range(x.shape[1])):
        g[:, t] = u[:, t] + later
        s[:, t] = alpha * (1 - z[:, t] ** 2) * g[:, t]
        later = (1 - alpha) * g[:, t] + s[:, t] @ W_h
    return np.einsum("mtn,mtx->nx", s, x), np.einsum("mtn,mtk->nk", s, h[:, :-1]), s.sum(axis=(0, 1)), g
    ### END SOLUTION


# %% check="leaky-bptt" points=4
leaky_bptt = check.leaky_bptt(leaky_bptt)

# %% [markdown]
# Your $g_t$ is a whole matrix, if the batch is chosen well: $n_h$ copies of one sequence, where $R$ of copy
# $j$ is the neuron $j$ of $h_T$. Then row $j$ of `g[:, t]` is row $j$ of $\partial h_T / \partial h_t$.
# **Before you run the next cell, what do you expect:** with which $\alpha$ is the slope largest after 50
# steps? The recurrent weights are the same, with the spectral radius 0.9.

# %%
rng = np.random.default_rng(1)
n_h, T = 20, 60


def start(radius, n_x, rng):
    """Return W_x, W_h with this spectral radius, and b."""
    W_h = rng.normal(size=(n_h, n_h))
    return rng.normal(size=(n_h, n_x)), radius / np.abs(np.linalg.eigvals(W_h)).max() * W_h, np.zeros(n_h)


weights = start(0.9, 1, rng)
copies = np.repeat(rng.normal(size=(1, T, 1)), n_h, axis=0)
u = np.zeros((n_h, T, n_h))
u[:, -1] = np.eye(n_h)
alphas = (1.0, 0.3, 0.1)
norms = {alpha: np.linalg.norm(leaky_bptt(copies, u, *weights, alpha)[3], 2, axis=(0, 2)) for alpha in alphas}

# %%
for (alpha, norm), line in zip(norms.items(), plots.LINES, strict=False):
    plt.semilogy(T - 1 - np.arange(T), norm, line, label=f"α = {alpha}")
plt.gca().set(xlabel="T − t, steps back", ylabel="‖∂h_T / ∂h_t‖", ylim=(1e-8, 3))
plt.legend()
plots.show(
    "Norm of the slope of the last state by an earlier one, logarithmic, against the steps back. α = 1 falls "
    "below 1e-6 within 30 steps, α = 0.3 more slowly, α = 0.1 is still near 0.5 after 59 steps."
)
for alpha, norm in norms.items():
    print(f"α = {alpha}: 59 steps back {norm[0]:.1e}, the path without weights alone {(1 - alpha) ** 59:.1e}")
assert norms[1.0][T - 31] < 1e-5 < 0.2 < norms[0.1][0]

# %% [markdown]
# The path without weights is a shortcut along time, like that of a ResNet (lesson 06). Alone it would keep
# $1 - \alpha$ of the slope at each step back. Both paths together keep more: look at the printed lines. An
# LSTM has such a path too, with a forget gate that it learns in place of the fixed $1 - \alpha$.
#
# ## 3. Clip a list of gradients
#
# The lecture clips with Keras's `global_clipnorm`. Write it: `gradients` is a list of arrays, each of any
# shape (also single numbers). Their common norm is $N = \sqrt{\sum_k \sum_j g_{kj}^2}$, over all entries of
# all arrays. If $N$ is larger than `most`, multiply *all* arrays by *one* factor, so that the common norm
# becomes `most`; else leave them as they are. Return the list of the new arrays, and $N$. All slopes may be
# 0.
#
# <details><summary>Hint</summary>
#
# Two steps: first one number from the whole list, then a new list. The given arrays must not change.
#
# </details>


# %% exercise="clip"
def clip(gradients, most):
    """Return the arrays, all shortened by one factor to a common norm of at most `most`; the norm before."""
    ### BEGIN SOLUTION
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    factor = most / norm if norm > most else 1
    return [factor * g for g in gradients], norm
    ### END SOLUTION


# %% check="clip" points=2
clip = check.clip(clip)

# %% [markdown]
# Now train leaky cells, in NumPy, with your two functions. The task: remember the sign of the first symbol
# over 40 steps. Each step has two inputs: the first one is $\pm 1$ at $t = 1$ and 0 later, the second one is
# a random $\pm 1$ that says nothing. An output neuron with a sigmoid reads $h_T$. Guessing is right in half
# of the cases.


# %%
def sequences(m, T, rng):
    """Return x (m, T, 2) and labels (m,): was the first sign positive?"""
    x = rng.choice([-1.0, 1.0], size=(m, T, 2))
    x[:, 1:, 0] = 0
    return x, (x[:, 0, 0] > 0).astype(float)


def slopes_of(x, label, parameters, alpha):
    """Return the slopes of the batch's mean cross-entropy by W_x, W_h, b, w_y, b_y."""
    *cell, w_y, b_y = parameters
    h = leaky_states(x, *cell, alpha)[:, -1]
    delta = (1 / (1 + np.exp(-(h @ w_y + b_y))) - label) / len(x)
    u = np.zeros((len(x), x.shape[1], n_h))
    u[:, -1] = delta[:, None] * w_y
    return [*leaky_bptt(x, u, *cell, alpha)[:3], delta @ h, delta.sum()]


# %%
def trained(alpha, radius, most, seed, rate=0.1):
    """Return the accuracy on 1,000 new sequences, and the largest norm of a step's gradient."""
    rng = np.random.default_rng(seed)
    parameters = [*start(radius, 2, rng), rng.normal(size=n_h) / np.sqrt(n_h), 0.0]
    velocity, largest = [0.0] * 5, 0.0
    for _ in range(budget.pick(smoke=5, cpu=300)):
        slopes, norm = clip(slopes_of(*sequences(50, 40, rng), parameters, alpha), most)
        velocity = [0.9 * v - rate * g for v, g in zip(velocity, slopes, strict=True)]
        parameters = [p + v for p, v in zip(parameters, velocity, strict=True)]
        largest = max(largest, norm)
    x, label = sequences(1000, 40, np.random.default_rng(99))
    *cell, w_y, b_y = parameters
    answer = leaky_states(x, *cell, alpha)[:, -1] @ w_y + b_y > 0
    return np.mean(answer == label), largest


# %% [markdown]
# **Before you run the next cell, what do you expect** from the figure above: which $\alpha$ learns this? And
# what does clipping change if the recurrent weights start large (spectral radius 4)? Five random starts
# each.

# %%
settings = [(1.0, 1, 1.0), (0.3, 1, 1.0), (0.1, 1, 1.0), (0.1, 4, 1.0), (0.1, 4, np.inf)]
seeds = range(1, budget.pick(smoke=1, cpu=5) + 1)
recalled = {setting: [trained(*setting, seed) for seed in seeds] for setting in settings}
print("α     radius  clipped at   accuracy, each start           largest norm")
for (alpha, radius, most), runs in recalled.items():
    print(f"{alpha:<6}{radius:<8}{most:<13}", *[f"{accuracy:.2f}" for accuracy, _ in runs], end="")
    print(f"{max(norm for _, norm in runs):22.1f}")

# %%
worst = {setting: min(accuracy for accuracy, _ in runs) for setting, runs in recalled.items()}
runtime.result("lab_leaky_recall_40_steps", worst[0.1, 1, 1.0], at_least=0.98)
if budget.name != "smoke":
    assert max(accuracy for accuracy, _ in recalled[1.0, 1, 1.0]) < 0.7
    assert min(worst[0.3, 1, 1.0], worst[0.1, 4, 1.0]) > 0.98
    assert worst[0.1, 4, np.inf] < 0.7

# %% [markdown]
# The slopes had told it: with $\alpha = 1$ nothing of the first symbol arrives, and the accuracy stays near
# that of a coin; 0.3 and 0.1 learn from every start. **Look at** the last two rows: they differ in the
# clipping alone, and without it some of the runs end at a coin's accuracy. A guess at the reason: one long
# step throws the weights so far that the run does not come back; clipped, it has the same direction and a
# bounded length.
#
# ## 4. The other GRU, for sequences of several lengths
#
# The lecture's GRU is Keras's. The paper's (Cho et al., 2014) applies the reset gate *before* the product:
#
# $$z = \sigma(x_t W_z + h\, U_z + b_z), \quad r = \sigma(x_t W_r + h\, U_r + b_r), \quad
# c = \tanh\left(x_t W_c + (r \circ h)\, U_c + b_c\right),$$
# $$h \leftarrow z \circ h + (1 - z) \circ c .$$
#
# `W` $(n_x, 3 n_h)$, `U` $(n_h, 3 n_h)$ and `b` $(3 n_h,)$ hold the columns in the order $z, r, c$, as Keras
# does; a row of `x` is a sample, so the matrices stand on the right. The batch `x` $(m, T, n_x)$ has
# sequences of several `lengths` $(m,)$: sequence $i$ ends after `lengths[i]` steps (0 to $T$), and what
# stands behind it is padding. Return the states $(m, n_h)$ at the end of each sequence, not of the array.
# $h_0 = 0$, also at the end of a sequence without a step.
#
# <details><summary>Hint</summary>
#
# First write it without `lengths`. Then: at the step $t$, which rows may change?
#
# </details>
# <details><summary>A further hint</summary>
#
# `np.where(going_on[:, None], new, h)` takes rows of `new` where `going_on` is true. `np.split(array, 3,
# axis=1)` gives the three parts of the columns.
#
# </details>


# %% exercise="gru"
def gru(x, lengths, W, U, b):
    """Return the last true states (m, n_h) of a GRU whose reset gate comes before the product."""
    ### BEGIN SOLUTION
    W_z, W_r, W_c = np.split(W, 3, axis=1)
    U_z, U_r, U_c = np.split(U, 3, axis=1)
    b_z, b_r, b_c = np.split(b, 3)
    h = np.zeros((len(x), len(U)))
    for t in range(x.shape[1]):
        z = 1 / (1 + np.exp(-(x[:, t] @ W_z + h @ U_z + b_z)))
        r = 1 / (1 + np.exp(-(x[:, t] @ W_r + h @ U_r + b_r)))
        c = np.tanh(x[:, t] @ W_c + (r * h) @ U_c + b_c)
        h = np.where((t < lengths)[:, None], z * h + (1 - z) * c, h)
    return h
    ### END SOLUTION


# %% check="gru" points=3
gru = check.gru(gru)

# %% [markdown]
# Keras has it too: `reset_after=False`, and `mask` is true where a step counts. With the mask, yours must be
# equal to it. Without, the padding is read as if it were data: **what do you expect** of the state after 20
# steps of padding with zeros?

# %%
layer = layers.GRU(8, reset_after=False, bias_initializer="random_normal")
rng = np.random.default_rng(2)
x, lengths = rng.normal(size=(50, 12, 3)), rng.integers(1, 13, size=50)
there = np.arange(12) < lengths[:, None]
by_keras = ops.convert_to_numpy(layer(x, mask=there))
parts = [ops.convert_to_numpy(weight) for weight in layer.weights]
print("weights", *[part.shape for part in parts])
runtime.result("lab_gru_difference", np.abs(gru(x, lengths, *parts) - by_keras).max(), at_most=1e-5)

# %%
zeros = np.zeros((50, 20, 3))
padded = np.concatenate([rng.normal(size=(50, 12, 3)), zeros], axis=1)
true_state = gru(padded, np.full(50, 12), *parts)
for extra in (0, 1, 3, 10, 20):
    state = gru(padded, np.full(50, 12 + extra), *parts)
    print(f"{extra:3} steps of padding: {np.mean(state * true_state) / np.mean(true_state**2):6.2f}")
assert np.mean(state * true_state) < 0.2 * np.mean(true_state**2)

# %% [markdown]
# The numbers compare the state with the true one (1: equal; near 0: hardly anything of it is left). A GRU
# with random weights forgets the sentence while it reads the padding. A trained one can learn to hold its
# state, but it has to be taught that, by examples with much padding. The mask costs nothing.
#
# ## 5. Bits per character, perplexity per word
#
# The lecture measures bits per character. Publications often give the **perplexity per word**: $2$ to the
# power of the bits that a word costs on average. The bits of a word are those of all its characters and of
# the space that ends it:
#
# $$\text{bits per character} = \frac{B}{\text{characters}}, \qquad
# \text{perplexity per word} = 2^{\,B / \text{words}}, \qquad
# B = -\sum \log_2 p(\text{true character}).$$
#
# `logits` $(n, T, K)$ come from a network; `targets` $(n, T)$ are integers, $-1$ where a row is padded. All
# rows together are one text. `space` is the number of the space, and there are as many words as spaces, at
# least one; a space is a character, too. Logits may be as large as 1,000. Return the two numbers.
#
# <details><summary>Hint</summary>
#
# Sum first, divide at the end. What would `logits[i, t, -1]` be?
#
# </details>
# <details><summary>A further hint</summary>
#
# $\log p_c = a_c - \log \sum_l e^{a_l}$. Take the largest logit away from all first: $p$ stays the same.
#
# </details>


# %% exercise="bits"
def bits(logits, targets, space):
    """Return the bits per character and the perplexity per word of targets (n, T), -1 is padding."""
    ### BEGIN SOLUTION
    logits, targets = logits[targets >= 0], targets[targets >= 0]
    a = logits - logits.max(axis=1, keepdims=True)
    log_p = a[np.arange(len(targets)), targets] - np.log(np.exp(a).sum(axis=1))
    total = -np.sum(log_p) / np.log(2)
    return total / len(targets), 2 ** (total / np.sum(targets == space))
    ### END SOLUTION


# %% check="bits" points=3
bits = check.bits(bits)

# %% [markdown]
# To have something to measure, here is a model without a network. It has counted, in the training chapters
# of *Pride and Prejudice*, which character follows which context of 0, 1, … `order` characters. The
# probability after a context of $k$ characters is its counts, mixed with the probability after $k - 1$
# characters, as if that one had been seen `trust` times (MacKay & Peto, 1995). The text has 27 symbols here:
# small letters and the space.


# %%
LETTERS = " abcdefghijklmnopqrstuvwxyz"


def to_codes(chapters):
    return np.array([LETTERS.index(c) for c in re.sub("[^a-z]+", " ", " ".join(chapters).lower())])


def to_text(codes):
    return "".join(LETTERS[code] for code in codes)


def contexts(codes, order):
    """Return for each character the `order` characters before it, (n, order)."""
    before = np.concatenate([np.zeros(order, int), codes])[:-1]
    return np.array([before[k : k + len(codes)] for k in range(order)]).T.reshape(len(codes), order)


chapters = data.novel("pride_and_prejudice")
train, valid, test = (to_codes(part) for part in (chapters[:49], chapters[49:55], chapters[55:]))
train = train[: budget.pick(smoke=20_000, cpu=None)]
print(len(train), len(valid), len(test), "characters:", to_text(train[:60]))


# %%
class Counts:
    """Counts of the characters that follow each context."""

    def __init__(self, codes, order, trust=3):
        self.order, self.trust, self.tables = order, trust, []
        for k in range(order + 1):
            keys, places = np.unique(self.keys(contexts(codes, order), k), return_inverse=True)
            table = np.zeros((len(keys) + 1, 27))  # the last row is for contexts never seen
            np.add.at(table, (places, codes), 1)
            self.tables.append((keys, table))

    def keys(self, context, k):
        return context[:, self.order - k :] @ 27 ** np.arange(k)

    def probabilities(self, context):
        """Return the probabilities (n, 27) of the next character after contexts (n, order)."""
        p = np.full((len(context), 27), 1 / 27)
        for k, (keys, table) in enumerate(self.tables):
            key = self.keys(context, k)
            place = np.searchsorted(keys[:-1], key)
            seen = table[np.where(keys[place] == key, place, -1)]
            p = (seen + self.trust * p) / (seen.sum(axis=1, keepdims=True) + self.trust)
        return p


# %% [markdown]
# **Before you run the next cell, what do you expect:** bits per character fall with the order on the text
# that was counted. Do they on the validation chapters? And by which factor does the perplexity per word fall
# when a character costs 0.1 bits less?


# %%
def measured(model, codes, width=200):
    """Return your bits and perplexity of a text, cut into rows."""
    missing = -len(codes) % width
    p = model.probabilities(contexts(codes, model.order))
    p = np.concatenate([p, np.ones((missing, 27))]).reshape(-1, width, 27)
    targets = np.concatenate([codes, np.full(missing, -1)]).reshape(-1, width)
    return bits(np.log(p), targets, LETTERS.index(" "))


models = {order: Counts(train, order) for order in range(budget.pick(smoke=4, cpu=8))}
table = {
    order: (*measured(model, train[: len(valid)]), *measured(model, valid)) for order, model in models.items()
}
print("         counted text              validation")
print("order    bits    per word          bits    per word")
for order, (b, p, b_valid, p_valid) in table.items():
    print(f"{order:5}{b:8.3f}{p:12,.0f}{b_valid:14.3f}{p_valid:12,.0f}")

# %%
best = min(table, key=lambda order: table[order][2])
runtime.result("lab_counts_bits_per_character", measured(models[best], test)[0], at_most=1.75)
if budget.name != "smoke":
    assert best == 5
    assert table[7][0] < table[5][0]

# %% [markdown]
# On the counted text the bits fall with every order that we tried: it is learned by heart. On the validation
# chapters they rise again after the order 5, which is chosen; the test chapters are opened once. A word has
# five or six characters with its space, so a tenth of a bit a character is half a bit a word, a factor of
# about 1.4. **A perplexity means nothing without its unit, its alphabet and its text:** these numbers are no
# rivals of the lecture's, whose text has capitals and commas.
#
# ## 6. Cut the tail
#
# Text is sampled one character after the other. With the temperature 1 a model draws what it has learned, and
# now and then something from the long tail of unlikely characters; one odd character makes an odd word.
# **Nucleus sampling** (Holtzman et al., 2020) cuts the tail: of the probabilities *after the temperature*,
# keep the smallest set of the most probable symbols whose sum is at least `mass`, set the others to 0, and
# scale the rest to the sum 1.
#
# `logits` $(n, K)$ are finite and maybe large, and the $K$ numbers of a row are all different. `temperature`
# $> 0$; $0 <$ `mass` $\le 1$. Return the new probabilities, $(n, K)$, in the order of the symbols. Each row
# has its own set.
#
# <details><summary>Hint</summary>
#
# The probabilities 0.5, 0.3, 0.2, and a mass of 0.6: the set has two symbols. How can you tell from the sums
# of those *before* a symbol that it belongs to the set?
#
# </details>
# <details><summary>A further hint</summary>
#
# `np.argsort(-p, axis=1)` has the order, `np.take_along_axis` takes values in it, `np.cumsum` adds them up.
# Back again: the smallest probability that is kept is a limit in the old order as well.
#
# </details>


# %% exercise="nucleus"
def nucleus(logits, temperature, mass):
    """Return probabilities (n, K): after the temperature, the smallest set of a share `mass`, scaled to 1."""
    ### BEGIN SOLUTION
    a = logits / temperature
    p = np.exp(a - a.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    ranked = -np.sort(-p, axis=1)
    inside = np.cumsum(ranked, axis=1) - ranked < mass
    limit = np.min(np.where(inside, ranked, 1), axis=1, keepdims=True)
    kept = np.where(p >= limit, p, 0)
    return kept / kept.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% check="nucleus" points=3
nucleus = check.nucleus(nucleus)


# %%
def sample(model, n, length, temperature, mass, rng):
    """Return n texts of this length, each character drawn with your probabilities."""
    codes = np.zeros((n, model.order + length), int)
    for t in range(model.order, codes.shape[1]):
        p = model.probabilities(codes[:, t - model.order : t])
        sums = np.cumsum(nucleus(np.log(p), temperature, mass), axis=1)
        codes[:, t] = np.argmax(sums > rng.random((n, 1)) * sums[:, -1:], axis=1)
    return codes[:, model.order :]


model = models[best]
for temperature, mass in ((1.0, 1.0), (1.0, 0.8), (1.0, 0.3), (0.2, 1.0)):
    text = to_text(sample(model, 1, 240, temperature, mass, np.random.default_rng(3))[0])
    print(f"temperature {temperature}, mass {mass}:\n   {text[:120]}\n   {text[120:]}")

# %% [markdown]
# How to judge a sampler? Here by two shares: how many of the words stand in the training chapters, and how
# many of 12,000 words are different ones. The first alone is a bad judge: a text that repeats "the" has 100
# %. Beside them the same for real text, the validation chapters. **Before you run the next cell, what do you
# expect:** is cutting the tail better than a lower temperature?

# %%
known = set(to_text(train).split())
count = budget.pick(smoke=200, cpu=12_000)


def shares(codes):
    """Return the share of known words, and that of different words among the first `count`."""
    words = [word for row in codes for word in to_text(row).split()[1:-1]][:count]
    return np.mean([word in known for word in words]), len(set(words)) / len(words)


by_mass = [(1.0, mass) for mass in (1.0, 0.9, 0.8, 0.6, 0.4)]
by_temperature = [(temperature, 1.0) for temperature in (1.0, 0.8, 0.6, 0.4, 0.2)]
rows = budget.pick(smoke=5, cpu=200)
ways = {
    name: np.array([shares(sample(model, rows, 400, *pair, np.random.default_rng(4))) for pair in pairs])
    for name, pairs in (("nucleus", by_mass), ("temperature", by_temperature))
}
real = shares([valid])

# %%
for (name, points), marker, pairs in zip(ways.items(), "os", (by_mass, by_temperature), strict=True):
    plt.plot(points[:, 1], points[:, 0], marker + "-", label=name)
    for (known_share, different), pair in zip(points[1:], pairs[1:], strict=True):
        beside = (-22, -12) if name == "nucleus" else (5, 5)
        plt.annotate(f"{min(pair)}", (different, known_share), xytext=beside, textcoords="offset points")
plt.plot(real[1], real[0], "k*", markersize=12, label="real text")
plt.gca().set(xlabel="share of different words", ylabel="share of known words")
plt.legend()
plots.show(
    "Known words against different words for two samplers. From the same start, temperature and mass 1, both "
    "curves go to the upper left, close to each other. Real text, a star, lies above and right of both."
)

# %% [markdown]
# **Look at** the star: with the same share of known words, real text has more different ones than either
# sampler. Both ways buy known words with monotony, and at nearly the same price here. A guess at the reason:
# with 27 symbols the tail is short. Holtzman and others found a difference for large models with tens of
# thousands of symbols.
#
# ## 7. Find the fault: heads that mix up time
#
# Attention with several **heads**: the numbers of a place are cut into `heads` pieces of equal width, each
# head is an attention of its own (the lecture's, its scores divided by the root of *its* width), and the
# results of the heads are put side by side again. What may be seen:
#
# - the place $t$ sees the places up to $t$ itself, not the future;
# - sequences are padded *on the left*: nothing is seen before the place `begin[i]`, the first true one of
#   sequence $i$, counted from 0.
#
# `q` and `k` have the shape $(n, T, D)$, `v` $(n, T, E)$; the result has the shape $(n, T, E)$, and both
# widths are multiples of `heads`. What comes out before `begin` does not matter, but it has to be *finite*.
# The function becomes a part of a network, so it is written in `keras.ops`; in a network $n$ is not known
# beforehand (`-1` in a reshape), the rest is. A friend wrote this:


# %%
def faulty_attend(q, k, v, begin, heads):
    T = q.shape[1]
    E = v.shape[2]
    q = ops.reshape(q, (-1, heads, T, q.shape[2] // heads))
    k = ops.reshape(k, (-1, heads, T, k.shape[2] // heads))
    v = ops.reshape(v, (-1, heads, T, E // heads))
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / q.shape[3] ** 0.5
    t = np.arange(T)
    seen = ops.logical_and(t <= t[:, None], ops.reshape(begin, (-1, 1, 1, 1)) <= t)
    weights = ops.softmax(scores, axis=-1) * ops.cast(seen, "float32")
    return ops.reshape(ops.matmul(weights, v), (-1, T, E))


# %% [markdown]
# All shapes are right, and a network with it even learns something. Four tests that do not look at the code:
#
# 1. If all values are 1, every weighted mean of them is 1.
# 2. What is seen at a place does not change when the future changes.
# 3. Nor when the padding changes.
# 4. When the first true place changes, *each* head sees it at the last place.


# %%
def test_it(attend, heads):
    rng = np.random.default_rng(5)
    q, k, v = (rng.normal(size=(1, 6, 4)).astype("float32") for _ in range(3))
    begin, t = np.array([2]), np.arange(6)

    def seen(q, k, v):
        return ops.convert_to_numpy(attend(q, k, v, begin, heads))[0]

    def change(places):
        return np.abs(seen(*(np.where(places[:, None], 9, part) for part in (q, k, v))) - seen(q, k, v))

    ones = seen(q, k, np.ones_like(v))[2:]
    each_head = change(t == 2)[5].reshape(heads, -1).max(axis=1)
    print(f"{heads} head(s): mean of ones {ones.min():.2f} to {ones.max():.2f}; change by", end=" ")
    print(f"the future {change(t > 3)[2:4].max():.2f}, the padding {change(t < 2)[2:].max():.2f},", end=" ")
    print("the first place", *each_head.round(2))


for heads in (1, 2):
    test_it(faulty_attend, heads)

# %% [markdown]
# Even one head has a fault, and with two heads there is another one. Write `attend` as it should be.
#
# <details><summary>Hint</summary>
#
# Begin with one head. The weights of a query add up to 1 after the softmax: and after the next step? Where
# must the mask act?
#
# </details>
# <details><summary>A further hint</summary>
#
# For two heads write the numbers 0 to 7 into an array (1, 2, 4), two places of width 4, and reshape it as the
# friend does. What belongs to place 0 of head 0? And then: a row in which nothing is seen must stay finite.
#
# </details>


# %% exercise="attend"
def attend(q, k, v, begin, heads):
    """Return the attention (n, T, E) of several heads; the future and what comes before begin are hidden."""
    ### BEGIN SOLUTION
    T = q.shape[1]
    E = v.shape[2]

    def split(x):
        return ops.transpose(ops.reshape(x, (-1, T, heads, x.shape[2] // heads)), (0, 2, 1, 3))

    q, k, v = split(q), split(k), split(v)
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / q.shape[3] ** 0.5
    t = np.arange(T)
    seen = ops.logical_and(t <= t[:, None], ops.reshape(begin, (-1, 1, 1, 1)) <= t)
    weights = ops.softmax(ops.where(seen, scores, -1e9), axis=-1)
    return ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, T, E))
    ### END SOLUTION


# %% check="attend" points=4
attend = check.attend(attend)

# %%
for heads in (1, 2):
    test_it(attend, heads)

# %% [markdown]
# ## 8. Positions as angles
#
# Attention compares *what* stands at two places, not *where*. The lecture adds a learned vector for each
# place. **Rotary positions** (Su et al., 2021) turn queries and keys instead. The numbers of a place are
# taken in pairs of neighbours, $(x_0, x_1), (x_2, x_3), \dots$ At the position $t = 0, 1, \dots$ the pair $j
# = 0, 1, \dots, D/2 - 1$ is turned by the angle $\omega$:
#
# $$\begin{pmatrix} y_{2j} \\ y_{2j+1} \end{pmatrix} =
# \begin{pmatrix} \cos \omega & -\sin \omega \\ \sin \omega & \cos \omega \end{pmatrix}
# \begin{pmatrix} x_{2j} \\ x_{2j+1} \end{pmatrix}, \qquad
# \omega = t \cdot \text{base}^{-2j/D}.$$
#
# Write it for `x` $(n, T, D)$, $D$ even, with `keras.ops` ($n$ is not known in a network; the angles do not
# depend on `x`, so they can be computed with NumPy).
#
# <details><summary>Hint</summary>
#
# `x[..., 0::2]` are all first numbers of the pairs, $(n, T, D/2)$. Which shape have the angles?
#
# </details>
# <details><summary>A further hint</summary>
#
# The results have to be put back in turns: $y_0, y_1, y_2, y_3$. `ops.stack([a, b], axis=-1)` has the shape
# $(n, T, D/2, 2)$: in which order does a reshape read it? Cosines as `float32` keep the network's type.
#
# </details>


# %% exercise="rotate"
def rotate(x, base):
    """Return x (n, T, D), each pair of neighbours turned by the angle of its position and its speed."""
    ### BEGIN SOLUTION
    T, D = x.shape[1:]
    speed = base ** (-np.arange(0, D, 2) / D)
    angle = np.arange(T)[:, None] * speed
    cos, sin = np.cos(angle).astype("float32"), np.sin(angle).astype("float32")
    first, second = x[..., 0::2], x[..., 1::2]
    turned = ops.stack([first * cos - second * sin, first * sin + second * cos], axis=-1)
    return ops.reshape(turned, (-1, T, D))
    ### END SOLUTION


# %% check="rotate" points=3
rotate = check.rotate(rotate)

# %% [markdown]
# What is it good for? **Before you run the next cell:** the same query stands at all places, the same key
# too. On what does their scalar product depend after the turn?

# %%
rng = np.random.default_rng(6)
query, key = (np.tile(rng.normal(size=16), (1, 12, 1)).astype("float32") for _ in range(2))
products = ops.convert_to_numpy(ops.matmul(rotate(query, 100.0)[0], ops.transpose(rotate(key, 100.0)[0])))
drawn = plt.imshow(products, cmap="cividis")
plt.colorbar(drawn, label="scalar product")
plt.gca().set(xlabel="position of the key", ylabel="position of the query")
plt.grid(visible=False)
plots.show("A table of 12 by 12 scalar products: each diagonal from the upper left has one colour.")
assert np.allclose(products[1:, 1:], products[:-1, :-1], atol=1e-4)

# %% [markdown]
# Only on the distance: the diagonals have one colour. Turning both by the same angle changes no scalar
# product. So nothing changes when a sequence is moved to the right by padding.

# %% [markdown]
# ### Sort, and turn round
#
# Two tasks with one right answer each. After 3 to 8 different letters stands a sign: `>` asks for the letters
# in the order of the alphabet, `<` for the letters backwards. All rows are as long as the longest, filled up
# with dots on the left. The network reads a row and says at each place what comes next, as the lecture's
# language model does; the loss counts only the places after the sign.

# %%
SYMBOLS = "abcdefghijklmnopqrstuvwxyz.><"


def row_of(letters, sign, most):
    """Return the codes of one row: dots, letters, sign, answer."""
    answer = sorted(letters) if sign == ">" else letters[::-1]
    row = "".join([*letters, sign, *answer]).rjust(2 * most + 1, ".")
    return [SYMBOLS.index(symbol) for symbol in row]


def rows_of(n, rng, least=3, most=8):
    """Return n random rows of codes, (n, 2 most + 1)."""
    words = [[SYMBOLS[c] for c in rng.permutation(26)[: rng.integers(least, most + 1)]] for _ in range(n)]
    return np.array([row_of(word, "><"[rng.integers(2)], most) for word in words], "int32")


def asked(rows):
    """Return the inputs, and the next symbols: -1 where nothing is asked."""
    after_sign = np.cumsum(rows[:, :-1] > 26, axis=1) > 0
    return rows[:, :-1], np.where(after_sign, rows[:, 1:], -1)


rng = np.random.default_rng(7)
train_rows = rows_of(budget.pick(smoke=500, cpu=20_000), rng)
seen = set(map(bytes, train_rows))
test_rows = np.array([row for row in rows_of(1200, rng) if bytes(row) not in seen])[:1000]
print(train_rows.shape, test_rows.shape, *["".join(SYMBOLS[c] for c in row) for row in test_rows[:3]])

# %% [markdown]
# The network has two blocks, like the lecture's, and each attention is *yours*. There are no learned
# positions: a place is known by the angle of its queries and keys, or not at all. `begin` is the number of
# dots.

# %%
BASE, HEADS, WIDTH = 100.0, 2, 64


class Attention(layers.Layer):
    """Your attention, of queries and keys that are turned or not."""

    def __init__(self, turned):
        super().__init__()
        self.turned = turned

    def call(self, q, k, v, begin):
        if self.turned:
            q, k = rotate(q, BASE), rotate(k, BASE)
        return attend(q, k, v, begin, HEADS)


def network(turned, places):
    """Return the model of logits, and one of the queries and keys of each block."""
    codes = keras.Input((places,), dtype="int32")
    begin = ops.sum(ops.cast(ops.equal(codes, SYMBOLS.index(".")), "int32"), axis=1)
    h, pairs = layers.Embedding(len(SYMBOLS), WIDTH)(codes), []
    for _ in range(2):
        normal = layers.LayerNormalization()(h)
        q, k, v = (layers.Dense(WIDTH)(normal) for _ in range(3))
        h = h + layers.Dense(WIDTH)(Attention(turned)(q, k, v, begin))
        hidden = layers.Dense(2 * WIDTH, activation="relu")(layers.LayerNormalization()(h))
        h = h + layers.Dense(WIDTH)(hidden)
        pairs.append((q, k))
    logits = layers.Dense(len(SYMBOLS))(layers.LayerNormalization()(h))
    return keras.Model(codes, logits), keras.Model(codes, pairs)


# %%
def loss(targets, logits):
    """Return the mean cross-entropy of the places that are asked."""
    counts = ops.cast(targets >= 0, "float32")
    costs = keras.losses.sparse_categorical_crossentropy(ops.maximum(targets, 0), logits, from_logits=True)
    return ops.sum(counts * costs) / ops.sum(counts)


steps = budget.pick(smoke=4, cpu=2000)


def trained_network(turned, seed):
    keras.utils.set_random_seed(seed)
    model, pairs = network(turned, train_rows.shape[1] - 1)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps, alpha=0.05)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)
    batches = training.minibatches(asked(train_rows), 64, seed=seed)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model, pairs


# %% [markdown]
# An answer is right if *all* its letters are. (The network is given the true letters before each one. If all
# its next letters are right, it would also have written the answer alone: it would have read the same.) The
# network with your positions is trained three times, from three seeds; a network without positions only once.
# Each training takes about half a minute. **Before you run the next cell, what do you expect:** which of the
# two tasks needs positions?


# %%
def exact(model, rows):
    """Return the share of right answers for sorting and for turning round."""
    codes, targets = asked(rows)
    guess = ops.convert_to_numpy(model(codes)).argmax(axis=-1)
    right = np.all((guess == targets) | (targets < 0), axis=1)
    backwards = np.any(rows == SYMBOLS.index("<"), axis=1)
    return right[~backwards].mean(), right[backwards].mean()


def copied(rows):
    """Return the share of rows whose answer is the letters as they stand, for each task."""
    texts = ["".join(SYMBOLS[c] for c in row).strip(".") for row in rows]
    return [np.mean([a == b for a, b in (t.split(sign) for t in texts if sign in t)]) for sign in "><"]


# %%
turned_starts = [(True, seed) for seed in budget.pick(smoke=[1], cpu=[1, 2, 3])]
networks = {(turned, seed): trained_network(turned, seed) for turned, seed in [*turned_starts, (False, 1)]}


def table_of(rows):
    """Print and return the shares of right answers of all networks."""
    shares_of = {}
    print(f"{'letters as they stand':28}", *[f"{share:10.3f}" for share in copied(rows)])
    for (turned, seed), (model, _) in networks.items():
        other, _ = network(turned, rows.shape[1] - 1)  # no weight depends on the number of places
        other.set_weights(model.get_weights())
        shares_of[turned, seed] = exact(other, rows)
        name = f"{'rotary positions' if turned else 'no positions'}, seed {seed}"
        print(f"{name:28}", *[f"{share:10.3f}" for share in shares_of[turned, seed]])
    return shares_of


print(f"{'3 to 8 letters':28}       sort turn round")
short = table_of(test_rows)

# %%
for k, name in enumerate(("sorted", "turned_round")):
    runtime.result(f"lab_{name}_exact", min(short[start][k] for start in turned_starts), at_least=0.95)
if budget.name != "smoke":
    assert short[False, 1][1] < 0.1 < 0.9 < short[False, 1][0]

# %% [markdown]
# Sorting does not ask where a letter stands: the next letter is the smallest one that is larger than the
# last, and a network that sees a bag of letters can find it. Turning round asks for nothing but the places.
# (The causal mask tells a little about them, since an early place sees less than a late one. It was not
# enough in our one run.)
#
# No weight depends on the number of places. So the same networks can read rows of 9 to 12 letters, longer
# than all they were trained with. **Before you run the next cell, what do you expect?**

# %%
print(f"{'9 to 12 letters':28}       sort turn round")
long = table_of(rows_of(budget.pick(smoke=50, cpu=500), rng, least=9, most=12))
if budget.name != "smoke":
    assert long[False, 1][0] > max(long[start][0] for start in turned_starts)

# %% [markdown]
# Without positions (one seed), longer rows are sorted nearly as well as short ones: the next larger letter is
# a rule for any number of letters. With positions most of the longer rows go wrong, in both tasks. A guess at
# the reason: these distances were never trained, and a network that is told a distance uses it, also where it
# need not. What a network is *not* given, it cannot learn to depend on.
#
# How does it turn a word round? Your `attend` can tell: if the values are the columns of a unit matrix, a
# weighted mean of them *is* the row of weights. With one unit matrix for each head, side by side, the weights
# of all heads come out. **Before you run the next cell, what do you expect:** where does the network look
# when it sorts, where when it turns round?


# %%
def weights_of(pairs, codes):
    """Return the weights (block, head, T, T) of your attention for one row of codes (T,)."""
    T = len(codes)
    begin, unit = np.array([np.sum(codes == SYMBOLS.index("."))]), np.tile(np.eye(T, dtype="float32"), HEADS)
    maps = []
    for q, k in pairs(codes[None]):
        rows = attend(rotate(q, BASE), rotate(k, BASE), unit[None], begin, HEADS)
        maps.append(ops.convert_to_numpy(rows)[0].reshape(T, HEADS, T).transpose(1, 0, 2))
    return np.array(maps)


model, pairs = networks[True, 1]
WORD = "gradient"
for sign in "><":
    row = np.array(row_of(WORD, sign, 8), "int32")
    guess = ops.convert_to_numpy(model(row[None, :-1]))[0].argmax(axis=-1)
    print(f"{WORD}{sign}{''.join(SYMBOLS[c] for c in guess[8:])}")

# %%
_, axes = plt.subplots(2, 4, figsize=(11, 4.4))
for line, sign in zip(axes, "><", strict=True):
    row = np.array(row_of(WORD, sign, 8), "int32")
    names = [SYMBOLS[c] for c in row]
    for k, weights in enumerate(weights_of(pairs, row[:-1]).reshape(4, 16, 16)):
        line[k].imshow(weights[8:], cmap="cividis", vmin=0, vmax=1)
        line[k].set(title=f"{sign}  block {k // 2 + 1}, head {k % 2 + 1}", xlabel="looks at")
        line[k].set_xticks(range(16), names[:-1], fontsize=8)
        line[k].set_yticks(range(8), names[9:], fontsize=8)
        line[k].grid(visible=False)
    line[0].set_ylabel("next letter")
plots.show(
    "Eight maps of attention weights, for sorting above and turning round below: a row for each letter "
    "that is written, a column for each place that is read; two blocks with two heads each."
)

# %% [markdown]
# **Look at** the first head of block 2, in our run. Below, when the word is turned round, its bright place
# goes one step to the left with each letter from the second on: it lies two places to the *right* of the
# letter that is written. So the first block must have carried the letters there. Above, when it sorts, the
# same head looks at the letter just written, from the third on. Other heads show little that we can read: a
# map says where a head looks, not what it finds (Jain & Wallace, 2019).
#
# ## Open questions

# %% [markdown] question="flood" points=3
# **Question.** A town on a river wants a warning of floods, 12 hours ahead. It has ten years of hourly levels
# of the river at three places and of the rain at eight stations; the rain arrives with a delay of 3 hours.
# Which windows do you make (length, gap, horizon, which inputs), and how do you split the ten years? Name the
# two simplest forecasts that a network has to beat. How do you measure success, and what would you try before
# a recurrent network or a Transformer?
#
# <!-- BEGIN SOLUTION --> At the hour of the forecast the levels are known up to now and the rain up to three
# hours ago: the gap differs between the inputs, and the windows must be cut as the data arrive, not as they
# were measured later. Length: as long as water needs from the farthest station, some days, plus the season.
# Horizon: the level in 12 hours, or the highest level of the next 12. Split by time, whole floods in one
# part: the last two years for the test, the two before them for choices; never random hours, since
# neighbouring windows are nearly equal. Everything that is estimated, also the scale, comes from the training
# years. Baselines: the level stays as it is; a linear regression on the last levels and rains (and "as the
# upstream gauge some hours ago"). The mean error over all hours says little, since the river is quiet nearly
# always: count the floods announced, the false alarms, and the hours of warning, for each flood, and there
# may be only a dozen, so the spread is large and one must say so. Before a large network: the linear model
# with rain sums over several windows, then a small network on the same inputs; a recurrent cell or attention
# if the validation years say that more is left. A forecast of a distribution (quantiles) lets the town choose
# its own price of a false alarm. <!-- END SOLUTION -->

# %% [markdown] question="three-claims" points=2
# **Question.** Three claims. For each: what is wrong with the conclusion, and what would you ask for?
#
# 1. "Our network forecasts tomorrow's share price with a correlation of 0.99."
# 2. "Our language model has a perplexity of 4, yours has 60."
# 3. "The attention map shows that the network looked at the word 'not'; so that is why it answered no."
#
# <!-- BEGIN SOLUTION -->
# 1. Today's price has a correlation of 0.99 with tomorrow's as well. Ask for the error beside the naive
#    forecast's, on days after the training, and for the changes of the price instead of the price.
# 2. Per character or per word, of which text, with which alphabet, and was that text in the training? Ask for
#    the bits of the same held-out text, all of it, spaces and capitals included.
# 3. The map shows one head's weights, and what is weighted are vectors that already hold much of the whole
#    sentence; other weights may give the same answer (Jain & Wallace, 2019). Ask for an experiment: take the
#    word away or replace it, and see whether the answer changes, for many sentences.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Learn the leak.** Derive $\partial R / \partial \alpha$ from your $g_t$, one $\alpha$ for each neuron,
#   and keep it between 0 and 1 with a sigmoid. Where does it go in the task of exercise 3?
# - **Truncated back-propagation.** Set the slope to 0 at every $k$-th step on the way back. For which $k$ is
#   the first symbol still learned, and why?
# - **The seasonal forecast.** Add "as eleven years before" to the figure of exercise 1. Is it better than the
#   last value in each year ahead? Than the linear one?
# - **Trust.** Choose `trust` and the order together on the validation chapters. Then count both novels, and
#   measure each: does *Persuasion* help?
# - **A cache.** To write one more letter, a Transformer needs only its query: the old keys and values stay.
#   Write `attend` for one new place, and test that the answers are the same.
# - **Letters twice.** Allow equal letters in a word. What has the network to count now, and does it learn it?
#
# **References.**
#
# - H. Jaeger, M. Lukoševičius, D. Popovici, U. Siewert (2007). *Optimization and applications of echo state
#   networks with leaky-integrator neurons.* Neural Networks 20(3), 335–352.
#   [doi:10.1016/j.neunet.2007.04.016](https://doi.org/10.1016/j.neunet.2007.04.016)
# - K. Cho et al. (2014). *Learning phrase representations using RNN encoder-decoder for statistical machine
#   translation.* EMNLP. [arXiv:1406.1078](https://arxiv.org/abs/1406.1078)
# - D. J. C. MacKay, L. C. Bauman Peto (1995). *A hierarchical Dirichlet language model.* Natural Language
#   Engineering 1(3), 289–308. [doi:10.1017/S1351324900000218](https://doi.org/10.1017/S1351324900000218)
# - A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi (2020). *The curious case of neural text degeneration.*
#   ICLR. [arXiv:1904.09751](https://arxiv.org/abs/1904.09751)
# - J. Su, Y. Lu, S. Pan, A. Murtadha, B. Wen, Y. Liu (2021). *RoFormer: enhanced Transformer with rotary
#   position embedding.* [arXiv:2104.09864](https://arxiv.org/abs/2104.09864)
# - S. Jain, B. C. Wallace (2019). *Attention is not explanation.* NAACL.
#   [arXiv:1902.10186](https://arxiv.org/abs/1902.10186)
#
# Back to the lecture: [`../notebooks/15_sequences.ipynb`](../notebooks/15_sequences.ipynb).
