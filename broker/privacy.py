"""The seam between what erases personal data and the database that holds them."""

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

    def told(self, threshold: str, *, wiped: bool) -> str:
        """What was erased in words; ``threshold`` as ``30 days``, ``wiped`` as :meth:`Eraser.wipe` answered."""
        sentences = [
            f"Personal data older than {threshold} are erased: {self.orders} orders, {self.messages} messages, "
            f"{self.announcements} announcements, {self.sentences} sentences, {self.rejections} rejected messages, "
            f"{self.captures} API calls that manual logging kept."
        ]
        if self.more:
            sentences.append("More follow in another run.")
        if not wiped:
            sentences.append(
                "Old versions may still lie in the database's log, which was in use; the next run empties it."
            )
        return " ".join(sentences)


class Eraser(Protocol):
    """Erases what is older than a threshold. Raises StorageUnavailable when the database is away."""

    async def threshold(self, channel: Channel) -> Threshold:
        """What counts for a channel, and for its account."""

    async def erase(self, channel: Channel, threshold: Threshold) -> Erased:
        """Erase a bounded part of what is due, in one transaction; safe to repeat."""

    async def wipe(self) -> bool:
        """Overwrite what the database file still has of what was erased; false where that must be done again."""


@dataclass(frozen=True, slots=True)
class AccountTurn:
    """That it is for one timer, and for a limited time, to erase for an account without a channel."""

    account_id: str
    account: str


class AccountEraser(Protocol):
    """Erases for accounts that have no channel, and so no job that does. Raises StorageUnavailable."""

    async def begin(self) -> AccountTurn | None:
        """Take the turn of an account that is due, once a day at night, and for which a threshold counts; ``None``
        where there is none, or another timer has it.
        """

    async def erase(self, turn: AccountTurn) -> Erased:
        """Erase a bounded part of what is due, in one transaction; safe to repeat."""

    async def wipe(self) -> bool:
        """As :meth:`Eraser.wipe`."""

    async def end(self, turn: AccountTurn, done: Erased, *, wiped: bool) -> None:
        """The account is due again next night, or at once where ``done`` says that there is more."""
