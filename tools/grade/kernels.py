"""The kernel of one submission, as Jupyter sees it: in a sandbox, forked where that is possible."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq.asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from tools.grade import watch

if TYPE_CHECKING:
    from tools.grade.execute import Run

QUEUED_MESSAGES = 100


class SandboxedKernelManager(AsyncKernelManager):
    """Start the kernel in the sandbox and speak with it over Unix sockets in its scratch folder."""

    def __init__(self, run: Run) -> None:
        context = zmq.asyncio.Context()
        # A larger message is not read at all, so a kernel cannot fill the grader's memory.
        context.setsockopt(zmq.MAXMSGSIZE, run.limits.output + 1_000_000)
        context.setsockopt(zmq.RCVHWM, QUEUED_MESSAGES)
        context.setsockopt(zmq.LINGER, 0)
        file = str(run.scratch / "kernel.json")
        super().__init__(kernel_name="python3", transport="ipc", connection_file=file, context=context)
        self.run = run
        program = [sys.executable, "-m", "ipykernel_launcher", "-f", file, "--IPKernelApp.log_level=ERROR"]
        self._kernel_spec = KernelSpec(
            argv=program, display_name="sandbox", language="python", interrupt_mode="message"
        )
        self.provisioner = SandboxProvisioner(kernel_id="", kernel_spec=self._kernel_spec, parent=self)

    def client(self, **kwargs: Any) -> Any:
        """Return a client whose sockets refuse large messages."""
        return super().client(context=self.context, **kwargs)

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        """Return the command as it is: nothing in it is a template."""
        return [*self.kernel_spec.argv, *(extra_arguments or [])]

    def write_connection_file(self, **kwargs: Any) -> None:
        """Write it such that the sandbox's user can read it."""
        super().write_connection_file(**kwargs)
        run = self.run
        run.sandbox.give(Path(self.connection_file))


class SandboxProvisioner(LocalProvisioner):
    """Start the kernel, by a fork if the run has a server for that, and end all that came of it.

    All files that the grader writes into the scratch folder are there before that is given to the
    sandbox's user, who could otherwise put links in their place.
    """

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict:
        """Start it, and return how to connect to it."""
        run = self.parent.run
        if run.server is None:
            return await super().launch_kernel(run.sandbox.command(cmd, run.scratch, run.limits), **kwargs)
        request = run.sandbox.request(cmd, run.scratch, run.limits, kwargs["env"])
        self.process = run.server.fork(request, kwargs["stdout"].fileno())
        self.pid = self.pgid = self.process.pid
        return self.connection_info

    async def kill(self, restart: bool = False) -> None:
        """End it, and before that what it started, which cannot be found afterwards."""
        watch.end(self.pid, self.parent.run.sandbox)
        await super().kill(restart)
