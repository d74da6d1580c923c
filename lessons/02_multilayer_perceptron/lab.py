# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 0.8}
# ---

# %% [markdown]
# # Lab 02: the multilayer perceptron
#
# You compute how wide a network may be, run one in NumPy, choose weights by hand that sort numbers, find
# three faults in a network in Keras, let a recurrent layer read sequences of different lengths, and train a
# network that reads handwritten digits: also one that you draw. The work takes about 100 minutes.
#
# **You need** lesson 01 and the lecture
# [`../notebooks/02_multilayer_perceptron.ipynb`](../notebooks/02_multilayer_perceptron.ipynb).
#
# **Notation.** $W^{(k)}$ has a row for each neuron of layer $k$ and a column for each neuron of layer
# $k-1$. A network is a list of pairs `(W, b)`, one for each layer, the output layer last. A batch has one
# row for each sample. The ReLU and the softmax are given below:

# %%
from nnlabs import data, plots, runtime, widgets
from nnlabs.checks import multilayer_perceptron as check

budget = runtime.setup(seed=2)

# %%
from itertools import pairwise

import keras
import numpy as np
from keras import layers, ops


def relu(a):
    return np.maximum(0.0, a)


def softmax(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %% [markdown]
# ## 1. How wide may it be? (Derive it.)
#
# A network has `inputs` inputs, `hidden_layers` hidden layers (one or more) which all have the same number
# $N$ of neurons, and `outputs` output neurons. First write the number of its weights and biases as a function
# of $N$, on paper. Then return the largest $N$ for which the network has **at most** `limit` parameters. You
# may take for granted that a network with $N = 1$ fits.
#
# <details><summary>Hint 1</summary>
#
# Draw a network with two hidden layers. How many matrices depend on $N$, and which of them is square?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# You can solve the equation, or let $N$ grow in a loop while the next network still fits. If you solve it:
# what kind of equation is it with a single hidden layer?
#
# </details>


# %% exercise="widest"
def widest(limit, inputs, hidden_layers, outputs):
    """Return the largest number of neurons in each hidden layer with at most limit parameters, an integer."""

    ### BEGIN SOLUTION
    def parameters(neurons):
        first, last = neurons * (inputs + 1), outputs * (neurons + 1)
        return first + (hidden_layers - 1) * neurons * (neurons + 1) + last

    neurons = 1
    while parameters(neurons + 1) <= limit:
        neurons += 1
    return neurons
    ### END SOLUTION


# %% check="widest" points=2
widest = check.widest(widest)

# %% [markdown]
# **Before you run the next cell: what do you expect?** Networks for images of 28×28 pixels and ten classes
# may have 100,000 parameters. How much narrower must ten hidden layers be than one?

# %%
for hidden_layers in (1, 2, 3, 10):
    print("hidden layers:", hidden_layers, " neurons in each:", widest(100_000, 784, hidden_layers, 10))

# %% [markdown]
# Two or three layers cost little width: most parameters are in the first matrix, which looks at 784 pixels.
# Ten layers must be little more than half as wide as one, since now nine matrices lie between hidden layers.
#
# ## 2. Every layer has its own activation
#
# Compute the outputs of *all* layers of a network for a batch `X`. This time each layer has an activation
# function of its own, $\phi_k$, the output layer too. With $h^{(0)} = x$:
#
# $$h^{(k)} = \phi_k(b^{(k)} + W^{(k)} h^{(k-1)}), \quad k = 1, \dots, L + 1.$$
#
# `activations` is a list with as many functions as `parameters` has pairs. Return the list
# $[h^{(0)}, h^{(1)}, \dots, h^{(L+1)}]$ of $L + 2$ arrays, each with one row for each sample. (Lesson 03 will
# need all of them.)
#
# <details><summary>Hint 1</summary>
#
# The formula is for one sample, a column. How does the lecture write it for the rows of a batch?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `zip` goes through two lists at the same time. The next layer needs the last entry of the list so far.
#
# </details>


# %% exercise="forward"
def forward(X, parameters, activations):
    """Return the outputs of all layers, X first; parameters is a list of (W, b), activations of functions."""
    ### BEGIN SOLUTION
    outputs = [X]
    for (W, b), phi in zip(parameters, activations, strict=True):
        outputs.append(phi(outputs[-1] @ W.T + b))
    return outputs
    ### END SOLUTION


# %% check="forward" points=2
forward = check.forward(forward)

# %% [markdown]
# Here is a network with random weights. Look at the shapes: the number of samples stays, the number of
# columns follows the sizes of the layers.

# %%
rng = np.random.default_rng(0)
parameters = [
    (rng.normal(scale=0.5, size=(neurons, inputs)), rng.normal(size=neurons))
    for inputs, neurons in pairwise([4, 8, 6, 3])
]
X = rng.normal(size=(5, 4))
print([output.shape for output in forward(X, parameters, [relu, relu, softmax])])

# %% [markdown]
# ## 3. The logarithm of the softmax
#
# A loss for classification needs the *logarithm* of a probability. Write, for each row $z$ of the array `Z`
# (samples, classes), the array of
#
# $$\log \mathrm{softmax}(z)_c = \log \frac{\exp(z_c)}{\sum_j \exp(z_j)}.$$
#
# Every value must be right for logits of $\pm 1000$ too. There the probability itself may be too small for a
# floating-point number, and its logarithm is not.
#
# <details><summary>Hint 1</summary>
#
# Do not compute the probability first. What is the logarithm of a fraction, and of an exponential?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# One exponential is left, in the sum. As in the softmax, the same number may be subtracted from all logits of
# a row before. Which one makes the largest exponent 0? (`keepdims=True` keeps a column that fits to `Z`.)
#
# </details>


# %% exercise="log_softmax"
def log_softmax(Z):
    """Return the logarithm of the softmax of each row of Z; shape (samples, classes), like Z."""
    ### BEGIN SOLUTION
    Z = Z - Z.max(axis=1, keepdims=True)
    return Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
    ### END SOLUTION


# %% check="log_softmax" points=2
log_softmax = check.log_softmax(log_softmax)

# %% [markdown]
# With it, the cross-entropy is one line. Here are three samples: a sure right answer, a doubtful one, and one
# that is so wrong that its probability is 0 in the computer. Keras computes the same from logits.

# %%
logits, y = np.array([[9.0, 0.0, 1.0], [0.3, 0.2, 0.1], [-900.0, 100.0, 0.0]]), np.array([0, 1, 0])
ours = -log_softmax(logits)[np.arange(3), y]
theirs = ops.sparse_categorical_crossentropy(y, logits.astype("float32"), from_logits=True)
print("ours ", *(f"{value:.4f}" for value in ours))
print("Keras", *(f"{value:.4f}" for value in ops.convert_to_numpy(theirs)))

# %% [markdown]
# ## 4. A class too many (derive it)
#
# The output layer of a classifier has logits $z = W h + b$, one row of $W$ and one number of $b$ for each
# class. These are more parameters than the probabilities need. Derive weights $W'$ and $b'$ which give **the
# same probabilities** $\mathrm{softmax}(W' h + b') = \mathrm{softmax}(W h + b)$ for *every* $h$, and whose
# last row and last number are **zero**.
#
# <details><summary>Hint 1</summary>
#
# What happens to $\mathrm{softmax}(z)$ if the same number is added to all logits? May this number be another
# one for each $h$?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The last logit shall be 0 for every $h$: which number must be subtracted from all logits of this $h$? Write
# it in terms of $W$ and $b$.
#
# </details>


# %% exercise="last_class_zero"
def last_class_zero(W, b):
    """Return (W', b'), shaped like W (classes, neurons) and b (classes,), with a last row and number of 0."""
    ### BEGIN SOLUTION
    return W - W[-1], b - b[-1]
    ### END SOLUTION


# %% check="last_class_zero" points=2
last_class_zero = check.last_class_zero(last_class_zero)

# %%
W, b = parameters[-1]
fewer = [*parameters[:-1], last_class_zero(W, b)]
functions = [relu, relu, softmax]
assert np.allclose(forward(X, fewer, functions)[-1], forward(X, parameters, functions)[-1])
print(np.column_stack(last_class_zero(W, b)).round(2))

# %% [markdown]
# The last class has no free parameters any more. For two classes, one row is left: it is the single *sigmoid*
# neuron.
#
# ## 5. A network that sorts
#
# Choose the weights of a network which puts two numbers in order. It has 2 inputs, one hidden layer of **at
# most 4** neurons with the **ReLU**, and 2 outputs with the identity. For *all* real numbers $x_1$, $x_2$,
# also negative ones,
#
# $$f(x_1, x_2) = \big(\max(x_1, x_2),\; \min(x_1, x_2)\big).$$
#
# Use paper first. Many choices are right.
#
# <details><summary>Hint 1</summary>
#
# What are the sum and the difference of the larger and the smaller number, as functions of $x_1$ and $x_2$?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Let $s = x_1 + x_2$ and $d = x_1 - x_2$. The larger number is $(s + |d|)/2$. The ReLU sets negative numbers
# to zero: how do two ReLU neurons carry a number $s$ of either sign to the next layer? How do they make
# $|d|$?
#
# </details>


# %% exercise="sorting_parameters"
def sorting_parameters():
    """Return [(W1, b1), (W2, b2)], arrays of the shapes (4, 2), (4,), (2, 4), (2,)."""
    ### BEGIN SOLUTION
    W1 = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])  # s, -s, d, -d
    W2 = np.array([[0.5, -0.5, 0.5, 0.5], [0.5, -0.5, -0.5, -0.5]])
    return [(W1, np.zeros(4)), (W2, np.zeros(2))]
    ### END SOLUTION


# %% check="sorting_parameters" points=3
sorting_parameters = check.sorting_parameters(sorting_parameters)


# %% [markdown]
# Now make it deep. To sort four numbers, put several such networks one after the other. Each column of the
# table below compares some of the neighbours, and exchanges them where they are in the wrong order.

# %%
numbers = rng.integers(-9, 10, size=(6, 4)).astype(float)
layer_by_layer = [numbers]
for first in (0, 1, 0, 1):  # compare columns 0, 1 and 2, 3; then columns 1, 2; and again
    after = layer_by_layer[-1].copy()
    for column in range(first, 3, 2):
        pair = slice(column, column + 2)
        after[:, pair] = forward(after[:, pair], sorting_parameters(), [relu, lambda a: a])[-1]
    layer_by_layer.append(after)
for rows in zip(*layer_by_layer, strict=True):
    print("  ->  ".join(" ".join(f"{number:3.0f}" for number in row) for row in rows))
assert np.allclose(layer_by_layer[-1], -np.sort(-numbers, axis=1))

# %% [markdown]
# No training was needed. A network is a way to write a program; training is a way to find one.
#
# ## 6. The same network in Keras (find the fault)
#
# The function below should build the Keras model that computes the last output of `forward`, with the ReLU in
# the hidden layers and the softmax at the end, and give it the weights. It has **three faults**. None of them
# stops with an error, and all shapes are right.


# %%
def faulty_to_keras(parameters):
    model = keras.Sequential([keras.Input(shape=(parameters[0][0].shape[1],))])
    for W, b in parameters:
        layer = layers.Dense(len(b), activation="relu")
        model.add(layer)
        layer.set_weights([W.reshape(layer.kernel.shape), b])
    model.add(layers.Softmax(axis=0))
    return model


# %%
print("expected\n", forward(X, parameters, [relu, relu, softmax])[-1].round(3))
print("found\n", ops.convert_to_numpy(faulty_to_keras(parameters)(X)).round(3))

# %% [markdown]
# Find the faults, and write the function as it should be. You may change anything, also build the model in
# another way, Sequential or functional.
#
# <details><summary>Hint 1</summary>
#
# Look at the sums of the rows and of the columns of both outputs. Then call the model on the first sample
# alone, `X[:1]`: what does this tell?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Follow a small matrix, `np.array([[1, 2], [3, 4], [5, 6]])`, through the line with `set_weights`: is it what
# the lecture gives to Keras? And which activations does the output layer have, one after the other?
#
# </details>


# %% exercise="to_keras"
def to_keras(parameters):
    """Return a Keras model that computes the last output of forward: ReLU, ..., ReLU, softmax."""
    ### BEGIN SOLUTION
    model = keras.Sequential([keras.Input(shape=(parameters[0][0].shape[1],))])
    for k, (W, b) in enumerate(parameters, start=1):
        layer = layers.Dense(len(b), activation="softmax" if k == len(parameters) else "relu")
        model.add(layer)
        layer.set_weights([W.T, b])
    return model
    ### END SOLUTION


# %% check="to_keras" points=3
to_keras = check.to_keras(to_keras)

# %%
expected = forward(X, parameters, [relu, relu, softmax])[-1]
difference = np.abs(ops.convert_to_numpy(to_keras(parameters)(X)) - expected).max()
runtime.result("lab_numpy_keras_difference", difference, at_most=1e-6)

# %% [markdown]
# ## 7. Sequences of different lengths
#
# A recurrent layer takes sequences of any length. But an array has rows of one length, so a batch of
# sequences is *padded*: after its end, a short sequence is filled up with numbers that mean nothing. The
# layer must not read them.
#
# Compute the last state of each sequence, from $h_0 = 0$ and
#
# $$h_t = \tanh(W_x \, x_t + W_h \, h_{t-1} + b).$$
#
# Sequence number $i$ has `lengths[i]` steps, from 1 to the number of steps in the array; its last state is
# the one after its own last step. Shapes: `sequences` (samples, steps, $d$), `lengths` (samples,), `W_x`
# ($n_h$, $d$), `W_h` ($n_h$, $n_h$), `b` ($n_h$,); the result is (samples, $n_h$). Loop over the steps, and
# treat all samples of a step together if you can.
#
# <details><summary>Hint 1</summary>
#
# First forget about `lengths`. `sequences[:, t]` holds the inputs of step `t` of all samples; the states of
# all samples are the rows of an array. Both products are those of a layer for a batch.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# When a sequence is over, its state stays as it is. `np.where(condition, new, old)` chooses row by row, if
# the condition is a column: what can `condition[:, None]` be made of?
#
# </details>


# %% exercise="last_states"
def last_states(sequences, lengths, W_x, W_h, b):
    """Return the state of each sequence after its own last step; shape (samples, n_h)."""
    ### BEGIN SOLUTION
    h = np.zeros((len(sequences), len(b)))
    for t in range(sequences.shape[1]):
        new = np.tanh(sequences[:, t] @ W_x.T + h @ W_h.T + b)
        h = np.where((t < lengths)[:, None], new, h)
    return h
    ### END SOLUTION


# %% check="last_states" points=3
last_states = check.last_states(last_states)

# %% [markdown]
# Keras's `SimpleRNN` does the same if a *mask* says which steps are real. Here are 6 sequences of up to 9
# steps, with 2 numbers at each step, and a state of 4 numbers.

# %%
sequences, lengths = rng.normal(size=(6, 9, 2)).astype("float32"), np.array([9, 1, 4, 7, 2, 9])
mask = np.arange(9) < lengths[:, None]
layer = layers.SimpleRNN(4, bias_initializer="uniform")
by_keras = ops.convert_to_numpy(layer(sequences, mask=mask))

# %%
kernel, recurrent_kernel, bias = layer.get_weights()
by_you = last_states(sequences, lengths, kernel.T, recurrent_kernel.T, bias)
runtime.result("lab_rnn_difference", np.abs(by_you - by_keras).max(), at_most=1e-6)

# %% [markdown]
# ## 8. Train it on data that are sorted
#
# Somebody has sorted the images by digit: first all zeros, then all ones, and so on. Write a function which
# compiles a model, trains it on such images `x` and integer labels `y` for `epochs` epochs, and returns the
# model.
#
# - The models of `to_keras` end with a **softmax**: choose the loss accordingly.
# - Keep a part of the data apart for **validation**. Both parts must hold all the digits.
# - Print at most one line an epoch.
#
# This check trains a small network: it takes some seconds.
#
# <details><summary>Hint 1</summary>
#
# The lecture says which images `validation_split=0.1` takes. Which digits are these here?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Mix the rows before `fit`, `x` and `y` in the same way: `rng.permutation(len(x))` is a random order of the
# row numbers. For the rest look up `loss` of `compile`, and `epochs`, `validation_split` and `verbose` of
# `fit`. There is a cross-entropy for labels that are integers, and one for vectors of zeros and a one.
#
# </details>


# %% exercise="train"
def train(model, x, y, epochs):
    """Compile the model, fit it to images x (samples, pixels) and integer labels y; return the model."""
    ### BEGIN SOLUTION
    order = np.random.default_rng(0).permutation(len(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[order], y[order], epochs=epochs, batch_size=128, validation_split=0.1, verbose=2)
    return model
    ### END SOLUTION


# %% check="train" points=3
train = check.train(train)

# %% [markdown]
# Now on MNIST, sorted. The weights at the start are random, with a standard deviation of
# $\sqrt{2 / \text{inputs}}$ (lesson 04 says why), and the biases are zero.

# %%
mnist = data.mnist()
n_train, n_test = budget.pick(smoke=5_000, cpu=60_000), budget.pick(smoke=1_000, cpu=10_000)
by_digit = np.argsort(mnist.y_train[:n_train], kind="stable")
x_train = mnist.x_train[by_digit].reshape(-1, 784).astype("float32") / 255
x_test = mnist.x_test[:n_test].reshape(-1, 784).astype("float32") / 255
y_train, y_test = mnist.y_train[by_digit], mnist.y_test[:n_test]
print("the digits of the last tenth:", np.unique(y_train[-n_train // 10 :]))

# %%
start = [
    (rng.normal(scale=np.sqrt(2 / inputs), size=(neurons, inputs)), np.zeros(neurons))
    for inputs, neurons in pairwise([784, 256, 128, 10])
]
classifier = train(to_keras(start), x_train, y_train, epochs=budget.pick(smoke=2, cpu=6))

# %%
probabilities = classifier.predict(x_test, verbose=0)
predicted = probabilities.argmax(axis=1)
runtime.result("lab_mnist_test_accuracy", np.mean(predicted == y_test), at_least=0.97)

# %% [markdown]
# Which digits does it misread? Here are up to twenty, in the order of the test set: what the network says,
# and what the label says. Which ones would you have read?

# %%
misread = np.flatnonzero(predicted != y_test)[:20]
titles = [f"{predicted[i]}, not {y_test[i]}" for i in misread]
plots.image_grid(x_test[misread].reshape(-1, 28, 28), titles=titles, columns=10)
plots.show("Misread test digits, each with the network's answer and the label.")

# %% [markdown]
# And your own handwriting? While the kernel runs there is a pad under the figure: draw a digit with the
# mouse. (If you skipped exercises, this is the course's network.)


# %%
def predict(images):
    return ops.convert_to_numpy(classifier(images.reshape(-1, 784).astype("float32") / 255))


widgets.digit_pad(predict, mnist.x_test[misread[0]])

# %% [markdown]
# ## 9. Two questions

# %% [markdown] question="rescaled-neuron" points=2
# **Question.** Take a network $f(x) = v \, \mathrm{ReLU}(w x)$ with one hidden neuron, $w > 0$ and $v > 0$,
# and samples $(x_i, y_i)$ with $y_i = f(x_i)$, some of the $x_i$ positive. The loss of weights
# $\theta = (w, v)$ is the mean squared error $L_n(\theta) = \frac1n \sum_i (f(x_i) - y_i)^2$, so it is 0
# here.
#
# (a) Which other weights $\theta' = (4w, \dots)$ give the same function? (b) Compute the function half-way,
# at $(\theta + \theta')/2$. (c) If $L_n$ were convex, $L_n((\theta + \theta')/2) \le (L_n(\theta) +
# L_n(\theta'))/2$. Is it? (d) The lecture permutes hidden neurons. Why can no permutation show (c) for this
# network?
#
# <!-- BEGIN SOLUTION -->
# (a) $\theta' = (4w, v/4)$, since $\mathrm{ReLU}(4a) = 4\,\mathrm{ReLU}(a)$.
#
# (b) Half-way the weights are $2.5\,w$ and $0.625\,v$, and the function is $2.5 \cdot 0.625 = 1.5625$ times
# $f$.
#
# (c) On the right of the inequality stands 0. On the left stands $0.5625^2$ times the mean of the $f(x_i)^2$,
# which is positive, since $f(x_i) > 0$ for a positive $x_i$. The inequality is broken: $L_n$ is not convex.
#
# (d) One neuron can only be put in one order, $1! = 1$. There is no second network to go to. With the ReLU,
# each hidden neuron brings a whole curve of weights $(cw, v/c)$, $c > 0$, with the same function.
# <!-- END SOLUTION -->

# %% [markdown] question="wide-or-deep" points=2
# **Question.** A friend says: "One hidden layer can approximate every continuous function. So for MNIST more
# layers are of no use." Design an experiment that could prove your friend wrong, or right, about MNIST. What
# is equal for all networks, what differs, and how does `widest` help? On which images is what measured? How
# often do you train each network, and which result would convince you of what?
#
# <!-- BEGIN SOLUTION -->
# The theorem says that *some* number of neurons and *some* weights are good enough. It says nothing about how
# many are needed, about training, or about new images. So only an experiment can tell.
#
# - Equal: the number of parameters (say 100,000, with the widths that `widest` gives for 1, 2, 3 and 5 hidden
#   layers), the training images, the activation, the optimiser, the number of epochs. The learning rate may
#   suit one depth better than another: try the same few rates for each and take the best on the validation
#   images.
# - Different: the number of hidden layers only.
# - Each network is trained from several random starts, five say, and the mean and the spread of the accuracy
#   on the *validation* images are compared. The test images are used once, for the one depth that is chosen.
# - If the best deep network is better than the one-layer network by clearly more than the spread, depth is of
#   use here. If all lie within the spread, the experiment shows no use of depth *for this size and this
#   data*; it does not prove that there is none.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Wide or deep.** Carry out the experiment of the second question.
# - **Two outputs.** With the functional API, build a model with one hidden layer of 64 neurons and two
#   outputs that share it: the digit (10 classes, softmax) and whether it is odd (sigmoid). Count the
#   parameters before Keras does. Train both at once:
#   `loss=["sparse_categorical_crossentropy", "binary_crossentropy"]`. Do the two outputs ever contradict
#   each other?
# - **Sorting is depth.** Write the network that sorts four numbers as *one* list of pairs `(W, b)`. How many
#   layers has it? Which other programs can you write in this way?
# - **Forecasts that feed themselves.** Take the recurrent network of the lecture, forecast one value,
#   append it to the window, forecast the next one. After how many steps is it no better than the mean of
#   the series?
