"""Shared figures: what is drawn is what was given, and every figure has its alternative text."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nnlabs import plots
from tests.nnlabs.conftest import seen_and_heard


def test_show_displays_one_small_png_with_its_text_and_closes_the_figure(displayed):
    for _ in range(2):
        plots.history({"loss": [3, 2, 1]})
        plots.show("The loss falls.")
    data, _ = displayed[0]
    image, alt = seen_and_heard(data["text/html"])
    assert image.size == (576, 324)
    assert alt == "The loss falls."
    assert data["text/plain"] == "Figure: The loss falls."
    assert plt.get_fignums() == []
    assert displayed[1] == displayed[0], "the same figure has not the same bytes"


def test_what_cannot_be_drawn_is_told():
    with pytest.raises(ValueError, match="no figure"):
        plots.show("Nothing.")
    with pytest.raises(KeyError, match="it has 'loss'"):
        plots.history({"loss": [1]}, metric="accuracy")
    with pytest.raises(ValueError, match="alternative text"):
        plots.show("  ")
    with pytest.raises(ValueError, match=r"not \(8, 8\)"):
        plots.image_grid(np.zeros((8, 8)))


def test_history_draws_training_and_validation():
    ax = plots.history({"loss": [3, 2], "val_loss": [4, 3]})
    assert [line.get_label() for line in ax.lines] == ["training", "validation"]
    assert list(ax.lines[1].get_ydata()) == [4, 3]
    assert list(ax.lines[0].get_xdata()) == [1, 2]


@pytest.mark.parametrize(("shape", "rows"), [((12, 8, 8), 2), ((3, 8, 8, 1), 1), ((11, 8, 6, 3), 2)])
def test_image_grid_draws_every_image(shape, rows):
    titles = [str(i) for i in range(shape[0])]
    ax = plots.image_grid(np.random.default_rng(0).random(shape), titles=titles)
    assert len(ax.images) == shape[0]
    assert [text.get_text() for text in ax.texts] == titles
    assert len({image.get_extent()[2] for image in ax.images}) == rows


def test_decision_regions_show_predictions_and_points():
    x = np.array([[-1.0, 0], [1, 0], [-1, 1], [1, 1]])
    y = np.array([0, 1, 0, 1])
    ax = plots.decision_regions(lambda x: (x[:, 0] > 0).astype(int), x, y, resolution=20)
    regions = ax.collections[0].get_array().reshape(20, 20)
    assert (regions[:, :10] == 0).all()
    assert (regions[:, 10:] == 1).all()
    assert ax.get_legend_handles_labels()[1] == ["class 0", "class 1"]


def test_latent_scatter_names_each_class_where_it_is_alone():
    z, y = np.random.default_rng(0).random((200, 2)), np.arange(200) % 2
    z[:80] += np.where(y[:80, None], [0, 9], [9, 0])  # the other 120 are mixed
    names = {text.get_text(): text.get_position() for text in plots.latent_scatter(z, y, ["a", "b"]).texts}
    assert names == {"a": pytest.approx((9.5, 0.5), abs=0.5), "b": pytest.approx((0.5, 9.5), abs=0.5)}


def test_confusion_matrix_counts_true_classes_in_rows():
    ax = plots.confusion_matrix([0, 0, 1], [0, 1, 1])
    assert ax.images[0].get_array().tolist() == [[1, 1], [0, 1]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
