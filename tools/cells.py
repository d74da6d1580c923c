"""The nbgrader side of the build: its cell metadata, and the student's version of a lab."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from traitlets.config import Config

from nnlabs.checks.exercise import Exercise
from tools import course
from tools.course import CourseError

SCHEMA_VERSION = 3
KEYS = ("exercise", "check", "question", "points")
MARKERS = {f"### {edge} {what}" for edge in ("BEGIN", "END") for what in ("SOLUTION", "HIDDEN TESTS")}
CHECK = re.compile(r"(\w+) = check\.\1\(\1\)$", flags=re.MULTILINE)
STUDENT_STEPS = (
    LockCells,
    ClearSolutions,
    ClearOutput,
    ClearHiddenTests,
    ComputeChecksums,
    CheckCellMetadata,
)
STUB = "# Your code here.\nraise NotImplementedError"
ANSWER_STUB = "*Your answer here.*"


def expand(notebook: NotebookNode, source: Path) -> None:
    """Replace the short cell markers of CONTRIBUTING.md by nbgrader's metadata, in place.

    Refuse a lab whose markers or points do not fit what a cell is, so that an answer, or nothing, would be in
    the student's version, or a hidden test would be shown; or whose exercises and checks do not belong
    together, so that every student's answer would be refused.
    """
    for fault in _faults(notebook.cells, source.parent.name.partition("_")[2]):
        raise CourseError(f"{source.relative_to(course.ROOT)}: {fault}. See CONTRIBUTING.md.")
    for cell in notebook.cells:
        marks = {key: cell.metadata.pop(key) for key in KEYS if key in cell.metadata}
        if marks:
            cell.metadata["nbgrader"] = from_dict(_metadata(marks))


def _faults(cells: list[NotebookNode], topic: str) -> Iterator[str]:
    """Yield what is wrong with the marks of the cells, one line each, naming the cell."""
    waiting: dict[str, str] = {}  # exercises whose check is still to come, with their code
    for cell in cells:
        kind = next((key for key in KEYS[:3] if key in cell.metadata), None)
        grade_id = cell.metadata.get(kind)
        name = f"the {kind} {grade_id!r}" if kind else f"the cell that begins {cell.source[:40]!r}"
        yield from (f"{name} {fault}" for fault in _cell_faults(cell, kind))
        if kind == "exercise":
            waiting[grade_id] = cell.source
        elif kind == "check" and grade_id not in waiting:
            yield f"{name} has no exercise of this name before it"
        elif kind == "check":
            yield from (f"{name} {fault}" for fault in _check_faults(cell, waiting.pop(grade_id), topic))
    yield from (f"the exercise {grade_id!r} has no check of this name after it" for grade_id in waiting)


def _cell_faults(cell: NotebookNode, kind: str | None) -> Iterator[str]:
    """Yield what is wrong with the marks, the markers and the points of one cell."""
    odd_marks = [
        key for key in cell.metadata if key not in (*KEYS, "tags") and not key.startswith("lines_to_")
    ]
    yield from (f"has the mark {key!r}; marks are {', '.join(KEYS)}" for key in odd_marks)
    if cell.cell_type == "code":
        lines = [line.strip() for line in cell.source.splitlines()]
        odd = [line for line in lines if line.startswith("###") and line not in MARKERS]
        yield from (f"has the line {line!r}; ### is for {', '.join(sorted(MARKERS))}" for line in odd)
    for what, kinds in {"SOLUTION": ("exercise", "question"), "HIDDEN TESTS": ("check",)}.items():
        edges = re.findall(rf"\b(BEGIN|END) {what}\b", cell.source)
        if edges != ["BEGIN", "END"] * (len(edges) // 2):
            yield f"needs each BEGIN {what} before its END {what}; it has: {', '.join(edges)}"
        if edges and kind not in kinds:
            yield f"has a {what}, which belongs into {' or '.join(f'a cell with {key}=' for key in kinds)}"
    if kind in ("exercise", "question") and "BEGIN SOLUTION" not in cell.source:
        yield "needs a solution between BEGIN SOLUTION and END SOLUTION"
    if ("points" in cell.metadata) != (kind in ("check", "question")):
        yield f"{'has' if 'points' in cell.metadata else 'needs'} points; a check and a question have them"


def _check_faults(cell: NotebookNode, answer: str, topic: str) -> Iterator[str]:
    """Yield why a check does not judge what the exercise before it, ``answer``, asks to write."""
    found = CHECK.match(cell.source)
    name = found and found[1]
    if not name or not re.search(rf"^(def|class) {name}\b", answer, flags=re.MULTILINE):
        yield "must begin with a line 'name = check.name(name)', and its exercise must define that name"
    elif not _is_exercise(f"nnlabs.checks.{topic}", name):
        yield f"asks for {name!r}, and nnlabs/checks/{topic}.py has no such exercise"


def _is_exercise(module: str, name: str) -> bool:
    return find_spec(module) is not None and isinstance(getattr(import_module(module), name, None), Exercise)


def _metadata(marks: dict) -> dict:
    """Return nbgrader's metadata (schema 3) for an exercise, a check or a question."""
    graded = "exercise" not in marks
    grade_id = marks.get("exercise") or marks.get("question") or f"{marks['check']}-check"
    metadata = {
        "grade": graded,
        "grade_id": grade_id,
        "locked": "check" in marks,
        "schema_version": SCHEMA_VERSION,
        "solution": "check" not in marks,
        "task": False,
    }
    if graded:
        metadata["points"] = marks["points"]
    return metadata


def stubs() -> Config:
    """Return nbgrader's settings for what stands in place of a solution."""
    config = Config()
    config.ClearSolutions.code_stub = {"python": STUB}
    config.ClearSolutions.text_stub = ANSWER_STUB
    return config


def student_version(notebook: NotebookNode) -> NotebookNode:
    """Return the lab as a student gets it: solutions cleared, no outputs, graded cells locked."""
    config = stubs()
    lab = copy.deepcopy(notebook)
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    for step in STUDENT_STEPS:
        lab, _ = step(config=config).preprocess(lab, {})
    return lab
