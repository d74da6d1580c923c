"""The mechanism of a check: run the student's object, answer in one line, go on.

An author writes the reference solution and decorates it::

    @exercise(
        cases=[(np.array([-2.0, 0.0, 3.0]),)],
        mistakes={"That is the other half of the line.": "maximum -> minimum"},
    )
    def relu(x):
        return np.maximum(0.0, x)

    @relu.case
    def at_zero(relu):
        '''relu of an integer'''
        return relu(np.array(0))

    @relu.property
    def no_upper_bound(relu):
        expect.close(relu(np.array(1e6)), 1e6, "relu(1e6)")

In the lab, ``relu = check.relu(relu)`` then prints one line. It returns the student's
function if that is right and the reference if it is not, so that the notebook goes on.
While nbgrader executes the notebook the check raises :class:`CheckFailedError` instead.
"""

from __future__ import annotations

import copy
import functools
import inspect
import linecache
import os
import random
import re
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlabs import progress
from nnlabs.checks import expect
from nnlabs.checks.notebook import Missing, exit_raises, shell
from nnlabs.checks.timing import Limit, TimeLimitError, time_limit

PRINTED_LINES = 20  # of what the student's code prints during a check
ERRORS = {  # what Python or Keras says → what a student can do
    "matmul|broadcast|Incompatible shapes": "write down the shapes of both sides",
    "has no attribute 'T'": "a Keras variable has no .T: ops.transpose.",
    "No gradients provided": "is the loss computed inside the tape's with block?",
    "[Ss]ymbolic": "inside a model use keras.ops, not NumPy, float() or len().",
    "None values not supp": "in a model the number of images is unknown: ops.mean, or ops.shape(x).",
    "same dtype": "one side is made of integers: ops.cast makes them float32.",
    "Unknown variable": "is each optimizer given the variables of its own network?",
    "'NoneType' object has no attribute 'numpy'": "a gradient is None: is all computed inside the tape?",
    "expecting 0 weights": "a layer has no weights before it knows its number of inputs: what tells it?",
    "compatible with provided weight": "a Keras kernel has a row for each input, a column for each neuron.",
    "must call `compile": "which loss, which optimiser?",
    "`target`": "do the labels fit the loss? Integers have one, vectors of zeros and a one another.",
}

Mistake = str | Sequence[str] | Callable


class CheckFailedError(AssertionError):
    """Raised in place of the printed line while nbgrader grades or validates the notebook."""


def load_keras() -> None:
    """Import Keras, and let it compute once, so that this is not counted as the student's time."""
    import keras

    keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)


KERAS = {"seconds": 60.0, "prepare": load_keras}  # options of an exercise that uses Keras


@dataclass(frozen=True)
class Failure:
    """The first test that an answer does not pass.

    Parameters
    ----------
    test
        Its number.
    problem
        What was expected and found, or the exception.
    hint
        The test's own hint; ``guessed`` if it was only guessed from the numbers.
    found
        What the answer gave, if the test is a case.
    """

    test: int
    problem: str
    hint: str = ""
    guessed: bool = True
    found: Any = None


class Exercise:
    """One exercise's check: a callable that takes the student's object and returns a usable one.

    Parameters
    ----------
    reference
        A right solution: a function or a class.
    cases
        Argument tuples. The student's function must return on each what the reference returns.
        The first one is printed when it fails: make it of a few small integers.
    mistakes
        Hint → the mistake: an edit of the reference's source, ``"old -> new"``; several edits; or a
        function with that mistake. The hint is given to who fails in the same test with the same result.
        Order matters: the first match wins.
    rtol, atol
        Tolerances of the comparison, as in :func:`nnlabs.checks.expect.close`.
    lists
        A list is as good as an array: nothing in the lab computes with the result.
    seconds
        Limit of the processor's time for all calls together.
    prepare
        Called before the time is counted: loads data or Keras.
    """

    def __init__(
        self,
        reference: Callable,
        *,
        cases: Iterable[tuple] = (),
        mistakes: Mapping[str, Mistake] | None = None,
        rtol: float = 1e-6,
        atol: float = 1e-8,
        lists: bool = False,
        seconds: float = 10.0,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        self.reference = reference
        self.name = reference.__name__
        self.__doc__ = reference.__doc__
        self.cases = list(cases)
        self.mistakes = dict(mistakes or {})
        self.compare = functools.partial(expect.close, rtol=rtol, atol=atol, lists=lists)
        self.seconds = seconds
        self.prepare = prepare
        self.expected: list[Callable[[], Any]] = []  # what the reference gives in each case
        self.tests: list[Callable[[Any], None]] = [self._arguments_test(case) for case in self.cases]

    def case(self, outcome: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Add a case: ``outcome`` of the student's object must be what it is of the reference.

        The first line of its docstring names what is compared. For what is no function of plain
        arguments: a class, a network, an optimiser's step.
        """
        what = (outcome.__doc__ or outcome.__name__).strip().splitlines()[0]
        self.tests.append(self._comparison(outcome, what))
        return outcome

    def property(self, test: Callable[[Any], None]) -> Callable[[Any], None]:
        """Add a test: it receives the student's object and raises through :mod:`expect`."""
        self.tests.append(test)
        return test

    def __call__(self, attempt: Any) -> Any:
        """Check ``attempt``, say the verdict in one line, and return it or the reference."""
        if attempt is self.reference:
            problem = "this is the course's own version: run your cell above, then this one."
            ending = ""
        else:
            problem = self.diagnose(attempt)
            ending = (
                f" The notebook goes on: `{self.name}` is now the course's own version, "
                "until you run your cell again."
            )
        if problem is None:
            print(f"{self.name}: passed.")
            if shell() and not os.environ.get("NBGRADER_EXECUTION"):
                progress.note(self.reference.__module__.rpartition(".")[2], self.name)
            return attempt
        if os.environ.get("NBGRADER_EXECUTION"):
            raise CheckFailedError(f"{self.name}: {problem}") from None
        print(f"{self.name}: {problem}{ending}")
        return self.reference

    def diagnose(self, attempt: Any) -> str | None:
        """Return what is wrong with ``attempt`` in one line, or None if nothing is."""
        if isinstance(attempt, Missing):
            return f"not done yet. There is no `{self.name}`: did your cell run, and is its name unchanged?"
        self.prepare()
        with _undisturbed():
            for expected in self.expected:
                expected()
        watched = _watched(attempt, self.name)
        try:
            self._check_kind(attempt)
            with _undisturbed(), _few_lines(), exit_raises(), time_limit(self.seconds) as limit:
                failure = self._failure(watched)
        except NotImplementedError:
            return "not done yet."
        except expect.WrongError as wrong:
            return f"not right yet. {wrong}"
        except TimeLimitError:
            return _too_long(limit, attempt)
        except SystemExit:
            return "not right yet. It calls exit(), which would end the notebook. Hint: use return."
        if failure is None:
            return None
        known = "" if failure.hint and not failure.guessed else self._known_mistake(failure)
        hint = known or failure.hint
        return f"not right yet. {failure.problem}" + (f" Hint: {hint}" if hint else "")

    def mistaken(self, hint: str) -> Callable:
        """Return the implementation with the mistake that ``hint`` tells."""
        mistake = self.mistakes[hint]
        return mistake if callable(mistake) else edited(self.reference, mistake)

    def _check_kind(self, attempt: Any) -> None:
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

    def _failure(self, attempt: Any, tests: int | None = None) -> Failure | None:
        """Return the first test that ``attempt`` does not pass, of the first ``tests``, or of all."""
        for number, test in enumerate(self.tests[:tests]):
            try:
                test(attempt)
            except expect.WrongError as wrong:
                return Failure(number, wrong.problem, wrong.hint, wrong.guessed, wrong.found)
            except Exception as error:
                if type(error) is NotImplementedError and not error.args:
                    raise
                problem, hint = _exception(error, attempt)
                return Failure(number, problem, hint, found=_plain(error))
        return None

    def _arguments_test(self, case: tuple) -> Callable[[Any], None]:
        call = f"{self.name}({_listed(case)})"
        sizes = {n for argument in case for n in getattr(argument, "shape", ())}
        return self._comparison(lambda attempt: attempt(*copy.deepcopy(case)), call, sizes)

    def _comparison(
        self, outcome: Callable[[Any], Any], what: str, sizes: Iterable[int] = ()
    ) -> Callable[[Any], None]:
        """Return the test that ``outcome`` is the same for the answer and for the reference."""
        expected = functools.cache(lambda: outcome(self.reference))
        self.expected.append(expected)

        def test(attempt: Any) -> None:
            right = expected()
            found = outcome(attempt)
            try:
                self.compare(found, right, what, sizes=sizes)
            except expect.WrongError as wrong:
                wrong.found = found
                raise

        return test

    def _known_mistake(self, failure: Failure) -> str:
        """Return the hint of the first mistake that fails in the same test with the same result."""
        with _undisturbed(), _few_lines(0):
            for hint in self.mistakes:
                try:
                    theirs = self._failure(_watched(self.mistaken(hint), self.name), failure.test + 1)
                except Exception:  # the mistake ends in another way
                    continue
                if theirs and theirs.test == failure.test and self._alike(theirs, failure):
                    return hint
        return ""

    def _alike(self, left: Failure, right: Failure) -> bool:
        if left.found is None and right.found is None:
            return left.problem == right.problem
        return expect.same(right.found, left.found, compare=self.compare)


def exercise(**options: Any) -> Callable[[Callable], Exercise]:
    """Turn a reference solution into its :class:`Exercise`; the options are that class's."""
    return lambda reference: Exercise(reference, **options)


def edited(reference: Callable, edits: str | Sequence[str]) -> Callable:
    """Return ``reference`` with its source changed by ``edits``, each ``"old -> new"`` for every ``old``.

    Raises
    ------
    ValueError
        An edit is not of that form, or its ``old`` is not in the source.
    """
    source = textwrap.dedent(inspect.getsource(reference))
    source = source[re.search(r"^(def|class) ", source, flags=re.MULTILINE).start() :]
    for edit in [edits] if isinstance(edits, str) else edits:
        old, arrow, new = edit.partition(" -> ")
        if not arrow:
            raise ValueError(f"{reference.__name__}: the edit {edit!r} has no ' -> '.")
        if old not in source:
            raise ValueError(f"{reference.__name__}: `{old}` of the edit {edit!r} is not in the reference.")
        source = source.replace(old, new)
    namespace = dict(vars(sys.modules[reference.__module__]))
    exec(compile(f"from __future__ import annotations\n{source}", "<mistake>", "exec"), namespace)
    return namespace[reference.__name__]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep warnings away, and what the code does to the random generators."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextmanager
def _few_lines(limit: int = PRINTED_LINES) -> Iterator[None]:
    """Pass on the first lines that are printed, and tell how many there were more."""
    out, lines = sys.stdout, 0

    class Head:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            nonlocal lines
            for line in text.splitlines(keepends=True):
                if lines < limit:
                    out.write(line)
                lines += line.endswith("\n")
            return len(text)

        def flush(self) -> None:
            out.flush()

    try:
        with redirect_stdout(Head()):
            yield
    finally:
        if lines > limit > 0:
            out.write(f"... and {lines - limit} more lines.\n")


def _watched(attempt: Any, name: str) -> Any:
    """Return ``attempt`` so that each call tells a changed argument; ``.call`` is the last call's text."""
    if not callable(attempt) or inspect.isclass(attempt):
        return attempt

    @functools.wraps(attempt)
    def watched(*arguments: Any, **named: Any) -> Any:
        watched.call = f"{name}({_listed(arguments)})"
        before = _snapshot((arguments, named))
        result = attempt(*arguments, **named)
        watched.gave_none = result is None
        if not _unchanged(before, (arguments, named)):
            raise expect.WrongError(
                f"{watched.call} changes its argument.", "make a new array, or copy the argument first."
            )
        return result

    return watched


def _snapshot(value: Any) -> Any:
    """Return a copy of the arrays in ``value`` and of the lists, tuples and dictionaries around them."""
    if type(value) is np.ndarray:
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(_snapshot, value))
    if type(value) is dict:
        return {key: _snapshot(item) for key, item in value.items()}
    return value


def _unchanged(before: Any, after: Any) -> bool:
    if type(before) is np.ndarray:
        if before.dtype.kind not in "fc":
            return np.array_equal(before, after)
        up_to_rounding = {"rtol": 1e-9, "atol": 0.0, "equal_nan": True}  # an entry moved and put back
        return before.shape == after.shape and np.allclose(before, after, **up_to_rounding)
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if type(before) is dict:
        return before.keys() == after.keys() and all(_unchanged(before[key], after[key]) for key in before)
    return before is after


def _listed(arguments: Iterable) -> str:
    return ", ".join(map(expect.brief, arguments))


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


def _too_long(limit: Limit, attempt: Any) -> str:
    if not limit.by_computing:
        return (
            f"stopped after {limit.waited:.0f} s, of which it computed for {limit.computed:.0f} s. "
            "Hint: does it wait for something? If the machine is busy, run this cell again."
        )
    loops = re.search(r"^\s*while\b", "".join(_source(attempt)), flags=re.MULTILINE)
    hint = (
        "is there a loop whose condition never becomes false?"
        if loops
        else "is there a loop or an array that is much larger than the task needs?"
    )
    return f"stopped: it used {limit.computed:.0f} s of computing. Hint: {hint}"


def _exception(error: Exception, attempt: Any) -> tuple[str, str]:
    """Tell an exception of the student's code in one line, with the line of their cell; and a hint."""
    message = _plain(error)
    hint = next((hint for sign, hint in ERRORS.items() if re.search(sign, message)), "")
    file = _source_file(inspect.unwrap(attempt))
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    call = getattr(attempt, "call", "")
    case = f", for {call}" if call else ""
    if not lines and getattr(attempt, "gave_none", False):
        return f"{call} returns None.", "is the return statement missing?"
    if not lines:
        return f"It stops with {message}{case}.", hint
    number = lines[-1].lineno
    code = linecache.getline(file, number).strip()
    return f"It stops at line {number} of its cell, `{code}`, with {message}{case}.", hint


def _plain(error: Exception) -> str:
    message = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(str(error).split())).rstrip(".")
    if len(message) > 200:
        message = f"{message[:200].rpartition(' ')[0]} ..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _source(attempt: Any) -> list[str]:
    try:
        return inspect.getsourcelines(attempt)[0]
    except (TypeError, OSError):
        return []


def _source_file(attempt: Any) -> str:
    try:
        return inspect.getfile(attempt)
    except (TypeError, OSError):
        pass
    for member in vars(attempt).values() if inspect.isclass(attempt) else ():
        if inspect.isfunction(member):
            return member.__code__.co_filename
    return ""
