"""Warehouses of an organization, and which of them an account uses (sales channels, section 1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.operations.desk import Desk
from broker.operations.placing import allowed
from domain.access import Action, Actor, Place, ensure
from domain.errors import InputError, UnknownName

_CODE = re.compile(r"[^\s/\x00-\x1f](?:[^/\x00-\x1f]{0,98}[^\s/\x00-\x1f])?")


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse: ``code`` as the OMS writes it in ``stock.changed``, ``accounts`` by code that use it."""

    code: str
    name: str
    accounts: tuple[str, ...]


class WarehouseDesk(Protocol):
    """The seam to the storage. Methods raise StorageUnavailable; UnknownName for a warehouse that is not there;
    InputError for what cannot be.
    """

    async def warehouses(self, organization_id: str) -> Sequence[Warehouse]:
        """Those of an organization, by code."""

    async def create_warehouse(self, organization_id: str, code: str, name: str, *, actor: str) -> str:
        """A new warehouse, enabled for no account; its id."""

    async def rename_warehouse(self, organization_id: str, code: str, name: str, *, actor: str) -> None:
        """Give it another name."""

    async def delete_warehouse(self, organization_id: str, code: str, *, actor: str) -> None:
        """Take it away; it must be enabled for no account."""

    async def enable_warehouse(self, place: Place, code: str, *, enabled: bool, actor: str) -> None:
        """Let an account use it, or no longer; not while its settings name it."""


class WarehouseSurface:
    """What people do with warehouses: ``by`` is who asks.

    Every method raises NotAllowed where ``by`` may not, UnknownName where there is nothing of that name for ``by``, and
    what :class:`WarehouseDesk` raises.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def of_organization(self, by: Actor, organization_id: str) -> Sequence[Warehouse]:
        """The warehouses of an organization with the accounts that use each."""
        ensure(by, Action.READ, Place(organization_id), absent=_absent(organization_id))
        return await self._desk.warehouses.warehouses(organization_id)

    async def of_account(self, by: Actor, account: str) -> Sequence[Warehouse]:
        """The warehouses that an account could use; ``accounts`` names it alone, where it does."""
        found = await allowed(self._desk, by, Action.READ, account)
        all_of_them = await self._desk.warehouses.warehouses(found.organization_id)
        return [Warehouse(each.code, each.name, (account,) if account in each.accounts else ()) for each in all_of_them]

    async def create(self, by: Actor, organization_id: str, code: str, name: str) -> str:
        """A new warehouse; its id."""
        self._ensure_may_edit(by, organization_id)
        if not _CODE.fullmatch(code):
            raise InputError(
                f"{code!r} is no code of a warehouse: up to 100 characters, without slashes, and no space at its ends.",
                code="bad_code",
            )
        return await self._desk.warehouses.create_warehouse(organization_id, code, _name(name), actor=by.name)

    async def rename(self, by: Actor, organization_id: str, code: str, name: str) -> None:
        """Change its name; the code stays."""
        self._ensure_may_edit(by, organization_id)
        await self._desk.warehouses.rename_warehouse(organization_id, code, _name(name), actor=by.name)

    async def delete(self, by: Actor, organization_id: str, code: str) -> None:
        """Take away one that no account uses."""
        self._ensure_may_edit(by, organization_id)
        await self._desk.warehouses.delete_warehouse(organization_id, code, actor=by.name)

    async def enable(self, by: Actor, account: str, code: str, *, enabled: bool) -> None:
        """Let an account use a warehouse, or no longer."""
        found = await allowed(self._desk, by, Action.EDIT_WAREHOUSES, account)
        place = Place(found.organization_id, found.id)
        await self._desk.warehouses.enable_warehouse(place, code, enabled=enabled, actor=by.name)

    def _ensure_may_edit(self, by: Actor, organization_id: str) -> None:
        ensure(by, Action.EDIT_WAREHOUSES, Place(organization_id), absent=_absent(organization_id))


def _name(name: str) -> str:
    if not name.strip() or len(name) > 200:
        raise InputError("A warehouse needs a name of up to 200 characters.", code="bad_name")
    return name.strip()


def _absent(organization_id: str) -> UnknownName:
    return UnknownName(f"There is no organization {organization_id!r} for you.", code="unknown_organization")
