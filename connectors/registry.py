"""Platforms by name: their manifests, and the shop of a channel on the shared transport."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import SecretStr

from connectors import bright_sites
from connectors.http import Caller, GuardedTransport, HttpLimits, allowed_hosts
from domain.channels import Channel, ConnectorManifest
from domain.errors import UnknownName
from domain.ports import CallGuard, Shop

MANIFESTS: dict[str, ConnectorManifest] = {bright_sites.MANIFEST.platform: bright_sites.MANIFEST}
"""What every platform can do, by its name."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A channel's state and the settings it was made from."""

    domain: str
    token: SecretStr
    api_version: str
    state: bright_sites.ChannelState


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
        try:
            return MANIFESTS[platform]
        except KeyError:
            known = ", ".join(MANIFESTS)
            raise UnknownName(
                f"There is no platform {platform!r}. Platforms: {known}.", code="unknown_platform"
            ) from None

    def open(self, channel: Channel, guard: CallGuard) -> Shop:
        """The shop of a channel for one run; makes no call. A :class:`domain.ports.ShopOpener`.

        Raises:
            UnknownName: as :meth:`manifest`.
        """
        self.manifest(channel.platform)
        state = self._state(channel)
        return bright_sites.BrightSitesShop(Caller(self._transport, state.endpoint, channel, guard), state)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _state(self, channel: Channel) -> bright_sites.ChannelState:
        known = self._known.get(channel.id)
        settings = (channel.domain, channel.token, channel.settings.api_version)
        if known is None or (known.domain, known.token, known.api_version) != settings:
            known = _Known(*settings, bright_sites.new_state(channel, self._transport.allowed))
            self._known[channel.id] = known
        return known.state
