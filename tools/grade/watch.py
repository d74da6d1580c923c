"""Watch what the processes of a sandbox use, and kill them when it is more than they may."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import zmq.asyncio

if TYPE_CHECKING:
    from tools.grade.execute import Run
    from tools.grade.sandbox import Sandbox

WATCH_EVERY = 0.2  # seconds
# Linux kills all of a user's processes at once for that user itself; a list of them is old when it is used.
KILL_USER = """
import os, signal, sys
user = int(sys.argv[1])
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
os.kill(-1, signal.SIGKILL)
"""


class Watch(threading.Thread):
    """Kill the sandbox when it uses more than it may."""

    def __init__(self, run: Run, process: int) -> None:
        super().__init__(daemon=True)
        self.run_, self.process = run, process
        self.ended = threading.Event()
        self.deadline = time.monotonic() + run.limits.seconds
        self.refused: zmq.Socket | None = None  # speaks when the kernel's outputs come no more
        self.closed = False

    def listen(self, channel: zmq.asyncio.Socket) -> None:
        """Be told when the connection for outputs closes, as it does after a message that is too large."""
        address = f"inproc://monitor-{id(channel)}"
        channel.monitor(address, zmq.EVENT_DISCONNECTED)
        self.refused = zmq.Context.shadow(channel.context.underlying).socket(zmq.PAIR)
        self.refused.connect(address)

    def run(self) -> None:
        """Look at the processes and the scratch folder until told to end."""
        try:
            while not self.ended.wait(WATCH_EVERY):
                reason = self.look()
                if reason:
                    self.stop(reason)
                    break
        finally:
            if self.refused is not None:  # open, it would keep the grader from going on
                self.refused.close(0)

    def look(self) -> str:
        """Return which limit is exceeded, or nothing."""
        limits = self.run_.limits
        sizes: list[int] = []
        running = family(self.process)
        if self.run_.server is not None:  # the first one waits for the kernel, and is a copy of the server
            running = running[1:]
        for process in running:
            with suppress(psutil.Error):
                sizes.append(process.memory_info().rss)
        memory = sum(sizes)
        self.run_.memory = max(self.run_.memory, memory)
        # The connection also closes when the kernel ends by itself: then nothing is left a moment later.
        if self.closed and any(sizes):
            return "output"
        self.closed = self.refused is not None and bool(self.refused.poll(0))
        # Forked processes share memory that is counted for each: many small ones are no large one.
        if len(sizes) > limits.processes or (memory > limits.memory and max(sizes) < memory / 4):
            return "processes"
        if memory > limits.memory:
            return "memory"
        size = folder_size(self.run_.scratch, limits.disk)
        if size + unlinked_size(running) > limits.disk:
            return "disk"
        return "time" if time.monotonic() > self.deadline else ""

    def stop(self, reason: str) -> None:
        """Kill every process of the sandbox."""
        self.run_.stopped = self.run_.stopped or reason
        end(self.process, self.run_.sandbox)


def end(process: int, sandbox: Sandbox) -> None:
    """Kill the process, its group and all that came from it."""
    victims = family(process)
    with suppress(OSError):
        os.killpg(process, signal.SIGKILL)
    for victim in victims:
        with suppress(psutil.Error):
            victim.kill()
    user = sandbox.user()
    if user is not None and sandbox.kind == "none":
        # Also what has left the family: no namespace ends it.
        subprocess.run([sys.executable, "-I", "-S", "-c", KILL_USER, str(user)], check=False)


def family(process: int) -> list[psutil.Process]:
    """Return the process and all that come from it."""
    found, waiting = [], [process]
    while waiting:
        number = waiting.pop()
        with suppress(psutil.Error):
            found.append(psutil.Process(number))
            waiting += children(found[-1])
    return found


def children(process: psutil.Process) -> list[int]:
    """Return the processes that this one started; Linux keeps a list, elsewhere all are looked through."""
    tasks = Path("/proc", str(process.pid), "task")
    if not Path("/proc/self/task", str(os.getpid()), "children").exists():
        return [child.pid for child in process.children()]
    numbers: list[int] = []
    with suppress(OSError):
        for task in tasks.iterdir():
            with suppress(OSError):
                numbers += map(int, (task / "children").read_text().split())
    return numbers


def folder_size(folder: Path, enough: int) -> int:
    """Return the bytes in files below ``folder``; links are not followed, counting ends at ``enough``."""
    total, waiting = 0, [folder]
    while waiting and total <= enough:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    total += entry.stat(follow_symlinks=False).st_blocks * 512 + 256
    return total


def unlinked_size(processes: list[psutil.Process]) -> int:
    """Return the bytes in files that the processes hold open and that no folder lists any more."""
    found: dict[tuple[int, int], int] = {}
    for process in processes:
        with suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as entries:
            for entry in entries:
                with suppress(OSError):
                    state = os.stat(entry.path)
                    if stat.S_ISREG(state.st_mode) and state.st_nlink == 0:
                        found[state.st_dev, state.st_ino] = state.st_blocks * 512
    return sum(found.values())
