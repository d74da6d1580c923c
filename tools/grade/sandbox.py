"""Where a student's kernel runs: the best isolation that this system offers, and limits.

Three ways, the first that works is taken: bubblewrap; ``unshare`` (Linux's user namespaces without
further software); limits only. :meth:`Sandbox.gaps` says in plain words what is not isolated.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import json
import os
import platform
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tools.course import ROOT, CourseError
from tools.grade import launch

MEGABYTE = 1_000_000
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
FIRST_USER, USERS = 210_000, 40_000  # ids that belong to nobody, for when the grader runs as root
KINDS = ("bubblewrap", "unshare", "none")


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    seconds: float = 180  # all of its cells together
    cell_seconds: float = 60
    memory: int = 3000 * MEGABYTE  # all of its processes together
    processes: int = 32
    threads: int = 256
    open_files: int = 1024
    file_size: int = 100 * MEGABYTE
    disk: int = 250 * MEGABYTE  # the scratch folder
    output: int = 10 * MEGABYTE  # what its cells print and show

    def resources(self) -> dict[str, int]:
        """Return them as limits of the operating system for each process."""
        return {
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": int(self.seconds) + 5,
            # Addresses, of which libraries reserve far more than they use; the memory in use is watched.
            "RLIMIT_AS": max(4 * self.memory, 12_000 * MEGABYTE),
            "RLIMIT_NPROC": self.threads,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_FSIZE": self.file_size,
        }


@dataclass(frozen=True)
class Sandbox:
    """A way to start a program: ``kind`` is one of :data:`KINDS`."""

    kind: str
    change_user: bool = True  # as root: become a user of no rights, who must be able to read Python

    def gaps(self) -> list[str]:
        """Return what is not isolated here, a line each."""
        if self.kind != "none":
            return []
        lines = ["no sandbox on this system: a submission can use the network, unless a container has none."]
        if self.user() is not None:
            lines.append("a submission runs as a user without rights, who can read what everybody can read.")
            return lines
        lines += [
            "a submission can read and change the files that you can: solutions, other submissions.",
            "install bubblewrap (apt install bubblewrap), or grade in a container (see Dockerfile).",
        ]
        if is_root():
            lines.append("submissions run as root, because other users cannot read this Python.")
        return lines

    def command(self, program: list[str], scratch: Path, limits: Limits) -> list[str]:
        """Return ``program`` wrapped such that it runs in the sandbox, in the folder ``scratch``.

        Parameters
        ----------
        scratch
            The one folder that the program may write to, besides an own ``/tmp``.
        """
        user = self.user()
        resources = limits.resources()
        if not self._counts_own_processes():
            resources.pop("RLIMIT_NPROC")
        self.give(scratch)
        settings = {"limits": resources, "user": user, "folder": str(scratch)}
        start = [sys.executable, "-I", "-S", "-c", inspect.getsource(launch), json.dumps(settings), *program]
        if self.kind == "bubblewrap":
            return [*_bubblewrap(scratch, limits), *start]
        if self.kind == "unshare":
            return [*_unshare(scratch, limits), *start]
        return start

    def user(self) -> int | None:
        """Return the user id that the program gets, or None if it keeps the grader's.

        Each process of the grader gives another one, so that no kernel can reach another.
        """
        return FIRST_USER + os.getpid() % USERS if is_root() and self.change_user else None

    def give(self, path: Path) -> None:
        """Make ``path`` belong to the program's user."""
        user = self.user()
        if user is not None:
            os.chown(path, user, user)

    def _counts_own_processes(self) -> bool:
        """Tell whether RLIMIT_NPROC counts the sandbox's processes only, not all of this user's."""
        if is_root():
            return self.change_user  # then it has a user id of its own
        release = tuple(
            int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit()
        )
        return self.kind != "none" and release >= (5, 14)


CANDIDATES = (*map(Sandbox, KINDS), Sandbox("none", change_user=False))


def is_root() -> bool:
    """Tell whether the grader runs as root, as in a container."""
    return hasattr(os, "getuid") and os.getuid() == 0


@functools.cache
def readable() -> tuple[Path, ...]:
    """Return the folders that the kernel needs: Python, its packages, ``nnlabs`` and its data."""
    package = importlib.util.find_spec("nnlabs")
    folders = [Path(sys.prefix), Path(sys.base_prefix), Path(package.origin).parent, ROOT / "data"]
    folders += [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    # A link may lead elsewhere (a virtual environment's Python does): bind what it leads to as well.
    folders += [folder.resolve() for folder in folders] + [Path(sys.executable).resolve().parent.parent]
    unique = sorted({folder for folder in folders if folder.is_dir()})
    return tuple(f for f in unique if not any(other in f.parents for other in unique if str(other) != "/"))


def environment(scratch: Path, budget: str) -> dict[str, str]:
    """Return all environment variables that the kernel gets; none of the instructor's."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "IPYTHONDIR": str(scratch / ".ipython"),
        "JUPYTER_RUNTIME_DIR": str(scratch / ".jupyter"),
        "MPLCONFIGDIR": str(scratch / ".matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "NBGRADER_EXECUTION": "autograde",
        "NNLABS_BUDGET": budget,
        # One core a kernel: the grader runs as many kernels as there are cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }


@functools.cache
def best() -> Sandbox:
    """Return the strongest sandbox in which a trial program starts here."""
    found = next(filter(works, CANDIDATES), None)
    if found is None:
        raise CourseError(
            "Python does not start here with limits on it. Is nnlabs installed for this Python? "
            'Run: pip install -e ".[lab]"'
        )
    return found


def chosen(kind: str) -> Sandbox:
    """Return the sandbox of that kind, or the best one for no name at all."""
    if not kind:
        return best()
    found = next((sandbox for sandbox in CANDIDATES if sandbox.kind == kind and works(sandbox)), None)
    if found is None:
        raise CourseError(f"The sandbox {kind} does not work here. Leave out --sandbox: the best is taken.")
    return found


def works(sandbox: Sandbox) -> bool:
    """Start Python in the sandbox and have it import what a kernel imports; tell whether it could."""
    if sandbox.kind != "none" and (sys.platform != "linux" or not shutil.which(_program(sandbox.kind))):
        return False
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        program = [sys.executable, "-c", "import zmq, nnlabs; open('written', 'w').write('yes')"]
        command = sandbox.command(program, Path(folder), Limits())
        try:
            finished = subprocess.run(
                command, env=environment(Path(folder), "smoke"), capture_output=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return finished.returncode == 0 and (Path(folder) / "written").exists()


def _program(kind: str) -> str:
    return {"bubblewrap": "bwrap", "unshare": "unshare"}[kind]


def _bubblewrap(scratch: Path, limits: Limits) -> list[str]:
    command = [
        "bwrap",
        "--die-with-parent",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
    ]
    if is_root():
        # The launcher becomes a user without rights; a user namespace would know one user only.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--disable-userns"]
    for folder in SYSTEM_FOLDERS:
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            command += ["--ro-bind", folder, folder]
    for file in SYSTEM_FILES:
        command += ["--ro-bind-try", file, file]
    size = str(limits.disk)
    command += ["--proc", "/proc", "--dev", "/dev"]
    # bubblewrap makes folders as their owner only; a kernel of another user must pass through them.
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]
    for folder in readable():
        for parent in reversed(folder.parents):
            if str(parent) not in ("/", "/tmp", *SYSTEM_FOLDERS) and not str(parent).startswith("/usr/"):
                command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", str(folder), str(folder)]
    command += ["--perms", "0755", "--dir", str(scratch.parent)] if str(scratch.parent) != "/tmp" else []
    return [*command, "--bind", str(scratch), str(scratch), "--remount-ro", "/", "--"]


def _unshare(scratch: Path, limits: Limits) -> list[str]:
    """Do by hand what bubblewrap does: an own view of the files, in which the program is a nobody."""
    root = scratch / ".root"
    root.mkdir(exist_ok=True)
    script = ["set -e", "PATH=$PATH:/usr/sbin:/sbin", "mount --make-rprivate /"]
    script += [f"mount -t tmpfs -o mode=755,size={limits.disk} tmpfs {_quoted(root)}", f"cd {_quoted(root)}"]
    # Before the folders that are shown: these may be in /tmp.
    script.append("mkdir -p proc dev/shm tmp old")
    for name in ("dev/shm", "tmp"):
        script.append(f"mount -t tmpfs -o mode=1777,nosuid,nodev,size={limits.disk} tmpfs {name}")
    for folder in map(Path, SYSTEM_FOLDERS):
        if folder.is_symlink():
            script.append(f"ln -s {_quoted(os.readlink(folder))} .{_quoted(folder)}")
        elif folder.is_dir():
            script += _read_only(folder)
    for path in (*readable(), *(Path(file) for file in SYSTEM_FILES if os.path.exists(file))):
        if not any(str(parent) in SYSTEM_FOLDERS for parent in path.parents):
            script += _read_only(path)
    script.append("mount -t proc proc proc")
    for name in ("null", "zero", "full", "random", "urandom"):
        script += [f"touch dev/{name}", f"mount --bind /dev/{name} dev/{name}"]
    script += [f"mkdir -p .{_quoted(scratch)}", f"mount --bind {_quoted(scratch)} .{_quoted(scratch)}"]
    script += ["pivot_root . old", "cd /", "umount -l /old", "rmdir /old", "mount -o remount,bind,ro /"]
    namespaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    # unshare ends its child when it ends itself; setpriv has it end with the grader.
    start = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    start.append("unshare")
    if is_root():  # the launcher changes the user; a user namespace would know one user only
        return [*start, *namespaces, "sh", "-c", "\n".join([*script, 'exec "$@"']), "sh"]
    # The second namespace has no rights over the first one's mounts.
    script.append('exec unshare --user --map-user=1000 --map-group=1000 "$@"')
    return [*start, "--user", "--map-root-user", *namespaces, "sh", "-c", "\n".join(script), "sh"]


def _read_only(path: Path) -> list[str]:
    """Return the commands that show ``path`` below the present folder, read-only."""
    place = f".{_quoted(path)}"
    make = f"mkdir -p {place}" if path.is_dir() else f"mkdir -p .{_quoted(path.parent)}; touch {place}"
    return [make, f"mount --rbind {_quoted(path)} {place}", f"mount -o remount,bind,ro,nosuid {place}"]


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))
