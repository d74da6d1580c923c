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


def published() -> tuple[str, str, str]:
    """Return where the course is: its repository, the branch, and a hub with nbgitpuller or ""."""
    project = pyproject()
    settings = project["tool"]["nnlabs"]
    return project["project"]["urls"]["Repository"], settings["branch"], settings["jupyterhub"]


def addresses(path: str) -> dict[str, str]:
    """Return where the notebook at ``path`` opens elsewhere: Colab, Binder and JupyterHub."""
    repository, branch, hub = published()
    slug = repository.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{slug}/blob/{branch}/{path}"
    binder = f"https://mybinder.org/v2/gh/{slug}/{branch}?{urlencode({'labpath': path})}"
    pull = {"repo": repository, "branch": branch, "urlpath": f"lab/tree/{slug.split('/')[1]}/{path}"}
    asks_for_one = "https://nbgitpuller.readthedocs.io/en/latest/link.html"
    page = f"{hub}/hub/user-redirect/git-pull" if hub else asks_for_one
    return {"Colab": colab, "Binder": binder, "JupyterHub": f"{page}?{urlencode(pull)}"}


def links(path: str) -> str:
    """Return the Markdown line that opens the notebook at ``path`` elsewhere."""
    to = addresses(path)
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({to['Colab']})"
        f" · [Binder]({to['Binder']}) · [JupyterHub]({to['JupyterHub']})"
    )
