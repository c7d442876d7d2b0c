"""A connection that comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from broker.transports.rabbitmq.settings import AmqpSettings
from broker.transports.rabbitmq.wire import Link, connect, explain
from broker.transports.waiting import Backoff
from domain.errors import TransportUnavailable

log = structlog.get_logger(__name__)


class Line:
    """Keeps one connection open. ``prepare`` is run on each new one before it is shown as ``link``."""

    def __init__(
        self,
        settings: AmqpSettings,
        name: str,
        prepare: Callable[[Link], Awaitable[None]],
        gone: Callable[[], None],
    ) -> None:
        self.link: Link | None = None
        self._settings = settings
        self._name = name
        self._prepare = prepare
        self._gone = gone
        self._up = asyncio.Event()
        self._reason = ""
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and stay connected.

        Raises:
            TransportUnavailable: not connected within the connect timeout; nothing goes on in the background
            then.
        """
        self._keeper = asyncio.create_task(self._keep())
        if not await self.wait_up(self._settings.connect_timeout):
            await self.close()
            raise TransportUnavailable(self._reason or f"RabbitMQ at {self._settings.place}: no answer in time.")

    async def wait_up(self, seconds: float | None = None) -> Link | None:
        """The connection as soon as there is one; nothing when ``seconds`` passed without."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._up.wait()
        return self.link

    async def close(self) -> None:
        """Close the connection and stay away."""
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        link = self.link
        self._down()
        if link is not None:
            await link.close()

    async def _keep(self) -> None:
        backoff = Backoff()
        while True:
            try:
                link = await connect(self._settings)
                await self._prepared(link)
            except Exception as error:  # noqa: BLE001 - a keeper that ends would leave the transport dead
                self._reason = explain(error)
                log.info("broker_connect_failed", line=self._name, reason=self._reason)
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            self.link = link
            self._up.set()
            log.info("broker_connected", line=self._name)
            reason = await asyncio.shield(link.lost)
            self._down()
            log.warning("broker_connection_lost", line=self._name, reason=reason)
            await asyncio.sleep(backoff.pause())

    async def _prepared(self, link: Link) -> None:
        try:
            await self._prepare(link)
        except BaseException:
            link.abort("The connection could not be prepared.")
            raise

    def _down(self) -> None:
        self.link = None
        self._up.clear()
        self._gone()
