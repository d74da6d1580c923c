"""Execute an assembled notebook in a sandboxed kernel, as nbgrader's autograde does, within limits.

:class:`SandboxedExecute` is nbgrader's own ``Execute`` step with another kernel manager. It ends by
itself when the kernel is killed, and then marks the test cells that did not run as failed, so that
nbgrader gives the points of those that did.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader import utils
from nbgrader.preprocessors import Execute

from grading import outputs, watch
from grading.sandbox import Sandbox, environment, give, user
from grading.session import MEGABYTE, Limits, Run
from tools.course import CourseError

LOOK_EVERY = 0.3  # seconds
STARTUP, ANSWER = 300, 60  # seconds: a busy machine is slow, too
OVER = 1.5  # an interrupted cell may take so many times its limit before its kernel is killed


class SandboxedKernelManager(AsyncKernelManager):
    """Start the kernel in the sandbox and speak with it over Unix sockets in its scratch folder."""

    def __init__(self, sandbox: Sandbox, scratch: Path, budget: str, limits: Limits, said: IO[bytes]) -> None:
        context = zmq.asyncio.Context()
        # A larger message is not read at all, so a kernel cannot fill the grader's memory.
        sizes = {zmq.MAXMSGSIZE: (limits.output + 1) * MEGABYTE, zmq.RCVHWM: 100, zmq.LINGER: 0}
        for option, value in sizes.items():
            context.setsockopt(option, value)
        file = str(scratch / "kernel.json")
        super().__init__(kernel_name="python3", transport="ipc", connection_file=file, context=context)
        self.sandbox, self.scratch, self.limits, self.said = sandbox, scratch, limits, said
        self.environment = environment(scratch, budget)
        program = [sys.executable, "-m", "ipykernel_launcher", "-f", file, "--IPKernelApp.log_level=ERROR"]
        self._kernel_spec = KernelSpec(
            argv=program, display_name="sandbox", language="python", interrupt_mode="message"
        )

    def client(self, **settings: Any) -> Any:
        """Return a client whose sockets refuse large messages."""
        return super().client(context=self.context, **settings)

    async def start_kernel(self, **settings: Any) -> None:
        """Start the kernel with nothing of the grader's environment."""
        settings |= {"env": self.environment, "cwd": str(self.scratch)}
        await super().start_kernel(**settings, stdout=self.said, stderr=self.said)

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command in its sandbox; nothing in it is a template.

        All that the grader writes into the scratch folder is there now: from here on it is the
        sandbox's user's, who could put links in its place.
        """
        give(Path(self.connection_file))
        program = [*self.kernel_spec.argv, *(extra_arguments or [])]
        return self.sandbox.command(program, self.scratch, self.limits)


class SandboxedExecute(Execute):
    """nbgrader's ``Execute``, in a sandbox.

    ``imports`` has for the grade id of a test the import statements of the lab's cells before it. They are
    executed again before the test, so that the names that it uses are what they should be.
    """

    def __init__(
        self, run: Run, sandbox: Sandbox, scratch: Path, budget: str, imports: dict[str, str]
    ) -> None:
        waits = {"timeout": None, "iopub_timeout": ANSWER, "startup_timeout": STARTUP}
        super().__init__(**waits, store_widget_state=False, shutdown_kernel="immediate", record_timing=False)
        self.enabled = True
        self.run, self.imports = run, imports
        self.sandbox, self.scratch, self.budget = sandbox, scratch, budget
        self.said = tempfile.TemporaryFile()  # noqa: SIM115, outside of Jupyter; closed with this object
        self.since = time.monotonic()
        self.started = self.quits = False
        self.closing: zmq.asyncio.Socket | None = None  # speaks when the connection for outputs closes
        self.printed = 0
        self.finished: set[int] = set()

    def preprocess(self, nb: NotebookNode, resources: dict, km: None = None) -> tuple[NotebookNode, dict]:
        """Execute ``nb`` in place as far as it goes; never raise for what a student's code does."""
        try:
            super().preprocess(nb, resources, km)
        except (DeadKernelError, CellTimeoutError):
            self.run.stopped = self.run.stopped or "died"
        except Exception as error:  # a student's kernel can send anything
            if not self.started:
                self.said.seek(0)
                said = self.said.read().decode(errors="replace")[-200:]
                raise CourseError(f"the kernel did not start: {error} {said}") from None
            self.run.stopped = self.run.stopped or "odd"
        for index, cell in enumerate(nb.cells):
            outputs.clean(cell)
            if utils.is_grade(cell) and cell.cell_type == "code" and index not in self.finished:
                outputs.fail(cell, f"This test did not run: {self.run.why_stopped()}.")
        return nb, resources

    def create_kernel_manager(self) -> SandboxedKernelManager:
        """Make the manager whose kernel is in the sandbox."""
        self.km = SandboxedKernelManager(self.sandbox, self.scratch, self.budget, self.run.limits, self.said)
        return self.km

    async def _async_cleanup_kernel(self) -> None:
        """End the kernel and before that what it started, which cannot be found afterwards."""
        if self.closing is not None:
            self.closing.close()
        self._measure()
        self.stop()
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        """Execute one cell; before a test put the lab's names right."""
        if cell.cell_type == "code" and cell.source.strip():
            self.started = True
            self.run.stopped_at = cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {index + 1}"
            imports = self.imports.get(self.run.stopped_at, "")
            if imports:
                self.execute_cell(new_code_cell(imports), index, store_history=False)
                self.nb.cells[index] = cell
            cell, resources = super().preprocess_cell(cell, resources, index)
        if not self.run.stopped:
            self.finished.add(index)
            self.run.stopped = "quit" if self.quits else ""
        if self.run.stopped:
            raise DeadKernelError
        return cell, resources

    def on_cell_executed(self, **told: Any) -> None:
        """Take note of a call of ``quit()``: some cells later the kernel would be gone."""
        super().on_cell_executed(**told)
        payload = told["execute_reply"]["content"].get("payload") or []
        self.quits = any(part.get("source") == "ask_exit" for part in payload)

    async def _async_poll_kernel_alive(self) -> None:
        """Look at the kernel while it executes a cell; interrupt the cell or stop the kernel at a limit."""
        limits, cell, start = self.run.limits, self.run.stopped_at, time.monotonic()
        before, closed = self._measure().seconds, False
        if self.closing is None:
            self.closing = self.kc.iopub_channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        while not self.run.stopped:
            await asyncio.sleep(LOOK_EVERY)
            if self.kc is None or not await ensure_async(self.kc.is_alive()):
                break
            used, waited = self._measure(), time.monotonic() - start
            computed = self.run.seconds - before
            # Closed, and it runs: its outputs come no more, because one was too large to be read.
            reason = "output" if closed else self._exceeded(used, computed, waited)
            closed = bool(await self.closing.poll(0))
            if reason:
                self.stop(reason)
            elif cell not in self.run.late and (computed > limits.cell_seconds or waited > limits.cell_clock):
                busy = computed > limits.cell_seconds
                why = ("computing", limits.cell_seconds) if busy else ("waiting", limits.cell_clock)
                self.run.late[cell] = f"interrupted after {why[1]:.0f} s of {why[0]}"
                await ensure_async(self.km.interrupt_kernel())
        self.task_poll_for_reply.cancel()

    def _exceeded(self, used: watch.Usage, computed: float, waited: float) -> str:
        """Return which limit the kernel has exceeded, or an empty text."""
        limits, disk = self.run.limits, self.run.limits.disk * MEGABYTE
        much = used.memory > limits.memory * MEGABYTE
        # Forked processes share memory that is counted for each: many small ones are no large one.
        exceeded = {
            "processes": used.processes > limits.processes or (much and used.largest < used.memory / 4),
            "memory": much,
            "time": self.run.seconds > limits.seconds,
            "clock": time.monotonic() - self.since > limits.clock,
            "disk": watch.folder_size(self.scratch, disk) > disk,
            "loop": computed > OVER * limits.cell_seconds,
            "waits": waited > OVER * limits.cell_clock,
        }
        return next((reason for reason, is_so in exceeded.items() if is_so), "")

    def _measure(self) -> watch.Usage:
        """Return what the kernel uses, and remember its seconds."""
        provisioner = self.km.provisioner
        used = watch.usage(provisioner.pid) if provisioner is not None else watch.Usage()
        self.run.seconds = max(self.run.seconds, used.seconds)
        return used

    def stop(self, reason: str = "") -> None:
        """Kill every process of the sandbox; the first reason is the one that is told."""
        self.run.stopped = self.run.stopped or reason
        provisioner = self.km.provisioner
        if provisioner is not None and provisioner.pid is not None:
            # With limits only also what has left the family: no namespace ends it.
            watch.end(provisioner.pid, user() if self.sandbox.kind == "none" else None)

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Count what is printed; stop reading, and the kernel, when it is too much."""
        self.printed += 100 + len(repr(msg["content"]))
        if self.printed > self.run.limits.output * MEGABYTE:
            self.stop("output")
            return None
        return super().process_message(msg, cell, cell_index)

    def handle_comm_msg(self, outs: list, msg: dict, cell_index: int) -> None:
        """Ignore widgets, which nobody moves here, and to clear outputs: it could be the error of a check."""

    clear_output = handle_comm_msg
