"""API calls as operators ask for them: how many, why, and how they stand against the budget; plain values and the seam
to the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from domain.budget import Cause
from domain.channels import Channel

UNSETTLED = "unsettled"
"""Stands where a cause stands for calls that were permitted and of which no attempt tells: those under way, and those
of processes that were killed.
"""


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of a channel on one day, by job type and cause (``job`` is empty where the cause is ``unsettled``)."""

    day: date
    job: str
    cause: str
    calls: int


@dataclass(frozen=True, slots=True)
class WindowUse:
    """One window of the budget: ``limit`` is ``None`` where none is set; ``left`` before orders too are held."""

    window: str
    begins: datetime
    ends: datetime
    limit: int | None
    used: int
    left: int | None


@dataclass(frozen=True, slots=True)
class ClassUse:
    """What the budget leaves to a class of calls; held ``until`` an instant, or not."""

    name: str
    left: int | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class CallSum:
    """Calls of the present day and month, by job type and cause."""

    job: str
    cause: str
    today: int
    month: int


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How a channel stands against its API-call budget. ``ends_at`` is when the budget ends at the present rate,
    ``None`` if it lasts; ``slowed`` how often the waits between recurring reads are doubled.
    """

    account: str
    channel: str
    timezone: str
    level: str
    sentence: str
    windows: tuple[WindowUse, ...]
    classes: tuple[ClassUse, ...]
    ends_at: datetime | None
    slowed: int
    calls: tuple[CallSum, ...]


class Calls(Protocol):
    """Every method may raise StorageUnavailable; those that name a channel raise UnknownName where there is none."""

    async def budget(self, account: str, channel: str) -> BudgetUse:
        """How a channel stands against its budget, and what its calls were made for."""

    async def budgets(self) -> Sequence[BudgetUse]:
        """The same of all channels that have a budget, without what the calls were made for."""

    async def counts(self, account: str, channel: str, days: int) -> Sequence[CallCount]:
        """Calls of the last ``days`` days, the present one included, newest day first."""

    async def note(self, channel: Channel, job: str, cause: Cause, calls: int) -> None:
        """Count calls that no delivery tells of; negative for those that were not made after all."""
