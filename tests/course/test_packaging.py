"""The package as users get it: it carries the data, and Colab keeps its own packages."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nnlabs
from tools import course

ROOT = Path(__file__).parents[2]
COLAB = ROOT / "requirements" / "colab.txt"
COLAB_PYTHON = {"python_version": "3.13", "extra": ""}
NEW_IN_COLAB = {"anywidget", "psygnal"}  # small, and installed with nnlabs
# Without what would show the checkout or cut pip's own connections.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def pins(path):
    """Return the exact versions that a requirements file names."""
    return dict(re.findall(r"^([\w-]+)==([^;\s]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_every_dependency_accepts_colabs_version():
    colab = pins(COLAB)
    found = [Requirement(line) for line in requires("nnlabs")]
    needed = [r for r in found if r.marker is None or r.marker.evaluate(COLAB_PYTHON)]  # without extras
    assert {r.name for r in needed} - NEW_IN_COLAB <= set(colab), "Colab would have to install more"
    for requirement in needed:
        if requirement.name not in NEW_IN_COLAB:
            assert requirement.specifier.contains(colab[requirement.name]), requirement


def test_pip_would_change_nothing_that_colab_has(tmp_path):
    try:
        here = {name: version(name) for name in pins(COLAB)}
    except PackageNotFoundError:
        here = {}
    if here != pins(COLAB):
        pytest.skip("this is not Colab's environment: make test-colab")
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-build-isolation"]
    subprocess.run([*pip, "--report", str(report), str(ROOT)], check=True, env=ENVIRONMENT)
    installs = json.loads(report.read_text())["install"]
    assert {item["metadata"]["name"] for item in installs} <= {"nnlabs"} | NEW_IN_COLAB


def test_versions_are_bounded_and_locked():
    lock = pins(ROOT / "requirements" / "lock.txt")
    for requirement in map(Requirement, requires("nnlabs")):
        if requirement.name != "nnlabs":
            assert requirement.specifier, f"{requirement.name} has no bound"
            if "extra" not in str(requirement.marker):  # these also come without the lock, as in Colab
                assert "<" in str(requirement.specifier), f"{requirement.name} has no upper bound"
            assert requirement.name.lower() in {name.lower() for name in lock}, requirement.name


ALL_OF_IT = """\
import importlib, pkgutil, nnlabs
from nnlabs import data

for module in pkgutil.walk_packages(nnlabs.__path__, "nnlabs."):
    importlib.import_module(module.name)
print(data.DATA_DIR, set(data.verify().values()))
"""


def test_the_package_is_whole_outside_of_a_checkout(tmp_path):
    """As pip installs it: every module can be imported, the data that ships is in it, and no test."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("the build backend is not in this environment")
    package, folder = tmp_path / "package", tmp_path / "folder"
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", package, ROOT], check=True, env=ENVIRONMENT)
    assert {path.name for path in package.iterdir()} == {"nnlabs", f"nnlabs-{nnlabs.__version__}.dist-info"}
    assert not list((package / "nnlabs" / "_data").rglob("*.py*"))
    python = [sys.executable, "-c", ALL_OF_IT]
    environment = ENVIRONMENT | {"PYTHONPATH": str(package)}
    done = subprocess.run(python, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{package / 'nnlabs' / '_data'} {{'ok'}}\n", done.stderr


def test_the_readme_tells_every_make_target_without_make():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE):
        assert f"`make {target}" in readme, target
    assert course.published()[0] in readme
    for module in re.findall(r"python -m ((?:tools|nnlabs)\.\w+)", makefile):
        assert f"python -m {module}" in readme, module
        assert importlib.util.find_spec(module)
