"""What every measurement runs on: RabbitMQ, PostgreSQL with fsync, and the shop that answers at once."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from bench.processes import Process
from tests.services.external import DATABASE_VARIABLE
from tests.services.postgresql import find_postgresql, start_postgresql
from tests.services.provide import Postgres, Rabbit, ServiceMissingError, provide_postgresql, provide_rabbitmq

ROOT = Path(__file__).resolve().parent.parent
SYNCHRONOUS = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True, slots=True)
class BenchShop:
    """The shop process; ``domains`` are host:port, one per port it listens on."""

    process: Process
    domains: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.domains[0]

    @property
    def url(self) -> str:
        """``http://host:port`` without a slash at the end."""
        return f"http://{self.domain}"

    def set_up(
        self, *, orders: int = 0, products: int = 0, skus: int = 1, delay_ms: float = 0, moods: Sequence[str] = ()
    ) -> None:
        """Forget everything; from now on there are orders 1..n, and products 1..p with ``skus`` stock rows each.

        ``moods`` has one word per domain: empty, ``throttle`` (everything is answered with 429) or ``hang``.
        """
        wish = {"orders": orders, "products": products, "skus": skus, "delay_ms": delay_ms, "moods": list(moods)}
        self._ask("", wish)

    def counters(self) -> dict[str, Any]:
        """``calls`` by route, ``total_calls``, ``shipments``, ``duplicates``, ``stock_writes``, ``skus_written``, …"""
        counters: dict[str, Any] = self._ask("")
        return counters

    def stock(self) -> dict[str, int]:
        """The quantity of every SKU that was written since it was set up."""
        stock: dict[str, int] = self._ask("/stock")
        return stock

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_bench{path}", data, 60) as answer:  # noqa: S310 - our own address
            return json.loads(answer.read())


@dataclass(frozen=True, slots=True)
class Place:
    """A virtual host and a database nobody has used yet, the shop, and a folder for logs.

    ``database_url`` is a SQLAlchemy URL, ``dsn`` the same for drivers. ``commit_times`` says whether the database
    knows when each row was committed (``pg_xact_commit_timestamp``).
    """

    broker_url: str
    database_url: str
    shop: BenchShop
    folder: Path
    commit_times: bool = False

    @property
    def dsn(self) -> str:
        return self.database_url.replace("+psycopg", "", 1)


@dataclass(slots=True)
class Services:
    """The servers of one run.

    ``quick`` asks for small counts (a smoke test); figures mean nothing then. ``rounds`` is how often each contender
    has its turn, so that load that comes and goes on the machine does not hit one of them alone.
    """

    rabbit: Rabbit
    postgres: Postgres
    folder: Path
    quick: bool = False
    commit_times: bool = False
    rounds: int = 1
    _places: int = field(default=0)

    def count(self, full: int, quick: int) -> int:
        """How many events to measure."""
        return quick if self.quick else full

    @contextlib.contextmanager
    def place(self, *, ports: int = 1) -> Iterator[Place]:
        """Fresh virtual host, fresh database, fresh shop with ``ports`` domains; database and shop end with it."""
        self._places += 1
        folder = self.folder / f"place-{self._places}"
        folder.mkdir()
        broker = self.rabbit.vhosts.take().url
        database = self.postgres.databases.create()
        try:
            with shop(folder, ports) as made:
                yield Place(broker, database, made, folder, self.commit_times)
        finally:
            self.postgres.databases.drop(database)


@contextlib.contextmanager
def shop(folder: Path, ports: int = 1) -> Iterator[BenchShop]:
    """The shop as a process of its own."""
    command = [sys.executable, "-m", "bench.shop", "--ports", str(ports)]
    process = Process(command, plain_environment(), folder / "shop.log")
    try:
        process.wait_for_text("\n")
        urls = process.text().partition("listening on ")[2].split()
        yield BenchShop(process, tuple(url.removeprefix("http://") for url in urls))
    finally:
        process.stop()


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment without any setting of Towpath, and with this checkout importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


@contextlib.contextmanager
def open_services(*, quick: bool = False, rounds: int = 1) -> Iterator[Services]:
    """Servers named by the environment, in containers, or started from installed binaries (tests/services).

    Raises:
        ServiceMissingError: there is none, or PostgreSQL does not commit durably.
    """
    with contextlib.ExitStack() as closing:
        postgres = _postgresql()
        closing.callback(postgres.close)
        check_durable(postgres)
        rabbit = provide_rabbitmq()
        closing.callback(rabbit.close)
        folder = Path(closing.enter_context(TemporaryDirectory(prefix="towpath-bench-")))
        yield Services(rabbit, postgres, folder, quick, record_commit_times(postgres), rounds)


def _postgresql() -> Postgres:
    if os.environ.get(DATABASE_VARIABLE) or _docker_answers():
        return provide_postgresql()
    if find_postgresql() is None:
        provide_postgresql().close()  # installs it, or says what would help
    return start_postgresql(fsync=True)


def _docker_answers() -> bool:
    from tests.services.containers import engine_answers  # noqa: PLC0415 - docker's client takes a while to import

    return engine_answers()


def check_durable(postgres: Postgres) -> None:
    """Make sure that commits reach the disk; raises ServiceMissingError with the setting that prevents it."""
    with psycopg.connect(postgres.url.replace("+psycopg", "", 1)) as connection:
        for name, wanted in SYNCHRONOUS.items():
            if (found := _setting(connection, name)) != wanted:
                raise ServiceMissingError(f"PostgreSQL has {name} = {found}; a measurement needs {wanted}.")


def record_commit_times(postgres: Postgres) -> bool:
    """Let PostgreSQL record when each row was committed, which takes a restart; whether it does.

    A server of somebody else is left as it is.
    """
    with psycopg.connect(postgres.url.replace("+psycopg", "", 1), autocommit=True) as connection:
        if _setting(connection, "track_commit_timestamp") == "on":
            return True
        if os.environ.get(DATABASE_VARIABLE):
            return False
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    postgres.restart()
    return True


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def query(place: Place, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of one statement on the place's database, committed."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        result = connection.execute(statement.encode(), values)
        return result.fetchall() if result.description else []


@contextlib.contextmanager
def counting(place: Place, statement: str) -> Iterator[Callable[[], int]]:
    """A function that answers the one number of a query, on a connection that stays open."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:

        def number() -> int:
            row = connection.execute(statement.encode()).fetchone()
            return int(row[0]) if row else 0

        yield number


def machine() -> str:
    """What the figures were measured on, in one line."""
    cores = len(os.sched_getaffinity(0))
    version = ".".join(map(str, sys.version_info[:3]))
    load = os.getloadavg()[0]
    return f"{cores} cores, Python {version}, {_kernel()}, load {load:.1f} before"


def _kernel() -> str:
    return subprocess.run(["uname", "-sr"], capture_output=True, text=True, check=True).stdout.strip()
