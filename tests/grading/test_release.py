"""What students get: the released lab, with the checks or without them, and no hidden test."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("jupytext", reason="the build's tools are not in this environment")

from grading import handin, release
from tests.grading import cases
from tools import build, course

ROOT = course.ROOT
LAB = course.Lesson("01_neurons")
CHECK_CELL = "sigmoid = check.sigmoid(sigmoid)\n"
HIDDEN_TEST = "assert sigmoid(np.array(3.0)) > 0.95, 'hidden at 3'"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return release.release(LAB, tmp_path_factory.mktemp("kurs [1]"))


def members(archive):
    """The files of a zip, by their place in the lab's folder."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
    assert {name.partition("/")[0] for name in names} == {LAB.name}
    return {name.partition("/")[2] for name in names}


def test_the_zip_holds_what_the_lab_needs_and_no_other_lesson(archive):
    found = members(archive)
    needed = {f"{LAB.name}.ipynb", "README.txt", "requirements.txt", "constraints.txt", "check.py", "LICENSE"}
    assert needed <= found
    assert [name for name in found if name.endswith(".ipynb")] == [f"{LAB.name}.ipynb"]
    checks = {Path(name).name for name in found if name.startswith("nnlabs/checks/")}
    assert {"__init__.py", "exercise.py", "expect.py", "neurons.py"} <= checks
    assert "vae.py" not in checks
    assert not any("_data" in name or "lecture" in name for name in found)
    lab = nbformat.read(archive.with_suffix("") / f"{LAB.name}.ipynb", as_version=4)
    assert lab == build.build(LAB, "labs")


def test_without_checks_no_reference_is_in_the_zip_and_the_notebook_goes_on_with_the_students_own(tmp_path):
    archive = release.release(LAB, tmp_path, checks=False)
    assert [name for name in members(archive) if name.startswith("nnlabs/checks/")] == [
        "nnlabs/checks/__init__.py"
    ]
    code = "from nnlabs.checks import neurons as check; print(check.sigmoid(5), check.any_other('x'))"
    folder = archive.with_suffix("")
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = [f"{name}: {handin.LATER}." for name in ("sigmoid", "any_other")]
    assert said.stdout.splitlines() == [*lines, "5 x"]
    assert "judged when it is handed in" in (folder / "README.txt").read_text(encoding="utf-8")


def test_a_lab_with_data_gets_its_files_and_no_others():
    modules = {ROOT / "nnlabs" / name for name in ("data.py", "pretrained.py")}
    mnist = release.data_files("x = data.mnist()", {ROOT / "nnlabs" / "data.py"})
    assert "mnist.npz" in mnist
    assert "SHA256SUMS" in mnist
    assert not [name for name in mnist if name.startswith("photos/") or "efficientnet" in name]
    assert "efficientnet_lite0_imagenet_f16.npz" in release.data_files("", modules)
    assert any(name.startswith("photos/") for name in release.data_files("data.photos()", modules))
    assert release.data_files("data.digits()", {ROOT / "nnlabs" / "data.py"}) == []


def test_the_same_course_gives_the_same_zip(archive, tmp_path):
    assert release.release(LAB, tmp_path).read_bytes() == archive.read_bytes()


def test_where_nothing_can_be_written_is_told_in_one_line(monkeypatch, capsys):
    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(release, "release", read_only)
    assert release.main(["1"]) == 1
    assert re.fullmatch(
        "The release cannot be written to .*: Read-only file system.\n", capsys.readouterr().err
    )


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """A copy of the course in which something is written into lab 01."""
    root = tmp_path / "course"
    root.mkdir()
    for name in ("nnlabs", "data", "requirements", "LICENSES", "LICENSE", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "lessons" / LAB.name, root / "lessons" / LAB.name)
    monkeypatch.setattr(course, "ROOT", root)

    def write(region, after=CHECK_CELL):
        text = LAB.lab.read_text(encoding="utf-8")
        assert after in text
        LAB.lab.write_text(text.replace(after, after + region, 1), encoding="utf-8")
        return root

    return write


def test_hidden_tests_are_in_solutions_but_not_in_what_students_get(hidden, tmp_path):
    hidden(f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n")
    assert any(HIDDEN_TEST in cell.source for cell in build.build(LAB, "solutions").cells)
    archive = release.release(LAB, tmp_path)
    with zipfile.ZipFile(archive) as opened:
        assert not [name for name in opened.namelist() if b"hidden at 3" in opened.read(name)]
    assert "more may be tested" in (archive.with_suffix("") / "README.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("region", "after"),
    [
        (f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n", CHECK_CELL),
        (f"### BEGIN HIDDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n", "import numpy as np\n"),
        (f"### BEGIN HIDEN TESTS\n{HIDDEN_TEST}\n### END HIDDEN TESTS\n", CHECK_CELL),
    ],
    ids=["no end", "not in a check", "misspelt"],
)
def test_hidden_tests_that_would_leak_are_refused(hidden, region, after, capsys):
    root = hidden(region, after)
    for command, arguments in ((build.main, ["1", "--draft"]), (release.main, ["1"])):
        assert command(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith("lessons/01_neurons/lab.py: ")
        assert said.count("\n") == 1
    assert not list((root / "build").rglob("*.zip"))


def test_a_released_lab_works_offline_in_an_empty_folder_and_is_checked_there(archive, tmp_path):
    """Unpack the zip, answer some exercises, run its own check.py; nothing of the course is near."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    path = tmp_path / LAB.name / f"{LAB.name}.ipynb"
    inside = f"    assert {str(path.parent)!r} in check.__file__\n"
    fill(
        path,
        threshold=f"def threshold(x, beta):\n{inside}    return np.where(x >= beta, 1.0, 0.0)",
        tanh_slope="def tanh_slope(x):\n    return 1 - np.tanh(x)",
        neuron="def neuron(X, w, b, phi:\n",
        train_check="train = check.train(train)\nprint('passed')",
        xor_friends="Cleo is right.",
    )
    before = path.read_bytes()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline")}
    found = subprocess.run(
        [sys.executable, "check.py"],
        cwd=path.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1000,
    )
    lines = {line.split()[0]: line for line in found.stdout.splitlines() if line.startswith("  ")}
    assert found.returncode == 1
    assert re.search(r"1 of 1  passed\.$", lines["threshold"])
    assert "not right yet." in lines["tanh-slope"]
    assert lines["tanh-slope"].endswith("Hint: is tanh squared in your formula?")
    assert "not done yet." in lines["sigmoid"]
    assert "There is no `neuron`" in lines["neuron"]
    assert "its check was changed. Undo the change." in lines["train"]
    assert lines["xor-friends"].endswith("open question: answered, a person grades it.")
    assert "Points so far: 1 of 19; up to 3 more come when it is graded." in found.stdout
    assert found.stdout.endswith(f"Hand in exactly this file: {path}\n")
    assert path.read_bytes() == before


def test_the_list_in_a_release_is_what_the_solution_says(archive):
    told = json.loads((archive.with_suffix("") / "lab.json").read_text(encoding="utf-8"))
    path = LAB.notebook("labs")
    assert told == {"lab": LAB.name, "points": handin.expected_points(path, handin.read(path))}


def test_an_unknown_lab_is_told(capsys):
    assert release.main(["99"]) == 1
    assert "There is no lesson '99'" in capsys.readouterr().err


def fill(path, **answers):
    """Write answers into some cells of the notebook, named by grade id."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cases.grade_id(cell).replace("-", "_"), cell.source)
    nbformat.write(notebook, path)
