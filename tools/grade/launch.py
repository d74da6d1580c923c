"""Set limits on this very process, then become the kernel: the first program inside a sandbox.

It is passed as text (``python -I -S -c TEXT SETTINGS PROGRAM ...``), so that the sandbox needs no
file of the grader, and uses the standard library only.
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def main() -> None:
    """Apply the settings (a JSON object) of the first argument and execute the others."""
    settings, program = json.loads(sys.argv[1]), sys.argv[2:]
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
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after setuid, which clears it
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.environ.pop("JPY_PARENT_PID", None)  # a number of another process namespace
    os.chdir(settings["folder"])
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
