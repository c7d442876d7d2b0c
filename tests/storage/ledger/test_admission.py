"""Admission: what comes in becomes messages and deliveries, each exactly once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from broker.ledger import Incoming, Rejection
from broker.operations.values import NewChannel
from domain.envelope import read_back
from domain.errors import IdentityConflict, MalformedEvent, UnknownName
from domain.events import payload_of
from domain.synclog import Trigger
from storage.tables import accounts, deliveries, lanes, messages, orders, rejections
from tests.storage.conftest import Opened
from tests.storage.support import Site, done, order, stock, tick


async def test_an_event_becomes_a_message_with_its_body_unchanged_and_a_delivery(site: Site) -> None:
    event = order("4711", id="e-1", indent=3, correlationid="c-9", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    (answer,) = await site.admit(event)
    assert (answer.error, answer.duplicate, answer.deliveries) == (None, False, 1)
    (message,) = site.rows(messages)
    assert message.id == answer.message_id
    assert bytes(message.body) == event.body
    assert (message.business_key, message.correlation_id, message.trace_id) == ("4711", "c-9", "a" * 32)
    (delivery,) = site.rows(deliveries)
    assert (delivery.job_type, delivery.channel_id, delivery.state) == ("order_import", site.main, "open")


async def test_a_copy_is_a_duplicate_that_is_counted_and_runs_nothing(site: Site) -> None:
    event = order(id="e-1")
    (first,) = await site.admit(event)
    for _ in range(2):
        (copy,) = await site.admit(event)
        assert copy.duplicate
        assert (copy.message_id, copy.deliveries, copy.error) == (first.message_id, 0, None)
    assert [row.copies for row in site.rows(messages)] == [2]
    assert len(site.rows(deliveries)) == 1


async def test_a_copy_within_the_same_batch_is_a_duplicate_too(site: Site) -> None:
    event = order(id="e-1")
    first, copy = await site.admit(event, event)
    assert (first.duplicate, copy.duplicate) == (False, True)
    assert copy.message_id == first.message_id
    assert [row.copies for row in site.rows(messages)] == [1]


async def test_answers_stand_in_the_order_of_the_events(site: Site) -> None:
    await site.admit(order(id="old"))
    answers = await site.admit(
        order(id="a"), order(id="old"), order(id="b", account="nobody"), order("9", id="old"), order(id="c")
    )
    assert [answer.duplicate for answer in answers] == [False, True, False, False, False]
    assert [type(answer.error) for answer in answers] == [
        type(None), type(None), UnknownName, IdentityConflict, type(None),
    ]  # fmt: skip


async def test_a_copy_with_other_spaces_or_another_order_of_members_is_the_same_event(site: Site) -> None:
    bodies = (
        b'{"specversion":"1.0","id":"e","source":"oms","type":"order.created","account":"acme","channel":"main",'
        b'"data":{"external_order_id":"1","updated_at":"2026-01-01T00:00:00Z"}}',
        b'{ "channel": "main", "account": "acme", "type": "order.created", "source": "oms", "id": "e", '
        b'"data": { "updated_at": "2026-01-01T00:00:00Z", "external_order_id": "1" }, "specversion": "1.0" }',
    )
    envelopes = [read_back(body) for body in bodies]
    events = [Incoming(each, payload_of(each), body) for each, body in zip(envelopes, bodies, strict=True)]
    first, second = await site.admit(*events)
    assert (first.error, second.error) == (None, None)
    assert second.duplicate


async def test_a_copy_that_only_tells_another_time_or_trace_is_the_same_event(site: Site) -> None:
    _, copy = await site.admit(
        order(id="e", time="2026-03-01T00:00:00Z"),
        order(id="e", time="2026-03-01T00:00:09Z", traceparent=f"00-{'a' * 32}-{'b' * 16}-01"),
    )
    assert copy.duplicate


async def test_the_same_identity_with_another_body_is_refused_and_changes_nothing(site: Site) -> None:
    (first,) = await site.admit(order("4711", id="e-1"))
    (second,) = await site.admit(order("4712", id="e-1"))
    assert isinstance(second.error, IdentityConflict)
    assert str(first.message_id) in second.error.sentence
    assert "needs a new id" in second.error.sentence
    assert second.deliveries == 0
    assert [(row.business_key, row.copies) for row in site.rows(messages)] == [("4711", 0)]
    assert len(site.rows(deliveries)) == 1


async def test_two_accounts_may_use_the_same_source_and_id(site: Site) -> None:
    answers = await site.admit(order(id="e-1"), order("4712", id="e-1", account="globex", channel="shop"))
    assert [(answer.error, answer.duplicate) for answer in answers] == [(None, False)] * 2
    assert len(site.rows(messages)) == 2


@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        ({"account": "nobody"}, "unknown_account", "There is no account 'nobody'."),
        ({"account": None}, "account_missing", "'account'"),
        ({"channel": "attic"}, "unknown_channel", "channels: main, outlet"),
        ({"channel": "shop"}, "unknown_channel", "Account 'acme' has no channel 'shop'"),
    ],
)
async def test_an_unknown_account_or_channel_is_refused_by_name(
    site: Site, attributes: dict[str, Any], code: str, words: str
) -> None:
    good, bad = await site.admit(order(), order(**attributes))
    assert good.error is None
    assert isinstance(bad.error, UnknownName)
    assert bad.error.code == code
    assert words in bad.error.sentence
    assert len(site.rows(messages)) == 1


async def test_a_channel_that_another_process_made_a_moment_ago_is_found(site: Site, open_site: Opened) -> None:
    other = open_site()
    await site.admit(order())
    await other.desk.create_channel(
        NewChannel("acme", "fresh", "Fresh", "bright_sites", "fresh.example.com", "token-1234")
    )
    (answer,) = await site.admit(order(channel="fresh"))
    assert (answer.error, answer.deliveries) == (None, 1)


async def test_an_event_without_a_channel_goes_to_all_channels_of_its_account_alone(site: Site) -> None:
    (answer,) = await site.admit(stock(channel=None))
    assert answer.deliveries == 2
    assert {row.channel_id for row in site.rows(deliveries)} == {site.main, site.channels["outlet"]}


async def test_an_order_event_without_a_channel_goes_to_the_channel_that_holds_the_order(site: Site) -> None:
    _hold_order(site, "4711", "outlet")
    (answer,) = await site.admit(order("4711", "order.status_changed", channel=None))
    assert answer.error is None
    assert [row.channel_id for row in site.rows(deliveries)] == [site.channels["outlet"]]


@pytest.mark.parametrize("holders", [(), ("main", "outlet")])
async def test_an_order_that_not_exactly_one_channel_holds_must_name_its_channel(
    site: Site, holders: tuple[str, ...]
) -> None:
    for channel in holders:
        _hold_order(site, "4711", channel)
    (answer,) = await site.admit(order("4711", "order.status_changed", channel=None))
    assert answer.error is not None
    assert answer.error.code == "channel_missing"
    assert f"is in {len(holders)} channels" in answer.error.sentence
    assert site.rows(messages) == []


async def test_the_only_channel_of_an_account_need_not_be_named(site: Site) -> None:
    (answer,) = await site.admit(order("1", "order.status_changed", account="globex", channel=None))
    assert (answer.error, answer.deliveries) == (None, 1)


def _hold_order(site: Site, number: str, channel: str) -> None:
    (account,) = site.rows(accounts, accounts.c.code == "acme")
    place = {"external_order_id": number, "account_id": account.id, "channel_id": site.channels[channel]}
    site.run(insert(orders).values(**place, updated_at=1, status="new", document={}, recorded_at=1))


async def test_an_event_nobody_listens_to_is_kept_without_deliveries(site: Site) -> None:
    (answer,) = await site.admit(tick("tea_break"))
    assert (answer.error, answer.deliveries) == (None, 0)
    assert [row.business_key for row in site.rows(messages)] == ["s-1"]
    assert site.rows(lanes) == []


async def test_a_tick_that_finds_its_last_run_still_going_on_is_skipped_and_logged(site: Site) -> None:
    await site.admit(tick(id="t-1"))
    claim = await site.take()
    (second,) = await site.admit(tick(id="t-2"))
    assert (second.error, second.deliveries) == (None, 0)
    life = await site.desk.message(str(second.message_id))
    assert life is not None
    assert [(row.outcome, row.level, row.code, row.attempt) for row in life.attempts] == [
        ("Skipped", "Warning", "overlap", 0)
    ]
    await site.settle(claim, done)
    (third,) = await site.admit(tick(id="t-3"))
    assert third.deliveries == 1


async def test_two_ticks_of_one_batch_run_once(site: Site) -> None:
    answers = await site.admit(tick(id="t-1"), tick(id="t-2"))
    assert [answer.deliveries for answer in answers] == [1, 0]


async def test_a_tick_that_a_person_replays_is_not_skipped(site: Site) -> None:
    await site.admit(tick(id="t-1"))
    (answer,) = await site.admit(tick(id="t-2", trigger=Trigger.REPLAY))
    assert answer.deliveries == 1


async def test_what_cannot_become_a_message_is_kept_whole_and_counted_on_one_row(site: Site) -> None:
    error = MalformedEvent("The body is not JSON.", code="not_json")
    broken = Rejection(b"{nonsense", error, "rabbitmq", "order.created.acme.main", {"x": "1"})
    await site.ledger.admit([order()], [broken])
    site.clock.advance(60)
    await site.ledger.admit([], [broken, Rejection(b"other", error, "http")])
    first, second = site.rows(rejections)
    assert bytes(first.body) == b"{nonsense"
    assert (first.seen, first.origin, first.routing_key, first.headers) == (
        2, "rabbitmq", "order.created.acme.main", {"x": "1"},
    )  # fmt: skip
    assert first.last_seen_at - first.first_seen_at == 60_000_000
    assert second.seen == 1


async def test_a_rejection_whose_routing_key_no_database_can_hold_does_not_stop_the_others(site: Site) -> None:
    error = MalformedEvent("The body is not JSON.", code="not_json")
    odd = "a\x00b\udcff"
    (answer,) = await site.ledger.admit([order()], [Rejection(b"x", error, "rabbitmq", odd + "c" * 400, {odd: odd})])
    assert answer.error is None
    (row,) = site.rows(rejections)
    assert row.routing_key.startswith("a")
    assert len(row.routing_key) <= 255


async def test_an_empty_batch_is_nothing(site: Site) -> None:
    assert await site.admit() == []


async def test_a_large_batch_is_admitted_whole(site: Site) -> None:
    batch = [order(str(number % 300)) for number in range(1200)]
    answers = await site.admit(*batch)
    assert sum(answer.deliveries for answer in answers) == 1200
    assert len(site.rows(lanes)) == 300
    answers = await site.admit(*batch)
    assert all(answer.duplicate for answer in answers)


async def test_one_event_that_many_processes_admit_at_once_runs_once(site: Site, open_site: Opened) -> None:
    event, other = order(id="e-1"), open_site()
    answers = await asyncio.gather(*(each.admit(event) for each in (site, other) * 5))
    assert sum(answer.deliveries for (answer,) in answers) == 1
    assert [row.copies for row in site.rows(messages)] == [9]
