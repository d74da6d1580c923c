"""What a person decided stays decided when a submission is graded again and its answer is the same.

nbgrader marks every grade that was given by hand as waiting again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import nbformat
from nbgrader.api import Grade, MissingEntry

if TYPE_CHECKING:
    from tools.grade.coursefolder import CourseFolder


def decided(folder: CourseFolder, student: str) -> dict[str, tuple]:
    """Return grade id → what the points given by hand were given for, as far as a person is done with it."""
    found = {}
    with folder.gradebook() as gradebook, suppress(MissingEntry):
        for grade in gradebook.find_submission_notebook(folder.lab, folder.lab, student).grades:
            if grade.manual_score is not None and not grade.needs_manual_grade:
                found[grade.name] = grade
        return _subjects(folder, student, found) if found else {}
    return {}


def keep(folder: CourseFolder, student: str, before: dict[str, tuple]) -> None:
    """Take the mark off grades that were decided before and that nothing changed for."""
    if not before:
        return
    with folder.gradebook() as gradebook:
        grades = gradebook.find_submission_notebook(folder.lab, folder.lab, student).grades
        now = _subjects(folder, student, {grade.name: grade for grade in grades})
        for grade in grades:
            if grade.name in before and now.get(grade.name) == before[grade.name]:
                grade.needs_manual_grade = False
        gradebook.db.commit()


def _subjects(folder: CourseFolder, student: str, grades: dict[str, Grade]) -> dict[str, tuple]:
    """Return grade id → the cell's text, and for a test cell what it gave by itself."""
    with suppress(OSError, ValueError, AttributeError):
        notebook = nbformat.read(folder.path("autograded", student), as_version=4)
        marks = [(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source) for cell in notebook.cells]
        return {name: (source, grades[name].auto_score) for name, source in marks if name in grades}
    return {}
