"""Sessions in SQL: a random token, stored as its SHA-256 (256 bits are enough for that, ASVS 5.0, 6.5.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from broker.operations.people import Allow, User
from broker.operations.sessions import OpenSession, Session
from domain.access import Grant, Place
from domain.channels import Account
from domain.errors import UnknownName
from domain.ids import new_id
from domain.moments import from_micros
from domain.sign_in import IDLE, LONGEST
from storage.directory_rows import ACCOUNT_COLUMNS
from storage.people import users
from storage.people.audit import Change, append
from storage.people_tables import sessions
from storage.settings.own import By
from storage.tables import accounts

ANYBODY = "anonymous"
"""The actor of what is done before anybody has signed in."""
_IDLE = IDLE // timedelta(microseconds=1)
_LONGEST = LONGEST // timedelta(microseconds=1)


def digest_of(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def begin(connection: Connection, user_id: str, token: str, now: int) -> Session | None:
    """Insert a session; ``None`` where the user is disabled. Sessions that are over go."""
    user = users.held(connection, user_id)
    if user.disabled_at is not None:
        return None
    over = or_(sessions.c.expires_at <= now, sessions.c.last_seen_at <= now - _IDLE)
    connection.execute(delete(sessions).where(over))
    made = new_id()
    connection.execute(
        insert(sessions).values(
            id=made,
            user_id=user_id,
            digest=digest_of(token),
            created_at=now,
            last_seen_at=now,
            expires_at=now + _LONGEST,
        )
    )
    _tell(connection, "session.begun", user, now)
    return Session(made, user, from_micros(now), from_micros(now + _LONGEST))


def find(connection: Connection, token: str, now: int) -> tuple[Session, int] | None:
    """A session that is not over, of a user who is not disabled, and when it was last seen."""
    row = connection.execute(
        select(sessions).where(
            sessions.c.digest == digest_of(token), sessions.c.expires_at > now, sessions.c.last_seen_at > now - _IDLE
        )
    ).first()
    user = users.by_id(connection, row.user_id) if row else None
    if row is None or user is None or user.disabled_at is not None:
        return None
    return Session(row.id, user, from_micros(row.created_at), from_micros(row.expires_at)), row.last_seen_at


def see(connection: Connection, session_id: str, now: int) -> None:
    """Note that a session is in use."""
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(last_seen_at=now))


def end(connection: Connection, token: str, everywhere: bool, now: int) -> None:
    """Delete a session, or all of its user."""
    found = find(connection, token, now)
    if found is None:
        return
    user = found[0].user
    which = sessions.c.user_id == user.id if everywhere else sessions.c.id == found[0].id
    connection.execute(delete(sessions).where(which))
    _tell(connection, "session.ended", user, now, {"everywhere": everywhere})


def of_user(connection: Connection, user_id: str, now: int) -> list[OpenSession]:
    """The sessions of a user that are not over, the last used first."""
    columns = (sessions.c.id, sessions.c.created_at, sessions.c.last_seen_at, sessions.c.expires_at)
    query = select(*columns).where(*_open_of(user_id, now)).order_by(sessions.c.last_seen_at.desc(), sessions.c.id)
    return [OpenSession(row.id, *map(from_micros, row[1:])) for row in connection.execute(query)]


def close(connection: Connection, user_id: str, chosen: tuple[str | None, str | None], allow: Allow, by: By) -> int:
    """Delete ``chosen`` (only this one, all but this one) or all open sessions of a user; how many.

    Raises:
        UnknownName: no such user, or no such open session of this user.
    """
    user = users.held(connection, user_id)
    allow(user)
    only, but = chosen
    wanted = [*_open_of(user_id, by.now)]
    if only is not None:
        wanted.append(sessions.c.id == only)
    if but is not None:
        wanted.append(sessions.c.id != but)
    count = connection.execute(delete(sessions).where(*wanted)).rowcount
    if only is not None and not count:
        raise UnknownName("There is no such open session.", code="unknown_session")
    if count:
        detail = {"everywhere": only is None and but is None, "count": count}
        append(
            connection,
            Change(by.actor, "session.ended", f"user:{user.id}", Place(user.organization_id), detail),
            by.now,
        )
    return count


def _open_of(user_id: str, now: int) -> tuple[Any, ...]:
    mine = sessions.c.user_id == user_id
    return mine, sessions.c.expires_at > now, sessions.c.last_seen_at > now - _IDLE


def refuse(connection: Connection, email: str, now: int) -> None:
    """Note a try that failed; an address that nobody has is not written down."""
    found = users.by_email(connection, email)
    about = f"user:{found[0].id}" if found else "user:unknown"
    place = Place(found[0].organization_id) if found else None
    append(connection, Change(ANYBODY, "session.refused", about, place), now)


def account(connection: Connection, code: str, now: int) -> Account | None:
    """An account as it stands now."""
    row = connection.execute(select(*ACCOUNT_COLUMNS).where(accounts.c.code == code)).first()
    return _account(row, now) if row else None


def covered(connection: Connection, grants: Sequence[Grant], now: int) -> list[Account]:
    """The accounts in which any of these roles counts, by code."""
    whole = {grant.organization_id for grant in grants if grant.account_id is None}
    single = {grant.account_id for grant in grants if grant.account_id is not None}
    query = select(*ACCOUNT_COLUMNS).where(or_(accounts.c.organization_id.in_(whole), accounts.c.id.in_(single)))
    return [_account(row, now) for row in connection.execute(query.order_by(accounts.c.code))]


def _account(row: Any, now: int) -> Account:
    stops = from_micros(row.disable_at) if row.disable_at is not None else None
    enabled = bool(row.enabled) and (row.disable_at is None or row.disable_at > now)
    return Account(row.id, row.organization_id, row.code, row.name, row.timezone, enabled, stops)


def _tell(connection: Connection, action: str, user: User, now: int, detail: dict[str, Any] | None = None) -> None:
    about = f"user:{user.id}"
    append(connection, Change(about, action, about, Place(user.organization_id), detail or {}), now)
