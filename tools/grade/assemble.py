"""From a stranger's file to the notebook that is executed: the released lab with the student's answers.

nbgrader re-inserts the test cells and restores the metadata of a submission, but only in cells that
still carry their grade id, and it fails on a damaged notebook. Here the other way round is gone: the
released lab is taken, and of the submission nothing but the source of cells. So a deleted, edited,
moved or doubled test cell changes nothing, and what was done to it can still be told.
"""

from __future__ import annotations

import ast
import copy
import json
import re
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

MOST_CELLS = 2000
MOST_NAMED = 3
MOST_CHARACTERS = 2_000_000
SUSPECT = (
    r"\.reference\b",
    r"\bNBGRADER_EXECUTION\b",
    r"\bnnlabs\.checks\.(?:exercise|expect|timing)\b",
    r"\b__code__\b",
    r"\bsys\.modules\b",
    r"\b_getframe\b",
    r"\bget_referrers\b",
    r"\bsettrace\b",
    r"\b_nnlabs_probe\b",
)


class UnreadableError(Exception):
    """The file is no notebook of this lab; the message says what it is, for the table of grades."""


@dataclass
class Cell:
    """What is taken from a cell of a submission."""

    kind: str
    source: str
    id: str = ""
    grade_id: str = ""
    metadata: dict = field(default_factory=dict)  # nbgrader's, to tell what was changed


@dataclass
class Assembled:
    """The notebook to grade, and remarks on what was put right, in words."""

    notebook: NotebookNode
    remarks: list[str]


def read_cells(content: bytes) -> list[Cell]:
    """Return the cells of a notebook file of any format version, outputs dropped.

    Raises
    ------
    UnreadableError
        The content is no notebook.
    """
    if not content.strip():
        raise UnreadableError("the file is empty")
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise UnreadableError("the file is no notebook (not valid JSON)") from None
    if not isinstance(notebook, dict):
        raise UnreadableError("the file is no notebook (JSON, but without cells)")
    version = notebook.get("nbformat")
    if isinstance(version, int) and 1 <= version < 4:
        notebook = _convert(notebook)
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise UnreadableError("the file is no notebook (JSON, but without cells)")
    found = [cell for cell in map(_cell, cells[:MOST_CELLS]) if cell]
    if sum(len(cell.source) for cell in found) > MOST_CHARACTERS:
        raise UnreadableError(f"the notebook has more than {MOST_CHARACTERS:,} characters of text and code")
    return found


def _convert(notebook: dict) -> dict:
    """Bring a notebook of an old format to format 4; nbformat does it."""
    for sheet in notebook.get("worksheets") or []:
        for cell in (sheet.get("cells") if isinstance(sheet, dict) else None) or []:
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
    try:
        return nbformat.convert(nbformat.from_dict(notebook), 4)
    except Exception:  # a damaged notebook raises whatever the converter stumbles over
        raise UnreadableError("the notebook is of an old format and damaged") from None


def _cell(raw: object) -> Cell | None:
    if not isinstance(raw, dict):
        return None
    source = raw.get("source", "")
    source = "".join(filter(_is_text, source)) if isinstance(source, list) else source
    metadata = raw.get("metadata")
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grading = dict(grading) if isinstance(grading, dict) else {}
    texts = {"id": raw.get("id"), "grade_id": grading.get("grade_id")}
    if not _is_text(source) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    # A lone surrogate cannot be written to any file.
    clean = source.encode("utf-8", "replace").decode("utf-8")
    return Cell(
        raw["cell_type"], clean, metadata=grading, **{k: v if _is_text(v) else "" for k, v in texts.items()}
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def assemble(cells: list[Cell], release: NotebookNode) -> Assembled:
    """Return the released lab with the student's answers, own cells and edits of ungraded cells.

    Graded cells and tests stand where the lab has them. A cell that the student added stays behind
    the cell it followed. An ungraded cell of the lab is taken as the student left it, and put back
    if it is gone.

    Raises
    ------
    UnreadableError
        No cell answers an exercise of this lab.
    """
    lab = copy.deepcopy(release)
    remarks: list[str] = []
    places = match(cells, lab, remarks)
    # Labs may share a name or two, such as "train".
    own = {_grade_id(cell) for cell in lab.cells} - {""}
    marked = {cell.grade_id for cell in cells} - {""}
    if len(marked - own) > len(marked & own):
        raise UnreadableError("the notebook is of another lab: most of its marked cells are not of this one")
    if not any(_is_answer(lab.cells[place]) for place in places.values()):
        raise UnreadableError("no cell answers an exercise of this lab")
    followers: dict[int, list[Cell]] = {}
    edited: list[str] = []
    marks: list[str] = []
    last = -1
    for index, cell in enumerate(cells):
        if index in places:
            last = places[index]
            _take(cell, lab.cells[last], edited, marks)
        elif not cell.grade_id and cell.source.strip():
            followers.setdefault(last, []).append(cell)
    if edited:
        remarks.append(f"a test cell was edited: put back ({_some(edited)})")
    if marks:
        remarks.append(f"the grading marks of cells were changed: put back ({_some(marks)})")
    _tell_missing(lab, set(places.values()), remarks)
    _tell_order([places[index] for index in sorted(places)], lab, remarks)
    _tell_suspect(cells, places, lab, remarks)
    result = []
    for place in range(-1, len(release.cells)):
        result += [lab.cells[place]] if place >= 0 else []
        for cell in followers.get(place, []):
            result += _own(cell, f"own-{len(result)}")
    lab.cells = result
    return Assembled(lab, remarks)


def match(cells: list[Cell], lab: NotebookNode, remarks: list[str]) -> dict[int, int]:
    """Return index in the submission → index in the lab.

    By the grade id; if it is repeated the last one counts that is not the untouched stub, as far as
    nbgrader goes with "the last one". Then by the cell's id, then by the same source, then an
    exercise by the name that its stub defines.
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
    _match_by(cells, lab, places, lambda cell: cell.id)
    _match_by(cells, lab, places, lambda cell: cell.source.strip())
    unmarked = []
    for place, cell in enumerate(lab.cells):
        if place in places.values() or not _is_answer(cell) or cell.cell_type != "code":
            continue
        names = _defined(cell.source)
        same = [
            i for i, own in enumerate(cells) if i not in places and own.kind == "code" and not own.grade_id
        ]
        same = [i for i in same if names & _defined(cells[i].source)]
        if same:
            places[same[-1]] = place
            unmarked.append(_grade_id(cell))
    if unmarked:
        remarks.append(f"answers had lost their marks: found by the names they define ({_some(unmarked)})")
    return places


def _match_by(cells: list[Cell], lab: NotebookNode, places: dict[int, int], key: object) -> None:
    taken = set(places.values())
    waiting: dict[tuple[str, str], list[int]] = {}
    for place, cell in enumerate(lab.cells):
        view = Cell(cell.cell_type, cell.source, cell.get("id", ""))
        if place not in taken and key(view):
            waiting.setdefault((cell.cell_type, key(view)), []).append(place)
    for index, cell in enumerate(cells):
        candidates = waiting.get((cell.kind, key(cell)))
        if index not in places and not cell.grade_id and candidates:
            places[index] = candidates.pop(0)


def _take(cell: Cell, target: NotebookNode, edited: list[str], marks: list[str]) -> None:
    """Put the student's source into the lab's cell, or note that a locked one was changed."""
    grading = target.metadata.get("nbgrader", {})
    if grading.get("locked"):
        if cell.source.strip() != target.source.strip():
            edited.append(grading.grade_id)
    elif cell.kind == target.cell_type or grading:
        target.source = cell.source
    if cell.metadata:
        keys = ("points", "locked", "grade", "solution")
        if any(cell.metadata.get(key) != grading.get(key) for key in keys):
            marks.append(grading.get("grade_id", "without a mark"))


def _own(cell: Cell, name: str) -> list[NotebookNode]:
    """Return the notebook cell for a student's own cell; raw cells do nothing and are left out."""
    makers = {"code": new_code_cell, "markdown": new_markdown_cell}
    return [makers[cell.kind](cell.source, id=name)] if cell.kind in makers else []


def _tell_missing(lab: NotebookNode, present: set[int], remarks: list[str]) -> None:
    missing = [cell for place, cell in enumerate(lab.cells) if place not in present and _grade_id(cell)]
    tests = [_grade_id(cell) for cell in missing if cell.metadata.nbgrader.locked]
    answers = [_grade_id(cell) for cell in missing if not cell.metadata.nbgrader.locked]
    if tests:
        remarks.append(f"test cells were missing ({_some(tests)}): put back")
    if answers:
        remarks.append(f"answers are missing ({_some(answers)})")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _tell_order(order: list[int], lab: NotebookNode, remarks: list[str]) -> None:
    graded = [place for place in order if _grade_id(lab.cells[place])]
    if graded != sorted(graded):
        remarks.append("the graded cells stand in another order: executed in the lab's order")


def _tell_suspect(cells: list[Cell], places: dict[int, int], lab: NotebookNode, remarks: list[str]) -> None:
    """Name what an answer to an exercise has no reason to contain."""
    given = "\n".join(cell.source for cell in lab.cells if cell.metadata.get("nbgrader", {}).get("locked"))
    code = "\n".join(cell.source for cell in cells if cell.kind == "code")
    words = {match.group() for pattern in SUSPECT for match in re.finditer(pattern, code)}
    words = sorted(word for word in words if word not in given)
    if words:
        remarks.append(f"its code has {', '.join(words)}, which no answer needs: look at it")


def _grade_id(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _is_answer(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def _defined(source: str) -> set[str]:
    """Return the names of the functions and classes that the code defines at its top level."""
    return set(re.findall(r"^(?:async\s+def|def|class)\s+(\w+)", source, flags=re.MULTILINE))


def imports_of(lab: NotebookNode) -> tuple[str, ...]:
    """Return the import statements of the lab's own cells, each one line."""
    found = []
    for cell in lab.cells:
        if cell.cell_type != "code":
            continue
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:  # a magic
            continue
        found += [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return tuple(found)
