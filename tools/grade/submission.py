"""Grade one submission, from the file to the record; and run the course's own solution the same way."""

from __future__ import annotations

import html
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader import utils

from tools.course import CourseError
from tools.grade import assemble, judge, prefork
from tools.grade.collect import NotReadError, Submission
from tools.grade.coursefolder import CourseFolder
from tools.grade.execute import Course, Run, SandboxedExecute
from tools.grade.sandbox import Limits, Sandbox, environment

SCRATCH = "nnlabs-grade-"
KERNEL = "import ipykernel.kernelapp"  # what each kernel needs besides the lab's libraries
MOST_NAMED = 3  # of the things that were tampered with
NOT_DONE, NOT_RUN, WITHHELD = "not done yet", "did not run", "points withheld"
NO_HINTS = {NOT_DONE, NOT_RUN, WITHHELD}  # said of a failed test that has none
GRADED, LOOK, PART, REFUSED = "graded", "look at it", "graded in part", "not graded"


@dataclass(frozen=True)
class Setting:
    """What is the same for all submissions of a run."""

    folder: CourseFolder
    sandbox: Sandbox
    limits: Limits
    budget: str
    course: Course = field(default_factory=Course)

    @property
    def home(self) -> Path:
        """Return where the libraries keep what takes seconds to make: Matplotlib's list of fonts."""
        return self.folder.root / "home"

    @property
    def fonts(self) -> Path:
        """Return the part of it that each submission gets a copy of."""
        return self.home / ".matplotlib"

    def run(self, scratch: Path, course: Course) -> Run:
        """Return what executes one notebook, with a process to fork its kernel from if that works here."""
        server = None
        if self.sandbox.fork:
            self.home.mkdir(parents=True, exist_ok=True)
            server = prefork.server((KERNEL, *course.imports), environment(self.home, self.budget))
        return Run(scratch, self.sandbox, self.limits, self.budget, course, server)


@dataclass
class Record:
    """What is known of a graded submission; the points are nbgrader's, in the gradebook."""

    key: str  # of all that the grade depends on
    student: str
    given: str
    name: str
    shown: str
    status: str
    remarks: list[str] = field(default_factory=list)
    points: dict[str, float] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)  # failed test cell → the hint that was given
    seconds: float = 0.0
    memory: int = 0


def grade(submission: Submission, key: str, setting: Setting) -> Record:
    """Grade one submission; whatever it is, it ends in a record."""
    start = time.perf_counter()
    record = Record(key, submission.student, submission.given, submission.name, submission.shown, GRADED)
    folder = setting.folder
    try:
        if submission.file is None:
            raise NotReadError("; ".join(submission.notes))
        made = assemble.assemble(assemble.read_cells(submission.file.read()), folder.release())
    except (NotReadError, assemble.UnreadableError) as reason:
        record.status, record.remarks = REFUSED, [str(reason)]
        folder.refuse(submission.student, str(reason))
    else:
        path = folder.path("submitted", submission.student)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(made.notebook, path)
        with scratch(setting) as place:
            run = setting.run(place, setting.course)
            executed = folder.autograde(submission.student, SandboxedExecute(run), _remark(record, run, made))
        record.points, record.hints = outcome(executed)
        record.memory = run.memory
        folder.feedback(submission.student)
    record.seconds = round(time.perf_counter() - start, 2)
    return record


def try_solution(source: NotebookNode, setting: Setting) -> tuple[Course, float, int]:
    """Execute the course's own solution as if a student had handed it in.

    Return what its checks look like in a clean kernel, the seconds and the memory it took.

    Raises
    ------
    CourseError
        It does not get all the points: grading a class with it would be unjust.
    """
    imports = assemble.imports_of(source)
    with scratch(setting) as place:
        run = setting.run(place, Course(imports))
        SandboxedExecute(run).preprocess(source, {"metadata": {}})
        if (place / ".matplotlib").is_dir() and not setting.fonts.exists():
            shutil.copytree(place / ".matplotlib", setting.fonts)
    _, failed = outcome(source)
    if failed or run.stopped:
        reason = run.why_stopped() or "; ".join(f"{name}: {hint}" for name, hint in failed.items())
        raise CourseError(
            f"The lab's own solution does not get all its points here: {reason}. Nothing was graded."
        )
    every = {name: value for prints in run.answers for name, value in prints.items()}
    same = {name: v for name, v in every.items() if all(prints.get(name, v) == v for prints in run.answers)}
    restless = tuple(sorted(set(every) - set(same)))
    late = tuple(name for name in same if not all(name in prints for prints in run.answers))
    return Course(imports, same, restless, late, tuple(sorted(run.hooks))), run.seconds, run.memory


@contextmanager
def scratch(setting: Setting) -> Iterator[Path]:
    """Make the one folder that a submission may write to, and remove it afterwards."""
    # A short path: the address of a Unix socket has room for about 100 characters.
    place = Path(tempfile.mkdtemp(prefix=SCRATCH, dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        if setting.fonts.is_dir():
            shutil.copytree(setting.fonts, place / ".matplotlib")
            for path in (place / ".matplotlib").rglob("*"):
                path.chmod(0o644 if path.is_file() else 0o755)
            (place / ".matplotlib").chmod(0o777)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def outcome(notebook: NotebookNode) -> tuple[dict[str, float], dict[str, str]]:
    """Return the points of each test cell as nbgrader counts them, and the hints of the failed ones."""
    points, hints = {}, {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and utils.is_grade(cell):
            earned, maximum = utils.determine_grade(cell)
            grade_id = cell.metadata.nbgrader.grade_id
            points[grade_id] = earned
            if earned is not None and earned < maximum:
                hints[grade_id] = hint(cell)
    return points, hints


def hint(cell: NotebookNode) -> str:
    """Return in a few words what a failed test cell said: the part that many students share."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if not errors:
        return "wrote to the error stream"
    last = next((error for error in errors if error.ename in judge.GRADERS), errors[-1])
    name, text = str(last.ename), " ".join(str(last.evalue).split())
    if name == "CheckFailedError":
        if text.endswith("not done yet."):
            return NOT_DONE
        if "Hint: " in text:
            return text.rsplit("Hint: ", 1)[1][:200]
        stopped = re.search(r"with (\w+(?:Error|Exception|Warning))\b", text)
        return f"stops with {stopped[1]}" if stopped else "a wrong value, without a hint"
    if name in judge.GRADERS:
        return {judge.NOT_RUN: NOT_RUN, judge.TAMPERED: WITHHELD}.get(name, "no number of points")
    return f"{name}: {text}"[:80] if name == "NameError" else name[:80]


def _remark(record: Record, run: Run, made: assemble.Assembled) -> object:
    """Return nbgrader's step after the execution: put status and remarks into record and notebook."""

    def step(notebook: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        record.remarks = [*made.remarks, *_remarks(run)]
        if run.tampered or any(remark.endswith("look at it") for remark in record.remarks):
            record.status = LOOK
        elif run.stopped or run.late:
            record.status = PART
        if record.remarks:
            lines = "\n".join(f"- {_markdown(remark)}" for remark in record.remarks)
            notebook.cells.insert(0, new_markdown_cell(f"**Remarks of the grader**\n\n{lines}", id="remarks"))
        return notebook, resources

    return step


def _remarks(run: Run) -> list[str]:
    """Tell in words what was noticed while it ran."""
    remarks = []
    if run.stopped:
        remarks.append(f"{run.why_stopped()}, at {run.stopped_at}: graded is what was finished before")
    if run.late:
        remarks.append(f"interrupted after {run.limits.cell_seconds:.0f} s: {', '.join(run.late)}")
    if run.tampered:
        first, changed = next(iter(run.tampered.items()))
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        names = ", ".join(_short(name) for name in changed[:MOST_NAMED])
        remarks.append(f"tampered with {names}{more}: no points from {first} on; look at it")
    names = sorted({name for found in run.renamed.values() for name in found})
    if names:
        remarks.append(
            f"the lab's name{'s' * (len(names) > 1)} {', '.join(names)} stood for something else: put right"
        )
    return remarks


def _short(text: object) -> str:
    return " ".join(str(text).split())[:80]


def _markdown(text: str) -> str:
    """Return text as it is shown, none of it Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]$~|#])", r"\\\1", html.escape(text, quote=False))
