"""nbgrader's side: a course folder of its own for each lab, with gradebook, autograde and feedback.

``build/grading/01_neurons`` is an ordinary nbgrader course with one assignment: ``nbgrader
formgrader`` started there shows it, to grade the open questions by hand. The converters are called
through nbgrader's API, so that the seconds of its start-up are spent once a worker, not once a student.
"""

from __future__ import annotations

import html
import logging
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, GetGrades, LimitOutput, SaveAutoGrades
from sqlalchemy.exc import DatabaseError
from traitlets.config import Config

from grading.grades import Grade, write
from grading.handin import grade_id
from tools.cells import stubs
from tools.course import CourseError

SETTINGS = """\
# An nbgrader course of one lab, made by grading/. Start nbgrader's formgrader here.
import os

c = get_config()
c.CourseDirectory.root = os.path.dirname(os.path.abspath(__file__))
"""
# Only what stands in the page's own head may be executed; MathJax evaluates its own settings.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "font-src data: https://cdnjs.cloudflare.com; "
    "script-src 'nonce-{nonce}' 'strict-dynamic' 'unsafe-eval'"
)
ALLOWED_TAGS = ["a", "b", "br", "code", "em", "h1", "h2", "h3", "h4", "i", "li", "ol", "p", "pre", "ul"]
ALLOWED_TAGS += ["blockquote", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr"]


@dataclass(frozen=True)
class CourseFolder:
    """The nbgrader course of one lab."""

    root: Path
    lab: str

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open the gradebook, or say that it cannot be used."""
        try:
            with Gradebook(self._config(".").CourseDirectory.db_url) as gradebook:
                yield gradebook
        except DatabaseError as error:
            raise CourseError(
                f"The gradebook {self.root / 'gradebook.db'} cannot be used: {error.orig}. If it is damaged, "
                "put your copy of it there, or rename it: all is graded again then, without points by hand."
            ) from None

    @contextmanager
    def entry(self) -> Iterator[api.Notebook | None]:
        """Open the lab's entry in the gradebook; there may be none."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.gradebook() as gradebook:
            found = None
            with suppress(MissingEntry):
                found = gradebook.find_notebook(self.lab, self.lab)
            yield found

    def path(self, step: str, student: str = ".", suffix: str = ".ipynb") -> Path:
        """Return the notebook (or page) of a student in one of nbgrader's folders."""
        return self.root / step / student / self.lab / f"{self.lab}{suffix}"

    def prepare(self, source: NotebookNode) -> None:
        """Make the released version from ``source`` and enter the lab into the gradebook."""
        self.path("source").parent.mkdir(parents=True, exist_ok=True)
        (self.root / "nbgrader_config.py").write_text(SETTINGS, encoding="utf-8")
        nbformat.write(source, self.path("source"))
        self._begin_anew_if_cells_differ(source)
        self._convert(GenerateAssignment, ".", {})

    def release(self) -> NotebookNode:
        """Return the lab as nbgrader released it."""
        return nbformat.read(self.path("release"), as_version=4)

    def autograde(
        self, student: str, execute: Execute, remark: Callable[[NotebookNode, dict], tuple]
    ) -> NotebookNode:
        """Grade what lies in ``submitted``; return the executed notebook.

        ``execute`` takes the place of nbgrader's step of that name; ``remark`` comes after it. Of points that
        a person gave nbgrader asks for a confirmation; here only if they were given for something else.
        """
        decided = {}
        with self.gradebook() as gradebook, suppress(MissingEntry):
            for grade, subject in self._given_for(gradebook, student):
                if grade.manual_score is not None and not grade.needs_manual_grade:
                    decided[grade.name] = subject
        steps = [execute, remark, LimitOutput, SaveAutoGrades]
        self._convert(Autograde, student, {"autograde_preprocessors": steps})
        with self.gradebook() as gradebook:
            for grade, subject in self._given_for(gradebook, student):
                if decided.get(grade.name) == subject:
                    grade.needs_manual_grade = False
            gradebook.db.commit()
        return nbformat.read(self.path("autograded", student), as_version=4)

    def _given_for(self, gradebook: Gradebook, student: str) -> Iterator[tuple[api.Grade, tuple]]:
        """Yield each grade with what it was given for: the cell's text, and a test's own points."""
        texts = {}
        with suppress(OSError, ValueError, AttributeError):
            notebook = nbformat.read(self.path("autograded", student), as_version=4)
            texts = {grade_id(cell): cell.source for cell in notebook.cells}
        for grade in gradebook.find_submission_notebook(self.lab, self.lab, student).grades:
            yield grade, (texts.get(grade.name), grade.auto_score)

    def feedback(self, student: str) -> None:
        """Write the student's page, in which nothing of a stranger is executed."""
        given = {cell.source for cell in self.release().cells}
        sanitize = SanitizeHTML(tags=ALLOWED_TAGS, enabled=True)

        def clean(notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code" and cell.source not in given:
                    notebook.cells[index], resources = sanitize.preprocess_cell(cell, resources, index)
            return notebook, resources

        path = self.path("feedback", student, ".html")
        try:
            steps = [GetGrades, clean, CSSHTMLHeaderPreprocessor]
            self._convert(GenerateFeedback, student, {"preprocessors": steps})
            page = restrict(path.read_text(encoding="utf-8"))
        except NbGraderException:  # of what a stranger wrote: the grade is there all the same
            logging.getLogger("traitlets").exception("no feedback page for %s", student)
            page = self._plain_page("Graded, but the notebook cannot be shown as a page")
        write(path, page)

    def _plain_page(self, text: str) -> str:
        return (
            f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{self.lab}</title>'
            f"<h1>{self.lab}</h1><p>{html.escape(text)}.</p></html>\n"
        )

    def refuse(self, student: str, reason: str) -> None:
        """Enter 0 points for a submission that cannot be graded, and say why on the student's page.

        Points that a person gave for an earlier submission stay in the gradebook, but wait for that
        person again: the next submission may have the same answer, this one has none.
        """
        for step in ("submitted", "autograded"):
            shutil.rmtree(self.path(step, student).parent, ignore_errors=True)
        with self.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            gradebook.update_or_create_submission(self.lab, student)
            for grade in gradebook.find_submission_notebook(self.lab, self.lab, student).grades:
                grade.auto_score, grade.needs_manual_grade = 0, grade.manual_score is not None
            gradebook.db.commit()
        write(self.path("feedback", student, ".html"), self._plain_page(f"Not graded: {reason}"))

    def maxima(self) -> dict[str, float]:
        """Return the points of each test cell and question, in the order of the lab."""
        marks = [cell.metadata.nbgrader for cell in self.release().cells if grade_id(cell)]
        return {mark["grade_id"]: float(mark["points"]) for mark in marks if mark["grade"]}

    def is_entered(self) -> bool:
        """Tell whether the gradebook knows the lab."""
        with self.entry() as entry:
            return entry is not None

    def grades(self) -> dict[str, dict[str, Grade]]:
        """Return student → test cell → grade, with what was entered by hand."""
        with self.entry() as entry:
            return {
                submission.student.id: {
                    grade.name: Grade(grade.score, grade.max_score, grade.needs_manual_grade)
                    for grade in submission.grades
                }
                for submission in (entry.submissions if entry else ())
            }

    def _begin_anew_if_cells_differ(self, source: NotebookNode) -> None:
        """Put the gradebook aside if the lab now has other cells: nbgrader cannot change it then."""
        with self.entry() as entry:
            known = {cell.name for cell in entry.source_cells} if entry else None
        if known in (None, {grade_id(cell) for cell in source.cells} - {""}):
            return
        now = time.strftime("%Y-%m-%d-%H%M%S")
        os.replace(self.root / "gradebook.db", self.root / f"gradebook-{now}.db")
        with suppress(FileNotFoundError):
            os.replace(self.root / "results", self.root / f"results-{now}")
        old = f"The old one, with the points that were given by hand, is gradebook-{now}.db."
        print(f"The lab has other cells than before: a new gradebook is begun. {old}", file=sys.stderr)

    def _config(self, student: str) -> Config:
        config = stubs()
        config.CourseDirectory.root = str(self.root)
        # Workers wait for each other.
        config.CourseDirectory.db_url = f"sqlite:///{self.root / 'gradebook.db'}?timeout=120"
        config.CourseDirectory.assignment_id = self.lab
        config.CourseDirectory.student_id = student
        config.OverwriteCells.add_missing_cells = True
        return config

    def _convert(self, kind: type, student: str, steps: dict) -> None:
        """Let nbgrader convert a student's notebook, with other steps than its own."""
        config = self._config(student)
        converter = kind(coursedir=CourseDirectory(config=config), config=config)
        converter.force = True
        for name, value in steps.items():
            setattr(converter, name, value)

        def find() -> None:  # in place of a search by a pattern, for which "[" in a path is no letter
            folder = converter._format_source(self.lab, converter.coursedir.student_id)
            converter.assignments = {folder: [os.path.join(folder, f"{self.lab}.ipynb")]}

        converter.init_notebooks = find
        converter.start()


def restrict(page: str) -> str:
    """Add a content security policy: scripts of the page's head run, those of its body do not."""
    nonce = secrets.token_urlsafe()
    head, body, rest = page.partition("<body")
    head = re.sub(r"<script(?=[\s>])", f'<script nonce="{nonce}"', head)
    tag = f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(nonce=nonce)}">'
    return head.replace("<head>", f"<head>\n{tag}", 1) + body + rest
