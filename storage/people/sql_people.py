"""People on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from broker.operations.people import (
    Allow,
    AuditFilter,
    AuditRow,
    ChainReport,
    NewUser,
    User,
    anyone,
)
from domain.access import Grant
from domain.errors import InputError, UnknownName
from domain.moments import Clock, to_micros, utc_now
from domain.people import LONGEST_PASSWORD, check_password, clean_email
from storage.database import Database
from storage.people import audit, passwords, users
from storage.people.sql_sessions import SqlSessions


class SqlPeople:
    """:class:`broker.operations.People` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self.sessions = SqlSessions(database, clock)

    def _now(self) -> int:
        return to_micros(self._clock())

    async def create_user(self, new: NewUser, *, actor: str = "installation") -> str:
        """A new user, who cannot sign in before a password is set; its id."""
        return await self._database.awrite(partial(users.create, new=new, now=self._now(), actor=actor))

    async def set_password(
        self, user_id: str, password: str, *, allow: Allow = anyone, actor: str = "installation"
    ) -> None:
        """Set a password, stored as its hash alone."""

        def checked(user: User) -> None:
            allow(user)
            check_password(password, user.email)

        made = await asyncio.to_thread(passwords.hashed, password[: LONGEST_PASSWORD + 1])
        now = self._now()
        await self._database.awrite(
            lambda connection: users.set_password_hash(connection, user_id, made, checked, now, actor)
        )

    async def verify_password(self, email: str, password: str) -> User | None:
        """Who signs in with it."""
        try:
            address = clean_email(email)
        except InputError:
            address = ""
        found = await self._database.aread(partial(users.by_email, email=address))
        user, stored = found or (None, None)
        fits = await asyncio.to_thread(passwords.matches, password[: LONGEST_PASSWORD + 1], stored)
        if user is None or stored is None or not fits or user.disabled_at is not None:
            return None
        if passwords.outdated(stored):
            made = await asyncio.to_thread(passwords.hashed, password)
            await self._database.awrite(partial(users.renew_hash, user_id=user.id, known=stored, made=made))
        return user

    async def set_enabled(
        self, user_id: str, enabled: bool, *, allow: Allow = anyone, actor: str = "installation"
    ) -> None:
        """Let a user sign in, or no longer."""
        now = self._now()
        await self._database.awrite(lambda connection: users.switch(connection, user_id, enabled, allow, now, actor))

    async def change_user(
        self,
        user_id: str,
        *,
        name: str | None = None,
        email: str | None = None,
        allow: Allow = anyone,
        actor: str = "installation",
    ) -> None:
        """Set name and e-mail address."""
        given, now = (name, email), self._now()
        await self._database.awrite(lambda connection: users.change(connection, user_id, given, allow, now, actor))

    async def grant(self, user_id: str, grant: Grant, *, actor: str = "installation") -> None:
        """Give a role."""
        now = self._now()
        await self._database.awrite(lambda connection: users.give(connection, user_id, grant, now, actor))

    async def revoke(self, user_id: str, grant: Grant, *, actor: str = "installation") -> None:
        """Take a role away."""
        now = self._now()
        await self._database.awrite(lambda connection: users.take(connection, user_id, grant, now, actor))

    async def user(self, email: str) -> User:
        """The user of an address, or of an id."""
        if "@" in email:
            row = await self._database.aanswer(partial(users.by_email, email=clean_email(email)))
            found = row[0] if row else None
        else:
            found = await self._database.aanswer(partial(users.by_id, user_id=email))
        if found is None:
            raise UnknownName("There is no such user.", code="unknown_user")
        return found

    async def users(self, organization_id: str | None = None) -> Sequence[User]:
        """The users of an organization, or all."""
        return await self._database.aanswer(partial(users.listed, organization_id=organization_id))

    async def audit(self, wanted: AuditFilter) -> Sequence[AuditRow]:
        """Audit rows, newest first."""
        return await self._database.aanswer(partial(audit.rows, wanted=wanted))

    async def verify(self, noted: str | None = None) -> ChainReport:
        """Whether the audit is as it was written; read in pieces, so that other questions come in between."""
        chain = audit.Chain(noted)
        while found := await self._database.aanswer(partial(audit.stored, after=chain.position)):
            chain.follow(found)
            if chain.broken:
                break
        return chain.report
