"""The catalogue of an account: the SKUs of the products that the OMS told of (docs/decisions/011)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, bindparam, update

from domain.product_changes import named_skus
from storage.bulk import BulkInsert, Fixed, Statement, as_json, looked_up, values_of
from storage.ledger.identity import Event
from storage.product_tables import catalogue_skus
from storage.tables import accounts


def _once(statement: Any) -> Insert:
    kept: Insert = statement.on_conflict_do_nothing()
    return kept


_ADD = BulkInsert(catalogue_skus, ("account_id", "sku", "added_at"), _once)


def remember_products(connection: Connection, events: Iterable[tuple[Event, dict[str, Any]]], now: int) -> bool:
    """Put the SKUs of these events' products into the catalogues of their accounts; whether that began one.

    This is done when the event is admitted: what the OMS told of exists there, whatever becomes of it in the shops.
    """
    found = {(event.row["account_id"], sku) for event, product in events for sku in named_skus(product)}
    if not found:
        return False
    rows = [{"account_id": account, "sku": sku, "added_at": now} for account, sku in sorted(found)]
    _ADD.run(connection, rows)
    begun = sorted({account for account, _ in found})
    first = accounts.c.id.in_(begun) & accounts.c.catalogued.is_(False)
    return bool(connection.execute(update(accounts).where(first).values(catalogued=True)).rowcount)


def in_catalogue(connection: Connection, account_id: str, skus: Sequence[str]) -> frozenset[str]:
    """Those of the SKUs that stand in the account's catalogue."""
    return frozenset(_IN.run(connection, values=as_json(skus), account=account_id).scalars())


def _in(dialect: str) -> Statement:
    given = values_of(dialect)
    mine = (catalogue_skus.c.account_id == bindparam("account")) & (catalogue_skus.c.sku == given.c.value)
    return looked_up(dialect, given, catalogue_skus, mine, (catalogue_skus.c.sku,))


_IN = Fixed(_in)
