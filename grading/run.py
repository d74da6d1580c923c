"""Grade a class: the command's steps, one after the other."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from pebble import ProcessPool
from tqdm import tqdm

from grading import grades, report, sandbox, workers
from grading.collect import Submission, collect
from grading.coursefolder import CourseFolder
from grading.grades import GRADED, REFUSED, Record, Row, load, save, write
from grading.handin import HandInError
from grading.session import Limits
from grading.submission import Setting
from tools import course
from tools.course import CourseError, Lesson, read_notebook

# Seconds of computing that a submission may take: what a kernel needs to start, what endless loops take
# until the checks stop them, and so many times what the solution takes.
SECONDS_TO_START, CHECKS_SECONDS, PATIENCE = 60, 90, 6
CELL_SECONDS = 20
SOLUTION = Limits(seconds=3600, cell_seconds=1800)


def grade_class(lesson: Lesson, options: Namespace) -> int:
    """Collect, grade what changed, write the results; return the exit status.

    ``options`` are those of the command line, see :func:`grading.__main__.parser`.
    """
    workers.prepare_environment()
    start = time.monotonic()
    lab = lesson.name
    folder = CourseFolder((options.output / lab).resolve(), lab)
    source = read_notebook(lesson.notebook("solutions"))
    results = folder.root / "results"
    names = {record.given: record.student for record in load(results).values()}
    marks = {cell.metadata.get("nbgrader", {}).get("grade_id") for cell in source.cells} - {None}
    submissions = collect(options.submissions, lab, marks, options.pattern, names)
    jobs = min(options.jobs or cores(), len(submissions))
    with alone(folder.root), workers.workers(jobs, folder.root / "grade.log") as pool:
        where = sandbox.chosen(course.ROOT, options.submissions, options.output)
        limits = Limits(memory=options.memory)
        for line in where.gaps():
            print(f"Not isolated: {line}", file=sys.stderr)
        setting = Setting(folder, where, limits, options.budget)
        key = grades.course_key(nbformat.writes(source), limits, f"{options.budget} {options.seconds}")
        setting = prepare(source, setting, key, pool, options.seconds)
        entered = folder.grades()
        known = {student: record for student, record in load(results).items() if student in entered}
        works = to_do(submissions, {} if options.force else known, key)
        problems = grade_all(works, setting, pool)
    records = load(results)
    write_results(folder, submissions, records, problems)
    odd = sum(records[s.student].status != GRADED for s in submissions if s.student in records)
    failed = f", {len(problems)} FAILED (see grades.csv, then run again)" if problems else ""
    print(
        f"{len(works) - len(problems)} graded, {len(submissions) - len(works)} unchanged, {odd} to look at"
        f"{failed}, in {time.monotonic() - start:.0f} s: {folder.root}/grades.csv, report.html, feedback/"
    )
    return 1 if problems else 0


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(source: NotebookNode, setting: Setting, key: str, pool: ProcessPool, seconds: float) -> Setting:
    """Execute the lab's solution, then release the lab into the course folder; only if something changed.

    A solution that fails changes nothing there.
    """
    folder, known = setting.folder, setting.folder.root / "course.json"
    told = {}
    with suppress(OSError, ValueError):
        told = json.loads(known.read_text(encoding="utf-8"))
    if not folder.is_entered() or told.get("key") != key:
        patient = replace(SOLUTION, memory=setting.limits.memory)
        took = workers.try_solution(pool, source, replace(setting, limits=patient))
        known.unlink(missing_ok=True)
        folder.prepare(source)
        told = {"key": key, "seconds": took}
        write(known, json.dumps(told))
    total = seconds or SECONDS_TO_START + CHECKS_SECONDS + PATIENCE * told["seconds"]
    cell = min(total / 2, CELL_SECONDS + PATIENCE / 2 * told["seconds"])
    return replace(setting, limits=replace(setting.limits, seconds=total, cell_seconds=cell))


def to_do(submissions: list[Submission], known: dict[str, Record], key: str) -> list[tuple[Submission, str]]:
    """Return what is to grade, with the key of its record: new, changed, or never finished."""
    works = []
    for submission in submissions:
        try:
            content = submission.file.read() if submission.file else "\n".join(submission.notes).encode()
        except HandInError as reason:
            content = str(reason).encode()
        own, record = hashlib.sha256(key.encode() + content).hexdigest(), known.get(submission.student)
        if record is None or (record.key, record.given) != (own, submission.given):
            works.append((submission, own))
    return works


def grade_all(works: list[tuple[Submission, str]], setting: Setting, pool: ProcessPool) -> dict[str, str]:
    """Grade, saving each record when it is there; return student → why there is none."""
    problems = {}
    with tqdm(total=len(works), unit="student", file=sys.stdout, disable=not works) as bar:
        for submission, record, problem in workers.grade(pool, works, setting):
            if record is None:
                problems[submission.student] = problem
            else:
                save(setting.folder.root / "results", record)
                if record.status != GRADED:
                    bar.write(f"{submission.given}: {record.status}", file=sys.stdout)
            bar.update()
    return problems


def write_results(
    folder: CourseFolder, submissions: list[Submission], records: dict[str, Record], problems: dict[str, str]
) -> None:
    """Write the table of grades and the class's report from the records and the gradebook."""
    points, maxima = folder.grades(), folder.maxima()
    here = {submission.student: submission for submission in submissions}
    rows = []
    for student, record in records.items():
        if student not in points:
            continue  # of a gradebook that was put aside
        refused = record.status == REFUSED
        notes = [] if refused or student not in here else [*here[student].notes]
        if student not in here:
            notes.append("not in this folder: the points are those of an earlier run")
        if student in problems:
            notes.append(f"not graded now ({problems[student]}): the points are those of an earlier run")
        if refused and any(grade.by_hand for grade in points[student].values()):
            notes.append("points given by hand for an earlier submission do not count")
        current = student in here and student not in problems
        rows.append(Row(record, points[student], [*notes, *record.remarks], current))
    for student in problems.keys() - {row.record.student for row in rows}:
        given = here[student]
        record = Record("", student, given.given, given.name, given.shown, REFUSED)
        rows.append(Row(record, {}, [f"{problems[student]}: run the same command again"]))
    rows.sort(key=lambda row: row.record.student)
    # With the mark at its start a spreadsheet reads the names right.
    write(folder.root / "grades.csv", "\ufeff" + grades.table(rows, maxima))
    write(folder.root / "report.html", report.page(folder.lab, rows, maxima))


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Make the folder of the results and hold it: two runs in it would overwrite each other's notebooks."""
    import fcntl

    try:
        root.mkdir(parents=True, exist_ok=True)
        stream = (root / ".lock").open("w")
    except OSError as error:
        raise CourseError(
            f"The results cannot be written to {root}: {error.strerror}. Name another folder with --output."
        ) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(f"Another run is grading into {root}. Wait until it ends.") from None
        yield
