"""What a training of our own needs around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


def minibatches(
    arrays: np.ndarray | tuple[np.ndarray, ...], size: int, seed: int | None = None
) -> tf.data.Dataset:
    """Return shuffled minibatches without end, for ``fit(..., steps_per_epoch=...)``.

    ``arrays`` is one array, or a tuple of arrays that belong together along their first axis. Within a pass
    over the data nothing comes twice; each pass has another order, given by ``seed`` or else by
    ``keras.utils.set_random_seed``. What is left over at the end of a pass is filled up from the next one, so
    that all batches have one shape.

    Notes
    -----
    ``fit(array, batch_size=...)`` starts TensorFlow's input pipeline anew for each epoch, with a thread
    that tunes it. That thread is not always woken when the epoch ends (seen with TensorFlow 2.21), and
    ``fit`` then waits until it looks again: up to as long as the epoch took. Here one pipeline serves all
    epochs, and is not tuned: to take rows of an array needs none of it.
    """
    import tensorflow as tf

    rows = len(arrays[0] if isinstance(arrays, tuple) else arrays)
    if size > rows:
        raise ValueError(f"A minibatch of {size} cannot be taken from {rows} examples.")
    options = tf.data.Options()
    options.autotune.enabled = False
    examples = tf.data.Dataset.from_tensor_slices(arrays).shuffle(rows, seed=seed).repeat()
    return examples.batch(size, drop_remainder=True).prefetch(2).with_options(options)
