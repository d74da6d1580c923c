"""Wrong and right answers to the exercises of lab 08."""

import numpy as np
import pytest

from nnlabs.checks import vision_tasks
from nnlabs.checks.vision_tasks import iou
from tests.checks.harness import Answers, make_tests

keras = pytest.importorskip("keras")
layers = keras.layers
giou, dice = vision_tasks.giou.reference, vision_tasks.dice.reference


def pairs(one):
    return lambda a, b: np.array([[one(p, q) for q in b] for p in a])


def giou_of(p, q):
    width, height = (max(0, min(p[i + 2], q[i + 2]) - max(p[i], q[i])) for i in (0, 1))
    union = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (p, q)) - width * height
    r = (max(p[2], q[2]) - min(p[0], q[0])) * (max(p[3], q[3]) - min(p[1], q[1]))
    return width * height / union - 1 + union / r


def giou_from_iou(a, b):
    share, area = iou(a, b), lambda box: (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    union = (area(a)[:, None] + area(b)) / (1 + share)
    side = [np.maximum.outer(a[:, k + 2], b[:, k + 2]) - np.minimum.outer(a[:, k], b[:, k]) for k in (0, 1)]
    return share + union / (side[0] * side[1]) - 1


def encoding(fit, offset=lambda x: x - int(x), there=lambda label: label != -1):
    """Return an answer that chooses the anchor by fit(width, height, anchors)."""

    def encode(boxes, labels, anchors, shape, cell):
        target = np.zeros((shape[0], shape[1], len(anchors), 6), "float32")
        for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
            if there(label):
                w, h = right - left, bottom - top
                x, y = (left + w / 2) / cell, (top + h / 2) / cell
                k = int(np.argmax(fit(w, h, anchors)))
                sizes = np.log(w) - np.log(anchors[k][0]), np.log(h / anchors[k][1])
                target[int(y), int(x), k] = (1, offset(x), offset(y), *sizes, label)
        return target

    return encode


def fit_by_iou(w, h, anchors):
    centred = np.concatenate([-anchors / 2, anchors / 2], axis=1)
    return iou(np.array([[-w / 2, -h / 2, w / 2, h / 2]]), centred)[0]


def fit_by_corner(w, h, anchors):
    return iou(np.array([[0, 0, w, h]]), np.concatenate([0 * anchors, anchors], axis=1))[0]


def encode_in_arrays(boxes, labels, anchors, shape, cell):
    box = boxes[labels >= 0].astype(float)
    side, centre = box[:, 2:] - box[:, :2], (box[:, :2] + box[:, 2:]) / (2 * cell)
    shared = np.minimum(side[:, None], anchors).prod(axis=2)
    k = (shared / (side.prod(axis=1)[:, None] + anchors.prod(axis=1) - shared)).argmax(axis=1)
    place, target = np.floor(centre).astype(int), np.zeros((*shape, len(anchors), 6))
    numbers = [np.ones((len(k), 1)), centre - place, np.log(side / anchors[k]), labels[labels >= 0, None]]
    target[place[:, 1], place[:, 0], k] = np.concatenate(numbers, axis=1)
    return target


def decode_by_loop(raw, anchors, cell):
    n, rows, columns, forms, _ = raw.shape
    boxes, scores = [], []
    for i, row, column, k in np.ndindex(n, rows, columns, forms):
        o, x, y, w, h, *classes = raw[i, row, column, k]
        x, y = (place + 1 / (1 + np.exp(-a)) for place, a in ((column, x), (row, y)))
        w, h = anchors[k][0] * np.exp(w), anchors[k][1] * np.exp(h)
        boxes.append([x * cell - w / 2, y * cell - h / 2, x * cell + w / 2, y * cell + h / 2])
        scores.append(np.exp(classes) / np.exp(classes).sum() / (1 + np.exp(-o)))
    return np.reshape(boxes, (n, -1, 4)), np.reshape(scores, (n, -1, len(classes)))


def decode_by_keras(raw, anchors, cell):
    place = np.indices(raw.shape[1:3])[::-1].transpose(1, 2, 0)[None, :, :, None]
    centre = cell * (keras.ops.convert_to_numpy(keras.ops.sigmoid(raw[..., 1:3])) + place)
    half = np.exp(raw[..., 3:5]) * (anchors / 2)
    scores = keras.ops.sigmoid(raw[..., :1]) * keras.ops.softmax(raw[..., 5:], axis=-1)
    boxes = np.concatenate([centre - half, centre + half], axis=-1).reshape(len(raw), -1, 4)
    return [boxes, keras.ops.reshape(scores, (len(raw), -1, raw.shape[-1] - 5))]


def soft_by_list(boxes, scores, labels, sigma):
    scores, waiting = list(map(float, scores)), set(range(len(scores)))
    while waiting:
        best = max(waiting, key=scores.__getitem__)
        waiting.remove(best)
        for i in waiting:
            if labels[i] == labels[best]:
                scores[i] *= np.exp(-(iou(boxes[[best]], boxes[[i]]).item() ** 2) / sigma)
    return np.array(scores)


def soft_by_class(boxes, scores, labels, sigma):
    result = np.zeros(len(scores))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        result[mine] = soft_by_list(boxes[mine], scores[mine], labels[mine], sigma)
    return result


def soft_by_matrix(boxes, scores, labels, sigma):
    decay = np.exp(-(iou(boxes, boxes) ** 2) * (labels[:, None] == labels) / sigma)
    done, scores = np.zeros(len(scores), bool), scores.astype("float64")
    for _ in scores:
        best = np.argmax(scores - 10 * done)
        done[best] = True
        scores = np.where(done, scores, scores * decay[best])
    return scores


def ap_by_loop(scores, hits, n_truth, levels):
    ranked = sorted(zip(scores, hits, strict=True), key=lambda pair: -pair[0])
    points, found = [], 0
    for k, (_, hit) in enumerate(ranked, start=1):
        found += int(hit)
        points.append((found / n_truth, found / k))
    return sum(max((p for r, p in points if r >= level), default=0) for level in levels) / len(levels)


def ap_by_envelope(scores, hits, n_truth, levels):
    found = np.cumsum(hits[np.argsort(scores)[::-1]])
    envelope = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
    first = np.searchsorted(found / n_truth, levels)
    return np.append(envelope, 0)[first].mean()


def ap_by_table(scores, hits, n_truth, levels):
    found = hits[np.argsort(-scores)].astype(int).cumsum()
    reached = found / n_truth >= levels[:, None]
    return (reached * (found / np.arange(1, len(found) + 1))).max(axis=1, initial=0).mean()


def verdicts_by_list(boxes, scores, labels, truth, digits):
    free, kinds = list(range(len(truth))), np.full(len(boxes), 4)
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        share = iou(boxes[[i]], truth)[0].tolist()
        own = [k for k in range(len(truth)) if digits[k] == labels[i]]
        best = max((k for k in own if k in free), key=share.__getitem__, default=None)
        if best is not None and share[best] >= 0.5:
            kinds[i] = 0
            free.remove(best)
        elif max(share) >= 0.5:
            kinds[i] = 1 if any(share[k] >= 0.5 for k in own) else 2
        elif any(share[k] >= 0.1 for k in own):
            kinds[i] = 3
    return kinds


def verdicts_by_select(boxes, scores, labels, truth, digits):
    share, same = iou(boxes, truth), labels[:, None] == digits
    left, hit = share * same, np.zeros(len(boxes), bool)
    for i in np.argsort(-scores):
        hit[i] = left[i].max() >= 0.5
        if hit[i]:
            left[:, left[i].argmax()] = 0
    own = (share * same).max(axis=1)
    return np.select([hit, own >= 0.5, share.max(axis=1) >= 0.5, own >= 0.1], [0, 1, 2, 3], 4)


def dice_by_class(t, p):
    losses, slope = [], np.zeros(p.shape)
    used = [c for c in range(1, t.shape[-1]) if t[..., c].any()]
    for c in used:
        shared, size = np.sum(t[..., c] * p[..., c]), np.sum(t[..., c]) + np.sum(p[..., c])
        losses.append(1 - 2 * shared / size)
        slope[..., c] = (2 * shared - 2 * size * t[..., c]) / size**2 / len(used)
    return np.mean(losses), slope


def dice_by_einsum(t, p):
    there = np.einsum("nhwc->c", t) * (np.arange(t.shape[-1]) != 0)
    size, weight = np.einsum("nhwc->c", t + p), (there > 0) / np.sum(there > 0)
    shared = np.einsum("nhwc,nhwc->c", t, p)
    return 1 - np.sum(weight * 2 * shared / size), 2 * weight * (shared / size - t) / size


def same(h):
    return h


def net(down=layers.MaxPool2D, skip=same, up=layers.UpSampling2D, end=same, size=None, padding="same"):
    """Return an answer by recursion."""

    def convolve(h, width):
        return layers.Conv2D(width, (3, 3), padding=padding, activation="relu")(h)

    def level(h, widths):
        h = convolve(h, widths[0])
        if len(widths) > 1:
            h = convolve(layers.Concatenate()([skip(h), up(2)(level(down(2)(h), widths[1:]))]), widths[0])
        return h

    def unet(widths, channels):
        image = keras.Input((size, size, 1))
        return keras.Model(image, end(layers.Conv2D(channels, 1)(level(image, widths))))

    return unet


def net_in_layers(widths, channels):
    def convolve(h, width):
        return keras.ops.relu(layers.Conv2D(width, 3)(layers.ZeroPadding2D(1)(h)))

    image = keras.Input((None, None, 1))
    maps = [convolve(image, widths[0])]
    for width in widths[1:]:
        maps.append(convolve(keras.ops.max_pool(maps[-1], 2), width))
    h = maps.pop()
    for width in widths[:-1][::-1]:
        h = convolve(keras.ops.concatenate([maps.pop(), layers.UpSampling2D()(h)], axis=-1), width)
    return keras.Model(image, layers.Conv2D(channels, (1, 1))(h))


ANSWERS = {
    "giou": Answers(
        wrong=[
            (lambda a, b: np.maximum(0, giou(a, b)), "expected"),
            (lambda a, b: giou(b, a), "a row for each box of a"),
            (lambda a, b: giou(a, b).tolist(), "expected an array"),
        ],
        right=[pairs(giou_of), giou_from_iou, lambda a, b: giou(b, a).T, lambda a, b: np.float32(giou(a, b))],
    ),
    "encode": Answers(
        wrong=[
            (
                encoding(lambda w, h, anchors: -np.abs(np.log(w / h * anchors[:, 1] / anchors[:, 0]))),
                "expected",
            ),
            (encoding(fit_by_iou, offset=lambda x: x), "expected 0.5"),
            (encoding(fit_by_iou, there=lambda label: True), "at index"),
            (encoding(fit_by_iou, there=lambda label: label > 0), "class 0 is a digit"),
        ],
        right=[
            encoding(fit_by_iou),
            lambda *given: encode_in_arrays(*given).astype("float32"),
            encoding(fit_by_corner),
            encode_in_arrays,
        ],
    ),
    "decode": Answers(
        wrong=[
            (lambda raw, anchors, cell: decode_by_loop(raw, anchors, cell)[0], "a tuple is wanted"),
            (lambda raw, anchors, cell: decode_by_loop(raw[:1], anchors, cell), "expected shape"),
        ],
        right=[
            decode_by_loop,
            decode_by_keras,
            lambda raw, *rest: [
                np.concatenate([decode_by_loop(r[None], *rest)[k] for r in raw]) for k in (0, 1)
            ],
            lambda *given: [part.astype("float32") for part in decode_by_loop(*given)],
        ],
    ),
    "soft_nms": Answers(
        wrong=[
            (lambda b, scores, labels, sigma: np.put(scores, 1, 0.2) or scores, "changes its argument"),
            (lambda *given: soft_by_list(*given).tolist(), "expected an array"),
            (lambda b, s, labels, sigma: soft_by_list(b, s, labels, np.sqrt(sigma)), "expected"),
        ],
        right=[soft_by_list, soft_by_class, soft_by_matrix, lambda *given: np.float32(soft_by_list(*given))],
    ),
    "average_precision": Answers(
        wrong=[
            (lambda *given: 100 * ap_by_loop(*given), "100 times"),
            (lambda scores, hits, n, levels: ap_by_loop(scores, hits, n, levels[1:]), "expected"),
        ],
        right=[ap_by_loop, ap_by_envelope, ap_by_table, lambda *given: np.float32(ap_by_loop(*given))],
    ),
    "verdicts": Answers(
        wrong=[
            (lambda *given: verdicts_by_list(*given).tolist(), "expected an array"),
            (
                lambda b, s, labels, truth, digits: verdicts_by_list(b, s, labels[:1], truth, digits),
                "IndexError",
            ),
        ],
        right=[
            verdicts_by_list,
            lambda b, s, labels, *true: verdicts_by_list(b[::-1], s[::-1], labels[::-1], *true)[::-1],
            verdicts_by_select,
            lambda *given: verdicts_by_list(*given).astype(float),
        ],
    ),
    "dice": Answers(
        wrong=[
            (lambda t, p: (dice(t, p)[0], -dice(t, p)[1]), "this is the slope of Dice"),
            (lambda t, p: dice(t, p)[0], "expected 2 values"),
            (lambda t, p: (dice(t, p)[0], dice(t, p)[1].sum(axis=0)), "expected shape"),
        ],
        right=[
            dice_by_class,
            dice_by_einsum,
            lambda t, p: [np.float32(part) for part in dice(t, p)],
            lambda t, p: (float(dice_by_class(t, p)[0]), dice_by_einsum(t, p)[1]),
        ],
    ),
    "unet": Answers(
        wrong=[
            (net(skip=layers.MaxPool2D(2)), "leave before the pooling"),
            (net(padding="valid"), "keep the size"),
            (net(down=lambda n: lambda h: h[:, ::n, ::n]), "expected"),
            (net(end=layers.Softmax()), "is there a softmax?"),
            (net(size=64), "None"),
            (lambda widths, channels: keras.layers.Conv2D(channels, 1), "should return a Keras model"),
        ],
        right=[
            net(),
            net_in_layers,
            net(end=layers.Activation("linear")),
            net(up=lambda n: lambda h: keras.ops.repeat(keras.ops.repeat(h, n, axis=1), n, axis=2)),
        ],
    ),
}

test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(vision_tasks, ANSWERS)


def test_the_slope_of_dice_is_the_derivative():
    t, p = vision_tasks._maps(2, 2, 3, 4)
    numeric = vision_tasks.expect.finite_differences(lambda p: dice(t, p)[0], p)
    np.testing.assert_allclose(dice(t, p)[1], numeric, atol=1e-8)
