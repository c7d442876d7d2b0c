"""The shop's own book of every API call and every effect: append-only, read in parts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from sandbox.bright_sites.wire import Json

OPEN = "open"
ABORTED = "aborted"


@dataclass(slots=True)
class CallRecord:
    """One API call. `status` is the number answered, `open` while running, or `aborted`."""

    number: int
    monotonic: float
    wall: float
    method: str
    path: str
    route: str
    query: dict[str, Sequence[str]]
    token: str | None
    body: object = None
    status: int | str = OPEN
    ms: float = 0.0
    fault: str | None = None
    effects: list[int] = field(default_factory=list)

    def as_document(self) -> Json:
        """All fields, ready for JSON."""
        return {
            "number": self.number,
            "monotonic": self.monotonic,
            "wall": datetime.fromtimestamp(self.wall, UTC).isoformat(),
            "method": self.method,
            "path": self.path,
            "route": self.route,
            "query": self.query,
            "token": self.token,
            "body": self.body,
            "status": self.status,
            "ms": round(self.ms, 3),
            "fault": self.fault,
            "effects": self.effects,
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that changed in the shop. `call` is None for what buyers did."""

    number: int
    kind: str
    call: int | None
    wall: float
    order_id: int | None
    sku: str | None
    data: Json

    def as_document(self) -> Json:
        """All fields, ready for JSON."""
        return {
            "number": self.number,
            "kind": self.kind,
            "call": self.call,
            "wall": datetime.fromtimestamp(self.wall, UTC).isoformat(),
            "order_id": self.order_id,
            "sku": self.sku,
            "data": self.data,
        }


Entry = TypeVar("Entry", CallRecord, Effect)


class Ledger:
    """Entry number n stands at index n-1, so any part is found without a search."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self.effects: list[Effect] = []
        self._counts: Counter[tuple[str, str, int | str]] = Counter()
        self._kinds: Counter[str] = Counter()
        self._of_order: dict[int, list[int]] = {}

    def open(
        self, method: str, path: str, route: str, query: dict[str, Sequence[str]], token: str | None
    ) -> CallRecord:
        """Book a call at its arrival."""
        number = len(self.calls) + 1
        record = CallRecord(number, time.perf_counter(), time.time(), method, path, route, query, token)
        self.calls.append(record)
        return record

    def close(self, record: CallRecord, status: int | str) -> None:
        """Book the end of a call, once; a second close, or a call of an earlier ledger, changes nothing."""
        if record.status != OPEN or not self._owns(record):
            return
        record.ms = (time.perf_counter() - record.monotonic) * 1000
        record.status = status
        self._counts[record.method, record.route, status] += 1

    def effect(
        self,
        kind: str,
        record: CallRecord | None = None,
        order_id: int | None = None,
        sku: str | None = None,
        data: Json | None = None,
    ) -> Effect:
        """Book an effect and tie it to its call and order."""
        number = len(self.effects) + 1
        ours = record if record and self._owns(record) else None
        entry = Effect(number, kind, ours.number if ours else None, time.time(), order_id, sku, data or {})
        self.effects.append(entry)
        self._kinds[kind] += 1
        if ours:
            ours.effects.append(number)
        if order_id is not None:
            self._of_order.setdefault(order_id, []).append(number)
        return entry

    def effects_of_order(self, order_id: int) -> list[Effect]:
        """The effects on one order, oldest first."""
        return [self.effects[number - 1] for number in self._of_order.get(order_id, ())]

    def _owns(self, record: CallRecord) -> bool:
        return record.number <= len(self.calls) and self.calls[record.number - 1] is record

    def summary(self) -> Json:
        """Calls per route and status, effects per kind, and totals."""
        rows = [
            {"method": method, "route": route, "status": status, "calls": count}
            for (method, route, status), count in sorted(self._counts.items(), key=str)
        ]
        closed = sum(self._counts.values())
        return {
            "calls": len(self.calls),
            "open": len(self.calls) - closed,
            "effects": len(self.effects),
            "routes": rows,
            "effects_by_kind": dict(sorted(self._kinds.items())),
        }


def part(entries: list[Entry], after: int, limit: int, keep: Callable[[Entry], bool] | None = None) -> list[Entry]:
    """At most `limit` entries numbered above `after`, in order, that `keep` accepts."""
    tail: Iterator[Entry] = (entries[index] for index in range(max(after, 0), len(entries)))
    chosen: Iterable[Entry] = filter(keep, tail) if keep else tail
    return list(islice(chosen, limit))
