from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from producers.http.limits import HttpLimits
from tests.producers.http.support import Site, Template, open_site, stock


@contextmanager
def another_writer(site: Site) -> Iterator[None]:
    """Somebody who holds the database's write lock and does not let go."""
    intruder = sqlite3.connect(site.database.engine.url.database or "", isolation_level=None)
    intruder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        intruder.rollback()
        intruder.close()


async def timed(*requests: asyncio.Future[httpx.Response]) -> tuple[list[httpx.Response], float]:
    began = time.monotonic()
    return list(await asyncio.gather(*requests)), time.monotonic() - began


def send(site: Site, number: int) -> asyncio.Future[httpx.Response]:
    return asyncio.ensure_future(site.send(stock(number)))


@pytest.fixture
async def impatient(template: Template, tmp_path: Path) -> AsyncIterator[Site]:
    limits = HttpLimits(answer_seconds=0.3, waiting_events=20)
    async with open_site(template, tmp_path, limits) as site:
        yield site


async def test_a_database_that_is_away_is_answered_503_with_retry_after(site: Site) -> None:
    site.database.close()
    for path in ("/v1/events", "/v1/messages", "/v1/announcements"):
        method = "POST" if path == "/v1/events" else "GET"
        headers = {**site.key("all"), "content-type": "application/json"}
        answer = await site.client.request(method, path, json=stock(1) if method == "POST" else None, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_database_that_hangs_is_answered_503_within_two_seconds(site: Site) -> None:
    with another_writer(site):
        (answer,), seconds = await timed(send(site, 1))
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert 1.0 < seconds < 2.0


async def test_while_it_hangs_nobody_else_waits_in_vain(template: Template, tmp_path: Path) -> None:
    async with open_site(template, tmp_path, HttpLimits(answer_seconds=1.0)) as site:
        with another_writer(site):
            first, _ = await timed(send(site, 1))
            while (await site.send(stock(1))).json()["code"] != "overloaded":
                pass
            answers, seconds = await timed(*(send(site, number) for number in range(2, 12)))
        assert first[0].json()["code"] == "storage_unavailable"
        assert {answer.json()["code"] for answer in answers} == {"overloaded"}
        assert seconds < 1.0, "less than one who waits"


async def test_no_more_wait_than_there_is_room_for(impatient: Site) -> None:
    with another_writer(impatient):
        answers, _ = await timed(*(send(impatient, number) for number in range(60)))
    codes = [answer.json()["code"] for answer in answers]
    assert (codes.count("storage_unavailable"), codes.count("overloaded")) == (20, 40)


async def test_it_takes_events_again_when_the_database_is_back(impatient: Site) -> None:
    with another_writer(impatient):
        await timed(send(impatient, 1))
    deadline = time.monotonic() + 5
    while (answer := await impatient.send(stock(1))).status_code == 503:
        assert time.monotonic() < deadline
    assert answer.json()["results"][0]["status"] in ("accepted", "duplicate")
    assert (await impatient.operations.desk.statistics()).messages == 1


async def test_who_gave_up_before_its_turn_is_not_admitted(impatient: Site) -> None:
    with another_writer(impatient):
        first = send(impatient, 1)
        await asyncio.sleep(0.1)
        await timed(first, send(impatient, 2))
    deadline = time.monotonic() + 5
    while (await impatient.send(stock(3))).status_code != 202:
        assert time.monotonic() < deadline
    ids = await impatient.database.aread(
        lambda connection: set(connection.exec_driver_sql("SELECT event_id FROM messages").scalars())
    )
    assert ids == {"e-1", "e-3"}
