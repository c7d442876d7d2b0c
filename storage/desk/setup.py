"""Changes people make: organizations, accounts, channels, schedules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from broker.operations.values import NewChannel
from domain.access import Place
from domain.channels import ChannelSettings
from domain.errors import InputError, UnknownName
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.periods import Period, next_due
from storage.care.daily import RENEWAL, plan_renewal, run_daily
from storage.directory import Directory
from storage.ledger.outward import unlock
from storage.people.audit import Change, append
from storage.sql import upsert
from storage.tables import accounts, channels, gates, organizations, schedules
from storage.vault import Vault

_CODE = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")


def place_of_token(channel_id: str, domain: str) -> str:
    """What a sealed channel token is bound to: another channel or domain cannot use it."""
    return f"channel-token/{channel_id}/{domain}"


def check_code(code: str) -> str:
    """A short code as it stands in routing keys.

    Raises:
        InputError: other characters than lower case letters, digits, ``-`` and ``_``, or too long.
    """
    if not _CODE.match(code):
        raise InputError(f"{code!r} is no code: use up to 63 lower case letters, digits, '-' and '_'.", code="bad_code")
    return code


def create_organization(connection: Connection, name: str, now: int, actor: str = "installation") -> str:
    """Insert an organization; its id."""
    made = new_id()
    connection.execute(insert(organizations).values(id=made, name=name, created_at=now))
    append(connection, Change(actor, "organization.created", f"organization:{made}", Place(made), {"name": name}), now)
    return made


def create_account(
    connection: Connection,
    organization_id: str,
    code: str,
    name: str,
    timezone: str,
    now: int,
    *,
    actor: str = "installation",
) -> str:
    """Insert an account; its id."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError(
            f"{timezone!r} is no timezone; use a name such as Europe/Berlin.", code="unknown_timezone"
        ) from None
    if connection.scalar(select(accounts.c.id).where(accounts.c.code == check_code(code))):
        raise InputError(f"There is an account {code!r} already.", code="code_taken")
    if connection.scalar(select(organizations.c.id).where(organizations.c.id == organization_id)) is None:
        raise UnknownName(f"There is no organization {organization_id!r}.", code="unknown_organization")
    made = new_id()
    connection.execute(
        insert(accounts).values(
            id=made,
            organization_id=organization_id,
            code=code,
            name=name,
            timezone=timezone,
            enabled=True,
            created_at=now,
        )
    )
    detail = {"name": name, "timezone": timezone}
    append(connection, Change(actor, "account.created", f"account:{code}", Place(organization_id, made), detail), now)
    return made


def place_of(connection: Connection, code: str) -> Place:
    """Where the objects of an account belong. Raises UnknownName."""
    made = account_id(connection, code)
    organization = connection.scalar(select(accounts.c.organization_id).where(accounts.c.id == made))
    return Place(str(organization), made)


def account_id(connection: Connection, code: str) -> str:
    """The id of an account.

    Raises:
        UnknownName: there is none of that code.
    """
    found = connection.scalar(select(accounts.c.id).where(accounts.c.code == code))
    if found is None:
        raise UnknownName(f"There is no account {code!r}.", code="unknown_account")
    return str(found)


def channel_id(connection: Connection, account: str, code: str) -> str:
    """The id of a channel of an account. Raises UnknownName."""
    owner = account_id(connection, account)
    found = connection.scalar(select(channels.c.id).where(channels.c.account_id == owner, channels.c.code == code))
    if found is None:
        raise UnknownName(f"Account {account!r} has no channel {code!r}.", code="unknown_channel")
    return str(found)


def create_channel(connection: Connection, vault: Vault, new: NewChannel, now: int, actor: str = "installation") -> str:
    """Insert a channel with its token sealed; its id. The domain must not belong to any other channel."""
    place = place_of(connection, new.account)
    domain = new.domain.strip().lower().rstrip(".")
    if connection.scalar(select(channels.c.id).where(channels.c.domain == domain)):
        raise InputError(f"Another channel has the shop domain {domain} already.", code="domain_taken")
    made = new_id()
    try:
        connection.execute(
            insert(channels).values(
                id=made,
                account_id=place.account_id,
                code=check_code(new.code),
                name=new.name,
                platform=new.platform,
                domain=domain,
                token=vault.seal(new.token, place_of_token(made, domain)),
                enabled=True,
                settings=new.settings.model_dump(mode="json"),
                created_at=now,
                renews=new.renews,
                held=new.renews,
            )
        )
    except IntegrityError:
        raise InputError(f"Account {new.account!r} has a channel {new.code!r} already.", code="code_taken") from None
    days = select(accounts.c.pii_retention_days).where(accounts.c.id == place.account_id)
    if new.settings.pii_retention_days is not None or connection.scalar(days) is not None:
        run_daily(connection, made, now)
    detail = {"platform": new.platform, "domain": domain}
    append(connection, Change(actor, "channel.created", f"channel:{new.account}/{new.code}", place, detail), now)
    return made


def change_channel(
    connection: Connection,
    vault: Vault,
    where: tuple[str, str],
    changes: tuple[bool | None, str | None, ChannelSettings | None],
    now: int,
    actor: str = "installation",
) -> None:
    """Apply (enabled, token, settings); work that waited for what changed is due at once."""
    made = channel_id(connection, *where)
    enabled, token, settings = changes
    row = connection.execute(select(channels).where(channels.c.id == made)).one()
    values: dict[str, object] = {}
    if enabled is not None:
        values["enabled"] = enabled
    if settings is not None:
        values["settings"] = settings.model_dump(mode="json")
    if values:
        connection.execute(update(channels).where(channels.c.id == made).values(**values))
    if enabled:
        unlock(connection, made, "channel", now)
    if token is not None:
        take_token(connection, vault, row, token, now)
    if settings is not None:
        unlock(connection, made, "mapping", now)
        if settings.pii_retention_days is not None:
            run_daily(connection, made, now)
    told = _told(row, values) | ({"token": "changed"} if token is not None else {})
    change = Change(actor, "channel.changed", "channel:" + "/".join(where), place_of(connection, where[0]), told)
    append(connection, change, now)


def take_token(connection: Connection, vault: Vault, row: Row[Any], token: str, now: int) -> None:
    """Store a new access token of the channel of this row; what waited for one is due at once."""
    sealed = vault.seal(token, place_of_token(row.id, row.domain))
    mine = update(channels).where(channels.c.id == row.id)
    connection.execute(mine.values(token=sealed, token_version=channels.c.token_version + 1))
    closed = update(gates).where(gates.c.channel_id == row.id, gates.c.cause == "unauthorized")
    connection.execute(closed.values(closed_until=0, cause="", strikes=0, sentence=""))
    unlock(connection, row.id, "unauthorized", now)


def _told(before: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a channel changed: each value before and after."""
    told: dict[str, Any] = {}
    if "enabled" in values:
        told["enabled"] = {"before": bool(before.enabled), "after": values["enabled"]}
    if "settings" in values:
        after = values["settings"]
        told["settings"] = {
            name: {"before": before.settings.get(name), "after": after.get(name)}
            for name in sorted({*before.settings, *after})
            if before.settings.get(name) != after.get(name)
        }
    return told


def set_schedule(
    connection: Connection,
    directory: Directory,
    where: tuple[str, str],
    job: str,
    period: Period,
    now: int,
    *,
    actor: str = "installation",
) -> None:
    """Insert or change a schedule; its next due instant lies after now, so a change never fires retroactively."""
    made = channel_id(connection, *where)
    account = directory.named(connection, [where], fresh=True).account(where[0])
    query = select(schedules.c.id, schedules.c.period)
    known = connection.execute(query.where(schedules.c.channel_id == made, schedules.c.job_type == job)).first()
    schedule = known.id if known else new_id()
    following = next_due(period, from_micros(now), schedule_id=schedule, timezone=account.timezone)
    values = {"period": period.text, "next_due": to_micros(following) if following else None}
    statement = upsert(connection, schedules).values(
        id=schedule, account_id=account.id, channel_id=made, job_type=job, last_due=None, **values
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["channel_id", "job_type"], set_=values))
    if job == RENEWAL:
        _hold(connection, made, held=period.never, now=now)
    detail = {"job": job, "period": {"before": known.period if known else "none", "after": period.text}}
    place = Place(account.organization_id, account.id)
    append(connection, Change(actor, "schedule.set", "channel:" + "/".join(where), place, detail), now)


def _hold(connection: Connection, channel: str, *, held: bool, now: int) -> None:
    """Hold every call of a channel, or let them go on; its next renewal comes before its token expires."""
    connection.execute(update(channels).where(channels.c.id == channel, channels.c.renews).values(held=held))
    if not held:
        plan_renewal(connection, channel, now)
        unlock(connection, channel, "channel", now)
