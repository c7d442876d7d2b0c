"""Follow-ups: what an attempt asks for becomes an event of the same story, and is never lost."""

from __future__ import annotations

import pytest

from broker.ledger import Claim, Hands, Settlement
from domain.outcomes import Effects, FollowUp
from domain.states import DeliveryState
from domain.synclog import Trigger
from storage.tables import deliveries, lanes, messages
from tests.storage.support import ALL_JOBS, Site, done, ended, keys, order

NEXT = FollowUp("order.updated", "follow-1", {"external_order_id": "2"})
MORE = Effects(follow_ups=(NEXT,))
READY = Hands("w1", frozenset(ALL_JOBS), room=100)


async def test_a_follow_up_becomes_a_message_of_the_same_story(site: Site) -> None:
    (answer,) = await site.admit(order("1", correlationid="c-1"))
    await site.settle(await site.take(), lambda each: done(each, MORE))
    (made,) = site.rows(messages, messages.c.id != answer.message_id)
    assert (made.type, made.event_id, made.source, made.channel, made.correlation_id) == (
        "order.updated", "follow-1", "towpath/main", "main", "c-1",
    )  # fmt: skip
    assert [each.business_key for each in (await site.take()).deliveries] == ["2"]


async def test_a_follow_up_without_a_story_begins_one_with_its_message(site: Site) -> None:
    (answer,) = await site.admit(order("1"))
    await site.settle(await site.take(), lambda each: done(each, MORE))
    (made,) = site.rows(messages, messages.c.id != answer.message_id)
    assert made.correlation_id == answer.message_id


async def test_a_follow_up_that_was_asked_for_twice_runs_once(site: Site) -> None:
    for _ in range(2):
        await site.admit(order("1"))
        claim = next(claim for claim in await site.claim() if claim.lane.endswith("/1"))
        await site.settle(claim, lambda each: done(each, MORE))
    assert len(site.rows(messages, messages.c.event_id == "follow-1")) == 1
    assert len(site.rows(deliveries, deliveries.c.business_key == "2")) == 1


async def test_a_follow_up_for_the_same_order_is_what_the_lane_goes_on_with(site: Site) -> None:
    await site.admit(order("1"))
    effects = Effects(follow_ups=(FollowUp("order.updated", "f", {"external_order_id": "1"}),))
    settled = await site.settle(await site.take(), lambda each: done(each, effects), go_on=["order_import"])
    assert settled.next_claim is not None


async def test_what_follows_from_a_replay_is_an_event_again(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), ended(DeliveryState.DEAD))
    await site.desk.replay([site.rows(deliveries)[0].id])
    claim = await site.take()
    assert claim.deliveries[0].trigger is Trigger.REPLAY
    await site.settle(claim, lambda each: done(each, MORE))
    (made,) = site.rows(messages, messages.c.event_id == "follow-1")
    assert made.trigger == "event"


async def test_a_follow_up_into_a_lane_that_ends_with_the_same_settle_is_not_lost(site: Site) -> None:
    """Its own lane, or that of another delivery which is settled with it."""
    await site.admit(order("1"), order("2"))
    into = {"1": "2", "2": "2"}
    settlements = [
        Settlement(claim, tuple(done(each, asking_for(into[each.business_key], claim)) for each in claim.deliveries))
        for claim in await site.claim()
    ]
    assert not any(answer.fenced for answer in await site.ledger.settle("w1", settlements))
    (lane,) = site.rows(lanes)
    assert (lane.key, lane.state, lane.holder) == (f"{site.main}/order/2", "ready", None)
    seen = []
    while claims := await site.claim():
        seen += keys(claims)
        await site.settle(claims[0], done)
    assert seen == [["2"], ["2"]]
    assert {row.state for row in site.rows(deliveries)} == {"done"}
    assert site.rows(lanes) == []


def asking_for(number: str, claim: Claim) -> Effects:
    return Effects(follow_ups=(FollowUp("order.updated", f"for {claim.lane}", {"external_order_id": number}),))


@pytest.mark.parametrize("comes", ["before", "after"])
async def test_what_is_admitted_while_the_last_of_its_lane_runs_is_not_lost(site: Site, comes: str) -> None:
    (claim,) = (await site.ledger.take_in([order("1")], (), READY)).claims
    if comes == "before":
        await site.admit(order("1"))
    await site.settle(claim, done)
    if comes == "after":
        await site.admit(order("1"))
    assert keys(await site.claim()) == [["1"]]
