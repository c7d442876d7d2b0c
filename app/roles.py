"""The roles a process can play: relay, consume, timer, serve, or all at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import start_http_server

from app.allocator import keep_less
from app.house import House, open_house
from app.settings import Settings
from broker.account_redaction import AccountRedaction
from broker.heart import Pace, Worker
from broker.lease import Lease
from broker.relay import Relay
from broker.sources import LaneSource, PolledLanes, TicketedLanes
from broker.timing import Timer
from domain.errors import StorageUnavailable
from storage.privacy.left_behind import SqlAccountEraser

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cast:
    """Which roles to play; ``jobs`` empty means all job types. ``ready`` hears the HTTP address once it is bound."""

    relay: bool = False
    consume: bool = False
    timer: bool = False
    serve: bool = False
    jobs: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    ready: Callable[[str], None] | None = None

    @property
    def names(self) -> str:
        """The roles in words."""
        return " ".join(name for name in ("relay", "consume", "timer", "serve") if getattr(self, name))


EVERYTHING = Cast(relay=True, consume=True, timer=True, serve=True)


async def play(settings: Settings, cast: Cast, stop: asyncio.Event | None = None) -> None:
    """Play the roles until ``stop`` is set or the process is told to end (SIGTERM, SIGINT); then finish what is in
    hand.

    Raises:
        ConfigurationError, StorageUnavailable, TransportUnavailable: it cannot start.
    """
    keep_less()
    stop = stop or asyncio.Event()
    _stop_on_signals(stop)
    async with open_house(settings, exclusive=True) as house:
        if settings.embedded:
            await house.transport.declare()
        lease = Lease(house.ledger, cast.names, settings.lease_seconds, settings.call_margin)
        await house.ledger.rescue(alone=house.database.dialect == "sqlite")
        await lease.begin()
        log.info("started", roles=cast.names, jobs=list(cast.jobs) or "all")
        with _metrics(house, cast):
            await _run_together(stop, [lease.keep(stop), *_parts(house, cast, lease, stop)])
        with contextlib.suppress(StorageUnavailable):
            await lease.end()
    log.info("stopped", roles=cast.names)


@contextlib.contextmanager
def _metrics(house: House, cast: Cast) -> Iterator[None]:
    """Show the metrics of a role that serves no HTTP of its own, where a port is set."""
    if cast.serve or not house.settings.metrics_port:
        yield
        return
    server, thread = start_http_server(house.settings.metrics_port, house.settings.http_host, house.meters.registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _parts(house: House, cast: Cast, lease: Lease, stop: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
    parts: list[Coroutine[Any, Any, None]] = []
    settings = house.settings
    worker: Worker | None = None
    if cast.consume:
        organs = house.organs(cast.jobs)
        worker = Worker(organs, _source(house, lease, list(organs.handlers)), lease, Pace(capacity=settings.capacity))
        parts.append(worker.work(stop))
    if cast.relay or cast.consume:
        # Whoever runs deliveries can also lead: what comes in then needs no second look before it runs.
        tickets = not settings.embedded
        relay = Relay(house.ledger, house.transport, lease, house.meters, house.bell, tickets=tickets, taker=worker)
        parts.append(relay.run(stop))
    if cast.timer:
        parts.append(Timer(house.ledger, house.meters, house.bell, house.captures.purge).run(stop))
        parts.append(AccountRedaction(SqlAccountEraser(house.database)).run(stop))
    if cast.serve:
        host = cast.host or settings.http_host
        port = settings.http_port if cast.port is None else cast.port
        from producers.http import create_app, serve  # noqa: PLC0415 - a large part of a role that does not serve

        parts.append(serve(create_app(house.operations), host, port, stop, cast.ready or _say_address))
    return parts


def _source(house: House, lease: Lease, jobs: Sequence[str]) -> LaneSource:
    if house.settings.embedded:
        return PolledLanes(house.ledger, lease.worker, jobs, house.bell)
    return TicketedLanes(house.ledger, lease.worker, jobs, house.transport)


def _say_address(url: str) -> None:
    log.info("listening", url=url)


async def _run_together(stop: asyncio.Event, parts: list[Coroutine[Any, Any, None]]) -> None:
    """Run all parts; when one fails the others are told to stop, and the failure is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no such handlers, and no thread but the main one: there whoever plays the roles sets the event.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
