"""What the tests of the shop share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

BEGIN = datetime(2026, 3, 2, 16, 15, tzinfo=UTC)


class HandClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self._now = BEGIN

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def reset(self) -> None:
        self._now = BEGIN


class Caller:
    """An HTTP client on one base URL that reads JSON."""

    def __init__(self, base: str, headers: dict[str, str]) -> None:
        self.http = httpx.Client(base_url=base, headers=headers, timeout=5)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._read("GET", path, 200, params=query)

    def put(self, path: str, body: Any = None) -> Any:
        return self._read("PUT", path, 200, json=body)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self._read("POST", path, status, json=body)

    def delete(self, path: str) -> Any:
        return self._read("DELETE", path, 200)

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = self.http.request(method, path, json=body)
        return answer.status_code, answer.json()

    def _read(self, method: str, path: str, status: int, **parts: Any) -> Any:
        answer = self.http.request(method, path, **parts)
        assert answer.status_code == status, answer.text
        return answer.json()


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def ship(line_id: int, quantity: int, **more: Any) -> dict[str, Any]:
    """The body of a shipment of one line."""
    return {"shipment": {"line_items": [{"id": line_id, "quantity": quantity}], **more}}
