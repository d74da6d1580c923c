"""Loaded by every Python that the tests start: a connection beyond this machine raises at once.

Python reads this file at start-up because ``conftest.py`` puts its folder on ``PYTHONPATH``.
An audit hook cannot be removed, and no ``except Exception`` hides what it raises. Programs that
are not Python, such as ``curl`` in a shell command, are not covered.
"""

import _thread
import socket
import sys
import threading


class NetworkUsedError(BaseException):
    """Something tried to leave this machine; the course must run without a network."""


# This machine, by name, by the loopback and by all of its interfaces.
LOCAL_HOSTS = (socket.gethostname(), "localhost", "::1", "0.0.0.0", "::", "")


def _refuse_network(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        host = arguments[1][0]  # no tuple: a socket of this machine (AF_UNIX)
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is None or host in LOCAL_HOSTS or host.removeprefix("::ffff:").startswith("127."):
        return
    if threading.current_thread() is not threading.main_thread():
        _thread.interrupt_main()  # what a thread raises would not fail the cell
    raise NetworkUsedError(f"a connection to {host!r} was attempted")


sys.addaudithook(_refuse_network)
