"""Calls and budget on real processes: what is counted equals the shop's own books, and no budget is overrun."""

from __future__ import annotations

import pytest

from broker.operations.calls import UNSETTLED, BudgetUse
from domain.channels import ChannelSettings
from tests.app.harness import ACCOUNT, CHANNEL, CRASHED, Office, Stack, eventually
from tests.app.workload import Work, order_events, parcel_events, wait_settled
from tests.services.process import free_port

ONE_BY_ONE = {"calls_per_second": 19.0, "burst": 100}
DISTRIBUTED = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)


def settings(office: Office, **chosen: object) -> None:
    desk = office.house.operations.desk
    office.ask(desk.change_channel(ACCOUNT, CHANNEL, settings=ChannelSettings.model_validate(chosen)))


def budget(office: Office) -> BudgetUse:
    return office.ask(office.house.operations.calls.budget(ACCOUNT, CHANNEL))


@DISTRIBUTED
def test_what_is_counted_equals_the_books_of_the_shop(stack: Stack, office: Office) -> None:
    settings(office, calls_per_second=400, burst=100)
    work = Work(over_broker=[each for order in stack.shop.buy(4) for each in order_events(order)])
    office.ask(office.house.operations.check_channel(ACCOUNT, CHANNEL))
    child = stack.start("up").works()
    work.send_over_broker(stack)
    office.ask(office.house.operations.desk.run_now(ACCOUNT, CHANNEL, "order_import"))
    wait_settled(stack, office, work)
    assert child.stop() == 0
    found, made = budget(office), stack.shop.count_calls()
    assert [each.used for each in found.windows] == [made, made]
    assert sum(each.today for each in found.calls) == made
    causes = {each.cause for each in found.calls}
    assert {"first_try", "manual"} <= causes and UNSETTLED not in causes


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_a_call_whose_caller_was_killed_counts_as_used(stack: Stack, office: Office) -> None:
    settings(office, **ONE_BY_ONE)
    work = Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0]))
    crash = {"TOWPATH_CRASH_AT": "worker.after_call", "TOWPATH_CRASH_ONCE_FILE": str(stack.folder / "crashed")}
    port = str(free_port())
    child = stack.start("up", "--port", port, **crash)
    work.send_over_broker(stack)
    assert child.wait() == CRASHED
    child = stack.start("up", "--port", port)
    wait_settled(stack, office, work)
    assert child.stop() == 0
    found, made = budget(office), stack.shop.count_calls()
    assert found.windows[0].used == made
    lost = {each.cause: each.today for each in found.calls}[UNSETTLED]
    assert 1 <= lost <= 2 and sum(each.today for each in found.calls) == made


@DISTRIBUTED
def test_two_consumers_never_send_the_shop_more_than_the_budget(stack: Stack, office: Office) -> None:
    settings(office, calls_per_second=400, burst=100, calls_per_day=40)
    orders = stack.shop.buy(60)
    work = Work(over_broker=[order_events(order)[0] for order in orders])
    stack.shop.slow_down(30)
    for role in ("relay", "consume", "consume"):
        stack.start(role).works()
    work.send_over_broker(stack)

    def held() -> bool:
        numbers = office.numbers().lanes
        return numbers.get("waiting", 0) > 0 and not numbers.get("ready", 0) and not numbers.get("running", 0)

    eventually(held, 40, "what the budget leaves is used")
    assert stack.shop.count_calls() == 40
    codes = [row.code for row in office.logs() if row.code.startswith("budget")]
    assert codes.count("budget_spent") == 1 and len(codes) <= 4
    waiting = office.sql("SELECT count(*) FROM deliveries WHERE state = 'open' AND cause = 'budget' AND failures = 0")
    assert waiting[0][0] == office.sql("SELECT count(*) FROM deliveries WHERE state = 'open'")[0][0] > 0
    settings(office, calls_per_second=400, burst=100, calls_per_day=5000)
    eventually(lambda: office.numbers().deliveries.get("open", 0) == 0, 40, "a raised budget lets them go")
    for child in stack.children:
        assert child.stop() == 0
    found = budget(office)
    assert found.windows[0].used == stack.shop.count_calls() == sum(each.today for each in found.calls)
