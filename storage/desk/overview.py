"""The overviews: channels, schedules, statistics, announcements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from broker.breaker import WHOLE, Closure
from broker.gates import UNAUTHORIZED
from broker.handling import HELD
from broker.operations.values import ChannelRow, ScheduleRow, Statistics
from domain.authorization import UNTIL_AUTHORIZED
from domain.budget import next_pass
from domain.channels import Channel
from domain.jobs import JOB_TYPES
from domain.moments import from_micros
from domain.periods import NEVER, Period
from storage.calls import called_today
from storage.desk.codes import channel_id
from storage.directory import Directory
from storage.ledger.outward import oldest_due, unsent_count, waiting_counts
from storage.ledger.slowing import Slowness, slowness
from storage.tables import (
    accounts,
    call_counts,
    channels,
    deliveries,
    gates,
    messages,
    organizations,
    outbox,
    rejections,
    schedules,
    sync_log,
)

_SAMPLE = 20_000


def organization_names(connection: Connection) -> dict[str, str]:
    """Organization id to name."""
    return {row.id: row.name for row in connection.execute(select(organizations))}


def channel_rows(
    connection: Connection,
    directory: Directory,
    account: str | None,
    version_of: Callable[[str], str],
    now: int,
) -> list[ChannelRow]:
    """The channels of an account, or all, with what waits and fails."""
    members = _members(connection, directory, account)
    waiting = _count(connection, deliveries.c.state == "open")
    failing = _count(connection, or_(deliveries.c.state == "dead", deliveries.c.state == "unknown"))
    called = called_today(connection, members, now)
    active = select(sync_log.c.channel_id, func.max(sync_log.c.finished_at)).group_by(sync_log.c.channel_id)
    last = {channel: at for channel, at in connection.execute(active)}
    closed = _closed_gates(connection, now)
    ended = {each.code for each in directory.accounts(connection) if not each.enabled}
    rows = []
    for channel in members:
        state, reason = _channel_state(channel, closed[channel.id], now)
        if channel.account in ended:
            reason = f"Its account is disabled; its work waits. Let it go on: towpath accounts enable {channel.account}"
        rows.append(
            ChannelRow(
                id=channel.id,
                account=channel.account,
                code=channel.code,
                name=channel.name,
                platform=channel.platform,
                version=version_of(channel.platform),
                domain=channel.domain,
                token_ending=channel.token.get_secret_value()[-4:],
                state=state,
                state_reason=reason,
                last_activity=from_micros(last[channel.id]) if channel.id in last else None,
                waiting=waiting[channel.id],
                failing=failing[channel.id],
                calls_today=called.get(channel.id, 0),
                settings=channel.settings,
                held=channel.held,
            )
        )
    return rows


def _members(connection: Connection, directory: Directory, account: str | None) -> tuple[Channel, ...]:
    if account is None:
        return tuple(directory.everything(connection).by_id.values())
    known = directory.named(connection, [(account, None)], fresh=True)
    return known.of_account[known.account(account).code]


def _closed_gates(connection: Connection, now: int) -> defaultdict[str, list[Row[Any]]]:
    """What is closed, by channel; the channel as a whole first."""
    query = select(gates).where(gates.c.closed_until > now).order_by(gates.c.channel_id, gates.c.operation)
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.channel_id].append(row)
    return found


def _channel_state(channel: Channel, closed: Sequence[Row[Any]], now: int) -> tuple[str, str]:
    if not channel.enabled:
        return "disabled", "Disabled by an operator; its work waits."
    if channel.fault:
        return "broken", channel.fault
    if channel.held:
        return "disconnected", HELD
    if not closed:
        return "connected", ""
    closures = [
        Closure(row.cause, (row.closed_until - now) / 1e6, row.sentence, row.operation, row.strikes) for row in closed
    ]
    whole = closures[0] if closures[0].operation == WHOLE else None
    told = [whole] if whole else closures
    reason = " ".join(map(_explained, told))
    if whole and whole.cause == UNAUTHORIZED and channel.renews:
        return "disconnected", reason
    return (whole.cause or "closed") if whole else "partly_down", reason


def _explained(closure: Closure) -> str:
    """Why it is closed, and until when where that is a matter of time."""
    if closure.seconds > UNTIL_AUTHORIZED / 2:
        return closure.words
    return f"{closure.words} Next try in {closure.seconds:.0f} s."


def _count(connection: Connection, condition: Any) -> Counter[str]:
    query = select(deliveries.c.channel_id, func.count()).where(condition).group_by(deliveries.c.channel_id)
    return Counter({channel: count for channel, count in connection.execute(query)})


def schedule_rows(
    connection: Connection, directory: Directory, account: str | None, now: datetime
) -> list[ScheduleRow]:
    """Recurring jobs with their last run, and the next as it stands now."""
    query = select(schedules, channels.c.code.label("channel"), accounts.c.code.label("account"))
    query = query.join(channels, channels.c.id == schedules.c.channel_id).join(
        accounts, accounts.c.id == schedules.c.account_id
    )
    query = query.where(channels.c.deleted_at.is_(None))
    if account is not None:
        query = query.where(accounts.c.code == account)
    rows = connection.execute(query.order_by(accounts.c.code, channels.c.code, schedules.c.job_type)).all()
    known = directory.of_ids(connection, {row.channel_id for row in rows}).by_id
    slow = slowness(connection, rows, known, now)
    return [_schedule_row(connection, row, known[row.channel_id], slow[row.id]) for row in rows if row.id in slow]


def job_rows(
    connection: Connection, directory: Directory, where: tuple[str, str], jobs: Sequence[str], now: datetime
) -> list[ScheduleRow]:
    """These jobs of a channel, those without a schedule included. Raises UnknownName."""
    account, channel = where
    made = channel_id(connection, account, channel)
    planned = {row.job: row for row in schedule_rows(connection, directory, account, now) if row.channel == channel}
    never = ScheduleRow(account, channel, "", NEVER.text, None, None, None, None, None)
    pushed = directory.of_ids(connection, [made]).by_id[made].pushed
    return [
        planned.get(job) or replace(never, job=job, pushed=job in pushed, **_last_runs(connection, made, job))
        for job in jobs
    ]


def _schedule_row(connection: Connection, row: Row[Any], channel: Channel, slow: Slowness) -> ScheduleRow:
    return ScheduleRow(
        account=row.account,
        channel=row.channel,
        job=row.job_type,
        period=row.period,
        next_due=next_pass(from_micros(row.next_due), Period(row.period), slow.factor) if row.next_due else None,
        last_due=from_micros(row.last_due) if row.last_due is not None else None,
        stretch=slow.factor,
        pushed=row.job_type in channel.pushed,
        safety_net=slow.net,
        **_last_runs(connection, row.channel_id, row.job_type),
    )


def _last_runs(connection: Connection, channel: str, job: str) -> dict[str, Any]:
    """When a job ran last, by schedule, by hand or because the shop posted, and what came of it. A post about an order
    reads that order and is no run of the job.
    """
    triggers = ("schedule", "manual") if JOB_TYPES[job].listens else ("schedule", "manual", "webhook")
    runs = select(sync_log.c.finished_at, sync_log.c.outcome, sync_log.c.counts).where(
        sync_log.c.channel_id == channel,
        sync_log.c.job_type == job,
        sync_log.c.trigger.in_(triggers),
        sync_log.c.attempt > 0,
    )
    newest_first = runs.order_by(sync_log.c.finished_at.desc(), sync_log.c.id.desc()).limit(1)
    last = connection.execute(newest_first).first()
    success = connection.execute(newest_first.where(sync_log.c.outcome == "Done")).first()
    return {
        "last_run": from_micros(last.finished_at) if last else None,
        "last_success": from_micros(success.finished_at) if success else None,
        "last_outcome": last.outcome if last else None,
        "last_counts": dict(last.counts) if last else {},
    }


def statistics(connection: Connection, now: int) -> Statistics:
    """Numbers of the whole installation; latencies from the newest settled deliveries.

    Each number is as of its own moment. Messages are counted first: whoever sees all of them and no lane knows that all
    are settled.
    """
    all_messages = connection.scalar(select(func.count()).select_from(messages)) or 0
    states = {
        state: count
        for state, count in connection.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state))
    }
    outcomes = {
        outcome: count
        for outcome, count in connection.execute(select(sync_log.c.outcome, func.count()).group_by(sync_log.c.outcome))
    }
    waits = sorted(
        settled - created
        for created, settled in connection.execute(
            select(deliveries.c.created_at, deliveries.c.settled_at)
            .where(deliveries.c.state == "done")
            .order_by(deliveries.c.settled_at.desc())
            .limit(_SAMPLE)
        )
    )
    lanes: Counter[str] = Counter()
    for (_, state), count in waiting_counts(connection).items():
        lanes[state] += count
    return Statistics(
        messages=all_messages,
        duplicates=int(connection.scalar(select(func.coalesce(func.sum(messages.c.copies), 0))) or 0),
        rejected=int(connection.scalar(select(func.coalesce(func.sum(rejections.c.seen), 0))) or 0),
        deliveries=states,
        outcomes=outcomes,
        api_calls=int(connection.scalar(select(func.coalesce(func.sum(call_counts.c.calls), 0))) or 0),
        latency_ms={"p50": _quantile(waits, 0.5), "p99": _quantile(waits, 0.99)},
        lanes=lanes,
        unsent=unsent_count(connection),
        oldest_due_seconds=max(oldest_due(connection, now).values(), default=0.0),
    )


def _quantile(ordered: Sequence[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else 0.0


def announcements(connection: Connection, account: str | None, after: int, limit: int) -> list[tuple[int, bytes]]:
    """What the OMS was or is to be told, after a position, in order."""
    query = select(outbox.c.seq, outbox.c.body).where(outbox.c.seq > after).order_by(outbox.c.seq).limit(limit)
    if account is not None:
        query = query.join(accounts, accounts.c.id == outbox.c.account_id).where(accounts.c.code == account)
    return [(row.seq, bytes(row.body)) for row in connection.execute(query)]
