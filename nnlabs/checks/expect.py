"""Expectations that a check states: each passes silently or raises one :class:`WrongError`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np


class WrongError(Exception):
    """An expectation is not met.

    Parameters
    ----------
    problem
        What was expected and what was found: whole sentences.
    hint
        The likely mistake, without the answer: a sentence or a question, printed after "Hint:".
    guessed
        The hint was only guessed from the numbers: a known mistake's hint is better.
    """

    def __init__(self, problem: str, hint: str = "", *, guessed: bool = False) -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint
        self.guessed = guessed
        self.found: Any = None  # what the answer gave, where the exercise compares it

    def __str__(self) -> str:
        return f"{self.problem} Hint: {self.hint}" if self.hint else self.problem


def true(condition: bool, problem: str, hint: str = "") -> None:
    """Raise unless ``condition`` holds."""
    if not condition:
        raise WrongError(problem, hint)


def array(found: Any, what: str) -> None:
    """Raise unless ``found`` is an array or a tensor, with which the lab's next cells can compute."""
    if not hasattr(found, "shape"):
        hint = "np.array makes an array of a list." if isinstance(found, (list, tuple)) else ""
        raise WrongError(f"{what}: expected an array, found {_a(found)}.", hint)


def numpy_array(found: Any, what: str) -> None:
    """Raise unless ``found`` is NumPy's: the lab's next cells use its methods."""
    hint = "is the return statement missing?" if found is None else "use NumPy for the whole computation."
    numpy = isinstance(found, (np.ndarray, np.generic))
    true(numpy, f"{what} should be a NumPy array, it is {brief(found)}.", hint)


def numpy_only(exercise: Any) -> Any:
    """Let the check of ``exercise`` demand a NumPy array for its last case; return it."""
    exercise.property(lambda attempt: numpy_array(attempt(*exercise.cases[-1]), f"{exercise.name}(...)"))
    return exercise


def close(
    found: Any,
    expected: Any,
    what: str,
    hint: str = "",
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    lists: bool = False,
    sizes: Iterable[int] = (),
) -> None:
    """Raise unless ``found`` has the structure, shape and values of ``expected``.

    ``expected`` may be a number, array or tensor, string, None, or a tuple, list or dictionary
    of these. ``what`` names the thing compared, such as ``"softmax(z)"``. A list in place of an array
    passes only with ``lists``. Where one side is float32, as what Keras computes, 1e-4 of the largest
    value is allowed. Without a ``hint`` one is guessed from how the two differ (transposed, a sign, a
    factor such as 2 or one of ``sizes``, ...).
    """
    options = {"rtol": rtol, "atol": atol, "lists": lists, "sizes": sizes}
    if found is None and expected is not None:
        raise WrongError(f"{what} returns None.", hint or "is the return statement missing?")
    if isinstance(expected, dict):
        true(
            isinstance(found, dict) and set(found) == set(expected),
            f"{what}: expected a dictionary with the keys {sorted(expected)}, found {brief(found)}.",
            hint,
        )
        for key in expected:
            close(found[key], expected[key], f"{what}[{key!r}]", hint, **options)
    elif isinstance(expected, (tuple, list)):
        found = _parts(found, expected, what, hint)
        for i, (part, expected_part) in enumerate(zip(found, expected, strict=True)):
            close(part, expected_part, f"{what}[{i}]", hint, **options)
    elif isinstance(expected, (str, bool, type(None))):
        true(
            type(found) in (type(expected), np.bool_) and found == expected,
            f"{what}: expected {expected!r}, found {brief(found)}.",
            hint,
        )
    else:
        _close_arrays(found, as_array(expected), what, hint, **options)


def _parts(found: Any, expected: Sequence, what: str, hint: str) -> Sequence:
    """Return the parts of ``found``: as many as ``expected`` has; an array of numbers unpacks alike."""
    numbers = (
        isinstance(found, np.ndarray) and found.ndim == 1 and all(np.ndim(part) == 0 for part in expected)
    )
    if not isinstance(found, (tuple, list)) and not numbers:
        problem = f"{what}: expected {len(expected)} values, found {brief(found)}."
        is_array = hasattr(found, "shape") and len(expected) > 1
        guess = "a tuple is wanted, this is one array." if is_array else _HOW_MANY
        raise WrongError(problem, hint or guess, guessed=not hint)
    if len(found) != len(expected):
        problem = f"{what}: expected {len(expected)} values, found {len(found)}: {brief(found)}."
        raise WrongError(problem, hint or _HOW_MANY, guessed=not hint)
    return found


_HOW_MANY = "how many things does the docstring say it returns?"


def _close_arrays(
    found: Any,
    expected: np.ndarray,
    what: str,
    hint: str,
    *,
    rtol: float,
    atol: float,
    lists: bool,
    sizes: Iterable[int],
) -> None:
    if expected.ndim and not lists and isinstance(found, (list, tuple)):
        array(found, what)
    values = as_array(found)
    if values.dtype.kind not in "biufc":
        raise WrongError(f"{what}: expected numbers, found {brief(found)}.", hint)
    if values.shape != expected.shape:
        problem = f"{what}: expected {_shape(expected)}, found {_shape(values)}."
        raise WrongError(problem, hint or _shape_hint(values, expected), guessed=not hint)
    if min(_precision(values), _precision(expected)) < _DOUBLE:
        rtol, atol = max(rtol, 1e-4), max(atol, 1e-4 * _largest(expected))
    different = ~np.isclose(values, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not different.any():
        return
    guess = hint or _value_hint(values, expected, set(sizes))
    if values.size <= 4:
        right, wrong = _apart(expected, values)
        raise WrongError(f"{what}: expected {right}, found {wrong}.", guess, guessed=not hint)
    index = tuple(int(i) for i in np.argwhere(different)[0])
    place = index[0] if len(index) == 1 else index
    right, wrong = _apart(expected[index], values[index])
    raise WrongError(f"{what}: at index {place} expected {right}, found {wrong}.", guess, guessed=not hint)


_DOUBLE = 52  # bits of a float64's mantissa


def _precision(values: np.ndarray) -> int:
    """Return the bits of the mantissa; integers are exact."""
    return np.finfo(values.dtype).nmant if values.dtype.kind in "fc" else _DOUBLE


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _apart(expected: Any, found: Any) -> tuple[str, str]:
    """Show both with as many digits as are needed to see that they differ."""
    for digits in (4, 6, 8, 11, 17):
        right, wrong = brief(expected, digits=digits), brief(found, digits=digits)
        if right != wrong:
            break
    return right, wrong


def _shape(values: np.ndarray) -> str:
    return f"shape {values.shape}" if values.shape else "one number"


def _shape_hint(found: np.ndarray, expected: np.ndarray) -> str:
    if found.ndim == expected.ndim and found.shape == expected.shape[::-1]:
        return "it looks transposed."
    if [n for n in found.shape if n != 1] == [n for n in expected.shape if n != 1]:
        return "the values may be right, but an axis of length 1 is missing or too many."
    if found.size == expected.size:
        return "the number of values is right, their arrangement is not."
    if found.ndim > expected.ndim:
        return "is there a sum or a mean missing, or over the wrong axis?"
    if found.ndim < expected.ndim:
        return "is there a sum or a mean over one axis too many?"
    axes = [
        axis for axis, (n, right) in enumerate(zip(found.shape, expected.shape, strict=True)) if n != right
    ]
    return f"what should axis {axes[0]} count?"


def _value_hint(found: np.ndarray, expected: np.ndarray, sizes: set[int]) -> str:
    """Guess the mistake from the numbers alone, without telling the answer."""
    if not np.isfinite(found).all():
        return "some values are not finite: a division by zero, a logarithm of zero or an overflow."
    if found.ndim == 2 and found.shape == found.T.shape and np.allclose(found.T, expected):
        return "it looks transposed."
    if expected.dtype.kind in "iub":  # counts and positions: a factor would be chance
        return ""
    if np.allclose(found, -expected):
        return "the sign is reversed."
    difference, scale = float(np.abs(found - expected).max()), _largest(expected)
    if difference < 1e-3 * scale:
        return (
            f"almost right: the largest difference is {difference:.1g}. Is something rounded or approximated?"
        )
    of_integers = found.size > 1 and found.dtype.kind in "iub"
    if of_integers and any(np.array_equal(found, rounded(expected)) for rounded in (np.trunc, np.rint)):
        return "the result is made of integers: is the array created with dtype float?"
    several = np.unique(expected).size >= 3
    factor = _factor(found, expected)
    if factor and (several or _is_simple(factor, {2, 100, *sizes})):
        every = "every value" if found.size > 1 else "the value"
        return (
            f"{every} is {factor:.4g} times what is expected: "
            "a factor is missing or too many, or a mean stands for a sum."
        )
    if several and np.allclose(found - expected, (found - expected).flat[0]):
        return "every value is off by the same amount: is a term, such as the bias, missing or added twice?"
    return ""


def _factor(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the number that every expected value is multiplied by, or 0."""
    nonzero = expected != 0
    if not nonzero.any() or not np.allclose(found[~nonzero], 0):
        return 0.0
    ratios = found[nonzero] / expected[nonzero]
    return float(ratios.flat[0].real) if np.allclose(ratios, ratios.flat[0]) else 0.0


def _is_simple(factor: float, sizes: set[int]) -> bool:
    return any(np.isclose(factor, simple) for n in sizes if n > 1 for simple in (n, 1 / n))


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


def same(left: Any, right: Any, *, compare: Callable = close) -> bool:
    """Tell whether ``compare`` accepts ``left`` in place of ``right``; objects compare by identity."""
    if left is right:
        return True
    try:
        compare(left, right, "")
    except WrongError:
        return callable(left) and callable(right)  # a copied function argument is still the same function
    return True


def uses_generator(draw: Callable[[np.random.Generator], Any], what: str) -> None:
    """Raise unless ``draw(rng)`` takes all its random numbers from ``rng``; ``what`` names its result."""
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (7, 7, 8))
    true(
        same(first, again),
        f"Two generators with the same seed give different {what}.",
        "draw everything from rng.",
    )
    rng = np.random.default_rng(7)
    true(
        not same(other, first) and not same(draw(rng), draw(rng)),
        f"Another rng, or a second call with the same one, gives the same {what}.",
        "use the rng that is given; a new generator begins again.",
    )


def no_loop(call: Callable[[int], Any], what: str, hint: str, *, sizes: tuple[int, int] = (64, 128)) -> None:
    """Raise if ``call(n)`` on an image of n by n pixels takes steps for each pixel.

    Lines and calls of Python are counted, not seconds. Twice the side has four times the pixels: a loop
    over them takes close to four times the steps, one over the rows twice, array operations once.
    """
    small, large = (_steps(lambda n=n: call(n)) for n in sizes)
    true(large < 3 * small, f"{what} loops over the pixels.", hint)


def _steps(call: Callable[[], Any]) -> int:
    """Return how many lines and calls Python goes through in ``call()``."""
    steps = 0

    def count(*_: Any) -> Callable:
        nonlocal steps
        steps += 1
        return count

    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(count)
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
    return steps


def keras_model(found: Any, what: str, input_shape: tuple[int, ...], hint: str) -> Any:
    """Return ``found`` as a functional Keras model for samples of ``input_shape`` (channels last), or raise.

    ``what`` names the call that returned it; ``hint`` is for something that is no model. A model by
    subclassing that has been called or built is wrapped.
    """
    import keras

    true(
        isinstance(found, keras.Model),
        f"{what} should return a Keras model, it returns {brief(found)}.",
        "is the return statement missing?" if found is None else hint,
    )
    true(
        found.built and bool(found.weights),
        "The model does not know the shape of its input, so it has no weights yet.",
        "begin with keras.Input, or call the model once.",
    )
    if getattr(found, "inputs", None) is None:
        sample = keras.Input(input_shape)
        found = keras.Model(sample, found(sample))
    true(
        tuple(found.input_shape) == (None, *input_shape),
        f"Expected the input shape {(None, *input_shape)}, found {found.input_shape}.",
        "keras.Input takes the shape of one image (or other sample), with its channels.",
    )
    return found


def set_weights(model: Any, seed: int = 0) -> None:
    """Give a Keras model random weights that depend on nothing but their shapes.

    Two models that compute the same then have the same outputs, in whatever order their layers were
    made: weights of one shape have the same values. So have a 5x5 convolution that leaves one place and
    the dense layer that does the same. Variances are positive.
    """
    for weight in model.weights:
        shape = tuple(weight.shape)
        fan_in = int(np.prod(shape[:-1])) or 1
        values = np.random.default_rng([seed, fan_in, *shape[-1:]]).normal(size=shape) * np.sqrt(2 / fan_in)
        if len(shape) == 1:
            values = 1 + 0.3 * values if "gamma" in weight.path else 0.3 * np.abs(values)
        weight.assign(values)


def outputs(model: Any, images: np.ndarray, *, training: bool = False, seed: int = 0) -> dict[str, Any]:
    """Return what a Keras model computes of ``images`` with random weights, to be compared.

    The shapes of the weights (sorted) and of the output come first, so that they are told first.
    """
    set_weights(model, seed)
    output = as_array(model(images, training=training))
    shapes = sorted(tuple(weight.shape) for weight in model.weights)
    return {"weights": ", ".join(map(str, shapes)), "shape": str(output.shape), "output": output}


def in_training(attempt: Callable, *batch: np.ndarray) -> dict[str, Any]:
    """Return what ``attempt`` gives, compiled as in ``fit`` for any number of images, and its gradients."""
    import tensorflow as tf

    def step(*batch: Any) -> dict[str, Any]:
        with tf.GradientTape() as tape:
            tape.watch(batch)
            result = attempt(*batch)
        return {"result": result, "gradients": tape.gradient(result, batch, unconnected_gradients="zero")}

    sizes = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in batch]
    compiled = tf.function(step, autograph=False).get_concrete_function(*sizes)
    return compiled(*map(tf.constant, batch))


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
    except (ValueError, NotImplementedError):  # a ragged list, or a tensor without values
        return np.asarray(None)


def _a(thing: Any) -> str:
    name = type(thing).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def brief(value: Any, *, digits: int = 4, limit: int = 100) -> str:
    """Show ``value`` on one short line: small arrays whole, large ones by shape."""
    if callable(value) and not hasattr(value, "shape"):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, (float, np.floating)):
        return f"{value:.{digits}g}"
    if isinstance(value, np.random.Generator):
        return "rng"
    if isinstance(value, dict):
        return f"a dictionary with the keys {', '.join(map(repr, value))}"
    if isinstance(value, (list, tuple)) and all(hasattr(part, "shape") for part in value):
        inside = ", ".join(brief(part, digits=digits) for part in value)
        text = f"[{inside}]" if isinstance(value, list) else f"({inside})"
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        text = _brief_array(value, digits)
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _brief_array(value: Any, digits: int) -> str:
    values = as_array(value)
    if values.dtype == object:  # such as a Keras tensor, which has no values yet
        return f"{_a(value)} of shape {tuple(value.shape)}"
    if values.size > 12:
        return f"array of shape {values.shape}"
    number = {"float_kind": lambda x: f"{x:.{digits}g}"}
    return np.array2string(values, separator=", ", formatter=number, max_line_width=1000)
