"""The guard at the socket: every answer for a name is judged, and so is the address that is dialled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Any

import httpx

from connectors.http.addresses import is_public
from connectors.http.limits import AllowedHosts

PUBLIC_PORT = 443

AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""What ``getaddrinfo`` answers."""


class AddressRefusedError(OSError):
    """The guard does not let a call go there. All refusals read the same, so that an answer tells nothing
    inward."""

    def __init__(self) -> None:
        super().__init__("address refused")


class SocketGuard:
    """Decides, at three places, whether a call may go where it wants to go.

    1. :meth:`check_url` before anything happens: https on port 443, no user info, no spelled-out address that
       is not public, no decimal or octal spelling of one.
    2. :meth:`judge`: refuses when *any* answer for a name is not public, so a mixed answer is no way in.
    3. :meth:`open_socket`: judges the very address about to be dialled, so that neither a literal nor a
       second lookup with another answer gets past the first two.

    Hosts in ``allowed`` skip these rules, on exactly their port, and may speak plain http.
    """

    def __init__(self, allowed: AllowedHosts, connect_seconds: float) -> None:
        self._allowed = allowed
        self._connect_seconds = connect_seconds
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

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connected socket: the name looked up once, its answers tried in their order.

        Raises:
            AddressRefusedError: an answer may not be dialled.
            OSError, TimeoutError: no answer, or none of them could be reached.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise OSError("name resolution timed out") from None
        self.judge(host, port, answers)
        failure: OSError | None = None
        for answer in answers:
            try:
                return await self._open(answer)
            except AddressRefusedError:
                raise
            except OSError as error:
                failure = error
        raise failure or OSError("the name has no address")

    async def _open(self, answer: AddrInfo) -> socket.socket:
        opened = self.open_socket(answer)
        try:
            opened.setblocking(False)
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._connect_seconds):
                await asyncio.get_running_loop().sock_connect(opened, answer[4])
        except BaseException:
            opened.close()
            raise
        return opened

    def judge(self, host: str, port: int, answers: Sequence[AddrInfo]) -> None:
        """Raise :class:`AddressRefusedError` unless every answer for the name may be dialled."""
        if (host.lower(), port) in self._allowed:
            self._dialable.update((str(answer[4][0]), port) for answer in answers)
        elif not answers or not all(is_public(str(answer[4][0])) for answer in answers):
            raise AddressRefusedError

    def open_socket(self, info: AddrInfo) -> socket.socket:
        """A fresh socket for an address that may be dialled; :class:`AddressRefusedError` for any other."""
        family, kind, protocol, _, address = info
        host, port = address[0], address[1]
        if (host, port) not in self._dialable and not (port == PUBLIC_PORT and is_public(host)):
            raise AddressRefusedError
        return socket.socket(family, kind, protocol)
