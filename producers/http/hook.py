"""``POST /hooks/{channel}/{secret}``: a shop tells that an order is new or changed."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from domain.hooks import order_named
from producers.http.body import read_body
from producers.http.documented import problems
from producers.http.door import AtDoor
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

router = APIRouter(tags=["hooks"])

LARGEST = 1024 * 1024
"""Bytes of a post: an order with very many lines."""


class HookAnswer(BaseModel):
    """What became of a post. ``waiting``: an earlier post about the order has not run yet, and serves as well."""

    order: str
    message: str = Field(description="the message that makes the order be read")
    status: Literal["accepted", "waiting"]


@router.post(
    "/hooks/{channel}/{secret}",
    status_code=202,
    operation_id="takePost",
    summary="Take a post of a shop",
    responses=problems(400, 404, 408, 413, 422),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def take_post(
    request: Request,
    door: AtDoor,
    channel: Annotated[str, Path(min_length=1, max_length=64)],
    secret: Annotated[str, Path(min_length=1, max_length=128, description="as 'towpath hooks create' showed it")],
) -> HookAnswer:
    """The post is a hint: of its body only the order number is used, and the order is read from the shop.

    The answer is given after the commit. What is posted twice is read twice at most.
    """
    if not await door.ask(door.operations.care.knows_hook(channel, secret)):
        raise _absent()
    body = await read_body(request, LARGEST, door.limits.body_seconds)
    received = await door.ask(
        door.operations.receive(channel, secret, order_named(_document(body, door.limits.json_depth)))
    )
    if received is None:
        raise _absent()
    return HookAnswer(
        order=received.order_id, message=received.message_id, status="waiting" if received.waiting else "accepted"
    )


def _document(body: bytes, depth: int) -> Any:
    element = read_one(body, depth)
    if element.error is not None:
        raise element.error
    return json.loads(element.body)


def _absent() -> Refusal:
    return Refusal(404, "unknown_hook", "There is no such hook. Make one with 'towpath hooks create ACCOUNT/CHANNEL'.")
