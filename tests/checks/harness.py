"""Every check is tested alike: wrong answers, each with its hint, and right answers written differently.

A test module states ``ANSWERS`` and calls :func:`make_tests`::

    ANSWERS = {
        "relu": Answers(
            wrong=[(lambda x: np.minimum(0, x), "negative part"), ...],
            right=[lambda x: np.where(x > 0, x, 0.0), ...],
        ),
    }
    test_wrong, test_right, test_reference, test_coverage = make_tests(neurons, ANSWERS)
"""

from __future__ import annotations

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
    """Return the four tests of a check module, to be bound to names starting with ``test_``."""
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

    @pytest.mark.parametrize(("name", "attempt", "hint"), wrong)
    def test_wrong(name: str, attempt: Any, hint: str, capsys: pytest.CaptureFixture) -> None:
        exercise = exercises(module)[name]
        assert exercise(attempt) is exercise.reference
        line = capsys.readouterr().out
        assert line.count("\n") == 1
        assert hint in line

    @pytest.mark.parametrize(("name", "attempt"), right)
    def test_right(name: str, attempt: Any, capsys: pytest.CaptureFixture) -> None:
        assert exercises(module)[name](attempt) is attempt
        assert capsys.readouterr().out == f"{name}: passed.\n"

    @pytest.mark.parametrize("name", sorted(exercises(module)))
    def test_reference(name: str) -> None:
        exercise = exercises(module)[name]
        assert exercise.diagnose(exercise.reference) is None
        for hint in exercise.mistakes:
            assert hint.endswith((".", "?")), f"a hint is a sentence: {hint}"

    @pytest.mark.parametrize("name", sorted(exercises(module)))
    def test_coverage(name: str) -> None:
        given = answers[name]
        assert len({hint for _, hint in given.wrong}) >= 5, "five wrong answers, each with its own hint"
        assert len(given.right) >= 2, "two right answers written differently"

    return test_wrong, test_right, test_reference, test_coverage
