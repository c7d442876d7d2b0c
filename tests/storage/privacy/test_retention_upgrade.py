"""Version 0012 on a database whose thresholds were put at version 0009, before anything erased by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from domain.moments import to_micros, utc_now
from storage.database import Database
from storage.schema import config, upgrade
from storage.settings import account_settings

CHANNELS = {
    "c-1": {"pii_retention_days": 90},
    "c-2": {"pii_retention_days": None},
    "c-3": {"pii_retention_days": 30},
    "c-gone": {"pii_retention_days": 30},
}
CHOSEN = {
    "a-1": {"pii_retention_days": 90, "stock_buffer": 3},
    "a-2": {"stock_buffer": 1},
    "c-3": {"pii_retention_days": 30, "period.pii_redaction": "none"},
}
DAY = 86_400_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of version 0009: an account with a threshold and one without, and channels of the first."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")

    def furnish(connection: Connection) -> None:
        command.upgrade(config(connection), "0009")
        connection.execute(text("INSERT INTO organizations (id, name, created_at) VALUES ('o-1', 'Org', 0)"))
        account = text(
            "INSERT INTO accounts (id, organization_id, code, name, timezone, created_at) "
            "VALUES (:id, 'o-1', :id, 'Acme', 'Europe/Berlin', 0)"
        )
        channel = text(
            "INSERT INTO channels (id, account_id, code, name, platform, domain, token, settings, created_at, "
            "deleted_at) VALUES (:id, 'a-1', :id, 'x', 'bright_sites', :id, 't', :settings, 0, :gone)"
        )
        own = text("INSERT INTO own_settings (owner_id, version, chosen) VALUES (:id, 1, :chosen)")
        for name in ("a-1", "a-2"):
            connection.execute(account, {"id": name})
        for name, settings in CHANNELS.items():
            gone = 1 if name == "c-gone" else None
            connection.execute(channel, {"id": name, "settings": json.dumps(settings), "gone": gone})
        for name, chosen in CHOSEN.items():
            connection.execute(own, {"id": name, "chosen": json.dumps(chosen)})

    made = Database(url)
    made.write(furnish)
    yield made
    made.close()


def test_the_threshold_of_an_account_counts_and_its_other_settings_stay(database: Database) -> None:
    database.write(upgrade)

    def look(connection: Connection) -> tuple[dict[str, int | None], dict[str, object]]:
        days = connection.execute(text("SELECT id, pii_retention_days FROM accounts ORDER BY id")).all()
        own = connection.execute(text("SELECT owner_id, CAST(chosen AS TEXT) AS chosen FROM own_settings")).all()
        return {row.id: row.pii_retention_days for row in days}, {row.owner_id: json.loads(row.chosen) for row in own}

    days, own = database.read(look)
    assert days == {"a-1": 90, "a-2": None}
    assert own == {**CHOSEN, "a-1": {"stock_buffer": 3}}
    held = database.read(lambda connection: account_settings.held(connection, "a-1"))
    assert (held.values["pii_retention_days"].value, held.values["stock_buffer"].value) == (90, 3)


def test_channels_with_a_threshold_have_their_night_unless_somebody_put_a_period(database: Database) -> None:
    database.write(upgrade)
    query = text("SELECT channel_id, account_id, job_type, period, next_due FROM schedules")
    (row,) = database.read(lambda connection: connection.execute(query).all())
    assert (row.channel_id, row.account_id, row.job_type) == ("c-1", "a-1", "pii_redaction")
    assert row.period.startswith("daily@0")
    now = to_micros(utc_now())
    assert now < row.next_due <= now + DAY + DAY // 24


def test_a_threshold_that_was_put_since_stays(database: Database) -> None:
    def put(connection: Connection) -> None:
        command.upgrade(config(connection), "0010")
        connection.execute(text("UPDATE accounts SET pii_retention_days = 7 WHERE id = 'a-1'"))

    database.write(put)
    database.write(upgrade)
    query = "SELECT pii_retention_days FROM accounts WHERE id = 'a-1'"
    days = database.read(lambda connection: connection.scalar(text(query)))
    assert days == 7
