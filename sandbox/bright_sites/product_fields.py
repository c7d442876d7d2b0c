"""The plain attributes of products, options and sub-options: defaults and request parameters (facts §7)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.bright_sites.params import Param, boolean, integer, integers, number, one_of, text

DECIMALS = frozenset(
    [
        "base_price",
        "retail_price",
        "cost",
        "setup_charge",
        "weight",
        "width",
        "height",
        "length",
        "shipping_modifier",
    ]
)
SWITCHES = (
    "enable_quantity_discount",
    "enable_related_products",
    "enable_product_personalization",
    "enable_inventory",
    "enable_logo_locations",
    "enable_product_options",
)

PRODUCT_DEFAULTS: dict[str, Any] = {
    "name": "",
    "sku": "",
    "sku_separator": "-",
    "internal_id": None,
    "origin_address_id": None,
    "base_price": Decimal(0),
    "retail_price": None,
    "cost": None,
    "setup_charge": None,
    "minimum_order_quantity": None,
    "maximum_order_quantity": None,
    "weight": None,
    "width": None,
    "height": None,
    "length": None,
    "shipping_modifier": None,
    "meta_title": None,
    "meta_description": None,
    "meta_keywords": None,
    "custom_url": None,
    "description": None,
    "active": True,
    "featured": False,
    "tax_exempt": False,
    "shipping_exempt": False,
    "new_product": False,
    "new_expires_at": None,
    "enable_quantity_discount": False,
    "enable_related_products": False,
    "enable_product_personalization": False,
    "enable_inventory": True,
    "enable_logo_locations": False,
    "enable_product_options": True,
    "related_products_type": "auto",
    "primary_category_id": None,
    "vendor_inventory_enabled": False,
    "inventory_vendor_id": None,
    "tax_code": None,
    "note": None,
}

_STRINGS = ("internal_id", "tax_code", "meta_title", "meta_description", "meta_keywords", "custom_url")
_NUMBERS = tuple(sorted(DECIMALS - {"base_price"}))
_WHOLE = ("origin_address_id", "minimum_order_quantity", "maximum_order_quantity", "primary_category_id")
_FLAGS = ("active", "featured", "tax_exempt", "shipping_exempt", "new_product", *SWITCHES)


def product_params(*, creating: bool) -> tuple[Param, ...]:
    """What POST (creating) or PUT takes; name, SKU and base price are required only when creating."""
    return (
        Param("name", text(), required=creating),
        Param("sku", text(), required=creating),
        Param("base_price", number, required=creating),
        Param("sku_separator", text()),
        *(Param(name, text(), nullable=True) for name in (*_STRINGS, "description", "new_expires_at", "note")),
        *(Param(name, number, nullable=True) for name in _NUMBERS),
        *(Param(name, integer, nullable=True) for name in (*_WHOLE, "inventory_vendor_id")),
        Param("category_ids", integers, nullable=True),
        Param("vendor_ids", integers, nullable=True),
        *(Param(name, boolean, nullable=True) for name in _FLAGS),
        Param("related_products_type", one_of(("auto", "custom")), nullable=True),
        Param("vendor_inventory_enabled", boolean),
    )


OPTION_DEFAULTS: dict[str, Any] = {
    "name": "",
    "friendly_name": "",
    "option_type": "general",
    "price_modifier_type": "$",
    "show_in_inventory": True,
    "show_as_thumbs": False,
    "include_in_images": False,
    "required": True,
    "multiple_quantity": False,
    "position": 1,
}

_OPTION_FLAGS = ("show_in_inventory", "show_as_thumbs", "include_in_images", "required", "multiple_quantity")


def option_params(*, creating: bool) -> tuple[Param, ...]:
    """What POST (creating) or PUT of an option takes."""
    return (
        Param("name", text(), required=creating),
        Param("friendly_name", text()),
        Param("option_type", one_of(("general", "size", "color"))),
        Param("price_modifier_type", one_of(("$", "%"))),
        *(Param(name, boolean) for name in _OPTION_FLAGS),
        Param("position", integer),
    )


def sub_option_params(*, creating: bool) -> tuple[Param, ...]:
    """What POST (creating) or PUT of a sub-option takes."""
    return (
        Param("name", text(), required=creating),
        Param("sub_sku", text(), nullable=True),
        Param("image_src", text(), nullable=True),
        Param("price_modifier", number),
        Param("position", integer),
    )
