"""Every test that touches SQL runs on SQLite and on PostgreSQL: ``site`` and ``database_url`` come in both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
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
    _empty(url)
    return url


def _empty(url: str) -> None:
    """Delete all rows but the schema version. For a few rows this is quicker than TRUNCATE."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        deletes = [f"DELETE FROM {name};" for (name,) in tables if name != "alembic_version"]
        connection.execute("".join(["SET session_replication_role = replica;", *deletes]).encode())


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


@pytest.fixture
def site(open_site: Opened) -> Site:
    """A furnished database."""
    made = open_site()
    made.furnish()
    return made


@pytest.fixture
def postgresql_site(postgresql_server: Postgres, postgresql_emptied: str) -> Iterator[Site]:
    """A furnished database for what only row locks can show."""
    _empty(postgresql_emptied)
    made = Site(Database(postgresql_emptied))
    made.furnish()
    yield made
    made.database.close()
