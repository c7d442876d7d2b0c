"""The budget of API calls: calendar windows, who is held and until when, polling that slows, fair reservations."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.budget import (
    MOST_AT_ONCE,
    SHARES,
    SPARED_DOUBLINGS,
    Budget,
    BudgetLevel,
    CallClass,
    Cause,
    Standing,
    Usage,
    cause_of,
    class_of,
    lets_tick_pass,
    reserve,
    stand,
    stretch,
)
from domain.budget_windows import Window, runs_out, window_of
from domain.errors import UnknownName
from domain.jobs import JOB_TYPES
from domain.periods import ALL_PERIODS, NEVER, Period, next_due
from domain.synclog import Trigger

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
OVER_MIDNIGHT = ("America/St_Johns", "Pacific/Apia")
CHANGES = [
    "2026-03-29T01:00",
    "2026-10-25T01:00",
    "2026-03-08T07:00",
    "2026-04-04T15:00",
    "2006-10-29T02:31",
    "2011-12-30T10:00",
]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY, HOUR, MICROSECOND = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
EVERY = [period for period in ALL_PERIODS if period.every]

moments = st.datetimes(datetime(1971, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
near_changes = st.builds(
    lambda at, minutes: datetime.fromisoformat(f"{at}+00:00") + timedelta(minutes=minutes),
    st.sampled_from(CHANGES),
    st.integers(-2000, 2000),
)
zones = st.sampled_from(ZONES + OVER_MIDNIGHT) | st.sampled_from(sorted(available_timezones()))
limits = st.integers(1, 100_000)
levels = st.lists(st.floats(0.01, 0.99), max_size=4, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def standings(draw: st.DrawFn) -> tuple[Budget, Usage, datetime, str, Standing]:
    month = draw(st.none() | limits)
    day = draw(st.none() | (limits if month is None else st.integers(1, month)))
    budget = Budget(per_day=day, per_month=month, warn_at=draw(levels))
    now, zone = draw(moments | near_changes), draw(zones)
    used = draw(st.integers(0, 2 * (day or 1000)))
    ago = st.integers(0, 30).map(lambda hours: now - hours * HOUR)
    recent = draw(st.none() | st.lists(st.tuples(ago, st.integers(0, 10_000)), max_size=5))
    usage = Usage(used, used + draw(st.integers(0, month or 1000)), recent)
    return budget, usage, now, zone, stand(budget, usage, now, zone)


def standing(used: int, *, per_day: int = 1000, now: datetime = NOON, hourly: int = 10_000) -> Standing:
    return stand(Budget(per_day=per_day), Usage(used, used, [(now, hourly * 3)]), now, "UTC")


@given(moment=moments | near_changes, zone=zones)
def test_days_and_months_tile_time_without_gap_or_overlap(moment: datetime, zone: str) -> None:
    here = window_of(moment, zone)
    for name in ("day", "month"):
        window: Window = getattr(here, name)
        assert window.begin <= moment < window.end
        after, before = window_of(window.end, zone), window_of(window.begin - MICROSECOND, zone)
        assert getattr(after, name).begin == window.end == getattr(window_of(window.end - MICROSECOND, zone), name).end
        assert getattr(before, name).end == window.begin == getattr(window_of(window.begin, zone), name).begin
        assert getattr(before, name).first < window.first < getattr(after, name).first
    assert here.month.begin <= here.day.begin < here.day.end <= here.month.end


@given(moment=moments.filter(lambda at: at.year >= 1990) | near_changes, zone=st.sampled_from(ZONES))
def test_a_day_is_the_local_date_and_a_month_begins_at_the_midnight_of_its_first(moment: datetime, zone: str) -> None:
    here, local = window_of(moment, zone), moment.astimezone(ZoneInfo(zone))
    assert date(1970, 1, 1) + timedelta(here.day.first) == local.date()
    assert date(1970, 1, 1) + timedelta(here.month.first) == local.date().replace(day=1)
    for window in (here.day, here.month):
        assert {f"{at.astimezone(ZoneInfo(zone)):%H:%M:%S.%f}" for at in (window.begin, window.end)} == {
            "00:00:00.000000"
        }
        assert (window.begin.tzinfo, window.end.tzinfo) == (UTC, UTC)


@pytest.mark.parametrize(
    ("zone", "on", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T12", 23),
        ("Europe/Berlin", "2026-10-25T12", 25),
        ("America/New_York", "2026-03-08T12", 23),
        ("America/New_York", "2026-11-01T12", 25),
        ("Australia/Lord_Howe", "2026-04-05T01", 24.5),
        ("Australia/Lord_Howe", "2026-10-04T01", 23.5),
        ("America/St_Johns", "2006-10-29T12", 25),
        ("Pacific/Apia", "2011-12-31T01", 24),
        ("UTC", "2026-03-29T12", 24),
    ],
)
def test_a_day_in_which_the_clocks_change_is_shorter_or_longer(zone: str, on: str, hours: float) -> None:
    day = window_of(datetime.fromisoformat(f"{on}:00:00+00:00"), zone).day
    assert (day.end - day.begin) / HOUR == hours


@pytest.mark.parametrize(
    ("zone", "moment", "local", "begin"),
    [
        ("America/St_Johns", "2006-10-29T02:45", "2006-10-28T23:15", "2006-10-29T02:30"),
        ("America/Toronto", "1919-03-31T04:45", "1919-03-31T00:45", "1919-03-30T05:00"),
    ],
)
def test_a_clock_that_goes_over_midnight_begins_no_day_twice_and_none_early(
    zone: str, moment: str, local: str, begin: str
) -> None:
    at = datetime.fromisoformat(f"{moment}+00:00")
    assert f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}" == local
    assert f"{window_of(at, zone).day.begin:%Y-%m-%dT%H:%M}" == begin


@pytest.mark.parametrize(
    ("month", "days"), [("2026-01", 31), ("2026-02", 28), ("2028-02", 29), ("2026-04", 30), ("2026-12", 31)]
)
def test_a_month_has_the_length_of_the_calendar(month: str, days: int) -> None:
    for day in (1, days):
        window = window_of(datetime.fromisoformat(f"{month}-{day:02}T23:59:59+00:00"), "UTC").month
        assert (window.end - window.begin, f"{window.begin:%Y-%m-%d}") == (days * DAY, f"{month}-01")


@given(left=st.integers(-10, 10**9), rate=st.floats(0, 1e9), moment=moments)
def test_calls_run_out_between_now_and_the_end_of_the_window_or_not_at_all(
    left: int, rate: float, moment: datetime
) -> None:
    window = window_of(moment, "UTC").month
    ends_at = runs_out(left, rate, moment, window)
    assert ends_at is None or moment <= ends_at <= window.end
    assert (ends_at == moment) or left > 0


@pytest.mark.parametrize(
    "wrong",
    [{"per_day": 0}, {"per_month": -1}, {"per_day": 11, "per_month": 10}, {"per_week": 5}, {"per_day": "many"}]
    + [{"warn_at": at} for at in [(0.9, 0.8), (0.8, 0.8), (0, 0.5), (0.5, 1), (float("nan"),)]],
    ids=str,
)
def test_a_budget_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate(wrong)


def test_a_budget_comes_back_from_a_table_as_it_was() -> None:
    budget = Budget(per_day=100, per_month=100, warn_at=(0.5, 0.7, 0.9))
    assert Budget.model_validate_json(budget.model_dump_json()) == budget


def test_every_job_has_a_class_and_an_unknown_one_is_refused_with_those_that_exist() -> None:
    assert {class_of(name) for name in ("order_import", "order_update", "shipment_export")} == {CallClass.ORDERS}
    assert {class_of(name) for name in ("authorization_refresh", "test_connection")} == {CallClass.UPKEEP}
    assert {class_of(name) for name in JOB_TYPES} <= set(CallClass)
    with pytest.raises(UnknownName, match=r"'order_eat'.*shipment_export"):
        class_of("order_eat")


@given(case=standings())
def test_a_class_that_is_held_implies_that_every_lower_class_is_held_as_long(case: Any) -> None:
    classes = [case[-1].classes[each] for each in (CallClass.ORDERS, CallClass.STOCK, CallClass.PRODUCTS)]
    for higher, lower in pairwise(classes):
        assert not higher.held or (lower.held and lower.until >= higher.until)
        assert (higher.left is None) == (lower.left is None)
        assert higher.left is None or higher.left >= lower.left >= 0
    assert all(each.held == (each.left == 0) for each in classes)
    assert case[-1].classes[CallClass.UPKEEP].held is False


@given(case=standings())
def test_orders_are_held_only_when_a_window_is_spent_and_until_it_ends(case: Any) -> None:
    budget, usage, now, zone, found = case
    windows = window_of(now, zone)
    spent = [windows.day.end] if budget.per_day is not None and usage.day_used >= budget.per_day else []
    spent += [windows.month.end] if budget.per_month is not None and usage.month_used >= budget.per_month else []
    assert found.classes[CallClass.ORDERS].until == max(spent, default=None)
    assert (found.level is BudgetLevel.SPENT) == bool(spent) == (found.left == 0)


@given(case=standings())
def test_the_forecast_is_never_in_the_past_and_is_now_only_for_a_spent_budget(case: Any) -> None:
    _, _, now, zone, found = case
    assert found.ends_at is None or now <= found.ends_at <= window_of(now, zone).month.end
    assert found.level is not BudgetLevel.SPENT or found.ends_at == now


@given(limit=st.integers(20, 100_000))
def test_no_class_uses_more_than_its_share_and_each_may_use_all_of_it(limit: int) -> None:
    for each, percent in SHARES.items():
        allowed = limit * percent // 100
        assert standing(allowed, per_day=limit).classes[each].held
        assert standing(allowed - 1, per_day=limit).classes[each].left == 1


def test_under_a_tiny_budget_every_class_may_make_a_call() -> None:
    assert not any(each.held for each in standing(0, per_day=1).classes.values())


def test_without_a_budget_nothing_is_held_and_nothing_forecast() -> None:
    found = stand(Budget(), Usage(10**9, 10**9), NOON, "UTC")
    assert (found.level, found.left, found.ends_at, found.doublings) == (BudgetLevel.OK, None, None, 0)
    assert found.sentence == "No API-call budget is set: calls are counted and none is held."
    assert {(each.held, each.left) for each in found.classes.values()} == {(False, None)}


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, "ok"), (799, "ok"), (800, "warning"), (949, "warning"), (950, "critical"), (999, "critical"), (1000, "spent")],
)
def test_the_level_follows_the_used_share(used: int, level: str) -> None:
    assert standing(used).level == level


def test_a_single_warning_level_warns_and_none_at_all_only_tells_of_the_end() -> None:
    one, none = Budget(per_day=100, warn_at=(0.5,)), Budget(per_day=100, warn_at=())
    assert stand(one, Usage(99, 99), NOON, "UTC").level is BudgetLevel.WARNING
    assert [stand(none, Usage(used, used), NOON, "UTC").level for used in (99, 100)] == ["ok", "spent"]


def test_the_sentence_says_how_much_is_used_what_waits_and_what_to_do() -> None:
    budget = Budget(per_day=1000, per_month=10_000)
    berlin = stand(budget, Usage(960, 3000, [(NOON, 60)]), NOON, "Europe/Berlin")
    assert berlin.sentence == (
        "960 of 1000 API calls of this day are used. "
        "At the present rate the budget ends on 2026-03-10 15:00 Europe/Berlin. "
        "Recurring reads of the shop run less often. "
        "Waiting, not lost: stock, products until 2026-03-11 00:00 Europe/Berlin. "
        "Raise the API-call budget in Advanced settings, or choose longer Main Job Periods."
    )
    assert stand(budget, Usage(10, 10), NOON, "UTC").sentence == "10 of 1000 API calls of this day are used."
    both = stand(budget, Usage(1000, 9100), NOON, "UTC").sentence
    assert "orders, stock until 2026-03-11 00:00 UTC; products until 2026-04-01 00:00 UTC" in both
    assert not re.search("ends on", both)


def test_the_forecast_goes_by_the_recent_rate_of_each_window_else_by_the_average() -> None:
    day, month = Budget(per_day=1000), Budget(per_month=10_000)
    burst = [(NOON - 4 * HOUR, 2400), (NOON - HOUR, 300), (NOON - DAY, 10**6), (NOON + HOUR, 10**6)]
    assert stand(day, Usage(500, 500, burst), NOON, "UTC").ends_at == NOON + 5 * HOUR
    assert stand(month, Usage(500, 1000, burst), NOON, "UTC").ends_at == NOON + 80 * HOUR
    assert stand(day, Usage(600, 600), NOON, "UTC").ends_at == NOON + 8 * HOUR
    assert stand(day, Usage(500, 500), NOON, "UTC").ends_at is None
    assert stand(day, Usage(500, 500, []), NOON, "UTC").ends_at is None


@pytest.mark.parametrize(
    ("used", "hour", "factor"),
    [(799, 12, 1), (800, 12, 4), (880, 12, 8), (999, 12, 256), (1000, 12, 256), (800, 16, 2), (800, 20, 1)],
)
def test_polling_slows_by_used_against_elapsed_share_from_the_first_warning_on(
    used: int, hour: int, factor: int
) -> None:
    found = standing(used, now=NOON.replace(hour=hour))
    assert stretch("product_import", Period("5m"), found) == factor
    assert stretch("order_import", Period("5m"), found) == max(1, factor // 2)


def test_polling_slows_only_where_the_budget_would_end_before_its_window() -> None:
    assert standing(880, hourly=9).doublings == 0
    assert standing(880, hourly=11).doublings == 3


@given(case=standings(), period=st.sampled_from(EVERY), job=st.sampled_from(sorted(SPARED_DOUBLINGS)))
def test_polling_slows_before_writing_stops_never_beyond_a_day_and_orders_least(
    case: Any, period: Period, job: str
) -> None:
    found: Standing = case[-1]
    assert period.every is not None
    assert period.every * stretch(job, period, found) <= DAY
    assert stretch("order_import", period, found) <= stretch(job, period, found)
    assert found.ends_at is not None or stretch(job, period, found) == 1
    assert found.level is not BudgetLevel.SPENT or period.every * stretch(job, period, found) * 4 > DAY


@given(used=st.integers(0, 1000), more=st.integers(0, 100))
def test_more_used_never_quickens_polling(used: int, more: int) -> None:
    assert standing(used + more).doublings >= standing(used).doublings


def test_writes_daily_jobs_and_jobs_that_never_run_are_not_stretched() -> None:
    spent = standing(1000)
    assert {stretch(job, Period("5m"), spent) for job in ("product_export", "order_update", "pii_redaction")} == {1}
    assert {stretch("order_import", period, spent) for period in (NEVER, Period("daily@06:30"))} == {1}
    assert lets_tick_pass("order_import", NOON, Period("daily@06:30"), spent)


@given(
    used=st.integers(0, 1000), period=st.sampled_from(EVERY), start=moments, name=st.text(max_size=9),
    job=st.sampled_from(sorted(SPARED_DOUBLINGS)),
)  # fmt: skip
def test_with_a_factor_of_n_exactly_one_of_n_consecutive_ticks_passes(
    used: int, period: Period, start: datetime, name: str, job: str
) -> None:
    found = standing(used)
    factor = stretch(job, period, found)
    first = next_due(period, start, schedule_id=name)
    assert first is not None
    assert period.every is not None
    dues = [first + step * period.every for step in range(factor)]
    assert sum(lets_tick_pass(job, due, period, found) for due in dues) == 1


@given(due=moments, period=st.sampled_from(EVERY), used=st.integers(0, 1000), less=st.integers(0, 200))
def test_a_tick_that_passes_passes_also_when_less_is_used(due: datetime, period: Period, used: int, less: int) -> None:
    assume(lets_tick_pass("inventory_import", due, period, standing(used)))
    assert lets_tick_pass("inventory_import", due, period, standing(used - min(less, used)))


@given(
    limit=st.integers(1, 500), processes=st.integers(1, 9), hint=st.integers(-1, 20),
    turns=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(list(SHARES)), st.integers(0, 9)), max_size=60),
)  # fmt: skip
def test_whatever_the_interleaving_all_reservations_together_stay_within_the_budget(
    limit: int, processes: int, hint: int, turns: list[tuple[int, CallClass, int]]
) -> None:
    """A process reserves in its turn for a class, and gives back some that it did not use."""
    used, in_hand = 0, [0] * processes
    for turn, call_class, unused in turns:
        left = standing(used, per_day=limit).classes[call_class].left
        assert left is not None
        chunk = reserve(left, hint)
        used += chunk
        assert used <= limit
        assert not chunk or used <= max(1, limit * SHARES[call_class] // 100)
        in_hand[turn % processes] += chunk
        back = min(unused, in_hand[turn % processes])
        in_hand[turn % processes] -= back
        used -= back


@given(left=st.integers(-5, 10_000), processes=st.integers(1, 64))
def test_a_reservation_is_from_one_to_fifty_calls_and_smaller_as_the_end_nears(left: int, processes: int) -> None:
    chunk = reserve(left, processes)
    assert min(1, max(left, 0)) <= chunk <= min(MOST_AT_ONCE, max(left, 0))
    assert reserve(left + 1, processes) >= chunk
    assert left < 2 * processes or chunk * processes * 2 <= left or chunk == 1
    assert reserve(None, processes) == MOST_AT_ONCE
    assert reserve(left, -processes) == reserve(left, 0) == reserve(left, 1)


def test_a_lone_process_with_much_left_reserves_fifty_at_once() -> None:
    assert [reserve(left, 1) for left in (10_000, 100, 99, 10, 3, 1, 0)] == [50, 50, 49, 5, 1, 1, 0]


@pytest.mark.parametrize(
    ("trigger", "attempt", "cause"),
    [(trigger, 1, Cause.FIRST_TRY) for trigger in (Trigger.EVENT, Trigger.SCHEDULE, Trigger.WEBHOOK)]
    + [(trigger, 2, Cause.RETRY) for trigger in Trigger if trigger is not Trigger.REPLAY]
    + [(Trigger.MANUAL, 1, Cause.MANUAL), (Trigger.REPLAY, 1, Cause.REPLAY), (Trigger.REPLAY, 7, Cause.REPLAY)],
)
def test_each_call_has_one_cause(trigger: Trigger, attempt: int, cause: Cause) -> None:
    assert cause_of(trigger, attempt) is cause
