"""The count of API calls against the sandbox's own books: causes, probes, what was never sent, and the budget."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from broker.gates import Gates
from broker.operations import BudgetUse
from storage.gate_store import SqlGateStore
from tests.consumers.store import Store
from tests.consumers.test_product_export import CUP
from tests.house import FAST, small_house, sqlite_url


async def budget(store: Store) -> BudgetUse:
    return await store.house.operations.calls.budget("acme", "main")


async def causes(store: Store) -> Counter[tuple[str, str]]:
    """Calls of the day by job and cause."""
    return Counter({(row.job, row.cause): row.today for row in (await budget(store)).calls})


async def test_first_tries_retries_replays_manual_runs_and_tests_add_up_to_the_books_of_the_shop(store: Store) -> None:
    order = store.buy()
    await store.run(await store.house.order_event(order))
    store.fault("error_body", times=1)
    dead = await store.house.event("order.status_changed", {"external_order_id": str(order), "status": "shipped"})
    await store.run(dead)
    if (await store.house.delivery(dead)).state == "dead":
        await store.run_again(dead)
    store.fault("server_error", times=1)
    retried = await store.house.order_event(order, "order.updated")
    await store.run(retried)
    store.house.clock.advance(6)
    await store.run(retried)
    await store.run(await store.house.desk.run_now("acme", "main", "order_import"))
    await store.house.operations.check_channel("acme", "main")
    found = await causes(store)
    assert {cause for _, cause in found} == {"first_try", "retry", "replay", "manual"}
    assert found["test_connection", "manual"] == 2
    assert found.total() == len(store.calls()) == (await budget(store)).windows[0].used


async def test_a_call_that_was_never_sent_is_not_counted(tmp_path: Path) -> None:
    async with small_house(sqlite_url(tmp_path), domain="127.0.0.1:1", **FAST) as house:
        message = await house.order_event()
        await house.work_off()
        (row,) = await house.attempts(message)
        assert [call["sent"] for call in row.calls] == [False]
        assert not (await house.operations.check_channel("acme", "main")).reachable
        found = await house.operations.calls.budget("acme", "main")
        assert (found.windows[0].used, found.calls) == (0, ())


async def test_held_products_wait_without_an_attempt_while_orders_go_on(store: Store) -> None:
    await store.house.change(**FAST, calls_per_day=10, unmapped_sku="identity")
    for _ in range(9):
        await store.run(await store.house.order_event(store.buy()))
    held = await store.house.event("product.changed", {"product": CUP})
    row = await store.run(held)
    assert (row.state, row.cause, row.attempts, row.failures) == ("waiting", "budget", 0, 0)
    assert "9 of 10 API calls of this day are used" in row.sentence and "Waiting, not lost" in row.sentence
    assert row.due_at is not None and row.due_at > store.house.clock()
    assert await store.house.attempts(held) == ()
    assert (await store.run(await store.house.order_event(store.buy()))).state == "done"
    last = await store.run(await store.house.order_event(store.buy()))
    assert (last.state, last.cause, len(store.calls())) == ("waiting", "budget", 10)
    codes = [log.code for log in await store.house.logs(limit=100) if log.code.startswith("budget")]
    assert sorted(codes) == ["budget_critical", "budget_spent", "budget_warning", "budget_warning"][-len(codes) :]
    await store.house.change(**FAST, calls_per_day=1000, unmapped_sku="identity")
    await store.house.work_off()
    assert (await store.house.delivery(last.message_id)).state == "done"


async def test_what_waits_for_the_budget_goes_on_when_the_day_is_over(store: Store) -> None:
    await store.house.change(**FAST, calls_per_day=1)
    first, second = store.buy(), store.buy()
    await store.run(await store.house.order_event(first))
    waiting = await store.house.order_event(second)
    assert (await store.run(waiting)).cause == "budget"
    store.house.clock.advance(86_400)
    store.house.gates = Gates(SqlGateStore(store.house.database, store.house.clock))
    assert (await store.run(waiting)).state == "done"
