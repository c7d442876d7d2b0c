"""One prepared database per run; one server per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.producers.http.support import Site, Template, make_template, open_site


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("door"))


@pytest.fixture
async def site(template: Template, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(template, tmp_path) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_site(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One server for all tests of a file that leave nothing behind; they run in the module's event loop."""
    async with open_site(template, tmp_path_factory.mktemp("shared")) as site:
        yield site
