"""Who there is: accounts and channels, kept in memory for a moment so that every message need not ask again."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from pydantic import SecretStr
from sqlalchemy import Connection, select

from domain.channels import Account, Channel, ChannelSettings
from domain.errors import ConfigurationError, UnknownName
from storage.tables import accounts, channels
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Accounts by code, channels by (account code, channel code) and by id."""

    accounts: dict[str, Account] = field(default_factory=dict)
    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    by_id: dict[str, Channel] = field(default_factory=dict)
    of_account: dict[str, tuple[Channel, ...]] = field(default_factory=dict)

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
            UnknownName: there is none; the sentence lists the account's channels.
        """
        try:
            return self.channels[account, code]
        except KeyError:
            known = ", ".join(channel.code for channel in self.of_account.get(account, ())) or "none yet"
            raise UnknownName(
                f"Account {account!r} has no channel {code!r} (channels: {known}).", code="unknown_channel"
            ) from None


class Directory:
    """Gives a :class:`Snapshot` at most ``fresh_for`` seconds old. Thread-safe."""

    def __init__(self, vault: Vault, fresh_for: float = 1.0) -> None:
        self._vault = vault
        self._fresh_for = fresh_for
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._read_at = float("-inf")

    def snapshot(self, connection: Connection, *, fresh: bool = False) -> Snapshot:
        """The present accounts and channels; ``fresh`` reads them anew."""
        with self._lock:
            if fresh or time.monotonic() - self._read_at > self._fresh_for:
                self._snapshot = self._load(connection)
                self._read_at = time.monotonic()
            return self._snapshot

    def remembered(self) -> Snapshot | None:
        """The snapshot in memory while it is fresh enough: no database, no wait."""
        fresh = time.monotonic() - self._read_at <= self._fresh_for
        return self._snapshot if fresh else None

    def channel(self, connection: Connection, channel_id: str) -> Channel | None:
        """A channel by id; one that is unknown is looked up anew, for it may be a moment old."""
        found = self.snapshot(connection).by_id.get(channel_id)
        return found or self.snapshot(connection, fresh=True).by_id.get(channel_id)

    def met(self) -> int:
        """How many channels were looked up lately; two where that is not known, for one alone is a special case."""
        return len(self._snapshot.by_id) or 2

    def forget(self) -> None:
        """Read anew next time: something was changed by this process."""
        with self._lock:
            self._read_at = float("-inf")

    def _load(self, connection: Connection) -> Snapshot:
        known = {
            row.id: Account(row.id, row.organization_id, row.code, row.name, row.timezone, row.enabled)
            for row in connection.execute(select(accounts))
        }
        found = Snapshot(accounts={account.code: account for account in known.values()})
        of_account: dict[str, list[Channel]] = defaultdict(list)
        for row in connection.execute(select(channels).order_by(channels.c.code)):
            account = known[row.account_id]
            token, fault = self._token(row.token, row.id, row.domain)
            channel = Channel(
                id=row.id,
                account_id=row.account_id,
                account=account.code,
                code=row.code,
                name=row.name,
                platform=row.platform,
                domain=row.domain,
                token=token,
                enabled=row.enabled and account.enabled,
                settings=ChannelSettings.model_validate(row.settings),
                fault=fault,
            )
            found.channels[account.code, row.code] = channel
            found.by_id[row.id] = channel
            of_account[account.code].append(channel)
        found.of_account.update({code: tuple(members) for code, members in of_account.items()})
        return found

    def _token(self, sealed: str, channel_id: str, domain: str) -> tuple[SecretStr, str]:
        """The token, or why it cannot be opened: one broken channel must not stop the others."""
        try:
            return SecretStr(self._vault.open(sealed, f"channel-token/{channel_id}/{domain}")), ""
        except ConfigurationError as error:
            return SecretStr(""), error.sentence
