"""CPU time and memory of a process include what it started; a pause stops all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.processes import Process, WaitedInVainError, all_mb, cpu_seconds, largest_mb, paused, tree, wait_for
from bench.services import plain_environment

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "held = b'1' * 60_000_000\\nwhile True: pass"])
print("started", flush=True)
child.wait()
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Process]:
    process = Process([sys.executable, "-c", PARENT], plain_environment(), tmp_path / "busy.log")
    process.wait_for_text("started")
    yield process
    children = tree(process.pid)[1:]
    process.stop()
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), 10, "children end")


def test_cpu_time_grows_with_that_of_a_child(busy: Process) -> None:
    began = cpu_seconds([busy.pid])
    wait_for(lambda: cpu_seconds([busy.pid]) > began + 0.2, 30, "the child uses CPU time")


def test_memory_is_that_of_the_largest_and_of_all(busy: Process) -> None:
    wait_for(lambda: largest_mb([busy.pid]) > 55, 30, "the child holds 60 MB")
    assert all_mb([busy.pid]) > largest_mb([busy.pid])


def test_a_pause_stops_the_whole_tree(busy: Process) -> None:
    wait_for(lambda: len(tree(busy.pid)) == 2, 10, "the child is there")
    with paused([busy]):
        wait_for(lambda: all(_state(pid) == "T" for pid in tree(busy.pid)), 10, "both are stopped")
        used = cpu_seconds([busy.pid])
        assert cpu_seconds([busy.pid]) == used
    wait_for(lambda: cpu_seconds([busy.pid]) > used, 30, "the child goes on")


def test_a_process_that_ended_is_not_waited_for(tmp_path: Path) -> None:
    process = Process([sys.executable, "-c", "print('no')"], plain_environment(), tmp_path / "short.log")
    with pytest.raises(WaitedInVainError, match="ended:\nno"):
        process.wait_for_text("yes")
    process.stop()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
