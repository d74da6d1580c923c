"""The course in a real browser: JupyterLab and Notebook, a mouse, a keyboard, what a screen reader hears.

It needs Playwright (``pip install playwright``) and a Chromium on the machine, and is skipped without.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest

from nnlabs import doctor

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright")
notebook = pytest.importorskip("notebook", reason="the browser tests need Notebook")
CHROMIUM = doctor.chromium()
if CHROMIUM is None:
    pytest.skip("the browser tests need a Chromium", allow_module_level=True)

ROOT = Path(__file__).parents[2]
CLASSIC = notebook.__version__.startswith("6.")  # as in Colab
PAGES = {"Notebook": "notebooks"} if CLASSIC else {"JupyterLab": "lab/tree", "Notebook": "notebooks"}
PAGE = next(iter(PAGES.values()))
CELL, EDITOR, OUTPUT, ERROR = (
    (".code_cell", ".CodeMirror-code", ".output_area", ".output_error")
    if CLASSIC
    else (".jp-CodeCell", ".cm-content", ".jp-OutputArea-output", "[data-mime-type$='jupyter.error']")
)
PATIENCE = 600  # seconds: a busy machine may take long, and nothing here waits for what does not come
playwright.expect.set_options(timeout=1000 * PATIENCE)

PAD = """\
import numpy as np
from nnlabs import data, widgets

def more_ink_to_the_left(pictures):
    left = pictures[:, :, :14].sum((1, 2)) > pictures[:, :, 14:].sum((1, 2))
    return np.eye(10)[np.where(left, 3, 7)]

widgets.digit_pad(more_ink_to_the_left, data.mnist().x_test[0])"""
SLIDERS = """\
import numpy as np
from nnlabs import widgets

widgets.sliders(lambda left: np.eye(8) * left / 7, left=(0, 7, "how bright"))"""
SETTINGS = {  # the whole notebook is in the page, not only what is seen; only the test saves
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "docmanager-extension/plugin": '{"autosave": false}',
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder that a Jupyter server serves, and its address."""
    folder = tmp_path_factory.mktemp("student")
    for name, setting in SETTINGS.items():
        file = folder / ".jupyter/lab/user-settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(setting)
    for name, code in {"pad": PAD, "sliders": SLIDERS}.items():
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        made.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(made, folder / f"{name}.ipynb")
    shutil.copy(ROOT / "notebooks" / "01_neurons.ipynb", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"JUPYTER_PREFER_ENV_PATH": "1", "HOME": str(folder), "USERPROFILE": str(folder)}
    token = "--NotebookApp.token=" if CLASSIC else "--IdentityProvider.token="
    options = [f"--port={port}", "--no-browser", "--allow-root", token, f"--notebook-dir={folder}"]
    command = [sys.executable, "-m", "notebook" if CLASSIC else "jupyterlab", *options]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                urlopen(f"{address}/api").close()
                break
            except OSError:
                time.sleep(0.5)
        yield folder, address
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture
def page():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        here = ("http://127.0.0.1", "file:", "data:", "blob:")
        page.route(lambda address: not address.startswith(here), lambda route: route.abort())
        yield page
        browser.close()


def idle(page):
    """Wait until the kernel is there: what is run before is lost."""
    if CLASSIC:
        page.locator(".kernel_idle_icon").wait_for()
    else:
        bar, toolbar = page.get_by_text(re.compile(r"\| Idle")), page.locator(".jp-NotebookKernelStatus-fade")
        bar.or_(toolbar).wait_for(state="attached")  # JupyterLab, Notebook


def run_first(page):
    idle(page)
    page.locator(EDITOR).first.click()
    page.keyboard.press("Shift+Enter")


def test_the_network_answers_to_the_mouse(page, home):
    page.goto(f"{home[1]}/{PAGE}/pad.ipynb?reset")
    run_first(page)
    pad = page.locator("canvas[aria-label^='Drawing pad']")
    pad.wait_for()
    answer = page.locator("p[aria-live=polite]")
    playwright.expect(answer).to_have_text("Draw a digit with the mouse.")

    def draw(*places):
        box = pad.bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=8)
        page.mouse.up()

    draw((0.3, 0.2), (0.3, 0.8), (0.8, 0.8))  # an L: the ink is on the left
    playwright.expect(answer).to_have_text(re.compile("answers 3, with probability 1.00"))
    page.get_by_role("button", name="Clear").press("Enter")
    playwright.expect(answer).to_have_text("Draw a digit with the mouse.")
    draw((0.2, 0.2), (0.7, 0.2), (0.7, 0.8))  # a 7
    playwright.expect(answer).to_have_text(re.compile("answers 7"))
    page.get_by_role("button", name="Show the example").press("Space")
    playwright.expect(answer).to_have_text(re.compile("answers"))


def test_a_slider_follows_the_keyboard_and_the_mouse(page, home):
    page.goto(f"{home[1]}/{PAGE}/sliders.ipynb?reset")
    run_first(page)
    handle = page.locator("[role=slider], .ui-slider-handle").first
    picture = page.get_by_alt_text(re.compile("Picture for left"))
    before = picture.get_attribute("alt")
    handle.focus()
    page.keyboard.press("ArrowRight")
    playwright.expect(picture).not_to_have_attribute("alt", before)
    before, box = picture.get_attribute("alt"), handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    playwright.expect(picture).not_to_have_attribute("alt", before)


def alternative_texts(path):
    outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", [])]
    texts = [o.get("data", {}).get("text/plain", "") for o in outputs]
    return [text.partition(": ")[2] for text in texts if re.match("(Figure|Animation): ", text)]


@pytest.mark.parametrize("front_end", [*PAGES, "HTML export"])
def test_a_screen_reader_hears_every_figure(page, home, front_end):
    lecture = home[0] / "01_neurons.ipynb"
    if front_end == "HTML export":
        export = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR", str(lecture)]
        subprocess.run(export, check=True)
        page.goto(lecture.with_suffix(".html").as_uri(), wait_until="domcontentloaded")
    else:
        page.goto(f"{home[1]}/{PAGES[front_end]}/01_neurons.ipynb?reset")
    texts = alternative_texts(lecture)
    assert len(texts) > 10
    for text in texts:
        page.get_by_role("img", name=text).first.wait_for(state="attached")


STUDENTS = {  # lab: exercise, a mistake in it, the hint
    "01_neurons": ("sigmoid", ("x >= 0", "x <= 0"), "look at the sign of x"),
    "02_multilayer_perceptron": ("to_keras", ('"softmax"', '"sigmoid"'), "the classes exclude each other"),
}


@pytest.mark.parametrize("lab", STUDENTS)
@pytest.mark.parametrize("front_end", PAGES)
def test_a_students_way_through_a_lab(page, home, front_end, lab):
    exercise, mistake, hint = STUDENTS[lab]
    path = home[0] / "labs" / front_end / f"{lab}.ipynb"  # a kernel of its own
    solution = nbformat.read(ROOT / "solutions" / f"{lab}.ipynb", 4)
    right = next(cell.source for cell in solution.cells if cell.id == exercise)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "labs" / path.name, path)
    page.goto(f"{home[1]}/{PAGES[front_end]}/labs/{front_end}/{lab}.ipynb?reset")
    idle(page)
    menu = ("#celllink", "#run_all_cells") if CLASSIC else ("text='Run'", "text='Run All Cells'")
    for entry in menu:
        page.locator(entry).first.click()
    playwright.expect(page.get_by_text(re.compile(r"\] 0 of \d exercises passed")).last).to_be_visible()
    assert page.locator(ERROR).count() == 0

    cell = page.locator(CELL, has=page.locator(EDITOR, has_text=f"def {exercise}("))
    for answer, told in ((right.replace(*mistake), hint), (right, f"{exercise}: passed.")):
        cell.locator(EDITOR).first.click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(answer)
        page.keyboard.press("Shift+Enter")  # the cell, then its check
        page.keyboard.press("Shift+Enter")
        playwright.expect(page.locator(OUTPUT, has_text=told).first).to_be_visible()
    assert f"{lab[3:]}.{exercise}" in (path.parent / "progress.txt").read_text()

    if CLASSIC:
        return  # Colab's packages have no nbgrader
    page.get_by_text("Validate", exact=True).click()  # saves first; after a save of ours it might ask
    dialog = page.get_by_role("dialog")
    playwright.expect(dialog).to_contain_text("not done yet")
    assert f"{exercise}: " not in dialog.inner_text()
    page.keyboard.press("Escape")
    handin = [sys.executable, "-m", "grading.handin", path]
    told = subprocess.run(handin, cwd=ROOT, capture_output=True, text=True)
    assert re.search(rf"^\W*{exercise}\b.*passed", told.stdout, flags=re.MULTILINE), told.stdout + told.stderr
