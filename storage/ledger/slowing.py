"""Polling that slows before writing stops: which recurring reads pass instants over, told once per change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from domain.budget import stretch
from domain.channels import Channel
from domain.moments import from_micros
from domain.periods import Period
from storage.tally_rows import standing_of, tallies, write_line


def stretches(
    connection: Connection, rows: Sequence[Row[Any]], channels: Mapping[str, Channel], now: int
) -> dict[str, int]:
    """By what factor the waits of these schedules grow (:func:`domain.budget.stretch`), by schedule id; 1 where a
    schedule is left out. A change of it is written to the sync log. Nothing is looked up where no channel has a budget.
    """
    at = from_micros(now)
    budgeted = [
        channels[channel_id]
        for channel_id in sorted({row.channel_id for row in rows} & channels.keys())
        if channels[channel_id].settings.budget is not None
    ]
    found = tallies(connection, budgeted, at) if budgeted else {}
    standings = {channel.id: standing_of(channel, found[channel.id], at) for channel in budgeted}
    factors: dict[str, int] = {}
    for row in rows:
        channel, standing = channels.get(row.channel_id), standings.get(row.channel_id)
        factor = 1 if standing is None else stretch(row.job_type, Period(row.period), standing)
        if channel is not None and factor != row.stretch:
            before = standing.sentence if standing is not None else "The API-call budget was taken away."
            job = row.job_type
            told = f"one of {factor} ticks of {job} runs" if factor > 1 else f"{job} runs at each of its ticks"
            code = "polling_slowed" if factor > row.stretch else "polling_restored"
            level = "Warning" if factor > row.stretch else "Info"
            write_line(connection, channel, code, level, f"From now on {told}. {before}", at, job)
        factors[row.id] = factor
    return factors
