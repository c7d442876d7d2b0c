"""Changing and cancelling orders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.bright_sites import Shop, Wish
from sandbox.bright_sites.statuses import MOVES, STATUSES
from tests.sandbox.bright_sites.helpers import Caller, HandClock


def _order(shop: Shop, status: str = "new") -> int:
    (order_id,) = shop.buy(1, Wish(status=status, skus=["TEE0001-M"]))
    return order_id


def test_a_put_changes_the_status_and_moves_updated_at(shop: Shop, api: Caller, clock: HandClock) -> None:
    order_id = _order(shop)
    assert api.get("/orders")["orders"][0]["status"] == api.get(f"/orders/{order_id}")["status"] == "new"
    clock.advance(61)
    order = api.put(f"/orders/{order_id}", {"order": {"status": "in_progress"}})
    assert (order["order_id"], order["status"]) == (order_id, "in_progress")
    assert order["updated_at"] == "2026-03-02T09:16:01-07:00"
    assert order["created_at"] == "2026-03-02T09:15:00-07:00"
    assert api.get("/orders")["orders"][0]["status"] == "in_progress"
    assert api.get(f"/orders/{order_id}") == order


def test_a_put_writes_the_order_level_shipment_and_overwrites_it(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    body = {"tracking_number": "1ZFIRST", "ship_date": "2026-03-04 10:00:00"}
    api.put(f"/orders/{order_id}", {"order": body})
    order = api.put(f"/orders/{order_id}", {"order": {"tracking_number": "1ZLAST"}})
    assert order["shipment"]["tracking_number"] == "1ZLAST"
    assert order["shipment"]["ship_date"] == "2026-03-04"
    assert order["shipments"] == []
    assert api.get("/orders")["orders"][0]["tracking"] == "1ZLAST"


def test_sub_objects_are_merged(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    before = api.get(f"/orders/{order_id}")["shipping_address"]
    order = api.put(f"/orders/{order_id}", {"order": {"shipping_address": {"zip": "99999"}}})
    assert order["shipping_address"] == {**before, "zip": "99999"}


def test_a_note_is_appended_by_the_username_api(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    api.put(f"/orders/{order_id}", {"order": {"note": "first"}})
    notes = api.put(f"/orders/{order_id}", {"order": {"note": "second"}})["notes"]
    assert [(note["username"], note["note"]) for note in notes] == [("API", "first"), ("API", "second")]


def test_a_confirmation_is_sent_only_when_asked_for(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    api.put(f"/orders/{order_id}", {"order": {"send_shipping_confirmation": 0}})
    api.put(f"/orders/{order_id}", {"order": {"send_shipping_confirmation": True}})
    kinds = [effect.kind for effect in shop.ledger.effects_of_order(order_id)]
    assert kinds == ["order_placed", "order_updated", "order_updated", "confirmation_sent"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(old=st.sampled_from(STATUSES), new=st.sampled_from(STATUSES))
def test_only_the_moves_of_the_table_are_accepted(shop: Shop, old: str, new: str) -> None:
    (order_id,) = shop.buy(1, Wish(status=old, lines=1))
    answer = shop.call("PUT", f"/api/v2.7.0/orders/{order_id}", {"order": {"status": new}})
    allowed = old == new or new in MOVES[old]
    assert answer.status == (200 if allowed else 422)
    assert shop.order(order_id)["status"] == (new if allowed else old)


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("new", "shipped", True),
        ("new", "moas_pending", False),
        ("moas_pending", "new", True),
        ("moas_pending", "shipped", False),
        ("canceled", "new", False),
        ("completed", "in_progress", False),
    ],
)
def test_the_table_says_what_the_facts_say(old: str, new: str, allowed: bool) -> None:
    assert (new in MOVES[old]) is allowed


def test_without_strict_transitions_any_of_the_ten_is_taken(shop: Shop, api: Caller) -> None:
    shop.change_settings({"strict_transitions": False})
    order_id = _order(shop, "completed")
    assert api.put(f"/orders/{order_id}", {"order": {"status": "new"}})["status"] == "new"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "sent"}, "Invalid parameter 'order[status]': Must be one of: new, billed, paid"),
        ({"ship_date": "04/03/2026"}, "Invalid parameter 'order[ship_date]': Must be a date"),
        ({"shipping_address": "x"}, "Invalid parameter 'order[shipping_address]': Must be a Hash"),
        ({"note": 5}, "Invalid parameter 'order[note]': Must be a String"),
        ({"send_shipping_confirmation": "yes"}, "Must be one of: true, false, 1, 0"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_and_nothing_changes(
    shop: Shop, api: Caller, change: dict[str, Any], message: str
) -> None:
    order_id = _order(shop)
    status, body = api.refused("PUT", f"/orders/{order_id}", {"order": {**change, "tracking_number": "1Z"}})
    assert status == 422
    assert message in body["errors"][0]
    assert shop.order(order_id)["shipment"]["tracking_number"] is None


def test_the_short_put_answer_leaves_fields_out_and_shows_line_ids_as_text(shop: Shop, api: Caller) -> None:
    shop.change_settings({"short_put_answer": True})
    order = api.put(f"/orders/{_order(shop)}", {"order": {"status": "paid"}})
    assert "shipments" not in order and "site_id" not in order
    assert isinstance(order["line_items"][0]["id"], str)


def test_cancel_restocks_refunds_and_tells_what_it_did(shop: Shop, api: Caller) -> None:
    before = shop.stock()["TEE0001-M"]
    order_id = _order(shop)
    assert shop.stock()["TEE0001-M"] < before
    answer = api.put(f"/orders/{order_id}/cancel")
    assert set(answer) == {"success", "errors"}
    assert answer["success"] and answer["errors"] == []
    assert shop.stock()["TEE0001-M"] == before
    order = api.get(f"/orders/{order_id}")
    assert order["status"] == "canceled"
    assert order["payments"][1]["amount"] == "-" + order["payments"][0]["amount"]
    assert order["payment"]["state"] == "refunded"


def test_a_failed_refund_is_listed_under_errors_with_200(shop: Shop, api: Caller) -> None:
    shop.change_settings({"refunds_fail": True})
    order_id = _order(shop)
    answer = api.put(f"/orders/{order_id}/cancel")
    assert answer["success"] and "could not be refunded" in answer["errors"][0]
    assert api.get(f"/orders/{order_id}")["status"] == "canceled"


def test_a_second_cancel_restocks_nothing(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    api.put(f"/orders/{order_id}/cancel")
    stock = shop.stock()
    assert api.put(f"/orders/{order_id}/cancel")["success"] == []
    assert shop.stock() == stock


def test_the_status_canceled_by_put_does_not_restock(shop: Shop, api: Caller) -> None:
    order_id = _order(shop)
    stock = shop.stock()
    api.put(f"/orders/{order_id}", {"order": {"status": "canceled"}})
    assert shop.stock() == stock
    assert len(shop.order(order_id)["payments"]) == 1
