"""The end of every row of the fault matrix: the shop's books, the ledger, the log and the queues must agree."""

from __future__ import annotations

from tests.app.harness import Office, Stack
from tests.app.workload import Work, check, wait_settled

_LOGGED = """
    SELECT d.id, d.state, d.code, d.attempts, count(l.id) FROM deliveries d
    LEFT JOIN sync_log l ON l.delivery_id = d.id
    GROUP BY d.id, d.state, d.code, d.attempts
"""


def judge(stack: Stack, office: Office, work: Work, *, rejected: int = 0, seconds: float = 90.0) -> None:
    """Wait until all is settled; then accepted = effects, none doubled, none stale, each order in its order, a log row
    for each attempt, nothing unsent, nothing parked, and nothing rejected but what had to be.

    ``rejected`` is how many messages should not have been taken; ``seconds`` is how long settling may take.
    """
    wait_settled(stack, office, work, seconds)
    check(stack, office, work)
    check_log(office)
    assert office.numbers().rejected == rejected


def check_log(office: Office) -> None:
    """Each attempt of each delivery left its row in the sync log, and each delivery has ended with one at least."""
    rows = office.sql(_LOGGED)
    gaps = [row for row in rows if row[4] < max(row[3], 1 if row[1] != "open" else 0)]
    assert not gaps, f"(delivery, state, code, attempts, log rows): {gaps}"
    strays = office.sql("SELECT delivery_id FROM sync_log WHERE delivery_id NOT IN (SELECT id FROM deliveries)")
    assert not strays


def left(office: Office) -> dict[str, list[str]]:
    """What is not done: the business keys by state and code (``dead/killed_worker``)."""
    found: dict[str, list[str]] = {}
    query = """
        SELECT state, code, business_key FROM deliveries
        WHERE state NOT IN ('done', 'skipped', 'superseded') ORDER BY business_key
    """
    for state, code, key in office.sql(query):
        found.setdefault(f"{state}/{code}", []).append(key)
    return found
