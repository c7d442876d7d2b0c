"""What operators do to messages: replay, discard, run a job now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from domain.access import Place
from domain.errors import InputError
from domain.ids import new_id
from domain.product_source import source_refusal
from domain.states import DeliveryState, may_move
from domain.synclog import Trigger
from storage.desk.codes import place_of
from storage.directory import Directory
from storage.ledger.admit import admit
from storage.ledger.coalesce import fold
from storage.ledger.lines import first_token
from storage.ledger.outward import tick
from storage.ledger.turn import turn_lanes
from storage.people.audit import Change, append
from storage.sql import chunks, locking, upsert
from storage.tables import accounts, deliveries, lanes


def replay(connection: Connection, delivery_ids: Sequence[str], now: int, actor: str = "installation") -> int:
    """Open final deliveries again at the end of their lanes, and make waiting ones due now; how many changed."""
    changed = []
    for row in _rows(connection, delivery_ids):
        if row.state == DeliveryState.OPEN:
            changed += [row] * _release(connection, row, now)
        elif may_move(DeliveryState(row.state), DeliveryState.OPEN):
            changed += [row] * _reopen(connection, row, now)
    _tell(connection, changed, (actor, "deliveries.replayed"), now)
    return len(changed)


def _rows(connection: Connection, delivery_ids: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for part in chunks(delivery_ids):
        found += connection.execute(
            select(deliveries).where(deliveries.c.id.in_(part)).order_by(deliveries.c.created_at, deliveries.c.id)
        ).all()
    return found


def _release(connection: Connection, row: Any, now: int) -> int:
    """A waiting delivery becomes due; one that runs is left alone."""
    held = connection.scalar(locking(connection, select(lanes.c.holder).where(lanes.c.key == row.lane)))
    if held is not None or row.due_at <= now:
        return 0
    still_open = (deliveries.c.id == row.id) & (deliveries.c.state == "open")
    released = connection.execute(update(deliveries).where(still_open).values(due_at=now, trigger="replay")).rowcount
    turn_lanes(connection, {row.lane: frozenset()}, now)
    return released


def _reopen(connection: Connection, row: Any, now: int) -> int:
    """A final delivery gets a new place at the end of its lane and a fresh retry budget."""
    statement = upsert(connection, lanes).values(
        key=row.lane,
        kind="bulk" if row.coalesce_key is not None else "fifo",
        channel_id=row.channel_id,
        job_type=row.job_type,
        state="ready",
        due_at=now,
        next_seq=1,
        token=first_token(now),
        since=now,
    )
    extended = statement.on_conflict_do_update(index_elements=["key"], set_={"next_seq": lanes.c.next_seq + 1})
    returned = connection.execute(extended.returning(lanes.c.next_seq, lanes.c.holder)).one()
    opened = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == row.id, deliveries.c.state == row.state)
        .values(
            state="open", seq=returned.next_seq, due_at=now, failures=0, cause="", code="replayed",
            sentence="Opened again by an operator.", trigger="replay", settled_at=None, superseded_by=None,
            # An outcome that was never found out must be read back first.
            unsure=(row.state == DeliveryState.UNKNOWN) or row.unsure,
        )
    ).rowcount  # fmt: skip
    if row.coalesce_key is not None:
        fold(connection, [row.lane], now)
    if returned.holder is None:
        turn_lanes(connection, {row.lane: frozenset()}, now)
    return opened


def discard(
    connection: Connection,
    delivery_ids: Sequence[str],
    reason: str,
    now: int,
    actor: str = "installation",
    *,
    code: str = "discarded",
) -> int:
    """Close deliveries for good with the reason; what runs right now is left alone. How many were closed."""
    changed = []
    for row in _rows(connection, delivery_ids):
        lane = connection.execute(locking(connection, select(lanes.c.holder).where(lanes.c.key == row.lane))).first()
        if not may_move(DeliveryState(row.state), DeliveryState.DISCARDED) or (
            lane is not None and lane.holder is not None
        ):
            continue
        closed = connection.execute(
            update(deliveries)
            .where(deliveries.c.id == row.id, deliveries.c.state == row.state)
            .values(
                state="discarded",
                code=code,
                sentence=reason[:500],
                cause="",
                settled_at=now,
                token=None,
            )
        ).rowcount
        changed += [row] * closed
        if lane is not None:
            turn_lanes(connection, {row.lane: frozenset()}, now)
    _tell(connection, changed, (actor, "deliveries.discarded"), now)
    return len(changed)


def _tell(connection: Connection, changed: Sequence[Any], what: tuple[str, str], now: int) -> None:
    """Audit (actor, action) for each account. A discard's reason stays with the delivery, where it can be erased."""
    if not changed:
        return
    of_account: dict[str, list[str]] = {}
    for row in changed:
        of_account.setdefault(row.account_id, []).append(row.id)
    query = select(accounts.c.id, accounts.c.organization_id).where(accounts.c.id.in_(of_account))
    for account, organization in connection.execute(query.order_by(accounts.c.id)).all():
        ids = of_account[account]
        name = f"delivery:{ids[0]}" if len(ids) == 1 else f"{len(ids)} deliveries"
        append(connection, Change(*what, name, Place(organization, account), {"deliveries": ids}), now)


def run_now(
    connection: Connection,
    directory: Directory,
    where: tuple[str, str],
    job: str,
    now: int,
    actor: str = "installation",
) -> str:
    """Queue a manual run; the message id.

    Raises:
        UnknownName: no such account or channel.
        InputError: the job contradicts the account's source of products.
    """
    channel = directory.named(connection, [where], fresh=True).channel(*where)
    if refused := source_refusal(channel.product_source, job, channel.id, channel.code):
        raise InputError(refused, code="not_product_source")
    answers = admit(
        connection,
        directory,
        [tick(f"manual-{new_id()}", job, where[0], where[1], now, Trigger.MANUAL)],
        (),
        now,
    ).answers
    if answers[0].error is not None:
        raise answers[0].error
    message = str(answers[0].message_id)
    place, detail = place_of(connection, where[0]), {"job": job, "message": message}
    append(connection, Change(actor, "job.run", "channel:" + "/".join(where), place, detail), now)
    return message
