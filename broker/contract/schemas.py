"""JSON Schemas (draft 2020-12) of the envelope and of every payload, generated from the pydantic models."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel

from domain.envelope import Envelope
from domain.events import ANNOUNCED_TYPES, CONTRACT_VERSION, EVENT_TYPES, Tick, event_type
from domain.jobs import JOB_TYPES

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]
Mode = Literal["validation", "serialization"]


def schema_name(model: type[BaseModel]) -> str:
    """The published name of a model: ``StockChanged`` is ``stock-changed``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", model.__name__).lower()


def schema_id(name: str) -> str:
    """The ``$id`` of a published schema, with the version of the contract."""
    return f"urn:towpath:schema:{name}:v{CONTRACT_VERSION}"


def models() -> dict[str, tuple[type[BaseModel], Mode]]:
    """Published name → model and mode: what comes in as it is read, what goes out as it is written."""
    incoming: list[type[BaseModel]] = [Envelope, *(kind.payload for kind in EVENT_TYPES.values()), Tick]
    outgoing = [kind.payload for kind in ANNOUNCED_TYPES.values()]
    found: dict[str, tuple[type[BaseModel], Mode]] = {schema_name(model): (model, "validation") for model in incoming}
    return found | {schema_name(model): (model, "serialization") for model in outgoing}


def schemas() -> dict[str, Schema]:
    """Published name → JSON Schema, each complete in itself."""
    return {
        name: {"$schema": DRAFT, "$id": schema_id(name), **plain(model.model_json_schema(mode=mode))}
        for name, (model, mode) in models().items()
    }


def plain(schema: Schema) -> Schema:
    """The schema with the mark-up of docstrings taken out of its descriptions."""
    parts = {name: plain(value) if isinstance(value, dict) else value for name, value in schema.items()}
    if isinstance(said := schema.get("description"), str):
        parts["description"] = re.sub(r"(:\w+:)?``?([^`]+)``?", r"`\2`", said)
    return parts


def payload_name(event: str) -> str:
    """The published name of the payload of an event type, incoming or announced.

    Raises:
        UnknownName: the type does not exist.
    """
    if event in ANNOUNCED_TYPES:
        return schema_name(ANNOUNCED_TYPES[event].payload)
    return schema_name(event_type(event).payload)


def event_names() -> tuple[str, ...]:
    """All event types, ticks of every scheduled job included: first what comes in, then what is announced."""
    ticks = (job.tick for job in JOB_TYPES.values() if job.scheduled)
    return (*EVENT_TYPES, *ticks, *ANNOUNCED_TYPES)


def event_schemas() -> dict[str, Schema]:
    """Event type → JSON Schema of the whole event, its type and ``data`` fixed; complete in itself."""
    known = schemas()
    return {name: _event_schema(name, known["envelope"], known[payload_name(name)]) for name in event_names()}


def _event_schema(name: str, envelope: Schema, payload: Schema) -> Schema:
    members = {**envelope["properties"], "type": {"const": name}, "data": payload}
    return {
        **envelope,
        "$id": schema_id(f"event:{name}"),
        "title": name,
        "properties": members,
        "required": ["id", "source", "type", "data"],
    }
