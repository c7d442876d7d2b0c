"""API keys, with the rules of who may (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from broker.operations.desk import Desk
from broker.operations.values import KeyRow, NewKey
from domain.access import Action, Actor, Place, ensure
from domain.errors import UnknownName


class KeyRing:
    """What people do with the API keys of an account: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, and UnknownName where there is nothing of that name or ``by``
    must not learn that there is; and what :class:`Desk` raises.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def listed(self, by: Actor, account: str) -> Sequence[KeyRow]:
        """The keys of an account, revoked ones too, newest first; never their secrets."""
        await self._ensure(by, account)
        return await self._desk.keys(account)

    async def create(self, by: Actor, account: str, scopes: Sequence[str], name: str = "") -> NewKey:
        """A new key; its secret is told this once."""
        await self._ensure(by, account)
        return await self._desk.create_key(account, scopes, name=name, actor=by.name)

    async def rotate(self, by: Actor, account: str, key: str, grace: timedelta = timedelta(0)) -> NewKey:
        """A new key like an old one, which works on for ``grace`` (up to a week)."""
        await self._ensure(by, account)
        return await self._desk.rotate_key(account, key, grace=grace, actor=by.name)

    async def revoke(self, by: Actor, account: str, key: str) -> None:
        """Stop a key; no process takes it for longer than a second more."""
        await self._ensure(by, account)
        await self._desk.revoke_key(account, key, actor=by.name)

    async def _ensure(self, by: Actor, code: str) -> None:
        absent = UnknownName(f"There is no account {code!r}.", code="unknown_account")
        account = next((each for each in await self._desk.accounts() if each.code == code), None)
        if account is None:
            raise absent
        place = Place(account.organization_id, account.id)
        ensure(by, Action.EDIT_KEYS, place, account_enabled=account.enabled, absent=absent)
