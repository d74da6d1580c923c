"""The guard that cuts the network works, so that a green notebook proves it needs none."""

import subprocess
import sys

import pytest


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "attempt",
    [
        "import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))",
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
