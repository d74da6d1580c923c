"""What the outputs of a notebook depend on, as one hash: when it changes, the notebook is executed again.

Of the helper only those definitions count that the notebook can reach: their name stands behind a dot in
its code, or in another definition that counts, and their module is imported. This may count too much, not
too little. What acts when a module is imported counts always, and the checks of a lab count as a whole.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from tools import course

NUMERIC_PACKAGES = ("keras", "matplotlib", "numpy", "scikit-learn", "tensorflow", "tensorflow-cpu")
SETUP = "# Set-up."  # the set-up cell begins so
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)


def digest(notebook: NotebookNode) -> str:
    """Return a hash of all that the outputs depend on.

    These are the code cells, what they reach in the helper (comments, layout and docstrings aside), the
    data files that this names, and the locked versions of the numeric packages.
    """
    cells = [cell.source for cell in code_cells(notebook)]
    code = "\n".join(cells)
    reached = _reached(code)
    lock = (course.ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
    parts = [
        *cells,
        *sorted(repr(_plain(statement)) for statement in reached),
        *_named_files([_parse(code), *reached]),
        *(line for line in lock if re.split("[=; ]", line)[0] in NUMERIC_PACKAGES),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells but for the set-up cell, which computes nothing and names the repository."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not cell.source.startswith(SETUP)]


def data_files(code: str) -> list[str]:
    """Return the lines of ``data/SHA256SUMS`` for what ``code``, or what it reaches in the helper, names."""
    return _named_files([_parse(code), *_reached(code)])


def _named_files(trees: list[ast.AST]) -> list[str]:
    """Return the lines of ``data/SHA256SUMS`` for the files, or folders ``name/``, that the trees name."""
    named = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    folders = tuple(text for text in named if isinstance(text, str) and text.endswith("/"))
    sums = (course.ROOT / "data" / "SHA256SUMS").read_text(encoding="utf-8")
    pairs = [(line, line.split(maxsplit=1)[1]) for line in sums.splitlines()]
    return [line for line, name in pairs if name in named or name.startswith(folders)]


def helper_files(code: str) -> list[Path]:
    """Return the files of ``nnlabs`` that ``code`` imports, those that these import, and their scripts."""
    found: set[Path] = set()
    waiting = [_parse(code)]
    while waiting:
        new = set(_imported(waiting.pop())) - found
        found |= new
        waiting += map(_read, new)
    texts = [path.read_text(encoding="utf-8") for path in found]
    scripts = {
        file for file in (course.ROOT / "nnlabs").glob("*.js") if any(file.name in text for text in texts)
    }
    return sorted(found | scripts)


def _reached(code: str) -> list[ast.stmt]:
    """Return the top-level statements of the helper that ``code`` can reach, but for its imports."""
    reached: dict[ast.AST, None] = {}
    waiting: list[tuple[ast.AST, Path | None]] = [(_parse(code), None)]
    names: set[tuple[Path | None, str]] = set()
    modules: set[Path] = set()
    while waiting:
        for tree, path in waiting:
            reached[tree] = None
            names |= set(_names(tree, path))
            modules |= set(_imported(tree))
        waiting = [
            (statement, path)
            for path in modules
            for statement in _read(path).body
            if statement not in reached and (path.parent.name == "checks" or _counts(statement, path, names))
        ]
    return [tree for tree in reached if not isinstance(tree, (ast.Module, *IMPORTS))]


def _counts(statement: ast.stmt, path: Path, names: set[tuple[Path | None, str]]) -> bool:
    """Tell whether a statement of a module defines one of the names, or acts when it is imported."""
    if isinstance(statement, DEFINITIONS):
        defined = [statement.name]
    elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        defined = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    else:  # it acts when the module is imported; but nothing does for the sake of type checkers
        return not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING")
    return any((place, name) in names for place in (path, None) for name in defined)


def _names(tree: ast.AST, path: Path | None) -> Iterator[tuple[Path | None, str]]:
    """Yield the names in a tree: those of its own module with ``path``, those of any other with None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield path or Path(), node.id
        elif isinstance(node, ast.Attribute):
            yield None, node.attr
        elif isinstance(node, ast.alias):
            yield None, node.name.split(".")[-1]


def _imported(tree: ast.AST) -> Iterator[Path]:
    """Yield the files of the ``nnlabs`` modules that a tree may import."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, IMPORTS) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{name}" for name in names)]
        for parts in (name.split(".") for name in names if name.split(".")[0] == "nnlabs"):
            for depth in range(len(parts)):
                path = course.ROOT.joinpath(*parts[: depth + 1])
                path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
                if path.is_file():
                    yield path


def _read(path: Path) -> ast.Module:
    return _parse(path.read_text(encoding="utf-8"))


@cache
def _parse(code: str) -> ast.Module:
    """Return the tree of Python code, in which magics are allowed, without its docstrings."""
    tree = ast.parse(TransformerManager().transform_cell(code))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *DEFINITIONS)) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return tree


def _plain(node: object) -> object:
    """Return the tree without its empty fields: each Python has others, and writes them differently."""
    if isinstance(node, ast.AST):
        fields = [(key, _plain(value)) for key, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, fields]
    return [_plain(part) for part in node] if isinstance(node, list) else repr(node)
