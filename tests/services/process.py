"""Private server processes: a folder of their own, a process group of their own, and a sure end."""

from __future__ import annotations

import atexit
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.services import reaper

POLL_SECONDS = 0.02


class ServerFailedError(Exception):
    """A private server did not start or ended by itself; the message carries the end of its log."""


@dataclass(frozen=True)
class Account:
    """The system user a server runs as."""

    uid: int
    gid: int


def unprivileged_account(*names: str) -> Account | None:
    """The first of these users that exists when running as root, else None: the current user will do."""
    if os.geteuid() != 0:
        return None
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ServerFailedError(f"running as root, and none of these users exists to run the server as: {names}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; starting on it may fail, so try again then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until the condition holds (True) or the time is over (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_alive(pid: int) -> bool:
    """True while the process exists and is not a zombie waiting for its parent."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


class Workshop:
    """A temporary folder and the processes that live in it; both are gone after `close`, exit, or a kill."""

    def __init__(self, name: str, owner: Account | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"towpath-{name}-"))
        self._user = owner.uid if owner else None
        self._group = owner.gid if owner else None
        self._extra_groups: list[int] | None = [] if owner else None
        self._started: list[subprocess.Popen[bytes]] = []
        if owner:
            os.chown(self.folder, owner.uid, owner.gid)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", reaper.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        atexit.register(self.close)

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: str) -> subprocess.Popen[bytes]:
        """Start a long-running process whose output goes to `log` in the folder."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                group=self._group,
                extra_groups=self._extra_groups,
            )
        self._started.append(process)
        self._tell(f"+{process.pid}")
        return process

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end (one minute at most) and return its output; does not raise on failure."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=dict(environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=self._user,
            group=self._group,
            extra_groups=self._extra_groups,
        )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a started process and everything below it, and wait until it is gone."""
        reaper.kill_tree(process.pid)
        process.wait(timeout=10)
        self._tell(f"-{process.pid}")

    def tail(self, log: str, lines: int = 15) -> str:
        """The last lines of a log in the folder, for an error message."""
        path = self.folder / log
        text = path.read_text(errors="replace") if path.exists() else "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """End every process and remove the folder. Can be called twice."""
        atexit.unregister(self.close)
        if self._reaper.stdin and not self._reaper.stdin.closed:
            self._reaper.stdin.close()
        self._reaper.wait(timeout=30)
        for process in self._started:
            process.wait(timeout=10)

    def _tell(self, line: str) -> None:
        if self._reaper.stdin is None:
            raise ServerFailedError("the reaper has no input")
        self._reaper.stdin.write(line + "\n")
        self._reaper.stdin.flush()
