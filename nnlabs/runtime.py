"""One call at the top of every notebook: seeds, the device in use, and how much to compute."""

from __future__ import annotations

import os
import platform
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import nnlabs

T = TypeVar("T")

BUDGETS = ("smoke", "cpu", "gpu")


@dataclass(frozen=True)
class Budget:
    """How much a notebook may compute: ``smoke`` (CI, seconds), ``cpu`` (a laptop) or ``gpu``."""

    name: Literal["smoke", "cpu", "gpu"]

    def pick(self, *, smoke: T, cpu: T, gpu: T | None = None) -> T:
        """Return the value for this budget; without a ``gpu`` value the one for ``cpu`` serves both."""
        if self.name == "smoke":
            return smoke
        return gpu if self.name == "gpu" and gpu is not None else cpu


def setup(seed: int, *, keras: bool = True) -> Budget:
    """Seed every random generator, say in one line what the notebook runs on, return its budget.

    ``keras=False`` is for a lesson that needs only NumPy: it then starts in a second, and its budget is
    ``cpu`` wherever it runs. Else the device chooses (``gpu`` if TensorFlow sees one), unless the environment
    variable ``NNLABS_BUDGET`` names another budget.
    """
    import numpy as np

    if keras:
        software, gpus = load_keras()
        from keras.utils import set_random_seed

        set_random_seed(seed)  # Python's and NumPy's generators too
    else:
        software, gpus = f"NumPy {np.__version__}", 0
        random.seed(seed)
        np.random.seed(seed)
    budget = Budget(_budget_name(default="gpu" if gpus else "cpu"))
    device = "GPU" if gpus else f"CPU ({os.cpu_count()} cores)"
    print(
        f"nnlabs {nnlabs.__version__}, {software}, Python {platform.python_version()}, "
        f"{device}, budget: {budget.name}"
    )
    return budget


def load_keras() -> tuple[str, int]:
    """Load Keras and TensorFlow without their start-up log; return their versions and the number of GPUs.

    Keras then has the settings that the lessons are written for, whatever ``~/.keras/keras.json`` says.
    """
    backend = os.environ.get("KERAS_BACKEND")
    if backend != "tensorflow":
        raise RuntimeError(f"The environment variable KERAS_BACKEND is {backend}; unset it, and start again.")
    try:
        with _silent_stderr():
            import keras
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        # GPUs would round the factors of a matrix product to 10 bits; the lessons compare to 1e-6.
        tf.config.experimental.enable_tensor_float_32_execution(False)
    except ImportError as error:
        raise RuntimeError(
            f"Keras with TensorFlow cannot be loaded ({error}). "
            "Install the course: pip install -r requirements.txt"
        ) from None
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__}", len(gpus)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to the process's standard error.

    TensorFlow's libraries write there while they are loaded, past Python's ``sys.stderr``, and
    from version 2.21 on some lines in spite of ``TF_CPP_MIN_LOG_LEVEL``.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _budget_name(default: str) -> str:
    name = os.environ.get("NNLABS_BUDGET", "") or default
    if name not in BUDGETS:
        raise ValueError(f"NNLABS_BUDGET is {name!r}; it must be one of {', '.join(BUDGETS)}.")
    return name


class TargetMissedError(AssertionError):
    """A headline figure missed its target while targets are judged (``make test-full``)."""


def result(name: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    """Record a headline figure, of a ``name`` that is unique in its notebook, as one line of its output.

    ``make results`` collects these lines into ``RESULTS.md``. A target is printed, and judged unless the
    budget is ``smoke``; a missed one raises where ``NNLABS_TARGETS`` is ``strict``, as in ``make test-full``.
    """
    value = float(value)
    target = [
        *([f"at least {at_least:g}"] if at_least is not None else []),
        *([f"at most {at_most:g}"] if at_most is not None else []),
    ]
    line = f"RESULT {name} = {value:.4g}"
    if not target:
        print(line)
        return
    reached = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    judged = os.environ.get("NNLABS_BUDGET") != "smoke"
    verdict = ("reached" if reached else "missed") if judged else "not judged in the smoke budget"
    line += f" (target: {' and '.join(target)}; {verdict})"
    if verdict == "missed" and os.environ.get("NNLABS_TARGETS") == "strict":
        raise TargetMissedError(line)
    print(line)
