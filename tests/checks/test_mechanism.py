"""The mechanism of a check: one line, the right hint, and a notebook that goes on."""

import sys
import threading
import time

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from nnlabs.checks import expect, timing
from nnlabs.checks.exercise import CheckFailedError, edited, exercise
from nnlabs.checks.timing import TimeLimitError, time_limit

SIGNALS_BETWEEN_BLOCKS = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Python 3.10 handles no signal between the rounds of such a loop"
)


@exercise(
    cases=[(np.array([-2.0, 0.0, 3.0]),)],
    mistakes={"That is the other half of the line.": "maximum -> minimum"},
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


def looping(x):
    while True:
        pass


def looping_through_except(x):
    while True:
        try:  # noqa: SIM105 - what a student may write
            x = x + 1
        except:  # noqa: E722
            pass


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
        (lambda x: [0.0, 0.0, 3.0], "expected an array, found a list"),
        (lambda x: np.maximum(0.0, x) + 1e-5, "almost right: the largest difference is 1e-05"),
        (lambda x, y: x, "It should take (x), it takes (x, y)"),
        (raising, "NameError: name 'missing' is not defined, for relu([-2, 0, 3])."),
        (lambda x: np.eye(2) @ x, "Hint: write down the shapes of both sides."),
        (lambda x: np.maximum(0, x, out=x), "changes its argument"),
        (looping, "of computing. Hint: is there a loop whose condition never becomes false?"),
        pytest.param(
            looping_through_except,
            "of computing. Hint: is there a loop whose condition never becomes false?",
            marks=SIGNALS_BETWEEN_BLOCKS,
        ),
        (lambda x: sys.exit(0), "calls exit()"),
        (3.0, "should be a function, it is 3"),
    ],
)
def test_a_wrong_answer_gets_one_line_and_the_reference(attempt, part, capsys):
    assert relu(attempt) is relu.reference
    line = capsys.readouterr().out
    assert line.startswith("relu: ")
    assert line.count("\n") == 1
    assert part in line
    assert line.endswith("`relu` is now the course's own version, until you run your cell again.\n")


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_under_nbgrader_the_check_raises(mode, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    with pytest.raises(CheckFailedError, match=r"^relu: not right yet"):
        relu(lambda x: x)
    with pytest.raises(CheckFailedError, match="the course's own version"):
        relu(relu.reference)
    relu(lambda x: np.where(x > 0, x, 0))
    assert capsys.readouterr().out == "relu: passed.\n"


def test_the_line_of_the_students_cell_is_told():
    problem = relu.diagnose(raising)
    number = raising.__code__.co_firstlineno + 2
    assert f"at line {number} of its cell, `return y @ missing  # noqa: F821`, with" in problem


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


def test_a_hint_is_given_only_if_it_agrees_up_to_the_failing_case():
    @exercise(
        cases=[(np.array([2.0]), 1), (np.array([2.0]), 3)],
        mistakes={"Is n used?": "x * n -> x + 0 * n", "A sum?": "x * n -> x + n - 1"},
    )
    def scaled(x, n):
        return x * n

    assert "Is n used?" in scaled.diagnose(lambda x, n: x)
    assert "A sum?" in scaled.diagnose(lambda x, n: x + n - 1)
    assert "Hint" not in scaled.diagnose(lambda x, n: x + 0.7 if n == 1 else x)


def test_a_case_compares_what_an_object_does_and_finds_its_mistakes():
    @exercise(mistakes={"Each call adds one.": "+= 1 -> = 1"})
    class Counter:
        n = 0

        def count(self):
            self.n += 1
            return self.n

    @Counter.case
    def twice(cls):
        """what count() gives the second time"""
        counter = cls()
        counter.count()
        return counter.count()

    class Answer:
        def count(self):
            return 1

    problem = "what count() gives the second time: expected 2, found 1. Hint: Each call adds one."
    assert problem in Counter.diagnose(Answer)


def test_a_mistake_that_raises_is_recognised_by_its_error():
    @exercise(cases=[(np.ones((2, 3)),)], mistakes={"Rows are samples.": "x.T @ x -> x @ x"})
    def moments(x):
        return x.T @ x

    assert "Rows are samples." in moments.diagnose(lambda x: x @ x)


def test_an_edit_must_be_in_the_reference():
    assert edited(relu.reference, ["np.maximum -> np.minimum", "0.0 -> 1.0"])(3.0) == 1.0
    for edit, told in {"median -> mean": "is not in the reference", "no arrow": "has no ' -> '"}.items():
        with pytest.raises(ValueError, match=told):
            edited(relu.reference, edit)


def test_a_changed_argument_is_noticed_in_a_property_too():
    @exercise()
    def total(values):
        return sum(values)

    @total.property
    def of_a_list(attempt):
        attempt([1, 2])

    assert "total([1, 2]) changes its argument." in total.diagnose(lambda values: values.append(3))


def test_only_the_first_printed_lines_are_shown(capsys):
    def chatty(x):
        for i in range(1000):
            print("line", i)
        return x

    relu(chatty)
    lines = capsys.readouterr().out.splitlines()
    assert lines[19:21] == ["line 19", "... and 980 more lines."]
    assert lines[-1].startswith("relu: not right yet.")
    assert len(lines) == 22


def test_a_check_works_beside_the_main_thread():
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.extend(map(relu.diagnose, [looping, relu.reference])))
    thread.start()
    thread.join()
    assert "of computing" in verdicts[0]
    assert verdicts[1] is None


def test_waiting_is_stopped_too_and_told_as_such(monkeypatch):
    monkeypatch.setattr(timing, "PATIENCE", 0.4)
    assert "does it wait for something?" in relu.diagnose(lambda x: time.sleep(300))
    with pytest.raises(TimeLimitError), time_limit(0.5):
        time.sleep(300)


def test_the_processors_time_is_counted_not_the_clocks(monkeypatch):
    monkeypatch.setattr(time, "process_time", lambda: 0.0)  # a busy machine gives us nothing
    with time_limit(10.0) as limit:
        assert not limit.reached()
    monkeypatch.setattr(time, "process_time", lambda: 11.0)
    assert limit.reached()
    assert limit.by_computing


ACCIDENTS = {  # a cell → what the notebook says
    "def sigmoid(x)\n    return x": "Python cannot read its line 1, `def sigmoid(x)`: expected ':'",
    "sigmoid = check.sigmoid(sigmoid)": "There is no `sigmoid`: did your cell run, and is",
    "def softpuls(x):\n    return x": "",
    "softplus = check.softplus(softplus)": "There is no `softplus`",
    "softplus = check.softplus(softplus) ": "own version: run your cell above, then this one",
    "def parity_weights():\n    exit()": "",
    "parity_weights = check.parity_weights(parity_weights)": "It calls exit(), which would end the notebook",
    "check = 5": "",
    "gates = check.gates(gates)": "it is the course's checks again.\ngates: not done yet",
    "assert softplus(sigmoid(0.0))[1] > 0.6\nx = await __import__('asyncio').sleep(0, 3)": "",
}


def test_the_notebook_goes_on_after_accidents():
    cells = [
        nbformat.v4.new_code_cell(source)
        for source in ["import numpy as np\nfrom nnlabs.checks import neurons as check", *ACCIDENTS]
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3", timeout=600).execute()
    for cell, said in zip(cells[1:], ACCIDENTS.values(), strict=True):
        assert said in "".join(output.get("text", "") for output in cell.outputs)


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
        ([[1.0], [2.0, 3.0]], np.zeros((2, 2)), "expected an array, found a list"),
        (0.0839, 0.08391, "expected 0.08391, found 0.0839. Hint: almost right"),
        (1.443, 1.0, "expected 1, found 1.443."),
        (2.0, 1.0, "the value is 2 times"),
        (6, 3, "expected 3, found 6."),
        (np.arange(1.0, 4) * 0.7, np.arange(1.0, 4), "every value is 0.7 times"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "what should axis 1 count?"),
        (np.zeros(6), np.zeros((2, 3)), "their arrangement is not"),
        (np.array([1.0, 2.0]), (1.0, [2.0]), "a tuple is wanted, this is one array"),
    ],
)
def test_close_tells_what_differs(found, expected, part):
    with pytest.raises(expect.WrongError) as caught:
        expect.close(found, expected, "it")
    assert str(caught.value).rstrip(".").endswith(part.rstrip(".")) or part in str(caught.value)
    if "Hint" not in part and "times" not in part:
        assert " times" not in str(caught.value), "a factor is guessed only where it is one"


def test_whole_numbers_stored_as_floats_are_not_called_integers():
    with pytest.raises(expect.WrongError) as caught:
        expect.close(np.array([0.0, 1.0]), np.array([0.4, 0.7]), "it")
    assert not caught.value.hint


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (np.array(2.0), 2.0),
        (2, np.float64(2.0)),
        (np.array([0.5, 1.0]), (0.5, 1.0)),
        (np.array([1e-6, 1.0], dtype="float32"), np.array([2e-5, 1.0])),
        ([1.0, 2.0], [1, 2]),
    ],
)
def test_close_accepts_what_is_as_good(found, expected):
    expect.close(found, expected, "it")


def test_a_generator_must_be_used():
    expect.uses_generator(lambda rng: rng.normal(size=3), "numbers")
    for draw in (lambda rng: np.random.default_rng(1).normal(), lambda rng: np.random.rand()):
        with pytest.raises(expect.WrongError, match="rng"):
            expect.uses_generator(draw, "numbers")


def test_a_loop_over_the_pixels_is_found_by_its_steps():
    def by_pixels(n):
        image = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                image[i, j] = i * j

    expect.no_loop(lambda n: [np.arange(n) * i for i in range(n)], "it", "")
    with pytest.raises(expect.WrongError, match="it loops over the pixels"):
        expect.no_loop(by_pixels, "it", "")


def test_gradient_compares_with_finite_differences():
    x = np.array([0.5, -1.0, 2.0])
    expect.gradient(3 * x**2, lambda x: np.sum(x**3), x, "the derivative")
    with pytest.raises(expect.WrongError, match=r"0.6667 times"):
        expect.gradient(2 * x**2, lambda x: np.sum(x**3), x, "the derivative")
