"""Taking in for a worker that is ready: lanes that begin with an event are in its hand when the event is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg.errors import SerializationFailure
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from broker.ledger import Hands, ParcelPast, Shares, TakenIn
from domain.errors import StorageUnavailable
from domain.outcomes import Effects, FollowUp
from domain.shipments import SentShipment
from domain.states import DeliveryState
from storage.ledger import admit, arrival
from storage.tables import deliveries, lanes, messages, shipments, sync_log
from tests.storage.support import (
    AFTER_A_CRASH,
    ALL_JOBS,
    Site,
    done,
    ended,
    keys,
    order,
    park,
    retry,
    shipment,
    stock,
    tick,
)

READY = Hands("w1", frozenset(ALL_JOBS), room=100)


async def take_in(site: Site, *events: Any, **hands: Any) -> TakenIn:
    return await site.ledger.take_in(events, (), replace(READY, **hands))


async def test_a_lane_that_begins_is_the_workers_as_if_it_had_claimed_it(site: Site) -> None:
    event = order("1", correlationid="c-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01", time="2026-03-01T00:00:00Z")
    taken = await take_in(site, event)
    (claim,) = taken.claims
    (lane,) = site.rows(lanes)
    assert (lane.key, lane.state, lane.holder, lane.token) == (claim.lane, "running", "w1", claim.token)
    assert await site.claim("w2") == []
    assert await site.ledger.disown("w1", {}) == 1
    site.clock.advance(AFTER_A_CRASH)
    again = await site.take("w1")
    (mine,), (other,) = claim.deliveries, again.deliveries
    assert mine == replace(other, attempt=1, unsure=False)
    assert claim == replace(again, token=claim.token, crashes=0, deliveries=claim.deliveries)
    assert taken.answers[0].message_id == mine.message_id and mine.body == event.body


async def test_what_is_in_hand_settles_like_anything_claimed(site: Site) -> None:
    (claim,) = (await take_in(site, order("1"))).claims
    settled = await site.settle(claim, done)
    assert (settled.fenced, settled.next_claim) == (False, None)
    assert site.rows(lanes) == []
    assert [row.state for row in site.rows(deliveries)] == ["done"]


async def test_of_one_lane_the_first_event_is_in_hand_and_the_next_follows_it(site: Site) -> None:
    taken = await take_in(site, order("1", id="a"), order("1", "order.status_changed", id="b"), order("1", id="c"))
    (claim,) = taken.claims
    jobs = []
    while True:
        jobs.append((claim.job_type, claim.deliveries[0].seq))
        settled = await site.settle(claim, done, go_on=ALL_JOBS)
        if settled.next_claim is None:
            break
        claim = settled.next_claim
    assert jobs == [("order_import", 1), ("order_update", 2), ("order_import", 3)]


async def test_parcels_come_with_what_is_known_of_their_past(site: Site) -> None:
    sent = SentShipment("S-1", "1", "shop-77")
    await site.settle((await take_in(site, shipment("1"))).claims[0], lambda each: done(each, Effects(records=(sent,))))
    taken = await take_in(site, shipment("1", id="again"), shipment("2"), order("3"))
    pasts = {claim.deliveries[0].business_key: claim.deliveries[0].past for claim in taken.claims}
    assert pasts == {"1": ParcelPast("shop-77"), "2": ParcelPast(), "3": None}


@pytest.mark.parametrize("together", [1, 2])
async def test_a_parcel_of_an_order_that_ended_in_doubt_comes_with_the_doubt(site: Site, together: int) -> None:
    (claim,) = (await take_in(site, shipment("1", id="lost"))).claims
    await site.settle(claim, lambda each: replace(ended(DeliveryState.UNKNOWN)(each), unsure=True))
    taken = await take_in(site, *(shipment(number, id=f"next-{number}") for number in "12"[:together]))
    pasts = {claim.deliveries[0].business_key: claim.deliveries[0].past for claim in taken.claims}
    assert pasts["1"] == ParcelPast(doubted=True)
    assert pasts.get("2") == (None if together == 1 else ParcelPast())


async def test_a_single_event_comes_in_and_ends_in_one_statement_each(
    postgresql_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = postgresql_site
    await take_in(site, shipment("0"))
    monkeypatch.setattr(site.database, "submit", broken)
    (claim,) = (await take_in(site, shipment("1"))).claims
    assert claim.deliveries[0].past == ParcelPast()
    sent = SentShipment("S-1", "1", "shop-77")
    settled = await site.settle(claim, lambda each: done(each, Effects(records=(sent,))))
    assert not settled.fenced
    monkeypatch.undo()
    assert [row.external_shipment_id for row in site.rows(shipments)] == ["shop-77"]
    assert [row.state for row in site.rows(deliveries)] == ["open", "done"]
    assert [row.business_key for row in site.rows(sync_log)] == ["1"]


@pytest.mark.parametrize("copy", ["the same", "another body"])
async def test_a_single_event_that_came_before_is_seen_as_what_it_is(postgresql_site: Site, copy: str) -> None:
    first = await take_in(postgresql_site, order("1", id="e"))
    again = await take_in(postgresql_site, order("1" if copy == "the same" else "2", id="e"))
    (answer,) = again.answers
    assert again.claims == []
    assert (answer.duplicate, answer.error is None) == ((True, True) if copy == "the same" else (False, False))
    assert answer.message_id == first.answers[0].message_id
    assert len(postgresql_site.rows(deliveries)) == 1


async def test_a_single_event_that_takes_more_than_one_statement_is_still_all_or_nothing(
    postgresql_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (admit, arrival):
        monkeypatch.setattr(module, "can_enter", lambda *_: False)
    monkeypatch.setattr(admit, "line_up", broken)
    site = postgresql_site
    with pytest.raises(LookupError):
        await take_in(site, order("1"))
    assert site.rows(messages) == site.rows(deliveries) == []
    monkeypatch.undo()
    assert len((await take_in(site, order("1"))).claims) == 1


def broken(*_: object) -> None:
    """Fail where nothing is expected, or in the middle."""
    raise LookupError("in the middle")


async def test_the_claims_are_told_early_and_the_same_as_in_the_answer(site: Site) -> None:
    told: list[Any] = []
    taken = await take_in(site, order("1"), shipment("2"), early=told.append)
    assert told == [taken.claims]
    await take_in(site, order("1", id="again"), early=told.append)
    assert len(told) == 1


async def test_claims_that_were_told_early_are_not_told_again_when_the_database_rolls_them_back(
    postgresql_site: Site,
) -> None:
    site, told = postgresql_site, list[Any]()

    def commit(_connection: object) -> None:
        if len(told) < 2:
            told.append(None)
            raise OperationalError("COMMIT", {}, SerializationFailure())

    event.listen(site.database.engine, "commit", commit)
    with pytest.raises(StorageUnavailable):
        await take_in(site, order("1"), order("2"), early=told.append)
    event.remove(site.database.engine, "commit", commit)
    assert len([each for each in told if each]) == 1
    assert site.rows(messages) == site.rows(lanes) == []


async def test_nobody_ready_leaves_all_lanes_to_be_claimed(site: Site) -> None:
    assert [answer.deliveries for answer in await site.admit(order("1"))] == [1]
    assert (await site.ledger.take_in([order("2")], (), Hands())).claims == []
    assert sorted(keys(await site.claim("w2"))) == [["1"], ["2"]]


async def test_no_more_lanes_come_than_there_is_room_for(site: Site) -> None:
    taken = await take_in(site, *(order(str(number)) for number in range(5)), room=3)
    assert len(taken.claims) == 3
    assert len(await site.claim("w2")) == 2


async def test_a_channel_gets_no_more_than_its_share(site: Site) -> None:
    events = [order(str(number)) for number in range(4)] + [order("9", channel="outlet")]
    taken = await take_in(site, *events, shares=Shares(9, {site.main: 2}))
    assert sorted(keys(taken.claims)) == [["0"], ["1"], ["9"]]


async def test_channels_to_be_skipped_and_jobs_of_others_are_left_to_be_claimed(site: Site) -> None:
    events = [order("1"), order("2", "order.status_changed"), order("3", channel="outlet")]
    taken = await take_in(site, *events, jobs=frozenset(["order_import"]), skip=frozenset([site.channels["outlet"]]))
    assert keys(taken.claims) == [["1"]]
    assert sorted(keys(await site.claim("w2"))) == [["2"], ["3"]]


async def test_values_that_newer_ones_absorb_are_gathered_before_they_run(site: Site) -> None:
    taken = await take_in(site, stock("MUG", 1), stock("MUG", 2))
    assert taken.claims == []
    assert keys(await site.claim("w2")) == [["MUG"]]


@pytest.mark.parametrize("stands", ["ready", "running", "waiting", "parked"])
async def test_a_lane_that_was_there_before_is_handed_to_nobody(site: Site, stands: str) -> None:
    await site.admit(order("1", id="first"))
    if stands != "ready":
        claim = await site.take("w2")
        if stands != "running":
            await site.settle(claim, retry(60) if stands == "waiting" else park(), "w2")
    taken = await take_in(site, order("1", id="second"))
    assert taken.claims == []
    (lane,) = site.rows(lanes)
    assert (lane.state, lane.holder) == (stands, "w2" if stands == "running" else None)


async def test_a_tick_that_begins_its_lane_is_in_hand_and_the_next_one_is_skipped(site: Site) -> None:
    taken = await take_in(site, tick("order_import"), tick("order_import"))
    assert [claim.job_type for claim in taken.claims] == ["order_import"]
    assert sorted(row.state for row in site.rows(deliveries)) == ["open", "skipped"]


async def test_what_is_refused_or_came_before_is_handed_to_nobody(site: Site) -> None:
    await site.settle((await take_in(site, order("1", id="e"))).claims[0], done)
    taken = await take_in(site, order("1", id="e"), order("2", id="e"), order("3", account="nobody"), order("4"))
    assert [(answer.duplicate, answer.error is not None) for answer in taken.answers] == [
        (True, False),
        (False, True),
        (False, True),
        (False, False),
    ]
    assert keys(taken.claims) == [["4"]]


async def test_a_copy_in_the_same_batch_is_one_lane_in_hand(site: Site) -> None:
    taken = await take_in(site, order("1", id="e"), order("1", id="e"))
    assert [answer.duplicate for answer in taken.answers] == [False, True]
    assert keys(taken.claims) == [["1"]]


async def test_taking_in_again_after_a_lost_answer_hands_nothing_out_a_second_time(site: Site) -> None:
    events = [order("1"), order("2")]
    lost = await take_in(site, *events)
    again = await take_in(site, *events)
    assert (len(lost.claims), again.claims) == (2, [])
    assert [answer.duplicate for answer in again.answers] == [True, True]
    assert await site.ledger.disown("w1", {}) == 2
    site.clock.advance(AFTER_A_CRASH)
    assert len(await site.claim("w2")) == 2
    assert len(site.rows(messages)) == len(site.rows(deliveries)) == 2


async def test_lanes_in_the_hand_of_a_worker_that_died_are_freed_as_interrupted(site: Site) -> None:
    await site.beat("w1", 30)
    await take_in(site, order("1"))
    site.clock.advance(31)
    assert await site.ledger.rescue() == 1
    site.clock.advance(AFTER_A_CRASH)
    claim = await site.take("w2")
    assert (claim.crashes, claim.deliveries[0].unsure, claim.deliveries[0].attempt) == (1, True, 2)


async def test_the_fence_of_a_lane_that_came_again_is_higher(site: Site) -> None:
    (old,) = (await take_in(site, order("1"))).claims
    await site.settle(old, done)
    site.clock.advance(0.001)
    (new,) = (await take_in(site, order("1"))).claims
    assert new.token > old.token
    assert (await site.settle(old, done)).fenced
    assert not (await site.settle(new, done)).fenced


async def test_what_begins_in_hand_may_ask_for_more_in_its_own_lane(site: Site) -> None:
    (claim,) = (await take_in(site, order("1"))).claims
    more = Effects(follow_ups=(FollowUp("order.updated", "f", {"external_order_id": "1"}),))
    settled = await site.settle(claim, lambda each: done(each, more), go_on=ALL_JOBS)
    assert settled.next_claim is not None and settled.next_claim.deliveries[0].seq == 2
