"""Permits: what a process may call without asking the database again, and for which classes of calls.

A permit is also a call of the channel's API-call budget (:mod:`domain.budget`): whoever reserves permits reserves
calls, all processes together never more than are left for the class of calls; what is not used is given back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.breaker import Closure
from domain.budget import Budget, CallClass
from domain.channels import Channel
from domain.errors import ShopError

FRESH_SECONDS = 0.5
"""How long permits are used without a look at what other processes learned of the shop."""
HELD_SECONDS = 1.0
"""How long a class of calls is taken for held before the database is asked again: a budget may be raised."""
BUDGET = "budget"
_RANKS = {each: rank for rank, each in enumerate(CallClass)}
"""What is reserved for a class of calls also serves those before it."""
_ALL = len(_RANKS)


@dataclass(frozen=True, slots=True)
class Spending:
    """For which channel and class of calls permits are reserved, and how many of those that were counted for ``day``
    (the number of a window) were not used.
    """

    channel: Channel
    call_class: CallClass
    unused: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """The API-call budget leaves no call to a class: for how many seconds, and the reason."""

    seconds: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """Permits granted now, or how long to wait; and what is closed: all of the channel, or some of its operations.

    ``day`` is the number of the day they were counted for; ``hold`` is set where the budget grants none.
    """

    granted: int
    wait: float = 0.0
    closures: tuple[Closure, ...] = ()
    day: int = 0
    hold: Hold | None = None


class GateStore(Protocol):
    """The shared side of the gates, in the database."""

    async def reserve(
        self, channel_id: str, count: int, per_second: float, burst: int, spending: Spending | None = None
    ) -> Reservation:
        """Take up to ``count`` permits of a channel paced at ``per_second`` with ``burst`` at once; none while the
        whole channel is closed, or its budget leaves none. They are counted where ``spending`` says for what.
        """

    async def give_back(self, unused: Sequence[tuple[str, int, int]]) -> None:
        """Count permits no more that were not used: (channel id, day they were counted for, how many)."""

    async def close(self, channel_id: str, closure: Closure, token_version: int | None = None) -> None:
        """Close the gate of a channel, or of one operation, for all processes; an earlier, longer closure stays.

        With a ``token_version`` only while the channel's token is that one.
        """

    async def open(self, channel_id: str, operation: str) -> None:
        """Open what was closed: a call came through."""


class GateClosed(ShopError):
    """No such call may be made on this channel now: ``cause`` says why, ``seconds`` for how long."""

    def __init__(self, cause: str, seconds: float, sentence: str) -> None:
        super().__init__(sentence, code=cause)
        self.cause = cause
        self.seconds = seconds


@dataclass(slots=True)
class Permits:
    """The permits of one channel in one process. Moments are monotonic seconds.

    They are for classes of calls up to the rank ``serves``. ``unused`` were counted for ``day``, are not used and not
    yet given back.
    """

    count: int = 0
    granted_at: float = 0.0
    serves: int = _ALL
    unused: int = 0
    day: int = 0
    held: dict[CallClass, tuple[float, Budget, Hold]] = field(default_factory=dict)

    def drop(self) -> None:
        """Use them no more."""
        self.unused += self.count
        self.count = 0

    def drop_old(self, now: float) -> None:
        """Use those no more that are too old."""
        if now - self.granted_at > FRESH_SECONDS:
            self.drop()

    def lack(self, call_class: CallClass) -> bool:
        """Whether a call of a class needs a permit that is not at hand."""
        return self.count == 0 or _RANKS[call_class] > self.serves

    def spending(self, channel: Channel, call_class: CallClass) -> Spending:
        """What to reserve for; what is not used goes back with it.

        At most once, even where the answer is lost: the count may be above the truth, never below it.
        """
        unused, self.unused = self.unused, 0
        return Spending(channel, call_class, unused, self.day)

    def take(self, answer: Reservation, spending: Spending, now: float) -> None:
        """Take in what was granted, or that the class is held."""
        if answer.day != self.day:
            self.day, self.unused = answer.day, 0
        self.count += answer.granted
        self.granted_at = now
        budget = spending.channel.settings.budget
        if answer.granted:
            self.serves = _ALL if budget is None else _RANKS[spending.call_class]
        elif answer.hold is not None and budget is not None:
            self.held[spending.call_class] = (now, budget, answer.hold)

    def refuse_held(self, call_class: CallClass, budget: Budget | None, now: float) -> None:
        """Refuse a class of calls that was held a moment ago by the same budget. Raises GateClosed."""
        if call_class not in self.held:
            return
        since, by, hold = self.held[call_class]
        if by != budget or now - since > HELD_SECONDS:
            del self.held[call_class]
            return
        raise GateClosed(BUDGET, max(hold.seconds - (now - since), 0.0) + spread(), hold.sentence)


def spread() -> float:
    """Seconds that keep all from coming back at once."""
    return random.uniform(0.05, 0.3)  # noqa: S311 - not a secret
