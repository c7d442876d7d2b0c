"""``POST /v1/events``: events come in over HTTP; the answer is given after the commit."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.ledger import Admission
from domain.access import Action
from domain.envelope import BATCH, STRUCTURED
from producers.http.binary_mode import is_binary, to_structured
from producers.http.body import read_body
from producers.http.callers import caller_of
from producers.http.door import Door, door_of
from producers.http.event_docs import EVENTS_DOCS
from producers.http.problems import Refusal, problem_of
from producers.http.strict_json import Element, read_batch, read_one

router = APIRouter(tags=["events"])

_BINARY = "binary"


@router.post("/v1/events", **EVENTS_DOCS)
async def take_events(request: Request) -> Response:
    """Take in one event or a batch of up to 1,000. Needs the scope `events:write`.

    The answer is given after the commit: what it calls accepted is never lost. An event sent twice (same
    `source` and `id`) is answered `duplicate` and nothing new happens, so any request may be repeated.
    """
    door = door_of(request)
    began = time.monotonic()
    holder = await caller_of(door, request, Action.PUBLISH_EVENTS)
    left = door.limits.answer_seconds - (time.monotonic() - began)
    mode = _mode(request)
    most = door.limits.batch_bytes if mode == BATCH else door.limits.event_bytes
    body = await read_body(request, most, door.limits.body_seconds)
    if mode == BATCH:
        return await _take_batch(door, holder.account, body, left)
    if mode == _BINARY:
        # The data must be one JSON value before it may stand inside another document.
        body = to_structured(request.headers.raw, read_one(body, door.limits.json_depth).body if body else body)
    return await _take_one(door, holder.account, body, left)


def _mode(request: Request) -> str:
    """How the event is written, by content type (CloudEvents HTTP binding 1.0, section 3).

    Raises:
        Refusal: 415.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    charset = parameters.strip().lower().replace('"', "")
    if charset.startswith("charset=") and charset.removeprefix("charset=") not in ("utf-8", "us-ascii"):
        raise _unsupported()
    if kind in (STRUCTURED, BATCH):
        return kind
    if kind == "application/json":
        return _BINARY if is_binary(request.headers.raw) else STRUCTURED
    raise _unsupported()


def _unsupported() -> Refusal:
    kinds = f"{STRUCTURED}, {BATCH}, application/json"
    return Refusal(
        415,
        "unsupported_media_type",
        f"Send the event as one of: {kinds}; in UTF-8.",
        headers={"Accept-Post": kinds},
    )


async def _take_one(door: Door, account: str, body: bytes, seconds: float) -> Response:
    element = read_one(body, door.limits.json_depth)
    if element.error is not None:
        raise element.error
    (admission,) = await door.collector.admit(account, [body], seconds)
    if admission.error is not None:
        raise admission.error
    return _answer(202, [_result(element, admission)])


async def _take_batch(door: Door, account: str, body: bytes, seconds: float) -> Response:
    elements = read_batch(body, door.limits.json_depth, door.limits.batch_events)
    if len(elements) > door.limits.batch_events:
        most = door.limits.batch_events
        raise Refusal(413, "too_many_events", f"A batch holds at most {most} events. Send several batches.")
    bodies = [element.body for element in elements if element.error is None]
    admitted = iter(await door.collector.admit(account, bodies, seconds) if bodies else ())
    results = [
        _result(element, Admission(error=element.error) if element.error else next(admitted)) for element in elements
    ]
    if results and all(result["status"] == "rejected" for result in results):
        raise Refusal(
            422,
            "batch_rejected",
            "No event of the batch was accepted; see results.",
            members={"results": results},
        )
    return _answer(202, results)


def _result(element: Element, admission: Admission) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": element.event_id,
        "message": admission.message_id,
        "status": "duplicate" if admission.duplicate else "accepted",
        "deliveries": admission.deliveries,
    }
    if admission.error is not None:
        result |= {"status": "rejected", "problem": problem_of(admission.error)}
    return result


def _answer(status: int, results: Sequence[dict[str, Any]]) -> Response:
    return Response(json.dumps({"results": results}), status, media_type="application/json")
