"""The warehouse and carrier that the OMS is told of orders that come in, against the sandbox shop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from domain.access import Actor
from domain.mappings import CarrierMapping, MappingKind
from domain.settings import Changes
from tests.consumers.store import Store


def bought(store: Store, method: str = "UPS Ground") -> int:
    """An order with a shipping method."""
    order = store.buy("TEE0001-S")
    store.edit(order, shipping_method=method)
    return order


async def put(store: Store, **settings: str | None) -> None:
    """Put settings on the account."""
    await store.house.operations.settings.change_account(Actor.installation("tester"), "acme", Changes(settings))


async def map_method(store: Store, method: str, carrier: str, service: str = "", *, channel_service: str = "") -> int:
    """Map a shipping method; how many deliveries that let go."""
    row = CarrierMapping(method, channel_service, carrier, service)
    return (await store.house.mappings.save("acme", "main", row, "tester")).deliveries


async def told(store: Store) -> tuple[str | None, str | None, str | None]:
    """Warehouse, carrier and service of the last order that the OMS was told of."""
    (*_, last) = [each["data"] for each in await store.announced() if each["type"] == "order.imported"]
    return last["warehouse"], last["carrier"], last["carrier_service"]


@contextmanager
def asked_of_mappings(store: Store) -> Iterator[list[str]]:
    """The statements that read mappings, tasks or settings meanwhile, but for the directory's own."""
    found: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *rest: Any) -> None:
        about = ("FROM mappings", "FROM mapping_tasks", "FROM own_settings")
        if any(each in statement for each in about):
            found.append(statement)

    event.listen(store.house.database.engine, "after_cursor_execute", note)
    yield found
    event.remove(store.house.database.engine, "after_cursor_execute", note)


async def test_an_order_has_the_defaults_of_its_account(store: Store) -> None:
    row = await store.run(await store.house.order_event(bought(store)))
    assert (row.code, await told(store)) == ("ok", (None, None, None))
    await put(store, default_warehouse="east", default_carrier="ups")
    row = await store.run(await store.house.order_event(bought(store)))
    assert (row.code, await told(store)) == ("ok", ("east", "ups", None))
    await put(store, default_warehouse=None, default_carrier=None)
    await store.run(await store.house.order_event(bought(store)))
    assert await told(store) == (None, None, None)


@pytest.mark.parametrize(
    ("method", "carrier", "service"),
    [("UPS Ground", "ups", "03"), ("ups next day AIR", "ups", None), ("FedEx 2Day", "fedex", "2"), ("", "dhl", None)],
)
async def test_the_carrier_is_the_one_the_shipping_method_is_mapped_to(
    store: Store, method: str, carrier: str, service: str | None
) -> None:
    await put(store, default_carrier="dhl")
    await map_method(store, "UPS Ground", "ups", "03")
    await map_method(store, "UPS*", "ups")
    await map_method(store, "FedEx", "fedex", "2", channel_service="2Day")
    row = await store.run(await store.house.order_event(bought(store, method)))
    assert (row.state, row.code) == ("done", "ok")
    assert await told(store) == (None, carrier, service)


@pytest.mark.parametrize(("default", "said"), [(None, "told no carrier"), ("dhl", "default carrier 'dhl'")])
async def test_a_method_that_no_mapping_fits_is_told_and_the_order_goes_on(
    store: Store, default: str | None, said: str
) -> None:
    await put(store, default_carrier=default)
    await map_method(store, "UPS*", "ups")
    message = await store.house.order_event(bought(store, "Pigeon Post"))
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "carrier_unmapped")
    assert (await store.attempt(message)).level == "Warning"
    assert "'Pigeon Post'" in row.sentence and said in row.sentence and "Map it" in row.sentence
    assert await told(store) == (None, default, None)
    assert await store.house.mappings.tasks("acme") == []


async def test_without_carrier_mappings_nobody_is_warned_and_nothing_waits(store: Store) -> None:
    await store.house.change(unmapped_carrier="stop")
    await store.house.map_skus({"TEE0001-S": "SHIRT"})
    message = await store.house.order_event(bought(store))
    assert (await store.run(message)).code == "ok"
    assert (await store.attempt(message)).level == "Info"


async def test_where_the_channel_says_stop_an_order_waits_for_its_carrier_without_a_call(store: Store) -> None:
    await store.house.change(unmapped_carrier="stop")
    await map_method(store, "UPS*", "ups")
    order = bought(store, "Pigeon Post")
    message = await store.house.order_event(order)
    row = await store.run(message)
    assert (row.state, row.code, row.failures) == ("parked", "carrier_unmapped", 0)
    assert f"Order {order}" in row.sentence and "'Pigeon Post'" in row.sentence
    (task,) = await store.house.mappings.tasks("acme")
    assert (task.kind, task.side, task.code, task.blocks) == ("carrier", "channel", "Pigeon Post", 1)
    store.shop.ledger.calls.clear()
    await store.house.work_off()
    assert store.calls() == [] and await store.announced() == []
    assert await map_method(store, "DHL*", "dhl") == 0
    assert await map_method(store, "Pigeon", "pigeon", "P", channel_service="Post") == 1
    assert ((await store.run(message)).state, await told(store)) == ("done", (None, "pigeon", "P"))
    assert store.calls() == [f"GET /orders/{order}"]
    assert await store.house.mappings.tasks("acme") == []


async def test_a_method_that_is_ignored_ends_its_orders_now_and_later(store: Store) -> None:
    await store.house.change(unmapped_carrier="stop")
    await map_method(store, "UPS*", "ups")
    first = await store.house.order_event(bought(store, "Pigeon Post"))
    await store.run(first)
    (task,) = await store.house.mappings.tasks("acme")
    await store.house.mappings.ignore(task.id, "tester")
    assert (await store.house.delivery(first)).state == "discarded"
    later = await store.run(await store.house.order_event(bought(store, "Pigeon Post")))
    assert (later.state, later.code) == ("skipped", "mapping_ignored")


async def test_a_method_that_nobody_could_map_is_dead_where_the_channel_says_stop(store: Store) -> None:
    await map_method(store, "UPS*", "ups")
    message = await store.house.order_event(bought(store, "x" * 201))
    assert (await store.run(message)).code == "carrier_unmapped"
    await store.house.change(unmapped_carrier="stop")
    order = bought(store, "x" * 201)
    row = await store.run(await store.house.order_event(order))
    assert (row.state, row.code) == ("dead", "carrier_unusable")
    assert str(order) in row.sentence and "201 characters" in row.sentence


async def test_a_mapping_or_default_that_changed_since_tells_no_order_again(store: Store) -> None:
    await put(store, default_warehouse="west", default_carrier="fedex")
    order = bought(store)
    await store.run(await store.house.order_event(order))
    assert await told(store) == ("west", "fedex", None)
    await put(store, default_warehouse="east", default_carrier=None)
    await map_method(store, "UPS*", "ups")
    assert (await store.run(await store.house.order_event(order))).code == "unchanged"
    await store.house.mappings.remove("acme", "main", MappingKind.CARRIER, "UPS*", "tester")
    await map_method(store, "DHL", "dhl")
    await store.house.change(unmapped_carrier="stop")
    assert (await store.run(await store.house.order_event(order))).code == "unchanged"
    assert len(await store.announced()) == 1
    await store.house.mappings.remove("acme", "main", MappingKind.CARRIER, "DHL", "tester")
    store.house.clock.advance(5)
    store.edit(order, status="paid")
    assert (await store.run(await store.house.order_event(order, "order.updated"))).state == "done"
    assert await told(store) == ("east", None, None)


async def test_nothing_is_asked_where_nothing_is_mapped_and_once_where_something_is(store: Store) -> None:
    await put(store, default_warehouse="east", default_carrier="ups")
    with asked_of_mappings(store) as asked:
        for _ in range(2):
            await store.run(await store.house.order_event(bought(store)))
        assert asked == []
    await map_method(store, "UPS*", "ups")
    with asked_of_mappings(store) as asked:
        for _ in range(3):
            await store.run(await store.house.order_event(bought(store)))
        assert len(asked) == 2
