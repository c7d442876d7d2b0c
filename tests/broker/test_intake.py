from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

from broker import intake
from broker.intake import Batch, Intake, sort_out
from broker.ledger import Admission, Hands, Incoming, Rejection, TakenIn
from broker.topology import DEAD, EVENTS, INBOX, JOBS, UNROUTED
from broker.transports.seam import Outgoing, Receipt, Subscription, Taken
from domain.ids import new_id
from storage.tables import deliveries, messages
from tests.broker.roles import intake_at_work, send
from tests.house import SmallHouse, small_house
from tests.moody import until
from tests.services.provide import Postgres


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "AWAY_SECONDS", 0.02)


def order_event(house: SmallHouse, number: object, **attributes: Any) -> bytes:
    return house.incoming("order.created", {"external_order_id": str(number)}, **attributes).body


async def count_messages(house: SmallHouse) -> int:
    ((count,),) = await house.execute(select(func.count()).select_from(messages))
    return int(count)


async def until_empty(house: SmallHouse) -> None:
    """Wait until nothing lies ready in the inbox and the nets; what is in hand at the end goes back."""

    async def empty() -> bool:
        return not any([await house.transport.depth(queue) for queue in (INBOX, UNROUTED, DEAD)])

    await until(empty)


class Deaf:
    """A subscription whose acknowledgements are lost, as when the process is killed before them."""

    def __init__(self, inner: Subscription) -> None:
        self._inner = inner

    async def take(self, most: int, wait: float) -> list[Taken]:
        return await self._inner.take(most, wait)

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Lost."""

    async def reject(self, taken: Sequence[Taken]) -> None:
        """Lost."""

    async def release(self) -> None:
        await self._inner.release()


async def test_events_become_deliveries_in_the_order_they_came_across_job_types(house: SmallHouse) -> None:
    kinds = ["order.created", "order.updated", "order.status_changed", "order.cancelled"] * 15
    for at, kind in enumerate(kinds):
        data = {"external_order_id": "1", **({"status": "paid"} if kind == "order.status_changed" else {})}
        await send(house, house.incoming(kind, data, id=f"e-{at}").body, key=f"{kind}.acme.main")
    async with intake_at_work(house):
        await until(lambda: _stored(house, len(kinds)))
    query = select(messages.c.event_id, messages.c.type).join(deliveries, deliveries.c.message_id == messages.c.id)
    rows = await house.execute(query.order_by(deliveries.c.seq))
    assert [tuple(row) for row in rows] == [(f"e-{at}", kind) for at, kind in enumerate(kinds)]
    assert await house.transport.depth(INBOX) == 0


async def _stored(house: SmallHouse, count: int) -> bool:
    return await count_messages(house) >= count


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"no json", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"{}", "invalid_envelope"),
        (b'{"specversion":"1.0","id":"1","source":"s","type":"order.created","data":{}}', "invalid_payload"),
        (b'{"specversion":"1.0","id":"1","source":"s","type":"order.exploded"}', "unknown_type"),
        (b" " * (256 * 1024 + 1), "body_too_large"),
    ],
)
async def test_what_is_no_event_is_kept_with_the_reason_and_stops_nothing(
    house: SmallHouse, body: bytes, code: str
) -> None:
    await send(house, body, order_event(house, 1))
    async with intake_at_work(house):
        (row,) = await until(lambda: house.desk.rejected(10))
        await until(lambda: _stored(house, 1))
        await until_empty(house)
    assert (row.code, row.origin, row.routing_key) == (code, INBOX, "order.created.acme.main")
    assert row.sentence and row.size == len(body)
    assert await house.transport.depth(INBOX) == 0


@pytest.mark.parametrize(
    ("attributes", "code", "word"),
    [
        ({"account": "globex"}, "unknown_account", "globex"),
        ({"account": None}, "account_missing", "account"),
        ({"channel": "shut"}, "unknown_channel", "shut"),
    ],
)
async def test_what_the_ledger_refuses_is_kept_with_the_reason(
    house: SmallHouse, attributes: dict[str, str | None], code: str, word: str
) -> None:
    await send(house, order_event(house, 1, **attributes), order_event(house, 2))
    async with intake_at_work(house):
        (row,) = await until(lambda: house.desk.rejected(10))
        await until_empty(house)
    assert (row.code, row.origin) == (code, INBOX) and word in row.sentence
    assert await count_messages(house) == 1
    assert house.meters.registry.get_sample_value("towpath_events_in_total", {"result": "refused"}) == 1


async def test_a_second_event_with_the_id_of_another_is_refused_and_names_the_first(house: SmallHouse) -> None:
    first = house.incoming("order.created", {"external_order_id": "1"}, id="e-1")
    await send(house, first.body, order_event(house, 2, id="e-1"))
    async with intake_at_work(house):
        (row,) = await until(lambda: house.desk.rejected(10))
    assert row.code == "identity_conflict"
    (stored,) = await house.execute(select(messages.c.id))
    assert stored.id in row.sentence


async def test_what_nobody_listens_to_is_filed_as_unrouted(house: SmallHouse) -> None:
    body = order_event(house, 1)
    receipts = await house.transport.publish([Outgoing(EVENTS, "order.exploded.acme.main", body, new_id())])
    assert receipts == [Receipt.CONFIRMED]
    async with intake_at_work(house):
        (row,) = await until(lambda: house.desk.rejected(10))
        await until_empty(house)
    assert (row.code, row.origin) == ("unrouted", UNROUTED)
    assert "'order.exploded.acme.main'" in row.sentence and EVENTS in row.sentence
    assert await count_messages(house) == 0


async def test_an_event_that_somebody_rejected_is_filed_as_dead_letter(house: SmallHouse) -> None:
    await send(house, b"broken")
    subscription = await house.transport.subscribe(INBOX, 1)
    await subscription.reject(await subscription.take(1, 1.0))
    await subscription.release()
    async with intake_at_work(house):
        (row,) = await until(lambda: house.desk.rejected(10))
        await until_empty(house)
    assert (row.origin, row.code) == (DEAD, "not_json")


async def test_an_event_that_was_only_returned_too_often_is_taken_in_all_the_same(house: SmallHouse) -> None:
    await send(house, order_event(house, 1))
    for _ in range(11):
        subscription = await house.transport.subscribe(INBOX, 1)
        await subscription.take(1, 0.2)
        await subscription.release()
    assert await house.transport.depth(DEAD) == 1
    async with intake_at_work(house):
        await until(lambda: _stored(house, 1))
    assert await house.desk.rejected(10) == []


async def test_a_ticket_that_killed_its_takers_is_dropped_because_the_ledger_knows_what_is_due(
    house: SmallHouse,
) -> None:
    await house.transport.publish([Outgoing(JOBS, "order_import.ticket.all", b"{}", new_id())])
    subscription = await house.transport.subscribe("towpath.job.order_import", 1)
    await subscription.reject(await subscription.take(1, 1.0))
    await subscription.release()
    async with intake_at_work(house):
        await until_empty(house)
        await send(house, order_event(house, 1))
        await until(lambda: _stored(house, 1))
    assert await house.desk.rejected(10) == []
    assert await house.transport.depth(DEAD) == 0


async def test_while_the_database_is_away_nothing_is_acknowledged(house: SmallHouse) -> None:
    await send(house, *[order_event(house, number) for number in range(5)])
    house.ledger.away.add("admit")
    async with intake_at_work(house):
        await until(lambda: house.ledger.refused["admit"] >= 3)
    assert await house.transport.depth(INBOX) == 5
    house.ledger.away.clear()
    async with intake_at_work(house):
        await until(lambda: _stored(house, 5))
    assert await house.transport.depth(INBOX) == 0


async def test_a_database_that_goes_away_before_a_refusal_is_filed_loses_no_refusal(house: SmallHouse) -> None:
    house.ledger.away.add("file")
    await send(house, order_event(house, 1, account="globex"))
    async with intake_at_work(house) as task:
        await until(lambda: house.ledger.refused["file"] >= 3)
        assert not task.done()
        house.ledger.away.clear()
        (row,) = await until(lambda: house.desk.rejected(10))
        await send(house, order_event(house, 2))
        await until(lambda: _stored(house, 1))
    assert (row.code, row.seen) == ("unknown_account", 1)
    assert await house.transport.depth(INBOX) == 0


async def test_a_database_server_that_crashes_loses_nothing(
    postgresql_database: str, postgresql_server: Postgres
) -> None:
    async with small_house(postgresql_database) as house:
        await send(house, order_event(house, 1))
        async with intake_at_work(house):
            await until(lambda: _stored(house, 1))
            await asyncio.to_thread(postgresql_server.crash)
            await send(house, *[order_event(house, number) for number in range(2, 9)])
            await until(lambda: _taken(house))
            await asyncio.to_thread(postgresql_server.restart)
            await until(lambda: _stored(house, 8))
        ((copies,),) = await house.execute(select(func.sum(messages.c.copies)))
        assert await count_messages(house) == 8 and copies == 0


async def _taken(house: SmallHouse) -> bool:
    return await house.transport.depth(INBOX) == 0


async def test_events_stored_but_not_acknowledged_come_again_as_visible_duplicates_and_run_once(
    house: SmallHouse,
) -> None:
    await send(house, *[order_event(house, number) for number in range(4)])
    killed = Deaf(await house.transport.subscribe(INBOX, 10))
    worker = Intake(house.ledger, house.transport, house.meters, house.bell)
    await worker._admit(killed, Batch.of(await killed.take(10, 1.0)), asyncio.Event())
    await killed.release()
    assert await house.transport.depth(INBOX) == 4
    async with intake_at_work(house):
        await until_empty(house)
        await until(lambda: _copies(house, 4))
    rows = await house.execute(select(deliveries.c.id))
    assert len(rows) == 4 == await count_messages(house)


async def test_what_comes_while_a_batch_is_stored_is_stored_together_next_in_its_order(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []
    stored, held = house.ledger.take_in, asyncio.Event()

    async def take_in(batch: Sequence[Incoming], rejections: Sequence[Rejection], hands: Hands) -> TakenIn:
        batches.append([incoming.envelope.id for incoming in batch])
        await held.wait()
        return await stored(batch, rejections, hands)

    async def admit(batch: Sequence[Incoming], rejections: Sequence[Rejection] = ()) -> list[Admission]:
        return (await take_in(batch, rejections, Hands())).answers

    monkeypatch.setattr(house.ledger, "admit", admit)
    async with intake_at_work(house):
        await send(house, order_event(house, 0, id="e-0"))
        await until(lambda: bool(batches))
        await send(house, order_event(house, 1, id="e-1"))
        await until(lambda: _taken(house))
        await send(house, *[order_event(house, at, id=f"e-{at}") for at in (2, 3)])
        assert batches == [["e-0"]]
        held.set()
        await until(lambda: len(batches) > 1)
        await until_empty(house)
    assert batches == [["e-0"], ["e-1", "e-2", "e-3"]]


async def _copies(house: SmallHouse, count: int) -> bool:
    return (await house.desk.statistics()).duplicates == count


async def test_an_event_sent_twice_is_one_message_with_a_copy(house: SmallHouse) -> None:
    body = order_event(house, 1)
    await send(house, body, body)
    async with intake_at_work(house):
        await until(lambda: _copies(house, 1))
    assert await count_messages(house) == 1


async def test_a_binary_event_is_stored_as_a_structured_one_with_the_same_content(house: SmallHouse) -> None:
    headers = {"cloudEvents:specversion": "1.0", "cloudEvents:id": "b-1", "cloudEvents:source": "s"}
    headers |= {"cloudEvents:type": "order.created", "cloudEvents:account": "acme", "cloudEvents:channel": "main"}
    body = b'{"external_order_id": "77"}'
    await house.transport.publish(
        [Outgoing(EVENTS, "order.created.acme.main", body, new_id(), "application/json", headers)]
    )
    async with intake_at_work(house):
        await until(lambda: _stored(house, 1))
    (row,) = await house.execute(select(messages.c.business_key, messages.c.event_id))
    assert tuple(row) == ("77", "b-1")


async def test_a_rejected_message_with_a_nul_in_its_key_or_headers_stops_nothing(postgresql_database: str) -> None:
    """PostgreSQL keeps no NUL in a text; one such message must not hold up the inbox for good."""
    async with small_house(postgresql_database) as house:
        bad = Taken(INBOX, b"no json", "order.created.a\0b", EVENTS, None, None, {"x\0": "y\0\ud800"}, False, 1)
        worker = Intake(house.ledger, house.transport, house.meters, house.bell)
        await worker._admit(Deaf(await house.transport.subscribe(DEAD, 1)), Batch.of([bad]), asyncio.Event())
        (row,) = await house.desk.rejected(10)
        assert row.code == "not_json" and "order.created.a" in row.routing_key


def test_a_batch_is_sorted_into_events_and_rejections_in_order() -> None:
    good = b'{"specversion":"1.0","id":"%d","source":"s","type":"order.created","data":{"external_order_id":"1"}}'
    batch = [
        Taken(INBOX, body, "k", EVENTS, None, None, {}, False, at)
        for at, body in enumerate([good % 1, b"no", good % 2])
    ]
    events, rejections = sort_out(batch)
    assert [event.envelope.id for event in events] == ["1", "2"]
    assert all(isinstance(event, Incoming) for event in events)
    assert [rejection.body for rejection in rejections] == [b"no"]


async def test_changes_of_stock_come_in_larger_batches(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.intake.BATCH", 2)
    monkeypatch.setattr("broker.intake.STOCK_BATCH", 3)
    stored: list[int] = []
    admit = house.ledger.admit

    async def admit_counted(batch: Sequence[Incoming], rejections: Sequence[Rejection] = ()) -> list[Admission]:
        stored.append(len(batch))
        return await admit(batch, rejections)

    monkeypatch.setattr(house.ledger, "admit", admit_counted)
    data = {"warehouse": "main", "total": 9, "allocated": 0}
    for at in range(8):
        body = house.incoming("stock.changed", {**data, "sku": f"MUG-{at}"}, id=f"s-{at}").body
        await send(house, body, key="stock.changed.acme.main")
    async with intake_at_work(house):
        await until(lambda: _stored(house, 8))
    assert stored == [2, 3, 3]
    assert await count_messages(house) == 8
