"""One guarded call after another: permit, request, classification, record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from pydantic_core import to_json

from connectors.http.classify import Call, Document, failed_call, read_response
from connectors.http.endpoint import Endpoint
from connectors.http.operations import Operation
from connectors.http.transport import NOTHING_SENT, GuardedTransport, request_bytes
from connectors.http.words import clean_words
from domain.channels import Channel
from domain.errors import ShopError
from domain.moments import Clock, utc_now
from domain.ports import CallGuard
from domain.synclog import ApiCall

_JSON = b"content-type: application/json\r\n"


@dataclass(slots=True)
class _Trace:
    """What is known so far about a call under way."""

    started: float
    status: int | None = None
    size: int = 0
    error: ShopError | None = None
    word: str | None = "interrupted"
    sent: bool = True


class Caller:
    """Makes the calls of one channel for one run, each behind the run's guard and none of them twice."""

    def __init__(
        self,
        transport: GuardedTransport,
        endpoint: Endpoint,
        channel: Channel,
        guard: CallGuard,
        clock: Clock = utc_now,
    ) -> None:
        self.channel = channel
        self._transport = transport
        self._endpoint = endpoint
        self._guard = guard
        self._clock = clock

    async def call(
        self,
        operation: Operation,
        ids: Mapping[str, object] | None = None,
        *,
        about: str = "",
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        hide: Sequence[str] = (),
    ) -> Any:
        """The parsed JSON of one call.

        ``ids`` fill the route, ``about`` names the order, product or SKU in sentences, ``hide`` are texts
        that must not be quoted from the shop's words (the token never is).

        Raises:
            ShopError: one of its kinds, as :mod:`connectors.http.classify` says.
            LeaseLost: from the guard, before anything was sent.
        """
        if self._endpoint.refusal is not None:
            raise type(self._endpoint.refusal)(self._endpoint.refusal.sentence, code=self._endpoint.refusal.code)
        named = Call(self.channel.code, operation, about, self._hidden(hide))
        request = self._request(operation, ids or {}, query, body)
        await self._guard.before(self.channel, f"{operation.method} {operation.route}", writes=operation.writes)
        answer = await self._send(named, request)
        if isinstance(answer, ShopError):
            raise answer
        return answer

    def quotable(self, text: str, hide: Sequence[str] = ()) -> str:
        """Words of the shop, cleaned of ``hide``, of the token and of what looks personal."""
        return clean_words(text, self._hidden(hide))

    def _hidden(self, hide: Sequence[str]) -> tuple[str, ...]:
        return (*hide, self.channel.token.get_secret_value())

    async def _send(self, call: Call, request: bytes) -> Document | ShopError:
        trace = _Trace(time.perf_counter())
        try:
            answer = await self._exchange(call, request, trace)
            trace.error = answer if isinstance(answer, ShopError) else None
            trace.word = trace.error.code if trace.error else None
        except asyncio.CancelledError:
            trace.word = "cancelled"
            raise
        finally:
            self._guard.after(self.channel, _api_call(call.operation, trace), trace.error)
        return answer

    async def _exchange(self, call: Call, request: bytes, trace: _Trace) -> Document | ShopError:
        try:
            response = await self._transport.exchange(self._transport.target(self._endpoint.url), request)
        except httpx.TransportError as failure:
            trace.sent = not isinstance(failure, NOTHING_SENT)
            self._keep(call, request, None, b"")
            return failed_call(call, failure)
        trace.status, trace.size = response.status_code, len(response.content)
        self._keep(call, request, response.status_code, response.content)
        return read_response(call, response, self._clock())

    def _keep(self, call: Call, request: bytes, status: int | None, answer: bytes) -> None:
        if self._guard.recorder is not None:
            self._guard.recorder.record(request, call.about, status, answer)

    def _request(
        self,
        operation: Operation,
        ids: Mapping[str, object],
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> bytes:
        path = operation.route.format_map({name: quote(str(value), safe="") for name, value in ids.items()})
        if query:
            path = f"{path}?{urlencode(query)}"
        url, head = self._endpoint.url, self._endpoint.head
        target = url.raw_path + path.encode("ascii")
        if body is None:
            return request_bytes(operation.method, target, url.netloc, head, b"")
        return request_bytes(operation.method, target, url.netloc, head + _JSON, to_json(body))


def _api_call(operation: Operation, trace: _Trace) -> ApiCall:
    milliseconds = round((time.perf_counter() - trace.started) * 1000)
    return ApiCall(operation.method, operation.route, trace.status, milliseconds, trace.size, trace.word, trace.sent)
