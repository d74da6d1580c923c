"""What one submission may use, and what is noticed while its notebook is executed."""

from __future__ import annotations

from dataclasses import dataclass, field

MEGABYTE = 1_000_000
PATIENCE = 10  # a busy machine may take so many times the processor's time; what sleeps ends after that
STARTING = 60  # seconds on the clock that everything may take besides
STOPPED = {
    "time": "stopped after {seconds:.0f} s of computing in all",
    "clock": "stopped after {clock:.0f} s in all, most of which it waited",
    "loop": "stopped because a cell computed for {cell_seconds:.0f} s and could not be interrupted",
    "waits": "stopped because a cell waited for {cell_clock:.0f} s and could not be interrupted",
    "memory": "stopped because it used more than {memory} MB of memory",
    "processes": "stopped because it started more than {processes} processes",
    "disk": "stopped because it wrote more than {disk} MB of files",
    "output": "stopped because it printed more than {output} MB",
    "odd": "stopped because its kernel sent messages that are not Jupyter's",
    "quit": "a cell called quit() or exit(), which ended its Python",
    "died": "its Python ended (a call of os._exit, or a crash)",
}


class SandboxError(Exception):
    """The kernel did not start: nothing that a submission could have caused."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are the processor's, of all its processes, if not of the clock."""

    seconds: float = 180  # all of its cells together
    cell_seconds: float = 60
    memory: int = 3000 * MEGABYTE  # all of its processes together
    processes: int = 32
    threads: int = 256
    open_files: int = 1024
    file_size: int = 100 * MEGABYTE
    disk: int = 250 * MEGABYTE  # the scratch folder
    output: int = 10 * MEGABYTE  # what its cells print and show

    @property
    def clock(self) -> float:
        """Return how long all of its cells may take on the clock."""
        return STARTING + PATIENCE * self.seconds

    @property
    def cell_clock(self) -> float:
        """Return how long one cell may take on the clock."""
        return STARTING + PATIENCE * self.cell_seconds

    def resources(self) -> dict[str, int]:
        """Return them as limits of the operating system for each process."""
        return {
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": int(self.seconds) + 10,
            # Addresses, of which libraries reserve far more than they use; the memory in use is watched.
            "RLIMIT_AS": max(4 * self.memory, 12_000 * MEGABYTE),
            "RLIMIT_NPROC": self.threads,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_FSIZE": self.file_size,
        }


@dataclass
class Run:
    """What was noticed while a notebook was executed."""

    limits: Limits
    seconds: float = 0.0  # of computing, by all of its processes
    memory: int = 0  # bytes in use by all of its processes, at most
    stopped: str = ""  # a key of STOPPED
    stopped_at: str = ""  # the name of the cell
    late: dict[str, str] = field(default_factory=dict)  # cell that was interrupted → why

    def why_stopped(self) -> str:
        """Return why it did not come to its end, in words."""
        limits = self.limits
        values = {name: getattr(limits, name) for name in ("seconds", "cell_seconds", "clock", "cell_clock")}
        values |= {name: getattr(limits, name) // MEGABYTE for name in ("memory", "disk", "output")}
        return STOPPED[self.stopped].format(**values, processes=limits.processes) if self.stopped else ""

    def remarks(self) -> list[str]:
        """Tell in words what did not end by itself."""
        found = [f"{cell}: {why}" for cell, why in self.late.items()]
        if self.stopped:
            found.append(f"{self.why_stopped()}, at {self.stopped_at}: graded is what was finished before")
        return found
