"""Stop code that does not end by itself: by the processor's time, so that a busy machine stops nobody."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PATIENCE = 6  # the clock may show so many times the seconds of computing: for what sleeps
REPEAT = 0.1  # seconds: a bare `except:` in the stopped code must not swallow the only interrupt


class TimeLimitError(BaseException):
    """Raised inside code that ran out of time. No ``Exception``: ``except Exception`` passes it on."""


class Limit:
    """What the enclosed code may use and, once it was stopped, what it had used (seconds)."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._computed, self._clock = time.process_time(), time.monotonic()
        self.computed = self.waited = 0.0
        self.ended = False

    def reached(self) -> bool:
        """Tell whether the code has computed, or waited, for too long; remember what it used."""
        self.computed = time.process_time() - self._computed
        self.waited = time.monotonic() - self._clock
        return self.computed > self.seconds or self.waited > PATIENCE * self.seconds

    @property
    def by_computing(self) -> bool:
        """Tell whether the limit was reached by computing, not by waiting."""
        return self.computed > self.seconds


@contextmanager
def time_limit(seconds: float) -> Iterator[Limit]:
    """Raise :class:`TimeLimitError` in the enclosed code once it has computed for ``seconds``.

    The processor's time of the whole process is counted, and the clock's only up to a far cap. A thread
    looks at both. It interrupts by a signal where the system has them and this is the main thread (as in
    a notebook's kernel on Linux and macOS), else by an exception, which cannot interrupt a call into
    compiled code such as ``time.sleep``. Neither stops code that catches everything at the very moment,
    such as a bare ``except:`` around a long wait in a loop (on Python 3.10: in any loop).
    """
    limit = Limit(seconds)
    with _interrupt(limit) as interrupt:
        lock = threading.Lock()

        def watch() -> None:
            while not limit.ended:
                time.sleep(min(REPEAT, seconds))
                with lock:  # never after the enclosed code has ended
                    if not limit.ended and limit.reached():
                        interrupt()

        threading.Thread(target=watch, daemon=True).start()
        try:
            try:
                yield limit
            finally:
                limit.ended = True
        finally:
            with suppress(TimeLimitError):  # an interrupt that was on its way
                limit.ended = True
                with lock:
                    pass


@contextmanager
def _interrupt(limit: Limit) -> Iterator[Callable[[], None]]:
    """Give what raises :class:`TimeLimitError` in this thread when another one calls it."""
    here = threading.get_ident()
    if hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread():

        def stop(*_: object) -> None:
            if not limit.ended:
                raise TimeLimitError

        previous = signal.signal(signal.SIGALRM, stop)
        try:
            yield lambda: signal.pthread_kill(here, signal.SIGALRM)
        finally:
            signal.signal(signal.SIGALRM, previous)
    else:
        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        yield lambda: raise_in(ctypes.c_ulong(here), ctypes.py_object(TimeLimitError))
