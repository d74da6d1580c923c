"""A small class, graded once; the tests look at what came of it."""

import csv
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

psutil = pytest.importorskip("psutil")
pytest.importorskip("pebble", reason="pebble is not in this environment")
pytest.importorskip("nbgrader", reason="nbgrader is not in this environment")
if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]

from grading import run, sandbox
from tests.grading import cases
from tools import course

HIDDEN = """
### BEGIN HIDDEN TESTS
assert "NAND" in gates.__doc__, "hidden: the docstring is gone"
### END HIDDEN TESTS
"""
NO_DOCSTRING = re.sub(r'\n    """.*?"""', "", cases.answers()["gates"], flags=re.DOTALL)
EDITED = ("tests-edited", "mark-lost", "scripts", "stderr", "pictures", "bom", "version-4-2")
QUICK = {"SECONDS_TO_START": 20, "CHECKS_SECONDS": 20, "CELL_SECONDS": 3}  # endless loops end soon


def has_bubblewrap():
    return sandbox.works(sandbox.Sandbox("bubblewrap"))


needs_bubblewrap = pytest.mark.skipif(not has_bubblewrap(), reason="bubblewrap does not work here")


@dataclass(frozen=True)
class LabWithHiddenTests:
    """Lab 01 as an instructor has it who added a hidden test to the gates."""

    path: Path
    name: str = cases.LAB

    def notebook(self, folder):
        return self.path


@dataclass(frozen=True)
class Graded:
    root: Path
    options: run.Options
    expected: dict
    ids: dict  # case → student
    rows: dict
    package_unchanged: bool
    scratch_before: set

    def row(self, name):
        return self.rows[self.ids[name]]

    def page(self, name):
        return (self.root / "feedback" / self.ids[name] / cases.LAB / f"{cases.LAB}.html").read_text()

    def executed(self, name):
        path = self.root / "autograded" / self.ids[name] / cases.LAB / f"{cases.LAB}.ipynb"
        return nbformat.read(path, as_version=4)

    def file(self, name):
        student = self.ids[name]
        return next(path for path in self.options.submissions.rglob("*.ipynb") if student in str(path))


def fingerprint(folder):
    files = sorted(path for path in folder.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def read_table(root):
    with (root / "grades.csv").open(encoding="utf-8-sig", newline="") as stream:
        return {row["folder"]: row for row in csv.DictReader(stream)}


def kernels():
    """The kernels that a grader started and that still run."""
    found = [process.info for process in psutil.process_iter(["pid", "cmdline"])]
    lines = {info["pid"]: " ".join(info["cmdline"] or []) for info in found}
    return [number for number, line in lines.items() if "nnlabs-grade-" in line and " -f " in line]


@pytest.fixture(scope="session")
def lesson(tmp_path_factory):
    notebook = cases.solution()
    for cell in notebook.cells:
        if cases.grade_id(cell) == "gates-check":
            cell.source += HIDDEN.rstrip()
    path = tmp_path_factory.mktemp("lesson") / f"{cases.LAB}.ipynb"
    path.write_bytes(cases.lean(cases.dump(notebook)))
    return LabWithHiddenTests(path)


@pytest.fixture(scope="session")
def graded(lesson, tmp_path_factory):
    if not has_bubblewrap():
        pytest.skip("bubblewrap does not work here, and hostile programs are among the submissions")
    place = tmp_path_factory.mktemp("class")
    handed_in = place / "submissions"
    expected = cases.honest() | cases.damaged() | cases.hostile()
    del expected["half"]
    edited = cases.edited()
    expected |= {name: edited[name] for name in EDITED}
    expected["hidden"] = cases.Case(cases.gates(NO_DOCSTRING), cases.WITHOUT_GATES)
    expected["beside"] = cases.Case(
        cases.beside()["text-behind"], tuple(cases.POINTS), words="stands beside its cell"
    )
    for i, (student, case) in enumerate(expected.items()):  # every form in one folder
        path = [
            handed_in / student / f"{cases.LAB}.ipynb",
            handed_in / f"{student}_{cases.LAB}.ipynb",
            handed_in / f"Ann Other_{1000 + i}_assignsubmission_file_" / "my lab.ipynb",
        ][i % 3]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cases.lean(case.content))
    ids = {name: f"{1000 + i}" if i % 3 == 2 else name for i, name in enumerate(expected)}
    os.symlink(handed_in / "right", handed_in / "link")
    options = run.Options(lesson, handed_in, place / "kurs [2025] Ü", jobs=2, memory=1000)
    before, scratch = fingerprint(course.ROOT / "nnlabs"), set(Path("/tmp").glob("nnlabs-grade-*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADER_SECRET", "the instructor's")
        for name, value in QUICK.items():
            patch.setattr(run, name, value)
        assert run.grade_class(options) == 0
    root = options.output / cases.LAB
    unchanged = fingerprint(course.ROOT / "nnlabs") == before
    return Graded(root, options, expected, ids, read_table(root), unchanged, scratch)
