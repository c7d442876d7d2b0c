"""What an operator's program may do: replay a message, discard a delivery."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import ValidationError

from domain.envelope import explain
from producers.http.answers import DiscardAnswer, DiscardRequest, ReplayAnswer
from producers.http.body import read_body
from producers.http.documented import problems
from producers.http.door import AtDoor, Operator
from producers.http.lookups import Id, message_of
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

router = APIRouter(tags=["operate"])

_SMALL = 4096


@router.post(
    "/v1/messages/{message_id}/replay",
    status_code=202,
    operation_id="replayMessage",
    summary="Replay a message",
    responses=problems(401, 403, 404, 409, 422),
)
async def replay_message(door: AtDoor, holder: Operator, message_id: Id) -> ReplayAnswer:
    """Open the ended deliveries of a message again, at the end of their lanes; release those that wait.

    What is done or runs right now is left alone. Needs the scope `operate`.
    """
    life = await message_of(door, holder.account, message_id)
    deliveries = [delivery.id for delivery in life.message.deliveries]
    count = await door.ask(door.operations.desk.replay(deliveries, actor=holder.actor))
    if count == 0:
        raise Refusal(
            409,
            "nothing_to_replay",
            "No delivery of this message can be replayed: each is done, superseded, due or running.",
        )
    return ReplayAnswer(message=life.message.id, deliveries=count)


@router.post(
    "/v1/deliveries/{delivery_id}/discard",
    operation_id="discardDelivery",
    summary="Discard a delivery",
    responses=problems(400, 401, 403, 404, 408, 409, 413, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": DiscardRequest.model_json_schema()}},
        }
    },
)
async def discard_delivery(request: Request, door: AtDoor, holder: Operator, delivery_id: Id) -> DiscardAnswer:
    """Close a delivery for good, with the reason. Needs the scope `operate`."""
    element = read_one(await read_body(request, _SMALL, door.limits.body_seconds), door.limits.json_depth)
    if element.error is not None:
        raise element.error
    try:
        asked = DiscardRequest.model_validate_json(element.body)
    except ValidationError as error:
        raise Refusal(422, "invalid_parameters", f"The body is not valid: {explain(error)}.") from None
    life = await message_of(door, holder.account, delivery_id)
    if delivery_id == life.message.id:
        raise Refusal(404, "unknown_delivery", "This is the id of a message; name one of its deliveries.")
    closing = door.operations.desk.discard([delivery_id], asked.reason, actor=holder.actor)
    if await door.ask(closing) == 0:
        raise Refusal(
            409,
            "not_discardable",
            "The delivery is ended already, or runs right now. Look at its message for its state.",
        )
    return DiscardAnswer(delivery=delivery_id)
