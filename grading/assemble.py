"""From a stranger's file to the notebook that is executed: the released lab with the student's answers.

nbgrader re-inserts the test cells and restores the metadata of a submission, but only in cells that
still carry their grade id, and it fails on a damaged notebook. Here the other way round is gone: the
released lab is taken, and of the submission nothing but the source of cells. So a deleted, edited,
moved or doubled test cell changes nothing, and what was done to it can still be told.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from grading.handin import Cell, UnreadableError

MOST_NAMED = 3
BEGINS_ALIKE = 40  # characters: a cell that begins like a question is a copy of it
LOOK = "look at it"
SUSPECT = (
    r"\.reference\b",
    r"\bNBGRADER_EXECUTION\b",
    r"\bnnlabs\.checks\.(?:exercise|expect|timing)\b",
    r"\b__code__\b",
    r"\b__class__\s*=",
    r"\bsys\.modules\b",
    r"\b_getframe\b",
    r"\bget_referrers\b",
    r"\bsettrace\b",
    r"\bdisplayhook\b",
    r"\bevents\.register\b",
)


@dataclass
class Assembled:
    """The notebook to grade, and remarks on what was put right, in words."""

    notebook: NotebookNode
    remarks: list[str]


def assemble(cells: list[Cell], release: NotebookNode) -> Assembled:
    """Return the released lab with the student's answers, own cells and edits of ungraded cells.

    Graded cells and tests stand where the lab has them. A cell that the student added stays behind
    the cell it followed. An ungraded cell of the lab is taken as the student left it, and put back
    if it is gone.

    Raises
    ------
    UnreadableError
        It is not this lab.
    """
    lab = copy.deepcopy(release)
    remarks: list[str] = []
    refuse_another(cells, lab)
    places = match(cells, lab, remarks)
    followers: dict[int, list[Cell]] = {}
    last = -1
    for index, cell in enumerate(cells):
        if index in places:
            last = places[index]
        elif cell.source.strip() and not cell.grade_id:
            followers.setdefault(last, []).append(cell)
    _tell_edited(cells, places, lab, remarks)
    for index, place in places.items():
        _take(cells[index], lab.cells[place])
    _tell_missing(lab, set(places.values()), remarks)
    _tell_order([places[index] for index in sorted(places)], lab, remarks)
    _tell_suspect(cells, lab, remarks)
    for place, cell in enumerate(release.cells):
        if _is_question(cell) and lab.cells[place].source.strip() == cell.source.strip():
            _add_what_is_near(place, release, lab, followers, remarks)
    result = []
    for place in range(-1, len(release.cells)):
        result += [lab.cells[place]] if place >= 0 else []
        for cell in followers.get(place, []):
            result += _own(cell, f"own-{len(result)}")
    lab.cells = result
    return Assembled(lab, remarks)


def refuse_another(cells: list[Cell], lab: NotebookNode) -> None:
    """Raise unless the cells are of this lab, by their marks: code that looks like an answer is no proof."""
    answers = {_grade_id(cell) for cell in lab.cells if _is_answer(cell)}
    own = {_grade_id(cell) for cell in lab.cells} - {""}
    marked = {cell.grade_id for cell in cells} - {""}
    if not marked:
        raise UnreadableError(
            "the notebook has none of the lab's marks for grading: it is another notebook (such as the "
            "lecture), or an editor has removed them"
        )
    # Labs may share a name or two, such as "train".
    if len(marked - own) > len(marked & own):
        raise UnreadableError("the notebook is of another lab: most of its marked cells are not of this one")
    if not marked & answers:
        raise UnreadableError("no cell of the notebook answers an exercise of this lab")


def match(cells: list[Cell], lab: NotebookNode, remarks: list[str]) -> dict[int, int]:
    """Return index in the submission → index in the lab.

    A graded cell is found by its grade id; if it is repeated the last one counts that is not the
    untouched stub. Another one by the cell's id, then by the same source.
    """
    places: dict[int, int] = {}
    graded = {_grade_id(cell): i for i, cell in enumerate(lab.cells) if _grade_id(cell)}
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        if cell.grade_id in graded:
            found.setdefault(cell.grade_id, []).append(index)
    doubled = [grade_id for grade_id, indices in found.items() if len(indices) > 1]
    if doubled:
        remarks.append(f"cells are there more than once: the last one counts ({_some(doubled)})")
    for grade_id, indices in found.items():
        place = graded[grade_id]
        touched = [i for i in indices if cells[i].source.strip() != lab.cells[place].source.strip()]
        answers = touched if _is_answer(lab.cells[place]) and touched else indices
        places[answers[-1]] = place
    _match_by(cells, lab, places, lambda cell: cell.get("id", ""), lambda cell: cell.id)
    _match_by(cells, lab, places, lambda cell: cell.source.strip(), lambda cell: cell.source.strip())
    return places


def _match_by(
    cells: list[Cell], lab: NotebookNode, places: dict[int, int], given: Callable, key: Callable
) -> None:
    taken = set(places.values())
    waiting: dict[tuple[str, str], list[int]] = {}
    for place, cell in enumerate(lab.cells):
        if place not in taken and not _grade_id(cell) and given(cell):
            waiting.setdefault((cell.cell_type, given(cell)), []).append(place)
    for index, cell in enumerate(cells):
        candidates = waiting.get((cell.kind, key(cell)))
        if index not in places and not cell.grade_id and candidates:
            places[index] = candidates.pop(0)


def _take(cell: Cell, target: NotebookNode) -> None:
    """Put the student's source into the lab's cell, if that is not a test."""
    if target.metadata.get("nbgrader", {}).get("locked"):
        return
    if cell.kind == target.cell_type or _grade_id(target):
        target.source = cell.source
        _attach(cell.pictures, target)


def _attach(pictures: dict, target: NotebookNode) -> None:
    if pictures and target.cell_type == "markdown":
        target["attachments"] = {**target.get("attachments", {}), **pictures}


def _own(cell: Cell, name: str) -> list[NotebookNode]:
    """Return the notebook cell for a student's own cell; raw cells do nothing and are left out."""
    if cell.kind == "code":
        return [new_code_cell(cell.source, id=name)]
    made = new_markdown_cell(cell.source, id=name)
    _attach(cell.pictures, made)
    return [made] if cell.kind == "markdown" else []


def _add_what_is_near(
    place: int,
    release: NotebookNode,
    lab: NotebookNode,
    followers: dict[int, list[Cell]],
    remarks: list[str],
) -> None:
    """Put the student's text around an untouched question into its cell, for the person who grades it.

    Near is: an own cell behind the question or before it, up to the next graded cells; the lab's own
    text around it, if it was changed; wherever it stands, a cell that begins like the question.
    """
    question = lab.cells[place]
    begin = _begin(question.source)
    found = [cell for cells in followers.values() for cell in cells if _begin(cell.source) == begin]
    first = last = place
    while first > 0 and not _grade_id(release.cells[first - 1]):
        first -= 1
    while last + 1 < len(release.cells) and not _grade_id(release.cells[last + 1]):
        last += 1
    for index in range(first - 1, last + 1):
        if first <= index and _was_edited(release.cells[index], lab.cells[index]):
            edited = lab.cells[index]
            found.append(Cell("markdown", edited.source, pictures=edited.get("attachments", {})))
        for cell in followers.get(index, []):
            if cell not in found and (cell.kind != "code" or index == place):
                found.append(cell)
    if found:
        texts = [f"```\n{cell.source}\n```" if cell.kind == "code" else cell.source for cell in found]
        question.source = "\n\n".join([question.source, "*(The student's text near this cell:)*", *texts])
        for cell in found:
            _attach(cell.pictures, question)
        remarks.append(f"{_grade_id(question)}: the answer stands beside its cell, it was put into it")


def _was_edited(given: NotebookNode, now: NotebookNode) -> bool:
    return given.cell_type == "markdown" and now.source.strip() != given.source.strip()


def _begin(source: str) -> str:
    return " ".join(source.split())[:BEGINS_ALIKE]


def _tell_edited(cells: list[Cell], places: dict[int, int], lab: NotebookNode, remarks: list[str]) -> None:
    """Tell which tests, and which marks for grading, the student changed."""
    edited, marks = [], []
    for index, place in places.items():
        cell, given = cells[index], lab.cells[place].metadata.get("nbgrader", {})
        if given.get("locked") and cell.source.strip() != lab.cells[place].source.strip():
            edited.append(given["grade_id"])
        keys = ("points", "locked", "grade", "solution")
        if cell.metadata and any(cell.metadata.get(key) != given.get(key) for key in keys):
            marks.append(given.get("grade_id", "without a mark"))
    if edited:
        remarks.append(f"a test cell was edited: put back ({_some(edited)})")
    if marks:
        remarks.append(f"the grading marks of cells were changed: put back ({_some(marks)})")


def _tell_missing(lab: NotebookNode, present: set[int], remarks: list[str]) -> None:
    missing = [cell for place, cell in enumerate(lab.cells) if place not in present and _grade_id(cell)]
    tests = [_grade_id(cell) for cell in missing if cell.metadata.nbgrader.locked]
    answers = [_grade_id(cell) for cell in missing if not cell.metadata.nbgrader.locked]
    if tests:
        remarks.append(f"test cells were missing ({_some(tests)}): put back")
    if answers:
        remarks.append(f"answers are missing, or have lost their marks ({_some(answers)}): {LOOK}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _tell_order(order: list[int], lab: NotebookNode, remarks: list[str]) -> None:
    graded = [place for place in order if _grade_id(lab.cells[place])]
    if graded != sorted(graded):
        remarks.append("the graded cells stand in another order: executed in the lab's order")


def _tell_suspect(cells: list[Cell], lab: NotebookNode, remarks: list[str]) -> None:
    """Name what an answer to an exercise has no reason to contain."""
    given = "\n".join(cell.source for cell in lab.cells if cell.metadata.get("nbgrader", {}).get("locked"))
    code = "\n".join(cell.source for cell in cells if cell.kind == "code")
    words = {match.group() for pattern in SUSPECT for match in re.finditer(pattern, code)}
    words = sorted(word for word in words if word not in given)
    if words:
        remarks.append(f"its code has {', '.join(words)}, which no answer needs: {LOOK}")


def _grade_id(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _is_answer(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _is_question(cell: NotebookNode) -> bool:
    return _is_answer(cell) and cell.cell_type == "markdown"


def imports_before_tests(lab: NotebookNode) -> dict[str, str]:
    """Return grade id of a test → the import statements of the lab's cells before it."""
    found: list[str] = []
    before = {}
    for cell in lab.cells:
        if cell.cell_type != "code":
            continue
        if cell.metadata.get("nbgrader", {}).get("locked"):
            before[_grade_id(cell)] = "\n".join(found)
            continue
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:  # a magic
            continue
        found += [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return before
