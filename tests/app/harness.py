"""Towpath as a service manager runs it: processes with an environment, killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from app.house import House, open_house
from app.settings import Settings
from broker.operations import LogFilter, LogRow, NewChannel, Statistics
from broker.topology import DEAD, INBOX, UNROUTED, job_queue
from domain.channels import ChannelSettings
from domain.errors import StorageUnavailable
from domain.jobs import JOB_TYPES
from domain.mappings import CarrierMapping
from domain.moments import to_micros, utc_now
from domain.periods import Period
from storage.database import Database
from storage.schema import upgrade
from tests.app.forkserver import Forked, fork_server
from tests.app.shop import ROOT, SandboxShop

T = TypeVar("T")

ACCOUNT, CHANNEL = "acme", "bright-main"
CRASHED = 137
QUEUES = (INBOX, UNROUTED, DEAD, *map(job_queue, JOB_TYPES))
PACE = ChannelSettings(calls_per_second=400, burst=100)


def eventually(condition: Callable[[], bool], seconds: float, hope: str) -> None:
    """Wait until the condition holds; a database or a process that is away just now does not hold it."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(StorageUnavailable, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {hope}"
        time.sleep(0.03)


class Child:
    """One ``python -m app …`` with its log; forked from a process that has loaded it already, unless ``anew``."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        module: str = "app",
        anew: bool = False,
    ) -> None:
        self.log = log
        self.name = " ".join(arguments)
        self._process: subprocess.Popen[bytes] | Forked
        with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            if not anew:
                streams = nothing.fileno(), output.fileno(), output.fileno()
                self._process = fork_server().start(module, arguments, environment, log.parent, streams)
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=dict(environment),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def text(self) -> str:
        """Its log so far, with that of earlier processes of the same name."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def works(self) -> Child:
        """Itself, once it has its lease and works."""
        eventually(lambda: '"event": "started"' in self.text(), 30, f"{self.name} works")
        return self

    def wait(self, seconds: float = 30.0) -> int:
        """The exit code, once it has ended by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end in {seconds:.0f} s:\n{self.text()[-3000:]}") from None

    def kill(self) -> None:
        """``kill -9``."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM, and the exit code; killed where that does not end it."""
        if self.alive:
            self._process.terminate()
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop on SIGTERM:\n{self.text()[-3000:]}") from None


@dataclass
class Office:
    """An operator's view of the ledger from outside, for tests that are no coroutines."""

    house: House
    run: Callable[[Any], Any]
    key: str = ""

    def ask(self, awaitable: Awaitable[T]) -> T:
        """Wait for an answer of the operator surface."""
        answer: T = self.run(awaitable)
        return answer

    def numbers(self) -> Statistics:
        """Numbers of the whole installation."""
        return self.ask(self.house.operations.desk.statistics())

    def logs(self, **wanted: Any) -> Sequence[LogRow]:
        """Sync log rows, newest first."""
        return self.ask(self.house.operations.desk.logs(LogFilter(**{"limit": 5000, **wanted})))

    def sql(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Rows that a statement answers, straight from the database; changes are committed."""

        def work(connection: Connection) -> list[tuple[Any, ...]]:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

        return self.house.database.write(work)


@dataclass
class Stack:
    """One way to run Towpath: its settings, its shop and its processes."""

    name: str
    settings: Settings
    folder: Path
    shop: SandboxShop
    children: list[Child] = field(default_factory=list)
    _offices: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def embedded(self) -> bool:
        """Whether the journal is the broker."""
        return self.settings.embedded

    def environment(self, **more: str) -> dict[str, str]:
        """What its processes are started with."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "TOWPATH_BROKER_URL": self.settings.broker_url.get_secret_value(),
            "TOWPATH_DATABASE_URL": self.settings.database,
            "TOWPATH_DATA_DIR": str(self.settings.data_dir),
            "TOWPATH_ALLOWED_HOSTS": self.settings.allowed_hosts,
            "TOWPATH_LOG_FORMAT": "json",
            **more,
        }

    def start(self, *arguments: str, **environment: str) -> Child:
        """Start ``python -m app`` with these arguments; roles that serve take a free port."""
        return self.start_module("app", arguments, environment)

    def start_module(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], *, anew: bool = False
    ) -> Child:
        """As :meth:`start`, for any module.

        With ``anew`` it loads everything by itself, as a service manager would start it, which takes a second more.
        """
        serves = {"up", "serve"} & set(arguments) and "--port" not in arguments
        chosen = [*arguments, "--port", "0"] if serves else list(arguments)
        log = self.folder / f"{'-'.join(arguments)}-{len(self.children)}.log"
        child = Child(chosen, self.environment(**environment), log, module=module, anew=anew)
        self.children.append(child)
        return child

    def command(
        self, *arguments: str, stdin: bytes = b"", patience: float = 60.0, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run one command of ``python -m app`` to its end; whatever it started ends with it."""
        with TemporaryFile() as given, TemporaryFile() as said, TemporaryFile() as errors:
            given.write(stdin)
            given.seek(0)
            streams = given.fileno(), said.fileno(), errors.fileno()
            process = fork_server().start("app", arguments, self.environment(**environment), self.folder, streams)
            try:
                code = process.wait(patience)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            said.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, code, said.read(), errors.read())

    def office(self) -> Office:
        """The operator's view; opened on first use."""
        runner = self._offices.enter_context(asyncio.Runner())
        opened = open_house(self.settings, connect=False)

        async def enter() -> House:
            return await opened.__aenter__()

        async def leave() -> None:
            await opened.__aexit__(None, None, None)

        house = runner.run(enter())
        self._offices.callback(lambda: runner.run(leave()))

        def run(awaitable: Any) -> Any:
            async def wait() -> Any:
                return await awaitable

            return runner.run(wait())

        return Office(house, run)

    def close(self) -> None:
        """End everything; a process that cannot be stopped in order is killed."""
        for child in self.children:
            if child.alive:
                child.kill()
        self._offices.close()


def address_of(child: Child) -> str:
    """Where a process listens, by its log."""
    found: list[str] = []

    def listens() -> bool:
        found[:] = re.findall(r"http://127\.0\.0\.1:\d+", child.text())
        assert found or child.alive, child.text()[-3000:]
        return bool(found)

    eventually(listens, 30, f"{child.name} listens")
    return found[-1]


def set_up(stack: Stack, token: str = "sandbox-read-write") -> Office:
    """What an operator does on the first day; the office has the account's key."""
    _copy_of_an_empty_ledger(stack.settings)
    database = Database(stack.settings.database, exclusive=False)
    try:
        database.write(upgrade)
    finally:
        database.close()
    office = stack.office()
    desk = office.house.operations.desk
    if not stack.embedded:
        office.ask(_declare(office.house))
    office.ask(desk.create_account(office.ask(desk.create_organization("Acme")), ACCOUNT, "Acme", "UTC"))
    new = NewChannel(ACCOUNT, CHANNEL, "Shop", "bright_sites", stack.shop.domain, token, PACE)
    office.ask(office.house.operations.create_channel(new))
    for method, carrier in (("UPS Ground", "UPS"), ("*", "any")):
        row = CarrierMapping(method, "", carrier, "")
        office.ask(office.house.operations.mappings.save(ACCOUNT, CHANNEL, row, "tester"))
    office.key = office.ask(desk.create_key(ACCOUNT, ["events:write", "read", "operate"])).secret
    return office


def _copy_of_an_empty_ledger(settings: Settings) -> None:
    """Where SQLite's file in the data folder is not there yet: copying a migrated one is quicker than migrating."""
    from tests.house import sqlite_url

    folder = settings.data_dir
    if settings.embedded and settings.database_url is None and not (folder / "towpath.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        sqlite_url(folder)


def schedule_in_the_past(office: Office) -> None:
    """A schedule that became due a second ago.

    A timer fires the newest instant that passed. The instants of this period lie twelve hours from now, whenever that
    is, so the due instant is the one set here, and no other comes during the test.
    """
    period = Period(f"daily@{utc_now() + timedelta(hours=12):%H:%M}")
    office.ask(office.house.operations.set_schedule(ACCOUNT, CHANNEL, "order_import", period))
    office.sql("UPDATE schedules SET next_due = :due", due=to_micros(utc_now()) - 1_000_000)


def ticks(office: Office) -> int:
    """How many ticks came in."""
    return int(office.sql("SELECT count(*) FROM messages WHERE trigger = 'schedule'")[0][0])


async def _declare(house: House) -> None:
    await house.transport.start()
    try:
        await house.transport.declare()
    finally:
        await house.transport.close()


@contextlib.contextmanager
def stack_of(name: str, settings: Settings, folder: Path, shop: SandboxShop) -> Iterator[Stack]:
    """A stack whose processes end with it."""
    made = Stack(name, settings, folder, shop)
    try:
        yield made
    finally:
        made.close()
