"""Manual logging as operators see it: plain values and the seam to the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """Which captures; everything given must match, newest first."""

    account: str | None = None
    channel: str | None = None
    job: str | None = None
    business_key: str | None = None
    message_id: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CaptureRow:
    """One API call that manual logging kept: request and response are redacted bodies, headers are never kept."""

    id: str
    account: str
    channel: str
    job: str
    at: datetime
    expires_at: datetime
    message_id: str
    delivery_id: str
    business_key: str
    about: str
    method: str
    path: str
    status: int | None
    request: str
    response: str


@dataclass(frozen=True, slots=True)
class LoggedJob:
    """A job of a channel whose API calls are kept ``until`` then."""

    account: str
    channel: str
    job: str
    until: datetime


class Captures(Protocol):
    """Every method may raise StorageUnavailable; those that name a channel raise UnknownName where there is none."""

    async def switch_on(self, account: str, channel: str, job: str, time: timedelta, *, actor: str) -> LoggedJob:
        """Keep the API calls of a job for a time from now. Raises InputError for a time that is too long."""

    async def switch_off(self, account: str, channel: str, job: str, *, actor: str) -> None:
        """Keep no more; what is kept stays until its time is over."""

    async def logged_jobs(self, account: str | None) -> Sequence[LoggedJob]:
        """The jobs for which manual logging is on."""

    async def captures(self, wanted: CaptureFilter) -> Sequence[CaptureRow]:
        """What was kept, newest first."""
