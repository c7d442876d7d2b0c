"""The verdict, computed from the shop's own ledger and from nothing that Towpath says about itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.demo.script import Script


@dataclass(frozen=True, slots=True)
class Sent:
    """What the OMS sent about one order, in its order: ``("status", "shipped")`` or ``("parcel", "1001-1")``."""

    order_id: str
    steps: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Verdict:
    """How many effects were lost, duplicated, stale or out of order; each with the first few examples."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing at all went wrong."""
        return not (self.lost or self.duplicated or self.stale or self.out_of_order)

    def counts(self) -> dict[str, int]:
        """The four counters."""
        return {name: len(getattr(self, name)) for name in ("lost", "duplicated", "stale", "out_of_order")}


def judge(
    effects: Sequence[Mapping[str, Any]],
    stock: Mapping[str, int],
    script: Script,
    bought: Iterable[str],
    sent: Mapping[str, Sent],
) -> Verdict:
    """Hold the shop's effects and stock against what was bought, sent and scripted."""
    verdict = Verdict()
    of_order: dict[str, list[tuple[str, str]]] = defaultdict(list)
    written: dict[str, list[int]] = defaultdict(list)
    for effect in effects:
        if effect["call"] is None:
            continue
        if effect["kind"] == "stock_set":
            written[effect["sku"]].append(effect["data"]["new"])
        elif effect["kind"] == "shipment_created":
            of_order[str(effect["order_id"])].append(("parcel", effect["data"]["note"]))
        elif effect["kind"] == "order_updated" and "status" in effect["data"]["changes"]:
            of_order[str(effect["order_id"])].append(("status", effect["data"]["new_status"]))
    for order_id in bought:
        if order_id not in sent:
            verdict.lost.append(f"order {order_id} was never announced to the OMS")
    for order_id, told in sent.items():
        _judge_order(verdict, told, of_order[order_id])
    _judge_stock(verdict, script, written, stock)
    return verdict


def _judge_order(verdict: Verdict, told: Sent, done: Sequence[tuple[str, str]]) -> None:
    times = Counter(done)
    for step in told.steps:
        if not times[step]:
            verdict.lost.append(f"order {told.order_id}: {step[0]} {step[1]} never reached the shop")
        elif times[step] > 1 and step[0] == "parcel":
            verdict.duplicated.append(f"order {told.order_id}: parcel {step[1]} stands {times[step]} times in the shop")
    first_seen = list(dict.fromkeys(step for step in done if step in told.steps))
    if first_seen != [step for step in told.steps if step in times]:
        verdict.out_of_order.append(f"order {told.order_id}: sent {list(told.steps)}, the shop saw {first_seen}")


def _judge_stock(
    verdict: Verdict, script: Script, written: Mapping[str, Sequence[int]], stock: Mapping[str, int]
) -> None:
    for sku, versions in script.quantities.items():
        version_of = {quantity: version for version, quantity in versions.items()}
        newest = 0
        for quantity in written.get(sku, ()):
            version = version_of.get(quantity, 0)
            if version < newest:
                verdict.stale.append(f"{sku}: version {version} was written after version {newest}")
            newest = max(newest, version)
    for sku, quantity in script.final_stock().items():
        if stock.get(sku) != quantity:
            verdict.lost.append(f"{sku}: the shop has {stock.get(sku)}, the newest level is {quantity}")
