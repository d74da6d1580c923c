"""Lab 09: what students answer."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
from keras import layers, ops
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from nnlabs.checks import autoencoders, expect
from tests.checks.harness import Answers, make_tests


def by_eigenvalues(x, k):
    variances, u = np.linalg.eigh(np.cov(x.T, bias=True))
    directions, m, spread = u.T[::-1][:k], x.mean(axis=0), np.sqrt(variances[::-1][:k])
    return lambda x: (x - m) @ directions.T / spread, lambda h: h * spread @ directions + m


def encoder_changes(x, k):
    f, g = by_eigenvalues(x, k)
    m = x.mean(axis=0)

    def encode(x):
        x -= m
        return f(x + m)

    return encode, g


class Tied(layers.Layer):
    def __init__(self, dense, activation):
        super().__init__()
        self.dense = dense
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.c = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="zeros")

    def call(self, h):
        return self.activation(self.c + ops.matmul(h, ops.transpose(self.dense.kernel)))


class TiedByEinsum(Tied):
    def build(self, input_shape):
        self.bias = self.add_weight(name="bias", shape=self.dense.kernel.shape[:1], initializer="zeros")

    def call(self, h):
        return self.activation(ops.einsum("nk,dk->nd", h, self.dense.kernel) + self.bias)


class RandomBias(Tied):
    def build(self, input_shape):
        self.c = self.add_weight(shape=(self.dense.kernel.shape[0],), initializer="random_normal")


class NotWritten(Tied):
    def call(self, h):
        raise NotImplementedError


class ReturnsNothing(Tied):
    def call(self, h):
        ops.matmul(h, ops.transpose(self.dense.kernel))


class WithInverse(Tied):
    def call(self, h):
        return self.activation(self.c + ops.matmul(h, np.linalg.pinv(np.array(self.dense.kernel))))


def by_sorting(h, k):
    return ops.where(h < ops.sort(h, axis=1)[:, -k][:, None], 0.0, h)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gradient_in_loops(x, W, b):
    by_W, by_b = np.zeros(W.shape), np.zeros(len(b))
    for row in x:
        h = sigmoid(b + W @ row)
        p, dp = h * (1 - h), h * (1 - h) * (1 - 2 * h)
        for j in range(len(b)):
            by_b[j] += 2 * p[j] * dp[j] * np.sum(W[j] ** 2) / len(x)
            by_W[j] += (2 * p[j] * dp[j] * np.sum(W[j] ** 2) * row + 2 * p[j] ** 2 * W[j]) / len(x)
    return by_W, by_b


def in_place(fit_epoch, x, level, epochs, rng):  # the faulty code of the lab
    noisy = x
    for _ in range(epochs):
        noisy += level * rng.normal(size=x.shape[1])
        fit_epoch(np.clip(noisy, 0, 1), x)


def by_copies(fit_epoch, x, level, epochs, rng):
    for _ in range(epochs):
        noisy = x.copy()
        noisy += rng.normal(0, level, x.shape)
        fit_epoch(np.minimum(np.maximum(noisy, 0), 1).astype("float32"), x.copy())


def all_at_once(fit_epoch, x, level, epochs, rng):
    for noise in rng.normal(scale=level, size=(epochs, *x.shape)):
        fit_epoch((x + noise).clip(0, 1), x)


def of_another_generator(fit_epoch, x, level, epochs, rng):
    for _ in range(epochs):
        fit_epoch(np.clip(x + level * np.random.normal(size=x.shape), 0, 1), x)


def clipped_once_more(fit_epoch, x, level, epochs, rng):
    for _ in range(epochs):
        fit_epoch(np.clip(x + level * rng.normal(size=x.shape), 0.01, 0.99), x)


def by_parts(x, s):
    def below(t):  # the mean of max(0, t - y)
        return (t - x) * norm.cdf((t - x) / s) + s * norm.pdf((t - x) / s)

    return 1 - below(1) + below(0)


def by_chance(x, s):
    z = np.random.default_rng(0).normal(size=(100_000, *np.shape(x)))
    return np.clip(x + s * z, 0, 1).mean(axis=0)


def by_grid_search(make, settings, x, y, x_test, y_test):
    search = GridSearchCV(make(settings[0]), {"setting": list(settings)}, cv=5)
    return search.fit(x, y).score(x_test, y_test)


def in_one_line(make, settings, x, y, *test):
    best = max(settings, key=lambda setting: cross_val_score(make(setting), x, y, cv=5).mean())
    return make(best).fit(x, y).score(*test)


def auc_by_ranks(normal, anomalous):
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([normal, anomalous]))[len(normal) :]
    return (ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(normal) * len(ranks))


def auc_by_scikit_learn(normal, anomalous):
    truth = np.repeat([0, 1], [len(normal), len(anomalous)])
    return roc_auc_score(truth, np.concatenate([normal, anomalous]))


ANSWERS = {
    "whitening": Answers(
        wrong=[
            (
                lambda x, k: (lambda x_: by_eigenvalues(x, k)[0](x_).T, by_eigenvalues(x, k)[1]),
                "one number for each of the k directions",
            ),
            (lambda x, k: (by_eigenvalues(x, k)[0](x), x), "return both, without calling"),
            (encoder_changes, "f changes its argument"),
            (lambda x, k: None, "return statement"),
        ],
        right=[by_eigenvalues, lambda x, k: by_eigenvalues(np.float32(x), k)],
    ),
    "Tied": Answers(
        wrong=[
            (RandomBias, "does not start at zero"),
            (NotWritten, "not done yet"),
            (ReturnsNothing, "return statement"),
            (WithInverse, "linear: call([[1, 0], [1, 2]])']: at index"),
            (lambda dense, activation: None, "keep the lines"),
        ],
        right=[Tied, TiedByEinsum],
    ),
    "keep_largest": Answers(
        wrong=[
            (lambda h, k: np.where(h >= np.sort(h)[:, -k:][:, :1], h, 0), "inside a model use keras.ops"),
            (lambda h, k: by_sorting(h, h.shape[-1] + 1 - k), "expected"),
            (lambda h, k: ops.top_k(h, k), "expected an array"),
        ],
        right=[by_sorting, lambda h, k: h * ops.cast(h >= ops.top_k(h, k)[0][:, -1:], h.dtype)],
    ),
    "contractive_gradient": Answers(
        wrong=[
            (lambda x, W, b: gradient_in_loops(x[:1], W, b), "expected"),
            (lambda *case: [ops.convert_to_tensor(part) for part in gradient_in_loops(*case)], "NumPy"),
            (lambda *case: gradient_in_loops(*case)[0], "a tuple is wanted"),
            (lambda *case: [part.tolist() for part in gradient_in_loops(*case)], "found a list"),
            (lambda *case: [-part for part in gradient_in_loops(*case)], "sign is reversed"),
            (lambda x, W, b: (gradient_in_loops(x, W, b)[0].T, np.zeros(len(b))), "transposed"),
        ],
        right=[gradient_in_loops, lambda *case: tuple(map(np.float32, gradient_in_loops(*case)))],
    ),
    "train_denoiser": Answers(
        wrong=[
            (in_place, "changes its argument"),
            (of_another_generator, "draw everything from rng"),
            (clipped_once_more, "train_denoiser with level 1"),
            (lambda fit_epoch, x, level, epochs, rng: fit_epoch(x, x), "calls of fit_epoch"),
            (lambda fit_epoch, x, level, epochs, rng: fit_epoch(x), "required positional argument"),
        ],
        right=[by_copies, all_at_once],
    ),
    "brightness": Answers(
        wrong=[
            (by_chance, "rounded or approximated?"),
            (lambda x, s: 0.195 + 0.61 * x, "expected"),
        ],
        right=[by_parts, lambda x, s: np.float32(by_parts(x, s))],
    ),
    "honest_score": Answers(
        wrong=[
            (lambda make, settings, *data: in_one_line(make, settings[::-1][:1], *data), "expected"),
            (lambda make, settings, x, y: None, "It should take"),
        ],
        right=[by_grid_search, in_one_line, lambda *case: np.array(in_one_line(*case))],
    ),
    "roc_auc": Answers(
        wrong=[
            (lambda *scores: np.mean([a > n for n, a in zip(*scores, strict=False)]), "zip"),
            (lambda *scores: max(auc_by_ranks(*scores), 1 - auc_by_ranks(*scores)), "expected 0, found 1."),
            (lambda normal, anomalous: 0.5, "expected 0.7917, found 0.5."),
            (lambda normal, anomalous: None, "return statement"),
        ],
        right=[auc_by_ranks, auc_by_scikit_learn],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(autoencoders, ANSWERS)


def test_the_contractive_gradient_is_that_of_the_penalty():
    rng = np.random.default_rng(1)
    W, b, x = rng.normal(size=(4, 6)), rng.normal(size=4), rng.normal(size=(3, 6))

    def penalty(W, b):
        h = sigmoid(x @ W.T + b)
        return np.mean(np.sum(np.square((h * (1 - h))[:, :, None] * W), axis=(1, 2)))

    by_W, by_b = autoencoders.contractive_gradient.reference(x, W, b)
    assert np.allclose(by_W, expect.finite_differences(lambda W: penalty(W, b), W), atol=1e-8)
    assert np.allclose(by_b, expect.finite_differences(lambda b: penalty(W, b), b), atol=1e-8)
