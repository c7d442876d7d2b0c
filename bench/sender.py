"""Sends events over HTTP as fast as they are answered, from a process of its own.

``python -m bench.sender send …`` keeps each connection busy with one request after another; all bodies are made
beforehand. ``python -m bench.sender answer`` is a server that does nothing: what the sender reaches on it is its own
limit.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httptools

from bench.services import Place, plain_environment
from domain.envelope import BATCH, STRUCTURED

PATIENCE = 600.0
UNAVAILABLE = 503
AGAIN_SECONDS = 0.1
_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_EVENT = (
    b'{"specversion":"1.0","id":"%(name)s-%(number)d","source":"oms.example.com/orders","type":"order.status_changed",'
    b'"time":"2026-01-05T16:20:00Z","account":"bench","channel":"shop","correlationid":"%(name)s",'
    b'"reason":"Picked in hall 3, packed at table 12; leaves the house with the next collection of the carrier.",'
    b'"data":{"external_order_id":"%(number)d","status":"in_progress"}}'
)


class NotTakenError(Exception):
    """Events were not answered as accepted, or are not in the ledger; the message says how many."""


@dataclass(frozen=True, slots=True)
class Load:
    """``events`` to be sent to ``url`` on ``connections``, ``batch`` in one request; ``name`` makes their ids."""

    url: str
    key: str
    events: int
    connections: int = 32
    batch: int = 1
    name: str = "load"


@dataclass(frozen=True, slots=True)
class Sent:
    """How long it took and how long single requests took; ``cpu`` is the CPU time of the process that sent.

    ``put_off`` requests were answered 503 (the database was too slow) and sent again.
    """

    seconds: float
    cpu: float
    p50_ms: float
    p99_ms: float
    put_off: int


def send(place: Place, load: Load) -> Sent:
    """Send a load from a process of its own. Raises NotTakenError when an answer is not 202."""
    command = [sys.executable, "-m", "bench.sender", "send", load.url, load.key, str(load.events)]
    command += [str(load.connections), str(load.batch), load.name]
    done = subprocess.run(
        command,
        env=plain_environment(),
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise NotTakenError(done.stderr.strip()[-2000:])
    return Sent(**json.loads(done.stdout))


def event_of(name: str, number: int) -> bytes:
    """The status of order ``number`` changed: a structured event of about 400 bytes; ``name`` is its correlation."""
    return _EVENT % {b"name": name.encode(), b"number": number}


class _Sender(asyncio.Protocol):
    """One connection that sends the next request when the last one was answered; ``next_body`` gives None at the
    end."""

    def __init__(self, load: Load, next_body: Callable[[], bytes | None], took: list[float]) -> None:
        kind = STRUCTURED if load.batch == 1 else BATCH
        self._head = (
            f"POST /v1/events HTTP/1.1\r\nhost: {urlsplit(load.url).netloc}\r\nauthorization: Bearer {load.key}\r\n"
            f"content-type: {kind}\r\ncontent-length: %d\r\n\r\n"
        ).encode()
        self._next_body = next_body
        self._took = took
        self._parser = httptools.HttpResponseParser(self)
        self._answer = b""
        self._began = 0.0
        self._body: bytes | None = None
        self.put_off = 0
        self._transport: Any = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def go(self) -> None:
        """Send the next request, or end."""
        self._body = self._next_body()
        if self._body is None:
            self._transport.close()
            self.over.set_result(None)
            return
        self._began = time.perf_counter()
        self._send(self._body)

    def _send(self, body: bytes) -> None:
        self._answer = b""
        self._transport.write(self._head % len(body) + body)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._answer += body

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == UNAVAILABLE and self._body is not None:
            self.put_off += 1
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._send, self._body)
            return
        self._took.append(time.perf_counter() - self._began)
        if self._parser.get_status_code() != 202 or b'"rejected"' in self._answer:
            self._fail(f"answered {self._parser.get_status_code()}: {self._answer[:500].decode(errors='replace')}")
            return
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was lost: {exc}")

    def _fail(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_exception(NotTakenError(reason))


def _bodies(load: Load) -> list[bytes]:
    """All bodies, made beforehand, so that making them takes no time from sending."""
    events = [event_of(load.name, number) for number in range(1, load.events + 1)]
    if load.batch == 1:
        return events
    return [b"[" + b",".join(events[at : at + load.batch]) + b"]" for at in range(0, len(events), load.batch)]


async def _send_all(load: Load) -> Sent:
    rest = iter(_bodies(load))
    took: list[float] = []
    where = urlsplit(load.url)
    host, port = where.hostname or "127.0.0.1", where.port or 80
    loop = asyncio.get_running_loop()
    senders = []
    for _ in range(load.connections):
        _, sender = await loop.create_connection(lambda: _Sender(load, lambda: next(rest, None), took), host, port)
        senders.append(sender)
    began, cpu = time.perf_counter(), time.process_time()
    for sender in senders:
        sender.go()
    await asyncio.gather(*(sender.over for sender in senders))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    put_off = sum(sender.put_off for sender in senders)
    took.sort()
    return Sent(seconds, used, took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000, put_off)


class _Nothing(asyncio.Protocol):
    """Answers every request at once."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._transport.write(_ANSWER)


async def _answer_all() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(_Nothing, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


def main() -> None:
    """``send URL KEY EVENTS CONNECTIONS BATCH NAME`` prints what it took as JSON; ``answer`` serves until SIGTERM."""
    if sys.argv[1] == "answer":
        asyncio.run(_answer_all())
        return
    url, key, events, connections, batch, name = sys.argv[2:]
    sent = asyncio.run(_send_all(Load(url, key, int(events), int(connections), int(batch), name)))
    print(json.dumps(asdict(sent)))


if __name__ == "__main__":
    main()
