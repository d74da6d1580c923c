"""What one submission may use, and what is noticed while its notebook is executed."""

from __future__ import annotations

from dataclasses import dataclass, field

MEGABYTE = 1_000_000
STOPPED = {  # why → what is told, with the limits
    "time": "stopped after {0.seconds:.0f} s of computing in all",
    "clock": "stopped after {0.clock:.0f} s in all, most of which it waited",
    "loop": "stopped because a cell computed for {0.cell_seconds:.0f} s and could not be interrupted",
    "waits": "stopped because a cell waited for {0.cell_clock:.0f} s and could not be interrupted",
    "memory": "stopped because it used more than {0.memory} MB of memory",
    "processes": "stopped because it started more than {0.processes} processes",
    "disk": "stopped because it wrote more than {0.disk} MB of files",
    "output": "stopped because it printed more than {0.output} MB",
    "odd": "stopped because its kernel sent messages that are not Jupyter's",
    "quit": "a cell called quit() or exit(), which ended its Python",
    "died": "its Python ended (a call of os._exit, or a crash)",
}


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are the processor's, of all its processes, if not of the clock."""

    seconds: float = 180  # all of its cells together
    cell_seconds: float = 60
    patience: float = 10  # a busy machine may take so many times the processor's time; what sleeps ends then
    starting: float = 60  # seconds on the clock that everything may take besides
    memory: int = 3000  # megabytes, all of its processes together
    disk: int = 250  # megabytes in the scratch folder
    output: int = 10  # megabytes that its cells print and show
    processes: int = 32

    @property
    def clock(self) -> float:
        """Return how long all of its cells may take on the clock."""
        return self.starting + self.patience * self.seconds

    @property
    def cell_clock(self) -> float:
        """Return how long one cell may take on the clock."""
        return self.starting + self.patience * self.cell_seconds

    def resources(self) -> dict[str, int]:
        """Return them as limits of the operating system for each process."""
        return {
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": int(self.seconds) + 10,
            # Addresses, of which libraries reserve far more than they use; the memory in use is watched.
            "RLIMIT_AS": max(4 * self.memory, 12_000) * MEGABYTE,
            "RLIMIT_NPROC": 256,  # threads, too
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_FSIZE": 100 * MEGABYTE,
        }


@dataclass
class Run:
    """What was noticed while a notebook was executed."""

    limits: Limits
    seconds: float = 0.0  # of computing, by all of its processes
    stopped: str = ""  # a key of STOPPED
    stopped_at: str = ""  # the name of the cell
    late: dict[str, str] = field(default_factory=dict)  # cell that was interrupted → why

    def why_stopped(self) -> str:
        """Return why it did not come to its end, in words."""
        return STOPPED[self.stopped].format(self.limits) if self.stopped else ""

    def remarks(self) -> list[str]:
        """Tell in words what did not end by itself."""
        found = [f"{cell}: {why}" for cell, why in self.late.items()]
        if self.stopped:
            found.append(f"{self.why_stopped()}, at {self.stopped_at}: graded is what was finished before")
        return found
