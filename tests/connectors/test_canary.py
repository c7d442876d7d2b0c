"""Secrets and personal data pushed through every failing path: none may come out."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from datetime import date
from typing import Any

import pytest

from connectors import Connectors
from connectors.http import HttpLimits
from domain.errors import ShopError
from domain.shipments import Parcel, ParcelLine
from tests.connectors.support import (
    TOKEN,
    Act,
    Heard,
    RecordingGuard,
    answers,
    channel_at,
    half_answers,
    hangs_up,
    resets,
    response,
    wire_server,
)

NAME, STREET, MAIL, PHONE = "Zacharine", "Quillfeather Lane", "zq@canary.example", "+1 303 555 0142"
CANARIES = (TOKEN, NAME, STREET, MAIL, PHONE)
ORDER: dict[str, Any] = {
    "order_id": 1,
    "status": "new",
    "updated_at": "2026-03-02T09:20:11-07:00",
    "customer_email": MAIL,
    "shipping_contact": {"first_name": NAME, "last_name": "Example", "email": MAIL, "phone": PHONE},
    "shipping_address": {"first_address": f"12 {STREET}", "city": "Denver"},
    "line_items": [{"id": 5}],
    "notes": [],
}
SPILT = f"Refused for {NAME} of 12 {STREET}, {MAIL}, {PHONE}, token {TOKEN}"
KNOWN = f"Token {TOKEN} of {MAIL}, {PHONE}"


def order_then(act: Act) -> Act:
    """Answers reads of an order with its document and everything else with ``act``."""

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if heard.head.startswith("GET"):
            writer.write(response(200, json.dumps(ORDER).encode()))
        else:
            await act(heard, writer)

    return answer


def said(status: int, words: str) -> list[Act]:
    return [
        answers(status, json.dumps(document).encode())
        for document in (
            {"error": words},
            {"errors": [words]},
            {"errors": {"base": [words]}},
            {"message": words},
            {"order": ORDER, "errors": [words]},
        )
    ]


PAGE = f"<html>{SPILT}</html>".encode()
DOCUMENT = json.dumps(ORDER).encode()
ACTS: list[Act] = [
    *said(422, KNOWN),
    *said(404, KNOWN),
    *said(200, KNOWN),
    *said(500, SPILT),
    *said(401, SPILT),
    *said(403, SPILT),
    *(answers(status, PAGE) for status in (200, 301, 400, 404, 422, 429, 500)),
    *(answers(status, DOCUMENT) for status in (301, 400, 404, 422, 429, 500)),
    answers(200, DOCUMENT[:-20]),
    answers(200, DOCUMENT),
    answers(302, b"", f"Location: http://127.0.0.1/?token={TOKEN}"),
    half_answers,
    resets,
    hangs_up,
]


async def everything(act: Act) -> tuple[list[BaseException], RecordingGuard]:
    """Make every kind of call at a shop that answers so; the errors and the records."""
    failures: list[BaseException] = []
    guard = RecordingGuard()
    async with wire_server(act) as server:
        connectors = Connectors(HttpLimits(total_seconds=2.0, answer_bytes=100_000), [server.pair])
        shop = connectors.open(channel_at(server.domain), guard)
        parcel = Parcel("S-1", "1", "UPS", "1Z", date(2026, 3, 4), True, (ParcelLine("5", 1),))
        for attempt in (
            shop.read_order("1"),
            shop.set_order_status("1", "shipped", None),
            shop.set_order_status("1", "shipped", f"Told {NAME} of {STREET}"),
            shop.cancel_order("1"),
            shop.create_shipment(parcel),
            shop.list_shipments("1"),
            shop.set_stock({"A": 1}),
        ):
            try:
                await attempt
            except ShopError as error:
                failures.append(error)
        failures.append(RuntimeError((await shop.check()).sentence))
        await connectors.close()
    return failures, guard


def texts(failures: list[BaseException], guard: RecordingGuard, log: str) -> str:
    told = ["".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) for error in failures]
    return "\n".join([*told, *(repr(call) for call in guard.calls), log])


@pytest.mark.parametrize("index", range(len(ACTS)))
async def test_no_secret_and_no_person_comes_out_of_a_failed_call(index: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failures, guard = await everything(ACTS[index])
    assert guard.calls
    assert len(failures) > 1
    out = texts(failures, guard, caplog.text)
    assert [canary for canary in CANARIES if canary in out] == []


PARTLY = answers(200, json.dumps({"success": [SPILT], "errors": {"base": [SPILT]}}).encode())


@pytest.mark.parametrize("act", [*said(422, SPILT), *said(200, SPILT)[:3], PARTLY])
async def test_what_a_shop_says_of_a_person_it_showed_before_is_hidden(act: Act) -> None:
    async with wire_server(order_then(act)) as server:
        connectors = Connectors(allowed=[server.pair])
        shop = connectors.open(channel_at(server.domain), RecordingGuard())
        told = ""
        try:
            result = await shop.cancel_order("1")
            told = " ".join((*result.done, *result.failed))
        except ShopError as error:
            told = error.sentence
        await connectors.close()
    assert "Refused for" in told
    assert [canary for canary in CANARIES if canary in told] == []
