"""Key rotation: every stored secret is sealed anew under the first key of the ring."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from storage.desk.setup import place_of_token
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
    return len(rows)
