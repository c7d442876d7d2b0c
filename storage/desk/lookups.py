"""What people look up: the sync log, messages and their lives, what was rejected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, exists, or_, select

from broker.operations.values import (
    DeliveryRow,
    LogFilter,
    LogRow,
    MessageFilter,
    MessageLife,
    MessageRow,
    RejectedRow,
)
from domain.jobs import JOB_TYPES
from domain.moments import from_micros, to_micros
from domain.states import FINAL
from storage.ledger.rows import NEVER_DUE
from storage.sql import chunks
from storage.tables import (
    accounts,
    channels,
    deliveries,
    lanes,
    messages,
    organizations,
    rejections,
    sync_log,
)

_earlier = deliveries.alias("earlier")
_is_behind = exists().where(
    _earlier.c.lane == deliveries.c.lane, _earlier.c.state == "open", _earlier.c.seq < deliveries.c.seq
)
_is_bulk = lanes.c.kind == "bulk"

_shown_state: ColumnElement[str] = case(
    (deliveries.c.state != "open", deliveries.c.state),
    (deliveries.c.token.is_not(None), "running"),
    (_is_bulk & (deliveries.c.due_at >= NEVER_DUE), "parked"),
    (_is_bulk & (deliveries.c.cause != ""), "waiting"),
    (_is_bulk, "ready"),
    (_is_behind, "behind"),
    else_=lanes.c.state,
)
"""A final state, or how an open delivery stands: ready, running, waiting, parked, or behind an earlier one."""


def logs(connection: Connection, wanted: LogFilter) -> list[LogRow]:
    """Sync log rows that match; newest first, or oldest first when asked for those after one."""
    query = _narrow_logs(_log_query(), wanted)
    if wanted.after_id is None:
        query = query.order_by(sync_log.c.finished_at.desc(), sync_log.c.id.desc()).limit(wanted.limit)
        return [_log_row(row) for row in connection.execute(query)]
    found: list[LogRow] = []
    for part in chunks(_fresh_ids(connection, wanted)):
        rows = connection.execute(_log_query().where(sync_log.c.id.in_(part)).order_by(sync_log.c.id))
        found += [_log_row(row) for row in rows]
    return found


def _fresh_ids(connection: Connection, wanted: LogFilter) -> list[str]:
    """The first ids after ``after_id`` that are not known yet. Only ids are read of the known ones: they are many."""
    joined = sync_log.join(channels, channels.c.id == sync_log.c.channel_id).join(
        accounts, accounts.c.id == sync_log.c.account_id
    )
    query = _narrow_logs(select(sync_log.c.id).select_from(joined), wanted)
    query = query.where(sync_log.c.id > wanted.after_id).order_by(sync_log.c.id)
    found = connection.scalars(query.limit(wanted.limit + len(wanted.known)))
    return [row_id for row_id in found if row_id not in wanted.known][: wanted.limit]


def _log_query() -> Select[Any]:
    return (
        select(
            sync_log,
            accounts.c.code.label("account"),
            organizations.c.name.label("organization"),
            channels.c.code.label("channel"),
            channels.c.platform,
        )
        .join(channels, channels.c.id == sync_log.c.channel_id)
        .join(accounts, accounts.c.id == sync_log.c.account_id)
        .join(organizations, organizations.c.id == accounts.c.organization_id)
    )


def _narrow_logs(query: Select[Any], wanted: LogFilter) -> Select[Any]:
    equal = {
        accounts.c.code: wanted.account,
        channels.c.code: wanted.channel,
        sync_log.c.business_key: wanted.business_key,
        sync_log.c.job_type: wanted.job,
        sync_log.c.outcome: wanted.outcome.capitalize() if wanted.outcome else None,
        sync_log.c.level: wanted.level.capitalize() if wanted.level else None,
        sync_log.c.code: wanted.code,
        sync_log.c.message_id: wanted.message_id,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(sync_log.c.finished_at >= to_micros(wanted.since))
    if wanted.until is not None:
        query = query.where(sync_log.c.finished_at < to_micros(wanted.until))
    return query


def _log_row(row: Row[Any]) -> LogRow:
    job = JOB_TYPES.get(row.job_type)
    return LogRow(
        id=row.id,
        started_at=from_micros(row.started_at),
        finished_at=from_micros(row.finished_at),
        organization=row.organization,
        account=row.account,
        channel=row.channel,
        platform=row.platform,
        job=row.job_type,
        direction=job.direction if job else "",
        trigger=row.trigger,
        message_id=row.message_id,
        delivery_id=row.delivery_id,
        correlation_id=row.correlation_id,
        trace_id=row.trace_id,
        business_key=row.business_key,
        attempt=row.attempt,
        outcome=row.outcome,
        level=row.level,
        code=row.code,
        sentence=row.sentence,
        counts=row.counts,
        calls=tuple(row.calls),
        superseded_by=row.superseded_by,
        actor=row.actor,
    )


def messages_of(connection: Connection, wanted: MessageFilter) -> list[MessageRow]:
    """Messages that match, newest first, each with its deliveries."""
    query = select(messages, accounts.c.code.label("account")).join(accounts, accounts.c.id == messages.c.account_id)
    equal = {
        accounts.c.code: wanted.account,
        messages.c.business_key: wanted.business_key,
        messages.c.type: wanted.type,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(messages.c.received_at >= to_micros(wanted.since))
    if wanted.channel is not None or wanted.state is not None:
        query = query.where(messages.c.id.in_(_concerned(wanted)))
    query = query.order_by(messages.c.received_at.desc(), messages.c.id.desc()).limit(wanted.limit)
    return _with_deliveries(connection, connection.execute(query).all())


def _concerned(wanted: MessageFilter) -> Select[Any]:
    """Ids of messages with a delivery of that channel and shown state."""
    query = select(deliveries.c.message_id).join(channels, channels.c.id == deliveries.c.channel_id)
    if wanted.channel is not None:
        query = query.where(channels.c.code == wanted.channel)
    if wanted.state is not None:
        if wanted.state not in FINAL:
            query = query.where(deliveries.c.state == "open")
        query = query.outerjoin(lanes, lanes.c.key == deliveries.c.lane).where(_shown_state == wanted.state)
    return query


def _with_deliveries(connection: Connection, rows: Sequence[Row[Any]]) -> list[MessageRow]:
    of_message: dict[str, list[DeliveryRow]] = defaultdict(list)
    for part in chunks([row.id for row in rows]):
        query = (
            select(deliveries, channels.c.code.label("channel"), _shown_state.label("shown"))
            .join(channels, channels.c.id == deliveries.c.channel_id)
            .outerjoin(lanes, lanes.c.key == deliveries.c.lane)
            .where(deliveries.c.message_id.in_(part))
            .order_by(deliveries.c.created_at)
        )
        for row in connection.execute(query):
            of_message[row.message_id].append(_delivery_row(row))
    return [_message_row(row, of_message[row.id]) for row in rows]


def _delivery_row(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        message_id=row.message_id,
        channel=row.channel,
        job=row.job_type,
        state=row.shown,
        cause=row.cause,
        code=row.code,
        sentence=row.sentence,
        attempts=row.attempts,
        failures=row.failures,
        due_at=from_micros(row.due_at) if row.state == "open" and row.due_at < NEVER_DUE else None,
        superseded_by=row.superseded_by,
        created_at=from_micros(row.created_at),
        settled_at=from_micros(row.settled_at) if row.settled_at is not None else None,
    )


def _message_row(row: Row[Any], members: list[DeliveryRow]) -> MessageRow:
    return MessageRow(
        id=row.id,
        account=row.account,
        channel=row.channel,
        type=row.type,
        source=row.source,
        event_id=row.event_id,
        business_key=row.business_key,
        correlation_id=row.correlation_id,
        trigger=row.trigger,
        event_time=from_micros(row.event_time) if row.event_time is not None else None,
        received_at=from_micros(row.received_at),
        copies=row.copies,
        deliveries=tuple(members),
    )


def message(connection: Connection, message_id: str) -> MessageLife | None:
    """The life of a message, found by its id, a delivery's id, or a unique beginning or end of the message id."""
    query = select(messages, accounts.c.code.label("account")).join(accounts, accounts.c.id == messages.c.account_id)
    of_delivery = select(deliveries.c.message_id).where(deliveries.c.id == message_id)
    found = connection.execute(query.where(or_(messages.c.id == message_id, messages.c.id.in_(of_delivery)))).all()
    if not found and len(message_id) >= 6 and not set(message_id) & set("%_"):
        alike = or_(messages.c.id.like(f"{message_id}%"), messages.c.id.like(f"%{message_id}"))
        found = connection.execute(query.where(alike).limit(2)).all()
    if len(found) != 1:
        return None
    row = _with_deliveries(connection, found)[0]
    attempts = connection.execute(
        _log_query().where(sync_log.c.message_id == row.id).order_by(sync_log.c.finished_at, sync_log.c.id)
    )
    return MessageLife(row, tuple(_log_row(attempt) for attempt in attempts))


def rejected(connection: Connection, limit: int) -> list[RejectedRow]:
    """What could not become a message, newest first."""
    rows = connection.execute(select(rejections).order_by(rejections.c.last_seen_at.desc()).limit(limit))
    return [
        RejectedRow(
            id=row.id,
            origin=row.origin,
            routing_key=row.routing_key,
            code=row.code,
            sentence=row.sentence,
            first_seen_at=from_micros(row.first_seen_at),
            last_seen_at=from_micros(row.last_seen_at),
            seen=row.seen,
            size=len(row.body),
            excerpt=bytes(row.body[:120]).decode("utf-8", "replace"),
        )
        for row in rows
    ]
