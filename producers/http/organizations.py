"""What belongs to an organization, over HTTP: its warehouses, and whether its accounts work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from broker.operations import Warehouse
from domain.access import Action
from producers.http.asked import asked
from producers.http.asking import ask
from producers.http.auditing import OrganizationId
from producers.http.callers import Caller
from producers.http.channel_life import WarehouseCode
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor, May
from producers.http.session import Person

router = APIRouter(tags=["people"])

AccountCode = Annotated[str, Path(min_length=1, max_length=64, description="code of an account")]
Switcher = Annotated[Caller, Depends(May(Action.SWITCH_ACCOUNT))]
_WAREHOUSES = "/v1/organizations/{organization}/warehouses"


class OrganizationWarehouse(BaseModel):
    """A warehouse, and the accounts that use it."""

    code: str
    name: str
    accounts: list[str]

    @classmethod
    def of(cls, row: Warehouse) -> OrganizationWarehouse:
        """The answer for a row."""
        return cls(code=row.code, name=row.name, accounts=list(row.accounts))


class OrganizationWarehouses(BaseModel):
    """The warehouses of an organization."""

    warehouses: list[OrganizationWarehouse]


class WarehouseRequest(BaseModel):
    """A new warehouse."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=100, examples=["east"])
    name: str = Field(min_length=1, max_length=200, examples=["Hall east"])


class WarehouseName(BaseModel):
    """Another name; the code stays."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200, examples=["Hall east"])


class SwitchRequest(BaseModel):
    """Enable an account, or disable it: at once, or ``at`` a time to come."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool
    at: AwareDatetime | None = None


class SwitchAnswer(BaseModel):
    """How an account stands: `disable_at` is the set time at which it stops."""

    account: str
    enabled: bool
    disable_at: AwareDatetime | None


@router.get(
    _WAREHOUSES,
    operation_id="listOrganizationWarehouses",
    summary="List the warehouses of an organization",
    responses=problems(401, 403, 404, 422),
)
async def list_warehouses(door: AtDoor, person: Person, organization: OrganizationId) -> OrganizationWarehouses:
    """Each with the accounts that use it."""
    found = await ask(door, door.operations.warehouses.of_organization(person.actor, organization))
    return OrganizationWarehouses(warehouses=[OrganizationWarehouse.of(each) for each in found])


@router.post(
    _WAREHOUSES,
    status_code=201,
    operation_id="createWarehouse",
    summary="Create a warehouse",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=body_docs(WarehouseRequest),
)
async def create_warehouse(
    request: Request, door: AtDoor, person: Person, organization: OrganizationId
) -> OrganizationWarehouse:
    """Accounts use it when it is enabled for them."""
    body = await asked(request, door, WarehouseRequest)
    await ask(door, door.operations.warehouses.create(person.actor, organization, body.code, body.name))
    return OrganizationWarehouse(code=body.code, name=body.name.strip(), accounts=[])


@router.patch(
    f"{_WAREHOUSES}/{{warehouse}}",
    operation_id="renameWarehouse",
    summary="Rename a warehouse",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=body_docs(WarehouseName),
)
async def rename_warehouse(
    request: Request, door: AtDoor, person: Person, organization: OrganizationId, warehouse: WarehouseCode
) -> OrganizationWarehouses:
    """The code stays: stock events and settings name it."""
    body = await asked(request, door, WarehouseName)
    await ask(door, door.operations.warehouses.rename(person.actor, organization, warehouse, body.name))
    return await list_warehouses(door, person, organization)


@router.delete(
    f"{_WAREHOUSES}/{{warehouse}}",
    operation_id="deleteWarehouse",
    summary="Delete a warehouse",
    responses=problems(401, 403, 404, 422),
)
async def delete_warehouse(
    door: AtDoor, person: Person, organization: OrganizationId, warehouse: WarehouseCode
) -> OrganizationWarehouses:
    """Only one that no account uses."""
    await ask(door, door.operations.warehouses.delete(person.actor, organization, warehouse))
    return await list_warehouses(door, person, organization)


@router.put(
    "/v1/accounts/{account}/state",
    operation_id="switchAccount",
    summary="Disable or enable an account",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=body_docs(SwitchRequest),
)
async def switch_account(request: Request, door: AtDoor, holder: Switcher, account: AccountCode) -> SwitchAnswer:
    """While it is disabled its jobs stand still and its account users are locked out; enabling restores everything."""
    body = await asked(request, door, SwitchRequest)
    await ask(door, door.operations.people.switch_account(holder.who, account, body.enabled, body.at))
    found = await ask(door, door.operations.sessions.account(account))
    disable_at = found.disable_at if found is not None else None
    return SwitchAnswer(account=account, enabled=found is not None and found.enabled, disable_at=disable_at)
