"""What the command says, what it keeps, and what goes wrong without a student's doing."""

import errno
import json
import os
import shutil
from unittest.mock import MagicMock

import pytest
from nbgrader.converters.base import NbGraderException
from sqlalchemy.exc import OperationalError

from grading import coursefolder, grades, report, run, sandbox, session, submission, workers
from grading.__main__ import main
from grading.collect import Submission
from tests.grading import cases
from tests.grading.conftest import needs_bubblewrap
from tools import course


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_numbers_are_above_zero(value, capsys):
    with pytest.raises(SystemExit):
        main(["01", "somewhere", "--jobs", value])
    assert f"argument --jobs: invalid positive value: {value!r}" in capsys.readouterr().err


def told(capsys, place):
    """The one line that the command says of what is wrong."""
    assert main(["01", str(place), "--output", str(place.parent / "out")]) == 1
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    return error


@pytest.fixture
def handed_in(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ann.ipynb").write_text("{}")
    return tmp_path / "class"


def test_what_is_wrong_is_told_in_one_line(handed_in, capsys, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    assert "no submission" in told(capsys, tmp_path / "empty")
    assert "not there" in told(capsys, tmp_path / "other")
    monkeypatch.setattr(sandbox, "works", lambda _: False)
    assert "does not start here" in told(capsys, handed_in)
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").write_text("")
    assert "cannot be written to" in told(capsys, handed_in)
    monkeypatch.setattr(course, "ROOT", handed_in / "second checkout")
    assert "nnlabs comes from" in told(capsys, handed_in)


@needs_bubblewrap
def test_a_damaged_gradebook_is_told_and_left_as_it_is(handed_in, capsys):
    path = handed_in.parent / "out" / cases.LAB / "gradebook.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    assert "gradebook.db cannot be used: file is not a database" in told(capsys, handed_in)
    assert path.read_bytes() == b"no database" * 1000


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "grades.csv")


def test_a_full_disk_is_told_and_leaves_no_half_file(handed_in, tmp_path, capsys, monkeypatch):
    grades.write(tmp_path / "out" / "kept", "before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            grades.write(tmp_path / "out" / "kept", "after")
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"kept": "before"}
    monkeypatch.setattr(run, "grade_class", full)
    assert "No space left on device (grades.csv)" in told(capsys, handed_in)


def raises(error, context=None):
    def step(*_):
        error.__context__ = context
        raise error

    return step


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (full, "ann: No space left on device"),
        (raises(course.CourseError("the kernel did not start")), "the kernel did not start"),
        (raises(NbGraderException(), OperationalError("", {}, ValueError("locked"))), "NbGraderException"),
        (raises(RecursionError()), None),
    ],
)
def test_what_the_computer_fails_at_is_tried_again_and_nothing_else_fails_for_good(monkeypatch, step, words):
    monkeypatch.setattr(submission, "grade", step)
    record, problem = workers._grade(Submission("ann", "ann"), "key", MagicMock())
    assert words in problem if words else record.status == grades.REFUSED
    assert not words or record is None


def test_a_solution_that_fails_changes_nothing_and_a_new_gradebook_begins_with_all(
    tmp_path, monkeypatch, capsys
):
    source, folder, tried = cases.solution(), run.CourseFolder(tmp_path, cases.LAB), []
    setting = submission.Setting(folder, sandbox.Sandbox("none"), session.Limits(), "smoke")
    monkeypatch.setattr(workers, "try_solution", lambda *told: tried.append(told) or 1.0)
    limits = run.prepare(source, setting, "one", None, 0).limits
    assert limits.seconds == run.SECONDS_TO_START + run.CHECKS_SECONDS + run.PATIENCE
    run.prepare(source, setting, "one", None, 0)
    assert [told[2].limits.seconds for told in tried] == [3600], "once, with patience"
    release = folder.path("release").read_bytes()
    source.cells = [cell for cell in source.cells if not cases.grade_id(cell).startswith("gates")]
    with monkeypatch.context() as patch:
        patch.setattr(workers, "try_solution", raises(course.CourseError("it fails")))
        with pytest.raises(course.CourseError, match="fails"):
            run.prepare(source, setting, "two", None, 0)
    assert folder.path("release").read_bytes() == release
    assert json.loads((folder.root / "course.json").read_text())["key"] == "one"
    (folder.root / "results").mkdir()
    run.prepare(source, setting, "two", None, 0)
    assert "by hand" in capsys.readouterr().err
    assert not (folder.root / "results").exists()
    assert len(list(folder.root.glob("results-*"))) == 1
    assert str(folder.root) not in (folder.root / "nbgrader_config.py").read_text()
    monkeypatch.setattr(coursefolder.CourseFolder, "_convert", raises(NbGraderException("odd")))
    folder.feedback("ann")
    assert "cannot be shown" in folder.path("feedback", "ann", ".html").read_text()
    (folder.root / "gradebook.db").unlink()
    assert not folder.is_entered()


def test_a_table_holds_no_formula():
    assert [grades._cell(text)[0] for text in ("=1", "+1", "-1", "@a", "＝1", "＋1")] == ["'"] * 6
    assert grades._cell("ann") == "ann"


def test_the_report_counts_what_lies_there_and_was_graded():
    def row(student, points, hint, status=grades.GRADED, current=True):
        record = grades.Record("", student, student, "", "", status, hints={"a-check": hint})
        return grades.Row(record, {"a-check": grades.Grade(points, 4, False)}, [], current)

    rows = [row("ann", 4, "x"), row("ben", 2, "x"), row("cleo", 0, "y", grades.REFUSED)]
    rows.append(row("dan", 0, "z", current=False))
    page = report.page("lab", rows, {"a-check": 4.0})
    assert "Mean 3 of 4 points" in page
    assert "Not counted: 1 not graded,\n1 of an earlier run only. 0 have" in page
    assert '<td>3.6 to 4</td><td class="number">1</td><td class="bar"><div style="width: 100%">' in page
    assert '<td>0 to 0.4</td><td class="number">0</td>' in page
    assert '<td>a</td><td>x</td><td class="number">2</td>' in page
    assert "<td>z</td>" not in page
    assert "Mean 0 of 4 points" in report.page("lab", rows[2:], {"a-check": 4.0})
