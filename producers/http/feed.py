"""The feed of announcements, for an order system that does not read from RabbitMQ."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from domain.access import Action
from domain.masking import masked
from producers.http.answers import AnnouncementsAnswer
from producers.http.callers import Caller
from producers.http.documented import Responses, problems
from producers.http.door import AtDoor, Door, Reader

router = APIRouter(tags=["read"])

LONGEST_WAIT = 20.0
LOOK_SECONDS = 0.5

_DOCS: Responses = {200: {"model": AnnouncementsAnswer}, **problems(401, 403, 422)}


@router.get("/v1/announcements", operation_id="readAnnouncements", summary="Read announcements", responses=_DOCS)
async def read_announcements(
    request: Request,
    door: AtDoor,
    holder: Reader,
    after: Annotated[int, Query(ge=0, le=2**62, description="position: `after` of the previous answer")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="seconds to wait for something new")] = 0.0,
) -> Response:
    """CloudEvents for the order system, in order, after a position. Needs the scope `read`.

    Remember `after` once the events are dealt with, and ask for what follows; asking again gives the same. Names,
    addresses, e-mails and phone numbers are masked for viewers.
    """
    found = await _look(door, holder, after, limit)
    if not found and wait and door.polling < door.limits.long_polls:
        door.polling += 1
        try:
            deadline = time.monotonic() + wait
            while not found and await _pause(door, deadline) and not await request.is_disconnected():
                found = await _look(door, holder, after, limit)
        finally:
            door.polling -= 1
    events = b",".join(body for _, body in found)
    position = found[-1][0] if found else after
    return Response(b'{"events":[%b],"after":%d}' % (events, position), media_type="application/json")


async def _look(door: Door, holder: Caller, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
    found = await door.ask(door.operations.desk.announcements(holder.account, after, limit))
    if Action.READ_PERSONAL_DATA in holder.may:
        return found
    return [(position, json.dumps(masked(json.loads(body))).encode()) for position, body in found]


async def _pause(door: Door, deadline: float) -> bool:
    """Wait a moment; false when the deadline is over or the server stops."""
    left = deadline - time.monotonic()
    if left <= 0:
        return False
    try:
        async with asyncio.timeout(min(left, LOOK_SECONDS)):
            await door.closing.wait()
    except TimeoutError:
        return True
    return False
