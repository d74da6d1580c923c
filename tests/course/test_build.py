"""The build: the committed notebooks are those of the lessons, and the same lesson gives the same bytes."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="the build's tools are not in this environment")

from nnlabs.checks.exercise import exercise
from tools import build, course, execute, train

NOTEBOOKS = [(lesson, folder) for lesson in course.lessons() for folder in course.BUILT]
CHECK_INSTALLATION = course.check_installation  # tests of a small course do without it
IDS = [f"{folder}/{lesson.name}" for lesson, folder in NOTEBOOKS]

LESSON = """\
# ---
# jupyter:
#   nnlabs:
#     minutes: {smoke: 0.1, cpu: 0.2}
# ---

# %% [markdown]
# # A lesson

# %%
from types import SimpleNamespace

check = SimpleNamespace(double=lambda answer: answer)

# %% exercise="double"
def double(x):
    '''Return twice x.'''
    ### BEGIN SOLUTION
    twice = 2 * x
    return twice
    ### END SOLUTION

# %% check="double" points=2
double = check.double(double)
print(double(2))

# %% [markdown] question="why" points=1
# Why?
#
# <!-- BEGIN SOLUTION -->
# Because of this.
# <!-- END SOLUTION -->
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A small course of one lesson, in a folder of its own."""
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "check_installation", lambda: None)
    checks = ModuleType("nnlabs.checks.doubling")
    checks.__spec__ = ModuleSpec(checks.__name__, None)
    checks.double, checks.helper = exercise(cases=[(1,)])(lambda x: 2 * x), len
    monkeypatch.setitem(sys.modules, checks.__name__, checks)
    (tmp_path / "pyproject.toml").write_text(
        "[project.urls]\nRepository = 'https://github.com/someone/course'\n"
        "[tool.nnlabs]\nbranch = 'main'\njupyterhub = ''\n"
    )
    for name, text in {"data/SHA256SUMS": "", "requirements/lock.txt": "keras==3.0\n"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    lesson = course.Lesson("01_doubling")
    lesson.lab.parent.mkdir(parents=True)
    for path in (lesson.lab, lesson.lecture):
        path.write_text(LESSON, encoding="utf-8")
    return lesson


@pytest.mark.parametrize(("lesson", "folder"), NOTEBOOKS, ids=IDS)
def test_committed_notebook_matches_its_lesson(lesson, folder):
    committed = nbformat.read(lesson.notebook(folder), as_version=4)
    built = build.build(lesson, folder)
    hint = "run `make notebooks`"
    for part in ("id", "cell_type", "source", "metadata"):  # all but the outputs
        assert [cell[part] for cell in committed.cells] == [cell[part] for cell in built.cells], hint
    committed.metadata.nnlabs.pop("execution", None)
    assert committed.metadata == built.metadata, hint
    assert committed.nbformat_minor == built.nbformat_minor


def update(lesson, *, draft=False):
    """Bring the solution up to date; return what was done, and the outputs of its check."""
    done = build.update(lesson, "solutions", force=False, draft=draft)
    notebook = nbformat.read(lesson.notebook("solutions"), as_version=4)
    assert "widgets" not in notebook.metadata
    return done, notebook.cells[4].outputs


def test_a_second_build_changes_nothing_and_executes_nothing(lesson):
    first = {folder: build.update(lesson, folder, force=False, draft=False) for folder in course.BUILT}
    assert first["labs"] == "written"
    assert first["solutions"].startswith("executed")
    bytes_before = {folder: lesson.notebook(folder).read_bytes() for folder in course.BUILT}
    second = {build.update(lesson, folder, force=False, draft=False) for folder in course.BUILT}
    assert second == {"unchanged"}
    assert bytes_before == {folder: lesson.notebook(folder).read_bytes() for folder in course.BUILT}


def test_text_changes_keep_the_outputs_and_code_changes_execute(lesson):
    update(lesson)
    lesson.lab.write_text(LESSON.replace("Why?", "Why so?"))
    done, (output,) = update(lesson)
    assert (done, output.text) == ("written", "4\n")
    # A widget is not stored, but what stands beside it is.
    code = "import ipywidgets\ndisplay(double(4), ipywidgets.IntSlider())"
    lesson.lab.write_text(LESSON.replace("print(double(2))", code))
    assert update(lesson, draft=True) == ("written", [])  # the old outputs no longer belong
    done, (output,) = update(lesson)
    assert done.startswith("executed")
    assert output.data["text/plain"] == "8"
    lesson.notebook("solutions").write_text("{")  # a damaged notebook is built anew
    assert update(lesson, draft=True) == ("written", [])


def test_the_student_gets_signature_docstring_and_stub(lesson):
    lab = build.build(lesson, "labs")
    assert lab.cells[3].source == (
        "def double(x):\n    '''Return twice x.'''\n    # Your code here.\n    raise NotImplementedError"
    )
    assert lab.cells[5].source == "Why?\n\n*Your answer here.*"
    assert [c.metadata.nbgrader.grade_id for c in lab.cells[3:-1]] == ["double", "double-check", "why"]
    assert lab.cells[-1].source == build.PROGRESS
    assert "checksum" in lab.cells[4].metadata.nbgrader


CHECK = LESSON[LESSON.index("# %% check") : LESSON.index("# %% [markdown] question")]
HIDDEN = "\n### BEGIN HIDDEN TESTS\nassert double(3) == 6\n### END HIDDEN TESTS"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    ### BEGIN SOLUTION\n", "", "exercise 'double' needs each BEGIN SOLUTION before its END"),
        ("### BEGIN SOLUTION", "### BEGIN SOLUTIN", "exercise 'double' has the line '### BEGIN SOLUTIN'"),
        (LESSON[LESSON.index("# <!-- BEGIN") :], "", "'why' needs a solution"),
        (' exercise="double"', "", r"cell that begins .def double\(x\):.* has a SOLUTION, which belongs"),
        (" points=2", "", "check 'double' needs points"),
        ('check="double"', 'chek="double"', "has the mark 'chek'; marks are exercise, check, question"),
        ('exercise="double"', 'exercise="double" points=1', "exercise 'double' has points"),
        ('check="double"', 'check="doubel"', "check 'doubel' has no exercise of this name before it"),
        (CHECK, "# %%\nprint(1)\n", "exercise 'double' has no check of this name after it"),
        ("double = check.double(double)", "check.double(double)", "check 'double' must begin with a line"),
        ("def double(x):", "def doubled(x):", "its exercise must define that name"),
        (HIDDEN, HIDDEN.replace("END", "BEGIN"), "needs each BEGIN HIDDEN TESTS before its END"),
        ("SimpleNamespace\n", "SimpleNamespace\n" + HIDDEN, "cell .* has a HIDDEN TESTS, which belongs"),
        ("minutes: {smoke: 0.1, cpu: 0.2}", "minutes: {cpu: 0.2}", "must begin with a header"),
        ("# # A lesson", "# A lesson", "must begin with a header"),
    ],
)
def test_a_lesson_that_would_leak_or_lose_something_is_refused(lesson, old, new, told):
    hidden = "HIDDEN" in old + new
    text = LESSON.replace("print(double(2))", "print(double(2))" + HIDDEN) if hidden else LESSON
    lesson.lab.write_text(text)
    build.build(lesson, "labs")
    assert old in text
    lesson.lab.write_text(text.replace(old, new, 1))
    with pytest.raises(course.CourseError, match=rf"^lessons/01_doubling/lab\.py.*{told}[^\n]*$"):
        build.build(lesson, "labs")


@pytest.mark.parametrize("name", ["helper", "triple"])
def test_a_check_of_what_is_no_exercise_or_not_there_is_refused(lesson, name):
    lesson.lab.write_text(LESSON.replace("double", name))
    told = rf"asks for '{name}', and nnlabs/checks/doubling\.py has no such exercise"
    with pytest.raises(course.CourseError, match=told):
        build.build(lesson, "labs")


def test_what_cannot_be_built_is_told_and_nothing_is_written(lesson, capsys):
    lesson.lab.write_text(LESSON.replace("print(double(2))", "print(1 / 0)"))
    assert build.main(["1"]) == 1
    assert "solutions/01_doubling.ipynb stopped with an error" in capsys.readouterr().err
    assert not lesson.notebook("solutions").exists()
    lesson.lab.unlink()
    assert build.main(["1", "--draft"]) == 1
    assert "lab.py is missing" in capsys.readouterr().err
    assert build.main(["99"]) == 1
    assert "The lessons are: 01_doubling" in capsys.readouterr().err


def test_every_built_notebook_has_a_lesson():
    built = {path for folder in course.BUILT for path in (course.ROOT / folder).glob("*.ipynb")}
    assert built == {lesson.notebook(folder) for lesson, folder in NOTEBOOKS}


def test_links_follow_the_settings(lesson):
    text = build.build(lesson, "labs").cells[0].source
    assert "colab.research.google.com/github/someone/course/blob/main/labs/01_doubling.ipynb" in text
    assert "mybinder.org/v2/gh/someone/course/main?labpath=labs%2F01_doubling.ipynb" in text
    assert "urlpath=lab%2Ftree%2Fcourse%2Flabs%2F01_doubling.ipynb" in text
    assert "https://github.com/someone/course/archive" in build.build(lesson, "labs").cells[1].source


@pytest.mark.parametrize(("module", "more"), [(build, []), (execute, []), (train, ["."])])
def test_a_second_checkout_is_told_in_one_line(lesson, monkeypatch, capsys, module, more):
    """Its kernels would import what is installed, and that is another checkout's helper."""
    monkeypatch.setattr(course, "check_installation", CHECK_INSTALLATION)
    assert module.main(["01", *more]) == 1
    told = capsys.readouterr().err
    assert told.startswith("nnlabs comes from ")
    assert told.count("\n") == 1
    assert f"In {course.ROOT} run: " in told
