"""The common end of a delivery in one statement (PostgreSQL): fence, outcome, log row, the parcel that was sent, the
count of calls, and the lane when it is empty.

It says the same as the steps of :mod:`storage.ledger.settle`; each step less is one trip to the server less for whoever
waits for the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Integer, Text
from sqlalchemy.types import TypeEngine

from storage.bulk import as_json, columns_of
from storage.tables import shipments, sync_log

MOVED: dict[str, TypeEngine[Any]] = {
    "b_id": Text(),
    "b_state": Text(),
    "b_attempt": Integer(),
    "b_failure": Integer(),
    "b_due": BigInteger(),
    "b_cause": Text(),
    "b_code": Text(),
    "b_sentence": Text(),
    "b_unsure": Boolean(),
    "b_by": Text(),
    "b_settled": BigInteger(),
}
"""What moves a delivery, and the types."""


def _statement() -> str:
    fence: dict[str, TypeEngine[Any]] = {"f_lane": Text(), "f_token": BigInteger(), "f_seq": BigInteger()}
    logged: dict[str, TypeEngine[Any]] = {each.name: each.type for each in sync_log.columns}
    names = ", ".join(f'"{name}"' for name in logged)
    sent = ", ".join(each.name for each in shipments.columns)
    return f"""
        WITH given AS MATERIALIZED (
            SELECT * FROM json_to_recordset(CAST(%(rows)s AS json)) AS given({columns_of({**fence, **MOVED, **logged})})
        ), held AS MATERIALIZED (
            SELECT lanes.key FROM lanes JOIN given ON lanes.key = f_lane AND lanes.token = f_token
            WHERE lanes.holder = %(worker)s AND (lanes.next_seq = f_seq OR NOT %(over)s)
            ORDER BY lanes.key FOR UPDATE OF lanes
        ), mine AS MATERIALIZED (
            SELECT given.* FROM given JOIN held ON held.key = f_lane
        ), moved AS (
            UPDATE deliveries SET state = b_state, attempts = deliveries.attempts + b_attempt,
                failures = deliveries.failures + b_failure, due_at = b_due, cause = b_cause, code = b_code,
                sentence = b_sentence, unsure = b_unsure, superseded_by = b_by, settled_at = b_settled, token = NULL
            FROM mine WHERE deliveries.id = b_id
        ), logged AS (
            INSERT INTO sync_log ({names}) SELECT {names} FROM mine
        ), dropped AS (
            DELETE FROM lanes USING mine WHERE lanes.key = f_lane AND lanes.next_seq = f_seq RETURNING lanes.key
        ), parcels AS MATERIALIZED (
            SELECT * FROM json_to_recordset(CAST(%(parcels)s AS json)) AS parcels(f_lane text, {columns_of(PARCEL)})
        ), sent AS (
            INSERT INTO shipments ({sent})
            SELECT {sent} FROM parcels JOIN held ON held.key = f_lane ORDER BY channel_id, shipment_id
            ON CONFLICT (channel_id, shipment_id) DO UPDATE SET external_order_id = excluded.external_order_id,
                external_shipment_id = excluded.external_shipment_id, recorded_at = excluded.recorded_at
        ), counted AS (
            INSERT INTO call_counts (channel_id, day, job_type, calls)
            SELECT channel_id, %(day)s, job_type, sum(call_count) FROM mine WHERE call_count > 0
            GROUP BY channel_id, job_type ORDER BY channel_id, job_type
            ON CONFLICT (channel_id, day, job_type) DO UPDATE SET calls = call_counts.calls + excluded.calls
        )
        SELECT held.key, held.key IN (SELECT dropped.key FROM dropped) FROM held
    """  # noqa: S608 - made of our own tables' columns


PARCEL: dict[str, TypeEngine[Any]] = {each.name: each.type for each in shipments.columns}
"""What is remembered of a parcel, and the types."""
_SQL = _statement()


def end_swiftly(
    connection: Connection,
    worker: str,
    rows: Sequence[Mapping[str, Any]],
    parcels: Sequence[Mapping[str, Any]],
    day: int,
    *,
    over: bool = False,
) -> dict[str, bool]:
    """End deliveries that are the heads of FIFO lanes; of each lane that was still held: whether it was the last of it.

    A row has the members of :data:`MOVED`, those of a log row, and the fence: ``f_lane``, ``f_token``, ``f_seq``. Of
    ``parcels``, each a different one, a row has the members of :data:`PARCEL` and ``f_lane``. ``day`` is what the calls
    are counted for. Where ``over``, only lanes that are empty then.
    """
    values = {"rows": as_json(rows), "parcels": as_json(parcels), "worker": worker, "day": day, "over": over}
    return {lane: last for lane, last in connection.exec_driver_sql(_SQL, values)}
