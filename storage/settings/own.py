"""What was put on a channel or an account itself, with its version; and each version that ever was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from broker.operations.settings import SettingVersion
from domain.moments import from_micros
from storage.settings_tables import own_settings, setting_versions
from storage.sql import upsert


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose settings: those of a channel, or (without ``channel_id``) of an account itself."""

    account_id: str
    channel_id: str | None = None

    @property
    def id(self) -> str:
        """The id under which they are kept."""
        return self.channel_id or self.account_id


@dataclass(frozen=True, slots=True)
class Own:
    """The values somebody put, by name, and the version they have; 0 where nobody ever put one."""

    version: int
    chosen: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and when (microseconds)."""

    actor: str
    now: int


def own_of(connection: Connection, owner_id: str) -> Own:
    """What was put on a channel or account. Its row must be locked by whoever writes back what comes of it."""
    row = connection.execute(select(own_settings).where(own_settings.c.owner_id == owner_id)).first()
    return Own(row.version, row.chosen) if row else Own(0, {})


def keep(
    connection: Connection, owner: Owner, version: int, chosen: Mapping[str, Any], changes: Mapping[str, Any], by: By
) -> None:
    """Write the values of a version, and what it changed: from each name to ``before`` and ``after``."""
    values = {"version": version, "chosen": dict(chosen)}
    statement = upsert(connection, own_settings).values(owner_id=owner.id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["owner_id"], set_=values))
    connection.execute(
        insert(setting_versions).values(
            owner_id=owner.id,
            version=version,
            account_id=owner.account_id,
            channel_id=owner.channel_id,
            at=by.now,
            actor=by.actor,
            changes=dict(changes),
        )
    )


def versions_of(connection: Connection, owner_id: str, limit: int) -> list[SettingVersion]:
    """The versions of a channel's or account's settings, newest first."""
    query = select(setting_versions).where(setting_versions.c.owner_id == owner_id)
    rows = connection.execute(query.order_by(setting_versions.c.version.desc()).limit(limit))
    return [SettingVersion(row.version, from_micros(row.at), row.actor, row.changes) for row in rows]
