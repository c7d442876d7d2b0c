"""From the codes that people use to the rows they name."""

from __future__ import annotations

from sqlalchemy import Connection, select

from domain.access import Place
from domain.errors import UnknownName
from storage.tables import accounts, channels


def place_of(connection: Connection, code: str) -> Place:
    """Where the objects of an account belong. Raises UnknownName."""
    made = account_id(connection, code)
    organization = connection.scalar(select(accounts.c.organization_id).where(accounts.c.id == made))
    return Place(str(organization), made)


def account_id(connection: Connection, code: str) -> str:
    """The id of an account.

    Raises:
        UnknownName: there is none of that code.
    """
    found = connection.scalar(select(accounts.c.id).where(accounts.c.code == code))
    if found is None:
        raise UnknownName(f"There is no account {code!r}.", code="unknown_account")
    return str(found)


def channel_id(connection: Connection, account: str, code: str) -> str:
    """The id of a channel of an account. Raises UnknownName."""
    owner = account_id(connection, account)
    query = select(channels.c.id).where(channels.c.account_id == owner, channels.c.code == code)
    found = connection.scalar(query.where(channels.c.deleted_at.is_(None)))
    if found is None:
        raise UnknownName(f"Account {account!r} has no channel {code!r}.", code="unknown_channel")
    return str(found)
