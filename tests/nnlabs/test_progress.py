"""A student's progress: noted once, never a reason to stop, shown for a lab and for all."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from scipy.special import expit

from nnlabs import progress
from nnlabs.checks import neurons

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_since_start", set())


def test_a_pass_is_noted_once_and_a_new_kernel_knows_it(monkeypatch, capsys):
    for name in ("gates", "train", "gates"):
        progress.note("neurons", name)
    monkeypatch.setattr(progress, "_since_start", set())
    assert Path(progress.FILE).read_text().split() == ["neurons.gates", "neurons.train"]
    progress.show(neurons)
    assert capsys.readouterr().out.startswith("[##......] 2 of 8 exercises passed; open: 1 sigmoid, 2 sof")
    for name in progress.exercises(neurons):
        progress.note("neurons", name)
    progress.show(neurons)
    assert capsys.readouterr().out == "[########] 8 of 8 exercises passed; none is open.\n"


def test_what_cannot_be_read_or_written_stops_nobody():
    Path(progress.FILE).write_bytes(b"neurons.gates\n\xff\x00{neurons.tr")
    progress.note("neurons", "sigmoid")
    assert {"neurons.gates", "neurons.sigmoid"} <= progress.passed()
    Path(progress.FILE).unlink()
    Path(progress.FILE).mkdir()
    progress.note("neurons", "train")
    assert progress.passed() == {"neurons.sigmoid", "neurons.train"}, "known until the kernel ends"


def test_two_kernels_at_once_lose_nothing():
    code = "import sys; from nnlabs import progress\nfor i in range(50): progress.note(sys.argv[1], str(i))"
    kernels = [subprocess.Popen([sys.executable, "-c", code, topic]) for topic in ("vae", "gan")]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    assert progress.passed() == {f"{topic}.{i}" for topic in ("vae", "gan") for i in range(50)}


@pytest.mark.parametrize("grading", [False, True])
def test_a_check_notes_what_passed_but_not_under_grading(monkeypatch, grading):
    if grading:
        monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.setattr("nnlabs.checks.exercise.shell", lambda: True)  # as in a notebook
    assert neurons.sigmoid(expit) is expit
    assert Path(progress.FILE).exists() is not grading


def test_all_labs_in_the_terminal_and_as_a_page(capsys):
    progress.note("vae", "slerp")
    assert progress.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == [path.name[:2] for path in sorted((ROOT / "labs").glob("*.ipynb"))]
    assert re.search(r"10 vae +\[#\.{7}\] 1 of 8 +open: 1 kl_diagonal", "\n".join(lines))
    assert progress.main(["--html"]) == 0
    assert Path("progress.html").read_text().count("<tr>") == len(lines) + 1
    assert progress.main(["nowhere", "--html"]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("lab", sorted((ROOT / "lessons").glob("*/lab.py")), ids=lambda lab: lab.parent.name)
def test_exercises_have_the_numbers_of_the_labs_headings(lab):
    check = import_module(f"nnlabs.checks.{lab.parent.name[3:]}")
    in_lab = re.findall(r"^(\w+) = check\.\1\(", lab.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert in_lab == progress.exercises(check)
