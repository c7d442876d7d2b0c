"""The private RabbitMQ node: it survives a kill with its data, and it leaves nothing behind."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pika
import pytest

from tests.services.process import ServerFailedError, is_alive, wait_until
from tests.services.provide import Rabbit
from tests.services.rabbitmq import RabbitServer, Vhost, answers_amqp, find_rabbitmq, settle, start_rabbitmq
from tests.services.reaper import descendants

QUEUE = "kept"
DURABLE = pika.BasicProperties(delivery_mode=2)


def publish(url: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        channel.basic_publish("", QUEUE, body, DURABLE)


def fetch(url: str) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        body: bytes | None = connection.channel().basic_get(QUEUE, auto_ack=True)[2]
        return body


def test_a_message_confirmed_before_a_kill_is_there_after_the_restart(rabbitmq_server: Rabbit, vhost: Vhost) -> None:
    publish(vhost.url, b"paid order")
    settle(rabbitmq_server.rabbitmqctl)
    rabbitmq_server.crash()
    address = urlsplit(rabbitmq_server.url)
    assert not answers_amqp(str(address.hostname), int(address.port or 0))
    rabbitmq_server.restart()
    assert fetch(vhost.url) == b"paid order"


def test_two_virtual_hosts_do_not_see_each_other(vhost: Vhost, rabbitmq_server: Rabbit) -> None:
    publish(vhost.url, b"mine")
    other = rabbitmq_server.vhosts.take()
    publish(other.url, b"theirs")
    assert fetch(vhost.url) == b"mine"
    assert fetch(vhost.url) is None


def test_a_command_that_fails_says_which(rabbitmq_server: Rabbit) -> None:
    with pytest.raises(ServerFailedError, match="delete_vhost"):
        rabbitmq_server.rabbitmqctl("delete_vhost", "no-such-host")


def test_closing_ends_every_process_and_removes_the_folder(rabbitmq_session: Rabbit) -> None:
    if not isinstance(rabbitmq_session, RabbitServer) or find_rabbitmq() is None:
        pytest.skip("only a private node has processes of its own")
    before = set(descendants(os.getpid()))
    with start_rabbitmq() as server:
        started = set(descendants(os.getpid())) - before
        folder = server.folder
        assert folder.exists()
        assert len(started) >= 3
    assert not folder.exists()
    assert wait_until(lambda: not any(is_alive(pid) for pid in started), 5)
