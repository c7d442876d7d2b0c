"""The published schemas say exactly what the parser does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from broker.contract import event_schemas, examples, schema_id, schema_name, schemas
from domain.envelope import Envelope
from domain.events import (
    ANNOUNCED_TYPES,
    CONTRACT_VERSION,
    EVENT_TYPES,
    ChannelOrder,
    OrderStatusChanged,
    ProductChanged,
    ShipmentCreated,
    StockChanged,
    Tick,
)
from domain.jobs import JOB_TYPES

VALIDATORS = {name: Draft202012Validator(schema) for name, schema in schemas().items()}

Values = st.SearchStrategy[dict[str, Any]]

numbers: st.SearchStrategy[Any] = st.sampled_from(
    [-1, 0, 1, 40, 40.0, 40.5, 10**9, 10**9 + 1, 2**62, 2**62 + 1, "40", True, None, [], {}]
)
words: st.SearchStrategy[Any] = st.sampled_from(
    ["MUG", "x" * 100, "x" * 101, "x" * 121, "", "ü", 5, None, True, ["MUG"]]
)
moments: st.SearchStrategy[Any] = st.sampled_from(
    ["2026-03-02T15:04:05Z", "2026-03-02T15:04:05.5+01:00", 0, True, None, {}]
)
flags: st.SearchStrategy[Any] = st.sampled_from([True, False, "yes", 1, 0, None])
names: st.SearchStrategy[Any] = st.sampled_from(["e-1", "x" * 100, "x" * 200, "x" * 201, "", 7, None, True])
codes: st.SearchStrategy[Any] = st.sampled_from(["acme", "a-b_c", "Acme", "", "x" * 64, 7, None])
plain: st.SearchStrategy[Any] = st.sampled_from(["7", 7, True, None, 1.5, {}, []])


def near(valid: dict[str, Any], **kinds: st.SearchStrategy[Any]) -> Values:
    """A valid payload, of which some members are missing, replaced or too many."""
    replaced = st.fixed_dictionaries({}, optional=kinds)
    missing = st.just(frozenset[str]()) | st.frozensets(st.sampled_from(sorted(valid)), max_size=1)
    return st.builds(
        lambda new, gone: {name: value for name, value in {**valid, **new}.items() if name not in gone},
        replaced,
        missing,
    )


line = near({"sku": "MUG", "quantity": 2}, sku=words, external_line_id=words, quantity=numbers, colour=words)
shapes: dict[type[BaseModel], Values] = {
    StockChanged: near(
        {"sku": "MUG", "warehouse": "main", "total": 40, "allocated": 3},
        sku=words, warehouse=words, total=numbers, allocated=numbers, version=numbers, colour=words,
    ),
    ChannelOrder: near(
        {"external_order_id": "1"},
        external_order_id=words, order=st.sampled_from([{}, None, [], "x"]), updated_at=moments,
    ),
    OrderStatusChanged: near(
        {"external_order_id": "1", "status": "paid"},
        external_order_id=words, status=words, note=words,
    ),
    ShipmentCreated: near(
        {**examples()["shipment.created"]["data"]},
        shipment_id=words, carrier=words, service=words, tracking_number=words,
        shipped_at=moments, notify_customer=flags, lines=st.lists(line, max_size=2) | st.just({}),
    ),
    ProductChanged: near({"product": {}}, product=st.sampled_from([{"sku": 1}, [], None, "x"]), colour=words),
    Tick: near({"schedule": "s", "due": "2026-03-02T15:04:05Z"}, schedule=words, due=moments, colour=words),
    Envelope: near(
        {"id": "e-1", "source": "oms", "type": "stock.changed", "data": {}},
        id=names, source=names, type=names, subject=names, correlationid=names, datacontenttype=names,
        specversion=st.sampled_from(["1.0", "0.3", 1.0]), time=moments, account=codes, channel=codes,
        data=st.sampled_from([{}, {"a": 1}, [], "x"]), partition=plain, my_shop=st.just("7"),
    ),
}  # fmt: skip


def accepted(model: type[BaseModel], value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("model", shapes, ids=schema_name)
def test_the_schema_accepts_what_the_parser_accepts_and_nothing_else(model: type[BaseModel]) -> None:
    seen = set()

    @given(value=shapes[model])
    def compare(value: dict[str, Any]) -> None:
        seen.add(accepted(model, value))
        assert VALIDATORS[schema_name(model)].is_valid(value) == accepted(model, value)

    compare()
    assert seen == {True, False}


def test_every_schema_of_what_comes_in_is_compared_with_its_parser() -> None:
    assert {schema_name(model) for model in shapes} == set(VALIDATORS) - {
        schema_name(kind.payload) for kind in ANNOUNCED_TYPES.values()
    }


@pytest.mark.parametrize("name", VALIDATORS)
def test_every_schema_is_a_schema_with_an_id_of_this_version(name: str) -> None:
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == schema_id(name) == f"urn:towpath:schema:{name}:v{CONTRACT_VERSION}"


def keywords(schema: Any, *, names: bool = False) -> set[str]:
    if isinstance(schema, list):
        return {word for each in schema for word in keywords(each)}
    if not isinstance(schema, dict):
        return set()
    below = {
        word
        for name, value in schema.items()
        if name != "default"
        for word in keywords(value, names=not names and name in ("properties", "$defs"))
    }
    return below if names else below | set(schema)


@pytest.mark.parametrize("name", VALIDATORS)
def test_no_schema_has_a_word_that_validators_pass_over(name: str) -> None:
    known = {
        "$schema", "$id", "$ref", "$defs", "type", "const", "enum", "properties", "required", "additionalProperties",
        "propertyNames", "items", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "pattern",
        "anyOf", "default", "title", "description", "format",
    }  # fmt: skip
    assert keywords(schemas()[name]) <= known


def test_the_descriptions_are_free_of_mark_up() -> None:
    def descriptions(schema: Any) -> list[str]:
        if isinstance(schema, dict):
            here = [schema["description"]] if isinstance(schema.get("description"), str) else []
            return here + [text for value in schema.values() for text in descriptions(value)]
        return [text for value in schema for text in descriptions(value)] if isinstance(schema, list) else []

    assert not [text for text in descriptions(schemas()) if "``" in text or ":func:" in text]


def test_every_type_has_a_schema_of_its_whole_event() -> None:
    ticks = {job.tick for job in JOB_TYPES.values() if job.scheduled}
    assert set(event_schemas()) == {*EVENT_TYPES, *ANNOUNCED_TYPES, *ticks}
    for schema in event_schemas().values():
        Draft202012Validator.check_schema(schema)


def test_the_schema_of_an_event_wants_its_own_type_and_data() -> None:
    check = Draft202012Validator(event_schemas()["stock.changed"])
    good = {"sku": "MUG", "warehouse": "main", "total": 1, "allocated": 0}
    event = {"id": "1", "source": "oms", "type": "stock.changed", "data": good}
    assert check.is_valid(event)
    assert not check.is_valid({**event, "type": "order.created"})
    assert not check.is_valid({**event, "data": {**good, "total": -1}})
    assert not check.is_valid({name: value for name, value in event.items() if name != "data"})
