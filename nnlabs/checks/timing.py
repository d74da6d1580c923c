"""Stop code that does not end by itself."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

REPEAT = 0.1  # seconds: a bare `except:` in the stopped code must not swallow the only signal


class TimeLimitError(BaseException):
    """Raised inside code that ran out of time. No ``Exception``: ``except Exception`` passes it on."""


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise :class:`TimeLimitError` in the enclosed code once ``seconds`` have passed.

    By an interval timer where the system has one and this is the main thread (as in a
    notebook's kernel on Linux and macOS), else from a second thread. The second way cannot
    interrupt a call into compiled code, such as ``time.sleep``; neither can stop code that
    catches everything at the very moment, such as a bare ``except:`` around a long wait in a
    loop (on Python 3.10: in any loop).
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _limit_by_signal(seconds)
    return _limit_by_thread(seconds)


@contextmanager
def _limit_by_signal(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeLimitError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@contextmanager
def _limit_by_thread(seconds: float) -> Iterator[None]:
    target = ctypes.c_ulong(threading.get_ident())
    done = threading.Event()
    lock = threading.Lock()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            with lock:  # never after the enclosed code has ended
                if not done.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(TimeLimitError))
            wait = REPEAT

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            done.set()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)
