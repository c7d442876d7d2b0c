"""The sandbox shop as a process of its own, and its books."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.app.web import Web

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("--products", "4", "--variants", "4", "--no-buyers-take-stock", "--gift-certificate-share", "0")


class SandboxShop:
    """``python -m sandbox bright-sites`` and its control API."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "bright-sites", "--port", "0", *OPTIONS],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening on " in line, "the sandbox shop did not start"
        self.url = line.rsplit("listening on ", 1)[1].strip()
        self.domain = self.url.removeprefix("http://").rstrip("/")
        self._web = Web(self.url)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """The answer of the control API; fails when it is a refusal."""
        status, answer = self._web.document(method, f"/_sandbox/{path}", body)
        assert status < 300, answer
        return answer

    def fault(self, kind: str, **more: object) -> None:
        """A fault on request."""
        self.control("POST", "faults", {"kind": kind, **more})

    def slow_down(self, milliseconds: float) -> None:
        """Let every call take that long."""
        self.control("POST", "settings", {"latency_ms": milliseconds})

    def buy(self, count: int, **wish: object) -> list[Mapping[str, Any]]:
        """Buyers place orders; the documents."""
        ids = self.control("POST", "buy", {"count": count, "lines": 2, **wish})["order_ids"]
        return [self.control("GET", f"orders/{order_id}")["order"] for order_id in ids]

    def skus(self) -> list[str]:
        """All final SKUs."""
        return sorted(self.stock())

    def stock(self) -> dict[str, int]:
        """Final SKU to quantity."""
        return dict(self.control("GET", "stock"))

    def calls(self, **wanted: str) -> list[Mapping[str, Any]]:
        """The calls that Towpath made, oldest first."""
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        return list(self.control("GET", f"calls?limit=5000&{query}")["calls"])

    def count_calls(self) -> int:
        """How many calls Towpath made so far."""
        return int(self.control("GET", "summary")["calls"])

    def effects(self) -> list[Mapping[str, Any]]:
        """What calls of Towpath changed, oldest first; what buyers did is left out."""
        found: Sequence[Mapping[str, Any]] = self.control("GET", "effects?limit=5000")["effects"]
        return [effect for effect in found if effect["call"] is not None]

    def begin_again(self) -> None:
        """An empty shop without faults and without delays."""
        self.control("DELETE", "faults")
        self.control("DELETE", "outage")
        self.slow_down(0)
        self.control("POST", "reset")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
