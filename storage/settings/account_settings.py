"""Settings of an account: its own, and its defaults, which every channel without a value of its own follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from broker.operations.settings import Held, ManifestOf, account_fields
from domain.access import Place
from domain.channels import AccountSettings
from domain.errors import InputError
from domain.product_source import OMS, UPSTREAM, source_refusal
from domain.setting_fields import ACCOUNT_FIELDS, PERIOD
from domain.settings import (
    Changes,
    Effective,
    Origin,
    account_settings_of,
    built_in,
    differences,
    ensure_offered,
    ensure_version,
    normal,
)
from storage.ledger.outward import unlock
from storage.people.audit import Change, append
from storage.privacy.cursors import look_again
from storage.settings.effect import changed_periods, periods_of, tell_suppressed, write_periods, write_settings
from storage.settings.own import By, Own, Owner, keep, own_of
from storage.settings.scene import Scene, account_row, members
from storage.tables import accounts, channels
from storage.warehouses import ensure_enabled

_SOURCE = "master_product_source"
_COLUMNS = ("name", "timezone", _SOURCE, "pii_retention_days")
"""These stand in the account's own row."""
_PLAIN = AccountSettings(name="-").model_dump(mode="json")


def held(connection: Connection, code: str) -> Held:
    """The settings of an account by name. Raises UnknownName."""
    row = account_row(connection, code)
    own = own_of(connection, row.id)
    plain = {**built_in(), **_PLAIN, "name": row.name}
    present = _present(connection, row, own)
    values = {}
    for name in account_fields():
        value = present.get(name, own.chosen.get(name, plain[name]))
        origin = Origin.ACCOUNT if name in own.chosen or value != plain[name] else Origin.BUILT_IN
        values[name] = Effective(value, origin, plain[name])
    return Held(own.version, values, {})


def put(connection: Connection, code: str, changes: Changes, manifest_of: ManifestOf, by: By) -> int:
    """Change settings of an account, and with them what counts on its channels; the version they have since.

    Raises:
        UnknownName: no such account or setting.
        StaleVersion: they have another version than was expected.
        InputError: a value that cannot be, here or together with what is put on a channel.
    """
    members(connection, code)
    row = account_row(connection, code, change=True)
    # One that was made while this waited for the account belongs to it too.
    channel_rows = members(connection, code)
    own = own_of(connection, row.id)
    ensure_version(changes.expected, own.version, f"account {code}")
    ensure_offered(changes, account_fields(), "An account")
    before = _present(connection, row, own)
    wanted = _checked(connection, row, before, changes)
    _write_row(connection, row, wanted)
    chosen = {name: value for name, value in wanted.applied(own.chosen).items() if name not in _COLUMNS}
    now_row, now_own = account_row(connection, code), Own(own.version + 1, chosen)
    changed = _changed(connection, (row, own), (now_row, now_own), wanted)
    if not changed:
        return own.version
    keep(connection, Owner(row.id), now_own.version, chosen, changed, by)
    for channel in channel_rows:
        mine = own_of(connection, channel.id)
        _follow(
            connection, Scene(channel, row, mine, own), Scene(channel, now_row, mine, now_own), manifest_of, wanted, by
        )
    place = Place(row.organization_id, row.id)
    append(connection, Change(by.actor, "account.changed", f"account:{code}", place, {"settings": changed}), by.now)
    return now_own.version


def _present(connection: Connection, row: Row[Any], own: Own) -> dict[str, Any]:
    """The account's own settings as they are, by name."""
    source = row.product_source
    if source not in (OMS, UPSTREAM):
        source = connection.scalar(select(channels.c.code).where(channels.c.id == source)) or OMS
    kept = {name: value for name, value in own.chosen.items() if name in ACCOUNT_FIELDS}
    columns = {"name": row.name, "timezone": row.timezone, "pii_retention_days": row.pii_retention_days}
    return {**_PLAIN, **kept, **columns, "master_product_source": source}


def _checked(connection: Connection, row: Row[Any], before: Mapping[str, Any], changes: Changes) -> Changes:
    """The changes with their values as they are kept."""
    if "name" in changes.clear:
        raise InputError("An account needs a name: put another.", code="invalid_settings")
    mine = {name: value for name, value in changes.put.items() if name in ACCOUNT_FIELDS}
    cleared = {name: _PLAIN[name] for name in changes.clear & ACCOUNT_FIELDS.keys()}
    settings = account_settings_of({**before, **cleared, **mine}).model_dump(mode="json")
    place = Place(row.organization_id, row.id)
    if mine.get("default_warehouse") is not None:
        ensure_enabled(connection, place, [settings["default_warehouse"]])
    if "master_product_source" in mine:
        _source_id(connection, row.id, settings["master_product_source"])
    defaults = normal({name: value for name, value in changes.put.items() if name not in ACCOUNT_FIELDS})
    if "stock_warehouses" in defaults:
        ensure_enabled(connection, place, defaults["stock_warehouses"])
    return Changes({**defaults, **{name: settings[name] for name in mine}}, changes.clear)


def _source_id(connection: Connection, account_id: str, source: str) -> str:
    if source in (OMS, UPSTREAM):
        return source
    query = select(channels.c.id).where(channels.c.account_id == account_id, channels.c.deleted_at.is_(None))
    found = connection.scalar(query.where(channels.c.code == source))
    if found is None:
        raise InputError(
            f"{source!r} cannot be the Master Product Source: it is {OMS}, {UPSTREAM}, or the code of a channel of the "
            f"account.",
            code="unknown_product_source",
        )
    return str(found)


def _write_row(connection: Connection, row: Row[Any], wanted: Changes) -> None:
    given = {**{name: _PLAIN[name] for name in wanted.clear & {*_COLUMNS}}, **wanted.put}
    values: dict[str, Any] = {name: given[name] for name in _COLUMNS if name in given and name != _SOURCE}
    if _SOURCE in given:
        values["product_source"] = _source_id(connection, row.id, given[_SOURCE])
    if "pii_retention_days" in values:
        look_again(connection, row.id)
    if values:
        connection.execute(update(accounts).where(accounts.c.id == row.id).values(**values))


def _changed(
    connection: Connection, old: tuple[Row[Any], Own], new: tuple[Row[Any], Own], wanted: Changes
) -> dict[str, Any]:
    """What the version tells: the values before and after; of what was cleared, what holds since."""
    before, after = ({**built_in(), **each[1].chosen, **_present(connection, *each)} for each in (old, new))
    told = differences(before, after, wanted.names)
    appeared = {name for name in wanted.names if (name in old[1].chosen) != (name in new[1].chosen)}
    for name in appeared - told.keys():
        told[name] = {"before": before[name], "after": after[name]}
    return {name: {**each, "cleared": True} if name in wanted.clear else each for name, each in sorted(told.items())}


def _follow(connection: Connection, old: Scene, new: Scene, manifest_of: ManifestOf, wanted: Changes, by: By) -> None:
    """Bring a channel to what its account says now; where that cannot be, nothing is changed at all."""
    channel = new.channel
    fields = manifest_of(channel.platform).fields
    before, after = old.values(fields), new.values(fields)
    try:
        made = write_settings(connection, channel.id, after)
    except InputError as error:
        raise InputError(
            f"With what is put on channel {channel.code} it cannot be. {error.sentence}", code=error.code
        ) from None
    if made != channel.settings:
        unlock(connection, channel.id, "mapping", by.now)
        unlock(connection, channel.id, "budget", by.now)
    was, now = periods_of(before), periods_of(after)
    periods = changed_periods(was, now)
    _ensure_no_contradiction(new, periods, wanted.names)
    if new.account.timezone != old.account.timezone or new.account.product_source != old.account.product_source:
        periods = {job: text for job, text in now.items() if text != "none" or job in periods}
    write_periods(connection, channel, new.account, periods, by.now)
    sources = (old.account.product_source, new.account.product_source)
    tell_suppressed(connection, channel, sources, was, (by.actor, by.now))


def _ensure_no_contradiction(scene: Scene, periods: Mapping[str, str], names: Sequence[str]) -> None:
    for job, text in periods.items():
        refused = source_refusal(scene.account.product_source, job, scene.channel.id, scene.channel.code)
        if refused and text != "none" and PERIOD + job in names:
            raise InputError(f"{refused} Set the period on the channel that may, not as a default of the account.",
                             code="not_product_source")  # fmt: skip
