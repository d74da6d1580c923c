"""Every grade is what is known, whatever was handed in, and nothing else changes."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from grading import run
from tests.grading import cases
from tests.grading.conftest import kernels, read_table
from tools import course


def test_every_grade_is_what_is_known(graded):
    assert set(graded.rows) == {*graded.ids.values(), "link"}
    wrong = [case.differs(graded.row(name)) for name, case in graded.expected.items()]
    assert [row for row in wrong if row] == []
    for name, case in graded.expected.items():
        assert case.right is None or float(graded.row(name)["total"]) == case.total, name
    assert "not followed" in graded.rows["link"]["remarks"]


def test_the_lab_that_nbgrader_releases_is_the_one_in_labs(graded):
    release = nbformat.read(graded.root / "release" / "." / cases.LAB / f"{cases.LAB}.ipynb", as_version=4)
    given = nbformat.reads(cases.lean(cases.dump(cases.lab())), as_version=4)
    assert [cell.source for cell in release.cells] == [cell.source for cell in given.cells]


def test_an_answered_question_waits_for_a_person_and_an_empty_one_does_not(graded):
    assert graded.row("right")[cases.QUESTION] == "to grade by hand"
    assert graded.row("beside")[cases.QUESTION] == "to grade by hand"
    assert graded.row("empty")[cases.QUESTION] == "0"


def test_pictures_of_an_answer_are_shown_and_a_missing_one_is_told(graded):
    page = graded.page("pictures")
    assert page.count(f"data:image/png;base64,{cases.PIXEL}") == 2
    assert page.count("(the picture not handed in.png was not handed in)") == 2
    assert graded.row("pictures")["status"].startswith("graded, ")


def test_a_hidden_test_is_not_released_but_grades(graded):
    release = (graded.root / "release" / "." / cases.LAB / f"{cases.LAB}.ipynb").read_text()
    assert "HIDDEN" not in release
    assert "the docstring is gone" not in release
    assert graded.row("hidden")["gates"] == "0"
    assert "hidden: the docstring is gone" in graded.page("hidden")


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


def test_run_again_it_grades_what_changed_only(graded, capsys):
    results = graded.root / "results"
    before = {path.name: path.stat().st_mtime_ns for path in results.iterdir()}
    changed = graded.options.submissions / "right" / f"{cases.LAB}.ipynb"
    changed.write_bytes(cases.lean(cases.dump(cases.notebook(("sigmoid",), question=False))))
    lost = graded.ids["not-json"]
    with run.CourseFolder(graded.root, cases.LAB).gradebook() as gradebook:
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
    with run.CourseFolder(graded.root, cases.LAB).gradebook() as gradebook:
        grade = gradebook.find_grade(cases.QUESTION, cases.LAB, cases.LAB, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def test_points_given_by_hand_stay_and_count(graded):
    student = graded.ids["bom"]
    give_by_hand(graded, student, 2.5)
    assert run.grade_class(graded.options) == 0
    row = read_table(graded.root)[student]
    assert row[cases.QUESTION] == "2.5"
    assert float(row["total"]) == cases.MAXIMUM + 2.5


def test_a_regrade_asks_a_person_only_for_another_answer(graded):
    same, other = graded.ids["hidden"], graded.ids["bom"]
    for name, changed in (("hidden", {}), ("bom", {"xor_friends": "Another answer."})):
        path = graded.file(name)
        path.write_bytes(cases.lean(cases.dump(cases.notebook(**changed))))
        give_by_hand(graded, graded.ids[name], 2.5)
    assert run.grade_class(graded.options) == 0
    rows = read_table(graded.root)
    assert rows[same][cases.QUESTION] == "2.5"
    assert float(rows[same]["total"]) == cases.MAXIMUM + 2.5
    assert rows[other][cases.QUESTION] == "to grade by hand"
    assert float(rows[other]["total"]) == cases.MAXIMUM


def test_points_by_hand_do_not_count_for_a_file_that_cannot_be_graded_and_are_not_lost(graded):
    student = graded.ids["tests-edited"]
    path = graded.file("tests-edited")
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
    before, records = read_table(out / cases.LAB), run.Store(out / cases.LAB / "results")
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


def test_killed_in_the_middle_no_finished_grade_is_lost(graded, lesson, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(graded.root, out / cases.LAB)
    shutil.rmtree(out / cases.LAB / "results")
    handed_in = tmp_path / "submissions"
    handed_in.mkdir()
    for i in range(3):
        (handed_in / f"s{i}.ipynb").write_bytes(cases.lean(cases.honest(i)["right"].content))
    code = (
        "from pathlib import Path\nfrom grading import run\n"
        "from tests.grading.conftest import LabWithHiddenTests\n"
        "if __name__ == '__main__':\n"
        f"    lab = LabWithHiddenTests(Path({str(lesson.path)!r}))\n"
        f"    places = Path({str(handed_in)!r}), Path({str(out)!r})\n"
        "    run.grade_class(run.Options(lab, *places, jobs=2, memory=1000))\n"
    )
    (tmp_path / "grade.py").write_text(code)
    command = [sys.executable, str(tmp_path / "grade.py")]
    environment = os.environ | {"PYTHONPATH": str(course.ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    results = out / cases.LAB / "results"
    until(lambda: (list(results.glob("*.json")) and kernels()) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path.name: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 0 < len(finished) < 3
    until(lambda: not kernels())
    assert not kernels(), "a kernel outlived its grader"
    options = run.Options(lesson, handed_in, out, jobs=2, memory=1000)
    assert run.grade_class(options) == 0
    rows = read_table(out / cases.LAB)
    assert [rows[f"s{i}"]["total"] for i in range(3)] == [f"{cases.MAXIMUM}"] * 3
    assert all((results / name).stat().st_mtime_ns == changed for name, changed in finished.items())


def until(is_so):
    """Wait until something is so; that it never is so ends the test, however slow the machine."""
    deadline = time.monotonic() + 300
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)


BUSY = "while True:\n    pass"


def test_grades_do_not_depend_on_how_busy_the_machine_is(graded, lesson, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "CELL_SECONDS", 4)
    monkeypatch.setattr(run, "PATIENCE", 0)
    handed_in = tmp_path / "submissions"
    handed_in.mkdir()
    (handed_in / "right.ipynb").write_bytes(cases.lean(cases.honest()["right"].content))
    (handed_in / "loop.ipynb").write_bytes(cases.lean(cases.hostile()["loop"].content))
    (handed_in / "slow.ipynb").write_bytes(cases.lean(cases.first("import time; time.sleep(5)")))
    tables = []
    for jobs, load in ((1, 0), (8, 4)):
        out = tmp_path / f"{jobs}"
        shutil.copytree(graded.root, out / cases.LAB)
        loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(load)]
        try:
            assert (
                run.grade_class(
                    dataclasses.replace(graded.options, submissions=handed_in, output=out, jobs=jobs)
                )
                == 0
            )
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()
        rows = read_table(out / cases.LAB)
        here = [rows[path.stem] for path in sorted(handed_in.iterdir())]
        tables.append(here)
    assert tables[0] == tables[1]
    assert [row["total"] for row in tables[0]] == ["14", "16", "16"]
