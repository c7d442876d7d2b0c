"""The stored side of a renewal under way (see :mod:`broker.renewal`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from domain.authorization import Authorization, Tokens
from domain.channels import Channel
from domain.moments import Clock, to_micros, utc_now
from storage.care import authorization
from storage.database import Database
from storage.directory import Directory
from storage.vault import Vault

T = TypeVar("T")


class SqlRenewals:
    """:class:`broker.renewal.Renewals` on the database."""

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

    async def known(self, channel: Channel) -> Authorization | None:
        """What is stored of a channel's authorization."""
        return await self._database.aread(lambda connection: authorization.known(connection, self._vault, channel))

    async def begin(self, channel: Channel, version: int) -> bool:
        """Note that a renewal begins."""
        return await self._change(lambda connection, _: authorization.begin(connection, channel, version))

    async def store(self, channel: Channel, version: int, tokens: Tokens) -> bool:
        """Store what the platform gave."""
        return await self._change(
            lambda connection, now: authorization.renewed(connection, self._vault, channel, version, tokens, now)
        )

    async def fail(self, channel: Channel, version: int, sentence: str, seconds: float, *, lost: bool) -> None:
        """Count a renewal that failed."""
        await self._change(
            lambda connection, now: authorization.failed(
                connection, channel, version, sentence, seconds, now, lost=lost
            )
        )
