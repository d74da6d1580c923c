"""grading/README.md: its commands run, in order, in a copy of the course; what it names is there.

A code block marked ``sh`` is run; those marked ``sh install``, ``sh container`` (they download) and
``sh browser`` are not.
"""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

import pytest

from grading.__main__ import parser
from tests.grading import cases
from tools import build, course

ROOT = course.ROOT
GUIDE = (ROOT / "grading" / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    (kind, textwrap.dedent(code).strip())
    for kind, code in re.findall(r"^ *```([^\n]+)\n(.*?)^ *```$", GUIDE, flags=re.MULTILINE | re.DOTALL)
]
FOLDERS = ("lessons", "labs", "notebooks", "solutions", "tools", "grading", "tests")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the course, so that no results of a real class are touched."""
    root = tmp_path_factory.mktemp("guide") / "nnlabs"
    for name in FOLDERS:
        others = shutil.ignore_patterns("__pycache__", "0[2-9]_*.ipynb", "1*.ipynb")
        shutil.copytree(ROOT / name, root / name, ignore=others)
    for name in ("LICENSE", "pyproject.toml", "requirements.txt"):
        shutil.copyfile(ROOT / name, root / name)
    for name in ("data", "nnlabs", "requirements", "LICENSES"):  # no command writes there
        (root / name).symlink_to(ROOT / name)
    return root


def run(code, folder):
    """Run lines of a shell in the course's folder; each must succeed."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    own = {"PATH": path, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    own["PYTEST_ADDOPTS"] = "--collect-only"  # a table of answers runs once, where it stands
    command = ["bash", "-e", "-c", code]
    finished = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True)
    assert finished.returncode == 0, f"{code}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
    return finished.stdout


def test_every_command_runs_in_the_order_of_the_guide(copy):
    said, changed = {}, True
    for kind, code in BLOCKS:
        if kind == "sh" and (changed or code not in said):  # not twice for the same result
            said[code] = run(code, copy)
            changed = changed and "-m grading 01" not in code
        elif kind == "python" and "Gradebook" in code:
            run(f"python - <<'EOF'\n{code}\nEOF", copy)
            changed = True
    results = copy / "build" / "grading" / cases.LAB
    with (results / "grades.csv").open(encoding="utf-8-sig") as stream:
        students = {row["student"]: row for row in csv.DictReader(stream)}
    by_hand = sum(cases.QUESTIONS.values())
    total = cases.MAXIMUM + by_hand
    assert f"Ben has {cases.MAXIMUM} of {total}; the last {by_hand} are" in " ".join(GUIDE.split())
    assert students["ann"]["total"] == "0"
    assert students["ben"][cases.QUESTION] == "2.5", "points by hand are taken over"
    assert students["ben"]["total"] == f"{cases.MAXIMUM + 2.5}"
    assert (results / "report.html").is_file()
    assert (results / "feedback" / "ann" / cases.LAB / f"{cases.LAB}.html").is_file()
    assert "0 graded, 2 unchanged" in said["python -m grading 01 build/try"]
    assert "no solutions" in said["python -m grading.release 01 --without-checks"]
    told = said["python -m grading.handin build/try/ben_01_neurons.ipynb"]
    assert f"Points so far: {cases.MAXIMUM} of {total}" in told
    assert (copy / "build" / "release" / f"{cases.LAB}.zip").is_file()


def test_the_guides_hidden_test_is_in_the_solution_and_not_in_the_lab(copy, monkeypatch):
    (example,) = [code for kind, code in BLOCKS if kind == "python" and "HIDDEN" in code]
    check, *hidden = example.splitlines()
    monkeypatch.setattr(course, "ROOT", copy)
    lesson = course.Lesson(cases.LAB)
    before = lesson.lab.read_text(encoding="utf-8")
    assert check in before
    lesson.lab.write_text(before.replace(check, example, 1), encoding="utf-8")
    sources = {name: [c.source for c in build.build(lesson, name).cells] for name in ("labs", "solutions")}
    lesson.lab.write_text(before, encoding="utf-8")
    assert example in sources["solutions"]
    assert check in sources["labs"]
    assert not [source for source in sources["labs"] if hidden[1] in source]
    exec("\n".join(["import numpy as np", cases.ANSWERS["sigmoid"], *hidden]), {})


def test_commands_options_and_files_of_the_guide_are_there():
    (container,) = [code for kind, code in BLOCKS if kind == "sh container"]
    assert f"#   {container}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert importlib.util.find_spec("nbgrader.server_extensions.formgrader")
    assert {kind for kind, _ in BLOCKS} == {"sh", "sh install", "sh browser", "sh container", "python"}
    for path in re.findall(r"pip install -r (\S+)", GUIDE):
        assert (ROOT / path).is_file()
    table = GUIDE.partition("| option | meaning |")[2].partition("\n\n")[0]
    options = re.findall(r"`(--\w+)`", table)
    assert len(options) >= 6
    assert not [option for option in options if option not in parser().format_help()]
    folders = "lessons|labs|solutions|nnlabs|tests|requirements"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*|Dockerfile)`", GUIDE):
        assert (ROOT / path).exists(), path


def test_make_does_what_the_table_says():
    """Ask make what it would run; ``-o`` takes the environments as they are."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    rows = re.findall(r"^\| `(make [^`]+)` \| `python -m ([^`]+)` \|", GUIDE, flags=re.MULTILINE)
    assert len(rows) == 4
    for target, module in rows:
        dry = [*shlex.split(target), "--dry-run", "-o", ".venv/dev", "-o", ".venv/student"]
        said = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=False)
        recipe = " ".join(shlex.split(said.stdout))
        assert f"python -m {module}" in recipe, f"{target}: {recipe}{said.stderr}"
