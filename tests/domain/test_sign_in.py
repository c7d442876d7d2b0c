"""How long one waits after failures, and whose failures are counted together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sign_in import PER_ADDRESS, PER_NAME, TryLimit, address_group

limits = st.sampled_from([PER_NAME, PER_ADDRESS])


@given(limit=limits, failures=st.integers(0, 10**6))
def test_the_wait_begins_after_the_free_ones_grows_and_has_an_end(limit: TryLimit, failures: int) -> None:
    wait, next_ = limit.wait_after(failures), limit.wait_after(failures + 1)
    assert (wait == timedelta(0)) is (failures < limit.free)
    assert wait <= next_ <= limit.longest
    assert next_ == wait * 2 or next_ in (timedelta(0), timedelta(seconds=1), limit.longest)


def test_a_day_of_guessing_at_one_name_is_a_few_hundred_guesses() -> None:
    seconds, guesses = timedelta(0), 0
    while seconds < timedelta(days=1):
        guesses += 1
        seconds += PER_NAME.wait_after(guesses)
    assert guesses < 310


@pytest.mark.parametrize(
    ("host", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_addresses_that_one_customer_has_are_counted_together(host: str, group: str) -> None:
    assert address_group(host) == group
