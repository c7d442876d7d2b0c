"""What all runs of one channel share in a process: where its calls go, what is remembered of its shop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connectors.bright_sites.inventory_cache import InventoryCache
from connectors.bright_sites.manifest import MANIFEST
from connectors.http import AllowedHosts, Endpoint, build_endpoint
from domain.channels import Channel
from domain.errors import ShopRejected

TOKEN_HEADER = "X-API-TOKEN"  # noqa: S105 - the name of a header
METHODS_SECONDS = 600.0


@dataclass(slots=True)
class ShippingMethods:
    """The shop's shipping methods and when they were read."""

    names: tuple[str, ...] = ()
    read_at: float | None = None
    monotonic: Callable[[], float] = time.monotonic

    def fresh(self) -> Sequence[str] | None:
        """The names, if they were read in the last :data:`METHODS_SECONDS`."""
        if self.read_at is None or self.monotonic() - self.read_at >= METHODS_SECONDS:
            return None
        return self.names

    def remember(self, names: Sequence[str]) -> None:
        """Keep what the shop just said."""
        self.names, self.read_at = tuple(names), self.monotonic()


@dataclass(slots=True)
class ChannelState:
    """One per channel and process; made anew when domain, token or API version change."""

    endpoint: Endpoint
    inventory: InventoryCache = field(default_factory=InventoryCache)
    methods: ShippingMethods = field(default_factory=ShippingMethods)


def new_state(channel: Channel, allowed: AllowedHosts) -> ChannelState:
    """The state of a channel that nobody has called yet."""
    version = channel.settings.api_version
    if version not in MANIFEST.api_versions:
        known = ", ".join(MANIFEST.api_versions)
        refusal = ShopRejected(
            f"Channel {channel.code}: API version {version!r} is not supported. Choose one of: {known}.",
            code="unknown_api_version",
        )
        endpoint = build_endpoint(channel, "", TOKEN_HEADER, allowed)
        return ChannelState(Endpoint(endpoint.base, endpoint.headers, endpoint.refusal or refusal))
    return ChannelState(build_endpoint(channel, f"/api/v{version}", TOKEN_HEADER, allowed))
