"""An upstream program that sends without end: at a steady pace, each event until it is confirmed."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from app.publishing import publisher
from broker.transports.seam import Receipt
from domain.envelope import Envelope
from producers.publisher import Publisher
from tests.app.harness import Stack
from tests.app.workload import Work, order_events, stock_event

PATIENCE_SECONDS = 60.0
BURST = 50
ORDER_SHARE = 0.25
TWICE, LATE, LATE_AT_ONCE = 0.1, 0.25, 6


class Upstream:
    """Publishes with the SDK's publisher: the lives of some orders, and stock changes among them until told to stop.

    ``work`` is what was confirmed; one in four stock changes comes late, one in ten twice. ``longest`` is the longest
    time between two confirms in seconds.
    """

    def __init__(self, stack: Stack, orders: int, per_second: float, seed: int = 1) -> None:
        self.work = Work()
        self.longest = 0.0
        self._settings = stack.settings
        self._pause = 1 / per_second
        self._random = random.Random(seed)
        self._bought = [order_events(order) for order in stack.shop.buy(orders)]
        self._changes = _Changes(stack.shop.skus()[:8], self._random)
        self._hurry = threading.Event()
        self._stop = threading.Event()

    @property
    def confirmed(self) -> int:
        """How many events were confirmed so far, copies included."""
        return len(self.work.over_broker)

    @contextlib.contextmanager
    def hurrying(self) -> Iterator[None]:
        """Stock changes in bursts without a pause while inside, so that many are under way at any moment."""
        self._hurry.set()
        yield
        self._hurry.clear()

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """At work while inside; at the end everything that was begun is confirmed."""
        with ThreadPoolExecutor(1) as pool:
            sender = pool.submit(self._send)
            try:
                yield
            finally:
                self._stop.set()
        sender.result()

    def _send(self) -> None:
        with publisher(self._settings) as upstream:
            while not self._stop.is_set():
                if self._hurry.is_set():
                    self._confirm(upstream, [self._changes.next() for _ in range(BURST)])
                else:
                    self._confirm(upstream, [self._next()])
                    self._stop.wait(self._pause)
            for each in itertools.chain(self._changes.late, *self._bought):
                self._confirm(upstream, [each])
        self.work.quantities = dict(self._changes.levels)

    def _confirm(self, upstream: Publisher, batch: Sequence[Envelope]) -> None:
        begun = time.monotonic()
        left = list(batch)
        while left:
            assert time.monotonic() < begun + PATIENCE_SECONDS, f"{left[0].id} was not confirmed in time"
            results = upstream.publish_many(left)
            left = [each for each, result in zip(left, results, strict=True) if result.outcome is not Receipt.CONFIRMED]
        self.work.over_broker += batch
        self.longest = max(self.longest, time.monotonic() - begun)

    def _next(self) -> Envelope:
        """One in four is the next step of an order, as long as there are any."""
        unfinished = [row for row in self._bought if row]
        if unfinished and self._random.random() < ORDER_SHARE:
            return self._random.choice(unfinished).pop(0)
        return self._changes.next()


class _Changes:
    """Stock changes out of order and in copies; ``late`` holds those still to come."""

    def __init__(self, skus: list[str], chance: random.Random) -> None:
        self.late: list[Envelope] = []
        self.levels: dict[str, dict[int, int]] = defaultdict(dict)
        self._skus, self._random = skus, chance

    def next(self) -> Envelope:
        if len(self.late) > LATE_AT_ONCE:
            return self.late.pop(0)
        sku = self._random.choice(self._skus)
        version = len(self.levels[sku]) + 1
        self.levels[sku][version] = 200 + version
        made = stock_event(sku, version, 200 + version)
        kind = self._random.random()
        if kind < TWICE + LATE:
            self.late.append(made)
        return self.late.pop(0) if TWICE <= kind < TWICE + LATE else made
