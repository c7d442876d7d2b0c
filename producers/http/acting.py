"""What an operator's program may do: replay a message, discard a delivery."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from domain.access import Action
from producers.http.answers import DiscardAnswer, DiscardRequest, ReplayAnswer
from producers.http.asked import asked
from producers.http.callers import Caller
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, May
from producers.http.lookups import Id, message_of
from producers.http.problems import Refusal

router = APIRouter(tags=["operate"])


@router.post(
    "/v1/messages/{message_id}/replay",
    status_code=202,
    operation_id="replayMessage",
    summary="Replay a message",
    responses=problems(401, 403, 404, 409, 422),
)
async def replay_message(
    door: AtDoor, holder: Annotated[Caller, Depends(May(Action.REPLAY))], message_id: Id
) -> ReplayAnswer:
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
    openapi_extra=body_docs(DiscardRequest),
)
async def discard_delivery(
    request: Request, door: AtDoor, holder: Annotated[Caller, Depends(May(Action.DISCARD))], delivery_id: Id
) -> DiscardAnswer:
    """Close a delivery for good, with the reason. Needs the scope `operate`."""
    body = await asked(request, door, DiscardRequest)
    life = await message_of(door, holder.account, delivery_id)
    if delivery_id == life.message.id:
        raise Refusal(404, "unknown_delivery", "This is the id of a message; name one of its deliveries.")
    closing = door.operations.desk.discard([delivery_id], body.reason, actor=holder.actor)
    if await door.ask(closing) == 0:
        raise Refusal(
            409,
            "not_discardable",
            "The delivery is ended already, or runs right now. Look at its message for its state.",
        )
    return DiscardAnswer(delivery=delivery_id)
