"""Choosing a transport by its URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.transports.journal import JournalTransport
from broker.transports.memory import InMemoryTransport
from broker.transports.rabbitmq import RabbitTransport
from broker.transports.urls import open_transport
from domain.errors import ConfigurationError
from tests.broker.transports.shape import SHAPE
from tests.broker.transports.sites import JournalSite


async def test_each_scheme_opens_its_transport(tmp_path: Path) -> None:
    site = JournalSite(f"sqlite:///{tmp_path}/journal.db", SHAPE)
    assert isinstance(open_transport("amqp://guest:guest@localhost/"), RabbitTransport)
    assert isinstance(open_transport("AMQPS://guest:guest@localhost/"), RabbitTransport)
    assert isinstance(open_transport("memory:"), InMemoryTransport)
    assert isinstance(open_transport("journal:", journal=site.store()), JournalTransport)
    await site.close()


@pytest.mark.parametrize("url", ["", "journal", "redis://u:s3cret@host", "http://x", "amqp"])
def test_anything_else_is_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with") as caught:
        open_transport(url)
    assert "s3cret" not in caught.value.sentence


def test_a_journal_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs the ledger's database"):
        open_transport("journal:")
