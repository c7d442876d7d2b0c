"""Settings of one channel: put, cleared, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from broker.operations.settings import ManifestOf
from domain.channels import ChannelSettings
from domain.errors import InputError
from domain.product_source import source_refusal
from domain.setting_fields import PERIOD
from domain.settings import Changes, Effective, differences, ensure_offered, ensure_version, flattened, normal
from storage.ledger.outward import unlock
from storage.people.audit import Change, append
from storage.settings.effect import changed_periods, periods_of, write_periods, write_settings
from storage.settings.own import By, Owner, keep
from storage.settings.scene import Fields, Scene, scene_of
from storage.warehouses import ensure_enabled

Told = tuple[str, dict[str, Any]]
Tell = Callable[[Mapping[str, Any]], Told | None]
"""From the changes to action and detail of their audit row, where there is to be one."""


def _plainly(changed: Mapping[str, Any]) -> Told | None:
    return ("channel.changed", {"settings": dict(changed)}) if changed else None


def put(
    connection: Connection,
    where: tuple[str, str],
    changes: Changes,
    by: By,
    *,
    manifest_of: ManifestOf | None = None,
    tell: Tell = _plainly,
) -> int:
    """Change settings of a channel; the version they have since, the same where nothing changed.

    Without ``manifest_of`` it is not asked what the channel's platform offers.

    Raises:
        UnknownName: no such channel or setting.
        StaleVersion: they have another version than was expected.
        InputError: not offered, a value that cannot be, or one that contradicts the source of products.
    """
    scene = scene_of(connection, where, change=True)
    ensure_version(changes.expected, scene.own.version, f"channel {'/'.join(where)}")
    fields = _fields(scene, changes, manifest_of)
    wanted = Changes(normal(changes.put), changes.clear)
    _ensure_possible(connection, scene, wanted.put)
    own = wanted.applied(scene.own.chosen)
    before, after = scene.values(fields), scene.values(fields, own)
    write_settings(connection, scene.channel.id, after)
    periods = changed_periods(periods_of(before), periods_of(after))
    periods |= {name.removeprefix(PERIOD): own[name] for name in wanted.put if name.startswith(PERIOD)}
    write_periods(connection, scene.channel, scene.account, periods, by.now)
    changed = _changed(wanted, scene.own.chosen, own, before, after)
    if changed:
        owner = Owner(scene.account.id, scene.channel.id)
        keep(connection, owner, scene.own.version + 1, own, changed, by)
    unlock(connection, scene.channel.id, "mapping", by.now)
    unlock(connection, scene.channel.id, "budget", by.now)
    if (told := tell(changed)) is not None:
        action, detail = told
        append(connection, Change(by.actor, action, "channel:" + "/".join(where), scene.place, detail), by.now)
    return scene.own.version + bool(changed)


def _fields(scene: Scene, changes: Changes, manifest_of: ManifestOf | None) -> Fields | None:
    if manifest_of is None:
        return None
    manifest = manifest_of(scene.channel.platform)
    manifest.ensure_automation(changes.put.get("automation"))
    ensure_offered(changes, manifest.fields, f"A {manifest.title} channel")
    return manifest.fields


def _ensure_possible(connection: Connection, scene: Scene, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name.startswith(PERIOD) and value != "none":
            job = name.removeprefix(PERIOD)
            refused = source_refusal(scene.account.product_source, job, scene.channel.id, scene.channel.code)
            if refused:
                raise InputError(refused, code="not_product_source")
    if "stock_warehouses" in values:
        ensure_enabled(connection, scene.place, values["stock_warehouses"])


def _changed(
    changes: Changes,
    had: Mapping[str, Any],
    own: Mapping[str, Any],
    before: Mapping[str, Effective],
    after: Mapping[str, Effective],
) -> dict[str, Any]:
    """What a version tells: the values that counted before and after of each name that was put or cleared."""
    absent = object()
    told: dict[str, Any] = {}
    for name in changes.names:
        if had.get(name, absent) == own.get(name, absent):
            continue
        told[name] = {"before": before[name].value, "after": after[name].value}
        if name not in own:
            told[name]["cleared"] = True
    return told


def replace_all(connection: Connection, where: tuple[str, str], settings: ChannelSettings, by: By) -> None:
    """Put every setting whose value differs from the one that counts now; all others stay as they are."""
    scene = scene_of(connection, where, change=True)
    wanted = flattened(settings)
    present = {name: each.value for name, each in scene.values(None).items()}
    different = {name: wanted[name] for name in differences(present, wanted, wanted.keys())}
    if different:
        put(connection, where, Changes(different), by)
        return
    unlock(connection, scene.channel.id, "mapping", by.now)
    unlock(connection, scene.channel.id, "budget", by.now)
