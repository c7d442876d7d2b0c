"""Types the commands of a page as a reader would, and holds what they say against what the page shows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from tests.docs.fences import ROOT, Fence

PATIENCE = 40.0


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Reader:
    """Types the commands in a folder of its own; ports of the page become free ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"8899": free_port(), "8380": free_port()}
        shim = folder / "bin" / "towpath"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m app "$@"\n')
        shim.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
        self.environment |= {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
        self.running: list[subprocess.Popen[bytes]] = []

    def text(self, fence: Fence) -> str:
        body = fence.body
        for port, free in self.ports.items():
            body = body.replace(port, free)
        self.environment |= dict(re.findall(r"^export (\w+)=(\S+)$", body, re.MULTILINE))
        return body

    def run(self, fence: Fence) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.text(fence)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{fence.body}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_until(self, fence: Fence, word: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while word not in (said := self.run(fence)):
            assert time.monotonic() < deadline, f"{fence.body} never said {word!r}, but: {said}"
            time.sleep(0.05)
        return said

    def start(self, fence: Fence) -> None:
        self.running.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {self.text(fence).strip()}"],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        path = "/_sandbox/state" if "sandbox" in fence.body else "/readyz"
        port = next(free for free in self.ports.values() if free in self.text(fence))
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}{path}"):
            assert time.monotonic() < deadline, f"{fence.body} never answered"
            time.sleep(0.1)

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
            process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - an address of this test
            return bool(answer.status == 200)
    except OSError:
        return False


def follow(reader: Reader, page: Iterable[Fence]) -> None:
    """Run every ``sh`` fence of a page in order; a ``text`` fence is what the one before it said.

    ``background`` starts what goes on running, ``until=WORD`` repeats until it says so.
    """
    said = ""
    for fence in page:
        until = next((word.removeprefix("until=") for word in fence.words if word.startswith("until=")), None)
        if fence.language == "text":
            shown = reader.text(fence)
            assert is_shown(said, shown), f"The page shows\n{shown}\nbut what was said is\n{said}"
        elif fence.language != "sh":
            continue
        elif "background" in fence.words:
            reader.start(fence)
        elif until is not None:
            said = reader.run_until(fence, until)
        else:
            said = reader.run(fence)


def is_shown(said: str, shown: str) -> bool:
    """Whether the whole of what was said is what a page shows; spaces do not count.

    ``…`` stands for anything in its line, and for any lines where it stands alone.
    """
    pattern = ""
    for line in _lines(shown):
        pattern += r"(?:[^\n]*\n)*?" if line == "…" else r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(said))) is not None


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]
