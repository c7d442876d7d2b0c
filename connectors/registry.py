"""Platforms by name: their manifests, and the shop of a channel on the shared transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from connectors import bright_sites
from connectors.http import AllowedHosts, Caller, Endpoint, GuardedTransport, HttpLimits, allowed_hosts
from domain.authorization import Tokens
from domain.channels import Channel, ConnectorManifest
from domain.errors import ShopRejected, UnknownName
from domain.ports import CallGuard, Shop, StockLocations


class State(Protocol):
    """What a platform's connector remembers of a channel in a process; at least where its calls go."""

    endpoint: Endpoint


Refresh = Callable[[Caller, SecretStr], Awaitable[Tokens]]
"""Gets new tokens for a refresh token, by one call."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What a connector is to this room: what it can do, its state of a channel, its shop, how tokens are renewed
    where its manifest says that they are, and the locations of its shop where its manifest says that it has such.
    """

    manifest: ConnectorManifest
    new_state: Callable[[Channel, AllowedHosts], Any]
    shop: Callable[[Caller, Any], Shop]
    refresh: Refresh | None = None
    locations: Callable[[Caller, Any], StockLocations] | None = None


PLATFORMS: dict[str, Platform] = {
    bright_sites.MANIFEST.platform: Platform(
        bright_sites.MANIFEST, bright_sites.new_state, bright_sites.BrightSitesShop
    ),
}
"""Every platform by its name."""
MANIFESTS: dict[str, ConnectorManifest] = {name: each.manifest for name, each in PLATFORMS.items()}
"""What every platform can do, by its name."""


def pushed_jobs(platform: str) -> frozenset[str]:
    """The jobs that posts of a platform trigger; none of a platform that does not exist."""
    known = MANIFESTS.get(platform)
    return known.pushed if known is not None else frozenset()


@dataclass(frozen=True, slots=True)
class _Known:
    """A channel's state and the settings it was made from."""

    domain: str
    token: SecretStr
    api_version: str
    state: State


class Connectors:
    """All connectors of a process: one transport, one remembered state per channel. For one event loop.

    ``allowed`` are (host, port) pairs that may be called although they are not public, for tests and the
    sandbox.
    """

    def __init__(self, limits: HttpLimits | None = None, allowed: Iterable[tuple[str, int]] = ()) -> None:
        self._transport = GuardedTransport(limits or HttpLimits(), allowed_hosts(allowed))
        self._known: dict[str, _Known] = {}

    def manifest(self, platform: str) -> ConnectorManifest:
        """What a platform can do.

        Raises:
            UnknownName: code ``unknown_platform``; the sentence lists the platforms there are.
        """
        return self._platform(platform).manifest

    def _platform(self, platform: str) -> Platform:
        try:
            return PLATFORMS[platform]
        except KeyError:
            known = ", ".join(PLATFORMS)
            raise UnknownName(
                f"There is no platform {platform!r}. Platforms: {known}.", code="unknown_platform"
            ) from None

    def open(self, channel: Channel, guard: CallGuard) -> Shop:
        """The shop of a channel for one run; makes no call. A :class:`domain.ports.ShopOpener`.

        Raises:
            UnknownName: as :meth:`manifest`.
        """
        platform = self._platform(channel.platform)
        state = self._state(channel, platform)
        return platform.shop(Caller(self._transport, state.endpoint, channel, guard), state)

    def locations(self, channel: Channel, guard: CallGuard) -> StockLocations | None:
        """The locations of a channel's shop for one run, if it has such; makes no call. A
        :class:`domain.ports.LocationOpener`.

        Raises:
            UnknownName: as :meth:`manifest`.
        """
        platform = self._platform(channel.platform)
        if platform.locations is None or not platform.manifest.has_locations:
            return None
        state = self._state(channel, platform)
        return platform.locations(Caller(self._transport, state.endpoint, channel, guard), state)

    async def refresh(self, channel: Channel, refresh: SecretStr, guard: CallGuard) -> Tokens:
        """New tokens for a refresh token. A :class:`domain.ports.Refresher`.

        Raises:
            ShopError: as the protocol says; code ``not_renewed`` where the platform renews no tokens.
        """
        platform = self._platform(channel.platform)
        if platform.refresh is None:
            raise ShopRejected(f"{platform.manifest.title} does not renew tokens.", code="not_renewed")
        state = self._state(channel, platform)
        return await platform.refresh(Caller(self._transport, state.endpoint, channel, guard), refresh)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _state(self, channel: Channel, platform: Platform) -> State:
        known = self._known.get(channel.id)
        settings = (channel.domain, channel.token, channel.settings.api_version)
        if known is None or (known.domain, known.token, known.api_version) != settings:
            known = _Known(*settings, platform.new_state(channel, self._transport.allowed))
            self._known[channel.id] = known
        return known.state
