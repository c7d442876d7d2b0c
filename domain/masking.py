"""Masking personal data for who may see the facts but not the people (sales channels, section 1: viewers)."""

from __future__ import annotations

from typing import Any

from domain.orders import Address, Contact, Order

MASK = "•••"
PERSONAL = frozenset(
    {name for name, field in Order.model_fields.items() if field.annotation in (Address, Contact)} | {"notes"}
)
"""Members of an order in canonical form that hold names, addresses, e-mails, phone numbers, or what somebody wrote."""


def masked(document: Any) -> Any:
    """The JSON value with every text below a personal member replaced; its shape, numbers and facts stay."""
    if isinstance(document, dict):
        return {name: _hidden(value) if name in PERSONAL else masked(value) for name, value in document.items()}
    return [masked(each) for each in document] if isinstance(document, list) else document


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    return MASK if value not in ("", None) else value
