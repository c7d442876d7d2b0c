"""The life of a channel on the operator surface: who may, and what a shop says before anything is saved."""

from __future__ import annotations

from typing import Any

import pytest

from broker.handling import Run
from broker.operations import ChannelEdit, Credentials
from domain.access import Actor, Grant, NotAllowed, Role
from domain.errors import InputError, UnknownName
from domain.outcomes import Done
from domain.settings import Changes
from sandbox.bright_sites import RunningShop
from tests.house import DONE, READ_ONLY, READ_WRITE, SmallHouse, answering

OPERATOR = Actor.installation("tester")
MAY_MOVE = {Role.ORGANIZATION_OWNER, Role.ORGANIZATION_ADMINISTRATOR, Role.ACCOUNT_ADMINISTRATOR}
OF_ACCOUNT = {Role.ACCOUNT_ADMINISTRATOR, Role.ACCOUNT_USER}


async def person(house: SmallHouse, role: Role) -> Actor:
    (account,) = await house.desk.accounts()
    grant = Grant(role, account.organization_id, account.id if role in OF_ACCOUNT else None)
    return Actor.person("user:1", [grant])


@pytest.mark.parametrize("role", list(Role))
async def test_the_shop_domain_is_changed_by_three_roles_alone(house: SmallHouse, role: Role) -> None:
    edit = ChannelEdit(domain="moved.example.com", token="fresh-token")
    by = await person(house, role)
    if role in MAY_MOVE:
        assert (await house.operations.life.edit(by, "acme", "main", edit)).domain == "moved.example.com"
        return
    with pytest.raises(NotAllowed, match=r"edit shop domain.*account administrator"):
        await house.operations.life.edit(by, "acme", "main", edit)
    assert (await house.desk.channels("acme"))[0].domain == "shop.example.com"


async def test_a_supervisor_sets_what_a_channel_does_and_neither_token_nor_account(house: SmallHouse) -> None:
    by = await person(house, Role.ORGANIZATION_SUPERVISOR)
    settings, life = house.operations.settings, house.operations.life
    await settings.change_channel(by, "acme", "main", Changes({"stock_buffer": 2, "period.order_import": "15m"}))
    await settings.change_account(by, "acme", Changes({"stock_buffer": 1}))
    await life.edit(by, "acme", "main", ChannelEdit(name="Main shop"))
    for refused in (
        life.edit(by, "acme", "main", ChannelEdit(token="fresh")),
        life.delete(by, "acme", "main"),
        settings.change_account(by, "acme", Changes({"master_product_source": "main"})),
        life.test(by, "acme", Credentials("bright_sites", "two.example.com", "fresh")),
    ):
        with pytest.raises(NotAllowed):
            await refused


async def test_nobody_of_another_organization_learns_that_the_account_exists(house: SmallHouse) -> None:
    stranger = Actor.person("user:2", [Grant(Role.ORGANIZATION_OWNER, "other")])
    for refused in (
        house.operations.settings.of_channel(stranger, "acme", "main"),
        house.operations.settings.history(stranger, "acme"),
        house.operations.life.delete(stranger, "acme", "main"),
        house.operations.warehouses.of_account(stranger, "acme"),
    ):
        with pytest.raises(UnknownName, match="no account 'acme'"):
            await refused


async def test_warehouses_are_made_by_the_organization_and_chosen_by_the_account(house: SmallHouse) -> None:
    (account,) = await house.desk.accounts()
    administrator = await person(house, Role.ACCOUNT_ADMINISTRATOR)
    surface = house.operations.warehouses
    with pytest.raises(UnknownName):
        await surface.create(administrator, account.organization_id, "east", "East")
    owner = await person(house, Role.ORGANIZATION_OWNER)
    await surface.create(owner, account.organization_id, "east", "East")
    await surface.enable(administrator, "acme", "east", enabled=True)
    assert [each.accounts for each in await surface.of_account(administrator, "acme")] == [("acme",)]
    for code, name in (("a/b", "x"), (" east", "x"), ("", "x"), ("west", " ")):
        with pytest.raises(InputError):
            await surface.create(owner, account.organization_id, code, name)


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({}, "nothing_to_change"),
        ({"name": "  "}, "bad_name"),
        ({"domain": "moved.example.com"}, "token_missing"),
        ({"domain": "http://moved.example.com", "token": "x"}, "bad_domain"),
        ({"token": " "}, "token_missing"),
        ({"name": "Fine", "domain": "127.0.0.1:80", "token": "x"}, "bad_domain"),
    ],
)
async def test_an_edit_that_cannot_be_changes_nothing(house: SmallHouse, edit: dict[str, Any], code: str) -> None:
    (before,) = await house.desk.channels("acme")
    with pytest.raises(InputError) as refused:
        await house.operations.life.edit(OPERATOR, "acme", "main", ChannelEdit(**edit))
    assert refused.value.code == code
    assert await house.desk.channels("acme") == [before]


async def test_a_connection_that_is_not_saved_is_tested_at_the_shop_and_leaves_nothing(
    shop_house: SmallHouse, shop_server: RunningShop
) -> None:
    life = shop_house.operations.life
    good = await life.test(OPERATOR, "acme", Credentials("bright_sites", shop_house.domain, READ_WRITE))
    assert (good.reachable, good.may_write) == (True, True)
    told = await life.test(OPERATOR, "acme", Credentials("bright_sites", shop_house.domain, READ_ONLY))
    assert (told.reachable, told.may_write) == (True, False) and "may only read" in told.sentence
    edited = await life.test_edit(OPERATOR, "acme", "main", None, "wrong")
    assert not edited.reachable
    assert shop_server.shop.ledger.effects == []
    assert len(await shop_house.desk.channels("acme")) == 1


async def test_a_running_worker_follows_a_default_of_the_account(house: SmallHouse) -> None:
    seen: list[int] = []

    def note(run: Run) -> Done:
        seen.append(run.channel.settings.stock_buffer)
        return DONE

    handlers = answering(note)
    async with house.at_work(handlers):
        await house.until_state(await house.order_event(1), "done")
        await house.operations.settings.change_account(OPERATOR, "acme", Changes({"stock_buffer": 7}))
        await house.until_state(await house.order_event(2), "done")
    assert seen == [0, 7]


async def test_products_for_the_source_itself_end_visibly_and_without_a_line_for_each(house: SmallHouse) -> None:
    await house.products_from("main")
    product = {"product": {"sku": "CUP", "name": "Cup", "price": "1"}}
    messages = [await house.event("product.changed", product) for _ in range(3)]
    await house.work_off()
    for message in messages:
        row = await house.delivery(message)
        assert (row.state, row.code) == ("skipped", "not_product_source")
        assert not await house.attempts(message)
    await house.products_from("upstream")
    await house.desk.replay([(await house.delivery(messages[0])).id])
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(messages[0])).state == "done"
