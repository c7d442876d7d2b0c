"""Version 0004 on a database in use: what is there stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from storage.database import Database
from storage.schema import config, present, upgrade

ORGANIZATION = "INSERT INTO organizations (id, name, created_at) VALUES ('o-1', 'Org', 0)"
ACCOUNT = (
    "INSERT INTO accounts (id, organization_id, code, name, timezone, created_at) "
    "VALUES ('a-1', 'o-1', 'acme', 'Acme', 'UTC', 0)"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of version 0003 with an account in it."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")

    def furnish(connection: Connection) -> None:
        command.upgrade(config(connection), "0003")
        connection.execute(text(ORGANIZATION))
        connection.execute(text(ACCOUNT))

    made = Database(url)
    made.write(furnish)
    yield made
    made.close()


def test_accounts_stay_enabled_without_a_set_time(database: Database) -> None:
    database.write(upgrade)
    query = text("SELECT code, enabled, disable_at FROM accounts")
    (row,) = database.read(lambda connection: connection.execute(query).all())
    assert (row.code, bool(row.enabled), row.disable_at) == ("acme", True, None)


def test_it_can_be_taken_back(database: Database) -> None:
    database.write(upgrade)
    database.write(lambda connection: command.downgrade(config(connection), "0003"))
    assert database.read(present) == "0003"
    names = database.read(lambda connection: set(inspect(connection).get_table_names()))
    assert not names & {"users", "grants", "audit"}
    assert database.read(lambda connection: connection.execute(text("SELECT code FROM accounts")).scalar()) == "acme"
