"""The past of parcels: whether the shop has them, and whether that is in doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, literal_column, select

from broker.ledger import ParcelPast
from storage.bulk import Fixed, Types, as_json, rows_of, word
from storage.tables import deliveries, shipments

ParcelKey = tuple[str, str, str, str]
"""Ids of account and channel, our id of the shipment, the shop's id of the order."""
PARCEL: Types = {"account_id": Text(), "channel_id": Text(), "shipment_id": Text(), "order_id": Text()}
"""The names of a parcel key's parts, and their types."""


def asked_of(parcels: Mapping[str, ParcelKey]) -> str:
    """Named parcels as the one parameter of :func:`pasts_of`."""
    return as_json([{"name": name, **dict(zip(PARCEL, parcel, strict=True))} for name, parcel in parcels.items()])


def parcel_pasts(connection: Connection, asked: Sequence[ParcelKey]) -> dict[ParcelKey, ParcelPast]:
    """What is known of each of these parcels."""
    named = {str(at): parcel for at, parcel in enumerate(asked)}
    found = _PASTS.run(connection, rows=asked_of(named))
    return {named[name]: ParcelPast(sent_as, bool(doubted)) for name, sent_as, doubted in found}


def pasts_of(dialect: str, parameter: str = "rows") -> Select[Any]:
    """The question for the pasts of :func:`asked_of`: for each its name, the shop's id of the shipment if it has the
    parcel, and whether that is in doubt.
    """
    given = rows_of(dialect, {"name": Text(), **PARCEL}, parameter)
    mine = (shipments.c.channel_id == given.c.channel_id) & (shipments.c.shipment_id == given.c.shipment_id)
    # Limits, so that PostgreSQL looks up row by row: while it knows little of a table, it would rather read all of it.
    one: ColumnElement[int] = literal_column("1")
    sent_as = select(shipments.c.external_shipment_id).where(mine).limit(one).correlate(given).scalar_subquery()
    doubted = (
        select(deliveries.c.id)
        .where(
            deliveries.c.account_id == given.c.account_id,
            deliveries.c.business_key == given.c.order_id,
            deliveries.c.channel_id == given.c.channel_id,
            deliveries.c.job_type == word("shipment_export"),
            deliveries.c.state.in_([word("unknown"), word("dead"), word("discarded")]),
            deliveries.c.unsure,
        )
        .limit(one)
        .correlate(given)
        .scalar_subquery()
    )
    return select(given.c.name, sent_as, doubted.is_not(None)).select_from(given)


_PASTS = Fixed(pasts_of)
