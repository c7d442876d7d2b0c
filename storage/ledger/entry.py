"""The common beginning of deliveries in one statement (PostgreSQL): their messages, their lanes, and themselves.

It says the same as :func:`storage.ledger.identity.store_messages` and :func:`storage.ledger.lines.line_up`; each step
less is one trip to the server less for whoever waits for the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, LargeBinary
from sqlalchemy.types import TypeEngine

from broker.ledger import Hands
from domain.states import LaneKind
from storage.bulk import as_json, columns_of, type_name
from storage.ledger.lines import DELIVERED, Lined, Newcomer, first_states, first_token
from storage.tables import deliveries, messages


def can_enter(connection: Connection, newcomers: Sequence[Newcomer]) -> bool:
    """Whether the database can, and each newcomer simply comes last in a lane that nobody else enters with it."""
    if connection.dialect.name != "postgresql":
        return False
    simple = all(each.place.kind is LaneKind.FIFO and not each.tick for each in newcomers)
    return simple and len({each.place.lane for each in newcomers}) == len(newcomers)


def enter(
    connection: Connection, rows: Sequence[Mapping[str, Any]], newcomers: Sequence[Newcomer], now: int, hands: Hands
) -> tuple[set[str], Lined]:
    """Store message rows and their newcomers; the ids of messages that are new, and where their newcomers stand.

    The newcomers of a message that was there already are left out.
    """
    states = first_states({each.place.lane: [each] for each in newcomers}, hands)
    coming = [{**each.row, "l_state": states[each.place.lane]} for each in newcomers]
    values = {"messages": as_json(rows), "coming": as_json(coming), "worker": hands.worker, "now": now}
    stored: set[str] = set()
    ends: dict[str, int] = {}
    for name, end in connection.exec_driver_sql(_SQL, {**values, "token": first_token(now)}):
        if end:
            ends[name] = end
        else:
            stored.add(name)
    lined = Lined({}, {})
    for each in newcomers:
        end = ends.get(each.place.lane)
        if end is None:
            continue
        each.row["seq"] = end
        lined.jobs.setdefault(each.row["message_id"], []).append(each.row["job_type"])
        if end == 1 and states[each.place.lane] == "running":
            lined.in_hand[each.place.lane] = each.row
    return stored, lined


def _statement() -> str:
    told: dict[str, TypeEngine[Any]] = {each.name: each.type for each in messages.columns if each.name != "copies"}
    names = ", ".join(f'"{name}"' for name in told)
    values = ", ".join(
        f"decode(\"{name}\", 'hex')" if isinstance(kind, LargeBinary) else f'"{name}"' for name, kind in told.items()
    )
    coming = {name: deliveries.c[name].type for name in DELIVERED if name != "seq"}
    own = ", ".join(f'"{name}"' for name in coming)
    return f"""
        WITH stored AS (
            INSERT INTO messages ({names})
            SELECT {values} FROM json_to_recordset(CAST(%(messages)s AS json)) AS given({columns_of(told)})
            ON CONFLICT (account_id, source, event_id) DO NOTHING RETURNING id
        ), coming AS MATERIALIZED (
            SELECT coming.* FROM json_to_recordset(CAST(%(coming)s AS json))
                AS coming({columns_of(coming)}, l_state text) JOIN stored ON stored.id = coming.message_id
        ), lined AS (
            INSERT INTO lanes (key, kind, channel_id, job_type, state, due_at, next_seq, holder, token, since)
            SELECT lane, 'fifo', channel_id, job_type, l_state, %(now)s, 1,
                CASE WHEN l_state = 'running' THEN CAST(%(worker)s AS text) END, %(token)s, %(now)s
            FROM coming ORDER BY lane
            ON CONFLICT (key) DO UPDATE SET next_seq = lanes.next_seq + 1 RETURNING key, next_seq
        ), entered AS (
            INSERT INTO deliveries ({own}, seq)
            SELECT {own}, lined.next_seq FROM coming JOIN lined ON lined.key = coming.lane
        )
        SELECT stored.id, CAST(0 AS {type_name(BigInteger())}) FROM stored
        UNION ALL SELECT lined.key, lined.next_seq FROM lined
    """  # noqa: S608 - made of our own tables' columns


_SQL = _statement()
