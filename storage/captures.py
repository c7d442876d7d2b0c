"""Manual logging as people see it: the switch of each channel and job, and what was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Row, select, update

from broker.operations.captures import CaptureFilter, CaptureRow, LoggedJob
from domain.access import Place
from domain.captures import logging_time
from domain.channels import Channel
from domain.moments import Clock, from_micros, iso, to_micros, utc_now
from storage.capture_tables import call_captures
from storage.database import Database
from storage.directory import Directory
from storage.people.audit import Change, append
from storage.sql import locking
from storage.tables import accounts, channels


class SqlCaptures:
    """:class:`broker.operations.captures.Captures` on the database."""

    def __init__(self, database: Database, directory: Directory, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock

    async def switch_on(self, account: str, channel: str, job: str, time: timedelta, *, actor: str) -> LoggedJob:
        """Keep the API calls of a job for a time from now."""
        now = self._clock()
        until = now + logging_time(time)
        await self._switch((account, channel), job, to_micros(until), actor)
        return LoggedJob(account, channel, job, until)

    async def switch_off(self, account: str, channel: str, job: str, *, actor: str) -> None:
        """Keep no more."""
        await self._switch((account, channel), job, None, actor)

    async def _switch(self, where: tuple[str, str], job: str, until: int | None, actor: str) -> None:
        now = to_micros(self._clock())

        def work(connection: Connection) -> None:
            known = self._directory.named(connection, [where], fresh=True)
            account, channel = known.account(where[0]), known.channel(*where)
            query = select(channels.c.manual_logging).where(channels.c.id == channel.id)
            stored: Mapping[str, int] = from_json(connection.scalar(locking(connection, query)) or "{}")
            chosen = {name: at for name, at in stored.items() if name != job and at > now}
            if until is not None:
                chosen[job] = until
            json = to_json(chosen).decode() if chosen else ""
            connection.execute(update(channels).where(channels.c.id == channel.id).values(manual_logging=json))
            detail = {"job": job} if until is None else {"job": job, "until": iso(from_micros(until))}
            action = "manual_logging.off" if until is None else "manual_logging.on"
            place = Place(account.organization_id, account.id)
            append(connection, Change(actor, action, "channel:" + "/".join(where), place, detail), now)

        try:
            await self._database.awrite(work)
        finally:
            self._directory.forget()

    async def logged_jobs(self, account: str | None) -> Sequence[LoggedJob]:
        """The jobs for which manual logging is on."""
        now = self._clock()

        def work(connection: Connection) -> list[LoggedJob]:
            return [
                LoggedJob(channel.account, channel.code, job, until)
                for channel in self._members(connection, account)
                for job, until in sorted(channel.manual_logging)
                if until > now
            ]

        return await self._database.aanswer(work)

    def _members(self, connection: Connection, account: str | None) -> Sequence[Channel]:
        if account is None:
            return tuple(self._directory.everything(connection).by_id.values())
        known = self._directory.named(connection, [(account, None)], fresh=True)
        return known.of_account[known.account(account).code]

    async def captures(self, wanted: CaptureFilter) -> Sequence[CaptureRow]:
        """What was kept, newest first; nothing whose time is over."""
        now = to_micros(self._clock())

        def work(connection: Connection) -> list[CaptureRow]:
            query = select(call_captures, accounts.c.code.label("account"), channels.c.code.label("channel"))
            query = query.join(channels, channels.c.id == call_captures.c.channel_id)
            query = query.join(accounts, accounts.c.id == call_captures.c.account_id)
            equal = {
                accounts.c.code: wanted.account,
                channels.c.code: wanted.channel,
                call_captures.c.job_type: wanted.job,
                call_captures.c.business_key: wanted.business_key,
                call_captures.c.message_id: wanted.message_id,
            }
            query = query.where(*(column == value for column, value in equal.items() if value is not None))
            query = query.where(call_captures.c.expires_at > now).order_by(call_captures.c.id.desc())
            return [_row(row) for row in connection.execute(query.limit(wanted.limit))]

        return await self._database.aanswer(work)


def _row(row: Row[Any]) -> CaptureRow:
    return CaptureRow(
        id=row.id,
        account=row.account,
        channel=row.channel,
        job=row.job_type,
        at=from_micros(row.at),
        expires_at=from_micros(row.expires_at),
        message_id=row.message_id,
        delivery_id=row.delivery_id,
        business_key=row.business_key,
        about=row.about,
        method=row.method,
        path=row.path,
        status=row.status,
        request=row.request,
        response=row.response,
    )
