"""Accounts disabled, at once or at a set time, and enabled again (sales channels, section 1)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from domain.errors import InputError
from domain.moments import from_micros, iso
from storage.desk.codes import place_of
from storage.ledger.outward import unlock
from storage.people.audit import Change, append
from storage.sql import locking
from storage.tables import accounts, channels


def switch_account(
    connection: Connection, code: str, enabled: bool, at: int | None, now: int, actor: str = "installation"
) -> None:
    """Disable an account (``at``: from then on) or enable it, which releases what waited for that.

    Its channels' rows are locked: who begins to wait for such a change just now sees it, or is found by it.

    Raises:
        UnknownName: no such account.
        InputError: the set time is over, or the account is disabled already.
    """
    place = place_of(connection, code)
    members = select(channels.c.id, channels.c.enabled).where(channels.c.account_id == place.account_id)
    found = connection.execute(locking(connection, members.order_by(channels.c.id))).all()
    values = {"enabled": True, "disable_at": None} if enabled else _end(connection, code, at, now)
    connection.execute(update(accounts).where(accounts.c.id == place.account_id).values(**values))
    if enabled:
        for channel in found:
            if channel.enabled:
                unlock(connection, channel.id, "channel", now)
    action = "account.enabled" if enabled else "account.disabled" if at is None else "account.disable_planned"
    detail = {"at": iso(from_micros(at))} if at is not None else {}
    append(connection, Change(actor, action, f"account:{code}", place, detail), now)


def _end(connection: Connection, code: str, at: int | None, now: int) -> dict[str, Any]:
    """What to write so that an account ends."""
    if at is None:
        return {"enabled": False, "disable_at": None}
    if at <= now:
        raise InputError(
            f"{iso(from_micros(at))} is over: name a time to come, or none to disable account {code!r} at once.",
            code="time_is_over",
        )
    row = connection.execute(select(accounts.c.enabled, accounts.c.disable_at).where(accounts.c.code == code)).one()
    if not row.enabled or (row.disable_at is not None and row.disable_at <= now):
        raise InputError(
            f"Account {code!r} is disabled already. Enable it first: towpath accounts enable {code}",
            code="account_disabled",
        )
    return {"disable_at": at}
