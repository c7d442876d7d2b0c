"""API calls of a channel: how many, why, and how they stand against the budget (sales channels, section 2)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query

from broker.operations import BudgetUse
from domain.errors import UnknownName
from producers.http.answers import CallsAnswer
from producers.http.documented import problems
from producers.http.door import AtDoor, Door, Reader
from producers.http.problems import Refusal

router = APIRouter(tags=["read"])

T = TypeVar("T")
ChannelCode = Annotated[str, Path(min_length=1, max_length=64, description="code of a channel of the account")]


async def ask(door: Door, work: Coroutine[Any, Any, T]) -> T:
    """As :meth:`Door.ask`; what the account does not have is not found."""
    try:
        return await door.ask(work)
    except UnknownName as error:
        raise Refusal(404, error.code, error.sentence) from None


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
    return await ask(door, door.operations.calls.budget(holder.account, channel))


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
    standing = await ask(door, calls.budget(holder.account, channel))
    return CallsAnswer(
        timezone=standing.timezone, calls=list(await ask(door, calls.counts(holder.account, channel, days)))
    )
