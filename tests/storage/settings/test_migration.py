"""Version 0007 on a database in use: channels do what they did, and their settings say where they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from domain.channels import ChannelSettings
from storage.database import Database
from storage.schema import config, present, upgrade

OLD = {
    "api_version": "2.7.0", "update_order_with_last_shipment": False, "stock_mode": "real_time",
    "stock_warehouses": [], "stock_buffer": 0, "stock_cap": None, "timezone": "UTC", "unmapped_carrier": "warn",
    "calls_per_second": 10.0, "burst": 20, "import_overlap_seconds": 300,
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of version 0005: account acme in Berlin with a channel that has a buffer and one that has nothing."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")

    def furnish(connection: Connection) -> None:
        command.upgrade(config(connection), "0005")
        connection.execute(text("INSERT INTO organizations (id, name, created_at) VALUES ('o-1', 'Org', 0)"))
        connection.execute(
            text(
                "INSERT INTO accounts (id, organization_id, code, name, timezone, created_at) "
                "VALUES ('a-1', 'o-1', 'acme', 'Acme', 'Europe/Berlin', 0)"
            )
        )
        channel = text(
            "INSERT INTO channels (id, account_id, code, name, platform, domain, token, settings, created_at) "
            "VALUES (:id, 'a-1', :id, 'x', 'bright_sites', :id, 't', :settings, 0)"
        )
        for name, settings in (("c-1", {**OLD, "stock_buffer": 3}), ("c-2", {**OLD, "timezone": "Europe/Berlin"})):
            connection.execute(channel, {"id": name, "settings": json.dumps(settings)})
        connection.execute(
            text(
                "INSERT INTO schedules (id, account_id, channel_id, job_type, period) "
                "VALUES ('s-1', 'a-1', 'c-2', 'product_import', '1h')"
            )
        )

    made = Database(url)
    made.write(furnish)
    yield made
    made.close()


def test_what_was_set_stays_set_on_its_channel_and_the_importing_channel_is_the_source(database: Database) -> None:
    database.write(upgrade)

    def look(connection: Connection) -> tuple[dict[str, object], str, list[str]]:
        rows = connection.execute(text("SELECT owner_id, CAST(chosen AS TEXT) AS chosen FROM own_settings")).all()
        source = connection.execute(text("SELECT product_source FROM accounts")).scalar_one()
        settings = list(connection.scalars(text("SELECT CAST(settings AS TEXT) FROM channels ORDER BY id")))
        return {row.owner_id: json.loads(row.chosen) for row in rows}, source, settings

    own, source, settings = database.read(look)
    assert own == {"c-1": {"stock_buffer": 3, "timezone": "UTC"}, "c-2": {"period.product_import": "1h"}}
    assert source == "c-2"
    assert ChannelSettings.model_validate_json(settings[0]).stock_buffer == 3


def test_it_can_be_taken_back(database: Database) -> None:
    database.write(upgrade)
    database.write(lambda connection: command.downgrade(config(connection), "0005"))
    assert database.read(present) == "0005"
    database.write(upgrade)
