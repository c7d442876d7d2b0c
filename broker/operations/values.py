"""What operators ask for and what they get: plain values, the same for CLI, HTTP and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.access import Actor, Place
from domain.channels import ChannelSettings


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which sync log rows; everything given must match. Times are aware; ``limit`` rows, newest first.

    With ``after_id``, rows with a later id, oldest first; those in ``known`` are left out.
    """

    account: str | None = None
    channel: str | None = None
    business_key: str | None = None
    job: str | None = None
    outcome: str | None = None
    level: str | None = None
    code: str | None = None
    message_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after_id: str | None = None
    known: frozenset[str] = frozenset()
    limit: int = 50


@dataclass(frozen=True, slots=True)
class LogRow:
    """One sync log row as people see it."""

    id: str
    started_at: datetime
    finished_at: datetime
    organization: str
    account: str
    channel: str
    platform: str
    job: str
    direction: str
    trigger: str
    message_id: str
    delivery_id: str
    correlation_id: str | None
    trace_id: str | None
    business_key: str
    attempt: int
    outcome: str
    level: str
    code: str
    sentence: str
    counts: Mapping[str, int]
    calls: tuple[Mapping[str, Any], ...]
    superseded_by: str | None
    actor: str


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages; ``state`` is a shown state (see ``docs/states.md``), ``limit`` rows, newest first."""

    account: str | None = None
    channel: str | None = None
    business_key: str | None = None
    type: str | None = None
    state: str | None = None
    since: datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery as people see it: ``state`` is a final state, or ready, running, waiting, parked or behind."""

    id: str
    message_id: str
    channel: str
    job: str
    state: str
    cause: str
    code: str
    sentence: str
    attempts: int
    failures: int
    due_at: datetime | None
    superseded_by: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message with its deliveries."""

    id: str
    account: str
    channel: str | None
    type: str
    source: str
    event_id: str
    business_key: str
    correlation_id: str | None
    trigger: str
    event_time: datetime | None
    received_at: datetime
    copies: int
    deliveries: tuple[DeliveryRow, ...]


@dataclass(frozen=True, slots=True)
class MessageLife:
    """The whole life of a message: what came, each delivery, each attempt."""

    message: MessageRow
    attempts: tuple[LogRow, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """Something that came in and could not become a message; ``excerpt`` is the beginning of its body."""

    id: str
    origin: str
    routing_key: str
    code: str
    sentence: str
    first_seen_at: datetime
    last_seen_at: datetime
    seen: int
    size: int
    excerpt: str


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel in the list: what waits, what failed, what it called today, until when its gate is closed. One that is
    ``held`` makes no call until *Authorization Refresh* has a period.
    """

    id: str
    account: str
    code: str
    name: str
    platform: str
    version: str
    domain: str
    token_ending: str
    state: str
    state_reason: str
    last_activity: datetime | None
    waiting: int
    failing: int
    calls_today: int
    settings: ChannelSettings
    held: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One job of a channel with its last run on schedule, by hand or because the shop posted, and its next one on
    schedule. While its API-call budget nears its end, or polling is only a ``safety_net`` beside the posts of the shop,
    one of so many ticks as ``stretch`` says runs. ``last_counts`` tells what was read, created, updated, skipped and
    failed. ``pushed``: posts of the platform trigger it.
    """

    account: str
    channel: str
    job: str
    period: str
    next_due: datetime | None
    last_due: datetime | None
    last_run: datetime | None
    last_success: datetime | None
    last_outcome: str | None
    stretch: int = 1
    last_counts: Mapping[str, int] = field(default_factory=dict)
    pushed: bool = False
    safety_net: bool = False


@dataclass(frozen=True, slots=True)
class NewChannel:
    """What creating a channel takes (sales channels, section 2), plus where it belongs and how it starts.

    One whose token ``renews`` makes no call until a period for that is set.
    """

    account: str
    code: str
    name: str
    platform: str
    domain: str
    token: str
    settings: ChannelSettings = field(default_factory=ChannelSettings)
    renews: bool = False


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh API key: ``secret`` is shown this once and stored only as a digest."""

    id: str
    account: str
    secret: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key in the list: how its secret begins, and when it stops (a time to come after a rotation), or did."""

    id: str
    account: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who an API key speaks for: an account by its code, where it belongs, and whether it is enabled now."""

    account: str
    scopes: frozenset[str]
    id: str = field(default="", compare=False)
    place: Place = field(default=Place(""), compare=False)
    enabled: bool = True

    @property
    def actor(self) -> Actor:
        """Who does what is done with the key."""
        return Actor.key(f"key:{self.id}", self.place.organization_id, self.place.account_id or "", self.scopes)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of the whole installation: deliveries by shown state and by outcome, calls, lag."""

    messages: int
    duplicates: int
    rejected: int
    deliveries: Mapping[str, int]
    outcomes: Mapping[str, int]
    api_calls: int
    latency_ms: Mapping[str, float]
    lanes: Mapping[str, int]
    unsent: int
    oldest_due_seconds: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``doctor`` looked at: ``ok`` or what is wrong and what to do."""

    subject: str
    ok: bool
    sentence: str
