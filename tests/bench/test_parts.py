"""The parts that judge what they measured: tiny runs say what is true, and a wrong result is an error, no figure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import ingest, journal, sender, storm, timers
from bench.sender import Load, NotTakenError
from bench.services import BenchShop, Place, Services, query
from bench.towpath import set_up
from domain.envelope import parse
from domain.events import StockChanged, payload_of

ANSWER = b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b"


def answering(status: str, body: bytes = b"{}") -> bytes:
    return ANSWER % (status.encode(), len(body), body)


@contextlib.asynccontextmanager
async def server(answers: list[bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Gives the answers in turn, the last one for ever; what it got, one entry per request."""
    got: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                got.append(await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0])))
                writer.write(answers[min(len(got), len(answers)) - 1])
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", got


async def sent_to(answers: list[bytes], load: Load, place: Any) -> tuple[sender.Sent, list[bytes]]:
    async with server(answers) as (url, got):
        return await asyncio.to_thread(sender.send, place, replace(load, url=url)), got


class Folder:
    """What the sender needs of a place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


LOAD = Load("", "key", 10, connections=2)


def test_every_event_is_sent_once_with_an_id_of_its_own(tmp_path: Path) -> None:
    _, got = asyncio.run(sent_to([answering("202 Accepted")], LOAD, Folder(tmp_path)))
    assert sorted(parse(body).id for body in got) == sorted(f"load-{number}" for number in range(1, 11))


def test_a_batch_holds_as_many_events_as_asked_for(tmp_path: Path) -> None:
    _, got = asyncio.run(sent_to([answering("202 Accepted")], replace(LOAD, batch=4), Folder(tmp_path)))
    assert sorted(body.count(b'"specversion"') for body in got) == [2, 4, 4]


def test_a_request_that_is_put_off_is_sent_again(tmp_path: Path) -> None:
    answers = [answering("503 Service Unavailable"), answering("202 Accepted")]
    sent, got = asyncio.run(sent_to(answers, replace(LOAD, connections=1), Folder(tmp_path)))
    assert sent.put_off == 1
    assert got[0] == got[1] and len(set(got)) == 10


@pytest.mark.parametrize(
    "answer", [answering("422 Unprocessable"), answering("202 Accepted", b'{"results":[{"status": "rejected"}]}')]
)
def test_a_refused_event_ends_the_load_with_an_error(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(NotTakenError):
        asyncio.run(sent_to([answer], LOAD, Folder(tmp_path)))


def test_a_storm_has_a_tenth_of_copies_and_comes_out_of_order() -> None:
    made = storm.make_storm(5000, 20, 10)
    changes = [payload_of(parse(event.body)) for event in made.events]
    assert len(made.events) == 5000 and len({event.message_id for event in made.events}) == made.distinct == 4500
    newest: dict[str, int] = {}
    late = 0
    for change in changes:
        assert isinstance(change, StockChanged) and change.version is not None
        late += change.version < newest.get(change.sku, 0)
        newest[change.sku] = max(change.version, newest.get(change.sku, 0))
    assert late > 500
    assert made.final == {sku: storm.SHOWN + 10 * version for sku, version in newest.items()}


@pytest.mark.slow
def test_a_storm_that_ends_with_another_stock_is_an_error(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    real = storm.make_storm

    def wrong(*counts: int) -> storm.Storm:
        made = real(*counts)
        return replace(made, final={sku: quantity + 1 for sku, quantity in made.final.items()})

    monkeypatch.setattr(storm, "make_storm", wrong)
    with pytest.raises(storm.WrongStockError, match="SKUs are wrong in the shop"):
        storm.measure(services, changes=50, products=2)


@pytest.mark.slow
def test_ingest_counts_what_is_stored(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[Place, Load], sender.Sent] = sender.send

    def short(place: Place, load: Load) -> sender.Sent:
        return real(place, replace(load, events=load.events - 1))

    monkeypatch.setattr(ingest, "send", short)
    with pytest.raises(NotTakenError, match="40 events were accepted, 39 are in the ledger"):
        ingest.measure(services, singles=40, batched=40)


@pytest.mark.slow
def test_a_delivery_of_the_journal_that_is_not_done_is_an_error(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BenchShop.set_up

    def one_order_short(shop: BenchShop, *, orders: int) -> None:
        real(shop, orders=orders - 1)

    monkeypatch.setattr(BenchShop, "set_up", one_order_short)
    with pytest.raises(journal.NotDoneError, match="Of 20 deliveries 19 are done"):
        journal.measure(services, deliveries=20)


ONE_TICK = """
    INSERT INTO messages (id, account_id, source, event_id, type, business_key, trigger, received_at, digest, body)
    VALUES ('m', 'a', 'towpath/timer', 'schedule:1', 'tick.order_import', 'order_import', 'schedule', 1, '', '')"""


def test_a_due_instant_without_exactly_one_tick_is_an_error(services: Services) -> None:
    with services.place() as place:
        set_up(place)
        query(place, timers.EXPECTED)
        query(place, "INSERT INTO bench_expected VALUES ('schedule:1')")
        with pytest.raises(timers.WrongTicksError, match="1 due instants have no tick"):
            timers.check_ticks(place)
        query(place, ONE_TICK)
        timers.check_ticks(place)
        query(place, "UPDATE messages SET copies = 1")
        with pytest.raises(timers.WrongTicksError, match="1 fired twice"):
            timers.check_ticks(place)
        query(place, "TRUNCATE bench_expected")
        with pytest.raises(timers.WrongTicksError, match="1 ticks too many"):
            timers.check_ticks(place)
