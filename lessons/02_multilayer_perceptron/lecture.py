# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 2.8}
# ---

# %% [markdown]
# # The multilayer perceptron
#
# One neuron draws one straight line. Put neurons side by side and you have a *layer*; let the output of a
# layer be the input of the next one and you have a *multilayer perceptron*. In this lesson you write such a
# network in a few lines of NumPy, check that Keras computes the same numbers, and then use it: to solve
# XOR, to approximate a curve, to read handwritten digits. At the end, a neuron's output comes back as its
# own input: that is a recurrent network.
#
# **You need** lesson 01, matrix products, and NumPy arrays. The symbols are those of the table of
# [notation](01_neurons.ipynb#Notation); new here are the activation $\psi$ of the output layer and the number
# $n_k$ of neurons of layer $k$. Plan about two hours.
#
# **Objectives.** After this lesson you can
#
# - write the equations of a network with $L$ hidden layers, with the shape of every matrix;
# - choose the activation of the output layer: identity, sigmoid or softmax;
# - count the parameters of a network by hand;
# - build the same network with Keras's Sequential and functional API, and say how Keras stores its weights;
# - say what `compile` and `fit` do, and show that the loss of a network is not convex;
# - say what the universal approximation theorem promises, what it does not, and what depth adds;
# - train a network that reads at least 97.5 % of MNIST's test digits;
# - write the recurrence of a recurrent layer, train one on a short series, and say what it can do that a
#   network on the last few values cannot.

# %%
from nnlabs import data, diagrams, plots, runtime, widgets

budget = runtime.setup(seed=2)

# %%
import warnings
from itertools import pairwise

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. Layers
#
# Look at the figure from left to right. The *input layer* holds the components of $x$; it computes nothing.
# Each circle of a *hidden layer* is a neuron: it receives every output of the layer before. The last layer
# is the *output layer*. Each line is one weight; the biases are not drawn.

# %%
diagrams.network([3, 4, 4, 2])
plots.show("A network drawn as columns of circles: 3 inputs, two hidden layers of 4 neurons, 2 outputs.")

# %% [markdown]
# The architecture is your choice: the number $L$ of hidden layers, the number of neurons in each, the
# activation functions. The figure has $L = 2$.
#
# Write $h^{(0)}(x) = x$. Layer $k$ takes the vector $h^{(k-1)}$, computes one number for each of its
# neurons, and applies the activation function $\phi$ to each:
#
# $$a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)}, \qquad h^{(k)} = \phi(a^{(k)}), \qquad k = 1, \dots, L.$$
#
# **Shapes.** $W^{(k)}$ has one *row for each neuron of layer $k$* and one *column for each neuron of layer
# $k-1$*. Row $j$ is the weight vector $w_j$ of neuron $j$. The bias $b^{(k)}$ has one number for each
# neuron of layer $k$.
#
# As $\phi$ we take the ReLU, $\phi(a) = \max(0, a)$. (Chapter 6 of Goodfellow, Bengio & Courville, 2016,
# treats all of this at length.)


# %%
def relu(a):
    return np.maximum(0.0, a)


# %% [markdown]
# Here is the first hidden layer of the figure, for one input $x$: 4 neurons, 3 inputs each.

# %%
# NBVAL_CHECK_OUTPUT
rng = np.random.default_rng(0)
x = np.array([0.5, -1.0, 2.0])
W1 = rng.normal(size=(4, 3))  # 4 neurons, 3 inputs each
b1 = rng.normal(size=4)
print("x", x.shape, " W1", W1.shape, " b1", b1.shape)

# %%
# NBVAL_CHECK_OUTPUT
a1 = b1 + W1 @ x
h1 = relu(a1)
print("a1", a1.round(2))
print("h1", h1.round(2))

# %% [markdown]
# ReLU has set the negative numbers to zero and kept the others.
#
# **A batch.** In practice many inputs are computed at once. They are the *rows* of a matrix $X$: shape
# (samples, inputs). The formula above has $h^{(k-1)}$ as a column, so for rows it reads
#
# $$A^{(k)} = H^{(k-1)} \, {W^{(k)}}^{\top} + b^{(k)},$$
#
# with one row for each sample. NumPy adds $b^{(k)}$ to every row.

# %%
# NBVAL_CHECK_OUTPUT
X = rng.normal(size=(5, 3))  # 5 samples of 3 numbers
A1 = X @ W1.T + b1
print("X", X.shape, " A1", A1.shape)
assert np.allclose(A1[0], b1 + W1 @ X[0])  # row 0 is what the formula gives for sample 0

# %% [markdown]
# **Why $\phi$ cannot be left out.** Without it, two layers are
# $W^{(2)}(W^{(1)}x + b^{(1)}) + b^{(2)} = (W^{(2)}W^{(1)})\,x + (W^{(2)}b^{(1)} + b^{(2)})$: one layer
# again, with other numbers. A thousand linear layers are still one linear layer.

# %%
W2, b2 = rng.normal(size=(2, 4)), rng.normal(size=2)
two_layers = (X @ W1.T + b1) @ W2.T + b2
one_layer = X @ (W2 @ W1).T + (W2 @ b1 + b2)
assert np.allclose(two_layers, one_layer)

# %% [markdown]
# ## 2. The output layer
#
# The last layer, number $L+1$, has its own activation function $\psi$:
#
# $$a^{(L+1)} = b^{(L+1)} + W^{(L+1)} h^{(L)}, \qquad f(x, \theta) = h^{(L+1)} = \psi(a^{(L+1)}).$$
#
# $\theta$ stands for all weights and biases together. Which $\psi$ you need depends on the task:
#
# | task | neurons in the output layer | $\psi$ | what the output means |
# | --- | --- | --- | --- |
# | regression | one for each number to predict | identity | the predicted numbers, of any size |
# | binary classification | 1 | sigmoid | $P(Y = 1 \mid X = x)$, between 0 and 1 |
# | classification, $K$ classes | $K$ | softmax | $P(Y = c \mid X = x)$ for each class $c$; their sum is 1 |
#
# The softmax turns any $K$ numbers $z_1, \dots, z_K$ into probabilities:
#
# $$\mathrm{softmax}(z)_c = \frac{\exp(z_c)}{\sum_{j=1}^{K} \exp(z_j)}.$$
#
# Its inputs $z$ are called *logits*.


# %%
def softmax_as_written(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


# %%
# NBVAL_CHECK_OUTPUT
z = np.array([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0]])  # two samples, three classes
p = softmax_as_written(z)
print(p.round(3))
print("sum of each row:", p.sum(axis=-1))

# %% [markdown]
# The largest logit gets the largest probability. Equal logits give equal probabilities.
#
# **Before you run the next cell: what do you expect** for the logits (1000, 999)?

# %%
# NBVAL_CHECK_OUTPUT
large = np.array([1000.0, 999.0])
with np.errstate(all="ignore"):  # we know that this overflows
    print(softmax_as_written(large))

# %% [markdown]
# $e^{1000}$ is too large for a floating-point number, and infinity divided by infinity is "not a number".
# The remedy: subtract the same number $M$ from every logit. It cancels in the fraction, since
# $e^{z_c - M} = e^{z_c} e^{-M}$. With $M = \max_j z_j$ the largest exponent is 0.


# %%
def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# %%
# NBVAL_CHECK_OUTPUT
print(softmax(large).round(3))
assert np.allclose(softmax(z), softmax_as_written(z))

# %% [markdown]
# **Two classes.** With two logits,
# $\mathrm{softmax}(z)_1 = e^{z_1} / (e^{z_1} + e^{z_2}) = 1/(1 + e^{-(z_1 - z_2)})$. This is the sigmoid of
# the difference. So one sigmoid neuron says as much as two softmax neurons.

# %%
z = rng.normal(size=(6, 2))
sigmoid_of_difference = 1 / (1 + np.exp(-(z[:, 0] - z[:, 1])))
assert np.allclose(softmax(z)[:, 0], sigmoid_of_difference)

# %% [markdown]
# ## 3. The whole network
#
# A network is now a list of pairs $(W^{(k)}, b^{(k)})$, and its output is computed by one loop. This is
# called the *forward pass*.


# %%
def forward(X, parameters, phi, psi):
    """Return the outputs f(x) of the network for each row x of X."""
    H = X
    for W, b in parameters[:-1]:  # hidden layers
        H = phi(H @ W.T + b)
    W, b = parameters[-1]  # output layer
    return psi(H @ W.T + b)


# %% [markdown]
# We fill a network of sizes 4 → 8 → 6 → 3 with random numbers. Each pair of neighbouring sizes gives one
# matrix.

# %%
# NBVAL_CHECK_OUTPUT
sizes = [4, 8, 6, 3]
parameters = [
    (rng.normal(scale=0.5, size=(neurons, inputs)), rng.normal(size=neurons))
    for inputs, neurons in pairwise(sizes)
]
for k, (W, b) in enumerate(parameters, start=1):
    print(f"layer {k}: W {W.shape}, b {b.shape}")

# %%
X = rng.normal(size=(100, 4))
P = forward(X, parameters, relu, softmax)
print("one row for each sample, one column for each class:", P.shape)
assert np.allclose(P.sum(axis=1), 1)

# %% [markdown]
# ### How many parameters?
#
# Layer $k$ with $n_k$ neurons has a matrix of $n_k \times n_{k-1}$ weights, and $n_k$ biases. All layers
# together:
#
# $$\sum_{k=1}^{L+1} n_k \, (n_{k-1} + 1).$$
#
# **Before you run the next cell: what do you expect** for the sizes 4, 8, 6, 3? Count by hand.

# %%
# NBVAL_CHECK_OUTPUT
by_hand = sum(neurons * (inputs + 1) for inputs, neurons in pairwise(sizes))
print(by_hand, "=", " + ".join(f"{neurons}·({inputs} + 1)" for inputs, neurons in pairwise(sizes)))
assert by_hand == sum(W.size + b.size for W, b in parameters)

# %% [markdown]
# ## 4. The same network in Keras
#
# A layer $a = b + Wh$, $h = \phi(a)$ is called `Dense` in Keras. A `Sequential` model is a list of layers,
# where each one feeds the next. `keras.Input` says how many numbers a sample has; the number of samples
# stays open.

# %%
# NBVAL_CHECK_OUTPUT
model = keras.Sequential(
    [
        keras.Input(shape=(4,)),
        layers.Dense(8, activation="relu"),
        layers.Dense(6, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)
print("parameters:", model.count_params())
assert model.count_params() == by_hand

# %% [markdown]
# **How Keras stores a layer.** Look at the shapes:

# %%
# NBVAL_CHECK_OUTPUT
for k, layer in enumerate(model.layers, start=1):
    kernel, bias = layer.get_weights()
    print(f"layer {k}: kernel {kernel.shape}, bias {bias.shape}")

# %% [markdown]
# They are the other way round: a Keras *kernel* has one row for each input and one column for each neuron.
# It is the transpose, kernel $= W^{\top}$, because Keras works on batches whose rows are samples and
# computes $H \cdot \text{kernel} + b$. To give Keras our weights, we transpose them.

# %%
for layer, (W, b) in zip(model.layers, parameters, strict=True):
    layer.set_weights([W.T, b])

# %% [markdown]
# Both networks have the same weights now. Do they give the same outputs? Keras computes with 32-bit
# numbers, which carry about 7 digits. So we expect a difference of about $10^{-7}$, not zero.

# %%
P_keras = ops.convert_to_numpy(model(X))
runtime.result("numpy_keras_difference", np.abs(P_keras - P).max(), at_most=1e-6)

# %% [markdown]
# ### The functional API
#
# There is a second way to write the same model. A layer is called like a function on the output of another
# layer, and a model is made from its inputs and outputs:

# %%
inputs = keras.Input(shape=(4,))
h = layers.Dense(8, activation="relu")(inputs)
h = layers.Dense(6, activation="relu")(h)
outputs = layers.Dense(3, activation="softmax")(h)
functional = keras.Model(inputs, outputs)

# %% [markdown]
# **Before you run the next cell: what do you expect?** The new model has its own random weights. Are the
# outputs equal before `set_weights`? After it?

# %%
# NBVAL_CHECK_OUTPUT
print("before:", np.allclose(functional(X), P_keras, atol=1e-6))
functional.set_weights(model.get_weights())
print("after: ", np.allclose(functional(X), P_keras, atol=1e-6))

# %% [markdown]
# Why two ways? A `Sequential` model is a chain. With the functional API the layers may form any graph
# without a cycle. Here a *skip connection* brings the input to the output layer a second time, and there
# are two outputs of different kinds: three class probabilities, and one number.

# %%
# NBVAL_CHECK_OUTPUT
inputs = keras.Input(shape=(4,))
h = layers.Dense(8, activation="relu")(inputs)
joined = layers.Concatenate()([h, inputs])  # 8 + 4 numbers
classes = layers.Dense(3, activation="softmax", name="classes")(joined)
number = layers.Dense(1, name="number")(joined)  # no activation: the identity
graph = keras.Model(inputs, [classes, number])
print("output shapes:", [output.shape for output in graph.outputs])
assert graph.count_params() == 8 * (4 + 1) + 3 * (12 + 1) + 1 * (12 + 1)

# %% [markdown]
# ## 5. XOR, solved
#
# One neuron cannot separate the classes of XOR (lesson 01). Two hidden neurons can.
#
# **By hand.** $x_1$ XOR $x_2$ is "$x_1$ OR $x_2$, but not both". With the hard threshold $\phi_0(a) = 1$ if
# $a \ge 0$, else 0, each part is one neuron:
#
# - OR: $\phi_0(x_1 + x_2 - 0.5)$ is 1 if at least one input is 1;
# - NOT BOTH: $\phi_0(-x_1 - x_2 + 1.5)$ is 1 unless both inputs are 1;
# - the output neuron is their AND: $\phi_0(h_1 + h_2 - 1.5)$.

# %%
# NBVAL_CHECK_OUTPUT
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
xor = np.array([0, 1, 1, 0])


def threshold(a):
    return (a >= 0).astype(float)


by_hand = [
    (np.array([[1.0, 1.0], [-1.0, -1.0]]), np.array([-0.5, 1.5])),  # OR, NOT BOTH
    (np.array([[1.0, 1.0]]), np.array([-1.5])),  # AND
]
answer = forward(corners, by_hand, threshold, threshold)[:, 0]
print("network:", answer.astype(int), " XOR:", xor)
assert (answer == xor).all()

# %% [markdown]
# **By training.** Nobody sets weights by hand when there are half a million of them. We make noisy copies
# of the four corners and let Keras find the weights. There are two classes, so the output is one sigmoid
# neuron.

# %%
# NBVAL_CHECK_OUTPUT
which = rng.integers(4, size=400)
points = corners[which] + rng.normal(scale=0.12, size=(400, 2))
labels = xor[which]
print("points", points.shape, " labels", labels.shape)

# %%
xor_model = keras.Sequential(
    [
        keras.Input(shape=(2,)),
        layers.Dense(8, activation="tanh"),
        layers.Dense(1, activation="sigmoid"),
    ]
)

# %% [markdown]
# Two calls train it. **`compile`** says *how*. It does not compute anything yet.
#
# - The **loss** is what the training makes small. For two classes it is the cross-entropy of lesson 01, in
#   Keras `"binary_crossentropy"`.
# - The **optimiser** changes the weights. Gradient descent (lesson 01) subtracts the gradient times a
#   learning rate. *Adam* is a variant that gives each weight a step length of its own; lesson 04 explains it.
#   Its usual rate is 0.001. We train for a short time only, so we take longer steps: 0.05.

# %%
xor_model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.05), loss="binary_crossentropy")

# %% [markdown]
# **`fit`** says *on what* and *how long*. It takes the samples in random order, in *batches* of
# `batch_size=32`; computes the gradient of the mean loss of the batch; and lets the optimiser make one step
# for each batch. When each sample has been used once, one *epoch* is over. `verbose=0` prints nothing. What
# `fit` returns holds the mean loss of each epoch.
#
# **Before you run the next cell: what do you expect?** How many steps are one epoch here?

# %%
epochs = budget.pick(smoke=10, cpu=25)
xor_history = xor_model.fit(points, labels, batch_size=32, epochs=epochs, verbose=0)
print("loss, every fourth epoch:", *(round(value, 3) for value in xor_history.history["loss"][::4]))
assert int(xor_model.optimizer.iterations) == 13 * epochs  # 12 batches of 32, one of 16


# %% [markdown]
# There are 13 steps in an epoch, and the loss falls towards zero. The output is a probability. We decide for
# class 1 if it is above one half.


# %%
def trained(x):
    return (ops.convert_to_numpy(xor_model(x))[:, 0] > 0.5).astype(int)


runtime.result("xor_accuracy", np.mean(trained(corners) == xor), at_least=1.0)

# %% [markdown]
# **Before you run the next cell: what do you expect?** The hand-made network has two hidden neurons: what
# is the shape of its regions? And those of the trained one with eight?

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.6), sharey=True)
plots.decision_regions(
    lambda x: forward(x, by_hand, threshold, threshold)[:, 0].astype(int), points, labels, ax=left
)
plots.decision_regions(trained, points, labels, ax=right)
left.set_title("weights set by hand")
right.set(title="weights found by training", ylabel="")
left.legend(loc="center", framealpha=0.9, frameon=True)
plots.show(
    "The four clouds of XOR. By hand: class 1 is a diagonal band between two parallel straight lines. "
    "Trained: curved lines separate the clouds of the two classes."
)

# %% [markdown]
# On the left, each hidden neuron draws one straight line and class 1 lies between the two. On the right the
# lines are curved, because tanh changes smoothly and eight neurons work together. Far from the data the two
# networks disagree; there, no data told the trained one what to do.
#
# ### The loss of a network is not convex
#
# The mean loss $L_n$ of *one* sigmoid neuron is convex (lesson 01): no second valley. **Convex** means that
# between any two points $\theta$, $\theta'$ the function is nowhere above the straight line that joins its
# two values. Half-way this says
#
# $$L_n\Big(\frac{\theta + \theta'}{2}\Big) \le \frac{L_n(\theta) + L_n(\theta')}{2}.$$
#
# To show that a function is *not* convex, two points that break this inequality are enough. With a hidden
# layer they are easy to find. Number the hidden neurons of our network in another order: exchange the rows of
# $W^{(1)}$, the entries of $b^{(1)}$ and the columns of $W^{(2)}$ in the same way. The output is a sum over
# the hidden neurons, so it is the same function, with other weights $\theta'$.


# %%
def sigmoid(a):
    return 1 / (1 + np.exp(-a))


(W1, b1), (W2, b2) = [(kernel.T, bias) for kernel, bias in (lay.get_weights() for lay in xor_model.layers)]
theta = [(W1, b1), (W2, b2)]
reordered = [(W1[::-1], b1[::-1]), (W2[:, ::-1], b2)]  # the eight hidden neurons in reverse order
f_theta, f_reordered = (forward(points, weights, np.tanh, sigmoid) for weights in (theta, reordered))
assert np.allclose(f_theta, f_reordered)

# %% [markdown]
# **Before you run the next cell: what do you expect** of the network half-way between the two, with
# $(\theta + \theta')/2$?


# %%
def loss_between(t):
    """Return the cross-entropy on the way from theta (t = 0) to theta' (t = 1)."""
    weights = [((1 - t) * V + t * W, (1 - t) * u + t * b) for (V, u), (W, b) in zip(theta, reordered)]
    p = forward(points, weights, np.tanh, sigmoid)[:, 0]
    return -np.mean(np.log(np.where(labels == 1, p, 1 - p)))


way = np.linspace(0, 1, 101)
losses = np.array([loss_between(t) for t in way])
print(f"loss at theta {losses[0]:.3f}, half-way {losses[50]:.3f}, at theta' {losses[-1]:.3f}")
assert losses[50] > 5 * (losses[0] + losses[-1]) / 2

# %%
plt.plot(way, losses, label="loss on the straight way")
plt.plot([0, 1], losses[[0, -1]], "s--", label="what a convex loss may have at most")
plt.gca().set(xlabel=r"$t$, in $(1-t)\,\theta + t\,\theta'$", ylabel="cross-entropy")
plt.ylim(-0.1, 1.5 * losses.max())  # room for the legend
plt.legend(loc="upper center")
plots.show(
    "The loss between a trained network and the same network with its hidden neurons in another order: it is "
    "near zero at both ends and rises to a high hill between them."
)

# %% [markdown]
# Both ends are good networks, and between them is a hill. So the loss is not convex, and it has many valleys:
# eight neurons can be put in order in $8! = 40\,320$ ways. These valleys are all equally deep. But there may
# be others that are not. With only two hidden neurons, we train from 20 random starts and look at the loss
# where each training ends; and with eight, for comparison. (`MLPClassifier` is scikit-learn's multilayer
# perceptron. For problems as small as this one, its optimiser L-BFGS needs a fraction of a second.)

# %%
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # where one stops early, we look at the loss ourselves


def loss_at_the_end(neurons, seed):
    network = MLPClassifier(
        hidden_layer_sizes=neurons, activation="tanh", solver="lbfgs", alpha=0, random_state=seed
    )
    return network.fit(points, labels).loss_


ends = {neurons: np.sort([loss_at_the_end(neurons, seed) for seed in range(20)]) for neurons in (2, 8)}
for neurons, values in ends.items():
    print(f"{neurons} hidden neurons, sorted losses:", *values.round(2))
assert ends[2][0] < 0.05 < 0.3 < ends[2][-1]
assert ends[8][-1] < 0.05

# %% [markdown]
# With two neurons, some starts end near zero. Others end, and stay, at a clearly larger loss: training has
# found a *local minimum*, or a place so flat that it looks like one. Only the start decides, since nothing
# else is random here. With eight neurons, more than needed, all 20 starts end near zero.
#
# ## 6. One hidden layer can approximate any continuous function
#
# The **universal approximation theorem**: let $g$ be a continuous function on a closed and bounded set, and
# $\tau > 0$ a tolerance. Then there are a number $n_1$ of neurons and weights such that the network with
# *one* hidden layer,
#
# $$f(x) = b^{(2)} + \sum_{j=1}^{n_1} W^{(2)}_{j} \, \phi(\langle w_j, x \rangle + b^{(1)}_j),$$
#
# stays within $\tau$ of $g$ everywhere on this set. Cybenko (1989) proved it for sigmoidal $\phi$,
# Hornik (1991) for every continuous, bounded and non-constant one, and Leshno and co-authors (1993) showed
# what is needed: among continuous functions $\phi$, exactly those which are *not a polynomial* work. That
# includes the ReLU.
#
# We look at it for a function of one variable:


# %%
def g(x):
    return np.sin(2 * np.pi * x) * np.exp(-(x**2)) + np.abs(x) / 2


# %% [markdown]
# First, **trained networks**. The problem is so small that an optimiser for small problems (L-BFGS, here from
# SciPy) trains a network in a second. It asks for the loss, half the mean squared error, and for its
# gradient. How one finds such a gradient is the subject of lesson 03; take it here as given.

# %%
from scipy.optimize import minimize

grid = np.linspace(-2, 2, 201)


def loss_and_gradient(theta):
    """Return both for the tanh network with theta = (w_1, ..., b_1, ..., W2_1, ..., b2)."""
    w, b, v = theta[:-1].reshape(3, -1)
    H = np.tanh(np.outer(grid, w) + b)
    error = (H @ v + theta[-1] - g(grid)) / len(grid)
    back = np.outer(error, v) * (1 - H**2)
    gradient = np.concatenate([grid @ back, back.sum(axis=0), error @ H, [error.sum()]])
    return len(grid) * (error @ error) / 2, gradient


def trained_network(width, seed, **options):
    """Train one hidden layer of tanh neurons on the curve; return its values on the grid."""
    start = np.random.default_rng(seed).normal(size=3 * width + 1)
    start[2 * width :] /= np.sqrt(width)
    options = {"maxiter": 10_000, "maxfun": 20_000, "gtol": 0, **options}
    theta = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=options).x
    w, b, v = theta[:-1].reshape(3, -1)
    return np.tanh(np.outer(grid, w) + b) @ v + theta[-1]


# %% [markdown]
# **Before you run the next cell: what do you expect** from 2, 4 and 16 neurons?

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True)
for ax, width in zip(axes, [2, 4, 16], strict=True):
    fit = trained_network(width, seed=0)
    ax.plot(grid, g(grid), color="0.6", linewidth=4, label="$g$")
    ax.plot(grid, fit, "--", color=plots.COLORS[1], label="network")
    ax.set(title=f"{width} neurons, largest error {np.abs(fit - g(grid)).max():.2f}", xlabel="$x$")
axes[0].legend()
plots.show(
    "The curve g and the fitted networks of 2, 4 and 16 neurons. Two neurons follow one of its "
    "valleys, four follow two of them, sixteen follow the whole curve."
)

# %% [markdown]
# How does the error fall with the number of neurons? The theorem speaks of the *largest* error,
# $\max_x |f(x) - g(x)|$, so we measure this one, on the 201 points of the grid. We compare two ways to get
# a network:
#
# - **trained**: all weights by training, as above. SciPy stops when the loss hardly falls any more from one
#   iteration to the next; for the larger widths we also let it go on, up to 10,000 iterations (`ftol=0`);
# - **random hidden layer**: $w_j$ and $b_j$ of the hidden layer are drawn at random and never trained. Only
#   the output weights are fitted. The network is linear in these, so they are the solution of a
#   least-squares problem: no training loop, no local minima.


# %%
def random_network(width, seed, phi):
    """Draw a hidden layer at random, solve for the output layer; return the values on the grid."""
    rng = np.random.default_rng(seed)
    w = rng.normal(scale=3.0, size=width)
    centre = rng.uniform(-2, 2, size=width)  # where the neuron changes sign
    H = phi(np.outer(grid, w) - w * centre)  # h_j(x) = phi(w_j x + b_j) with b_j = -w_j centre_j
    H = np.column_stack([np.ones_like(grid), H])  # the column of ones carries the output bias
    output_weights, *_ = np.linalg.lstsq(H, g(grid), rcond=None)
    return H @ output_weights


# %% [markdown]
# **Before you run the next cell: what do you expect** for the activation $\phi(a) = a^2$? It is as
# non-linear as tanh. It is also a polynomial.

# %%
ways = {
    "trained, tanh": (trained_network, budget.pick(smoke=[2, 8], cpu=[1, 2, 4, 8, 16, 32, 64])),
    "trained longer, tanh": (
        lambda n, s: trained_network(n, s, ftol=0),
        budget.pick(smoke=[8], cpu=[16, 32, 64]),
    ),
    "random hidden layer, tanh": (lambda n, s: random_network(n, s, np.tanh), 2 ** np.arange(9)),
    "random hidden layer, ReLU": (lambda n, s: random_network(n, s, relu), 2 ** np.arange(9)),
    "random hidden layer, $a^2$": (lambda n, s: random_network(n, s, np.square), 2 ** np.arange(9)),
}
seeds = range(budget.pick(smoke=1, cpu=3))
errors = {
    name: np.array([[np.abs(network(n, seed) - g(grid)).max() for seed in seeds] for n in widths])
    for name, (network, widths) in ways.items()
}

# %%
lines_of_ways = [*plots.LINES, (0, (1, 3))]
for (name, (_, widths)), marker, line in zip(ways.items(), plots.MARKERS, lines_of_ways, strict=False):
    lines = plt.plot(widths, np.median(errors[name], axis=1), linestyle=line, marker=marker, label=name)
    low, high = errors[name].min(axis=1), errors[name].max(axis=1)
    plt.fill_between(widths, low, high, color=lines[0].get_color(), alpha=0.15, linewidth=0)
plt.gca().set(xscale="log", yscale="log", xlabel="neurons in the hidden layer", ylabel="largest error")
plt.legend(fontsize=8, loc="lower left")
plots.show(
    "Largest error against width, both axes logarithmic. The error of random tanh and ReLU layers falls by "
    "two orders of magnitude, the trained network falls faster and then stays level, lower if it is trained "
    "longer; the square activation never falls."
)

# %% [markdown]
# Each line is the median over several seeds, the band goes from the best to the worst seed. Four things to
# see:
#
# - **More neurons, smaller error**, for tanh and for ReLU. This is the theorem at work.
# - **Training uses neurons better.** With 4 or 8 neurons, the trained network is far below the random ones.
# - **Then the optimiser matters.** From 16 neurons on, the error of the trained network does not fall any
#   more. This has to do with when SciPy stops: when one iteration lowers the loss by less than about
#   $10^{-9}$. Thousands of such small steps together still lower the error with 32 and with 64 neurons, by
#   more than a quarter, as the line "trained longer" shows. With 64 neurons, the random layer with its exact
#   least-squares solution is better all the same. The theorem says that good weights *exist*. It does not say
#   that an optimiser finds them, or how soon.
# - **A polynomial activation fails**, however wide the layer: with $a^2$ the network can only be a
#   polynomial of degree 2.
#
# The theorem does not say how many neurons are needed, and it says nothing about networks that are *fitted to
# a sample*: whether these are right between the points of the sample is another question.

# %%
tanh_error = np.median(errors["random hidden layer, tanh"], axis=1)
square_error = np.median(errors["random hidden layer, $a^2$"], axis=1)
trained_error = np.median(errors["trained, tanh"], axis=1)
assert tanh_error[-1] < 0.01 * tanh_error[0]
assert square_error[-1] > 0.9 * square_error[2]
assert trained_error[list(ways["trained, tanh"][1]).index(8)] < tanh_error[3]  # 8 neurons
if budget.name != "smoke":
    longer_error = np.median(errors["trained longer, tanh"], axis=1)
    assert (longer_error[-2:] < 0.75 * trained_error[-2:]).all()  # 32 and 64 neurons
    assert tanh_error[6] < longer_error[-1]  # 64 neurons

# %% [markdown]
# ## 7. Why depth?
#
# If one hidden layer is enough, why use more? Because some functions need far fewer neurons when the layers
# work one after the other. The classical example (Telgarsky, 2016) is the *tent*,
#
# $$T(x) = 2\,\mathrm{ReLU}(x) - 4\,\mathrm{ReLU}(x - \tfrac12), \qquad 0 \le x \le 1.$$
#
# It rises from 0 to 1 and falls back to 0: it **folds** the interval in the middle and stretches it. Two ReLU
# neurons make it. The next two neurons fold the folded interval again, $T(T(x))$, and so on.


# %%
def folding_network(depth):
    """Return a network with depth hidden layers of two ReLU neurons that computes T(T(...T(x)))."""
    bias = np.array([0.0, -0.5])
    first = (np.array([[1.0], [1.0]]), bias)
    after = (np.array([[2.0, -4.0], [2.0, -4.0]]), bias)
    return [first, *[after] * (depth - 1), (np.array([[2.0, -4.0]]), np.zeros(1))]


# %% [markdown]
# **Before you run the next cell: what do you expect?** How many straight pieces has the function after 1, 2,
# and 4 folds?

# %%
x = np.linspace(0, 1, 1025)
folded = {L: forward(x[:, None], folding_network(L), relu, lambda a: a)[:, 0] for L in range(1, 8)}
fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), sharey=True)
for ax, L in zip(axes, [1, 2, 4], strict=True):
    ax.plot(x, folded[L])
    ax.set(title=f"{L} hidden layer{'s' * (L > 1)}, {2 * L} neurons", xlabel="$x$")
plots.show("The tent folded once, twice, four times: 2, 4 and 16 straight pieces between 0 and 1.")

# %% [markdown]
# Each layer doubles the number: $L$ layers of two neurons give $2^L$ pieces. With *one* hidden layer, each
# ReLU neuron can bend the function at one point only, so $2^L$ pieces need at least $2^L - 1$ neurons. We
# count:

# %%
# NBVAL_CHECK_OUTPUT
print("hidden layers | pieces | neurons, parameters | neurons, parameters with one hidden layer")
for L, y in folded.items():
    pieces = 1 + np.count_nonzero(np.diff(np.sign(np.diff(y))))
    size = sum(W.size + b.size for W, b in folding_network(L))
    print(f"{L:13} | {pieces:6} | {2 * L:7} {size:11} | at least {pieces - 1:4} {3 * (pieces - 1) + 1:6}")
    assert pieces == 2**L

# %% [markdown]
# The number of pieces grows exponentially with the depth, and only linearly with the width. Montúfar and
# co-authors (2014) show the same for inputs of more dimensions. In this example a deep network re-uses what
# the layers before have built: each piece of the last layer is seen through all the folds.
#
# What does this *not* show? That training finds such weights, or that the functions we care about are of this
# kind. We try the first: networks with the same number of parameters, one hidden layer and three, and the
# small folding network itself, are trained on $T(T(T(x)))$ from four random starts each.

# %%
for hidden in [(2, 2, 2), (8, 8, 8), (56,)]:
    fits = [
        MLPRegressor(hidden_layer_sizes=hidden, solver="lbfgs", alpha=0, max_iter=500, random_state=seed).fit(
            x[:, None], folded[3]
        )
        for seed in range(budget.pick(smoke=1, cpu=4))
    ]
    size = sum(array.size for array in fits[0].coefs_ + fits[0].intercepts_)
    error = [np.sqrt(np.mean((fit.predict(x[:, None]) - folded[3]) ** 2)) for fit in fits]
    print(f"hidden layers {hidden!s:10} {size:4} parameters, root mean squared error", np.round(error, 3))
    assert hidden != (2, 2, 2) or min(error) > 0.2

# %% [markdown]
# With the weights set by hand, the network of three times two neurons has the error 0. Trained from random
# starts it comes nowhere near, and here the deep networks are not better than the wide one. So depth makes
# functions *possible* with few neurons; to find them is another matter. Whether depth helps on real data is a
# question for experiments. The lessons on images will give an answer, and lessons 04 and 06 show what made
# the training of deep networks possible.

# %% [markdown]
# ## 8. Reading handwritten digits
#
# MNIST (LeCun et al., 1998) has 60,000 training and 10,000 test images of handwritten digits, 28×28 pixels
# each, with integers from 0 (background) to 255 (ink).

# %%
# NBVAL_CHECK_OUTPUT
mnist = data.mnist()
print("training:", mnist.x_train.shape, mnist.x_train.dtype, " labels:", mnist.y_train.shape)
print("test:    ", mnist.x_test.shape, mnist.x_test.dtype, " labels:", mnist.y_test.shape)

# %%
plots.image_grid(mnist.x_train[:20], titles=mnist.y_train[:20])
plots.show("Twenty handwritten digits of the training set with their labels.")

# %% [markdown]
# A multilayer perceptron takes a vector. So we write the rows of pixels of an image one after the other, 28
# · 28 = 784 numbers, and divide by 255 to have them between 0 and 1.

# %%
# NBVAL_CHECK_OUTPUT
n_train = budget.pick(smoke=6_000, cpu=60_000)
n_test = budget.pick(smoke=1_000, cpu=10_000)
x_train = mnist.x_train[:n_train].reshape(-1, 28 * 28).astype("float32") / 255
x_test = mnist.x_test[:n_test].reshape(-1, 28 * 28).astype("float32") / 255
y_train, y_test = mnist.y_train[:n_train], mnist.y_test[:n_test]
print("an image:", x_train[0].shape, x_train.dtype, "from", x_train.min(), "to", x_train.max())

# %% [markdown]
# ### Softmax in the model, or in the loss?
#
# For a classifier the loss is the *cross-entropy* $-\log P(Y = y \mid X = x)$: small if the probability of
# the right class is near 1. There are two ways to write this in Keras, and they must not be mixed:
#
# 1. the last layer has `activation="softmax"`, and the loss receives probabilities (`from_logits=False`,
#    the default);
# 2. the last layer has no activation and gives logits, and the loss applies the softmax itself
#    (`from_logits=True`).
#
# Take an example where the network is very wrong: the logits are (0, 40), and class 0 is right. The
# cross-entropy is $-\log(1 / (1 + e^{40})) \approx 40$.

# %%
# NBVAL_CHECK_OUTPUT
right_class = np.array([0])
wrong = np.array([[0.0, 40.0]], dtype="float32")  # logits of one example
loss_on_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
loss_on_probabilities = keras.losses.SparseCategoricalCrossentropy()
print(f"loss from logits:        {float(loss_on_logits(right_class, wrong)):.1f}")
print(f"loss from probabilities: {float(loss_on_probabilities(right_class, softmax(wrong))):.1f}")

# %% [markdown]
# The second number is not right. The probability $4 \cdot 10^{-18}$ is so small that Keras cuts it off at
# $10^{-7}$ before it takes the logarithm. Below this limit the loss is flat, and a flat loss has no
# gradient to learn from. (If the probabilities come straight from its own softmax, Keras can often find the
# logits by itself. If anything lies between, it cannot.) From logits, the formula is simplified before it
# is computed, and nothing is lost. So we take way 2. Where we want probabilities, we apply the softmax
# ourselves.
#
# ### Build, compile, fit


# %%
def make_classifier():
    return keras.Sequential(
        [
            keras.Input(shape=(784,)),
            layers.Dense(512, activation="relu"),
            layers.Dense(256, activation="relu"),
            layers.Dense(10),  # logits
        ]
    )


classifier = make_classifier()
classifier.summary()
assert classifier.count_params() == 512 * (784 + 1) + 256 * (512 + 1) + 10 * (256 + 1)

# %% [markdown]
# `compile` and `fit` are those of section 5, with some new arguments. `"adam"` is Adam with its usual
# learning rate. `sparse` in the loss' name means that the labels are integers (7) and not vectors (0, 0, 0,
# 0, 0, 0, 0, 1, 0, 0). `metrics` are measured beside the loss, and change nothing.


# %%
def compile_and_fit(model, x, y, verbose=0):
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    epochs = budget.pick(smoke=2, cpu=8)
    return model.fit(x, y, batch_size=256, epochs=epochs, validation_split=0.1, verbose=verbose)


# %% [markdown]
# `validation_split=0.1` keeps the last tenth of the training images apart: they are never used to change a
# weight, only to measure after every epoch. (Keras takes the last rows as they stand, before it shuffles the
# others. MNIST's rows are mixed already.) `verbose=2` prints one line an epoch.

# %%
history = compile_and_fit(classifier, x_train, y_train, verbose=2)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
plots.history(history, "loss", ax=axes[0])
plots.history(history, "accuracy", ax=axes[1])
if budget.name != "smoke":
    assert history.history["loss"][-1] < 0.025 < 0.06 < min(history.history["val_loss"])
plots.show(
    "Loss and accuracy over the epochs. The training loss falls towards zero; the validation loss no longer "
    "falls after a few epochs, so the two curves move apart."
)

# %% [markdown]
# Compare the two curves on the left. On the training images the loss falls almost to zero. On images that
# the network has not seen, it no longer falls after the first few epochs. This gap is called *overfitting*;
# lesson 04 is about it.
#
# The test images are used once, at the end:

# %%
_, test_accuracy = classifier.evaluate(x_test, y_test, verbose=0)
runtime.result("mnist_mlp_test_accuracy", test_accuracy, at_least=0.975)

# %% [markdown]
# ### Which digits are confused?

# %%
probabilities = ops.convert_to_numpy(ops.softmax(classifier.predict(x_test, verbose=0)))
predicted = probabilities.argmax(axis=1)
print("probabilities", probabilities.shape, " predicted", predicted.shape)

# %%
errors = np.zeros((10, 10), dtype=int)
np.add.at(errors, (y_test, predicted), predicted != y_test)  # right answers are left out
plt.figure(figsize=(4.8, 4.4))
plt.imshow(errors, cmap="Blues")
for true, said in zip(*np.nonzero(errors), strict=True):
    dark = errors[true, said] > errors.max() / 2
    plt.text(said, true, errors[true, said], ha="center", va="center", color="w" if dark else "k")
plt.gca().set(xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10))
plt.grid(visible=False)
plots.show("How often each true digit (row) is misread as each other one (column). The diagonal is empty.")

# %% [markdown]
# Row: the true digit; column: the predicted one. Right answers are left out, since they are hundreds in each
# row. **Look at** the largest numbers: which pairs of digits look alike?
#
# Here are the errors of which the network was most sure, with the probability that it gave to its (wrong)
# answer and to the true one:

# %%
errors_at = np.flatnonzero(predicted != y_test)
surest = errors_at[np.argsort(-probabilities[errors_at, predicted[errors_at]])[:10]]
titles = [
    f"says {said}: {p[said]:.3f}\nis {true}: {p[true]:.3f}"
    for p, said, true in zip(probabilities[surest], predicted[surest], y_test[surest], strict=True)
]
plots.image_grid(x_test[surest].reshape(-1, 28, 28), titles=titles, columns=5, scale=1.5)
plots.show("Ten misread test digits, each with the predicted and the true digit and their probabilities.")

# %% [markdown]
# Some of these are hard for people too. Others are not. And note how sure the network is: the softmax gives
# numbers that are positive and sum to 1, but a probability of 0.99 need not mean that the answer is right
# 99 times of 100.
#
# **Draw a digit.** The figure shows an answer. While the kernel runs there is a pad under it: draw with the
# mouse, and the network answers. Try your own 1 and 7, a digit in a corner, and something that is no digit.


# %%
def predict(images):
    pixels = images.reshape(-1, 784).astype("float32") / 255
    return ops.convert_to_numpy(ops.softmax(classifier(pixels)))


widgets.digit_pad(predict, mnist.x_test[0])

# %% [markdown]
# **The same in NumPy.** There is no magic in the trained model. We take its weights out, transpose the
# kernels, and use the `forward` of section 3:

# %%
learned = [(kernel.T, bias) for kernel, bias in (layer.get_weights() for layer in classifier.layers)]
by_numpy = forward(x_test, learned, relu, softmax)
print(f"accuracy of the NumPy network: {np.mean(by_numpy.argmax(axis=1) == y_test):.4f}")
assert np.mean(by_numpy.argmax(axis=1) == predicted) > 0.999

# %% [markdown]
# ### What this network does not see
#
# We shuffle the 784 pixels: the same random order for every image. No person could read these digits any
# more.

# %%
order = rng.permutation(784)
shuffled = np.concatenate([x_train[:6], x_train[:6][:, order]]).reshape(-1, 28, 28)
plots.image_grid(shuffled, columns=6)
plots.show("Six digits (top) and the same six with their pixels shuffled (bottom), which look like noise.")

# %% [markdown]
# **Before you run the next cell: what do you expect?** A new network with the same sizes is trained on the
# shuffled images and tested on test images shuffled in the same way. Is it better, equal, worse? To see what
# chance alone does, a third one is trained on the pixels in place, from another random start.

# %%
accuracies = {"in place": test_accuracy}
for name, pixels in {"in place, another start": slice(None), "shuffled": order}.items():
    network = make_classifier()
    _ = compile_and_fit(network, x_train[:, pixels], y_train)
    accuracies[name] = network.evaluate(x_test[:, pixels], y_test, verbose=0)[1]
for name, accuracy in accuracies.items():
    print(f"test accuracy, pixels {name:24} {accuracy:.4f}")

# %% [markdown]
# The three numbers differ by a few thousandths, whether the pixels are in place or not. (They describe;
# nothing is chosen by them.)

# %%
assert np.ptp(list(accuracies.values())) < budget.pick(smoke=0.05, cpu=0.006)

# %% [markdown]
# The reason is in the formula. $\langle w_j, x \rangle$ is a sum over the pixels, and a sum does not depend
# on the order of its terms: shuffled pixels with the columns of $W^{(1)}$ shuffled alike give the same
# function. Here it is, for the network that was trained on the pixels in place:

# %%
(W1, b1), *after = learned
by_shuffled = forward(x_test[:, order], [(W1[:, order], b1), *after], relu, softmax)
assert np.allclose(by_shuffled, by_numpy, atol=1e-4)

# %% [markdown]
# So to each network for pixels in place belongs one for shuffled pixels, and the random start gives both the
# same chance: it makes no difference between the columns. Training on shuffled images is therefore as likely
# to end well as on the others. To a multilayer perceptron, an image is a list of 784 numbers, and the order
# of the list has no meaning. Nobody tells it that two pixels are neighbours, or that a digit moved by one
# pixel is the same digit; it must learn this from the data alone. To be fair: on small, centred images this
# works well. On larger images it works less well: lesson 05 counts the weights of the first layer alone.
# Convolutional networks (lessons 05 and 06) use the geometry.
#
# ## 9. Recurrent networks
#
# So far the signal goes only forward. In a *recurrent* network the output of a neuron may also be an input
# of neurons of its own layer, or of layers before it. This is for data that come in a sequence
# $x_1, x_2, x_3, \dots$: a text, a sound, a series of measurements.

# %%
diagrams.recurrent(steps=4)
plots.show(
    "A recurrent layer. Left, folded: the state h has an arrow back to itself. Right, unrolled: one copy "
    "of the layer for each time step; each receives the input of that step and the state of the one before."
)

# %% [markdown]
# Left: the layer with its loop. Right: the same layer, drawn once for each time step. Unrolled, it is a
# network without a loop, as many layers deep as the sequence is long, in which *every step has the same
# weights*. The state $h_t$ is a vector of $n_h$ numbers, and it is the layer's memory:
#
# $$h_t = \phi(W_x \, x_t + W_h \, h_{t-1} + b), \qquad h_0 = 0.$$
#
# $W_x$ has shape ($n_h$, inputs), $W_h$ has shape ($n_h$, $n_h$). The usual $\phi$ is tanh. The outputs $y_t$
# of the figure come from an ordinary layer with weights $W_y$ on top of $h_t$. The recurrence in NumPy:


# %%
def recurrent(sequence, W_x, W_h, b):
    """Return the last state of a recurrent layer; sequence has shape (steps, inputs)."""
    h = np.zeros(len(b))
    for x_t in sequence:
        h = np.tanh(W_x @ x_t + W_h @ h + b)
    return h


# %% [markdown]
# Keras calls this layer `SimpleRNN`. It wants sequences as an array of shape (samples, steps, inputs). We
# compare it with ours, on 5 random sequences of 7 steps with 2 numbers each, and a state of 3.

# %%
# NBVAL_CHECK_OUTPUT
sequences = rng.normal(size=(5, 7, 2)).astype("float32")
layer = layers.SimpleRNN(3, bias_initializer="uniform")
h_keras = ops.convert_to_numpy(layer(sequences))
kernel, recurrent_kernel, bias = layer.get_weights()
print("kernel", kernel.shape, " recurrent kernel", recurrent_kernel.shape, " bias", bias.shape)

# %%
h_numpy = np.array([recurrent(sequence, kernel.T, recurrent_kernel.T, bias) for sequence in sequences])
runtime.result("numpy_simple_rnn_difference", np.abs(h_keras - h_numpy).max(), at_most=1e-6)
assert layer.count_params() == 3 * (2 + 3 + 1)  # n_h (inputs + n_h + 1), whatever the number of steps

# %% [markdown]
# ### Forecasting a short series
#
# Our series is the Hénon map (Hénon, 1976), a standard example of a series that looks random and is not:
#
# $$x_{t+1} = 1 - 1.4 \, x_t^2 + 0.3 \, x_{t-1}.$$
#
# To forecast the next value one needs a non-linear function *and* a memory: the present value is not
# enough.


# %%
def henon(length, burn_in=100):
    x = [0.0, 0.0]
    while len(x) < length + burn_in:
        x.append(1 - 1.4 * x[-1] ** 2 + 0.3 * x[-2])
    return np.array(x[burn_in:], dtype="float32")


series = henon(2000)

# %% [markdown]
# A sample for training is a window of 10 values, and its target is the value that follows. We train on
# the first 1500 windows and test on the windows that come later. Never shuffle a series before this cut:
# the test must be the future.

# %%
# NBVAL_CHECK_OUTPUT
steps, n_past = 10, 1500
windows = np.lib.stride_tricks.sliding_window_view(series, steps + 1)
past, target = windows[:, :-1, None], windows[:, -1]
print("inputs", past.shape, " targets", target.shape)

# %% [markdown]
# A forecast is worth something only if it beats a simple one. We compare with *persistence*, "the next value
# is the present value", and with a *linear* function of the same 10 values, fitted by least squares.

# %%
future, future_target = past[n_past:], target[n_past:]


def rmse(forecast):
    """Return the root mean squared error on the test windows."""
    return np.sqrt(np.mean((forecast - future_target) ** 2))


def with_ones(windows):
    return np.column_stack([windows[:, :, 0], np.ones(len(windows))])


coefficients, *_ = np.linalg.lstsq(with_ones(past[:n_past]), target[:n_past], rcond=None)
linear = rmse(with_ones(future) @ coefficients)
persistence = rmse(future[:, -1, 0])

# %% [markdown]
# Three kinds of network are trained, each from three random starts: a **recurrent** layer; a **feed-forward**
# layer on the last 1, 2 or 10 values, all of 32 tanh neurons; and a wider feed-forward layer which has as
# many parameters as the recurrent network. The output neuron has no activation: this is regression, and its
# loss is the mean squared error. Batches, epochs and optimiser are the same for all. The length of the
# sequence is left open (`None`) for the recurrent layer, since it has the same weights at every step.


# %%
def recurrent_network():
    return keras.Sequential([keras.Input((None, 1)), layers.SimpleRNN(32), layers.Dense(1)])


def feed_forward(values, neurons):
    hidden = layers.Dense(neurons, activation="tanh")
    return keras.Sequential([keras.Input((values, 1)), layers.Flatten(), hidden, layers.Dense(1)])


def forecasts_of(make_network, values):
    """Train a network on the last values of each window; return its forecasts for the test windows."""
    network = make_network()
    network.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    epochs = budget.pick(smoke=2, cpu=30)
    network.fit(past[:n_past, -values:], target[:n_past], epochs=epochs, verbose=0)
    return network.predict(future[:, -values:], verbose=0)[:, 0]


assert recurrent_network().count_params() - feed_forward(10, 93).count_params() == 4

# %% [markdown]
# **Before you run the next cell: what do you expect?** Order the seven rows from worst to best.

# %%
networks = {
    "feed-forward, 1 value": (lambda: feed_forward(1, 32), 1),
    "feed-forward, 2 values": (lambda: feed_forward(2, 32), 2),
    "feed-forward, 10 values": (lambda: feed_forward(10, 32), 10),
    "the same, 93 neurons": (lambda: feed_forward(10, 93), 10),
    "recurrent, 10 values": (recurrent_network, 10),
}
starts = range(budget.pick(smoke=1, cpu=3))
forecasts = {name: [forecasts_of(*network) for _ in starts] for name, network in networks.items()}

# %%
print(f"{'persistence':24} {persistence:.3f}\n{'linear, 10 values':24} {linear:.3f}")
error = {name: [rmse(forecast) for forecast in each] for name, each in forecasts.items()}
for name, values in error.items():
    print(f"{name:24} {np.mean(values):.3f}   from {min(values):.3f} to {max(values):.3f}")

# %%
mean = {name: np.mean(values) for name, values in error.items()}
runtime.result("rnn_error_over_persistence", mean["recurrent, 10 values"] / persistence, at_most=0.1)
assert linear < target.std() < persistence
if budget.name != "smoke":
    assert max(error["recurrent, 10 values"]) < min(error["feed-forward, 10 values"])
    assert max(error["feed-forward, 2 values"]) < 0.5 * min(error["feed-forward, 1 value"])
    assert max(error["feed-forward, 1 value"]) < linear

# %% [markdown]
# The numbers are root mean squared errors; the series itself has a standard deviation of about 0.7.
# Persistence is worse than always saying the mean. The linear function misses the square. The network that
# sees one value has the square, but not the term $0.3\,x_{t-1}$. Two values hold all that is needed, and the
# networks that see two or ten come close to the truth, **with or without recurrence**. So this series does
# not show that recurrence is needed: a window is enough. The recurrent network is the most exact one after
# these epochs, and the last but one row says that its number of parameters is not the reason. We do not know
# the reason.

# %%
shown = 40
best = forecasts["recurrent, 10 values"][0]
plt.plot(future_target[:shown], "o-", color="0.6", linewidth=3, markersize=7, label="series")
plt.plot(best[:shown], "x--", color=plots.COLORS[1], label="recurrent, 10 values")
plt.plot(future[:shown, -1, 0], ":", color=plots.COLORS[0], label="persistence")
plt.gca().set(xlabel="step of the test data", ylabel="$x_t$", ylim=(-1.5, 2.2))
plt.legend(ncols=3, loc="upper center")
plots.show(
    "Forty steps of the test series with two forecasts, each one step ahead. The recurrent network's crosses "
    "lie on the series; persistence is the series moved one step to the right."
)

# %% [markdown]
# ### What a window cannot do
#
# A window must be chosen before, and what lies before the window is lost. Here is a task where that hurts.
# The input is a switch: $+1$ turns a lamp on, $-1$ turns it off, and most of the time it is 0: nobody touches
# it. Is the lamp on? One must remember the last touch, *however long ago it was*.


# %%
def switches(count, steps, seed):
    """Return touches (count, steps, 1) in -1, 0, +1 and lamps (count, steps, 1) in 0, 1."""
    rng = np.random.default_rng(seed)
    touches = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(count, steps, 1))
    touches[:, 0] = rng.choice([-1.0, 1.0], size=(count, 1))
    last = np.where(touches != 0, np.arange(steps)[:, None], 0)
    lamps = np.take_along_axis(touches, np.maximum.accumulate(last, axis=1), axis=1) > 0
    return touches.astype("float32"), lamps.astype("float32")


# %%
# NBVAL_CHECK_OUTPUT
touches, lamps = switches(count=1000, steps=30, seed=1)
print("touches", touches[0, :20, 0].astype(int))
print("lamp   ", lamps[0, :20, 0].astype(int))

# %% [markdown]
# The recurrent network has a state of 8 numbers. `return_sequences=True` asks `SimpleRNN` for its state at
# *each* step, so that the network answers at each step. The other network sees the last 10 inputs at each
# step, with zeros before the beginning. We train on sequences of 30 steps and test on sequences of **100**
# steps.

# %%
recurrent_lamp = keras.Sequential(
    [
        keras.Input((None, 1)),
        layers.SimpleRNN(8, return_sequences=True),
        layers.Dense(1, activation="sigmoid"),
    ]
)
window_lamp = keras.Sequential(
    [keras.Input((10,)), layers.Dense(8, activation="tanh"), layers.Dense(1, activation="sigmoid")]
)


def last_ten(touches):
    padded = np.pad(touches[..., 0], ((0, 0), (9, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, 10, axis=1).reshape(-1, 10)


# %% [markdown]
# **Before you run the next cell: what do you expect?** The switch is touched once in ten steps, on average.

# %%
test_touches, test_lamps = switches(count=300, steps=100, seed=2)
tasks = {
    "window of 10": (window_lamp, last_ten(touches), lamps.reshape(-1, 1), last_ten(test_touches)),
    "recurrent": (recurrent_lamp, touches, lamps, test_touches),
}
epochs = {"window of 10": 1, "recurrent": budget.pick(smoke=2, cpu=12)}  # 938 steps against 384
lamp_accuracy = {}
for name, (network, x, y, x_new) in tasks.items():
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
    network.fit(x, y, epochs=epochs[name], verbose=0)
    right = (network.predict(x_new, verbose=0) > 0.5).reshape(-1) == test_lamps.reshape(-1)
    lamp_accuracy[name] = right.mean()
    print(f"{name:14} right at {right.mean():.1%} of the steps")

# %%
untouched = (last_ten(test_touches) == 0).all(axis=1)  # nothing in the window
print(f"no touch in the window: {untouched.mean():.1%} of the steps")
assert lamp_accuracy["window of 10"] < 1 - 0.4 * untouched.mean()
if budget.name != "smoke":
    assert lamp_accuracy["recurrent"] > 0.99

# %% [markdown]
# In about a third of the steps the window holds no touch, and there the feed-forward network can only guess.
# A wider window would push the limit further, with more weights, and would still have one. The recurrent
# network keeps the lamp in its state, and it works on sequences more than three times as long as those it was
# trained on. That is what recurrence adds: a memory whose length is learned, and not chosen.

# %% [markdown]
# A word of warning: unrolled over many steps, such a network is very deep, and the gradient can vanish as
# it does in a deep stack of sigmoid layers. `SimpleRNN` may then fail to learn what lies far back. Layers
# with gates, such as the LSTM (Hochreiter and Schmidhuber, 1997), were made against this.
#
# ## Summary
#
# - A layer computes $a^{(k)} = b^{(k)} + W^{(k)} h^{(k-1)}$ and $h^{(k)} = \phi(a^{(k)})$. $W^{(k)}$ has a
#   row for each neuron of layer $k$ and a column for each neuron of layer $k-1$; Keras stores the
#   transpose.
# - The output activation $\psi$ follows from the task: identity, sigmoid, softmax. Compute the softmax with
#   the maximum subtracted, and the cross-entropy from logits.
# - A network has $\sum_k n_k (n_{k-1} + 1)$ parameters.
# - Without $\phi$ all layers collapse into one. With it, two hidden neurons solve XOR, and one wide hidden
#   layer can approximate any continuous function. Depth makes some functions possible with far fewer neurons:
#   $L$ layers of two ReLUs give $2^L$ pieces. That the weights exist does not mean that training finds them.
# - `compile` says how to train, `fit` trains: batches, one step for each, epochs.
# - The loss is not convex: hidden neurons in another order give the same function, and there is a hill
#   half-way. Training may end in a local minimum.
# - Half a million weights read more than 97.5 % of MNIST's test digits, and do not care about the order of
#   the pixels.
# - A recurrent layer feeds its state back, $h_t = \phi(W_x x_t + W_h h_{t-1} + b)$, with the same weights at
#   every step. Where the last few values tell all, a window does as well; where they do not, the state does.
#
# **Now you:** the lab is [labs/02_multilayer_perceptron.ipynb](../labs/02_multilayer_perceptron.ipynb).
#
# ## References
#
# - Cybenko, G. (1989). Approximation by superpositions of a sigmoidal function. *Mathematics of Control,
#   Signals and Systems* 2, 303–314. [doi:10.1007/BF02551274](https://doi.org/10.1007/BF02551274)
# - Goodfellow, I., Bengio, Y. & Courville, A. (2016). *Deep Learning*, chapters 6 and 10. MIT Press.
#   [deeplearningbook.org](https://www.deeplearningbook.org)
# - Hénon, M. (1976). A two-dimensional mapping with a strange attractor. *Communications in Mathematical
#   Physics* 50, 69–77. [doi:10.1007/BF01608556](https://doi.org/10.1007/BF01608556)
# - Hochreiter, S. & Schmidhuber, J. (1997). Long short-term memory. *Neural Computation* 9(8), 1735–1780.
#   [doi:10.1162/neco.1997.9.8.1735](https://doi.org/10.1162/neco.1997.9.8.1735)
# - Hornik, K. (1991). Approximation capabilities of multilayer feedforward networks. *Neural Networks*
#   4(2), 251–257. [doi:10.1016/0893-6080(91)90009-T](https://doi.org/10.1016/0893-6080(91)90009-T)
# - LeCun, Y., Bottou, L., Bengio, Y. & Haffner, P. (1998). Gradient-based learning applied to document
#   recognition. *Proceedings of the IEEE* 86(11), 2278–2324.
#   [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791)
# - Leshno, M., Lin, V. Y., Pinkus, A. & Schocken, S. (1993). Multilayer feedforward networks with a
#   nonpolynomial activation function can approximate any function. *Neural Networks* 6(6), 861–867.
#   [doi:10.1016/S0893-6080(05)80131-5](https://doi.org/10.1016/S0893-6080(05)80131-5)
# - Montúfar, G., Pascanu, R., Cho, K. & Bengio, Y. (2014). On the number of linear regions of deep neural
#   networks. *Advances in Neural Information Processing Systems* 27.
#   [arXiv:1402.1869](https://arxiv.org/abs/1402.1869)
# - Telgarsky, M. (2016). Benefits of depth in neural networks. *Conference on Learning Theory*, PMLR 49.
#   [arXiv:1602.04485](https://arxiv.org/abs/1602.04485)
