"""The private cluster: what all nodes keep survives any one of them, and nothing is left behind."""

from __future__ import annotations

import os

import pika
import pytest

from tests.conftest import SKIP_WORDS
from tests.services.cluster import NODES, ClusterNode, start_cluster
from tests.services.process import is_alive, wait_until
from tests.services.rabbitmq import find_rabbitmq
from tests.services.reaper import descendants

QUEUE = "kept"


def publish(node: ClusterNode, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        channel.basic_publish("", QUEUE, body, pika.BasicProperties(delivery_mode=2))


def fetch(node: ClusterNode) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(node.url)) as connection:
        body: bytes | None = connection.channel().basic_get(QUEUE, auto_ack=True)[2]
        return body


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(find_rabbitmq() is None, reason=f"{SKIP_WORDS}a cluster needs RabbitMQ's own binaries")
def test_what_one_node_confirmed_is_given_out_by_another_after_its_death_and_closing_leaves_nothing() -> None:
    before = set(descendants(os.getpid()))
    with start_cluster() as cluster:
        started = set(descendants(os.getpid())) - before
        folders = [node.folder for node in cluster.nodes]
        first, second, third = cluster.nodes
        publish(second, b"paid order")
        cluster.settle()
        assert cluster.members(QUEUE) == [node.name for node in cluster.nodes]
        second.crash()
        assert wait_until(lambda: cluster.members(QUEUE) == [first.name, third.name], 30)
        assert fetch(third) == b"paid order"
        second.start()
        assert wait_until(lambda: cluster.sees(second) == NODES, 30)
    assert not any(folder.exists() for folder in folders)
    assert wait_until(lambda: not any(is_alive(pid) for pid in started), 5)
