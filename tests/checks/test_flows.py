"""Wrong and right answers to the exercises of lab 13."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from nnlabs.checks import flows
from tests.checks.harness import Answers, make_tests

keras = pytest.importorskip("keras")
ops = keras.ops
density, coupling, radial, bits, masks, invert, log_density = (
    getattr(flows, name).reference
    for name in ("density", "coupling", "radial", "bits_per_pixel", "masks", "invert", "log_density")
)


def density_by_point(y, base, branches):
    return np.vectorize(lambda v: sum(base(g(v)) * np.sqrt(s(v) ** 2) for g, s in branches))(1.0 * y)


def in_float32(answer):
    return lambda *given: tuple(np.float32(part) for part in answer(*given))


def by_row(answer):
    def by_row(x, *given):
        return [np.concatenate(part) for part in zip(*(answer(row[None], *given) for row in x), strict=True)]

    return by_row


def coupling_by_zeros(x, net, swap, inverse=False):
    changes, s, t = np.arange(x.shape[1]) % 2 != swap, np.zeros(x.shape), np.zeros(x.shape)
    s[:, changes], t[:, changes] = np.hsplit(net(x[:, ~changes]), 2)
    return ((x - t) / np.exp(s), -s.sum(axis=1)) if inverse else (x * np.exp(s) + t, s.sum(axis=1))


def the_faulty_one(x, net, swap, inverse=False):
    z, log_det = coupling(x, net, swap, inverse)
    return np.hstack([z[:, ::2], z[:, 1::2]]), log_det / (x[:, int(not swap) :: 2].shape[1])


def radial_by_slogdet(x, centre, alpha, beta):
    d, logs, v = x.shape[1], [], x - centre
    for row in v:
        r = np.linalg.norm(row)
        outer = np.outer(row, row) / (r or 1)
        logs.append(
            np.linalg.slogdet(np.eye(d) * (1 + beta / (alpha + r)) - beta * outer / (alpha + r) ** 2)[1]
        )
    return x + beta * v / (alpha + np.linalg.norm(v, axis=1, keepdims=True)), np.array(logs)


def radial_in_one_fraction(x, centre, alpha, beta):
    r = np.linalg.norm(x - centre, axis=1)
    log_det = (x.shape[1] - 1) * np.log1p(beta / (alpha + r)) + np.log1p(alpha * beta / (alpha + r) ** 2)
    return x + (x - centre) * (beta / (alpha + r))[:, None], log_det


def bits_by_scipy(log_p, images, levels, noise):
    k, n, d = noise.shape
    logs = log_p(((images + noise) / levels).reshape(k * n, d)).reshape(k, n)
    return np.mean(np.log2(levels) - (logsumexp(logs, axis=0) - np.log(k)) / d / np.log(2))


def bits_by_logaddexp(log_p, images, levels, noise):
    total = -np.inf
    for u in noise:
        total = np.logaddexp(total, log_p((u + images) / levels))
    nats = total - np.log(len(noise)) - images.shape[1] * np.log(levels)
    return float(-np.mean(nats) / np.log(2) / images.shape[1])


def masks_in_order(order, kind=int):
    """Return an answer whose hidden neurons know 0, 1, ... d - 2 inputs again and again, in this order."""

    def masks(d, widths):
        numbers = [np.arange(d), *(order(np.arange(width) % (d - 1)) for width in widths)]
        passes = [*((b >= a[:, None]) for a, b in pairwise(numbers)), np.arange(d) > numbers[-1][:, None]]
        return [mask.astype(kind) for mask in passes]

    return masks


def masks_by_loop(d, widths):
    made = [np.array([[1 if i <= j % (d - 1) else 0 for j in range(widths[0])] for i in range(d)])]
    for rows, columns in pairwise(widths):
        made.append(np.float32([[i % (d - 1) <= j % (d - 1) for j in range(columns)] for i in range(rows)]))
    return (*made, np.array([[i % (d - 1) < j for j in range(d)] for i in range(widths[-1])]))


def invert_by_repetition(z, net):
    x = np.zeros_like(z)
    for _ in range(z.shape[1] + 1):
        s, t = net(x)
        x = (z - t) / np.exp(s)
    return x, -s.sum(axis=1)


def invert_by_columns(z, net):
    x, total = 0 * z, 0
    for i, column in enumerate(z.T):
        s, t = (part[:, i] for part in net(x))
        x = np.hstack([x[:, :i], ((column - t) * np.exp(-s))[:, None], x[:, i + 1 :]])
        total = total - s
    return x, total


def log_density_by_parts(x, layers, means, shift, scale):
    z, logs = (x - shift) / scale, []
    for layer in layers:
        z, log_det = layer(z)
        logs.append(log_det)
    k, d = np.shape(means)
    parts = [-0.5 * ops.sum(ops.square(z - mean), axis=-1) for mean in means]
    base = ops.logsumexp(ops.stack(parts), axis=0) - np.log(k * (2 * np.pi) ** (d / 2))
    return sum(logs, base) - np.log(scale).sum()


def log_density_by_recursion(x, layers, means, shift, scale):
    if len(np.shape(shift)):
        return log_density_by_recursion((x - shift) / scale, layers, means, 0, 1) - np.sum(np.log(scale))
    if layers:
        z, log_det = layers[0](x)
        return log_det + log_density_by_recursion(z, layers[1:], means, 0, 1)
    a = -ops.sum((x[None] - means[:, None]) ** 2, -1) / 2 - np.log(2 * np.pi) * means.shape[1] / 2
    top = ops.max(a, axis=0)
    return top + ops.log(ops.mean(ops.exp(a - top), axis=0))


def log_density_by_norm(x, layers, means, shift, scale):
    total, z = -np.log(np.prod(scale)), ops.divide(ops.subtract(x, shift), scale)
    for k in range(len(layers)):
        z, log_det = layers[k](z)
        total += log_det
    a = ops.norm(ops.expand_dims(z, 1) - means, axis=-1)
    return total + ops.logsumexp(-(a**2) / 2 - np.log(len(means)), axis=-1) - x.shape[-1] * 0.9189385332


ANSWERS = {
    "density": Answers(
        wrong=[
            (lambda y, base, branches: base(branches[0][0](y)), "expected"),
            (lambda y, base, branches: density(y, base, branches) ** 2, "expected"),
            (lambda y, base, branches: np.abs(sum(base(g(y)) * s(y) for g, s in branches)), "falling branch"),
            (lambda y, base, branches: density(y, base, branches).tolist(), "expected an array"),
        ],
        right=[
            density_by_point,
            lambda y, base, branches: sum(base(g(y)) * np.abs(s(y)) for g, s in branches),
            lambda *given: np.float32(density(*given)),
            lambda y, base, branches: np.stack([base(g(y)) * abs(s(y)) for g, s in branches], -1).sum(-1),
        ],
    ),
    "coupling": Answers(
        wrong=[
            (the_faulty_one, "two faults are left"),
            (lambda x, *given: (np.negative(x, out=x), 0), "changes its argument"),
            (lambda x, net, swap, inverse=False: coupling(x, net, swap), "expected"),
            (lambda x, net, swap, inverse=False: coupling(x, net, swap, inverse)[0], "expected 2 values"),
            (lambda x, net, swap: coupling(x, net, swap), "It should take"),
        ],
        right=[coupling_by_zeros, by_row(coupling), in_float32(coupling), by_row(coupling_by_zeros)],
    ),
    "radial": Answers(
        wrong=[
            (lambda x, c, a, b: (radial(x, c, a, b)[0], radial(x[:, :1], c[:1], a, b)[1]), "expected"),
            (lambda x, c, a, b: radial(x, c, a, b)[::-1], "expected shape"),
            (lambda x, c, a, b: (radial(x, c, a, b)[0], radial(x, c, a, b)[1].sum()), "expected shape"),
        ],
        right=[radial_by_slogdet, radial_in_one_fraction, by_row(radial), in_float32(radial)],
    ),
    "bits_per_pixel": Answers(
        wrong=[
            (lambda log_p, images, *rest: bits(log_p, images + 1, *rest), "expected"),
            (lambda log_p, images, levels, noise: bits(log_p, images, levels, 0 * noise), "expected"),
            (lambda *given: len(given[1]) * bits(*given), "times"),
        ],
        right=[
            bits_by_scipy,
            bits_by_logaddexp,
            lambda p, *given: bits_by_scipy(lambda y: p(y), *given),
            lambda *given: np.float32(bits(*given)),
        ],
    ),
    "masks": Answers(
        wrong=[
            (lambda d, widths: np.tril(np.ones((d, d)), -1), "should return a list"),
            (masks_in_order(lambda numbers: numbers + (numbers == 1)), "expected"),
            (lambda d, widths: [0.5 * m for m in masks(d, widths)], "zeros and ones"),
            (lambda d, widths: masks(d, widths[:1]), "shapes"),
        ],
        right=[
            masks_by_loop,
            masks_in_order(np.random.default_rng(1).permutation),
            masks_in_order(np.sort, bool),
            masks_in_order(np.flip),
        ],
    ),
    "invert": Answers(
        wrong=[
            (lambda z, net: (z - net(z)[1], 0), "expected"),
            (lambda z, net: invert(z, net)[0], "expected 2 values"),
            (lambda z, net: (invert(z, net)[0], -net(z)[0].sum(axis=1)), "expected"),
        ],
        right=[invert_by_repetition, invert_by_columns, by_row(invert), in_float32(invert)],
    ),
    "log_density": Answers(
        wrong=[
            (lambda *given: -log_density(*given), "sign is reversed"),
            (lambda *given: np.asarray(log_density(*given)), "compiled"),
            (lambda x, layers, means, *s: log_density(x, layers[::-1], means, *s), "expected"),
        ],
        right=[
            log_density_by_parts,
            log_density_by_recursion,
            log_density_by_norm,
            lambda x, *given: log_density_by_parts(ops.convert_to_tensor(x), *given),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(flows, ANSWERS)


def test_the_log_determinant_of_radial_is_that_of_its_jacobian():
    x, c, step = flows._normal(5), np.ones(5), 1e-5 * np.eye(5)
    slopes = (radial(x + step, c, 0.7, -0.5)[0] - radial(x - step, c, 0.7, -0.5)[0]) / 2e-5
    np.testing.assert_allclose(np.linalg.slogdet(slopes)[1], radial(x[None], c, 0.7, -0.5)[1][0], atol=1e-7)


def test_without_layers_the_log_density_is_that_of_scipy():
    x, means = flows._normal(4, 2).astype("float32"), np.zeros((1, 2), "float32")
    found = log_density(x, [], means, np.float32([1, 2]), np.float32([2, 3]))
    np.testing.assert_allclose(found, multivariate_normal([1, 2], np.diag([4, 9])).logpdf(x), rtol=1e-5)
