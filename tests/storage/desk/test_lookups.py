"""What people look up: log, messages and their lives, rejections, numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broker.ledger import Rejection
from broker.operations.values import LogFilter, MessageFilter
from domain.errors import MalformedEvent
from domain.outcomes import Announcement, Counts, Effects
from domain.periods import Period
from domain.states import DeliveryState
from domain.synclog import Trigger
from tests.storage.support import CALL, Site, done, ended, order, park, retry, stock, tick

SHOWN = ["ready", "running", "waiting", "parked", "behind", "done", "dead", "superseded"]


async def everything(site: Site) -> dict[str, str]:
    """Work in every state; what is shown of each event, by event id."""
    await site.admit(*(order(name, id=f"{name}-1") for name in ("done", "dead", "waiting", "parked", "running")))
    judges = {"done": done, "dead": ended(DeliveryState.DEAD), "waiting": retry(60), "parked": park()}
    for claim in await site.claim():
        name = claim.lane.rsplit("/", 1)[1]
        if name != "running":
            await site.settle(claim, judges[name])
    await site.admit(*(order(name, id=f"{name}-2") for name in ("parked", "running", "ready")))
    await bulk(site)
    shown = await site.desk.messages(MessageFilter(limit=100))
    return {row.event_id: row.deliveries[0].state for row in shown}


async def bulk(site: Site) -> None:
    """Values in a lane that waits, and in one that runs."""
    await site.admit(stock("MUG", 1, id="mug-1"), stock("CUP", 1, id="cup-1"), stock("JUG", 1, id="jug-1"))
    (claim,) = await site.ledger.claim("w1", ["inventory_export"], 10)
    judges = {"MUG": park(), "CUP": retry(60), "JUG": done}
    await site.settle(claim, lambda each: judges[each.business_key](each))
    await site.admit(stock("POT", 1, id="pot-1"))
    await site.admit(stock("MUG", 1, id="mug-o", channel="outlet"), stock("MUG", 0, id="mug-old", channel="outlet"))
    assert len(await site.ledger.claim("w1", ["inventory_export"], 10, [site.main])) == 1
    await site.admit(stock("CUP", 1, id="cup-o", channel="outlet"))


EXPECTED = {
    "done-1": "done", "dead-1": "dead", "waiting-1": "waiting", "parked-1": "parked", "running-1": "running",
    "parked-2": "behind", "running-2": "behind", "ready-2": "ready",
    "mug-1": "parked", "cup-1": "waiting", "jug-1": "done", "pot-1": "ready",
    "mug-o": "running", "mug-old": "superseded", "cup-o": "ready",
}  # fmt: skip


async def test_each_delivery_is_shown_as_it_stands(site: Site) -> None:
    assert await everything(site) == EXPECTED


async def test_the_filter_by_state_finds_exactly_what_is_shown_in_that_state(site: Site) -> None:
    await everything(site)
    for state in SHOWN:
        found = await site.desk.messages(MessageFilter(state=state, limit=100))
        assert {row.event_id for row in found} == {id for id, shown in EXPECTED.items() if shown == state}, state


async def test_a_wait_has_an_end_unless_somebody_must_act(site: Site) -> None:
    await site.admit(order("1"), order("2"))
    first, second = sorted(await site.claim(), key=lambda claim: claim.lane)
    await site.settle(first, retry(60))
    await site.settle(second, park())
    due = {row.business_key: row.deliveries[0].due_at for row in await site.desk.messages(MessageFilter())}
    assert due == {"1": site.clock.now + timedelta(seconds=60), "2": None}


async def test_messages_come_newest_first_and_are_narrowed_by_all_that_is_asked(site: Site) -> None:
    await site.admit(order("1", id="a"))
    site.clock.advance(60)
    later = site.clock.now
    await site.admit(order("1", "order.status_changed", id="b"))
    site.clock.advance(1)
    await site.admit(order("1", id="c", channel="outlet"), order("1", id="d", account="globex", channel="shop"))

    async def found(**wanted: object) -> list[str]:
        return [row.event_id for row in await site.desk.messages(MessageFilter(**wanted))]  # type: ignore[arg-type]

    assert (await found())[2:] == ["b", "a"]
    assert await found(limit=1, account="acme") == ["c"]
    assert await found(account="globex") == ["d"]
    assert await found(channel="main") == ["b", "a"]
    assert await found(business_key="1", type="order.status_changed") == ["b"]
    assert await found(account="acme", since=later) == ["c", "b"]
    assert await found(business_key="2") == []


async def test_the_life_of_a_message_tells_its_deliveries_and_attempts_oldest_first(site: Site) -> None:
    (answer,) = await site.admit(order("1", id="e-1", correlationid="c-1"))
    await site.admit(order("1", id="e-1", correlationid="c-1"))
    await site.settle(await site.take(), retry(1))
    site.clock.advance(1)
    await site.settle(await site.take(), done)
    life = await site.desk.message(str(answer.message_id))
    assert life is not None
    assert (life.message.copies, life.message.correlation_id, life.message.source) == (1, "c-1", "oms")
    assert [(each.state, each.attempts, each.failures) for each in life.message.deliveries] == [("done", 2, 1)]
    assert [each.outcome for each in life.attempts] == ["Retry", "Done"]


async def test_a_message_is_found_by_its_id_its_delivery_or_a_unique_end_or_beginning(site: Site) -> None:
    first, second = await site.admit(order("1"), order("2"))
    for answer in (first, second):
        id = str(answer.message_id)
        life = await site.desk.message(id)
        assert life is not None
        for name in (life.message.deliveries[0].id, id[-6:], id[-12:], id[:30]):
            found = await site.desk.message(name)
            assert found is None or found.message.id == id
            assert found is not None or name == id[:30]


@pytest.mark.parametrize("name", ["", "abc", "%%%%%%", "______", "00000000-nope", "' OR 1=1 --"])
async def test_nothing_is_found_by_what_is_too_short_a_pattern_or_unknown(site: Site, name: str) -> None:
    await site.admit(order("1"))
    assert await site.desk.message(name) is None


async def test_an_end_that_two_messages_share_finds_none(site: Site) -> None:
    answers = await site.admit(order("1"), order("2"))
    shared = str(answers[0].message_id)[:8]
    assert str(answers[1].message_id).startswith(shared)
    assert await site.desk.message(shared) is None


async def test_the_log_comes_newest_first_and_is_narrowed_by_all_that_is_asked(site: Site) -> None:
    for at, (number, judge) in enumerate((("1", done), ("2", ended(DeliveryState.DEAD)), ("3", retry(1)))):
        await site.admit(order(number, channel="outlet" if at == 1 else "main"))
        await site.settle(await site.take(), judge)

    async def found(**wanted: object) -> list[str]:
        return [row.business_key for row in await site.desk.logs(LogFilter(**wanted))]  # type: ignore[arg-type]

    assert await found() == ["3", "2", "1"]
    assert await found(limit=2) == ["3", "2"]
    assert await found(channel="main") == ["3", "1"]
    assert await found(account="globex") == []
    assert await found(outcome="done") == await found(code="ok") == ["1"]
    assert await found(level="info") == ["2", "1"]
    assert await found(level="ERROR") == ["3"]
    assert await found(job="order_import", business_key="2") == ["2"]
    assert await found(code="shop_down") == ["3"]


async def test_the_log_is_narrowed_by_time_the_end_left_out(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), done)
    (row,) = await site.desk.logs(LogFilter())
    at, second = row.finished_at, timedelta(seconds=1)
    assert len(await site.desk.logs(LogFilter(since=at, until=at + second))) == 1
    assert len(await site.desk.logs(LogFilter(until=at))) == 0
    assert len(await site.desk.logs(LogFilter(since=at + second))) == 0


async def test_the_log_goes_on_after_a_row_oldest_first(site: Site) -> None:
    for number in ("1", "2", "3"):
        await site.admit(order(number))
        await site.settle(await site.take(), done)
    first = (await site.desk.logs(LogFilter()))[-1]
    rows = await site.desk.logs(LogFilter(after_id=first.id))
    assert [row.business_key for row in rows] == ["2", "3"]
    assert await site.desk.logs(LogFilter(after_id=rows[-1].id)) == []


async def test_what_was_rejected_is_shown_with_its_beginning_newest_first(site: Site) -> None:
    error = MalformedEvent("The body is not JSON.", code="not_json")
    await site.ledger.admit([], [Rejection(b"\xff" + b"a" * 300, error, "rabbitmq", "some.key")])
    site.clock.advance(1)
    await site.ledger.admit([], [Rejection(b"b", error, "http")])
    newest, oldest = await site.desk.rejected(10)
    assert (newest.excerpt, newest.size, newest.origin, newest.code) == ("b", 1, "http", "not_json")
    assert (oldest.size, len(oldest.excerpt), oldest.routing_key) == (301, 120, "some.key")
    assert len(await site.desk.rejected(1)) == 1


async def test_schedules_tell_their_last_run_its_outcome_and_the_last_success(site: Site) -> None:
    await site.desk.set_schedule("acme", "main", "order_import", Period("15m"))
    await site.desk.set_schedule("globex", "shop", "inventory_export", Period("none"))
    for judge in (done, ended(DeliveryState.DEAD)):
        await site.admit(tick(trigger=Trigger.MANUAL))
        await site.settle(await site.take(), judge)
    first, second = await site.desk.schedules(None)
    assert (first.account, first.channel, first.job, first.period) == ("acme", "main", "order_import", "15m")
    assert first.next_due is not None
    assert (first.last_outcome, first.last_due) == ("Dead", None)
    assert first.last_run is not None
    assert first.last_success is not None
    assert (second.period, second.next_due, second.last_run) == ("none", None, None)
    assert await site.desk.schedules("globex") == [second]


async def test_a_channel_tells_what_waits_failed_and_was_called_today(site: Site) -> None:
    await site.admit(*(order(number) for number in "12345"))
    judges = {"1": ended(DeliveryState.DEAD), "2": ended(DeliveryState.UNKNOWN), "3": park()}
    for claim in await site.claim():
        number = claim.deliveries[0].business_key
        if number == "4":
            await site.settle(claim, lambda each: done(each, calls=(CALL,) * 3))
        elif number in judges:
            await site.settle(claim, judges[number])
    main, outlet = await site.desk.channels("acme")
    assert (main.waiting, main.failing, main.calls_today) == (2, 2, 3)
    assert main.last_activity is not None
    assert (outlet.waiting, outlet.failing, outlet.calls_today, outlet.last_activity) == (0, 0, 0, None)
    site.clock.advance(86_400)
    assert [row.calls_today for row in await site.desk.channels("acme")] == [0, 0]


async def test_the_numbers_of_the_installation_add_up(site: Site) -> None:
    error = MalformedEvent("The body is not JSON.", code="not_json")
    broken = Rejection(b"x", error, "http")
    await site.ledger.admit([order("1", id="e"), order("2"), order("3")], [broken, broken])
    await site.admit(order("1", id="e"))
    first, second, _ = sorted(await site.claim(), key=lambda claim: claim.lane)
    site.clock.advance(2)
    told = Effects(Counts(), announcements=(Announcement("order.imported", {}, "1"),))
    await site.settle(first, lambda each: done(each, told, (CALL, CALL)))
    await site.settle(second, retry(5))
    site.clock.advance(8)
    numbers = await site.desk.statistics()
    assert (numbers.messages, numbers.duplicates, numbers.rejected) == (3, 1, 2)
    assert numbers.deliveries == {"done": 1, "open": 2}
    assert numbers.outcomes == {"Done": 1, "Retry": 1}
    assert numbers.lanes == {"waiting": 1, "running": 1}
    assert (numbers.api_calls, numbers.unsent) == (2, 1)
    assert numbers.latency_ms == {"p50": 2000.0, "p99": 2000.0}
    assert numbers.oldest_due_seconds == 3.0


async def test_the_numbers_of_an_empty_installation_are_zero(site: Site) -> None:
    numbers = await site.desk.statistics()
    assert (numbers.messages, numbers.duplicates, numbers.rejected, numbers.api_calls) == (0, 0, 0, 0)
    assert (numbers.latency_ms, numbers.oldest_due_seconds) == ({"p50": 0.0, "p99": 0.0}, 0.0)
