from __future__ import annotations

import asyncio

import pytest

from domain.errors import StorageUnavailable
from producers.http.keys import Keys
from producers.http.limits import HttpLimits
from producers.http.problems import Refusal
from tests.producers.http.support import Site, stock


async def test_unknown_missing_and_revoked_keys_are_answered_alike(site: Site) -> None:
    await site.database.awrite(lambda connection: connection.exec_driver_sql("UPDATE api_keys SET revoked_at = 1"))
    answers = [
        await site.client.get("/v1/messages", headers=headers)
        for headers in ({}, {"authorization": "Bearer tp_unknown"}, site.key("read"))
    ]
    bodies = [{**answer.json(), "instance": ""} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_a_read_only_token_is_refused_on_a_write(site: Site) -> None:
    answer = await site.send(stock(1), key="read")
    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    assert (await site.operations.desk.statistics()).messages == 0


async def test_a_key_that_may_only_write_events_reads_nothing(site: Site) -> None:
    for path in (
        "/v1/logs",
        "/v1/messages",
        "/v1/messages/x",
        "/v1/rejected",
        "/v1/channels",
        "/v1/announcements",
    ):
        assert (await site.get(path, key="write")).status_code == 403


async def test_a_key_that_may_read_does_not_operate(site: Site) -> None:
    for path in ("/v1/messages/x/replay", "/v1/deliveries/x/discard"):
        answer = await site.client.post(path, json={"reason": "because"}, headers=site.key("read"))
        assert answer.status_code == 403


async def test_a_revoked_key_works_a_second_at_most(site: Site) -> None:
    limits = HttpLimits(key_fresh_seconds=0.05)
    keys = Keys(site.operations.desk, limits)
    authorization = site.key("read")["authorization"]
    assert (await keys.caller(authorization)).account == "acme"
    await site.database.awrite(lambda connection: connection.exec_driver_sql("UPDATE api_keys SET revoked_at = 1"))
    await asyncio.sleep(limits.key_fresh_seconds)
    with pytest.raises(Refusal) as refused:
        await keys.caller(authorization)
    assert refused.value.status == 401
    assert HttpLimits().key_fresh_seconds <= 1


async def test_a_known_key_is_not_looked_up_for_every_request(site: Site) -> None:
    keys = Keys(site.operations.desk, HttpLimits())
    authorization = site.key("read")["authorization"]
    await asyncio.gather(*(keys.caller(authorization) for _ in range(50)))
    site.database.close()
    assert (await keys.caller(authorization)).account == "acme"
    with pytest.raises(StorageUnavailable):
        await keys.caller(site.key("write")["authorization"])
