"""Version 0010 on a database in use: what erasing goes by is known of every order and announcement that is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from domain.moments import to_micros
from storage.database import Database
from storage.directory import Directory
from storage.schema import VERSIONS, config, present, upgrade
from storage.vault import Vault
from tests.storage.support import START

ORDERS = {"1": "shipped", "2": "paid"}
ROWS = (
    "INSERT INTO organizations (id, name, created_at) VALUES ('o-1', 'Org', 0)",
    "INSERT INTO accounts (id, organization_id, code, name, timezone, created_at) "
    "VALUES ('a-1', 'o-1', 'acme', 'Acme', 'Europe/Berlin', 0)",
    "INSERT INTO channels (id, account_id, code, name, platform, domain, token, settings, created_at) "
    "VALUES ('c-1', 'a-1', 'main', 'x', 'bright_sites', 'shop.example.com', 't', '{\"stock_buffer\": 3}', 0)",
    "INSERT INTO schedules (id, account_id, channel_id, job_type, period) "
    "VALUES ('s-1', 'a-1', 'c-1', 'order_import', '1h')",
    "INSERT INTO messages (id, account_id, source, event_id, type, business_key, trigger, received_at, digest, body) "
    "VALUES ('m-1', 'a-1', 'test', 'e-1', 'order.created', '1', 'event', 0, :body, :body)",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of version 0005 with an account, a channel, a schedule, messages, orders and announcements."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")

    def furnish(connection: Connection) -> None:
        command.upgrade(config(connection), "0005")
        for statement in ROWS:
            connection.execute(text(statement), {"body": b"{}"} if ":body" in statement else {})
        for number, status in ORDERS.items():
            document = json.dumps({"created_at": START.isoformat()})
            order = (
                "INSERT INTO orders (channel_id, external_order_id, account_id, updated_at, status, document, "
                "recorded_at) VALUES ('c-1', :number, 'a-1', 7, :status, :document, 0)"
            )
            connection.execute(text(order), {"number": number, "status": status, "document": document})
            told = (
                "INSERT INTO outbox (id, account_id, channel, type, routing_key, body, created_at) "
                "VALUES (:number, 'a-1', 'main', 'order.imported', 'x', :body, 0)"
            )
            connection.execute(text(told), {"number": number, "body": json.dumps({"subject": number}).encode()})

    made = Database(url)
    made.write(furnish)
    yield made
    made.close()


def test_orders_are_dated_and_announcements_named(database: Database) -> None:
    database.write(upgrade)

    def look(connection: Connection) -> tuple[list[tuple[object, ...]], list[str]]:
        query = "SELECT external_order_id, created_at, closed_at, erased_at FROM orders ORDER BY external_order_id"
        keys = list(connection.scalars(text("SELECT order_key FROM outbox ORDER BY seq")))
        return [tuple(row) for row in connection.execute(text(query))], keys

    placed = to_micros(START)
    assert database.read(look) == ([("1", placed, 7, None), ("2", placed, None, None)], ["1", "2"])


def test_a_channel_makes_its_calls_as_before_and_keeps_its_data(database: Database) -> None:
    database.write(upgrade)
    directory = Directory(Vault([b"k" * 32]))
    channel = database.read(directory.everything).by_id["c-1"]
    assert (channel.token_version, channel.renews, channel.held) == (0, False, False)
    assert (channel.settings.stock_buffer, channel.settings.pii_retention_days) == (3, None)
    jobs = database.read(lambda connection: list(connection.scalars(text("SELECT job_type FROM schedules"))))
    assert jobs == ["order_import"]


def test_it_can_be_taken_back(database: Database) -> None:
    database.write(upgrade)
    database.write(lambda connection: command.downgrade(config(connection), "0005"))
    assert database.read(present) == "0005"
    assert database.write(upgrade)[1] == VERSIONS[-1]
