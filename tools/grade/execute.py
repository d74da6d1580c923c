"""Execute an assembled notebook in a sandboxed kernel, as nbgrader's autograde does, within limits.

:class:`SandboxedExecute` is nbgrader's own ``Execute`` step with another kernel manager. It ends by
itself when the kernel is killed, and then marks the test cells that did not run as failed, so that
nbgrader gives the points of those that did.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import inspect
import json
import os
import queue
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import Execute

from tools.grade import judge, probe
from tools.grade.kernels import SandboxedKernelManager
from tools.grade.prefork import ForkServer
from tools.grade.sandbox import MEGABYTE, Limits, Sandbox, environment
from tools.grade.watch import Watch

PROBE_SECONDS = 60
PROBE_TEXT = inspect.getsource(probe)
STOPPED = {
    "time": "stopped after {limits.seconds:.0f} s in all",
    "memory": "stopped because it used more than {megabytes[memory]} MB of memory",
    "processes": "stopped because it started more than {limits.processes} processes",
    "disk": "stopped because it wrote more than {megabytes[disk]} MB of files",
    "output": "stopped because it printed more than {megabytes[output]} MB",
    "loop": "stopped because it could not be interrupted after {limits.cell_seconds:.0f} s in one cell",
    "odd": "stopped because its kernel sent messages that are not Jupyter's",
    "died": "its kernel ended (a call of os._exit or exit(), or a crash)",
}


class SandboxError(Exception):
    """The kernel did not start: nothing that a submission could have caused."""


@dataclass(frozen=True)
class Course:
    """What the grader knows of the lab before it looks at a submission.

    Parameters
    ----------
    imports
        The import statements of the lab's own cells.
    fingerprints
        What :mod:`probe` answers in a clean kernel, as far as it is the same each time.
    restless
        What is not the same each time there, and so is not compared.
    late
        What is not there from the first test on, and so may be missing.
    """

    imports: tuple[str, ...] = ()
    fingerprints: dict[str, str] = field(default_factory=dict)
    restless: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    hooks: tuple[str, ...] | None = None  # what IPython calls around each cell there

    @functools.cached_property
    def digest(self) -> str:
        """Return the hash that :mod:`probe` gives of the fingerprints."""
        return probe.digest(sorted(self.fingerprints.items()), 3) if self.fingerprints else ""


@dataclass
class Run:
    """One execution: what it may use, and what was noticed."""

    scratch: Path
    sandbox: Sandbox
    limits: Limits
    budget: str
    course: Course
    server: ForkServer | None = None  # that forks the kernel; None: a new Python becomes it
    log: IO[bytes] = field(default_factory=tempfile.TemporaryFile)  # what it says outside of Jupyter
    seconds: float = 0.0
    memory: int = 0  # bytes in use by all of its processes, at most
    stopped: str = ""  # a key of STOPPED
    stopped_at: str = ""
    late: list[str] = field(default_factory=list)  # cells that were interrupted
    tampered: dict[str, list[str]] = field(default_factory=dict)  # test cell → what was changed
    renamed: dict[str, list[str]] = field(default_factory=dict)  # test cell → names put right
    answers: list[dict[str, str]] = field(default_factory=list)  # fingerprints, in order
    hooks: set[str] = field(default_factory=set)  # that the probe saw (or removed, if it knew better)

    def why_stopped(self) -> str:
        """Return why it did not run to its end, in words."""
        sizes = {name: getattr(self.limits, name) // MEGABYTE for name in ("memory", "disk", "output")}
        return STOPPED[self.stopped].format(limits=self.limits, megabytes=sizes) if self.stopped else ""


class SandboxedExecute(Execute):
    """nbgrader's ``Execute``, in a sandbox, with a probe around each test cell."""

    def __init__(self, run: Run, **kwargs: Any) -> None:
        super().__init__(
            timeout_func=lambda cell: run.limits.cell_seconds,
            store_widget_state=False,
            shutdown_kernel="immediate",
            record_timing=False,
            **kwargs,
        )
        self.enabled = True
        self.run = run
        self.watch: Watch | None = None
        self.printed = 0
        self.finished: set[int] = set()

    def preprocess(self, nb: NotebookNode, resources: dict, km: None = None) -> tuple[NotebookNode, dict]:
        """Execute ``nb`` in place as far as it goes; never raise for what a student's code does."""
        start = time.perf_counter()
        try:
            super().preprocess(nb, resources, km)
        except (DeadKernelError, CellTimeoutError, _EndedError) as error:
            late = isinstance(error, CellTimeoutError)
            self.run.stopped = self.run.stopped or (
                "loop" if late and self.run.late else "output" if late else "died"
            )
        except Exception as error:  # a student's kernel can send anything
            if self.watch is None or not self.finished:
                reason = f"{error} {_last_line(self.run.log)}"
                raise SandboxError(reason.strip()) from None
            self.run.stopped = self.run.stopped or "odd"
        finally:
            if self.watch is not None:
                self.watch.ended.set()
                self.watch.stop(self.run.stopped)
                if self.watch.is_alive():
                    self.watch.join()
            self.run.log.close()
            self.run.seconds = time.perf_counter() - start
        self._judge(nb)
        return nb, resources

    def create_kernel_manager(self) -> SandboxedKernelManager:
        """Make the manager whose kernel is in the sandbox."""
        self.km = SandboxedKernelManager(self.run)
        return self.km

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel with the sandbox's environment, and watch it."""
        run = self.run
        await super().async_start_new_kernel(
            env=environment(run.scratch, run.budget), cwd=str(run.scratch), stdout=run.log, stderr=run.log
        )
        self.watch = Watch(run, self.km.provisioner.pid)

    start_new_kernel = run_sync(async_start_new_kernel)

    def start_new_kernel_client(self, **kwargs: Any) -> Any:
        """Connect to the kernel, and begin to watch it."""
        client = run_sync(self.async_start_new_kernel_client)(**kwargs)
        self.watch.listen(client.iopub_channel.socket)
        self.watch.start()
        return client

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        """Execute one cell; around a test cell, ask whether the checks are what they should be."""
        if cell.cell_type != "code" or not cell.source.strip():
            self.finished.add(index)
            if index == len(self.nb.cells) - 1:
                self.watch.ended.set()  # from here on it is the grader that ends the kernel
            return cell, resources
        self.run.stopped_at = name_of(cell, index)
        test = utils.is_grade(cell)
        if test:
            self._probe(cell, after=False)
        cell, resources = super().preprocess_cell(cell, resources, index)
        if any(output.get("ename") == "CellTimeoutError" for output in cell.outputs):
            self.run.late.append(name_of(cell, index))
        if test:
            self._probe(cell, after=True)
        if self.run.stopped:
            raise _EndedError
        self.finished.add(index)
        if index == len(self.nb.cells) - 1:
            self.watch.ended.set()
        return cell, resources

    def process_message(self, msg: dict, cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Count what is printed; stop reading, and the kernel, when it is too much."""
        if msg["msg_type"] != "status":
            self.printed += size(msg["content"])
            if self.printed > self.run.limits.output:
                self.watch.stop("output")
                return None
        return super().process_message(msg, cell, cell_index)

    def clear_output(self, outs: list, msg: dict, cell_index: int) -> None:
        """Clear nothing: it could be the error of a check."""

    def handle_comm_msg(self, outs: list, msg: dict, cell_index: int) -> None:
        """Ignore widgets: nobody moves them here."""

    def _probe(self, cell: NotebookNode, *, after: bool) -> None:
        """Ask the kernel, compare with what a clean one answers, remember what differs.

        Before a test its names and environment are put right; after it the checks are compared, since
        what was changed before it or by the answer itself is still changed then.
        """
        found = self._question(cell, after=after, full=not self.run.course.fingerprints)
        expected = self.run.course.digest
        if found and after and expected and found.get("digest") != expected:
            found = self._question(cell, after=True, full=True)
        grade_id = cell.metadata.nbgrader.grade_id
        if found is None:
            self.run.tampered.setdefault(grade_id, []).append("the kernel does not answer the grader")
            return
        changed = [f"os.environ[{name!r}]" for name in found["environment"]]
        changed += [f"{name} (it is the course's own answer)" for name in found["borrowed"]]
        if after:
            prints = found["fingerprints"]
            self.run.answers.append(prints)
            if found["digest"] != expected:
                changed += differences(self.run.course, prints)
        if changed:
            self.run.tampered.setdefault(grade_id, []).extend(changed)
        self.run.hooks.update(found["hooks"])
        if found["renamed"] and not after:  # a test binds its exercise's name itself
            self.run.renamed.setdefault(grade_id, []).extend(found["renamed"])

    def _question(self, cell: NotebookNode, *, after: bool, full: bool) -> dict | None:
        """Send :mod:`probe` to the kernel and return its answer."""
        request = {
            "imports": self.run.course.imports,
            "names": sorted(names_in(cell.source)) if not after else [],
            "environment": {"NBGRADER_EXECUTION": "autograde"},
            "hooks": self.run.course.hooks,
            "prints": self.run.course.restless if after else None,
            "full": full,
        }
        # Of the notebook's names none is used: each may be the student's own.
        code = (
            f"import builtins as _nnlabs_builtins\n"
            f"_nnlabs_probe = {{'__name__': 'nnlabs_probe'}}\n"
            f"_nnlabs_builtins.exec({PROBE_TEXT!r}, _nnlabs_probe)\n"
            f"_nnlabs_probe = _nnlabs_probe['reply']"
            f"({request!r} | {{'namespace': _nnlabs_builtins.globals()}})\n"
        )
        return self.ask(code, "_nnlabs_probe")

    async def async_ask(self, code: str, expression: str) -> dict | None:
        """Execute ``code`` unseen and return the JSON text that ``expression`` then is, decoded."""
        message = await ensure_async(
            self.kc.execute(code, silent=True, store_history=False, user_expressions={"answer": expression})
        )
        deadline = time.monotonic() + PROBE_SECONDS
        while time.monotonic() < deadline:
            try:
                reply = await ensure_async(self.kc.shell_channel.get_msg(timeout=1))
            except queue.Empty:
                await self._async_check_alive()
                continue
            if reply["parent_header"].get("msg_id") == message:
                return _decode(reply["content"])
        self.watch.stop("loop")
        raise _EndedError

    ask = run_sync(async_ask)

    def _judge(self, nb: NotebookNode) -> None:
        """Fail the test cells that did not run or whose points are withheld; make outputs harmless."""
        tampered = False
        for index, cell in enumerate(nb.cells):
            if cell.cell_type != "code":
                continue
            cell.outputs = [output for output in map(judge.harmless, cell.outputs) if output]
            if not utils.is_grade(cell):
                continue
            judge.results_last(cell)
            tampered = tampered or cell.metadata.nbgrader.grade_id in self.run.tampered
            if index not in self.finished:
                judge.fail(cell, judge.NOT_RUN, f"This test did not run: {self.run.why_stopped()}.")
            elif tampered:
                text = "The checks were changed before or during this test: no points."
                judge.fail(cell, judge.TAMPERED, text)
            else:
                judge.bound_partial_points(cell)


def differences(course: Course, prints: dict[str, str]) -> list[str]:
    """Return the names of what is changed, gone, or new where it can stand for something of the checks'."""
    clean = course.fingerprints
    changed = [
        name
        for name, value in clean.items()
        if prints.get(name) != value and (name in prints or name not in course.late)
    ]
    known = {name.rpartition(".")[0] for name in clean}
    for name in prints.keys() - clean.keys() - set(course.restless):
        module, _, own = name.rpartition(".")
        if module not in known or _is_submodule(module, own):
            continue
        # In a module of another library only what stands before a builtin of that name.
        if module.startswith(probe.PACKAGE) or (module != "builtins" and hasattr(builtins, own)):
            changed.append(name)
    return changed


@functools.cache
def _is_submodule(package: str, name: str) -> bool:
    """Tell whether the checks have a module of that name, which may be imported at any time."""
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    return any(Path(folder, f"{name}.py").is_file() for folder in folders or ())


class _EndedError(Exception):
    """The run was stopped while a cell seemed to end by itself."""


def _decode(content: dict) -> dict | None:
    """Return the answer of :mod:`probe`, or None if the kernel gave anything else."""
    try:
        found = json.loads(ast.literal_eval(content["user_expressions"]["answer"]["data"]["text/plain"]))
        prints = found.setdefault("fingerprints", {})
        lists = [found[key] for key in ("renamed", "borrowed", "environment", "hooks")]
        texts = [found.setdefault("digest", ""), *prints.keys(), *prints.values()]
        texts += [text for part in lists if isinstance(part, list) for text in part]
        if all(isinstance(part, list) for part in lists) and all(isinstance(text, str) for text in texts):
            return found
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError, MemoryError):
        pass
    return None


def names_in(source: str) -> set[str]:
    """Return the names that the code reads or binds."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic: the names that a test needs are put right all the same
        return set(re.findall(r"[A-Za-z_]\w*", source))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def name_of(cell: NotebookNode, index: int) -> str:
    """Return the cell's grade id, or where it is."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {index + 1}"


def size(thing: Any) -> int:
    """Return about how many characters a message holds."""
    total, waiting = 0, [thing]
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
