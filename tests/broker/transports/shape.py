"""A small topology for the transport tests, and the messages they publish."""

from __future__ import annotations

from broker.topology import DEAD, EVENTS, INBOX, JOBS, UNROUTED, Binding, Exchange, Queue, Topology
from broker.transports.seam import Outgoing
from domain.ids import new_id

PLAIN = "towpath.job.order_import"
OTHER = "towpath.job.inventory_export"
LIMITED = "towpath.job.limited"
LIMIT = 2

SHAPE = Topology(
    exchanges=(
        Exchange(UNROUTED, "fanout"),
        Exchange(DEAD, "fanout"),
        Exchange(EVENTS, "topic", alternate=UNROUTED),
        Exchange(JOBS, "topic"),
    ),
    queues=(
        Queue(UNROUTED, dead_letter=None, delivery_limit=None, max_bytes=None),
        Queue(DEAD, dead_letter=None, delivery_limit=None, max_bytes=None),
        Queue(INBOX, single_active=True),
        Queue(PLAIN),
        Queue(OTHER),
        Queue(LIMITED, delivery_limit=LIMIT),
    ),
    bindings=(
        Binding(UNROUTED, UNROUTED, "#"),
        Binding(DEAD, DEAD, "#"),
        Binding(EVENTS, INBOX, "order.created.#"),
        Binding(JOBS, PLAIN, "order_import.#"),
        Binding(JOBS, OTHER, "inventory_export.#"),
        Binding(JOBS, LIMITED, "limited.#"),
    ),
)


def message(key: str = "order_import.acme.main", body: bytes = b"{}", exchange: str = JOBS) -> Outgoing:
    return Outgoing(exchange=exchange, routing_key=key, body=body, message_id=new_id())


def event(key: str = "order.created.acme.main", body: bytes = b"{}") -> Outgoing:
    return message(key, body, EVENTS)


def numbered(count: int, key: str = "order_import.acme.main", exchange: str = JOBS) -> list[Outgoing]:
    return [message(key, b"%d" % number, exchange) for number in range(count)]
