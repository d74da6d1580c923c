# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.5, cpu: 1}
# ---

# %% [markdown]
# # Lab 08: vision tasks
#
# The lecture's detector has one form of box, one answer a cell, and a suppression that is all or nothing.
# Here you go one step further with each: an overlap that still says something about boxes that lie apart,
# two forms of box in a cell, a softer suppression, COCO's average precision. You mend an evaluation that is
# too kind, derive the slope of a loss, and build a U-Net of any depth. At the end your functions draw the
# boxes *and* the pixels of digits in clutter.
#
# **You need:** [the lecture](../notebooks/08_vision_tasks.ipynb), NumPy's broadcasting, paper and pencil.
# About four hours. The letters are those of the [notation](../notebooks/01_neurons.ipynb#Notation).

# %%
from nnlabs import data, networks, plots, runtime, training
from nnlabs.checks import vision_tasks as check

budget = runtime.setup(seed=1)
# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers, ops

# %% [markdown]
# Boxes are rows of four numbers, left, top, right, bottom, in pixels; their sides are right − left and
# bottom − top. From the lecture, to be used in what follows:


# %%
def iou(a, b):
    """Return the IoU (n, m) of the boxes a (n, 4) with the boxes b (m, 4)."""
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    area_a, area_b = (np.prod(box[:, 2:] - box[:, :2], axis=-1) for box in (a, b))
    return shared / (area_a[:, None] + area_b - shared)


# %% [markdown]
# ## 1. An overlap for boxes that lie apart
#
# The IoU of two boxes that do not meet is 0, whether one pixel lies between them or fifty. The **generalised
# IoU** (Rezatofighi et al., 2019) can tell. Let $R$ be the smallest rectangle that contains both boxes. The
# part of $R$ that neither of them covers counts against them:
#
# $$\text{GIoU}(A, B) = \text{IoU}(A, B) - \frac{|R| - |A \cup B|}{|R|}.$$
#
# Write it for each of the $n$ boxes `a` with each of the $m$ boxes `b`: an array of shape $(n, m)$.
#
# <details><summary>Hint</summary>
#
# Draw two boxes that lie apart, and $R$. Which of the two left sides is the left side of $R$?
#
# </details>
# <details><summary>A further hint</summary>
#
# `a[:, None]` has the shape $(n, 1, 4)$, and `np.minimum(a[:, None], b)` the shape $(n, m, 4)$. The union
# needs the intersection, as in `iou` above.
#
# </details>


# %% exercise="giou"
def giou(a, b):
    """Return the generalised IoU (n, m) of the boxes a (n, 4) with the boxes b (m, 4)."""
    ### BEGIN SOLUTION
    a, b = a[:, None], b[None]
    low, high = np.maximum(a, b)[..., :2], np.minimum(a, b)[..., 2:]
    first, last = np.minimum(a, b)[..., :2], np.maximum(a, b)[..., 2:]
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = sum(np.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (a, b)) - shared
    around = np.prod(last - first, axis=-1)
    return shared / union - (around - union) / around
    ### END SOLUTION


# %% check="giou" points=2
giou = check.giou(giou)

# %% [markdown]
# A box of $16 \times 16$ pixels passes another one of the same size, from left to right. **Before you run the
# next cell, what do you expect** of the GIoU far away: to which number does it go?

# %%
shift = np.linspace(-60, 60, 241)
fixed = np.array([[0.0, 0, 16, 16]])
passing = fixed + shift[:, None] * [1, 0, 1, 0]
plt.plot(shift, iou(fixed, passing)[0], label="IoU")
plt.plot(shift, giou(fixed, passing)[0], "--", label="GIoU")
plt.gca().set(xlabel="shift (pixels)", ylabel="overlap")
plt.legend()
plots.show(
    "Two curves against the shift. Between -16 and 16 they are one peak with the height 1; outside of it the "
    "IoU is 0 and the GIoU falls below 0, slower and slower."
)

# %% [markdown]
# Slowly to $-1$: far away nearly all of $R$ is empty. What is this good for? A network can be trained with $1
# - $ GIoU as the loss of its boxes. Here a box descends, without a network; the slopes are differences.
# **What do you expect** of the same with the IoU?


# %%
def descend(overlap, box, aim, rate=20, steps=400):
    """Return the box at each step of a descent of 1 - overlap with the box aim."""
    way = [box]
    for _ in range(steps):
        nearby = way[-1] + 0.01 * np.concatenate([np.eye(4), -np.eye(4)])
        values = overlap(nearby, aim[None])[:, 0]
        way.append(way[-1] + rate * (values[:4] - values[4:]) / 0.02)
    return np.array(way)


start, aim = np.array([4.0, 34.0, 18.0, 44.0]), np.array([30.0, 8.0, 54.0, 30.0])
ways = {name: descend(overlap, start, aim) for name, overlap in (("IoU", iou), ("GIoU", giou))}
for name, way in ways.items():
    print(f"descent of 1 - {name}: last box {way[-1].round(1)}, IoU {iou(way[-1:], aim[None])[0, 0]:.2f}")


# %%
def outline(ax, box, text, color, line="-"):
    left, top, right, bottom = box
    style = {"fill": False, "edgecolor": color, "linestyle": line, "linewidth": 1.8}
    ax.add_patch(plt.Rectangle((left, top), right - left, bottom - top, **style))
    ax.text(left, top - 0.7, text, color=color, weight="bold", va="bottom")


_, ax = plt.subplots(figsize=(5, 3.8))
outline(ax, aim, "", "black", "--")
for k, step in enumerate((0, 50, 100, 400)):
    outline(ax, ways["GIoU"][step], f"step {step}", plots.COLORS[k])
ax.set(xlim=(0, 60), ylim=(48, 4), xlabel="x (pixels)", ylabel="y (pixels)", aspect="equal")
plots.show(
    "A small box at the lower left, at four steps of its descent: it grows to the right and upwards until it "
    "covers the dashed box, then shrinks to it."
)

# %% [markdown]
# With the IoU nothing moves: the slope is 0 where the boxes do not meet. With the GIoU the box grows until it
# meets the other (dashed), and then fits it. (The lecture's detector
# learns centres and logarithms of sides, whose differences have a slope everywhere, but are no overlap.)
#
# ## 2. Two forms in a cell
#
# The lecture's grid has one prior of $16 \times 16$ pixels in a cell. Give each cell several **anchors**,
# pairs (width, height) in pixels. A digit belongs to the cell that holds its centre, and in it to the anchor
# whose *form* fits best: the one with the largest IoU of digit and anchor, *both laid with their centres on
# one point*. (No two digits of a scene want the same anchor of the same cell.) At this place `[row, column,
# anchor]` the target is
#
# $$\left(1,\;\; x - \lfloor x \rfloor,\;\; y - \lfloor y \rfloor,\;\; \log \frac{w}{w_k},\;\;
# \log \frac{h}{h_k},\;\; c\right)$$
#
# where $(x, y)$ is the centre in units of cells, $w, h$ are the sides in pixels, $w_k, h_k$ those of the
# anchor, and $c$ is the digit. All else is 0.
#
# Do it for *one* scene: `boxes` $(j, 4)$ and `labels` $(j,)$; a label of $-1$ says that there is no digit in
# this row. `anchors` has the shape $(A, 2)$, `shape` is (rows, columns) of the grid, and a cell is a square
# of `cell` pixels. Return an array of shape (rows, columns, A, 6).
#
# <details><summary>Hint</summary>
#
# Go through the digits in a loop. Two boxes with the same centre: how wide and how high is what they share?
#
# </details>
# <details><summary>A further hint</summary>
#
# `np.minimum(side, anchors)` has the sides of all $A$ intersections. `argmax` finds the best anchor. Does $x$
# count rows or columns?
#
# </details>


# %% exercise="encode"
def encode(boxes, labels, anchors, shape, cell):
    """Return the target (rows, columns, A, 6) of a scene: 1, offset x, y, log width, height, digit."""
    ### BEGIN SOLUTION
    target = np.zeros((*shape, len(anchors), 6))
    for box, label in zip(boxes, labels, strict=True):
        if label >= 0:
            centre, side = (box[:2] + box[2:]) / 2 / cell, box[2:] - box[:2]
            column, row = centre.astype(int)
            shared = np.minimum(side, anchors).prod(axis=1)
            k = np.argmax(shared / (side.prod() + anchors.prod(axis=1) - shared))
            target[row, column, k] = [1, *(centre % 1), *np.log(side / anchors[k]), label]
    return target
    ### END SOLUTION


# %% check="encode" points=3
encode = check.encode(encode)

# %% [markdown]
# Which anchors? A **1** is narrow, most other digits are not. We take the mean sides of the narrow boxes and
# of the others. **Before you run the next cells, what do you expect:** which digits go to the narrow anchor?

# %%
few = data.scenes(budget.pick(smoke=200, cpu=1000), clutter=True, seed=30)
sides = (few.boxes[..., 2:] - few.boxes[..., :2])[few.labels >= 0]
narrow = sides[:, 0] < 0.5 * sides[:, 1]
anchors = np.array([sides[narrow].mean(axis=0), sides[~narrow].mean(axis=0)])
print("anchors (width, height):", *anchors.round(1))
targets = np.array(
    [encode(boxes, labels, anchors, (8, 8), 8) for boxes, labels in zip(*few[1:3], strict=True)]
)
full = targets[..., 0] == 1
print(f"target {targets.shape}, {full.sum()} full places for {len(sides)} digits")

# %%
anchor = np.nonzero(full)[3]
digits = targets[full][:, 5].astype(int)
print("share of the narrow anchor, digits 0 to 9:")
print(*[f"{np.mean(anchor[digits == c] == 0):.2f}" for c in range(10)])
priors = {"one of 16 × 16": [[16, 16]], "one of mean sides": [sides.mean(axis=0)], "two anchors": anchors}
print("root mean square of           log w/w_k  log h/h_k")
for name, forms in priors.items():
    pairs = zip(*few[1:3], strict=True)
    target = np.array([encode(boxes, labels, np.array(forms), (8, 8), 8) for boxes, labels in pairs])
    size = np.sqrt(np.mean(target[target[..., 0] == 1][:, 3:5] ** 2, axis=0))
    print(f"{name:30} {size[0]:8.2f} {size[1]:10.2f}")

# %% [markdown]
# **Look at** the widths in the last line: with two forms the network has less left to say. A second form is
# no help for the heights, which hardly differ. And a cell has now two answers: two digits with one centre can
# both be told, if their forms differ.
#
# ## 3. From the output back to boxes
#
# Now the inverse, for a *batch* of outputs of a network, `raw` of shape $(n, rows, columns, A, 5 + K)$. At
# each place these are the logit $\hat o$ of the confidence; the *logits* of the offsets in x and in y; $\log
# (w/w_k)$ and $\log (h/h_k)$; and the logits $\hat a_1 \dots \hat a_K$ of the classes. Return a pair:
#
# - the boxes, $(n, N, 4)$, in pixels, with $N = rows \cdot columns \cdot A$, in the order of `raw`: row by
#   row, in a row column by column, in a cell anchor by anchor;
# - the scores of *all* classes, $(n, N, K)$: $\sigma(\hat o) \cdot \text{softmax}(\hat a)_c$.
#
# The lecture kept only the best class of a box. When a 4 looks much like a 9, it is good to know.
#
# <details><summary>Hint</summary>
#
# Do it for one place with paper and pencil first: the cell in row 2 and column 5, 8 pixels, offset logits 0
# and 0. Where is the centre?
#
# </details>
# <details><summary>A further hint</summary>
#
# You need the column and the row of each cell in a shape that goes with $(n, rows, columns, A, 2)$:
# `np.meshgrid(np.arange(columns), np.arange(rows))` gives two arrays (rows, columns). The last step is
# `reshape(n, -1, 4)`.
#
# </details>


# %% exercise="decode"
def decode(raw, anchors, cell):
    """Return boxes (n, N, 4) and scores (n, N, K) of the outputs raw (n, rows, columns, A, 5 + K)."""
    ### BEGIN SOLUTION
    n, rows, columns = raw.shape[:3]
    corner = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)[:, :, None]
    centre = cell * (corner + 1 / (1 + np.exp(-raw[..., 1:3])))
    half = anchors * np.exp(raw[..., 3:5]) / 2
    boxes = np.concatenate([centre - half, centre + half], axis=-1)
    e = np.exp(raw[..., 5:] - raw[..., 5:].max(axis=-1, keepdims=True))
    scores = e / e.sum(axis=-1, keepdims=True) / (1 + np.exp(-raw[..., :1]))
    return boxes.reshape(n, -1, 4), scores.reshape(n, -1, e.shape[-1])
    ### END SOLUTION


# %% check="decode" points=3
decode = check.decode(decode)

# %% [markdown]
# There and back: logits that stand for the targets of exercise 2 must give the boxes of the scenes. And the
# detector that the course has trained is a case of yours, with one anchor:

# %%
offset = np.clip(targets[..., 1:3], 1e-6, 1 - 1e-6)
certain = 30 * np.eye(10)[targets[..., 5].astype(int)]
raw = np.concatenate(
    [60 * full[..., None] - 30, np.log(offset / (1 - offset)), targets[..., 3:5], certain], axis=-1
)
boxes, scores = decode(raw, anchors, 8)
back = [np.sort(boxes[i][scores[i].max(axis=1) > 0.5], axis=0) for i in range(len(few.images))]
there = [np.sort(box[label >= 0], axis=0) for box, label in zip(*few[1:3], strict=True)]
assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(back, there, strict=True)), (
    "there and back is not the same"
)

# %%
PRIOR = np.array([[16.0, 16.0]])
test = data.scenes(budget.pick(smoke=60, cpu=500), clutter=True, seed=31, test=True)
detector = networks.detector()
raw = detector.predict(test.images, batch_size=100, verbose=0)
boxes, scores = decode(raw[:, :, :, None], PRIOR, 8)
print("output", raw.shape, "-> boxes", boxes.shape, "scores", scores.shape)


# %%
def draw_boxes(ax, image, boxes, labels):
    ax.imshow(np.round(4 * image) / 4, vmin=0, vmax=1, interpolation="nearest")  # few greys, a small file
    for k, label in enumerate(labels):
        outline(ax, boxes[k] - 0.5, label, plots.COLORS[1 + k % 5])  # pixel 0 is drawn from -0.5 to 0.5
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


_, axes = plt.subplots(1, 5, figsize=(9, 2.1))
for ax, image, box, score in zip(axes, test.images, boxes, scores, strict=False):
    kept = score.max(axis=1) > 0.3
    draw_boxes(ax, image, box[kept], score[kept].argmax(axis=1))
plots.show("Five cluttered scenes and the boxes with a score above 0.3, each with its best digit: they fit.")

# %% [markdown]
# ## 4. Softer suppression
#
# Non-maximum suppression drops a box that overlaps a better one by more than a limit. If there are really two
# things, one behind the other, one of them is lost. **Soft-NMS** (Bodla et al., 2017) drops nothing: it
# lowers scores. Repeat, until every box has been chosen:
#
# 1. Choose, of those not yet chosen, the box $b$ with the highest score *as it is now*. Its score stays.
# 2. For every box $i$ that is not yet chosen and has the same label,
#
# $$s_i \leftarrow s_i \, \exp\left(-\frac{\text{IoU}(b, i)^2}{\sigma}\right).$$
#
# Return the scores at the end, an array $(n,)$ in the order of the boxes that were given. Scores are positive
# and no two are equal.
#
# <details><summary>Hint</summary>
#
# `while` some box waits. Keep a Boolean array of those that wait. Do not change the array `scores` itself:
# take a copy, of floats.
#
# </details>
# <details><summary>A further hint</summary>
#
# Can you sort the boxes once at the beginning? Think of three boxes in a row: the best one lowers the second
# one until it is below the third.
#
# </details>


# %% exercise="soft-nms"
def soft_nms(boxes, scores, labels, sigma):
    """Return the scores (n,), in the order of the boxes, after soft suppression within each label."""
    ### BEGIN SOLUTION
    overlap = iou(boxes, boxes)
    scores, waiting = np.array(scores, dtype=float), np.ones(len(scores), dtype=bool)
    while waiting.any():
        best = np.argmax(np.where(waiting, scores, -np.inf))
        waiting[best] = False
        rival = waiting & (labels == labels[best])
        scores[rival] *= np.exp(-(overlap[best, rival] ** 2) / sigma)
    return scores
    ### END SOLUTION


# %% check="soft-nms" points=3
soft_nms = check.soft_nms(soft_nms)

# %% [markdown]
# Three detections of a 3 in a row, and one of an 8. With a small $\sigma$ all that overlaps is lost, as with
# NMS and the limit 0; with a large one nothing happens. (Exercise 6 chooses a $\sigma$.)

# %%
row = np.array([[4.0, 10, 24, 36], [10, 10, 30, 36], [19, 10, 39, 36], [20, 11, 40, 37]])
for sigma in (0.01, 0.1, 0.5, 100):
    print(
        f"σ = {sigma:6}",
        soft_nms(row, np.array([0.9, 0.8, 0.7, 0.6]), np.array([3, 3, 3, 8]), sigma).round(3),
    )

# %% [markdown]
# ## 5. Average precision at given levels
#
# The lecture takes the whole area under precision and recall. Most published numbers are computed in another
# way: at a list of *levels* of recall $r_1, r_2, \dots, r_L$, take the best precision that is reached at this
# recall or a higher one, and then the mean:
#
# $$\text{AP} = \frac1L \sum_{l=1}^{L} \; \max_{k:\; \text{recall}_k \ge r_l} \text{precision}_k,$$
#
# where $k$ counts the detections from the highest score down, and the maximum is 0 if no $k$ reaches the
# level. Pascal VOC had the 11 levels 0, 0.1 … 1 until 2009 (Everingham et al., 2010); COCO's (Lin et al.,
# 2014) evaluation code has 101. `scores` $(n,)$ come in any order, without equal ones; `hits` $(n,)$ says of
# each whether it is a hit; `n_truth` is the number of things that there are; `levels` $(L,)$. Return one
# number. $n$ may be 0.
#
# <details><summary>Hint</summary>
#
# Precision and recall are fractions with the same numerator: how many hits are there among the first $k$?
#
# </details>
# <details><summary>A further hint</summary>
#
# `np.max(values, initial=0)` gives 0 where there are no values.
#
# </details>


# %% exercise="average-precision"
def average_precision(scores, hits, n_truth, levels):
    """Return the mean, over the levels of recall, of the best precision at this recall or a higher one."""
    ### BEGIN SOLUTION
    found = np.cumsum(hits[np.argsort(-scores)])
    precision, recall = found / np.arange(1, len(found) + 1), found / n_truth
    return np.mean([np.max(precision[recall >= level], initial=0) for level in levels])
    ### END SOLUTION


# %% check="average-precision" points=3
average_precision = check.average_precision(average_precision)

# %% [markdown]
# A random order of 1,000 detections, of which every fifth is a hit, and all things are found. **Before you
# run the next cell, what do you expect** of AP? And for a better order, at 11, 101 and 10,001 levels?

# %%
rng = np.random.default_rng(1)
hit = np.arange(1000) % 5 == 0
orders = {"random": rng.random(1000), "better": rng.random(1000) + 0.7 * hit}
for name, score in orders.items():
    values = [average_precision(score, hit, 200, np.linspace(0, 1, count)) for count in (11, 101, 10_001)]
    print(f"{name:7}", np.round(values, 3))

# %% [markdown]
# A random order has about the share of hits. With few levels the result is coarse and a little too good: the
# level 0 is a gift, the best precision anywhere, and it is one of eleven.
#
# ## 6. Find the fault: an evaluation that is too kind
#
# The lecture counted a second box on a digit and a box with the wrong digit as one kind of error. For mending
# a detector they are different things. Here are five kinds:

# %%
KINDS = ["hit", "second detection", "wrong digit", "badly placed", "nothing there"]

# %% [markdown]
# The true digits of a scene are *taken* one by one, and the most confident detection has the first choice,
# wherever it stands in the list. The first of these rules that holds gives the kind:
#
# - **0**: the IoU with a digit of its label that nobody has taken is at least 0.5. It takes this digit.
# - **1**: the IoU with a digit of its label is at least 0.5 (so somebody has taken it).
# - **2**: the IoU with a digit of another class is at least 0.5.
# - **3**: the IoU with a digit of its label is at least 0.1.
# - **4**: none of these.
#
# (If a detection could take several digits, it takes the one with the largest IoU.) A friend wrote this:


# %%
def faulty_verdicts(boxes, scores, labels, truth, digits):
    kinds = np.zeros(len(boxes), int)
    taken = np.zeros(len(truth), bool)
    for i in range(len(boxes)):
        overlap = iou(boxes[i : i + 1], truth)[0]
        own = np.where(digits == labels[i], overlap, 0)  # 0 for digits of other classes
        nearest = own.argmax()
        if own[nearest] >= 0.5:
            kinds[i] = 0
            taken[nearest] = True
        elif own[nearest] >= 0.5 and taken[nearest]:
            kinds[i] = 1
        elif overlap.max() >= 0.5:
            kinds[i] = 2
        elif own[nearest] >= 0.1:
            kinds[i] = 3
        else:
            kinds[i] = 4
    return kinds


# %% [markdown]
# It looks right, and gives good numbers. Here are three tests that do not look at the code. Every digit can
# be hit once, so there are never more hits than digits. If each detection comes a second time, with a lower
# score, the copies can only be second detections or errors. And the same detections in another order in the
# list must have the same AP.


# %%
def detections(boxes, scores, sigma=None, least=0.02):
    """Return (boxes, scores, labels) for each scene: one detection for each class above the least score."""
    found = []
    for box, score in zip(boxes, scores, strict=True):
        which, label = np.nonzero(score > least)
        s = score[which, label]
        found.append((box[which], s if sigma is None else soft_nms(box[which], s, label, sigma), label))
    return found


def judged(verdicts, found, scenes):
    """Return scores, labels and kinds of all detections, one array each."""
    rows = []
    for (box, score, label), true, digits in zip(found, scenes.boxes, scenes.labels, strict=True):
        there = digits >= 0
        rows.append((score, label, verdicts(box, score, label, true[there], digits[there])))
    return [np.concatenate(part) for part in zip(*rows, strict=True)]


# %%
def mean_average_precision(verdicts, found, scenes):
    score, label, kind = judged(verdicts, found, scenes)
    return np.mean(
        [
            average_precision(
                score[label == c], kind[label == c] == 0, np.sum(scenes.labels == c), np.linspace(0, 1, 101)
            )
            for c in range(10)
        ]
    )


# %%
def test_it(verdicts):
    found = detections(boxes, scores)
    copies = [(box, 0.9 * score, label) for box, score, label in found]
    twice = [
        tuple(map(np.concatenate, zip(*scene, strict=True))) for scene in zip(found, copies, strict=True)
    ]
    backwards = [tuple(part[::-1] for part in scene) for scene in twice]
    print(f"digits {np.sum(test.labels >= 0)}, detections {sum(len(s) for _, s, _ in found)}")
    for name, some in (("as they are", found), ("each twice", twice), ("each twice, backwards", backwards)):
        count = np.bincount(judged(verdicts, some, test)[2], minlength=5)
        print(
            f"{name:22} mAP {mean_average_precision(verdicts, some, test):.3f}",
            dict(zip(KINDS, count.tolist(), strict=True)),
        )


test_it(faulty_verdicts)

# %% [markdown]
# Each detection twice, and no worse than before, with more hits than digits: the recall is above 1. No test
# has noticed the second fault yet, since the first one hides it. Write `verdicts` as it should be.
#
# <details><summary>Hint</summary>
#
# Is there a line that can never be reached? Mend this first, and look at the third test.
#
# </details>
# <details><summary>A further hint</summary>
#
# Who comes first in the loop, and who has the first choice by the rules? The kinds are returned in the order
# of the boxes all the same.
#
# </details>


# %% exercise="verdicts"
def verdicts(boxes, scores, labels, truth, digits):
    """Return the kinds (0 to 4) of a scene's detections, an array in boxes' order; truth is not empty."""
    ### BEGIN SOLUTION
    kinds = np.zeros(len(boxes), int)
    taken = np.zeros(len(truth), bool)
    for i in np.argsort(-scores):
        overlap = iou(boxes[i : i + 1], truth)[0]
        own = np.where(digits == labels[i], overlap, 0)
        free = np.where(taken, 0, own)
        if free.max() >= 0.5:
            taken[free.argmax()] = True
        elif own.max() >= 0.5:
            kinds[i] = 1
        elif overlap.max() >= 0.5:
            kinds[i] = 2
        elif own.max() >= 0.1:
            kinds[i] = 3
        else:
            kinds[i] = 4
    return kinds
    ### END SOLUTION


# %% check="verdicts" points=4
verdicts = check.verdicts(verdicts)

# %%
test_it(verdicts)

# %% [markdown]
# Now your functions can judge. Which $\sigma$? It is chosen on scenes of training digits, not on the test.
# **Before you run the next cell, what do you expect:** this network has one box a cell; is there much to
# suppress?

# %%
choice = data.scenes(budget.pick(smoke=60, cpu=500), clutter=True, seed=32)
on_choice = decode(detector.predict(choice.images, batch_size=100, verbose=0)[:, :, :, None], PRIOR, 8)
sigmas = (0.001, 0.05, 0.2, 0.5, 1.0, None)
values = [mean_average_precision(verdicts, detections(*on_choice, sigma), choice) for sigma in sigmas]
for sigma, value in zip(sigmas, values, strict=True):
    print(f"σ = {sigma}: mAP@0.5 {value:.4f}")
best = sigmas[int(np.argmax(values))]
assert np.ptp(values) < 0.03

# %%
found = detections(boxes, scores, best)
runtime.result("lab_detector_map50_clutter", mean_average_precision(verdicts, found, test), at_least=0.86)
score, label, kind = judged(verdicts, found, test)
for name, count in zip(KINDS, np.bincount(kind[score > 0.5], minlength=5), strict=True):
    print(f"{count:5} {name}")
assert np.sum(kind[score > 0.5] == 2) > np.sum(kind[score > 0.5] > 2)

# %% [markdown]
# The values of the $\sigma$ are close together: with one box a cell only the answers of neighbouring cells
# have to be suppressed. **Look at** the kinds of the detections with a score above 0.5. What does this
# detector lack, the place or the digit? By far the most errors are a wrong digit at the right place.
#
# ## 7. Derive it: the slope of Dice
#
# The lecture trains with a soft Dice and leaves the slope to Keras. Derive it. For $n$ images let $t_{ic}$ be
# 1 if pixel $i$ has the class $c$, else 0, and $p_{ic}$ its probability; class 0 is the background. $i$ runs
# over all pixels of *all* images of the batch. With
#
# $$D_c = \frac{2 \sum_i t_{ic}\, p_{ic}}{\sum_i t_{ic} + \sum_i p_{ic}}, \qquad
# R = 1 - \frac{1}{|C|} \sum_{c \in C} D_c,$$
#
# where $C$ are the classes that occur in $t$, without the background, and $|C|$ is their number: a digit that
# is in none of the images has nothing to say (the lecture added a 1 above and below in place of this).
#
# Derive $\partial R / \partial p_{ic}$ with paper and pencil. Then return the pair of $R$, one number, and
# the slope, an array of the shape of `p`. `t` and `p` have the shape $(n, h, w, K + 1)$; at least one digit
# occurs. Use NumPy. The entries of $p$ are independent variables here: that they add up to 1 is the softmax's
# business.
#
# <details><summary>Hint</summary>
#
# Name the two sums: $D_c = 2 I_c / S_c$. What is $\partial I_c / \partial p_{ic}$, what is $\partial S_c /
# \partial p_{ic}$? Then the rule for quotients.
#
# </details>
# <details><summary>A further hint</summary>
#
# Sums over `axis=(0, 1, 2)` have the shape $(K + 1,)$ and broadcast against `p`. For a class that is not in
# $C$ the slope is 0: a Boolean array of the classes in $C$ helps with the sums and with the slope.
#
# </details>


# %% exercise="dice"
def dice(t, p):
    """Return (R, dR/dp) for one-hot t and probabilities p, both (n, h, w, 1 + K), class 0 the background."""
    ### BEGIN SOLUTION
    counts = t.sum(axis=(0, 1, 2))
    used = (counts > 0) & (np.arange(len(counts)) > 0)
    shared, size = (t * p).sum(axis=(0, 1, 2)), np.where(used, counts + p.sum(axis=(0, 1, 2)), 1)
    loss = 1 - np.mean((2 * shared / size)[used])
    return loss, -2 * used / used.sum() * (t / size - shared / size**2)
    ### END SOLUTION


# %% check="dice" points=4
dice = check.dice(dice)

# %% [markdown]
# What does the slope say? A scene, and a network that has learned that ink is ink, but finds fragments as
# likely as digits. **Before you run the next cell:** how many different slopes do the pixels have?

# %%
masks = (test.masks > 0).astype(int)
t = np.eye(2)[masks[:1]]
ink = 0.05 + 0.5 * test.images[:1, :, :, 0]
loss, slope = dice(t, np.stack([1 - ink, ink], axis=-1))
values, counts = np.unique(slope[..., 1].round(12), return_counts=True)
print(
    f"loss {loss:.3f}; slopes of the ink's probability:",
    dict(zip(values.round(5).tolist(), counts.tolist(), strict=True)),
)

# %% [markdown]
# Two: one for all pixels of the digits, and one, of the other sign, for all the rest. The slope does not ask
# how sure a pixel is: it comes from the sums alone. That of the cross-entropy, $-t_{ic}/p_{ic}$ divided by
# the number of pixels, is another for each pixel, and 0 wherever $t_{ic}$ is.
#
# ## 8. A U-Net of any depth
#
# Build a U-Net for images $(h, w, 1)$ *of any size* (`keras.Input((None, None, 1))`; $h$ and $w$ must only
# be multiples of $2^{L-1}$). `widths` is a list of $L \ge 1$ numbers of filters, from the finest level to
# the coarsest, and `channels` the number of classes:
#
# 1. Down: at each level but the last a convolution with the level's width, then max pooling $2 \times 2$. The
#    maps *before* the pooling are kept for the skip.
# 2. At the last level one convolution.
# 3. Up, from the last level but one to the first: `UpSampling2D(2)`; concatenate, the skip first and then
#    what comes from below; a convolution with the level's width.
# 4. A convolution of $1 \times 1$ with `channels` filters and no activation: logits.
#
# All convolutions of 1 to 3 have kernels of $3 \times 3$, SAME, biases, and ReLU. Return a `keras.Model`, not
# compiled.
#
# <details><summary>Hint</summary>
#
# Two loops. The first one appends each skip to a list. Which one is needed first on the way up?
#
# </details>
# <details><summary>A further hint</summary>
#
# `widths[:-1]` are the widths on the way down, `reversed(...)` of it those on the way up, and `skips.pop()`
# gives the last skip that was appended.
#
# </details>


# %% exercise="unet"
def unet(widths, channels):
    """Return the U-Net described above as a Keras model from (h, w, 1) to logits (h, w, channels)."""

    ### BEGIN SOLUTION
    def convolution(width):
        return layers.Conv2D(width, 3, padding="same", activation="relu")

    h = image = keras.Input((None, None, 1))
    skips = []
    for width in widths[:-1]:
        skips.append(convolution(width)(h))
        h = layers.MaxPooling2D(2)(skips[-1])
    h = convolution(widths[-1])(h)
    for width in reversed(widths[:-1]):
        h = layers.Concatenate()([skips.pop(), layers.UpSampling2D(2)(h)])
        h = convolution(width)(h)
    return keras.Model(image, layers.Conv2D(channels, 1)(h))
    ### END SOLUTION


# %% check="unet" points=4
unet = check.unet(unet)

# %% [markdown]
# Test its behaviour. **Before you run the next cell, what do you expect:** by which shifts can an image be
# moved, so that the answer moves with it? (Far from the border; the network has four levels.)

# %%
keras.utils.set_random_seed(1)
model = unet([8, 16, 32, 64], 2)
for side in (64, 96):
    print(f"{side} × {side}:", model(np.zeros((1, side, side, 1))).shape)
rng = np.random.default_rng(1)
image = np.zeros((1, 96, 96, 1), "float32")
image[:, 40:56, 40:56] = rng.random((1, 16, 16, 1))
answer = ops.convert_to_numpy(model(image))
for pixels in (1, 2, 4, 8):
    moved = ops.convert_to_numpy(model(np.roll(image, pixels, axis=2)))
    difference = np.abs(moved - np.roll(answer, pixels, axis=2)).max()
    print(f"shift by {pixels}: largest difference {difference:.0e}")
assert difference < 1e-5

# %% [markdown]
# By multiples of 8, the product of its three poolings. Now train it to tell ink of digits from all else, the
# fragments of the clutter too. A threshold cannot: a pixel of a fragment is as bright. The loss is your
# `dice` and nothing else, and its slope is yours too: `output_gradients` hands it to the tape, which takes
# it back through softmax and network, as lesson 03's $\delta$.

# %%
scenes = data.scenes(budget.pick(smoke=64, cpu=3000), clutter=True, seed=33)
one_hot = np.eye(2, dtype="float32")[(scenes.masks > 0).astype(int)]
optimizer = keras.optimizers.Adam(learning_rate=3e-3)
losses = []
for x, t in training.minibatches((scenes.images, one_hot), 16, seed=1).take(budget.pick(smoke=3, cpu=600)):
    with tf.GradientTape() as tape:
        p = ops.softmax(model(x, training=True))
    loss, slope = dice(t.numpy(), p.numpy())
    slope = tf.constant(slope, "float32")
    gradients = tape.gradient(p, model.trainable_weights, output_gradients=slope)
    optimizer.apply(gradients, model.trainable_weights)
    losses.append(loss)
print(
    f"loss of the first ten batches {np.mean(losses[:10]):.2f}, of the last ten {np.mean(losses[-10:]):.2f}"
)


# %%
def hard_dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


answered = model.predict(test.images, batch_size=50, verbose=0).argmax(axis=-1) == 1
print(f"threshold 0.3: Dice {hard_dice(test.images[..., 0] > 0.3, masks == 1):.3f}")
runtime.result("lab_unet_foreground_dice", hard_dice(answered, masks == 1), at_least=0.85)

# %% [markdown]
# ### Boxes and pixels
#
# The detector says which digit and where, the U-Net says which pixels are of a digit: pixels inside a box get
# its class. Here are scenes of test digits, *twice as large* in each direction as all that the two networks
# have been trained with. Both consist of convolutions, so any size will do; for the detector that takes one
# line. **Before you run the next cell, what do you expect?**

# %%
large = np.concatenate(
    [
        np.concatenate([test.images[:8:2], test.images[1:8:2]], axis=2),
        np.concatenate([test.images[8:16:2], test.images[9:16:2]], axis=2),
    ],
    axis=1,
)
any_size = keras.Sequential([keras.Input((128, 128, 1)), *detector.layers])
raw = ops.convert_to_numpy(any_size(large))
found = detections(*decode(raw[:, :, :, None], PRIOR, 8), 0.2)
pixels = ops.convert_to_numpy(model(large)).argmax(axis=-1) == 1
print("images", large.shape, "output", raw.shape)

# %%
from matplotlib.colors import to_rgb

_, axes = plt.subplots(2, 4, figsize=(10, 5.2))
for (above, below), image, mask, (box, score, label) in zip(axes.T, large, pixels, found, strict=True):
    best_last = np.argsort(score)[np.sum(score <= 0.4) :]
    box, label = box[best_last], label[best_last]
    draw_boxes(above, image, box, label)
    painted = 0.3 * np.repeat(np.round(2 * image), 3, axis=2) / 2
    for k, (left, top, right, bottom) in enumerate(np.clip(box.round().astype(int), 0, 128)):
        inside = np.zeros_like(mask)
        inside[top:bottom, left:right] = True
        painted[mask & inside] = to_rgb(plots.COLORS[1 + k % 5])
    draw_boxes(below, painted, box, label)
plots.show(
    "Four scenes of 128 by 128 pixels with up to a dozen digits among fragments. Above, boxes with their "
    "digits; below, the pixels that the U-Net found in each box, in the colour of the box."
)

# %% [markdown]
# **Look at** the digits whose boxes touch, and at the fragments: which of them are painted? This is instance
# segmentation in a simple form (the lecture names Mask R-CNN): *which thing* comes from the box, *which
# pixels* from the mask. Nothing in either network has been told how large an image is.
#
# ## Open questions

# %% [markdown] question="cheques" points=3
# **Question.** A bank wants to read the amounts on scanned cheques: clean white paper, digits side by side,
# which sometimes touch. You have the lecture's two methods (connected components with LeNet; the detector
# trained in clutter). Which would you try first, and why? Describe the test that decides: which pictures,
# which measure, which threshold of the scores, and what must not be counted as success. What changes if a
# wrong amount costs a thousand times as much as a cheque that a person has to read?
#
# <!-- BEGIN SOLUTION -->
# The components first: on clean paper they find digits without any training, they are exact about the place,
# and LeNet reads 99 %. They fail where digits touch (two become one component) or break into pieces. The
# detector has been trained on other pictures (clutter, one to three digits, no text beside them), so its
# figures do not carry over; trained on such cheques it may well win. The test: a few hundred real cheques of
# many writers, none of which was used for training or for choosing; the share of *amounts* that are read
# wholly right, since one wrong digit makes the amount wrong: at 99 % a digit, six digits are right in 94 %.
# mAP is a good measure for development, but no success here: it is a mean over all thresholds, and over
# digits, not over amounts. With costs that differ, let the program refuse: give to a person whatever has a
# digit with a low score, or two classes with similar scores (the scores of all classes in exercise 3), or a
# count of digits that does not fit. Draw the share of refused cheques against the share of wrong ones among
# the rest, choose the threshold on a validation set so that the expected cost is lowest, and measure it once
# on the test. A high score on something never seen, such as a crossed-out digit, is the danger that no
# threshold removes: control a sample by hand, for ever.
# <!-- END SOLUTION -->

# %% [markdown] question="three-numbers" points=2
# **Question.** Three reports. For each: what is wrong with the conclusion, and what would you ask for?
#
# 1. "mAP@0.5 rose from 0.90 to 0.91 when I took $\sigma = 0.37$; I tried 50 values on the test scenes."
# 2. "Our segmentation of tumours is right in 99.2 % of the pixels."
# 3. "Our detector finds 97 % of the pedestrians."
#
# <!-- BEGIN SOLUTION -->
# 1. The best of 50 values on the test is partly luck, and the test is used up: choose on a validation set.
#    One percentage point also needs a spread: another set of scenes, or a bootstrap over the scenes.
# 2. If tumours are 1 % of the pixels, "no tumour" everywhere is right in 99 %. Ask for the Dice or the IoU of
#    the tumours, for each patient, beside the answer "nothing" and beside what two doctors agree on.
# 3. That is the recall at some threshold and some IoU. A detector that draws boxes everywhere finds all. Ask
#    for the precision at the same threshold, or the whole curve, for the IoU that counts, and for the recall
#    of groups of people, at night, in rain: a mean hides who is not seen.
# <!-- END SOLUTION -->

# %% [markdown]
# ## Going further
#
# - **Train with anchors.** Turn the lecture's detector into one with your two anchors: the last layer gets $2
#   \cdot 15$ channels, `Reshape((8, 8, 2, 15))` follows, and the loss stays the same but sums over one axis
#   more. Is mAP@0.75 better?
# - **Train with GIoU.** Write `giou` for pairs of boxes with `keras.ops`, and replace the lecture's
#   differences of box numbers by $1 - $ GIoU. Compare mAP@0.5 and mAP@0.75, with three seeds each.
# - **Crowds.** `data.scenes(..., most=3)` keeps digits apart. Lay two scenes over each other with
#   `np.maximum`. What happens to NMS, what to soft-NMS?
# - **COCO's measure.** Give `verdicts` the limit as an argument, and take the mean of ten mAPs, for 0.5,
#   0.55, ..., 0.95.
# - **Without the skips.** Leave the concatenations out of `unet`, train it in the same way, and draw where
#   the two differ: is it at the borders?
# - **Tversky's index** (Salehi et al., 2017) weighs false alarms and misses differently: $I / (I + \alpha
#   \sum (1 - t) p + \beta \sum t (1 - p))$. For which $\alpha$ and $\beta$ is it Dice, for which the IoU?
#   Derive its slope, train with $\beta = 0.8$, and count the pixels missed.
#
# **References.**
#
# - H. Rezatofighi, N. Tsoi, J. Gwak, A. Sadeghian, I. Reid, S. Savarese (2019). *Generalized intersection
#   over union: a metric and a loss for bounding box regression.* CVPR.
#   [arXiv:1902.09630](https://arxiv.org/abs/1902.09630)
# - N. Bodla, B. Singh, R. Chellappa, L. S. Davis (2017). *Soft-NMS: improving object detection with one line
#   of code.* ICCV. [arXiv:1704.04503](https://arxiv.org/abs/1704.04503)
# - M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman (2010). *The Pascal visual object
#   classes (VOC) challenge.* International Journal of Computer Vision 88, 303–338.
#   [doi:10.1007/s11263-009-0275-4](https://doi.org/10.1007/s11263-009-0275-4)
# - T.-Y. Lin et al. (2014). *Microsoft COCO: common objects in context.* ECCV.
#   [arXiv:1405.0312](https://arxiv.org/abs/1405.0312)
# - S. S. M. Salehi, D. Erdogmus, A. Gholipour (2017). *Tversky loss function for image segmentation using 3D
#   fully convolutional deep networks.* MLMI. [arXiv:1706.05721](https://arxiv.org/abs/1706.05721)
#
# Back to the lecture: [`../notebooks/08_vision_tasks.ipynb`](../notebooks/08_vision_tasks.ipynb).
