"""The links of a publisher: lent to one thread at a time, kept alive while nobody needs them."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from producers.publisher.failures import LinkLost
from producers.publisher.link import Link

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
"""A link used less than this long ago is used again without a look."""

_JOIN_SECONDS = 10.0


class Links:
    """Lends links, the one used last first; at most ``most`` at a time.

    kombu sends no heartbeats by itself and RabbitMQ cuts off whoever is silent, so a thread looks after idle
    links several times per heartbeat (``heartbeat`` in seconds; 0 for none).
    """

    def __init__(self, opener: Callable[[float], Link], most: int, heartbeat: int) -> None:
        """``opener`` opens a link and gets the moment, on the monotonic clock, when that must be over."""
        self._opener = opener
        self._permits = threading.BoundedSemaphore(most)
        self._most = most
        self._heartbeat = heartbeat
        self._idle: deque[Link] = deque()
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether no link is lent any more."""
        return self._closing.is_set()

    @property
    def idle(self) -> int:
        """How many links are open and not lent."""
        return len(self._idle)

    def pause(self, seconds: float) -> bool:
        """Wait; True as soon as the links are being closed."""
        return self._closing.wait(max(0.0, seconds))

    @contextlib.contextmanager
    def lent(self, until: float) -> Iterator[Link]:
        """A link nobody else has. It is thrown away when the block ends with an exception.

        Raises:
            LinkLost: none could be opened before ``until``.
        """
        if not self._permits.acquire(timeout=max(0.0, until - time.monotonic())):
            raise LinkLost(f"{self._most} other publishes kept all connections busy.")
        try:
            link = self._fresh() or self._opener(until)
            try:
                yield link
            except BaseException as error:
                link.discard(certain=isinstance(error, LinkLost) and error.final)
                raise
            self._put_back(link)
        finally:
            self._permits.release()

    def close(self) -> None:
        """Close the idle links; those in use are closed when they come back."""
        with self._lock:
            self._closing.set()
        while link := self._take():
            link.close()
        keeper = self._keeper
        if keeper is not None:
            keeper.join(_JOIN_SECONDS)

    def abandon(self) -> None:
        """Forget all links without a word: they belong to another process."""
        self._closing.set()
        self._idle.clear()

    def _take(self) -> Link | None:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        return None

    def _fresh(self) -> Link | None:
        while link := self._take():
            rested = time.monotonic() - link.attended_at
            try:
                if self._heartbeat and rested > self._heartbeat:
                    raise LinkLost("it was left alone for longer than its heartbeat.")
                if rested > FRESH_SECONDS:
                    link.look()
                return link
            except LinkLost as error:
                log.info("An idle connection to RabbitMQ is renewed: %s", error.sentence)
                link.discard()
        return None

    def _put_back(self, link: Link) -> None:
        with self._lock:
            if not self._closing.is_set():
                self._idle.append(link)
                if self._heartbeat and self._keeper is None:
                    self._keeper = threading.Thread(target=self._keep, name="towpath-heartbeats", daemon=True)
                    self._keeper.start()
                return
        link.close()

    def _keep(self) -> None:
        while not self._closing.wait(self._heartbeat / 5):
            # Each in turn, from the oldest, so that the order is the same afterwards.
            for _ in range(len(self._idle)):
                with contextlib.suppress(IndexError):
                    self._attend(self._idle.popleft())

    def _attend(self, link: Link) -> None:
        try:
            link.tick()
        except LinkLost as error:
            log.info("An idle connection to RabbitMQ was lost: %s", error.sentence)
            link.discard()
        else:
            self._put_back(link)
