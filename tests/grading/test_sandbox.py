"""Where submissions run, what is kept out, and how what they do ends."""

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from grading import kernel, outputs, sandbox, session, watch
from tests.grading.conftest import kernels, needs_bubblewrap
from tools import course

BOX = sandbox.Sandbox("bubblewrap")

TRIAL = """
import os, socket
from pathlib import Path
for place in (PACKAGE, '/usr', '/', str(Path.cwd().parent)):
    try:
        open(Path(place, 'owned'), 'w').close()
        print('WROTE', place) if place != '/tmp' else None
    except OSError:
        pass
open('mine', 'w').write('x')
print('ROOT' if os.getuid() == 0 else 'user', sorted(os.listdir(COURSE)), os.environ.get('GRADER_SECRET'))
try:
    socket.create_connection(('127.0.0.1', PORT), timeout=2)
    print('NETWORK')
except OSError:
    pass
children = 0
try:
    while children < 400:
        if os.fork() == 0:
            import time; time.sleep(5); os._exit(0)
        children += 1
except OSError:
    print('HELD')
"""


@needs_bubblewrap
def test_what_a_sandbox_keeps_out():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=2).close()  # from here it can be reached
        values = f"PACKAGE, COURSE, PORT = {str(course.ROOT / 'nnlabs')!r}, {str(course.ROOT)!r}, {port}\n"
        said = in_sandbox(values + TRIAL, sandbox.Limits(threads=40))
    assert "HELD" in said
    assert "WROTE" not in said
    assert "NETWORK" not in said
    assert "ROOT" not in said
    assert not {"lessons", "solutions", "build", ".git"} & set(re.findall(r"'([\w.]+)'", said))
    assert not BOX.gaps()


def in_sandbox(code, limits=None):
    """What a program prints in the sandbox, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="nnlabs-trial-") as folder:
        status, said = sandbox.run(BOX, [sys.executable, "-c", code], Path(folder), limits)
    assert status == 0, said
    return said


@needs_bubblewrap
def test_what_is_private_must_not_lie_in_what_is_shown():
    with pytest.raises(course.CourseError, match="can read"):
        sandbox.chosen("bubblewrap", (Path(sys.prefix, "lib", "submissions"),))


def test_the_folder_that_python_is_installed_in_is_not_shown_as_a_whole(tmp_path, monkeypatch):
    for name in ("bin", "lib", "src/nnlabs/solutions", ".ssh"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shown = sandbox.readable.__wrapped__()
    assert [place.name for place in shown if tmp_path in place.parents] == ["bin", "lib"]
    assert tmp_path not in shown


RIGHTS = """
import os
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print([status[name].split() for name in ('CapPrm', 'CapEff', 'CapAmb', 'NoNewPrivs')])
print(sorted({*os.environ} - {'PWD', 'OLDPWD', 'LC_CTYPE'}))
"""


@needs_bubblewrap
def test_a_submission_has_no_rights_and_no_variables_of_the_instructor():
    rights, variables = in_sandbox(RIGHTS).splitlines()
    assert rights == str([["0" * 16]] * 3 + [["1"]])
    assert variables == str(sorted(sandbox.environment(Path("/x"), "smoke")))


def executed(*sources, **limits):
    """The run of a notebook with these cells in the sandbox, and what each cell gave."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    run = session.Run(session.Limits(**limits))
    place = Path(tempfile.mkdtemp(prefix="nnlabs-grade-", dir="/tmp"))
    try:
        step = kernel.SandboxedExecute(run, kernel.Place(place, BOX, "smoke"), {})
        step.preprocess(notebook, {"metadata": {}})
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return run, [[output.get("text", output.get("ename")) for output in cell.outputs] for cell in cells]


SLEEPS = "import signal, time\n"
IGNORES = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
LEAVES = """
import ctypes, os, time
prctl = ctypes.CDLL(None).prctl
prctl(1, 0)  # ends no longer with its parent
if os.fork() == 0:
    os.setsid()
    prctl(1, 0)
    if os.fork() == 0:
        time.sleep(100)
    os._exit(0)
"""


@needs_bubblewrap
def test_what_waits_is_stopped_by_the_clock_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(session, "STARTING", 2)
    monkeypatch.setattr(session, "PATIENCE", 0)
    monkeypatch.setattr(kernel, "GRACE_CLOCK", 1)
    run, given = executed("print(1)", f"{SLEEPS}time.sleep(1000)", "print(2)", seconds=10**6)
    assert run.stopped == "clock"
    assert "most of which it waited" in run.why_stopped()
    monkeypatch.setattr(session.Limits, "clock", 1000.0)
    run, given = executed(f"{SLEEPS}time.sleep(1000)", "print(2)")
    assert given == [["KeyboardInterrupt"], ["2\n"]]
    assert run.remarks() == ["cell 1: interrupted after 2 s of waiting"]
    run, given = executed(f"{SLEEPS}{IGNORES}time.sleep(1000)", "print(2)")
    assert run.stopped == "waits"


@needs_bubblewrap
def test_no_process_of_a_kernel_outlives_its_run():
    run, _ = executed(LEAVES)
    assert not run.stopped
    assert not kernels()


@needs_bubblewrap
def test_an_output_that_is_too_large_to_be_read_ends_the_run_with_this_reason():
    run, given = executed("print('x' * 20_000_000)", "print(2)")
    assert (run.stopped, run.stopped_at, given[1]) == ("output", "cell 1", [])


@pytest.mark.parametrize("reason", session.STOPPED)
def test_each_reason_is_words(reason):
    words = session.Run(session.Limits(), stopped=reason).why_stopped()
    assert not re.search(r"[{}]|None", words)


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "execute_result", "data": 5},
        {"output_type": "display_data", "data": {"text/plain": {"a": 1}}, "metadata": 3},
        {"output_type": "error", "ename": {}, "evalue": None, "traceback": 7},
        {"output_type": "stream", "name": [], "text": {"x": "\ud800"}},
        {"output_type": "unknown"},
    ],
)
def test_outputs_of_any_form_end_in_a_valid_notebook(output):
    kept = outputs._harmless(nbformat.from_dict(output))
    cell = nbformat.v4.new_code_cell(outputs=[kept] if kept else [])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()


def test_a_value_gives_no_points_and_stderr_takes_none():
    error = nbformat.v4.new_output("error", ename="CheckFailedError", evalue="gates: not done yet.")
    value = nbformat.v4.new_output("execute_result", {"text/plain": "100"})
    talk = nbformat.v4.new_output("stream", name="stderr", text="x")
    mark = {"grade": True, "solution": False, "grade_id": "x", "points": 2}
    for given, points in (([value, error], 0), ([talk, value], 2), ([talk, error], 0)):
        cell = nbformat.v4.new_code_cell(outputs=given, metadata={"nbgrader": mark})
        outputs.clean(cell)
        earned, hints = outputs.earned(nbformat.v4.new_notebook(cells=[cell]))
        assert earned == {"x": points}
        assert hints == ({} if points else {"x": outputs.NOT_DONE})


def test_a_message_of_any_depth_is_counted():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert kernel.size({"a": "xyz", "b": deep}) > 100_000


@pytest.mark.skipif(sys.platform != "linux" or not sandbox.is_root(), reason="of Linux, for root")
def test_all_that_a_user_runs_is_ended_however_fast_it_forks():
    box = sandbox.Sandbox("none")
    user = {"user": box.user(), "group": box.user(), "extra_groups": []}

    def running():
        found = [p.info for p in psutil.process_iter(["pid", "uids", "status"])]
        return [p for p in found if box.user() in (p["uids"] or ()) and p["status"] != psutil.STATUS_ZOMBIE]

    comet = "f() { sleep 0.005; f & exit; }; f"
    subprocess.Popen(["sh", "-c", comet], **user, start_new_session=True).wait()
    assert any(running() for _ in range(100)), "one look at the list can miss it"
    watch.end(2**22 + 1, box.user())  # the number of no process
    time.sleep(0.1)
    assert not any(running() for _ in range(20))


def test_without_a_sandbox_it_is_said():
    assert any("network" in line for line in sandbox.Sandbox("none").gaps())
    assert any("other submissions" in line for line in sandbox.Sandbox("none", change_user=False).gaps())
    assert any("share /tmp" in line for line in sandbox.Sandbox("none").gaps())
    assert sandbox.environment(Path("/tmp/own"), "smoke")["TMPDIR"] == "/tmp/own"


def test_why_there_is_no_sandbox_is_said_with_the_ways_out(monkeypatch):
    guide = (course.ROOT / "grading" / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(sandbox, "is_root", lambda: False)
    for there in (None, "/usr/bin/bwrap"):
        for value in ("0", "1"):
            monkeypatch.setattr(shutil, "which", lambda _, found=there: found)
            monkeypatch.setattr(Path, "read_text", lambda *_, text=value, **__: text)
            said = sandbox.why_none()
            assert "Dockerfile" in said
            assert "\n" not in said
            for heading in re.findall(r'grading/README.md, "([^"]+)"', said):
                assert f"### {heading}\n" in guide
