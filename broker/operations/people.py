"""People and the audit: plain values, and the seam between the rules for people and the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from domain.access import Actor, Grant

if TYPE_CHECKING:
    from broker.operations.sessions import Sessions


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in. ``email`` is in lower case; without ``has_password`` nobody can."""

    id: str
    organization_id: str
    email: str
    name: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class NewUser:
    """What making a user takes; roles may follow later."""

    organization_id: str
    email: str
    name: str
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit rows; everything given must match. ``before`` is the ``seq`` to go on from; newest first."""

    organization_id: str | None = None
    account_id: str | None = None
    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change: who (``actor``) did what (``action``) to what (``object``, as ``kind:name``).

    ``account`` is the code of the account; it and both ids are ``None`` where a change belongs to none.
    """

    seq: int
    id: str
    at: datetime
    actor: str
    organization_id: str | None
    account_id: str | None
    account: str | None
    action: str
    object: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Whether the audit is as it was written: ``rows`` good ones from the first on, and the hash of the last of them.

    ``sentence`` says so, or names the first row that does not fit.
    """

    intact: bool
    rows: int
    last_hash: str
    sentence: str


Allow = Callable[[User], None]
"""Raises NotAllowed or UnknownName where the user may not be changed; asked in the transaction of the change."""


def anyone(user: User) -> None:
    """Allows every change."""


def actor_of(user: User) -> Actor:
    """Who acts when this user does something: audit and sync log write its id, which tells no stranger a name."""
    return Actor.person(f"user:{user.id}", user.grants)


class People(Protocol):
    """Reads and changes of users, roles and audit; each change appends its audit row in its own transaction.

    Every method may raise StorageUnavailable; those that name something raise UnknownName when it does not exist, and
    InputError when it cannot be. They change what they are told to: who may is for
    :class:`broker.operations.staff.Staff` to say.
    """

    @property
    def sessions(self) -> Sessions:
        """Sessions of these users."""

    async def create_user(self, new: NewUser, *, actor: str = "installation") -> str:
        """A new user, who cannot sign in before a password is set; its id."""

    async def set_password(
        self, user_id: str, password: str, *, allow: Allow = anyone, actor: str = "installation"
    ) -> None:
        """Set a password, stored as its hash alone. Raises InputError for a weak one."""

    async def verify_password(self, email: str, password: str) -> User | None:
        """Who signs in with it; ``None``, after as much work, where nobody does: unknown, disabled or wrong."""

    async def set_enabled(
        self, user_id: str, enabled: bool, *, allow: Allow = anyone, actor: str = "installation"
    ) -> None:
        """Let a user sign in, or no longer. Raises InputError for the last owner of an organization."""

    async def change_user(
        self,
        user_id: str,
        *,
        name: str | None = None,
        email: str | None = None,
        allow: Allow = anyone,
        actor: str = "installation",
    ) -> None:
        """Set name and e-mail address; with another address all sessions of the user end."""

    async def grant(self, user_id: str, grant: Grant, *, actor: str = "installation") -> None:
        """Give a role. Raises InputError where the user has it already."""

    async def revoke(self, user_id: str, grant: Grant, *, actor: str = "installation") -> None:
        """Take a role away. Raises InputError where the user has it not, or for the last owner of an organization."""

    async def user(self, email: str) -> User:
        """The user of an e-mail address, or of an id."""

    async def users(self, organization_id: str | None = None) -> Sequence[User]:
        """The users of an organization, or all, by e-mail address."""

    async def audit(self, wanted: AuditFilter) -> Sequence[AuditRow]:
        """Audit rows, newest first."""

    async def verify(self, noted: str | None = None) -> ChainReport:
        """Whether the audit is as it was written, and still has the row whose hash was ``noted`` as the last once."""
