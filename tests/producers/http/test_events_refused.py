"""Bad events over HTTP; one server for all, because none of them may leave anything behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.operations import MessageFilter
from tests.producers.http.support import STRUCTURED, Site, stock

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_EVENTS = {
    "nothing": (b"", "not_json"),
    "no json": (b"stock is 7", "not_json"),
    "half a body": (json.dumps(stock(1)).encode()[:-9], "not_json"),
    "two values": (json.dumps(stock(1)).encode() * 2, "not_json"),
    "NaN": (json.dumps(stock(1, extra=float("nan"))).encode(), "not_json"),
    "not utf-8": (json.dumps(stock(1)).encode("utf-16"), "not_utf8"),
    "latin-1": (b'{"id": "\xe9"}', "not_utf8"),
    "a lone surrogate": (json.dumps(stock(1, subject="\ud800")).encode(), "not_json"),
    "an array": (json.dumps([stock(1)]).encode(), "invalid_envelope"),
    "a number": (b"7", "invalid_envelope"),
    "no id": (json.dumps(stock(1, id=None)).encode(), "invalid_envelope"),
    "no source": (json.dumps(stock(1, source=None)).encode(), "invalid_envelope"),
    "no type": (json.dumps(stock(1, type=None)).encode(), "invalid_envelope"),
    "another version": (json.dumps(stock(1, specversion="0.3")).encode(), "invalid_envelope"),
    "no moment": (json.dumps(stock(1, time="yesterday")).encode(), "invalid_envelope"),
    "a clock far ahead": (json.dumps(stock(1, time="2999-12-31T23:59:59Z")).encode(), "clock_far_off"),
    "a member twice": (b'{"id":"a",' + json.dumps(stock(1)).encode()[1:], "duplicate_member"),
    "a member twice inside": (
        json.dumps(stock(1)).replace('"sku"', '"total": 1, "sku"').encode(),
        "duplicate_member",
    ),
    "too deep": (
        json.dumps(stock(1, data={"sku": [[] for _ in range(2)]})).replace("[]", "[" * 31 + "]" * 31).encode(),
        "too_deep",
    ),
    "far too deep": (b"[" * 100_000, "too_deep"),
    "NUL": (json.dumps(stock(1, subject="a\0b")).encode(), "nul_character"),
}


@pytest.mark.parametrize("name", NOT_EVENTS)
async def test_what_is_no_event_is_answered_400_with_the_reason(shared_site: Site, name: str) -> None:
    body, code = NOT_EVENTS[name]
    answer = await shared_site.send_raw(body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not await shared_site.operations.desk.messages(MessageFilter())


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"type": "stock.exploded"}, "unknown_type"),
    "wrong shape": ({"data": {"sku": "A"}}, "invalid_payload"),
    "no data": ({"data": None}, "invalid_payload"),
    "negative quantity": ({"data": {**stock(1)["data"], "total": -1}}, "invalid_payload"),
    "fraction": ({"data": {**stock(1)["data"], "total": 1.5}}, "invalid_payload"),
    "unknown member": ({"data": {**stock(1)["data"], "colour": "blue"}}, "invalid_payload"),
    "unknown channel": ({"channel": "mian"}, "unknown_channel"),
    "channel of another account": ({"channel": "shop"}, "unknown_channel"),
    "another account": ({"account": "globex"}, "wrong_account"),
    "unknown account": ({"account": "nobody"}, "wrong_account"),
}


@pytest.mark.parametrize("name", INVALID)
async def test_what_is_understood_but_not_valid_is_answered_422(shared_site: Site, name: str) -> None:
    changes, code = INVALID[name]
    answer = await shared_site.send(stock(1, **changes))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not await shared_site.operations.desk.messages(MessageFilter())


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=latin-1", ""]
)
async def test_another_content_type_is_answered_415(shared_site: Site, kind: str) -> None:
    answer = await shared_site.send_raw(json.dumps(stock(1)).encode(), kind)
    assert answer.status_code == 415
    assert "application/cloudevents+json" in answer.headers["accept-post"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer tp_unknown", "Basic dXNlcjpwYXNz", "Bearer " + "x" * 5000, "Bearer k\xe9y"],
)
async def test_without_a_valid_key_nothing_is_taken(shared_site: Site, authorization: str | None) -> None:
    headers: dict[str, Any] = dict(STRUCTURED)
    if authorization is not None:
        headers["authorization"] = authorization.encode("latin-1")
    answer = await shared_site.client.post("/v1/events", json=stock(1), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await shared_site.operations.desk.statistics()).messages == 0
