"""What students get: the released lab, its graded form, hidden tests, the check before handing in."""

import copy
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not in this environment")
pytest.importorskip("jupytext", reason="the build's tools are not in this environment")

from tests.checks.test_neurons import ANSWERS
from tools import (
    build,
    course,
    execute,
    grading,
    handin,
    release,
    release_audit,
    release_graded,
    release_judge,
)

ROOT = Path(__file__).parent.parent
LAB = course.Lesson("01_neurons")
CHECK_CELL = "sigmoid = check.sigmoid(sigmoid)\n"
HIDDEN_TEST = "assert sigmoid(np.array(3.0)) > 0.95, 'hidden at 3'"


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    """Release lab 01 in either form, once, into a folder of its own: folder, zip, remarks."""
    done = {}

    def released(kind):
        if kind not in done:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(release, "COURSE", str(tmp_path_factory.mktemp(kind)))
                archive, remarks = release.release(LAB, graded=kind == "graded")
            done[kind] = archive.with_suffix(""), archive, remarks
        return done[kind]

    return released


def fill(path, to, **answers):
    """Write the notebook at ``path`` to ``to`` with answers to some of its cells, named by grade id."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "").replace("-", "_")
        cell.source = answers.get(grade_id, cell.source)
    to.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, to)
    return to


# ---------------------------------------------------------------- the release


def test_nbgrader_writes_the_very_notebook_of_labs(form):
    folder, _, _ = form("self-study")
    assert (folder / f"{LAB.name}.ipynb").read_bytes() == LAB.notebook("labs").read_bytes()


def test_the_zip_holds_what_the_lab_needs_and_no_other_lesson(form):
    _, archive, _ = form("self-study")
    names = zipfile.ZipFile(archive).namelist()
    assert {name.partition("/")[0] for name in names} == {LAB.name}
    members = {name.partition("/")[2] for name in names}
    needed = {f"{LAB.name}.ipynb", "README.txt", "requirements.txt", "constraints.txt", "check.py", "LICENSE"}
    assert needed <= members
    assert [name for name in members if name.endswith(".ipynb")] == [f"{LAB.name}.ipynb"]
    checks = {Path(name).name for name in members if name.startswith("nnlabs/checks/")}
    assert checks == {"__init__.py", "exercise.py", "expect.py", "timing.py", "neurons.py"}
    assert not any("_data" in name or "lecture" in name for name in members)


def test_a_lab_with_data_gets_its_files_and_no_others():
    modules = {ROOT / "nnlabs" / name for name in ("data.py", "pretrained.py")}
    mnist = release.data_files("x = data.mnist()", {ROOT / "nnlabs" / "data.py"})
    assert "mnist.npz" in mnist
    assert "SHA256SUMS" in mnist
    assert not [name for name in mnist if name.startswith("photos/") or "efficientnet" in name]
    assert "efficientnet_lite0_imagenet_f16.npz" in release.data_files("", modules)
    assert any(name.startswith("photos/") for name in release.data_files("data.photos()", modules))
    assert release.data_files("data.digits()", {ROOT / "nnlabs" / "data.py"}) == []


def test_the_same_course_gives_the_same_zip(form, tmp_path, monkeypatch):
    _, archive, _ = form("graded")
    monkeypatch.setattr(release, "COURSE", str(tmp_path))
    again, _ = release.release(LAB, graded=True)
    assert again.read_bytes() == archive.read_bytes()


# ---------------------------------------------------------------- the graded form


@pytest.fixture(scope="module")
def judges(form):
    """Return the exercises of the graded check module, imported from its released files."""
    folder, _, _ = form("graded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "nnlabs.checks.judge", release_judge)
        with release_graded.loaded(folder / "nnlabs" / "checks" / "neurons.py", "graded_neurons") as module:
            yield release_graded.exercises_of(module)


def test_no_solution_is_in_the_graded_zip(form):
    _, archive, _ = form("graded")
    assert release_audit.leaks(archive, LAB, graded=True) == []
    names = zipfile.ZipFile(archive).namelist()
    assert not [name for name in names if Path(name).suffix in (".pkl", ".pickle", ".pyc")]


def test_the_audit_finds_the_references_of_the_self_study_form(form):
    _, archive, _ = form("self-study")
    found = " ".join(release_audit.leaks(archive, LAB, graded=True))
    assert "nnlabs/checks/neurons.py has the body of a solution" in found
    assert "in tanh_slope" in found
    assert release_audit.leaks(archive, LAB, graded=False) == []


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("notes.txt", "    return 1 - np.tanh(x) ** 2  # a comment", "a line of a solution of 01_neurons"),
        ("other.py", "def f(t):\n    'Doc.'\n    return 1 - np.tanh(t) ** 2", "the body of a solution"),
        ("inner.whl", None, "inner.whl/deep.zip/a.py has a line of a solution"),
    ],
)
def test_the_audit_finds_a_planted_leak(form, tmp_path, name, text, part):
    archive = shutil.copy(form("graded")[1], tmp_path / "release.zip")
    content = text
    if text is None:
        inner, outer = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(inner, "w") as target:
            target.writestr("a.py", "return 1 - np.tanh(x) ** 2")
        with zipfile.ZipFile(outer, "w") as target:
            target.writestr("deep.zip", inner.getvalue())
        content = outer.getvalue()
    with zipfile.ZipFile(archive, "a") as target:
        target.writestr(name, content)
    assert part in " ".join(release_audit.leaks(archive, LAB, graded=True))


WRONG = [(name, i) for name, given in ANSWERS.items() for i in range(len(given.wrong))]


@pytest.mark.parametrize(("name", "i"), WRONG, ids=[f"{name}-{i}" for name, i in WRONG])
def test_the_graded_form_rejects_what_students_get_wrong(judges, name, i, capsys):
    attempt, hint = ANSWERS[name].wrong[i]
    if "out of its range" in hint or judges[name].seconds > 15:
        pytest.skip("too long")
    assert judges[name](attempt) is attempt
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert hint in line
    assert "The notebook goes on with your own version." in line


@pytest.mark.parametrize("name", ANSWERS)
def test_the_graded_form_accepts_right_answers(judges, name, capsys):
    for attempt in ANSWERS[name].right:
        assert judges[name](attempt) is attempt
        assert re.fullmatch(
            rf"{name}: passed\.( More is tested when it is handed in\.)?\n", capsys.readouterr().out
        )


def test_the_graded_form_raises_while_nbgrader_executes(judges, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(release_judge.CheckFailedError, match="threshold: not right yet"):
        judges["threshold"](lambda x, beta: x)


def test_the_release_tells_which_tests_are_left_out(form):
    remarks = "\n".join(form("graded")[2])
    assert "the test gradient_by_differences, because it contains the solution" in remarks
    assert "neuron: 5 cases and 1 tests, 11 of 11 known mistakes recognised\n" in remarks


SMALL_MODULE = '''
"""A check module with what cannot be stored."""
from __future__ import annotations
from collections.abc import Callable
import numpy as np
from nnlabs.checks import expect
from nnlabs.checks.exercise import exercise

class Box:
    """No data, though it can be multiplied; callable, so that a copy counts as the same."""

    def __mul__(self, factor):
        return 3.0 * factor

    __rmul__ = __call__ = __mul__

def _twice(x):
    return x * 2 + 0 * x

@exercise(cases=[(Box(),)])
def opened(box):
    """Return what is in the box."""
    return box * 1

@exercise(cases=[(np.arange(3.0),), (Box(),)], mistakes={"not that.": lambda x: x * 3})
def double(x):
    """Return twice x."""
    return _twice(x)

@double.property
def _stored(attempt):
    expect.close(attempt(np.ones(2)), _twice(np.ones(2)), "double of ones")

@double.property
def _students_own(attempt):
    expect.close(attempt(attempt(np.ones(2))), _twice(attempt(np.ones(2))), "twice double")

@double.property
def _by_formula(attempt):
    expected = 2 * np.arange(2.0)
    expect.close(attempt(np.arange(2.0)), expected, "double of 0 and 1")

@double.property
def _with_mistakes(attempt):
    mistakes = {"not half.": lambda x: x / 2, "not thrice.": lambda x: x * 3}
    expect.true(not expect.same(attempt(np.ones(2)), mistakes["not half."](np.ones(2))), "it is half")

@exercise(cases=[()])
def answer():
    """Return the answer."""
    return 42.0
'''


@pytest.fixture
def small(tmp_path):
    """The graded form of a small check module: its exercises, the reports, its text and stored results."""
    path = tmp_path / "small.py"
    path.write_text(SMALL_MODULE, encoding="utf-8")
    folder = tmp_path / "graded"
    folder.mkdir()
    form = release_graded.Graded(path)
    reports = {report.name: report.line() for report in form.write(folder)}
    texts = [(folder / f"small.{kind}").read_text(encoding="utf-8") for kind in ("py", "json")]
    with form._both(folder) as (_, graded):
        yield graded, reports, *texts


def test_what_is_no_data_is_judged_later_and_told(small, capsys):
    graded, reports, text, stored = small
    assert reports["opened"].startswith("opened: is judged when it is handed in; left out: case 1")
    assert reports["answer"].startswith("answer: is judged when it is handed in")
    assert "42" not in stored
    for name in ("opened", "answer"):
        graded[name](lambda *box: 43)
        assert capsys.readouterr().out == f"{name}: is judged when it is handed in.\n"
    assert "_twice(x):\n    return" not in text


def test_an_exercise_that_is_not_done_says_so_even_if_it_is_judged_later(small, capsys):
    def opened(box):
        raise NotImplementedError

    small[0]["opened"](opened)
    assert capsys.readouterr().out.startswith("opened: not done yet.")


def test_a_test_that_depends_on_the_students_results_is_left_out_and_the_others_judge(small):
    graded, reports, text, _ = small
    assert (
        "the test students_own, because what it compares with depends on the student's own"
        in reports["double"]
    )
    assert "1 cases and 1 tests, 1 of 1 known mistakes recognised" in reports["double"]
    assert "_stored" in text
    assert "the test by_formula, because it contains the solution" in reports["double"]
    assert "the test with_mistakes, because it contains the mistakes themselves" in reports["double"]
    assert not [name for name in ("_students_own", "_by_formula", "_with_mistakes") if name in text]
    double = graded["double"]
    assert double.diagnose(lambda x: 2 * x) is None
    assert "Hint: not that." in double.diagnose(lambda x: 3 * x)
    assert "double of ones" in double.diagnose(lambda x: 2 * x if x.size == 3 else x)


def test_a_stored_result_is_found_though_the_last_bits_differ(small):
    module = sys.modules[next(name for name in sys.modules if name == "_graded_small")]
    exact = release_judge.digest([np.array([0.1 + 0.2, 1.0])], module)
    assert release_judge.digest([np.array([0.3, 1 - 1e-16])], module) == exact
    assert release_judge.digest([np.array([0.3, 1 - 1e-6])], module) != exact


# ---------------------------------------------------------------- hidden tests


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """A copy of the course whose lab 01 has a hidden test, or whatever else is written into it."""
    root = tmp_path / "course"
    root.mkdir()
    for name in ("nnlabs", "data", "requirements", "LICENSES", "LICENSE", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    for module in (course, build, execute, grading, release, release_audit, release_graded):
        monkeypatch.setattr(module, "ROOT", root)
    for cached in (release_audit.secret_lines, release_audit.secret_bodies, release_audit.given_bodies):
        cached.cache_clear()
    shutil.copytree(ROOT / "lessons" / LAB.name, root / "lessons" / LAB.name)
    text = LAB.lab.read_text(encoding="utf-8")

    def write(region, after=CHECK_CELL):
        assert after in text
        LAB.lab.write_text(text.replace(after, after + region, 1), encoding="utf-8")
        release_audit.secret_lines.cache_clear()
        return root

    yield write
    for cached in (release_audit.secret_lines, release_audit.secret_bodies, release_audit.given_bodies):
        cached.cache_clear()


@pytest.mark.filterwarnings("ignore:Object of type")  # of nbgrader's own database calls
def test_hidden_tests_are_in_solutions_and_in_grading_but_not_in_what_students_get(hidden):
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    root = hidden(f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n")
    assert any(HIDDEN_TEST in cell.source for cell in build.build(LAB, "solutions").cells)
    assert not any("hidden at 3" in cell.source for cell in build.build(LAB, "labs").cells)
    archive, _ = release.release(LAB, graded=False)
    assert release_audit.leaks(archive, LAB, graded=False) == []
    assert not any(b"hidden at 3" in content for _, content in release_audit.files(archive))
    (archive.with_suffix("") / "leak.md").write_text(HIDDEN_TEST)
    assert "a line of a hidden test" in release_audit.leaks(archive.with_suffix(""), LAB, graded=False)[0]

    # nbgrader puts the hidden test back when it grades: an answer that only passes the visible check fails.
    config = Config()
    config.CourseDirectory.root = str(root / "build")
    config.Execute.timeout = 60
    grader = NbGraderAPI(CourseDirectory(config=config), config=config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert grader.generate_assignment(LAB.name)["success"]
        cheat = "def sigmoid(x):\n    return np.where(x == 3, 0.9, 1 / (1 + np.exp(-np.clip(x, -700, 700))))"
        right = "def threshold(x, beta):\n    return np.where(x >= beta, 1.0, 0.0)"
        submitted = root / "build" / "submitted" / "ann" / LAB.name / f"{LAB.name}.ipynb"
        fill(archive.with_suffix("") / submitted.name, submitted, sigmoid=cheat, threshold=right)
        short = nbformat.read(submitted, as_version=4)  # the first two exercises are enough
        last = next(i for i, cell in enumerate(short.cells) if cell.id == "threshold-check")
        short.cells = short.cells[: last + 1]
        nbformat.write(short, submitted)
        assert grader.autograde(LAB.name, "ann", create=True)["success"]
        with Gradebook(f"sqlite:///{root / 'build' / 'gradebook.db'}") as book:
            scores = {
                grade.name: grade.auto_score
                for grade in book.find_submission_notebook(LAB.name, LAB.name, "ann").grades
            }
    assert scores["threshold-check"] == 1
    assert scores["sigmoid-check"] == 0


@pytest.mark.parametrize(
    ("region", "after"),
    [
        (f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n", CHECK_CELL),
        (f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n", "import numpy as np\n"),
        (f"### BEGIN HIDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n", CHECK_CELL),
    ],
    ids=["no end", "not in a check", "misspelt"],
)
def test_hidden_tests_that_would_leak_are_refused(hidden, region, after, capsys):
    root = hidden(region, after)
    assert build.main(["1", "--draft"]) == 1
    assert "lessons/01_neurons/lab.py: hidden tests belong into a check cell" in capsys.readouterr().err
    assert release.main(["1"]) == 1
    assert "lessons/01_neurons/lab.py: hidden tests belong into a check cell" in capsys.readouterr().err
    assert not list((root / "build").rglob("*.zip"))


# ---------------------------------------------------------------- the check before handing in


def test_a_released_lab_works_offline_in_an_empty_folder_and_is_checked_there(form, tmp_path):
    """Unpack the graded zip, answer some exercises, run its own check.py; nothing of the course is near."""
    with zipfile.ZipFile(form("graded")[1]) as archive:
        archive.extractall(tmp_path)
    path = tmp_path / LAB.name / f"{LAB.name}.ipynb"
    inside = f"    assert {str(path.parent)!r} in check.__file__ and not hasattr(check, '_sigmoid')\n"
    fill(
        path,
        path,
        threshold=f"def threshold(x, beta):\n{inside}    return np.where(x >= beta, 1.0, 0.0)",
        tanh_slope="def tanh_slope(x):\n    return 1 - np.tanh(x)",
        neuron="def neuron(X, w, b, phi:\n",
        train_check="train = check.train(train)\nprint('passed')",
        xor_friends="Cleo is right.",
    )
    before = path.read_bytes()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline")}
    found = subprocess.run(
        [sys.executable, "check.py"],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = {line.split()[0]: line for line in found.stdout.splitlines() if line.startswith("  ")}
    assert found.returncode == 1
    assert re.search(r"1 of 1  passed\.$", lines["threshold"])
    assert "not right yet." in lines["tanh-slope"]
    assert lines["tanh-slope"].endswith("Hint: is tanh squared in your formula?")
    assert "not done yet." in lines["sigmoid"]
    assert "your cell stops with SyntaxError" in lines["neuron"]
    assert "its check was changed. Undo the change." in lines["train"]
    assert lines["xor-friends"].endswith("open question: answered, a person grades it.")
    assert "Points so far: 1 of 19; up to 3 more come when it is graded." in found.stdout
    assert found.stdout.endswith(f"Hand in exactly this file: {path}\n")
    assert path.read_bytes() == before


def test_a_notebook_that_hangs_ends_in_words(tmp_path, capsys):
    notebook = nbformat.read(LAB.notebook("labs"), as_version=4)
    marks = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    loop = nbformat.v4.new_code_cell("while True:\n    try:\n        while True: pass\n    except: pass")
    notebook.cells = [loop, *marks]
    nbformat.write(notebook, tmp_path / f"{LAB.name}.ipynb")
    assert handin.main([str(tmp_path / f"{LAB.name}.ipynb"), "--seconds", "6"]) == 1
    said = capsys.readouterr().out
    assert "A cell was stopped after 2 s. It begins: while True:" in said
    assert "Points so far: 0 of 19." in said


def test_a_notebook_that_ends_python_is_told_in_one_line(tmp_path, capsys):
    notebook = nbformat.read(LAB.notebook("labs"), as_version=4)
    marks = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    notebook.cells = [nbformat.v4.new_code_cell("import os\nos._exit(0)"), *marks]
    nbformat.write(notebook, tmp_path / f"{LAB.name}.ipynb")
    assert handin.main([str(tmp_path / f"{LAB.name}.ipynb")]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].endswith("Does a cell call exit(), or need too much memory?")
    assert "Traceback" not in said.err


def lab_without(*grade_ids, again=None, points=None):
    """Return the text of lab 01 without some cells, or with one twice, or with other points."""
    notebook = nbformat.read(LAB.notebook("labs"), as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id not in grade_ids]
    for cell in list(notebook.cells):
        if cell.id == again:
            notebook.cells.append(copy.deepcopy(cell))
            notebook.cells[-1].id = "copied"
        if points and cell.id == "train-check":
            cell.metadata.nbgrader.points = points
    return nbformat.writes(notebook)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "There is no file"),
        ("", "is empty"),
        ('{"cells": [', "is not JSON"),
        ("[1, 2]", "is no notebook"),
        ('{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": []}', "format 3, not 4"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "is no valid notebook"),
        (b"\xff\xfe\x00", "cannot be read as text"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "another lab or none"),
        (lambda: lab_without(again="train-check"), "'train-check' is there 2 times"),
        (
            lambda: (ROOT / "labs" / "02_multilayer_perceptron.ipynb").read_text(encoding="utf-8"),
            "another lab",
        ),
    ],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path, capsys, content, part):
    path = tmp_path / f"{LAB.name}.ipynb"
    content = content() if callable(content) else content
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert handin.main([str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert part in said.err


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"grade_ids": ["train-check"]}, "The cell 'train-check' is missing."),
        ({"grade_ids": ["train", "train-check"]}, "The cell 'train-check' is missing."),
        ({"points": 30}, "The points of the cell 'train-check' were changed; they are 3."),
        ({}, None),
    ],
)
def test_missing_cells_and_changed_points_are_told(changes, part):
    text = lab_without(*changes.get("grade_ids", []), points=changes.get("points"))
    notebook = nbformat.reads(text, as_version=4)
    expected = handin.expected_points(LAB.notebook("labs"), notebook)
    assert sum(expected.values()) == 19
    assert handin.complaints(notebook, expected) == ([part] if part else [])


def test_moved_checks_are_told():
    notebook = nbformat.read(LAB.notebook("labs"), as_version=4)
    expected = handin.expected_points(LAB.notebook("labs"), notebook)
    notebook.cells.reverse()
    assert handin.complaints(notebook, expected) == ["The cells with the checks are not in their order."]


def test_the_list_in_a_release_is_what_the_lesson_says(form):
    told = json.loads((form("graded")[0] / "lab.json").read_text(encoding="utf-8"))
    notebook = nbformat.read(LAB.notebook("labs"), as_version=4)
    assert told == {"lab": LAB.name, "points": handin.expected_points(LAB.notebook("labs"), notebook)}


def test_an_unknown_lab_is_told(capsys):
    assert handin.main(["99"]) == 1
    assert "There is no lab '99' in labs/. The labs are: 01_neurons" in capsys.readouterr().err
    assert release.main(["99"]) == 1
    assert "There is no lesson '99'" in capsys.readouterr().err
