"""The border between what a handler answered or raised and what the ledger writes, and that its drawn table is true."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import verdicts
from broker.gates import GateClosed
from broker.ledger import Delivery, Verdict
from broker.retry import GATE_SECONDS, LADDER_SECONDS, wait_after
from broker.verdicts import Attempt, judge, judge_error
from domain import errors
from domain.errors import (
    ConfigurationError,
    IdentityConflict,
    InputError,
    LeaseLost,
    MalformedEvent,
    ShopDown,
    ShopError,
    ShopOutcomeUnknown,
    ShopRejected,
    ShopThrottled,
    ShopUnauthorized,
    StorageUnavailable,
    TowpathError,
    TransportUnavailable,
    UnknownName,
)
from domain.outcomes import (
    OUTCOMES,
    Announcement,
    Counts,
    Dead,
    Done,
    Effects,
    Outcome,
    Park,
    Retry,
    Skipped,
    Superseded,
    Unknown,
)
from domain.states import FINAL, DeliveryState
from domain.synclog import ApiCall, Level
from tests.broker.samples import AT, delivery

SPENT = len(LADDER_SECONDS)
ATTEMPT = Attempt(AT, AT)
CALL = ApiCall("GET", "/orders", 503, 12, 0, "shop_down")
EFFECTS = Effects(Counts(created=1), announcements=(Announcement("order.imported", {}, "4711"),))

Case = Outcome | Exception
ANSWERS: tuple[Outcome, ...] = (
    Done("Sent.", effects=EFFECTS),
    Superseded("Newer.", by="d-2", effects=EFFECTS),
    Skipped("Same.", "unchanged", EFFECTS),
    Retry("Broke.", "broke"),
    Park("Waits.", "sku_unknown", "mapping", 42.0),
    Unknown("Perhaps."),
    Dead("Never.", "order_unknown"),
)
BECOMES: dict[type, tuple[DeliveryState, Level]] = {
    Done: (DeliveryState.DONE, Level.INFO),
    Superseded: (DeliveryState.SUPERSEDED, Level.INFO),
    Skipped: (DeliveryState.SKIPPED, Level.INFO),
    Retry: (DeliveryState.OPEN, Level.ERROR),
    Park: (DeliveryState.OPEN, Level.WARNING),
    Unknown: (DeliveryState.UNKNOWN, Level.ERROR),
    Dead: (DeliveryState.DEAD, Level.ERROR),
}
RAISED: tuple[Exception, ...] = (
    GateClosed("shop_down", 17.0, "The shop is down."),
    ShopUnauthorized("No.", status=401),
    ShopThrottled("Slow down.", retry_after=7.5),
    ShopDown("Not reached."),
    ShopDown("Broken.", status=503),
    ShopOutcomeUnknown("Perhaps."),
    ShopRejected("No.", status=422, code="order_unknown"),
    ShopError("Something."),
    InputError("No."),
    MalformedEvent("No."),
    UnknownName("Who?"),
    IdentityConflict("Twice."),
    ConfigurationError("No."),
    StorageUnavailable("Away."),
    TransportUnavailable("Away."),
    LeaseLost("Over."),
    TowpathError("Hm."),
    RuntimeError("boom at jane@example.com"),
)
ROWS: dict[str, tuple[Case, ...]] = {
    "Done, Superseded, Skipped, Unknown, Dead": tuple(each for each in ANSWERS if not isinstance(each, Retry | Park)),
    "Retry": (Retry("Broke.", "broke"),),
    "Park": (Park("Waits.", "sku_unknown", "mapping", 42.0),),
    "ShopRejected": (ShopRejected("No.", status=422),),
    "ShopUnauthorized": (ShopUnauthorized("No.", status=401), ShopUnauthorized("No.", status=403)),
    "ShopThrottled": (ShopThrottled("Slow down.", retry_after=7.5),),
    "ShopDown, no answer, gate closed by it": (ShopDown("Not reached."),),
    "ShopDown otherwise": (ShopDown("Broken.", status=503),),
    "ShopOutcomeUnknown": (ShopOutcomeUnknown("Perhaps."),),
    "GateClosed": (GateClosed("shop_down", 17.0, "The shop is down."),),
    "InputError": (MalformedEvent("No."), UnknownName("Who?"), IdentityConflict("Twice.")),
    "StorageUnavailable, LeaseLost": (StorageUnavailable("Away."), LeaseLost("Over.")),
    "another TowpathError": (TransportUnavailable("Away."), ShopError("Something."), ConfigurationError("No.")),
    "anything else": (RuntimeError("boom"), ValueError("boom"), TypeError("boom")),
}


def verdict(case: Case, of: Delivery | None = None, attempt: Attempt = ATTEMPT) -> Verdict:
    judged = of or delivery()
    if isinstance(case, Exception):
        return judge_error(case, judged, attempt, gate_closed=True)
    return judge(case, judged, attempt)


def drawn() -> dict[str, tuple[str, str, str]]:
    """Row → (state, waits, spends an attempt), as the docstring draws them."""
    lines = inspect.cleandoc(verdicts.__doc__ or "").splitlines()
    head = next(at for at, line in enumerate(lines) if line.lstrip().startswith("answer / error"))
    columns = [lines[head].index(word) for word in ("state", "waits", "spends")]
    rows: dict[str, tuple[str, str, str]] = {}
    begun = ""
    for line in lines[head + 1 :]:
        name = f"{begun} {line[: columns[0]].strip()}".strip()
        begun = name if name.endswith(",") else ""
        if not begun and name:
            state, waits = (line[columns[at] : columns[at + 1]].strip() for at in range(2))
            rows[name] = (state, waits, line[columns[2] :].strip())
    return rows


STATES: dict[str, Callable[[Verdict], bool]] = {
    "final": lambda said: said.state in FINAL,
    "dead": lambda said: said.state is DeliveryState.DEAD,
    "open": lambda said: said.state is DeliveryState.OPEN and not said.unsure,
    "open+unsure": lambda said: said.state is DeliveryState.OPEN and said.unsure,
}
WAITS: dict[str, Callable[[Verdict, Case], bool]] = {
    "-": lambda said, _: said.state in FINAL,
    "as asked": lambda said, case: isinstance(case, Park) and said.due_in == case.until_seconds,
    "1 s": lambda said, _: said.due_in == 1.0,
    "60 s": lambda said, _: said.due_in == 60.0,
    "Retry-After": lambda said, case: isinstance(case, ShopThrottled) and said.due_in == case.retry_after,
    "gate": lambda said, _: said.due_in == GATE_SECONDS[0],
    "until it opens": lambda said, case: isinstance(case, GateClosed) and said.due_in == case.seconds,
}


def follows_the_ladder(case: Case, end: DeliveryState) -> bool:
    waits = [verdict(case, delivery(failures=failures)).due_in for failures in range(SPENT)]
    last = verdict(case, delivery(failures=SPENT))
    return waits == [wait_after(failures + 1, "d-1") for failures in range(SPENT)] and last.state is end


def test_the_drawn_table_has_the_rows_it_must_have() -> None:
    assert set(drawn()) <= set(ROWS)
    assert set(ROWS) == set(drawn())


@pytest.mark.parametrize("row", drawn())
def test_a_row_of_the_drawn_table_is_true(row: str) -> None:
    state, waits, spends = drawn()[row]
    for case in ROWS[row]:
        said = verdict(case)
        assert STATES[state](said), case
        if ladder := re.fullmatch(r"retry ladder; then (\w+)", waits):
            assert follows_the_ladder(case, DeliveryState(ladder[1])), case
        else:
            assert WAITS[waits](said, case), case
        assert said.spends_attempt == spends.startswith("yes"), case
        assert (said.level is Level.FATAL) == ("Fatal" in spends), case
        if "no log row for a repeated wait" in spends:
            assert not verdict(case, delivery(cause=said.cause)).logged


def test_every_outcome_and_every_error_is_tried_here() -> None:
    assert {type(each) for each in ANSWERS} == set(OUTCOMES)
    tree = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TowpathError)}
    assert {type(each) for each in RAISED} == {*tree, GateClosed, RuntimeError}


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_an_answer_becomes_its_state(answer: Outcome) -> None:
    said = judge(answer, delivery(), ATTEMPT)
    state, level = BECOMES[type(answer)]
    assert (said.state, said.level, said.outcome) == (state, level, type(answer).__name__)
    assert (said.code, said.sentence, said.logged) == (answer.code, answer.sentence, True)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_becomes_its_state(error: Exception) -> None:
    said = judge_error(error, delivery(), ATTEMPT, gate_closed=True)
    waits = isinstance(error, GateClosed | ShopUnauthorized | ShopThrottled) or (
        isinstance(error, ShopDown) and error.status is None
    )
    if isinstance(error, ShopRejected | InputError):
        assert (said.state, said.outcome, said.level) == (DeliveryState.DEAD, "Dead", Level.ERROR)
    elif waits:
        assert (said.state, said.outcome, said.level) == (DeliveryState.OPEN, "Park", Level.WARNING)
        assert (said.spends_attempt, bool(said.due_in)) == (False, True)
    elif isinstance(error, StorageUnavailable | LeaseLost):
        assert (said.state, said.outcome, said.due_in) == (DeliveryState.OPEN, "Retry", 1.0)
        assert not said.spends_attempt
    else:
        level = Level.ERROR if isinstance(error, TowpathError) else Level.FATAL
        assert (said.state, said.outcome, said.level) == (DeliveryState.OPEN, "Retry", level)
        assert (said.spends_attempt, said.due_in) == (True, wait_after(1, "d-1"))
        assert said.unsure is isinstance(error, ShopOutcomeUnknown)
    if isinstance(error, TowpathError):
        assert (said.code, error.sentence in said.sentence) == (error.code, True)


def test_an_answer_that_never_comes_while_all_others_do_spends_the_budget() -> None:
    said = judge_error(ShopDown("Not reached."), delivery(), ATTEMPT, gate_closed=False)
    assert (said.outcome, said.spends_attempt, said.due_in) == ("Retry", True, wait_after(1, "d-1"))


def test_what_may_have_reached_the_shop_ends_unknown_and_not_dead() -> None:
    doubtful = replace(delivery(failures=SPENT), unsure=True)
    assert verdict(ShopDown("Broken.", status=503), doubtful).state is DeliveryState.UNKNOWN


def test_an_unexpected_error_does_not_tell_what_may_be_personal() -> None:
    said = judge_error(RuntimeError("boom at jane@example.com"), delivery(), ATTEMPT)
    assert said.code == "unexpected"
    assert "RuntimeError" in said.sentence
    assert "jane" not in said.sentence


def test_an_answer_outside_the_set_is_a_failure_and_never_a_success() -> None:
    for answer in (None, True, "ok", Done):
        said = judge(answer, delivery(), ATTEMPT)  # type: ignore[arg-type]
        assert (said.state, said.level, said.spends_attempt) == (DeliveryState.OPEN, Level.FATAL, True)


@pytest.mark.parametrize("case", [Retry("Broke.", "broke"), ShopDown("Broken.", status=502), RuntimeError("boom")])
def test_a_spent_budget_ends_dead_and_says_after_how_many(case: Case) -> None:
    said = verdict(case, delivery(failures=SPENT))
    assert said.state is DeliveryState.DEAD
    assert said.sentence.startswith(f"Gave up after {SPENT + 1} failures. ")


def test_a_write_of_unknown_outcome_that_stays_unknown_is_for_a_person() -> None:
    said = verdict(ShopOutcomeUnknown("Perhaps."), delivery(failures=SPENT, unsure=True))
    assert (said.state, said.code) == (DeliveryState.UNKNOWN, "outcome_unknown")
    assert "look into the shop, then replay or discard" in said.sentence


def test_a_handler_may_ask_for_its_own_wait_until_the_budget_is_spent() -> None:
    asked = Retry("Busy.", "busy", after_seconds=3.0)
    assert verdict(asked).due_in == 3.0
    assert verdict(Retry("Busy.", "busy", after_seconds=0.0)).due_in == 0.0
    assert verdict(asked, delivery(failures=SPENT)).state is DeliveryState.DEAD


def test_a_park_until_somebody_acts_has_no_instant() -> None:
    assert verdict(Park("Disabled.", "channel_disabled", "channel")).due_in is None


def test_a_throttled_call_without_a_time_waits_a_second() -> None:
    assert verdict(ShopThrottled("Slow down.")).due_in == 1.0


@pytest.mark.parametrize("case", [*ANSWERS, *RAISED], ids=lambda case: type(case).__name__)
def test_what_stays_open_stays_unsure(case: Case) -> None:
    said = verdict(case, delivery(unsure=True))
    assert said.unsure is (said.state is DeliveryState.OPEN)


@pytest.mark.parametrize(
    ("before", "case", "calls", "logged"),
    [
        ("", Park("Waits.", "x", "mapping"), (), True),
        ("mapping", Park("Waits.", "x", "mapping"), (), False),
        ("mapping", Park("Waits.", "x", "mapping"), (CALL,), True),
        ("retry", Park("Waits.", "x", "mapping"), (), True),
        ("mapping", GateClosed("shop_down", 1.0, "Down."), (), True),
        ("shop_down", GateClosed("throttled", 1.0, "Slow."), (), False),
        ("shop_down", ShopThrottled("Slow."), (CALL,), True),
        ("retry", Retry("Broke.", "broke"), (), True),
    ],
)
def test_a_wait_is_logged_when_it_begins_and_whenever_calls_were_made(
    before: str, case: Case, calls: tuple[ApiCall, ...], logged: bool
) -> None:
    assert verdict(case, delivery(cause=before), Attempt(AT, AT, calls)).logged is logged


def test_effects_and_counts_reach_the_ledger_only_from_what_happened() -> None:
    for answer in ANSWERS:
        said = judge(answer, delivery(), ATTEMPT)
        carried = EFFECTS if isinstance(answer, Done | Superseded | Skipped) else Effects()
        assert (said.effects, said.counts) == (carried, carried.counts)
        assert said.superseded_by == ("d-2" if isinstance(answer, Superseded) else None)


def test_a_done_with_a_warning_is_a_warning() -> None:
    assert verdict(Done("Sent without carrier.", "carrier_unmapped", warning=True)).level is Level.WARNING


@given(
    failures=st.integers(0, 30),
    unsure=st.booleans(),
    case=st.sampled_from([*ANSWERS, *RAISED]),
    cause=st.sampled_from(["", "retry", "mapping", "shop_down"]),
)
def test_a_delivery_is_final_or_will_be_looked_at_again(failures: int, unsure: bool, case: Case, cause: str) -> None:
    of = replace(delivery(), failures=failures, unsure=unsure, cause=cause)
    said = verdict(case, of, Attempt(AT, AT, (CALL,)))
    assert said.delivery is of
    assert said.sentence
    assert said.code
    assert said.calls == (CALL,)
    if said.state is DeliveryState.OPEN:
        assert said.cause
        assert said.due_in is not None
        assert said.due_in >= 0
    else:
        assert not said.spends_attempt
        assert said.logged
