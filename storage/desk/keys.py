"""API keys: made, and asked whom they speak for."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, insert, or_, select

from broker.operations.values import KeyHolder, NewKey
from domain.access import Place
from domain.errors import InputError
from domain.ids import new_id
from storage.desk.setup import place_of
from storage.people.audit import Change, append
from storage.tables import accounts, api_keys

SCOPES = ("events:write", "read", "operate", "admin")


def create_key(
    connection: Connection, account: str, scopes: Sequence[str], now: int, actor: str = "installation"
) -> NewKey:
    """Insert an API key: 256 random bits, stored as SHA-256 (enough at that length, ASVS 6.5.2)."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InputError(
            f"Unknown or no scope ({', '.join(unknown) or 'none given'}); scopes: {', '.join(SCOPES)}.",
            code="unknown_scope",
        )
    place = place_of(connection, account)
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
        )
    )
    append(connection, Change(actor, "key.created", f"key:{made}", place, {"scopes": list(scopes)}), now)
    return NewKey(made, account, secret, tuple(scopes))


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
