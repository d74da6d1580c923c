"""Every check is tested alike: see CONTRIBUTING.md, "The tests of the checks".

Each mistake that the check's own table names must get its own hint. Beside them a test module states
``ANSWERS``, name of an exercise → :class:`Answers`, and binds the five tests that :func:`make_tests` makes.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from nnlabs.checks.exercise import Exercise


@dataclass(frozen=True)
class Answers:
    """What students answer to one exercise: wrong ones with a part of their hint, and right ones."""

    wrong: list[tuple[Any, str]]
    right: list[Any]


def make_tests(module, answers):
    """Return the five tests of a check module, to be bound to names starting with ``test_``."""
    exercises = {name: value for name, value in vars(module).items() if isinstance(value, Exercise)}

    def each(names, lists):
        """Parametrize by all entries of the lists; a list's entries are called after its exercise."""
        every = [
            pytest.param(name, *entry, id=f"{name}-{i}")
            for name, entries in lists.items()
            for i, entry in enumerate(entries)
        ]
        return pytest.mark.parametrize(("name", *names), every)

    @each(["hint"], {name: [(hint,) for hint in exercises[name].mistakes] for name in exercises})
    def test_mistake(name, hint):
        assert hint.endswith((".", "?")), "a hint is a sentence"
        exercise = exercises[name]
        line = exercise.diagnose(exercise.mistaken(hint))
        assert line, "this edit changes the result of no case and no property"
        assert hint in line, line
        broken = re.search("NameError|UnboundLocal|SyntaxError|positional argument|keyword argument", line)
        assert not broken, f"the edit itself breaks: {line}"

    @each(["attempt", "hint"], {name: given.wrong for name, given in answers.items()})
    def test_wrong(name, attempt, hint, capsys):
        found = exercises[name](attempt)
        line = capsys.readouterr().out
        assert found is exercises[name].reference, f"accepted: {line}"
        assert line.count("\n") == 1, f"more than one line: {line}"
        assert hint in line, line

    @each(["attempt"], {name: [(attempt,) for attempt in given.right] for name, given in answers.items()})
    def test_right(name, attempt, capsys):
        assert exercises[name](attempt) is attempt
        assert capsys.readouterr().out == f"{name}: passed.\n"

    @pytest.mark.parametrize("name", sorted(exercises))
    def test_reference(name):
        assert exercises[name].diagnose(exercises[name].reference) is None

    @pytest.mark.parametrize("name", sorted(exercises))
    def test_coverage(name):
        assert name in answers, f"ANSWERS has no {name!r}"
        given = answers[name]
        hints = {*exercises[name].mistakes, *(hint for _, hint in given.wrong)}
        assert len(hints) >= 5, "five mistakes, each with its hint"
        assert len(given.wrong) >= 2, "two wrong answers that are not in the check's table"
        assert len(given.right) >= 2, "two right answers written differently"

    return test_mistake, test_wrong, test_right, test_reference, test_coverage
