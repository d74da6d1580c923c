"""grading/README.md: its commands run, in order, in a copy of the course; what it names is there.

A code block marked ``sh`` is run. Those marked ``sh install`` and ``sh container`` (they download) and
``sh browser`` (they open one) are looked at: the programs and files that they name are there.
"""

import csv
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "grading" / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    (kind, textwrap.dedent(code).strip())
    for kind, code in re.findall(r"^ *```([^\n]+)\n(.*?)^ *```$", GUIDE, flags=re.MULTILINE | re.DOTALL)
]
COPIED = (
    "lessons",
    "labs",
    "notebooks",
    "solutions",
    "tools",
    "grading",
    "tests",
    "requirements",
    "LICENSES",
)
COPIED += ("LICENSE", "pyproject.toml", "requirements.txt")


def needs(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not in this environment")


def _not_needed(folder, names):
    """Leave out compiled files, and the notebooks of the other lessons."""
    return [n for n in names if n == "__pycache__" or (n.endswith(".ipynb") and not n.startswith("01_"))]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a copy of the course, so that no results of a real class are touched."""
    root = tmp_path_factory.mktemp("guide") / "nnlabs"
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=_not_needed)
        else:
            shutil.copyfile(ROOT / name, root / name)
    for name in ("data", "nnlabs"):  # no command writes there; and nnlabs is installed from there
        (root / name).symlink_to(ROOT / name)
    return root


def run(code, course):
    """Run lines of a shell in the course's folder; each must succeed."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = os.pathsep.join([str(course), environment.get("PYTHONPATH", "")])
    finished = subprocess.run(
        ["bash", "-e", "-c", code],
        cwd=course,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, f"{code}\n{finished.stdout[-2000:]}\n{finished.stderr[-2000:]}"
    return finished.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="grading needs Linux or macOS")
def test_every_command_runs_in_the_order_of_the_guide(course):
    needs("nbgrader", "jupytext")
    said = {}
    changed = True
    for kind, code in BLOCKS:
        if kind == "sh" and (changed or code not in said):  # not twice for the same result
            said[code] = run(code, course)
            changed = changed and "-m grading 01" not in code
        elif kind == "python" and "Gradebook" in code:
            run(f"python - <<'EOF'\n{code}\nEOF", course)
            changed = True
    results = course / "build" / "grading" / "01_neurons"
    with (results / "grades.csv").open(encoding="utf-8-sig") as stream:
        students = {row["student"]: row for row in csv.DictReader(stream)}
    assert students["ann"]["total"] == "0"
    assert students["ben"]["xor-friends"] == "2.5", "points by hand are taken over"
    assert students["ben"]["total"] == "18.5"
    assert (results / "report.html").is_file()
    assert (results / "feedback" / "ann" / "01_neurons" / "01_neurons.html").is_file()
    assert "0 graded, 2 unchanged" in said["python -m grading 01 build/try"]
    assert "no solutions" in said["python -m grading.release 01 --without-checks"]
    assert "Points so far: 16 of 19" in said["python -m grading.handin build/try/ben_01_neurons.ipynb"]
    assert (course / "build" / "release" / "01_neurons.zip").is_file()


def test_the_guides_hidden_test_is_in_the_solution_and_not_in_the_lab(course):
    needs("nbgrader", "jupytext")
    (example,) = [code for kind, code in BLOCKS if kind == "python" and "HIDDEN" in code]
    lab = course / "lessons" / "01_neurons" / "lab.py"
    before = lab.read_text(encoding="utf-8")
    check = example.splitlines()[0]
    assert check in before
    assert "python -m tools.build 01" in GUIDE
    lab.write_text(before.replace(check, example, 1), encoding="utf-8")
    try:
        run("python -m tools.build --draft 01", course)
        texts = {
            folder: "\n".join(
                cell.source
                for cell in nbformat.read(course / folder / "01_neurons.ipynb", as_version=4).cells
            )
            for folder in ("labs", "solutions")
        }
        assert example in texts["solutions"]
        assert "0.9526" not in texts["labs"]
        assert check in texts["labs"]
        start = "import numpy as np\nsigmoid = lambda x: 1 / (1 + np.exp(-x))\n"
        exec(compile(start + example.removeprefix(check), "the guide's hidden test", "exec"), {})
    finally:
        lab.write_text(before, encoding="utf-8")


def test_commands_that_install_or_open_a_browser_name_what_is_there():
    looked = [
        line for kind, code in BLOCKS if kind in ("sh install", "sh browser") for line in code.splitlines()
    ]
    assert len(looked) >= 6
    for line in looked:
        words = shlex.split(line)
        if "-r" in words:
            assert (ROOT / words[words.index("-r") + 1]).is_file()
        if words[:2] == ["git", "clone"]:
            assert words[2] in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert {kind for kind, _ in BLOCKS} == {"sh", "sh install", "sh browser", "sh container", "python"}
    (container,) = [code for kind, code in BLOCKS if kind == "sh container"]
    assert f"#   {container}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    needs("nbgrader", "jupyterlab")
    assert "python -m jupyter lab" in looked
    assert importlib.util.find_spec("nbgrader.server_extensions.formgrader")


def test_options_of_the_guide_are_options_of_the_command():
    needs("nbgrader", "jupytext")
    command = [sys.executable, "-m", "grading", "--help"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    table = GUIDE.partition("| option | meaning |")[2].partition("\n\n")[0]
    options = re.findall(r"`(--\w+)`", table)
    assert len(options) >= 6
    for option in options:
        assert option in told, option


def test_files_and_modules_of_the_guide_are_there():
    for target in re.findall(r"\]\(([\w./]+)\)", GUIDE):
        assert (ROOT / "grading" / target).is_file(), target
    for path in re.findall(
        r"`((?:lessons|labs|solutions|nnlabs|tests|requirements)/[\w./-]*|Dockerfile)`", GUIDE
    ):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:tools|grading)[.\w]*)", GUIDE):
        assert importlib.util.find_spec(module), module


def test_make_does_what_the_table_says(tmp_path):
    """Ask make what it would run; ``-o`` takes the environments as they are."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    rows = re.findall(r"^\| `(make [^`]+)` \| `python -m ([^`]+)` \|", GUIDE, flags=re.MULTILINE)
    assert len(rows) == 4
    for target, module in rows:
        dry = [*shlex.split(target), "--dry-run", "-o", ".venv/dev", "-o", ".venv/student"]
        said = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=False)
        recipe = " ".join(shlex.split(said.stdout))
        assert f"python -m {module}" in recipe, f"{target}: {recipe}{said.stderr}"
