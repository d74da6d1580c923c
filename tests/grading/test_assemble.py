"""From a stranger's notebook to the one that is executed."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from grading import assemble
from grading.handin import HandInError, grade_id, parse
from tests.grading import cases, tiny


def assembled(made):
    return assemble.assemble(parse(tiny.dump(made)), tiny.lab())


def by_id(made):
    return {grade_id(cell): cell for cell in made.cells if grade_id(cell)}


def changed(change, **answers):
    made = tiny.filled(**answers)
    made.cells = change(made.cells)
    return made


def doubled(cells):
    """Each cell twice, and behind the answers the untouched stubs."""
    again = copy.deepcopy([cell for cell in tiny.lab().cells if grade_id(cell)])
    return [*cells, *copy.deepcopy(cells), *again]


def other_marks(cells):
    for cell in filter(grade_id, cells):
        cell.metadata.nbgrader.update(points=100, locked=False)
    return cells


EDITS = {
    "": other_marks,
    "its code has .reference, sys.modules": lambda cells: [*cells, new_code_cell("sys.modules\nx.reference")],
    "missing or edited: put back (double-check, half-check)": lambda c: [*c[:3], *c[4:6], *c[7:]],
    "more than once: the last one counts (double, double-check, half, half-check, why)": doubled,
    "another order": lambda cells: cells[::-1],
}


@pytest.mark.parametrize("words", EDITS)
def test_an_edited_notebook_is_put_right_before_it_runs(words):
    made, remarks = assembled(changed(EDITS[words]))
    assert words in "; ".join(remarks)
    found, given, solved = by_id(made), by_id(tiny.lab()), by_id(tiny.filled())
    assert list(found) == list(given)
    for key, own in given.items():
        assert found[key].metadata.nbgrader == own.metadata.nbgrader
        assert found[key].source == (own if own.metadata.nbgrader.locked else solved[key]).source
    nbformat.validate(made)


def test_other_cells_stay_as_the_student_left_them_and_code_of_the_lab_that_is_gone_comes_back():
    def change(cells):
        cells[1].source += "\nimport cmath"
        return [*cells[:2], new_code_cell("first = 1"), *cells[2:4], new_raw_cell("raw"), *cells[5:]]

    sources = [cell.source for cell in assembled(changed(change))[0].cells]
    given = [cell.source for cell in tiny.filled().cells]
    assert sources == [given[0], given[1] + "\nimport cmath", "first = 1", *given[2:4], *given[5:]]
    sources = [cell.source for cell in assembled(changed(lambda cells: cells[2:]))[0].cells]
    assert sources == given[1:]


NEAR = {
    "code behind": lambda cells: [*cells[:8], new_code_cell("# It is so."), *cells[8:]],
    "text before": lambda cells: [*cells[:7], new_markdown_cell("It is so."), *cells[7:]],
    "next text": lambda cells: [*cells[:8], new_markdown_cell("The end. It is so.")],
}


@pytest.mark.parametrize("place", NEAR)
def test_an_answer_beside_the_untouched_question_is_put_into_it(place):
    stub = by_id(tiny.lab())["why"].source
    made, remarks = assembled(changed(NEAR[place], why=stub))
    question = by_id(made)["why"]
    assert question.source.startswith(stub)
    assert question.source.count("It is so.") == 1
    assert remarks == ["why: the answer stands beside its cell, it was put into it"]


def test_a_question_that_nobody_answered_stays_untouched():
    stub = by_id(tiny.lab())["why"].source
    note = new_markdown_cell("A note, far from the question.")
    for change in (lambda cells: cells, lambda cells: [*cells[:3], note, new_code_cell("1"), *cells[3:]]):
        assert by_id(assembled(changed(change, why=stub))[0])["why"].source == stub


def test_another_lab_is_refused():
    with pytest.raises(HandInError, match="another lab"):
        assembled(cases.lab())
