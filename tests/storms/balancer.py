"""One address for several servers, as a TCP load balancer gives a cluster."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from threading import Thread
from types import TracebackType
from typing import Self

Address = tuple[str, int]
_CHUNK = 65536


class Balancer:
    """Listens on a free port of 127.0.0.1 and gives each connection to the next server that takes it.

    A connection whose server goes away ends; nobody in the balancer remembers which servers are well.
    """

    def __init__(self, servers: Sequence[Address]) -> None:
        self.taken: Counter[Address] = Counter()
        self._servers = list(servers)
        self._preferred: Address | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self._thread.start()
        self._door = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        self.address = "{}:{}".format(*self._door.sockets[0].getsockname())

    def prefer(self, server: Address) -> None:
        """Give new connections to this one from now on, as long as it takes them."""
        self._preferred = server

    def close(self) -> None:
        """End it with all its connections."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _open(self) -> asyncio.Server:
        return await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def _end(self) -> None:
        self._door.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            server = await self._next_server()
            if server is not None:
                there, onward = server
                with contextlib.closing(onward):
                    flows = [asyncio.create_task(_flow(reader, onward)), asyncio.create_task(_flow(there, writer))]
                    try:
                        await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for flow in flows:
                            flow.cancel()

    async def _next_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._servers.append(self._servers.pop(0))
        for address in sorted(self._servers, key=lambda each: each != self._preferred):
            with contextlib.suppress(OSError):
                opened = await asyncio.open_connection(*address)
                self.taken[address] += 1
                return opened
        return None


async def _flow(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
