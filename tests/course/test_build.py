"""The build: the committed notebooks are those of the lessons, and the same lesson gives the same bytes."""

import copy
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import jupytext
import nbformat
import pytest

pytest.importorskip("nbgrader", reason="the build's tools are not in this environment")

from nnlabs.checks.exercise import exercise
from tools import build, cells, course, execute, train

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


def contents(notebook):
    """Return all of the cells but their outputs."""
    return [(c.id, c.cell_type, c.source, c.metadata) for c in notebook.cells]


@pytest.mark.parametrize(("lesson", "folder"), NOTEBOOKS, ids=IDS)
def test_committed_notebook_matches_its_lesson(lesson, folder):
    committed = nbformat.read(lesson.notebook(folder), as_version=4)
    built = build.build(lesson, folder)
    hint = "run `make notebooks`"
    assert contents(committed) == contents(built), hint
    committed.metadata.nnlabs.pop("execution", None)
    assert committed.metadata == built.metadata, hint
    assert committed.nbformat_minor == built.nbformat_minor


def test_a_second_build_changes_nothing_and_executes_nothing(lesson):
    first = {folder: build.update(lesson, folder, force=False, draft=False) for folder in course.BUILT}
    assert first["labs"] == "written"
    assert first["solutions"].startswith("executed")
    bytes_before = {folder: lesson.notebook(folder).read_bytes() for folder in course.BUILT}
    second = {build.update(lesson, folder, force=False, draft=False) for folder in course.BUILT}
    assert second == {"unchanged"}
    assert bytes_before == {folder: lesson.notebook(folder).read_bytes() for folder in course.BUILT}


def test_text_changes_keep_the_outputs_and_code_changes_execute(lesson):
    build.update(lesson, "solutions", force=False, draft=False)
    lesson.lab.write_text(LESSON.replace("Why?", "Why so?"))
    assert build.update(lesson, "solutions", force=False, draft=False) == "written"
    solution = nbformat.read(lesson.notebook("solutions"), as_version=4)
    assert solution.cells[4].outputs[0].text == "4\n"
    lesson.lab.write_text(LESSON.replace("double(2)", "double(4)"))
    assert build.update(lesson, "solutions", force=False, draft=False).startswith("executed")
    solution = nbformat.read(lesson.notebook("solutions"), as_version=4)
    assert solution.cells[4].outputs[0].text == "8\n"


def test_a_widget_is_not_stored_but_what_stands_beside_it_is(lesson):
    code = "import ipywidgets\ndisplay(double(2), ipywidgets.IntSlider())"
    lesson.lab.write_text(LESSON.replace("print(double(2))", code))
    build.update(lesson, "solutions", force=False, draft=False)
    solution = nbformat.read(lesson.notebook("solutions"), as_version=4)
    assert [output.data["text/plain"] for output in solution.cells[4].outputs] == ["4"]
    assert "widgets" not in solution.metadata


def test_a_draft_drops_outputs_that_no_longer_belong(lesson):
    build.update(lesson, "solutions", force=False, draft=False)
    lesson.lab.write_text(LESSON.replace("double(2)", "double(4)"))
    build.update(lesson, "solutions", force=False, draft=True)
    solution = nbformat.read(lesson.notebook("solutions"), as_version=4)
    assert all(not cell.get("outputs") for cell in solution.cells)


def test_the_student_gets_signature_docstring_and_stub(lesson):
    lab = build.build(lesson, "labs")
    assert lab.cells[3].source == (
        "def double(x):\n    '''Return twice x.'''\n    # Your code here.\n    raise NotImplementedError"
    )
    assert lab.cells[5].source == "Why?\n\n*Your answer here.*"
    assert [c.metadata.nbgrader.grade_id for c in lab.cells[3:]] == ["double", "double-check", "why"]
    assert "checksum" in lab.cells[4].metadata.nbgrader


CHECK = LESSON[LESSON.index("# %% check") : LESSON.index("# %% [markdown] question")]
HIDDEN = "\n### BEGIN HIDDEN TESTS\nassert double(3) == 6\n### END HIDDEN TESTS"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    ### BEGIN SOLUTION\n", "", "exercise 'double' needs each BEGIN SOLUTION before its END"),
        ("### BEGIN SOLUTION", "### BEGIN SOLUTIN", "exercise 'double' has the line '### BEGIN SOLUTIN'"),
        ("### END SOLUTION", "# END SOLUTIN", "exercise 'double' needs each BEGIN SOLUTION before its END"),
        (
            "### BEGIN SOLUTION\n    twice = 2 * x\n",
            "### END SOLUTION\n    ### BEGIN SOLUTION\n",
            "before its END",
        ),
        ("# <!-- BEGIN SOLUTION -->\n", "", "question 'why' needs each BEGIN SOLUTION"),
        (
            "# <!-- BEGIN SOLUTION -->\n# Because of this.\n# <!-- END SOLUTION -->\n",
            "",
            "'why' needs a solution",
        ),
        (
            ' exercise="double"',
            "",
            r"cell that begins .def double\(x\):.* has a SOLUTION, which belongs into",
        ),
        (" points=2", "", "check 'double' needs points"),
        ('exercise="double"', 'exercise="double" points=1', "exercise 'double' has points"),
        ('check="double"', 'check="doubel"', "check 'doubel' has no exercise of this name before it"),
        (CHECK, "# %%\nprint(1)\n", "exercise 'double' has no check of this name after it"),
        ("double = check.double(double)", "check.double(double)", "check 'double' must begin with a line"),
        (
            "double = check.double(double)",
            "triple = check.triple(triple)",
            "its exercise must define that name",
        ),
        ("def double(x):", "def doubled(x):", "its exercise must define that name"),
        ("double(x):", "helper(x):", "its exercise must define that name"),
        (
            "print(double(2))" + HIDDEN,
            HIDDEN.replace("END", "BEGIN"),
            "needs each BEGIN HIDDEN TESTS before its END",
        ),
        (
            "SimpleNamespace\n",
            "SimpleNamespace\n" + HIDDEN,
            "cell that begins .* has a HIDDEN TESTS, which belongs",
        ),
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


def test_a_check_of_what_the_module_does_not_hold_is_refused(lesson):
    """A function that is there but no exercise, a name that is not there, a module that is not there."""
    for name in ("helper", "triple"):
        lesson.lab.write_text(
            LESSON.replace("double = check.double(double)", f"{name} = check.{name}({name})")
        )
        lesson.lab.write_text(lesson.lab.read_text().replace("def double", f"def {name}"))
        with pytest.raises(
            course.CourseError, match=rf"asks for '{name}', and nnlabs/checks/doubling\.py has no"
        ):
            build.build(lesson, "labs")
    other = lesson.lab.parent.rename(lesson.lab.parent.with_name("02_trebling"))
    with pytest.raises(course.CourseError, match=r"nnlabs/checks/trebling\.py has no such exercise"):
        build.build(course.Lesson(other.name), "labs")


def test_an_error_in_a_lesson_is_told_and_nothing_is_written(lesson, capsys):
    lesson.lab.write_text(LESSON.replace("print(double(2))", "print(1 / 0)"))
    assert build.main(["1"]) == 1
    assert "solutions/01_doubling.ipynb stopped with an error" in capsys.readouterr().err
    assert not lesson.notebook("solutions").exists()


def test_a_damaged_notebook_is_built_anew(lesson):
    lesson.notebook("solutions").parent.mkdir()
    lesson.notebook("solutions").write_text("{")
    assert build.update(lesson, "solutions", force=False, draft=True) == "written"


def test_a_missing_lab_is_told(lesson, capsys):
    lesson.lab.unlink()
    assert build.main(["1", "--draft"]) == 1
    assert "lab.py is missing" in capsys.readouterr().err


def test_every_built_notebook_has_a_lesson():
    built = {path for folder in course.BUILT for path in (course.ROOT / folder).glob("*.ipynb")}
    assert built == {lesson.notebook(folder) for lesson, folder in NOTEBOOKS}


def test_an_unknown_lesson_is_told(lesson, capsys):
    assert build.main(["99"]) == 1
    assert "The lessons are: 01_doubling" in capsys.readouterr().err


def test_links_follow_the_settings(lesson):
    text = build.build(lesson, "labs").cells[0].source
    assert "colab.research.google.com/github/someone/course/blob/main/labs/01_doubling.ipynb" in text
    assert "mybinder.org/v2/gh/someone/course/main?labpath=labs%2F01_doubling.ipynb" in text
    assert "urlpath=lab%2Ftree%2Fcourse%2Flabs%2F01_doubling.ipynb" in text
    assert "https://github.com/someone/course/archive" in build.build(lesson, "labs").cells[1].source


def test_building_does_not_change_the_lesson_it_read(lesson):
    notebook = build.build(lesson, "solutions")
    before = copy.deepcopy(notebook)
    cells.student_version(notebook)
    assert notebook == before
    assert jupytext.read(lesson.lab).cells[2].metadata["exercise"] == "double"


@pytest.mark.parametrize(("module", "more"), [(build, []), (execute, []), (train, ["."])])
def test_a_second_checkout_is_told_in_one_line(lesson, monkeypatch, capsys, module, more):
    """Its kernels would import what is installed, and that is another checkout's helper."""
    monkeypatch.setattr(course, "check_installation", CHECK_INSTALLATION)
    assert module.main(["01", *more]) == 1
    told = capsys.readouterr().err
    assert told.startswith("nnlabs comes from ")
    assert told.count("\n") == 1
    assert f"In {course.ROOT} run: " in told
