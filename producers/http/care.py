"""How long personal data stay, and hooks and authorizations of the account's channels."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker.operations import ChannelRow, HookRow, Retention
from domain.access import Action
from domain.authorization import Tokens
from domain.moments import utc_now
from producers.http.asked import asked
from producers.http.asking import ask, with_example
from producers.http.callers import Caller
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, May, Reader
from producers.http.mapping import ChannelCode

router = APIRouter(tags=["care"])

_OF_ACCOUNT, _OF_CHANNEL = "/v1/retention", "/v1/channels/{channel}/retention"
_HOOK, _AUTHORIZATION = "/v1/channels/{channel}/hook", "/v1/channels/{channel}/authorization"
AccountEditor = Annotated[Caller, Depends(May(Action.EDIT_ACCOUNT))]
Editor = Annotated[Caller, Depends(May(Action.EDIT_CHANNEL))]
TokenEditor = Annotated[Caller, Depends(May(Action.EDIT_TOKEN))]


class RetentionRequest(BaseModel):
    """After how many days personal data are erased; ``null`` keeps them, or lets the account's value count."""

    model_config = ConfigDict(extra="forbid")

    pii_retention_days: int | None = Field(strict=True)


class AuthorizationRequest(BaseModel):
    """Tokens that a platform gave for a channel; how many seconds the access token lives, where it said so."""

    model_config = ConfigDict(extra="forbid")

    access_token: SecretStr = Field(min_length=1)
    refresh_token: SecretStr = Field(min_length=1)
    expires_in: int | None = Field(default=None, ge=60, le=366 * 86_400)


class HooksAnswer(BaseModel):
    """The hooks of the account's channels, without their secrets."""

    hooks: list[HookRow]


class NewHook(BaseModel):
    """A fresh hook. Its path holds the secret and is shown this once."""

    channel: str
    path: str


@router.get(
    _OF_ACCOUNT, operation_id="getRetention", summary="See how long data stay", responses=problems(401, 403, 404)
)
async def get_retention(door: AtDoor, holder: Reader) -> Retention:
    """The account's threshold and those of its channels. Needs the scope `read`."""
    return await ask(door, door.operations.care.retention(holder.account))


@router.put(
    _OF_ACCOUNT,
    operation_id="setRetention",
    summary="Set how long data stay",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(RetentionRequest), {"pii_retention_days": 90}),
)
async def set_retention(request: Request, door: AtDoor, holder: AccountEditor) -> Retention:
    """Set the account's threshold; it counts where a channel has none. Needs the scope `admin`."""
    days = (await asked(request, door, RetentionRequest)).pii_retention_days
    await ask(door, door.operations.set_retention(holder.who, holder.account, days))
    return await ask(door, door.operations.care.retention(holder.account))


@router.put(
    _OF_CHANNEL,
    operation_id="setChannelRetention",
    summary="Set how long data of a channel stay",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(RetentionRequest), {"pii_retention_days": 30}),
)
async def set_channel_retention(request: Request, door: AtDoor, holder: Editor, channel: ChannelCode) -> Retention:
    """Set a channel's threshold, which wins over the account's. Needs the scope `admin`."""
    days = (await asked(request, door, RetentionRequest)).pii_retention_days
    await ask(door, door.operations.set_retention(holder.who, holder.account, days, channel=channel))
    return await ask(door, door.operations.care.retention(holder.account))


@router.get("/v1/hooks", operation_id="listHooks", summary="List hooks", responses=problems(401, 403, 404))
async def list_hooks(door: AtDoor, holder: Reader) -> HooksAnswer:
    """The hooks of the account's channels, without their secrets. Needs the scope `read`."""
    return HooksAnswer(hooks=list(await ask(door, door.operations.care.hooks(holder.account))))


@router.post(
    _HOOK,
    status_code=201,
    operation_id="makeHook",
    summary="Make a hook",
    responses=problems(401, 403, 404, 422),
)
async def make_hook(door: AtDoor, holder: Editor, channel: ChannelCode) -> NewHook:
    """Make a channel's hook, or give it a new secret; one that was there works no longer. Needs the scope `admin`."""
    secret = await ask(door, door.operations.make_hook(holder.account, channel, actor=holder.actor))
    return NewHook(channel=channel, path=f"/hooks/{channel}/{secret}")


@router.delete(_HOOK, operation_id="removeHook", summary="Take a hook away", responses=problems(401, 403, 404, 422))
async def remove_hook(door: AtDoor, holder: Editor, channel: ChannelCode) -> HooksAnswer:
    """What is posted to it is refused from now on. Needs the scope `admin`."""
    await ask(door, door.operations.care.remove_hook(holder.account, channel, actor=holder.actor))
    return HooksAnswer(hooks=list(await ask(door, door.operations.care.hooks(holder.account))))


@router.put(
    _AUTHORIZATION,
    operation_id="authorizeChannel",
    summary="Enter tokens that are renewed",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(
        body_docs(AuthorizationRequest),
        {"access_token": "the-access-token", "refresh_token": "the-refresh-token", "expires_in": 3600},
    ),
)
async def authorize_channel(request: Request, door: AtDoor, holder: TokenEditor, channel: ChannelCode) -> ChannelRow:
    """Store tokens that the platform gave; what waited for them goes on. Needs the scope `admin`."""
    body = await asked(request, door, AuthorizationRequest)
    expires_at = utc_now() + timedelta(seconds=body.expires_in) if body.expires_in is not None else None
    tokens = Tokens(body.access_token, body.refresh_token, expires_at)
    await ask(door, door.operations.care.authorize(holder.account, channel, tokens, actor=holder.actor))
    return await ask(door, door.operations.life.row(holder.account, channel))
