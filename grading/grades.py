"""Keep what is finished, one file a student, and write the table of grades."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from grading.session import Limits
from tools import course

PACKAGES = ("nbgrader", "numpy", "keras", "ipykernel")
FORMULA = tuple("=+-@＝＋－＠")  # the full-width ones count as well
BY_HAND = "to grade by hand"
GRADED, LOOK, PART, REFUSED = "graded", "look at it", "graded in part", "not graded"


@dataclass(frozen=True)
class Grade:
    """The points of one test cell or question, and whether it waits for a person."""

    points: float
    maximum: float
    by_hand: bool


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
    hints: dict[str, str] = field(default_factory=dict)  # failed test cell → the hint that was given
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """A student's line in the table."""

    record: Record
    grades: dict[str, Grade]
    remarks: list[str]
    current: bool = True  # graded as it lies in the folder now, not an earlier one

    @property
    def total(self) -> float:
        """Return the sum of the points that are known: of no answer that waits for a person."""
        return sum(grade.points for grade in self.grades.values() if not grade.by_hand)

    @property
    def by_hand(self) -> list[str]:
        """Return the questions that wait for a person; of a notebook that was not graded there are none."""
        waiting = [name for name, grade in self.grades.items() if grade.by_hand]
        return waiting if self.record.status != REFUSED else []


def course_key(source: str, limits: Limits, budget: str) -> str:
    """Return a hash of what all grades depend on: the lab, the helper with its checks, versions, limits."""
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    digest = hashlib.sha256(f"{source}\0{limits}\0{budget}\0{versions}".encode())
    package = Path(importlib.util.find_spec("nnlabs").origin).parent
    sums = course.ROOT / "data" / "SHA256SUMS"
    for path in sorted([*package.rglob("*.py"), *Path(__file__).parent.glob("*.py"), sums]):
        digest.update(path.name.encode() + path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def save(place: Path, record: Record) -> None:
    """Write one record, whole or not at all."""
    write(place / f"{record.student}.json", json.dumps(asdict(record), ensure_ascii=False, indent=1))


def load(place: Path) -> dict[str, Record]:
    """Return student → record; a damaged one counts as not there."""
    found = {}
    for path in sorted(place.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            found[path.stem] = Record(**json.loads(path.read_text(encoding="utf-8")))
    return found


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        part.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
        os.replace(part, path)
    finally:  # half of it, on a full disk
        part.unlink(missing_ok=True)


def table(rows: list[Row], maxima: dict[str, float]) -> str:
    """Return ``grades.csv``: student, each exercise, total, maximum, status, remarks."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    end = ["total", "maximum", "status", "remarks", "file", "folder"]
    writer.writerow(["student", "name", *map(exercise, maxima), *end])
    for row in rows:
        record = row.record
        points = [_points(row.grades.get(name), record) for name in maxima]
        status = f"{record.status}, {BY_HAND}: {', '.join(row.by_hand)}" if row.by_hand else record.status
        totals = [f"{row.total:g}", f"{sum(maxima.values()):g}"]
        texts = [*map(_cell, ("; ".join(row.remarks), record.shown)), record.student]
        writer.writerow([_cell(record.given), _cell(record.name), *points, *totals, status, *texts])
    return stream.getvalue()


def exercise(grade_id: str) -> str:
    """Return the exercise's name for its test cell's."""
    return grade_id.removesuffix("-check")


def _points(grade: Grade | None, record: Record) -> str:
    if grade is not None and not grade.by_hand:
        return f"{grade.points:g}"
    return "0" if record.status == REFUSED else BY_HAND if grade else ""


def _cell(text: str) -> str:
    """Return a stranger's text such that a spreadsheet does not take it for a formula."""
    text = " ".join(str(text).split())
    return f"'{text}" if text[:1] in FORMULA else text
