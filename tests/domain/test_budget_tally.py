"""What a channel has used, counted by its gate: windows that turn, what is given back, marks told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.budget import SHARES, Budget, CallClass, next_pass, passes, stand
from domain.budget_tally import Tally, ends_at, marks
from domain.budget_windows import Calendar, window_of
from domain.periods import ALL_PERIODS, Period

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BUDGET = Budget(per_day=100, per_month=1000)


def at(tally: Tally, moment: datetime, zone: str = "UTC") -> Tally:
    return tally.at(window_of(moment, zone), moment)


def test_a_count_begins_anew_with_its_window() -> None:
    tally = at(Tally(), NOON).plus(7)
    assert (tally.day_calls, tally.month_calls) == (7, 7)
    assert at(tally, NOON + 11 * HOUR).day_calls == 7
    tomorrow = at(tally, NOON + DAY)
    assert (tomorrow.day_calls, tomorrow.month_calls) == (0, 7)
    assert at(tally, NOON + 30 * DAY).month_calls == 0


def test_the_day_begins_at_midnight_in_the_timezone_of_the_channel() -> None:
    evening = datetime(2026, 3, 10, 22, 59, tzinfo=UTC)
    tally = at(Tally(), evening, "Europe/Berlin").plus(3)
    assert at(tally, evening + timedelta(minutes=2), "Europe/Berlin").day_calls == 0


def test_what_is_given_back_is_not_counted_and_never_less_than_nothing() -> None:
    assert at(Tally(), NOON).plus(5).plus(-2).day_calls == 3
    assert at(Tally(), NOON).plus(1).plus(-4).day_calls == 0


def test_the_calls_of_the_last_day_are_known_by_the_hour() -> None:
    tally = at(Tally(), NOON).plus(4)
    tally = at(tally, NOON + HOUR).plus(6)
    tally = at(tally, NOON + 2 * HOUR)
    recent = dict(tally.usage(NOON + 2 * HOUR).recent or ())
    assert recent == {NOON + HOUR / 2: 4, NOON + 1.5 * HOUR: 6, NOON + 2 * HOUR: 0}
    assert at(tally, NOON + 3 * DAY).recent == ""


def test_each_class_is_held_where_its_own_share_ends() -> None:
    for call_class, share in SHARES.items():
        tally = at(Tally(), NOON).plus(share - 1)
        assert tally.left(BUDGET, call_class) == 1
        assert tally.plus(1).left(BUDGET, call_class) == 0
    assert at(Tally(), NOON).plus(5000).left(BUDGET, CallClass.UPKEEP) is None


@given(
    st.integers(1, 10_000),
    st.integers(0, 12_000),
    st.sampled_from(list(CallClass)),
)
def test_the_gate_holds_exactly_whom_the_standing_shows_as_held(limit: int, used: int, call_class: CallClass) -> None:
    budget, tally = Budget(per_day=limit), at(Tally(), NOON).plus(used)
    shown = stand(budget, tally.usage(NOON), NOON, "UTC").classes[call_class]
    assert tally.left(budget, call_class) == shown.left
    assert shown.held == (tally.left(budget, call_class) == 0)


@given(st.lists(st.integers(-3, 8), max_size=60))
def test_each_mark_is_told_once_however_the_count_goes_up_and_down(steps: list[int]) -> None:
    budget = Budget(per_day=40)
    tally, told = at(Tally(), NOON), 0
    for step in steps:
        tally = tally.plus(step)
        if tally.told(budget) != tally:
            told += 1
            tally = tally.told(budget)
    assert told <= len({*budget.warn_at, *(share / 100 for share in SHARES.values())})
    assert tally.day_told >= marks(40, tally.day_calls, budget)


def test_even_a_budget_of_one_call_leaves_it_to_each_class() -> None:
    assert [ends_at(1, share) for share in SHARES.values()] == [1, 1, 1]


@given(
    st.sampled_from([each for each in ALL_PERIODS if each.every]),
    st.integers(0, 10_000),
    st.sampled_from([1, 2, 4, 8, 64]),
)
def test_the_next_run_of_a_slowed_job_is_the_first_instant_that_passes(
    period: Period, places: int, factor: int
) -> None:
    assert period.every is not None
    due = datetime(2026, 3, 1, 0, 1, tzinfo=UTC) + places * period.every
    found = next_pass(due, period, factor)
    assert passes(found, period, factor)
    before = [due + step * period.every for step in range((found - due) // period.every)]
    assert len(before) < factor and not any(passes(each, period, factor) for each in before)


def test_a_calendar_tells_the_windows_of_any_moment() -> None:
    calendar = Calendar()
    for hours in (0, 5, 12, 13, -20, 40):
        moment = NOON + hours * HOUR
        assert calendar.windows(moment, "Europe/Berlin") == window_of(moment, "Europe/Berlin")
