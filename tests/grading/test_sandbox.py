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
from tests.grading.conftest import kernels, needs_bubblewrap, until
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
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print([status[name].split() for name in ('CapPrm', 'CapEff', 'CapAmb', 'NoNewPrivs')])
print(sorted({*os.environ} - {'PWD', 'OLDPWD', 'LC_CTYPE'}))
print('ROOT' if os.getuid() == 0 else 'user', sorted(os.listdir(COURSE)))
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
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as folder:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=2).close()  # from here it can be reached
        values = f"PACKAGE, COURSE, PORT = {str(course.ROOT / 'nnlabs')!r}, {str(course.ROOT)!r}, {port}\n"
        program = [sys.executable, "-c", values + TRIAL]
        status, said = sandbox.run(BOX, program, Path(folder), session.Limits(threads=40))
    assert status == 0, said
    rights, variables, seen, held = said.splitlines()
    assert rights == str([["0" * 16]] * 3 + [["1"]])
    assert variables == str(sorted(sandbox.environment(Path("/x"), "smoke")))
    assert seen.startswith("user")
    assert not {"lessons", "solutions", "build", ".git"} & set(re.findall(r"'([\w.]+)'", seen))
    assert held == "HELD"
    assert not BOX.gaps()


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


def executed(*sources, **limits):
    """The run of a notebook with these cells in the sandbox, and what each cell gave."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    run = session.Run(session.Limits(**limits))
    place = Path(tempfile.mkdtemp(prefix="nnlabs-grade-", dir="/tmp"))
    try:
        step = kernel.SandboxedExecute(run, kernel.Place(place, BOX, "smoke"), {})
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


@pytest.mark.parametrize("reason", session.STOPPED)
def test_each_reason_is_words(reason):
    words = session.Run(session.Limits(), stopped=reason).why_stopped()
    assert not re.search(r"[{}]|None", words)


@pytest.mark.parametrize(
    "output",
    [
        {"output_type": "execute_result", "data": 5},
        {"output_type": "display_data", "data": {"text/plain": {"a": 1}}, "metadata": 3},
        {"output_type": "display_data", "data": {"image/png": "<b>"}, "metadata": {"image/png": [1]}},
        {"output_type": "error", "ename": {}, "evalue": None, "traceback": 7},
        {"output_type": "stream", "name": [], "text": {"x": "\ud800"}},
        {"output_type": "unknown"},
    ],
)
def test_outputs_of_any_form_end_in_a_valid_notebook(output):
    cell = nbformat.v4.new_code_cell()
    cell.outputs = [nbformat.from_dict(output)]
    outputs.clean(cell)
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


@pytest.mark.skipif(sys.platform != "linux" or not sandbox.is_root(), reason="of Linux, for root")
def test_all_that_a_user_runs_is_ended_however_fast_it_forks():
    number = sandbox.Sandbox("none").user()

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


def test_without_a_sandbox_it_is_said(monkeypatch):
    for root, words in ((True, "what every user can read"), (False, "other submissions")):
        monkeypatch.setattr(sandbox, "is_root", lambda root=root: root)
        said = " ".join(sandbox.Sandbox("none").gaps())
        assert all(part in said for part in ("network", "share /tmp", words))
    assert sandbox.environment(Path("/tmp/own"), "smoke")["TMPDIR"] == "/tmp/own"


@pytest.mark.parametrize("there", [None, "/usr/bin/bwrap"])
def test_why_there_is_no_sandbox_is_said_with_the_ways_out(monkeypatch, there):
    guide = (course.ROOT / "grading" / "README.md").read_text(encoding="utf-8")
    monkeypatch.setattr(shutil, "which", lambda _: there)
    said = sandbox.why_none()
    assert "Dockerfile" in said
    assert "\n" not in said
    for heading in re.findall(r'grading/README.md, "([^"]+)"', said):
        assert f"### {heading}\n" in guide
