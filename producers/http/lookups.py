"""The read API: sync log, messages, rejected input, channels. A key sees its own account and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from broker.operations import LogFilter, MessageFilter, MessageLife
from domain.access import Action
from domain.masking import MASK
from producers.http.answers import ChannelsAnswer, LogsAnswer, MessagesAnswer, RejectedAnswer
from producers.http.documented import Responses, problems
from producers.http.door import AtDoor, Door, Reader
from producers.http.log_export import Format, chosen_format, render
from producers.http.moments import Moment
from producers.http.problems import Refusal

router = APIRouter(tags=["read"])

_SEARCHED = 1000
Id = Annotated[str, Path(min_length=1, max_length=64)]


class _Narrowing(BaseModel):
    """Query parameters that narrow a listing by what it is about."""

    model_config = ConfigDict(extra="forbid")

    order: str | None = Field(default=None, max_length=200, description="order number; the same as `key`")
    sku: str | None = Field(default=None, max_length=200, description="SKU; the same as `key`")
    key: str | None = Field(default=None, max_length=200, description="business key: order number, SKU, schedule")
    channel: str | None = Field(default=None, max_length=64)
    since: Moment | None = Field(default=None, description="RFC 3339 with offset")

    @property
    def business_key(self) -> str | None:
        """Whichever of the three names was used."""
        return self.order or self.sku or self.key


class LogQuery(_Narrowing):
    """Query parameters of the sync log; everything given must match."""

    job: str | None = Field(default=None, max_length=64)
    outcome: str | None = Field(default=None, max_length=32)
    level: str | None = Field(default=None, max_length=16)
    code: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, max_length=64, description="message id")
    until: Moment | None = None
    after_id: str | None = Field(default=None, max_length=64, description="only rows after this one, oldest first")
    limit: int = Field(default=50, ge=1, le=10_000)
    format: Format | None = Field(default=None, description="else by the Accept header")


class MessageQuery(_Narrowing):
    """Query parameters of the messages."""

    type: str | None = Field(default=None, max_length=100)
    state: str | None = Field(default=None, max_length=32, description="of at least one delivery")
    limit: int = Field(default=50, ge=1, le=1000)


_LOG_DOCS: Responses = {
    200: {
        "model": LogsAnswer,
        "description": "Rows as JSON, CSV (with a header line) or JSON Lines.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/jsonl": {"schema": {"type": "string", "description": "one LogRow a line"}},
        },
    },
    **problems(401, 403, 406, 422),
}


@router.get("/v1/logs", operation_id="listLogs", summary="Search the sync log", responses=_LOG_DOCS)
async def list_logs(
    door: AtDoor,
    holder: Reader,
    query: Annotated[LogQuery, Query()],
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """One row per attempt: what was tried, how it ended, what to do. Needs the scope `read`."""
    wanted = chosen_format(query.format, accept)
    rows = await door.ask(
        door.operations.desk.logs(
            LogFilter(
                account=holder.account,
                channel=query.channel,
                business_key=query.business_key,
                job=query.job,
                outcome=query.outcome,
                level=query.level,
                code=query.code,
                message_id=query.message,
                since=query.since,
                until=query.until,
                after_id=query.after_id,
                limit=query.limit,
            )
        )
    )
    return render(rows, wanted)


@router.get("/v1/messages", operation_id="listMessages", summary="List messages", responses=problems(401, 403, 422))
async def list_messages(door: AtDoor, holder: Reader, query: Annotated[MessageQuery, Query()]) -> MessagesAnswer:
    """Messages with the state of their deliveries. Needs the scope `read`."""
    wanted = MessageFilter(
        account=holder.account,
        channel=query.channel,
        business_key=query.business_key,
        type=query.type,
        state=query.state,
        since=query.since,
        limit=query.limit,
    )
    return MessagesAnswer(messages=list(await door.ask(door.operations.desk.messages(wanted))))


@router.get(
    "/v1/messages/{message_id}",
    operation_id="showMessage",
    summary="Show the life of a message",
    responses=problems(401, 403, 404, 422),
)
async def show_message(door: AtDoor, holder: Reader, message_id: Id) -> MessageLife:
    """What came, each delivery, each attempt. Needs the scope `read`."""
    return await message_of(door, holder.account, message_id)


async def message_of(door: Door, account: str, message_id: str) -> MessageLife:
    """A message by its id or the id of one of its deliveries.

    Raises:
        Refusal: 404 where there is none, or it is another account's.
    """
    life = await door.ask(door.operations.desk.message(message_id))
    if life is not None and life.message.account == account:
        message = life.message
        if message_id == message.id or any(message_id == delivery.id for delivery in message.deliveries):
            return life
    raise Refusal(404, "unknown_message", "Your account has no message or delivery of this id.")


@router.get(
    "/v1/rejected",
    operation_id="listRejected",
    summary="List rejected input",
    responses=problems(401, 403, 422),
)
async def list_rejected(
    door: AtDoor, holder: Reader, limit: Annotated[int, Query(ge=1, le=_SEARCHED)] = 50
) -> RejectedAnswer:
    """What came over a queue with this account in its routing key and could not become a message.

    Over HTTP nothing is rejected silently: there the sender gets the reason. The beginning of what came is masked for
    viewers, for it may name people. Needs the scope `read`.
    """
    rows = await door.ask(door.operations.desk.rejected(_SEARCHED))
    own = [row for row in rows if _addressee(row.routing_key) == holder.account][:limit]
    if Action.READ_PERSONAL_DATA not in holder.may:
        own = [replace(row, excerpt=MASK) for row in own]
    return RejectedAnswer(rejected=own)


def _addressee(routing_key: str) -> str | None:
    """The account in ``<type>.<account>.<channel or all>``; the type itself has dots."""
    words = routing_key.split(".")
    return words[-2] if len(words) > 2 else None


@router.get("/v1/channels", operation_id="listChannels", summary="List channels", responses=problems(401, 403))
async def list_channels(door: AtDoor, holder: Reader) -> ChannelsAnswer:
    """The channels of the account: state, what waits and fails, calls made today. Needs the scope `read`."""
    return ChannelsAnswer(channels=list(await door.ask(door.operations.desk.channels(holder.account))))
