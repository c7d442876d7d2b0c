"""Servers that somebody else runs and that the environment names; used, never stopped."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from tests.services.postgresql import Databases
from tests.services.rabbitmq import VhostPool

AMQP_VARIABLE = "TOWPATH_TEST_AMQP_URL"
DATABASE_VARIABLE = "TOWPATH_TEST_DATABASE_URL"
CONTROL_VARIABLE = "TOWPATH_TEST_RABBITMQCTL"


class NotOursError(Exception):
    """The test needs what must not be done to a server not started here; the message says what to set."""


class ExternalRabbit:
    """The RabbitMQ of TOWPATH_TEST_AMQP_URL; virtual hosts are made with TOWPATH_TEST_RABBITMQCTL."""

    running = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.vhosts = VhostPool(self.rabbitmqctl, url, unquote(urlsplit(url).username or "guest"))

    def rabbitmqctl(self, *arguments: str, stdin: str = "") -> str:
        """Run the rabbitmqctl that the environment names; raises NotOursError when it names none."""
        command = os.environ.get(CONTROL_VARIABLE)
        if not command:
            raise NotOursError(
                f"{AMQP_VARIABLE} is set, so virtual hosts are made with the command in {CONTROL_VARIABLE}, "
                "for example 'docker exec -i mq rabbitmqctl'; set it or unset both"
            )
        done = subprocess.run(
            [*shlex.split(command), "-q", *arguments], input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout

    def crash(self) -> NoReturn:
        """Always raises NotOursError."""
        raise NotOursError(f"{AMQP_VARIABLE} is set: that server is not ours to kill; unset it")

    restart = crash

    def close(self) -> None:
        """Remove the virtual hosts made here."""
        self.vhosts.remove_all()


class ExternalPostgres:
    """The PostgreSQL of TOWPATH_TEST_DATABASE_URL; its user must be allowed to create databases."""

    running = True

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in {"postgresql", "postgresql+psycopg"}:
            raise NotOursError(f"{DATABASE_VARIABLE} must begin with postgresql:// or postgresql+psycopg://")
        self.url = f"postgresql+psycopg://{rest}"
        self.databases = Databases(self.url)

    def crash(self) -> NoReturn:
        """Always raises NotOursError."""
        raise NotOursError(f"{DATABASE_VARIABLE} is set: that server is not ours to kill; unset it")

    restart = crash

    def close(self) -> None:
        """Nothing to do: databases are dropped one by one."""
