"""Missing mappings: one task for each missing code, what waits for it, and its release (sales channels, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from broker.ledger import Verdict
from domain.ids import new_id
from domain.mappings import (
    CarrierCode,
    CarrierMapping,
    CarrierMappings,
    MappingKind,
    MappingRow,
    Missing,
    ShippingMethods,
    Side,
    SkuMapping,
    SkuMappings,
    WarehouseMapping,
    WarehouseMappings,
)
from domain.states import DeliveryState
from storage.mapping_tables import mapping_tasks, mapping_waits
from storage.sql import chunks, locking, upsert
from storage.tables import channels, deliveries, lanes


@dataclass(frozen=True, slots=True)
class _Wait:
    channel_id: str
    account_id: str
    missing: Missing


def note_missing(connection: Connection, verdicts: Sequence[Verdict], now: int) -> None:
    """Remember which deliveries now wait for which codes; a code that nobody waited for becomes a task.

    A code that somebody answered with a mapping since, and that is missing again, is a task again.
    """
    waits = [
        (_Wait(each.delivery.channel_id, each.delivery.account_id, missing), each.delivery.id)
        for each in verdicts
        if each.state is DeliveryState.OPEN
        for missing in each.missing
    ]
    if not waits:
        return
    tasks = {wait: _task(connection, wait, now) for wait in sorted({wait for wait, _ in waits}, key=repr)}
    rows = [{"task_id": tasks[wait], "delivery_id": delivery} for wait, delivery in waits]
    connection.execute(upsert(connection, mapping_waits).on_conflict_do_nothing(), rows)


def _task(connection: Connection, wait: _Wait, now: int) -> str:
    missing = wait.missing
    statement = upsert(connection, mapping_tasks).values(
        id=new_id(),
        account_id=wait.account_id,
        channel_id=wait.channel_id,
        kind=str(missing.kind),
        side=str(missing.side),
        code=missing.code,
        state="open",
        first_at=now,
        last_at=now,
    )
    again = statement.on_conflict_do_update(
        index_elements=["channel_id", "kind", "side", "code"],
        set_={"state": "open", "last_at": now, "answered_at": None, "actor": ""},
    )
    return str(connection.execute(again.returning(mapping_tasks.c.id)).scalar_one())


def answer(
    connection: Connection,
    channel_id: str,
    kind: MappingKind,
    rows: tuple[Sequence[MappingRow], Sequence[MappingRow]],
    actor: str,
    now: int,
) -> int:
    """Close the tasks of a channel that its mappings (before, after) answer otherwise than before, and release what
    waited for them alone; how many deliveries.
    """
    query = select(mapping_tasks.c.id, mapping_tasks.c.side, mapping_tasks.c.code).where(
        mapping_tasks.c.channel_id == channel_id, mapping_tasks.c.kind == kind, mapping_tasks.c.state == "open"
    )
    open_tasks = connection.execute(query).all()
    if not open_tasks:
        return 0
    before, after = (_Index(kind, each) for each in rows)
    answered = [
        task.id
        for task in open_tasks
        if (answer := after.answer(task.side, task.code)) is not None and answer != before.answer(task.side, task.code)
    ]
    return let_go(connection, answered, "mapped", actor, now)


def ignored(connection: Connection, channel_id: str) -> frozenset[Missing]:
    """The codes of a channel that are to be ignored."""
    query = select(mapping_tasks.c.kind, mapping_tasks.c.side, mapping_tasks.c.code).where(
        mapping_tasks.c.channel_id == channel_id, mapping_tasks.c.state == "ignored"
    )
    return frozenset(Missing(MappingKind(kind), Side(side), code) for kind, side, code in connection.execute(query))


def waiting_for(connection: Connection, task_ids: Sequence[str]) -> list[str]:
    """The open deliveries that wait for any of these tasks, oldest first."""
    found: set[tuple[int, str]] = set()
    for part in chunks(task_ids):
        query = (
            select(deliveries.c.created_at, deliveries.c.id)
            .join(mapping_waits, mapping_waits.c.delivery_id == deliveries.c.id)
            .where(mapping_waits.c.task_id.in_(part), deliveries.c.state == "open", deliveries.c.cause == "mapping")
        )
        found.update((at, delivery) for at, delivery in connection.execute(query))
    return [delivery for _, delivery in sorted(found)]


def hold(connection: Connection, channel_id: str, now: int | None) -> None:
    """Lock a channel's mappings until the end of the transaction; ``now`` is when they change, after which runs that
    know those of before look again.
    """
    connection.execute(locking(connection, select(channels.c.id).where(channels.c.id == channel_id))).all()
    if now is not None:
        connection.execute(update(channels).where(channels.c.id == channel_id).values(mapped_at=now))


def close(connection: Connection, task_ids: Sequence[str], state: str, actor: str, now: int) -> None:
    """Remember how tasks were answered, and that nothing waits for them any more."""
    answered = {"state": state, "answered_at": now, "actor": actor}
    for part in chunks(task_ids):
        connection.execute(update(mapping_tasks).where(mapping_tasks.c.id.in_(part)).values(**answered))
        connection.execute(delete(mapping_waits).where(mapping_waits.c.task_id.in_(part)))


def let_go(connection: Connection, task_ids: Sequence[str], state: str, actor: str, now: int) -> int:
    """Close tasks and release what waited for them alone; how many deliveries. The caller holds the channel."""
    waiting = waiting_for(connection, task_ids)
    close(connection, task_ids, state, actor, now)
    held: set[str] = set()
    for part in chunks(waiting):
        query = select(mapping_waits.c.delivery_id).where(mapping_waits.c.delivery_id.in_(part))
        held.update(connection.scalars(query))
    return _release(connection, [each for each in waiting if each not in held], now)


def _release(connection: Connection, delivery_ids: Sequence[str], now: int) -> int:
    """Make deliveries due at once; their lanes come up in the order in which the deliveries came in."""
    released = 0
    for part in chunks(delivery_ids):
        mine = deliveries.c.id.in_(part) & (deliveries.c.state == "open") & (deliveries.c.cause == "mapping")
        came = func.min(deliveries.c.created_at).label("came")
        found = connection.execute(select(deliveries.c.lane, came).where(mine).group_by(deliveries.c.lane)).all()
        released += connection.execute(update(deliveries).where(mine).values(due_at=now)).rowcount
        for lane, at in sorted(found):
            waits = (lanes.c.key == lane) & lanes.c.holder.is_(None)
            due = min(at, now)
            connection.execute(update(lanes).where(waits).values(state="ready", due_at=due, since=now))
    return released


class _Index:
    """Mappings of a kind, asked what they answer to a code."""

    def __init__(self, kind: MappingKind, rows: Sequence[MappingRow]) -> None:
        self._kind = kind
        self._skus = SkuMappings([row for row in rows if isinstance(row, SkuMapping)])
        self._carriers = CarrierMappings([row for row in rows if isinstance(row, CarrierMapping)])
        self._methods = ShippingMethods([row for row in rows if isinstance(row, CarrierMapping)])
        self._warehouses = WarehouseMappings([row for row in rows if isinstance(row, WarehouseMapping)])

    def answer(self, side: str, code: str) -> object | None:
        """What a code of a side leads on to; ``None`` where to nothing. A SKU of the OMS leads to itself where nothing
        else is said: the shop, which did not know it, may be asked again when that changes.
        """
        found = self._look(Side(side) is Side.OMS, code)
        return None if isinstance(found, Missing) else found

    def _look(self, outward: bool, code: str) -> object | None:
        match self._kind:
            case MappingKind.SKU:
                return self._skus.resolve_to_channel(code, lambda _: True) if outward else self._skus.to_oms(code, 1)
            case MappingKind.CARRIER:
                asked = CarrierCode.of(code)
                if not outward and not asked.service:
                    return self._methods.to_oms(asked.carrier)
                look = self._carriers.to_channel if outward else self._carriers.to_oms
                return look(asked.carrier, asked.service)
            case MappingKind.WAREHOUSE:
                return self._warehouses.to_external(code) if outward else None
