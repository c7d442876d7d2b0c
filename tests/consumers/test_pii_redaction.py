"""Personal data that went through the whole main job are nowhere in the database after the threshold; facts stay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text, update

from broker.ledger import Rejection
from broker.operations import CaptureFilter, LogFilter, LogRow, MessageFilter
from consumers.pii_redaction import pii_redaction
from domain.access import Actor
from domain.errors import MalformedEvent
from domain.orders import Order
from domain.periods import Period
from sandbox.bright_sites import RunningShop
from storage.privacy.eraser import SqlEraser
from storage.tables import deliveries, messages, outbox
from tests.consumers.conftest import SMALL
from tests.consumers.store import Store
from tests.house import DONE, answering, small_house
from tests.moody import HandClock

DAY = 86_400.0
TESTER = Actor.installation("tester")
MARKS = ("Zacharine", "Quillfeather", "zq.marker@mail.example", "555-7391-8264", "17 Marker Lane", "Markerville")
NOTE = "Ring twice for Zacharine"


@dataclass(frozen=True, slots=True)
class Told:
    """An order of a buyer with unmistakable personal data, told to the broker in every way there is."""

    order: int
    pushed: str
    status: str
    parcel: str


def canaries(store: Store, order: int) -> dict[str, Any]:
    contact = {"first_name": MARKS[0], "last_name": MARKS[1], "email": MARKS[2], "phone": MARKS[3]}
    address = {"first_address": MARKS[4], "city": MARKS[5], "state": "IL", "zip": "60601", "country": "US"}
    people = {"shipping_contact": contact, "billing_contact": contact}
    return {**people, "shipping_address": address, "billing_address": address}


async def told(store: Store) -> Told:
    """Import it, read it again as the shop pushes it, update it, ship it, and drop something unreadable."""
    order = store.buy("TEE0001-S", email=MARKS[2])
    store.edit(order, **canaries(store, order), note=NOTE)
    await store.run(await store.house.order_event(order))
    store.house.clock.advance(3)
    store.edit(order, status="paid")
    document = {**store.shop.order(order), "gift_message": f"For {MARKS[0]}", "telephone": 4915117391826}
    pushed = await store.house.order_event(order, "order.updated", order=json.loads(json.dumps(document)))
    data = {"external_order_id": str(order), "status": "in_progress", "note": NOTE}
    status = await store.house.event("order.status_changed", data, channel=None)
    lines = [{"external_line_id": str(line["id"]), "quantity": 1} for line in store.lines(order)]
    parcel = await store.house.shipment_event(order, lines, carrier="UPS Ground", service=None)
    await store.house.work_off()
    broken = Rejection(f"<order>{MARKS[1]}</order>".encode(), MalformedEvent("It is not JSON."), "towpath.inbox")
    await store.house.ledger.admit([], [broken])
    return Told(order, pushed, status, parcel)


async def redact(store: Store, channel: str = "main") -> LogRow:
    message = await store.house.desk.run_now("acme", channel, "pii_redaction")
    await store.house.work_off()
    return await store.attempt(message)


def found_in_files(folder: Path) -> set[str]:
    """The marks that stand in any file of the folder, the write-ahead log included."""
    held = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    return {mark for mark in (*MARKS, NOTE, "4915117391826") if mark.encode() in held}


async def found_in_rows(store: Store) -> set[str]:
    """The marks that stand in any column of any table, texts in bytes included."""

    def work(connection: Connection) -> str:
        names = inspect(connection).get_table_names()
        rows = [row for name in names for row in connection.execute(text(f"SELECT * FROM {name}"))]
        plain = [
            bytes(each).decode(errors="replace") if isinstance(each, bytes) else each for row in rows for each in row
        ]
        return "\n".join(json.dumps(each, default=str, ensure_ascii=False) for each in plain)

    held = await store.house.database.aread(work)
    return {mark for mark in (*MARKS, NOTE, "4915117391826") if mark in held}


async def document(store: Store, order: int) -> Order:
    found = await store.house.memory.order_document(store.house.channel_id, str(order))
    return Order.model_validate(found)


async def shown(store: Store) -> str:
    """All that operators can list or export."""
    desk = store.house.desk
    parts = [await desk.logs(LogFilter(limit=500)), await desk.messages(MessageFilter(limit=500))]
    return repr([*parts, await desk.rejected(100), await store.announced()])


async def test_after_the_threshold_no_file_of_the_database_holds_a_value_and_the_facts_stay(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    before = await document(store, case.order)
    assert found_in_files(tmp_path) == {*MARKS, NOTE, "4915117391826"}
    store.house.clock.advance(31 * DAY)
    row = await redact(store)
    assert (row.outcome, row.code, row.level) == ("Done", "ok", "Info")
    assert "1 orders, 2 messages, 2 announcements" in row.sentence and "1 rejected" in row.sentence
    assert found_in_files(tmp_path) == set() == await found_in_rows(store)
    printed = capfd.readouterr()
    outside = await shown(store) + printed.out + printed.err
    assert not [mark for mark in MARKS if mark in outside]
    after = await document(store, case.order)
    assert after.lines == before.lines and after.grand_total == before.grand_total
    assert (after.status, after.created_at, after.external_order_id) == (
        before.status,
        before.created_at,
        before.external_order_id,
    )
    assert [each["subject"] for each in await store.announced()] == [str(case.order)] * 2


async def test_nothing_is_erased_a_day_before_the_threshold(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    store.house.clock.advance(29 * DAY)
    assert "0 orders, 0 messages" in (await redact(store)).sentence
    assert (await document(store, case.order)).ship_to_contact.last_name == MARKS[1]


async def test_the_threshold_is_counted_from_shipping_which_the_shop_did_not_tell(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = store.buy("TEE0001-S")
    await store.run(await store.house.order_event(order))
    store.house.clock.advance(20 * DAY)
    lines = [{"external_line_id": str(line["id"]), "quantity": 1} for line in store.lines(order)]
    await store.run(await store.house.shipment_event(order, lines, carrier="UPS Ground", service=None))
    store.house.clock.advance(20 * DAY)
    assert "0 orders" in (await redact(store)).sentence
    store.house.clock.advance(11 * DAY)
    assert "1 orders" in (await redact(store)).sentence


async def test_the_threshold_is_counted_from_the_first_time_an_order_was_seen_cancelled(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = store.buy("TEE0001-S")
    await store.run(await store.house.order_event(order))
    store.house.clock.advance(25 * DAY)
    store.edit(order, status="canceled")
    await store.run(await store.house.order_event(order, "order.cancelled"))
    store.house.clock.advance(25 * DAY)
    store.edit(order, note="a word of the shop's staff")
    await store.run(await store.house.order_event(order, "order.updated"))
    assert "0 orders" in (await redact(store)).sentence
    store.house.clock.advance(6 * DAY)
    assert "1 orders" in (await redact(store)).sentence


async def test_a_second_run_finds_nothing_and_an_order_read_again_is_erased_again(store: Store, tmp_path: Path) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    store.house.clock.advance(31 * DAY)
    await redact(store)
    assert "0 orders, 0 messages, 0 announcements" in (await redact(store)).sentence
    store.edit(case.order, status="in_progress")
    await store.run(await store.house.order_event(case.order, "order.updated"))
    assert MARKS[1] in await found_in_rows(store)
    assert "1 orders, 0 messages, 1 announcements" in (await redact(store)).sentence
    assert found_in_files(tmp_path) == set()


async def test_what_was_inside_pages_that_go_on_being_used_is_overwritten_too(store: Store, tmp_path: Path) -> None:
    await store.house.change(pii_retention_days=30)
    await redact(store)
    assert found_in_files(tmp_path) == set()
    # The file was written anew just now; from here on only overwriting can help.
    batch = [
        store.house.incoming(
            "order.created", {"external_order_id": f"99{each}", "order": {"note": f"{NOTE} " * (1 + each % 40)}}
        )
        for each in range(200)
    ]
    await store.house.admit(batch)
    await store.house.work_off(answering(lambda run: DONE))
    store.house.clock.advance(31 * DAY)
    assert "200 messages" in (await redact(store)).sentence
    assert found_in_files(tmp_path) == set()


async def test_an_unchanged_order_is_not_announced_again_because_its_buyer_was_erased(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = store.buy("TEE0001-S", email=MARKS[2])
    await store.run(await store.house.order_event(order))
    store.house.clock.advance(31 * DAY)
    assert "1 orders" in (await redact(store)).sentence
    row = await store.run(await store.house.order_event(order, "order.updated"))
    assert (row.state, row.code) == ("skipped", "unchanged")
    assert len(await store.announced()) == 1 and await found_in_rows(store) == set()


async def test_replaying_what_was_erased_is_explained_and_sends_nothing_to_the_shop(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    # As if the note had been refused at the time.
    await store.house.execute(update(deliveries).where(deliveries.c.message_id == case.status).values(state="dead"))
    store.house.clock.advance(31 * DAY)
    await redact(store)
    store.shop.ledger.calls.clear()
    row = await store.run_again(case.status)
    assert (row.state, row.code) == ("skipped", "personal_data_erased")
    assert "were erased on" in row.sentence and store.calls() == []


async def test_work_that_waited_past_the_threshold_ends_with_the_reason(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = store.buy("TEE0001-S")
    await store.run(await store.house.order_event(order))
    await store.house.desk.change_channel("acme", "main", enabled=False)
    data = {"external_order_id": str(order), "status": "paid", "note": NOTE}
    message = await store.house.event("order.status_changed", data)
    assert (await store.run(message)).state == "parked"
    store.house.clock.advance(31 * DAY)
    row = await redact(store)
    assert row.code == "ok", "a channel that is disabled has its personal data erased, too"
    await store.house.desk.change_channel("acme", "main", enabled=True)
    store.shop.ledger.calls.clear()
    assert (await store.run(message)).code == "personal_data_erased"
    assert store.calls() == []


async def test_what_the_oms_was_not_told_in_time_is_not_told_without_its_buyer(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = store.buy("TEE0001-S")
    await store.run(await store.house.order_event(order))
    assert len(await store.house.ledger.unsent(10)) == 1
    store.house.clock.advance(31 * DAY)
    await redact(store)
    assert await store.house.ledger.unsent(10) == []
    (row,) = await store.house.execute(select(outbox))
    assert "not sent" in row.failure


async def test_events_of_orders_that_were_never_recorded_are_erased_by_their_own_age(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    order = {"order_id": 999_999, "shipping_contact": {"last_name": MARKS[1]}}
    message = await store.house.order_event(999_999, order=order)
    assert (await store.run(message)).state == "dead"
    store.house.clock.advance(29 * DAY)
    await redact(store)
    assert await found_in_rows(store) == {MARKS[1]}
    store.house.clock.advance(2 * DAY)
    assert "1 messages" in (await redact(store)).sentence
    assert await found_in_rows(store) == set()


async def test_an_event_that_comes_after_the_erasing_is_erased_by_the_next_run(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    store.house.clock.advance(31 * DAY)
    await redact(store)
    data = {"external_order_id": str(case.order), "status": "paid", "note": NOTE}
    await store.run(await store.house.event("order.status_changed", data))
    store.house.clock.advance(DAY)
    assert "1 messages" in (await redact(store)).sentence
    assert await found_in_rows(store) == set()


async def test_more_than_fits_into_one_transaction_is_erased_step_by_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.privacy.eraser.ORDERS", 2)
    monkeypatch.setattr("storage.privacy.strays.PAGE", 3)
    await store.house.change(pii_retention_days=30)
    numbers = [store.buy("TEE0001-S", email=MARKS[2]) for _ in range(5)]
    batch = [store.house.incoming("order.created", {"external_order_id": str(each)}) for each in numbers]
    lost = [
        store.house.incoming("order.created", {"external_order_id": f"99{each}", "order": {"note": NOTE}})
        for each in numbers
    ]
    await store.house.admit([*batch, *lost])
    await store.house.work_off()
    store.house.clock.advance(31 * DAY)
    eraser = SqlEraser(store.house.database, store.house.clock)
    channel = await store.house.ledger.channel(store.house.channel_id)
    assert channel is not None
    threshold = await eraser.threshold(channel)
    first = await eraser.erase(channel, threshold)
    assert (first.orders, first.more) == (2, True)
    # Whoever begins anew after that, as a worker would whose predecessor was killed, does the rest.
    row = await redact(store)
    assert "3 orders, 5 messages" in row.sentence
    assert await found_in_rows(store) == set()


async def test_a_run_that_takes_too_long_leaves_the_rest_to_another_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.privacy.eraser.ORDERS", 1)
    await store.house.change(pii_retention_days=30)
    for _ in range(3):
        await store.run(await store.house.order_event(store.buy("TEE0001-S", email=MARKS[2])))
    store.house.clock.advance(31 * DAY)
    handlers = {"pii_redaction": pii_redaction(SqlEraser(store.house.database, store.house.clock), longest=0.0)}
    message = await store.house.desk.run_now("acme", "main", "pii_redaction")
    await store.house.work_off(handlers)
    assert "More follow" in (await store.attempt(message)).sentence
    assert await found_in_rows(store) == set()
    assert len(await store.house.logs(job="pii_redaction")) > 3


async def test_without_a_threshold_everything_is_kept_and_the_accounts_counts_where_the_channel_has_none(
    store: Store,
) -> None:
    case = await told(store)
    store.house.clock.advance(400 * DAY)
    assert (await redact(store)).code == "personal_data_kept"
    await store.house.operations.set_retention(TESTER, "acme", 365)
    await store.house.change(pii_retention_days=500)
    assert "0 orders" in (await redact(store)).sentence
    await store.house.operations.set_retention(TESTER, "acme", None, channel="main")
    assert "1 orders" in (await redact(store)).sentence
    assert (await document(store, case.order)).ship_to_contact.last_name == ""


async def test_a_threshold_sets_a_daily_run_unless_somebody_chose_a_period(store: Store) -> None:
    assert await store.house.desk.schedules("acme") == []
    await store.house.operations.set_retention(TESTER, "acme", 30)
    (row,) = await store.house.desk.schedules("acme")
    assert (row.job, row.period[:7]) == ("pii_redaction", "daily@0") and row.next_due is not None
    await store.house.operations.set_schedule("acme", "main", "pii_redaction", Period("none"))
    await store.house.change(pii_retention_days=7)
    (row,) = await store.house.desk.schedules("acme")
    assert row.period == "none"
    await store.house.add_channel("second", "second.example.com")
    assert {each.channel for each in await store.house.desk.schedules("acme")} == {"main", "second"}


async def test_orders_of_a_channel_that_is_gone_follow_the_threshold_it_had(store: Store) -> None:
    await store.house.operations.set_retention(TESTER, "acme", 30)
    await told(store)
    await store.house.add_channel("second", "second.example.com")
    await store.house.desk.delete_channel("acme", "main", actor="tester")
    store.house.clock.advance(31 * DAY)
    await redact(store, "second")
    assert await found_in_rows(store) == set()


async def test_a_channel_that_is_gone_keeps_its_own_threshold_where_no_other_has_it(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    case = await told(store)
    await store.house.add_channel("second", "second.example.com", pii_retention_days=300)
    await store.house.desk.delete_channel("acme", "main", actor="tester")
    data = {"external_order_id": "999", "order": {"order_id": 999, "note": "a word of mine"}}
    mine = await store.house.event("order.created", data, channel="second")
    store.house.clock.advance(31 * DAY)
    row = await redact(store, "second")
    assert "1 orders" in row.sentence and "0 rejected" in row.sentence
    bodies = dict(await store.house.execute(select(messages.c.id, messages.c.body)))
    assert b"a word of mine" in bytes(bodies[mine]), "what the other channel has is not due yet"
    assert not [mark for mark in MARKS if mark.encode() in bytes(bodies[case.pushed])]
    assert (await document(store, case.order)).ship_to_contact.last_name == ""


async def test_a_threshold_that_is_lowered_reaches_what_was_looked_through_before(store: Store) -> None:
    await store.house.add_channel("second", "second.example.com", pii_retention_days=30)
    await store.house.change(pii_retention_days=300)
    order = {"order_id": 999_999, "shipping_contact": {"last_name": MARKS[1]}}
    await store.run(await store.house.order_event(999_999, order=order))
    store.house.clock.advance(31 * DAY)
    await redact(store, "second")
    assert await found_in_rows(store) == {MARKS[1]}
    await store.house.change(pii_retention_days=30)
    await redact(store)
    assert await found_in_rows(store) == set()


async def test_what_manual_logging_kept_of_an_order_is_erased_with_it(store: Store) -> None:
    await store.house.change(pii_retention_days=30)
    store.house.clock.advance(-29 * DAY)
    case = await told(store)
    store.house.clock.advance(29 * DAY)
    for job in ("order_import", "shipment_export"):
        await store.house.operations.captures.switch_on("acme", "main", job, timedelta(hours=24), actor="tester")
    store.edit(case.order, status="in_progress")
    await store.run(await store.house.order_event(case.order, "order.updated"))
    await store.house.desk.run_now("acme", "main", "order_import")
    await store.house.work_off()
    other = store.buy("TEE0001-S", email="other@mail.example")
    await store.run(await store.house.order_event(other))
    kept = await store.house.operations.captures.captures(CaptureFilter(account="acme"))
    (whole,) = [row for row in kept if MARKS[1] in row.response]
    lists = [row for row in kept if row.path.endswith("/orders") or "/orders?" in row.path]
    assert whole.business_key == str(case.order) and lists and all(str(case.order) in row.response for row in lists)
    store.house.clock.advance(2 * DAY)
    row = await redact(store)
    assert f"{1 + len(lists)} API calls" in row.sentence
    assert await found_in_rows(store) == set()
    left = await store.house.operations.captures.captures(CaptureFilter(account="acme"))
    assert [each.path for each in left] == [each.path for each in kept], "that the calls were made stays known"
    erased = {each.id for each in left if (each.request, each.response) == ("[erased]", "[erased]")}
    assert erased == {whole.id, *(each.id for each in lists)}


async def test_what_manual_logging_kept_goes_after_a_threshold_that_is_shorter_than_its_time(store: Store) -> None:
    await store.house.change(pii_retention_days=1)
    await store.house.operations.captures.switch_on("acme", "main", "order_import", timedelta(hours=24), actor="tester")
    message = await store.house.order_event(999_999)
    await store.run(message)
    store.house.clock.advance(1.5 * DAY)
    await redact(store)
    (kept,) = await store.house.operations.captures.captures(CaptureFilter(account="acme"))
    assert (kept.request, kept.response, kept.message_id) == ("[erased]", "[erased]", message)


async def test_on_postgresql_no_table_holds_a_value_and_the_facts_stay(
    shop_server: RunningShop, clock: HandClock, postgresql_database: str
) -> None:
    shop_server.shop.reset(SMALL)
    domain = shop_server.url.removeprefix("http://")
    async with small_house(postgresql_database, clock=clock, domain=domain, pii_retention_days=30) as house:
        store = Store(house, shop_server.shop)
        case = await told(store)
        assert MARKS[1] in await found_in_rows(store)
        clock.advance(31 * DAY)
        row = await redact(store)
        assert "1 orders, 2 messages, 2 announcements" in row.sentence
        assert await found_in_rows(store) == set()
        assert len((await document(store, case.order)).lines) == 1
