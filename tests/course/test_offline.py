"""The guard that cuts the network works, so that a green notebook proves it needs none."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
OPEN = "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "attempt",
    [
        "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendmsg([b''], [], 0, ('192.0.2.1', 53))",
        "import socket; socket.gethostbyname('example.org')",
    ],
)
def test_a_connection_fails_even_if_exceptions_are_swallowed(attempt):
    code = f"try:\n    {attempt}\nexcept Exception:\n    pass\n"
    finished = run(code)
    assert finished.returncode != 0
    assert "NetworkUsedError" in finished.stderr


def test_the_loopback_is_free():
    code = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\n"
    )
    assert run(code).returncode == 0


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("import socket; socket.create_server(('127.0.0.1', 0)).close()", 0),
        (OPEN, 1),
        (f"try:\n    {OPEN}\nexcept Exception:\n    pass", 1),
        (
            "import threading, time\n"
            f"def load():\n    {OPEN}\n"
            "threading.Thread(target=load).start()\ntime.sleep(300)",
            1,
        ),
    ],
)
def test_a_connection_fails_the_cell_of_a_notebook(cell, status, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbformat.write(notebook, tmp_path / "cell.ipynb")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-q", "cell.ipynb"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == status, finished.stdout
