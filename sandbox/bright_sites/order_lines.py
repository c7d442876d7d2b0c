"""Making order lines (facts §3.3): product lines with their options, and gift certificate lines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from random import Random

from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.records import OrderLine, Product, StockRow
from sandbox.bright_sites.wire import Json, order_money, render_time_ms

LINE_NOTES = ("Please gift wrap", "Logo on the left")
GIFT_LIFETIME = timedelta(days=365)


def product_line(memory: Memory, random: Random, row: StockRow, quantity: int) -> OrderLine:
    """A line for one stock row; unit price is product price plus options price."""
    product = row.product
    price: Decimal = product.fields["base_price"]
    extra = sum((product.sub_options[each].price_modifier for each in row.sub_option_ids), Decimal(0))
    note = random.choice(LINE_NOTES) if random.random() < 0.1 else None
    document = {
        **_head(memory, product, row.final_sku, quantity),
        **_prices(price, extra, quantity),
        "product_id": product.id,
        "product_options": [_chosen(product, each) for each in row.sub_option_ids],
        "vendors": [memory.vendors[each] for each in product.vendor_ids],
        "logos": [],
        "product_personalizations": [],
        "gift_certificate": None,
        "note": note,
    }
    return OrderLine(document["id"], quantity, row.final_sku, product.id, row.id, False, document)


def gift_line(memory: Memory, product: Product) -> OrderLine:
    """A gift certificate line: no stock row, nothing to ship."""
    line_id = memory.next_id("gift_certificate")
    document = {
        **_head(memory, product, product.sku, 1),
        **_prices(product.fields["base_price"], Decimal(0), 1),
        "product_id": product.id,
        "product_options": [],
        "vendors": [],
        "logos": [],
        "product_personalizations": [],
        "gift_certificate": {
            "first_name": "Sam",
            "last_name": "Sample",
            "message": "Enjoy",
            "expires_at": render_time_ms(memory.now() + GIFT_LIFETIME),
            "code": f"GIFT-{line_id:06d}",
            "amount": order_money(product.fields["base_price"]),
        },
        "note": None,
        "pdf_status": "completed",
        "pdf_file_url": f"https://shop.example.com/gift_certificates/{line_id}.pdf",
    }
    return OrderLine(document["id"], 1, product.sku, product.id, None, True, document)


def _head(memory: Memory, product: Product, final_sku: str, quantity: int) -> Json:
    return {
        "id": memory.next_id("line"),
        "name": product.fields["name"],
        "final_sku": final_sku,
        "final_internal_id": product.fields["internal_id"],
        "tax_code": product.fields["tax_code"] or "",
        "quantity": quantity,
    }


def _prices(price: Decimal, extra: Decimal, quantity: int) -> Json:
    unit = price + extra
    return {
        "product_price": order_money(price),
        "options_price": order_money(extra),
        "unit_price": order_money(unit),
        "total_price": order_money(unit * quantity),
        "tax_price": None,
    }


def _chosen(product: Product, sub_option_id: int) -> Json:
    sub = product.sub_options[sub_option_id]
    option = product.options[sub.option_id]
    return {
        "option_id": option.id,
        "sub_option_id": sub.id,
        "option_name": option.fields["name"],
        "option_type": option.fields["option_type"],
        "sub_option_name": sub.name,
    }
