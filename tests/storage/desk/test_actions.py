"""What operators do to messages: replay, discard, run a job now; by the table of moves."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text, update

from broker.operations.values import LogFilter
from domain.states import MOVES, DeliveryState
from storage.desk import actions
from storage.tables import deliveries, lanes, messages
from tests.services.process import wait_until
from tests.storage.support import Site, done, ended, order, park, retry, stock

FINAL = [state for state in DeliveryState if state is not DeliveryState.OPEN]


async def end(site: Site, state: DeliveryState, number: str = "1") -> str:
    """The id of a delivery in that final state."""
    await site.admit(order(number))
    (claim,) = [claim for claim in await site.claim() if claim.lane.endswith(f"/{number}")]
    if state is DeliveryState.DISCARDED:
        await site.settle(claim, ended(DeliveryState.DEAD))
        await site.desk.discard([claim.deliveries[0].id], "no")
    else:
        await site.settle(claim, ended(state))
    return claim.deliveries[0].id


def row_of(site: Site, delivery: str) -> tuple[str, str]:
    (row,) = site.rows(deliveries, deliveries.c.id == delivery)
    return row.state, row.code


@pytest.mark.parametrize("state", FINAL)
async def test_a_final_delivery_is_opened_again_where_the_table_of_moves_allows_it(
    site: Site, state: DeliveryState
) -> None:
    delivery = await end(site, state)
    allowed = DeliveryState.OPEN in MOVES[state]
    assert await site.desk.replay([delivery]) == int(allowed)
    assert row_of(site, delivery)[0] == ("open" if allowed else state)
    assert len(await site.claim()) == int(allowed)


@pytest.mark.parametrize("state", FINAL)
async def test_a_final_delivery_is_discarded_where_the_table_of_moves_allows_it(
    site: Site, state: DeliveryState
) -> None:
    delivery = await end(site, state)
    before = row_of(site, delivery)
    allowed = DeliveryState.DISCARDED in MOVES[state]
    assert await site.desk.discard([delivery], "not needed") == int(allowed)
    assert row_of(site, delivery) == (("discarded", "discarded") if allowed else before)
    assert site.rows(lanes) == []


async def test_a_replayed_delivery_stands_at_the_end_of_its_lane_with_a_fresh_budget(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), retry(1))
    site.clock.advance(1)
    claim = await site.take()
    await site.settle(claim, ended(DeliveryState.DEAD))
    delivery = claim.deliveries[0].id
    await site.admit(order("1"))
    await site.desk.replay([delivery])
    first = await site.take()
    assert first.deliveries[0].id != delivery
    await site.settle(first, done)
    again = await site.take()
    assert again.deliveries[0].id == delivery
    assert (again.deliveries[0].attempt, again.deliveries[0].failures, again.deliveries[0].trigger) == (3, 0, "replay")


@pytest.mark.parametrize(("state", "unsure"), [(DeliveryState.UNKNOWN, True), (DeliveryState.DEAD, False)])
async def test_a_replay_reads_back_first_where_the_outcome_was_never_found_out(
    site: Site, state: DeliveryState, unsure: bool
) -> None:
    await site.desk.replay([await end(site, state)])
    assert (await site.take()).deliveries[0].unsure is unsure


async def test_several_deliveries_are_replayed_in_the_order_they_came(site: Site) -> None:
    dead = [await end(site, DeliveryState.DEAD) for _ in range(3)]
    assert await site.desk.replay(dead[::-1]) == 3
    order_run = []
    while claims := await site.claim():
        order_run.append(claims[0].deliveries[0].id)
        await site.settle(claims[0], done)
    assert order_run == dead


@pytest.mark.parametrize("judge", [park(), retry(3600)])
async def test_a_replay_makes_a_waiting_delivery_due_at_once(site: Site, judge: object) -> None:
    await site.admit(order("1"))
    claim = await site.take()
    await site.settle(claim, judge)  # type: ignore[arg-type]
    assert await site.desk.replay([claim.deliveries[0].id]) == 1
    assert (await site.take()).deliveries[0].trigger == "replay"


async def test_a_replay_releases_a_waiting_value_of_a_bulk_lane_alone(site: Site) -> None:
    await site.admit(stock("MUG", 1), stock("CUP", 1))
    claim = await site.take()
    await site.settle(claim, park())
    assert await site.desk.replay([claim.deliveries[1].id]) == 1
    assert [each.business_key for each in (await site.take()).deliveries] == ["CUP"]


async def test_what_runs_or_is_due_anyway_is_left_alone_by_a_replay(site: Site) -> None:
    await site.admit(order("1"), order("2"))
    (running,) = await site.claim(most=1)
    ids = [row.id for row in site.rows(deliveries)]
    assert await site.desk.replay(ids) == 0
    assert not (await site.settle(running, done)).fenced


async def test_a_dead_delivery_replayed_while_its_lane_runs_waits_for_its_turn(site: Site) -> None:
    dead = await end(site, DeliveryState.DEAD)
    await site.admit(order("1"))
    claim = await site.take()
    assert await site.desk.replay([dead]) == 1
    assert await site.claim("w2") == []
    settled = await site.settle(claim, done, go_on=["order_import"])
    assert settled.next_claim is not None
    assert settled.next_claim.deliveries[0].id == dead


async def test_a_discarded_head_lets_the_next_one_run(site: Site) -> None:
    await site.admit(order("1", id="a"), order("1", id="b"))
    claim = await site.take()
    await site.settle(claim, park())
    assert await site.desk.discard([claim.deliveries[0].id], "wrong order") == 1
    assert (await site.take()).deliveries[0].id != claim.deliveries[0].id
    (row,) = site.rows(deliveries, deliveries.c.id == claim.deliveries[0].id)
    assert (row.state, row.sentence, row.cause) == ("discarded", "wrong order", "")
    assert row.settled_at is not None


async def test_what_runs_is_not_discarded(site: Site) -> None:
    await site.admit(order("1"))
    claim = await site.take()
    assert await site.desk.discard([claim.deliveries[0].id], "no") == 0
    assert not (await site.settle(claim, done)).fenced
    assert row_of(site, claim.deliveries[0].id)[0] == "done"


async def test_unknown_ids_are_passed_over(site: Site) -> None:
    assert await site.desk.replay(["nope"]) == await site.desk.discard(["nope"], "no") == 0


@pytest.mark.parametrize("act", ["replay", "discard"])
async def test_what_ended_well_while_an_operator_acted_stays_ended(postgresql_site: Site, act: str) -> None:
    """The operator saw a delivery that could be moved; by the time its lane is free it is done."""
    site = postgresql_site
    await site.admit(order("1"))
    claim = await site.take()
    await site.settle(claim, park())
    delivery = claim.deliveries[0].id
    now = 1
    changed: list[int] = []

    def operate() -> None:
        if act == "replay":
            changed.append(site.database.write(lambda connection: actions.replay(connection, [delivery], now)))
        else:
            changed.append(site.database.write(lambda connection: actions.discard(connection, [delivery], "no", now)))

    operator = threading.Thread(target=operate)
    with site.database.engine.begin() as worker:
        worker.execute(update(lanes).values(since=2))
        operator.start()
        assert wait_until(lambda: waits_for_row(site), 10)
        worker.execute(update(deliveries).values(state="done"))
        worker.execute(lanes.delete())
    operator.join(10)
    assert changed == [0]
    assert row_of(site, delivery)[0] == "done"
    assert site.rows(lanes) == []


def waits_for_row(site: Site) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(site.database.read(lambda connection: connection.scalar(query)))


async def test_a_job_run_now_is_one_manual_run(site: Site) -> None:
    message = await site.desk.run_now("acme", "main", "order_import")
    claim = await site.take()
    assert claim.deliveries[0].message_id == message
    assert (claim.job_type, claim.deliveries[0].trigger) == ("order_import", "manual")
    await site.settle(claim, done)
    (row,) = await site.desk.logs(LogFilter(message_id=message))
    assert row.trigger == "manual"


async def test_a_job_run_twice_in_the_same_moment_is_two_messages(site: Site) -> None:
    made = {await site.desk.run_now("acme", "main", "inventory_export") for _ in range(2)}
    assert {row.id for row in site.rows(messages)} == made
    assert len(made) == 2
