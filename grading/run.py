"""Grade a class: the command's steps, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from grading import grades, sandbox
from grading.collect import NotReadError, Submission, collect
from grading.coursefolder import CourseFolder
from grading.grades import REFUSED, Record, Row, Store, write
from grading.report import write_report
from grading.session import MEGABYTE, Limits
from grading.submission import SCRATCH, Setting
from grading.workers import Workers, prepare_environment
from tools import course
from tools.course import CourseError, Lesson, read_notebook

# Seconds of computing that a submission may take: what a kernel needs to start, what endless loops take
# until the checks stop them, and so many times what the solution takes.
SECONDS_TO_START, CHECKS_SECONDS, PATIENCE = 60, 90, 6
CELL_SECONDS = 20
SOLUTION_SECONDS = 3600


def _default_output() -> Path:
    return course.ROOT / "build" / "grading"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    lesson: Lesson
    submissions: Path
    output: Path = field(default_factory=_default_output)
    jobs: int = 0  # 0: as many as there are cores
    budget: str = "smoke"
    seconds: float = 0  # of computing; 0: from what the solution takes
    memory: int = 3000  # megabytes
    pattern: str = ""
    force: bool = False
    kind: str = ""  # of the sandbox; "": the best


def grade_class(options: Options) -> int:
    """Collect, grade what changed, write the results; return the exit status."""
    prepare_environment()
    start = time.monotonic()
    lab = options.lesson.name
    folder = CourseFolder((options.output / lab).resolve(), lab)
    store = Store(folder.root / "results")
    source = source_notebook(options.lesson)
    names = {record.given: record.student for record in store.load().values()}
    marks = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in source.cells} - {None}
    submissions = collect(options.submissions, lab, marks, options.pattern, names)
    make(folder.root)
    where = choose_sandbox(options)
    jobs = min(options.jobs or cores(), len(submissions))
    with alone(folder.root), Workers(jobs, folder.root / "grade.log") as workers:
        clean_up()
        limits = Limits(memory=options.memory * MEGABYTE)
        setting = Setting(folder, where, limits, options.budget)
        key = grades.course_key(nbformat.writes(source), limits, f"{options.budget} {options.seconds}")
        setting = prepare(source, setting, key, workers, options.seconds)
        entered = folder.grades()
        known = {student: record for student, record in store.load().items() if student in entered}
        works = to_do(submissions, {} if options.force else known, key)
        problems = grade_all(works, setting, store, workers)
    write_results(folder, submissions, store, problems)
    say(folder, submissions, works, problems, time.monotonic() - start)
    return 1 if problems else 0


def source_notebook(lesson: Lesson) -> NotebookNode:
    """Return the lab's solution, with the links of the student's version."""
    source = read_notebook(lesson.notebook("solutions"))
    for link in (f"solutions/{lesson.name}", f"solutions%2F{lesson.name}"):
        source.cells[0].source = source.cells[0].source.replace(link, link.replace("solutions", "labs"))
    return source


def choose_sandbox(options: Options) -> sandbox.Sandbox:
    """Return the best sandbox, and say what is not isolated."""
    where = sandbox.chosen(options.kind, (course.ROOT, options.submissions, options.output))
    if where.kind == "none" and not options.kind:
        print(f"No sandbox: {sandbox.why_none()}", file=sys.stderr)
    for line in where.gaps():
        print(f"Not isolated: {line}", file=sys.stderr)
    return where


def make(root: Path) -> None:
    """Make the folder of the results, or say that it cannot be written to."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".lock").touch()
    except OSError as error:
        raise CourseError(
            f"The results cannot be written to {root}: {error.strerror}. Name another folder with --output."
        ) from None


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(source: NotebookNode, setting: Setting, key: str, workers: Workers, seconds: float) -> Setting:
    """Execute the lab's solution, then release the lab into the course folder; only if something changed.

    A solution that fails changes nothing there.
    """
    folder, known = setting.folder, setting.folder.root / "course.json"
    took = _known_seconds(known, key)
    if not folder.is_entered() or took is None:
        patient = replace(setting.limits, seconds=SOLUTION_SECONDS, cell_seconds=SOLUTION_SECONDS / 2)
        took = workers.try_solution(source, replace(setting, limits=patient))
        known.unlink(missing_ok=True)
        notice = folder.prepare(source)
        if notice:
            print(notice, file=sys.stderr)
        write(known, {"key": key, "seconds": took})
    total = seconds or SECONDS_TO_START + CHECKS_SECONDS + PATIENCE * took
    cell = min(total / 2, CELL_SECONDS + PATIENCE / 2 * took)
    return replace(setting, limits=replace(setting.limits, seconds=total, cell_seconds=cell))


def _known_seconds(path: Path, key: str) -> float | None:
    with suppress(OSError, ValueError, KeyError):
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["key"] == key:
            return float(told["seconds"])
    return None


def to_do(submissions: list[Submission], known: dict[str, Record], key: str) -> list[tuple[Submission, str]]:
    """Return what is to grade, with the key of its record: new, changed, or never finished."""
    works = []
    for submission in submissions:
        try:
            content = submission.file.read() if submission.file else "\n".join(submission.notes).encode()
        except NotReadError as reason:
            content = str(reason).encode()
        own = grades.submission_key(key, content)
        record = known.get(submission.student)
        if record is None or record.key != own or record.given != submission.given:
            works.append((submission, own))
    return works


def grade_all(
    works: list[tuple[Submission, str]], setting: Setting, store: Store, workers: Workers
) -> dict[str, str]:
    """Grade, saving each record when it is there; return student → why there is none."""
    problems = {}
    with tqdm(total=len(works), unit="student", file=sys.stdout, disable=not works) as bar:
        for submission, record, problem in workers.grade(works, setting):
            if record is None:
                problems[submission.student] = problem
            else:
                store.save(record)
                if record.status != grades.GRADED:
                    bar.write(f"{submission.given}: {record.status}", file=sys.stdout)
            bar.update()
    return problems


def write_results(
    folder: CourseFolder, submissions: list[Submission], store: Store, problems: dict[str, str]
) -> None:
    """Write the table of grades and the class's report from the records and the gradebook."""
    points, maxima = folder.grades(), folder.maxima()
    here = {submission.student: submission for submission in submissions}
    rows = []
    for student, record in store.load().items():
        if student not in points:
            continue  # of a gradebook that was put aside
        refused = record.status == REFUSED
        if student in here:
            notes = [] if refused else here[student].notes
        else:
            notes = ["not in this folder: the points are those of an earlier run"]
        if student in problems:
            notes = [*notes, f"not graded now ({problems[student]}): the points are those of an earlier run"]
        if refused and any(grade.by_hand for grade in points[student].values()):
            notes = [*notes, "points given by hand for an earlier submission do not count"]
        current = student in here and student not in problems
        rows.append(Row(record, points[student], [*notes, *record.remarks], current))
    for student, problem in problems.items():
        if all(row.record.student != student for row in rows):
            given = here[student]
            record = Record("", student, given.given, given.name, given.shown, REFUSED)
            rows.append(Row(record, {}, [f"{problem}: run the same command again"]))
    rows.sort(key=lambda row: row.record.student)
    # With the mark at its start a spreadsheet reads the names right.
    write(folder.root / "grades.csv", "\ufeff" + grades.table(rows, maxima))
    write_report(folder, rows, maxima)


def say(
    folder: CourseFolder, submissions: list[Submission], works: list, problems: dict[str, str], seconds: float
) -> None:
    """Print the run's one line."""
    records = Store(folder.root / "results").load()
    odd = sum(records[s.student].status != grades.GRADED for s in submissions if s.student in records)
    try:
        shown = folder.root.relative_to(Path.cwd())
    except ValueError:
        shown = folder.root
    print(
        f"{len(works) - len(problems)} graded, {len(submissions) - len(works)} unchanged, {odd} to look at"
        + (f", {len(problems)} FAILED (see grades.csv, then run again)" if problems else "")
        + f", in {seconds:.0f} s: {shown}/grades.csv, report.html, feedback/"
    )


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the course folder: two runs in it would overwrite each other's notebooks."""
    import fcntl

    with (root / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"Another run is grading into {root}. Wait until it ends.") from None
        yield


def clean_up() -> None:
    """Remove scratch folders that a killed run left behind."""
    for path in Path("/tmp").glob(f"{SCRATCH}*"):
        with suppress(OSError):
            if path.lstat().st_uid in (
                os.getuid(),
                *range(sandbox.FIRST_USER, sandbox.FIRST_USER + sandbox.USERS),
            ) and (time.time() - path.stat().st_mtime > 3600):
                shutil.rmtree(path, ignore_errors=True)
