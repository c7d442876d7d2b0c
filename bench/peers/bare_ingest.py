"""The floor of ingest: httptools, pydantic and psycopg with group commit, and nothing else.

``python -m bench.peers.bare_ingest`` with BENCH_DSN set answers ``POST /v1/events`` after the commit of one row per
event. It knows no keys, no limits, no duplicates and no channels.
"""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from typing import Any

import httptools
import psycopg
from pydantic import TypeAdapter

from bench.peers.bare_storm import STORED
from domain.envelope import Envelope

_ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_COPY = f"COPY {STORED} (id, body) FROM STDIN"
_EVENTS = TypeAdapter(list[Envelope])


class Store:
    """Commits together what came together."""

    def __init__(self, database: psycopg.AsyncConnection[Any]) -> None:
        self._database = database
        self._came = asyncio.Event()
        self._waiting: list[tuple[list[bytes], asyncio.Transport]] = []

    def add(self, bodies: list[bytes], answered: asyncio.Transport) -> None:
        """Store these and answer then."""
        self._waiting.append((bodies, answered))
        self._came.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            group, self._waiting = self._waiting, []
            async with self._database.cursor() as cursor, cursor.copy(_COPY) as copy:
                for bodies, _ in group:
                    for body in bodies:
                        await copy.write_row((str(uuid.uuid4()), body))
            for _, transport in group:
                transport.write(_ANSWER)


class Connection(asyncio.Protocol):
    """One connection: one request after another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        if body.startswith(b"["):
            bodies = [event.to_json() for event in _EVENTS.validate_json(body)]
        else:
            Envelope.model_validate_json(body)
            bodies = [body]
        self._store.add(bodies, self._transport)


async def main() -> None:
    """Serve until SIGTERM; the first line says where."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with await psycopg.AsyncConnection.connect(os.environ["BENCH_DSN"], autocommit=True) as database:
        await database.execute(f"CREATE TABLE IF NOT EXISTS {STORED} (id text PRIMARY KEY, body bytea NOT NULL)")
        store = Store(database)
        storing = asyncio.create_task(store.run())
        server = await loop.create_server(lambda: Connection(store), "127.0.0.1", 0)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await stop.wait()
        storing.cancel()


if __name__ == "__main__":
    asyncio.run(main())
