"""A seeded catalogue: the same settings always give the same products, SKUs and stock rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product as combinations
from random import Random

from sandbox.bright_sites.memory import Memory
from sandbox.bright_sites.product_fields import OPTION_DEFAULTS, PRODUCT_DEFAULTS
from sandbox.bright_sites.records import Option, Product, StockRow, SubOption

SIZES = ("XS", "S", "M", "L", "XL", "XXL")
COLOURS = ("Red", "Navy", "Green", "Black", "White", "Grey", "Sand", "Teal", "Plum", "Rust", "Lime", "Sky")
KINDS = (
    ("Tee", "TEE"),
    ("Mug", "MUG"),
    ("Tote Bag", "TOTE"),
    ("Notebook", "NOTE"),
    ("Cap", "CAP"),
    ("Pen", "PEN"),
)
ADJECTIVES = ("Classic", "Everyday", "Summit", "Harbor", "Studio", "Trail", "Metro", "Prairie")
CATEGORIES = ("Apparel", "Drinkware", "Bags", "Office", "Outdoor")
METHODS = ("UPS Ground", "UPS 3 Day Select", "FedEx Ground", "USPS Priority Mail", "No Shipping Method")
CATALOGUE_AGE = timedelta(days=90)
ORIGINS = (("Main dock", "100 Dock Road", "Denver"), ("East dock", "7 Canal Street", "Boulder"))
VENDORS = ("Northwind Promo", "Tall Pine Goods", "Blue Heron Supply")


def fill_catalogue(memory: Memory) -> None:
    """Put reference data and products into an empty memory."""
    settings, random = memory.settings, Random(memory.settings.seed)
    _fill_reference(memory)
    regular = [_add_product(memory, random, number + 1) for number in range(settings.products)]
    _add_rows(memory, regular)
    for product in regular[len(regular) - min(settings.one_source, len(regular)) :]:
        _mark_one_source(memory, product)
    for number in range(settings.supplier_managed):
        managed = _add_product(memory, random, settings.products + number + 1)
        managed.fields.update(vendor_inventory_enabled=True, inventory_vendor_id=managed.vendor_ids[0])
    if settings.gift_certificate_share > 0:
        memory.gift_product = _new_product(memory, "Gift Certificate", "GIFT-CERT", Decimal(25))
        memory.gift_product.fields.update(enable_inventory=False, enable_product_options=False)


def _fill_reference(memory: Memory) -> None:
    memory.shipping_methods = list(METHODS)
    for name in CATEGORIES:
        category_id = memory.next_id("category")
        memory.categories[category_id] = {"id": category_id, "name": name}
    for number, name in enumerate(VENDORS, 1):
        memory.vendors[number] = {
            "id": number,
            "name": name,
            "address1": f"{number * 10} Mill Lane",
            "address2": "",
            "city": "Denver",
            "state": "Colorado",
            "zip_code": f"8020{number}",
            "phone": f"555-010{number}",
            "email": f"orders{number}@example.com",
            "account_number": f"AC{number:04d}",
            "asi_number": f"ASI{number:05d}",
        }
    for number, (nickname, street, city) in enumerate(ORIGINS, 1):
        memory.origin_addresses[number] = {
            "id": number,
            "nickname": nickname,
            "first_address": street,
            "second_address": "",
            "city": city,
            "country": "United States",
            "state": "Colorado",
            "zip": f"8030{number}",
        }


def _add_product(memory: Memory, random: Random, number: int) -> Product:
    kind, prefix = KINDS[(number - 1) % len(KINDS)]
    price = Decimal(random.randrange(400, 6000, 25)) / 100
    product = _new_product(memory, f"{random.choice(ADJECTIVES)} {kind} {number}", f"{prefix}{number:04d}", price)
    product.category_ids = [random.choice(list(memory.categories))]
    product.vendor_ids = [random.choice(list(memory.vendors))]
    product.fields["internal_id"] = f"INT-{number:05d}" if number % 3 else None
    product.fields["weight"] = Decimal(random.randrange(1, 40)) / 10
    product.fields["primary_category_id"] = product.category_ids[0]
    _add_options(memory, product)
    return product


def _new_product(memory: Memory, name: str, sku: str, price: Decimal) -> Product:
    born = memory.now() - CATALOGUE_AGE
    fields = {**PRODUCT_DEFAULTS, "name": name, "sku": sku, "base_price": price}
    fields["sku_separator"] = memory.settings.sku_separator
    product = Product(memory.next_id("product"), fields, [], [], born, born)
    memory.products[product.id] = product
    return product


def _add_options(memory: Memory, product: Product) -> None:
    sizes, colours = _shape(memory.settings.variants)
    if sizes > 1:
        _add_option(memory, product, "Size", "size", list(SIZES[:sizes]))
    if colours > 1:
        names = [COLOURS[n] if n < len(COLOURS) else f"Shade{n + 1}" for n in range(colours)]
        _add_option(memory, product, "Color", "color", names)
    product.fields["enable_product_options"] = bool(product.options)


def _shape(variants: int) -> tuple[int, int]:
    sizes = max(count for count in range(1, len(SIZES) + 1) if variants % count == 0)
    return sizes, variants // sizes


def _add_option(memory: Memory, product: Product, name: str, option_type: str, values: list[str]) -> None:
    option_id, position = memory.next_id("option"), len(product.options) + 1
    fields = {**OPTION_DEFAULTS, "name": name, "friendly_name": name, "option_type": option_type}
    product.options[option_id] = Option(option_id, {**fields, "position": position})
    for place, value in enumerate(values, 1):
        sub_id = memory.next_id("sub_option")
        extra = Decimal(2) if value == "XXL" else Decimal(0)
        product.sub_options[sub_id] = SubOption(sub_id, option_id, value, value, None, extra, place)


def _add_rows(memory: Memory, products: list[Product]) -> None:
    left = memory.settings.rows
    for product in products:
        groups = [
            [sub.id for sub in product.sub_options.values() if sub.option_id == option_id]
            for option_id in product.options
        ]
        for chosen in combinations(*groups):
            if left is not None:
                if left == 0:
                    return
                left -= 1
            row_id = memory.next_id("inventory")
            product.rows[row_id] = StockRow(row_id, product, chosen, memory.settings.initial_stock)


def _mark_one_source(memory: Memory, product: Product) -> None:
    product.one_source_items = [
        {
            "id": memory.next_id("one_source_item"),
            "part_id": f"PART-{row.id}",
            "gtin": None,
            "unspsc": None,
            "color_id": row.sub_option_ids[-1] if row.sub_option_ids else None,
            "size_id": row.sub_option_ids[0] if row.sub_option_ids else None,
            "track_inventory": row.track,
            "allow_negative_inventory": row.allow_negative,
        }
        for row in product.rows.values()
    ]
