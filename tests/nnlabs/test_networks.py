"""The networks that lessons have trained load, reproduce their figures, and refuse other models."""

from __future__ import annotations

import numpy as np
import pytest

from nnlabs import data, networks
from tools.course import CourseError, find_lesson, lessons

keras = pytest.importorskip("keras")

SHIPPED = sorted(name for name in data.checksums() if name.startswith("networks/"))


def test_lenet_reads_the_test_digits_as_in_its_lesson():
    mnist = data.mnist()
    model = networks.lenet()
    probabilities = model.predict(mnist.x_test[..., np.newaxis] / np.float32(255), batch_size=500, verbose=0)
    assert probabilities.shape == (10_000, 10)
    assert np.mean(probabilities.argmax(axis=1) == mnist.y_test) >= 0.99
    assert model.count_params() == 61_706
    assert model.get_layer("F6").output.shape == (None, 84)


def test_another_form_is_refused_and_left_as_it_was():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"do not fit this model: number 0, .*\(3, 2\), in the file \(5, 5"):
        networks.load_weights(model, "lenet")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_model_of_fewer_weights_is_refused():
    lenet = networks.lenet()
    part = keras.Model(lenet.layers[0].input, lenet.get_layer("F6").output)
    with pytest.raises(ValueError, match="it has 8 arrays, the file 10"):
        networks.load_weights(part, "lenet")


def test_an_unknown_network_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no trained network 'lenet5'. There are: .*lenet"):
        networks.load_weights(keras.Sequential(), "lenet5")


@pytest.fixture
def train():
    for package in ("jupytext", "tqdm"):
        pytest.importorskip(package)
    from tools import train

    return train


def test_each_network_that_ships_is_given_by_one_lesson(train):
    given = [f"networks/{name}.npz" for lesson in lessons() for name in train.networks(lesson)]
    assert sorted(given) == SHIPPED


def test_a_lesson_that_gives_no_network_is_told(train, tmp_path):
    with pytest.raises(CourseError, match="names no networks"):
        train.train(find_lesson("01"), tmp_path)
