"""The common end of a delivery in one statement (PostgreSQL): fence, outcome, log row, the parcel that was sent, the
count of calls, and the lane when it is empty.

It says the same as the steps of :mod:`storage.ledger.settle`; each step less is one trip to the server less for whoever
waits for the outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Text
from sqlalchemy.types import TypeEngine

from broker.ledger import Settlement, Verdict
from domain.budget import cause_of
from domain.channels import Channel
from domain.outcomes import Record
from domain.shipments import SentShipment
from domain.states import DeliveryState, LaneKind
from storage.bulk import as_json, columns_of
from storage.directory import Directory
from storage.ledger.records import day_of, parcel_row
from storage.ledger.verdict_rows import MOVED, log_row, moved, with_effects
from storage.tables import shipments, sync_log


def _statement() -> str:
    fence: dict[str, TypeEngine[Any]] = {"f_lane": Text(), "f_token": BigInteger(), "f_seq": BigInteger()}
    fence |= {"f_day": Integer(), "f_cause": Text()}
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
            INSERT INTO call_counts (channel_id, day, job_type, cause, calls)
            SELECT channel_id, f_day, job_type, f_cause, sum(call_count) FROM mine WHERE call_count > 0
            GROUP BY channel_id, f_day, job_type, f_cause ORDER BY channel_id, f_day, job_type, f_cause
            ON CONFLICT (channel_id, day, job_type, cause) DO UPDATE SET calls = call_counts.calls + excluded.calls
        )
        SELECT held.key, held.key IN (SELECT dropped.key FROM dropped) FROM held
    """  # noqa: S608 - made of our own tables' columns


PARCEL: dict[str, TypeEngine[Any]] = {each.name: each.type for each in shipments.columns}
"""What is remembered of a parcel, and the types."""
END = _statement()


def _values(
    worker: str,
    rows: Sequence[Mapping[str, Any]],
    parcels: Sequence[Mapping[str, Any]],
    *,
    over: bool = False,
) -> dict[str, Any]:
    """What :data:`END` is given to end deliveries that are the heads of FIFO lanes; it answers with each lane that was
    still held, and whether this was the last of it.

    A row has the members of :data:`MOVED`, those of a log row, and the fence: ``f_lane``, ``f_token``, ``f_seq``;
    ``f_day`` and ``f_cause`` are what its calls are counted for. Of ``parcels``, each a different one, a row has the
    members of :data:`PARCEL` and ``f_lane``. Where ``over``, only lanes that are empty then.
    """
    return {"rows": as_json(rows), "parcels": as_json(parcels), "worker": worker, "over": over}


def end_together(
    connection: Connection, directory: Directory, worker: str, settlements: Sequence[Settlement], now: int
) -> tuple[dict[str, bool], set[str], Sequence[Settlement]]:
    """End what is over for good in one statement, where the database can: the lanes that were held, with whether they
    are empty now; the deliveries whose parcels are remembered with that; and what is left to be settled step by step.
    """
    follow_ups = any(verdict.effects.follow_ups for each in settlements for verdict in each.verdicts)
    if connection.dialect.name != "postgresql" or follow_ups:
        return {}, set(), settlements
    simple = [each for each in settlements if _is_simple(each)]
    if not simple:
        return {}, set(), settlements
    parcels = _parcels(with_effects(connection, directory, [each.verdicts[0] for each in simple]), now)
    rows = [_end_of(each, worker, now) for each in simple]
    values = _values(worker, rows, list(parcels.values()))
    ended = {lane: last for lane, last in connection.exec_driver_sql(END, values)}
    return ended, set(parcels), [each for each in settlements if not _is_simple(each)]


def values_alone(directory: Directory, worker: str, settlement: Settlement, now: int) -> dict[str, Any] | None:
    """What :data:`END` is given to settle what ends a lane that it leaves empty; ``None`` if more is to be done or to
    be looked up.
    """
    channel = directory.remembered(settlement.claim.channel_id)
    if not _is_simple(settlement) or channel is None:
        return None
    effects = settlement.verdicts[0].effects
    if effects.announcements or effects.follow_ups or len(effects.records) > 1:
        return None
    if not all(isinstance(record, SentShipment) for record in effects.records):
        return None
    parcels = _parcels([(each, channel) for each in settlement.verdicts], now)
    row = _end_of(settlement, worker, now)
    return _values(worker, [row], list(parcels.values()), over=True)


def _end_of(settlement: Settlement, worker: str, now: int) -> dict[str, Any]:
    (verdict,) = settlement.verdicts
    fence = {"f_lane": settlement.claim.lane, "f_token": settlement.claim.token, "f_seq": verdict.delivery.seq}
    cause = cause_of(verdict.delivery.trigger, verdict.delivery.attempt)
    counted = {"f_day": day_of(settlement.channel, now), "f_cause": str(cause)}
    return {**moved(verdict, now), **log_row(verdict, worker), **fence, **counted}


def _parcels(effective: Sequence[tuple[Verdict, Channel]], now: int) -> dict[str, dict[str, Any]]:
    """What is to be remembered of parcels, by delivery: of each delivery that sent one, which no other sent too."""
    rows: dict[str, dict[str, Any]] = {}
    senders: Counter[tuple[str, str]] = Counter()
    for verdict, channel in effective:
        sent = [record for record in verdict.effects.records if isinstance(record, SentShipment)]
        senders.update((channel.id, record.shipment_id) for record in sent)
        if len(sent) == 1:
            rows[verdict.delivery.id] = {**parcel_row(channel, sent[0], now), "f_lane": verdict.delivery.lane}
    return {id: row for id, row in rows.items() if senders[row["channel_id"], row["shipment_id"]] == 1}


def left(verdict: Verdict, parcels: Collection[str]) -> tuple[Record, ...]:
    """The records that are still to be written."""
    if verdict.delivery.id not in parcels:
        return verdict.effects.records
    return tuple(record for record in verdict.effects.records if not isinstance(record, SentShipment))


def _is_simple(settlement: Settlement) -> bool:
    verdicts = settlement.verdicts
    if settlement.claim.kind is not LaneKind.FIFO or len(verdicts) != 1:
        return False
    state = verdicts[0].state
    return verdicts[0].logged and not verdicts[0].unsure and state not in (DeliveryState.OPEN, DeliveryState.UNKNOWN)
