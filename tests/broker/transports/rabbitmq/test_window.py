"""Which receipt a message gets when confirms come in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.transports.rabbitmq.window import Ticket, Window
from broker.transports.seam import Receipt
from tests.broker.transports.shape import message


def filled(count: int, size: int = 100) -> tuple[Window, Ticket]:
    window, ticket = Window(size), Ticket([Receipt.REFUSED] * count)
    for index in range(count):
        window.sent(ticket, index, message(body=b"%d" % index))
    ticket.seal()
    return window, ticket


SAYINGS = st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans()), max_size=20)


@given(SAYINGS)
def test_every_message_gets_the_first_word_said_about_it_and_unknown_without_one(
    sayings: list[tuple[int, bool, bool]],
) -> None:
    window, ticket = filled(10)
    expected = [Receipt.UNKNOWN] * 10
    for tag, multiple, good in sayings:
        (window.confirmed if good else window.refused)(tag, multiple)
        for at in range(1 if multiple else tag, tag + 1):
            if at <= 10 and expected[at - 1] is Receipt.UNKNOWN:
                expected[at - 1] = Receipt.CONFIRMED if good else Receipt.REFUSED
    assert ticket.done.is_set() == (Receipt.UNKNOWN not in expected)
    window.abandon()
    assert ticket.done.is_set()
    assert ticket.receipts == expected


def test_a_returned_message_is_unroutable_once_its_confirm_comes() -> None:
    window, ticket = Window(10), Ticket([Receipt.REFUSED] * 3)
    same = message()
    for index, one in enumerate([message(), same, same]):
        window.sent(ticket, index, one)
    ticket.seal()
    window.came_back(same.message_id, same.exchange, same.routing_key)
    window.confirmed(3, multiple=True)
    assert ticket.receipts == [Receipt.CONFIRMED, Receipt.UNROUTABLE, Receipt.CONFIRMED]


def test_two_copies_of_a_message_that_both_come_back_are_both_unroutable() -> None:
    window, ticket = Window(10), Ticket([Receipt.REFUSED] * 2)
    same = message()
    for index in range(2):
        window.sent(ticket, index, same)
        window.came_back(same.message_id, same.exchange, same.routing_key)
    window.confirmed(2, multiple=False)
    window.confirmed(1, multiple=False)
    assert ticket.receipts == [Receipt.UNROUTABLE] * 2


def test_a_confirm_after_the_waiting_was_given_up_is_for_nobody() -> None:
    window, ticket = filled(3)
    window.abandon()
    later = Ticket([Receipt.REFUSED])
    window.sent(later, 0, message())
    later.seal()
    window.confirmed(3, multiple=True)
    assert ticket.receipts == [Receipt.UNKNOWN] * 3
    assert not later.done.is_set()
    window.confirmed(4, multiple=False)
    assert later.receipts == [Receipt.CONFIRMED]


def test_a_window_is_full_at_its_size_and_has_room_after_a_confirm() -> None:
    window, _ticket = filled(3, size=3)
    states = [window.full]
    window.confirmed(1, multiple=False)
    states.append(window.full)
    assert states == [True, False]


def test_the_oldest_is_the_first_sent_without_a_confirm() -> None:
    window, _ticket = filled(3)
    first = window.oldest
    window.confirmed(1, multiple=False)
    second = window.oldest
    window.confirmed(3, multiple=True)
    assert first is not None
    assert second is not None
    assert first <= second
    assert window.oldest is None
