"""The shipped RabbitMQ settings and users, on a real node with its management API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from tests.services.process import free_port, wait_until
from tests.services.provide import Rabbit
from tests.services.rabbitmq import RabbitServer, start_rabbitmq

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "rabbitmq"
QUEUE = "towpath.job.order_import"


@dataclass(frozen=True)
class Site:
    """A node with the shipped settings, its topology and both users."""

    node: RabbitServer
    environment: dict[str, str]

    def channel(self, user: str, password: str) -> pika.adapters.blocking_connection.BlockingChannel:
        url = self.node.url.replace("guest:guest", f"{user}:{password}")
        return pika.BlockingConnection(pika.URLParameters(url)).channel()


def run_users(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEPLOY / "users.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def site(rabbitmq_session: Rabbit) -> Iterator[Site]:
    if not isinstance(rabbitmq_session, RabbitServer):
        pytest.skip("the shipped settings are tried on a private node")
    port = free_port()
    management = f"management.tcp.port = {port}\nmanagement.tcp.ip = 127.0.0.1\n"
    settings = f"{(DEPLOY / 'rabbitmq.conf').read_text()}\n{management}"
    environment = {
        "PATH": os.environ["PATH"],
        "RABBITMQ_MANAGEMENT_URL": f"http://127.0.0.1:{port}",
        "RABBITMQ_ADMIN_USER": "guest",
        "RABBITMQ_ADMIN_PASSWORD": "guest",
        "TOWPATH_RABBITMQ_PASSWORD": "one",
        "UPSTREAM_RABBITMQ_PASSWORD": "two",
    }
    with start_rabbitmq(settings, ["rabbitmq_management"]) as node:
        with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
            admin = connection.channel()
            admin.exchange_declare("towpath.events", "topic", durable=True)
            admin.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
            admin.queue_bind(QUEUE, "towpath.events", "#")
        assert wait_until(lambda: run_users(environment).returncode == 0, 30)
        yield Site(node, environment)


@pytest.mark.slow
def test_the_upstream_may_send_events_and_nothing_else(site: Site) -> None:
    channel = site.channel("upstream", "two")
    channel.confirm_delivery()
    channel.basic_publish("towpath.events", "order.created.acme.all", b"{}")
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.basic_get(QUEUE)
    channel.connection.close()


@pytest.mark.slow
def test_the_services_may_read_and_check_but_not_declare(site: Site) -> None:
    channel = site.channel("towpath", "one")
    channel.queue_declare(QUEUE, passive=True)
    channel.exchange_declare("towpath.events", passive=True)
    channel.basic_get(QUEUE, auto_ack=True)
    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.queue_declare("towpath.job.other", durable=True)
    channel.connection.close()


@pytest.mark.slow
def test_a_wrong_administrator_is_reported_in_one_sentence(site: Site) -> None:
    done = run_users({**site.environment, "RABBITMQ_ADMIN_PASSWORD": "wrong"})
    assert done.returncode == 1
    assert done.stderr == "RabbitMQ did not take user towpath: HTTP Error 401: Unauthorized\n"


def test_a_missing_password_is_named() -> None:
    done = run_users({"PATH": os.environ["PATH"]})
    assert done.returncode == 2
    assert "TOWPATH_RABBITMQ_PASSWORD is not set" in done.stderr
