# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 1, cpu: 7}
#     networks: {detector: detector}
# ---

# %% [markdown]
# # Vision tasks: where is it, and which pixels are it?
#
# A classifier names the one thing in a picture. A photograph shows several things, and one wants to know
# *where* they are: **localisation** asks for the box around one thing, **detection** for the boxes of all of
# them, each with its class, **segmentation** for the class of every pixel. In this lesson you build a
# detector and a U-Net, train both in a few minutes, and judge them as they are judged in papers, beside a
# method that was not trained on such scenes.
#
# **You need** lessons [05](05_convolution.ipynb) (convolution, receptive field) and
# [06](06_cnn_architectures.ipynb) (LeNet, batch normalisation).
#
# **After this lesson you can**
#
# - convert boxes from one form to another, and compute their intersection over union;
# - write a network with two heads, and say why global pooling loses the place;
# - turn boxes into the target of a grid detector, write its loss, and turn its output back into boxes;
# - write non-maximum suppression and average precision, and read a curve of precision and recall;
# - say how R-CNN, Fast R-CNN, Faster R-CNN, YOLO, SSD and DETR differ;
# - build a U-Net, judge it by Dice and not by the share of right pixels, and measure what it loses without
#   its skips;
# - name what such networks are used for, and where they fail.
#
# **Time to study:** about four hours, with a pause after section 4. The letters are those of the
# [notation](01_neurons.ipynb#Notation).

# %%
from nnlabs import data, networks, plots, pretrained, runtime, training, widgets

budget = runtime.setup(seed=1)
# %%
import importlib.util
import json

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops
from scipy import ndimage

# %% [markdown]
# ## 1. Boxes
#
# Collections of photographs with boxes have many gigabytes. We make our own pictures: **scenes** of one to
# three MNIST digits, resized and placed at random. In *cluttered* scenes there are fragments of other digits
# too, which count as background. Scenes for testing are made of MNIST's test digits.

# %%
# NBVAL_CHECK_OUTPUT
scenes = data.scenes(4, clutter=True, seed=138)
for name, array in scenes._asdict().items():
    print(f"{name:7} {array.shape!s:15} {array.dtype}")
print("scene 0 has the digits", scenes.labels[0], "in the boxes", *scenes.boxes[0], sep="\n")

# %% [markdown]
# A label of $-1$, in other scenes, says: no second or no third digit here. A box is four numbers in pixels:
# left, top, right, bottom. Mind the order: $x$ comes first and counts *columns*; an array wants the row
# first, `image[y, x]`. A mask has for every pixel 0 for the background, fragments included, and 1 + the digit
# where a digit has ink.


# %%
def draw_box(ax, box, text="", color=plots.COLORS[5], line="-"):
    left, top, right, bottom = np.asarray(box) - 0.5  # pixel 0 is drawn from -0.5 to 0.5
    style = {"fill": False, "edgecolor": color, "linestyle": line, "linewidth": 1.8}
    ax.add_patch(plt.Rectangle((left, top), right - left, bottom - top, **style))
    y, side = (top - 1, "bottom") if top > 8 else (bottom + 1, "top")
    ground = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 0.5}
    ax.text(
        left, y, text, color=color, fontsize=9, weight="bold", va=side, bbox=ground if str(text) else None
    )


def draw_scene(ax, image, title=""):
    ax.imshow(np.round(10 * image) / 10, vmin=0, vmax=1, interpolation="nearest")  # few greys: a small file
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9)
    ax.grid(visible=False)


# %%
_, axes = plt.subplots(2, 4, figsize=(8.6, 4.4))
for (above, below), image, boxes, labels, mask in zip(axes.T, *scenes, strict=True):
    draw_scene(above, image)
    for box, digit in zip(boxes[labels >= 0], labels[labels >= 0], strict=True):
        draw_box(above, box, digit)
    below.imshow(mask, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
    below.set(xticks=[], yticks=[])
plots.show(
    "Four scenes of one to three handwritten digits among small fragments of strokes. Above, a box and its "
    "digit around each; below the masks: one colour for each digit, one for everything else."
)

# %% [markdown]
# ### Two forms
#
# Corners $(x_1, y_1, x_2, y_2)$ are handy for intersections. A network rather answers centre and size
# $(x, y, w, h)$, because a shift then changes two numbers and a scale the two others:
#
# $$x = \frac{x_1 + x_2}{2}, \qquad w = x_2 - x_1, \quad x_1 = x - \frac{w}{2}, \quad x_2 = x + \frac{w}{2},$$
#
# and the same with $y$ and $h$.


# %%
def to_centre(corners):
    """(..., 4) corners to centre and size."""
    low, high = corners[..., :2], corners[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def to_corners(centred):
    """(..., 4) centre and size to corners."""
    middle, size = centred[..., :2], centred[..., 2:]
    return np.concatenate([middle - size / 2, middle + size / 2], axis=-1)


assert np.array_equal(to_corners(to_centre(scenes.boxes)), scenes.boxes)

# %% [markdown]
# ### Intersection over union
#
# How good is a box $A$ if $B$ is the true one? A difference of corners in pixels is no measure: three pixels
# are much for a small thing and nothing for a large one. The measure is
#
# $$\text{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|} = \frac{|A \cap B|}{|A| + |B| - |A \cap B|},$$
#
# where $|A|$ is an area. The intersection of two boxes is a box: from the larger of the left sides to the
# smaller of the right ones. If this length is negative, in either direction, there is none.


# %%
def area(boxes):
    return np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def iou(a, b):
    """Return the IoU of each of n boxes with each of m: (n, 4), (m, 4) -> (n, m). Boxes are corners."""
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    return shared / (area(a)[:, None] + area(b) - shared)


# %% [markdown]
# **Before you run the next cell, what do you expect** for a square and itself; for a copy shifted by half its
# side; for a square of half the side inside it; for one far away, right and below?

# %%
# NBVAL_CHECK_OUTPUT
square = np.array([[0, 0, 8, 8]])
others = np.array([[0, 0, 8, 8], [4, 0, 12, 8], [2, 2, 6, 6], [20, 20, 28, 28]])
print(iou(square, others).round(3))

# %% [markdown]
# One, a third (half of one square in one and a half), a quarter (the ratio of the areas), and none. Without
# `np.clip` the last intersection would be positive, two negative lengths multiplied:
# $(-12) \cdot (-12) = 144$, and the "IoU" $144 / (128 - 144) = -9$.
#
# By convention a box counts as *found* if its IoU is at least 0.5. How strict is that?

# %%
shift = np.linspace(0, 12, 121)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
for side, line in zip((8, 16, 32), plots.LINES, strict=False):
    moved = np.array([0, 0, side, side]) + shift[:, None] * [1, 1, 1, 1]
    left.plot(shift, iou(np.array([[0, 0, side, side]]), moved)[0], line, label=f"{side}×{side} pixels")
scale = np.linspace(0.3, 2.5, 221)
scaled = to_corners(np.stack([0 * scale, 0 * scale, scale, scale], axis=1))
right.plot(scale, iou(np.array([[-0.5, -0.5, 0.5, 0.5]]), scaled)[0])
for ax, name in (
    (left, "shift to the right and down (pixels)"),
    (right, "side, as a multiple of the true side"),
):
    ax.axhline(0.5, color="black", linewidth=1, linestyle=":")
    ax.set(xlabel=name, ylabel="IoU", ylim=(0, 1.03))
left.legend()
plots.show(
    "IoU against a diagonal shift for squares of 8, 16 and 32 pixels: all fall from 1; the small one passes "
    "0.5 before 2 pixels, the large one near 6. On the right IoU against the side: 0.5 is passed at 0.7 and "
    "at 1.4."
)

# %% [markdown]
# **Look at** where the curves pass 0.5. For squares of side $w$ shifted by $d$ in both directions it is where
# $(w - d)^2 = \tfrac23 w^2$, at 18 % of the side: a pixel and a half for a thing of 8 pixels. A
# person who draws the true box is hardly more exact (a guess). Small things are hard by this measure alone.
# And a box with twice the right area passes, if only just.

# %%
d = 8 * (1 - np.sqrt(2 / 3))
assert np.isclose(iou(np.array([[0, 0, 8, 8]]), np.array([[d, d, 8 + d, 8 + d]])), 0.5)
print(f"{d:.2f} pixels, {d / 8:.3f} of the side")

# %% [markdown]
# ## 2. One digit: two heads
#
# First the easy case: exactly one digit, no clutter. The network answers two questions, so it gets two
# **heads**: ten logits for the digit, four numbers for the box. In Keras a model may return a dictionary; the
# losses are then a dictionary with the same names, and what is minimised is their sum:
#
# $$R = \underbrace{-\log \text{softmax}(a)_{y}}_{\text{digit}} +
# \underbrace{\tfrac14 \textstyle\sum_{j=1}^4 |\hat b_j - b_j|}_{\text{box}}$$
#
# A convolutional network ends in maps, here 64 of $4 \times 4$. The heads want a vector. Lesson 06 praised
# **global average pooling**, the mean of each map; the old way is to flatten, which keeps all $4 \times 4$
# places. **Before you run the next cells, what do you expect:** what does pooling cost here?

# %%
one = data.scenes(budget.pick(smoke=64, cpu=4000), clutter=False, seed=10, most=1)
one_test = data.scenes(budget.pick(smoke=100, cpu=500), clutter=False, seed=11, test=True, most=1)


def block(filters, size=3, strides=1, padding="same"):
    convolution = layers.Conv2D(filters, size, strides=strides, padding=padding, use_bias=False)
    return [convolution, layers.BatchNormalization(momentum=0.9), layers.ReLU()]


def apply(steps, h):
    for layer in steps:
        h = layer(h)
    return h


# %%
def ring(h):
    """Pad by one pixel: left of the first column comes the last, so that the picture has no border."""
    h = ops.concatenate([h[:, -1:], h, h[:, :1]], axis=1)
    return ops.concatenate([h[:, :, -1:], h, h[:, :, :1]], axis=2)


def two_heads(to_vector, border=True):
    image = keras.Input((64, 64, 1))
    h = image
    for filters in (16, 32, 64, 64):
        h = h if border else ring(h)
        h = apply(block(filters, strides=2, padding="same" if border else "valid"), h)
    h = layers.Dense(64, activation="relu")(to_vector(h))
    heads = {"digit": layers.Dense(10, name="digit")(h), "box": layers.Dense(4, name="box")(h)}
    return keras.Model(image, heads)


# %%
SEED = 1  # of all trainings until section 6


def train_two_heads(model, unit):
    """The box is learned as centre and size, in units of so many pixels."""
    steps = budget.pick(smoke=2, cpu=1200)
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    digit_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate),
        loss={"digit": digit_loss, "box": "mean_absolute_error"},
        jit_compile=False,
    )
    targets = {"digit": one.labels[:, 0], "box": to_centre(one.boxes[:, 0]) / unit}
    batches = training.minibatches((one.images, targets), 32, seed=SEED)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def answer(model, images, unit):
    """Return digits (n,) and boxes (n, 4), corners in pixels."""
    found = model.predict(images, verbose=0)
    return found["digit"].argmax(axis=1), to_corners(unit * found["box"])


# %% [markdown]
# `training.minibatches` (lesson 04) gives shuffled batches without end; an epoch is here a number of steps.
# We train four networks. Two pool; in the second one the picture is closed to a ring, we come back to it. Two
# flatten; the last one learns the box in pixels, not in units of 8 pixels.

# %%
localisers = {  # name -> how the maps become a vector, has it a border, unit of the box in pixels
    "global pooling": (layers.GlobalAveragePooling2D(), True, 8),
    "the same on a ring": (layers.GlobalAveragePooling2D(), False, 8),
    "flatten": (layers.Flatten(), True, 8),
    "flatten, in pixels": (layers.Flatten(), True, 1),
}
models, measured = {}, {}
print("                     right digits  mean IoU  found (IoU ≥ 0.5)")
for name, (to_vector, border, unit) in localisers.items():
    keras.utils.set_random_seed(SEED)
    models[name] = two_heads(to_vector, border)
    train_two_heads(models[name], unit)
    digits, boxes = answer(models[name], one_test.images, unit)
    overlap = np.diagonal(iou(boxes, one_test.boxes[:, 0]))
    right = np.mean(digits == one_test.labels[:, 0])
    measured[name] = {"right": right, "iou": overlap.mean(), "found": np.mean(overlap >= 0.5)}
    print("{:20} {:11.3f} {:9.3f} {:10.3f}".format(name, *measured[name].values()))

# %% [markdown]
# **Global pooling loses the place**: a mean over all places is the same wherever the digit is. That is the
# usual explanation, and it can be tested: then a network that pools should not notice when a digit is moved.
# We move each digit that has room by 16 pixels to the right, and ask by how much its centre moved. **Before
# you run the next cell, what do you expect** of the first three networks?

# %%
room = one_test.boxes[:, 0, 2] <= 48
moved = np.roll(one_test.images[room], 16, axis=2)
for name in ("global pooling", "the same on a ring", "flatten"):
    before, after = (to_centre(answer(models[name], x, 8)[1])[:, 0] for x in (one_test.images[room], moved))
    measured[name]["moved"] = np.mean(after - before)
    print(f"{name:20} says: by {measured[name]['moved']:5.1f} pixels")

# %% [markdown]
# One training is no evidence for a difference. Sections 1 to 5 of this notebook were run from three further
# seeds by `lessons/08_vision_tasks/seeds.py`, which takes a quarter of an hour; what they measured ships with
# the course. Beside each figure of this run, here are mean and range of the three others:

# %%
runs = json.loads(data.read("vision_seeds.json"))


def beside(own, name, key):
    """Return this run's figure, and mean and range of the three other seeds."""
    others = [run[name][key] for run in runs]
    return f"{own:.3f} | {np.mean(others):.3f} ({min(others):.3f} to {max(others):.3f})"


print("                      right digits                     mean IoU")
for name, row in measured.items():
    print(f"{name:20} ", beside(row["right"], name, "right"), "  ", beside(row["iou"], name, "iou"))
print("\na move by 16 pixels")
for name in ("global pooling", "the same on a ring", "flatten"):
    print(f"{name:20} ", beside(measured[name]["moved"], name, "moved"))

# %%
if budget.name != "smoke":
    for run in (measured, *runs):
        right, overlap = ({name: run[name][key] for name in localisers} for key in ("right", "iou"))
        assert overlap["the same on a ring"] + 0.2 < overlap["global pooling"] < overlap["flatten"]
        assert overlap["flatten"] < overlap["flatten, in pixels"]
        assert right["flatten, in pixels"] < right["flatten"]
        assert right["flatten"] < min(right["global pooling"], right["the same on a ring"])
        assert abs(run["the same on a ring"]["moved"]) < 0.1 < 12 < run["global pooling"]["moved"]

# %% [markdown]
# The usual explanation is only half of the truth. The first network pools, and notices most of the move! It
# can: the picture has a border. Keras puts zeros there (with stride 2, right and below only), and fewer of
# the 4×4 places see a digit that stands at the edge. So the mean tells what is near the border (for the
# zeros: Islam, Jia & Bruce, 2020). In the second network the picture is closed to a ring:
# left of the first column comes the last, and there is no border. A move by 16 pixels is one place of its
# last maps, so their values only change places, and their mean not at all. Its boxes are by far the worst of
# the first three, from every seed. So the mean does lose the place, and what the first network knows of it
# comes from the border. The digit does not depend on the place, and the two that pool read it best, from
# every seed: each has its use. To keep the place, flatten, or do without the vector: the next section answers
# at every place of the map.
#
# **The unit of the box is a weight of its loss.** In pixels the box's part of the sum is 8 times as large as
# in units of 8 pixels, and the weights of its head must become 8 times as large before the boxes are right;
# what this head sends back into the shared layers grows with them. Compare the last two rows of the table:
# with the larger part the boxes are better, and the digits pay for it, from every seed. In any case the unit
# is a choice of yours, and it weighs one loss against the other; `loss_weights` of `compile` does it openly.

# %% [markdown]
# **Do we need a network for this?** No: where one digit stands on an empty ground, the box around all ink is
# right by definition. In clutter it is not. A method without training belongs into the table, always.


# %%
def box_of_ink(image):
    rows, columns = (np.flatnonzero((image > 0.3).any(axis=axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


ink_iou = []
for clutter in (False, True):
    some = data.scenes(200, clutter=clutter, seed=12, test=True, most=1)
    ink = np.array([box_of_ink(image) for image in some.images[..., 0]])
    ink_iou.append(np.diagonal(iou(ink, some.boxes[:, 0])).mean())
    print("cluttered:" if clutter else "clean:    ", ink_iou[-1].round(3))

# %% [markdown]
# ## 3. Several digits: a grid
#
# How many numbers should a network give for one to three digits? With three heads, which of them should
# answer which digit? If the order in the list decides, the network has to guess the order. **YOLO** (Redmon
# et al., 2016: *you only look once*) lets the *place* decide: a grid of cells lies over the picture, and the
# cell that holds the centre of a thing answers for it. Here are 8×8 cells of 8×8 pixels. A convolutional
# network whose strides multiply to 8 ends in a map of 8×8 places, one a cell: no vector is needed.
#
# The target of a cell is six numbers:
#
# $$\left(o,\; x - \lfloor x \rfloor,\; y - \lfloor y \rfloor,\;
# \log \tfrac{w}{16},\; \log \tfrac{h}{16},\; c\right)$$
#
# with $o = 1$ if the cell is full, else all six are 0; the centre $(x, y)$ in units of cells, so that its
# integer part is the cell and the rest, between 0 and 1, the place inside it; the size relative to 16 pixels
# (digits are on average 15 wide and 20 high); and the digit $c$. A logarithm makes "twice as wide" and "half
# as wide" equally far from 0, and whatever the network answers, its exponential is positive.

# %%
GRID, CELL, PRIOR = 8, 8, 16


def encode(boxes, labels):
    """(n, 3, 4) corners and (n, 3) labels to the target (n, row, column, 6)."""
    target = np.zeros((len(boxes), GRID, GRID, 6), "float32")
    scene, k = np.nonzero(labels >= 0)
    centred = to_centre(boxes[scene, k])
    cell = np.minimum(centred[:, :2] // CELL, GRID - 1).astype(int)  # column, row
    target[scene, cell[:, 1], cell[:, 0], 0] = 1
    target[scene, cell[:, 1], cell[:, 0], 1:3] = centred[:, :2] / CELL - cell
    target[scene, cell[:, 1], cell[:, 0], 3:5] = np.log(centred[:, 2:] / PRIOR)
    target[scene, cell[:, 1], cell[:, 0], 5] = labels[scene, k]
    return target


# %%
target = encode(scenes.boxes, scenes.labels)
names = ["full $o$", "place in x", "place in y", "log w/16", "log h/16", "digit $c$"]
_, axes = plt.subplots(1, 7, figsize=(10, 1.9))
draw_scene(axes[0], scenes.images[0], "scene, with its grid")
for box in scenes.boxes[0][scenes.labels[0] >= 0]:
    draw_box(axes[0], box)
    axes[0].plot(*(to_centre(box)[:2] - 0.5), "o", color=plots.COLORS[1], markersize=4)
axes[0].set(xticks=np.arange(7.5, 63, 8), yticks=np.arange(7.5, 63, 8), xticklabels=[], yticklabels=[])
axes[0].grid(visible=True, color="white", alpha=0.4)
for ax, values, name in zip(axes[1:], target[0].transpose(2, 0, 1), names, strict=True):
    draw_scene(ax, 0.7 + 0.3 * target[0, ..., 0], name)
    for row, column in np.argwhere(target[0, ..., 0] == 1):
        ax.text(column, row, f"{values[row, column].round(2):g}", ha="center", va="center", fontsize=7)
plots.show(
    "A scene under a grid of 8 by 8 cells, boxes with a dot at their centres, and the six maps of the "
    "target: only the cells that hold a dot are white and have numbers; all others are empty."
)

# %% [markdown]
# **Look at** the dots and at the white cells: the same places. All else is empty. Back from the numbers
# of all cells to boxes, `meshgrid` gives the column and the row of every cell:


# %%
def cell_boxes(place):
    """(..., 8, 8, 4) numbers of each cell to the corners of its box, in pixels."""
    column, row = np.meshgrid(np.arange(GRID), np.arange(GRID))
    middle = CELL * (np.stack([column, row], axis=-1) + place[..., :2])
    return to_corners(np.concatenate([middle, PRIOR * np.exp(place[..., 2:])], axis=-1))


full = target[..., 0] == 1
print(cell_boxes(target[..., 1:5])[0][full[0]].round(2), "\n", scenes.boxes[0], sep="")

# %% [markdown]
# The boxes are back, in the order of the cells. For many scenes, with the boxes sorted:

# %%
many = data.scenes(budget.pick(smoke=500, cpu=16_000), clutter=True, seed=1)
target = encode(many.boxes, many.labels)
back = cell_boxes(target[..., 1:5])[target[..., 0] == 1]
real = many.boxes[many.labels >= 0]
print(f"{len(real):,} digits, {len(back):,} full cells of {target[..., 0].size:,}")
if len(back) == len(real):
    assert np.allclose(np.sort(back, axis=0), np.sort(real, axis=0), atol=1e-4)

# %% [markdown]
# ### Two in one cell, and what anchors are for
#
# A cell has room for one digit. **Before you run the next cell, guess:** how often do two centres fall into
# one cell, for grids of 8×8, 4×4 and 2×2?

# %%
# NBVAL_CHECK_OUTPUT
crowd = data.scenes(2000, clutter=False, seed=3)
centres = np.where(crowd.labels[..., None] >= 0, to_centre(crowd.boxes)[..., :2], np.nan)
for grid in (8, 4, 2):
    cell = centres // (64 / grid) @ [1, grid]
    doubles = (cell[:, [0, 0, 1]] == cell[:, [1, 2, 2]]).any(axis=1)
    print(f"{grid}×{grid} cells: two centres in one cell in {doubles.mean():.1%} of the scenes")

# %% [markdown]
# Our digits may hardly overlap, so the finest grid has hardly any conflict. On a street a person stands
# before a car, and two centres fall into one cell. Then a cell gets several boxes, each of another typical
# form: a tall **anchor** for persons, a wide one for cars. The target goes to the anchor with the largest
# IoU, and the network answers the difference from it, as ours answers the difference from 16×16 pixels, our
# only anchor. **SSD** (Liu et al., 2016) has 4 to 6 of them at every place of *several* maps, fine ones for
# small things and coarse ones for large; YOLO took anchors over in its second version (Redmon & Farhadi,
# 2017).
#
# ### Nearly all cells are empty
#
# About 2 of 64 cells are full. That makes means misleading. **Before you run the next cell, what do you
# expect:** a "detector" that says *empty* of every cell, and places every box in the middle of the cell with
# 16×16 pixels: in how many cells is it right, and how large is its mean error of the four box numbers?

# %%
full = target[..., 0] == 1
lazy = np.array([0.5, 0.5, 0, 0])
error = np.where(full[..., None], np.abs(target[..., 1:5] - lazy), 0)  # an empty cell has no box
print(f"cells answered right:       {np.mean(~full):.3f}")
print(f"mean box error, all cells:  {error.mean():.3f}")
print(f"mean box error, full cells: {error[full].mean():.3f}")

# %% [markdown]
# Right in 97 % of all cells and with a tiny error, and it finds nothing at all. A mean over all cells hides
# what two of them have to say. So box and digit count only where there is one, and have a weight beside
# $\ell$, which counts everywhere. (The sum over the cells, rather than their mean, only multiplies all by
# 64.)
#
# $$R = \sum_{\text{cells}} \Big[ \ell(\hat o, o) + o \Big( 2 \sum_{j=1}^4 |\hat b_j - b_j| -
# \log \text{softmax}(\hat a)_c \Big) \Big]$$
#
# $\ell$ is the binary cross-entropy. The weight 2 is a choice (YOLO has 5 for the box, and $\tfrac12$ for
# empty cells). With about a hundred thousand anchors even this sum drowns in empty ones; the **focal loss**
# (Lin et al., 2017) gives those that are already answered well a smaller weight.
#
# The network gives 15 numbers a cell: the logit of $o$; four numbers for the box, of which a sigmoid brings
# the first two between 0 and 1; ten logits.


# %%
def detector_loss(target, output):
    full, digit = target[..., 0], ops.cast(target[..., 5], "int32")
    empty_or_full = ops.binary_crossentropy(full, output[..., 0], from_logits=True)
    place = ops.concatenate([ops.sigmoid(output[..., 1:3]), output[..., 3:5]], axis=-1)
    box = ops.sum(ops.abs(place - target[..., 1:5]), axis=-1)
    which = ops.sparse_categorical_crossentropy(digit, output[..., 5:], from_logits=True)
    return ops.sum(empty_or_full + full * (2 * box + which), axis=(1, 2))


# %% [markdown]
# `decode` turns the output into lists of boxes. A cell's **score** is the probability that there is
# something, times that of its most probable digit; cells below a low threshold are dropped.


# %%
def softmax(a):
    e = np.exp(a - a.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def decode(output, threshold=0.05):
    """(n, 8, 8, 15) to n tuples: boxes (k, 4), scores (k,), digits (k,)."""
    place = np.concatenate([sigmoid(output[..., 1:3]), output[..., 3:5]], axis=-1)
    p = softmax(output[..., 5:])
    scores = sigmoid(output[..., 0]) * p.max(axis=-1)
    every = zip(cell_boxes(place), scores, p.argmax(axis=-1), scores > threshold, strict=True)
    return [(box[k], score[k], digit[k]) for box, score, digit, k in every]


# %% [markdown]
# ### The family
#
# YOLO and SSD look once. Before them came the family of **R-CNN**, in two stages: first regions that may hold
# something, then the class of each. In the figure what is trained as one network, by backpropagation, is
# coloured and has a star.

# %%
family = """
R-CNN;2014|2000 regions by;selective search|cut out, resize,;CNN* for each|class: SVM;box: regression
Fast R-CNN;2015|2000 regions by;selective search|CNN* once, crop its;maps (RoI pooling)|two heads*:;class, box
Faster R-CNN;2015|CNN* once;regions* from anchors|crop its maps;(RoI pooling)|two heads*:;class, box
YOLO, SSD;2016|CNN* once|a grid of cells, or;many anchors|class, box*;of each; NMS
DETR;2020|CNN* once,;Transformer*|100 questions*,;no grid|class, box*;of each; no NMS
"""  # a line is a method and its stages; what has a * is trained as one network


# %%
_, ax = plt.subplots(figsize=(9, 4.6))
for row, line in enumerate(family.strip().split("\n")):
    name, *stages = line.replace("; ", ", ").replace(";", "\n").split("|")
    ax.text(0, -row, name, ha="left", va="center", weight="bold")
    for column, text in enumerate(stages):
        learned = plots.COLORS[5] if "*" in text else "0.85"
        box = {"boxstyle": "round,pad=0.4", "facecolor": learned, "alpha": 0.6, "edgecolor": "black"}
        ax.text(2.3 + 2.35 * column, -row, text, ha="center", va="center", fontsize=9, bbox=box)
        if column:
            ends = (2.3 + 2.35 * column - 0.86, -row), (2.3 + 2.35 * (column - 1) + 0.86, -row)
            ax.annotate("", *ends, arrowprops={"arrowstyle": "-|>"})
ax.set(xlim=(0, 8), ylim=(-4.5, 0.5))
ax.axis("off")
plots.show(
    "Five rows of three boxes. R-CNN: 2000 regions by selective search; each cut out and sent through a CNN; "
    "class and box. Fast R-CNN: the CNN runs once, its maps are cropped. Faster R-CNN: the regions come from "
    "the network, too. YOLO and SSD: one CNN, a grid of cells, then NMS. DETR: CNN and Transformer, 100 "
    "questions, no NMS. What is trained as one network is coloured and has a star. Grey: selective search, "
    "cropping, the grid, and R-CNN's SVMs and regressions, which are fitted afterwards."
)

# %% [markdown]
# - **R-CNN** (Girshick et al., 2014): *selective search* (Uijlings et al., 2013), which is not learned,
#   proposes about 2000 regions. Each is cut out, resized, and sent through a CNN: 2000 passes for one
#   picture. Its classifiers (SVMs) and its correction of the box are fitted to what the CNN gives, afterwards
#   and one by one: no star.
# - **Fast R-CNN** (Girshick, 2015): one pass for the picture. Each region is cut out of the last *maps* and
#   pooled to a fixed size (*RoI pooling*); two heads answer class and box, as in section 2, trained together.
# - **Faster R-CNN** (Ren et al., 2015): a small network on the same maps proposes the regions, from anchors.
# - **YOLO**, **SSD**: no regions, no second stage: every cell answers. Fast enough for video.
# - **DETR** (Carion et al., 2020): a Transformer asks 100 learned questions (*queries*) of the picture. The
#   loss first *matches* answers and true things one to one, at the least total cost. A second answer for the
#   same thing is wrong in training already, so that nothing has to be suppressed afterwards.
#
# ## 4. One thing, one box: suppression, precision, recall
#
# Neighbouring cells often find the same thing. **Non-maximum suppression** (NMS) keeps the best box and drops
# those of the same class that overlap it by more than a limit, then goes on with the best of the rest:


# %%
def nms(boxes, scores, labels, limit=0.45):
    """Return the indices of the boxes that are kept, best first; boxes of another class do not matter."""
    overlap = iou(boxes, boxes) * (labels[:, None] == labels)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if not np.any(overlap[i, kept] > limit):
            kept.append(i)
    return np.array(kept, dtype=int)


# %% [markdown]
# **Before you run the next cell:** which of these five boxes are kept? Boxes 0, 1 and 2 overlap in a chain: 1
# overlaps both others, 0 and 2 do not overlap enough.

# %%
# NBVAL_CHECK_OUTPUT
boxes = np.array([[4, 10, 24, 36], [10, 10, 30, 36], [16, 10, 36, 36], [38, 20, 56, 46], [40, 21, 58, 47]])
scores, labels = np.array([0.6, 0.9, 0.8, 0.7, 0.4]), np.array([3, 3, 3, 5, 6])
print(iou(boxes, boxes).round(2))
print("kept:", nms(boxes, scores, labels))

# %% [markdown]
# Box 1 is the best and suppresses 0 and 2. Had 0 been the best, 2 would have stayed: a suppressed box
# suppresses nothing. Boxes 3 and 4 overlap much, but are different digits; both stay. Where things of one
# class do stand close together, NMS drops right answers: the limit is a compromise. (*Soft-NMS*, Bodla et
# al., 2017, only lowers the scores of what overlaps.)
#
# ### Precision and recall
#
# Which of the boxes found are right? One takes them from the highest score to the lowest. A box is a **hit**
# if its IoU with a true box of its class is at least 0.5, *and nobody before it has taken that one*. The
# second box on the same digit is a miss.


# %%
def hits(found, true, limit=0.5):
    """Which of the boxes found (k, 4), best first, are hits? Each true box is taken at most once."""
    overlap = iou(found, true)
    hit = np.zeros(len(found), bool)
    for i in range(len(found) if len(true) else 0):
        best = overlap[i].argmax()
        hit[i] = overlap[i, best] >= limit
        if hit[i]:
            overlap[:, best] = 0
    return hit


assert hits(boxes[[0, 0]], boxes[:1]).tolist() == [True, False]

# %% [markdown]
# Without this rule, recall could exceed 1: two boxes on one digit would count as two digits found. Among the
# $k$ best boxes of all pictures, with $n$ true ones,
#
# $$\text{precision} = \frac{\text{hits among the best } k}{k}, \qquad
# \text{recall} = \frac{\text{hits among the best } k}{n}.$$
#
# With growing $k$, recall never falls, and precision goes up and down. The **average precision** (AP) is
# the area under that curve, after each precision was replaced by the best one that is reached at this recall
# *or a higher one* (the rule of Pascal VOC since 2010; Everingham et al., 2015):


# %%
def precision_recall(scores, hit, n):
    hit = hit[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hit)
    return found / np.arange(1, len(hit) + 1), found / n


def average_precision(scores, hit, n):
    precision, recall = precision_recall(scores, hit, n)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return np.sum(np.diff(recall, prepend=0) * envelope)


# %% [markdown]
# Eight boxes, five true ones, of which four are found:

# %%
hit = np.array([1, 1, 0, 1, 0, 0, 1, 0], bool)
scores = np.linspace(0.95, 0.25, 8)
precision, recall = precision_recall(scores, hit, 5)
envelope = np.maximum.accumulate(precision[::-1])[::-1]
plt.figure(figsize=(5.6, 3.2))
plt.fill_between(np.append(0, recall), np.append(1, envelope), step="pre", alpha=0.2, label="area: AP")
plt.step(
    np.append(0, recall), np.append(1, envelope), "--", where="pre", label="best at this recall or higher"
)
plt.plot(recall, precision, "o-", color=plots.COLORS[1], label="precision")
for k in range(8):
    plt.annotate(k + 1, (recall[k], precision[k]), (5, 4), textcoords="offset points", fontsize=8)
plt.gca().set(xlabel="recall", ylabel="precision", xlim=(0, 1.05), ylim=(0, 1.08))
plt.legend(loc="lower left")
plots.show(
    "Precision against recall for the best 1 to 8 boxes: a sawtooth that starts at 1, falls at each miss and "
    "rises a little at each hit; above it a staircase that never rises, the shaded area under it up to 0.8."
)

# %%
# NBVAL_CHECK_OUTPUT
print(f"AP {average_precision(scores, hit, 5):.3f}")
print(f"only their order counts: {average_precision(scores**3, hit, 5):.3f}")
twice = np.repeat(scores, 2), np.stack([hit, 0 * hit], axis=1).ravel()
print(f"each box twice, as one hit and one miss: {average_precision(*twice, 5):.3f}")
print(f"each box twice, both counted as hits: {average_precision(twice[0], np.repeat(hit, 2), 5):.3f}")

# %% [markdown]
# The last number is above 1: no probability, no share, a mistake that has been made in published code. AP is
# 1 if and only if all are found and no miss has a higher score than a hit. **mAP@0.5** is the mean of the APs
# of all classes with hits at IoU ≥ 0.5, **mAP@0.75** asks for tighter boxes, and the COCO measure (Lin et
# al., 2014) is the mean over ten limits from 0.5 to 0.95.


# %%
def judge(found, scenes, digit, limit=0.5):
    """Scores and hits of the boxes of one class in all scenes, and the number of true ones."""
    scores, hit = [], []
    for (box, score, label), true, true_label in zip(found, scenes.boxes, scenes.labels, strict=True):
        best_first = np.argsort(-score, kind="stable")
        mine = best_first[label[best_first] == digit]
        scores.append(score[mine])
        hit.append(hits(box[mine], true[true_label == digit], limit))
    return np.concatenate(scores), np.concatenate(hit), np.sum(scenes.labels == digit)


def average_precisions(found, scenes, limit=0.5):
    return np.array([average_precision(*judge(found, scenes, digit, limit)) for digit in range(10)])


# %% [markdown]
# ## 5. Train it, and judge it
#
# A first convolution with stride 2 makes the network cheap: all layers after it have a quarter of the places
# to compute. The blocks are those of section 2.


# %%
keras.utils.set_random_seed(SEED)
detector = keras.Sequential(
    [
        keras.Input((64, 64, 1)),
        *block(16, 5, strides=2),
        *block(32, strides=2),
        *block(64),
        *block(64, strides=2),
        *block(96),
        *block(96),
        layers.Conv2D(15, 1),
    ]
)
seen = 1
for layer in detector.layers[::-1]:
    if isinstance(layer, layers.Conv2D):
        seen = (seen - 1) * layer.strides[0] + layer.kernel_size[0]
print(f"output {detector.output_shape}, {detector.count_params():,} parameters")
print(f"a cell sees {seen}×{seen} pixels")

# %% [markdown]
# A cell in the middle sees most of the picture (the receptive field of lesson 05), one in a corner a quarter
# of it; both far more than their own 8×8 pixels: a cell must see the whole digit to give its box and its
# class. The next cell takes one to two minutes. In a hurry, take the one that ships with the course:
# `detector = networks.detector()`. (It was trained by this cell.)

# %%
steps = 2500
rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
if budget.name == "smoke":
    detector = networks.detector()
else:
    detector.compile(
        optimizer=keras.optimizers.Adam(learning_rate=rate), loss=detector_loss, jit_compile=False
    )
    batches = training.minibatches((many.images, encode(many.boxes, many.labels)), 32, seed=SEED)
    history = detector.fit(batches, steps_per_epoch=steps // 10, epochs=10, shuffle=False, verbose=0)
    print("loss of a scene:", *np.round(history.history["loss"], 2))

# %% [markdown]
# Now the test: scenes made of digits that no network has seen.

# %%
test = data.scenes(budget.pick(smoke=100, cpu=1000), clutter=True, seed=2, test=True)
raw = decode(detector.predict(test.images, batch_size=100, verbose=0))
found = [tuple(part[nms(*boxes)] for part in boxes) for boxes in raw]
ap = average_precisions(found, test)
print("AP of each digit:", *ap.round(2))
runtime.result("detector_map50_clutter", ap.mean(), at_least=0.86)
runtime.result("detector_map75_clutter", average_precisions(found, test, 0.75).mean())
without_nms = average_precisions(raw, test).mean()
runtime.result("detector_map50_without_nms", without_nms)

# %%
counts = {}
print("boxes with a score above  0.05   0.5")
for name, some in (("before suppression", raw), ("after suppression", found)):
    score = np.concatenate([score for _, score, _ in some])
    counts[name] = np.array([np.sum(score > limit) for limit in (0.05, 0.5)])
    print(f"{name:22} {counts[name][0]:7} {counts[name][1]:5}")
print(f"digits {np.sum(test.labels >= 0):23}")
dropped = 1 - counts["after suppression"] / counts["before suppression"]
print(f"dropped: {dropped[0]:.1%} of all, {dropped[1]:.1%} of the sure ones")
assert dropped[1] < 0.05 < 0.15 < dropped[0] < 0.3

# %% [markdown]
# Without NMS it is hardly worse. **Look at** the counts: NMS drops about a fifth of the boxes, but few of
# those with a score above 0.5. What it drops stands at the end of the list, and misses there cost AP little.
# With one box a cell there are few strong doubles; with thousands of anchors there are many.
#
# ### A method without training on scenes
#
# Is this much? It says little without a comparison. The classical way: threshold the picture, take
# **connected components** of ink (SciPy's `ndimage.label` numbers them), drop small ones, bring each into
# MNIST's form (`widgets.mnist_form` does what LeCun et al. did) and let lesson 06's LeNet read it. LeNet
# reads 99 % of the test digits, so this is no straw man.

# %%
lenet = networks.lenet()


def components(image, least):
    """Yield place (two slices) and ink (bool) of each component that is not too small."""
    parts, _ = ndimage.label(image > 0.3, structure=np.ones((3, 3)))
    for k, place in enumerate(ndimage.find_objects(parts), start=1):
        if max(side.stop - side.start for side in place) >= least:
            yield place, parts[place] == k


def baseline(images, least):
    """Return found boxes as decode does, and masks."""
    pieces = [(n, *piece) for n, image in enumerate(images[..., 0]) for piece in components(image, least)]
    crops = [np.uint8(255 * images[n, ..., 0][place] * ink) for n, place, ink in pieces]
    crops = np.stack([widgets.mnist_form(crop) for crop in crops])[..., None] / np.float32(255)
    p = lenet.predict(crops, batch_size=500, verbose=0)
    scene = np.array([n for n, *_ in pieces])
    boxes = np.array([[x.start, y.start, x.stop, y.stop] for _, (y, x), _ in pieces])
    masks = np.zeros(images.shape[:3], int)
    for (n, place, ink), digit in zip(pieces, p.argmax(axis=1), strict=True):
        masks[n][place][ink] = 1 + digit
    mine = [scene == n for n in range(len(images))]
    return [(boxes[k], p[k].max(axis=1), p[k].argmax(axis=1)) for k in mine], masks


# %% [markdown]
# How small is "small"? This is chosen on scenes made of training digits, not on the test:

# %%
choice = data.scenes(budget.pick(smoke=60, cpu=500), clutter=True, seed=4)
limits = (8, 12, 16, 20, 24)
on_choice = [average_precisions(baseline(choice.images, k)[0], choice).mean() for k in limits]
least = limits[int(np.argmax(on_choice))]
print("mAP@0.5 for", limits, "pixels:", np.round(on_choice, 3), "->", least)

# %% [markdown]
# **Before you run the next cell, what do you expect** of the two on cluttered and on clean scenes? The
# detector has been trained on cluttered ones only.

# %%
clean = data.scenes(len(test.images), clutter=False, seed=5, test=True)


def detect(images):
    boxes = decode(detector.predict(images, batch_size=100, verbose=0))
    return [tuple(part[nms(*scene)] for part in scene) for scene in boxes]


def without_classes(found, scenes):
    """AP of finding digits, whichever they are."""
    one_class = [(box, score, 0 * label) for box, score, label in found]
    return average_precision(*judge(one_class, scenes._replace(labels=np.minimum(scenes.labels, 0)), 0))


table = {}
for ground, some in {"clutter": test, "clean": clean}.items():
    for method, boxes in {
        "components": baseline(some.images, least)[0],
        "detector": detect(some.images),
    }.items():
        rows = [average_precisions(boxes, some, limit).mean() for limit in (0.5, 0.75)]
        table[method, ground] = [*rows, without_classes(boxes, some)]
print("                     mAP@0.5  mAP@0.75  AP@0.5, any digit")
for (method, ground), row in table.items():
    print(f"{method:11} {ground:8} {row[0]:8.3f} {row[1]:9.3f} {row[2]:11.3f}")

# %% [markdown]
# And the detector from three further seeds, as in section 2 (this run | mean and range of the others):

# %%
print("detector              mAP@0.5                          mAP@0.75")
for ground in ("clutter", "clean"):
    row = table["detector", ground]
    print(f"{ground:20} ", beside(row[0], ground, "map50"), "  ", beside(row[1], ground, "map75"))
print("clutter, without NMS ", beside(without_nms, "without NMS", "map50"))

# %%
if budget.name != "smoke":
    baseline_row, own = (table[method, "clutter"] for method in ("components", "detector"))
    for row in [own, *(list(run["clutter"].values()) for run in runs)]:
        assert row[0] > baseline_row[0] + 0.2
        assert row[2] > row[0] + 0.03
    rows_at_75 = [table["detector", "clean"][1], *(run["clean"]["map75"] for run in runs)]
    assert max(rows_at_75) < table["components", "clean"][1]
runtime.result("components_map50_clutter", table["components", "clutter"][0])
runtime.result("components_map50_clean", table["components", "clean"][0])
runtime.result("detector_map50_clean", table["detector", "clean"][0])

# %% [markdown]
# **Look at** three things. In clutter the components lose most. A guess: fragments touch digits, and such a
# component is neither. On clean scenes they come closer. At 0.5 the detector, which was not trained on such
# scenes, is still ahead; at 0.75 the components are better, from any seed, since their boxes are exact. And
# the last column: both find more than they can name. What the detector lacks is the class, not the place.
#
# ### The threshold
#
# AP looks at all thresholds at once. Who uses a detector must choose one. The slider shows what stays of one
# test scene; the row above it shows seven of its places.

# %%
busiest = int(np.argmax([len(score) for _, score, _ in found]))


def picture(threshold):
    """The scene, enlarged, with the boxes whose score is above the threshold."""
    tile = 0.6 * np.kron(test.images[busiest, ..., 0], np.ones((3, 3)))
    box, score, _ = found[busiest]
    for left, top, right, bottom in np.clip(3 * box[score > threshold], 0, 192).astype(int):
        inside = tile[top + 3 : bottom - 3, left + 3 : right - 3].copy()
        tile[top:bottom, left:right] = 1
        tile[top + 3 : bottom - 3, left + 3 : right - 3] = inside
    return tile


widgets.sliders(picture, threshold=(0.05, 0.95, "boxes with a score above the threshold"))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
scores, hit, n = zip(*[judge(found, test, digit) for digit in range(10)], strict=True)
scores, hit, n = np.concatenate(scores), np.concatenate(hit), sum(n)
precision, recall = precision_recall(scores, hit, n)
left.plot(np.sort(scores)[::-1], precision, label="precision")
left.plot(np.sort(scores)[::-1], recall, "--", label="recall")
left.set(xlabel="threshold", ylabel="share, all digits", ylim=(0, 1.03))
for digit, line in ((int(ap.argmax()), "-"), (int(ap.argmin()), "--")):
    precision, recall = precision_recall(*judge(found, test, digit))
    right.plot(recall, precision, line, label=f"digit {digit}: AP {ap[digit]:.2f}")
right.set(xlabel="recall", ylabel="precision", xlim=(0, 1.03), ylim=(0, 1.03))
left.legend(), right.legend(loc="lower left")
plots.show(
    "On the left precision rises and recall falls with the threshold. On the right precision against "
    "recall of the digits with the largest and the smallest AP."
)

# %% [markdown]
# Which threshold is right depends on what a miss and a false alarm cost: low where a person looks again at
# what was found, high where a machine acts on it.
#
# ### What it gets wrong
#
# Always look at the errors. We keep boxes with a score above 0.5 and sort what is no hit by its kind.


# %%
def compare(scene, threshold=0.5):
    """Return boxes, digits and hits of a test scene, and which true boxes no box has found."""
    box, _, label = (part[found[scene][1] > threshold] for part in found[scene])
    true = test.boxes[scene][test.labels[scene] >= 0]
    digits = test.labels[scene][test.labels[scene] >= 0]
    hit = np.zeros(len(box), bool)
    for digit in np.unique(label):
        hit[label == digit] = hits(box[label == digit], true[digits == digit])
    overlap = iou(box, true)
    kinds = np.select([hit, overlap.max(axis=1) >= 0.5, overlap.max(axis=1) > 0.1], [0, 1, 2], 3)
    return box, label, kinds, true[overlap.max(axis=0, initial=0) < 0.5]


compared = [compare(scene) for scene in range(len(test.images))]
counts = np.bincount(np.concatenate([kinds for _, _, kinds, _ in compared]), minlength=4)
names = ["hits", "right place, wrong digit (or a second box)", "badly placed", "nothing there"]
for name, count in zip(names, counts, strict=True):
    print(f"{count:5} {name}")
print(f"{sum(len(missed) for *_, missed in compared):5} of {np.sum(test.labels >= 0)} digits without a box")
assert counts[1] > counts[2] + counts[3]

# %%
worst = np.argsort([-np.sum(kinds > 0) - len(missed) for _, _, kinds, missed in compared], kind="stable")[:10]
_, axes = plt.subplots(2, 5, figsize=(9.6, 4.4))
for ax, scene in zip(axes.flat, worst, strict=True):
    box, label, kinds, missed = compared[scene]
    draw_scene(ax, test.images[scene], "true: " + " ".join(str(d) for d in test.labels[scene] if d >= 0))
    for one_box, digit, kind in zip(box, label, kinds, strict=True):
        draw_box(ax, one_box, digit, *((plots.COLORS[5], "-") if kind == 0 else (plots.COLORS[4], "--")))
    for one_box in missed:
        draw_box(ax, one_box, "", "white", ":")
plots.show(
    "Ten test scenes with the most errors. Blue solid boxes are hits, orange dashed ones are wrong, white "
    "dotted ones are digits that were not found."
)

# %% [markdown]
# Most wrong boxes have the right place and the wrong digit, as the last column of the table says. Hardly one
# stands where there is nothing. Digits without a box had one with a lower score, a badly placed one, or none.
# **Look at** the pictures: fragments that lie over a digit, digits that touch, and 1s whose box is too wide.
# The thin ones are 4 to 6 pixels wide: two pixels to the side leave them an IoU of a third to a half.
#
# ### What it has never seen
#
# A detector knows its ten classes and "empty". What does it say of something that is neither? We show it
# mirrored digits and shapes.

# %%
shapes = np.zeros((3, 64, 64, 1), "float32")
shapes[0, 18:46, 18:46] = 1
shapes[0, 21:43, 21:43] = 0  # a frame
shapes[1, 30:34, 18:46] = shapes[1, 18:46, 30:34] = 1  # a cross
shapes[2, 20:44, [22, 23, 32, 33, 42, 43]] = 1  # three strokes
mirrored = test.images[np.flatnonzero((test.labels[:, 0] == 2) | (test.labels[:, 0] == 7))[:3], :, ::-1]
strange = np.concatenate([shapes, mirrored])
_, axes = plt.subplots(1, 6, figsize=(10, 2))
for ax, image, (box, score, label) in zip(axes, strange, detect(strange), strict=True):
    draw_scene(ax, image)
    for k in np.flatnonzero(score > 0.3):
        draw_box(ax, box[k], f"{label[k]}: {score[k]:.2f}")
plots.show(
    "A frame, a cross, three strokes, and three mirrored scenes with the boxes above a score of 0.3, each "
    "with a digit and its score."
)

# %%
flipped = detect(test.images[:, :, ::-1])
sure = [np.mean([np.sum(score > 0.5) for _, score, _ in some]) for some in (found, flipped)]
print("boxes a scene with a score above 0.5: {:.2f} as they are, {:.2f} mirrored".format(*sure))
assert 0.5 * sure[0] < sure[1] < sure[0]


# %%
def named(some, boxes, digit):
    """What do sure boxes on the true ones of this digit say? Nothing where there is no such box."""
    answers = []
    for scene, k in np.argwhere(test.labels == digit):
        box, score, label = some[scene]
        overlap = iou(boxes[scene, k][None], box)[0] * (score > 0.5)
        if overlap.max(initial=0) >= 0.5:
            answers.append(label[overlap.argmax()])
    return answers


mirrored_boxes = test.boxes.copy()
mirrored_boxes[..., [0, 2]] = 64 - test.boxes[..., [2, 0]]  # left and right change places
shares = []
print("digit  share named  mirrored  most often as")
for digit in range(10):
    straight, back = named(found, test.boxes, digit), named(flipped, mirrored_boxes, digit)
    shares.append([len(straight), len(back)] / np.sum(test.labels == digit))
    print(f"{digit:5} {shares[-1][0]:10.2f} {shares[-1][1]:10.2f} {np.bincount(back).argmax():10}")
no_digits = np.mean(np.array(shares)[[2, 3, 4, 5, 6, 7, 9], 1])
print(f"mirrored 2 to 7 and 9, named as some digit: {no_digits:.2f}")
assert 0.5 < no_digits < 0.8

# %% [markdown]
# It says nothing of the three shapes, not even of the strokes, which could be 1s. But mirrored scenes keep
# four fifths of their boxes. A mirrored 0, 1 or 8 is a digit still (and some 4s nearly are). Of 2 to 7 and 9
# none is, and about two thirds of them are named nonetheless, with a score above 0.5: the last column has
# the most frequent name. Nothing in its training asked it to say "a digit, but none that I know".

# %% [markdown]
# ## 6. Every pixel
#
# **Semantic segmentation** gives every pixel a class, here one of 11: the background and ten digits.
#
# ### The measure first
#
# **Before you run the next cell, what do you expect:** which share of the pixels does a "network" get right
# that answers *background* everywhere?

# %%
nothing = np.zeros_like(test.masks)
print(f"right pixels: {np.mean(nothing == test.masks):.3f}")

# %% [markdown]
# So a network that has learned nothing can be reported with 94 %. For one class let $A$ be the
# pixels that were given it, and $B$ those that have it. **Dice's coefficient** (1945) and the IoU are
#
# $$D = \frac{2\,|A \cap B|}{|A| + |B|}, \qquad J = \frac{|A \cap B|}{|A \cup B|} = \frac{D}{2 - D},$$
#
# both 0 for nothing right and 1 for all; for one class they order methods in the same way. We count over all
# test scenes, for each of the ten digits, and take the mean: the background, easy and everywhere, stays out.


# %%
def dice(predicted, true, classes=range(1, 11)):
    shared = [np.sum((predicted == c) & (true == c)) for c in classes]
    sizes = [np.sum(predicted == c) + np.sum(true == c) for c in classes]
    return 2 * np.array(shared) / np.maximum(sizes, 1)


def jaccard(predicted, true, classes=range(1, 11)):
    """The IoU of each class, from its Dice."""
    d = dice(predicted, true, classes)
    return d / (2 - d)


def foreground_dice(predicted, true):
    """Ink or not, whatever the digit."""
    return dice(predicted > 0, true > 0, [True])[0]


print(f"all background: Dice {dice(nothing, test.masks).mean():.3f}")

# %% [markdown]
# Two methods without training on scenes: everything above 0.3 is ink (of no class), and the components of
# section 5 painted with LeNet's answer.

# %%
painted = baseline(test.images, least)[1]
a, b = painted == 3, test.masks == 3  # the digit 2: J by its definition
assert np.isclose(np.sum(a & b) / np.sum(a | b), jaccard(painted, test.masks)[2])
inked = (test.images[..., 0] > 0.3).astype(int)
print(f"threshold:  foreground Dice {foreground_dice(inked, test.masks):.3f}")
print(f"components: foreground Dice {foreground_dice(painted, test.masks):.3f}", end=", ")
print(f"mean IoU of the digits {jaccard(painted, test.masks).mean():.3f}")
runtime.result("components_mean_dice", dice(painted, test.masks).mean())

# %% [markdown]
# ### A U-Net
#
# A pixel's class depends on what is far around it: which digit is this stroke a part of? And its border is
# decided by the pixel itself. Strides and pooling widen the view and lose the border. The **U-Net**
# (Ronneberger et al., 2015) does both: it goes down to coarse maps that see far, up again to full size, and
# at each size *concatenates* the maps of the way down, which are still sharp. (Long, Shelhamer & Darrell,
# 2015, had shown that a network of convolutions alone can answer for every pixel.)
#
# `UpSampling2D` doubles each row and column. The other way up is `Conv2DTranspose`, a convolution whose
# matrix is transposed; where its kernel size is no multiple of its stride it can draw chequers (Odena et al.,
# 2016). As in the detector, no normalised layer has the full size: the way down begins with stride 2.


# %%
def unet(skips=True):
    image = keras.Input((64, 64, 1))
    fine = apply([*block(16, 5, strides=2), *block(32)], image)  # 32×32
    middle = apply([layers.MaxPooling2D(), *block(64)], fine)  # 16×16
    h = apply([layers.MaxPooling2D(), *block(96), *block(96)], middle)  # 8×8
    for skip, filters in ((middle, 48), (fine, 24)):
        h = apply([*block(filters, size=1), layers.UpSampling2D()], h)
        h = apply(block(filters), layers.Concatenate()([h, skip]) if skips else h)
    h = layers.UpSampling2D()(h)
    h = layers.Concatenate()([h, image]) if skips else h
    return keras.Model(image, layers.Conv2D(11, 3, padding="same")(h))


model = unet()
print(f"{model.input.shape} -> {model.output.shape}, {model.count_params():,} parameters")

# %%
stages = [("image", 64, 1), ("fine", 32, 32), ("middle", 16, 64), ("coarse", 8, 96)]
stages += [("up", 16, 48), ("up", 32, 24), ("11 classes", 64, 11)]
_, ax = plt.subplots(figsize=(9, 3.4))
for k, (name, side, channels) in enumerate(stages):
    y, half = -abs(abs(k - 3) - 3), 0.06 + channels / 320
    box = {"facecolor": plots.COLORS[5], "edgecolor": "black"}
    ax.add_patch(plt.Rectangle((k - half, y - 0.25), 2 * half, 0.5, **box))
    x, ha = (k, "center") if k == 3 else (k - half - 0.1, "right") if k < 3 else (k + half + 0.1, "left")
    ax.text(
        x, y - 0.4 * (k == 3), f"{name}\n{side}×{side}×{channels}", ha=ha, va="top" if k == 3 else "center"
    )
    if k < 3:  # down: from below this box to above the next; and across
        ax.annotate("", (k + 0.9, y - 0.72), (k, y - 0.28), arrowprops={"arrowstyle": "-|>"})
        skip = {"arrowstyle": "-|>", "linestyle": "--", "color": plots.COLORS[1]}
        ax.annotate("", (5.72 - k, y), (k + half + 0.1, y), arrowprops=skip)
        ax.text(3, y + 0.06, "skip: concatenate", ha="center", color=plots.COLORS[1])
    if k > 3:
        ax.annotate("", (k, y - 0.28), (k - 0.9, y - 0.72), arrowprops={"arrowstyle": "-|>"})
ax.set(xlim=(-1.1, 7.1), ylim=(-3.9, 0.4))
ax.axis("off")
plots.show(
    "A U of seven stages: from the image of 64 by 64 down to 32, 16 and 8 with more and more channels, and "
    "up again to 64 by 64 with 11 classes. Three dashed arrows, the skips, cross from the way down to the "
    "way up."
)

# %% [markdown]
# ### The loss
#
# The cross-entropy of every pixel is a mean in which each pixel counts alike: 94 % of its terms are about the
# background. 1 − Dice itself cannot be minimised, since a class is chosen by `argmax`, which has no gradient.
# With the probabilities $p_{ic}$ of pixel $i$ in place of a choice it can (after Milletari et al., 2016, who
# square the terms below), $t_{ic}$ being 1 for the true class:
#
# $$R_\text{Dice} = 1 - \frac{1}{10} \sum_{c=1}^{10}
# \frac{2 \sum_i p_{ic}\, t_{ic} + 1}{\sum_i p_{ic} + \sum_i t_{ic} + 1}$$
#
# The sums run over all pixels of the batch. The 1 keeps the fraction finite where a digit does not occur in
# the batch. We minimise the sum of both.


# %%
def cross_entropy(true, logits):
    return ops.mean(ops.sparse_categorical_crossentropy(true, logits, from_logits=True))


def dice_loss(true, logits):
    p = ops.softmax(logits)[..., 1:]  # without the background
    t = ops.one_hot(true, 11, dtype="float32")[..., 1:]
    shared = ops.sum(p * t, axis=(0, 1, 2))
    sizes = ops.sum(p, axis=(0, 1, 2)) + ops.sum(t, axis=(0, 1, 2))
    return 1 - ops.mean((2 * shared + 1) / (sizes + 1))


def both(true, logits):
    return cross_entropy(true, logits) + dice_loss(true, logits)


# %%
def train_unet(model, loss, steps, seed):
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=rate), loss=loss, jit_compile=False)
    enough = 16 * steps
    batches = training.minibatches((many.images[:enough], many.masks[:enough]), 16, seed=seed)
    return model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def segment(model, images):
    return model.predict(images, batch_size=50, verbose=0).argmax(axis=-1)


# %% [markdown]
# This takes one to two minutes.

# %%
keras.utils.set_random_seed(1)
model = unet()
train_unet(model, both, budget.pick(smoke=2, cpu=1000), seed=1)
answer_of_unet = segment(model, test.images)
of_digits = dice(answer_of_unet, test.masks)
print("Dice of each digit:", *of_digits.round(2))
print(f"right pixels: {np.mean(answer_of_unet == test.masks):.3f}")
print(f"mean IoU of the digits {jaccard(answer_of_unet, test.masks).mean():.3f}")
runtime.result("unet_mean_dice", of_digits.mean(), at_least=0.75)
of_ink = foreground_dice(answer_of_unet, test.masks)
runtime.result("unet_foreground_dice", of_ink, at_least=0.88)

# %%
right = np.mean(answer_of_unet == test.masks, axis=(1, 2))
shown = [0, 1, 2, *np.argsort(right)[:3]]  # the first three, and the three with the most wrong pixels
_, axes = plt.subplots(3, 6, figsize=(9.6, 5))
for (above, middle, below), scene in zip(axes.T, shown, strict=True):
    draw_scene(above, test.images[scene], "digits " + " ".join(str(d) for d in test.labels[scene] if d >= 0))
    for ax, mask in ((middle, test.masks[scene]), (below, answer_of_unet[scene])):
        ax.imshow(mask, cmap="tab20", vmin=0, vmax=19, interpolation="nearest")
        ax.set(xticks=[], yticks=[])
        for c in np.flatnonzero(np.bincount(mask.ravel())[1:] >= 20) + 1:
            y, x = np.argwhere(mask == c).mean(axis=0)
            ax.text(x, y, c - 1, color="white", weight="bold", ha="center", va="center")
for ax, name in zip(axes[:, 0], ("scene", "true", "U-Net"), strict=True):
    ax.set_ylabel(name)
plots.show(
    "Six test scenes, the true masks and the U-Net's, a colour and a number for each digit. The last three "
    "are those with the most wrong pixels: whole digits or parts of them have another colour."
)

# %% [markdown]
# (A number stands in the middle of all pixels of its class, so between two equal digits.)
#
# **Look at** the last three, the worst: hardly the ink is wrong there, but its class. A digit, or a part of
# it, has the colour of another one. (Over all scenes it is not so: to a Dice of 1 the foreground lacks 0.10,
# and the digits only 0.08 more.) Each pixel is answered by itself, and nothing in the loss says that
# the pixels of one stroke belong together. (The detector cannot make this error: it gives one digit for each
# box.)
#
# ### What are the skips for, and what is Dice for?
#
# Two experiments, in three ways, each with three seeds and the same 200 steps, a fifth of the training above:
# with both losses; without the cross-entropy's partner; without the skips. They are judged on scenes of
# training digits, since nothing is chosen by the test. (This takes about two minutes.) **Before you run the
# next cell, what do you expect:** which of the two changes costs more of the foreground Dice?

# %%
ways = {
    "both losses": (True, both),
    "cross-entropy only": (True, cross_entropy),
    "without skips": (False, both),
}
seeds = budget.pick(smoke=[1], cpu=[1, 2, 3])
rows = {way: [] for way in ways}
for way, (skips, loss) in ways.items():
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        small = unet(skips)
        train_unet(small, loss, budget.pick(smoke=1, cpu=200), seed)
        answered = segment(small, choice.images)
        rows[way].append([dice(answered, choice.masks).mean(), foreground_dice(answered, choice.masks)])
    print(f"{way:19} digits {np.round(rows[way], 3)[:, 0]}   foreground {np.round(rows[way], 3)[:, 1]}")
if budget.name != "smoke":
    worst = np.min(rows["both losses"], axis=0)
    assert worst[1] > np.max(rows["without skips"], axis=0)[1]
    assert np.all(worst > np.max(rows["cross-entropy only"], axis=0))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True)
for ax, column, name in ((left, 0, "mean Dice of the digits"), (right, 1, "foreground Dice")):
    for k, found_dice in enumerate(rows.values()):
        ax.plot(np.array(found_dice)[:, column], [k] * len(seeds), plots.MARKERS[k], color=plots.COLORS[k])
    ax.set(xlabel=name, yticks=range(3), yticklabels=rows, xlim=(-0.03, 1), ylim=(-0.5, 2.5))
left.invert_yaxis()
means = {way: np.mean(found_dice, axis=0).round(2) for way, found_dice in rows.items()}
plots.show(
    "Three rows of marks, one for each seed. Means over the seeds of the digits' mean Dice and of the "
    f"foreground Dice: {', '.join(f'{way} {a} and {b}' for way, (a, b) in means.items())}."
)

# %% [markdown]
# Without skips the foreground is worse for every seed. A guess: the way up knows only what 8×8 places tell
# it, and the border is lost (the lab's "Going further" draws it). It also has 15 % fewer parameters. For the
# digits the seeds of the two overlap: after so few steps nothing can be said. With the cross-entropy alone
# digits and foreground are worse than with both losses, for every seed; a guess at the reason is the
# background, to which most of the terms belong. In the foreground the missing skips cost more than the
# missing loss, for every seed. Nothing is said of longer trainings: change 200 to 1000 if you have ten
# minutes.
#
# All figures of the lesson on test scenes, side by side. "Not trained on scenes" does not say untrained: the
# components are read by LeNet, which was trained on digits. ("Two heads" is the network "flatten" of section
# 2.)

# %%
figures = [
    ("one digit, clean", "mean IoU", "box of all ink", ink_iou[0], "two heads", measured["flatten"]["iou"])
]
for ground in ("clutter", "clean"):
    simple, trained = (table[method, ground][0] for method in ("components", "detector"))
    figures.append((f"detection, {ground}", "mAP@0.5", "components", simple, "detector", trained))
figures.append(("ink or not", "Dice", "threshold", foreground_dice(inked, test.masks), "U-Net", of_ink))
for name, measure in {"mean Dice": dice, "mean IoU": jaccard}.items():
    values = [measure(masks, test.masks).mean() for masks in (painted, answer_of_unet)]
    figures.append(("digit of a pixel", name, "components", values[0], "U-Net", values[1]))
print("task               measure    not trained on scenes   trained on scenes")
for task, measure, simple, value, trained, other in figures:
    print(f"{task:18} {measure:10} {simple:15} {value:.3f}   {trained:10} {other:.3f}")

# %% [markdown]
# ### Instances
#
# Two 3s in one scene get one class and one colour: semantic segmentation does not count. **Instance
# segmentation** does: *Mask R-CNN* (He et al., 2017) is a Faster R-CNN with a third head, a small mask for
# each box. **Panoptic segmentation** (Kirillov et al., 2019) asks for both, instances for things and classes
# for the rest, such as sky. In our scenes the components of a class would nearly do, as long as equal digits
# do not touch.
#
# ## 7. Your photos, uses, limits
#
# ### Networks trained by others
#
# Detectors and segmenters for photographs are trained for days. `keras_hub`, a package beside Keras,
# downloads some of them; it is no part of this course, and needs a connection to the internet. The next cell
# only says whether it is there. Set `download` to `True` to fetch a segmenter (about 300 MB) and to call it
# as you call your own: `argmax(-1)` of what its `predict` returns is a class for each pixel, 0 the
# background, 8 a cat, 15 a person, of the 21 classes of Pascal VOC (DeepLabv3+, Chen et al., 2018). In place
# of the cat, take a photo of yours: `np.array(keras.utils.load_img("my_photo.jpg", target_size=(512, 512)))`.
# A detector is fetched in the same way:
# `keras_hub.models.RetinaNetObjectDetector.from_preset("retinanet_resnet50_fpn_coco")`, the network of the
# focal loss. (What follows `download` is not run when the course is tested.)

# %%
download = False
if importlib.util.find_spec("keras_hub") is None:
    print("keras_hub is not installed; nothing else needs it. With a connection: pip install keras-hub")
elif not download:
    print("keras_hub is installed. Set download = True to fetch a segmenter.")
else:
    try:
        import keras_hub

        segmenter = keras_hub.models.DeepLabV3ImageSegmenter.from_preset("deeplab_v3_plus_resnet50_pascalvoc")
    except Exception as error:  # which one it is depends on what fails, and on where it downloads from
        print("Nothing could be fetched, and nothing else needs it. Is there a connection to kaggle.com?")
        print(f"{type(error).__name__}: {error}"[:200])
    else:
        photo = pretrained.demo_photos(size=512)["chelsea"]
        classes = segmenter.predict(photo[None], verbose=0)[0].argmax(axis=-1)
        _, (left, right) = plt.subplots(1, 2, figsize=(7, 3.4))
        left.imshow(photo)
        right.imshow(classes, cmap="tab20", vmin=0, vmax=20, interpolation="nearest")
        plots.show("A photo of a cat, and the class of each of its pixels, as colours.")


# %% [markdown]
# With few photos of your own, take such a network and fine-tune it, as in lesson 07. Boxes and masks are
# drawn by hand; a mask takes a person far longer than a label. *Segment Anything* (Kirillov et al., 2023)
# cuts out what a click points at, whatever it is, and is much used to draw masks faster.
#
# ### Uses, limits, misuse
#
# Detection and segmentation count cells and trees, find tumours in scans, sort waste, read satellite images,
# keep a car in its lane. What you saw with digits holds for all of them:
#
# - **A number belongs to its data.** The components fall from 0.89 to 0.57 with the clutter. Scans of another
#   hospital are other data.
# - **A network does not know what it does not know.** It names mirrored digits. A high score is no proof.
# - **A mean hides who pays.** AP differs between digits, and it differs between groups of people. Buolamwini
#   & Gebru (2018) found that commercial programs, which told the gender of a face, erred for up to 35 % of
#   the darker-skinned women and for less than 1 % of the lighter-skinned men.
# - **Finding faces is the first step to recognising persons.** The same hundred lines count the visitors of
#   a museum, and follow a person through a town without asking. The authors of YOLO end their third paper
#   (Redmon & Farhadi, 2018) with the question what such detectors will be used for. The European Union's AI
#   Act (Regulation 2024/1689, Article 5) forbids, among other things, to collect faces from the web or from
#   cameras at large for a collection in which persons are looked up.
#
# Ask before you build: who is in the pictures, did they agree, what happens at a false alarm and at a miss,
# and who can object?
#
# ## Summary
#
# The table at the end of section 6 has what was measured. What to keep:
#
# - A box is four numbers; IoU compares two, whatever their size, and 0.5 is harsh for small things.
# - A mean over all places loses the place, but for what the border tells: flatten, or answer at each place.
#   The unit of a target is a weight of its loss.
# - A grid detector lets the cell that holds the centre answer. Nearly all cells are empty: count box
#   and class only where there is something, and weigh them. Anchors give a cell several forms.
# - R-CNN looks at each region, Fast R-CNN once at the picture, Faster R-CNN learns the regions; YOLO and SSD
#   do without regions, DETR also without NMS.
# - NMS keeps the best box of those that overlap. A hit takes its true box away; AP is the area under
#   precision against recall.
# - Right pixels are no measure where most are background. Dice is; as a loss it is computed with
#   probabilities.
# - A U-Net sees far on coarse maps, and takes the fine ones across by its skips; without them the foreground
#   was worse, from each of three seeds.
#
# **Now you:** the lab is [`../labs/08_vision_tasks.ipynb`](../labs/08_vision_tasks.ipynb).
#
# ## References
#
# - L. R. Dice (1945). *Measures of the amount of ecologic association between species.* Ecology 26(3),
#   297–302. [doi:10.2307/1932409](https://doi.org/10.2307/1932409)
# - J. R. R. Uijlings, K. E. A. van de Sande, T. Gevers, A. W. M. Smeulders (2013). *Selective search for
#   object recognition.* International Journal of Computer Vision 104, 154–171.
#   [doi:10.1007/s11263-013-0620-5](https://doi.org/10.1007/s11263-013-0620-5)
# - R. Girshick, J. Donahue, T. Darrell, J. Malik (2014). *Rich feature hierarchies for accurate object
#   detection and semantic segmentation.* CVPR. [arXiv:1311.2524](https://arxiv.org/abs/1311.2524)
# - T.-Y. Lin et al. (2014). *Microsoft COCO: common objects in context.* ECCV.
#   [arXiv:1405.0312](https://arxiv.org/abs/1405.0312)
# - R. Girshick (2015). *Fast R-CNN.* ICCV. [arXiv:1504.08083](https://arxiv.org/abs/1504.08083)
# - S. Ren, K. He, R. Girshick, J. Sun (2015). *Faster R-CNN: towards real-time object detection with region
#   proposal networks.* NIPS. [arXiv:1506.01497](https://arxiv.org/abs/1506.01497)
# - J. Long, E. Shelhamer, T. Darrell (2015). *Fully convolutional networks for semantic segmentation.* CVPR.
#   [arXiv:1411.4038](https://arxiv.org/abs/1411.4038)
# - O. Ronneberger, P. Fischer, T. Brox (2015). *U-Net: convolutional networks for biomedical image
#   segmentation.* MICCAI. [arXiv:1505.04597](https://arxiv.org/abs/1505.04597)
# - M. Everingham, S. M. A. Eslami, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman (2015). *The Pascal
#   visual object classes challenge: a retrospective.* International Journal of Computer Vision 111, 98–136.
#   [doi:10.1007/s11263-014-0733-5](https://doi.org/10.1007/s11263-014-0733-5)
# - J. Redmon, S. Divvala, R. Girshick, A. Farhadi (2016). *You only look once: unified, real-time object
#   detection.* CVPR. [arXiv:1506.02640](https://arxiv.org/abs/1506.02640)
# - W. Liu et al. (2016). *SSD: single shot multibox detector.* ECCV.
#   [arXiv:1512.02325](https://arxiv.org/abs/1512.02325)
# - A. Odena, V. Dumoulin, C. Olah (2016). *Deconvolution and checkerboard artifacts.* Distill.
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003)
# - F. Milletari, N. Navab, S.-A. Ahmadi (2016). *V-Net: fully convolutional neural networks for volumetric
#   medical image segmentation.* 3DV. [arXiv:1606.04797](https://arxiv.org/abs/1606.04797)
# - J. Redmon, A. Farhadi (2017). *YOLO9000: better, faster, stronger.* CVPR.
#   [arXiv:1612.08242](https://arxiv.org/abs/1612.08242)
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár (2017). *Focal loss for dense object detection.* ICCV.
#   [arXiv:1708.02002](https://arxiv.org/abs/1708.02002)
# - K. He, G. Gkioxari, P. Dollár, R. Girshick (2017). *Mask R-CNN.* ICCV.
#   [arXiv:1703.06870](https://arxiv.org/abs/1703.06870)
# - N. Bodla, B. Singh, R. Chellappa, L. S. Davis (2017). *Soft-NMS: improving object detection with one line
#   of code.* ICCV. [arXiv:1704.04503](https://arxiv.org/abs/1704.04503)
# - L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam (2018). *Encoder-decoder with atrous separable
#   convolution for semantic image segmentation.* ECCV. [arXiv:1802.02611](https://arxiv.org/abs/1802.02611)
# - J. Redmon, A. Farhadi (2018). *YOLOv3: an incremental improvement.*
#   [arXiv:1804.02767](https://arxiv.org/abs/1804.02767)
# - J. Buolamwini, T. Gebru (2018). *Gender shades: intersectional accuracy disparities in commercial gender
#   classification.* Proceedings of Machine Learning Research 81, 77–91.
#   <https://proceedings.mlr.press/v81/buolamwini18a.html>
# - A. Kirillov, K. He, R. Girshick, C. Rother, P. Dollár (2019). *Panoptic segmentation.* CVPR.
#   [arXiv:1801.00868](https://arxiv.org/abs/1801.00868)
# - M. A. Islam, S. Jia, N. D. B. Bruce (2020). *How much position information do convolutional neural
#   networks encode?* ICLR. [arXiv:2001.08248](https://arxiv.org/abs/2001.08248)
# - N. Carion, F. Massa, G. Synnaeve, N. Usunier, A. Kirillov, S. Zagoruyko (2020). *End-to-end object
#   detection with transformers.* ECCV. [arXiv:2005.12872](https://arxiv.org/abs/2005.12872)
# - A. Kirillov et al. (2023). *Segment anything.* ICCV. [arXiv:2304.02643](https://arxiv.org/abs/2304.02643)
