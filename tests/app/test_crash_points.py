"""Every crash point: the process dies there, is started again, and nothing is lost, doubled or out of order."""

from __future__ import annotations

import pytest

from broker.crash import POINTS
from tests.app.harness import (
    ACCOUNT,
    CHANNEL,
    CRASHED,
    Child,
    Office,
    Stack,
    address_of,
    eventually,
    schedule_in_the_past,
    ticks,
)
from tests.app.web import Web
from tests.app.workload import Work, check, check_orders, parcel_events, wait_settled
from tests.services.process import free_port

TIMER = "timer.before_commit"
RENEWAL = "renewal."
"""Points of a platform whose tokens are renewed; see ``test_killed_renewals``."""
ONLY_WITH_A_BROKER = {"relay.after_publish"}
LATER = {"settle.before_commit": 4, "worker.after_call": 6, "worker.before_call": 3}


def up(stack: Stack, point: str, port: int) -> Child:
    return stack.start(
        "up",
        "--port",
        str(port),
        TOWPATH_CRASH_AT=point,
        TOWPATH_CRASH_ONCE_FILE=str(stack.folder / "crashed"),
    )


def die_once(stack: Stack, point: str, port: int) -> Child:
    """Wait until the running process died at its crash point; the process that takes its place."""
    assert stack.children[-1].wait() == CRASHED, stack.children[-1].text()[-3000:]
    return up(stack, point, port)


@pytest.mark.parametrize("point", [name for name in POINTS if name != TIMER and not name.startswith(RENEWAL)])
def test_a_process_that_dies_at_a_crash_point_changes_nothing_for_the_shop(
    stack: Stack, office: Office, point: str
) -> None:
    if stack.embedded and point in ONLY_WITH_A_BROKER:
        pytest.skip("workers of the journal read the ledger themselves: there is no such moment")
    work = Work.of(stack, orders=4, stock=20)
    port = free_port()
    up(stack, f"{point}:{LATER.get(point, 1)}", port)
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        die_once(stack, point, port)
    wait_settled(stack, office, work)
    check(stack, office, work)


def test_a_shipment_whose_answer_was_lost_in_a_crash_is_found_in_the_shop_and_not_sent_again(
    stack: Stack, office: Office
) -> None:
    work = Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0]))
    port = free_port()
    up(stack, "worker.after_call", port)
    work.send_over_broker(stack)
    die_once(stack, "worker.after_call", port)
    wait_settled(stack, office, work)
    check_orders(stack.shop.effects(), work)
    assert [row.code for row in office.logs()] == ["recovered", "worker_died"]
    assert len(stack.shop.calls(method="POST")) == 1


def test_a_timer_that_dies_between_firing_and_its_commit_fires_once(stack: Stack, office: Office) -> None:
    orders = stack.shop.buy(3)
    office.ask(office.house.operations.desk.run_now(ACCOUNT, CHANNEL, "order_import"))
    schedule_in_the_past(office)
    port = free_port()
    up(stack, TIMER, port)
    die_once(stack, TIMER, port)
    eventually(lambda: ticks(office) == 1, 30, "the tick is there")
    assert Web(address_of(stack.children[-1])).ask("GET", "/healthz")[0] == 200
    eventually(lambda: not sum(office.numbers().lanes.values()), 30, "everything is settled")
    assert ticks(office) == 1
    imported = office.sql("SELECT count(*) FROM orders")
    assert imported == [(len(orders),)]
