"""Spread the submissions over processes; one that dies takes nothing with it."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import resource
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, TimeoutError, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from pebble import ProcessExpired, ProcessPool
from sqlalchemy.exc import DatabaseError

from grading import submission
from grading.collect import Submission
from grading.grades import GRADED, Record
from grading.submission import Setting
from tools.course import CourseError

OWN_MEMORY = 6_000_000_000  # addresses of a worker: what it reads of a kernel is bounded long before
OWN_SECONDS = 1200  # on the clock, what nbgrader may take around the execution on a busy machine


@contextmanager
def workers(count: int, log: Path) -> Iterator[ProcessPool]:
    """Hold processes that grade, each with one kernel at a time; what nbgrader reports goes into ``log``."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPool(count, initializer=_begin, initargs=(str(log),), context=spawn)
    try:
        yield pool
    finally:
        pool.stop()  # a kernel dies with its worker
        pool.join()


def try_solution(pool: ProcessPool, source: NotebookNode, setting: Setting) -> float:
    """Return the seconds of computing that the course's own solution takes, or raise why it fails."""
    seconds, problem = _result(pool.schedule(_try_solution, (source, setting)))
    if seconds is None:
        raise CourseError(problem)
    return seconds


def grade(pool: ProcessPool, works: list[tuple[Submission, str]], setting: Setting) -> Iterator[tuple]:
    """Yield each submission as it is done, with its record, or None and why there is none."""
    timeout = setting.limits.clock + OWN_SECONDS
    futures = {pool.schedule(_grade, (*work, setting), timeout=timeout): work[0] for work in works}
    for future in as_completed(futures):
        yield futures[future], *_result(future)


def _result(future: Future) -> tuple[Any, str]:
    try:
        return future.result()
    except ProcessExpired as error:
        return None, f"the grader's own process ended (exit {error.exitcode})"
    except TimeoutError:
        return None, "the grader did not come to an end with it in time"


def _begin(log: str) -> None:
    """Prepare this process: what it reports goes into the log, and it does not outlive the grader."""
    prepare_environment()
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (OWN_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    warnings.simplefilter("ignore")  # SQLAlchemy's on nbgrader's way of using it
    sys.stdout = sys.stderr = open(log, "a", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    gc.freeze()  # the libraries stay; to look through them again costs a fifth of a second a submission


def _try_solution(source: NotebookNode, setting: Setting) -> tuple[float | None, str]:
    try:
        return submission.try_solution(source, setting), ""
    except Exception as error:
        return None, _problem("the solution", error)


def _grade(one: Submission, key: str, setting: Setting) -> tuple[Record | None, str]:
    """Return the record, or None and why there is none; nothing that a submission does may end the run."""
    try:
        return submission.grade(one, key, setting), ""
    except Exception as error:
        problem = _problem(one.student, error)
        # What the computer fails at (its disk, a kernel that does not start) may succeed the next time.
        computers = (OSError, CourseError, DatabaseError)
        if isinstance(error, computers) or isinstance(error.__context__, DatabaseError):
            return None, problem
        record = Record(key, one.student, one.given, one.name, one.shown, GRADED)
        submission.refuse(record, f"{problem}: look at it", setting.folder)
        return record, ""


def _problem(name: str, error: Exception) -> str:
    """Return in one line what went wrong; all of it is in the log."""
    logging.error("%s\n%s", name, traceback.format_exc())
    if isinstance(error, CourseError):
        return " ".join(str(error).split())[:400]
    reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
    return f"the grader failed on {name}: {reason}, see grade.log"


def prepare_environment() -> None:
    """Let nbgrader find its own commands, which it calls by their bare names."""
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", os.defpath)])
