"""What the shop remembers: products with their options and stock, orders with their lines and shipments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sandbox.bright_sites.wire import Json


@dataclass(slots=True)
class Option:
    """A product option; `fields` holds its plain attributes."""

    id: int
    fields: Json


@dataclass(slots=True)
class SubOption:
    """One value of an option."""

    id: int
    option_id: int
    name: str
    sub_sku: str | None
    image_src: str | None
    price_modifier: Decimal
    position: int


@dataclass(slots=True)
class Product:
    """A product; `fields` holds its plain attributes, money as Decimal."""

    id: int
    fields: Json
    category_ids: list[int]
    vendor_ids: list[int]
    created_at: datetime
    updated_at: datetime
    options: dict[int, Option] = field(default_factory=dict)
    sub_options: dict[int, SubOption] = field(default_factory=dict)
    rows: dict[int, StockRow] = field(default_factory=dict)
    one_source_items: list[Json] | None = None

    @property
    def sku(self) -> str:
        """The product's own SKU."""
        return str(self.fields["sku"])

    @property
    def supplier_managed(self) -> bool:
        """Whether a supplier keeps the stock, so that the shop shows no rows (facts §6)."""
        return bool(self.fields["vendor_inventory_enabled"])

    def forget_rendered(self) -> None:
        """Drop prebuilt rows after a change of name, SKU, separator or sub-SKU."""
        for row in self.rows.values():
            row.rendered = None


@dataclass(slots=True)
class StockRow:
    """The stock of one combination of sub-options. `rendered` is its prebuilt JSON in `/inventories`."""

    id: int
    product: Product
    sub_option_ids: tuple[int, ...]
    inventory: int
    trigger: int = 5
    track: bool = True
    allow_negative: bool = False
    rendered: str | None = None

    @property
    def sub_sku(self) -> str:
        """The sub-SKUs joined by the product's separator."""
        options = self.product.sub_options
        parts = [options[each].sub_sku for each in self.sub_option_ids if each in options]
        return str(self.product.fields["sku_separator"]).join(part for part in parts if part)

    @property
    def final_sku(self) -> str:
        """SKU, separator and sub-SKUs (facts §6)."""
        sub_sku = self.sub_sku
        return f"{self.product.sku}{self.product.fields['sku_separator']}{sub_sku}" if sub_sku else self.product.sku


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order line; `document` is its whole JSON form. `row_id` is the stock it was taken from."""

    id: int
    quantity: int
    final_sku: str
    product_id: int
    row_id: int | None
    is_gift_certificate: bool
    document: Json


@dataclass(slots=True)
class Shipment:
    """A line-level shipment; `lines` are (order line id, quantity)."""

    id: int
    shipping_method: str
    tracking_number: str | None
    ship_date: str | None
    note: str | None
    lines: list[tuple[int, int]]


@dataclass(slots=True)
class Order:
    """An order. `parcel` is the order-level shipment; `people` holds contacts and addresses."""

    id: int
    created_at: datetime
    updated_at: datetime
    customer: Json
    people: dict[str, Json]
    parcel: Json
    lines: dict[int, OrderLine]
    totals: Json
    adjustments: Json
    payments: list[Json]
    status: str = "new"
    shipments: dict[int, Shipment] = field(default_factory=dict)
    notes: list[Json] = field(default_factory=list)
    stock_taken: dict[int, int] = field(default_factory=dict)
    summary: str | None = None
    details: dict[bool, bytes] = field(default_factory=dict)

    def touch(self, now: datetime) -> None:
        """Move `updated_at` and drop the prebuilt answers."""
        self.updated_at = now
        self.summary = None
        self.details.clear()

    def shipped(self, line_id: int) -> int:
        """How much of a line stands in shipments."""
        return sum(
            quantity
            for shipment in self.shipments.values()
            for shipped_id, quantity in shipment.lines
            if shipped_id == line_id
        )
