"""Make the course one's own: put its new address into all badges, links, set-up cells and documents.

python -m tools.publish https://github.com/me/course
python -m tools.publish https://github.com/me/course --branch 2027 --hub https://hub.example.org
"""

from __future__ import annotations

import argparse
import re
import sys

from nnlabs.doctor import PLACEHOLDER
from tools import build, course
from tools.course import CourseError

DOCUMENTS = ("README.md", "grading/README.md", "CITATION.cff")
REPOSITORY = r"https://github\.com/[\w-]+/[\w.-]+"
BY_HAND = """\
Every badge, link, set-up cell and document names {repository} now. What remains to do:
- look at the changes (git diff), commit them, push them to the branch {branch}; the repository must be
  public, for Colab and Binder read it without an account;
- Settings, Pages, Source "GitHub Actions": then each push publishes the site;
- open one lecture in Colab and one in Binder (its first start takes minutes);
- {hub}.
"""
HUB = "open the JupyterHub link of a lecture as a student: it must pull the course into the student's folder"
NO_HUB = "with a JupyterHub that has nbgitpuller, run this again with --hub; without, its links ask for one"


def publish(repository: str, branch: str, hub: str) -> None:
    """Write the address into ``pyproject.toml`` and the documents, and build the notebooks' links anew."""
    before, *_ = course.published()
    settings = {"Repository": repository, "branch": branch, "jupyterhub": hub}
    path = course.ROOT / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in settings.items():
        text = re.sub(rf'^{name} = "[^"]*"', f'{name} = "{value}"', text, count=1, flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8", newline="\n")
    for name in DOCUMENTS:
        document = course.ROOT / name
        text = document.read_text(encoding="utf-8").replace(before, repository)
        text = text.replace(f"cd {_name(before)}", f"cd {_name(repository)}")
        document.write_text(text, encoding="utf-8", newline="\n")
    for lesson in course.lessons():
        for folder in course.BUILT:
            build.update(lesson, folder, force=False, draft=True)


def _name(repository: str) -> str:
    """Return the folder that ``git clone`` makes."""
    return repository.rpartition("/")[2]


def main(arguments: list[str] | None = None) -> int:
    """Publish under the address that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=__doc__.split("\n")[0])
    parser.add_argument("repository", help="https://github.com/OWNER/NAME")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--hub", default="", help="address of a JupyterHub with nbgitpuller")
    options = parser.parse_args(arguments)
    repository = options.repository.rstrip("/").removesuffix(".git")
    hub = options.hub.rstrip("/")
    try:
        if not re.fullmatch(REPOSITORY, repository) or repository == PLACEHOLDER:
            raise CourseError(
                f"{repository} is no address of your own of the form https://github.com/me/course. "
                "Until there is one, the links to Colab, Binder and JupyterHub and git clone lead nowhere."
            )
        if not re.fullmatch(r"[\w./-]+", options.branch):
            raise CourseError(f"{options.branch!r} is no name of a branch.")
        if hub and not re.fullmatch(r"https?://[\w.:/-]+", hub):
            raise CourseError(f"{hub} is no address of the form https://hub.example.org.")
        publish(repository, options.branch, hub)
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    print(BY_HAND.format(repository=repository, branch=options.branch, hub=HUB if hub else NO_HUB), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
