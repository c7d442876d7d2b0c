"""One soak on one stack: load, storm and watch together, then the account."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.soak.load import Load
from bench.soak.storm import WITNESS, Storm
from bench.soak.watch import Trend, Watch
from tests.app.harness import Office, Stack, eventually, schedule_in_the_past
from tests.services.process import free_port
from tests.storms.books import Books, Tally

PROGRESS_EVERY = 5.0
LOOKS = 15
"""The fewest looks at the memory of a run, however short: more than a trend needs, less those at a young process."""
SETTLE_SECONDS = 300.0
TICK_EVERY = 20.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What kind of soak: seconds of load, events a second, and the seed of everything that is drawn."""

    seconds: float = 600.0
    per_second: float = 60.0
    seed: int = 1


@dataclass(frozen=True)
class Account:
    """What came of it."""

    stack: str
    seconds: float
    tally: Tally
    kills: dict[str, int]
    stops: dict[str, int]
    calls: int
    ticks: tuple[int, int]
    trends: tuple[Trend, ...]

    @property
    def kept(self) -> bool:
        """Whether nothing was lost, doubled, stale, out of order or unexpected."""
        return self.tally.clean and self.ticks[0] == self.ticks[1]

    def as_data(self) -> dict[str, Any]:
        """Ready for JSON."""
        trends = [{**asdict(trend), "flat": trend.flat} for trend in self.trends]
        return {**asdict(self), "trends": trends, "kept": self.kept}


def soak(stack: Stack, office: Office, wish: Wish, say: Say, connections: Callable[[], int] | None = None) -> Account:
    """Run it; ``say`` gets a line every few seconds, ``connections`` counts those to RabbitMQ.

    Raises:
        AssertionError: events were not accepted for two minutes, or work was not settled five minutes after the end.
    """
    port = free_port()
    books, watch = Books(stack.shop, told_once=False), Watch(office, connections)
    storm = Storm(stack, port, wish.seed)
    load = Load(stack, office, f"http://127.0.0.1:{port}", wish.per_second, wish.seed)
    rounds = Ticks(office)
    begun = time.monotonic()
    load.start()
    storm.start()
    while (passed := time.monotonic() - begun) < wish.seconds and not load.failed:
        time.sleep(min(PROGRESS_EVERY, wish.seconds / LOOKS, wish.seconds - passed))
        books.read()
        watch.sample(storm.children)
        rounds.wind()
        say(_progress(time.monotonic() - begun, stack, office, load, storm, watch))
    storm.end()
    load.stop()
    say("The storm is over; what is left is being settled.")
    _settle(office, load, storm, rounds)
    return Account(
        stack.name,
        time.monotonic() - begun,
        books.tally(office, load.sent),
        dict(storm.kills),
        dict(storm.stops),
        stack.shop.count_calls(),
        (rounds.wound, rounds.count()),
        tuple(watch.trends()),
    )


class Ticks:
    """A schedule that is made due again each time it has fired."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._next = 0.0
        self.wound = 0

    def wind(self) -> None:
        """Make it due every so often, unless it still is."""
        if time.monotonic() >= self._next and (not self.wound or self.fired()):
            self._next = time.monotonic() + TICK_EVERY
            schedule_in_the_past(self._office)
            self.wound += 1

    def count(self) -> int:
        """How many ticks came in."""
        return int(self._office.sql("SELECT count(*) FROM messages WHERE type LIKE 'tick.%'")[0][0])

    def fired(self) -> bool:
        """Whether the last instant passed."""
        now = int(time.time() * 1e6)
        return self._office.sql("SELECT count(*) FROM schedules WHERE next_due < :now", now=now) == [(0,)]


def _settle(office: Office, load: Load, storm: Storm, rounds: Ticks) -> None:
    def settled() -> bool:
        assert not storm.fallen(), f"these ended by themselves: {storm.fallen()}"
        numbers = office.numbers()
        waiting = sum(numbers.lanes.values()) + numbers.unsent + (not rounds.fired())
        return numbers.messages >= len(load.sent.ids) and not waiting

    try:
        eventually(settled, SETTLE_SECONDS, "everything is settled")
    except AssertionError as failure:
        raise AssertionError("\n".join([str(failure), *_left(office, load, rounds)])) from failure


def _left(office: Office, load: Load, rounds: Ticks) -> list[str]:
    """What is not settled, for the one who looks for the reason."""
    numbers = office.numbers()
    told = [
        f"{numbers.messages:,} messages of {len(load.sent.ids):,} accepted events, {numbers.unsent} announcements "
        f"unsent, last tick {'fired' if rounds.fired() else 'not fired'}, lanes: {numbers.lanes}"
    ]
    for row in office.sql(
        "SELECT l.key, l.kind, l.state, l.due_at, l.since, l.holder, l.token, d.id, d.job_type, d.cause, d.code, "
        "d.sentence, d.attempts, d.due_at FROM lanes l LEFT JOIN deliveries d ON d.lane = l.key AND d.state = 'open' "
        "ORDER BY l.key, d.seq LIMIT 40"
    ):
        told.append(" ".join(str(value) for value in row))
    return told


def _progress(seconds: float, stack: Stack, office: Office, load: Load, storm: Storm, watch: Watch) -> str:
    numbers = office.numbers()
    memory = watch.latest(f"{WITNESS}: memory (PSS), MB") or watch.latest("up: memory (PSS), MB")
    return (
        f"{seconds:6.0f} s   accepted {len(load.sent.ids):>7,}   calls {stack.shop.count_calls():>7,}   "
        f"open lanes {sum(numbers.lanes.values()):>4}   killed {storm.kills.total():>3}   "
        f"stopped {storm.stops.total():>3}   memory {memory:.0f} MB"
    )
