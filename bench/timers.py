"""The timer among very many schedules: what a poll costs that finds nothing, and how fast due ones become ticks.

A channel has one schedule per scheduled job, so a million schedules are half a million channels. All schedules are
daily; those that become due all at once are set to a minute of the last half hour. One timer turns a first part of
them into ticks, two at once the second part; then every due instant must have exactly one tick.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql

from app.house import open_house
from app.settings import Settings
from bench.measured import Row
from bench.processes import cpu_seconds, largest_mb, paused
from bench.services import Place, Services, counting, query
from bench.towpath import running, set_up

JOBS = ("order_import", "inventory_export")
CHANNELS_PER_ACCOUNT = 500
BATCH = 500
LONGEST_SECONDS = 600.0

_ACCOUNTS = """
    INSERT INTO accounts (id, organization_id, code, name, timezone, enabled, created_at)
    SELECT gen_random_uuid()::text, o.id, 'timed-' || n, 'Timed', 'UTC', true, 0
    FROM organizations o, generate_series(1, %s) n"""
_CHANNELS = """
    INSERT INTO channels (id, account_id, code, name, platform, domain, token, enabled, settings, created_at)
    SELECT gen_random_uuid()::text, a.id, 'shop-' || n, 'Shop', 'bright_sites', a.code || '-' || n || '.example',
           '', true, '{}', 0
    FROM accounts a, generate_series(1, %s) n WHERE a.code LIKE 'timed-%%'"""
_SCHEDULES = """
    INSERT INTO schedules (id, account_id, channel_id, job_type, period, next_due)
    SELECT gen_random_uuid()::text, made.account_id, made.id, job, 'daily@' || to_char(made.due, 'HH24:MI'),
           extract(epoch FROM made.due)::bigint * 1000000
    FROM (SELECT id, account_id, date_trunc('minute', now() AT TIME ZONE 'UTC')
                 + make_interval(mins => 120 + floor(random() * 1200)::int) AS due
          FROM channels WHERE token = '') made, unnest(%s::text[]) job
    LIMIT %s"""
EXPECTED = "CREATE TABLE bench_expected (event_id text PRIMARY KEY)"
"""The ids of the ticks that must come: schedule and due instant."""
_MAKE_DUE = """
    WITH chosen AS (
        SELECT id, date_trunc('minute', now() AT TIME ZONE 'UTC') - make_interval(mins => 1 + floor(random() * 30)::int)
               AS due
        FROM schedules WHERE last_due IS NULL LIMIT %s
    ), made AS (
        UPDATE schedules s
        SET period = 'daily@' || to_char(c.due, 'HH24:MI'), next_due = extract(epoch FROM c.due)::bigint * 1000000
        FROM chosen c WHERE c.id = s.id RETURNING s.id, s.next_due
    )
    INSERT INTO bench_expected SELECT id || ':' || next_due FROM made"""
_STILL_DUE = """
    SELECT count(*) FROM (
        SELECT 1 FROM schedules WHERE next_due <= extract(epoch FROM now())::bigint * 1000000 LIMIT 1) due"""
_WRONG = """
    SELECT (SELECT count(*) FROM bench_expected e LEFT JOIN messages m USING (event_id) WHERE m.id IS NULL),
           (SELECT count(*) FROM messages m LEFT JOIN bench_expected e USING (event_id) WHERE e.event_id IS NULL),
           (SELECT coalesce(sum(copies), 0) FROM messages)"""


class WrongTicksError(Exception):
    """A due instant has no tick or more than one; the message has the counts."""


def measure(services: Services, *, schedules: int = 0, due: int = 0, polls: int = 0) -> list[Row]:
    """Polls that find nothing, ticks by one timer, ticks by two, and the floor; 0 takes the usual count.

    ``due`` schedules become ticks by one timer, and as many again by two.

    Raises:
        WrongTicksError: some due instant did not become exactly one tick.
        WaitedInVainError: the ticks did not come.
    """
    schedules = schedules or services.count(1_000_000, 2_000)
    due = due or services.count(20_000, 200)
    with services.place() as place:
        settings = set_up(place)
        _fill(place, schedules)
        named = f"{schedules:,} schedules"
        rows = [
            _floor(place, due),
            asyncio.run(_empty_polls(settings, polls or services.count(200, 10), named)),
            _ticks(place, settings, due, 1, named),
            _ticks(place, settings, due, 2, named),
        ]
        check_ticks(place)
    return rows


def _fill(place: Place, schedules: int) -> None:
    """As many schedules as asked for, none of them due within two hours."""
    channels = -(-schedules // len(JOBS))
    query(place, _ACCOUNTS, -(-channels // CHANNELS_PER_ACCOUNT))
    query(place, _CHANNELS, min(channels, CHANNELS_PER_ACCOUNT))
    query(place, _SCHEDULES, list(JOBS), schedules)
    query(place, EXPECTED)
    query(place, "VACUUM ANALYZE")


async def _empty_polls(settings: Settings, polls: int, named: str) -> Row:
    """What the timer asks every half second, as long as nothing is due."""
    took = []
    async with open_house(settings, connect=False) as house:
        for _ in range(polls):
            started = time.perf_counter()
            fired = await house.ledger.fire_due(BATCH)
            took.append((time.perf_counter() - started) * 1000)
            if fired:
                raise WrongTicksError(f"{fired} schedules were due where none should be.")
    took.sort()
    worst = took[min(len(took) - 1, int(len(took) * 0.99))]
    return Row(f"empty poll, {named}", p50_ms=statistics.median(took), p99_ms=worst)


def _ticks(place: Place, settings: Settings, due: int, timers: int, named: str) -> Row:
    """From the moment the timers may work to the commit of the last tick."""
    with running(place, settings, [("timer",)] * timers) as towpath, counting(place, _STILL_DUE) as still_due:
        with paused(towpath.processes):
            query(place, _MAKE_DUE, due)
            before = [cpu_seconds([pid]) for pid in towpath.pids]
            started = time.perf_counter()
        _wait_for_none(still_due)
        seconds = time.perf_counter() - started
        used = [cpu_seconds([pid]) - was for pid, was in zip(towpath.pids, before, strict=True)]
        memory = largest_mb(towpath.pids)
    shares = " and ".join(f"{each:.1f}" for each in used)
    what = f"due ticks, {named}, {timers} timer{'s' if timers > 1 else ''}"
    return Row(what, due / seconds, sum(used) / due * 1000, memory_mb=memory, extra=f"CPU {shares} s")


def _wait_for_none(still_due: Any) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while still_due():
        if time.monotonic() > deadline:
            raise WrongTicksError(f"After {LONGEST_SECONDS:.0f} s there were still due schedules.")
        time.sleep(0.02)


def check_ticks(place: Place) -> None:
    """Every expected due instant has exactly one tick; raises WrongTicksError."""
    ((missing, unasked, copies),) = query(place, _WRONG)
    if missing or unasked or copies:
        raise WrongTicksError(f"{missing} due instants have no tick, {unasked} ticks too many, {copies} fired twice.")


def _floor(place: Place, due: int) -> Row:
    """A bare loop on tables of its own: claim, one row per tick, the next due instant, commit."""
    with closing(psycopg.connect(place.dsn)) as connection:
        connection.execute("CREATE TABLE bench_schedule (id int PRIMARY KEY, next_due bigint)")
        connection.execute("CREATE INDEX ON bench_schedule (next_due)")
        connection.execute(
            "CREATE TABLE bench_tick (schedule int, due bigint, body bytea, PRIMARY KEY (schedule, due))"
        )
        connection.execute("INSERT INTO bench_schedule SELECT n, n FROM generate_series(1, %s) n", [due])
        connection.commit()
        started, cpu = time.perf_counter(), time.process_time()
        while _claim(connection, due):
            connection.commit()
        seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return Row("a bare loop of claims and rows (the floor)", due / seconds, used / due * 1000)


def _claim(connection: psycopg.Connection[Any], end: int) -> int:
    rows = connection.execute(
        "SELECT id, next_due FROM bench_schedule WHERE next_due <= %s ORDER BY next_due LIMIT %s"
        " FOR UPDATE SKIP LOCKED",
        [end, BATCH],
    ).fetchall()
    ids, instants = [row[0] for row in rows], [row[1] for row in rows]
    bodies = [b'{"schedule":%d,"due":%d}' % row for row in rows]
    connection.execute(
        sql.SQL("INSERT INTO bench_tick SELECT * FROM unnest(%s::int[], %s::bigint[], %s::bytea[])"),
        [ids, instants, bodies],
    )
    connection.execute("UPDATE bench_schedule SET next_due = next_due + %s WHERE id = ANY(%s)", [end, ids])
    return len(rows)
