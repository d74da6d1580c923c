"""From a stranger's file to the notebook that is executed: the student's cells, the lab's marks and tests.

nbgrader re-inserts the test cells and restores the metadata of a submission, but only in cells that still
carry their grade id, and it fails on a damaged notebook. Here of each marked cell only the source of an
answer is taken, and all else is the lab's. So a deleted, edited, moved or doubled test cell changes
nothing, and what was done to it can still be told.
"""

from __future__ import annotations

import ast
import copy
import re
from urllib.parse import unquote

from nbformat import NotebookNode

from grading.handin import HandInError, grade_id

LOOK = "look at it"
ATTACHED = re.compile(r"!\[[^\]]*\]\(\s*<?attachment:([^)>\s]*)[^)]*\)")
SUSPECT = re.compile(
    r"\.reference\b|\bNBGRADER_EXECUTION\b|\bnnlabs\.checks\.(?:exercise|expect|timing)\b|\b__code__\b"
    r"|\b__class__\s*=|\bsys\.modules\b|\b_getframe\b|\bget_referrers\b|\bsettrace\b|\bdisplayhook\b"
    r"|\bevents\.register\b"
)


def assemble(handed_in: NotebookNode, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Return the released lab's marked cells with the student's answers, and the student's other cells.

    With it come remarks on what was put right, in words.

    The marked cells stand in the lab's order. Each other cell stays behind the marked cell that it followed.
    Code of the lab that is gone, or that the student's version did not have yet, is put back.

    Raises
    ------
    HandInError
        It is not this lab.
    """
    lab = {grade_id(cell): copy.deepcopy(cell) for cell in release.cells if grade_id(cell)}
    marked = [cell for cell in handed_in.cells if grade_id(cell) in lab]
    # By its marks: code that looks like an answer is no proof. Labs may share a name or two, such as "train".
    if 2 * len(marked) < max(1, sum(bool(grade_id(cell)) for cell in handed_in.cells)):
        raise HandInError(
            "the notebook has not the lab's marks for grading: it is another one (such as the lecture, or "
            "another lab), or an editor has removed them"
        )
    chosen: dict[str, NotebookNode] = {}  # of doubled answers the last that is not the untouched stub
    for cell in marked:
        known, given = chosen.get(grade_id(cell)), lab[grade_id(cell)]
        if known is None or given.metadata.nbgrader.locked or not _same(cell, given) or _same(known, given):
            chosen[grade_id(cell)] = cell
    behind: dict[str, list[NotebookNode]] = {"": []}
    last = ""
    for cell in handed_in.cells:
        if cell is chosen.get(grade_id(cell)):
            last = grade_id(cell)
            behind[last] = []
        elif not grade_id(cell) and cell.source.strip() and cell.cell_type != "raw":
            behind[last].append(cell)
    remarks = _remarks(marked, chosen, lab, handed_in)
    cells = behind[""]
    there = {text for cell in handed_in.cells for text in (cell.id, cell.source.strip())}
    for given in release.cells:
        name = grade_id(given)
        if name in chosen and not given.metadata.nbgrader.locked:
            _put(chosen[name], lab[name])
        if name:
            cells += [lab[name], *behind.get(name, [])]
        elif given.cell_type == "code" and not there & {given.id, given.source.strip()}:
            cells.append(copy.deepcopy(given))
    remarks += _add_what_is_near(cells, release)
    for number, cell in enumerate(cells):
        if not grade_id(cell):
            cell.id = f"own-{number}"
        if cell.cell_type == "markdown":
            _tell_missing_pictures(cell)
    return NotebookNode(release | {"cells": cells}), remarks


def _same(cell: NotebookNode, given: NotebookNode) -> bool:
    return cell.source.strip() == given.source.strip()


def _put(cell: NotebookNode, target: NotebookNode) -> None:
    """Put the student's answer into the lab's cell."""
    target.source = cell.source
    if target.cell_type == "markdown" and cell.get("attachments"):
        target.attachments = {**target.get("attachments", {}), **cell.attachments}


def _tell_missing_pictures(cell: NotebookNode) -> None:
    """Say in a text where a picture is missing: nbconvert, which shows it, stops there."""

    def say(link: re.Match) -> str:
        missing = link[1] not in cell.get("attachments", {})
        return f"(the picture {unquote(link[1])} was not handed in)" if missing else link[0]

    cell.source = ATTACHED.sub(say, cell.source)


def _remarks(
    marked: list[NotebookNode],
    chosen: dict[str, NotebookNode],
    lab: dict[str, NotebookNode],
    handed_in: NotebookNode,
) -> list[str]:
    """Tell in words what was put right, and what an answer to an exercise has no reason to contain."""
    ids = [grade_id(cell) for cell in marked]
    locked = [name for name in lab if lab[name].metadata.nbgrader.locked]
    tests = "\n".join(lab[name].source for name in locked)
    code = "\n".join(cell.source for cell in handed_in.cells if cell.cell_type == "code")
    words = {found.group() for found in SUSPECT.finditer(code)}
    told = {
        "cells are there more than once: the last one counts ({})": {n for n in ids if ids.count(n) > 1},
        "test cells were missing or edited: put back ({})": [
            name for name in locked if name not in chosen or not _same(chosen[name], lab[name])
        ],
        f"answers are missing, or have lost their marks ({{}}): {LOOK}": [
            name for name in lab if name not in locked and name not in chosen
        ],
        f"its code has {{}}, which no answer needs: {LOOK}": {word for word in words if word not in tests},
    }
    remarks = [text.format(", ".join(sorted(names))) for text, names in told.items() if names]
    if list(dict.fromkeys(ids)) != [name for name in lab if name in ids]:
        remarks.append("the graded cells stand in another order: executed in the lab's order")
    return remarks


def _add_what_is_near(cells: list[NotebookNode], release: NotebookNode) -> list[str]:
    """Put the student's text around an untouched question into its cell, for the person who grades it.

    Near is: a text cell that is not as the lab has it, up to the next marked cells; a code cell right behind
    the question.
    """
    given = {cell.source.strip() for cell in release.cells}
    remarks = []
    for place, question in enumerate(cells):
        mark = question.metadata.get("nbgrader", {})
        if not (mark.get("grade") and mark.get("solution") and question.source.strip() in given):
            continue
        first = last = place
        while first > 0 and not grade_id(cells[first - 1]):
            first -= 1
        while last + 1 < len(cells) and not grade_id(cells[last + 1]):
            last += 1
        found = [
            cell
            for i, cell in enumerate(cells[first : last + 1], first)
            if not grade_id(cell) and cell.source.strip() not in given
            if cell.cell_type == "markdown" or i == place + 1
        ]
        if found:
            texts = [f"```\n{c.source}\n```" if c.cell_type == "code" else c.source for c in found]
            texts = [question.source, "*(The student's text near this cell:)*", *texts]
            pictures = {name: forms for c in found for name, forms in c.get("attachments", {}).items()}
            _put(NotebookNode(source="\n\n".join(texts), attachments=pictures), question)
            remarks.append(f"{grade_id(question)}: the answer stands beside its cell, it was put into it")
    return remarks


def imports_before_tests(lab: NotebookNode) -> dict[str, str]:
    """Return grade id of a test → the import statements of the lab's cells before it."""
    found: list[str] = []
    before = {}
    for cell in lab.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            before[grade_id(cell)] = "\n".join(found)
        elif cell.cell_type == "code":
            try:
                body = ast.parse(cell.source).body
            except SyntaxError:  # a magic
                continue
            found += [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return before
