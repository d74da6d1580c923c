"""Loaded by every Python that the tests start: a connection beyond this machine raises at once.

Python reads this file at start-up because ``conftest.py`` puts its folder on ``PYTHONPATH``.
An audit hook cannot be removed, and no ``except Exception`` hides what it raises.
"""

import sys


class NetworkUsedError(BaseException):
    """Something tried to leave this machine; the course must run without a network."""


LOCAL_HOSTS = ("localhost", "::1", "0.0.0.0", "::", "")  # the last three: all of this machine's interfaces


def _refuse_network(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]  # no tuple: a socket of this machine (AF_UNIX)
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in LOCAL_HOSTS and not host.startswith("127."):
        raise NetworkUsedError(f"a connection to {host!r} was attempted")


sys.addaudithook(_refuse_network)
