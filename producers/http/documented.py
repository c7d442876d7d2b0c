"""Pieces of the OpenAPI document that several endpoints share."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from domain.envelope import Envelope
from domain.events import CONTRACT_VERSION, EVENT_TYPES, Payload, Tick
from producers.http.problems import PROBLEM_JSON, Problem, problem

START = "/v1/"
OF_ACCOUNT = "/v1/accounts/{account}/"
"""How the address of what belongs to an account begins; with :data:`START` in its place, its short form."""
Docs = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

_REF = "#/components/schemas/{model}"
_EXAMPLES: dict[int, tuple[str, str, str]] = {
    400: (
        "not_json",
        "Not a valid event.",
        "The body is not JSON: Expecting value: line 1 column 1 (char 0).",
    ),
    401: (
        "unauthorized",
        "No valid API key, and nobody signed in.",
        "Send a valid API key as 'Authorization: Bearer KEY', or sign in by POST /v1/session.",
    ),
    403: (
        "missing_scope",
        "The key lacks the scope, or the user the role.",
        "Not allowed with this API key: read. It takes the scope read, operate or admin.",
    ),
    404: ("unknown_message", "Not there, or of another account.", "Your account has no message of this id."),
    406: (
        "not_acceptable",
        "No format that the client accepts.",
        "Formats: application/json, text/csv, application/jsonl.",
    ),
    408: ("body_too_slow", "The body did not arrive in time.", "The body did not arrive within 20 s."),
    409: (
        "identity_conflict",
        "Contradicts what is there.",
        "Event 'e-1' of 'oms' came before with another body.",
    ),
    412: (
        "changed_meanwhile",
        "Somebody else changed it since it was looked at.",
        "The settings of channel acme/bright-main were changed meanwhile: they have version 4, not 3.",
    ),
    413: (
        "body_too_large",
        "Too large.",
        "The body is larger than 262144 bytes. Send a reference, or a smaller batch.",
    ),
    415: (
        "unsupported_media_type",
        "Another content type.",
        "Send the event as one of: application/cloudevents+json.",
    ),
    422: ("invalid_parameters", "Understood, but not valid.", "These parameters are not valid: limit."),
    429: ("too_many_tries", "Try again after `Retry-After` seconds.", "Too many tries to sign in failed."),
    500: ("internal_error", "Towpath failed.", "Towpath failed on this request."),
    503: (
        "storage_unavailable",
        "Try again after `Retry-After` seconds.",
        "The database does not answer in time.",
    ),
}


def problems(*statuses: int) -> Responses:
    """The ``responses`` of an endpoint that answers problems of these statuses; 500 and 503 always."""
    return {status: _problem_docs(status) for status in sorted({*statuses, 500, 503})}


def _problem_docs(status: int) -> Docs:
    code, description, detail = _EXAMPLES[status]
    content = {"schema": {"$ref": _REF.format(model="Problem")}, "example": problem(status, code, detail)}
    docs: Docs = {"description": description, "content": {PROBLEM_JSON: content}}
    if status in (429, 503):
        docs["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if status in (401, 403):
        docs["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return docs


def reference(model: str) -> Docs:
    """A reference to a schema of the document."""
    return {"$ref": _REF.format(model=model)}


def body_docs(model: type[BaseModel]) -> Docs:
    """What the document says of a body that :func:`producers.http.asked.asked` reads."""
    schema = model.model_json_schema(ref_template=_REF)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def describe(app: FastAPI) -> Docs:
    """The OpenAPI document, made once; the events' own schemas are added to what the endpoints declare."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        document["components"]["schemas"] |= _event_schemas()
        for operations in document["paths"].values():
            for operation in operations.values():
                document["components"]["schemas"] |= _parts_of_body(operation)
        _secure(document["paths"])
        app.openapi_schema = document
    return app.openapi_schema


def _parts_of_body(operation: Docs) -> Docs:
    """The schemas that the schema of a body refers to, taken out of it."""
    made: Docs = {}
    if "requestBody" in operation:
        # What the route itself holds stays whole: other applications are made of the same routes.
        operation["requestBody"] = body = copy.deepcopy(operation["requestBody"])
        for content in body["content"].values():
            made |= content["schema"].pop("$defs", {})
    return made


def _secure(paths: Docs) -> None:
    """An address of an account is for keys and people alike, its short form for keys, which know their account."""
    short = {path.replace(OF_ACCOUNT, START, 1) for path in paths if path.startswith(OF_ACCOUNT)}
    for path, operations in paths.items():
        for operation in operations.values():
            if path in short:
                operation["security"] = [{"apiKey": []}]
                operation["responses"].setdefault("400", _problem_docs(400))
            elif path.startswith(OF_ACCOUNT):
                operation["security"] = [{"apiKey": []}, {"session": []}]


def _event_schemas() -> Docs:
    made: Docs = {}
    known: list[type[Payload]] = [*(kind.payload for kind in EVENT_TYPES.values()), Tick]
    payloads = {payload.__name__: payload for payload in known}
    models: list[type[BaseModel]] = [Envelope, Problem, *payloads.values()]
    for model in models:
        schema = model.model_json_schema(ref_template=_REF)
        made |= schema.pop("$defs", {})
        made[model.__name__] = schema
    event = made.pop("Envelope")
    event["title"] = "Event"
    event["description"] = f"A CloudEvent 1.0; `data` has the shape of its `type`. Contract version {CONTRACT_VERSION}."
    event["required"] = ["specversion", "id", "source", "type", "data"]
    event["properties"]["data"] = {"anyOf": [reference(name) for name in payloads]}
    event["properties"]["type"]["examples"] = [*EVENT_TYPES, "tick.order_import"]
    made["Event"] = event
    return made
