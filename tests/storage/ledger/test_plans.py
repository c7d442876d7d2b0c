"""Plans: what the engine asks for each event is looked up row by row, also while PostgreSQL knows nothing of a table.

A table grows from nothing to many thousands of rows before its statistics are gathered for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from broker.ledger import Hands, Shares
from domain.outcomes import Effects
from domain.shipments import SentShipment
from tests.storage.support import ALL_JOBS, Site, done, order, shipment, stock

ROWS = 3000
BUSY = ("deliveries", "messages", "shipments", "stock_levels", "channel_stock", "sync_log")

pytestmark = pytest.mark.postgresql


@dataclass(frozen=True)
class Asked:
    """A statement with its parameters; ``reading`` tells on which kind of connection it ran."""

    statement: str
    parameters: Any
    reading: bool


@contextmanager
def heard(engine: Engine) -> Iterator[list[Asked]]:
    """Each statement that runs meanwhile."""
    statements: list[Asked] = []

    def note(connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: object) -> None:
        reading = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if not statement.startswith("SET"):
            statements.append(Asked(statement, parameters, reading))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def read_whole(site: Site, asked: Sequence[Asked]) -> set[tuple[str, str]]:
    """Which of the busy tables these statements read from end to end, and the beginning of the statement."""
    return {
        (table, each.statement[:60])
        for each in asked
        for table in scanned((site.database.read if each.reading else site.database.write)(partial(explain, each)))
        if table in BUSY
    }


def explain(asked: Asked, connection: Connection) -> Any:
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked.statement}", asked.parameters).one()
    return plan


def scanned(plan: Any) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    return (node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan")


@pytest.fixture
async def crowded(postgresql_site: Site) -> Site:
    """A database with some thousand rows in each busy table, of which no statistics were ever gathered."""
    site = postgresql_site
    for table in BUSY:
        site.run(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    for start in range(0, ROWS, 500):
        for number in range(start, start + 500, 100):
            some = [str(each) for each in range(number, number + 100)]
            await site.admit(*map(shipment, some), *(stock(f"S{each}", 1) for each in some))
        if start < ROWS // 2:
            for claim in await site.claim(most=500):
                sent = SentShipment(claim.deliveries[0].business_key, claim.deliveries[0].business_key, "9")
                await site.settle(claim, lambda each, sent=sent: done(each, Effects(records=(sent,))))  # type: ignore[misc]
    return site


async def test_no_busy_table_is_read_whole_for_an_event(crowded: Site) -> None:
    site = crowded
    hands = Hands("w1", frozenset(ALL_JOBS), room=100)
    with heard(site.database.engine) as statements:
        again = [shipment("7", id="copy"), shipment("7", id="copy")]
        taken = await site.ledger.take_in([*again, order("9"), stock("S1", 2), stock("S2", 2)], (), hands)
        claims = [*taken.claims, *await site.claim(most=20)]
        await site.memory.deliveries_of(site.main, "inventory_export", [claims[-1].deliveries[0].message_id])
        await site.memory.stock_levels(claims[-1].deliveries[0].account_id, ["S1", "S2"])
        await site.memory.confirmed_stock(site.main, ["S1", "S2"])
        await asyncio.gather(*(site.settle(claim, done, go_on=ALL_JOBS) for claim in claims))
    assert len(statements) > 10
    assert read_whole(site, statements) == set()


async def test_a_claim_does_not_read_the_backlog_of_one_channel_for_all_others(postgresql_site: Site) -> None:
    site = postgresql_site
    for start in range(0, 2000, 500):
        await site.admit(*(order(str(number)) for number in range(start, start + 500)))
    later = "UPDATE lanes SET due_at = due_at + {}"
    site.run(text(later.format(3_600_000_000)))
    site.run(text("ANALYZE lanes"))
    site.run(text(later.format(-3_600_000_000)))
    with heard(site.database.engine) as statements:
        claims = await site.claim(most=5, shares=Shares(5, {}))
    assert len(claims) == 5
    looked = [each for each in statements if each.statement.startswith("SELECT")]
    assert len(looked) > 2
    for each in looked:
        assert site.database.write(partial(rows_read, each)) < 200, each.statement


def rows_read(asked: Asked, connection: Connection) -> float:
    """How many rows of lanes a statement looks at, whether it wants them or not."""
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked.statement}", asked.parameters).one()
    return sum(
        float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan)
        if node.get("Relation Name") == "lanes"
    )


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """All steps of a plan."""
    if isinstance(plan, list):
        for each in plan:
            yield from nodes(each)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        for each in plan.values():
            yield from nodes(each)
