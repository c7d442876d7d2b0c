"""HTTP ingest on PostgreSQL: single events and batches, answered after the commit.

``python -m app serve`` is the only process of Towpath. The load comes from :mod:`bench.sender`; what it reaches on a
server that does nothing is shown beside.
"""

from __future__ import annotations

import asyncio
import sys

from app.house import open_house
from app.settings import Settings
from bench.measured import Row
from bench.processes import Process, cpu_seconds, largest_mb
from bench.sender import Load, NotTakenError, Sent, send
from bench.services import Place, Services, plain_environment, query
from bench.towpath import ACCOUNT, running, set_up

BATCH_EVENTS = 100
BATCH_CONNECTIONS = 8
FLOOR = "the floor: a row per event"


def measure(services: Services, *, singles: int = 0, batched: int = 0) -> list[Row]:
    """The two loads on Towpath, on the floor and on a server that does nothing; 0 takes the usual counts of events.

    Raises:
        NotTakenError: an event was refused, or is not stored.
    """
    singles = singles or services.count(20_000, 100)
    batched = batched or services.count(100_000, 400)
    with services.place() as place:
        settings = set_up(place)
        key = asyncio.run(make_key(settings))
        with running(place, settings, [("serve", "--port", "0")]) as towpath:
            (process,) = towpath.processes
            url = address_of(process)
            send(place, Load(url, key, services.count(2000, 20), name="warm"))
            rows = [
                _one(place, process, Load(url, key, singles, name="single")),
                _one(place, process, Load(url, key, batched, BATCH_CONNECTIONS, BATCH_EVENTS, "batch")),
            ]
        rows += _limits(place, singles, batched)
    return rows


async def make_key(settings: Settings) -> str:
    """An API key that may send events."""
    async with open_house(settings, connect=False) as house:
        return (await house.operations.desk.create_key(ACCOUNT, ["events:write"])).secret


def address_of(process: Process) -> str:
    """Where a process of Towpath listens, by its log."""
    process.wait_for_text("http://")
    return "http://" + process.text().partition("http://")[2].partition('"')[0]


def _one(place: Place, process: Process, load: Load) -> Row:
    before = cpu_seconds([process.pid])
    sent = send(place, load)
    used = cpu_seconds([process.pid]) - before
    ((stored,),) = query(place, "SELECT count(*) FROM messages WHERE correlation_id = %s", load.name)
    if stored != load.events:
        raise NotTakenError(f"{load.events} events were accepted, {stored} are in the ledger.")
    return _row(f"Towpath, {_named(load)}", load, sent, used, largest_mb([process.pid]))


def _named(load: Load) -> str:
    what = "single events" if load.batch == 1 else f"batches of {load.batch}"
    return f"{what}, {load.connections} connections"


def _row(what: str, load: Load, sent: Sent, used: float, memory: float | None = None) -> Row:
    return Row(
        what,
        load.events / sent.seconds,
        used / load.events * 1000,
        p50_ms=sent.p50_ms,
        p99_ms=sent.p99_ms,
        memory_mb=memory,
        extra=f"the sender used {sent.cpu / load.events * 1000:.3f} CPU ms/event, {sent.put_off} requests put off",
    )


def _limits(place: Place, singles: int, batched: int) -> list[Row]:
    """The same loads on the floor, and on a server that answers without doing anything."""
    environment = plain_environment(BENCH_DSN=place.dsn)
    rows = []
    for module, name in (("bench.peers.bare_ingest", FLOOR), ("bench.sender", "a server that does nothing")):
        log = place.folder / f"{module}.log"
        process = Process([sys.executable, "-m", module, "answer"], environment, log)
        try:
            url = address_of(process).strip()
            for load in (Load(url, "none", singles), Load(url, "none", batched, BATCH_CONNECTIONS, BATCH_EVENTS)):
                before = cpu_seconds([process.pid])
                sent = send(place, load)
                used = cpu_seconds([process.pid]) - before
                rows.append(_row(f"{name}, {_named(load)}", load, sent, used))
        finally:
            process.stop()
    return rows
