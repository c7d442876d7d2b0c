"""The shop's books, read in parts as they grow, and what they say of the events that were sent."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.envelope import Envelope
from tests.app.harness import Office
from tests.app.shop import SandboxShop
from tests.app.workload import Step, step_of

PART = 5000
_WRONG = "SELECT state, code, business_key FROM deliveries WHERE state NOT IN ('done', 'skipped', 'superseded')"
_CAME_IN = "SELECT source, event_id FROM messages"


@dataclass
class Sent:
    """What was accepted: each distinct event once, and what it must lead to."""

    ids: set[tuple[str, str]] = field(default_factory=set)
    steps: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    levels: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    created: Counter[str] = field(default_factory=Counter)

    def add(self, each: Envelope) -> None:
        """An event that was accepted; a copy changes nothing. Steps of one order come in the order they were sent."""
        if (each.source, each.id) in self.ids:
            return
        self.ids.add((each.source, each.id))
        if (step := step_of(each)) is not None:
            self.steps[each.data["external_order_id"]].append(step)
        elif each.type == "order.created":
            self.created[each.data["external_order_id"]] += 1
        else:
            self.levels[each.data["sku"]][each.data["version"]] = each.data["total"] - each.data["allocated"]

    def __or__(self, other: Sent) -> Sent:
        """All of both, which have no order and no SKU in common."""
        return Sent(
            self.ids | other.ids,
            defaultdict(list, {**self.steps, **other.steps}),
            defaultdict(dict, {**self.levels, **other.levels}),
            self.created + other.created,
        )


@dataclass(frozen=True)
class Tally:
    """The counters of a run. ``recovered`` are writes that stand once although their first answer was lost."""

    accepted: int
    lost: int
    duplicated: int
    recovered: int
    unexpected: int
    stale: int
    out_of_order: int
    details: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.duplicated or self.unexpected or self.stale or self.out_of_order)


class Books:
    """What the calls of Towpath did in a shop, so far."""

    def __init__(self, shop: SandboxShop, *, told_once: bool = True) -> None:
        """``told_once`` unless a schedule imports the later states of an order, of which the OMS is told too."""
        self._shop = shop
        self._told_once = told_once
        self._after = 0
        self._steps: dict[str, list[Step]] = defaultdict(list)
        self._levels: dict[str, list[int]] = defaultdict(list)
        self.repeated = 0

    def read(self) -> int:
        """Read on to the end; how many effects are in the books, those of buyers included."""
        while True:
            answer = self._shop.control("GET", f"effects?after={self._after}&limit={PART}")
            for effect in answer["effects"]:
                if effect["call"] is not None:
                    self._enter(effect)
            if answer["next_after"] == self._after:
                return self._after
            self._after = answer["next_after"]

    def tally(self, office: Office, sent: Sent) -> Tally:
        """Judge what was sent by these books and by the ledger of ``office``, once all is settled."""
        self.read()
        steps, stock = self._judge_steps(sent.steps), self._judge_levels(sent.levels)
        told, states = _announced(office)
        untold = sum((sent.created - told).values())
        twice = (told - sent.created if self._told_once else states - Counter(set(states))).total()
        wrong = office.sql(_WRONG)
        missing = len(sent.ids - {(source, number) for source, number in office.sql(_CAME_IN)})
        (found,) = office.sql("SELECT count(*) FROM sync_log WHERE code = 'recovered'")[0]
        return Tally(
            accepted=len(sent.ids),
            lost=steps["lost"] + stock["lost"] + untold + missing,
            duplicated=steps["duplicated"] + twice,
            recovered=int(found) + self.repeated,
            unexpected=steps["unexpected"] + stock["unexpected"] + len(wrong),
            stale=stock["stale"],
            out_of_order=steps["out of order"],
            details=tuple(str(row) for row in wrong[:10]),
        )

    def _enter(self, effect: Mapping[str, Any]) -> None:
        data = effect["data"]
        if effect["kind"] == "shipment_created":
            self._steps[str(effect["order_id"])].append(("parcel", data["note"]))
        elif effect["kind"] == "order_updated" and data["old_status"] != data["new_status"]:
            self._steps[str(effect["order_id"])].append(("status", data["new_status"]))
        elif effect["kind"] == "order_updated":
            self.repeated += "status" in data["changes"]
        elif effect["kind"] == "stock_set" and data["new"] != data["old"]:
            self._levels[effect["sku"]].append(data["new"])

    def _judge_steps(self, sent: Mapping[str, Sequence[Step]]) -> Counter[str]:
        found: Counter[str] = Counter()
        for order in sent.keys() | self._steps.keys():
            wanted, seen = sent.get(order, ()), self._steps.get(order, ())
            place = {step: at for at, step in enumerate(wanted)}
            found["lost"] += len(place.keys() - set(seen))
            found["unexpected"] += sum(step not in place for step in seen)
            found["duplicated"] += len(seen) - len(set(seen))
            known = [place[step] for step in seen if step in place]
            found["out of order"] += sum(later < earlier for earlier, later in itertools.pairwise(known))
        return found

    def _judge_levels(self, sent: Mapping[str, Mapping[int, int]]) -> Counter[str]:
        found: Counter[str] = Counter()
        stock = self._shop.stock()
        for sku in sent.keys() | self._levels.keys():
            version_of = {level: version for version, level in sent.get(sku, {}).items()}
            written = [version_of.get(level, 0) for level in self._levels[sku]]
            found["unexpected"] += written.count(0)
            found["stale"] += sum(later < earlier for earlier, later in itertools.pairwise(written) if later)
            found["lost"] += bool(version_of) and version_of.get(stock[sku]) != max(version_of.values())
        return found


def _announced(office: Office) -> tuple[Counter[str], Counter[str]]:
    """How often the OMS was told of each order, and of each state of an order."""
    told: Counter[str] = Counter()
    states: Counter[str] = Counter()
    after = 0
    while rows := office.ask(office.house.operations.desk.announcements(None, after, PART)):
        documents = [json.loads(body)["data"] for _, body in rows]
        told.update(document["external_order_id"] for document in documents)
        states.update(json.dumps(document, sort_keys=True) for document in documents)
        after = rows[-1][0]
    return told, states
