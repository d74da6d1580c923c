"""Set limits on this very process, then become the kernel: the first program inside a sandbox.

It is passed as text (``python -I -S -c TEXT SETTINGS PROGRAM ...``), so that the sandbox needs no
file of the grader, and uses the standard library only. Without a program it keeps the sandbox open
for a kernel that :mod:`forkserver` puts into it, until its standard input closes.
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
READY = b"ready\n"


def main() -> None:
    """Apply the settings (a JSON object) of the first argument and execute the others."""
    settings, program = json.loads(sys.argv[1]), sys.argv[2:]
    apply(settings)
    if program:
        os.execv(program[0], program)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what loses its parent becomes this one's child
    os.write(1, READY)
    os.read(0, 1)


def apply(settings: dict) -> None:
    """Set the limits, become the user and enter the folder of ``settings``; give up every right."""
    for name, value in settings["limits"].items():
        kind = getattr(resource, name, None)
        if kind is None:  # macOS has no RLIMIT_NPROC in some Pythons
            continue
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):  # macOS refuses RLIMIT_AS; what is not limited is said by the grader
            continue
    if settings["user"] is not None:
        os.setgroups([])
        os.setgid(settings["user"])
        os.setuid(settings["user"])
    if sys.platform == "linux":
        end_with_parent()  # after setuid, which clears it
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.environ.pop("JPY_PARENT_PID", None)  # a number of another process namespace
    os.chdir(settings["folder"])


def end_with_parent() -> None:
    """Have Linux kill this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main()
