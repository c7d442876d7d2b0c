from __future__ import annotations

import json
from typing import Any

from broker.operations import MessageFilter
from tests.producers.http.support import BATCH, Site, stock


def statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


async def test_a_batch_is_stored_and_every_event_answered_in_order(site: Site) -> None:
    answer = await site.send_batch([stock(number) for number in range(1, 101)])
    assert answer.status_code == 202
    assert [result["id"] for result in answer.json()["results"]] == [f"e-{number}" for number in range(1, 101)]
    assert set(statuses(answer)) == {"accepted"}
    assert (await site.operations.desk.statistics()).messages == 100


async def test_bad_events_in_a_batch_do_not_keep_the_others_out(site: Site) -> None:
    await site.send(stock(1))
    changed = stock(1, data={**stock(1)["data"], "total": 1})
    events = [
        stock(2),
        "no event",
        stock(3, type="stock.exploded"),
        stock(1),
        changed,
        stock(4, channel="mian"),
    ]
    answer = await site.send_batch(events)
    assert answer.status_code == 202
    assert statuses(answer) == ["accepted", "rejected", "rejected", "duplicate", "rejected", "rejected"]
    problems = [result.get("problem", {}).get("status") for result in answer.json()["results"]]
    assert problems == [None, 400, 422, None, 409, 422]


async def test_a_duplicate_inside_a_batch_is_stored_once(site: Site) -> None:
    answer = await site.send_batch([stock(1), stock(1)])
    assert statuses(answer) == ["accepted", "duplicate"]


async def test_a_batch_of_which_nothing_is_accepted_is_answered_422_with_each_reason(site: Site) -> None:
    answer = await site.send_batch([stock(1, channel="mian"), 7])
    assert answer.status_code == 422
    assert answer.json()["code"] == "batch_rejected"
    assert [result["problem"]["status"] for result in answer.json()["results"]] == [422, 400]


async def test_an_empty_batch_is_taken(site: Site) -> None:
    answer = await site.send_batch([])
    assert (answer.status_code, answer.json()) == (202, {"results": []})


async def test_a_large_element_is_rejected_alone(site: Site) -> None:
    answer = await site.send_batch([stock(1), stock(2, subject="x" * 256 * 1024)])
    assert statuses(answer) == ["accepted", "rejected"]
    assert answer.json()["results"][1]["problem"]["status"] == 413


async def test_elements_with_unclear_json_are_rejected_alone(site: Site) -> None:
    twice = '{"id": "a", ' + json.dumps(stock(2))[1:]
    deep = json.dumps(stock(3, data="DEEP")).replace('"DEEP"', "[" * 40 + "]" * 40)
    nul = json.dumps(stock(4, subject="\0"))
    body = f"[{json.dumps(stock(1))}, {twice}, {deep}, {nul}]".encode()
    answer = await site.send_raw(body, BATCH["content-type"])
    codes = [result.get("problem", {}).get("code") for result in answer.json()["results"]]
    assert codes == [None, "duplicate_member", "too_deep", "nul_character"]


async def test_more_than_a_thousand_events_are_refused_as_a_whole(site: Site) -> None:
    answer = await site.send_batch([stock(number) for number in range(1001)])
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_events")
    assert not await site.operations.desk.messages(MessageFilter())


async def test_a_batch_over_four_mebibytes_is_refused(site: Site) -> None:
    answer = await site.send_batch([stock(number, subject="x" * 9000) for number in range(500)])
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_what_is_no_array_is_no_batch(site: Site) -> None:
    for body, code in (
        (b"{}", "not_a_batch"),
        (b"", "not_a_batch"),
        (b"[1", "not_json"),
        (b"[1,]", "not_json"),
    ):
        answer = await site.send_raw(body, BATCH["content-type"])
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_what_an_event_carries_is_kept_as_it_was_written(site: Site) -> None:
    written = json.dumps(stock(1, account="acme"), indent=3).replace('"total": 9', '"total": 9e0')
    await site.send_raw(f"[ {written} ]".encode(), BATCH["content-type"])

    def body(connection: Any) -> bytes:
        return bytes(connection.exec_driver_sql("SELECT body FROM messages").scalar())

    assert (await site.database.aread(body)).decode() == written
