"""CONTRIBUTING.md: its lesson of four files is built, executed and tested, in a copy of the course."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbgrader", reason="the build's tools are not in this environment")

from tools import course

BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((course.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
FILES = {path: code for language, path, code in BLOCKS if language == "python"}
COMMANDS = [
    line for language, kind, code in BLOCKS if (language, kind) == ("sh", "") for line in code.splitlines()
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A copy of the course that has only the example's lesson, written out of the page."""
    root = tmp_path_factory.mktemp("course")
    leave = shutil.ignore_patterns("__pycache__", "test_*")
    for name in ("nnlabs", "tools", "data", "requirements", "tests/checks", "tests/offline"):
        shutil.copytree(course.ROOT / name, root / name, ignore=leave)
    for name in ("pyproject.toml", "conftest.py", "tests/__init__.py"):
        shutil.copyfile(course.ROOT / name, root / name)
    for path, code in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(code, encoding="utf-8")
    return root


def run(command, root):
    module = command.removeprefix("python -m ").split()  # ruff is one, too
    environment = os.environ | {"PYTHONPATH": str(root)}
    words = [sys.executable, "-m", *module]
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_example_is_a_whole_lesson(root):
    assert [Path(path).name for path in FILES] == ["lecture.py", "lab.py", "sigmoid.py", "test_sigmoid.py"]
    here = [command for command in COMMANDS if re.search("tools.build|tests/checks", command)]
    assert len(here) == 2  # the notebooks in the smoke budget are left out: they were executed by the build
    said = "".join(run(command, root) for command in here)
    assert "executed in" in said
    assert "solutions/99_sigmoid.ipynb" in said
    lab = (root / "labs" / "99_sigmoid.ipynb").read_text(encoding="utf-8")
    assert "raise NotImplementedError" in lab
    assert "SOLUTION" not in lab


def test_the_example_has_the_courses_style(root):
    checks = [command for command in COMMANDS if command.startswith("ruff")]
    assert len(checks) == 2
    for command in checks:
        run(command.replace(" .", " " + " ".join(FILES)), root)


@pytest.mark.parametrize("lesson", course.lessons(), ids=str)
def test_readme_lists_every_lesson_with_its_minutes(lesson):
    readme = (course.ROOT / "README.md").read_text(encoding="utf-8")
    lecture, lab = (course.read_notebook(lesson.notebook(part)) for part in ("notebooks", "labs"))
    minutes = f"| {lecture.metadata.nnlabs.minutes.cpu:g} + {lab.metadata.nnlabs.minutes.cpu:g} |"
    rows = [line for line in readme.splitlines() if f"(notebooks/{lesson.name}.ipynb)" in line]
    assert rows, f"README's table lacks {lesson.name}"
    assert minutes in rows[0]
