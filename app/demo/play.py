"""Plays the day: buyers, the OMS and its warehouse, faults, and the verdict at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.demo.books import judge
from app.demo.cast import Oms, Stage, Warehouse
from app.demo.opening import as_environment, free_port, leave, set_up, upstream_of
from app.demo.operator import PERIOD, Calls, Operator
from app.demo.report import Report
from app.demo.script import STOCK_CHANGES
from app.demo.staff import Shop, Towpath
from app.demo.talking import HttpTalker
from app.demo.upstream import Upstream
from app.house import House, open_house
from app.settings import Settings
from broker.operations import Statistics
from console.cli.seams import DemoProgress

OUTAGE_SECONDS = 4.0
LONGEST_DAY = 300.0
CRASH_AT = "worker.after_call:300"
GIVEN_BACK_SECONDS = 2.0
"""After so long every process that lives has given back what it reserved and did not use."""


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
        stage = await set_up(settings, shop, day.seed, day.orders, day.stock_changes)
        async with open_house(settings, connect=False) as house:
            return await _run(house, stage, settings, day, show)
    finally:
        await asyncio.to_thread(shop.stop)


async def _run(
    house: House, stage: Stage, settings: Settings, day: Day, show: Callable[[DemoProgress], None]
) -> Report:
    port = free_port()
    data = settings.data_dir.resolve()
    data.mkdir(parents=True, exist_ok=True)
    once = data / f"crashed-{stage.account}"
    environment = {
        **as_environment(settings),
        "TOWPATH_CRASH_AT": CRASH_AT,
        "TOWPATH_CRASH_ONCE_FILE": str(once),
    }
    towpath = await asyncio.to_thread(Towpath, environment, data / "demo.log", port)
    api = HttpTalker(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {stage.key}"})
    upstream = upstream_of(settings, api)
    try:
        return await Director(house, stage, settings, towpath, api, upstream, show).direct(day)
    finally:
        once.unlink(missing_ok=True)
        await asyncio.to_thread(towpath.stop)
        await leave(house, stage)


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
        self._operator = Operator(house.operations, stage.account, stage.channel, stage.script.renamed)
        self._scene = "opening"
        self._refused = 0
        self._started = time.monotonic()

    async def direct(self, day: Day) -> Report:
        """Play, wait until all is settled, judge."""
        night = max(1, day.orders // 30)
        await asyncio.to_thread(self._stage.buy, night)
        await asyncio.to_thread(self._open_doors)
        self._started = time.monotonic()
        watching = asyncio.create_task(self._watch())
        oms = asyncio.create_task(self._oms.work())
        operator = asyncio.create_task(self._operator.work())
        try:
            await asyncio.gather(self._buyers(day.orders - night), self._warehouse.work(), self._trouble())
            self._scene = "closing: waiting until everything is settled"
            unfinished = await self._drain(day.orders)
        finally:
            self._oms.stop()
            watching.cancel()
            operator.cancel()
            await asyncio.gather(oms, watching, operator, return_exceptions=True)
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
        """Buy in waves over some seconds. Those of the night are not announced, nor is one in ten of the others: only
        polling finds them.
        """
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
            self._show(
                DemoProgress(
                    seconds=time.monotonic() - self._started,
                    scene=self._scene,
                    bought=len(self._stage.bought),
                    imported=len(self._oms.sent),
                    events=numbers.messages + numbers.duplicates + numbers.rejected + self._refused,
                    settled=sum(count for state_, count in numbers.deliveries.items() if state_ != "open"),
                    waiting=numbers.deliveries.get("open", 0),
                    calls=await self._seen(),
                    crashes=self._towpath.crashes,
                    tasks=self._operator.notes.lines(),
                )
            )
            await asyncio.sleep(0.4)

    async def _calls(self) -> tuple[Calls, int]:
        """What Towpath counted, once nothing is reserved any more, and what the shop saw."""
        until = time.monotonic() + GIVEN_BACK_SECONDS
        while True:
            calls, seen = await self._operator.calls(), await self._seen()
            if calls.counted == seen or time.monotonic() > until:
                return calls, seen
            await asyncio.sleep(0.1)

    async def _seen(self) -> int:
        _, summary = await asyncio.to_thread(self._stage.control.ask, "GET", "/_sandbox/summary")
        return int(summary["calls"])

    async def _report(self, unfinished: int) -> Report:
        numbers = await self._numbers()
        effects = await asyncio.to_thread(self._stage.effects)
        _, stock = await asyncio.to_thread(self._stage.control.ask, "GET", "/_sandbox/stock")
        calls, seen = await self._calls()
        resolved, tasks = await self._operator.tasks()
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
            calls_made=seen,
            calls_counted=calls.counted,
            calls_settled=calls.settled,
            calls_budget=calls.budget,
            calls_left=calls.left,
            tasks=self._operator.notes.lines(),
            tasks_expected=tasks,
            tasks_resolved=resolved,
            period=PERIOD,
            scheduled_runs=await self._operator.scheduled_runs(),
            calls_one_by_one=len(self._stage.script.stock) + steps + len(self._stage.bought),
            latency_ms=numbers.latency_ms,
            crashes=self._towpath.crashes,
            outage_seconds=OUTAGE_SECONDS,
            log_file=str(self._settings.data_dir / "demo.log"),
            verdict=verdict,
            unfinished=unfinished,
        )
