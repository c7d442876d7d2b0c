"""The common beginning of deliveries in one statement (PostgreSQL): their messages, their lanes, and themselves.

It says the same as :func:`storage.ledger.identity.store_messages` and :func:`storage.ledger.lines.line_up`; each step
less is one trip to the server less for whoever waits for the event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger

from broker.ledger import Hands, ParcelPast
from domain.states import LaneKind
from storage.bulk import as_json, columns_of, type_name, written
from storage.ledger.identity import STORED
from storage.ledger.lines import DELIVERED, Lined, Newcomer, first_states, first_token
from storage.ledger.parcels import asked_of, pasts_of
from storage.tables import deliveries


def can_enter(newcomers: Sequence[Newcomer]) -> bool:
    """Whether each newcomer simply comes last in a lane that nobody else enters with it."""
    simple = all(each.place.kind is LaneKind.FIFO and not each.tick for each in newcomers)
    return simple and len({each.place.lane for each in newcomers}) == len(newcomers)


class Entry:
    """Newcomers of some messages, on their way in by :data:`ENTER`."""

    def __init__(self, newcomers: Sequence[Newcomer], now: int, hands: Hands) -> None:
        self._newcomers = newcomers
        self._now = now
        self._hands = hands
        self._states = first_states({each.place.lane: [each] for each in newcomers}, hands)

    def values(self, messages: Mapping[str, Any]) -> dict[str, Any]:
        """What the statement is given, with the messages (see :func:`storage.ledger.identity.encoded`)."""
        states = self._states
        parcels = {each.place.lane: each.parcel for each in self._newcomers if each.parcel is not None}
        return {
            **messages,
            "coming": as_json([{**each.row, "l_state": states[each.place.lane]} for each in self._newcomers]),
            "asked": asked_of({lane: each for lane, each in parcels.items() if states[lane] == "running"}),
            "worker": self._hands.worker,
            "now": self._now,
            "token": first_token(self._now),
        }

    def read(self, found: Iterable[Sequence[Any]]) -> tuple[set[str], Lined]:
        """What the statement answered: the ids of messages that are new, and where their newcomers stand.

        The newcomers of a message that was there already are left out.
        """
        stored: set[str] = set()
        ends: dict[str, int] = {}
        pasts: dict[str, ParcelPast] = {}
        for name, end, sent_as, doubted in found:
            if end is None:
                stored.add(name)
                continue
            ends[name] = end
            if doubted is not None:
                pasts[name] = ParcelPast(sent_as, doubted)
        lined = Lined({}, {}, pasts)
        for each in self._newcomers:
            end = ends.get(each.place.lane)
            if end is None:
                continue
            each.row["seq"] = end
            lined.jobs.setdefault(each.row["message_id"], []).append(each.row["job_type"])
            if end == 1 and self._states[each.place.lane] == "running":
                lined.in_hand[each.place.lane] = each
        return stored, lined


def _statement() -> str:
    coming = {name: deliveries.c[name].type for name in DELIVERED if name != "seq"}
    own = ", ".join(f'"{name}"' for name in coming)
    pasts = written(lambda dialect: pasts_of(dialect, "asked"))
    return f"""
        WITH stored AS (
            {STORED}
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
        SELECT stored.id, CAST(NULL AS {type_name(BigInteger())}), NULL, CAST(NULL AS boolean) FROM stored
        UNION ALL
        SELECT lined.key, lined.next_seq, pasts.sent_as, pasts.doubted
        FROM lined LEFT JOIN ({pasts}) AS pasts (name, sent_as, doubted) ON pasts.name = lined.key
    """  # noqa: S608 - made of our own tables' columns


ENTER = _statement()
