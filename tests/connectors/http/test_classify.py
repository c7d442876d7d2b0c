"""Plays every cell of the table in :mod:`connectors.http.classify` over a real connection."""

from __future__ import annotations

import re
from typing import Literal

import pytest

from connectors.http import (
    Caller,
    Endpoint,
    GuardedTransport,
    HttpLimits,
    Operation,
    allowed_hosts,
    build_endpoint,
    classify,
)
from domain import errors
from domain.errors import ShopError
from tests.connectors.support import (
    Act,
    RecordingGuard,
    answers,
    channel_at,
    free_port,
    half_answers,
    hangs,
    hangs_up,
    resets,
    wire_server,
)

Repeat = Literal["read", "set", "unsafe"]
REPEATS: tuple[Repeat, ...] = ("read", "set", "unsafe")
METHODS: dict[Repeat, Literal["GET", "PUT", "POST"]] = {"read": "GET", "set": "PUT", "unsafe": "POST"}
LIMITS = HttpLimits(connect_seconds=0.5, total_seconds=0.4, answer_bytes=2000)

PAGE = b"<!DOCTYPE html><html><body>Maintenance</body></html>"
GOOD = b'{"order_id":4711}'

Ending = Act | Literal["guard", "refused", "name", "tls"]

ENDINGS: dict[str, list[Ending]] = {
    "2xx with the JSON that was expected": [answers(200, GOOD), answers(201, GOOD), answers(299, GOOD)],
    "2xx with an error member instead": [
        answers(200, b'{"error":"no"}'),
        answers(200, b'{"errors":["no"]}'),
        answers(201, b'{"errors":{"base":["no"]}}'),
    ],
    "2xx with a page, half JSON or other JSON": [
        answers(200, PAGE),
        answers(200, b'{"order_id":47'),
        answers(200, b'{"else":1}'),
        answers(200, b"[]"),
        answers(200, b'"text"'),
        answers(200, b"null"),
        answers(200, b'{"order_id":NaN}'),
        answers(200, b'\xff\xfe{"order_id":1}'),
        answers(200, b""),
        answers(204, b""),
    ],
    "3xx": [answers(301, b"", "Location: http://127.0.0.1:1/"), answers(304, b""), answers(399, b"")],
    "401": [answers(401, PAGE)],
    "403": [answers(403, b'{"error":"no"}')],
    "404": [answers(404, PAGE)],
    "408": [answers(408, b"{}")],
    "429": [answers(429, b'{"errors":["slow"]}', "Retry-After: 3"), answers(429, PAGE)],
    "other 4xx": [answers(status, PAGE) for status in (400, 402, 405, 409, 410, 413, 415, 418, 422, 451, 499)],
    "5xx": [answers(status, PAGE) for status in (500, 501, 502, 503, 504, 599)],
    "any other status": [answers(600, b"{}"), answers(999, b"{}")],
    "refused by the address guard": ["guard"],
    "no connection (refused, DNS, TLS, timeout)": ["refused", "name", "tls"],
    "broken after sending (time, reset, half, size)": [
        hangs,
        resets,
        hangs_up,
        half_answers,
        answers(200, b'{"order_id":"' + b"x" * 3000 + b'"}'),
    ],
}


def table() -> dict[str, dict[Repeat, str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (classify.__doc__ or "").splitlines()
        if re.match(r"\| (?!what)", line)
    ]
    return {row[0]: dict(zip(REPEATS, row[1:], strict=True)) for row in rows}


def test_every_row_of_the_table_is_played_and_nothing_else() -> None:
    assert set(table()) == set(ENDINGS)


def test_every_status_has_a_row() -> None:
    known = set(table())
    for status in range(100, 1000):
        names = {str(status), f"{status // 100}xx", f"other {status // 100}xx", "any other status"}
        assert names & known or status // 100 == 2


CELLS = [
    pytest.param(row, repeat, ending, id=f"{row}-{index}-{repeat}")
    for row, endings in ENDINGS.items()
    for index, ending in enumerate(endings)
    for repeat in REPEATS
]


@pytest.mark.parametrize(("row", "repeat", "ending"), CELLS)
async def test_a_call_ends_as_the_table_says(row: str, repeat: Repeat, ending: Ending) -> None:
    error, guard = await play(repeat, ending)
    expected = table()[row][repeat]
    if expected == "answer":
        assert error is None
    else:
        assert type(error) is getattr(errors, expected), error
        assert error is not None and error.sentence.startswith("Channel bright-main, order 4711: ")
    if isinstance(error, errors.ShopDown):
        assert error.reached is not row.startswith("no connection")
    assert len(guard.calls) == 1
    assert guard.errors == [error]
    assert guard.calls[0].error == (error.code if error else None)


async def play(repeat: Repeat, ending: Ending) -> tuple[ShopError | None, RecordingGuard]:
    operation = Operation("try", "trying the order", METHODS[repeat], "/orders/{id}", repeat, ("order_id",))
    async with wire_server(ending if callable(ending) else answers(200)) as server:
        domain, allowed = server.domain, [server.pair]
        base = None
        if ending == "guard":
            domain, allowed = "localhost", []
        elif ending == "refused":
            domain = f"127.0.0.1:{free_port()}"
            allowed = [("127.0.0.1", int(domain.split(":")[1]))]
        elif ending == "name":
            domain, allowed = "no-such-shop.invalid:8080", [("no-such-shop.invalid", 8080)]
        elif ending == "tls":
            base = f"https://{server.domain}"
        return await call(domain, base, allowed, operation)


async def call(
    domain: str, base: str | None, allowed: list[tuple[str, int]], operation: Operation
) -> tuple[ShopError | None, RecordingGuard]:
    channel, guard = channel_at(domain), RecordingGuard()
    pairs = allowed_hosts(allowed)
    endpoint = build_endpoint(channel, "", "X-API-TOKEN", pairs)
    if base is not None:
        endpoint = Endpoint(base, endpoint.headers)
    transport = GuardedTransport(LIMITS, pairs)
    body = {"order": {"status": "new"}} if operation.writes else None
    try:
        await Caller(transport, endpoint, channel, guard).call(operation, {"id": 4711}, about="order 4711", body=body)
    except ShopError as error:
        assert error.__cause__ is None and error.__context__ is None
        return error, guard
    finally:
        await transport.aclose()
    return None, guard


async def test_a_write_that_expects_nothing_takes_an_empty_answer() -> None:
    operation = Operation("put", "updating", "PUT", "/x", "set")
    async with wire_server(answers(204, b"")) as server:
        error, _ = await call(server.domain, None, [server.pair], operation)
    assert error is None


async def test_a_refusal_carries_the_shops_words_and_its_status() -> None:
    error, _ = await play("set", answers(422, b'{"errors":["Status cannot change"]}'))
    assert error is not None
    assert (error.code, error.status) == ("shop_rejected", 422)
    assert "“Status cannot change”" in error.sentence


async def test_a_page_is_never_quoted() -> None:
    error, _ = await play("set", answers(422, b"<h1>Ann Example</h1>"))
    assert error is not None and "Ann" not in error.sentence


async def test_a_throttled_call_says_how_long_to_wait() -> None:
    error, _ = await play("unsafe", answers(429, b"", "Retry-After: 17"))
    assert isinstance(error, errors.ShopThrottled)
    assert error.retry_after == 17


async def test_an_answer_that_is_too_large_keeps_its_status() -> None:
    error, _ = await play("read", answers(200, b"x" * 3000))
    assert error is not None and (error.code, error.status) == ("answer_too_large", 200)


async def test_what_is_not_found_has_the_code_of_the_operation() -> None:
    operation = Operation("get", "reading", "GET", "/x", "read", ("id",), not_found="order_unknown")
    async with wire_server(answers(404, b"")) as server:
        error, _ = await call(server.domain, None, [server.pair], operation)
    assert error is not None and (error.code, error.status) == ("order_unknown", 404)
