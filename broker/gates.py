"""Gates: one per channel, shared by all processes. They pace its calls and close when the shop is down or says wait.

What closes how much:

- the shop asks to wait (429) or refuses the token (401, 403): the whole channel, at once;
- no connection is found, so that nothing was sent: the whole channel, after three in a row;
- one operation fails (5xx, no answer in time, a broken or unreadable answer): this operation, after three in a row;
- a second operation closes like that and no call of the channel went well in between: the whole channel.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace

import structlog
from pydantic import SecretStr

from broker.breaker import WHOLE, Breaker, Breakers, Closure
from broker.permits import BUDGET, GateClosed, GateStore, Hold, Permits, Reservation, Spending, spread
from broker.retry import gate_wait
from domain.budget import CallClass
from domain.channels import Channel
from domain.errors import ShopDown, ShopError, ShopOutcomeUnknown, ShopThrottled, ShopUnauthorized

log = structlog.get_logger(__name__)

__all__ = ["BUDGET", "GateClosed", "GateStore", "Gates", "Hold", "Reservation", "Spending"]

LONGEST_WAIT = 2.0
"""Seconds a call waits for its permit; beyond that its delivery waits in the ledger instead of in a worker."""
LEAST_PROBE_WAIT, MOST_PROBE_WAIT = 0.5, 5.0
PROBE_PART = 0.25
"""A call that found enough others probing a shop that was down asks again after this part of the closure: probes may
hang, and each time it asks its lane is claimed and put back.
"""
UNAUTHORIZED = "unauthorized"
UNAUTHORIZED_SECONDS = 60.0
SHOP_DOWN = "shop_down"

TROUBLE = (ShopThrottled, ShopUnauthorized, ShopDown, ShopOutcomeUnknown)
"""Errors that tell of the shop's state, not of one delivery."""


@dataclass(slots=True)
class _Local(Breakers):
    """What this process knows of one channel's gate."""

    permits: Permits = field(default_factory=Permits)
    token: SecretStr | None = None


class Gates:
    """Permits and breakers of all channels, as one process sees them.

    An ``operation`` is the method and route template of a call, as ``GET /orders/{id}``.
    """

    def __init__(self, store: GateStore) -> None:
        self._store = store
        self._local: dict[str, _Local] = defaultdict(_Local)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._with_permits: set[str] = set()
        """Channels of which permits may be left."""

    def closed_channels(self) -> list[str]:
        """Channels whose gate is closed as a whole right now: no use to claim their lanes.

        Those whose token was refused are left out: a new token opens their gate, and only a lane can bring it.
        """
        now = time.monotonic()
        return [
            channel_id
            for channel_id, local in self._local.items()
            if local.whole.closed_until > now and local.whole.closing and local.whole.closing.cause != UNAUTHORIZED
        ]

    def closed(self, channel_id: str, operation: str = WHOLE) -> bool:
        """Whether an operation, or its whole channel, has closed and no probe has opened it yet."""
        local = self._local[channel_id]
        one = local.troubled.get(operation)
        return local.whole.closing is not None or (one is not None and one.closing is not None)

    async def enter(self, channel: Channel, operation: str = WHOLE, call_class: CallClass = CallClass.ORDERS) -> None:
        """Wait for the permit of one call.

        Raises:
            GateClosed: the gate is closed, for the channel or for this operation, the budget holds this class of calls,
                or the pace of the channel leaves no permit within two seconds.
        """
        local = self._local[channel.id]
        refused = local.whole.closing
        if refused and refused.cause == UNAUTHORIZED and local.token != channel.token:
            local = self._local[channel.id] = _Local(permits=local.permits)
        self._refuse(local, operation)
        local.permits.drop_old(time.monotonic())
        if local.permits.lack(call_class):
            async with self._locks[channel.id]:
                while local.permits.lack(call_class):
                    self._refuse(local, operation)
                    await self._reserve(channel, local, operation, call_class)
            # Others may have gone in as the probe, or found the shop down, while this one waited for its permit.
            self._refuse(local, operation)
        local.permits.count -= 1
        if local.disturbed:
            local.begin(operation)

    def leave(self, channel: Channel, operation: str = WHOLE) -> None:
        """Give up after :meth:`enter` without having learned anything: another call may probe instead."""
        prober = self._local[channel.id].end(operation)
        if prober is not None:
            prober.probes_begun -= 1

    def not_used(self, channel: Channel) -> None:
        """Hear that nothing was sent on a permit."""
        self._local[channel.id].permits.unused += 1
        self._with_permits.add(channel.id)

    async def give_back(self, *, all_of_them: bool = False) -> None:
        """Give back the permits that are too old to be used, or ``all_of_them`` where no call will be made any more.

        Raises:
            StorageUnavailable: they stay counted as used.
        """
        now = time.monotonic()
        unused: list[tuple[str, int, int]] = []
        for channel_id in sorted(self._with_permits):
            permits = self._local[channel_id].permits
            if all_of_them:
                permits.drop()
            permits.drop_old(now)
            if permits.unused:
                unused.append((channel_id, permits.day, permits.unused))
                permits.unused = 0
            if not permits.count:
                self._with_permits.discard(channel_id)
        if unused:
            await self._store.give_back(unused)

    async def _reserve(self, channel: Channel, local: _Local, operation: str, call_class: CallClass) -> None:
        pace, permits = channel.settings, local.permits
        permits.refuse_held(call_class, pace.budget, time.monotonic())
        chunk = max(1, min(pace.burst, int(pace.calls_per_second / 10)))
        spending = permits.spending(channel, call_class)
        answer = await self._store.reserve(channel.id, chunk, pace.calls_per_second, pace.burst, spending)
        permits.take(answer, spending, time.monotonic())
        self._with_permits.add(channel.id)
        for told in answer.closures:
            self._learn(channel, local, told)
        if answer.granted:
            return
        permits.refuse_held(call_class, pace.budget, time.monotonic())
        self._refuse(local, operation)
        if answer.wait > LONGEST_WAIT:
            raise GateClosed(
                "throttled",
                answer.wait,
                f"The pace of {pace.calls_per_second:g} calls a second leaves no room for {answer.wait:.1f} s.",
            )
        await asyncio.sleep(answer.wait)

    @staticmethod
    def _learn(channel: Channel, local: _Local, told: Closure) -> None:
        now = time.monotonic()
        if told.operation == WHOLE:
            local.token = channel.token
            if not local.whole.learn(told, now):
                raise GateClosed(told.cause, told.seconds + spread(), told.words)
        elif local.troubled.setdefault(told.operation, Breaker()).learn(told, now):
            local.suspect = told.operation

    @staticmethod
    def _refuse(local: _Local, operation: str) -> None:
        """Refuse while the gate is closed, and when it is time to probe all but the first few."""
        if not local.disturbed:
            return
        now, prober = time.monotonic(), local.prober(operation)
        for breaker in (local.whole, prober):
            if breaker.closing and breaker.closed_until > now:
                raise GateClosed(breaker.closing.cause, breaker.closed_until - now + spread(), breaker.closing.words)
        if prober.closing and prober.crowded:
            raise GateClosed(prober.closing.cause, _probe_wait(prober.closing), prober.closing.words)

    def went_well(self, channel: Channel, error: ShopError | None, operation: str = WHOLE) -> bool:
        """Whether a call taught nothing that others must hear: no trouble, at an open gate. Else :meth:`report` it."""
        local = self._local[channel.id]
        if local.whole.closing or operation in local.troubled or isinstance(error, TROUBLE):
            return False
        local.whole.strikes, local.suspect = 0, WHOLE
        return True

    async def report(self, channel: Channel, error: ShopError | None, operation: str = WHOLE) -> None:
        """Learn from a call that was made: success opens, trouble closes the operation or the whole channel."""
        local = self._local[channel.id]
        whole, prober = local.whole, local.end(operation)
        if not isinstance(error, TROUBLE):
            await self._succeed(channel, local, operation, prober)
        elif isinstance(error, ShopThrottled | ShopUnauthorized):
            local.give_back(prober)
            await self._close(channel, local, whole, _asked_for(error, whole))
        elif operation == WHOLE or (isinstance(error, ShopDown) and not error.reached):
            local.give_back(prober)
            if whole.strike(probed=prober is not None):
                await self._close(channel, local, whole, _down(error, whole))
        else:
            await self._fail(channel, local, operation, error, prober)

    async def _fail(
        self, channel: Channel, local: _Local, operation: str, error: ShopError, prober: Breaker | None
    ) -> None:
        """One operation is in trouble. What it finds as a probe of its own says nothing about the others."""
        whole, one = local.whole, local.troubled.setdefault(operation, Breaker())
        down = prober is whole
        if one.strike(probed=prober is one):
            # Only when it closes for the first time: two broken operations that go on failing are no shop that is down.
            down = down or (one.closing is None and local.suspect != WHOLE)
            local.suspect = operation
            await self._close(channel, local, one, _down(error, one, operation))
        if down and not whole.probes:
            await self._close(channel, local, whole, _down(error, whole))

    async def _succeed(self, channel: Channel, local: _Local, operation: str, prober: Breaker | None) -> None:
        """Calls that began before the gate closed may still come back well: only a probe opens it."""
        local.whole.strikes, local.suspect = 0, WHOLE
        one = local.troubled.get(operation)
        if one is not None and (prober is one or one.closing is None):
            del local.troubled[operation]
            if one.closing:
                await self._open(channel, operation)
        if local.whole.closing and prober is not None and local.whole.closed_until <= time.monotonic():
            local.whole = Breaker()
            await self._open(channel, WHOLE)

    async def _open(self, channel: Channel, operation: str) -> None:
        await self._store.open(channel.id, operation)
        log.info("gate_opened", channel=channel.code, account=channel.account, operation=operation or "all")

    async def _close(self, channel: Channel, local: _Local, breaker: Breaker, closure: Closure) -> None:
        now = time.monotonic()
        if breaker.closed_until > now:
            # What was under way when the gate closed is no failed probe: it may lengthen the closure, not escalate it.
            if now + closure.seconds <= breaker.closed_until or closure.cause == SHOP_DOWN:
                return
            closure = replace(closure, closings=breaker.closings)
        breaker.close(closure, now)
        if breaker is local.whole:
            local.permits.drop()
            local.token = channel.token
        # A call that was under way with the token before must not close the gate to the one that is there now.
        version = channel.token_version if closure.cause == UNAUTHORIZED else None
        await self._store.close(channel.id, closure, version)
        log.warning(
            "gate_closed",
            channel=channel.code,
            account=channel.account,
            operation=closure.operation or "all",
            cause=closure.cause,
            seconds=round(closure.seconds, 1),
        )


def _down(error: ShopError, breaker: Breaker, operation: str = WHOLE) -> Closure:
    closings = breaker.closings + 1
    return Closure(SHOP_DOWN, gate_wait(closings), error.sentence, operation, closings)


def _asked_for(error: ShopThrottled | ShopUnauthorized, whole: Breaker) -> Closure:
    closings = whole.closings + 1
    if isinstance(error, ShopUnauthorized):
        return Closure(UNAUTHORIZED, UNAUTHORIZED_SECONDS, error.sentence, closings=closings)
    return Closure("throttled", error.retry_after or gate_wait(closings), error.sentence, closings=closings)


def _probe_wait(closing: Closure) -> float:
    part = PROBE_PART * closing.seconds if closing.cause == SHOP_DOWN else 0.0
    return min(MOST_PROBE_WAIT, max(LEAST_PROBE_WAIT, part)) + spread()
