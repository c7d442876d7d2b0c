"""Seams between handlers and connectors: what a shop can be asked, and what stands guard over each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pydantic import SecretStr

from domain.authorization import Tokens
from domain.channels import Channel
from domain.errors import ShopError
from domain.location_stock import LocationSku
from domain.orders import Order, OrderSummary
from domain.products import Product, ProductSummary, SavedProduct
from domain.shipments import Parcel, ShopShipment
from domain.synclog import ApiCall


@dataclass(frozen=True, slots=True)
class CancelResult:
    """What a shop says it did and could not do when an order was cancelled."""

    done: tuple[str, ...]
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StockResult:
    """What became of a set of quantities: confirmed by the shop, unknown to it, or failed with the reason."""

    confirmed: dict[str, int] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    failed: dict[str, ShopError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LocationResult:
    """What became of a set of quantities: confirmed by the shop, unknown to it there, or failed with the reason.

    Of ``unknown_locations`` the shop knows nothing; what was to be set there stands under none of the others.
    """

    confirmed: dict[LocationSku, int] = field(default_factory=dict)
    unknown: tuple[LocationSku, ...] = ()
    unknown_locations: tuple[str, ...] = ()
    failed: dict[LocationSku, ShopError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionCheck:
    """What *Test connection* found: reachable with this token, and whether the token may write."""

    reachable: bool
    may_write: bool
    sentence: str


class CallRecorder(Protocol):
    """Keeps what calls ask and answer, while manual logging is on."""

    def record(self, request: bytes, about: str, status: int | None, response: bytes) -> None:
        """Keep a whole HTTP request and the body of its response (``status`` is ``None`` where none came). ``about``
        names the order, product or SKU. The recorder takes out what may not be kept.
        """


class CallGuard(Protocol):
    """Stands before and after every outbound call of one run: lease, rate limit, breaker, call count."""

    @property
    def recorder(self) -> CallRecorder | None:
        """What keeps the calls while manual logging is on."""

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        """Wait for the permit of one call. ``operation`` is its method and route, as ``GET /orders/{id}``.

        Raises:
            LeaseLost: the lease is too short for another call.
            ShopError: the gate is closed for the channel or for this operation; no such call may be made now.
        """

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        """Record a call that was made and how it ended; its method and route are the operation of :meth:`before`."""


class Shop(Protocol):
    """One shop as handlers see it. Methods raise the kinds of :class:`domain.errors.ShopError`, nothing else.

    Writes say in their docstring how they are made safe to repeat.
    """

    async def list_orders(self, since: datetime | None, until: datetime) -> Sequence[OrderSummary]:
        """Orders whose ``updated_at`` lies in the window, each once; all where ``since`` is ``None``."""

    async def read_order(self, external_order_id: str) -> tuple[Order, dict[str, Any]]:
        """The order in canonical form, and the platform's own document.

        Raises ``ShopRejected(code="order_unknown")`` where there is none.
        """

    def translate_order(self, document: Mapping[str, Any]) -> Order:
        """Canonical form of a platform document; ShopRejected(code ``unreadable_answer``) if unreadable."""

    async def set_order_status(self, external_order_id: str, status: str, note: str | None) -> None:
        """Set the status (absolute set: safe to repeat) and append the note when given and not there yet."""

    async def cancel_order(self, external_order_id: str) -> CancelResult:
        """Cancel with the shop's side effects; safe to repeat: a cancelled order is read and left alone."""

    async def set_order_shipment(self, parcel: Parcel) -> None:
        """Write the parcel as the order-level shipment (absolute set: the newest overwrites)."""

    async def list_shipments(self, external_order_id: str) -> Sequence[ShopShipment]:
        """All shipments of an order, for the read-back."""

    async def create_shipment(self, parcel: Parcel) -> ShopShipment:
        """Create one shipment. Not safe to repeat: read :meth:`list_shipments` before a second try."""

    async def shipping_methods(self) -> Sequence[str]:
        """The shop's method names (cached for a while)."""

    async def set_stock(self, quantities: Mapping[str, int]) -> StockResult:
        """Set absolute quantities by shop SKU in as few calls as the shop allows (safe to repeat)."""

    async def read_stock(self) -> Mapping[str, int]:
        """The shop's quantity of every SKU it has."""

    async def list_products(self, since: datetime | None, until: datetime) -> Sequence[ProductSummary]:
        """Products whose ``updated_at`` lies in the window, each once; all where ``since`` is ``None``."""

    async def read_product(self, external_id: str) -> Product:
        """The product in canonical form; ShopRejected(code ``product_unknown``) where there is none."""

    async def create_product(self, product: Product) -> SavedProduct:
        """Create a product with options and variants; safe to repeat: it is looked up by its SKU first, and what is
        there is completed as :meth:`update_product` does.
        """

    async def update_product(self, external_id: str, product: Product) -> SavedProduct:
        """Bring a product to what ``product`` says of it (absolute set of what differs: safe to repeat).

        What it does not say stays; options and values that it does not name are not deleted. Raises
        ``ShopRejected(code="product_unknown")`` where there is none.
        """

    async def check(self) -> ConnectionCheck:
        """Whether shop and token work, without changing anything."""


class StockLocations(Protocol):
    """A shop that keeps its stock at several locations. Methods raise as those of :class:`Shop`."""

    async def set_location_stock(self, quantities: Mapping[LocationSku, int]) -> LocationResult:
        """Set absolute quantities by location and shop SKU in as few calls as the shop allows (safe to repeat)."""

    async def read_location_stock(self) -> Mapping[LocationSku, int]:
        """The shop's quantity of every SKU at every location that has it."""


class LocationOpener(Protocol):
    """Gives the locations of a channel's shop, guarded for one run."""

    def __call__(self, channel: Channel, guard: CallGuard) -> StockLocations | None:
        """The locations; ``None`` where the platform has none, as its manifest says. Makes no call."""


class Refresher(Protocol):
    """Gets new tokens where a platform gives them."""

    async def refresh(self, channel: Channel, refresh: SecretStr, guard: CallGuard) -> Tokens:
        """Give a refresh token for new tokens. Not safe to repeat: a platform may take each refresh token once.

        Raises:
            ShopUnauthorized: the platform no longer takes the refresh token; only a person can help.
            ShopError: another of its kinds, as for any call.
        """


class ShopOpener(Protocol):
    """Gives the shop of a channel, guarded for one run."""

    def __call__(self, channel: Channel, guard: CallGuard) -> Shop:
        """The shop; every call of it passes ``guard``."""
