"""Access tokens of channels: sealed, one version after the other."""

from __future__ import annotations

from sqlalchemy import Connection, update

from storage.ledger.outward import unlock
from storage.tables import channels, gates
from storage.vault import Vault


def place_of_token(channel_id: str, domain: str) -> str:
    """What a sealed channel token is bound to: another channel or domain cannot use it."""
    return f"channel-token/{channel_id}/{domain}"


def take_token(connection: Connection, vault: Vault, of: tuple[str, str], token: str, now: int) -> None:
    """Store a new access token ``of`` a channel (its id) and shop domain; what waited for one is due at once."""
    made, domain = of
    sealed = vault.seal(token, place_of_token(made, domain))
    mine = update(channels).where(channels.c.id == made)
    connection.execute(mine.values(token=sealed, token_version=channels.c.token_version + 1))
    closed = update(gates).where(gates.c.channel_id == made, gates.c.cause == "unauthorized")
    connection.execute(closed.values(closed_until=0, cause="", strikes=0, sentence=""))
    unlock(connection, made, "unauthorized", now)
