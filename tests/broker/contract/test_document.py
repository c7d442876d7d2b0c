"""The AsyncAPI document: valid by an AsyncAPI 3.0 model, complete, and true of the topology."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from broker.contract import asyncapi, event_schemas, examples
from broker.topology import EVENTS, OMS, matches, topology
from domain.envelope import STRUCTURED, Envelope
from domain.events import ANNOUNCED_TYPES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the model's fields shadow names of their base
    from asyncapi3.models.asyncapi import AsyncAPI3  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(document: dict[str, Any], reference: str) -> Any:
    part: Any = document
    for step in reference.removeprefix("#/").split("/"):
        part = part[step]
    return resolve(document, part["$ref"]) if "$ref" in part else part


def test_the_document_is_valid_asyncapi_3() -> None:
    AsyncAPI3.model_validate(asyncapi())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["info"], {}),
        (["asyncapi"], None),
        (["channels", "events", "bindings", "amqp", "is"], "exchange"),
        (["operations", "takeEvents", "action"], "publish"),
        (["servers", "rabbitmq", "url"], "amqp://localhost"),
    ],
    ids=str,
)
def test_the_check_of_the_document_can_fail(place: list[str], value: Any) -> None:
    document = asyncapi()
    part = document
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(document)


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi()
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference), reference


def test_nothing_is_defined_that_nobody_refers_to() -> None:
    document = asyncapi()
    found = set(references(document))
    for kind, parts in document["components"].items():
        for name in parts:
            assert f"#/components/{kind}/{name}" in found, f"{kind} {name}"


def test_channels_are_the_exchanges_of_the_topology() -> None:
    channels = {each["title"]: each for each in asyncapi()["channels"].values()}
    assert set(channels) == {EVENTS, OMS}
    for exchange in topology().exchanges:
        if exchange.name in channels:
            binding = channels[exchange.name]["bindings"]["amqp"]
            assert (binding["is"], binding["exchange"]["name"]) == ("routingKey", exchange.name)
            assert (binding["exchange"]["type"], binding["exchange"]["durable"]) == (exchange.kind, True)


@pytest.mark.parametrize("channel", ["events", "oms"])
def test_every_message_has_a_routing_key_that_its_channel_lists(channel: str) -> None:
    document = asyncapi()
    part = document["channels"][channel]
    assert part["address"] == "{type}.{account}.{channel}"
    assert set(part["parameters"]) == set(re.findall(r"\{(\w+)\}", part["address"]))
    for message in part["messages"].values():
        said = Envelope.model_validate(examples()[resolve(document, message["$ref"])["name"]])
        assert [key for key in part["x-routing-keys"] if matches(key, said.routing_key)], said.type


def test_what_comes_in_is_received_and_what_is_announced_is_sent() -> None:
    document = asyncapi()
    taken, told = document["operations"]["takeEvents"], document["operations"]["tellOms"]
    assert (taken["action"], told["action"]) == ("receive", "send")
    names = [{resolve(document, each["$ref"])["name"] for each in operation["messages"]} for operation in (taken, told)]
    assert names == [set(event_schemas()) - set(ANNOUNCED_TYPES), set(ANNOUNCED_TYPES)]


def expanded(document: dict[str, Any], schema: Any) -> Any:
    """A schema with its references put in place."""
    if isinstance(schema, list):
        return [expanded(document, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return expanded(document, resolve(document, schema["$ref"]))
    return {name: expanded(document, value) for name, value in schema.items()}


@pytest.mark.parametrize("name", sorted(event_schemas()))
def test_a_message_accepts_its_own_example_and_no_other(name: str) -> None:
    document = asyncapi()
    message = document["components"]["messages"][name.replace(".", "_")]
    check = Draft202012Validator(expanded(document, message["payload"]))
    assert message["contentType"] == STRUCTURED
    assert [other for other, event in examples().items() if check.is_valid(event)] == [name]
    assert [each["payload"] for each in message["examples"]] == [examples()[name]]


def test_a_message_without_an_account_is_not_valid_on_the_exchange() -> None:
    document = asyncapi()
    check = Draft202012Validator(expanded(document, document["components"]["messages"]["stock_changed"]["payload"]))
    event = dict(examples()["stock.changed"])
    del event["account"]
    assert not check.is_valid(event)


def test_binary_headers_name_every_attribute() -> None:
    headers = asyncapi()["components"]["messages"]["stock_changed"]["headers"]["properties"]
    assert {name.removeprefix("cloudEvents:") for name in headers} == set(Envelope.model_fields) - {
        "data",
        "datacontenttype",
    }


def test_the_document_holds_no_secret_and_no_address_but_a_placeholder() -> None:
    text = json.dumps(asyncapi())
    assert asyncapi()["servers"]["rabbitmq"]["host"] == "{host}:{port}"
    assert not re.search(r"amqps?://|:[^/\s\"]+@", text)


def test_everything_that_consumers_announce_is_in_the_contract() -> None:
    told = set()
    for path in (ROOT / "consumers").glob("*.py"):
        told |= set(re.findall(r"Announcement\(\s*\"([^\"]+)\"", path.read_text("utf-8")))
    assert told
    assert told <= set(ANNOUNCED_TYPES)
    assert all(fnmatchcase(name, "*.*") for name in ANNOUNCED_TYPES)
