"""From rows to the engine's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select

from broker.ledger import Delivery
from domain.moments import from_micros
from domain.synclog import Trigger
from storage.tables import deliveries, messages

NEVER_DUE = 2**62
"""``due_at`` of what waits until somebody acts."""


def delivery_query() -> Select[Any]:
    """Deliveries with what an attempt needs of their message."""
    return select(deliveries, messages.c.body, messages.c.correlation_id, messages.c.trace_id).join(
        messages, messages.c.id == deliveries.c.message_id
    )


def to_delivery(row: Mapping[Any, Any]) -> Delivery:
    """A row of :func:`delivery_query` as a :class:`Delivery` about to be attempted."""
    return Delivery(
        id=row["id"],
        message_id=row["message_id"],
        account_id=row["account_id"],
        channel_id=row["channel_id"],
        job_type=row["job_type"],
        business_key=row["business_key"],
        lane=row["lane"],
        seq=row["seq"],
        attempt=row["attempts"] + 1,
        failures=row["failures"],
        unsure=bool(row["unsure"]),
        trigger=Trigger(row["trigger"]),
        cause=row["cause"],
        correlation_id=row["correlation_id"],
        trace_id=row["trace_id"],
        event_time=from_micros(row["event_time"]),
        created_at=from_micros(row["created_at"]),
        body=bytes(row["body"]),
        event=row.get("event"),
        past=row.get("past"),
    )
