"""Channels over HTTP: tested before they are saved, made, edited, deleted; and the warehouses of the account."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field, SecretStr

from broker.operations import ChannelEdit, ChannelRow, Credentials, NewChannel
from domain.access import Action
from producers.http.asked import asked
from producers.http.asking import ask, with_example
from producers.http.callers import Caller
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, May, Reader
from producers.http.mapping import ChannelCode
from producers.http.problems import Refusal

router = APIRouter(tags=["channels"])

Creator = Annotated[Caller, Depends(May(Action.CREATE_CHANNEL))]
Editor = Annotated[Caller, Depends(May(Action.EDIT_CHANNEL))]
TokenEditor = Annotated[Caller, Depends(May(Action.EDIT_TOKEN))]
Deleter = Annotated[Caller, Depends(May(Action.DELETE_CHANNEL))]
Storekeeper = Annotated[Caller, Depends(May(Action.EDIT_WAREHOUSES))]
WarehouseCode = Annotated[str, Path(min_length=1, max_length=100, description="code of a warehouse")]
_CHANNEL = "/v1/channels/{channel}"


class TestRequest(BaseModel):
    """A connection that is not saved yet."""

    model_config = {"extra": "forbid"}

    platform: str = "bright_sites"
    domain: str
    token: SecretStr


class TestAnswer(BaseModel):
    """Whether shop and token work, and whether the token may write."""

    reachable: bool
    may_write: bool
    sentence: str


class CreateRequest(TestRequest):
    """*Name*, *Shop Domain*, *Access Token*, and the code by which events name the channel."""

    code: str
    name: str = Field(min_length=1, max_length=200)


class EditRequest(BaseModel):
    """What is to change; what is left out stays. A new `domain` needs a `token`, which is bound to it."""

    model_config = {"extra": "forbid"}

    name: str | None = None
    domain: str | None = None
    token: SecretStr | None = None
    enabled: bool | None = None


class TestEditRequest(BaseModel):
    """A token, or another shop domain with its token, that a channel is to get."""

    model_config = {"extra": "forbid"}

    domain: str | None = None
    token: SecretStr


class DeleteAnswer(BaseModel):
    """The channel that is deleted, and how many waiting deliveries that closed."""

    channel: str
    deliveries: int


class WarehouseAnswer(BaseModel):
    """A warehouse of the organization; `enabled` tells whether this account uses it."""

    code: str
    name: str
    enabled: bool


class WarehousesAnswer(BaseModel):
    """The warehouses of the account's organization."""

    warehouses: list[WarehouseAnswer]


_NEW = {"platform": "bright_sites", "domain": "shop.example.com", "token": "the-token-of-the-shop"}


@router.post(
    "/v1/channels/test",
    operation_id="testConnection",
    summary="Test a connection before it is saved",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(TestRequest), _NEW),
)
async def test_connection(request: Request, door: AtDoor, holder: Creator) -> TestAnswer:
    """Ask the shop whether domain and token work and may write; nothing is kept. Needs the scope `admin`."""
    body = await asked(request, door, TestRequest)
    given = Credentials(body.platform, body.domain, body.token.get_secret_value())
    found = await ask(door, door.operations.life.test(holder.who, holder.account, given))
    return TestAnswer(**asdict(found))


@router.post(
    "/v1/channels",
    status_code=201,
    operation_id="createChannel",
    summary="Create a channel",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(CreateRequest), {"code": "bright-main", "name": "Bright main", **_NEW}),
)
async def create_channel(request: Request, door: AtDoor, holder: Creator) -> ChannelRow:
    """A new channel; without defaults of the account none of its jobs runs by itself. Needs the scope `admin`."""
    body = await asked(request, door, CreateRequest)
    await ask(door, door.operations.life.ensure_may_create(holder.who, holder.account))
    new = NewChannel(
        holder.account, body.code, body.name, body.platform, body.domain, body.token.get_secret_value().strip()
    )
    await ask(door, door.operations.create_channel(new, actor=holder.actor))
    return await ask(door, door.operations.life.row(holder.account, body.code))


@router.get(_CHANNEL, operation_id="showChannel", summary="Show a channel", responses=problems(401, 403, 404, 422))
async def show_channel(door: AtDoor, holder: Reader, channel: ChannelCode) -> ChannelRow:
    """State, what waits and fails, the end of its token. Needs the scope `read`."""
    return await ask(door, door.operations.life.row(holder.account, channel))


@router.patch(
    _CHANNEL,
    operation_id="editChannel",
    summary="Edit a channel",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(EditRequest), {"name": "Bright, the main shop"}),
)
async def edit_channel(request: Request, door: AtDoor, holder: Editor, channel: ChannelCode) -> ChannelRow:
    """Another name, another shop domain with its token, a new token, enabled or not. Needs the scope `admin`."""
    body = await asked(request, door, EditRequest)
    token = body.token.get_secret_value() if body.token is not None else None
    edit = ChannelEdit(body.name, body.domain, token, body.enabled)
    return await ask(door, door.operations.life.edit(holder.who, holder.account, channel, edit))


@router.post(
    f"{_CHANNEL}/test",
    operation_id="testEditedConnection",
    summary="Test a change of a connection before it is saved",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(TestEditRequest), {"token": "the-new-token-of-the-shop"}),
)
async def test_edited(request: Request, door: AtDoor, holder: TokenEditor, channel: ChannelCode) -> TestAnswer:
    """As `testConnection`, for a channel that is to get a new token or another domain. Needs the scope `admin`."""
    body = await asked(request, door, TestEditRequest)
    token = body.token.get_secret_value()
    found = await ask(door, door.operations.life.test_edit(holder.who, holder.account, channel, body.domain, token))
    return TestAnswer(**asdict(found))


@router.delete(
    _CHANNEL, operation_id="deleteChannel", summary="Delete a channel", responses=problems(401, 403, 404, 422)
)
async def delete_channel(door: AtDoor, holder: Deleter, channel: ChannelCode) -> DeleteAnswer:
    """Its jobs stop, what waits is closed, its domain is free; its history stays. Needs the scope `admin`."""
    closed = await ask(door, door.operations.life.delete(holder.who, holder.account, channel))
    return DeleteAnswer(channel=channel, deliveries=closed)


@router.get(
    "/v1/warehouses", operation_id="listWarehouses", summary="List warehouses", responses=problems(401, 403, 404)
)
async def list_warehouses(door: AtDoor, holder: Reader) -> WarehousesAnswer:
    """The warehouses of the organization, and which the account uses. Needs the scope `read`."""
    found = await ask(door, door.operations.warehouses.of_account(holder.who, holder.account))
    return WarehousesAnswer(
        warehouses=[WarehouseAnswer(code=each.code, name=each.name, enabled=bool(each.accounts)) for each in found]
    )


@router.post(
    "/v1/warehouses/{warehouse}/{switch}",
    operation_id="switchWarehouse",
    summary="Use a warehouse or no longer",
    responses=problems(401, 403, 404, 422),
)
async def switch_warehouse(
    door: AtDoor,
    holder: Storekeeper,
    warehouse: WarehouseCode,
    switch: Annotated[str, Path(pattern="^(enable|disable)$", description="`enable` or `disable`")],
) -> WarehouseAnswer:
    """Let the account use a warehouse, or no longer; not while its settings name it. Needs the scope `admin`."""
    surface = door.operations.warehouses
    await ask(door, surface.enable(holder.who, holder.account, warehouse, enabled=switch == "enable"))
    for each in await ask(door, surface.of_account(holder.who, holder.account)):
        if each.code == warehouse:
            return WarehouseAnswer(code=each.code, name=each.name, enabled=bool(each.accounts))
    raise Refusal(404, "unknown_warehouse", f"There is no warehouse {warehouse!r}.")
