"""Minibatches for a training of our own."""

from itertools import islice

import numpy as np
import pytest

from nnlabs import training

keras = pytest.importorskip("keras")


def taken(count: int, *arguments: object, **options: object) -> list:
    return list(islice(training.minibatches(*arguments, **options).as_numpy_iterator(), count))


def test_each_pass_takes_every_example_once_in_another_order():
    batches = taken(5, (np.arange(25), 2 * np.arange(25)), 10)
    assert [len(x) for x, _ in batches] == [10] * 5  # the third is filled up from the next pass
    assert all(np.array_equal(y, 2 * x) for x, y in batches)  # arrays of a tuple stay together
    one, two = np.concatenate([x for x, _ in batches]).reshape(2, 25)
    np.testing.assert_array_equal(np.sort(one), np.arange(25))
    np.testing.assert_array_equal(np.sort(two), np.arange(25))
    assert np.any(one != two)


@pytest.mark.parametrize("seed", [None, 3])
def test_equal_seeds_give_equal_orders(seed):
    def order(global_seed: int) -> np.ndarray:
        keras.utils.set_random_seed(global_seed)
        return np.concatenate(taken(2, np.arange(20), 10, seed=seed))

    np.testing.assert_array_equal(order(1), order(1))
    assert np.any(order(1) != order(2))


def test_more_than_there_is_cannot_be_taken():
    with pytest.raises(ValueError, match="A minibatch of 5 cannot be taken from 4 examples"):
        training.minibatches(np.arange(4), 5)
