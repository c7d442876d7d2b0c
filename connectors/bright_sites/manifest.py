"""What Bright Sites can do (sales channels, section 2; Bright Sites API facts)."""

from __future__ import annotations

from domain.channels import ConnectorManifest
from domain.periods import ALL_PERIODS, NEVER, Period

DAILY = Period("daily@00:00")
"""Stands for *daily at any local time* in a list of allowed periods."""

_POLL = (*ALL_PERIODS, DAILY)
_FROM_AN_HOUR = tuple(period for period in _POLL if period.every is None or period.every.total_seconds() >= 3600)

MANIFEST = ConnectorManifest(
    platform="bright_sites",
    title="Bright Sites",
    version="stable",
    token="static",  # noqa: S106 - a kind of token, not one
    jobs={
        "order_import": _POLL,
        "order_update": (NEVER,),
        "shipment_export": (NEVER,),
        "inventory_export": _POLL,
        "inventory_import": _FROM_AN_HOUR,
        "product_import": _FROM_AN_HOUR,
        "product_export": _FROM_AN_HOUR,
        "pii_redaction": (NEVER, DAILY),
    },
    webhooks=("push_orders",),
    mappings=("carrier",),
    api_versions=("2.7.0", "2.6.1"),
)
"""Whole reads of stock and products run hourly at most: each call is metered and billed (facts, section 9).
Jobs that only events start allow no period but never. There are no warehouses, so no warehouse mapping."""
