# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.6, cpu: 3}
#     networks: {vae: vae_16d.decoder}
# ---

# %% [markdown]
# # Variational autoencoder
#
# An autoencoder compresses digits, but it comes without a distribution from which a new code could be drawn.
# The variational autoencoder (VAE) is trained together with one. It is a model of probability that is trained
# like a network: you derive what it maximises, step by step, and check every step on a small model whose
# answer is known. Then you train it on MNIST, walk through its code space, measure what it has learned in
# nats, and measure its new digits with a yardstick that the next lessons use, too.
#
# **You need** likelihoods as losses (lesson 03), Keras models (lesson 02) and autoencoders (lesson 09), and
# what the density, the mean and the covariance of a Gaussian are. About three hours; what is marked *second
# reading* can wait. The symbols are those of the table of [notation](01_neurons.ipynb#Notation), but for two:
# here $k$ is the number of latent variables, and $\phi$ stands for the weights of an encoder.
#
# **After this lesson you can**
#
# - say why $p(z|x)$ is out of reach, and derive the evidence lower bound (ELBO) that replaces it;
# - say what the ELBO teaches the encoder and what the decoder, and what *amortisation* is;
# - compute the Kullback-Leibler divergence of a Gaussian from $\mathcal N(0, I)$;
# - explain why sampling stops the gradient, and how the reparametrisation lets it pass;
# - write a variational autoencoder in plain Keras, train it, save it and load it;
# - report a test ELBO and an importance-weighted estimate, and say what they mean;
# - interpolate between digits, generate new ones, and tell a draw of $p(x|z)$ from its mean;
# - measure generated digits, also those of an ordinary autoencoder, and say what the VAE has besides;
# - recognise posterior collapse;
# - use the codes to learn from 100 labels.

# %%
from nnlabs import data, plots, runtime, widgets, yardstick

budget = runtime.setup(seed=1)
# %%
import itertools
import tempfile
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

# %% [markdown]
# ## 0. The picture
#
# An ordinary autoencoder maps an image $x$ to one code, and the code to a copy. A VAE maps it to a
# *distribution* of codes, a Gaussian with means $\mu$ and variances $\sigma^2$, and draws a code $z$ from it;
# the decoder has to make $x$ probable whatever code was drawn. A second term of the loss keeps all these
# Gaussians near one fixed one, the **prior**, and later *new* digits are decoded from draws of the prior.
# (The next two cells only draw the picture.)


# %%
def box(ax, place, text, color):
    style = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": color, "linewidth": 1.5}
    return ax.text(*place, text, ha="center", va="center", fontsize=11, bbox=style, zorder=3)


def arrow(start, end, color="black", line="-"):
    """Draw an arrow between two boxes of one figure."""
    ends = {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch(), "shrinkA": 2, "shrinkB": 2}
    style = {"arrowstyle": "-|>", "color": color, "linestyle": line, **ends}
    start.axes.annotate("", end.get_position(), start.get_position(), arrowprops=style)


# %%
BLUE, ORANGE, GREEN = plots.COLORS[:3]

figure, ax = plt.subplots(figsize=(8.4, 3))
texts = ["$x$", "encoder", r"$\mu,\ \log\sigma^2$", "draw $z$", "decoder", "$p(x|z)$"]
colors = ["0.5", BLUE, BLUE, ORANGE, GREEN, GREEN]
places = [(0, 1), (1.7, 1), (3.5, 1), (5.3, 1), (7, 1), (8.8, 1)]
boxes = [box(ax, *parts) for parts in zip(places, texts, colors)]
for start, end in itertools.pairwise(boxes):
    arrow(start, end)
prior = box(ax, (5.3, 2.4), r"prior $\mathcal{N}(0, I)$", ORANGE)
arrow(prior, boxes[3], line="--")
ax.text(5.4, 1.75, "for new digits", va="center", fontsize=10)
divergence = box(ax, (2.9, 2.4), "loss: divergence", "0.5")
reconstruction = box(ax, (4.4, -0.2), "loss: reconstruction", "0.5")
for start, end in [(2, divergence), (0, reconstruction), (5, reconstruction)]:
    arrow(boxes[start], end, color="0.5", line=":")
arrow(prior, divergence, color="0.5", line=":")
ax.set(xlim=(-0.4, 9.4), ylim=(-0.6, 2.8))
ax.axis("off")
plots.show(
    "The scheme of a VAE. Solid arrows: x, encoder, mu and log sigma squared, draw z, decoder, p(x|z). "
    "Dotted arrows: the divergence compares mu and log sigma squared with the prior N(0, I), the "
    "reconstruction compares p(x|z) with x. A dashed arrow leads from the prior to z, for new digits."
)

# %% [markdown]
# **Look at** the dotted arrows: they are the two terms of the loss. Why just these? Sections 1 to 4 derive
# them. If you would like to see digits first, read sections 5 to 7 and come back.
#
# ## 1. A hidden variable behind the data
#
# Suppose that a hidden variable $z$, the **latent variable**, generates what we observe:
#
# $$z \sim p(z), \qquad x \sim p(x|z).$$
#
# The **prior** $p(z)$ is simple, in this lesson always $\mathcal N(0, I)$ in $k$ dimensions. We see only $x$.
# Two questions follow. How likely is this $x$? And which $z$ was behind it?
#
# $$p(x) = \int p(x|z)\, p(z)\, dz, \qquad\qquad p(z|x) = \frac{p(x|z)\, p(z)}{p(x)}$$
#
# Our test bench is a model where both have an answer. There $x$ is a linear function of $z$ with Gaussian
# noise (Tipping & Bishop, 1999, call it probabilistic PCA):
#
# $$z \sim \mathcal N(0, I), \qquad x \,|\, z \sim \mathcal N(W z + b,\; s^2 I)$$

# %%
rng = np.random.default_rng(1)
D, k, s = 5, 2, 0.5
W, b = rng.normal(size=(D, k)), rng.normal(size=D)
W[:, 1] += W[:, 0]  # similar columns: the two latent variables do similar things to x


def sample_model(n):
    z = rng.normal(size=(n, k))
    return z @ W.T + b + s * rng.normal(size=(n, D))


x = sample_model(1)[0]
print("W", W.shape, " x", x.shape, " hidden: z", (k,))

# %% [markdown]
# A sum of Gaussians is a Gaussian. So $p(x) = \mathcal N(b,\; W W^\top + s^2 I)$, in closed form:

# %%
log_p_x = multivariate_normal(b, W @ W.T + s**2 * np.eye(D)).logpdf(x)
print(f"log p(x) = {log_p_x:.4f} nats")
many = sample_model(200_000)
assert np.allclose(np.cov(many.T), W @ W.T + s**2 * np.eye(D), atol=0.1)

# %% [markdown]
# (A **nat** is the unit of the natural logarithm, as a bit is that of the logarithm to base 2.)
#
# Without the closed form we would have to compute the integral. With two dimensions a grid does it: take 121
# points along each axis and add up.


# %%
def log_likelihood(z):
    """log p(x|z) for each row of z (n, k)."""
    return norm.logpdf(x, z @ W.T + b, s).sum(axis=1)


def log_prior(z):
    return norm.logpdf(z).sum(axis=1)


axis = np.linspace(-6, 6, 121)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, k)
step = axis[1] - axis[0]
integral = np.sum(np.exp(log_likelihood(grid) + log_prior(grid))) * step**k
assert np.isclose(np.log(integral), log_p_x)

# %% [markdown]
# ### Why $p(z|x)$ is intractable
#
# The grid has $121^k$ points. The larger network below has $k = 16$.

# %%
# NBVAL_CHECK_OUTPUT
for dimensions in (2, 4, 16):
    print(f"k = {dimensions:2}: {121.0**dimensions:.1e} points")

# %% [markdown]
# A better idea: $p(x)$ is the mean of $p(x|z)$ over the prior. So draw $z_1, \ldots, z_K$ from $p(z)$ and
# take the mean. **Before you run the next cell, what do you expect** when $k$ grows and $K = 10\,000$ stays?
# For each $k$ we take 20 observations of a random linear model, where the true $\log p(x)$ is known.


# %%
def shortfall(k, draws=10_000, observations=20):
    """Mean of (estimate - truth) of log p(x), in nats, for a random model with k latent dimensions."""
    rng = np.random.default_rng(k)
    W = rng.normal(size=(2 * k, k))
    x = rng.normal(size=(observations, k)) @ W.T + s * rng.normal(size=(observations, 2 * k))
    means = rng.normal(size=(draws, k)) @ W.T  # W z for draws from the prior
    truth = multivariate_normal(np.zeros(2 * k), W @ W.T + s**2 * np.eye(2 * k)).logpdf(x)
    logs = [norm.logpdf(row, means, s).sum(axis=1) for row in x]
    return np.mean(logsumexp(logs, axis=1) - np.log(draws) - truth)


latent_sizes = [1, 2, 4, 8, 16, 32]
gaps = [shortfall(size) for size in latent_sizes]
print("  ".join(f"k = {size}: {gap:.1f}" for size, gap in zip(latent_sizes, gaps)))
plt.plot(latent_sizes, gaps, "o-")
plt.xscale("log", base=2)
plt.xticks(latent_sizes, latent_sizes)
plt.gca().set(xlabel="latent dimensions $k$", ylabel="estimate − truth (nats)")
plt.title("log p(x) from 10,000 draws of the prior")
plots.show(
    "The error of the estimate against the number of latent dimensions: near zero up to four dimensions, "
    "then falling far below zero, faster and faster."
)
assert abs(gaps[0]) < 0.2
assert gaps[-1] < -50

# %% [markdown]
# **Look at** the right end. Most draws of the prior explain $x$ badly, and the few that would explain it well
# are never drawn. The estimate of $p(x)$ is not a little wrong, but by a factor $e^{\text{nats}}$.
#
# So neither sum works. And without $p(x)$ there is no $p(z|x)$. Here we know it, because everything is
# Gaussian: with $M = I + W^\top W / s^2$,
#
# $$p(z|x) = \mathcal N\big(M^{-1} W^\top (x - b) / s^2,\; M^{-1}\big).$$

# %%
M = np.eye(k) + W.T @ W / s**2
posterior = multivariate_normal(np.linalg.solve(M, W.T @ (x - b) / s**2), np.linalg.inv(M))
z = rng.normal(size=(5, k))
assert np.allclose(posterior.logpdf(z), log_likelihood(z) + log_prior(z) - log_p_x)  # Bayes's rule

# %% [markdown]
# With a neural network in place of $Wz + b$ no formula is left, neither for $p(x)$ nor for $p(z|x)$.

# %% [markdown]
# ## 2. The evidence lower bound
#
# The **variational approach** gives up $p(z|x)$ and looks for a simple distribution $q(z|x)$ near it. Near is
# meant in the sense of the **Kullback-Leibler divergence**
#
# $$KL(q(z|x), p(z|x)) = -\int q(z|x)\, \log\frac{p(z|x)}{q(z|x)}\, dz.$$
#
# It is never negative, and 0 only if the two are equal. Two lines show it. The logarithm lies below its
# tangent at 1, $\log t \le t - 1$, and touches it only there. So with $t = p / q$
#
# $$-KL(q, p) = \int q \log \frac{p}{q}\, dz \;\le\; \int q \left( \frac{p}{q} - 1 \right) dz
# = \int p\, dz - \int q\, dz = 1 - 1 = 0.$$
#
# It is no distance: $KL(q, p)$ and $KL(p, q)$ differ. Take a density $p$ with two peaks, and for $q$ a single
# Gaussian. **Before you run the next cells, what do you expect** of the best $q$ in the one direction, and in
# the other?

# %%
t = np.linspace(-8, 8, 801)
log_p = np.logaddexp(norm.logpdf(t, -2, 0.6), norm.logpdf(t, 2, 0.6)) - np.log(2)


def kl(log_a, log_b):
    """KL(a, b) of two densities, given by their logarithms at the points t."""
    return np.sum(np.exp(log_a) * (log_a - log_b)) * (t[1] - t[0])


def log_gaussian(v):
    return norm.logpdf(t, v[0], np.exp(v[1]))


start = [1.0, 0.0]  # of the search: mean, and logarithm of the standard deviation
best = {
    "KL(q, p)": log_gaussian(minimize(lambda v: kl(log_gaussian(v), log_p), start).x),
    "KL(p, q)": log_gaussian(minimize(lambda v: kl(log_p, log_gaussian(v)), start).x),
}

# %%
plt.fill_between(t, np.exp(log_p), color="0.85", label="$p$")
for i, (name, log_q) in enumerate(best.items()):
    plt.plot(t, np.exp(log_q), plots.LINES[i], color=plots.COLORS[i], label=f"$q$ with the smallest ${name}$")
    print(f"best in {name}: KL(q, p) {kl(log_q, log_p):.2f}, KL(p, q) {kl(log_p, log_q):.2f} nats")
plt.gca().set(xlabel="$z$", ylabel="density", xlim=(-6, 6), ylim=(0, 0.95))
plt.legend()
plots.show(
    "A grey density with two equal peaks, and two Gaussians. The solid one, best in KL(q, p), is narrow and "
    "stands on the right peak. The dashed one, best in KL(p, q), is wide and flat and covers both."
)
one_peak, both = best.values()
assert kl(one_peak, log_p) < kl(both, log_p)
assert kl(log_p, one_peak) > kl(log_p, both)

# %% [markdown]
# **Look at** what each $q$ leaves out. $KL(q, p)$ is a mean over $q$: it minds a $q$ that draws where $p$ has
# nearly no mass, and forgives a $q$ that leaves out a peak. $KL(p, q)$ is a mean over $p$ and minds what $q$
# leaves out. We take the first, because $q$ is what we can draw from. (Exercise 1 of the lab draws both for
# a $q$ of any width.)
#
# As a mean over $q$ it can be estimated by draws from $q$. Take some Gaussian, on purpose a bad one:

# %%
m, S = np.array([0.5, -0.5]), np.array([[0.3, 0.1], [0.1, 0.2]])
q = multivariate_normal(m, S)
z = q.rvs(100_000, random_state=1)
kl_estimate = np.mean(q.logpdf(z) - posterior.logpdf(z))
print(f"KL(q(z|x), p(z|x)) is about {kl_estimate:.3f} nats")
assert kl_estimate > 0

# %% [markdown]
# **Step 1.** Bayes's rule: $p(z|x) = p(x, z) / p(x)$, with the joint density $p(x, z) = p(x|z)\, p(z)$.


# %%
def log_joint(z):
    return log_likelihood(z) + log_prior(z)


assert np.allclose(posterior.logpdf(z), log_joint(z) - log_p_x)

# %% [markdown]
# **Step 2.** Put it into the divergence. Since $\int q(z|x)\, dz = 1$, the constant $\log p(x)$ comes out:
#
# $$KL(q(z|x), p(z|x)) = -\int q(z|x)\, \log\frac{p(x, z)}{q(z|x)}\, dz + \log p(x)$$
#
# *A note on the slides.* They write $p(z/x)$ for $p(z|x)$, and in this line they lose the $dz$ of the
# integral.

# %%
assert np.isclose(kl_estimate, -np.mean(log_joint(z) - q.logpdf(z)) + log_p_x)

# %% [markdown]
# **Step 3.** Move the terms. The integral that remains is the **evidence lower bound** (ELBO):
#
# $$\log p(x) = KL(q(z|x), p(z|x)) +
# \underbrace{\int q(z|x)\, \log\frac{p(x, z)}{q(z|x)}\, dz}_{\text{ELBO}}$$

# %%
elbo_estimate = np.mean(log_joint(z) - q.logpdf(z))
print(f"log p(x) {log_p_x:.3f}  =  KL {kl_estimate:.3f}  +  ELBO {elbo_estimate:.3f}")
assert np.isclose(log_p_x, kl_estimate + elbo_estimate)
assert elbo_estimate <= log_p_x

# %% [markdown]
# Two things follow for a **fixed model** $p$, because a divergence is never negative and because $\log p(x)$
# does not depend on $q$.
#
# - The ELBO is never larger than $\log p(x)$. It is a lower bound of the logarithm of the evidence $p(x)$,
#   hence its name.
# - A $q$ with a larger ELBO has a smaller divergence. We can look for the best $q$ **without knowing
#   $p(z|x)$**: the ELBO has only $p(x, z)$ and $q$, and we can compute both.
#
# **Two for one.** In a VAE the model is learned, too. The decoder $p_\theta(x|z)$ is a network with the
# weights $\theta$, the encoder $q_\phi(z|x)$ one with the weights $\phi$, and
#
# $$\log p_\theta(x) = KL(q_\phi(z|x), p_\theta(z|x)) + \text{ELBO}(\theta, \phi).$$
#
# The left side does not contain $\phi$: a step of $\phi$ that raises the ELBO can only close the gap. A step
# of $\theta$ lifts a lower bound of $\log p_\theta(x)$. This is maximum likelihood (lesson 03), but
# approximate: the ELBO also grows if the model becomes one whose $p_\theta(z|x)$ is easier for $q_\phi$, so
# $\log p_\theta(x)$ need not grow with every step, nor the gap shrink. One number, the ELBO, trains both
# networks at once (Kingma & Welling, 2014). Where nothing is learned we leave out $\theta$ and $\phi$.
#
# **Before you run the next cell, what do you expect** if $q$ is the true posterior? Look at every single
# draw, not only at the mean.

# %%
z_true = posterior.rvs(1000, random_state=1)
each_draw = log_joint(z_true) - posterior.logpdf(z_true)
print(f"mean {each_draw.mean():.4f}, standard deviation {each_draw.std():.1e}, log p(x) {log_p_x:.4f}")
assert np.allclose(each_draw, log_p_x)

# %% [markdown]
# Every draw gives $\log p(x)$ exactly. (It must: this is Bayes's rule again.)
#
# **Step 4.** Split the joint density. This is the form that a network can use:
#
# $$\text{ELBO} = \underbrace{\mathbb E_{z \sim q(z|x)} \log p(x|z)}_{\text{reconstruction}} -
# \underbrace{KL(q(z|x), p(z))}_{\text{distance from the prior}}$$

# %%
reconstruction = np.mean(log_likelihood(z))
kl_from_prior = np.mean(q.logpdf(z) - log_prior(z))
assert np.isclose(elbo_estimate, reconstruction - kl_from_prior)
print(f"ELBO {elbo_estimate:.3f} = reconstruction {reconstruction:.3f} - KL {kl_from_prior:.3f}")

# %% [markdown]
# The first term wants codes from which $x$ can be rebuilt, *for every $z$ that $q$ may draw*. So all these
# codes must give nearly the same image, and near codes give similar images. The second wants $q$ to stay near
# the prior. The negative ELBO is a **penalised loss**, as in lesson 03:
#
# $$\ell(x, \hat x) + KL(q(z|x), p(z)), \qquad \ell(x, \hat x) = -\mathbb E_{z \sim q(z|x)} \log p(x|z)$$
#
# ### The gap is the divergence
#
# All of this was checked on draws. For Gaussians there are also closed forms. With $q = \mathcal N(m, S)$:


# %%
def kl_gaussians(m, S, m_p, S_p):
    """KL(N(m, S), N(m_p, S_p)), in closed form."""
    inverse = np.linalg.inv(S_p)
    log_dets = np.linalg.slogdet(S_p)[1] - np.linalg.slogdet(S)[1]
    return 0.5 * (np.trace(inverse @ S) + (m - m_p) @ inverse @ (m - m_p) - len(m) + log_dets)


def elbo_linear(m, S):
    error = np.sum((x - W @ m - b) ** 2) + np.trace(W @ S @ W.T)  # mean of |x - W z - b|^2 over q
    reconstruction = -0.5 * (D * np.log(2 * np.pi * s**2) + error / s**2)
    return reconstruction - kl_gaussians(m, S, np.zeros(k), np.eye(k))


# %%
gap = log_p_x - elbo_linear(m, S)
assert np.isclose(gap, kl_gaussians(m, S, posterior.mean, posterior.cov))
assert abs(gap - kl_estimate) < 4 * np.std(q.logpdf(z) - posterior.logpdf(z)) / np.sqrt(len(z))
assert np.isclose(elbo_linear(posterior.mean, posterior.cov), log_p_x)
print(f"log p(x) - ELBO = {gap:.4f}, KL(q(z|x), p(z|x)) = {kl_estimate:.4f} by draws")

# %% [markdown]
# Now move $q$ away from the true posterior: first its mean, then its spread.

# %%
direction = np.array([1.0, 0.5])
moves, stretches = np.linspace(-1, 1, 41), np.geomspace(0.25, 3, 41)
curves = [
    (moves, [elbo_linear(posterior.mean + t * direction, posterior.cov) for t in moves]),
    (stretches, [elbo_linear(posterior.mean, c**2 * posterior.cov) for c in stretches]),
]
labels = ["shift of the mean of $q$", "standard deviation of $q$ / that of $p(z|x)$"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
for ax, (where, bound), label in zip(axes, curves, labels):
    ax.axhline(log_p_x, color=plots.COLORS[1], linestyle="--", label="log p(x)")
    ax.plot(where, bound, label="ELBO")
    ax.fill_between(where, bound, log_p_x, alpha=0.15, label="gap: KL(q(z|x), p(z|x))")
    ax.set(xlabel=label, ylabel="nats")
    assert np.all(np.array(bound) <= log_p_x + 1e-9)
axes[0].legend(fontsize=9, loc="lower center")
plots.show(
    "Two panels: the ELBO as the mean of q is shifted, and as its spread changes. Both curves lie below the "
    "horizontal line log p(x) and touch it at one place, where q is the true posterior."
)

# %% [markdown]
# **Look at** where the curves touch the line: shift 0, ratio 1. The shaded gap is the divergence.
#
# One more point. A VAE takes $q$ with **independent components**, a diagonal covariance. The components of
# the true posterior may be correlated. Then the best such $q$ leaves a gap that no training of the encoder
# can close.

# %%
diagonal = np.diag(1 / np.diag(M))  # the best diagonal covariance
best = log_p_x - elbo_linear(posterior.mean, diagonal)
for scale in (0.9, 1.1):
    assert elbo_linear(posterior.mean, scale * diagonal) < log_p_x - best
correlation = posterior.cov[0, 1] / np.sqrt(posterior.cov[0, 0] * posterior.cov[1, 1])
print(f"correlation in p(z|x): {correlation:.2f}; gap of the best diagonal q: {best:.4f} nats")
assert best > 0

# %% [markdown]
# ## 3. The divergence from the prior
#
# A VAE's $q(z|x)$ is $\mathcal N(\mu, \operatorname{diag}(\sigma_1^2, \ldots, \sigma_k^2))$, and its prior
# $\mathcal N(0, I)$. In one dimension
#
# $$KL = \mathbb E_q\left[\log q(z) - \log p(z)\right]
# = \mathbb E_q\left[-\tfrac12 \log \sigma^2 - \tfrac{(z - \mu)^2}{2 \sigma^2} + \tfrac{z^2}{2}\right]
# = \tfrac12\left(\mu^2 + \sigma^2 - \log \sigma^2 - 1\right),$$
#
# because $\mathbb E_q (z - \mu)^2 = \sigma^2$ and $\mathbb E_q z^2 = \mu^2 + \sigma^2$. Independent
# components add up:
#
# $$KL(q(z|x), p(z)) = \frac12 \sum_{j=1}^k \left(\mu_j^2 + \sigma_j^2 - \log \sigma_j^2 - 1\right)$$
#
# The network will give $\log \sigma_j^2$, not $\sigma_j$: any real number is allowed for it, and $\sigma_j$
# is positive by itself.


# %%
def kl_to_prior(mu, log_var):
    return 0.5 * ops.sum(ops.square(mu) + ops.exp(log_var) - log_var - 1, axis=-1)


mu, log_var = np.array([1.0, -0.5, 0.0]), np.log(np.array([0.2, 1.5, 1.0]))
divergence = float(kl_to_prior(mu, log_var))
print(f"KL = {divergence:.4f} nats")

# %% [markdown]
# The third component is the prior itself and adds nothing. Against a mean over draws, and against the general
# formula:

# %%
q = multivariate_normal(mu, np.diag(np.exp(log_var)))
z = q.rvs(200_000, random_state=1)
terms = q.logpdf(z) - norm.logpdf(z).sum(axis=1)
error = terms.std() / np.sqrt(len(terms))
print(f"by draws: {terms.mean():.4f}, give or take {error:.4f}")
assert abs(terms.mean() - divergence) < 4 * error
assert np.isclose(divergence, kl_gaussians(mu, q.cov, np.zeros(3), np.eye(3)), rtol=1e-5)

# %% [markdown]
# ## 4. A gradient through a random number
#
# The encoder has to learn $\mu$ and $\sigma$. For this we need the gradient of
#
# $$J(\mu) = \mathbb E_{z \sim \mathcal N(\mu, \sigma^2)} f(z),$$
#
# where $f$ stands for everything after the draw: the decoder and the loss. Here is the difficulty. Draw $z$,
# say 1.37. The program computes $f(1.37)$. In this computation $\mu$ does not appear any more: the derivative
# of $f(1.37)$ with respect to $\mu$ is 0.
#
# Perhaps a difference quotient helps? Take $f(z) = (z - 2)^2$, $\mu = 0$ and $\sigma = 1$. Then
# $J(\mu) = (\mu - 2)^2 + \sigma^2$ and $J'(0) = -4$. Draw at $\mu + h$, draw at $\mu$, subtract, divide by
# $h$.


# %%
def f(z):
    return (z - 2) ** 2


eps, others = rng.normal(size=(2, 10_000))


def quotient(h, noise):
    return np.mean(f(h + eps) - f(0 + noise)) / h  # z = mu + sigma * eps with sigma = 1


for h in (1.0, 0.1, 0.01, 0.001):
    print(f"h = {h:5}: other noise {quotient(h, others):9.2f}   the same noise {quotient(h, eps):6.2f}")
assert abs(quotient(0.001, eps) + 4) < 0.1

# %% [markdown]
# **Look at** the two columns. With other noise the difference of two noisy means is divided by $h$, and the
# smaller $h$ the worse. With *the same noise* $\varepsilon$ in both the quotient comes nearer to $-4$, until
# only the noise of a mean of 10,000 draws is left, some hundredths.
#
# This is the **reparametrisation** (Kingma & Welling, 2014; Rezende et al., 2014). Draw the randomness where
# it depends on nothing, and make $z$ of it by a formula that can be differentiated:
#
# $$\varepsilon \sim \mathcal N(0, I), \qquad z = \mu + \sigma \odot \varepsilon
# = \mu + \exp(\tfrac12 \log \sigma^2) \odot \varepsilon$$
#
# The factor $\frac12$ is there because the network gives the logarithm of the *variance*. Without it the code
# would have the standard deviation $\sigma^2$:

# %%
log_var = np.log(0.04)  # sigma = 0.2
eps = rng.normal(size=100_000)
print(f"exp(0.5 * log_var): standard deviation {np.std(np.exp(0.5 * log_var) * eps):.3f}")
print(f"exp(log_var):       standard deviation {np.std(np.exp(log_var) * eps):.3f}")
assert np.isclose(np.std(np.exp(0.5 * log_var) * eps), 0.2, rtol=0.02)


# %%
def scheme(ax, title, **style):
    """Draw mu, log sigma^2 -> z -> decoder; the arrows to z in the given style. Return the box of z."""
    mu, log_var = box(ax, (0, 2), r"$\mu$", BLUE), box(ax, (0, 0.4), r"$\log\sigma^2$", BLUE)
    z, decoder = box(ax, (2.2, 1.2), "$z$", ORANGE), box(ax, (4.1, 1.2), "decoder, loss", GREEN)
    for start in (mu, log_var):
        arrow(start, z, **style)
    arrow(z, decoder)
    ax.set(xlim=(-0.6, 5), ylim=(-0.2, 2.9), title=title)
    ax.axis("off")
    return z


figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.6))
scheme(left, r"drawn from $\mathcal{N}(\mu, \sigma^2)$", color="0.5", line=":")
left.text(1.0, 1.2, "a die: no gradient", ha="center", va="center", fontsize=9)
z = scheme(right, "reparametrised")
arrow(box(right, (2.2, 2.5), r"$\varepsilon \sim \mathcal{N}(0, I)$", "0.5"), z)
right.text(1.9, 0.4, r"$z = \mu + \exp(\frac{1}{2}\log\sigma^2)\,\varepsilon$", fontsize=11)
plots.show(
    "Two schemes. Left: mu and log sigma squared lead to z by dotted arrows, a die without gradient. Right: "
    "they lead to z by solid arrows, and the noise epsilon comes in from the side."
)

# %% [markdown]
# ### The other way: the score function (second reading)
#
# There is an older estimator that needs no formula for $z$. Since $\nabla q = q\, \nabla \log q$,
#
# $$\nabla_\mu\, \mathbb E_{z \sim q} f(z) = \mathbb E_{z \sim q} \left[ f(z)\, \nabla_\mu \log q(z) \right],
# \qquad \nabla_\mu \log q(z) = \frac{z - \mu}{\sigma^2}.$$
#
# ($\nabla_\mu \log q$ is a *score*, too. But it is a gradient with respect to the parameter $\mu$, while the
# score of lesson 09 was one with respect to the point.) Both are right on average. What differs is the noise.
# Take $f(z) = -\frac12 \lVert z - c \rVert^2$ in $k$ dimensions, as in the logarithm of a Gaussian, with
# $\mu = 0$, $\sigma = 1$ and $c = (2, \ldots, 2)$. The true gradient with respect to $\mu_1$ is 2. The score
# function has a well-known improvement: subtract from $f$ its mean, a *baseline*. **Before you run the next
# cell, what do you expect** when $k$ grows?


# %%
def gradients(k, draws=100_000):
    """Single-draw estimates of the gradient with respect to mu_1, by three estimators."""
    rng = np.random.default_rng(k)
    z = rng.normal(size=(draws, k))  # mu = 0, sigma = 1: here z is eps
    values = -0.5 * np.sum((z - 2) ** 2, axis=1)
    return {
        "score function": values * z[:, 0],
        "score function, baseline": (values - values.mean()) * z[:, 0],
        "reparametrisation": -(z[:, 0] - 2),
    }


sizes = [1, 2, 4, 8, 16, 32]
variances = {name: [] for name in gradients(1)}
for size in sizes:
    for name, estimates in gradients(size).items():
        assert abs(estimates.mean() - 2) < 5 * estimates.std() / np.sqrt(len(estimates))  # right on average
        variances[name].append(estimates.var())

# %%
for i, (name, values) in enumerate(variances.items()):
    plt.loglog(sizes, values, plots.MARKERS[i] + plots.LINES[i], color=plots.COLORS[i], label=name)
    print(f"{name:25}", "  ".join(f"{value:8.1f}" for value in values))
plt.gca().set(xlabel="dimensions $k$", ylabel="variance of one draw", xticks=sizes, xticklabels=sizes)
plt.minorticks_off()
plt.legend()
plots.show(
    "Variance of the three gradient estimators against the dimension, both axes logarithmic: the score "
    "function rises steeply, with a baseline less so, the reparametrisation stays at 1."
)
ratio = variances["score function"][-1] / variances["reparametrisation"][-1]
runtime.result("variance_ratio_score_function_to_reparametrisation_32d", ratio, at_least=1000)

# %% [markdown]
# **Look at** the right end. To be as exact as *one* reparametrised draw, the score function needs thousands
# of draws, and with the baseline still more than a hundred. It knows only how good $z$ was; the
# reparametrisation also knows in which direction $f$ gets better. The price: $f$ must be differentiable, and
# so must the path to $z$. For a $z$ that can only be 0 or 1 there is no such path.

# %% [markdown]
# ## 5. Digits that have a likelihood
#
# The ELBO contains $p(x|z)$. For the number to mean something, this must be a probability of the *data*. A
# pixel that is black or white has one: the Bernoulli distribution. The decoder gives for each pixel $i$ a
# number $a_i$ (a logit), and $p_i = 1/(1 + e^{-a_i})$ is the probability of white:
#
# $$\log p(x|z) = \sum_{i=1}^{784} x_i \log p_i + (1 - x_i) \log(1 - p_i)
# = \sum_{i=1}^{784} x_i a_i - \log(1 + e^{a_i})$$


# %%
def log_bernoulli(x, logits):
    return ops.sum(x * logits - ops.softplus(logits), axis=-1)


all_images = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T  # all images of 3 pixels
total = np.exp(log_bernoulli(all_images.astype("float32"), np.array([0.3, -2.0, 1.1], "float32")))
print(f"{len(all_images)} images, their probabilities sum to {total.sum():.6f}")
assert np.isclose(total.sum(), 1, atol=1e-5)

# %% [markdown]
# MNIST's pixels are grey, 0 to 255. Many programs put the grey values into this formula. That gives a usable
# loss but not a likelihood: grey pixels are not in the sum above, and the numbers cannot be compared with
# anything (Loaiza-Ganem & Cunningham, 2019). We follow the convention of the literature (Salakhutdinov &
# Murray, 2008; Burda et al., 2016), **stochastic binarisation**: a pixel is white with a probability equal to
# its grey value. For training the coin is thrown again in every epoch, for the test set once.


# %%
def binarise(grey, rng):
    """Throw a coin for each pixel (uint8): 1 with probability grey / 255."""
    return (rng.integers(255, size=grey.shape, dtype=np.uint8) < grey).astype("float32")


mnist = data.mnist()
n_train, n_test = budget.pick(smoke=2000, cpu=60_000), budget.pick(smoke=500, cpu=10_000)
grey_train, grey_test = mnist.x_train[:n_train].reshape(-1, 784), mnist.x_test[:n_test].reshape(-1, 784)
y_train, y_test = mnist.y_train[:n_train], mnist.y_test[:n_test]
x_test = binarise(grey_test, np.random.default_rng(10))
print("training", grey_train.shape, grey_train.dtype, " test", x_test.shape, x_test.dtype, np.unique(x_test))


# %%
def show_rows(rows, scale=0.8):
    """Draw rows of images; each row is a pair (name, images of any shape (n, ...))."""
    names, images = zip(*rows)
    images = np.concatenate([np.reshape(row, (-1, 28, 28)) for row in images])
    columns, longest = len(images) // len(names), max(map(len, names))
    _, ax = plt.subplots(figsize=(scale * columns + 0.1 * longest, scale * len(names)))
    plots.image_grid(images, columns=columns, ax=ax).set_anchor("E")
    for i, name in enumerate(names):
        ax.text(-0.15, 0.5 - 1.05 * i, name, ha="right", va="center", fontsize=10)


throws = [binarise(grey_test[:5], np.random.default_rng(seed)) for seed in (1, 2)]
show_rows([("grey", grey_test[:5] / 255), ("coins", throws[0]), ("new coins", throws[1])])
plots.show(
    "Five digits of MNIST in grey, and below them twice the same digits in black and white. The two rows "
    "differ at the edges of the strokes, where the grey values are in the middle."
)

# %% [markdown]
# ## 6. The model
#
# An ordinary encoder returns one value for each component of the code. A VAE's encoder returns a
# distribution: $\mu$ and $\log \sigma^2$. A draw from it goes into the decoder (the picture of section 0).
#
# In section 2 a $q$ was chosen for one $x$. For the next $x$ the choice would begin again. The encoder is
# *one* function that gives $q$ for every $x$, also for one that it has never seen: the search is paid once,
# in training. This is **amortisation**. Its price: the encoder may miss the best $q$ of a single $x$. So the
# gap $KL(q(z|x), p(z|x))$ has two parts, what the family of $q$ cannot do and what the encoder misses (the
# *amortisation gap*; Cremer et al., 2018). The lab searches, and measures the second part.
#
# The sampling layer is the formula of section 4. It owns its random generator, a `SeedGenerator`, which moves
# on with each draw, also in a compiled training step. The line above the class gives it a name under which
# Keras finds it again when a saved model is loaded.


# %%
@keras.saving.register_keras_serializable(package="lesson10")
class Sampling(layers.Layer):
    """Draw z = mu + exp(log_var / 2) * eps."""

    def __init__(self, seed=1, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True  # there are no weights to build

    def call(self, mu, log_var):
        eps = keras.random.normal(ops.shape(mu), seed=self.seed_generator)
        return mu + ops.exp(0.5 * log_var) * eps


# %% [markdown]
# Encoder and decoder are multilayer perceptrons. The decoder is the encoder's mirror image and ends with 784
# logits.


# %%
def mlp(inputs, widths):
    for width in widths:
        inputs = layers.Dense(width, activation="relu")(inputs)
    return inputs


def make_encoder(latent, widths):
    x = keras.Input((784,))
    h = mlp(x, widths)
    return keras.Model(x, [layers.Dense(latent, name=name)(h) for name in ("mu", "log_var")])


def make_decoder(latent, widths):
    z = keras.Input((latent,))
    return keras.Model(z, layers.Dense(784)(mlp(z, widths[::-1])))


# %% [markdown]
# The model. `fit` calls `compute_loss` for every batch, and this is where the negative ELBO stands: a **sum**
# over pixels and over code components, a mean over the images. The weight `beta` is 1; section 12 changes it.
#
# The sums matter. The classic mistake is to take a loss of `keras.losses` for the pixels, which is their
# *mean*, and a sum over the code beside it. Then the divergence weighs 784 times too much: a $\beta$ of 784.
# Nothing warns of it. Section 12 trains with it, and with other weights.


# %%
@keras.saving.register_keras_serializable(package="lesson10")
class VAE(keras.Model):
    def __init__(self, latent, widths, beta=1.0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {"latent": latent, "widths": widths, "beta": beta}
        self.encoder, self.decoder = make_encoder(latent, widths), make_decoder(latent, widths)
        self.sampling = Sampling()

    def call(self, x):
        mu, log_var = self.encoder(x)
        return self.decoder(self.sampling(mu, log_var)), mu, log_var

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits, mu, log_var = y_pred
        reconstruction, kl = log_bernoulli(x, logits), kl_to_prior(mu, log_var)
        return ops.mean(self.settings["beta"] * kl - reconstruction)

    def get_config(self):  # what a saved model needs to be built again
        return {**super().get_config(), **self.settings}


# %%
model = VAE(latent=2, widths=[256, 256, 128])
logits, mu, log_var = model(x_test[:4])
print("logits", logits.shape, " mu", mu.shape, " log_var", log_var.shape)
print(f"encoder {model.encoder.count_params():,}, decoder {model.decoder.count_params():,} parameters")

# %% [markdown]
# ### Without the trick nothing arrives at the encoder
#
# Before we train in earnest, a test of section 4. `ops.stop_gradient` makes of a tensor a plain number for
# the gradient, as a die would. The values are the same. **Before you run the cells below, what do you
# expect** the encoder to learn, if only the divergence still reaches it?


# %%
class CutVAE(VAE):
    def call(self, x):
        mu, log_var = self.encoder(x)
        z = ops.stop_gradient(self.sampling(mu, log_var))
        return self.decoder(z), mu, log_var


# %% [markdown]
# Training: Adam with a learning rate that falls to zero along a cosine, and new coins in every epoch.

# %%
BATCH = 128


def train(model, epochs, grey=grey_train, rate=2e-3, report=0):
    """Train and return the training ELBO of each epoch; print every `report`-th. Keep the seconds."""
    start = time.perf_counter()
    steps = epochs * -(-len(grey) // BATCH)
    adam = keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.CosineDecay(rate, steps))
    model.compile(optimizer=adam, jit_compile=False)  # compiling would take longer than it saves
    rng, history = np.random.default_rng(1), []
    for epoch in range(1, epochs + 1):
        fitted = model.fit(binarise(grey, rng), batch_size=BATCH, verbose=0)
        history.append(-fitted.history["loss"][0])
        if report and (epoch % report == 0 or epoch == 1):
            print(f"epoch {epoch:2}: training ELBO {history[-1]:.1f} nats")
    model.seconds = time.perf_counter() - start
    return history


# %%
def measure(model, x):
    """The ELBO and its two terms, in nats an image."""
    logits, mu, log_var = model(x)
    reconstruction = float(ops.mean(log_bernoulli(x, logits)))
    kl = float(ops.mean(kl_to_prior(mu, log_var)))
    return {"reconstruction": reconstruction, "kl": kl, "elbo": reconstruction - kl}


few = grey_train[: budget.pick(smoke=1000, cpu=10_000)]
for kind in (VAE, CutVAE):
    keras.utils.set_random_seed(1)
    trial = kind(latent=2, widths=[128])
    train(trial, epochs=budget.pick(smoke=1, cpu=3), grey=few)
    test = measure(trial, x_test)
    print(f"{kind.__name__:7} reconstruction {test['reconstruction']:7.1f}, KL {test['kl']:.3f} nats")
assert budget.name == "smoke" or test["kl"] < 0.05

# %% [markdown]
# With the path cut the encoder sees only $KL(q(z|x), p(z))$ and makes it 0: every digit gets the code
# $\mathcal N(0, I)$, which says nothing. The decoder can only learn the mean image. (With TensorFlow or JAX,
# `keras.random.normal(shape, mean=mu, ...)` computes $\mu + \sigma \varepsilon$ inside and would let the
# gradient pass too. It is the same trick, out of sight.)

# %% [markdown]
# ## 7. Training
#
# One VAE with two latent dimensions, to look at, and one with 16, to be good. They differ in their layers,
# too (three hidden layers against one): each is made for its purpose, they are no comparison of 2 with 16.
# (The two trainings take one to two minutes.)

# %%
epochs = budget.pick(smoke=1, cpu=9)
keras.utils.set_random_seed(1)
vae_2d = VAE(latent=2, widths=[256, 256, 128])
history_2d = train(vae_2d, epochs, report=3)

# %%
keras.utils.set_random_seed(1)
vae_16d = VAE(latent=16, widths=[400])
history_16d = train(vae_16d, epochs, report=3)

# %% [markdown]
# The test ELBO, in nats an image, on the binarised test digits. For each we draw one $z$; in the mean over
# 10,000 images the noise of this is far below one nat.

# %%
test_2d, test_16d = measure(vae_2d, x_test), measure(vae_16d, x_test)
runtime.result("elbo_2d", test_2d["elbo"], at_least=-155)
runtime.result("elbo_16d", test_16d["elbo"], at_least=-115)
for name, test in (("2-D", test_2d), ("16-D", test_16d)):
    print(f"{name:4} reconstruction {test['reconstruction']:.1f}, KL {test['kl']:.1f} nats")

# %% [markdown]
# What do these numbers mean? From above: Burda et al. (2016, their table 1) report about $-87$ nats for a VAE
# with 50 latent variables on digits that were binarised like ours, after a much longer training. That is an
# estimate of $\log p(x)$ by many draws, so compare it with the one of section 8 and not with the ELBO. From
# below: a model that gives each pixel its own probability and knows nothing else.

# %%
share = (grey_train.mean(axis=0) / 255).clip(1e-3, 1 - 1e-3).astype("float32")
independent = float(ops.mean(log_bernoulli(x_test, np.log(share / (1 - share)))))
print(f"independent pixels: {independent:.1f} nats")
assert budget.name == "smoke" or independent < test_2d["elbo"] < test_16d["elbo"]

# %%
figure, ax = plt.subplots()
for i, (name, history) in enumerate([("2-D", history_2d), ("16-D", history_16d)]):
    ax.plot(range(1, epochs + 1), history, plots.MARKERS[i] + "-", color=plots.COLORS[i], label=name)
ax.axhline(independent, color="0.5", linestyle="--", label="independent pixels (test)")
ax.set(xlabel="epoch", ylabel="ELBO (nats)", title="training ELBO")
ax.legend(loc="upper right", bbox_to_anchor=(1, 0.5))
plots.show(
    "The training ELBO over the epochs rises for both models, that with 16 dimensions ends far above that "
    "with two; both end above the dashed line of independent pixels."
)

# %% [markdown]
# **One digit, many codes.** Whatever $z$ is drawn from $q(z|x)$, the decoder should rebuild $x$. Each row
# begins with $x$ itself.


# %%
def pixels(logits):
    """Probabilities of white as images (n, 28, 28)."""
    return ops.convert_to_numpy(ops.sigmoid(logits)).reshape(-1, 28, 28)


digit = np.repeat(x_test[:1], 7, axis=0)
draws = [pixels(vae(digit)[0]) for vae in (vae_2d, vae_16d)]
first = x_test[:1].reshape(1, 28, 28)
show_rows([(name, np.concatenate([first, row])) for name, row in zip(("2-D", "16-D"), draws)])
plots.show(
    "Two rows, each with a handwritten 7 in black and white and then seven reconstructions of it, from seven "
    "draws of its code: above with two latent dimensions, below with 16. All are sevens, the lower ones are "
    "closer to the original."
)

# %% [markdown]
# ### Save, load, generate
#
# The saved file holds the structure and the weights. With the same draws of the prior the loaded model
# generates the same digits. (Its sampling layer begins its own draws again at the seed.)


# %%
def generate(model, n, seed):
    """Decode n draws from the prior N(0, I) into images of probabilities."""
    return pixels(model.decoder(keras.random.normal((n, model.settings["latent"]), seed=seed)))


with tempfile.TemporaryDirectory() as folder:
    vae_16d.save(f"{folder}/vae.keras")
    loaded = keras.models.load_model(f"{folder}/vae.keras")
assert np.array_equal(generate(loaded, 10, seed=3), generate(vae_16d, 10, seed=3))
assert np.array_equal(loaded.encoder(x_test[:5])[0], vae_16d.encoder(x_test[:5])[0])

# %% [markdown]
# ## 8. How far is the bound from the likelihood? (second reading)
#
# The ELBO is a lower bound, and section 2 says what is missing: $KL(q(z|x), p(z|x))$. With more draws we get
# closer. Take the mean of $K$ weights *inside* the logarithm (Burda, Grosse & Salakhutdinov, 2016):
#
# $$\mathcal L_K = \mathbb E \left[ \log \frac1K \sum_{j=1}^K \frac{p(x, z_j)}{q(z_j|x)} \right],
# \qquad z_j \sim q(z|x)$$
#
# $\mathcal L_1$ is the ELBO, $\mathcal L_K$ grows with $K$, and it tends to $\log p(x)$. The mean of very
# small numbers is taken with `logsumexp`, which does not underflow. First on the linear model, where the end
# is known:


# %%
def importance_weighted(log_weights):
    """log (1/K sum of the weights) over the first axis."""
    return logsumexp(log_weights, axis=0) - np.log(len(log_weights))


q = multivariate_normal(m, S)
Ks = [1, 10, 100, 1000]
for K in Ks:
    z = q.rvs(K * 1000, random_state=2)
    bound = importance_weighted((log_joint(z) - q.logpdf(z)).reshape(K, 1000)).mean()
    print(f"K = {K:4}: {bound:.4f}")
print(f"log p(x): {log_p_x:.4f}")
assert abs(bound - log_p_x) < 0.1

# %% [markdown]
# Now the VAE with 16 dimensions, on some test digits. For comparison we also draw from the prior, as in
# section 1. **Before you run the next cell:** what do you expect of the prior here?


# %%
def log_weights(model, x, draws, from_prior=False):
    """log p(x, z) - log q(z) for draws z of one image x (784,); q may be the prior."""
    mu, log_var = (ops.convert_to_numpy(part)[0] for part in model.encoder(x[None]))
    sigma = np.exp(0.5 * log_var)
    if from_prior:
        mu, sigma = np.zeros_like(mu), np.ones_like(sigma)
    z = (mu + sigma * rng.normal(size=(draws, len(mu)))).astype("float32")
    log_p_x_given_z = ops.convert_to_numpy(log_bernoulli(x, model.decoder(z)))
    return log_p_x_given_z + norm.logpdf(z).sum(axis=1) - norm.logpdf(z, mu, sigma).sum(axis=1)


images = x_test[: budget.pick(smoke=5, cpu=200)]
weights = {
    name: np.stack([log_weights(vae_16d, x, 1000, name == "prior") for x in images], axis=1)
    for name in ("encoder", "prior")
}

# %%
Ks = [1, 3, 10, 30, 100, 300, 1000]
bounds = {
    name: [
        np.mean([importance_weighted(part) for part in np.split(w[: 1000 // K * K], 1000 // K)]) for K in Ks
    ]
    for name, w in weights.items()
}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
for i, (ax, name) in enumerate(zip(axes, bounds)):
    ax.plot(Ks, bounds[name], plots.MARKERS[i] + "-", color=plots.COLORS[i])
    ax.set(xscale="log", xlabel="$K$", ylabel="nats", title=f"$z$ drawn by the {name}")
lower = bounds["encoder"][-1] - bounds["prior"][-1]
plots.show(
    "The importance-weighted bound against the number of draws K. Left, draws by the encoder: it rises by "
    "some nats and flattens. Right, draws from the prior: rising steeply, and with the most draws still "
    f"{lower:.0f} nats lower."
)

# %%
estimate, elbo = bounds["encoder"][-1], bounds["encoder"][0]
runtime.result("importance_weighted_bound_16d", estimate, at_least=-110)
runtime.result("importance_weighted_gain_over_elbo_16d", estimate - elbo)
each = importance_weighted(weights["encoder"])
print(f"standard error over {len(each)} images: {each.std() / np.sqrt(len(each)):.1f} nats")
print(
    f"ELBO of the same images {elbo:.1f}; with 1000 draws {estimate:.1f}; "
    f"from the prior {bounds['prior'][-1]:.1f}"
)
assert budget.name == "smoke" or np.all(np.diff(bounds["encoder"]) > 0)
assert budget.name == "smoke" or bounds["prior"][-1] < elbo

# %% [markdown]
# **Look at** the scales. The encoder knows where to look: even one draw of it tells more than 1000 draws from
# the prior. (These are the first 200 test images: compare with *their* ELBO, not with that of all 10,000. The
# first half of MNIST's test images is known to be the easier one.) The rise of the left curve estimates the
# gap $KL(q(z|x), p(z|x))$ from below: the part of the family and the part of the encoder together.

# %% [markdown]
# ## 9. The latent map
#
# Where do the digits lie? Take 1,200 test digits at random and write each at the mean $\mu$ of its $q(z|x)$.
# The labels were not used in training, only in this figure. The large names stand where a class is purest.


# %%
def codes(model, x):
    """The means of q(z|x), one row an image."""
    return ops.convert_to_numpy(model.encoder(x)[0])


figure, ax = plt.subplots(figsize=(5.6, 4.6))
shown = rng.permutation(n_test)[:1200]
plots.latent_scatter(codes(vae_2d, x_test[shown]), y_test[shown], mnist.class_names, ax=ax)
ax.set(xlim=(-3.8, 3.8), ylim=(-3.8, 3.8), aspect="equal")
plots.show(
    "The two-dimensional codes of 1200 test digits, each drawn as its digit, and a large name for each "
    "class. The classes form regions around the origin, without a wide gap; 0 and 1 lie apart, 4 and 9 "
    "overlap."
)

# %% [markdown]
# **Look at** which classes overlap, and how the regions touch each other around the origin: no wide gap is
# left between them. The divergence from the prior draws the codes to where $\mathcal N(0, I)$ has its mass.
# It does not make them a Gaussian: compare the diagonals with the axes.
#
# Now the other direction: decode a grid of $z$. The grid is regular in *probability*. `norm.ppf`, the inverse
# of the normal distribution function, puts the same share of the prior between two neighbours.

# %%
side = 11
quantiles = norm.ppf(np.linspace(0.03, 0.97, side))
grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
manifold = pixels(vae_2d.decoder(grid.astype("float32"))).reshape(side, side, 28, 28)
figure, ax = plt.subplots(figsize=(4.6, 4.6))
ax.imshow(
    manifold.transpose(0, 2, 1, 3).reshape(28 * side, 28 * side),
    cmap=plt.get_cmap("gray", 12),
    interpolation="nearest",
)
ax.set(xlabel="$z_1$", ylabel="$z_2$", title="decoded grid")
ticks = 14 + 28 * np.arange(0, side, 5)
ax.set(xticks=ticks, xticklabels=quantiles[::5].round(1) + 0.0)
ax.set(yticks=ticks, yticklabels=quantiles[::-5].round(1) + 0.0)
ax.grid(visible=False)
plots.show(
    "A grid of 11 by 11 decoded digits. Neighbours are similar; from one region to the next the digits "
    "change smoothly from one class to another, some through shapes that are no digit."
)

# %% [markdown]
# Move through this map yourself. (In a notebook that runs, two sliders appear below the still pictures.)


# %%
def draw(z1, z2):
    return pixels(vae_2d.decoder(np.array([[z1, z2]], "float32")))[0]


widgets.sliders(
    draw,
    z1=(-2.5, 2.5, "first latent variable"),
    z2=(-2.5, 2.5, "second latent variable"),
)

# %% [markdown]
# ## 10. Interpolation
#
# Take two digits $x_a$ and $x_b$. Blending their pixels shows both at once. In the code space we walk on the
# straight line from $\mu_a$ to $\mu_b$ and decode. (For sounds, faces or molecules it is done in the same
# way.)
#
# $$z(t) = (1 - t)\, \mu_a + t\, \mu_b, \qquad 0 \leq t \leq 1.$$


# %%
def line(start, end, steps):
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) * start + t * end


def morph(model, a, b, steps=7):
    """Images on the straight line between the codes of images a and b (784,)."""
    start, end = codes(model, np.stack([a, b]))
    return pixels(model.decoder(line(start, end, steps).astype("float32")))


pairs = [
    (np.flatnonzero(y_test == a)[0], np.flatnonzero(y_test == b)[1]) for a, b in [(3, 8), (1, 7), (2, 6)]
]
rows = []
for first, second in pairs:
    blended = line(x_test[first], x_test[second], 7).reshape(-1, 28, 28)
    rows += [("pixels", blended), ("codes", morph(vae_16d, x_test[first], x_test[second]))]
show_rows(rows, scale=0.7)
plots.show(
    "Three pairs of digits, 3 and 8, 1 and 7, 2 and 6, two rows each. Upper rows, blended pixels: in the "
    "middle both digits shine through. Lower rows, decoded codes: one digit changes into the other."
)

# %% [markdown]
# **Look at** the middle column. Is the difference only in our eyes? Ask a judge: lesson 06's LeNet, which was
# trained on real digits and ships with the course. `yardstick.look` gives its features and its probabilities
# for images of shape `(n, 28, 28, 1)`. How sure is it in the middle of the way? As a control it sees
# reconstructions of the same real digits.


# %%
def confident(images):
    """Share of images (n, ...) for which the judge gives one class more than 90 %."""
    _, probabilities = yardstick.look(np.reshape(images, (-1, 28, 28, 1)))
    return np.mean(probabilities.max(axis=1) > yardstick.SURE)


a, b = x_test[rng.permutation(n_test)].reshape(2, -1, 784)  # random halves: the order of MNIST matters


def halfway(model):
    return pixels(model.decoder(0.5 * (codes(model, a) + codes(model, b))))


middles = {
    "real digits, reconstructed": pixels(vae_16d.decoder(codes(vae_16d, a))),
    "halfway between codes": halfway(vae_16d),
    "halfway between pixels": 0.5 * (a + b),
}
sure = {name: confident(images) for name, images in middles.items()}
for name, value in sure.items():
    print(f"{name:27} the judge is sure of {value:.0%}")
assert budget.name == "smoke" or sure["halfway between codes"] > sure["halfway between pixels"]
runtime.result("halfway_codes_confident", sure["halfway between codes"])
runtime.result("halfway_pixels_confident", sure["halfway between pixels"])

# %% [markdown]
# The codes win, by little, and even halfway between codes the judge is often not sure: between two classes
# there is often no digit, on either way. (The judge has learned from real digits only. Do not trust it far
# where it is shown two at once.)
#
# ## 11. New digits, and a yardstick
#
# A VAE is trained to make sense of every $z$ that some $q(z|x)$ draws, and these are kept near the prior. To
# make new digits, draw $z$ from the **prior** $p(z)$ and decode. (*A note on the slides:* they draw $z$ from
# $q(z|x)$. This gives variations of the given $x$; for new data there is no $x$, and only the prior is left.)
#
# The decoder gives the probabilities of white, the *mean* of $p(x|z)$. A draw of the whole model needs one
# step more: $x \sim p(x|z)$, a coin for each pixel. **Before you run the next cell, what do you expect** of
# its look?

# %%
means = generate(vae_16d, 8, seed=3)
drawn = rng.random(means.shape) < means
show_rows([("means", means), ("draws", drawn), ("real", x_test[:8])])
plots.show(
    "Three rows of eight digits. The decoder's means are grey and soft. Draws of the same are black and "
    "white, with ragged edges and single white pixels. The last row, real digits after the throw of coins, "
    "has ragged edges too."
)

# %% [markdown]
# **Look at** the edges of the strokes in the second row. A draw is not soft but noisy: given $z$ each pixel
# throws its own coin, and neighbours do not agree. What is usually shown as "samples of a VAE" are the means;
# we show and measure the means, too, and say so.
#
# ### An ordinary autoencoder, trained in the same way
#
# Is the prior worth its price? Take the same encoder and decoder without noise and without divergence: an
# ordinary autoencoder of lesson 09. Everything else stays: the layers, the loss of the pixels, the epochs,
# the learning rate. (This takes less than a minute.)


# %%
class Autoencoder(VAE):
    def call(self, x):
        mu, log_var = self.encoder(x)
        return self.decoder(mu), mu, log_var  # the code is mu itself


keras.utils.set_random_seed(1)
autoencoder = Autoencoder(latent=16, widths=[400], beta=0.0)
_ = train(autoencoder, epochs)
for name, model in (("autoencoder", autoencoder), ("VAE", vae_16d)):
    test = measure(model, x_test)
    print(f"{name:11} log p(x|z) of the test digits {test['reconstruction']:6.1f} nats")

# %% [markdown]
# As a copying machine it is better; that is what it was trained for. But it comes without a distribution of
# codes. We fit one: a Gaussian with the mean and the covariance of the codes of 10,000 training digits. To be
# fair, the VAE gets the same in place of its prior. Its codes are draws of $q(z|x)$.


# %%
def fitted(z):
    """Return draw(n, rng) of the Gaussian with the mean and the covariance of codes z (n, k)."""
    mean, covariance = z.mean(axis=0), np.cov(z.T)
    return lambda n, rng: rng.multivariate_normal(mean, covariance, size=n)


some = binarise(grey_train[:10_000], rng)
ae_codes = codes(autoencoder, some)
vae_codes = ops.convert_to_numpy(vae_16d.sampling(*vae_16d.encoder(some)))
for name, z in (("autoencoder", ae_codes), ("VAE", vae_codes)):
    print(f"{name:11} standard deviation of the code's components: {np.sort(z.std(axis=0)).round(1)}")

# %% [markdown]
# Who is best? This is measured with one **yardstick** in all lessons from here to 13. It needs a generator: a
# function `draw(n, rng)` that returns images. It draws 2,000 of them, five times. The judge, LeNet, says
#
# - of which share it is more than 90 % sure. This does not tell whether digits *differ*: who draws one good 1
#   again and again is given 100 %;
# - so also the share of the digit that it sees least (ten equal shares are 10 %);
# - how far its 84 features of the images are from those of real digits: the **Fréchet distance**, squared, of
#   two Gaussians that are fitted to the features (0 is best; more of it in lesson 11).
#
# Real digits that are not the reference are measured, too: this is what a perfect generator would be given.
# **Before you run the next cell, what do you expect?**


# %%
def decoded(model, draw_codes):
    """Return the generator that decodes draw_codes(n, rng): means of p(x|z), (n, 28, 28, 1)."""
    return lambda n, rng: pixels(model.decoder(draw_codes(n, rng).astype("float32")))[..., np.newaxis]


generators = {
    "real digits": yardstick.real_digits,
    "VAE": decoded(vae_16d, lambda n, rng: rng.normal(size=(n, 16))),
    "VAE, fitted": decoded(vae_16d, fitted(vae_codes)),
    "autoencoder, fitted": decoded(autoencoder, fitted(ae_codes)),
}
seconds = {"VAE": vae_16d.seconds, "VAE, fitted": vae_16d.seconds, "autoencoder, fitted": autoencoder.seconds}
rows = {
    name: yardstick.measure(draw, draws=budget.pick(smoke=1, cpu=5), seconds=seconds.get(name))
    for name, draw in generators.items()
}
yardstick.table(rows)

# %%
show_rows([(name, draw(8, np.random.default_rng(1))) for name, draw in generators.items()])
plots.show(
    "Four rows of eight digits. Real ones. The VAE with its prior: soft strokes, some digits, some shapes "
    "that are none. The VAE and the autoencoder with fitted Gaussians: much the same, some digits, some "
    "broken strokes. No row of a network comes near the first one."
)

# %%
for name in ("VAE", "autoencoder, fitted"):
    key = name.split(",")[0].lower()
    runtime.result(f"confident_{key}", rows[name].confident)
    runtime.result(f"smallest_class_{key}", rows[name].smallest_class)
    runtime.result(f"frechet_{key}", rows[name].frechet)
if budget.name != "smoke":
    assert rows["VAE, fitted"].frechet < rows["VAE"].frechet
    assert rows["autoencoder, fitted"].frechet < rows["VAE"].frechet
    assert all(rows[name].frechet > 10 * rows["real digits"].frechet for name in seconds)
print(f"halfway between the autoencoder's codes the judge is sure of {confident(halfway(autoencoder)):.0%}")

# %% [markdown]
# **Look at** the distances. The ± is the spread over five draws of codes; each network was trained only once,
# so small differences say little. The autoencoder with a fitted Gaussian comes nearer to the real digits than
# the VAE with its prior. With a fitted Gaussian in place of the prior the VAE does so, too. So what the VAE
# loses here it loses by its *prior*: the loss pulled the codes of digits near $\mathcal N(0, I)$, but they
# are not distributed like it (the lab goes on from here). All three are far from real digits. The smallest
# class tells another story: by it the autoencoder is behind both rows of the VAE. One digit it draws too
# seldom. And the last line: halfway between codes, as in section 10, the autoencoder is no worse than
# the VAE, either.
#
# So an autoencoder can generate, too: who fits a density to its codes afterwards has built a generative
# model, in two steps (Ghosh et al., 2020). What has the VAE besides?
#
# - The distribution belongs to the model. Its codes all have the scale of the prior, the autoencoder's have
#   any scale. No second step is needed, and no codes of training digits.
# - Its loss is a bound on $\log p(x)$, in nats, also for digits that it has never seen, and can be compared
#   with that of another model. The autoencoder's loss says how well it copies, and nothing about how probable
#   a digit is.
# - Its code says how sure it is: $\sigma$.

# %% [markdown]
# ## 12. Posterior collapse, and the weight beta
#
# Give the divergence a weight, as in $\beta$-VAE (Higgins et al., 2017):
#
# $$-\mathbb E_{z \sim q(z|x)} \log p(x|z) + \beta\, KL(q(z|x), p(z))$$
#
# With a large $\beta$ the codes are cheap but say little. In the end the distribution of a component no
# longer depends on the image, it is the prior: $q(z_j|x) = p(z_j)$ for every $x$. Its divergence is 0, and
# the decoder learns to ignore it. This is **posterior collapse**. It also happens with $\beta = 1$: early in
# training, while the decoder does not use the code yet, or with a decoder so strong that it does not need one
# (Bowman et al., 2016). We count the **active units**, the components whose mean $\mu_j$ moves with $x$: its
# variance over the images is more than 0.01 (Burda et al., 2016). (The next cell takes less than a minute.)


# %%
def collapse(beta):
    """Train a small VAE; return its test terms and the divergence of each component."""
    keras.utils.set_random_seed(1)
    small = VAE(latent=16, widths=[200], beta=beta)
    train(small, epochs=budget.pick(smoke=1, cpu=8), grey=grey_train[:12_000])
    mu, log_var = (ops.convert_to_numpy(part) for part in small.encoder(x_test))
    divergences = 0.5 * np.mean(mu**2 + np.exp(log_var) - log_var - 1, axis=0)
    active = int(np.sum(mu.var(axis=0) > 0.01))
    return measure(small, x_test) | {"divergences": np.sort(divergences)[::-1], "active": active}


betas = budget.pick(smoke=[1, 784], cpu=[0.1, 1, 4, 16, 784])
runs = {beta: collapse(beta) for beta in betas}
print(" beta  reconstruction      KL    ELBO  active units")
for beta, run in runs.items():
    print(
        f"{beta:5}  {run['reconstruction']:14.1f}  {run['kl']:6.1f}  {run['elbo']:6.1f}  {run['active']:12}"
    )

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
for i, (beta, run) in enumerate(runs.items()):
    left.plot(
        range(1, 17), run["divergences"], plots.MARKERS[i] + "-", markersize=4, label=rf"$\beta$ = {beta}"
    )
left.set(xlabel="component, sorted", ylabel="KL (nats)", title="divergence of each component")
left.legend(fontsize=9)
left.set_xticks([1, 4, 8, 12, 16])
right.plot(betas, [run["active"] for run in runs.values()], "o-")
right.set(
    xscale="log", xlabel=r"$\beta$", ylabel="active units of 16", ylim=(-0.5, 16.5), title="active units"
)
active = [run["active"] for run in runs.values()]
plots.show(
    "Left: the divergence of each of the 16 components, sorted, for several values of beta; the larger beta, "
    f"the lower they lie. Right: the active units fall from {active[0]} to {active[-1]} as beta grows."
)

# %%
if budget.name != "smoke":
    assert np.all(np.diff([run["kl"] for run in runs.values()]) < 0)
    assert active[0] > active[-1]
    assert runs[784]["kl"] < 0.5
    assert abs(runs[784]["reconstruction"] - independent) < 10
    assert runs[0.1]["reconstruction"] > runs[1]["reconstruction"]
    assert runs[0.1]["elbo"] < runs[1]["elbo"]

# %% [markdown]
# **Look at** the last row of the table. It is the classic mistake of section 6: a mean over 784 pixels beside
# a sum over the code. The divergence is almost 0, and the reconstruction is about that of independent pixels:
# the decoder gives the same image whatever the code. Without the nats nobody would notice. In the row before
# it some units still count as active, although the whole divergence is a tenth of a nat: 0.01 is a low
# threshold, so read the count together with the nats. (In the linear model one can compute where each
# component is switched off: exercise 4 of the lab.)
#
# A small $\beta$ rebuilds better, but its $q(z|x)$ are further from the prior (see the KL), and its ELBO is
# lower than with $\beta = 1$. Usual remedies against collapse: let $\beta$ grow from 0 to 1 during the first
# epochs (warm-up, Bowman et al., 2016), or take a weaker decoder.

# %% [markdown]
# ## 13. Learning from 100 labels
#
# The VAE was trained on 60,000 digits without labels. Suppose that only 100 of them have one:
# **semi-supervised learning**. Is it better to learn from their pixels or from their codes $\mu$ (Kingma et
# al., 2014, call the second way M1)? The same three classifiers, on ten random choices of 100 labels, ten of
# each class. The encoder gets the grey values, the means of the coins:

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

grey = [images.astype("float32") / 255 for images in (grey_train, grey_test)]
features = {"pixels": grey, "codes": [codes(vae_16d, images) for images in grey]}
classifiers = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "nearest neighbour": KNeighborsClassifier(n_neighbors=1),
    "support vectors": SVC(C=10),
}
draws = budget.pick(smoke=2, cpu=10)
chosen = [
    np.concatenate([rng.choice(np.flatnonzero(y_train == c), 10, replace=False) for c in range(10)])
    for _ in range(draws)
]

# %%
accuracies = {}
for kind, classifier in classifiers.items():
    for name, (train_features, test_features) in features.items():
        scores = [classifier.fit(train_features[i], y_train[i]).score(test_features, y_test) for i in chosen]
        accuracies[kind, name] = np.array(scores)
    pair = [accuracies[kind, name] for name in features]
    gains = pair[1] - pair[0]
    print(
        f"{kind:19} pixels {pair[0].mean():.3f} ± {pair[0].std():.3f}, codes {pair[1].mean():.3f} ± "
        f"{pair[1].std():.3f}, gain {gains.mean():+.3f} ± {gains.std():.3f}, {np.sum(gains > 0)} of {draws}"
    )
    assert budget.name == "smoke" or kind == "logistic regression" or gains.mean() > 0
for name in features:  # the classifier was chosen before the test images were looked at
    runtime.result(f"accuracy_100_labels_{name}", np.mean(accuracies["support vectors", name]))

# %% [markdown]
# **Look at** the gains. Each ± is a standard deviation over the ten choices of labels. Pixels and codes were
# given the same ten, so the gain has its own, and the last number says how often it was positive. The two
# classifiers that go by distances gain a few points. A likely reason: digits that look alike have near codes,
# the same that makes regions in the map of section 9. Logistic regression does not gain; perhaps because a
# straight cut through 16 numbers has less freedom than one through 784 pixels, perhaps because its penalty,
# the same number for both, weighs differently.
#
# This is learning in two steps, first the codes, then the classifier. Kingma et al. (2014) gain much more by
# training the VAE and the classifier **at the same time**: the label is a second latent variable, known for
# some images and not for the others.

# %% [markdown]
# ## 14. What a VAE does not do well
#
# Compare the means of section 11 with the real digits. They are softer. The decoder's pixels are independent
# given $z$; where it is not sure of the place of a stroke it gives grey, the mean of what is possible. How
# much of an image is neither black nor white? Real digits are the yardstick here: their grey values *are* the
# probabilities of the coins, so a decoder that knew the digit exactly would give just these.

# %%
for name, images in {
    "real digits": grey_test / 255,
    "the same, reconstructed": pixels(vae_16d(x_test)[0]),
    "new digits of the VAE": generators["VAE"](1000, rng),
}.items():
    between = np.sum((images > 0.1) & (images < 0.9)) / np.sum(images > 0.1)
    print(f"{name:23} share of grey among the pixels with ink: {between:.0%}")

# %% [markdown]
# Even rebuilt from its own code a digit has more grey than it had: the code does not tell the decoder all.
# New digits have still more, and among them are shapes that are no digit.
#
# On photographs softness shows much more: the means are blurry. One answer is a better decoder. Another gives
# up the likelihood and trains the generator against a critic that recognises blur: the generative adversarial
# network of the next lesson. A third, the *flow* of lesson 13, has an exact likelihood and no decoder noise.
# The yardstick measures all of them. The decoder that you have trained here ships with the course: later
# lessons take it from `networks.vae()` of `nnlabs` and print its row.

# %% [markdown]
# ## Summary
#
# - $p(x)$ is an integral over all codes. Neither a grid nor draws from the prior can compute it, and without
#   it there is no $p(z|x)$.
# - $\log p_\theta(x) = KL(q_\phi(z|x), p_\theta(z|x)) + \text{ELBO}$, and a divergence is never negative. For
#   a fixed model, a larger ELBO brings $q_\phi$ nearer to the posterior, without knowing it; for the decoder,
#   the ELBO is a lower bound of what maximum likelihood wants. It is reconstruction minus divergence from the
#   prior: $\mathbb E_{z \sim q(z|x)} \log p(x|z) - KL(q(z|x), p(z))$.
# - One encoder gives $q$ for every $x$: amortisation.
# - For a Gaussian $q$ the divergence is $\frac12 \sum (\mu_j^2 + \sigma_j^2 - \log \sigma_j^2 - 1)$.
# - $z = \mu + \exp(\frac12 \log \sigma^2) \odot \varepsilon$ lets the gradient pass, with far less noise than
#   the score function.
# - The ELBO is a likelihood bound only if $p(x|z)$ is a probability of the data: binarise. More draws inside
#   the logarithm bring it closer to $\log p(x)$.
# - New digits are decoded from draws of the prior. What is usually shown is the mean of $p(x|z)$, not a
#   draw.
# - A generator is measured with one yardstick: confidence, the smallest class, the Fréchet distance. By its
#   Fréchet distance the VAE's digits are no better than those of an autoencoder with a Gaussian fitted to its
#   codes; by the smallest class they are better. What the VAE has besides is a prior of its own and a bound
#   on $\log p(x)$.
# - Too much weight on the divergence, or too strong a decoder: the posterior collapses.
#
# **Now you:** the lab is [`../labs/10_vae.ipynb`](../labs/10_vae.ipynb).
#
# ## References
#
# - D. P. Kingma, M. Welling (2014). *Auto-encoding variational Bayes.* ICLR.
#   [arXiv:1312.6114](https://arxiv.org/abs/1312.6114)
# - D. J. Rezende, S. Mohamed, D. Wierstra (2014). *Stochastic backpropagation and approximate inference in
#   deep generative models.* ICML. [arXiv:1401.4082](https://arxiv.org/abs/1401.4082)
# - M. E. Tipping, C. M. Bishop (1999). *Probabilistic principal component analysis.* Journal of the Royal
#   Statistical Society B 61(3), 611–622.
#   [doi:10.1111/1467-9868.00196](https://doi.org/10.1111/1467-9868.00196)
# - Y. Burda, R. Grosse, R. Salakhutdinov (2016). *Importance weighted autoencoders.* ICLR.
#   [arXiv:1509.00519](https://arxiv.org/abs/1509.00519)
# - C. Cremer, X. Li, D. Duvenaud (2018). *Inference suboptimality in variational autoencoders.* ICML.
#   [arXiv:1801.03558](https://arxiv.org/abs/1801.03558)
# - R. Salakhutdinov, I. Murray (2008). *On the quantitative analysis of deep belief networks.* ICML.
#   [doi:10.1145/1390156.1390266](https://doi.org/10.1145/1390156.1390266)
# - G. Loaiza-Ganem, J. P. Cunningham (2019). *The continuous Bernoulli: fixing a pervasive error in
#   variational autoencoders.* NeurIPS. [arXiv:1907.06845](https://arxiv.org/abs/1907.06845)
# - I. Higgins, L. Matthey, A. Pal, C. Burgess, X. Glorot, M. Botvinick, S. Mohamed, A. Lerchner (2017).
#   *beta-VAE: learning basic visual concepts with a constrained variational framework.* ICLR.
#   <https://openreview.net/forum?id=Sy2fzU9gl>
# - P. Ghosh, M. S. M. Sajjadi, A. Vergari, M. Black, B. Schölkopf (2020). *From variational to deterministic
#   autoencoders.* ICLR. [arXiv:1903.12436](https://arxiv.org/abs/1903.12436)
# - S. R. Bowman, L. Vilnis, O. Vinyals, A. M. Dai, R. Jozefowicz, S. Bengio (2016). *Generating sentences
#   from a continuous space.* CoNLL. [arXiv:1511.06349](https://arxiv.org/abs/1511.06349)
# - D. P. Kingma, D. J. Rezende, S. Mohamed, M. Welling (2014). *Semi-supervised learning with deep generative
#   models.* NeurIPS. [arXiv:1406.5298](https://arxiv.org/abs/1406.5298)
