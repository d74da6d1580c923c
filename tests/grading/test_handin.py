"""What the check before handing in says, and that the grader says the same."""

import copy
import io
import sys

import nbformat
import pytest

from grading import handin
from tests.grading import cases
from tools import course

LAB = course.Lesson(cases.LAB)


def written(tmp_path, cells):
    path = tmp_path / f"{LAB.name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def marked_cells():
    return [cell for cell in cases.lab().cells if cases.grade_id(cell)]


def test_a_notebook_that_hangs_ends_in_words(tmp_path, capsys):
    loop = nbformat.v4.new_code_cell("while True:\n    try:\n        while True: pass\n    except: pass")
    path = written(tmp_path, [loop, *marked_cells()])
    assert handin.main([str(path), "--seconds", "6"]) == 1
    said = capsys.readouterr().out
    assert "A cell was stopped after 2 s. It begins: while True:" in said
    assert "Points so far: 0 of 19." in said


def test_a_cell_whose_imports_fail_is_told(tmp_path, capsys):
    path = written(tmp_path, [nbformat.v4.new_code_cell("import nothing_of_the_kind"), *marked_cells()])
    assert handin.main([str(path)]) == 1
    assert "A cell with imports stops with ModuleNotFoundError: No module" in capsys.readouterr().out


def test_a_notebook_that_ends_python_is_told_in_one_line(tmp_path, capsys):
    path = written(tmp_path, [nbformat.v4.new_code_cell("import os\nos._exit(0)"), *marked_cells()])
    assert handin.main([str(path)]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].endswith("Does a cell call exit(), or need too much memory?")
    assert "Traceback" not in said.err


def lab_without(*grade_ids, again=None, points=None):
    """Return the text of lab 01 without some cells, or with one twice, or with other points."""
    notebook = cases.lab()
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
        ('{"cells": [', "not valid JSON"),
        ("[1, 2]", "is no notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "without cells"),
        (b"\xff\xfe\x00", "UTF-16"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "another lab or none"),
        (lambda: lab_without(again="train-check"), "'train-check' is there 2 times"),
        (cases.damaged()["another"].content, "another lab"),
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
    notebook = cases.lab()
    expected = handin.expected_points(LAB.notebook("labs"), notebook)
    notebook.cells.reverse()
    assert handin.complaints(notebook, expected) == ["The cells with the checks are not in their order."]


def test_an_unknown_lab_is_told(capsys):
    assert handin.main(["99"]) == 1
    assert "There is no lab '99' in labs/. The labs are: 01_neurons" in capsys.readouterr().err


def test_it_can_be_told_on_any_console(monkeypatch, tmp_path):
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(handin, "check", lambda *_: print("where is ψ?") or 0)
    assert handin.main([str(tmp_path / "名.ipynb")]) == 0
    console.flush()
    assert console.buffer.getvalue().startswith(b"where is \\u03c8?")


def test_the_check_reads_every_notebook_that_the_grader_reads():
    for case in (*cases.honest().values(), *cases.edited().values(), *cases.hostile().values()):
        assert handin.read_cells(case.content)
    for name in ("not-json", "no-bytes", "nested", "no-cells", "utf-16", "conflict"):
        with pytest.raises(handin.UnreadableError):
            handin.read_cells(cases.damaged()[name].content)


@pytest.mark.parametrize("name", ["wrong", "stderr", "pictures", "version-4-2", "beside"])
def test_the_grader_gives_the_points_that_the_check_before_has_told(graded, tmp_path, name):
    path = tmp_path / f"{LAB.name}.ipynb"
    path.write_bytes(graded.file(name).read_bytes())
    notebook = handin.read(path)
    expected = handin.expected_points(path, notebook)
    assert handin.complaints(notebook, expected) == []
    executed, changed = handin.validate(path, 900, 300, lambda: None)
    row = graded.row(name)
    for verdict in handin.verdicts(executed, expected, changed, 300):
        if verdict.name != cases.QUESTION:
            assert f"{verdict.reached:g}" == row[verdict.name], (verdict, row)


@pytest.mark.parametrize("name", ["another", "lecture", "marks-lost", "utf-16", "conflict", "nested"])
def test_what_the_check_refuses_the_grader_refuses(graded, tmp_path, name, capsys):
    path = tmp_path / f"{LAB.name}.ipynb"
    path.write_bytes(graded.file(name).read_bytes())
    assert handin.main([str(path)]) == 1
    assert graded.row(name)["status"] == "not graded"
