"""Personal data that went through the whole main job are nowhere in the database after the threshold; facts stay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from broker.ledger import Rejection
from broker.operations import LogRow
from domain.errors import MalformedEvent
from domain.orders import Order
from tests.consumers.store import Store

DAY = 86_400.0
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


async def test_after_the_threshold_no_file_of_the_database_holds_a_value_and_the_facts_stay(
    store: Store, tmp_path: Path
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
