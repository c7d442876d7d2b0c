"""Chooses where the real servers come from.

In this order: the server that the environment names, a container when a Docker engine answers, a private
server from installed binaries, the same after installing them (root on Debian only). Otherwise
ServiceMissingError says how to get one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.services import install
from tests.services.external import AMQP_VARIABLE, DATABASE_VARIABLE, ExternalPostgres, ExternalRabbit
from tests.services.postgresql import Databases, find_postgresql, start_postgresql
from tests.services.process import ServerFailedError
from tests.services.rabbitmq import VhostPool, find_rabbitmq, start_rabbitmq


class ServiceMissingError(Exception):
    """There is no such server on this machine and no way to get one; the message says what would help."""


class Service(Protocol):
    """What every server can do, wherever it comes from."""

    url: str

    @property
    def running(self) -> bool:
        """True while the server lives."""

    def crash(self) -> None:
        """Kill it with SIGKILL; raises NotOursError when it was not started here."""

    def restart(self) -> None:
        """Start it again at the same address with the same data."""

    def close(self) -> None:
        """End it and remove everything it kept, if it was started here."""


class Rabbit(Service, Protocol):
    """A RabbitMQ server; `url` is the AMQP URL of its default virtual host."""

    vhosts: VhostPool

    def rabbitmqctl(self, *arguments: str, stdin: str = "") -> str:
        """Run rabbitmqctl against it and return what it prints."""


class Postgres(Service, Protocol):
    """A PostgreSQL server; `url` is the SQLAlchemy URL of its administration database."""

    databases: Databases


def provide_rabbitmq() -> Rabbit:
    """A RabbitMQ server that answers; raises ServiceMissingError or ServerFailedError."""
    url = os.environ.get(AMQP_VARIABLE)
    if url:
        return ExternalRabbit(url)
    if _docker_answers():
        from tests.services.containers import ContainerRabbit

        return ContainerRabbit()
    _make_sure("RabbitMQ", "rabbitmq-server", find_rabbitmq, AMQP_VARIABLE)
    return start_rabbitmq()


def provide_postgresql() -> Postgres:
    """A PostgreSQL server that answers; raises ServiceMissingError or ServerFailedError."""
    url = os.environ.get(DATABASE_VARIABLE)
    if url:
        return ExternalPostgres(url)
    if _docker_answers():
        from tests.services.containers import ContainerPostgres

        return ContainerPostgres()
    _make_sure("PostgreSQL", "postgresql", find_postgresql, DATABASE_VARIABLE)
    return start_postgresql()


def _docker_answers() -> bool:
    from tests.services.containers import engine_answers

    return engine_answers()


def _make_sure(name: str, package: str, found: Callable[[], Path | None], variable: str) -> None:
    if found():
        return
    trouble = ""
    if install.can_install():
        try:
            install.install(package, found)
        except ServerFailedError as error:
            trouble = f" ({error})"
        if found():
            return
    raise ServiceMissingError(
        f"{name} is missing{trouble}. Install it "
        f"(Debian: apt-get install --no-install-recommends {package}), "
        f"or start a Docker engine, or set {variable}."
    )
