"""The attacks a Shop Domain can carry; none may leave the machine."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from connectors.http import GuardedTransport, HttpLimits, allowed_hosts
from connectors.http.dialling import AddressRefusedError, SocketGuard
from connectors.http.transport import AddressRefused
from tests.connectors.support import answers, wire_server

Dialled = list[tuple[str, int]]
PUBLIC = "93.184.216.34"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> Dialled:
    """Every address a socket is asked to connect to; none of them is."""
    seen: Dialled = []

    async def connect(_loop: object, _sock: socket.socket, address: tuple[str, int]) -> None:
        seen.append(address[:2])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What names resolve to: per lookup one list of addresses, the last one for ever."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host not in known:
            return list(real(host, port, *args, **kwargs))
        found = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        tail = {True: (0, 0), False: ()}
        return [(family[":" in ip], socket.SOCK_STREAM, 6, "", (ip, port, *tail[":" in ip])) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return known


async def attack(url: str, transport: GuardedTransport | None = None) -> httpx.TransportError:
    transport = transport or GuardedTransport(HttpLimits(connect_seconds=1, total_seconds=3))
    try:
        with pytest.raises(httpx.TransportError) as caught:
            await transport.handle_async_request(httpx.Request("GET", url))
        return caught.value
    finally:
        await transport.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://127.0.0.1:22/",
        "https://shop.example:22/",
        "https://shop.example:8443/",
        "http://shop.example/",
        "http://127.0.0.1/",
        "ftp://shop.example/",
        "https://user:secret@shop.example/",
    ],
)
async def test_a_target_off_the_public_internet_is_refused_and_never_dialled(url: str, dialled: Dialled) -> None:
    assert isinstance(await attack(url), AddressRefused)
    assert dialled == []


def test_an_octal_address_is_no_url_at_all() -> None:
    with pytest.raises(httpx.InvalidURL):
        httpx.Request("GET", "https://0177.0.0.1/")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["224.0.0.1"],
        [PUBLIC, "10.1.2.3"],
        ["fd00::1", PUBLIC],
    ],
)
async def test_a_name_with_any_answer_off_the_public_internet_is_refused(
    addresses: list[str], names: dict[str, list[list[str]]], dialled: Dialled
) -> None:
    names["shop.example"] = [addresses]
    assert isinstance(await attack("https://shop.example/"), AddressRefused)
    assert dialled == []


async def test_a_name_that_changes_its_answer_is_looked_up_once_and_dialled_where_it_was_judged(
    names: dict[str, list[list[str]]], dialled: Dialled
) -> None:
    names["shop.example"] = [[PUBLIC], ["127.0.0.1"]]
    error = await attack("https://shop.example/")
    assert isinstance(error, httpx.ConnectError)
    assert not isinstance(error, AddressRefused)
    assert dialled == [(PUBLIC, 443)]


async def test_a_name_that_changes_its_answer_later_is_refused_then(
    names: dict[str, list[list[str]]], dialled: Dialled
) -> None:
    names["shop.example"] = [[PUBLIC], ["127.0.0.1"]]
    await attack("https://shop.example/")
    assert isinstance(await attack("https://shop.example/"), AddressRefused)
    assert dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("address", [("127.0.0.1", 443), ("10.0.0.1", 443), (PUBLIC, 22), ("::1", 443, 0, 0)])
def test_the_socket_itself_refuses_an_address_that_got_past_the_names(address: tuple[Any, ...]) -> None:
    guard = SocketGuard(frozenset(), 1.0)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with pytest.raises(AddressRefusedError):
        guard.open_socket((family, socket.SOCK_STREAM, 6, "", address))


async def test_a_call_that_got_past_the_names_is_refused_at_its_socket(
    names: dict[str, list[list[str]]], dialled: Dialled, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["shop.example"] = [["127.0.0.1"]]
    monkeypatch.setattr(SocketGuard, "judge", lambda *_: None)
    assert isinstance(await attack("https://shop.example/"), AddressRefused)
    assert dialled == []


async def test_a_redirect_to_loopback_is_not_followed() -> None:
    async with wire_server(answers(200)) as inner:
        location = f"Location: http://127.0.0.1:{inner.port}/secret"
        for status in (301, 302, 303, 307, 308):
            async with wire_server(answers(status, b"", location)) as outer:
                transport = GuardedTransport(HttpLimits(), allowed_hosts([outer.pair, inner.pair]))
                request = httpx.Request("GET", f"http://{outer.domain}/")
                assert (await transport.handle_async_request(request)).status_code == status
                await transport.aclose()
        assert inner.connections == 0


async def test_an_allowed_pair_opens_its_port_and_no_other() -> None:
    async with wire_server(answers(200)) as server, wire_server(answers(200)) as other:
        transport = GuardedTransport(HttpLimits(), allowed_hosts([("localhost", server.port)]))
        request = httpx.Request("GET", f"http://localhost:{server.port}/")
        assert (await transport.handle_async_request(request)).status_code == 200
        for url in (f"http://localhost:{other.port}/", f"http://127.0.0.1:{server.port}/"):
            with pytest.raises(AddressRefused):
                await transport.handle_async_request(httpx.Request("GET", url))
        await transport.aclose()
        assert other.connections == 0


async def test_a_proxy_from_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wire_server(answers(200)) as server, wire_server(answers(200)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.domain}")
        transport = GuardedTransport(HttpLimits(), allowed_hosts([server.pair, proxy.pair]))
        await transport.handle_async_request(httpx.Request("GET", f"http://{server.domain}/"))
        await transport.aclose()
        assert (server.connections, proxy.connections) == (1, 0)


def test_opening_the_guard_is_logged_loudly_and_once(caplog: pytest.LogCaptureFixture) -> None:
    GuardedTransport(HttpLimits())
    assert caplog.records == []
    GuardedTransport(HttpLimits(), allowed_hosts([("Shop.Local", 8080)]))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "shop.local:8080" in caplog.text
