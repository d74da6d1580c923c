"""What the command says, what it keeps, and what goes wrong without a student's doing."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import OperationalError

from grading import coursefolder, grades, report, run, sandbox, session, submission, workers
from grading.__main__ import main
from grading.collect import Submission
from tests.grading import cases
from tests.grading.conftest import needs_bubblewrap
from tools import course


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


def test_a_package_from_elsewhere_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(course, "ROOT", tmp_path / "second checkout")
    assert "nnlabs comes from" in told(capsys, tmp_path)


def test_a_sandbox_that_does_not_work_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sandbox, "works", lambda _: False)
    assert "bubblewrap does not work here" in told(capsys, tmp_path, "--sandbox", "bubblewrap")
    assert "does not start here" in told(capsys, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in told(capsys, tmp_path, output="file/out")


@needs_bubblewrap
def test_a_damaged_gradebook_is_told_and_left_as_it_is(tmp_path, capsys):
    path = tmp_path / "out" / cases.LAB / "gradebook.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    assert "gradebook.db cannot be used: file is not a database" in told(capsys, tmp_path)
    assert path.read_bytes() == b"no database" * 1000


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "grades.csv")


def test_a_full_disk_is_told_and_leaves_no_half_file(tmp_path, capsys, monkeypatch):
    grades.write(tmp_path / "kept", "before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            grades.write(tmp_path / "kept", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "before"
    monkeypatch.setattr(run, "grade_class", full)
    assert "No space left on device (grades.csv)" in told(capsys, tmp_path)


def raises(error, context=None):
    def step(*_):
        error.__context__ = context
        raise error

    return step


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (full, "ann: No space left on device"),
        (raises(session.SandboxError("no room")), "the kernel did not start: no room"),
        (raises(NbGraderException(), OperationalError("", {}, ValueError("locked"))), "NbGraderException"),
    ],
)
def test_what_the_computer_fails_at_is_tried_again(monkeypatch, step, words):
    monkeypatch.setattr(submission, "grade", step)
    record, problem = workers._grade(Submission("ann", "ann"), "key", None)
    assert record is None
    assert words in problem


def test_nothing_makes_a_grade_fail_for_good(graded, monkeypatch):
    monkeypatch.setattr(submission, "grade", raises(RecursionError()))
    folder = run.CourseFolder(graded.root, cases.LAB)
    refused = []
    monkeypatch.setattr(coursefolder.CourseFolder, "refuse", lambda _, *told: refused.append(told))
    setting = submission.Setting(folder, sandbox.Sandbox("none"), session.Limits(), "smoke")
    record, problem = workers._grade(Submission("ann", "ann"), "key", setting)
    assert (record.status, record.key, problem) == (grades.REFUSED, "key", "")
    assert refused == [("ann", "the grader failed on ann: RecursionError, see grade.log: look at it")]


def test_a_page_that_cannot_be_made_is_replaced_by_a_line(graded, monkeypatch):
    folder = run.CourseFolder(graded.root, cases.LAB)
    monkeypatch.setattr(coursefolder.CourseFolder, "_convert", raises(NbGraderException("odd")))
    student = graded.ids["os-exit"]
    folder.feedback(student)
    assert "cannot be shown" in folder.path("feedback", student, ".html").read_text()


def test_a_table_holds_no_formula():
    assert [grades._cell(text)[0] for text in ("=1", "+1", "-1", "@a", "＝1", "＋1")] == ["'"] * 6
    assert grades._cell("ann") == "ann"


class _Solved:
    """Workers that have tried the solution, well or not."""

    def __init__(self, problem=""):
        self.problem = problem

    def try_solution(self, source, setting):
        assert setting.limits.cell_seconds >= 1800
        if self.problem:
            raise course.CourseError(self.problem)
        return 1.0


def prepared(root, source, key, problem=""):
    folder = run.CourseFolder(root, cases.LAB)
    setting = submission.Setting(folder, sandbox.Sandbox("none"), session.Limits(), "smoke")
    run.prepare(source, setting, key, _Solved(problem), 0)
    return folder


def test_a_solution_that_fails_changes_nothing_and_a_new_gradebook_begins_with_all(tmp_path, capsys):
    source = cases.solution()
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
    def row(student, points, status=grades.GRADED, current=True):
        record = grades.Record("", student, student, "", "", status, hints={"a-check": f"hint {student}"})
        return grades.Row(record, {"a-check": grades.Grade(points, 4, False)}, [], current)

    rows = [row("ann", 4), row("ben", 2), row("cleo", 0, grades.REFUSED), row("dan", 0, current=False)]
    page = report.page("lab", rows, {"a-check": 4.0}, b"")
    assert "Mean 3 of 4 points" in page
    assert "Not counted: 1 not graded, 1 of an earlier run only." in page
    assert '<td>3.2 to 4</td><td class="number">1</td>' in page
    assert '<td>0 to 0.8</td><td class="number">0</td>' in page
    assert "hint ben" in page
    assert "hint dan" not in page
    assert "<td>dan</td>" in page, "it is named below"
    assert "Not counted" not in report.page("lab", rows[:2], {"a-check": 4.0}, b"")


@pytest.mark.parametrize(("make", "words"), [(lambda p: None, "not there"), (Path.mkdir, "no submission")])
def test_a_wrong_folder_is_told_in_one_line(tmp_path, capsys, make, words):
    make(tmp_path / "there")
    assert main(["01", str(tmp_path / "there"), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error
