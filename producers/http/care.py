"""How long personal data stay, and the hooks of the account's channels."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.operations import HookRow, Retention
from domain.access import Actor
from domain.envelope import explain
from domain.errors import UnknownName
from producers.http.body import read_body
from producers.http.documented import problems
from producers.http.door import Administrator, AtDoor, Door, Reader
from producers.http.problems import Refusal
from producers.http.strict_json import read_one

router = APIRouter(tags=["care"])

T = TypeVar("T")
ChannelCode = Annotated[str, Path(min_length=1, max_length=64, description="code of a channel of the account")]
_SMALL = 4096


class RetentionRequest(BaseModel):
    """After how many days personal data are erased; ``null`` keeps them, or lets the account's value count."""

    model_config = ConfigDict(extra="forbid")

    pii_retention_days: int | None = Field(strict=True)


class HooksAnswer(BaseModel):
    """The hooks of the account's channels, without their secrets."""

    hooks: list[HookRow]


class NewHook(BaseModel):
    """A fresh hook. Its path holds the secret and is shown this once."""

    channel: str
    path: str


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": RetentionRequest.model_json_schema()}},
    }
}


async def _ask(door: Door, work: Coroutine[Any, Any, T]) -> T:
    """As :meth:`Door.ask`; what the account does not have is not found."""
    try:
        return await door.ask(work)
    except UnknownName as error:
        raise Refusal(404, error.code, error.sentence) from None


@router.get(
    "/v1/retention", operation_id="getRetention", summary="See how long data stay", responses=problems(401, 403)
)
async def get_retention(door: AtDoor, holder: Reader) -> Retention:
    """The account's threshold and those of its channels. Needs the scope `read`."""
    return await door.ask(door.operations.care.retention(holder.account))


@router.put(
    "/v1/retention",
    operation_id="setRetention",
    summary="Set how long data stay",
    responses=problems(400, 401, 403, 408, 413, 422),
    openapi_extra=_BODY,
)
async def set_retention(request: Request, door: AtDoor, holder: Administrator) -> Retention:
    """Set the account's threshold; it counts where a channel has none. Needs the scope `admin`."""
    return await _set(request, door, holder.account, holder.actor, None)


@router.put(
    "/v1/channels/{channel}/retention",
    operation_id="setChannelRetention",
    summary="Set how long data of a channel stay",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=_BODY,
)
async def set_channel_retention(
    request: Request, door: AtDoor, holder: Administrator, channel: ChannelCode
) -> Retention:
    """Set a channel's threshold, which wins over the account's. Needs the scope `admin`."""
    return await _set(request, door, holder.account, holder.actor, channel)


async def _set(request: Request, door: Door, account: str, actor: str, channel: str | None) -> Retention:
    element = read_one(await read_body(request, _SMALL, door.limits.body_seconds), door.limits.json_depth)
    if element.error is not None:
        raise element.error
    try:
        asked = RetentionRequest.model_validate_json(element.body)
    except ValidationError as error:
        raise Refusal(422, "invalid_parameters", f"The body is not valid: {explain(error)}.") from None
    # The scope was judged at the door, and the account is the key's own.
    by, days = Actor.installation(actor), asked.pii_retention_days
    await _ask(door, door.operations.set_retention(by, account, days, channel=channel))
    return await door.ask(door.operations.care.retention(account))


@router.get("/v1/hooks", operation_id="listHooks", summary="List hooks", responses=problems(401, 403))
async def list_hooks(door: AtDoor, holder: Reader) -> HooksAnswer:
    """The hooks of the account's channels, without their secrets. Needs the scope `read`."""
    return HooksAnswer(hooks=list(await door.ask(door.operations.care.hooks(holder.account))))


@router.post(
    "/v1/channels/{channel}/hook",
    status_code=201,
    operation_id="makeHook",
    summary="Make a hook",
    responses=problems(401, 403, 404, 422),
)
async def make_hook(door: AtDoor, holder: Administrator, channel: ChannelCode) -> NewHook:
    """Make a channel's hook, or give it a new secret; one that was there works no longer. Needs the scope `admin`."""
    secret = await _ask(door, door.operations.make_hook(holder.account, channel, actor=holder.actor))
    return NewHook(channel=channel, path=f"/hooks/{channel}/{secret}")


@router.delete(
    "/v1/channels/{channel}/hook",
    operation_id="removeHook",
    summary="Take a hook away",
    responses=problems(401, 403, 404, 422),
)
async def remove_hook(door: AtDoor, holder: Administrator, channel: ChannelCode) -> HooksAnswer:
    """What is posted to it is refused from now on. Needs the scope `admin`."""
    await _ask(door, door.operations.care.remove_hook(holder.account, channel, actor=holder.actor))
    return HooksAnswer(hooks=list(await door.ask(door.operations.care.hooks(holder.account))))
