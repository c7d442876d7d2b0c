"""A foreign AMQP client: librabbitmq's ``amqp-publish``, or raw pika where it is not installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pika

from broker.topology import EVENTS


def publish(url: str, routing_key: str, body: bytes) -> None:
    """Publish bytes on ``towpath.events`` with no header and no property."""
    tool = shutil.which("amqp-publish")
    if tool is None:
        publish_oddly(url, routing_key.encode(), body)
        return
    done = subprocess.run(
        [tool, "--url", url, "--exchange", EVENTS, "--routing-key", routing_key],
        input=body,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def publish_oddly(url: str, routing_key: bytes, body: bytes, **properties: Any) -> None:
    """Publish with a routing key and properties (of the names of AMQP) that need not be UTF-8."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(EVENTS, routing_key, body, pika.BasicProperties(**properties))
    finally:
        connection.close()
