"""The journal on SQLite: Towpath in one process with no server beside it, one call to the shop per delivery.

First a backlog of order updates that was admitted beforehand, from the first run to the last settlement as the ledger
stamps them; then the same fed over HTTP in batches while they run, from the first request to the last settlement. The
floor makes the same calls with the same HTTP library and commits a log row for each, as many together as are finished.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from app.house import open_house
from app.settings import Settings
from bench.ingest import address_of, make_key
from bench.measured import Row
from bench.processes import cpu_seconds, largest_mb, wait_for
from bench.sender import Load, event_of, send
from bench.services import BenchShop, Place, Services
from bench.towpath import Towpath, running, set_up

UP = ("up", "--port", "0")
SHARE = 500
IN_FLIGHT = 64
BATCH_CONNECTIONS = 4
BATCH_EVENTS = 100
PATIENCE = 600.0
_LEFT = "SELECT count(*) FROM lanes"
_FROM_FIRST_RUN = "SELECT (SELECT max(settled_at) FROM deliveries) - (SELECT min(started_at) FROM sync_log)"
_FROM_FIRST_EVENT = "SELECT (SELECT max(settled_at) FROM deliveries) - (SELECT min(received_at) FROM messages)"
_DONE = "SELECT count(*) FROM deliveries WHERE state = 'done'"


_TABLE = """
    CREATE TABLE log (id TEXT PRIMARY KEY, started INTEGER, finished INTEGER, business_key TEXT, outcome TEXT,
                      sentence TEXT, calls TEXT)"""

Number = Callable[[str], int]


class NotDoneError(Exception):
    """A delivery did not end as done, or the shop saw another number of calls."""


def measure(services: Services, *, deliveries: int = 0) -> list[Row]:
    """A backlog, the same over HTTP, and the floor; 0 takes the usual count.

    Raises:
        NotDoneError: not every delivery was done by exactly one call.
        WaitedInVainError: it did not end.
    """
    deliveries = deliveries or services.count(10_000, 100)
    with services.place() as place:
        rows = [_backlog(_embedded(place, "backlog"), deliveries), _over_http(_embedded(place, "http"), deliveries)]
        place.shop.set_up(orders=deliveries)
        return [*rows, _floor(place.shop, place.folder, deliveries)]


def _embedded(place: Place, name: str) -> Place:
    """The same shop with a journal on a SQLite file of its own."""
    folder = place.folder / name
    folder.mkdir()
    return replace(place, broker_url="journal:", database_url=f"sqlite:///{folder / 'towpath.db'}", folder=folder)


def _backlog(place: Place, deliveries: int) -> Row:
    settings = set_up(place)
    place.shop.set_up(orders=deliveries)
    asyncio.run(_admit(settings, deliveries))
    with running(place, settings, [UP]) as towpath, _reading(settings) as number:
        before = cpu_seconds(towpath.pids)
        wait_for(lambda: not number(_LEFT), PATIENCE, "the backlog is worked off", pause=0.1)
        return _row("a backlog", place, towpath, number, deliveries, _FROM_FIRST_RUN, before)


async def _admit(settings: Settings, deliveries: int) -> None:
    bodies = [event_of("backlog", number) for number in range(1, deliveries + 1)]
    async with open_house(settings, connect=False) as house:
        for start in range(0, deliveries, SHARE):
            for answer in await house.operations.ingest(bodies[start : start + SHARE]):
                if answer.error is not None:
                    raise answer.error


def _over_http(place: Place, deliveries: int) -> Row:
    settings = set_up(place)
    key = asyncio.run(make_key(settings))
    place.shop.set_up(orders=deliveries)
    with running(place, settings, [UP]) as towpath, _reading(settings) as number:
        load = Load(address_of(towpath.processes[0]), key, deliveries, BATCH_CONNECTIONS, BATCH_EVENTS, "http")
        before = cpu_seconds(towpath.pids)
        sent = send(place, load)
        wait_for(lambda: not number(_LEFT), PATIENCE, "what came over HTTP is worked off")
        row = _row("fed over HTTP", place, towpath, number, deliveries, _FROM_FIRST_EVENT, before)
        return replace(row, extra=f"all answered after {sent.seconds:.1f} s, {sent.put_off} requests put off")


def _row(how: str, place: Place, towpath: Towpath, number: Number, deliveries: int, clock: str, before: float) -> Row:
    """The figures, once nothing is left to do; raises NotDoneError."""
    used, memory = cpu_seconds(towpath.pids) - before, largest_mb(towpath.pids)
    done, calls = number(_DONE), int(place.shop.counters()["total_calls"])
    if done != deliveries or calls != deliveries:
        raise NotDoneError(f"Of {deliveries} deliveries {done} are done, with {calls} calls.")
    per_second = deliveries / (number(clock) / 1e6)
    return Row(f"journal, SQLite: {how}", per_second, used / deliveries * 1000, calls / deliveries, memory_mb=memory)


@contextmanager
def _reading(settings: Settings) -> Iterator[Number]:
    """The one number of a query, from the file beside the process that works on it."""
    path = settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, isolation_level=None)) as connection:
        yield lambda statement: int(connection.execute(statement).fetchone()[0])


def _floor(shop: BenchShop, folder: Path, deliveries: int) -> Row:
    """A bare loop in this process: the calls, and a thread that commits what is finished."""
    seconds, used = asyncio.run(_Loop(folder / "floor.db", deliveries).run(shop.url))
    return Row("a bare loop of calls and log rows (the floor)", deliveries / seconds, used / deliveries * 1000, 1.0)


class _Loop:
    """:data:`IN_FLIGHT` calls at once; no commit waits for more than what is finished."""

    def __init__(self, path: Path, deliveries: int) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _TABLE):
            self._connection.execute(statement)
        self._rest = iter(range(1, deliveries + 1))
        self._left = deliveries
        self._finished: list[tuple[Any, ...]] = []
        self._some = asyncio.Event()

    async def run(self, url: str) -> tuple[float, float]:
        """Seconds and CPU seconds it took."""
        headers = {"X-API-TOKEN": "bench-token", "accept": "application/json", "content-type": "application/json"}
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(url, headers=headers, connector=connector) as session:
            began, cpu = time.perf_counter(), time.process_time()
            await asyncio.gather(self._commit(), *(self._work(session) for _ in range(IN_FLIGHT)))
            taken = time.perf_counter() - began, time.process_time() - cpu
        self._connection.close()
        return taken

    async def _work(self, session: aiohttp.ClientSession) -> None:
        for number in self._rest:
            began = time.time_ns()
            body = json.dumps({"order": {"status": "in_progress"}}).encode()
            async with session.put(f"/api/v2.7.0/orders/{number}", data=body) as answer:
                order = json.loads(await answer.read())
            call = json.dumps([{"method": "PUT", "status": answer.status, "ms": (time.time_ns() - began) // 1_000_000}])
            said = f"Order {order['order_id']} is now {order['status']} in the shop."
            self._finished.append((str(uuid.uuid4()), began, time.time_ns(), str(number), "Done", said, call))
            self._some.set()

    async def _commit(self) -> None:
        while self._left:
            await self._some.wait()
            self._some.clear()
            rows, self._finished = self._finished, []
            await asyncio.to_thread(self._write, rows)
            self._left -= len(rows)

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
