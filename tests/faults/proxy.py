"""A TCP proxy that loses, delays, cuts and refuses on request: the network between a process and its server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_CHUNK = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_PATIENCE_SECONDS = 10.0


class Direction(StrEnum):
    """Which way bytes go."""

    UP = "up"
    DOWN = "down"


UP, DOWN = Direction.UP, Direction.DOWN


@dataclass
class _Cut:
    """How many more bytes each connection may pass, and how many connections are to be cut."""

    after: int
    times: int
    passed: dict[_Pair, int] = field(default_factory=dict)

    def allow(self, pair: _Pair, data: bytes) -> int:
        """How many of these bytes may still pass; fewer than there are means that the connection ends there."""
        before = self.passed.get(pair, 0)
        self.passed[pair] = before + len(data)
        allowed = max(0, self.after - before)
        if allowed >= len(data) or not self.times:
            return len(data)
        self.times -= 1
        return allowed


class _Way:
    """What befalls bytes in one direction, whatever the connection."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.heal()

    def heal(self) -> None:
        """End every fault."""
        self.open.set()
        self.latency = 0.0
        self.cut = _Cut(0, 0)


class _Pair:
    """A client's connection and the proxy's own to the server."""

    def __init__(self, client: socket.socket) -> None:
        self._client, self._server = client, socket.socket()
        for each in (self._client, self._server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def carry(self, target: tuple[str, int], ways: dict[Direction, _Way]) -> None:
        """Pass bytes both ways until both sides closed or one broke; a broken side breaks the other."""
        try:
            await asyncio.get_running_loop().sock_connect(self._server, target)
            async with asyncio.TaskGroup() as flows:
                flows.create_task(self._flow(self._client, self._server, ways[UP]))
                flows.create_task(self._flow(self._server, self._client, ways[DOWN]))
        except* OSError:
            self.end_by_reset()
        finally:
            self.close()

    def end_by_reset(self) -> None:
        """Let both sides see a reset where they would see an end."""
        for each in (self._client, self._server):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def close(self) -> None:
        """Close both sides; can be called twice."""
        self._client.close()
        self._server.close()

    async def _flow(self, source: socket.socket, sink: socket.socket, way: _Way) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await way.open.wait()
            data = await loop.sock_recv(source, _CHUNK)
            await asyncio.sleep(way.latency)
            await way.open.wait()
            allowed = way.cut.allow(self, data)
            await loop.sock_sendall(sink, data[:allowed])
            if allowed < len(data):
                raise ConnectionResetError
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything to ``host:port``, until a fault is asked for.

    A fault is in force when the method that asks for it returns, for the connections there are and for new ones, until
    ``heal()``. A connection is always accepted (but see ``refuse``): what a black hole withholds is the first answer.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pairs: dict[_Pair, asyncio.Task[None]] = {}
        self._opened = 0
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name=f"proxy to {host}:{port}", daemon=True)
        self._thread.start()
        self._ways = {direction: _Way() for direction in Direction}
        self._door: tuple[socket.socket, asyncio.Task[None]] | None = None
        self.port = self._ask(self._open_door(0))

    @classmethod
    def before(cls, url: str) -> Proxy:
        """A proxy in front of the server of a URL that names its port."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"there is no host with a port in {url!r}")
        return cls(parts.hostname, parts.port)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections it carries now."""
        return len(self._pairs)

    @property
    def opened(self) -> int:
        """How many connections it was ever asked for."""
        return self._opened

    def url(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}{self.address}").geturl()

    def delay(self, seconds: float, *directions: Direction) -> None:
        """Pass bytes (chunks of up to 64 KiB, one after the other) that much later; both ways unless named."""
        self._ask(self._set(directions, latency=seconds))

    def black_hole(self, *directions: Direction) -> None:
        """Pass nothing more, closing included; both ways unless named. ``heal`` lets what was held arrive late."""
        self._ask(self._shut(directions))

    def cut(self, direction: Direction, after: int = 0, times: int = 1) -> None:
        """Reset the next connection that sends more than ``after`` bytes from now on, once these have passed.

        ``times`` is how many connections it happens to.
        """
        self._ask(self._set((direction,), cut=_Cut(after, times)))

    def reset(self) -> None:
        """Reset (RST) every connection there is; new ones are welcome."""
        self._ask(self._break_all())

    def refuse(self) -> None:
        """Reset every connection and refuse new ones, as a host without the server does."""
        self._ask(self._close_door())
        self._ask(self._break_all())

    def heal(self) -> None:
        """End every fault."""
        self._ask(self._mend())

    def close(self) -> None:
        """End the proxy with all its connections. Can be called twice."""
        if self._loop.is_closed():
            return
        self._ask(self._close_door())
        self._ask(self._break_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    async def _open_door(self, port: int) -> int:
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", port))
        door.listen(1024)
        door.setblocking(False)
        self._door = (door, asyncio.ensure_future(self._welcome(door)))
        return int(door.getsockname()[1])

    async def _close_door(self) -> None:
        if self._door is None:
            return
        door, welcoming = self._door
        self._door = None
        welcoming.cancel()
        await asyncio.gather(welcoming, return_exceptions=True)
        door.close()

    async def _welcome(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(door)
            self._opened += 1
            pair = _Pair(client)
            task = asyncio.ensure_future(pair.carry(self._target, self._ways))
            self._pairs[pair] = task
            task.add_done_callback(partial(self._forget, pair))

    def _forget(self, pair: _Pair, _: asyncio.Task[None]) -> None:
        self._pairs.pop(pair, None)

    async def _break_all(self) -> None:
        broken = dict(self._pairs)
        for pair, task in broken.items():
            pair.end_by_reset()
            task.cancel()
        await asyncio.gather(*broken.values(), return_exceptions=True)
        for pair in broken:
            pair.close()

    async def _set(self, directions: tuple[Direction, ...], **changes: Any) -> None:
        for direction in directions or tuple(Direction):
            vars(self._ways[direction]).update(changes)

    async def _shut(self, directions: tuple[Direction, ...]) -> None:
        for direction in directions or tuple(Direction):
            self._ways[direction].open.clear()

    async def _mend(self) -> None:
        for way in self._ways.values():
            way.heal()
        if self._door is None:
            await self._open_door(self.port)
