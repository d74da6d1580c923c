"""Wrong and right answers to the exercises of lab 14."""

import numpy as np
import pytest

from nnlabs.checks import similarity
from tests.checks.harness import Answers, make_tests

ops = pytest.importorskip("keras").ops
two_margins, gate = similarity.two_margins.reference, similarity.gate.reference
sphere = similarity.through_sphere.reference


def pairs_by_kind(letter, style, n, rng, mix=False):
    allowed, rows = style[:, None] != style, []
    for label in (1.0, 0.0):
        fits = allowed & ((letter[:, None] == letter) == label)
        for c in rng.choice(sorted(set(letter.tolist())), n // 2):
            i = rng.permutation(np.nonzero(letter == c)[0])[0]
            rows.append((i, rng.choice(np.nonzero(fits[i])[0]), label))
    i, j, same = np.array(rng.permutation(rows) if mix else rows).T
    return i.astype(int), j.astype(int), same


def pairs_by_trial(letter, style, n, rng, fit=lambda a, b: a != b, half=lambda k, rng: k % 2 == 0):
    i, j, same = (np.zeros(n, kind) for kind in (int, int, bool))
    for k in range(n):
        letters, same[k] = np.unique(letter), half(k, rng)
        i[k] = rng.choice(np.where(letter == letters[rng.integers(len(letters))])[0])
        j[k] = rng.integers(len(letter))
        while not fit(style[i[k]], style[j[k]]) or (letter[i[k]] == letter[j[k]]) != same[k]:
            j[k] = rng.integers(len(letter))
    return [i, j, same]


def margins_by_loop(a, b, same, near, far):
    loss, slope = 0.0, np.zeros(a.shape)
    for k in range(len(a)):
        distance = np.sqrt(np.sum((a[k] - b[k]) ** 2))
        over = max(distance - near, 0) if same[k] else min(distance - far, 0)
        loss += over**2
        if distance:
            slope[k] = 2 * over * (a[k] - b[k]) / distance
    return loss / len(a), slope / len(a)


def margins_by_signs(a, b, same, near, far):
    distance, y = np.linalg.norm(a - b, axis=1, keepdims=True), np.array(same)[:, None]
    over = y * (distance - near).clip(0) - (1 - y) * (far - distance).clip(0)
    direction = np.divide(a - b, distance, out=np.zeros(a.shape), where=distance > 0)
    return np.mean(over**2), 2 * over * direction / len(y)


def semi_by_far(D, y, alpha):
    same = ops.cast(y[:, None] == y[None, :], D.dtype)
    far = ops.max(D * (1 - same) - same, axis=1, keepdims=True)
    semi = (1 - same)[:, None, :] * ops.cast(D[:, None, :] > D[:, :, None], D.dtype)
    hinge = ops.maximum(D - ops.min(semi * D[:, None] + (1 - semi) * far[:, :, None], axis=-1) + alpha, 0.0)
    return ops.sum(hinge * (same - ops.eye(ops.shape(D)[0]))) / (ops.sum(same) - ops.sum(ops.ones_like(D[0])))


def semi_in_tensorflow(D, y, alpha):
    import tensorflow as tf

    def of_anchor(given):
        d, same = given
        semi = tf.where(~same & (d[None, :] > d[:, None]), d[None, :], np.inf)
        nearest, last = tf.reduce_min(semi, axis=1), tf.reduce_max(tf.boolean_mask(d, ~same))
        return tf.nn.relu(d - tf.where(tf.math.is_inf(nearest), last, nearest) + alpha)

    same = tf.equal(tf.expand_dims(y, 1), tf.expand_dims(y, 0))
    hinge = tf.map_fn(of_anchor, (D, same), fn_output_signature=tf.TensorSpec((None,), "float32"))
    return tf.reduce_mean(tf.boolean_mask(hinge, same & ~tf.eye(tf.shape(D)[0], dtype=tf.bool)))


def sphere_by_matrix(v, g):
    unit = v / np.linalg.norm(v, axis=1)[:, None]
    turned = [(np.eye(len(u)) - np.outer(u, u)) @ slope for u, slope in zip(unit, g, strict=True)]
    return np.array(turned) / np.linalg.norm(v, axis=1)[:, None]


def sphere_by_powers(v, g):
    square = (v * v).sum(1)[:, None]
    return g * square**-0.5 - v * np.einsum("md,md->m", v, g)[:, None] * square**-1.5


def sphere_alike(v, g):
    return sphere_by_powers(v, g - v)  # what is added along v does not matter


def episode_by_places(letter, ways, shots, queries, rng, asked=lambda ways, rng: rng.integers(ways)):
    free = np.ones(len(letter), bool)

    def draw(c):
        one = rng.choice(np.flatnonzero(free & (letter == c)))
        free[one] = False
        return one

    letters = rng.choice(sorted(set(letter.tolist())), ways, replace=False)
    support = [[draw(c) for _ in range(shots)] for c in letters]
    answer = [asked(ways, rng) for _ in range(queries)]
    return support, [draw(letters[k]) for k in answer], answer


def episode_by_order(letter, ways, shots, queries, rng):
    order = rng.permutation(len(letter))
    chosen = rng.permutation(np.unique(letter))[:ways]
    rows = np.array([order[letter[order] == c][: shots + queries] for c in chosen])
    answer = np.floor(ways * rng.random(queries)).astype(int)
    return rows[:, :shots], rows[answer, shots + np.arange(queries)], answer


def score_by_loop(support, query, answer, tie=lambda tied, right: right / tied):
    prototypes, credit = [np.mean(shots, axis=0) for shots in support], []
    for x, k in zip(query, answer, strict=True):
        distance = np.array([np.sqrt(np.sum((x - p) ** 2)) for p in prototypes])
        nearest = np.isclose(distance, min(distance))
        credit.append(tie(nearest.sum(), nearest[k]))
    return sum(credit) / len(credit)


def score_by_squares(support, query, answer):
    p = np.einsum("wsd->wd", support) / support.shape[1]
    square = (query**2).sum(1)[:, None] + (p**2).sum(1) - 2 * query @ p.T
    nearest = np.isclose(square, square.min(axis=1)[:, None])
    return (nearest / nearest.sum(1)[:, None])[range(len(answer)), answer].mean()


def gate_by_loop(D, same, rate):
    best, smallest = None, 1.0
    for t in [-1, *sorted(D)]:
        far = sum(d <= t and not y for d, y in zip(D, same, strict=True)) / (len(D) - sum(same))
        frr = sum(d > t and bool(y) for d, y in zip(D, same, strict=True)) / sum(same)
        smallest = min(smallest, max(far, frr))
        best = (t, frr) if far <= rate else best
    return (*best, smallest)


def gate_by_search(D, same, rate):
    y = np.asarray(same) == 1
    t = np.sort([-1, *D])
    far = np.searchsorted(np.sort(D[~y]), t, side="right") / np.sum(~y)
    frr = 1 - np.searchsorted(np.sort(D[y]), t, side="right") / np.sum(y)
    allowed = t[far <= rate].max()
    return np.array([allowed, np.mean(D[y] > allowed), np.where(far > frr, far, frr).min()])


ANSWERS = {
    "pairs": Answers(
        wrong=[
            (lambda a, b, n, rng: pairs_by_kind(a, b, n, np.random.default_rng(0)), "use the rng"),
            (lambda *given: [part.tolist() for part in pairs_by_kind(*given)], "expected an array"),
            (lambda *given: pairs_by_trial(*given, fit=lambda a, b: True), "itself"),
            (lambda *given: pairs_by_trial(*given, half=lambda k, rng: rng.random() < 0.5), "left to chance"),
        ],
        right=[
            pairs_by_kind,
            pairs_by_trial,
            lambda *given: pairs_by_kind(*given, mix=True),
            lambda letter, style, n, rng: pairs_by_trial(-letter, style, n, rng),
        ],
    ),
    "two_margins": Answers(
        wrong=[
            (lambda *given: two_margins(*given)[0], "expected 2 values"),
            (lambda *given: (two_margins(*given)[0], two_margins(*given)[1].sum(axis=1)), "expected shape"),
        ],
        right=[
            margins_by_loop,
            margins_by_signs,
            lambda *given: [np.float32(part) for part in two_margins(*given)],
            lambda a, b, same, near, far: margins_by_loop(a, b, list(same), near, far),
        ],
    ),
    "semi_hard": Answers(
        wrong=[(lambda *a: float(semi_by_far(*a)), "ops"), (lambda *a: semi_by_far(*a) / 2, "0.5 times")],
        right=[
            semi_by_far,
            semi_in_tensorflow,
            lambda D, y, alpha: semi_by_far(ops.convert_to_tensor(D), ops.convert_to_tensor(y), alpha),
            lambda D, y, alpha: semi_in_tensorflow(D, y, alpha)[None][0],
        ],
    ),
    "through_sphere": Answers(
        wrong=[(lambda v, g: sphere(g, v), "found"), (lambda v, g: sphere(v, g).tolist(), "an array")],
        right=[sphere_by_matrix, sphere_by_powers, sphere_alike, lambda *a: np.float32(sphere_alike(*a))],
    ),
    "episode": Answers(
        wrong=[
            (lambda *given: episode_by_places(*given, asked=lambda ways, rng: 0), "always at one place"),
            (lambda *given: episode_by_places(*given)[:2], "not enough values"),
            (lambda letter, *sizes: episode_by_order(letter, *sizes[:3], np.random.default_rng()), "rng"),
        ],
        right=[
            episode_by_places,
            episode_by_order,
            lambda *given: list(episode_by_order(*given)),
            lambda letter, *given: episode_by_order(-letter, *given),
        ],
    ),
    "score": Answers(
        wrong=[
            (lambda *given: score_by_loop(*given, tie=lambda tied, right: right), "constant embedding"),
            (
                lambda *given: score_by_loop(*given, tie=lambda tied, right: right // tied),
                "nothing for a tie",
            ),
        ],
        right=[
            score_by_loop,
            score_by_squares,
            lambda *given: np.float32(score_by_loop(*given)),
            lambda support, query, answer: score_by_loop(support, query, answer.tolist()),
        ],
    ),
    "gate": Answers(
        wrong=[
            (lambda D, y, rate: (np.quantile(D[y == 0], rate), *gate(D, y, rate)[1:]), "expected 5"),
            (lambda *given: gate(*given)[:2], "expected 3 values"),
        ],
        right=[
            gate_by_loop,
            gate_by_search,
            lambda *a: list(gate_by_search(*a)),
            lambda *a: np.array(gate(*a)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(similarity, ANSWERS)


def test_the_slopes_are_derivatives():
    rng = np.random.default_rng(1)
    a, b, v, g = rng.normal(size=(4, 6, 3))
    same, differences = np.arange(6) % 2, similarity.expect.finite_differences
    numeric = differences(lambda a: two_margins(a, b, same, 0.5, 3.0)[0], a)
    np.testing.assert_allclose(two_margins(a, b, same, 0.5, 3.0)[1], numeric, atol=1e-8)
    numeric = differences(lambda v: np.sum(g * v / np.linalg.norm(v, axis=1, keepdims=True)), v)
    np.testing.assert_allclose(sphere(v, g), numeric, atol=1e-8)
