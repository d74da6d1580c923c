"""Execute a notebook; as a command, a solution in this machine's own budget, while the stored one stays.

python -m tools.execute 02
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from tools import course
from tools.course import CourseError
from tools.inputs import code_cells

CELL_TIMEOUT = 1800  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"


def carry_outputs(old: NotebookNode, new: NotebookNode) -> None:
    """Copy the outputs of ``old``, and with what they were made, into ``new`` if both have the same code."""
    if [cell.source for cell in code_cells(old)] != [cell.source for cell in code_cells(new)]:
        return
    for old_cell, new_cell in zip(_code(old), _code(new), strict=True):
        new_cell.outputs = old_cell.outputs
        new_cell.execution_count = old_cell.execution_count
    if "execution" in old.metadata.get("nnlabs", {}):
        new.metadata.nnlabs.execution = old.metadata.nnlabs.execution


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: NotebookNode, path: Path, budget: str | None = None) -> int:
    """Execute ``notebook`` in place as if it stood at ``path``, with a bar; return the seconds it took.

    ``budget`` None leaves the choice to this machine. A cell that raises, or a kernel that dies, is a
    CourseError that names the notebook and the error.
    """
    bar = tqdm(total=len(_code(notebook)), unit="cell", desc=path.stem, leave=False, file=sys.stdout)
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not its remark on TCP without encryption
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: bar.update(),
    )
    path.parent.mkdir(exist_ok=True)
    start = time.perf_counter()
    try:
        with bar:
            client.execute(env=os.environ | ({"NNLABS_BUDGET": budget} if budget else {}))
    except (CellExecutionError, DeadKernelError, CellTimeoutError) as error:
        raise CourseError(f"{path.relative_to(course.ROOT)} stopped with an error.\n{error}") from None
    seconds = round(time.perf_counter() - start)
    notebook.metadata.language_info = NotebookNode(name="python")  # without the kernel's versions
    for cell in _code(notebook):
        cell.metadata.pop("execution", None)
        # A widget lives as long as its kernel; a stored one is an error message.
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return seconds


def main(arguments: list[str] | None = None) -> int:
    """Execute the solution that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.execute", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", help="number or name of the lesson, such as 02")
    options = parser.parse_args(arguments)
    try:
        course.check_installation()
        path = course.find_lesson(options.lesson).notebook("solutions")
        notebook = course.read_notebook(path)
        seconds = execute(notebook, path)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    written = course.ROOT / "build" / path.name
    written.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, written)
    print(f"Executed in {seconds} s, written to {written.relative_to(course.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
