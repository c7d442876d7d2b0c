"""What Bright Sites can do (sales channels, section 2; Bright Sites API facts)."""

from __future__ import annotations

from domain.channels import ConnectorManifest
from domain.hooks import Topic
from domain.periods import ALL_PERIODS, NEVER, Period
from domain.setting_fields import CHANNEL_FIELDS, offered

DAILY = Period("daily@00:00")
"""Stands for *daily at any local time* in a list of allowed periods."""

_POLL = (*ALL_PERIODS, DAILY)
_FROM_AN_HOUR = tuple(period for period in _POLL if period.every is None or period.every.total_seconds() >= 3600)
_JOBS = {
    "order_import": _POLL,
    "order_update": (NEVER,),
    "shipment_export": (NEVER,),
    "inventory_export": _POLL,
    "inventory_import": _FROM_AN_HOUR,
    "product_import": _FROM_AN_HOUR,
    "product_export": _FROM_AN_HOUR,
    "pii_redaction": (NEVER, DAILY),
}
_VERSIONS = ("2.7.0", "2.6.1")

MANIFEST = ConnectorManifest(
    platform="bright_sites",
    title="Bright Sites",
    version="stable",
    token="static",  # noqa: S106 - a kind of token, not one
    jobs=_JOBS,
    webhooks=(Topic("push_orders", "order_import", member="order_id", within="order"),),
    mappings=("sku", "carrier"),
    api_versions=_VERSIONS,
    settings=offered(CHANNEL_FIELDS, _JOBS, api_version=_VERSIONS, units_length=["in"], units_weight=["lb"]),
)
"""Whole reads of stock and products run hourly at most: each call is metered and billed (facts, section 9).
Jobs that only events start allow no period but never. There are no warehouses, so no warehouse mapping. Its API speaks
inch and pound, which nobody can choose."""
