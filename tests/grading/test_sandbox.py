"""Where submissions run, what is kept out, and how what they do ends."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from grading import kernel, outputs, sandbox, session, watch
from nnlabs import plots
from tests.grading.conftest import kernels, needs_bubblewrap, until
from tools import course

BOX = sandbox.Sandbox("bubblewrap")


@needs_bubblewrap
def test_what_is_private_must_not_lie_in_what_is_shown():
    with pytest.raises(course.CourseError, match="can read"):
        sandbox.chosen(Path(sys.prefix, "lib", "submissions"))


def test_the_folder_that_python_is_installed_in_is_not_shown_as_a_whole(tmp_path, monkeypatch):
    for name in ("bin", "lib", "src/nnlabs/solutions", ".ssh"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shown = sandbox.readable.__wrapped__()
    assert [place.name for place in shown if tmp_path in place.parents] == ["bin", "lib"]
    assert tmp_path not in shown


def executed(*sources, **limits):
    """The run of a notebook with these cells in the sandbox, and what each cell gave."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    run = session.Run(session.Limits(**limits))
    place = Path(tempfile.mkdtemp(prefix="nnlabs-grade-", dir="/tmp"))
    try:
        step = kernel.SandboxedExecute(run, BOX, place, "smoke", {})
        step.preprocess(nbformat.v4.new_notebook(cells=cells), {"metadata": {}})
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert until(lambda: not kernels())
    return run, [[output.get("text", output.get("ename")) for output in cell.outputs] for cell in cells]


SLEEPS = "import time\ntime.sleep(1000)"
IGNORES = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
LEAVES = """
import ctypes, os, time
prctl = ctypes.CDLL(None).prctl
prctl(1, 0)  # ends no longer with its parent
if os.fork() == 0:
    os.setsid()
    prctl(1, 0)
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
"""


@needs_bubblewrap
def test_what_waits_is_stopped_by_the_clock_the_reason_is_told_and_no_process_outlives_its_run():
    limits = {"starting": 2, "patience": 0.02, "cell_seconds": 1, "seconds": 900}
    run, given = executed(LEAVES, SLEEPS, "print(2)", IGNORES + SLEEPS, **limits)
    assert given == [[], ["KeyboardInterrupt"], ["2\n"], []]
    assert run.remarks()[0] == "cell 2: interrupted after 2 s of waiting"
    assert run.stopped == "waits"
    run, _ = executed(SLEEPS, starting=1, patience=0)
    assert run.stopped == "clock"
    assert "most of which it waited" in run.why_stopped()


@needs_bubblewrap
def test_an_output_that_is_too_large_to_be_read_ends_the_run_with_this_reason():
    run, given = executed("print('x' * 20_000_000)", "print(2)")
    assert (run.stopped, run.stopped_at, given[1]) == ("output", "cell 1", [])


def test_outputs_of_any_form_end_in_a_valid_notebook():
    figure = plots.image_element(b"1", 'a "b"')
    given = [
        {"output_type": "execute_result", "data": 5},
        {"output_type": "display_data", "data": {"text/plain": {"a": 1}}, "metadata": 3},
        {"output_type": "display_data", "data": {"image/png": "<b>"}, "metadata": {"image/png": [1]}},
        {"output_type": "display_data", "data": {"text/html": figure}, "metadata": {}},
        {"output_type": "display_data", "data": {"text/html": "<img src='x' onerror='y'>"}},
        {"output_type": "error", "ename": {}, "evalue": None, "traceback": 7},
        {"output_type": "stream", "name": [], "text": {"x": "\ud800"}},
        {"output_type": "unknown"},
    ]
    cell = nbformat.v4.new_code_cell()
    cell.outputs = [nbformat.from_dict(output) for output in given]
    outputs.clean(cell)
    shown = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
    assert shown == [figure], "a figure of the course is kept, other HTML is not"
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()


@pytest.mark.skipif(sys.platform != "linux" or not sandbox.is_root(), reason="of Linux, for root")
def test_all_that_a_user_runs_is_ended_however_fast_it_forks():
    number = sandbox.user()

    def running():
        found = [p.info for p in psutil.process_iter(["uids", "status"])]
        return [p for p in found if number in (p["uids"] or ()) and p["status"] != psutil.STATUS_ZOMBIE]

    comet = "f() { sleep 0.005; f & exit; }; f"
    user = {"user": number, "group": number, "extra_groups": []}
    subprocess.Popen(["sh", "-c", comet], **user, start_new_session=True).wait()
    assert any(running() for _ in range(100)), "one look at the list can miss it"
    watch.end(2**22 + 1, number)  # the number of no process
    time.sleep(0.1)
    assert not any(running() for _ in range(20))


def test_without_a_sandbox_it_is_said_with_the_ways_out(monkeypatch):
    for root, words in ((True, "what every user can read"), (False, "other submissions")):
        monkeypatch.setattr(sandbox, "is_root", lambda root=root: root)
        said = " ".join(sandbox.Sandbox("none").gaps())
        assert all(part in said for part in ("network", "share /tmp", words))
    for there, words in ((None, "apt install bubblewrap"), ("bwrap", 'README.md, "Ubuntu 24.04"')):
        monkeypatch.setattr(shutil, "which", lambda _, there=there: there)
        assert words in sandbox.Sandbox("none").gaps()[0]
        assert "Dockerfile" in sandbox.Sandbox("none").gaps()[0]
