"""Wrong and right answers to the exercises of lab 15."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax

from nnlabs.checks import expect, sequences
from nnlabs.checks.sequences import leaky_states
from tests.checks.harness import Answers, make_tests

keras = pytest.importorskip("keras")
ops = keras.ops
REFERENCE = {name: value.reference for name, value in vars(sequences).items() if hasattr(value, "reference")}


def changed(name, change):
    """Return the course's answer, its result changed."""
    return lambda *given: change(REFERENCE[name](*given))


def single(parts):
    return [np.asarray(part).astype("float32") for part in parts]


def windows_by_index(series, cut, length, gap, horizon, known=None, ddof=0):
    past = np.asarray(series, float)[: known or cut]
    series = (series - np.mean(past)) / np.std(past, ddof=ddof)
    at = np.arange(len(series) - length - gap - horizon + 1)[:, None]
    x, t = at + np.arange(length), at + length + gap + np.arange(horizon)
    train, test = t[:, -1] < cut, t[:, 0] >= cut
    return [series[x[train]], series[t[train]], series[x[test]], series[t[test]]]


def bptt_by_sample(x, u, W_x, W_h, b, alpha):
    slopes, totals = [0, 0, 0], np.zeros(u.shape)
    for i in range(len(x)):
        h, later = leaky_states(x[i : i + 1], W_x, W_h, b, alpha)[0], 0
        for t in range(x.shape[1] - 1, -1, -1):
            prime = 1 - np.tanh(W_x @ x[i, t] + W_h @ h[t] + b) ** 2
            totals[i, t] = u[i, t] + later
            s = alpha * prime * totals[i, t]
            slopes = [slopes[0] + np.outer(s, x[i, t]), slopes[1] + np.outer(s, h[t]), slopes[2] + s]
            later = ((1 - alpha) * np.eye(len(b)) + alpha * np.diag(prime) @ W_h).T @ totals[i, t]
    return *slopes, totals


def bptt_from_states(x, u, W_x, W_h, b, alpha):
    h = leaky_states(x, W_x, W_h, b, alpha)
    prime = 1 - ((h[:, 1:] - (1 - alpha) * h[:, :-1]) / alpha) ** 2
    g = u.astype(float)
    for t in range(u.shape[1] - 1, 0, -1):
        g[:, t - 1] += (1 - alpha) * g[:, t] + alpha * (g[:, t] * prime[:, t]) @ W_h
    s = alpha * g * prime
    return [*(np.tensordot(s, part, ((0, 1), (0, 1))) for part in (x, h[:, :-1])), s.sum((0, 1)), g]


def clip_by_ravel(gradients, most):
    norm = np.linalg.norm(np.concatenate([np.ravel(g) for g in gradients]))
    return [g / max(1, norm / most) for g in gradients], norm


def clip_by_if(gradients, most):
    norm = float(sum((np.asarray(g, float) ** 2).sum() for g in gradients)) ** 0.5
    if norm <= most:
        return list(gradients), norm
    return [np.float64(most) / norm * g for g in gradients], norm


def gru_by_sample(x, lengths, W, U, b, more=0):
    n, states = U.shape[0], []
    for sequence, length in zip(x, lengths, strict=True):
        h = np.zeros(n)
        for x_t in sequence[: length + more]:
            a = W.T @ x_t + b
            z, r = expit(a[:n] + U[:, :n].T @ h), expit(a[n : 2 * n] + U[:, n : 2 * n].T @ h)
            h = z * h + (1 - z) * np.tanh(a[2 * n :] + U[:, 2 * n :].T @ (r * h))
        states.append(h)
    return np.array(states)


def gru_by_keras(x, lengths, W, U, b):
    layer = keras.layers.GRU(len(U), reset_after=False)
    layer.build(x.shape)
    layer.set_weights([W, U, b])
    state = ops.convert_to_numpy(layer(x.astype("float32"), mask=np.arange(x.shape[1]) < lengths[:, None]))
    return np.where(lengths[:, None] > 0, state, 0)


def bits_by_scipy(logits, targets, space):
    true = targets != -1
    log_p = log_softmax(np.asarray(logits, float), axis=2)[true][np.arange(true.sum()), targets[true]]
    return -np.log2(np.e) * log_p.mean(), np.exp(-log_p.sum() / np.count_nonzero(targets == space))


def bits_by_loop(logits, targets, space, least=0):
    total = characters = words = 0
    for row, target in zip(logits, targets, strict=True):
        for a, c in zip(row, target, strict=True):
            if c >= least:
                total += (np.logaddexp.reduce(a) - a[c]) / np.log(2)
                characters, words = characters + 1, words + (c == space)
    return float(total / characters), float(2 ** (total / words))


def nucleus_by_loop(logits, temperature, mass):
    rows = []
    for row in np.asarray(logits, float):
        p, kept, total = softmax(row / temperature), {}, 0.0
        for c in sorted(range(len(row)), key=lambda c: -row[c]):
            if total < mass:
                kept[c], total = p[c], total + p[c]
        rows.append([kept.get(c, 0) / total for c in range(len(row))])
    return np.array(rows)


def nucleus_by_search(logits, temperature, mass, more=1):
    result = np.zeros(logits.shape)
    for row, p in zip(result, softmax(logits / temperature, axis=1), strict=True):
        order = np.argsort(p)[::-1]
        chosen = order[: np.searchsorted(np.cumsum(p[order]), mass) + more]
        row[chosen] = p[chosen] / p[chosen].sum()
    return result


def heads_by_slices(hidden=-1e9, first=0):
    def attend(q, k, v, begin, heads):
        T, d, e = q.shape[1], q.shape[2] // heads, v.shape[2] // heads
        later = np.triu(np.ones((T, T), bool), 1)
        before = np.arange(T) < ops.expand_dims(ops.expand_dims(begin, 1), 2) + first
        results = []
        for i in range(heads):
            part, own = slice(i * d, i * d + d), slice(i * e, i * e + e)
            scores = ops.einsum("ntd,nsd->nts", q[..., part], k[..., part]) / np.sqrt(d)
            scores = ops.where(ops.logical_or(later, before), hidden, scores)
            weights = ops.softmax(scores, axis=2)
            results.append(ops.einsum("nts,nse->nte", weights, v[..., own]))
        return ops.concatenate(results, axis=-1)

    return attend


def heads_by_einsum(q, k, v, begin, heads):
    q, k, v = (ops.reshape(a, (-1, a.shape[1], heads, a.shape[2] // heads)) for a in (q, k, v))
    T, t = q.shape[1], ops.arange(q.shape[1])
    allowed = ops.cast(t[None, :] <= t[:, None], "float32") * ops.cast(t >= begin[:, None, None], "float32")
    scores = ops.einsum("nthd,nshd->nhts", q, k) * q.shape[3] ** -0.5 - 1e6 * (1 - allowed[:, None])
    return ops.reshape(ops.einsum("nhts,nshe->nthe", ops.softmax(scores), v), (-1, T, heads * v.shape[3]))


def rotate_by_matrix(x, base, sign=1):
    T, D = x.shape[1:]
    blocks = np.zeros((T, D, D), "float32")
    for t, j in np.ndindex(T, D // 2):
        c, s = np.cos(t / base ** (2 * j / D)), sign * np.sin(t / base ** (2 * j / D))
        blocks[t, 2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = [[c, s], [-s, c]]
    return ops.einsum("ntd,tde->nte", x, blocks)


def rotate_by_partner(x, base):
    T, D = x.shape[1:]
    angle = np.repeat(np.outer(np.arange(T), np.float64(base) ** (-2 * np.arange(D // 2) / D)), 2, axis=1)
    pairs = ops.reshape(x, (-1, T, D // 2, 2))
    partner = ops.reshape(ops.stack([-pairs[..., 1], pairs[..., 0]], axis=-1), (-1, T, D))
    return x * np.cos(angle).astype("float32") + partner * np.sin(angle).astype("float32")


def in_numpy(answer):
    return lambda *given: np.array(ops.convert_to_numpy(answer(*map(np.asarray, given))))


ANSWERS = {
    "windows": Answers(
        [
            (lambda *given: windows_by_index(*given, ddof=1), "expected"),
            (lambda series, *rest: windows_by_index(series, *rest, known=len(series)), "of the future"),
        ],
        [windows_by_index, *(changed("windows", how) for how in (list, tuple, single))],
    ),
    "leaky_bptt": Answers(
        [
            (changed("leaky_bptt", lambda parts: parts[:3]), "expected 4 values"),
            (lambda *given: bptt_from_states(*given[:-1], 1.0), "expected"),
        ],
        [bptt_by_sample, bptt_from_states, changed("leaky_bptt", list), changed("leaky_bptt", single)],
    ),
    "clip": Answers(
        [
            (changed("clip", lambda parts: parts[0]), "expected"),
            (lambda gradients, most: (gradients, clip_by_if(gradients, most)[1]), "expected"),
        ],
        [clip_by_ravel, clip_by_if, changed("clip", list), changed("clip", lambda r: (tuple(r[0]), r[1]))],
    ),
    "gru": Answers(
        [
            (lambda *given: gru_by_sample(*given, more=-1), "expected"),
            (changed("gru", lambda states: states.mean(axis=0)), "expected"),
        ],
        [gru_by_sample, gru_by_keras, changed("gru", np.float32), changed("gru", np.copy)],
    ),
    "bits": Answers(
        [
            (lambda *given: bits_by_loop(*given, least=-1), "padding is no text."),
            (changed("bits", lambda two: two[0]), "expected 2 values"),
        ],
        [bits_by_scipy, bits_by_loop, changed("bits", list), changed("bits", single)],
    ),
    "nucleus": Answers(
        [
            (lambda *given: nucleus_by_search(*given, more=0), "that reaches the share"),
            (
                lambda logits, t, mass: nucleus_by_search(logits - logits.min(), 1.0, mass),
                "temperature has no",
            ),
        ],
        [nucleus_by_loop, nucleus_by_search, changed("nucleus", np.float32), changed("nucleus", ops.array)],
    ),
    "attend": Answers(
        [
            (heads_by_slices(hidden=-np.inf), "a row of -inf"),
            (heads_by_slices(first=1), "the first of the sequence"),
            (in_numpy(heads_by_einsum), "inside a model use keras.ops"),
        ],
        [heads_by_slices(), heads_by_slices(-1e30), heads_by_einsum, changed("attend", ops.copy)],
    ),
    "rotate": Answers(
        [
            (lambda x, base: rotate_by_matrix(x, base, sign=-1), "turns the other way"),
            (in_numpy(rotate_by_partner), "inside a model use keras.ops"),
        ],
        [rotate_by_matrix, rotate_by_partner, changed("rotate", ops.copy), changed("rotate", ops.array)],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(sequences, ANSWERS)


def test_the_slope_of_the_recurrent_weights_is_the_derivative():
    x, u, W_x, W_h, b, alpha = sequences._leaky(2, 3, 2, 3, 0.3)
    numeric = expect.finite_differences(lambda w: np.sum(u * leaky_states(x, W_x, w, b, alpha)[:, 1:]), W_h)
    np.testing.assert_allclose(REFERENCE["leaky_bptt"](x, u, W_x, W_h, b, alpha)[1], numeric, atol=1e-8)
