"""The timer's night work: personal data of accounts that have no channel, and so no job that erases them."""

from __future__ import annotations

import asyncio
import time

import structlog

from broker.bell import comes
from broker.privacy import AccountEraser, Erased
from domain.errors import StorageUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS = 600.0
"""How often it is looked for accounts whose night it is."""
LONGEST = 240.0
"""Seconds after which a turn leaves the rest to another that follows at once."""


class AccountRedaction:
    """Erases for one account after the other until told to stop. Any number may run: a turn is one's alone."""

    def __init__(self, eraser: AccountEraser, longest: float = LONGEST) -> None:
        self._eraser = eraser
        self._longest = longest

    async def run(self, stop: asyncio.Event) -> None:
        """Look every ten minutes; what the database cannot do now is done at the next look."""
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.turn(stop):
                    pass
            except StorageUnavailable as error:
                log.warning("account_redaction_waits", reason=error.sentence)
            await comes(stop, LOOK_SECONDS)

    async def turn(self, stop: asyncio.Event) -> bool:
        """Erase step by step for an account that is due, until told to stop; whether there was one.

        Raises StorageUnavailable; then the rest is done when the turn is over by its time.
        """
        turn = await self._eraser.begin()
        if turn is None:
            return False
        until, done = time.monotonic() + self._longest, await self._eraser.erase(turn)
        while done.more and time.monotonic() < until and not stop.is_set():
            done += await self._eraser.erase(turn)
        wiped = await self._eraser.wipe()
        await self._eraser.end(turn, done, wiped=wiped)
        log.info("personal_data_erased", account=turn.account, wiped=wiped, **_counts(done))
        return True


def _counts(done: Erased) -> dict[str, int | bool]:
    """Counts, never values."""
    return {
        "orders": done.orders,
        "messages": done.messages,
        "announcements": done.announcements,
        "sentences": done.sentences,
        "rejections": done.rejections,
        "captures": done.captures,
        "more": done.more,
    }
