from __future__ import annotations

import pytest

from connectors.http import allowed_hosts, build_endpoint
from connectors.registry import Connectors
from domain.errors import ShopRejected, ShopUnauthorized
from tests.connectors.support import TOKEN, RecordingGuard, channel_at

BAD_DOMAINS = [
    "",
    "127.0.0.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "shop.example:22",
    "shop.example:443",
    "shop.example/path",
    "user@shop.example",
    "shop.example?x",
    "shop.example#x",
    "shop .example",
    "-shop.example",
    "shop..example",
    "SHOP.example",
    "шоп.example",
    "shop.example\r\nHost: other",
]


@pytest.mark.parametrize("domain", BAD_DOMAINS)
async def test_a_shop_domain_that_is_no_plain_host_name_makes_no_call(domain: str) -> None:
    connectors, guard = Connectors(), RecordingGuard()
    with pytest.raises(ShopRejected) as caught:
        await connectors.open(channel_at(domain), guard).read_order("1")
    assert caught.value.code == "address_refused"
    assert guard.asked == []
    assert guard.calls == []


@pytest.mark.parametrize("token", ["", "with space", "line\nbreak", "smörgås"])
async def test_a_token_no_header_can_carry_makes_no_call_and_is_not_told(token: str) -> None:
    connectors, guard = Connectors(), RecordingGuard()
    with pytest.raises(ShopUnauthorized) as caught:
        await connectors.open(channel_at("shop.example", token), guard).read_order("1")
    assert not token or token not in str(caught.value)
    assert guard.asked == []


async def test_an_api_version_the_connector_does_not_speak_makes_no_call() -> None:
    connectors, guard = Connectors(), RecordingGuard()
    with pytest.raises(ShopRejected) as caught:
        await connectors.open(channel_at("shop.example", api_version="1.0/../x"), guard).read_order("1")
    assert caught.value.code == "unknown_api_version"
    assert guard.asked == []


def test_a_plain_domain_is_called_by_https() -> None:
    endpoint = build_endpoint(channel_at("acme.mybrightsites.com"), "/api/v2.7.0", "X-API-TOKEN", frozenset())
    assert endpoint.base == "https://acme.mybrightsites.com/api/v2.7.0"
    assert endpoint.headers["x-api-token"] == TOKEN
    assert endpoint.refusal is None


def test_only_an_allowed_pair_is_called_by_http() -> None:
    allowed = allowed_hosts([("localhost", 8080)])
    endpoint = build_endpoint(channel_at("localhost:8080"), "/api", "X-API-TOKEN", allowed)
    assert (endpoint.base, endpoint.refusal) == ("http://localhost:8080/api", None)
    assert build_endpoint(channel_at("localhost:8081"), "/api", "X-API-TOKEN", allowed).refusal is not None


def test_the_token_stays_out_of_the_text_of_an_endpoint() -> None:
    endpoint = build_endpoint(channel_at("shop.example"), "/api", "X-API-TOKEN", frozenset())
    assert TOKEN not in repr(endpoint)
