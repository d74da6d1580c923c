"""From a stranger's notebook to the one that is executed."""

import json

import nbformat
import pytest

from grading import assemble
from grading.handin import UnreadableError, read_cells
from tests.grading import cases


def assembled(content):
    return assemble.assemble(read_cells(content), cases.lab())


def by_id(notebook):
    return {cases.grade_id(cell): cell for cell in notebook.cells if cases.grade_id(cell)}


@pytest.mark.parametrize("name", cases.edited())
def test_an_edited_notebook_is_put_right_before_it_runs(name):
    case = cases.edited()[name]
    result = assembled(case.content)
    assert case.words in "; ".join(result.remarks)
    found, given = by_id(result.notebook), by_id(cases.lab())
    assert list(found) == list(given)
    for grade_id, own in given.items():
        assert found[grade_id].metadata.nbgrader == own.metadata.nbgrader
        assert not cases.is_test(own) or found[grade_id].source == own.source
        if grade_id in case.right and name != "stderr":
            assert found[grade_id].source == cases.answers()[grade_id]


@pytest.mark.parametrize("place", cases.beside())
def test_an_answer_beside_the_untouched_question_is_put_into_it(place):
    result = assembled(cases.beside()[place])
    question = by_id(result.notebook)[cases.QUESTION]
    assert question.source.startswith(by_id(cases.lab())[cases.QUESTION].source)
    assert question.source.count("Cleo: yes.") == 1
    assert any("stands beside its cell" in remark for remark in result.remarks)


def test_a_question_that_nobody_answered_stays_untouched():
    for made in (cases.notebook(question=False), cases.lab()):
        made.cells.insert(3, nbformat.v4.new_markdown_cell("A note, far from the question."))
        question = by_id(assembled(cases.dump(made)).notebook)[cases.QUESTION]
        assert question.source == by_id(cases.lab())[cases.QUESTION].source


def test_pictures_stay_and_what_is_no_picture_does_not():
    made = cases.lab()
    question = by_id(made)[cases.QUESTION]
    question.attachments = {
        "a.png": {"image/png": cases.PIXEL, "text/html": "<script>"},
        "b.svg": {"image/svg+xml": "<svg onload='x'>"},
        "c.png": {"image/png": "<script>"},
    }
    found = by_id(assembled(cases.dump(made)).notebook)[cases.QUESTION]
    assert found.attachments == {"a.png": {"image/png": cases.PIXEL}}


@pytest.mark.parametrize("name", ["another", "lecture", "marks-lost"])
def test_what_is_not_the_lab_is_refused(name):
    case = cases.damaged()[name]
    with pytest.raises(UnreadableError, match=case.words):
        assembled(case.content)


def test_own_cells_stay_behind_what_they_followed_and_deleted_ones_come_back():
    made = cases.notebook()
    place = next(i for i, cell in enumerate(made.cells) if cases.grade_id(cell) == "neuron")
    made.cells.insert(place, nbformat.v4.new_code_cell("def helper(): pass"))
    loss = next(cell for cell in made.cells if cell.source.startswith("def loss"))
    made.cells.remove(loss)
    sources = [cell.source for cell in assembled(cases.dump(made)).notebook.cells]
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
    result = assembled(cases.dump(made))
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
    sources = [cell.source for cell in assembled(cases.dump(made)).notebook.cells]
    assert cases.answers()["neuron"] in sources
    assert stub.source not in sources


@pytest.mark.parametrize(
    "damage", [{"cells": [3, {"cell_type": "code"}, {"cell_type": "code", "source": 5}]}, {"cells": []}]
)
def test_damaged_cells_are_left_out(damage):
    with pytest.raises(assemble.UnreadableError, match="none of the lab"):
        assembled(json.dumps(damage).encode())
