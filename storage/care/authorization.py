"""Authorizations that are renewed: stored sealed, one version after the other.

The access token stands where every channel has its token; its version grows by one with each new one, and a renewal
stores its tokens only in the place of the version it began with. The refresh token before is kept until the renewal
after the next, sealed like the others.
"""

from __future__ import annotations

from pydantic import SecretStr
from sqlalchemy import Connection, select, update

from domain.authorization import Authorization, Tokens
from domain.channels import Channel
from domain.moments import from_micros, to_micros
from storage.care.daily import plan_renewal
from storage.channel_tables import authorizations
from storage.desk.tokens import take_token
from storage.sql import locking, upsert
from storage.tables import channels, gates
from storage.vault import Vault


def place_of_refresh(channel: str, domain: str) -> str:
    """What a sealed refresh token is bound to."""
    return f"refresh-token/{channel}/{domain}"


def known(connection: Connection, vault: Vault, channel: Channel) -> Authorization | None:
    """What is stored; ``None`` before the first tokens.

    Raises:
        ConfigurationError: the refresh token cannot be opened.
    """
    query = select(authorizations, channels.c.token_version, channels.c.domain)
    query = query.join(channels, channels.c.id == authorizations.c.channel_id)
    row = connection.execute(query.where(authorizations.c.channel_id == channel.id)).first()
    if row is None:
        return None
    return Authorization(
        version=row.token_version,
        refresh=SecretStr(vault.open(row.refresh_token, place_of_refresh(channel.id, row.domain))),
        expires_at=from_micros(row.expires_at) if row.expires_at is not None else None,
        renewed_at=from_micros(row.renewed_at) if row.renewed_at is not None else None,
        interrupted=row.begun_version == row.token_version,
        failures=row.failures,
    )


def begin(connection: Connection, channel: Channel, version: int) -> bool:
    """Note that a renewal of this version begins; false where the version is another by now."""
    if _version(connection, channel.id) != version:
        return False
    here = authorizations.c.channel_id == channel.id
    return connection.execute(update(authorizations).where(here).values(begun_version=version)).rowcount == 1


def renewed(connection: Connection, vault: Vault, channel: Channel, version: int, tokens: Tokens, now: int) -> bool:
    """Store what the platform gave in the place of ``version``; false where that was replaced meanwhile."""
    if _version(connection, channel.id) != version:
        return False
    row = connection.execute(select(channels).where(channels.c.id == channel.id)).one()
    take_token(connection, vault, (channel.id, row.domain), tokens.access.get_secret_value(), now)
    store_tokens(connection, vault, channel.id, row.domain, tokens, now)
    return True


def failed(
    connection: Connection, channel: Channel, version: int, sentence: str, seconds: float, now: int, *, lost: bool
) -> None:
    """Count a renewal that failed and keep the gate closed until the next try; ``lost`` where its end is not known."""
    if _version(connection, channel.id) != version:
        return
    here = authorizations.c.channel_id == channel.id
    connection.execute(
        update(authorizations)
        .where(here)
        .values(
            failures=authorizations.c.failures + 1, sentence=sentence[:500], begun_version=version if lost else None
        )
    )
    closed = {"closed_until": now + int(seconds * 1e6), "cause": "unauthorized", "sentence": sentence[:500]}
    statement = upsert(connection, gates).values(channel_id=channel.id, operation="", arrival=0, strikes=1, **closed)
    connection.execute(statement.on_conflict_do_update(index_elements=["channel_id", "operation"], set_=closed))


def _version(connection: Connection, channel: str) -> int | None:
    """The token version of a channel, whose row stays locked: one version, one renewal."""
    query = select(channels.c.token_version).where(channels.c.id == channel)
    found: int | None = connection.scalar(locking(connection, query))
    return found


def store_tokens(connection: Connection, vault: Vault, channel: str, domain: str, tokens: Tokens, now: int) -> None:
    """Put tokens in the place of those before, and the next renewal before they expire."""
    before = connection.scalar(select(authorizations.c.refresh_token).where(authorizations.c.channel_id == channel))
    values = {
        "refresh_token": vault.seal(tokens.refresh.get_secret_value(), place_of_refresh(channel, domain)),
        "earlier_token": before,
        "expires_at": to_micros(tokens.expires_at) if tokens.expires_at is not None else None,
        "renewed_at": now,
        "begun_version": None,
        "failures": 0,
        "sentence": "",
    }
    statement = upsert(connection, authorizations).values(channel_id=channel, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["channel_id"], set_=values))
    plan_renewal(connection, channel, now)
