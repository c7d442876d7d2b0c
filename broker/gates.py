"""Gates: one per channel, shared by all processes. They pace its calls and close when the shop is down or says wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

import structlog
from pydantic import SecretStr

from broker.retry import gate_wait
from domain.channels import Channel
from domain.errors import ShopDown, ShopError, ShopOutcomeUnknown, ShopThrottled, ShopUnauthorized

log = structlog.get_logger(__name__)

LONGEST_WAIT = 2.0
"""Seconds a call waits for its permit; beyond that its delivery waits in the ledger instead of in a worker."""
STRIKES_TO_CLOSE = 3
PROBES = 3
"""Calls let through when a closed gate is due; one that comes back well opens it."""
UNAUTHORIZED = "unauthorized"
UNAUTHORIZED_SECONDS = 60.0


_TROUBLE = (ShopThrottled, ShopUnauthorized, ShopDown, ShopOutcomeUnknown)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Permits granted now; or how long to wait; or until when the gate is closed and why."""

    granted: int
    wait: float = 0.0
    closed_for: float = 0.0
    cause: str = ""
    sentence: str = ""


class GateStore(Protocol):
    """The shared side of the gates, in the database."""

    async def reserve(self, channel_id: str, count: int, per_second: float, burst: int) -> Reservation:
        """Take up to ``count`` permits of a channel paced at ``per_second`` with ``burst`` at once."""

    async def close(self, channel_id: str, cause: str, seconds: float, strikes: int, sentence: str) -> None:
        """Close the gate of a channel for all processes; an earlier, longer closure stays."""

    async def open(self, channel_id: str) -> None:
        """Open the gate: a call came through."""


class GateClosed(ShopError):
    """No call may be made on this channel now: ``cause`` says why, ``seconds`` for how long."""

    def __init__(self, cause: str, seconds: float, sentence: str) -> None:
        super().__init__(sentence, code=cause)
        self.cause = cause
        self.seconds = seconds


@dataclass(slots=True)
class _Local:
    """What this process knows of one channel's gate."""

    permits: int = 0
    strikes: int = 0
    closed_until: float = 0.0
    cause: str = ""
    sentence: str = ""
    closings: int = 0
    token: SecretStr | None = None
    probes: int = 0
    probes_begun: int = 0


class Gates:
    """Permits and breakers of all channels, as one process sees them."""

    def __init__(self, store: GateStore) -> None:
        self._store = store
        self._local: dict[str, _Local] = defaultdict(_Local)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def closed_channels(self) -> list[str]:
        """Channels whose gate is closed right now: no use to claim their lanes.

        Those whose token was refused are left out: a new token opens their gate, and only a lane can bring it.
        """
        now = time.monotonic()
        return [
            channel_id
            for channel_id, local in self._local.items()
            if local.closed_until > now and local.cause != UNAUTHORIZED
        ]

    async def enter(self, channel: Channel) -> None:
        """Wait for the permit of one call.

        Raises:
            GateClosed: the gate is closed, or the pace of the channel leaves no permit within two seconds.
        """
        local = self._local[channel.id]
        if local.cause == UNAUTHORIZED and local.token != channel.token:
            local = self._local[channel.id] = _Local()
        self._refuse(local)
        if local.permits == 0:
            async with self._locks[channel.id]:
                while local.permits == 0:
                    self._refuse(local)
                    await self._reserve(channel, local)
            # Others may have gone in as the probe, or found the shop down, while this one waited for its permit.
            self._refuse(local)
        local.permits -= 1
        if local.closings:
            local.probes += 1
            local.probes_begun += 1

    def leave(self, channel: Channel) -> None:
        """Give up after :meth:`enter` without having learned anything: another call may probe instead."""
        local = self._local[channel.id]
        if local.probes:
            local.probes -= 1
            local.probes_begun -= 1

    async def _reserve(self, channel: Channel, local: _Local) -> None:
        pace = channel.settings
        chunk = max(1, min(pace.burst, int(pace.calls_per_second / 10)))
        answer = await self._store.reserve(channel.id, chunk, pace.calls_per_second, pace.burst)
        if answer.closed_for > 0:
            local.closed_until = time.monotonic() + answer.closed_for
            local.cause, local.sentence, local.token = answer.cause, answer.sentence, channel.token
            local.closings = max(local.closings, 1)
            self._refuse(local)
        if answer.granted:
            local.permits += answer.granted
        elif answer.wait > LONGEST_WAIT:
            raise GateClosed(
                "throttled",
                answer.wait,
                f"The pace of {pace.calls_per_second:g} calls a second leaves no room for {answer.wait:.1f} s.",
            )
        else:
            await asyncio.sleep(answer.wait)

    @staticmethod
    def _refuse(local: _Local) -> None:
        """Refuse while the gate is closed, and when it is time to probe all but the first few."""
        left = local.closed_until - time.monotonic()
        if left > 0:
            spread = random.uniform(0.05, 0.3)  # noqa: S311 - not a secret: it keeps all from coming back at once
            raise GateClosed(local.cause, left + spread, local.sentence)
        if local.closings and local.probes_begun >= PROBES:
            raise GateClosed(local.cause, 0.5, local.sentence)

    def went_well(self, channel: Channel, error: ShopError | None) -> bool:
        """Whether a call taught nothing that others must hear: no trouble, at an open gate. Else :meth:`report` it."""
        local = self._local[channel.id]
        if local.closings or local.probes or isinstance(error, _TROUBLE):
            return False
        local.strikes = 0
        return True

    async def report(self, channel: Channel, error: ShopError | None) -> None:
        """Learn from a call that was made: success opens, trouble of the whole shop closes."""
        local = self._local[channel.id]
        probed = local.probes > 0
        local.probes -= int(probed)
        if isinstance(error, ShopThrottled):
            await self._close(
                channel,
                local,
                "throttled",
                error.retry_after or gate_wait(local.closings + 1),
                error.sentence,
            )
        elif isinstance(error, ShopUnauthorized):
            await self._close(channel, local, UNAUTHORIZED, UNAUTHORIZED_SECONDS, error.sentence)
        elif isinstance(error, ShopDown | ShopOutcomeUnknown):
            local.strikes += 1
            # One bad resource must not pass for a shop that is down: the last probe under way decides.
            due = probed if local.closings else local.strikes >= STRIKES_TO_CLOSE
            if due and local.probes == 0:
                await self._close(channel, local, "shop_down", gate_wait(local.closings + 1), error.sentence)
        else:
            local.strikes = 0
            if local.closings and probed:
                # Calls that began before the gate closed may still come back well: only a probe opens it.
                local.closings, local.closed_until, local.probes, local.probes_begun = 0, 0.0, 0, 0
                await self._store.open(channel.id)
                log.info("gate_opened", channel=channel.code, account=channel.account)

    async def _close(self, channel: Channel, local: _Local, cause: str, seconds: float, sentence: str) -> None:
        until = time.monotonic() + seconds
        if local.closed_until > time.monotonic():
            # What was under way when the gate closed is no failed probe: it may lengthen the closure, not escalate it.
            if until <= local.closed_until or cause == "shop_down":
                return
        else:
            local.closings += 1
        local.cause, local.sentence, local.permits, local.token = cause, sentence, 0, channel.token
        local.closed_until, local.probes, local.probes_begun = until, 0, 0
        await self._store.close(channel.id, cause, seconds, local.closings, sentence)
        log.warning(
            "gate_closed",
            channel=channel.code,
            account=channel.account,
            cause=cause,
            seconds=round(seconds, 1),
        )
