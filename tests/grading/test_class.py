"""A class is graded once, changed, graded again; and once the grader is killed, and the machine is busy."""

import functools
import json
import multiprocessing
import os
import re
import shutil
import time
from argparse import Namespace
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from grading import handin, run
from grading.__main__ import parser
from grading.session import Limits
from tests.grading import cases
from tests.grading.conftest import HAS_BUBBLEWRAP, kernels, until

if not HAS_BUBBLEWRAP:
    pytest.skip("bubblewrap does not work here, and the submissions are hostile", allow_module_level=True)

# Endless loops end soon, and so does what takes too much.
QUICK = {"SECONDS_TO_START": 20, "CHECKS_SECONDS": 20, "CELL_SECONDS": 0, "PATIENCE": 4}
QUICK["Limits"] = functools.partial(Limits, disk=50, output=2, processes=16)
EXECUTED = ("right", "wrong", "tests-edited", "version-4-2", "value", "spy", *cases.STOPS)
HIDDEN = '\n### BEGIN HIDDEN TESTS\nassert gates.__doc__, "no docstring"\n### END HIDDEN TESTS'
LATE = ("ann_o.ipynb", "ann__o.ipynb", "Wrong.ipynb", "class/ben/x.ipynb")  # alike, or in a new folder


@dataclass(frozen=True)
class Class:
    """What lies in the folders of a class."""

    lesson: SimpleNamespace
    options: Namespace
    expected: dict  # name of the case → case
    ids: dict  # name of the case → student
    files: dict  # name of the case → what was handed in

    @property
    def folder(self):
        return run.CourseFolder(self.options.output / cases.LAB, cases.LAB)

    @property
    def rows(self):
        return cases.rows(self.folder.root)

    def row(self, name):
        return self.rows[self.ids[name]]

    def page(self, name):
        return self.folder.path("feedback", self.ids[name], ".html").read_text()

    def outputs(self, name):
        graded = nbformat.read(self.folder.path("autograded", self.ids[name]), as_version=4)
        return json.dumps([cell.get("outputs") for cell in graded.cells])

    def hand_in(self, name, content):
        self.files[name].parent.mkdir(parents=True, exist_ok=True)
        self.files[name].write_bytes(cases.lean(content))

    def records(self):
        return {path.stem: path.stat().st_mtime_ns for path in (self.folder.root / "results").glob("*.json")}

    def grade(self):
        """Grade, with short limits; return the table of grades."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRADER_SECRET", "the instructor's")
            for name, value in QUICK.items():
                patch.setattr(run, name, value)
            assert run.grade_class(self.lesson, self.options) == 0
        return self.rows


def scratch():
    return set(Path("/tmp").glob("nnlabs-grade-*"))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class in which each kind of submission is there once, in one of three forms."""
    place = tmp_path_factory.mktemp("class")
    source = cases.solution()
    for cell in source.cells:
        cell.source += HIDDEN if handin.grade_id(cell) == "gates-check" else ""
    lesson = SimpleNamespace(name=cases.LAB, notebook=lambda _: place / "lab.ipynb")
    lesson.notebook("solutions").write_bytes(cases.lean(cases.dump(source)))
    known = cases.honest() | cases.edited() | cases.hostile()
    no_docstring = re.sub(r'\n    """.*?"""', "", cases.ANSWERS["gates"], flags=re.DOTALL)
    expected = {name: known[name] for name in EXECUTED} | cases.damaged()
    expected["pictures"] = cases.Case(cases.with_pictures(gates=no_docstring), cases.WITHOUT_GATES)
    handed_in = place / "submissions"
    options = [str(handed_in), "--output", str(place / "kurs [2025] Ü"), "--jobs=1", "--memory=600"]
    made = Class(lesson, parser().parse_args(["01", *options]), expected, {}, {})
    for i, (name, case) in enumerate(expected.items()):
        forms = (f"{name}/{cases.LAB}", f"{name}_{cases.LAB}", f"Ann O_{1000 + i}_assignsubmission_file_/my")
        made.ids[name] = f"{1000 + i}" if i % 3 == 2 else name
        made.files[name] = handed_in / f"{forms[i % 3]}.ipynb"
        made.hand_in(name, case.content)
    os.symlink(handed_in / "right", handed_in / "link")
    there = scratch()
    made.grade()
    assert until(lambda: not kernels() and scratch() <= there)
    return made


def test_every_grade_is_what_is_known(graded):
    rows = graded.rows
    assert set(rows) == {*graded.ids.values(), "link"}
    wrong = [case.differs(rows[graded.ids[name]]) for name, case in graded.expected.items()]
    assert [row for row in wrong if row] == []
    assert all(float(rows[graded.ids[name]]["total"]) == case.total for name, case in graded.expected.items())
    assert "not followed" in rows["link"]["remarks"]


def test_the_lab_that_nbgrader_releases_is_the_one_in_labs_without_the_hidden_test(graded):
    release = graded.folder.release()
    given = json.loads(cases.lean(cases.dump(cases.lab())))
    assert [cell.source for cell in release.cells][1:] == [cell["source"] for cell in given["cells"]][1:]
    assert "no docstring" in graded.page("pictures")


def test_an_answered_question_waits_for_a_person_and_an_empty_one_does_not(graded):
    found = {name: graded.row(name)[cases.QUESTION] for name in ("right", "tests-edited", "wrong")}
    assert found == {"right": "to grade by hand", "tests-edited": "to grade by hand", "wrong": "0"}
    assert "stands beside its cell" in graded.row("tests-edited")["remarks"]


def test_pictures_of_an_answer_are_shown_and_a_strangers_html_does_not_run(graded):
    page = graded.page("pictures")
    assert page.count(f"data:image/png;base64,{cases.PIXEL}") == 2
    assert page.count("(the picture not handed in.png was not handed in)") == 2
    head, _, body = page.partition("<body")
    assert "script-src 'nonce-" in head
    assert "<script>document.title" not in body
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", body.replace("&quot;", '"'))
    assert not re.search(r"<script(?![^>]*nonce)", head)
    assert not re.search(r'application/javascript|"text/html": (?!"<img alt)', graded.outputs("pictures"))


def test_a_submission_sees_nothing_and_changes_nothing(graded):
    text = graded.outputs("spy")
    told = ("SEEN []", "SECRET None", "NETWORKS [(1, 'lo')]", "RIGHTS ['', '', '']")
    assert [words for words in told if words not in text] == []
    assert text.count("REFUSED") == 3


def test_the_pages_tell_points_hints_and_remarks(graded):
    page = graded.page("tests-edited")
    told = ("edited: put back", "not done yet", f"Score: {graded.expected['tests-edited'].total:.1f}")
    assert [words for words in told if words not in page] == []
    report = (graded.folder.root / "report.html").read_text()
    undone = re.findall(r"<tr><td>gates</td>(?:<td[^>]*>\d+</td>){3}<td[^>]*>(\d+)</td>", report)
    assert undone == ["1"], "students who did not do the gates are counted"


@pytest.mark.parametrize("name", ["wrong", "version-4-2"])
def test_the_grader_gives_the_points_that_the_check_before_has_told(graded, tmp_path, capsys, name):
    handin.main([str(shutil.copyfile(graded.files[name], tmp_path / f"{cases.LAB}.ipynb"))])
    told = dict(re.findall(r"^  (\S+) +(\S+) of ", capsys.readouterr().out, flags=re.MULTILINE))
    row = graded.row(name)
    assert [(told[exercise], exercise) for exercise in cases.POINTS] == [(row[e], e) for e in cases.POINTS]


def test_run_again_it_grades_what_changed_and_points_by_hand_stay_for_the_same_answer(graded):
    first, records = graded.rows, graded.records()
    question = cases.QUESTION.replace("-", "_")
    with graded.folder.gradebook() as gradebook:
        for name in ("value", "version-4-2", "pictures", "tests-edited"):
            grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, graded.ids[name])
            grade.manual_score, grade.needs_manual_grade = 2.5, False
        # As after a crash: a record, but no entry.
        gradebook.remove_submission(cases.LAB, graded.ids["not-json"])
        gradebook.db.commit()
    graded.hand_in("right", cases.dump(cases.notebook(("sigmoid",), question=False)))
    graded.hand_in("version-4-2", cases.dump(cases.notebook()))  # the same answer
    graded.hand_in("pictures", cases.dump(cases.notebook(**{question: "Another answer."})))
    graded.hand_in("tests-edited", b"")
    graded.files.update({name: graded.options.submissions / name for name in LATE})
    for name in LATE:
        graded.hand_in(name, b"")
    second = graded.grade()
    changed = {name for name, when in graded.records().items() if when != records.get(name)}
    new = second.keys() - first.keys()
    assert len(new) == len(LATE)
    touched = ("right", "version-4-2", "pictures", "tests-edited", "not-json")
    assert changed == new | {graded.ids[name] for name in touched}
    assert float(second["right"]["total"]) == cases.POINTS["sigmoid"]
    touched = {graded.ids[name] for name in (*touched, "value")}
    assert all(second[student] == row for student, row in first.items() if student not in touched)
    assert len({student.casefold() for student in second}) == len(second)
    for name, points in (("version-4-2", cases.MAXIMUM), ("value", graded.expected["value"].total)):
        assert second[graded.ids[name]][cases.QUESTION] == "2.5"
        assert float(second[graded.ids[name]]["total"]) == points + 2.5
    assert second[graded.ids["pictures"]][cases.QUESTION] == "to grade by hand"
    assert float(second[graded.ids["pictures"]]["total"]) == cases.MAXIMUM
    damaged = second[graded.ids["tests-edited"]]
    assert (damaged["total"], damaged[cases.QUESTION], damaged["status"]) == ("0", "0", "not graded")
    assert "do not count" in damaged["remarks"]
    graded.hand_in("tests-edited", graded.expected["tests-edited"].content)
    assert graded.grade()[graded.ids["tests-edited"]][cases.QUESTION] == "to grade by hand"
    with graded.folder.gradebook() as gradebook:
        grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, graded.ids["tests-edited"])
        assert grade.manual_score == 2.5, "to confirm with one click"


def busy():
    end = time.monotonic() + 300
    while time.monotonic() < end:
        pass


@contextmanager
def beside(step, count=1):
    """Do it in processes beside this one; they are killed at the end."""
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=step) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield processes[0]
    finally:
        for process in processes:
            process.kill()
            process.join()


def test_a_killed_run_goes_on_and_grades_do_not_depend_on_how_busy_the_machine_is(graded, tmp_path):
    """One at a time until it is killed; then eight at a time, beside four busy loops."""
    names = {"a": "right", "b": "loop", "c": "half"}
    known = cases.honest() | cases.hostile()
    shutil.copytree(graded.folder.root, tmp_path / "out" / cases.LAB)  # the solution has been tried there
    shutil.rmtree(tmp_path / "out" / cases.LAB / "results")
    options = vars(graded.options) | {"submissions": tmp_path / "class", "output": tmp_path / "out"}
    files = {name: tmp_path / "class" / f"{student}.ipynb" for student, name in names.items()}
    made = Class(graded.lesson, Namespace(**options), known, {}, files)
    for name in made.files:
        made.hand_in(name, known[name].content)
    with beside(made.grade) as run_one:
        until(lambda: (made.records() and kernels()) or not run_one.is_alive())
    finished = made.records()
    assert 0 < len(finished) < len(names)
    assert until(lambda: not kernels()), "a kernel outlived its grader"
    with beside(busy, 4):
        rows = replace(made, options=Namespace(**options | {"jobs": 8})).grade()
    assert [known[name].differs(rows[student]) for student, name in names.items()] == [{}] * len(names)
    assert made.records().items() >= finished.items(), "no finished grade is lost"
