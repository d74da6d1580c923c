"""One call at the top of every notebook: seeds, the device in use, and how much to compute."""

from __future__ import annotations

import os
import platform
import random
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
        """Return the value for this budget; without a ``gpu`` value the one for ``cpu`` serves both.

        Examples
        --------
        >>> Budget("smoke").pick(smoke=1, cpu=12)
        1
        """
        if self.name == "smoke":
            return smoke
        return gpu if self.name == "gpu" and gpu is not None else cpu


def setup(seed: int, *, keras: bool = True) -> Budget:
    """Seed every random generator, say in one line what the notebook runs on, return its budget.

    Parameters
    ----------
    seed
        Seed for Python, NumPy and, with ``keras``, Keras and TensorFlow.
    keras
        Load Keras. ``False`` in a lesson that needs only NumPy: it then starts in a second,
        and its budget is ``cpu`` wherever it runs.

    Returns
    -------
    Budget
        Chosen by the device (``gpu`` if TensorFlow sees one, else ``cpu``), unless the
        environment variable ``NNLABS_BUDGET`` names another.

    Raises
    ------
    ValueError
        ``NNLABS_BUDGET`` is none of ``smoke``, ``cpu``, ``gpu``.
    RuntimeError
        Keras or its backend is not installed.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
    software, has_gpu = _setup_keras(seed) if keras else (f"NumPy {np.__version__}", False)
    budget = Budget(_budget_name(default="gpu" if has_gpu else "cpu"))
    device = "GPU" if has_gpu else f"CPU ({os.cpu_count()} cores)"
    print(
        f"nnlabs {nnlabs.__version__}, {software}, Python {platform.python_version()}, "
        f"{device}, budget: {budget.name}"
    )
    return budget


def _setup_keras(seed: int) -> tuple[str, bool]:
    """Load and seed Keras; tell its versions and whether there is a GPU."""
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise RuntimeError(
            f"Keras with TensorFlow cannot be loaded ({error}). "
            "Install the course: pip install -r requirements.txt"
        ) from None
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__}", bool(gpus)


def _budget_name(default: str) -> str:
    name = os.environ.get("NNLABS_BUDGET", "") or default
    if name not in BUDGETS:
        raise ValueError(f"NNLABS_BUDGET is {name!r}; it must be one of {', '.join(BUDGETS)}.")
    return name


class TargetMissedError(AssertionError):
    """A headline figure missed its target while targets are judged (``make test-full``)."""


def result(name: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    """Record a headline figure of the lesson as one line of the executed notebook.

    ``make results`` collects these lines into ``RESULTS.md``.

    Parameters
    ----------
    name
        Identifier of the figure, unique in its notebook, such as ``"mlp_test_accuracy"``.
    value
        What was measured.
    at_least, at_most
        The target, if there is one. In the ``smoke`` budget it is printed, not judged.

    Raises
    ------
    TargetMissedError
        The target is missed and ``NNLABS_TARGETS`` is ``strict``, as in ``make test-full``.
    """
    value = float(value)
    bounds = [
        (f"at least {at_least:g}", value >= at_least) if at_least is not None else None,
        (f"at most {at_most:g}", value <= at_most) if at_most is not None else None,
    ]
    bounds = [bound for bound in bounds if bound is not None]
    line = f"RESULT {name} = {value:.4g}"
    if not bounds:
        print(line)
        return
    reached = all(holds for _, holds in bounds)
    judged = os.environ.get("NNLABS_BUDGET") != "smoke"
    verdict = ("reached" if reached else "missed") if judged else "not judged in the smoke budget"
    line += f" (target: {' and '.join(text for text, _ in bounds)}; {verdict})"
    if judged and not reached and os.environ.get("NNLABS_TARGETS") == "strict":
        raise TargetMissedError(line)
    print(line)
