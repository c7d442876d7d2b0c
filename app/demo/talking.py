"""Talking to the shop's control door and to Towpath's HTTP API, as any outside program would."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class HttpTalker:
    """JSON over one kept connection per thread; a server that is away is tried again until ``patience`` seconds
    passed.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, patience: float = 30.0) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._headers = dict(headers or {})
        self._patience = patience
        self._local = threading.local()

    def ask(self, method: str, path: str, body: object = None, *, kind: str = "application/json") -> tuple[int, Any]:
        """Status and decoded answer. Raises OSError when nobody answered in time."""
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                return self._once(method, path, content, kind)
            except (OSError, http.client.HTTPException):
                self._local.connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 0.5)

    def _once(self, method: str, path: str, content: bytes | None, kind: str) -> tuple[int, Any]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self._host, self._port, timeout=35)
        connection.request(method, path, content, {**self._headers, "Content-Type": kind})
        answer = connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else None
