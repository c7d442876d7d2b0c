"""Simulated buyers: seeded, with invented names on example.com (facts §3.2, §3.3 for what an order holds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.order_lines import gift_line, product_line
from sandbox.bright_sites.records import Order, OrderLine, StockRow
from sandbox.bright_sites.wire import Json, order_money, render_time

FIRST_NAMES = ("Ann", "Bo", "Cleo", "Dag", "Esme", "Finn", "Gita", "Hugo", "Ines", "Jun", "Kofi", "Lena")
LAST_NAMES = ("Abbot", "Birch", "Castell", "Dorn", "Ekman", "Fable", "Grove", "Holt", "Iveson", "Jarrow")
CITIES = (
    ("Denver", "Colorado", "80202"),
    ("Austin", "Texas", "78701"),
    ("Portland", "Oregon", "97201"),
    ("Madison", "Wisconsin", "53703"),
)
ROWS_TRIED = 40
MOST_LINES = 4


class SoldOutError(RuntimeError):
    """No buyer found anything left in stock."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer wants; None leaves it to chance. `skus` are final SKUs, one line each."""

    skus: Sequence[str] | None = None
    lines: int | None = None
    email: str | None = None
    guest: bool | None = None
    gift_certificate: bool | None = None
    status: str = "new"


class Buyers:
    """Places orders over the stock rows the shop has."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._random = Random(memory.settings.seed + 1)

    def buy(self, wish: Wish) -> Order:
        """Place one order. LookupError for an unknown SKU, SoldOutError when nothing is left."""
        memory = self._memory
        now = memory.now()
        lines = self._lines(wish)
        person = self._person(wish)
        order = Order(
            id=memory.next_id("order"),
            created_at=now,
            updated_at=now,
            customer=person["customer"],
            people={name: dict(person[kind]) for name, kind in _PEOPLE},
            parcel=self._parcel(),
            lines={line.id: line for line in lines},
            status=wish.status,
            **self._money(lines),
        )
        memory.orders[order.id] = order
        sold = [{"id": line.id, "sku": line.final_sku, "quantity": line.quantity} for line in lines]
        memory.ledger.effect("order_placed", None, order.id, None, {"lines": sold, "status": order.status})
        self._take_stock(order)
        return order

    def _lines(self, wish: Wish) -> list[OrderLine]:
        rows = self._rows_named(wish.skus) if wish.skus else self._rows_by_chance(wish.lines)
        lines = [product_line(self._memory, self._random, row, self._quantity(row)) for row in rows]
        chance = self._random.random() < self._memory.settings.gift_certificate_share
        gift = chance if wish.gift_certificate is None else wish.gift_certificate
        if gift and self._memory.gift_product is not None:
            lines.append(gift_line(self._memory, self._memory.gift_product))
        return lines

    def _rows_named(self, skus: Sequence[str]) -> list[StockRow]:
        known = {row.final_sku: row for row in self._memory.shown_rows()}
        unknown = [sku for sku in skus if sku not in known]
        if unknown:
            raise LookupError(f"The shop has no stock row for {', '.join(unknown)}")
        return [known[sku] for sku in skus]

    def _rows_by_chance(self, lines: int | None) -> list[StockRow]:
        wanted = lines or self._random.randint(1, MOST_LINES)
        rows = list(self._memory.shown_rows())
        tried = self._random.sample(rows, min(len(rows), max(ROWS_TRIED, wanted)))
        found = [row for row in tried if self._left(row) > 0] or [row for row in rows if self._left(row) > 0]
        if not found:
            raise SoldOutError("Nothing is left in stock to buy; raise the stock, or set buyers_take_stock to false")
        return found[:wanted]

    def _left(self, row: StockRow) -> int:
        free = not self._memory.settings.buyers_take_stock or not row.track or row.allow_negative
        return MOST_LINES if free else row.inventory

    def _quantity(self, row: StockRow) -> int:
        return max(1, min(self._random.choice((1, 1, 2, 3, 6)), self._left(row)))

    def _take_stock(self, order: Order) -> None:
        if not self._memory.settings.buyers_take_stock:
            return
        for line in order.lines.values():
            row = self._memory.products[line.product_id].rows.get(line.row_id) if line.row_id else None
            if row is not None and row.track:
                order.stock_taken[line.id] = line.quantity
                self._memory.set_stock(row, row.inventory - line.quantity, None, "bought")

    def _person(self, wish: Wish) -> dict[str, Json]:
        first, last = self._random.choice(FIRST_NAMES), self._random.choice(LAST_NAMES)
        chance = self._random.random() < self._memory.settings.guest_share
        guest = chance if wish.guest is None else wish.guest
        email = wish.email or f"{first.lower()}.{last.lower()}@example.com"
        city, state, code = self._random.choice(CITIES)
        number = FIRST_NAMES.index(first) * len(LAST_NAMES) + LAST_NAMES.index(last) + 501
        return {
            "customer": {
                "customer_email": email,
                "customer_id": None if guest else number,
                "username": "Guest" if guest else f"{first.lower()}{last.lower()}",
            },
            "contact": {
                "first_name": first,
                "last_name": last,
                "email": email,
                "phone": f"555-0{number:03d}",
            },
            "address": {
                "company": "",
                "first_address": f"{self._random.randint(1, 999)} Sample Street",
                "second_address": "",
                "city": city,
                "state": state,
                "country": "United States",
                "zip": code,
            },
        }

    def _parcel(self) -> Json:
        wanted_by = self._memory.now() + timedelta(days=self._random.randint(5, 20))
        return {
            "tracking_number": None,
            "cost": order_money(Decimal(self._random.randrange(500, 2500, 25)) / 100),
            "created_at": render_time(self._memory.now()),
            "shipping_method": self._random.choice(self._memory.shipping_methods[:4]),
            "ship_date": None,
            "in_hands_date": wanted_by.date().isoformat() if self._random.random() < 0.5 else None,
        }

    def _money(self, lines: Sequence[OrderLine]) -> Json:
        item_total = sum((Decimal(line.document["total_price"]) for line in lines), Decimal(0))
        tax = (item_total * Decimal("0.08")).quantize(Decimal("0.01"))
        shipping = Decimal("7.5")
        grand_total = item_total + tax + shipping
        required = [("Tax", tax), ("Shipping", shipping)]
        adjustments: Json = {name: [] for name in ("coupons_adjustments", "balance_adjustments", "custom_adjustments")}
        adjustments["required_adjustments"] = [
            {"note": note, "amount": order_money(amount), "modifier_type": "$"} for note, amount in required
        ]
        adjustments["custom_data_collections"] = []
        return {
            "totals": {"item_total": order_money(item_total), "grand_total": order_money(grand_total)},
            "adjustments": adjustments,
            "payments": [self._payment(grand_total)],
        }

    def _payment(self, amount: Decimal) -> Json:
        payment_id = self._memory.next_id("payment")
        return {
            "id": payment_id,
            "authorization": f"AUTH{payment_id}",
            "created_at": render_time(self._memory.now()),
            "amount": order_money(amount),
            "state": "completed",
            "details": {"method": "credit card", "card type": "visa", "card": "XXXX-XXXX-XXXX-0000"},
        }


_PEOPLE = (
    ("shipping_contact", "contact"),
    ("billing_contact", "contact"),
    ("shipping_address", "address"),
    ("billing_address", "address"),
)
