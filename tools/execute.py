"""Execute a built notebook, remember with what, and tell when that has changed."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from tools.course import ROOT, CourseError

CELL_TIMEOUT = 1800  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"
NUMERIC_PACKAGES = ("keras", "matplotlib", "numpy", "scikit-learn", "tensorflow", "tensorflow-cpu")


def inputs_digest(notebook: NotebookNode) -> str:
    """Return a hash of all that the outputs depend on.

    These are the code cells, the helper's modules they import (comments and layout aside), the
    data that these may read, and the locked versions of the numeric packages.
    """
    code = _code(notebook)
    modules = helper_modules("\n".join(code))
    parts = [*code, *map(_syntax, modules), *_checksums(modules)]
    lock = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
    parts += [line for line in lock if re.split("[=; ]", line)[0] in NUMERIC_PACKAGES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _checksums(modules: list[Path]) -> list[str]:
    """Return the lines of ``data/SHA256SUMS`` for the files and folders that a module names."""
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    lines = (ROOT / "data" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if f'"{line.split(maxsplit=1)[1].split("/")[0]}' in text]


def _syntax(path: Path) -> str:
    return repr(_plain(ast.parse(path.read_text(encoding="utf-8"))))


def _plain(node: object) -> object:
    """Return the tree without its empty fields: each Python has others, and writes them differently."""
    if isinstance(node, ast.AST):
        fields = [(key, _plain(value)) for key, value in ast.iter_fields(node) if value not in (None, [])]
        return [type(node).__name__, fields]
    return [_plain(part) for part in node] if isinstance(node, list) else repr(node)


def helper_modules(code: str) -> list[Path]:
    """Return the files of ``nnlabs`` that ``code`` imports, and those that these import."""
    found: set[Path] = set()
    waiting = list(_imports(code))
    while waiting:
        path = ROOT.joinpath(*waiting.pop().split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.is_file() and path not in found:
            found.add(path)
            waiting += _imports(path.read_text(encoding="utf-8"))
    return sorted(found)


def _imports(code: str) -> Iterator[str]:
    """Yield the names of the ``nnlabs`` modules that may be imported by ``code``."""
    python = TransformerManager().transform_cell(code)  # magics become calls
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nnlabs":
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "nnlabs")


def carry_outputs(old: NotebookNode, new: NotebookNode) -> None:
    """Copy the outputs of ``old``, and with what they were made, into ``new`` if both have the same code."""
    if _code(old) != _code(new):
        return
    for old_cell, new_cell in zip(_code_cells(old), _code_cells(new), strict=True):
        new_cell.outputs = old_cell.outputs
        new_cell.execution_count = old_cell.execution_count
    if "execution" in old.metadata.get("nnlabs", {}):
        new.metadata.nnlabs.execution = old.metadata.nnlabs.execution


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in _code_cells(notebook)]


def execute(
    notebook: NotebookNode, path: Path, budget: str | None = None, each: Callable[[], object] | None = None
) -> int:
    """Execute ``notebook`` in place as if it stood at ``path``; return the seconds it took.

    Parameters
    ----------
    budget
        The budget to run in; None leaves the choice to this machine.
    each
        Called after each code cell, for a progress bar.

    Raises
    ------
    CourseError
        A cell raised, or the kernel died. The message names the notebook and the error.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not its remark on TCP without encryption
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: each() if each else None,
    )
    path.parent.mkdir(exist_ok=True)
    start = time.perf_counter()
    try:
        client.execute(env=os.environ | ({"NNLABS_BUDGET": budget} if budget else {}))
    except (CellExecutionError, DeadKernelError, CellTimeoutError) as error:
        raise CourseError(f"{path.relative_to(ROOT)} stopped with an error.\n{error}") from None
    seconds = round(time.perf_counter() - start)
    notebook.metadata.language_info = NotebookNode(name="python")  # without the kernel's versions
    for cell in _code_cells(notebook):
        cell.metadata.pop("execution", None)
        # A widget lives as long as its kernel; a stored one is an error message.
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return seconds


def execute_with_bar(notebook: NotebookNode, path: Path, budget: str | None = None) -> int:
    """Do as :func:`execute` does, with a progress bar over the code cells."""
    with tqdm(total=len(_code_cells(notebook)), unit="cell", desc=path.stem) as bar:
        return execute(notebook, path, budget, each=bar.update)
