"""Grade generated submissions of lab 01 whose grades are known, into ``build/bench``.

    python -m tests.grading.bench 40      so many, by default 200

The exit status is 1 if a grade differs from what is known. The last lines tell the time for ten of
them, and nbgrader's own command for the same: the grader may take 1.3 times as long, on an idle machine.
"""

import shutil
import sys
from itertools import cycle, islice

from grading import __main__, grades
from tests.grading import cases
from tools import course

SHARES = {"right": 0.35, "half": 0.2, "wrong": 0.1, "empty": 0.1}  # the rest: damaged, edited, hostile
PLACE = course.ROOT / "build" / "bench"


def generate(count):
    """Write the submissions; return student → kind and what is known of it."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(count * share))]
    odd = cases.damaged() | cases.edited() | cases.hostile()
    kinds += islice(cycle(odd), count - len(kinds))
    every = odd | cases.honest()
    (PLACE / "class").mkdir(parents=True)
    for i, kind in enumerate(kinds):
        (PLACE / "class" / f"s{i:03}_{cases.LAB}.ipynb").write_bytes(every[kind].content)
    return {f"s{i:03}": (kind, every[kind]) for i, kind in enumerate(kinds)}


def main(students=200):
    """Generate, grade, compare, print; return the exit status."""
    shutil.rmtree(PLACE, ignore_errors=True)
    written = generate(students)
    failed = __main__.main([cases.LAB, str(PLACE / "class"), "--output", str(PLACE)])
    rows, records = cases.rows(PLACE / cases.LAB), grades.load(PLACE / cases.LAB / "results")
    wrong = [(kind, rows[name]) for name, (kind, case) in written.items() if case.differs(rows[name])]
    print(f"grades that differ from what is known: {len(wrong)}", *wrong, sep="\n")
    print(f"s000 to s009: {sum(records[f's00{i}'].seconds for i in range(10)):.1f} s and core; alone:")
    print(f"cd {PLACE / cases.LAB}; export NNLABS_BUDGET=smoke; for step in autograde generate_feedback")
    print(f"do time nbgrader $step --force {cases.LAB} --student='s00?'; done")
    return int(bool(failed or wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
