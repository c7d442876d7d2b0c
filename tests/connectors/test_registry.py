from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from connectors import Connectors
from connectors.registry import PLATFORMS
from domain.errors import UnknownName
from domain.ports import LocationOpener, ShopOpener
from tests.connectors.conftest import READ_ONLY, Bench
from tests.connectors.support import RecordingGuard, channel_at


def test_a_manifest_is_given_by_platform() -> None:
    assert Connectors().manifest("bright_sites").title == "Bright Sites"


def test_an_unknown_platform_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownName, match="bright_sites") as caught:
        Connectors().manifest("etsy")
    assert caught.value.code == "unknown_platform"
    with pytest.raises(UnknownName):
        Connectors().open(replace(channel_at("shop.example"), platform="etsy"), RecordingGuard())


def test_opening_a_shop_makes_no_call_and_fits_the_seam() -> None:
    opener: ShopOpener = Connectors().open
    guard = RecordingGuard()
    opener(channel_at("shop.example"), guard)
    assert guard.asked == []


def test_a_platform_has_locations_where_its_manifest_has_warehouse_mappings() -> None:
    for platform in PLATFORMS.values():
        assert platform.manifest.has_locations == (platform.locations is not None), platform.manifest.title
    opener: LocationOpener = Connectors().locations
    guard = RecordingGuard()
    assert opener(channel_at("shop.example"), guard) is None
    assert guard.asked == []


async def test_each_run_has_its_own_guard_on_shared_memory(bench: Bench) -> None:
    other = RecordingGuard()
    await bench.shop.shipping_methods()
    await bench.connectors.open(bench.channel, other).shipping_methods()
    assert (len(bench.guard.calls), len(other.calls)) == (1, 0)


async def test_a_changed_token_takes_effect_with_the_next_run(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    await bench.shop.read_order(str(order_id))
    changed = replace(bench.channel, token=SecretStr(READ_ONLY))
    await bench.connectors.open(changed, bench.guard).read_order(str(order_id))
    assert [call.token for call in bench.sandbox.shop.ledger.calls] == ["read-write", "read-only"]


async def test_a_changed_domain_forgets_what_was_known_of_the_old_shop(bench: Bench) -> None:
    await bench.shop.shipping_methods()
    elsewhere = replace(bench.channel, domain="localhost")
    assert not (await bench.connectors.open(elsewhere, bench.guard).check()).reachable
    await bench.connectors.open(bench.channel, bench.guard).shipping_methods()
    assert bench.calls() == [("GET", "/shipping_methods")] * 2
