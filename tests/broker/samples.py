"""Channels, deliveries and messages for the tests of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from broker.ledger import Delivery
from broker.topology import EVENTS, INBOX
from broker.transports.seam import Taken
from domain.channels import Channel, ChannelSettings
from domain.synclog import Trigger

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)


def channel(name: str = "bright", **settings: Any) -> Channel:
    """A channel; its id is its code."""
    token = SecretStr("token")
    return Channel(
        name, "a-1", "acme", name, name, "bright_sites", f"{name}.example", token, True, ChannelSettings(**settings)
    )


def delivery(**changes: Any) -> Delivery:
    """A delivery on its first attempt."""
    first = Delivery(
        id="d-1",
        message_id="m-1",
        account_id="a-1",
        channel_id="bright",
        job_type="order_import",
        business_key="4711",
        lane="bright/order/4711",
        seq=1,
        attempt=1,
        failures=0,
        unsure=False,
        trigger=Trigger.EVENT,
        cause="",
        correlation_id=None,
        trace_id=None,
        event_time=AT,
        created_at=AT,
        body=b"{}",
    )
    return replace(first, **changes)


def taken(body: bytes, headers: Mapping[str, Any] | None = None, content_type: str | None = None) -> Taken:
    """A message of the inbox."""
    return Taken(INBOX, body, "stock.changed.acme.all", EVENTS, "e-1", content_type, headers or {}, False, 1)
