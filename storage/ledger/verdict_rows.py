"""What is written for each verdict: how its delivery moves, its row of the sync log, and what it brings along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Integer, Text, null, update
from sqlalchemy.types import TypeEngine

from broker.ledger import Verdict
from domain.channels import Channel
from domain.ids import new_id
from domain.moments import to_micros
from domain.outcomes import Effects
from domain.states import DeliveryState
from storage.bulk import BulkUpdate
from storage.directory import Directory
from storage.ledger.coalesce import LOG
from storage.ledger.rows import NEVER_DUE
from storage.tables import deliveries

_NOTHING = Effects()
MOVED: dict[str, TypeEngine[Any]] = {
    "b_id": Text(),
    "b_state": Text(),
    "b_attempt": Integer(),
    "b_failure": Integer(),
    "b_due": BigInteger(),
    "b_cause": Text(),
    "b_code": Text(),
    "b_sentence": Text(),
    "b_unsure": Boolean(),
    "b_by": Text(),
    "b_settled": BigInteger(),
}
"""What moves a delivery, and the types."""


MOVE = BulkUpdate(
    MOVED,
    lambda value: (
        update(deliveries)
        .where(deliveries.c.id == value("b_id"))
        .values(
            state=value("b_state"),
            attempts=deliveries.c.attempts + value("b_attempt"),
            failures=deliveries.c.failures + value("b_failure"),
            due_at=value("b_due"),
            cause=value("b_cause"),
            code=value("b_code"),
            sentence=value("b_sentence"),
            unsure=value("b_unsure"),
            superseded_by=value("b_by"),
            settled_at=value("b_settled"),
            token=null(),
        )
    ),
)


def moved(verdict: Verdict, now: int) -> dict[str, Any]:
    """The members of :data:`MOVED` for a verdict."""
    still_open = verdict.state is DeliveryState.OPEN
    due = NEVER_DUE if verdict.due_in is None else now + int(verdict.due_in * 1_000_000)
    return {
        "b_id": verdict.delivery.id,
        "b_state": str(verdict.state),
        "b_attempt": int(verdict.logged),
        "b_failure": int(verdict.spends_attempt),
        "b_due": due if still_open else now,
        "b_cause": verdict.cause if still_open else "",
        "b_code": verdict.code,
        "b_sentence": verdict.sentence,
        "b_unsure": verdict.unsure,
        "b_by": verdict.superseded_by,
        "b_settled": None if still_open else now,
    }


def write_log(connection: Connection, verdicts: Sequence[Verdict], worker: str) -> None:
    """One row for each attempt; a silent wait has none."""
    rows = [log_row(verdict, worker) for verdict in verdicts if verdict.logged]
    if rows:
        LOG.run(connection, rows)


def log_row(verdict: Verdict, actor: str) -> dict[str, Any]:
    """The sync log row of one attempt."""
    delivery, counts = verdict.delivery, verdict.counts
    return {
        "id": new_id(),
        "account_id": delivery.account_id,
        "channel_id": delivery.channel_id,
        "delivery_id": delivery.id,
        "message_id": delivery.message_id,
        "started_at": to_micros(verdict.started_at),
        "finished_at": to_micros(verdict.finished_at),
        "job_type": delivery.job_type,
        "trigger": str(delivery.trigger),
        "business_key": delivery.business_key,
        "correlation_id": delivery.correlation_id,
        "trace_id": delivery.trace_id,
        "attempt": delivery.attempt,
        "outcome": verdict.outcome,
        "level": str(verdict.level),
        "code": verdict.code,
        "sentence": verdict.sentence,
        "counts": {name: value for name in counts.__slots__ if (value := getattr(counts, name))},
        "calls": [
            {
                "method": call.method,
                "route": call.route,
                "status": call.status,
                "ms": call.milliseconds,
                "bytes": call.bytes,
                **({"error": call.error} if call.error else {}),
                **({} if call.sent else {"sent": False}),
            }
            for call in verdict.calls
        ],
        "call_count": sum(call.sent for call in verdict.calls),
        "superseded_by": verdict.superseded_by,
        "actor": actor,
    }


def with_effects(
    connection: Connection, directory: Directory, verdicts: Sequence[Verdict]
) -> list[tuple[Verdict, Channel]]:
    """The verdicts that carry effects, with their channels; those of a deleted channel leave nothing behind."""
    telling = [verdict for verdict in verdicts if verdict.effects != _NOTHING]
    known = directory.of_ids(connection, {verdict.delivery.channel_id for verdict in telling}).by_id
    return [(each, known[each.delivery.channel_id]) for each in telling if each.delivery.channel_id in known]
