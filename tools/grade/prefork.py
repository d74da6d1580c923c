"""The grader's side of :mod:`forkserver`: start it, have it fork a kernel, see how that does."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path

SERVER = Path(__file__).with_name("forkserver.py")
IMPORT_SECONDS = 180  # TensorFlow on a cold, busy disk


class ForkError(OSError):
    """No kernel can be forked here."""


class ForkServer:
    """A process that has imported some libraries and forks kernels, one at a time.

    Parameters
    ----------
    imports
        Import statements.
    environment
        All variables that the process gets; what the libraries print goes into a file in its ``HOME``.

    Raises
    ------
    ForkError
        It does not start, or a library runs threads, which a fork would lose.
    """

    def __init__(self, imports: tuple[str, ...], environment: dict[str, str]) -> None:
        self.pipe, there = Pipe()
        number = there.fileno()
        command = [*python_out_of_reach(), str(SERVER), str(number), json.dumps(imports)]
        with Path(environment["HOME"], "libraries.log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                pass_fds=[number],
            )
        there.close()
        self.last: Forked | None = None
        threads = self.answer("threads", IMPORT_SECONDS)
        if threads != 1:
            self.close()
            raise ForkError(f"the libraries run {threads} threads" if threads else "the server did not start")

    def fork(self, request: dict, log: int) -> Forked:
        """Start a kernel that writes into the open file ``log``; the one before is ended if it still runs."""
        if self.last is not None and self.last.poll() is None:
            self.last.kill()
            self.last.wait()
        with suppress(OSError):  # it has ended: no answer comes
            self.pipe.send_bytes(json.dumps(request).encode())
            send_handle(self.pipe, log, self.process.pid)
        process = self.answer("process", IMPORT_SECONDS)
        if process is None:
            self.close()
            raise ForkError("the process that forks kernels has ended")
        self.last = Forked(process, self)
        return self.last

    def run(self, request: dict, seconds: float) -> tuple[int, str]:
        """Run a program to its end; return its exit status and what it printed.

        Raises
        ------
        subprocess.TimeoutExpired
            It takes longer.
        """
        with tempfile.TemporaryFile() as log:
            status = self.fork(request, log.fileno()).wait(seconds)
            log.seek(0)
            return status, log.read().decode()

    def answer(self, name: str, seconds: float) -> int | None:
        """Return the number of that name if it comes in time; None if it does not, or the server ended."""
        with suppress(EOFError, OSError):
            if self.pipe.poll(seconds):
                return json.loads(self.pipe.recv_bytes())[name]
        return None

    def is_alive(self) -> bool:
        """Tell whether the server runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it; its kernel dies with it."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


_servers: dict[tuple[str, ...], ForkServer | None] = {}


def server(imports: tuple[str, ...], environment: dict[str, str]) -> ForkServer | None:
    """Return this process's server for these imports, started if need be; None if none can be."""
    known = _servers.get(imports)
    if imports not in _servers or (known is not None and not known.is_alive()):
        try:
            _servers[imports] = ForkServer(imports, environment)
        except ForkError as error:
            logging.getLogger("traitlets").warning("Each kernel starts anew: %s.", error)
            _servers[imports] = None
    return _servers[imports]


@dataclass
class Forked:
    """A kernel that a server forked, with what Jupyter uses of :class:`subprocess.Popen`."""

    pid: int  # of the process that waits for it, from which sandbox and kernel come
    server: ForkServer
    returncode: int | None = None
    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        if self.returncode is None:
            alive = self.server.is_alive()  # asked before: a status may be its last word
            self.returncode = self.server.answer("status", 0)
            if self.returncode is None and not alive:
                self.returncode = -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Wait until it ends, and raise :class:`subprocess.TimeoutExpired` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked kernel", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process that waits for the kernel."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    terminate = kill


def python_out_of_reach() -> list[str]:
    """Return a command that executes Python by the system's loader.

    In a forked kernel ``/proc/self/exe`` leads past the sandbox to the file that was executed. With the
    loader it is root's file; a Python in the instructor's home could be changed through it.
    """
    with suppress(OSError), open("/proc/self/maps", encoding="utf-8") as maps:
        files = {line.split()[-1] for line in maps}
        loaders = [file for file in files if Path(file).name.startswith("ld-")]
        if len(loaders) == 1 and (os.getuid() == 0 or not _can_change(loaders[0])):
            return [loaders[0], "--argv0", sys.executable, os.path.realpath(sys.executable)]
    raise ForkError("the loader of programs is not known, or is this user's own")


def _can_change(file: str) -> bool:
    return os.stat(file).st_uid == os.getuid() or os.access(file, os.W_OK)
