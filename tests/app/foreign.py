"""A foreign AMQP client: librabbitmq's ``amqp-publish``, or raw pika where it is not installed."""

from __future__ import annotations

import shutil
import subprocess

import pika

from broker.topology import EVENTS


def publish(url: str, routing_key: str, body: bytes) -> None:
    """Publish bytes on ``towpath.events`` with no header and no property."""
    tool = shutil.which("amqp-publish")
    if tool is None:
        _with_pika(url, routing_key, body)
        return
    done = subprocess.run(
        [tool, "--url", url, "--exchange", EVENTS, "--routing-key", routing_key],
        input=body,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def _with_pika(url: str, routing_key: str, body: bytes) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(EVENTS, routing_key, body)
    finally:
        connection.close()
