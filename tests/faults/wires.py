"""The connections of a stack's processes to its servers, each by way of a proxy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from tests.app.harness import Stack
from tests.app.shop import SandboxShop
from tests.faults.proxy import Proxy


@dataclass(frozen=True)
class Wires:
    """The proxies of one stack; the journal has neither a broker nor a database server to be cut off from.

    Start a process with ``stack.start(role, **wires.environment)`` to put it behind them; the others stay connected.
    """

    shop: Proxy
    broker: Proxy | None
    database: Proxy | None
    environment: dict[str, str]

    @classmethod
    def of(cls, stack: Stack, proxy_to: Callable[[str], Proxy]) -> Wires:
        """Proxies to all the servers that ``stack`` has."""
        shop = proxy_to(stack.shop.url)
        environment = {"TOWPATH_ALLOWED_HOSTS": f"{stack.shop.domain},{shop.address}"}
        if stack.embedded:
            return cls(shop, None, None, environment)
        urls = {
            "TOWPATH_BROKER_URL": stack.settings.broker_url.get_secret_value(),
            "TOWPATH_DATABASE_URL": stack.settings.database,
        }
        broker, database = (proxy_to(url) for url in urls.values())
        environment["TOWPATH_BROKER_URL"] = broker.url(urls["TOWPATH_BROKER_URL"])
        environment["TOWPATH_DATABASE_URL"] = database.url(urls["TOWPATH_DATABASE_URL"])
        return cls(shop, broker, database, environment)

    def to_servers(self) -> list[Proxy]:
        """Those in front of the broker and the database, where there are such."""
        return [each for each in (self.broker, self.database) if each is not None]


def shop_by_way_of(proxy: Proxy, shop: SandboxShop) -> SandboxShop:
    """The same shop whose channel's address is the proxy; its books are read past the proxy.

    For the channel that ``set_up`` makes: ``stack.shop = shop_by_way_of(wires.shop, stack.shop)`` before it. Every
    process must be started with ``wires.environment``, which allows that address.
    """
    behind = copy.copy(shop)
    behind.domain = proxy.address
    return behind
