"""Before the day and after it: what is set up, on what it is played, and how it is left."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from app.demo import operator
from app.demo.cast import Stage
from app.demo.script import write_script
from app.demo.staff import Shop
from app.demo.talking import HttpTalker
from app.demo.upstream import AmqpUpstream, HttpUpstream, Upstream
from app.house import House, open_house
from app.settings import Settings
from broker.operations import NewChannel
from broker.transports.urls import open_transport
from domain.channels import ChannelSettings
from domain.errors import TowpathError
from domain.mappings import CarrierMapping
from domain.moments import utc_now
from domain.periods import Period
from producers.publisher import open_publisher
from storage.database import Database
from storage.schema import upgrade

log = structlog.get_logger(__name__)

PACE = 400
"""Calls a second that the shop may be sent."""
CHANNEL = "bright-main"


async def set_up(settings: Settings, shop: Shop, seed: int, orders: int, stock_changes: int) -> Stage:
    """The tables, and an organization, an account, a channel with its settings and a key: what an operator does on the
    day before.

    The clock of that is one period back, and Towpath does not run yet. So the schedule has come due when the day
    begins, and the timer makes up for it at once: no need to watch for five minutes.
    """
    _upgrade(settings)
    async with open_house(settings, connect=False, clock=_a_period_ago) as house:
        if not settings.embedded:
            async with _transport(house):
                await house.transport.declare()
        return await _set_up(house, shop, seed, orders, stock_changes)


def _a_period_ago() -> datetime:
    return utc_now() - (Period(operator.PERIOD).every or timedelta())


def _upgrade(settings: Settings) -> None:
    database = Database(settings.database, exclusive=False)
    try:
        database.write(upgrade)
    finally:
        database.close()


@contextlib.asynccontextmanager
async def _transport(house: House) -> AsyncIterator[None]:
    await house.transport.start()
    try:
        yield
    finally:
        await house.transport.close()


async def _set_up(house: House, shop: Shop, seed: int, orders: int, stock_changes: int) -> Stage:
    desk = house.operations.desk
    taken = {account.code for account in await desk.accounts()}
    code = next(
        name for number in range(1, 10_000) if (name := f"demo{'' if number == 1 else f'-{number}'}") not in taken
    )
    organization = await desk.create_organization("Demo Trading")
    await desk.create_account(organization, code, "Demo account", "UTC")
    options = ChannelSettings(calls_per_second=PACE, burst=100)
    await house.operations.create_channel(
        NewChannel(code, CHANNEL, "Sandbox shop", "bright_sites", shop.domain, "sandbox-read-write", options)
    )
    await operator.set_up(house.operations, code, CHANNEL, orders)
    for method, carrier in (("FedEx Ground", "FedEx"), ("UPS*", "UPS"), ("USPS*", "USPS")):
        row = CarrierMapping(method, "", carrier, "")
        await house.operations.mappings.save(code, CHANNEL, row, operator.NAME)
    key = await desk.create_key(code, ["events:write", "read", "operate"])
    control = HttpTalker(shop.url)
    _, stock = await asyncio.to_thread(control.ask, "GET", "/_sandbox/stock")
    script = write_script(seed, sorted(stock), stock_changes)
    return Stage(code, CHANNEL, key.secret, control, script, seed)


async def leave(house: House, stage: Stage) -> None:
    """The shop of the day is gone: its channel must not be called by a later Towpath on the same database."""
    try:
        await operator.close(house.operations, stage.account, stage.channel)
        await house.operations.desk.change_channel(stage.account, stage.channel, enabled=False)
    except TowpathError as error:
        log.warning("channel_left_enabled", channel=stage.channel, account=stage.account, reason=error.sentence)


def upstream_of(settings: Settings, api: HttpTalker) -> Upstream:
    """How the shop's and the OMS's side publish on this stack."""
    if settings.embedded:
        return HttpUpstream(api)
    url = settings.broker_url.get_secret_value()
    transport = open_transport(url, ca_file=settings.broker_ca_file)
    return AmqpUpstream(open_publisher(url, ca_file=settings.broker_ca_file), transport)


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as a process of Towpath reads them."""
    chosen = {
        "TOWPATH_BROKER_URL": settings.broker_url.get_secret_value(),
        "TOWPATH_DATABASE_URL": settings.database,
        "TOWPATH_DATA_DIR": str(settings.data_dir.resolve()),
        "TOWPATH_ALLOWED_HOSTS": settings.allowed_hosts,
        "TOWPATH_LOG": "info",
        "TOWPATH_LOG_FORMAT": "json",
    }
    if settings.secret_keys is not None:
        chosen["TOWPATH_SECRET_KEYS"] = settings.secret_keys.get_secret_value()
    return chosen


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
