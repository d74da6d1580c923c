"""A copy of one's own: one command changes every address, and nothing is executed again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnlabs import doctor
from tools import publish

ROOT = Path(__file__).parents[2]
MINE = "https://github.com/ada/networks"


@pytest.fixture
def copy(tmp_path):
    """The course without the lessons from 03 on."""
    ignored = shutil.ignore_patterns(
        ".*", "build", "dist", "0[3-9]*", "1*", "networks", "photos", "__pycache__"
    )
    return Path(shutil.copytree(ROOT, tmp_path / "course", ignore=ignored))


def test_one_command_changes_every_address_and_keeps_the_outputs(copy):
    options = ["--branch", "2027", "--hub", "https://hub.example.org/"]
    command = [sys.executable, "-m", "tools.publish", f"{MINE}.git", *options]
    told = subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True).stdout
    assert all(words in told for words in (f"names {MINE} now", "branch 2027", "Pages", "JupyterHub link"))
    written = {
        path: path.read_text(encoding="utf-8")
        for path in copy.rglob("*")
        if path.suffix in (".md", ".toml", ".cff", ".ipynb")
    }
    assert [path for path, text in written.items() if doctor.PLACEHOLDER in text] == []
    assert "cd networks && make lab" in written[copy / "README.md"]
    lecture = written[copy / "notebooks" / "01_neurons.ipynb"]
    for link in (
        "colab.research.google.com/github/ada/networks/blob/2027/notebooks/01_neurons.ipynb",
        "mybinder.org/v2/gh/ada/networks/2027",
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Fada%2Fnetworks&branch=2027",
        f"{MINE}/archive/refs/heads/2027.zip",
    ):
        assert link in lecture
    before = (ROOT / "notebooks" / "01_neurons.ipynb").read_text(encoding="utf-8")
    assert lecture.count("data:image/png") == before.count("data:image/png")
    draft = subprocess.run(
        [sys.executable, "-m", "tools.build", "--draft"], cwd=copy, check=True, capture_output=True
    )
    assert b"written" not in draft.stdout


@pytest.mark.parametrize(
    "address", ["github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a", doctor.PLACEHOLDER]
)
def test_what_is_no_address_of_ones_own_is_refused(address, capsys):
    assert publish.main([address]) == 1
    assert "of the form https://github.com/me/course" in capsys.readouterr().err


def test_the_doctor_tells_that_the_links_lead_nowhere_yet(copy, monkeypatch):
    monkeypatch.setattr("nnlabs.__file__", str(copy / "nnlabs" / "__init__.py"))
    assert "tools.publish" in doctor.check_links()[1]
    (copy / "pyproject.toml").write_text(f'Repository = "{MINE}"')
    assert doctor.check_links() == (True, "they name a repository of your own")
