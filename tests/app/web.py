"""An outside program's HTTP: one connection per request, tried again while nobody answers."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Web:
    """A server by its base URL; one that is away is asked again until ``patience`` seconds passed."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    patience: float = 30.0

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, str]:
        """Status and text of the answer. Raises OSError or HTTPException when nobody answered in time."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self._once(method, path, content, kind)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def document(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and decoded JSON."""
        status, text = self.ask(method, path, body)
        return status, json.loads(text) if text else None

    def _once(self, method: str, path: str, content: bytes | None, kind: str) -> tuple[int, str]:
        parts = urlsplit(self.url)
        with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=35)) as connection:
            connection.request(method, path, content, {**self.headers, "Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
