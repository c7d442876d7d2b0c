from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connectors.http import Caller, GuardedTransport, HttpLimits, Operation, allowed_hosts, build_endpoint
from domain.errors import LeaseLost, ShopThrottled
from tests.connectors.support import (
    TOKEN,
    Act,
    RecordingGuard,
    WireServer,
    answers,
    channel_at,
    hangs,
    wire_server,
)

READ = Operation("read", "reading", "GET", "/orders/{id}", "read", ("order_id",))
WRITE = Operation("write", "writing", "POST", "/orders/{id}", "unsafe", ("order_id",))
GOOD = b'{"order_id":1}'


@asynccontextmanager
async def calling(act: Act, guard: RecordingGuard) -> AsyncIterator[tuple[Caller, WireServer]]:
    async with wire_server(act) as server:
        allowed = allowed_hosts([server.pair])
        channel = channel_at(server.domain)
        transport = GuardedTransport(HttpLimits(), allowed)
        endpoint = build_endpoint(channel, "/api/v2.7.0", "X-API-TOKEN", allowed)
        yield Caller(transport, endpoint, channel, guard), server
        await transport.aclose()


async def test_the_guard_is_asked_before_and_told_after_each_call() -> None:
    guard = RecordingGuard()
    async with calling(answers(200, GOOD), guard) as (caller, server):
        await caller.call(READ, {"id": 7})
        await caller.call(WRITE, {"id": 8}, body={"a": 1})
        assert guard.asked == [("GET /orders/{id}", False), ("POST /orders/{id}", True)]
        assert [(call.method, call.route, call.status, call.bytes, call.error) for call in guard.calls] == [
            ("GET", "/orders/{id}", 200, len(GOOD), None),
            ("POST", "/orders/{id}", 200, len(GOOD), None),
        ]
        assert len(server.heard) == 2


@pytest.mark.parametrize("refusal", [LeaseLost("lease over"), ShopThrottled("wait", retry_after=2)])
async def test_a_refused_permit_means_no_call_and_no_record(refusal: LeaseLost | ShopThrottled) -> None:
    guard = RecordingGuard(refusal=refusal)
    async with calling(answers(200, GOOD), guard) as (caller, server):
        with pytest.raises(type(refusal)):
            await caller.call(READ, {"id": 7})
        assert (server.heard, guard.calls) == ([], [])


async def test_a_cancelled_call_is_recorded_once_and_stays_cancelled() -> None:
    guard = RecordingGuard()
    async with calling(hangs, guard) as (caller, server):
        task = asyncio.create_task(caller.call(WRITE, {"id": 7}, body={}))
        await asyncio.wait_for(server.called.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [(call.status, call.error) for call in guard.calls] == [(None, "cancelled")]
        assert guard.errors == [None]


async def test_token_and_json_travel_as_the_api_wants_them() -> None:
    async with calling(answers(200, GOOD), RecordingGuard()) as (caller, server):
        await caller.call(WRITE, {"id": 7}, query={"page": 2, "q": "a b&c"}, body={"note": "smörgås"})
        [heard] = server.heard
        lines = heard.head.split("\r\n")
        assert lines[0] == "POST /api/v2.7.0/orders/7?page=2&q=a+b%26c HTTP/1.1"
        assert f"x-api-token: {TOKEN}" in lines
        assert "content-type: application/json" in lines
        assert heard.body == '{"note":"smörgås"}'.encode()


async def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    async with calling(answers(200, GOOD), RecordingGuard()) as (caller, server):
        await caller.call(READ, {"id": "../shipments?x=1#y"})
        assert server.heard[0].head.startswith("GET /api/v2.7.0/orders/..%2Fshipments%3Fx%3D1%23y HTTP/1.1")


async def test_a_call_is_never_repeated_by_itself() -> None:
    guard = RecordingGuard()
    async with calling(answers(500, b""), guard) as (caller, server):
        for operation in (READ, WRITE):
            with pytest.raises(Exception, match="failed in the shop"):
                await caller.call(operation, {"id": 7}, body={})
        assert len(server.heard) == len(guard.calls) == 2
