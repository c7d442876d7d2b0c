"""One connection to RabbitMQ with one channel in confirm mode: the border to kombu.

py-amqp's own wait for a confirm takes any confirm on the channel for the right one, and starts its clock anew
with every frame, heartbeats included, so it may report an older message's confirm or wait without end while
the broker blocks. The channel is therefore put into confirm mode here, confirms are matched by delivery tag,
and whoever waits asks for one frame at a time against a clock of his own.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kombu.messaging import Producer
from kombu.transport.pyamqp import Connection

from broker.topology import EVENTS
from broker.transports.seam import Receipt
from producers.publisher.address import Address
from producers.publisher.failures import FAILURES, LinkLost, explain, is_hopeless
from producers.publisher.parcel import Parcel

PERSISTENT = 2
WINDOW = 200
"""Messages that may wait for their confirm at once."""

_LOOK_SECONDS = 0.002
_GOODBYE_SECONDS = 1.0
_make_producer: Any = Producer


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a step of connecting or a write is given up, the heartbeat, and who hears of blocking."""

    step: float
    write: float
    heartbeat: int
    on_block: Callable[[bool], None]


class Link:
    """An open connection for one thread at a time. What fails raises LinkLost: then discard it."""

    def __init__(self, raw: Any, patience: Patience) -> None:
        self.blocked = False
        self.waiting: dict[int, Parcel] = {}
        self.moved_at = self.attended_at = time.monotonic()
        self._raw = raw
        self._patience = patience
        self._returned: Counter[tuple[str, str]] = Counter()
        self._tag = 0
        self._proven = False
        self._socket: Any = None
        self._producer: Any = None

    @property
    def room(self) -> bool:
        """Whether another message may be sent.

        The first goes alone: if the broker closes the channel over it, that was meant for this one.
        """
        return not self.blocked and len(self.waiting) < (WINDOW if self._proven else 1)

    def open(self) -> None:
        """Connect and make sure that the exchange is there. Each step is bounded by ``patience.step``."""
        self._raw.on_blocked = lambda _reason: self._block(True)
        self._raw.on_unblocked = lambda: self._block(False)
        with self._calling():
            self._raw.connect()
            # For these, py-amqp would look for news before each publish, in a loop that never ends when half
            # a frame has come; the broker was told already, and reading here is bounded.
            self._raw.client_properties = {}
            self._socket = self._raw.sock
            self._socket.settimeout(self._patience.step)
            channel = self._raw.channel()
            channel.exchange_declare(EVENTS, "topic", passive=True)
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            self._producer = _make_producer(channel, auto_declare=False, on_return=self._on_return)
            self._socket.settimeout(self._patience.write)

    def send(self, parcel: Parcel) -> None:
        """Write one message; it then waits for its confirm."""
        if not self.waiting:
            self.moved_at = time.monotonic()
        self._tag += 1
        self.waiting[self._tag] = parcel
        message = parcel.message
        with self._calling():
            self._producer.publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                mandatory=True,
                delivery_mode=PERSISTENT,
                content_type=message.content_type,
                content_encoding="utf-8",
                headers=dict(message.headers),
                message_id=message.message_id,
                timeout=self._patience.write,
                retry=False,
            )

    def read(self, seconds: float) -> bool:
        """Read one frame and act on it; False when none came in time."""
        with self._calling():
            try:
                self._raw.blocking_read(max(seconds, _LOOK_SECONDS))
            except TimeoutError as error:
                # With a number it is the system that gave the connection up.
                if error.errno is not None:
                    raise
                return False
        self.attended_at = time.monotonic()
        return True

    def look(self) -> None:
        """Act on everything that has come meanwhile, a farewell of the broker included."""
        while self.read(_LOOK_SECONDS):
            pass
        self.attended_at = time.monotonic()

    def tick(self) -> None:
        """Send a heartbeat when one is due, and look."""
        with self._calling():
            self._raw.heartbeat_tick(rate=3)
        self.look()

    def discard(self, *, certain: bool = False) -> None:
        """Throw the connection away. What waits is in doubt, unless ``certain`` that it did not arrive."""
        for parcel in self.waiting.values():
            parcel.doubtful = parcel.doubtful or not certain
        self.waiting.clear()
        self._end(0.1, self._raw.collect)

    def close(self) -> None:
        """Say goodbye, for a second at most."""
        self._end(_GOODBYE_SECONDS, self._raw.close)

    def _end(self, seconds: float, way: Callable[[], None]) -> None:
        with contextlib.suppress(*FAILURES):
            if self._socket is not None:
                self._socket.settimeout(seconds)
            if self._raw.connected:
                way()
        with contextlib.suppress(*FAILURES):
            self._raw.collect()

    @contextlib.contextmanager
    def _calling(self) -> Iterator[None]:
        try:
            if self._producer is not None and not self._raw.connected:
                raise OSError("the connection is gone")
            yield
        except FAILURES as error:
            raise LinkLost(explain(error), final=not self._proven and is_hopeless(error)) from None

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for parcel in self._settled(tag, multiple):
            key = (parcel.message.message_id, parcel.message.routing_key)
            came_back = self._returned[key] > 0
            if came_back:
                self._returned[key] -= 1
            parcel.settle(Receipt.UNROUTABLE if came_back else Receipt.CONFIRMED)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for parcel in self._settled(tag, multiple):
            parcel.settle(Receipt.REFUSED, "the broker said no, as it does when the queue is full.")

    def _on_return(self, _error: Exception, _exchange: str, routing_key: str, message: Any) -> None:
        self._returned[(message.properties.get("message_id", ""), routing_key)] += 1

    def _settled(self, tag: int, multiple: bool) -> list[Parcel]:
        self._proven = True
        self.moved_at = time.monotonic()
        tags = [waiting for waiting in self.waiting if waiting <= tag] if multiple else [tag]
        return [self.waiting.pop(one) for one in tags if one in self.waiting]

    def _block(self, blocked: bool) -> None:
        self.blocked = blocked
        self.moved_at = time.monotonic()
        self._patience.on_block(blocked)


def open_link(address: Address, patience: Patience) -> Link:
    """Connect to RabbitMQ.

    Raises:
        LinkLost: with the reason; final when the credentials, the certificate or the topology are wrong.
    """
    options: dict[str, Any] = {**address.options(), "connect_timeout": patience.step}
    if patience.heartbeat:
        options["heartbeat"] = patience.heartbeat
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Unset, py-amqp makes it one second, too short for a network that stumbles.
        options["socket_settings"] = {socket.TCP_USER_TIMEOUT: int(patience.write * 1000)}
    link = Link(Connection(**options), patience)
    try:
        link.open()
    except BaseException:
        link.discard()
        raise
    return link
