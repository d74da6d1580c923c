"""Spread the submissions over long-lived processes; one that dies takes nothing with it."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tools.course import CourseError
from tools.grade import launch, submission
from tools.grade.execute import SandboxError
from tools.grade.submission import Setting

OWN_MEMORY = 6_000_000_000  # addresses of a worker: what it reads of a kernel is bounded long before
OWN_SECONDS = 120  # what nbgrader may take around the execution


@dataclass
class Answer:
    """What came of one piece of work: a result, or why there is none."""

    work: Any
    result: Any = None
    problem: str = ""


@dataclass
class _Worker:
    process: multiprocessing.Process
    pipe: Connection
    work: Any = None
    deadline: float = 0.0


@dataclass
class Workers:
    """Processes that grade, each with its own kernel at a time.

    Parameters
    ----------
    count
        How many.
    log
        A file for what nbgrader reports.
    """

    count: int
    log: Path
    members: list[_Worker] = field(default_factory=list)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.members:
            worker.process.kill()  # its kernel dies with it
        for worker in self.members:
            worker.process.join(timeout=5)
        self.members.clear()

    def run(self, works: list, setting: Setting, seconds: float) -> Iterator[Answer]:
        """Yield an answer for each piece of work as it comes, none of which takes over ``seconds`` long."""
        waiting = list(reversed(works))
        seconds += OWN_SECONDS
        while waiting or any(worker.work is not None for worker in self.members):
            while waiting and len(self.members) < min(self.count, len(works)):
                self.members.append(self._start())
            for worker in self.members:
                if worker.work is None and waiting:
                    worker.work = waiting.pop()
                    worker.deadline = time.monotonic() + seconds
                    with suppress(OSError):  # of a process that has just died; its answer will say so
                        worker.pipe.send((worker.work, setting))
            wait([worker.pipe for worker in self.members], timeout=1)
            for place, worker in enumerate(self.members):
                answer = self._answer(worker)
                if answer is None:
                    continue
                if answer.problem and not worker.process.is_alive():
                    self.members[place] = self._start()
                else:
                    worker.work = None
                yield answer

    def _answer(self, worker: _Worker) -> Answer | None:
        if worker.work is None:
            return None
        try:
            if worker.pipe.poll():
                return Answer(worker.work, **worker.pipe.recv())
        except (EOFError, OSError):
            worker.process.join(timeout=5)
            worker.process.kill()
            worker.process.join()
            return Answer(
                worker.work, problem=f"the grader's own process ended (exit {worker.process.exitcode})"
            )
        if time.monotonic() > worker.deadline:
            worker.process.kill()
            worker.process.join()
            return Answer(worker.work, problem="the grader did not come to an end with it in time")
        return None

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, str(self.log), os.getpid()), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)


def _serve(pipe: Connection, log: str, parent: int) -> None:
    """Grade what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's matter
    prepare_environment()
    if sys.platform == "linux":
        launch.end_with_parent()
        if os.getppid() != parent:
            return
        resource.setrlimit(resource.RLIMIT_AS, (OWN_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    warnings.simplefilter("ignore")  # SQLAlchemy's on nbgrader's way of using it
    stream = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for descriptor in (1, 2):
        os.dup2(stream, descriptor)
    logger = logging.getLogger("traitlets")
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.setLevel(logging.WARNING)
    logger.handlers, logger.propagate = [handler], False
    gc.freeze()  # the libraries stay; to look through them again costs a fifth of a second a submission
    while True:
        try:
            work, setting = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_work(work, setting, logger))


def _work(work: Any, setting: Setting, logger: logging.Logger) -> dict:
    try:
        if isinstance(work, tuple):
            return {"result": submission.grade(*work, setting)}
        return {"result": submission.try_solution(work, setting)}
    except CourseError as error:
        return {"problem": str(error)}
    except Exception as error:  # nothing that one submission does may end the run
        name = work[0].student if isinstance(work, tuple) else "the solution"
        logger.error("%s\n%s", name, traceback.format_exc())
        if isinstance(error, SandboxError):
            return {"problem": f"the kernel did not start: {' '.join(str(error).split())[:300]}"}
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        return {"problem": f"the grader failed on {name}: {reason}, see grade.log"}


def prepare_environment() -> None:
    """Let nbgrader find its own commands, which it calls by their bare names."""
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
