"""Keep a student's notebook going: a cell that is no Python, a name that is not there, ``exit()``."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

CHECK_CELL = re.compile(r"^\w+ = check\.\w+\((\w+)\)", flags=re.MULTILINE)


class Missing:
    """Stands for a name that a check cell uses and no cell has defined."""


def shell() -> Any:
    """Return IPython's shell, or None outside a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def install() -> None:
    """Register, once in a notebook's kernel, what the other functions of this module do."""
    here = shell()
    if here and not hasattr(here, "nnlabs_checks"):
        here.nnlabs_checks = None  # the module that the lab calls `check`
        here.events.register("pre_run_cell", prepare_names)
        here.input_transformers_post.append(tell_syntax_error)


def prepare_names(info: Any) -> None:
    """Before a check cell: give ``check`` back if it was lost, and stand in for a missing answer."""
    here, answers = shell(), CHECK_CELL.findall(info.raw_cell or "")
    current = here.user_ns.get("check")
    if isinstance(current, ModuleType):
        here.nnlabs_checks = current
    elif answers and here.nnlabs_checks:
        print("The name `check` was given to something else; it is the course's checks again.")
        here.user_ns["check"] = here.nnlabs_checks
    for answer in answers:
        here.user_ns.setdefault(answer, Missing())


def tell_syntax_error(lines: list[str]) -> list[str]:
    """Replace a cell that is not Python by one that says so, so that the cells after it still run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python gives its own when it runs the cell
            compile("".join(lines), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        code = f", `{error.text.strip()}`" if error.text and error.text.strip() else ""
        message = f"This cell did not run. Python cannot read its line {error.lineno}{code}: {error.msg}."
        return [f"print({message!r})\n"]
    return lines


@contextmanager
def exit_raises() -> Iterator[None]:
    """Let ``exit()`` and ``quit()`` raise SystemExit, as ``sys.exit()`` does; they would end the kernel."""
    here = shell()
    if here is None:
        yield
        return
    here.ask_exit = sys.exit
    try:
        yield
    finally:
        del here.ask_exit
