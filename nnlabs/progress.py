"""What a student has passed: a line of ``progress.txt`` for each check, and tables of it.

python -m nnlabs.progress          all labs, in the terminal
python -m nnlabs.progress --html   the same as a page, progress.html

The file lies in the folder of the notebook. It holds names of exercises and nothing else, and stays there.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType

FILE = "progress.txt"
PAGE = """\
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Progress in the labs</title>
<style>body {{font-family: sans-serif}} td, th {{padding: .3em 1em; text-align: left}}</style>
<h1>Progress in the labs</h1>
<table><tr><th>lab</th><th>passed</th><th>open</th></tr>
{rows}
</table></html>
"""

_since_start: set[str] = set()  # for a folder that cannot be written


def note(topic: str, name: str) -> None:
    """Note that a check has passed; a file that cannot be written is no reason to stop."""
    line = f"{topic}.{name}"
    new = line not in passed()
    _since_start.add(line)
    if new:
        # A line is added, so that two kernels can write; before it a line ends that may have been cut off.
        with suppress(OSError), open(FILE, "a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")


def passed(folder: Path = Path()) -> set[str]:
    """Return what has passed, each as ``topic.exercise``; of a damaged file what can be read."""
    lines: list[str] = []
    with suppress(OSError):
        lines = (folder / FILE).read_text(encoding="utf-8", errors="replace").split()
    return {*lines, *_since_start}


def exercises(check: object) -> list[str]:
    """Return the names of a lab's exercises in their order, empty if the checks are not there."""
    return [name for name, thing in vars(check).items() if hasattr(thing, "diagnose")]


def bar(check: ModuleType, done: set[str]) -> tuple[str, str]:
    """Return ``[###.] 3 of 4`` for one lab, and its open exercises with their numbers."""
    topic, names = check.__name__.rpartition(".")[2], exercises(check)
    missing = [f"{i} {name}" for i, name in enumerate(names, 1) if f"{topic}.{name}" not in done]
    count = len(names) - len(missing)
    return f"[{'#' * count}{'.' * len(missing)}] {count} of {len(names)}", ", ".join(missing)


def show(check: ModuleType) -> None:
    """Print how many of a lab's exercises have passed, and which are open."""
    if not exercises(check):
        print("The exercises are judged when the lab is handed in.")
        return
    count, missing = bar(check, passed())
    print(f"{count} exercises passed; {f'open: {missing}' if missing else 'none is open'}.")


def table(done: set[str]) -> list[tuple[str, str, str]]:
    """Return for each lab its number and topic, the bar, and what is open."""
    rows = []
    package = importlib.import_module("nnlabs.checks")
    for module in pkgutil.iter_modules(package.__path__, "nnlabs.checks."):
        check = importlib.import_module(module.name)
        if number := re.search(r"\blab (\d\d)\b", check.__doc__ or ""):
            topic = module.name.rpartition(".")[2].replace("_", " ")
            rows.append((f"{number[1]} {topic}", *bar(check, done)))
    return sorted(rows)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, or write it as a page; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m nnlabs.progress", description=__doc__.split("\n")[0])
    default = Path("labs") if Path("labs").is_dir() else Path()
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="where the labs are")
    parser.add_argument("--html", action="store_true", help="write progress.html")
    options = parser.parse_args(arguments)
    rows = table(passed(options.folder))
    if not options.html:
        for name, count, missing in rows:
            print(f"{name:26} {count:20} {f'open: {missing}' if missing else ''}".rstrip())
        return 0
    cells = ["".join(f"<td>{part}</td>" for part in row) for row in rows]
    page = options.folder / "progress.html"
    try:
        page.write_text(PAGE.format(rows="\n".join(f"<tr>{row}</tr>" for row in cells)), encoding="utf-8")
    except OSError as error:
        print(f"{page} cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    print(f"Written to {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
