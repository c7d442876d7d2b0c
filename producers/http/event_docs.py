"""What the OpenAPI document says of ``POST /v1/events``."""

from __future__ import annotations

from typing import Any

from domain.envelope import BATCH, STRUCTURED
from producers.http.answers import EventsAnswer
from producers.http.documented import problems, reference
from producers.http.problems import problem

EVENT_EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "stock-2024-10-05-000117",
    "source": "oms",
    "type": "stock.changed",
    "time": "2024-10-05T08:30:00Z",
    "channel": "bright-main",
    "data": {"sku": "MUG-BLUE", "warehouse": "main", "total": 40, "allocated": 3, "version": 117},
}

_ACCEPTED = {
    "id": EVENT_EXAMPLE["id"],
    "message": "01926b5e-7c00-7a53-8f0e-5a1b7c9d2e41",
    "status": "accepted",
    "deliveries": 1,
}
_REJECTED = {
    "id": "stock-2024-10-05-000118",
    "message": "01926b5e-7c00-7a53-8f0e-5a1b7c9d2e40",
    "status": "rejected",
    "deliveries": 0,
    "problem": problem(
        409, "identity_conflict", "Event 'stock-2024-10-05-000118' of 'oms' came before with another body."
    ),
}
_ANSWERS = {
    "accepted": {"summary": "stored", "value": {"results": [_ACCEPTED]}},
    "duplicate": {
        "summary": "known already",
        "value": {"results": [{**_ACCEPTED, "status": "duplicate", "deliveries": 0}]},
    },
    "batch": {
        "summary": "a batch of which one event was refused",
        "value": {"results": [_ACCEPTED, _REJECTED]},
    },
}


def _binary_headers() -> list[dict[str, Any]]:
    names = {
        "id": "the event's id; with `ce-source` its identity",
        "source": "who says it",
        "type": "what happened",
        "specversion": "`1.0`",
        "channel": "the channel it concerns",
        "time": "when it happened",
    }
    return [
        {
            "name": f"ce-{name}",
            "in": "header",
            "required": False,
            "description": f"binary mode only: {meaning}",
            "schema": {"type": "string"},
        }
        for name, meaning in names.items()
    ]


EVENTS_DOCS: dict[str, Any] = {
    "status_code": 202,
    "operation_id": "takeEvents",
    "summary": "Send events",
    "response_description": "Stored. Of a batch at least one event was accepted (or it was empty).",
    "responses": {
        202: {"model": EventsAnswer, "content": {"application/json": {"examples": _ANSWERS}}},
        **problems(400, 401, 403, 408, 409, 413, 415, 422),
    },
    "openapi_extra": {
        "security": [{"apiKey": []}],
        "parameters": _binary_headers(),
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": reference("Event"), "example": EVENT_EXAMPLE},
                BATCH: {
                    "schema": {"type": "array", "items": reference("Event"), "maxItems": 1000},
                    "example": [EVENT_EXAMPLE],
                },
                "application/json": {
                    "schema": {
                        "description": "One event; or, with `ce-` headers (binary mode), its data alone.",
                        "anyOf": [reference("Event"), {"type": "object"}],
                    },
                    "example": EVENT_EXAMPLE,
                },
            },
        },
    },
}
"""Arguments of the route."""
