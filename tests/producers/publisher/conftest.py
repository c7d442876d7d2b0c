"""Brokers for the publisher's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producers.publisher.places import AmqpPlace, JournalPlace, Place
from tests.producers.publisher.proxy import Proxy
from tests.services.rabbitmq import Vhost


@pytest.fixture
def rabbit(vhost: Vhost) -> Iterator[AmqpPlace]:
    """A virtual host with the topology."""
    place = AmqpPlace(vhost.url)
    yield place
    place.close()


@pytest.fixture
def proxy(rabbit: AmqpPlace) -> Iterator[Proxy]:
    """A proxy in front of that virtual host."""
    with Proxy(rabbit.url) as made:
        yield made


@pytest.fixture(params=["journal", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A broker of each kind."""
    if request.param == "rabbitmq":
        yield request.getfixturevalue("rabbit")
        return
    journal = JournalPlace(tmp_path / "journal.db")
    yield journal
    journal.close()
