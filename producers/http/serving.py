"""Running the door: uvicorn inside the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio.events import TimerHandle
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from domain.errors import ConfigurationError

HEAD_BYTES = 32 * 1024
HEAD_FIELDS = 100
HEAD_SECONDS = 15.0
IDLE_SECONDS = 65
GRACE_SECONDS = 5


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on the head of a request: its size, its fields, the time before the first one.

    A head beyond the bounds is answered 400 and the connection closed.
    """

    _head_bytes = 0
    _head_fields = 0
    _silence: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count the silence."""
        super().connection_made(transport)
        self._silence = self.loop.call_later(HEAD_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        """A new head."""
        self._head_bytes = self._head_fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field."""
        self._head_fields += 1
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: no more silence."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to time."""
        if self._silence is not None:
            self._silence.cancel()
        super().connection_lost(exc)

    def _count(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > HEAD_BYTES or self._head_fields > HEAD_FIELDS:
            raise ValueError("the head of the request is too large")


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to the process and says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()


async def serve(app: FastAPI, host: str, port: int, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve ``app`` until ``stop`` is set; then answer what is in hand, at most :data:`GRACE_SECONDS`.

    ``port`` 0 takes a free one. ``ready`` hears the base URL as soon as connections are accepted.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    listener = bind(host, port)
    address = f"[{host}]" if ":" in host else host
    url = f"http://{address}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )
    server = _Server(config, lambda: ready(url))
    stopping = asyncio.create_task(_stop(server, app, stop))
    try:
        await server.serve([listener])
    finally:
        stopping.cancel()
        listener.close()


async def _stop(server: uvicorn.Server, app: FastAPI, stop: asyncio.Event) -> None:
    await stop.wait()
    app.state.door.closing.set()
    server.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {reason}. Choose another address or port."
        ) from None
    # Connections inherit it. Without it the second packet of an answer waits for the first one's delayed
    # acknowledgement (40 ms on Linux); asyncio only sets it on sockets that name their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
