# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1}
# ---

# %% [markdown]
# # Lab: SGD and regularisation
#
# You write the parts of a training loop: batches, learning-rate schedules, momentum, Adam, initial weights,
# dropout and early stopping. Then your own functions train a network in NumPy, and at the end you build a
# regularised network in Keras that beats the plain one.
#
# Read [the lecture](../notebooks/04_sgd_and_regularization.ipynb) first; the formulas are explained there.
# Close it while you write, and compare afterwards.
#
# After each exercise a check answers in one line. If your function is not right yet, the notebook goes on
# with the course's own version, so you can continue and come back later.
#
# **You need:** NumPy arrays and `np.random.default_rng`, Keras layers. Lessons 02 and 03.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import sgd_and_regularization as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

# %% [markdown]
# ## 1. Batches
#
# Cut the indices $0, \dots, n - 1$ into batches of $m$, at random and **without replacement**. Return a list
# of arrays of integers. Each index is in exactly one of them. If $m$ does not divide $n$, the last batch is
# shorter. All random numbers come from `rng`, a `np.random.Generator`: each epoch mixes the samples anew.
#
# Example: `batches(10, 4, rng)` may give `[array([1, 0, 7, 2]), array([9, 8, 6, 4]), array([3, 5])]`.
#
# <details><summary>Hint</summary>
#
# `rng.permutation(n)` gives the indices in random order. `range(0, n, m)` gives the places where batches
# begin. A slice that goes over the end of an array simply stops there.
#
# </details>


# %% exercise="batches"
def batches(n, m, rng):
    """Return the indices 0, ..., n - 1 in random order, as a list of arrays of m; the last may be shorter."""
    ### BEGIN SOLUTION
    order = rng.permutation(n)
    return [order[start : start + m] for start in range(0, n, m)]
    ### END SOLUTION


# %% check="batches" points=2
batches = check.batches(batches)

# %% [markdown]
# ## 2. Learning-rate schedules
#
# Return the learning rate $\varepsilon_r$ of step $r = 1, 2, \dots, R$ (`steps` is $R$), for the three names
#
# - `"constant"`: $\varepsilon_r = \varepsilon$
# - `"inverse"`: $\varepsilon_r = \varepsilon / r$
# - `"cosine"`: $\varepsilon_r = \frac{\varepsilon}{2} \left(1 + \cos \frac{\pi r}{R}\right)$
#
# <details><summary>Hint</summary>
#
# Three times `if name == ...: return ...`. Test yourself: what should the cosine give for $r = R$?
#
# </details>


# %% exercise="schedule"
def schedule(name, r, rate, steps):
    """Return the learning rate of step r. name: "constant", "inverse" or "cosine"."""
    ### BEGIN SOLUTION
    if name == "constant":
        return rate
    if name == "inverse":
        return rate / r
    return rate / 2 * (1 + np.cos(np.pi * r / steps))
    ### END SOLUTION


# %% check="schedule" points=1
schedule = check.schedule(schedule)

# %%
r = np.arange(1, 201)
for name, line in zip(("constant", "inverse", "cosine"), plots.LINES, strict=False):
    plt.plot(r, [schedule(name, step, rate=0.5, steps=200) for step in r], line, label=name)
plt.xlabel("step $r$")
plt.ylabel(r"learning rate $\varepsilon_r$")
plt.legend()
plots.show(
    "Three schedules over 200 steps: a constant; 1/r, near zero after a few steps; half a cosine wave."
)

# %% [markdown]
# ## 3. SGD with momentum and penalty
#
# One step for an array of parameters $\theta$ (of any shape) with the velocity $v$. `slope` is the gradient
# of the loss of the batch, **without** penalty; the penalty is $\lambda \|\theta\|^2$, with $\lambda$ = `l2`.
#
# $$\tilde\nabla = \text{slope} + \lambda \nabla_\theta \|\theta\|^2, \qquad
# v \leftarrow \mu v - \varepsilon \tilde\nabla, \qquad
# \theta \leftarrow \theta + v$$
#
# Return the new $\theta$ and the new $v$; leave the given arrays as they are. With $\mu = 0$ and $\lambda =
# 0$ this is plain SGD.
#
# <details><summary>Hint</summary>
#
# What is the gradient of a sum of squares? (Lesson 03.) And do not write `v *= mu`: this changes the array
# that was given.
#
# </details>


# %% exercise="sgd_step"
def sgd_step(theta, v, slope, rate, mu, l2):
    """Return (theta, v) after one step of SGD with momentum mu and penalty l2 * sum(theta**2)."""
    ### BEGIN SOLUTION
    v = mu * v - rate * (slope + 2 * l2 * theta)
    return theta + v, v
    ### END SOLUTION


# %% check="sgd_step" points=2
sgd_step = check.sgd_step(sgd_step)

# %% [markdown]
# ## 4. Adam
#
# One step of Adam for an array $\theta$ of any shape. $m$ and $s$ are the running means of the gradient and
# of its square; $r = 1, 2, \dots$ is the number of this step. All operations are elementwise.
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, \text{slope}, \qquad
# s \leftarrow \beta_2 s + (1 - \beta_2)\, \text{slope}^2$$
#
# $$\hat m = \frac{m}{1 - \beta_1^r}, \qquad \hat s = \frac{s}{1 - \beta_2^r}, \qquad
# \theta \leftarrow \theta - \varepsilon \frac{\hat m}{\sqrt{\hat s} + \epsilon}$$
#
# Return the new $\theta$, $m$ and $s$. (Return $m$ and $s$, not $\hat m$ and $\hat s$: the next step
# continues with the uncorrected ones.)
#
# <details><summary>Hint</summary>
#
# Translate line by line, with new names for the corrected values, such as `m_hat`. Look where the small
# $\epsilon$ stands: inside or outside the root?
#
# </details>


# %% exercise="adam_step"
def adam_step(theta, m, s, r, slope, rate, beta1, beta2, epsilon):
    """Return (theta, m, s) after step r = 1, 2, ... of Adam."""
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * slope
    s = beta2 * s + (1 - beta2) * slope**2
    m_hat = m / (1 - beta1**r)
    s_hat = s / (1 - beta2**r)
    return theta - rate * m_hat / (np.sqrt(s_hat) + epsilon), m, s
    ### END SOLUTION


# %% check="adam_step" points=3
adam_step = check.adam_step(adam_step)

# %% [markdown]
# ## 5. Initial weights
#
# Return a random matrix $W$ of shape $(n_{out}, n_{in})$, a row for each unit, from a normal distribution
# (or a uniform one) with mean 0 and
#
# - `kind="glorot"`: variance $2 / (n_{in} + n_{out})$
# - `kind="he"`: variance $2 / n_{in}$
#
# All random numbers come from `rng`.
#
# <details><summary>Hint</summary>
#
# `rng.standard_normal(shape)` has variance 1. What is the variance of $c Z$, if $Z$ has variance 1?
# (A uniform number between $-c$ and $c$ has the variance $c^2 / 3$.)
#
# </details>


# %% exercise="initialise"
def initialise(n_in, n_out, kind, rng):
    """Return random weights of shape (n_out, n_in). kind: "glorot" or "he"."""
    ### BEGIN SOLUTION
    variance = 2 / n_in if kind == "he" else 2 / (n_in + n_out)
    return np.sqrt(variance) * rng.standard_normal((n_out, n_in))
    ### END SOLUTION


# %% check="initialise" points=2
initialise = check.initialise(initialise)

# %% [markdown]
# ## 6. Dropout
#
# `h` holds the activations of a layer, a row for each sample. In training, set each entry to zero with
# probability $p$, independently, and multiply the others by $1 / (1 - p)$. In inference (`training` is
# `False`) return `h` as it is. All random numbers come from `rng`.
#
# <details><summary>Hint</summary>
#
# `rng.random(h.shape)` gives a number between 0 and 1 for each entry. With which probability is it smaller
# than $p$? A mask of True and False can be multiplied with an array.
#
# </details>


# %% exercise="dropout"
def dropout(h, p, rng, training):
    """Return h (samples, units) after dropout with probability p of dropping."""
    ### BEGIN SOLUTION
    if not training:
        return h
    kept = rng.random(h.shape) >= p
    return kept * h / (1 - p)
    ### END SOLUTION


# %% check="dropout" points=2
dropout = check.dropout(dropout)

# %% [markdown]
# ## 7. Early stopping
#
# `curve` is a list: the validation loss after epoch 1, 2, 3, ... Training stops after the first epoch at
# which the last `patience` epochs have all brought **no new minimum**. If that never happens, it stops at
# the end of the curve. An equal loss is no new minimum.
#
# Return the pair (best epoch, last epoch). The best epoch has the lowest loss of those that were trained.
# Epochs count from 1.
#
# Example: `early_stopping([0.9, 0.5, 0.6, 0.7, 0.3], patience=2)` is `(2, 4)`: after epoch 4 there have been
# two epochs without a new minimum, so epoch 5 is never trained.
#
# <details><summary>Hint</summary>
#
# Go through the curve with `enumerate(curve, start=1)`. Remember the lowest loss, its epoch, and how many
# epochs have passed since.
#
# </details>


# %% exercise="early_stopping"
def early_stopping(curve, patience):
    """Return (best epoch, last epoch), both counted from 1."""
    ### BEGIN SOLUTION
    best, lowest = 0, np.inf
    for epoch, loss in enumerate(curve, start=1):
        if loss < lowest:
            best, lowest = epoch, loss
        elif epoch - best >= patience:
            break
    return best, epoch
    ### END SOLUTION


# %% check="early_stopping" points=2
early_stopping = check.early_stopping(early_stopping)

# %% [markdown]
# ## Your functions train a network
#
# A network 64-128-10 on 200 of scikit-learn's digits, with your batches, your schedule, your optimisers,
# your initial weights and your dropout. The backward pass is that of lesson 03; look where the mask of
# dropout comes in.

# %%
digits = data.digits()
x, y = digits.x_train.reshape(-1, 64) / 16, np.eye(10)[digits.y_train]
x_train, y_train, x_val, y_val = x[:200], y[:200], x[200:], y[200:]
print("training", x_train.shape, "validation", x_val.shape)


# %%
def softmax(a):
    f = np.exp(a - a.max(axis=1, keepdims=True))
    return f / f.sum(axis=1, keepdims=True)


def loss(W1, b1, W2, b2, x, y):
    f = softmax(np.maximum(0, x @ W1.T + b1) @ W2.T + b2)
    return -np.mean(np.log(np.sum(f * y, axis=1) + 1e-30))


def slopes(W1, b1, W2, b2, x, y, p, rng):
    h = np.maximum(0, x @ W1.T + b1)
    dropped = dropout(h, p, rng, True)
    mask = dropped / np.where(h > 0, h, 1)  # 0 or 1 / (1 - p); also 0 where ReLU is flat: phi' is in it
    delta = (softmax(dropped @ W2.T + b2) - y) / len(x)
    back = delta @ W2 * mask
    return back.T @ x, back.sum(axis=0), delta.T @ dropped, delta.sum(axis=0)


# %%
def train(epochs, optimizer="sgd", rate=0.1, p=0.0, l2=0.0, m=20, seed=0):
    """Return the training and the validation loss after each epoch."""
    rng = np.random.default_rng(seed)
    theta = [initialise(64, 128, "he", rng), np.zeros(128), initialise(128, 10, "he", rng), np.zeros(10)]
    v, s = ([np.zeros_like(array) for array in theta] for _ in range(2))
    curves, r, steps = [], 0, epochs * len(batches(len(x_train), m, rng))
    for _ in range(epochs):
        for B in batches(len(x_train), m, rng):
            r += 1
            eps = schedule("cosine", r, rate, steps)
            for i, slope in enumerate(slopes(*theta, x_train[B], y_train[B], p, rng)):
                if optimizer == "sgd":
                    penalty = l2 if theta[i].ndim == 2 else 0.0  # weights only
                    theta[i], v[i] = sgd_step(theta[i], v[i], slope, eps, 0.9, penalty)
                else:
                    theta[i], v[i], s[i] = adam_step(theta[i], v[i], s[i], r, slope, eps, 0.9, 0.999, 1e-7)
        curves.append((loss(*theta, x_train, y_train), loss(*theta, x_val, y_val)))
    return np.array(curves)


# %% [markdown]
# The losses are computed without dropout, on all units. **Before you run the next cell, what do you expect?**
# In which runs does the training loss go to zero? In which does the validation loss rise again?

# %%
EPOCHS = budget.pick(smoke=40, cpu=100)
RUNS = {
    "SGD, momentum": {},
    "Adam": {"optimizer": "adam", "rate": 0.003},
    "momentum, dropout 0.5": {"p": 0.5},
    "momentum, L2": {"l2": 1e-3},
}
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.6), sharex=True)
for (name, options), line in zip(RUNS.items(), plots.LINES, strict=True):
    curves = train(EPOCHS, **options)
    best, last = early_stopping(curves[:, 1].tolist(), patience=10)
    print(f"{name:22} validation loss {curves[-1, 1]:.3f}; patience 10 stops at {last}, best epoch {best}")
    left.semilogy(1 + np.arange(EPOCHS), curves[:, 0], line)
    right.plot(1 + np.arange(EPOCHS), curves[:, 1], line, label=name)
left.set(xlabel="epoch", ylabel="cross-entropy", title="training")
right.set(xlabel="epoch", title="validation", ylim=(0.2, 0.45))
figure.legend(loc="outside lower center", ncols=4, fontsize=8)
plots.show(
    "Cross-entropy against the epochs for four runs, training on the left, validation on the right. The run "
    "with plain momentum goes down fastest in training and rises in validation; the other three stay low."
)

# %% [markdown]
# Look first at the two lines of momentum, without and with dropout. In training both go to zero: with dropout
# the network learns its 200 digits by heart, too, only later. But its validation loss stays low, and that of
# plain momentum rises. With L2 the training loss cannot go to zero. Then look at the printed lines: with a
# patience of 10, the runs stop at very different epochs. Early stopping saves time, but it does not know what
# would have come.
#
# ## 8. A regularised network in Keras
#
# Build (do not compile) a network **784-128-128-10**: ReLU in the two hidden layers, softmax at the end, and
#
# - an $\mathbb{L}^2$ penalty with $\lambda$ = `l2` on the **weights** of all three `Dense` layers, and on no
#   bias;
# - dropout with probability `p_input` on the input and `p_hidden` after each hidden layer;
# - Keras's own initialisers.
#
# <details><summary>Hint</summary>
#
# `keras.Sequential([...])`, beginning with `keras.Input((784,))`. Look up `kernel_regularizer` and
# `keras.regularizers.L2`. Dropout is a layer of its own.
#
# </details>


# %% exercise="build_model"
def build_model(l2, p_input, p_hidden):
    """Return a keras.Model 784-128-128-10 with L2 penalty and dropout."""
    ### BEGIN SOLUTION
    penalty = keras.regularizers.L2(l2)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dropout(p_input),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(128, activation="relu", kernel_regularizer=penalty),
            layers.Dropout(p_hidden),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )
    ### END SOLUTION


# %% check="build_model" points=3
build_model = check.build_model(build_model)

# %% [markdown]
# Does it help? 1,000 images of MNIST, the plain network and the regularised one, twice each, validated on
# 2,000 others. (There is no choice to make here, so there is no need for the test set.)

# %%
mnist = data.mnist()
images, labels = mnist.x_train.reshape(-1, 784).astype("float32") / 255, mnist.y_train


def validation_accuracy(seed, epochs=EPOCHS // 2, **options):
    keras.utils.set_random_seed(seed)
    model = build_model(**options)
    rate = keras.optimizers.schedules.CosineDecay(0.05, decay_steps=epochs * 1000 // 50)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[:1000], labels[:1000], batch_size=50, epochs=epochs, verbose=0)
    return model.evaluate(images[50_000:52_000], labels[50_000:52_000], batch_size=500, verbose=0)[1]


# %%
plain = [validation_accuracy(seed, l2=0.0, p_input=0.0, p_hidden=0.0) for seed in (0, 1)]
regularised = [validation_accuracy(seed, l2=1e-3, p_input=0.2, p_hidden=0.3) for seed in (0, 1)]
print(f"plain {np.round(plain, 3)}, regularised {np.round(regularised, 3)}")
runtime.result("lab_regularised_minus_plain_accuracy", np.mean(regularised) - np.mean(plain), at_least=0.005)

# %% [markdown] question="which-set" points=2
# **Question.** A friend trains twenty networks with different $\lambda$ and $p$, computes the test accuracy
# of all of them and reports the best, 92.4 %. What is wrong with this figure? In which direction is it wrong,
# and what should your friend have done with the same data? (Five sentences at most.)
#
# <!-- BEGIN SOLUTION -->
# The test set was used to choose, so the reported network was selected partly for its luck on these images.
# The best of twenty noisy figures is on average higher than the true accuracy of that network: the figure is
# too optimistic, and the more so the more networks are compared and the smaller the test set is. The choice
# belongs on a validation set, split off the training data; if possible over several seeds. Then the test
# accuracy of the chosen network alone is computed, once, and reported whatever it is.
# <!-- END SOLUTION -->

# %% [markdown] question="dropout-at-test" points=2
# **Question.** Without the factor $1 / (1 - p)$ in training, what would go wrong in inference, and how could
# one repair it there? Why is a linear layer after the dropout enough to see it?
#
# <!-- BEGIN SOLUTION -->
# In training the next layer would receive $(1 - p) h_j$ on average from each unit, in inference $h_j$: its
# input $\sum_j W_{ij} h_j$ would be $1 / (1 - p)$ times as large as it was trained for (twice, for
# $p = 0.5$). One can repair it by multiplying the weights, or the activations, by $1 - p$ in inference, as in
# the first papers. For a linear layer the mean over the masks can be taken into the sum,
# $E \sum_j W_{ij} \mu_j h_j = (1 - p) \sum_j W_{ij} h_j$, so the two are exactly proportional.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# No checks here.
#
# 1. **Nesterov's momentum.** Take the gradient at $\theta + \mu v$ in place of $\theta$. Compare both on the
#    valley of the lecture. (Nesterov, 1983; Sutskever et al., 2013,
#    [proceedings.mlr.press/v28/sutskever13](https://proceedings.mlr.press/v28/sutskever13.html))
# 2. **Weight decay in Adam.** With Adam, the gradient $2\lambda\theta$ is divided by $\sqrt{\hat s}$ as well,
#    so large gradients weaken the penalty. AdamW shrinks $\theta$ directly: $\theta \leftarrow \theta -
#    \varepsilon \lambda \theta$ beside Adam's step. Write it; compare with `keras.optimizers.AdamW`.
#    (Loshchilov & Hutter, 2019, [arXiv:1711.05101](https://arxiv.org/abs/1711.05101))
# 3. **Exact zeros.** After each SGD step on the slope without penalty, replace each weight $w$ by
#    $\text{sign}(w) \max(|w| - \varepsilon\lambda, 0)$. Compare the sparsity with that of the
#    $\mathbb{L}^1$ gradient.
# 4. **Dropout as uncertainty.** Keep dropout on in inference, predict an image 100 times, and draw the
#    histogram of the answers, for a clear and for a doubtful digit. (Gal & Ghahramani, 2016,
#    [arXiv:1506.02142](https://arxiv.org/abs/1506.02142))
#
# ## Summary
#
# You wrote what happens inside `model.fit`: batches, a schedule, an optimiser; and three ways to keep a large
# network from learning its images by heart. Back to [the
# lecture](../notebooks/04_sgd_and_regularization.ipynb), where the references are.
