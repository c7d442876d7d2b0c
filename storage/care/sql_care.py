"""Retention, hooks and authorizations on a database: each method hands one piece of work to
:class:`storage.database.Database`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from broker.operations.care import HookRow, Received, Retention
from domain.authorization import Tokens
from domain.hooks import Hint
from domain.moments import Clock, to_micros, utc_now
from storage.care import hooks, retention
from storage.care.given import store_given
from storage.database import Database
from storage.desk.codes import account_id, channel_id, place_of
from storage.directory import Directory
from storage.vault import Vault

T = TypeVar("T")


class SqlCare:
    """:class:`broker.operations.care.Care` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, directory: Directory, vault: Vault, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._vault = vault
        self._clock = clock

    async def _change(self, work: Callable[[Connection, int], T]) -> T:
        now = to_micros(self._clock())
        try:
            return await self._database.awrite(lambda connection: work(connection, now))
        finally:
            self._directory.forget()

    async def retention(self, account: str) -> Retention:
        """What counts in an account."""
        return await self._database.aanswer(
            lambda connection: retention.retention(connection, account_id(connection, account), account)
        )

    async def hooks(self, account: str | None) -> Sequence[HookRow]:
        """The hooks of an account, or all."""
        return await self._database.aanswer(lambda connection: hooks.hook_rows(connection, account))

    async def make_hook(self, account: str, channel: str, *, actor: str) -> str:
        """A new secret for the channel's hook."""

        def work(connection: Connection, now: int) -> str:
            made, place = channel_id(connection, account, channel), place_of(connection, account)
            return hooks.make_hook(connection, made, (account, channel), place, now, actor)

        return await self._change(work)

    async def remove_hook(self, account: str, channel: str, *, actor: str) -> None:
        """Take the channel's hook away."""

        def work(connection: Connection, now: int) -> None:
            made, place = channel_id(connection, account, channel), place_of(connection, account)
            hooks.remove_hook(connection, made, (account, channel), place, now, actor)

        await self._change(work)

    async def hooked_platform(self, channel: str, secret: str) -> str | None:
        """The platform of the channel whose hook has this secret."""
        found = await self._database.aread(lambda connection: hooks.channel_of(connection, channel, secret))
        return found[1] if found is not None else None

    async def receive(self, channel: str, secret: str, hint: Hint) -> Received | None:
        """Take a hint that something is new or changed."""
        now = to_micros(self._clock())
        return await self._database.awrite(
            lambda connection: hooks.receive(connection, self._directory, (channel, secret), hint, now)
        )

    async def authorize(self, account: str, channel: str, tokens: Tokens, *, actor: str) -> None:
        """Store tokens that somebody got from the platform."""
        await self._change(
            lambda connection, now: store_given(connection, self._vault, (account, channel), tokens, now, actor)
        )
