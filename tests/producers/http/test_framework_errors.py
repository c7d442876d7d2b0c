from __future__ import annotations

import logging

import httpx
import pytest
from structlog.testing import capture_logs

from tests.producers.http.support import STRUCTURED, Site, stock

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_unknown_address_is_a_problem(shared_site: Site) -> None:
    for path in ("/v2/events", "/v1/events/", "/docs", "/"):
        answer = await shared_site.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_another_method_is_a_problem_that_names_the_right_ones(shared_site: Site) -> None:
    answer = await shared_site.client.delete("/v1/events")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    answer = await shared_site.client.put("/v1/accounts/acme/channels/main")
    assert answer.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("since=2024-01-01T00:00:00", "since"),
        ("since=1728115200", "since"),
        ("format=xml", "format"),
        ("ordre=4711", "ordre"),
    ],
)
async def test_a_wrong_parameter_is_named_and_its_value_is_not(shared_site: Site, query: str, parameter: str) -> None:
    answer = await shared_site.get(f"/v1/logs?{query}")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_parameters")
    assert [error["parameter"] for error in problem["errors"]] == [parameter]
    assert query.partition("=")[2] not in problem["detail"]


async def test_a_failure_is_told_by_its_number_alone(
    shared_site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("canary jane@example.com")

    monkeypatch.setattr(shared_site.operations, "ingest", fails)
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        answer = await shared_site.send(stock(1))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    (entry,) = logs
    assert entry["instance"] == answer.json()["instance"]
    assert entry["error"] == "ZeroDivisionError"
    assert any("fails" in place for place in entry["where"])
    for text in (answer.text, str(logs), caplog.text):
        assert "canary" not in text and "Traceback" not in text


async def test_no_answer_repeats_the_key_or_a_value_that_came_in(shared_site: Site) -> None:
    secret = shared_site.secrets["read"]
    answers = [
        await shared_site.send(stock(1, subject=7), key="read"),
        await shared_site.get(f"/v1/logs?limit={secret}"),
        await shared_site.get(f"/v1/messages/{secret}"),
        await shared_site.send_raw(f'{{"id": "{secret}"'.encode()),
        await shared_site.send(stock(1, time=secret)),
        await shared_site.send(stock(1, data={"sku": secret, "total": secret})),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert secret not in answer.text


async def test_every_answer_carries_the_security_headers(shared_site: Site) -> None:
    answers: list[httpx.Response] = [
        await shared_site.client.get("/healthz"),
        await shared_site.client.get("/nowhere"),
        await shared_site.send(stock(1)),
        await shared_site.client.post("/v1/events", content=b"", headers=STRUCTURED),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
