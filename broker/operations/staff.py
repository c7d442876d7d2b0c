"""Users, roles, accounts and the audit, with the rules of who may (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from broker.operations.desk import Desk
from broker.operations.people import Allow, AuditFilter, AuditRow, ChainReport, NewUser, People, User
from broker.operations.sessions import OpenSession
from domain.access import (
    Action,
    Actor,
    Decision,
    Grant,
    Installation,
    NotAllowed,
    Place,
    ensure,
    judge,
    may_grant,
)
from domain.channels import Account
from domain.errors import UnknownName

Accounts = Mapping[str, Account]
"""Accounts by id."""


class Staff:
    """What people do with people: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, and UnknownName where there is nothing of that name or ``by``
    must not learn that there is; and what :class:`People` raises.
    """

    def __init__(self, people: People, desk: Desk) -> None:
        self._people = people
        self._desk = desk

    async def add(self, by: Actor, new: NewUser) -> str:
        """A new user with the roles that ``by`` may give; its id. Without a role it takes the whole organization."""
        accounts = await self._accounts()
        if not new.grants:
            ensure(by, Action.EDIT_USERS, Place(new.organization_id), absent=_no_organization(new.organization_id))
        for grant in new.grants:
            _ensure_may_grant(by, grant, accounts)
        return await self._people.create_user(new, actor=by.name)

    async def users(self, by: Actor, organization_id: str | None = None) -> list[User]:
        """Those of whose roles ``by`` may change at least one, by e-mail address."""
        accounts = await self._accounts()
        found = await self._people.users(organization_id)
        return [user for user in found if Decision.ALLOWED in _decisions(by, user, accounts)]

    async def user(self, by: Actor, user: str) -> User:
        """The user of an e-mail address or an id, of whose roles ``by`` may change at least one."""
        found = await self._people.user(user)
        decisions = _decisions(by, found, await self._accounts())
        if decisions == {Decision.HIDDEN}:
            raise _no_user()
        if Decision.ALLOWED not in decisions:
            raise NotAllowed("Not allowed here: to see and edit users takes an administrator.")
        return found

    async def change(self, by: Actor, user: str, *, name: str | None = None, email: str | None = None) -> None:
        """Set name and e-mail address of a user all of whose roles ``by`` may give."""
        found, allow = await self._changeable(by, user)
        await self._people.change_user(found.id, name=name, email=email, allow=allow, actor=by.name)

    async def set_password(self, by: Actor, email: str, password: str) -> None:
        """Set the password of a user all of whose roles ``by`` may give."""
        user, allow = await self._changeable(by, email)
        await self._people.set_password(user.id, password, allow=allow, actor=by.name)

    async def set_enabled(self, by: Actor, email: str, enabled: bool) -> None:
        """Let a user sign in, or no longer, all of whose roles ``by`` may give."""
        user, allow = await self._changeable(by, email)
        await self._people.set_enabled(user.id, enabled, allow=allow, actor=by.name)

    async def sessions(self, by: Actor, user: str) -> Sequence[OpenSession]:
        """The open sessions of a user all of whose roles ``by`` may give, the last used first."""
        found, allow = await self._changeable(by, user)
        allow(found)
        return await self._people.sessions.of_user(found.id)

    async def end_sessions(self, by: Actor, user: str, only: str | None = None) -> int:
        """End all sessions of a user all of whose roles ``by`` may give, or ``only`` this one; how many."""
        found, allow = await self._changeable(by, user)
        return await self._people.sessions.close(found.id, only=only, allow=allow, actor=by.name)

    async def grant(self, by: Actor, email: str, grant: Grant) -> None:
        """Give a role that ``by`` may give."""
        user = await self._seen(by, email, grant)
        await self._people.grant(user.id, grant, actor=by.name)

    async def revoke(self, by: Actor, email: str, grant: Grant) -> None:
        """Take away a role that ``by`` may give."""
        user = await self._seen(by, email, grant)
        await self._people.revoke(user.id, grant, actor=by.name)

    async def switch_account(self, by: Actor, code: str, enabled: bool, at: datetime | None = None) -> None:
        """Disable an account, now or at a set time, or enable it: see :meth:`Desk.switch_account`."""
        absent = UnknownName(f"There is no account {code!r}.", code="unknown_account")
        account = next((each for each in await self._desk.accounts() if each.code == code), None)
        if account is None:
            raise absent
        place = Place(account.organization_id, account.id)
        ensure(by, Action.SWITCH_ACCOUNT, place, account_enabled=account.enabled, absent=absent)
        await self._desk.switch_account(code, enabled=enabled, at=at, actor=by.name)

    async def audit(self, by: Actor, wanted: AuditFilter) -> Sequence[AuditRow]:
        """Audit rows of an organization or an account, newest first; of everything for the installation alone."""
        if not isinstance(by.holds, Installation):
            place = Place(wanted.organization_id or "", wanted.account_id)
            enabled = _enabled(await self._accounts(), wanted.account_id)
            ensure(by, Action.READ_AUDIT, place, account_enabled=enabled)
        return await self._people.audit(wanted)

    async def verify_audit(
        self, by: Actor, noted: str | None = None, *, organization_id: str | None = None
    ) -> ChainReport:
        """Whether the audit is as it was written (see :meth:`People.verify`). It is one for the whole installation:
        anybody who reads that of an organization may have it checked, and hears no more than the answer.
        """
        if organization_id is not None:
            ensure(by, Action.READ_AUDIT, Place(organization_id))
        elif not isinstance(by.holds, Installation):
            raise NotAllowed("The audit is of the whole installation: check it with 'towpath audit verify'.")
        return await self._people.verify(noted)

    async def _accounts(self) -> Accounts:
        return {account.id: account for account in await self._desk.accounts()}

    async def _changeable(self, by: Actor, email: str) -> tuple[User, Allow]:
        """The user, and the question whether ``by`` may still change how it signs in."""
        accounts = await self._accounts()

        def allow(user: User) -> None:
            _ensure_may_change(by, user, accounts)

        return await self._people.user(email), allow

    async def _seen(self, by: Actor, email: str, grant: Grant) -> User:
        """The user, to whom ``by`` may give this role."""
        accounts = await self._accounts()
        _ensure_may_grant(by, grant, accounts)
        user = await self._people.user(email)
        if user.organization_id != grant.organization_id:
            raise _no_user()
        return user


def _ensure_visible(by: Actor, user: User, accounts: Accounts) -> None:
    if all(decision is Decision.HIDDEN for decision in _decisions(by, user, accounts)):
        raise _no_user()


def _ensure_may_change(by: Actor, user: User, accounts: Accounts) -> None:
    _ensure_visible(by, user, accounts)
    for grant in user.grants:
        if judge(by, Action.EDIT_USERS, grant.place) is Decision.HIDDEN:
            raise NotAllowed(
                "Not allowed here: this user has roles in other places of the organization too. Ask its owner or an "
                "administrator of it."
            )
        _ensure_may_grant(by, grant, accounts)
    if not user.grants:
        ensure(by, Action.EDIT_USERS, Place(user.organization_id))


def _ensure_may_grant(by: Actor, grant: Grant, accounts: Accounts) -> None:
    enabled = _enabled(accounts, grant.account_id)
    ensure(by, Action.EDIT_USERS, grant.place, account_enabled=enabled)
    if not may_grant(by, grant, account_enabled=enabled):
        raise NotAllowed(
            f"Not allowed here: to make or unmake one who is {grant.role.title.lower()} takes all that this role may. "
            f"Ask an organization owner."
        )


def _decisions(by: Actor, user: User, accounts: Accounts) -> set[Decision]:
    """What ``by`` may do about users in the places where the user has roles, and in its organization."""
    places = {Place(user.organization_id), *(grant.place for grant in user.grants)}
    return {
        judge(by, Action.EDIT_USERS, place, account_enabled=_enabled(accounts, place.account_id)) for place in places
    }


def _enabled(accounts: Accounts, account_id: str | None) -> bool:
    return account_id is None or account_id not in accounts or accounts[account_id].enabled


def _no_user() -> UnknownName:
    return UnknownName("There is no such user.", code="unknown_user")


def _no_organization(organization_id: str) -> UnknownName:
    return UnknownName(f"There is no organization {organization_id!r}.", code="unknown_organization")
