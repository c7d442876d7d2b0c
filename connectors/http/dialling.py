"""The guard at the socket: every answer for a name is judged, and so is the address that is dialled."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from connectors.http.addresses import is_public
from connectors.http.limits import AllowedHosts

PUBLIC_PORT = 443

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class AddressRefusedError(OSError):
    """The guard does not let a call go there. All refusals read the same, so that an answer tells nothing
    inward."""

    def __init__(self) -> None:
        super().__init__("address refused")


class SocketGuard:
    """Decides, at three places, whether a call may go where it wants to go.

    1. :meth:`check_url` before anything happens: https on port 443, no user info, no spelled-out address that
       is not public, no decimal or octal spelling of one.
    2. the resolver: refuses when *any* answer for a name is not public, so a mixed answer is no way in.
    3. :meth:`open_socket`: judges the very address about to be dialled, so that neither a literal nor a
       second lookup with another answer gets past the first two.

    Hosts in ``allowed`` skip these rules, on exactly their port, and may speak plain http.
    """

    def __init__(self, allowed: AllowedHosts, resolve_seconds: float) -> None:
        self._allowed = allowed
        self._resolve_seconds = resolve_seconds
        self._dialable: set[tuple[str, int]] = set(allowed)

    def check_url(self, url: httpx.URL) -> None:
        """Raise :class:`AddressRefusedError` when the URL cannot be called, whatever its name resolves to."""
        host, port = url.host, url.port or (443 if url.scheme == "https" else 80)
        if url.userinfo or url.scheme not in ("https", "http"):
            raise AddressRefusedError
        if (host, port) in self._allowed:
            return
        if url.scheme != "https" or port != PUBLIC_PORT or not host:
            raise AddressRefusedError
        if (":" in host or host.replace(".", "").isdigit()) and not is_public(host):
            raise AddressRefusedError

    def resolver(self) -> AbstractResolver:
        """The resolver of the connector; needs a running loop."""
        return _CheckedResolver(self, ThreadedResolver(), self._resolve_seconds)

    def judge(self, host: str, port: int, answers: list[ResolveResult]) -> None:
        """Raise :class:`AddressRefusedError` unless every answer for the name may be dialled."""
        if (host.lower(), port) in self._allowed:
            self._dialable.update((answer["host"], port) for answer in answers)
        elif not answers or not all(is_public(answer["host"]) for answer in answers):
            raise AddressRefusedError

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A fresh socket for an address that may be dialled; :class:`AddressRefusedError` for any other."""
        family, kind, protocol, _, address = info
        host, port = address[0], address[1]
        if (host, port) not in self._dialable and not (port == PUBLIC_PORT and is_public(host)):
            raise AddressRefusedError
        return socket.socket(family, kind, protocol)


class _CheckedResolver(AbstractResolver):
    def __init__(self, guard: SocketGuard, inner: AbstractResolver, seconds: float) -> None:
        self._guard = guard
        self._inner = inner
        self._seconds = seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of the name, each judged; OSError when there are none or looking them up takes too
        long."""
        try:
            async with asyncio.timeout(self._seconds):
                answers = await self._inner.resolve(host, port, family)
        except TimeoutError:
            raise OSError("name resolution timed out") from None
        self._guard.judge(host, port, answers)
        return answers

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()
