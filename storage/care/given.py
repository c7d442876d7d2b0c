"""Tokens that somebody got from the platform by hand, for a channel whose token is renewed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from domain.authorization import Tokens
from domain.errors import InputError
from storage.care.authorization import store_tokens
from storage.desk.codes import channel_id
from storage.desk.setup import change_channel
from storage.sql import locking
from storage.tables import channels
from storage.vault import Vault


def store_given(
    connection: Connection, vault: Vault, where: tuple[str, str], tokens: Tokens, now: int, actor: str
) -> None:
    """Store tokens that somebody got from the platform; what waited for a token goes on.

    Raises:
        InputError: the channel's token is not of the kind that is renewed.
    """
    made = channel_id(connection, *where)
    row = connection.execute(locking(connection, select(channels).where(channels.c.id == made))).one()
    if not row.renews:
        raise InputError(
            f"Channel {'/'.join(where)} has a token that is not renewed. Set it with 'towpath channels token'.",
            code="not_renewed",
        )
    change_channel(connection, vault, where, (None, tokens.access.get_secret_value(), None), now, actor)
    store_tokens(connection, vault, made, row.domain, tokens, now)
