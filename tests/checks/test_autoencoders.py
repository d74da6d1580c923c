"""Lab 09: what students answer."""

import keras  # loaded here, so that its import is not part of a check's time limit
import numpy as np
import pytest
from keras import layers, ops

from nnlabs.checks import autoencoders, expect
from tests.checks.harness import Answers, make_tests

# -- pca


def projection(directions, mean_in=None, mean_out=None):
    """Return an encoder and a decoder with these directions (k, d) and these means."""
    mean_in = 0 if mean_in is None else mean_in
    mean_out = 0 if mean_out is None else mean_out
    return lambda x: (x - mean_in) @ directions.T, lambda h: h @ directions + mean_out


def svd(x):
    return np.linalg.svd(x, full_matrices=False)[2]


def pca_not_centred(x, k):
    return projection(svd(x)[:k])


def pca_not_centred_svd(x, k):
    mean = x.mean(axis=0)
    return projection(svd(x)[:k], mean, mean)


def pca_encoder_without_mean(x, k):
    mean = x.mean(axis=0)
    return projection(svd(x - mean)[:k], None, mean)


def pca_decoder_without_mean(x, k):
    mean = x.mean(axis=0)
    return projection(svd(x - mean)[:k], mean)


def pca_no_mean_after(x, k):
    return projection(svd(x - x.mean(axis=0))[:k])


def pca_last(x, k):
    mean = x.mean(axis=0)
    return projection(svd(x - mean)[-k:], mean, mean)


def pca_columns(x, k):
    mean = x.mean(axis=0)
    return projection(svd(x - mean)[:, :k].T, mean, mean)


def pca_mean_of_the_new(x, k):
    directions = svd(x - x.mean(axis=0))[:k]
    last = {}

    def f(new):
        last["mean"] = new.mean(axis=0)
        return (new - last["mean"]) @ directions.T

    return f, lambda h: h @ directions + last["mean"]


def pca_whitened(x, k):
    mean = x.mean(axis=0)
    _, s, directions = np.linalg.svd(x - mean, full_matrices=False)
    scale = s[:k] / np.sqrt(len(x))
    return lambda x: (x - mean) @ directions[:k].T / scale, lambda h: h * scale @ directions[:k] + mean


def pca_by_eigenvalues(x, k, order=-1):
    mean = x.mean(axis=0)
    directions = np.linalg.eigh(np.cov(x.T))[1].T[::order][:k]
    return projection(directions, mean, mean)


def pca_ascending(x, k):
    mean = x.mean(axis=0)
    return projection(np.linalg.eigh(np.cov(x.T))[1].T[-k:], mean, mean)


def pca_transposed_code(x, k):
    f, g = pca_by_eigenvalues(x, k)
    return lambda x: f(x).T, lambda h: g(h.T)


def pca_code_itself(x, k):
    f, _ = pca_by_eigenvalues(x, k)
    return f(x), svd(x)[:k]


def pca_changes(x, k):
    x -= x.mean(axis=0)
    return projection(svd(x)[:k])


def pca_scikit_learn(x, k):
    from sklearn.decomposition import PCA

    model = PCA(k).fit(x)
    return model.transform, model.inverse_transform


# -- autoencoder


def network(
    inner="relu",
    code="linear",
    last=None,
    reverse=True,
    shared=True,
    bias=True,
    size=None,
    drop=0,
    extra=False,
    count=3,
):
    """Return an answer with these deviations from the right one."""

    def chain(start, units, activations):
        model = keras.Sequential([keras.Input((start,))])
        for number, activation in zip(units, activations, strict=True):
            model.add(layers.Dense(number, activation=activation, use_bias=bias))
        return model

    def attempt(d, hidden, k, output):
        hidden = list(hidden)[drop:]
        back = hidden[::-1] if reverse else hidden
        activations = [inner] * len(hidden)

        def encoder_():
            return chain(d, [*hidden, size or k], [*activations, code])

        def decoder_():
            return chain(size or k, [*back, d], [*activations, last or output])

        encoder, decoder = encoder_(), decoder_()
        parts = [encoder, decoder] if shared else [encoder_(), decoder_()]
        if extra:
            parts.insert(1, layers.Activation("relu"))
        both = keras.Sequential([keras.Input((d,)), *parts])
        return (encoder, decoder, both)[:count]

    return attempt


def autoencoder_functional(d, hidden, k, output):
    x = keras.Input(shape=(d,))
    h = x
    for units in hidden:
        h = layers.ReLU()(layers.Dense(units)(h))
    encoder = keras.Model(inputs=x, outputs=layers.Dense(k)(h))
    z = keras.Input(shape=(k,))
    r = z
    for units in list(hidden)[::-1]:
        r = layers.Activation("relu")(layers.Dense(units)(r))
    r = layers.Dense(d)(r)
    decoder = keras.Model(z, layers.Activation(output)(r))
    return encoder, decoder, keras.Model(x, decoder(encoder.output))


def autoencoder_unbuilt(d, hidden, k, output):
    encoder = keras.Sequential([*(layers.Dense(n, "relu") for n in hidden), layers.Dense(k)])
    decoder = keras.Sequential([*(layers.Dense(n, "relu") for n in hidden[::-1]), layers.Dense(d, output)])
    return encoder, decoder, keras.Sequential([encoder, decoder])


def autoencoder_without_return(d, hidden, k, output):
    network()(d, hidden, k, output)


# -- corrupt


def corruption(gaussian=None, salt=None, missing=None):
    """Return the right answer with another function of (x, level, rng) for one kind of noise."""

    def attempt(x, kind, level, rng):
        known = {"gaussian": gaussian, "salt_and_pepper": salt, "missing": missing}
        other = known[kind]
        return other(x, level, rng) if other else autoencoders.corrupt.reference(x, kind, level, rng)

    return attempt


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


def salt_in_place(x, level, rng):
    x[rng.random(x.shape) < level] = 1
    return x


def salt_twice(x, level, rng):
    x = np.where(rng.random(x.shape) < level, 1, x)
    return np.where(rng.random(x.shape) < level, 0, x)


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
    jacobian = (h * (1 - h))[:, :, None] * W[None]
    return (jacobian**2).sum(axis=(1, 2))


def contractive(slope, W, rows=lambda W: (W**2).sum(axis=1)):
    return slope**2 @ rows(W)


def code(x, W, b):
    return sigmoid(x @ W.T + b)


ANSWERS = {
    "squared_error": Answers(
        wrong=[
            (lambda x, r: ops.mean(ops.square(x - r), axis=-1), "mean over the pixels"),
            (lambda x, r: ops.sqrt(ops.sum(ops.square(x - r), axis=-1)), "L is its square"),
            (lambda x, r: ops.sum(ops.square(x - r)), "sum over the pixels only"),
            (lambda x, r: ops.mean(ops.sum(ops.square(x - r), axis=-1)), "do not average over the images"),
            (lambda x, r: ops.sum(ops.square(x - r), axis=0), "the last axis"),
            (lambda x, r: ops.sum(ops.abs(x - r), axis=-1), "the norm has squares"),
            (lambda x, r: ops.square(x - r), "not summed yet"),
            (lambda x, r: 0.5 * ops.sum(ops.square(x - r), axis=-1), "no factor 1/2"),
            (lambda x, r: ops.square(ops.sum(x - r, axis=-1)), "they cancel"),
            (lambda x, r: np.square(np.subtract(x, r)).sum(axis=1), "inside a model use keras.ops"),
            (lambda x, r: None, "return statement"),
        ],
        right=[
            lambda x, r: ops.sum((x - r) ** 2, axis=1),
            lambda x, r: ops.square(ops.norm(r - x, axis=-1)),
            lambda x, r: ops.einsum("nd,nd->n", x - r, x - r),
        ],
    ),
    "pca": Answers(
        wrong=[
            (pca_not_centred, "before the SVD"),
            (pca_not_centred_svd, "data that are not centred"),
            (pca_encoder_without_mean, "the encoder must subtract it too"),
            (pca_decoder_without_mean, "must add the mean again"),
            (pca_no_mean_after, "neither f nor g"),
            (pca_last, "smallest variance"),
            (pca_columns, "rows of the third factor"),
            (pca_mean_of_the_new, "not that of the new data"),
            (pca_whitened, "scaled or mixed"),
            (pca_ascending, "not sorted"),
            (pca_transposed_code, "one number for each of the k directions"),
            (pca_code_itself, "return both, without calling"),
            (pca_changes, "changes its argument"),
            (lambda x, k: None, "return statement"),
        ],
        right=[pca_by_eigenvalues, pca_scikit_learn],
    ),
    "autoencoder": Answers(
        wrong=[
            (network(inner="linear"), "hidden layers have no activation"),
            (network(inner="sigmoid"), "hidden layers have a sigmoid"),
            (network(inner="tanh"), "hidden layers have tanh"),
            (network(code="relu"), "the code is a linear layer"),
            (network(code="sigmoid"), "the code is a linear layer"),
            (network(last="sigmoid"), "is the argument output"),
            (network(last="linear"), "is the argument output"),
            (network(reverse=False), "hidden sizes in reverse"),
            (network(shared=False), "weights of their own"),
            (network(bias=False), "keeps its bias"),
            (network(size=2), "the encoder ends with k numbers"),
            (network(drop=1), "one dense layer for each number"),
            (network(extra=True), "nothing else is in between"),
            (network(count=2), "three Keras models"),
            (autoencoder_unbuilt, "begin with keras.Input"),
            (autoencoder_without_return, "return statement"),
        ],
        right=[network(), autoencoder_functional],
    ),
    "sparse_penalty": Answers(
        wrong=[
            (lambda h, lam: lam * ops.sum(ops.abs(h)), "mean of its images, not their sum"),
            (lambda h, lam: lam * ops.mean(ops.abs(h)), "only the images are averaged"),
            (lambda h, lam: lam * ops.mean(ops.sum(h, axis=-1)), "absolute value?"),
            (lambda h, lam: lam * ops.mean(ops.sum(ops.square(h), axis=-1)), "the L2 penalty"),
            (lambda h, lam: ops.mean(ops.sum(ops.abs(h), axis=-1)), "where is lam"),
            (lambda h, lam: lam * ops.sum(ops.abs(h), axis=-1), "one number for the batch"),
            (lambda h, lam: lam * ops.mean(ops.abs(ops.sum(h, axis=-1))), "of each number, then the sum"),
            (lambda h, lam: lam * ops.mean(ops.sum(ops.abs(h), axis=0)), "changed their axes"),
            (lambda h, lam: lam * np.mean(np.sum(np.abs(h), axis=-1)), "inside a model use keras.ops"),
        ],
        right=[
            lambda h, lam: ops.mean(lam * ops.sum(ops.abs(h), axis=1)),
            lambda h, lam: lam * ops.sum(ops.mean(ops.abs(h), axis=0)),
            lambda h, lam: lam * h.shape[-1] * ops.mean(ops.maximum(h, -h)),
        ],
    ),
    "corrupt": Answers(
        wrong=[
            (corruption(gaussian=lambda x, s, rng: x + s * rng.normal(size=x.shape)), "np.clip"),
            (
                corruption(gaussian=lambda x, s, rng: (x + s * rng.normal(size=x.shape)) % 1),
                "stays at the end",
            ),
            (
                corruption(gaussian=lambda x, s, rng: np.clip(x + rng.normal(0, s**0.5, x.shape), 0, 1)),
                "not the variance",
            ),
            (
                corruption(gaussian=lambda x, s, rng: np.clip(x + s * rng.uniform(-0.5, 0.5, x.shape), 0, 1)),
                "the noise is uniform",
            ),
            (
                corruption(gaussian=lambda x, s, rng: np.clip(x + s * rng.uniform(size=x.shape), 0, 1)),
                "the noise is uniform",
            ),
            (
                corruption(
                    gaussian=lambda x, s, rng: np.clip(x + s * np.abs(rng.normal(size=x.shape)), 0, 1)
                ),
                "darker as often as brighter",
            ),
            (
                corruption(gaussian=lambda x, s, rng: np.clip(x + s * rng.normal(size=x.shape[1]), 0, 1)),
                "its own random number",
            ),
            (corruption(gaussian=lambda x, s, rng: x), "have no noise"),
            (
                corruption(gaussian=lambda x, s, rng: np.clip(x + s * np.random.normal(size=x.shape), 0, 1)),
                "not from np.random",
            ),
            (
                corruption(
                    missing=lambda x, s, rng: np.where(np.random.default_rng(0).random(x.shape) < s, 0, x)
                ),
                "make no new one",
            ),
            (corruption(salt=lambda x, s, rng: np.where(rng.random(x.shape) < s, 1, x)), "pepper is black"),
            (
                corruption(salt=lambda x, s, rng: salt_by_one_number(x, "salt_and_pepper", 2 * s, rng)),
                "together",
            ),
            (corruption(salt=salt_twice), "hit some pixels twice"),
            (
                corruption(
                    salt=lambda x, s, rng: np.where(rng.random(x.shape) < s, rng.random(x.shape), x),
                ),
                "exactly 0 or exactly 1",
            ),
            (
                corruption(
                    salt=lambda x, s, rng: np.where(rng.random(x.shape) > s, rng.integers(0, 2, x.shape), x),
                ),
                "wrong way round",
            ),
            (
                corruption(
                    salt=lambda x, s, rng: np.where(
                        rng.random(x.shape) < s, rng.random(x.shape) < 0.2, x
                    ).astype(float)
                ),
                "equally likely",
            ),
            (corruption(salt=salt_in_place), "work on a copy"),
            (
                corruption(missing=lambda x, s, rng: np.where(rng.random(x.shape) < s, x, 0)),
                "wrong way round",
            ),
            (corruption(missing=lambda x, s, rng: np.where(rng.random(x.shape) < s, 1, x)), "becomes 0"),
            (corruption(missing=lambda x, s, rng: x[rng.random(x.shape) < s]), "size=x.shape"),
            (lambda x, kind, level, rng: None, "return statement"),
        ],
        right=[salt_by_one_number, corrupt_by_mask],
    ),
    "psnr": Answers(
        wrong=[
            (lambda x, r: 10 * np.log(1 / ((x - r) ** 2).mean(axis=1)), "to the base 10"),
            (lambda x, r: 10 * np.log10(((x - r) ** 2).mean(axis=1)), "a smaller error is a larger PSNR"),
            (lambda x, r: 20 * np.log10(1 / ((x - r) ** 2).mean(axis=1)), "squared already"),
            (lambda x, r: 10 * np.log10(1 / ((x - r) ** 2).sum(axis=1)), "missing its mean"),
            (lambda x, r: 10 * np.log10(1 / ((x - r) ** 2).mean()), "its own PSNR"),
            (lambda x, r: (10 * np.log10(1 / ((x - r) ** 2).mean(axis=1))).mean(), "for each image"),
            (lambda x, r: 10 * np.log10(1 / ((x - r) ** 2).mean(axis=0)), "runs over the images"),
            (lambda x, r: 10 * np.log10(255**2 / ((x - r) ** 2).mean(axis=1)), "peak is not 255"),
            (lambda x, r: 10 * np.log10(1 / np.abs(x - r).mean(axis=1)), "not squared"),
            (lambda x, r: np.log10(1 / ((x - r) ** 2).mean(axis=1)), "factor 10 is missing"),
        ],
        right=[
            lambda x, r: 10 * np.log10(1 / np.mean((r - x) ** 2, axis=-1)),
            lambda x, r: -20 * np.log10(np.sqrt(np.square(x - r).mean(axis=1))),
            lambda x, r: -10 * np.log(np.linalg.norm(x - r, axis=1) ** 2 / x.shape[1]) / np.log(10),
        ],
    ),
    "contractive_penalty": Answers(
        wrong=[
            (lambda x, W, b: (code(x, W, b) * (1 - code(x, W, b))) @ (W**2).sum(axis=1), "is squared in"),
            (lambda x, W, b: np.sqrt(contractive_by_einsum(x, W, b)), "its square"),
            (lambda x, W, b: contractive(code(x, W, b), W), "missing its second factor"),
            (
                lambda x, W, b: contractive(np.ones((len(x), len(W))), W),
                "derivative of the sigmoid is missing",
            ),
            (
                lambda x, W, b: contractive(
                    code(x, W, b) * (1 - code(x, W, b)), W, lambda W: W.sum(axis=1) ** 2
                ),
                "square the weights first",
            ),
            (
                lambda x, W, b: contractive(
                    code(x, W, b) * (1 - code(x, W, b)), W, lambda W: np.ones(len(W))
                ),
                "the weights are missing",
            ),
            (
                lambda x, W, b: contractive(
                    code(x, W, b) * (1 - code(x, W, b)), W, lambda W: np.abs(W).sum(axis=1)
                ),
                "the weights are not squared",
            ),
            (
                lambda x, W, b: contractive(
                    code(x, W, b) * (1 - code(x, W, b)), W, lambda W: (W**2).mean(axis=1)
                ),
                "summed, not averaged",
            ),
            (lambda x, W, b: contractive_by_einsum(x, W, 0 * b), "the bias is missing"),
            (lambda x, W, b: contractive_by_einsum(x, W, b).sum(), "do not add the rows up"),
            (lambda x, W, b: contractive_by_einsum(x, W, b).mean(), "do not average over the rows"),
            (
                lambda x, W, b: (code(x, W, b) * (1 - code(x, W, b))) ** 2 * (W**2).sum(axis=1),
                "sum over the numbers of the code is missing",
            ),
            (lambda x, W, b: contractive(1 - np.tanh(x @ W.T + b) ** 2, W), "derivative of tanh"),
            (lambda x, W, b: contractive_by_einsum(x, W.T, b), "ValueError"),
        ],
        right=[contractive_by_matrix, contractive_by_einsum],
    ),
    "roc_auc": Answers(
        wrong=[
            (lambda normal, anomalous: auc_by_ranks(anomalous, normal), "changed places"),
            (lambda normal, anomalous: np.mean(anomalous[:, None] > normal), "count one half."),
            (lambda normal, anomalous: np.mean(anomalous[:, None] >= normal), "one half, not one"),
            (
                lambda normal, anomalous: auc_by_ranks(normal, anomalous) * len(normal) * len(anomalous),
                "number of all pairs",
            ),
            (lambda normal, anomalous: np.mean(anomalous > normal.mean()), "mean of the normal scores"),
            (lambda normal, anomalous: np.mean(anomalous > normal.max()), "largest normal score"),
            (lambda normal, anomalous: anomalous.mean() - normal.mean(), "difference of means"),
            (
                lambda normal, anomalous: np.mean(anomalous[:, None] > normal, axis=0),
                "average over all pairs",
            ),
            (lambda normal, anomalous: None, "return statement"),
        ],
        right=[auc_by_ranks, auc_by_loop],
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


@pytest.mark.parametrize("kind", ["gaussian", "salt_and_pepper", "missing"])
def test_noise_depends_on_the_generator_alone(kind):
    x = np.random.default_rng(2).uniform(size=(4, 9))
    first, again, other = (
        autoencoders.corrupt.reference(x, kind, 0.5, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1
