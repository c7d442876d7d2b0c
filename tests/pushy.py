"""A platform that posts products and stock as well as orders, and says in a header what a post is about.

:class:`Pushy` is what its shop has on its shelves, and :data:`PLATFORM` its connector behind the seam of all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import pytest

from connectors.http import AllowedHosts, Endpoint, build_endpoint
from connectors.registry import MANIFESTS, PLATFORMS, Platform
from domain.channels import Channel, ConnectorManifest
from domain.hooks import Topic
from domain.periods import ALL_PERIODS
from domain.ports import Shop
from domain.products import Product, ProductSummary
from domain.setting_fields import CHANNEL_FIELDS, offered

NAME, HEADER = "pushy", "X-Pushy-Topic"
JOBS = dict.fromkeys(("order_import", "inventory_import", "product_import"), ALL_PERIODS)
MANIFEST = ConnectorManifest(
    platform=NAME,
    title="Pushy",
    version="beta",
    token="static",
    jobs=JOBS,
    webhooks=(
        Topic("orders/create", "order_import", member="id"),
        Topic("products/update", "product_import", member="id"),
        Topic("inventory_levels/update", "inventory_import", member="sku"),
        Topic("inventory/reset", "inventory_import"),
    ),
    topic_header=HEADER,
    settings=offered(CHANNEL_FIELDS, JOBS),
)


@dataclass
class Pushy:
    """The shelves, and how often each was looked at."""

    stock: dict[str, int] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def register(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the platform known for the length of a test."""
        made = Platform(MANIFEST, _state, lambda caller, state: cast(Shop, PushyShop(self)))
        monkeypatch.setitem(PLATFORMS, NAME, made)
        monkeypatch.setitem(MANIFESTS, NAME, MANIFEST)


@dataclass(slots=True)
class State:
    """Where the calls of a channel would go."""

    endpoint: Endpoint


def _state(channel: Channel, allowed: AllowedHosts) -> State:
    return State(build_endpoint(channel, "", "X-Token", allowed))


class PushyShop:
    """As much of a shop as imports of stock and products ask."""

    def __init__(self, pushy: Pushy) -> None:
        self._pushy = pushy

    async def read_stock(self) -> Mapping[str, int]:
        self._pushy.reads.append("stock")
        return dict(self._pushy.stock)

    async def list_products(self, since: datetime | None, until: datetime) -> Sequence[ProductSummary]:
        self._pushy.reads.append("products")
        return [ProductSummary(key, each.updated_at) for key, each in self._pushy.products.items()]

    async def read_product(self, external_id: str) -> Product:
        return self._pushy.products[external_id]
