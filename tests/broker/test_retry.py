"""Retry arithmetic, and that the table in its docstring is true."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import retry
from broker.retry import GATE_SECONDS, JITTER, LADDER_SECONDS, gate_wait, wait_after

_ROW = re.compile(r"^ *(\d+) {3,}(\S.*?) {3,}(\S.*?)$", re.MULTILINE)
_UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds(text: str) -> float:
    """``1 h 30`` is 5,400; ``20 s`` is 20."""
    number, unit, *minutes = text.split()
    return float(number) * _UNITS[unit] + (float(minutes[0]) * 60 if minutes else 0)


def test_the_table_in_the_docstring_is_the_ladder() -> None:
    rows = _ROW.findall(retry.__doc__ or "")
    assert [int(failure) for failure, _, _ in rows] == list(range(1, len(LADDER_SECONDS) + 2))
    *waits, last = rows
    assert last[1:] == ("dead", "-")
    elapsed = 0.0
    for (_, wait, since), expected in zip(waits, LADDER_SECONDS, strict=True):
        elapsed += expected
        assert seconds(wait) == expected
        assert seconds(since) == pytest.approx(elapsed, rel=0.1)


@given(failures=st.integers(1, len(LADDER_SECONDS)), key=st.text(max_size=40))
def test_a_wait_is_the_ladders_give_or_take_a_tenth(failures: int, key: str) -> None:
    wait = wait_after(failures, key)
    step = LADDER_SECONDS[failures - 1]
    assert wait is not None
    assert step * (1 - JITTER) <= wait <= step * (1 + JITTER)
    assert wait_after(failures, key) == wait


@given(key=st.text(max_size=40))
def test_waits_grow_with_every_failure(key: str) -> None:
    waits = [wait_after(failures, key) for failures in range(1, len(LADDER_SECONDS) + 1)]
    assert waits == sorted(wait for wait in waits if wait)


@given(more=st.integers(1, 1000), key=st.text(max_size=40))
def test_a_spent_budget_has_no_wait(more: int, key: str) -> None:
    assert wait_after(len(LADDER_SECONDS) + more, key) is None


@pytest.mark.parametrize("failures", [0, -1])
def test_failures_count_from_one(failures: int) -> None:
    with pytest.raises(ValueError, match="count from 1"):
        wait_after(failures, "key")


def test_a_thousand_failures_of_one_moment_come_back_spread_out() -> None:
    waits = [wait_after(1, f"delivery-{at}") or 0 for at in range(1000)]
    tenths = [int((wait / LADDER_SECONDS[0] - (1 - JITTER)) / (2 * JITTER) * 10) for wait in waits]
    assert all(60 <= tenths.count(tenth) <= 140 for tenth in range(10))


@given(strikes=st.integers(-5, 50))
def test_a_gate_stays_closed_longer_after_each_failed_probe_up_to_a_minute(strikes: int) -> None:
    assert GATE_SECONDS[0] <= gate_wait(strikes) <= gate_wait(strikes + 1) <= GATE_SECONDS[-1] == 60.0
    assert [gate_wait(at + 1) for at in range(len(GATE_SECONDS))] == list(GATE_SECONDS)
