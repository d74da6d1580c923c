"""The mechanism of a check: one line, the right hint, and a notebook that goes on."""

import sys
import threading
import time

import numpy as np
import pytest

from nnlabs.checks import expect
from nnlabs.checks.exercise import CheckFailedError, exercise
from nnlabs.checks.timing import TimeLimitError, time_limit

SIGNALS_BETWEEN_BLOCKS = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 handles no signal between the rounds of such a loop"
)


@exercise(
    cases=[(np.array([-2.0, 0.0, 3.0]),)],
    mistakes={"That is the other half of the line.": lambda x: np.minimum(0, x)},
    seconds=0.5,
)
def relu(x):
    """Return the positive part."""
    return np.maximum(0.0, x)


@relu.property
def unbounded(relu):
    expect.close(relu(np.array(1e6)), 1e6, "relu(1e6)", hint="There is no upper bound.")


def not_done(x):
    raise NotImplementedError


def raising(x):
    y = x + 1
    return y @ missing  # noqa: F821


def mutating(x):
    x[x < 0] = 0
    return x


def looping(x):
    while True:
        pass


def looping_through_except(x):
    while True:
        try:  # noqa: SIM105 - what a student may write
            x = x + 1
        except:  # noqa: E722
            pass


def leaving(x):
    sys.exit(0)


@pytest.mark.parametrize(
    ("attempt", "part"),
    [
        (not_done, "not done yet"),
        (lambda x: np.minimum(0, x), "the other half of the line"),
        (lambda x: None, "is the return statement missing?"),
        (lambda x: np.clip(x, 0, 10), "There is no upper bound."),
        (lambda x: np.maximum(0.0, x) / 3, "0.3333 times"),
        (lambda x: np.maximum(0.0, x)[:2], "expected shape (3,), found shape (2,)"),
        (lambda x: np.maximum(0.0, x)[None], "an axis of length 1"),
        (lambda x: "3", "expected numbers, found '3'"),
        (lambda x: 1 / np.zeros(3), "not finite"),
        (lambda x, y: x, "It should take (x), it takes (x, y)"),
        (raising, "`return y @ missing  # noqa: F821`, with NameError: name 'missing' is not defined"),
        (lambda x: np.eye(2) @ x, "Hint: write down the shapes of both sides."),
        (mutating, "changes its argument"),
        (looping, "stopped after 0.5 s"),
        pytest.param(looping_through_except, "stopped after 0.5 s", marks=SIGNALS_BETWEEN_BLOCKS),
        (leaving, "calls exit()"),
        (3.0, "should be a function, it is 3"),
    ],
)
def test_a_wrong_answer_gets_one_line_and_the_reference(attempt, part, capsys):
    assert relu(attempt) is relu.reference
    line = capsys.readouterr().out
    assert line.startswith("relu: ")
    assert line.count("\n") == 1
    assert part in line
    assert line.endswith("The notebook goes on with the course's own version.\n")


def test_a_right_answer_is_returned(capsys):
    def answer(x):
        return np.where(x > 0, x, 0)

    assert relu(answer) is answer
    assert capsys.readouterr().out == "relu: passed.\n"


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_under_nbgrader_the_check_raises(mode, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    with pytest.raises(CheckFailedError, match=r"^relu: not right yet"):
        relu(lambda x: x)
    relu(relu.reference)
    assert capsys.readouterr().out == "relu: passed.\n"


def test_the_line_of_the_students_cell_is_told():
    problem = relu.diagnose(raising)
    number = raising.__code__.co_firstlineno + 2
    assert f"at line {number} of its cell" in problem


def test_a_class_is_checked_by_properties():
    @exercise()
    class Counter:
        def count(self):
            return 1

    @Counter.property
    def counts(cls):
        expect.close(cls().count(), 1, "count()")

    class Wrong:
        def count(self):
            return 1 + undefined  # noqa: F821

    assert Counter.diagnose(Counter.reference) is None
    assert "`return 1 + undefined" in Counter.diagnose(Wrong)
    assert "should be a class" in Counter.diagnose(lambda: 1)


def test_a_changed_signature_is_told_without_any_case():
    @exercise()
    def scaled(x, factor, offset=0):
        return factor * x + offset

    assert scaled.diagnose(lambda x, factor: 1) is None
    assert "It should take (x, factor, offset), it takes (x)" in scaled.diagnose(lambda x: x)


def test_a_check_leaves_the_random_generators_alone():
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    relu.diagnose(lambda x: np.random.rand(3))
    assert np.random.rand() == expected


def test_a_check_works_beside_the_main_thread():
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.extend(map(relu.diagnose, [looping, relu.reference])))
    thread.start()
    thread.join(timeout=10)
    assert "stopped after" in verdicts[0]
    assert verdicts[1] is None


def test_the_time_limit_interrupts_sleep_and_then_leaves_no_timer():
    start = time.perf_counter()
    with pytest.raises(TimeLimitError), time_limit(0.2):
        time.sleep(30)
    assert time.perf_counter() - start < 5
    time.sleep(0.3)


@pytest.mark.parametrize(
    ("found", "expected", "part"),
    [
        (np.arange(6.0).reshape(2, 3).T, np.arange(6.0).reshape(2, 3), "it looks transposed"),
        (np.array([[1.0, 2], [3, 4]]).T, np.array([[1.0, 2], [3, 4]]), "it looks transposed"),
        (-np.arange(3.0), np.arange(3.0), "the sign is reversed"),
        (np.arange(9.0) + 2, np.arange(9.0) ** 1.0, "off by the same amount"),
        (np.array([1, 2]), np.array([1.4, 2.2]), "dtype float"),
        ((1.0,), (1.0, 2.0), "expected 2 values"),
        ({"a": 1.0}, {"b": 1.0}, "expected a dictionary with the keys ['b']"),
        (np.arange(9.0), np.arange(9.0) ** 2, "at index 2 expected 4, found 2"),
        ("no", "yes", "expected 'yes', found 'no'"),
        ([[1.0], [2.0, 3.0]], np.zeros((2, 2)), "expected numbers"),
    ],
)
def test_close_tells_what_differs(found, expected, part):
    with pytest.raises(expect.WrongError) as caught:
        expect.close(found, expected, "it")
    assert part in str(caught.value)


def test_gradient_compares_with_finite_differences():
    x = np.array([0.5, -1.0, 2.0])
    expect.gradient(3 * x**2, lambda x: np.sum(x**3), x, "the derivative")
    with pytest.raises(expect.WrongError, match=r"0.6667 times"):
        expect.gradient(2 * x**2, lambda x: np.sum(x**3), x, "the derivative")
