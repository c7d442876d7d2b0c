"""Warehouses: they belong to the organization, and each account says which it uses (sales channels, section 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, delete, select, update

from broker.operations.warehouses import Warehouse
from domain.access import Place
from domain.errors import InputError, UnknownName
from domain.ids import new_id
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.people.audit import Change, append
from storage.settings_tables import account_warehouses, own_settings, warehouses
from storage.sql import locking, upsert
from storage.tables import accounts, channels

T = TypeVar("T")


def ensure_enabled(connection: Connection, place: Place, codes: Sequence[str]) -> None:
    """Check that an account uses these warehouses. Where its organization has none at all, any code is good.

    Raises:
        InputError: code ``warehouse_not_enabled``; the sentence lists those that are.
    """
    query = select(warehouses.c.id, warehouses.c.code).where(warehouses.c.organization_id == place.organization_id)
    known = {row.code: row.id for row in connection.execute(query)}
    if not known:
        return
    mine = select(account_warehouses.c.warehouse_id).where(account_warehouses.c.account_id == place.account_id)
    used = set(connection.scalars(mine))
    enabled = [code for code, made in sorted(known.items()) if made in used]
    for code in codes:
        if code not in enabled:
            raise InputError(
                f"Warehouse {code!r} is not enabled for this account; enabled are: {', '.join(enabled) or 'none yet'}.",
                code="warehouse_not_enabled",
            )


class SqlWarehouses:
    """:class:`broker.operations.warehouses.WarehouseDesk` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def _change(self, work: Callable[[Connection, int], T]) -> T:
        now = to_micros(self._clock())
        return await self._database.awrite(lambda connection: work(connection, now))

    async def warehouses(self, organization_id: str) -> Sequence[Warehouse]:
        """Those of an organization, by code."""
        return await self._database.aanswer(lambda connection: _all(connection, organization_id))

    async def create_warehouse(self, organization_id: str, code: str, name: str, *, actor: str) -> str:
        """A new warehouse, enabled nowhere; its id."""

        def work(connection: Connection, now: int) -> str:
            made = new_id()
            statement = upsert(connection, warehouses).values(
                id=made, organization_id=organization_id, code=code, name=name, created_at=now
            )
            stored = statement.on_conflict_do_nothing().returning(warehouses.c.id)
            if connection.execute(stored).first() is None:
                raise InputError(f"There is a warehouse {code!r} already.", code="code_taken")
            _tell(connection, (actor, "warehouse.created"), Place(organization_id), code, {"name": name}, now)
            return made

        return await self._change(work)

    async def rename_warehouse(self, organization_id: str, code: str, name: str, *, actor: str) -> None:
        """Give it another name; its code stays, for stock and settings name it."""

        def work(connection: Connection, now: int) -> None:
            row = _one(connection, organization_id, code)
            connection.execute(update(warehouses).where(warehouses.c.id == row.id).values(name=name))
            detail = {"name": {"before": row.name, "after": name}}
            _tell(connection, (actor, "warehouse.changed"), Place(organization_id), code, detail, now)

        await self._change(work)

    async def delete_warehouse(self, organization_id: str, code: str, *, actor: str) -> None:
        """Take it away; it must be enabled for no account."""

        def work(connection: Connection, now: int) -> None:
            row = _one(connection, organization_id, code)
            users = _users(connection, [row.id]).get(row.id, ())
            if users:
                raise InputError(
                    f"Warehouse {code!r} is enabled for {', '.join(users)}: disable it there first.",
                    code="warehouse_in_use",
                )
            connection.execute(delete(warehouses).where(warehouses.c.id == row.id))
            _tell(connection, (actor, "warehouse.deleted"), Place(organization_id), code, {}, now)

        await self._change(work)

    async def enable_warehouse(self, place: Place, code: str, *, enabled: bool, actor: str) -> None:
        """Let an account use it, or no longer; what the account's settings still name it for is told."""

        def work(connection: Connection, now: int) -> None:
            row = _one(connection, place.organization_id, code)
            if enabled:
                statement = upsert(connection, account_warehouses)
                given = statement.values(account_id=place.account_id, warehouse_id=row.id)
                stored = given.on_conflict_do_nothing().returning(account_warehouses.c.warehouse_id)
                changed = connection.execute(stored).first() is not None
            else:
                _ensure_unused(connection, place, code)
                mine = account_warehouses.c.account_id == place.account_id
                gone = delete(account_warehouses).where(mine, account_warehouses.c.warehouse_id == row.id)
                changed = bool(connection.execute(gone).rowcount)
            if changed:
                action = "warehouse.enabled" if enabled else "warehouse.disabled"
                _tell(connection, (actor, action), place, code, {}, now)

        await self._change(work)


def _all(connection: Connection, organization_id: str) -> list[Warehouse]:
    query = select(warehouses).where(warehouses.c.organization_id == organization_id).order_by(warehouses.c.code)
    rows = connection.execute(query).all()
    users = _users(connection, [row.id for row in rows])
    return [Warehouse(row.code, row.name, users.get(row.id, ())) for row in rows]


def _users(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Warehouse id to the codes of the accounts that use it."""
    query = select(account_warehouses.c.warehouse_id, accounts.c.code)
    query = query.join(accounts, accounts.c.id == account_warehouses.c.account_id).order_by(accounts.c.code)
    found: dict[str, tuple[str, ...]] = {}
    for warehouse, code in connection.execute(query.where(account_warehouses.c.warehouse_id.in_(ids))):
        found[warehouse] = (*found.get(warehouse, ()), code)
    return found


def _one(connection: Connection, organization_id: str, code: str) -> Row[Any]:
    query = select(warehouses).where(warehouses.c.organization_id == organization_id, warehouses.c.code == code)
    row = connection.execute(locking(connection, query)).first()
    if row is None:
        raise UnknownName(f"There is no warehouse {code!r}.", code="unknown_warehouse")
    return row


def _ensure_unused(connection: Connection, place: Place, code: str) -> None:
    chosen = select(own_settings.c.chosen).where(own_settings.c.owner_id == place.account_id)
    if (connection.scalar(chosen) or {}).get("default_warehouse") == code:
        raise InputError(
            f"Warehouse {code!r} is the default warehouse of the account: choose another first.",
            code="warehouse_in_use",
        )
    query = select(channels.c.code, channels.c.settings).where(channels.c.account_id == place.account_id)
    for channel, settings in connection.execute(query.where(channels.c.deleted_at.is_(None))):
        if code in settings.get("stock_warehouses", ()):
            raise InputError(
                f"Channel {channel} sells the stock of warehouse {code!r}: change its Warehouses first.",
                code="warehouse_in_use",
            )


def _tell(
    connection: Connection, what: tuple[str, str], place: Place, code: str, detail: dict[str, Any], now: int
) -> None:
    append(connection, Change(*what, f"warehouse:{code}", place, detail), now)
