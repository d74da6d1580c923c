"""A class is graded: every grade is what is known, whatever was handed in, and nothing else changes."""

import asyncio
import csv
import dataclasses
import errno
import functools
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

psutil = pytest.importorskip("psutil")
pytest.importorskip("nbgrader", reason="nbgrader is not in this environment")
if sys.platform == "win32":
    pytest.skip("grading needs Linux or macOS", allow_module_level=True)

from nbgrader.api import Gradebook

from benchmarks import grade_class
from tests import grade_cases as cases
from tools import course
from tools.grade import (
    assemble,
    collect,
    execute,
    judge,
    prefork,
    probe,
    report,
    results,
    run,
    sandbox,
    submission,
    watch,
    workers,
)
from tools.grade import kernels as kernels_of_jupyter
from tools.grade.__main__ import main

HIDDEN = """
### BEGIN HIDDEN TESTS
assert "NAND" in gates.__doc__, "hidden: the docstring is gone"
### END HIDDEN TESTS
"""
NO_DOCSTRING = re.sub(r'\n    """.*?"""', "", cases.answers()["gates"], flags=re.DOTALL)
# The rest waits for a limit of time or fills memory and disk: it is in the benchmark.
CHEAP = sorted(cases.hostile().keys() - {"loop", "memory-in-steps", "files", "unlisted-files"})
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
    with (root / "grades.csv").open(encoding="utf-8-sig", newline="") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


def processes():
    """The command lines by number, and the parents, of all that runs."""
    found = [process.info for process in psutil.process_iter(["pid", "ppid", "cmdline"])]
    return {info["pid"]: (info["ppid"], " ".join(info["cmdline"] or [])) for info in found}


def servers():
    """The processes that a grader forks kernels from, and the kernels, by their numbers."""
    return {number for number, (_, line) in processes().items() if "grade/forkserver.py" in line}


def kernels():
    """The kernels that a grader started, or forked, and that still run."""
    found, forked = processes(), servers()
    executed = [number for number, (_, line) in found.items() if "nnlabs-grade-" in line and " -f " in line]
    return executed + [number for number in forked if found.get(number, (0, ""))[0] in forked]


@functools.cache
def boxes():
    """The ways to isolate a program that work on this system."""
    return [box for box in sandbox.CANDIDATES if box.kind != "none" and sandbox.works(box)]


def usable():
    return list(dict.fromkeys(box.kind for box in boxes()))


def described(box):
    return f"{box.kind}{'-forked' * box.fork}"


in_each_box = pytest.mark.parametrize("box", boxes(), ids=described)
needs_sandbox = pytest.mark.skipif(not usable(), reason="no sandbox on this system")


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
    if not usable():
        pytest.skip("no sandbox works here, and hostile programs are among the submissions")
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


@pytest.mark.parametrize("name", cases.edited())
def test_an_edited_notebook_is_put_right_before_it_runs(name):
    case = cases.edited()[name]
    result = assemble.assemble(assemble.read_cells(case.content), cases.lab())
    assert case.words in "; ".join(result.remarks)
    found = [cell for cell in result.notebook.cells if cases.grade_id(cell)]
    given = {cases.grade_id(cell): cell for cell in cases.lab().cells if cases.grade_id(cell)}
    assert [cases.grade_id(cell) for cell in found] == list(given)
    for cell in found:
        own = given[cases.grade_id(cell)]
        assert cell.metadata.nbgrader == own.metadata.nbgrader
        assert not cases.is_test(cell) or cell.source == own.source
        if cases.grade_id(cell) in case.right:
            assert cell.source == cases.answers()[cases.grade_id(cell)]


def test_the_benchmark_judges(tmp_path):
    written = {
        "s0": ("empty", cases.honest()["empty"]),
        "s1": ("asks-the-checks", grade_class.KNOWN_FAULTS["asks-the-checks"]),
        "s2": ("right", cases.honest()["right"]),
    }
    header = ["folder", *cases.POINTS, "status", "remarks"]
    none, every = ["0"] * len(cases.POINTS), [str(points) for points in cases.POINTS.values()]
    lines = [["s0", *none, "graded", ""], ["s1", *every, "look at it", ".reference"]]
    with (tmp_path / "grades.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])
    wrong, faults = grade_class.compare(tmp_path / "grades.csv", written)
    assert [line.split()[0] for line in faults] == ["s1"]
    assert [line.split()[0] for line in wrong] == ["s2"], "a student who is not in the table"
    assert grade_class.over({"x": (1.0, 1.5)}) == []
    assert "MISSED" in grade_class.over({"x": (1.51, 1.5)})[0]


def test_an_answered_question_waits_for_a_person_and_an_empty_one_does_not(graded):
    assert graded.row("right")[cases.QUESTION] == "to grade by hand"
    assert graded.row("empty")[cases.QUESTION] == "0"


def test_a_hidden_test_is_not_released_but_grades(graded):
    release = (graded.root / "release" / "." / cases.LAB / f"{cases.LAB}.ipynb").read_text()
    assert "HIDDEN" not in release
    assert "the docstring is gone" not in release
    assert graded.row("hidden")["gates"] == "0"
    assert "hidden: the docstring is gone" in graded.page("hidden")


@needs_sandbox
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
    assert not kernels()
    assert not servers()
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
    undone = re.findall(r"<tr><td>gates</td>(?:<td[^>]*>\d+</td>){3}<td[^>]*>(\d+)</td>", page)
    assert len(undone) == 1
    assert int(undone[0]) > 0, "students who did not do the gates are counted"
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
    assert report.hints(rows) == [("a", "x", 2), ("b", "y", 1)]


def test_the_report_counts_what_lies_there_and_was_graded():
    def row(student, points, status=submission.GRADED, current=True):
        record = submission.Record("", student, student, "", "", status, hints={"a-check": f"hint {student}"})
        return results.Row(record, {"a-check": run.results.Grade(points, 4, False)}, [], current)

    rows = [row("ann", 4), row("ben", 2), row("cleo", 0, submission.REFUSED), row("dan", 0, current=False)]
    page = report.page("lab", rows, {"a-check": 4.0}, b"")
    assert "Mean 3 of 4 points" in page
    assert "Not counted: 1 not graded, 1 of an earlier run only." in page
    assert '<td>3.2 to 4</td><td class="number">1</td>' in page
    assert '<td>0 to 0.8</td><td class="number">0</td>' in page
    assert "hint ben" in page
    assert "hint dan" not in page
    assert "<td>dan</td>" in page, "it is named below"
    assert "Not counted" not in report.page("lab", rows[:2], {"a-check": 4.0}, b"")


def test_run_again_it_grades_what_changed_only(graded, capsys):
    results = graded.root / "results"
    before = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    changed = graded.options.submissions / "right" / f"{cases.LAB}.ipynb"
    changed.write_bytes(lean(cases.dump(cases.notebook(("sigmoid",), question=False))))
    lost = graded.ids["not-json"]
    with Gradebook(run.CourseFolder(graded.root, cases.LAB).database) as gradebook:
        gradebook.remove_submission(cases.LAB, lost)  # as after a crash: a record, but no entry
    assert run.grade_class(graded.options) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("2 graded, ")
    after = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {"right.json", f"{lost}.json"}
    rows = read_table(graded.root)
    assert rows["right"]["total"] == "2"
    assert {s: r["total"] for s, r in rows.items() if s != "right"} == {
        s: r["total"] for s, r in graded.rows.items() if s != "right"
    }


def give_by_hand(graded, student, points):
    with Gradebook(run.CourseFolder(graded.root, cases.LAB).database) as gradebook:
        grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def test_points_given_by_hand_stay_and_count(graded):
    student = graded.ids["marks-lost"]
    give_by_hand(graded, student, 2.5)
    assert run.grade_class(graded.options) == 0
    row = read_table(graded.root)[student]
    assert row[cases.QUESTION] == "2.5"
    assert float(row["total"]) == cases.MAXIMUM + 2.5


def test_a_regrade_asks_a_person_only_for_another_answer(graded):
    same, other = graded.ids["hidden"], graded.ids["marks-lost"]
    for student, changed in ((same, {}), (other, {"xor_friends": "Another answer."})):
        (path,) = [path for path in graded.options.submissions.rglob("*.ipynb") if student in str(path)]
        path.write_bytes(lean(cases.dump(cases.notebook(**changed))))
        give_by_hand(graded, student, 2.5)
    assert run.grade_class(graded.options) == 0
    rows = read_table(graded.root)
    assert rows[same][cases.QUESTION] == "2.5"
    assert float(rows[same]["total"]) == cases.MAXIMUM + 2.5
    assert rows[other][cases.QUESTION] == "to grade by hand"
    assert float(rows[other]["total"]) == cases.MAXIMUM


def test_points_by_hand_do_not_count_for_a_file_that_cannot_be_graded_and_are_not_lost(graded):
    student = graded.ids["tests-edited"]
    (path,) = [path for path in graded.options.submissions.rglob("*.ipynb") if student in str(path)]
    content = path.read_bytes()
    give_by_hand(graded, student, 2.5)
    path.write_bytes(b"")
    assert run.grade_class(graded.options) == 0
    row = read_table(graded.root)[student]
    assert (row["total"], row[cases.QUESTION], row["status"]) == ("0", "0", "not graded")
    assert "do not count" in row["remarks"]
    path.write_bytes(content)
    assert run.grade_class(graded.options) == 0
    row = read_table(graded.root)[student]
    assert row[cases.QUESTION] == "to grade by hand"
    assert float(row["total"]) == graded.expected["tests-edited"].total
    with run.CourseFolder(graded.root, cases.LAB).gradebook() as gradebook:
        grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, student)
        assert grade.manual_score == 2.5, "to confirm with one click"


def test_a_late_submission_changes_no_other(graded, tmp_path, capsys):
    out, handed_in = tmp_path / "out", tmp_path / "class"
    shutil.copytree(graded.root, out / cases.LAB)
    shutil.copytree(graded.options.submissions, handed_in, symlinks=True)
    (handed_in / "ann o.ipynb").write_bytes(b"")
    options = dataclasses.replace(graded.options, submissions=handed_in, output=out)
    assert run.grade_class(options) == 0
    before, records = read_table(out / cases.LAB), run.Store(run.CourseFolder(out / cases.LAB, cases.LAB))
    times = {path.name: path.stat().st_mtime_ns for path in records.place.iterdir()}
    assert "ann_o" in before
    late = ("ann_o.ipynb", "ann__o.ipynb", "Wrong.ipynb", "class/ben/x.ipynb")  # alike, or in a new folder
    for name in late:
        (handed_in / name).parent.mkdir(parents=True, exist_ok=True)
        (handed_in / name).write_bytes(b"")
    capsys.readouterr()
    assert run.grade_class(options) == 0
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith(f"{len(late)} graded, ")
    after = read_table(out / cases.LAB)
    assert {student: after[student] for student in before} == before
    assert {path.name: path.stat().st_mtime_ns for path in records.place.iterdir()}.items() >= times.items()
    assert len(after) == len(before) + len(late)
    assert len({student.casefold() for student in after}) == len(after)


@in_each_box
def test_killed_in_the_middle_no_finished_grade_is_lost(graded, lesson, tmp_path, box):
    out = tmp_path / "out"
    shutil.copytree(graded.root, out / cases.LAB)
    shutil.rmtree(out / cases.LAB / "results")
    handed_in = tmp_path / "submissions"
    handed_in.mkdir()
    for i in range(3):
        (handed_in / f"s{i}.ipynb").write_bytes(lean(cases.honest(i)["right"].content))
    first = box == boxes()[0]
    if not first:  # only whether a kernel lives on: soon, after one that needs none
        (handed_in / "s0.ipynb").write_bytes(b"")
    code = (
        "from pathlib import Path\nfrom tools.grade import run, sandbox\n"
        "from tests.test_grade import LabWithHiddenTests\n"
        f"sandbox.CANDIDATES = [sandbox.Sandbox({box.kind!r}, fork={box.fork})]\n"
        f"lab = LabWithHiddenTests(Path({str(lesson.path)!r}))\n"
        f"run.grade_class(run.Options(lab, Path({str(handed_in)!r}), Path({str(out)!r}), jobs=2, seconds=60))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=course.ROOT, stdout=subprocess.DEVNULL)
    results = out / cases.LAB / "results"
    deadline = time.monotonic() + 60
    while not (list(results.glob("*.json")) and kernels()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 0 < len(finished) < 3
    deadline = time.monotonic() + 10
    while (kernels() or servers()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not kernels(), "a kernel outlived its grader"
    assert not servers(), "a process that forks kernels outlived its grader"
    if not first:
        return  # going on is the same in each sandbox
    options = run.Options(lesson, handed_in, out, jobs=2, seconds=60, kind=box.kind)
    assert run.grade_class(options) == 0
    rows = read_table(out / cases.LAB)
    assert [rows[f"s{i}"]["total"] for i in range(3)] == [f"{cases.MAXIMUM}"] * 3
    assert all((results / name).stat().st_mtime_ns == changed for name, changed in finished.items())


# The judge --------------------------------------------------------------------------------------


def test_a_value_before_the_error_gives_no_points():
    error = nbformat.v4.new_output("error", ename="CheckFailedError", evalue="gates: not done yet.")
    values = [nbformat.v4.new_output("execute_result", {"text/plain": text}) for text in ("'x'", "100")]
    mark = {"grade": True, "solution": False, "grade_id": "x", "points": 2}
    cell = nbformat.v4.new_code_cell(outputs=[*values, error], metadata={"nbgrader": mark})
    judge.results_last(cell)
    judge.bound_partial_points(cell)
    assert judge.utils.determine_grade(cell) == (0, 2)
    assert [output.get("ename") for output in cell.outputs][:1] == [judge.NO_NUMBER]
    assert submission.hint(cell) == "no number of points"


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "execute_result", "data": 5},
        {"output_type": "display_data", "data": {"text/plain": {"a": 1}}, "metadata": 3},
        {"output_type": "error", "ename": {}, "evalue": None, "traceback": 7},
        {"output_type": "stream", "name": [], "text": {"x": "\ud800"}},
        {"output_type": "unknown"},
    ],
)
def test_outputs_of_any_form_end_in_a_valid_notebook(output):
    kept = judge.harmless(nbformat.from_dict(output))
    cell = nbformat.v4.new_code_cell(outputs=[kept] if kept else [])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()


@pytest.mark.parametrize(
    "change", [{"hooks": [{}]}, {"digest": 5}, {"fingerprints": [1]}, {"renamed": {}}, None]
)
def test_an_odd_answer_of_the_kernel_is_none(change):
    fine = {"renamed": [], "borrowed": [], "environment": [], "hooks": [], "digest": "x"}

    def content(answer):
        return {"user_expressions": {"answer": {"data": {"text/plain": repr(json.dumps(answer))}}}}

    assert execute._decode(content(fine)) == fine | {"fingerprints": {}}
    assert execute._decode(content(fine | change if change else [])) is None


def test_a_message_of_any_depth_is_counted():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert execute.size({"a": "xyz", "b": deep}) > 100_000


def test_files_that_no_folder_lists_are_counted(tmp_path):
    with (tmp_path / "gone").open("wb") as stream:
        stream.write(bytes(5_000_000))
        stream.flush()
        before = watch.unlinked_size([psutil.Process()])
        (tmp_path / "gone").unlink()
        if not Path("/proc/self/fd").is_dir():
            pytest.skip("no /proc on this system")
        assert watch.unlinked_size([psutil.Process()]) - before >= 5_000_000


def _class_swap(check, expect, patch):
    swapped = type("Exercise", (type(check.gates),), {"diagnose": lambda self, attempt: None})
    swapped.__module__, swapped.__qualname__ = "nnlabs.checks.exercise", "Exercise"
    patch.setattr(check.gates, "__class__", swapped)


def _look_alike(check, expect, patch):
    fake = types.ModuleType("numpy")
    fake.__dict__.update(vars(expect.np), isclose=lambda *a, **k: expect.np.array(True))
    patch.setattr(expect, "np", fake)


def _popped(check, expect, patch):
    patch.delitem(sys.modules, "nnlabs.checks.expect")
    patch.setattr(expect, "true", lambda *a, **k: None)


def _shadowed(check, expect, patch):
    patch.setattr(expect, "isinstance", lambda *a: True, raising=False)


def _other_globals(check, expect, patch):
    function = types.FunctionType(
        expect.true.__code__,
        {"__name__": "nnlabs.checks.expect", "WrongError": Warning},
        "true",
        expect.true.__defaults__,
    )
    function.__module__, function.__qualname__ = "nnlabs.checks.expect", "true"
    patch.setattr(expect, "true", function)


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (_class_swap, "nnlabs.checks.neurons.gates"),
        (_look_alike, "nnlabs.checks.expect.np"),
        (_popped, "nnlabs.checks.expect.true"),
        (_shadowed, "nnlabs.checks.expect.isinstance"),
        (_other_globals, "nnlabs.checks.expect.true"),
    ],
)
def test_a_patch_of_the_checks_is_seen(attack, name, monkeypatch):
    from nnlabs.checks import expect, neurons

    clean = execute.Course(fingerprints=probe.of_checks())
    assert execute.differences(clean, probe.of_checks()) == []
    with monkeypatch.context() as patch:
        attack(neurons, expect, patch)
        found = execute.differences(clean, probe.of_checks())
    assert name in found
    assert execute.differences(clean, probe.of_checks()) == []


def test_a_module_of_the_checks_that_is_imported_later_is_no_patch():
    clean = {"nnlabs.checks.expect.true": "1"}
    later = execute.Course(fingerprints=clean | {"nnlabs.checks.vae.x": "3"}, late=("nnlabs.checks.vae.x",))
    assert execute.differences(later, clean) == []
    more = clean | {"nnlabs.checks.timing": "2", "nnlabs.checks.timing.x": "3"}
    known = execute.Course(fingerprints=clean | {"nnlabs.checks.expect": "1"})
    assert execute.differences(known, more | known.fingerprints) == []
    assert execute.differences(known, more | known.fingerprints | {"nnlabs.checks.isinstance": "1"})


def test_a_question_that_is_answered_too_late_is_no_fraud(monkeypatch, tmp_path):
    trial = execute.Run(tmp_path, sandbox.Sandbox("none"), sandbox.Limits(), "smoke", execute.Course())
    step = execute.SandboxedExecute(trial)
    step.kc = types.SimpleNamespace(execute=lambda *_, **__: "id")
    step.watch = watch.Watch(trial, 2**22 + 1)  # the number of no process
    monkeypatch.setattr(execute, "PROBE_SECONDS", -1)
    with pytest.raises(execute._EndedError):
        step.ask("", "")
    assert trial.stopped == "loop"
    assert not trial.tampered


# The processes -----------------------------------------------------------------------------------


def test_a_worker_that_died_before_its_work_came_is_told(tmp_path, monkeypatch):
    here, there = multiprocessing.Pipe()
    there.close()
    nothing = {name: lambda *_, **__: None for name in ("join", "kill", "is_alive")}
    dead = types.SimpleNamespace(exitcode=-9, **nothing)
    monkeypatch.setattr(workers.Workers, "_start", lambda _: workers._Worker(dead, here))
    with workers.Workers(1, tmp_path / "log") as group:
        (answer,) = group.run([("work",)], None, 1)
    assert "ended (exit -9)" in answer.problem


def test_what_fails_on_the_solution_is_told(monkeypatch):
    import logging

    def fails(*_):
        raise execute.SandboxError("bwrap: no room")

    monkeypatch.setattr(submission, "try_solution", fails)
    answer = workers._work(cases.lab(), None, logging.getLogger("nothing"))
    assert "bwrap: no room" in answer["problem"]
    monkeypatch.setattr(submission, "try_solution", lambda *_: 1 / 0)
    assert "the solution" in workers._work(cases.lab(), None, logging.getLogger("nothing"))["problem"]


@pytest.mark.parametrize("option", ["--jobs", "--seconds", "--memory"])
@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_numbers_are_above_zero(option, value, capsys):
    with pytest.raises(SystemExit):
        main(["01", "somewhere", option, value])
    assert option in capsys.readouterr().err


def told(capsys, tmp_path, *arguments, output="out"):
    """The one line that the command says of what is wrong."""
    (tmp_path / "ann.ipynb").write_text("{}")
    assert main(["01", str(tmp_path), "--output", str(tmp_path / output), *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    return error


def test_a_sandbox_that_does_not_work_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sandbox, "works", lambda _: False)
    assert "bubblewrap does not work here" in told(capsys, tmp_path, "--sandbox", "bubblewrap")
    assert "does not start here" in told(capsys, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in told(capsys, tmp_path, output="file/out")


@needs_sandbox
def test_a_damaged_gradebook_is_told_and_left_as_it_is(tmp_path, capsys):
    path = tmp_path / "out" / cases.LAB / "gradebook.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    assert "gradebook.db cannot be used: file is not a database" in told(capsys, tmp_path)
    assert path.read_bytes() == b"no database" * 1000


def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "grades.csv")

    write = run.write
    write(tmp_path / "kept", "before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write(tmp_path / "kept", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "before"
    monkeypatch.setattr(run, "grade_class", full)
    assert "No space left on device (grades.csv)" in told(capsys, tmp_path)
    import logging

    monkeypatch.setattr(submission, "grade", full)
    problem = workers._work((types.SimpleNamespace(student="ann"), "key"), None, logging.getLogger("nothing"))
    assert "ann: No space left on device" in problem["problem"]


def test_a_table_holds_no_formula():
    assert [results._cell(text)[0] for text in ("=1", "+1", "-1", "@a", "＝1", "＋1")] == ["'"] * 6
    assert results._cell("ann") == "ann"


class _Solved:
    """Workers that have tried the solution, well or not."""

    def __init__(self, problem=""):
        self.problem = problem

    def run(self, works, setting, seconds):
        assert setting.limits.cell_seconds >= 1800
        yield workers.Answer(works[0], None if self.problem else (execute.Course(), 1.0, 1), self.problem)


def prepared(root, source, key, problem=""):
    folder = run.CourseFolder(root, cases.LAB)
    setting = submission.Setting(folder, sandbox.Sandbox("none"), sandbox.Limits(), "smoke")
    run.prepare(source, setting, key, _Solved(problem), 0)
    return folder


def test_a_solution_that_fails_changes_nothing_and_a_new_gradebook_begins_with_all(tmp_path, capsys):
    source = nbformat.read(course.ROOT / "solutions" / f"{cases.LAB}.ipynb", as_version=4)
    folder = prepared(tmp_path, source, "one")
    release = folder.path("release").read_bytes()
    source.cells = [cell for cell in source.cells if not cases.grade_id(cell).startswith("gates")]
    with pytest.raises(course.CourseError, match="fails"):
        prepared(tmp_path, source, "two", "it fails")
    assert folder.path("release").read_bytes() == release
    assert json.loads((tmp_path / "course.json").read_text())["key"] == "one"
    (tmp_path / "results").mkdir()
    prepared(tmp_path, source, "two")
    assert "by hand" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    assert len(list(tmp_path.glob("results-*"))) == 1
    assert str(tmp_path) not in (tmp_path / "nbgrader_config.py").read_text()
    (tmp_path / "gradebook.db").unlink()
    assert not folder.is_entered()


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


def damaged_zips():
    """Zip files that zipfile stumbles over, each in another way."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01_neurons.ipynb", b"{}" * 1000)
    whole = stream.getvalue()
    start = whole.index(b"PK\x01\x02")
    method = whole[: start + 10] + b"\x63\x00" + whole[start + 12 :]
    needs = whole[: start + 6] + b"\xff\x00" + whole[start + 8 :]
    name = whole[: start + 8] + b"\x00\x08" + whole[start + 10 : start + 46] + b"\xff" + whole[start + 47 :]
    data = whole[:50] + bytes(10) + whole[60:]
    return {"method": method, "version": needs, "name": name, "data": data, "cut": whole[:60], "text": b"x"}


@pytest.mark.parametrize("damage", damaged_zips())
def test_a_damaged_zip_file_is_one_students_matter(tmp_path, damage):
    (tmp_path / "ann.zip").write_bytes(damaged_zips()[damage])
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "work.zip").write_bytes(damaged_zips()[damage])
    (tmp_path / "cleo.ipynb").write_text("{}")
    found = students(tmp_path)
    assert set(found) == {"ann", "ben", "cleo"}
    for student in ("ann", "ben"):
        if found[student].file is None:
            assert "zip file" in found[student].notes[0]
        else:
            with pytest.raises(collect.NotReadError, match="cannot be read"):
                found[student].file.read()


def test_names_that_cannot_be_printed_stay_apart(tmp_path):
    for name in (b"a\xff.ipynb", b"a\xfe.ipynb", b"a\x1b[31m.ipynb", b"a\\udcff.ipynb"):
        try:
            Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("{}")
        except OSError:
            pytest.skip("this file system refuses such names")
    found = students(tmp_path).values()
    assert len({student.given for student in found}) == 4
    assert all((student.given + student.shown).isprintable() for student in found)


def test_macos_files_and_empty_folders(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "._01_neurons.ipynb").write_bytes(b"\0")
    (tmp_path / "cleo.ipynb").write_text("{}")
    found = students(tmp_path)
    empty = {student: one.notes for student, one in found.items() if not one.file}
    assert empty == {"ann": ["the folder is empty"], "ben": ["the folder is empty"]}
    with zipfile.ZipFile(tmp_path / "class (1).zip", "w") as archive:
        for name in ("class/", "class/ann/", "class/ben/", "class/ben/x.ipynb", "class/cleo/x.ipynb"):
            archive.writestr(name, "")
    found = students(tmp_path / "class (1).zip")
    assert found["ann"].notes == ["the folder is empty"]
    assert set(found) == {"ann", "ben", "cleo"}


def test_a_folder_around_the_class_is_asked_for_not_guessed(tmp_path):
    def class_of(*names):
        shutil.rmtree(tmp_path / "all", ignore_errors=True)
        for name in names:
            (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "all" / name).write_text("{}")
        return tmp_path / "all"

    assert set(students(class_of("ann/week1/x.ipynb"))) == {"ann"}
    two = class_of("ann/week1/x.ipynb", "ann/week2/x.ipynb")
    for place in (two, class_of("course/Ann Lee_123_assignsubmission_file_/x.ipynb")):
        with pytest.raises(course.CourseError, match="one folder"):
            students(place)
    assert set(students(place / "course")) == {"123"}
    two = class_of("ann/week1/x.ipynb", "ann/week2/x.ipynb")
    assert set(students(two, pattern="(?P<student_id>[^/]+)/")) == {"ann"}
    assert set(students(class_of("all/ann/x.ipynb", "ben/x.ipynb"))) == {"ann", "ben"}


def test_dates_in_zip_files_compare_with_those_of_files(tmp_path):
    path = tmp_path / "ann.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("01_neurons.ipynb", (2024, 5, 1, 12, 0, 0)), "{}")
    (tmp_path / "ann_01_neurons.ipynb").write_text("{}")
    os.utime(tmp_path / "ann_01_neurons.ipynb", (1.6e9, 1.6e9))  # 2020
    assert students(tmp_path)["ann"].file.member
    os.utime(tmp_path / "ann_01_neurons.ipynb", (1.75e9, 1.75e9))  # 2025
    assert not students(tmp_path)["ann"].file.member
    assert collect._seconds((1980, 0, 0, 0, 0, 0)) == 0


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
    ids = ["anna", "Anna", "a n", "a_n", "../a n", "x" * 200, "x" * 201, ".."]
    ids.append(collect.safe_ids(ids, {})["a n"])  # one who took the name that another one would get
    names = collect.safe_ids(ids, {})
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    assert names["a_n"] == "a_n"
    assert collect.safe_ids([*ids, "ANNA", "a-n", "a n "], names).items() >= names.items()
    assert all(re.fullmatch(r"[\w-]{1,70}", name) for name in names.values())


def test_an_own_pattern_for_ids(tmp_path):
    (tmp_path / "2024-x-anna.ipynb").write_text("{}")
    assert set(students(tmp_path, pattern=r".*-(?P<student_id>\w+)\.ipynb")) == {"anna"}
    with pytest.raises(course.CourseError, match="student_id"):
        students(tmp_path, pattern="x")


@pytest.mark.parametrize(("make", "words"), [(lambda p: None, "not there"), (Path.mkdir, "no submission")])
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
    socket.create_connection(('127.0.0.1', PORT), timeout=2)
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


@in_each_box
def test_what_a_sandbox_keeps_out(box):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=2).close()  # from here it can be reached
        values = f"PACKAGE, COURSE, PORT = {str(course.ROOT / 'nnlabs')!r}, {str(course.ROOT)!r}, {port}\n"
        said = in_sandbox(box, values + TRIAL, sandbox.Limits(threads=40))
    assert "HELD" in said
    assert "WROTE" not in said
    assert "NETWORK" not in said
    assert "ROOT" not in said
    assert not {"lessons", "solutions", "build", ".git"} & set(re.findall(r"'([\w.]+)'", said))
    assert not box.gaps()


def in_sandbox(box, code, limits=None):
    """What a program prints in the sandbox, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        program = [sys.executable, "-c", code]
        status, said = sandbox.execute(box, program, Path(folder), limits or sandbox.Limits())
    assert status == 0, said
    return said


@in_each_box
def test_what_is_private_inside_what_is_shown_is_hidden(box, tmp_path, monkeypatch):
    shown = tmp_path / "prefix"
    for name in (
        "lib/open",
        "lib/course/secret",
        "lib/course/nnlabs/open",
        "lib/course/nnlabs/in/secret",
        "lib/zip",
    ):
        (shown / name).parent.mkdir(parents=True, exist_ok=True)
        (shown / name).write_text("x")
    (tmp_path / "link").symlink_to(shown)
    places = [top / part for top in (shown, tmp_path / "link") for part in ("lib", "lib/course/nnlabs")]
    usual = sandbox.readable()
    monkeypatch.setattr(sandbox, "readable", lambda: (*usual, *places))
    private = [shown / "lib" / name for name in ("course", "course/nnlabs/in", "zip")]
    told = in_sandbox(
        dataclasses.replace(box, hidden=(*private, tmp_path)),
        "import os\nfrom pathlib import Path\n"
        f"for top in {[str(shown), str(tmp_path / 'link')]!r}:\n"
        "    for path in Path(top).rglob('*'):\n"
        "        if path.name in ('open', 'secret'): print(path.name, path.read_text())\n"
        "    for name in ('lib', 'lib/course', 'lib/course/nnlabs', 'lib/course/nnlabs/in'):\n"
        "        if os.access(Path(top, name), os.W_OK): print('WRITE', name)\n"
        "    try: print('ZIP', repr(Path(top, 'lib', 'zip').read_text()))\n"
        "    except OSError: print('ZIP', repr(''))\n",
    )
    assert sorted(told.splitlines()) == ["ZIP ''"] * 2 + ["open x"] * 4
    with pytest.raises(course.CourseError, match="must be able to read"):
        sandbox.chosen(box.kind, (shown / "lib",))


def test_the_folder_that_python_is_installed_in_is_not_shown_as_a_whole(tmp_path, monkeypatch):
    for name in ("bin", "lib", "src/nnlabs/solutions", ".ssh"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shown = sandbox.readable.__wrapped__()
    assert [place.name for place in shown if tmp_path in place.parents] == ["bin", "lib"]
    assert tmp_path not in shown


@in_each_box
def test_what_is_mounted_inside_a_shown_folder_is_read_only(box, tmp_path, monkeypatch):
    inside = tmp_path / "shown" / "a folder" / "inside"
    inside.mkdir(parents=True)
    usual = sandbox.readable()
    monkeypatch.setattr(sandbox, "readable", lambda: (*usual, tmp_path / "shown"))
    mount = (
        f"mount -t tmpfs -o mode=777,nodev,nosuid tmpfs '{inside}' && touch '{inside}/there' && exec \"$@\""
    )
    user = [] if sandbox.is_root() else ["--user", "--map-root-user"]
    before = ["unshare", *user, "--mount", "sh", "-c", mount, "sh"]
    command = sandbox.Sandbox.command
    monkeypatch.setattr(sandbox.Sandbox, "command", lambda *settings: [*before, *command(*settings)])
    told = in_sandbox(
        box, f"import os; print(os.listdir({str(inside)!r}), os.access({str(inside)!r}, os.W_OK))"
    )
    assert told.split() == ["['there']", "False"]


RIGHTS = """
import ctypes, os, resource, sys, tempfile
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
for name in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapAmb', 'CapBnd', 'NoNewPrivs'):
    print(name, status[name].split())
for name in sorted(name for name in dir(resource) if name.startswith('RLIMIT_')):
    print(name, resource.getrlimit(getattr(resource, name)))
first = [line.split('=')[0] for line in open('/proc/self/environ').read().split('\\0')]
print('environment', sorted((set(os.environ) | set(first)) - {'', 'PWD', 'OLDPWD', 'LC_CTYPE'}))
print('files', sorted(os.listdir('/proc/self/fd')), os.getcwd(), tempfile.gettempdir())
print('mounts', sorted(line.split()[4:6] for line in open('/proc/self/mountinfo')), sorted(os.listdir('/')))
print('packages', [folder for folder in sys.path if folder])
libc = ctypes.CDLL(None)
print(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), libc.sethostname(b'x', 1), libc.chroot(b'/tmp'))
for change in (lambda: open('/proc/self/exe', 'r+b'), lambda: os.chmod('/proc/self/exe', 0o755),
               lambda: os.setgroups([])):
    try:
        change()
        print('DONE')
    except OSError:
        print('refused')
"""


@pytest.mark.parametrize("kind", usable())
def test_a_forked_kernel_may_do_what_an_executed_one_may(kind):
    told = {}
    for fork in (False, True):
        box = sandbox.Sandbox(kind, fork=fork)
        if box not in boxes():
            pytest.skip("no kernel can be forked here")
        told[fork] = re.sub(r"nnlabs-trial-\w+", "FOLDER", in_sandbox(box, RIGHTS))
    rights, others = (
        [line for line in told[True].splitlines() if (line[:3] == "Cap") == caps] for caps in (1, 0)
    )
    assert rights == [f"Cap{name} ['{0:016}']" for name in ("Inh", "Prm", "Eff", "Amb", "Bnd")]
    assert others == [line for line in told[False].splitlines() if line[:3] != "Cap"]
    assert "DONE" not in told[True]
    assert "-1 -1 -1" in told[True]


FORKED = [box for box in boxes() if box.fork]
WITH_LIMITS_ONLY = [*FORKED, *filter(sandbox.works, [sandbox.Sandbox("none", fork=True)])]


@pytest.fixture
def forker(tmp_path):
    server = prefork.ForkServer(("import numpy as np",), sandbox.environment(tmp_path, "smoke"))
    yield server
    server.close()


def say_of_fork(server, box, code, folder):
    folder.mkdir()
    variables = sandbox.environment(folder, "smoke")
    return server.run(box.request([sys.executable, "-c", code], folder, sandbox.Limits(), variables), 60)


@pytest.mark.parametrize("box", FORKED, ids=described)
def test_of_a_forked_kernel_nothing_is_in_the_next_one(forker, box):
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as place:
        leave = (
            "import os, numpy as np\nnp.left = 1\nopen('/tmp/left', 'w').close()\n"
            "open('/dev/shm/left', 'w').close()\nos.environ['LEFT'] = '1'\n"
            "if os.fork() == 0:\n    import time; os.setsid(); time.sleep(30)\n"
        )
        look = (
            "import os, numpy as np\n"
            "files = [os.path.exists(f'{folder}/left') for folder in ('/tmp', '/dev/shm')]\n"
            "print(hasattr(np, 'left'), *files, 'LEFT' in os.environ)\n"
            "print(len([p for p in os.listdir('/proc') if p.isdigit()]) <= 3)\n"
            "print(int(np.random.randint(2**31)))\n"
        )
        assert say_of_fork(forker, box, leave, Path(place, "a")) == (0, "")
        told = [say_of_fork(forker, box, look, Path(place, name)) for name in "bc"]
    for status, text in told:
        assert status == 0, text
        assert text.splitlines()[:2] == ["False False False False", "True"]
    assert told[0][1] != told[1][1], "each has random numbers of its own"


@pytest.mark.parametrize("box", FORKED, ids=described)
def test_a_forked_kernel_that_kills_all_it_can_ends_alone(forker, box):
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as place:
        for number, target in enumerate(("0", "-1", "1", "os.getppid() or -1", "os.getpid()")):
            code = (
                "import os, signal, time\nassert os.getpid() < 500, 'not in a namespace of its own'\n"
                f"os.kill({target}, signal.SIGKILL)\ntime.sleep(0.2)\nprint('on')"
            )
            assert "namespace" not in say_of_fork(forker, box, code, Path(place, f"{number}"))[1]
            assert forker.is_alive()
            assert say_of_fork(forker, box, "print('next')", Path(place, f"{number} next")) == (0, "next\n")
    assert not kernels()


LEAVE = """
import ctypes, os, time
prctl = ctypes.CDLL(None).prctl
prctl(1, 0)  # ends no longer with its parent
if os.fork() == 0:
    os.setsid()
    prctl(1, 0)
    if os.fork() == 0:
        time.sleep(100)
    os._exit(0)
"""


@pytest.fixture
def no_servers():
    """Before and after the test nothing runs that forks kernels."""

    def close():
        for server in filter(None, prefork._servers.values()):
            server.close()
        prefork._servers.clear()

    close()
    yield
    close()


@pytest.mark.parametrize("box", WITH_LIMITS_ONLY, ids=described)
def test_what_a_forked_kernel_leaves_running_ends_with_it(forker, box):
    before = servers()
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as place:
        assert say_of_fork(forker, box, LEAVE, Path(place, "a")) == (0, "")
    assert servers() == before
    assert psutil.Process(forker.process.pid).children(recursive=True) == []


@in_each_box
def test_no_process_of_a_kernel_outlives_its_run(box, tmp_path, no_servers):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LEAVE)])
    setting = submission.Setting(run.CourseFolder(tmp_path, cases.LAB), box, sandbox.Limits(), "smoke")
    submission.try_solution(notebook, setting)
    own = {server.process.pid for server in filter(None, prefork._servers.values())}
    assert len(own) == box.fork
    deadline = time.monotonic() + 5
    while (kernels() or servers() - own) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not kernels()
    assert servers() == own


@pytest.mark.skipif(sys.platform != "linux" or not sandbox.is_root(), reason="of Linux, for root")
def test_all_that_a_user_runs_is_ended_however_fast_it_forks():
    box = sandbox.Sandbox("none")
    user = {"user": box.user(), "group": box.user(), "extra_groups": []}

    def running():
        found = [p.info for p in psutil.process_iter(["pid", "uids", "status"])]
        return [p for p in found if box.user() in (p["uids"] or ()) and p["status"] != psutil.STATUS_ZOMBIE]

    comet = "f() { sleep 0.005; f & exit; }; f"
    subprocess.Popen(["sh", "-c", comet], **user, start_new_session=True).wait()
    assert any(running() for _ in range(100)), "one look at the list can miss it"
    watch.end(2**22 + 1, box)  # the number of no process
    time.sleep(0.1)
    assert not any(running() for _ in range(20))


def test_the_graders_files_are_written_before_the_folder_is_given_away(monkeypatch, tmp_path):
    seen = []

    def command(self, program, scratch, limits):
        seen.append(os.listdir(scratch))
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    monkeypatch.setattr(sandbox.Sandbox, "command", command)
    trial = execute.Run(tmp_path, sandbox.Sandbox("none"), sandbox.Limits(), "smoke", execute.Course())
    manager = kernels_of_jupyter.SandboxedKernelManager(trial)

    async def start():
        await manager.start_kernel(env={}, stdout=trial.log, stderr=trial.log)
        await manager.shutdown_kernel(now=True)

    asyncio.run(start())
    assert seen == [["kernel.json"]]


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_libraries_that_run_threads_are_not_forked(tmp_path, no_servers):
    threads = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    variables = sandbox.environment(tmp_path, "smoke")
    for line, words in ((threads, "run 2 threads"), ("raise SystemExit(3)", "did not start")):
        with pytest.raises(prefork.ForkError, match=words):
            prefork.ForkServer((line,), variables)
        assert prefork.server((line,), variables) is None
    assert not servers()


@pytest.mark.skipif(not FORKED, reason="no kernel can be forked here")
def test_a_process_that_forks_is_replaced_when_it_ended(tmp_path, no_servers):
    variables = sandbox.environment(tmp_path, "smoke")
    first = prefork.server(("import json",), variables)
    assert prefork.server(("import json",), variables) is first
    first.process.kill()
    first.process.wait()
    with pytest.raises(prefork.ForkError, match="has ended"):
        first.fork({}, 1)
    second = prefork.server(("import json",), variables)
    assert second is not first
    assert second.is_alive()


def test_without_a_sandbox_it_is_said():
    assert any("network" in line for line in sandbox.Sandbox("none").gaps())
    assert any("other submissions" in line for line in sandbox.Sandbox("none", change_user=False).gaps())
    assert any("share /tmp" in line for line in sandbox.Sandbox("none").gaps())
    assert sandbox.environment(Path("/tmp/own"), "smoke")["TMPDIR"] == "/tmp/own"


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces is 0"),
        ("", "", "neither bubblewrap"),
    ],
)
def test_why_there_is_no_sandbox_is_said_with_the_ways_out(monkeypatch, setting, value, words):
    monkeypatch.setattr(sandbox, "_kernel_setting", lambda name: value if name == setting else "")
    monkeypatch.setattr(sandbox, "is_root", lambda: False)
    said = sandbox.why_none()
    assert words in said
    assert "Dockerfile" in said
    assert "\n" not in said
    for heading in re.findall(r'INSTRUCTORS.md, "([^"]+)"', said):
        assert f"### {heading}\n" in (course.ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
