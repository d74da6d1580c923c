"""Where a student's kernel runs: the best isolation that this system offers, and limits.

Three ways, the first that works is taken: bubblewrap; ``unshare`` (Linux's user namespaces without
further software); limits only. :meth:`Sandbox.gaps` says in plain words what is not isolated.

A sandbox shows what Python needs, read-only, and hides again what is private and lies in there
(:meth:`Sandbox.view`): a checkout below ``/usr`` or in the folder of a virtual environment.
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
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tools.course import ROOT, CourseError
from tools.grade import launch
from tools.grade.prefork import ForkServer

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
# Of the folder that Python is installed in, which may be anything: somebody's home, or this checkout.
PREFIX_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "share", "etc", "ssl", "pyvenv.cfg")
FIRST_USER, USERS = 210_000, 40_000  # ids that belong to nobody, for when the grader runs as root
KINDS = ("bubblewrap", "unshare", "none")
TRIAL = "import zmq, nnlabs; open('written', 'w').write('it works'); print(open('written').read())"


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
    fork: bool = False  # kernels are forked from a process that has imported their libraries
    hidden: tuple[Path, ...] = ()  # private files and folders, resolved

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

    def view(self) -> dict[Path, bool]:
        """Return the files and folders to show (True) and to hide (False), each before those inside it.

        Raises
        ------
        CourseError
            Something private is at the same time what each submission must see.
        """
        system = [folder for folder in map(Path, SYSTEM_FOLDERS) if folder.is_dir()]
        links = [folder for folder in system if folder.is_symlink()]  # shown as links
        shown = [f for f in (*readable(), *system) if not any(f.is_relative_to(link) for link in links)]
        places = dict.fromkeys(shown, True)
        for folder in shown:
            real = folder.resolve()
            for private in self.hidden:
                if private == real:
                    raise CourseError(
                        f"Each submission must be able to read {private}: Python or the course is there. "
                        "Keep submissions and results (--output) in another folder."
                    )
                if private.is_relative_to(real):
                    places[folder / private.relative_to(real)] = False
        view: dict[Path, bool] = {}
        for place in sorted(places):
            around = next((view[parent] for parent in place.parents if parent in view), False)
            if places[place] != around:
                view[place] = places[place]
        return view

    def command(self, program: list[str], scratch: Path, limits: Limits) -> list[str]:
        """Return ``program`` wrapped such that it runs in the sandbox, in the folder ``scratch``.

        Parameters
        ----------
        scratch
            The one folder that the program may write to, besides an own ``/tmp``.
        """
        self.give(scratch)
        settings = json.dumps(self.settings(scratch, limits))
        start = [sys.executable, "-I", "-S", "-c", inspect.getsource(launch), settings, *program]
        if self.kind == "bubblewrap":
            return [*_bubblewrap(scratch, limits, self.view()), *start]
        if self.kind == "unshare":
            return [*_unshare(scratch, limits, self.view()), *start]
        return start

    def request(self, program: list[str], scratch: Path, limits: Limits, variables: dict[str, str]) -> dict:
        """Return what :mod:`forkserver` must know to run ``program``, a Python one, in the sandbox.

        Parameters
        ----------
        variables
            Its environment.
        """
        command = self.command([], scratch, limits)  # which gives the folder away as well
        return {
            "sandbox": command if self.kind != "none" else [],
            "settings": self.settings(scratch, limits),
            "program": program,
            "environment": variables,
        }

    def settings(self, scratch: Path, limits: Limits) -> dict:
        """Return what :mod:`launch` must know."""
        resources = limits.resources()
        if not self._counts_own_processes():
            resources.pop("RLIMIT_NPROC")
        return {"limits": resources, "user": self.user(), "folder": str(scratch)}

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
        release = tuple(
            int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit()
        )
        return self.kind != "none" and release >= (5, 14)


CANDIDATES = tuple(Sandbox(kind, fork=fork) for kind in KINDS for fork in (True, False))
CANDIDATES += (Sandbox("none", change_user=False),)


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
    folders += [Path(package.origin).parent, ROOT / "data"]
    folders += [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    folders += [folder.resolve() for folder in folders]  # what a link leads to
    return tuple(sorted({folder for folder in folders if folder.exists()}))


def environment(scratch: Path, budget: str) -> dict[str, str]:
    """Return all environment variables that the kernel gets; none of the instructor's."""
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
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # the kernel's own choice, known earlier
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


def chosen(kind: str = "", hidden: tuple[Path, ...] = ()) -> Sandbox:
    """Return the sandbox of that kind, or the strongest in which a trial program starts here."""
    candidates = (replace(sandbox, hidden=hidden) for sandbox in CANDIDATES if kind in ("", sandbox.kind))
    found = next(filter(works, candidates), None)
    if found is not None:
        return found
    if kind:
        raise CourseError(f"The sandbox {kind} does not work here. Leave out --sandbox: the best is taken.")
    raise CourseError(
        "Python does not start here with limits on it. Is nnlabs installed for this Python? "
        'Run: pip install -e ".[lab]"'
    )


def why_none() -> str:
    """Return why no sandbox works on this system, and what would help."""
    if sys.platform != "linux":
        return "this system has no sandbox for programs. Grade in a container: see Dockerfile."
    if not is_root() and _kernel_setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor keeps programs from making a sandbox, as Ubuntu does since 24.04 "
            "(kernel.apparmor_restrict_unprivileged_userns is 1). Three ways out: install bubblewrap and its "
            "AppArmor profile; grade in a container (see Dockerfile); or set that to 0 with sysctl. "
            'The commands are in INSTRUCTORS.md, "Ubuntu 24.04".'
        )
    for name in ("user/max_user_namespaces", "kernel/unprivileged_userns_clone"):
        if not is_root() and _kernel_setting(name) == "0":
            return (
                f"user namespaces are switched off ({name.replace('/', '.')} is 0). Switch them on with "
                "sysctl, or grade in a container (see Dockerfile)."
            )
    return (
        "neither bubblewrap nor namespaces work here, which is usual inside a container. Elsewhere install "
        "bubblewrap (sudo apt install bubblewrap), or grade in a container (see Dockerfile)."
    )


def _kernel_setting(name: str) -> str:
    with suppress(OSError):
        return Path("/proc/sys", name).read_text().strip()
    return ""


def works(sandbox: Sandbox) -> bool:
    """Start Python in the sandbox and have it import what a kernel imports; tell whether it could."""
    if sandbox.kind != "none" and not _program(sandbox.kind):
        return False
    if sys.platform != "linux" and (sandbox.fork or sandbox.kind != "none"):
        return False
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        try:
            status, said = execute(sandbox, [sys.executable, "-c", TRIAL], Path(folder), Limits())
        except (OSError, subprocess.TimeoutExpired):
            return False
        return (status, said) == (0, "it works\n")


def execute(sandbox: Sandbox, program: list[str], folder: Path, limits: Limits) -> tuple[int, str]:
    """Run ``program`` in the sandbox, in ``folder``; return how it ended and what it printed."""
    variables = environment(folder, "smoke")
    if not sandbox.fork:
        command = sandbox.command(program, folder, limits)
        finished = subprocess.run(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        return finished.returncode, finished.stdout.decode()
    with closing(ForkServer((), variables)) as server:
        return server.run(sandbox.request(program, folder, limits, variables), seconds=60)


def _program(kind: str) -> str | None:
    return shutil.which({"bubblewrap": "bwrap", "unshare": "unshare"}[kind])


def _bubblewrap(scratch: Path, limits: Limits, view: dict[Path, bool]) -> list[str]:
    command = [
        _program("bubblewrap") or "bwrap",
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
    for file in SYSTEM_FILES:
        command += ["--ro-bind-try", file, file]
    size = str(limits.disk)
    command += ["--proc", "/proc", "--dev", "/dev"]
    # bubblewrap makes folders as their owner only; a kernel of another user must pass through them.
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    command += ["--perms", "1777", "--size", size, "--tmpfs", "/tmp"]
    for place, shown in view.items():
        if shown:
            for parent in reversed(place.parents[:-1]):
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--ro-bind", str(place), str(place)]
        elif place.is_dir():
            command += ["--perms", "0755", "--tmpfs", str(place)]
        else:
            command += ["--ro-bind", "/dev/null", str(place)]
    for place in [place for place, shown in view.items() if not shown and place.is_dir()]:
        command += ["--remount-ro", str(place)]
    command += ["--perms", "0755", "--dir", str(scratch.parent)] if str(scratch.parent) != "/tmp" else []
    return [*command, "--bind", str(scratch), str(scratch), "--remount-ro", "/", "--"]


def _unshare(scratch: Path, limits: Limits, view: dict[Path, bool]) -> list[str]:
    """Do by hand what bubblewrap does: an own view of the files, in which the program is a nobody."""
    root = scratch / ".root"
    root.mkdir(exist_ok=True)
    script = ["set -e", "PATH=$PATH:/usr/sbin:/sbin", "umask 022", "mount --make-rprivate /"]
    script += [f"mount -t tmpfs -o mode=755,size={limits.disk} tmpfs {_quoted(root)}", f"cd {_quoted(root)}"]
    # Before the folders that are shown: these may be in /tmp.
    script.append("mkdir -p proc dev/shm tmp old")
    for name in ("dev/shm", "tmp"):
        script.append(f"mount -t tmpfs -o mode=1777,nosuid,nodev,size={limits.disk} tmpfs {name}")
    for folder in filter(os.path.islink, SYSTEM_FOLDERS):
        script.append(f"ln -s {_quoted(os.readlink(folder))} .{_quoted(folder)}")
    for path, shown in (view | {Path(f): True for f in SYSTEM_FILES if os.path.exists(f)}).items():
        script += _show(path) if shown else _hide(path)
    script.append(READ_ONLY)
    script.append("mount -t proc proc proc")
    for name in ("null", "zero", "full", "random", "urandom"):
        script += [f"touch dev/{name}", f"mount --bind /dev/{name} dev/{name}"]
    script += [f"mkdir -p .{_quoted(scratch)}", f"mount --bind {_quoted(scratch)} .{_quoted(scratch)}"]
    script += ["pivot_root . old", "cd /", "umount -l /old", "rmdir /old", "mount -o remount,bind,ro /"]
    namespaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    # unshare ends its child when it ends itself; setpriv has it end with the grader.
    start = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    start.append(_program("unshare") or "unshare")
    if is_root():  # the launcher changes the user; a user namespace would know one user only
        return [*start, *namespaces, "sh", "-c", "\n".join([*script, 'exec "$@"']), "sh"]
    # The second namespace has no rights over the first one's mounts.
    script.append('exec unshare --user --map-user=1000 --map-group=1000 "$@"')
    return [*start, "--user", "--map-root-user", *namespaces, "sh", "-c", "\n".join(script), "sh"]


# Each mount below the new root by itself: what is mounted inside a folder keeps its own settings. They
# must be named again, since a user namespace may not take any back; the last word of two counts.
READ_ONLY = r"""root=$(pwd -P)
while read -r _ _ _ _ place options _; do
  case $place in
    "$root/tmp" | "$root/dev/shm") ;;
    "$root"/*) mount -o "remount,bind,$options,ro,nosuid" "$(printf %b "$place")" ;;
  esac
done < /proc/self/mountinfo"""


def _show(path: Path) -> list[str]:
    """Return the commands that show ``path`` below the present folder."""
    place = f".{_quoted(path)}"
    make = f"mkdir -p {place}" if path.is_dir() else f"mkdir -p .{_quoted(path.parent)}; touch {place}"
    # With what is mounted inside, else it would be refused: a user namespace may uncover nothing.
    return [make, f"mount --rbind {_quoted(path)} {place}"]


def _hide(path: Path) -> list[str]:
    """Return the command that covers ``path``, which is shown there already."""
    if path.is_dir():
        return [f"mount -t tmpfs -o mode=755,size={MEGABYTE} tmpfs .{_quoted(path)}"]
    return [f"mount --bind /dev/null .{_quoted(path)}"]


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))
