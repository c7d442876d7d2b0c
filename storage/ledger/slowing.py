"""Polling that runs less often than its period says: before writing stops for want of API calls, and as a safety net
where the shop posts what changed. Which recurring jobs pass instants over, told once per change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.budget import Standing, stretch
from domain.channels import WEBHOOK, Channel
from domain.hooks import safety_net
from domain.moments import from_micros
from domain.periods import Period
from storage.channel_tables import hooks
from storage.sql import chunks
from storage.tally_rows import BUDGET_ACTOR, standing_of, tallies, write_line

_AUTOMATION_ACTOR = "automation"
_NET = "The shop posts what changed (Automation: Webhook), so polling is only a safety net."


@dataclass(frozen=True, slots=True)
class Slowness:
    """By what ``factor`` the waits of a schedule grow, 1 for not at all: because polling is only a ``net``, or because
    the budget stands as ``standing`` says, where there is one.
    """

    factor: int
    net: bool
    standing: Standing | None

    @property
    def reason(self) -> str:
        """What is told of a change to this."""
        told = [_NET] if self.net else []
        if self.standing is not None:
            told.append(self.standing.sentence)
        return " ".join(told) or "No API-call budget and no posts of the shop slow it any more."


def slowness(
    connection: Connection, rows: Sequence[Row[Any]], channels: Mapping[str, Channel], at: datetime
) -> dict[str, Slowness]:
    """How slow these schedules are at a moment, by schedule id; those of unknown channels are left out.

    Nothing is looked up where no channel has a budget, and none is automated by webhook.
    """
    concerned = [channels[channel_id] for channel_id in sorted({row.channel_id for row in rows} & channels.keys())]
    budgeted = [channel for channel in concerned if channel.settings.budget is not None]
    found = tallies(connection, budgeted, at) if budgeted else {}
    standings = {channel.id: standing_of(channel, found[channel.id], at) for channel in budgeted}
    posted = [channel.id for channel in concerned if channel.settings.automation == WEBHOOK and channel.pushed]
    hooked = _hooked(connection, posted)
    made: dict[str, Slowness] = {}
    for row in rows:
        if (channel := channels.get(row.channel_id)) is None:
            continue
        period, standing = Period(row.period), standings.get(channel.id)
        factor = 1 if standing is None else stretch(row.job_type, period, standing)
        net = channel.id in hooked and row.job_type in channel.pushed
        made[row.id] = Slowness(safety_net(period, factor) if net else factor, net, standing)
    return made


def _hooked(connection: Connection, channel_ids: Sequence[str]) -> Collection[str]:
    """Those of the channels that have a hook."""
    found: set[str] = set()
    for part in chunks(channel_ids):
        found.update(connection.scalars(select(hooks.c.channel_id).where(hooks.c.channel_id.in_(part))))
    return found


def stretches(
    connection: Connection, rows: Sequence[Row[Any]], channels: Mapping[str, Channel], now: int
) -> dict[str, int]:
    """The factors of :func:`slowness`, by schedule id; 1 where a schedule is left out. A change of one is written to
    the sync log.
    """
    at = from_micros(now)
    found = slowness(connection, rows, channels, at)
    for row in rows:
        if row.id in found and found[row.id].factor != row.stretch:
            _tell(connection, channels[row.channel_id], row, found[row.id], at)
    return {schedule: each.factor for schedule, each in found.items()}


def _tell(connection: Connection, channel: Channel, row: Row[Any], slow: Slowness, at: datetime) -> None:
    factor, job = slow.factor, row.job_type
    told = f"one of {factor} ticks of {job} runs" if factor > 1 else f"{job} runs at each of its ticks"
    code = "polling_slowed" if factor > row.stretch else "polling_restored"
    # Whoever chose to be told by the shop needs no warning that it is asked less.
    level = "Warning" if factor > row.stretch and not slow.net else "Info"
    actor = BUDGET_ACTOR if slow.standing is not None and not slow.net else _AUTOMATION_ACTOR
    write_line(connection, channel, code, level, f"From now on {told}. {slow.reason}", at, (job, actor))
