"""How far the events of an account were looked through for personal data; one cursor for each threshold."""

from __future__ import annotations

from sqlalchemy import Connection, delete

from storage.tables import cursors

FIRST = "pii/"
"""Begins the name of each such cursor; it belongs to the account."""


def look_again(connection: Connection, account_id: str) -> None:
    """Look through all events of an account once more: a threshold changed, so each one covers other channels."""
    mine = (cursors.c.channel_id == account_id) & cursors.c.job_type.startswith(FIRST)
    connection.execute(delete(cursors).where(mine))
