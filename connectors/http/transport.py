"""One call on the wire: guarded, with one deadline, sent once.

The httpx error class says what matters: :class:`httpx.ConnectError`, :class:`httpx.ConnectTimeout` and
:class:`httpx.PoolTimeout` mean that nothing was sent; every other :class:`httpx.TransportError` means that
something may have been. Why not httpx's own client or another library's: docs/decisions/003 and 006.
"""

from __future__ import annotations

import asyncio
import logging

import httpx

from connectors.http.dialling import AddressRefusedError, SocketGuard
from connectors.http.limits import AllowedHosts, HttpLimits
from connectors.http.pool import AddressRefused, Pool, Target
from connectors.http.wire import Answer, AnswerTooLarge

log = logging.getLogger("towpath.connectors.http")

NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The errors after which it is certain that the shop saw nothing of the call."""
_OURS = frozenset({b"host", b"content-length", b"transfer-encoding", b"accept-encoding", b"connection"})
_SPENT = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})

__all__ = ["NOTHING_SENT", "AddressRefused", "Answer", "AnswerTooLarge", "GuardedTransport", "Target"]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Makes calls over kept connections; one for all channels of a process and of one event loop.

    No redirects, no cookies, no proxies from the environment, no repetition. The body of the answer is read whole.
    Every failure is an :class:`httpx.TransportError`; see the module for what its class says.
    """

    def __init__(self, limits: HttpLimits, allowed: AllowedHosts = frozenset()) -> None:
        self.limits = limits
        self.allowed = allowed
        self._guard = SocketGuard(allowed, limits.connect_seconds)
        self._pool = Pool(limits, self._guard)
        if allowed:
            listed = ", ".join(f"{host}:{port}" for host, port in sorted(allowed))
            log.warning(
                "OUTBOUND GUARD OPENED for %s: calls may go there without TLS and into private networks",
                listed,
            )

    def target(self, url: httpx.URL) -> Target:
        """Where the calls of a URL go.

        Raises:
            AddressRefused: it cannot be called, whatever its name resolves to.
        """
        try:
            self._guard.check_url(url)
        except AddressRefusedError:
            refused = AddressRefused("address refused")
        else:
            secure = url.scheme == "https"
            return Target(url.host.lower(), url.port or (443 if secure else 80), secure)
        raise refused

    async def exchange(self, target: Target, request: bytes) -> Answer:
        """Send a whole request (see :func:`request_bytes`) once and read its answer."""
        failure: httpx.TransportError
        sent = False
        try:
            async with asyncio.timeout(self.limits.total_seconds), self._pool.lend(target) as wire:
                sent = True
                return await wire.exchange(request)
        except TimeoutError:
            failure = httpx.ReadTimeout("read timeout") if sent else httpx.ConnectTimeout("connect timeout")
        except httpx.TransportError as error:
            failure = error
        # Raised out here so that nothing that holds the request's headers hangs on to it.
        raise failure

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As :meth:`exchange`, in httpx's own types."""
        target = self.target(request.url)
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        head = b"".join(b"%b: %b\r\n" % pair for pair in headers if pair[0] not in _OURS)
        wanted = request_bytes(request.method, request.url.raw_path, request.url.netloc, head, request.content)
        answer = await self.exchange(target, wanted)
        kept = [pair for pair in answer.headers if pair[0] not in _SPENT]
        return httpx.Response(answer.status_code, headers=kept, content=answer.content, request=request)

    async def aclose(self) -> None:
        """Close all connections; later calls fail as not sent."""
        self._pool.close()


def request_bytes(method: str, path: bytes, host: bytes, head: bytes, body: bytes) -> bytes:
    """A whole request; ``head`` are complete header lines, beside those that every request has."""
    length = b"Content-Length: %d\r\n" % len(body) if body or method in ("POST", "PUT", "PATCH") else b""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: gzip\r\n%b%b\r\n%b" % (
        method.encode("ascii"),
        path,
        host,
        head,
        length,
        body,
    )
