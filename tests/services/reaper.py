"""Ends what a test run started, also when that run is killed.

Runs as its own small process. Its input is a pipe from the run: ``+PID`` names a process to end, ``-PID`` one
that has already gone. When the pipe closes, for whatever reason, everything named is killed with all its
descendants and the folder given as the only argument is removed. Uses nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants at once, the root first so that it cannot start new ones.

    Descendants may have left the process group (PostgreSQL's backends do), so the table of parents is walked.
    """
    family = [pid, *descendants(pid)]
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    children: dict[int, list[int]] = defaultdict(list)
    for child, parent in _parents().items():
        children[parent].append(child)
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children[queue.pop()]
        found += below
        queue += below
    return found


def _parents() -> dict[int, int]:
    if not Path("/proc/self/stat").exists():
        table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        return {int(pid): int(parent) for pid, parent in (line.split() for line in table.stdout.splitlines())}
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name in parentheses may hold spaces and parentheses; state and parent follow it.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return parents


def main() -> None:
    """Read the names until the pipe closes, then end them and remove the folder."""
    folder = Path(sys.argv[1])
    alive: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+"):
            alive.add(pid)
        else:
            alive.discard(pid)
    for pid in alive:
        kill_tree(pid)
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


if __name__ == "__main__":
    main()
