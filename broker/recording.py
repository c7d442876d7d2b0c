"""Manual logging of one run: its API calls as they are kept, and where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from broker.ledger import Claim
from domain.captures import MOST_OF_A_RUN, Capture, capture_of
from domain.channels import Channel
from domain.moments import Clock


class CaptureStore(Protocol):
    """Where captures are kept."""

    async def keep(self, claim: Claim, captures: Sequence[Capture]) -> None:
        """Keep what a run's calls asked and answered. Raises StorageUnavailable."""


class Recorder:
    """:class:`domain.ports.CallRecorder` of one run: redacts at once, so that no secret waits in memory."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._hide = (channel.token.get_secret_value(),)
        self._clock = clock
        self.captures: list[Capture] = []

    def record(self, request: bytes, about: str, status: int | None, response: bytes) -> None:
        """Keep a whole HTTP request and the body of its response."""
        if len(self.captures) < MOST_OF_A_RUN:
            self.captures.append(capture_of(self._clock(), request, about, status, response, self._hide))


def recorder_of(channel: Channel, job_type: str, clock: Clock) -> Recorder | None:
    """A recorder where manual logging is on for a job of a channel."""
    until = dict(channel.manual_logging).get(job_type)
    return Recorder(channel, clock) if until is not None and clock() < until else None
