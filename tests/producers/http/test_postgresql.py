from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from storage.database import Database
from storage.schema import upgrade
from tests.producers.http.support import Site, Template, furnish, open_site_on, stock
from tests.services.provide import Postgres


@pytest.fixture
async def on_postgresql(template: Template, postgresql_database: str) -> AsyncIterator[Site]:
    database = Database(postgresql_database)
    try:
        await database.awrite(upgrade)
        async with open_site_on(database, replace(template, secrets=await furnish(database))) as site:
            yield site
    finally:
        database.close()


async def test_the_door_takes_events_into_postgresql_once(on_postgresql: Site) -> None:
    answers = await asyncio.gather(*(on_postgresql.send(stock(number % 20)) for number in range(60)))
    assert {answer.status_code for answer in answers} == {202}
    numbers = await on_postgresql.operations.desk.statistics()
    assert (numbers.messages, numbers.duplicates) == (20, 40)


async def test_a_server_that_is_gone_is_answered_503_and_when_it_is_back_events_are_taken(
    on_postgresql: Site, postgresql_server: Postgres
) -> None:
    assert (await on_postgresql.send(stock(1))).status_code == 202
    postgresql_server.crash()
    began = time.monotonic()
    answers = await asyncio.gather(*(on_postgresql.send(stock(number)) for number in range(2, 12)))
    assert {answer.status_code for answer in answers} == {503}
    assert all("retry-after" in answer.headers for answer in answers)
    assert time.monotonic() - began < 2.5
    assert not any(word in answer.text for answer in answers for word in ("psycopg", "connection", "port"))
    postgresql_server.restart()
    deadline = time.monotonic() + 20
    while (answer := await on_postgresql.send(stock(2))).status_code == 503:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert answer.status_code == 202
    assert (await on_postgresql.send(stock(1))).json()["results"][0]["status"] == "duplicate"
