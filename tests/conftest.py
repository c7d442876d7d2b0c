"""Real servers for the tests: started on first use, one per run and worker, gone at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import NoReturn, TypeVar

import pytest

from storage.database import Database
from storage.schema import upgrade
from tests.services.external import NotOursError
from tests.services.provide import (
    Postgres,
    Rabbit,
    Service,
    ServiceMissingError,
    provide_postgresql,
    provide_rabbitmq,
)
from tests.services.rabbitmq import Vhost
from tests.sharing import long_ones_first

Server = TypeVar("Server", bound=Service)
SKIP_WORDS = "NOT TESTED, a server is missing: "
NEEDS = {"rabbitmq": "rabbitmq_session", "postgresql": "postgresql_session"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by the servers its fixtures need, so that ``-m "not rabbitmq"`` works; share them evenly."""
    for item in items:
        for marker, fixture in NEEDS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = long_ones_first(items, workers, lambda item: item.get_closest_marker("slow") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, loudly, what was not tested and what would help."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    for sentence in sorted({text[text.index(SKIP_WORDS) :].rstrip("')") for text in skipped if SKIP_WORDS in text}):
        terminalreporter.write_line(sentence, red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A test that must not be done to a server of somebody else is left out, and says so."""
    try:
        return (yield)
    except NotOursError as refusal:
        _leave_out(refusal)


def _leave_out(reason: Exception) -> NoReturn:
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{reason} (CI is set, so this is a failure)", pytrace=False)
    pytest.skip(f"{SKIP_WORDS}{reason}")


def _served(provide: Callable[[], Server]) -> Iterator[Server]:
    try:
        server = provide()
    except ServiceMissingError as missing:
        _leave_out(missing)
    yield server
    server.close()


def _ours(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        if not server.running:
            with suppress(NotOursError):
                server.restart()


@pytest.fixture(scope="session")
def rabbitmq_session() -> Iterator[Rabbit]:
    """The RabbitMQ server of this run."""
    yield from _served(provide_rabbitmq)


@pytest.fixture(scope="session")
def postgresql_session() -> Iterator[Postgres]:
    """The PostgreSQL server of this run."""
    yield from _served(provide_postgresql)


@pytest.fixture
def rabbitmq_server(rabbitmq_session: Rabbit) -> Iterator[Rabbit]:
    """The server with `crash()`, `restart()` and `rabbitmqctl()`; it runs again after the test."""
    yield from _ours(rabbitmq_session)


@pytest.fixture
def postgresql_server(postgresql_session: Postgres) -> Iterator[Postgres]:
    """The server with `crash()` and `restart()`; it runs again after the test."""
    yield from _ours(postgresql_session)


@pytest.fixture(scope="session")
def rabbitmq_url(rabbitmq_session: Rabbit) -> str:
    """AMQP URL of the default virtual host, shared by all tests; prefer `vhost`."""
    return rabbitmq_session.url


@pytest.fixture(scope="session")
def postgresql_url(postgresql_session: Postgres) -> str:
    """SQLAlchemy URL of the server's administration database; prefer `postgresql_database`."""
    return postgresql_session.url


@pytest.fixture
def vhost(rabbitmq_server: Rabbit) -> Vhost:
    """A virtual host nobody has used: `vhost.url`, `vhost.name`."""
    try:
        return rabbitmq_server.vhosts.take()
    except NotOursError as refusal:
        _leave_out(refusal)


@pytest.fixture
def postgresql_database(postgresql_server: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty database, dropped after the test even while connections are open."""
    databases = postgresql_server.databases
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def postgresql_template(postgresql_session: Postgres) -> Iterator[str]:
    """A database with the newest schema, to be copied: that is quicker than to migrate an empty one."""
    url = postgresql_session.databases.create()
    database = Database(url)
    try:
        database.write(upgrade)
    finally:
        database.close()
    yield url
    postgresql_session.databases.drop(url)


@pytest.fixture
def postgresql_ledger(postgresql_server: Postgres, postgresql_template: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh database with the newest schema and no rows; ends as ``postgresql_database`` does."""
    databases = postgresql_server.databases
    url = databases.create(postgresql_template)
    yield url
    databases.drop(url)
