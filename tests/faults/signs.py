"""What can be seen of a run from outside: the lanes, the log of a process, the queues of a broker."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import unquote, urlsplit

import pika

from tests.app.harness import Child, Office, Stack, eventually


def lanes_of(office: Office, job: str) -> dict[str, int]:
    """How many lanes of a job type are in each state."""
    rows = office.sql("SELECT state, count(*) FROM lanes WHERE job_type = :job GROUP BY state", job=job)
    return {str(state): int(count) for state, count in rows}


def said(child: Child, event: str, **details: object) -> list[Mapping[str, Any]]:
    """The lines of a process log (JSON) that tell of this event with these details."""
    whole = [line for line in child.text().splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
    lines = [json.loads(line) for line in whole]
    return [line for line in lines if line.get("event") == event and details.items() <= line.items()]


def says(child: Child, event: str, seconds: float = 30.0, **details: object) -> None:
    """Wait until a process tells of this event with these details; fails at once when it ends instead."""

    def told() -> bool:
        found = bool(said(child, event, **details))
        assert found or child.alive, f"{child.name} ended:\n{child.text()[-3000:]}"
        return found

    eventually(told, seconds, f"{child.name} says {event} {details or ''}")


def virtual_host(stack: Stack) -> str:
    """The name of the stack's virtual host, for rabbitmqctl."""
    return unquote(urlsplit(stack.settings.broker_url.get_secret_value()).path.removeprefix("/"))


class AmqpHand:
    """An operator's hand on the broker of a stack: looks into queues, puts in, takes out and unbinds."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.settings.broker_url.get_secret_value()

    def unbind(self, queue: str, exchange: str, pattern: str) -> None:
        """Take a binding away."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            connection.channel().queue_unbind(queue, exchange, pattern)

    def listen(self, queue: str, exchange: str) -> None:
        """Let a new durable queue hear everything of an exchange."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            channel = connection.channel()
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(queue, exchange, "#")

    def ready(self, queue: str) -> int:
        """How many messages lie ready in a queue."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    def consumers(self, queue: str) -> int:
        """How many consume a queue; none where there is no such queue."""
        with (
            closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection,
            contextlib.suppress(pika.exceptions.ChannelClosedByBroker),
        ):
            return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)
        return 0

    def purge(self, queue: str) -> None:
        """Lose everything that lies ready in a queue."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            connection.channel().queue_purge(queue)

    def publish(self, exchange: str, routing_key: str, body: bytes, *, times: int) -> None:
        """Publish the same message some times, each confirmed."""
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for _ in range(times):
                channel.basic_publish(exchange, routing_key, body, pika.BasicProperties(delivery_mode=2))

    def drain(self, queue: str) -> list[tuple[str | None, bytes]]:
        """Take everything out of a queue: message ids with bodies."""
        found: list[tuple[str | None, bytes]] = []
        with closing(pika.BlockingConnection(pika.URLParameters(self._url))) as connection:
            channel = connection.channel()
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    return found
                found.append((properties.message_id, body))
