"""The graded form of a lab's checks: they judge, and hold neither references nor known mistakes.

The check module of the lab is taken apart by its syntax tree. Whatever a reference solution or a
known mistake calls is *secret*: its body is removed, and what it returns for the arguments that the
checks use is computed now and stored as data (JSON, and NumPy arrays without pickles). What does
not depend on it stays as it is. ``tools/release_judge.py`` looks the results up.

A case or a test that needs more than data can hold (a result that depends on the student's own
numbers, a model, a comparison of times) is left out, and told.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib.util
import io
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from nnlabs.checks.exercise import Exercise
from tools import release_judge
from tools.course import ROOT, CourseError
from tools.release_judge import Encoder, Judge, NotDataError, NotStoredError, digest

MOST_CALLS = 40  # of the student's function in one check, each of which is once made to go wrong
RECORDING_SECONDS = 600.0
SHIFT = 0.0123  # of a number, to make it wrong
OWN = "what it compares with depends on the student's own results"
TINY = 3e-8  # the same, but within the tolerance of a check, and more than the last bits of an argument


@dataclass
class Report:
    """What the graded form of one exercise keeps and what it leaves out."""

    name: str
    cases: int = 0
    tests: int = 0
    mistakes: int = 0
    recognised: int = 0
    left_out: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Tell it in words."""
        if not self.cases + self.tests:
            said = "is judged when it is handed in"
        else:
            said = (
                f"{self.cases} cases and {self.tests} tests, "
                f"{self.recognised} of {self.mistakes} known mistakes recognised"
            )
        return f"{self.name}: {said}" + (f"; left out: {'; '.join(self.left_out)}" if self.left_out else "")


# ---------------------------------------------------------------- the syntax tree


def names_in(node: ast.AST) -> set[str]:
    """Return all names that occur in ``node``."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def expectations(node: ast.AST) -> set[str]:
    """Return what ``node`` uses of ``nnlabs.checks.expect``."""
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "expect"
    }


def plain(node: ast.AST) -> str:
    """Return the syntax of a function's body, whatever its names, docstring and annotations are."""
    node = copy.deepcopy(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        body = node.body if isinstance(node.body, list) else [ast.Return(node.body)]
        arguments = [part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)]
    else:
        body, arguments = [node], []
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    local = dict.fromkeys(arguments)
    for statement in body:
        for part in ast.walk(statement):
            if isinstance(part, ast.arg):
                local.setdefault(part.arg)
                part.annotation = None
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                local.setdefault(part.id)
    numbers = {name: f"_{i}" for i, name in enumerate(local)}
    for statement in body:
        for part in ast.walk(statement):
            if isinstance(part, ast.Name):
                part.id = numbers.get(part.id, part.id)
                part.ctx = ast.Load()
            elif isinstance(part, ast.arg):
                part.arg = numbers[part.arg]
    return "\n".join(ast.dump(statement) for statement in body)


class Source:
    """The statements of a check module, and which of them are secret."""

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self.defined: dict[str, ast.stmt] = {}
        self.exercises: dict[str, ast.FunctionDef | ast.ClassDef] = {}
        self.properties: dict[str, list[ast.FunctionDef]] = {}
        for statement in self.tree.body:
            self._sort(statement)

    def _sort(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            for decorator in statement.decorator_list:
                if isinstance(decorator, ast.Call) and names_in(decorator.func) & {"exercise", "Exercise"}:
                    self.exercises[statement.name] = statement
                    return
                if isinstance(decorator, ast.Attribute) and decorator.attr == "property":
                    self.properties.setdefault(decorator.value.id, []).append(statement)
                    return
            self.defined[statement.name] = statement
        elif (
            isinstance(statement, ast.Assign)
            and isinstance(statement.value, ast.Call)
            and (
                isinstance(statement.value.func, ast.Call)
                and names_in(statement.value.func.func) == {"exercise"}
            )
        ):  # name = exercise(...)(name): the decorator, written out
            name = statement.targets[0].id
            self.exercises[name] = self.defined.pop(name)
            self.exercises[name].decorator_list = [statement.value.func]
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for name in set().union(*map(names_in, targets)):
                self.defined[name] = statement

    def closure(self, start: set[str], stop: set[str] = frozenset()) -> set[str]:
        """Return the top-level names that ``start`` leads to; those in ``stop`` lead no further."""
        found: set[str] = set()
        waiting = set(start)
        while waiting:
            name = waiting.pop()
            if name in found or name not in self.defined:
                continue
            found.add(name)
            if name not in stop:
                waiting |= names_in(self.defined[name])
        return found

    def functions(self, names: set[str]) -> set[str]:
        """Return those of ``names`` that are functions or classes."""
        return {name for name in names if isinstance(self.defined[name], ast.FunctionDef | ast.ClassDef)}

    def solving(self, tables: set[str]) -> set[str]:
        """Return the functions that references, mistakes and tables of mistakes call."""
        start: set[str] = set()
        for node in self.exercises.values():
            start = start.union(*map(names_in, node.body))
            for decorator in node.decorator_list:
                start = start.union(
                    *(names_in(option.value) for option in decorator.keywords if option.arg == "mistakes")
                )
        for table in tables:
            start |= names_in(self.defined[table])
        return self.functions(self.closure(start))

    def bodies(self) -> set[str]:
        """Return the plain bodies of the references and of all that they and the mistakes call."""
        nodes: list[ast.AST] = [self.defined[name] for name in self.solving(set())]
        for node in self.exercises.values():
            nodes += node.body if isinstance(node, ast.ClassDef) else [node]
            nodes += [part for part in ast.walk(node) if isinstance(part, ast.Lambda | ast.FunctionDef)]
        return {plain(node) for node in nodes if isinstance(node, ast.FunctionDef | ast.Lambda)}


# ---------------------------------------------------------------- running the checks once


@contextmanager
def loaded(path: Path, name: str) -> Iterator[ModuleType]:
    """Import the file at ``path`` as a module of its own, beside the one that may be imported already."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]


@contextmanager
def _quiet() -> Iterator[None]:
    """Let mistakes overflow and divide by zero without a word."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def exercises_of(module: ModuleType) -> dict[str, Exercise]:
    """Return a module's exercises by name."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}


def _is_table(value: Any) -> bool:
    """Tell whether ``value`` maps hints, which are sentences, to mistakes."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and " " in key and callable(part) for key, part in value.items())
    )


def _codes(thing: Any) -> Iterator[CodeType]:
    """Yield the code of a function or partial, and of all functions inside it."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    waiting = [getattr(thing, "__code__", None)]
    waiting += (
        [getattr(value, "__code__", None) for value in vars(thing).values()]
        if isinstance(thing, type)
        else []
    )
    for cell in getattr(thing, "__closure__", None) or ():
        with suppress(ValueError):
            waiting.append(getattr(cell.cell_contents, "__code__", None))
    while waiting:
        code = waiting.pop()
        if isinstance(code, CodeType):
            yield code
            waiting += code.co_consts


class Recorder:
    """Runs the course's own checks, and keeps what they ask of secret functions.

    A call is kept that comes from a check, not from a solution, while no solution is running:
    then its arguments are the same for every student.
    """

    def __init__(self, module: ModuleType, secret: set[str], tables: set[str]) -> None:
        self.module = module
        self.encoder = Encoder(module)
        self.results: dict[str, dict[str, Any]] = {}
        self.running = 0
        self.codes: set[CodeType] = set()
        self.given: dict[str, list[Callable]] = {}  # the answers to try on each exercise
        table_entries = [entry for table in tables for entry in vars(module)[table].values()]
        for name, exercise in exercises_of(module).items():
            self.given[name] = [exercise.reference, *exercise.mistakes.values(), *table_entries]
            self.codes.update(code for answer in self.given[name] for code in _codes(answer))
        for name in secret:
            self.codes.update(_codes(vars(module)[name]))
            setattr(module, name, self.wrap(name, vars(module)[name]))
        for table in tables:
            setattr(module, table, self._wrap_table(table, vars(module)[table]))
        self.seconds = {name: exercise.seconds for name, exercise in exercises_of(module).items()}
        for name, exercise in exercises_of(module).items():
            exercise.seconds = RECORDING_SECONDS
            exercise.mistakes = self._wrap_table(f"{name}.mistakes", exercise.mistakes)
            if not isinstance(exercise.reference, type):
                exercise.reference = self.wrap(f"{name}.reference", exercise.reference)

    def _wrap_table(self, table: str, entries: dict[str, Callable]) -> dict[str, Callable]:
        return {hint: self.wrap(f"{table}[{i}]", entry) for i, (hint, entry) in enumerate(entries.items())}

    def wrap(self, key: str, function: Callable) -> Callable:
        """Return ``function`` with its results kept under ``key``."""

        @functools.wraps(function, assigned=("__name__", "__doc__"))
        def recorded(*args: Any, **kwargs: Any) -> Any:
            asked = not self.running and sys._getframe(1).f_code not in self.codes
            if asked and (args or kwargs):  # without arguments the result would be the answer itself
                self._keep(key, function, args, kwargs)
            return self.guard(function)(*args, **kwargs)

        recorded.stored_key = key
        return recorded

    def _keep(self, key: str, function: Callable, args: tuple, kwargs: dict) -> None:
        kept = len(self.encoder.arrays)
        try:
            before = digest([args, kwargs], self.module)
            if before in self.results.get(key, {}):
                return
            args, kwargs = copy.deepcopy((args, kwargs))
            result = self.guard(function)(*args, **kwargs)
            if digest([args, kwargs], self.module) == before:  # it left its arguments as they were
                self.results.setdefault(key, {})[before] = self.encoder.encode(result)
        except Exception:  # the mistake does not apply, or gives no data: then nothing is kept
            del self.encoder.arrays[kept:]

    def guard(self, answer: Callable) -> Callable:
        """Return ``answer`` such that nothing is kept while it runs."""
        if isinstance(answer, type):
            return answer

        @functools.wraps(answer, assigned=("__name__", "__doc__"))
        def running(*args: Any, **kwargs: Any) -> Any:
            self.running += 1
            try:
                return answer(*args, **kwargs)
            finally:
                self.running -= 1

        return running

    def run(self, name: str) -> None:
        """Check the reference, the known mistakes, and the reference made wrong at each of its calls."""
        exercise = exercises_of(self.module)[name]
        for case in exercise.cases:
            for function in (exercise.reference, *exercise.mistakes.values()):
                with suppress(Exception):
                    function(*copy.deepcopy(case))
        for answer in self.given[name]:
            exercise.diagnose(self.guard(answer))
        if isinstance(self.given[name][0], type):
            return
        for call in range(MOST_CALLS):
            wrong = _Shifted(self.given[name][0], call)
            exercise.diagnose(self.guard(functools.wraps(wrong.answer)(wrong)))
            if not wrong.shifted:
                break


class _Shifted:
    """A right answer, but for the numbers of one of its calls, or of all.

    Parameters
    ----------
    call
        Which call; the first is 0. None: all.
    """

    def __init__(self, answer: Callable, call: int | None) -> None:
        self.answer, self.call = answer, call
        self.calls = 0
        self.shifted = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.answer(*args, **kwargs)
        self.calls += 1
        return self._shift(result) if self.call in (None, self.calls - 1) else result

    def _shift(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(self._shift(part) for part in value)
        if isinstance(value, dict):
            return {key: self._shift(part) for key, part in value.items()}
        kind = np.asarray(value).dtype.kind if isinstance(value, (int, float, np.ndarray, np.generic)) else ""
        if self.call is None:
            whole_array = kind == "i" and np.ndim(value) > 0
            return value * (1 + TINY) if kind == "f" or whole_array else value
        if kind in ("i", "u", "f"):
            self.shifted = True
            return value + SHIFT * (1 + abs(value))
        return value


# ---------------------------------------------------------------- the generated module


class Graded:
    """The graded form of the check module at ``path``.

    Parameters
    ----------
    forbidden
        The functions of ``nnlabs.checks.expect`` that hold a piece of a solution.
    """

    def __init__(self, path: Path, forbidden: set[str] = frozenset()) -> None:
        self.path = path
        self.forbidden = forbidden
        self.source = Source(path.read_text(encoding="utf-8"))
        self.reports = {name: Report(name) for name in self.source.exercises}
        self.dropped: dict[str, str] = {}  # test → why it is left out
        self.exercises: dict[str, dict] = {}
        self.values: dict[str, Any] = {}

    def write(self, folder: Path, each: Callable[[str], None] = lambda name: None) -> list[Report]:
        """Write the module and its data into ``folder``; return what was kept, exercise by exercise.

        ``each`` is called with the name of each exercise, for a progress bar.
        """
        with loaded(self.path, f"_release_{self.path.stem}") as module, _quiet():
            if missed := set(exercises_of(module)) - set(self.source.exercises):
                raise CourseError(
                    f"{self.path.name}: the graded form needs {', '.join(sorted(missed))} to be a function "
                    "with the decorator @exercise(...). Change it, or release the lab without --graded."
                )
            self._find_secrets(module)
            recorder = Recorder(module, self.secret, self.tables)
            for name, exercise in exercises_of(module).items():
                each(name)
                recorder.run(name)
                self._take_cases(name, exercise, recorder)
            self._drop_by_syntax()
            self._take_values(module, recorder)
        self._save(folder, recorder)
        self._drop_by_trial(folder)
        self._save(folder, recorder)
        self._compare(folder)
        return list(self.reports.values())

    def _find_secrets(self, module: ModuleType) -> None:
        content = vars(module)
        self.tables = {name for name in self.source.defined if _is_table(content.get(name))}
        handed_over: set[str] = set()  # functions that a check hands to the student's function
        places = [exercise.cases for exercise in exercises_of(module).values()]
        places += [
            content[name] for name in self.source.defined if name not in self.tables and name in content
        ]
        functions = {id(content[name]): name for name in self.source.functions(set(self.source.defined))}
        for place in places:
            if not callable(place):
                handed_over.update(functions[i] for i in _ids(place) if i in functions)
        references = {plain(node) for node in self.source.exercises.values()}
        open_functions = {name for name in handed_over if plain(self.source.defined[name]) not in references}
        self.secret = self.source.solving(self.tables) - open_functions
        for name in self.secret:
            if isinstance(self.source.defined[name], ast.ClassDef):
                raise CourseError(
                    f"{self.path.relative_to(ROOT)}: a solution uses the class {name}; the graded form can "
                    "only replace functions. Write it as functions, or release the lab without --graded."
                )

    def _take_cases(self, name: str, exercise: Exercise, recorder: Recorder) -> None:
        report = self.reports[name]
        cases = []
        for number, case in enumerate(exercise.cases, start=1):
            try:
                if digest([case, {}], recorder.module) not in recorder.results.get(f"{name}.reference", {}):
                    raise NotDataError
                cases.append(recorder.encoder.encode(tuple(case)))
            except NotDataError:
                report.left_out.append(f"case {number}, whose arguments or results are no data")
        report.cases = len(cases)
        self.values[f"{name}.mistakes"] = list(exercise.mistakes)
        options = {"rtol": exercise.rtol, "atol": exercise.atol, "seconds": recorder.seconds[name]}
        self.exercises[name] = {"cases": cases, **options}

    def _drop_by_syntax(self) -> None:
        for name, tests in self.source.properties.items():
            reference = self.source.exercises[name]
            returned = {
                ast.dump(part.value)
                for part in ast.walk(reference)
                if isinstance(part, ast.Return) and part.value and len(list(ast.walk(part.value))) > 8
            }
            for test in tests:
                reached = self.source.closure(names_in(test), self.secret)
                parts = [test, *(self.source.defined[other] for other in reached - self.secret)]
                called = set().union(*map(names_in, parts))
                if _states_mistakes(test):
                    self._drop(name, test, "it contains the mistakes themselves")
                elif (
                    any(ast.dump(part) in returned for part in ast.walk(test))
                    or any(map(_states_formula, ast.walk(test)))
                    or set().union(*map(expectations, parts)) & self.forbidden
                ):
                    self._drop(name, test, "it contains the solution")
                elif called & {"time", "perf_counter"} and reached & self.secret:
                    self._drop(name, test, "it compares the time with the solution's")

    def _drop(self, name: str, test: ast.FunctionDef, why: str) -> None:
        self.dropped[test.name] = why
        self.reports[name].left_out.append(f"the test {test.name.strip('_')}, because {why}")

    def _drop_by_trial(self, folder: Path) -> None:
        """Leave out the tests that the reference does not pass by the stored results alone.

        The second time its results are changed by so little that they stay right: a stored result
        that is then missing depends on the student's own results.
        """
        with self._both(folder) as (original, judges):
            for name, judge in judges.items():
                kept = [t for t in self.source.properties.get(name, []) if t.name not in self.dropped]
                for test, function in zip(kept, judge.properties, strict=True):
                    reference = original[name].reference
                    try:
                        function.__wrapped__(reference)
                    except NotStoredError:
                        self._drop(name, test, OWN)
                        continue
                    except Exception as error:
                        self._drop(name, test, f"it cannot do without the solution ({type(error).__name__})")
                        continue
                    changed = functools.wraps(reference)(_Shifted(reference, None))
                    try:
                        function.__wrapped__(reference if isinstance(reference, type) else changed)
                    except NotStoredError:
                        self._drop(name, test, OWN)
                    except Exception:  # it has a finer tolerance, or needs integers: then it judges
                        continue

    def _take_values(self, module: ModuleType, recorder: Recorder) -> None:
        """Store the constants that what is left needs."""
        for name in self._needed():
            statement = self.source.defined[name]
            if name in self.tables:
                self.values[name] = list(vars(module)[name])
            elif isinstance(statement, ast.Assign | ast.AnnAssign) and not _is_literal(statement.value):
                with suppress(NotDataError):
                    self.values[name] = recorder.encoder.encode(vars(module)[name])

    def _needed(self) -> set[str]:
        """Return the top-level names that the kept tests, the cases and the outlines lead to."""
        start: set[str] = set()
        for name, node in self.source.exercises.items():
            start |= _functions_in(self.exercises[name]["cases"])
            if isinstance(node, ast.FunctionDef):
                start |= names_in(node.args)
            for test in self.source.properties.get(name, []):
                if test.name not in self.dropped:
                    start |= names_in(test)
        stop = self.secret | self.tables
        found = self.source.closure(start, stop)
        while True:  # an outline keeps its signature; a constant may name a function
            more = set(start)
            for name in found & self.secret:
                more |= names_in(self.source.defined[name].args)
            for name in found & set(self.values):
                more |= _functions_in(self.values[name])
            if self.source.closure(found | more, stop) == found:
                return found
            found = self.source.closure(found | more, stop)

    def _save(self, folder: Path, recorder: Recorder) -> None:
        """Write the module, its results (JSON) and its arrays: the same course gives the same bytes."""
        needed = self._needed()
        for name, told in self.exercises.items():
            told["more"] = bool(self.reports[name].left_out)
        keys = {f"{name}.{part}" for name in self.exercises for part in ("reference", "mistakes")}
        results = {
            key: dict(sorted(found.items()))
            for key, found in sorted(recorder.results.items())
            if key.partition("[")[0] in keys | needed
        }
        values = {
            key: value
            for key, value in sorted(self.values.items())
            if key in needed or key.endswith(".mistakes")
        }
        content = copy.deepcopy({"results": results, "values": values, "exercises": self.exercises})
        arrays = _renumber(content, recorder.encoder.arrays)
        module = ast.Module(self._statements(needed), type_ignores=[])
        stem = folder / self.path.stem
        stem.with_suffix(".py").write_text(
            f"{ast.unparse(ast.fix_missing_locations(module))}\n", encoding="utf-8"
        )
        text = json.dumps(content, ensure_ascii=False, indent=0)
        stem.with_suffix(".json").write_text(text, encoding="utf-8", newline="\n")
        memory = io.BytesIO()
        np.savez_compressed(memory, **{str(i): array for i, array in enumerate(arrays)})
        stem.with_suffix(".npz").write_bytes(memory.getvalue())

    def _statements(self, needed: set[str]) -> list[ast.stmt]:
        """Return the statements of the graded module, in the order of the course's own."""
        written: list[ast.stmt] = []
        for statement in self.source.tree.body:
            name = getattr(statement, "name", "")
            if statement in self.source.exercises.values():
                written.append(_outline(statement, "exercise"))
            elif any(statement in tests for tests in self.source.properties.values()):
                if name not in self.dropped:
                    written.append(statement)
            elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
                if name in needed:
                    written.append(_outline(statement, "function") if name in self.secret else statement)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                written += self._constants(statement, needed)
            elif isinstance(statement, ast.Expr) or (
                isinstance(statement, ast.Import | ast.ImportFrom)
                and getattr(statement, "module", "") != "nnlabs.checks.exercise"
            ):
                written.append(statement)
                if getattr(statement, "module", "") == "__future__":
                    written += ast.parse(
                        "from nnlabs.checks.judge import Store\n_store = Store(__name__)"
                    ).body
        return written

    def _constants(self, statement: ast.Assign | ast.AnnAssign, needed: set[str]) -> list[ast.stmt]:
        names = [name for name, other in self.source.defined.items() if other is statement and name in needed]
        stored = [name for name in names if name in self.values]
        if stored != names:
            return [] if names_in(statement) & (self.secret | set(self.source.exercises)) else [statement]
        return [
            ast.parse(f"{name} = _store.{'mistakes' if name in self.tables else 'value'}({name!r})").body[0]
            for name in names
        ]

    @contextmanager
    def _both(self, folder: Path) -> Iterator[tuple[dict[str, Exercise], dict[str, Judge]]]:
        """Import the course's module and the graded one, side by side."""
        sys.modules["nnlabs.checks.judge"] = release_judge  # as in the released package
        try:
            with (
                loaded(self.path, f"_release_{self.path.stem}") as original,
                loaded(folder / self.path.name, f"_graded_{self.path.stem}") as graded,
            ):
                yield exercises_of(original), exercises_of(graded)
        finally:
            del sys.modules["nnlabs.checks.judge"]

    def _compare(self, folder: Path) -> None:
        """Let both forms check the reference and every known mistake, and count where they agree."""
        with self._both(folder) as (original, judges):
            for name, report in self.reports.items():
                judge = judges[name]
                report.tests = len(judge.properties)
                if not judge.cases and not judge.properties:
                    continue
                if problem := judge.diagnose(original[name].reference):
                    raise CourseError(
                        f"The graded form of {name} refuses the course's own solution: {problem}"
                    )
                for wrong in original[name].mistakes.values():
                    if said := original[name].diagnose(wrong):
                        report.mistakes += 1
                        report.recognised += judge.diagnose(wrong) == said


def _states_mistakes(test: ast.FunctionDef) -> bool:
    """Tell whether a test has a table of hints and mistakes in itself."""
    tables = [part.values for part in ast.walk(test) if isinstance(part, ast.Dict)]
    return any(sum(isinstance(value, ast.Lambda) for value in values) > 1 for values in tables)


def _states_formula(node: ast.AST) -> bool:
    """Tell whether ``node`` computes what is expected: ``expected = mu + np.exp(log_var / 2) * eps``."""
    if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "expected"):
        return False
    parts = list(ast.walk(node.value))
    return any(isinstance(part, ast.BinOp) for part in parts) and "np" in names_in(node.value)


def _ids(place: Any) -> Iterator[int]:
    """Yield the identity of everything in nested tuples, lists and dictionaries."""
    yield id(place)
    parts = place.values() if isinstance(place, dict) else place if isinstance(place, (tuple, list)) else ()
    for part in parts:
        yield from _ids(part)


def _functions_in(code: Any) -> set[str]:
    """Return the names of the functions in an encoded value."""
    if isinstance(code, dict) and "function" in code:
        return {code["function"]}
    parts = code.values() if isinstance(code, dict) else code if isinstance(code, list) else ()
    return set().union(*map(_functions_in, parts))


def _renumber(code: Any, arrays: list[np.ndarray], used: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """Renumber the arrays of an encoded value, in place, in their order there; return these arrays."""
    used = [] if used is None else used
    if isinstance(code, dict) and "array" in code:
        used.append(arrays[code["array"]])
        code["array"] = len(used) - 1
    else:
        for part in code.values() if isinstance(code, dict) else code if isinstance(code, list) else ():
            _renumber(part, arrays, used)
    return used


def _is_literal(node: ast.expr | None) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _outline(node: ast.FunctionDef | ast.ClassDef, decorator: str) -> ast.stmt:
    """Return a function or class without its body; the decorator looks its results up."""
    text = ast.get_docstring(node)
    body: list[ast.stmt] = [ast.Expr(ast.Constant(text if text else ...))]
    outline = copy.copy(node)
    outline.body = body
    outline.decorator_list = [ast.parse(f"_store.{decorator}", mode="eval").body]
    return outline
