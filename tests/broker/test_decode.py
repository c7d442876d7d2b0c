"""From bytes of the inbox to an event, or to a rejection that keeps everything."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.decode import decode, rejection_of, trigger_of
from broker.ledger import Incoming, Rejection
from domain.envelope import MAX_BODY_BYTES, STRUCTURED, Envelope, read_back
from domain.errors import MalformedEvent, UnknownName
from domain.events import StockChanged, Tick, payload_of
from domain.moments import iso, utc_now
from domain.synclog import Trigger
from tests.broker.samples import taken

STOCK = {"sku": "MUG", "warehouse": "main", "total": 40, "allocated": 3}
EVENT: dict[str, Any] = {"id": "e-1", "source": "oms", "type": "stock.changed", "account": "acme", "data": STOCK}
HEADERS = {f"cloudEvents:{name}": value for name, value in EVENT.items() if name != "data"}


def body(**changes: Any) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


def test_a_structured_event_keeps_its_bytes() -> None:
    raw = b" " + body(subject="MUG") + b"\n"
    incoming = decode(taken(raw, content_type=STRUCTURED))
    assert isinstance(incoming, Incoming)
    assert incoming.body == raw
    assert incoming.payload == StockChanged(**STOCK)  # type: ignore[arg-type]
    assert incoming.envelope.subject == "MUG"


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", STRUCTURED])
def test_a_structured_event_needs_no_content_type(content_type: str | None) -> None:
    assert isinstance(decode(taken(body(), content_type=content_type)), Incoming)


def test_a_binary_event_is_kept_in_structured_mode() -> None:
    incoming = decode(taken(json.dumps(STOCK).encode(), HEADERS, "application/json"))
    assert isinstance(incoming, Incoming)
    assert read_back(incoming.body) == incoming.envelope
    assert payload_of(read_back(incoming.body)) == incoming.payload


def test_a_structured_event_with_attributes_in_headers_too_is_read_from_its_body() -> None:
    incoming = decode(taken(body(id="e-2"), HEADERS, STRUCTURED))
    assert isinstance(incoming, Incoming)
    assert incoming.envelope.id == "e-2"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"no", "not_json"),
        (b"\xff", "not_utf8"),
        (b"{}", "invalid_envelope"),
        (body(Shop="x"), "invalid_envelope"),
        (body(type="stock.eaten"), "unknown_type"),
        (body(data={**STOCK, "total": -1}), "invalid_payload"),
        (body(subject="\0"), "nul_character"),
        (body(time=iso(utc_now() + timedelta(days=8))), "clock_far_off"),
        (b" " * (MAX_BODY_BYTES + 1), "body_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_accepted_is_kept_whole_with_the_reason(raw: bytes, code: str) -> None:
    rejection = decode(taken(raw, {"x": 1}))
    assert isinstance(rejection, Rejection)
    assert (rejection.error.code, rejection.body) == (code, raw)
    assert (rejection.origin, rejection.routing_key) == ("towpath.inbox", "stock.changed.acme.all")
    assert rejection.error.sentence


@given(
    raw=st.binary(max_size=200)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3).map(lambda each: json.dumps(each).encode()),
    headers=st.dictionaries(
        st.sampled_from(
            ["cloudEvents:id", "cloudEvents:source", "cloudEvents:type", "cloudEvents:", "x", "CloudEvents_time"]
        ),
        st.text(max_size=5)
        | st.binary(max_size=5)
        | st.integers()
        | st.none()
        | st.lists(st.integers(), max_size=1)
        | st.datetimes(),
        max_size=4,
    ),
    content_type=st.sampled_from([None, STRUCTURED, "application/json", "", ";"]),
)
def test_nothing_that_comes_in_stops_the_queue(raw: bytes, headers: dict[str, Any], content_type: str | None) -> None:
    assert isinstance(decode(taken(raw, headers, content_type)), Incoming | Rejection)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"x": "\\ud800"}',
        b'{"x": ' + b"9" * 5000 + b"}",
        b'{"x": NaN}',
        b'{"x":' * 250 + b"1" + b"}" * 250,
    ],
    ids=["deep list", "half a character", "long number", "NaN", "deep object"],
)
def test_binary_data_that_breaks_other_readers_is_a_rejection(raw: bytes) -> None:
    rejection = decode(taken(raw, HEADERS, "application/json"))
    assert isinstance(rejection, Rejection)
    assert rejection.error.code == "not_json"


def test_the_headers_of_a_rejection_are_short_texts_and_not_too_many() -> None:
    headers = {"long": "x" * 1000, "number": 7, "table": {"a": [1]}, **{f"h{at}": at for at in range(100)}}
    rejection = rejection_of(taken(b"", headers), MalformedEvent("No."))
    assert len(rejection.headers) == 50
    assert max(map(len, rejection.headers.values())) == 200
    assert (rejection.headers["number"], rejection.headers["table"]) == ("7", "{'a': [1]}")


def test_a_rejection_of_an_unknown_type_says_what_is_known() -> None:
    rejection = decode(taken(body(type="stock.eaten")))
    assert isinstance(rejection, Rejection)
    assert isinstance(rejection.error, UnknownName)
    assert "stock.changed" in rejection.error.sentence


@pytest.mark.parametrize(
    ("type", "data", "trigger", "kind"),
    [
        ("stock.changed", STOCK, Trigger.EVENT, StockChanged),
        ("tick.inventory_export", {"schedule": "s", "due": "2026-03-02T15:00:00Z"}, Trigger.SCHEDULE, Tick),
    ],
)
def test_a_tick_is_the_schedules_doing(type: str, data: dict[str, Any], trigger: Trigger, kind: type) -> None:
    incoming = decode(taken(body(type=type, data=data)))
    assert isinstance(incoming, Incoming)
    assert (incoming.trigger, incoming.payload.__class__) == (trigger, kind)
    assert trigger_of(Envelope.model_validate({**EVENT, "type": type})) is trigger
