"""Bad events in binary mode; one server for all, because none of them may leave anything behind."""

from __future__ import annotations

import pytest

from tests.producers.http.support import Site
from tests.producers.http.test_events_binary import ATTRIBUTES, DATA, send

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    shared_site: Site, headers: dict[str, str], data: bytes, code: str
) -> None:
    answer = await send(shared_site, headers, data)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_an_attribute_that_stands_twice_is_refused(shared_site: Site) -> None:
    headers = [
        *ATTRIBUTES.items(),
        ("ce-id", "e-2"),
        *shared_site.key("write").items(),
        ("content-type", "application/json"),
    ]
    answer = await shared_site.client.post("/v1/events", content=DATA, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_member")


async def test_an_event_without_data_is_told_what_its_type_needs(shared_site: Site) -> None:
    answer = await send(shared_site, data=b"")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_payload")


async def test_data_that_is_no_json_is_an_unsupported_media_type(shared_site: Site) -> None:
    answer = await shared_site.send_raw(b"<a/>", "text/xml", **ATTRIBUTES)
    assert answer.status_code == 415
