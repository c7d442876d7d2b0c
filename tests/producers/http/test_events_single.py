from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from broker.operations import MessageFilter
from tests.producers.http.support import STRUCTURED, Site, stock


async def test_an_event_is_stored_before_it_is_answered(site: Site) -> None:
    answer = await site.send(stock(1))
    assert answer.status_code == 202
    (result,) = answer.json()["results"]
    (message,) = await site.operations.desk.messages(MessageFilter())
    assert result == {"id": "e-1", "message": message.id, "status": "accepted", "deliveries": 1}
    assert (message.account, message.business_key, message.event_id) == ("acme", "SKU-1", "e-1")


async def test_plain_json_is_one_structured_event(site: Site) -> None:
    answer = await site.send_raw(json.dumps(stock(1)).encode(), "application/json; charset=UTF-8")
    assert answer.status_code == 202


async def test_the_second_copy_is_called_a_duplicate_of_the_first_message(site: Site) -> None:
    first = (await site.send(stock(1))).json()["results"][0]
    second = (await site.send(stock(1))).json()["results"][0]
    assert second == {"id": "e-1", "message": first["message"], "status": "duplicate", "deliveries": 0}


async def test_the_same_id_with_another_body_is_a_conflict(site: Site) -> None:
    await site.send(stock(1))
    answer = await site.send(stock(1, data={**stock(1)["data"], "total": 10}))
    assert answer.status_code == 409
    assert answer.json()["code"] == "identity_conflict"


async def test_the_deepest_allowed_nesting_passes_the_door(site: Site) -> None:
    event = json.dumps(stock(1, type="order.created", data={"external_order_id": "1", "order": {"x": "DEEP"}}))
    answer = await site.send_raw(event.replace('"DEEP"', "[" * 29 + "]" * 29).encode())
    assert answer.status_code == 202, answer.text


async def test_a_refusal_names_the_member_and_keeps_its_value_to_itself(site: Site) -> None:
    answer = await site.send(stock(1, data={**stock(1)["data"], "total": "jane@example.com"}))
    assert "total" in answer.json()["detail"]
    assert "jane" not in answer.text


async def test_a_clock_that_is_far_behind_does_not_keep_an_event_out(site: Site) -> None:
    assert (await site.send(stock(1, time="1971-01-01T00:00:00Z"))).status_code == 202


async def test_a_body_over_the_limit_is_refused(site: Site) -> None:
    answer = await site.send_raw(json.dumps(stock(1, subject="x" * 256 * 1024)).encode())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("megabytes", [0.5, 3])
async def test_a_body_of_unknown_length_is_counted_while_it_streams(site: Site, megabytes: float) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(int(megabytes * 16)):
            yield b" " * 65_536

    headers = {**STRUCTURED, **site.key("write")}
    answer = await site.client.post("/v1/events", content=stream(), headers=headers)
    assert answer.status_code == 413
    assert (await site.send(stock(1))).status_code == 202


async def test_a_body_of_exactly_the_limit_is_taken(site: Site) -> None:
    event = json.dumps(stock(1)).encode()
    answer = await site.send_raw(event + b" " * (256 * 1024 - len(event)))
    assert answer.status_code == 202
