"""Spread the submissions over processes; one that dies takes nothing with it."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import resource
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, TimeoutError, wait
from pathlib import Path

from nbformat import NotebookNode
from pebble import ProcessExpired, ProcessPool
from sqlalchemy.exc import DatabaseError

from grading import submission
from grading.collect import Submission
from grading.grades import GRADED, Record
from grading.session import SandboxError
from grading.submission import Setting
from tools.course import CourseError

OWN_MEMORY = 6_000_000_000  # addresses of a worker: what it reads of a kernel is bounded long before
OWN_SECONDS = 1200  # on the clock, what nbgrader may take around the execution on a busy machine


class Workers:
    """Processes that grade, each with one kernel at a time.

    Parameters
    ----------
    count
        How many.
    log
        A file for what nbgrader reports.
    """

    def __init__(self, count: int, log: Path) -> None:
        self.pool = ProcessPool(
            max_workers=count,
            initializer=_begin,
            initargs=(str(log), os.getpid()),
            context=multiprocessing.get_context("spawn"),
        )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.stop()  # a kernel dies with its worker
        self.pool.join()

    def try_solution(self, source: NotebookNode, setting: Setting) -> float:
        """Return the seconds of computing that the course's own solution takes.

        Raises
        ------
        CourseError
            It fails, or the grader does.
        """
        try:
            return self.pool.schedule(_try_solution, (source, setting)).result()
        except ProcessExpired as error:
            raise CourseError(f"the grader's own process ended (exit {error.exitcode})") from None

    def grade(
        self, works: list[tuple[Submission, str]], setting: Setting
    ) -> Iterator[tuple[Submission, Record | None, str]]:
        """Yield each submission as it is done, with its record, or None and why there is none."""
        timeout = setting.limits.clock + OWN_SECONDS
        waiting = {self.pool.schedule(_grade, (*work, setting), timeout=timeout): work[0] for work in works}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                one = waiting.pop(future)
                try:
                    yield one, *future.result()
                except ProcessExpired as error:
                    yield one, None, f"the grader's own process ended (exit {error.exitcode})"
                except TimeoutError:
                    yield one, None, "the grader did not come to an end with it in time"


def _begin(log: str, parent: int) -> None:
    """Prepare this process: what nbgrader reports goes into the log, and nothing outlives the grader."""
    prepare_environment()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if sys.platform == "linux":
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


def _end_with(parent: int) -> None:
    """End this process when the grader's main process was killed; the kernel ends with this one."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _try_solution(source: NotebookNode, setting: Setting) -> float:
    try:
        return submission.try_solution(source, setting)
    except CourseError:
        raise
    except Exception as error:
        raise CourseError(_problem("the solution", error)) from None


def _grade(one: Submission, key: str, setting: Setting) -> tuple[Record | None, str]:
    """Return the record, or None and why there is none; nothing that a submission does may end the run.

    What the computer fails at (its disk, a kernel that does not start) may succeed the next time.
    Anything else would fail again, so it is entered as it is.
    """
    try:
        return submission.grade(one, key, setting), ""
    except Exception as error:
        problem = _problem(one.student, error)
        computers = (OSError, SandboxError, CourseError, DatabaseError)
        if isinstance(error, computers) or isinstance(error.__context__, DatabaseError):
            return None, problem
        record = Record(key, one.student, one.given, one.name, one.shown, GRADED)
        submission.refuse(record, f"{problem}: look at it", setting.folder)
        return record, ""


def _problem(name: str, error: Exception) -> str:
    """Return in one line what went wrong; all of it is in the log."""
    logging.getLogger("traitlets").error("%s\n%s", name, traceback.format_exc())
    if isinstance(error, CourseError):
        return str(error)
    if isinstance(error, SandboxError):
        return f"the kernel did not start: {' '.join(str(error).split())[:300]}"
    reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return f"the grader failed on {name}: {reason}, see grade.log"


def prepare_environment() -> None:
    """Let nbgrader find its own commands, which it calls by their bare names."""
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
