"""Erase personal data older than the threshold from all that the broker holds (sales channels, section 7)."""

from __future__ import annotations

import time

from broker.handling import Handler, Run, single
from broker.privacy import Erased, Eraser
from domain.events import REMAINDER
from domain.moments import iso
from domain.outcomes import Counts, Done, Effects, FollowUp, Outcome, Skipped
from domain.privacy import Threshold

JOB = "pii_redaction"
LONGEST = 240.0
"""Seconds after which a run leaves the rest to another that follows at once."""


def pii_redaction(eraser: Eraser, longest: float = LONGEST) -> Handler:
    """The handler, with what does the erasing."""

    async def handle(run: Run) -> Outcome:
        """Erase step by step until nothing is left that is due. Each step is durable, so a run may be repeated."""
        threshold = await eraser.threshold(run.channel)
        if threshold.days is None:
            return Skipped(
                "No PII retention threshold counts for this channel: personal data are kept.", "personal_data_kept"
            )
        until, done = time.monotonic() + longest, await eraser.erase(run.channel, threshold)
        while done.more and time.monotonic() < until:
            done += await eraser.erase(run.channel, threshold)
        return _told(run, threshold, done, wiped=await eraser.wipe())

    return single(handle)


def _told(run: Run, threshold: Threshold, done: Erased, *, wiped: bool) -> Done:
    data = {"schedule": REMAINDER, "due": iso(run.clock())}
    rest = FollowUp(f"tick.{JOB}", f"{run.channel.id}/{JOB}/{run.item.delivery.id}", data)
    return Done(
        done.told(f"{threshold.days} days", wiped=wiped),
        code="ok" if wiped else "log_in_use",
        warning=not wiped,
        effects=Effects(Counts(updated=done.orders), follow_ups=(rest,) if done.more else ()),
    )
