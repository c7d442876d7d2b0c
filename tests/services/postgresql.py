"""A private PostgreSQL server from installed binaries: own port, own folder, works as root and as anybody."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql

from tests.services.process import (
    ServerFailedError,
    Workshop,
    free_port,
    unprivileged_account,
    wait_until,
)

START_SECONDS = 60.0
ATTEMPTS = 3
BINARY_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)
# A killed process loses nothing that it handed to the operating system, so these are safe under `crash()`;
# only a crash of the whole machine could tell the difference. Commits stay synchronous in either case.
FAST = ("-c", "fsync=off", "-c", "full_page_writes=off")


def find_postgresql() -> Path | None:
    """The folder with `initdb` and `postgres`, newest version first, or None when not installed."""
    for pattern in BINARY_FOLDERS:
        folders = (path for path in Path("/").glob(pattern) if (path / "initdb").exists())
        newest = max(folders, key=_version, default=None)
        if newest is not None:
            return newest
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _version(folder: Path) -> int:
    return int("".join(character for character in folder.parent.name if character.isdigit()) or 0)


class Databases:
    """Makes and drops databases on a server, whoever started it."""

    def __init__(self, url: str) -> None:
        self._admin = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._base, _, rest = url.rpartition("/")
        self._options = rest[rest.index("?") :] if "?" in rest else ""

    def create(self, template: str | None = None) -> str:
        """Create a database, empty or a copy of `template` (no connection to that may be open); its SQLAlchemy URL."""
        name = f"towpath_test_{uuid.uuid4().hex[:12]}"
        if template is None:
            self._execute("CREATE DATABASE {}", name)
        else:
            self._execute("CREATE DATABASE {} TEMPLATE {}", name, _name(template))
        return f"{self._base}/{name}{self._options}"

    def drop(self, url: str) -> None:
        """Drop a database made by `create`, closing the connections others still have to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", _name(url))

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._admin, autocommit=True, connect_timeout=10) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _name(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def answers_sql(url: str) -> bool:
    """True when the server takes a connection and answers a query; `url` is a SQLAlchemy URL."""
    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.Error:
        return False


class PostgresServer:
    """One private server. Use `start_postgresql()`; close it, or use it as a context manager."""

    def __init__(self, binaries: Path, *, fsync: bool) -> None:
        self._binaries = binaries
        self._options = () if fsync else FAST
        self._workshop = Workshop("postgresql", unprivileged_account("postgres", "nobody"))
        self._port = free_port()
        self._data = self._workshop.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"
        self.databases = Databases(self.url)

    @property
    def running(self) -> bool:
        """True while the server's process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def folder(self) -> Path:
        """Where the server keeps everything; gone after `close`."""
        return self._workshop.folder

    def start(self) -> None:
        """Start the server and wait until it answers SQL; does nothing when it runs."""
        if self.running:
            return
        if not self._data.exists():
            self._initialise()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", *self._options]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self._port), *options]
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._process = process = self._workshop.start(command, _environment(), "postgresql.log")
            ready = wait_until(lambda: process.poll() is not None or answers_sql(self.url), START_SECONDS)  # noqa: B023
            if ready and process.poll() is None:
                return
            told = self._workshop.tail("postgresql.log")
            # A killed server's backends may outlive it by a moment.
            if "is still in use" not in told or time.monotonic() > deadline:
                raise ServerFailedError(f"PostgreSQL did not start:\n{told}")
            time.sleep(0.1)

    def crash(self) -> None:
        """Kill the server and all its backends with SIGKILL."""
        if self._process is not None:
            self._workshop.kill(self._process)
            self._process = None

    def restart(self) -> None:
        """Start the server again on the same port with the same data, killing it first when it still runs."""
        self.crash()
        self.start()

    def close(self) -> None:
        """End the server and remove its folder. Can be called twice."""
        self._workshop.close()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _initialise(self) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
        done = self._workshop.run([*command, "-E", "UTF8", "--locale=C", "--no-sync"], _environment())
        if done.returncode:
            raise ServerFailedError(f"initdb failed:\n{done.stdout}{done.stderr}")


def start_postgresql(*, fsync: bool = False) -> PostgresServer:
    """Start a private server; raises ServerFailedError when it is not installed or three starts failed.

    `fsync` on is for measurements and claims about losing power; off is quicker and keeps all else.
    """
    binaries = find_postgresql()
    if binaries is None:
        raise ServerFailedError("PostgreSQL is not installed")
    for attempt in range(1, ATTEMPTS + 1):
        server = PostgresServer(binaries, fsync=fsync)
        try:
            server.start()
        except BaseException as error:
            server.close()
            if attempt == ATTEMPTS or not isinstance(error, ServerFailedError):
                raise
        else:
            return server
    raise AssertionError("unreachable")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
