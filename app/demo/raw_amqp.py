"""A bare AMQP client for the bad messages, which the publisher of the SDK rightly refuses to send."""

from __future__ import annotations

import kombu

from app.demo.upstream import RawPublisher


class _Raw:
    def __init__(self, url: str) -> None:
        self._url = url

    def publish(self, exchange: str, routing_key: str, body: bytes) -> None:
        """Publish on a fresh connection and wait for the confirm."""
        with kombu.Connection(self._url, connect_timeout=5, transport_options={"confirm_publish": True}) as connection:
            producer = connection.Producer(auto_declare=False)
            producer.publish(
                body, exchange=exchange, routing_key=routing_key, content_type="application/cloudevents+json",
                content_encoding="utf-8", delivery_mode=2, timeout=5, confirm_timeout=10,
            )  # fmt: skip


def open_raw(url: str) -> RawPublisher:
    """A publisher of any bytes."""
    return _Raw(url)
