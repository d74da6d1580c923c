"""The mechanism of a check: run the student's object, answer in one line, go on.

An author writes the reference solution and decorates it::

    @exercise(
        cases=[(np.array([-2.0, 0.0, 3.0]),)],
        mistakes={"the minimum keeps the negative part": lambda x: np.minimum(0, x)},
    )
    def relu(x):
        return np.maximum(0.0, x)

    @relu.property
    def no_upper_bound(relu):
        expect.close(relu(np.array(1e6)), 1e6, "relu(1e6)")

In the lab, ``relu = check.relu(relu)`` then prints one line. It returns the student's
function if that is right and the reference if it is not, so that the notebook goes on.
While nbgrader executes the notebook the check raises :class:`CheckFailedError` instead.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import os
import random
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from nnlabs.checks import expect
from nnlabs.checks.timing import TimeLimitError, time_limit

DEFAULT_SECONDS = 10.0
KERAS_SECONDS = 60.0  # the first call into TensorFlow can take many seconds on a busy machine


class CheckFailedError(AssertionError):
    """Raised in place of the printed line while nbgrader grades or validates the notebook."""


class Exercise:
    """One exercise's check: a callable that takes the student's object and returns a usable one.

    Parameters
    ----------
    reference
        A right solution: a function or a class.
    cases
        Argument tuples. The student's function must return on each what the reference returns.
    mistakes
        Hint → an implementation with that mistake. When it returns on the failing case what
        the student's function returned, its hint is given. Order matters: first match wins.
    rtol, atol
        Tolerances of the comparison, as in :func:`numpy.allclose`.
    seconds
        Time limit for the whole check.
    """

    def __init__(
        self,
        reference: Callable,
        *,
        cases: Iterable[tuple] = (),
        mistakes: Mapping[str, Callable] | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-8,
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        self.reference = reference
        self.name = reference.__name__
        self.__doc__ = reference.__doc__
        self.cases = list(cases)
        self.mistakes = dict(mistakes or {})
        self.properties: list[Callable[[Any], None]] = []
        self.rtol = rtol
        self.atol = atol
        self.seconds = seconds

    def property(self, test: Callable[[Any], None]) -> Callable[[Any], None]:
        """Add a test: it receives the student's object and raises through :mod:`expect`."""
        self.properties.append(test)
        return test

    def __call__(self, attempt: Any) -> Any:
        """Check ``attempt``, say the verdict in one line, and return it or the reference."""
        problem = self.diagnose(attempt)
        if problem is None:
            print(f"{self.name}: passed.")
            return attempt
        if os.environ.get("NBGRADER_EXECUTION"):
            raise CheckFailedError(f"{self.name}: {problem}") from None
        print(f"{self.name}: {problem} The notebook goes on with the course's own version.")
        return self.reference

    def diagnose(self, attempt: Any) -> str | None:
        """Return what is wrong with ``attempt`` in one line, or None if nothing is."""
        numpy_state, python_state = np.random.get_state(), random.getstate()
        try:
            with time_limit(self.seconds), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                self._test(attempt)
        except NotImplementedError:
            return "not done yet."
        except expect.WrongError as wrong:
            return f"not right yet. {wrong}"
        except TimeLimitError:
            return (
                f"stopped after {self.seconds:g} s. "
                "Hint: is there a loop whose condition never becomes false?"
            )
        except SystemExit:
            return "not right yet. It calls exit(), which would end the notebook. Hint: use return."
        except Exception as error:
            return f"not right yet. {_where(error, attempt)}"
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
        return None

    def _test(self, attempt: Any) -> None:
        if not callable(attempt):
            raise expect.WrongError(
                f"{self.name} should be a {_kind(self.reference)}, it is {expect.brief(attempt)}.",
                "was the name given to something else after the definition?",
            )
        if inspect.isclass(self.reference) and not inspect.isclass(attempt):
            raise expect.WrongError(f"{self.name} should be a class, it is a {_kind(attempt)}.")
        if not inspect.isclass(attempt):
            for case in self.cases or [_required_arguments(self.reference)]:
                _check_signature(attempt, self.reference, case)
        for case in self.cases:
            self._test_case(attempt, case)
        for test in self.properties:
            test(attempt)

    def _test_case(self, attempt: Callable, case: tuple) -> None:
        arguments = copy.deepcopy(case)
        found = attempt(*arguments)
        expected = self.reference(*copy.deepcopy(case))
        call = f"{self.name}({', '.join(expect.brief(argument) for argument in case)})"
        try:
            expect.close(found, expected, call, rtol=self.rtol, atol=self.atol)
        except expect.WrongError as wrong:
            raise expect.WrongError(wrong.problem, self._hint(found, case) or wrong.hint) from None
        for before, after in zip(case, arguments, strict=True):
            if not expect.same(before, after):
                raise expect.WrongError(
                    f"{call} changes its argument.", "make a new array, or copy the argument first."
                )

    def _hint(self, found: Any, case: tuple) -> str:
        """Return the hint of the first known mistake that gives what the student's function gave."""
        for hint, mistaken in self.mistakes.items():
            try:
                wrong_answer = mistaken(*copy.deepcopy(case))
            except Exception:  # the mistake does not apply to this case
                continue
            if expect.same(found, wrong_answer, rtol=self.rtol, atol=self.atol):
                return hint
        return ""


def exercise(**options: Any) -> Callable[[Callable], Exercise]:
    """Turn a reference solution into its :class:`Exercise`; the options are that class's."""
    return lambda reference: Exercise(reference, **options)


def _kind(thing: Any) -> str:
    return "class" if inspect.isclass(thing) else "function"


def _required_arguments(reference: Callable) -> tuple:
    """Return as many placeholders as ``reference`` has arguments without a default."""
    parameters = inspect.signature(reference).parameters.values()
    return tuple(None for parameter in parameters if parameter.default is parameter.empty)


def _check_signature(attempt: Callable, reference: Callable, case: tuple) -> None:
    try:
        inspect.signature(attempt).bind(*case)
    except TypeError:
        expected = ", ".join(inspect.signature(reference).parameters)
        found = ", ".join(inspect.signature(attempt).parameters)
        raise expect.WrongError(
            f"It should take ({expected}), it takes ({found}).", "keep the first line as it was given."
        ) from None
    except ValueError:  # a NumPy ufunc tells no signature
        return


def _where(error: Exception, attempt: Any) -> str:
    """Tell an exception of the student's code in one line, with the line of their cell."""
    message = " ".join(str(error).split())
    message = f"{type(error).__name__}: {message[:200]}" if message else type(error).__name__
    if isinstance(error, ValueError) and ("matmul" in message or "broadcast" in message):
        message += ". Hint: write down the shapes of both sides"
    file = _source_file(attempt)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if not lines:
        return f"It stops with {message}."
    number = lines[-1].lineno
    code = linecache.getline(file, number).strip()
    return f"It stops at line {number} of its cell, `{code}`, with {message}."


def _source_file(attempt: Any) -> str:
    try:
        return inspect.getfile(attempt)
    except (TypeError, OSError):
        pass
    for member in vars(attempt).values() if inspect.isclass(attempt) else ():
        if inspect.isfunction(member):
            return member.__code__.co_filename
    return ""
