"""Accounts without a channel: their personal data are erased at night too, by one timer, from the whole database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text, update

from broker.account_redaction import AccountRedaction
from broker.ledger import Rejection
from broker.operations import LogFilter
from domain.errors import MalformedEvent
from storage.privacy import left_behind
from storage.privacy.left_behind import SqlAccountEraser
from storage.tables import accounts, channels, cursors, messages, orders, outbox
from tests.moody import until
from tests.storage.conftest import Opened
from tests.storage.support import START, Site, order

DAY = 86_400.0
MARKS = ("Zacharine", "Quillfeather", "zq.marker@mail.example", "17 Marker Lane")
BUYER = {"first_name": MARKS[0], "last_name": MARKS[1], "email": MARKS[2], "first_address": MARKS[3]}


def eraser(site: Site) -> SqlAccountEraser:
    return SqlAccountEraser(site.database, site.clock)


async def night(site: Site) -> int:
    """All turns that are due; how many."""
    redaction, stop, count = AccountRedaction(eraser(site)), asyncio.Event(), 0
    while await redaction.turn(stop):
        count += 1
    return count


def put_days(site: Site, days: int | None, account: str = "acme") -> None:
    site.run(update(accounts).where(accounts.c.code == account).values(pii_retention_days=days))


def found(site: Site) -> set[str]:
    """The marks in any column of any table and, on SQLite, in any byte of its files."""

    def work(connection: Connection) -> str:
        names = inspect(connection).get_table_names()
        values = [value for name in names for row in connection.execute(text(f"SELECT * FROM {name}")) for value in row]
        plain = [bytes(each).decode(errors="replace") if isinstance(each, bytes) else str(each) for each in values]
        return "\n".join(plain)

    held = site.database.read(work)
    if site.database.dialect == "sqlite":
        path = site.database.engine.url.database
        assert path is not None
        for name in (path, f"{path}-wal"):
            held += Path(name).read_bytes().decode(errors="replace")
    return {mark for mark in MARKS if mark in held}


def event(number: str, channel: str | None = "main") -> Any:
    told = {"external_order_id": number, "order": {"order_id": number, "shipping_contact": BUYER}}
    made = order(number, "order.created", channel=channel)
    body = json.dumps({**json.loads(made.body), "data": told}).encode()
    return type(made)(made.envelope.model_copy(update={"data": told}), made.payload, body, made.trigger)


async def recorded(site: Site, number: str, channel: str = "main") -> None:
    """An order with a buyer as a consumer recorded and announced it."""
    account = site.rows(channels, channels.c.id == site.channels[channel])[0].account_id
    at = int(START.timestamp() * 1_000_000)
    document = {"external_order_id": number, "ship_to_contact": BUYER, "status": "paid"}
    site.run(
        orders.insert().values(
            channel_id=site.channels[channel], external_order_id=number, account_id=account, updated_at=at,
            status="paid", document=document, recorded_at=at, created_at=at,
        )
    )  # fmt: skip
    body = json.dumps({"type": "order.imported", "subject": number, "data": document}).encode()
    site.run(
        outbox.insert().values(
            id=f"o-{number}", account_id=account, channel=channel, type="order.imported", routing_key="x", body=body,
            created_at=at, order_key=number,
        )
    )  # fmt: skip


async def left(site: Site, days: int | None = 30) -> None:
    """Account acme with a threshold, an order of each kind of place, and no channel any more."""
    if days is not None:
        put_days(site, days)
        site.run(update(channels).values(settings={"pii_retention_days": days}))
    await site.admit(event("4711"), event("815"))
    await recorded(site, "4711")
    broken = Rejection(f"<{MARKS[1]}>".encode(), MalformedEvent("No JSON."), "inbox", "order.created.acme.main")
    await site.ledger.admit([], [broken])
    for code in ("main", "outlet"):
        await site.desk.delete_channel("acme", code, actor="tester")


async def test_nothing_of_a_person_is_left_of_an_account_whose_channels_are_all_deleted(site: Site) -> None:
    await left(site)
    assert found(site) == set(MARKS)
    site.clock.advance(29 * DAY)
    assert await night(site) == 1
    assert found(site) == set(MARKS), "the threshold is not reached"
    site.clock.advance(2 * DAY)
    assert await night(site) == 1
    assert found(site) == set()
    (row,) = site.rows(orders)
    assert (row.external_order_id, row.status) == ("4711", "paid") and row.erased_at is not None
    (log, _) = await site.desk.logs(LogFilter(account="acme", job="pii_redaction"))
    assert (log.outcome, log.code) == ("Done", "ok")
    assert "no channel left" in log.sentence and "1 orders, 2 messages, 1 announcements" in log.sentence
    assert "1 rejected" in log.sentence


async def test_events_of_an_account_that_never_had_a_channel_are_erased(site: Site) -> None:
    (organization,) = await site.desk.organizations()
    await site.desk.create_account(organization, "bare", "Bare", "Europe/Berlin")
    put_days(site, 30, "bare")
    await site.admit(order("1", "order.created", account="bare", channel=None))
    body = json.dumps({**json.loads(event("1").body), "account": "bare", "channel": None}).encode()
    site.run(update(messages).values(body=body))
    site.clock.advance(31 * DAY)
    assert found(site) == set(MARKS)
    assert await night(site) == 1
    assert found(site) == set()


async def test_an_account_is_looked_at_once_a_day_and_at_night(site: Site) -> None:
    await left(site)
    assert await night(site) == 1
    assert await night(site) == 0
    (row,) = site.rows(cursors, cursors.c.job_type == left_behind.TURN)
    seconds = row.until / 1e6 - site.clock().timestamp()
    assert 0 < seconds <= DAY
    hour = (row.until // 3_600_000_000) % 24
    assert 1 <= hour <= 3
    site.clock.advance(seconds - 1)
    assert await night(site) == 0
    site.clock.advance(1)
    assert await night(site) == 1


async def test_a_turn_is_one_timers_alone_until_its_time_is_over(site: Site, open_site: Opened) -> None:
    await left(site)
    other = open_site()
    turn = await eraser(site).begin()
    assert turn is not None and turn.account == "acme"
    assert await SqlAccountEraser(other.database, site.clock).begin() is None
    site.clock.advance(left_behind.LEASE / 1e6)
    assert await SqlAccountEraser(other.database, site.clock).begin() == turn, "the timer that had it is dead"


async def test_two_timers_that_look_at_once_do_not_both_get_it(site: Site, open_site: Opened) -> None:
    await left(site)
    others = [eraser(site), *(SqlAccountEraser(open_site().database, site.clock) for _ in range(3))]
    taken = await asyncio.gather(*(each.begin() for each in others))
    assert sum(each is not None for each in taken) == 1


async def test_accounts_with_a_channel_or_without_a_threshold_are_left_alone(site: Site) -> None:
    await left(site, days=None)
    put_days(site, 30, "globex")
    site.clock.advance(400 * DAY)
    assert await night(site) == 0
    assert found(site) == set(MARKS)
    assert site.rows(cursors) == []


async def test_what_a_deleted_channel_left_follows_the_threshold_it_had_and_the_rest_the_accounts(site: Site) -> None:
    await left(site)
    site.run(update(channels).where(channels.c.code == "main").values(settings={"pii_retention_days": 300}))
    put_days(site, 30)
    site.clock.advance(31 * DAY)
    await night(site)
    (order_row,) = site.rows(orders)
    assert order_row.erased_at is None and found(site) == set(MARKS)
    bodies = {row.business_key: bytes(row.body).decode() for row in site.rows(messages)}
    assert {key for key, body in bodies.items() if MARKS[1] in body} == {"4711", "815"}
    site.clock.advance(270 * DAY)
    await night(site)
    assert found(site) == set()


async def test_more_than_fits_into_one_transaction_is_erased_step_by_step(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.privacy.eraser.ORDERS", 1)
    monkeypatch.setattr("storage.privacy.strays.PAGE", 2)
    for number in ("1", "2", "3"):
        await recorded(site, number)
    await site.admit(*(event(f"9{number}") for number in range(5)))
    await left(site)
    site.clock.advance(31 * DAY)
    turn = await eraser(site).begin()
    assert turn is not None
    first = await eraser(site).erase(turn)
    assert (first.orders, first.more) == (1, True)
    await eraser(site).end(turn, first, wiped=True)
    assert await night(site) == 1, "what was left is due at once"
    assert found(site) == set()


async def test_a_timer_that_is_told_to_stop_leaves_the_rest_to_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.privacy.eraser.ORDERS", 1)
    await recorded(site, "1")
    await left(site)
    site.clock.advance(31 * DAY)
    stop = asyncio.Event()
    stop.set()
    assert await AccountRedaction(eraser(site)).turn(stop)
    assert sorted(row.erased_at is None for row in site.rows(orders)) == [False, True]
    assert await night(site) == 1
    assert found(site) == set()


async def test_the_printed_line_has_counts_and_never_values(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    await left(site)
    site.clock.advance(31 * DAY)
    stop = asyncio.Event()
    task = asyncio.create_task(AccountRedaction(eraser(site)).run(stop))

    async def erased() -> bool:
        return not found(site)

    await until(erased)
    stop.set()
    await task
    printed = "".join(capfd.readouterr())
    assert "personal_data_erased" in printed and "acme" in printed
    assert not [mark for mark in MARKS if mark in printed]
