"""Build the site from the executed notebooks.

    python -m tools.site              write build/site
    python -m tools.site --overview   draw site/overview.png, the picture of README.md, from the lectures

Nothing is executed: the pages show the outputs that are stored. MathJax comes with the site, so that no
page asks another machine for anything.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from functools import cache
from pathlib import Path

import nbformat
import pooch
from nbformat import NotebookNode
from PIL import Image, ImageOps

from nnlabs.doctor import PLACEHOLDER
from tools import course, results
from tools.course import CourseError, Lesson

HERE = course.ROOT / "site"
SOURCE = course.ROOT / "build" / "site-source"
SITE = course.ROOT / "build" / "site"
MATHJAX = "https://registry.npmjs.org/mathjax/-/mathjax-3.2.2.tgz"
MATHJAX_SHA256 = "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"
OWN = "(?!https?:|#)"  # a link to another file of the repository
FIGURE = re.compile(r'<img alt="([^"]*)" [^>]*src="data:image/png;base64,([^"]*)">')
# The figure of each lecture that stands for it on the home page, counted from 0.
PICTURES = {
    "01": 14, "02": 3, "03": 3, "04": 3, "05": 5, "06": 10, "07": 11, "08": 7,
    "09": 7, "10": 11, "11": 10, "12": 3, "13": 5, "14": 7, "15": 5,
}  # fmt: skip
OVERVIEW = ("01", "02", "04", "05", "07", "10", "11", "14", "15")
TILE = (320, 190)  # pixels
RESULTS = "\n\n[Results of this lesson, as measured](../results.md#{anchor})"
CARD = """\
:::{{grid-item-card}} {heading}
:img-top: pictures/{number}.png
:img-alt: {alt}

{shows}

[lecture](notebooks/{name}.ipynb) · [lab](labs/{name}.ipynb)
:::
"""


def anchor(title: str) -> str:
    """Return the anchor of a heading as Jupyter makes it, which the notebooks' links use."""
    return title.replace(" ", "-")


@cache
def is_published() -> bool:
    """Tell whether the course has an address, or still its placeholder, which no link should lead to."""
    return course.published()[0] != PLACEHOLDER


def prepare() -> None:
    """Write the pages that Sphinx reads."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(HERE, SOURCE)
    repository, branch, _ = course.published()
    settings = {"repository": repository, "is_published": is_published()}
    (SOURCE / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    static = SOURCE / "_static"
    static.mkdir()
    shutil.move(SOURCE / "site.css", static)
    shutil.copytree(mathjax(), static / "mathjax")
    lessons = course.lessons()
    for lesson in lessons:
        for folder in ("notebooks", "labs"):
            notebook = course.read_notebook(lesson.notebook(folder))
            if not is_published():  # Colab and Binder would find nothing
                links = course.links(f"{folder}/{lesson.name}.ipynb")
                notebook.cells[0].source = notebook.cells[0].source.replace(f"{links}\n\n", "")
            for cell in notebook.cells:
                cell.source = outward(cell.source, f"{repository}/blob/{branch}")
            notebook.cells[0].source += RESULTS.format(anchor=anchor(results.heading(lesson)))
            path = SOURCE / folder / f"{lesson.name}.ipynb"
            path.parent.mkdir(exist_ok=True)
            nbformat.write(notebook, path)
    write_home(lessons)
    write_pages(lessons, f"{repository}/blob/{branch}")


def outward(text: str, repository: str) -> str:
    """Let links to what is no page of the site lead to the repository; name Colab in words."""
    text = re.sub(r"!\[Open in Colab\]\([^)]*\)", "Open in Colab", text)
    return _lead(r"\.\./(?!notebooks/|labs/)", text, repository)


def mathjax() -> Path:
    """Download MathJax, or take it from an earlier build; return the folder of its programs."""
    vendor = course.ROOT / "build" / "vendor"
    unpack = pooch.Untar(extract_dir="mathjax")
    try:
        pooch.retrieve(MATHJAX, MATHJAX_SHA256, "mathjax.tgz", vendor, processor=unpack, progressbar=True)
    except OSError as error:
        raise CourseError(f"MathJax cannot be downloaded from {MATHJAX}: {error}") from None
    return vendor / "mathjax" / "package" / "es5"


def write_home(lessons: list[Lesson]) -> None:
    """Write the home page: where to start, and a card with a picture for each lesson."""
    rows = dict(re.findall(r"^\| (\d\d) \| \[[^|]*\| ([^|]*) \|", read("README.md"), flags=re.MULTILINE))
    (SOURCE / "pictures").mkdir()
    cards = []
    for lesson in lessons:
        notebook = course.read_notebook(lesson.notebook("notebooks"))
        number = lesson.name[:2]
        found = figures(notebook)
        if len(found) <= PICTURES[number]:
            raise CourseError(f"{lesson.name} is not executed. Build it: python -m tools.build {number}")
        alt, png = found[PICTURES[number]]
        (SOURCE / "pictures" / f"{number}.png").write_bytes(b64decode(png))
        card = {"heading": results.heading(lesson), "shows": rows[number], "number": number}
        cards.append(CARD.format(**card, alt=alt, name=lesson.name))
    grid = "\n".join(["::::{grid} 1 2 3 3", ":gutter: 3", "", *cards, "::::"])
    parts = {
        "start": start(lessons[0]),
        "cards": grid,
        "lectures": "\n".join(f"notebooks/{lesson.name}" for lesson in lessons),
        "labs": "\n".join(f"labs/{lesson.name}" for lesson in lessons),
    }
    page = (SOURCE / "index.md").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(f"{{{name}}}", text)
    (SOURCE / "index.md").write_text(page, encoding="utf-8")


def overview() -> None:
    """Draw nine lectures' pictures side by side."""
    canvas = Image.new("RGB", (3 * (TILE[0] + 10), 3 * (TILE[1] + 10)), "white")
    for i, number in enumerate(OVERVIEW):
        notebook = course.read_notebook(course.find_lesson(number).notebook("notebooks"))
        picture = Image.open(io.BytesIO(b64decode(figures(notebook)[PICTURES[number]][1]))).convert("RGB")
        picture = ImageOps.contain(picture, TILE, Image.Resampling.LANCZOS)
        row, column = divmod(i, 3)
        left, top = column * (TILE[0] + 10) + 5, row * (TILE[1] + 10) + 5
        canvas.paste(picture, (left + (TILE[0] - picture.width) // 2, top + (TILE[1] - picture.height) // 2))
    canvas.quantize(64).save(HERE / "overview.png", optimize=True)


def start(lesson: Lesson) -> str:
    """Return how to start, in a list."""
    repository, *_ = course.published()
    if not is_published():
        return "- **on your laptop**: unpack the course, then `make lab` in its folder."
    to = course.addresses(f"notebooks/{lesson.name}.ipynb")
    return "\n".join([
        f"- in [Colab]({to['Colab']}) or [Binder]({to['Binder']}), without an installation;",
        f"- **on your laptop**: `git clone {repository}`, then `make lab` in its folder.",
    ])  # fmt: skip


def figures(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Return the figures of a notebook: alternative text, and the PNG in base64."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    found = (FIGURE.fullmatch(output.get("data", {}).get("text/html", "")) for output in outputs)
    return [match.groups() for match in found if match]


def write_pages(lessons: list[Lesson], repository: str) -> None:
    """Write the pages on results, notation, words and licences."""
    (SOURCE / "results.md").write_text(read("RESULTS.md"), encoding="utf-8")
    text = "\n\n".join(cell.source for cell in course.read_notebook(lessons[0].notebook("notebooks")).cells)
    notation = text.partition("## Notation\n")[2].partition("\n## ")[0]
    (SOURCE / "notation.md").write_text(f"# Notation\n{notation}", encoding="utf-8")
    names = {lesson.name[:2]: lesson.name for lesson in lessons}
    glossary = (SOURCE / "glossary.md").read_text(encoding="utf-8")
    glossary = re.sub(
        r"{l}`(\d\d)`", lambda match: f"[{match[1]}](notebooks/{names[match[1]]}.ipynb)", glossary
    )
    (SOURCE / "glossary.md").write_text(glossary, encoding="utf-8")
    course_text, data_text = read("README.md").partition("## Licences\n")[2], read("data/README.md")
    licences = (
        f"# Licences\n{_lead(OWN, course_text, repository)}\n#{_lead(OWN, data_text, f'{repository}/data')}"
    )
    (SOURCE / "licences.md").write_text(licences, encoding="utf-8")


def _lead(relative: str, text: str, folder: str) -> str:
    """Let links that begin with ``relative`` lead into a folder of the repository, if there is one."""
    to = rf"[\1]({folder}/\2)" if is_published() else r"\1"
    return re.sub(rf"\[([^]]*)\]\({relative}([^)]*)\)", to, text)


def read(name: str) -> str:
    """Return the text of one of the course's documents."""
    return (course.ROOT / name).read_text(encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Build the site; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__.split("\n")[0])
    parser.add_argument("--overview", action="store_true", help="draw site/overview.png")
    options = parser.parse_args(arguments)
    try:
        if options.overview:
            overview()
            return 0
        prepare()
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-j", "2", "-W", "--keep-going", SOURCE, SITE]
    status = subprocess.run(command, cwd=course.ROOT, check=False).returncode
    if status == 0:
        print(f"Open {SITE / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
