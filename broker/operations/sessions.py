"""Sessions of people: signing in and out, with the limits of trying (domain rules: :mod:`domain.sign_in`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from broker.operations.people import Allow, User, actor_of, anyone
from domain.access import Actor
from domain.channels import Account
from domain.errors import InputError, TowpathError

if TYPE_CHECKING:
    from broker.operations.people import People


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, until ``expires_at`` at the latest."""

    id: str
    user: User
    created_at: datetime
    expires_at: datetime

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return actor_of(self.user)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of a user that is not over: ``last_used_at`` is known to the minute, ``expires_at`` is the latest.

    What would let somebody in, its token or the digest of it, is never told; where it comes from is not kept.
    """

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that just began: ``token`` is told this once and stored only as a digest."""

    token: str = field(repr=False)
    session: Session


class TooManyTries(TowpathError):
    """Nobody may try to sign in with this name, or from this address, for ``seconds``."""

    code = "too_many_tries"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many tries to sign in failed. Try again in {seconds} s.")
        self.seconds = seconds


class SignInRefused(TowpathError):
    """Nobody signs in with this: no such user, no password, another password, or a user that is disabled."""

    code = "sign_in_refused"


class Sessions(Protocol):
    """Sessions and tries as the database keeps them, for all processes together. Each method may raise
    StorageUnavailable.
    """

    async def attempt(self, name: str, address: str) -> int:
        """Count a try to sign in before it is made, so that many at once are counted too; 0, or the seconds to wait
        (then it is not counted and must not be made).
        """

    async def begin(self, user: User, name: str, address: str) -> NewSession | None:
        """A session of a user whose password fitted, which forgets the failures of the name; ``None`` where the user
        was disabled meanwhile.
        """

    async def refuse(self, name: str) -> None:
        """Note in the audit that a try failed."""

    async def find(self, token: str) -> Session | None:
        """Whose session it is, used now; ``None`` where there is none, it is over, or its user is disabled."""

    async def end(self, token: str, *, everywhere: bool = False) -> None:
        """Sign out; ``everywhere`` ends all sessions of the user."""

    async def of_user(self, user_id: str) -> Sequence[OpenSession]:
        """The sessions of a user that are not over, the last used first."""

    async def close(
        self, user_id: str, *, only: str | None = None, but: str | None = None, allow: Allow = anyone, actor: str
    ) -> int:
        """End all sessions of a user, ``only`` this one or all ``but`` this one; how many, with one audit row.

        Raises UnknownName for no such user, or no open session ``only`` of this user.
        """

    async def account(self, code: str) -> Account | None:
        """An account as it stands now."""

    async def accounts(self, session: Session) -> Sequence[Account]:
        """The accounts that any role of the user covers, by code."""


class SignIn:
    """What people do with sessions."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._sessions = people.sessions

    async def sign_in(self, email: str, password: str, address: str) -> NewSession:
        """A session of the user with this e-mail address and password; ``address`` is where the try comes from.

        Raises:
            TooManyTries: wait; nothing was tried.
            SignInRefused: nobody signs in with it, whatever the reason.
        """
        user = await self._checked(email, password, address)
        found = await self._sessions.begin(user, email, address)
        if found is None:
            raise await self._refusal(email)
        return found

    async def session(self, token: str) -> Session | None:
        """Whose session it is; ``None`` where nobody is signed in with it."""
        return await self._sessions.find(token)

    async def sign_out(self, token: str, *, everywhere: bool = False) -> None:
        """End a session, or all of its user."""
        await self._sessions.end(token, everywhere=everywhere)

    async def open_sessions(self, session: Session) -> Sequence[OpenSession]:
        """One's own open sessions, this one among them, the last used first."""
        return await self._sessions.of_user(session.user.id)

    async def end_session(self, session: Session, session_id: str) -> None:
        """End one of one's own sessions. Raises UnknownName where it is none, or over."""
        await self._sessions.close(session.user.id, only=session_id, actor=session.actor.name)

    async def end_others(self, session: Session) -> int:
        """End all one's own sessions but this one; how many."""
        return await self._sessions.close(session.user.id, but=session.id, actor=session.actor.name)

    async def change_password(self, session: Session, current: str, new: str, address: str) -> NewSession:
        """Set one's own password; all one's sessions end, and another begins.

        Raises:
            TooManyTries, SignInRefused: as :meth:`sign_in`, of the current password.
            InputError: the new one is weak, or the same.
        """
        user = await self._checked(session.user.email, current, address)
        if new == current:
            raise InputError("This is your password already: choose another.", code="same_password")
        await self._people.set_password(user.id, new, actor=session.actor.name)
        begun = await self._sessions.begin(user, user.email, address)
        if begun is None:
            raise await self._refusal(user.email)
        return begun

    async def account(self, code: str) -> Account | None:
        """An account as it stands now."""
        return await self._sessions.account(code)

    async def accounts(self, session: Session) -> Sequence[Account]:
        """The accounts that any role of the user covers, by code."""
        return await self._sessions.accounts(session)

    async def _checked(self, email: str, password: str, address: str) -> User:
        if seconds := await self._sessions.attempt(email, address):
            raise TooManyTries(seconds)
        user = await self._people.verify_password(email, password)
        if user is None:
            raise await self._refusal(email)
        return user

    async def _refusal(self, email: str) -> SignInRefused:
        await self._sessions.refuse(email)
        return SignInRefused("The e-mail address or the password is wrong, or the user is disabled.")
