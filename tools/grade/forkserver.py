"""Import the lab's libraries once, then fork a kernel for each submission, which starts at once.

:class:`tools.grade.prefork.ForkServer` starts this as a program of its own, without the grader's memory
and environment, since each kernel is a copy of it::

    python forkserver.py DESCRIPTOR IMPORTS     of the connection; a JSON list of import statements

It executes no line of a student: that does only a kernel, which has by then entered the sandbox and
given up every right. It has one kernel at a time, and nothing of it is in a later one.
"""

import array
import ctypes
import fcntl
import gc
import json
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle

import launch  # beside this file

NAMESPACES = {
    "mnt": 0x00020000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
NS_GET_USERNS = 0xB701  # linux/nsfs.h
CAPABILITY_VERSION = 0x20080522  # linux/capability.h
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 4, 24, 36
libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Answer requests until the grader hangs up; return in the process of a kernel only."""
    launch.end_with_parent()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    del sys.path[0]  # the grader's own folder
    del sys.modules["launch"]
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))  # the grader's own limit is a narrow one
    grader = Connection(int(sys.argv[1]))
    for line in json.loads(sys.argv[2]):
        try:
            exec(line, {})
        except Exception:  # then it fails in the notebook as well
            continue
    sys.stdout.flush()
    gc.collect()
    gc.freeze()  # what all kernels share is not looked through, and so not copied, in each
    say(grader, threads=len(os.listdir("/proc/self/task")))
    while True:
        try:
            request, log = json.loads(grader.recv_bytes()), recv_handle(grader)
        except EOFError:
            os._exit(0)
        server = os.getpid()
        process = os.fork()
        if process == 0:
            grader.close()
            become_kernel(request, log, server)
            return
        os.close(log)
        say(grader, process=process)
        status = status_of(process)
        end_children()
        say(grader, status=status)


def say(grader: Connection, **answer: int) -> None:
    """Answer the grader."""
    grader.send_bytes(json.dumps(answer).encode())


def status_of(process: int) -> int:
    """Wait until the process ends and return how it did."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def end_children() -> None:
    """Kill what is left of a kernel: without its parent it has become a child of this process."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as left:
                for process in map(int, left.read().split()):
                    os.kill(process, signal.SIGKILL)
            os.waitpid(-1, 0)
        except OSError:  # none is left, or this system has no list of them, or no right to kill them
            return


def become_kernel(request: dict, log: int, server: int) -> None:
    """Start the sandbox and put a new process into it, which returns; the old one waits for its end."""
    stay_with(server)
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    sandbox = enter(request["sandbox"]) if request["sandbox"] else None
    stay_with(server)  # again: whoever enters a namespace of users loses it
    waiter = os.getpid()
    process = os.fork()
    if process:
        status = status_of(process)
        if sandbox is not None:
            sandbox.kill()
            sandbox.wait()
        os._exit(status & 0xFF)
    os.setsid()  # a signal to its own group does not reach the one that waits
    os.umask(0o022)
    if sandbox is not None:
        sandbox.stdin.close()
    os.closerange(3, 1 << 16)
    for capability in range(64):  # in the sandbox's namespaces this process has every right, until here
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    launch.apply(request["settings"])
    if sandbox is None:  # else the sandbox's end is its end
        stay_with(waiter)
    drop_capabilities()
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as after an exec: the grader looks at its open files
    tempfile.tempdir = None
    if "numpy" in sys.modules:  # the fork seeds Python's own generator anew, not this one
        sys.modules["numpy"].random.seed()
    sys.argv = request["program"]


def stay_with(parent: int) -> None:
    """Have this process end with its parent, also if that has just ended."""
    launch.end_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def enter(command: list[str]) -> subprocess.Popen:
    """Start the sandbox and have this process, or its children, enter the namespaces of its first one."""
    here, there = socket.socketpair()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    sandbox = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=there, start_new_session=True)
    there.close()
    text, ancillary, _, _ = here.recvmsg(len(launch.READY), socket.CMSG_SPACE(12))
    if text != launch.READY:
        sys.exit(1)  # it has said why in the log
    first = array.array("i", ancillary[0][2])[0]  # who wrote this, by its number here
    spaces = {name: os.open(f"/proc/{first}/ns/{name}", os.O_RDONLY) for name in NAMESPACES}
    # The last namespace of users may lie inside the one that the others belong to, and has no right to them.
    owner, last = fcntl.ioctl(spaces["mnt"], NS_GET_USERNS), spaces.pop("user")
    users = os.stat("/proc/self/ns/user").st_ino
    for name, space in [("user", owner), *spaces.items(), ("user", last)]:
        number = os.fstat(space).st_ino
        if name == "user" and number == users:
            continue  # a process cannot enter it again
        if libc.setns(space, NAMESPACES[name]):
            raise OSError(ctypes.get_errno(), f"setns, {name}: {os.strerror(ctypes.get_errno())}")
        users = number if name == "user" else users
    return sandbox


def drop_capabilities() -> None:
    """Give up the rights that are left."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
    # From here on this is a kernel, which ends as any Python does.
    _, how, what, *_ = sys.argv
    if how == "-m":
        del sys.argv[:2]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
