"""Stacks to run Towpath on: the embedded default, and RabbitMQ with PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings import Settings
from tests.app.harness import Office, Stack, set_up, stack_of
from tests.app.shop import SandboxShop
from tests.services.rabbitmq import Vhost

EMBEDDED = pytest.param("embedded", id="journal-sqlite")
DISTRIBUTED = pytest.param(
    "distributed", id="rabbitmq-postgresql", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql]
)


@pytest.fixture(scope="session")
def shop_process() -> Iterator[SandboxShop]:
    """One sandbox shop for all tests; see ``shop``."""
    shop = SandboxShop()
    yield shop
    shop.stop()


@pytest.fixture
def shop(shop_process: SandboxShop) -> SandboxShop:
    """A shop in which nothing has happened yet."""
    shop_process.begin_again()
    return shop_process


@pytest.fixture
def embedded(tmp_path: Path, shop: SandboxShop) -> Iterator[Stack]:
    """Journal and SQLite, as on a fresh machine."""
    settings = Settings(data_dir=tmp_path / "data", allowed_hosts=shop.domain)
    with stack_of("embedded", settings, tmp_path, shop) as made:
        yield made


@pytest.fixture
def distributed(request: pytest.FixtureRequest, tmp_path: Path, shop: SandboxShop, vhost: Vhost) -> Iterator[Stack]:
    """RabbitMQ and PostgreSQL, for many processes; the database is empty unless there is an office to migrate it."""
    database = "postgresql_ledger" if "office" in request.fixturenames else "postgresql_database"
    settings = Settings(
        data_dir=tmp_path / "data",
        allowed_hosts=shop.domain,
        broker_url=SecretStr(vhost.url),
        database_url=SecretStr(request.getfixturevalue(database)),
    )
    with stack_of("distributed", settings, tmp_path, shop) as made:
        yield made


@pytest.fixture(params=[EMBEDDED, DISTRIBUTED])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Both, one after the other."""
    made = request.getfixturevalue(request.param)
    assert isinstance(made, Stack)
    return made


@pytest.fixture
def office(stack: Stack) -> Office:
    """The operator's view of ``stack``, with an account, a channel and a key."""
    return set_up(stack)
