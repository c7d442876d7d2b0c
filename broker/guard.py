"""The guard of one run: lease before each call, gate around it, and the record of what was called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from broker.breaker import WHOLE
from broker.crash import crash_point
from broker.gates import BUDGET, TROUBLE, GateClosed, Gates
from broker.lease import Lease
from broker.recording import Recorder
from domain.budget import TEST_CONNECTION, CallClass, Cause
from domain.channels import Channel
from domain.errors import LeaseLost, ShopError, ShopUnauthorized
from domain.ports import CallRecorder
from domain.synclog import ApiCall


class RunGuard:
    """:class:`domain.ports.CallGuard` for one claim, made in ``term`` of the lease. ``wrote`` tells whether a write was
    begun, ``troubled`` whether the shop failed or its gate was closed, ``refused`` whether it refused the token. A run
    that was begun before its delivery was durable waits for ``stored`` before it acts. ``call_class`` is what its calls
    are for.
    """

    def __init__(
        self,
        lease: Lease,
        gates: Gates,
        term: int,
        stored: asyncio.Future[bool] | None = None,
        call_class: CallClass = CallClass.ORDERS,
    ) -> None:
        self._stored = stored
        self._call_class = call_class
        self._lease = lease
        self._term = term
        self._gates = gates
        self._reports: list[tuple[Channel, ShopError | None, str]] = []
        self._failed: set[str] = set()
        self.calls: list[ApiCall] = []
        self.recorder: Recorder | None = None
        self.wrote = False
        self.troubled = False
        self.refused = False

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        """Wait for the permit of one call.

        Raises:
            LeaseLost: the lease is too short for another call.
            GateClosed: the gate is closed for the channel or for this operation, or leaves no room soon.
        """
        await self.tell_gates()
        self._lease.ensure(self._term)
        try:
            await self._gates.enter(channel, operation, self._call_class)
        except GateClosed as error:
            # A budget that is used up says nothing about the shop: other classes of calls go on.
            self.troubled = self.troubled or error.cause != BUDGET
            raise
        try:
            await self.ensure_stored()
            # Waiting for the permit may have used up what was left of the lease.
            self._lease.ensure(self._term)
        except LeaseLost:
            self._gates.leave(channel, operation)
            self._gates.not_used(channel)
            raise
        if writes:
            crash_point("worker.before_call")
            self.wrote = True

    async def ensure_held(self) -> None:
        """Check that the lease is long enough for a call, whatever the gate says.

        Raises:
            LeaseLost: it is not.
        """
        await self.ensure_stored()
        self._lease.ensure(self._term)
        self.wrote = True

    async def ensure_stored(self) -> None:
        """Wait until the delivery is durable.

        Raises:
            LeaseLost: that is not known; whoever has the lane now begins anew.
        """
        if self._stored is not None and not await asyncio.shield(self._stored):
            raise LeaseLost("The database did not confirm that it has this delivery; it is taken up anew.")

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        """Record a call and how it ended."""
        self.calls.append(call)
        if not call.sent:
            self._gates.not_used(channel)
        self.troubled = self.troubled or isinstance(error, TROUBLE)
        operation = f"{call.method} {call.route}"
        if error is None and call.error is not None:
            # Cancelled by ourselves: that says nothing about the shop.
            self._gates.leave(channel, operation)
        else:
            self._reports.append((channel, error, operation))
        if call.method != "GET":
            crash_point("worker.after_call")

    async def tell_gates(self) -> None:
        """Hand what was learned to the gates (kept until now because a record must not wait)."""
        while self._reports:
            channel, error, operation = self._reports.pop(0)
            if not self._gates.went_well(channel, error, operation):
                if error is not None:
                    self._failed.add(operation)
                self.refused = self.refused or (isinstance(error, ShopUnauthorized) and error.status == 401)
                await asyncio.shield(self._gates.report(channel, error, operation))

    def met_closed_gate(self, channel_id: str) -> bool:
        """Whether the channel, or an operation that failed in this run, is closed or still probed: the trouble is the
        shop's then and not one delivery's.
        """
        return any(self._gates.closed(channel_id, operation) for operation in (WHOLE, *self._failed))


class FreeGuard:
    """:class:`domain.ports.CallGuard` for a person's own question (*Test connection*): no lane, no lease, no gate."""

    recorder: CallRecorder | None = None

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        """Nothing stands in the way of a single call that a person waits for."""

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        """Nothing is kept: the person sees the answer."""


class CheckGuard(FreeGuard):
    """As :class:`FreeGuard`; each call is counted, by ``note``, before it is made."""

    def __init__(self, note: Callable[[Channel, str, Cause, int], Awaitable[None]]) -> None:
        self._note = note
        self._not_sent: list[Channel] = []

    async def before(self, channel: Channel, operation: str, *, writes: bool) -> None:
        """Count the call. Raises StorageUnavailable."""
        await self._note(channel, TEST_CONNECTION, Cause.MANUAL, 1)

    def after(self, channel: Channel, call: ApiCall, error: ShopError | None) -> None:
        """Remember what was not sent."""
        if not call.sent:
            self._not_sent.append(channel)

    async def finish(self) -> None:
        """Take back the count of what was not sent. Raises StorageUnavailable."""
        while self._not_sent:
            await self._note(self._not_sent.pop(), TEST_CONNECTION, Cause.MANUAL, -1)
