"""The checks of a lab that is judged when it is handed in: each returns what it is given."""

from collections.abc import Callable
from typing import Any


class Checks:
    """Stands for any module of checks: every name is a check."""

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        def check(attempt: Any) -> Any:
            print(f"{name}: is judged when it is handed in.")
            return attempt

        return check


def __getattr__(name: str) -> Checks:
    """Return what ``from nnlabs.checks import name`` imports."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Checks()
