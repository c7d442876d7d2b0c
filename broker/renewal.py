"""Renewing authorizations: the seam to what is stored, the guard of the call, and who asks for a renewal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from broker.guard import RunGuard
from broker.ledger import Verdict
from domain.authorization import Authorization, Tokens
from domain.channels import Channel
from domain.errors import ShopError
from domain.moments import iso
from domain.outcomes import FollowUp
from domain.ports import CallRecorder
from domain.states import DeliveryState
from domain.synclog import ApiCall

JOB = "authorization_refresh"
REFUSED = "refused-token"
"""The schedule that a tick names which a refused token asked for."""


class Renewals(Protocol):
    """What is stored of authorizations. Raises StorageUnavailable when the database is away."""

    async def known(self, channel: Channel) -> Authorization | None:
        """What is stored; ``None`` before the first tokens. Raises ConfigurationError where no key opens it."""

    async def begin(self, channel: Channel, version: int) -> bool:
        """Note that a renewal of this version begins; false where the version is another by now."""

    async def store(self, channel: Channel, version: int, tokens: Tokens) -> bool:
        """Store what the platform gave for this version; false where that was replaced meanwhile."""

    async def fail(self, channel: Channel, version: int, sentence: str, seconds: float, *, lost: bool) -> None:
        """Count a renewal that failed; no call is made for ``seconds``. ``lost`` where its end is not known."""


class Ungated:
    """:class:`domain.ports.CallGuard` of the renewal itself: the run's lease and record, but not the channel's gate,
    which is closed just because a renewal is needed. Manual logging keeps nothing of it: its bodies are tokens.
    """

    recorder: CallRecorder | None = None

    def __init__(self, guard: RunGuard) -> None:
        self._guard = guard

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        """Let the call pass while the lease is long enough.

        Raises:
            LeaseLost: the lease is too short for another call.
        """
        await self._guard.ensure_held()

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        """Record the call."""
        self._guard.calls.append(call)


def asking_for_renewal(verdicts: Sequence[Verdict], channel: Channel) -> tuple[Verdict, ...]:
    """The verdicts of a run whose token was refused, the first that waits asking for a renewal.

    However many runs meet the same refused token, it is asked for once: the version is in the event's identity.
    """
    found = list(verdicts)
    for at, verdict in enumerate(found):
        if verdict.state is DeliveryState.OPEN:
            data = {"schedule": REFUSED, "due": iso(verdict.finished_at)}
            asked = FollowUp(f"tick.{JOB}", f"{channel.id}/{REFUSED}/{channel.token_version}", data)
            effects = replace(verdict.effects, follow_ups=(*verdict.effects.follow_ups, asked))
            found[at] = replace(verdict, effects=effects)
            break
    return tuple(found)
