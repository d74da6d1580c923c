"""What students get: the released lab, with the checks or without them, and no hidden test."""

import json
import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.validator import Validator
from traitlets.config import Config

pytest.importorskip("jupytext", reason="the build's tools are not in this environment")

from grading import handin, release
from tests.grading import cases
from tools import build, course

ROOT = course.ROOT
LAB = course.Lesson(cases.LAB)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return release.release(LAB, tmp_path_factory.mktemp("kurs [1]"))


def members(archive):
    with zipfile.ZipFile(archive) as opened:
        every = {name.removeprefix(f"{LAB.name}/") for name in opened.namelist()}
    return {name for name in every if not name.endswith("/")}


def test_the_zip_holds_what_the_lab_needs_and_no_other_lesson(archive):
    found = members(archive)
    needed = {"README.txt", "requirements.txt", "constraints.txt", "LICENSE", "nnlabs/checks/neurons.py"}
    assert needed <= found
    assert [name for name in found if name.endswith(".ipynb")] == [f"{LAB.name}.ipynb"]
    assert not any("_data" in name or "lecture" in name or "vae" in name for name in found)
    folder = archive.with_suffix("")
    assert nbformat.read(folder / f"{LAB.name}.ipynb", as_version=4) == build.build(LAB, "labs")
    points = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    assert {name.removesuffix("-check"): most for name, most in points.items()} == cases.MAXIMA


def test_without_checks_no_reference_is_in_the_zip_and_the_notebook_goes_on_with_the_students_own(tmp_path):
    archive = release.release(LAB, tmp_path, checks=False)
    assert [name for name in members(archive) if "/checks/" in name] == ["nnlabs/checks/__init__.py"]
    code = "from nnlabs.checks import neurons as check; print(check.sigmoid(5), check.any_other('x'))"
    folder = archive.with_suffix("")
    said = subprocess.check_output([sys.executable, "-c", code], cwd=folder, text=True)
    lines = [f"{name}: {handin.LATER}." for name in ("sigmoid", "any_other")]
    assert said.splitlines() == [*lines, "5 x"]
    assert handin.LATER in " ".join((folder / "README.txt").read_text(encoding="utf-8").split())


def test_a_lab_with_data_gets_its_files_and_no_others(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[new_code_cell("from nnlabs import data\nx = data.mnist()")])
    release.add_helper(notebook, tmp_path, checks=True)
    found = {path.name for path in (tmp_path / "nnlabs" / "_data").iterdir()}
    assert found == {"mnist.npz", "README.md", "SHA256SUMS"}


def test_what_cannot_be_done_is_told_in_one_line(monkeypatch, capsys):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(release, "release", read_only)
    assert release.main(["99"]) == release.main(["1"]) == 1
    unknown, cannot = capsys.readouterr().err.splitlines()
    assert "There is no lesson '99'" in unknown
    assert re.match("The release cannot be written to .*: Read-only", cannot)


def answer(path, answers):
    """Write answers, by mark, into the lab at ``path``; its figures go: they take most of the time."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if handin.grade_id(cell) or "plt." not in cell.source]
    for cell in notebook.cells:
        cell.source = answers.get(handin.grade_id(cell), cell.source)
    nbformat.write(notebook, path)


def checked(folder, system):
    """Run the folder's own check without a network, or without what Windows lacks and with its line ends."""
    encoding = {"offline": "utf-8", "windows": "cp1252"}[system]
    environment = {"PYTHONPATH": str(ROOT / "tests" / system), "PYTHONIOENCODING": encoding}
    if system == "windows":
        for file in folder.rglob("*.*"):
            if file.suffix in (".ipynb", ".json", ".py", ".txt"):
                file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    command = [sys.executable, "check.py"]
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, encoding=encoding
    )


@pytest.mark.parametrize("system", ["offline", "windows"])
def test_a_released_lab_works_in_a_folder_of_its_own_and_is_checked_there(archive, tmp_path, system):
    """Unpack the zip, answer some exercises, run its own check.py; nothing of the course is near.

    The name of the folder has what file systems and consoles stumble over.
    """
    place = tmp_path / {"offline": "x", "windows": "Übung ß (1) " + "a" * 100}[system]
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(place)
    path = place / LAB.name / f"{LAB.name}.ipynb"
    points = json.loads((path.parent / "lab.json").read_text(encoding="utf-8"))
    answers = {
        "sigmoid": f"assert {str(path.parent)!r} in check.__file__\n{cases.ANSWERS['sigmoid']}",
        "gates": "def gates():\n",
        cases.QUESTION: "It is so.",
    }
    answer(path, answers)
    found = checked(path.parent, system)
    lines = {line.split()[0]: line for line in found.stdout.splitlines() if line.startswith("  ")}
    assert found.returncode == 1
    assert lines.pop("sigmoid").endswith("2 of 2  passed.")
    assert "There is no `gates`" in lines.pop("gates")
    assert lines.pop(cases.QUESTION).endswith("open question: answered, a person grades it.")
    assert all("not done yet." in line for line in lines.values())
    assert len(lines) == len(points) - 3
    assert f"Points so far: 2 of {sum(points.values())}; up to 3 more come" in found.stdout
    button = Validator(config=Config({"Execute": {"timeout": 1800}}))  # Validate, in JupyterLab
    assert len(button.validate(str(path))["failed"]) == len(points) - 2


def test_a_released_lab_with_keras_and_data_needs_nothing_that_windows_lacks(tmp_path):
    lab = course.find_lesson("02")
    folder = release.release(lab, tmp_path / "Übung ß (2)").with_suffix("")
    solution = build.build(lab, "solutions")
    right = {handin.grade_id(cell): cell.source for cell in solution.cells}["to_keras"]
    answer(folder / f"{lab.name}.ipynb", {"to_keras": right})
    found = checked(folder, "windows")
    told = found.stdout + found.stderr
    assert re.search(r"^ +to_keras .* passed\.$", found.stdout, flags=re.MULTILINE), told
    assert found.stdout.count("not done yet.") == 7


@pytest.mark.parametrize("lab", course.lessons(), ids=str)
def test_the_zip_of_each_lab_holds_what_its_imports_need(lab, tmp_path):
    folder = release.release(lab, tmp_path).with_suffix("")
    cells = nbformat.read(folder / f"{lab.name}.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    imports = "\n".join(re.findall(r"^from nnlabs.* import .*$", code, flags=re.MULTILINE))
    subprocess.run([sys.executable, "-c", imports], cwd=folder, check=True)


def test_on_windows_the_grader_says_where_it_works():
    code = "import sys; from grading import __main__ as grade; sys.platform = 'win32'"
    code += "; sys.exit(grade.main(['01', 'x']))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "windows"), str(ROOT)])}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert found.returncode == 1
    assert re.fullmatch(r"Grading needs Linux or macOS\. On Windows use WSL or Docker.*\n", found.stderr)
