"""A student pulls the course with its own link, works, pulls again and hands in; an instructor collects.

``make test-hub`` makes the environment. All is on 127.0.0.1: the link's repository is a folder here.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import nbformat
import pytest

from nnlabs import doctor

pytest.importorskip("jupyterhub", reason="make test-hub makes an environment with JupyterHub")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = doctor.chromium()
if CHROMIUM is None:
    pytest.skip("the hub's test needs a Chromium", allow_module_level=True)
ROOT = Path(__file__).parents[2]
LAB, MINE, TOKEN = "01_neurons", "https://github.com/ada/networks", "of-these-tests"
HUB = """\
c.JupyterHub.bind_url, c.JupyterHub.hub_bind_url, c.ConfigurableHTTPProxy.api_url = {addresses}
c.ConfigurableHTTPProxy.command = "{prefix}/node_modules/.bin/configurable-http-proxy"
c.JupyterHub.authenticator_class, c.JupyterHub.spawner_class = "dummy", "simple"
c.Authenticator.allowed_users = {{"ann", "teacher"}}
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.args = ["--allow-root"]
c.Spawner.environment = {{"JUPYTER_CONFIG_PATH": "{folder}"}}
c.JupyterHub.services = [{{"name": "tests", "api_token": "{token}", "admin": True}}]
"""
NBGRADER = """\
c.CourseDirectory.course_id = "networks"
c.CourseDirectory.root = "{folder}/teacher/course"
c.CourseDirectory.student_id = "ann"  # of the system, all users here are one
c.CourseDirectory.ignore.append("progress.*")
c.Exchange.root = "{folder}/exchange"
"""
COMMIT = "git init -qb main && git add . && git -c user.name=Ada -c user.email=ada@example.org commit -qm ."


def until(so):
    """Wait until something is so, however slow the machine; what cannot be asked yet is not."""
    for _ in range(400):
        with suppress(OSError):
            if so():
                return
        time.sleep(0.5)
    raise TimeoutError


def ask(address, method="POST", **body):
    data = json.dumps(body).encode() if method != "GET" else None
    return urlopen(Request(address, data, {"Authorization": f"token {TOKEN}"}, method=method)).read()


@pytest.fixture
def hub(tmp_path):
    """The address of a hub that starts; the published course and the users' homes are in ``tmp_path``."""
    with ExitStack() as stack:
        free = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        addresses = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in free]
    others = shutil.ignore_patterns(".*", "build", "dist", "networks", "photos", "0[2-9]*", "1*")
    course = shutil.copytree(ROOT, tmp_path / "repository", ignore=others)
    publish = f"{sys.executable} -m tools.publish {MINE} --hub {addresses[0]}"
    subprocess.run(f"{publish} && {COMMIT}", shell=True, cwd=course, check=True)
    values = {"folder": tmp_path, "addresses": addresses, "prefix": sys.prefix, "token": TOKEN}
    (tmp_path / "jupyterhub_config.py").write_text(HUB.format(**values))
    (tmp_path / "nbgrader_config.py").write_text(NBGRADER.format(**values))
    for name in ("exchange", "ann"):
        (tmp_path / name).mkdir()
    (tmp_path / "ann" / ".gitconfig").write_text(f'[url "file://{course}"]\ninsteadOf = {MINE}\n')
    source = shutil.copytree(course / "solutions", tmp_path / "teacher" / "course" / "source" / LAB)
    (source / "progress.txt").write_text("neurons.softplus")  # what the teacher has passed
    environment = os.environ | {"PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}
    with subprocess.Popen([f"{sys.prefix}/bin/jupyterhub"], cwd=tmp_path, env=environment) as server:
        yield addresses[0]
        server.terminate()


def test_pull_work_pull_again_hand_in_collect(hub, tmp_path):
    published, mine = (tmp_path / name / "labs" / f"{LAB}.ipynb" for name in ("repository", "ann/networks"))
    right = {c.id: c.source for c in nbformat.read(ROOT / "solutions" / mine.name, 4).cells}["sigmoid"]
    link = re.search(r"\[JupyterHub\]\((.*?)\)", published.read_text())[1]
    until(lambda: urlopen(f"{hub}/hub/api"))
    with playwright.sync_playwright() as p:
        page = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]).new_page()
        page.set_default_timeout(200_000)
        idle = page.get_by_text(re.compile(r"\| Idle"))
        page.goto(link)
        page.get_by_label("Username").fill("ann")
        page.locator("#login_submit").click()
        idle.wait_for()
        notebook = nbformat.read(mine, 4)
        next(c for c in notebook.cells if c.id == "sigmoid").source = right
        nbformat.write(notebook, mine)
        page.goto(f"{hub}/user/ann/lab/tree/networks/labs/{mine.name}?reset")
        idle.wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        until(lambda: page.keyboard.press("Control+s") or "1 of 8 exercises passed" in mine.read_text())

        published.write_text(published.read_text().replace('"# ', '"# Second edition: ', 1))
        shutil.copy(published, published.with_name("new.ipynb"))
        subprocess.run(COMMIT, shell=True, cwd=tmp_path / "repository", check=True)
        page.goto(link)
        until(mine.with_name("new.ipynb").is_file)
    nbformat.validate(merged := nbformat.read(mine, 4))
    assert merged.cells[0].source.startswith("# Second edition: ")
    assert right in [cell.source for cell in merged.cells]

    ask(f"{hub}/hub/api/users/teacher/server")
    formgrader, ann = f"{hub}/user/teacher/formgrader", f"{hub}/user/ann/assignments"
    lab, grade = f"{formgrader}/api/assignment/{LAB}", f"{formgrader}/api/submission/{LAB}/ann/autograde"
    until(lambda: ask(lab, "PUT"))
    for step in (f"{lab}/assign", f"{lab}/release", f"{ann}/fetch", f"{ann}/submit", f"{lab}/collect", grade):
        told = json.loads(ask(step, course_id="networks", assignment_id=LAB))
        assert told["success"], told
        if step == f"{ann}/fetch":
            assert [path.name for path in (tmp_path / "ann" / LAB).iterdir()] == [mine.name]
            shutil.copy(mine, tmp_path / "ann" / LAB)
    assert b"Manage Submissions" in ask(f"{formgrader}/manage_submissions/{LAB}", "GET")
    (listed,) = json.loads(ask(f"{formgrader}/api/submissions/{LAB}", "GET"))
    assert (listed["student"], listed["score"]) == ("ann", 2)
