"""A database that is away fills no log: whoever waits for it says so, and the database itself says it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from domain.errors import StorageUnavailable
from storage import outages
from storage.database import Database

NOBODY = "postgresql+psycopg://nobody@127.0.0.1:1/none"


@pytest.fixture
def away() -> Iterator[Database]:
    with closing(Database(NOBODY, writers=2)) as database:
        yield database


def told(database: Database, times: int) -> int:
    """How many lines so many pieces of work lead to."""
    with capture_logs() as lines:
        for number in range(times):
            ask = database.write if number % 2 else database.read
            with pytest.raises(StorageUnavailable):
                ask(lambda connection: connection.execute(text("SELECT 1")))
    return len([line for line in lines if line["event"] == "database_unavailable"])


def test_however_much_meets_a_database_that_is_away_it_is_told_once_in_a_while(
    away: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(away, 10) == 1
    monkeypatch.setattr(outages, "AGAIN_SECONDS", 0.0)
    assert told(away, 3) == 3
