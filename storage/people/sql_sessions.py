"""Sessions on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from broker.operations.people import Allow, User, anyone
from broker.operations.sessions import NewSession, OpenSession, Session
from domain.channels import Account
from domain.errors import InputError, StorageUnavailable
from domain.moments import Clock, to_micros
from domain.people import clean_email
from storage.database import Database
from storage.people import sessions, tries
from storage.settings.own import By

_SEEN_EVERY = 60_000_000
"""Microseconds between two notes that a session is in use: reading must not cost a write each time."""


class SqlSessions:
    """:class:`broker.operations.sessions.Sessions` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def _now(self) -> int:
        return to_micros(self._clock())

    async def attempt(self, name: str, address: str) -> int:
        """Count a try to sign in; 0, or the seconds to wait."""
        return await self._database.awrite(partial(tries.attempt, email=name, address=address, now=self._now()))

    async def begin(self, user: User, name: str, address: str) -> NewSession | None:
        """A session of a user whose password fitted."""
        token, now = f"ts_{secrets.token_urlsafe(32)}", self._now()

        def work(connection: Connection) -> Session | None:
            tries.succeeded(connection, name, address)
            return sessions.begin(connection, user.id, token, now)

        begun = await self._database.awrite(work)
        return NewSession(token, begun) if begun else None

    async def refuse(self, name: str) -> None:
        """Note in the audit that a try failed."""
        try:
            email = clean_email(name)
        except InputError:
            email = ""
        await self._database.awrite(partial(sessions.refuse, email=email, now=self._now()))

    async def find(self, token: str) -> Session | None:
        """Whose session it is. While the database cannot write, sessions in use go on."""
        now = self._now()
        found = await self._database.aread(partial(sessions.find, token=token, now=now))
        if found is None:
            return None
        session, seen_at = found
        if now - seen_at >= _SEEN_EVERY:
            with contextlib.suppress(StorageUnavailable):
                await self._database.awrite(partial(sessions.see, session_id=session.id, now=now))
        return session

    async def end(self, token: str, *, everywhere: bool = False) -> None:
        """Sign out."""
        await self._database.awrite(partial(sessions.end, token=token, everywhere=everywhere, now=self._now()))

    async def of_user(self, user_id: str) -> Sequence[OpenSession]:
        """The sessions of a user that are not over."""
        return await self._database.aanswer(partial(sessions.of_user, user_id=user_id, now=self._now()))

    async def close(
        self, user_id: str, *, only: str | None = None, but: str | None = None, allow: Allow = anyone, actor: str
    ) -> int:
        """End sessions of a user."""
        chosen, by = (only, but), By(actor, self._now())
        return await self._database.awrite(lambda connection: sessions.close(connection, user_id, chosen, allow, by))

    async def account(self, code: str) -> Account | None:
        """An account as it stands now."""
        return await self._database.aread(partial(sessions.account, code=code, now=self._now()))

    async def accounts(self, session: Session) -> Sequence[Account]:
        """The accounts that any role of the user covers."""
        grants = session.user.grants
        return await self._database.aanswer(partial(sessions.covered, grants=grants, now=self._now()))
