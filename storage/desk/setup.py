"""Changes people make: organizations, accounts, channels, schedules."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from broker.operations.values import NewChannel
from domain.access import Place
from domain.channels import ChannelSettings
from domain.errors import InputError, UnknownName
from domain.ids import new_id
from domain.periods import NEVER, Period
from domain.setting_fields import PERIOD
from domain.settings import Changes, flattened
from storage.desk.codes import channel_id, place_of
from storage.desk.tokens import place_of_token, take_token
from storage.ledger.outward import unlock
from storage.people.audit import Change, append
from storage.settings import channel_settings
from storage.settings.effect import changed_periods, periods_of, write_periods, write_settings
from storage.settings.own import By, Own, Owner, keep, own_of
from storage.settings.scene import Fields, Scene, account_row
from storage.tables import accounts, channels, organizations, schedules
from storage.vault import Vault

_CODE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def check_code(code: str) -> str:
    """A short code as it stands in routing keys.

    Raises:
        InputError: other characters than lower case letters, digits, ``-`` and ``_``, or too long.
    """
    if not _CODE.fullmatch(code):
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
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"{timezone!r} is no timezone; use a name such as Europe/Berlin.", code="unknown_timezone"
        ) from None
    if connection.scalar(select(accounts.c.id).where(accounts.c.code == check_code(code))):
        raise _account_taken(code)
    if connection.scalar(select(organizations.c.id).where(organizations.c.id == organization_id)) is None:
        raise UnknownName(f"There is no organization {organization_id!r}.", code="unknown_organization")
    made = new_id()
    statement = insert(accounts).values(
        id=made,
        organization_id=organization_id,
        code=code,
        name=name,
        timezone=timezone,
        enabled=True,
        created_at=now,
    )
    try:
        connection.execute(statement)
    except IntegrityError:
        raise _account_taken(code) from None
    detail = {"name": name, "timezone": timezone}
    append(connection, Change(actor, "account.created", f"account:{code}", Place(organization_id, made), detail), now)
    return made


def _account_taken(code: str) -> InputError:
    return InputError(f"There is an account {code!r} already.", code="code_taken")


def create_channel(
    connection: Connection,
    vault: Vault,
    new: NewChannel,
    now: int,
    actor: str = "installation",
    *,
    fields: Fields | None = None,
) -> str:
    """Insert a channel with its token sealed; its id. The domain must not belong to any other channel.

    What ``new.settings`` names is put on the channel; all else it has from its account. ``fields`` are what its
    platform offers, ``None`` for everything.
    """
    account = account_row(connection, new.account, change=True)
    place = Place(account.organization_id, account.id)
    domain = new.domain.strip().lower().rstrip(".")
    _ensure_free(connection, account.id, domain, new)
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
    _furnish(connection, made, account, new.settings, fields, By(actor, now))
    detail = {"platform": new.platform, "domain": domain}
    append(connection, Change(actor, "channel.created", f"channel:{new.account}/{new.code}", place, detail), now)
    return made


def _ensure_free(connection: Connection, account_id: str, domain: str, new: NewChannel) -> None:
    """Check that domain and code are nobody's."""
    living = channels.c.deleted_at.is_(None)
    if connection.scalar(select(channels.c.id).where(channels.c.domain == domain, living)):
        raise InputError(f"Another channel has the shop domain {domain} already.", code="domain_taken")
    gone = select(channels.c.id).where(channels.c.account_id == account_id, channels.c.code == new.code, ~living)
    if connection.scalar(gone):
        raise InputError(
            f"Account {new.account!r} had a channel {new.code!r}, whose messages and log are kept under that code: "
            f"choose another code.",
            code="code_taken",
        )


def _furnish(
    connection: Connection, made: str, account: Row[Any], settings: ChannelSettings, fields: Fields | None, by: By
) -> None:
    """Write what counts on a new channel: what was put with it, else what its account says."""
    named = tuple(settings.model_fields_set)
    chosen = {name: value for name, value in flattened(settings).items() if name.partition(".")[0] in named}
    channel = connection.execute(select(channels).where(channels.c.id == made)).one()
    scene = Scene(channel, account, Own(0, chosen), own_of(connection, account.id))
    values = scene.values(fields)
    write_settings(connection, made, values)
    write_periods(connection, channel, account, changed_periods({}, periods_of(values)), by.now)
    if chosen:
        told = {name: {"before": None, "after": value} for name, value in chosen.items()}
        keep(connection, Owner(account.id, made), 1, chosen, told, by)


def change_channel(
    connection: Connection,
    vault: Vault,
    where: tuple[str, str],
    changes: tuple[bool | None, str | None, ChannelSettings | None],
    now: int,
    actor: str = "installation",
) -> None:
    """Apply (enabled, token, settings); work that waited for what changed is due at once."""
    enabled, token, settings = changes
    if settings is not None:
        channel_settings.replace_all(connection, where, settings, By(actor, now))
    if enabled is None and token is None:
        return
    made = channel_id(connection, *where)
    row = connection.execute(select(channels).where(channels.c.id == made)).one()
    told: dict[str, Any] = {}
    if enabled is not None:
        told["enabled"] = {"before": bool(row.enabled), "after": enabled}
        connection.execute(update(channels).where(channels.c.id == made).values(enabled=enabled))
    if enabled:
        unlock(connection, made, "channel", now)
    if token is not None:
        told["token"] = "changed"  # noqa: S105 - that it was, not what it is
        take_token(connection, vault, (made, row.domain), token, now)
    change = Change(actor, "channel.changed", "channel:" + "/".join(where), place_of(connection, where[0]), told)
    append(connection, change, now)


def set_schedule(
    connection: Connection,
    where: tuple[str, str],
    job: str,
    period: Period,
    now: int,
    *,
    actor: str = "installation",
) -> None:
    """Put the period of a job on a channel; its next due instant lies after now, so it never fires retroactively."""
    known = connection.scalar(
        select(schedules.c.period).where(
            schedules.c.channel_id == channel_id(connection, *where), schedules.c.job_type == job
        )
    )
    detail = {"job": job, "period": {"before": known or NEVER.text, "after": period.text}}
    channel_settings.put(
        connection,
        where,
        Changes({PERIOD + job: period.text}),
        By(actor, now),
        tell=lambda _: ("schedule.set", detail),
    )
