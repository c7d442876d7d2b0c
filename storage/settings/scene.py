"""What a change of settings needs to see, locked in one order everywhere: channels by id, then their account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.access import Place
from domain.errors import UnknownName
from domain.periods import NEVER
from domain.product_source import EVENT_JOB, PRODUCT_JOBS, source_refusal
from domain.setting_fields import PERIOD, SettingField
from domain.settings import Effective, resolve
from storage.care.daily import night_of
from storage.settings.effect import defaults_of
from storage.settings.own import Own, own_of
from storage.sql import locking
from storage.tables import accounts, channels

Fields = Mapping[str, SettingField]


@dataclass(frozen=True, slots=True)
class Scene:
    """A channel, its account, and what was put on both."""

    channel: Row[Any]
    account: Row[Any]
    own: Own
    account_own: Own

    @property
    def place(self) -> Place:
        """Where its objects belong."""
        return Place(self.account.organization_id, self.account.id)

    def values(self, fields: Fields | None, own: Mapping[str, Any] | None = None) -> dict[str, Effective]:
        """What counts on the channel; with ``own``, what would with these."""
        chosen = self.own.chosen if own is None else own
        defaults = defaults_of(self.account, self.account_own.chosen)
        return resolve(chosen, defaults, fields, night=night_of(self.channel.id))

    def notes(self, values: Mapping[str, Effective]) -> dict[str, str]:
        """Why a job does not run that would else, by name of its period."""
        found = {}
        for job in PRODUCT_JOBS:
            refused = source_refusal(self.account.product_source, job, self.channel.id, self.channel.code)
            if refused and (job == EVENT_JOB or values[PERIOD + job].value != NEVER.text):
                found[PERIOD + job] = refused
        return found


def scene_of(connection: Connection, where: tuple[str, str], *, change: bool = False) -> Scene:
    """A channel that was not deleted, locked where it is to ``change``. Raises UnknownName."""
    account, code = where
    query = select(channels).join(accounts, accounts.c.id == channels.c.account_id)
    query = query.where(accounts.c.code == account, channels.c.code == code, channels.c.deleted_at.is_(None))
    if change and connection.dialect.name == "postgresql":
        query = query.with_for_update(of=channels)
    channel = connection.execute(query).first()
    owner = account_row(connection, account, change=change)
    if channel is None:
        raise UnknownName(f"Account {account!r} has no channel {code!r}.", code="unknown_channel")
    return Scene(channel, owner, own_of(connection, channel.id), own_of(connection, owner.id))


def account_row(connection: Connection, code: str, *, change: bool = False) -> Row[Any]:
    """An account, locked where it is to ``change``. Raises UnknownName."""
    query = select(accounts).where(accounts.c.code == code)
    row = connection.execute(locking(connection, query) if change else query).first()
    if row is None:
        raise UnknownName(f"There is no account {code!r}.", code="unknown_account")
    return row


def members(connection: Connection, account_code: str) -> Sequence[Row[Any]]:
    """The channels of an account that were not deleted, locked."""
    query = select(channels).join(accounts, accounts.c.id == channels.c.account_id)
    query = query.where(accounts.c.code == account_code, channels.c.deleted_at.is_(None)).order_by(channels.c.id)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(of=channels)
    return connection.execute(query).all()
