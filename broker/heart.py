"""The heart: one row of steps from a due lane to a settled outcome.

    claim -> run -> settle -> acknowledge

1. **claim**: lanes that are due are taken under this worker's lease, each with a token (the fence).
2. **run**: their deliveries go to the handler of their job type, concurrently across lanes, in order within a lane.
3. **settle**: outcomes, log rows, records, announcements and follow-ups of everything finished by then are written in one
   transaction; a lane that is due again and of a job of ours is handed on in the same transaction.
4. **acknowledge**: only now the transport hears that the references are done.

Events reach the ledger by :mod:`broker.intake` (decode, admit, acknowledge). A worker killed anywhere leaves rows: its lanes
are freed when its lease ends or its process is known to be gone, and re-enter this row marked *unsure*, so that handlers
read back before they write again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from broker.bell import Bell
from broker.crash import crash_point
from broker.gates import Gates
from broker.guard import RunGuard
from broker.handling import Answer, Handler, Item, Run
from broker.lease import Lease
from broker.ledger import Claim, Delivery, Ledger, Memory, Settled, Settlement, Verdict
from broker.meters import Meters
from broker.sources import LaneSource
from broker.verdicts import Attempt, judge, judge_error
from domain.channels import Channel
from domain.envelope import parse
from domain.errors import LeaseLost, StorageUnavailable
from domain.events import payload_of
from domain.moments import Clock, utc_now
from domain.outcomes import Dead, Outcome, Park
from domain.ports import ShopOpener
from domain.states import DeliveryState, LaneKind

log = structlog.get_logger(__name__)

CRASHES_TO_DEATH = 3


@dataclass(frozen=True, slots=True)
class Organs:
    """What a worker works with."""

    ledger: Ledger
    memory: Memory
    gates: Gates
    shops: ShopOpener
    handlers: Mapping[str, Handler]
    meters: Meters
    clock: Clock = utc_now
    bell: Bell = field(default_factory=Bell)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once: ``capacity`` lanes in flight, ``run_seconds`` for one run at the most."""

    capacity: int = 64
    channel_share: float = 0.75
    run_seconds: float = 600.0


class Worker:
    """Runs the deliveries of some job types until told to stop."""

    def __init__(self, organs: Organs, source: LaneSource, lease: Lease, pace: Pace = Pace()) -> None:
        self._organs = organs
        self._source = source
        self._lease = lease
        self._pace = pace
        self._jobs = frozenset(organs.handlers)
        self._running: set[asyncio.Task[None]] = set()
        self._per_channel: Counter[str] = Counter()
        self._finished: list[Settlement] = []
        self._settle_bell = Bell()
        self._room_bell = Bell()
        self._stopping = False

    async def work(self, stop: asyncio.Event) -> None:
        """Claim, run, settle and acknowledge until ``stop`` is set; then finish what is in hand."""
        await self._source.start()
        settler = asyncio.create_task(self._settle_forever())
        try:
            while not stop.is_set():
                await self._claim_once()
        finally:
            self._stopping = True
            while self._running:
                await asyncio.wait(self._running)
                await self._flush()
            await self._flush()
            settler.cancel()
            await asyncio.gather(settler, return_exceptions=True)
            await self._source.stop()

    async def _claim_once(self) -> None:
        room = self._pace.capacity - len(self._running)
        if room <= 0 or self._lease.remaining < 1.0:
            await self._room_bell.listen(0.25)
            return
        try:
            claims = await self._source.claims(room, self._skipped_channels())
        except StorageUnavailable as error:
            log.warning("claim_failed", reason=error.sentence)
            await asyncio.sleep(1.0)
            return
        for claim in claims:
            self._begin(claim)

    def _skipped_channels(self) -> list[str]:
        most = max(1, int(self._pace.capacity * self._pace.channel_share))
        busy = [channel_id for channel_id, count in self._per_channel.items() if count >= most]
        return [*busy, *self._organs.gates.closed_channels()]

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self._run(claim))
        self._running.add(task)
        self._per_channel[claim.channel_id] += 1

        def over(done: asyncio.Task[None]) -> None:
            self._running.discard(done)
            self._per_channel[claim.channel_id] -= 1
            self._room_bell.ring()

        task.add_done_callback(over)

    async def _run(self, claim: Claim) -> None:
        """Run one claim and hand its settlement on. A lost lease hands on nothing: the lane is somebody else's."""
        guard = RunGuard(self._lease, self._organs.gates)
        started = self._organs.clock()
        answers: list[Answer] | Exception
        try:
            answers = await asyncio.wait_for(self._handle(claim, guard), self._pace.run_seconds)
        except LeaseLost as error:
            log.warning("lease_lost", lane=claim.lane, reason=error.sentence)
            self._organs.meters.fenced.inc()
            return
        except Exception as error:
            answers = error
            if not hasattr(error, "sentence"):
                log.exception("handler_failed", lane=claim.lane, job=claim.job_type)
        await guard.tell_gates()
        verdicts = self._judge(claim, answers, guard, Attempt(started, self._organs.clock()))
        self._finished.append(Settlement(claim, verdicts, frozenset() if self._stopping else self._jobs))
        self._settle_bell.ring()

    async def _handle(self, claim: Claim, guard: RunGuard) -> list[Answer]:
        if not claim.deliveries:
            return []
        channel = await self._organs.ledger.channel(claim.channel_id)
        if refused := _refusal(channel, claim):
            return [refused] * len(claim.deliveries)
        assert channel is not None
        run = Run(
            channel,
            self._organs.shops(channel, guard),
            self._organs.memory,
            self._organs.clock,
            tuple(map(_item, claim.deliveries)),
        )
        structlog.contextvars.bind_contextvars(**_names(claim, channel))
        answers = list(await self._organs.handlers[claim.job_type](run))
        if len(answers) != len(claim.deliveries):
            raise TypeError(f"{claim.job_type} answered {len(answers)} outcomes for {len(claim.deliveries)} deliveries")
        return answers

    def _judge(
        self, claim: Claim, answers: list[Answer] | Exception, guard: RunGuard, attempt: Attempt
    ) -> tuple[Verdict, ...]:
        """One verdict per delivery; the calls of a shared run are told once, on the first that made something happen."""
        silent = replace(attempt, calls=())
        told = replace(attempt, calls=tuple(guard.calls))
        if isinstance(answers, Exception):
            verdicts = [
                judge_error(answers, delivery, told if not at else silent)
                for at, delivery in enumerate(claim.deliveries)
            ]
        else:
            bearer = next(
                (at for at, answer in enumerate(answers) if type(answer).__name__ not in ("Superseded", "Skipped")),
                0,
            )
            verdicts = [
                _verdict_of(answer, delivery, told if at == bearer else silent)
                for at, (answer, delivery) in enumerate(zip(answers, claim.deliveries, strict=True))
            ]
        if guard.wrote:
            verdicts = [replace(each, unsure=True) if each.state is DeliveryState.OPEN else each for each in verdicts]
        return tuple(verdicts)

    async def _settle_forever(self) -> None:
        while True:
            await self._settle_bell.listen(1.0)
            await self._flush()

    async def _flush(self) -> None:
        """Settle all that is finished, again and again until the database took it; then acknowledge."""
        while self._finished:
            batch, self._finished = self._finished, []
            try:
                settled = await self._organs.ledger.settle(self._lease.worker, batch)
            except StorageUnavailable as error:
                log.warning("settle_failed", waiting=len(batch), reason=error.sentence)
                self._finished = batch + self._finished
                await asyncio.sleep(1.0)
                continue
            crash_point("worker.after_settle")
            await self._source.settled([answer.lane for answer in settled])
            self._after_settle(batch, settled)

    def _after_settle(self, batch: list[Settlement], settled: list[Settled]) -> None:
        for settlement, answer in zip(batch, settled, strict=True):
            if answer.fenced:
                log.warning("fenced", lane=answer.lane, token=settlement.claim.token)
                self._organs.meters.fenced.inc()
                continue
            self._organs.meters.settled(settlement.verdicts)
            if answer.next_claim is not None:
                self._begin(answer.next_claim)
        self._organs.bell.ring()


def _verdict_of(answer: Answer, delivery: Delivery, attempt: Attempt) -> Verdict:
    return judge_error(answer, delivery, attempt) if isinstance(answer, Exception) else judge(answer, delivery, attempt)


def _refusal(channel: Channel | None, claim: Claim) -> Outcome | None:
    """Why a claim must not run at all, if so."""
    if channel is None:
        return Dead("Its channel was deleted.", "channel_deleted")
    if claim.kind is LaneKind.FIFO and claim.crashes >= CRASHES_TO_DEATH:
        return Dead(
            f"It killed its worker {claim.crashes} times; look at the worker's log, then replay or discard.",
            "killed_worker",
        )
    if channel.fault:
        return Park(channel.fault, "channel_broken", "channel", 60.0)
    if not channel.enabled:
        return Park(
            f"Channel {channel.code} is disabled; the work waits until it is enabled.",
            "channel_disabled",
            "channel",
            None,
        )
    return None


def _item(delivery: Delivery) -> Item:
    envelope = parse(delivery.body)
    return Item(delivery, envelope, payload_of(envelope))


def _names(claim: Claim, channel: Channel) -> dict[str, str]:
    first = claim.deliveries[0]
    return {
        "message": first.message_id,
        "delivery": first.id,
        "account": channel.account,
        "channel": channel.code,
        "job": claim.job_type,
        "trace": first.trace_id or "",
    }
