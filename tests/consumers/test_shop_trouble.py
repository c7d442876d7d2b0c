"""What the shop's refusals and failures mean for the work of its channel."""

from __future__ import annotations

import time

import pytest

from tests.consumers.store import Store
from tests.house import READ_ONLY, READ_WRITE
from tests.moody import until


async def paid(store: Store, order: int) -> str:
    """The OMS says that an order is paid; the message id."""
    return await store.house.event("order.status_changed", {"external_order_id": str(order), "status": "paid"})


async def test_work_that_a_read_only_token_may_not_do_waits_and_a_new_token_releases_it(store: Store) -> None:
    await store.house.change(token=READ_ONLY)
    messages = [await paid(store, store.buy("TEE0001-S")) for _ in range(3)]
    async with store.house.at_work():
        for message in messages:
            row = await store.house.until_state(message, "waiting")
            assert (row.cause, row.failures) == ("unauthorized", 0)
        refused = [call for call in store.shop.ledger.calls if call.status == 403]
        assert refused and "Enter a" in (await store.house.delivery(messages[0])).sentence
        await store.house.change(token=READ_WRITE)
        for message in messages:
            await store.house.until_state(message, "done")
    assert [store.shop.order(order)["status"] for order in (1001, 1002, 1003)] == ["paid"] * 3


async def test_reading_goes_on_with_a_read_only_token_until_a_write_was_refused(store: Store) -> None:
    await store.house.change(token=READ_ONLY)
    message = await store.house.order_event(store.buy("TEE0001-S"))
    assert (await store.run(message)).state == "done"


async def test_a_token_the_shop_does_not_know_makes_the_work_wait_and_the_channel_says_so(store: Store) -> None:
    await store.house.change(token="wrong-token")
    message = await store.house.order_event(store.buy("TEE0001-S"))
    row = await store.run(message)
    assert (row.state, row.code, row.cause) == ("waiting", "shop_unauthorized", "unauthorized")
    (channel,) = await store.house.desk.channels("acme")
    assert channel.state == "unauthorized" and "wrong, expired or revoked" in channel.state_reason


async def test_a_throttled_call_waits_as_long_as_the_shop_asked_and_costs_no_attempt(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("throttle", retry_after=1)
    began = time.monotonic()
    async with store.house.at_work():
        message = await store.house.order_event(order)
        await store.until_logged(message, "shop_throttled")
        row = await store.house.until_state(message, "done")
    assert time.monotonic() - began >= 1.0
    assert row.failures == 0
    first, second = store.shop.ledger.calls
    assert (first.status, second.status) == (429, 200)
    assert second.monotonic - first.monotonic >= 1.0


async def test_a_shop_that_throttles_does_not_slow_another_channel(store: Store) -> None:
    await store.house.add_channel("other", "other.example.com")
    store.fault("throttle", retry_after=30, times=None)
    throttled = await store.house.order_event(store.buy("TEE0001-S"))
    async with store.house.at_work():
        await store.house.until_state(throttled, "waiting")
        other = await store.house.event("order.created", {"external_order_id": "x"}, channel="other")
        await store.house.until_state(other, "dead")
    assert len(store.shop.ledger.calls) == 1


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("server_error", {"status": 503}),
        ("html", {}),
        ("half_body", {}),
        ("wrong_json", {}),
        ("reset_before", {}),
    ],
)
async def test_a_read_the_shop_answered_badly_is_tried_again_and_comes_through(
    store: Store, kind: str, settings: dict[str, int]
) -> None:
    order = store.buy("TEE0001-S")
    store.fault(kind, **settings)
    message = await store.house.order_event(order)
    row = await store.run(message)
    assert row.state in ("waiting", "done")
    (first, *_) = await store.house.attempts(message)
    assert first.outcome in ("Retry", "Park") and first.calls[0]["error"]
    store.house.clock.advance(10)
    async with store.house.at_work():
        await store.house.until_state(message, "done")
    assert store.calls() == [f"GET /orders/{order}"] * 2


async def test_a_shop_that_is_out_closes_its_gate_and_its_work_comes_through_afterwards(store: Store) -> None:
    orders = store.shop.buy(8)
    store.shop.faults.start_outage()
    async with store.house.at_work():
        messages = [await store.house.order_event(order) for order in orders]
        await until(lambda: store.house.gates.closed(store.house.channel_id, "GET /orders/{id}"))
        store.shop.faults.lift_outage()
        for message in messages:
            await store.house.until_state(message, "done")
    assert len(await store.announced()) == 8


async def test_a_shop_that_answers_with_an_error_in_a_good_answer_has_refused(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("error_body", message="Orders are closed for maintenance")
    row = await store.run(await store.house.order_event(order))
    assert (row.state, row.code) == ("dead", "shop_rejected")
    assert "Orders are closed for maintenance" in row.sentence
