# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 2}
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
# **Objectives.** After this lesson you can
#
# - write the equations of a network with $L$ hidden layers, with the shape of every matrix;
# - choose the activation of the output layer: identity, sigmoid or softmax;
# - count the parameters of a network by hand;
# - build the same network with Keras's Sequential and functional API, and say how Keras stores its weights;
# - say what the universal approximation theorem promises, and what it does not;
# - train a network that reads at least 97.5 % of MNIST's test digits;
# - write the recurrence of a recurrent layer and train one on a short series.

# %%
from nnlabs import data, diagrams, plots, runtime

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
# As $\phi$ we take the ReLU, $\phi(a) = \max(0, a)$:


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
# (examples, inputs). The formula above has $h^{(k-1)}$ as a column, so for rows it reads
#
# $$A^{(k)} = H^{(k-1)} \, {W^{(k)}}^{\top} + b^{(k)},$$
#
# with one row for each example. NumPy adds $b^{(k)}$ to every row.

# %%
# NBVAL_CHECK_OUTPUT
X = rng.normal(size=(5, 3))  # 5 examples of 3 numbers
A1 = X @ W1.T + b1
print("X", X.shape, " A1", A1.shape)
assert np.allclose(A1[0], b1 + W1 @ X[0])  # row 0 is what the formula gives for example 0

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
# | classification, $K$ classes | $K$ | softmax | $P(Y = i \mid X = x)$ for each class $i$; their sum is 1 |
#
# The softmax turns any $K$ numbers $z_1, \dots, z_K$ into probabilities:
#
# $$\mathrm{softmax}(z)_i = \frac{\exp(z_i)}{\sum_j \exp(z_j)}.$$
#
# Its inputs $z$ are called *logits*.


# %%
def softmax_as_written(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


# %%
# NBVAL_CHECK_OUTPUT
z = np.array([[2.0, 1.0, -1.0], [0.0, 0.0, 0.0]])  # two examples, three classes
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
# The remedy: subtract the same number $c$ from every logit. It cancels in the fraction, since
# $e^{z_i - c} = e^{z_i} e^{-c}$. With $c = \max_j z_j$ the largest exponent is 0.


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
parameters = [(rng.normal(scale=0.5, size=(n, m)), rng.normal(size=n)) for m, n in pairwise(sizes)]
for k, (W, b) in enumerate(parameters, start=1):
    print(f"layer {k}: W {W.shape}, b {b.shape}")

# %%
X = rng.normal(size=(100, 4))
P = forward(X, parameters, relu, softmax)
print("one row for each example, one column for each class:", P.shape)
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
by_hand = sum(n * (m + 1) for m, n in pairwise(sizes))
print(by_hand, "=", " + ".join(f"{n}·({m} + 1)" for m, n in pairwise(sizes)))
assert by_hand == sum(W.size + b.size for W, b in parameters)

# %% [markdown]
# ## 4. The same network in Keras
#
# A layer $a = b + Wh$, $h = \phi(a)$ is called `Dense` in Keras. A `Sequential` model is a list of layers,
# where each one feeds the next. `keras.Input` says how many numbers an example has; the number of examples
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
# It is the transpose, kernel $= W^{\top}$, because Keras works on batches whose rows are examples and
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
# neuron, and the loss is the *binary cross-entropy*. (Losses are the subject of lesson 03, optimisers of
# lesson 04.)

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
xor_model.compile(optimizer=keras.optimizers.Adam(0.05), loss="binary_crossentropy")
xor_history = xor_model.fit(points, labels, epochs=budget.pick(smoke=10, cpu=25), verbose=0)
print("loss, every fourth epoch:", *(round(value, 3) for value in xor_history.history["loss"][::4]))


# %% [markdown]
# The output is a probability. We decide for class 1 if it is above one half.


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
# ## 6. One hidden layer can approximate any continuous function
#
# The **universal approximation theorem**: let $g$ be a continuous function on a closed and bounded set, and
# $\varepsilon > 0$. Then there are a number $n$ of neurons and weights such that the network with *one*
# hidden layer,
#
# $$f(x) = b^{(2)} + \sum_{j=1}^{n} W^{(2)}_{j} \, \phi(\langle w_j, x \rangle + b^{(1)}_j),$$
#
# stays within $\varepsilon$ of $g$ everywhere on this set. Cybenko (1989) proved it for sigmoidal $\phi$,
# Hornik (1991) for every continuous, bounded and non-constant one, and Leshno and co-authors (1993) showed
# what is needed: among continuous functions $\phi$, exactly those which are *not a polynomial* work. That
# includes the ReLU.
#
# We look at it for a function of one variable:


# %%
def g(x):
    return np.sin(2 * np.pi * x) * np.exp(-(x**2)) + np.abs(x) / 2


# %% [markdown]
# First, **trained networks**. The problem is so small that an optimiser for small problems (L-BFGS, here
# from scikit-learn) trains a network in a fraction of a second. The formulas are the same as in Keras.

# %%
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

grid = np.linspace(-2, 2, 401)


def trained_network(width, seed):
    """Train one hidden layer of tanh neurons on the curve; return its values on the grid."""
    network = MLPRegressor(
        hidden_layer_sizes=(width,),
        activation="tanh",
        solver="lbfgs",
        alpha=0,
        max_iter=2000,
        tol=0,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Some stop at max_iter. We look at the error ourselves.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(grid[:, None], g(grid))
    return network.predict(grid[:, None])


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
# $\max_x |f(x) - g(x)|$, so we measure this one, on the 401 points of the grid. We compare two ways to get
# a network:
#
# - **trained**: all weights by training, as above;
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
    "random hidden layer, tanh": (lambda n, s: random_network(n, s, np.tanh), 2 ** np.arange(9)),
    "random hidden layer, ReLU": (lambda n, s: random_network(n, s, relu), 2 ** np.arange(9)),
    "random hidden layer, $a^2$": (lambda n, s: random_network(n, s, np.square), 2 ** np.arange(9)),
}
seeds = range(budget.pick(smoke=2, cpu=7))
errors = {
    name: np.array([[np.abs(network(n, seed) - g(grid)).max() for seed in seeds] for n in widths])
    for name, (network, widths) in ways.items()
}

# %%
for (name, (_, widths)), marker, line in zip(ways.items(), plots.MARKERS, plots.LINES, strict=False):
    lines = plt.plot(widths, np.median(errors[name], axis=1), line, marker=marker, label=name)
    low, high = errors[name].min(axis=1), errors[name].max(axis=1)
    plt.fill_between(widths, low, high, color=lines[0].get_color(), alpha=0.15, linewidth=0)
plt.gca().set(xscale="log", yscale="log", xlabel="neurons in the hidden layer", ylabel="largest error")
plt.legend(fontsize=8)
plots.show(
    "Largest error against width, both axes logarithmic. The error of random tanh and ReLU layers falls by "
    "two orders of magnitude, the trained network falls faster and then stays level, the square activation "
    "never falls."
)

# %% [markdown]
# Each line is the median over several seeds, the band goes from the best to the worst seed. Four things to
# see:
#
# - **More neurons, smaller error**, for tanh and for ReLU. This is the theorem at work.
# - **Training uses neurons better.** With 4 or 8 neurons, the trained network is far below the random ones.
# - **Then training helps less.** From about 16 neurons on, the trained network improves slowly, and the
#   random layer with its exact least-squares solution overtakes it. Our guess at the reason: the optimiser
#   stops while it still creeps downhill, because the loss hardly falls from one iteration to the next. The
#   theorem says that good weights *exist*. It does not say that an optimiser finds them.
# - **A polynomial activation fails**, however wide the layer: with $a^2$ the network can only be a
#   polynomial of degree 2.
#
# The theorem does not say how many neurons are needed, and it says nothing about networks that are *fitted to
# a sample*: whether these are right between the points of the sample is another question. In practice,
# several layers of moderate width are often the better use of the same number of weights.

# %%
tanh_error = np.median(errors["random hidden layer, tanh"], axis=1)
square_error = np.median(errors["random hidden layer, $a^2$"], axis=1)
trained_error = np.median(errors["trained, tanh"], axis=1)
assert tanh_error[-1] < 0.01 * tanh_error[0]
assert square_error[-1] > 0.9 * square_error[2]
assert trained_error[list(ways["trained, tanh"][1]).index(8)] < tanh_error[3]  # 8 neurons

# %% [markdown]
# ## 7. Reading handwritten digits
#
# MNIST has 60,000 training and 10,000 test images of handwritten digits, 28×28 pixels each, with integers
# from 0 (background) to 255 (ink).

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
# `compile` names three things: the optimiser, the loss, and what else to measure. We use the optimiser Adam
# with a step size that goes smoothly from 0.001 to zero during the training; lesson 04 explains both.
# `sparse` in the loss' name means that the labels are integers (7) and not vectors (0, 0, 0, 0, 0, 0, 0, 1,
# 0, 0).

# %%
batch_size, epochs = 256, budget.pick(smoke=2, cpu=12)


def compile_and_fit(model, x, y):
    steps = epochs * int(np.ceil(0.9 * len(x) / batch_size))
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, decay_steps=steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, validation_split=0.1, verbose=2)


# %% [markdown]
# An *epoch* is one pass through the training data, in *batches* of 256 images. `validation_split=0.1` keeps
# the last tenth of the training images apart: they are never used to change a weight, only to measure after
# every epoch. `verbose=2` prints one line an epoch.

# %%
history = compile_and_fit(classifier, x_train, y_train)

# %%
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2))
plots.history(history, "loss", ax=axes[0])
plots.history(history, "accuracy", ax=axes[1])
if budget.name != "smoke":
    assert history.history["loss"][-1] < 0.02 < history.history["val_loss"][-1]
plots.show(
    "Loss and accuracy over the epochs. The training loss falls towards zero; the validation loss hardly "
    "falls after a few epochs, so the two curves move apart."
)

# %% [markdown]
# Compare the two curves on the left. On the training images the loss falls almost to zero. On images that
# the network has not seen, it hardly falls after the first few epochs. This gap is called *overfitting*;
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
plt.figure(figsize=(5.6, 4.8))
plots.confusion_matrix(y_test, predicted)
plots.show("Confusion matrix of the test digits: nearly all counts are on the diagonal.")

# %% [markdown]
# Row: the true digit; column: the predicted one. Errors are off the diagonal. Look for the largest of them:
# which pairs of digits look alike?
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
# shuffled images and tested on test images shuffled in the same way. Is it better, equal, worse?

# %%
shuffled_classifier = make_classifier()
shuffled_history = compile_and_fit(shuffled_classifier, x_train[:, order], y_train)
_, shuffled_accuracy = shuffled_classifier.evaluate(x_test[:, order], y_test, verbose=0)
print(f"test accuracy: pixels in place {test_accuracy:.4f}, pixels shuffled {shuffled_accuracy:.4f}")

# %%
assert abs(shuffled_accuracy - test_accuracy) < budget.pick(smoke=0.05, cpu=0.005)

# %% [markdown]
# Equal, up to chance. The reason is in the formula. $\langle w_j, x \rangle$ is a sum over the pixels, and a
# sum does not depend on the order of its terms: shuffled pixels with the columns of $W^{(1)}$ shuffled alike
# give the same function. The random start makes no difference between the columns, so training on shuffled
# images is as likely to end well as on the others. To a multilayer perceptron, an image is a list of 784
# numbers, and the order of the list has no meaning. Nobody tells it that two pixels are neighbours, or that a
# digit moved by one pixel is the same digit; it must learn this from the data alone. To be fair: on small,
# centred images this works well. On larger images it does not, and the first layer alone would need millions
# of weights. Convolutional networks (lessons 05 and 06) use the geometry.
#
# ## 8. Recurrent networks
#
# So far the signal goes only forward. In a *recurrent* network the output of a neuron may also be an input
# of neurons of its own layer, or of layers before it. This is for data that come in a sequence
# $x_1, x_2, \dots, x_T$: a text, a sound, a series of measurements.

# %%
diagrams.recurrent(steps=4)
plots.show(
    "A recurrent layer. Left, folded: the state h has an arrow back to itself. Right, unrolled: one copy "
    "of the layer for each time step; each receives the input of that step and the state of the one before."
)

# %% [markdown]
# Left: the layer with its loop. Right: the same layer, drawn once for each time step. Unrolled, it is a
# network without a loop, as many layers deep as the sequence is long, in which *every step has the same
# weights*. The state $h_t$ is a vector of $n$ numbers, and it is the layer's memory:
#
# $$h_t = \phi(W_x \, x_t + W_h \, h_{t-1} + b), \qquad h_0 = 0.$$
#
# $W_x$ has shape ($n$, inputs), $W_h$ has shape ($n$, $n$). The usual $\phi$ is tanh. The outputs $y_t$ of
# the figure come from an ordinary layer with weights $W_y$ on top of $h_t$. The recurrence in NumPy:


# %%
def recurrent(sequence, W_x, W_h, b):
    """Return the last state of a recurrent layer; sequence has shape (steps, inputs)."""
    h = np.zeros(len(b))
    for x_t in sequence:
        h = np.tanh(W_x @ x_t + W_h @ h + b)
    return h


# %% [markdown]
# Keras calls this layer `SimpleRNN`. It wants sequences as an array of shape (examples, steps, inputs). We
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
assert layer.count_params() == 3 * (2 + 3 + 1)  # n (inputs + n + 1), whatever the number of steps

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
# An example for training is a window of 10 values, and its target is the value that follows. We train on
# the first 1500 windows and test on the windows that come later. Never shuffle a series before this cut:
# the test must be the future.

# %%
# NBVAL_CHECK_OUTPUT
steps, n_past = 10, 1500
windows = np.lib.stride_tricks.sliding_window_view(series, steps + 1)
past, target = windows[:, :-1, None], windows[:, -1]
print("inputs", past.shape, " targets", target.shape)

# %%
forecaster = keras.Sequential([keras.Input(shape=(None, 1)), layers.SimpleRNN(32), layers.Dense(1)])
forecaster.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
rnn_epochs = budget.pick(smoke=5, cpu=30)
rnn_history = forecaster.fit(past[:n_past], target[:n_past], epochs=rnn_epochs, verbose=0)
rnn_loss = rnn_history.history["loss"]
print(f"loss after 1 epoch: {rnn_loss[0]:.4f}, at the end: {rnn_loss[-1]:.5f}")

# %% [markdown]
# The output layer has no activation: this is regression, and its loss is the mean squared error. The length
# of the sequence is left open (`None`), since the layer has the same weights at every step.
#
# A forecast is worth something only if it beats a simple one. We compare with two: *persistence*, "the next
# value is the present value", and a *linear* function of the same 10 values, fitted by least squares. And
# to see what the memory is worth, we train the same network on windows of one value.


# %%
def with_ones(windows):
    return np.column_stack([windows[:, :, 0], np.ones(len(windows))])


coefficients, *_ = np.linalg.lstsq(with_ones(past[:n_past]), target[:n_past], rcond=None)

forgetful = keras.Sequential([keras.Input(shape=(None, 1)), layers.SimpleRNN(32), layers.Dense(1)])
forgetful.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
_ = forgetful.fit(past[:n_past, -1:], target[:n_past], epochs=rnn_epochs, verbose=0)

# %% [markdown]
# **Before you run the next cell: what do you expect?** Order the four forecasts from worst to best.

# %%
future = past[n_past:]
forecasts = {
    "persistence": future[:, -1, 0],
    "linear, 10 values": with_ones(future) @ coefficients,
    "recurrent, 1 value": forgetful.predict(future[:, -1:], verbose=0)[:, 0],
    "recurrent, 10 values": forecaster.predict(future, verbose=0)[:, 0],
}
rmse = {name: np.sqrt(np.mean((value - target[n_past:]) ** 2)) for name, value in forecasts.items()}
for name, value in rmse.items():
    print(f"{name:22} {value:.3f}")

# %%
ratio = rmse["recurrent, 10 values"] / rmse["persistence"]
runtime.result("rnn_error_over_persistence", ratio, at_most=0.1)
assert rmse["linear, 10 values"] < target.std() < rmse["persistence"]
if budget.name != "smoke":
    assert rmse["recurrent, 10 values"] < rmse["recurrent, 1 value"] < rmse["linear, 10 values"]

# %% [markdown]
# The numbers are root mean squared errors; the series itself has a standard deviation of about 0.7.
# Persistence is worse than always saying the mean. The linear function misses the square. The network that
# sees one value has the square, but not the term $0.3\,x_{t-1}$. Of these four, only the network with
# non-linearity and ten values comes close. This does not show that memory is needed: a network without
# recurrence that gets the last two values or more as its inputs may come close as well; it is not tried here.
# Recurrence pays where the length of the past that matters is not known, or changes.

# %%
shown = 40
plt.plot(target[n_past:][:shown], "o-", color="0.6", linewidth=3, markersize=7, label="series")
plt.plot(
    forecasts["recurrent, 10 values"][:shown], "x--", color=plots.COLORS[1], label="recurrent, 10 values"
)
plt.plot(forecasts["persistence"][:shown], ":", color=plots.COLORS[0], label="persistence")
plt.gca().set(xlabel="step of the test data", ylabel="$x_t$", ylim=(-1.5, 2.2))
plt.legend(ncols=3, loc="upper center")
plots.show(
    "Forty steps of the test series with two forecasts, each one step ahead. The recurrent network's crosses "
    "lie on the series; persistence is the series moved one step to the right."
)

# %% [markdown]
# A word of warning: unrolled over many steps, such a network is very deep, and the gradient can vanish as
# it does in a deep stack of sigmoid layers. `SimpleRNN` therefore forgets what lies far back. Layers with
# gates, such as the LSTM (Hochreiter and Schmidhuber, 1997), were made against this.
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
#   layer can approximate any continuous function. That the weights exist does not mean that training finds
#   them.
# - Half a million weights read more than 97.5 % of MNIST's test digits, and do not care about the order of
#   the pixels.
# - A recurrent layer feeds its state back, $h_t = \phi(W_x x_t + W_h h_{t-1} + b)$, with the same weights
#   at every step.
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
