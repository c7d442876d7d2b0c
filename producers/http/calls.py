"""API calls of a channel: how many, why, and how they stand against the budget (sales channels, section 2)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from broker.operations import BudgetUse
from producers.http.answers import CallsAnswer
from producers.http.documented import problems
from producers.http.door import AtDoor, Reader
from producers.http.mapping import ChannelCode

router = APIRouter(tags=["read"])


@router.get(
    "/v1/channels/{channel}/budget",
    operation_id="showBudget",
    summary="Show the API-call budget",
    responses=problems(401, 403, 404, 422),
)
async def show_budget(door: AtDoor, holder: Reader, channel: ChannelCode) -> BudgetUse:
    """Used and left of day and month, who is held, the forecast, and what the calls were for. Needs the scope `read`.

    Windows are calendar days and months in the channel's timezone.
    """
    return await door.find(door.operations.calls.budget(holder.account, channel))


@router.get(
    "/v1/channels/{channel}/calls",
    operation_id="listCalls",
    summary="List API calls by job and cause",
    responses=problems(401, 403, 404, 422),
)
async def list_calls(
    door: AtDoor,
    holder: Reader,
    channel: ChannelCode,
    days: Annotated[int, Query(ge=1, le=400, description="the present one included")] = 31,
) -> CallsAnswer:
    """How many calls the shop was sent on each day, by job and by cause: first try, retry, replay, manual.

    Needs the scope `read`.
    """
    calls = door.operations.calls
    standing = await door.find(calls.budget(holder.account, channel))
    return CallsAnswer(
        timezone=standing.timezone, calls=list(await door.find(calls.counts(holder.account, channel, days)))
    )
