"""A class is graded: every grade is what is known, whatever was handed in, and nothing else changes."""

import csv
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

psutil = pytest.importorskip("psutil")
pytest.importorskip("nbgrader", reason="nbgrader is not in this environment")
if sys.platform == "win32":
    pytest.skip("grading needs Linux or macOS", allow_module_level=True)

from tests import grade_cases as cases
from tools import course
from tools.grade import assemble, collect, run, sandbox
from tools.grade.__main__ import main
from tools.grade.report import hints

HIDDEN = """
### BEGIN HIDDEN TESTS
assert "NAND" in gates.__doc__, "hidden: the docstring is gone"
### END HIDDEN TESTS
"""
NO_DOCSTRING = re.sub(r'\n    """.*?"""', "", cases.answers()["gates"], flags=re.DOTALL)
CHEAP = ("prints", "fork-bomb", "patched-checks", "environment", "spy", "os-exit")
EDITED = ("tests-edited", "marks-lost", "scripts")


@dataclass(frozen=True)
class LabWithHiddenTests:
    """Lab 01 as an instructor has it who added a hidden test to the gates."""

    path: Path
    name: str = cases.LAB

    def notebook(self, folder):
        return self.path


@dataclass(frozen=True)
class Graded:
    root: Path
    options: run.Options
    expected: dict
    ids: dict  # case → student
    rows: dict
    package_unchanged: bool
    scratch_before: set

    def row(self, name):
        return self.rows[self.ids[name]]

    def page(self, name):
        return (self.root / "feedback" / self.ids[name] / cases.LAB / f"{cases.LAB}.html").read_text()

    def executed(self, name):
        path = self.root / "autograded" / self.ids[name] / cases.LAB / f"{cases.LAB}.ipynb"
        return nbformat.read(path, as_version=4)


def lean(content):
    """The notebook without the figures and the iris, which take half of the time and no points."""
    try:
        notebook = json.loads(content)
        cells = notebook["cells"][:]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content
    words = ("plt.", "plots.", "load_iris", "petals", "losses[")
    texts = [json.dumps(cell["source"]) for cell in cells]
    kept = [cell for cell, text in zip(cells, texts, strict=True) if not any(word in text for word in words)]
    text = json.dumps(notebook | {"cells": kept})
    return text.replace("import matplotlib.pyplot as plt\\n", "").encode()


def fingerprint(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return hashlib.sha256(
        b"".join(path.as_posix().encode() + path.read_bytes() for path in files)
    ).hexdigest()


def read_table(root):
    with (root / "grades.csv").open(encoding="utf-8", newline="") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


def kernels():
    """The command lines of kernels that a grader started and that still run."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in found if any("nnlabs-grade-" in part for part in line) and "-f" in line]


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    notebook = nbformat.read(course.ROOT / "solutions" / f"{cases.LAB}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cases.grade_id(cell) == "gates-check":
            cell.source += HIDDEN.rstrip()
    path = tmp_path_factory.mktemp("lesson") / f"{cases.LAB}.ipynb"
    path.write_bytes(lean(cases.dump(notebook)))
    return LabWithHiddenTests(path)


@pytest.fixture(scope="module")
def graded(lesson, tmp_path_factory):
    """A small class, graded once; the tests look at what came of it."""
    place = tmp_path_factory.mktemp("class")
    handed_in = place / "submissions"
    hostile, edited = cases.hostile(), cases.edited()
    expected = cases.honest() | cases.damaged()
    del expected["half"]
    expected |= {name: edited[name] for name in EDITED} | {name: hostile[name] for name in CHEAP}
    expected["hidden"] = cases.Case(cases.gates(NO_DOCSTRING), cases.WITHOUT_GATES)
    for i, (student, case) in enumerate(expected.items()):  # every form in one folder
        path = [
            handed_in / student / f"{cases.LAB}.ipynb",
            handed_in / f"{student}_{cases.LAB}.ipynb",
            handed_in / f"Ann Other_{1000 + i}_assignsubmission_file_" / "my lab.ipynb",
        ][i % 3]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lean(case.content))
    ids = {name: f"{1000 + i}" if i % 3 == 2 else name for i, name in enumerate(expected)}
    os.symlink(handed_in / "right", handed_in / "link")
    options = run.Options(lesson, handed_in, place / "out", seconds=60)
    before, scratch = fingerprint(course.ROOT / "nnlabs"), set(Path("/tmp").glob("nnlabs-grade-*"))
    os.environ["GRADER_SECRET"] = "the instructor's"
    try:
        assert run.grade_class(options) == 0
    finally:
        del os.environ["GRADER_SECRET"]
    root = place / "out" / cases.LAB
    unchanged = fingerprint(course.ROOT / "nnlabs") == before
    return Graded(root, options, expected, ids, read_table(root), unchanged, scratch)


def test_every_grade_is_what_is_known(graded):
    assert set(graded.rows) == {*graded.ids.values(), "link"}
    for student, case in graded.expected.items():
        row = graded.row(student)
        earned = {name for name in cases.POINTS if row[name] not in ("0", "")}
        assert earned == set(case.right), (student, row)
        assert float(row["total"]) == case.total, (student, row)
        assert row["status"].split(", ")[0] == case.status, (student, row)
        assert case.words in row["remarks"], (student, row)
    assert "not followed" in graded.rows["link"]["remarks"]


def test_an_answered_question_waits_for_a_person_and_an_empty_one_does_not(graded):
    assert graded.row("right")[cases.QUESTION] == "to grade by hand"
    assert graded.row("empty")[cases.QUESTION] == "0"


def test_a_hidden_test_is_not_released_but_grades(graded):
    release = (graded.root / "release" / "." / cases.LAB / f"{cases.LAB}.ipynb").read_text()
    assert "HIDDEN" not in release
    assert "the docstring is gone" not in release
    assert graded.row("hidden")["gates"] == "0"
    assert "hidden: the docstring is gone" in graded.page("hidden")


@pytest.mark.skipif(sandbox.best().kind == "none", reason="no sandbox on this system")
def test_a_submission_sees_nothing_and_changes_nothing(graded):
    cell = next(c for c in graded.executed("spy").cells if c.source.startswith("import nnlabs, os"))
    text = json.dumps(cell.outputs)
    assert "SEEN []" in text
    assert "SECRET None" in text
    assert "NETWORK cut" in text
    assert text.count("REFUSED") == 3
    assert "WROTE" not in text
    assert graded.package_unchanged


def test_nothing_runs_on_and_no_scratch_folder_is_left(graded):
    assert kernels() == []
    assert set(Path("/tmp").glob("nnlabs-grade-*")) <= graded.scratch_before


def test_a_strangers_html_does_not_run_in_the_feedback(graded):
    page = graded.page("scripts")
    head, _, body = page.partition("<body")
    assert "Content-Security-Policy" in head
    assert "script-src 'nonce-" in head
    assert "<script>document.title" not in body
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", body.replace("&quot;", '"'))
    assert not re.search(r"<script(?![^>]*nonce)", head)
    outputs = json.dumps([cell.get("outputs") for cell in graded.executed("scripts").cells])
    assert "text/html" not in outputs
    assert "application/javascript" not in outputs


def test_the_page_tells_points_hints_and_remarks(graded):
    page = graded.page("tests-edited")
    assert "was edited: put back" in page
    assert "not done yet" in page
    assert "Score: 6.0" in page


def test_the_report_counts_hints_and_shows_its_picture_in_words(graded):
    page = (graded.root / "report.html").read_text()
    assert re.search(r'<img alt="Left: histogram of the points of \d+ students', page)
    assert (graded.root / "report.png").read_bytes().startswith(b"\x89PNG")
    assert "not done" in page
    assert "this is tanh, which goes from -1 to 1" in page
    assert "<script" not in page


def test_hints_are_counted():
    @dataclass
    class Holder:
        hints: dict

    rows = [
        type("R", (), {"record": Holder({"a-check": "x"})}),
        type("R", (), {"record": Holder({"a-check": "x", "b-check": "y"})}),
    ]
    assert hints(rows) == [("a", "x", 2), ("b", "y", 1)]


def test_run_again_it_grades_what_changed_only(graded, capsys):
    results = graded.root / "results"
    before = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    changed = graded.options.submissions / "right" / f"{cases.LAB}.ipynb"
    changed.write_bytes(lean(cases.dump(cases.notebook(("sigmoid",), question=False))))
    assert run.grade_class(graded.options) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("1 graded, ")
    after = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"right.json"}
    rows = read_table(graded.root)
    assert rows["right"]["total"] == "2"
    assert {s: r["total"] for s, r in rows.items() if s != "right"} == {
        s: r["total"] for s, r in graded.rows.items() if s != "right"
    }


def test_points_given_by_hand_stay_and_count(graded):
    from nbgrader.api import Gradebook

    folder = run.CourseFolder(graded.root, cases.LAB)
    student = graded.ids["marks-lost"]
    with Gradebook(folder.database) as gradebook:
        grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, student)
        grade.manual_score, grade.needs_manual_grade = 2.5, False
        gradebook.db.commit()
    assert run.grade_class(graded.options) == 0
    row = read_table(graded.root)[student]
    assert row[cases.QUESTION] == "2.5"
    assert float(row["total"]) == cases.MAXIMUM + 2.5


def test_killed_in_the_middle_no_finished_grade_is_lost(graded, lesson, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(graded.root, out / cases.LAB)
    shutil.rmtree(out / cases.LAB / "results")
    handed_in = tmp_path / "submissions"
    handed_in.mkdir()
    for i in range(4):
        (handed_in / f"s{i}.ipynb").write_bytes(lean(cases.honest(i)["right"].content))
    code = (
        "from pathlib import Path\nfrom tools.grade import run\n"
        "from tests.test_grade import LabWithHiddenTests\n"
        f"lab = LabWithHiddenTests(Path({str(lesson.path)!r}))\n"
        f"run.grade_class(run.Options(lab, Path({str(handed_in)!r}), "
        f"Path({str(out)!r}), jobs=2, seconds=60))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=course.ROOT, stdout=subprocess.DEVNULL)
    results = out / cases.LAB / "results"
    deadline = time.monotonic() + 60
    while not list(results.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 0 < len(finished) < 4
    deadline = time.monotonic() + 10
    while kernels() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kernels() == [], "a kernel outlived its grader"
    options = run.Options(lesson, handed_in, out, jobs=2, seconds=60)
    assert run.grade_class(options) == 0
    rows = read_table(out / cases.LAB)
    assert [rows[f"s{i}"]["total"] for i in range(4)] == [f"{cases.MAXIMUM}"] * 4
    assert all((results / name).stat().st_mtime_ns == changed for name, changed in finished.items())


# Collecting --------------------------------------------------------------------------------------


def students(place, **options):
    return {s.student: s for s in collect.collect(place, cases.LAB, **options)}


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("anna/01_neurons.ipynb", "anna"),
        ("anna/deep/er/x.ipynb", "anna"),
        ("anna.ipynb", "anna"),
        ("01_neurons_s123.ipynb", "s123"),
        ("s123-01-neurons (2).ipynb", "s123"),
        ("lab01 s123.ipynb", "s123"),
        ("Ann Lee_1234567_assignsubmission_file_/01_neurons.ipynb", "1234567"),
        ("Ann Lee_1234567_assignsubmission_file_01_neurons.ipynb", "1234567"),
        ("Zoë Ł/01_neurons.ipynb", "Zoë_Ł"),
        ("..\\..\\x.ipynb", "x"),
        ("=HYPERLINK(1)/x.ipynb", "HYPERLINK_1"),
        ("{0}[*]/x.ipynb", "0"),
        ("CON/x.ipynb", None),
    ],
)
def test_whose_a_file_is(tmp_path, name, student):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    (tmp_path / "other.ipynb").write_text("{}")
    (found,) = set(students(tmp_path)) - {"other"}
    assert found == student or (student is None and found.startswith("student_"))


def test_a_zip_file_is_read_without_being_unpacked(tmp_path):
    path = tmp_path / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/01_neurons.ipynb", "one")
        archive.writestr("../../x/01_neurons.ipynb", "two")
        archive.writestr("/etc/x/01_neurons.ipynb", "three")
        archive.writestr("__MACOSX/x/._01_neurons.ipynb", "no")
    found = students(path)
    assert len(found) == 3
    assert found["x"].file.read() == b"one"
    assert sorted(s.file.read() for s in found.values()) == [b"one", b"three", b"two"]
    assert all(re.fullmatch(r"[\w-]+", student) for student in found)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["download.zip"]


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/01_neurons.ipynb", b"0" * 3_000_000)
    monkeypatch.setattr(collect, "LARGEST", 1_000_000)
    with pytest.raises(collect.NotReadError, match="larger than 1 MB"):
        students(path)["x"].file.read()


def test_of_several_notebooks_the_one_named_like_the_lab_counts_then_the_latest(tmp_path):
    for i, name in enumerate(["01_neurons-old.ipynb", "01_neurons.ipynb", "scratch.ipynb"]):
        path = tmp_path / "anna" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
        os.utime(path, (1000 + i, 1000 + i))
    (tmp_path / "anna" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "anna" / ".ipynb_checkpoints" / "01_neurons-checkpoint.ipynb").write_text("{}")
    anna = students(tmp_path)["anna"]
    assert anna.file.path.name == "01_neurons.ipynb"
    assert "2 more notebooks" in anna.notes[0]


def test_ids_that_would_be_the_same_folder_stay_apart():
    names = collect.safe_ids(["anna", "Anna", "a n", "a_n", "../a n", "x" * 200, "x" * 201, ".."])
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    assert names["a_n"] == "a_n"
    assert all(re.fullmatch(r"[\w-]{1,70}", name) for name in names.values())


def test_an_own_pattern_for_ids(tmp_path):
    (tmp_path / "2024-x-anna.ipynb").write_text("{}")
    assert set(students(tmp_path, pattern=r".*-(?P<student_id>\w+)\.ipynb")) == {"anna"}
    with pytest.raises(course.CourseError, match="student_id"):
        students(tmp_path, pattern="x")


@pytest.mark.parametrize(("make", "words"), [(lambda p: None, "neither"), (Path.mkdir, "no submission")])
def test_a_wrong_folder_is_told_in_one_line(tmp_path, capsys, make, words):
    make(tmp_path / "there")
    assert main(["01", str(tmp_path / "there"), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


# Assembling --------------------------------------------------------------------------------------


def assembled(notebook):
    return assemble.assemble(assemble.read_cells(cases.dump(notebook)), cases.lab())


def test_own_cells_stay_behind_what_they_followed_and_deleted_ones_come_back():
    made = cases.notebook()
    place = next(i for i, cell in enumerate(made.cells) if cases.grade_id(cell) == "neuron")
    made.cells.insert(place, nbformat.v4.new_code_cell("def helper(): pass"))
    loss = next(cell for cell in made.cells if cell.source.startswith("def loss"))
    made.cells.remove(loss)
    sources = [cell.source for cell in assembled(made).notebook.cells]
    own = sources.index("def helper(): pass")
    assert sources[own + 1] == cases.answers()["neuron"]
    assert loss.source in sources
    assert sources.index(loss.source) < sources.index(cases.answers()["gradient"])


def test_an_edited_cell_of_the_lab_is_taken_as_it_is_and_a_test_is_not():
    made = cases.notebook()
    for cell in made.cells:
        if cell.source.startswith("import matplotlib"):
            cell.source += "\nimport math"
        if cases.is_test(cell):
            cell.metadata.nbgrader.points = 99
            cell.source = "pass"
    result = assembled(made)
    assert any("import math" in cell.source for cell in result.notebook.cells)
    tests = [cell for cell in result.notebook.cells if cases.is_test(cell)]
    assert [cell.source for cell in tests] == [
        cell.source for cell in cases.lab().cells if cases.is_test(cell)
    ]
    assert sum(cell.metadata.nbgrader.points for cell in tests) == cases.MAXIMUM


def test_of_doubled_answers_the_last_that_is_no_stub_counts():
    made = cases.notebook()
    place = next(i for i, cell in enumerate(made.cells) if cases.grade_id(cell) == "neuron")
    stub = next(cell for cell in cases.lab().cells if cases.grade_id(cell) == "neuron")
    stub.id = "another"
    made.cells.insert(place + 1, stub)
    sources = [cell.source for cell in assembled(made).notebook.cells]
    assert cases.answers()["neuron"] in sources
    assert stub.source not in sources


@pytest.mark.parametrize(
    "damage", [{"cells": [3, {"cell_type": "code"}, {"cell_type": "code", "source": 5}]}, {"cells": []}]
)
def test_damaged_cells_are_left_out(damage):
    with pytest.raises(assemble.UnreadableError, match="no cell answers"):
        assemble.assemble(assemble.read_cells(json.dumps(damage).encode()), cases.lab())


# The sandbox -------------------------------------------------------------------------------------

TRIAL = """
import os, socket
from pathlib import Path
for place in (PACKAGE, '/usr', '/', str(Path.cwd().parent)):
    try:
        open(Path(place, 'owned'), 'w').close()
        print('WROTE', place) if place != '/tmp' else None
    except OSError:
        pass
open('mine', 'w').write('x')
print('ROOT' if os.getuid() == 0 else 'user', sorted(os.listdir(COURSE)), os.environ.get('GRADER_SECRET'))
try:
    socket.create_connection(('1.1.1.1', 53), timeout=1)
    print('NETWORK')
except OSError:
    pass
children = 0
try:
    while children < 400:
        if os.fork() == 0:
            import time; time.sleep(5); os._exit(0)
        children += 1
except OSError:
    print('HELD')
"""


@functools.cache
def usable():
    return [kind for kind in sandbox.KINDS[:-1] if sandbox.works(sandbox.Sandbox(kind))]


@pytest.mark.parametrize("kind", sandbox.KINDS[:-1])
def test_what_a_sandbox_keeps_out(kind):
    if kind not in usable():
        pytest.skip(f"{kind} does not work on this system")
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        values = f"PACKAGE, COURSE = {str(course.ROOT / 'nnlabs')!r}, {str(course.ROOT)!r}\n"
        program = [sys.executable, "-c", values + TRIAL]
        box = sandbox.Sandbox(kind)
        finished = subprocess.run(
            box.command(program, Path(folder), sandbox.Limits(threads=40)),
            env=sandbox.environment(Path(folder), "smoke"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "HELD" in finished.stdout, finished.stderr
    assert "WROTE" not in finished.stdout
    assert "NETWORK" not in finished.stdout
    assert "ROOT" not in finished.stdout
    assert not {"lessons", "solutions", "build", ".git"} & set(re.findall(r"'([\w.]+)'", finished.stdout))
    assert not sandbox.Sandbox(kind).gaps()


def test_without_a_sandbox_it_is_said():
    assert any("network" in line for line in sandbox.Sandbox("none").gaps())
    assert any("other submissions" in line for line in sandbox.Sandbox("none", change_user=False).gaps())
