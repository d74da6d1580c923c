"""Every check is tested alike.

Each mistake that the check's own table names must get its own hint. Beside them a test module states
``ANSWERS``: wrong answers that are not in the table, each with a part of what it must be told, and right
answers written differently::

    ANSWERS = {
        "relu": Answers(
            wrong=[(lambda x: np.minimum(0, x), "negative part"), ...],
            right=[lambda x: np.where(x > 0, x, 0.0), ...],
        ),
    }
    test_mistake, test_wrong, test_right, test_reference, test_coverage = make_tests(neurons, ANSWERS)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from nnlabs.checks.exercise import Exercise


@dataclass(frozen=True)
class Answers:
    """What students answer to one exercise: wrong ones with a part of their hint, and right ones."""

    wrong: list[tuple[Any, str]]
    right: list[Any]


def exercises(module: ModuleType) -> dict[str, Exercise]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}


def make_tests(module: ModuleType, answers: dict[str, Answers]) -> tuple[Callable, ...]:
    """Return the five tests of a check module, to be bound to names starting with ``test_``."""
    wrong = [
        pytest.param(name, attempt, hint, id=f"{name}-{i}")
        for name, given in answers.items()
        for i, (attempt, hint) in enumerate(given.wrong)
    ]
    right = [
        pytest.param(name, attempt, id=f"{name}-{i}")
        for name, given in answers.items()
        for i, attempt in enumerate(given.right)
    ]

    mistakes = [
        pytest.param(name, hint, id=f"{name}-{i}")
        for name, exercise in exercises(module).items()
        for i, hint in enumerate(exercise.mistakes)
    ]

    @pytest.mark.parametrize(("name", "hint"), mistakes)
    def test_mistake(name: str, hint: str) -> None:
        assert hint.endswith((".", "?")), "a hint is a sentence"
        exercise = exercises(module)[name]
        line = exercise.diagnose(exercise.mistaken(hint))
        assert line, "this edit changes the result of no case and no property"
        assert hint in line, line
        broken = re.search("NameError|SyntaxError|positional argument|keyword argument", line)
        assert not broken, f"the edit itself breaks: {line}"

    @pytest.mark.parametrize(("name", "attempt", "hint"), wrong)
    def test_wrong(name: str, attempt: Any, hint: str, capsys: pytest.CaptureFixture) -> None:
        exercise = exercises(module)[name]
        found = exercise(attempt)
        line = capsys.readouterr().out
        assert found is exercise.reference, f"accepted: {line}"
        assert line.count("\n") == 1, f"more than one line: {line}"
        assert hint in line, line

    @pytest.mark.parametrize(("name", "attempt"), right)
    def test_right(name: str, attempt: Any, capsys: pytest.CaptureFixture) -> None:
        assert exercises(module)[name](attempt) is attempt
        assert capsys.readouterr().out == f"{name}: passed.\n"

    @pytest.mark.parametrize("name", sorted(exercises(module)))
    def test_reference(name: str) -> None:
        exercise = exercises(module)[name]
        assert exercise.diagnose(exercise.reference) is None

    @pytest.mark.parametrize("name", sorted(exercises(module)))
    def test_coverage(name: str) -> None:
        assert name in answers, f"ANSWERS has no {name!r}"
        given, known = answers[name], exercises(module)[name].mistakes
        assert len({*known, *(hint for _, hint in given.wrong)}) >= 5, "five mistakes, each with its hint"
        assert len(given.wrong) >= 2, "two wrong answers that are not in the check's table"
        assert len(given.right) >= 2, "two right answers written differently"

    return test_mistake, test_wrong, test_right, test_reference, test_coverage
