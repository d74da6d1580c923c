# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1}
# ---

# %% [markdown]
# # Lab: SGD and regularisation
#
# The lecture gave you batches, schedules, momentum, Adam, initial weights, dropout and early stopping. Here
# you go one step further with each: a warm-up, a momentum that looks ahead, an Adam with faults to find, its
# successor AdamW, the initial weights of another activation, and the way back through dropout. Then your own
# functions train a network in NumPy, and at the end you build one in Keras and look at its weights.
#
# **You need:** NumPy arrays and `np.random.default_rng`, Keras layers, paper and pencil. Lessons 02 and 03.
# About two and a half hours.

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
# ## 1. A schedule with a warm-up
#
# At the very start the gradients are large and the means of the optimiser know little. So many trainings
# begin with a **warm-up**: in the first $w$ steps the rate rises on a straight line from near zero, and
# reaches the full rate $\varepsilon$ at $r = w$. From there it falls along half a cosine wave and is zero at
# $r = R$.
#
# Return the rate of step $r = 1, 2, \dots, R$ (`steps` is $R$, `warmup` is $w$, `rate` is $\varepsilon$).
# With `warmup=0` it is the lecture's cosine.
#
# <details><summary>Hint</summary>
#
# Two cases. For the second one take the lecture's formula and ask: how many steps of the wave have passed at
# step $r$, and how many has it in all? Try $r = w$ and $r = R$ on paper.
#
# </details>


# %% exercise="schedule"
def schedule(r, rate, steps, warmup):
    """Return the learning rate of step r: a linear warm-up, then half a cosine wave down to zero."""
    ### BEGIN SOLUTION
    if r <= warmup:
        return rate * r / warmup
    share = (r - warmup) / (steps - warmup)
    return rate / 2 * (1 + np.cos(np.pi * share))
    ### END SOLUTION


# %% check="schedule" points=1
schedule = check.schedule(schedule)

# %%
for warmup, line in zip((0, 20, 100), plots.LINES, strict=False):
    rates = [schedule(r, 0.5, 200, warmup) for r in range(1, 201)]
    plt.plot(range(1, 201), rates, line, label=f"warmup = {warmup}")
plt.xlabel("step $r$")
plt.ylabel(r"learning rate $\varepsilon_r$")
plt.legend()
plots.show(
    "Three schedules over 200 steps: each rises on a straight line for 0, 20 and 100 steps, then falls along "
    "half a wave to zero."
)

# %% [markdown]
# ## 2. Nesterov's momentum
#
# Momentum takes the slope where it stands, and then moves by $v$. But it knows already where the old velocity
# will carry it: to $\theta + \mu v$. Nesterov (1983) takes the slope **there**; in the form of Sutskever et
# al. (2013),
#
# $$v_{\text{new}} = \mu v - \varepsilon\, \nabla L(\theta + \mu v), \qquad
# \theta_{\text{new}} = \theta + v_{\text{new}}$$
#
# `gradient` is a function: `gradient(point)` is $\nabla L$ at any point. Return the new $\theta$ and the new
# $v$; leave the given arrays as they are. $\theta$ may have any shape.
#
# <details><summary>Hint</summary>
#
# First compute the point ahead. And do not write `v *= mu`: this changes the array that was given.
#
# </details>


# %% exercise="nesterov_step"
def nesterov_step(theta, v, gradient, rate, mu):
    """Return (theta, v) after one step of Nesterov's momentum; gradient(point) is the slope there."""
    ### BEGIN SOLUTION
    v = mu * v - rate * gradient(theta + mu * v)
    return theta + v, v
    ### END SOLUTION


# %% check="nesterov_step" points=2
nesterov_step = check.nesterov_step(nesterov_step)

# %% [markdown]
# Does it help? A long bowl, $L = \frac12 (\theta_1^2 + 50\, \theta_2^2)$, both methods with the same rate and
# $\mu = 0.9$. **Before you run the next cell, what do you expect?** Which of the two swings less?

# %%
CURVATURE = np.array([1.0, 50.0])
ways = {
    "momentum": [(np.array([-4.0, 1.0]), np.zeros(2))],
    "Nesterov": [(np.array([-4.0, 1.0]), np.zeros(2))],
}
for _ in range(60):
    theta, v = ways["momentum"][-1]
    v = 0.9 * v - 0.01 * CURVATURE * theta
    ways["momentum"].append((theta + v, v))
    theta, v = ways["Nesterov"][-1]
    ways["Nesterov"].append(nesterov_step(theta, v, lambda point: CURVATURE * point, 0.01, 0.9))

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
for (name, way), line in zip(ways.items(), ("-o", "--s"), strict=True):
    path = np.array([theta for theta, _ in way])
    left.plot(*path.T, line, markersize=3, linewidth=1, label=name)
    right.semilogy((CURVATURE * path**2).sum(axis=1) / 2, line, markersize=3, linewidth=1)
left.plot(0, 0, "k*", markersize=11)
left.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$")
left.legend()
right.set(xlabel="step", ylabel="$L$")
plots.show(
    "Left: two ways in the plane. That of momentum swings up and down many times and overshoots; that of "
    "Nesterov's method swings once and then goes straight. Right: the loss against the step, lower for "
    "Nesterov's method nearly everywhere."
)

# %% [markdown]
# Nesterov's method: across the valley momentum swings for all 60 steps, and the look-ahead damps the swing
# after a few. From the point ahead the slope already says that the ball is about to go too far.
#
# ## 3. Find the faults in Adam
#
# Somebody has written one step of Adam. $\bar v$ and $q$ (in the code `v` and `q`) are the running means of
# the slope and of its square, `r` $= 1, 2, \dots$ is the number of this step. It should be
#
# $$\hat v = \frac{\bar v}{1 - \beta_1^r}, \qquad \hat q = \frac{q}{1 - \beta_2^r}, \qquad
# \theta \leftarrow \theta - \varepsilon \frac{\hat v}{\sqrt{\hat q} + \hat\epsilon}$$
#
# and it returns $\theta$ and the two means, which go into the next step. It runs, its first step is right
# (for slopes that are not tiny), and yet it does not train.


# %%
def faulty_adam_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon):
    v = beta1 * v + (1 - beta1) * slope
    q = beta2 * q + (1 - beta2) * slope**2
    v_hat = v / (1 - beta1 * r)
    q_hat = q / (1 - beta2 * r)
    return theta - rate * v_hat / np.sqrt(q_hat + epsilon), v_hat, q_hat


# %% [markdown]
# A good test has an answer that you know. With a constant slope $g$ both corrected means are exactly $g$ and
# $g^2$ at every step (the lecture says why), so every step has the length
# $\varepsilon\,\frac{g}{g + \hat\epsilon}$. Here are two such tests, with $\varepsilon = 0.1$ and $g = 1$,
# then $g = 10^{-6}$:

# %%
for g in (1.0, 1e-6):
    theta, v, q, moves = 0.0, 0.0, 0.0, []
    for r in (1, 2, 3):
        with np.errstate(invalid="ignore"):  # the root of a negative number is nan
            before, (theta, v, q) = theta, faulty_adam_step(theta, v, q, r, g, 0.1, 0.9, 0.999, 1e-7)
        moves.append(theta - before)
    print(f"g = {g}: the steps are {np.round(moves, 4)}, right is {-0.1 * g / (g + 1e-7):.4f} each time")

# %% [markdown]
# There are **three** faults. Find them and write the step as it should be. (Mend one, and run the two
# tests with your version: what changed?)
#
# <details><summary>Hint</summary>
#
# Two of the faults spoil every step after the first, the third one shows only for small slopes. Compare
# formula and code character by character: products and powers, what is under the root,
# what is returned.
#
# </details>


# %% exercise="adam_step"
def adam_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon):
    """Return (theta, v, q) after step r = 1, 2, ... of Adam."""
    ### BEGIN SOLUTION
    v = beta1 * v + (1 - beta1) * slope
    q = beta2 * q + (1 - beta2) * slope**2
    v_hat = v / (1 - beta1**r)
    q_hat = q / (1 - beta2**r)
    return theta - rate * v_hat / (np.sqrt(q_hat) + epsilon), v, q
    ### END SOLUTION


# %% check="adam_step" points=3
adam_step = check.adam_step(adam_step)

# %% [markdown]
# ## 4. AdamW
#
# With SGD an $\mathbb{L}^2$ penalty $\frac{\lambda}{2} \|\theta\|^2$ adds $\lambda\theta$ to the slope, and
# each step shrinks $\theta$ by the factor $1 - \varepsilon\lambda$. With Adam the sum is divided by its own
# size: where slopes are large, the penalty is divided by a large number and hardly acts. AdamW (Loshchilov &
# Hutter, 2019) leaves the slope alone. It makes Adam's step with the slope of the loss, **and beside it**
# takes the share $\varepsilon\lambda$ of the **old** $\theta$ away. Write the formula, then the step; `decay`
# is $\lambda$, a number or an array of the shape of $\theta$.
#
# <details><summary>Hint</summary>
#
# You have `adam_step`. What does it do to $\theta$, and what has to come on top? With `slope` always 0, AdamW
# is nothing but the shrinking.
#
# </details>


# %% exercise="adamw_step"
def adamw_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon, decay):
    """Return (theta, v, q) after step r = 1, 2, ... of AdamW."""
    ### BEGIN SOLUTION
    moved, v, q = adam_step(theta, v, q, r, slope, rate, beta1, beta2, epsilon)
    return moved - rate * decay * theta, v, q
    ### END SOLUTION


# %% check="adamw_step" points=2
adamw_step = check.adamw_step(adamw_step)

# %% [markdown]
# ## 5. Derive it: initial weights for a leaky ReLU
#
# A **leaky ReLU** with slope $\alpha$ lets a part of the negative half through: $\phi(a) = a$ for $a > 0$ and
# $\phi(a) = \alpha a$ for $a \le 0$. For $\alpha = 0$ it is ReLU, for $\alpha = 1$ the identity.
#
# On paper: let $a_j = \sum_l W_{j,l} h_l$ have a distribution that is symmetric around 0. Express
# $E\, \phi(a_j)^2$ by $E\, a_j^2$. With $E\, a_j^2 = n_{in} \text{Var}(W) E(h_l^2)$ from the lecture, which
# variance of the weights keeps the mean square from layer to layer?
#
# Then return such weights, of shape $(n_{out}, n_{in})$, **uniform** on an interval $(-c, c)$. All random
# numbers come from `rng`. For $\alpha = 0$ the variance must be He's.
#
# <details><summary>Hint</summary>
#
# Half of the values of $a$ are positive, half negative: $E\, \phi(a)^2$ is the mean of two terms. And what is
# the variance of a number that is uniform on $(-c, c)$? It is the integral of $x^2 / (2c)$ from $-c$ to $c$.
#
# </details>


# %% exercise="initialise"
def initialise(n_in, n_out, alpha, rng):
    """Return uniform weights (n_out, n_in) that keep the mean square of leaky ReLUs with slope alpha."""
    ### BEGIN SOLUTION
    variance = 2 / ((1 + alpha**2) * n_in)
    c = np.sqrt(3 * variance)
    return rng.uniform(-c, c, size=(n_out, n_in))
    ### END SOLUTION


# %% check="initialise" points=2
initialise = check.initialise(initialise)

# %% [markdown]
# Does the mean square stay? Twenty layers of 300 units with $\alpha = 0.3$:

# %%
for seed in range(3):
    rng = np.random.default_rng(seed)
    h, squares = rng.standard_normal((200, 300)), []
    for _ in range(20):
        a = h @ initialise(300, 300, 0.3, rng).T
        h = np.where(a > 0, a, 0.3 * a)
        squares.append(np.mean(h**2))
    print("mean square after layers 1, 5, 10, 20:", *(f"{squares[k - 1]:.2f}" for k in (1, 5, 10, 20)))

# %% [markdown]
# ## 6. Derive it: the way back through dropout
#
# A layer computes $a$ (samples, units). Then come ReLU and dropout,
# $h = \frac{\text{mask}}{1 - p} \max(0, a)$, with a mask of zeros (probability $p$) and ones, an own random
# number for each entry. From the next layer comes back $g = \partial L_n / \partial h$, an array of the same
# shape. You need $s = \partial L_n / \partial a$.
#
# Write the derivative of one $h$ by its $a$ on paper. Then return **two things**: the array $h$, and a
# function `back` with `back(g)` $= s$, which leaves `g` as it is. All random numbers come from `rng`.
#
# <details><summary>Hint</summary>
#
# `rng.random(a.shape)` gives a number between 0 and 1 for each entry. A function that is defined inside a
# function can use the variables of the outer one. Which mask must `back` use?
#
# </details>


# %% exercise="relu_dropout"
def relu_dropout(a, p, rng):
    """Return h, and the function back(g) that takes g = dL_n/dh to s = dL_n/da."""
    ### BEGIN SOLUTION
    factor = (rng.random(a.shape) >= p) / (1 - p)

    def back(g):
        return g * factor * (a > 0)

    return factor * np.maximum(0, a), back
    ### END SOLUTION


# %% check="relu_dropout" points=3
relu_dropout = check.relu_dropout(relu_dropout)

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
# A network 64-128-10 on 200 of scikit-learn's digits, with your schedule, your optimisers, your initial
# weights and your layer with dropout. All weights and biases stand in **one** vector $\theta$, so that an
# optimiser moves them in one step; `unpack` cuts it into its four arrays.

# %%
digits = data.digits()
x, y = digits.x_train.reshape(-1, 64) / 16, np.eye(10)[digits.y_train]
x_train, y_train, x_val, y_val = x[:200], y[:200], x[200:], y[200:]
print("training", x_train.shape, "validation", x_val.shape)

# %%
SHAPES = [(128, 64), (128,), (10, 128), (10,)]
CUTS = np.cumsum([np.prod(shape) for shape in SHAPES])[:-1]
IS_WEIGHT = np.concatenate([np.full(np.prod(shape), float(len(shape) == 2)) for shape in SHAPES])


def unpack(theta):
    return [part.reshape(shape) for part, shape in zip(np.split(theta, CUTS), SHAPES, strict=True)]


def pack(arrays):
    return np.concatenate([array.ravel() for array in arrays])


# %%
def softmax(a):
    f = np.exp(a - a.max(axis=1, keepdims=True))
    return f / f.sum(axis=1, keepdims=True)


def loss(theta, x, y):
    W1, b1, W2, b2 = unpack(theta)
    f = softmax(np.maximum(0, x @ W1.T + b1) @ W2.T + b2)
    return -np.mean(np.log(np.sum(f * y, axis=1) + 1e-30))


def slopes(theta, x, y, p, rng):
    W1, b1, W2, b2 = unpack(theta)
    h, back = relu_dropout(x @ W1.T + b1, p, rng)
    delta2 = (softmax(h @ W2.T + b2) - y) / len(x)
    delta1 = back(delta2 @ W2)
    return pack([delta1.T @ x, delta1.sum(axis=0), delta2.T @ h, delta2.sum(axis=0)])


# %% [markdown]
# `decay` is $\lambda$ for the weights; `IS_WEIGHT` keeps it from the biases. The $\mathbb{L}^2$ penalty of
# Nesterov's run is $\frac{\lambda}{2} \|W\|^2$, with the gradient $\lambda W$.


# %%
def train(epochs, optimizer="Nesterov", rate=0.1, p=0.0, decay=0.0, m=20, seed=0):
    """Return the training and the validation loss after each epoch, both without dropout."""
    rng = np.random.default_rng(seed)
    theta = pack([initialise(64, 128, 0, rng), np.zeros(128), initialise(128, 10, 0, rng), np.zeros(10)])
    v, q, r, curves = np.zeros_like(theta), np.zeros_like(theta), 0, []
    steps = epochs * len(x_train) // m
    for _ in range(epochs):
        for B in rng.permutation(len(x_train)).reshape(-1, m):
            r += 1
            eps = schedule(r, rate, steps, steps // 20)
            if optimizer == "Nesterov":

                def gradient(point, B=B):
                    return slopes(point, x_train[B], y_train[B], p, rng) + decay * IS_WEIGHT * point

                theta, v = nesterov_step(theta, v, gradient, eps, 0.9)
            else:
                slope = slopes(theta, x_train[B], y_train[B], p, rng)
                theta, v, q = adamw_step(theta, v, q, r, slope, eps, 0.9, 0.999, 1e-7, decay * IS_WEIGHT)
        curves.append((loss(theta, x_train, y_train), loss(theta, x_val, y_val)))
    return np.array(curves)


# %% [markdown]
# **Before you run the next cell, what do you expect?** In which runs does the training loss go to zero? In
# which does the validation loss rise again?

# %%
EPOCHS, SEEDS = budget.pick(smoke=(12, 1), cpu=(100, 3))
RUNS = {
    "Nesterov": {},
    "Nesterov, dropout 0.5": {"p": 0.5},
    "Adam": {"optimizer": "AdamW", "rate": 0.003},
    "AdamW": {"optimizer": "AdamW", "rate": 0.003, "decay": 0.3},
}
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.8), sharex=True)
for (name, options), line in zip(RUNS.items(), plots.LINES, strict=True):
    curves = np.array([train(EPOCHS, seed=seed, **options) for seed in range(SEEDS)])
    stops = [early_stopping(curve.tolist(), patience=10) for curve in curves[:, :, 1]]
    print(f"{name:22} validation loss at the end {np.round(curves[:, -1, 1], 3)}, (best, last) epoch {stops}")
    left.semilogy(1 + np.arange(EPOCHS), curves[:, :, 0].mean(axis=0), line)
    right.plot(1 + np.arange(EPOCHS), curves[:, :, 1].mean(axis=0), line, label=name)
left.set(xlabel="epoch", ylabel="cross-entropy", title="training")
right.set(xlabel="epoch", title="validation", ylim=(0.2, 0.45))
figure.legend(loc="outside lower center", ncols=4, fontsize=9)
plots.show(
    "Cross-entropy against the epochs for four kinds of runs, training on the left, validation on the right, "
    "each the mean of the seeds. Nesterov goes down fastest in training and rises in validation. With "
    "dropout the training loss ends lowest and the validation loss, too. AdamW ends above Adam in training "
    "and below it in validation."
)

# %% [markdown]
# Look first at the two lines of Nesterov, without and with dropout. In training both go to zero: with dropout
# the network learns its 200 digits by heart, too, only later. But its validation loss stays low, and that of
# the plain run rises. Adam rises less; it makes smaller steps here and has not gone as far down in training,
# so this does not say that Adam regularises. AdamW keeps the training loss up and ends below Adam, from each
# seed. Then look at the printed epochs: with a patience of 10, the runs stop at very different epochs. Early
# stopping saves time, but it does not know what would have come.
#
# ## 8. A regularised network in Keras
#
# Build a network **784-128-128-10**: ReLU in the two hidden layers, softmax at the end, and
#
# - an $\mathbb{L}^1$ penalty with $\lambda$ = `l1` on the weights of the **first** `Dense` layer;
# - an $\mathbb{L}^2$ penalty with $\lambda$ = `l2` on the weights of the **other two**; on no bias;
# - dropout with probability `p` after each hidden layer, none on the input.
#
# <details><summary>Hint</summary>
#
# `keras.Sequential([...])`, beginning with `keras.Input((784,))`. `keras.regularizers` has a class for each
# of the two penalties.
#
# </details>


# %% exercise="build_model"
def build_model(l1, l2, p):
    """Return a keras.Model 784-128-128-10 with an L1 penalty, L2 penalties and dropout."""
    ### BEGIN SOLUTION
    sparse, small = keras.regularizers.L1(l1), keras.regularizers.L2(l2)
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(128, activation="relu", kernel_regularizer=sparse),
            layers.Dropout(p),
            layers.Dense(128, activation="relu", kernel_regularizer=small),
            layers.Dropout(p),
            layers.Dense(10, activation="softmax", kernel_regularizer=small),
        ]
    )
    ### END SOLUTION


# %% check="build_model" points=2
build_model = check.build_model(build_model)

# %% [markdown]
# Does it help? 1,000 images of MNIST, the plain network and the regularised one, from three seeds each,
# validated on 2,000 others.

# %%
mnist = data.mnist()
images, labels = mnist.x_train.reshape(-1, 784).astype("float32") / 255, mnist.y_train


def trained_model(seed, epochs=EPOCHS // 2, **options):
    """Return a trained model and its validation accuracy."""
    keras.utils.set_random_seed(seed)
    model = build_model(**options)
    rate = keras.optimizers.schedules.CosineDecay(0.05, decay_steps=epochs * 1000 // 50)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[:1000], labels[:1000], batch_size=50, epochs=epochs, verbose=0)
    return model, model.evaluate(images[50_000:52_000], labels[50_000:52_000], batch_size=500, verbose=0)[1]


# %%
plain = [trained_model(seed, l1=0.0, l2=0.0, p=0.0) for seed in range(SEEDS)]
regularised = [trained_model(seed, l1=3e-4, l2=1e-3, p=0.3) for seed in range(SEEDS)]
accuracies = np.array([[accuracy for _, accuracy in models] for models in (plain, regularised)])
print(f"plain {np.round(accuracies[0], 3)}, regularised {np.round(accuracies[1], 3)}")
gain = accuracies[1].mean() - accuracies[0].mean()
runtime.result("lab_regularised_minus_plain_accuracy", gain, at_least=0.005)

# %% [markdown]
# And what do the two networks look at? Each hidden unit has 784 weights, one for each pixel: a picture. Grey
# is 0, black negative, white positive. **Before you run the next cell, what do you expect?** At the border
# all digits are black: what are the weights there, without and with the penalty?

# %%
for name, (model, _) in [("without penalty", plain[0]), ("with the L1 penalty", regularised[0])]:
    W = model.get_weights()[0]
    loudest = np.argsort(-np.linalg.norm(W, axis=0))[:10]
    print(f"{name}: {np.mean(np.abs(W) < 1e-3):.0%} of the weights of layer 1 are below 0.001")
    plots.image_grid(W.T[loudest].reshape(-1, 28, 28), columns=10)
    plots.show(f"The weights of 10 hidden units {name}, as pictures of 28 by 28 pixels.")

# %% [markdown]
# Without the penalty each picture is full of noise up to the border: the random start, which no gradient has
# ever changed. (A pixel that is always 0 has the slope 0. Why?) With $\mathbb{L}^1$ the noise is gone. What
# is left are dark and light patches in the middle, where the strokes are.

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
# In training the next layer would receive $(1 - p) h_l$ on average from each unit, in inference $h_l$: its
# input $\sum_l W_{j,l} h_l$ would be $1 / (1 - p)$ times as large as it was trained for (twice, for
# $p = 0.5$). One can repair it by multiplying the weights, or the activations, by $1 - p$ in inference, as in
# the first papers. For a linear layer the mean over the masks can be taken into the sum,
# $E \sum_l W_{j,l}\, \text{mask}_l\, h_l = (1 - p) \sum_l W_{j,l} h_l$, so the two are exactly proportional.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# No checks here.
#
# 1. **Adam with a penalty, by hand.** Put $\lambda\theta$ into Adam's slope in place of AdamW's decay. Show
#    that the length of the very first step does not depend on $\lambda$, if the slope of the loss is 0.
#    Compare both in `train`.
# 2. **Exact zeros.** After each SGD step on the slope without penalty, replace each weight $w$ by
#    $\text{sign}(w) \max(|w| - \varepsilon\lambda, 0)$. Compare the sparsity with that of the
#    $\mathbb{L}^1$ gradient.
# 3. **Dropout as uncertainty.** Keep dropout on in inference, predict an image 100 times, and draw the
#    histogram of the answers, for a clear and for a doubtful digit. (Gal & Ghahramani, 2016)
#
# ## Summary
#
# You wrote a schedule with a warm-up, two optimisers beyond the lecture's, derived the initial weights of
# another activation and the way back through dropout, and found three faults in an Adam that looked right.
# Back to [the lecture](../notebooks/04_sgd_and_regularization.ipynb).
#
# ## References
#
# - Yu. Nesterov (1983). A method of solving a convex programming problem with convergence rate $O(1/k^2)$.
#   *Soviet Mathematics Doklady* 27, 372-376.
# - I. Sutskever, J. Martens, G. Dahl, G. Hinton (2013). On the importance of initialization and momentum in
#   deep learning. *ICML*, PMLR 28(3), 1139-1147.
#   [proceedings.mlr.press/v28/sutskever13](https://proceedings.mlr.press/v28/sutskever13.html)
# - I. Loshchilov, F. Hutter (2019). Decoupled weight decay regularization. *ICLR*.
#   [arXiv:1711.05101](https://arxiv.org/abs/1711.05101)
# - Y. Gal, Z. Ghahramani (2016). Dropout as a Bayesian approximation. *ICML*, PMLR 48, 1050-1059.
#   [arXiv:1506.02142](https://arxiv.org/abs/1506.02142)
