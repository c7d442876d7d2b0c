"""The audit over HTTP: who changed what, of an account or of a whole organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from broker.operations import AuditFilter, AuditRow
from domain.access import Action
from producers.http.answers import AuditAnswer, AuditReport
from producers.http.callers import Caller
from producers.http.documented import problems
from producers.http.door import AtDoor, May
from producers.http.moments import Moment
from producers.http.session import Person

router = APIRouter(tags=["people"])
of_organization = APIRouter(tags=["people"])

OrganizationId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[0-9a-z-]+$", description="id")]
_ORGANIZATION = "/v1/organizations/{organization}/audit"


class AuditQuery(BaseModel):
    """Query parameters of the audit; everything given must match."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(default=None, max_length=100, description="as `user:` or `key:` and the id")
    action: str | None = Field(default=None, max_length=40, description="as `channel.changed`")
    object: str | None = Field(default=None, max_length=200, description="as `channel:acme/bright-main`")
    since: Moment | None = Field(default=None, description="RFC 3339 with offset")
    before: int | None = Field(default=None, ge=1, le=2**62, description="`before` of the previous answer")
    limit: int = Field(default=50, ge=1, le=1000)

    def within(self, organization_id: str, account_id: str | None) -> AuditFilter:
        """The filter for an organization, or one of its accounts."""
        return AuditFilter(
            organization_id, account_id, self.actor, self.action, self.object, self.since, self.before, self.limit
        )


Asked = Annotated[AuditQuery, Query()]


@router.get(
    "/v1/audit", operation_id="listAudit", summary="Who changed what in an account", responses=problems(401, 403, 422)
)
async def list_audit(
    door: AtDoor, holder: Annotated[Caller, Depends(May(Action.READ_AUDIT))], query: Asked
) -> AuditAnswer:
    """Changes, newest first. For administrators, and keys with the scope `admin`."""
    wanted = query.within(holder.place.organization_id, holder.place.account_id)
    return _answer(await door.find(door.operations.people.audit(holder.who, wanted)), query)


@of_organization.get(
    _ORGANIZATION,
    operation_id="listOrganizationAudit",
    summary="Who changed what in an organization",
    responses=problems(401, 403, 404, 422),
)
async def list_organization_audit(
    door: AtDoor, person: Person, organization: OrganizationId, query: Asked
) -> AuditAnswer:
    """Changes in the organization and all its accounts, with who signed in, newest first."""
    wanted = query.within(organization, None)
    return _answer(await door.find(door.operations.people.audit(person.actor, wanted)), query)


@of_organization.get(
    f"{_ORGANIZATION}/verify",
    operation_id="verifyAudit",
    summary="Is the audit as it was written?",
    responses=problems(401, 403, 404, 422),
)
async def verify_audit(
    door: AtDoor,
    person: Person,
    organization: OrganizationId,
    noted: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="a `last_hash` of before")] = None,
) -> AuditReport:
    """Follow the chain of hashes: no row was changed, taken out or put in; with `noted`, none taken off the end."""
    work = door.operations.people.verify_audit(person.actor, noted, organization_id=organization)
    report = await door.find(work)
    return AuditReport(intact=report.intact, last_hash=report.last_hash)


def _answer(rows: Sequence[AuditRow], query: AuditQuery) -> AuditAnswer:
    full = len(rows) == query.limit
    return AuditAnswer(rows=list(rows), before=rows[-1].seq if full else None)
