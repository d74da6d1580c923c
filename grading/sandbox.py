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
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grading.session import Limits
from tools import course
from tools.course import CourseError

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/mime.types",
)
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
    kind = getattr(resource, name, None)  # macOS has not all of them, and refuses some
    try:
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError, TypeError):
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
    change_user: bool = True  # as root: become a user of no rights, who must be able to read Python

    def gaps(self) -> list[str]:
        """Return what is not isolated here, a line each."""
        if self.kind != "none":
            return []
        lines = ["a submission can use the network, unless the computer (or the container) has none."]
        if self.user() is not None:
            lines.append("a submission runs as a user without rights, and can read what every user can read.")
        else:
            lines.append(
                "a submission can read and change what you can: solutions, other submissions, grades."
            )
            if is_root():
                lines.append("submissions run as root, because no other user can read this Python.")
        lines.append("all share /tmp: what a submission writes there (not to its own TMPDIR) stays there.")
        return lines

    def command(self, program: list[str], scratch: Path, limits: Limits) -> list[str]:
        """Return ``program`` wrapped such that it runs in the sandbox, in the folder ``scratch``.

        Parameters
        ----------
        scratch
            The one folder that the program may write to, besides an own ``/tmp``.
        """
        self.give(scratch)
        resources = limits.resources()
        if not self._counts_own_processes():
            resources.pop("RLIMIT_NPROC")
        settings = json.dumps({"limits": resources, "user": self.user(), "folder": str(scratch)})
        start = [sys.executable, "-I", "-S", "-c", LAUNCH, settings, *program]
        return [*_bubblewrap(scratch, limits), *start] if self.kind == "bubblewrap" else start

    def user(self) -> int | None:
        """Return the user id that the program gets, or None if it keeps the grader's.

        Each process of the grader gives another one, so that no kernel can reach another.
        """
        return FIRST_USER + os.getpid() % USERS if is_root() and self.change_user else None

    def give(self, path: Path) -> None:
        """Make ``path`` belong to the program's user."""
        user = self.user()
        if user is not None:
            os.chown(path, user, user, follow_symlinks=False)

    def _counts_own_processes(self) -> bool:
        """Tell whether RLIMIT_NPROC counts the sandbox's processes only, not all of this user's."""
        if is_root():
            return self.change_user  # then it has a user id of its own
        release = platform.release().split("-")[0].split(".")[:2]
        return self.kind != "none" and tuple(int(part) for part in release if part.isdigit()) >= (5, 14)


CANDIDATES = (Sandbox("bubblewrap"), Sandbox("none"), Sandbox("none", change_user=False))


def is_root() -> bool:
    """Tell whether the grader runs as root, as in a container."""
    return hasattr(os, "getuid") and os.getuid() == 0


@functools.cache
def readable() -> tuple[Path, ...]:
    """Return the folders that the kernel needs: Python, its packages, ``nnlabs`` and its data."""
    package = importlib.util.find_spec("nnlabs")
    # A virtual environment's Python is a link to another one, which is needed as well.
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    folders = [prefix / part for prefix in prefixes for part in PREFIX_PARTS]
    folders += [Path(package.origin).parent, course.ROOT / "data"]
    folders += [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    folders += [folder.resolve() for folder in folders]  # what a link leads to
    return tuple(sorted({folder for folder in folders if folder.exists()}))


def environment(scratch: Path, budget: str) -> dict[str, str]:
    """Return all environment variables that the kernel gets; none of the instructor's."""
    one_core = ("OMP", "OPENBLAS", "MKL"), ("INTRAOP", "INTEROP")  # as many kernels run as there are cores
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),  # counted as its files; and without a sandbox /tmp is not its own
        "LANG": "C.UTF-8",
        "IPYTHONDIR": str(scratch / ".ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / ".jupyter"),
        "MPLCONFIGDIR": str(scratch / ".matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "NBGRADER_EXECUTION": "autograde",
        "NNLABS_BUDGET": budget,
        **{f"{name}_NUM_THREADS": "1" for name in one_core[0]},
        **{f"TF_NUM_{name}_THREADS": "1" for name in one_core[1]},
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }


def chosen(kind: str = "", private: tuple[Path, ...] = ()) -> Sandbox:
    """Return the sandbox of that kind, or the strongest in which a trial program starts here.

    Raises
    ------
    CourseError
        None works, or something ``private`` lies in what each submission must see.
    """
    found = next((box for box in CANDIDATES if kind in ("", box.kind) and works(box)), None)
    if found is None and kind:
        raise CourseError(f"The sandbox {kind} does not work here. Leave out --sandbox: the best is taken.")
    if found is None:
        raise CourseError(
            "Python does not start here with limits on it. Is nnlabs installed for this Python? "
            'Run: pip install -e ".[lab]"'
        )
    shown = [place.resolve() for place in (*readable(), *map(Path, SYSTEM_FOLDERS))]
    for place in map(Path.resolve, private):
        if found.kind != "none" and any(place.is_relative_to(folder) for folder in shown):
            raise CourseError(
                f"Each submission can read {place}: Python is there. Keep the course, the submissions and "
                "the results (--output) in another folder."
            )
    return found


def why_none() -> str:
    """Return why bubblewrap does not work on this system, and what would help."""
    if sys.platform != "linux":
        return "this system has no sandbox for programs. Grade in a container: see Dockerfile."
    if shutil.which("bwrap") is None:
        return (
            "bubblewrap is not installed. Install it (sudo apt install bubblewrap), "
            "or grade in a container (see Dockerfile)."
        )
    with suppress(OSError):
        setting = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        if not is_root() and setting.read_text().strip() == "1":
            return (
                "AppArmor keeps bubblewrap from making a sandbox, as Ubuntu does since 24.04. Give it its "
                'AppArmor profile (the commands are in grading/README.md, "Ubuntu 24.04"), or grade in a '
                "container (see Dockerfile)."
            )
    return (
        "bubblewrap does not work here, which is usual inside a container, or where user namespaces are "
        "switched off. Elsewhere grade in a container (see Dockerfile)."
    )


def works(sandbox: Sandbox) -> bool:
    """Start Python in the sandbox and have it import what a kernel imports; tell whether it could."""
    if sandbox.kind == "bubblewrap" and (sys.platform != "linux" or shutil.which("bwrap") is None):
        return False
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        try:
            return run(sandbox, [sys.executable, "-c", TRIAL], Path(folder)) == (0, "it works\n")
        except (OSError, subprocess.TimeoutExpired):
            return False


def run(sandbox: Sandbox, program: list[str], folder: Path, limits: Limits | None = None) -> tuple[int, str]:
    """Run ``program`` in the sandbox, in ``folder``; return how it ended and what it printed."""
    command = sandbox.command(program, folder, limits or Limits())
    finished = subprocess.run(
        command,
        env=environment(folder, "smoke"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    return finished.returncode, finished.stdout.decode()


def _bubblewrap(scratch: Path, limits: Limits) -> list[str]:
    command = ["bwrap", "--die-with-parent"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    if is_root():
        # The launcher becomes a user without rights; a user namespace would know one user only.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--disable-userns"]
    for file in SYSTEM_FILES:
        command += ["--ro-bind-try", file, file]
    size = str(limits.disk)
    command += ["--proc", "/proc", "--dev", "/dev"]
    # bubblewrap makes folders as their owner only; a kernel of another user must pass through them.
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]
    for place in _shown():
        if place.is_symlink() and str(place) in SYSTEM_FOLDERS:
            command += ["--symlink", os.readlink(place), str(place)]
        else:
            for parent in reversed(place.parents[:-1]):
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--ro-bind", str(place), str(place)]
    command += ["--perms", "0755", "--dir", str(scratch.parent)] if str(scratch.parent) != "/tmp" else []
    return [*command, "--bind", str(scratch), str(scratch), "--remount-ro", "/", "--"]


def _shown() -> list[Path]:
    """Return what is shown read-only, without what lies inside of something else that is."""
    places = sorted({*(place for place in map(Path, SYSTEM_FOLDERS) if place.is_dir()), *readable()})
    kept: list[Path] = []
    for place in places:
        if not any(place.is_relative_to(other) for other in kept):
            kept.append(place)
    return kept
