"""The package as users get it: the wheel carries the data, and Colab keeps its own packages."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from tools import course

ROOT = Path(__file__).parents[2]
COLAB = ROOT / "requirements" / "colab.txt"
COLAB_PYTHON = {"python_version": "3.13", "extra": ""}
NEW_IN_COLAB = {"anywidget", "psygnal"}  # small, and installed with nnlabs


def pins(path):
    """Return the exact versions that a requirements file names."""
    lines = re.findall(r"^([\w-]+)==([^;\s]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(lines)


def dependencies():
    """Return what an install of nnlabs without extras needs."""
    found = [Requirement(line) for line in requires("nnlabs")]
    return [r for r in found if r.marker is None or r.marker.evaluate(COLAB_PYTHON)]


def clean_environment():
    """Return the environment without what would show the checkout or cut pip's own connections."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def test_every_dependency_accepts_colabs_version():
    colab = pins(COLAB)
    assert {r.name for r in dependencies()} - NEW_IN_COLAB <= set(colab), "Colab would have to install more"
    for requirement in dependencies():
        if requirement.name not in NEW_IN_COLAB:
            assert requirement.specifier.contains(colab[requirement.name]), requirement


def test_pip_would_change_nothing_that_colab_has(tmp_path):
    pinned = pins(COLAB)
    try:
        here = {name: version(name) for name in pinned}
    except PackageNotFoundError:
        here = {}
    if here != pinned:
        pytest.skip("this is not Colab's environment: make test-colab")
    report = tmp_path / "report.json"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-build-isolation"]
    subprocess.run([*pip, "--report", str(report), str(ROOT)], check=True, env=clean_environment())
    installs = json.loads(report.read_text())["install"]
    assert {item["metadata"]["name"] for item in installs} <= {"nnlabs"} | NEW_IN_COLAB


def test_versions_are_bounded_and_locked():
    lock = pins(ROOT / "requirements" / "lock.txt")
    extras = [Requirement(line) for line in requires("nnlabs")]
    for requirement in extras:
        if requirement.name != "nnlabs":
            assert requirement.specifier, f"{requirement.name} has no bound"
            if "extra" not in str(requirement.marker):  # these also come without the lock, as in Colab
                assert "<" in str(requirement.specifier), f"{requirement.name} has no upper bound"
            assert requirement.name.lower() in {name.lower() for name in lock}, requirement.name


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A Python in which nnlabs was installed from its wheel; the other packages are this environment's."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("the build backend is not in this environment")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    wheel_command = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(pip + wheel_command, check=True, env=clean_environment())
    (wheel,) = folder.glob("nnlabs-*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    paths = [
        subprocess.run(
            [str(executable), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for executable in (python, sys.executable)
    ]
    install = ["install", "--no-deps", "--target", paths[0], str(wheel)]
    subprocess.run(pip + install, check=True, env=clean_environment())
    # The kernel of just this Python; another one installed on the machine must not step in.
    kernel = folder / "venv" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    # A plain path adds the packages; the editable install's own .pth file there is not followed.
    Path(paths[0], "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_package_and_data_but_no_tests(installed):
    code = (
        "import nnlabs, nnlabs.data as d; print(nnlabs.__file__); print(set(d.verify().values()));"
        "print([path.name for path in d.DATA_DIR.rglob('*.py')])"
    )
    finished = subprocess.run(
        [str(installed), "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment(),
        cwd=installed.parent,
    )
    file, states, programs = finished.stdout.splitlines()
    assert str(ROOT) not in file
    assert (states, programs) == ("{'ok'}", "[]")


def test_a_notebook_runs_in_an_empty_folder_from_the_wheel_offline(installed, tmp_path):
    copy = nbformat.read(ROOT / "solutions" / "02_multilayer_perceptron.ipynb", as_version=4)
    copy.cells.append(nbformat.v4.new_code_cell("import nnlabs; print('HELPER', nnlabs.__file__)"))
    nbformat.write(copy, tmp_path / "notebook.ipynb")
    convert = [str(installed), "-m", "nbconvert", "--to", "notebook", "--execute", "notebook.ipynb"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "tests" / "offline"),
        "NNLABS_BUDGET": "smoke",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    subprocess.run([*convert, "--output", "executed.ipynb"], check=True, cwd=tmp_path, env=environment)
    executed = (tmp_path / "executed.ipynb").read_text(encoding="utf-8")
    assert "budget: smoke" in executed
    assert f"HELPER {installed.parent.parent}" in executed


def test_the_readme_tells_every_make_target_without_make():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE):
        assert f"`make {target}" in readme, target
    assert course.Publication.read().repository in readme
    for module in re.findall(r"python -m ((?:tools|nnlabs)\.\w+)", makefile):
        assert f"python -m {module}" in readme, module
        assert importlib.util.find_spec(module)
