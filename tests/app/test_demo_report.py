"""What the demo's day must end with to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.demo.books import Verdict
from app.demo.report import Report

GOOD = Report(
    seconds=18.0,
    broker="embedded journal",
    database="SQLite",
    account="demo",
    orders=300,
    events=7000,
    duplicates=170,
    rejected=7,
    deliveries={},
    outcomes={},
    calls_made=1960,
    calls_one_by_one=6600,
    calls_counted=2000,
    calls_settled=1950,
    calls_budget=10_000,
    calls_left=8000,
    tasks=(),
    tasks_expected=2,
    tasks_resolved=2,
    period="5m",
    scheduled_runs=1,
    latency_ms={},
    crashes=1,
    outage_seconds=4.0,
    log_file="",
)


def test_a_good_day_passes() -> None:
    assert GOOD.passed
    assert replace(GOOD, crashes=0, calls_settled=1960, calls_counted=1960).passed


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": Verdict(lost=["order 1001 was never announced to the OMS"])},
        {"unfinished": 1},
        {"tasks_resolved": 1},
        {"scheduled_runs": 0},
        {"calls_counted": 1959},
        {"calls_settled": 1961},
        {"crashes": 0},
    ],
    ids=str,
)
def test_a_day_fails_by_any_one_thing(change: dict[str, object]) -> None:
    assert not replace(GOOD, **change).passed  # type: ignore[arg-type]
