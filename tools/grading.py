"""The nbgrader side of the build: its cell metadata, and the student's version of a lab."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

from nbformat import NotebookNode, from_dict
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from traitlets.config import Config

from tools.course import ROOT, CourseError

SCHEMA_VERSION = 3
KEYS = ("exercise", "check", "question", "points")
HIDDEN = ["### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"]
MARKERS = ["### BEGIN SOLUTION", "### END SOLUTION", *HIDDEN]
STUDENT_STEPS = (
    LockCells,
    ClearSolutions,
    ClearOutput,
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ComputeChecksums,
    CheckCellMetadata,
)
STUB = "# Your code here.\nraise NotImplementedError"
ANSWER_STUB = "*Your answer here.*"


def expand(notebook: NotebookNode, source: Path) -> None:
    """Replace the short cell markers of CONTRIBUTING.md by nbgrader's metadata, in place.

    Raises
    ------
    CourseError
        A solution outside an exercise or question, or one of these without a solution: either
        would put the answer, or nothing, into the student's version. Hidden tests outside a check,
        without their end, or a misspelt marker: these would be shown.
    """
    for cell in notebook.cells:
        _check_markers(cell, source)
        marks = {key: cell.metadata.pop(key) for key in KEYS if key in cell.metadata}
        has_solution = "BEGIN SOLUTION" in cell.source and "END SOLUTION" in cell.source
        wants_solution = "exercise" in marks or "question" in marks
        if has_solution != wants_solution or ("points" in marks) != bool({"check", "question"} & set(marks)):
            raise CourseError(
                f"{source.relative_to(ROOT)}: an exercise and a question need a solution between markers, "
                f"a check and a question need points. Look at the cell that begins: {cell.source[:60]!r}"
            )
        if marks:
            cell.metadata["nbgrader"] = from_dict(_metadata(marks))


def _check_markers(cell: NotebookNode, source: Path) -> None:
    """Raise unless the lines that begin with ``###`` are nbgrader's markers, each where it belongs."""
    lines = [line.strip() for line in cell.source.splitlines()] if cell.cell_type == "code" else []
    odd = [line for line in lines if line.startswith("###") and line not in MARKERS]
    hidden = [line for line in lines if line in HIDDEN]
    in_pairs = hidden == HIDDEN * (len(hidden) // 2)
    if odd or not in_pairs or (hidden and "check" not in cell.metadata):
        raise CourseError(
            f"{source.relative_to(ROOT)}: hidden tests belong into a check cell, between the lines "
            f"{HIDDEN[0]!r} and {HIDDEN[1]!r}; no other line of code begins with '###'. "
            f"Look at the cell that begins: {cell.source[:60]!r}"
        )


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
