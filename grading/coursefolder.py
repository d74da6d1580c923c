"""nbgrader's side: a course folder of its own for each lab, with gradebook, autograde and feedback.

``build/grading/01_neurons`` is an ordinary nbgrader course with one assignment: ``nbgrader
formgrader`` started there shows it, to grade the open questions by hand. The converters are called
through nbgrader's API, so that the seconds of its start-up are spent once a worker, not once a student.
"""

from __future__ import annotations

import base64
import html
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, GetGrades
from sqlalchemy.exc import DatabaseError
from traitlets.config import Config

from grading.grades import Grade, write
from tools.cells import stubs
from tools.course import CourseError

SETTINGS = """\
# An nbgrader course of one lab, made by grading/. To grade open questions by hand, start nbgrader's
# formgrader here.
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
ATTACHED = re.compile(r"!\[([^\]]*)\]\(\s*<?attachment:([^)>\s]*)[^)]*\)")


@dataclass(frozen=True)
class CourseFolder:
    """The nbgrader course of one lab."""

    root: Path
    lab: str

    @property
    def database(self) -> str:
        """Return the gradebook's address; workers wait for each other."""
        return f"sqlite:///{self.root / 'gradebook.db'}?timeout=120"

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open the gradebook, or say that it cannot be used."""
        try:
            with Gradebook(self.database) as gradebook:
                yield gradebook
        except DatabaseError as error:
            raise CourseError(
                f"The gradebook {self.root / 'gradebook.db'} cannot be used: {error.orig}. If it is damaged, "
                "put your copy of it there, or rename it: all is graded again then, without points by hand."
            ) from None

    def path(self, step: str, student: str = ".", suffix: str = ".ipynb") -> Path:
        """Return the notebook (or page) of a student in one of nbgrader's folders."""
        return self.root / step / student / self.lab / f"{self.lab}{suffix}"

    def prepare(self, source: NotebookNode) -> str:
        """Make the released version from ``source`` and enter the lab into the gradebook.

        Return a line to tell, if the gradebook had to begin anew.
        """
        self.path("source").parent.mkdir(parents=True, exist_ok=True)
        (self.root / "nbgrader_config.py").write_text(SETTINGS, encoding="utf-8")
        nbformat.write(source, self.path("source"))
        notice = self._begin_anew_if_cells_differ(source)
        config = self._config(".")
        config.merge(stubs())
        self._convert(GenerateAssignment, config)
        return notice

    def release(self) -> NotebookNode:
        """Return the lab as nbgrader released it."""
        return nbformat.read(self.path("release"), as_version=4)

    def autograde(
        self, student: str, execute: Execute, remark: Callable[[NotebookNode, dict], tuple]
    ) -> NotebookNode:
        """Grade what lies in ``submitted``; return the executed notebook.

        ``execute`` takes the place of nbgrader's step of that name; ``remark`` comes after it.
        """

        def use(converter: Autograde) -> None:
            steps = list(converter.autograde_preprocessors)
            place = steps.index(Execute)
            converter.autograde_preprocessors = [*steps[:place], execute, remark, *steps[place + 1 :]]

        before = self._decided(student)
        self._convert(Autograde, self._config(student), use)
        self._keep_decided(student, before)
        return nbformat.read(self.path("autograded", student), as_version=4)

    def feedback(self, student: str) -> None:
        """Write the student's page, in which nothing of a stranger is executed."""
        given = {cell.source for cell in self.release().cells}
        sanitize = SanitizeHTML(tags=ALLOWED_TAGS, enabled=True)

        def clean(notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type != "code" and cell.source not in given:
                    notebook.cells[index], resources = sanitize.preprocess_cell(cell, resources, index)
                    _show_pictures(notebook.cells[index])
            return notebook, resources

        def use(converter: GenerateFeedback) -> None:
            converter.preprocessors = [GetGrades, clean, CSSHTMLHeaderPreprocessor]

        path = self.path("feedback", student, ".html")
        try:
            self._convert(GenerateFeedback, self._config(student), use)
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
        cells = [cell.metadata.get("nbgrader", {}) for cell in self.release().cells]
        return {cell["grade_id"]: float(cell["points"]) for cell in cells if cell.get("grade")}

    def is_entered(self) -> bool:
        """Tell whether the gradebook knows the lab."""
        if not (self.root / "gradebook.db").exists():
            return False
        with self.gradebook() as gradebook:
            try:
                return bool(gradebook.find_notebook(self.lab, self.lab))
            except MissingEntry:
                return False

    def grades(self) -> dict[str, dict[str, Grade]]:
        """Return student → test cell → grade, with what was entered by hand."""
        with self.gradebook() as gradebook:
            try:
                submissions = gradebook.find_notebook(self.lab, self.lab).submissions
            except MissingEntry:
                return {}
            return {
                submission.student.id: {
                    grade.name: Grade(grade.score, grade.max_score, grade.needs_manual_grade)
                    for grade in submission.grades
                }
                for submission in submissions
            }

    def _begin_anew_if_cells_differ(self, source: NotebookNode) -> str:
        """Put the gradebook aside if the lab now has other cells: nbgrader cannot change it then."""
        if not (self.root / "gradebook.db").exists():
            return ""
        with self.gradebook() as gradebook:
            try:
                known = {cell.name for cell in gradebook.find_notebook(self.lab, self.lab).source_cells}
            except MissingEntry:
                return ""
        marks = [cell.metadata.get("nbgrader", {}) for cell in source.cells]
        now = {m["grade_id"] for m in marks if m.get("grade") or m.get("solution") or m.get("locked")}
        if now == known:
            return ""
        now = time.strftime("%Y-%m-%d-%H%M%S")
        for name, aside in (("gradebook.db", f"gradebook-{now}.db"), ("results", f"results-{now}")):
            if (self.root / name).exists():
                os.replace(self.root / name, self.root / aside)
        return (
            f"The lab has other cells than before: a new gradebook is begun. The old one is kept as "
            f"gradebook-{now}.db; points that were given by hand are only in that one."
        )

    # What a person decided stays decided when a submission is graded again and its answer is the same.
    # nbgrader marks every grade that was given by hand as waiting again.

    def _decided(self, student: str) -> dict[str, tuple]:
        """Return grade id → what points by hand were given for, as far as a person is done with it."""
        with self.gradebook() as gradebook, suppress(MissingEntry):
            grades = gradebook.find_submission_notebook(self.lab, self.lab, student).grades
            done = [g for g in grades if g.manual_score is not None and not g.needs_manual_grade]
            return self._subjects(student, done)
        return {}

    def _keep_decided(self, student: str, before: dict[str, tuple]) -> None:
        """Take the mark off grades that were decided before and that nothing changed for."""
        if not before:
            return
        with self.gradebook() as gradebook:
            grades = gradebook.find_submission_notebook(self.lab, self.lab, student).grades
            now = self._subjects(student, grades)
            for grade in grades:
                if grade.name in before and now.get(grade.name) == before[grade.name]:
                    grade.needs_manual_grade = False
            gradebook.db.commit()

    def _subjects(self, student: str, grades: list[api.Grade]) -> dict[str, tuple]:
        """Return grade id → the cell's text, and for a test cell what it gave by itself."""
        scores = {grade.name: grade.auto_score for grade in grades}
        with suppress(OSError, ValueError, AttributeError):
            notebook = nbformat.read(self.path("autograded", student), as_version=4)
            marks = [
                (cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source) for cell in notebook.cells
            ]
            return {name: (source, scores[name]) for name, source in marks if name in scores}
        return {}

    def _config(self, student: str) -> Config:
        config = Config()
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.db_url = self.database
        config.CourseDirectory.assignment_id = self.lab
        config.CourseDirectory.student_id = student
        config.OverwriteCells.add_missing_cells = True
        return config

    def _convert(self, kind: type, config: Config, change: Callable | None = None) -> None:
        converter = kind(coursedir=CourseDirectory(config=config), config=config)
        converter.force = True
        if change:
            change(converter)

        def find() -> None:  # in place of a search by a pattern, for which "[" in a path is no letter
            folder = converter._format_source(self.lab, converter.coursedir.student_id)
            converter.assignments = {folder: [os.path.join(folder, f"{self.lab}.ipynb")]}

        converter.init_notebooks = find
        converter.start()


def _show_pictures(cell: NotebookNode) -> None:
    """Say in a cell of a feedback page where a picture is missing: nbconvert stops at it."""
    there = cell.get("attachments", {})
    there.update({quote(name): forms for name, forms in list(there.items())})  # as links name them

    def say(found: re.Match) -> str:
        return found[0] if found[2] in there else f"(the picture {unquote(found[2])} was not handed in)"

    cell.source = ATTACHED.sub(say, cell.source)


def restrict(page: str) -> str:
    """Add a content security policy: scripts of the page's head run, those of its body do not."""
    nonce = base64.b64encode(secrets.token_bytes(16)).decode()
    head, body, rest = page.partition("<body")
    head = re.sub(r"<script(?=[\s>])", f'<script nonce="{nonce}"', head)
    policy = POLICY.format(nonce=nonce)
    tag = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return head.replace("<head>", f"<head>\n{tag}", 1) + body + rest
