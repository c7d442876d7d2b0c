"""The proxy does what the tests of the fault matrix take it to do."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

import pytest

from tests.faults.proxy import DOWN, UP, Proxy
from tests.services.process import free_port, wait_until

SHORT = 0.3


class Echo(BaseRequestHandler):
    """Answers each chunk in capitals, until the client ends or breaks the connection."""

    def handle(self) -> None:
        server: Any = self.server
        try:
            while data := self.request.recv(65536):
                server.heard.append(data)
                self.request.sendall(data.upper())
            server.heard.append(b"end")
        except ConnectionError:
            server.heard.append(b"reset")


class EchoServer(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: list[bytes] = []


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: EchoServer) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", server.server_address[1]) as made:
        yield made


@pytest.fixture
def connect(proxy: Proxy) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as clients:
        yield lambda: clients.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=5))


def say(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(65536)


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(SHORT)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_it_passes_everything_both_ways(connect: Callable[[], socket.socket]) -> None:
    client = connect()
    big = b"x" * 3_000_000
    sender = Thread(target=client.sendall, args=(big,))
    sender.start()
    heard = 0
    while heard < len(big):
        heard += len(client.recv(65536))
    sender.join()
    assert say(client, b"and then") == b"AND THEN"


def test_the_end_of_one_side_is_passed_on(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    client = connect()
    assert say(client, b"a") == b"A"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    assert server.heard == [b"a", b"end"]
    assert wait_until(lambda: proxy.connections == 0, 5)
    assert proxy.opened == 1


def test_a_delay_is_added_to_the_direction_that_was_named(connect: Callable[[], socket.socket], proxy: Proxy) -> None:
    client = connect()
    proxy.delay(SHORT, UP)
    start = time.monotonic()
    say(client, b"a")
    assert time.monotonic() - start >= SHORT
    proxy.heal()
    start = time.monotonic()
    say(client, b"a")
    assert time.monotonic() - start < SHORT


def test_a_black_hole_downwards_lets_the_server_hear_and_the_client_not(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    client = connect()
    proxy.black_hole(DOWN)
    client.sendall(b"a")
    assert hears_nothing(client)
    assert server.heard == [b"a"]


def test_a_black_hole_upwards_lets_nothing_reach_the_server(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    client = connect()
    proxy.black_hole(UP)
    client.sendall(b"a")
    assert hears_nothing(client)
    assert server.heard == []


def test_what_a_black_hole_held_arrives_late_with_the_end_behind_it(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    client = connect()
    say(client, b"a")
    proxy.black_hole()
    client.sendall(b"b")
    client.close()
    newcomer = connect()
    newcomer.sendall(b"c")
    assert hears_nothing(newcomer)
    assert server.heard == [b"a"]
    proxy.heal()
    assert newcomer.recv(1) == b"C"
    assert wait_until(lambda: len(server.heard) == 4, 5)
    end = {b"end", b"reset"} & set(server.heard)
    assert set(server.heard) - end == {b"a", b"b", b"c"}
    assert len(end) == 1


def test_a_reset_breaks_the_connections_there_are_on_both_sides_and_no_new_ones(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    client = connect()
    say(client, b"a")
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert wait_until(lambda: server.heard == [b"a", b"reset"], 5)
    assert say(connect(), b"b") == b"B"


def test_a_refusing_proxy_lets_nobody_in_until_it_is_healed(connect: Callable[[], socket.socket], proxy: Proxy) -> None:
    client = connect()
    say(client, b"a")
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.heal()
    assert say(connect(), b"b") == b"B"


def test_a_cut_lets_so_many_bytes_pass_and_then_resets_one_connection(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    first, second = connect(), connect()
    say(first, b"before the cut")
    proxy.cut(DOWN, after=4)
    assert say(first, b"abc") == b"ABC"
    assert say(first, b"defg") == b"D"
    with pytest.raises(ConnectionResetError):
        first.recv(1)
    assert server.heard[:3] == [b"before the cut", b"abc", b"defg"]
    assert say(second, b"a longer text") == b"A LONGER TEXT"


def test_a_cut_upwards_shows_the_server_half_a_request(
    connect: Callable[[], socket.socket], server: EchoServer, proxy: Proxy
) -> None:
    proxy.cut(UP, after=3, times=2)
    for _ in range(2):
        client = connect()
        client.sendall(b"whole")
        with pytest.raises(ConnectionResetError):
            while client.recv(65536):
                pass
    assert say(connect(), b"whole") == b"WHOLE"
    assert wait_until(lambda: server.heard.count(b"reset") == 2, 5)
    assert server.heard.count(b"who") == 2


def test_a_server_that_is_away_is_a_reset() -> None:
    with Proxy("127.0.0.1", free_port()) as proxy:
        # The reset may come before the client has looked at its connection for the first time.
        with pytest.raises(ConnectionResetError):
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
                client.recv(1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("amqp://me:secret@localhost:5672/%2F", "amqp://me:secret@{}/%2F"),
        ("postgresql+psycopg://postgres@127.0.0.1:5432/db?x=1", "postgresql+psycopg://postgres@{}/db?x=1"),
        ("http://127.0.0.1:80/", "http://{}/"),
    ],
)
def test_a_url_keeps_all_but_its_host(before: str, after: str) -> None:
    with Proxy.before(before) as proxy:
        assert proxy.url(before) == after.format(proxy.address)


def test_closing_it_twice_is_once(server: EchoServer) -> None:
    proxy = Proxy("127.0.0.1", server.server_address[1])
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        say(client, b"a")
        proxy.close()
        proxy.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
