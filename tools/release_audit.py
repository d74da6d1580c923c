"""The leak audit: whether a released file holds what students must not get.

Three things are looked for, in every file, also inside archives: a line of a solution, a line of a
hidden test, and (in the graded form) a function with the body of a reference solution, whatever the
names in it.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import build
from tools.course import ROOT, Lesson, lessons
from tools.release_graded import Source, plain

SHORTEST = 12  # characters of a line that tells something
SIMPLEST = "Return(value=Call(func=Name(id='_0', ctx=Load()), args=[Name(id='_1', ctx=Load())]))"  # f(x)
REGIONS = {"solution": "SOLUTION", "hidden test": "HIDDEN TESTS"}
ARCHIVES = (".zip", ".whl", ".npz")


def _line(text: str) -> str:
    """Return a line without its indent, its spacing and a comment at its end."""
    return " ".join(re.sub(r"\s#\s.*", "", text).split())


def regions(notebook: NotebookNode, marker: str) -> tuple[set[str], set[str]]:
    """Return the telling lines between ``BEGIN marker`` and ``END marker``, and all other lines."""
    found: tuple[set[str], set[str]] = set(), set()
    inside = False
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if f"BEGIN {marker}" in line or f"END {marker}" in line:
                inside = "BEGIN" in line
            elif len(_line(line)) >= SHORTEST:
                found[0 if inside else 1].add(_line(line))
    return found


@cache
def secret_lines() -> dict[str, str]:
    """Return the lines of all labs' solutions and hidden tests, but for those that everybody has.

    These are given in a lab, outside its solutions, or stand in the helper's modules: ``return model``.
    """
    secret: dict[str, str] = {}
    given: set[str] = set()
    for path in (ROOT / "nnlabs").glob("*.py"):
        given |= {_line(line) for line in path.read_text(encoding="utf-8").splitlines()}
    for lesson in lessons():
        if lesson.lab.is_file():
            notebook = build.read(lesson.lab)
            inside, outside = zip(*(regions(notebook, marker) for marker in REGIONS.values()), strict=True)
            given |= set.intersection(*outside)
            for what, lines in zip(REGIONS, inside, strict=True):
                secret |= dict.fromkeys(lines, f"a line of a {what} of {lesson.name}")
    return {line: where for line, where in secret.items() if line not in given}


@cache
def secret_bodies() -> dict[str, str]:
    """Return the bodies of all references and known mistakes, as syntax without names."""
    bodies: dict[str, str] = {}
    for path in sorted((ROOT / "nnlabs" / "checks").glob("*.py")):
        for body in Source(path.read_text(encoding="utf-8")).bodies():
            if len(body) > len(SIMPLEST):
                bodies[body] = f"the body of a solution in nnlabs/checks/{path.name}"
    return bodies


@cache
def given_bodies(lesson: Lesson) -> set[str]:
    """Return the bodies of the functions that the lab gives: those without a line of a solution."""
    bodies: set[str] = set()
    for cell in build.read(lesson.lab).cells:
        lines = cell.source.splitlines()
        markers = {i for i, line in enumerate(lines, start=1) if "### BEGIN" in line or "### END" in line}
        for node in _functions(cell.source) if cell.cell_type == "code" else []:
            around = range(node.lineno, node.end_lineno + 1)
            begun = sum(i < node.lineno for i in markers) % 2  # the function stands inside a solution
            if not begun and markers.isdisjoint(around):
                bodies.add(plain(node))
    return bodies


def telling_functions(path: Path) -> set[str]:
    """Return the functions of a module that hold a line of a solution, and those that call them."""
    text = path.read_text(encoding="utf-8")
    source = Source(text)
    lines = text.splitlines()
    telling = set()
    for name in source.functions(set(source.defined)):
        node = source.defined[name]
        if {_line(line) for line in lines[node.lineno - 1 : node.end_lineno]} & secret_lines().keys():
            telling.add(name)
    return {name for name in source.functions(set(source.defined)) if source.closure({name}) & telling}


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file in a folder or an archive, and in archives inside it."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield from _unpacked(file.relative_to(path).as_posix(), file.read_bytes())
    else:
        yield from _unpacked(path.name, path.read_bytes())


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if name.endswith(ARCHIVES):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield from _unpacked(f"{name}/{member.filename}", archive.read(member))
    else:
        yield name, content


def leaks(path: Path, lesson: Lesson, *, graded: bool) -> list[str]:
    """Return what the folder or archive at ``path`` holds and should not, a sentence each.

    Parameters
    ----------
    lesson
        The lesson whose lab it is; what this lab gives is no secret.
    graded
        Look for solutions in every file; else only in notebooks, because the checks of the
        self-study form have their references.
    """
    found = []
    for name, content in files(path):
        text = content.decode("utf-8", errors="replace")
        codes = [text]
        if name.endswith(".ipynb"):
            codes = [cell.source for cell in nbformat.reads(text, as_version=4).cells]
        for line in {_line(line) for code in codes for line in code.splitlines()} & secret_lines().keys():
            where = secret_lines()[line]
            if graded or name.endswith(".ipynb") or "hidden" in where:
                found.append(f"{name} has {where}: {line}")
        if graded and name.endswith((".py", ".ipynb")):
            for node in (node for code in codes for node in _functions(code)):
                where = secret_bodies().get(plain(node))
                if where and plain(node) not in given_bodies(lesson):
                    found.append(f"{name} has {where}, in {getattr(node, 'name', 'a lambda')}")
    return sorted(set(found))


def _functions(code: str) -> list[ast.FunctionDef | ast.Lambda]:
    try:
        tree = ast.parse(code)
    except SyntaxError:  # text, or a cell with a magic
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
