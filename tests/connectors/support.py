"""A guard that remembers, channels to call with, and a server that does on the wire what it is told."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from domain.channels import Channel, ChannelSettings
from domain.errors import ShopError, TowpathError
from domain.ports import CallRecorder
from domain.synclog import ApiCall

TOKEN = "tok-4f9a1c77e2"


@dataclass
class RecordingGuard:
    """Lets every call pass, or refuses with ``refusal``, and keeps what it was told."""

    refusal: TowpathError | None = None
    asked: list[tuple[str, bool]] = field(default_factory=list)
    calls: list[ApiCall] = field(default_factory=list)
    errors: list[ShopError | None] = field(default_factory=list)
    recorder: CallRecorder | None = None

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        self.asked.append((operation, writes))
        if self.refusal is not None:
            raise self.refusal

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        self.calls.append(call)
        self.errors.append(error)

    @property
    def routes(self) -> list[tuple[str, str]]:
        return [(call.method, call.route) for call in self.calls]


def channel_at(domain: str, token: str = TOKEN, **settings: str) -> Channel:
    return Channel(
        id="ch-1",
        account_id="ac-1",
        account="acme",
        code="bright-main",
        name="Main shop",
        platform="bright_sites",
        domain=domain,
        token=SecretStr(token),
        enabled=True,
        settings=ChannelSettings.model_validate(settings),
    )


@dataclass
class Heard:
    """One request as it came over the wire."""

    head: str
    body: bytes


Act = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class WireServer:
    """A loopback server; ``act`` answers each request, ``heard`` keeps them, ``connections`` counts."""

    act: Act
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pair(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(
                    (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")),
                    0,
                )
                heard = Heard(head, await reader.readexactly(length))
                self.heard.append(heard)
                self.called.set()
                await self.act(heard, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def wire_server(act: Act) -> AsyncIterator[WireServer]:
    server = WireServer(act)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


def response(status: int, body: bytes, *headers: str, reason: str = "Any") -> bytes:
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(status: int, body: bytes = b"{}", *headers: str) -> Act:
    async def act(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(response(status, body, *headers))

    return act


async def hangs(_: Heard, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def resets(_: Heard, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_answers(_: Heard, writer: asyncio.StreamWriter) -> None:
    writer.write(response(200, b'{"order_id": 4711}')[:-9])
    await writer.drain()
    writer.close()


async def hangs_up(_: Heard, writer: asyncio.StreamWriter) -> None:
    writer.close()


def free_port() -> int:
    """A loopback port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
