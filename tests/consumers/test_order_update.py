from __future__ import annotations

import pytest

from tests.consumers.store import Store


async def status_event(store: Store, order: object, status: str, **more: str) -> str:
    """The OMS moves an order on; the message id."""
    data = {"external_order_id": str(order), "status": status, **more}
    return await store.house.event("order.status_changed", data)


@pytest.mark.parametrize(
    ("status", "shown"),
    [("paid", "paid"), ("in_progress", "in_progress"), ("partially_shipped", "split"), ("completed", "completed")],
)
async def test_the_status_of_the_oms_is_written_in_the_words_of_the_shop(store: Store, status: str, shown: str) -> None:
    order = store.buy("TEE0001-S")
    row = await store.run(await status_event(store, order, status))
    assert (row.state, row.code) == ("done", "ok")
    assert store.shop.order(order)["status"] == shown
    assert store.calls() == [f"PUT /orders/{order}"]


async def test_a_note_is_written_once_however_often_the_event_is_worked(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("reset_after", method="PUT", path=f"/orders/{order}$")
    message = await status_event(store, order, "paid", note="Paid by bank transfer.")
    await store.house.work_off()
    await store.run_again(message)
    again = await status_event(store, order, "paid", note="Paid by bank transfer.")
    assert (await store.run(again)).state == "done"
    notes = [note["note"] for note in store.shop.order(order)["notes"]]
    assert notes.count("Paid by bank transfer.") == 1
    assert store.shop.order(order)["status"] == "paid"


async def test_a_status_the_order_has_already_is_written_without_harm(store: Store) -> None:
    order = store.buy("TEE0001-S", status="paid")
    assert (await store.run(await status_event(store, order, "paid"))).state == "done"
    assert store.shop.order(order)["status"] == "paid"


@pytest.mark.parametrize("word", ["cancelled", "canceled", "Cancelled"])
async def test_cancelling_restocks_and_refunds_in_either_spelling(store: Store, word: str) -> None:
    order = store.buy("TEE0001-S")
    assert store.shop.stock()["TEE0001-S"] < 100
    row = await store.run(await status_event(store, order, word))
    assert (row.state, row.code) == ("done", "ok")
    assert len(store.effects("order_cancelled")) == 1
    assert store.shop.stock()["TEE0001-S"] == 100
    assert store.shop.order(order)["status"] == "canceled"


async def test_a_cancelled_order_is_not_cancelled_again_after_a_lost_answer(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("reset_after", method="PUT", path="/cancel$")
    message = await status_event(store, order, "cancelled")
    row = await store.run(message)
    assert (row.state, row.code) == ("waiting", "outcome_unknown")
    assert (await store.run_again(message)).state == "done"
    assert len(store.effects("order_cancelled")) == 1
    assert store.calls()[-1] == f"GET /orders/{order}"


async def test_a_note_of_a_cancellation_is_written_after_it(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.run(await status_event(store, order, "cancelled", note="The buyer changed their mind."))
    assert [note["note"] for note in store.shop.order(order)["notes"]][-1] == "The buyer changed their mind."
    assert len(store.effects("order_cancelled")) == 1


async def test_a_cancellation_the_shop_could_only_do_in_part_is_done_with_a_warning(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.shop.change_settings({"refunds_fail": True})
    message = await status_event(store, order, "cancelled")
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "cancelled_in_part")
    assert (await store.attempt(message)).level == "Warning"
    assert "could not be refunded" in row.sentence and str(order) in row.sentence


async def test_a_completed_order_cannot_be_cancelled_and_says_so(store: Store) -> None:
    order = store.buy("TEE0001-S", status="completed")
    row = await store.run(await status_event(store, order, "cancelled"))
    assert row.state == "dead"
    assert "cannot be canceled" in row.sentence
    assert store.shop.order(order)["status"] == "completed"


@pytest.mark.parametrize("status", ["on_hold", "sparkling"])
async def test_a_status_the_shop_has_no_word_for_is_dead_without_a_call(store: Store, status: str) -> None:
    order = store.buy("TEE0001-S")
    row = await store.run(await status_event(store, order, status))
    assert (row.state, row.code) == ("dead", "status_unknown")
    assert "Send one of" in row.sentence
    assert store.calls() == []


async def test_a_move_the_shop_does_not_allow_is_dead_with_the_words_of_the_shop(store: Store) -> None:
    order = store.buy("TEE0001-S", status="completed")
    row = await store.run(await status_event(store, order, "paid"))
    assert (row.state, row.code) == ("dead", "shop_rejected")
    assert "Status cannot change from completed to paid" in row.sentence


async def test_an_order_the_shop_does_not_know_is_dead(store: Store) -> None:
    for status in ("paid", "cancelled"):
        row = await store.run(await status_event(store, 987654, status))
        assert (row.state, row.code) == ("dead", "order_unknown")


async def test_two_statuses_of_one_order_arrive_in_their_order(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("server_error", method="PUT", path=f"/orders/{order}$")
    first = await status_event(store, order, "in_progress")
    second = await status_event(store, order, "completed")
    await store.house.work_off()
    assert (await store.house.delivery(second)).state == "behind"
    assert (await store.run_again(first)).state == "done"
    assert (await store.house.delivery(second)).state == "done"
    statuses = [effect.data["new_status"] for effect in store.effects("order_updated")]
    assert statuses == ["in_progress", "completed"]
