"""A notebook is executed again when something changes that its outputs depend on, and only then."""

import nbformat
import pytest

from tools import course, inputs

LOADERS = '''\
"""Loaders."""
import numpy as np
from nnlabs import files, colors as colours

SIZE: int = 3
NAMES = ("a", "b")
FOLDER, SUFFIX = "pictures/", ".png"


def load():
    """Load."""
    return files.read(SIZE)


def show():
    return FOLDER + SUFFIX


def unused():
    return NAMES, colours.BLUE
'''
FILES = (
    'def read(size):\n    return _cut("mnist.npz", size)\n\n\ndef _cut(name, size):\n    return name[:size]\n'
)
USE = "%matplotlib inline\nfrom nnlabs import loaders\nx = loaders.load()"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A small helper, its data and its lock: a folder, and the files in it."""
    monkeypatch.setattr(course, "ROOT", tmp_path)
    texts = {
        "nnlabs/__init__.py": 'import os\n\nos.environ.setdefault("STYLE", "plain")\n',
        "nnlabs/loaders.py": LOADERS,
        "nnlabs/files.py": FILES,
        "nnlabs/colors.py": "BLUE = 1\n",
        "nnlabs/other.py": "OTHER = 1\n",
        "nnlabs/checks/__init__.py": "",
        "nnlabs/checks/doubling.py": "def double(x):\n    return 2 * x\n",
        "data/SHA256SUMS": "1  mnist.npz\n2  pictures/cat.png\n",
        "requirements/lock.txt": "keras==3.0\njupyterlab==4.0\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(code=USE):
    return inputs.digest(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


COUNTS = [
    ("nnlabs/loaders.py", "files.read(SIZE)", "files.read(SIZE + 1)"),  # what is called
    ("nnlabs/loaders.py", "SIZE: int = 3", "SIZE: int = 4"),  # a constant of it
    ("nnlabs/files.py", "_cut(", "_cut(2 * "),  # what it calls in another module
    ("nnlabs/__init__.py", "plain", "bold"),  # what acts at import
    ("nnlabs/colors.py", "BLUE = 1", "BLUE = 1\nprint(BLUE)"),  # also in a module of a module
    ("data/SHA256SUMS", "1  mnist", "3  mnist"),
    ("requirements/lock.txt", "keras==3.0", "keras==3.1"),
]
DOES_NOT = [
    ("nnlabs/loaders.py", "return NAMES, colours.BLUE", "return NAMES"),
    ("nnlabs/loaders.py", '"""Loaders."""\nimport numpy', "# Loaders.\nimport os\nimport numpy"),
    ("nnlabs/loaders.py", "    return files", "\n    # the first ones\n    return  files"),
    ("nnlabs/colors.py", "BLUE = 1", "BLUE = 2"),
    ("nnlabs/other.py", "OTHER = 1", "OTHER = 2"),
    ("nnlabs/checks/doubling.py", "2 * x", "3 * x"),
    ("data/SHA256SUMS", "2  pictures", "3  pictures"),
    ("requirements/lock.txt", "jupyterlab==4.0", "jupyterlab==4.1"),
]


@pytest.mark.parametrize(("file", "old", "new"), COUNTS + DOES_NOT)
def test_what_the_notebook_uses_counts_and_nothing_else(house, file, old, new):
    before = digest()
    edit(house / file, old, new)
    assert (digest() != before) == ((file, old, new) in COUNTS)


def test_where_the_course_is_published_does_not_count(house):
    cells = [nbformat.v4.new_code_cell(code) for code in (f"{inputs.SETUP} %pip install nnlabs", USE)]
    assert inputs.digest(nbformat.v4.new_notebook(cells=cells)) == digest()


LOADED = ("nnlabs/files.py", "name[:size]", "name[size:]")


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("import nnlabs.loaders\nnnlabs.loaders.load()", LOADED),
        ("import nnlabs.loaders as n\nn.load()", LOADED),
        ("from nnlabs.loaders import load as l\nl()", LOADED),
        ("def late():\n    from nnlabs import loaders\n    return loaders.load()", LOADED),
        (USE.replace("load()", "show()"), ("data/SHA256SUMS", "2  pictures", "3  pictures")),  # a folder
        ("from nnlabs.checks import doubling as check", ("nnlabs/checks/doubling.py", "2 * x", "3 * x")),
    ],
)
def test_every_way_to_import_is_seen(house, code, changed):
    """Also a folder of data counts where it is named, and the checks of a lab as a whole."""
    file, old, new = changed
    before = digest(code)
    edit(house / file, old, new)
    assert digest(code) != before
