"""Settings of accounts and channels: each value with its origin, changed by those who may, and never by two at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from broker.bell import Bell
from broker.operations.desk import Desk
from broker.operations.placing import allowed
from domain.access import Action, Actor
from domain.channels import ConnectorManifest
from domain.setting_fields import ACCOUNT_FIELDS, PERIOD, SettingField, default_fields
from domain.settings import Changes, Effective

ManifestOf = Callable[[str], ConnectorManifest]


@dataclass(frozen=True, slots=True)
class Held:
    """What the storage knows of settings: their version, each value, and what is to be said of some, by name."""

    version: int
    values: Mapping[str, Effective]
    notes: Mapping[str, str]
    platform: str = ""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as people see it; ``value`` counts, ``inherited`` would count without an own value.

    ``note`` says why the value has no effect now, where it has none.
    """

    name: str
    label: str
    group: str
    section: str
    kind: str
    help: str
    choices: tuple[tuple[str, str], ...]
    value: Any
    origin: str
    inherited: Any
    note: str


@dataclass(frozen=True, slots=True)
class SettingsView:
    """All settings of a channel or an account, and the version to name when changing them."""

    version: int
    settings: tuple[SettingRow, ...]


@dataclass(frozen=True, slots=True)
class SettingVersion:
    """One change: from each name to ``before`` and ``after``, and ``cleared`` where the default holds since."""

    version: int
    at: datetime
    actor: str
    changes: Mapping[str, Mapping[str, Any]]


class SettingsDesk(Protocol):
    """The seam to the storage. Methods raise StorageUnavailable; UnknownName for an account or channel that does not
    exist; InputError for what cannot be, StaleVersion among it.
    """

    async def channel_settings(self, account: str, channel: str, manifest_of: ManifestOf) -> Held:
        """What counts on a channel."""

    async def put_channel_settings(
        self, where: tuple[str, str], changes: Changes, manifest_of: ManifestOf, *, actor: str
    ) -> int:
        """Change settings of a channel; the version since. What waited for one is due at once."""

    async def account_settings(self, account: str) -> Held:
        """The settings of an account, and its defaults for channels."""

    async def put_account_settings(self, account: str, changes: Changes, manifest_of: ManifestOf, *, actor: str) -> int:
        """Change settings of an account and with them what its channels inherit; the version since."""

    async def setting_versions(self, account: str, channel: str | None, limit: int) -> Sequence[SettingVersion]:
        """Who changed what, newest first; of a channel that was deleted too."""


class SettingsSurface:
    """What people do with settings: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, UnknownName where there is nothing of that name for ``by``, and
    what :class:`SettingsDesk` raises.
    """

    def __init__(self, desk: Desk, manifest_of: ManifestOf, bell: Bell) -> None:
        self._desk = desk
        self._manifest_of = manifest_of
        self._bell = bell

    async def of_channel(self, by: Actor, account: str, channel: str) -> SettingsView:
        """The settings that the channel's platform offers."""
        await allowed(self._desk, by, Action.READ, account)
        held = await self._desk.settings.channel_settings(account, channel, self._manifest_of)
        return _view(held, self._manifest_of(held.platform).fields)

    async def change_channel(self, by: Actor, account: str, channel: str, changes: Changes) -> SettingsView:
        """Put values, or clear some so that the default holds; takes effect without a restart."""
        await self._ensure_may_change(by, account, changes, Action.EDIT_CHANNEL)
        where = (account, channel)
        await self._desk.settings.put_channel_settings(where, changes, self._manifest_of, actor=by.name)
        self._bell.ring()
        return await self.of_channel(by, account, channel)

    async def of_account(self, by: Actor, account: str) -> SettingsView:
        """The settings of an account itself, then its defaults for channels."""
        await allowed(self._desk, by, Action.READ, account)
        return _view(await self._desk.settings.account_settings(account), account_fields())

    async def change_account(self, by: Actor, account: str, changes: Changes) -> SettingsView:
        """Change settings of an account; every channel without a value of its own follows at once."""
        await self._ensure_may_change(by, account, changes, Action.EDIT_ACCOUNT)
        await self._desk.settings.put_account_settings(account, changes, self._manifest_of, actor=by.name)
        self._bell.ring()
        return await self.of_account(by, account)

    async def history(
        self, by: Actor, account: str, channel: str | None = None, limit: int = 50
    ) -> Sequence[SettingVersion]:
        """Who changed what of a channel or (``None``) of the account itself, newest first."""
        await allowed(self._desk, by, Action.READ, account)
        return await self._desk.settings.setting_versions(account, channel, limit)

    async def _ensure_may_change(self, by: Actor, account: str, changes: Changes, others: Action) -> None:
        """Periods are settings of jobs; of an account, its defaults are too."""
        jobs = default_fields() if others is Action.EDIT_ACCOUNT else {}
        for name in changes.names:
            of_a_job = name.startswith(PERIOD) or name in jobs
            await allowed(self._desk, by, Action.EDIT_JOBS if of_a_job else others, account)


def account_fields() -> dict[str, SettingField]:
    """All settings of an account by name: its own, then its defaults for channels."""
    return {**ACCOUNT_FIELDS, **default_fields()}


def _view(held: Held, fields: Mapping[str, SettingField]) -> SettingsView:
    rows = tuple(
        _row(field, held.values[name], held.notes.get(name, ""))
        for name, field in fields.items()
        if name in held.values
    )
    return SettingsView(held.version, rows)


def _row(field: SettingField, each: Effective, note: str) -> SettingRow:
    return SettingRow(
        name=field.name,
        label=field.label,
        group=str(field.group),
        section=field.section,
        kind=field.kind,
        help=field.help,
        choices=field.choices,
        value=each.value,
        origin=str(each.origin),
        inherited=each.inherited,
        note=note,
    )
