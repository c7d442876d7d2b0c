"""The sync log: one structured row per delivery attempt (sales channels, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.outcomes import Counts


class Level(StrEnum):
    """*Info*; *Warning*: told and went on; *Error*: this item stopped; *Fatal*: unexpected, retried."""

    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"
    FATAL = "Fatal"


class Trigger(StrEnum):
    """What made a delivery run."""

    EVENT = "event"
    SCHEDULE = "schedule"
    MANUAL = "manual"
    WEBHOOK = "webhook"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call to a shop as the log keeps it: never a body, never a token, the path only as its template.

    ``sent`` is false where it is certain that the shop saw nothing of it.
    """

    method: str
    route: str
    status: int | None
    milliseconds: int
    bytes: int
    error: str | None = None
    sent: bool = True


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One attempt. Times in UTC; ``business_key`` (order number or SKU) is all that is said about whom."""

    id: str
    started_at: datetime
    finished_at: datetime
    organization: str
    account: str
    channel: str
    platform: str
    job: str
    direction: str
    trigger: Trigger
    message_id: str
    delivery_id: str
    correlation_id: str | None
    trace_id: str | None
    business_key: str
    attempt: int
    outcome: str
    level: Level
    code: str
    sentence: str
    counts: Counts
    calls: tuple[ApiCall, ...]
    superseded_by: str | None
    actor: str
