"""Looking at mappings and tasks: for people, and for runs."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from broker.operations.mappings import MappingTask
from domain.errors import UnknownName
from domain.mappings import MappingKind, Side, nearest
from domain.moments import from_micros
from storage.location_tables import location_stock
from storage.mapping_tables import mapping_tasks, mapping_waits, mappings
from storage.product_tables import catalogue_skus, product_skus
from storage.tables import accounts, channel_stock, channels, deliveries, stock_levels

_KEYS_SHOWN = 10


def task_rows(connection: Connection, account: str | None, channel: str | None) -> list[MappingTask]:
    """The open tasks that something waits for, what blocks most first."""
    blocks, oldest = func.count(deliveries.c.id).label("blocks"), func.min(deliveries.c.created_at).label("oldest")
    named = (mapping_tasks, accounts.c.code.label("account_code"), channels.c.code.label("channel_code"))
    query = (
        select(*named, blocks, oldest)
        .join(channels, channels.c.id == mapping_tasks.c.channel_id)
        .join(accounts, accounts.c.id == mapping_tasks.c.account_id)
        .join(mapping_waits, mapping_waits.c.task_id == mapping_tasks.c.id)
        .join(deliveries, deliveries.c.id == mapping_waits.c.delivery_id)
        .where(mapping_tasks.c.state == "open", deliveries.c.state == "open", deliveries.c.cause == "mapping")
        .group_by(*mapping_tasks.columns, accounts.c.code, channels.c.code)
        .order_by(blocks.desc(), oldest, mapping_tasks.c.code)
    )
    if account is not None:
        query = query.where(accounts.c.code == account)
    if channel is not None:
        query = query.where(channels.c.code == channel)
    return [
        MappingTask(
            row.id, row.account_code, row.channel_code, row.kind, row.side, row.code, row.blocks,
            from_micros(row.oldest), _business_keys(connection, row.id),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _business_keys(connection: Connection, task_id: str) -> tuple[str, ...]:
    came = func.min(deliveries.c.created_at)
    query = (
        select(deliveries.c.business_key)
        .join(mapping_waits, mapping_waits.c.delivery_id == deliveries.c.id)
        .where(mapping_waits.c.task_id == task_id, deliveries.c.state == "open")
        .group_by(deliveries.c.business_key)
        .order_by(came, deliveries.c.business_key)
        .limit(_KEYS_SHOWN)
    )
    return tuple(connection.scalars(query))


def suggestions(connection: Connection, task_id: str) -> tuple[str, ...]:
    """Known codes near the missing one: of its own side, which may be misspelled in it; of a SKU also those of the
    other side, which it may stand for.

    Raises:
        UnknownName: there is no such task.
    """
    task = connection.execute(select(mapping_tasks).where(mapping_tasks.c.id == task_id)).first()
    if task is None:
        raise UnknownName(f"There is no task {task_id!r}.", code="unknown_task")
    column = mappings.c.oms_code if Side(task.side) is Side.OMS else mappings.c.channel_code
    query = select(column).where(mappings.c.channel_id == task.channel_id, mappings.c.kind == task.kind)
    known = set(connection.scalars(query))
    if MappingKind(task.kind) is MappingKind.SKU:
        for table in (stock_levels, catalogue_skus):
            known.update(connection.scalars(select(table.c.sku).where(table.c.account_id == task.account_id)))
        for table in (channel_stock, location_stock, product_skus):
            known.update(connection.scalars(select(table.c.sku).where(table.c.channel_id == task.channel_id)))
    return nearest(task.code, known - {task.code})
