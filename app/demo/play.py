"""Plays the day: buyers, the OMS and its warehouse, faults, and the verdict at the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from app.demo.books import judge
from app.demo.cast import Oms, Stage, Warehouse
from app.demo.report import Report
from app.demo.script import STOCK_CHANGES, write_script
from app.demo.staff import Shop, Towpath
from app.demo.talking import HttpTalker
from app.demo.upstream import AmqpUpstream, HttpUpstream, Upstream
from app.house import House, open_house
from app.settings import Settings
from broker.operations import NewChannel, Statistics
from broker.transports.urls import open_transport
from console.cli.seams import DemoProgress
from domain.channels import ChannelSettings
from domain.errors import TowpathError
from domain.mappings import CarrierMapping
from domain.periods import Period
from producers.publisher import open_publisher
from storage.database import Database
from storage.schema import upgrade

log = structlog.get_logger(__name__)

OUTAGE_SECONDS = 4.0
LONGEST_DAY = 300.0
CRASH_AT = "worker.after_call:300"


@dataclass(frozen=True, slots=True)
class Day:
    """What kind of day to play; ``keep`` leaves everything running until interrupted."""

    seed: int = 1
    orders: int = 300
    stock_changes: int = STOCK_CHANGES
    keep: bool = False


async def play_day(settings: Settings, day: Day, show: Callable[[DemoProgress], None]) -> Report:
    """Play a trading day and judge it; ``show`` hears how it goes. Starts and ends its own shop and Towpath processes.

    Raises:
        TowpathError: database or broker cannot be used.
    """
    shop = await asyncio.to_thread(Shop, day.seed)
    try:
        settings = settings.model_copy(update={"allowed_hosts": shop.domain})
        _upgrade(settings)
        async with open_house(settings, connect=False) as house:
            if not settings.embedded:
                async with _transport(house):
                    await house.transport.declare()
            stage = await _set_up(house, shop, day)
            return await _run(house, stage, settings, day, show)
    finally:
        await asyncio.to_thread(shop.stop)


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


async def _set_up(house: House, shop: Shop, day: Day) -> Stage:
    """An organization, an account, a channel, a key and a schedule: what an operator does on the first day."""
    desk = house.operations.desk
    taken = {account.code for account in await desk.accounts()}
    code = next(
        name for number in range(1, 10_000) if (name := f"demo{'' if number == 1 else f'-{number}'}") not in taken
    )
    organization = await desk.create_organization("Demo Trading")
    await desk.create_account(organization, code, "Demo account", "UTC")
    options = ChannelSettings(calls_per_second=400, burst=100)
    await house.operations.create_channel(
        NewChannel(code, "bright-main", "Sandbox shop", "bright_sites", shop.domain, "sandbox-read-write", options)
    )
    fedex = CarrierMapping("FedEx Ground", "", "FedEx", "")
    await house.operations.mappings.save(code, "bright-main", fedex, "demo")
    await house.operations.set_schedule(code, "bright-main", "order_import", Period("5m"))
    key = await desk.create_key(code, ["events:write", "read", "operate"])
    control = HttpTalker(shop.url)
    _, stock = await asyncio.to_thread(control.ask, "GET", "/_sandbox/stock")
    script = write_script(day.seed, sorted(stock), day.stock_changes)
    return Stage(code, "bright-main", key.secret, control, script, day.seed)


async def _run(
    house: House, stage: Stage, settings: Settings, day: Day, show: Callable[[DemoProgress], None]
) -> Report:
    port = _free_port()
    data = settings.data_dir.resolve()
    data.mkdir(parents=True, exist_ok=True)
    once = data / f"crashed-{stage.account}"
    environment = {
        **_as_environment(settings),
        "TOWPATH_CRASH_AT": CRASH_AT,
        "TOWPATH_CRASH_ONCE_FILE": str(once),
    }
    towpath = await asyncio.to_thread(Towpath, environment, data / "demo.log", port)
    api = HttpTalker(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {stage.key}"})
    upstream = _upstream(settings, api)
    try:
        return await Director(house, stage, settings, towpath, api, upstream, show).direct(day)
    finally:
        once.unlink(missing_ok=True)
        await asyncio.to_thread(towpath.stop)
        await _leave(house, stage)


async def _leave(house: House, stage: Stage) -> None:
    """The shop of the day is gone: its channel must not be called by a later Towpath on the same database."""
    try:
        await house.operations.set_schedule(stage.account, stage.channel, "order_import", Period("none"))
        await house.operations.desk.change_channel(stage.account, stage.channel, enabled=False)
    except TowpathError as error:
        log.warning("channel_left_enabled", channel=stage.channel, account=stage.account, reason=error.sentence)


def _upstream(settings: Settings, api: HttpTalker) -> Upstream:
    if settings.embedded:
        return HttpUpstream(api)
    url = settings.broker_url.get_secret_value()
    transport = open_transport(url, ca_file=settings.broker_ca_file)
    return AmqpUpstream(open_publisher(url, ca_file=settings.broker_ca_file), transport)


def _as_environment(settings: Settings) -> dict[str, str]:
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Director:
    """Leads one day: who acts when, when the shop fails, and when the day is over."""

    def __init__(
        self,
        house: House,
        stage: Stage,
        settings: Settings,
        towpath: Towpath,
        api: HttpTalker,
        upstream: Upstream,
        show: Callable[[DemoProgress], None],
    ) -> None:
        self._house = house
        self._stage = stage
        self._settings = settings
        self._towpath = towpath
        self._upstream = upstream
        self._show = show
        self._oms = Oms(stage, api, upstream)
        self._warehouse = Warehouse(stage, upstream)
        self._scene = "opening"
        self._refused = 0
        self._started = time.monotonic()

    async def direct(self, day: Day) -> Report:
        """Play, wait until all is settled, judge."""
        await asyncio.to_thread(self._open_doors)
        self._started = time.monotonic()
        watching = asyncio.create_task(self._watch())
        oms = asyncio.create_task(self._oms.work())
        try:
            await asyncio.gather(self._buyers(day.orders), self._warehouse.work(), self._trouble())
            self._scene = "closing: waiting until everything is settled"
            unfinished = await self._drain(day.orders)
        finally:
            self._oms.stop()
            watching.cancel()
            await asyncio.gather(oms, watching, return_exceptions=True)
        report = await self._report(unfinished)
        if day.keep:
            self._scene = "kept running"
            await asyncio.Event().wait()
        return report

    def _open_doors(self) -> None:
        """Wait until Towpath answers and the shop's first methods can be read."""
        status, _ = self._oms.api.ask("GET", "/healthz")
        if status != 200:
            raise RuntimeError(f"Towpath did not start: /healthz answered {status}.")

    async def _buyers(self, count: int) -> None:
        """Buy in waves over some seconds. One in ten orders is not announced: only polling finds it."""
        wave = max(1, count // 30)
        self._scene = "buyers buy, the warehouse ships, stock moves"
        for start in range(0, count, wave):
            await asyncio.to_thread(self._stage.buy, min(wave, count - start), self._upstream)
            if start // wave % 10 == 9:
                await self._poll()
            await asyncio.sleep(0.35)
        await self._poll()

    async def _poll(self) -> None:
        await self._house.operations.desk.run_now(self._stage.account, self._stage.channel, "order_import")

    async def _trouble(self) -> None:
        """Throttling, server errors, answers lost after the write; then an outage; bad messages in between."""
        await asyncio.sleep(2.0)
        await asyncio.to_thread(self._stage.small_faults)
        self._refused = await self._upstream.send_bad(self._stage.account)
        await asyncio.sleep(4.0)
        self._scene = f"the shop is down for {OUTAGE_SECONDS:.0f} seconds"
        await asyncio.to_thread(self._stage.control.ask, "POST", "/_sandbox/outage", {"seconds": OUTAGE_SECONDS})
        await asyncio.sleep(OUTAGE_SECONDS)
        self._scene = "the shop is back; buyers go on"

    async def _drain(self, orders: int) -> int:
        """Wait until every order is shipped and no lane waits; how many lanes are left when patience ends."""
        left = 1
        while time.monotonic() - self._started < LONGEST_DAY and self._towpath.alive:
            numbers = await self._numbers()
            left = sum(numbers.lanes.values())
            if not left and len(self._oms.sent) >= orders and self._oms.idle and not numbers.unsent:
                return 0
            if len(self._oms.sent) < orders and not left:
                await self._poll()
            await asyncio.sleep(0.3)
        return left

    async def _numbers(self) -> Statistics:
        return await self._house.operations.desk.statistics()

    async def _watch(self) -> None:
        while True:
            numbers = await self._numbers()
            _, state = await asyncio.to_thread(self._stage.control.ask, "GET", "/_sandbox/summary")
            self._show(
                DemoProgress(
                    seconds=time.monotonic() - self._started,
                    scene=self._scene,
                    bought=len(self._stage.bought),
                    imported=len(self._oms.sent),
                    events=numbers.messages + numbers.duplicates + numbers.rejected + self._refused,
                    settled=sum(count for state_, count in numbers.deliveries.items() if state_ != "open"),
                    waiting=numbers.deliveries.get("open", 0),
                    calls=state["calls"],
                    crashes=self._towpath.crashes,
                )
            )
            await asyncio.sleep(0.4)

    async def _report(self, unfinished: int) -> Report:
        numbers = await self._numbers()
        effects = await asyncio.to_thread(self._stage.effects)
        _, stock = await asyncio.to_thread(self._stage.control.ask, "GET", "/_sandbox/stock")
        _, summary = await asyncio.to_thread(self._stage.control.ask, "GET", "/_sandbox/summary")
        verdict = judge(effects, stock, self._stage.script, self._stage.bought, self._oms.sent)
        steps = sum(len(sent.steps) for sent in self._oms.sent.values())
        return Report(
            seconds=time.monotonic() - self._started,
            broker="embedded journal" if self._settings.embedded else "RabbitMQ",
            database="PostgreSQL" if self._house.database.dialect == "postgresql" else "SQLite",
            account=self._stage.account,
            orders=len(self._stage.bought),
            events=numbers.messages + numbers.duplicates,
            duplicates=numbers.duplicates,
            rejected=numbers.rejected + self._refused,
            deliveries=numbers.deliveries,
            outcomes=numbers.outcomes,
            calls_made=summary["calls"],
            calls_one_by_one=len(self._stage.script.stock) + steps + len(self._stage.bought),
            latency_ms=numbers.latency_ms,
            crashes=self._towpath.crashes,
            outage_seconds=OUTAGE_SECONDS,
            log_file=str(self._settings.data_dir / "demo.log"),
            verdict=verdict,
            unfinished=unfinished,
        )
