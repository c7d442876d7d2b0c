"""Organizations and the accounts in them (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.operations.desk import Desk
from domain.access import Action, Actor, Place, ensure
from domain.channels import Account
from domain.errors import InputError, UnknownName

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Organization:
    """What accounts and users belong to."""

    id: str
    name: str


class OrganizationSurface:
    """What people do with organizations and the accounts in them: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, UnknownName where there is no such organization for ``by``, and
    what :class:`Desk` raises.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def show(self, by: Actor, organization_id: str) -> Organization:
        """The organization, for who has a role in the whole of it."""
        absent = _absent(organization_id)
        ensure(by, Action.READ, Place(organization_id), absent=absent)
        name = (await self._desk.organizations()).get(organization_id)
        if name is None:
            raise absent
        return Organization(organization_id, name)

    async def accounts(self, by: Actor, organization_id: str) -> Sequence[Account]:
        """All accounts of an organization as they stand now, by code, for who has a role in the whole of it."""
        found = await self.show(by, organization_id)
        return [each for each in await self._desk.accounts() if each.organization_id == found.id]

    async def create_account(
        self, by: Actor, organization_id: str, code: str, *, name: str | None = None, timezone: str = "UTC"
    ) -> Account:
        """A new account, called by its code where no name is given; ``timezone`` is an IANA name.

        Raises:
            InputError: the code is none or is taken (codes are unique in the installation, for events name them), the
                name is empty or longer than :data:`LONGEST_NAME` characters, or there is no such timezone.
        """
        ensure(by, Action.CREATE_ACCOUNT, Place(organization_id), absent=_absent(organization_id))
        called = (code if name is None else name).strip()
        if not called or len(called) > LONGEST_NAME or "\0" in called:
            raise InputError(f"An account needs a name of up to {LONGEST_NAME} characters.", code="bad_name")
        made = await self._desk.create_account(organization_id, code, called, timezone, actor=by.name)
        return Account(made, organization_id, code, called, timezone, True)


def _absent(organization_id: str) -> UnknownName:
    return UnknownName(f"There is no organization {organization_id!r} for you.", code="unknown_organization")
