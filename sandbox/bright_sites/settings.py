"""What a sandbox shop is like: its size, its switches, its tokens."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

ERROR_SHAPES = ("errors_list", "error_string", "errors_by_field", "html")

LIVE_SETTINGS = frozenset(
    {
        "default_per_page",
        "error_shape",
        "strict_transitions",
        "shipment_changes_status",
        "stock_touches_product",
        "buyers_take_stock",
        "refunds_fail",
        "refuse_unknown_methods",
        "partial_sku_filter",
        "short_put_answer",
        "latency_ms",
        "gift_certificate_share",
        "guest_share",
        "push_url",
    }
)
"""Settings that may change while the shop is open; the others need a reset."""


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """One frozen value with everything that can be chosen about a shop.

    `products` are those whose stock the shop keeps; `supplier_managed` products and, when
    `gift_certificate_share` is above 0, one gift certificate product come on top.
    `rows` caps the number of stock rows over the whole catalogue (None: one per variant).
    `latency_ms` is added to every API call. Shares are between 0 and 1. Placed orders are posted to `push_url`, if
    one is set.
    Raises ValueError, with the name of the setting, for a value out of range.
    """

    seed: int = 1
    name: str = "Sandbox Shop"
    products: int = 50
    variants: int = 8
    rows: int | None = None
    supplier_managed: int = 1
    one_source: int = 1
    sku_separator: str = "-"
    initial_stock: int = 100
    first_order_id: int = 1001
    versions: tuple[str, ...] = ("2.7.0", "2.6.1")
    default_per_page: int = 50
    largest_page: int = 500
    error_shape: str = "errors_list"
    strict_transitions: bool = True
    shipment_changes_status: bool = False
    stock_touches_product: bool = False
    buyers_take_stock: bool = True
    refunds_fail: bool = False
    refuse_unknown_methods: bool = False
    partial_sku_filter: bool = False
    short_put_answer: bool = False
    latency_ms: float = 0.0
    gift_certificate_share: float = 0.02
    guest_share: float = 0.25
    push_url: str = ""
    read_write_token: str = "sandbox-read-write"
    read_only_token: str = "sandbox-read-only"

    def __post_init__(self) -> None:
        """Refuse values that no shop could have."""
        if self.error_shape not in ERROR_SHAPES:
            raise ValueError(f"error_shape must be one of {', '.join(ERROR_SHAPES)}, not {self.error_shape!r}")
        if self.push_url and not self.push_url.startswith(("http://", "https://")):
            raise ValueError("push_url must begin with http:// or https://")
        for name in ("products", "supplier_managed", "one_source", "initial_stock", "latency_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        for name in ("variants", "default_per_page", "largest_page", "first_order_id"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("gift_certificate_share", "guest_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1")

    def with_changes(self, changes: dict[str, Any]) -> ShopSettings:
        """A copy with these live settings changed; ValueError for a name that is not in LIVE_SETTINGS."""
        foreign = sorted(set(changes) - LIVE_SETTINGS)
        if foreign:
            allowed = ", ".join(sorted(LIVE_SETTINGS))
            raise ValueError(f"{', '.join(foreign)} cannot change while the shop is open; these can: {allowed}")
        for name, value in changes.items():
            self._check_type(name, value)
        return replace(self, **changes)

    def _check_type(self, name: str, value: object) -> None:
        current = getattr(self, name)
        if isinstance(current, bool) or isinstance(value, bool):
            fits = isinstance(current, bool) and isinstance(value, bool)
        elif isinstance(current, float):
            fits = isinstance(value, int | float)
        else:
            fits = isinstance(value, type(current))
        if not fits:
            raise ValueError(f"{name} must be a {type(current).__name__}, not {value!r}")

    def as_document(self) -> dict[str, Any]:
        """All settings but the tokens, ready for JSON."""
        hidden = {"read_write_token", "read_only_token"}
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in hidden}
