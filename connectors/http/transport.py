"""One call on the wire: httpx requests and responses over aiohttp connections.

Why not ``httpx_aiohttp.AiohttpTransport`` (0.2.0), which has the same shape:

- it turns every ``aiohttp.ClientConnectionError``, a reset or a hang-up *after* sending included, into
  ``httpx.ConnectTimeout``, so a write that may have happened would pass for one that was never sent;
- its session repeats a PUT by itself when a kept-alive connection turns out to be dead: a second, unseen
  call;
- it has no total deadline and no limit on the answer's size, and it shares one cookie jar between all shops.

Here the httpx error class says what matters: :class:`httpx.ConnectError`, :class:`httpx.ConnectTimeout` and
:class:`httpx.PoolTimeout` mean that nothing was sent; every other :class:`httpx.TransportError` means that
something may have been.
"""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import aiohttp
import httpx
from yarl import URL

from connectors.http.dialling import AddressRefusedError, SocketGuard
from connectors.http.limits import AllowedHosts, HttpLimits

log = logging.getLogger("towpath.connectors.http")

NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The errors after which it is certain that the shop saw nothing of the call."""

_SPENT_HEADERS = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class AddressRefused(httpx.ConnectError):
    """The guard let nothing out: the target is not on the public internet, not https, or not on port 443."""


class AnswerTooLarge(httpx.ReadError):
    """The answer, which had this ``status``, is larger than ``HttpLimits.answer_bytes``."""

    def __init__(self, status: int) -> None:
        super().__init__("answer too large")
        self.status = status


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends prebuilt :class:`httpx.Request` values; one for all channels of a process and of one event loop.

    No redirects, no cookies, no proxies from the environment, no repetition. The body of the response is
    read. Every failure is an :class:`httpx.TransportError`; see the module for what its class says.
    """

    def __init__(self, limits: HttpLimits, allowed: AllowedHosts = frozenset()) -> None:
        self.limits = limits
        self.allowed = allowed
        self._guard = SocketGuard(allowed, limits.connect_seconds)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        if allowed:
            listed = ", ".join(f"{host}:{port}" for host, port in sorted(allowed))
            log.warning(
                "OUTBOUND GUARD OPENED for %s: calls may go there without TLS and into private networks",
                listed,
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request once and return the response with its body read."""
        progress = SimpleNamespace(connected=False)
        failure: httpx.TransportError
        try:
            self._guard.check_url(request.url)
            return await self._exchange(request, progress)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _as_httpx(error, connected=progress.connected)
        except httpx.TransportError as error:
            failure = error
        # Raised out here so that no aiohttp error, some of which hold the request's headers, hangs on to it.
        raise failure

    async def aclose(self) -> None:
        """Close all connections; later calls fail as not sent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, request: httpx.Request, progress: SimpleNamespace) -> httpx.Response:
        response = await self._open_session().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
            trace_request_ctx=progress,
        )
        try:
            body = await self._read(response)
        except BaseException:
            response.close()
            raise
        headers = [(name, value) for name, value in response.raw_headers if name.lower() not in _SPENT_HEADERS]
        return httpx.Response(response.status, headers=headers, content=body, request=request)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > self.limits.answer_bytes:
                raise AnswerTooLarge(response.status)
            chunks.append(chunk)
        return b"".join(chunks)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise httpx.ConnectError("transport closed")
        if self._session is None:
            self._session = _session(self.limits, self._guard)
        return self._session


def _session(limits: HttpLimits, guard: SocketGuard) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=guard.resolver(),
        socket_factory=guard.open_socket,
        limit=limits.connections,
        limit_per_host=limits.connections_per_host,
        keepalive_timeout=limits.keepalive_seconds,
    )
    connected = aiohttp.TraceConfig()
    connected.on_connection_create_end.append(_mark_connected)
    connected.on_connection_reuseconn.append(_mark_connected)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=limits.total_seconds, sock_connect=limits.connect_seconds),
        trust_env=False,
        trace_configs=[connected],
    )
    # aiohttp repeats GET and PUT by itself when a kept-alive connection is dead and has no public switch for
    # it; a test sends a call into such a connection and counts.
    session._retry_connection = False
    return session


async def _mark_connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = True


def _as_httpx(error: Exception, *, connected: bool) -> httpx.TransportError:
    if isinstance(error, AddressRefusedError | aiohttp.InvalidURL) or isinstance(
        getattr(error, "os_error", None), AddressRefusedError
    ):
        return AddressRefused("address refused")
    timed_out = isinstance(error, asyncio.TimeoutError)
    if not connected:
        return httpx.ConnectTimeout("connect timeout") if timed_out else httpx.ConnectError("no connection")
    return httpx.ReadTimeout("read timeout") if timed_out else httpx.ReadError("connection broke")
