"""The desk on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from broker.operations.values import (
    ChannelRow,
    KeyHolder,
    KeyRow,
    LogFilter,
    LogRow,
    MessageFilter,
    MessageLife,
    MessageRow,
    NewChannel,
    NewKey,
    RejectedRow,
    ScheduleRow,
    Statistics,
)
from domain.channels import Account, ChannelSettings
from domain.moments import Clock, to_micros, utc_now
from domain.periods import Period
from storage.database import Database
from storage.desk import actions, keys, life, lookups, overview, setup
from storage.desk.switching import switch_account
from storage.directory import Directory
from storage.settings.own import By
from storage.settings.scene import Fields
from storage.settings.sql_settings import SqlSettings
from storage.vault import Vault
from storage.warehouses import SqlWarehouses

T = TypeVar("T")


class SqlDesk:
    """:class:`broker.operations.Desk` on SQLite or PostgreSQL. ``version_of`` tells a platform's connector version."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        vault: Vault,
        version_of: Callable[[str], str],
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._directory = directory
        self._vault = vault
        self._version_of = version_of
        self._clock = clock
        self.settings = SqlSettings(database, directory, clock)
        self.warehouses = SqlWarehouses(database, clock)

    def _now(self) -> int:
        return to_micros(self._clock())

    async def _change(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.awrite(work)
        finally:
            self._directory.forget()

    async def create_organization(self, name: str, *, actor: str = "installation") -> str:
        """A new organization; its id."""
        return await self._change(partial(setup.create_organization, name=name, now=self._now(), actor=actor))

    async def create_account(
        self, organization_id: str, code: str, name: str, timezone: str, *, actor: str = "installation"
    ) -> str:
        """A new account; its id."""
        now = self._now()
        return await self._change(
            lambda connection: setup.create_account(connection, organization_id, code, name, timezone, now, actor=actor)
        )

    async def switch_account(
        self, code: str, *, enabled: bool, at: datetime | None = None, actor: str = "installation"
    ) -> None:
        """Disable an account, at once or at a set time, or enable it."""
        now, then = self._now(), to_micros(at) if at is not None else None
        await self._change(lambda connection: switch_account(connection, code, enabled, then, now, actor))

    async def organizations(self) -> Mapping[str, str]:
        """All organizations: id to name."""
        return await self._database.aanswer(overview.organization_names)

    async def accounts(self) -> Sequence[Account]:
        """All accounts, by code."""
        return await self._database.aanswer(self._directory.accounts)

    async def create_channel(
        self, new: NewChannel, *, fields: Fields | None = None, actor: str = "installation"
    ) -> str:
        """A new channel; its id."""
        work = partial(setup.create_channel, vault=self._vault, new=new, now=self._now(), actor=actor, fields=fields)
        return await self._change(work)

    async def rename_channel(self, account: str, channel: str, name: str, *, actor: str) -> None:
        """Give a channel another name."""
        where, by = (account, channel), By(actor, self._now())
        await self._change(lambda connection: life.rename(connection, where, name, by))

    async def move_channel(self, account: str, channel: str, domain: str, token: str, *, actor: str) -> None:
        """Connect a channel to another shop domain, with a token for it."""
        where, by = (account, channel), By(actor, self._now())
        await self._change(lambda connection: life.move(connection, self._vault, where, domain, token, by))

    async def delete_channel(self, account: str, channel: str, *, actor: str) -> int:
        """Delete a channel; how many waiting deliveries that closed."""
        where, by = (account, channel), By(actor, self._now())
        return await self._change(lambda connection: life.remove(connection, where, by))

    async def change_channel(
        self,
        account: str,
        channel: str,
        *,
        enabled: bool | None = None,
        token: str | None = None,
        settings: ChannelSettings | None = None,
        actor: str = "installation",
    ) -> None:
        """Enable or disable, set a new token, replace settings."""
        now = self._now()
        await self._change(
            lambda connection: setup.change_channel(
                connection, self._vault, (account, channel), (enabled, token, settings), now, actor
            )
        )

    async def channels(self, account: str | None) -> Sequence[ChannelRow]:
        """The channels of an account, or all."""
        now = self._now()
        return await self._database.aanswer(
            lambda connection: overview.channel_rows(connection, self._directory, account, self._version_of, now)
        )

    async def create_key(
        self, account: str, scopes: Sequence[str], *, name: str = "", actor: str = "installation"
    ) -> NewKey:
        """A new API key."""
        work = partial(keys.create_key, account=account, scopes=scopes, now=self._now(), actor=actor, name=name)
        return await self._change(work)

    async def keys(self, account: str) -> Sequence[KeyRow]:
        """The API keys of an account."""
        return await self._database.aanswer(partial(keys.listed, account=account))

    async def rotate_key(
        self, account: str, key: str, *, grace: timedelta = timedelta(0), actor: str = "installation"
    ) -> NewKey:
        """A new API key in the place of an old one."""
        now = self._now()
        return await self._change(lambda connection: keys.rotate_key(connection, (account, key), grace, now, actor))

    async def revoke_key(self, account: str, key: str, *, actor: str = "installation") -> None:
        """Stop an API key at once."""
        now = self._now()
        await self._change(lambda connection: keys.revoke_key(connection, (account, key), now, actor))

    async def key_holder(self, secret: str) -> KeyHolder | None:
        """Who a key speaks for."""
        return await self._database.aread(partial(keys.key_holder, secret=secret, now=self._now()))

    async def set_schedule(
        self, account: str, channel: str, job: str, period: Period, *, actor: str = "installation"
    ) -> None:
        """How often a job runs."""
        where, now = (account, channel), self._now()
        await self._change(lambda connection: setup.set_schedule(connection, where, job, period, now, actor=actor))

    async def schedules(self, account: str | None) -> Sequence[ScheduleRow]:
        """Recurring jobs with their last and next run."""
        now = self._clock()
        return await self._database.aanswer(
            lambda connection: overview.schedule_rows(connection, self._directory, account, now)
        )

    async def jobs(self, account: str, channel: str, names: Sequence[str]) -> Sequence[ScheduleRow]:
        """These jobs of a channel, also those without a schedule."""
        where, now = (account, channel), self._clock()
        return await self._database.aanswer(
            lambda connection: overview.job_rows(connection, self._directory, where, names, now)
        )

    async def run_now(self, account: str, channel: str, job: str, *, actor: str = "installation") -> str:
        """Queue one manual run of a job; the message id."""
        now = self._now()
        return await self._change(
            lambda connection: actions.run_now(connection, self._directory, (account, channel), job, now, actor)
        )

    async def logs(self, wanted: LogFilter) -> Sequence[LogRow]:
        """Sync log rows."""
        return await self._database.aanswer(partial(lookups.logs, wanted=wanted))

    async def messages(self, wanted: MessageFilter) -> Sequence[MessageRow]:
        """Messages, newest first."""
        return await self._database.aanswer(partial(lookups.messages_of, wanted=wanted))

    async def message(self, message_id: str) -> MessageLife | None:
        """The whole life of a message."""
        return await self._database.aanswer(partial(lookups.message, message_id=message_id))

    async def rejected(self, limit: int) -> Sequence[RejectedRow]:
        """What could not become a message."""
        return await self._database.aanswer(partial(lookups.rejected, limit=limit))

    async def replay(self, delivery_ids: Sequence[str], *, actor: str = "installation") -> int:
        """Open final deliveries again, release waiting ones."""
        return await self._change(partial(actions.replay, delivery_ids=delivery_ids, now=self._now(), actor=actor))

    async def discard(self, delivery_ids: Sequence[str], reason: str, *, actor: str = "installation") -> int:
        """Close deliveries for good."""
        now = self._now()
        return await self._change(lambda connection: actions.discard(connection, delivery_ids, reason, now, actor))

    async def announcements(self, account: str | None, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """What the OMS was or is to be told."""
        return await self._database.aanswer(partial(overview.announcements, account=account, after=after, limit=limit))

    async def statistics(self) -> Statistics:
        """Numbers of the whole installation."""
        return await self._database.aanswer(partial(overview.statistics, now=self._now()))
