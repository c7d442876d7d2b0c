"""The stacks of ``tests/app``, and a network in front of their servers that can be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.app.conftest import distributed, embedded, office, shop, shop_process, stack
from tests.app.harness import Stack
from tests.faults.proxy import Proxy
from tests.faults.wires import Wires

__all__ = ["distributed", "embedded", "office", "shop", "shop_process", "stack"]


@pytest.fixture
def proxy_to() -> Iterator[Callable[[str], Proxy]]:
    """Makes a proxy in front of the server of a URL; all end with the test."""
    with ExitStack() as proxies:
        yield lambda url: proxies.enter_context(Proxy.before(url))


@pytest.fixture
def wires(stack: Stack, proxy_to: Callable[[str], Proxy]) -> Wires:
    """Proxies in front of the servers of ``stack``, for the processes that are started with ``wires.environment``."""
    return Wires.of(stack, proxy_to)
