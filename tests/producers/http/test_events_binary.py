from __future__ import annotations

import json

import httpx
import pytest

from broker.operations import MessageFilter
from tests.producers.http.support import Site, stock

ATTRIBUTES = {
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "oms",
    "ce-type": "stock.changed",
    "ce-channel": "main",
}
DATA = json.dumps(stock(1)["data"]).encode()


async def send(site: Site, headers: dict[str, str] | None = None, data: bytes = DATA) -> httpx.Response:
    return await site.send_raw(data, "application/json", **{**ATTRIBUTES, **(headers or {})})


async def test_attributes_may_stand_in_headers(site: Site) -> None:
    answer = await send(site, {"ce-correlationid": "order%20%E2%82%AC 7", "ce-subject": '"a \\"b\\""'})
    assert answer.status_code == 202
    (message,) = await site.operations.desk.messages(MessageFilter())
    assert (message.event_id, message.correlation_id, message.channel) == ("e-1", "order € 7", "main")


async def test_both_modes_tell_the_same_event(site: Site) -> None:
    await site.send(stock(1, datacontenttype="application/json"))
    assert (await send(site)).json()["results"][0]["status"] == "duplicate"


@pytest.mark.parametrize(
    ("headers", "data", "code"),
    [
        ({"ce-id": ""}, DATA, "invalid_envelope"),
        ({"ce-data": "{}"}, DATA, "invalid_envelope"),
        ({"ce-na_me": "x"}, DATA, "invalid_envelope"),
        ({"ce-subject": "%FF"}, DATA, "not_utf8"),
        ({"ce-subject": "a%00b"}, DATA, "nul_character"),
        ({}, b'{"sku": ', "not_json"),
        ({}, b'{}, "id": "injected"', "not_json"),
        ({}, b'{"sku": "A", "sku": "B"}', "duplicate_member"),
        ({}, b"[7]", "invalid_envelope"),
    ],
)
async def test_a_bad_attribute_or_body_is_answered_400(
    site: Site, headers: dict[str, str], data: bytes, code: str
) -> None:
    answer = await send(site, headers, data)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_an_attribute_that_stands_twice_is_refused(site: Site) -> None:
    headers = [*ATTRIBUTES.items(), ("ce-id", "e-2"), *site.key("write").items(), ("content-type", "application/json")]
    answer = await site.client.post("/v1/events", content=DATA, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_member")


async def test_an_event_without_data_is_told_what_its_type_needs(site: Site) -> None:
    answer = await send(site, data=b"")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_payload")


async def test_data_that_is_no_json_is_an_unsupported_media_type(site: Site) -> None:
    answer = await site.send_raw(b"<a/>", "text/xml", **ATTRIBUTES)
    assert answer.status_code == 415
