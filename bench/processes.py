"""Processes that are measured: their CPU time, their memory, and a pause for all of them at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.02
END_SECONDS = 20.0


class WaitedInVainError(Exception):
    """A condition did not come true in time; the message says which."""


def wait_for(condition: Callable[[], bool], seconds: float, hope: str, *, pause: float = POLL_SECONDS) -> None:
    """Wait until the condition holds; raises WaitedInVainError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise WaitedInVainError(f"waited {seconds:.0f} s in vain: {hope}")
        time.sleep(pause)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it; empty when it is gone."""
    found = [pid] if Path(f"/proc/{pid}").exists() else []
    for each in found:
        for listed in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in listed.read_text().split()]
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes and of all that descend from them, ended children included."""
    total = 0
    for pid in (each for root in pids for each in tree(root)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return total / _TICKS


def memory_mb(pid: int) -> float:
    """PSS of one process in MB (10^6 bytes): its own pages, and its share of those it shares with others."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def largest_mb(pids: Sequence[int]) -> float:
    """The largest PSS among these processes and their descendants."""
    return max((memory_mb(pid) for root in pids for pid in tree(root)), default=0.0)


def all_mb(pids: Sequence[int]) -> float:
    """The PSS of these processes and their descendants together."""
    return sum(memory_mb(pid) for root in pids for pid in tree(root))


def processes_of(pids: Sequence[int]) -> int:
    """How many processes these and their descendants are."""
    return sum(len(tree(pid)) for pid in pids)


class Process:
    """One measured process in a session of its own, its output in a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def wait_for_text(self, text: str, seconds: float = 60.0) -> None:
        """Wait until it has written ``text``; raises WaitedInVainError when it ended or the time is over."""

        def written() -> bool:
            if text in self.text():
                return True
            if not self.alive:
                raise WaitedInVainError(f"{self.log.stem} ended:\n{self.text()[-3000:]}")
            return False

        wait_for(written, seconds, f"{self.log.stem} says {text!r}")

    def signal(self, number: int) -> None:
        """Send a signal to it and all that descend from it."""
        for pid in tree(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """SIGTERM; whatever is left of its session after that, or after :data:`END_SECONDS`, is killed."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(END_SECONDS)


@contextlib.contextmanager
def paused(processes: Sequence[Process]) -> Iterator[None]:
    """Stop them all (SIGSTOP) and let them go on at the end: they are up and connected, and do nothing."""
    for process in processes:
        process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.signal(signal.SIGCONT)
