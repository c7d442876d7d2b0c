"""The heart: one row of steps from a due lane to a settled outcome.

    claim -> run -> settle

1. **claim**: lanes that are due are taken under this worker's lease, each with a token (the fence).
2. **run**: their deliveries go to the handler of their job type, concurrently across lanes, in order within a lane.
3. **settle**: outcomes, log rows, records, announcements and follow-ups of everything finished by then are written
   in one transaction; a lane that is due again and of a job of ours is handed on in the same transaction.

Events reach the ledger by :mod:`broker.intake` (decode, admit, acknowledge), which may hand lanes that begin with them
straight to the worker of its process. A worker killed anywhere leaves rows: its lanes are freed when its lease ends or
its process is known to be gone, and re-enter this row marked *unsure*, so that handlers read back before they write
again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from broker.bell import Bell
from broker.crash import crash_point
from broker.gates import Gates
from broker.guard import RunGuard
from broker.handling import CHANNEL_DELETED, Answer, Handler, Run, erased, item_of, refusal_of
from broker.lease import Lease
from broker.ledger import Claim, Hands, Ledger, Memory, Settled, Settlement
from broker.meters import Meters
from broker.pacer import Pacer
from broker.recording import CaptureStore, Recorder, recorder_of
from broker.renewal import asking_for_renewal
from broker.slots import Slots
from broker.sources import LaneSource
from broker.verdicts import Attempt, judge_run, unsettled
from domain.budget import JOB_CLASSES, CallClass
from domain.channels import Channel
from domain.errors import LeaseLost, StorageUnavailable
from domain.moments import Clock, utc_now
from domain.ports import ShopOpener

log = structlog.get_logger(__name__)

AWAY_SECONDS = 1.0
"""How long a database that is away is left alone before it is asked again."""
GIVE_BACK_SECONDS = 1.0
"""How often permits that were reserved and not used are given back."""


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
    captures: CaptureStore | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once: up to ``capacity`` lanes in flight (see :mod:`broker.slots`), of one of several channels up to
    ``channel_share`` of them; ``run_seconds`` for one run at the most.
    """

    capacity: int = 200
    channel_share: float = 0.75
    run_seconds: float = 600.0


class Worker:
    """Runs the deliveries of some job types until told to stop. An intake of this process may take it as its taker."""

    def __init__(self, organs: Organs, source: LaneSource, lease: Lease, pace: Pace = Pace()) -> None:
        self._organs = organs
        self._source = source
        self._lease = lease
        self._pace = pace
        self._jobs = frozenset(organs.handlers)
        self._running: set[asyncio.Task[None]] = set()
        self._slots = Slots(pace.capacity, pace.channel_share, organs.ledger.has_several_channels)
        self._pacer = Pacer(organs.ledger.has_busy_channels)
        self._offered = 0
        self._term = lease.term
        """Of the lease, when this worker last told what it is ready for."""
        self._left_out = False
        self._plenty = False
        self._finished: list[Settlement] = []
        self._settling = asyncio.Lock()
        self._settle_bell = Bell()
        self._room_bell = Bell()
        self._stopping = False
        self._in_hand: dict[str, int] = {}
        self._astray = False
        self.claiming = asyncio.Lock()

    def hands(self) -> Hands:
        """What this worker is ready for."""
        self._offer(0)
        room = self._slots.room
        if self._stopping or self._astray or not room or not self._lease.sufficient:
            return Hands()
        shares = self._slots.shares()
        self._offer(room)
        self._term = self._lease.term
        skip = frozenset(self._organs.gates.closed_channels())
        return Hands(self._lease.worker, self._jobs, room, skip, shares)

    def _offer(self, room: int) -> None:
        """Keep so many slots for what an intake may hand to this worker, instead of those kept before."""
        self._slots.redeem(self._offered)
        self._offered = room
        self._slots.promise(room)

    def begin(self, claims: Sequence[Claim], stored: asyncio.Future[bool]) -> None:
        """Run lanes that are claimed for this worker if they become ``stored``."""
        self._offer(0)
        for claim in claims:
            self._begin(claim, self._term, stored)

    def miss(self) -> None:
        """Hear that this worker may hold lanes of which nobody told it: the answer to a claim was lost."""
        self._offer(0)
        self._astray = True

    async def work(self, stop: asyncio.Event) -> None:
        """Claim, run and settle until ``stop`` is set; then finish what is in hand."""
        await self._source.start()
        settler = asyncio.create_task(self._settle_forever())
        try:
            while not stop.is_set():
                if settler.done():
                    settler.result()
                await self._claim_once()
        finally:
            self._stopping = True
            async with self.claiming:
                # What was being claimed when the stop came is here now.
                await self._finish()
            settler.cancel()
            await asyncio.gather(settler, return_exceptions=True)
            await self._give_back(all_of_them=True)
            await self._source.stop()

    async def _finish(self) -> None:
        """Run and settle what is in hand; a settle under way may hand on one more claim."""
        await self._flush()
        while self._running:
            await asyncio.wait(self._running)
            await self._flush()

    async def _claim_once(self) -> None:
        if not self._slots.worth_a_claim or not self._lease.sufficient:
            await self._room_bell.listen(0.25)
            return
        await asyncio.sleep(self._pacer.pause())
        await self._source.ready()
        try:
            if self._astray:
                if self._settling.locked():
                    # The database is still away for the settle: waiting for that here would not hear of a stop.
                    await self._room_bell.listen(0.25)
                    return
                await self._disown()
            await self._claim()
        except StorageUnavailable as error:
            log.warning("claim_failed", reason=error.sentence)
            # The claim may have been committed and only its answer lost: then nobody runs what it took.
            self._astray = True
            await asyncio.sleep(AWAY_SECONDS)

    async def _claim(self) -> None:
        # What is free may have changed since there was last something to wait for. Where little waits, as the last
        # claim showed, the other half is for what comes in meanwhile.
        room, shares = self._slots.claimable, self._slots.shares()
        if not room:
            return
        room = self._pacer.most(room if self._plenty else (room + 1) // 2)
        crowded, term = self._slots.crowded(), self._lease.term
        self._slots.promise(room)
        try:
            claims = await self._source.claims(room, [*crowded, *self._organs.gates.closed_channels()], shares)
        finally:
            self._slots.redeem(room)
        taken = Counter(claim.channel_id for claim in claims)
        full = shares is not None and any(count >= shares.of(channel_id) for channel_id, count in taken.items())
        self._plenty = full or len(claims) == room
        self._left_out = bool(crowded) or full
        for claim in claims:
            self._begin(claim, term)

    async def _disown(self) -> None:
        """Free what this worker holds without running it: the answer to a claim or settle was lost on the way."""
        async with self._settling, self.claiming:
            freed = await self._organs.ledger.disown(self._lease.worker, dict(self._in_hand))
        self._astray = False
        if freed:
            log.warning("lanes_found_again", count=freed)

    def _begin(self, claim: Claim, term: int, stored: asyncio.Future[bool] | None = None) -> None:
        """Run a claim that was asked for in this term of the lease."""
        self._in_hand[claim.lane] = claim.token
        call_class = JOB_CLASSES.get(claim.job_type, CallClass.ORDERS)
        guard = RunGuard(self._lease, self._organs.gates, term, stored, call_class)
        task = asyncio.create_task(self._run(claim, guard))
        self._running.add(task)
        slot = self._slots.take(claim.channel_id)

        def over(done: asyncio.Task[None]) -> None:
            self._running.discard(done)
            self._slots.free(slot)
            if self._left_out and not self._slots.is_crowded(claim.channel_id):
                # Its lanes were left out of claims until now.
                self._left_out = False
                self._source.nudge()
            self._room_bell.ring()

        task.add_done_callback(over)

    async def _run(self, claim: Claim, guard: RunGuard) -> None:
        """Run one claim and hand its settlement on.

        After a lost lease too: the fence keeps it from being written where the lane is somebody else's by then, and
        where nobody took it, it must not stay held by a worker that gave it up.
        """
        started = self._organs.clock()
        answers: list[Answer] | Exception
        seen: dict[str, Channel] = {}
        try:
            async with asyncio.timeout(self._pace.run_seconds):
                answers = await self._handle(claim, guard, seen)
        except LeaseLost as error:
            answers = error
            log.warning("lease_lost", lane=claim.lane, reason=error.sentence)
        except Exception as error:
            answers = error
            if not hasattr(error, "sentence"):
                log.exception("handler_failed", lane=claim.lane, job=claim.job_type)
        try:
            # Also what failed: settled too early, it is refused as that of a lane that is not there, and the lane that
            # is there a moment later stays with a worker that knows nothing of it.
            await guard.ensure_stored()
        except LeaseLost as error:
            answers = error
        try:
            await guard.tell_gates()
        except StorageUnavailable as error:
            log.warning("gates_not_told", lane=claim.lane, reason=error.sentence)
        if guard.recorder is not None:
            await self._keep(claim, guard.recorder)
        self._slots.learn(claim.channel_id, [call.milliseconds / 1000 for call in guard.calls], well=not guard.troubled)
        attempt = Attempt(started, self._organs.clock(), tuple(guard.calls))
        closed = guard.met_closed_gate(claim.channel_id)
        verdicts = judge_run(claim, answers, attempt, gate_closed=closed, wrote=guard.wrote)
        if guard.refused and (used := seen.get(claim.lane)) is not None and used.renews:
            verdicts = asking_for_renewal(verdicts, used)
        go_on = frozenset() if self._stopping else self._jobs
        self._finished.append(Settlement(claim, verdicts, go_on, seen.get(claim.lane)))
        self._settle_bell.ring()

    async def _keep(self, claim: Claim, recorder: Recorder) -> None:
        """Keep what manual logging recorded; where the database is away it is lost, and the run is not."""
        if self._organs.captures is None or not recorder.captures:
            return
        try:
            await self._organs.captures.keep(claim, recorder.captures)
        except StorageUnavailable as error:
            log.warning("captures_lost", lane=claim.lane, count=len(recorder.captures), reason=error.sentence)

    async def _handle(self, claim: Claim, guard: RunGuard, seen: dict[str, Channel]) -> list[Answer]:
        """The handler's answers; ``seen`` gets the channel as this run knew it."""
        if not claim.deliveries:
            return []
        channel = await self._organs.ledger.channel(claim.channel_id)
        if channel is not None:
            seen[claim.lane] = channel
        refused = refusal_of(channel, claim)
        if channel is None or refused is not None:
            return [refused or CHANNEL_DELETED] * len(claim.deliveries)
        if channel.manual_logging and self._organs.captures is not None:
            guard.recorder = recorder_of(channel, claim.job_type, self._organs.clock)
        run = Run(
            channel,
            self._organs.shops(channel, guard),
            self._organs.memory,
            self._organs.clock,
            tuple(map(item_of, claim.deliveries)),
            guard,
        )
        if (outdated := erased(run.items)) is not None:
            return [outdated] * len(run.items)
        structlog.contextvars.bind_contextvars(**_names(claim, channel))
        answers = list(await self._organs.handlers[claim.job_type](run))
        if len(answers) != len(claim.deliveries):
            raise TypeError(f"{claim.job_type} answered {len(answers)} outcomes for {len(claim.deliveries)} deliveries")
        return answers

    async def _settle_forever(self) -> None:
        looked = time.monotonic()
        while True:
            await self._settle_bell.listen(1.0)
            await self._flush()
            if time.monotonic() - looked > GIVE_BACK_SECONDS:
                await self._give_back()
                looked = time.monotonic()

    async def _give_back(self, *, all_of_them: bool = False) -> None:
        """Give back permits that nobody uses; while the database is away they stay counted."""
        try:
            await self._organs.gates.give_back(all_of_them=all_of_them)
        except StorageUnavailable as error:
            log.warning("permits_not_given_back", reason=error.sentence)

    async def _flush(self) -> None:
        """Settle all that is finished."""
        async with self._settling:
            while self._finished:
                batch, self._finished = self._finished, []
                term = self._lease.term
                settled = await self._settle(batch)
                crash_point("worker.after_settle")
                self._after_settle(batch, settled, term)

    async def _settle(self, batch: list[Settlement]) -> list[Settled]:
        """Settle again and again until the database took it.

        What it cannot take (an outcome that does not fit) fails alone, as its handler's failure. A worker that stops
        gives up when its lease is over: what it holds is freed as interrupted.
        """
        failed = False
        while True:
            try:
                return await self._organs.ledger.settle(self._lease.worker, batch)
            except StorageUnavailable as error:
                log.warning("settle_failed", waiting=len(batch), reason=error.sentence)
                self._astray = True
                if self._stopping and self._lease.remaining <= 0:
                    return [Settled(each.claim.lane, fenced=True) for each in batch]
                await asyncio.sleep(AWAY_SECONDS)
            except Exception as error:
                log.exception("settle_refused", lanes=[each.claim.lane for each in batch][:10])
                if len(batch) > 1:
                    return [answer for each in batch for answer in await self._settle([each])]
                if failed:
                    raise
                failed, batch = True, [unsettled(batch[0], error)]

    def _after_settle(self, batch: list[Settlement], settled: list[Settled], term: int) -> None:
        for settlement, answer in zip(batch, settled, strict=True):
            if self._in_hand.get(answer.lane) == settlement.claim.token:
                del self._in_hand[answer.lane]
            if answer.fenced:
                log.warning("fenced", lane=answer.lane, fence=settlement.claim.token)
                self._organs.meters.fenced.inc()
                continue
            self._organs.meters.settled(settlement.verdicts)
            if answer.next_claim is not None:
                self._begin(answer.next_claim, term)
        if any(each.effects.announcements or each.effects.follow_ups for one in batch for each in one.verdicts):
            self._organs.bell.ring()


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
