"""The budget of API calls of a channel: who may still call, how polling slows, and why a call was made.

Bright Sites counts calls per store and month and bills those above the included number, so a budget is kept here and
not by the shop. What a budget holds back waits for the next window; nothing fails and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from domain.budget_windows import Meter, meter, window_of
from domain.errors import UnknownName
from domain.moments import EPOCH
from domain.periods import Period
from domain.synclog import Trigger


class CallClass(StrEnum):
    """What a call is for. In times of need the earlier goes first; upkeep (token, *Test connection*) always may."""

    UPKEEP = "upkeep"
    ORDERS = "orders"
    STOCK = "stock"
    PRODUCTS = "products"


TEST_CONNECTION = "test_connection"
JOB_CLASSES: dict[str, CallClass] = {
    **dict.fromkeys(("order_import", "order_update", "shipment_export"), CallClass.ORDERS),
    **dict.fromkeys(("inventory_export", "inventory_import"), CallClass.STOCK),
    **dict.fromkeys(("product_import", "product_export"), CallClass.PRODUCTS),
    **dict.fromkeys(("authorization_refresh", TEST_CONNECTION, "pii_redaction"), CallClass.UPKEEP),
}
SHARES: dict[CallClass, int] = {CallClass.ORDERS: 100, CallClass.STOCK: 95, CallClass.PRODUCTS: 90}
"""Per cent of each window's budget at which the class is held. What is not here is counted, never held."""
SLOWS_AT_LATEST = 0.8
"""Used share from which polling slows where the first warning comes later: before any share at which writes stop."""
SPARED_DOUBLINGS = {"order_import": 1, "inventory_import": 0, "inventory_export": 0, "product_import": 0}
"""The jobs whose ticks read the shop, so that they can be slowed; and how many doublings later than the others."""
MOST_DOUBLINGS, MOST_AT_ONCE = 8, 50
DAY_SPAN, MONTH_SPAN = timedelta(hours=3), timedelta(hours=24)
"""How far back the present rate of a window looks: a month must not be judged by the busiest hour of a day."""


class Budget(BaseModel):
    """How many API calls a channel may make; ``None`` sets no limit. Unknown members are refused.

    ``warn_at``: used shares, ascending; the first begins the level *warning*, the last of several *critical*.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_day: int | None = Field(default=None, gt=0, le=1_000_000_000)
    per_month: int | None = Field(default=None, gt=0, le=1_000_000_000)
    warn_at: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.8, 0.95)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.per_day is not None and self.per_month is not None and self.per_day > self.per_month:
            raise PydanticCustomError("budget", "the budget of a day must not be above that of a month")
        if list(self.warn_at) != sorted(set(self.warn_at)):
            raise PydanticCustomError("warn_at", "warning levels must ascend, such as 0.8, 0.95")
        return self


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls used in the present day and month, those reserved and not yet made included.

    ``recent``: (instant, calls) of the last 24 hours, singly or summed, by which the end is forecast; ``None``: by
    the average since the window began.
    """

    day_used: int
    month_used: int
    recent: Sequence[tuple[datetime, int]] | None = None


class BudgetLevel(StrEnum):
    """How far a budget is used."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    SPENT = "spent"


@dataclass(frozen=True, slots=True)
class ClassStanding:
    """Held ``until`` an instant (``None``: open); and how many calls are ``left`` for a class (``None``: no limit)."""

    until: datetime | None
    left: int | None

    @property
    def held(self) -> bool:
        """Whether calls of the class wait for the next window."""
        return self.until is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a budget stands. ``left``: calls before orders too are held (``None``: no limit).

    ``ends_at`` is when the budget ends at the present rate, ``None`` if it lasts until its windows end.
    ``doublings`` says how often the waits between recurring reads are doubled (:func:`stretch`).
    """

    classes: Mapping[CallClass, ClassStanding]
    level: BudgetLevel
    sentence: str
    left: int | None
    ends_at: datetime | None
    doublings: int


def class_of(job_type: str) -> CallClass:
    """The class of the calls of a job, or of ``test_connection``.

    Raises:
        UnknownName: there is no such job; the sentence lists those that exist.
    """
    if job_type not in JOB_CLASSES:
        raise UnknownName(f"There is no job {job_type!r}. Jobs: {', '.join(JOB_CLASSES)}.", code="unknown_job")
    return JOB_CLASSES[job_type]


def stand(budget: Budget, usage: Usage, now: datetime, timezone: str) -> Standing:
    """Where the budget stands at ``now`` (aware), by the calendar of ``timezone`` (the channel's, an IANA name)."""
    meters = _meters(budget, usage, now, timezone)
    classes = {each: _class_standing(each, meters.values()) for each in CallClass}
    share = max((each.share for each in meters.values()), default=0.0)
    slows_from = min((*budget.warn_at, SLOWS_AT_LATEST))
    standing = Standing(
        classes,
        _level(share, budget.warn_at),
        "No API-call budget is set: calls are counted and none is held.",
        classes[CallClass.ORDERS].left,
        min((each.ends_at for each in meters.values() if each.ends_at is not None), default=None),
        max((each.doublings(now, MOST_DOUBLINGS) for each in meters.values() if each.share >= slows_from), default=0),
    )
    return replace(standing, sentence=_sentence(standing, meters, ZoneInfo(timezone))) if meters else standing


def _meters(budget: Budget, usage: Usage, now: datetime, timezone: str) -> dict[str, Meter]:
    windows = window_of(now, timezone)
    meters = {}
    if budget.per_day is not None:
        meters["day"] = meter(budget.per_day, usage.day_used, windows.day, now, usage.recent, DAY_SPAN)
    if budget.per_month is not None:
        meters["month"] = meter(budget.per_month, usage.month_used, windows.month, now, usage.recent, MONTH_SPAN)
    return meters


def _class_standing(call_class: CallClass, meters: Collection[Meter]) -> ClassStanding:
    share = SHARES.get(call_class)
    if share is None:
        return ClassStanding(None, None)
    until = max((each.window.end for each in meters if not each.left(share)), default=None)
    return ClassStanding(until, min((each.left(share) for each in meters), default=None))


def _level(share: float, warn_at: Sequence[float]) -> BudgetLevel:
    if share >= 1:
        return BudgetLevel.SPENT
    if len(warn_at) > 1 and share >= warn_at[-1]:
        return BudgetLevel.CRITICAL
    return BudgetLevel.WARNING if warn_at and share >= warn_at[0] else BudgetLevel.OK


def _sentence(standing: Standing, meters: Mapping[str, Meter], zone: ZoneInfo) -> str:
    name, fullest = max(meters.items(), key=lambda item: (item[1].share, item[1].window.end))
    words = [f"{fullest.used} of {fullest.limit} API calls of this {name} are used."]
    if standing.ends_at is not None and standing.left:
        words.append(f"At the present rate the budget ends on {_local(standing.ends_at, zone)}.")
    if standing.doublings:
        words.append("Recurring reads of the shop run less often.")
    waiting: dict[datetime, list[str]] = {}
    for call_class, each in standing.classes.items():
        if each.until is not None:
            waiting.setdefault(each.until, []).append(call_class)
    if waiting:
        told = "; ".join(f"{', '.join(names)} until {_local(until, zone)}" for until, names in waiting.items())
        words.append(f"Waiting, not lost: {told}.")
    if waiting or standing.level is not BudgetLevel.OK:
        words.append("Raise the API-call budget in Advanced settings, or choose longer Main Job Periods.")
    return " ".join(words)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"


def stretch(job_type: str, period: Period, standing: Standing) -> int:
    """By what factor the waits between a job's ticks grow: 1, 2, 4, ...; never to more than a day.

    Only reads grow rarer (:data:`SPARED_DOUBLINGS`), so that polling slows before writing stops; orders least.
    """
    if period.every is None or job_type not in SPARED_DOUBLINGS:
        return 1
    most = (timedelta(days=1) // period.every).bit_length() - 1
    return 1 << min(max(standing.doublings - SPARED_DOUBLINGS[job_type], 0), most)


def lets_tick_pass(job_type: str, due: datetime, period: Period, standing: Standing) -> bool:
    """Whether the tick due at that instant runs: with a factor of n, one of n consecutive ones does.

    Decided by the place of ``due`` on the grid of its period (:func:`domain.periods.next_due`), so any process finds
    the same; a tick that passes at a factor passes at every smaller one. Not for ticks that a person asks for.
    """
    return passes(due, period, stretch(job_type, period, standing))


def next_pass(due: datetime, period: Period, factor: int) -> datetime:
    """The first instant from ``due`` on, on the grid of its period, whose tick passes at this factor."""
    if period.every is None:
        return due
    return due + (-((due - EPOCH) // period.every) % factor) * period.every


def passes(due: datetime, period: Period, factor: int) -> bool:
    """As :func:`lets_tick_pass`, where the factor of :func:`stretch` is known."""
    return period.every is None or (due - EPOCH) // period.every % factor == 0


def reserve(left: int | None, processes: int) -> int:
    """How many calls one of about so many ``processes`` reserves at once when ``left`` are left for a class.

    From 1 to 50, fewer as the end nears, so that none sits on calls that another lacks; 0 when none is left. Where
    ``left`` is read and lessened in one step (one transaction), all reservations together stay within the budget.
    What is reserved for a class serves it and the classes before it.
    """
    if left is None:
        return MOST_AT_ONCE
    return min(max(left, 0), MOST_AT_ONCE, max(1, left // (2 * max(1, processes))))


class Cause(StrEnum):
    """Why a call was made; with its job type, what the shop's bill is explained by."""

    FIRST_TRY = "first_try"
    RETRY = "retry"
    REPLAY = "replay"
    MANUAL = "manual"


def cause_of(trigger: Trigger, attempt: int) -> Cause:
    """The cause of an attempt's calls. Attempts count from 1 and on through a replay, so all of a replay's are one."""
    if trigger is Trigger.REPLAY:
        return Cause.REPLAY
    if attempt > 1:
        return Cause.RETRY
    return Cause.MANUAL if trigger is Trigger.MANUAL else Cause.FIRST_TRY
