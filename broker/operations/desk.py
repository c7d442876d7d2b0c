"""The seam between the operator surface and the database: what the storage must answer and change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from broker.operations.values import (
    ChannelRow,
    KeyHolder,
    KeyRow,
    LogFilter,
    LogRow,
    MessageFilter,
    MessageLife,
    MessageRow,
    NewChannel,
    NewKey,
    RejectedRow,
    ScheduleRow,
    Statistics,
)
from domain.channels import Account, ChannelSettings
from domain.periods import Period
from domain.setting_fields import SettingField

if TYPE_CHECKING:
    from broker.operations.settings import SettingsDesk
    from broker.operations.warehouses import WarehouseDesk


class Desk(Protocol):
    """Reads and changes that people ask for. Every method may raise StorageUnavailable; those that name something
    raise UnknownName when it does not exist, and InputError when it cannot be.

    ``actor`` is who changes something, as the audit writes it (:mod:`broker.operations.people`).
    """

    @property
    def settings(self) -> SettingsDesk:
        """Settings of accounts and channels."""

    @property
    def warehouses(self) -> WarehouseDesk:
        """Warehouses of organizations."""

    async def create_organization(self, name: str, *, actor: str = "installation") -> str:
        """A new organization; its id."""

    async def create_account(
        self, organization_id: str, code: str, name: str, timezone: str, *, actor: str = "installation"
    ) -> str:
        """A new account; its id."""

    async def switch_account(
        self, code: str, *, enabled: bool, at: datetime | None = None, actor: str = "installation"
    ) -> None:
        """Disable an account, at once or at a set time (aware), or enable it and drop such a time.

        While it is disabled its channels make no call, its API keys are refused, and its work waits; enabling releases
        that.
        """

    async def organizations(self) -> Mapping[str, str]:
        """All organizations: id to name."""

    async def accounts(self) -> Sequence[Account]:
        """All accounts, by code."""

    async def create_channel(
        self, new: NewChannel, *, fields: Mapping[str, SettingField] | None = None, actor: str = "installation"
    ) -> str:
        """A new channel; its id. What it is not given it has from its account, as far as ``fields`` offer it
        (``None``: all): without defaults there, no job runs by itself.
        """

    async def rename_channel(self, account: str, channel: str, name: str, *, actor: str) -> None:
        """Give a channel another name."""

    async def move_channel(self, account: str, channel: str, domain: str, token: str, *, actor: str) -> None:
        """Connect a channel to another shop domain, which no other may have, with a token for it."""

    async def delete_channel(self, account: str, channel: str, *, actor: str) -> int:
        """Delete a channel: its jobs stop, what waits is closed with that reason (how many), its domain is free.
        Its history stays readable under its code, which is not given again.
        """

    async def change_channel(
        self,
        account: str,
        channel: str,
        *,
        enabled: bool | None = None,
        token: str | None = None,
        settings: ChannelSettings | None = None,
        actor: str = "installation",
    ) -> None:
        """Enable or disable (work waits, nothing is lost), set a new token, replace settings; what waited for it is
        released.
        """

    async def channels(self, account: str | None) -> Sequence[ChannelRow]:
        """The channels of an account, or all."""

    async def create_key(
        self, account: str, scopes: Sequence[str], *, name: str = "", actor: str = "installation"
    ) -> NewKey:
        """A new API key; ``name`` tells people what it is for."""

    async def keys(self, account: str) -> Sequence[KeyRow]:
        """The API keys of an account, revoked ones too, newest first."""

    async def rotate_key(
        self, account: str, key: str, *, grace: timedelta = timedelta(0), actor: str = "installation"
    ) -> NewKey:
        """A new API key with name and scopes of an old one, which stops after ``grace``."""

    async def revoke_key(self, account: str, key: str, *, actor: str = "installation") -> None:
        """Stop an API key at once."""

    async def key_holder(self, secret: str) -> KeyHolder | None:
        """Who a key speaks for; ``None`` for an unknown or revoked key."""

    async def set_schedule(
        self, account: str, channel: str, job: str, period: Period, *, actor: str = "installation"
    ) -> None:
        """How often a job runs; ``none`` means never. Takes effect at once, never fires retroactively."""

    async def schedules(self, account: str | None) -> Sequence[ScheduleRow]:
        """Recurring jobs with their last and next run."""

    async def jobs(self, account: str, channel: str, names: Sequence[str]) -> Sequence[ScheduleRow]:
        """These jobs of a channel, also those without a schedule."""

    async def run_now(self, account: str, channel: str, job: str, *, actor: str = "installation") -> str:
        """Queue one manual run of a job; the message id."""

    async def logs(self, wanted: LogFilter) -> Sequence[LogRow]:
        """Sync log rows, newest first; with ``after_id`` those after it, oldest first."""

    async def messages(self, wanted: MessageFilter) -> Sequence[MessageRow]:
        """Messages, newest first."""

    async def message(self, message_id: str) -> MessageLife | None:
        """The whole life of a message; also found by a unique beginning or end of its id."""

    async def rejected(self, limit: int) -> Sequence[RejectedRow]:
        """What could not become a message, newest first."""

    async def replay(self, delivery_ids: Sequence[str], *, actor: str = "installation") -> int:
        """Open final deliveries again at the end of their lanes, release waiting ones at once; how many."""

    async def discard(self, delivery_ids: Sequence[str], reason: str, *, actor: str = "installation") -> int:
        """Close deliveries for good, with the reason; how many."""

    async def announcements(self, account: str | None, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """What the OMS was or is to be told, as (position, CloudEvents JSON), after a position."""

    async def statistics(self) -> Statistics:
        """Numbers of the whole installation."""
