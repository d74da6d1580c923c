"""Where a student's kernel runs: in bubblewrap, or with limits only.

A sandbox shows what Python needs, read-only, and one folder to write to. In a container there is no
second sandbox: the container is one, and each submission gets a user of its own in it.
:meth:`Sandbox.gaps` says what is not isolated.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grading.session import MEGABYTE, Limits
from tools import course
from tools.course import CourseError

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu")
SYSTEM_FILES = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")  # in /etc
# Of the folder that Python is installed in, which may be anything: somebody's home, or this checkout.
PREFIX_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "share", "etc", "ssl", "pyvenv.cfg")
FIRST_USER, USERS = 210_000, 40_000  # ids that belong to nobody, for when the grader runs as root
KINDS = ("bubblewrap", "none")
TRIAL = "import zmq, nnlabs; open('written', 'w').write('it works'); print(open('written').read())"
# The first program in the sandbox: it limits itself, gives up every right and becomes the kernel. It is
# passed as text, so that the sandbox needs no file of the grader.
LAUNCH = """
import ctypes, json, os, resource, signal, sys
settings = json.loads(sys.argv[1])
for name, value in settings["limits"].items():
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (AttributeError, OSError, ValueError):  # lower already, or macOS, which has not all of them
        pass
if settings["user"] is not None:
    os.setgroups([])
    os.setgid(settings["user"])
    os.setuid(settings["user"])
if sys.platform == "linux":
    prctl = ctypes.CDLL(None).prctl
    prctl(1, signal.SIGKILL, 0, 0, 0)  # end with the parent; after setuid, which clears it
    prctl(38, 1, 0, 0, 0)  # no program gives new rights
os.environ.pop("JPY_PARENT_PID", None)  # a number of another process namespace
os.chdir(settings["folder"])
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Sandbox:
    """A way to start a program: ``kind`` is one of :data:`KINDS`."""

    kind: str

    def gaps(self) -> list[str]:
        """Return what is not isolated here, a line each."""
        if self.kind != "none":
            return []
        why = "bubblewrap is not installed (on Linux: sudo apt install bubblewrap)"
        if shutil.which("bwrap"):
            why = "bubblewrap does not work here, as usual inside a container and on Ubuntu since 24.04: see "
            why += 'grading/README.md, "Ubuntu 24.04"'
        own = "a submission runs as a user without rights, and can read what every user can read."
        yours = "a submission can read and change what you can: solutions, other submissions, grades."
        return [
            f"no sandbox: {why}. Or grade in a container: see Dockerfile.",
            "a submission can use the network, unless the computer (or the container) has none.",
            own if is_root() else yours,
            "all share /tmp: what a submission writes there (not to its own TMPDIR) stays there.",
        ]

    def command(self, program: list[str], scratch: Path, limits: Limits) -> list[str]:
        """Return ``program`` wrapped such that it runs in the sandbox and writes to ``scratch`` only."""
        give(scratch)
        resources = limits.resources()
        release = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
        if not is_root() and (self.kind == "none" or release < (5, 14)):
            resources.pop("RLIMIT_NPROC")  # it would count all processes of the instructor, too
        settings = json.dumps({"limits": resources, "user": user(), "folder": str(scratch)})
        start = [sys.executable, "-I", "-S", "-c", LAUNCH, settings, *program]
        return [*_bubblewrap(scratch, limits), *start] if self.kind == "bubblewrap" else start


def is_root() -> bool:
    """Tell whether the grader runs as root, as in a container."""
    return hasattr(os, "getuid") and os.getuid() == 0


def user() -> int | None:
    """Return a submission's user id, another one for each process of the grader; None is the grader's."""
    return FIRST_USER + os.getpid() % USERS if is_root() else None


def give(path: Path) -> None:
    """Make ``path`` belong to the submission's user."""
    if is_root():
        os.chown(path, user(), user(), follow_symlinks=False)


@functools.cache
def readable() -> list[Path]:
    """Return what each submission can read: the system, Python with its packages, ``nnlabs``, its data."""
    # A virtual environment's Python is a link to another one, which is needed as well.
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    places = [prefix / part for prefix in prefixes for part in PREFIX_PARTS]
    places += [Path(importlib.util.find_spec("nnlabs").origin).parent, course.ROOT / "data"]
    places += [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    places += [Path(site.getusersitepackages())] if site.ENABLE_USER_SITE else []
    places += [place.resolve() for place in places] + [*map(Path, SYSTEM_FOLDERS)]  # what a link leads to
    kept: list[Path] = []
    for place in sorted({place for place in places if place.exists()}):
        if not any(place.is_relative_to(other) for other in kept):
            kept.append(place)
    return kept


def environment(scratch: Path, budget: str) -> dict[str, str]:
    """Return all environment variables that the kernel gets; none of the instructor's."""
    threads = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),  # counted as its files; and without a sandbox /tmp is not its own
        "LANG": "C.UTF-8",
        "MPLCONFIGDIR": str(scratch / ".matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NBGRADER_EXECUTION": "autograde",
        "NNLABS_BUDGET": budget,
        **{f"{name}_THREADS": "1" for name in threads},  # as many kernels run as there are cores
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }


def chosen(*private: Path) -> Sandbox:
    """Return the strongest sandbox in which a trial program starts here.

    None may work, or something ``private`` may lie in what each submission must see: that is told.
    """
    found = next(filter(works, map(Sandbox, KINDS)), None)
    if found is None:
        raise CourseError(
            "Python does not start here with limits on it. Is nnlabs installed for this Python "
            '(pip install -e ".[lab]"), and, if you are root, can every user read it?'
        )
    for place in map(Path.resolve, private):
        if found.kind != "none" and any(place.is_relative_to(shown.resolve()) for shown in readable()):
            raise CourseError(
                f"Each submission can read {place}: Python is there. Keep the course, the submissions and "
                "the results (--output) in another folder."
            )
    return found


def works(sandbox: Sandbox) -> bool:
    """Start Python in the sandbox and have it import what a kernel imports; tell whether it could."""
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        command = sandbox.command([sys.executable, "-c", TRIAL], Path(folder), Limits())
        own = environment(Path(folder), "smoke")
        try:
            said = subprocess.run(command, env=own, capture_output=True, timeout=300, check=True).stdout
        except (OSError, subprocess.SubprocessError):  # such as: there is no bubblewrap
            return False
    return said == b"it works\n"


def _bubblewrap(scratch: Path, limits: Limits) -> list[str]:
    command = ["bwrap", "--die-with-parent", *(f"--unshare-{name}" for name in ("ipc", "pid", "net", "uts"))]
    if is_root():
        # The launcher becomes a user without rights; a user namespace would know one user only.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--disable-userns"]
    for name in SYSTEM_FILES:
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    # bubblewrap makes folders as their owner only; a kernel of another user must pass through them.
    own = f"--perms 1777 --size {limits.disk * MEGABYTE} --tmpfs"
    command += f"--proc /proc --dev /dev {own} /dev/shm --remount-ro /dev {own} /tmp".split()
    for place in readable():
        for parent in reversed(place.parents[:-1]):
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(place), str(place)]
    command += ["--perms", "0755", "--dir", str(scratch.parent)] if str(scratch.parent) != "/tmp" else []
    return [*command, "--bind", str(scratch), str(scratch), "--remount-ro", "/", "--"]
