"""A shop that fails at one operation: its calls are held back, probed and let go; all other work goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from broker import gates
from broker.breaker import PROBES
from storage.tables import gates as table
from tests.consumers.store import Store
from tests.house import small_house
from tests.moody import until

POST, READ = "POST /orders/{order_id}/shipments", "GET /orders/{id}"
CLOSED_SECONDS = 20.0


@pytest.fixture(autouse=True)
def closed_until_the_clock_is_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate stays closed for 20 s of the house's clock, so that a slow machine sees no probe before its time."""
    monkeypatch.setattr(gates, "time", SimpleNamespace(monotonic=lambda: store.house.clock().timestamp()))
    monkeypatch.setattr(gates, "gate_wait", lambda closings: CLOSED_SECONDS)


async def parcels(store: Store, count: int) -> list[str]:
    """A parcel for each of some new orders; the message ids."""
    messages = []
    for order in [store.buy("TEE0001-S") for _ in range(count)]:
        lines = [{"external_line_id": str(line["id"]), "quantity": 1} for line in store.lines(order)]
        messages.append(await store.house.shipment_event(order, lines, shipment_id=f"P-{order}"))
    return messages


def posts(store: Store) -> int:
    return sum(call.method == "POST" for call in store.shop.ledger.calls)


async def held_back(store: Store, messages: Sequence[str], operation: str) -> None:
    """The work waits for its operation, at no cost."""
    for message in messages:
        row = await store.house.until_state(message, "waiting")
        assert (row.cause, row.failures) == ("shop_down", 0)
        assert operation in row.sentence and "all others go on" in row.sentence


async def until_closed(store: Store, operation: str, times: int) -> None:
    """Wait until an operation closed for the so many-th time in a row."""

    async def there() -> bool:
        rows = await store.house.execute(select(table.c.strikes).where(table.c.operation == operation))
        return [row.strikes for row in rows] == [times]

    await until(there)


async def failures(store: Store, messages: Sequence[str]) -> list[int]:
    return [(await store.house.until_state(message, "done")).failures for message in messages]


async def other_work(store: Store) -> None:
    """Work of every other job of the channel comes through."""
    bought, paid = store.shop.buy(2)
    messages = [
        await store.house.order_event(bought),
        await store.house.event("order.status_changed", {"external_order_id": str(paid), "status": "paid"}),
        await store.house.stock_event("MUG0002-S", 5),
    ]
    for message in messages:
        await store.house.until_state(message, "done")


async def test_while_the_shop_fails_at_shipments_they_wait_at_no_cost_and_all_else_goes_on(store: Store) -> None:
    await store.house.map_carriers({"ups": "UPS Ground"})
    store.fault("server_error", method="POST", status=503, times=3)
    async with store.house.at_work():
        failed = await parcels(store, 3)
        await until_closed(store, POST, 1)
        held = await parcels(store, 4)
        await held_back(store, held, POST)
        await other_work(store)
        assert posts(store) == 3 and store.house.gates.closed_channels() == []
        store.house.clock.advance(CLOSED_SECONDS + 1)
        assert await failures(store, held) == [0] * 4
        assert await failures(store, failed) == [1] * 3
    created = [effect.order_id for effect in store.effects("shipment_created")]
    assert len(created) == len(set(created)) == 7


async def test_operators_are_told_which_operation_is_closed_and_that_it_opened(store: Store) -> None:
    await store.house.map_carriers({"ups": "UPS Ground"})
    store.fault("server_error", method="POST", status=503, times=3)
    async with store.house.at_work():
        messages = await parcels(store, 3)
        await until_closed(store, POST, 1)
        (finding,) = [each for each in await store.house.operations.doctor() if each.subject == "channel acme/main"]
        assert not finding.ok
        assert finding.sentence.startswith(f"The shop fails at {POST}: this call is held back, all others go on.")
        assert "creating a shipment failed in the shop (503)" in finding.sentence and "Next try in " in finding.sentence
        store.house.clock.advance(CLOSED_SECONDS + 1)
        await failures(store, messages)
    (finding,) = [each for each in await store.house.operations.doctor() if each.subject == "channel acme/main"]
    assert (finding.ok, finding.sentence) == (True, "connected")


async def test_an_operation_whose_answers_break_off_costs_nothing_once_it_is_closed_probes_included(
    store: Store,
) -> None:
    store.fault("reset_before", method="GET", path=r"/orders/\d+$", times=None)
    async with store.house.at_work():
        struck = [await store.house.order_event(order) for order in store.shop.buy(3)]
        await until_closed(store, READ, 1)
        held = [await store.house.order_event(order) for order in store.shop.buy(3)]
        await held_back(store, held, READ)
        for closings in (2, 3, 4):
            store.house.clock.advance(CLOSED_SECONDS + 1)
            await until_closed(store, READ, closings)
            assert PROBES + closings - 1 <= len(store.shop.ledger.calls) <= closings * PROBES
        store.shop.faults.clear()
        store.house.clock.advance(CLOSED_SECONDS + 1)
        await until(lambda: come_through(store, [*held, *struck]))
        assert await failures(store, held) == [0] * 3
        assert max(await failures(store, struck)) <= 1


async def come_through(store: Store, messages: Sequence[str]) -> bool:
    """Whether all are done; time goes on, for who found enough others probing waits a moment."""
    store.house.clock.advance(0.2)
    return {(await store.house.delivery(message)).state for message in messages} == {"done"}


async def test_another_process_is_told_of_the_closed_operation_and_makes_no_such_call(
    store: Store, tmp_path: Path
) -> None:
    await store.house.map_carriers({"ups": "UPS Ground"})
    store.fault("server_error", method="POST", status=503, times=3)
    async with store.house.at_work():
        await parcels(store, 3)
        await until_closed(store, POST, 1)
    url = f"sqlite:///{tmp_path / 'towpath.db'}"
    async with small_house(url, clock=store.house.clock, domain=store.house.domain) as other:
        here = Store(other, store.shop)
        async with other.at_work():
            held = await parcels(here, 2)
            await held_back(here, held, POST)
            await other_work(here)
            assert posts(store) == 3
            other.clock.advance(CLOSED_SECONDS + 1)
            assert await failures(here, held) == [0, 0]


async def test_when_two_operations_fail_at_once_the_whole_channel_waits_and_comes_back(store: Store) -> None:
    await store.house.map_carriers({"ups": "UPS Ground"})
    messages = await parcels(store, 3)
    messages += [await store.house.order_event(order) for order in store.shop.buy(3)]
    store.fault("server_error", status=503, times=None)
    async with store.house.at_work():
        await until(store.house.gates.closed_channels)
        began = len(store.shop.ledger.calls)
        stock = await store.house.stock_event("MUG0002-S", 5)
        await until(lambda: store.house.delivery(stock))
        assert (await store.house.delivery(stock)).state == "ready"
        assert len(store.shop.ledger.calls) == began
        store.shop.faults.clear()
        store.house.clock.advance(CLOSED_SECONDS + 1)
        await failures(store, [*messages, stock])
