"""The pacer: claims leave processor time for what comes in, while several channels are at work."""

from __future__ import annotations

import pytest

from broker import pacer as module
from broker.pacer import CLAIM, LONGEST_WAIT, SHARE, Pacer


class Clock:
    """Clocks that go when told."""

    def __init__(self) -> None:
        self.now = 500.0
        self.used = 7.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used

    def work(self, seconds: float) -> None:
        """Time passes in which the process does not rest."""
        self.now += seconds
        self.used += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_a_channel_that_is_alone_at_work_is_not_paced(clock: Clock) -> None:
    pacer = Pacer(lambda: False)
    clock.work(0.2)
    assert pacer.pause() == 0.0
    assert pacer.most(400) == 400


def test_little_is_claimed_at_a_time_while_several_are_at_work(clock: Clock) -> None:
    pacer = Pacer(lambda: True)
    assert pacer.most(400) == CLAIM
    assert pacer.most(3) == 3


def test_in_the_long_run_a_paced_process_uses_its_share(clock: Clock) -> None:
    pacer = Pacer(lambda: True)
    began, used = clock.now, clock.used
    for at in range(200):
        clock.work(0.002 + 0.003 * (at % 3))
        clock.now += pacer.pause()
    assert (clock.used - used) / (clock.now - began) == pytest.approx(SHARE, rel=0.01)


def test_a_process_that_rested_enough_goes_on_at_once(clock: Clock) -> None:
    pacer = Pacer(lambda: True)
    clock.work(0.01)
    clock.now += 0.01 / SHARE
    assert pacer.pause() == 0.0


def test_nobody_waits_for_long_however_much_was_used(clock: Clock) -> None:
    pacer = Pacer(lambda: True)
    clock.work(60.0)
    clock.now += (pause := pacer.pause())
    assert pause == LONGEST_WAIT
    assert pacer.pause() == 0.0
