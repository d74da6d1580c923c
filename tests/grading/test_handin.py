"""What the check before handing in reads and says."""

import io
import json
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading import handin
from tests.grading import cases, tiny
from tools import cells, course

EXERCISES = {  # an answer, its check, and what is said
    "right": ("import sys; print(1, file=sys.stderr)", "pass", "1 of 1  passed."),
    "wrong": ("class CheckFailedError(Exception): ...", "raise CheckFailedError('a: φ')", "0 of 1  φ"),
    "stops": ("1 / 0", "stops", "0 of 1  your cell stops with ZeroDivisionError: division by zero"),
    "its-check": ("", "1 / 0", "0 of 1  its check stops with ZeroDivisionError: division by zero"),
    "later": ("", f"print('later: {handin.LATER}.')", f"0 of 1  {handin.LATER}."),
    "edited": ("", "1", "0 of 1  its check was changed. Undo the change."),
    "loops": ("while True: pass", "loops", "0 of 1  your cell was stopped after 2 s. Hint: is there a loop"),
    "answered": ("", None, "0 of 3  open question: answered, a person grades it."),
    "empty": ("", None, "0 of 3  open question: still empty. Write into this very cell."),
}
HANGS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
OWN = {
    "import nothing_of_the_kind": "A cell stops with ModuleNotFoundError \"No module named 'nothing",
    HANGS: "A cell stops with CellTimeoutError 'it took too long'. It begins: 'import signal;",
}


def written(tmp_path, made):
    path = tmp_path / "tiny.ipynb"
    nbformat.write(made, path)
    return path


def test_all_that_can_happen_is_told_in_words(tmp_path):
    made = []
    for name, (answer, check, _) in EXERCISES.items():
        text = tiny.marked(
            new_markdown_cell, "Why?\n\n" + tiny.hide("<!--", "", " -->"), question=name, points=3
        )
        made += tiny.exercise(name, tiny.hide("###", answer, ""), check) if check else [text]
    made = cells.student_version(new_notebook(cells=made))
    for cell in made.cells:
        name = handin.grade_id(cell)
        cell.source = EXERCISES[name][0] if name in EXERCISES and cell.cell_type == "code" else cell.source
        cell.source += "\n# own" if name == "edited-check" else "Because." if name == "answered" else ""
    made.cells = [new_code_cell("import nothing_of_the_kind"), *made.cells, new_code_cell(HANGS)]
    made.cells += cells.student_version(new_notebook(cells=tiny.exercise("behind", "1", "pass"))).cells
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")  # which has no φ
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handin, "ANSWER", 1)
        patch.setattr(sys, "stdout", console)
        (tmp_path / "名").mkdir()
        path = written(tmp_path / "名", made)
        before = path.read_bytes()
        assert handin.main([str(path), "--seconds", "20"]) == 1
    assert path.read_bytes() == before
    console.flush()
    said = console.buffer.getvalue().decode("cp1252")
    lines = {line.split()[0]: line for line in said.splitlines()}
    for name, (_, _, words) in EXERCISES.items():
        assert words.replace("φ", "\\u03c6") in lines[name]
    for words in OWN.values():
        assert words in said
    assert "its check did not run, because a cell before it could not be stopped." in lines["behind"]
    assert "Points so far: 1 of 14; up to 4 more come when it is graded.\nNot complete yet" in said
    assert said.splitlines()[-1].startswith("Hand in exactly this file: ")


def test_a_complete_notebook_and_one_that_ends_python(tmp_path, capsys):
    assert handin.main([str(written(tmp_path, tiny.filled()))]) == 0
    assert "Points so far: 3 of 6; up to 3 more come when it is graded.\nComplete." in capsys.readouterr().out
    assert handin.main([str(written(tmp_path, tiny.filled(double="import os\nos._exit(0)")))]) == 1
    said = capsys.readouterr().err
    assert said.splitlines()[-1].endswith("Does a cell call exit(), or need too much memory?")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("content", "part"),
    [
        *((case.content, "") for case in cases.damaged().values()),
        (b"[1, 2]", "without cells"),
        (b'{"nbformat": 3, "worksheets": 5}', "old format and damaged"),
        (b'{"a": "\xff"}', "another encoding"),
        (b'{"nbformat": 4, "cells": [3, {"cell_type": "code"}, {"cell_type": []}]}', "another lab or none"),
    ],
)
def test_a_file_that_is_not_the_lab_is_told_in_one_line(tmp_path, capsys, content, part):
    path = tmp_path / f"{cases.LAB}.ipynb"
    path.write_bytes(content)
    assert handin.main([str(path)]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert part in said.err


def test_the_format_of_ten_years_ago_is_read():
    old = json.dumps(nbformat.convert(tiny.filled(), 3)).encode()
    assert [cell.source for cell in handin.parse(old).cells] == [cell.source for cell in tiny.filled().cells]


def test_pictures_are_kept_and_what_is_no_picture_is_not():
    made = tiny.filled()
    both = {"image/png": cases.PIXEL, "image/svg+xml": "<svg onload='x'>"}
    made.cells[0].attachments = {"a b.png": both, "c.png": {"image/png": "<script>"}}
    found = handin.parse(tiny.dump(made)).cells[0].attachments
    assert found == {name: {"image/png": cases.PIXEL} for name in ("a b.png", "a%20b.png")}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda cells: cells, None),
        (lambda cells: [c for c in cells if handin.grade_id(c) != "half-check"], "'half-check' is missing."),
        (lambda cells: [*cells, cells[3]], "'double-check' is there 2 times. Keep only one of them."),
        (lambda cells: cells[::-1], "The cells with the checks are not in their order."),
    ],
)
def test_missing_doubled_and_moved_cells_are_told(tmp_path, change, part):
    made = tiny.filled()
    expected = handin.expected_points(tmp_path / "tiny.ipynb", made)
    made.cells = change(made.cells)
    (found,) = handin.complaints(made, expected) or [None]
    assert found is part or found.endswith(part)


def test_the_points_in_a_checkout_are_those_of_the_solution():
    path = course.Lesson(cases.LAB).notebook("labs")
    found = handin.expected_points(path.with_name(f"ann_{path.name}"), tiny.lab())
    assert {name.removesuffix("-check"): most for name, most in found.items()} == cases.MAXIMA


def test_a_lab_is_found_by_its_number_and_what_is_not_there_is_told(capsys):
    assert handin.find("1") == handin.find(cases.LAB) == course.Lesson(cases.LAB).notebook("labs")
    assert handin.main(["99"]) == handin.main(["no.ipynb"]) == 1
    unknown, missing = capsys.readouterr().err.splitlines()
    assert f"Which notebook? Give its name; here are: {cases.LAB}.ipynb, 02_" in unknown
    assert "cannot be read: No such file" in missing
