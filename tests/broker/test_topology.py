"""The topology holds together, and topic matching is AMQP's."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.topology import DEAD, EVENTS, INBOX, JOBS, OMS, UNROUTED, job_queue, matches, topology
from domain.envelope import Envelope
from domain.events import ANNOUNCED_TYPES, EVENT_TYPES
from domain.jobs import JOB_TYPES

words = st.sampled_from(["a", "b", "ab", "*", "#", "", "a-b_c"])
keys = st.lists(words.filter(lambda word: word not in ("*", "#")), min_size=1, max_size=6).map(".".join)
patterns = st.lists(words, min_size=1, max_size=6).map(".".join)


def naive(pattern: list[str], key: list[str]) -> bool:
    """The rule as AMQP 0-9-1 says it, word by word."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(naive(pattern[1:], key[at:]) for at in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and naive(pattern[1:], key[1:])


@given(pattern=patterns, key=keys)
@example(pattern="a.#", key="a")
@example(pattern="#.#", key="a")
@example(pattern="*", key="")
def test_a_pattern_matches_as_the_naive_rule_says(pattern: str, key: str) -> None:
    assert matches(pattern, key) == naive(pattern.split("."), key.split("."))


@given(key=keys)
def test_every_key_matches_itself_and_the_hash(key: str) -> None:
    assert matches(key, key)
    assert matches("#", key)


@pytest.mark.parametrize(
    ("pattern", "key", "match"),
    [
        ("order.created.#", "order.created", True),
        ("order.created.#", "order.created.acme.bright", True),
        ("order.created.#", "order.createdx.acme", False),
        ("order.*", "order", False),
        ("order.*", "order.created.acme", False),
        ("*.created.*.all", "order.created.acme.all", True),
        ("#.all", "all", True),
        ("order.#.all", "order.all", True),
    ],
)
def test_star_is_one_word_and_hash_any_number(pattern: str, key: str, match: bool) -> None:
    assert matches(pattern, key) is match


def test_a_long_pattern_of_hashes_takes_no_time() -> None:
    assert not matches(".".join(["#", "a"] * 60), ".".join(["a"] * 100 + ["b"]))


def test_every_name_is_declared_once_and_every_reference_leads_to_it() -> None:
    known = topology()
    exchanges = [each.name for each in known.exchanges]
    queues = [each.name for each in known.queues]
    assert len(set(exchanges)) == len(exchanges)
    assert len(set(queues)) == len(queues)
    for position, each in enumerate(known.exchanges):
        assert each.alternate is None or each.alternate in exchanges[:position]
    assert {each.dead_letter for each in known.queues} <= {*exchanges, None}
    assert {each.exchange for each in known.bindings} <= set(exchanges)
    assert {each.queue for each in known.bindings} == set(queues)


def queues_of(exchange: str, key: str) -> list[str]:
    return [each.queue for each in topology().bindings if each.exchange == exchange and matches(each.pattern, key)]


@pytest.mark.parametrize("name", [*EVENT_TYPES, *(job.tick for job in JOB_TYPES.values())])
@pytest.mark.parametrize("channel", ["bright", None])
def test_every_event_comes_to_the_inbox_exactly_once(name: str, channel: str | None) -> None:
    said = Envelope(id="1", source="s", type=name, account="acme", channel=channel)
    assert queues_of(EVENTS, said.routing_key) == [INBOX]


@pytest.mark.parametrize(
    "key", ["order.eaten.acme.all", "order", "", *(f"{name}.acme.all" for name in ANNOUNCED_TYPES)]
)
def test_what_nobody_knows_falls_into_the_net(key: str) -> None:
    assert queues_of(EVENTS, key) == []
    events = next(each for each in topology().exchanges if each.name == EVENTS)
    assert events.alternate == UNROUTED
    assert queues_of(UNROUTED, key) == [UNROUTED]
    assert queues_of(DEAD, key) == [DEAD]


@pytest.mark.parametrize("job", JOB_TYPES)
def test_a_ticket_comes_to_the_queue_of_its_job_alone(job: str) -> None:
    assert queues_of(JOBS, f"{job}.ticket.all") == [job_queue(job)]


def test_the_oms_exchange_is_the_oms_own_to_bind() -> None:
    assert not [each for each in topology().bindings if each.exchange == OMS]


def test_only_the_inbox_has_a_single_taker_and_the_nets_lose_nothing() -> None:
    for queue in topology().queues:
        assert queue.single_active == (queue.name == INBOX)
        assert (queue.dead_letter is None) == (queue.name in (UNROUTED, DEAD))
        if queue.dead_letter is None:
            assert (queue.delivery_limit, queue.max_bytes) == (None, None)


def test_names_fit_amqp() -> None:
    names = [each.name for each in topology().exchanges] + [each.name for each in topology().queues]
    assert all(re.fullmatch(r"towpath\.[a-z_.]{1,200}", name) for name in names)
