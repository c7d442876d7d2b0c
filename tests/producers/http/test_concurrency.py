from __future__ import annotations

import asyncio
import collections
import json

import httpx

from broker.ledger import Admission
from producers.http.collector import Collector
from producers.http.limits import HttpLimits
from tests.producers.http.support import NO_TLS, STRUCTURED, Site, stock


async def test_32_clients_with_20_events_each_are_all_stored_once(site: Site) -> None:
    async def client(number: int) -> list[str]:
        ids = []
        headers = {**STRUCTURED, **site.key("write")}
        async with httpx.AsyncClient(base_url=site.url, headers=headers, verify=NO_TLS) as sender:
            for event in range(20):
                answer = await sender.post("/v1/events", json=stock(number * 100 + event))
                assert answer.status_code == 202
                ids.append(answer.json()["results"][0]["message"])
        return ids

    answered = [message for ids in await asyncio.gather(*map(client, range(32))) for message in ids]
    assert len(set(answered)) == 640

    stored = await site.database.aread(
        lambda connection: set(connection.exec_driver_sql("SELECT id FROM messages").scalars())
    )
    assert stored == set(answered)


async def test_copies_sent_at_once_become_one_message(site: Site) -> None:
    answers = await asyncio.gather(*(site.send(stock(1)) for _ in range(20)))
    results = [answer.json()["results"][0] for answer in answers]
    assert len({result["message"] for result in results}) == 1
    assert collections.Counter(result["status"] for result in results) == {"accepted": 1, "duplicate": 19}


async def test_what_waits_while_one_admission_runs_goes_into_the_next(site: Site) -> None:
    sizes: list[int] = []
    ingest = site.operations.ingest

    async def counted(bodies: list[bytes], **others: str) -> list[Admission]:
        sizes.append(len(bodies))
        return await ingest(bodies, **others)  # type: ignore[arg-type]

    site.operations.ingest = counted  # type: ignore[method-assign,assignment]
    await asyncio.gather(*(site.send(stock(number)) for number in range(40)))
    assert sum(sizes) == 40
    assert len(sizes) < 20


async def test_a_poisonous_request_does_not_spoil_its_neighbours(site: Site) -> None:
    ingest = site.operations.ingest

    async def fragile(bodies: list[bytes], **others: str) -> list[Admission]:
        if any(b"SKU-7" in body for body in bodies):
            raise ZeroDivisionError("secret-in-an-exception")
        return await ingest(bodies, **others)  # type: ignore[arg-type]

    site.operations.ingest = fragile  # type: ignore[method-assign,assignment]
    answers = await asyncio.gather(*(site.send(stock(number)) for number in range(10)))
    assert [answer.status_code for answer in answers] == [202] * 7 + [500] + [202] * 2
    assert "secret-in-an-exception" not in answers[7].text


async def test_events_of_one_request_stay_together_and_in_order(site: Site) -> None:
    sizes: list[int] = []
    ingest = site.operations.ingest

    async def counted(bodies: list[bytes], **others: str) -> list[Admission]:
        sizes.append(len(bodies))
        return await ingest(bodies, **others)  # type: ignore[arg-type]

    site.operations.ingest = counted  # type: ignore[method-assign,assignment]
    collector = Collector(site.operations, HttpLimits(admit_events=9))
    requests = [[stock(number * 10 + each) for each in range(4)] for number in range(10)]
    answers = await asyncio.gather(
        *(collector.admit("acme", [json.dumps(event).encode() for event in events], 5) for events in requests)
    )
    assert all(len(answer) == 4 for answer in answers)
    assert sizes and set(sizes) <= {4, 8}
    for events, answer in zip(requests, answers, strict=True):
        for event, admission in zip(events, answer, strict=True):
            life = await site.operations.desk.message(admission.message_id or "")
            assert life is not None and life.message.event_id == event["id"]
