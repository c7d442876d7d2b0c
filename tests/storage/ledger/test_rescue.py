"""Leases: what the dead held is freed as interrupted, what the living hold is left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Connection, event, update

from broker.operations.values import LogFilter
from domain.moments import to_micros
from storage.ledger import rescue
from storage.processes import here, is_gone
from storage.tables import deliveries, lanes, leases, sync_log, workers
from tests.storage.conftest import Opened
from tests.storage.support import AFTER_A_CRASH, Site, done, order, stock


async def test_the_lanes_of_a_worker_whose_lease_is_over_are_freed(site: Site) -> None:
    await site.beat("w1", 30)
    await site.beat("w2", 60)
    await site.admit(order("1"), order("2"))
    await site.claim("w1", most=1)
    (kept,) = await site.claim("w2", most=1)
    site.clock.advance(30)
    assert await site.ledger.rescue() == 0
    site.clock.advance(1)
    assert await site.ledger.rescue() == 1
    assert [row.holder for row in site.rows(lanes, lanes.c.holder.is_not(None))] == ["w2"]
    assert [row.id for row in site.rows(workers)] == ["w2"]
    assert not (await site.settle(kept, done, "w2")).fenced


async def test_a_lease_that_is_renewed_in_time_is_never_over(site: Site) -> None:
    await site.admit(order())
    for _ in range(5):
        await site.beat("w1", 30)
        await site.claim()
        site.clock.advance(25)
        assert await site.ledger.rescue() == 0


async def test_an_interrupted_attempt_gets_its_row_in_the_log_and_the_next_one_must_read_back(site: Site) -> None:
    await site.beat("w1", 30)
    await site.admit(order("1", correlationid="c-1"))
    claim = await site.take()
    site.clock.advance(31)
    await site.ledger.rescue()
    (row,) = await site.desk.logs(LogFilter())
    assert (row.outcome, row.level, row.code, row.attempt, row.actor) == ("Retry", "Fatal", "worker_died", 1, "w1")
    assert (row.delivery_id, row.correlation_id, row.business_key) == (claim.deliveries[0].id, "c-1", "1")
    assert (row.finished_at - row.started_at).total_seconds() == 31
    site.clock.advance(AFTER_A_CRASH)
    again = await site.take("w2")
    assert (again.deliveries[0].unsure, again.deliveries[0].attempt, again.deliveries[0].failures) == (True, 2, 0)
    assert again.token > claim.token


async def test_only_what_was_in_hand_counts_as_interrupted(site: Site) -> None:
    await site.beat()
    await site.admit(order("1", id="head"), order("1", id="behind"), stock("MUG", 1))
    await site.claim()
    await site.admit(stock("CUP", 1))
    assert await site.ledger.rescue(alone=True) == 2
    assert [(row.business_key, row.seq, row.unsure, row.attempts) for row in site.rows(deliveries)] == [
        ("1", 1, True, 1),
        ("1", 2, False, 0),
        ("MUG", 1, True, 1),
        ("CUP", 2, False, 0),
    ]
    assert {row.token for row in site.rows(deliveries)} == {None}
    assert len(site.rows(sync_log)) == 2


async def test_crashes_of_a_lane_are_counted_until_an_attempt_ends(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    counted = []
    for _ in range(3):
        await site.beat()
        counted.append((await site.take()).crashes)
        await site.ledger.rescue(alone=True)
        site.clock.advance(60)
    await site.beat()
    claim = await site.take()
    settled = await site.settle(claim, done, go_on=["order_import"])
    assert settled.next_claim is not None
    assert [*counted, claim.crashes, settled.next_claim.crashes] == [0, 1, 2, 3, 0]


async def test_whoever_is_alone_on_the_database_takes_every_other_worker_for_gone(site: Site) -> None:
    await site.beat("w1", 1000)
    await site.admit(order())
    await site.claim()
    assert await site.ledger.rescue() == 0
    assert await site.ledger.rescue(alone=True) == 1
    assert site.rows(workers) == []


async def test_a_lane_whose_holder_nobody_knows_is_freed(site: Site) -> None:
    await site.admit(order())
    await site.claim("never-began")
    assert await site.ledger.rescue() == 1


async def test_a_worker_whose_process_died_on_this_host_is_gone_before_its_lease_ends(site: Site) -> None:
    await site.beat("w1", 1000)
    await site.beat("w2", 1000)
    await site.admit(order())
    await site.claim("w1")
    site.run(update(workers).where(workers.c.id == "w1").values(process=process_that_ended()))
    assert await site.ledger.rescue() == 1
    assert [row.id for row in site.rows(workers)] == ["w2"]


def process_that_ended() -> str:
    words = "from storage.processes import here; print(here()[1])"
    return subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True).stdout.strip()


def test_a_process_is_gone_only_when_that_is_certain() -> None:
    host, process = here()
    assert not is_gone(host, process)
    assert is_gone(host, process_that_ended())
    assert is_gone(host, process.split("/")[0] + "/1")
    assert not is_gone("another host", process_that_ended())
    assert not is_gone("", process_that_ended())
    assert not is_gone(host, "1/")


async def test_a_worker_that_leaves_gives_back_its_lanes_and_leases_at_once(site: Site) -> None:
    for worker in ("w1", "w2"):
        await site.beat(worker)
    await site.admit(order("1"), order("2"))
    await site.claim("w1", most=1)
    await site.claim("w2", most=1)
    await site.ledger.hold("relay", "w1", 60)
    await site.ledger.hold("other", "w2", 60)
    await site.ledger.leave("w1")
    assert [row.holder for row in site.rows(lanes, lanes.c.holder.is_not(None))] == ["w2"]
    assert [row.id for row in site.rows(workers)] == ["w2"]
    assert [row.name for row in site.rows(leases)] == ["other"]
    assert [row.code for row in site.rows(sync_log)] == ["worker_died"]


async def test_leaving_with_nothing_in_hand_leaves_no_trace(site: Site) -> None:
    await site.beat()
    await site.ledger.leave("w1")
    assert site.rows(workers) == site.rows(sync_log) == []


async def test_a_worker_gives_back_what_it_holds_without_knowing(site: Site) -> None:
    for worker in ("w1", "w2"):
        await site.beat(worker)
    await site.admit(order("1"), order("2"), order("3"))
    lost, kept = sorted(await site.claim("w1", most=2), key=lambda claim: claim.lane)
    await site.claim("w2")
    assert await site.ledger.disown("w1", {kept.lane: kept.token}) == 1
    assert sorted((row.key, row.holder) for row in site.rows(lanes) if row.key != lost.lane) == [
        (f"{site.main}/order/2", "w1"),
        (f"{site.main}/order/3", "w2"),
    ]
    site.clock.advance(AFTER_A_CRASH)
    (again,) = await site.claim("w2")
    assert (again.lane, again.deliveries[0].unsure) == (lost.lane, True)
    assert not (await site.settle(kept, done)).fenced


async def test_a_lane_that_a_worker_knows_by_an_older_token_alone_is_given_back(site: Site) -> None:
    await site.beat()
    await site.admit(order("1"))
    claim = await site.take()
    assert await site.ledger.disown("w1", {claim.lane: claim.token - 1}) == 1


async def test_a_named_lease_has_one_holder_who_may_renew_it(site: Site, open_site: Opened) -> None:
    other = open_site()
    assert await site.ledger.hold("relay", "w1", 10)
    assert not await other.ledger.hold("relay", "w2", 10)
    assert await other.ledger.hold("another", "w2", 10)
    site.clock.advance(9)
    assert await site.ledger.hold("relay", "w1", 10)
    other.clock.now = site.clock.now
    other.clock.advance(10)
    assert not await other.ledger.hold("relay", "w2", 10)
    other.clock.advance(0.001)
    assert await other.ledger.hold("relay", "w2", 10)
    assert not await site.ledger.hold("relay", "w1", 10)


async def test_a_named_lease_of_a_dead_process_is_taken_over_at_once(site: Site) -> None:
    for worker in ("w1", "w2"):
        await site.beat(worker, 1000)
    assert await site.ledger.hold("relay", "w1", 1000)
    site.run(update(workers).where(workers.c.id == "w1").values(process=process_that_ended()))
    assert await site.ledger.hold("relay", "w2", 1000)
    assert not await site.ledger.hold("relay", "w3", 1000)


async def test_a_named_lease_that_a_rescue_found_is_free(site: Site) -> None:
    await site.beat("w1", 10)
    await site.ledger.hold("relay", "w1", 1000)
    site.clock.advance(11)
    await site.ledger.rescue()
    assert await site.ledger.hold("relay", "w2", 10)


async def test_two_heirs_of_a_dead_holder_do_not_both_get_its_lease(
    postgresql_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = postgresql_site
    await site.beat("dead", 1000)
    await site.ledger.hold("relay", "dead", 1000)
    taken: list[bool] = []
    now = to_micros(site.clock.now)

    def other_heir_is_quicker(host: str, process: str) -> bool:
        monkeypatch.setattr(rescue, "is_gone", lambda host, process: True)
        heir = site.database.write(lambda connection: rescue.hold(connection, "relay", "quick", 10**9, now))
        taken.append(heir)
        return True

    monkeypatch.setattr(rescue, "is_gone", other_heir_is_quicker)
    slow = await site.ledger.hold("relay", "slow", 1000)
    assert (taken, slow) == ([True], False)
    assert [row.holder for row in site.rows(leases)] == ["quick"]


async def test_a_worker_that_begins_during_a_rescue_keeps_what_it_took(postgresql_site: Site) -> None:
    site = postgresql_site
    await site.admit(order())
    begun: list[bool] = []

    def begin_between(connection: Connection, *rest: object) -> None:
        if not begun and connection.info.get("rescues"):
            begun.append(True)
            for work in (
                lambda other: rescue.beat(other, "new", "consume", ("", ""), 10**9, now),
                lambda other: other.execute(update(lanes).values(state="running", holder="new")).close(),
            ):
                site.database.write(work)

    now = to_micros(site.clock.now)
    event.listen(site.database.engine, "after_cursor_execute", begin_between)

    def work(connection: Connection) -> int:
        connection.info["rescues"] = True
        try:
            return rescue.rescue(connection, now)
        finally:
            connection.info.clear()

    assert site.database.write(work) == 0
    assert begun
    assert [row.holder for row in site.rows(lanes)] == ["new"]
