"""Grade 200 generated submissions of lab 01 whose grades are known; measure time and memory.

    python -m tests.grading.bench                    200 submissions
    python -m tests.grading.bench --students 40      fewer, in the same proportions
    python -m tests.grading.bench --baseline 10      and nbgrader's own time for 10 harmless ones

Every grade is compared with what is known. The baseline is what an instructor would do without the
grader: ``nbgrader autograde`` and ``nbgrader generate_feedback``, one submission after the other.

The exit status is 1 if a grade differs from what is known, or if the grader takes over :data:`FACTOR`
times nbgrader's own time; for that the machine has to do nothing else, and the first line tells its load.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from grading import grades
from grading.coursefolder import CourseFolder
from grading.run import Options, cores, grade_class, source_notebook
from grading.workers import prepare_environment
from tests.grading import cases
from tools import course

SHARES = {"right": 0.35, "half": 0.2, "wrong": 0.1, "empty": 0.1}  # the rest: damaged, edited, hostile
HARMLESS = ("right", "half", "wrong")  # of the baseline
FACTOR = 1.3  # of nbgrader's own time, divided by the cores


def generate(folder, count):
    """Write the submissions; return student → kind and what is known of it."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(count * share))]
    odd = cases.damaged() | cases.edited() | cases.hostile()
    kinds += islice(cycle(odd), count - len(kinds))
    written = {}
    for i, kind in enumerate(kinds):
        case = odd[kind] if kind in odd else cases.honest(i)[kind]
        path = folder / f"s{i:03}" / f"{cases.LAB}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(case.content)
        written[path.parent.name] = kind, case
    return written


def grade(submissions, output, jobs):
    """Grade a folder; return whether all went well, the results and the seconds on the clock."""
    start = time.perf_counter()
    failed = grade_class(Options(course.find_lesson(cases.LAB), submissions, output, jobs=jobs))
    return not failed, output / cases.LAB, time.perf_counter() - start


def compare(table, written):
    """Return the differences between the table of grades and what is known."""
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["folder"]: row for row in csv.DictReader(stream)}
    found = {name: name in rows and case.differs(rows[name]) for name, (_, case) in written.items()}
    return [f"{name} ({written[name][0]}): {row or 'no line'}" for name, row in found.items() if row != {}]


def compare_times(place, count, jobs):
    """Grade the same harmless submissions in both ways, both without start; print and return the ratio."""
    folder = CourseFolder(place / "alone" / cases.LAB, cases.LAB)
    folder.root.mkdir(parents=True)
    folder.prepare(source_notebook(course.find_lesson(cases.LAB)))
    with (folder.root / "nbgrader_config.py").open("a") as stream:
        stream.write("c.Execute.timeout = 120\n")

    def alone(students):
        start = time.perf_counter()
        for i in students:
            path = folder.path("submitted", f"n{i}")
            path.parent.mkdir(parents=True)
            path.write_bytes(cases.honest(i)[HARMLESS[i % len(HARMLESS)]].content)
        for step in ("autograde", "generate_feedback"):
            command = [sys.executable, "-m", "nbgrader", step, cases.LAB]
            environment = os.environ | {"NNLABS_BUDGET": "smoke"}
            subprocess.run(command, cwd=folder.root, check=True, capture_output=True, env=environment)
        return time.perf_counter() - start

    one = alone(range(1))
    each = (alone(range(1, count + 1)) - one) / (count - 1)
    _, results, _ = grade(folder.root / "submitted", place / "again", jobs)
    seconds = [record.seconds for record in grades.load(results / "results").values()]
    ours = sum(seconds) / len(seconds)
    print(f"harmless ones, nbgrader alone: {each:.2f} s each; here, {jobs} at a time: {ours:.2f} s and core")
    print(f"that is {ours / each:.2f} times nbgrader's time divided by the cores (target {FACTOR})")
    return ours / each


def main():
    """Generate, grade, compare, print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.grading.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=cores())
    told = "nbgrader's own time for N submissions"
    parser.add_argument("--baseline", type=int, default=0, metavar="N", help=told)
    options = parser.parse_args()
    prepare_environment()
    with tempfile.TemporaryDirectory(prefix="nnlabs-class-") as folder:
        place, jobs = Path(folder), options.jobs
        written = generate(place / "submissions", options.students)
        good, results, seconds = grade(place / "submissions", place / "out", jobs)
        wrong = compare(results / "grades.csv", written)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        each = (used.ru_utime + used.ru_stime) / len(written), seconds * jobs / len(written)
        most = max(record.memory for record in grades.load(results / "results").values()) >> 20
        print(f"load of the machine: {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
        print(f"{len(written)} submissions, {jobs} at a time: {seconds:.0f} s, {each[1]:.2f} s each and core")
        print(f"{each[0]:.2f} s of CPU each; the largest kernel had {most} MB")
        print(f"grades that differ from what is known: {len(wrong)}", *wrong, sep="\n")
        ratio = compare_times(place, options.baseline, jobs) if options.baseline else 0.0
        good = good and not wrong and ratio <= FACTOR
        print("good" if good else "FAILED")
        return int(not good)


if __name__ == "__main__":
    sys.exit(main())
