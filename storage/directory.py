"""Who there is: accounts and channels, kept in memory for a moment so that every message need not ask again.

Only what a batch names is read, in one statement or two, for an installation may have very many channels.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from pydantic_core import from_json
from sqlalchemy import Connection, Row, select

from domain.channels import Account, Channel, ChannelSettings
from domain.errors import ConfigurationError, UnknownName
from domain.moments import Clock, from_micros, to_micros, utc_now
from storage.bulk import as_json
from storage.directory_rows import ACCOUNT_COLUMNS, ALL, BY_ID, BY_NAME, MEMBERS, first_codes
from storage.tables import accounts
from storage.vault import Vault

MOST_CHANNELS = 20_000
"""Channels kept in memory; what was not asked for longest goes first."""
_RENEWED_TOGETHER = 200
_OWN = len(ACCOUNT_COLUMNS)
_ENABLED, _DISABLE_AT = (ACCOUNT_COLUMNS.index(each) for each in (accounts.c.enabled, accounts.c.disable_at))
"""Where a row's columns of the channel itself begin."""
_Row = tuple[Any, ...]
PushedJobs = Callable[[str], frozenset[str]]

Name = tuple[str | None, str | None]
"""Codes of an account and of one of its channels; no channel stands for all that the account has."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Accounts by code, channels by (account code, channel code) and by id: what was asked for, as far as it exists.

    ``of_account`` has all channels of accounts that were asked for as a whole, by code; ``codes`` the first codes of
    those in which a channel was not found.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    by_id: dict[str, Channel] = field(default_factory=dict)
    of_account: dict[str, tuple[Channel, ...]] = field(default_factory=dict)
    codes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def account(self, code: str | None) -> Account:
        """The account of that code.

        Raises:
            UnknownName: none was named, or there is none of that name.
        """
        if code is None:
            raise UnknownName(
                "The event names no account: set the extension attribute 'account'.", code="account_missing"
            )
        try:
            return self.accounts[code]
        except KeyError:
            raise UnknownName(f"There is no account {code!r}.", code="unknown_account") from None

    def channel(self, account: str, code: str) -> Channel:
        """The channel of that code in an account.

        Raises:
            UnknownName: there is none; the sentence lists the first of the account's channels.
        """
        try:
            return self.channels[account, code]
        except KeyError:
            known = ", ".join(self.codes.get(account, ())) or "none yet"
            raise UnknownName(
                f"Account {account!r} has no channel {code!r} (channels: {known}).", code="unknown_channel"
            ) from None

    def add(self, account: Account, channel: Channel | None) -> None:
        """Put in what was found."""
        self.accounts[account.code] = account
        if channel is not None:
            self.channels[channel.account, channel.code] = channel
            self.by_id[channel.id] = channel


@dataclass(frozen=True, slots=True)
class _Entry:
    """A channel with its account, the row they were made from, and when that was read."""

    row: _Row
    account: Account
    channel: Channel
    at: float


@dataclass(frozen=True, slots=True)
class _Members:
    account: Account
    ids: tuple[str, ...]
    at: float


class Directory:
    """Gives a :class:`Snapshot` of what is asked for, at most ``fresh_for`` seconds old. Thread-safe.

    What memory does not have is looked up, so an unknown name is asked for anew each time. ``pushed`` tells which jobs
    the posts of a platform trigger.
    """

    def __init__(
        self,
        vault: Vault,
        fresh_for: float = 1.0,
        most: int = MOST_CHANNELS,
        clock: Clock = utc_now,
        pushed: PushedJobs = lambda platform: frozenset(),
    ) -> None:
        self._vault = vault
        self._pushed = pushed
        self._clock = clock
        self._fresh_for = fresh_for
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._ids: dict[tuple[str, str], str] = {}
        self._members: dict[str, _Members] = {}
        self._forgotten_at = float("-inf")

    def named(self, connection: Connection, names: Iterable[Name], *, fresh: bool = False) -> Snapshot:
        """The accounts and channels of these names; ``fresh`` reads them anew."""
        found = Snapshot()
        wanted = {(account, code) for account, code in names if account is not None}
        with self._lock:
            missing = [name for name in wanted if fresh or not self._recall(found, *name)]
        single = [{"account": account, "code": code} for account, code in missing if code is not None]
        if single:
            at = time.monotonic()
            self._read(found, BY_NAME.run(connection, rows=as_json(single)), at)
        if whole := [account for account, code in missing if code is None]:
            self._read_members(connection, found, whole)
        for each in single:
            if (each["account"], each["code"]) not in found.channels and each["account"] not in found.codes:
                found.codes[each["account"]] = first_codes(connection, each["account"])
        return found

    def of_ids(self, connection: Connection, ids: Iterable[str], *, fresh: bool = False) -> Snapshot:
        """The channels of these ids with their accounts; ``fresh`` reads them anew."""
        found = Snapshot()
        with self._lock:
            missing = [each for each in set(ids) if fresh or not self._recall_id(found, each)]
        if missing:
            at = time.monotonic()
            self._read(found, BY_ID.run(connection, values=as_json(missing)), at)
        return found

    def everything(self, connection: Connection) -> Snapshot:
        """All channels with their accounts, by channel code, read anew and not kept."""
        found = Snapshot()
        for row in ALL.run(connection):
            _, account, channel = self._made(self._as_it_stands(tuple(row)))
            found.add(account, channel)
        return found

    def accounts(self, connection: Connection) -> list[Account]:
        """All accounts by code, read anew."""
        query = select(*ACCOUNT_COLUMNS).order_by(accounts.c.code)
        return [_account(self._as_it_stands(tuple(row))) for row in connection.execute(query)]

    def channel(self, connection: Connection, channel_id: str) -> Channel | None:
        """A channel by id. When it must be read, others that were used lately and are old are renewed with it."""
        if (known := self.remembered(channel_id)) is not None:
            return known
        with self._lock:
            lately = [key for key, _ in zip(reversed(self._entries), range(_RENEWED_TOGETHER), strict=False)]
            old = [key for key in lately if not self._is_fresh(self._entries[key].at)]
        return self.of_ids(connection, [channel_id, *old]).by_id.get(channel_id)

    def remembered(self, channel_id: str) -> Channel | None:
        """A channel from memory while it is fresh enough: no database, no wait."""
        found = Snapshot()
        with self._lock:
            self._recall_id(found, channel_id)
        return found.by_id.get(channel_id)

    def at_hand(self, account: str | None, code: str | None) -> Channel | None:
        """As :meth:`remembered`, by the codes of account and channel."""
        if account is None or code is None:
            return None
        channel_id = self._ids.get((account, code))
        return self.remembered(channel_id) if channel_id is not None else None

    def forget(self) -> None:
        """Read anew next time: something was changed by this process."""
        with self._lock:
            self._forgotten_at = time.monotonic()

    def _is_fresh(self, at: float) -> bool:
        return self._forgotten_at < at and time.monotonic() - at <= self._fresh_for

    def _recall(self, found: Snapshot, account: str, code: str | None) -> bool:
        """Put in what memory has; whether that is all."""
        if code is not None:
            channel_id = self._ids.get((account, code))
            return channel_id is not None and self._recall_id(found, channel_id)
        members = self._members.get(account)
        if members is None or not self._is_fresh(members.at):
            return False
        if not all(self._recall_id(found, each) for each in members.ids):
            return False
        found.accounts[account] = members.account
        found.of_account[account] = tuple(found.by_id[each] for each in members.ids)
        return True

    def _recall_id(self, found: Snapshot, channel_id: str) -> bool:
        entry = self._entries.get(channel_id)
        if entry is None or not self._is_fresh(entry.at):
            return False
        self._entries.move_to_end(channel_id)
        found.add(entry.account, entry.channel)
        return True

    def _read_members(self, connection: Connection, found: Snapshot, codes: Sequence[str]) -> None:
        """Read all channels of accounts."""
        at = time.monotonic()
        members: defaultdict[str, list[Channel]] = defaultdict(list)
        for account, channel in self._read(found, MEMBERS.run(connection, values=as_json(codes)), at):
            if channel is not None:
                members[account.code].append(channel)
        for code in found.accounts.keys() & codes:
            found.of_account[code] = tuple(members[code])
            if len(members[code]) <= self._most:
                ids = tuple(each.id for each in members[code])
                self._members[code] = _Members(found.accounts[code], ids, at)

    def _read(self, found: Snapshot, rows: Iterable[Row[Any]], at: float) -> list[tuple[Account, Channel | None]]:
        """Put in what these rows tell of, and keep it as what was so at the moment ``at``."""
        made = [self._made(self._as_it_stands(tuple(row))) for row in rows]
        with self._lock:
            for row, account, channel in made:
                found.add(account, channel)
                if channel is not None:
                    self._keep(_Entry(row, account, channel, at))
        return [(account, channel) for _, account, channel in made]

    def _keep(self, entry: _Entry) -> None:
        channel = entry.channel
        self._entries[channel.id] = entry
        self._entries.move_to_end(channel.id)
        self._ids[channel.account, channel.code] = channel.id
        if len(self._entries) > self._most:
            _, gone = self._entries.popitem(last=False)
            self._ids.pop((gone.channel.account, gone.channel.code), None)
            self._members.pop(gone.channel.account, None)

    def _as_it_stands(self, row: _Row) -> _Row:
        """The row with its account disabled where the set time is over: two reads of one row may so differ."""
        disable_at = row[_DISABLE_AT]
        if disable_at is None or to_micros(self._clock()) < disable_at:
            return row
        return (*row[:_ENABLED], False, *row[_ENABLED + 1 :])

    def _made(self, row: _Row) -> tuple[_Row, Account, Channel | None]:
        """What a row tells of; what did not change is neither checked nor opened again."""
        if row[_OWN] is None:
            return row, _account(row), None
        known = self._entries.get(row[_OWN])
        if known is not None and known.row == row:
            return row, known.account, known.channel
        account = _account(row)
        return row, account, self._channel(account, row[_OWN:])

    def _channel(self, account: Account, row: _Row) -> Channel:
        channel_id, code, name, platform, domain, sealed, enabled, settings, mapped_at, *rest = row
        sku_mapped, logged, version, renews, held, warehouse, carrier = rest
        token, fault = self._token(sealed, channel_id, domain)
        return Channel(
            id=channel_id,
            account_id=account.id,
            account=account.code,
            code=code,
            name=name,
            platform=platform,
            domain=domain,
            token=token,
            enabled=bool(enabled) and account.enabled,
            settings=ChannelSettings.model_validate_json(settings),
            fault=fault,
            mapped_at=mapped_at,
            product_source=account.product_source,
            sku_mapped=bool(sku_mapped),
            catalogued=account.catalogued,
            manual_logging=_logged_jobs(logged) if logged else (),
            token_version=version,
            renews=bool(renews),
            held=bool(held),
            default_warehouse=warehouse,
            default_carrier=carrier,
            pushed=self._pushed(platform),
        )

    def _token(self, sealed: str, channel_id: str, domain: str) -> tuple[SecretStr, str]:
        """The token, or why it cannot be opened: one broken channel must not stop the others."""
        try:
            return SecretStr(self._vault.open(sealed, f"channel-token/{channel_id}/{domain}")), ""
        except ConfigurationError as error:
            return SecretStr(""), error.sentence


def _logged_jobs(stored: str) -> tuple[tuple[str, datetime], ...]:
    return tuple((job, from_micros(until)) for job, until in sorted(from_json(stored).items()))


def _account(row: _Row) -> Account:
    account_id, organization_id, code, name, timezone, enabled, disable_at, source, catalogued, days = row[:_OWN]
    stops = from_micros(disable_at) if disable_at is not None else None
    return Account(
        account_id, organization_id, code, name, timezone, bool(enabled), stops, source, bool(catalogued), days
    )
