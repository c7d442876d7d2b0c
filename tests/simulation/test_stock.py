"""Stock, against a model: whatever order levels come in, the shop ends with the newest and never gets an older one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row

from storage.tables import deliveries, messages
from tests.simulation.checks import rows
from tests.simulation.simulate import History, simulate
from tests.simulation.site import Site
from tests.simulation.upstream import Event, Story
from tests.simulation.weather import FAIR, WORST, Climate

WEIGHT = {"w1": 1, "w2": 1000}
"""Quantities tell the versions they were made of: the shop shows ``version of w1 + 1000 * version of w2``."""
CLIMATES = {
    "fair": FAIR,
    "shop fails": Climate(shop=0.4),
    "answers are lost": Climate(deaf=0.1, away=0.05, mute=0.2, drop=0.05),
    "processes die": Climate(kill=0.02, freeze=0.01),
    "worst": WORST,
}


@dataclass(frozen=True)
class Level:
    """One level on its way; the same level again is a copy of the same event."""

    sku: int
    warehouse: str
    version: int


LEVELS = st.builds(Level, st.integers(0, 1), st.sampled_from(sorted(WEIGHT)), st.integers(1, 9))


class Arrivals:
    """A story of levels in just this order, told by so many upstreams at once; keeps the site for later questions."""

    def __init__(self, levels: list[Level], upstreams: int) -> None:
        self.levels = levels
        self.upstreams = upstreams
        self.site: Site | None = None
        self.skus: list[str] = []

    def __call__(self, site: Site, chance: Random) -> Story:
        self.site, self.skus = site, sorted(site.sandbox.stock())
        subjects: list[list[Event]] = [[] for _ in range(self.upstreams)]
        for at, level in enumerate(self.levels):
            subjects[at % self.upstreams].append(self._event(level))
        return Story([events for events in subjects if events])

    def _event(self, level: Level) -> Event:
        sku, total = self.skus[level.sku], level.version * WEIGHT[level.warehouse]
        data = {"sku": sku, "warehouse": level.warehouse, "total": total + 7, "allocated": 7, "version": level.version}
        return Event(f"{sku}-{level.warehouse}-{level.version}", "stock.changed", "stock", data)

    def expected(self) -> dict[str, int]:
        """The model: of each SKU and warehouse the newest version, added up."""
        newest: dict[tuple[int, str], int] = defaultdict(int)
        for level in self.levels:
            newest[level.sku, level.warehouse] = max(newest[level.sku, level.warehouse], level.version)
        quantities: dict[str, int] = defaultdict(int)
        for (sku, warehouse), version in newest.items():
            quantities[self.skus[sku]] += version * WEIGHT[warehouse]
        return quantities

    def written(self) -> dict[str, list[tuple[int, int]]]:
        """What the shop was told, by SKU: the versions of both warehouses that each write was made of."""
        assert self.site is not None
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for effect in self.site.sandbox.ledger.effects:
            if effect.kind == "stock_set" and effect.call is not None and effect.sku:
                found[effect.sku].append((effect.data["new"] % 1000, effect.data["new"] // 1000))
        return found


def _told(seed: int, levels: list[Level], upstreams: int, climate: Climate) -> tuple[History, Arrivals]:
    arrivals = Arrivals(levels, upstreams)
    history = simulate(seed, climate=climate, story=arrivals)
    assert not history.broken, history.report()
    return history, arrivals


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip
@given(
    seed=st.integers(0, 10_000),
    levels=st.lists(LEVELS, min_size=1, max_size=14),
    upstreams=st.integers(1, 3),
    weather=st.sampled_from(sorted(CLIMATES)),
)
def test_the_newest_level_wins_and_no_stale_one_is_written(
    seed: int, levels: list[Level], upstreams: int, weather: str
) -> None:
    history, arrivals = _told(seed, levels, upstreams, CLIMATES[weather])
    assert arrivals.site is not None
    stock = arrivals.site.sandbox.stock()
    assert {sku: stock[sku] for sku in arrivals.expected()} == arrivals.expected(), history.report()
    for sku, versions in arrivals.written().items():
        for warehouse in (0, 1):
            course = [each[warehouse] for each in versions]
            assert course == sorted(course), f"a stale level of {sku} was written: {versions}\n{history.report()}"
    _each_superseded_level_tells_by_what(arrivals.site)


def _each_superseded_level_tells_by_what(site: Site) -> None:
    stored: dict[str, Row[Any]] = {row.id: row for row in rows(site, deliveries)}
    assert len(stored) == len(rows(site, messages))
    for row in stored.values():
        if row.state != "superseded":
            continue
        if row.superseded_by is None:
            newest = max(each.version for each in stored.values() if each.coalesce_key == row.coalesce_key)
            assert "is already known" in row.sentence
            told = int(row.sentence.partition("version ")[2].partition(")")[0])
            assert row.version < told <= newest
        else:
            winner = stored[row.superseded_by]
            assert winner.coalesce_key == row.coalesce_key
            assert winner.version > row.version


def test_a_level_that_comes_late_costs_the_shop_no_call() -> None:
    levels = [Level(0, "w1", 9), *(Level(0, "w1", version) for version in (3, 1, 7, 2))]
    _, arrivals = _told(1, levels, 1, FAIR)
    assert list(arrivals.written().values()) == [[(9, 0)]]
