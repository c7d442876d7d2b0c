"""The seam between the job that erases personal data and the database that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.channels import Channel
from domain.privacy import Threshold


@dataclass(frozen=True, slots=True)
class Erased:
    """How much was erased, by where it was; ``more`` says that there may be more. Counts, never values."""

    orders: int = 0
    messages: int = 0
    announcements: int = 0
    sentences: int = 0
    rejections: int = 0
    captures: int = 0
    more: bool = False

    def __add__(self, other: Erased) -> Erased:
        return Erased(
            self.orders + other.orders,
            self.messages + other.messages,
            self.announcements + other.announcements,
            self.sentences + other.sentences,
            self.rejections + other.rejections,
            self.captures + other.captures,
            other.more,
        )


class Eraser(Protocol):
    """Erases what is older than a threshold. Raises StorageUnavailable when the database is away."""

    async def threshold(self, channel: Channel) -> Threshold:
        """What counts for a channel, and for its account."""

    async def erase(self, channel: Channel, threshold: Threshold) -> Erased:
        """Erase a bounded part of what is due, in one transaction; safe to repeat."""

    async def wipe(self) -> bool:
        """Overwrite what the database file still has of what was erased; false where that must be done again."""
