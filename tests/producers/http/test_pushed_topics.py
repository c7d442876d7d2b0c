"""A shop that posts products and stock: each post starts the import it belongs to, once for all that wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.handling import Run
from broker.operations import NewChannel
from domain.outcomes import Done
from domain.products import Product
from producers.http import create_app
from storage.tables import messages
from tests.house import SmallHouse, answering, small_house, sqlite_url
from tests.pushy import HEADER, NAME, Pushy

PRODUCT = {"id": 632910392, "title": "IPod", "vendor": "Kim Secret"}


@dataclass
class Door:
    """The HTTP door of a house whose channel ``pushy`` has a hook."""

    house: SmallHouse
    client: httpx.AsyncClient
    pushy: Pushy
    path: str

    async def post(self, topic: str | None, document: Any, path: str = "") -> httpx.Response:
        headers = {HEADER: topic} if topic is not None else {}
        return await self.client.post(self.path + path, json=document, headers=headers)

    async def stored(self) -> list[Any]:
        found: list[Any] = await self.house.execute(messages.select().order_by(messages.c.id))
        return found


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    pushy = Pushy()
    pushy.register(monkeypatch)
    async with small_house(sqlite_url(tmp_path)) as house:
        await house.operations.create_channel(NewChannel("acme", "pushy", "Pushy", NAME, "pushy.example.com", "t-1234"))
        secret = await house.operations.make_hook("acme", "pushy", actor="tester")
        transport = httpx.ASGITransport(create_app(house.operations))
        async with httpx.AsyncClient(transport=transport, base_url="http://towpath") as client:
            yield Door(house, client, pushy, f"/hooks/pushy/{secret}")


async def test_a_post_about_stock_is_one_run_of_the_import_that_tells_the_oms(door: Door) -> None:
    door.pushy.stock = {"MUG": 7}
    answer = await door.post("inventory_levels/update", {"sku": "MUG", "available": 99})
    body = answer.json()
    assert (answer.status_code, body["job"], body["subject"], body["order"], body["status"]) == (
        202, "inventory_import", "MUG", None, "accepted",
    )  # fmt: skip
    await door.house.work_off()
    (row,) = await door.house.attempts(body["message"])
    assert (row.job, row.trigger, row.outcome, dict(row.counts)) == (
        "inventory_import", "webhook", "Done", {"read": 1, "created": 1},
    )  # fmt: skip
    assert door.pushy.reads == ["stock"]
    (told,) = [each for each in await door.house.operations.jobs("acme", "pushy") if each.job == "inventory_import"]
    assert (told.pushed, told.last_outcome, told.period) == (True, "Done", "none")


async def test_a_post_about_a_product_imports_it_where_the_channel_is_the_source_and_is_refused_elsewhere(
    door: Door,
) -> None:
    refused = await door.post("products/update", PRODUCT)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_product_source")
    assert await door.stored() == []
    await door.house.products_from("pushy")
    changed = door.house.clock() - timedelta(minutes=1)
    door.pushy.products = {"632910392": Product(external_id="632910392", sku="IPOD", name="IPod", updated_at=changed)}
    answer = await door.post("products/update", PRODUCT)
    assert answer.json()["subject"] == "632910392"
    await door.house.work_off()
    (row,) = await door.house.attempts(answer.json()["message"])
    assert (row.outcome, row.counts["created"]) == ("Done", 1)
    (stored,) = await door.stored()
    assert b"Secret" not in bytes(stored.body) and b"IPod" not in bytes(stored.body)


async def test_posts_while_one_waits_are_one_run_and_one_after_the_read_has_begun_is_another(door: Door) -> None:
    answers = [(await door.post("inventory/reset", {})).json() for _ in range(5)]
    assert [each["status"] for each in answers] == ["accepted"] + ["waiting"] * 4
    late: list[httpx.Response] = []

    async def read(run: Run) -> Done:
        if not late:
            late.extend([await door.post("inventory/reset", {}), await door.post("inventory/reset", {})])
        return Done("Read.")

    await door.house.work_off(answering(read))
    assert [each.json()["status"] for each in late] == ["accepted", "waiting"]
    first, second = await door.stored()
    assert (first.copies, second.copies) == (4, 1)
    for each in (first, second):
        assert (await door.house.delivery(each.id)).state == "done"


async def test_an_order_is_known_by_the_topic_too_and_read_again(door: Door) -> None:
    answer = await door.post("orders/create", {"id": 450789469, "email": "kim@example.com"})
    assert (answer.json()["order"], answer.json()["job"]) == ("450789469", "order_import")
    (row,) = await door.stored()
    assert (row.type, row.business_key, row.trigger) == ("order.created", "450789469", "webhook")


async def test_a_topic_in_the_path_counts_whatever_the_header_says(door: Door) -> None:
    answer = await door.post("orders/create", {}, "/inventory/reset")
    assert answer.json()["job"] == "inventory_import"


@pytest.mark.parametrize(
    ("topic", "path", "code"),
    [
        ("app/uninstalled", "", "unknown_topic"),
        (None, "/push_orders", "unknown_topic"),
        (None, "", "topic_missing"),
        ("orders/create", "", "order_missing"),
        ("inventory_levels/update", "", "stock_missing"),
    ],
)
async def test_what_is_not_declared_or_names_nothing_is_refused_precisely_and_stores_nothing(
    door: Door, topic: str | None, path: str, code: str
) -> None:
    answer = await door.post(topic, {"note": "x"}, path)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if code.startswith(("unknown", "topic")):
        assert "products/update" in answer.json()["detail"] and "Pushy posts" in answer.json()["detail"]
    assert await door.stored() == []


async def test_topics_are_not_told_to_who_does_not_know_the_secret(door: Door) -> None:
    answer = await door.client.post("/hooks/pushy/th_unknown/app/uninstalled", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_hook")
