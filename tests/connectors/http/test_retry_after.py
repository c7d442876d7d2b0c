from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.retry_after import LONGEST_WAIT_SECONDS, retry_after_seconds

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-5", None),
        ("99999999", LONGEST_WAIT_SECONDS),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("٣", None),
        ("soon", None),
        ("Mon, 02 Mar 2026 09:15:30 GMT", 30.0),
        ("Monday, 02-Mar-26 09:15:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 09:14:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 02:16:00 -0700", 60.0),
        ("Mon, 02 Mar 2027 09:15:30 GMT", LONGEST_WAIT_SECONDS),
        ("Mon, 99 Mar 2026 09:15:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds


@given(st.text())
def test_any_header_gives_nothing_or_a_wait_between_zero_and_a_day(value: str) -> None:
    seconds = retry_after_seconds(value, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT_SECONDS


@given(st.integers(min_value=0, max_value=86_400))
def test_seconds_and_the_date_that_is_so_far_ahead_mean_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_seconds(date, NOW) == retry_after_seconds(str(seconds), NOW) == seconds
