"""The places in which the conformance suite runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.transports.seam import Transport
from tests.broker.transports.shape import SHAPE
from tests.broker.transports.sites import JournalSite, MemorySite, RabbitSite, Site

PLACES = [
    "memory",
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgresql),
    pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kind of the place and the address of its server."""
    match request.param:
        case "postgresql":
            return request.param, request.getfixturevalue("postgresql_database")
        case "rabbitmq":
            return request.param, request.getfixturevalue("vhost").url
    return request.param, ""


@pytest.fixture
async def site(place: tuple[str, str], tmp_path: Path) -> AsyncIterator[Site]:
    """A place with the small topology."""
    kind, url = place
    made: Site
    match kind:
        case "memory":
            made = MemorySite(SHAPE)
        case "rabbitmq":
            made = RabbitSite(url, SHAPE)
        case _:
            made = JournalSite(url or f"sqlite:///{tmp_path}/journal.db", SHAPE)
    yield made
    await made.close()


@pytest.fixture
async def transport(site: Site) -> Transport:
    """One transport of the place."""
    return await site.open()
