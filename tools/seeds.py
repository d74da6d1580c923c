"""A lecture's definitions, for the scripts that train from further seeds (``lessons/*/seeds.py``)."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any


def definitions(script: str, values: AbstractSet[str]) -> dict[str, Any]:
    """Execute the imports, functions, classes and ``values`` of the lecture; return its names.

    The lecture is the one beside ``script``, the file that asks. The sizes are those of the budget ``cpu``
    unless another one is set.
    """
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.setdefault("NNLABS_BUDGET", "cpu")
    tree = ast.parse(Path(script).with_name("lecture.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if _is_kept(node, values)]
    names: dict[str, Any] = {}
    exec(compile(tree, "lecture.py", "exec"), names)
    return names


def _is_kept(node: ast.stmt, values: AbstractSet[str]) -> bool:
    if isinstance(node, ast.Assign):
        return {name.id for name in ast.walk(ast.Tuple(node.targets)) if isinstance(name, ast.Name)} <= values
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def write(name: str, results: Any) -> None:
    """Write ``results`` to a JSON file, with four digits."""
    rounded = json.loads(json.dumps(results, default=float), parse_float=lambda text: round(float(text), 4))
    Path(name).write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
