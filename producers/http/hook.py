"""``POST /hooks/{channel}/{secret}``, with a topic where there are several: a shop tells what is new or changed."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from broker.operations import Received
from domain.hooks import topic_named
from producers.http.body import read_body
from producers.http.documented import problems
from producers.http.door import AtDoor, Door
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

router = APIRouter(tags=["hooks"])

LARGEST = 1024 * 1024
"""Bytes of a post: an order with very many lines."""
_ANSWERS = problems(400, 404, 408, 413, 422)
_TAKES: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
ChannelPath = Annotated[str, Path(min_length=1, max_length=64)]
SecretPath = Annotated[
    str, Path(min_length=1, max_length=128, description="as 'towpath hooks create' showed it")
]  # fmt: skip


class HookAnswer(BaseModel):
    """What became of a post. ``waiting``: an earlier post has not run yet, and serves as well."""

    job: str = Field(description="the job that reads what the post tells of")
    subject: str | None = Field(description="the order number, product or SKU that the post named, where it names one")
    order: str | None = Field(description="the same, of an order")
    message: str = Field(description="the message that makes the job run")
    status: Literal["accepted", "waiting"]

    @classmethod
    def of(cls, received: Received) -> HookAnswer:
        """The answer to what was received."""
        return cls(
            job=received.job,
            subject=received.subject,
            order=received.subject if received.job == "order_import" else None,
            message=received.message_id,
            status="waiting" if received.waiting else "accepted",
        )


@router.post(
    "/hooks/{channel}/{secret}",
    status_code=202,
    operation_id="takePost",
    summary="Take a post of a shop",
    responses=_ANSWERS,
    openapi_extra=_TAKES,
)
async def take_post(request: Request, door: AtDoor, channel: ChannelPath, secret: SecretPath) -> HookAnswer:
    """The post is a hint: of its body only what it is about is used, and the rest is read from the shop.

    Its topic is in the header by which its platform names topics; a platform that has a single one need not name it.
    The answer is given after the commit. What is posted twice is read twice at most.
    """
    return await _take(request, door, (channel, secret), None)


@router.post(
    "/hooks/{channel}/{secret}/{topic:path}",
    status_code=202,
    operation_id="takePostOfTopic",
    summary="Take a post of a shop about a topic",
    responses=_ANSWERS,
    openapi_extra=_TAKES,
)
async def take_post_of_topic(
    request: Request,
    door: AtDoor,
    channel: ChannelPath,
    secret: SecretPath,
    topic: Annotated[str, Path(min_length=1, max_length=100, description="as the platform names it")],
) -> HookAnswer:
    """As without a topic; this one counts, whatever a header says. A topic that is not wanted is refused (422)."""
    return await _take(request, door, (channel, secret), topic)


async def _take(request: Request, door: Door, where: tuple[str, str], topic: str | None) -> HookAnswer:
    sender = await door.ask(door.operations.pushing.sender(*where))
    if sender is None:
        raise _absent()
    header = sender.topic_header
    named = topic or (request.headers.get(header) if header else None)
    wanted = topic_named(named, sender.webhooks, sender.title, header)
    body = await read_body(request, LARGEST, door.limits.body_seconds)
    hint = wanted.hint(_document(body, door.limits.json_depth))
    received = await door.ask(door.operations.pushing.receive(*where, hint))
    if received is None:
        raise _absent()
    return HookAnswer.of(received)


def _document(body: bytes, depth: int) -> Any:
    element = read_one(body, depth)
    if element.error is not None:
        raise element.error
    return json.loads(element.body)


def _absent() -> Refusal:
    return Refusal(404, "unknown_hook", "There is no such hook. Make one with 'towpath hooks create ACCOUNT/CHANNEL'.")
