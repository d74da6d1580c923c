"""Expectations that a check states: each passes silently or raises one :class:`WrongError`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

FLOAT32 = {"rtol": 1e-4, "atol": 1e-5}  # of results that Keras computes


class WrongError(Exception):
    """An expectation is not met.

    Parameters
    ----------
    problem
        What was expected and what was found: whole sentences.
    hint
        The likely mistake, without the answer: a sentence or a question, printed after "Hint:".
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem} Hint: {self.hint}" if self.hint else self.problem


def true(condition: bool, problem: str, hint: str = "") -> None:
    """Raise unless ``condition`` holds."""
    if not condition:
        raise WrongError(problem, hint)


def close(
    found: Any, expected: Any, what: str, hint: str = "", *, rtol: float = 1e-6, atol: float = 1e-8
) -> None:
    """Raise unless ``found`` has the structure, shape and values of ``expected``.

    ``expected`` may be a number, array or tensor, string, None, or a tuple, list or dictionary
    of these. ``what`` names the thing compared, such as ``"softmax(z)"``. Without a ``hint``
    one is guessed from how the two differ (transposed, a constant factor, a sign, ...).
    """
    if found is None and expected is not None:
        raise WrongError(f"{what} returns None.", hint or "is the return statement missing?")
    if isinstance(expected, dict):
        true(
            isinstance(found, dict) and set(found) == set(expected),
            f"{what}: expected a dictionary with the keys {sorted(expected)}, found {brief(found)}.",
            hint,
        )
        for key in expected:
            close(found[key], expected[key], f"{what}[{key!r}]", hint, rtol=rtol, atol=atol)
    elif isinstance(expected, (tuple, list)):
        true(
            isinstance(found, (tuple, list)) and len(found) == len(expected),
            f"{what}: expected {len(expected)} values, found {brief(found)}.",
            hint or "how many things does the docstring say it returns?",
        )
        for i, (part, expected_part) in enumerate(zip(found, expected, strict=True)):
            close(part, expected_part, f"{what}[{i}]", hint, rtol=rtol, atol=atol)
    elif isinstance(expected, (str, bool, type(None))):
        true(
            type(found) in (type(expected), np.bool_) and found == expected,
            f"{what}: expected {expected!r}, found {brief(found)}.",
            hint,
        )
    else:
        _close_arrays(found, expected, what, hint, rtol, atol)


def _close_arrays(found: Any, expected: Any, what: str, hint: str, rtol: float, atol: float) -> None:
    expected = as_array(expected)
    array = as_array(found)
    if array.dtype.kind not in "biufc":
        raise WrongError(f"{what}: expected numbers, found {brief(found)}.", hint)
    if array.shape != expected.shape:
        raise WrongError(
            f"{what}: expected {_shape(expected)}, found {_shape(array)}.",
            hint or _shape_hint(array, expected),
        )
    different = ~np.isclose(array, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not different.any():
        return
    if array.size <= 4:
        raise WrongError(
            f"{what}: expected {brief(expected)}, found {brief(array)}.", hint or _value_hint(array, expected)
        )
    index = tuple(int(i) for i in np.argwhere(different)[0])
    place = index[0] if len(index) == 1 else index
    raise WrongError(
        f"{what}: at index {place} expected {brief(expected[index])}, found {brief(array[index])}.",
        hint or _value_hint(array, expected),
    )


def _shape(array: np.ndarray) -> str:
    return f"shape {array.shape}" if array.shape else "one number"


def _shape_hint(found: np.ndarray, expected: np.ndarray) -> str:
    if found.ndim == expected.ndim and found.shape == expected.shape[::-1]:
        return "it looks transposed."
    if found.size == expected.size:
        return "the values may be right, but an axis of length 1 is missing or too many."
    if found.ndim > expected.ndim:
        return "is there a sum or a mean missing, or over the wrong axis?"
    if found.ndim < expected.ndim:
        return "is there a sum or a mean over one axis too many?"
    return "write down the shape of each factor."


def _value_hint(found: np.ndarray, expected: np.ndarray) -> str:
    """Guess the mistake from the numbers alone, without telling the answer."""
    if not np.isfinite(found).all():
        return "some values are not finite: a division by zero, a logarithm of zero or an overflow."
    if found.ndim == 2 and found.shape == found.T.shape and np.allclose(found.T, expected):
        return "it looks transposed."
    if np.allclose(found, -expected):
        return "the sign is reversed."
    if found.dtype.kind in "iu" and expected.dtype.kind == "f":
        return "the result is made of integers: is the array created with dtype float?"
    nonzero = expected != 0
    if nonzero.any():
        ratio = found[nonzero] / expected[nonzero]
        if np.allclose(ratio, ratio.flat[0]) and ratio.flat[0] != 0 and np.allclose(found[~nonzero], 0):
            return (
                f"every value is {ratio.flat[0]:.4g} times what is expected: "
                "a factor is missing or too many, or a mean stands for a sum."
            )
    offset = found - expected
    if found.size > 1 and np.allclose(offset, offset.flat[0]):
        return "every value is off by the same amount: is a term, such as the bias, missing or added twice?"
    return ""


def gradient(
    derivative: Any,
    function: Callable[[np.ndarray], float],
    at: np.ndarray,
    what: str,
    hint: str = "",
    *,
    step: float = 1e-5,
    rtol: float = 1e-5,
) -> None:
    """Raise unless ``derivative`` equals the central finite differences of ``function`` at ``at``.

    ``function`` maps a float64 array of the shape of ``at`` to one number; ``derivative`` has
    the shape of ``at``.
    """
    numeric = finite_differences(function, at, step)
    close(derivative, numeric, what, hint, rtol=rtol, atol=rtol * max(1.0, np.abs(numeric).max()))


def finite_differences(
    function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """Return (f(x + step) − f(x − step)) / (2 step) for each coordinate of ``at`` (float64)."""
    at = np.array(at, dtype=np.float64)
    numeric = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        shifted = np.zeros_like(at)
        shifted[index] = step
        numeric[index] = (float(function(at + shifted)) - float(function(at - shifted))) / (2 * step)
    return numeric


def same(left: Any, right: Any, *, rtol: float = 1e-6, atol: float = 1e-8) -> bool:
    """Tell whether :func:`close` accepts ``left`` in place of ``right``; objects compare by identity."""
    if left is right:
        return True
    try:
        close(left, right, "", rtol=rtol, atol=atol)
    except WrongError:
        return callable(left) and callable(right)  # a copied function argument is still the same function
    return True


def keras_model(found: Any, what: str, input_shape: tuple[int, ...], hint: str) -> None:
    """Raise unless ``found`` is a Keras model for images of ``input_shape``, channels last.

    ``what`` names the call that returned it; ``hint`` is for something that is no model.
    """
    import keras

    true(
        isinstance(found, keras.Model),
        f"{what} should return a Keras model, it returns {brief(found)}.",
        "is the return statement missing?" if found is None else hint,
    )
    true(
        found.built and found.inputs is not None,
        "The model does not know the shape of its input.",
        "begin with keras.Input.",
    )
    true(
        tuple(found.input_shape) == (None, *input_shape),
        f"Expected the input shape {(None, *input_shape)}, found {found.input_shape}.",
        "keras.Input takes the shape of one image, with its channel.",
    )


def symbolic(
    attempt: Callable,
    arguments: Sequence,
    shape: tuple,
    what: str,
    hint: str = "inside a model use keras.ops, not NumPy and not float().",
) -> None:
    """Raise unless ``attempt`` takes tensors without values, as a Keras model does, to one of ``shape``."""
    try:
        found = attempt(*arguments)
    except Exception as error:
        message = " ".join(str(error).split())[:80]
        problem = f"{what} works on arrays, but not in a Keras model: {type(error).__name__}: {message}."
        raise WrongError(problem, hint) from None
    is_tensor = hasattr(found, "shape") and not isinstance(found, (np.ndarray, np.generic))
    true(
        is_tensor and tuple(found.shape) == shape,
        f"{what} in a Keras model gives {brief(found)}; expected a tensor of shape {shape}.",
        hint,
    )


def as_array(value: Any) -> np.ndarray:
    """Return a number, list, array or tensor of any backend as a NumPy array."""
    if hasattr(value, "detach"):  # a PyTorch tensor
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except ValueError:  # a ragged list
        return np.asarray(None)


def brief(value: Any, limit: int = 60) -> str:
    """Show ``value`` on one short line: small arrays whole, large ones by shape."""
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return f"a dictionary with the keys {', '.join(map(repr, value))}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        array = as_array(value)
        if array.size > 6:
            return f"array of shape {array.shape}"
        text = np.array2string(array, precision=4, separator=", ", suppress_small=False)
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
