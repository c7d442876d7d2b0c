"""The private PostgreSQL server: a database for each test, and committed means committed under a kill."""

from __future__ import annotations

import psycopg

from tests.services.provide import Postgres


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def test_a_row_committed_before_a_kill_is_there_after_the_restart(
    postgresql_server: Postgres, postgresql_database: str
) -> None:
    with connect(postgresql_database) as connection:
        connection.execute("CREATE TABLE kept (number text)")
        connection.execute("INSERT INTO kept VALUES ('4711')")
    postgresql_server.crash()
    assert not postgresql_server.running
    postgresql_server.restart()
    with connect(postgresql_database) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [("4711",)]


def test_a_fresh_database_is_empty(postgresql_database: str) -> None:
    with connect(postgresql_database) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert found == (0,)


def test_a_database_goes_away_although_a_connection_is_open(postgresql_server: Postgres) -> None:
    url = postgresql_server.databases.create()
    with connect(url):
        postgresql_server.databases.drop(url)
    with connect(postgresql_server.url) as connection:
        names = {name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()}
    assert url.rpartition("/")[2] not in names
