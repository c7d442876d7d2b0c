"""Routing by the topology, against the definition of topic patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.topology import DEAD, EVENTS, UNROUTED, Binding, Exchange, Queue, Topology, matches
from broker.transports.routing import DEATH_REASON, Router, death_headers
from domain.errors import ConfigurationError
from tests.broker.transports.shape import PLAIN, SHAPE

WORDS = st.sampled_from(["order", "created", "acme", ""])
KEYS = st.lists(WORDS, min_size=1, max_size=6).map(".".join)
PATTERNS = st.lists(st.sampled_from(["order", "created", "acme", "*", "#"]), min_size=1, max_size=6).map(".".join)


def reference(pattern: str, key: str) -> bool:
    """The same rule by a regular expression over words, each followed by a dot."""
    parts = {"*": r"[^.]*\.", "#": r"(?:[^.]*\.)*"}
    expression = "".join(parts.get(word, re.escape(word) + r"\.") for word in pattern.split("."))
    return re.fullmatch(expression, key + ".") is not None


@given(PATTERNS, KEYS)
def test_a_pattern_matches_what_the_definition_says(pattern: str, key: str) -> None:
    assert matches(pattern, key) == reference(pattern, key)


@given(st.lists(st.tuples(st.sampled_from("ab"), PATTERNS), max_size=6), KEYS)
def test_a_message_goes_to_each_matching_queue_once(bound: list[tuple[str, str]], key: str) -> None:
    shape = Topology(
        exchanges=(Exchange("x", "topic"),),
        queues=(Queue("a"), Queue("b")),
        bindings=tuple(Binding("x", queue, pattern) for queue, pattern in bound),
    )
    expected = {queue for queue, pattern in bound if reference(pattern, key)}
    found = Router(shape).targets("x", key)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_what_no_queue_wants_goes_to_the_alternate_exchange() -> None:
    assert Router(SHAPE).targets(EVENTS, "never.heard.of") == (UNROUTED,)


def test_alternates_in_a_circle_end() -> None:
    shape = Topology(exchanges=(Exchange("x", "topic", alternate="y"), Exchange("y", "topic", alternate="x")))
    assert Router(shape).targets("x", "a") == ()


def test_the_dead_letter_exchange_of_a_queue_is_known_and_its_lack_is_an_error() -> None:
    router = Router(SHAPE)
    assert router.dead_letter(PLAIN) == DEAD
    with pytest.raises(ConfigurationError):
        router.dead_letter(DEAD)


def test_the_first_death_is_remembered() -> None:
    first = death_headers({"k": 1}, "a", "x", "rejected")
    second = death_headers(first, "b", "y", "delivery_limit")
    assert second == first
    assert (second["k"], second[DEATH_REASON]) == (1, "rejected")
