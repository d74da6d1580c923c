"""The networks that lessons have trained load, reproduce their figures, and refuse other models."""

import numpy as np
import pytest

from nnlabs import data, networks
from tools.course import CourseError, find_lesson, lessons

keras = pytest.importorskip("keras")


def test_lenet_reads_the_test_digits_as_in_its_lesson():
    mnist = data.mnist()
    model = networks.lenet()
    probabilities = model.predict(mnist.x_test[..., np.newaxis] / np.float32(255), batch_size=500, verbose=0)
    assert np.mean(probabilities.argmax(axis=1) == mnist.y_test) >= 0.99
    assert model.count_params() == 61_706
    assert model.get_layer("F6").output.shape == (None, 84)


def test_another_form_is_refused_and_left_as_it_was():
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    lenet = networks.lenet()
    part = keras.Model(lenet.layers[0].input, lenet.get_layer("F6").output)
    for model, file, told in [
        (other, "networks/lenet.npz", r"do not fit this model: number 0, .*\(3, 2\), in the file \(5, 5"),
        (part, "networks/lenet.npz", "it has 8 arrays, the file 10"),
        (other, "networks/lenet5.npz", "no trained network .*lenet5.*There are: .*lenet"),
    ]:
        before = model.get_weights()
        with pytest.raises(ValueError, match=told):
            networks.load_weights(model, file)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_each_network_that_ships_is_given_by_one_lesson(tmp_path):
    pytest.importorskip("jupytext")
    pytest.importorskip("tqdm")
    from tools import train

    given = [f"networks/{name}.npz" for lesson in lessons() for name in train.networks(lesson)]
    assert sorted(given) == sorted(name for name in data.checksums() if name.startswith("networks/"))
    with pytest.raises(CourseError, match="names no networks"):
        train.train(find_lesson("01"), tmp_path)
