from __future__ import annotations

import asyncio
import signal
import socket
import time

import httpx
import pytest

from domain.errors import ConfigurationError
from producers.http import serve
from producers.http.serving import HEAD_BYTES, HEAD_FIELDS, bind
from tests.producers.http.support import Site, stock


async def raw(site: Site, head: bytes) -> bytes:
    """The whole answer to bytes on a connection that the server closes."""
    port = httpx.URL(site.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_it_says_where_it_listens_and_leaves_signals_alone(site: Site) -> None:
    assert site.url.startswith("http://127.0.0.1:")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert (await site.client.get("/healthz")).status_code == 200


async def test_a_taken_port_is_said_in_plain_words(site: Site) -> None:
    port = httpx.URL(site.url).port or 0
    with pytest.raises(ConfigurationError) as refused:
        await serve(site.app, "127.0.0.1", port, asyncio.Event(), print)
    assert f"port {port}" in refused.value.sentence
    assert (await site.client.get("/healthz")).status_code == 200


async def test_a_stop_answers_what_is_in_hand_and_frees_the_port(site: Site) -> None:
    answers = [asyncio.ensure_future(site.send(stock(number))) for number in range(30)]
    await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
    site.stop.set()
    done = await asyncio.gather(*answers, return_exceptions=True)
    await asyncio.wait_for(asyncio.shield(site.serving), 5)
    accepted = [answer for answer in done if isinstance(answer, httpx.Response)]
    assert accepted and {answer.status_code for answer in accepted} == {202}
    assert (await site.operations.desk.statistics()).messages >= len(accepted)
    port = httpx.URL(site.url).port or 0
    socket.create_server(("127.0.0.1", port)).close()


async def test_a_head_that_is_too_large_is_refused(site: Site) -> None:
    long = b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * HEAD_BYTES + b"\r\n\r\n"
    many = b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x-many: 1\r\n" * HEAD_FIELDS + b"\r\n"
    fine = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert b" 200 " in (await raw(site, fine))[:20]
    for head in (long, many):
        assert (await raw(site, head))[:20].startswith((b"HTTP/1.1 400", b""))
        assert b" 200 " not in (await raw(site, head))[:20]


async def test_what_is_no_http_does_no_harm(site: Site) -> None:
    await raw(site, b"\x16\x03\x01\x02\x00\x01\x00 this is no HTTP\r\n\r\n")
    assert (await site.client.get("/healthz")).status_code == 200


async def test_a_sender_that_goes_away_leaves_nothing_behind(site: Site) -> None:
    head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: {site.key('write')['authorization']}\r\n"
    head += "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
    _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(site.url).port)
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    began = time.monotonic()
    assert (await site.send(stock(1))).status_code == 202
    assert time.monotonic() - began < 2


async def test_a_body_that_does_not_come_is_not_waited_for_for_ever(site: Site) -> None:
    site.app.state.door.limits = type(site.app.state.door.limits)(body_seconds=0.2)
    head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: {site.key('write')['authorization']}\r\n"
    head += "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
    answer = await raw(site, head.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in answer


def test_connections_do_not_wait_for_acknowledgements_before_they_send() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
