"""Execute an assembled notebook in a sandboxed kernel, as nbgrader's autograde does, within limits.

:class:`SandboxedExecute` is nbgrader's own ``Execute`` step with another kernel manager. It ends by
itself when the kernel is killed, and then marks the test cells that did not run as failed, so that
nbgrader gives the points of those that did.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
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
from grading.sandbox import Sandbox, environment
from grading.session import Run, SandboxError

LOOK_EVERY = 0.3  # seconds
GRACE = 10  # seconds of computing that an interrupted cell may still take, and
GRACE_CLOCK = 60  # seconds on the clock
STARTUP, ANSWER = 300, 60  # seconds: a busy machine is slow, too
QUEUED_MESSAGES = 100
SMALLEST = 100  # what a message counts at least


@dataclass(frozen=True)
class Place:
    """Where and how a kernel starts."""

    scratch: Path
    sandbox: Sandbox
    budget: str


class SandboxedKernelManager(AsyncKernelManager):
    """Start the kernel in the sandbox and speak with it over Unix sockets in its scratch folder."""

    def __init__(self, place: Place, run: Run) -> None:
        context = zmq.asyncio.Context()
        # A larger message is not read at all, so a kernel cannot fill the grader's memory.
        context.setsockopt(zmq.MAXMSGSIZE, run.limits.output + 1_000_000)
        context.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
        context.setsockopt(zmq.LINGER, 0)
        file = str(place.scratch / "kernel.json")
        super().__init__(kernel_name="python3", transport="ipc", connection_file=file, context=context)
        self.place, self.limits = place, run.limits
        program = [sys.executable, "-m", "ipykernel_launcher", "-f", file, "--IPKernelApp.log_level=ERROR"]
        self._kernel_spec = KernelSpec(
            argv=program, display_name="sandbox", language="python", interrupt_mode="message"
        )

    def client(self, **kwargs: Any) -> Any:
        """Return a client whose sockets refuse large messages."""
        return super().client(context=self.context, **kwargs)

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command in its sandbox; nothing in it is a template.

        All that the grader writes into the scratch folder is there now: from here on it is the
        sandbox's user's, who could put links in its place.
        """
        place = self.place
        place.sandbox.give(Path(self.connection_file))
        program = [*self.kernel_spec.argv, *(extra_arguments or [])]
        return place.sandbox.command(program, place.scratch, self.limits)


class _EndedError(Exception):
    """The run was stopped while a cell seemed to end by itself."""


class SandboxedExecute(Execute):
    """nbgrader's ``Execute``, in a sandbox.

    Parameters
    ----------
    imports
        Grade id of a test → the import statements of the lab's cells before it. They are executed again
        before the test, so that the names that it uses are what they should be.
    """

    def __init__(self, run: Run, place: Place, imports: dict[str, str]) -> None:
        super().__init__(
            timeout=None,
            iopub_timeout=ANSWER,
            startup_timeout=STARTUP,
            store_widget_state=False,
            shutdown_kernel="immediate",
            record_timing=False,
        )
        self.enabled = True
        self.run, self.place, self.imports = run, place, imports
        self.said = tempfile.TemporaryFile()  # noqa: SIM115, outside of Jupyter; closed with this object
        self.since = time.monotonic()
        self.started = self.quits = False
        self.refused: zmq.asyncio.Socket | None = None  # speaks when the connection for outputs closes
        self.printed = 0
        self.finished: set[int] = set()

    def preprocess(self, nb: NotebookNode, resources: dict, km: None = None) -> tuple[NotebookNode, dict]:
        """Execute ``nb`` in place as far as it goes; never raise for what a student's code does."""
        try:
            super().preprocess(nb, resources, km)
        except (DeadKernelError, CellTimeoutError):
            self.run.stopped = self.run.stopped or "died"
        except _EndedError:
            pass
        except Exception as error:  # a student's kernel can send anything
            if not self.started:
                raise SandboxError(f"{error} {_last_line(self.said)}".strip()) from None
            self.run.stopped = self.run.stopped or "odd"
        for index, cell in enumerate(nb.cells):
            outputs.clean(cell)
            if utils.is_grade(cell) and cell.cell_type == "code" and index not in self.finished:
                outputs.fail(cell, f"This test did not run: {self.run.why_stopped()}.")
        return nb, resources

    def create_kernel_manager(self) -> SandboxedKernelManager:
        """Make the manager whose kernel is in the sandbox."""
        self.km = SandboxedKernelManager(self.place, self.run)
        return self.km

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel with the sandbox's environment."""
        place = self.place
        await super().async_start_new_kernel(
            env=environment(place.scratch, place.budget),
            cwd=str(place.scratch),
            stdout=self.said,
            stderr=self.said,
        )

    start_new_kernel = run_sync(async_start_new_kernel)

    async def _async_cleanup_kernel(self) -> None:
        """End the kernel and before that what it started, which cannot be found afterwards."""
        if self.refused is not None:
            self.refused.close()
        self._measure()
        self._kill()
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        """Execute one cell; before a test put the lab's names right."""
        if cell.cell_type == "code" and cell.source.strip():
            self.started = True
            self.run.stopped_at = name_of(cell, index)
            imports = self.imports.get(self.run.stopped_at, "")
            if imports:
                self.execute_cell(new_code_cell(imports), index, store_history=False)
                self.nb.cells[index] = cell
            cell, resources = super().preprocess_cell(cell, resources, index)
        if self.run.stopped:
            raise _EndedError
        self.finished.add(index)
        if self.quits:
            self.run.stopped = "quit"
            raise _EndedError
        return cell, resources

    def on_cell_executed(self, **told: Any) -> None:
        """Take note of a call of ``quit()``: some cells later the kernel would be gone."""
        super().on_cell_executed(**told)
        payload = told["execute_reply"]["content"].get("payload") or []
        self.quits = any(part.get("source") == "ask_exit" for part in payload)

    async def _async_poll_kernel_alive(self) -> None:
        """Look at the kernel while it executes a cell; interrupt the cell or stop the kernel at a limit."""
        limits, start = self.run.limits, time.monotonic()
        before = self._measure()
        late_since, closed = None, False
        if self.refused is None:
            self.refused = self.kc.iopub_channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        while not self.run.stopped:
            await asyncio.sleep(LOOK_EVERY)
            if self.kc is None or not await ensure_async(self.kc.is_alive()):
                break
            if closed:  # and it runs: its outputs come no more, because one was too large to be read
                self.stop("output")
                break
            closed = bool(await self.refused.poll(0))
            now = time.monotonic()
            self._look(self._measure(), now)
            computed, waited = self.run.seconds - before.seconds, now - start
            if late_since is None and (computed > limits.cell_seconds or waited > limits.cell_clock):
                late_since = now
                busy = computed > limits.cell_seconds
                self.run.late[self.run.stopped_at] = (
                    f"interrupted after {limits.cell_seconds:.0f} s of computing"
                    if busy
                    else f"interrupted after {limits.cell_clock:.0f} s of waiting"
                )
                await ensure_async(self.km.interrupt_kernel())
            elif computed > limits.cell_seconds + GRACE:
                self.stop("loop")
            elif late_since is not None and now - late_since > GRACE_CLOCK:
                self.stop("waits" if computed <= limits.cell_seconds else "loop")
        self.task_poll_for_reply.cancel()

    def _measure(self) -> watch.Usage:
        """Return what the kernel uses, and remember the most of it."""
        provisioner = self.km.provisioner
        used = watch.usage(provisioner.pid) if provisioner is not None else watch.Usage()
        self.run.memory = max(self.run.memory, used.memory)
        self.run.seconds = max(self.run.seconds, used.seconds)
        return used

    def _look(self, used: watch.Usage, now: float) -> None:
        """Stop the kernel if one of its limits is exceeded."""
        limits = self.run.limits
        much = used.memory > limits.memory
        # Forked processes share memory that is counted for each: many small ones are no large one.
        exceeded = {
            "processes": used.processes > limits.processes or (much and used.largest < used.memory / 4),
            "memory": much,
            "time": self.run.seconds > limits.seconds,
            "clock": now - self.since > limits.clock,
            "disk": watch.folder_size(self.place.scratch, limits.disk) > limits.disk,
        }
        for reason, is_so in exceeded.items():
            if is_so:
                self.stop(reason)

    def stop(self, reason: str) -> None:
        """Kill every process of the sandbox; the first reason is the one that is told."""
        self.run.stopped = self.run.stopped or reason
        self._kill()

    def _kill(self) -> None:
        provisioner, sandbox = self.km.provisioner, self.place.sandbox
        if provisioner is not None and provisioner.pid is not None:
            # With limits only also what has left the family: no namespace ends it.
            watch.end(provisioner.pid, sandbox.user() if sandbox.kind == "none" else None)

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Count what is printed; stop reading, and the kernel, when it is too much."""
        self.printed += size(msg["content"])
        if self.printed > self.run.limits.output:
            self.stop("output")
            return None
        return super().process_message(msg, cell, cell_index)

    def clear_output(self, outs: list, msg: dict, cell_index: int) -> None:
        """Clear nothing: it could be the error of a check."""

    def handle_comm_msg(self, outs: list, msg: dict, cell_index: int) -> None:
        """Ignore widgets: nobody moves them here."""


def name_of(cell: NotebookNode, index: int) -> str:
    """Return the cell's grade id, or where it is."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {index + 1}"


def size(thing: Any) -> int:
    """Return about how many characters a message holds."""
    total, waiting = SMALLEST, [thing]
    while waiting:
        part = waiting.pop()
        total += len(part) if isinstance(part, str) else 8
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
    return total


def _last_line(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - 1000))
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
