"""Building events, and the checks before they are sent."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.topology import EVENTS
from domain.envelope import MAX_BODY_BYTES, Envelope, parse
from domain.errors import InputError, MalformedEvent, UnknownName
from domain.events import EVENT_TYPES, payload_of
from producers.publisher import new_event
from producers.publisher.event_building import message_of
from tests.producers.publisher.places import order

codes = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=100)
short_texts = st.text(string.ascii_letters + string.digits + "-:/.", min_size=1, max_size=200)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=5,
)


@given(
    external_order_id=texts,
    order=documents | st.none(),
    source=texts,
    account=codes,
    channel=codes | st.none(),
    id=short_texts,
)
def test_what_was_built_is_what_the_reader_gets(
    external_order_id: str,
    order: dict[str, Any] | None,
    source: str,
    account: str,
    channel: str | None,
    id: str,
) -> None:
    data = {"external_order_id": external_order_id, "order": order}

    event = new_event("order.created", data, source=source, account=account, channel=channel, id=id)
    message = message_of(event)

    assert parse(message.body) == event
    assert payload_of(event).model_dump(exclude_unset=True) == data
    assert (message.exchange, message.message_id) == (EVENTS, id)
    assert message.routing_key == f"order.created.{account}.{channel or 'all'}"
    assert message.content_type == "application/cloudevents+json"


@given(type=st.sampled_from(sorted(EVENT_TYPES)), data=documents, account=st.text(max_size=70), id=st.text())
def test_anything_else_is_an_input_error_and_nothing_but_that(
    type: str, data: dict[str, Any], account: str, id: str
) -> None:
    try:
        message = message_of(new_event(type, data, source="upstream", account=account, id=id))
    except InputError as error:
        assert error.sentence
        assert error.code != "error"
    else:
        payload_of(parse(message.body))


@given(size=st.integers(MAX_BODY_BYTES - 2000, MAX_BODY_BYTES + 2000))
def test_the_size_limit_counts_the_whole_body(size: int) -> None:
    event = new_event("product.changed", {"product": {"text": "x" * size}}, source="upstream", account="acme")

    if len(event.to_json()) <= MAX_BODY_BYTES:
        assert len(message_of(event).body) <= MAX_BODY_BYTES
    else:
        with pytest.raises(MalformedEvent, match=str(MAX_BODY_BYTES)):
            message_of(event)


@pytest.mark.parametrize(
    ("bad", "error", "says"),
    [
        (order().model_copy(update={"account": None}), InputError, "account"),
        (order().model_copy(update={"data": {}}), MalformedEvent, "external_order_id"),
        (order().model_copy(update={"data": {"x": object()}}), MalformedEvent, "not JSON"),
        (order().model_copy(update={"data": {"x": "\ud800"}}), MalformedEvent, "not JSON"),
        (order().model_copy(update={"data": {"x": nan}}), MalformedEvent, "not JSON"),
        (order().model_copy(update={"type": "order.eaten"}), UnknownName, "order.eaten"),
        (order().model_copy(update={"id": "ü" * 200}), InputError, "400 bytes"),
        (
            order().model_copy(update={"data": {"external_order_id": "x" * MAX_BODY_BYTES}}),
            MalformedEvent,
            "262144",
        ),
    ],
    ids=[
        "no account",
        "wrong payload",
        "not JSON",
        "half a character",
        "no number",
        "unknown type",
        "long id",
        "too large",
    ],
)
def test_a_bad_event_is_refused_with_the_reason(bad: Envelope, error: type[InputError], says: str) -> None:
    with pytest.raises(error, match=says):
        message_of(bad)


def test_a_new_event_gets_a_fresh_id_and_the_present_time() -> None:
    before = datetime.now(UTC)
    first, second = (
        new_event("order.created", {"external_order_id": "1"}, source="upstream", account="acme") for _ in "ab"
    )

    assert first.id < second.id
    assert first.time is not None
    assert before <= first.time <= datetime.now(UTC)


def test_the_rarer_attributes_are_taken_over() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    event = new_event(
        "order.created",
        {"external_order_id": "1"},
        source="upstream",
        account="acme",
        subject="4711",
        time=moment,
        correlationid="c-1",
        traceparent=trace,
    )

    assert (event.subject, event.time, event.correlationid) == ("4711", moment, "c-1")
    assert event.traceparent == trace


def test_an_attribute_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="corelationid"):
        new_event(
            "order.created",
            {"external_order_id": "1"},
            source="upstream",
            account="acme",
            corelationid="c-1",  # type: ignore[call-arg]
        )


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="time"):
        new_event(
            "order.created",
            {"external_order_id": "1"},
            source="upstream",
            account="acme",
            time=datetime(2026, 1, 1),  # noqa: DTZ001
        )


def test_a_key_that_amqp_cannot_carry_is_refused() -> None:
    due = {"schedule": "night", "due": datetime(2026, 1, 1, tzinfo=UTC)}

    with pytest.raises(InputError, match="routing key"):
        message_of(new_event("tick." + "ü" * 95, due, source="upstream", account="a" * 63, channel="b" * 63))
