"""Towpath as a contender: its own processes on a place, set up as an operator would."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.house import open_house
from app.settings import Settings, load
from bench.processes import Process, wait_for
from bench.services import Place, counting, plain_environment
from broker.operations import NewChannel
from domain.channels import ChannelSettings
from domain.mappings import CarrierMapping
from storage.database import Database
from storage.schema import upgrade

ROLES: tuple[tuple[str, ...], ...] = (("consume",), ("consume",))
"""The processes that are started: two that work, of which one also takes events in."""

ACCOUNT = "bench"
CHANNEL = "shop"
OPTIONS = ChannelSettings(calls_per_second=10_000, burst=10_000)
"""No limit that matters."""
CARRIER = CarrierMapping("UPS Ground", "", "UPS", "")
"""With its carrier mapped, a shipment costs one call."""

SETTLED = "SELECT count(*) FROM deliveries WHERE state <> 'open'"
OPEN = "SELECT count(*) FROM deliveries WHERE state = 'open'"


@dataclass(frozen=True, slots=True)
class Towpath:
    """Its running processes."""

    place: Place
    settings: Settings
    processes: tuple[Process, ...]

    @property
    def pids(self) -> list[int]:
        """For CPU and memory."""
        return [process.pid for process in self.processes]

    def wait_settled(self, deliveries: int, seconds: float, *, pause: float = 0.05) -> None:
        """Wait until so many deliveries are settled; raises WaitedInVainError."""
        with counting(self.place, SETTLED) as settled:
            wait_for(lambda: settled() >= deliveries, seconds, f"{deliveries} deliveries are settled", pause=pause)


def settings_of(place: Place, folder: Path) -> Settings:
    """Settings of every process on this place."""
    return load(
        log="error",
        data_dir=folder,
        broker_url=place.broker_url,
        database_url=place.database_url,
        allowed_hosts=",".join(place.shop.domains),
    )


def environment(settings: Settings) -> dict[str, str]:
    """The same settings as variables."""
    return plain_environment(
        TOWPATH_BROKER_URL=settings.broker_url.get_secret_value(),
        TOWPATH_DATABASE_URL=settings.database,
        TOWPATH_DATA_DIR=str(settings.data_dir),
        TOWPATH_ALLOWED_HOSTS=settings.allowed_hosts,
        TOWPATH_LOG="info",
        TOWPATH_LOG_FORMAT="json",
    )


def channel_code(at: int) -> str:
    """The code of the channel on the shop's domain number ``at``: ``shop``, ``shop-1``, ``shop-2``, …"""
    return CHANNEL if at == 0 else f"{CHANNEL}-{at}"


def set_up(place: Place, options: ChannelSettings = OPTIONS) -> Settings:
    """Schema, topology, the account ``bench``, and one channel per domain of the shop (:func:`channel_code`)."""
    settings = settings_of(place, place.folder)
    database = Database(settings.database, exclusive=False)
    try:
        database.write(upgrade)
    finally:
        database.close()
    asyncio.run(_set_up(place, settings, options))
    return settings


async def _set_up(place: Place, settings: Settings, options: ChannelSettings) -> None:
    async with open_house(settings) as house:
        await house.transport.declare()
        organization = await house.operations.desk.create_organization("Bench")
        await house.operations.desk.create_account(organization, ACCOUNT, "Bench", "UTC")
        for at, domain in enumerate(place.shop.domains):
            new = NewChannel(ACCOUNT, channel_code(at), "Shop", "bright_sites", domain, "bench-token", options)
            await house.operations.create_channel(new)
            await house.operations.mappings.save(ACCOUNT, new.code, CARRIER, "bench")


@contextlib.contextmanager
def running(place: Place, settings: Settings, roles: Sequence[Sequence[str]] = ROLES, **more: str) -> Iterator[Towpath]:
    """Towpath's processes, once all of them work; ended afterwards. ``more`` are further variables."""
    started: list[Process] = []
    try:
        for number, role in enumerate(roles):
            command = [sys.executable, "-m", "app", *role]
            log = place.folder / f"towpath-{number}-{'-'.join(role)}.log"
            started.append(Process(command, {**environment(settings), **more}, log))
        for process in started:
            process.wait_for_text('"event": "started"')
        yield Towpath(place, settings, tuple(started))
    finally:
        for process in started:
            process.stop()
