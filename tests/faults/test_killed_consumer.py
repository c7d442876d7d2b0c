"""F12, F13, F14: a consumer is killed before its effect, between effect and commit, or between commit and ack.

With a broker, a second consumer runs beside the one that dies and takes over; the journal's only process is started
again. The kinds of work differ in what repeats them safely: a parcel is looked for in the shop before it is sent again,
a status and a stock level are absolute.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.app.harness import CRASHED, Office, Stack
from tests.app.workload import Work, event, order_events, parcel_events, stock_event
from tests.faults.judging import judge

Making = Callable[[Stack], Work]


def a_parcel(stack: Stack) -> Work:
    """One parcel: a POST that may not be repeated."""
    return Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0])[:1])


def a_status(stack: Stack) -> Work:
    """One status of an order: a PUT of a value."""
    order = stack.shop.buy(1)[0]
    return Work(over_broker=[each for each in order_events(order) if each.type == "order.status_changed"][:1])


def stock(stack: Stack) -> Work:
    """One stock level."""
    sku = stack.shop.skus()[0]
    return Work(over_broker=[stock_event(sku, 1, 55)], quantities={sku: {1: 55}})


def an_order(stack: Stack) -> Work:
    """An order to import: a GET, and an announcement to the OMS."""
    order_id = str(stack.shop.buy(1)[0]["order_id"])
    return Work(over_broker=[event("shop", f"created/{order_id}", "order.created", {"external_order_id": order_id})])


WRITES = (a_parcel, a_status, stock)


def die(stack: Stack, office: Office, point: str, work: Work) -> None:
    """Send the work while only a process that will die at the point runs; another one lives once it did."""
    if stack.embedded:
        dying = stack.start("up", TOWPATH_CRASH_AT=point)
    else:
        stack.start("relay")
        dying = stack.start("consume", TOWPATH_CRASH_AT=point)
    work.send_over_broker(stack)
    assert dying.wait() == CRASHED, dying.text()[-3000:]
    held = office.numbers().lanes
    assert sum(held.values()) == (0 if point == "worker.after_settle" else 1), held
    stack.start("up" if stack.embedded else "consume")


def changes(stack: Stack) -> int:
    """How often the shop was changed; writing a value that it has already changes nothing."""
    found = [each["data"] for each in stack.shop.effects()]
    return sum(each.get("old", each.get("old_status", "")) != each.get("new", each.get("new_status")) for each in found)


def codes(office: Office) -> list[str]:
    return [row.code for row in reversed(office.logs())]


@pytest.mark.parametrize("making", WRITES)
def test_F12_a_consumer_killed_before_its_call_leaves_the_work_to_another_which_does_it_once(
    stack: Stack, office: Office, making: Making
) -> None:
    work = making(stack)
    die(stack, office, "worker.before_call", work)
    judge(stack, office, work)
    assert changes(stack) == 1
    assert codes(office) == ["worker_died", "ok"]


@pytest.mark.parametrize("making", WRITES)
def test_F13_a_consumer_killed_after_the_shop_call_finds_its_effect_and_does_it_once(
    stack: Stack, office: Office, making: Making
) -> None:
    work = making(stack)
    die(stack, office, "worker.after_call", work)
    judge(stack, office, work)
    assert changes(stack) == 1
    assert codes(office) == ["worker_died", "recovered" if making is a_parcel else "ok"]


@pytest.mark.parametrize("making", [a_parcel, an_order])
def test_F13_a_consumer_killed_in_the_transaction_that_settles_leaves_nothing_of_it_and_it_is_done_once(
    stack: Stack, office: Office, making: Making
) -> None:
    work = making(stack)
    die(stack, office, "settle.before_commit", work)
    judge(stack, office, work)
    assert len(stack.shop.effects()) == (1 if making is a_parcel else 0)
    assert codes(office) == ["worker_died", "recovered" if making is a_parcel else "ok"]


@pytest.mark.parametrize("making", [a_parcel, an_order])
def test_F14_a_consumer_killed_between_its_commit_and_the_ack_did_it_and_nobody_does_it_again(
    stack: Stack, office: Office, making: Making
) -> None:
    work = making(stack)
    die(stack, office, "worker.after_settle", work)
    calls = stack.shop.count_calls()
    judge(stack, office, work)
    assert stack.shop.count_calls() == calls
    assert codes(office) == ["ok"]
