"""What the ledger should do, said again in a few plain rules over a dictionary of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from storage.ledger.rescue import comes_back

NEVER = 2**62


@dataclass(slots=True)
class Item:
    """One delivery. ``key`` and ``version`` are set where newer values absorb older ones."""

    id: str
    lane: str
    key: str | None
    version: int | None
    seq: int
    due: int
    state: str = "open"
    attempts: int = 0
    failures: int = 0
    unsure: bool = False
    winner: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state == "open"


@dataclass(slots=True)
class Hold:
    """Who has a lane, and which deliveries with it."""

    worker: str
    token: int
    items: list[Item]


@dataclass(slots=True)
class Model:
    """Deliveries, who holds which lane, and when each free bulk lane is looked at next."""

    now: int
    items: dict[str, Item] = field(default_factory=dict)
    held: dict[str, Hold] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    bulk_due: dict[str, int] = field(default_factory=dict)
    crashes: dict[str, int] = field(default_factory=dict)

    def open_in(self, lane: str) -> list[Item]:
        members = [item for item in self.items.values() if item.is_open and item.lane == lane]
        return sorted(members, key=lambda item: item.seq)

    def lanes(self) -> set[str]:
        return {item.lane for item in self.items.values() if item.is_open}

    def runs(self, item: Item) -> bool:
        return item.lane in self.held and item in self.held[item.lane].items

    def arrive(self, id: str, lane: str, key: str | None = None, version: int | None = None) -> Item:
        """A new delivery stands at the end of its lane, unless a newer value is there already."""
        item = Item(id, lane, key, version, self._next(lane), self.now)
        others = [other for other in self.open_in(lane) if key is not None and other.key == key]
        self.items[id] = item
        if lane not in self.held:
            self.bulk_due[lane] = min(self.bulk_due.get(lane, self.now), self.now)
        if others:
            top = self._newest(others)
            if version is not None and top.version is not None and version > top.version:
                self._lose((other for other in others if not self.runs(other)), item)
            else:
                self._lose([item], top)
        return item

    def due(self) -> set[str]:
        """The lanes a worker may take now."""
        return {lane for lane in self.lanes() - self.held.keys() if self._lane_due(lane) <= self.now}

    def members(self, lane: str) -> list[Item]:
        """What a worker that takes the lane gets: the head, or all values that are due with it."""
        members = self.open_in(lane)
        if members[0].key is None:
            return members[:1]
        return [item for item in members if item.due <= max(self.now, self.bulk_due[lane])]

    def settle(self, lane: str, judge: Callable[[Item], None]) -> None:
        for item in self.held.pop(lane).items:
            judge(item)
        self._turn(lane)

    def interrupt(self, workers: Collection[str], kept: Collection[str] = ()) -> list[str]:
        """What these workers held is free again but for ``kept``, due after a moment; nobody knows what they did."""
        freed = [lane for lane, hold in self.held.items() if hold.worker in workers and lane not in kept]
        for lane in freed:
            crashes = self.crashes.get(lane, 0) + 1
            due = self.now + comes_back(lane, crashes)
            for item in self.held.pop(lane).items:
                item.attempts, item.unsure, item.due = item.attempts + 1, True, due
            self._turn(lane)
            self.crashes[lane] = crashes
        return freed

    def replay(self, item: Item) -> int:
        if item.is_open:
            if item.lane in self.held or item.due <= self.now:
                return 0
            item.due = self.now
        elif item.state in ("done", "superseded"):
            return 0
        else:
            item.unsure = item.unsure or item.state == "unknown"
            item.seq, item.state, item.due, item.failures = self._next(item.lane), "open", self.now, 0
        self._turn(item.lane)
        return 1

    def discard(self, item: Item) -> int:
        if item.state not in ("open", "dead", "unknown") or item.lane in self.held:
            return 0
        item.state = "discarded"
        self._turn(item.lane)
        return 1

    def _next(self, lane: str) -> int:
        if lane not in self.lanes():
            for known in (self.ends, self.bulk_due, self.crashes):
                known.pop(lane, None)
        self.ends[lane] = self.ends.get(lane, 0) + 1
        return self.ends[lane]

    def _lane_due(self, lane: str) -> int:
        head = self.open_in(lane)[0]
        return head.due if head.key is None else self.bulk_due[lane]

    def _turn(self, lane: str) -> None:
        """What came back into a bulk lane may have become the older of two; then the lane follows its open ones."""
        members = self.open_in(lane)
        for key in {item.key for item in members if item.key is not None}:
            alike = [item for item in members if item.key == key]
            top = self._newest(alike)
            self._lose((item for item in alike if item is not top and not self.runs(item)), top)
        if lane not in self.held:
            self.crashes.pop(lane, None)
            if left := self.open_in(lane):
                self.bulk_due[lane] = min(item.due for item in left)

    @staticmethod
    def _newest(items: list[Item]) -> Item:
        return max(items, key=lambda item: (item.version or 0, -item.seq))

    @staticmethod
    def _lose(items: Iterable[Item], winner: Item) -> None:
        for item in list(items):
            item.state, item.winner = "superseded", winner.id
