"""The past of parcels: whether the shop has them, and whether that is in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Text, select

from broker.ledger import ParcelPast
from storage.bulk import Fixed, Statement, as_json, rows_of
from storage.tables import deliveries, shipments

ParcelKey = tuple[str, str, str, str]
"""Ids of account and channel, our id of the shipment, the shop's id of the order."""
_PARCEL = {"account_id": Text(), "channel_id": Text(), "shipment_id": Text(), "order_id": Text()}


def parcel_pasts(connection: Connection, asked: Sequence[ParcelKey]) -> dict[ParcelKey, ParcelPast]:
    """What is known of each of these parcels."""
    rows = as_json([dict(zip(_PARCEL, parcel, strict=True)) for parcel in asked])
    return {
        (row[0], row[1], row[2], row[3]): ParcelPast(row[4], bool(row[5]))
        for row in _PARCELS.run(connection, rows=rows)
    }


def _past(dialect: str) -> Statement:
    given = rows_of(dialect, _PARCEL)
    mine = (shipments.c.channel_id == given.c.channel_id) & (shipments.c.shipment_id == given.c.shipment_id)
    # Limits, so that PostgreSQL looks up row by row: while it knows little of a table, it would rather read all of it.
    sent_as = select(shipments.c.external_shipment_id).where(mine).limit(1).correlate(given).scalar_subquery()
    doubted = (
        select(deliveries.c.id)
        .where(
            deliveries.c.account_id == given.c.account_id,
            deliveries.c.business_key == given.c.order_id,
            deliveries.c.channel_id == given.c.channel_id,
            deliveries.c.job_type == "shipment_export",
            deliveries.c.state.in_(("unknown", "dead", "discarded")),
            deliveries.c.unsure,
        )
        .limit(1)
        .correlate(given)
        .scalar_subquery()
    )
    columns = [given.c[name] for name in _PARCEL]
    return select(*columns, sent_as, doubted.is_not(None)).select_from(given)


_PARCELS = Fixed(_past)
