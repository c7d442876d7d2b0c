"""Connections kept open between calls: per target, last used first, and never more than allowed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from connectors.http.dialling import AddressRefusedError, SocketGuard
from connectors.http.limits import HttpLimits
from connectors.http.wire import Wire


class AddressRefused(httpx.ConnectError):
    """The guard let nothing out: the target is not on the public internet, not https, or not on port 443."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: ``host`` in lower case, as it is named in the certificate."""

    host: str
    port: int
    secure: bool


SWEEP_SECONDS = 1.0
"""How often the kept connections are looked through for what is too old."""


class Pool:
    """Lends connections, one call at a time each. For one event loop."""

    def __init__(self, limits: HttpLimits, guard: SocketGuard) -> None:
        self._limits = limits
        self._guard = guard
        self._idle: dict[Target, deque[Wire]] = defaultdict(deque)
        self._lent: Counter[Target] = Counter()
        self._wires: set[Wire] = set()
        self._freed: dict[Target, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._tls: ssl.SSLContext | None = None
        self._closed = False
        self._swept_at = time.monotonic()

    @contextlib.asynccontextmanager
    async def lend(self, target: Target) -> AsyncIterator[Wire]:
        """A connection to ``target``, waiting for one where all are in use.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: there is none; nothing was sent.
        """
        if self._closed:
            raise httpx.ConnectError("transport closed")
        await self._room(target)
        self._lent[target] += 1
        try:
            wire = self._kept(target) or await self._connect(target)
            try:
                yield wire
            finally:
                self._take_back(target, wire)
        finally:
            self._lent[target] -= 1
            self._wake(target)

    def close(self) -> None:
        """End all connections; nothing is lent any more."""
        self._closed = True
        for wire in list(self._wires):
            wire.close()

    async def _room(self, target: Target) -> None:
        while self._lent[target] >= self._limits.connections_per_host or self._lent.total() >= self._limits.connections:
            freed = asyncio.get_running_loop().create_future()
            self._freed[target].append(freed)
            try:
                await freed
            finally:
                with contextlib.suppress(ValueError):
                    self._freed[target].remove(freed)

    def _wake(self, target: Target) -> None:
        """Let one who waits for this target go on, or for another where only the sum was in the way."""
        for waiting in (self._freed[target], *self._freed.values()):
            for freed in waiting:
                if not freed.done():
                    freed.set_result(None)
                    return

    def _kept(self, target: Target) -> Wire | None:
        idle, oldest = self._idle[target], time.monotonic() - self._limits.keepalive_seconds
        while idle:
            wire = idle.pop()
            if wire.reusable and wire.idle_since > oldest:
                return wire
            wire.close()
            self._wires.discard(wire)
        return None

    def _take_back(self, target: Target, wire: Wire) -> None:
        now = time.monotonic()
        if wire.reusable and not self._closed:
            wire.idle_since = now
            self._idle[target].append(wire)
        else:
            wire.close()
            self._wires.discard(wire)
        if now > self._swept_at + SWEEP_SECONDS:
            self._swept_at = now
            self._sweep(now - self._limits.keepalive_seconds)

    def _sweep(self, oldest: float) -> None:
        """Close what was not used since ``oldest``: calls take the connection used last, so most of what a burst opened
        is never taken again.
        """
        for target, idle in list(self._idle.items()):
            while idle and not (idle[0].reusable and idle[0].idle_since > oldest):
                wire = idle.popleft()
                wire.close()
                self._wires.discard(wire)
            if not idle:
                del self._idle[target]

    async def _connect(self, target: Target) -> Wire:
        loop = asyncio.get_running_loop()
        try:
            sock = await self._guard.dial(target.host, target.port)
            try:
                async with asyncio.timeout(self._limits.connect_seconds):
                    _, wire = await loop.create_connection(
                        lambda: Wire(self._limits.answer_bytes),
                        sock=sock,
                        ssl=self._context() if target.secure else None,
                        server_hostname=target.host if target.secure else None,
                    )
            except BaseException:
                sock.close()
                raise
        except AddressRefusedError:
            failure: httpx.TransportError = AddressRefused("address refused")
        except TimeoutError:
            failure = httpx.ConnectTimeout("connect timeout")
        except (OSError, ValueError):
            failure = httpx.ConnectError("no connection")
        else:
            self._wires.add(wire)
            return wire
        raise failure

    def _context(self) -> ssl.SSLContext:
        self._tls = self._tls or ssl.create_default_context()
        return self._tls
