"""Grade one submission, from the file to the record; and execute the course's own solution the same way."""

from __future__ import annotations

import html
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grading import assemble, outputs
from grading.collect import Submission
from grading.coursefolder import CourseFolder
from grading.grades import GRADED, LOOK, PART, REFUSED, Record
from grading.handin import HandInError, parse
from grading.kernel import SandboxedExecute
from grading.sandbox import Sandbox
from grading.session import Limits, Run
from tools.course import CourseError

SCRATCH = "nnlabs-grade-"


@dataclass(frozen=True)
class Setting:
    """What is the same for all submissions of a run."""

    folder: CourseFolder
    sandbox: Sandbox
    limits: Limits
    budget: str

    @property
    def fonts(self) -> Path:
        """Return Matplotlib's list of fonts, which takes seconds to make: each submission gets a copy."""
        return self.folder.root / "home" / ".matplotlib"


def grade(submission: Submission, key: str, setting: Setting) -> Record:
    """Grade one submission; whatever a student handed in, it ends in a record."""
    start = time.perf_counter()
    record = Record(key, submission.student, submission.given, submission.name, submission.shown, GRADED)
    folder = setting.folder
    try:
        if submission.file is None:
            raise HandInError("; ".join(submission.notes))
        release = folder.release()
        notebook, remarks = assemble.assemble(parse(submission.file.read()), release)
    except HandInError as reason:
        refuse(record, str(reason), folder)
        return record
    path = folder.path("submitted", submission.student)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    run = Run(setting.limits)
    with scratch(setting) as place:
        imports = assemble.imports_before_tests(release)
        execute = SandboxedExecute(run, setting.sandbox, place, setting.budget, imports)
        executed = folder.autograde(submission.student, execute, _remark(record, run, remarks))
    record.hints = outputs.failed(executed)
    folder.feedback(submission.student)
    record.seconds = round(time.perf_counter() - start, 2)
    return record


def refuse(record: Record, reason: str, folder: CourseFolder) -> None:
    """Enter that a submission was not graded."""
    record.status, record.remarks = REFUSED, [reason]
    folder.refuse(record.student, reason)


def try_solution(source: NotebookNode, setting: Setting) -> float:
    """Execute the course's own solution as if a student had handed it in; return its seconds of computing.

    Raises
    ------
    CourseError
        It does not get all the points: grading a class with it would be unjust.
    """
    run = Run(setting.limits)
    with scratch(setting) as place:
        imports = assemble.imports_before_tests(source)
        execute = SandboxedExecute(run, setting.sandbox, place, setting.budget, imports)
        execute.preprocess(source, {"metadata": {}})
        if (place / ".matplotlib").is_dir() and not setting.fonts.exists():
            shutil.copytree(place / ".matplotlib", setting.fonts)
    if outputs.failed(source) or run.stopped:
        reason = run.why_stopped() or outputs.first_error(source)
        raise CourseError(
            f"The lab's own solution does not get all its points here: {reason}. Nothing was graded."
        )
    return run.seconds


@contextmanager
def scratch(setting: Setting) -> Iterator[Path]:
    """Make the one folder that a submission may write to, and remove it afterwards."""
    # A short path: the address of a Unix socket has room for about 100 characters.
    place = Path(tempfile.mkdtemp(prefix=SCRATCH, dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        if setting.fonts.is_dir():
            fonts = shutil.copytree(setting.fonts, place / ".matplotlib")
            for path in (fonts, *fonts.rglob("*")):
                path.chmod(0o777)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _remark(record: Record, run: Run, remarks: list[str]) -> Callable:
    """Return nbgrader's step after the execution: put status and remarks into record and notebook."""

    def step(notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        record.remarks = [*remarks, *run.remarks()]
        if any(remark.endswith(assemble.LOOK) for remark in record.remarks):
            record.status = LOOK
        elif run.stopped or run.late:
            record.status = PART
        if record.remarks:
            lines = "\n".join(f"- {_markdown(remark)}" for remark in record.remarks)
            notebook.cells.insert(0, new_markdown_cell(f"**Remarks of the grader**\n\n{lines}", id="remarks"))
        return notebook, resources

    return step


def _markdown(text: str) -> str:
    """Return text as it is shown, none of it Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]$~|#])", r"\\\1", html.escape(text, quote=False))
