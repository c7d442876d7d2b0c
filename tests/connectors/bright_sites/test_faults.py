"""Each way the sandbox can fail, against a read, a write that sets, and a write that creates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import pytest

from domain.errors import (
    ShopDown,
    ShopError,
    ShopOutcomeUnknown,
    ShopRejected,
    ShopThrottled,
    ShopUnauthorized,
)
from domain.ports import Shop
from domain.shipments import Parcel, ParcelLine
from sandbox.bright_sites import ShopSettings, Wish
from tests.connectors.conftest import READ_ONLY, Bench, open_bench

Do = Callable[[Shop, str, str], Awaitable[Any]]


async def read(shop: Shop, order_id: str, _line_id: str) -> None:
    await shop.read_order(order_id)


async def set_status(shop: Shop, order_id: str, _line_id: str) -> None:
    await shop.set_order_status(order_id, "in_progress", None)


async def create(shop: Shop, order_id: str, line_id: str) -> None:
    lines = (ParcelLine(line_id, 1),)
    await shop.create_shipment(Parcel("S-1", order_id, None, "1Z", date(2026, 3, 4), False, lines))


DOWN_OR_UNKNOWN = (ShopDown, ShopDown, ShopOutcomeUnknown)
FAULTS: list[tuple[str, dict[str, object], tuple[type[ShopError], ...]]] = [
    ("throttle", {"retry_after": 9}, (ShopThrottled,) * 3),
    ("server_error", {"status": 503}, DOWN_OR_UNKNOWN),
    ("server_error", {"after_write": True}, DOWN_OR_UNKNOWN),
    ("reset_before", {}, DOWN_OR_UNKNOWN),
    ("reset_after", {}, DOWN_OR_UNKNOWN),
    ("half_body", {}, DOWN_OR_UNKNOWN),
    ("wrong_json", {}, DOWN_OR_UNKNOWN),
    ("html", {}, DOWN_OR_UNKNOWN),
    ("error_body", {}, (ShopRejected,) * 3),
]
CASES = [
    pytest.param(kind, settings, do, expected, id=f"{kind}-{index}-{do.__name__}")
    for index, (kind, settings, kinds) in enumerate(FAULTS)
    for do, expected in zip((read, set_status, create), kinds, strict=True)
]


async def attempt(bench: Bench, shop: Shop, do: Do) -> ShopError:
    [order_id] = bench.sandbox.shop.buy(1, Wish(lines=1))
    line_id = str(bench.sandbox.shop.order(order_id)["line_items"][0]["id"])
    with pytest.raises(ShopError) as caught:
        await do(shop, str(order_id), line_id)
    assert f"order {order_id}" in caught.value.sentence
    return caught.value


@pytest.mark.parametrize(("kind", "settings", "do", "expected"), CASES)
async def test_a_fault_is_told_by_what_may_have_happened(
    bench: Bench, kind: str, settings: dict[str, object], do: Do, expected: type[ShopError]
) -> None:
    bench.fault(kind, **settings)
    error = await attempt(bench, bench.shop, do)
    assert type(error) is expected
    assert len(bench.calls()) == len(bench.guard.calls) == 1
    if isinstance(error, ShopThrottled):
        assert error.retry_after == 9


@pytest.mark.parametrize("do", [read, set_status, create])
async def test_a_wrong_token_is_unauthorized(bench: Bench, do: Do) -> None:
    shop, _ = bench.with_token("wrong-token")
    error = await attempt(bench, shop, do)
    assert (type(error), error.status) == (ShopUnauthorized, 401)


@pytest.mark.parametrize("do", [set_status, create])
async def test_a_read_only_token_is_refused_on_a_write(bench: Bench, do: Do) -> None:
    shop, _ = bench.with_token(READ_ONLY)
    error = await attempt(bench, shop, do)
    assert (type(error), error.status) == (ShopUnauthorized, 403)
    assert "may not write" in error.sentence


@pytest.mark.parametrize("after_write", [False, True])
@pytest.mark.parametrize(("do", "expected"), list(zip((read, set_status, create), DOWN_OR_UNKNOWN, strict=True)))
async def test_a_shop_that_hangs_is_told_by_what_may_have_happened(
    do: Do, expected: type[ShopError], *, after_write: bool
) -> None:
    async with open_bench(ShopSettings(products=2, variants=2), total_seconds=0.3) as bench:
        bench.fault("hang", seconds=6.0, after_write=after_write)
        assert type(await attempt(bench, bench.shop, do)) is expected


@pytest.mark.parametrize("shape", ["errors_list", "error_string", "errors_by_field", "html"])
async def test_the_kind_of_an_error_never_depends_on_the_shape_of_its_body(bench: Bench, shape: str) -> None:
    bench.sandbox.shop.change_settings({"error_shape": shape})
    shop, _ = bench.with_token("wrong-token")
    assert type(await attempt(bench, shop, read)) is ShopUnauthorized
    with pytest.raises(ShopRejected) as unknown:
        await bench.shop.read_order("99999")
    assert unknown.value.code == "order_unknown"
    [order_id] = bench.sandbox.shop.buy(1, Wish(status="completed"))
    with pytest.raises(ShopRejected) as refused:
        await bench.shop.set_order_status(str(order_id), "new", None)
    assert ("cannot change" in refused.value.sentence) is (shape != "html")


async def test_a_shop_that_is_out_altogether_is_down(bench: Bench) -> None:
    bench.sandbox.shop.faults.start_outage()
    assert type(await attempt(bench, bench.shop, read)) is ShopDown
    bench.sandbox.stop()
    assert type(await attempt(bench, bench.shop, create)) is ShopDown
