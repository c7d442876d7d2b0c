"""Who is measured: Towpath, its peers, and the floor, all behind the same few functions."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bench import publishing, towpath
from bench.measured import Row
from bench.processes import Process, wait_for
from bench.services import Place, Services, counting, plain_environment
from broker.topology import EVENTS, Topology, topology
from broker.transports.seam import Outgoing
from storage.database import Database
from storage.schema import upgrade

COMMITTED = "SELECT count(*) FROM sync_log"
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Contender:
    """``start`` opens its processes on a fresh place; ``message`` is an event as it takes it from ``shape``."""

    name: str
    shape: Topology
    message: Callable[[dict[str, Any]], Outgoing]
    start: Callable[[Place], AbstractContextManager[Sequence[Process]]]
    needs: str | None = None

    @property
    def installed(self) -> bool:
        """Whether its library is there (the extra ``bench``)."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    def publish(self, place: Place, events: Sequence[dict[str, Any]]) -> float:
        """Publish events, confirmed; the seconds it took."""
        return publishing.publish(place.broker_url, self.shape, [self.message(event) for event in events])


def wait_committed(place: Place, rows: int, seconds: float, pause: float = 0.02) -> None:
    """Wait until the log has so many rows; raises WaitedInVainError.

    The shop is asked first, which costs the database nothing, and the log only towards the end.
    """
    wait_for(lambda: int(place.shop.counters()["total_calls"]) >= rows, seconds, f"{rows} calls", pause=0.1)
    with counting(place, COMMITTED) as committed:
        wait_for(lambda: committed() >= rows, seconds, f"{rows} log rows", pause=pause)


@contextlib.contextmanager
def _towpath(place: Place) -> Iterator[Sequence[Process]]:
    with towpath.running(place, towpath.set_up(place)) as started:
        yield started.processes


@contextlib.contextmanager
def modules(place: Place, commands: Sequence[Sequence[str]]) -> Iterator[Sequence[Process]]:
    """Processes of ``python -m …`` on a log table like Towpath's and the one queue."""
    database = Database(place.database_url, exclusive=False)
    try:
        database.write(upgrade)
    finally:
        database.close()
    publishing.declare(place.broker_url)
    environment = plain_environment(BENCH_BROKER=place.broker_url, BENCH_DSN=place.dsn, BENCH_SHOP=place.shop.url)
    started: list[Process] = []
    try:
        for at, command in enumerate(commands):
            log = place.folder / f"{command[0].rpartition('.')[2]}-{at}.log"
            started.append(Process([sys.executable, "-m", *command], environment, log))
        yield started
    finally:
        for process in started:
            process.stop()


def _celery(place: Place) -> AbstractContextManager[Sequence[Process]]:
    options = ["--pool", "prefork", "--concurrency", str(WORKERS), "--loglevel", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return modules(place, [["celery", "--app", "bench.peers.celery_app", "worker", *options, *quiet]])


def _faststream(place: Place) -> AbstractContextManager[Sequence[Process]]:
    return modules(place, [["bench.peers.faststream_app"]] * WORKERS)


def _bare(place: Place) -> AbstractContextManager[Sequence[Process]]:
    return modules(place, [["bench.peers.bare_app"]] * WORKERS)


def _as_event(event: dict[str, Any]) -> Outgoing:
    key = f"{event['type']}.{event['account']}.{event['channel']}"
    return Outgoing(EVENTS, key, json.dumps(event).encode(), event["id"])


def _as_it_is(event: dict[str, Any]) -> Outgoing:
    return Outgoing(publishing.EXCHANGE, event["type"], json.dumps(event).encode(), event["id"])


def _as_task(event: dict[str, Any]) -> Outgoing:
    """Celery's message protocol 2: what ``export.delay(event)`` sends."""
    task = str(uuid.uuid4())
    headers = {
        "lang": "py",
        "task": "bench.export",
        "id": task,
        "root_id": task,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "eta": None,
        "expires": None,
        "timelimit": [None, None],
        "argsrepr": "",
        "kwargsrepr": "{}",
        "origin": "bench",
        "ignore_result": True,
    }
    body = json.dumps([[event], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()
    return Outgoing(publishing.EXCHANGE, "bench.export", body, task, headers=headers)


TOWPATH = Contender("Towpath", topology(), _as_event, _towpath)
CELERY = Contender(f"Celery, prefork {WORKERS}", publishing.SHAPE, _as_task, _celery, "celery")
FASTSTREAM = Contender(f"FastStream, {WORKERS} processes", publishing.SHAPE, _as_it_is, _faststream, "faststream")
BARE = Contender("the floor: bare libraries, no engine", publishing.SHAPE, _as_it_is, _bare)

CONTENDERS = (TOWPATH, CELERY, FASTSTREAM, BARE)
"""In the order of the table."""


def compare(services: Services, measure_one: Callable[[Services, Contender], Row], figure: str) -> list[Row]:
    """One row per contender whose library is there: of its rounds the one that is the median by ``figure``.

    They take turns: every contender has its first round before any has its second.
    """
    present = [each for each in CONTENDERS if each.installed]
    rounds = [[measure_one(services, each) for each in present] for _ in range(services.rounds)]
    return [
        sorted(rows, key=lambda row: float(getattr(row, figure)))[services.rounds // 2]
        for rows in zip(*rounds, strict=True)
    ]
