"""A transport to a real server, through a proxy that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from tests.broker.transports.proxy import Proxy
from tests.broker.transports.shape import SHAPE
from tests.services.rabbitmq import Vhost


@pytest.fixture
async def proxy(vhost: Vhost) -> AsyncIterator[Proxy]:
    """A proxy in front of the server."""
    made = Proxy(vhost.url)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def transport(proxy: Proxy) -> AsyncIterator[RabbitTransport]:
    """A started transport with the topology declared and little patience."""
    settings = AmqpSettings(url=proxy.url, connect_timeout=5, confirm_timeout=1.5, watchdog_seconds=0.3)
    made = RabbitTransport(settings, SHAPE)
    await made.start()
    await made.declare()
    yield made
    await made.close()
