"""Lab 09: what students answer."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
from keras import layers, ops
from sklearn.metrics import roc_auc_score

from nnlabs.checks import autoencoders, expect
from tests.checks.harness import Answers, make_tests


def squared_error_expanded(x, r):
    return ops.sum(x * x, axis=1) - 2 * ops.sum(x * r, axis=1) + ops.sum(r * r, axis=1)


# -- pca


def svd(x):
    return np.linalg.svd(x, full_matrices=False)[2]


def fitted(directions, m, scale=1.0):
    """Return an encoder and a decoder with these directions (k, d), mean and scale of the code."""
    return lambda x: (x - m) @ directions.T / scale, lambda h: h * scale @ directions + m


def pca_whitened(x, k):
    m = x.mean(axis=0)
    _, s, directions = np.linalg.svd(x - m, full_matrices=False)
    return fitted(directions[:k], m, s[:k] / np.sqrt(len(x)))


def pca_by_eigenvalues(x, k):
    return fitted(np.linalg.eigh(np.cov(x.T))[1].T[::-1][:k], x.mean(axis=0))


def pca_ascending(x, k):
    return fitted(np.linalg.eigh(np.cov(x.T))[1].T[-k:], x.mean(axis=0))


def pca_transposed_code(x, k):
    f, g = pca_by_eigenvalues(x, k)
    return lambda x: f(x).T, lambda h: g(h.T)


def pca_code_itself(x, k):
    f, _ = pca_by_eigenvalues(x, k)
    return f(x), svd(x)[:k]


def pca_changes(x, k):
    x -= x.mean(axis=0)
    return fitted(svd(x)[:k], 0)


def pca_encoder_changes(x, k):
    m = x.mean(axis=0)
    u = svd(x - m)[:k]

    def f(x):
        x -= m
        return x @ u.T

    return f, lambda h: h @ u + m


def pca_scikit_learn(x, k):
    from sklearn.decomposition import PCA

    model = PCA(k).fit(x)
    return model.transform, model.inverse_transform


def pca_in_keras(x, k):
    f, g = pca_by_eigenvalues(x, k)
    return lambda x: ops.convert_to_tensor(f(x)), lambda h: g(np.asarray(h))


# -- autoencoder


def network(
    inner="relu", code="linear", last=None, order=reversed, shared=True, size=None, extra=None, **dense
):
    """Return an answer with these deviations from the right one."""

    def chain(start, units, activations):
        model = keras.Sequential([keras.Input((start,))])
        for number, activation in zip(units, activations, strict=True):
            model.add(layers.Dense(number, activation=activation, **dense))
        return model

    def attempt(d, hidden, k, output):
        activations = [inner] * len(hidden)

        def encoder_():
            return chain(d, [*hidden, size or k], [*activations, code])

        def decoder_():
            return chain(size or k, [*order(hidden), d], [*activations, last or output])

        encoder, decoder = encoder_(), decoder_()
        parts = [encoder, decoder] if shared else [encoder_(), decoder_()]
        if extra:
            parts.insert(1, extra())
        return encoder, decoder, keras.Sequential([keras.Input((d,)), *parts])

    return attempt


def autoencoder_functional(d, hidden, k, output, after=lambda h: h):
    x = keras.Input(shape=(d,))
    h = x
    for units in hidden:
        h = after(layers.ReLU()(layers.Dense(units)(h)))
    encoder = keras.Model(inputs=x, outputs=layers.Dense(k)(h))
    z = keras.Input(shape=(k,))
    r = z
    for units in list(hidden)[::-1]:
        r = layers.Activation("relu")(layers.Dense(units)(r))
    r = layers.Dense(d)(r)
    decoder = keras.Model(z, layers.Activation(output)(r))
    return encoder, decoder, keras.Model(x, decoder(encoder.output))


def with_layer(layer):
    return lambda *case: autoencoder_functional(*case, after=lambda h: layer()(h))


def autoencoder_sorted(d, hidden, k, output):
    return network()(d, sorted(hidden, reverse=True), k, output)


def autoencoder_unbuilt(d, hidden, k, output):
    encoder = keras.Sequential([*(layers.Dense(n, "relu") for n in hidden), layers.Dense(k)])
    decoder = keras.Sequential([*(layers.Dense(n, "relu") for n in hidden[::-1]), layers.Dense(d, output)])
    return encoder, decoder, keras.Sequential([encoder, decoder])


def remembered():
    """Return an answer that builds the models of each arguments only once."""
    known = {}

    def attempt(d, hidden, k, output):
        return known.setdefault((hidden, output), network()(d, hidden, k, output))

    return attempt


# -- corrupt


def corruption(gaussian=None, salt=None, missing=None):
    """Return the right answer with another function of (x, level, rng) for one kind of noise."""

    def attempt(x, kind, level, rng):
        other = {"gaussian": gaussian, "salt_and_pepper": salt, "missing": missing}[kind]
        return other(x, level, rng) if other else autoencoders.corrupt.reference(x, kind, level, rng)

    return attempt


def gaussian(noise):
    """Return the answer with this noise (rng, shape) in place of normal numbers."""
    return corruption(gaussian=lambda x, s, rng: np.clip(x + s * noise(rng, x.shape), 0, 1))


def salt(coin):
    """Return the answer with this coin (rng, shape) for salt or pepper."""
    return corruption(salt=lambda x, s, rng: np.where(rng.random(x.shape) < s, coin(rng, x.shape), x))


def missing(hit):
    """Return the answer that loses the pixels ``hit(shape, level, rng)``."""
    return corruption(missing=lambda x, s, rng: np.where(hit(x.shape, s, rng), 0, x))


def as_many_as_expected(shape, level, rng):
    return rng.permutation(np.arange(np.prod(shape)) < level * np.prod(shape)).reshape(shape)


def as_many_in_each_row(shape, level, rng):
    return rng.permuted(np.tile(np.arange(shape[1]) < level * shape[1], (shape[0], 1)), axis=1)


def salt_by_one_number(x, kind, level, rng):
    if kind == "gaussian":
        return np.minimum(1, np.maximum(0, x + rng.normal(0, level, x.shape)))
    u = rng.random(x.shape)
    result = x.copy()
    result[u < level] = 0
    if kind == "salt_and_pepper":
        result[u < level / 2] = 1
    return result


def corrupt_by_mask(x, kind, level, rng):
    x = np.array(x)
    if kind == "gaussian":
        return (x + level * rng.standard_normal(x.shape)).clip(0, 1)
    mask = rng.binomial(1, level, size=x.shape)
    value = rng.binomial(1, 0.5, size=x.shape) if kind == "salt_and_pepper" else 0
    return (1 - mask) * x + mask * value


def corrupt_in_loops(x, kind, level, rng):
    result = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        hit = rng.random() < level
        if kind == "gaussian":
            result[index] = min(1, max(0, x[index] + rng.normal(0, level)))
        elif kind == "missing":
            result[index] = 0 if hit else x[index]
        else:
            result[index] = rng.integers(2) if hit else x[index]
    return result


def salt_in_place(x, level, rng):
    x[rng.random(x.shape) < level] = 1
    return x


# -- roc_auc


def auc_by_ranks(normal, anomalous):
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([normal, anomalous]))[len(normal) :]
    return (ranks.sum() - len(ranks) * (len(ranks) + 1) / 2) / (len(normal) * len(ranks))


def auc_by_loop(normal, anomalous):
    total = 0.0
    for score in anomalous:
        total += np.sum(score > normal) + np.sum(score == normal) / 2
    return total / (len(normal) * len(anomalous))


def auc_by_scikit_learn(normal, anomalous):
    truth = np.repeat([0, 1], [len(normal), len(anomalous)])
    return roc_auc_score(truth, np.concatenate([normal, anomalous]))


# -- contractive_penalty


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def contractive_by_matrix(x, W, b):
    norms = []
    for row in x:
        h = sigmoid(b + W @ row)
        norms.append(np.linalg.norm(np.diag(h * (1 - h)) @ W) ** 2)
    return np.array(norms)


def contractive_by_einsum(x, W, b):
    h = sigmoid(np.einsum("nd,kd->nk", x, W) + b)
    return np.einsum("nk,kd,kd->n", (h * (1 - h)) ** 2, W, W)


def slopes(x, W, b):
    h = sigmoid(x @ W.T + b)
    return h * (1 - h)


def contractive_by_jacobian(x, W, b):
    jacobian = slopes(x, W, b)[:, :, None] * W[None]
    return (jacobian**2).sum(axis=(1, 2))


ANSWERS = {
    "squared_error": Answers(
        wrong=[
            (lambda x, r: np.square(np.subtract(x, r)).sum(axis=1), "inside a model use keras.ops"),
            (lambda x, r: ops.mean(ops.square(x - r)), "expected shape (2,), found one number"),
            (lambda x, r: ops.sum(ops.square(x - ops.stop_gradient(r)), axis=-1), "['gradients'][1]"),
            (lambda x, r: None, "return statement"),
        ],
        right=[
            lambda x, r: ops.sum((x - r) ** 2, axis=1),
            lambda x, r: ops.square(ops.norm(r - x, axis=-1)),
            lambda x, r: ops.einsum("nd,nd->n", x - r, x - r),
            squared_error_expanded,
        ],
    ),
    "pca": Answers(
        wrong=[
            (pca_whitened, "the directions have length 1"),
            (pca_ascending, "not sorted"),
            (pca_transposed_code, "one number for each of the k directions"),
            (pca_code_itself, "return both, without calling"),
            (pca_changes, "changes its argument"),
            (pca_encoder_changes, "f changes its argument"),
            (pca_in_keras, "use NumPy"),
            (lambda x, k: None, "return statement"),
        ],
        right=[pca_by_eigenvalues, pca_scikit_learn],
    ),
    "autoencoder": Answers(
        wrong=[
            (network(code="softmax"), "the code is a linear layer"),
            (network(last="linear"), "is the argument output"),
            (network(order=iter), "hidden sizes in reverse"),
            (autoencoder_sorted, "expected '12 5 8 4 3 with"),
            (network(shared=False), "weights of their own"),
            (network(size=2), "expected '12 5 8 4 3 with 4 bias, 4 kernel', found '12 5 8 4 2 with"),
            (network(extra=lambda: layers.Activation("relu")), "nothing else is in between"),
            (network(extra=lambda: layers.GaussianNoise(0.1)), "works in training only"),
            (with_layer(layers.BatchNormalization), "found '12 5 8 4 3 with 3 beta, 4 bias, 3 gamma"),
            (remembered(), "build new layers in each call"),
            (lambda *case: network()(*case)[:2], "three Keras models"),
            (autoencoder_unbuilt, "begin with keras.Input"),
            (lambda *case: None, "return statement"),
        ],
        right=[network(), autoencoder_functional, network(kernel_initializer=keras.initializers.HeNormal(1))],
    ),
    "sparse_penalty": Answers(
        wrong=[
            (lambda h, lam: lam * np.mean(np.sum(np.abs(h), axis=-1)), "inside a model use keras.ops"),
            (lambda h, lam: lam * ops.sum(ops.abs(h)) / ops.shape(h)[0], "ops.cast makes them float32"),
            (lambda h, lam: lam * ops.sum(ops.abs(h)) / h.shape[0], "the number of images is unknown"),
            (lambda h, lam: ops.stop_gradient(lam * ops.mean(ops.sum(ops.abs(h), 1))), "['gradient']"),
        ],
        right=[
            lambda h, lam: ops.mean(lam * ops.sum(ops.abs(h), axis=1)),
            lambda h, lam: lam * ops.sum(ops.mean(ops.abs(h), axis=0)),
            lambda h, lam: lam * h.shape[-1] * ops.mean(ops.maximum(h, -h)),
            lambda h, lam: lam * ops.sum(ops.abs(h)) / ops.cast(ops.shape(h)[0], "float32"),
        ],
    ),
    "corrupt": Answers(
        wrong=[
            (
                gaussian(lambda rng, shape: 3**0.5 * rng.uniform(-1, 1, shape)),
                "beyond two standard deviations",
            ),
            (gaussian(lambda rng, shape: rng.normal(size=shape[1])), "its own random number"),
            (gaussian(lambda rng, shape: rng.normal(size=(shape[0], 1))), "its own random number"),
            (gaussian(lambda rng, shape: 0), "is there noise"),
            (gaussian(lambda rng, shape: np.random.normal(size=shape)), "draw everything from rng"),
            (missing(lambda shape, s, rng: np.random.default_rng(0).random(shape) < s), "use the rng"),
            (salt(lambda rng, shape: rng.random(shape) < 0.2), "['share of 0']: expected"),
            (salt(lambda rng, shape: rng.integers(0, 2, size=shape[1])), "by itself"),
            (salt(lambda rng, shape: rng.integers(0, 2, size=(shape[0], 1))), "by itself"),
            (missing(as_many_as_expected), "by itself"),
            (missing(as_many_in_each_row), "by itself"),
            (missing(lambda shape, s, rng: rng.random(shape) < 0.3), "what does level change?"),
            (corruption(salt=salt_in_place), "copy the argument"),
            (corruption(missing=lambda x, s, rng: x[rng.random(x.shape) < s]), "size=x.shape"),
            (
                corruption(missing=lambda x, s, rng: np.where(rng.random(x.shape) < s, 0, x).astype(int)),
                "float",
            ),
            (corruption(missing=lambda x, s, rng: ops.where(rng.random(x.shape) < s, 0, x)), "use NumPy"),
            (lambda x, kind, level, rng: None, "return statement"),
        ],
        right=[salt_by_one_number, corrupt_by_mask, corrupt_in_loops],
    ),
    "psnr": Answers(
        wrong=[
            (lambda x, r: 10 * np.log10(784 / ((x - r) ** 2).sum(axis=1)), "not always 784"),
            (lambda x, r: 10 * np.log10(x.max() / ((x - r) ** 2).mean(axis=1)), "psnr(array of shape (4, 5)"),
            (lambda x, r: ops.convert_to_tensor(10 * np.log10(1 / ((x - r) ** 2).mean(1))), "use NumPy"),
            (lambda x, r: list(10 * np.log10(1 / ((x - r) ** 2).mean(axis=1))), "found a list"),
        ],
        right=[
            lambda x, r: 10 * np.log10(1 / np.mean((r - x) ** 2, axis=-1)),
            lambda x, r: -20 * np.log10(np.sqrt(np.square(x - r).mean(axis=1))),
            lambda x, r: -10 * np.log(np.linalg.norm(x - r, axis=1) ** 2 / x.shape[1]) / np.log(10),
            lambda x, r: 10 * np.log10(1 / np.mean(np.float32(r - x) ** 2, axis=-1)),
        ],
    ),
    "contractive_penalty": Answers(
        wrong=[
            (contractive_by_jacobian, "the Jacobian has n k d = 240,000"),
            (lambda x, W, b: np.dot(slopes(x, W, b) ** 2, (W**2).sum(axis=0)), "row j of W"),
            (lambda x, W, b: contractive_by_einsum(x, W, b).tolist(), "found a list"),
            (lambda x, W, b: ops.convert_to_tensor(contractive_by_einsum(x, W, b)), "use NumPy"),
        ],
        right=[contractive_by_matrix, contractive_by_einsum],
    ),
    "roc_auc": Answers(
        wrong=[
            (
                lambda normal, anomalous: np.mean([a > b for a, b in zip(anomalous, normal, strict=False)]),
                "zip",
            ),
            (lambda normal, anomalous: np.mean(anomalous > normal), "make one of the two a column"),
            (lambda *scores: max(auc_by_ranks(*scores), 1 - auc_by_ranks(*scores)), "expected 0, found 1."),
            (lambda normal, anomalous: 0.5, "expected 0.7917, found 0.5."),
            (lambda normal, anomalous: None, "return statement"),
        ],
        right=[auc_by_ranks, auc_by_loop, auc_by_scikit_learn],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(autoencoders, ANSWERS)


def test_the_contractive_penalty_is_the_jacobians():
    rng = np.random.default_rng(1)
    W, b, x = rng.normal(size=(4, 6)), rng.normal(size=4), rng.normal(size=(3, 6))
    for row, penalty in zip(x, autoencoders.contractive_penalty.reference(x, W, b), strict=True):
        jacobian = [
            expect.finite_differences(lambda x, j=j: sigmoid(b + W @ x)[j], row) for j in range(len(W))
        ]
        assert np.isclose(penalty, np.square(jacobian).sum())
