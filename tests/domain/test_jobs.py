"""Job types, what they listen to, and the lane of each delivery."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.envelope import Envelope
from domain.errors import UnknownName
from domain.events import EVENT_TYPES, StockChanged, Tick, payload_of
from domain.jobs import JOB_TYPES, Place, is_tick, job_type, jobs_for, place_of
from domain.states import LaneKind
from tests.domain.events import SHIPMENT, STOCK, event

TICK = {"schedule": "s-1", "due": "2026-03-02T15:00:00Z"}
names = st.text(min_size=1, max_size=20)


def place(job: str, type: str, data: dict[str, Any], channel: str = "ch-1", key: str = "4711") -> Place:
    return place_of(job_type(job), channel, payload_of(Envelope.model_validate(event(type, data))), key)


def test_every_job_listens_to_events_that_exist_and_is_found_by_them() -> None:
    for job in JOB_TYPES.values():
        assert job_type(job.name) is job
        assert set(job.listens) <= set(EVENT_TYPES)
        assert all(job in jobs_for(each) for each in (*job.listens, job.tick))


def test_an_event_that_no_job_takes_finds_none() -> None:
    assert jobs_for("order.imported") == ()
    assert jobs_for("tick.tea_break") == ()


def test_an_unknown_job_is_refused_and_the_known_ones_are_told() -> None:
    with pytest.raises(UnknownName) as caught:
        job_type("order_eat")
    assert caught.value.code == "unknown_job"
    assert "'order_eat'" in caught.value.sentence
    assert all(name in caught.value.sentence for name in JOB_TYPES)


def test_all_jobs_of_one_order_share_its_lane() -> None:
    places = {
        place("order_import", "order.created", {"external_order_id": "4711"}),
        place("order_import", "order.cancelled", {"external_order_id": "4711"}),
        place("order_update", "order.status_changed", {"external_order_id": "4711", "status": "paid"}),
        place("shipment_export", "shipment.created", SHIPMENT),
    }
    assert places == {Place("ch-1/order/4711", LaneKind.FIFO)}


@given(first=st.tuples(names, names), second=st.tuples(names, names))
def test_another_order_or_channel_has_another_lane(first: tuple[str, str], second: tuple[str, str]) -> None:
    data = {"external_order_id": "x"}
    lanes = [
        place("order_import", "order.created", data, f"{channel.encode().hex()}", key).lane
        for channel, key in (first, second)
    ]
    assert (lanes[0] == lanes[1]) == (first == second)


def test_changes_of_one_product_share_its_lane_whatever_their_subject() -> None:
    one = place("product_export", "product.changed", {"product": {"sku": "MUG", "name": "Mug"}}, key="a subject")
    other = place("product_export", "product.changed", {"product": {"sku": "MUG"}}, key="MUG")
    assert one == other == Place("ch-1/product/MUG", LaneKind.FIFO)
    without = place("product_export", "product.changed", {"product": {"sku": 7}}, key="a subject")
    assert without.lane == "ch-1/product/a subject"
    assert len(place("product_export", "product.changed", {"product": {"sku": "x" * 999}}).lane) < 300


@pytest.mark.parametrize("job", ["product_import", "product_export", "inventory_import"])
def test_ticks_of_products_and_of_reading_stock_have_a_lane_of_their_own(job: str) -> None:
    assert place(job, f"tick.{job}", TICK) == Place(f"ch-1/tick/{job}", LaneKind.FIFO)


def test_all_stock_of_a_channel_shares_one_bulk_lane() -> None:
    one = place("inventory_export", "stock.changed", STOCK)
    other = place("inventory_export", "stock.changed", {**STOCK, "sku": "CUP", "version": None})
    tick = place("inventory_export", "tick.inventory_export", TICK)
    assert {each.lane for each in (one, other, tick)} == {"ch-1/stock"}
    assert {each.kind for each in (one, other, tick)} == {LaneKind.BULK}
    assert (one.version, other.version, tick.version) == (7, None, None)


@given(first=st.tuples(names, names), second=st.tuples(names, names))
def test_changes_are_one_where_sku_and_warehouse_are_the_same(first: tuple[str, str], second: tuple[str, str]) -> None:
    keys = [
        place_of(
            job_type("inventory_export"),
            "ch-1",
            StockChanged(sku=sku.replace("\x1f", ""), warehouse=warehouse, total=1, allocated=0),
            "",
        ).coalesce_key
        if sku.replace("\x1f", "")
        else None
        for sku, warehouse in (first, second)
    ]
    if None not in keys:
        same = (first[0].replace("\x1f", ""), first[1]) == (second[0].replace("\x1f", ""), second[1])
        assert (keys[0] == keys[1]) == same


def test_a_tick_is_never_one_with_a_change_but_with_another_tick() -> None:
    tick = place("inventory_export", "tick.inventory_export", TICK)
    later = place("inventory_export", "tick.inventory_export", {**TICK, "due": "2026-03-02T16:00:00Z"})
    assert tick.coalesce_key == later.coalesce_key != place("inventory_export", "stock.changed", STOCK).coalesce_key


def test_ticks_of_an_order_job_have_a_lane_of_their_own() -> None:
    assert place("order_import", "tick.order_import", TICK) == Place("ch-1/tick/order_import", LaneKind.FIFO)


@pytest.mark.parametrize("job", JOB_TYPES)
def test_a_tick_comes_from_a_timer_and_its_event_does_not(job: str) -> None:
    tick = Envelope.model_validate(event(job_type(job).tick, TICK))
    assert is_tick(tick)
    assert isinstance(payload_of(tick), Tick)
    assert not is_tick(Envelope.model_validate(event("order.created", {"external_order_id": "1"})))
