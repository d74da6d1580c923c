# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1}
# ---

# %% [markdown]
# # Lab 02: the multilayer perceptron
#
# You write a network in NumPy, layer by layer, and choose the weights of a small one by hand. Then you
# build the same network in Keras, compute a step of a recurrent layer, and train a network that reads
# handwritten digits.
#
# **How it works.** Replace `raise NotImplementedError` with your code and run the cell, then run the check
# below it. The check says in one line what is right or wrong. If you skip an exercise, the notebook goes on
# with the course's own version, so every later cell still runs. The lecture is
# [`../notebooks/02_multilayer_perceptron.ipynb`](../notebooks/02_multilayer_perceptron.ipynb).
#
# **Notation.** $W^{(k)}$ has a row for each neuron of layer $k$ and a column for each neuron of layer
# $k-1$. A network is a list of pairs `(W, b)`, one for each layer, the output layer last. A batch has one
# row for each example.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import multilayer_perceptron as check

budget = runtime.setup(seed=2)

# %%
from itertools import pairwise

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

# %% [markdown]
# ## 1. One layer
#
# For one example, a layer computes $a = b + W h$, where $h$ is a column. Write it for a batch `H`, whose
# *rows* are examples:
#
# $$A = H \, W^{\top} + b.$$
#
# Shapes: `H` (examples, inputs), `W` (neurons, inputs), `b` (neurons,); the result is (examples, neurons).
# No activation yet.
#
# <details><summary>Hint</summary>
#
# `@` is the matrix product, `.T` the transpose. NumPy adds a vector of shape (neurons,) to every row.
#
# </details>


# %% exercise="dense"
def dense(H, W, b):
    """Return A of shape (examples, neurons) for H (examples, inputs), W (neurons, inputs), b (neurons,)."""
    ### BEGIN SOLUTION
    return H @ W.T + b
    ### END SOLUTION


# %% check="dense" points=1
dense = check.dense(dense)

# %% [markdown]
# ## 2. The softmax
#
# Write, for each row $z$ of the array `Z`,
#
# $$\mathrm{softmax}(z)_i = \frac{\exp(z_i)}{\sum_j \exp(z_j)}.$$
#
# It must also work for logits of $\pm 1000$, and for a batch in which one row has large numbers and another
# has small ones.
#
# <details><summary>Hint</summary>
#
# `softmax(z)` and `softmax(z - c)` are the same for every number `c`. Which `c` makes the largest exponent
# 0? With `keepdims=True`, `Z.max(axis=...)` and `Z.sum(axis=...)` keep a column that fits to `Z`.
#
# </details>


# %% exercise="softmax"
def softmax(Z):
    """Return the softmax of each row of Z; shape (examples, classes), like Z."""
    ### BEGIN SOLUTION
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% check="softmax" points=2
softmax = check.softmax(softmax)

# %%
print(softmax(np.array([[2.0, 1.0, -1.0], [1000.0, 1000.0, -1000.0]])).round(3))

# %% [markdown]
# ## 3. How many parameters?
#
# `sizes` lists the number of units of every layer, with the input first and the output last:
# `[784, 512, 256, 10]`. Return the number of weights and biases of this network.
#
# <details><summary>Hint</summary>
#
# `pairwise([784, 512, 10])` gives the pairs `(784, 512)` and `(512, 10)`. Draw two neighbouring layers of 3
# and 2 units, and count the lines and the biases.
#
# </details>


# %% exercise="count_parameters"
def count_parameters(sizes):
    """Return the number of weights and biases of a network; sizes is a list, the input layer first."""
    ### BEGIN SOLUTION
    return sum(neurons * (inputs + 1) for inputs, neurons in pairwise(sizes))
    ### END SOLUTION


# %% check="count_parameters" points=1
count_parameters = check.count_parameters(count_parameters)

# %% [markdown]
# **Before you run the next cell: what do you expect?** A network for images of 28×28 pixels and ten classes
# has one hidden layer of 100 neurons. Another one has two hidden layers of 100. How many parameters does
# the second layer add?

# %%
print(count_parameters([784, 100, 10]), count_parameters([784, 100, 100, 10]))

# %% [markdown]
# ## 4. The forward pass
#
# Compute the outputs of *all* layers of a network for a batch `X`: hidden layers with the ReLU as $\phi$,
# the output layer with the softmax as $\psi$. With $h^{(0)} = x$:
#
# $$h^{(k)} = \phi(b^{(k)} + W^{(k)} h^{(k-1)}), \quad k = 1, \dots, L, \qquad
# f(x) = \psi(b^{(L+1)} + W^{(L+1)} h^{(L)}).$$
#
# Return the list $[h^{(0)}, h^{(1)}, \dots, h^{(L)}, f(x)]$ of $L + 2$ arrays. (Lesson 03 will need all of
# them.) Use `dense` and `softmax`.
#
# <details><summary>Hint</summary>
#
# Start with `outputs = [X]`. For each hidden layer, append what follows from `outputs[-1]`.
# `parameters[:-1]` are the hidden layers, `parameters[-1]` is the output layer. There may be no hidden
# layer at all.
#
# </details>


# %% exercise="forward"
def forward(X, parameters):
    """Return the outputs of all layers, X first; X is (examples, inputs), parameters a list of (W, b)."""
    ### BEGIN SOLUTION
    outputs = [X]
    for W, b in parameters[:-1]:
        outputs.append(np.maximum(0, dense(outputs[-1], W, b)))
    W, b = parameters[-1]
    outputs.append(softmax(dense(outputs[-1], W, b)))
    return outputs
    ### END SOLUTION


# %% check="forward" points=3
forward = check.forward(forward)

# %% [markdown]
# Here is a network with random weights. Look at the shapes: the number of examples stays, the number of
# columns follows the sizes of the layers.

# %%
rng = np.random.default_rng(0)
sizes = [4, 8, 6, 3]
parameters = [(rng.normal(scale=0.5, size=(n, m)), rng.normal(size=n)) for m, n in pairwise(sizes)]
X = rng.normal(size=(5, 4))
print([output.shape for output in forward(X, parameters)])

# %% [markdown]
# ## 5. XOR by hand
#
# Choose the weights of a network that computes XOR. It has 2 inputs, one hidden layer of 2 neurons with the
# **ReLU**, and 1 output neuron with the identity:
#
# $$h = \max(0,\; b^{(1)} + W^{(1)} x), \qquad f(x) = b^{(2)} + W^{(2)} h.$$
#
# The output must be above 0.5 for the inputs (0, 1) and (1, 0), and at most 0.5 for (0, 0) and (1, 1). Many
# choices are right. Use paper first.
#
# <details><summary>Hint</summary>
#
# Let the first hidden neuron be $\max(0, x_1 + x_2)$. It is 0, 1, 1, 2 for the four inputs. Only the last
# value is a problem. Find a second neuron that is active for (1, 1) alone, and subtract it often enough.
#
# </details>


# %% exercise="xor_parameters"
def xor_parameters():
    """Return [(W1, b1), (W2, b2)], arrays of the shapes (2, 2), (2,), (1, 2), (1,)."""
    ### BEGIN SOLUTION
    W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([0.0, -1.0])
    W2, b2 = np.array([[1.0, -2.0]]), np.array([0.0])
    return [(W1, b1), (W2, b2)]
    ### END SOLUTION


# %% check="xor_parameters" points=3
xor_parameters = check.xor_parameters(xor_parameters)


# %% [markdown]
# The regions that your network makes. The black lines are where $f(x) = 0.5$. Where do your two hidden
# neurons begin to be active?


# %%
def xor_classes(x):
    (W1, b1), (W2, b2) = xor_parameters()
    h = np.maximum(0, dense(x, W1, b1))
    return (dense(h, W2, b2)[:, 0] > 0.5).astype(int)


corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
plt.figure(figsize=(4, 3.6))
plots.decision_regions(xor_classes, corners, np.array([0, 1, 1, 0])).legend(loc="center")
plots.show("The four corners of XOR and the regions of the network whose weights were set by hand.")

# %% [markdown]
# ## 6. The same network in Keras
#
# Build the Keras model that computes the last output of `forward`: the sizes follow from the shapes of the
# matrices, the hidden layers have the ReLU, the output layer has the softmax. Then give it the weights.
# Keras stores $\text{kernel} = {W^{(k)}}^{\top}$. Sequential or functional, as you like.
#
# <details><summary>Hint</summary>
#
# Begin with `keras.Input(shape=(number of inputs,))`: without it the layers have no weights yet. `W.shape`
# is (neurons, inputs). `layer.set_weights([kernel, bias])` takes a list of two arrays, and so does
# `model.set_weights` for all layers, in a row: kernel, bias, kernel, bias, ...
#
# </details>


# %% exercise="to_keras"
def to_keras(parameters):
    """Return a Keras model with model(X) equal to forward(X, parameters)[-1]."""
    ### BEGIN SOLUTION
    model = keras.Sequential([keras.Input(shape=(parameters[0][0].shape[1],))])
    for W, _ in parameters[:-1]:
        model.add(layers.Dense(W.shape[0], activation="relu"))
    model.add(layers.Dense(parameters[-1][0].shape[0], activation="softmax"))
    for layer, (W, b) in zip(model.layers, parameters, strict=True):
        layer.set_weights([W.T, b])
    return model
    ### END SOLUTION


# %% check="to_keras" points=3
to_keras = check.to_keras(to_keras)

# %%
difference = np.abs(ops.convert_to_numpy(to_keras(parameters)(X)) - forward(X, parameters)[-1]).max()
runtime.result("lab_numpy_keras_difference", difference, at_most=1e-6)
assert to_keras(parameters).count_params() == count_parameters(sizes)

# %% [markdown]
# ## 7. One step of a recurrent layer
#
# A recurrent layer computes its new state from the input of this step and from its own state of the step
# before:
#
# $$h_t = \tanh(W_x \, x_t + W_h \, h_{t-1} + b).$$
#
# Write it for a batch, whose rows are examples. Shapes: `x` (examples, $d$), `h` (examples, $n$), `W_x`
# ($n$, $d$), `W_h` ($n$, $n$), `b` ($n$,); the result is (examples, $n$).
#
# <details><summary>Hint</summary>
#
# It is the sum of two products like the one of exercise 1, with one bias.
#
# </details>


# %% exercise="rnn_step"
def rnn_step(x, h, W_x, W_h, b):
    """Return the new states (examples, n); x is (examples, d), h holds the old states (examples, n)."""
    ### BEGIN SOLUTION
    return np.tanh(x @ W_x.T + h @ W_h.T + b)
    ### END SOLUTION


# %% check="rnn_step" points=2
rnn_step = check.rnn_step(rnn_step)

# %% [markdown]
# Repeated over the steps of a sequence, with the same weights, this is Keras's `SimpleRNN`. Here are 6
# sequences of 9 steps, with 2 numbers at each step, and a state of 4 numbers.

# %%
sequences = rng.normal(size=(6, 9, 2)).astype("float32")
layer = layers.SimpleRNN(4, bias_initializer="uniform")
h_keras = ops.convert_to_numpy(layer(sequences))

# %%
kernel, recurrent_kernel, bias = layer.get_weights()
h = np.zeros((6, 4))
for t in range(9):
    h = rnn_step(sequences[:, t], h, kernel.T, recurrent_kernel.T, bias)
runtime.result("lab_rnn_difference", np.abs(h - h_keras).max(), at_most=1e-6)

# %% [markdown]
# ## 8. Train it
#
# Compile the model and train it on the images `x` and the integer labels `y`, for the given number of
# epochs. Then return the model.
#
# The models of `to_keras` end with a **softmax**: choose the loss accordingly. Keep a part of the data for
# validation, and print at most one line an epoch.
#
# <details><summary>Hint</summary>
#
# `model.compile(optimizer=..., loss=..., metrics=[...])`, then `model.fit(x, y, ...)`. Look up `epochs`,
# `batch_size`, `validation_split` and `verbose` of `fit`. There is a cross-entropy for labels that are
# integers, and one for labels that are vectors of zeros and a one.
#
# </details>


# %% exercise="train"
def train(model, x, y, epochs):
    """Compile the model, fit it to images x (examples, pixels) and integer labels y; return the model."""
    ### BEGIN SOLUTION
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=128, validation_split=0.1, verbose=2)
    return model
    ### END SOLUTION


# %% check="train" points=3
train = check.train(train)

# %% [markdown]
# Now on MNIST. The weights at the start are random, with a standard deviation of $\sqrt{2 / \text{inputs}}$
# (lesson 04 says why), and the biases are zero.

# %%
mnist = data.mnist()
n_train, n_test = budget.pick(smoke=5_000, cpu=60_000), budget.pick(smoke=1_000, cpu=10_000)
x_train = mnist.x_train[:n_train].reshape(-1, 784).astype("float32") / 255
x_test = mnist.x_test[:n_test].reshape(-1, 784).astype("float32") / 255
y_train, y_test = mnist.y_train[:n_train], mnist.y_test[:n_test]

# %%
start = [
    (rng.normal(scale=np.sqrt(2 / inputs), size=(neurons, inputs)), np.zeros(neurons))
    for inputs, neurons in pairwise([784, 256, 128, 10])
]
classifier = train(to_keras(start), x_train, y_train, epochs=budget.pick(smoke=2, cpu=10))

# %%
predicted = classifier.predict(x_test, verbose=0).argmax(axis=1)
runtime.result("lab_mnist_test_accuracy", np.mean(predicted == y_test), at_least=0.97)

# %% [markdown]
# ## 9. Two questions

# %% [markdown] question="universal-approximation" points=2
# **Question.** A friend says: "The universal approximation theorem proves that one hidden layer is enough.
# So there is no reason to use more layers, and training will always find a good network." What does the
# theorem say, and which two parts of this sentence does it not support?
#
# <!-- BEGIN SOLUTION -->
# It says: for a continuous function on a closed and bounded set, and any tolerance, there are *some* number
# of hidden neurons and *some* weights such that one hidden layer stays within the tolerance everywhere on
# the set ($\phi$ continuous and not a polynomial).
#
# It does not say how many neurons this takes. The number can be enormous, and a deeper network can need far
# fewer parameters for the same error. And it says nothing about training: that such weights exist does not
# mean that gradient descent, on a finite sample and with a loss that is not convex, finds them. (Nor does
# it promise anything for inputs outside the set, or for data that were not in the sample.)
# <!-- END SOLUTION -->

# %% [markdown] question="hidden-neurons-permuted" points=2
# **Question.** Take your network of exercise 5 and swap its two hidden neurons: what must be swapped in
# $W^{(1)}$, $b^{(1)}$ and $W^{(2)}$, and how does the output change? A hidden layer of $n$ neurons: how
# many different weights give the same function in this way? Conclude why the loss of such a network is not
# a convex function of its weights. (Think of the point half-way between two of these weights.)
#
# <!-- BEGIN SOLUTION -->
# Swap the two rows of $W^{(1)}$, the two numbers of $b^{(1)}$ and the two columns of $W^{(2)}$. The output
# does not change at all: it is a sum over the hidden neurons, and the order of a sum does not matter.
#
# With $n$ neurons there are $n!$ orders, so in general $n!$ different weights with the same function and
# the same loss.
#
# If the loss were convex, its value half-way between two minima could not be larger than at the minima.
# Half-way between a network for XOR and its swapped copy, both hidden neurons have the same weights (the
# mean), so the network has in effect only one hidden neuron. One ReLU neuron is a function of a single sum
# $\langle w, x \rangle + b$, and never falls again once it rises, so it cannot solve XOR: the loss there is
# larger. So the loss is not convex.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Two outputs.** With the functional API, build a model with one hidden layer of 64 neurons and two
#   outputs that share it: the digit (10 classes, softmax) and whether it is odd (sigmoid). Count the
#   parameters before Keras does. Train both at once:
#   `loss=["sparse_categorical_crossentropy", "binary_crossentropy"]`. Do the two outputs ever contradict
#   each other?
# - **XOR by training, with only two hidden neurons.** Train a 2-2-1 network with the ReLU from 20 different
#   seeds. How often does it solve XOR? Look at the hidden neurons of those that fail.
# - **Wide or deep.** Find networks with about 100,000 parameters and one, two, three hidden layers. Which
#   one reads MNIST best, on the validation images?
# - **Forecasts that feed themselves.** Take the recurrent network of the lecture, forecast one value,
#   append it to the window, forecast the next one. After how many steps is it no better than the mean of
#   the series?
