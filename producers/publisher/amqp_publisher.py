"""Publishes to RabbitMQ."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import SystemRandom
from types import TracebackType
from typing import Self

from domain.envelope import Envelope
from producers.publisher.address import address_of
from producers.publisher.event_building import message_of
from producers.publisher.failures import LinkLost
from producers.publisher.link import Link, Patience, open_link
from producers.publisher.links import Links
from producers.publisher.parcel import Parcel
from producers.publisher.promise import PublisherUnusable, PublishResult

log = logging.getLogger(__name__)

_SHORTEST_STEP = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class PublisherTimes:
    """How patient a publisher is, in seconds.

    ``connect``: each step of connecting (name look-up excepted, which Python cannot bound). ``write``:
    handing one message to the network. ``confirm``: silence of the broker while confirms are due.
    ``deadline``: a whole call of ``publish`` or ``publish_many``, all tries together; more for batches of
    many thousands. ``heartbeat``: how often each side shows that it lives; 0 leaves it out.
    """

    connect: float = 5.0
    write: float = 5.0
    confirm: float = 10.0
    deadline: float = 30.0
    heartbeat: int = 30


class AmqpPublisher:
    """A :class:`producers.publisher.Publisher` for RabbitMQ. Make one per process, after any fork.

    Each call borrows a connection that no other thread uses meanwhile; there are as many as calls at once, at
    most ``connections``. Messages are persistent and mandatory, with publisher confirms. After any failure
    the connection is thrown away, and what is unsettled is sent again on a new one, in order and with the
    same ids, until the deadline. While the broker blocks publishers (a memory or disk alarm) the call waits
    where it is: a new connection would only bring second copies.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: str | None = None,
        times: PublisherTimes | None = None,
        connections: int = 8,
    ) -> None:
        """``url`` and ``ca_file``: see :func:`producers.publisher.address.address_of`. Connects on first use.

        Raises:
            ConfigurationError: the URL or the authority's file cannot be used.
        """
        self._address = address_of(url, ca_file)
        self._times = times or PublisherTimes()
        self._links = Links(self._open, connections, self._times.heartbeat)
        self._process = os.getpid()
        self._blocked = False

    @property
    def blocked(self) -> bool:
        """Whether the broker, when last heard of, took no messages because of a memory or disk alarm."""
        return self._blocked

    @property
    def connections(self) -> int:
        """How many open connections wait for the next event."""
        return self._links.idle

    def publish(self, envelope: Envelope) -> PublishResult:
        """See :class:`producers.publisher.Publisher`."""
        return self.publish_many([envelope])[0]

    def publish_many(self, envelopes: Sequence[Envelope]) -> list[PublishResult]:
        """See :class:`producers.publisher.Publisher`. Confirms are awaited for many events at a time."""
        self._check_usable()
        parcels = [Parcel(message_of(envelope)) for envelope in envelopes]
        if parcels:
            self._deliver(parcels)
        place = f"RabbitMQ at {self._address.place}"
        return [parcel.result(place) for parcel in parcels]

    def close(self) -> None:
        """See :class:`producers.publisher.Publisher`."""
        if self._process == os.getpid():
            self._links.close()
        else:
            self._links.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._links.closed:
            raise PublisherUnusable("The publisher was closed; make a new one.")
        if self._process != os.getpid():
            raise PublisherUnusable("The publisher was made before the process forked; make it afterwards.")

    def _deliver(self, parcels: Sequence[Parcel]) -> None:
        until = time.monotonic() + self._times.deadline
        pause = 0.0
        while unsettled := [parcel for parcel in parcels if parcel.outcome is None]:
            try:
                with self._links.lent(until) as link:
                    self._send(link, unsettled, until)
            except LinkLost as error:
                for parcel in unsettled:
                    parcel.reason = error.sentence
                left = until - time.monotonic()
                log.warning("Publishing to %s failed: %s", self._address.place, error.sentence)
                if error.final or left <= pause or self._links.pause(pause):
                    break
                pause = min(max(_FIRST_PAUSE, pause * 2), _LONGEST_PAUSE) * _random.uniform(0.8, 1.2)

    def _send(self, link: Link, parcels: Sequence[Parcel], until: float) -> None:
        rest = deque(parcels)
        while rest or link.waiting:
            while rest and link.room:
                link.send(rest.popleft())
            now = time.monotonic()
            patient_until = until if link.blocked else min(until, link.moved_at + self._times.confirm)
            if now >= patient_until:
                alarm = "the broker takes no messages at the moment (a memory or disk alarm)."
                raise LinkLost(alarm if link.blocked else "no confirm came in time.")
            link.read(patient_until - now)
        self._blocked = link.blocked

    def _open(self, until: float) -> Link:
        step = max(_SHORTEST_STEP, min(self._times.connect, until - time.monotonic()))
        return open_link(self._address, Patience(step, self._times.write, self._times.heartbeat, self._on_block))

    def _on_block(self, blocked: bool) -> None:
        self._blocked = blocked
        if blocked:
            log.warning("RabbitMQ at %s blocks publishers (a memory or disk alarm).", self._address.place)
        else:
            log.info("RabbitMQ at %s takes messages again.", self._address.place)
