"""Acknowledging with few frames, each delivery exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.transports.rabbitmq.unsettled import Unsettled


class Broker:
    """What a broker makes of acknowledgements (AMQP 0-9-1, basic.ack); refuses an unknown delivery tag."""

    def __init__(self, count: int) -> None:
        self.waiting = set(range(1, count + 1))

    def ack(self, tag: int, multiple: bool) -> None:
        assert tag in self.waiting, "406 PRECONDITION_FAILED - unknown delivery tag"
        self.waiting -= {at for at in self.waiting if at <= tag} if multiple else {tag}


def delivered(count: int) -> Unsettled:
    unsettled = Unsettled()
    for tag in range(1, count + 1):
        unsettled.delivered(tag)
    return unsettled


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(1, 15))), max_size=12))
def test_the_broker_hears_of_exactly_what_was_settled(steps: list[tuple[bool, set[int]]]) -> None:
    unsettled, broker = delivered(12), Broker(12)
    left = set(range(1, 13))
    for rejecting, tags in steps:
        if rejecting:
            broker.waiting -= set(unsettled.drop(tags))
        else:
            for tag, multiple in unsettled.settle(tags):
                broker.ack(tag, multiple)
        left -= tags
        assert broker.waiting == left
        assert len(unsettled) == len(left)


def test_an_unbroken_beginning_takes_one_frame_and_the_rest_behind_a_gap_single_ones() -> None:
    unsettled = delivered(8)
    assert unsettled.settle([1, 2, 3, 5, 6]) == [(3, True), (5, False), (6, False)]
    assert unsettled.settle([4]) == [(4, False)]
    assert unsettled.settle([8, 7]) == [(8, True)]
    assert unsettled.settle([8]) == []
