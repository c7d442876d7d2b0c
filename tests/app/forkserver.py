"""Processes that need not load Towpath first: forked from one that has, which takes most of a start's time.

What is forked is a process like any other: its own session, environment, folder and log, killed and stopped by signals.
It differs from ``python -m app`` in what it has loaded already. Tests whose matter is the start itself or memory start
``python -m app`` anew.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

LOADED = ("app.roles", "app.running", "app.doors", "app.logs", "console.cli", "producers.http")
"""What a process of any role loads."""
_PART = 1 << 16
Request = tuple[str, list[str], dict[str, str], str]
"""Module, arguments, environment, folder."""


class Forked:
    """A forked process, with the part of :class:`subprocess.Popen` that tests use."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self._status = status
        self._code: int | None = None
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, status)

    def poll(self) -> int | None:
        """The exit code (minus the signal that ended it), or None while it runs."""
        with self._lock:
            if self._code is None and self._told(0):
                # Nothing is told where the fork server was killed: it takes those with it that it made.
                self._code = int(os.read(self._status, 16) or -signal.SIGKILL)
            return self._code

    def wait(self, timeout: float) -> int:
        """The exit code. Raises TimeoutExpired when the process still runs after ``timeout`` seconds."""
        self._told(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def _told(self, seconds: float) -> bool:
        """Whether the fork server tells of its end, or has ended itself, within so many seconds."""
        return self._code is not None or bool(select.select([self._status], [], [], seconds)[0])


class ForkServer:
    """The process that has everything loaded; it ends, with all it made, when this one does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line, theirs = socket.socketpair()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=Path(__file__).parents[2],
                env=clean,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self.close)

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
    ) -> Forked:
        """Fork ``python -m module arguments`` in a folder; ``streams`` are file descriptors of what it reads, what it
        says and its errors."""
        reading, writing = os.pipe()
        request = json.dumps([module, list(arguments), dict(environment), str(folder)]).encode() + b"\n"
        with self._lock:
            sent = socket.send_fds(self._line, [request], [*streams, writing])
            self._line.sendall(request[sent:])
            os.close(writing)
            answer = self._line.recv(16)
        assert answer, "the fork server has ended"
        return Forked(int(answer), reading)

    def close(self) -> None:
        """End it and everything that it made."""
        self._line.close()
        self._process.wait(10)


@functools.cache
def fork_server() -> ForkServer:
    """The fork server of this process, started on first use."""
    return ForkServer()


def _serve(line: socket.socket) -> Request | None:
    """Fork for each request; the request in the process that was forked, None when nobody can ask any more."""
    children: dict[int, int] = {}
    awake, bell = os.pipe()
    for end in (awake, bell):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([line.fileno(), awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _reap(children)
        if line.fileno() not in ready:
            continue
        asked, (*streams, status) = _next_request(line)
        if not asked:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return None
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _close([line.detach(), awake, bell, status, *children.values()])
            request: Request = json.loads(asked)
            _become(request, streams)
            return request
        _close(streams)
        children[pid] = status
        line.send(str(pid).encode())


def _next_request(line: socket.socket) -> tuple[bytes, list[int]]:
    """A request and its file descriptors; no bytes at the end of all requests."""
    asked, passed, _, _ = socket.recv_fds(line, _PART, 4)
    while asked and not asked.endswith(b"\n"):
        asked += line.recv(_PART)
    return asked, passed or [-1]


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _reap(children: dict[int, int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            end = children.pop(pid)
            # Whoever asked for it may have gone without waiting.
            with contextlib.suppress(BrokenPipeError):
                os.write(end, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(end)


def _become(request: Request, streams: Sequence[int]) -> None:
    _, _, environment, folder = request
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # The only setting that is read while loading.
    sys.modules["broker.crash"].WANTED = environment.get("TOWPATH_CRASH_AT", "")  # type: ignore[attr-defined]


def _load() -> None:
    from importlib import import_module

    from app.lean import load_without_colours

    load_without_colours("structlog")
    for name in LOADED:
        import_module(name)


def main() -> None:
    """Serve; in a forked process, run what was asked for to its end."""
    line = socket.socket(fileno=int(sys.argv[1]))
    _load()
    gc.collect()
    gc.freeze()
    request = _serve(line)
    if request is not None:
        module, arguments, _, _ = request
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
