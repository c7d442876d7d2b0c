"""The journal: nothing confirmed is lost whatever is killed, and leases decide whose a message is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.topology import INBOX, Topology
from broker.transports.journal import JournalTransport
from broker.transports.journal_taking import OWN_POLL_SECONDS
from broker.transports.seam import Receipt
from domain.errors import LeaseLost, TransportUnavailable
from storage.database import Database
from storage.journal_store import JournalTimes, SqlJournalStore
from storage.metadata import metadata
from tests.broker.transports.journal_child import TIMES
from tests.broker.transports.shape import PLAIN, SHAPE, event, message, numbered
from tests.broker.transports.sites import PATIENCE, JournalSite, bodies, collect, until, until_depth
from tests.services.provide import Postgres

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database with the journal's tables, closed."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql_database"))
    else:
        url = f"sqlite:///{tmp_path}/journal.db"
    database = Database(url)
    metadata.create_all(database.engine)
    database.close()
    return url


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[JournalSite]:
    """Transports on one journal with a clock that is moved by hand."""
    made = JournalSite(database_url, SHAPE)
    yield made
    await made.close()


class Opened:
    """A journal with real time and short leases, as the children use it."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.store = SqlJournalStore(self._database, SHAPE, times=TIMES)
        self.transport = JournalTransport(self.store)

    async def __aenter__(self) -> JournalTransport:
        await self.transport.start()
        return self.transport

    async def __aexit__(self, *_: object) -> None:
        await self.transport.close()
        self._database.close()


async def killed_child(role: str, url: str, lines: int) -> list[tuple[str, bytes]]:
    """What a child said until it was killed, at least so many lines."""
    command = [sys.executable, "-m", "tests.broker.transports.journal_child", role, url]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout
    said: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while len(said) < lines:
            line = await child.stdout.readline()
            assert line, "the child ended by itself"
            said.append(line)
    child.kill()
    said += (await child.stdout.read()).splitlines()
    await child.wait()
    words = [line.split() for line in said]
    return [(pair[0].decode(), pair[1]) for pair in words if len(pair) == 2]


async def test_what_a_killed_publisher_had_confirmed_is_there_in_order(database_url: str) -> None:
    said = await killed_child("publish", database_url, 200)
    confirmed = [body for _word, body in said]
    async with Opened(database_url) as transport:
        stored = await transport.depth(PLAIN)
        found = bodies(await collect(await transport.subscribe(PLAIN, stored), stored))
    assert found[: len(confirmed)] == confirmed
    assert found == [b"%d" % number for number in range(len(found))]


async def test_what_a_killed_taker_had_not_settled_comes_back_in_its_place(database_url: str) -> None:
    everything = numbered(300)
    async with Opened(database_url) as transport:
        await transport.publish(everything)
    said = await killed_child("take", database_url, 60)
    taken = {body for word, body in said if word == "taken"}
    settled = {body for word, body in said if word == "settled"}
    opened = Opened(database_url)
    async with opened as transport:
        stored = (await opened.store.depths())[PLAIN]
        await until_depth(transport, PLAIN, stored)
        again = await collect(await transport.subscribe(PLAIN, stored), stored)
    left = set(bodies(again))
    assert bodies(again) == sorted(left, key=int)
    assert left | taken == {one.body for one in everything}
    assert not left & settled
    assert {one.body for one in again if one.redelivered} >= left & taken
    assert len(left & taken) > 0


async def test_a_taker_whose_lease_ended_changes_nothing_any_more(site: JournalSite) -> None:
    slow, quick = await site.open(), await site.open()
    await quick.publish(numbered(4))
    first = await slow.subscribe(PLAIN, 4)
    old = await collect(first, 4)
    await site.drop(slow)
    await until_depth(quick, PLAIN, 4)
    second = await quick.subscribe(PLAIN, 4)
    again = await collect(second, 4)
    await first.acknowledge(old[:2])
    await first.reject(old[2:])
    await second.acknowledge(again[:1])
    await second.release()
    assert await quick.depth(PLAIN) == 3


async def test_a_taker_that_lost_its_lease_goes_on_as_a_new_generation(site: JournalSite) -> None:
    slow, quick = await site.open(), await site.open()
    await quick.publish(numbered(2))
    first = await slow.subscribe(PLAIN, 4)
    old = await collect(first, 2)
    await site.drop(slow)
    await until_depth(quick, PLAIN, 2)
    async with asyncio.timeout(PATIENCE):
        while not (again := await first.take(10, 0.2)):
            pass
    assert bodies(again) == bodies(old)
    assert [one.redelivered for one in again] == [True, True]
    await first.acknowledge(old)
    await first.acknowledge(again[:1])
    await first.release()
    assert await quick.depth(PLAIN) == 1


async def test_a_message_of_the_same_process_needs_no_polling(site: JournalSite) -> None:
    store = site.store()
    store.shared = False
    transport = JournalTransport(store)
    await transport.start()
    subscription = await transport.subscribe(PLAIN, 10)
    async with asyncio.timeout(4 * OWN_POLL_SECONDS):
        for number in range(8):
            waiting = asyncio.create_task(subscription.take(1, PATIENCE))
            await asyncio.sleep(0.01)
            await transport.publish([message(body=b"%d" % number)])
            assert bodies(await waiting) == [b"%d" % number]
    await transport.close()


async def test_the_store_refuses_a_claim_without_a_lease(site: JournalSite) -> None:
    transport, store = await site.open(), site.store()
    await transport.publish([message()])
    with pytest.raises(LeaseLost):
        await store.claim("nobody", PLAIN, 1)
    assert await transport.depth(PLAIN) == 1


async def test_a_store_that_is_alone_takes_everything_back_at_once(site: JournalSite) -> None:
    dead = await site.open()
    await dead.publish([*numbered(3), event(body=b"e")])
    await collect(await dead.subscribe(PLAIN, 3), 3)
    await collect(await dead.subscribe(INBOX, 3), 1)
    alone = JournalTransport(SqlJournalStore(site.database, SHAPE, reclaim_all=True))
    await alone.start()
    assert await alone.depth(PLAIN) == 3
    assert bodies(await collect(await alone.subscribe(INBOX, 3), 1)) == [b"e"]
    other = JournalTransport(SqlJournalStore(site.database, SHAPE, reclaim_all=False))
    await other.start()
    assert await other.depth(INBOX) == 0
    await alone.close()
    await other.close()


async def test_messages_in_a_queue_nobody_knows_are_reported(site: JournalSite) -> None:
    transport = await site.open()
    await transport.publish(numbered(2))
    stranger = JournalTransport(SqlJournalStore(site.database, Topology(), reclaim_all=False))
    await stranger.start()
    (sentence,) = await stranger.check()
    assert sentence.startswith(f"2 messages lie in queue {PLAIN}")
    await stranger.close()


async def test_headers_that_are_not_json_are_refused(site: JournalSite) -> None:
    transport = await site.open()
    bad = message()
    object.__setattr__(bad, "headers", {"no": object()})
    assert await transport.publish([bad, message()]) == [Receipt.REFUSED, Receipt.CONFIRMED]


async def test_a_journal_without_its_tables_cannot_start(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(TransportUnavailable, match="journal cannot start"):
        await JournalTransport(SqlJournalStore(database, SHAPE)).start()
    database.close()


async def test_a_database_that_goes_and_comes_back_is_survived(
    postgresql_database: str, postgresql_server: Postgres
) -> None:
    database = Database(postgresql_database)
    metadata.create_all(database.engine)
    longer_than_patience = JournalTimes(lease=10 * PATIENCE, keep=0.1)
    transport = JournalTransport(SqlJournalStore(database, SHAPE, times=longer_than_patience))
    await transport.start()
    subscription = await transport.subscribe(PLAIN, 10)
    await transport.publish([message(body=b"1")])
    (first,) = await collect(subscription, 1)
    await asyncio.to_thread(postgresql_server.crash)
    assert await transport.publish([message(body=b"2")]) == [Receipt.UNKNOWN]
    assert await subscription.take(1, 0.1) == []
    await subscription.acknowledge([first])
    await until(lambda: not transport.healthy)
    await asyncio.to_thread(postgresql_server.restart)
    (again,) = await collect(subscription, 1)
    assert (again.body, again.redelivered) == (b"1", True)
    await until(lambda: transport.healthy)
    await transport.close()
    database.close()
