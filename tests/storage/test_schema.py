"""The schema: upgraded once, equal to the tables in the code, and refused when it does not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from domain.errors import ConfigurationError
from storage.database import Database
from storage.metadata import metadata
from storage.schema import VERSIONS, ensure_current, present, upgrade


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database in which nothing is yet."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")
    database = Database(url)
    yield database
    database.close()


def test_an_empty_database_is_upgraded_to_the_newest_version(empty: Database) -> None:
    assert empty.read(present) is None
    assert empty.write(upgrade) == (None, VERSIONS[-1])
    assert empty.read(present) == VERSIONS[-1]
    empty.read(ensure_current)


def test_a_second_upgrade_changes_nothing(empty: Database) -> None:
    empty.write(upgrade)
    assert empty.write(upgrade) == (VERSIONS[-1], VERSIONS[-1])


def test_the_migrations_make_exactly_the_tables_of_the_code(empty: Database) -> None:
    empty.write(upgrade)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        return list(compare_metadata(context, metadata))

    assert empty.read(differences) == []
    names = empty.read(lambda connection: set(inspect(connection).get_table_names()))
    assert names == {*metadata.tables, "alembic_version"}


def test_an_upgrade_that_fails_leaves_nothing(empty: Database) -> None:
    def fail(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        empty.write(fail)
    assert empty.read(lambda connection: inspect(connection).get_table_names()) == []


def test_a_schema_of_a_newer_towpath_is_refused_and_left_alone(empty: Database) -> None:
    empty.write(upgrade)
    empty.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")).close())
    for work in (upgrade, ensure_current):
        with pytest.raises(ConfigurationError, match=r"9999.*newer") as caught:
            empty.write(work)
        assert caught.value.code == "schema_new"
    assert empty.read(present) == "9999"


def test_an_old_or_empty_schema_is_told_how_to_get_on(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"is empty; .*Run 'towpath db upgrade'") as caught:
        empty.read(ensure_current)
    assert caught.value.code == "schema_old"
    empty.write(upgrade)
    monkeypatch.setattr("storage.schema.VERSIONS", (*VERSIONS, "9999"))
    with pytest.raises(ConfigurationError, match=f"version {VERSIONS[-1]}; this Towpath needs 9999"):
        empty.read(ensure_current)


def test_two_upgrades_at_once_wait_for_each_other(empty: Database) -> None:
    url = empty.engine.url.render_as_string(hide_password=False)
    other = Database(url, exclusive=False)
    start = threading.Barrier(2, timeout=10)

    def work(connection: Connection) -> tuple[str | None, str]:
        return upgrade(connection)

    def begin(database: Database, into: list[tuple[str | None, str]]) -> None:
        start.wait()
        into.append(database.write(work))

    found: list[tuple[str | None, str]] = []
    threads = [threading.Thread(target=begin, args=(database, found)) for database in (empty, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    other.close()
    assert sorted(found, key=str) == [(VERSIONS[-1], VERSIONS[-1]), (None, VERSIONS[-1])]
