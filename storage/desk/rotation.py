"""Key rotation: every stored secret is sealed anew under the first key of the ring."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from storage.care.authorization import place_of_refresh
from storage.channel_tables import authorizations
from storage.desk.tokens import place_of_token
from storage.sql import locking
from storage.tables import channels
from storage.vault import Vault


def rotate(connection: Connection, vault: Vault) -> int:
    """Seal all channel tokens anew, in one transaction; how many.

    Raises:
        ConfigurationError: a token needs a key that is not in the ring; nothing was changed.
    """
    query = select(channels.c.id, channels.c.domain, channels.c.token).where(channels.c.deleted_at.is_(None))
    rows = connection.execute(locking(connection, query)).all()
    for row in rows:
        place = place_of_token(row.id, row.domain)
        sealed = vault.seal(vault.open(row.token, place), place)
        connection.execute(update(channels).where(channels.c.id == row.id).values(token=sealed))
        _rotate_refresh(connection, vault, row.id, row.domain)
    return len(rows)


def _rotate_refresh(connection: Connection, vault: Vault, channel: str, domain: str) -> None:
    mine = authorizations.c.channel_id == channel
    row = connection.execute(locking(connection, select(authorizations).where(mine))).first()
    if row is None:
        return
    place = place_of_refresh(channel, domain)
    stored = {"refresh_token": row.refresh_token, "earlier_token": row.earlier_token}
    sealed = {name: vault.seal(vault.open(value, place), place) for name, value in stored.items() if value is not None}
    connection.execute(update(authorizations).where(mine).values(**sealed))
