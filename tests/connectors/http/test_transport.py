from __future__ import annotations

import asyncio
import gzip
import time

import httpx
import pytest

from connectors.http import GuardedTransport, HttpLimits, allowed_hosts
from connectors.http.transport import AnswerTooLarge
from tests.connectors.support import Heard, WireServer, answers, hangs, response, wire_server


def transport_to(server: WireServer, **limits: float | int) -> GuardedTransport:
    return GuardedTransport(HttpLimits(**limits), allowed_hosts([server.pair]))  # type: ignore[arg-type]


async def send(transport: GuardedTransport, server: WireServer, method: str = "GET") -> httpx.Response:
    content = b"{}" if method in ("PUT", "POST") else None
    request = httpx.Request(method, f"http://{server.domain}/x", content=content)
    return await transport.handle_async_request(request)


async def test_one_connection_serves_calls_in_a_row() -> None:
    async with wire_server(answers(200)) as server:
        transport = transport_to(server)
        for _ in range(3):
            assert (await send(transport, server)).content == b"{}"
        await transport.aclose()
        assert (server.connections, len(server.heard)) == (1, 3)


async def test_connections_of_a_burst_are_closed_though_later_calls_need_but_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.http.pool.SWEEP_SECONDS", 0.0)
    ended: list[Heard] = []
    together = asyncio.Barrier(5)

    async def answer(heard: Heard, writer: asyncio.StreamWriter) -> None:
        if len(server.heard) <= together.parties:
            await together.wait()
            asyncio.create_task(writer.wait_closed()).add_done_callback(lambda _: ended.append(heard))
        writer.write(response(200, b"{}"))

    async with wire_server(answer) as server:
        transport = transport_to(server, keepalive_seconds=0.05)
        await asyncio.gather(*(send(transport, server) for _ in range(together.parties)))
        assert server.connections == together.parties
        deadline = time.monotonic() + 10
        while len(ended) < together.parties - 1 and time.monotonic() < deadline:
            await send(transport, server)
            await asyncio.sleep(0.01)
        assert len(ended) >= together.parties - 1
        await transport.aclose()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_call_into_a_dead_kept_connection_is_sent_once_and_counts_as_sent(method: str) -> None:
    async def answer_once_then_hang_up(_: Heard, writer: asyncio.StreamWriter) -> None:
        if len(server.heard) > 1:
            writer.close()
        else:
            writer.write(response(200, b"{}"))

    async with wire_server(answer_once_then_hang_up) as server:
        transport = transport_to(server)
        await send(transport, server)
        with pytest.raises(httpx.ReadError):
            await send(transport, server, method)
        await transport.aclose()
        assert (server.connections, len(server.heard)) == (1, 2)


async def test_a_shop_that_hangs_is_left_at_the_deadline() -> None:
    async with wire_server(hangs) as server:
        transport = transport_to(server, total_seconds=0.2)
        started = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await send(transport, server)
        assert 0.15 < time.monotonic() - started < 2
        await transport.aclose()


async def test_a_shop_that_dribbles_is_left_at_the_deadline() -> None:
    async def dribble(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _step in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with wire_server(dribble) as server:
        transport = transport_to(server, total_seconds=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await send(transport, server)
        await transport.aclose()


@pytest.mark.parametrize(("connect", "total"), [(0.1, 5.0), (5.0, 0.1)])
async def test_a_connection_that_never_comes_about_means_nothing_was_sent(
    connect: float, total: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_loop: object, _sock: object, _address: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", never)
    async with wire_server(answers(200)) as server:
        transport = transport_to(server, connect_seconds=connect, total_seconds=total)
        with pytest.raises(httpx.ConnectTimeout):
            await send(transport, server, "POST")
        await transport.aclose()


async def test_an_answer_over_the_limit_is_refused_also_when_it_was_small_on_the_wire() -> None:
    packed = gzip.compress(b"x" * 100_000)
    for act in (answers(200, b"x" * 3000), answers(200, packed, "Content-Encoding: gzip")):
        async with wire_server(act) as server:
            transport = transport_to(server, answer_bytes=2000)
            with pytest.raises(AnswerTooLarge):
                await send(transport, server)
            await transport.aclose()


async def test_a_packed_answer_is_unpacked() -> None:
    async with wire_server(answers(200, gzip.compress(b'{"a":1}'), "Content-Encoding: gzip")) as server:
        transport = transport_to(server)
        answer = await send(transport, server)
        assert answer.json() == {"a": 1}
        await transport.aclose()


async def test_a_cookie_of_one_shop_goes_to_no_call_at_all() -> None:
    async with wire_server(answers(200, b"{}", "Set-Cookie: session=canary; Path=/")) as server:
        transport = GuardedTransport(HttpLimits(), allowed_hosts([("localhost", server.port)]))
        for _ in range(2):
            request = httpx.Request("GET", f"http://localhost:{server.port}/x")
            await transport.handle_async_request(request)
        await transport.aclose()
        assert len(server.heard) == 2
        assert not any("canary" in heard.head or "cookie" in heard.head.lower() for heard in server.heard)


async def test_a_call_after_closing_sends_nothing() -> None:
    async with wire_server(answers(200)) as server:
        transport = transport_to(server)
        await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await send(transport, server)
        assert server.connections == 0


async def test_no_transport_error_carries_the_request_headers_along() -> None:
    async with wire_server(answers(200, b"x" * 10)) as server:
        transport = transport_to(server, answer_bytes=5)
        with pytest.raises(httpx.TransportError) as caught:
            await send(transport, server)
        assert caught.value.__context__ is None
        await transport.aclose()
