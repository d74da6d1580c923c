"""Grade 200 generated submissions of lab 01 whose grades are known; measure time and memory.

    python -m tests.grading.bench                    200 submissions
    python -m tests.grading.bench --students 40      fewer, in the same proportions
    python -m tests.grading.bench --baseline 10      and nbgrader's own time for 10 harmless ones

Every grade is compared with what is known. The baseline is what an instructor would do without the
grader: ``nbgrader autograde`` and ``nbgrader generate_feedback``, one submission after the other.

The exit status is 1 if a grade differs from what is known, or if the grader takes over :data:`FACTOR`
times nbgrader's own time; for that the machine has to do nothing else, and the first line tells its load.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from itertools import cycle, islice
from pathlib import Path

import psutil

from grading.coursefolder import CourseFolder
from grading.run import Options, cores, grade_class, source_notebook
from grading.workers import prepare_environment
from tests.grading import cases
from tools import course

SHARES = {"right": 0.35, "half": 0.2, "wrong": 0.1, "empty": 0.1}  # the rest: damaged, edited, hostile
HARMLESS = ("right", "half", "wrong")  # of the baseline
FACTOR = 1.3  # of nbgrader's own time, divided by the cores


class Usage(threading.Thread):
    """Watch what this process and all below it use, from ``with`` to its end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.grader = 0  # bytes: this process and its workers
        self.all = 0  # with the kernels
        self.cpu: dict[tuple, float] = {}  # process → seconds of CPU, as last seen
        self.wall = 0.0

    def __enter__(self) -> Usage:
        self.before = sum(psutil.Process().cpu_times()[:2])
        self.since = time.perf_counter()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self.since
        self.ended.set()
        self.join()

    @property
    def cpu_seconds(self) -> float:
        """Return the seconds of CPU, which other programs on the machine do not make longer."""
        return sum(self.cpu.values()) - self.before

    def run(self) -> None:
        """Look five times a second."""
        own = psutil.Process()
        while not self.ended.wait(0.2):
            sizes = {}
            for process in [own, *own.children(recursive=True)]:
                try:
                    self.cpu[process.pid, process.create_time()] = sum(process.cpu_times()[:2])
                    sizes[process.pid] = (process.memory_info().rss, process == own or is_grader(process))
                except psutil.Error:
                    continue
            self.grader = max(self.grader, sum(size for size, trusted in sizes.values() if trusted))
            self.all = max(self.all, sum(size for size, _ in sizes.values()))


def is_grader(process: psutil.Process) -> bool:
    """Tell whether it is a worker of the grader."""
    return "multiprocessing" in " ".join(process.cmdline())


def generate(folder: Path, count: int) -> dict[str, tuple[str, cases.Case]]:
    """Write the submissions; return student → name and what is known of the case."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(count * share))]
    odd = cases.damaged() | cases.edited() | cases.hostile()
    kinds += islice(cycle(odd), count - len(kinds))
    written = {}
    for i, kind in enumerate(kinds):
        case = odd[kind] if kind in odd else cases.honest(i)[kind]
        student = f"s{i:03}"
        path = folder / student / f"{cases.LAB}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(case.content)
        written[student] = kind, case
    return written


def compare(table: Path, written: dict[str, tuple[str, cases.Case]]) -> list[str]:
    """Return the differences between the table of grades and what is known."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["folder"]: row for row in csv.DictReader(stream)}
    found = {
        name: case.differs(rows[name]) if name in rows else "no line" for name, (_, case) in written.items()
    }
    return [f"{name} ({written[name][0]}): {row}" for name, row in found.items() if row]


def baseline(place: Path, count: int) -> tuple[float, float]:
    """Return nbgrader's own seconds for one harmless submission, wall and CPU, without its start-up."""
    folder = CourseFolder(place / cases.LAB, cases.LAB)
    folder.root.mkdir(parents=True)
    folder.prepare(source_notebook(course.find_lesson(cases.LAB)))
    with (folder.root / "nbgrader_config.py").open("a") as stream:
        stream.write("c.Execute.timeout = 120\n")

    def used(students: range) -> Usage:
        for i in students:
            path = folder.path("submitted", f"n{i}")
            path.parent.mkdir(parents=True)
            path.write_bytes(cases.honest(i)[HARMLESS[i % len(HARMLESS)]].content)
        with Usage() as usage:
            for command in ("autograde", "generate_feedback"):
                subprocess.run(
                    [sys.executable, "-m", "nbgrader", command, cases.LAB],
                    cwd=folder.root,
                    check=True,
                    capture_output=True,
                    env=os.environ | {"NNLABS_BUDGET": "smoke"},
                )
        return usage

    one, more = used(range(1)), used(range(1, count + 1))
    return (more.wall - one.wall) / (count - 1), (more.cpu_seconds - one.cpu_seconds) / (count - 1)


def main() -> int:
    """Generate, grade, compare, print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.grading.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument(
        "--baseline", type=int, default=0, metavar="N", help="nbgrader's own time for N submissions"
    )
    options = parser.parse_args()
    prepare_environment()
    jobs = options.jobs or cores()
    place = Path(tempfile.mkdtemp(prefix="nnlabs-class-"))
    try:
        written = generate(place / "submissions", options.students)
        with Usage() as usage:
            failed = grade_class(
                Options(course.find_lesson(cases.LAB), place / "submissions", place / "out", jobs=jobs)
            )
        wrong = compare(place / "out" / cases.LAB / "grades.csv", written)
        count, each = len(written), usage.wall * jobs / len(written)
        print(f"load of the machine: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
        print(f"{count} submissions in {usage.wall:.0f} s, {jobs} at a time")
        print(f"{each:.2f} s a submission and core, {usage.cpu_seconds / count:.2f} s of CPU")
        print(f"memory: grader {usage.grader / 1e6:.0f} MB, with kernels {usage.all / 1e6:.0f} MB")
        print(f"grades that differ from what is known: {len(wrong)}", *wrong, sep="\n")
        ratio = compare_times(place, options.baseline, jobs) if options.baseline else 0.0
        good = not (failed or wrong or ratio > FACTOR)
        print("good" if good else "FAILED")
        return int(not good)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def compare_times(place: Path, count: int, jobs: int) -> float:
    """Grade the same harmless submissions in both ways, both without start; print and return the ratio."""
    alone, alone_cpu = baseline(place / "baseline", count)
    submissions = place / "baseline" / cases.LAB / "submitted"
    out = place / "again"
    grade_class(Options(course.find_lesson(cases.LAB), submissions, out, jobs=jobs))
    records = (out / cases.LAB / "results").glob("*.json")
    seconds = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in records]
    ours = sum(seconds) / len(seconds)
    print(f"harmless ones, nbgrader alone: {alone:.2f} s each ({alone_cpu:.2f} s of CPU)")
    print(f"the same graded here, {jobs} at a time: {ours:.2f} s each and core")
    print(f"that is {ours / alone:.2f} times nbgrader's time divided by the cores (target {FACTOR})")
    return ours / alone


if __name__ == "__main__":
    sys.exit(main())
