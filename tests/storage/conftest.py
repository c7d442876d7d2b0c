"""Every test that touches SQL runs on SQLite and on PostgreSQL: ``site`` and ``database_url`` come in both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from storage.schema import upgrade
from tests.services.provide import Postgres
from tests.storage.support import Site

Opened = Callable[[], Site]


def _upgraded(url: str) -> str:
    database = Database(url)
    try:
        database.write(upgrade)
    finally:
        database.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    _upgraded(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_emptied(postgresql_session: Postgres) -> Iterator[str]:
    """A PostgreSQL database with the newest schema that all tests of this room use one after the other."""
    url = postgresql_session.databases.create()
    yield _upgraded(url)
    postgresql_session.databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the newest schema and no rows."""
    if request.param == "sqlite":
        path = tmp_path / "towpath.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    request.getfixturevalue("postgresql_server")
    url: str = request.getfixturevalue("postgresql_emptied")
    with psycopg.connect(_plain(url)) as connection:
        _empty(connection)
    return url


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def _tables(connection: psycopg.Connection) -> list[str]:
    """All but the schema version."""
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return [name for (name,) in found if name != "alembic_version"]


def _copied(connection: psycopg.Connection, table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
        return b"".join(copy)


def _empty(connection: psycopg.Connection) -> None:
    """Delete all rows but the schema version. For a few rows this is quicker than TRUNCATE."""
    deletes = [f"DELETE FROM {name};" for name in _tables(connection)]
    connection.execute("".join(["SET session_replication_role = replica;", *deletes]).encode())


def _furnish(url: str) -> dict[str, str]:
    made = Site(Database(url, exclusive=False))
    try:
        made.furnish()
    finally:
        made.database.close()
    return made.channels


def _refurnish(url: str, furnished: Furnished) -> Mapping[str, str]:
    """Let there be what :meth:`Site.furnish` wrote and nothing else; the ids of the channels."""
    with psycopg.connect(_plain(url)) as connection:
        _empty(connection)
        for table, rows in furnished.rows.items():
            with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                copy.write(rows)
    return furnished.channels


@pytest.fixture
def open_site(database_url: str) -> Iterator[Opened]:
    """Opens further sites on the same database, as other processes would; closed after the test."""
    opened: list[Site] = []

    def open_one() -> Site:
        site = Site(Database(database_url, exclusive=False))
        opened.append(site)
        return site

    yield open_one
    for site in opened:
        site.database.close()


@dataclass(frozen=True, slots=True)
class Furnished:
    """What :meth:`Site.furnish` writes, kept from its first time: the ids of the channels, and the rows by table."""

    channels: Mapping[str, str]
    rows: Mapping[str, bytes]


@pytest.fixture(scope="session")
def sqlite_furnished(sqlite_template: Path) -> tuple[Path, Mapping[str, str]]:
    """A furnished SQLite file to be copied, and the ids of its channels."""
    path = Path(shutil.copy(sqlite_template, sqlite_template.with_name("furnished.db")))
    return path, _furnish(f"sqlite:///{path}")


@pytest.fixture(scope="session")
def postgresql_furnished(postgresql_emptied: str) -> Furnished:
    """The rows of a furnished database, to be written into an empty one."""
    with psycopg.connect(_plain(postgresql_emptied)) as connection:
        _empty(connection)
    channels = _furnish(postgresql_emptied)
    with psycopg.connect(_plain(postgresql_emptied)) as connection:
        return Furnished(
            channels, {table: rows for table in _tables(connection) if (rows := _copied(connection, table))}
        )


@pytest.fixture
def site(request: pytest.FixtureRequest, database_url: str, open_site: Opened) -> Site:
    """A furnished database."""
    channels: Mapping[str, str]
    if database_url.startswith("sqlite"):
        path, channels = request.getfixturevalue("sqlite_furnished")
        shutil.copy(path, database_url.removeprefix("sqlite:///"))
    else:
        channels = _refurnish(database_url, request.getfixturevalue("postgresql_furnished"))
    made = open_site()
    made.channels = dict(channels)
    return made


@pytest.fixture
def postgresql_site(postgresql_server: Postgres, postgresql_emptied: str) -> Iterator[Site]:
    """A furnished database for what only row locks can show."""
    with psycopg.connect(_plain(postgresql_emptied)) as connection:
        _empty(connection)
    made = Site(Database(postgresql_emptied))
    made.furnish()
    yield made
    made.database.close()
