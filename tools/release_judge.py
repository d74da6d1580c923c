"""The graded form of a check: it judges by stored results, and holds no solution.

``python -m tools.release LAB --graded`` copies this file into the released package as
``nnlabs/checks/judge.py``. The lab's check module beside it is generated: where the course's own
module computes what is right (or what a known mistake gives), the generated one looks up what was
computed when the lab was released. What is not stored is judged when the lab is handed in.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from nnlabs.checks.exercise import CheckFailedError, Exercise

LATER = "is judged when it is handed in."
MORE = "passed. More is tested when it is handed in."
DIGITS = 9  # of an argument's mantissa: machines differ in the last bits of a computed number


class NotStoredError(ValueError):
    """A result was not stored; a value error, because a table of known mistakes passes over these."""


class NotDataError(Exception):
    """A thing is no data: it is neither made of numbers, strings and arrays, nor a named function."""


# ---------------------------------------------------------------- what can be stored


def function_name(function: Any, module: Any) -> str | None:
    """Return the name under which ``function`` is found again: in ``module``, or in NumPy."""
    if isinstance(getattr(function, "stored_key", None), str):
        return function.stored_key
    if not isinstance(function, (FunctionType, BuiltinFunctionType, np.ufunc)):
        return None
    for name, value in vars(module).items():
        if value is function:
            return name
    name = function.__name__
    return f"numpy.{name}" if name and getattr(np, name, None) is function else None


def _is_tensor(value: Any) -> bool:
    """Tell whether ``value`` is a tensor of Keras's backend, without loading Keras."""
    return hasattr(value, "numpy") and hasattr(value, "dtype") and type(value).__name__ == "EagerTensor"


def digest(value: Any, module: Any) -> str:
    """Return a hash of arguments that does not depend on the last bits of their numbers."""
    state = hashlib.sha256()
    _update(state, value, module)
    return state.hexdigest()[:16]


def _update(state: Any, value: Any, module: Any) -> None:
    value = value.numpy() if _is_tensor(value) else value
    if isinstance(value, np.random.Generator):
        state.update(f"G{value.bit_generator.state}".encode())
    elif value is None or isinstance(value, (str, bool)):
        state.update(repr(value).encode())
    elif isinstance(value, (int, float, complex, np.ndarray, np.generic)):
        _update_numbers(state, np.asarray(value))
    elif isinstance(value, (list, tuple)):
        state.update(f"[{len(value)}".encode())
        for part in value:
            _update(state, part, module)
    elif isinstance(value, dict):
        state.update(f"{{{len(value)}".encode())
        for key, part in value.items():
            _update(state, key, module)
            _update(state, part, module)
    elif name := function_name(value, module):
        state.update(f"F{name}".encode())
    else:
        raise NotDataError


def _update_numbers(state: Any, array: np.ndarray) -> None:
    if array.dtype.kind not in "biufc":
        raise NotDataError
    state.update(f"{array.shape}".encode())
    if array.dtype.kind in "biu":
        array = array.astype(np.float64)
    for part in (array.real, array.imag) if array.dtype.kind == "c" else (array,):
        mantissa, exponent = np.frexp(np.asarray(part, dtype=np.float64))
        rounded = np.ldexp(np.round(mantissa, DIGITS), exponent) + 0.0  # no negative zero
        state.update(np.ascontiguousarray(rounded).tobytes())


class Encoder:
    """Turn values into JSON, with the arrays aside."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.arrays: list[np.ndarray] = []

    def encode(self, value: Any) -> Any:
        """Return ``value`` as JSON, or raise :class:`NotDataError`."""
        if value is None or isinstance(value, (str, bool)) or type(value) in (int, float):
            return value
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
            self.arrays.append(np.asarray(value))
            return {"array": len(self.arrays) - 1, "scalar": isinstance(value, np.generic)}
        if _is_tensor(value):
            return self.encode(np.asarray(value)) | {"tensor": True}
        if type(value) in (list, tuple):
            return {type(value).__name__: [self.encode(part) for part in value]}
        if type(value) is dict:
            return {"dict": [[self.encode(key), self.encode(part)] for key, part in value.items()]}
        if isinstance(value, np.random.Generator) and type(value.bit_generator) is np.random.PCG64:
            return {"generator": value.bit_generator.state}
        name = function_name(value, self.module)
        if name and (name.startswith("numpy.") or name in vars(self.module)):
            return {"function": name}
        raise NotDataError


# ---------------------------------------------------------------- the generated module's store


class Store:
    """What was computed at release for one check module: results, constants, cases, hints.

    Parameters
    ----------
    module
        The name of the generated module, whose file has the store's two files beside it.
    """

    def __init__(self, module: str) -> None:
        self.module = sys.modules[module]
        path = Path(self.module.__file__)
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        self.results, self.values, self.exercises = (
            content[key] for key in ("results", "values", "exercises")
        )
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            self.arrays = dict(arrays)

    def decode(self, code: Any) -> Any:
        """Return the value that :class:`Encoder` encoded."""
        if not isinstance(code, dict):
            return code
        if "array" in code:
            array = self.arrays[str(code["array"])]
            if "tensor" in code:
                return importlib.import_module("keras").ops.convert_to_tensor(array)
            return array[()] if code["scalar"] else array.copy()
        if "list" in code:
            return [self.decode(part) for part in code["list"]]
        if "tuple" in code:
            return tuple(self.decode(part) for part in code["tuple"])
        if "dict" in code:
            return {self.decode(key): self.decode(part) for key, part in code["dict"]}
        if "generator" in code:
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = code["generator"]
            return generator
        return self._function(code["function"])

    def _function(self, name: str) -> Callable:
        if name.startswith("numpy."):
            return getattr(importlib.import_module("numpy"), name.removeprefix("numpy."))
        return getattr(self.module, name)

    def value(self, name: str) -> Any:
        """Return a constant of the course's module."""
        return self.decode(self.values[name])

    def lookup(self, key: str) -> Callable:
        """Return a function that looks up its result in place of computing it."""

        def stored(*args: Any, **kwargs: Any) -> Any:
            try:
                code = self.results[key][digest([args, kwargs], self.module)]
            except (KeyError, NotDataError):
                raise NotStoredError(f"{key} is not stored for these arguments") from None
            return self.decode(code)

        stored.stored_key = key
        return stored

    def function(self, outline: Callable) -> Callable:
        """Decorate a function without a body: its results are looked up."""
        return self._stored(outline, outline.__name__)

    def _stored(self, outline: Callable, key: str) -> Callable:
        stored = functools.wraps(outline)(self.lookup(key))
        stored.stored_key = key
        return stored

    def mistakes(self, table: str) -> dict[str, Callable]:
        """Return a table of hints and mistakes, the mistakes' results looked up."""
        return {hint: self.lookup(f"{table}[{i}]") for i, hint in enumerate(self.values[table])}

    def exercise(self, outline: Callable) -> Judge:
        """Decorate a reference without a body: its :class:`Judge`, with cases and hints as stored."""
        told = self.exercises[outline.__name__]
        reference = (
            outline if inspect.isclass(outline) else self._stored(outline, f"{outline.__name__}.reference")
        )
        return Judge(
            reference,
            cases=[self.decode(case) for case in told["cases"]],
            mistakes=self.mistakes(f"{outline.__name__}.mistakes"),
            rtol=told["rtol"],
            atol=told["atol"],
            seconds=told["seconds"],
            more=told["more"],
        )


# ---------------------------------------------------------------- the check


class Judge(Exercise):
    """A check that judges by stored results, and returns the student's object whatever the verdict.

    Parameters
    ----------
    more
        Whether cases or tests of the course's own check are left out here.
    """

    def __init__(
        self, reference: Callable, *, cases: list, mistakes: Mapping, more: bool, **options: Any
    ) -> None:
        super().__init__(reference, cases=cases, mistakes=mistakes, **options)
        self.more = more
        self.tested = False

    def __call__(self, attempt: Any) -> Any:
        """Check ``attempt``, say the verdict in one line, and return ``attempt``."""
        self.tested, more = False, self.more
        problem = self.diagnose(attempt)
        if problem is None:
            verdict = (MORE if more or self.more else "passed.") if self.tested else LATER
            print(f"{self.name}: {verdict}")
        elif os.environ.get("NBGRADER_EXECUTION"):
            raise CheckFailedError(f"{self.name}: {problem}") from None
        else:
            print(f"{self.name}: {problem} The notebook goes on with your own version.")
        self.more = more
        return attempt

    def property(self, test: Callable[[Any], None]) -> Callable[[Any], None]:
        """Add a test, which does not count where it needs a result that is not stored."""

        @functools.wraps(test)
        def stored_test(attempt: Any) -> None:
            self._count(test, attempt)

        self.properties.append(stored_test)
        return test

    def _test(self, attempt: Any) -> None:
        if not self.cases and not self.properties and _is_empty(attempt):
            raise NotImplementedError
        super()._test(attempt)

    def _test_case(self, attempt: Callable, case: tuple) -> None:
        self._count(super()._test_case, attempt, case)

    def _count(self, test: Callable, *arguments: Any) -> None:
        try:
            test(*arguments)
        except NotStoredError:
            self.more = True
        else:
            self.tested = True


def _is_empty(attempt: Any) -> bool:
    """Tell whether a function is still as the lab gives it: it only raises NotImplementedError."""
    code = getattr(attempt, "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)
