"""What the door answers, as models: the schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from broker.operations import (
    AuditRow,
    CallCount,
    CaptureRow,
    ChannelRow,
    KeyRow,
    LoggedJob,
    LogRow,
    MessageRow,
    RejectedRow,
    ScheduleRow,
)
from domain.access import KeyScope
from domain.jobs import JobType
from producers.http.problems import Problem


class EventResult(BaseModel):
    """What became of one event. ``message`` is its id here, ``deliveries`` how many job runs it causes."""

    id: str | None = Field(description="the event's own id, where it could be read")
    message: str | None = Field(description="the message it became, or of which it is a copy")
    status: Literal["accepted", "duplicate", "rejected"]
    deliveries: int = Field(ge=0)
    problem: Problem | None = Field(default=None, description="only of a rejected event")


class EventsAnswer(BaseModel):
    """One result per event, in the order they were sent. All accepted events are durable."""

    results: list[EventResult]


class LogsAnswer(BaseModel):
    """Sync log rows, newest first; with ``after_id`` oldest first."""

    logs: list[LogRow]


class MessagesAnswer(BaseModel):
    """Messages, newest first, with their deliveries."""

    messages: list[MessageRow]


class RejectedAnswer(BaseModel):
    """What came over a queue for this account and could not become a message, newest first."""

    rejected: list[RejectedRow]


class ChannelsAnswer(BaseModel):
    """The channels of the account."""

    channels: list[ChannelRow]


class CallsAnswer(BaseModel):
    """API calls by day, job and cause, newest day first. The cause `unsettled` stands for calls that were permitted and
    of which no attempt tells: those under way, and those of killed processes.
    """

    timezone: str = Field(description="whose days they are")
    calls: list[CallCount]


class JobAnswer(BaseModel):
    """One job of a channel. `last_counts` tells what its last run read, created, updated, skipped and failed; while the
    API-call budget nears its end, or polling is only a safety net beside the posts of the shop, one of so many ticks as
    `stretch` says runs, and `next_run` is the next that does.
    """

    job: str
    title: str
    direction: Literal["channel to OMS", "OMS to channel", "-"] = Field(description="`-` for what moves no data")
    period: str = Field(description="`none` never runs by itself")
    next_run: AwareDatetime | None
    last_run: AwareDatetime | None
    last_outcome: str | None
    last_counts: dict[str, int]
    last_success: AwareDatetime | None
    stretch: int
    pushed: bool = Field(description="whether posts of the platform to the channel's hook trigger it")
    safety_net: bool = Field(description="whether polling is only a safety net: automation `webhook`, and a hook")

    @classmethod
    def of(cls, row: ScheduleRow, job: JobType) -> JobAnswer:
        """The answer for a row."""
        return cls(
            job=row.job,
            title=job.title,
            direction=job.direction,
            period=row.period,
            next_run=row.next_due,
            last_run=row.last_run,
            last_outcome=row.last_outcome,
            last_counts=dict(row.last_counts),
            last_success=row.last_success,
            stretch=row.stretch,
            pushed=row.pushed,
            safety_net=row.safety_net,
        )


class JobsAnswer(BaseModel):
    """The jobs of a channel."""

    jobs: list[JobAnswer]


class RunAnswer(BaseModel):
    """A manual run that is queued: the message to look at."""

    job: str
    message: str


class LoggingAnswer(BaseModel):
    """The jobs for which manual logging is on."""

    jobs: list[LoggedJob]


class LoggingRequest(BaseModel):
    """For how long the API calls of a job are kept."""

    model_config = {"extra": "forbid"}

    minutes: int = Field(default=60, ge=1, le=1440)


class LoggingOffAnswer(BaseModel):
    """The job whose API calls are kept no more."""

    job: str
    state: Literal["off"] = "off"


class CapturesAnswer(BaseModel):
    """API calls that manual logging kept, newest first: redacted bodies, never headers."""

    captures: list[CaptureRow]


class AnnouncementsAnswer(BaseModel):
    """CloudEvents for the order system. ``after`` is the position to ask for next."""

    events: list[dict[str, Any]]
    after: int


class ReplayAnswer(BaseModel):
    """How many deliveries of the message were opened again or released."""

    message: str
    deliveries: int


class DiscardAnswer(BaseModel):
    """The delivery that was closed for good."""

    delivery: str
    state: Literal["discarded"] = "discarded"


class DiscardRequest(BaseModel):
    """Why a delivery is given up; stands in the record."""

    model_config = {"extra": "forbid", "str_strip_whitespace": True}

    reason: str = Field(min_length=1, max_length=500, examples=["Order was cancelled by phone."])


class TaskWithSuggestions(BaseModel):
    """A missing mapping: whose code it is (`side`), what waits for it, and known codes near it."""

    id: str
    account: str
    channel: str
    kind: str
    side: Literal["channel", "oms"]
    code: str
    blocks: int
    oldest: AwareDatetime | None
    business_keys: list[str] = Field(description="up to ten orders or SKUs, oldest first")
    suggestions: list[str]


class TasksAnswer(BaseModel):
    """The open tasks, what blocks most first."""

    tasks: list[TaskWithSuggestions]


class IgnoreAnswer(BaseModel):
    """The task that was answered with "ignore", and how many deliveries that closed."""

    task: str
    deliveries: int


class MappingsAnswer(BaseModel):
    """Mappings, their members by name, and how many there are in all."""

    mappings: list[dict[str, Any]]
    count: int


class SaveAnswer(BaseModel):
    """The mapping as it is saved, and how many deliveries that let go."""

    mapping: dict[str, Any]
    released: int


class RemoveAnswer(BaseModel):
    """The channel code that has no mapping any more."""

    code: str


class ImportAnswer(BaseModel):
    """What an import did, or with `dry_run` would do. A refused one did nothing."""

    added: int
    changed: int
    removed: int
    unchanged: int
    errors: list[str] = Field(description="one sentence for each wrong row")
    refused: bool
    released: int = Field(description="deliveries that were let go")
    dry_run: bool


class KeysAnswer(BaseModel):
    """The API keys of an account, newest first; never their secrets."""

    keys: list[KeyRow]


class KeyMade(BaseModel):
    """A fresh API key. ``secret`` is shown this once and stored only as a digest."""

    id: str
    account: str
    secret: str
    scopes: list[str]


class KeyRequest(BaseModel):
    """What an API key is for."""

    model_config = {"extra": "forbid", "str_strip_whitespace": True}

    scopes: list[KeyScope] = Field(min_length=1, max_length=len(KeyScope))
    name: str = Field(default="", max_length=100, examples=["OMS, stock"])


class RotateRequest(BaseModel):
    """For how long the old key works on."""

    model_config = {"extra": "forbid"}

    grace_seconds: int = Field(default=0, ge=0, le=7 * 86_400)


class KeyRevoked(BaseModel):
    """The key that stopped."""

    id: str
    status: Literal["revoked"] = "revoked"


class AuditAnswer(BaseModel):
    """Audit rows, newest first. ``before`` is the position to go on from; ``None`` at the end."""

    rows: list[AuditRow]
    before: int | None


class AuditReport(BaseModel):
    """Whether the audit is as it was written, and the hash of its last good row: note it somewhere else."""

    intact: bool
    last_hash: str


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


class ReadyFinding(BaseModel):
    """One thing looked at."""

    subject: Literal["database", "transport"]
    ok: bool
    sentence: str


class Readiness(BaseModel):
    """Whether the process can take work."""

    ready: bool
    findings: list[ReadyFinding]
