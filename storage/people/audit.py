"""The audit: one row for each change, chained by hashes so that none can be altered, taken out or put in unseen.

A row is written in the transaction of the change it tells of, as the last thing there: rows are written one at a time
(each holds the hash of the one before), and whoever waits for a turn must hold nothing that others need for theirs.
Who can write to the database could compute the whole chain anew; so keep the last hash elsewhere now and then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, Text, cast, insert, select

from broker.operations.people import AuditFilter, AuditRow, ChainReport
from domain.access import Place
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from storage.people_tables import audit
from storage.tables import accounts

BEFORE_THE_FIRST = "0" * 64
"""Stands where the first row holds the hash of the row before."""
PAGE = 500
_LOCK = 7_203_517_003


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did: ``action`` to ``object`` (``kind:name``). ``detail`` is JSON without secrets and without
    personal data, for a row is never erased. ``place`` is ``None`` for what belongs to no organization.
    """

    actor: str
    action: str
    object: str
    place: Place | None
    detail: Mapping[str, Any] = field(default_factory=dict)


def append(connection: Connection, change: Change, now: int) -> None:
    """Write one row. Call it after all else that a transaction does (see the module)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    newest = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
    last = connection.execute(newest).first()
    values: dict[str, Any] = {
        "seq": last.seq + 1 if last else 1,
        "id": new_id(),
        "at": now,
        "actor": change.actor,
        "organization_id": change.place.organization_id if change.place else None,
        "account_id": change.place.account_id if change.place else None,
        "action": change.action,
        "object": change.object,
        "detail": dict(change.detail),
        "previous": last.hash if last else BEFORE_THE_FIRST,
    }
    connection.execute(insert(audit).values(**values, hash=digest(values)))


def digest(values: Mapping[str, Any]) -> str:
    """The hash of a row: SHA-256 of all its other columns as JSON, by name, without spaces."""
    members = {name: value for name, value in values.items() if name != "hash"}
    return hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def rows(connection: Connection, wanted: AuditFilter) -> list[AuditRow]:
    """Rows that match, newest first."""
    query = select(audit, accounts.c.code.label("account"))
    query = query.outerjoin(accounts, accounts.c.id == audit.c.account_id)
    return [_row(each) for each in connection.execute(_narrowed(query, wanted).limit(wanted.limit))]


def _narrowed(query: Select[Any], wanted: AuditFilter) -> Select[Any]:
    equal = {
        audit.c.organization_id: wanted.organization_id,
        audit.c.account_id: wanted.account_id,
        audit.c.actor: wanted.actor,
        audit.c.action: wanted.action,
        audit.c.object: wanted.object,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if wanted.since is not None:
        query = query.where(audit.c.at >= to_micros(wanted.since))
    if wanted.before is not None:
        query = query.where(audit.c.seq < wanted.before)
    return query.order_by(audit.c.seq.desc())


def _row(row: Row[Any]) -> AuditRow:
    return AuditRow(
        seq=row.seq,
        id=row.id,
        at=from_micros(row.at),
        actor=row.actor,
        organization_id=row.organization_id,
        account_id=row.account_id,
        account=row.account,
        action=row.action,
        object=row.object,
        detail=row.detail,
        hash=row.hash,
    )


def stored(connection: Connection, after: int | None) -> list[Any]:
    """The next rows of the chain as they lie in the table, in order, at most :data:`PAGE`; ``None`` for the first."""
    columns = [each for each in audit.c if each.name != "detail"]
    query = select(*columns, cast(audit.c.detail, Text).label("detail")).order_by(audit.c.seq).limit(PAGE)
    return list(connection.execute(query if after is None else query.where(audit.c.seq > after)))


class Chain:
    """Follows the chain row by row: :meth:`follow` what :func:`stored` gives, then ask for the :attr:`report`.

    ``noted`` is a hash that was the last one once: rows taken off the end show only by its absence.
    """

    def __init__(self, noted: str | None = None) -> None:
        self._noted = noted
        self._rows = 0
        self._last_hash = BEFORE_THE_FIRST
        self._fault = ""

    @property
    def position(self) -> int | None:
        """The last row that fits; ``None`` before the first."""
        return self._rows or None

    @property
    def broken(self) -> bool:
        """Whether a row was found that does not fit."""
        return bool(self._fault)

    @property
    def report(self) -> ChainReport:
        """What was found so far."""
        fault = self._fault or (_CUT if self._noted is not None else "")
        fine = f"Audit rows: {self._rows}, all as they were written. The last hash is {self._last_hash}."
        return ChainReport(not fault, self._rows, self._last_hash, fault or fine)

    def follow(self, found: Iterable[Any]) -> None:
        """Check rows in order, up to the first that does not fit."""
        for row in found:
            self._fault = self._fault_of(row)
            if self._fault:
                return
            self._rows, self._last_hash = row.seq, row.hash
            if row.hash == self._noted:
                self._noted = None

    def _fault_of(self, row: Any) -> str:
        expected = self._rows + 1
        if row.seq != expected:
            return f"Audit row {expected} is missing: row {row.seq} stands in its place. {_NEXT}"
        if row.previous != self._last_hash:
            return f"Audit row {row.seq} does not fit the row before it: one of the two was changed. {_NEXT}"
        if not _is_genuine(row):
            return f"Audit row {row.seq} was changed after it was written: its hash does not fit. {_NEXT}"
        return ""


_CUT = (
    "The noted hash is not in the audit: rows were taken off its end, or all of it was written anew. Compare with a "
    "backup."
)
_NEXT = "What stands before it is as it was written; compare with a backup."


def _is_genuine(row: Any) -> bool:
    try:
        values = {**row._mapping, "detail": json.loads(row.detail)}
        return digest(values) == str(row.hash)
    except (ValueError, TypeError):
        return False
