"""F28: copies, disorder and ten times the usual load lead to the effects of the distinct events, in bounded time."""

from __future__ import annotations

import random
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from domain.envelope import Envelope
from tests.app.harness import Office, Stack
from tests.app.workload import Work, stock_event
from tests.faults.judging import judge
from tests.services.process import free_port

pytestmark = pytest.mark.timeout(300)

CALM_ORDERS, STORM_ORDERS, CHANGES = 2, 24, 240
LONGEST_SECONDS = 10.0
"""What 99 of 100 deliveries of the storm may take from admission to their end, on two busy cores."""


@dataclass(frozen=True)
class Storm:
    """What is sent over each door, and the distinct events in it."""

    sent: Work
    distinct: Work

    @classmethod
    def of(cls, stack: Stack, rng: random.Random) -> Storm:
        """The events of orders in their order, stock in none, and up to two later copies of each event."""
        orders = Work.of(stack, STORM_ORDERS, stock=0, seed=rng.randrange(1000))
        changes, quantities = _changes(rng, stack.shop.skus()[:8])
        first_door, second_door = list(orders.over_http), _woven(rng, orders.over_broker, changes)
        sent = Work(_with_copies(rng, first_door), _with_copies(rng, second_door))
        return cls(sent, Work(first_door, second_door, quantities))

    @property
    def copies(self) -> int:
        """How many events are sent in vain."""
        return len(self.sent.events) - len(self.distinct.events)


def _changes(rng: random.Random, skus: Sequence[str]) -> tuple[list[Envelope], dict[str, dict[int, int]]]:
    quantities: dict[str, dict[int, int]] = {sku: {} for sku in skus}
    for at in range(CHANGES):
        levels = quantities[rng.choice(skus)]
        levels[len(levels) + 1] = 200 + at
    changes = [
        stock_event(sku, version, left) for sku, levels in quantities.items() for version, left in levels.items()
    ]
    rng.shuffle(changes)
    return changes, {sku: levels for sku, levels in quantities.items() if levels}


def _woven(rng: random.Random, one: Sequence[Envelope], other: Sequence[Envelope]) -> list[Envelope]:
    """Both in one, each in its own order."""
    places = set(rng.sample(range(len(one) + len(other)), len(one)))
    ones, others = iter(one), iter(other)
    return [next(ones if at in places else others) for at in range(len(one) + len(other))]


def _with_copies(rng: random.Random, events: Sequence[Envelope]) -> list[Envelope]:
    """The same, and zero to two copies of each somewhere behind it."""
    placed = [(float(at), each) for at, each in enumerate(events)]
    for at, each in enumerate(events):
        placed += [(rng.uniform(at, len(events)), each) for _ in range(rng.choice((0, 1, 2)))]
    return [each for _, each in sorted(placed, key=lambda pair: pair[0])]


@pytest.mark.slow
def test_F28_a_storm_of_copies_in_disorder_has_the_effects_of_its_distinct_events_in_bounded_time(
    stack: Stack, office: Office
) -> None:
    stack.shop.slow_down(5)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    stack.start("up", "--port", str(port)).works()
    if not stack.embedded:
        stack.start("consume").works()
    calm = Work.of(stack, CALM_ORDERS, stock=0)
    with calm.being_sent(stack, address, office.key):
        pass
    storm = Storm.of(stack, random.Random(28))
    assert storm.copies > 100
    assert len(storm.sent.events) > 10 * len(calm.events)
    with storm.sent.being_sent(stack, address, office.key):
        pass
    distinct = Work(
        [*calm.over_http, *storm.distinct.over_http],
        [*calm.over_broker, *storm.distinct.over_broker],
        storm.distinct.quantities,
    )
    judge(stack, office, distinct, seconds=120)
    assert office.numbers().duplicates >= storm.copies
    assert seconds_of_99_in_100(office) < LONGEST_SECONDS
    assert each_superseded_delivery_names_a_newer_one(office) > CHANGES / 4


def seconds_of_99_in_100(office: Office) -> float:
    """How long the slowest but one in a hundred deliveries took, from admission to its end."""
    took = [(ended - began) / 1e6 for ended, began in office.sql("SELECT settled_at, created_at FROM deliveries")]
    return float(statistics.quantiles(took, n=100)[-1])


def each_superseded_delivery_names_a_newer_one(office: Office) -> int:
    """Fail where the log does not say once by what a delivery was superseded; how many there are.

    What a waiting delivery made needless is named by its delivery, what is known from before by its version.
    """
    versions = {row[0]: (row[1], row[2]) for row in office.sql("SELECT id, business_key, version FROM deliveries")}
    ended = {delivery for (delivery,) in office.sql("SELECT id FROM deliveries WHERE state = 'superseded'")}
    rows = office.logs(outcome="Superseded")
    assert sorted(row.delivery_id for row in rows) == sorted(ended)
    for row in rows:
        sku, version = versions[row.delivery_id]
        if row.superseded_by is None:
            named = re.search(r"version (\d+)", row.sentence)
            assert named is not None, row.sentence
            newer = int(named[1])
        else:
            other, newer = versions[row.superseded_by]
            assert other == sku, row
        assert newer > version, row
    return len(ended)
