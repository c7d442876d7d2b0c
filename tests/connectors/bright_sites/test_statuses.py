from __future__ import annotations

import pytest

from connectors.bright_sites.statuses import FROM_SHOP, from_shop, to_shop
from domain.errors import ShopRejected
from domain.orders import OrderStatus
from sandbox.bright_sites.statuses import STATUSES


def test_all_ten_statuses_of_the_shop_have_a_meaning() -> None:
    assert set(FROM_SHOP) == set(STATUSES)


@pytest.mark.parametrize(
    ("shop", "oms"),
    [
        ("canceled", OrderStatus.CANCELLED),
        ("moas_pending", OrderStatus.ON_HOLD),
        ("split", OrderStatus.PARTIALLY_SHIPPED),
        ("billed", OrderStatus.PAID),
        ("paid", OrderStatus.PAID),
        ("back_ordered", OrderStatus.BACK_ORDERED),
        (" Shipped ", OrderStatus.SHIPPED),
        ("something_new", OrderStatus.ON_HOLD),
    ],
)
def test_a_shop_status_becomes_the_oms_status(shop: str, oms: OrderStatus) -> None:
    assert from_shop(shop) is oms


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.ON_HOLD])
def test_an_oms_status_comes_back_as_itself(status: OrderStatus) -> None:
    assert from_shop(to_shop(status)) is status


@pytest.mark.parametrize("status", STATUSES)
def test_the_shops_own_words_are_taken_as_they_are(status: str) -> None:
    assert to_shop(status) == status


@pytest.mark.parametrize("status", ["on_hold", "", "lost", "x" * 100])
def test_a_status_the_shop_has_no_word_for_is_refused_with_what_it_has(status: str) -> None:
    with pytest.raises(ShopRejected, match="in_progress") as caught:
        to_shop(status)
    assert caught.value.code == "status_unknown"
