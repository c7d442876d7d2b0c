"""API keys: made, listed, rotated, revoked, and asked whom they speak for."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from broker.operations.values import KeyHolder, KeyRow, NewKey
from domain.access import Place
from domain.errors import InputError, UnknownName
from domain.ids import new_id
from domain.moments import from_micros
from storage.desk.codes import account_id, place_of
from storage.people.audit import Change, append
from storage.sql import locking
from storage.tables import accounts, api_keys

SCOPES = ("events:write", "read", "operate", "admin")
LONGEST_GRACE = timedelta(days=7)
"""How long an old key may work on after its rotation."""


def create_key(
    connection: Connection,
    account: str,
    scopes: Sequence[str],
    now: int,
    actor: str = "installation",
    *,
    name: str = "",
) -> NewKey:
    """Insert an API key: 256 random bits, stored as SHA-256 (enough at that length, ASVS 6.5.2)."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InputError(
            f"Unknown or no scope ({', '.join(unknown) or 'none given'}); scopes: {', '.join(SCOPES)}.",
            code="unknown_scope",
        )
    place = place_of(connection, account)
    made = _insert(connection, account, place, (name.strip(), scopes), now)
    append(connection, Change(actor, "key.created", f"key:{made.id}", place, {"scopes": list(scopes)}), now)
    return made


def _insert(connection: Connection, account: str, place: Place, what: tuple[str, Sequence[str]], now: int) -> NewKey:
    """A fresh secret with this name and these scopes."""
    name, scopes = what
    secret = f"tp_{secrets.token_urlsafe(32)}"
    made = new_id()
    connection.execute(
        insert(api_keys).values(
            id=made,
            account_id=place.account_id,
            prefix=secret[:8],
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            scopes=list(scopes),
            created_at=now,
            name=name,
        )
    )
    return NewKey(made, account, secret, tuple(scopes))


def listed(connection: Connection, account: str) -> list[KeyRow]:
    """The API keys of an account, newest first."""
    query = select(api_keys).where(api_keys.c.account_id == account_id(connection, account))
    return [
        KeyRow(
            id=row.id,
            account=account,
            name=row.name,
            prefix=row.prefix,
            scopes=tuple(row.scopes),
            created_at=from_micros(row.created_at),
            revoked_at=from_micros(row.revoked_at) if row.revoked_at is not None else None,
        )
        for row in connection.execute(query.order_by(api_keys.c.id.desc()))
    ]


def rotate_key(connection: Connection, which: tuple[str, str], grace: timedelta, now: int, actor: str) -> NewKey:
    """Insert a key like ``which`` (account, id), which stops after ``grace``.

    Raises:
        InputError: it is revoked already, or the grace is too long.
    """
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise InputError(f"An old key works on for {LONGEST_GRACE.days} days at most.", code="bad_grace")
    place, row = _valid(connection, which, now)
    made = _insert(connection, which[0], place, (row.name, row.scopes), now)
    ends = now + grace // timedelta(microseconds=1)
    if row.revoked_at is None or ends < row.revoked_at:
        connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(revoked_at=ends))
    detail = {"new": made.id, "old_stops_after_seconds": int(grace.total_seconds())}
    append(connection, Change(actor, "key.rotated", f"key:{row.id}", place, detail), now)
    return made


def revoke_key(connection: Connection, which: tuple[str, str], now: int, actor: str) -> None:
    """Stop a key (account, id) at once. Raises InputError where it is revoked already."""
    place, row = _valid(connection, which, now)
    connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(revoked_at=now))
    append(connection, Change(actor, "key.revoked", f"key:{row.id}", place), now)


def _valid(connection: Connection, which: tuple[str, str], now: int) -> tuple[Place, Row[Any]]:
    """Where a key belongs and its row, locked."""
    account, key = which
    place = place_of(connection, account)
    query = select(api_keys).where(api_keys.c.id == key, api_keys.c.account_id == place.account_id)
    row = connection.execute(locking(connection, query)).first()
    if row is None:
        raise UnknownName(f"Account {account!r} has no API key {key!r}.", code="unknown_key")
    if row.revoked_at is not None and row.revoked_at <= now:
        raise InputError("This API key is revoked already.", code="key_revoked")
    return place, row


def key_holder(connection: Connection, secret: str, now: int) -> KeyHolder | None:
    """Who a key speaks for."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    at_work = accounts.c.enabled & or_(accounts.c.disable_at.is_(None), accounts.c.disable_at > now)
    query = select(
        accounts.c.code, accounts.c.id, accounts.c.organization_id, at_work.label("at_work"),
        api_keys.c.scopes, api_keys.c.id.label("key_id"),
    ).join(accounts, accounts.c.id == api_keys.c.account_id)  # fmt: skip
    valid = or_(api_keys.c.revoked_at.is_(None), api_keys.c.revoked_at > now)
    row = connection.execute(query.where(api_keys.c.digest == digest, valid)).first()
    if row is None:
        return None
    place = Place(row.organization_id, row.id)
    return KeyHolder(row.code, frozenset(row.scopes), row.key_id, place, bool(row.at_work))
