"""API calls of a channel: what was counted, why they were made, and the standing of the budget.

Two counts are kept. The gate counts a call when it permits it (:mod:`domain.budget_tally`), the settle attributes it
when its attempt is written. What was permitted and not attributed is under way, or was made by a process that was
killed: it is shown as unsettled, and counts as used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from broker.operations.calls import UNSETTLED, BudgetUse, CallCount, CallSum, ClassUse, WindowUse
from domain.budget import Cause
from domain.budget_tally import Tally
from domain.budget_windows import Windows
from domain.channels import Channel
from domain.moments import Clock, from_micros, to_micros, utc_now
from storage.database import Database
from storage.directory import Directory
from storage.ledger.records import add_calls, day_of
from storage.tables import call_counts, call_days
from storage.tally_rows import CALENDAR, spend, standing_of, tallies

_FIRST_DAY = date(1970, 1, 1)
_By = Counter[tuple[str, str]]


class SqlCalls:
    """:class:`broker.operations.calls.Calls` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, directory: Directory, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock

    async def budget(self, account: str, channel: str) -> BudgetUse:
        """How a channel stands against its budget, and what its calls were made for."""
        now = self._clock()

        def work(connection: Connection) -> BudgetUse:
            found = self._channel(connection, account, channel)
            tally = tallies(connection, [found], now)[found.id]
            return _budget_use(found, tally, _sums(connection, found, tally, now), now)

        return await self._database.aanswer(work)

    async def budgets(self) -> Sequence[BudgetUse]:
        """The same of all channels that have a budget, without what the calls were made for."""
        now = self._clock()

        def work(connection: Connection) -> list[BudgetUse]:
            everything = self._directory.everything(connection).by_id.values()
            budgeted = [channel for channel in everything if channel.settings.budget is not None]
            found = tallies(connection, budgeted, now)
            return [_budget_use(channel, found[channel.id], (), now) for channel in budgeted]

        return await self._database.aanswer(work)

    async def counts(self, account: str, channel: str, days: int) -> Sequence[CallCount]:
        """Calls of the last days, newest day first."""
        now = self._clock()

        def work(connection: Connection) -> list[CallCount]:
            found = self._channel(connection, account, channel)
            tally = tallies(connection, [found], now)[found.id]
            return _counts(connection, found, tally, tally.day - days + 1)

        return await self._database.aanswer(work)

    async def note(self, channel: Channel, job: str, cause: Cause, calls: int) -> None:
        """Count calls that no delivery tells of."""
        now = self._clock()

        def work(connection: Connection) -> None:
            add_calls(connection, {(channel.id, day_of(channel, to_micros(now)), job, str(cause)): calls})
            spend(connection, channel, calls, now)

        await self._database.awrite(work)

    def _channel(self, connection: Connection, account: str, code: str) -> Channel:
        known = self._directory.named(connection, [(account, code)], fresh=True)
        known.account(account)
        return known.channel(account, code)


def called_today(connection: Connection, channels: Sequence[Channel], now: int) -> dict[str, int]:
    """The calls of each channel on its present day, by channel id: whichever of the two counts is higher."""
    at = from_micros(now)
    found = tallies(connection, channels, at)
    days = sorted({tally.day for tally in found.values()})
    query = select(call_counts.c.channel_id, call_counts.c.day, func.sum(call_counts.c.calls))
    query = query.where(call_counts.c.day.in_(days)).group_by(call_counts.c.channel_id, call_counts.c.day)
    attributed = {(channel_id, day): int(calls) for channel_id, day, calls in connection.execute(query)}
    return {
        channel_id: max(tally.day_calls, attributed.get((channel_id, tally.day), 0))
        for channel_id, tally in found.items()
    }


def _budget_use(channel: Channel, tally: Tally, sums: tuple[CallSum, ...], now: datetime) -> BudgetUse:
    windows = CALENDAR.windows(now, channel.settings.timezone)
    standing = standing_of(channel, tally, now)
    return BudgetUse(
        account=channel.account,
        channel=channel.code,
        timezone=channel.settings.timezone,
        level=str(standing.level),
        sentence=standing.sentence,
        windows=_windows(channel, tally, windows),
        classes=tuple(ClassUse(str(name), each.left, each.until) for name, each in standing.classes.items()),
        ends_at=standing.ends_at,
        slowed=standing.doublings,
        calls=sums,
    )


def _windows(channel: Channel, tally: Tally, windows: Windows) -> tuple[WindowUse, ...]:
    settings = channel.settings
    return tuple(
        WindowUse(name, window.begin, window.end, limit, used, None if limit is None else max(0, limit - used))
        for name, window, limit, used in (
            ("day", windows.day, settings.calls_per_day, tally.day_calls),
            ("month", windows.month, settings.calls_per_month, tally.month_calls),
        )
    )


def _sums(connection: Connection, channel: Channel, tally: Tally, now: datetime) -> tuple[CallSum, ...]:
    """What the calls of the day and the month were made for; most in the month first, unsettled ones last."""
    first = CALENDAR.windows(now, channel.settings.timezone).month.first
    by_day = _attributed(connection, channel.id, first)
    today, month = by_day.get(tally.day, Counter()), sum(by_day.values(), _By())
    rows = [CallSum(job, cause, today[job, cause], calls) for (job, cause), calls in month.items()]
    rows.sort(key=lambda row: (-row.month, row.job, row.cause))
    lost = max(0, tally.day_calls - today.total()), max(0, tally.month_calls - month.total())
    return (*rows, CallSum("", UNSETTLED, *lost)) if any(lost) else tuple(rows)


def _counts(connection: Connection, channel: Channel, tally: Tally, first: int) -> list[CallCount]:
    by_day = _attributed(connection, channel.id, first)
    query = select(call_days.c.day, call_days.c.calls).where(
        call_days.c.channel_id == channel.id, call_days.c.day >= first
    )
    permitted = {day: calls for day, calls in connection.execute(query)} | {tally.day: tally.day_calls}
    rows: list[CallCount] = []
    for day in sorted({*by_day, *permitted}, reverse=True):
        named = _FIRST_DAY + timedelta(days=day)
        attributed = by_day.get(day, Counter())
        rows += [CallCount(named, job, cause, calls) for (job, cause), calls in sorted(attributed.items())]
        if (lost := permitted.get(day, 0) - attributed.total()) > 0:
            rows.append(CallCount(named, "", UNSETTLED, lost))
    return rows


def _attributed(connection: Connection, channel_id: str, first: int) -> dict[int, _By]:
    """Calls by (job type, cause) of each day from ``first`` on."""
    columns = (call_counts.c.day, call_counts.c.job_type, call_counts.c.cause, call_counts.c.calls)
    query = select(*columns).where(
        call_counts.c.channel_id == channel_id, call_counts.c.day >= first, call_counts.c.calls != 0
    )
    found: defaultdict[int, _By] = defaultdict(Counter)
    for day, job, cause, calls in connection.execute(query):
        found[day][job, cause] += calls
    return found
