"""Reading and writing envelopes, structured and binary, and everything that is no envelope."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.envelope import (
    FAR_AHEAD,
    MAX_BODY_BYTES,
    STRUCTURED,
    Envelope,
    is_binary_mode,
    parse,
    parse_binary,
    read_back,
)
from domain.errors import MalformedEvent
from domain.moments import iso
from tests.domain.events import STOCK, body, event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADERS = {"id": "e-1", "source": "oms", "type": "stock.changed", "account": "acme"}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | texts | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(texts, values, max_size=4)
extensions = st.dictionaries(
    st.from_regex(r"x[a-z0-9]{0,20}", fullmatch=True),
    texts | st.booleans() | st.integers(0, 2**31 - 1),
    max_size=3,
)


def clock() -> datetime:
    return NOW


def refusal(raw: bytes) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        parse(raw, clock)
    return caught.value


def binary_refusal(headers: dict[str, Any], raw: bytes) -> MalformedEvent:
    with pytest.raises(MalformedEvent) as caught:
        parse_binary(headers, raw, clock)
    return caught.value


def prefixed(prefix: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in attributes.items()}


@given(data=documents, more=extensions, source=texts, subject=texts | st.none())
def test_what_is_written_reads_back_the_same(
    data: dict[str, Any], more: dict[str, Any], source: str, subject: str | None
) -> None:
    written = Envelope.model_validate(event(data=data, source=source, subject=subject, time=iso(NOW), **more))
    assert parse(written.to_json(), clock) == written
    assert read_back(written.to_json()) == written


@given(data=documents, more=extensions, prefix=st.sampled_from(["cloudEvents:", "cloudEvents_", "CLOUDEVENTS:"]))
def test_binary_and_structured_mode_say_the_same(data: dict[str, Any], more: dict[str, Any], prefix: str) -> None:
    headers = {**prefixed(prefix, {**HEADERS, **more}), "x-death": [], "other": "ignored"}
    said = parse_binary(headers, json.dumps(data).encode(), clock)
    assert said == parse(json.dumps({**HEADERS, **more, "data": data}).encode(), clock)


@given(data=documents, more=extensions, deep=st.integers(1, 210))
def test_whatever_binary_mode_accepts_can_be_read_back(data: dict[str, Any], more: dict[str, Any], deep: int) -> None:
    raw = json.dumps(data)[:-1] + (", " if data else "") + '"deep": ' + "[" * deep + "]" * deep + "}"
    try:
        said = parse_binary(prefixed("cloudEvents:", {**HEADERS, **more}), raw.encode(), clock)
    except MalformedEvent as error:
        assert (deep > 150, error.code) == (True, "not_json")
    else:
        assert read_back(said.to_json()) == said


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_malformed_event(raw: bytes) -> None:
    for read in (parse, lambda each: parse_binary(prefixed("cloudEvents:", HEADERS), each)):
        try:
            read(raw)
        except MalformedEvent as error:
            assert error.sentence
            assert error.code != "error"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"no",
        b'{"id": "a"} x',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"data": {"x": NaN}}',
        b'{"data": -Infinity}',
    ],
    ids=["empty", "half", "word", "tail", "byte order mark", "too deep", "NaN", "infinity"],
)
def test_what_is_no_json_is_called_so(raw: bytes) -> None:
    assert refusal(raw).code == "not_json"
    assert "not JSON" in refusal(raw).sentence


def test_a_body_that_is_not_utf_8_is_refused_with_the_byte() -> None:
    raw = body(subject="x").replace(b'"x"', b'"\xff"')
    assert refusal(raw).code == "not_utf8"
    assert f"byte {raw.index(0xFF)}" in refusal(raw).sentence


@pytest.mark.parametrize("text", [r"\ud800", r"a\udfff"])
def test_half_a_character_is_no_json_in_either_mode(text: str) -> None:
    assert refusal(body(subject="@@").replace(b"@@", text.encode())).code == "not_json"
    raw = json.dumps({"sku": "@@"}).replace("@@", text).encode()
    assert binary_refusal(prefixed("cloudEvents:", HEADERS), raw).code == "not_json"


def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() -> None:
    fitting = body(subject="@@")
    fitting = fitting + b" " * (MAX_BODY_BYTES - len(fitting))
    assert parse(fitting, clock).subject == "@@"
    assert refusal(fitting + b" ").code == "body_too_large"
    assert str(MAX_BODY_BYTES + 1) in refusal(fitting + b" ").sentence
    assert binary_refusal(prefixed("cloudEvents:", HEADERS), fitting + b" ").code == "body_too_large"


def test_a_binary_event_that_would_not_fit_in_structured_mode_is_too_large() -> None:
    raw = json.dumps({"x": "y" * (MAX_BODY_BYTES - 20)}).encode()
    assert len(raw) <= MAX_BODY_BYTES
    assert binary_refusal(prefixed("cloudEvents:", HEADERS), raw).code == "body_too_large"


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_an_envelope_without_a_required_attribute_is_refused_by_name(name: str) -> None:
    incomplete = event()
    del incomplete[name]
    error = refusal(json.dumps(incomplete).encode())
    assert (error.code, f"{name}: Field required" in error.sentence) == ("invalid_envelope", True)
    headers = prefixed("cloudEvents:", HEADERS)
    del headers[f"cloudEvents:{name}"]
    assert binary_refusal(headers, b"{}").sentence == error.sentence


@pytest.mark.parametrize(
    "wrong",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"id": 7},
        {"id": "x" * 201},
        {"type": "x" * 101},
        {"account": "Acme"},
        {"account": "acme\n"},
        {"channel": "a b"},
        {"data": [1]},
        {"data": "text"},
        {"time": "yesterday"},
        {"time": "2026-02-01"},
        {"time": "2026-03-01T10:00:00"},
        {"time": 1_772_000_000},
        {"time": "1772000000"},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"time": "0001-01-01T00:00:00+14:00"},
    ],
    ids=str,
)
def test_a_wrong_attribute_is_refused_by_name_and_without_its_value(wrong: dict[str, Any]) -> None:
    error = refusal(body(**wrong))
    ((name, value),) = wrong.items()
    assert (error.code, f"{name}: " in error.sentence) == ("invalid_envelope", True)
    assert not isinstance(value, str) or len(value) < 5 or value not in error.sentence


@pytest.mark.parametrize("name", ["Foo", "foo-bar", "foo_bar", "data_base64", "ünï", "", "foo.bar", "a\n"])
def test_an_attribute_whose_name_cloudevents_forbids_is_refused(name: str) -> None:
    error = refusal(body(**{name: "1"}))
    assert error.code == "invalid_envelope"
    assert f"attribute {name!r} may only have the letters a-z and digits in its name" in error.sentence


def test_the_names_of_binary_attributes_follow_the_same_rule_but_for_their_case() -> None:
    assert parse_binary(prefixed("cloudEvents:", {**HEADERS, "Partition": "7"}), b"", clock).model_extra == {
        "partition": "7"
    }
    error = binary_refusal(prefixed("cloudEvents:", {**HEADERS, "my-shop": "7"}), b"")
    assert "attribute 'my-shop' may only have" in error.sentence


@pytest.mark.parametrize("value", [{"a": 1}, [1], 1.5], ids=str)
def test_an_extension_holds_a_plain_value(value: Any) -> None:
    assert (
        "attribute 'partition' should be text, a whole number, true or false" in refusal(body(partition=value)).sentence
    )


def test_an_extension_attribute_is_kept() -> None:
    assert b'"partition":7' in parse(body(partition=7), clock).to_json()


def test_a_long_name_does_not_make_a_long_sentence() -> None:
    assert len(refusal(body(**{"X" * 100_000: "1"})).sentence) < 300


def test_of_many_faults_the_first_few_are_told_and_the_rest_counted() -> None:
    sentence = refusal(b'{"time": 1, "account": "A", "channel": "B", "data": 1}').sentence
    assert sentence.endswith("; and 3 more")


@pytest.mark.parametrize(
    "ahead", [timedelta(hours=24, microseconds=1), timedelta(days=8), timedelta(days=365_000)], ids=str
)
def test_an_event_from_a_clock_far_ahead_is_refused(ahead: timedelta) -> None:
    error = refusal(body(time=iso(NOW + ahead)))
    assert error.code == "clock_far_off"
    assert f"happened at {iso(NOW + ahead)}, more than 24 hours ahead of our clock" in error.sentence
    headers = prefixed("cloudEvents:", {**HEADERS, "time": iso(NOW + ahead)})
    assert binary_refusal(headers, json.dumps(STOCK).encode()).code == "clock_far_off"


@given(behind=st.timedeltas(-FAR_AHEAD, timedelta(days=365 * 2000)))
def test_an_event_from_a_clock_less_than_a_day_ahead_or_any_time_behind_is_taken(behind: timedelta) -> None:
    assert parse(body(time=iso(NOW - behind)), clock).time == NOW - behind


def test_an_event_accepted_once_reads_back_under_any_clock() -> None:
    later = body(time=iso(NOW + timedelta(days=400)))
    assert read_back(later).time == NOW + timedelta(days=400)


def test_a_local_time_becomes_utc() -> None:
    assert parse(body(time="2026-03-01T10:00:00+02:00"), clock).time == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert b'"time":"2026-03-01T08:00:00Z"' in parse(body(time="2026-03-01T10:00:00+02:00"), clock).to_json()


@pytest.mark.parametrize(
    "where", [{"id": "a\0b"}, {"data": {"x": [{"y": "\0"}]}}, {"data": {"a\0": 1}}, {"part\0": "1"}]
)
def test_the_character_nul_is_refused_wherever_it_stands(where: dict[str, Any]) -> None:
    assert refusal(body(**where)).code == "nul_character"


def test_a_written_backslash_u0000_is_no_nul() -> None:
    assert parse(body(data={"x": r"\u0000"}), clock).data == {"x": r"\u0000"}


@pytest.mark.parametrize("value", [b"\xff", "\ud800"], ids=["bytes", "half a character"])
def test_a_binary_attribute_that_is_not_utf_8_is_refused_and_not_mended(value: Any) -> None:
    error = binary_refusal(prefixed("cloudEvents:", {**HEADERS, "id": value}), b"{}")
    assert (error.code, "'id'" in error.sentence) == ("not_utf8", True)


def test_a_binary_attribute_of_bytes_is_read_as_utf_8() -> None:
    assert parse_binary(prefixed("cloudEvents:", {**HEADERS, "id": "ü".encode()}), b"{}", clock).id == "ü"


def test_a_binary_attribute_that_stands_twice_is_refused() -> None:
    headers = {**prefixed("cloudEvents:", HEADERS), "cloudEvents_id": "e-2"}
    assert binary_refusal(headers, b"{}").code == "duplicate_member"


def test_an_amqp_timestamp_is_taken_as_utc() -> None:
    headers = prefixed("cloudEvents:", {**HEADERS, "time": NOW.replace(tzinfo=None)})
    assert parse_binary(headers, b"", clock).time == NOW


def test_a_binary_event_without_a_body_has_no_data() -> None:
    assert parse_binary(prefixed("cloudEvents:", HEADERS), b"", clock).data == {}


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"x": ' + b"9" * 5000 + b"}", b'{"x": NaN}', b"{", b"\xef\xbb\xbf{}"]
)
def test_binary_data_that_is_no_json_is_called_so(raw: bytes) -> None:
    assert binary_refusal(prefixed("cloudEvents:", HEADERS), raw).code == "not_json"


def test_a_broken_trace_context_is_passed_over() -> None:
    assert parse(body(traceparent="00-" + "a" * 90 + "-b-c"), clock).traceparent is None
    whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert parse(body(traceparent=whole), clock).traceparent == whole


@pytest.mark.parametrize(
    ("headers", "content_type", "binary"),
    [
        ({}, None, False),
        ({}, "application/json", False),
        ({"cloudEvents:id": "1"}, "application/json", True),
        ({"cloudEvents_id": "1"}, None, True),
        ({"CLOUDEVENTS:id": "1"}, "application/json; charset=utf-8", True),
        ({"cloudEvents:id": "1"}, STRUCTURED, False),
        ({"cloudEvents:id": "1"}, "Application/CloudEvents+JSON; charset=UTF-8", False),
        ({"x-death": []}, "text/plain", False),
    ],
)
def test_the_mode_is_told_by_content_type_and_headers(
    headers: dict[str, Any], content_type: str | None, binary: bool
) -> None:
    assert is_binary_mode(headers, content_type) is binary


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"account": "acme", "channel": "bright"}, "stock.changed.acme.bright"),
        ({"account": "acme"}, "stock.changed.acme.all"),
        ({"account": None}, "stock.changed.unknown.all"),
    ],
)
def test_the_routing_key_names_type_account_and_channel(attributes: dict[str, Any], key: str) -> None:
    assert Envelope.model_validate(event(**attributes)).routing_key == key
