"""Load without pause: lives of orders over HTTP and over the broker, stock changes out of order, copies of both."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from app.publishing import publisher
from broker.transports.seam import Receipt
from domain.envelope import BATCH, Envelope
from tests.app.harness import Office, Stack, eventually
from tests.app.web import Web
from tests.app.workload import event, order_events, stock_event
from tests.storms.books import Sent

ACTIVE_ORDERS = 20
BATCH_SIZE = 5
COPIES = 0.05
LATE = 0.2
LATE_AT_ONCE = 20
PATIENCE_SECONDS = 120.0

Send = Callable[[Sequence[Envelope]], None]


class Load:
    """Two senders at ``per_second`` events together. What was accepted is in ``sent``.

    Each sends until ``stop``, and then what is left of the orders it began. An event that is not accepted within two
    minutes ends its sender with an AssertionError, raised by ``stop``.
    """

    def __init__(self, stack: Stack, office: Office, address: str, per_second: float, seed: int) -> None:
        self.sent = Sent()
        self._stack = stack
        self._web = Web(address, {"Authorization": f"Bearer {office.key}"}, patience=PATIENCE_SECONDS)
        self._pause = 2 * BATCH_SIZE / per_second
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2)
        self._senders: list[Future[None]] = []

    def start(self) -> None:
        """Begin to send."""
        self._senders = [self._pool.submit(self._over_http), self._pool.submit(self._over_broker)]

    @property
    def failed(self) -> bool:
        """Whether a sender has given up."""
        return any(sender.done() for sender in self._senders)

    def stop(self) -> None:
        """Let the senders end their orders, and wait for them."""
        self._stop.set()
        self._pool.shutdown()
        for sender in self._senders:
            sender.result()

    def _over_http(self) -> None:
        def send(batch: Sequence[Envelope]) -> None:
            body = b"[" + b",".join(each.to_json() for each in batch) + b"]"

            def accepted() -> bool:
                status, answer = self._web.ask("POST", "/v1/events", body, BATCH)
                assert status in (202, 429, 503), (status, answer)
                return status == 202

            eventually(accepted, PATIENCE_SECONDS, "a batch is accepted over HTTP")

        self._run(send, _Orders(self._stack, random.Random(self._seed)))

    def _over_broker(self) -> None:
        chance = random.Random(self._seed + 1)
        with publisher(self._stack.settings) as upstream:

            def send(batch: Sequence[Envelope]) -> None:
                left = list(batch)

                def confirmed() -> bool:
                    # One by one: an event may not overtake the one before it.
                    while left and upstream.publish(left[0]).outcome is Receipt.CONFIRMED:
                        left.pop(0)
                    return not left

                eventually(confirmed, PATIENCE_SECONDS, "a batch is confirmed by the broker")

            self._run(send, _OrdersAndStock(self._stack, chance))

    def _run(self, send: Send, events: _Orders) -> None:
        chance = random.Random(self._seed + 2)
        before: list[Envelope] = []
        while not self._stop.is_set():
            batch = [events.next() for _ in range(BATCH_SIZE)]
            copies = [each for each in before if chance.random() < COPIES]
            self._send(send, [*copies, *batch])
            before = batch
            self._stop.wait(self._pause)
        rest = events.rest()
        for start in range(0, len(rest), BATCH_SIZE):
            self._send(send, rest[start : start + BATCH_SIZE])

    def _send(self, send: Send, batch: Sequence[Envelope]) -> None:
        send(batch)
        with self._lock:
            for each in batch:
                self.sent.add(each)


class _Orders:
    """Steps of some orders at a time, each in its order."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        self._shop, self._random = stack.shop, chance
        self._active: list[list[Envelope]] = []

    def next(self) -> Envelope:
        """The next step of an order; new ones begin when few are left."""
        if len(self._active) < ACTIVE_ORDERS:
            self._active += [_life(order) for order in self._shop.buy(ACTIVE_ORDERS)]
        life = self._random.choice(self._active)
        step = life.pop(0)
        self._active = [each for each in self._active if each]
        return step

    def rest(self) -> list[Envelope]:
        """What is left of the orders that were bought."""
        return [step for life in self._active for step in life]


class _OrdersAndStock(_Orders):
    """The same, and as many stock levels of a few SKUs, some of them so late that newer ones have passed."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        super().__init__(stack, chance)
        self._skus = stack.shop.skus()[:8]
        self._versions: Counter[str] = Counter()
        self._late: list[Envelope] = []

    def next(self) -> Envelope:
        """A step of an order, or a stock level."""
        return super().next() if self._random.random() < 0.5 else self._level()

    def _level(self) -> Envelope:
        if len(self._late) > LATE_AT_ONCE:
            return self._late.pop(0)
        sku = self._random.choice(self._skus)
        self._versions[sku] += 1
        made = stock_event(sku, self._versions[sku], 200 + self._versions[sku])
        if self._random.random() < LATE:
            self._late.append(made)
            return self._level()
        return made


def _life(order: Mapping[str, Any]) -> list[Envelope]:
    number = str(order["order_id"])
    data = {"external_order_id": number, "status": "completed"}
    return [*order_events(order), event("oms", f"status/{number}/completed", "order.status_changed", data)]
