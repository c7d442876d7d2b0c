"""What a handler may answer: a closed set. An answer that is none of these is a failure, never a success."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain.location_stock import LocationStock
from domain.mappings import Missing
from domain.orders import OrderRecord
from domain.products import ProductLink, ProductRecord
from domain.shipments import SentShipment
from domain.stock import ConfirmedStock, SeenStock


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items an attempt read, created, updated, skipped and failed (sales channels, section 6)."""

    read: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something the OMS must hear: published on ``towpath.oms`` with the settle that made it true."""

    type: str
    data: dict[str, Any]
    subject: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A further event for Towpath itself, stored in the same transaction as the settle.

    ``event_id`` makes it idempotent: the same id never becomes a second message.
    """

    type: str
    event_id: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CursorMoved:
    """An import read everything that changed up to ``until``; the next run starts there minus the overlap."""

    job_type: str
    until: datetime


Record = (
    OrderRecord | SentShipment | ConfirmedStock | SeenStock | LocationStock | ProductRecord | ProductLink | CursorMoved
)
"""What a handler may ask the settle to remember, in the same transaction as its outcome."""


@dataclass(frozen=True, slots=True)
class Effects:
    """All that an outcome carries into the settling transaction."""

    counts: Counts = Counts()
    records: tuple[Record, ...] = ()
    announcements: tuple[Announcement, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """The other side has it. ``warning`` is set where something was told and passed over."""

    sentence: str
    code: str = "ok"
    warning: bool = False
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer value made this one needless; ``by`` is the delivery that carries it, where known."""

    sentence: str
    by: str | None = None
    code: str = "superseded"
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing had to be done, for a reason that is no fault (unchanged, already there, switched off).

    ``silent`` leaves no row in the sync log: what holds for all of a job was told there once.
    """

    sentence: str
    code: str
    effects: Effects = field(default_factory=Effects)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed in a way that may pass. Costs one attempt of the budget; the retry arithmetic says when."""

    sentence: str
    code: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """Cannot go on until something outside changes; costs no attempt and makes no calls while it waits.

    ``until_seconds`` is how long until it is looked at again, ``None`` for "until somebody acts". ``missing`` are the
    codes that must be mapped before it can go on: each becomes a task, and the last of them that is answered lets it
    go.
    """

    sentence: str
    code: str
    cause: Literal["mapping", "channel", "throttled", "shop_down", "unauthorized", "budget"]
    until_seconds: float | None = None
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A write may or may not have happened and no read-back can tell: a person must look."""

    sentence: str
    code: str = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Dead:
    """Will never work as it is: shown among the exceptions, kept, replayable."""

    sentence: str
    code: str


Outcome = Done | Superseded | Skipped | Retry | Park | Unknown | Dead
OUTCOMES: tuple[type[Outcome], ...] = (Done, Superseded, Skipped, Retry, Park, Unknown, Dead)
