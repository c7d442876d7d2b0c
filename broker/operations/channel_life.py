"""The life of a channel: tested before it is saved, made, edited, deleted (sales channels, section 2)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from pydantic import SecretStr

from broker.bell import Bell
from broker.operations.desk import Desk
from broker.operations.placing import allowed
from broker.operations.values import ChannelRow
from domain.access import Action, Actor
from domain.channels import Channel, ChannelSettings, ConnectorManifest
from domain.errors import InputError, UnknownName
from domain.ports import ConnectionCheck

Connectable = Callable[[str, str, str], str]
"""From platform, domain and token to the domain as it is kept; raises InputError where they cannot be."""
Check = Callable[[Channel], Awaitable[ConnectionCheck]]
_TESTED = "connection-test"
"""Stands where the id of a channel stands that is not saved."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection needs. ``token`` stays out of ``repr``."""

    platform: str
    domain: str
    token: str = field(repr=False)
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelEdit:
    """What is to change of a channel; ``None`` leaves it. A ``domain`` needs a ``token``, which is bound to it."""

    name: str | None = None
    domain: str | None = None
    token: str | None = field(default=None, repr=False)
    enabled: bool | None = None


def connectable(manifest: ConnectorManifest, domain: str, token: str, trusted: Collection[str]) -> str:
    """The shop domain as it is kept, where domain and token can be those of a channel; makes no call.

    ``trusted`` are domains with a port that may be called although they are not public.

    Raises:
        InputError: ``token_missing``, or ``bad_domain``.
    """
    if not token.strip():
        raise InputError("A channel needs an access token.", code="token_missing")
    name = domain.strip().lower().rstrip(".")
    if name not in trusted and not re.match(manifest.domain_pattern, name):
        raise InputError(
            f"{domain!r} is no shop domain of {manifest.title}: give the bare name, without https:// or a path.",
            code="bad_domain",
        )
    return name


class ChannelLife:
    """What people do with channels: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, and UnknownName where there is nothing of that name for ``by``.
    """

    def __init__(self, desk: Desk, connectable: Connectable, check: Check, bell: Bell) -> None:
        self._desk = desk
        self._connectable = connectable
        self._check = check
        self._bell = bell

    async def test(self, by: Actor, account: str, given: Credentials) -> ConnectionCheck:
        """*Test connection* before saving: whether shop and token work and whether the token may write.

        Nothing is stored or changed. Raises InputError for what can be no connection; then no call is made.
        """
        await allowed(self._desk, by, Action.CREATE_CHANNEL, account)
        return await self._try(account, given)

    async def test_edit(self, by: Actor, account: str, channel: str, domain: str | None, token: str) -> ConnectionCheck:
        """The same for a channel that is about to get a new token, or another shop domain and a token for it."""
        await allowed(self._desk, by, Action.EDIT_TOKEN, account)
        row = await self.row(account, channel)
        if domain is not None and domain != row.domain:
            await allowed(self._desk, by, Action.EDIT_SHOP_DOMAIN, account)
        given = Credentials(row.platform, domain or row.domain, token, row.settings.api_version)
        return await self._try(account, given, held=row.held)

    async def _try(self, account: str, given: Credentials, *, held: bool = False) -> ConnectionCheck:
        domain = self._connectable(given.platform, given.domain, given.token)
        settings = ChannelSettings(api_version=given.api_version) if given.api_version else ChannelSettings()
        return await self._check(
            Channel(
                id=_TESTED, account_id="", account=account, code=_TESTED, name="", platform=given.platform,
                domain=domain, token=SecretStr(given.token.strip()), enabled=True, settings=settings, held=held,
            )
        )  # fmt: skip

    async def ensure_may_create(self, by: Actor, account: str) -> None:
        """Check that ``by`` may make channels there."""
        await allowed(self._desk, by, Action.CREATE_CHANNEL, account)

    async def edit(self, by: Actor, account: str, channel: str, edit: ChannelEdit) -> ChannelRow:
        """Change name, Shop Domain, token, or whether it works; the channel afterwards.

        All that is to change is checked first.

        Raises:
            InputError: a domain or token that cannot be, a domain without a token or of another channel, no name.
        """
        await self._ensure_may(by, account, edit)
        row = await self.row(account, channel)
        if edit.name is not None and not (0 < len(edit.name.strip()) <= 200):
            raise InputError("A channel needs a name of up to 200 characters.", code="bad_name")
        domain = self._domain(row, edit)
        if edit.name is not None:
            await self._desk.rename_channel(account, channel, edit.name.strip(), actor=by.name)
        if domain is not None:
            await self._desk.move_channel(account, channel, domain, (edit.token or "").strip(), actor=by.name)
        elif edit.token is not None:
            await self._desk.change_channel(account, channel, token=edit.token.strip(), actor=by.name)
        if edit.enabled is not None:
            await self._desk.change_channel(account, channel, enabled=edit.enabled, actor=by.name)
        self._bell.ring()
        return await self.row(account, channel)

    async def _ensure_may(self, by: Actor, account: str, edit: ChannelEdit) -> None:
        needed = {
            Action.EDIT_CHANNEL: edit.name is not None or edit.enabled is not None,
            Action.EDIT_SHOP_DOMAIN: edit.domain is not None,
            Action.EDIT_TOKEN: edit.token is not None,
        }
        if not any(needed.values()):
            raise InputError("Nothing to change: name what shall be different.", code="nothing_to_change")
        for action, asked in needed.items():
            if asked:
                await allowed(self._desk, by, action, account)

    def _domain(self, row: ChannelRow, edit: ChannelEdit) -> str | None:
        """The new domain as it is kept; ``None`` where it stays."""
        if edit.token is not None:
            self._connectable(row.platform, edit.domain or row.domain, edit.token)
        if edit.domain is None or edit.domain.strip().lower().rstrip(".") == row.domain:
            return None
        if edit.token is None:
            raise InputError(
                "The access token belongs to the shop it was made for: give one for the new Shop Domain with it.",
                code="token_missing",
            )
        return self._connectable(row.platform, edit.domain, edit.token)

    async def delete(self, by: Actor, account: str, channel: str) -> int:
        """Delete a channel; how many waiting deliveries that closed. Its history stays readable.

        Raises:
            InputError: it is the source of products of its account.
        """
        await allowed(self._desk, by, Action.DELETE_CHANNEL, account)
        return await self._desk.delete_channel(account, channel, actor=by.name)

    async def row(self, account: str, channel: str) -> ChannelRow:
        """A channel of an account. Raises UnknownName."""
        for row in await self._desk.channels(account):
            if row.code == channel:
                return row
        raise UnknownName(f"Account {account!r} has no channel {channel!r}.", code="unknown_channel")
