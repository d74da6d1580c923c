"""Where things are: the repository's folders, its lessons, the settings in ``pyproject.toml``."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BUILT = ("notebooks", "labs", "solutions")


class CourseError(Exception):
    """A mistake of the person at the keyboard, told in one line."""


def check_installation() -> None:
    """Raise unless what a notebook imports as ``nnlabs`` is this checkout's."""
    ask = [sys.executable, "-c", "import nnlabs; print(nnlabs.__file__)"]
    told = subprocess.run(ask, cwd="/", capture_output=True, text=True, check=False).stdout.strip()
    if not told or Path(told).resolve().parent != (ROOT / "nnlabs").resolve():
        where = f"comes from {Path(told).parent}, not from here" if told else "is not installed"
        raise CourseError(f'nnlabs {where}. In {ROOT} run: python -m pip install -e ".[lab,dev]"')


@dataclass(frozen=True)
class Lesson:
    """A lesson: a folder of ``lessons/`` with ``lecture.py`` and ``lab.py``."""

    name: str

    @property
    def lecture(self) -> Path:
        """Return the lecture's text and code."""
        return ROOT / "lessons" / self.name / "lecture.py"

    @property
    def lab(self) -> Path:
        """Return the lab's text and code, with its solutions."""
        return ROOT / "lessons" / self.name / "lab.py"

    def notebook(self, folder: str) -> Path:
        """Return the notebook built into ``folder``: notebooks, labs or solutions."""
        return ROOT / folder / f"{self.name}.ipynb"


def lessons() -> list[Lesson]:
    """Return all lessons in the order of the course."""
    return [Lesson(path.parent.name) for path in sorted((ROOT / "lessons").glob("*/lecture.py"))]


def find_lesson(name: str) -> Lesson:
    """Return the lesson of that number or folder name; ``"2"``, ``"02"`` and ``"02_..."`` are the same."""
    number = name.zfill(2) if name.isdigit() else name
    for lesson in lessons():
        if lesson.name == name or lesson.name.split("_")[0] == number:
            return lesson
    known = ", ".join(lesson.name for lesson in lessons())
    raise CourseError(f"There is no lesson {name!r}. The lessons are: {known}.")


def read_notebook(path: Path) -> NotebookNode:
    """Return the built notebook at ``path``, or say that it is not there or not readable."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError):
        name = path.relative_to(ROOT)
        raise CourseError(f"{name} is missing or damaged. Build it: python -m tools.build") from None


def pyproject() -> dict:
    """Return what ``pyproject.toml`` says."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Publication:
    """Where the course is published, and the addresses that follow from it."""

    repository: str  # https://github.com/ORGANISATION/NAME
    branch: str
    jupyterhub: str  # a hub with nbgitpuller, or "" for nbgitpuller's page that asks for one

    @classmethod
    def read(cls) -> Publication:
        """Read ``project.urls`` and ``tool.nnlabs`` of ``pyproject.toml``."""
        project = pyproject()
        settings = project["tool"]["nnlabs"]
        return cls(project["project"]["urls"]["Repository"], settings["branch"], settings["jupyterhub"])

    @property
    def archive(self) -> str:
        """Return what pip installs where there is no checkout; no git is needed for it."""
        return f"{self.repository}/archive/refs/heads/{self.branch}.zip"

    def links(self, path: str) -> str:
        """Return the Markdown line that opens the notebook at ``path`` elsewhere."""
        slug = self.repository.removeprefix("https://github.com/")
        colab = f"https://colab.research.google.com/github/{slug}/blob/{self.branch}/{path}"
        binder = f"https://mybinder.org/v2/gh/{slug}/{self.branch}?{urlencode({'labpath': path})}"
        pull = {
            "repo": self.repository,
            "branch": self.branch,
            "urlpath": f"lab/tree/{slug.split('/')[1]}/{path}",
        }
        page = (
            f"{self.jupyterhub}/hub/user-redirect/git-pull"
            if self.jupyterhub
            else "https://nbgitpuller.readthedocs.io/en/latest/link.html"
        )
        return (
            f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
            f" · [Binder]({binder}) · [JupyterHub]({page}?{urlencode(pull)})"
        )
