from __future__ import annotations

import asyncio
import time

from broker.ledger import Settlement, Verdict
from domain.access import Role
from domain.jobs import JOB_TYPES
from domain.masking import MASK
from domain.moments import utc_now
from domain.outcomes import Announcement, Effects
from domain.states import DeliveryState
from domain.synclog import Level
from tests.producers.http.support import Site, stock


async def test_the_feed_gives_every_announcement_once_in_order(site: Site) -> None:
    await site.send_batch([stock(number) for number in range(1, 6)])
    await site.run()
    seen: list[str] = []
    after = 0
    while True:
        answer = (await site.get(f"/v1/announcements?after={after}&limit=2")).json()
        if not answer["events"]:
            break
        assert len(answer["events"]) <= 2 and answer["after"] > after
        after = answer["after"]
        seen += [event["subject"] for event in answer["events"]]
        assert all(event["type"] == "stock.imported" for event in answer["events"])
    assert sorted(seen) == [f"SKU-{number}" for number in range(1, 6)]
    assert answer["after"] == after


async def test_a_long_poll_is_answered_as_soon_as_there_is_something(site: Site) -> None:
    poll = asyncio.ensure_future(site.get("/v1/announcements?wait=9"))
    await asyncio.sleep(0.2)
    assert not poll.done()
    began = time.monotonic()
    await site.send(stock(1))
    await site.run()
    answer = (await poll).json()
    assert [event["subject"] for event in answer["events"]] == ["SKU-1"]
    assert time.monotonic() - began < 3


async def test_a_long_poll_ends_empty_when_its_time_is_over(site: Site) -> None:
    began = time.monotonic()
    answer = (await site.get("/v1/announcements?after=7&wait=0.6")).json()
    assert answer == {"events": [], "after": 7}
    assert 0.5 < time.monotonic() - began < 3


async def test_nobody_may_ask_to_wait_longer_than_twenty_seconds(site: Site) -> None:
    assert (await site.get("/v1/announcements?wait=21")).status_code == 422


async def test_a_stop_ends_long_polls_at_once(site: Site) -> None:
    poll = asyncio.ensure_future(site.get("/v1/announcements?wait=20"))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    site.stop.set()
    assert (await poll).status_code == 200
    await asyncio.wait_for(asyncio.shield(site.serving), 5)
    assert time.monotonic() - began < 3


async def told_of_an_order(site: Site) -> None:
    """An order of a person stands in the feed."""
    order = {"external_order_id": "4711", "ship_to_contact": {"email": "buyer@example.com"}, "notes": ["Ring twice"]}
    await site.send(stock(1))
    await site.ledger.beat(site.worker, "consume", 30)
    (claim,) = await site.ledger.claim(site.worker, list(JOB_TYPES), 10)
    effects = Effects(announcements=(Announcement("order.imported", order, "4711"),))
    now = utc_now()
    verdict = Verdict(
        delivery=claim.deliveries[0], state=DeliveryState.DONE, outcome="Done", level=Level.INFO, code="ok",
        sentence="Done.", started_at=now, finished_at=now, effects=effects,
    )  # fmt: skip
    await site.ledger.settle(site.worker, [Settlement(claim, (verdict,))])


async def test_people_in_the_feed_are_masked_for_viewers_alone(site: Site) -> None:
    await told_of_an_order(site)
    path = "/v1/accounts/acme/announcements"
    (whole,) = (await site.get("/v1/announcements")).json()["events"]
    assert whole["data"]["ship_to_contact"] == {"email": "buyer@example.com"}
    assert (await (await site.enter(Role.ACCOUNT_USER, "acme")).get(path)).json()["events"] == [whole]
    (seen,) = (await (await site.enter(Role.VIEWER, "acme")).get(path)).json()["events"]
    assert seen["data"] == {**whole["data"], "ship_to_contact": {"email": MASK}, "notes": [MASK]}
    assert {**seen, "data": None} == {**whole, "data": None}
