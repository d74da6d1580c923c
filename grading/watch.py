"""What the processes of a sandbox use, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """What a process and all that came from it use."""

    seconds: float = 0.0  # of the processor, with those that have ended
    memory: int = 0
    largest: int = 0  # memory of one of them
    processes: int = 0


def usage(process: int) -> Usage:
    """Return what a process and all below it use."""
    seconds, sizes = 0.0, [0]
    for one in family(process):
        with suppress(psutil.Error), one.oneshot():
            seconds += sum(one.cpu_times()[:4])  # its own, and that of children that have ended
            sizes.append(one.memory_info().rss)
    return Usage(seconds, sum(sizes), max(sizes), len(sizes) - 1)


def family(process: int) -> list[psutil.Process]:
    """Return the process and all that come from it."""
    with suppress(psutil.Error):
        first = psutil.Process(process)
        return [first, *first.children(recursive=True)]
    return []


def end(process: int, user: int | None) -> None:
    """Kill the process and all that came from it, and all of a user who has nothing else."""
    victims = family(process)
    with suppress(OSError):
        os.killpg(process, signal.SIGKILL)
    for victim in victims:
        with suppress(psutil.Error):
            victim.kill()
    if user is not None:  # Linux kills all of a user's processes at once; a list is old when it is used
        kill = ["sh", "-c", "kill -s KILL -- -1"]
        subprocess.run(kill, user=user, group=user, extra_groups=[], check=False)


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
