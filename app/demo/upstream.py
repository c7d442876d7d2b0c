"""The upstream systems of the demo: they publish over HTTP, or as AMQP clients when there is a RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from app.demo.script import BAD_BODIES
from app.demo.talking import HttpTalker
from broker.topology import EVENTS
from domain.envelope import BATCH, STRUCTURED, Envelope
from producers.publisher import Publisher


class Upstream(Protocol):
    """Publishes events; returns only when each is accepted for good."""

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order; an event whose fate is unknown is sent again with the same id."""

    def send_bad(self, account: str) -> int:
        """Send the bad messages; how many were refused on the spot."""


class HttpUpstream:
    """``POST /v1/events`` in batches; a batch without an answer is sent again whole (the ids make copies harmless)."""

    def __init__(self, talker: HttpTalker) -> None:
        self._talker = talker

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order."""
        for start in range(0, len(events), 200):
            body = b"[" + b",".join(event.to_json() for event in events[start : start + 200]) + b"]"
            while True:
                status, answer = self._talker.ask("POST", "/v1/events", body, kind=BATCH)
                if status == 202:
                    break
                if status not in (429, 503):
                    raise RuntimeError(f"events were refused with {status}: {answer}")
                time.sleep(0.5)

    def send_bad(self, account: str) -> int:
        """Send the bad messages."""
        refused = 0
        for _, body in BAD_BODIES:
            status, _ = self._talker.ask("POST", "/v1/events", body.replace(b"%a", account.encode()), kind=STRUCTURED)
            refused += 400 <= status < 500
        return refused


class AmqpUpstream:
    """Confirmed publishing on ``towpath.events``."""

    def __init__(self, publisher: Publisher, raw: RawPublisher) -> None:
        self._publisher = publisher
        self._raw = raw

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order, each until it is confirmed."""
        for event in events:
            while (result := self._publisher.publish(event)).outcome != "confirmed":
                if result.outcome == "unroutable":
                    raise RuntimeError(result.sentence)
                time.sleep(0.2)

    def send_bad(self, account: str) -> int:
        """Send the bad messages, and one whose routing key nobody binds; RabbitMQ takes them all."""
        for _, body in BAD_BODIES:
            self._raw.publish(EVENTS, "stock.changed.demo.all", body.replace(b"%a", account.encode()))
        self._raw.publish(EVENTS, "nobody.listens.here", b"{}")
        return 0


class RawPublisher(Protocol):
    """Publishes any bytes."""

    def publish(self, exchange: str, routing_key: str, body: bytes) -> None:
        """Publish and wait for the confirm."""
