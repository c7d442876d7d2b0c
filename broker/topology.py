"""The topology as data: which exchanges and queues exist and how they are bound.

upstream -> towpath.events (topic) -> towpath.inbox (single active consumer) -> ledger
ledger   -> towpath.jobs (topic)   -> towpath.job.<job type> -> consumers of that job type
ledger   -> towpath.oms (topic)    -> whatever the OMS binds
what no queue wants -> towpath.unrouted; what is rejected or kills its takers -> towpath.dead
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from domain.events import EVENT_TYPES
from domain.jobs import JOB_TYPES

EVENTS = "towpath.events"
JOBS = "towpath.jobs"
OMS = "towpath.oms"
UNROUTED = "towpath.unrouted"
DEAD = "towpath.dead"
INBOX = "towpath.inbox"
JOB_QUEUE_PREFIX = "towpath.job."
DELIVERY_LIMIT = 10
MAX_QUEUE_BYTES = 2**30


def job_queue(job_type: str) -> str:
    """The queue of a job type."""
    return f"{JOB_QUEUE_PREFIX}{job_type}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange; ``alternate`` takes what no queue of it wants."""

    name: str
    kind: Literal["topic", "fanout"]
    alternate: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue. ``dead_letter`` is the exchange for what is rejected or over the delivery limit."""

    name: str
    single_active: bool = False
    dead_letter: str | None = DEAD
    delivery_limit: int | None = DELIVERY_LIMIT
    max_bytes: int | None = MAX_QUEUE_BYTES


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of ``exchange`` whose routing key matches the topic ``pattern`` go to ``queue``."""

    exchange: str
    queue: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All exchanges, queues and bindings of an installation."""

    exchanges: tuple[Exchange, ...] = field(default_factory=tuple)
    queues: tuple[Queue, ...] = field(default_factory=tuple)
    bindings: tuple[Binding, ...] = field(default_factory=tuple)


def topology() -> Topology:
    """The topology of this version: one inbox, one queue per job type, the two nets under them."""
    keys = [*(f"{name}.#" for name in EVENT_TYPES), "tick.#"]
    return Topology(
        exchanges=(
            Exchange(UNROUTED, "fanout"),
            Exchange(DEAD, "fanout"),
            Exchange(EVENTS, "topic", alternate=UNROUTED),
            Exchange(JOBS, "topic"),
            Exchange(OMS, "topic"),
        ),
        queues=(
            Queue(UNROUTED, dead_letter=None, delivery_limit=None, max_bytes=None),
            Queue(DEAD, dead_letter=None, delivery_limit=None, max_bytes=None),
            Queue(INBOX, single_active=True),
            *(Queue(job_queue(name)) for name in JOB_TYPES),
        ),
        bindings=(
            Binding(UNROUTED, UNROUTED, "#"),
            Binding(DEAD, DEAD, "#"),
            *(Binding(EVENTS, INBOX, key) for key in keys),
            *(Binding(JOBS, job_queue(name), f"{name}.#") for name in JOB_TYPES),
        ),
    )


def matches(pattern: str, routing_key: str) -> bool:
    """Whether a topic pattern matches a routing key: ``*`` one word, ``#`` none or more (AMQP 0-9-1, section
    3.1.3.3).
    """
    words = routing_key.split(".")
    reached = {0}
    for step in pattern.split("."):
        if step == "#":
            reached = set(range(min(reached, default=len(words) + 1), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and step in ("*", words[at])}
    return len(words) in reached
