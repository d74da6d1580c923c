"""Where and with what the tests of the grader run, and what several of them ask."""

import sys
import time
from importlib.util import find_spec

import psutil
import pytest

from grading import sandbox

if sys.platform == "win32" or not (find_spec("pebble") and find_spec("nbgrader")):
    collect_ignore_glob = ["test_*.py"]  # an environment that does not grade, such as Colab's

HAS_BUBBLEWRAP = sandbox.works(sandbox.Sandbox("bubblewrap"))
needs_bubblewrap = pytest.mark.skipif(not HAS_BUBBLEWRAP, reason="bubblewrap does not work here")


def kernels():
    """The kernels that a grader started and that still run."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "nnlabs-grade-" in line and " -f " in line]


def until(is_so):
    """Wait until something is so, however slow the machine; tell whether it ever was."""
    deadline = time.monotonic() + 300
    while not (found := is_so()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(found)
