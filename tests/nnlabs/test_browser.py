"""The drawing pad in a real browser: JupyterLab, its kernel, and a mouse.

It needs Playwright (``pip install playwright``) and a Chromium on the machine, and is skipped without.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import nbformat
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs Playwright")
pytest.importorskip("jupyterlab")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("the browser test needs a Chromium", allow_module_level=True)

PATIENCE = 600  # seconds: a busy machine may take long, and nothing here waits for what does not come
playwright.expect.set_options(timeout=1000 * PATIENCE)

PAD = """\
import numpy as np
from nnlabs import data, widgets

def more_ink_to_the_left(pictures):
    left = pictures[:, :, :14].sum((1, 2)) > pictures[:, :, 14:].sum((1, 2))
    return np.eye(10)[np.where(left, 3, 7)]

widgets.digit_pad(more_ink_to_the_left, data.mnist().x_test[0])"""


@pytest.fixture
def page(tmp_path):
    """A browser at a JupyterLab that serves a folder with one notebook, `pad.ipynb`."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAD)])
    notebook.metadata.kernelspec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, tmp_path / "pad.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"JUPYTER_PREFER_ENV_PATH": "1", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "jupyterlab", *options, f"--notebook-dir={tmp_path}"]
    server = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                urlopen(f"{address}/api").close()
                break
            except OSError:
                time.sleep(0.5)
        with playwright.sync_playwright() as p:
            browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 1000})
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(f"{address}/lab/tree/pad.ipynb")
            yield page
            browser.close()
    finally:
        server.terminate()
        server.wait(PATIENCE)


def test_the_network_answers_to_the_mouse(page):
    page.locator(".jp-Cell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
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
    page.get_by_role("button", name="Clear").click()
    playwright.expect(answer).to_have_text("Draw a digit with the mouse.")
    draw((0.2, 0.2), (0.7, 0.2), (0.7, 0.8))  # a 7
    playwright.expect(answer).to_have_text(re.compile("answers 7"))
    page.get_by_role("button", name="Show the example").click()
    playwright.expect(answer).to_have_text(re.compile("answers"))
