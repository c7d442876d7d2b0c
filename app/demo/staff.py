"""The processes of the demo: the sandbox shop, and Towpath, restarted whenever it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

START_SECONDS = 20.0


class Shop:
    """The sandbox shop as a process of its own."""

    def __init__(self, seed: int) -> None:
        arguments = [
            "bright-sites",
            "--port",
            "0",
            "--seed",
            str(seed),
            "--products",
            "50",
            "--variants",
            "8",
        ]
        arguments += ["--no-buyers-take-stock", "--gift-certificate-share", "0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=_environment({}),
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if "listening on " not in line:
            raise RuntimeError("The sandbox shop did not start.")
        self.url = line.rsplit("listening on ", 1)[1].strip()

    @property
    def domain(self) -> str:
        """Host and port, as the channel's shop domain."""
        return self.url.removeprefix("http://").rstrip("/")

    def stop(self) -> None:
        """End the process."""
        _end(self._process)


class Towpath:
    """``towpath up`` as a process; when it dies it is started again, as a service manager would."""

    def __init__(self, environment: Mapping[str, str], log: Path, port: int) -> None:
        self._environment = _environment(environment)
        self._log = log
        self._port = port
        self._stopping = False
        self.crashes = 0
        self._file: IO[str] = log.open("w")
        self._process = self._start()
        self._watch = threading.Thread(target=self._restart_when_dead, daemon=True)
        self._watch.start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "app", "up", "--port", str(self._port)],
            stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file, text=True, env=self._environment,
        )  # fmt: skip

    def _restart_when_dead(self) -> None:
        while self.crashes <= 20:
            code = self._process.wait()
            if self._stopping:
                return
            self.crashes += 1
            self._file.write(f"-- ended with {code}; started again\n")
            self._file.flush()
            self._process = self._start()

    @property
    def alive(self) -> bool:
        """Whether it runs, or will again."""
        return self._process.poll() is None or self.crashes <= 20

    def kill(self) -> None:
        """``kill -9``; the watch starts it again."""
        self._process.send_signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._stopping = True
        _end(self._process)
        self._file.close()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")},
        "PYTHONPATH": path,
        **more,
    }
