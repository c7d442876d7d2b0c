"""Moments survive the way into tables and texts and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.moments import EPOCH, from_micros, iso, to_micros, utc_now

moments = st.datetimes(datetime(3, 1, 1), datetime(9998, 1, 1), timezones=st.timezones())  # noqa: DTZ001 - hypothesis adds the zone


@given(moment=moments)
def test_a_moment_comes_back_from_a_table_in_utc(moment: datetime) -> None:
    back = from_micros(to_micros(moment))
    assert (back, back.tzinfo) == (moment.astimezone(UTC), UTC)


@given(micros=st.integers(-(2**55), 2**57))
def test_microseconds_come_back_from_a_moment(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@given(one=moments, other=moments)
def test_the_order_of_moments_is_the_order_of_their_microseconds(one: datetime, other: datetime) -> None:
    assert (to_micros(one) < to_micros(other)) == (one.astimezone(UTC) < other.astimezone(UTC))


@given(moment=moments)
def test_text_ends_in_z_and_reads_back(moment: datetime) -> None:
    assert iso(moment).endswith("Z")
    assert datetime.fromisoformat(iso(moment)) == moment.astimezone(UTC)


def test_a_naive_datetime_is_no_moment() -> None:
    with pytest.raises(TypeError):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_the_epoch_is_zero_and_the_present_is_aware() -> None:
    assert to_micros(EPOCH) == 0
    assert utc_now().tzinfo is UTC
