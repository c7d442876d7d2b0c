"""Telling whether a process on this very host still lives, so that its leases need not run out first."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def here() -> tuple[str, str]:
    """(host, process) of the caller: enough to recognise later, on the same host, that this process is gone.

    The host names machine, boot and pid namespace; the process names pid and start time, so that a recycled pid
    is not taken for its predecessor.
    """
    return _host(), f"{os.getpid()}/{_start_time(os.getpid())}"


def is_gone(host: str, process: str) -> bool:
    """Whether that process is provably gone; false whenever it cannot be known (another host, no /proc)."""
    if not host or host != _host():
        return False
    pid, started = process.split("/", 1)
    if not started:
        return False
    return _start_time(int(pid)) != started


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - a magic link, not a path
    except OSError:
        return ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rsplit(")", 1)[1].split()
    return "" if fields[0] in ("Z", "X") else fields[19]
