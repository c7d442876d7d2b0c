"""Engines: SQLite keeps its word through a power cut, PostgreSQL waits a bounded time, others are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from domain.errors import ConfigurationError
from storage.engine import make_engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_engine(f"sqlite:///{tmp_path}/towpath.db")


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30000)]
)
def test_every_sqlite_connection_is_set_to_lose_nothing(engine: Engine, pragma: str, value: object) -> None:
    with engine.connect() as first, engine.connect().execution_options(reading=True) as second:
        for connection in (first, second) if pragma == "journal_mode" else (first,):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
            connection.rollback()
    engine.dispose()


def test_a_writing_transaction_takes_the_write_lock_at_once_and_a_reading_one_does_not(
    engine: Engine, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "towpath.db", timeout=0, isolation_level=None)
    with engine.connect().execution_options(reading=True) as reading:
        reading.execute(text("SELECT 1"))
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    with engine.connect() as writing:
        writing.execute(text("SELECT 1"))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.close()
    engine.dispose()


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/deep/down/towpath.db")
    with engine.connect():
        assert (tmp_path / "deep/down/towpath.db").exists()
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="would forget everything"):
        make_engine(url)


def test_another_database_is_refused_with_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'mysql'; use sqlite:///FILE or postgresql://"):
        make_engine("mysql://host/database")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_postgresql_works_in_utc_and_waits_a_bounded_time(postgresql_emptied: str, scheme: str) -> None:
    engine = make_engine(postgresql_emptied.replace("postgresql+psycopg", scheme))
    with engine.connect() as connection:
        shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("timezone", "lock_timeout")}
    engine.dispose()
    assert shown == {"timezone": "UTC", "lock_timeout": "10s"}


def test_values_never_stand_in_errors(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(Exception, match="no such table") as caught:
        connection.execute(text("SELECT * FROM absent WHERE x = :secret"), {"secret": "hunter2"})
    engine.dispose()
    assert "hunter2" not in str(caught.value)
