"""Slots: how many lanes a worker has in flight, and how channels share them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import slots as module
from broker.ledger import Shares
from broker.slots import FIRST, KEPT_PART, LEAST, Slot, Slots


class Clock:
    """A monotonic clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def some(capacity: int = 200, share: float = 0.75, *, several: bool = True) -> Slots:
    """Slots that trust the channels a, b, c and 0 to 9 and ``another``."""
    slots = Slots(capacity, share, lambda: several)
    for channel in (*"abc0123456789", "another"):
        trust(slots, channel)
    return slots


def trust(slots: Slots, channel: str, runs: int = 400) -> None:
    """So many runs of a channel went well."""
    for _ in range(runs):
        slots.learn(channel, [], well=True)


def fill(slots: Slots, channel: str) -> list[Slot]:
    """A channel takes all it is allowed."""
    return [slots.take(channel) for _ in range(slots.allowance(channel))]


def test_there_are_a_few_slots_at_first_and_never_more_than_the_capacity() -> None:
    assert some().room == LEAST
    assert some(capacity=3).room == 3


def test_a_channel_that_is_alone_may_have_all() -> None:
    slots = some(several=False)
    assert len(fill(slots, "a")) == 200
    assert slots.room == 0


def test_one_of_several_channels_may_have_its_share_and_leaves_the_rest_free() -> None:
    slots = some()
    assert len(fill(slots, "a")) == LEAST * 3 // 4
    assert slots.crowded() == ["a"]
    assert slots.allowance("b") > 0


@given(wanting=st.integers(1, 6))
def test_however_many_channels_want_all_a_part_stays_free_for_the_next(wanting: int) -> None:
    slots = some()
    taken = {str(at): fill(slots, str(at)) for at in range(wanting)}
    for _ in range(LEAST):
        # Runs end, and whoever is allowed to takes the slot again.
        for channel, mine in taken.items():
            if mine:
                slots.free(mine.pop())
            if slots.allowance(channel):
                mine.append(slots.take(channel))
    assert slots.room >= LEAST // (1 + 3 * wanting)
    assert slots.allowance("another") > 0


@given(capacity=st.integers(1, 60), takes=st.lists(st.sampled_from("abc"), max_size=80))
def test_what_is_allowed_fits_and_keeps_the_channel_within_its_greed(capacity: int, takes: list[str]) -> None:
    slots, taken = some(capacity), Counter[str]()
    for channel in takes:
        allowed = slots.allowance(channel)
        assert 0 <= allowed <= slots.room
        if allowed:
            slots.take(channel)
            taken[channel] += 1
            assert taken[channel] <= 3 * (slots.room + 1)


def test_a_crowded_channel_is_claimed_again_when_that_is_worth_it() -> None:
    slots = some()
    taken = fill(slots, "a")
    slots.free(taken.pop())
    assert slots.allowance("a") > 0
    assert slots.is_crowded("a")
    while slots.is_crowded("a"):
        slots.free(taken.pop())
    assert slots.allowance("a") >= LEAST // module.CLAIM_PART


def test_a_channel_with_little_in_flight_is_not_crowded_by_another_that_has_much() -> None:
    slots = some()
    slots.take("b")
    fill(slots, "a")
    assert slots.crowded() == ["a"]


def test_what_is_promised_is_kept_until_it_is_here_or_will_not_come() -> None:
    slots = some(capacity=10)
    slots.promise(7)
    assert slots.room == 3
    slots.redeem(7)
    assert slots.room == 10


def test_a_slow_shop_gets_more_slots_second_by_second_and_a_fast_one_gives_them_back(clock: Clock) -> None:
    slots = some()
    seen = [slots.limit]
    for _ in range(6):
        # As many runs as fit, half a second each.
        for _ in range(2 * slots.limit):
            slots.learn("a", [0.2, 0.3], well=True)
        clock.now += 1.0
        slots.learn("a", [0.5], well=True)
        seen.append(slots.limit)
    assert seen == sorted(seen)
    assert seen[-1] == 200
    for _ in range(20):
        for _ in range(1000):
            slots.learn("a", [0.001], well=True)
        clock.now += 1.0
        slots.learn("a", [0.001], well=True)
    assert slots.limit <= LEAST + 3


def test_calls_that_only_some_runs_wait_long_for_do_not_widen(clock: Clock) -> None:
    slots = some()
    slots.learn("a", [0.001], well=True)
    for _ in range(1000):
        slots.learn("a", [3.0], well=True)
    clock.now += 1.0
    slots.learn("a", [3.0], well=True)
    assert slots.limit <= LEAST + 3


def test_runs_without_a_call_teach_nothing(clock: Clock) -> None:
    slots = some()
    clock.now += 5.0
    slots.learn("a", [], well=True)
    assert slots.limit == LEAST


def test_runs_that_hang_have_slots_of_their_own_up_to_the_capacity(clock: Clock) -> None:
    slots = some(capacity=100)
    hanging = fill(slots, "a")
    assert len(hanging) == LEAST * 3 // 4
    clock.now += 1.1
    assert slots.limit == min(100, LEAST + len(hanging))
    for slot in hanging[1:]:
        slots.free(slot)
    assert slots.limit == LEAST + 1


def test_a_channel_begins_with_few_lanes_and_gets_more_with_each_run_that_goes_well() -> None:
    slots = some()
    assert slots.allowance("new") == FIRST
    for _ in range(FIRST):
        slots.free(slots.take("new"))
        slots.learn("new", [0.01], well=True)
    assert slots.allowance("new") == 2 * FIRST


@pytest.mark.parametrize("several", [True, False])
def test_a_channel_in_trouble_has_few_lanes_again_and_others_as_many_as_before(several: bool) -> None:
    slots = some(several=several)
    before = slots.allowance("b")
    slots.learn("a", [5.0], well=False)
    assert len(fill(slots, "a")) == FIRST
    assert slots.crowded() == ["a"]
    assert slots.allowance("b") >= before - FIRST


def test_what_comes_in_has_room_when_all_that_may_be_claimed_is_claimed() -> None:
    slots = some()
    slots.promise(slots.claimable)
    assert slots.room == slots.limit // KEPT_PART
    assert some(several=False).claimable == 200


def test_shares_tell_of_each_channel_and_of_those_nothing_is_known_of() -> None:
    slots = some()
    slots.learn("a", [5.0], well=False)
    shares = slots.shares()
    assert shares is not None
    assert (shares.of("a"), shares.of("unheard of")) == (FIRST, FIRST)
    assert shares.of("b") == slots.allowance("b") > FIRST


def test_a_single_channel_that_is_trusted_needs_no_shares() -> None:
    assert some(several=False).shares() is None
    assert Slots(200, 0.75, lambda: False).shares() == Shares(FIRST)


def hold_back(slots: Slots, channel: str) -> None:
    """A run finds nothing but a closed gate."""
    slots.learn(channel, [], well=False)


def test_a_channel_whose_runs_only_find_a_closed_gate_rests_ever_longer_and_others_do_not(clock: Clock) -> None:
    slots = some()
    rest = module.REST_SECONDS
    while rest < module.LONGEST_REST:
        for _ in range(4):
            # Runs that were in flight together lengthen it once.
            hold_back(slots, "a")
        assert slots.allowance("a") == 0
        assert slots.crowded() == ["a"]
        assert slots.allowance("b") > 0
        clock.now += rest - 0.001
        assert slots.allowance("a") == 0
        clock.now += 0.002
        assert slots.allowance("a") == FIRST
        assert slots.crowded() == []
        rest = min(2 * rest, module.LONGEST_REST)
    hold_back(slots, "a")
    clock.now += module.LONGEST_REST + 0.001
    assert slots.allowance("a") == FIRST


def test_a_run_that_goes_well_ends_the_rest_of_its_channel(clock: Clock) -> None:
    slots = some()
    hold_back(slots, "a")
    slots.learn("a", [], well=True)
    assert slots.allowance("a") == FIRST + 1
    hold_back(slots, "a")
    clock.now += module.REST_SECONDS + 0.001
    assert slots.allowance("a") == FIRST


def test_a_run_whose_call_failed_does_not_let_its_channel_rest() -> None:
    slots = some()
    slots.learn("a", [0.1], well=False)
    assert slots.allowance("a") == FIRST
