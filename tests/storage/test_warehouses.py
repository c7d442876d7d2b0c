"""Warehouses: of the organization, enabled per account, named by settings."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from broker.operations.warehouses import Warehouse
from connectors.bright_sites import MANIFEST
from domain.access import Place
from domain.errors import InputError, UnknownName
from domain.settings import Changes
from storage.people_tables import audit
from tests.storage.support import Site


async def acme(site: Site) -> Place:
    (account,) = [each for each in await site.desk.accounts() if each.code == "acme"]
    return Place(account.organization_id, account.id)


async def made(site: Site, *codes: str, enabled: bool = True) -> Place:
    place = await acme(site)
    for code in codes:
        await site.desk.warehouses.create_warehouse(place.organization_id, code, code.title(), actor="user:1")
        if enabled:
            await site.desk.warehouses.enable_warehouse(place, code, enabled=True, actor="user:1")
    return place


def put(site: Site, **values: Any) -> Awaitable[int]:
    where = ("acme", "main")
    return site.desk.settings.put_channel_settings(where, Changes(values), lambda _: MANIFEST, actor="user:1")


def put_account(site: Site, **values: Any) -> Awaitable[int]:
    return site.desk.settings.put_account_settings("acme", Changes(values), lambda _: MANIFEST, actor="user:1")


async def test_a_warehouse_is_made_renamed_enabled_disabled_and_deleted(site: Site) -> None:
    place = await made(site, "east")
    desk, organization = site.desk.warehouses, place.organization_id
    await desk.rename_warehouse(organization, "east", "East hall", actor="user:1")
    assert await desk.warehouses(organization) == [Warehouse("east", "East hall", ("acme",))]
    with pytest.raises(InputError, match="enabled for acme"):
        await desk.delete_warehouse(organization, "east", actor="user:1")
    await desk.enable_warehouse(place, "east", enabled=False, actor="user:1")
    await desk.delete_warehouse(organization, "east", actor="user:1")
    assert await desk.warehouses(organization) == []
    assert [row.action for row in site.rows(audit)][-5:] == [
        "warehouse.created", "warehouse.enabled", "warehouse.changed", "warehouse.disabled", "warehouse.deleted",
    ]  # fmt: skip


async def test_a_code_is_given_once_and_an_unknown_one_is_told(site: Site) -> None:
    place = await made(site, "east")
    with pytest.raises(InputError, match="already"):
        await site.desk.warehouses.create_warehouse(place.organization_id, "east", "East", actor="user:1")
    with pytest.raises(UnknownName):
        await site.desk.warehouses.enable_warehouse(place, "west", enabled=True, actor="user:1")


async def test_without_any_warehouse_settings_may_name_what_they_like(site: Site) -> None:
    await put(site, stock_warehouses=["anywhere"])
    await put_account(site, default_warehouse="anywhere")


async def test_once_there_are_some_settings_name_those_the_account_uses(site: Site) -> None:
    await put(site, stock_warehouses=["anywhere"])
    await made(site, "east")
    await made(site, "west", enabled=False)
    await put(site, burst=3)
    for refused in (
        put(site, stock_warehouses=["east", "west"]),
        put_account(site, stock_warehouses=["west"]),
        put_account(site, default_warehouse="west"),
    ):
        with pytest.raises(InputError, match="'west' is not enabled for this account; enabled are: east") as caught:
            await refused
        assert caught.value.code == "warehouse_not_enabled"
    await put(site, stock_warehouses=["east"])
    await put_account(site, default_warehouse="east")


async def test_a_warehouse_that_settings_name_is_not_taken_from_the_account(site: Site) -> None:
    place = await made(site, "east", "west")
    await put(site, stock_warehouses=["east"])
    await put_account(site, default_warehouse="west")
    for code, words in (("east", "Channel main sells the stock"), ("west", "the default warehouse")):
        with pytest.raises(InputError, match=words):
            await site.desk.warehouses.enable_warehouse(place, code, enabled=False, actor="user:1")
