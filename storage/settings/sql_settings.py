"""Settings on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, select

from broker.operations.settings import Held, ManifestOf, SettingVersion
from domain.errors import UnknownName
from domain.moments import Clock, to_micros, utc_now
from domain.settings import Changes
from storage.care.hooks import missing_hook
from storage.database import Database
from storage.directory import Directory
from storage.settings import account_settings, channel_settings
from storage.settings.own import By, versions_of
from storage.settings.scene import account_row, scene_of
from storage.tables import channels

T = TypeVar("T")


class SqlSettings:
    """:class:`broker.operations.settings.SettingsDesk` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, directory: Directory, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock

    async def _change(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.awrite(work)
        finally:
            self._directory.forget()

    def _by(self, actor: str) -> By:
        return By(actor, to_micros(self._clock()))

    async def channel_settings(self, account: str, channel: str, manifest_of: ManifestOf) -> Held:
        """What counts on a channel."""

        def work(connection: Connection) -> Held:
            scene = scene_of(connection, (account, channel))
            platform = scene.channel.platform
            values = scene.values(manifest_of(platform).fields)
            notes = scene.notes(values)
            told = missing_hook(connection, scene.channel.id, (account, channel), values["automation"].value)
            return Held(scene.own.version, values, {**notes, "automation": told} if told else notes, platform)

        return await self._database.aanswer(work)

    async def put_channel_settings(
        self, where: tuple[str, str], changes: Changes, manifest_of: ManifestOf, *, actor: str
    ) -> int:
        """Change settings of a channel."""
        by = self._by(actor)
        return await self._change(
            lambda connection: channel_settings.put(connection, where, changes, by, manifest_of=manifest_of)
        )

    async def account_settings(self, account: str) -> Held:
        """The settings of an account."""
        return await self._database.aanswer(lambda connection: account_settings.held(connection, account))

    async def put_account_settings(self, account: str, changes: Changes, manifest_of: ManifestOf, *, actor: str) -> int:
        """Change settings of an account."""
        by = self._by(actor)
        return await self._change(
            lambda connection: account_settings.put(connection, account, changes, manifest_of, by)
        )

    async def setting_versions(self, account: str, channel: str | None, limit: int) -> Sequence[SettingVersion]:
        """Who changed what, newest first."""

        def work(connection: Connection) -> Sequence[SettingVersion]:
            owner = account_row(connection, account).id
            if channel is not None:
                query = select(channels.c.id).where(channels.c.account_id == owner, channels.c.code == channel)
                owner = connection.scalar(query)
            if owner is None:
                raise UnknownName(f"Account {account!r} has no channel {channel!r}.", code="unknown_channel")
            return versions_of(connection, owner, limit)

        return await self._database.aanswer(work)
