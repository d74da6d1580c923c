# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 2}
# ---

# %% [markdown]
# # Lab 10: variational autoencoder
#
# You write a variational autoencoder piece by piece: the Gaussian density, the divergence from the prior, the
# sampling layer, the likelihood of the pixels, the loss. Each piece is first tested where the answer is
# known. Then your pieces are put together and learn digits; you estimate their likelihood and walk from one
# digit to another.

# %%
from nnlabs import data, plots, runtime
from nnlabs.checks import vae as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

# %% [markdown]
# ## 1. The density of a code
#
# A code $z$ has $k$ independent Gaussian components with means $\mu_j$ and variances $\sigma_j^2$. The
# logarithm of its density is a sum:
#
# $$\log \mathcal N(z;\, \mu, \operatorname{diag}(\sigma^2)) = -\frac12 \sum_{j=1}^k
# \left( \log 2\pi + \log \sigma_j^2 + \frac{(z_j - \mu_j)^2}{\sigma_j^2} \right)$$
#
# The argument `log_var` holds $\log \sigma_j^2$. All three arguments have the shape $(\ldots, k)$; NumPy
# broadcasts the axes before the last, such as `z` of shape `(n, k)` with `mu` and `log_var` of shape `(k,)`.
# The result has the shape $(\ldots)$. Use NumPy.
#
# <details><summary>Hint</summary>
#
# What is $\sigma_j^2$, if you have its logarithm? `np.sum(..., axis=-1)` sums over the last axis.
#
# </details>


# %% exercise="log-normal"
def log_normal(z, mu, log_var):
    """Return log N(z; mu, diag(exp(log_var))): shapes (..., k) in, (...) out."""
    ### BEGIN SOLUTION
    terms = np.log(2 * np.pi) + log_var + np.square(z - mu) / np.exp(log_var)
    return -0.5 * np.sum(terms, axis=-1)
    ### END SOLUTION


# %% check="log-normal" points=2
log_normal = check.log_normal(log_normal)

# %% [markdown]
# ## 2. The divergence from the prior
#
# For $q = \mathcal N(\mu, \operatorname{diag}(\sigma^2))$ and the prior $p(z) = \mathcal N(0, I)$:
#
# $$KL(q(z|x), p(z)) = \frac12 \sum_{j=1}^k \left( \mu_j^2 + \sigma_j^2 - \log \sigma_j^2 - 1 \right)$$
#
# `mu` and `log_var` have the shape `(n, k)`, one row an image, and the result `(n,)`. Sum over the *last*
# axis (`axis=-1`): then the function also works for one code of shape `(k,)`, as in exercise 3. It becomes
# part of a Keras model: use `ops` (that is `keras.ops`: `ops.exp`, `ops.square`, `ops.sum` ...) in place of
# NumPy.
#
# <details><summary>Hint</summary>
#
# Check by hand: with $\mu = 0$ and $\log \sigma^2 = 0$ the two distributions are equal, and the result is 0.
#
# </details>


# %% exercise="kl-to-prior"
def kl_to_prior(mu, log_var):
    """Return KL(N(mu, diag(exp(log_var))), N(0, I)), summed over the last axis: (..., k) in, (...) out."""
    ### BEGIN SOLUTION
    return 0.5 * ops.sum(ops.square(mu) + ops.exp(log_var) - log_var - 1, axis=-1)
    ### END SOLUTION


# %% check="kl-to-prior" points=2
kl_to_prior = check.kl_to_prior(kl_to_prior)

# %% [markdown]
# A divergence is a mean over $q$: $KL(q, p) = \mathbb E_{z \sim q}[\log q(z) - \log p(z)]$. **Before you run
# the next cell, what do you expect** of 100,000 draws?

# %%
rng = np.random.default_rng(1)
mu, log_var = np.array([1.0, -0.5, 0.0]), np.array([-1.5, 0.5, 0.0])
z = mu + np.exp(0.5 * log_var) * rng.normal(size=(100_000, 3))
terms = log_normal(z, mu, log_var) - log_normal(z, np.zeros(3), np.zeros(3))
error = terms.std() / np.sqrt(len(terms))
print(f"formula {float(kl_to_prior(mu, log_var)):.4f}, draws {terms.mean():.4f}, give or take {error:.4f}")
assert abs(terms.mean() - float(kl_to_prior(mu, log_var))) < 4 * error

# %% [markdown]
# ## 3. A bound that can be checked
#
# In the linear Gaussian model $\log p(x)$ is known, so we can see how good the bound is:
#
# $$z \sim \mathcal N(0, I), \qquad x \,|\, z \sim \mathcal N(W z + b,\; s^2 I)$$
#
# Here $x$ has $D$ numbers and $W$ the shape $(D, k)$. Write the ELBO at one $x$ for $q(z|x) = \mathcal
# N(\mu, \operatorname{diag}(\sigma^2))$:
#
# $$\text{ELBO} = \mathbb E_{z \sim q(z|x)} \log p(x|z) - KL(q(z|x), p(z)),$$
#
# $$\mathbb E_{z \sim q(z|x)} \log p(x|z) = -\frac D2 \log(2 \pi s^2) - \frac{1}{2 s^2}
# \Big( \lVert x - W \mu - b \rVert^2 + \sum_{j=1}^k \sigma_j^2 \sum_{i=1}^D W_{ij}^2 \Big)$$
#
# The last sum is what the spread of $z$ adds to the squared error. Use NumPy; your `kl_to_prior` accepts
# NumPy arrays too.
#
# <details><summary>Hint</summary>
#
# First the $k$ sums of squares of the columns of $W$, then their product with the variances.
#
# </details>


# %% exercise="elbo-linear-gaussian"
def elbo_linear_gaussian(x, W, b, s, mu, log_var):
    """Return the ELBO at x (D,) of the model with W (D, k), b (D,), s for q with mu, log_var (k,)."""
    ### BEGIN SOLUTION
    spread = np.sum(np.exp(log_var) * np.sum(np.square(W), axis=0))
    error = np.sum(np.square(x - W @ mu - b)) + spread
    reconstruction = -0.5 * (len(x) * np.log(2 * np.pi * s**2) + error / s**2)
    return reconstruction - float(kl_to_prior(mu, log_var))
    ### END SOLUTION


# %% check="elbo-linear-gaussian" points=3
elbo_linear_gaussian = check.elbo_linear_gaussian(elbo_linear_gaussian)

# %% [markdown]
# Now look for the best $q$, as a VAE does, but by trying: from a random start, take small random steps of
# $\mu$ and $\log \sigma^2$ and keep those that make the ELBO larger. The search does not know $p(z|x)$, and
# it does not know $\log p(x)$.

# %%
W, b, s = rng.normal(size=(4, 2)), rng.normal(size=4), 0.6
x = W @ rng.normal(size=2) + b + s * rng.normal(size=4)
log_p_x = multivariate_normal(b, W @ W.T + s**2 * np.eye(4)).logpdf(x)
q = rng.normal(size=(2, 2))  # mu and log_var
bounds = [elbo_linear_gaussian(x, W, b, s, *q)]
for _ in range(budget.pick(smoke=200, cpu=1000)):
    step = q + 0.2 * rng.normal(size=q.shape)
    value = elbo_linear_gaussian(x, W, b, s, *step)
    if value > bounds[-1]:
        q = step
    bounds.append(max(value, bounds[-1]))

# %%
plt.axhline(log_p_x, color=plots.COLORS[1], linestyle="--", label="log p(x)")
plt.plot(np.arange(len(bounds)) + 1, bounds, label="ELBO of the best $q$ so far")
plt.gca().set(xscale="log", xlabel="step", ylabel="nats", ylim=(log_p_x - 10, log_p_x + 1))
plt.legend()
plots.show(
    "The ELBO rises over the steps of the search, from far below the figure towards the dashed line log "
    "p(x). It becomes flat a little below the line."
)
M = np.eye(2) + W.T @ W / s**2
print("mu of the search:", q[0].round(2), " of p(z|x):", np.linalg.solve(M, W.T @ (x - b) / s**2).round(2))
print(f"gap that is left: {log_p_x - bounds[-1]:.3f} nats")
assert np.max(bounds) <= log_p_x + 1e-5

# %% [markdown]
# **Look at** the mean that was found, and at the gap. Why is the gap not 0? (Question 9 comes back to it.)
#
# ## 4. The sampling layer
#
# The encoder gives $\mu$ and $\log \sigma^2$. The code is drawn by the reparametrisation
#
# $$z = \mu + \sigma \odot \varepsilon, \qquad \varepsilon \sim \mathcal N(0, I).$$
#
# Write two methods of a Keras layer.
#
# - `reparametrise(mu, log_var, eps)` returns $z$ for a given $\varepsilon$. All have the shape `(n, k)`.
# - `call(mu, log_var)` draws $\varepsilon$ with `keras.random.normal` and returns $z$. The random generator
#   is the layer's own `self.seed_generator`.
#
# <details><summary>Hint</summary>
#
# `keras.random.normal(shape, seed=...)` takes a seed generator as `seed`. The shape is `ops.shape(mu)`:
# inside a model the number of images may be unknown.
#
# </details>


# %% exercise="sampling"
class Sampling(layers.Layer):
    """Draw z from N(mu, diag(exp(log_var)))."""

    def __init__(self, seed=1, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def reparametrise(self, mu, log_var, eps):
        """Return z for the noise eps: (n, k) each."""
        ### BEGIN SOLUTION
        return mu + ops.exp(0.5 * log_var) * eps
        ### END SOLUTION

    def call(self, mu, log_var):
        """Return one draw of z for each row."""
        ### BEGIN SOLUTION
        eps = keras.random.normal(ops.shape(mu), seed=self.seed_generator)
        return self.reparametrise(mu, log_var, eps)
        ### END SOLUTION


# %% check="sampling" points=3
Sampling = check.Sampling(Sampling)

# %% [markdown]
# ## 5. The likelihood of an image
#
# The pixels are 0 or 1. The decoder returns a logit $a_i$ for each, and pixel $i$ is 1 with the probability
# $p_i = 1 / (1 + e^{-a_i})$. Given $z$ the pixels are independent:
#
# $$\log p(x|z) = \sum_i x_i \log p_i + (1 - x_i) \log (1 - p_i)$$
#
# Return it for each image: `x` and `logits` have the shape `(n, d)`, the result `(n,)`. Use `ops`. For large
# $|a_i|$ the result must stay right: $\log p_i$ of a $p_i$ that was rounded to 0 is infinite.
#
# <details><summary>Hint</summary>
#
# `ops.softplus(a)` is $\log(1 + e^a)$, without overflow. Write $\log p_i$ and $\log(1 - p_i)$ with it. Then
# the sum becomes short.
#
# </details>


# %% exercise="log-bernoulli"
def log_bernoulli(x, logits):
    """Return log p(x|z) of each image, summed over its pixels: (n, d) in, (n,) out."""
    ### BEGIN SOLUTION
    return ops.sum(x * logits - ops.softplus(logits), axis=-1)
    ### END SOLUTION


# %% check="log-bernoulli" points=3
log_bernoulli = check.log_bernoulli(log_bernoulli)

# %% [markdown]
# ## 6. The loss
#
# The loss of a batch is the mean over its images of
#
# $$-\log p(x|z) + \beta\, KL(q(z|x), p(z)),$$
#
# with one draw $z$ for each image. With $\beta = 1$ it is the negative ELBO. Use your functions. In `fit` the
# number of images is unknown.
#
# <details><summary>Hint</summary>
#
# Both functions return one number an image. `ops.mean` makes one number of them.
#
# </details>


# %% exercise="vae-loss"
def vae_loss(x, logits, mu, log_var, beta):
    """Return the loss of a batch: x, logits (n, d), mu, log_var (n, k), one number out."""
    ### BEGIN SOLUTION
    return ops.mean(beta * kl_to_prior(mu, log_var) - log_bernoulli(x, logits))
    ### END SOLUTION


# %% check="vae-loss" points=3
vae_loss = check.vae_loss(vae_loss)

# %% [markdown]
# ### Your pieces together
#
# MNIST, in black and white: a pixel is 1 with a probability equal to its grey value. Each epoch throws the
# coins anew.


# %%
def binarise(grey, rng):
    """Throw a coin for each pixel (uint8): 1 with probability grey / 255."""
    return (rng.integers(255, size=grey.shape, dtype=np.uint8) < grey).astype("float32")


mnist = data.mnist()
n_train, n_test = budget.pick(smoke=2000, cpu=60_000), budget.pick(smoke=500, cpu=10_000)
grey_train = mnist.x_train[:n_train].reshape(-1, 784)
x_test = binarise(mnist.x_test[:n_test].reshape(-1, 784), np.random.default_rng(10))
y_test = mnist.y_test[:n_test]
print("training", grey_train.shape, " test", x_test.shape)


# %%
class VAE(keras.Model):
    def __init__(self, latent, width, beta=1.0):
        super().__init__()
        self.beta = beta
        x, z = keras.Input((784,)), keras.Input((latent,))
        h = layers.Dense(width, activation="relu")(x)
        self.encoder = keras.Model(x, [layers.Dense(latent)(h), layers.Dense(latent)(h)])
        self.decoder = keras.Model(z, layers.Dense(784)(layers.Dense(width, activation="relu")(z)))
        self.sampling = Sampling()

    def call(self, x):
        mu, log_var = self.encoder(x)
        return self.decoder(self.sampling(mu, log_var)), mu, log_var

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return vae_loss(x, *y_pred, self.beta)


# %%
epochs = budget.pick(smoke=1, cpu=8)
keras.utils.set_random_seed(1)
model = VAE(latent=16, width=400)
rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-n_train // 128))
model.compile(optimizer=keras.optimizers.Adam(learning_rate=rate), jit_compile=False)
coins = np.random.default_rng(1)
for epoch in range(1, epochs + 1):
    history = model.fit(binarise(grey_train, coins), batch_size=128, verbose=0).history
    print(f"epoch {epoch}: training loss {history['loss'][0]:.1f} nats")

# %%
logits, mu, log_var = model(x_test)
runtime.result("lab_elbo_16d", -float(vae_loss(x_test, logits, mu, log_var, 1.0)), at_least=-115)


# %%
def pixels(logits):
    """Probabilities of white as images (n, 28, 28)."""
    return ops.convert_to_numpy(ops.sigmoid(logits)).reshape(-1, 28, 28)


z = keras.random.normal((20, 16), seed=3)  # the prior
plots.image_grid(pixels(model.decoder(z)), columns=10)
plots.show(
    "Twenty digits decoded from draws of the prior: about half are readable, some are between two classes."
)

# %% [markdown]
# ## 7. Closer to the likelihood
#
# The ELBO lies below $\log p(x)$. With $K$ draws $z_1, \ldots, z_K$ from $q(z|x)$ the importance-weighted
# bound comes closer:
#
# $$\log \frac1K \sum_{j=1}^K \frac{p(x, z_j)}{q(z_j|x)}$$
#
# You get the logarithms $\log p(x, z_j)$ and $\log q(z_j|x)$ as arrays of shape `(K, n)`, for `n` images.
# Return one bound for each image, shape `(n,)`. The values are near $-100$ or far below it: `np.exp` of them
# can be 0. Use NumPy and SciPy.
#
# <details><summary>Hint</summary>
#
# `logsumexp(a, axis=0)` is $\log \sum_j e^{a_j}$ without overflow or underflow. And a factor $\frac1K$ inside
# a logarithm is ...
#
# </details>


# %% exercise="importance-weighted-bound"
def importance_weighted_bound(log_joint, log_q):
    """Return the bound of each image from log p(x, z_j) and log q(z_j|x): (K, n) in, (n,) out."""
    ### BEGIN SOLUTION
    return logsumexp(log_joint - log_q, axis=0) - np.log(len(log_q))
    ### END SOLUTION


# %% check="importance-weighted-bound" points=3
importance_weighted_bound = check.importance_weighted_bound(importance_weighted_bound)


# %%
def log_densities(x, draws):
    """log p(x, z) and log q(z|x) for draws of z, each (draws, n)."""
    mu, log_var = (ops.convert_to_numpy(part) for part in model.encoder(x))
    pairs = []
    for _ in range(draws):
        z = mu + np.exp(0.5 * log_var) * rng.normal(size=mu.shape).astype("float32")
        log_p_x_given_z = ops.convert_to_numpy(log_bernoulli(x, model.decoder(z)))
        log_p_z = log_normal(z, np.zeros_like(z), np.zeros_like(z))
        pairs.append((log_p_x_given_z + log_p_z, log_normal(z, mu, log_var)))
    return np.array(pairs).swapaxes(0, 1)


# %% [markdown]
# **Before you run the next cell, what do you expect** when $K$ grows?

# %%
log_joint, log_q = log_densities(x_test[:500], draws=budget.pick(smoke=20, cpu=200))
for K in (1, 10, len(log_q)):
    print(f"K = {K:3}: {importance_weighted_bound(log_joint[:K], log_q[:K]).mean():.1f} nats")
bound = importance_weighted_bound(log_joint, log_q).mean()
runtime.result("lab_importance_weighted_bound_16d", bound, at_least=-112)
assert bound > importance_weighted_bound(log_joint[:1], log_q[:1]).mean()

# %% [markdown]
# ## 8. From one digit to another
#
# Return `n` codes on the straight line from `z_a` to `z_b`, at equal distances, both ends included. `z_a` and
# `z_b` have the shape `(k,)`, the result `(n, k)`. Use NumPy:
#
# $$z(t) = (1 - t)\, z_a + t\, z_b, \qquad t = 0, \ldots, 1$$
#
# <details><summary>Hint</summary>
#
# `np.linspace(0, 1, n)` gives the values of $t$. As a column, shape `(n, 1)`, they can be multiplied with a
# row.
#
# </details>


# %% exercise="interpolate"
def interpolate(z_a, z_b, n):
    """Return n codes on the line from z_a (k,) to z_b (k,), shape (n, k)."""
    ### BEGIN SOLUTION
    t = np.linspace(0, 1, n)[:, None]
    return (1 - t) * z_a + t * z_b
    ### END SOLUTION


# %% check="interpolate" points=2
interpolate = check.interpolate(interpolate)

# %%
chosen = [np.flatnonzero(y_test == digit)[0] for digit in (4, 9, 0, 6)]
means = ops.convert_to_numpy(model.encoder(x_test[chosen])[0])
rows = [interpolate(means[i], means[i + 1], 9).astype("float32") for i in (0, 1, 2)]
plots.image_grid(pixels(model.decoder(np.concatenate(rows))), columns=9)
plots.show(
    "Three rows of decoded codes: from a 4 to a 9, from the 9 to a 0, from the 0 to a 6. In each row the "
    "shape changes step by step."
)

# %% [markdown]
# How many of the 16 components does the model use? Those whose divergence from the prior is near 0 say
# nothing about the image.

# %%
divergences = ops.convert_to_numpy(0.5 * ops.mean(mu**2 + ops.exp(log_var) - log_var - 1, axis=0))
plt.bar(range(1, 17), np.sort(divergences)[::-1])
plt.gca().set(xlabel="component, sorted", ylabel="KL (nats)", title="divergence of each component")
plots.show("The divergence of each of the 16 components from the prior, sorted from the largest down.")
print(f"{np.sum(divergences > 0.1)} of 16 components say more than 0.1 nats")

# %% [markdown] question="bound" points=3
# **Question 9.** Look back at exercises 3 and 7.
#
# 1. In exercise 3 the search ends with a gap to $\log p(x)$, however long it runs. Where does the gap come
#    from? For which $W$ would it be 0?
# 2. A friend trains a VAE with grey pixels between 0 and 1 in `log_bernoulli`, and another one with a squared
#    error. She compares the three losses and picks the smallest. What do you tell her?
# 3. You set $\beta = 0$. Which of these get better, which worse: the reconstruction, the ELBO, the digits
#    decoded from the prior? Why?
#
# <!-- BEGIN SOLUTION -->
# 1. The $q$ of the search has independent components. The true posterior has the covariance $(I + W^\top W /
#    s^2)^{-1}$, which is not diagonal, because the columns of $W$ are not orthogonal. The gap is
#    $KL(q(z|x), p(z|x))$ for the best diagonal $q$. With orthogonal columns $W^\top W$ is diagonal, the true
#    posterior is in the family, and the gap is 0.
# 2. The three numbers cannot be compared. Ours is a bound on the logarithm of a probability of black and
#    white images. With grey pixels the formula is not the logarithm of a density of grey images: it does not
#    integrate to 1. A squared error is, up to a constant and a factor, the logarithm of a Gaussian density of
#    real numbers, which can have any size. She may compare the models by what the samples or the codes are
#    good for, or bring all of them to the same data and a proper likelihood.
# 3. The reconstruction gets better: nothing limits what the code may say, and $\sigma$ goes to 0. The ELBO
#    gets worse, because the divergence, which it subtracts, becomes large. The digits get worse too: the
#    codes of the images are no longer spread like the prior, and the decoder was not trained where the prior
#    draws.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Warm-up.** Let $\beta$ grow from 0 to 1 over the first epochs: make it a Keras variable, and set it in a
#   callback. Does the number of active components change? The ELBO?
# - **Train with the importance-weighted bound** (Burda et al., 2016): draw $K$ codes for each image in
#   `call`, and take `ops.logsumexp` in the loss. Compare after equal time.
# - **A convolutional encoder and decoder**, as in lesson 09. How many nats are they worth?
# - **A full covariance.** Let the encoder of the linear model give a triangular matrix $L$ and take
#   $z = \mu + L \varepsilon$. Does the gap of exercise 3 close?
# - **Labels.** Give the class to encoder and decoder as a second input (a conditional VAE; Kingma et al.,
#   2014, call it M2). Then the code need not say which digit it is: what does it say?
#
# **References:** D. P. Kingma, M. Welling (2014), *Auto-encoding variational Bayes*,
# [arXiv:1312.6114](https://arxiv.org/abs/1312.6114). Y. Burda, R. Grosse, R. Salakhutdinov (2016),
# *Importance weighted autoencoders*, [arXiv:1509.00519](https://arxiv.org/abs/1509.00519). D. P. Kingma, D.
# J. Rezende, S. Mohamed, M. Welling (2014), *Semi-supervised learning with deep generative models*,
# [arXiv:1406.5298](https://arxiv.org/abs/1406.5298).
#
# Back to the lecture: [`../notebooks/10_vae.ipynb`](../notebooks/10_vae.ipynb).
