"""When a job is due next: strictly later, on a stable grid, by the wall clock, never for None."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.periods import ALL_PERIODS, NEVER, Period, jitter_of, next_due

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
INTERVALS = [period for period in ALL_PERIODS if period.every]

moments = st.datetimes(datetime(2005, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
names = st.text(min_size=1, max_size=20)
daily = st.times().map(lambda at: Period(f"daily@{at:%H:%M}"))
periods = st.sampled_from(INTERVALS) | daily


def dues(period: Period, after: datetime, count: int, timezone: str = "UTC") -> list[datetime]:
    found = []
    for _ in range(count):
        due = next_due(period, after, schedule_id="s", timezone=timezone)
        assert due is not None
        found.append(due)
        after = due
    return found


def local(due: datetime, timezone: str) -> datetime:
    return due.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)


@given(period=periods, after=moments, name=names, zone=st.sampled_from(ZONES))
def test_the_next_due_instant_is_strictly_later_and_none_lies_between(
    period: Period, after: datetime, name: str, zone: str
) -> None:
    due = next_due(period, after, schedule_id=name, timezone=zone)
    assert due is not None
    assert due > after
    almost = due - timedelta(microseconds=1)
    assert next_due(period, almost, schedule_id=name, timezone=zone) == due


@given(after=moments, name=names, zone=st.sampled_from(ZONES))
def test_never_is_never_due(after: datetime, name: str, zone: str) -> None:
    assert next_due(NEVER, after, schedule_id=name, timezone=zone) is None
    assert (NEVER.never, NEVER.every) == (True, None)


@given(period=st.sampled_from(INTERVALS), after=moments, name=names)
def test_an_interval_comes_at_a_steady_pace(period: Period, after: datetime, name: str) -> None:
    first = next_due(period, after, schedule_id=name)
    assert first is not None
    assert period.every is not None
    assert first - after <= period.every
    assert next_due(period, first, schedule_id=name) == first + period.every


@given(name=names, every=st.sampled_from([period.every for period in INTERVALS if period.every]))
def test_the_jitter_is_stable_and_small(name: str, every: timedelta) -> None:
    assert jitter_of(name, every) == jitter_of(name, every)
    assert timedelta(0) <= jitter_of(name, every) <= min(every / 10, timedelta(minutes=5))


def test_the_jitter_spreads_a_thousand_schedules_evenly() -> None:
    every = timedelta(minutes=15)
    tenths = [int(jitter_of(f"schedule-{at}", every) / (every / 10) * 10) for at in range(1000)]
    assert all(60 <= tenths.count(tenth) <= 140 for tenth in range(10))


@given(old=st.sampled_from(INTERVALS), new=periods, now=moments, name=names)
def test_a_changed_period_never_fires_for_the_past(old: Period, new: Period, now: datetime, name: str) -> None:
    was_due = next_due(old, now - timedelta(days=30), schedule_id=name)
    due = next_due(new, now, schedule_id=name)
    assert was_due is not None
    assert due is not None
    assert was_due < now < due


@given(period=daily, zone=st.sampled_from(ZONES[:5]), year=st.integers(2010, 2040))
def test_a_daily_job_is_due_once_on_every_day_of_the_year(period: Period, zone: str, year: int) -> None:
    start = datetime(year, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(microseconds=1)
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    found = dues(period, start, days, zone)
    assert [local(due, zone).date() for due in found] == [date(year, 1, 1) + timedelta(at) for at in range(days)]
    off = [due for due in found if local(due, zone).time() != time.fromisoformat(period.text[6:])]
    assert len(off) <= 1


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "02:30", "2026-03-29T01:30:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 29), "01:59", "2026-03-29T00:59:00+00:00"),
        ("Europe/Berlin", date(2026, 3, 29), "03:00", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25T00:30:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), "03:00", "2026-10-25T02:00:00+00:00"),
        ("America/New_York", date(2026, 3, 8), "02:15", "2026-03-08T07:15:00+00:00"),
        ("America/New_York", date(2026, 11, 1), "01:15", "2026-11-01T05:15:00+00:00"),
    ],
    ids=str,
)
def test_a_daily_job_follows_the_wall_clock_through_both_clock_changes(
    zone: str, day: date, at: str, expected: str
) -> None:
    midnight = datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    (due,) = dues(Period(f"daily@{at}"), midnight - timedelta(seconds=1), 1, zone)
    assert due.isoformat() == expected


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_day_of_a_clock_change_has_one_due_instant_however_often_one_asks(day: date) -> None:
    start = datetime.combine(day, time(), tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    asked = [start + timedelta(minutes=10 * step) for step in range(24 * 6)]
    answers = {next_due(Period("daily@02:30"), at, schedule_id="s", timezone="Europe/Berlin") for at in asked}
    assert sum(local(due, "Europe/Berlin").date() == day for due in answers if due) == 1


def test_a_day_that_a_zone_left_out_has_no_due_instant_of_its_own() -> None:
    before = datetime(2011, 12, 29, 20, tzinfo=UTC)
    found = [local(due, "Pacific/Apia") for due in dues(Period("daily@06:30"), before, 2, "Pacific/Apia")]
    assert [due.date() for due in found] == [date(2011, 12, 31), date(2012, 1, 1)]


@given(period=periods, after=moments, count=st.integers(2, 20), zone=st.sampled_from(ZONES))
def test_due_instants_grow(period: Period, after: datetime, count: int, zone: str) -> None:
    assert all(earlier < later for earlier, later in pairwise(dues(period, after, count, zone)))


@given(text=st.text(max_size=12))
@pytest.mark.parametrize("near", ["{}", "daily@{}", "{}m", "daily@06:30{}"])
def test_any_other_text_is_no_period(near: str, text: str) -> None:
    written = near.format(text)
    try:
        period = Period(written)
    except InputError as error:
        assert (error.code, repr(written) in error.sentence) == ("unknown_period", True)
    else:
        assert next_due(period, datetime(2026, 1, 1, tzinfo=UTC), schedule_id="s") is not None or period.never


@pytest.mark.parametrize(
    "text",
    ["", "None", "7m", "daily", "daily@24:00", "daily@6:30", "daily@06:60", "daily@06:30\n", "daily@0٣:30"],
)
def test_a_period_that_is_nearly_right_is_refused_with_the_allowed_ones(text: str) -> None:
    with pytest.raises(InputError, match="none, 5m, 10m, 15m, 30m, 1h, 2h, 4h, 6h, 12h, daily@HH:MM"):
        Period(text)
