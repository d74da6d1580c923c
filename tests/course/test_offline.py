"""The guard that cuts the network works, so that a green notebook proves it needs none."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
OPEN = "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)"


@pytest.mark.parametrize(
    "attempt",
    [
        OPEN,
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendmsg([b''], [], 0, ('192.0.2.1', 53))",
        "import socket; socket.gethostbyname('example.org')",
    ],
)
def test_a_connection_fails_even_if_exceptions_are_swallowed(attempt):
    code = f"try:\n    {attempt}\nexcept Exception:\n    pass\n"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert "NetworkUsedError" in finished.stderr


CELLS = {
    "local": "import socket; socket.create_server(('127.0.0.1', 0)).close()",
    "swallowed": f"try:\n    {OPEN}\nexcept Exception:\n    pass",
    "thread": (
        "import threading, time\n"
        f"def load():\n    {OPEN}\n"
        "threading.Thread(target=load).start()\n"
        "for _ in range(3000):\n    time.sleep(0.1)"  # until the thread has interrupted it
    ),
}


def test_a_connection_fails_the_cell_of_a_notebook(tmp_path):
    for name, cell in CELLS.items():
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-q", "-rpf", "."]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    outcomes = set(re.findall(r"^(PASSED|FAILED) .*?(\w+)\.ipynb", finished.stdout, flags=re.MULTILINE))
    assert outcomes == {("PASSED" if n == "local" else "FAILED", n) for n in CELLS}, finished.stdout
