"""Tries to sign in, counted for all processes together by e-mail address and by network address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from domain.sign_in import FORGOTTEN, PER_ADDRESS, PER_NAME, TryLimit, address_group
from storage.people_tables import sign_in_tries as tries
from storage.sql import locking, upsert

_MICRO = timedelta(microseconds=1)


def name_of(email: str) -> str:
    """By what the tries of an e-mail address are counted, however it is written."""
    return _digest("name", email.strip().lower())


def attempt(connection: Connection, email: str, address: str, now: int) -> int:
    """Count a try before it is made; 0, or the seconds to wait (then it is not counted)."""
    connection.execute(delete(tries).where(tries.c.last_at < now - FORGOTTEN // _MICRO))
    limits = _limits(email, address)
    failures, blocked_until = _held(connection, limits, now)
    if blocked_until > now:
        return -((now - blocked_until) // 1_000_000)
    for whose, limit in limits.items():
        count = failures[whose] + 1
        wait = limit.wait_after(count) // _MICRO
        connection.execute(
            update(tries).where(tries.c.whose == whose).values(failures=count, last_at=now, blocked_until=now + wait)
        )
    return 0


def succeeded(connection: Connection, email: str, address: str) -> None:
    """Forget the failures of the e-mail address, and that the last try of the network address was one."""
    whose_name, whose_address = _limits(email, address)
    connection.execute(delete(tries).where(tries.c.whose == whose_name))
    connection.execute(
        update(tries)
        .where(tries.c.whose == whose_address, tries.c.failures > 0)
        .values(failures=tries.c.failures - 1, blocked_until=0)
    )


def _limits(email: str, address: str) -> dict[str, TryLimit]:
    """The limits that a try must keep, the name's first."""
    return {name_of(email): PER_NAME, _digest("address", address_group(address)): PER_ADDRESS}


def _held(connection: Connection, limits: Mapping[str, TryLimit], now: int) -> tuple[dict[str, int], int]:
    """The failures so far, the rows locked in one order for everybody; and until when it is to wait."""
    whose = sorted(limits)
    fresh = [{"whose": each, "failures": 0, "last_at": now, "blocked_until": 0} for each in whose]
    connection.execute(upsert(connection, tries).on_conflict_do_nothing(), fresh)
    query = select(tries).where(tries.c.whose.in_(whose)).order_by(tries.c.whose)
    rows = connection.execute(locking(connection, query)).all()
    return {row.whose: row.failures for row in rows}, max(row.blocked_until for row in rows)


def _digest(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}:{text}".encode("utf-8", "surrogatepass")).hexdigest()
