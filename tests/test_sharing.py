"""The order in which workers share the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.sharing import long_ones_first

TESTS = ["a", "b", "LONG 1", "c", "d", "LONG 2", "LONG 3", "e", "f", "g"]


def test_each_worker_begins_with_its_share_of_the_long_ones() -> None:
    assert long_ones_first(TESTS, 2, str.isupper) == ["LONG 1", "LONG 3", "a", "b", "c", "LONG 2", "d", "e", "f", "g"]


def test_one_worker_keeps_the_order() -> None:
    assert long_ones_first(TESTS, 1, str.isupper) == TESTS


@pytest.mark.parametrize("workers", [2, 3, 4, 12])
@pytest.mark.parametrize("long", [lambda name: False, lambda name: True, lambda name: name < "c"])
def test_none_is_left_out(workers: int, long: Callable[[str], bool]) -> None:
    assert sorted(long_ones_first(TESTS, workers, long)) == sorted(TESTS)
