"""What holds of every job that every platform lets run on a schedule: its periods, None, run now, and overlaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.handling import Answer, Handler, Run
from broker.operations import LogRow, MessageFilter, NewChannel
from connectors.registry import MANIFESTS
from domain.channels import ChannelSettings
from domain.errors import InputError
from domain.jobs import JOB_TYPES
from domain.outcomes import Done
from domain.periods import ALL_PERIODS, NEVER, Period
from domain.product_source import PRODUCT_JOBS
from tests import refreshing
from tests.house import FAST, SmallHouse, small_house, sqlite_url
from tests.moody import until

PLATFORMS = {**MANIFESTS, refreshing.NAME: refreshing.MANIFEST}
CASES = [
    pytest.param(platform, job, id=f"{platform}-{job}")
    for platform, manifest in PLATFORMS.items()
    for job in manifest.jobs
    if JOB_TYPES[job].scheduled
]
CODE = "recurring"
RENEWAL = "authorization_refresh"
LATEST_WINS = {"inventory_export"}
"""Jobs of which a newer tick takes the place of one that waits."""
A_YEAR = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Recurring:
    """A channel of a platform, and a job of it."""

    house: SmallHouse
    platform: str
    job: str

    async def set(self, period: Period) -> None:
        await self.house.operations.set_schedule("acme", CODE, self.job, period)

    async def due(self) -> float | None:
        """Seconds until the next tick; nothing where there will be none."""
        (row,) = [row for row in await self.house.desk.schedules("acme") if (row.channel, row.job) == (CODE, self.job)]
        return None if row.next_due is None else (row.next_due - self.house.clock()).total_seconds()

    async def fire(self) -> int:
        """Let the time of the next tick come; how many fire."""
        seconds = await self.due()
        assert seconds is not None
        self.house.clock.advance(seconds + 0.001)
        return await self.house.ledger.fire_due(10)

    async def triggers(self) -> list[str]:
        """What set off each message of the job."""
        found = await self.house.desk.messages(MessageFilter(limit=100))
        return sorted(str(row.trigger) for row in found if row.type == f"tick.{self.job}")

    async def logs(self) -> list[LogRow]:
        """The sync log of the job, oldest first."""
        return list(await self.house.logs(job=self.job))[::-1]


@pytest.fixture
async def recurring(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Recurring]:
    platform, job = request.param
    refreshing.register(monkeypatch)
    async with small_house(sqlite_url(tmp_path)) as house:
        new = NewChannel("acme", CODE, "Recurring", platform, "recurring.example", "token", ChannelSettings(**FAST))
        await house.operations.create_channel(new)
        if RENEWAL in PLATFORMS[platform].jobs and job != RENEWAL:
            # No call is made for the channel without it.
            await house.operations.set_schedule("acme", CODE, RENEWAL, Period("12h"))
        if job in PRODUCT_JOBS:
            await house.products_from(CODE if job == "product_import" else "oms")
        yield Recurring(house, platform, job)


each_job = pytest.mark.parametrize(
    "recurring", [pytest.param(tuple(case.values), id=case.id) for case in CASES], indirect=True
)


def holding(runs: list[Run], release: asyncio.Event) -> dict[str, Handler]:
    """Handlers of all jobs that note each run and hold it until it may end."""

    async def handle(run: Run) -> Sequence[Answer]:
        runs.append(run)
        await release.wait()
        return [Done("It is done.")] * len(run.items)

    return dict.fromkeys(JOB_TYPES, handle)


@each_job
async def test_each_period_that_is_allowed_can_be_set_and_fires_one_tick_and_none_never_fires(
    recurring: Recurring,
) -> None:
    allowed = PLATFORMS[recurring.platform].jobs[recurring.job]
    assert NEVER in allowed and len(allowed) > 1
    for fired, period in enumerate(each for each in allowed if not each.never):
        chosen = Period("daily@06:30") if period.text.startswith("daily") else period
        await recurring.set(chosen)
        seconds = await recurring.due()
        assert seconds is not None and 0 < seconds <= (chosen.every.total_seconds() if chosen.every else 86_400)
        assert await recurring.fire() >= 1
        assert await recurring.triggers() == ["schedule"] * (fired + 1)
        assert await recurring.house.ledger.fire_due(10) == 0
    await recurring.set(NEVER)
    before = await recurring.triggers()
    assert await recurring.due() is None
    recurring.house.clock.advance(A_YEAR)
    await recurring.house.ledger.fire_due(10)
    assert await recurring.triggers() == before


@each_job
async def test_a_period_that_is_not_allowed_is_refused_with_those_that_are(recurring: Recurring) -> None:
    allowed = PLATFORMS[recurring.platform].jobs[recurring.job]
    for period in {*ALL_PERIODS} - {*allowed}:
        with pytest.raises(InputError) as caught:
            await recurring.set(period)
        assert caught.value.code == "period_not_allowed"
        assert all(each.text in caught.value.sentence for each in allowed)


@each_job
async def test_a_job_that_is_run_now_runs_once_as_manual_and_a_tick_meanwhile_is_skipped_with_a_line_in_the_log(
    recurring: Recurring,
) -> None:
    house, runs, release = recurring.house, list[Run](), asyncio.Event()
    period = next(each for each in PLATFORMS[recurring.platform].jobs[recurring.job] if not each.never)
    await recurring.set(Period("daily@06:30") if period.text.startswith("daily") else period)
    message = await house.desk.run_now("acme", CODE, recurring.job)
    async with house.at_work(holding(runs, release)):
        house.bell.ring()
        await until(lambda: runs)
        assert await recurring.fire() >= 1
        ticked = [row for row in await recurring.logs() if row.code == "overlap"]
        release.set()
        await until(house.idle)
    manual = [row for row in await recurring.logs() if row.trigger == "manual"]
    assert [(row.outcome, row.message_id) for row in manual] == [("Done", message)]
    assert await recurring.triggers() == ["manual", "schedule"]
    ran = [run.item.delivery.message_id for run in runs if run.item.envelope.type == f"tick.{recurring.job}"]
    assert ran.count(message) == 1
    if recurring.job in LATEST_WINS:
        return
    assert ran == [message]
    assert [(row.outcome, row.level, row.trigger) for row in ticked] == [("Skipped", "Warning", "schedule")]
    assert "previous run still goes on" in ticked[0].sentence
