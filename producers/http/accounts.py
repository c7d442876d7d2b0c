"""An organization and its accounts over HTTP (sales channels, section 1)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.channels import Account
from producers.http.asked import asked
from producers.http.asking import ask, with_example
from producers.http.auditing import OrganizationId
from producers.http.documented import body_docs, problems
from producers.http.door import AtDoor
from producers.http.session import Person

router = APIRouter(tags=["people"])

_ORGANIZATION = "/v1/organizations/{organization}"
_NEW = {"code": "acme-eu", "name": "Acme Europe", "timezone": "Europe/Berlin"}


class OrganizationAnswer(BaseModel):
    """An organization."""

    id: str
    name: str


class OrganizationAccount(BaseModel):
    """An account and how it stands: `disable_at` is the set time at which it stops."""

    code: str
    name: str
    timezone: str
    enabled: bool
    disable_at: AwareDatetime | None

    @classmethod
    def of(cls, account: Account) -> OrganizationAccount:
        """The answer for an account."""
        return cls(
            code=account.code,
            name=account.name,
            timezone=account.timezone,
            enabled=account.enabled,
            disable_at=account.disable_at,
        )


class OrganizationAccounts(BaseModel):
    """The accounts of an organization, by code."""

    accounts: list[OrganizationAccount]


class AccountRequest(BaseModel):
    """A new account. The code stands in events and routing keys and is never changed; the name is a setting."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=63, description="lower case letters, digits, `-` and `_`")
    name: str | None = Field(default=None, min_length=1, max_length=200, description="the code where none is given")
    timezone: str = Field(default="UTC", min_length=1, max_length=64, description="IANA name")


@router.get(
    _ORGANIZATION,
    operation_id="showOrganization",
    summary="Show an organization",
    responses=problems(401, 403, 404, 422),
)
async def show_organization(door: AtDoor, person: Person, organization: OrganizationId) -> OrganizationAnswer:
    """For everybody with a role in the whole organization."""
    found = await ask(door, door.operations.organizations.show(person.actor, organization))
    return OrganizationAnswer(id=found.id, name=found.name)


@router.get(
    f"{_ORGANIZATION}/accounts",
    operation_id="listOrganizationAccounts",
    summary="List the accounts of an organization",
    responses=problems(401, 403, 404, 422),
)
async def list_accounts(door: AtDoor, person: Person, organization: OrganizationId) -> OrganizationAccounts:
    """For everybody with a role in the whole organization; the accounts one belongs to stand in `GET /v1/session`."""
    found = await ask(door, door.operations.organizations.accounts(person.actor, organization))
    return OrganizationAccounts(accounts=[OrganizationAccount.of(each) for each in found])


@router.post(
    f"{_ORGANIZATION}/accounts",
    status_code=201,
    operation_id="createAccount",
    summary="Create an account",
    responses=problems(400, 401, 403, 404, 408, 413, 422),
    openapi_extra=with_example(body_docs(AccountRequest), _NEW),
)
async def create_account(
    request: Request, door: AtDoor, person: Person, organization: OrganizationId
) -> OrganizationAccount:
    """For owners and administrators of the organization. Everybody with a role in it has that role there too."""
    body = await asked(request, door, AccountRequest)
    work = door.operations.organizations.create_account(
        person.actor, organization, body.code, name=body.name, timezone=body.timezone
    )
    return OrganizationAccount.of(await ask(door, work))
