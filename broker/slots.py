"""The slots of a worker: how many lanes may be in flight, of one channel and of all.

**Of all**: a channel that is alone has all slots. Where there are several, by Little's law a shop that answers in ``s``
seconds needs ``rate * s`` calls in flight to be called ``rate`` times a second, and more would only make everything
wait longer, the lanes of other channels first of all. So the slots follow what was measured; the fastest run of a
channel is taken, because slower ones may have waited for ourselves. Runs that hang wait for a shop and burden nobody:
beside them there are slots for others, up to the capacity.

**Of one channel**: dynamic thresholds, as switches share their buffers (Choudhury and Hahne, 1998): no more than
``greed`` times what is still free. However many channels want all, a part stays free for those who want little. And a
channel begins slowly, as TCP does: with a few lanes, and one more for each run that went well, so that a shop that
hangs, or has just failed, gets no more than a few calls before its gate knows.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.ledger import Shares

LEAST = 64
"""Slots that there are with several channels, however fast their shops: claiming, calling and settling overlap."""
WINDOW_SECONDS = 1.0
HEADROOM = 2.0
SLOWEST_DECLINE = 0.8
"""A window that had little to do takes away no more than a fifth of the slots."""
HANGING_SECONDS = 1.0
FIRST = 4
"""Lanes of a channel of which nothing good is known yet."""
REST_SECONDS, LONGEST_REST = 0.05, 1.0
"""How long a channel is left alone whose runs are only held back by a closed gate, at first and at the most."""
KEPT_PART = 8
"""This part of the slots is not claimed for, but kept for what is handed out as it comes in."""
CLAIM_PART = 6
"""A claim is worth its transaction when this part of the slots is free."""


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """The place of one lane in flight."""

    channel_id: str
    began: float


class Slots:
    """Counts lanes in flight. ``capacity`` is the largest number of slots, ``share`` the part of them that one of
    several channels has when no other wants any; ``several`` tells whether there is more than one channel.
    """

    def __init__(self, capacity: int, share: float, several: Callable[[], bool]) -> None:
        self._capacity = capacity
        self._greed = share / (1.0 - share) if share < 1.0 else math.inf
        self._several = several
        self._trust: dict[str, int] = {}
        self._measured = float(min(capacity, LEAST))
        self._slots: dict[Slot, None] = {}
        self._busy: Counter[str] = Counter()
        self._promised = 0
        self._runs: Counter[str] = Counter()
        self._fastest: dict[str, float] = {}
        self._rest: dict[str, tuple[float, float]] = {}
        self._window_began = time.monotonic()

    @property
    def limit(self) -> int:
        """How many lanes may be in flight now."""
        if not self._several():
            return self._capacity
        return min(self._capacity, int(self._measured) + self._hanging())

    @property
    def room(self) -> int:
        """How many more lanes may begin, besides those that are promised."""
        return max(0, self.limit - len(self._slots) - self._promised)

    @property
    def worth_a_claim(self) -> bool:
        """Whether enough slots are free to claim lanes for them."""
        return self.claimable >= self._part

    @property
    def claimable(self) -> int:
        """How many lanes may be claimed: where there are several channels, some room is kept for what comes in."""
        return max(0, self.room - (self.limit // KEPT_PART if self._several() else 0))

    @property
    def _part(self) -> int:
        return max(1, self.limit // CLAIM_PART)

    def allowance(self, channel_id: str = "") -> int:
        """How many more lanes a channel may begin, if no other does; without an id: one that has none in flight."""
        if self._rests(channel_id):
            return 0
        room, greed, busy = self.room, self._greed, self._busy.get(channel_id, 0)
        trusted = min(room, self._trust.get(channel_id, FIRST) - busy)
        if math.isinf(greed) or not self._several():
            return max(0, trusted)
        return max(0, min(trusted, math.ceil((greed * (room + 1) - busy + 1) / (1 + greed)) - 1))

    def shares(self) -> Shares | None:
        """What each channel may begin; nothing where there is only one, which may have all the room."""
        known = {channel_id: self.allowance(channel_id) for channel_id in {*self._busy, *self._trust}}
        shares = Shares(self.allowance(), known)
        return None if not self._several() and shares.largest >= self.room else shares

    def crowded(self) -> list[str]:
        """Channels that are left out of claims: they may begin no more, or have most slots and may begin too few to be
        worth it, or rest.
        """
        return [channel_id for channel_id in {*self._busy, *self._rest} if self.is_crowded(channel_id)]

    def is_crowded(self, channel_id: str) -> bool:
        """Whether a channel is left out of claims."""
        allowed = self.allowance(channel_id)
        return not allowed or (allowed < self._part and self._busy[channel_id] > self.room)

    def promise(self, count: int) -> None:
        """Keep so many slots for lanes that may be on their way to this worker."""
        self._promised += count

    def redeem(self, count: int) -> None:
        """Hear that what was promised is here, or will not come."""
        self._promised -= count

    def take(self, channel_id: str) -> Slot:
        """A lane of this channel begins."""
        slot = Slot(channel_id, time.monotonic())
        self._slots[slot] = None
        self._busy[channel_id] += 1
        return slot

    def free(self, slot: Slot) -> None:
        """The lane has ended."""
        del self._slots[slot]
        self._busy[slot.channel_id] -= 1
        if not self._busy[slot.channel_id]:
            del self._busy[slot.channel_id]

    def learn(self, channel_id: str, calls: Sequence[float], *, well: bool) -> None:
        """A run has ended, ``well`` or in trouble with the shop (held back by its closed gate included: many that come
        at once only to be put back would hold up the others); its calls took so many seconds each.
        """
        self._trust[channel_id] = min(self._capacity, self._trust.get(channel_id, FIRST) + 1) if well else FIRST
        if well:
            self._rest.pop(channel_id, None)
        if not calls:
            if not well:
                self._let_rest(channel_id)
            return
        taken = sum(calls)
        self._runs[channel_id] += 1
        self._fastest[channel_id] = min(self._fastest.get(channel_id, taken), taken)
        now = time.monotonic()
        if now - self._window_began >= WINDOW_SECONDS:
            self._measure(now - self._window_began)
            self._window_began = now

    def _let_rest(self, channel_id: str) -> None:
        """A run did nothing but find a gate closed: what else waits for it is not asked so soon again."""
        until, seconds = self._rest.get(channel_id, (0.0, REST_SECONDS / 2))
        now = time.monotonic()
        if now >= until:
            seconds = min(seconds * 2, LONGEST_REST)
            self._rest[channel_id] = (now + seconds, seconds)

    def _rests(self, channel_id: str) -> bool:
        return channel_id in self._rest and time.monotonic() < self._rest[channel_id][0]

    def _measure(self, seconds: float) -> None:
        calling = sum(count / seconds * self._fastest[channel_id] for channel_id, count in self._runs.items())
        self._measured = min(float(self._capacity), max(LEAST + HEADROOM * calling, self._measured * SLOWEST_DECLINE))
        self._runs.clear()
        self._fastest.clear()

    def _hanging(self) -> int:
        """How many have been in flight for so long that they can only be waiting."""
        before, count = time.monotonic() - HANGING_SECONDS, 0
        for slot in self._slots:
            if slot.began > before:
                break
            count += 1
        return count
